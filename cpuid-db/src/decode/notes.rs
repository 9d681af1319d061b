//! What several fields of a row say together: texts, signatures, caches, clocks.

use schemars::JsonSchema;
use serde::Serialize;

use super::titles::xsave_component;
use super::{Context, value};
use crate::bits::Place;
use crate::cache::{CacheDescription, CacheKind, Ways};
use crate::identity::{Identity, Signature, Vendor};
use crate::leaf::{Leaf, Registers, Subleaf, bit, bits};
use crate::leafset::CpuLeaves;
use crate::tlb;

/// A statement about a row.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Note {
    /// What it is about (`vendor`, `cache`).
    pub name: &'static str,
    /// What it says.
    pub value: String,
}

/// Notes of a row that is within the maximum of its range.
pub(super) fn of(context: &Context, place: Place, subleaf: u32, r: Registers) -> Vec<Note> {
    let Place::Leaf(leaf) = place else {
        return Vec::new();
    };
    let one = |name: &'static str, value: String| vec![Note { name, value }];
    match leaf {
        0 | 0x8000_0000 | 0x8086_0000 => characters("vendor", &[r.ebx, r.edx, r.ecx]),
        1 => one("signature", signature(r.eax)),
        0x8000_0001 if context.vendor != Vendor::Intel && r.eax != 0 => one("signature", signature(r.eax)),
        2 => descriptors(context, r),
        4 | 0x8000_001d => deterministic(leaf, r).into_iter().collect(),
        0xd => xsave(subleaf, r),
        0x12 if subleaf >= 2 => enclave_pages(r).into_iter().collect(),
        0x15 => crystal(r).into_iter().collect(),
        0x17 if (1..=3).contains(&subleaf) => characters("text", &[r.eax, r.ebx, r.ecx, r.edx]),
        0x18 => translation(context, r).into_iter().collect(),
        0x21 => characters("vendor", &[r.ebx, r.edx, r.ecx]),
        0x8000_0002..=0x8000_0004 | 0x8086_0003..=0x8086_0006 => characters("text", &[r.eax, r.ebx, r.ecx, r.edx]),
        0x8000_0005 | 0x8000_0006 => older_caches(leaf, r),
        _ if leaf & 0xffff_00ff == 0x4000_0000 => characters("hypervisor", &[r.ebx, r.ecx, r.edx]),
        _ => all_characters(r).into_iter().collect(),
    }
}

/// Characters of registers up to the NULs at the end; nothing when there are none.
fn characters(name: &'static str, registers: &[u32]) -> Vec<Note> {
    let bytes: Vec<u8> = registers.iter().flat_map(|register| register.to_le_bytes()).collect();
    let end = bytes
        .iter()
        .rposition(|&byte| byte != 0)
        .map_or(0, |last| last.saturating_add(1));
    if end == 0 {
        return Vec::new();
    }
    let mut text = vec![b'"'];
    value::push_text(&mut text, bytes.into_iter().take(end));
    text.push(b'"');
    vec![Note {
        name,
        value: String::from_utf8_lossy(&text).into_owned(),
    }]
}

/// A row of nothing but characters, such as AMD's at 0x8FFFFFFF.
fn all_characters(r: Registers) -> Option<Note> {
    let registers = [r.eax, r.ebx, r.ecx, r.edx];
    let printable = |byte: u8| (b' '..=b'~').contains(&byte);
    registers
        .iter()
        .all(|register| register.to_le_bytes().into_iter().all(printable))
        .then(|| characters("text", &registers).pop())
        .flatten()
}

fn signature(eax: u32) -> String {
    let signature = Signature(eax);
    format!(
        "family {:#x} ({}), model {:#x} ({}), stepping {}; {signature}",
        signature.family(),
        signature.family(),
        signature.model(),
        signature.model(),
        signature.stepping()
    )
}

/// A processor with one row, for what reads whole processors.
fn alone(context: &Context, leaf: u32, r: Registers) -> (CpuLeaves, Identity) {
    let mut cpu = CpuLeaves::new(0);
    cpu.insert(Leaf(leaf), Subleaf(0), r);
    let identity = Identity {
        vendor: context.vendor,
        signature: context.signature,
        ..Identity::default()
    };
    (cpu, identity)
}

fn descriptors(context: &Context, r: Registers) -> Vec<Note> {
    let (cpu, identity) = alone(context, 2, r);
    tlb::descriptors(&cpu, &identity)
        .into_iter()
        .map(|descriptor| Note {
            name: "descriptor",
            value: format!("{:#04x}: {}", descriptor.byte, descriptor.meaning),
        })
        .collect()
}

/// `L2 unified TLB: 1024 entries of 4K/2M, 8-way`.
fn translation(context: &Context, r: Registers) -> Option<Note> {
    // The number of the last subleaf is of no use to one row.
    let (cpu, identity) = alone(context, 0x18, Registers { eax: 0, ..r });
    let tlb = tlb::of(&cpu, &identity)
        .into_iter()
        .find(|tlb| tlb.leaf == Leaf(0x18))?;
    Some(Note {
        name: "TLB",
        value: tlb.line(),
    })
}

/// `L1 data cache: 48 KiB, 12-way, 64 sets, 64-byte lines`.
fn cache_in_words(cache: &CacheDescription) -> String {
    let kind = match cache.kind {
        CacheKind::Data => " data",
        CacheKind::Instruction => " instruction",
        CacheKind::Unified => "",
    };
    let mut parts = vec![size(cache.size), ways(cache.ways)];
    parts.extend(cache.sets.map(|sets| format!("{sets} sets")));
    parts.extend(cache.line.map(|line| format!("{line}-byte lines")));
    parts.extend(cache.shared_by.map(|shared| format!("for {shared} APIC ids")));
    parts.retain(|part| !part.is_empty());
    format!("L{}{kind} cache: {}", cache.level, parts.join(", "))
}

/// Associativity; nothing when it is not told.
fn ways(ways: Ways) -> String {
    match ways {
        Ways::Number(1) => "direct mapped".to_owned(),
        Ways::Number(ways) => format!("{ways}-way"),
        Ways::Full => "fully associative".to_owned(),
        Ways::Unknown => String::new(),
    }
}

/// Bytes in the largest unit that divides them.
fn size(bytes: u64) -> String {
    match bytes {
        0 => "0 bytes".to_owned(),
        _ if bytes.is_multiple_of(1 << 30) => format!("{} GiB", bytes >> 30),
        _ if bytes.is_multiple_of(1 << 20) => format!("{} MiB", bytes >> 20),
        _ if bytes.is_multiple_of(1 << 10) => format!("{} KiB", bytes >> 10),
        _ => format!("{bytes} bytes"),
    }
}

fn deterministic(leaf: u32, r: Registers) -> Option<Note> {
    let kind = match bits(r.eax, 4, 0) {
        1 => CacheKind::Data,
        2 => CacheKind::Instruction,
        3 => CacheKind::Unified,
        _ => return None,
    };
    let plus_one = |field: u32| u64::from(field).saturating_add(1);
    let (line, parts, ways) = (bits(r.ebx, 11, 0), bits(r.ebx, 21, 12), bits(r.ebx, 31, 22));
    let full = bit(r.eax, 9);
    let cache = CacheDescription {
        level: u8::try_from(bits(r.eax, 7, 5)).ok()?,
        kind,
        size: plus_one(line)
            .saturating_mul(plus_one(parts))
            .saturating_mul(plus_one(ways))
            .saturating_mul(plus_one(r.ecx)),
        line: Some(line.saturating_add(1)),
        ways: if full {
            Ways::Full
        } else {
            Ways::Number(ways.saturating_add(1))
        },
        sets: Some(r.ecx.saturating_add(1)),
        inclusive: None,
        shared_by: Some(bits(r.eax, 25, 14).saturating_add(1)),
        leaf: Leaf(leaf),
    };
    Some(Note {
        name: "cache",
        value: cache_in_words(&cache),
    })
}

/// AMD's codes of associativity in leaf 0x80000006 (APM volume 3, "L2/L3 cache associativity").
const fn ways_of_code(code: u32) -> Ways {
    match code {
        1 => Ways::Number(1),
        2 => Ways::Number(2),
        3 => Ways::Number(3),
        4 => Ways::Number(4),
        5 => Ways::Number(6),
        6 => Ways::Number(8),
        8 => Ways::Number(16),
        10 => Ways::Number(32),
        11 => Ways::Number(48),
        12 => Ways::Number(64),
        13 => Ways::Number(96),
        14 => Ways::Number(128),
        15 => Ways::Full,
        _ => Ways::Unknown,
    }
}

/// Caches of leaves 0x80000005 and 0x80000006.
fn older_caches(leaf: u32, r: Registers) -> Vec<Note> {
    let kib = |size: u32| u64::from(size).saturating_mul(1024);
    let l1 = |kind, register: u32| {
        let ways = match bits(register, 23, 16) {
            0 => Ways::Unknown,
            0xff => Ways::Full,
            ways => Ways::Number(ways),
        };
        (1, kind, kib(bits(register, 31, 24)), ways, bits(register, 7, 0))
    };
    let code = |register: u32| ways_of_code(bits(register, 15, 12));
    let caches = if leaf == 0x8000_0005 {
        [l1(CacheKind::Data, r.ecx), l1(CacheKind::Instruction, r.edx)]
    } else {
        let l3 = kib(bits(r.edx, 31, 18).saturating_mul(512));
        [
            (
                2,
                CacheKind::Unified,
                kib(bits(r.ecx, 31, 16)),
                code(r.ecx),
                bits(r.ecx, 7, 0),
            ),
            (3, CacheKind::Unified, l3, code(r.edx), bits(r.edx, 7, 0)),
        ]
    };
    caches
        .into_iter()
        .filter(|cache| cache.2 > 0)
        .map(|(level, kind, size, ways, line)| Note {
            name: "cache",
            value: cache_in_words(&CacheDescription {
                level,
                kind,
                size,
                line: Some(line),
                ways,
                sets: None,
                inclusive: None,
                shared_by: None,
                leaf: Leaf(leaf),
            }),
        })
        .collect()
}

fn xsave(subleaf: u32, r: Registers) -> Vec<Note> {
    let components = |name: &'static str, low: u32, high: u32| {
        let mask = u64::from(low) | u64::from(high) << 32;
        let names: Vec<String> = (0..64)
            .filter(|&bit| mask >> bit & 1 == 1)
            .map(|bit| xsave_component(bit).map_or_else(|| format!("bit {bit}"), str::to_owned))
            .collect();
        (mask != 0).then(|| Note {
            name,
            value: format!("{mask:#x}: {}", names.join(", ")),
        })
    };
    match subleaf {
        0 => components("XCR0", r.eax, r.edx).into_iter().collect(),
        1 => components("XSS", r.ecx, r.edx).into_iter().collect(),
        2..=63 if !r.is_zero() => {
            let name = xsave_component(subleaf).map_or_else(|| format!("component {subleaf}"), str::to_owned);
            let place = match (bit(r.ecx, 0), bit(r.ecx, 1)) {
                (true, _) => "supervisor state (XSS), in the compacted format only".to_owned(),
                (false, true) => format!("at {}; compacted: aligned to 64 bytes", r.ebx),
                (false, false) => format!("at {}", r.ebx),
            };
            vec![Note {
                name: "component",
                value: format!("{name}, {} bytes, {place}", r.eax),
            }]
        }
        _ => Vec::new(),
    }
}

fn enclave_pages(r: Registers) -> Option<Note> {
    if bits(r.eax, 3, 0) != 1 {
        return None;
    }
    let join = |low: u32, high: u32| u64::from(low & 0xffff_f000) | u64::from(bits(high, 19, 0)) << 32;
    Some(Note {
        name: "section",
        value: format!("{:#x}, {}", join(r.eax, r.ebx), size(join(r.ecx, r.edx))),
    })
}

/// TSC frequency by leaf 0x15: crystal × numerator / denominator.
fn crystal(r: Registers) -> Option<Note> {
    let hertz = u64::from(r.ecx)
        .saturating_mul(u64::from(r.ebx))
        .checked_div(u64::from(r.eax))
        .filter(|&hertz| hertz > 0)?;
    Some(Note {
        name: "TSC",
        value: format!("{hertz} Hz"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::Vendors;

    fn notes(leaf: u32, subleaf: u32, r: [u32; 4]) -> Vec<String> {
        let context = Context {
            vendors: Vendors::of(Vendor::Intel),
            vendor: Vendor::Intel,
            signature: None,
            hypervisors: Vec::new(),
        };
        let [a, b, c, d] = r;
        of(&context, Place::Leaf(leaf), subleaf, Registers::new(a, b, c, d))
            .into_iter()
            .map(|note| format!("{} {}", note.name, note.value))
            .collect()
    }

    #[test]
    fn texts_are_read_over_the_registers() {
        assert_eq!(
            notes(0, 0, [1, 0x756e_6547, 0x6c65_746e, 0x4965_6e69]),
            ["vendor \"GenuineIntel\""]
        );
        assert_eq!(
            notes(0x4000_0100, 0, [1, 0x4b4d_564b, 0x564b_4d56, 0x4d]),
            ["hypervisor \"KVMKVMKVM\""]
        );
        assert!(notes(0x8000_0002, 0, [0; 4]).is_empty());
    }

    #[test]
    fn signature_is_computed() {
        assert_eq!(
            notes(1, 0, [0x000a_06d1, 0, 0, 0]),
            ["signature family 0x6 (6), model 0xad (173), stepping 1; 06-ad-01"]
        );
    }

    #[test]
    fn caches_have_a_size() {
        assert_eq!(
            notes(4, 0, [0x121, 0x2c0_003f, 0x3f, 0]),
            ["cache L1 data cache: 48 KiB, 12-way, 64 sets, 64-byte lines, for 1 APIC ids"]
        );
        assert_eq!(
            notes(0x8000_0006, 0, [0, 0, 0x0200_8140, 0x0080_9140]),
            [
                "cache L2 cache: 512 KiB, 16-way, 64-byte lines",
                "cache L3 cache: 16 MiB, 64-byte lines"
            ]
        );
    }

    #[test]
    fn descriptors_have_names_and_unknown_ones_are_told() {
        assert_eq!(
            notes(2, 0, [0x00fe_ff01, 0xee, 0, 0x8000_0080]),
            [
                "descriptor 0xff: caches are told by leaf 4",
                "descriptor 0xfe: TLBs are told by leaf 0x18",
                "descriptor 0xee: not known"
            ]
        );
    }

    #[test]
    fn xsave_components_have_names() {
        assert_eq!(
            notes(0xd, 0, [7, 0, 0, 0x4000_0000]),
            ["XCR0 0x4000000000000007: x87, SSE, AVX, lightweight profiling"]
        );
        assert_eq!(notes(0xd, 9, [8, 2688, 0, 0]), ["component PKRU, 8 bytes, at 2688"]);
    }

    #[test]
    fn tsc_frequency_needs_all_three_numbers() {
        assert_eq!(notes(0x15, 0, [2, 240, 25_000_000, 0]), ["TSC 3000000000 Hz"]);
        assert!(notes(0x15, 0, [2, 240, 0, 0]).is_empty());
        assert!(notes(0x15, 0, [0, 240, 25_000_000, 0]).is_empty());
    }
}
