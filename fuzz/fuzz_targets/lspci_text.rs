//! Text of `lspci`, any dialect.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = topo::pci::text::parse(bytes);
});
