//! Raw dumps and test files of libcpuid.
#![no_main]

use cpuid_db::formats::{libcpuid, libcpuid_test};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    let _ = libcpuid::parse(&text);
    let _ = libcpuid_test::parse(&text);
});
