//! CPUs as Xen tells of them: `xen-ucode show-cpu-info`, whose line is about the first CPU, and the same
//! line for others with their number behind `CPU`.

use super::{Cpu, words};
use crate::cpu::Vendor;
use crate::ids::{PlatformMask, Revision, Signature};

/// CPU numbers that are kept.
const LIMIT: usize = 1 << 16;

/// The CPUs of a text, those that are alike once; empty when the text is another.
#[must_use]
pub fn from_xen_ucode(origin: &str, text: &str) -> Vec<Cpu> {
    let mut kinds: Vec<Cpu> = Vec::new();
    for (number, cpu) in text.lines().filter_map(|line| read(origin, line)).take(LIMIT) {
        let known = kinds.iter_mut().find(|known| {
            (known.signature, known.platform, known.revision) == (cpu.signature, cpu.platform, cpu.revision)
        });
        match known {
            Some(known) => known.cpus.push(number),
            None => kinds.push(Cpu {
                cpus: vec![number],
                ..cpu
            }),
        }
    }
    kinds
}

/// `CPU signature 06-55-04 (raw 0x00050654) pf 0x80 revision 0x02006e05`; pf is Intel's alone.
fn read(origin: &str, line: &str) -> Option<(u32, Cpu)> {
    let (number, rest) = line.strip_prefix("CPU")?.split_once(" signature ")?;
    let number = if number.is_empty() { 0 } else { number.parse().ok()? };
    let word = |key: &str| {
        let (_, value) = rest.split_once(key)?;
        let value = value.split([' ', ')']).next()?;
        u32::from_str_radix(value.strip_prefix("0x").unwrap_or(value), 16).ok()
    };
    let signature = Signature(word("(raw ")?);
    let platform = word(" pf ").map(PlatformMask);
    let vendor = match platform {
        Some(_) => Vendor::Intel,
        None => words::vendor_of(signature),
    };
    let cpu = Cpu {
        signature: Some(signature),
        platform,
        revision: Some(Revision(word(" revision ")?)),
        ..Cpu::new(origin, vendor)
    };
    Some((number, cpu))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpus_that_are_alike_are_one_kind_and_a_different_one_is_another() {
        let text = "CPU signature 06-55-04 (raw 0x00050654) pf 0x80 revision 0x02006e05\n\
                    CPU1 signature 06-55-04 (raw 0x00050654) pf 0x80 revision 0x02006e05\n\
                    CPU2 signature 06-55-04 (raw 0x00050654) pf 0x80 revision 0x02006e01\n";
        let cpus = from_xen_ucode("x", text);
        assert_eq!(cpus.len(), 2);
        assert_eq!((cpus[0].vendor, cpus[0].cpus.as_slice()), (Vendor::Intel, &[0, 1][..]));
        assert_eq!(cpus[0].platform, Some(PlatformMask(0x80)));
        assert_eq!(
            (cpus[1].revision, cpus[1].cpus.as_slice()),
            (Some(Revision(0x0200_6e01)), &[2][..])
        );
    }

    #[test]
    fn amd_has_no_platform_and_other_lines_are_passed_over() {
        let text = "CPU signature 19-01-01 (raw 0x00a00f11) revision 0x0a0011d5\nCPUx signature\nCPU signature ?\n";
        let cpus = from_xen_ucode("x", text);
        assert_eq!((cpus.len(), cpus[0].vendor, cpus[0].platform), (1, Vendor::Amd, None));
        assert_eq!(cpus[0].signature, Some(Signature(0x00a0_0f11)));
        assert!(from_xen_ucode("x", "CPU signature (raw 0xzz) revision 0x1\n").is_empty());
    }
}
