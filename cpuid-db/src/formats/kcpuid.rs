//! Text of `kcpuid -r` (Linux, tools/arch/x86/kcpuid): one CPU.
//!
//! ```text
//! 0x00000004: subleafs:
//!   0: EAX=0x04000121, EBX=0x02c0003f, ECX=0x0000003f, EDX=0x00000000
//! 0x00000006: EAX=0x00000004, EBX=0x00000000, ECX=0x00000000, EDX=0x00000000
//! ```
//! Leaves whose four registers are zero are not in it.

use super::builder::Builder;
use super::scan::{Cursor, numbered_lines};
use crate::damage::Decoded;
use crate::leaf::{Leaf, Registers, Subleaf};
use crate::leafset::LeafSet;

fn registers(text: &str) -> Option<Registers> {
    let mut cursor = Cursor::new(text);
    let mut register = |name: &[u8]| {
        cursor.blanks();
        cursor.eat(name)?;
        cursor.hex_0x()
    };
    let registers = Registers::new(
        register(b"EAX=")?,
        register(b", EBX=")?,
        register(b", ECX=")?,
        register(b", EDX=")?,
    );
    cursor.end()?;
    Some(registers)
}

fn hex_0x(text: &str) -> Option<u32> {
    let mut cursor = Cursor::new(text);
    let value = cursor.hex_0x()?;
    cursor.end()?;
    Some(value)
}

/// Whether a trimmed line is a row of this format.
pub(crate) fn is_row(line: &str) -> bool {
    line.split_once(':')
        .is_some_and(|(leaf, values)| hex_0x(leaf).is_some() && registers(values).is_some())
}

/// Reads the text.
#[must_use]
pub fn parse(text: &str) -> Decoded<LeafSet> {
    let mut builder = Builder::default();
    let mut leaf = None;
    for (number, line) in numbered_lines(text) {
        let (key, values) = line.split_once(':').unwrap_or((line, ""));
        let starts_leaf = hex_0x(key).map(Leaf);
        if starts_leaf.is_some() {
            leaf = starts_leaf;
        }
        let subleaf = match starts_leaf {
            Some(_) => Some(0),
            None => key.parse::<u32>().ok(),
        };
        match (leaf, subleaf, registers(values)) {
            (Some(leaf), Some(subleaf), Some(values)) => builder.row(number, leaf, Subleaf(subleaf), values),
            _ if passed_over(line, values) => {}
            _ => builder.damaged(
                number,
                "`EAX=0x…, EBX=0x…, ECX=0x…, EDX=0x…` behind a leaf or subleaf",
                line,
            ),
        }
    }
    builder.finish()
}

/// Headings, rules and the line that announces subleaves.
fn passed_over(line: &str, values: &str) -> bool {
    line.is_empty() || line.starts_with('=') || line.contains("Leafs") || values.trim().starts_with("subleaf")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subleaves_are_decimal_rows_under_their_leaf() {
        let text = "Basic Leafs :\n================\n0x00000004: subleafs:\n\
                    \x20 0: EAX=0x00000001, EBX=0x00000002, ECX=0x00000003, EDX=0x00000004\n\
                    \x2010: EAX=0x00000005, EBX=0x00000006, ECX=0x00000007, EDX=0x00000008\n\
                    Extended Leafs :\n================\n\
                    0x80000000: EAX=0x80000008, EBX=0x00000000, ECX=0x00000000, EDX=0x00000000\n";
        let decoded = parse(text);
        assert_eq!(decoded.damage, []);
        let cpu = decoded.value.first().unwrap();
        assert_eq!(cpu.row(Leaf(4), Subleaf(10)), Some(Registers::new(5, 6, 7, 8)));
        assert_eq!(cpu.len(), 3);
    }

    #[test]
    fn a_broken_register_is_reported() {
        assert_eq!(
            parse("0x00000001: EAX=0x1, EBX=zz, ECX=0x1, EDX=0x1\n").damage[0].line,
            1
        );
    }
}
