//! `data/codenames.tsv` → `ROWS`, sorted by vendor, family and model; of one model in the table's
//! order, because the first row that fits decides. What must hold: the last row of a model has no
//! condition and no other has none, so that a known model always has a name and no row is in vain;
//! no two rows have the same conditions.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

const COLUMNS: [&str; 9] = [
    "vendor",
    "family",
    "models",
    "steppings",
    "when",
    "microarchitecture",
    "codename",
    "technology",
    "source",
];

/// Vendors as `Maker` of the library names them.
const VENDORS: [&str; 14] = [
    "intel",
    "amd",
    "hygon",
    "centaur",
    "transmeta",
    "cyrix",
    "nsc",
    "umc",
    "nexgen",
    "rise",
    "sis",
    "rdc",
    "vortex",
    "other",
];

struct Row<'a> {
    steppings: (u8, u8),
    conditions: Vec<String>,
    cells: Vec<&'a str>,
}

pub fn compile(file: &Path, out: &Path) -> Result<(), String> {
    let text = fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
    let mut lines = text.lines().enumerate();
    let header: Vec<&str> = lines
        .next()
        .map(|(_, line)| line.split('\t').collect())
        .unwrap_or_default();
    if header != COLUMNS {
        return Err(format!("{}: expected the columns {COLUMNS:?}", file.display()));
    }
    let mut models: BTreeMap<(usize, u16, u8), Vec<Row>> = BTreeMap::new();
    for (index, line) in lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#')) {
        read(line, &mut models).map_err(|error| format!("{}:{}: {error}", file.display(), index + 1))?;
    }
    for (key, rows) in &models {
        check(rows).map_err(|error| format!("{} family {} model {}: {error}", VENDORS[key.0], key.1, key.2))?;
    }
    fs::write(out, write(&models)).map_err(|error| format!("{}: {error}", out.display()))
}

fn read<'a>(line: &'a str, models: &mut BTreeMap<(usize, u16, u8), Vec<Row<'a>>>) -> Result<(), String> {
    let cells: Vec<&str> = line
        .split('\t')
        .map(|cell| if cell == "-" { "" } else { cell })
        .collect();
    let [vendor, family, list, steppings, when, cores, codename, _, _] = cells[..] else {
        return Err(format!("{} cells, expected {}", cells.len(), COLUMNS.len()));
    };
    let vendor = VENDORS
        .iter()
        .position(|name| *name == vendor)
        .ok_or(format!("no vendor {vendor}"))?;
    let family: u16 = family.parse().map_err(|_| format!("no family: {family}"))?;
    if codename.is_empty() || cores.is_empty() {
        return Err("neither microarchitecture nor codename may be empty".to_owned());
    }
    let steppings = if steppings.is_empty() {
        (0, 15)
    } else {
        range(steppings)?
    };
    let conditions: Vec<String> = when
        .split(';')
        .filter(|part| !part.is_empty())
        .map(condition)
        .collect::<Result<_, _>>()?;
    for part in list.split(',') {
        let (low, high) = range(part)?;
        for model in low..=high {
            models.entry((vendor, family, model)).or_default().push(Row {
                steppings,
                conditions: conditions.clone(),
                cells: cells.clone(),
            });
        }
    }
    Ok(())
}

fn range(text: &str) -> Result<(u8, u8), String> {
    let number = |text: &str| text.parse::<u8>().map_err(|_| format!("no number: {text}"));
    let (low, high) = text.split_once('-').unwrap_or((text, text));
    let (low, high) = (number(low)?, number(high)?);
    if low > high {
        return Err(format!("a range backwards: {text}"));
    }
    Ok((low, high))
}

fn condition(text: &str) -> Result<String, String> {
    let at = text.find(['=', '<', '>']).ok_or(format!("no condition: {text}"))?;
    let (name, rest) = text.split_at(at);
    if name == "brand" {
        let patterns: Vec<&str> = rest.trim_start_matches('=').split('~').collect();
        if patterns.iter().any(|pattern| pattern.is_empty()) {
            return Err(format!("an empty pattern: {text}"));
        }
        return Ok(format!("Condition::Brand(&{patterns:?})"));
    }
    let what = match name {
        "cores" => "Cores",
        "l2" => "L2",
        "l3" => "L3",
        _ => return Err(format!("no condition: {text}")),
    };
    let (compare, number) = [("<=", "AtMost"), (">=", "AtLeast"), ("=", "Equal")]
        .into_iter()
        .find_map(|(sign, compare)| Some((compare, rest.strip_prefix(sign)?)))
        .ok_or(format!("no comparison: {text}"))?;
    let number: u32 = number.parse().map_err(|_| format!("no number: {text}"))?;
    Ok(format!("Condition::{what}(Compare::{compare}, {number})"))
}

fn check(rows: &[Row]) -> Result<(), String> {
    let always = |row: &Row| row.conditions.is_empty() && row.steppings == (0, 15);
    let Some((last, others)) = rows.split_last() else {
        return Ok(());
    };
    if !always(last) {
        return Err("the last row must have no condition".to_owned());
    }
    if let Some(row) = others.iter().find(|row| always(row)) {
        return Err(format!("{} hides the rows after it", row.cells[6]));
    }
    for (index, a) in rows.iter().enumerate() {
        for b in &rows[index + 1..] {
            let covered = a.steppings.0 <= b.steppings.0 && b.steppings.1 <= a.steppings.1;
            if covered && a.conditions.iter().all(|condition| b.conditions.contains(condition)) {
                return Err(format!("{} leaves nothing for {}", a.cells[6], b.cells[6]));
            }
        }
    }
    Ok(())
}

fn write(models: &BTreeMap<(usize, u16, u8), Vec<Row>>) -> String {
    let count: usize = models.values().map(Vec::len).sum();
    let mut out = format!("pub(crate) static ROWS: [Row; {count}] = [\n");
    for ((vendor, family, model), rows) in models {
        for row in rows {
            let [performance, efficiency, low_power] = cores(row.cells[5]);
            let _ = writeln!(
                out,
                "    Row {{ vendor: {vendor}, family: {family}, model: {model}, steppings: {:?}, when: &[{}], \
                 cores: Cores {{ performance: {performance:?}, efficiency: {efficiency:?}, low_power: {low_power:?} }}, \
                 codename: {:?}, technology: {:?}, source: {:?} }},",
                row.steppings,
                row.conditions.join(", "),
                row.cells[6],
                row.cells[7],
                row.cells[8],
            );
        }
    }
    out.push_str("];\n");
    out
}

/// `P=…;E=…;L=…`, or one microarchitecture for all cores.
fn cores(cell: &str) -> [&str; 3] {
    let mut names = [cell, "", ""];
    for part in cell.split(';') {
        for (index, letter) in ["P=", "E=", "L="].into_iter().enumerate() {
            if let Some(name) = part.strip_prefix(letter) {
                names[index] = name;
            }
        }
    }
    names
}
