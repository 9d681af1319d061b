//! CPUs where `/sys` has none: CPUID captures against the XML that hwloc ships with them, and a
//! server of which there are only firmware dumps.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests")]

use std::collections::BTreeSet;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use captures::Source;
use roxmltree::{Document, ParsingOptions};
use topo::sysfs::topology::{CacheKind, CpuTopology};

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

/// hwloc's cpuset: 32-bit words joined by commas, highest first, an empty one is 0.
fn cpuset(text: &str) -> BTreeSet<u32> {
    let mut cpus = BTreeSet::new();
    for (index, word) in text.split(',').rev().enumerate() {
        let word = u32::from_str_radix(word.trim_start_matches("0x"), 16).unwrap_or(0);
        let first = u32::try_from(index).unwrap() * 32;
        cpus.extend((0..32).filter(|bit| word >> bit & 1 == 1).map(|bit| first + bit));
    }
    cpus
}

/// Everything that shares something: what, size and ways of a cache, CPUs.
type Shared = BTreeSet<(String, String, BTreeSet<u32>)>;

fn of_xml(document: &Document<'_>) -> Shared {
    let objects = document.descendants().filter(|node| node.has_tag_name("object"));
    objects
        .filter_map(|node| {
            let kind = node.attribute("type")?;
            let cpus = cpuset(node.attribute("cpuset")?);
            let told = |name: &str| node.attribute(name).unwrap_or_default().to_owned();
            match kind {
                "Package" | "Die" | "Core" => Some((kind.to_owned(), String::new(), cpus)),
                _ if kind.ends_with("Cache") => {
                    let facts = [
                        told("cache_type"),
                        told("cache_size"),
                        told("cache_linesize"),
                        told("cache_associativity"),
                    ];
                    Some((format!("L{}", told("depth")), facts.join(" "), cpus))
                }
                _ => None,
            }
        })
        .collect()
}

fn of_model(cpu: &CpuTopology) -> Shared {
    let mut shared = Shared::new();
    for (what, groups) in [("Package", &cpu.packages), ("Die", &cpu.dies), ("Core", &cpu.cores)] {
        shared.extend(
            groups
                .iter()
                .map(|group| (what.to_owned(), String::new(), group.cpus.iter().collect())),
        );
    }
    shared.extend(cpu.caches.iter().map(|cache| {
        let kind = match cache.kind {
            CacheKind::Unified => 0,
            CacheKind::Data => 1,
            CacheKind::Instruction => 2,
        };
        let ways = cache
            .ways
            .map_or(0, |ways| if ways == u32::MAX { -1 } else { i64::from(ways) });
        let facts = format!("{kind} {} {} {ways}", cache.size.unwrap_or(0), cache.line.unwrap_or(0));
        (format!("L{}", cache.level), facts, cache.cpus.iter().collect())
    }));
    shared
}

#[test]
fn levels_and_caches_of_cpuid_captures_equal_hwlocs_cpu_by_cpu() {
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
        let (mut ours, theirs) = (of_model(&machine.cpu), of_xml(&document));
        // The nodes that AMD's leaf 0x8000001E tells are drawn as dies; hwloc gives none of them by itself.
        if !theirs.iter().any(|(what, _, _)| what == "Die") {
            ours.retain(|(what, _, _)| what != "Die");
        }
        let only = |a: &Shared, b: &Shared| a.difference(b).next().cloned();
        assert_eq!((only(&ours, &theirs), only(&theirs, &ours)), (None, None), "{name}");
        let cpus: BTreeSet<u32> = machine.cpu.cpus.iter().map(|cpu| cpu.number).collect();
        let root = document
            .descendants()
            .find(|node| node.attribute("type") == Some("Machine"))
            .unwrap();
        assert_eq!(cpus, cpuset(root.attribute("cpuset").unwrap()), "{name}");
        let count = |kind: &str| theirs.iter().filter(|(what, _, _)| what == kind).count();
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
