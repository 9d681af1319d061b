//! What we read from a capture against what `lscpu` of util-linux shows of it.
//!
//! Its parsable table says for each CPU which core, socket, node and cache it is in; compared are
//! the sets of CPUs that this makes. Every difference must stand in [`DIFFERENCES`].

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use captures::Source;
use topo::sysfs::CpuSet;
use topo::sysfs::topology::{CacheKind, CpuTopology};

/// Capture, what differs, why.
const DIFFERENCES: &[(&str, &str, &str)] = &[
    (
        "arm-A510-A710-A715-X3",
        "Core",
        "lscpu takes equal core_id of different packages for one core; core_cpus says one CPU each",
    ),
    (
        "arm-A510-A710-A715-X3",
        "Socket",
        "this kernel calls each cluster a package (package_cpus 0-2, 3-6, 7); we keep its word, lscpu joins them",
    ),
    (
        "vmware_fpe",
        "Core",
        "two cores of an AMD family 15h compute unit are threads to this kernel; each has a core_id and its own L1d",
    ),
];

fn corpus() -> PathBuf {
    std::env::var_os("DELID_CORPUS").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus"),
        PathBuf::from,
    )
}

type Sets = BTreeSet<CpuSet>;

#[test]
fn topology_equals_lscpu_on_every_dump() {
    let directory = corpus().join("topo/util-linux-lscpu");
    let mut names: Vec<String> = std::fs::read_dir(&directory)
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            entry
                .ok()?
                .file_name()
                .to_str()?
                .strip_suffix(".expected")
                .map(str::to_owned)
        })
        .collect();
    names.sort();
    if names.is_empty() {
        eprintln!("corpus absent: 12 cases not run");
        return;
    }
    let mut seen = BTreeSet::new();
    let mut failures = Vec::new();
    for name in &names {
        let source = Source::open(&[directory.join(format!("{name}.tar.gz"))]).unwrap();
        let ours = topo::sysfs::read(&source).value;
        let expected = std::fs::read_to_string(directory.join(format!("{name}.expected"))).unwrap();
        let differing = compare(&ours, &expected);
        let words: Vec<&str> = differing.iter().map(|(aspect, _)| aspect.as_str()).collect();
        println!(
            "{name:28} {:4} CPUs {:3} caches  {}",
            ours.cpus.len(),
            ours.caches.len(),
            words.join(", ")
        );
        for (aspect, text) in differing {
            match DIFFERENCES.iter().find(|row| row.0 == name && row.1 == aspect) {
                Some(row) => {
                    println!("difference: {name}: {aspect}: {}", row.2);
                    seen.insert((row.0, row.1));
                }
                None => failures.push(format!("{name}: {aspect}: {text}")),
            }
        }
    }
    let unmet = DIFFERENCES.iter().filter(|row| !seen.contains(&(row.0, row.1)));
    failures.extend(unmet.map(|row| format!("{}: {}: listed as a difference, but equal", row.0, row.1)));
    assert!(
        failures.is_empty(),
        "{} differences:\n{}",
        failures.len(),
        failures.join("\n")
    );
}

fn compare(ours: &CpuTopology, expected: &str) -> Vec<(String, String)> {
    let value = |key: &str| {
        let line = expected
            .lines()
            .find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
        line.map(|text| text.trim().to_owned())
    };
    let mut differing = Vec::new();
    let mut check = |aspect: &str, ours: String, theirs: String| {
        if ours != theirs {
            differing.push((aspect.to_owned(), format!("ours {ours}, lscpu's {theirs}")));
        }
    };
    let online: CpuSet = ours
        .cpus
        .iter()
        .filter(|cpu| cpu.online)
        .map(|cpu| cpu.number)
        .collect();
    let offline: CpuSet = ours
        .cpus
        .iter()
        .filter(|cpu| !cpu.online)
        .map(|cpu| cpu.number)
        .collect();
    let list = |key: &str| CpuSet::parse_list(&value(key).unwrap_or_default()).unwrap().to_string();
    check("online", online.to_string(), list("On-line CPU(s) list"));
    check("offline", offline.to_string(), list("Off-line CPU(s) list"));
    let model = value("Model name").filter(|model| model != "-");
    check(
        "model",
        ours.model.clone().unwrap_or_default(),
        model.unwrap_or_default(),
    );
    let vendor = value("Vendor ID").filter(|vendor| !vendor.starts_with("0x"));
    check(
        "vendor",
        ours.vendor.clone().unwrap_or_default(),
        vendor.unwrap_or_default(),
    );
    let fms = ["CPU family", "Model", "Stepping"].map(|key| value(key).and_then(|text| text.parse::<u32>().ok()));
    if let [Some(family), Some(model), Some(stepping)] = fms {
        check(
            "family",
            format!("{:?}", ours.family_model_stepping),
            format!("{:?}", Some((family, model, stepping))),
        );
    }
    for (aspect, theirs) in parsable(expected) {
        check(&aspect, format!("{:?}", sets(ours, &aspect)), format!("{theirs:?}"));
    }
    for (key, text) in expected.lines().filter_map(|line| line.split_once(':')) {
        let node = key
            .strip_prefix("NUMA node")
            .and_then(|rest| rest.strip_suffix(" CPU(s)"));
        if let Some(number) = node.and_then(|number| number.parse::<u32>().ok()) {
            let mine = ours
                .nodes
                .iter()
                .find(|node| node.number.0 == number)
                .map(|node| node.cpus.clone());
            check(
                key,
                format!("{mine:?}"),
                format!("{:?}", CpuSet::parse_list(text.trim())),
            );
        }
    }
    differing
}

/// The first parsable table: for each column the sets of CPUs with the same value.
fn parsable(expected: &str) -> BTreeMap<String, Sets> {
    let mut lines = expected.lines().skip_while(|line| !line.starts_with("# CPU,"));
    let head: Vec<&str> = lines
        .next()
        .unwrap_or("# CPU")
        .trim_start_matches("# ")
        .split(',')
        .collect();
    let mut columns: BTreeMap<String, BTreeMap<String, CpuSet>> = BTreeMap::new();
    for line in lines.take_while(|line| !line.starts_with('#')) {
        let fields: Vec<&str> = line.split(',').collect();
        let Some(cpu) = fields.first().and_then(|cpu| cpu.parse().ok()) else {
            continue;
        };
        for (name, field) in head
            .iter()
            .zip(&fields)
            .skip(1)
            .filter(|(name, field)| !name.is_empty() && !field.is_empty())
        {
            columns
                .entry((*name).to_owned())
                .or_default()
                .entry((*field).to_owned())
                .or_default()
                .insert(cpu);
        }
    }
    columns
        .into_iter()
        .map(|(name, sets)| (name, sets.into_values().collect()))
        .collect()
}

/// Our sets for one column.
fn sets(ours: &CpuTopology, column: &str) -> Sets {
    let caches = |level: u8, kinds: &[CacheKind]| -> Sets {
        let fits = ours
            .caches
            .iter()
            .filter(|cache| cache.level == level && kinds.contains(&cache.kind));
        fits.map(|cache| cache.cpus.clone()).collect()
    };
    match column {
        "Core" => ours.cores.iter().map(|group| group.cpus.clone()).collect(),
        "Socket" => ours.packages.iter().map(|group| group.cpus.clone()).collect(),
        "Book" => ours.books.iter().map(|group| group.cpus.clone()).collect(),
        "Node" => ours
            .nodes
            .iter()
            .map(|node| node.cpus.clone())
            .filter(|cpus| !cpus.is_empty())
            .collect(),
        "L1d" => caches(1, &[CacheKind::Data]),
        "L1i" => caches(1, &[CacheKind::Instruction]),
        "L2" => caches(2, &[CacheKind::Unified]),
        "L3" => caches(3, &[CacheKind::Unified]),
        other => panic!("column {other}"),
    }
}
