//! Address translation: from virtual to physical by the page tables of a guest.
//!
//! The formats follow the processor manual (Intel SDM volume 3, chapter 5): two levels of 32-bit
//! entries with 4 MiB pages (PSE, PSE-36), three levels (PAE), four and five levels of 64-bit entries
//! with 2 MiB and 1 GiB pages. An entry that the processor would refuse is read as Windows reads it:
//! a page in *transition* is still in memory, a *prototype* entry leads to the entry of a section.
//! What does not translate is a [`Fault`], which says at which level and why.
//!
//! An [`AddressSpace`] is three values and borrows a [`Cache`], so that it is made anew for every
//! request; a running guest clears the cache when it goes on.

mod cache;
mod entry;
mod walk;

pub use cache::Cache;
pub use entry::{Fault, Level, Reason, Swizzle};
pub use walk::{Piece, Walk};

use entry::{Format, Software};

use super::{Gpa, Gva, PhysicalMemory, VirtualMemory};
use crate::windows::PagingMode;

/// What an address translates to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Translation {
    /// Physical address.
    pub gpa: Gpa,
    /// Size of the page in bytes.
    pub page_size: u64,
    /// All levels allow writing.
    pub writable: bool,
    /// All levels allow access from user mode.
    pub user: bool,
    /// No level forbids execution.
    pub executable: bool,
    /// The processor's own entry, or one that only Windows understands.
    pub kind: Kind,
}

impl Translation {
    /// Whether the page is larger than 4 KiB.
    #[must_use]
    pub fn large(&self) -> bool {
        self.page_size > 0x1000
    }
}

/// Kind of a translation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Every entry on the way is present.
    Present,
    /// An entry on the way is not present, but its frame still holds the page: an access would bring it
    /// back without reading a file.
    Transition,
    /// The page belongs to a section and was found by the section's prototype entry.
    Prototype,
}

/// Virtual memory of one page directory.
#[derive(Clone, Copy)]
pub struct AddressSpace<'a> {
    memory: &'a dyn PhysicalMemory,
    mode: PagingMode,
    root: Gpa,
    cache: Option<&'a Cache>,
    swizzle: Option<Swizzle>,
}

/// Rights gathered on the way down.
#[derive(Clone, Copy)]
struct Rights {
    writable: bool,
    user: bool,
    executable: bool,
    kind: Kind,
}

impl Rights {
    const ALL: Self = Self {
        writable: true,
        user: true,
        executable: true,
        kind: Kind::Present,
    };

    fn through(self, format: Format, level: Level, entry: u64, kind: Kind) -> Self {
        // The four entries of a PAE directory pointer table have no rights.
        if matches!(format, Format::Pae) && level == Level::Pdpt {
            return self;
        }
        // In an entry in transition these bits mean something else: only the frame is taken from it.
        if kind == Kind::Transition {
            return Self { kind, ..self };
        }
        Self {
            writable: self.writable && entry & 2 != 0,
            user: self.user && entry & 4 != 0,
            executable: self.executable && (matches!(format, Format::Bits32) || entry >> 63 == 0),
            kind: self.kind,
        }
    }
}

/// Where an entry leads.
enum Step {
    Table(Gpa, Kind),
    Page(Gpa, Kind),
}

impl<'a> AddressSpace<'a> {
    /// The space of the page directory at `root` (flags and PCID in it are ignored).
    #[must_use]
    pub fn new(memory: &'a dyn PhysicalMemory, mode: PagingMode, root: Gpa) -> Self {
        Self {
            memory,
            mode,
            root: Gpa(root.0 & Format::of(mode).root_mask()),
            cache: None,
            swizzle: None,
        }
    }

    /// The same with a cache, which other spaces of the same memory may share.
    #[must_use]
    pub fn cached(self, cache: &'a Cache) -> Self {
        Self {
            cache: Some(cache),
            ..self
        }
    }

    /// The same with the guest's way to hide frames in entries that are not present.
    #[must_use]
    pub fn swizzled(self, swizzle: Option<Swizzle>) -> Self {
        Self { swizzle, ..self }
    }

    /// Kind of page tables.
    #[must_use]
    pub fn mode(&self) -> PagingMode {
        self.mode
    }

    /// Page directory.
    #[must_use]
    pub fn root(&self) -> Gpa {
        self.root
    }

    /// The memory below.
    #[must_use]
    pub fn memory(&self) -> &'a dyn PhysicalMemory {
        self.memory
    }

    /// Bytes of a pointer.
    #[must_use]
    pub fn pointer_size(&self) -> usize {
        match self.mode {
            PagingMode::Bits32 | PagingMode::Pae => 4,
            PagingMode::FourLevel | PagingMode::FiveLevel => 8,
        }
    }

    /// Translates an address.
    ///
    /// # Errors
    /// Where and why the page tables end.
    pub fn translate(&self, at: Gva) -> Result<Translation, Fault> {
        if let Some(known) = self.cache.and_then(|cache| cache.get(self.root, self.mode, at)) {
            return Ok(known);
        }
        let found = self.walk_down(at, true)?;
        if let Some(cache) = self.cache {
            cache.put(self.root, self.mode, at, found);
        }
        Ok(found)
    }

    fn walk_down(&self, at: Gva, prototypes: bool) -> Result<Translation, Fault> {
        let format = Format::of(self.mode);
        if !format.canonical(at) {
            return Err(Fault::new(at, None, Reason::NotCanonical));
        }
        let mut table = self.root;
        let mut rights = Rights::ALL;
        for level in format.levels() {
            let place = format.entry_at(table, *level, at);
            let Some(entry) = self.entry(place) else {
                return Err(Fault::new(at, Some((*level, place, 0)), Reason::TableMissing));
            };
            let fault = |reason| Fault::new(at, Some((*level, place, entry)), reason);
            match self.step(*level, entry) {
                Ok(Step::Table(next, kind)) => {
                    rights = rights.through(format, *level, entry, kind);
                    table = next;
                }
                Ok(Step::Page(frame, kind)) => {
                    let rights = rights.through(format, *level, entry, kind);
                    return Ok(self.found(at, frame, format.span(*level), rights));
                }
                Err(Reason::Prototype(address)) if prototypes && *level == Level::Pt => {
                    return self.prototype(at, address, rights).map_err(fault);
                }
                Err(reason) => return Err(fault(reason)),
            }
        }
        Err(Fault::new(at, None, Reason::NotPresent))
    }

    fn found(&self, at: Gva, frame: Gpa, page_size: u64, rights: Rights) -> Translation {
        Translation {
            gpa: Gpa(frame.0 | (at.0 & page_size.wrapping_sub(1))),
            page_size,
            writable: rights.writable,
            user: rights.user,
            executable: rights.executable,
            kind: rights.kind,
        }
    }

    fn entry(&self, place: Gpa) -> Option<u64> {
        let mut bytes = [0; 8];
        let width = Format::of(self.mode).width();
        let wanted = bytes.get_mut(..width)?;
        (self.memory.read(place, wanted) == width).then(|| u64::from_le_bytes(bytes))
    }

    /// What an entry of a level leads to.
    fn step(&self, level: Level, entry: u64) -> Result<Step, Reason> {
        let format = Format::of(self.mode);
        if entry & 1 != 0 {
            return Ok(match format.large(level, entry) {
                Some(frame) => Step::Page(frame, Kind::Present),
                None if level == Level::Pt => Step::Page(format.frame(entry), Kind::Present),
                None => Step::Table(format.frame(entry), Kind::Present),
            });
        }
        match format.software(entry, self.swizzle) {
            Software::Transition(frame) if self.holds(frame) => Ok(if level == Level::Pt {
                Step::Page(frame, Kind::Transition)
            } else {
                Step::Table(frame, Kind::Transition)
            }),
            Software::Transition(frame) => Err(Reason::TransitionMissing(frame)),
            Software::Not(reason) => Err(reason),
        }
    }

    /// Follows a prototype entry once; what it leads to is not followed further.
    fn prototype(&self, at: Gva, address: Gva, rights: Rights) -> Result<Translation, Reason> {
        let format = Format::of(self.mode);
        let unresolved = || Reason::Prototype(address);
        let place = self.walk_down(address, false).map_err(|_| unresolved())?;
        let entry = self.entry(place.gpa).ok_or_else(unresolved)?;
        let frame = if entry & 1 != 0 {
            format.frame(entry)
        } else {
            match format.software(entry, self.swizzle) {
                Software::Transition(frame) => frame,
                // In a prototype entry this bit says that the page is in the mapped file.
                Software::Not(Reason::Prototype(_)) => return Err(Reason::MappedFile),
                Software::Not(reason) => return Err(reason),
            }
        };
        if !self.holds(frame) {
            return Err(Reason::TransitionMissing(frame));
        }
        let rights = Rights {
            kind: Kind::Prototype,
            ..rights
        };
        Ok(self.found(at, frame, 0x1000, rights))
    }

    fn holds(&self, frame: Gpa) -> bool {
        let runs = self.memory.runs();
        let next = runs.partition_point(|run| run.start <= frame);
        next.checked_sub(1)
            .and_then(|index| runs.get(index))
            .is_some_and(|run| frame < run.end())
    }

    /// All that is mapped from `from` up to and without `to`: tables and pages, in order of address.
    #[must_use]
    pub fn walk(&self, from: Gva, to: Gva) -> Walk<'a> {
        Walk::new(*self, from, to)
    }

    /// All pages from `from` up to and without `to`, each with its physical address and size.
    pub fn mapped(&self, from: Gva, to: Gva) -> impl Iterator<Item = (Gva, Gpa, u64)> + use<'a> {
        self.walk(from, to).filter_map(|piece| match piece {
            Piece::Page { at, to, size, .. } => Some((at, to, size)),
            Piece::Table { .. } => None,
        })
    }

    /// First address of the half that belongs to the kernel.
    #[must_use]
    pub fn kernel_half(&self) -> Gva {
        match self.mode {
            PagingMode::Bits32 | PagingMode::Pae => Gva(0x8000_0000),
            PagingMode::FourLevel => Gva(0xffff_8000_0000_0000),
            PagingMode::FiveLevel => Gva(0xff00_0000_0000_0000),
        }
    }

    /// Last address of the space.
    #[must_use]
    pub fn last(&self) -> Gva {
        match self.mode {
            PagingMode::Bits32 | PagingMode::Pae => Gva(0xffff_ffff),
            PagingMode::FourLevel | PagingMode::FiveLevel => Gva(u64::MAX),
        }
    }
}

impl VirtualMemory for AddressSpace<'_> {
    fn read(&self, at: Gva, buffer: &mut [u8]) -> usize {
        let mut done = 0usize;
        while let Some(rest) = buffer.get_mut(done..).filter(|rest| !rest.is_empty()) {
            let Some(place) = u64::try_from(done).ok().and_then(|done| at.0.checked_add(done)) else {
                break;
            };
            let Ok(translation) = self.translate(Gva(place)) else {
                break;
            };
            let left = translation.page_size - (place & (translation.page_size - 1));
            let count = rest.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            let Some(piece) = rest.get_mut(..count) else { break };
            let read = self.memory.read(translation.gpa, piece);
            done = done.saturating_add(read);
            if read < count {
                break;
            }
        }
        done
    }
}

#[cfg(test)]
mod tests;
