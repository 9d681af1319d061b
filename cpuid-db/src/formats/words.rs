//! Rows of six hexadecimal words: leaf, subleaf, EAX, EBX, ECX, EDX; what is read from `/dev/cpu/N/cpuid`
//! is noted like this.
//!
//! ```text
//! # leaf subleaf eax ebx ecx edx
//! 00000004 01 04000122 03c0003f 0000003f 00000000
//! ```
//! Lines `CPU N:` tell the CPU; without them each row of leaf 0 begins one.

use super::builder::Builder;
use super::scan::{Cursor, cpu_header, numbered_lines};
use crate::damage::Decoded;
use crate::leaf::{Leaf, Registers, Subleaf};
use crate::leafset::LeafSet;

/// Digits of leaf, of subleaf at least, and of each register.
const DIGITS: [usize; 6] = [8, 2, 8, 8, 8, 8];

fn row(line: &str) -> Option<(Leaf, Subleaf, Registers)> {
    let mut cursor = Cursor::new(line);
    let mut words = [0; 6];
    for (place, (word, digits)) in words.iter_mut().zip(DIGITS).enumerate() {
        if place > 0 && !cursor.blanks() {
            return None;
        }
        let before = cursor.rest().len();
        *word = cursor.hex()?;
        let taken = before.saturating_sub(cursor.rest().len());
        if taken < digits {
            return None;
        }
    }
    cursor.end()?;
    let [leaf, subleaf, eax, ebx, ecx, edx] = words;
    Some((Leaf(leaf), Subleaf(subleaf), Registers::new(eax, ebx, ecx, edx)))
}

/// Whether a trimmed line is a row of this format.
pub(crate) fn is_row(line: &str) -> bool {
    row(line).is_some()
}

/// Reads the text.
#[must_use]
pub fn parse(text: &str) -> Decoded<LeafSet> {
    let mut builder = Builder::default();
    let mut headers = false;
    for (number, line) in numbered_lines(text) {
        if let Some((leaf, subleaf, registers)) = row(line) {
            if leaf == Leaf(0) && subleaf == Subleaf(0) && !headers {
                builder.next_cpu_unless_new();
            }
            builder.row(number, leaf, subleaf, registers);
        } else if let Some(cpu) = cpu_header(line) {
            builder.cpu(cpu);
            headers = true;
        } else if line.as_bytes().first().is_some_and(u8::is_ascii_hexdigit) {
            builder.damaged(number, "`LEAF SUBLEAF EAX EBX ECX EDX` in hexadecimal", line);
        }
    }
    builder.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROW: &str = "00000000 00 00000024 756e6547 6c65746e 49656e69\n";

    #[test]
    fn each_row_of_leaf_0_begins_a_cpu_when_no_line_names_it() {
        let decoded = parse(&format!("# leaf subleaf eax\n{ROW}{ROW}"));
        assert_eq!(decoded.damage, []);
        assert_eq!(decoded.value.cpus().len(), 2);
        let named = parse(&format!("CPU 5:\n{ROW}"));
        assert_eq!(named.value.first().unwrap().number, 5);
    }

    #[test]
    fn a_row_with_five_words_is_damage_and_short_words_are_no_row() {
        assert_eq!(parse("00000000 00 00000024 756e6547 6c65746e\n").damage.len(), 1);
        assert!(!is_row("00000000 7f 45 4c 46 02"));
    }
}
