//! The packets of GDB's protocol, fed whole and in two pieces, which gives the same; what is written is read
//! back.
#![no_main]

use kdd::gdb::packet::{self, Cutter};
use libfuzzer_sys::fuzz_target;

fn pieces(parts: &[&[u8]]) -> Vec<String> {
    let mut cutter = Cutter::default();
    let mut pieces = Vec::new();
    for part in parts {
        cutter.push(part);
        while let Some(piece) = cutter.next_piece() {
            pieces.push(format!("{piece:?}"));
        }
    }
    pieces
}

fuzz_target!(|bytes: &[u8]| {
    let (first, second) = bytes.split_at(bytes.len() / 2);
    assert_eq!(pieces(&[bytes]), pieces(&[first, second]));
    let mut written = Vec::new();
    packet::write_binary(&mut written, b"F", bytes);
    assert_eq!(pieces(&[&written]).len(), 1, "{written:?}");
    let _ = packet::number(bytes);
});
