//! From a guest's CPU in no dialect to libxl's `cpuid=`: the string, and the list of lines.

use std::collections::BTreeMap;

use crate::bits::{Bit, Place, Register, Word};
use crate::database::{Database, Vendors};
use crate::dialect::Dialect;
use crate::guest::{Fault, GuestCpu, Setting};

use crate::bits::COMMON_1D;
use crate::xen::config::{Characters, CpuidConfig};
use crate::xen::features::{Feature, Features, StaticSet};
use crate::xen::featureset::{Featureset, ORDER};
use crate::xen::libxl::{keys, written_subleaf};
use crate::xen::policy::MAX_BASIC;
use crate::xen::read::written_mask;
use crate::xen::suggest::key_of;

const SIGNATURE: Word = Word::cpuid(1, 0, Register::Eax);

/// Writes the string form, `host,…`, without quotes. What it cannot say is a fault, and left out.
///
/// A CPU that does not build on the host's gets `=0` for each feature guests have by default and it does
/// not ask for, but for those Xen sees to itself.
///
/// ```
/// use cpuid_db::{Database, xen};
/// let database = Database::builtin();
/// let (cpu, _) = xen::read(&database, "cpuid=\"host,sse4.1=0,nc=x,clfsh=k\"");
/// assert_eq!(xen::write_string(&database, &cpu).0, "host,nc=x,sse4-1=0,clfsh=k");
/// ```
#[must_use]
pub fn write_string(database: &Database, cpu: &GuestCpu) -> (String, Vec<Fault>) {
    let features = Features::of(database);
    let mut faults = Vec::new();
    let mut parts = vec!["host".to_owned()];
    let mut bits = asked_bits(&features, cpu);
    drop_repeats(&mut bits);
    signature(cpu, &mut parts);
    let mut words: BTreeMap<Word, (u32, u32)> = cpu
        .values
        .iter()
        .map(|&(word, mask, value)| (word, (mask, value)))
        .collect();
    words.retain(|word, _| !is_derived(*word));
    for key in keys().iter().filter(|key| key.length > 1) {
        let (word, mask) = (key.word(), written_mask(key));
        if let Some((given, value)) = words.get_mut(&word).filter(|(given, _)| *given & mask == mask) {
            *given &= !mask;
            let number = match key.name {
                "family" => family_number(*value >> 8 & 0xf, *value >> 20 & 0xff),
                "model" => Some(*value >> 12 & 0xf0 | *value >> 4 & 0xf),
                _ => Some((*value & mask) >> key.low),
            };
            match number {
                Some(number) => parts.push(format!("{}={number:#x}", key.name)),
                None => faults.push(no_key(word, mask)),
            }
        }
        let letter_mask = if key.name == "family" { 0xf00 } else { mask };
        if let Some(letter) = same_letter(&bits, word, letter_mask) {
            (0..32_u8)
                .filter(|number| letter_mask >> number & 1 == 1)
                .for_each(|number| {
                    bits.remove(&word.bit(number));
                });
            if key.name == "family" {
                // libxl clears the extended family of a family without a number.
                words.entry(word).and_modify(|(mask, _)| *mask &= !0x0ff0_0000);
            }
            parts.push(format!("{}={letter}", key.name));
        }
    }
    for (&bit, &setting) in &bits {
        match key_of(&features, bit) {
            Some(name) => parts.push(format!("{name}={}", character(setting))),
            // Xen gives no guest what it has no name for.
            None if setting.value() == Some(false) => {}
            None => faults.push(no_name(database, bit)),
        }
    }
    for (word, (mask, _)) in words {
        if mask != 0 {
            faults.push(no_key(word, mask));
        }
    }
    texts(cpu, &mut faults);
    (parts.join(","), faults)
}

/// Writes the list form: one line a leaf, as xl.cfg takes it. What it cannot say is a fault.
#[must_use]
pub fn write_list(database: &Database, cpu: &GuestCpu) -> (String, Vec<Fault>) {
    let (config, faults) = write_config(database, cpu);
    (list(&config), faults)
}

/// The list form of a configuration.
#[must_use]
pub fn list(config: &CpuidConfig) -> String {
    let lines: Vec<String> = config
        .cpuid
        .iter()
        .map(|entry| {
            let subleaf = entry.subleaf.map_or(String::new(), |subleaf| format!(",{subleaf:#x}"));
            let registers: Vec<String> = Register::ALL
                .into_iter()
                .filter_map(|register| Some(format!("{}={}", register.name(), entry.register(register)?.text())))
                .collect();
            format!("\"{:#x}{subleaf}:{}\"", entry.leaf, registers.join(","))
        })
        .collect();
    format!("[{}]", lines.join(", "))
}

/// A guest's CPU as the characters of registers; MSRs, which the list form does not have, are faults.
#[must_use]
pub fn write_config(database: &Database, cpu: &GuestCpu) -> (CpuidConfig, Vec<Fault>) {
    let features = Features::of(database);
    let mut config = CpuidConfig::default();
    let mut faults = Vec::new();
    let mut bits = asked_bits(&features, cpu);
    drop_repeats(&mut bits);
    let mut values = cpu.values.clone();
    values.retain(|(word, _, _)| !is_derived(*word));
    values.extend(named_values(cpu, &mut faults));
    for (word, mask, value) in values {
        for number in (0..32_u8).filter(|number| mask >> number & 1 == 1) {
            let character = if value >> number & 1 == 1 { b'1' } else { b'0' };
            put(&mut config, word.bit(number), character);
        }
    }
    for (&bit, &setting) in &bits {
        let asked = setting.value() != Some(false);
        if !put(&mut config, bit, u8::try_from(character(setting)).unwrap_or(b'x')) && asked {
            let mut fault = no_name(database, bit);
            fault.message = "the list form has no MSRs; use the string form".to_owned();
            faults.push(fault);
        }
    }
    config.cpuid.sort_by_key(|entry| (entry.leaf, entry.subleaf));
    (config, faults)
}

fn put(config: &mut CpuidConfig, bit: Bit, character: u8) -> bool {
    let Place::Leaf(leaf) = bit.word.place else {
        return false;
    };
    if let Some(entry) = config.entry(leaf, written_subleaf(leaf, bit.word.subleaf)) {
        let characters = entry.register_mut(bit.word.register).get_or_insert(Characters::DEFAULT);
        characters.write(u32::from(bit.number), &[character]);
    }
    true
}

const fn character(setting: Setting) -> char {
    match setting {
        Setting::Force | Setting::On => '1',
        Setting::Off | Setting::Forbid => '0',
        Setting::Default => 'x',
        Setting::Keep => 'k',
    }
}

/// The settings, with the features a CPU of its own leaves out.
fn asked_bits(features: &Features, cpu: &GuestCpu) -> BTreeMap<Bit, Setting> {
    let mut bits = cpu.bits.clone();
    bits.retain(|bit, _| !is_derived(bit.word));
    if !cpu.host_based {
        let default = features
            .static_set(StaticSet::HvmHapDefault)
            .or(&features.static_set(StaticSet::PvDefault))
            .without(&features.static_set(StaticSet::Special));
        for feature in default.iter() {
            bits.entry(feature.bit()).or_insert(Setting::Off);
        }
    }
    bits
}

/// Bits of 0x80000001.EDX that repeat what leaf 1 is asked for; Xen writes them itself.
fn drop_repeats(bits: &mut BTreeMap<Bit, Setting>) {
    let [leaf_1, _, repeated, ..] = &ORDER;
    let original = bits.clone();
    bits.retain(|bit, setting| {
        let repeats = bit.word == repeated.word && COMMON_1D >> bit.number & 1 == 1;
        !repeats
            || original
                .get(&leaf_1.word.bit(bit.number))
                .is_some_and(|first| first.value() != setting.value())
    });
}

/// Leaf 0xd but for its feature bits, which Xen derives from the features.
fn is_derived(word: Word) -> bool {
    word.place == Place::Leaf(0xd) && word != Word::cpuid(0xd, 1, Register::Eax)
}

fn signature(cpu: &GuestCpu, parts: &mut Vec<String>) {
    if let Some(number) = cpu
        .family
        .and_then(|family| family_number(family.min(15), family.saturating_sub(15)))
    {
        parts.push(format!("family={number}"));
    }
    if let Some(model) = cpu.model_number {
        parts.push(format!("model={model}"));
    }
    if let Some(stepping) = cpu.stepping {
        parts.push(format!("stepping={stepping}"));
    }
    // Xen refuses more than 0xd, which models of newer processors have.
    if let Some(level) = cpu.level.filter(|&level| cpu.host_based || level < MAX_BASIC) {
        parts.push(format!("maxleaf={level:#x}"));
    }
}

/// The number libxl turns into a base and an extended family: it takes the top bit of the extended one
/// from the number itself and the others from the number less 15.
fn family_number(base: u32, extended: u32) -> Option<u32> {
    if base < 15 {
        return (extended == 0).then_some(base);
    }
    if extended == 0 {
        return Some(15);
    }
    (0..4_u32)
        .map(|step| (extended & 0x7f).saturating_add(15).saturating_add(step << 7))
        .find(|number| *number > 15 && number >> 7 & 1 == extended >> 7 & 1)
}

/// All bits of a value are left to the default, or to the host.
fn same_letter(bits: &BTreeMap<Bit, Setting>, word: Word, mask: u32) -> Option<char> {
    let mut numbers = (0..32_u8).filter(|number| mask >> number & 1 == 1);
    let first = *bits.get(&word.bit(numbers.next()?))?;
    let same = matches!(first, Setting::Default | Setting::Keep)
        && numbers.all(|number| bits.get(&word.bit(number)) == Some(&first));
    same.then_some(character(first))
}

/// Values that have a place of their own in a guest's CPU, as words.
fn named_values(cpu: &GuestCpu, faults: &mut Vec<Fault>) -> Vec<(Word, u32, u32)> {
    let mut out = Vec::new();
    if let Some(family) = cpu.family {
        let value = family.min(15) << 8 | (family.saturating_sub(15) & 0xff) << 20;
        out.push((SIGNATURE, 0x0ff0_0f00, value));
    }
    if let Some(model) = cpu.model_number {
        out.push((SIGNATURE, 0x000f_00f0, (model & 0xf0) << 12 | (model & 0xf) << 4));
    }
    if let Some(stepping) = cpu.stepping {
        out.push((SIGNATURE, 0xf, stepping & 0xf));
    }
    if let Some(level) = cpu.level.filter(|&level| cpu.host_based || level < MAX_BASIC) {
        out.push((Word::cpuid(0, 0, Register::Eax), u32::MAX, level));
    }
    if let Some(level) = cpu.extended_level.filter(|_| cpu.host_based) {
        out.push((Word::cpuid(0x8000_0000, 0, Register::Eax), u32::MAX, level));
    }
    if let Some(vendor) = &cpu.vendor {
        if vendor.len() == 12 {
            let registers = [Register::Ebx, Register::Edx, Register::Ecx];
            out.extend(text_words(
                vendor,
                &registers.map(|register| Word::cpuid(0, 0, register)),
            ));
        } else {
            faults.push(Fault {
                at: None,
                what: "vendor".to_owned(),
                message: format!("{vendor:?} has not 12 characters"),
            });
        }
    }
    if let Some(brand) = &cpu.brand {
        let words: Vec<Word> = (0x8000_0002..=0x8000_0004)
            .flat_map(|leaf| Register::ALL.map(|register| Word::cpuid(leaf, 0, register)))
            .collect();
        out.extend(text_words(brand, &words));
    }
    out
}

fn text_words(text: &str, words: &[Word]) -> Vec<(Word, u32, u32)> {
    let mut bytes = text.bytes();
    words
        .iter()
        .map(|&word| {
            let value = u32::from_le_bytes(std::array::from_fn(|_| bytes.next().unwrap_or(0)));
            (word, u32::MAX, value)
        })
        .collect()
}

fn texts(cpu: &GuestCpu, faults: &mut Vec<Fault>) {
    // A model brings these along; nobody asked for them.
    let asked = cpu.host_based || cpu.model.is_none();
    let given = [
        ("vendor", cpu.vendor.is_some() && asked),
        ("brand", cpu.brand.is_some() && asked),
        ("extended level", cpu.extended_level.is_some() && asked),
    ];
    for (what, _) in given.into_iter().filter(|(_, given)| *given) {
        faults.push(Fault {
            at: None,
            what: what.to_owned(),
            message: "the string form has no key for it; the list form can set its leaf".to_owned(),
        });
    }
}

fn no_key(word: Word, mask: u32) -> Fault {
    Fault {
        at: None,
        what: format!("{word} bits {mask:#010x}"),
        message: "the string form has no key for it; the list form can set its leaf".to_owned(),
    }
}

fn no_name(database: &Database, bit: Bit) -> Fault {
    let field = database.of_bit(bit, Vendors::ANY);
    let name = field.and_then(|field| {
        let dialects = [Dialect::Libvirt, Dialect::Qemu, Dialect::Linux];
        dialects
            .into_iter()
            .find_map(|dialect| field.name(dialect))
            .or(Some(field.id))
    });
    let message = match bit.word.place {
        Place::Msr(_) => "libxl knows no bits of this MSR",
        Place::Leaf(_) => "libxl has no name for it",
    };
    Fault {
        at: None,
        what: name.map_or_else(|| bit.to_string(), |name| format!("{name} ({bit})")),
        message: message.to_owned(),
    }
}

/// A guest's CPU that has the bits of a featureset and no others.
#[must_use]
pub fn of_featureset(set: &Featureset) -> GuestCpu {
    GuestCpu {
        bits: set
            .iter()
            .map(|feature: Feature| (feature.bit(), Setting::On))
            .collect(),
        ..GuestCpu::default()
    }
}
