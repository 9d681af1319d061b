//! `/proc/cpuinfo`.
#![no_main]

use cpuid_db::formats::cpuinfo;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = cpuinfo::read(&String::from_utf8_lossy(bytes));
});
