//! Where the fields of a dump's header stand, for 32-bit and 64-bit dumps.
//!
//! DUMP_HEADER32 and DUMP_HEADER64 as the Windows SDK has them (`mindumpdef.h`). Windows fills the
//! header with the letters `PAGE` before it writes a field, so a field that holds them was never written.

/// First four letters of every dump.
pub(crate) const SIGNATURE: [u8; 4] = *b"PAGE";
/// What fills the room between fields.
pub(crate) const FILLER: u64 = 0x4547_4150_4547_4150;

/// Header of a dump of one width.
#[derive(Debug)]
pub(crate) struct Layout {
    /// The four letters behind the signature.
    pub valid: [u8; 4],
    /// Bytes of a pointer.
    pub pointer: usize,
    /// Length of the header; what the type asks for follows.
    pub length: usize,
    pub major: usize,
    pub minor: usize,
    pub directory: usize,
    pub pfn_database: usize,
    pub loaded_modules: usize,
    pub active_processes: usize,
    pub machine: usize,
    pub processors: usize,
    pub bug_check: usize,
    /// Four pointers.
    pub parameters: usize,
    /// A byte, 32-bit dumps only.
    pub pae: Option<usize>,
    /// A byte.
    pub secondary_version: usize,
    pub kdbg: usize,
    /// PHYSICAL_MEMORY_DESCRIPTOR: number of runs, number of pages, runs.
    pub block: usize,
    /// Bytes of it that Windows uses.
    pub block_room: usize,
    pub context: usize,
    pub context_room: usize,
    /// EXCEPTION_RECORD.
    pub exception: usize,
    pub comment: usize,
    pub dump_type: usize,
    pub fields: usize,
    pub secondary_data: usize,
    pub product_type: usize,
    pub suite_mask: usize,
    pub writer_status: usize,
    /// Length that the file must have.
    pub required: usize,
    pub system_time: usize,
    pub up_time: usize,
    /// Attributes of the file, 32 flags.
    pub attributes: usize,
}

/// Length of the comment.
pub(crate) const COMMENT_ROOM: usize = 128;

/// DUMP_HEADER32.
pub(crate) const NARROW: Layout = Layout {
    valid: *b"DUMP",
    pointer: 4,
    length: 0x1000,
    major: 0x8,
    minor: 0xc,
    directory: 0x10,
    pfn_database: 0x14,
    loaded_modules: 0x18,
    active_processes: 0x1c,
    machine: 0x20,
    processors: 0x24,
    bug_check: 0x28,
    parameters: 0x2c,
    pae: Some(0x5c),
    secondary_version: 0x5d,
    kdbg: 0x60,
    block: 0x64,
    block_room: 700,
    context: 0x320,
    context_room: 1200,
    exception: 0x7d0,
    comment: 0x820,
    dump_type: 0xf88,
    fields: 0xf8c,
    secondary_data: 0xf90,
    product_type: 0xf94,
    suite_mask: 0xf98,
    writer_status: 0xf9c,
    required: 0xfa0,
    system_time: 0xfc0,
    up_time: 0xfb8,
    attributes: 0x8a0,
};

/// DUMP_HEADER64.
pub(crate) const WIDE: Layout = Layout {
    valid: *b"DU64",
    pointer: 8,
    length: 0x2000,
    major: 0x8,
    minor: 0xc,
    directory: 0x10,
    pfn_database: 0x18,
    loaded_modules: 0x20,
    active_processes: 0x28,
    machine: 0x30,
    processors: 0x34,
    bug_check: 0x38,
    parameters: 0x40,
    pae: None,
    secondary_version: 0x104d,
    kdbg: 0x80,
    block: 0x88,
    block_room: 700,
    context: 0x348,
    context_room: 3000,
    exception: 0xf00,
    comment: 0xfb0,
    dump_type: 0xf98,
    fields: 0x1038,
    secondary_data: 0x103c,
    product_type: 0x1040,
    suite_mask: 0x1044,
    writer_status: 0x1048,
    required: 0xfa0,
    system_time: 0xfa8,
    up_time: 0x1030,
    attributes: 0x1050,
};

impl Layout {
    /// The layout that the first eight bytes of a file ask for.
    pub(crate) fn of(head: &[u8]) -> Option<&'static Self> {
        let mark = head.strip_prefix(&SIGNATURE)?;
        [&WIDE, &NARROW]
            .into_iter()
            .find(|layout| mark.starts_with(&layout.valid))
    }

    /// Offset of the first run in the physical memory block, and length of a run.
    pub(crate) const fn runs(&self) -> (usize, usize) {
        if self.pointer == 8 { (16, 16) } else { (8, 8) }
    }

    /// Runs for which the header has room.
    pub(crate) fn most_runs(&self) -> usize {
        let (first, each) = self.runs();
        self.block_room.saturating_sub(first) / each
    }
}

/// DumpType values.
pub(crate) mod kind {
    /// All memory, by the runs in the header.
    pub(crate) const FULL: u32 = 1;
    /// Memory of the kernel, by a bitmap with 32-bit lengths (Windows 2000 to 7).
    pub(crate) const SUMMARY: u32 = 2;
    /// Nothing but the header.
    pub(crate) const HEADER: u32 = 3;
    /// "Small": stack, some structures and some blocks of memory by virtual address.
    pub(crate) const TRIAGE: u32 = 4;
    /// All memory, by a bitmap with 64-bit lengths (Windows 8 on).
    pub(crate) const BITMAP_FULL: u32 = 5;
    /// The same for the kernel's memory.
    pub(crate) const BITMAP_KERNEL: u32 = 6;
    /// What Windows thought best; written as one of the others.
    pub(crate) const AUTOMATIC: u32 = 7;
    /// Kernel memory by a list of ranges (`.dump /k` of newer debuggers).
    pub(crate) const RANGES_KERNEL: u32 = 8;
    /// Kernel and user memory by a list of ranges (`.dump /ka`).
    pub(crate) const RANGES_USER: u32 = 9;
    /// All memory by a list of ranges (`.dump /f` of newer debuggers).
    pub(crate) const RANGES_FULL: u32 = 0xa;
}

/// Header of the bitmap of types 5 and 6; offsets from its begin, lengths of 64 bits.
pub(crate) mod bitmap {
    /// Mark of a bitmap of all memory.
    pub(crate) const FULL: [u8; 4] = *b"FDMP";
    /// Mark of a bitmap of the kernel's memory, and of every older one.
    pub(crate) const KERNEL: [u8; 4] = *b"SDMP";
    /// What follows either mark.
    pub(crate) const VALID: [u8; 4] = *b"DUMP";
    /// Offset of the first page in the file.
    pub(crate) const FIRST_PAGE: usize = 0x20;
    /// Pages in the file.
    pub(crate) const PRESENT: usize = 0x28;
    /// Bits in the bitmap.
    pub(crate) const BITS: usize = 0x30;
    /// The bitmap.
    pub(crate) const MAP: usize = 0x38;
}
