//! Firmware directories of AMD images: the layout that coreboot describes ("AMD Platform Security
//! Processor (PSP) Firmware Integration Guide", `util/amdfwtool`) and PSPTool follows.
//!
//! At one of a few fixed offsets stands the embedded firmware structure. It points to directories of
//! the PSP (`$PSP`, `$PL2`) and of the BIOS (`$BHD`, `$BL2`), directly or through a combo directory
//! (`2PSP`, `2BHD`) with one row per generation. Entries of type 66h of a BIOS directory are
//! microcode patches. Pointers are addresses of an image that is mapped below 4 GiB, offsets in the
//! image, or offsets from a directory; which of them is not always said truly, so a pointer counts
//! when what it should lead to stands there.

mod address;
mod directory;
mod walk;

use schemars::JsonSchema;
use serde::Serialize;

use crate::bytes::u32_at;
use crate::scan::Finding;

pub use directory::{Directory, Entry, Kind};
use walk::Walk;

/// Where the structure can stand in an image of 16 MiB or in each 16 MiB of a larger one.
const PLACES: [usize; 7] = [
    0x2_0000, 0x12_0000, 0x82_0000, 0xc2_0000, 0xe2_0000, 0xf2_0000, 0xfa_0000,
];
const SIGNATURE: u32 = 0x55aa_55aa;
/// Words of the structure that can point to directories: from 10h on.
const POINTERS: std::ops::Range<usize> = 4..16;
/// Directories that are read; published images have less than 40.
const MOST_DIRECTORIES: usize = 128;
/// Microcode entries that are listed; published images have less than 30.
const MOST_MICROCODE: usize = 256;
const MOST_FINDINGS: usize = 256;
/// Directories that are read in all, for every image that the data could hold.
const MOST_IN_ALL: usize = 2048;

/// A microcode patch that a BIOS directory names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Microcode {
    /// Offset of the directory.
    pub directory: usize,
    /// Number of the entry, from 0.
    pub entry: usize,
    /// Instance.
    pub instance: u8,
    /// Sub-program.
    pub subprogram: u8,
    /// Offset of the patch, behind the header of a signed file where it has one.
    pub offset: usize,
    /// Length that the entry or that header says.
    pub size: usize,
}

/// A flash image with an embedded firmware structure.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Rom {
    /// Offset where the flash image begins; behind a capsule header it is not 0.
    pub base: usize,
    /// Offset of the structure.
    pub structure: usize,
    /// Directories in the order in which they are reached.
    pub directories: Vec<Directory>,
    /// Microcode entries.
    pub microcode: Vec<Microcode>,
    /// Rules that are broken, and remarks.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
}

/// Images whose structure stands at one of `candidates`, the offsets with its signature. Only those
/// that lead to a directory are given.
#[must_use]
pub fn read(data: &[u8], candidates: &[usize]) -> Vec<Rom> {
    let mut roms: Vec<Rom> = Vec::new();
    let mut walked: usize = 0;
    for structure in candidates {
        if u32_at(data, *structure) != Some(SIGNATURE) || walked > MOST_IN_ALL {
            continue;
        }
        // The same directories seen from another assumed beginning are no second image.
        let best = bases(*structure, data.len())
            .map(|base| rom(data, base, *structure))
            .inspect(|rom| walked = walked.saturating_add(rom.directories.len()))
            .max_by_key(|rom| (rom.microcode.len(), rom.directories.len(), std::cmp::Reverse(rom.base)));
        roms.extend(best.filter(|rom| !rom.directories.is_empty()));
    }
    roms
}

/// Where an image could begin whose structure stands here.
fn bases(structure: usize, length: usize) -> impl Iterator<Item = usize> {
    let starts = PLACES.into_iter().filter_map(move |place| structure.checked_sub(place));
    starts.filter(move |base| *base < length)
}

fn rom(data: &[u8], base: usize, structure: usize) -> Rom {
    let mut walk = Walk::new(data, base);
    for word in POINTERS {
        let at = structure.saturating_add(word.saturating_mul(4));
        match u32_at(data, at) {
            None | Some(0 | 0xffff_fffe | 0xffff_ffff) => {}
            Some(pointer) => walk.root(u64::from(pointer)),
        }
    }
    Rom {
        base,
        structure,
        directories: walk.directories,
        microcode: walk.microcode,
        findings: walk.findings,
    }
}

#[cfg(test)]
mod tests;
