//! `data/libvirt-*.tsv` with the libvirt column of `data/fields/*.tsv` → `FEATURES`, `VENDORS`,
//! `MODELS` and their indices. What must hold: every feature is one bit; a model takes away only what
//! it has and adds only what it lacks; what was removed from it is not in it; an alias says nothing
//! but its decode, and no model has two canonical names.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use super::fields::row::{Place, Row};

/// 64-bit words of a set of features, as in `src/libvirt/set.rs`.
const WORDS: usize = 8;

struct Feature {
    name: String,
    place: Place,
    subleaf: u32,
    register: u8,
    bit: u8,
}

#[derive(Clone, Default)]
struct Model {
    name: String,
    alias_of: Option<usize>,
    canonical: Option<usize>,
    vendor: Option<usize>,
    host: bool,
    guest: bool,
    compat: bool,
    signatures: Vec<(u32, u32, u16)>,
    features: BTreeSet<usize>,
    removed: Vec<usize>,
    added: BTreeSet<usize>,
}

pub fn compile(data: &Path, out: &Path) -> Result<(), String> {
    let features = features(&data.join("fields"))?;
    let index: BTreeMap<&str, usize> = features
        .iter()
        .enumerate()
        .map(|(at, feature)| (feature.name.as_str(), at))
        .collect();
    if index.len() != features.len() {
        return Err("a libvirt name stands for two bits".to_owned());
    }
    if features.len() >= WORDS * 64 {
        return Err("too many libvirt features for a set".to_owned());
    }
    let notes = table(&data.join("libvirt-features.tsv"), 5)?;
    for note in &notes {
        if !index.contains_key(note[0].as_str()) {
            return Err(format!(
                "libvirt-features.tsv: no field has the libvirt name {}",
                note[0]
            ));
        }
    }
    let vendors = table(&data.join("libvirt-vendors.tsv"), 2)?;
    let models = models(&data.join("libvirt-models.tsv"), &index, &vendors)?;
    let mut text = String::new();
    write_features(&mut text, &features, &notes);
    write_vendors(&mut text, &vendors)?;
    write_models(&mut text, &models);
    names(&mut text, "FEATURE_NAMES", features.iter().map(|feature| &feature.name));
    names(&mut text, "MODEL_NAMES", models.iter().map(|model| &model.name));
    fs::write(out, text).map_err(|error| format!("{}: {error}", out.display()))
}

/// Rows of a table: lines without comments, the first one names the columns.
fn table(file: &Path, columns: usize) -> Result<Vec<Vec<String>>, String> {
    let text = fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
    let mut rows = Vec::new();
    for line in text
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .skip(1)
    {
        let row: Vec<String> = line.split('\t').map(|cell| cell.trim().to_owned()).collect();
        if row.len() != columns {
            return Err(format!(
                "{}: expected {columns} columns, seen {}: {line}",
                file.display(),
                row.len()
            ));
        }
        rows.push(row);
    }
    Ok(rows)
}

/// The bits with a libvirt name, in libvirt's order: by leaf, subleaf, register, bit; MSRs last.
fn features(folder: &Path) -> Result<Vec<Feature>, String> {
    let mut features = Vec::new();
    let entries = fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    for path in entries.filter_map(|entry| entry.ok().map(|entry| entry.path())) {
        if path.extension().is_none_or(|extension| extension != "tsv") {
            continue;
        }
        let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        for line in text
            .lines()
            .skip(1)
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
        {
            let row = Row::read(line)?;
            let [_, _, libvirt, ..] = &row.names;
            let Some(name) = libvirt.first() else { continue };
            if row.low != row.high || row.subleaves.0 != row.subleaves.1 {
                return Err(format!("{}: libvirt name {name} is of more than one bit", row.id));
            }
            features.push(Feature {
                name: name.clone(),
                place: row.place,
                subleaf: row.subleaves.0,
                register: row.register,
                bit: row.low,
            });
        }
    }
    features.sort_by_key(|feature| (feature.place, feature.subleaf, feature.register, feature.bit));
    Ok(features)
}

fn models(file: &Path, index: &BTreeMap<&str, usize>, vendors: &[Vec<String>]) -> Result<Vec<Model>, String> {
    let mut models: Vec<Model> = Vec::new();
    for row in table(file, 9)? {
        let name = &row[0];
        let error = |text: String| format!("libvirt-models.tsv: {name}: {text}");
        if models.iter().any(|model| model.name == *name) {
            return Err(error("stands twice".to_owned()));
        }
        let at = models.len();
        let alias_of = match row[1].as_str() {
            "-" => None,
            of => Some(
                models
                    .iter()
                    .position(|model| model.name == of)
                    .ok_or_else(|| error(format!("no model {of} before it")))?,
            ),
        };
        let mut model = match alias_of {
            Some(of) => {
                if row[2..].iter().enumerate().any(|(at, cell)| at != 1 && cell != "-") {
                    return Err(error("an alias says nothing but whom it is for".to_owned()));
                }
                if models[of].canonical.replace(at).is_some() {
                    return Err(error(format!("{} has a canonical name already", row[1])));
                }
                Model {
                    removed: Vec::new(),
                    added: BTreeSet::new(),
                    compat: false,
                    canonical: None,
                    ..models[of].clone()
                }
            }
            None => Model {
                vendor: match row[2].as_str() {
                    "-" => None,
                    vendor => Some(
                        vendors
                            .iter()
                            .position(|known| known[0] == vendor)
                            .ok_or_else(|| error(format!("no vendor {vendor}")))?,
                    ),
                },
                compat: match row[4].as_str() {
                    "-" => false,
                    "compat" => true,
                    other => return Err(error(format!("check {other}"))),
                },
                signatures: signatures(&row[5]).map_err(&error)?,
                features: set(&row[6], index, &models, |model| &model.features).map_err(&error)?,
                removed: row[7]
                    .split(' ')
                    .filter(|name| *name != "-")
                    .map(|name| {
                        index
                            .get(name)
                            .copied()
                            .ok_or_else(|| error(format!("no feature {name}")))
                    })
                    .collect::<Result<_, _>>()?,
                added: set(&row[8], index, &models, |model| &model.added).map_err(&error)?,
                ..Model::default()
            },
        };
        for one in row[3].split(',') {
            match one {
                "host" => model.host = true,
                "guest" => model.guest = true,
                "-" => {}
                other => return Err(error(format!("decode {other}"))),
            }
        }
        if alias_of.is_some() {
            (model.host, model.guest) = (row[3].contains("host"), row[3].contains("guest"));
        }
        if model.removed.iter().any(|feature| model.features.contains(feature)) {
            return Err(error("has a feature that was removed".to_owned()));
        }
        if model.added.intersection(&model.features).next().is_some() {
            return Err(error("has a feature that was added later".to_owned()));
        }
        model.name.clone_from(name);
        model.alias_of = alias_of;
        models.push(model);
    }
    Ok(models)
}

/// `a b c`, or `=MODEL +a -b`.
fn set(
    text: &str,
    index: &BTreeMap<&str, usize>,
    models: &[Model],
    of: fn(&Model) -> &BTreeSet<usize>,
) -> Result<BTreeSet<usize>, String> {
    let mut set = BTreeSet::new();
    if text == "-" {
        return Ok(set);
    }
    for (at, word) in text.split(' ').enumerate() {
        let feature = |name: &str| index.get(name).copied().ok_or_else(|| format!("no feature {name}"));
        if let Some(base) = word.strip_prefix('=').filter(|_| at == 0) {
            let model = models.iter().find(|model| model.name == base);
            set.clone_from(of(model.ok_or_else(|| format!("no model {base} before it"))?));
        } else if let Some(name) = word.strip_prefix('-') {
            if !set.remove(&feature(name)?) {
                return Err(format!("takes away {name}, which is not there"));
            }
        } else if !set.insert(feature(word.strip_prefix('+').unwrap_or(word))?) {
            return Err(format!("adds {word}, which is there"));
        }
    }
    Ok(set)
}

/// `6/42`, `6/85/5-7`: family, model, and a mask of the steppings.
fn signatures(text: &str) -> Result<Vec<(u32, u32, u16)>, String> {
    if text == "-" {
        return Ok(Vec::new());
    }
    text.split(' ')
        .map(|signature| {
            let number = |text: &str| {
                text.parse::<u32>()
                    .map_err(|_| format!("signature {signature}: {text:?} is no number"))
            };
            let parts: Vec<&str> = signature.split('/').collect();
            let [family, model, steppings @ ..] = parts.as_slice() else {
                return Err(format!("signature {signature}"));
            };
            let mut mask = 0_u16;
            match steppings {
                [] => mask = u16::MAX,
                [steppings] => {
                    let (first, last) = steppings.split_once('-').unwrap_or((steppings, steppings));
                    for stepping in number(first)?..=number(last)?.min(15) {
                        mask |= 1 << stepping;
                    }
                }
                _ => return Err(format!("signature {signature}")),
            }
            Ok((number(family)?, number(model)?, mask))
        })
        .collect()
}

fn write_features(out: &mut String, features: &[Feature], notes: &[Vec<String>]) {
    let _ = writeln!(out, "pub static FEATURES: [Feature; {}] = [", features.len());
    for feature in features {
        let place = match feature.place {
            Place::Leaf(leaf) => format!("Place::Leaf({leaf:#x})"),
            Place::Msr(index) => format!("Place::Msr({index:#x})"),
        };
        let register = ["Eax", "Ebx", "Ecx", "Edx"][usize::from(feature.register)];
        let note = notes.iter().find(|note| note[0] == feature.name);
        let cell = |column: usize| note.map_or("-", |note| note[column].as_str());
        let others: Vec<&str> = cell(2)
            .split(',')
            .filter_map(|other| other.split_once(':').map(|(_, name)| name))
            .collect();
        let or_name = |column: usize| match cell(column) {
            "-" => feature.name.as_str(),
            name => name,
        };
        let (qemu, libxl) = (or_name(3), or_name(4));
        let _ = writeln!(
            out,
            "    Feature {{ name: {:?}, bit: Bit {{ word: Word {{ place: {place}, subleaf: Subleaf({}), register: \
             Register::{register} }}, number: {} }}, migratable: {}, others: &{others:?}, qemu: {qemu:?}, libxl: {libxl:?} }},",
            feature.name,
            feature.subleaf,
            feature.bit,
            cell(1) != "no",
        );
    }
    out.push_str("];\n");
}

fn write_vendors(out: &mut String, vendors: &[Vec<String>]) -> Result<(), String> {
    let _ = writeln!(out, "pub static VENDORS: [Vendor; {}] = [", vendors.len());
    for vendor in vendors {
        if vendor[1].len() != 12 {
            return Err(format!("vendor {}: {:?} is not 12 bytes", vendor[0], vendor[1]));
        }
        let _ = writeln!(out, "    Vendor {{ name: {:?}, string: {:?} }},", vendor[0], vendor[1]);
    }
    out.push_str("];\n");
    Ok(())
}

fn write_models(out: &mut String, models: &[Model]) {
    let _ = writeln!(out, "pub static MODELS: [Model; {}] = [", models.len());
    for model in models {
        let mut words = [0_u64; WORDS];
        for feature in &model.features {
            words[feature / 64] |= 1 << (feature % 64);
        }
        let signatures: Vec<String> = model
            .signatures
            .iter()
            .map(|(family, model, steppings)| {
                format!("Signature {{ family: {family}, model: {model}, steppings: {steppings:#x} }}")
            })
            .collect();
        let _ = writeln!(
            out,
            "    Model {{ name: {:?}, alias_of: {:?}, canonical: {:?}, vendor_index: {:?}, decode_host: {}, \
             decode_guest: {}, compat: {}, signatures: &[{}], features: FeatureSet({words:?}), removed: &{:?}, \
             added: &{:?} }},",
            model.name,
            model.alias_of,
            model.canonical,
            model.vendor,
            model.host,
            model.guest,
            model.compat,
            signatures.join(", "),
            model.removed,
            model.added.iter().collect::<Vec<_>>(),
        );
    }
    out.push_str("];\n");
}

fn names<'a>(out: &mut String, name: &str, list: impl Iterator<Item = &'a String>) {
    let mut list: Vec<(&String, usize)> = list.enumerate().map(|(at, name)| (name, at)).collect();
    list.sort();
    let _ = writeln!(out, "pub static {name}: &[(&str, usize)] = &{list:?};");
}
