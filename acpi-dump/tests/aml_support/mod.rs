//! Definition blocks (DSDT and SSDTs) of the corpus, machine by machine.
#![allow(dead_code)]

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use acpi_dump::text;

/// A machine and its definition blocks, DSDT first.
pub struct Machine {
    pub name: String,
    pub tables: Vec<Vec<u8>>,
}

impl Machine {
    pub fn slices(&self) -> Vec<&[u8]> {
        self.tables.iter().map(Vec::as_slice).collect()
    }
}

pub fn corpus() -> Option<PathBuf> {
    let default = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus");
    let root = std::env::var_os("DELID_CORPUS").map_or_else(default, PathBuf::from);
    let acpi = root.join("acpi");
    if !acpi.is_dir() {
        eprintln!("corpus absent: its cases not run");
        return None;
    }
    Some(acpi)
}

pub fn unpack(path: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    let file = fs::File::open(path).unwrap();
    ruzstd::decoding::StreamingDecoder::new(file)
        .unwrap()
        .read_to_end(&mut bytes)
        .unwrap();
    bytes
}

/// Every file below a folder, in order of name.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let mut list = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path)
            } else {
                list.push(path)
            }
        }
    }
    list.sort();
    list
}

/// Machines of `linuxhw` (text dumps), `fwts` (text dumps), `qemu` and `live-microvm` (binary tables).
pub fn machines() -> Vec<Machine> {
    let Some(corpus) = corpus() else { return Vec::new() };
    let mut list = Vec::new();
    for path in files(&corpus) {
        let shown = path.strip_prefix(&corpus).unwrap().display().to_string();
        let file = path.file_name().unwrap().to_str().unwrap();
        let folder = shown.split('/').next().unwrap();
        let tables = match folder {
            "linuxhw" if file.ends_with(".acpidump.txt.zst") => blocks(&unpack(&path)),
            "fwts" => blocks(&fs::read(&path).unwrap()),
            "qemu" | "live-microvm" => Vec::from_iter(binary(&path)),
            _ => continue,
        };
        if tables.first().is_some_and(|table| table.starts_with(b"DSDT")) {
            list.push(Machine { name: shown, tables });
        }
    }
    list
}

fn blocks(dump: &[u8]) -> Vec<Vec<u8>> {
    let dump = text::parse(dump);
    let tables = dump.tables.into_iter().filter(|table| table.missing.is_empty());
    let mut tables: Vec<_> = tables
        .map(|table| table.bytes)
        .filter(|bytes| bytes.starts_with(b"DSDT") || bytes.starts_with(b"SSDT"))
        .collect();
    tables.sort_by_key(|bytes| !bytes.starts_with(b"DSDT"));
    tables
}

fn binary(path: &Path) -> Option<Vec<u8>> {
    let bytes = fs::read(path).unwrap();
    bytes.starts_with(b"DSDT").then_some(bytes)
}
