//! A guest written to a file page by page, without all of its RAM in memory: a raw image with holes, a
//! full Windows dump.

use std::fs::File;
use std::io::{Result, Seek, SeekFrom, Write};

use super::super::machine::Machine;
use super::truth::Truth;

/// Writes a raw image; RAM without pages stays a hole in the file.
pub fn write_raw_file(machine: &Machine, file: &mut File) -> Result<()> {
    file.set_len(machine.top)?;
    for (page, bytes) in &machine.pages {
        if bytes.iter().any(|byte| *byte != 0) {
            file.seek(SeekFrom::Start(*page))?;
            file.write_all(bytes)?;
        }
    }
    Ok(())
}

/// Writes every page at its place in a raw image that is there.
pub fn write_pages(machine: &Machine, file: &mut File) -> Result<()> {
    for (page, bytes) in &machine.pages {
        file.seek(SeekFrom::Start(*page))?;
        file.write_all(bytes)?;
    }
    Ok(())
}

/// Offsets in the header of a dump, 32-bit and 64-bit.
struct Header {
    bytes: Vec<u8>,
    is_64: bool,
}

impl Header {
    fn put(&mut self, at: usize, value: &[u8]) {
        self.bytes[at..at + value.len()].copy_from_slice(value);
    }

    fn half(&mut self, at: (usize, usize), value: u32) {
        let at = if self.is_64 { at.1 } else { at.0 };
        self.put(at, &value.to_le_bytes());
    }

    fn word(&mut self, at: (usize, usize), value: u64) {
        if self.is_64 {
            self.put(at.1, &value.to_le_bytes());
        } else {
            self.put(at.0, &(value as u32).to_le_bytes());
        }
    }
}

/// Writes a full dump as the debugger's `.dump /f` lays it out, with the addresses of the guest.
pub fn write_dump_file(machine: &Machine, truth: &Truth, file: &mut File) -> Result<()> {
    file.write_all(&dump_header(machine, truth, 1))?;
    for bytes in machine.pages.values() {
        file.write_all(bytes)?;
    }
    Ok(())
}

/// The header of a dump of some type, with the addresses of the guest.
pub fn dump_header(machine: &Machine, truth: &Truth, dump_type: u32) -> Vec<u8> {
    let is_64 = truth.architecture.expect("made by the builder").is_64();
    let mut header = Header {
        bytes: b"PAGE".repeat(if is_64 { 0x800 } else { 0x400 }),
        is_64,
    };
    header.put(4, if is_64 { b"DU64" } else { b"DUMP" });
    header.put(8, &15u32.to_le_bytes());
    header.put(12, &truth.build.to_le_bytes());
    let cpu = &truth.processors[0];
    for (at, value) in [
        ((0x10, 0x10), truth.directory),
        ((0x14, 0x18), 0),
        ((0x18, 0x20), truth.loaded_module_list),
        ((0x1c, 0x28), truth.active_process_head),
        ((0x60, 0x80), truth.kdbg.unwrap_or(0)),
        ((0x7d8, 0xf08), 0),
        ((0x7dc, 0xf10), cpu.rip),
    ] {
        header.word(at, value);
    }
    if !is_64 {
        let pae = truth.architecture != Some(super::Architecture::X86);
        header.put(0x5c, &[u8::from(pae), 0]);
    }
    for number in 0..4 {
        header.word((0x2c + 4 * number, 0x40 + 8 * number), 0);
    }
    for (at, value) in [
        ((0x20, 0x30), if is_64 { 0x8664 } else { 0x14c }),
        ((0x24, 0x34), truth.processors.len() as u32),
        ((0x28, 0x38), 0),
        // Exception: a breakpoint, continuable, no parameters.
        ((0x7d0, 0xf00), 0x8000_0003),
        ((0x7d4, 0xf04), 0),
        ((0x7e0, 0xf18), 0),
        ((0xf88, 0xf98), dump_type),
        ((0xf90, 0x103c), 0),
        ((0xf94, 0x1040), truth.product_type),
        ((0xf98, 0x1044), 0x110),
    ] {
        header.half(at, value);
    }
    header.put(if is_64 { 0xfa8 } else { 0xfc0 }, &truth.system_time.to_le_bytes());
    header.put(if is_64 { 0x1030 } else { 0xfb8 }, &600_000_000u64.to_le_bytes());
    header.put(if is_64 { 0xfb0 } else { 0x820 }, b"made up\0");
    header.put(if is_64 { 0x348 } else { 0x320 }, &cpu.context);
    let runs = machine.runs();
    header.half((0x64, 0x88), runs.len() as u32);
    header.word((0x68, 0x90), machine.pages.len() as u64);
    for (number, (start, length)) in runs.iter().enumerate() {
        header.word((0x6c + 8 * number, 0x98 + 16 * number), start / 4096);
        header.word((0x70 + 8 * number, 0xa0 + 16 * number), length / 4096);
    }
    let size = header.bytes.len() + machine.pages.len() * 4096;
    header.put(0xfa0, &(size as u64).to_le_bytes());
    header.bytes
}
