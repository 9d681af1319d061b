//! Registers of vCPUs as text, for containers that hold memory only.
//!
//! Two forms, which mix in one file:
//! - what QEMU's monitor prints for `info registers -a` (QEMU 7 to 10, `target/i386/cpu-dump.c`), in its
//!   32-bit and its 64-bit layout; also as the JSON answer of QMP's `human-monitor-command`;
//! - `name=value` lines. `cpu=N` (decimal) begins a vCPU; all other values are hexadecimal, with or
//!   without `0x`. Names are those of QEMU in any case, and for what QEMU does not print: `lstar`, `star`,
//!   `cstar`, `sfmask`, `fs_base`, `gs_base`, `kernel_gs_base`, `sysenter_cs`, `sysenter_esp`,
//!   `sysenter_eip`, `cr8`, `xcr0`, and `msr:NUMBER`. A segment is `cs=selector base limit flags`, with the
//!   flags as in the second word of a descriptor; `gdt` and `idt` are `gdt=base limit`. `#` begins a
//!   comment.
//!
//! So LSTAR, which QEMU does not print, can be added below each `CPU#`:
//!
//! ```
//! let (vcpus, damage) = kdd::target::registers::parse("cpu=0\nrip=fffff80312345678\nlstar=0xfffff80312400000\n");
//! assert!(damage.is_empty());
//! assert_eq!(vcpus[0].rip, 0xffff_f803_1234_5678);
//! assert_eq!(vcpus[0].msrs[&0xc000_0082], 0xffff_f803_1240_0000);
//! ```

use std::collections::BTreeMap;

use super::vcpu::{Hidden, Segment, Table, msr};
use super::{Capture, Vcpu};
use crate::damage::Damage;

/// vCPUs that a text may describe.
const LIMIT: u32 = 4096;

/// Reads a text: the vCPUs in the order of their numbers, and the lines that make no sense (offsets are
/// of the text).
#[must_use]
pub fn parse(text: &str) -> (Vec<Vcpu>, Vec<Damage>) {
    let unpacked = answer(text);
    let mut reader = Reader::default();
    let mut offset = 0;
    for line in unpacked.as_deref().unwrap_or(text).split_inclusive('\n') {
        reader.line(line, offset);
        offset = offset.saturating_add(u64::try_from(line.len()).unwrap_or(0));
    }
    let vcpus = reader.states.into_values().map(State::finish).collect();
    (vcpus, reader.damage)
}

/// The text in an answer of QMP.
fn answer(text: &str) -> Option<String> {
    let json = text.trim_start().starts_with('{').then_some(text)?;
    let value: serde_json::Value = serde_json::from_str(json).ok()?;
    Some(value.get("return")?.as_str()?.to_owned())
}

/// Gives the registers of a text to a capture: all of them when it has no vCPU; else what it does not
/// know of a vCPU with the same number.
pub fn apply(capture: &mut Capture, text: &str) {
    let (vcpus, damage) = parse(text);
    capture.damage.extend(damage);
    if capture.vcpus.is_empty() {
        capture.vcpus = vcpus;
        return;
    }
    for more in vcpus {
        match capture.vcpus.iter_mut().find(|vcpu| vcpu.number == more.number) {
            Some(vcpu) => fill(vcpu, more),
            None => capture.damage.push(Damage::file(
                "registers-cpu",
                0,
                "a vCPU of the capture",
                format!("vCPU {} in the register file", more.number),
            )),
        }
    }
}

fn fill(vcpu: &mut Vcpu, more: Vcpu) {
    vcpu.gdt = vcpu.gdt.or(more.gdt);
    vcpu.idt = vcpu.idt.or(more.idt);
    vcpu.cr0 = vcpu.cr0.or(more.cr0);
    vcpu.cr2 = vcpu.cr2.or(more.cr2);
    vcpu.cr3 = vcpu.cr3.or(more.cr3);
    vcpu.cr4 = vcpu.cr4.or(more.cr4);
    vcpu.cr8 = vcpu.cr8.or(more.cr8);
    vcpu.xcr0 = vcpu.xcr0.or(more.xcr0);
    vcpu.dr = vcpu.dr.or(more.dr);
    if vcpu.fxsave.is_none() {
        vcpu.fxsave = more.fxsave;
    }
    for (number, value) in more.msrs {
        vcpu.msrs.entry(number).or_insert(value);
    }
}

/// What is known of a vCPU while its lines are read.
#[derive(Default)]
struct State {
    vcpu: Vcpu,
    /// Whether the general registers came in the 64-bit layout.
    wide: Option<bool>,
    debug: [Option<u64>; 8],
    float: Float,
}

/// Parts of an FXSAVE image. QEMU numbers the x87 registers as they stand in the register file, not from
/// the top of the stack.
#[derive(Default)]
struct Float {
    control: Option<u64>,
    status: u64,
    tags: u64,
    mxcsr: Option<u64>,
    x87: [Option<(u64, u64)>; 8],
    xmm: BTreeMap<usize, (u64, u64)>,
}

#[derive(Default)]
struct Reader {
    states: BTreeMap<u32, State>,
    current: u32,
    damage: Vec<Damage>,
}

impl Reader {
    fn line(&mut self, line: &str, offset: u64) {
        let text = line.trim();
        if let Some(number) = text.strip_prefix("CPU#") {
            self.begin(number.split_whitespace().next().unwrap_or_default(), offset);
            return;
        }
        let text = text.split('#').next().unwrap_or_default();
        for (name, values) in items(text) {
            if name == "cpu" {
                self.begin(values.first().copied().unwrap_or_default(), offset);
                continue;
            }
            let state = self
                .states
                .entry(self.current)
                .or_insert_with(|| State::new(self.current));
            if state.set(&name, &values).is_none() && self.damage.len() < 100 {
                let seen = values.join(" ");
                let expected = format!("a value of {name}");
                self.damage
                    .push(Damage::file("registers-value", offset, expected, seen));
            }
        }
    }

    fn begin(&mut self, number: &str, offset: u64) {
        match number.parse::<u32>().ok().filter(|number| *number < LIMIT) {
            Some(number) => {
                self.current = number;
                self.states.entry(number).or_insert_with(|| State::new(number));
            }
            None => self.note(Damage::file("registers-cpu", offset, "a number of a vCPU", number)),
        }
    }

    fn note(&mut self, damage: Damage) {
        if self.damage.len() < 100 {
            self.damage.push(damage);
        }
    }
}

/// Names in small letters with the words behind them. A blank may stand before the `=` (`R8 =`).
fn items(line: &str) -> Vec<(String, Vec<&str>)> {
    let mut items: Vec<(String, Vec<&str>)> = Vec::new();
    let mut before = None;
    for word in line.split_whitespace() {
        match word.split_once('=') {
            Some((name, value)) => {
                let name = if name.is_empty() {
                    before.unwrap_or_default()
                } else {
                    name
                };
                let values = Some(value).filter(|value| !value.is_empty());
                items.push((name.to_ascii_lowercase(), values.into_iter().collect()));
            }
            None => {
                if let Some((_, values)) = items.last_mut() {
                    values.push(word);
                }
            }
        }
        before = Some(word);
    }
    items
}

fn hex(text: &str) -> Option<u64> {
    let digits = text.trim_start_matches("0x").trim_start_matches("0X");
    u64::from_str_radix(digits, 16).ok()
}

/// Number at the end of a name: 3 of `cr3`.
fn index(name: &str, stem: &str, end: usize) -> Option<usize> {
    name.strip_prefix(stem)?.parse().ok().filter(|index| *index < end)
}

const GENERAL: [&str; 8] = ["ax", "cx", "dx", "bx", "sp", "bp", "si", "di"];

/// Names of model-specific registers.
const MSRS: &[(&str, u32)] = &[
    ("efer", msr::EFER),
    ("star", msr::STAR),
    ("lstar", msr::LSTAR),
    ("cstar", msr::CSTAR),
    ("sfmask", msr::SFMASK),
    ("fmask", msr::SFMASK),
    ("fs_base", msr::FS_BASE),
    ("gs_base", msr::GS_BASE),
    ("kernel_gs_base", msr::KERNEL_GS_BASE),
    ("k_gs_base", msr::KERNEL_GS_BASE),
    ("sysenter_cs", msr::SYSENTER_CS),
    ("sysenter_esp", msr::SYSENTER_ESP),
    ("sysenter_eip", msr::SYSENTER_EIP),
];

impl State {
    fn new(number: u32) -> Self {
        Self {
            vcpu: Vcpu {
                number,
                ..Vcpu::default()
            },
            ..Self::default()
        }
    }

    /// Sets a register; `None` when its value makes no sense. Names that mean nothing here (flags of the
    /// emulator, bytes of code) are passed over.
    fn set(&mut self, name: &str, values: &[&str]) -> Option<()> {
        let first = || values.first().and_then(|value| hex(value));
        if let Some((register, wide)) = general(name) {
            *self.vcpu.gpr.get_mut(register)? = first()?;
            self.wide = self.wide.or(Some(wide));
            return Some(());
        }
        if let Some((_, number)) = MSRS.iter().find(|(known, _)| *known == name) {
            self.vcpu.msrs.insert(*number, first()?);
            return Some(());
        }
        if let Some(number) = name.strip_prefix("msr:") {
            let number = u32::try_from(hex(number)?).ok()?;
            self.vcpu.msrs.insert(number, first()?);
            return Some(());
        }
        if let Some(segment) = self.segment(name) {
            *segment = descriptor(values)?;
            return Some(());
        }
        if let Some(register) = index(name, "dr", 8) {
            *self.debug.get_mut(register)? = Some(first()?);
            return Some(());
        }
        match name {
            "rip" | "eip" => self.vcpu.rip = first()?,
            "rfl" | "efl" | "rflags" | "eflags" => self.vcpu.rflags = first()?,
            "cr0" => self.vcpu.cr0 = Some(first()?),
            "cr2" => self.vcpu.cr2 = Some(first()?),
            "cr3" => self.vcpu.cr3 = Some(first()?),
            "cr4" => self.vcpu.cr4 = Some(first()?),
            "cr8" => self.vcpu.cr8 = Some(first()?),
            "xcr0" => self.vcpu.xcr0 = Some(first()?),
            "gdt" | "gdtr" => self.vcpu.gdt = Some(table(values)?),
            "idt" | "idtr" => self.vcpu.idt = Some(table(values)?),
            _ => self.float.set(name, values)?,
        }
        Some(())
    }

    fn segment(&mut self, name: &str) -> Option<&mut Segment> {
        let segments = &mut self.vcpu.segments;
        Some(match name {
            "es" => &mut segments.es,
            "cs" => &mut segments.cs,
            "ss" => &mut segments.ss,
            "ds" => &mut segments.ds,
            "fs" => &mut segments.fs,
            "gs" => &mut segments.gs,
            "ldt" | "ldtr" => &mut segments.ldt,
            "tr" => &mut segments.tr,
            _ => return None,
        })
    }

    fn finish(mut self) -> Vcpu {
        if self.debug.iter().any(Option::is_some) {
            self.vcpu.dr = Some(self.debug.map(Option::unwrap_or_default));
        }
        // In the 32-bit layout bases are cut to 32 bits.
        if self.wide == Some(true) {
            let bases = [
                (msr::FS_BASE, self.vcpu.segments.fs.hidden),
                (msr::GS_BASE, self.vcpu.segments.gs.hidden),
            ];
            for (number, hidden) in bases {
                if let Some(hidden) = hidden {
                    self.vcpu.msrs.entry(number).or_insert(hidden.base);
                }
            }
        }
        self.vcpu.fxsave = self.float.image();
        self.vcpu
    }
}

/// Number of a general register, and whether the name is of the 64-bit layout.
fn general(name: &str) -> Option<(usize, bool)> {
    if let Some(number) = index(name, "r", 16).filter(|number| *number >= 8) {
        return Some((number, true));
    }
    let (wide, stem) = match (name.strip_prefix('r'), name.strip_prefix('e')) {
        (Some(stem), _) => (true, stem),
        (_, Some(stem)) => (false, stem),
        _ => return None,
    };
    let number = GENERAL.iter().position(|known| *known == stem)?;
    Some((number, wide))
}

/// Selector alone, or selector, base, limit and flags.
fn descriptor(values: &[&str]) -> Option<Segment> {
    let (selector, hidden) = match values {
        [selector] => (selector, None),
        [selector, base, limit, flags, ..] => {
            let access = u16::try_from((hex(flags)? >> 8) & 0xf0ff).ok()?;
            let limit = u32::try_from(hex(limit)?).ok()?;
            (
                selector,
                Some(Hidden {
                    base: hex(base)?,
                    limit,
                    access,
                }),
            )
        }
        _ => return None,
    };
    Some(Segment {
        selector: u16::try_from(hex(selector)?).ok()?,
        hidden,
    })
}

fn table(values: &[&str]) -> Option<Table> {
    let [base, limit, ..] = values else { return None };
    Some(Table {
        base: hex(base)?,
        limit: u16::try_from(hex(limit)? & 0xffff).ok()?,
    })
}

impl Float {
    fn set(&mut self, name: &str, values: &[&str]) -> Option<()> {
        let value = |at: usize| values.get(at).and_then(|value| hex(value));
        match name {
            "fcw" => self.control = Some(value(0)?),
            "fsw" => self.status = value(0)?,
            "ftw" => self.tags = value(0)?,
            "mxcsr" => self.mxcsr = Some(value(0)?),
            _ => {
                if let Some(register) = index(name, "fpr", 8) {
                    *self.x87.get_mut(register)? = Some((value(0)?, value(1)?));
                } else if let Some((register, words)) = vector(name) {
                    // The words stand from the highest to the lowest.
                    self.xmm
                        .insert(register, (value(words.checked_sub(1)?)?, value(words.checked_sub(2)?)?));
                }
            }
        }
        Some(())
    }

    /// The FXSAVE image. Pointers to the last x87 instruction and its operand are not printed: zero.
    fn image(&self) -> Option<Box<[u8; 512]>> {
        let mut image = vec![0; 512];
        put(&mut image, 0, self.control?, 2);
        put(&mut image, 2, self.status, 2);
        put(&mut image, 4, self.tags, 1);
        put(&mut image, 24, self.mxcsr?, 4);
        let top = usize::try_from((self.status >> 11) & 7).ok()?;
        for place in 0..8usize {
            let physical = place.saturating_add(top) & 7;
            if let Some((mantissa, exponent)) = self.x87.get(physical).copied().flatten() {
                let at = 32usize.saturating_add(place.saturating_mul(16));
                put(&mut image, at, mantissa, 8);
                put(&mut image, at.saturating_add(8), exponent, 2);
            }
        }
        for (register, (low, high)) in &self.xmm {
            let at = 160usize.saturating_add(register.saturating_mul(16));
            put(&mut image, at, *low, 8);
            put(&mut image, at.saturating_add(8), *high, 8);
        }
        image.into_boxed_slice().try_into().ok()
    }
}

/// Number of a vector register below 16, and how many words its line has.
fn vector(name: &str) -> Option<(usize, usize)> {
    let words = [("xmm", 2), ("ymm", 4), ("zmm", 8)];
    words
        .into_iter()
        .find_map(|(stem, words)| Some((index(name, stem, 16)?, words)))
}

fn put(image: &mut [u8], at: usize, value: u64, length: usize) {
    let end = at.saturating_add(length);
    if let (Some(to), Some(from)) = (image.get_mut(at..end), value.to_le_bytes().get(..length)) {
        to.copy_from_slice(from);
    }
}
