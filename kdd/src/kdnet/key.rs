//! Keys as WinDbg writes them: four numbers of base 36, joined by points.
//!
//! Each number is 64 bits, little endian in the 32 bytes of the key. The debugger is told the same text
//! (`-k net:port=50000,key=1.2.3.4`).
//!
//! ```
//! use kdd::kdnet::key::Key;
//!
//! let key: Key = "1.2.z.10".parse()?;
//! assert_eq!(key.bytes()[16], 35);
//! assert_eq!(key.to_string(), "1.2.z.10");
//! # Ok::<(), kdd::kdnet::key::KeyError>(())
//! ```

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// Digits of base 36.
const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";

/// A key: it is never shown by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Key([u64; 4]);

/// Why a text is no key, or why none could be made.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum KeyError {
    /// Not four parts.
    #[error("key: expected four numbers of base 36 joined by points (1.2.3.4), seen {0} of them")]
    Parts(usize),
    /// A part is no number.
    #[error("key: part {0}: expected letters and digits of base 36 that fit in 64 bits")]
    Part(usize),
    /// The system gives no random bytes.
    #[error("key: no random bytes from the system: {0}")]
    Random(String),
}

impl Key {
    /// A key of 256 random bits.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub fn random() -> Result<Self, KeyError> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(|error| KeyError::Random(error.to_string()))?;
        Ok(Self::from_bytes(&bytes))
    }

    /// The key of 32 bytes.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; 32]) -> Self {
        let mut parts = [0; 4];
        let (words, _) = bytes.as_chunks::<8>();
        for (part, word) in parts.iter_mut().zip(words) {
            *part = u64::from_le_bytes(*word);
        }
        Self(parts)
    }

    /// Its 32 bytes.
    #[must_use]
    pub fn bytes(&self) -> [u8; 32] {
        let mut bytes = [0; 32];
        let (words, _) = bytes.as_chunks_mut::<8>();
        for (word, part) in words.iter_mut().zip(self.0) {
            *word = part.to_le_bytes();
        }
        bytes
    }
}

impl FromStr for Key {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let texts: Vec<&str> = text.trim().split('.').collect();
        let [_, _, _, _] = *texts else {
            return Err(KeyError::Parts(texts.len()));
        };
        let mut parts = [0; 4];
        for (number, (part, text)) in (1..).zip(parts.iter_mut().zip(texts)) {
            // from_str_radix takes a sign, which a key has not.
            let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric());
            let value = plain.then(|| u64::from_str_radix(text, 36).ok()).flatten();
            *part = value.ok_or(KeyError::Part(number))?;
        }
        Ok(Self(parts))
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, part) in self.0.iter().enumerate() {
            if place > 0 {
                f.write_str(".")?;
            }
            f.write_str(&base36(*part))?;
        }
        Ok(())
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

fn base36(mut value: u64) -> String {
    let mut digits = Vec::new();
    loop {
        let digit = usize::try_from(value % 36).ok().and_then(|digit| DIGITS.get(digit));
        digits.push(char::from(*digit.unwrap_or(&b'0')));
        value /= 36;
        if value == 0 {
            return digits.iter().rev().collect();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_more_digits_are_one_number_each() {
        let key: Key = "a1.3w5e11264sgsf.0.zz".parse().unwrap();
        let expected = [361, u64::MAX, 0, 1295].map(u64::to_le_bytes).concat();
        assert_eq!(key.bytes()[..], expected);
        assert_eq!(key.to_string(), "a1.3w5e11264sgsf.0.zz");
    }

    #[test]
    fn upper_case_is_the_same_key() {
        assert_eq!("A.B.C.D".parse::<Key>(), "a.b.c.d".parse());
    }

    #[test]
    fn what_is_no_key_is_refused_with_the_part() {
        let error = |text: &str| text.parse::<Key>().unwrap_err();
        assert_eq!(error("1.2.3"), KeyError::Parts(3));
        assert_eq!(error("1.2.3.4.5"), KeyError::Parts(5));
        assert_eq!(error("1.2..4"), KeyError::Part(3));
        assert_eq!(error("1.2.3.+4"), KeyError::Part(4));
        assert_eq!(error("3w5e11264sgsg.1.1.1"), KeyError::Part(1));
    }

    #[test]
    fn random_keys_differ_and_round_trip() {
        let (one, other) = (Key::random().unwrap(), Key::random().unwrap());
        assert_ne!(one, other);
        assert_eq!(one.to_string().parse::<Key>().unwrap(), one);
        assert_eq!(Key::from_bytes(&one.bytes()), one);
        assert_eq!(format!("{one:?}"), "Key(..)");
    }
}
