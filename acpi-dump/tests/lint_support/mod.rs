//! Machines of the corpus for the tests of the checks.
#![allow(dead_code, clippy::unwrap_used, clippy::indexing_slicing)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use acpi_dump::TableSet;
use acpi_dump::lint::{self, Hit, Subject};

/// The ACPI folder of the corpus.
pub fn corpus(cases: &str) -> Option<PathBuf> {
    let default = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus");
    let root = std::env::var_os("DELID_CORPUS").map_or_else(default, PathBuf::from);
    let acpi = root.join("acpi");
    if !acpi.is_dir() {
        eprintln!("corpus absent: {cases} cases not run");
        return None;
    }
    Some(acpi)
}

pub fn hits(set: &TableSet) -> Vec<Hit> {
    let namespace = lint::namespace(set);
    lint::verify(&Subject::new(set).with_namespace(&namespace))
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let list = fs::read_dir(folder).into_iter().flatten();
    let mut list: Vec<PathBuf> = list.map(|entry| entry.unwrap().path()).collect();
    list.sort();
    list
}

fn name(path: &Path) -> &str {
    path.file_name().unwrap().to_str().unwrap()
}

fn unpack(path: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    let file = fs::File::open(path).unwrap();
    ruzstd::decoding::StreamingDecoder::new(file)
        .unwrap()
        .read_to_end(&mut bytes)
        .unwrap();
    bytes
}

/// All real and QEMU machines: name and tables.
pub fn machines(acpi: &Path) -> Vec<(String, TableSet)> {
    let mut list = Vec::new();
    for path in files(&acpi.join("linuxhw")) {
        if let Some(machine) = name(&path).strip_suffix(".acpidump.txt.zst") {
            let mut set = TableSet::default();
            set.add_text(machine, &unpack(&path));
            list.push((machine.to_owned(), set));
        }
    }
    for folder in files(&acpi.join("linuxhw-rebuilt")) {
        let mut set = TableSet::default();
        for path in files(&folder).iter().filter(|path| name(path).ends_with(".dat")) {
            set.add_binary(name(path), &fs::read(path).unwrap());
        }
        list.push((name(&folder).to_owned(), set));
    }
    let mut set = TableSet::default();
    set.add_text("live", &fs::read(acpi.join("live-microvm/acpidump.txt")).unwrap());
    list.push(("live-microvm".to_owned(), set));
    for architecture in files(&acpi.join("qemu")) {
        for machine in files(&architecture) {
            qemu(&machine, &mut list);
        }
    }
    list
}

/// A file without extension is used by every variant that has none of its own.
fn qemu(folder: &Path, list: &mut Vec<(String, TableSet)>) {
    let mut tables = BTreeMap::<String, Vec<u8>>::new();
    for path in files(folder) {
        tables.insert(name(&path).to_owned(), fs::read(&path).unwrap());
    }
    let variants = tables.keys().filter_map(|name| Some(name.split_once('.')?.1));
    let variants: BTreeSet<&str> = variants.chain([""]).collect();
    let signatures: BTreeSet<&str> = tables.keys().map(|name| name.split('.').next().unwrap()).collect();
    for variant in variants {
        let mut set = TableSet::default();
        for signature in &signatures {
            let own = tables.get(&format!("{signature}.{variant}"));
            // Variants with CPUs of their own whose MADT the corpus does not have.
            let others = *signature == "APIC"
                && ["SRAT", "PPTT"]
                    .iter()
                    .any(|own| tables.contains_key(&format!("{own}.{variant}")));
            if let Some(bytes) = own.or_else(|| tables.get(*signature).filter(|_| !others)) {
                set.add_binary(signature, bytes);
            }
        }
        list.push((format!("qemu/{}/{variant}", name(folder)), set));
    }
}
