//! A compressed stream of an initrd: whatever the bytes, every codec ends, and what it says at the end it
//! says again.
#![no_main]

use std::io::Read;

use libfuzzer_sys::fuzz_target;
use microcode::codec::{Codec, decoder};

fuzz_target!(|bytes: &[u8]| {
    for codec in Codec::ALL {
        let mut source = bytes;
        let Ok(mut reader) = decoder(codec, &mut source) else {
            continue;
        };
        let mut unpacked = Vec::new();
        if let Err(error) = reader.by_ref().take(8 << 20).read_to_end(&mut unpacked) {
            let again = reader.read(&mut [0; 16]).map_err(|error| error.to_string());
            assert_eq!(again, Err(error.to_string()));
        }
    }
});
