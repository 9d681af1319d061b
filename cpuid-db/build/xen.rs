//! `data/xen-libxl-keys.tsv` → `LIBXL_KEYS`. What must hold: names are unique; a key lies within its
//! register.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

const COLUMNS: [&str; 6] = ["name", "leaf", "subleaf", "register", "low", "length"];

pub fn compile(table: &Path, out: &Path) -> Result<(), String> {
    let place = table.display();
    let text = fs::read_to_string(table).map_err(|error| format!("{place}: {error}"))?;
    let mut lines = text.lines().enumerate();
    let header: Vec<&str> = lines
        .next()
        .map(|(_, line)| line.split('\t').collect())
        .unwrap_or_default();
    if header != COLUMNS {
        return Err(format!("{place}: expected the columns {COLUMNS:?}"));
    }
    let mut rows = Vec::new();
    let mut names = BTreeSet::new();
    for (index, line) in lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#')) {
        let row = read(line).map_err(|error| format!("{place}:{}: {error}", index + 1))?;
        if !names.insert(line.split('\t').next().unwrap_or_default().to_owned()) {
            return Err(format!("{place}:{}: the name stands twice", index + 1));
        }
        rows.push(row);
    }
    let mut code = String::new();
    let _ = writeln!(code, "pub static LIBXL_KEYS: [Key; {}] = [", rows.len());
    for row in rows {
        let _ = writeln!(code, "    {row},");
    }
    code.push_str("];\n");
    fs::write(out, code).map_err(|error| format!("{}: {error}", out.display()))
}

fn read(line: &str) -> Result<String, String> {
    let cells: Vec<&str> = line.split('\t').collect();
    let [name, leaf, subleaf, register, low, length] = cells[..] else {
        return Err(format!("expected {} columns, seen {}", COLUMNS.len(), cells.len()));
    };
    let leaf = leaf
        .strip_prefix("0x")
        .and_then(|digits| u32::from_str_radix(digits, 16).ok())
        .ok_or_else(|| format!("leaf: seen {leaf:?}"))?;
    let subleaf = match subleaf {
        "-" => "None".to_owned(),
        number => format!("Some({})", decimal(number)?),
    };
    let register = match register {
        "eax" => "Eax",
        "ebx" => "Ebx",
        "ecx" => "Ecx",
        "edx" => "Edx",
        _ => return Err(format!("register: seen {register:?}")),
    };
    let (low, length) = (decimal(low)?, decimal(length)?);
    if length == 0 || low + length > 32 {
        return Err(format!("{name}: {length} bits from {low} do not fit in a register"));
    }
    Ok(format!(
        "Key {{ name: {name:?}, leaf: {leaf:#x}, subleaf: {subleaf}, register: Register::{register}, low: {low}, \
         length: {length} }}"
    ))
}

fn decimal(text: &str) -> Result<u32, String> {
    text.parse().map_err(|_| format!("expected a number, seen {text:?}"))
}
