//! Registers of the group `cpu`. The first index of a tag is the vCPU, the second the register.
//!
//! General registers have tags of their own (`rax`), or stand in a block `gpregs`: rax rcx rdx rbx rbp rsp
//! rsi rdi r8 to r15. Control and debug registers are in `CR64` and `DR64` (`CR` and `DR` hold the lower
//! halves), selectors in `S`, bases in `S.base64`; `GDTR` and `IDTR` are limit, lower and upper half of
//! the base, or a block of limit and base. Model-specific registers are taken where a tag has their name.

use std::collections::BTreeMap;

use super::super::Vcpu;
use super::super::fields::Fields;
use super::super::vcpu::{Hidden, Segment, Table, gpr, msr};
use super::tags::{Data, Tag};

/// More vCPUs than a machine of VMware has.
const LIMIT: u32 = 4096;

/// What is known of each vCPU.
#[derive(Default)]
pub(super) struct Cpus {
    count: Option<u64>,
    list: BTreeMap<u32, Cpu>,
}

/// A register and whether its value has all 64 bits.
type Known = Option<(u64, bool)>;

#[derive(Default)]
struct Cpu {
    general: [Known; 16],
    rip: Known,
    flags: Known,
    control: [Known; 9],
    debug: [Known; 8],
    segments: [Part; 8],
    gdt: Descriptors,
    idt: Descriptors,
    msrs: BTreeMap<u32, (u64, bool)>,
}

/// Parts of a segment register, in the order es cs ss ds fs gs ldtr tr.
#[derive(Clone, Copy, Default)]
struct Part {
    selector: Option<u64>,
    base: Known,
    limit: Option<u64>,
    access: Option<u64>,
}

/// Limit, lower and upper half of the base.
#[derive(Clone, Copy, Default)]
struct Descriptors([Option<u64>; 3]);

const GENERAL: [&str; 8] = ["ax", "cx", "dx", "bx", "sp", "bp", "si", "di"];

const MSRS: &[(&str, u32)] = &[
    ("efer", msr::EFER),
    ("star", msr::STAR),
    ("lstar", msr::LSTAR),
    ("cstar", msr::CSTAR),
    ("sfmask", msr::SFMASK),
    ("fmask", msr::SFMASK),
    ("kernelgsbase", msr::KERNEL_GS_BASE),
    ("sysentercs", msr::SYSENTER_CS),
    ("sysenteresp", msr::SYSENTER_ESP),
    ("sysentereip", msr::SYSENTER_EIP),
];

impl Cpus {
    /// Takes a tag of the group.
    pub(super) fn take(&mut self, tag: &Tag<'_>) {
        let Ok(name) = std::str::from_utf8(tag.name) else {
            return;
        };
        if name == "cpu:numVCPUs" {
            if let Data::Value(count) = tag.data {
                self.count = Some(count);
            }
            return;
        }
        let Some((first, rest)) = tag.indices.split_first() else {
            return;
        };
        if *first >= LIMIT || self.count.is_some_and(|count| u64::from(*first) >= count) {
            return;
        }
        let cpu = self.list.entry(*first).or_default();
        let second = rest.first().and_then(|index| usize::try_from(*index).ok());
        match tag.data {
            Data::Value(value) => cpu.value(name, second, value),
            Data::Block {
                bytes, packed: false, ..
            } => cpu.block(name, Fields(bytes)),
            Data::Block { .. } => {}
        }
    }

    /// The vCPUs of which at least the instruction pointer or CR3 is known.
    pub(super) fn finish(self) -> Vec<Vcpu> {
        let known = |cpu: &Cpu| cpu.rip.is_some() || cpu.control.get(3).is_some_and(Option::is_some);
        let list = self.list.into_iter().filter(|(_, cpu)| known(cpu));
        list.map(|(number, cpu)| cpu.finish(number)).collect()
    }
}

/// Keeps the value with all bits, in whatever order the two come.
fn keep(place: Option<&mut Known>, value: u64, wide: bool) {
    if let Some(place) = place
        && (wide || place.is_none_or(|(_, known)| !known))
    {
        *place = Some((value, wide));
    }
}

impl Cpu {
    fn value(&mut self, name: &str, index: Option<usize>, value: u64) {
        let segment = index.and_then(|index| self.segments.get_mut(index));
        match (name, segment) {
            ("S", Some(segment)) => return segment.selector = Some(value),
            ("S.base64", Some(segment)) => return segment.base = Some((value, true)),
            ("S.base", Some(segment)) => return keep(Some(&mut segment.base), value, false),
            ("S.limit", Some(segment)) => return segment.limit = Some(value),
            ("S.ar", Some(segment)) => return segment.access = Some(value),
            _ => {}
        }
        match (name, index) {
            ("CR64", Some(index)) => keep(self.control.get_mut(index), value, true),
            ("CR", Some(index)) => keep(self.control.get_mut(index), value, false),
            ("DR64", Some(index)) => keep(self.debug.get_mut(index), value, true),
            ("DR", Some(index)) => keep(self.debug.get_mut(index), value, false),
            ("GDTR", Some(index)) => self.gdt.set(index, value),
            ("IDTR", Some(index)) => self.idt.set(index, value),
            ("rip", None) => keep(Some(&mut self.rip), value, true),
            ("eip", None) => keep(Some(&mut self.rip), value, false),
            ("rflags", None) => keep(Some(&mut self.flags), value, true),
            ("eflags" | "EFLAGS", None) => keep(Some(&mut self.flags), value, false),
            (_, None) => match general(name) {
                Some((register, wide)) => keep(self.general.get_mut(register), value, wide),
                None => self.model_specific(name, value),
            },
            _ => {}
        }
    }

    /// A tag with the name of an MSR, in any case and with or without a 64 behind it.
    fn model_specific(&mut self, name: &str, value: u64) {
        let letters: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
        let letters = letters.to_ascii_lowercase();
        let (stem, wide) = match letters.strip_suffix("64") {
            Some(stem) => (stem, true),
            None => (letters.as_str(), false),
        };
        if let Some((_, number)) = MSRS.iter().find(|(known, _)| *known == stem) {
            let mut place = self.msrs.get(number).copied();
            keep(Some(&mut place), value, wide);
            place.into_iter().for_each(|known| {
                self.msrs.insert(*number, known);
            });
        }
    }

    fn block(&mut self, name: &str, fields: Fields<'_>) {
        match (name, fields.0.len()) {
            ("gpregs", 128) => {
                let order = [0, 1, 2, 3, gpr::RBP, gpr::RSP, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];
                let values = fields.u64s::<16>(0).unwrap_or_default();
                for (register, value) in order.into_iter().zip(values) {
                    keep(self.general.get_mut(register), value, true);
                }
            }
            ("CR64", 40..=72) => {
                for (index, register) in self.control.iter_mut().enumerate() {
                    if let Some(value) = fields.u64(index.saturating_mul(8)) {
                        *register = Some((value, true));
                    }
                }
            }
            ("DR64", 64) => {
                for (index, register) in self.debug.iter_mut().enumerate() {
                    if let Some(value) = fields.u64(index.saturating_mul(8)) {
                        *register = Some((value, true));
                    }
                }
            }
            ("GDTR", 10) => self.gdt = Descriptors::block(fields),
            ("IDTR", 10) => self.idt = Descriptors::block(fields),
            _ => {}
        }
    }

    fn finish(self, number: u32) -> Vcpu {
        let plain = |known: Known| known.map(|(value, _)| value);
        let [cr0, _, cr2, cr3, cr4, _, _, _, cr8] = self.control.map(plain);
        let mut msrs: BTreeMap<u32, u64> = self
            .msrs
            .into_iter()
            .map(|(number, (value, _))| (number, value))
            .collect();
        let [es, cs, ss, ds, fs, gs, ldt, tr] = self.segments;
        for (number, segment) in [(msr::FS_BASE, fs), (msr::GS_BASE, gs)] {
            if let Some((base, true)) = segment.base {
                msrs.insert(number, base);
            }
        }
        let debug = self.debug.map(plain);
        let mut vcpu = Vcpu {
            number,
            gpr: self.general.map(|register| plain(register).unwrap_or_default()),
            rip: plain(self.rip).unwrap_or_default(),
            rflags: plain(self.flags).unwrap_or_default(),
            gdt: self.gdt.finish(),
            idt: self.idt.finish(),
            cr0,
            cr2,
            cr3,
            cr4,
            cr8,
            dr: debug
                .iter()
                .any(Option::is_some)
                .then(|| debug.map(Option::unwrap_or_default)),
            msrs,
            ..Vcpu::default()
        };
        let segments = &mut vcpu.segments;
        segments.es = es.finish();
        segments.cs = cs.finish();
        segments.ss = ss.finish();
        segments.ds = ds.finish();
        segments.fs = fs.finish();
        segments.gs = gs.finish();
        segments.ldt = ldt.finish();
        segments.tr = tr.finish();
        vcpu
    }
}

impl Part {
    fn finish(self) -> Segment {
        let hidden = self
            .base
            .zip(self.limit)
            .zip(self.access)
            .and_then(|(((base, _), limit), access)| {
                Some(Hidden {
                    base,
                    limit: u32::try_from(limit).ok()?,
                    access: u16::try_from(access & 0xf0ff).ok()?,
                })
            });
        Segment {
            selector: u16::try_from(self.selector.unwrap_or_default() & 0xffff).unwrap_or_default(),
            hidden,
        }
    }
}

impl Descriptors {
    fn set(&mut self, index: usize, value: u64) {
        if let Some(place) = self.0.get_mut(index) {
            *place = Some(value);
        }
    }

    fn block(fields: Fields<'_>) -> Self {
        let base = fields.u64(2);
        let limit = fields.u16(0).map(u64::from);
        Self([limit, base.map(|base| base & 0xffff_ffff), base.map(|base| base >> 32)])
    }

    fn finish(self) -> Option<Table> {
        let [limit, low, high] = self.0;
        Some(Table {
            base: (high.unwrap_or_default() << 32) | (low? & 0xffff_ffff),
            limit: u16::try_from(limit? & 0xffff).ok()?,
        })
    }
}

/// Number of a general register, and whether the name is of the whole one.
fn general(name: &str) -> Option<(usize, bool)> {
    if let Some(number) = name.strip_prefix('r').and_then(|number| number.parse::<usize>().ok()) {
        return (8..16).contains(&number).then_some((number, true));
    }
    let (stem, wide) = match (name.strip_prefix('r'), name.strip_prefix('e')) {
        (Some(stem), _) => (stem, true),
        (_, Some(stem)) => (stem, false),
        _ => return None,
    };
    let number = GENERAL.iter().position(|known| *known == stem)?;
    Some((number, wide))
}
