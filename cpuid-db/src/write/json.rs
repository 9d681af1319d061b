//! Our own JSON of a dump: see [`crate::formats::json`]. One row a line, so that a text tool finds it.

use std::fmt::Write as _;

use crate::formats::json::FORMAT;
use crate::leafset::{CpuLeaves, LeafSet};

/// Writes a dump.
#[must_use]
pub fn write(set: &LeafSet) -> String {
    let mut out = format!("{{\"format\": \"{FORMAT}\", \"cpus\": [\n");
    for (place, cpu) in set.cpus().iter().enumerate() {
        if place > 0 {
            out.push_str(",\n");
        }
        one(&mut out, cpu);
    }
    out + "\n]}\n"
}

fn one(out: &mut String, cpu: &CpuLeaves) {
    let partial = if cpu.partial { "\"partial\": true, " } else { "" };
    let _ = write!(out, " {{\"number\": {}, {partial}\"rows\": [", cpu.number);
    for (place, (leaf, subleaf, r)) in cpu.rows().enumerate() {
        let comma = if place > 0 { "," } else { "" };
        let _ = write!(
            out,
            "{comma}\n  {{\"leaf\": \"0x{:08x}\", \"subleaf\": {}, \"eax\": \"0x{:08x}\", \"ebx\": \"0x{:08x}\", \
             \"ecx\": \"0x{:08x}\", \"edx\": \"0x{:08x}\"}}",
            leaf.0, subleaf.0, r.eax, r.ebx, r.ecx, r.edx
        );
    }
    out.push_str("\n ]");
    if cpu.msrs().len() > 0 {
        out.push_str(", \"msrs\": [");
        for (place, (index, value)) in cpu.msrs().enumerate() {
            let comma = if place > 0 { "," } else { "" };
            let _ = write!(
                out,
                "{comma}\n  {{\"index\": \"0x{index:08x}\", \"value\": \"0x{value:016x}\"}}"
            );
        }
        out.push_str("\n ]");
    }
    out.push('}');
}
