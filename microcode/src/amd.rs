//! AMD microcode containers and patches, as the Linux loader reads them
//! (`arch/x86/kernel/cpu/microcode/amd.c`, Linux 6.12; AMD publishes no description).
//!
//! A container is a header of 12 bytes, an equivalence table that gives each CPU signature a
//! 16-bit name, and sections of one patch each, named by it. Several containers may follow each
//! other. Up to family 12h a patch has a checksum; later ones have none, so damage inside them
//! cannot be seen here.

use schemars::JsonSchema;
use serde::Serialize;

use crate::bytes::{size, sum, u8_at, u16_at, u32_at};
use crate::damage::Damage;
use crate::ids::{Date, Revision, Signature, as_text};

/// First word of a container: `DMA` and a zero byte in the file.
pub const MAGIC: u32 = 0x0041_4d44;
/// Length of a patch header in bytes.
pub const PATCH_HEADER: usize = 64;
const EQUIVALENCE: u32 = 0;
const PATCH: u32 = 1;
const CONTAINER_HEAD: usize = 12;
const SECTION_HEAD: usize = 8;

/// Name of a CPU in the equivalence table and in the patches for it (`processor_rev_id`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EquivalentId(pub u16);

impl std::fmt::Display for EquivalentId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:#06x}", self.0)
    }
}

as_text!(EquivalentId);

impl EquivalentId {
    /// CPU family: 0fh plus the highest four bits.
    #[must_use]
    pub fn family(self) -> u16 {
        (self.0 >> 12).saturating_add(15)
    }
}

/// One row of the equivalence table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Equivalence {
    /// CPU signature.
    pub signature: Signature,
    /// Its name.
    pub id: EquivalentId,
}

/// One patch.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Patch {
    /// Offset of the patch header in the file.
    pub offset: usize,
    /// Length in bytes, header included.
    pub size: usize,
    /// Date.
    pub date: Date,
    /// Patch level.
    pub revision: Revision,
    /// CPU it is for.
    pub id: EquivalentId,
    /// CPU signatures: from the patch level for family 17h and later, else from the container's table.
    pub signatures: Vec<Signature>,
    /// Families 19h and later: lowest revision from which it may be loaded at run time, where the
    /// field has the form of one.
    pub minimum_revision: Option<Revision>,
    /// Checksum of the data: `Some` for the families that have one (up to 12h).
    pub checksum_ok: Option<bool>,
    /// Rules it breaks.
    pub damage: Vec<Damage>,
}

/// One container.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Container {
    /// Offset in the file.
    pub offset: usize,
    /// Equivalence table without the row that ends it.
    pub equivalences: Vec<Equivalence>,
    /// Patches in file order.
    pub patches: Vec<Patch>,
}

/// A file of containers.
#[derive(Clone, Debug, Default, PartialEq, Eq, JsonSchema, Serialize)]
pub struct File {
    /// Containers in file order.
    pub containers: Vec<Container>,
    /// Damage of tables and sections.
    pub damage: Vec<Damage>,
}

impl File {
    /// Whether any rule is broken.
    #[must_use]
    pub fn is_damaged(&self) -> bool {
        let mut patches = self.containers.iter().flat_map(|container| &container.patches);
        !self.damage.is_empty() || patches.any(|patch| !patch.damage.is_empty())
    }
}

/// Whether the bytes begin with a container.
#[must_use]
pub fn looks_like_container(bytes: &[u8]) -> bool {
    u32_at(bytes, 0) == Some(MAGIC)
}

/// Whether the bytes begin with a patch outside a container: a plausible date and the high byte
/// 80h that the data id of every published patch has.
#[must_use]
pub fn looks_like_patch(bytes: &[u8]) -> bool {
    let date = Date::from_field(u32_at(bytes, 0).unwrap_or(0));
    let month = u8_at(bytes, 3).unwrap_or(0);
    bytes.len() >= PATCH_HEADER
        && (0x2000..=0x2099).contains(&date.year)
        && (0x01..=0x31).contains(&month)
        && (0x01..=0x31).contains(&date.day)
        && u8_at(bytes, 9) == Some(0x80)
}

/// Read a file of containers. A section that cannot be trusted ends its container; reading goes
/// on at the next container.
#[must_use]
pub fn read(bytes: &[u8]) -> File {
    let mut file = File::default();
    let mut at: usize = 0;
    while at < bytes.len() {
        let end = match container(bytes, at, &mut file) {
            Ok(end) => end,
            Err(broken) => {
                let from = broken.offset.max(at.saturating_add(4));
                file.damage.push(broken);
                next_container(bytes, from).unwrap_or(bytes.len())
            }
        };
        at = end.max(at.saturating_add(1));
    }
    file
}

/// Read a patch that is a file of its own.
#[must_use]
pub fn read_patch(bytes: &[u8]) -> Option<Patch> {
    patch(0, bytes, None)
}

fn next_container(bytes: &[u8], from: usize) -> Option<usize> {
    let rest = bytes.get(from..)?;
    let magic = MAGIC.to_le_bytes();
    let kind = EQUIVALENCE.to_le_bytes();
    let found = rest
        .windows(8)
        .position(|window| window.starts_with(&magic) && window.ends_with(&kind))?;
    from.checked_add(found)
}

/// Read one container and give its end.
fn container(bytes: &[u8], start: usize, file: &mut File) -> Result<usize, Damage> {
    let field = |at: usize| u32_at(bytes, at);
    let after = |at: usize, more: usize| at.saturating_add(more);
    let left = bytes.len().saturating_sub(start);
    if field(start) != Some(MAGIC) {
        return Err(Damage::new(
            start,
            "container or end of file",
            format!("{left} bytes of something else"),
        ));
    }
    let (Some(kind), Some(length)) = (field(after(start, 4)), field(after(start, 8)).map(size)) else {
        return Err(Damage::new(
            start,
            "container header of 12 bytes",
            format!("{left} bytes"),
        ));
    };
    if kind != EQUIVALENCE {
        return Err(Damage::new(
            after(start, 4),
            "equivalence table (type 0)",
            format!("type {kind}"),
        ));
    }
    let table_start = after(start, CONTAINER_HEAD);
    let Some(table) = bytes.get(table_start..after(table_start, length)) else {
        let left = bytes.len().saturating_sub(table_start);
        return Err(Damage::new(
            after(start, 8),
            format!("equivalence table of at most {left} bytes"),
            length.to_string(),
        ));
    };
    let equivalences = equivalences(table_start, table, &mut file.damage);
    let mut patches = Vec::new();
    let mut at = after(table_start, length);
    let end = loop {
        if at >= bytes.len() || field(at) == Some(MAGIC) {
            break Ok(at);
        }
        match section(bytes, at, &equivalences) {
            Ok(patch) => {
                at = after(patch.offset, patch.size);
                patches.push(patch);
            }
            Err(broken) => break Err(broken),
        }
    };
    file.containers.push(Container {
        offset: start,
        equivalences,
        patches,
    });
    end
}

fn equivalences(start: usize, table: &[u8], damage: &mut Vec<Damage>) -> Vec<Equivalence> {
    let (rows, rest) = table.as_chunks::<16>();
    if !rest.is_empty() {
        damage.push(Damage::new(
            start,
            "equivalence table in multiples of 16 bytes",
            table.len().to_string(),
        ));
    }
    let mut list = Vec::new();
    for row in rows {
        let signature = u32_at(row, 0).unwrap_or(0);
        if signature == 0 {
            return list;
        }
        let id = EquivalentId(u16_at(row, 12).unwrap_or(0));
        list.push(Equivalence {
            signature: Signature(signature),
            id,
        });
    }
    let end = start.saturating_add(table.len());
    damage.push(Damage::new(
        end,
        "equivalence table ended by a row of zeros",
        "no such row",
    ));
    list
}

fn section(bytes: &[u8], at: usize, equivalences: &[Equivalence]) -> Result<Patch, Damage> {
    let left = bytes.len().saturating_sub(at);
    let (kind, length) = (u32_at(bytes, at), u32_at(bytes, at.saturating_add(4)).map(size));
    let (Some(kind), Some(length)) = (kind, length) else {
        return Err(Damage::new(at, "section header of 8 bytes", format!("{left} bytes")));
    };
    if kind != PATCH {
        return Err(Damage::new(
            at,
            "patch section (type 1) or container",
            format!("type {kind:#x}"),
        ));
    }
    let start = at.saturating_add(SECTION_HEAD);
    let left = left.saturating_sub(SECTION_HEAD);
    bytes
        .get(start..start.saturating_add(length))
        .and_then(|bytes| patch(start, bytes, Some(equivalences)))
        .ok_or_else(|| {
            let expected = format!("patch size from {PATCH_HEADER} to {left}");
            Damage::new(at.saturating_add(4), expected, length.to_string())
        })
}

/// A patch; `None` when it is shorter than its header. `equivalences` is the table of its container.
fn patch(offset: usize, bytes: &[u8], equivalences: Option<&[Equivalence]>) -> Option<Patch> {
    let data = bytes.get(PATCH_HEADER..)?;
    let revision = Revision(u32_at(bytes, 4)?);
    let id = EquivalentId(u16_at(bytes, 24)?);
    let mut damage = Vec::new();
    let stored = u32_at(bytes, 12)?;
    let listed = equivalences.map(|table| -> Vec<Signature> {
        table
            .iter()
            .filter(|row| row.id == id)
            .map(|row| row.signature)
            .collect()
    });
    if listed.as_ref().is_some_and(Vec::is_empty) {
        let at = offset.saturating_add(24);
        damage.push(Damage::new(
            at,
            format!("row of the equivalence table with {id}"),
            "no such row",
        ));
    }
    // Up to family 12h the field is the sum of all words of the data.
    let checksum_ok = (id.family() <= 0x12).then(|| sum(data) == stored);
    if checksum_ok == Some(false) {
        let at = offset.saturating_add(12);
        damage.push(Damage::new(
            at,
            format!("checksum {:#010x}", sum(data)),
            format!("{stored:#010x}"),
        ));
    }
    let minimum = id.family() >= 0x19 && (stored ^ revision.0) & 0xffff_ff00 == 0;
    Some(Patch {
        offset,
        size: bytes.len(),
        date: Date::from_field(u32_at(bytes, 0)?),
        revision,
        id,
        signatures: if id.family() >= 0x17 {
            vec![zen_signature(revision)]
        } else {
            listed.unwrap_or_default()
        },
        minimum_revision: minimum.then_some(Revision(stored)),
        checksum_ok,
        damage,
    })
}

/// Family 17h and later: the patch level holds extended family, extended model, model and stepping.
fn zen_signature(revision: Revision) -> Signature {
    let [_, model_stepping, ext_model, ext_family] = revision.0.to_le_bytes();
    // CPUID: extended family from bit 20, extended model from bit 16, base family 15 from bit 8.
    let high = u32::from(ext_family) << 20 | u32::from(ext_model >> 4) << 16;
    Signature(high | 0xf00 | u32::from(model_stepping))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patch_bytes(id: u16, revision: u32, words: &[u32]) -> Vec<u8> {
        let mut bytes = vec![0x11, 0x20, 0x09, 0x13];
        bytes.extend(revision.to_le_bytes());
        bytes.extend([0x02, 0x80, 0, 0]);
        let sum = words.iter().fold(0u32, |sum, word| sum.wrapping_add(*word));
        bytes.extend(if id < 0x4000 { sum } else { 0 }.to_le_bytes());
        bytes.resize(24, 0);
        bytes.extend(id.to_le_bytes());
        bytes.resize(64, 0);
        bytes.extend(words.iter().flat_map(|word| word.to_le_bytes()));
        bytes
    }

    fn container_bytes(rows: &[(u32, u16)], patches: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = b"DMA\0\0\0\0\0".to_vec();
        bytes.extend(u32::try_from((rows.len() + 1) * 16).unwrap().to_le_bytes());
        for (signature, id) in rows {
            bytes.extend(signature.to_le_bytes());
            bytes.extend([0; 8]);
            bytes.extend(id.to_le_bytes());
            bytes.extend([0; 2]);
        }
        bytes.extend([0; 16]);
        for patch in patches {
            bytes.extend(1u32.to_le_bytes());
            bytes.extend(u32::try_from(patch.len()).unwrap().to_le_bytes());
            bytes.extend(patch);
        }
        bytes
    }

    fn sample() -> Vec<u8> {
        let old = patch_bytes(0x1022, 0x0100_00c9, &[1, 2, u32::MAX]);
        let zen = patch_bytes(0xa210, 0x0a20_1030, &[7; 8]);
        container_bytes(&[(0x100f22, 0x1022), (0xa20f10, 0xa210)], &[old, zen])
    }

    #[test]
    fn container_gives_table_and_patches() {
        let file = read(&sample());
        assert!(!file.is_damaged(), "{file:?}");
        let container = &file.containers[0];
        assert_eq!((container.equivalences.len(), container.patches.len()), (2, 2));
        let [old, zen] = &container.patches[..] else {
            panic!("two")
        };
        assert_eq!(
            (old.signatures.as_slice(), old.checksum_ok),
            (&[Signature(0x100f22)][..], Some(true))
        );
        assert_eq!(
            (zen.signatures.as_slice(), zen.checksum_ok),
            (&[Signature(0xa20f10)][..], None)
        );
        assert_eq!((zen.size, zen.date.to_string().as_str()), (96, "2011-13-09"));
    }

    #[test]
    fn containers_follow_each_other() {
        let file = read(&[sample(), sample()].concat());
        assert!(!file.is_damaged());
        assert_eq!((file.containers.len(), file.containers[1].offset), (2, sample().len()));
    }

    #[test]
    fn broken_section_ends_its_container_and_the_next_one_is_read() {
        let mut bytes = sample();
        let section = 12 + 48;
        bytes[section] = 9;
        bytes.extend(sample());
        let file = read(&bytes);
        assert_eq!(
            (file.containers.len(), file.damage.len(), file.damage[0].offset),
            (2, 1, section)
        );
        assert_eq!(
            file.containers
                .iter()
                .map(|container| container.patches.len())
                .collect::<Vec<_>>(),
            [0, 2]
        );
    }

    #[test]
    fn patch_without_a_row_for_it_is_damage() {
        let file = read(&container_bytes(&[(0x100f22, 0x1022)], &[patch_bytes(0x1023, 1, &[])]));
        assert_eq!(file.containers[0].patches[0].damage[0].offset, 12 + 32 + 8 + 24);
    }

    #[test]
    fn wrong_checksum_is_damage_only_where_there_is_one() {
        let mut old = patch_bytes(0x1022, 1, &[1, 2]);
        old[70] ^= 1;
        assert_eq!(read_patch(&old).unwrap().checksum_ok, Some(false));
        let mut zen = patch_bytes(0xa210, 1, &[1, 2]);
        zen[70] ^= 1;
        assert_eq!(read_patch(&zen).unwrap().checksum_ok, None);
    }

    #[test]
    fn minimum_revision_has_the_form_of_a_revision() {
        let mut bytes = patch_bytes(0xb440, 0x0b40_4035, &[]);
        bytes[12..16].copy_from_slice(&0x0b40_4032u32.to_le_bytes());
        assert_eq!(
            read_patch(&bytes).unwrap().minimum_revision,
            Some(Revision(0x0b40_4032))
        );
    }

    #[test]
    fn every_truncation_inside_a_section_is_damage() {
        let bytes = sample();
        let first_ends = 12 + 48 + 8 + 76;
        for end in (1..bytes.len()).filter(|end| !matches!(*end, 60) && *end != first_ends) {
            assert!(read(&bytes[..end]).is_damaged(), "{end}");
        }
    }

    #[test]
    fn table_without_its_last_row_is_damage() {
        let mut bytes = container_bytes(&[(0x100f22, 0x1022)], &[]);
        bytes[28] = 1;
        assert!(read(&bytes).is_damaged());
    }
}
