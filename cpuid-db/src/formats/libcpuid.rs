//! Raw dumps of libcpuid (`cpuid_tool --save`).
//!
//! ```text
//! version=0.7.1
//!
//! _________________ Logical CPU #0 _________________
//! basic_cpuid[0]=00000024 756e6547 6c65746e 49656e69
//! intel_fn4[2]=04000143 03c0003f 000007ff 00000000
//! ```
//! `basic_cpuid[i]` is leaf i, `ext_cpuid[i]` leaf 0x80000000 + i; the other keys name a leaf and count
//! its subleaves. Rows of `basic_cpuid` above the maximum repeat the highest leaf: the lookup rules of
//! [`crate::CpuLeaves`] keep them out.

use super::builder::Builder;
use super::scan::{Cursor, numbered_lines};
use crate::damage::Decoded;
use crate::leaf::{Leaf, Registers, Subleaf};
use crate::leafset::LeafSet;

/// Keys whose index counts subleaves.
const SUBLEAVED: [(&str, u32); 6] = [
    ("intel_fn4", 4),
    ("intel_fn11", 0xb),
    ("intel_fn12h", 0x12),
    ("intel_fn14h", 0x14),
    ("amd_fn8000001dh", 0x8000_001d),
    ("amd_fn80000026h", 0x8000_0026),
];

fn place(key: &str, index: u32) -> Option<(Leaf, Subleaf)> {
    match key {
        "basic_cpuid" => Some((Leaf(index), Subleaf(0))),
        "ext_cpuid" => Some((Leaf(0x8000_0000_u32.checked_add(index)?), Subleaf(0))),
        _ => SUBLEAVED
            .iter()
            .find(|(name, _)| *name == key)
            .map(|&(_, leaf)| (Leaf(leaf), Subleaf(index))),
    }
}

fn row(line: &str) -> Option<(Leaf, Subleaf, Registers)> {
    let (input, output) = line.split_once('=')?;
    let (key, index) = input.strip_suffix(']')?.split_once('[')?;
    let (leaf, subleaf) = place(key, index.parse().ok()?)?;
    let mut cursor = Cursor::new(output);
    cursor.blanks();
    let registers = cursor.four_words()?;
    cursor.end()?;
    Some((leaf, subleaf, registers))
}

/// Whether a trimmed line is a row of this format.
pub(crate) fn is_row(line: &str) -> bool {
    row(line).is_some()
}

fn header(line: &str) -> Option<u32> {
    let (_, rest) = line.split_once("Logical CPU #").filter(|_| line.starts_with('_'))?;
    rest.trim_end_matches('_').trim().parse().ok()
}

/// Reads the text. Lines that are no `key[i]=…` rows (versions, libcpuid's expected results) are passed over.
#[must_use]
pub fn parse(text: &str) -> Decoded<LeafSet> {
    let mut builder = Builder::default();
    for (number, line) in numbered_lines(text) {
        if let Some((leaf, subleaf, registers)) = row(line) {
            builder.row(number, leaf, subleaf, registers);
        } else if let Some(cpu) = header(line) {
            builder.cpu(cpu);
        } else if line.contains("]=") && line.contains("_cpuid[") {
            builder.damaged(number, "`basic_cpuid[i]=` or `ext_cpuid[i]=` and four registers", line);
        }
    }
    builder.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_leaves_and_subleaves() {
        let text = "version=0.7.1\n\n_________________ Logical CPU #2 _________________\n\
                    ext_cpuid[8]=1 2 3 4\nintel_fn11[1]=5 6 7 8\n";
        let decoded = parse(text);
        let cpu = decoded.value.first().unwrap();
        assert_eq!(cpu.number, 2);
        assert_eq!(cpu.row(Leaf(0x8000_0008), Subleaf(0)), Some(Registers::new(1, 2, 3, 4)));
        assert_eq!(cpu.row(Leaf(0xb), Subleaf(1)), Some(Registers::new(5, 6, 7, 8)));
    }

    #[test]
    fn a_broken_row_is_reported() {
        assert_eq!(parse("basic_cpuid[1]=xyz\n").damage.len(), 1);
    }
}
