//! Small typed reads from a [`Source`], with what could not be understood written down.
//!
//! An absent file is normal in `/sys` and is never damage; a file that is there and holds
//! something else than its documentation says is.

use std::fmt;
use std::str::FromStr;

use captures::Source;

use super::CpuSet;
use crate::evidence::{Damage, Place};

/// A source, and the damage met while reading it.
pub struct Reader<'a> {
    /// Where the files are.
    pub source: &'a Source,
    /// What was not as documented, in the order it was met.
    pub damage: Vec<Damage>,
}

impl<'a> Reader<'a> {
    /// Starts with no damage.
    #[must_use]
    pub const fn new(source: &'a Source) -> Self {
        Self {
            source,
            damage: Vec::new(),
        }
    }

    /// Writes down that the file `path` holds something else than `expected`.
    pub fn damaged(&mut self, path: &str, expected: &str, seen: &str) {
        self.damage.push(Damage {
            what: path.to_owned(),
            place: Place::Whole,
            expected: expected.to_owned(),
            seen: excerpt(seen),
        });
    }

    /// Text of a file, trimmed; some captures end each file with a NUL, which is trimmed too.
    #[must_use]
    pub fn text(&self, path: &str) -> Option<String> {
        let mut text = self.source.text(path)?;
        if text.ends_with('\0') {
            let kept = text.trim_end_matches(|c: char| c == '\0' || c.is_whitespace()).len();
            text.truncate(kept);
        }
        Some(text)
    }

    /// Text of a file when it is not empty, trimmed.
    #[must_use]
    pub fn some_text(&self, path: &str) -> Option<String> {
        self.text(path).filter(|text| !text.is_empty())
    }

    /// A decimal number.
    pub fn number<T: FromStr>(&mut self, path: &str) -> Option<T> {
        let text = self.text(path)?;
        self.number_in(format_args!("{path}"), &text)
    }

    /// The decimal number that `text`, the file `path`, holds; none when it is empty.
    pub fn number_in<T: FromStr>(&mut self, path: fmt::Arguments<'_>, text: &str) -> Option<T> {
        if text.is_empty() {
            return None;
        }
        self.parsed(path, "a decimal number", text, |text| text.parse().ok())
    }

    /// A hexadecimal number with `0x` before it or not.
    pub fn hex(&mut self, path: &str) -> Option<u64> {
        // a capture made without privilege holds the file empty
        let text = self.text(path).filter(|text| !text.is_empty())?;
        self.parsed(format_args!("{path}"), "a hexadecimal number", &text, hex)
    }

    /// A CPU list ("0-7,16").
    pub fn cpu_list(&mut self, path: &str) -> Option<CpuSet> {
        let text = self.text(path)?;
        self.cpu_list_in(format_args!("{path}"), &text)
    }

    /// The CPU list that `text`, the file `path`, holds.
    pub fn cpu_list_in(&mut self, path: fmt::Arguments<'_>, text: &str) -> Option<CpuSet> {
        self.parsed(path, "a list of CPUs as 0-7,16", text, CpuSet::parse_list)
    }

    /// A CPU mask ("ffffffff,00000000").
    pub fn cpu_mask(&mut self, path: &str) -> Option<CpuSet> {
        let text = self.text(path)?;
        self.cpu_mask_in(format_args!("{path}"), &text)
    }

    /// The CPU mask that `text`, the file `path`, holds.
    pub fn cpu_mask_in(&mut self, path: fmt::Arguments<'_>, text: &str) -> Option<CpuSet> {
        self.parsed(path, "a mask of CPUs as 0000,000000ff", text, CpuSet::parse_mask)
    }

    /// What `parse` makes of `text`; damage when it makes nothing.
    fn parsed<T>(
        &mut self,
        path: fmt::Arguments<'_>,
        expected: &str,
        text: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        let value = parse(text);
        if value.is_none() {
            self.damaged(&path.to_string(), expected, text);
        }
        value
    }

    /// Names `prefix<N>` in a directory as numbers, ascending; other names are left out.
    /// A number that is refused by a [`CpuSet`] is damage.
    pub fn numbered(&mut self, directory: &str, prefix: &str) -> Vec<u32> {
        let mut numbers = Vec::new();
        for name in self.source.list(directory) {
            let Some(digits) = name.strip_prefix(prefix) else {
                continue;
            };
            if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                continue;
            }
            match digits.parse() {
                Ok(number) if number < CpuSet::LIMIT => numbers.push(number),
                _ => self.damaged(directory, &format!("{prefix}0 to {prefix}65535"), &name),
            }
        }
        numbers.sort_unstable();
        numbers.dedup();
        numbers
    }
}

/// A hexadecimal number with `0x` before it or not.
#[must_use]
pub fn hex(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text
        .strip_prefix("0x")
        .or_else(|| text.strip_prefix("0X"))
        .unwrap_or(text);
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    if plain {
        u64::from_str_radix(digits, 16).ok()
    } else {
        None
    }
}

/// The first 60 characters, control characters escaped.
#[must_use]
pub fn excerpt(text: &str) -> String {
    text.chars().take(60).flat_map(char::escape_default).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hexadecimal_takes_both_spellings_and_no_sign() {
        assert_eq!(hex("0x8086"), Some(0x8086));
        assert_eq!(hex("a6\n"), Some(0xa6));
        for bad in ["", "0x", "+1", "-1", "xyz", "11112222333344445"] {
            assert_eq!(hex(bad), None, "{bad}");
        }
    }
}
