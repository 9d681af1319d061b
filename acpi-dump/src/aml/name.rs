//! Names of the namespace: segments of four characters and paths. ACPI 6.5, sections 5.3 and 20.2.2.

use std::fmt;

use serde::{Serialize, Serializer};

/// One name of four characters, `_` at the end where the source was shorter.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NameSeg(pub [u8; 4]);

impl NameSeg {
    /// Whether the bytes are a legal name: a letter or `_`, then letters, digits or `_`.
    #[must_use]
    pub fn is_legal(self) -> bool {
        let [first, rest @ ..] = self.0;
        matches!(first, b'A'..=b'Z' | b'_') && rest.iter().all(|byte| matches!(byte, b'A'..=b'Z' | b'0'..=b'9' | b'_'))
    }

    /// The characters without the `_` that fill up at the end: `PCI0`, `EC`, `_HID`.
    #[must_use]
    pub fn short(self) -> String {
        let text = self.to_string();
        let cut = text.trim_end_matches('_');
        if cut.is_empty() { "_".to_owned() } else { cut.to_owned() }
    }
}

impl fmt::Display for NameSeg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&crate::header::printable(&self.0))
    }
}

impl fmt::Debug for NameSeg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// A name as written in AML: from the root, from some parent of the scope, or relative.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NamePath {
    /// It begins with `\`.
    pub root: bool,
    /// Number of `^` in front.
    pub parents: usize,
    /// Its segments; none is `\`, `^` or the null name.
    pub segments: Vec<NameSeg>,
}

impl NamePath {
    /// Whether the name is searched in the scopes above when it is not in the current one:
    /// a single segment without prefix (ACPI 6.5, section 5.3).
    #[must_use]
    pub fn searches_upwards(&self) -> bool {
        !self.root && self.parents == 0 && self.segments.len() == 1
    }
}

impl fmt::Display for NamePath {
    /// ASL spelling, segments without their fill: `\_SB.PCI0.EC`, `^^GFX0`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.root {
            f.write_str("\\")?;
        }
        for _ in 0..self.parents {
            f.write_str("^")?;
        }
        let list: Vec<String> = self.segments.iter().map(|segment| segment.short()).collect();
        f.write_str(&list.join("."))
    }
}

impl Serialize for NamePath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fill_is_dropped_where_a_name_is_shown() {
        assert_eq!(NameSeg(*b"EC0_").short(), "EC0");
        assert_eq!(NameSeg(*b"____").short(), "_");
        let path = NamePath {
            root: true,
            parents: 0,
            segments: vec![NameSeg(*b"_SB_"), NameSeg(*b"PCI0")],
        };
        assert_eq!(path.to_string(), "\\_SB.PCI0");
    }

    #[test]
    fn digits_may_not_begin_a_name() {
        assert!(NameSeg(*b"_T_0").is_legal() && !NameSeg(*b"0ABC").is_legal() && !NameSeg(*b"abcd").is_legal());
    }
}
