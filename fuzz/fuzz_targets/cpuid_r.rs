//! Rows of `cpuid -r`: what is read is written and read again.
#![no_main]

use cpuid_db::formats::{Format, parse};
use cpuid_db::write::{Output, write};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    let set = parse(Format::CpuidR, &text).value;
    assert_eq!(parse(Format::CpuidR, &write(Output::CpuidR, &set)).value, set);
});
