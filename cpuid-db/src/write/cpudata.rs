//! libvirt's `<cpudata>`: one element for each CPU. libvirt reads the first.

use std::fmt::Write as _;

use crate::bits::halves;
use crate::leafset::LeafSet;

/// Writes a dump.
#[must_use]
pub fn write(set: &LeafSet) -> String {
    let mut out = String::new();
    for cpu in set.cpus() {
        out.push_str("<cpudata arch='x86'>\n");
        for (leaf, subleaf, r) in cpu.rows() {
            let _ = writeln!(
                out,
                "  <cpuid eax_in='0x{:08x}' ecx_in='0x{:02x}' eax='0x{:08x}' ebx='0x{:08x}' ecx='0x{:08x}' edx='0x{:08x}'/>",
                leaf.0, subleaf.0, r.eax, r.ebx, r.ecx, r.edx
            );
        }
        for (index, value) in cpu.msrs() {
            let [low, high] = halves(value);
            let _ = writeln!(out, "  <msr index='0x{index:x}' edx='0x{high:08x}' eax='0x{low:08x}'/>");
        }
        out.push_str("</cpudata>\n");
    }
    out
}
