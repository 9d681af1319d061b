//! Configuration space of one function, decoded and printed.
#![no_main]

use libfuzzer_sys::fuzz_target;
use topo::pci::config::{decode, describe};

fuzz_target!(|bytes: &[u8]| {
    let config = decode(bytes).value;
    describe(&config, &mut String::new()).unwrap();
});
