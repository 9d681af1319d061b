//! Intel updates as text, and the report on any file.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Some(text) = microcode::dat::read(bytes) {
        let _ = text.line_and_column(text.bytes.len() / 2);
        let written = microcode::dat::write(&[(None, &text.bytes)]);
        if let Some(again) = microcode::dat::read(written.as_bytes()) {
            assert!(text.bytes.starts_with(&again.bytes));
        }
    }
    let _ = microcode::verify::check("fuzz", bytes);
});
