//! Text in the manner of AIDA64 and InstLatx64: a header for each CPU, then its rows, then the MSRs
//! of the CPUs that have some.

use std::fmt::Write as _;

use crate::leafset::LeafSet;

/// Writes a dump; rows of a leaf that has several subleaves, or one that is not 0, say which.
#[must_use]
pub fn write(set: &LeafSet) -> String {
    let mut out = String::new();
    for cpu in set.cpus() {
        let _ = writeln!(out, "------[ CPUID Registers / Logical CPU #{} ]------\n", cpu.number);
        let mut rows = cpu.rows().peekable();
        let mut before = None;
        while let Some((leaf, subleaf, r)) = rows.next() {
            let several = before == Some(leaf) || rows.peek().is_some_and(|(next, ..)| *next == leaf);
            let _ = write!(
                out,
                "CPUID {:08X}: {:08X}-{:08X}-{:08X}-{:08X}",
                leaf.0, r.eax, r.ebx, r.ecx, r.edx
            );
            if several || subleaf.0 != 0 {
                let _ = write!(out, " [SL {:02X}]", subleaf.0);
            }
            out.push('\n');
            before = Some(leaf);
        }
        out.push('\n');
    }
    for cpu in set.cpus().iter().filter(|cpu| cpu.msrs().len() > 0) {
        let _ = writeln!(out, "------[ MSR Registers / Logical CPU #{} ]------\n", cpu.number);
        for (index, value) in cpu.msrs() {
            let part = |shift: u32| value >> shift & 0xffff;
            let _ = writeln!(
                out,
                "MSR {index:08X}: {:04X}-{:04X}-{:04X}-{:04X}",
                part(48),
                part(32),
                part(16),
                part(0)
            );
        }
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::leaf::{Leaf, Registers, Subleaf};
    use crate::leafset::CpuLeaves;

    #[test]
    fn subleaves_are_numbered_where_there_are_several() {
        let mut cpu = CpuLeaves::new(2);
        cpu.insert(Leaf(0), Subleaf(0), Registers::new(1, 2, 3, 4));
        cpu.insert(Leaf(0xd), Subleaf(0), Registers::default());
        cpu.insert(Leaf(0xd), Subleaf(0x11), Registers::default());
        cpu.insert_msr(0x10a, 0x1_0002_0003_0004);
        let set = LeafSet::from_iter([cpu]);
        let text = write(&set);
        assert!(
            text.contains("CPUID 00000000: 00000001-00000002-00000003-00000004\n"),
            "{text}"
        );
        assert!(text.contains("[SL 00]") && text.contains("[SL 11]"), "{text}");
        assert!(text.contains("MSR 0000010A: 0001-0002-0003-0004\n"), "{text}");
        let decoded = crate::formats::aida64::parse(&text);
        assert_eq!(decoded.damage, []);
        assert_eq!(decoded.value, set);
    }
}
