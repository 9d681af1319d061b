//! Text of `dmidecode`.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = topo::smbios::text::parse(&String::from_utf8_lossy(bytes));
});
