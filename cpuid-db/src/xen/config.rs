//! What libxl 4.20 makes of `cpuid=`: 32 characters a register and 64 an MSR, in the order in which they
//! were first named; and its JSON, as `xl list -l` prints it.

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use crate::bits::Register;
use crate::leaf::Registers;

/// Leaf number libxl keeps for the end of its list, and subleaf number for "no subleaf".
pub const UNUSED: u32 = u32::MAX;

/// The characters of a register, bit 31 first: `0`, `1`, `x` (as the default of the guest's type), `k`
/// and `s` (as the host).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Characters(pub [u8; 32]);

impl Characters {
    /// All `x`.
    pub const DEFAULT: Self = Self([b'x'; 32]);

    /// The character of a bit.
    #[must_use]
    pub fn of_bit(&self, number: u8) -> u8 {
        31_usize
            .checked_sub(usize::from(number))
            .and_then(|index| self.0.get(index))
            .copied()
            .unwrap_or(b'x')
    }

    /// Writes a run of characters that ends at bit `low`.
    pub(crate) fn write(&mut self, low: u32, text: &[u8]) {
        let end = 32_usize.saturating_sub(low as usize);
        let start = end.saturating_sub(text.len());
        for (to, from) in self.0.iter_mut().take(end).skip(start).zip(text) {
            *to = *from;
        }
    }

    /// As text; a byte that is no ASCII character becomes `?`.
    #[must_use]
    pub fn text(&self) -> String {
        self.0
            .iter()
            .map(|&byte| if byte.is_ascii() { char::from(byte) } else { '?' })
            .collect()
    }

    /// The register that results of the guest type's default and of the host; an `Err` is the first
    /// character that is none of `01xks`.
    pub fn apply(&self, default: u32, host: u32) -> Result<u32, u8> {
        let mut value = 0;
        for (index, &character) in self.0.iter().enumerate() {
            let mask = 0x8000_0000_u32 >> (index & 31);
            value |= mask
                & match character {
                    b'0' => 0,
                    b'1' => u32::MAX,
                    b'x' => default,
                    b'k' | b's' => host,
                    other => return Err(other),
                };
        }
        Ok(value)
    }
}

/// The characters of a leaf's registers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeafPolicy {
    /// Leaf.
    pub leaf: u32,
    /// Subleaf; `None` for a leaf without.
    pub subleaf: Option<u32>,
    /// EAX, EBX, ECX, EDX.
    pub registers: [Option<Characters>; 4],
}

impl LeafPolicy {
    /// Characters of a register.
    #[must_use]
    pub fn register(&self, register: Register) -> Option<&Characters> {
        let [eax, ebx, ecx, edx] = &self.registers;
        match register {
            Register::Eax => eax.as_ref(),
            Register::Ebx => ebx.as_ref(),
            Register::Ecx => ecx.as_ref(),
            Register::Edx => edx.as_ref(),
        }
    }

    /// Characters of a register, to change them.
    pub fn register_mut(&mut self, register: Register) -> &mut Option<Characters> {
        let [eax, ebx, ecx, edx] = &mut self.registers;
        match register {
            Register::Eax => eax,
            Register::Ebx => ebx,
            Register::Ecx => ecx,
            Register::Edx => edx,
        }
    }

    /// The registers that result; an `Err` is the register and the character that Xen's library refuses.
    pub fn apply(&self, current: Registers, default: Registers, host: Registers) -> Result<Registers, (Register, u8)> {
        let mut out = current;
        for register in Register::ALL {
            if let Some(characters) = self.register(register) {
                *register.of_mut(&mut out) = characters
                    .apply(register.of(default), register.of(host))
                    .map_err(|character| (register, character))?;
            }
        }
        Ok(out)
    }
}

impl Serialize for LeafPolicy {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("leaf", &self.leaf)?;
        if let Some(subleaf) = self.subleaf {
            map.serialize_entry("subleaf", &subleaf)?;
        }
        for register in Register::ALL {
            if let Some(characters) = self.register(register) {
                map.serialize_entry(register.name(), &characters.text())?;
            }
        }
        map.end()
    }
}

/// The characters of an MSR, bit 63 first: `0`, `1`, `x`, `k`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MsrPolicy {
    /// Index.
    pub index: u32,
    /// Characters.
    pub policy: [u8; 64],
}

impl MsrPolicy {
    /// As text.
    #[must_use]
    pub fn text(&self) -> String {
        self.policy.iter().map(|&byte| char::from(byte)).collect()
    }

    /// The value that results of the guest type's default and of the host.
    #[must_use]
    pub fn apply(&self, current: u64, default: u64, host: u64) -> u64 {
        let mut value = current;
        for (index, character) in self.policy.iter().enumerate() {
            let mask = 0x8000_0000_0000_0000_u64 >> (index & 63);
            let from = match character {
                b'0' => 0,
                b'1' => u64::MAX,
                b'x' => default,
                b'k' => host,
                _ => value,
            };
            value = (value & !mask) | (from & mask);
        }
        value
    }
}

impl Serialize for MsrPolicy {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("index", &self.index)?;
        map.serialize_entry("policy", &self.text())?;
        map.end()
    }
}

/// The whole of it: `{"cpuid": […], "msr": […]}` in JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CpuidConfig {
    /// Leaves, in the order they were first named.
    pub cpuid: Vec<LeafPolicy>,
    /// MSRs, likewise.
    pub msr: Vec<MsrPolicy>,
}

impl CpuidConfig {
    /// Nothing is asked for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.cpuid.is_empty() && self.msr.is_empty()
    }

    /// The entry of a leaf, made when it is not there; `None` for the leaf that is libxl's end mark, which
    /// it writes where nothing reads it.
    pub(crate) fn entry(&mut self, leaf: u32, subleaf: Option<u32>) -> Option<&mut LeafPolicy> {
        if leaf == UNUSED {
            return None;
        }
        let found = self
            .cpuid
            .iter()
            .position(|entry| entry.leaf == leaf && entry.subleaf == subleaf);
        let index = found.unwrap_or_else(|| {
            self.cpuid.push(LeafPolicy {
                leaf,
                subleaf,
                registers: [None; 4],
            });
            self.cpuid.len().saturating_sub(1)
        });
        self.cpuid.get_mut(index)
    }

    /// The entry of an MSR, made when it is not there.
    pub(crate) fn msr_entry(&mut self, index: u32) -> Option<&mut MsrPolicy> {
        let found = self.msr.iter().position(|entry| entry.index == index);
        let at = found.unwrap_or_else(|| {
            self.msr.push(MsrPolicy {
                index,
                policy: [b'x'; 64],
            });
            self.msr.len().saturating_sub(1)
        });
        self.msr.get_mut(at)
    }
}

/// strtoul of glibc 2.38 and later with base 0: blanks, a sign, `0x`, `0b` or an octal `0`; more than 64
/// bits are all ones. With the bytes that were used; `None` when there is no number.
#[must_use]
pub(crate) fn strtoul(text: &[u8]) -> Option<(u64, usize)> {
    let blank = |byte: &u8| matches!(byte, b' ' | 0x09..=0x0d);
    let mut used = text.iter().take_while(|byte| blank(byte)).count();
    let at = |index: usize| text.get(index).copied().unwrap_or(0);
    let negative = at(used) == b'-';
    if matches!(at(used), b'-' | b'+') {
        used = used.saturating_add(1);
    }
    let second = at(used.saturating_add(1)).to_ascii_lowercase();
    let third = at(used.saturating_add(2));
    let (base, skip) = match (at(used), second) {
        (b'0', b'x') if third.is_ascii_hexdigit() => (16, 2),
        (b'0', b'b') if matches!(third, b'0' | b'1') => (2, 2),
        (b'0', _) => (8, 0),
        _ => (10, 0),
    };
    used = used.saturating_add(skip);
    let (mut value, mut overflow, first) = (0_u64, false, used);
    while let Some(digit) = text.get(used).and_then(|&byte| char::from(byte).to_digit(base)) {
        let next = value
            .checked_mul(u64::from(base))
            .and_then(|value| value.checked_add(u64::from(digit)));
        overflow |= next.is_none();
        value = next.unwrap_or(u64::MAX);
        used = used.saturating_add(1);
    }
    if used == first {
        return None;
    }
    let value = match (overflow, negative) {
        (true, _) => u64::MAX,
        (false, true) => value.wrapping_neg(),
        (false, false) => value,
    };
    Some((value, used))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_strtoul_reads_them() {
        let read = |text: &str| strtoul(text.as_bytes());
        assert_eq!(read("21"), Some((21, 2)));
        assert_eq!(read(" \t+0x1fg"), Some((0x1f, 7)));
        assert_eq!(read("0x"), Some((0, 1)));
        assert_eq!(read("08"), Some((0, 1)));
        assert_eq!(read("0b102"), Some((2, 4)));
        assert_eq!(read("0b2"), Some((0, 1)));
        assert_eq!(read("-1"), Some((u64::MAX, 2)));
        assert_eq!(read("99999999999999999999"), Some((u64::MAX, 20)));
        assert_eq!(read("-99999999999999999999"), Some((u64::MAX, 21)));
        for none in ["", "x", "-", "+ 1", "_1"] {
            assert_eq!(read(none), None, "{none:?}");
        }
    }

    #[test]
    fn characters_pick_from_default_and_host() {
        let mut characters = Characters::DEFAULT;
        characters.write(0, b"01ks");
        assert_eq!(characters.apply(0xf0, 0x3), Ok(0xf7));
        characters.write(31, b"z");
        assert_eq!(characters.apply(0, 0), Err(b'z'));
        assert_eq!(characters.of_bit(2), b'1');
    }
}
