//! Links inside, links out, what is kept open between reads.

use std::fs;
use std::os::unix::fs::symlink;

use super::*;

fn machine() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    let devices = root.path().join("sys/devices/pci0000:00/0000:00:01.0/0000:01:00.0");
    fs::create_dir_all(&devices).unwrap();
    fs::write(devices.join("class"), "0x020000\n").unwrap();
    let bus = root.path().join("sys/bus/pci/devices");
    fs::create_dir_all(&bus).unwrap();
    symlink(
        "../../../devices/pci0000:00/0000:00:01.0/0000:01:00.0",
        bus.join("0000:01:00.0"),
    )
    .unwrap();
    symlink("../../../devices/gone", bus.join("0000:02:00.0")).unwrap();
    symlink("/sys/devices", root.path().join("absolute")).unwrap();
    symlink("../../../../../../etc/hostname", root.path().join("out")).unwrap();
    symlink("/etc/hostname", root.path().join("out2")).unwrap();
    symlink("loop", root.path().join("loop")).unwrap();
    root
}

fn both(root: &Path) -> [DirTree; 2] {
    [
        DirTree::open(root).unwrap(),
        DirTree::open_without_openat2(root).unwrap(),
    ]
}

#[test]
fn links_are_followed_inside_the_root() {
    let root = machine();
    for tree in both(root.path()) {
        let class = tree.read("/sys/bus/pci/devices/0000:01:00.0/class");
        assert_eq!(class.unwrap(), b"0x020000\n");
        assert_eq!(tree.list("/absolute"), ["pci0000:00"]);
        assert_eq!(
            tree.resolve("/sys/bus/pci/devices/0000:01:00.0"),
            "/sys/devices/pci0000:00/0000:00:01.0/0000:01:00.0"
        );
        assert_eq!(
            tree.resolve("/sys/bus/pci/devices/0000:01:00.0/../uevent"),
            "/sys/devices/pci0000:00/0000:00:01.0/uevent"
        );
    }
}

#[test]
fn links_never_lead_out_of_the_root() {
    let root = machine();
    for tree in both(root.path()) {
        assert_eq!(tree.read("/out"), Err(ReadError::Absent));
        assert_eq!(tree.read("/out2"), Err(ReadError::Absent));
        assert_eq!(tree.read("/../../../etc/passwd"), Err(ReadError::Absent));
        assert_eq!(tree.resolve("/out"), "/etc/hostname");
        assert_eq!(tree.read("/loop"), Err(ReadError::Absent));
        assert_eq!(tree.resolve("/loop"), "/loop");
    }
}

#[test]
fn below_the_kept_directory_links_and_dots_lead_where_they_do_from_the_root() {
    for moved in [false, true] {
        let root = machine();
        let devices = root.path().join("sys/devices");
        let system = devices.join(if moved { "moved/deeper" } else { "system" });
        fs::create_dir_all(system.join("cpu/cpu0")).unwrap();
        fs::write(system.join("cpu/cpu0/online"), "1\n").unwrap();
        fs::write(system.join("../mark"), "mark\n").unwrap();
        symlink("cpu0", system.join("cpu/same")).unwrap();
        symlink("/sys/bus/pci/devices/0000:01:00.0", system.join("cpu/up")).unwrap();
        symlink("../../../../../../../etc/hostname", system.join("cpu/out")).unwrap();
        symlink("/etc/hostname", system.join("out2")).unwrap();
        symlink("/proc/self/root", system.join("out3")).unwrap();
        if moved {
            symlink("moved/deeper", devices.join("system")).unwrap();
        }
        for tree in both(root.path()) {
            let read = |path: &str| tree.read(&format!("/sys/devices/system/{path}"));
            for path in [
                "cpu/cpu0/online",
                "cpu/same/online",
                "cpu//cpu0/./online",
                "cpu/cpu0/../cpu0/online",
                "cpu/../cpu/cpu0/online",
            ] {
                assert_eq!(read(path).as_deref(), Ok(b"1\n".as_slice()), "{path}");
            }
            assert_eq!(read("../mark").as_deref(), Ok(b"mark\n".as_slice()));
            assert_eq!(read("cpu/up/class").as_deref(), Ok(b"0x020000\n".as_slice()));
            for path in [
                "cpu/out",
                "out2",
                "out3/etc/passwd",
                "../../../../../../etc/passwd",
                "",
                "cpu",
            ] {
                assert_eq!(read(path), Err(ReadError::Absent), "{path}");
            }
            assert_eq!(tree.list("/sys/devices/system/cpu"), ["cpu0", "out", "same", "up"]);
            assert!(tree.is_directory("/sys/devices/system/cpu/up"));
            assert!(!tree.exists("/sys/devices/system/cpu/out"));
        }
    }
}

#[test]
fn a_listed_directory_is_read_without_following_its_links_out() {
    let root = machine();
    let directory = root.path().join("sys/class/dmi");
    fs::create_dir_all(&directory).unwrap();
    fs::write(directory.join("name"), "a name\n").unwrap();
    symlink("/etc/passwd", directory.join("out")).unwrap();
    symlink("name", directory.join("in")).unwrap();
    for tree in both(root.path()) {
        assert_eq!(tree.list("/sys/class/dmi"), ["in", "name", "out"]);
        assert_eq!(tree.link("/sys/class/dmi/out").as_deref(), Some("/etc/passwd"));
        assert_eq!(tree.link("/sys/class/dmi/name"), None);
        assert_eq!(tree.link("/sys/class/dmi/gone"), None);
        assert_eq!(tree.read("/sys/class/dmi/out"), Err(ReadError::Absent));
        assert_eq!(tree.read("/sys/class/dmi/in").unwrap(), b"a name\n");
        assert_eq!(tree.read("/sys/class/dmi/name").unwrap(), b"a name\n");
    }
}

#[test]
fn dangling_links_are_listed_and_absent() {
    let root = machine();
    for tree in both(root.path()) {
        let bus = "/sys/bus/pci/devices";
        assert_eq!(tree.list(bus), ["0000:01:00.0", "0000:02:00.0"]);
        let dangling = "/sys/bus/pci/devices/0000:02:00.0";
        assert_eq!(tree.link(dangling).unwrap(), "../../../devices/gone");
        assert!(!tree.exists(dangling));
        assert_eq!(tree.resolve(dangling), "/sys/devices/gone");
        assert_eq!(tree.read(bus), Err(ReadError::Absent));
    }
}

#[test]
fn a_large_file_is_read_whole() {
    let root = tempfile::tempdir().unwrap();
    let bytes: Vec<u8> = (0..100_000_u32).map(|n| (n % 251) as u8).collect();
    fs::write(root.path().join("big"), &bytes).unwrap();
    for tree in both(root.path()) {
        assert_eq!(tree.read("/big").unwrap(), bytes);
    }
}

#[test]
fn the_live_root_has_its_cpus() {
    let live = DirTree::live().unwrap();
    assert!(!live.read("/proc/cpuinfo").unwrap().is_empty());
    assert!(live.exists("/proc/self"));
    assert!(live.resolve("/proc/self").starts_with("/proc/"));
}
