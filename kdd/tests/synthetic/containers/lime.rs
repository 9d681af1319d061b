//! LiME and AVML.

use std::io::Write as _;

use super::raw::Out;
use crate::synthetic::machine::Machine;

fn bytes(machine: &Machine, start: u64, length: u64) -> Vec<u8> {
    let pages = machine.pages.range(start..start + length);
    pages.map(|(_, bytes)| bytes.clone()).collect::<Vec<_>>().concat()
}

/// A header and the bytes for each run.
pub fn lime(machine: &Machine) -> Vec<u8> {
    let mut out = Out::default();
    for (start, length) in machine.runs() {
        out.u32(0x4c69_4d45).u32(1).u64s(&[start, start + length - 1, 0]);
        out.bytes(&bytes(machine, start, length));
    }
    out.0
}

/// A header, frames of snappy, and the length of the frames, for each `block` bytes of each run.
pub fn avml(machine: &Machine, block: u64) -> Vec<u8> {
    let mut out = Out::default();
    for (start, length) in machine.runs() {
        for at in (start..start + length).step_by(block as usize) {
            let size = block.min(start + length - at);
            out.u32(0x4c4d_5641).u32(2).u64s(&[at, at + size - 1, 0]);
            let begin = out.0.len();
            let mut frames = snap::write::FrameEncoder::new(&mut out.0);
            frames.write_all(&bytes(machine, at, size)).unwrap();
            frames.flush().unwrap();
            drop(frames);
            let count = out.0.len() - begin;
            out.u64(count as u64);
        }
    }
    out.0
}
