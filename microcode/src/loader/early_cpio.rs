//! How Linux and Xen find a file in the uncompressed front of an initrd: `find_cpio_data()` of
//! Linux 6.12.107 lib/earlycpio.c, which is step for step that of Xen 4.20.3 xen/common/earlycpio.c.
//!
//! It is not a cpio reader. It begins at byte 0 and steps from header to header: a place whose first
//! byte is zero is passed over four bytes at a time, whatever the other three are; `TRAILER!!!` is a
//! member like any other; the name is compared from its first byte and only as far as the path that
//! is looked for goes; only regular files count; the first hit ends the search, and so does the
//! first place that is neither zero nor a header, such as the compressed part of the initrd.

use std::fmt;
use std::ops::Range;

use schemars::JsonSchema;
use serde::Serialize;

/// Length of a header.
const HEADER: usize = 110;
/// Fields of 8 hexadecimal digits behind the magic.
const FIELDS: usize = 13;
/// Names longer than this are shown cut.
const NAME_SHOWN: usize = 256;

/// Why a member is not the one that is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mismatch {
    /// Another name.
    Name,
    /// The name is the path with something before it, such as `./` or `/`.
    Prefixed,
    /// The name would be the path if upper and lower case were one.
    Case,
    /// The name is right, but it is no regular file.
    NotRegular,
    /// The name is right, but a member before it was taken.
    NotFirst,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Name => "another name",
            Self::Prefixed => "the name does not begin with the path",
            Self::Case => "upper and lower case differ",
            Self::NotRegular => "no regular file",
            Self::NotFirst => "a member before it was taken",
        })
    }
}

/// A member that the search passed or took.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Member {
    /// Offset of its header.
    pub offset: usize,
    /// Name up to its first NUL.
    pub name: String,
    /// Mode and file type.
    pub mode: u32,
    /// Its data.
    pub data: Range<usize>,
    /// Why it was not taken; `None` for the one that was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mismatch: Option<Mismatch>,
}

/// Why the search ended.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Why {
    /// It found the file.
    Found,
    /// No more than a header's length of bytes is left.
    End {
        /// How many.
        left: usize,
    },
    /// A byte of the header is no hexadecimal digit; mostly the compressed part begins here.
    NotHexadecimal {
        /// Offset of that byte.
        at: usize,
        /// The byte.
        byte: u8,
    },
    /// Hexadecimal digits, but not the magic 070701 or 070702.
    Magic {
        /// The six digits as a number.
        seen: u32,
    },
    /// Name and data with their padding reach behind the end of the initrd.
    Overrun {
        /// Where the next header would be.
        next: usize,
        /// Length of the initrd.
        length: usize,
    },
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Found => f.write_str("found"),
            Self::End { left } => write!(f, "{left} bytes left, no more than a header"),
            Self::NotHexadecimal { at, byte } => write!(f, "byte {byte:#04x} at {at:#x} is no part of a cpio header"),
            Self::Magic { seen } => write!(f, "magic {seen:06x} is neither 070701 nor 070702"),
            Self::Overrun { next, length } => {
                write!(f, "member with padding ends at {next:#x}, the initrd at {length:#x}")
            }
        }
    }
}

/// What a search came to.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Search {
    /// Data of the file, when it was found; may be empty, and then the loaders take it for absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub found: Option<Range<usize>>,
    /// Offset at which it ended: the header of the file, or the place that stopped it.
    pub end: usize,
    /// Why it ended.
    pub why: Why,
    /// Members in order up to the end, the one found last.
    pub members: Vec<Member>,
}

impl Search {
    /// Members that somebody may have meant for the file, and that are not taken for it.
    pub fn near_misses(&self) -> impl Iterator<Item = &Member> {
        let meant = |member: &&Member| !matches!(member.mismatch, None | Some(Mismatch::Name));
        self.members.iter().filter(meant)
    }
}

/// Look for `path` in an initrd, of which the part up to the compressed data is enough when at
/// least 111 bytes of that follow.
#[must_use]
pub fn find(initrd: &[u8], path: &str) -> Search {
    search(initrd, path, false)
}

/// The same, but members behind the one found are listed too, until something stops the search
/// that would have stopped it had the file not been there.
#[must_use]
pub fn find_and_go_on(initrd: &[u8], path: &str) -> Search {
    search(initrd, path, true)
}

fn search(initrd: &[u8], path: &str, go_on: bool) -> Search {
    let mut found = None;
    let mut members = Vec::new();
    let mut at: usize = 0;
    let mut stop = None;
    let (end, why) = loop {
        let left = initrd.len().saturating_sub(at);
        if left <= HEADER {
            break (at, Why::End { left });
        }
        if initrd.get(at) == Some(&0) {
            at = at.saturating_add(4);
            continue;
        }
        let header = match header(initrd, at) {
            Ok(header) => header,
            Err(why) => break (at, why),
        };
        let mut mismatch = header.mismatch(initrd, path);
        if mismatch.is_none() && found.is_some() {
            mismatch = Some(Mismatch::NotFirst);
        }
        let taken = mismatch.is_none();
        members.push(header.member(initrd, at, mismatch));
        if taken {
            found = Some(header.data.clone());
            stop = Some(at);
            if !go_on {
                break (at, Why::Found);
            }
        }
        at = header.next;
    };
    match stop {
        Some(end) => Search {
            found,
            end,
            why: Why::Found,
            members,
        },
        None => Search {
            found,
            end,
            why,
            members,
        },
    }
}

struct Header {
    mode: u32,
    name: Range<usize>,
    data: Range<usize>,
    next: usize,
}

fn header(initrd: &[u8], at: usize) -> Result<Header, Why> {
    let mut place = at;
    let magic = digits(initrd, &mut place, 6)?;
    let mut fields = [0u32; FIELDS];
    for field in &mut fields {
        *field = digits(initrd, &mut place, 8)?;
    }
    if !matches!(magic, 0x07_0701 | 0x07_0702) {
        return Err(Why::Magic { seen: magic });
    }
    let [_, mode, _, _, _, _, size, _, _, _, _, name, _] = fields;
    let name = place..place.saturating_add(crate::bytes::size(name));
    let start = padded(name.end);
    let data = start..start.saturating_add(crate::bytes::size(size));
    let next = padded(data.end);
    if next > initrd.len() {
        let length = initrd.len();
        return Err(Why::Overrun { next, length });
    }
    Ok(Header { mode, name, data, next })
}

fn padded(at: usize) -> usize {
    at.checked_next_multiple_of(4).unwrap_or(usize::MAX)
}

fn digits(initrd: &[u8], place: &mut usize, count: usize) -> Result<u32, Why> {
    let mut value: u32 = 0;
    for _ in 0..count {
        let at = *place;
        let byte = initrd.get(at).copied().unwrap_or(0);
        let digit = char::from(byte).to_digit(16).ok_or(Why::NotHexadecimal { at, byte })?;
        value = value.wrapping_shl(4) | digit;
        *place = at.saturating_add(1);
    }
    Ok(value)
}

impl Header {
    fn name<'a>(&self, initrd: &'a [u8]) -> &'a [u8] {
        initrd.get(self.name.clone()).unwrap_or_default()
    }

    fn mismatch(&self, initrd: &[u8], path: &str) -> Option<Mismatch> {
        let name = self.name(initrd);
        let path = path.as_bytes();
        if name.starts_with(path) {
            return (self.mode & 0o170_000 != 0o100_000).then_some(Mismatch::NotRegular);
        }
        let text = name.split(|byte| *byte == 0).next().unwrap_or_default();
        let before = text.len().checked_sub(path.len());
        let tail = before.and_then(|before| Some((text.get(before.checked_sub(1)?)?, text.get(before..)?)));
        Some(match tail {
            Some((b'/', tail)) if tail == path => Mismatch::Prefixed,
            _ if text.eq_ignore_ascii_case(path) => Mismatch::Case,
            _ => Mismatch::Name,
        })
    }

    fn member(&self, initrd: &[u8], offset: usize, mismatch: Option<Mismatch>) -> Member {
        let name = self.name(initrd).split(|byte| *byte == 0).next().unwrap_or_default();
        let shown = name.get(..NAME_SHOWN).unwrap_or(name);
        Member {
            offset,
            name: String::from_utf8_lossy(shown).into_owned(),
            mode: self.mode,
            data: self.data.clone(),
            mismatch,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATH: &str = "kernel/x86/microcode/GenuineIntel.bin";

    /// A member with its padding; `namesize` counts the NUL.
    fn member(name: &str, mode: u32, data: &[u8]) -> Vec<u8> {
        let mut out = format!("070701{:08x}{mode:08x}", 7).into_bytes();
        let fields = [0, 0, 1, 0, data.len(), 0, 0, 0, 0, name.len() + 1, 0];
        out.extend(fields.iter().flat_map(|field| format!("{field:08X}").into_bytes()));
        out.extend(name.bytes().chain([0]));
        out.resize(out.len().next_multiple_of(4), 0);
        out.extend(data);
        out.resize(out.len().next_multiple_of(4), 0);
        out
    }

    fn file(name: &str, data: &[u8]) -> Vec<u8> {
        member(name, 0o100_644, data)
    }

    fn tail() -> Vec<u8> {
        [vec![0x28, 0xb5, 0x2f, 0xfd], vec![9; 200]].concat()
    }

    fn found(parts: &[Vec<u8>]) -> Option<Vec<u8>> {
        let all = parts.concat();
        find(&all, PATH).found.map(|range| all[range].to_vec())
    }

    #[test]
    fn first_regular_file_of_the_name_is_found() {
        let parts = [
            member("kernel", 0o40_755, b""),
            file(PATH, b"one"),
            file(PATH, b"two"),
            tail(),
        ];
        assert_eq!(found(&parts).unwrap(), b"one");
        let all = find_and_go_on(&parts.concat(), PATH);
        assert_eq!(all.members[2].mismatch, Some(Mismatch::NotFirst));
        assert_eq!((all.members.len(), all.why), (3, Why::Found));
    }

    #[test]
    fn name_is_compared_from_its_first_byte() {
        let all = [
            file(&format!("./{PATH}"), b"one"),
            file(&format!("/{PATH}"), b"two"),
            tail(),
        ]
        .concat();
        let search = find(&all, PATH);
        assert_eq!((search.found.clone(), search.near_misses().count()), (None, 2));
        assert_eq!(search.members[0].mismatch, Some(Mismatch::Prefixed));
    }

    #[test]
    fn name_may_go_on_behind_the_path() {
        assert_eq!(found(&[file(&format!("{PATH}.old"), b"one"), tail()]).unwrap(), b"one");
    }

    #[test]
    fn name_without_nul_is_enough() {
        let mut part = file(PATH, b"one!");
        let size = format!("{:08X}", PATH.len());
        part[94..102].copy_from_slice(size.as_bytes());
        // 110 + 37 and 110 + 38 are padded to the same length.
        assert_eq!(found(&[part, tail()]).unwrap(), b"one!");
    }

    #[test]
    fn directory_and_link_of_the_name_are_passed() {
        let parts = [
            member(PATH, 0o40_755, b""),
            member(PATH, 0o120_777, b"x"),
            file(PATH, b"two"),
            tail(),
        ];
        assert_eq!(found(&parts).unwrap(), b"two");
        let search = find(&parts.concat(), PATH);
        assert_eq!(search.near_misses().count(), 2);
    }

    #[test]
    fn next_archive_is_reached_over_trailer_and_zeros() {
        let parts = [
            file("a", b"1"),
            file("TRAILER!!!", b""),
            vec![0; 512],
            file(PATH, b"two"),
            tail(),
        ];
        assert_eq!(found(&parts).unwrap(), b"two");
    }

    #[test]
    fn four_bytes_are_passed_when_the_first_is_zero() {
        assert_eq!(found(&[vec![0, 1, 2, 3], file(PATH, b"two"), tail()]).unwrap(), b"two");
        assert_eq!(found(&[vec![1, 0, 0, 0], file(PATH, b"two"), tail()]), None);
        assert_eq!(found(&[vec![0, 0], file(PATH, b"two"), tail()]), None);
    }

    #[test]
    fn compressed_part_ends_the_search_at_its_offset() {
        let first = file("a", b"1");
        let all = [first.clone(), tail(), file(PATH, b"two")].concat();
        let search = find(&all, PATH);
        assert_eq!((search.found, search.end), (None, first.len()));
        assert_eq!(
            search.why,
            Why::NotHexadecimal {
                at: first.len(),
                byte: 0x28
            }
        );
    }

    #[test]
    fn old_cpio_magic_ends_the_search() {
        let mut part = file(PATH, b"one");
        part[5] = b'7';
        assert_eq!(find(&[part, tail()].concat(), PATH).why, Why::Magic { seen: 0x07_0707 });
        let mut crc = file(PATH, b"one");
        crc[5] = b'2';
        assert!(found(&[crc, tail()]).is_some());
    }

    #[test]
    fn file_whose_padding_is_cut_off_is_not_found() {
        let all = file(PATH, b"12345");
        assert!(find(&all, PATH).found.is_some());
        let search = find(&all[..all.len() - 1], PATH);
        assert_eq!((search.found, search.end), (None, 0));
        assert!(matches!(search.why, Why::Overrun { .. }));
    }

    #[test]
    fn bytes_no_longer_than_a_header_are_not_looked_at() {
        let all = member("", 0o100_644, b"");
        assert_eq!(all.len(), 112);
        assert_eq!(find(&all[..110], PATH).why, Why::End { left: 110 });
        assert_eq!(find(&[], PATH).why, Why::End { left: 0 });
    }

    #[test]
    fn letter_case_is_told() {
        let all = [file("kernel/x86/microcode/genuineintel.bin", b"one"), tail()].concat();
        assert_eq!(find(&all, PATH).members[0].mismatch, Some(Mismatch::Case));
    }

    #[test]
    fn mutations_never_panic() {
        let base = [file("a", b"1"), vec![0; 8], file(PATH, b"two"), tail()].concat();
        for at in 0..base.len() {
            for value in [0, 1, 0x30, 0x46, 0x7f, 0xff] {
                let mut bytes = base.clone();
                bytes[at] = value;
                let search = find_and_go_on(&bytes, PATH);
                assert!(search.found.is_none_or(|range| bytes.get(range).is_some()));
            }
            assert!(find(&base[..at], PATH).end <= base.len());
        }
    }
}
