//! Generated machines, larger than any of the corpus.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use captures::Source;
use topo::model::Machine;

fn put(root: &Path, path: &str, text: &str) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, format!("{text}\n")).unwrap();
}

/// 8 packages, each a node, of 64 cores with 2 threads; L3 for each 8 cores.
pub fn cpus() -> Machine {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let (packages, cores) = (8, 64);
    let all = packages * cores;
    let base = "sys/devices/system";
    for set in ["online", "possible", "present"] {
        put(root, &format!("{base}/cpu/{set}"), &format!("0-{}", 2 * all - 1));
    }
    for cpu in 0..2 * all {
        let core = cpu % all;
        let (package, group) = (core / cores, core / 8 * 8);
        let at = format!("{base}/cpu/cpu{cpu}");
        let threads = |first: usize, last: usize| format!("{first}-{last},{}-{}", first + all, last + all);
        let pair = format!("{core},{}", core + all);
        let whole = threads(package * cores, package * cores + cores - 1);
        put(root, &format!("{at}/topology/core_id"), &(core % cores).to_string());
        put(
            root,
            &format!("{at}/topology/physical_package_id"),
            &package.to_string(),
        );
        put(root, &format!("{at}/topology/core_cpus_list"), &pair);
        put(root, &format!("{at}/topology/thread_siblings_list"), &pair);
        put(root, &format!("{at}/topology/package_cpus_list"), &whole);
        put(root, &format!("{at}/topology/core_siblings_list"), &whole);
        let caches = [
            (1, "Data", "32K", pair.clone()),
            (1, "Instruction", "32K", pair.clone()),
            (2, "Unified", "1024K", pair.clone()),
            (3, "Unified", "32768K", threads(group, group + 7)),
        ];
        for (index, (level, kind, size, shared)) in caches.into_iter().enumerate() {
            let at = format!("{at}/cache/index{index}");
            put(root, &format!("{at}/level"), &level.to_string());
            put(root, &format!("{at}/type"), kind);
            put(root, &format!("{at}/size"), size);
            put(root, &format!("{at}/shared_cpu_list"), &shared);
        }
    }
    put(root, &format!("{base}/node/online"), &format!("0-{}", packages - 1));
    for node in 0..packages {
        let at = format!("{base}/node/node{node}");
        let first = node * cores;
        let last = first + cores - 1;
        put(
            root,
            &format!("{at}/cpulist"),
            &format!("{first}-{last},{}-{}", first + all, last + all),
        );
        put(
            root,
            &format!("{at}/meminfo"),
            &format!("Node {node} MemTotal:       527915420 kB"),
        );
        let row: Vec<&str> = (0..packages)
            .map(|other| {
                if other == node {
                    "10"
                } else if other / 4 == node / 4 {
                    "21"
                } else {
                    "32"
                }
            })
            .collect();
        put(root, &format!("{at}/distance"), &row.join(" "));
    }
    put(
        root,
        "proc/cpuinfo",
        "processor\t: 0\nvendor_id\t: GenuineIntel\nmodel name\t: Example 64-Core Processor @ 2.10GHz",
    );
    topo::open(&Source::open(&[root]).unwrap())
}

/// 300 functions: 30 root ports, each with a switch of one upstream and four downstream ports, and four cards.
pub fn functions() -> Machine {
    let mut text = String::new();
    let mut bus = 0_u32;
    let mut card = 0;
    let bridge = |text: &mut String, bdf: &str, (primary, secondary, last): (u32, u32, u32), kind: &str, width: u32| {
        writeln!(
            text,
            "{bdf} PCI bridge: Intel Corporation Example Port (prog-if 00 [Normal decode])\n\
             \tBus: primary={primary:02x}, secondary={secondary:02x}, subordinate={last:02x}, sec-latency=0\n\
             \tCapabilities: [40] Express (v2) {kind}, MSI 00\n\
             \t\tLnkCap:\tPort #1, Speed 16GT/s, Width x{width}, ASPM not supported\n\
             \t\tLnkSta:\tSpeed 16GT/s, Width x{width}\n"
        )
        .unwrap();
    };
    for port in 0..30_u32 {
        let at = format!("00:{:02x}.{}", port / 8 + 1, port % 8);
        let first = bus + 1;
        let below = first + 5;
        bridge(&mut text, &at, (0, first, below), "Root Port (Slot+)", 16);
        bridge(
            &mut text,
            &format!("{first:02x}:00.0"),
            (first, first + 1, below),
            "Upstream Port",
            16,
        );
        for down in 0..4 {
            let end = first + 2 + down;
            bridge(
                &mut text,
                &format!("{:02x}:{:02x}.0", first + 1, down),
                (first + 1, end, end),
                "Downstream Port (Slot+)",
                4,
            );
            let width = if card % 7 == 0 { 2 } else { 4 };
            writeln!(
                text,
                "{end:02x}:00.0 Non-Volatile memory controller: Samsung Electronics Co Ltd NVMe SSD Controller PM173X (prog-if 02 [NVM Express])\n\
                 \tKernel driver in use: nvme\n\
                 \tCapabilities: [70] Express (v2) Endpoint, MSI 00\n\
                 \t\tLnkCap:\tPort #0, Speed 16GT/s, Width x4, ASPM not supported\n\
                 \t\tLnkSta:\tSpeed 16GT/s, Width x{width}\n"
            )
            .unwrap();
            card += 1;
        }
        bus = below;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lspci.txt");
    fs::write(&path, text).unwrap();
    topo::open(&Source::open(&[path]).unwrap())
}
