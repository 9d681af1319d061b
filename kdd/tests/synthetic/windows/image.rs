//! Images of PE files as the loader lays them out, and a little machine code with its unwind data.

/// CodeView record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pdb {
    pub name: String,
    /// As it stands in memory.
    pub guid: [u8; 16],
    pub age: u32,
}

impl Pdb {
    /// GUID and age as symbol servers write them.
    pub fn id(&self) -> String {
        let g = &self.guid;
        let first = u32::from_le_bytes([g[0], g[1], g[2], g[3]]);
        let second = u16::from_le_bytes([g[4], g[5]]);
        let third = u16::from_le_bytes([g[6], g[7]]);
        let rest: String = g[8..].iter().map(|byte| format!("{byte:02X}")).collect();
        format!("{first:08X}{second:04X}{third:04X}{rest}{:X}", self.age)
    }
}

/// A section.
#[derive(Clone, Debug)]
pub struct Section {
    pub name: &'static str,
    pub rva: u32,
    pub size: u32,
    pub flags: u32,
}

/// Flags of sections.
pub const CODE: u32 = 0x6800_0020;
pub const READ_ONLY: u32 = 0x4800_0040;
pub const DATA: u32 = 0xc800_0040;
pub const DISCARDED: u32 = 0x6200_0020;

/// Headers of an image.
#[derive(Clone, Debug)]
pub struct Headers {
    pub is_64: bool,
    pub base: u64,
    pub size: u32,
    pub entry: u32,
    pub timestamp: u32,
    pub checksum: u32,
    pub version: (u16, u16),
    pub sections: Vec<Section>,
    /// Data directories: number, RVA, size.
    pub directories: Vec<(usize, u32, u32)>,
}

pub const EXPORT: usize = 0;
pub const EXCEPTION: usize = 3;
pub const DEBUG: usize = 6;
/// Offset of the PE header.
const PE: usize = 0xf8;

fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    bytes[at..at + value.len()].copy_from_slice(value);
}

impl Headers {
    /// The page of headers.
    pub fn bytes(&self) -> Vec<u8> {
        let mut out = vec![0; 0x400];
        put(&mut out, 0, b"MZ\x90\0\x03\0\0\0\x04\0\0\0\xff\xff");
        put(&mut out, 0x3c, &(PE as u32).to_le_bytes());
        put(&mut out, PE, b"PE\0\0");
        let machine: u16 = if self.is_64 { 0x8664 } else { 0x14c };
        let optional_size: u16 = if self.is_64 { 0xf0 } else { 0xe0 };
        let characteristics: u16 = if self.is_64 { 0x22 } else { 0x102 };
        put(&mut out, PE + 4, &machine.to_le_bytes());
        put(&mut out, PE + 6, &(self.sections.len() as u16).to_le_bytes());
        put(&mut out, PE + 8, &self.timestamp.to_le_bytes());
        put(&mut out, PE + 20, &optional_size.to_le_bytes());
        put(&mut out, PE + 22, &characteristics.to_le_bytes());
        let optional = PE + 24;
        let directories = self.optional(&mut out, optional);
        for (number, rva, size) in &self.directories {
            put(&mut out, directories + number * 8, &rva.to_le_bytes());
            put(&mut out, directories + number * 8 + 4, &size.to_le_bytes());
        }
        for (number, section) in self.sections.iter().enumerate() {
            let at = optional + optional_size as usize + number * 40;
            put(&mut out, at, section.name.as_bytes());
            for (offset, value) in [
                (8, section.size),
                (12, section.rva),
                (16, section.size),
                (20, section.rva),
                (36, section.flags),
            ] {
                put(&mut out, at + offset, &value.to_le_bytes());
            }
        }
        out
    }

    /// The optional header; returns where its data directories begin.
    fn optional(&self, out: &mut [u8], at: usize) -> usize {
        put(out, at, &if self.is_64 { 0x20b_u16 } else { 0x10b }.to_le_bytes());
        put(out, at + 2, &[14, 20]);
        let code: u32 = self
            .sections
            .iter()
            .filter(|section| section.flags & 0x20 != 0)
            .map(|section| section.size)
            .sum();
        put(out, at + 4, &code.to_le_bytes());
        put(out, at + 16, &self.entry.to_le_bytes());
        put(out, at + 20, &0x1000u32.to_le_bytes());
        if self.is_64 {
            put(out, at + 24, &self.base.to_le_bytes());
        } else {
            put(out, at + 28, &(self.base as u32).to_le_bytes());
        }
        put(out, at + 32, &0x1000u32.to_le_bytes());
        put(out, at + 36, &0x200u32.to_le_bytes());
        for offset in [40, 44, 48] {
            put(out, at + offset, &self.version.0.to_le_bytes());
            put(out, at + offset + 2, &self.version.1.to_le_bytes());
        }
        put(out, at + 56, &self.size.to_le_bytes());
        put(out, at + 60, &0x400u32.to_le_bytes());
        put(out, at + 64, &self.checksum.to_le_bytes());
        put(out, at + 68, &1u16.to_le_bytes());
        let count = at + if self.is_64 { 108 } else { 92 };
        put(out, count, &16u32.to_le_bytes());
        count + 4
    }
}

/// Debug directory with one CodeView entry, and the record after it; 28 bytes and the record.
pub fn debug_directory(rva: u32, timestamp: u32, pdb: &Pdb) -> Vec<u8> {
    let mut record = b"RSDS".to_vec();
    record.extend_from_slice(&pdb.guid);
    record.extend_from_slice(&pdb.age.to_le_bytes());
    record.extend_from_slice(pdb.name.as_bytes());
    record.push(0);
    let mut out = vec![0; 28];
    put(&mut out, 4, &timestamp.to_le_bytes());
    put(&mut out, 12, &2u32.to_le_bytes());
    put(&mut out, 16, &(record.len() as u32).to_le_bytes());
    put(&mut out, 20, &(rva + 28).to_le_bytes());
    put(&mut out, 24, &(rva + 28).to_le_bytes());
    out.append(&mut record);
    out
}

/// Export directory at an RVA: names sorted, ordinals from 1.
pub fn export_directory(rva: u32, timestamp: u32, dll: &str, exports: &[(&str, u32)]) -> Vec<u8> {
    let mut sorted = exports.to_vec();
    sorted.sort();
    let count = sorted.len();
    let functions = 40;
    let names = functions + 4 * count;
    let ordinals = names + 4 * count;
    let mut strings = ordinals + 2 * count;
    let mut out = vec![0; strings];
    let string = |out: &mut Vec<u8>, text: &str| {
        out.extend_from_slice(text.as_bytes());
        out.push(0);
        text.len() + 1
    };
    let dll_at = strings;
    strings += string(&mut out, dll);
    for (number, (name, function)) in sorted.iter().enumerate() {
        put(&mut out, functions + 4 * number, &function.to_le_bytes());
        put(&mut out, names + 4 * number, &(rva + strings as u32).to_le_bytes());
        put(&mut out, ordinals + 2 * number, &(number as u16).to_le_bytes());
        strings += string(&mut out, name);
    }
    put(&mut out, 4, &timestamp.to_le_bytes());
    for (offset, value) in [
        (12, rva + dll_at as u32),
        (16, 1),
        (20, count as u32),
        (24, count as u32),
        (28, rva + functions as u32),
        (32, rva + names as u32),
        (36, rva + ordinals as u32),
    ] {
        put(&mut out, offset, &value.to_le_bytes());
    }
    out
}

/// A function that calls one other: its frame and where it returns to.
#[derive(Clone, Copy, Debug)]
pub struct Function {
    pub rva: u32,
    /// Bytes that the prologue takes from the stack beyond pushes.
    pub frame: u32,
    /// Whether the prologue pushes RBX first.
    pub push: bool,
}

impl Function {
    /// Length of code.
    pub const SIZE: u32 = 0x60;
    /// The call of the next function, from the start; 5 bytes long.
    const CALL: usize = 0x30;

    /// Return address of the call.
    pub fn after_call(&self) -> u32 {
        self.rva + Self::CALL as u32 + 5
    }

    /// Bytes between the stack pointer in the body and the return address.
    pub fn above_return(&self) -> u64 {
        u64::from(self.frame) + if self.push { 8 } else { 0 }
    }

    fn prologue(&self) -> Vec<u8> {
        let mut out = Vec::new();
        if self.push {
            out.extend_from_slice(&[0x40, 0x53]);
        }
        if self.frame < 0x80 {
            out.extend_from_slice(&[0x48, 0x83, 0xec, self.frame as u8]);
        } else {
            out.extend_from_slice(&[0x48, 0x81, 0xec]);
            out.extend_from_slice(&self.frame.to_le_bytes());
        }
        out
    }

    /// x64 code: prologue, NOPs, a call, epilogue.
    pub fn code(&self, callee: u32) -> Vec<u8> {
        let mut out = self.prologue();
        out.resize(Self::CALL, 0x90);
        out.push(0xe8);
        out.extend_from_slice(&callee.wrapping_sub(self.after_call()).to_le_bytes());
        out.push(0x90);
        let mut end = self.prologue();
        if self.push {
            end.drain(..2);
        }
        // sub rsp becomes add rsp.
        end[2] = 0xc4;
        out.append(&mut end);
        if self.push {
            out.push(0x5b);
        }
        out.push(0xc3);
        out.resize(Self::SIZE as usize, 0xcc);
        out
    }

    /// x86 code: push ebp; mov ebp, esp; sub esp, frame; NOPs; a call; leave; ret.
    pub fn code_x86(&self, callee: u32) -> Vec<u8> {
        let mut out = vec![0x8b, 0xff, 0x55, 0x8b, 0xec, 0x81, 0xec];
        out.extend_from_slice(&self.frame.to_le_bytes());
        out.resize(Self::CALL, 0x90);
        out.push(0xe8);
        out.extend_from_slice(&callee.wrapping_sub(self.after_call()).to_le_bytes());
        out.extend_from_slice(&[0xc9, 0xc3]);
        out.resize(Self::SIZE as usize, 0xcc);
        out
    }

    /// UNWIND_INFO.
    pub fn unwind(&self) -> Vec<u8> {
        let size = self.prologue().len() as u8;
        let mut codes = Vec::new();
        if self.frame <= 0x80 {
            codes.extend_from_slice(&[size, 2 | (((self.frame / 8 - 1) as u8) << 4)]);
        } else {
            codes.extend_from_slice(&[size, 1]);
            codes.extend_from_slice(&((self.frame / 8) as u16).to_le_bytes());
        }
        if self.push {
            codes.extend_from_slice(&[2, 3 << 4]);
        }
        let mut out = vec![1, size, (codes.len() / 2) as u8, 0];
        out.append(&mut codes);
        out.resize(out.len().div_ceil(4) * 4, 0);
        out
    }
}

/// RUNTIME_FUNCTIONs and their UNWIND_INFOs, which begin at an RVA; the functions in order of address.
pub fn exception_directory(functions: &[Function], unwind_rva: u32) -> (Vec<u8>, Vec<u8>) {
    let mut sorted = functions.to_vec();
    sorted.sort_by_key(|function| function.rva);
    let (mut table, mut unwind) = (Vec::new(), Vec::new());
    for function in sorted {
        for value in [
            function.rva,
            function.rva + Function::SIZE,
            unwind_rva + unwind.len() as u32,
        ] {
            table.extend_from_slice(&value.to_le_bytes());
        }
        unwind.append(&mut function.unwind());
    }
    (table, unwind)
}
