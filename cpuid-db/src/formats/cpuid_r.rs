//! Text of `cpuid -r` and `cpuid -1 -r` (Todd Allen's tool).
//!
//! ```text
//! CPU 0:
//!    0x00000004 0x01: eax=0x04000122 ebx=0x03c0003f ecx=0x0000003f edx=0x00000000
//! ```
//! With `-1` the header is `CPU:`. Old versions leave the subleaf out; then it is 0.

use super::builder::Builder;
use super::scan::{Cursor, cpu_header, numbered_lines};
use crate::damage::Decoded;
use crate::leaf::{Leaf, Registers, Subleaf};
use crate::leafset::LeafSet;

pub use crate::write::cpuid_r::write;

fn row(line: &str) -> Option<(Leaf, Subleaf, Registers)> {
    let mut cursor = Cursor::new(line);
    let leaf = cursor.hex_0x()?;
    let mut subleaf = 0;
    if cursor.blanks() && !cursor.rest().starts_with(b":") {
        subleaf = cursor.hex_0x()?;
        cursor.blanks();
    }
    cursor.eat(b":")?;
    let mut register = |name: &[u8]| {
        cursor.blanks();
        cursor.eat(name)?;
        cursor.hex_0x()
    };
    let registers = Registers::new(
        register(b"eax=")?,
        register(b"ebx=")?,
        register(b"ecx=")?,
        register(b"edx=")?,
    );
    cursor.end()?;
    Some((Leaf(leaf), Subleaf(subleaf), registers))
}

const EXPECTED: &str = "`CPU N:` or `0xLEAF 0xSUBLEAF: eax=0x… ebx=0x… ecx=0x… edx=0x…`";

/// Whether a trimmed line is a row of this format.
pub(crate) fn is_row(line: &str) -> bool {
    row(line).is_some()
}

/// Reads the text.
#[must_use]
pub fn parse(text: &str) -> Decoded<LeafSet> {
    let mut builder = Builder::default();
    for (number, line) in numbered_lines(text) {
        if let Some(cpu) = cpu_header(line) {
            builder.cpu(cpu);
        } else if let Some((leaf, subleaf, registers)) = row(line) {
            builder.row(number, leaf, subleaf, registers);
        } else if !line.is_empty() {
            builder.damaged(number, EXPECTED, line);
        }
    }
    builder.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: &str = "CPU 0:\n   0x00000000 0x00: eax=0x00000016 ebx=0x756e6547 ecx=0x6c65746e edx=0x49656e69\n\
                       CPU 1:\n   0x00000004 0x1f: eax=0x00000000 ebx=0x00000001 ecx=0x00000002 edx=0x00000003\n";

    #[test]
    fn what_is_written_is_read_again() {
        let decoded = parse(TWO);
        assert_eq!(decoded.damage, []);
        assert_eq!(decoded.value.cpus().len(), 2);
        assert_eq!(write(&decoded.value), TWO);
    }

    #[test]
    fn header_of_one_cpu_has_no_number() {
        let text = "CPU:\n   0x00000000 0x00: eax=0x00000001 ebx=0x00000000 ecx=0x00000000 edx=0x00000000\n";
        assert_eq!(parse(text).value.first().unwrap().number, 0);
    }

    #[test]
    fn a_broken_row_is_reported_at_its_line_and_the_rest_is_read() {
        let text = TWO.replace("ebx=0x756e6547", "ebx=0x756eZZZZ");
        let decoded = parse(&text);
        assert_eq!(decoded.damage.len(), 1);
        assert_eq!(decoded.damage[0].line, 2);
        assert_eq!(decoded.value.cpus().len(), 1);
    }

    #[test]
    fn a_fifth_register_is_damage() {
        let text = "0x00000000 0x00: eax=0x1 ebx=0x1 ecx=0x1 edx=0x1 0x1";
        assert_eq!(parse(text).damage.len(), 1);
    }
}
