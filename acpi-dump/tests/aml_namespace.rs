//! The namespace beside the one that `acpiexec` loads from the same tables.
//!
//! `DELID_ALL=1` compares every machine of the corpus, otherwise a sample is run; `DELID_ACPIEXEC`
//! names another binary than the one in the path.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod aml_support;

use std::collections::BTreeMap;
use std::io::Read;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use acpi_dump::aml::namespace::UnitAccess;
use acpi_dump::aml::{NameFault, Namespace, ObjectId, ObjectKind};
use aml_support::{Machine, machines};

/// What `acpiexec` says of one object.
#[derive(Debug)]
struct Listed {
    word: String,
    rest: String,
}

fn acpiexec() -> Option<String> {
    let name = std::env::var("DELID_ACPIEXEC").unwrap_or_else(|_| "acpiexec".to_owned());
    let there = Command::new(&name)
        .arg("-v")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    if there.is_err() {
        eprintln!("acpiexec absent: comparison not run");
        return None;
    }
    Some(name)
}

/// Run it, for at most a minute.
fn listing(program: &str, machine: &Machine) -> Option<String> {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(program);
    command.args(["-di", "-b", "namespace"]).current_dir(folder.path());
    for (number, table) in machine.tables.iter().enumerate() {
        let name = format!("{number:02}.dat");
        std::fs::write(folder.path().join(&name), with_right_sum(table)).unwrap();
        command.arg(name);
    }
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut output = child.stdout.take().unwrap();
    let reader = thread::spawn(move || {
        let mut bytes = Vec::new();
        output.read_to_end(&mut bytes).map(|_| bytes)
    });
    let end = Instant::now() + Duration::from_secs(60);
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > end {
            child.kill().unwrap();
            child.wait().unwrap();
            return None;
        }
        thread::sleep(Duration::from_millis(20));
    }
    Some(String::from_utf8_lossy(&reader.join().unwrap().unwrap()).into_owned())
}

/// It refuses a table whose checksum is wrong.
fn with_right_sum(table: &[u8]) -> Vec<u8> {
    let mut table = table.to_vec();
    let sum = table.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
    table[9] = table[9].wrapping_sub(sum);
    table
}

/// Objects by path: rows ` 1    _HID Integer      0x55d624d1c700 001 = 00..`, depth first.
fn objects(listing: &str) -> BTreeMap<String, Listed> {
    let mut list = BTreeMap::new();
    let mut path: Vec<String> = Vec::new();
    let rows = listing.split("ACPI Namespace (from Namespace Root):").last().unwrap();
    for row in rows.lines() {
        let mut words = row.split_whitespace();
        let (Some(depth), Some(name), Some(word), Some(address)) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            continue;
        };
        let Ok(depth) = depth.parse::<usize>() else { continue };
        if name.len() != 4 || !address.starts_with("0x") || depth > path.len() {
            continue;
        }
        path.truncate(depth);
        path.push(name.to_owned());
        let rest = words.skip(1).collect::<Vec<_>>().join(" ");
        let word = word.to_owned();
        list.insert(path.join("."), Listed { word, rest });
    }
    // A method of its own that every run shows.
    list.retain(|path, _| !path.starts_with("_TI_"));
    list
}

fn full_path(space: &Namespace, id: ObjectId) -> String {
    let path = space.path(id);
    let names: Vec<String> = path.segments.iter().map(ToString::to_string).collect();
    names.join(".")
}

/// Whether the word of the oracle is that of our kind. It names the type of a `Name`'s value and
/// the type of what an alias stands for.
fn same_kind(space: &Namespace, id: ObjectId, listed: &Listed) -> bool {
    let kind = &space.object(id).unwrap().kind;
    match (kind, listed.word.as_str()) {
        (ObjectKind::Scope, "Scope" | "Device" | "Thermal") => true,
        (ObjectKind::Device, "Device") => true,
        (ObjectKind::Processor { .. }, "Processor") => true,
        (ObjectKind::ThermalZone, "Thermal") => true,
        (ObjectKind::PowerResource { .. }, "Power") => true,
        (ObjectKind::Method { arguments, .. }, "Method") => listed.rest.starts_with(&format!("Args {arguments} ")),
        (ObjectKind::Name, "Integer" | "String" | "Buffer" | "Package" | "Reference" | "Untyped") => true,
        (ObjectKind::OperationRegion { .. }, "Region") => true,
        (
            ObjectKind::FieldUnit {
                offset, bits, access, ..
            },
            word,
        ) => {
            let wanted = match access {
                UnitAccess::Region(_) => "RegionField",
                UnitAccess::Index { .. } => "IndexField",
                UnitAccess::Bank { .. } => "BankField",
            };
            let place = format!("Off {offset:03X} Len {bits:02X} ");
            // Without a place where the oracle could not compute the address of the region.
            word == wanted && (listed.rest.is_empty() || listed.rest.contains(&place))
        }
        (ObjectKind::BufferField { .. }, "BufferField") => true,
        (ObjectKind::Mutex { .. }, "Mutex") => true,
        (ObjectKind::Event, "Event") => true,
        (ObjectKind::Alias { .. }, _) => true,
        _ => false,
    }
}

/// Differences that remain: machine, beginning of the path, reason.
const EXPLAINED: [(&str, &str, &str); 2] = [
    (
        "linuxhw/AC1F15DCE6E1",
        "_SB_.UBTC.",
        "the address of region USBC is a field that nothing declares; the oracle drops the region and leaves the next \
         method one level too deep",
    ),
    ("linuxhw/AC1F15DCE6E1", "_SB_.UCEV", "that method, at its right place"),
];

#[derive(Default)]
struct Sum {
    machines: usize,
    equal: usize,
    conditional: usize,
    early: usize,
    explained: usize,
    differences: Vec<String>,
}

/// Whether the object is declared inside a `Scope` that is executed before what it opens exists:
/// the oracle passes over those.
fn in_early_scope(space: &Namespace, id: ObjectId) -> bool {
    let Some(place) = space.object(id).unwrap().place else {
        return false;
    };
    let tree = &space.trees()[place.table];
    space.faults().iter().any(|fault| match fault {
        NameFault::TooEarly { scope, .. } => {
            scope.table == place.table && tree.ancestors(place.node).any(|node| node == scope.node)
        }
        _ => false,
    })
}

fn compare(machine: &Machine, listing: &str, sum: &mut Sum) {
    let theirs = objects(listing);
    let space = Namespace::build(&machine.slices());
    let mut ours = BTreeMap::new();
    for (id, _) in space.iter().skip(1).filter(|(id, _)| space.is_declared(*id)) {
        ours.insert(full_path(&space, id), id);
    }
    sum.machines += 1;
    let reason = |path: &str| {
        let mut list = EXPLAINED.iter();
        list.find(|(name, prefix, _)| machine.name.starts_with(name) && path.starts_with(prefix))
    };
    let mut differ = |path: &str, text: String| match reason(path) {
        Some(_) => sum.explained += 1,
        None => sum.differences.push(format!("{} {path}: {text}", machine.name)),
    };
    for (path, listed) in &theirs {
        match ours.get(path) {
            Some(id) if same_kind(&space, *id, listed) => sum.equal += 1,
            Some(id) => {
                let kind = &space.object(*id).unwrap().kind;
                differ(path, format!("{kind:?}, oracle {} {}", listed.word, listed.rest));
            }
            None => differ(path, format!("oracle only, {} {}", listed.word, listed.rest)),
        }
    }
    for (path, id) in &ours {
        if space.condition(*id).is_some() {
            sum.conditional += 1;
        } else if !theirs.contains_key(path) && in_early_scope(&space, *id) {
            sum.early += 1;
        } else if !theirs.contains_key(path) {
            differ(path, "not in the oracle".to_owned());
        }
    }
}

#[test]
fn namespace_is_that_of_acpiexec() {
    let Some(program) = acpiexec() else { return };
    let machines = machines();
    let all = std::env::var_os("DELID_ALL").is_some();
    let end = Instant::now() + Duration::from_secs(if all { 1200 } else { 60 });
    let mut sum = Sum::default();
    for machine in machines
        .iter()
        .enumerate()
        .filter(|(number, _)| all || number % 7 == 0)
        .map(|(_, machine)| machine)
    {
        if Instant::now() > end {
            eprintln!("time is up after {} machines", sum.machines);
            break;
        }
        let Some(listing) = listing(&program, machine) else {
            eprintln!("{}: acpiexec did not end", machine.name);
            continue;
        };
        compare(machine, &listing, &mut sum);
    }
    eprintln!(
        "{} machines: {} objects equal, {} conditional, {} in scopes opened too early, {} explained, {} differ",
        sum.machines,
        sum.equal,
        sum.conditional,
        sum.early,
        sum.explained,
        sum.differences.len()
    );
    assert!(sum.differences.is_empty(), "{:#?}", sum.differences);
}
