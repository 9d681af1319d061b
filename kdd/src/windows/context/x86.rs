//! x86: CONTEXT (716 bytes) and KSPECIAL_REGISTERS (84 bytes), which stand one after the other in
//! KPROCESSOR_STATE.

use super::layout::{Part, RBP, RSP, Register, Row, Seg, apply, row, slice, slice_mut, u16_at, u32_at, write};
use crate::target::Vcpu;

/// Size of CONTEXT.
pub const CONTEXT_SIZE: usize = 0x2cc;
/// Size of KSPECIAL_REGISTERS.
pub const SPECIAL_SIZE: usize = 0x54;

/// Offset of ContextFlags.
pub const FLAGS: usize = 0;
/// CONTEXT_i386.
pub const MARK: u32 = 0x1_0000;
/// Control, integer, segments, floating point, debug registers, extended registers.
const ALL: u32 = MARK | 0x3f;
/// Offset and length of FloatSave: the 108 bytes of FNSAVE and a word that Windows uses.
const FLOAT_SAVE: (usize, usize) = (0x1c, 108);
/// Offset and length of ExtendedRegisters, the FXSAVE image.
const EXTENDED: (usize, usize) = (0xcc, 512);

/// Fields of CONTEXT.
pub const CONTEXT: &[Row] = &[
    row(0x04, 4, Part::DEBUG, "Dr0", Register::Dr(0)),
    row(0x08, 4, Part::DEBUG, "Dr1", Register::Dr(1)),
    row(0x0c, 4, Part::DEBUG, "Dr2", Register::Dr(2)),
    row(0x10, 4, Part::DEBUG, "Dr3", Register::Dr(3)),
    row(0x14, 4, Part::DEBUG, "Dr6", Register::Dr(6)),
    row(0x18, 4, Part::DEBUG, "Dr7", Register::Dr(7)),
    row(0x8c, 4, Part::SEGMENTS, "SegGs", Register::Selector(Seg::Gs)),
    row(0x90, 4, Part::SEGMENTS, "SegFs", Register::Selector(Seg::Fs)),
    row(0x94, 4, Part::SEGMENTS, "SegEs", Register::Selector(Seg::Es)),
    row(0x98, 4, Part::SEGMENTS, "SegDs", Register::Selector(Seg::Ds)),
    row(0x9c, 4, Part::INTEGER, "Edi", Register::Gpr(7)),
    row(0xa0, 4, Part::INTEGER, "Esi", Register::Gpr(6)),
    row(0xa4, 4, Part::INTEGER, "Ebx", Register::Gpr(3)),
    row(0xa8, 4, Part::INTEGER, "Edx", Register::Gpr(2)),
    row(0xac, 4, Part::INTEGER, "Ecx", Register::Gpr(1)),
    row(0xb0, 4, Part::INTEGER, "Eax", Register::Gpr(0)),
    row(0xb4, 4, Part::CONTROL, "Ebp", RBP),
    row(0xb8, 4, Part::CONTROL, "Eip", Register::Rip),
    row(0xbc, 4, Part::CONTROL, "SegCs", Register::Selector(Seg::Cs)),
    row(0xc0, 4, Part::CONTROL, "EFlags", Register::Flags),
    row(0xc4, 4, Part::CONTROL, "Esp", RSP),
    row(0xc8, 4, Part::CONTROL, "SegSs", Register::Selector(Seg::Ss)),
];

/// Fields of KSPECIAL_REGISTERS. A DESCRIPTOR is 8 bytes: limit at 2, base at 4.
pub const SPECIAL: &[Row] = &[
    row(0x00, 4, Part::ALWAYS, "Cr0", Register::Cr0),
    row(0x04, 4, Part::ALWAYS, "Cr2", Register::Cr2),
    row(0x08, 4, Part::ALWAYS, "Cr3", Register::Cr3),
    row(0x0c, 4, Part::ALWAYS, "Cr4", Register::Cr4),
    row(0x10, 4, Part::ALWAYS, "KernelDr0", Register::Dr(0)),
    row(0x14, 4, Part::ALWAYS, "KernelDr1", Register::Dr(1)),
    row(0x18, 4, Part::ALWAYS, "KernelDr2", Register::Dr(2)),
    row(0x1c, 4, Part::ALWAYS, "KernelDr3", Register::Dr(3)),
    row(0x20, 4, Part::ALWAYS, "KernelDr6", Register::Dr(6)),
    row(0x24, 4, Part::ALWAYS, "KernelDr7", Register::Dr(7)),
    row(0x2a, 2, Part::ALWAYS, "Gdtr.Limit", Register::GdtLimit),
    row(0x2c, 4, Part::ALWAYS, "Gdtr.Base", Register::GdtBase),
    row(0x32, 2, Part::ALWAYS, "Idtr.Limit", Register::IdtLimit),
    row(0x34, 4, Part::ALWAYS, "Idtr.Base", Register::IdtBase),
    row(0x38, 2, Part::ALWAYS, "Tr", Register::Selector(Seg::Tr)),
    row(0x3a, 2, Part::ALWAYS, "Ldtr", Register::Selector(Seg::Ldt)),
];

/// CONTEXT of a vCPU, all parts.
#[must_use]
pub fn context_x86(vcpu: &Vcpu) -> Vec<u8> {
    let mut bytes = vec![0; CONTEXT_SIZE];
    if let Some(place) = slice_mut(&mut bytes, FLAGS, 4) {
        place.copy_from_slice(&ALL.to_le_bytes());
    }
    if let Some(image) = &vcpu.fxsave {
        if let Some(place) = slice_mut(&mut bytes, EXTENDED.0, EXTENDED.1) {
            place.copy_from_slice(&**image);
        }
        if let Some(place) = slice_mut(&mut bytes, FLOAT_SAVE.0, FLOAT_SAVE.1) {
            place.copy_from_slice(&fnsave(image));
        }
    }
    write(CONTEXT, vcpu, &mut bytes);
    bytes
}

/// KSPECIAL_REGISTERS of a vCPU.
#[must_use]
pub fn special_x86(vcpu: &Vcpu) -> Vec<u8> {
    let mut bytes = vec![0; SPECIAL_SIZE];
    write(SPECIAL, vcpu, &mut bytes);
    bytes
}

/// Takes the parts of a CONTEXT that its ContextFlags name. Where both forms of the floating point state
/// are there, the FXSAVE image holds.
pub fn apply_context_x86(vcpu: &mut Vcpu, bytes: &[u8]) {
    let parts = match u32_at(bytes, FLAGS) {
        Some(flags) if flags & MARK != 0 => flags & 0xffff,
        _ => return,
    };
    let extended = slice(bytes, EXTENDED.0, EXTENDED.1).and_then(|image| image.try_into().ok());
    match extended {
        Some(image) if parts & Part::EXTENDED != 0 => vcpu.fxsave = Some(Box::new(image)),
        _ if parts & Part::FLOATING != 0 => {
            if let Some(area) = slice(bytes, FLOAT_SAVE.0, FLOAT_SAVE.1) {
                let image = vcpu.fxsave.get_or_insert_with(|| Box::new([0; 512]));
                into_fxsave(area, image);
            }
        }
        _ => {}
    }
    apply(CONTEXT, parts, vcpu, bytes);
}

/// Takes the fields of KSPECIAL_REGISTERS that are whole in `bytes`.
pub fn apply_special_x86(vcpu: &mut Vcpu, bytes: &[u8]) {
    apply(SPECIAL, Part::ALWAYS, vcpu, bytes);
}

/// Registers of the x87 stack.
const STACK: usize = 8;
/// Bytes of each.
const REGISTER: usize = 10;

/// The 32-bit protected-mode form of FNSAVE from an FXSAVE image (Intel SDM volume 1, 8.1.10 and 10.5.1).
fn fnsave(image: &[u8; 512]) -> [u8; FLOAT_SAVE.1] {
    let word = |at| u16_at(image, at).unwrap_or_default();
    let double = |at| u32_at(image, at).unwrap_or_default();
    let fields: [u32; 7] = [
        0xffff_0000 | u32::from(word(0)),
        0xffff_0000 | u32::from(word(2)),
        0xffff_0000 | u32::from(full_tags(image)),
        double(8),
        u32::from(word(12)) | u32::from(word(6) & 0x7ff) << 16,
        double(16),
        0xffff_0000 | u32::from(word(20)),
    ];
    let mut area = [0; FLOAT_SAVE.1];
    for (place, value) in area.chunks_exact_mut(4).zip(fields) {
        place.copy_from_slice(&value.to_le_bytes());
    }
    let registers = image.get(32..).unwrap_or_default().chunks_exact(16);
    if let Some(places) = area.get_mut(28..) {
        for (place, register) in places.chunks_exact_mut(REGISTER).zip(registers) {
            place.copy_from_slice(register.get(..REGISTER).unwrap_or_default());
        }
    }
    area
}

/// Two bits for each physical register, from the one bit of FXSAVE and the register itself.
fn full_tags(image: &[u8; 512]) -> u16 {
    let top = usize::from(u16_at(image, 2).unwrap_or_default() >> 11 & 7);
    let present = image.get(4).copied().unwrap_or_default();
    (0..STACK).fold(0, |tags, physical| {
        let tag = if present >> physical & 1 == 0 {
            3
        } else {
            // The image holds them by their place on the stack.
            let place = (physical + STACK - top) % STACK;
            tag(slice(image, 32 + 16 * place, REGISTER).unwrap_or_default())
        };
        tags | tag << (2 * physical)
    })
}

/// Valid (0), zero (1), or special (2: infinity, NaN, denormal, unnormal).
fn tag(register: &[u8]) -> u16 {
    let exponent = u16_at(register, 8).unwrap_or_default() & 0x7fff;
    let mantissa = slice(register, 0, 8)
        .and_then(|bytes| bytes.try_into().ok())
        .map_or(0, u64::from_le_bytes);
    match (exponent, mantissa >> 63) {
        (0, _) if mantissa == 0 => 1,
        (1..=0x7ffe, 1) => 0,
        _ => 2,
    }
}

/// FNSAVE's part of an FXSAVE image; the rest stays.
fn into_fxsave(area: &[u8], image: &mut [u8; 512]) {
    let word = |at| u16_at(area, at).unwrap_or_default();
    let tags = word(8);
    let present = (0..STACK).fold(0u8, |bits, physical| {
        bits | u8::from(tags >> (2 * physical) & 3 != 3) << physical
    });
    let fields: [(usize, &[u8]); 8] = [
        (0, &word(0).to_le_bytes()),
        (2, &word(4).to_le_bytes()),
        (4, &[present, 0]),
        (6, &(word(18) & 0x7ff).to_le_bytes()),
        (8, slice(area, 12, 4).unwrap_or_default()),
        (12, &word(16).to_le_bytes()),
        (16, slice(area, 20, 4).unwrap_or_default()),
        (20, &word(24).to_le_bytes()),
    ];
    for (at, bytes) in fields {
        if let Some(place) = slice_mut(image, at, bytes.len()) {
            place.copy_from_slice(bytes);
        }
    }
    let registers = area.get(28..).unwrap_or_default().chunks_exact(REGISTER);
    for (place, register) in image
        .get_mut(32..)
        .unwrap_or_default()
        .chunks_exact_mut(16)
        .zip(registers)
    {
        if let Some(place) = place.get_mut(..REGISTER) {
            place.copy_from_slice(register);
        }
    }
}
