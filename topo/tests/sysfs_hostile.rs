//! Hostile and broken trees: garbage in every file, absurd numbers, missing files.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests"
)]

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use captures::Source;

const CPU: &str = "sys/devices/system/cpu";
const NODE: &str = "sys/devices/system/node/node0";
const PCI: &str = "sys/bus/pci/devices/0000:3b:00.0";

/// A small intact machine: 2 CPUs of one core, one cache, one node, one PCI function.
const MACHINE: &[(&str, &str)] = &[
    (
        "proc/cpuinfo",
        "processor : 0\nvendor_id : GenuineIntel\ncpu family : 6\nmodel : 85\nmodel name : Some CPU\nstepping : 4\nphysical id : 0\ncore id : 0\napicid : 0\nflags : fpu lm hypervisor\n\nprocessor : 1\n",
    ),
    ("proc/meminfo", "MemTotal: 1024 kB\n"),
    ("proc/mounts", "cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n"),
    ("proc/self/cgroup", "0::/a/b\n"),
    ("sys/fs/cgroup/a/cpuset.cpus.effective", "0\n"),
    ("sys/devices/system/cpu/online", "0-1\n"),
    ("sys/devices/system/cpu/cpu0/topology/core_id", "0\n"),
    ("sys/devices/system/cpu/cpu0/topology/core_cpus", "3\n"),
    ("sys/devices/system/cpu/cpu0/topology/physical_package_id", "0\n"),
    ("sys/devices/system/cpu/cpu0/topology/package_cpus", "3\n"),
    ("sys/devices/system/cpu/cpu0/topology/die_id", "0\n"),
    ("sys/devices/system/cpu/cpu0/topology/die_cpus", "3\n"),
    ("sys/devices/system/cpu/cpu0/cache/index0/level", "1\n"),
    ("sys/devices/system/cpu/cpu0/cache/index0/type", "Data\n"),
    ("sys/devices/system/cpu/cpu0/cache/index0/size", "32K\n"),
    ("sys/devices/system/cpu/cpu0/cache/index0/shared_cpu_map", "3\n"),
    ("sys/devices/system/cpu/cpu0/cache/index0/ways_of_associativity", "8\n"),
    ("sys/devices/system/cpu/cpu0/cache/index0/coherency_line_size", "64\n"),
    ("sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq", "3000000\n"),
    ("sys/devices/system/cpu/cpu0/cpu_capacity", "1024\n"),
    ("sys/devices/system/cpu/cpu1/topology/core_id", "0\n"),
    ("sys/devices/system/cpu/cpu1/online", "1\n"),
    ("sys/devices/system/node/node0/cpumap", "3\n"),
    ("sys/devices/system/node/node0/meminfo", "Node 0 MemTotal: 2048 kB\n"),
    ("sys/devices/system/node/node0/distance", "10\n"),
    (
        "sys/devices/system/node/node0/access0/initiators/read_bandwidth",
        "1000\n",
    ),
    ("sys/devices/system/node/node0/memory_side_cache/index1/size", "4096\n"),
    (
        "sys/bus/pci/devices/0000:3b:00.0/uevent",
        "DRIVER=nic\nPCI_CLASS=20000\nPCI_ID=8086:1521\nPCI_SUBSYS_ID=15D9:1521\n",
    ),
    ("sys/bus/pci/devices/0000:3b:00.0/config", "0123456789abcdef"),
    ("sys/bus/pci/devices/0000:3b:00.0/numa_node", "-1\n"),
    ("sys/bus/pci/devices/0000:3b:00.0/local_cpus", "3\n"),
    ("sys/bus/pci/devices/0000:3b:00.0/current_link_speed", "5.0 GT/s PCIe\n"),
    ("sys/bus/pci/devices/0000:3b:00.0/current_link_width", "0\n"),
    ("sys/bus/pci/devices/0000:3b:00.0/max_link_speed", "8.0 GT/s PCIe\n"),
    ("sys/bus/pci/devices/0000:3b:00.0/max_link_width", "4\n"),
    ("sys/bus/pci/devices/0000:3b:00.0/sriov_totalvfs", "8\n"),
    ("sys/bus/pci/devices/0000:3b:00.0/sriov_numvfs", "2\n"),
    ("sys/bus/pci/slots/7/address", "0000:3b:00\n"),
    ("sys/class/dmi/id/sys_vendor", "QEMU\n"),
    ("sys/class/dmi/id/chassis_type", "23\n"),
];

fn write(root: &Path, path: &str, content: &[u8]) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

fn machine() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for (path, content) in MACHINE {
        write(root.path(), path, content.as_bytes());
    }
    root
}

fn source(root: &Path) -> Source {
    Source::open(&[root]).unwrap()
}

/// Reads everything; the answer does not matter, only that there is one, and soon.
fn read_all(root: &Path) -> usize {
    let start = Instant::now();
    let source = source(root);
    let topology = topo::sysfs::read(&source);
    let functions = topo::sysfs::read_functions(&source);
    let _ = topo::sysfs::read_dmi_id(&source);
    assert!(start.elapsed() < Duration::from_secs(20));
    topology.damage.len() + functions.damage.len()
}

#[test]
fn the_intact_machine_is_read_without_damage() {
    let root = machine();
    let source = source(root.path());
    let read = topo::sysfs::read(&source);
    assert_eq!(read.damage, []);
    let topology = read.value;
    assert_eq!(topology.cpus.len(), 2);
    assert_eq!(
        topology.cpus.iter().map(|cpu| cpu.allowed).collect::<Vec<_>>(),
        [true, false],
        "bound by the parent group"
    );
    assert_eq!(topology.cores[0].cpus.to_string(), "0-1");
    assert_eq!(topology.packages[0].cpus.to_string(), "0-1");
    assert!(topology.dies.is_empty(), "the die is the package");
    assert_eq!(topology.caches[0].size, Some(32_768));
    assert_eq!(topology.nodes[0].memory, Some(2048 * 1024));
    assert_eq!(topology.distances, [[10]]);
    assert_eq!(topology.hypervisor.as_deref(), Some("QEMU"));
    assert_eq!(topology.family_model_stepping, Some((6, 85, 4)));
    let functions = topo::sysfs::read_functions(&source);
    assert_eq!(functions.damage, []);
    let function = &functions.value[0];
    assert_eq!((function.vendor, function.device), (Some(0x8086), Some(0x1521)));
    assert_eq!(
        (function.numa_node, function.vfs_total, function.vfs_enabled),
        (Some(-1), Some(8), Some(2))
    );
    assert_eq!(function.physical_slot.as_deref(), Some("7"));
    assert_eq!(function.local_cpus.as_deref(), Some("0-1"));
    let link = function.link.unwrap();
    assert!(link.down && link.status.is_none());
    assert_eq!(link.capability.map(|state| (state.speed, state.width)), Some((80, 4)));
    let smbios = topo::sysfs::read_dmi_id(&source).unwrap();
    assert_eq!(smbios.chassis[0].kind.as_deref(), Some("Rack Mount Chassis"));
}

#[test]
fn any_single_file_may_be_missing_empty_or_garbage() {
    let garbage: &[&[u8]] = &[
        b"",
        b"\0\0\0\0",
        b"\xff\xfe\x80garbage\n\n:::,,,---",
        b"-1",
        b"99999999999999999999999999999999",
        b"4294967295",
        b"0-4294967295",
        b"ffffffff,ffffffff,ffffffff,ffffffff",
        b"=\n=\nPCI_ID=\nPCI_CLASS=zz\nDRIVER",
    ];
    for (path, content) in MACHINE {
        let root = machine();
        fs::remove_file(root.path().join(path)).unwrap();
        read_all(root.path());
        for text in garbage {
            write(root.path(), path, text);
            read_all(root.path());
        }
        write(root.path(), path, content.as_bytes());
    }
}

#[test]
fn garbage_in_every_file_at_once_is_damage_and_nothing_worse() {
    let root = machine();
    for (path, _) in MACHINE {
        write(root.path(), path, b"\x01 no such thing \xff");
    }
    assert!(read_all(root.path()) > 5);
}

#[test]
fn masks_of_megabytes_and_absurd_numbers_are_refused() {
    let root = machine();
    let mask = "ffffffff,".repeat(300_000);
    for file in ["cpu0/topology/core_cpus", "cpu0/cache/index0/shared_cpu_map"] {
        write(root.path(), &format!("{CPU}/{file}"), mask.as_bytes());
    }
    write(root.path(), &format!("{NODE}/cpumap"), mask.as_bytes());
    write(root.path(), &format!("{PCI}/local_cpus"), mask.as_bytes());
    write(root.path(), &format!("{CPU}/online"), "0-1,".repeat(500_000).as_bytes());
    write(root.path(), &format!("{CPU}/cpu99999999/online"), b"1");
    write(root.path(), &format!("{CPU}/cpu4294967296/online"), b"1");
    write(root.path(), "sys/devices/system/node/node99999999/cpumap", b"1");
    write(root.path(), "sys/bus/pci/devices/nonsense/vendor", b"0x8086");
    write(
        root.path(),
        "proc/cpuinfo",
        "processor : 7\n".repeat(200_000).as_bytes(),
    );
    assert!(read_all(root.path()) >= 6);
    let topology = topo::sysfs::read(&source(root.path()));
    assert_eq!(topology.value.cpus.len(), 2);
    let told = topology.damage.iter().any(|damage| damage.seen.contains("cpu99999999"));
    assert!(told, "{:?}", topology.damage);
    assert!(topology.damage.iter().all(|damage| damage.seen.len() < 1000));
}

#[test]
fn a_link_that_runs_in_circles_ends() {
    let root = machine();
    let devices = root.path().join("sys/bus/pci/devices");
    std::os::unix::fs::symlink("0000:00:02.0", devices.join("0000:00:01.0")).unwrap();
    std::os::unix::fs::symlink("0000:00:01.0", devices.join("0000:00:02.0")).unwrap();
    std::os::unix::fs::symlink("../../../devices/gone/0000:00:03.0", devices.join("0000:00:03.0")).unwrap();
    let functions = topo::sysfs::read_functions(&source(root.path())).value;
    assert_eq!(functions.len(), 1, "functions without any file are left out");
}

#[test]
fn a_cpu_that_is_missing_in_its_own_mask_stands_alone() {
    let root = machine();
    write(root.path(), &format!("{CPU}/cpu0/topology/core_cpus"), b"2");
    write(root.path(), &format!("{CPU}/cpu0/cache/index0/shared_cpu_map"), b"2");
    let read = topo::sysfs::read(&source(root.path()));
    assert_eq!(read.value.caches[0].cpus.to_string(), "0");
    assert_eq!(read.damage.len(), 2, "{:?}", read.damage);
}

#[test]
fn cpuinfo_alone_makes_packages_and_cores() {
    let root = tempfile::tempdir().unwrap();
    let mut text = String::new();
    for cpu in 0..8 {
        text += &format!(
            "processor\t: {cpu}\nphysical id\t: {}\ncore id\t\t: {}\n\n",
            cpu % 2,
            (cpu / 2) % 2
        );
    }
    write(root.path(), "proc/cpuinfo", text.as_bytes());
    write(root.path(), "proc/meminfo", b"MemTotal:  4096 kB\n");
    let topology = topo::sysfs::read(&source(root.path())).value;
    let sets = |groups: &[topo::sysfs::topology::Group]| -> Vec<String> {
        groups.iter().map(|group| group.cpus.to_string()).collect()
    };
    assert_eq!(sets(&topology.packages), ["0,2,4,6", "1,3,5,7"]);
    assert_eq!(sets(&topology.cores), ["0,4", "1,5", "2,6", "3,7"]);
    assert_eq!(topology.memory, Some(4096 * 1024));
}

#[test]
fn lscpu_text_alone_gives_cpus_and_nodes() {
    let root = tempfile::tempdir().unwrap();
    let text = "Architecture:        x86_64\nCPU op-mode(s):      32-bit, 64-bit\nByte Order:          Little Endian\n\
                CPU(s):              4\nOn-line CPU(s) list: 0-3\nThread(s) per core:  1\nSocket(s):           1\n\
                NUMA node(s):        1\nVendor ID:           GenuineIntel\nNUMA node0 CPU(s):   0-3\n";
    let path = root.path().join("lscpu.txt");
    fs::write(&path, text).unwrap();
    let topology = topo::sysfs::read(&source(&path)).value;
    assert_eq!(topology.cpus.len(), 4);
    assert_eq!(topology.nodes[0].cpus.to_string(), "0-3");
}
