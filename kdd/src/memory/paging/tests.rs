//! Page tables made by hand, of every kind, whole and damaged.

use std::sync::Arc;

use super::*;
use crate::memory::{Backing, Segment, Source, Sparse};

const MISSING: Gva = Gva(0xffff_f800_1234_5000);

/// Physical memory that is written entry by entry.
struct Tables(Vec<u8>);

impl Tables {
    fn new(pages: usize) -> Self {
        Self(vec![0; pages * 0x1000])
    }

    fn put(mut self, at: usize, value: u64) -> Self {
        self.0[at..at + 8].copy_from_slice(&value.to_le_bytes());
        self
    }

    fn put32(mut self, at: usize, value: u32) -> Self {
        self.0[at..at + 4].copy_from_slice(&value.to_le_bytes());
        self
    }

    fn memory(self) -> Sparse {
        let length = self.0.len() as u64;
        self.memory_with(&[(0, length, 0)])
    }

    /// Segments: physical address, length, offset.
    fn memory_with(self, segments: &[(u64, u64, u64)]) -> Sparse {
        let source: Source = Arc::new(self.0);
        let list = segments.iter().map(|(start, length, offset)| Segment {
            start: Gpa(*start),
            length: *length,
            backing: Backing::File(*offset),
        });
        Sparse::new(source, list.collect())
    }
}

/// PML4 at 1000, PDPT at 2000, directory at 3000, table at 4000, for `fffff800_00000000`.
fn four() -> Tables {
    Tables::new(16)
        .put(0x1000 + 0x1f0 * 8, 0x2063)
        .put(0x2000, 0x3063)
        .put(0x3000, 0x4063)
}

fn space(memory: &Sparse, mode: PagingMode) -> AddressSpace<'_> {
    AddressSpace::new(memory, mode, Gpa(0x1000))
}

const BASE: u64 = 0xffff_f800_0000_0000;

#[test]
fn four_levels_lead_to_a_small_page_with_the_rights_of_all_levels() {
    let memory = four()
        .put(0x4000 + 5 * 8, 0x8000_0000_0000_7063)
        .put(0x4000 + 6 * 8, 0x8061)
        .memory();
    let space = space(&memory, PagingMode::FourLevel);
    let found = space.translate(Gva(BASE + 0x5123)).unwrap();
    assert_eq!(
        (found.gpa, found.page_size, found.writable, found.executable, found.user),
        (Gpa(0x7123), 0x1000, true, false, false)
    );
    let second = space.translate(Gva(BASE + 0x6000)).unwrap();
    assert_eq!((second.writable, second.executable), (false, true));
}

#[test]
fn large_pages_of_2_mib_and_1_gib() {
    let memory = four()
        .put(0x3000 + 8, 0x8000_0000_0060_00e3)
        .put(0x2000 + 8, 0x4000_10e3)
        .memory();
    let space = space(&memory, PagingMode::FourLevel);
    let small = space.translate(Gva(BASE + 0x20_0000 + 0x1_2345)).unwrap();
    assert_eq!(
        (small.gpa, small.page_size, small.large()),
        (Gpa(0x61_2345), 0x20_0000, true)
    );
    // Bit 12 is PAT and no part of the address.
    let large = space.translate(Gva(BASE + 0x4000_0000 + 0x123_4567)).unwrap();
    assert_eq!((large.gpa, large.page_size), (Gpa(0x4123_4567), 0x4000_0000));
}

#[test]
fn bits_above_the_physical_width_and_the_pcid_are_no_part_of_an_address() {
    let memory = four().put(0x4000, 0x7ff0_0000_0000_7063).memory();
    let space = AddressSpace::new(&memory, PagingMode::FourLevel, Gpa(0x8000_0000_0000_1ffb));
    assert_eq!(space.root(), Gpa(0x1000));
    assert_eq!(space.translate(Gva(BASE)).unwrap().gpa, Gpa(0x7000));
}

#[test]
fn five_levels_and_their_wider_canonical_addresses() {
    let memory = Tables::new(16)
        .put(0x1000 + 0x1ff * 8, 0x5063)
        .put(0x5000 + 0x1f0 * 8, 0x2063)
        .put(0x1000 + 0x100 * 8, 0x5063)
        .put(0x2000, 0x3063)
        .put(0x3000, 0x4063)
        .put(0x4000, 0x7063)
        .memory();
    let space = space(&memory, PagingMode::FiveLevel);
    assert_eq!(space.translate(Gva(BASE + 8)).unwrap().gpa, Gpa(0x7008));
    let low = Gva(0xff00_f800_0000_0010);
    assert_eq!(space.translate(low).unwrap().gpa, Gpa(0x7010));
    let four = AddressSpace::new(&memory, PagingMode::FourLevel, Gpa(0x5000));
    assert_eq!(four.translate(low).unwrap_err().reason, Reason::NotCanonical);
    let mapped: Vec<_> = space.mapped(space.kernel_half(), space.last()).collect();
    assert_eq!(
        mapped,
        [
            (Gva(0xff00_f800_0000_0000), Gpa(0x7000), 0x1000),
            (Gva(BASE), Gpa(0x7000), 0x1000)
        ]
    );
}

#[test]
fn pae_has_four_entries_without_rights_at_any_32_bytes() {
    let memory = Tables::new(16)
        .put(0x1020 + 2 * 8, 0x3001)
        .put(0x3000, 0x4063)
        .put(0x3000 + 8, 0xa0_00e3)
        .put(0x4000 + 8, 0x8000_0000_0000_7063)
        .memory();
    let space = AddressSpace::new(&memory, PagingMode::Pae, Gpa(0x1020));
    let small = space.translate(Gva(0x8000_1010)).unwrap();
    assert_eq!(
        (small.gpa, small.writable, small.executable),
        (Gpa(0x7010), true, false)
    );
    let large = space.translate(Gva(0x8020_0000 + 0x4321)).unwrap();
    assert_eq!((large.gpa, large.page_size), (Gpa(0xa0_4321), 0x20_0000));
    assert_eq!(space.translate(Gva(1 << 32)).unwrap_err().reason, Reason::NotCanonical);
}

#[test]
fn two_levels_with_4_mib_pages_up_to_40_bits() {
    let memory = Tables::new(16)
        .put32(0x1000 + 0x200 * 4, 0x3063)
        .put32(0x1000 + 0x201 * 4, 0x00c0_00e3 | 0x15 << 13)
        .put32(0x3000 + 4, 0x7061)
        .memory();
    let space = space(&memory, PagingMode::Bits32);
    let small = space.translate(Gva(0x8000_1ffc)).unwrap();
    assert_eq!((small.gpa, small.writable), (Gpa(0x7ffc), false));
    let large = space.translate(Gva(0x8040_0000 + 0x12_3456)).unwrap();
    assert_eq!((large.gpa, large.page_size), (Gpa(0x15_00d2_3456), 0x40_0000));
}

#[test]
fn pages_in_transition_are_read_from_their_frame() {
    let memory = four()
        .put(0x4000, 0x7000 | 1 << 11 | 4 << 5)
        .put(0x4008, 0x0123_4567_0000_0000 | 4 << 5)
        .put(0x4010, 4 << 5)
        .put(0x4018, 0x77_0000 | 1 << 11)
        .memory();
    let space = space(&memory, PagingMode::FourLevel);
    let found = space.translate(Gva(BASE + 7)).unwrap();
    assert_eq!((found.gpa, found.kind), (Gpa(0x7007), Kind::Transition));
    let reason = |page: u64| space.translate(Gva(BASE + page * 0x1000)).unwrap_err().reason;
    assert_eq!(reason(1), Reason::PageFile);
    assert_eq!(reason(2), Reason::DemandZero);
    assert_eq!(reason(3), Reason::TransitionMissing(Gpa(0x77_0000)));
    assert_eq!(reason(4), Reason::NotPresent);
}

#[test]
fn a_swizzled_transition_entry_needs_the_bit_that_the_kernel_names() {
    let high = 1u64 << 45;
    let memory = four()
        .put(0x4000, 0x7000 | 1 << 11 | high)
        .put(0x4008, 0x7000 | 1 << 11 | 1 << 4)
        .memory();
    let plain = space(&memory, PagingMode::FourLevel);
    assert_eq!(
        plain.translate(Gva(BASE)).unwrap_err().reason,
        Reason::TransitionMissing(Gpa(0x7000 | high))
    );
    let knowing = plain.swizzled(Swizzle::new(45, 4));
    assert_eq!(knowing.translate(Gva(BASE)).unwrap().gpa, Gpa(0x7000));
    assert_eq!(knowing.translate(Gva(BASE + 0x1000)).unwrap().gpa, Gpa(0x7000));
    assert_eq!(Swizzle::new(0, 0), None);
}

#[test]
fn a_prototype_entry_is_followed_once() {
    let prototype = |address: u64| address << 16 | 1 << 10;
    let memory = four()
        .put(0x4000, 0x6063)
        .put(0x4008, prototype(BASE + 0x100))
        .put(0x4010, prototype(BASE + 0x108))
        .put(0x4018, prototype(BASE + 0x110))
        .put(0x4020, 0xffff_ffff_0000 << 16 | 1 << 10)
        .put(0x4028, prototype(BASE + 0x5000))
        .put(0x6100, 0x7963)
        .put(0x6108, 0x8000 | 1 << 11)
        .put(0x6110, prototype(BASE + 0x108))
        .memory();
    let space = space(&memory, PagingMode::FourLevel);
    let at = |page: u64| space.translate(Gva(BASE + page * 0x1000 + 3));
    assert_eq!(
        at(1).map(|found| (found.gpa, found.kind)),
        Ok((Gpa(0x7003), Kind::Prototype))
    );
    assert_eq!(at(2).map(|found| found.gpa), Ok(Gpa(0x8003)));
    assert_eq!(at(3).unwrap_err().reason, Reason::MappedFile);
    assert_eq!(at(4).unwrap_err().reason, Reason::VadPrototype);
    // An entry that names itself ends.
    assert_eq!(at(5).unwrap_err().reason, Reason::Prototype(Gva(BASE + 0x5000)));
}

#[test]
fn a_fault_says_at_which_level_and_how_far_it_reaches() {
    let memory = four().memory();
    let space = space(&memory, PagingMode::FourLevel);
    let fault = space.translate(MISSING).unwrap_err();
    assert_eq!(fault.entry, Some((Level::Pd, Gpa(0x3000 + 0x91 * 8), 0)));
    assert_eq!(fault.next(PagingMode::FourLevel), Some(Gva(0xffff_f800_1240_0000)));
    assert_eq!(fault.previous(PagingMode::FourLevel), Some(Gva(0xffff_f800_121f_ffff)));
    assert!(
        fault
            .to_string()
            .contains("page directory entry at 0x0000000000003488 is 0x0: not present"),
        "{fault}"
    );
    let top = space.translate(Gva(0xffff_ffff_ffff_f000)).unwrap_err();
    assert_eq!(top.next(PagingMode::FourLevel), None);
}

#[test]
fn a_missing_table_is_a_fault_and_not_a_page_of_zeroes() {
    let memory = four()
        .put(0x4000, 0x7063)
        .memory_with(&[(0, 0x4000, 0), (0x5000, 0x3000, 0x5000)]);
    let fault = space(&memory, PagingMode::FourLevel).translate(Gva(BASE)).unwrap_err();
    assert_eq!(
        (fault.reason, fault.entry.map(|entry| entry.1)),
        (Reason::TableMissing, Some(Gpa(0x4000)))
    );
}

#[test]
fn reads_cross_pages_and_end_at_the_first_missing_one() {
    let memory = four()
        .put(0x4000, 0x7063)
        .put(0x4008, 0x9063)
        .put(0x7ff8, 0x1111_1111_1111_1111)
        .put(0x9000, 0x2222_2222_2222_2222)
        .memory();
    let cache = Cache::default();
    let space = space(&memory, PagingMode::FourLevel).cached(&cache);
    for _ in 0..2 {
        let mut buffer = [0; 16];
        assert_eq!(space.read(Gva(BASE + 0xff8), &mut buffer), 16);
        assert_eq!(buffer, [[0x11; 8], [0x22; 8]].concat()[..]);
    }
    assert_eq!(space.read(Gva(BASE + 0x1ff0), &mut [0; 32]), 16);
    assert_eq!(space.read(Gva(u64::MAX), &mut [0; 32]), 0);
}

#[test]
fn a_cache_tells_spaces_apart_and_forgets_when_cleared() {
    let memory = four()
        .put(0x4000, 0x7063)
        .put(0xa000 + 0x1f0 * 8, 0xb063)
        .put(0xb000, 0x1e3)
        .memory();
    let cache = Cache::default();
    let first = space(&memory, PagingMode::FourLevel).cached(&cache);
    let second = AddressSpace::new(&memory, PagingMode::FourLevel, Gpa(0xa000)).cached(&cache);
    for _ in 0..2 {
        assert_eq!(first.translate(Gva(BASE + 5)).unwrap().gpa, Gpa(0x7005));
        assert_eq!(second.translate(Gva(BASE + 5)).unwrap().gpa, Gpa(5));
        cache.clear();
    }
}

#[test]
fn a_walk_tells_pages_and_tables_and_leaves_the_self_map_out() {
    let memory = four()
        .put(0x1000 + 0x1ed * 8, 0x1063)
        .put(0x3000 + 8, 0x60_00e3)
        .put(0x4000, 0x7063)
        .put(0x4000 + 511 * 8, 0x8000 | 1 << 11)
        .memory();
    let space = space(&memory, PagingMode::FourLevel);
    let pages: Vec<_> = space.mapped(space.kernel_half(), space.last()).collect();
    let expected = [
        (Gva(BASE), Gpa(0x7000), 0x1000),
        (Gva(BASE + 0x1f_f000), Gpa(0x8000), 0x1000),
        (Gva(BASE + 0x20_0000), Gpa(0x60_0000), 0x20_0000),
    ];
    assert_eq!(pages, expected);
    // A range cuts large pages.
    let part: Vec<_> = space.mapped(Gva(BASE + 0x20_1000), Gva(BASE + 0x20_3000)).collect();
    assert_eq!(part, [(Gva(BASE + 0x20_1000), Gpa(0x60_1000), 0x2000)]);
    let tables = space
        .walk(Gva(0), space.last())
        .filter(|piece| matches!(piece, Piece::Table { .. }));
    assert_eq!(tables.count(), 4);
    // The self map itself translates: the table's own entries are read through it.
    assert_eq!(space.translate(Gva(0xffff_f6fb_7dbe_df68)).unwrap().gpa, Gpa(0x1f68));
}

#[test]
fn tables_in_a_loop_end() {
    // Every entry of four tables leads to the next table.
    let mut tables = Tables::new(5);
    for table in 1..5usize {
        for entry in 0..512 {
            let next = if table == 4 { 1 } else { table + 1 };
            tables = tables.put(table * 0x1000 + entry * 8, (next as u64) << 12 | 0x63);
        }
    }
    let memory = tables.memory();
    for mode in [
        PagingMode::FourLevel,
        PagingMode::FiveLevel,
        PagingMode::Pae,
        PagingMode::Bits32,
    ] {
        let space = space(&memory, mode);
        assert!(space.walk(Gva(0), space.last()).count() < 20_000);
    }
}

#[test]
fn mutated_tables_neither_panic_nor_hang() {
    let mut state = 0x1234_5678_9abc_def1u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for _ in 0..500 {
        let mut tables = four().put(0x4000, 0x7063).put(0x1000 + 0x1ed * 8, 0x1063);
        for _ in 0..1 + random() % 24 {
            let at = (random() % 0xfff0) as usize;
            tables = tables.put(at, random() & [u64::MAX, 0xffff, 0xf_f0e3][(random() % 3) as usize]);
        }
        let memory = tables.memory();
        for mode in [
            PagingMode::FourLevel,
            PagingMode::FiveLevel,
            PagingMode::Pae,
            PagingMode::Bits32,
        ] {
            let space = space(&memory, mode).swizzled(Swizzle::new(45, 4));
            for page in 0..16 {
                let _ = space.translate(Gva(BASE + page * 0x1000));
                let _ = space.translate(Gva(random() >> 32));
            }
            assert!(space.walk(space.kernel_half(), space.last()).take(100_000).count() < 100_000);
        }
    }
}
