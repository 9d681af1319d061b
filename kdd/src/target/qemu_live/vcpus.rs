//! Registers of the vCPUs: from the monitor (`info registers -a`), the gdbstub and the state of the devices, each
//! where it knows most; and setting them through the gdbstub.

use std::collections::BTreeMap;

use super::device_state::{self, DeviceState};
use super::fault::Fault;
use super::link::Link;
use super::rsp::{from_hex, to_hex};
use super::stub::Stub;
use crate::target::registers;
use crate::target::vcpu::msr;
use crate::target::{ControlError, Vcpu};

/// General registers by number: names of x86-64 and of 32-bit x86.
const GENERAL: [(&str, &str); 16] = [
    ("rax", "eax"),
    ("rcx", "ecx"),
    ("rdx", "edx"),
    ("rbx", "ebx"),
    ("rsp", "esp"),
    ("rbp", "ebp"),
    ("rsi", "esi"),
    ("rdi", "edi"),
    ("r8", ""),
    ("r9", ""),
    ("r10", ""),
    ("r11", ""),
    ("r12", ""),
    ("r13", ""),
    ("r14", ""),
    ("r15", ""),
];

/// Model-specific registers that the gdbstub has.
const MSRS: [(&str, u32); 4] = [
    ("fs_base", msr::FS_BASE),
    ("gs_base", msr::GS_BASE),
    ("k_gs_base", msr::KERNEL_GS_BASE),
    ("efer", msr::EFER),
];

/// Registers that only the state of the devices tells and that seldom change: kept over single steps.
const KEPT: [u32; 9] = [
    msr::STAR,
    msr::LSTAR,
    msr::CSTAR,
    msr::SFMASK,
    msr::SYSENTER_CS,
    msr::SYSENTER_ESP,
    msr::SYSENTER_EIP,
    0x277,
    0xc000_0103,
];

/// Reads all vCPUs of a guest that stands. Without `state`, what only that tells is taken from `before`.
pub(super) fn read(link: &mut Link, state: Option<&mut DeviceState>, before: &[Vcpu]) -> Result<Vec<Vcpu>, Fault> {
    let text = link.qmp.monitor("info registers -a")?;
    let (mut vcpus, _) = registers::parse(&text);
    let saved = match state {
        Some(state) => state.save(&mut link.qmp).map(|bytes| device_state::vcpus(&bytes)),
        None => Ok(Vec::new()),
    };
    let saved = saved.unwrap_or_default();
    let stub = link.stub()?;
    let numbers: Vec<u32> = stub.threads.keys().copied().collect();
    vcpus.retain(|vcpu| numbers.contains(&vcpu.number));
    for number in numbers {
        let values = values(stub, number)?;
        if !vcpus.iter().any(|vcpu| vcpu.number == number) {
            vcpus.push(Vcpu {
                number,
                ..Vcpu::default()
            });
        }
        for vcpu in vcpus.iter_mut().filter(|vcpu| vcpu.number == number) {
            take(vcpu, &values);
            match saved.iter().find(|saved| saved.number == number) {
                Some(saved) if saved.rip == vcpu.rip && saved.cr3 == vcpu.cr3 => enrich(vcpu, saved),
                Some(_) => {}
                None => {
                    if let Some(before) = before.iter().find(|before| before.number == number) {
                        keep(vcpu, before);
                    }
                }
            }
        }
    }
    vcpus.sort_by_key(|vcpu| vcpu.number);
    Ok(vcpus)
}

/// Values of the gdbstub's registers of at most 64 bits, by name.
fn values(stub: &mut Stub, vcpu: u32) -> Result<BTreeMap<String, u64>, Fault> {
    stub.select(vcpu)?;
    let answer = stub.rsp.request(b"g")?;
    if answer.first() == Some(&b'E') && answer.len() == 3 {
        return Err(Fault::Refused(format!(
            "registers: {}",
            String::from_utf8_lossy(&answer)
        )));
    }
    let mut values = BTreeMap::new();
    let mut rest = answer.as_slice();
    for register in &stub.registers {
        let digits = register.length.saturating_mul(2);
        let Some((value, behind)) = rest.split_at_checked(digits) else {
            break;
        };
        rest = behind;
        if register.length <= 8
            && let Some(bytes) = from_hex(value)
        {
            values.insert(register.name.clone(), little(&bytes));
        }
    }
    Ok(values)
}

fn little(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte))
}

/// Takes what the gdbstub tells.
fn take(vcpu: &mut Vcpu, values: &BTreeMap<String, u64>) {
    let value = |name: &str| values.get(name).copied();
    for (to, (wide, narrow)) in vcpu.gpr.iter_mut().zip(GENERAL) {
        *to = value(wide).or_else(|| value(narrow)).unwrap_or(*to);
    }
    vcpu.rip = value("rip").or_else(|| value("eip")).unwrap_or(vcpu.rip);
    vcpu.rflags = value("eflags").unwrap_or(vcpu.rflags);
    vcpu.cr0 = value("cr0").or(vcpu.cr0);
    vcpu.cr2 = value("cr2").or(vcpu.cr2);
    vcpu.cr3 = value("cr3").or(vcpu.cr3);
    vcpu.cr4 = value("cr4").or(vcpu.cr4);
    vcpu.cr8 = value("cr8").or(vcpu.cr8);
    // Of a 32-bit build they are 0 and mean nothing.
    if value("rax").is_some() {
        for (name, number) in MSRS {
            vcpu.msrs.extend(value(name).map(|value| (number, value)));
        }
    }
    // The monitor cuts bases to 32 bits outside of 64-bit code.
    let segments = [
        (&mut vcpu.segments.fs, msr::FS_BASE),
        (&mut vcpu.segments.gs, msr::GS_BASE),
    ];
    for (segment, number) in segments {
        if let (Some(hidden), Some(base)) = (&mut segment.hidden, vcpu.msrs.get(&number)) {
            hidden.base = *base;
        }
    }
}

/// Takes what the state of the devices tells: all 64 bits of what is cut elsewhere, and more registers.
fn enrich(vcpu: &mut Vcpu, saved: &Vcpu) {
    vcpu.gpr = saved.gpr;
    vcpu.segments = saved.segments;
    vcpu.gdt = saved.gdt.or(vcpu.gdt);
    vcpu.idt = saved.idt.or(vcpu.idt);
    vcpu.dr = saved.dr.or(vcpu.dr);
    vcpu.xcr0 = saved.xcr0;
    vcpu.msrs.extend(&saved.msrs);
    for (number, segment) in [(msr::FS_BASE, saved.segments.fs), (msr::GS_BASE, saved.segments.gs)] {
        vcpu.msrs.extend(segment.hidden.map(|hidden| (number, hidden.base)));
    }
}

/// Keeps what is known from the last whole look.
fn keep(vcpu: &mut Vcpu, before: &Vcpu) {
    let kept = before.msrs.iter().filter(|(number, _)| KEPT.contains(number));
    vcpu.msrs.extend(kept);
    vcpu.xcr0 = vcpu.xcr0.or(before.xcr0);
}

/// A register of the gdbstub and the bytes to put there.
pub(super) type Change = (&'static str, Vec<u8>);

/// What has to be written so that `old` becomes `new`.
///
/// # Errors
/// The first register that the gdbstub cannot set.
pub(super) fn changes(old: &Vcpu, new: &Vcpu) -> Result<Vec<Change>, ControlError> {
    let mut changes: Vec<Change> = Vec::new();
    let mut put = |name: &'static str, value: u64| changes.push((name, value.to_le_bytes().to_vec()));
    // Control registers first: they say how wide the others are.
    let controls = [
        ("efer", old.msrs.get(&msr::EFER), new.msrs.get(&msr::EFER)),
        ("cr0", old.cr0.as_ref(), new.cr0.as_ref()),
        ("cr2", old.cr2.as_ref(), new.cr2.as_ref()),
        ("cr3", old.cr3.as_ref(), new.cr3.as_ref()),
        ("cr4", old.cr4.as_ref(), new.cr4.as_ref()),
        ("cr8", old.cr8.as_ref(), new.cr8.as_ref()),
    ];
    for (name, old, new) in controls {
        if let Some(new) = new.filter(|new| old != Some(*new)) {
            put(name, *new);
        }
    }
    segments(old, new, &mut put)?;
    model_specific(old, new, &mut put)?;
    for ((name, _), (old, new)) in GENERAL.iter().zip(old.gpr.iter().zip(&new.gpr)) {
        if old != new {
            put(name, *new);
        }
    }
    if old.rip != new.rip {
        put("rip", new.rip);
    }
    if old.rflags != new.rflags {
        put("eflags", new.rflags);
    }
    refuse(new.gdt.is_some() && old.gdt != new.gdt, "GDTR")?;
    refuse(new.idt.is_some() && old.idt != new.idt, "IDTR")?;
    refuse(new.xcr0.is_some() && old.xcr0 != new.xcr0, "XCR0")?;
    refuse(new.dr.is_some() && old.dr != new.dr, "the debug registers")?;
    float(old.fxsave.as_deref(), new.fxsave.as_deref(), &mut changes)?;
    Ok(changes)
}

fn refuse(differs: bool, name: &'static str) -> Result<(), ControlError> {
    if differs {
        return Err(ControlError::Unsupported(name));
    }
    Ok(())
}

/// Selectors; the hidden parts follow from the descriptor table, but for the bases of FS and GS.
fn segments(old: &Vcpu, new: &Vcpu, put: &mut dyn FnMut(&'static str, u64)) -> Result<(), ControlError> {
    refuse(old.segments.ldt != new.segments.ldt, "LDTR")?;
    refuse(old.segments.tr != new.segments.tr, "TR")?;
    let pairs = [
        ("cs", old.segments.cs, new.segments.cs),
        ("ss", old.segments.ss, new.segments.ss),
        ("ds", old.segments.ds, new.segments.ds),
        ("es", old.segments.es, new.segments.es),
        ("fs", old.segments.fs, new.segments.fs),
        ("gs", old.segments.gs, new.segments.gs),
    ];
    for (name, old, new) in pairs {
        if old.selector != new.selector {
            put(name, new.selector.into());
        } else if let (Some(old), Some(mut new)) = (old.hidden, new.hidden) {
            let base = match name {
                "fs" => Some("fs_base"),
                "gs" => Some("gs_base"),
                _ => None,
            };
            if let Some(base) = base.filter(|_| old.base != new.base) {
                put(base, new.base);
                new.base = old.base;
            }
            refuse(old != new, "the hidden part of a segment register")?;
        }
    }
    Ok(())
}

fn model_specific(old: &Vcpu, new: &Vcpu, put: &mut dyn FnMut(&'static str, u64)) -> Result<(), ControlError> {
    for (number, value) in &new.msrs {
        if old.msrs.get(number) == Some(value) || *number == msr::EFER {
            continue;
        }
        let known = MSRS.iter().find(|(_, known)| known == number);
        let name = known.map(|(name, _)| *name).ok_or(match *number {
            msr::LSTAR => ControlError::Unsupported("LSTAR"),
            msr::STAR => ControlError::Unsupported("STAR"),
            msr::CSTAR => ControlError::Unsupported("CSTAR"),
            msr::SFMASK => ControlError::Unsupported("SFMASK"),
            msr::SYSENTER_CS => ControlError::Unsupported("SYSENTER_CS"),
            msr::SYSENTER_ESP => ControlError::Unsupported("SYSENTER_ESP"),
            msr::SYSENTER_EIP => ControlError::Unsupported("SYSENTER_EIP"),
            _ => ControlError::Unsupported("a model-specific register"),
        })?;
        put(name, *value);
    }
    Ok(())
}

const XMM: [&str; 16] = [
    "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13",
    "xmm14", "xmm15",
];

/// Of the FXSAVE image: control word, MXCSR and XMM registers. The gdbstub reads x87 registers from the top of
/// the stack but writes them by number, and has no tag word: they are refused.
fn float(old: Option<&[u8; 512]>, new: Option<&[u8; 512]>, changes: &mut Vec<Change>) -> Result<(), ControlError> {
    let Some(new) = new else { return Ok(()) };
    let Some(old) = old else {
        return Err(ControlError::Unsupported("the x87 and SSE registers"));
    };
    let differs = |from: usize, to: usize| old.get(from..to) != new.get(from..to);
    let bytes = |from: usize, to: usize| new.get(from..to).unwrap_or_default().to_vec();
    refuse(differs(2, 24) || differs(32, 160), "the x87 registers")?;
    let mut words = vec![("fctrl", 0, 2), ("mxcsr", 24, 28)];
    words.extend(
        XMM.iter()
            .zip((160usize..416).step_by(16))
            .map(|(name, at)| (*name, at, at.saturating_add(16))),
    );
    for (name, from, to) in words.into_iter().filter(|(_, from, to)| differs(*from, *to)) {
        changes.push((name, bytes(from, to)));
    }
    Ok(())
}

/// Names by which a 32-bit gdbstub has a register.
fn narrow(name: &str) -> &str {
    match name {
        "rip" => "eip",
        name => GENERAL
            .iter()
            .find(|(wide, _)| *wide == name)
            .map_or(name, |(_, narrow)| *narrow),
    }
}

/// The commands that make the changes; all are known before the first is sent.
pub(super) fn commands(stub: &Stub, changes: &[Change]) -> Result<Vec<String>, ControlError> {
    let command = |(name, bytes): &Change| {
        let known = |wanted: &str| stub.registers.iter().find(|register| register.name == wanted);
        let register = known(name).or_else(|| known(narrow(name)));
        let register = register.ok_or(ControlError::Unsupported(name))?;
        let (value, more) = bytes.split_at_checked(register.length).unwrap_or((bytes, &[]));
        if more.iter().any(|byte| *byte != 0) {
            return Err(ControlError::Unsupported(name));
        }
        let mut value = value.to_vec();
        value.resize(register.length, 0);
        Ok(format!("P{:x}={}", register.number, to_hex(&value)))
    };
    changes.iter().map(command).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_differs_is_changed() {
        let mut old = Vcpu::default();
        old.msrs.insert(msr::LSTAR, 5);
        let mut new = old.clone();
        assert!(changes(&old, &new).expect("nothing").is_empty());
        new.gpr[3] = 7;
        new.msrs.insert(msr::GS_BASE, 9);
        let names: Vec<_> = changes(&old, &new)
            .expect("possible")
            .into_iter()
            .map(|(name, _)| name)
            .collect();
        assert_eq!(names, ["gs_base", "rbx"]);
    }

    #[test]
    fn register_that_cannot_be_set_is_named() {
        let old = Vcpu::default();
        let mut new = old.clone();
        new.msrs.insert(msr::LSTAR, 5);
        assert!(matches!(changes(&old, &new), Err(ControlError::Unsupported("LSTAR"))));
        let mut new = old.clone();
        new.dr = Some([0; 8]);
        assert!(matches!(
            changes(&old, &new),
            Err(ControlError::Unsupported("the debug registers"))
        ));
    }

    #[test]
    fn numbers_of_the_gdbstub_are_little_endian() {
        assert_eq!(little(&[1, 2]), 0x201);
    }
}
