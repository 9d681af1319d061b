//! Persistent memory out of a `/sys` built here.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use captures::Source;
use topo::sysfs::topology::{NodeId, Persistent, PersistentMode};

const BUS: &str = "sys/devices/LNXSYSTM:00/ACPI0012:00/ndbus0";

fn write(root: &Path, path: &str, content: &str) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

/// A link two directories below the root of a class or bus.
fn link(root: &Path, from: &str, to: &str) {
    let from = root.join(from);
    fs::create_dir_all(from.parent().unwrap()).unwrap();
    symlink(format!("../../{}", to.strip_prefix("sys/").unwrap()), from).unwrap();
}

fn read(root: &Path) -> Vec<Persistent> {
    topo::sysfs::read(&Source::open(&[root]).unwrap()).value.persistent
}

fn machine(root: &Path) {
    // fsdax on the first namespace, a raw one, a dax device as memory, one not enabled
    let region = format!("{BUS}/region0");
    write(root, &format!("{region}/available_size"), "4096\n");
    write(root, &format!("{region}/numa_node"), "1\n");
    write(root, &format!("{region}/pfn0.0/numa_node"), "1\n");
    write(root, &format!("{region}/pfn0.0/namespace"), "namespace0.0\n");
    write(root, &format!("{region}/pfn0.0/block/pmem0/size"), "2048\n");
    write(root, &format!("{region}/pfn0.0/block/pmem0/pmem0p1/size"), "1024\n");
    write(root, &format!("{region}/namespace0.0/size"), "2097152\n");
    write(root, &format!("{region}/namespace0.1/numa_node"), "-1\n");
    write(root, &format!("{region}/namespace0.1/block/pmem0.1/size"), "8\n");
    write(root, &format!("{region}/namespace0.2/size"), "512\n");
    write(root, &format!("{region}/namespace0.3/size"), "0\n");
    write(root, &format!("{region}/dax0.0/namespace"), "namespace0.4\n");
    write(root, &format!("{region}/dax0.0/dax0.0/size"), "65536\n");
    write(root, &format!("{region}/dax0.0/dax0.0/target_node"), "2\n");
    symlink(
        "../../../../../../../bus/dax/drivers/kmem",
        root.join(format!("{region}/dax0.0/dax0.0/driver")),
    )
    .unwrap();
    link(root, "sys/class/block/pmem0", &format!("{region}/pfn0.0/block/pmem0"));
    link(
        root,
        "sys/class/block/pmem0p1",
        &format!("{region}/pfn0.0/block/pmem0/pmem0p1"),
    );
    link(
        root,
        "sys/class/block/pmem0.1",
        &format!("{region}/namespace0.1/block/pmem0.1"),
    );
    for name in ["namespace0.0", "namespace0.1", "namespace0.2", "namespace0.3"] {
        let at = root.join("sys/bus/nd/devices").join(name);
        fs::create_dir_all(at.parent().unwrap()).unwrap();
        symlink(
            format!("../../../devices/LNXSYSTM:00/ACPI0012:00/ndbus0/region0/{name}"),
            at,
        )
        .unwrap();
    }
    symlink(
        "../../../devices/LNXSYSTM:00/ACPI0012:00/ndbus0/region0",
        root.join("sys/bus/nd/devices/region0"),
    )
    .unwrap();
    let dax = root.join("sys/bus/dax/devices/dax0.0");
    fs::create_dir_all(dax.parent().unwrap()).unwrap();
    symlink(
        "../../../devices/LNXSYSTM:00/ACPI0012:00/ndbus0/region0/dax0.0/dax0.0",
        dax,
    )
    .unwrap();
}

#[test]
fn every_piece_of_persistent_memory_is_told_once_with_its_mode() {
    let root = tempfile::tempdir().unwrap();
    machine(root.path());
    let pieces = read(root.path());
    let seen: Vec<(&str, PersistentMode, Option<u64>, Option<u32>)> = pieces
        .iter()
        .map(|piece| {
            (
                piece.name.as_str(),
                piece.mode,
                piece.size,
                piece.node.map(|node| node.0),
            )
        })
        .collect();
    let ram = PersistentMode::SystemRam { node: Some(NodeId(2)) };
    assert_eq!(
        seen,
        [
            ("dax0.0", ram, Some(65536), None),
            ("namespace0.2", PersistentMode::Disabled, Some(512), None),
            ("pmem0", PersistentMode::Fsdax, Some(2048 * 512), Some(1)),
            ("pmem0.1", PersistentMode::Raw, Some(8 * 512), None),
            ("region0", PersistentMode::Unallocated, Some(4096), Some(1)),
        ]
    );
    assert!(pieces.iter().all(|piece| piece.region.as_deref() == Some("region0")));
}

#[test]
fn sizes_that_are_no_numbers_are_damage_and_the_piece_stays() {
    let root = tempfile::tempdir().unwrap();
    machine(root.path());
    write(
        root.path(),
        &format!("{BUS}/region0/pfn0.0/block/pmem0/size"),
        "18446744073709551615\n",
    );
    write(
        root.path(),
        &format!("{BUS}/region0/namespace0.1/block/pmem0.1/size"),
        "many\n",
    );
    let pieces = read(root.path());
    let size = |name: &str| pieces.iter().find(|piece| piece.name == name).unwrap().size;
    assert_eq!((size("pmem0"), size("pmem0.1")), (None, None));
}

#[test]
fn without_the_directories_there_is_none_and_no_damage() {
    let root = tempfile::tempdir().unwrap();
    write(root.path(), "sys/class/block/sda/size", "1\n");
    let read = topo::sysfs::read(&Source::open(&[root.path()]).unwrap());
    assert_eq!(read.value.persistent, []);
    assert_eq!(read.damage, []);
}
