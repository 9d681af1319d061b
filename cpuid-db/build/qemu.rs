//! `data/qemu-*.tsv` → QEMU's feature words, dependencies, properties and CPU models, each version of a
//! model with its words complete. What must hold: features a version changes are known by QEMU's name
//! in `data/fields`; words of models and dependencies are feature words; names are unique.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use super::fields::row::{Place, Row};

/// Column of the QEMU names among those of the dialects.
const QEMU: usize = 1;

/// Bits of 80000001.edx that repeat 1.edx on AMD: no model sets them itself.
const AMD_ALIASES: u32 = 0x0183_f3ff;

type Words = BTreeMap<String, u32>;
type Names = BTreeMap<String, Vec<(String, u8)>>;

pub fn compile(data: &Path, out: &Path) -> Result<(), String> {
    let names = names(&data.join("fields"))?;
    let mut text = String::new();
    let words = feature_words(data, &names, &mut text)?;
    dependencies(data, &words, &mut text)?;
    properties(data, &names, &mut text)?;
    models(data, &words, &names, &mut text)?;
    fs::write(out, text).map_err(|error| format!("{}: {error}", out.display()))
}

/// Rows of a table without its header: `file:line` and columns.
fn rows(path: &Path, columns: usize) -> Result<Vec<(String, Vec<String>)>, String> {
    let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let mut rows = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let place = format!("{}:{}", path.display(), index + 1);
        let cells: Vec<String> = line.split('\t').map(str::to_owned).collect();
        if cells.len() != columns {
            return Err(format!("{place}: expected {columns} columns, seen {}", cells.len()));
        }
        rows.push((place, cells));
    }
    rows.remove(0);
    Ok(rows)
}

fn names(folder: &Path) -> Result<Names, String> {
    let mut names = Names::new();
    for entry in fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))? {
        let path = entry.map_err(|error| error.to_string())?.path();
        let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        for line in text
            .lines()
            .skip(1)
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
        {
            let row = Row::read(line)?;
            let register = ["eax", "ebx", "ecx", "edx"][usize::from(row.register)];
            let word = match row.place {
                Place::Leaf(leaf) => format!("{leaf:x}.{:x}.{register}", row.subleaves.0),
                Place::Msr(index) => format!("msr{index:x}.{register}"),
            };
            for name in &row.names[QEMU] {
                names.entry(name.clone()).or_default().push((word.clone(), row.low));
            }
        }
    }
    Ok(names)
}

/// `7.0.ebx` or `msr10a.eax` as an expression.
fn word(text: &str) -> Result<String, String> {
    let bad = || format!("expected a word such as 7.0.ebx, seen {text:?}");
    let parts: Vec<&str> = text.split('.').collect();
    let register = |name: &str| match name {
        "eax" => Ok("Register::Eax"),
        "ebx" => Ok("Register::Ebx"),
        "ecx" => Ok("Register::Ecx"),
        "edx" => Ok("Register::Edx"),
        _ => Err(bad()),
    };
    let hex = |text: &str| u32::from_str_radix(text, 16).map_err(|_| bad());
    match parts[..] {
        [leaf, subleaf, name] => Ok(format!(
            "Word::cpuid({:#x}, {:#x}, {})",
            hex(leaf)?,
            hex(subleaf)?,
            register(name)?
        )),
        [msr, name] => Ok(format!(
            "Word::msr({:#x}, {})",
            hex(msr.strip_prefix("msr").ok_or_else(bad)?)?,
            register(name)?
        )),
        _ => Err(bad()),
    }
}

fn hex(text: &str) -> Result<u32, String> {
    if text == "-" {
        return Ok(0);
    }
    u32::from_str_radix(text, 16).map_err(|_| format!("expected a hexadecimal number, seen {text:?}"))
}

/// `word=mask`.
fn part(text: &str, known: &BTreeSet<String>) -> Result<(String, u32), String> {
    let (name, value) = text
        .split_once('=')
        .ok_or_else(|| format!("expected word=bits, seen {text:?}"))?;
    if !known.contains(name) {
        return Err(format!("{name} is no feature word"));
    }
    Ok((name.to_owned(), hex(value)?))
}

fn feature_words(data: &Path, names: &Names, out: &mut String) -> Result<BTreeSet<String>, String> {
    let mut known = BTreeSet::new();
    let _ = writeln!(out, "pub static WORDS: &[FeatureWord] = &[");
    for (place, cells) in rows(&data.join("qemu-words.tsv"), 5)? {
        let at = |error: String| format!("{place}: {error}");
        if !known.insert(cells[0].clone()) {
            return Err(at(format!("{} stands twice", cells[0])));
        }
        let named = names
            .values()
            .flatten()
            .filter(|(word, _)| *word == cells[0])
            .fold(0_u32, |mask, (_, bit)| mask | 1 << bit);
        let _ = writeln!(
            out,
            "    FeatureWord {{ word: {}, named: {named:#x}, tcg: {:#x}, migratable: {:#x}, unmigratable: {:#x}, not_automatic: {:#x} }},",
            word(&cells[0]).map_err(at)?,
            hex(&cells[1]).map_err(at)?,
            hex(&cells[2]).map_err(at)?,
            hex(&cells[3]).map_err(at)?,
            hex(&cells[4]).map_err(at)?
        );
    }
    out.push_str("];\n");
    Ok(known)
}

fn dependencies(data: &Path, known: &BTreeSet<String>, out: &mut String) -> Result<(), String> {
    out.push_str("pub static DEPENDENCIES: &[Dependency] = &[\n");
    for (place, cells) in rows(&data.join("qemu-dependencies.tsv"), 2)? {
        let at = |error: String| format!("{place}: {error}");
        let (needs, needs_bits) = part(&cells[0], known).map_err(at)?;
        let (taken, taken_bits) = part(&cells[1], known).map_err(at)?;
        let _ = writeln!(
            out,
            "    Dependency {{ needs: ({}, {needs_bits:#x}), taken: ({}, {taken_bits:#x}) }},",
            word(&needs).map_err(at)?,
            word(&taken).map_err(at)?
        );
    }
    out.push_str("];\n");
    Ok(())
}

fn properties(data: &Path, names: &Names, out: &mut String) -> Result<(), String> {
    let mut sorted = BTreeMap::new();
    for (place, cells) in rows(&data.join("qemu-properties.tsv"), 3)? {
        let at = |error: String| format!("{place}: {error}");
        let (kind, rest) = cells[1].split_once(' ').unwrap_or((&cells[1], ""));
        let kind = match kind {
            "bool" => "Bool".to_owned(),
            "uint8" => "Unsigned(8)".to_owned(),
            "uint16" => "Unsigned(16)".to_owned(),
            "uint32" => "Unsigned(32)".to_owned(),
            "uint64" => "Unsigned(64)".to_owned(),
            "int32" => "Signed32".to_owned(),
            "mask" => format!("Mask({:#x})", hex(rest).map_err(at)?),
            "most" => format!("Most({rest})"),
            "enum" => format!("OneOf(&{:?})", rest.split(' ').collect::<Vec<_>>()),
            "text" => "Text".to_owned(),
            "vendor" => "Vendor".to_owned(),
            "frequency" => "Frequency".to_owned(),
            "read-only" => "ReadOnly".to_owned(),
            _ => return Err(at(format!("no type {kind}"))),
        };
        if names.contains_key(&cells[0]) {
            return Err(at(format!("{} is a feature", cells[0])));
        }
        let only_max = cells[2] == "max";
        if sorted.insert(cells[0].clone(), (kind, only_max)).is_some() {
            return Err(at(format!("{} stands twice", cells[0])));
        }
    }
    out.push_str("pub static PROPERTIES: &[Property] = &[\n");
    for (name, (kind, only_max)) in sorted {
        let _ = writeln!(
            out,
            "    Property {{ name: {name:?}, kind: Type::{kind}, only_max: {only_max} }},"
        );
    }
    out.push_str("];\n");
    Ok(())
}

/// A row with what it inherits.
#[derive(Clone)]
struct Version {
    model: String,
    version: u32,
    cells: Vec<String>,
    words: Words,
}

fn models(data: &Path, known: &BTreeSet<String>, names: &Names, out: &mut String) -> Result<(), String> {
    let mut list: Vec<Version> = Vec::new();
    for (place, mut cells) in rows(&data.join("qemu-models.tsv"), 15)? {
        let at = |error: String| format!("{place}: {error}");
        let version: u32 = cells[1].parse().map_err(|_| at("expected a version".to_owned()))?;
        let words = match list.last() {
            Some(before) if before.model == cells[0] => {
                if version != before.version + 1 {
                    return Err(at(format!("expected version {}", before.version + 1)));
                }
                for column in [3, 4, 5, 6, 7, 8, 9, 10, 11, 12] {
                    if cells[column] == "-" {
                        cells[column].clone_from(&before.cells[column]);
                    }
                }
                changed(&before.words, &cells[14], names, known).map_err(at)?
            }
            _ if version != 1 => return Err(at("expected version 1".to_owned())),
            _ => cells[14]
                .split(' ')
                .map(|text| part(text, known))
                .collect::<Result<Words, String>>()
                .map_err(at)?,
        };
        if cells[3].len() != 12 || cells[12].len() > 48 {
            return Err(at(
                "expected a vendor of 12 characters, a brand of at most 48".to_owned()
            ));
        }
        if words
            .get("80000001.0.edx")
            .is_some_and(|value| value & AMD_ALIASES != 0)
        {
            return Err(at("bits that AMD repeats from 1.edx are not given here".to_owned()));
        }
        list.push(Version {
            model: cells[0].clone(),
            version,
            cells,
            words,
        });
    }
    write_models(&list, out)
}

/// Words with `+feature` set and `-feature` cleared.
fn changed(before: &Words, changes: &str, names: &Names, known: &BTreeSet<String>) -> Result<Words, String> {
    let mut words = before.clone();
    for change in changes.split(' ').filter(|change| *change != "-") {
        let name = change.get(1..).unwrap_or_default();
        let bits = names.get(name).ok_or_else(|| format!("QEMU has no feature {name}"))?;
        for (word, bit) in bits {
            if !known.contains(word) {
                return Err(format!("{name} is in {word}, which is no feature word"));
            }
            let value = words.entry(word.clone()).or_default();
            match change.as_bytes()[0] {
                b'+' => *value |= 1 << bit,
                b'-' => *value &= !(1 << bit),
                _ => return Err(format!("expected + or - before a feature, seen {change:?}")),
            }
        }
    }
    Ok(words)
}

fn write_models(list: &[Version], out: &mut String) -> Result<(), String> {
    let mut names: BTreeMap<String, usize> = BTreeMap::new();
    let mut name = |text: String, at: usize| match names.insert(text.clone(), at) {
        Some(_) => Err(format!("model {text} stands twice")),
        None => Ok(()),
    };
    let _ = writeln!(out, "pub static MODELS: [Model; {}] = [", list.len());
    for (index, version) in list.iter().enumerate() {
        let cells = &version.cells;
        let full = format!("{}-v{}", version.model, version.version);
        name(full.clone(), index)?;
        if version.version == 1 {
            name(version.model.clone(), index)?;
        }
        if cells[2] != "-" {
            name(cells[2].clone(), index)?;
        }
        let optional = |text: &str| (text != "-").then(|| text.to_owned());
        let mut words = String::new();
        for (text, value) in version.words.iter().filter(|(_, value)| **value != 0) {
            let _ = write!(words, "({}, {value:#x}), ", word(text)?);
        }
        let xlevel = hex(&cells[8])?;
        let _ = writeln!(
            out,
            "    Model {{ name: {full:?}, family_name: {:?}, version: {}, alias: {:?}, note: {:?}, vendor: {:?}, \
             family: {}, model_number: {}, stepping: {}, level: {}, extended_level: {xlevel:#x}, avx10_version: {}, \
             own_caches: {}, deprecated: {}, brand: {:?}, words: &[{words}] }},",
            version.model,
            version.version,
            optional(&cells[2]),
            optional(&cells[13]),
            cells[3],
            cells[4],
            cells[5],
            cells[6],
            cells[7],
            cells[9],
            cells[10] == "yes",
            cells[11] == "yes",
            optional(&cells[12]).unwrap_or_default(),
        );
    }
    out.push_str("];\n");
    let names: Vec<(String, usize)> = names.into_iter().collect();
    let _ = writeln!(out, "pub static MODEL_NAMES: &[(&str, u16)] = &{names:?};");
    Ok(())
}
