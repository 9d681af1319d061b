//! An image of any bytes: headers, debug record and exports, read where parts are missing.
#![no_main]

use kdd::memory::{Gva, VirtualMemory};
use kdd::windows::pe::Image;
use libfuzzer_sys::fuzz_target;

const BASE: u64 = 0xffff_f800_0000_0000;

struct Bytes<'a>(&'a [u8]);

impl VirtualMemory for Bytes<'_> {
    fn read(&self, at: Gva, buffer: &mut [u8]) -> usize {
        let start = at.0.checked_sub(BASE).map_or(usize::MAX, |start| start as usize);
        let rest = self.0.get(start..).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        count
    }
}

fuzz_target!(|bytes: &[u8]| {
    let memory = Bytes(bytes);
    if let Ok(image) = Image::read(&memory, Gva(BASE)) {
        let _ = (image.pdb(&memory), image.export_name(&memory));
        for name in ["PsLoadedModuleList", "", "a"] {
            if let Some(at) = image.export(&memory, name) {
                assert!(image.contains(at));
            }
        }
        assert!(image.data_ranges().count() <= image.sections.len());
    }
});
