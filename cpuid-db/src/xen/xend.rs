//! One line of the list form of `cpuid=`, after the Python xend of old: `LEAF[,SUBLEAF]:eAx=<32>,…`.

use std::fmt;

use crate::bits::Register;
use crate::xen::config::{Characters, CpuidConfig, UNUSED, strtoul};

/// Why libxl does not take a line, with its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LineError {
    /// 1.
    Leaf,
    /// 2.
    Subleaf,
    /// 3.
    Colon,
    /// 4.
    Register,
    /// 5.
    Length,
}

impl LineError {
    /// libxl's number.
    #[must_use]
    pub const fn number(self) -> u32 {
        match self {
            Self::Leaf => 1,
            Self::Subleaf => 2,
            Self::Colon => 3,
            Self::Register => 4,
            Self::Length => 5,
        }
    }
}

impl fmt::Display for LineError {
    /// As xl words it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Leaf => "illegal leaf number",
            Self::Subleaf => "illegal subleaf number",
            Self::Colon => "missing colon",
            Self::Register => "invalid register name (must be e[abcd]x)",
            Self::Length => "policy string must be exactly 32 characters long",
        })
    }
}

/// A register of a line, and where its characters stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// Leaf.
    pub leaf: u32,
    /// Subleaf; `None` when the line gives none.
    pub subleaf: Option<u32>,
    /// Register.
    pub register: Register,
    /// Byte of the line where the first character stands.
    pub at: usize,
    /// Characters.
    pub characters: Characters,
}

/// A line that was read to its end or to the first thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Registers taken.
    pub parts: Vec<Part>,
    /// What is wrong, and the byte of the line it is at.
    pub error: Option<(LineError, usize)>,
}

/// Takes one line into a configuration. As with libxl, what stands before an error stays.
pub fn parse_line(config: &mut CpuidConfig, line: &str) -> Line {
    let text = line.as_bytes();
    let mut parts = Vec::new();
    let error = read(config, text, &mut parts).err();
    Line { parts, error }
}

fn read(config: &mut CpuidConfig, text: &[u8], parts: &mut Vec<Part>) -> Result<(), (LineError, usize)> {
    let tail = |at: usize| text.get(at..).unwrap_or_default();
    let (leaf, mut at) = strtoul(text).ok_or((LineError::Leaf, 0))?;
    let [leaf, _] = crate::bits::halves(leaf);
    let mut subleaf = None;
    if text.get(at) == Some(&b',') {
        at = at.saturating_add(1);
        let (value, used) = strtoul(tail(at)).ok_or((LineError::Subleaf, at))?;
        let [value, _] = crate::bits::halves(value);
        subleaf = (value != UNUSED).then_some(value);
        at = at.saturating_add(used);
    }
    if text.get(at) != Some(&b':') {
        return Err((LineError::Colon, at));
    }
    at = at.saturating_add(1);
    // The entry is there even when the line goes on wrong.
    let _ = config.entry(leaf, subleaf);
    while at < text.len() {
        let register = register(tail(at)).ok_or((LineError::Register, at))?;
        let equals = find(tail(at), b'=').ok_or((LineError::Register, at))?;
        at = at.saturating_add(equals).saturating_add(1);
        let length = find(tail(at), b',').unwrap_or(tail(at).len());
        let characters = tail(at).get(..length).unwrap_or_default();
        let characters = Characters(characters.try_into().map_err(|_| (LineError::Length, at))?);
        if let Some(entry) = config.entry(leaf, subleaf) {
            *entry.register_mut(register) = Some(characters);
        }
        parts.push(Part {
            leaf,
            subleaf,
            register,
            at,
            characters,
        });
        at = at.saturating_add(length).saturating_add(1);
        while matches!(text.get(at), Some(b' ' | b'\n')) {
            at = at.saturating_add(1);
        }
    }
    Ok(())
}

/// `e?x`; what follows up to the equals sign is not looked at.
fn register(text: &[u8]) -> Option<Register> {
    match text {
        [b'e', b'a', b'x', ..] => Some(Register::Eax),
        [b'e', b'b', b'x', ..] => Some(Register::Ebx),
        [b'e', b'c', b'x', ..] => Some(Register::Ecx),
        [b'e', b'd', b'x', ..] => Some(Register::Edx),
        _ => None,
    }
}

fn find(text: &[u8], byte: u8) -> Option<usize> {
    text.iter().position(|&seen| seen == byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> (CpuidConfig, Option<(u32, usize)>) {
        let mut config = CpuidConfig::default();
        let read = parse_line(&mut config, line);
        (config, read.error.map(|(error, at)| (error.number(), at)))
    }

    #[test]
    fn leaf_subleaf_and_registers_are_taken() {
        let ones = "1".repeat(32);
        let (config, error) = parse(&format!("0x7,0:ebx={ones}, \n edx={ones},"));
        assert_eq!(error, None);
        assert_eq!((config.cpuid[0].leaf, config.cpuid[0].subleaf), (7, Some(0)));
        let registers = config.cpuid[0].registers;
        assert_eq!(registers.map(|register| register.is_some()), [false, true, false, true]);
    }

    #[test]
    fn errors_have_the_numbers_of_libxl_and_a_place() {
        for (line, expected) in [
            ("host,aes=0", (1, 0)),
            ("1,x:eax=", (2, 2)),
            ("1,2", (3, 3)),
            ("1:fax=", (4, 2)),
            ("1:eax", (4, 2)),
            ("1:e", (4, 2)),
            ("1:eex=", (4, 2)),
            ("1:eax=01", (5, 6)),
        ] {
            assert_eq!(parse(line).1, Some(expected), "{line}");
        }
    }

    #[test]
    fn what_stands_between_register_and_equals_sign_is_not_read() {
        let (config, error) = parse(&format!("1:ecx junk,{}={}", "more", "k".repeat(32)));
        assert_eq!(error, None);
        assert_eq!(config.cpuid[0].register(Register::Ecx), Some(&Characters([b'k'; 32])));
    }

    #[test]
    fn an_entry_stays_when_its_registers_are_wrong() {
        let (config, _) = parse("0x80000001:what");
        assert_eq!(config.cpuid.len(), 1);
        let (config, error) = parse("-1:");
        assert_eq!((config.cpuid.len(), error), (0, None), "the number of libxl's end mark");
    }
}
