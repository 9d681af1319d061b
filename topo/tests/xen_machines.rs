//! Machines under Xen: a dom0 with two CPUs on larger machines, with Xen's view and without it, guests,
//! and texts of `xl info -n` that are broken at random.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests")]

use std::fmt::Write;
use std::path::Path;

use captures::{Document, DocumentKind, Layer, LayerId, Origin, Source};
use render::text::Style;
use tempfile::TempDir;
use topo::diagram::{self, Options};
use topo::findings::{self, Report, Severity};
use topo::model::Machine;
use topo::xen::Role;

/// `xl info -n` of our own dom0: QEMU with 2 sockets of 8 cores, dom0_max_vcpus=2 dom0_mem=1024M.
const BENCH: &str = "\
host                   : xendom0
release                : 6.12.107+deb13-amd64
version                : #1 SMP PREEMPT_DYNAMIC Debian 6.12.107-1 (2026-08-29)
machine                : x86_64
nr_cpus                : 16
max_cpu_id             : 15
nr_nodes               : 2
cores_per_socket       : 8
threads_per_core       : 1
cpu_mhz                : 2596.122
hw_caps                : 178bf3fd:f6d83203:2c500800:00000177:00000005:219c03a9:0040000c:00000000
virt_caps              : pv hvm hap gnttab-v1 gnttab-v2
total_memory           : 2047
free_memory            : 998
sharing_freed_memory   : 0
sharing_used_memory    : 0
outstanding_claims     : 0
free_cpus              : 0
cpu_topology           :
cpu:    core    socket     node
  0:       0        0        0
  1:       1        0        0
  2:       2        0        0
  3:       3        0        0
  4:       4        0        0
  5:       5        0        0
  6:       6        0        0
  7:       7        0        0
  8:       0        1        1
  9:       1        1        1
 10:       2        1        1
 11:       3        1        1
 12:       4        1        1
 13:       5        1        1
 14:       6        1        1
 15:       7        1        1
device topology        :
device           node
No device topology data available
numa_info              :
node:    memsize    memfree    distances
   0:      1024        697      10,21
   1:      1023        301      21,10
xen_major              : 4
xen_minor              : 20
xen_extra              : .4-pre
xen_version            : 4.20.4-pre
xen_caps               : xen-3.0-x86_64 hvm-3.0-x86_32 hvm-3.0-x86_32p hvm-3.0-x86_64 
xen_scheduler          : credit
xen_pagesize           : 4096
platform_params        : virt_start=0xffff800000000000
xen_changeset          : 
xen_commandline        : console=com1 dom0_mem=1024M dom0_max_vcpus=2 sched=credit ucode=no
xend_config_format     : 4
";

/// Files of a domain with two CPUs of one core each.
fn domain(control: bool, kind: &str) -> TempDir {
    let root = tempfile::tempdir().unwrap();
    let put = |path: &str, text: &str| {
        let path = root.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    let uuid = if control {
        "00000000-0000-0000-0000-000000000000\n"
    } else {
        "5b1f2a0e-7c3d-4f6a-9a51-2f0c8f1e7d42\n"
    };
    put("sys/hypervisor/type", "xen\n");
    put("sys/hypervisor/uuid", uuid);
    put("sys/hypervisor/guest_type", &format!("{kind}\n"));
    put("sys/hypervisor/version/major", "4\n");
    put("sys/hypervisor/version/minor", "20\n");
    put("sys/hypervisor/version/extra", ".4-pre\n");
    put("sys/devices/system/cpu/online", "0-1\n");
    put("sys/devices/system/node/online", "0\n");
    put("sys/devices/system/node/node0/cpumap", "3\n");
    put("sys/devices/system/node/node0/distance", "10\n");
    put(
        "sys/devices/system/node/node0/meminfo",
        "Node 0 MemTotal:         900448 kB\n",
    );
    put("proc/meminfo", "MemTotal:         900448 kB\n");
    let mut cpuinfo = String::new();
    for cpu in 0..2 {
        let topology = format!("sys/devices/system/cpu/cpu{cpu}/topology");
        put(&format!("{topology}/physical_package_id"), "0\n");
        put(&format!("{topology}/core_id"), &format!("{cpu}\n"));
        put(&format!("{topology}/core_cpus"), &format!("{}\n", 1 << cpu));
        put(&format!("{topology}/package_cpus"), "3\n");
        let cache = format!("sys/devices/system/cpu/cpu{cpu}/cache/index3");
        put(&format!("{cache}/level"), "3\n");
        put(&format!("{cache}/type"), "Unified\n");
        put(&format!("{cache}/size"), "32768K\n");
        put(&format!("{cache}/shared_cpu_map"), &format!("{}\n", 1 << cpu));
        write!(
            cpuinfo,
            "processor\t: {cpu}\nvendor_id\t: AuthenticAMD\ncpu family\t: 25\nmodel\t\t: 1\n\
             model name\t: AMD EPYC-Milan Processor\nstepping\t: 1\nmicrocode\t: 0x1000065\n\
             physical id\t: 0\ncore id\t\t: {cpu}\napicid\t\t: {cpu}\nflags\t\t: fpu hypervisor\n\n"
        )
        .unwrap();
    }
    put("proc/cpuinfo", &cpuinfo);
    for (at, node) in [("0000:01:00.0", "-1"), ("0000:81:00.0", "-1")] {
        let device = format!("sys/bus/pci/devices/{at}");
        put(&format!("{device}/vendor"), "0x8086\n");
        put(&format!("{device}/device"), "0x1521\n");
        put(&format!("{device}/class"), "0x020000\n");
        put(&format!("{device}/numa_node"), &format!("{node}\n"));
        put(&format!("{device}/local_cpulist"), "0-1\n");
    }
    root
}

fn layer(kind: DocumentKind, text: &str) -> Layer {
    let origin = Origin {
        layer: LayerId(1),
        label: "xl-info.txt".into(),
        path: "".into(),
    };
    Layer {
        origin: origin.clone(),
        kind: "text",
        tree: None,
        documents: vec![Document {
            kind,
            origin,
            bytes: text.as_bytes().to_vec(),
        }],
        notes: Vec::new(),
    }
}

fn open(root: &Path, xl_info: Option<&str>) -> (Machine, Report) {
    let mut source = Source::open(&[root]).unwrap();
    source
        .layers
        .extend(xl_info.map(|text| layer(DocumentKind::XlInfo, text)));
    let machine = topo::open(&source);
    let report = findings::judge(&machine);
    (machine, report)
}

fn text(machine: &Machine, report: &Report) -> String {
    let style = Style {
        unicode: true,
        colour: false,
        width: 100,
    };
    diagram::terminal::draw(machine, report, &Options::default(), style)
}

fn ids(report: &Report) -> Vec<(&str, Severity)> {
    report.findings.iter().map(|found| (found.id, found.severity)).collect()
}

#[test]
fn the_bench_is_drawn_as_xen_has_it() {
    let root = domain(true, "PV");
    let (machine, report) = open(root.path(), Some(BENCH));
    assert_eq!((machine.cpu.cpus.len(), machine.sockets.len()), (16, 2));
    assert_eq!(machine.cpu.distances, [[10, 21], [21, 10]]);
    assert_eq!(machine.identity.hypervisor, None, "the machine is no guest");
    assert!(machine.cpu.caches.is_empty(), "those of virtual CPUs");
    assert_eq!(machine.sockets[1].cpus.to_string(), "8-15");
    assert_eq!(machine.sockets[1].microcode, Some(0x100_0065));
    let found = ids(&report);
    assert!(found.contains(&("xen-dom0-hidden", Severity::Note)), "{found:?}");
    let page = text(&machine, &report);
    let said = [
        "dom0 (PV) sees 2 of 16 CPUs, 879 MiB of 1.99 GiB; the machine is drawn as Xen has it",
        "Xen 4.20.4-pre: dom0 (PV) sees 2 of 16 CPUs",
        "998 MiB free for domains",
        "2 × AMD EPYC-Milan",
        "16 cores / 16 threads",
        "NUMA node 1",
        "CPU topology ✓ (by Xen)",
        "by Xen",
        "caches: Xen does not tell them",
    ];
    for words in said {
        assert!(page.contains(words), "{words:?} is missing in\n{page}");
    }
    assert!(!page.contains("usable by Linux"), "{page}");
    let facts = |report: &Report| -> Vec<String> {
        let hidden = report
            .findings
            .iter()
            .find(|found| found.id == "xen-dom0-hidden")
            .unwrap();
        hidden.evidence.iter().map(|evidence| evidence.fact.clone()).collect()
    };
    let told = facts(&report);
    assert!(
        told.contains(&"dom0_max_vcpus=2 on Xen's command line".to_owned()),
        "{told:?}"
    );
    assert!(told.iter().any(|fact| fact.contains("Xen runs on any CPU")), "{told:?}");
    let pinned = BENCH.replace("sched=credit ucode=no", "dom0_vcpus_pin");
    let told = facts(&open(root.path(), Some(&pinned)).1);
    assert!(
        told.iter().any(|fact| fact.ends_with("CPUs 2-15 do not run it")),
        "{told:?}"
    );
}

/// Two sockets of four cores with two threads, 64 GiB, with nodes of the devices.
fn made_up() -> String {
    let mut text = "host                   : made\nnr_cpus                : 16\nnr_nodes               : 2\n\
                    total_memory           : 65536\nfree_memory            : 61440\ncpu_topology           :\n"
        .to_owned();
    for cpu in 0..16 {
        writeln!(text, "{cpu:3}: {:7} {:8} {:8}", cpu / 2 % 4, cpu / 8, cpu / 8).unwrap();
    }
    text + "device topology        :\ndevice           node\n0000:01:00.0      0\n0000:81:00.0      1\n\
            numa_info              :\nnode:    memsize    memfree    distances\n\
            \u{20}  0:     34816      30000      10,32\n   1:     32768      31440      32,10\nxen_version            : 4.20.3\n"
}

#[test]
fn threads_and_devices_stand_where_xen_puts_them() {
    let root = domain(true, "PVH");
    let (machine, report) = open(root.path(), Some(&made_up()));
    assert_eq!(machine.cpu.cores.len(), 8);
    let sockets: Vec<(String, Option<usize>, Option<u32>)> = machine
        .pci
        .functions
        .iter()
        .map(|f| (f.bdf().to_string(), f.socket, f.node.map(|node| node.0)))
        .collect();
    assert_eq!(
        sockets,
        [
            ("0000:01:00.0".to_owned(), Some(0), Some(0)),
            ("0000:81:00.0".to_owned(), Some(1), Some(1))
        ]
    );
    assert!(
        !ids(&report).iter().any(|(id, _)| id.starts_with("device-node")),
        "{:?}",
        ids(&report)
    );
    assert_eq!(machine.conflicts, []);
    assert_eq!(machine.memory_bytes(), Some(64 << 30), "without the holes of the nodes");
    let holes = machine
        .gaps
        .iter()
        .find(|gap| gap.what == "holes in the nodes' memory")
        .unwrap();
    assert!(holes.why.ends_with("2 GiB more than the machine has"), "{}", holes.why);
    let page = text(&machine, &report);
    assert!(page.contains("SMT sibling = n + 1"), "{page}");
    let svg = diagram::svg(&machine, &report, &Options::default());
    let dom0 = "dom0 (PVH) sees 2 of 16 CPUs, 879 MiB of 64 GiB";
    assert!(svg.contains(dom0) && svg.contains("number = CPU of Xen"));
    let json = serde_json::to_value(&machine).unwrap();
    assert_eq!(json["xen"]["role"], "dom0");
    assert_eq!(json["xen"]["domain"]["vcpus"], "0-1");
    assert_eq!(json["xen"]["machine"]["total_memory"], 64_u64 << 30);
}

#[test]
fn microcode_and_platform_are_those_xen_says() {
    let root = domain(true, "PV");
    let mut source = Source::open(&[root.path()]).unwrap();
    source.layers.push(layer(DocumentKind::XlInfo, BENCH));
    let line = "CPU signature 06-8f-08 (raw 0x000806f8) pf 0x10 revision 0x2b000643\n";
    source.layers.push(layer(DocumentKind::XenUcode, line));
    let machine = topo::open(&source);
    assert_eq!(machine.sockets[0].microcode, Some(0x2b00_0643));
    assert_eq!(machine.cpu.platform_flags, Some(0x10));
}

#[test]
fn dom0_alone_says_that_it_is_no_machine() {
    let root = domain(true, "PV");
    let (machine, report) = open(root.path(), None);
    assert_eq!(machine.cpu.cpus.len(), 2);
    assert!(
        ids(&report).contains(&("xen-dom0-view", Severity::Warn)),
        "{:?}",
        ids(&report)
    );
    let page = text(&machine, &report);
    assert!(
        page.contains("dom0 (PV) of Xen 4.20.4-pre: its view, not the machine's"),
        "{page}"
    );
    assert!(page.contains("xl info -n"), "{page}");
}

#[test]
fn a_guest_says_that_it_is_one() {
    for kind in ["HVM", "PV"] {
        let root = domain(false, kind);
        let (machine, report) = open(root.path(), Some(BENCH));
        assert_eq!(machine.cpu.cpus.len(), 2, "the host's text is not the guest's machine");
        assert_eq!(machine.xen.as_ref().unwrap().role, Some(Role::Guest));
        assert!(
            ids(&report).contains(&("xen-guest", Severity::Note)),
            "{:?}",
            ids(&report)
        );
        let page = text(&machine, &report);
        assert!(page.contains(&format!("a guest of Xen 4.20.4-pre ({kind})")), "{page}");
    }
}

#[test]
fn the_text_alone_is_a_machine() {
    let source = Source {
        layers: vec![layer(DocumentKind::XlInfo, &made_up())],
    };
    let machine = topo::open(&source);
    let report = findings::judge(&machine);
    assert_eq!(
        (machine.cpu.cores.len(), machine.identity.host.as_deref()),
        (8, Some("made"))
    );
    assert!(report.findings.is_empty(), "{:?}", ids(&report));
    let page = text(&machine, &report);
    assert!(
        page.contains("Xen 4.20.3") && page.contains("60 GiB free for domains"),
        "{page}"
    );
}

/// The next number of a fixed sequence.
fn next(state: &mut u64) -> usize {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    usize::try_from(*state >> 33).unwrap()
}

fn mutated(text: &str, state: &mut u64) -> String {
    const PIECES: [&str; 10] = [
        "-1",
        "99999999999999999999",
        ":",
        "\n",
        "4294967295",
        " 16383: 1 1 1\n",
        "0",
        "\u{fffd}",
        ",",
        "1023",
    ];
    let mut bytes = text.as_bytes().to_vec();
    for _ in 0..1 + next(state) % 6 {
        let at = next(state) % bytes.len().max(1);
        let end = (at + next(state) % 40).min(bytes.len());
        match next(state) % 5 {
            0 => bytes.truncate(at.max(1)),
            1 => drop(bytes.drain(at.min(end)..end)),
            2 => {
                let copy = bytes[at.min(end)..end].to_vec();
                bytes.splice(at..at, copy);
            }
            3 => drop(bytes.splice(at..at, PIECES[next(state) % PIECES.len()].bytes())),
            _ => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << (next(state) % 7);
                }
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[test]
fn broken_texts_neither_panic_nor_grow_without_bound() {
    let root = domain(true, "PV");
    let mut source = Source::open(&[root.path()]).unwrap();
    source.layers.push(layer(DocumentKind::XlInfo, ""));
    let mut state = 0x2545_f491_4f6c_dd1d;
    for round in 0..500 {
        let whole = if round % 2 == 0 { BENCH.to_owned() } else { made_up() };
        let broken = mutated(&whole, &mut state);
        source.layers[1] = layer(DocumentKind::XlInfo, &broken);
        let machine = topo::open(&source);
        assert!(
            machine.cpu.cpus.len() <= 16_384 && machine.cpu.nodes.len() <= 64,
            "{broken}"
        );
        let report = findings::judge(&machine);
        assert!(!text(&machine, &report).is_empty());
        if round % 25 == 0 {
            assert!(diagram::svg(&machine, &report, &Options::default()).contains("</svg>"));
        }
    }
}
