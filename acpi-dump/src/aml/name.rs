//! Names of the namespace: segments of four characters and paths. ACPI 6.5, sections 5.3 and 20.2.2.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};
use thiserror::Error;

/// One name of four characters, `_` at the end where the source was shorter.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
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

/// Text that is no path of the namespace.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("path of the namespace: expected segments of one to four letters, digits or `_`, seen {seen:?}")]
pub struct PathError {
    /// The segment at fault, or the whole text.
    pub seen: String,
}

impl FromStr for NamePath {
    type Err = PathError;

    /// ASL spelling; short segments are filled with `_`, lower case is taken as upper case.
    fn from_str(text: &str) -> Result<Self, PathError> {
        let (root, rest) = match text.strip_prefix('\\') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let names = if root { rest } else { rest.trim_start_matches('^') };
        let parents = rest.len().saturating_sub(names.len());
        let segments = names.split('.').filter(|_| !names.is_empty());
        Ok(Self {
            root,
            parents,
            segments: segments.map(segment).collect::<Result<_, _>>()?,
        })
    }
}

fn segment(text: &str) -> Result<NameSeg, PathError> {
    let mut name = [b'_'; 4];
    let fits = !text.is_empty() && text.len() <= name.len();
    for (place, byte) in name.iter_mut().zip(text.bytes()) {
        *place = byte.to_ascii_uppercase();
    }
    let name = NameSeg(name);
    if fits && name.is_legal() {
        Ok(name)
    } else {
        Err(PathError { seen: text.to_owned() })
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

/// A name where it stands in the bytes of a table; nothing is copied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NameRef<'a> {
    /// It begins with `\`.
    pub root: bool,
    /// Number of `^` in front.
    pub parents: usize,
    /// Its segments, four bytes each.
    segments: &'a [u8],
    /// Bytes it takes, prefixes included.
    pub length: usize,
}

impl<'a> NameRef<'a> {
    /// Decode the name string that `bytes` begin with; `None` when they hold none or end inside it.
    ///
    /// Characters are not checked: see [`NameRef::is_legal`].
    #[must_use]
    pub fn decode(bytes: &'a [u8]) -> Option<Self> {
        let (root, parents, rest) = match bytes.split_first()? {
            (b'\\', rest) => (true, 0, rest),
            _ => {
                let parents = bytes.iter().take_while(|byte| **byte == b'^').count();
                (false, parents, bytes.get(parents..)?)
            }
        };
        let (skip, count) = match *rest.first()? {
            0 => (1, 0),
            0x2e => (1, 2),
            0x2f => (2, usize::from(*rest.get(1)?)),
            b'A'..=b'Z' | b'_' => (0, 1),
            _ => return None,
        };
        let end = count.checked_mul(4)?.checked_add(skip)?;
        let segments = rest.get(skip..end)?;
        let length = usize::from(root).checked_add(parents)?.checked_add(end)?;
        Some(Self {
            root,
            parents,
            segments,
            length,
        })
    }

    /// One segment alone.
    #[must_use]
    pub fn segment(segment: &'a [u8; 4]) -> Self {
        Self {
            root: false,
            parents: 0,
            segments: segment,
            length: 4,
        }
    }

    /// Whether a byte can begin a name string that is not null.
    #[must_use]
    pub fn begins(byte: u8) -> bool {
        matches!(byte, b'A'..=b'Z' | b'_' | b'\\' | b'^' | 0x2e | 0x2f)
    }

    /// Segments in order.
    pub fn segments(self) -> impl DoubleEndedIterator<Item = NameSeg> + 'a {
        let pieces = self.segments.chunks_exact(4);
        pieces.map(|piece| NameSeg(piece.try_into().unwrap_or_default()))
    }

    /// Whether every segment is a legal name.
    #[must_use]
    pub fn is_legal(self) -> bool {
        self.segments().all(NameSeg::is_legal)
    }

    /// Whether it is the null name, a single zero.
    #[must_use]
    pub fn is_null(self) -> bool {
        !self.root && self.parents == 0 && self.segments.is_empty()
    }

    /// See [`NamePath::searches_upwards`].
    #[must_use]
    pub fn searches_upwards(self) -> bool {
        !self.root && self.parents == 0 && self.segments.len() == 4
    }

    /// The name as a value of its own.
    #[must_use]
    pub fn to_path(self) -> NamePath {
        NamePath {
            root: self.root,
            parents: self.parents,
            segments: self.segments().collect(),
        }
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
    fn spelling_of_a_path_is_read_back() {
        for text in ["\\", "\\_SB.PCI0.EC", "^^GFX0", "_HID", ""] {
            assert_eq!(text.parse::<NamePath>().unwrap().to_string(), text);
        }
        assert_eq!("\\_sb.ec".parse::<NamePath>().unwrap().to_string(), "\\_SB.EC");
        for text in ["\\_SB.", "TOOLONG", "\\^A", "A..B", "0A", "\u{e9}"] {
            assert!(text.parse::<NamePath>().is_err(), "{text}");
        }
    }

    #[test]
    fn digits_may_not_begin_a_name() {
        assert!(NameSeg(*b"_T_0").is_legal() && !NameSeg(*b"0ABC").is_legal() && !NameSeg(*b"abcd").is_legal());
    }

    #[test]
    fn name_strings_are_decoded_with_prefix_and_count() {
        let shown = |bytes: &[u8]| NameRef::decode(bytes).map(|name| (name.to_path().to_string(), name.length));
        assert_eq!(shown(b"_HIDrest"), Some(("_HID".to_owned(), 4)));
        assert_eq!(shown(b"\\\0"), Some(("\\".to_owned(), 2)));
        assert_eq!(shown(b"^^.AB__CD__"), Some(("^^AB.CD".to_owned(), 11)));
        assert_eq!(shown(b"\\/\x03_SB_PCI0EC__"), Some(("\\_SB.PCI0.EC".to_owned(), 15)));
        assert_eq!(shown(b"\0"), Some((String::new(), 1)));
    }

    #[test]
    fn name_cut_short_or_none_at_all_is_not_decoded() {
        for bytes in [&b""[..], b"ABC", b"\\", b"^", b".ABCDEFG", b"/", b"/\x02ABCD", b"1ABC"] {
            assert!(NameRef::decode(bytes).is_none(), "{bytes:?}");
        }
    }
}
