//! What `xl info -n` prints.
#![no_main]

use libfuzzer_sys::fuzz_target;
use topo::xen::info;

fuzz_target!(|bytes: &[u8]| {
    let _ = info::parse(&String::from_utf8_lossy(bytes));
});
