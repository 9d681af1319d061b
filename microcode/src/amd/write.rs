//! Containers written: from rows and patches, or from patches alone.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::family::{has_signature_in_revision, zen_signature};
use super::{EQUIVALENCE, Equivalence, EquivalentId, MAGIC, PATCH, PATCH_HEADER, ROW, known};
use crate::bytes::{u16_at, u32_at};
use crate::ids::{Revision, Signature};

/// One container of these rows, with the row of zeros that ends them, and these patches, in the
/// order given.
#[must_use]
pub fn write(rows: &[Equivalence], patches: &[&[u8]]) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend(MAGIC.to_le_bytes());
    bytes.extend(EQUIVALENCE.to_le_bytes());
    bytes.extend(length(rows.len().saturating_add(1).saturating_mul(ROW)));
    for row in rows {
        for word in [row.signature.0, row.errata_mask, row.errata_compare] {
            bytes.extend(word.to_le_bytes());
        }
        bytes.extend(row.id.0.to_le_bytes());
        bytes.extend(row.reserved.to_le_bytes());
    }
    bytes.extend([0; ROW]);
    for patch in patches {
        bytes.extend(PATCH.to_le_bytes());
        bytes.extend(length(patch.len()));
        bytes.extend_from_slice(patch);
    }
    bytes
}

fn length(length: usize) -> [u8; 4] {
    u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes()
}

/// An equivalence table made from patches.
#[derive(Clone, Debug, Default, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Rebuilt {
    /// Rows in the order of the patches, each once.
    pub rows: Vec<Equivalence>,
    /// Ids of patches whose CPUs are not known: a loader that needs the table finds no way to them.
    pub unknown: Vec<EquivalentId>,
    /// Signatures that a later patch would give another id; the row of the first one stands.
    pub conflicts: Vec<(Signature, EquivalentId)>,
    /// Numbers of the patches that are shorter than their header.
    pub short: Vec<usize>,
}

impl Rebuilt {
    /// Whether every patch has its rows.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.unknown.is_empty() && self.conflicts.is_empty() && self.short.is_empty()
    }
}

/// Make the equivalence table for these patches: from family 17h on each patch id holds the CPU's
/// signature; before, the ids of CPUs are known from published containers.
#[must_use]
pub fn rebuild_rows(patches: &[&[u8]]) -> Rebuilt {
    let mut made = Rebuilt::default();
    let mut names: BTreeMap<Signature, EquivalentId> = BTreeMap::new();
    for (number, patch) in patches.iter().enumerate() {
        let (Some(revision), Some(id)) = (u32_at(patch, 4), u16_at(patch, 24)) else {
            made.short.push(number);
            continue;
        };
        if patch.len() < PATCH_HEADER {
            made.short.push(number);
            continue;
        }
        let id = EquivalentId(id);
        let signatures = signatures(id, Revision(revision));
        if signatures.is_empty() && !made.unknown.contains(&id) {
            made.unknown.push(id);
        }
        for signature in signatures {
            match names.insert(signature, id) {
                None => made.rows.push(Equivalence::new(signature, id)),
                Some(before) if before != id => {
                    names.insert(signature, before);
                    made.conflicts.push((signature, id));
                }
                Some(_) => {}
            }
        }
    }
    made
}

fn signatures(id: EquivalentId, revision: Revision) -> Vec<Signature> {
    if has_signature_in_revision(id.family()) {
        vec![zen_signature(revision)]
    } else {
        known::signatures(id).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::read;
    use super::super::tests::{patch_bytes, sample};
    use super::*;

    #[test]
    fn container_written_from_what_was_read_is_the_same() {
        let bytes = sample();
        let file = read(&bytes);
        let container = &file.containers[0];
        let patches: Vec<&[u8]> = container
            .patches
            .iter()
            .map(|patch| &bytes[patch.offset..patch.offset + patch.size])
            .collect();
        assert_eq!(write(&container.equivalences, &patches), bytes);
        assert_eq!(
            rebuild_rows(&patches).rows[..1],
            [Equivalence::new(Signature(0x10_0f22), EquivalentId(0x1022))]
        );
    }

    #[test]
    fn rows_come_from_the_patch_id_since_zen_and_from_known_cpus_before() {
        let old = patch_bytes(0x1043, 0x0100_00c8, &[1]);
        let zen = patch_bytes(0xa210, 0x0a20_1030, &[7]);
        let newer = patch_bytes(0xa210, 0x0a20_1031, &[7]);
        let made = rebuild_rows(&[&old, &zen, &newer]);
        let rows: Vec<_> = made.rows.iter().map(|row| (row.signature.0, row.id.0)).collect();
        let expected = [
            (0x10_0f43, 0x1043),
            (0x10_0f53, 0x1043),
            (0x10_0f63, 0x1043),
            (0xa2_0f10, 0xa210),
        ];
        assert_eq!((rows, made.is_complete()), (expected.to_vec(), true));
        assert!(!read(&write(&made.rows, &[&old, &zen, &newer])).is_damaged());
    }

    #[test]
    fn what_cannot_be_made_is_said() {
        let k8 = patch_bytes(0x0f48, 0x46, &[1]);
        let hygon = patch_bytes(0x9001, 0x0900_0105, &[]);
        let zen = patch_bytes(0xa210, 0x0a20_1030, &[7]);
        let other = patch_bytes(0xa211, 0x0a20_1030, &[7]);
        let made = rebuild_rows(&[&k8, &hygon, &zen, &other, &[0; 63], &[]]);
        assert_eq!(made.unknown, [EquivalentId(0x0f48), EquivalentId(0x9001)]);
        assert_eq!(made.conflicts, [(Signature(0xa2_0f10), EquivalentId(0xa211))]);
        assert_eq!((made.short.as_slice(), made.rows.len()), (&[4, 5][..], 1));
        assert!(!made.is_complete());
    }
}
