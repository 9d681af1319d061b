//! Microarchitectures and TLBs against full decodes by Todd Allen's cpuid 20250316.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests"
)]

mod support;

use std::collections::BTreeMap;

use cpuid_db::{CpuLeaves, Identity, Tlb, TlbKind, Ways, codename, formats, tlb};

/// A decode of one CPU: lines, with the heading they stand under.
struct Decode<'a>(Vec<(&'a str, &'a str)>);

fn decodes(text: &str) -> Vec<Decode<'_>> {
    let mut list: Vec<Decode> = Vec::new();
    let mut heading = "";
    for line in text.lines() {
        if line.starts_with("CPU") {
            list.push(Decode(Vec::new()));
            continue;
        }
        if line.starts_with("   ") && !line.starts_with("    ") && line.ends_with(':') {
            heading = line.trim();
        }
        if let Some(decode) = list.last_mut() {
            decode.0.push((heading, line.trim()));
        }
    }
    list
}

impl Decode<'_> {
    /// Value of a line `name = value` under a heading that contains a text.
    fn value(&self, heading: &str, name: &str) -> Option<&str> {
        self.0.iter().find_map(|(under, line)| {
            let (seen, value) = line.split_once(" = ")?;
            (under.contains(heading) && seen.trim() == name).then_some(value.trim())
        })
    }

    /// The number in brackets at the end of a value.
    fn number(&self, heading: &str, name: &str) -> Option<u32> {
        let value = self.value(heading, name)?;
        let inner = value.rsplit_once('(')?.1.trim_end_matches(')');
        inner.parse().ok()
    }
}

/// TLBs of leaf 0x18 as the decode gives them: level, kind, pages, entries, fully associative, sharers.
type Row = (u32, &'static str, Vec<&'static str>, u32, bool, u32);

fn leaf_18(decode: &Decode) -> Vec<Row> {
    let kinds = [
        ("instruction", "instruction"),
        ("data", "data"),
        ("unified", "unified"),
        ("load-only", "load"),
        ("store-only", "store"),
    ];
    let mut rows = Vec::new();
    for number in 0..32 {
        let heading = format!("(0x18/{number}):");
        let Some(kind) = decode.value(&heading, "translation cache type") else {
            continue;
        };
        let Some((_, kind)) = kinds.iter().find(|(theirs, _)| kind.starts_with(theirs)) else {
            continue;
        };
        let pages = ["4KB", "2MB", "4MB", "1GB"].into_iter().zip(["4K", "2M", "4M", "1G"]);
        let yes = |name: &str| decode.value(&heading, name) == Some("true");
        rows.push((
            // It adds one to a field that already begins at 1 (SDM: "starts at 1").
            decode.number(&heading, "translation cache level").unwrap() - 1,
            *kind,
            pages
                .filter(|(theirs, _)| yes(&format!("{theirs} page size entries supported")))
                .map(|(_, ours)| ours)
                .collect(),
            decode.number(&heading, "ways of associativity").unwrap()
                * decode.number(&heading, "number of sets").unwrap(),
            yes("fully associative"),
            decode.number(&heading, "maximum number of addressible IDs").unwrap(),
        ));
    }
    rows.sort();
    rows.dedup();
    rows
}

fn ours_18(list: &[Tlb]) -> Vec<Row> {
    let mut rows: Vec<Row> = list
        .iter()
        .filter(|tlb| tlb.leaf.0 == 0x18)
        .map(|tlb| {
            (
                tlb.level.unwrap().into(),
                tlb.kind.name(),
                tlb.pages.names(),
                tlb.entries,
                tlb.ways == Ways::Full,
                tlb.shared_by.unwrap(),
            )
        })
        .collect();
    rows.sort();
    rows
}

/// Entries of the leaves of AMD's style; the decode prints them before the multiplication by 32.
fn legacy(decode: &Decode, unit: u32) -> BTreeMap<(u32, bool, &'static str), u32> {
    let places = [
        ("(0x80000005/eax)", 1, "2M/4M", 1),
        ("(0x80000005/ebx)", 1, "4K", 1),
        ("(0x80000006/eax)", 2, "2M/4M", unit),
        ("(0x80000006/ebx)", 2, "4K", unit),
        ("(0x80000019/eax)", 1, "1G", 1),
        ("(0x80000019/ebx)", 2, "1G", unit),
    ];
    let mut entries = BTreeMap::new();
    for (heading, level, pages, unit) in places {
        for (name, data) in [("instruction # entries", false), ("data # entries", true)] {
            if let Some(count) = decode.number(heading, name).filter(|&count| count > 0) {
                entries.insert((level, data, pages), count * unit);
            }
        }
    }
    entries
}

fn ours_legacy(list: &[Tlb]) -> BTreeMap<(u32, bool, &'static str), u32> {
    list.iter()
        .filter(|tlb| tlb.leaf.0 >= 0x8000_0000)
        .map(|tlb| {
            let pages = match tlb.pages.names()[..] {
                ["4K"] => "4K",
                ["1G"] => "1G",
                _ => "2M/4M",
            };
            let key = (tlb.level.unwrap().into(), tlb.kind == TlbKind::Data, pages);
            (key, tlb.entries)
        })
        .collect()
}

fn same_core(theirs: &str, ours: &str) -> bool {
    // It does not tell the dense cores of a mixed processor apart.
    theirs.contains(ours) || (ours == "Zen 5c" && theirs.contains("Zen 5"))
}

/// Technologies that differ: our codename, theirs, ours, why.
const TECHNOLOGIES: [(&str, &str, &str); 4] = [
    ("TM5x00", "Crusoe", "It tells none."),
    ("Granite Rapids-WS", "Intel 4", "Intel's product pages say Intel 3."),
    (
        "YongFeng",
        "7nm",
        "The KH-40000 is made in 16 nm, and only the KX-7000 in a later one.",
    ),
    ("Dhyana", "14nm", "The same, written with a blank."),
];

fn check(cpu: &CpuLeaves, decode: &Decode, name: &str) -> Vec<String> {
    let mut differ = Vec::new();
    let identity = Identity::of(cpu);
    let told = codename::of(cpu);
    let theirs = decode.value("", "(uarch synth)").unwrap();
    let ours = told.microarchitecture.unwrap();
    if !same_core(theirs, &ours) {
        differ.push(format!("{name} CPU {}: {ours}, cpuid: {theirs}", cpu.number));
    }
    if let Some(technology) = told.technology {
        let known = TECHNOLOGIES
            .iter()
            .any(|(codename, text, _)| told.codename == Some(codename) && theirs.ends_with(text));
        if !theirs.ends_with(technology) && !known {
            differ.push(format!("{name}: technology {technology}, cpuid: {theirs}"));
        }
    }
    let list = tlb::of(cpu, &identity);
    let (theirs, ours) = (leaf_18(decode), ours_18(&list));
    if theirs != ours {
        differ.push(format!("{name}: TLBs {ours:?}, cpuid: {theirs:?}"));
    }
    let by_32 = decode.value("", "L2TLB sizes are multiples of 32") == Some("true");
    let (theirs, ours) = (legacy(decode, if by_32 { 32 } else { 1 }), ours_legacy(&list));
    if theirs != ours {
        differ.push(format!("{name}: TLBs {ours:?}, cpuid: {theirs:?}"));
    }
    differ
}

#[test]
fn microarchitectures_and_tlbs_equal_cpuids() {
    let Some(folder) = support::corpus("8 decodes") else {
        return;
    };
    let folder = folder.join("decode-oracle");
    let (mut differ, mut cpus) = (Vec::new(), 0);
    for path in support::files(&folder, ".cpuid-r.txt") {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let oracle = support::text(&path.with_file_name(name.replace("cpuid-r", "cpuid-20250316")));
        let (_, decoded) = formats::detect_and_parse(&support::text(&path)).unwrap();
        for (cpu, decode) in decoded.value.cpus().iter().zip(decodes(&oracle)) {
            differ.extend(check(cpu, &decode, &name));
            cpus += 1;
        }
    }
    assert!(differ.is_empty(), "differ from cpuid: {differ:#?}");
    eprintln!("{cpus} CPUs compared");
}

#[test]
fn every_dump_has_a_codename_or_says_why_not() {
    let Some(folder) = support::corpus("104 dumps") else {
        return;
    };
    let (mut named, mut without) = (0, Vec::new());
    for path in support::files(&folder.join("instlatx64"), ".txt") {
        let (_, decoded) = formats::detect_and_parse(&support::text(&path)).unwrap();
        for group in cpuid_db::identity::kinds(&decoded.value) {
            match (group.codename.codename, group.codename.note) {
                (Some(_), _) => named += 1,
                (None, Some(note)) => without.push(note),
                (None, None) => panic!("{}: neither a codename nor a note", path.display()),
            }
        }
    }
    // Emulators, and a model that nobody names.
    assert!(without.len() <= 6, "{without:#?}");
    eprintln!("{named} kinds of core named, {} not", without.len());
}
