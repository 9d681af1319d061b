//! Templates and fingerprints of Firecracker, read and written.
#![no_main]

use cpuid_db::firecracker;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    let guest = firecracker::read(&text).value;
    if let Ok(written) = firecracker::write(&guest) {
        assert_eq!(firecracker::read(&written).value, guest);
    }
    let _ = firecracker::leaves(&firecracker::template(&text).value);
});
