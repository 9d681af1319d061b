//! One machine's results, and its PCI devices against those it was built with.

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
const DEVICES: [(&str, &[(u64, u64)]); 20] = [
    ("pxb-pcie", &[(0x1b36, 0x000b)]),
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
        let text =
            std::fs::read_to_string(&arguments).unwrap_or_else(|error| panic!("{}: {error}", arguments.display()));
        Self {
            folder: folder.to_owned(),
            built: Built::read(&text),
        }
    }

    /// A file of the results; empty when it is not there.
    pub fn text(&self, name: &str) -> String {
        let bytes = std::fs::read(self.folder.join(name)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// A file of the results as JSON.
    pub fn json(&self, name: &str) -> Value {
        serde_json::from_str(&self.text(name))
            .unwrap_or_else(|error| panic!("{}: {name}: {error}", self.folder.display()))
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

/// Name of the driver; the two expanders have the same IDs.
fn driver(device: &Properties) -> &str {
    match device.get("").unwrap().as_str() {
        "pxb-cxl" => "pxb-pcie",
        name => name,
    }
}

fn ids(name: &str) -> Option<&'static [(u64, u64)]> {
    DEVICES.iter().find(|(device, _)| *device == name).map(|(_, ids)| *ids)
}

fn identity(function: &Value) -> (u64, u64) {
    let id = |key: &str| {
        let text = function[key].as_str().unwrap_or_default();
        u64::from_str_radix(text.trim_start_matches("0x"), 16).unwrap_or(0)
    };
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
pub fn candidates<'a>(built: &Built, device: &Properties, all: &'a [Value]) -> Vec<&'a Value> {
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
        let host = results
            .built
            .devices()
            .into_iter()
            .find(|host| number(host, "bus_nr") == Some(path.1));
        for function in found {
            let Some(node) = host.and_then(|host| number(host, "numa_node")) else {
                continue;
            };
            equal!(
                differences,
                Some(node),
                function["node"].as_u64(),
                "node of {}",
                function["bdf"]
            );
        }
    }
    for ((path, root), count) in wanted {
        let device = placed(&results.built)
            .into_iter()
            .find(|device| built_path(&results.built, device) == (path.clone(), root))
            .unwrap();
        equal!(
            differences,
            count,
            candidates(&results.built, device, all).len(),
            "{path:?} on bus {root:02x}"
        );
    }
}

/// `x-speed`, `x-width` and `slot` of ports.
pub fn ports(results: &Results, differences: &mut Vec<String>) {
    let answer = results.json("live.json");
    for device in placed(&results.built) {
        let found = candidates(&results.built, device, functions(&answer));
        if let Some(slot) = number(device, "slot") {
            let slots: Vec<Option<u64>> = found.iter().map(|function| function["slot_number"].as_u64()).collect();
            equal!(
                differences,
                true,
                slots.contains(&Some(slot)),
                "slot {slot} of {} in {slots:?}",
                driver(device)
            );
        }
        let (Some(speed), Some(width)) = (device.get("x-speed"), number(device, "x-width")) else {
            continue;
        };
        let speed = match speed.as_str() {
            "2_5" => 25,
            whole => whole.parse::<u64>().unwrap() * 10,
        };
        let slot = number(device, "slot");
        let own = found
            .into_iter()
            .filter(|function| function["slot_number"].as_u64() == slot);
        for port in own {
            let can = &port["link"]["capability"];
            equal!(
                differences,
                [Some(speed), Some(width)],
                [can["speed"].as_u64(), can["width"].as_u64()],
                "link capability of {}",
                port["bdf"]
            );
        }
    }
}

/// Functions that `sriov_numvfs` made: three where there is an igb.
pub fn virtual_functions(results: &Results, differences: &mut Vec<String>) {
    let answer = results.json("live.json");
    let all = functions(&answer);
    for device in placed(&results.built)
        .into_iter()
        .filter(|device| driver(device) == "igb")
    {
        for parent in candidates(&results.built, device, all) {
            let made: Vec<&Value> = all
                .iter()
                .filter(|function| function["physical_function"] == parent["bdf"])
                .collect();
            equal!(differences, 3, made.len(), "virtual functions of {}", parent["bdf"]);
            equal!(
                differences,
                Some(3),
                parent["vfs_enabled"].as_u64(),
                "vfs_enabled of {}",
                parent["bdf"]
            );
            for one in made {
                equal!(differences, IGB_VF, identity(one), "{}", one["bdf"]);
                equal!(differences, parent["node"], one["node"], "node of {}", one["bdf"]);
            }
        }
    }
    let strays = all
        .iter()
        .filter(|function| identity(function) == IGB_VF && function["physical_function"].is_null());
    strays.for_each(|function| differences.push(format!("{} has no physical function", function["bdf"])));
}

/// What the kernel says of nodes and of the bridges above, read without delid.
pub fn kernel(results: &Results, differences: &mut Vec<String>) {
    let answer = results.json("live.json");
    let all = functions(&answer);
    let lines: Vec<String> = results.text("pci-sysfs.txt").lines().map(str::to_owned).collect();
    equal!(differences, lines.len(), all.len(), "functions");
    for (line, function) in lines.iter().zip(all) {
        let mut fields = line.split(' ');
        equal!(differences, fields.next(), function["bdf"].as_str(), "address");
        let node = fields.next().unwrap().strip_prefix("numa_node=").unwrap();
        equal!(
            differences,
            node.parse::<i64>().ok(),
            function["numa_node"].as_i64(),
            "numa_node of {}",
            function["bdf"]
        );
        let above: Vec<&str> = fields
            .next()
            .unwrap()
            .rsplit('/')
            .skip(1)
            .take_while(|part| part.matches(':').count() == 2)
            .collect();
        let path = seen_path(all, function).0;
        let seen: Vec<&str> = path
            .iter()
            .skip(1)
            .map(|function| function["bdf"].as_str().unwrap())
            .collect();
        equal!(differences, above, seen, "bridges above {}", function["bdf"]);
    }
    super::processors::lscpu(results, &answer["machine"]["cpu"], differences);
}
