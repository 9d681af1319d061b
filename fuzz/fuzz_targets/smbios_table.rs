//! SMBIOS: a table alone, one behind an entry point, one from Windows.
#![no_main]

use libfuzzer_sys::fuzz_target;
use topo::smbios::table;

fuzz_target!(|bytes: &[u8]| {
    let _ = table::parse_any(bytes);
    let _ = table::parse(bytes, None);
    let _ = table::parse_image(bytes);
    let _ = table::parse_rsmb(bytes);
});
