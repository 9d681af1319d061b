//! Windows dumps, laid out from the SDK's `mindumpdef.h` and, where that is silent, from dumps of the
//! real system: every type that holds memory, 32-bit and 64-bit.

use crate::synthetic::machine::{Cpu, Machine};

/// DumpType.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Full = 1,
    Summary = 2,
    Header = 3,
    Triage = 4,
    Bitmap = 5,
    BitmapKernel = 6,
    RangesKernel = 8,
    RangesUser = 9,
    Ranges = 10,
}

pub const DIRECTORY: u64 = 0x18_5000;
pub const PFN_DATABASE: u64 = 0xfa80_1234_5000;
pub const MODULES: u64 = 0xf800_02a1_b650;
pub const PROCESSES: u64 = 0xf800_02a0_1320;
pub const KDBG: u64 = 0xf800_02b0_10a0;
pub const BUILD: u32 = 19045;
pub const SYSTEM_TIME: u64 = 0x01d8_27d8_8aa6_4000;
pub const BUG_CHECK: [u64; 5] = [0xd1, 0x1001, 2, 8, 0x77_3311];
/// Base, size, time stamp, checksum, name.
pub const DRIVERS: [(u64, u32, u32, u32, &str); 3] = [
    (
        0xf800_0400_0000,
        0x104_6000,
        0x6011_2233,
        0xa5_938c,
        "\\SystemRoot\\system32\\ntoskrnl.exe",
    ),
    (0xf800_0510_0000, 0x6000, 0x6011_2244, 0x1_2345, "hal.dll"),
    (0xf800_0620_0000, 0x3_5000, 0x6011_2255, 0, "a\u{e4}\u{20ac}.sys"),
];
pub const THREAD: u64 = 0xa00_0000_1080;
pub const PROCESS: u64 = 0xa00_0000_3040;
pub const KPRCB: u64 = 0xf800_0700_0180;
pub const PROCESSOR_BLOCK: u64 = 0xf800_02b0_2000;
/// Where blocks of a triage dump lie that hold pages of the machine, at this address plus the page's.
pub const BLOCKS: u64 = 0xf800_1000_0000;
pub const TOP_OF_STACK: u64 = 0xb00_0010_2f00;
pub const STACK_SIZE: usize = 0x900;

/// A kernel's address in the width: 48 bits with the sign, or 31 bits with the highest set.
pub fn kernel(wide: bool, value: u64) -> u64 {
    if wide {
        value | 0xffff_0000_0000_0000
    } else {
        value & 0x7fff_ffff | 0x8000_0000
    }
}

struct Out {
    bytes: Vec<u8>,
    wide: bool,
}

impl Out {
    fn put(&mut self, at: usize, bytes: &[u8]) {
        if self.bytes.len() < at + bytes.len() {
            self.bytes.resize(at + bytes.len(), 0);
        }
        self.bytes[at..at + bytes.len()].copy_from_slice(bytes);
    }

    fn u32(&mut self, at: usize, value: u32) {
        self.put(at, &value.to_le_bytes());
    }

    fn u64(&mut self, at: usize, value: u64) {
        self.put(at, &value.to_le_bytes());
    }

    /// A pointer-sized number at one place in 32-bit dumps and at another in 64-bit dumps.
    fn word(&mut self, at: (usize, usize), value: u64) {
        if self.wide {
            self.u64(at.1, value);
        } else {
            self.u32(at.0, value as u32);
        }
    }

    fn half(&mut self, at: (usize, usize), value: u32) {
        self.u32(if self.wide { at.1 } else { at.0 }, value);
    }

    fn align(&mut self, to: usize) -> usize {
        let length = self.bytes.len().next_multiple_of(to);
        self.bytes.resize(length, 0);
        length
    }

    fn end(&mut self, bytes: &[u8]) -> usize {
        let at = self.align(8);
        self.bytes.extend(bytes);
        at
    }
}

/// The dump of a machine.
pub fn write(machine: &Machine, wide: bool, form: Form) -> Vec<u8> {
    let mut out = header(machine, wide, form);
    match form {
        Form::Full => {}
        Form::Header => return out.bytes,
        Form::Triage => return triage(machine, out),
        Form::Summary => summary(machine, &mut out),
        Form::Bitmap => bitmap(machine, &mut out, b"FDMP"),
        Form::BitmapKernel => bitmap(machine, &mut out, b"SDMP"),
        Form::RangesKernel | Form::RangesUser | Form::Ranges => ranges(machine, &mut out, form),
    }
    for bytes in machine.pages.values() {
        out.bytes.extend(bytes);
    }
    let length = out.bytes.len() as u64;
    out.u64(0xfa0, length);
    out.bytes
}

fn header(machine: &Machine, wide: bool, form: Form) -> Out {
    let bytes = b"PAGE".repeat(if wide { 0x800 } else { 0x400 });
    let mut out = Out { bytes, wide };
    out.put(4, if wide { b"DU64" } else { b"DUMP" });
    out.u32(8, 15);
    out.u32(12, BUILD);
    out.word((0x10, 0x10), DIRECTORY);
    out.word((0x14, 0x18), kernel(wide, PFN_DATABASE));
    out.word((0x18, 0x20), kernel(wide, MODULES));
    out.word((0x1c, 0x28), kernel(wide, PROCESSES));
    out.half((0x20, 0x30), if wide { 0x8664 } else { 0x14c });
    out.half((0x24, 0x34), machine.cpus.len() as u32);
    out.half((0x28, 0x38), BUG_CHECK[0] as u32);
    for number in 0..4 {
        out.word((0x2c + 4 * number, 0x40 + 8 * number), BUG_CHECK[1 + number]);
    }
    out.word((0x60, 0x80), kernel(wide, KDBG));
    if !wide {
        out.put(0x5c, &[1, 0]);
    }
    let (at, context) = if wide {
        (0x348, context64(&machine.cpus[0]))
    } else {
        (0x320, context32(&machine.cpus[0]))
    };
    out.put(at, &context);
    out.half((0x7d0, 0xf00), 0x8000_0003);
    out.half((0x7d4, 0xf04), 1);
    out.word((0x7dc, 0xf10), kernel(wide, 0xf800_0123_4567));
    out.half((0xf88, 0xf98), form as u32);
    let time = if wide { 0xfa8 } else { 0xfc0 };
    out.u64(time, SYSTEM_TIME);
    out.u64(if wide { 0x1030 } else { 0xfb8 }, 600_000_000);
    out.half((0xf94, 0x1040), 3);
    out.half((0xf98, 0x1044), 0x110);
    out.half((0xf90, 0x103c), 0);
    out.put(if wide { 0xfb0 } else { 0x820 }, b"made up\0");
    if form == Form::Full {
        runs(machine, &mut out);
    }
    out
}

fn runs(machine: &Machine, out: &mut Out) {
    let list = machine.runs();
    out.half((0x64, 0x88), list.len() as u32);
    out.word((0x68, 0x90), machine.pages.len() as u64);
    for (number, (start, length)) in list.iter().enumerate() {
        let at = (0x6c + 8 * number, 0x98 + 16 * number);
        out.word(at, start / 4096);
        out.word((at.0 + 4, at.1 + 8), length / 4096);
    }
}

fn bits(machine: &Machine) -> Vec<u8> {
    let top = machine.pages.keys().last().map_or(0, |page| page / 4096 + 1);
    let mut bits = vec![0u8; (top as usize).div_ceil(32) * 4];
    for page in machine.pages.keys() {
        let number = (page / 4096) as usize;
        bits[number / 8] |= 1 << (number % 8);
    }
    bits
}

/// SUMMARY_DUMP32 and SUMMARY_DUMP64.
fn summary(machine: &Machine, out: &mut Out) {
    let at = out.bytes.len();
    let bits = bits(machine);
    let map = if out.wide { 0x28 } else { 0x20 };
    let first = (at + map + bits.len()).next_multiple_of(4096);
    out.put(at, b"SDMPDUMP");
    out.u32(at + 8, 0);
    out.u32(at + 12, first as u32);
    out.u32(at + 16, bits.len() as u32 * 8);
    out.u32(at + 20, machine.pages.len() as u32);
    out.u32(at + 24, bits.len() as u32 * 8);
    out.put(at + map, &bits);
    out.bytes.resize(first, 0);
}

fn bitmap(machine: &Machine, out: &mut Out, mark: &[u8; 4]) {
    let at = out.bytes.len();
    let bits = bits(machine);
    let first = (at + 0x38 + bits.len()).next_multiple_of(4096);
    out.put(at, mark);
    out.put(at + 4, b"DUMP");
    out.u64(at + 0x20, first as u64);
    out.u64(at + 0x28, machine.pages.len() as u64);
    out.u64(at + 0x30, bits.len() as u64 * 8);
    out.put(at + 0x38, &bits);
    out.bytes.resize(first, 0);
}

fn ranges(machine: &Machine, out: &mut Out, form: Form) {
    let at = out.bytes.len();
    let list = machine.runs();
    // Room for more ranges than there are, as newer debuggers leave it.
    let room = 16 * (list.len() + 5);
    out.u32(at, 0x40);
    out.put(at + 4, b"RDMPDUMP");
    out.u64(at + 0x10, 0x10 + room as u64);
    out.u64(at + 0x18, (at + 0x30 + room) as u64);
    if form == Form::Ranges {
        out.u32(at + 0x20, list.len() as u32);
        out.u64(at + 0x28, machine.pages.len() as u64);
    }
    for (number, (start, length)) in list.iter().enumerate() {
        out.u64(at + 0x30 + 16 * number, start / 4096);
        out.u64(at + 0x38 + 16 * number, length / 4096);
    }
    out.bytes.resize(at + 0x30 + room, 0);
}

/// CONTEXT of AMD64, all groups.
pub fn context64(cpu: &Cpu) -> Vec<u8> {
    let mut out = Out {
        bytes: vec![0; 0x4d0],
        wide: true,
    };
    out.u32(0x30, 0x10_001f);
    out.u32(0x34, 0x1f80);
    for (number, seg) in [&cpu.cs, &cpu.ds, &cpu.es, &cpu.fs, &cpu.gs, &cpu.ss]
        .iter()
        .enumerate()
    {
        out.put(0x38 + 2 * number, &seg.selector.to_le_bytes());
    }
    out.u32(0x44, cpu.rflags as u32);
    for (number, register) in [0, 1, 2, 3, 6, 7].iter().enumerate() {
        out.u64(0x48 + 8 * number, cpu.dr[*register]);
    }
    for (number, value) in cpu.gpr.iter().enumerate() {
        out.u64(0x78 + 8 * number, *value);
    }
    out.u64(0xf8, cpu.rip);
    out.put(0x100, &cpu.fxsave);
    out.bytes
}

/// CONTEXT of i386, all groups; the lower halves of the registers.
pub fn context32(cpu: &Cpu) -> Vec<u8> {
    let mut out = Out {
        bytes: vec![0; 0x2cc],
        wide: false,
    };
    out.u32(0, 0x1_003f);
    for (number, register) in [0, 1, 2, 3, 6, 7].iter().enumerate() {
        out.u32(4 + 4 * number, cpu.dr[*register] as u32);
    }
    for (number, seg) in [&cpu.gs, &cpu.fs, &cpu.es, &cpu.ds].iter().enumerate() {
        out.u32(0x8c + 4 * number, seg.selector.into());
    }
    // edi esi ebx edx ecx eax ebp
    for (number, register) in [7, 6, 3, 2, 1, 0, 5].iter().enumerate() {
        out.u32(0x9c + 4 * number, cpu.gpr[*register] as u32);
    }
    out.u32(0xb8, cpu.rip as u32);
    out.u32(0xbc, cpu.cs.selector.into());
    out.u32(0xc0, cpu.rflags as u32);
    out.u32(0xc4, cpu.gpr[4] as u32);
    out.u32(0xc8, cpu.ss.selector.into());
    out.put(0xcc, &cpu.fxsave);
    out.bytes
}

/// The debugger's data block, as far as a triage dump needs it.
pub fn kdbg(wide: bool) -> Vec<u8> {
    let mut out = Out {
        bytes: vec![0; 0x368],
        wide,
    };
    out.put(0x10, b"KDBG");
    out.u32(0x14, 0x368);
    out.u64(0x218, kernel(wide, PROCESSOR_BLOCK));
    for (at, value) in [
        (0x2a0, 0xb8),
        (0x2a8, 0x380),
        (0x2b0, 0x600),
        (0x2b4, 8),
        (0x2be, 0x24),
        (0x2c0, 0x480),
    ] {
        out.put(at, &u16::to_le_bytes(value));
    }
    out.bytes
}

/// Pages of the machine that a triage dump holds as blocks: each eleventh.
pub fn blocks(machine: &Machine) -> Vec<(u64, Vec<u8>)> {
    let pages = machine.pages.iter().step_by(11);
    // Not whole pages: a block begins and ends anywhere.
    pages
        .map(|(page, bytes)| (page + 0x10, bytes[0x10..0xfe8].to_vec()))
        .collect()
}

/// KPRCB, KTHREAD, EPROCESS and stack of a triage dump: their bytes.
pub fn structures(wide: bool) -> [Vec<u8>; 4] {
    let fill = |length: usize, seed: usize| (0..length).map(|at| (at * 7 + seed) as u8).collect::<Vec<u8>>();
    let width = if wide { 8 } else { 4 };
    let mut kprcb = fill(0x600, 1);
    kprcb[8..8 + width].copy_from_slice(&kernel(wide, THREAD).to_le_bytes()[..width]);
    kprcb[0x24..0x28].copy_from_slice(&[1, 0, 0, 0]);
    let mut thread = fill(0x480, 2);
    thread[0xb8..0xb8 + width].copy_from_slice(&kernel(wide, PROCESS).to_le_bytes()[..width]);
    [kprcb, thread, fill(0x380, 3), fill(STACK_SIZE, 4)]
}

fn triage(machine: &Machine, mut out: Out) -> Vec<u8> {
    let wide = out.wide;
    let width = if wide { 8 } else { 4 };
    let at = out.bytes.len();
    out.bytes.resize(at + 0x80, 0);
    let [kprcb, thread, process, stack] = structures(wide).map(|bytes| out.end(&bytes) as u32);
    let kdbg_at = out.end(&kdbg(wide)) as u32;
    let driver = if wide { 0x90 } else { 0x4c };
    let drivers = out.align(8);
    out.bytes.resize(drivers + driver * DRIVERS.len(), 0);
    let strings = out.align(8);
    for (number, (base, size, stamp, checksum, name)) in DRIVERS.iter().enumerate() {
        let place = drivers + driver * number;
        let text: Vec<u16> = name.encode_utf16().collect();
        let string = out.end(&(text.len() as u32).to_le_bytes());
        out.bytes.extend(text.iter().flat_map(|unit| unit.to_le_bytes()));
        out.bytes.extend([0; 2]);
        out.u32(place, string as u32);
        let loader = place + if wide { 8 } else { 4 };
        out.word((loader + 0x18, loader + 0x30), kernel(wide, *base));
        out.word((loader + 0x1c, loader + 0x38), kernel(wide, *base) + 0x1000);
        out.half((loader + 0x20, loader + 0x40), *size);
        out.half((loader + 0x40, loader + 0x78), *checksum);
        out.half((loader + 0x44, loader + 0x80), *stamp);
    }
    let strings_end = out.align(8);
    let unloaded = out.align(8);
    out.word((unloaded, unloaded), 1);
    let text: Vec<u8> = "dam.sys\0\0\0\0\0".encode_utf16().flat_map(u16::to_le_bytes).collect();
    out.put(unloaded + if wide { 8 + 16 } else { 4 + 8 }, &text);
    out.word((unloaded + 36, unloaded + 48), 0x1000);
    out.word((unloaded + 40, unloaded + 56), 0x2000);
    let mut list = blocks(machine);
    let mut processors = vec![0u8; 2 * width];
    processors[width..].copy_from_slice(&kernel(wide, KPRCB).to_le_bytes()[..width]);
    list.iter_mut().for_each(|block| block.0 += kernel(wide, BLOCKS));
    list.insert(0, (kernel(wide, PROCESSOR_BLOCK), processors));
    list.reverse();
    let table = out.align(8);
    out.bytes.resize(table + 16 * list.len(), 0);
    for (number, (address, bytes)) in list.iter().enumerate() {
        let offset = out.end(bytes);
        out.u64(table + 16 * number, *address);
        out.u32(table + 16 * number + 8, offset as u32);
        out.u32(table + 16 * number + 12, bytes.len() as u32);
    }
    let valid = out.end(b"TRGD") as u32;
    let length = out.bytes.len() as u32;
    let (context, exception) = if wide { (0x348, 0xf00) } else { (0x320, 0x7d0) };
    let values = [
        0,
        length,
        valid,
        context,
        exception,
        0,
        unloaded as u32,
        kprcb,
        process,
        thread,
        stack,
        STACK_SIZE as u32,
        drivers as u32,
        DRIVERS.len() as u32,
        strings as u32,
        (strings_end - strings) as u32,
        0,
        0xffff_ffff,
    ];
    for (number, value) in values.iter().enumerate() {
        out.u32(at + 4 * number, *value);
    }
    out.word((at + 0x48, at + 0x48), kernel(wide, TOP_OF_STACK));
    let debugger = at + if wide { 0x70 } else { 0x58 };
    out.u32(debugger, kdbg_at);
    out.u32(debugger + 4, 0x368);
    out.u32(debugger + 8, table as u32);
    out.u32(debugger + 12, list.len() as u32);
    out.u64(0xfa0, length.into());
    out.bytes
}
