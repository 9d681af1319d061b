//! CPUs of an HVM guest: the records that Xen's hypervisor gives (public/arch-x86/hvm/save.h).

use std::collections::BTreeMap;

use crate::damage::Damage;
use crate::target::fields::{Fields, wide};
use crate::target::vcpu::{Hidden, Segments, msr};
use crate::target::{Segment, Table, Vcpu};

/// Types of records.
mod record {
    pub(super) const END: u16 = 0;
    pub(super) const CPU: u16 = 2;
    pub(super) const LAPIC_REGS: u16 = 6;
    pub(super) const CPU_XSAVE: u16 = 16;
    pub(super) const CPU_MSR: u16 = 20;
}

/// Lengths of the CPU record: before Xen 3.4 without TSC_AUX, before Xen 4.7 without flags.
const WITHOUT_TSC_AUX: usize = 1016;
const WITH_FLAGS: usize = 1032;

/// Order of the general registers in the record, as numbers of the encoding.
const ORDER: [usize; 16] = [0, 3, 1, 2, 5, 6, 7, 4, 8, 9, 10, 11, 12, 13, 14, 15];

/// vCPUs of a context that stands at an offset of the file, and what is wrong with it.
pub(in crate::target) fn vcpus(bytes: &[u8], base: u64) -> (Vec<Vcpu>, Vec<Damage>) {
    let mut found: BTreeMap<u16, Vcpu> = BTreeMap::new();
    let mut rest: Vec<(u16, u16, &[u8])> = Vec::new();
    let mut damage = Vec::new();
    let mut at = 0usize;
    loop {
        let fields = Fields(bytes);
        let place = base.saturating_add(wide(at));
        let head = fields.u16(at).zip(fields.u16(at.saturating_add(2)));
        let Some(((kind, instance), length)) = head.zip(fields.u32(at.saturating_add(4))) else {
            damage.push(Damage::file("hvm-context", place, "a record", "its end"));
            break;
        };
        let body = at.saturating_add(8);
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if kind == record::END {
            break;
        }
        let Some(content) = fields.slice(body, length) else {
            let seen = format!("{} bytes", bytes.len().saturating_sub(body));
            damage.push(Damage::file("hvm-context", place, format!("{length} bytes"), seen));
            break;
        };
        at = body.saturating_add(length);
        if kind != record::CPU {
            rest.push((kind, instance, content));
            continue;
        }
        match cpu(content) {
            Some(vcpu) => {
                let number = u32::from(instance);
                found.insert(instance, Vcpu { number, ..vcpu });
            }
            None => {
                let expected = format!("a CPU of {WITHOUT_TSC_AUX} bytes or more");
                damage.push(Damage::file("hvm-cpu", place, expected, format!("{length} bytes")));
            }
        }
    }
    for (kind, instance, content) in rest {
        if let Some(vcpu) = found.get_mut(&instance) {
            further(vcpu, kind, Fields(content));
        }
    }
    (found.into_values().collect(), damage)
}

/// What other records tell of a CPU.
fn further(vcpu: &mut Vcpu, kind: u16, fields: Fields<'_>) {
    match kind {
        // The task priority register; CR8 is its upper half.
        record::LAPIC_REGS => vcpu.cr8 = fields.u32(0x80).map(|priority| u64::from(priority >> 4 & 0xf)),
        record::CPU_XSAVE => vcpu.xcr0 = fields.u64(8),
        record::CPU_MSR => {
            for entry in fields.0.get(8..).unwrap_or_default().chunks_exact(16) {
                let fields = Fields(entry);
                if let Some((register, value)) = fields.u32(0).zip(fields.u64(8)) {
                    vcpu.msrs.insert(register, value);
                }
            }
        }
        _ => {}
    }
}

/// `struct hvm_hw_cpu`.
fn cpu(bytes: &[u8]) -> Option<Vcpu> {
    let fields = Fields(bytes);
    if bytes.len() < WITHOUT_TSC_AUX {
        return None;
    }
    let word = |index: usize| fields.u64(index.checked_mul(8)?.checked_add(512)?);
    let mut vcpu = Vcpu::default();
    for (index, register) in ORDER.into_iter().enumerate() {
        *vcpu.gpr.get_mut(register)? = word(index)?;
    }
    (vcpu.rip, vcpu.rflags) = (word(16)?, word(17)?);
    (vcpu.cr0, vcpu.cr2, vcpu.cr3, vcpu.cr4) = (word(18), word(19), word(20), word(21));
    vcpu.dr = Some([word(22)?, word(23)?, word(24)?, word(25)?, 0, 0, word(26)?, word(27)?]);
    vcpu.segments = Segments {
        cs: segment(fields, 0)?,
        ds: segment(fields, 1)?,
        es: segment(fields, 2)?,
        fs: segment(fields, 3)?,
        gs: segment(fields, 4)?,
        ss: segment(fields, 5)?,
        tr: segment(fields, 6)?,
        ldt: segment(fields, 7)?,
    };
    vcpu.idt = table(fields, 800, 872);
    vcpu.gdt = table(fields, 804, 880);
    let mut registers = vec![
        (msr::SYSENTER_CS, fields.u64(920)?),
        (msr::SYSENTER_ESP, fields.u64(928)?),
        (msr::SYSENTER_EIP, fields.u64(936)?),
        (msr::KERNEL_GS_BASE, fields.u64(944)?),
        (msr::LSTAR, fields.u64(960)?),
        (msr::STAR, fields.u64(968)?),
        (msr::CSTAR, fields.u64(976)?),
        (msr::SFMASK, fields.u64(984)?),
        (msr::EFER, fields.u64(992)?),
    ];
    registers.extend(vcpu.segments.fs.hidden.map(|hidden| (msr::FS_BASE, hidden.base)));
    registers.extend(vcpu.segments.gs.hidden.map(|hidden| (msr::GS_BASE, hidden.base)));
    if bytes.len() > WITHOUT_TSC_AUX {
        registers.push((0xc000_0103, fields.u64(1000)?));
    }
    vcpu.msrs.extend(registers);
    // Bit 0 of the flags says whether the guest has used its FPU; older records always hold it.
    let used = bytes.len() < WITH_FLAGS || fields.u32(1024)? & 1 != 0;
    vcpu.fxsave = fields.array(0).filter(|_| used).map(Box::new);
    Some(vcpu)
}

/// Segment register by its number in the record.
fn segment(fields: Fields<'_>, index: usize) -> Option<Segment> {
    let narrow = |base: usize| fields.u32(index.checked_mul(4)?.checked_add(base)?);
    let rights = narrow(888)?;
    // Xen keeps the rights as SVM does: AVL, L, D/B and G in bits 8 to 11.
    let access = rights & 0xff | (rights & 0xf00) << 4;
    Some(Segment {
        selector: u16::try_from(narrow(736)? & 0xffff).ok()?,
        hidden: Some(Hidden {
            base: fields.u64(index.checked_mul(8)?.checked_add(808)?)?,
            limit: narrow(768)?,
            access: u16::try_from(access).ok()?,
        }),
    })
}

fn table(fields: Fields<'_>, limit: usize, base: usize) -> Option<Table> {
    Some(Table {
        base: fields.u64(base)?,
        limit: u16::try_from(fields.u32(limit)? & 0xffff).ok()?,
    })
}
