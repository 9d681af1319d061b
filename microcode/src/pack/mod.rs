//! Choosing updates and writing them: files, directories, containers, early cpio.
//!
//! [`Filter`] says which updates are wanted, [`select`] picks them out of what was gathered and
//! drops what a newer one replaces, and the writers turn the selection into bytes; nothing here
//! opens a file. What is selected, in which order it is written and under which names is that of
//! `iucode_tool` 2.3.1, with one exception: revisions are compared as unsigned numbers, as loaders
//! compare them.
//!
//! ```
//! use microcode::gather::{Options, gather};
//! use microcode::pack::{Filter, Keep, files, select};
//!
//! // An Intel update by hand: header and data of zeros; the checksum makes the sum zero.
//! let mut words = vec![0u32; 256];
//! words[..9].copy_from_slice(&[1, 0xf8, 0x0217_2024, 0x906ea, 0, 1, 0x22, 976, 1024]);
//! words[4] = words.iter().fold(0u32, |sum, word| sum.wrapping_add(*word)).wrapping_neg();
//! let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
//!
//! let gathered = gather("download.bin", bytes.clone(), Options::default());
//! let filter = Filter { rules: vec!["0x906ea,0x02".parse().unwrap()], ..Filter::default() };
//! let selection = select(&gathered.found, &filter, Keep::Newest);
//! let written = files::firmware(&selection, &gathered.tables).files;
//! assert_eq!((written[0].name.as_str(), &written[0].bytes), ("intel-ucode/06-9e-0a", &bytes));
//! ```

pub mod containers;
pub mod early;
pub mod files;
pub mod filter;
mod guard;
mod select;

use schemars::JsonSchema;
use serde::Serialize;

pub use self::filter::Filter;
pub use self::guard::{Clash, Downgrade, Unique, dedupe, guard};
pub use self::select::{Entry, Keep, Passed, Selection, Why, select};
use crate::amd::EquivalentId;
use crate::cpu::Vendor;
use crate::entry_sign;
use crate::found::{Found, Update};
use crate::ids::{PlatformMask, Revision, Signature};

/// Hygon's patches have the form of AMD's and this family.
const HYGON: u16 = 0x18;

/// CPUs that an update is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema, Serialize)]
pub struct Whom {
    /// Vendor.
    pub vendor: Vendor,
    /// CPU signature; not known of a patch of AMD's families up to 16h that stands outside a container.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signature: Option<Signature>,
    /// Intel: platforms; 0 for any.
    pub platforms: PlatformMask,
    /// AMD, when the signature is not known: the name of the CPUs in the patch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<EquivalentId>,
    /// AMD since family 17h: which of them, where they take patches of one kind only. AMD ships
    /// containers with a patch for each, and neither replaces the other.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub firmware: Option<Firmware>,
}

/// Kind of patch signature that a CPU takes, by the microcode its firmware loads
/// ([`crate::entry_sign`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Firmware {
    /// Up to the cut-off revision: it takes patches up to there.
    Old,
    /// Above it: it takes patches above it.
    Fixed,
}

impl Firmware {
    fn of(signature: Signature, revision: Revision) -> Option<Self> {
        let cutoff = entry_sign::cutoff(revision).filter(|_| entry_sign::affected(signature))?;
        Some(if revision > cutoff { Self::Fixed } else { Self::Old })
    }
}

impl Whom {
    /// Whom this update is for, without repetition, in the order in which it names them.
    #[must_use]
    pub fn of(found: &Found) -> Vec<Self> {
        let (vendor, id) = match &found.update {
            Update::Intel(_) => (Vendor::Intel, None),
            Update::Amd(patch) if patch.id.family() == HYGON => (Vendor::Hygon, Some(patch.id)),
            Update::Amd(patch) => (Vendor::Amd, Some(patch.id)),
        };
        let targets = found.update.targets();
        if targets.is_empty() {
            let (signature, platforms) = (None, PlatformMask(0));
            return vec![Self {
                vendor,
                signature,
                platforms,
                id,
                firmware: None,
            }];
        }
        let revision = found.update.revision();
        let whom = targets.into_iter().map(|target| Self {
            vendor,
            signature: Some(target.signature),
            platforms: target.platforms,
            id: None,
            firmware: match vendor {
                Vendor::Amd => Firmware::of(target.signature, revision),
                _ => None,
            },
        });
        whom.collect()
    }
}

impl std::fmt::Display for Whom {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.signature, self.id) {
            (Some(signature), _) => write!(f, "{signature}")?,
            (None, Some(id)) => write!(f, "AMD {id}")?,
            (None, None) => f.write_str("unknown CPU")?,
        }
        if self.vendor == Vendor::Intel {
            write!(f, "/{}", self.platforms)?;
        }
        match self.firmware {
            Some(Firmware::Old) => f.write_str(" (old firmware)"),
            Some(Firmware::Fixed) => f.write_str(" (fixed firmware)"),
            None => Ok(()),
        }
    }
}

/// A file to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Name with folders, `/` between them, relative to where it is to be written.
    pub name: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
}
