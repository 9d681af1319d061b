//! CPUID text of AIDA64, InstLatx64 and libcpuid's test files.
//!
//! ```text
//! ------[ CPUID Registers / Logical CPU #0 ]------
//! CPUID 00000004: FC004121-02C0003F-0000003F-00000000 [SL 00] [L1D: 48 KB]
//! ```
//! Headers also read `------[ Logical CPU #0 ]------`, `CPU#001 AffMask: 0x…` and
//! `CPUID Registers (CPU #1)`; in a dump without any, each row of leaf 0 begins a CPU. An older kind of row separates leaf and
//! registers with spaces and a tabulator. Older dumps list subleaves one after the other without `[SL nn]`;
//! in the leaves that count theirs from 0 without gaps such rows are numbered. The same files hold sections
//! of MSRs under headers of the same words, which add to the CPU they name and are none by themselves:
//!
//! ```text
//! ------[ MSR Registers / Logical CPU #0 ]------
//! MSR 0000001B: 0000-0000-FEE0-0900
//! MSR 000000E2: < FAILED >
//! ```
//! Everything else in such a report is passed over.

use super::builder::Builder;
use super::scan::{Cursor, numbered_lines};
use crate::damage::Decoded;
use crate::leaf::{Leaf, Registers, Subleaf};
use crate::leafset::LeafSet;

/// Leaves whose subleaves are consecutive, so that rows without a number can be numbered.
const COUNTED: [u32; 12] = [
    4,
    7,
    0xb,
    0xf,
    0x12,
    0x14,
    0x17,
    0x18,
    0x1d,
    0x1f,
    0x8000_001d,
    0x8000_0026,
];

/// Leaf and what follows it, when a line begins as a row does.
fn row_start(line: &str) -> Option<(Leaf, Cursor<'_>)> {
    let mut cursor = Cursor::new(line);
    cursor.eat(b"CPUID ")?;
    let before = cursor.rest().len();
    let leaf = cursor.hex()?;
    if before.saturating_sub(cursor.rest().len()) != 8 {
        return None;
    }
    let _ = cursor.eat(b":");
    cursor.blanks().then_some((Leaf(leaf), cursor))
}

/// Registers and subleaf (`[SL 03]`, hexadecimal).
fn row_values(mut cursor: Cursor<'_>) -> Option<(Registers, Option<Subleaf>)> {
    let registers = cursor.four(b"-")?;
    if cursor.rest().is_empty() {
        return Some((registers, None));
    }
    if !cursor.blanks() {
        return None;
    }
    let mut notes = cursor.rest();
    while !notes.is_empty() {
        if let Some(after) = notes.strip_prefix(b"[SL ") {
            return Some((registers, Some(Subleaf(subleaf(after)?))));
        }
        notes = notes.get(1..).unwrap_or_default();
    }
    Some((registers, None))
}

fn subleaf(text: &[u8]) -> Option<u32> {
    let text = std::str::from_utf8(text.get(..text.len().min(12))?).ok()?;
    let mut cursor = Cursor::new(text);
    cursor.blanks();
    let number = cursor.hex()?;
    cursor.blanks();
    cursor.eat(b"]")?;
    Some(number)
}

/// Index of an MSR and its value; without a value the register could not be read.
fn msr_row(mut cursor: Cursor<'_>) -> Option<(u32, Option<u64>)> {
    let index = cursor.hex()?;
    cursor.eat(b":")?;
    cursor.blanks();
    if cursor.rest().starts_with(b"<") {
        return Some((index, None));
    }
    let mut value = u64::from(cursor.hex()?);
    for _ in 0..3 {
        cursor.eat(b"-")?;
        let part = cursor.hex().filter(|part| *part <= 0xffff)?;
        value = value << 16 | u64::from(part);
    }
    (cursor.rest().is_empty() || cursor.blanks()).then_some((index, Some(value)))
}

/// Whether a trimmed line is a row of this format.
pub(crate) fn is_row(line: &str) -> bool {
    row_start(line).is_some_and(|(_, values)| row_values(values).is_some())
}

/// Decimal number at the start of `text`.
fn leading_number(text: &str) -> Option<u32> {
    let end = text.bytes().take_while(u8::is_ascii_digit).count();
    text.get(..end)?.parse().ok()
}

/// CPU number when a line is one of the four headers.
fn header(line: &str) -> Option<u32> {
    if let Some(rest) = line.strip_prefix("CPU#") {
        return affinity_header(rest);
    }
    let framed = line.starts_with("------[") || line.starts_with("CPUID Registers");
    framed.then(|| numbered(line)).flatten()
}

/// Number behind `CPU #`; in brackets, `(CPU #1)`, CPUs are counted from 1.
fn numbered(line: &str) -> Option<u32> {
    let (before, rest) = line.split_once("CPU #")?;
    let number = leading_number(rest)?;
    Some(number.saturating_sub(u32::from(before.ends_with('('))))
}

/// Whether a line opens a section of MSRs.
fn is_msr_header(line: &str) -> bool {
    (line.starts_with("------[") || line.starts_with("MSR Registers")) && line.contains("MSR")
}

/// `000 AffMask: 0x0000000000000002`: the mask tells the CPU; the number is 0 in some dumps of several CPUs.
fn affinity_header(rest: &str) -> Option<u32> {
    let (_, mask) = rest.split_once("AffMask:")?;
    let mask = u64::from_str_radix(mask.trim().strip_prefix("0x")?, 16).ok();
    match mask {
        Some(mask) if mask.is_power_of_two() => Some(mask.trailing_zeros()),
        _ => leading_number(rest),
    }
}

const EXPECTED: &str = "four registers of 8 hexadecimal digits, joined by `-`";
const EXPECTED_MSR: &str = "four groups of 4 hexadecimal digits, joined by `-`, or `< FAILED >`";

/// Reads the text.
#[must_use]
pub fn parse(text: &str) -> Decoded<LeafSet> {
    let mut reader = Reader::default();
    for (number, line) in numbered_lines(text) {
        reader.line(number, line);
    }
    reader.builder.finish()
}

#[derive(Default)]
struct Reader {
    builder: Builder,
    before: Option<(Leaf, Subleaf)>,
    headers: bool,
}

impl Reader {
    fn line(&mut self, number: usize, line: &str) {
        match line.as_bytes() {
            [] => {}
            [b'C', b'P', b'U', b'I', b'D', b' ', ..] => self.cpuid(number, line),
            [b'M', b'S', b'R', b' ', rest @ ..] if rest.first().is_some_and(u8::is_ascii_hexdigit) => {
                self.msr(number, line);
            }
            _ if is_msr_header(line) => {
                let cpu = numbered(line).or_else(|| self.builder.lowest());
                self.builder.cpu(cpu.unwrap_or(0));
            }
            _ => self.header(line),
        }
    }

    fn header(&mut self, line: &str) {
        if let Some(cpu) = header(line) {
            self.builder.cpu(cpu);
            self.headers = true;
            self.before = None;
        }
    }

    fn cpuid(&mut self, number: usize, line: &str) {
        let Some((leaf, values)) = row_start(line) else {
            return self.header(line);
        };
        let Some((registers, told)) = row_values(values) else {
            return self.builder.damaged(number, EXPECTED, line);
        };
        let subleaf = told.unwrap_or_else(|| next_subleaf(leaf, self.before));
        self.before = Some((leaf, subleaf));
        if leaf == Leaf(0) && !self.headers {
            self.builder.next_cpu_unless_new();
        }
        self.builder.row(number, leaf, subleaf, registers);
    }

    /// MSRs of older texts have no header: they belong to the CPU before them.
    fn msr(&mut self, number: usize, line: &str) {
        let mut cursor = Cursor::new(line);
        let row = cursor.eat(b"MSR ").and_then(|()| msr_row(cursor));
        match row {
            Some((index, Some(value))) => self.builder.msr(number, index, value),
            Some((_, None)) => {}
            None => self.builder.damaged(number, EXPECTED_MSR, line),
        }
    }
}

/// Subleaf of a row that does not tell it, from the row before it.
fn next_subleaf(leaf: Leaf, before: Option<(Leaf, Subleaf)>) -> Subleaf {
    match before {
        Some((same, subleaf)) if same == leaf && COUNTED.contains(&leaf.0) => Subleaf(subleaf.0.saturating_add(1)),
        _ => Subleaf(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(text: &str) -> Vec<u32> {
        parse(text).value.cpus().iter().map(|cpu| cpu.number).collect()
    }

    const ROW: &str = "CPUID 00000000: 00000001-00000002-00000003-00000004 [GenuineIntel]\n";

    #[test]
    fn every_header_style_starts_a_cpu() {
        for style in [
            "------[ Logical CPU #5 ]------",
            "------[ CPUID Registers / Logical CPU #5 ]------",
            "CPU#005 AffMask: 0x0000000000000020",
            "CPUID Registers (CPU #6):",
        ] {
            assert_eq!(numbers(&format!("{ROW}{style}\n{ROW}")), [0, 5], "{style}");
        }
    }

    #[test]
    fn without_headers_each_leaf_0_begins_a_cpu() {
        let row = |apic| format!("{ROW}CPUID 00000001: 00500F01-0{apic}020800-00802209-178BFBFF\n\n");
        let text = row(0) + &row(1);
        assert_eq!(numbers(&text), [0, 1]);
        assert_eq!(parse(&text).damage, []);
    }

    #[test]
    fn affinity_mask_tells_the_cpu() {
        let text = format!("CPU#000 AffMask: 0x0000000000000001\n{ROW}CPU#000 AffMask: 0x0000000000000002\n{ROW}");
        assert_eq!(numbers(&text), [0, 1]);
    }

    #[test]
    fn msr_sections_are_not_cpus() {
        let text = format!(
            "------[ CPUID Registers / Logical CPU #0 ]------\n{ROW}\
             ------[ MSR Registers / Logical CPU #1 ]------\nMSR 00000017: 0000-0000-0000-0000\nMSR 0000001B: < FAILED >\n"
        );
        assert_eq!(numbers(&text), [0]);
        assert_eq!(parse(&text).damage, []);
    }

    #[test]
    fn msrs_belong_to_the_cpu_their_section_names() {
        let text = format!(
            "------[ CPUID Registers / Logical CPU #0 ]------\n{ROW}\
             ------[ CPUID Registers / Logical CPU #1 ]------\n{ROW}\
             ------[ MSR Registers / Logical CPU #0 ]------\nMSR 0000010A: 0000-0000-0000-0001 [x]\n\
             ------[ MSR Registers / Logical CPU #1 ]------\nMSR 0000010A: 8000-0000-0000-0003\nMSR 00000048: 00-0\n"
        );
        let decoded = parse(&text);
        let msrs: Vec<_> = decoded.value.cpus().iter().map(|cpu| cpu.msr(0x10a)).collect();
        assert_eq!(msrs, [Some(1), Some(0x8000_0000_0000_0003)]);
        assert_eq!(decoded.damage.len(), 1);
        assert_eq!(decoded.damage[0].line, 9);
    }

    #[test]
    fn row_with_tabulator_is_read() {
        let decoded = parse("CPUID 80000008  \t00003024-00000001-00000002-00000003\n");
        let row = decoded.value.first().unwrap().row(Leaf(0x8000_0008), Subleaf(0));
        assert_eq!(row, Some(Registers::new(0x3024, 1, 2, 3)));
    }

    #[test]
    fn subleaf_is_hexadecimal_and_notes_are_passed_over() {
        let decoded = parse("CPUID 0000000D: 00000010-00000000-00000001-00000000 [SL 1F] [CET_U]\n");
        let cpu = decoded.value.first().unwrap();
        assert!(cpu.row(Leaf(0xd), Subleaf(0x1f)).is_some());
    }

    #[test]
    fn subleaves_without_a_number_are_counted() {
        let decoded = parse(
            "CPUID 00000004: 00000001-00000000-00000000-00000000\nCPUID 00000004: 00000002-00000000-00000000-00000000\n",
        );
        assert_eq!(decoded.damage, []);
        assert_eq!(decoded.value.first().unwrap().subleaves(4).count(), 2);
    }

    #[test]
    fn short_registers_are_reported_at_their_line() {
        let decoded = parse(&format!("{ROW}CPUID 00000001: 00000001-00000002-00000003\n"));
        assert_eq!(decoded.damage[0].line, 2);
    }
}
