//! Groups and tags of a state file.
//!
//! The file begins with magic, version and number of groups; a group is a name of 64 bytes, offset and
//! length. A tag is a byte with the size of its value (bits 0 to 5) and the number of its indices (6 and
//! 7), the length of its name, the name, and the indices of 32 bits. Size 63 is a block, 62 a packed
//! block: its length in the file and in memory (32 bits each when the last digit of the magic is 0, else
//! 64), the length of padding, padding, bytes. A tag of two zero bytes ends the group.

use super::super::fields::{Fields, Found};
use crate::damage::Damage;
use crate::memory::Source;

/// Magic numbers: 32-bit files, 64-bit ones, partial and restored ones.
const MAGICS: [u32; 7] = [
    0xbed0_bed0,
    0xbed2_bed0,
    0xbed1_bed1,
    0xbad1_bad1,
    0xbed2_bed2,
    0xbad2_bad2,
    0xbed3_bed3,
];

/// Blocks whose bytes are read: registers and names, not memory.
const SMALL: u64 = 0x1000;

/// The magic number at the beginning of a state file.
pub(super) fn magic(head: &[u8]) -> Option<u32> {
    let magic = Fields(head).u32(0)?;
    MAGICS.contains(&magic).then_some(magic)
}

/// A tag.
pub(super) struct Tag<'a> {
    /// Name.
    pub name: &'a [u8],
    /// Up to three indices.
    pub indices: Vec<u32>,
    /// Value.
    pub data: Data<'a>,
}

/// Value of a tag.
pub(super) enum Data<'a> {
    /// A number of up to eight bytes.
    Value(u64),
    /// A block.
    Block {
        /// Where its bytes begin.
        offset: u64,
        /// How many there are.
        length: u64,
        /// Whether they are packed.
        packed: bool,
        /// The bytes, when they are few.
        bytes: &'a [u8],
    },
}

/// A state file.
pub(super) struct State<'a> {
    source: &'a Source,
    /// Magic number.
    pub magic: u32,
    groups: Vec<(Vec<u8>, u64)>,
}

impl<'a> State<'a> {
    /// Reads the list of groups.
    ///
    /// # Errors
    /// When there is none.
    pub(super) fn read(source: &'a Source) -> Result<Self, Damage> {
        let head = source.bytes(0, 12);
        let missing = || {
            Damage::file(
                "vmware-header",
                0,
                "magic, version and number of groups",
                "the end of the file",
            )
        };
        let magic = magic(&head).ok_or_else(missing)?;
        let count = Fields(&head).u32(8).ok_or_else(missing)?;
        // A real file has about a hundred.
        let table = source.bytes(12, usize::try_from(count.min(4096)).unwrap_or(0).saturating_mul(80));
        let group = |entry: &[u8]| {
            let name = entry.get(..64)?.split(|byte| *byte == 0).next()?;
            Some((name.to_vec(), Fields(entry).u64(64)?))
        };
        let groups: Vec<_> = table.chunks_exact(80).filter_map(group).collect();
        if groups.is_empty() {
            return Err(Damage::file("vmware-groups", 12, format!("{count} groups"), "none"));
        }
        Ok(Self { source, magic, groups })
    }

    /// Calls `take` with each tag of the first group of that name.
    pub(super) fn each(&self, group: &str, found: &mut Found, mut take: impl FnMut(&Tag<'_>)) {
        let Some((_, offset)) = self.groups.iter().find(|(name, _)| name == group.as_bytes()) else {
            return;
        };
        let wide = self.magic & 0xf != 0;
        let mut window = Window::new(self.source);
        let mut at = *offset;
        loop {
            match window.tag(at, wide, &mut take) {
                Step::Next(next) if next > at => at = next,
                Step::End => return,
                _ => {
                    let expected = format!("a tag of the group {group}");
                    found.push(Damage::file("vmware-tag", at, expected, "the end of the file"));
                    return;
                }
            }
        }
    }
}

/// What comes behind a tag.
enum Step {
    Next(u64),
    End,
    Broken,
}

/// Part of the file that was read at once.
struct Window<'a> {
    source: &'a Source,
    start: u64,
    bytes: Vec<u8>,
}

impl<'a> Window<'a> {
    /// More than a tag without a block, or with a small one, has.
    const REACH: usize = 0x2000;
    const SIZE: usize = 0x1_0000;

    fn new(source: &'a Source) -> Self {
        Self {
            source,
            start: 0,
            bytes: Vec::new(),
        }
    }

    /// Bytes from `at` on: [`Self::REACH`] of them, or to the end of the file.
    fn from(&mut self, at: u64) -> &[u8] {
        let inside = |window: &Self| {
            let offset = usize::try_from(at.checked_sub(window.start)?).ok()?;
            (offset.checked_add(Self::REACH)? <= window.bytes.len()).then_some(offset)
        };
        let offset = inside(self).unwrap_or_else(|| {
            self.start = at;
            self.bytes = self.source.bytes(at, Self::SIZE);
            0
        });
        self.bytes.get(offset..).unwrap_or_default()
    }

    fn tag(&mut self, at: u64, wide: bool, take: &mut impl FnMut(&Tag<'_>)) -> Step {
        let end = self.source.len();
        parse(self.from(at), at, wide, end, take).unwrap_or(Step::Broken)
    }
}

fn parse(bytes: &[u8], at: u64, wide: bool, end: u64, take: &mut impl FnMut(&Tag<'_>)) -> Option<Step> {
    let fields = Fields(bytes);
    let [flags, name_length]: [u8; 2] = fields.array(0)?;
    if flags == 0 && name_length == 0 {
        return Some(Step::End);
    }
    let mut next = 2usize.checked_add(usize::from(name_length))?;
    let name = bytes.get(2..next)?;
    let mut indices = Vec::new();
    for _ in 0..(flags >> 6) {
        indices.push(fields.u32(next)?);
        next = next.checked_add(4)?;
    }
    let size = flags & 0x3f;
    let (data, behind) = if size >= 62 {
        let step = if wide { 8 } else { 4 };
        let length = fields.word(next, wide)?;
        next = next.checked_add(step)?.checked_add(step)?;
        let padding = fields.u16(next)?;
        let start = next.checked_add(2)?.checked_add(usize::from(padding))?;
        let offset = at.checked_add(u64::try_from(start).ok()?)?;
        let few = usize::try_from(length.min(SMALL)).ok()?;
        let block = Data::Block {
            offset,
            length,
            packed: size == 62,
            bytes: start
                .checked_add(few)
                .and_then(|end| bytes.get(start..end))
                .unwrap_or_default(),
        };
        (block, offset.checked_add(length)?)
    } else {
        let stop = next.checked_add(usize::from(size))?;
        let value = bytes.get(next..stop)?;
        let number = value
            .iter()
            .take(8)
            .rev()
            .fold(0u64, |number, byte| (number << 8) | u64::from(*byte));
        (Data::Value(number), at.checked_add(u64::try_from(stop).ok()?)?)
    };
    take(&Tag { name, indices, data });
    // A block that reaches behind the end of the file is the last one.
    Some(if behind > end { Step::Broken } else { Step::Next(behind) })
}
