//! CPUID dumps as tools write them. Each parser takes text and returns a [`LeafSet`] with the
//! lines it could not read.

pub mod aida64;
pub mod cpuid_r;
pub mod hwloc;
pub mod kcpuid;
pub mod libcpuid;

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::damage::{DamageLog, Decoded};
use crate::leaf::{Leaf, Registers, Subleaf};
use crate::leafset::{CpuLeaves, LeafSet};

/// How many lines are looked at before a text is given up as unknown.
const DETECT_LINES: usize = 20_000;

/// A text format of CPUID dumps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// `cpuid -r`.
    CpuidR,
    /// AIDA64 and InstLatx64 text.
    Aida64,
    /// hwloc-gather-cpuid.
    Hwloc,
    /// `kcpuid -r`.
    Kcpuid,
    /// `cpuid_tool --save` of libcpuid.
    Libcpuid,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CpuidR => "cpuid -r",
            Self::Aida64 => "AIDA64",
            Self::Hwloc => "hwloc-gather-cpuid",
            Self::Kcpuid => "kcpuid -r",
            Self::Libcpuid => "libcpuid raw",
        })
    }
}

/// Format of a text, from the first line that is a row of one of them.
#[must_use]
pub fn detect(text: &str) -> Option<Format> {
    text.lines().take(DETECT_LINES).find_map(|line| {
        let line = line.trim();
        if cpuid_r::is_row(line) {
            Some(Format::CpuidR)
        } else if aida64::is_row(line) {
            Some(Format::Aida64)
        } else if hwloc::is_row(line) {
            Some(Format::Hwloc)
        } else if kcpuid::is_row(line) {
            Some(Format::Kcpuid)
        } else if libcpuid::is_row(line) {
            Some(Format::Libcpuid)
        } else {
            None
        }
    })
}

/// Reads a text in the format given.
#[must_use]
pub fn parse(format: Format, text: &str) -> Decoded<LeafSet> {
    match format {
        Format::CpuidR => cpuid_r::parse(text),
        Format::Aida64 => aida64::parse(text),
        Format::Hwloc => hwloc::parse(text),
        Format::Kcpuid => kcpuid::parse(text),
        Format::Libcpuid => libcpuid::parse(text),
    }
}

/// Finds the format of a text and reads it; `None` when it has no row of any format.
#[must_use]
pub fn detect_and_parse(text: &str) -> Option<(Format, Decoded<LeafSet>)> {
    let format = detect(text)?;
    Some((format, parse(format, text)))
}

/// Collects rows while a text is read line by line.
#[derive(Default)]
struct Builder {
    cpus: BTreeMap<u32, CpuLeaves>,
    current: u32,
    damage: DamageLog,
}

impl Builder {
    /// Rows that follow belong to this CPU.
    fn cpu(&mut self, number: u32) {
        self.current = number;
    }

    /// Goes on to the next CPU when the current one has rows.
    fn next_cpu_unless_new(&mut self) {
        if self.cpus.contains_key(&self.current) {
            self.current = self.current.saturating_add(1);
        }
    }

    /// Adds a row of the current CPU; a repeat that says something else is damage.
    fn row(&mut self, line: usize, leaf: Leaf, subleaf: Subleaf, registers: Registers) {
        let number = self.current;
        let cpu = self.cpus.entry(number).or_insert_with(|| CpuLeaves::new(number));
        if let Some(kept) = cpu.insert(leaf, subleaf, registers)
            && kept != registers
        {
            self.damage.note(
                line,
                "each subleaf of a CPU once, with its number where the leaf has several (the first row is kept)",
                &format!(
                    "CPU {number}, leaf {leaf} subleaf {} again with other values",
                    subleaf.0
                ),
            );
        }
    }

    fn damaged(&mut self, line: usize, expected: &str, seen: &str) {
        self.damage.note(line, expected, seen);
    }

    fn finish(self) -> Decoded<LeafSet> {
        Decoded {
            value: self.cpus.into_values().collect(),
            damage: self.damage.finish(),
        }
    }
}

/// Lines of a text, trimmed, with their number from 1.
pub(crate) fn numbered_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .enumerate()
        .map(|(index, line)| (index.saturating_add(1), line.trim()))
}

/// Hexadecimal number without prefix, 1 to 8 digits.
fn hex(digits: &str) -> Option<u32> {
    let plain = (1..=8).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    plain.then(|| u32::from_str_radix(digits, 16).ok()).flatten()
}

/// Hexadecimal number with prefix `0x`.
fn hex_0x(digits: &str) -> Option<u32> {
    hex(digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X"))?)
}

/// Number of `CPU N:`; `CPU:` (from `cpuid -1`) is 0.
fn cpu_header(line: &str) -> Option<u32> {
    let number = line.strip_prefix("CPU")?.strip_suffix(':')?.trim();
    if number.is_empty() {
        return Some(0);
    }
    number
        .bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| number.parse().ok())
        .flatten()
}

/// Four register values, one after the other.
fn four(mut values: impl Iterator<Item = Option<u32>>) -> Option<Registers> {
    let registers = Registers::new(values.next()??, values.next()??, values.next()??, values.next()??);
    values.next().is_none().then_some(registers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_format_is_told_by_its_rows() {
        let samples = [
            (
                Format::CpuidR,
                "CPU 0:\n   0x00000000 0x00: eax=0x00000001 ebx=0x00000002 ecx=0x00000003 edx=0x00000004\n",
            ),
            (
                Format::Aida64,
                "CPUID 00000000: 00000001-00000002-00000003-00000004\r\n",
            ),
            (Format::Hwloc, "# mask e[abcd]x => e[abcd]x\n1 0 0 0 0 => 1 2 3 4\n"),
            (
                Format::Kcpuid,
                "Basic Leafs :\n0x00000000: EAX=0x00000001, EBX=0x00000002, ECX=0x00000003, EDX=0x00000004\n",
            ),
            (
                Format::Libcpuid,
                "version=0.7.1\n\nbasic_cpuid[0]=00000001 00000002 00000003 00000004\n",
            ),
        ];
        for (format, text) in samples {
            let (seen, decoded) = detect_and_parse(text).unwrap();
            assert_eq!(seen, format);
            assert_eq!(decoded.damage, []);
            let cpu = decoded.value.first().unwrap();
            assert_eq!(cpu.leaf(0), Some(Registers::new(1, 2, 3, 4)), "{format}");
        }
    }

    #[test]
    fn text_without_a_row_is_no_dump() {
        assert!(detect_and_parse("CPU 0:\nhello\n").is_none());
    }

    #[test]
    fn a_repeat_with_other_values_is_damage_and_the_first_stays() {
        let text = "CPUID 00000005: 00000001-00000002-00000003-00000004\n\
                    CPUID 00000005: 00000001-00000002-00000003-00000004\n\
                    CPUID 00000005: 00000001-00000002-00000003-00000005\n";
        let decoded = parse(Format::Aida64, text);
        assert_eq!(decoded.damage.len(), 1);
        assert_eq!(decoded.damage[0].line, 3);
        assert_eq!(decoded.value.first().unwrap().leaf(5).unwrap().edx, 4);
    }
}
