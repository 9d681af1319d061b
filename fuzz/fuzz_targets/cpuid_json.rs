//! Our own JSON of CPUID: what is read is written and read again.
#![no_main]

use cpuid_db::formats::{Format, parse};
use cpuid_db::write::{Output, write};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    let set = parse(Format::Json, &text).value;
    assert_eq!(parse(Format::Json, &write(Output::Json, &set)).value, set);
});
