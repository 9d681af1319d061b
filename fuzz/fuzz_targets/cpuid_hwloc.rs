//! Text of hwloc-gather-cpuid.
#![no_main]

use cpuid_db::formats::hwloc;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = hwloc::parse(&String::from_utf8_lossy(bytes));
});
