//! Damaged files never panic or hang, and are never listed as larger than they are.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use microcode::{Content, read};
use proptest::prelude::*;

/// Bytes that all listed updates cover.
fn covered(content: &Content) -> usize {
    match content {
        Content::Intel(file) => file.updates.iter().map(|update| update.size).sum(),
        Content::Amd(file) => {
            let patches = file.containers.iter().flat_map(|container| &container.patches);
            patches.map(|patch| patch.size).sum()
        }
        Content::AmdPatch(patch) => patch.size,
    }
}

fn check(bytes: &[u8]) -> bool {
    let Some(content) = read(bytes) else { return true };
    let _ = content.is_damaged();
    covered(&content) <= bytes.len()
}

proptest! {
    #[test]
    fn intel_headers_with_any_sizes_are_survived(
        fields in proptest::array::uniform12(any::<u32>()),
        sizes in (0u32..6000, 0u32..6000),
        body in proptest::collection::vec(any::<u8>(), 0..6000),
        plausible in any::<bool>(),
    ) {
        let mut fields = fields;
        (fields[0], fields[5], fields[2]) = (1, 1, 0x0101_2020);
        if plausible {
            (fields[7], fields[8]) = sizes;
        }
        let mut bytes: Vec<u8> = fields.iter().flat_map(|field| field.to_le_bytes()).collect();
        bytes.extend(body);
        prop_assert!(check(&bytes));
    }

    #[test]
    fn amd_sections_of_any_type_and_size_are_survived(
        table in 0u32..200,
        sections in proptest::collection::vec((0u32..3, 0u32..400, any::<u8>()), 0..20),
        cut in 0usize..64,
    ) {
        let mut bytes = b"DMA\0\0\0\0\0".to_vec();
        bytes.extend(table.to_le_bytes());
        bytes.resize(bytes.len() + table as usize, 0);
        for (kind, length, fill) in sections {
            bytes.extend(kind.to_le_bytes());
            bytes.extend(length.to_le_bytes());
            bytes.resize(bytes.len() + length as usize, fill);
        }
        bytes.truncate(bytes.len().saturating_sub(cut));
        prop_assert!(check(&bytes));
    }

    #[test]
    fn any_bytes_behind_a_magic_are_survived(
        start in prop_oneof![Just(&b"DMA\0"[..]), Just(&b"\x01\0\0\0"[..]), Just(&b"\x20\x20\x01\x01"[..])],
        rest in proptest::collection::vec(any::<u8>(), 0..300),
    ) {
        prop_assert!(check(&[start, &rest].concat()));
    }
}
