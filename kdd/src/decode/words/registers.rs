//! CONTEXT and KSPECIAL_REGISTERS: the registers that people look for.

use super::field::{self, bytes, count};

/// A register: name, offset, width in bytes.
type Register = (&'static str, usize, usize);

/// x64 CONTEXT, 0x4d0 bytes.
const X64: &[Register] = &[
    ("rip", 0xf8, 8),
    ("rsp", 0x98, 8),
    ("efl", 0x44, 4),
    ("rax", 0x78, 8),
    ("rcx", 0x80, 8),
    ("rdx", 0x88, 8),
    ("rbx", 0x90, 8),
    ("rbp", 0xa0, 8),
    ("rsi", 0xa8, 8),
    ("rdi", 0xb0, 8),
    ("r8", 0xb8, 8),
    ("r9", 0xc0, 8),
    ("r10", 0xc8, 8),
    ("r11", 0xd0, 8),
    ("r12", 0xd8, 8),
    ("r13", 0xe0, 8),
    ("r14", 0xe8, 8),
    ("r15", 0xf0, 8),
    ("cs", 0x38, 2),
    ("ss", 0x42, 2),
];

/// x86 CONTEXT, 0x2cc bytes.
const X86: &[Register] = &[
    ("eip", 0xb8, 4),
    ("esp", 0xc4, 4),
    ("efl", 0xc0, 4),
    ("eax", 0xb0, 4),
    ("ecx", 0xac, 4),
    ("edx", 0xa8, 4),
    ("ebx", 0xa4, 4),
    ("ebp", 0xb4, 4),
    ("esi", 0xa0, 4),
    ("edi", 0x9c, 4),
    ("cs", 0xbc, 2),
    ("ss", 0xc8, 2),
];

/// x64 KSPECIAL_REGISTERS.
const SPECIAL: &[Register] = &[
    ("cr0", 0x00, 8),
    ("cr2", 0x08, 8),
    ("cr3", 0x10, 8),
    ("cr4", 0x18, 8),
    ("dr6", 0x40, 8),
    ("dr7", 0x48, 8),
    ("gdt limit", 0x56, 2),
    ("gdt", 0x58, 8),
    ("idt limit", 0x66, 2),
    ("idt", 0x68, 8),
    ("tr", 0x70, 2),
    ("cr8", 0xa0, 8),
    ("gs base", 0xa8, 8),
    ("gs swap", 0xb0, 8),
    ("star", 0xb8, 8),
    ("lstar", 0xc0, 8),
    ("syscall mask", 0xd0, 8),
];

/// A CONTEXT, or the piece of it that begins at `offset`.
pub(super) fn context(machine: Option<u16>, offset: u32, data: &[u8]) -> String {
    let whole = (offset == 0).then_some(data.len());
    let table = match (machine, whole) {
        (Some(0x8664), _) | (None, Some(0x4d0)) => X64,
        (Some(0x14c), _) | (None, Some(0x2cc)) => X86,
        _ => return format!("{} of a context: {}", count(data.len()), bytes(data)),
    };
    let shown = shown(table, usize::try_from(offset).unwrap_or(usize::MAX), data);
    if shown.is_empty() {
        return format!("{} of a context: {}", count(data.len()), bytes(data));
    }
    shown
}

/// KSPECIAL_REGISTERS of x64.
pub(super) fn special(data: &[u8]) -> String {
    shown(SPECIAL, 0, data)
}

fn shown(table: &[Register], offset: usize, data: &[u8]) -> String {
    let value = |at: usize, width: usize| {
        let at = at.checked_sub(offset)?;
        match width {
            8 => field::u64(data, at).map(|value| format!("{value:016x}")),
            4 => field::u32(data, at).map(|value| format!("{value:08x}")),
            _ => field::u16(data, at).map(|value| format!("{value:04x}")),
        }
    };
    let rows = table
        .iter()
        .filter_map(|(name, at, width)| Some(format!("{name} {}", value(*at, *width)?)));
    rows.collect::<Vec<_>>().join(" ")
}
