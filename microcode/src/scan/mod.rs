//! Updates inside unknown data: firmware images, disks, programs, memory dumps.
//!
//! One pass looks for the few bytes that every header has, at any alignment; what it stops at is
//! then held against all rules of the header and against the checksum. Where an image says itself
//! what it holds ([`crate::fit`], [`crate::psp`]), that is read too and joined with what was found.

mod amd;
mod anchor;
mod intel;
mod stream;
mod sums;
mod sweep;

use schemars::JsonSchema;
use serde::Serialize;

use crate::damage::Damage;
use crate::fit::{self, Fit};
use crate::found::Update;
use crate::psp::{self, Rom};

pub(crate) use amd::{patch_at, patch_likely_at};
pub(crate) use intel::{likely_at, update_at};
pub use stream::scan_stream;
use sweep::Sweep;

/// No update and no container is longer than this; the longest published update has 1.6 MiB.
pub const LARGEST: usize = 4 << 20;
/// Data up to this size is best read as a whole and given to [`scan`]: firmware images are smaller,
/// and only as a whole can their tables be followed.
pub const WHOLE: usize = 64 << 20;

/// What led to an update.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case", tag = "by")]
pub enum How {
    /// Its header was seen.
    Scan,
    /// An entry of the Firmware Interface Table points to it.
    Fit {
        /// Number of the entry; the header of the table is entry 0.
        entry: usize,
    },
    /// An entry of an AMD BIOS directory points to it.
    PspBios {
        /// Offset of the directory.
        directory: usize,
        /// Number of the entry, from 0.
        entry: usize,
        /// Instance, which tells entries of one type apart.
        instance: u8,
    },
    /// It is in an AMD container.
    Container {
        /// Offset of the container.
        container: usize,
    },
}

/// An update and its place.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Hit {
    /// Offset in the data.
    pub offset: usize,
    /// Length in bytes; less than its header says where the data ends early.
    pub size: usize,
    /// What its header says; offsets in it count from the start of the data.
    pub update: Update,
    /// What led to it; a table of the image comes before a scan.
    pub how: How,
    /// Further entries that point to it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<How>,
}

impl Hit {
    /// Rules that it breaks.
    #[must_use]
    pub fn damage(&self) -> &[Damage] {
        self.update.damage()
    }

    /// Its bytes in the data that was scanned.
    #[must_use]
    pub fn bytes<'a>(&self, data: &'a [u8]) -> &'a [u8] {
        let end = self.offset.saturating_add(self.size);
        data.get(self.offset..end).unwrap_or_default()
    }

    /// Add a table entry that points to it.
    fn named_by(&mut self, how: How) {
        if matches!(self.how, How::Scan) {
            self.how = how;
        } else {
            self.also.push(how);
        }
    }
}

/// An update of a vendor whose updates are recognised but not read.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Other {
    /// Offset in the data.
    pub offset: usize,
    /// Length in bytes.
    pub size: usize,
    /// Vendor.
    pub vendor: &'static str,
    /// The name in its header.
    pub name: String,
}

/// Something worth knowing that is no damage of an update.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Finding {
    /// Short name: `fit-no-update`.
    pub rule: &'static str,
    /// Whether a rule of a format is broken; else it is a remark.
    pub broken: bool,
    /// Offset in the data.
    pub offset: usize,
    /// In words.
    pub text: String,
}

impl Finding {
    pub(crate) fn broken(rule: &'static str, offset: usize, text: impl Into<String>) -> Self {
        let text = text.into();
        Self {
            rule,
            broken: true,
            offset,
            text,
        }
    }

    pub(crate) fn remark(rule: &'static str, offset: usize, text: impl Into<String>) -> Self {
        Self {
            broken: false,
            ..Self::broken(rule, offset, text)
        }
    }
}

/// What some data holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Scan {
    /// Updates by offset.
    pub hits: Vec<Hit>,
    /// Updates of other vendors.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<Other>,
    /// Firmware Interface Tables.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fit: Vec<Fit>,
    /// AMD flash images with their directories.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub psp: Vec<Rom>,
    /// Remarks and broken rules that belong to no single update.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
}

impl Scan {
    /// Whether an update or a table breaks a rule.
    #[must_use]
    pub fn is_damaged(&self) -> bool {
        self.hits.iter().any(|hit| !hit.damage().is_empty()) || self.findings.iter().any(|finding| finding.broken)
    }

    /// A table entry points to `offset`; `read` is asked where the scan saw nothing.
    fn join(&mut self, offset: usize, how: How, read: impl FnOnce() -> Option<(usize, Update)>) {
        if let Some(hit) = self.hits.iter_mut().find(|hit| hit.offset == offset) {
            hit.named_by(how);
        } else if let Some((size, update)) = read() {
            let also = Vec::new();
            self.hits.push(Hit {
                offset,
                size,
                update,
                how,
                also,
            });
        }
    }
}

/// All updates in `data`. The whole of it should be given: tables of a firmware image point anywhere
/// in it.
#[must_use]
pub fn scan(data: &[u8]) -> Scan {
    let mut sweep = Sweep::default();
    sweep.run(data, 0, 0..data.len(), true);
    let (fits, roms) = (sweep.fits, sweep.roms);
    let mut scan = sweep.scan;
    for fit in fit::read(data, &fits) {
        scan.findings.extend(fit.findings.iter().cloned());
        for entry in &fit.entries {
            if let Some(offset) = entry.update_offset() {
                let how = How::Fit { entry: entry.number };
                scan.join(offset, how, || {
                    update_at(data, offset).map(|update| (update.size, Update::Intel(update)))
                });
            }
        }
        scan.fit.push(fit);
    }
    for rom in psp::read(data, &roms) {
        scan.findings.extend(rom.findings.iter().cloned());
        for microcode in &rom.microcode {
            let how = How::PspBios {
                directory: microcode.directory,
                entry: microcode.entry,
                instance: microcode.instance,
            };
            let patch = || patch_at(data, microcode.offset, microcode.size);
            scan.join(microcode.offset, how, || {
                patch().map(|patch| (patch.size, Update::Amd(patch)))
            });
        }
        scan.psp.push(rom);
    }
    scan.hits.sort_by_key(|hit| hit.offset);
    scan.not_in_fit();
    scan
}

impl Scan {
    /// Updates that no table names are not loaded before the reset vector.
    fn not_in_fit(&mut self) {
        let names_any = |fit: &Fit| fit.entries.iter().any(|entry| entry.update_offset().is_some());
        if !self.fit.iter().any(names_any) {
            return;
        }
        let lost = self.hits.iter().filter(|hit| matches!(hit.how, How::Scan));
        let lost = lost.filter(|hit| matches!(hit.update, Update::Intel(_)));
        let text = "no entry of the FIT points to this update: the CPU does not load it before the reset vector";
        let list: Vec<_> = lost
            .map(|hit| Finding::remark("fit-not-named", hit.offset, text))
            .collect();
        self.findings.extend(list);
    }
}

#[cfg(test)]
mod tests;
