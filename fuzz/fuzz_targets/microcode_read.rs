//! Microcode files of Intel and AMD.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = microcode::read(bytes);
    let _ = microcode::intel::read(bytes);
    let _ = microcode::amd::read(bytes);
    let _ = microcode::amd::read_patch(bytes);
});
