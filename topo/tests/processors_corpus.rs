//! CPUs where `/sys` has none: CPUID captures against the XML that hwloc ships with them, and a
//! server of which there are only firmware dumps.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests")]

use std::io::Read as _;
use std::path::{Path, PathBuf};

use captures::Source;
use roxmltree::{Document, ParsingOptions};

fn corpus() -> PathBuf {
    std::env::var_os("DELID_CORPUS").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus"),
        PathBuf::from,
    )
}

fn unpacked(path: &Path) -> String {
    let mut text = String::new();
    ruzstd::decoding::StreamingDecoder::new(std::fs::File::open(path).unwrap())
        .unwrap()
        .read_to_string(&mut text)
        .unwrap();
    text
}

#[test]
fn counts_of_cpuid_captures_equal_hwloc() {
    let directory = corpus().join("topo/hwloc-x86");
    let mut names: Vec<String> = std::fs::read_dir(&directory)
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            entry
                .ok()?
                .file_name()
                .to_str()?
                .strip_suffix(".tar.bz2")
                .map(str::to_owned)
        })
        .collect();
    names.sort();
    if names.is_empty() {
        eprintln!("corpus absent: 14 cases not run");
    }
    for name in names {
        let machine = topo::open(&Source::open(&[directory.join(format!("{name}.tar.bz2"))]).unwrap());
        let xml = unpacked(&directory.join(format!("{name}.xml.zst")));
        let options = ParsingOptions {
            allow_dtd: true,
            ..ParsingOptions::default()
        };
        let document = Document::parse_with_options(&xml, options).unwrap();
        let count = |kind: &str| {
            document
                .descendants()
                .filter(|node| node.attribute("type").is_some_and(|told| told.ends_with(kind)))
                .count()
        };
        let ours = [
            machine.cpu.cpus.len(),
            machine.cpu.packages.len(),
            machine.cpu.cores.len(),
            machine.cpu.caches.len(),
        ];
        assert_eq!(
            ours,
            [count("PU"), count("Package"), count("Core"), count("Cache")],
            "{name}"
        );
        assert_eq!(machine.sockets.len(), count("Package"), "{name}");
        assert!(machine.cpu.nodes.is_empty(), "{name}: CPUID tells of no NUMA node");
        assert_eq!(machine.damage, [], "{name}");
        let state = machine
            .sources
            .iter()
            .find(|state| state.name == "CPU topology")
            .unwrap();
        assert_eq!(state.note.as_deref(), Some("from CPUID"));
    }
}

#[test]
fn firmware_dumps_alone_give_sockets_nodes_and_distances() {
    let directory = corpus().join("topo/bundles/PowerEdge_R820-E5985CCBA349");
    if !directory.exists() {
        eprintln!("corpus absent: 1 case not run");
        return;
    }
    let layers = ["dmidecode.txt.zst", "acpidump.txt.zst"].map(|name| directory.join(name));
    let machine = topo::open(&Source::open(&layers).unwrap());
    assert_eq!(machine.populated_sockets(), 4);
    assert!(
        machine
            .sockets
            .iter()
            .all(|socket| socket.nodes.len() == 1 && socket.pairing_assumed && !socket.cpus.is_empty())
    );
    let ring = [[10, 20, 30, 20], [20, 10, 20, 30], [30, 20, 10, 20], [20, 30, 20, 10]];
    assert_eq!(machine.cpu.distances, ring);
    let state = machine
        .sources
        .iter()
        .find(|state| state.name == "CPU topology")
        .unwrap();
    assert_eq!(state.note.as_deref(), Some("CPU numbers by MADT order (assumed)"));
    assert!(
        machine
            .sources
            .iter()
            .any(|state| state.name == "ACPI tables" && state.present)
    );
}
