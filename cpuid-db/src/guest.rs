//! What a guest is to see, in no dialect: what the readers of `-cpu`, `<cpu>`, `cpuid=` and templates
//! return and their writers take.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use crate::bits::{Bit, Register, Word, Words};

/// What is asked for one bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Setting {
    /// Set, whatever the host has (libvirt `force`).
    Force,
    /// Set; the guest does not start without (libvirt `require`, QEMU `+feat`, libxl `1`).
    On,
    /// Clear (libvirt `disable`, QEMU `-feat`, libxl `0`).
    Off,
    /// Clear; the guest does not start where the host has it (libvirt `forbid`).
    Forbid,
    /// As the host's default has it (libvirt `optional`, libxl `x`).
    Default,
    /// The host's value, kept over migration (libxl `k` and `s`).
    Keep,
}

impl Setting {
    /// Value the guest sees when it does not depend on the host.
    #[must_use]
    pub const fn value(self) -> Option<bool> {
        match self {
            Self::Force | Self::On => Some(true),
            Self::Off | Self::Forbid => Some(false),
            Self::Default | Self::Keep => None,
        }
    }
}

/// A CPU as a configuration asks for it.
#[derive(Clone, Debug, Default, PartialEq, Eq, JsonSchema, Serialize)]
pub struct GuestCpu {
    /// Model it was named after, in the dialect it was read from.
    pub model: Option<String>,
    /// Bits without a setting are the host's default; otherwise they are clear.
    pub host_based: bool,
    /// The 12 characters of leaf 0.
    pub vendor: Option<String>,
    /// Family as displayed.
    pub family: Option<u32>,
    /// Model number as displayed.
    pub model_number: Option<u32>,
    /// Stepping.
    pub stepping: Option<u32>,
    /// Processor brand string (QEMU `model-id`).
    pub brand: Option<String>,
    /// Highest basic leaf (QEMU `level`, libxl `maxleaf`).
    pub level: Option<u32>,
    /// Highest extended leaf (QEMU `xlevel`).
    pub extended_level: Option<u32>,
    /// Settings of bits.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", serialize_with = "as_list")]
    pub bits: BTreeMap<Bit, Setting>,
    /// Whole or partial words of values (not features): word, mask of the bits given, value.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<(Word, u32, u32)>,
}

fn as_list<S: serde::Serializer>(bits: &BTreeMap<Bit, Setting>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(bits)
}

impl GuestCpu {
    /// The bits that are asked to be set.
    #[must_use]
    pub fn words(&self) -> Words {
        self.bits
            .iter()
            .filter(|(_, setting)| setting.value() == Some(true))
            .map(|(&bit, _)| bit)
            .collect()
    }

    /// Turns values of registers that tell the identity (vendor, signature, brand, leaf maxima), where
    /// all of their bits are given, into what they say.
    pub(crate) fn name_values(&mut self) {
        let signature = Word::cpuid(1, 0, Register::Eax);
        if let Some(eax) = take(self, signature, 0x0ff0_0f00) {
            let (base, extended) = (eax >> 8 & 0xf, eax >> 20 & 0xff);
            if base == 0xf || extended == 0 {
                self.family = Some(base.saturating_add(extended));
            } else {
                self.values.push((signature, 0x0ff0_0f00, eax));
            }
        }
        if let Some(eax) = take(self, signature, 0x000f_00f0) {
            self.model_number = Some(eax >> 12 & 0xf0 | eax >> 4 & 0xf);
        }
        if let Some(eax) = take(self, signature, 0xf) {
            self.stepping = Some(eax);
        }
        if let Some(eax) = take(self, Word::cpuid(0, 0, Register::Eax), u32::MAX) {
            self.level = Some(eax);
        }
        if let Some(eax) = take(self, Word::cpuid(0x8000_0000, 0, Register::Eax), u32::MAX) {
            self.extended_level = Some(eax);
        }
        let vendor = [Register::Ebx, Register::Edx, Register::Ecx].map(|register| Word::cpuid(0, 0, register));
        self.vendor = take_text(self, &vendor);
        let brand: Vec<Word> = (0x8000_0002..=0x8000_0004)
            .flat_map(|leaf| Register::ALL.map(|register| Word::cpuid(leaf, 0, register)))
            .collect();
        self.brand = take_text(self, &brand).map(|text| text.trim_end_matches('\0').to_owned());
        self.values.sort_unstable();
    }
}

/// Takes bits of a word's value out, when all of them are given.
fn take(cpu: &mut GuestCpu, word: Word, mask: u32) -> Option<u32> {
    let (_, given, value) = cpu.values.iter_mut().find(|(seen, _, _)| *seen == word)?;
    if *given & mask != mask {
        return None;
    }
    let taken = *value & mask;
    (*given, *value) = (*given & !mask, *value & !mask);
    cpu.values.retain(|(_, mask, _)| *mask != 0);
    Some(taken)
}

/// Takes words out that spell a text, when all of them are given and are ASCII.
fn take_text(cpu: &mut GuestCpu, words: &[Word]) -> Option<String> {
    let value = |word: &Word| {
        let found = cpu
            .values
            .iter()
            .find(|(seen, mask, _)| seen == word && *mask == u32::MAX);
        found.map(|&(_, _, value)| value.to_le_bytes())
    };
    let bytes: Vec<[u8; 4]> = words.iter().map(value).collect::<Option<_>>()?;
    let text = String::from_utf8(bytes.concat()).ok().filter(|text| text.is_ascii())?;
    cpu.values.retain(|(word, _, _)| !words.contains(word));
    Some(text)
}

/// A part of a configuration that a dialect does not take, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Fault {
    /// Byte in the text it was read from, from 0; `None` when it has no place there.
    pub at: Option<usize>,
    /// The part, as written, or the name of the feature.
    pub what: String,
    /// Why.
    pub message: String,
}
