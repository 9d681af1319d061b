//! The debugger data block (KDDEBUGGER_DATA64, "KDBG") and the version block that leads to it.
//!
//! The layout is that of `wdbgexts.h` of the Windows SDK; both blocks are of 64-bit fields in 32-bit
//! kernels too, with pointers extended by their sign.
//!
//! Since Windows 8 the x64 kernel keeps the block encoded while no debugger is attached. It is decoded
//! here without symbols, see [`encoded`]. What a debugger must read in place of the guest's bytes is an
//! [`Overlay`].

pub mod encoded;
pub mod synthesise;

use super::fields::{debugger_pointer, read, read_pointer, read_some, u16_at, u32_at, u64_at};
use super::pe::Image;
use super::{Architecture, Kdbg, KdbgState, Overlay, VersionBlock, builds};
use crate::memory::paging::AddressSpace;
use crate::memory::{Gpa, Gva, VirtualMemory};

/// Bytes of DBGKD_GET_VERSION64.
const VERSION: usize = 40;
/// Sizes that a KDBG has had, with room for more.
const SIZES: std::ops::RangeInclusive<u32> = 0x208..=0x1000;
/// Bytes that are read at a time.
const CHUNK: usize = 0x1_0000;
/// What is searched where the headers of the image are missing.
const UNKNOWN_IMAGE: u64 = 16 << 20;

/// The kernel, as far as the search needs it.
#[derive(Clone, Copy)]
pub struct Place<'a> {
    /// Memory.
    pub space: &'a dyn VirtualMemory,
    /// Machine code.
    pub architecture: Architecture,
    /// Base of the image.
    pub base: Gva,
    /// Its headers, where they are there.
    pub image: Option<&'a Image>,
}

impl Place<'_> {
    /// Bytes of a pointer.
    #[must_use]
    pub fn pointer(&self) -> usize {
        match self.architecture {
            Architecture::X64 => 8,
            Architecture::X86 => 4,
        }
    }

    /// Whether an address is one of the kernel's half.
    #[must_use]
    pub fn kernel(&self, at: Gva) -> bool {
        match self.architecture {
            Architecture::X64 => at.0 >> 47 == 0x1_ffff || at.0 >> 56 == 0xff,
            Architecture::X86 => at.0 >> 31 == 1,
        }
    }

    /// Calls `test` with pieces of the kernel's data, each with its address and with `ahead` bytes more
    /// behind it where they are there, until it gives something.
    pub(super) fn data<T>(&self, ahead: usize, mut test: impl FnMut(Gva, &[u8]) -> Option<T>) -> Option<T> {
        let ranges: Vec<(Gva, u64)> = match self.image {
            Some(image) => image.data_ranges().collect(),
            None => vec![(self.base, UNKNOWN_IMAGE)],
        };
        let mut buffer = vec![0; CHUNK.saturating_add(ahead)];
        for (start, length) in ranges {
            let mut done = 0u64;
            while done < length {
                let at = start.plus(done);
                let left = usize::try_from(length - done).unwrap_or(CHUNK).min(CHUNK);
                let count = self.space.read(at, buffer.get_mut(..left.saturating_add(ahead))?);
                if let Some(found) = test(at, buffer.get(..count)?) {
                    return Some(found);
                }
                // Behind what is there begins a page that is missing.
                let read = u64::try_from(count.min(left)).ok()?;
                done = if count < left {
                    (done + read + 0x1000) & !0xfff
                } else {
                    done + read
                };
            }
        }
        None
    }
}

/// Finds KdVersionBlock: the one place in the kernel's data with the kernel's base behind a version.
#[must_use]
pub fn version_block(place: &Place<'_>, kpcrs: &[Gva]) -> Option<VersionBlock> {
    // 32-bit kernels have its address in the KPCR of the first processor.
    let named = kpcrs.iter().filter(|_| place.architecture == Architecture::X86);
    let mut named = named.filter_map(|kpcr| read_pointer(place.space, kpcr.plus(0x34), 4));
    named.find_map(|at| version(place, at)).or_else(|| {
        place.data(0, |start, bytes| {
            let words = bytes.chunks_exact(8).zip((start.0..).step_by(8));
            words
                .filter(|(word, _)| u64_at(word, 0).is_some_and(|word| is_base(place, word)))
                .find_map(|(_, at)| version(place, Gva(at.checked_sub(16)?)))
        })
    })
}

fn is_base(place: &Place<'_>, word: u64) -> bool {
    let plain = debugger_pointer(word, place.pointer());
    // A 32-bit pointer in 64 bits has its sign above it, or nothing.
    plain == place.base && matches!(word >> 32, 0 | 0xffff_ffff) | (place.pointer() == 8)
}

fn version(place: &Place<'_>, at: Gva) -> Option<VersionBlock> {
    let bytes: [u8; VERSION] = read(place.space, at)?;
    let (major, build) = (u16_at(&bytes, 0)?, u16_at(&bytes, 2)?);
    let (protocol, flags, machine) = (*bytes.get(4)?, u16_at(&bytes, 6)?, u16_at(&bytes, 8)?);
    let expected = match place.architecture {
        Architecture::X64 => 0x8664,
        Architecture::X86 => 0x14c,
    };
    let pointer = |offset| u64_at(&bytes, offset).map(|word| debugger_pointer(word, place.pointer()));
    let (loaded_modules, debugger_data) = (pointer(24)?, pointer(32)?);
    let right = matches!(major & 0xff, 0xf | 0xc)
        && builds::plausible(build.into())
        && matches!(protocol, 5 | 6)
        && machine == expected
        && is_base(place, u64_at(&bytes, 16)?)
        && place.kernel(loaded_modules);
    right.then_some(VersionBlock {
        at,
        bytes,
        build,
        flags,
        loaded_modules,
        debugger_data,
    })
}

/// A KDBG that stands plain at an address, whole and with the right tag and base.
#[must_use]
pub fn plain(place: &Place<'_>, at: Gva) -> Option<Vec<u8>> {
    let header: [u8; 32] = read(place.space, at)?;
    let size = u32_at(&header, 20).filter(|size| SIZES.contains(size))?;
    let right = header.get(16..20)? == b"KDBG" && is_base(place, u64_at(&header, 24)?);
    let length = usize::try_from(size).ok()?;
    right
        .then(|| read_some(place.space, at, length))
        .filter(|bytes| bytes.len() == length)
}

/// Base of the kernel in the bytes of a KDBG, for which nothing else speaks.
#[must_use]
pub fn base_in(bytes: &[u8], pointer: usize) -> Option<Gva> {
    let right = bytes.get(16..20)? == b"KDBG" && SIZES.contains(&u32_at(bytes, 20)?);
    let base = debugger_pointer(u64_at(bytes, 24)?, pointer);
    (right && base.offset() == 0 && base.0 != 0).then_some(base)
}

/// Finds the KDBG: at the addresses that are known, each with where it comes from; then in the kernel's
/// data, first plain, then encoded.
#[must_use]
pub fn find(place: &Place<'_>, known: &[(Gva, String)]) -> Option<Kdbg> {
    let made = |at: Gva, from: String, state, bytes| Kdbg { at, from, state, bytes };
    for (at, from) in known {
        if let Some(bytes) = plain(place, *at) {
            return Some(made(*at, from.clone(), KdbgState::Plain, bytes));
        }
        if let Some(bytes) = encoded::at(place, *at) {
            return Some(made(*at, from.clone(), KdbgState::Decoded, bytes));
        }
    }
    let scanned = || "scan of the kernel's data".to_owned();
    let tag = place.data(0, |start, bytes| {
        let words = bytes.chunks_exact(8).zip((start.0..).step_by(8));
        words.filter(|(word, _)| word.starts_with(b"KDBG")).find_map(|(_, at)| {
            let at = Gva(at.checked_sub(16)?);
            plain(place, at).map(|bytes| made(at, scanned(), KdbgState::Plain, bytes))
        })
    });
    tag.or_else(|| encoded::scan(place).map(|(at, bytes)| made(at, scanned(), KdbgState::Decoded, bytes)))
}

/// The KDBG at the head of the debugger data list.
#[must_use]
pub fn listed(place: &Place<'_>, version: Option<&VersionBlock>) -> Option<(Gva, String)> {
    let head = version?.debugger_data;
    let at = read_pointer(place.space, head, place.pointer())?;
    (place.kernel(at) && at != head).then(|| (at, format!("debugger data list at {head}")))
}

/// Address of the list entry whose Flink a debugger takes for the KDBG.
#[must_use]
pub fn list_head(kdbg: &Kdbg, version: Option<&VersionBlock>, pointer: usize) -> Gva {
    let named = version.map(|version| version.debugger_data).filter(|head| head.0 != 0);
    let first = || match pointer {
        4 => u32_at(&kdbg.bytes, 0).map(u64::from),
        _ => u64_at(&kdbg.bytes, 0),
    };
    match kdbg.state {
        // A block of our own is its own list.
        KdbgState::Synthesised => kdbg.at,
        _ => named
            .or_else(|| first().filter(|at| *at != 0).map(Gva))
            .unwrap_or(kdbg.at),
    }
}

/// What a debugger must read differently so that it finds the block: the plain block itself, and the
/// list entry that leads to it, each only where memory does not read so.
#[must_use]
pub fn overlays(place: &Place<'_>, paging: Option<&AddressSpace<'_>>, kdbg: &Kdbg, head: Gva) -> Vec<Overlay> {
    let pointer = kdbg.at.0.to_le_bytes();
    let link = pointer.get(..place.pointer()).unwrap_or_default();
    let wanted = [(kdbg.at, kdbg.bytes.clone()), (head, [link, link].concat())];
    let inside = |at: Gva| at >= kdbg.at && at < kdbg.at.plus(u64::try_from(kdbg.bytes.len()).unwrap_or_default());
    let differs = |(at, bytes): &(Gva, Vec<u8>)| {
        // Of the list entry only the first link counts: others may be in the list.
        let length = if *at == head { place.pointer() } else { bytes.len() };
        bytes.get(..length) != Some(read_some(place.space, *at, length).as_slice())
    };
    let blocks = wanted.into_iter().enumerate();
    let needed = blocks
        .filter(|(index, (at, _))| *index == 0 || !inside(*at))
        .map(|(_, block)| block);
    needed
        .filter(differs)
        .map(|(at, bytes)| Overlay {
            at,
            physical: paging.map(|space| pieces(space, at, bytes.len())).unwrap_or_default(),
            bytes,
        })
        .collect()
}

/// Where a range stands in physical memory, piece by piece; pages that are not mapped are left out.
#[must_use]
pub fn pieces(space: &AddressSpace<'_>, at: Gva, length: usize) -> Vec<(Gpa, usize, usize)> {
    let mut pieces = Vec::new();
    let mut done = 0usize;
    while done < length {
        let here = at.plus(u64::try_from(done).unwrap_or(u64::MAX));
        let in_page = usize::try_from(0x1000 - here.offset()).unwrap_or(0x1000);
        let count = in_page.min(length - done);
        if let Ok(found) = space.translate(here) {
            pieces.push((found.gpa, done, count));
        }
        done += count;
    }
    pieces
}
