//! AMD microcode containers and patches, as the loaders of Linux 6.12
//! (`arch/x86/kernel/cpu/microcode/amd.c`) and Xen 4.20 (`xen/arch/x86/cpu/microcode/amd.c`) read
//! them; AMD publishes no description.
//!
//! A container is a header of 12 bytes, an equivalence table that gives each CPU signature a
//! 16-bit name, and sections of one patch each, named by it. Several containers may follow each
//! other. Up to family 12h a patch has a checksum; later ones have none, so damage inside them
//! cannot be seen here ([`entry_sign`](crate::entry_sign) has digests of some). Hygon's
//! `HygonGenuine.bin` has the same form; neither loader looks for it.
//!
//! [`Damage`] is what breaks the format. A [`Note`] is what does not, but makes a loader refuse a
//! patch, or is unlike what AMD publishes.

mod family;
mod known;
mod patch;
mod table;
mod walk;
mod write;

use schemars::JsonSchema;
use serde::Serialize;

use crate::bytes::{u8_at, u32_at};
use crate::damage::Damage;
use crate::ids::{Date, Revision, Signature, as_text};

pub use family::{HYGON, has_signature_in_revision, linux_max_size, published_sizes, xen_max_size, zen_signature};
pub use patch::read as read_patch;
pub use walk::read;
pub use write::{Rebuilt, rebuild_rows, write};

/// First word of a container: `DMA` and a zero byte in the file.
pub const MAGIC: u32 = 0x0041_4d44;
/// Length of a patch header in bytes.
pub const PATCH_HEADER: usize = 64;
/// Length of a container's header in bytes: the magic, type and length of the equivalence table.
pub const CONTAINER_HEADER: usize = 12;
/// Length of a section's header in bytes: type and length.
pub const SECTION_HEADER: usize = 8;
/// Length of a row of the equivalence table in bytes.
pub const ROW: usize = 16;
const EQUIVALENCE: u32 = 0;
const PATCH: u32 = 1;

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
    /// Errata that the patches fix: a mask. No loader reads it, and it is 0 in what AMD publishes.
    pub errata_mask: u32,
    /// The value to compare with behind the mask; likewise.
    pub errata_compare: u32,
    /// Last two bytes; likewise.
    pub reserved: u16,
}

impl Equivalence {
    /// A row as AMD writes them, with nothing but these two.
    #[must_use]
    pub fn new(signature: Signature, id: EquivalentId) -> Self {
        Self {
            signature,
            id,
            errata_mask: 0,
            errata_compare: 0,
            reserved: 0,
        }
    }
}

/// What a patch header holds besides what [`Patch`] gives by name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Header {
    /// Kind of the data; 80h in the high byte.
    pub data_id: u16,
    /// Length of the data in a unit that differs from family to family; 0 for most.
    pub data_length: u8,
    /// Initialization flag.
    pub init_flag: u8,
    /// Checksum up to family 12h; a minimum revision or 0 from 19h on.
    pub checksum: u32,
    /// Device id of the north bridge that it is for; 0 for any. Linux refuses all others.
    pub north_bridge: u32,
    /// Device id of the south bridge that it is for; 0 for any. Linux refuses all others.
    pub south_bridge: u32,
    /// Revision of the north bridge.
    pub north_bridge_revision: u8,
    /// Revision of the south bridge.
    pub south_bridge_revision: u8,
    /// Revision of the interface to the BIOS.
    pub bios_api_revision: u8,
    /// Three bytes without a meaning known.
    pub reserved: [u8; 3],
    /// Match registers.
    pub match_registers: [u32; 8],
}

/// Something that breaks no rule of the format.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Note {
    /// Short name: `amd-xen-size`.
    pub rule: &'static str,
    /// Byte offset in the file.
    pub offset: usize,
    /// What is there and what follows from it.
    pub says: String,
}

impl Note {
    fn new(rule: &'static str, offset: usize, says: impl Into<String>) -> Self {
        let says = says.into();
        Self { rule, offset, says }
    }
}

impl std::fmt::Display for Note {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "at {:#x}: {}", self.offset, self.says)
    }
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
    /// CPU signatures: from the patch level for family 17h and later, else from the container's
    /// table, at most [`MOST_SIGNATURES`].
    pub signatures: Vec<Signature>,
    /// Families 19h and later: lowest revision from which it may be loaded at run time, where the
    /// field has the form of one.
    pub minimum_revision: Option<Revision>,
    /// Checksum of the data: `Some` for the families that have one (up to 12h).
    pub checksum_ok: Option<bool>,
    /// The other fields of its header.
    pub header: Header,
    /// Rules it breaks.
    pub damage: Vec<Damage>,
    /// What a loader has against it, and what is unusual.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<Note>,
}

/// Most CPU signatures given for one patch; published tables have up to three.
pub const MOST_SIGNATURES: usize = 64;

/// One container.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Container {
    /// Offset in the file.
    pub offset: usize,
    /// Length in bytes, up to where it ends or cannot be read on.
    pub size: usize,
    /// Length that the header gives the equivalence table, in bytes.
    pub table_size: usize,
    /// Equivalence table up to the row that ends it.
    pub equivalences: Vec<Equivalence>,
    /// Rows behind the one that ends it: Linux reads them, Xen does not.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub behind_end: Vec<Equivalence>,
    /// Patches in file order.
    pub patches: Vec<Patch>,
}

impl Container {
    /// Whether it is one of Hygon's: it has patches or rows, all of family 18h.
    #[must_use]
    pub fn is_hygon(&self) -> bool {
        let rows = self.equivalences.iter().map(|row| row.id);
        let mut ids = rows.chain(self.patches.iter().map(|patch| patch.id)).peekable();
        ids.peek().is_some() && ids.all(|id| id.family() == HYGON)
    }
}

/// A file of containers.
#[derive(Clone, Debug, Default, PartialEq, Eq, JsonSchema, Serialize)]
pub struct File {
    /// Containers in file order.
    pub containers: Vec<Container>,
    /// Damage of tables and sections.
    pub damage: Vec<Damage>,
    /// What is unusual about tables and sections.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<Note>,
}

impl File {
    /// Whether any rule is broken.
    #[must_use]
    pub fn is_damaged(&self) -> bool {
        let mut patches = self.containers.iter().flat_map(|container| &container.patches);
        !self.damage.is_empty() || patches.any(|patch| !patch.damage.is_empty())
    }

    /// Whether all of it is Hygon's.
    #[must_use]
    pub fn is_hygon(&self) -> bool {
        !self.containers.is_empty() && self.containers.iter().all(Container::is_hygon)
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

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A patch with this id and patch id, and these words of data; checksum where its family has one.
    pub(crate) fn patch_bytes(id: u16, revision: u32, words: &[u32]) -> Vec<u8> {
        let mut bytes = vec![0x11, 0x20, 0x09, 0x11];
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

    pub(crate) fn container_bytes(rows: &[(u32, u16)], patches: &[Vec<u8>]) -> Vec<u8> {
        let row = |(signature, id): &(u32, u16)| Equivalence::new(Signature(*signature), EquivalentId(*id));
        let rows: Vec<_> = rows.iter().map(row).collect();
        write(&rows, &patches.iter().map(Vec::as_slice).collect::<Vec<_>>())
    }

    /// A family 10h patch and a Zen 3 one with their rows; the first section begins at 60, the
    /// second at 144.
    pub(crate) fn sample() -> Vec<u8> {
        let old = patch_bytes(0x1022, 0x0100_00c9, &[1, 2, u32::MAX]);
        let zen = patch_bytes(0xa210, 0x0a20_1030, &[7; 8]);
        container_bytes(&[(0x0010_0f22, 0x1022), (0x00a2_0f10, 0xa210)], &[old, zen])
    }

    #[test]
    fn container_of_family_18h_is_hygons() {
        let bytes = container_bytes(&[(0x0090_0f01, 0x9001)], &[patch_bytes(0x9001, 5, &[])]);
        let file = read(&bytes);
        assert!(file.is_hygon() && !file.is_damaged(), "{file:?}");
        assert!(!read(&sample()).is_hygon());
        assert!(!File::default().is_hygon());
    }

    #[test]
    fn patches_are_told_from_other_bytes_by_date_and_data_id() {
        let patch = patch_bytes(0xa210, 0x0a20_1030, &[7; 8]);
        assert!(looks_like_patch(&patch) && !looks_like_patch(&patch[..63]));
        assert!(!looks_like_patch(&[0; 64]) && !looks_like_patch(&sample()));
    }
}
