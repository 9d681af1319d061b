//! Text of hwloc-gather-cpuid: one file `pu<N>` for each CPU. Several files read as one text, each
//! behind a line `CPU N:`; a text without such a line is CPU 0.
//!
//! ```text
//! # mask e[abcd]x => e[abcd]x
//! 5 4 0 2 0 => 1c004143 c0003f 3ff 0
//! ```
//! Bit i of the mask says that input register i was compared: 1 is EAX alone, 5 is EAX and ECX.

use super::builder::Builder;
use super::scan::{Cursor, cpu_header, numbered_lines};
use crate::damage::Decoded;
use crate::leaf::{Leaf, Registers, Subleaf};
use crate::leafset::LeafSet;

/// Mask bit: the row depends on ECX.
const MASK_ECX: u32 = 1 << 2;

fn row(line: &str) -> Option<(Leaf, Subleaf, Registers)> {
    let mut cursor = Cursor::new(line);
    let mask = cursor.hex()?;
    if !cursor.blanks() {
        return None;
    }
    let going_in = cursor.four_words()?;
    cursor.blanks();
    cursor.eat(b"=>")?;
    cursor.blanks();
    let registers = cursor.four_words()?;
    cursor.end()?;
    let subleaf = if mask & MASK_ECX == 0 { 0 } else { going_in.ecx };
    Some((Leaf(going_in.eax), Subleaf(subleaf), registers))
}

/// Whether a trimmed line is a row of this format.
pub(crate) fn is_row(line: &str) -> bool {
    row(line).is_some()
}

/// Reads the text.
#[must_use]
pub fn parse(text: &str) -> Decoded<LeafSet> {
    let mut builder = Builder::default();
    for (number, line) in numbered_lines(text) {
        if let Some((leaf, subleaf, registers)) = row(line) {
            builder.row(number, leaf, subleaf, registers);
        } else if let Some(cpu) = cpu_header(line) {
            builder.cpu(cpu);
        } else if !line.is_empty() && !line.starts_with('#') && !line.starts_with("Architecture:") {
            builder.damaged(number, "`MASK EAX EBX ECX EDX => EAX EBX ECX EDX` in hexadecimal", line);
        }
    }
    builder.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mask_says_whether_ecx_counts() {
        let decoded = parse("# mask\n1 1 0 9 0 => a b c d\n5 4 0 2 0 => 1c004143 c0003f 3ff 0\n");
        let cpu = decoded.value.first().unwrap();
        assert_eq!(cpu.row(Leaf(1), Subleaf(0)), Some(Registers::new(0xa, 0xb, 0xc, 0xd)));
        assert!(cpu.row(Leaf(4), Subleaf(2)).is_some());
    }

    #[test]
    fn joined_files_are_cpus() {
        let decoded = parse("CPU 0:\n1 0 0 0 0 => 1 2 3 4\nCPU 12:\n# mask\n1 0 0 0 0 => 1 2 3 4\n");
        let numbers: Vec<u32> = decoded.value.cpus().iter().map(|cpu| cpu.number).collect();
        assert_eq!(numbers, [0, 12]);
        assert_eq!(decoded.damage, []);
    }

    #[test]
    fn a_row_with_three_registers_is_reported() {
        assert_eq!(parse("1 0 0 0 0 => 1 2 3\n").damage[0].line, 1);
    }
}
