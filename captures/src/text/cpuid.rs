//! Recognition of CPUID text: `cpuid -r`, AIDA64 and InstLatx64, hwloc-gather-cpuid.

use super::{Mark, is_hex};
use crate::document::DocumentKind;

pub(crate) fn mark(line: &str, next: &str) -> Option<Mark> {
    let line = line.trim();
    if line == "CPU:" || is_cpu_header(line) {
        // `cpuid -1` prints the same header over decoded text, which is no dump
        return match hwloc_mark(next) {
            Some(_) => Some(Mark::Opening(DocumentKind::CpuidHwloc)),
            None if is_raw_row(next.trim()) => Some(Mark::Opening(DocumentKind::CpuidRaw)),
            None => None,
        };
    }
    if is_raw_row(line) {
        Some(Mark::Body(DocumentKind::CpuidRaw))
    } else if is_aida64_row(line) {
        Some(Mark::Body(DocumentKind::CpuidAida64))
    } else if line.starts_with("------[") && line.contains("Logical CPU #")
        || line.starts_with("CPU#") && line.contains("AffMask:")
        || line.starts_with("CPUID Registers (CPU #")
    {
        Some(Mark::Opening(DocumentKind::CpuidAida64))
    } else {
        None
    }
}

/// `CPU 12:`
fn is_cpu_header(line: &str) -> bool {
    line.strip_prefix("CPU ")
        .and_then(|rest| rest.strip_suffix(':'))
        .is_some_and(|number| number.parse::<u32>().is_ok())
}

/// `0x00000004 0x03: eax=0x... ebx=0x... ecx=0x... edx=0x...`
fn is_raw_row(line: &str) -> bool {
    let Some((leaf, registers)) = line.split_once(": eax=0x") else {
        return false;
    };
    let Some((leaf, subleaf)) = leaf.split_once(' ') else {
        return false;
    };
    let is_number = |text: &str, digits| text.strip_prefix("0x").is_some_and(|text| is_hex(text, digits));
    is_number(leaf, 8..=8) && is_number(subleaf, 2..=8) && registers.contains(" edx=0x")
}

/// `CPUID 00000004: 1C004121-01C0003F-0000003F-00000000 [SL 00]`
fn is_aida64_row(line: &str) -> bool {
    let Some(rest) = line.strip_prefix("CPUID ") else {
        return false;
    };
    let leaf = rest.get(..8).unwrap_or("");
    let values = rest.get(8..).unwrap_or("").trim_start_matches([':', ' ', '\t']);
    let registers = values.split([' ', '\t']).next().unwrap_or("");
    is_hex(leaf, 8..=8)
        && registers.split('-').count() == 4
        && registers.split('-').all(|register| is_hex(register, 8..=8))
}

/// `0x00000001: EAX=0x000a0671, EBX=0x01020800, ECX=0xfffa3203, EDX=0x1f8bfbff`, or such a row of a
/// subleaf: `  1: EAX=…`.
pub(crate) fn kcpuid_mark(line: &str) -> Option<Mark> {
    let (input, registers) = line.trim().split_once(": EAX=0x")?;
    let input = input.strip_prefix("0x").unwrap_or(input);
    let mut registers = registers.split(", ");
    let is_register = |word: &str, name: &str| {
        is_hex(word, 8..=8) && name.is_empty() || word.strip_prefix(name).is_some_and(|word| is_hex(word, 8..=8))
    };
    let all = ["", "EBX=0x", "ECX=0x", "EDX=0x"]
        .iter()
        .all(|name| registers.next().is_some_and(|word| is_register(word, name)));
    (is_hex(input, 1..=8) && all).then_some(Mark::Body(DocumentKind::CpuidKcpuid))
}

/// `basic_cpuid[1]=000a0671 00020800 fffa3203 1f8bfbff`
pub(crate) fn libcpuid_mark(line: &str) -> Option<Mark> {
    let row = line
        .strip_prefix("basic_cpuid[")
        .or_else(|| line.strip_prefix("ext_cpuid["))?;
    let (index, registers) = row.split_once("]=")?;
    let is_row = index.parse::<u32>().is_ok()
        && registers.split(' ').count() == 4
        && registers.split(' ').all(|word| is_hex(word, 8..=8));
    is_row.then_some(Mark::Body(DocumentKind::CpuidLibcpuid))
}

/// `5 4 0 3 0 => 1c03c163 2c0003f 7fff 4`: mask, four inputs, four outputs.
pub(crate) fn hwloc_mark(line: &str) -> Option<Mark> {
    let (inputs, outputs) = line.trim().split_once(" => ")?;
    let is_list =
        |text: &str, count| text.split(' ').count() == count && text.split(' ').all(|word| is_hex(word, 1..=8));
    let is_row = is_list(inputs, 5) && is_list(outputs, 4);
    is_row.then_some(Mark::Body(DocumentKind::CpuidHwloc))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_each_format_are_known() {
        let raw = "   0x0000000b 0x01: eax=0x00000006 ebx=0x00000010 ecx=0x00000201 edx=0x00000000";
        assert_eq!(mark(raw, ""), Some(Mark::Body(DocumentKind::CpuidRaw)));
        for row in [
            "CPUID 00000004: 1C004121-01C0003F-0000003F-00000000 [SL 00]",
            "CPUID 80000000  \t80000008-00000000-00000000-00000000",
        ] {
            assert_eq!(mark(row, ""), Some(Mark::Body(DocumentKind::CpuidAida64)), "{row}");
        }
        assert_eq!(
            hwloc_mark("5 4 0 3 0 => 1c03c163 2c0003f 7fff 4"),
            Some(Mark::Body(DocumentKind::CpuidHwloc))
        );
    }

    #[test]
    fn rows_of_kcpuid_and_libcpuid_are_known() {
        for row in [
            "0x00000001: EAX=0x000a0671, EBX=0x01020800, ECX=0xfffa3203, EDX=0x1f8bfbff",
            "  1: EAX=0x04000122, EBX=0x03c0003f, ECX=0x0000003f, EDX=0x00000000",
        ] {
            assert_eq!(kcpuid_mark(row), Some(Mark::Body(DocumentKind::CpuidKcpuid)), "{row}");
        }
        assert_eq!(kcpuid_mark("0x1: EAX=0x1, EBX=0x2"), None);
        let row = "basic_cpuid[1]=000a0671 00020800 fffa3203 1f8bfbff";
        assert_eq!(libcpuid_mark(row), Some(Mark::Body(DocumentKind::CpuidLibcpuid)));
        assert_eq!(libcpuid_mark("basic_cpuid[x]=000a0671"), None);
    }

    #[test]
    fn msr_rows_and_decoded_text_are_no_cpuid_rows() {
        for line in [
            "MSR 0000001B: 0000-0000-FEE0-0900",
            "   version information (1/eax):",
            "CPUID 4",
        ] {
            assert_eq!(mark(line, ""), None, "{line}");
        }
    }
}
