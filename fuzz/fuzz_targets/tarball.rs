//! A tar archive. The checksum of every block that says `ustar` is put right, so that mutations
//! reach what lies behind it.
#![no_main]

use std::io::Write;

use libfuzzer_sys::fuzz_target;

const BLOCK: usize = 512;
const CHECKSUM: std::ops::Range<usize> = 148..156;
const MAGIC: std::ops::Range<usize> = 257..262;

fuzz_target!(|bytes: &[u8]| {
    let mut bytes = bytes.to_vec();
    for block in bytes.chunks_exact_mut(BLOCK).filter(|block| &block[MAGIC] == b"ustar") {
        block[CHECKSUM].fill(b' ');
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        block[CHECKSUM].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    }
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(&bytes).unwrap();
    let Ok(source) = captures::Source::open(&[file.path()]) else {
        return;
    };
    let _ = topo::open(&source);
});
