//! Memory whose contents and translation are known: every kind of page table entry.

use super::Builder;
use super::layout::Architecture;
use super::pages::{PAGE, Right};
use super::truth::{Kind, Known};

const TRANSITION: u64 = 0x880;
const PROTOTYPE: u64 = 0x480;
/// Highest bit of physical addresses, and the bit that says it was set, against L1 terminal faults.
pub const HIGH_BIT: u8 = 45;
pub const SWIZZLE_BIT: u8 = 4;

/// An entry that is not valid, as the guest keeps it.
fn software(b: &Builder, entry: u64) -> u64 {
    let mask = b.truth.invalid_pte_mask;
    match entry {
        0 => 0,
        _ if mask == 0 => entry,
        _ if entry & mask == 0 => entry | mask,
        _ => entry | 1 << SWIZZLE_BIT,
    }
}

/// Writes it and notes it.
pub fn memory(b: &mut Builder) {
    let is_64 = b.config.architecture.is_64();
    let mut va: u64 = if is_64 { 0xffff_a08b_7000_0000 } else { 0x8f00_0000 };
    if b.config.l1tf {
        b.truth.invalid_pte_mask = 1 << HIGH_BIT;
    }
    let kernel = b.memory.kernel;
    let mut next = || {
        va += 0x3000;
        va
    };
    page(b, next());
    crossing(b, next());
    transition(b, next());
    if b.config.architecture != Architecture::X86 {
        prototype(b, next(), Kind::Prototype);
        prototype(b, next(), Kind::PrototypeTransition);
    }
    for (kind, entry) in [
        (Kind::PagedOut, 0x0000_1a2b_0000_2080),
        (Kind::DemandZero, 0x80),
        (Kind::Unmapped, 0),
    ] {
        let va = next();
        let entry = if b.config.architecture == Architecture::X86 && entry > 0x80 {
            0x01a2_b082
        } else {
            entry
        };
        let entry = software(b, entry);
        b.memory.raw_entry(kernel, va, entry);
        note(b, kind, va, None, Vec::new());
    }
    if is_64 {
        // The prototype entry is to be looked up in the VAD.
        let va = next();
        let entry = software(b, 0xffff_ffff_0000_0420);
        b.memory.raw_entry(kernel, va, entry);
        note(b, Kind::PagedOut, va, None, Vec::new());
    }
    // A valid entry to a device's registers: no RAM is there.
    let va = next();
    b.memory.raw_entry(kernel, va, 0xfee0_0000 | 0x7b);
    note(b, Kind::Absent, va, Some(0xfee0_0000), Vec::new());
    if b.config.architecture != Architecture::X86 {
        large(b);
    }
    if is_64 && b.config.large_pages {
        huge(b);
    }
}

fn note(b: &mut Builder, kind: Kind, va: u64, pa: Option<u64>, bytes: Vec<u8>) {
    let directory = b.memory.kernel;
    b.truth.known.push(Known {
        kind,
        directory,
        va,
        pa,
        bytes,
    });
}

fn page(b: &mut Builder, at: u64) {
    let kernel = b.memory.kernel;
    b.memory.map(kernel, at, PAGE, Right::Data);
    let bytes = b.memory.random.bytes(64);
    let va = at + 0x340;
    b.memory.write(va, &bytes);
    let pa = b.memory.translate(kernel, va);
    note(b, Kind::Page, va, pa, bytes);
}

fn crossing(b: &mut Builder, at: u64) {
    let kernel = b.memory.kernel;
    b.memory.map(kernel, at, 2 * PAGE, Right::Data);
    let bytes = b.memory.random.bytes(200);
    let va = at + PAGE - 77;
    b.memory.write(va, &bytes);
    let pa = b.memory.translate(kernel, va);
    note(b, Kind::Crossing, va, pa, bytes);
}

fn filled_page(b: &mut Builder) -> (u64, Vec<u8>) {
    let page = b.memory.page();
    let bytes = b.memory.random.bytes(64);
    b.memory.put(page + 0x7c0, &bytes);
    (page, bytes)
}

fn transition(b: &mut Builder, at: u64) {
    let (page, bytes) = filled_page(b);
    let kernel = b.memory.kernel;
    let entry = software(b, page | TRANSITION);
    b.memory.raw_entry(kernel, at, entry);
    note(b, Kind::Transition, at + 0x7c0, Some(page + 0x7c0), bytes);
}

fn prototype(b: &mut Builder, at: u64, kind: Kind) {
    let (page, bytes) = filled_page(b);
    let kernel = b.memory.kernel;
    let entry = b.pool(8);
    let value = if kind == Kind::Prototype {
        page | 0x121
    } else {
        software(b, page | TRANSITION)
    };
    b.memory.write_u64(entry, value);
    let shift = if b.config.architecture.is_64() { 16 } else { 32 };
    let entry = software(b, (entry << shift) | PROTOTYPE);
    b.memory.raw_entry(kernel, at, entry);
    note(b, kind, at + 0x7c0, Some(page + 0x7c0), bytes);
}

fn large(b: &mut Builder) {
    let va = if b.config.architecture.is_64() {
        0xffff_b201_0020_0000
    } else {
        0x9160_0000
    };
    let kernel = b.memory.kernel;
    let block = b.memory.large_page();
    b.memory.map_large(kernel, va, block, Right::Data);
    let bytes = b.memory.random.bytes(100);
    let offset = 0x12_3fd0;
    b.memory.put(block + offset, &bytes);
    note(b, Kind::Large, va + offset, Some(block + offset), bytes);
}

fn huge(b: &mut Builder) {
    let va = 0xffff_b900_4000_0000;
    let block: u64 = if b.memory.top > 5 << 30 { 4 << 30 } else { 0 };
    let kernel = b.memory.kernel;
    b.memory.map_huge(kernel, va, block);
    let page = loop {
        let page = b.memory.page();
        if (block..block + (1 << 30)).contains(&page) {
            break page;
        }
    };
    let bytes = b.memory.random.bytes(64);
    b.memory.put(page + 0x80, &bytes);
    note(b, Kind::Huge, va + page - block + 0x80, Some(page + 0x80), bytes);
}
