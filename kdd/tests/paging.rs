//! Every kind of page table entry of made-up guests translates as it was made.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

mod captured;
mod synthetic;

use captured::{capture, preset};
use kdd::memory::paging::{AddressSpace, Cache, Kind as Found, Piece, Reason};
use kdd::memory::{Gpa, Gva, VirtualMemory as _};
use kdd::windows::{Given, discover};
use synthetic::windows::Kind;
use synthetic::windows::config::PRESETS;

#[test]
fn every_known_address_translates_as_it_was_made() {
    for name in PRESETS {
        let (_, built) = preset(name);
        let target = capture(&built.machine, true);
        let windows = discover(&target, &Given::default());
        let cache = Cache::default();
        for known in &built.truth.known {
            let mut space = windows.space(&target).unwrap().cached(&cache);
            if space.root() != Gpa(known.directory) {
                let other = AddressSpace::new(target.memory.as_ref(), space.mode(), Gpa(known.directory));
                space = other.swizzled(windows.swizzle());
            }
            let seen = space.translate(Gva(known.va));
            let context = format!("{name}: {known:x?} {seen:x?}");
            match known.kind {
                Kind::PagedOut => {
                    let reason = seen.unwrap_err().reason;
                    assert!(matches!(reason, Reason::PageFile | Reason::VadPrototype), "{context}");
                }
                Kind::DemandZero => assert_eq!(seen.unwrap_err().reason, Reason::DemandZero, "{context}"),
                Kind::Unmapped => assert_eq!(seen.unwrap_err().reason, Reason::NotPresent, "{context}"),
                kind => {
                    let found = seen.unwrap_or_else(|_| panic!("{context}"));
                    assert_eq!(Some(found.gpa.0), known.pa, "{context}");
                    let wanted = match kind {
                        Kind::Transition => Found::Transition,
                        Kind::Prototype | Kind::PrototypeTransition => Found::Prototype,
                        _ => Found::Present,
                    };
                    assert_eq!(found.kind, wanted, "{context}");
                    assert_eq!(found.large(), matches!(kind, Kind::Large | Kind::Huge), "{context}");
                }
            }
            let mut bytes = vec![0; known.bytes.len()];
            for _ in 0..2 {
                assert_eq!(space.read(Gva(known.va), &mut bytes), known.bytes.len(), "{context}");
                assert_eq!(bytes, known.bytes, "{context}");
            }
            if known.bytes.is_empty() {
                assert_eq!(space.read(Gva(known.va), &mut [0; 16]), 0, "{context}");
            }
        }
    }
}

#[test]
fn a_walk_agrees_with_single_translations() {
    for name in PRESETS {
        let (_, built) = preset(name);
        let target = capture(&built.machine, true);
        let space = discover(&target, &Given::default()).space(&target).unwrap();
        let (mut pages, mut tables, mut last) = (0, 0, None);
        for piece in space.walk(space.kernel_half(), space.last()) {
            match piece {
                Piece::Page { at, to, size, .. } => {
                    let found = space.translate(at).unwrap();
                    assert_eq!(found.gpa, to, "{name} {at}");
                    assert!(found.page_size >= size && last < Some(at), "{name} {at}");
                    (pages, last) = (pages + 1, Some(at));
                }
                Piece::Table { .. } => tables += 1,
            }
        }
        assert!(
            pages > 30 && tables > 3 && tables < pages,
            "{name}: {pages} pages, {tables} tables"
        );
    }
}
