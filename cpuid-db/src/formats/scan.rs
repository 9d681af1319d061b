//! Reading text byte by byte: lines with their numbers, hexadecimal numbers, four registers.

use crate::leaf::Registers;

/// Lines of a text, trimmed, with their number from 1.
pub(crate) fn numbered_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .enumerate()
        .map(|(index, line)| (index.saturating_add(1), line.trim()))
}

/// Value of a hexadecimal digit; anything above 15 is none.
const fn digit(byte: u8) -> u8 {
    match byte {
        b'0'..=b'9' => byte.wrapping_sub(b'0'),
        b'a'..=b'f' => byte.wrapping_sub(b'a' - 10),
        b'A'..=b'F' => byte.wrapping_sub(b'A' - 10),
        _ => 0xff,
    }
}

/// What is left of a line.
#[derive(Clone, Copy)]
pub(crate) struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    pub(crate) const fn new(line: &'a str) -> Self {
        Self(line.as_bytes())
    }

    /// Takes exactly this word.
    pub(crate) fn eat(&mut self, word: &[u8]) -> Option<()> {
        self.0 = self.0.strip_prefix(word)?;
        Some(())
    }

    /// Takes blanks and tabulators, if there are any; says whether there were.
    pub(crate) fn blanks(&mut self) -> bool {
        let before = self.0.len();
        while let [b' ' | b'\t', rest @ ..] = self.0 {
            self.0 = rest;
        }
        self.0.len() < before
    }

    /// Takes a number of 1 to `most` hexadecimal digits; more digits are none.
    fn digits(&mut self, most: usize) -> Option<u64> {
        let mut value = 0_u64;
        let mut taken = 0_usize;
        while let [byte, rest @ ..] = self.0 {
            let digit = digit(*byte);
            if digit > 15 {
                break;
            }
            value = value << 4 | u64::from(digit);
            taken = taken.saturating_add(1);
            self.0 = rest;
            if taken > most {
                return None;
            }
        }
        (taken > 0).then_some(value)
    }

    /// Takes a number of 1 to 8 hexadecimal digits.
    pub(crate) fn hex(&mut self) -> Option<u32> {
        self.digits(8).and_then(|value| u32::try_from(value).ok())
    }

    /// Takes a number of 1 to 16 hexadecimal digits.
    pub(crate) fn hex64(&mut self) -> Option<u64> {
        self.digits(16)
    }

    /// Takes a number that begins with `0x`.
    pub(crate) fn hex_0x(&mut self) -> Option<u32> {
        self.eat(b"0x").or_else(|| self.eat(b"0X"))?;
        self.hex()
    }

    /// Takes a decimal number.
    pub(crate) fn decimal(&mut self) -> Option<u32> {
        let mut value = None;
        while let [byte @ b'0'..=b'9', rest @ ..] = self.0 {
            let digit = u32::from(byte.wrapping_sub(b'0'));
            value = Some(value.unwrap_or(0_u32).checked_mul(10)?.checked_add(digit)?);
            self.0 = rest;
        }
        value
    }

    /// Four numbers with one byte between them.
    pub(crate) fn four(&mut self, between: &[u8]) -> Option<Registers> {
        let eax = self.hex()?;
        self.eat(between)?;
        let ebx = self.hex()?;
        self.eat(between)?;
        let ecx = self.hex()?;
        self.eat(between)?;
        Some(Registers::new(eax, ebx, ecx, self.hex()?))
    }

    /// Four numbers with blanks between them.
    pub(crate) fn four_words(&mut self) -> Option<Registers> {
        let mut words = [0; 4];
        for (place, word) in words.iter_mut().enumerate() {
            if place > 0 && !self.blanks() {
                return None;
            }
            *word = self.hex()?;
        }
        let [eax, ebx, ecx, edx] = words;
        Some(Registers::new(eax, ebx, ecx, edx))
    }

    /// Nothing is left but blanks.
    pub(crate) fn end(mut self) -> Option<()> {
        self.blanks();
        self.0.is_empty().then_some(())
    }

    /// What is left.
    pub(crate) const fn rest(self) -> &'a [u8] {
        self.0
    }
}

/// Number of `CPU N:`; `CPU:` (from `cpuid -1`) is 0.
pub(super) fn cpu_header(line: &str) -> Option<u32> {
    let mut cursor = Cursor::new(line);
    cursor.eat(b"CPU")?;
    cursor.blanks();
    let number = match cursor.rest() {
        b":" => 0,
        _ => cursor.decimal()?,
    };
    cursor.eat(b":")?;
    cursor.end()?;
    Some(number)
}

/// Number as configurations write it: hexadecimal behind `0x`, else decimal.
pub(crate) fn number(text: &str) -> Option<u64> {
    let text = text.trim();
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => {
            let mut cursor = Cursor::new(digits);
            let value = cursor.hex64()?;
            cursor.rest().is_empty().then_some(value)
        }
        None if text.bytes().all(|byte| byte.is_ascii_digit()) => text.parse().ok(),
        None => None,
    }
}

/// Line, from 1, of a byte of a text.
pub(crate) fn line_of(text: &str, at: usize) -> usize {
    let before = text.as_bytes().get(..at).unwrap_or(text.as_bytes());
    before.iter().filter(|byte| **byte == b'\n').count().saturating_add(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nine_digits_are_no_register() {
        assert_eq!(Cursor::new("123456789").hex(), None);
        assert_eq!(Cursor::new("ffffFFFF").hex(), Some(u32::MAX));
        assert_eq!(Cursor::new("xyz").hex(), None);
        assert_eq!(Cursor::new("99999999999").decimal(), None);
    }

    #[test]
    fn numbers_are_decimal_or_begin_with_0x() {
        assert_eq!(number("0x1F"), Some(31));
        assert_eq!(number("17"), Some(17));
        assert_eq!(number("+17"), None);
        assert_eq!(number("0x"), None);
        assert_eq!(number("0x11111111111111111"), None);
    }

    #[test]
    fn headers_of_cpus_hold_a_number_or_nothing() {
        assert_eq!(cpu_header("CPU:"), Some(0));
        assert_eq!(cpu_header("CPU 12:"), Some(12));
        assert_eq!(cpu_header("CPU x:"), None);
        assert_eq!(cpu_header("CPU 99999999999:"), None);
    }

    #[test]
    fn lines_are_counted_from_one() {
        assert_eq!(line_of("a\nb\nc", 0), 1);
        assert_eq!(line_of("a\nb\nc", 4), 3);
        assert_eq!(line_of("a", 99), 1);
    }
}
