//! `data/fields/*.tsv` → `FIELDS`, `IDS`, `NAMES`. What must hold: ids are unique; two rows of one
//! register do not overlap for one vendor and subleaf; what a row requires exists and does not lead
//! back to it; a name stands for one bit of a dialect, but for those in `data/shared-names.txt`.

#[allow(dead_code, reason = "the library uses the rest of the file")]
#[path = "../src/database/row.rs"]
pub mod row;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use row::{EncodingText, Place, Row};

/// Dialects of the name columns, as the table has them.
const DIALECTS: [&str; 7] = ["linux", "qemu", "libvirt", "xen", "libxl", "sdm", "apm"];

pub fn compile(folder: &Path, out: &Path) -> Result<(), String> {
    let mut rows = Vec::new();
    let mut files: Vec<_> = fs::read_dir(folder)
        .map_err(|error| format!("{}: {error}", folder.display()))?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "tsv"))
        .collect();
    files.sort();
    for file in &files {
        rows.extend(read(file)?);
    }
    rows.sort_by(|a, b| {
        let key = |row: &Row| (row.place, row.subleaves, row.register, row.low, row.vendors.0);
        key(a).cmp(&key(b)).then_with(|| a.id.cmp(&b.id))
    });
    let shared = fs::read_to_string(folder.with_file_name("shared-names.txt")).unwrap_or_default();
    check(&rows, &shared)?;
    fs::write(out, write(&rows)).map_err(|error| format!("{}: {error}", out.display()))
}

fn read(file: &Path) -> Result<Vec<Row>, String> {
    let text = fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
    let mut lines = text.lines().enumerate();
    let header: Vec<&str> = lines
        .next()
        .map(|(_, line)| line.split('\t').collect())
        .unwrap_or_default();
    if header != row::COLUMNS {
        return Err(format!("{}: expected the columns {:?}", file.display(), row::COLUMNS));
    }
    lines
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
        .map(|(index, line)| Row::read(line).map_err(|error| format!("{}:{}: {error}", file.display(), index + 1)))
        .collect()
}

fn check(rows: &[Row], shared: &str) -> Result<(), String> {
    let mut ids = BTreeMap::new();
    for row in rows {
        if ids.insert(row.id.as_str(), row).is_some() {
            return Err(format!("id {} stands twice", row.id));
        }
    }
    overlaps(rows)?;
    names(rows, shared)?;
    for (column, of) in [
        (
            "requires",
            (|row: &Row| row.requires.clone()) as fn(&Row) -> Vec<String>,
        ),
        ("requires_xen", |row| row.requires_xen.clone()),
    ] {
        cycles(column, &ids, of)?;
    }
    Ok(())
}

fn overlaps(rows: &[Row]) -> Result<(), String> {
    let mut registers: BTreeMap<(Place, u8), Vec<&Row>> = BTreeMap::new();
    for row in rows {
        registers.entry((row.place, row.register)).or_default().push(row);
    }
    for list in registers.values() {
        for (index, a) in list.iter().enumerate() {
            for b in list.iter().skip(index + 1) {
                let apart = a.high < b.low
                    || b.high < a.low
                    || a.subleaves.1 < b.subleaves.0
                    || b.subleaves.1 < a.subleaves.0
                    || !a.vendors.overlaps(b.vendors);
                if !apart {
                    return Err(format!("{} and {} overlap", a.id, b.id));
                }
            }
        }
    }
    Ok(())
}

/// One name, one bit: but for the lines `dialect name` of the list of known exceptions. The manuals
/// (the last two dialects) name a field within its leaf and subleaf: `MAX_SUBLEAF` stands in many.
fn names(rows: &[Row], shared: &str) -> Result<(), String> {
    let shared: BTreeSet<&str> = shared.lines().filter(|line| !line.starts_with('#')).collect();
    let mut met: BTreeMap<_, &str> = BTreeMap::new();
    for row in rows {
        for (dialect, list) in row.names.iter().enumerate() {
            let scope = (dialect >= DIALECTS.len() - 2).then_some((row.place, row.subleaves, row.register));
            for name in list {
                if let Some(other) = met.insert((dialect, scope, name), &row.id) {
                    let dialect = DIALECTS[dialect];
                    if !shared.contains(format!("{dialect} {name}").as_str()) {
                        return Err(format!("{dialect} name {name} is of {other} and of {}", row.id));
                    }
                }
            }
        }
    }
    Ok(())
}

fn cycles(column: &str, ids: &BTreeMap<&str, &Row>, of: fn(&Row) -> Vec<String>) -> Result<(), String> {
    // Takes away what requires nothing that is left, until nothing is left.
    let mut left: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for (id, row) in ids {
        for required in of(row) {
            if !ids.contains_key(required.as_str()) {
                return Err(format!("{column} of {id}: no row has the id {required}"));
            }
            left.entry(*id).or_default().insert(required);
        }
    }
    while !left.is_empty() {
        let names: BTreeSet<String> = left.keys().map(|id| (*id).to_owned()).collect();
        let before = left.len();
        left.retain(|_, required| required.iter().any(|id| names.contains(id)));
        if left.len() == before {
            let list: Vec<&str> = left.keys().copied().collect();
            return Err(format!("{column}: a circle among {}", list.join(" ")));
        }
    }
    Ok(())
}

fn write(rows: &[Row]) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "pub static FIELDS: [Field; {}] = [", rows.len());
    for row in rows {
        let place = match row.place {
            Place::Leaf(leaf) => format!("Place::Leaf({leaf:#x})"),
            Place::Msr(index) => format!("Place::Msr({index:#x})"),
        };
        let register = ["Eax", "Ebx", "Ecx", "Edx"][usize::from(row.register)];
        let encoding = match &row.encoding {
            EncodingText::Plain => "Encoding::Plain".to_owned(),
            EncodingText::Hex => "Encoding::Hex".to_owned(),
            EncodingText::Ascii => "Encoding::Ascii".to_owned(),
            EncodingText::PowerOfTwo => "Encoding::PowerOfTwo".to_owned(),
            EncodingText::Ways => "Encoding::Ways".to_owned(),
            EncodingText::Scaled(add, multiply, unit) => {
                format!("Encoding::Scaled {{ add: {add}, multiply: {multiply}, unit: {unit:?} }}")
            }
            EncodingText::Names(names) => format!("Encoding::Names(&{names:?})"),
        };
        let combine = row
            .combine
            .map_or("None".to_owned(), |rule| format!("Some(Combine::{rule:?})"));
        let migratable = row
            .migratable
            .map_or("None".to_owned(), |rule| format!("Some(Migratable::{rule:?})"));
        let names: Vec<String> = row.names.iter().map(|list| format!("&{list:?}")).collect();
        let _ = writeln!(
            out,
            "    Field {{ place: {place}, subleaves: {:?}, register: Register::{register}, low: {}, high: {}, id: {:?}, \
             kind: Kind::{:?}, encoding: {encoding}, vendors: Vendors({}), names: [{}], linux_hidden: {}, \
             requires: &{:?}, requires_xen: &{:?}, combine: {combine}, absence: {}, migratable: {migratable}, \
             xen_attr: {:?}, description: {:?}, source: {:?} }},",
            row.subleaves,
            row.low,
            row.high,
            row.id,
            row.kind,
            row.vendors.0,
            names.join(", "),
            row.linux_hidden,
            row.requires,
            row.requires_xen,
            row.absence,
            row.xen_attr,
            row.description,
            row.source
        );
    }
    out.push_str("];\n");
    index(&mut out, "pub static IDS: ", rows, |row| vec![row.id.clone()]);
    out.push_str("pub static NAMES: [&[(&str, u16)]; 7] = [");
    for dialect in 0..7 {
        let _ = write!(out, "NAMES_{dialect}, ");
    }
    out.push_str("];\n");
    for dialect in 0..7 {
        index(&mut out, &format!("static NAMES_{dialect}: "), rows, |row| {
            row.names[dialect].clone()
        });
    }
    out
}

/// A sorted list of texts with the row each is of.
fn index(out: &mut String, declaration: &str, rows: &[Row], of: impl Fn(&Row) -> Vec<String>) {
    let mut list: Vec<(String, usize)> = rows
        .iter()
        .enumerate()
        .flat_map(|(at, row)| of(row).into_iter().map(move |text| (text, at)))
        .collect();
    list.sort();
    let _ = writeln!(out, "{declaration}&[(&str, u16)] = &{list:?};");
}
