//! What real tables declare, beside the disassembly that was published with the dumps.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod aml_support;

use acpi_dump::aml::{NodeId, Op, Tree, read_all};
use acpi_dump::text;
use aml_support::{corpus, unpack};

/// Declarations of a tree in the order of the bytes, as the head of their ASL line.
fn declarations(tree: &Tree) -> Vec<String> {
    let mut lines = Vec::new();
    for (number, node) in tree.nodes.iter().enumerate() {
        let id = NodeId(number.try_into().unwrap());
        let name = tree.declared(id).and_then(|id| tree.name_path(id));
        let Some(name) = name.map(|name| name.to_string()) else {
            continue;
        };
        // Helpers that the compiler made of a Switch; the disassembly shows the Switch.
        if name.starts_with("_T_") {
            continue;
        }
        let number = |index| tree.operand(id, index).map_or(0, |id| tree.node(id).unwrap().value);
        lines.push(match node.op {
            Op::Device => format!("Device ({name})"),
            Op::Scope => format!("Scope ({name})"),
            Op::ThermalZone => format!("ThermalZone ({name})"),
            Op::Processor => format!("Processor ({name}, 0x{:02X}", number(1)),
            Op::PowerResource => format!("PowerResource ({name}, 0x{:02X}", number(1)),
            Op::Event => format!("Event ({name})"),
            Op::Mutex => format!("Mutex ({name}, 0x{:02X})", number(1)),
            Op::OperationRegion => format!("OperationRegion ({name}"),
            Op::Method => {
                let serialized = if number(1) & 8 == 0 {
                    "NotSerialized"
                } else {
                    "Serialized"
                };
                format!("Method ({name}, {}, {serialized}", number(1) & 7)
            }
            Op::Name => match name.as_str() {
                "_HID" | "_ADR" | "_UID" => format!("Name ({name}, {})", value(tree, id)),
                _ => format!("Name ({name}"),
            },
            _ => continue,
        });
    }
    lines
}

/// Value of a `Name`, numbers in hexadecimal.
fn value(tree: &Tree, name: NodeId) -> String {
    let id = tree.operand(name, 1).unwrap();
    let node = tree.node(id).unwrap();
    match node.op {
        Op::StringConst => format!("{:?}", String::from_utf8_lossy(tree.text(id).unwrap())),
        Op::Zero | Op::One | Op::ByteConst | Op::WordConst | Op::DWordConst | Op::QWordConst => {
            format!("{:#x}", node.value)
        }
        other => format!("{other:?}"),
    }
}

/// The same from a line of the oracle.
fn listed(line: &str) -> Option<String> {
    let (word, rest) = line.trim_start().split_once(" (")?;
    let first = rest.split([',', ')']).next()?;
    Some(match word {
        "Device" | "Scope" | "ThermalZone" | "Event" => format!("{word} ({first})"),
        "Processor" | "PowerResource" => {
            let second = rest.split(", ").nth(1)?;
            format!("{word} ({first}, {second}")
        }
        "Mutex" => format!("Mutex ({first}, {})", rest.split([' ', ')']).nth(1)?),
        "OperationRegion" => format!("OperationRegion ({first}"),
        "Method" => {
            let words: Vec<&str> = rest.split([',', ')']).map(str::trim).collect();
            format!("Method ({first}, {}, {}", words.get(1)?, words.get(2)?)
        }
        "Name" if matches!(first, "_HID" | "_ADR" | "_UID") => {
            format!("Name ({first}, {})", listed_value(rest.split_once(", ")?.1))
        }
        "Name" if first.starts_with("_T_") => return None,
        "Name" => format!("Name ({first}"),
        _ => return None,
    })
}

fn listed_value(text: &str) -> String {
    if let Some(id) = text.strip_prefix("EisaId (\"") {
        return format!("{:#x}", eisa(id.as_bytes()));
    }
    if let Some(text) = text.strip_prefix('"') {
        return format!("\"{}\"", text.split('"').next().unwrap());
    }
    let word = text.split([')', ' ']).next().unwrap();
    match word {
        "Zero" => "0x0".to_owned(),
        "One" => "0x1".to_owned(),
        "Buffer" | "Package" => word.to_owned(),
        hex => match hex.strip_prefix("0x").map(|digits| u64::from_str_radix(digits, 16)) {
            Some(Ok(number)) => format!("{number:#x}"),
            _ => word.to_owned(),
        },
    }
}

/// Three letters of five bits, then four digits, the bytes swapped.
fn eisa(text: &[u8]) -> u32 {
    let letter = |at: usize| u32::from(text[at] - b'@');
    let digits = std::str::from_utf8(&text[3..7]).unwrap();
    let id = letter(0) << 26 | letter(1) << 21 | letter(2) << 16 | u32::from_str_radix(digits, 16).unwrap();
    id.swap_bytes()
}

/// The disassembly cut at its table headings: `DSDT`, `SSDT1`, ...
fn sections(oracle: &str) -> Vec<(String, Vec<String>)> {
    let mut list: Vec<(String, Vec<String>)> = Vec::new();
    let mut block = false;
    for line in oracle.lines() {
        let heading = line.len() <= 6 && line.len() >= 4 && line.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if heading {
            block = line.starts_with("DSDT") || line.starts_with("SSDT");
            if block {
                list.push((line.to_owned(), Vec::new()));
            }
        } else if block && let Some(found) = listed(line) {
            list.last_mut().unwrap().1.push(found);
        }
    }
    list
}

/// Tables whose disassembly is wrong: it takes the statement behind a call of a method that no
/// table declares for an argument of it, and so has declarations in the middle of a line.
const WRONG_IN_THE_ORACLE: [(&str, &str); 3] = [
    ("453137EC6E83", "SSDT4"),
    ("A8DA802364DF", "SSDT1"),
    ("D0292BFAFD2C", "SSDT6"),
];

#[test]
fn declarations_are_those_of_the_published_disassembly() {
    let Some(corpus) = corpus() else { return };
    let (mut tables, mut lines) = (0, 0);
    let mut differences = Vec::new();
    for path in aml_support::files(&corpus.join("linuxhw")) {
        let file = path.file_name().unwrap().to_str().unwrap();
        let Some(name) = file.strip_suffix(".acpidump.txt.zst") else {
            continue;
        };
        let oracle = path.with_file_name(format!("{name}.iasl-decoded.txt.zst"));
        if !oracle.is_file() {
            continue;
        }
        let dump = text::parse(&unpack(&path));
        let mut count = 0;
        let named: Vec<(String, &[u8])> = dump
            .tables
            .iter()
            .filter_map(|table| match table.name.as_str() {
                "DSDT" => Some(("DSDT".to_owned(), table.bytes.as_slice())),
                "SSDT" => {
                    count += 1;
                    Some((format!("SSDT{count}"), table.bytes.as_slice()))
                }
                _ => None,
            })
            .collect();
        let oracle = sections(&String::from_utf8_lossy(&unpack(&oracle)));
        let slices: Vec<&[u8]> = named.iter().map(|(_, bytes)| *bytes).collect();
        let (trees, _) = read_all(&slices);
        for ((table, _), tree) in named.iter().zip(&trees) {
            let alone = count == 1 && table == "SSDT1";
            let found = oracle
                .iter()
                .find(|(name, _)| name == table || (alone && name == "SSDT"));
            let Some((_, theirs)) = found else { continue };
            if WRONG_IN_THE_ORACLE.contains(&(name, table.as_str())) {
                continue;
            }
            let ours = declarations(tree);
            tables += 1;
            lines += theirs.len();
            if let Some(at) = (0..ours.len().max(theirs.len())).find(|at| ours.get(*at) != theirs.get(*at)) {
                differences.push(format!(
                    "{name} {table} declaration {at}: {:?}, oracle {:?}",
                    ours.get(at),
                    theirs.get(at)
                ));
            }
        }
    }
    eprintln!(
        "{tables} tables, {lines} declarations, {} tables differ",
        differences.len()
    );
    assert!(tables > 150, "{tables} tables compared");
    assert!(differences.is_empty(), "{differences:#?}");
}
