//! Registers of a vCPU from the section `cpu` of x86 (QEMU's target/i386/machine.c), by the names in the
//! description.

use super::description::{Content, Part};
use crate::target::vcpu::{Hidden, Segments, msr};
use crate::target::{Segment, Table, Vcpu};

/// The vCPU of a section's bytes; none when the description does not name its general registers.
pub(super) fn vcpu(number: u32, content: &Content, bytes: &[u8]) -> Option<Vcpu> {
    let part = |name: &str| content.field(bytes, name);
    let value = |name: &str| part(name).and_then(Part::number);
    let mut vcpu = Vcpu {
        number,
        rip: value("env.eip")?,
        rflags: value("env.eflags")?,
        cr0: value("env.cr[0]"),
        cr2: value("env.cr[2]"),
        cr3: value("env.cr[3]"),
        cr4: value("env.cr[4]"),
        xcr0: value("env.xcr0"),
        dr: part("env.dr").and_then(array),
        gdt: part("env.gdt").and_then(table),
        idt: part("env.idt").and_then(table),
        fxsave: fxsave(content, bytes),
        ..Vcpu::default()
    };
    let registers = part("env.regs")?;
    // A 32-bit build has eight.
    for (index, to) in vcpu.gpr.iter_mut().enumerate() {
        *to = registers.element(index).and_then(Part::number).unwrap_or(0);
    }
    let segments = part("env.segs");
    let numbered = |index| {
        segments
            .and_then(|part| part.element(index))
            .and_then(segment)
            .unwrap_or_default()
    };
    let named = |name| part(name).and_then(segment).unwrap_or_default();
    vcpu.segments = Segments {
        es: numbered(0),
        cs: numbered(1),
        ss: numbered(2),
        ds: numbered(3),
        fs: numbered(4),
        gs: numbered(5),
        ldt: named("env.ldt"),
        tr: named("env.tr"),
    };
    let registers = [
        (msr::SYSENTER_CS, "env.sysenter_cs"),
        (msr::SYSENTER_ESP, "env.sysenter_esp"),
        (msr::SYSENTER_EIP, "env.sysenter_eip"),
        (0x277, "env.pat"),
        (msr::EFER, "env.efer"),
        (msr::STAR, "env.star"),
        (msr::LSTAR, "env.lstar"),
        (msr::CSTAR, "env.cstar"),
        (msr::SFMASK, "env.fmask"),
        (msr::KERNEL_GS_BASE, "env.kernelgsbase"),
        (0xc000_0103, "env.tsc_aux"),
    ];
    let known = registers
        .into_iter()
        .filter_map(|(register, name)| Some((register, value(name)?)));
    vcpu.msrs.extend(known);
    let bases = [(msr::FS_BASE, vcpu.segments.fs), (msr::GS_BASE, vcpu.segments.gs)];
    for (register, segment) in bases {
        vcpu.msrs.extend(segment.hidden.map(|hidden| (register, hidden.base)));
    }
    Some(vcpu)
}

fn array(part: Part<'_>) -> Option<[u64; 8]> {
    let mut values = [0; 8];
    for (index, value) in values.iter_mut().enumerate() {
        *value = part.element(index)?.number()?;
    }
    Some(values)
}

/// A segment register: QEMU keeps the second word of the descriptor as flags.
fn segment(part: Part<'_>) -> Option<Segment> {
    let value = |name: &str| part.field(name).and_then(Part::number);
    let access = value("flags")? >> 8 & 0xf0ff;
    Some(Segment {
        selector: u16::try_from(value("selector")? & 0xffff).ok()?,
        hidden: Some(Hidden {
            base: value("base")?,
            limit: u32::try_from(value("limit")?).ok()?,
            access: u16::try_from(access).ok()?,
        }),
    })
}

fn table(part: Part<'_>) -> Option<Table> {
    let value = |name: &str| part.field(name).and_then(Part::number);
    Some(Table {
        base: value("base")?,
        limit: u16::try_from(value("limit")? & 0xffff).ok()?,
    })
}

/// The FXSAVE image: control words at its start, x87 registers from 32 on, XMM registers from 160 on.
fn fxsave(content: &Content, bytes: &[u8]) -> Option<Box<[u8; 512]>> {
    let part = |name: &str| content.field(bytes, name);
    let value = |name: &str| part(name).and_then(Part::number);
    let mut image = [0u8; 512];
    let mut put = |at: usize, bytes: &[u8]| {
        let room = image.get_mut(at..).unwrap_or_default();
        room.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    };
    // The tag word is of one byte here: a bit for each register in use.
    let words = [
        (0usize, "env.fpuc", 2usize),
        (2, "env.fpus_vmstate", 2),
        (4, "env.fptag_vmstate", 1),
    ];
    for (at, name, length) in words {
        put(at, value(name)?.to_le_bytes().get(..length)?);
    }
    put(24, value("env.mxcsr")?.to_le_bytes().get(..4)?);
    put(28, &[0xff, 0xff, 0, 0]);
    let x87 = part("env.fpregs")?;
    for (index, at) in (32usize..160).step_by(16).enumerate() {
        // Mantissa, then sign and exponent.
        let register = x87.element(index)?.bytes;
        let (mantissa, exponent) = (register.get(..8)?, register.get(8..10)?);
        put(at, &reversed(mantissa));
        put(at.checked_add(8)?, &reversed(exponent));
    }
    // Releases differ in whether the name of the lower halves has a number.
    let vectors = part("env.xmm_regs[0]").or_else(|| part("env.xmm_regs"))?;
    for (index, at) in (160usize..416).step_by(16).enumerate() {
        let Some(register) = vectors.element(index) else { break };
        put(at, &reversed(register.bytes.get(..8)?));
        put(at.checked_add(8)?, &reversed(register.bytes.get(8..16)?));
    }
    Some(Box::new(image))
}

fn reversed(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().rev().copied().collect()
}
