//! Text of `kcpuid -r`.
#![no_main]

use cpuid_db::formats::kcpuid;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = kcpuid::parse(&String::from_utf8_lossy(bytes));
});
