//! CPUID dumps in every text format, and the topology that follows from them.
#![no_main]

use cpuid_db::formats::{Format, detect_and_parse, parse};
use cpuid_db::topology;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    let _ = detect_and_parse(&text);
    for format in Format::ALL {
        let _ = topology::decode(&parse(format, &text).value);
    }
});
