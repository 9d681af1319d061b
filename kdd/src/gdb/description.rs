//! The target description: which registers there are, for debuggers that ask (`qXfer:features:read`).
//!
//! `target.xml` includes a file for each feature. The names of the first three are GDB's; control registers and tables
//! are in a feature of our own. No operating system is named, so that GDB takes none for granted.

use std::fmt::Write as _;

use super::registers::{Feature, Register};
use crate::memory::Run;

/// Ranges of a map of memory, at most.
const RANGES: usize = 4096;

/// Files that `target.xml` includes.
const FILES: [(&str, Feature, &str); 4] = [
    ("core.xml", Feature::Core, "org.gnu.gdb.i386.core"),
    ("sse.xml", Feature::Sse, "org.gnu.gdb.i386.sse"),
    ("segments.xml", Feature::Segments, "org.gnu.gdb.i386.segments"),
    ("system.xml", Feature::System, "org.delid.x86.system"),
];

/// Names of single bits, with the lowest bit first.
struct Bits {
    name: &'static str,
    bits: &'static [(&'static str, u8)],
}

const EFLAGS: Bits = Bits {
    name: "i386_eflags",
    bits: &[
        ("CF", 0),
        ("", 1),
        ("PF", 2),
        ("AF", 4),
        ("ZF", 6),
        ("SF", 7),
        ("TF", 8),
        ("IF", 9),
        ("DF", 10),
        ("OF", 11),
        ("NT", 14),
        ("RF", 16),
        ("VM", 17),
        ("AC", 18),
        ("VIF", 19),
        ("VIP", 20),
        ("ID", 21),
    ],
};

const MXCSR: Bits = Bits {
    name: "i386_mxcsr",
    bits: &[
        ("IE", 0),
        ("DE", 1),
        ("ZE", 2),
        ("OE", 3),
        ("UE", 4),
        ("PE", 5),
        ("DAZ", 6),
        ("IM", 7),
        ("DM", 8),
        ("ZM", 9),
        ("OM", 10),
        ("UM", 11),
        ("PM", 12),
        ("FZ", 15),
    ],
};

const CR0: Bits = Bits {
    name: "x86_cr0",
    bits: &[
        ("PE", 0),
        ("MP", 1),
        ("EM", 2),
        ("TS", 3),
        ("ET", 4),
        ("NE", 5),
        ("WP", 16),
        ("AM", 18),
        ("NW", 29),
        ("CD", 30),
        ("PG", 31),
    ],
};

const CR4: Bits = Bits {
    name: "x86_cr4",
    bits: &[
        ("VME", 0),
        ("PVI", 1),
        ("TSD", 2),
        ("DE", 3),
        ("PSE", 4),
        ("PAE", 5),
        ("MCE", 6),
        ("PGE", 7),
        ("PCE", 8),
        ("OSFXSR", 9),
        ("OSXMMEXCPT", 10),
        ("UMIP", 11),
        ("LA57", 12),
        ("VMXE", 13),
        ("SMXE", 14),
        ("FSGSBASE", 16),
        ("PCIDE", 17),
        ("OSXSAVE", 18),
        ("SMEP", 20),
        ("SMAP", 21),
        ("PKE", 22),
        ("CET", 23),
        ("PKS", 24),
    ],
};

const EFER: Bits = Bits {
    name: "x86_efer",
    bits: &[
        ("SCE", 0),
        ("LME", 8),
        ("LMA", 10),
        ("NXE", 11),
        ("SVME", 12),
        ("LMSLE", 13),
        ("FFXSR", 14),
        ("TCE", 15),
    ],
};

/// The whole file of a name; `None` when there is no such file.
pub(super) fn file(annex: &[u8], architecture: &str, registers: &[Register]) -> Option<String> {
    if annex == b"target.xml" {
        return Some(target(architecture));
    }
    let (_, feature, name) = FILES.iter().find(|(file, ..)| file.as_bytes() == annex)?;
    Some(feature_file(*feature, name, registers))
}

/// The map of physical memory (`qXfer:memory-map:read`); `None` where it is in too many pieces.
pub(super) fn memory_map(runs: &[Run]) -> Option<String> {
    if runs.is_empty() || runs.len() > RANGES {
        return None;
    }
    let mut text =
        String::from("<?xml version=\"1.0\"?>\n<!DOCTYPE memory-map SYSTEM \"gdb-memory-map.dtd\">\n<memory-map>\n");
    for Run { start, length } in runs {
        let _ = writeln!(
            text,
            "  <memory type=\"ram\" start=\"{:#x}\" length=\"{length:#x}\"/>",
            start.0
        );
    }
    text.push_str("</memory-map>\n");
    Some(text)
}

fn target(architecture: &str) -> String {
    let mut text = String::from("<?xml version=\"1.0\"?>\n<!DOCTYPE target SYSTEM \"gdb-target.dtd\">\n<target>\n");
    let _ = writeln!(
        text,
        "  <architecture>{architecture}</architecture>\n  <osabi>none</osabi>"
    );
    for (file, ..) in FILES {
        let _ = writeln!(text, "  <xi:include href=\"{file}\"/>");
    }
    text.push_str("</target>\n");
    text
}

fn feature_file(feature: Feature, name: &str, registers: &[Register]) -> String {
    let mut text = String::from("<?xml version=\"1.0\"?>\n<!DOCTYPE feature SYSTEM \"gdb-target.dtd\">\n");
    let _ = writeln!(text, "<feature name=\"{name}\">");
    let wide = registers.iter().any(|register| register.name == "rip");
    match feature {
        Feature::Core => flags(&mut text, &EFLAGS, 4),
        Feature::Sse => {
            vectors(&mut text);
            flags(&mut text, &MXCSR, 4);
        }
        Feature::Segments => {}
        Feature::System => {
            flags(&mut text, &CR0, if wide { 8 } else { 4 });
            flags(&mut text, &CR4, if wide { 8 } else { 4 });
            flags(&mut text, &EFER, 8);
        }
    }
    for (number, register) in registers.iter().enumerate() {
        if register.feature == feature {
            line(&mut text, number, register);
        }
    }
    text.push_str("</feature>\n");
    text
}

fn line(text: &mut String, number: usize, register: &Register) {
    let _ = write!(
        text,
        "  <reg name=\"{}\" bitsize=\"{}\" type=\"{}\" regnum=\"{number}\"",
        register.name,
        register.size.saturating_mul(8),
        register.kind
    );
    let group = match (register.feature, register.kind) {
        (Feature::System, _) => " group=\"system\"",
        (Feature::Core, "int") => " group=\"float\"",
        (Feature::Sse, "i386_mxcsr") => " group=\"vector\"",
        _ => "",
    };
    let _ = writeln!(text, "{group}/>");
}

fn flags(text: &mut String, bits: &Bits, size: usize) {
    let _ = writeln!(text, "  <flags id=\"{}\" size=\"{size}\">", bits.name);
    for (name, bit) in bits.bits {
        let _ = writeln!(text, "    <field name=\"{name}\" start=\"{bit}\" end=\"{bit}\"/>");
    }
    text.push_str("  </flags>\n");
}

/// The ways to read 16 bytes, as GDB expects them of the type `vec128`.
fn vectors(text: &mut String) {
    const WAYS: [(&str, &str, &str, usize); 7] = [
        ("v8bf16", "v8_bfloat16", "bfloat16", 8),
        ("v4f", "v4_float", "ieee_single", 4),
        ("v2d", "v2_double", "ieee_double", 2),
        ("v16i8", "v16_int8", "int8", 16),
        ("v8i16", "v8_int16", "int16", 8),
        ("v4i32", "v4_int32", "int32", 4),
        ("v2i64", "v2_int64", "int64", 2),
    ];
    for (id, _, kind, count) in WAYS {
        let _ = writeln!(text, "  <vector id=\"{id}\" type=\"{kind}\" count=\"{count}\"/>");
    }
    text.push_str("  <union id=\"vec128\">\n");
    for (id, name, ..) in WAYS {
        let _ = writeln!(text, "    <field name=\"{name}\" type=\"{id}\"/>");
    }
    text.push_str("    <field name=\"uint128\" type=\"uint128\"/>\n  </union>\n");
}

#[cfg(test)]
mod tests {
    use super::super::registers::{I386, X86_64};
    use super::*;

    #[test]
    fn every_register_is_in_one_file() {
        for (architecture, registers) in [("i386:x86-64", X86_64), ("i386", I386)] {
            let files = FILES
                .iter()
                .filter_map(|(name, ..)| file(name.as_bytes(), architecture, registers));
            let all: String = files.collect();
            for (number, register) in registers.iter().enumerate() {
                let name = format!("<reg name=\"{}\"", register.name);
                assert_eq!(all.matches(&name).count(), 1, "{name}");
                assert_eq!(all.matches(&format!("regnum=\"{number}\"")).count(), 1);
            }
            let text = file(b"target.xml", architecture, registers).unwrap();
            assert!(text.contains(&format!("<architecture>{architecture}</architecture>")));
        }
        assert_eq!(file(b"../etc/passwd", "i386", I386), None);
    }
}
