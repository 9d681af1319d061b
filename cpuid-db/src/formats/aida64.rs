//! CPUID text of AIDA64, InstLatx64 and libcpuid's test files.
//!
//! ```text
//! ------[ CPUID Registers / Logical CPU #0 ]------
//! CPUID 00000004: FC004121-02C0003F-0000003F-00000000 [SL 00] [L1D: 48 KB]
//! ```
//! Headers also read `------[ Logical CPU #0 ]------`, `CPU#001 AffMask: 0x…` and
//! `CPUID Registers (CPU #1)`; a dump without any is one CPU. An older kind of row separates leaf and
//! registers with spaces and a tabulator. The same files hold sections of MSRs with the same words in
//! their headers: those are not CPUs. Everything else in such a report is passed over.

use super::{Builder, four, hex, numbered_lines};
use crate::damage::Decoded;
use crate::leaf::{Leaf, Registers, Subleaf};
use crate::leafset::LeafSet;

/// Leaf and what follows it, when a line begins as a row does.
fn row_start(line: &str) -> Option<(Leaf, &str)> {
    let rest = line.strip_prefix("CPUID ")?;
    let leaf = hex(rest.get(..8)?)?;
    let rest = rest.get(8..)?;
    let values = rest.strip_prefix(':').unwrap_or(rest);
    values
        .starts_with([' ', '\t'])
        .then_some((Leaf(leaf), values.trim_start()))
}

/// Registers and subleaf (`[SL 03]`, hexadecimal).
fn row_values(values: &str) -> Option<(Registers, Subleaf)> {
    let mut words = values.splitn(2, [' ', '\t']);
    let registers = four(words.next()?.split('-').map(hex))?;
    let subleaf = match words.next().and_then(|notes| notes.split_once("[SL ")) {
        Some((_, after)) => hex(after.split(']').next()?.trim())?,
        None => 0,
    };
    Some((registers, Subleaf(subleaf)))
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

/// CPU number when a line is one of the four headers, and not that of an MSR section.
fn header(line: &str) -> Option<u32> {
    if line.contains("MSR") {
        return None;
    }
    if let Some(rest) = line.strip_prefix("CPU#") {
        return leading_number(rest).filter(|_| rest.contains("AffMask"));
    }
    let framed = line.starts_with("------[") || line.starts_with("CPUID Registers");
    let (_, rest) = line.split_once("CPU #").filter(|_| framed)?;
    leading_number(rest)
}

/// Reads the text.
#[must_use]
pub fn parse(text: &str) -> Decoded<LeafSet> {
    let mut builder = Builder::default();
    for (number, line) in numbered_lines(text) {
        if let Some((leaf, values)) = row_start(line) {
            match row_values(values) {
                Some((registers, subleaf)) => builder.row(number, leaf, subleaf, registers),
                None => builder.damaged(number, "four registers of 8 hexadecimal digits, joined by `-`", line),
            }
        } else if let Some(cpu) = header(line) {
            builder.cpu(cpu);
        }
    }
    builder.finish()
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
            "CPUID Registers (CPU #5):",
        ] {
            assert_eq!(numbers(&format!("{ROW}{style}\n{ROW}")), [0, 5], "{style}");
        }
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
    fn short_registers_are_reported_at_their_line() {
        let decoded = parse(&format!("{ROW}CPUID 00000001: 00000001-00000002-00000003\n"));
        assert_eq!(decoded.damage[0].line, 2);
    }
}
