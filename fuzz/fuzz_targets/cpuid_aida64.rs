//! Text of AIDA64 and InstLatx64: what is read is written and read again.
#![no_main]

use cpuid_db::formats::{Format, parse};
use cpuid_db::write::{Output, write};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    let set = parse(Format::Aida64, &text).value;
    assert_eq!(parse(Format::Aida64, &write(Output::Aida64, &set)).value, set);
});
