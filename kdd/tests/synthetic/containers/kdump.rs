//! kdump-compressed files as QEMU's dump/dump.c and makedumpfile write them.

use std::io::Write as _;

use super::elf_core;
use super::raw::Out;
use crate::synthetic::machine::Machine;

/// How a page is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packing {
    Plain,
    Zlib,
    Lzo,
    Snappy,
    Zstd,
}

/// A file's form.
#[derive(Clone, Debug)]
pub struct Form {
    /// Words of 8 bytes, or of 4.
    pub wide: bool,
    /// Version of the headers.
    pub version: u32,
    /// Packings of the pages, in turn.
    pub packings: Vec<Packing>,
    /// Frames that a file of a split dump holds.
    pub split: Option<(u64, u64)>,
    /// Bits of the status besides the packing's.
    pub status: u32,
}

impl Default for Form {
    fn default() -> Self {
        Self {
            wide: true,
            version: 6,
            packings: vec![Packing::Zlib],
            split: None,
            status: 0,
        }
    }
}

fn pack(page: &[u8], packing: Packing) -> (u32, Vec<u8>) {
    match packing {
        Packing::Plain => (0, page.to_vec()),
        Packing::Zlib => {
            let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(page).unwrap();
            (1, encoder.finish().unwrap())
        }
        Packing::Lzo => (2, lzokay::compress::compress(page).unwrap()),
        Packing::Snappy => (4, snap::raw::Encoder::new().compress_vec(page).unwrap()),
        Packing::Zstd => {
            let mut packed = vec![0; zstd_safe::compress_bound(page.len())];
            let length = zstd_safe::compress(packed.as_mut_slice(), page, 1).unwrap();
            packed.truncate(length);
            (0x20, packed)
        }
    }
}

/// A plain file. Pages of zeroes share one descriptor's bytes, as QEMU has it.
pub fn write(machine: &Machine, form: &Form) -> Vec<u8> {
    let frames = machine.top / 4096;
    let notes = elf_core::notes(machine).0;
    let sub = if form.wide { 104 } else { 80 };
    let sub_blocks = (sub + notes.len()).div_ceil(4096);
    let bitmap = (frames.div_ceil(8) as usize).next_multiple_of(4096);
    let all = form
        .packings
        .iter()
        .fold(0, |all, packing| all | pack(&[0; 4096], *packing).0);
    let mut out = Out::default();
    out.bytes(b"KDUMP   ").u32(form.version);
    for text in [
        "Linux",
        "box",
        "6.1.0",
        "#1",
        if form.wide { "x86_64" } else { "i686" },
        "",
    ] {
        let start = out.0.len();
        out.bytes(text.as_bytes()).to(start + 65);
    }
    out.to(if form.wide { 424 } else { 412 });
    out.u32(all | form.status)
        .u32(4096)
        .u32(sub_blocks as u32)
        .u32(2 * bitmap as u32 / 4096);
    out.u32(frames as u32)
        .u32(0)
        .u32(0)
        .u32(0)
        .u32(0)
        .u32(machine.cpus.len() as u32);
    out.to(4096);
    let word = |out: &mut Out, value: u64| {
        if form.wide {
            out.u64(value);
        } else {
            out.u32(value as u32);
        }
    };
    let (first, end) = form.split.unwrap_or((0, 0));
    word(&mut out, 0);
    out.u32(1).u32(form.split.is_some().into());
    word(&mut out, first);
    word(&mut out, end);
    out.u64(0);
    word(&mut out, 0);
    out.u64(4096 + sub as u64);
    word(&mut out, notes.len() as u64);
    out.u64(0);
    word(&mut out, 0);
    out.u64s(&[first, end, frames]);
    assert_eq!(out.0.len(), 4096 + sub);
    out.bytes(&notes).align(4096);
    for _ in 0..2 {
        let mut bits = vec![0u8; bitmap];
        for page in machine.pages.keys() {
            let frame = (page / 4096) as usize;
            bits[frame / 8] |= 1 << (frame % 8);
        }
        out.bytes(&bits);
    }
    let (first, end) = form.split.unwrap_or((0, u64::MAX));
    let held: Vec<&Vec<u8>> = machine
        .pages
        .range(first * 4096..end.saturating_mul(4096))
        .map(|(_, page)| page)
        .collect();
    let mut offset = (out.0.len() + 24 * held.len()) as u64;
    let mut data = Vec::new();
    let mut zeroes = None;
    for (page, packing) in held.iter().zip(form.packings.iter().cycle()) {
        let zero = page.iter().all(|byte| *byte == 0);
        let (flags, packed) = pack(page, *packing);
        let place = (offset, packed.len() as u32, flags);
        let (at, length, flags) = if zero { *zeroes.get_or_insert(place) } else { place };
        if at == offset {
            offset += packed.len() as u64;
            data.extend(packed);
        }
        out.u64(at).u32(length).u32(flags).u64(0);
    }
    out.bytes(&data);
    out.0
}

/// The older form, without a sub header and with one bitmap.
pub fn diskdump(machine: &Machine) -> Vec<u8> {
    let frames = machine.top / 4096;
    let mut out = Out::default();
    out.bytes(b"DISKDUMP").u32(1).to(424);
    out.u32(0).u32(4096).u32(1).u32(1).u32(frames as u32).to(2 * 4096);
    let mut bits = vec![0u8; 4096];
    for page in machine.pages.keys() {
        let frame = (page / 4096) as usize;
        bits[frame / 8] |= 1 << (frame % 8);
    }
    out.bytes(&bits);
    let mut at = (out.0.len() + 24 * machine.pages.len()) as u64;
    for _ in machine.pages.values() {
        out.u64(at).u32(4096).u32(0).u64(0);
        at += 4096;
    }
    machine.pages.values().for_each(|page| {
        out.bytes(page);
    });
    out.0
}

/// A file in pieces of so many bytes: from the front, or the pieces of even number behind the others.
pub fn flattened(file: &[u8], piece: usize, shuffled: bool) -> Vec<u8> {
    let mut out = Out::default();
    out.bytes(b"makedumpfile\0\0\0\0")
        .bytes(&1i64.to_be_bytes())
        .bytes(&1i64.to_be_bytes())
        .to(4096);
    let pieces: Vec<(usize, &[u8])> = file.chunks(piece).enumerate().collect();
    let even = |(number, _): &&(usize, &[u8])| number % 2 == 0;
    let ordered: Vec<&(usize, &[u8])> = if shuffled {
        pieces
            .iter()
            .filter(|piece| !even(piece))
            .chain(pieces.iter().filter(even))
            .collect()
    } else {
        pieces.iter().collect()
    };
    for (number, bytes) in ordered {
        out.bytes(&((number * piece) as i64).to_be_bytes());
        out.bytes(&(bytes.len() as i64).to_be_bytes()).bytes(bytes);
    }
    out.bytes(&[0xff; 16]);
    out.0
}
