//! One machine's results against what it was built with.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::built::{Built, Properties, number};

/// What a run brought back.
pub struct Results {
    folder: PathBuf,
    pub built: Built,
}

/// Vendor and device of QEMU's devices that the machines have.
const DEVICES: [(&str, &[(u64, u64)]); 21] = [
    ("pxb-pcie", &[(0x1b36, 0x000b)]),
    ("pxb-cxl", &[(0x1b36, 0x000b)]),
    ("pcie-root-port", &[(0x1b36, 0x000c)]),
    ("x3130-upstream", &[(0x104c, 0x8232)]),
    ("xio3130-downstream", &[(0x104c, 0x8233)]),
    ("nvme", &[(0x1b36, 0x0010)]),
    ("igb", &[(0x8086, 0x10c9)]),
    ("e1000e", &[(0x8086, 0x10d3)]),
    ("e1000", &[(0x8086, 0x100e)]),
    // Behind a port it has no legacy interface, on a root bus it has.
    ("virtio-net-pci", &[(0x1af4, 0x1041), (0x1af4, 0x1000)]),
    ("virtio-rng-pci", &[(0x1af4, 0x1044), (0x1af4, 0x1005)]),
    ("cxl-rp", &[(0x8086, 0x7075)]),
    ("cxl-type3", &[(0x8086, 0x0d93)]),
    ("pcie-pci-bridge", &[(0x1b36, 0x000e)]),
    ("pci-bridge", &[(0x1b36, 0x0001)]),
    ("qemu-xhci", &[(0x1b36, 0x000d)]),
    ("usb-ehci", &[(0x8086, 0x24cd)]),
    ("ich9-intel-hda", &[(0x8086, 0x293e)]),
    ("lsi53c895a", &[(0x1000, 0x0012)]),
    ("AC97", &[(0x8086, 0x2415)]),
    ("rtl8139", &[(0x10ec, 0x8139)]),
];

/// Vendor and device of igb's virtual functions.
const IGB_VF: (u64, u64) = (0x8086, 0x10ca);

impl Results {
    /// Reads the arguments; everything else is read when asked for.
    pub fn read(folder: &Path) -> Self {
        let arguments = folder.join("qemu-arguments.txt");
        let text = std::fs::read_to_string(&arguments).unwrap_or_else(|error| panic!("{}: {error}", arguments.display()));
        Self { folder: folder.to_owned(), built: Built::read(&text) }
    }

    /// A file of the results; empty when it is not there.
    pub fn text(&self, name: &str) -> String {
        let bytes = std::fs::read(self.folder.join(name)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// A file of the results as JSON.
    pub fn json(&self, name: &str) -> Value {
        serde_json::from_str(&self.text(name)).unwrap_or_else(|error| panic!("{}: {name}: {error}", self.folder.display()))
    }

    /// What these files of the results say, read here.
    pub fn opened(&self, names: &[&str]) -> Value {
        let mut command = Command::new(env!("CARGO_BIN_EXE_delid"));
        command.args(["topo", "--json"]).current_dir(&self.folder);
        names.iter().for_each(|name| {
            command.args(["--from", name]);
        });
        serde_json::from_slice(&command.output().unwrap().stdout).unwrap()
    }
}

/// PCI functions of an answer.
fn functions(answer: &Value) -> &Vec<Value> {
    answer["machine"]["pci"]["functions"].as_array().unwrap()
}

fn differ(what: &str, built: impl std::fmt::Debug + PartialEq<String>, seen: String, differences: &mut Vec<String>) {
    if built != seen {
        differences.push(format!("{what}: built {built:?}, seen {seen}"));
    }
}

/// Two values of one type; the message says both.
macro_rules! equal {
    ($differences:expr, $built:expr, $seen:expr, $($what:tt)*) => {
        let (built, seen) = (&$built, &$seen);
        if built != seen {
            $differences.push(format!("{}: built {built:?}, seen {seen:?}", format!($($what)*)));
        }
    };
}

/// `-smp`.
pub fn smp(results: &Results, differences: &mut Vec<String>) {
    let [sockets, dies, cores, threads] = results.built.smp();
    let answer = results.json("live.json");
    let cpu = &answer["machine"]["cpu"];
    let count = |key: &str| cpu[key].as_array().map_or(0, Vec::len) as u64;
    equal!(differences, sockets * dies * cores * threads, count("cpus"), "CPUs");
    equal!(differences, sockets, count("packages"), "packages");
    equal!(differences, sockets * dies * cores, count("cores"), "cores");
    equal!(differences, if dies > 1 { sockets * dies } else { 0 }, count("dies"), "dies");
    let drawn = answer["machine"]["sockets"].as_array().unwrap();
    equal!(differences, sockets, drawn.len() as u64, "sockets");
    for socket in drawn {
        let cpus = listed(socket["cpus"].as_str().unwrap_or_default()).len() as u64;
        equal!(differences, dies * cores * threads, cpus, "CPUs of {}", socket["label"]);
        equal!(differences, true, socket["processor"].is_object(), "type 4 of {}", socket["label"]);
    }
}

/// Numbers of a list ("0-3,8").
fn listed(list: &str) -> Vec<u64> {
    let parts = list.split(',').filter(|part| !part.is_empty());
    let ranges = parts.map(|part| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        (first.trim().parse::<u64>().unwrap(), last.trim().parse::<u64>().unwrap())
    });
    ranges.flat_map(|(first, last)| first..=last).collect()
}

/// `-numa`.
pub fn numa(results: &Results, differences: &mut Vec<String>) {
    let answer = results.json("live.json");
    let cpu = &answer["machine"]["cpu"];
    let nodes = cpu["nodes"].as_array().unwrap();
    let built = results.built.nodes();
    let numbers: Vec<u64> = nodes.iter().map(|node| node["number"].as_u64().unwrap()).collect();
    equal!(differences, built.iter().map(|node| node.0).collect::<Vec<_>>(), numbers, "nodes");
    for ((at, node), (number, cpus, bytes, initiator)) in nodes.iter().enumerate().zip(&built) {
        equal!(differences, listed(cpus), listed(node["cpus"].as_str().unwrap_or_default()), "CPUs of node {number}");
        // The kernel keeps some of the memory to itself.
        let memory = node["memory"].as_u64().unwrap_or_default();
        if memory > *bytes || memory < bytes / 2 {
            differences.push(format!("memory of node {number}: built {bytes}, seen {memory}"));
        }
        for (to, (other, ..)) in built.iter().enumerate() {
            equal!(differences, results.built.distance(*number, *other), cpu["distances"][at][to].as_u64().unwrap_or(0), "distance {number} to {other}");
        }
        if let Some(initiator) = initiator {
            hmat(results, *initiator, *number, node, differences);
        }
        let caches = node["side_caches"].as_array().unwrap().iter();
        let caches: Vec<_> = caches.map(|cache| ["level", "size", "line"].map(|key| cache[key].as_u64().unwrap_or(0))).collect();
        let wanted: Vec<_> = results.built.side_caches(*number).into_iter().map(|(level, size, line)| [level, size, line]).collect();
        equal!(differences, wanted, caches, "memory-side caches of node {number}");
    }
}

fn hmat(results: &Results, initiator: u64, target: u64, node: &Value, differences: &mut Vec<String>) {
    let performance = results.built.performance(initiator, target);
    if performance.is_empty() {
        return;
    }
    let access = &node["access"];
    for one in performance {
        let fields = if one.latency { ["read_latency", "write_latency"] } else { ["read_bandwidth", "write_bandwidth"] };
        for field in fields {
            equal!(differences, one.value, access[field].as_u64().unwrap_or(0), "{field} of node {target}");
        }
    }
    let initiators: Vec<u64> = access["initiators"].as_array().map(|list| list.iter().filter_map(Value::as_u64).collect()).unwrap_or_default();
    equal!(differences, vec![initiator], initiators, "initiators of node {target}");
}

fn driver(device: &Properties) -> &str {
    device.get("").unwrap()
}

fn ids(name: &str) -> Option<&'static [(u64, u64)]> {
    DEVICES.iter().find(|(device, _)| *device == name).map(|(_, ids)| *ids)
}

fn identity(function: &Value) -> (u64, u64) {
    let id = |key: &str| function[key].as_u64().unwrap_or(0);
    (id("vendor"), id("device"))
}

/// Drivers from the device up to the root bus, and that bus's number.
fn built_path<'a>(built: &'a Built, device: &'a Properties) -> (Vec<&'a str>, u64) {
    let mut path = vec![driver(device)];
    let mut here = device;
    while let Some(above) = here.get("bus").and_then(|bus| built.device(bus)) {
        if let Some(bus) = number(above, "bus_nr") {
            return (path, bus);
        }
        path.push(driver(above));
        here = above;
    }
    (path, 0)
}

/// Functions from this one up to the root bus, and that bus's number.
fn seen_path<'a>(all: &'a [Value], function: &'a Value) -> (Vec<&'a Value>, u64) {
    let mut path = vec![function];
    while let Some(parent) = path.last().unwrap()["parent"].as_u64() {
        path.push(&all[usize::try_from(parent).unwrap()]);
        assert!(path.len() < 10, "a loop above {}", function["bdf"]);
    }
    let address = path.last().unwrap()["bdf"].as_str().unwrap();
    let bus = address.split(':').nth(1).unwrap();
    (path, u64::from_str_radix(bus, 16).unwrap())
}

/// Functions that may be this device: its IDs, and those of all above it, on the same root bus.
fn candidates<'a>(built: &Built, device: &Properties, all: &'a [Value]) -> Vec<&'a Value> {
    let (drivers, root) = built_path(built, device);
    let fits = |function: &&Value| {
        let (path, bus) = seen_path(all, function);
        let alike = |(name, function): (&&str, &&Value)| ids(name).is_some_and(|ids| ids.contains(&identity(function)));
        bus == root && path.len() == drivers.len() && drivers.iter().zip(&path).all(alike)
    };
    all.iter().filter(fits).collect()
}

/// Devices that are on the PCI bus of the machine.
fn placed(built: &Built) -> Vec<&Properties> {
    let mut devices = built.devices();
    devices.retain(|device| ids(driver(device)).is_some());
    devices
}

/// Each `-device`, with all bridges above it, and the node of its host bridge.
pub fn devices(results: &Results, differences: &mut Vec<String>) {
    let answer = results.json("live.json");
    let all = functions(&answer);
    let mut wanted: BTreeMap<(Vec<&str>, u64), usize> = BTreeMap::new();
    for device in placed(&results.built) {
        let path = built_path(&results.built, device);
        *wanted.entry(path.clone()).or_default() += 1;
        let found = candidates(&results.built, device, all);
        let host = results.built.devices().into_iter().find(|host| number(host, "bus_nr") == Some(path.1));
        for function in found {
            let Some(node) = host.and_then(|host| number(host, "numa_node")) else { continue };
            equal!(differences, Some(node), function["node"].as_u64(), "node of {}", function["bdf"]);
        }
    }
    for ((path, root), count) in wanted {
        let device = placed(&results.built).into_iter().find(|device| built_path(&results.built, device) == (path.clone(), root)).unwrap();
        equal!(differences, count, candidates(&results.built, device, all).len(), "{path:?} on bus {root:02x}");
    }
}

/// `x-speed`, `x-width` and `slot` of ports.
pub fn ports(results: &Results, differences: &mut Vec<String>) {
    let answer = results.json("live.json");
    for device in placed(&results.built) {
        let found = candidates(&results.built, device, functions(&answer));
        if let Some(slot) = number(device, "slot") {
            let slots: Vec<Option<u64>> = found.iter().map(|function| function["slot_number"].as_u64()).collect();
            equal!(differences, true, slots.contains(&Some(slot)), "slot {slot} of {} in {slots:?}", driver(device));
        }
        let (Some(speed), Some(width)) = (device.get("x-speed"), number(device, "x-width")) else { continue };
        let speed = match speed.as_str() {
            "2_5" => 25,
            whole => whole.parse::<u64>().unwrap() * 10,
        };
        let slot = number(device, "slot");
        let own = found.into_iter().filter(|function| function["slot_number"].as_u64() == slot);
        for port in own {
            let can = &port["link"]["capability"];
            equal!(differences, [Some(speed), Some(width)], [can["speed"].as_u64(), can["width"].as_u64()], "link capability of {}", port["bdf"]);
        }
    }
}

/// Functions that `sriov_numvfs` made: three where there is an igb.
pub fn virtual_functions(results: &Results, differences: &mut Vec<String>) {
    let answer = results.json("live.json");
    let all = functions(&answer);
    for device in placed(&results.built).into_iter().filter(|device| driver(device) == "igb") {
        for parent in candidates(&results.built, device, all) {
            let made: Vec<&Value> = all.iter().filter(|function| function["physical_function"] == parent["bdf"]).collect();
            equal!(differences, 3, made.len(), "virtual functions of {}", parent["bdf"]);
            equal!(differences, Some(3), parent["vfs_enabled"].as_u64(), "vfs_enabled of {}", parent["bdf"]);
            for one in made {
                equal!(differences, IGB_VF, identity(one), "{}", one["bdf"]);
                equal!(differences, parent["node"], one["node"], "node of {}", one["bdf"]);
            }
        }
    }
    let strays = all.iter().filter(|function| identity(function) == IGB_VF && function["physical_function"].is_null());
    strays.for_each(|function| differences.push(format!("{} has no physical function", function["bdf"])));
}

/// `-smbios` and `-m`.
pub fn firmware(results: &Results, differences: &mut Vec<String>) {
    let answer = results.json("live.json");
    let machine = &answer["machine"];
    let slots = machine["memory"]["slots"].as_array().unwrap();
    let bytes: u64 = slots.iter().filter_map(|slot| slot["module"]["size"].as_u64()).sum();
    equal!(differences, results.built.memory(), bytes, "bytes of the memory modules");
    for option in results.built.smbios(17) {
        for (at, slot) in slots.iter().enumerate() {
            let module = &slot["module"];
            text(option, "loc_pfx", &module["locator"], &format!(" {at}"), differences);
            for (key, field) in [("bank", "bank_locator"), ("manufacturer", "manufacturer"), ("serial", "serial"), ("part", "part"), ("asset", "asset_tag")] {
                let suffix = if key == "bank" { format!(" {at}") } else { String::new() };
                text(option, key, &module[field], &suffix, differences);
            }
            if let Some(speed) = number(option, "speed") {
                equal!(differences, Some(speed), module["speed"].as_u64(), "speed of module {at}");
            }
        }
    }
    for option in results.built.smbios(1) {
        for key in ["manufacturer", "product", "version", "serial", "sku", "family"] {
            text(option, key, &machine["identity"]["system"][key], "", differences);
        }
    }
    for option in results.built.smbios(0) {
        for key in ["vendor", "version", "date"] {
            text(option, key, &machine["identity"]["bios"][key], "", differences);
        }
    }
    for option in results.built.smbios(4) {
        for (at, socket) in machine["sockets"].as_array().unwrap().iter().enumerate() {
            let prefix = option.get("sock_pfx").map_or("CPU", String::as_str);
            differ("label of a socket", format!("{prefix} {at}"), socket["label"].as_str().unwrap().to_owned(), differences);
            text(option, "version", &socket["processor"]["version"], "", differences);
        }
    }
    places(results, machine, differences);
}

fn text(option: &Properties, key: &str, seen: &Value, suffix: &str, differences: &mut Vec<String>) {
    if let Some(value) = option.get(key) {
        equal!(differences, Some(format!("{value}{suffix}").as_str()), seen.as_str(), "SMBIOS {key}");
    }
}

/// Types 9 and 41 name a device; its card has that name.
fn places(results: &Results, machine: &Value, differences: &mut Vec<String>) {
    let all = machine["pci"]["functions"].as_array().unwrap();
    let options = results.built.smbios(9).into_iter().map(|option| (option, "slot_designation", "pci_device"));
    let options = options.chain(results.built.smbios(41).into_iter().map(|option| (option, "designation", "pcidev")));
    for (option, name, device) in options {
        let (name, device) = (option.get(name).unwrap(), results.built.device(option.get(device).unwrap()));
        let mut found = device.map(|device| candidates(&results.built, device, all)).unwrap_or_default();
        found.retain(|function| function["place"]["name"].as_str() == Some(name));
        equal!(differences, 1, found.len(), "functions with the place {name}");
    }
}

/// What the kernel says of nodes and of the bridges above, read without delid.
pub fn kernel(results: &Results, differences: &mut Vec<String>) {
    let answer = results.json("live.json");
    let all = functions(&answer);
    let lines: Vec<String> = results.text("pci-sysfs.txt").lines().map(str::to_owned).collect();
    equal!(differences, lines.len(), all.len(), "functions");
    for (line, function) in lines.iter().zip(all) {
        let mut fields = line.split(' ');
        differ("address", fields.next().unwrap().to_owned(), function["bdf"].as_str().unwrap().to_owned(), differences);
        let node = fields.next().unwrap().strip_prefix("numa_node=").unwrap();
        equal!(differences, node.parse::<i64>().ok(), function["numa_node"].as_i64(), "numa_node of {}", function["bdf"]);
        let above: Vec<&str> = fields.next().unwrap().rsplit('/').skip(1).take_while(|part| part.matches(':').count() == 2).collect();
        let path = seen_path(all, function).0;
        let seen: Vec<&str> = path.iter().skip(1).map(|function| function["bdf"].as_str().unwrap()).collect();
        equal!(differences, above, seen, "bridges above {}", function["bdf"]);
    }
    let rows = results.text("lscpu-p.txt");
    let rows: Vec<Vec<i64>> = rows.lines().filter(|line| !line.starts_with('#')).map(|line| line.split(',').map(|n| n.parse().unwrap_or(-1)).collect()).collect();
    let cpus = answer["machine"]["cpu"]["cpus"].as_array().unwrap();
    equal!(differences, rows.len(), cpus.len(), "rows of lscpu");
}
