//! What a user asks to have explained: a register with or without a value, an MSR, a featureset.
//!
//! ```text
//! 1.ecx=0x1fbae3ff   7.0.ebx   7.1.eax[5]   80000001.edx=2c100800   msr10a=0x2000000000000001
//! 178bfbff:7efa320b:2fd3fbff…   178bfbff-7efa320b-…
//! ```
//! Leaves, subleaves and values are hexadecimal, with `0x` or without.

use crate::bits::{Place, Register, Word, halves};
use crate::formats::featureset::WORDS;
use crate::guest::Fault;
use crate::leaf::Subleaf;

/// A word to be explained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The word.
    pub word: Word,
    /// Its value; `None` asks for the names alone.
    pub value: Option<u32>,
    /// Only this bit.
    pub bit: Option<u8>,
}

/// A part of the argument with the byte it begins at.
#[derive(Clone, Copy)]
struct Part<'a> {
    at: usize,
    text: &'a str,
}

impl<'a> Part<'a> {
    fn split(self, between: &[char]) -> Option<(Self, Self)> {
        let (first, _) = self.text.split_once(between)?;
        let end = first.len();
        let rest = self.text.get(end.saturating_add(1)..)?;
        let second = Part {
            at: self.at.saturating_add(end).saturating_add(1),
            text: rest,
        };
        Some((Part { text: first, ..self }, second))
    }

    fn fault(self, message: impl Into<String>) -> Fault {
        Fault {
            at: Some(self.at),
            what: self.text.chars().take(40).collect(),
            message: message.into(),
        }
    }

    /// Hexadecimal digits, `0x` before them or not.
    fn hex(self, what: &str, most: usize) -> Result<u64, Fault> {
        let digits = self
            .text
            .strip_prefix("0x")
            .or_else(|| self.text.strip_prefix("0X"))
            .unwrap_or(self.text);
        let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !plain {
            return Err(self.fault(format!("expected {what} in hexadecimal digits")));
        }
        let significant = digits.trim_start_matches('0').len();
        if significant > most {
            return Err(self.fault(format!("expected {what} of at most {most} hexadecimal digits")));
        }
        u64::from_str_radix(digits, 16)
            .or(if significant == 0 { Ok(0) } else { Err(()) })
            .map_err(|()| self.fault(format!("expected {what}")))
    }

    fn word(self, what: &str) -> Result<u32, Fault> {
        let [low, _] = halves(self.hex(what, 8)?);
        Ok(low)
    }
}

/// Reads an argument.
///
/// ```
/// use cpuid_db::explain::parse;
/// let asked = parse("1.ecx=0x1fbae3ff").unwrap();
/// assert_eq!((asked[0].word.to_string(), asked[0].value), ("1.0.ecx".to_owned(), Some(0x1fba_e3ff)));
/// assert_eq!(parse("1.esx").unwrap_err().at, Some(2));
/// ```
///
/// # Errors
/// What stands where something else is expected, with its place.
pub fn parse(text: &str) -> Result<Vec<Asked>, Fault> {
    let whole = Part {
        at: text.len().saturating_sub(text.trim_start().len()),
        text: text.trim(),
    };
    let (place, value) = match whole.split(&['=']) {
        Some((place, value)) => (place, Some(value)),
        None => (whole, None),
    };
    if place.text.is_empty() {
        return Err(place.fault("expected a register such as 7.0.ebx, an MSR such as msr10a, or a featureset"));
    }
    let lower = place.text.to_ascii_lowercase();
    if lower.starts_with("msr") {
        return msr(place, value);
    }
    if place.text.contains('.') {
        return register(place, value);
    }
    if let Some(value) = value {
        return Err(place.fault(format!(
            "a leaf has four registers: expected {}.eax={}, or another register",
            place.text, value.text
        )));
    }
    featureset(place)
}

/// `[n]` at the end.
fn bit(part: Part<'_>, highest: u8) -> Result<(Part<'_>, Option<u8>), Fault> {
    let Some((before, inside)) = part.split(&['[']) else {
        return Ok((part, None));
    };
    let number = inside.text.strip_suffix(']').and_then(|digits| digits.parse().ok());
    match number.filter(|&number: &u8| number <= highest) {
        Some(number) => Ok((before, Some(number))),
        None => Err(inside.fault(format!("expected a bit from 0 to {highest} and ]"))),
    }
}

fn register(place: Part<'_>, value: Option<Part<'_>>) -> Result<Vec<Asked>, Fault> {
    let (place, bit) = bit(place, 31)?;
    let Some((leaf, rest)) = place.split(&['.']) else {
        return Err(place.fault("expected leaf.register or leaf.subleaf.register"));
    };
    let number = leaf.word("a leaf")?;
    let (subleaf, name) = match rest.split(&['.']) {
        Some((subleaf, name)) => (subleaf.word("a subleaf")?, name),
        None => (0, rest),
    };
    let one = |register| Word {
        place: Place::Leaf(number),
        subleaf: Subleaf(subleaf),
        register,
    };
    let value = value.map(|value| value.word("a value")).transpose()?;
    if let Some(register) = Register::read(name.text) {
        let word = one(register);
        return Ok(vec![Asked { word, value, bit }]);
    }
    // `7.1`: the four registers of a subleaf.
    if value.is_none()
        && bit.is_none()
        && let (None, Ok(subleaf)) = (rest.split(&['.']), rest.word("a subleaf"))
    {
        return Ok(Register::ALL
            .map(|register| Asked {
                word: Word::cpuid(number, subleaf, register),
                value: None,
                bit: None,
            })
            .to_vec());
    }
    Err(name.fault("expected eax, ebx, ecx or edx"))
}

fn msr(place: Part<'_>, value: Option<Part<'_>>) -> Result<Vec<Asked>, Fault> {
    let (place, bit) = bit(place, 63)?;
    let (place, half) = match place.split(&['.']) {
        Some((place, name)) => match Register::read(name.text) {
            Some(half @ (Register::Eax | Register::Edx)) => (place, Some(half)),
            _ => return Err(name.fault("expected eax (bits 31:0) or edx (bits 63:32)")),
        },
        None => (place, None),
    };
    let digits = place.text.get(3..).unwrap_or_default();
    let digits = digits.strip_prefix(':').unwrap_or(digits);
    let index = Part {
        at: place.at.saturating_add(place.text.len().saturating_sub(digits.len())),
        text: digits,
    }
    .word("an MSR")?;
    let one = |register, value, bit| Asked {
        word: Word::msr(index, register),
        value,
        bit,
    };
    if let Some(half) = half {
        let value = value.map(|value| value.word("a value")).transpose()?;
        let bit = bit.map(|bit| bit & 31);
        return Ok(vec![one(half, value, bit)]);
    }
    let value = value.map(|value| value.hex("a value", 16)).transpose()?.map(halves);
    let low = one(Register::Eax, value.map(|[low, _]| low), bit);
    let high = one(Register::Edx, value.map(|[_, high]| high), bit.map(|bit| bit & 31));
    Ok(match bit {
        Some(0..=31) => vec![low],
        Some(_) => vec![high],
        None => vec![low, high],
    })
}

fn featureset(whole: Part<'_>) -> Result<Vec<Asked>, Fault> {
    let between = if whole.text.contains(':') { ':' } else { '-' };
    let mut words = Vec::new();
    let mut rest = Some(whole);
    while let Some(part) = rest {
        let (first, more) = match part.split(&[between]) {
            Some((first, more)) => (first, Some(more)),
            None => (part, None),
        };
        let value = first.word("a word of a featureset")?;
        let Some(&word) = WORDS.get(words.len()) else {
            return Err(first.fault(format!("a featureset has at most {} words", WORDS.len())));
        };
        words.push(Asked {
            word,
            value: Some(value),
            bit: None,
        });
        rest = more;
    }
    if words.len() < 2 {
        return Err(whole.fault(format!(
            "a number alone is of no register: expected 1.ecx={}, or words with : or - between them",
            whole.text
        )));
    }
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(String, Option<u32>)> {
        parse(text)
            .unwrap()
            .iter()
            .map(|asked| (asked.word.to_string(), asked.value))
            .collect()
    }

    #[test]
    fn registers_are_read_in_all_spellings() {
        for text in [
            "1.ecx=0x1fbae3ff",
            "0x1.0.ECX=1FBAE3FF",
            " 1.0x0.ecx=0x000000001fbae3ff",
        ] {
            assert_eq!(read(text), [("1.0.ecx".to_owned(), Some(0x1fba_e3ff))], "{text}");
        }
        assert_eq!(read("7.0.ebx"), [("7.0.ebx".to_owned(), None)]);
        assert_eq!(read("7.1").len(), 4);
        assert_eq!(parse("d.1.eax[3]").unwrap()[0].bit, Some(3));
    }

    #[test]
    fn an_msr_has_two_halves() {
        assert_eq!(
            read("msr10a=0x200000001"),
            [("msr10a.eax".to_owned(), Some(1)), ("msr10a.edx".to_owned(), Some(2))]
        );
        assert_eq!(read("MSR:0x10a.edx=5"), [("msr10a.edx".to_owned(), Some(5))]);
        let bit = parse("msr10a[62]").unwrap();
        assert_eq!(
            (bit[0].word.to_string(), bit[0].bit),
            ("msr10a.edx".to_owned(), Some(30))
        );
    }

    #[test]
    fn a_featureset_has_xens_order() {
        for text in [
            "178bfbff:7efa320b:0",
            "178bfbff-7efa320b-0",
            "0x178bfbff:0x7efa320b:0x0",
        ] {
            let words: Vec<String> = read(text).into_iter().map(|(word, _)| word).collect();
            assert_eq!(words, ["1.0.edx", "1.0.ecx", "80000001.0.edx"], "{text}");
        }
    }

    #[test]
    fn errors_say_where() {
        let at = |text| parse(text).unwrap_err().at;
        assert_eq!(at(""), Some(0));
        assert_eq!(at("1.esx"), Some(2));
        assert_eq!(at("7.0.foo=1"), Some(4));
        assert_eq!(at("xyz.eax"), Some(0));
        assert_eq!(at("1.ecx=0x1ffffffff"), Some(6));
        assert_eq!(at("1.ecx="), Some(6));
        assert_eq!(at("178bfbff:zz"), Some(9));
        assert_eq!(at("7.0.ebx[32]"), Some(8));
        assert_eq!(at("msrzz"), Some(3));
        assert_eq!(at("msr10a.ebx"), Some(7));
        assert!(parse("1fbae3ff").unwrap_err().message.contains("1.ecx=1fbae3ff"));
        let many = vec!["1"; 20].join(":");
        assert_eq!(at(&many), Some(38));
    }
}
