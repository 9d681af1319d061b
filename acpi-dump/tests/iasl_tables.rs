//! Every field of every data table beside what `iasl` says about the same bytes.
//!
//! The corpus has iasl's text of real machines beside their dumps; where `iasl` is installed (or
//! `IASL` names one) it is run over all binary tables of the corpus as well.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod iasl;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;

use acpi_dump::{Table, layout, split, text};
use iasl::{Agreement, known};

/// Fields of the common header: a table of which iasl shows no more is unknown to it.
const HEADER: usize = 9;

fn corpus() -> Option<PathBuf> {
    let default = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus");
    let root = std::env::var_os("DELID_CORPUS").map_or_else(default, PathBuf::from);
    if !root.join("acpi").is_dir() {
        eprintln!("corpus absent: 3 cases not run");
        return None;
    }
    Some(root)
}

fn unpack(path: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    let file = fs::File::open(path).unwrap();
    let mut decoder = ruzstd::decoding::StreamingDecoder::new(file).unwrap();
    decoder.read_to_end(&mut bytes).unwrap();
    bytes
}

/// All files below a directory, sorted.
fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut waiting = vec![directory.to_owned()];
    while let Some(directory) = waiting.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                waiting.push(path)
            } else {
                found.push(path)
            }
        }
    }
    found.sort();
    found
}

/// Tables of the corpus that are no AML, each once, with the place where it was first seen.
fn tables(corpus: &Path) -> Vec<(String, Table)> {
    let mut list = Vec::new();
    for path in files(&corpus.join("acpi")) {
        let name = path.strip_prefix(corpus).unwrap().display().to_string();
        let file = path.file_name().unwrap().to_string_lossy();
        let found: Vec<Table> = if name.contains("iasl-crashers") || file.contains("iasl-decoded") {
            continue;
        } else if file.ends_with(".acpidump.txt.zst") {
            text::parse(&unpack(&path))
                .tables
                .iter()
                .filter_map(|table| table.table().ok())
                .collect()
        } else if file.starts_with("acpidump") {
            text::parse(&fs::read(&path).unwrap())
                .tables
                .iter()
                .filter_map(|table| table.table().ok())
                .collect()
        } else if file.ends_with(".dat") || name.contains("qemu/") {
            split(&fs::read(&path).unwrap()).into_iter().flatten().collect()
        } else {
            continue;
        };
        list.extend(found.into_iter().map(|table| (name.clone(), table)));
    }
    for path in files(&corpus.join("bench")) {
        // Archives of captured machines; the other files are memory images.
        if !path.to_string_lossy().ends_with("bios.tar.zst") && !path.to_string_lossy().ends_with("ovmf.tar.zst") {
            continue;
        }
        let source = captures::Source::open(std::slice::from_ref(&path)).unwrap();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        for document in source.documents(captures::DocumentKind::Acpidump) {
            let dump = text::parse(&document.bytes);
            let found = dump.tables.iter().filter_map(|table| table.table().ok());
            list.extend(found.map(|table| (name.clone(), table)));
        }
    }
    let mut seen = BTreeSet::new();
    list.retain(|(_, table)| {
        let aml = matches!(
            &table.signature.0,
            b"DSDT" | b"SSDT" | b"PSDT" | b"OEM1" | b"OEM2" | b"OEM4"
        );
        !aml && table.missing.is_empty() && seen.insert(table.bytes.clone())
    });
    list
}

/// The `iasl` to run, if there is one.
fn tool() -> Option<OsString> {
    let tool = std::env::var_os("IASL").unwrap_or_else(|| "iasl".into());
    let works = Command::new(&tool)
        .arg("-v")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    works.is_ok().then_some(tool)
}

/// What iasl makes of one table; `None` when it refuses it.
fn disassemble(tool: &OsString, directory: &Path, number: usize, bytes: &[u8]) -> Option<String> {
    let file = directory.join(format!("t{number}.dat"));
    fs::write(&file, bytes).unwrap();
    let mut command = Command::new(tool);
    command.arg("-d").arg(&file).current_dir(directory);
    command.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
    let text = fs::read(file.with_extension("dsl")).ok()?;
    Some(String::from_utf8_lossy(&text).into_owned())
}

#[test]
fn fields_are_those_of_iasl() {
    let (Some(corpus), Some(tool)) = (corpus(), tool()) else {
        eprintln!("iasl not installed or corpus absent: no table compared");
        return;
    };
    let tables = tables(&corpus);
    let directory = tempfile::tempdir().unwrap();
    let next = Mutex::new(tables.iter().enumerate());
    let texts = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from).min(8) {
            scope.spawn(|| {
                loop {
                    let Some((number, (_, table))) = next.lock().unwrap().next() else {
                        break;
                    };
                    let text = disassemble(&tool, directory.path(), number, &table.bytes);
                    texts.lock().unwrap().insert(number, text);
                }
            });
        }
    });
    let texts = texts.into_inner().unwrap();
    let mut agreement = Agreement::default();
    let mut refused = Vec::new();
    for (number, (place, table)) in tables.iter().enumerate() {
        let fields = texts[&number].as_deref().map(iasl::fields).unwrap_or_default();
        if fields.len() <= HEADER {
            refused.push(format!("{} of {place}", table.signature));
            continue;
        }
        agreement.add(place, table, &fields);
    }
    report(&agreement);
    eprintln!("iasl gave nothing for {} tables: {}", refused.len(), refused.join(", "));
}

#[test]
fn real_tables_with_changed_bytes_are_survived() {
    let Some(corpus) = corpus() else { return };
    let mut state = 0x2545_f491u32;
    let mut next = |below: usize| {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        usize::try_from(state).unwrap() % below
    };
    for (place, table) in tables(&corpus).iter().filter(|(_, table)| table.bytes.len() < 8192) {
        for _ in 0..12 {
            let mut bytes = table.bytes.clone();
            for _ in 0..3 {
                let at = next(bytes.len());
                bytes[at] = [0, 1, 2, 3, 0x10, 0x7f, 0x80, 0xff][next(8)];
            }
            bytes.truncate(36.max(next(bytes.len() * 2)));
            let Ok(table) = Table::parse(&bytes) else { continue };
            let decoded = layout::decode(&table);
            let rows = decoded.value.walk().count();
            assert!(rows <= bytes.len() * 2 + 64, "{place}: {rows} rows");
            let text = layout::print(&decoded.value, &layout::PrintOptions::default());
            assert!(text.lines().count() <= rows * 2 + bytes.len() + 16, "{place}");
        }
    }
}

#[test]
fn fields_are_those_of_the_decoded_text_beside_a_dump() {
    let Some(corpus) = corpus() else { return };
    let mut agreement = Agreement::default();
    for path in files(&corpus.join("acpi/linuxhw")) {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let Some(machine) = name.strip_suffix(".iasl-decoded.txt.zst") else {
            continue;
        };
        let dump = path.with_file_name(format!("{machine}.acpidump.txt.zst"));
        if !dump.is_file() {
            continue;
        }
        let decoded = String::from_utf8_lossy(&unpack(&path)).into_owned();
        let mut sections = decoded_sections(&decoded);
        for table in &text::parse(&unpack(&dump)).tables {
            let Ok(table) = table.table() else { continue };
            let signature = table.signature.to_string();
            let Some(texts) = sections.get_mut(&signature).filter(|texts| !texts.is_empty()) else {
                continue;
            };
            let fields = iasl::fields(&texts.remove(0));
            if fields.len() <= HEADER
                || fields.iter().any(|field| {
                    field.name == "Table Length" && table.length != u32::from_str_radix(&field.value, 16).unwrap()
                })
            {
                continue;
            }
            agreement.add(machine, &table, &fields);
        }
    }
    report(&agreement);
}

/// Texts by signature: a line `APIC`, a line `----`, then iasl's fields.
fn decoded_sections(text: &str) -> BTreeMap<String, Vec<String>> {
    let mut sections: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let (mut open, mut before) = (None, "");
    for line in text.lines() {
        if line.len() == before.len() && (3..=5).contains(&line.len()) && line.bytes().all(|byte| byte == b'-') {
            let name: String = before.chars().take(4).collect();
            sections.entry(name.clone()).or_default().push(String::new());
            open = Some(name);
        } else if let Some(last) = open.as_ref().and_then(|name| sections.get_mut(name)?.last_mut()) {
            last.push_str(line);
            last.push('\n');
        }
        before = line;
    }
    sections
}

fn report(agreement: &Agreement) {
    eprintln!(
        "{} tables, {} fields: {} equal, {} divided further; {} bit groups, {} equal; {} damaged tables, {} fields in them told otherwise",
        agreement.tables,
        agreement.fields,
        agreement.equal,
        agreement.finer,
        agreement.bits,
        agreement.equal_bits,
        agreement.damaged,
        agreement.damaged_fields,
    );
    let mut unknown = Vec::new();
    for (what, (count, place)) in &agreement.differences {
        let reason = known::reason(what);
        let line = format!("{count:>6} {what} [{place}]: {}", reason.unwrap_or("not known"));
        eprintln!("{line}");
        if reason.is_none() {
            unknown.push(line);
        }
    }
    assert!(unknown.is_empty(), "{}", unknown.join("\n"));
    assert!(agreement.fields > 20_000 && agreement.equal * 100 > agreement.fields * 97);
    assert!(agreement.damaged * 8 < agreement.tables);
}
