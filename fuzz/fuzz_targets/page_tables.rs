//! Page tables of any bytes: every kind translates, walks and reads without a panic or an endless walk,
//! and what a walk tells translates.
#![no_main]

use std::sync::Arc;

use kdd::memory::paging::{AddressSpace, Cache, Piece, Swizzle};
use kdd::memory::{Backing, Gpa, Gva, Segment, Source, Sparse, VirtualMemory};
use kdd::windows::PagingMode;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let length = bytes.len() as u64;
    let source: Source = Arc::new(bytes.to_vec());
    let segment = Segment {
        start: Gpa(0),
        length,
        backing: Backing::File(0),
    };
    let memory = Sparse::new(source, vec![segment]);
    let cache = Cache::default();
    for mode in [
        PagingMode::Bits32,
        PagingMode::Pae,
        PagingMode::FourLevel,
        PagingMode::FiveLevel,
    ] {
        let space = AddressSpace::new(&memory, mode, Gpa(0))
            .cached(&cache)
            .swizzled(Swizzle::new(45, 4));
        for piece in space.walk(Gva(0), space.last()).take(4096) {
            if let Piece::Page { at, to, .. } = piece {
                assert_eq!(space.translate(at).map(|found| found.gpa), Ok(to));
                let _ = space.read(at, &mut [0; 64]);
            }
        }
        for at in bytes.chunks_exact(8).take(64) {
            let at = Gva(u64::from_le_bytes(at.try_into().unwrap()));
            let _ = space.translate(at);
        }
    }
});
