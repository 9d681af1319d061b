//! What an initrd consists of.

use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;

use crate::codec::Codec;
use crate::damage::Damage;

/// What a segment is.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Kind {
    /// An uncompressed cpio archive (newc or crc).
    Cpio,
    /// Compressed cpio archives.
    Compressed {
        /// How.
        codec: Codec,
    },
    /// Zeros between segments.
    Zeros,
    /// Boot configuration, which Linux takes off before it reads the rest
    /// (`Documentation/admin-guide/bootconfig.rst`).
    Bootconfig,
    /// Anything else, to the end of the initrd: Linux stops here.
    Unknown {
        /// What it looks like.
        #[serde(skip_serializing_if = "Option::is_none")]
        name: Option<&'static str>,
    },
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cpio => "cpio",
            Self::Compressed { codec } => codec.name(),
            Self::Zeros => "zeros",
            Self::Bootconfig => "bootconfig",
            Self::Unknown { name } => name.unwrap_or("unknown data"),
        })
    }
}

/// A piece of an initrd.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Segment {
    /// Number from 1 among the archives, compressed or not, as `3cpio --parts` counts; 0 for what
    /// is none.
    pub number: u32,
    /// What it is.
    #[serde(flatten)]
    pub kind: Kind,
    /// Where in the initrd it begins.
    pub offset: u64,
    /// Its bytes there. 0 until its end is reached.
    pub size: u64,
    /// Its bytes when unpacked. 0 until its end is reached.
    pub unpacked: u64,
    /// Archives in it: in a compressed segment several may follow each other.
    pub archives: u32,
    /// Members of them, without the `TRAILER!!!`.
    pub members: u64,
    /// The lookup of early microcode in Linux and Xen sees it: it is not compressed, nor is
    /// anything before it.
    pub early: bool,
}

impl Segment {
    pub(super) fn new(number: u32, kind: Kind, offset: u64, early: bool) -> Self {
        Self {
            number,
            kind,
            offset,
            size: 0,
            unpacked: 0,
            archives: 0,
            members: 0,
            early,
        }
    }

    /// Its codec, when compressed.
    #[must_use]
    pub fn codec(&self) -> Option<Codec> {
        match self.kind {
            Kind::Compressed { codec } => Some(codec),
            _ => None,
        }
    }

    /// It holds members: an archive, compressed or not.
    #[must_use]
    pub fn is_archive(&self) -> bool {
        matches!(self.kind, Kind::Cpio | Kind::Compressed { .. })
    }
}

/// Damage, and the bytes its offset counts in.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Broken {
    /// The bytes: those of the initrd, or what a compressed segment unpacks to.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub source: String,
    /// The rule, the place, what was expected and what is there.
    #[serde(flatten)]
    pub damage: Damage,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.source.is_empty() {
            self.damage.fmt(f)
        } else {
            write!(f, "{} {}", self.source, self.damage)
        }
    }
}

/// What was found on the way.
#[derive(Clone, Debug, Default, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Summary {
    /// Bytes of the initrd.
    pub length: u64,
    /// Segments in order, as far as read.
    pub segments: Vec<Segment>,
    /// What is broken, the first of each place.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub damage: Vec<Broken>,
    /// Damage that is not in the list for being too much.
    #[serde(skip_serializing_if = "is_zero")]
    pub more_damage: u64,
    /// The visitor had enough before the end.
    pub stopped: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_zero(value: &u64) -> bool {
    *value == 0
}

/// Damage that is kept; a hostile file breaks a rule with every member.
const DAMAGE_MAX: usize = 256;

impl Summary {
    pub(super) fn report(&mut self, segment: &Segment, damage: Damage) {
        if self.damage.len() >= DAMAGE_MAX {
            self.more_damage = self.more_damage.saturating_add(1);
            return;
        }
        let source = match &segment.kind {
            Kind::Compressed { codec } => {
                let (number, at) = (segment.number, segment.offset);
                format!("segment {number} ({codec} from {at:#x}) unpacked:")
            }
            _ => String::new(),
        };
        self.damage.push(Broken { source, damage });
    }
}

/// What data that is no archive looks like: `head` is its first bytes.
pub(super) fn named(head: &[u8]) -> Option<&'static str> {
    let magics: [(usize, &[u8], &str); 11] = [
        (0, b"070707", "old portable cpio (Linux wants newc)"),
        (0, &[0xc7, 0x71], "old binary cpio (Linux wants newc)"),
        (0, &[0x71, 0xc7], "old binary cpio (Linux wants newc)"),
        (0, b"hsqs", "squashfs"),
        (0, b"-rom1fs-", "romfs"),
        (0, &[0x45, 0x3d, 0xcd, 0x28], "cramfs"),
        (0, &[0x7f, b'E', b'L', b'F'], "ELF"),
        (0, b"MZ", "PE"),
        (0, &[0x27, 0x05, 0x19, 0x56], "U-Boot image"),
        (0, &[0xd0, 0x0d, 0xfe, 0xed], "device tree"),
        (0x438, &[0x53, 0xef], "ext2"),
    ];
    magics.iter().find_map(|(at, magic, name)| {
        let begins = head.get(*at..).is_some_and(|bytes| bytes.starts_with(magic));
        begins.then_some(*name)
    })
}
