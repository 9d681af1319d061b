//! An update with the place it was found in and its bytes.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;

use crate::amd;
use crate::damage::Damage;
use crate::ids::{Date, Revision, Sha256};
use crate::intel::{self, Target};

/// Where an update stands.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, JsonSchema, Serialize)]
pub struct Place {
    /// From the outside in: `initrd.img: kernel/x86/microcode/GenuineIntel.bin`.
    pub source: String,
    /// Byte offset in the innermost of them.
    pub offset: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {:#x}", self.source, self.offset)
    }
}

/// An update of either vendor.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case", tag = "vendor")]
pub enum Update {
    /// An Intel update.
    Intel(intel::Update),
    /// An AMD patch.
    Amd(amd::Patch),
}

impl Update {
    /// Revision, or patch level.
    #[must_use]
    pub fn revision(&self) -> Revision {
        match self {
            Self::Intel(update) => update.revision,
            Self::Amd(patch) => patch.revision,
        }
    }

    /// Date in its header.
    #[must_use]
    pub fn date(&self) -> Date {
        match self {
            Self::Intel(update) => update.date,
            Self::Amd(patch) => patch.date,
        }
    }

    /// Lowest revision from which it may be loaded at run time, where it says one.
    #[must_use]
    pub fn minimum_revision(&self) -> Option<Revision> {
        match self {
            Self::Intel(update) => update.minimum_revision,
            Self::Amd(patch) => patch.minimum_revision,
        }
    }

    /// Whom it is for, without repetition: header first, then the extended table. AMD patches are
    /// for any platform; a patch whose container does not name its CPUs has none.
    #[must_use]
    pub fn targets(&self) -> Vec<Target> {
        match self {
            Self::Intel(update) => {
                let mut list = vec![update.target];
                for target in &update.extended {
                    if !list.contains(target) {
                        list.push(*target);
                    }
                }
                list
            }
            Self::Amd(patch) => patch
                .signatures
                .iter()
                .map(|signature| Target::any(*signature))
                .collect(),
        }
    }

    /// Rules it breaks.
    #[must_use]
    pub fn damage(&self) -> &[Damage] {
        match self {
            Self::Intel(update) => &update.damage,
            Self::Amd(patch) => &patch.damage,
        }
    }
}

/// An update and its bytes, which it shares with the others of the same file.
#[derive(Clone, Debug)]
pub struct Found {
    /// Where it stands.
    pub place: Place,
    /// What its header says.
    pub update: Update,
    file: Arc<Vec<u8>>,
    range: Range<usize>,
}

impl Found {
    /// The update that `range` of `file` holds.
    #[must_use]
    pub fn new(place: Place, update: Update, file: Arc<Vec<u8>>, range: Range<usize>) -> Self {
        Self {
            place,
            update,
            file,
            range,
        }
    }

    /// Its bytes, header included.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.file.get(self.range.clone()).unwrap_or_default()
    }

    /// All bytes that its place counts in, where they are at hand.
    #[must_use]
    pub fn around(&self) -> Option<&[u8]> {
        (self.range.start == self.place.offset).then_some(self.file.as_slice())
    }

    /// Its identity: two updates of one revision need not be the same.
    #[must_use]
    pub fn sha256(&self) -> Sha256 {
        Sha256::of(self.bytes())
    }
}
