//! What follows once the properties of a CPU are set: dependencies, XSAVE components, highest leaves,
//! what TCG cannot do, and what QEMU then refuses.

use super::cpu::{Class, Cpu};
use super::model::{DEPENDENCIES, WORDS};
use crate::bits::{Bit, COMMON_1D, Place, Register, Word, Words};

pub(super) const FEATURES_EDX: Word = Word::cpuid(1, 0, Register::Edx);
const FEATURES_ECX: Word = Word::cpuid(1, 0, Register::Ecx);
pub(super) const AMD_EDX: Word = Word::cpuid(0x8000_0001, 0, Register::Edx);
const AMD_ECX: Word = Word::cpuid(0x8000_0001, 0, Register::Ecx);
const STRUCTURED_EBX: Word = Word::cpuid(7, 0, Register::Ebx);
const STRUCTURED_ECX: Word = Word::cpuid(7, 0, Register::Ecx);
const STRUCTURED_1_EDX: Word = Word::cpuid(7, 1, Register::Edx);
const LEAF_21_EAX: Word = Word::cpuid(0x8000_0021, 0, Register::Eax);
const PERF_CAPABILITIES: Word = Word::msr(0x345, Register::Eax);
const KVM: Word = Word::cpuid(0x4000_0001, 0, Register::Eax);
const XCR0: [Word; 2] = [Word::cpuid(0xd, 0, Register::Eax), Word::cpuid(0xd, 0, Register::Edx)];
const XSS: [Word; 2] = [Word::cpuid(0xd, 1, Register::Ecx), Word::cpuid(0xd, 1, Register::Edx)];

const XSAVE: Bit = FEATURES_ECX.bit(26);
pub(super) const HYPERVISOR: Bit = FEATURES_ECX.bit(31);
const AVX: Bit = FEATURES_ECX.bit(28);
const MPX: Bit = STRUCTURED_EBX.bit(14);
const SGX: Bit = STRUCTURED_EBX.bit(2);
const INTEL_PT: Bit = STRUCTURED_EBX.bit(25);
const PKU: Bit = STRUCTURED_ECX.bit(3);
const AVX10: Bit = STRUCTURED_1_EDX.bit(19);
const LONG_MODE: Bit = AMD_EDX.bit(29);
const SVM: Bit = AMD_ECX.bit(2);
pub(super) const VME: Bit = FEATURES_EDX.bit(1);

/// Words whose features raise the highest leaf.
const RAISING: [Word; 14] = [
    FEATURES_EDX,
    FEATURES_ECX,
    Word::cpuid(6, 0, Register::Eax),
    STRUCTURED_ECX,
    Word::cpuid(7, 1, Register::Eax),
    STRUCTURED_1_EDX,
    Word::cpuid(7, 2, Register::Edx),
    AMD_EDX,
    AMD_ECX,
    Word::cpuid(0x8000_0007, 0, Register::Edx),
    Word::cpuid(0x8000_0008, 0, Register::Ebx),
    Word::cpuid(0xc000_0001, 0, Register::Edx),
    Word::cpuid(0x8000_000a, 0, Register::Edx),
    Word::cpuid(0xd, 1, Register::Eax),
];

/// What comes out.
pub(super) struct Realized {
    /// `feature-words` and `filtered-features` of the vCPU, taken together.
    pub requested: Words,
    /// The same but for KVM's features, and without bits that follow from others.
    pub asked: Words,
    pub level: u32,
    pub extended_level: u32,
}

/// Why QEMU does not start, and the property that is to blame.
pub(super) struct Refusal {
    pub property: &'static str,
    pub message: String,
}

impl Cpu<'_> {
    /// Builds it.
    pub fn realize(mut self) -> Result<(Self, Realized), Refusal> {
        self.take_from_accelerator();
        self.drop_dependent();
        let with_kvm = self.features.clone();
        self.features.put(KVM, 0);
        self.enable_xsave_components();
        let (level, extended_level) = self.levels();
        if let Some(format) = self.number("lbr-fmt") {
            let rest = self.features.get(PERF_CAPABILITIES) & !0x3f;
            self.features.put(PERF_CAPABILITIES, rest | format);
        }
        let requested = self.filter();
        self.check()?;
        let mut asked = requested.clone();
        let kvm = with_kvm.get(KVM) & self.user.get(KVM);
        asked.put(KVM, kvm);
        for word in XCR0.into_iter().chain(XSS) {
            asked.put(word, 0);
        }
        asked.put(AMD_EDX, asked.get(AMD_EDX) & !COMMON_1D);
        let realized = Realized {
            requested,
            asked,
            level,
            extended_level,
        };
        Ok((self, realized))
    }

    /// `max` takes what TCG emulates, but for bits the user has set.
    fn take_from_accelerator(&mut self) {
        if !self.class.is_max() {
            return;
        }
        let migratable = self.flag("migratable").unwrap_or(true);
        for word in WORDS {
            let automatic = word.automatic(migratable) & !self.user.get(word.word);
            self.features.put(word.word, self.features.get(word.word) | automatic);
        }
    }

    /// Features without what they need are dropped; those the user asked for are told of.
    fn drop_dependent(&mut self) {
        for dependency in DEPENDENCIES {
            let (needs, bits) = dependency.needs;
            if self.features.get(needs) & bits != 0 {
                continue;
            }
            let (word, mask) = dependency.taken;
            let taken = self.features.get(word) & mask;
            self.filter_bits(word, taken & self.user.get(word));
            self.features.put(word, self.features.get(word) & !taken);
        }
    }

    fn filter_bits(&mut self, word: Word, bits: u32) {
        self.filtered.put(word, self.filtered.get(word) | bits);
    }

    /// XSAVE state components follow from features; TCG has none of AVX-512, AMX and LBR.
    fn enable_xsave_components(&mut self) {
        let mut components = 0;
        if self.features.has(XSAVE) {
            components = 0b11;
            for (feature, bits) in [(AVX, 1 << 2), (MPX, 0b11 << 3), (PKU, 1 << 9)] {
                if self.features.has(feature) {
                    components |= bits;
                }
            }
        }
        for (word, value) in XCR0.into_iter().chain(XSS).zip([components, 0, 0, 0]) {
            self.features.put(word, value);
        }
    }

    /// Highest basic and extended leaf.
    fn levels(&mut self) -> (u32, u32) {
        let model = self.class.model();
        let least = |name: &str, default: Option<u32>| self.number(name).or(default).unwrap_or(0);
        let mut level = least("min-level", model.map(|model| model.level));
        let mut extended = least("min-xlevel", model.map(|model| model.extended_level));
        let mut raise = |leaf: u32| match leaf >> 28 {
            0 => level = level.max(leaf),
            8 => extended = extended.max(leaf),
            _ => {}
        };
        let raising: &[Word] = if self.flag("full-cpuid-auto-level").unwrap_or(true) {
            &RAISING
        } else {
            &[]
        };
        for word in raising.iter().chain(&[STRUCTURED_EBX]) {
            if let Place::Leaf(leaf) = word.place
                && self.features.get(*word) != 0
            {
                raise(leaf);
            }
        }
        let mut trace_is_lost = false;
        if !raising.is_empty() {
            if self.features.get(LEAF_21_EAX) != 0 {
                raise(0x8000_0021);
            }
            for (bit, leaf) in [(AVX10, 0x24), (SGX, 0x12), (SVM, 0x8000_000a)] {
                if self.features.has(bit) {
                    raise(leaf);
                }
            }
            if self.features.has(INTEL_PT) {
                if self.flag("x-intel-pt-auto-level").unwrap_or(true) {
                    raise(0x14);
                } else {
                    trace_is_lost = level < 0x14;
                }
            }
        }
        if trace_is_lost {
            self.filtered.set(INTEL_PT, true);
        }
        let level = self.number("level").filter(|&level| level != u32::MAX).unwrap_or(level);
        let extended = self
            .number("xlevel")
            .filter(|&level| level != u32::MAX)
            .unwrap_or(extended);
        (level, extended)
    }

    /// Takes out what TCG does not emulate; the result is what was there before.
    fn filter(&mut self) -> Words {
        let force = self.flag("x-force-features").unwrap_or(false);
        for word in WORDS {
            let lost = self.features.get(word.word) & !word.tcg;
            self.filter_bits(word.word, lost);
            if !force {
                self.features.put(word.word, self.features.get(word.word) & !lost);
            }
        }
        if self.vendor() == "AuthenticAMD" {
            let repeated = self.features.get(FEATURES_EDX) & COMMON_1D;
            let own = self.features.get(AMD_EDX) & !COMMON_1D;
            self.features.put(AMD_EDX, own | repeated);
        }
        let mut requested = self.features.clone();
        for (word, value) in self.filtered.iter() {
            requested.put(word, requested.get(word) | value);
        }
        requested
    }

    /// What QEMU refuses once the features are known.
    fn check(&self) -> Result<(), Refusal> {
        let refuse = |property, message: &str| {
            Err(Refusal {
                property,
                message: message.to_owned(),
            })
        };
        let avx10 = self.class.model().map_or(0, |model| model.avx10_version);
        let lacking = !self.filtered.is_empty() || self.number("avx10-version").unwrap_or(avx10) != 0;
        if lacking && self.flag("enforce").unwrap_or(false) {
            return refuse("enforce", "TCG doesn't support requested features");
        }
        if self.class == Class::Host {
            return refuse("", "CPU model 'host' requires KVM or HVF");
        }
        let bits = self.number("phys-bits").unwrap_or(0);
        let guest = self
            .number("guest-phys-bits")
            .filter(|&bits| bits != u32::MAX)
            .unwrap_or(0);
        if self.features.has(LONG_MODE) {
            if bits != 0 && !(32..=52).contains(&bits) {
                let message = format!("phys-bits should be between 32 and 52  (but is {bits})");
                return refuse("phys-bits", &message);
            }
            let most = if bits == 0 { 40 } else { bits };
            if guest != 0 && !(32..=most).contains(&guest) {
                let message = format!("guest-phys-bits should be between 32 and {most}  (but is {guest})");
                return refuse("guest-phys-bits", &message);
            }
        } else {
            if bits != 0 {
                return refuse("phys-bits", "phys-bits is not user-configurable in 32 bit");
            }
            if guest != 0 {
                return refuse("guest-phys-bits", "guest-phys-bits is not user-configurable in 32 bit");
            }
        }
        let own_caches = self.class.model().is_some_and(|model| model.own_caches);
        if self.flag("legacy-cache") == Some(false) && !own_caches {
            let message = format!("CPU model '{}' doesn't support legacy-cache=off", self.name);
            return refuse("legacy-cache", &message);
        }
        Ok(())
    }
}
