//! Captured traffic: pcap and pcapng files, texts, records, raw bytes; decoded, printed and played again.
#![no_main]

use kdd::decode;
use kdd::kdnet::key::Key;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let key = Key::from_bytes(&[7; 32]);
    for key in [None, Some(&key)] {
        let decoded = decode::read(bytes, key);
        for row in &decoded.rows {
            let _ = decode::print(row, &mut std::io::sink());
        }
        let _ = decode::record(bytes, key);
    }
});
