//! Register files.
#![no_main]

use kdd::target::registers;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let (vcpus, damage) = registers::parse(&String::from_utf8_lossy(bytes));
    assert!(vcpus.len() <= 4096 && damage.len() <= 100);
});
