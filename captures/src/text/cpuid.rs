//! Recognition of CPUID text: `cpuid -r`, AIDA64 and InstLatx64, libcpuid, hwloc-gather-cpuid, kcpuid,
//! libvirt's `<cpudata>`, `xen-cpuid`, Firecracker and our own JSON.

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
    } else if line.len() == 80 && line.bytes().all(|byte| byte == b'-') && is_architecture(next.trim()) {
        Some(Mark::Body(DocumentKind::CpuidLibcpuidTest))
    } else {
        None
    }
}

/// The most frequent lines of long dumps, which need no closer look within one.
pub(crate) fn goes_on(running: DocumentKind, line: &str) -> bool {
    match running {
        DocumentKind::CpuidAida64 => {
            line.starts_with("CPUID ") || line.starts_with("MSR 0") || line.starts_with("MSR C")
        }
        DocumentKind::CpuidRaw => line.starts_with("   0x"),
        DocumentKind::CpuidLibvirt => line.starts_with("  <cpuid "),
        _ => false,
    }
}

/// What stands behind the rule that ends the dump in a test file of libcpuid.
fn is_architecture(line: &str) -> bool {
    ["x86", "ARM", "unknown"].contains(&line)
}

/// `<cpuid eax_in='0x00000001' ecx_in='0x00' eax=…` of libvirt; `<cpudata arch='x86'>` opens it.
pub(crate) fn cpudata_mark(line: &str) -> Option<Mark> {
    let line = line.trim_start();
    if line.starts_with("<cpuid ") && line.contains("eax_in=") {
        return Some(Mark::Body(DocumentKind::CpuidLibvirt));
    }
    if !line.starts_with("<cpudata") {
        return None;
    }
    // all on one line
    Some(if line.contains("<cpuid ") {
        Mark::Body(DocumentKind::CpuidLibvirt)
    } else {
        Mark::Opening(DocumentKind::CpuidLibvirt)
    })
}

/// Firecracker's and our own JSON, by the names in them.
pub(crate) fn json_mark(line: &str, next: &str) -> Option<Mark> {
    const FIRST_NAMES: [&str; 4] = ["firecracker_version", "kvm_capabilities", "cpuid_modifiers", "format"];
    if line.contains("\"cpuid_modifiers\"") {
        return Some(Mark::Body(DocumentKind::CpuidFirecracker));
    }
    if line.contains("\"delid.cpuid/") {
        return Some(Mark::Body(DocumentKind::CpuidJson));
    }
    let name = next.trim_start().strip_prefix('"')?.split('"').next()?;
    if line.trim_end() != "{" || !FIRST_NAMES.contains(&name) {
        return None;
    }
    Some(Mark::Opening(if name == "format" {
        DocumentKind::CpuidJson
    } else {
        DocumentKind::CpuidFirecracker
    }))
}

/// `  00000001:ffffffff -> 00a00f11:00020800:f6d83203:178bf3fd` of `xen-cpuid -p`, the heading of a policy,
/// and featureset words at the end of a line.
pub(crate) fn xen_mark(line: &str) -> Option<Mark> {
    let line = line.trim();
    let words = |text: &str, count| {
        text.split(':').take(8).count() == count && text.split(':').take(8).all(|word| is_hex(word, 8..=8))
    };
    if let Some((place, registers)) = line.split_once(" -> ") {
        let is_row = words(place, 2) && words(registers, 4);
        return is_row.then_some(Mark::Body(DocumentKind::CpuidXenPolicies));
    }
    if let Some((_, counts)) = line.split_once(" policy: ") {
        let is_heading = counts.contains(" leaves, ") && counts.ends_with(" MSRs");
        return is_heading.then_some(Mark::Opening(DocumentKind::CpuidXenPolicies));
    }
    is_featureset(line).then_some(Mark::Body(DocumentKind::CpuidFeatureset))
}

/// 5 to 19 words of 8 digits, joined by `:` or `-`.
fn is_featureset(line: &str) -> bool {
    let Some(text) = line.split_ascii_whitespace().next_back() else {
        return false;
    };
    [':', '-'].into_iter().any(|between| {
        let mut words = text.split(between);
        let whole = words.by_ref().take(20).take_while(|word| is_hex(word, 8..=8)).count();
        (5..20).contains(&whole) && words.next().is_none() && text.len() == whole.saturating_mul(9).saturating_sub(1)
    })
}

/// First line of what `cpuid` says of a CPU in words, which is no dump.
pub(super) fn begins_words(line: &str) -> bool {
    line.trim_start().starts_with("vendor_id = \"")
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

/// `00000004 01 04000122 03c0003f 0000003f 00000000`: leaf, subleaf, four registers.
pub(crate) fn words_mark(line: &str) -> Option<Mark> {
    let mut words = line.split_ascii_whitespace();
    let leaf = words.next().is_some_and(|word| is_hex(word, 8..=8));
    let subleaf = leaf && words.next().is_some_and(|word| is_hex(word, 2..=8));
    let registers = subleaf && words.by_ref().take(4).filter(|word| is_hex(word, 8..=8)).count() == 4;
    (registers && words.next().is_none()).then_some(Mark::Body(DocumentKind::CpuidWords))
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
    fn rows_of_six_words_are_known() {
        let row = "00000004 01 04000122 03c0003f 0000003f 00000000";
        assert_eq!(words_mark(row), Some(Mark::Body(DocumentKind::CpuidWords)));
        assert_eq!(words_mark("00000004  7f 45 4c 46 02"), None);
    }

    #[test]
    fn texts_of_hypervisors_are_known() {
        let cpuid = "  <cpuid eax_in='0x0' ecx_in='0x0' eax='0x1' ebx='0x2' ecx='0x3' edx='0x4'/>";
        assert_eq!(cpudata_mark(cpuid), Some(Mark::Body(DocumentKind::CpuidLibvirt)));
        assert_eq!(
            cpudata_mark("<cpudata arch='x86'>"),
            Some(Mark::Opening(DocumentKind::CpuidLibvirt))
        );
        let row = "  00000000:ffffffff -> 0000000d:68747541:444d4163:69746e65";
        assert_eq!(xen_mark(row), Some(Mark::Body(DocumentKind::CpuidXenPolicies)));
        let heading = "HVM Max policy: 61 leaves, 2 MSRs";
        assert_eq!(xen_mark(heading), Some(Mark::Opening(DocumentKind::CpuidXenPolicies)));
        for words in [
            "Host    178bf3fd:f6d83203:2dd3fbfd:00000177:00000005:219c03a9",
            "features_hvm: 17cbfbff-f7fa3223-2d93fbff-00000103-00000001",
        ] {
            assert_eq!(
                xen_mark(words),
                Some(Mark::Body(DocumentKind::CpuidFeatureset)),
                "{words}"
            );
        }
        for other in [
            "UUID: 03000200-0400-0500-0006-000700080009",
            "52:54:00:12:34:56",
            "a -> b",
        ] {
            assert_eq!(xen_mark(other), None, "{other}");
        }
        let opening = Some(Mark::Opening(DocumentKind::CpuidFirecracker));
        assert_eq!(json_mark("{", "  \"cpuid_modifiers\": ["), opening);
        assert_eq!(json_mark("{", "  \"lscpu\": ["), None);
    }

    #[test]
    fn the_rule_of_libcpuid_names_the_dump_before_it() {
        let row = "CPUID 00000000: 00000001-00000002-00000003-00000004\n";
        let rule = "-".repeat(80);
        let text = format!("{row}{rule}\nx86\nx86-64-v2\n{rule}\nx86\n");
        let found = crate::text::split(text.as_bytes());
        assert_eq!(found, [(DocumentKind::CpuidLibcpuidTest, 0..text.len())]);
        assert!(crate::text::split(format!("{rule}\nx86\n").as_bytes()).is_empty());
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
