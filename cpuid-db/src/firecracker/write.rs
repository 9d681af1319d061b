//! Writing templates.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::Bitmap;
use super::read::feature_bits;
use crate::bits::{Bit, Place, Register, Word, halves};
use crate::database::{Database, Kind};
use crate::guest::{Fault, GuestCpu, Setting};
use crate::leaf::{Leaf, Subleaf};
use crate::leafset::CpuLeaves;

/// Leaves whose entries KVM marks as depending on ECX (`KVM_CPUID_FLAG_SIGNIFCANT_INDEX`); other leaves
/// are not matched with that flag.
const WITH_SUBLEAVES: [u32; 17] = [
    0x4,
    0x7,
    0xb,
    0xd,
    0xf,
    0x10,
    0x12,
    0x14,
    0x17,
    0x18,
    0x1d,
    0x1e,
    0x1f,
    0x20,
    0x24,
    0x8000_001d,
    0x8000_0026,
];

/// Bitmaps by word, MSRs as their halves.
#[derive(Default)]
struct Words(BTreeMap<Word, Bitmap>);

impl Words {
    fn add(&mut self, word: Word, mask: u32, value: u32) {
        let bits = self.0.entry(word).or_default();
        bits.mask |= u64::from(mask);
        bits.value = bits.value & !u64::from(mask) | u64::from(value & mask);
    }

    fn bit(&mut self, bit: Bit, on: bool) {
        let mask = 1_u32.checked_shl(u32::from(bit.number)).unwrap_or(0);
        self.add(bit.word, mask, if on { mask } else { 0 });
    }

    fn text(&mut self, leaf: u32, registers: [Register; 3], bytes: &[u8]) {
        for (register, chunk) in registers.into_iter().zip(bytes.chunks(4)) {
            if let Some(word) = chunk.first_chunk() {
                self.add(Word::cpuid(leaf, 0, register), u32::MAX, u32::from_le_bytes(*word));
            }
        }
    }

    fn write(&self) -> String {
        let mut leaves = BTreeMap::<(u32, Subleaf), Vec<(Register, Bitmap)>>::new();
        let mut msrs = BTreeMap::<u32, Bitmap>::new();
        for (word, &bits) in self.0.iter().filter(|(_, bits)| bits.mask != 0) {
            match word.place {
                Place::Leaf(leaf) => leaves
                    .entry((leaf, word.subleaf))
                    .or_default()
                    .push((word.register, bits)),
                Place::Msr(index) => {
                    let shift = if word.register == Register::Eax { 0 } else { 32 };
                    let msr = msrs.entry(index).or_default();
                    msr.mask |= bits.mask << shift;
                    msr.value |= bits.value << shift;
                }
            }
        }
        let leaves: Vec<String> = leaves.iter().map(|(key, registers)| leaf(*key, registers)).collect();
        let msrs: Vec<String> = msrs
            .iter()
            .map(|(index, bits)| {
                format!(
                    "    {{\n      \"addr\": \"{index:#x}\",\n      \"bitmap\": \"{}\"\n    }}",
                    bitmap(*bits, 64)
                )
            })
            .collect();
        format!(
            "{{\n  \"cpuid_modifiers\": {},\n  \"msr_modifiers\": {}\n}}\n",
            list(&leaves),
            list(&msrs)
        )
    }
}

fn list(entries: &[String]) -> String {
    if entries.is_empty() {
        return "[]".to_owned();
    }
    format!("[\n{}\n  ]", entries.join(",\n"))
}

fn leaf((leaf, subleaf): (u32, Subleaf), registers: &[(Register, Bitmap)]) -> String {
    let flags = u8::from(WITH_SUBLEAVES.contains(&leaf));
    let mut out = format!(
        "    {{\n      \"leaf\": \"{leaf:#x}\",\n      \"subleaf\": \"{:#x}\",\n      \"flags\": {flags},\n      \"modifiers\": [\n",
        subleaf.0
    );
    for (place, (register, bits)) in registers.iter().enumerate() {
        let comma = if place > 0 { ",\n" } else { "" };
        let _ = write!(
            out,
            "{comma}        {{\n          \"register\": \"{}\",\n          \"bitmap\": \"{}\"\n        }}",
            register.name(),
            bitmap(*bits, 32)
        );
    }
    out + "\n      ]\n    }"
}

/// `0b` and the bits, the highest first.
fn bitmap(bits: Bitmap, width: u32) -> String {
    let digit = |number: u32| match (bits.mask >> number & 1, bits.value >> number & 1) {
        (0, _) => 'x',
        (_, 0) => '0',
        _ => '1',
    };
    "0b".chars().chain((0..width).rev().map(digit)).collect()
}

/// A template that makes a guest see this, on a host that has it.
///
/// Identity (vendor, family, model, stepping, brand) and leaf maxima become bits of their leaves. Without
/// [`GuestCpu::host_based`] every named feature of the words that a featureset has, and that is not asked for,
/// is cleared.
///
/// # Errors
/// What a template cannot say: a value that is kept over migration, a family or brand that fits no register.
pub fn write(guest: &GuestCpu) -> Result<String, Vec<Fault>> {
    let mut words = Words::default();
    let mut faults = Vec::new();
    if !guest.host_based {
        clear_features(&mut words);
    }
    for &(word, mask, value) in &guest.values {
        words.add(word, mask, value);
    }
    identity(guest, &mut words, &mut faults);
    for (&bit, &setting) in &guest.bits {
        match setting.value() {
            Some(on) => words.bit(bit, on),
            None if setting == Setting::Keep => faults.push(Fault {
                at: None,
                what: feature_name(bit),
                message: "a template cannot keep the host's value over migration: 0, 1 or x".to_owned(),
            }),
            None => {
                // as KVM gives it
                let mask = 1_u64 << (bit.number & 31);
                if let Some(bits) = words.0.get_mut(&bit.word) {
                    bits.mask &= !mask;
                    bits.value &= !mask;
                }
            }
        }
    }
    if faults.is_empty() {
        Ok(words.write())
    } else {
        Err(faults)
    }
}

/// A template that says every bit of a CPU, as a fingerprint does.
#[must_use]
pub fn write_dump(cpu: &CpuLeaves) -> String {
    let mut words = Words::default();
    for (Leaf(leaf), subleaf, registers) in cpu.rows() {
        for register in Register::ALL {
            words.add(Word::cpuid(leaf, subleaf.0, register), u32::MAX, register.of(registers));
        }
    }
    for (index, value) in cpu.msrs() {
        let [low, high] = halves(value);
        words.add(Word::msr(index, Register::Eax), u32::MAX, low);
        words.add(Word::msr(index, Register::Edx), u32::MAX, high);
    }
    words.write()
}

/// Clears the features of each CPUID word of a featureset; what the processor sets by itself stays.
fn clear_features(words: &mut Words) {
    const DYNAMIC: [Bit; 3] = [
        Word::cpuid(1, 0, Register::Ecx).bit(27),
        Word::cpuid(1, 0, Register::Edx).bit(9),
        Word::cpuid(7, 0, Register::Ecx).bit(4),
    ];
    let cpuid = |word: &Word| matches!(word.place, Place::Leaf(_));
    for word in crate::formats::featureset::WORDS.into_iter().filter(cpuid) {
        let own = DYNAMIC.iter().filter(|bit| bit.word == word);
        let own = own.fold(0_u32, |mask, bit| mask | 1 << (bit.number & 31));
        words.add(word, feature_bits(word) & !own, 0);
    }
}

/// Name of a bit for a user.
fn feature_name(bit: Bit) -> String {
    let database = Database::builtin();
    let field = database.of_bit(bit, crate::database::Vendors::ANY);
    field
        .filter(|field| field.kind == Kind::Feature)
        .map_or_else(|| bit.to_string(), |field| field.id.to_owned())
}

fn identity(guest: &GuestCpu, words: &mut Words, faults: &mut Vec<Fault>) {
    let mut fault = |what: &str, message: &str| {
        faults.push(Fault {
            at: None,
            what: what.to_owned(),
            message: message.to_owned(),
        });
    };
    if let Some(vendor) = &guest.vendor {
        if vendor.len() == 12 {
            words.text(0, [Register::Ebx, Register::Edx, Register::Ecx], vendor.as_bytes());
        } else {
            fault(vendor, "a vendor has 12 characters");
        }
    }
    if let Some(level) = guest.level {
        words.add(Word::cpuid(0, 0, Register::Eax), u32::MAX, level);
    }
    if let Some(level) = guest.extended_level {
        words.add(Word::cpuid(0x8000_0000, 0, Register::Eax), u32::MAX, level);
    }
    let eax = Word::cpuid(1, 0, Register::Eax);
    match guest.family {
        Some(family @ 0..=15) => words.add(eax, 0x0ff0_0f00, family << 8),
        Some(family @ 16..=270) => words.add(eax, 0x0ff0_0f00, 15 << 8 | family.saturating_sub(15) << 20),
        Some(family) => fault(&format!("family {family}"), "a family is at most 270"),
        None => {}
    }
    match guest.model_number {
        Some(model @ 0..=255) => words.add(eax, 0x000f_00f0, (model & 15) << 4 | model >> 4 << 16),
        Some(model) => fault(&format!("model {model}"), "a model is at most 255"),
        None => {}
    }
    match guest.stepping {
        Some(stepping @ 0..=15) => words.add(eax, 0xf, stepping),
        Some(stepping) => fault(&format!("stepping {stepping}"), "a stepping is at most 15"),
        None => {}
    }
    if let Some(brand) = &guest.brand {
        brand_words(brand, words, &mut fault);
    }
}

fn brand_words(brand: &str, words: &mut Words, fault: &mut dyn FnMut(&str, &str)) {
    let bytes = brand.as_bytes();
    if bytes.len() > 48 {
        return fault(brand, "a brand string has at most 48 bytes");
    }
    let mut padded = [0_u8; 48];
    for (place, byte) in padded.iter_mut().zip(bytes) {
        *place = *byte;
    }
    let (chunks, _) = padded.as_chunks::<4>();
    let places = (0x8000_0002_u32..=0x8000_0004).flat_map(|leaf| Register::ALL.map(|register| (leaf, register)));
    for ((leaf, register), chunk) in places.zip(chunks) {
        words.add(Word::cpuid(leaf, 0, register), u32::MAX, u32::from_le_bytes(*chunk));
    }
}

#[cfg(test)]
mod tests {
    use super::super::{leaves, read, template};
    use super::*;
    use crate::leaf::Registers;

    #[test]
    fn a_template_is_read_as_it_was_written() {
        let ecx = Word::cpuid(1, 0, Register::Ecx);
        let guest = GuestCpu {
            host_based: true,
            bits: [
                (ecx.bit(5), Setting::Off),
                (Word::msr(0x10a, Register::Eax).bit(0), Setting::On),
            ]
            .into(),
            values: vec![(Word::cpuid(1, 0, Register::Eax), 0x0fff_3fff, 0x0003_06f2)],
            ..GuestCpu::default()
        };
        let text = write(&guest).unwrap();
        let decoded = read(&text);
        assert_eq!(decoded.damage, []);
        assert_eq!(decoded.value, guest);
    }

    #[test]
    fn a_dump_is_read_as_it_was_written() {
        let mut cpu = CpuLeaves::new(0);
        cpu.insert(Leaf(7), Subleaf(0), Registers::new(1, 2, 3, 0xffff_ffff));
        cpu.insert_msr(0x10a, 0x8000_0000_0000_0001);
        let text = write_dump(&cpu);
        assert!(text.contains("\"flags\": 1"), "{text}");
        assert_eq!(leaves(&template(&text).value), cpu);
    }

    #[test]
    fn what_a_template_cannot_say_is_named() {
        let pni = Word::cpuid(1, 0, Register::Ecx).bit(0);
        let guest = GuestCpu {
            bits: [(pni, Setting::Keep)].into(),
            family: Some(1000),
            ..GuestCpu::default()
        };
        let faults = write(&guest).unwrap_err();
        assert_eq!(faults.len(), 2);
        assert_eq!(faults[0].what, "family 1000");
    }

    #[test]
    fn without_a_host_the_features_not_asked_for_are_cleared() {
        let pni = Word::cpuid(1, 0, Register::Ecx).bit(0);
        let guest = GuestCpu {
            bits: [(pni, Setting::On)].into(),
            ..GuestCpu::default()
        };
        let template = template(&write(&guest).unwrap()).value;
        let bits = template.registers[&(Leaf(1), Subleaf(0), Register::Ecx)];
        assert_eq!(bits.value, 1);
        assert_eq!(bits.mask >> 25 & 7, 3, "OSXSAVE is the processor's own");
    }
}
