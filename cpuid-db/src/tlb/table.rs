//! Descriptor bytes of leaf 2 other than caches: TLBs, trace caches, prefetch, and pointers to other
//! leaves. Intel SDM volume 2A, table "Encoding of CPUID leaf 2 descriptors"; Cyrix data books.

use super::{Pages, Tlb, TlbKind};
use crate::cache::{CacheKind, Ways};
use crate::descriptors;
use crate::identity::Identity;
use crate::leaf::Leaf;

use TlbKind::{Data, Instruction, Unified};

/// 4 KiB, 2 MiB, 4 MiB, 1 GiB.
const K4: u32 = 1;
const M2: u32 = 2;
const M4: u32 = 4;
const G1: u32 = 8;

/// Byte, level (0 is not told), kind, pages, entries, ways (0 is full, 255 not told).
type Row = (u8, u8, TlbKind, u32, u32, u32);

/// A byte with two rows stands for two TLBs.
const TLBS: &[Row] = &[
    (0x01, 0, Instruction, K4, 32, 4),
    (0x02, 0, Instruction, M4, 2, 0),
    (0x03, 0, Data, K4, 64, 4),
    (0x04, 0, Data, M4, 8, 4),
    (0x05, 2, Data, M4, 32, 4),
    (0x0b, 0, Instruction, M4, 4, 4),
    (0x4f, 0, Instruction, K4, 32, 255),
    (0x50, 0, Instruction, K4 | M2 | M4, 64, 255),
    (0x51, 0, Instruction, K4 | M2 | M4, 128, 255),
    (0x52, 0, Instruction, K4 | M2 | M4, 256, 255),
    (0x55, 0, Instruction, M2 | M4, 7, 0),
    (0x56, 1, Data, M4, 16, 4),
    (0x57, 1, Data, K4, 16, 4),
    (0x59, 1, Data, K4, 16, 0),
    (0x5a, 1, Data, M2 | M4, 32, 4),
    (0x5b, 0, Data, K4 | M4, 64, 255),
    (0x5c, 0, Data, K4 | M4, 128, 255),
    (0x5d, 0, Data, K4 | M4, 256, 255),
    (0x61, 0, Instruction, K4, 48, 0),
    (0x63, 0, Data, M2 | M4, 32, 4),
    (0x63, 0, Data, G1, 4, 4),
    (0x64, 0, Data, K4, 512, 4),
    (0x6a, 1, Data, K4, 64, 8),
    (0x6b, 0, Data, K4, 256, 8),
    (0x6c, 0, Data, M2 | M4, 128, 8),
    (0x6d, 0, Data, G1, 16, 0),
    (0x76, 0, Instruction, M2 | M4, 8, 0),
    (0xa0, 0, Data, K4, 32, 0),
    (0xb0, 0, Instruction, K4, 128, 4),
    (0xb1, 0, Instruction, M2, 8, 4),
    (0xb1, 0, Instruction, M4, 4, 4),
    (0xb2, 0, Instruction, K4, 64, 4),
    (0xb3, 0, Data, K4, 128, 4),
    (0xb4, 2, Data, K4, 256, 4),
    (0xb5, 0, Instruction, K4, 64, 8),
    (0xb6, 0, Instruction, K4, 128, 8),
    (0xba, 2, Data, K4, 64, 4),
    (0xc0, 0, Data, K4 | M4, 8, 4),
    (0xc1, 2, Unified, K4 | M2, 1024, 8),
    (0xc2, 0, Data, K4 | M2, 16, 4),
    (0xc3, 2, Unified, K4 | M2, 1536, 6),
    (0xc3, 2, Unified, G1, 16, 4),
    (0xc4, 0, Data, M2 | M4, 32, 4),
    (0xca, 2, Unified, K4, 512, 4),
];

/// Everything that is neither a TLB nor a cache.
const OTHERS: [(u8, &str); 10] = [
    (0x40, "no L2, or no L3 where there is an L2"),
    (0x70, "trace cache: 12 K micro-ops, 8-way"),
    (0x71, "trace cache: 16 K micro-ops, 8-way"),
    (0x72, "trace cache: 32 K micro-ops, 8-way"),
    (0x73, "trace cache: 64 K micro-ops, 8-way"),
    (0x77, "L1 instruction cache: 16 KiB, 4-way, sectored"),
    (0xf0, "prefetch of 64 bytes"),
    (0xf1, "prefetch of 128 bytes"),
    (0xfe, "TLBs are told by leaf 0x18"),
    (0xff, "caches are told by leaf 4"),
];

/// On Cyrix and National processors two bytes have meanings of their own.
fn is_cyrix(identity: &Identity) -> bool {
    matches!(identity.vendor_name.as_deref(), Some("CyrixInstead" | "Geode by NSC"))
}

/// TLBs a byte stands for.
pub(super) fn tlbs(byte: u8, identity: &Identity) -> Vec<Tlb> {
    const CYRIX: &[Row] = &[(0x70, 0, Unified, K4, 32, 4)];
    let rows = if is_cyrix(identity) { CYRIX } else { TLBS };
    rows.iter()
        .filter(|row| row.0 == byte)
        .map(|&(_, level, kind, pages, entries, ways)| Tlb {
            level: (level != 0).then_some(level),
            kind,
            pages: Pages::of(pages),
            entries,
            ways: match ways {
                0 => Ways::Full,
                255 => Ways::Unknown,
                number => Ways::Number(number),
            },
            shared_by: None,
            leaf: Leaf(2),
        })
        .collect()
}

/// What a byte stands for, in words.
pub(super) fn meaning(byte: u8, identity: &Identity) -> String {
    let tlbs: Vec<String> = tlbs(byte, identity).iter().map(words).collect();
    if !tlbs.is_empty() {
        return tlbs.join("; ");
    }
    if is_cyrix(identity) && byte == 0x80 {
        return "L1 cache: 16 KiB, 4-way, 16-byte lines".to_owned();
    }
    if let Some(cache) = descriptors::describe_byte(byte, identity.signature) {
        let kind = match cache.kind {
            CacheKind::Data => " data",
            CacheKind::Instruction => " instruction",
            CacheKind::Unified => "",
        };
        let line = cache.line.unwrap_or(0);
        let size = cache.size >> 10;
        return format!(
            "L{}{kind} cache: {size} KiB, {}, {line}-byte lines",
            cache.level,
            ways(cache.ways)
        );
    }
    match OTHERS.iter().find(|(known, _)| *known == byte) {
        Some((_, text)) => (*text).to_owned(),
        None => "not known".to_owned(),
    }
}

fn words(tlb: &Tlb) -> String {
    let level = tlb.level.map(|level| format!("L{level} ")).unwrap_or_default();
    let kind = tlb.kind.name();
    let pages = tlb.pages.names().join("/");
    let ways = match tlb.ways {
        Ways::Unknown => String::new(),
        other => format!(", {}", ways(other)),
    };
    format!("{level}{kind} TLB: {} entries of {pages}{ways}", tlb.entries)
}

fn ways(ways: Ways) -> String {
    match ways {
        Ways::Full => "fully associative".to_owned(),
        Ways::Number(number) => format!("{number}-way"),
        Ways::Unknown => "associativity not told".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_byte_has_two_meanings() {
        let mut bytes: Vec<u8> = TLBS
            .iter()
            .map(|row| row.0)
            .chain(OTHERS.iter().map(|row| row.0))
            .collect();
        bytes.dedup();
        let before = bytes.len();
        bytes.sort_unstable();
        bytes.dedup();
        assert_eq!(bytes.len(), before);
        assert!(
            bytes
                .iter()
                .all(|&byte| descriptors::describe_byte(byte, None).is_none())
        );
    }
}
