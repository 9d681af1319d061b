//! Reading templates and fingerprints.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::Bitmap;
use crate::bits::{Bit, Place, Register, Word, halves};
use crate::damage::{DamageLog, Decoded};
use crate::database::{Database, Kind, Vendors};
use crate::formats::json_text::{self, Number, line_of_text};
use crate::guest::{GuestCpu, Setting};
use crate::leaf::{Leaf, Registers, Subleaf};
use crate::leafset::CpuLeaves;

/// Registers and MSRs of one template; real ones have some hundred.
const LIMIT: usize = 20_000;

/// A template: what it says of each register.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Template {
    /// Registers of leaf and subleaf.
    pub registers: BTreeMap<(Leaf, Subleaf, Register), Bitmap>,
    /// MSRs.
    pub msrs: BTreeMap<u32, Bitmap>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct File {
    guest_cpu_config: Option<Config>,
    #[serde(flatten)]
    config: Config,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Config {
    cpuid_modifiers: Vec<LeafModifier>,
    msr_modifiers: Vec<MsrModifier>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct LeafModifier {
    leaf: Number,
    subleaf: Option<Number>,
    modifiers: Vec<RegisterModifier>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RegisterModifier {
    register: String,
    bitmap: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct MsrModifier {
    addr: Number,
    bitmap: String,
}

/// Bitmap of at most `width` bits.
fn bitmap(text: &str, width: u32) -> Option<Bitmap> {
    let digits = text.strip_prefix("0b")?;
    let mut bits = Bitmap::default();
    let mut count = 0_u32;
    for digit in digits.bytes().filter(|byte| *byte != b'_') {
        let (known, value) = match digit {
            b'0' => (1, 0),
            b'1' => (1, 1),
            b'x' => (0, 0),
            _ => return None,
        };
        bits = Bitmap {
            mask: bits.mask << 1 | known,
            value: bits.value << 1 | value,
        };
        count = count.saturating_add(1);
    }
    (1..=width).contains(&count).then_some(bits)
}

struct Reader<'a> {
    text: &'a str,
    template: Template,
    damage: DamageLog,
}

impl Reader<'_> {
    fn damaged(&mut self, expected: &str, seen: &str) {
        let line = line_of_text(self.text, seen);
        self.damage.note(line, expected, seen);
    }

    fn leaf(&mut self, modifier: &LeafModifier) {
        let subleaf = modifier.subleaf.as_ref().map_or(Ok(0), Number::word);
        let (leaf, subleaf) = match (modifier.leaf.word(), subleaf) {
            (Ok(leaf), Ok(subleaf)) => (Leaf(leaf), Subleaf(subleaf)),
            (Err(seen), _) | (_, Err(seen)) => return self.damaged("the number of a leaf", &seen),
        };
        for part in &modifier.modifiers {
            let Some(register) = Register::read(&part.register) else {
                self.damaged("`eax`, `ebx`, `ecx` or `edx`", &part.register);
                continue;
            };
            let Some(bits) = bitmap(&part.bitmap, 32) else {
                self.damaged("`0b` and 1 to 32 of 0, 1, x", &part.bitmap);
                continue;
            };
            let known = self.template.registers.insert((leaf, subleaf, register), bits);
            if let Some(kept) = known.filter(|kept| *kept != bits) {
                self.template.registers.insert((leaf, subleaf, register), kept);
                let place = leaf.word(subleaf.0, register);
                self.damaged("each register once (the first is kept)", &format!("{place} again"));
            }
        }
    }

    fn msr(&mut self, modifier: &MsrModifier) {
        let index = match modifier.addr.word() {
            Ok(index) => index,
            Err(seen) => return self.damaged("the number of an MSR", &seen),
        };
        match bitmap(&modifier.bitmap, 64) {
            Some(bits) => {
                self.template.msrs.entry(index).or_insert(bits);
            }
            None => self.damaged("`0b` and 1 to 64 of 0, 1, x", &modifier.bitmap),
        }
    }
}

/// Reads a template or the fingerprint's part that is one.
#[must_use]
pub fn template(text: &str) -> Decoded<Template> {
    let mut reader = Reader {
        text,
        template: Template::default(),
        damage: DamageLog::default(),
    };
    let file: File = json_text::read(text, &mut reader.damage).unwrap_or_default();
    let config = file.guest_cpu_config.unwrap_or(file.config);
    if config.cpuid_modifiers.len() > LIMIT || config.msr_modifiers.len() > LIMIT {
        let seen = format!("more than {LIMIT} leaves or MSRs: the rest is not read");
        reader.damage.note(0, "the template of one CPU", &seen);
    }
    for modifier in config.cpuid_modifiers.iter().take(LIMIT) {
        reader.leaf(modifier);
    }
    for modifier in config.msr_modifiers.iter().take(LIMIT) {
        reader.msr(modifier);
    }
    Decoded {
        value: reader.template,
        damage: reader.damage.finish(),
    }
}

/// The registers as a CPU. Bits that a template does not say are 0, and then it is
/// [`CpuLeaves::partial`].
#[must_use]
pub fn leaves(template: &Template) -> CpuLeaves {
    let mut cpu = CpuLeaves::new(0);
    let mut rows = BTreeMap::<(Leaf, Subleaf), Registers>::new();
    for (&(leaf, subleaf, register), bits) in &template.registers {
        let row = rows.entry((leaf, subleaf)).or_default();
        *register.of_mut(row) = halves(bits.value)[0];
        cpu.partial |= bits.mask != u64::from(u32::MAX);
    }
    for ((leaf, subleaf), registers) in rows {
        cpu.insert(leaf, subleaf, registers);
    }
    for (&index, bits) in &template.msrs {
        if bits.mask == u64::MAX {
            cpu.insert_msr(index, bits.value);
        }
    }
    cpu
}

/// Reads a template as what a guest is to see. Bits that are features become settings; other bits (family,
/// counts, sizes) become values of their words.
#[must_use]
pub fn read(text: &str) -> Decoded<GuestCpu> {
    let decoded = template(text);
    let mut guest = GuestCpu {
        host_based: true,
        ..GuestCpu::default()
    };
    for (&(leaf, subleaf, register), bits) in &decoded.value.registers {
        let ([mask, _], [value, _]) = (halves(bits.mask), halves(bits.value));
        add(&mut guest, leaf.word(subleaf.0, register), mask, value);
    }
    for (&index, bits) in &decoded.value.msrs {
        let ([low_mask, high_mask], [low, high]) = (halves(bits.mask), halves(bits.value));
        add(&mut guest, Word::msr(index, Register::Eax), low_mask, low);
        add(&mut guest, Word::msr(index, Register::Edx), high_mask, high);
    }
    Decoded {
        value: guest,
        damage: decoded.damage,
    }
}

/// Adds what is said of a word.
fn add(guest: &mut GuestCpu, word: Word, mask: u32, value: u32) {
    let features = feature_bits(word);
    for number in 0..32_u8 {
        let bit = 1_u32 << number;
        if mask & features & bit != 0 {
            let setting = if value & bit == 0 { Setting::Off } else { Setting::On };
            guest.bits.insert(Bit { word, number }, setting);
        }
    }
    let rest = mask & !features;
    if rest != 0 {
        guest.values.push((word, rest, value & rest));
    }
}

/// Bits of a word that are features.
pub(super) fn feature_bits(word: Word) -> u32 {
    let is_cpuid = matches!(word.place, Place::Leaf(_));
    Database::builtin()
        .of_word(word, Vendors::ANY)
        .filter(|field| field.kind == Kind::Feature || !is_cpuid && field.low == field.high)
        .fold(0, |mask, field| mask | field.mask())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"{
  "cpuid_modifiers": [
    {"leaf": "0x1", "subleaf": "0x0", "flags": 0, "modifiers": [
      {"register": "eax", "bitmap": "0bxxxx000000000011xx00011011110010"},
      {"register": "ecx", "bitmap": "0b10x"}]},
    {"leaf": "0x7", "subleaf": "0x0", "flags": 1, "modifiers": [
      {"register": "ebx", "bitmap": "0b1zz"}]}
  ],
  "msr_modifiers": [{"addr": "0x10a", "bitmap": "0b11_x0"}]
}"#;

    #[test]
    fn short_bitmaps_leave_the_upper_bits() {
        assert_eq!(bitmap("0b10x", 32), Some(Bitmap { mask: 6, value: 4 }));
        assert_eq!(bitmap("0b1_0", 32), Some(Bitmap { mask: 3, value: 2 }));
        assert_eq!(bitmap("0b", 32), None);
        assert_eq!(bitmap(&format!("0b{}", "1".repeat(33)), 32), None);
    }

    #[test]
    fn features_are_settings_and_the_signature_is_a_value() {
        let decoded = read(TEXT);
        let guest = decoded.value;
        assert!(guest.host_based);
        let ecx = Word::cpuid(1, 0, Register::Ecx);
        assert_eq!(guest.bits.get(&ecx.bit(2)), Some(&Setting::On));
        assert_eq!(guest.bits.get(&ecx.bit(1)), Some(&Setting::Off));
        assert_eq!(guest.bits.get(&ecx.bit(0)), None);
        let eax = Word::cpuid(1, 0, Register::Eax);
        assert!(
            guest.values.contains(&(eax, 0x0fff_3fff, 0x0003_06f2)),
            "{:?}",
            guest.values
        );
        assert_eq!(
            guest.bits.get(&Word::msr(0x10a, Register::Eax).bit(3)),
            Some(&Setting::On)
        );
    }

    #[test]
    fn a_broken_bitmap_is_reported_at_its_line() {
        let damage = read(TEXT).damage;
        assert_eq!(damage.len(), 1);
        assert_eq!(damage[0].line, 7);
    }

    #[test]
    fn a_template_is_a_partial_cpu_and_a_fingerprint_is_not() {
        assert!(leaves(&template(TEXT).value).partial);
        let text = format!(
            r#"{{"kernel_version": "6.1", "guest_cpu_config": {{"cpuid_modifiers": [{{"leaf": "0x0", "subleaf": "0x0",
            "modifiers": [{{"register": "eax", "bitmap": "0b{:032b}"}}]}}], "msr_modifiers": []}}}}"#,
            0x1b
        );
        let cpu = leaves(&template(&text).value);
        assert!(!cpu.partial);
        assert_eq!(cpu.leaf(0).unwrap().eax, 0x1b);
    }
}
