//! Real acpidump texts beside what `acpixtract` and `iasl` said about the same tables.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use acpi_dump::tables::srat::CpuName;
use acpi_dump::{Dump, Madt, Slit, Srat, Table, text};

fn corpus() -> Option<PathBuf> {
    let default = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus");
    let root = std::env::var_os("DELID_CORPUS").map_or_else(default, PathBuf::from);
    let acpi = root.join("acpi");
    if !acpi.is_dir() {
        eprintln!("corpus absent: 3 cases not run");
        return None;
    }
    Some(acpi)
}

fn unpack(path: &Path) -> Vec<u8> {
    let file = fs::File::open(path).unwrap();
    let mut bytes = Vec::new();
    ruzstd::decoding::StreamingDecoder::new(file)
        .unwrap()
        .read_to_end(&mut bytes)
        .unwrap();
    bytes
}

/// Machines that have both texts.
fn machines() -> Vec<(String, Dump, String)> {
    let Some(corpus) = corpus() else { return Vec::new() };
    let mut list = Vec::new();
    for entry in fs::read_dir(corpus.join("linuxhw")).unwrap() {
        let dump = entry.unwrap().path();
        let Some(name) = dump
            .file_name()
            .unwrap()
            .to_str()
            .unwrap()
            .strip_suffix(".acpidump.txt.zst")
        else {
            continue;
        };
        let oracle = dump.with_file_name(format!("{name}.iasl-decoded.txt.zst"));
        if oracle.is_file() {
            let oracle = String::from_utf8_lossy(&unpack(&oracle)).into_owned();
            list.push((name.to_owned(), text::parse(&unpack(&dump)), oracle));
        }
    }
    assert!(list.len() > 20, "{} machines", list.len());
    list
}

/// Fields `[offset] name : value` of the first table of that name.
fn section<'a>(oracle: &'a str, signature: &str) -> Vec<(&'a str, &'a str)> {
    let lines = oracle.lines().skip_while(|line| *line != signature).skip(1);
    let lines = lines.take_while(|line| !line.starts_with("Raw Table Data"));
    lines
        .filter_map(|line| line.split_once(" : "))
        .map(|(name, value)| (tail(name), value.trim()))
        .collect()
}

/// Name of a field without its offset column.
fn tail(name: &str) -> &str {
    name.rsplit_once("] ").map_or(name, |(_, name)| name).trim()
}

fn table(dump: &Dump, name: &str) -> Option<Table> {
    dump.tables.iter().find(|table| table.name == name)?.table().ok()
}

#[test]
fn table_list_is_that_of_acpixtract() {
    let mut compared = 0;
    for (name, dump, oracle) in machines() {
        let listed = oracle.lines().filter_map(|line| line.trim_start().split_once(")  "));
        let listed: Vec<(String, u32)> = listed
            .filter_map(|(_, row)| {
                let mut words = row.get(4..)?.split_whitespace();
                let length = u32::from_str_radix(words.next()?.strip_prefix("0x")?, 16).ok()?;
                Some((row.get(..4)?.to_owned(), length))
            })
            .collect();
        if listed.is_empty() {
            continue;
        }
        let ours = dump.tables.iter().map(|table| table.table().unwrap());
        let ours: Vec<_> = ours.map(|table| (table.signature.to_string(), table.length)).collect();
        assert_eq!(ours, listed, "{name}");
        compared += listed.len();
    }
    if corpus().is_some() {
        assert!(compared > 300, "{compared} tables compared");
    }
}

#[test]
fn checksums_are_wrong_where_iasl_says_so() {
    let (mut right, mut wrong) = (0, 0);
    for (name, dump, oracle) in machines() {
        for signature in ["APIC", "SRAT", "SLIT", "MCFG", "DMAR", "HPET", "FACP", "HEST"] {
            let Some(table) = table(&dump, signature) else { continue };
            let fields = section(&oracle, signature);
            let Some((_, value)) = fields.iter().find(|(field, _)| *field == "Checksum") else {
                continue;
            };
            // A wrong sum is marked behind the value: "43     /* Incorrect checksum, should be D3 */".
            let says_right = !value.contains("Incorrect");
            assert_eq!(table.checksum.is_ok(), says_right, "{name} {signature}");
            if says_right { right += 1 } else { wrong += 1 }
        }
    }
    eprintln!("checksums that agree: {right} right, {wrong} wrong");
}

#[test]
fn cpus_domains_and_distances_are_those_of_iasl() {
    let (mut cpus, mut affinities, mut distances) = (0, 0, 0);
    for (name, dump, oracle) in machines() {
        if let Some(madt) = table(&dump, "APIC") {
            let madt = Madt::decode(&madt).unwrap().value;
            let fields = section(&oracle, "APIC");
            let enabled: Vec<bool> = fields
                .iter()
                .filter(|(field, _)| *field == "Processor Enabled")
                .map(|(_, value)| *value == "1")
                .collect();
            assert_eq!(
                madt.cpus.iter().map(|cpu| cpu.enabled).collect::<Vec<_>>(),
                enabled,
                "{name}"
            );
            let ids = fields
                .iter()
                .filter(|(field, _)| matches!(*field, "Local Apic ID" | "Processor x2Apic ID"));
            let ids: Vec<u32> = ids.map(|(_, value)| u32::from_str_radix(value, 16).unwrap()).collect();
            assert_eq!(
                madt.cpus.iter().map(|cpu| cpu.apic_id.unwrap().0).collect::<Vec<_>>(),
                ids,
                "{name}"
            );
            cpus += ids.len();
        }
        if let Some(srat) = table(&dump, "SRAT") {
            let srat = Srat::decode(&srat).unwrap();
            assert!(srat.findings.is_empty(), "{name}");
            let fields = section(&oracle, "SRAT");
            let numbers = |wanted: &str| -> Vec<u64> {
                let values = fields.iter().filter(|(field, _)| *field == wanted);
                values
                    .map(|(_, value)| u64::from_str_radix(value, 16).unwrap())
                    .collect()
            };
            let ids = srat.value.cpus.iter().filter_map(|cpu| match cpu.cpu {
                CpuName::Apic(id) => Some(u64::from(id.0)),
                CpuName::Uid(_) => None,
            });
            assert_eq!(ids.collect::<Vec<_>>(), numbers("Apic ID"), "{name}");
            let lengths: Vec<u64> = srat.value.memory.iter().map(|range| range.length).collect();
            assert_eq!(lengths, numbers("Address Length"), "{name}");
            affinities += lengths.len() + srat.value.cpus.len();
        }
        if let Some(slit) = table(&dump, "SLIT") {
            let rows = section(&oracle, "SLIT")
                .into_iter()
                .filter(|(field, _)| field.starts_with("Locality "));
            let rows: Vec<Vec<u8>> = rows
                .map(|(_, row)| {
                    row.split_whitespace()
                        .map(|cell| u8::from_str_radix(cell, 16).unwrap())
                        .collect()
                })
                .collect();
            assert_eq!(Slit::decode(&slit).unwrap().value.rows, rows, "{name}");
            distances += rows.iter().map(Vec::len).sum::<usize>();
        }
    }
    eprintln!("{cpus} CPUs, {affinities} affinities, {distances} distances agree");
}
