//! Text of `cpuid -r`; `cpuid -f FILE` reads it. MSRs have no place in it.

use std::fmt::Write as _;

use crate::leafset::LeafSet;

/// Writes a dump as `cpuid -r` does.
#[must_use]
pub fn write(set: &LeafSet) -> String {
    let mut out = String::new();
    for cpu in set.cpus() {
        let _ = writeln!(out, "CPU {}:", cpu.number);
        for (leaf, subleaf, r) in cpu.rows() {
            let _ = writeln!(
                out,
                "   0x{:08x} 0x{:02x}: eax=0x{:08x} ebx=0x{:08x} ecx=0x{:08x} edx=0x{:08x}",
                leaf.0, subleaf.0, r.eax, r.ebx, r.ecx, r.edx
            );
        }
    }
    out
}
