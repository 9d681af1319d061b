//! Every machine capture and dump of the shared corpus is opened and recognised.
//!
//! The corpus is found by `DELID_CORPUS`, else beside the workspace; without it nothing runs.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::fs;
use std::path::{Path, PathBuf};

use captures::{DocumentKind, Layer, OpenError, Source};

fn corpus() -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus");
    let corpus = std::env::var_os("DELID_CORPUS").map_or_else(beside, PathBuf::from);
    if corpus.is_dir() {
        return Some(corpus);
    }
    eprintln!("corpus absent: 1 cases not run");
    None
}

/// Files of a directory of the corpus whose names contain `part`.
fn named(corpus: &Path, directory: &str, part: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(corpus.join(directory)).unwrap();
    let mut found: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    found.retain(|path| path.to_string_lossy().contains(part));
    found.sort();
    assert!(!found.is_empty(), "{directory}: no {part}");
    found
}

fn open(path: &Path) -> Source {
    match Source::open(&[path]) {
        Ok(source) => source,
        Err(error) => panic!("{error}"),
    }
}

fn only_layer(source: &Source) -> &Layer {
    source.layers.first().unwrap()
}

fn cpus(source: &Source) -> usize {
    let names = source.list("/sys/devices/system/cpu");
    let numbered = |name: &&String| name.trim_start_matches("cpu").parse::<u32>().is_ok();
    names.iter().filter(numbered).count()
}

fn kinds(source: &Source) -> Vec<DocumentKind> {
    let mut kinds: Vec<DocumentKind> = only_layer(source)
        .documents
        .iter()
        .map(|document| document.kind)
        .collect();
    kinds.sort();
    kinds.dedup();
    kinds
}

#[test]
fn every_captured_root_has_its_cpus() {
    let Some(corpus) = corpus() else { return };
    for directory in [
        "topo/hwloc-linux",
        "topo/hwloc-2.9.0-linux",
        "topo/hwloc-x86+linux",
        "topo/util-linux-lscpu",
        "topo/ghw",
        "topo/xen-pair",
        "pci-smbios/sysfs",
    ] {
        for path in named(&corpus, directory, ".t") {
            if path.to_string_lossy().ends_with(".test") {
                continue;
            }
            let source = open(&path);
            assert!(cpus(&source) > 0, "{}", path.display());
            assert!(only_layer(&source).notes.is_empty(), "{}", path.display());
        }
    }
}

#[test]
fn layouts_are_named_by_what_is_in_them() {
    let Some(corpus) = corpus() else { return };
    for (path, kind) in [
        ("topo/hwloc-linux/256ppc-8n8s4t.tar.bz2", "hwloc-gather-topology"),
        (
            "topo/hwloc-x86+linux/64amd64-4p2n4ca2co.tar.bz2",
            "hwloc-gather-topology",
        ),
        ("topo/util-linux-lscpu/x86_64-epyc_7451.tar.gz", "lscpu dump"),
        ("topo/ghw/intel-i7-1270P.tar.gz", "captured root"),
        (
            "pci-smbios/sysfs/nto-master.internal-sysinfo.tgz",
            "Node Tuning Operator snapshot",
        ),
        ("pci-smbios/sosreport/openstack", "sosreport"),
        (
            "bench/qemu-epyc-genoa-q35-seabios.tar.zst",
            "copied /sys with command output",
        ),
        ("topo/bundles/H8QG6-58E82626C3C5", "dumps"),
    ] {
        let source = open(&corpus.join(path));
        assert_eq!(only_layer(&source).kind, kind, "{path}");
    }
}

#[test]
fn gathered_cpuid_is_one_dump_of_all_cpus() {
    let Some(corpus) = corpus() else { return };
    for directory in ["topo/hwloc-x86", "topo/hwloc-x86+linux"] {
        for path in named(&corpus, directory, ".tar.bz2") {
            let source = open(&path);
            assert_eq!(kinds(&source), [DocumentKind::CpuidHwloc], "{}", path.display());
            let mut dumps = source.documents(DocumentKind::CpuidHwloc);
            let dump = dumps.next().unwrap();
            assert!(dump.bytes.starts_with(b"CPU 0:\n"), "{}", path.display());
            assert!(dumps.next().is_none(), "{}", path.display());
        }
    }
}

#[test]
fn our_virtual_machines_have_firmware_buses_and_dumps() {
    let Some(corpus) = corpus() else { return };
    for (name, cpu_count, functions) in [
        ("qemu-epyc-genoa-q35-seabios", 16, 28),
        ("qemu-sapphirerapids-q35-ovmf", 12, 20),
        ("qemu-qemu64-i440fx-seabios", 4, 11),
    ] {
        let source = open(&corpus.join(format!("bench/{name}.tar.zst")));
        assert_eq!(cpus(&source), cpu_count, "{name}");
        let devices = source.list("/sys/bus/pci/devices");
        assert_eq!(devices.len(), functions, "{name}");
        let first = devices.first().unwrap();
        let resolved = source.resolve(&format!("/sys/bus/pci/devices/{first}"));
        assert!(resolved.starts_with("/sys/devices/pci0000:00/"), "{resolved}");
        assert!(source.exists(&format!("{resolved}/config")), "{resolved}");
        for path in [
            "/sys/firmware/acpi/tables/DSDT",
            "/sys/firmware/dmi/tables/DMI",
            "/sys/firmware/dmi/tables/smbios_entry_point",
            "/proc/cpuinfo",
            "/proc/meminfo",
        ] {
            let (bytes, origin) = source.read(path).unwrap();
            assert!(!bytes.is_empty(), "{name}: {origin}");
        }
        let expected = [
            DocumentKind::Lspci,
            DocumentKind::Dmidecode,
            DocumentKind::SmbiosImage,
            DocumentKind::Acpidump,
            DocumentKind::CpuidRaw,
            DocumentKind::Lscpu,
            DocumentKind::LscpuJson,
            DocumentKind::LscpuTable,
        ];
        assert_eq!(kinds(&source), expected, "{name}");
        assert!(source.gaps().is_empty(), "{name}: {:?}", source.gaps());
    }
}

#[test]
fn an_archive_of_three_machines_asks_which() {
    let Some(corpus) = corpus() else { return };
    let directory = corpus.join("topo/cri-resource-manager");
    let path = named(&directory, "", ".tar.bz2").pop().unwrap();
    let Err(OpenError::Several { roots, .. }) = Source::open(&[&path]) else {
        panic!("one machine in {}", path.display());
    };
    assert_eq!(roots, ["sysfs/4-socket-server-nosnc", "sysfs/desktop", "sysfs/server"]);
    for choice in ["desktop", "sysfs/desktop"] {
        let chosen = format!("{}#{choice}", path.display());
        assert_eq!(cpus(&open(Path::new(&chosen))), 20, "{choice}");
    }
    let wrong = format!("{}#laptop", path.display());
    assert!(Source::open(&[wrong]).is_err());
}

#[test]
fn every_dump_file_is_known_by_its_content() {
    let Some(corpus) = corpus() else { return };
    let mut opened = 0;
    for (directory, part, kind) in [
        ("pci-smbios/dmi-text", "", DocumentKind::Dmidecode),
        ("pci-smbios/smbios-golden", "", DocumentKind::Dmidecode),
        ("pci-smbios/lspci-dump", "", DocumentKind::Lspci),
        ("pci-smbios/lspci-golden", "", DocumentKind::Lspci),
        ("pci-smbios/lspci-text", "", DocumentKind::Lspci),
        ("pci-smbios/pci-config-bin", "", DocumentKind::PciConfig),
        ("pci-smbios/acpi-same-host", "", DocumentKind::Acpidump),
        ("pci-smbios/smbios-bin", "dump-bin", DocumentKind::SmbiosImage),
        ("pci-smbios/smbios-bin", "R630-Dual-Xeon.dmi", DocumentKind::SmbiosTable),
        ("pci-smbios/host-M11x", "lspci", DocumentKind::Lspci),
        ("pci-smbios/host-M11x", "dmidecode", DocumentKind::Dmidecode),
        ("pci-smbios/host-M11x", "cpuinfo", DocumentKind::ProcCpuinfo),
        ("acpi/linuxhw", "acpidump", DocumentKind::Acpidump),
        ("acpi/live-microvm", "acpidump", DocumentKind::Acpidump),
        ("cpuid/live-kvm-guest", "-r.txt", DocumentKind::CpuidRaw),
        ("cpuid/instlatx64/GenuineIntel", "CPUID", DocumentKind::CpuidAida64),
        ("cpuid/instlatx64/AuthenticAMD", "CPUID", DocumentKind::CpuidAida64),
    ] {
        for path in named(&corpus, directory, part) {
            let name = path.to_string_lossy().into_owned();
            if name.contains("kcpuid") || part == "R630-Dual-Xeon.dmi" && name.ends_with("dump-bin") {
                continue;
            }
            let source = open(&path);
            assert_eq!(kinds(&source), [kind], "{name}");
            opened += 1;
        }
    }
    assert!(opened > 100, "{opened}");
}
