//! Memory of a guest: addresses, where its bytes stand in a file, page tables.

pub mod address;
pub mod paging;
pub mod physical;
pub mod source;

pub use address::{Gpa, Gva};
pub use physical::{Backing, PhysicalMemory, Run, Segment, Sparse};
pub use source::{ReadAt, Source};

/// Memory by virtual address: an address space, or the blocks of a triage dump.
pub trait VirtualMemory {
    /// Reads from `at` on. Gives the bytes read before the first one that is not there; the rest of
    /// `buffer` holds no meaning.
    fn read(&self, at: Gva, buffer: &mut [u8]) -> usize;
}
