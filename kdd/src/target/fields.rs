//! Fields of a structure by offset, none where the structure is too short; and a list
//! of damage that does not grow with it.

use crate::damage::Damage;
use crate::fields;

/// Bytes of a structure.
#[derive(Clone, Copy)]
pub(crate) struct Fields<'a>(pub(crate) &'a [u8]);

impl<'a> Fields<'a> {
    /// `N` bytes at an offset.
    pub(crate) fn array<const N: usize>(self, at: usize) -> Option<[u8; N]> {
        fields::array(self.0, at)
    }

    /// `length` bytes at an offset.
    pub(crate) fn slice(self, at: usize, length: usize) -> Option<&'a [u8]> {
        fields::slice(self.0, at, length)
    }

    pub(crate) fn u16(self, at: usize) -> Option<u16> {
        fields::u16_at(self.0, at)
    }

    pub(crate) fn u32(self, at: usize) -> Option<u32> {
        fields::u32_at(self.0, at)
    }

    pub(crate) fn u64(self, at: usize) -> Option<u64> {
        fields::u64_at(self.0, at)
    }

    /// A word of 4 or 8 bytes.
    pub(crate) fn word(self, at: usize, wide: bool) -> Option<u64> {
        if wide {
            self.u64(at)
        } else {
            self.u32(at).map(u64::from)
        }
    }

    /// Text up to the first NUL in a field of `length` bytes.
    pub(crate) fn text(self, at: usize, length: usize) -> String {
        let field = self.slice(at, length).unwrap_or_default();
        let end = field.iter().position(|byte| *byte == 0).unwrap_or(field.len());
        String::from_utf8_lossy(field.get(..end).unwrap_or_default()).into_owned()
    }

    /// `N` 64-bit fields.
    pub(crate) fn u64s<const N: usize>(self, offset: usize) -> Option<[u64; N]> {
        let mut values = [0; N];
        for (index, value) in values.iter_mut().enumerate() {
            *value = self.u64(offset.checked_add(index.checked_mul(8)?)?)?;
        }
        Some(values)
    }

    /// An FXSAVE image.
    pub(crate) fn fxsave(self, offset: usize) -> Option<Box<[u8; 512]>> {
        self.array(offset).map(Box::new)
    }

    /// The structure at `offset`.
    pub(crate) fn at(self, offset: usize) -> Self {
        Self(self.0.get(offset..).unwrap_or_default())
    }
}

/// A length as it indexes memory; more than the machine can address is as much as it can.
pub(crate) fn size(length: u64) -> usize {
    usize::try_from(length).unwrap_or(usize::MAX)
}

/// A size in memory as a number of the file.
pub(crate) fn wide(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

/// The name in a domain's XML of libvirt: the text of its first `name` element.
pub(crate) fn xml_name(xml: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(xml);
    let (_, rest) = text.split_once("<name>")?;
    let (name, _) = rest.split_once("</name>")?;
    Some(name.to_owned())
}

/// Damage, the first of it in full: a file can break one rule a million times.
#[derive(Default)]
pub(crate) struct Found {
    list: Vec<Damage>,
    more: u64,
}

impl Found {
    const LIMIT: usize = 100;

    /// Takes note of damage.
    pub(crate) fn push(&mut self, damage: Damage) {
        if self.list.len() < Self::LIMIT {
            self.list.push(damage);
        } else {
            self.more = self.more.saturating_add(1);
        }
    }

    /// The list; what was left out stands as one line at its end.
    pub(crate) fn finish(mut self) -> Vec<Damage> {
        if let (1.., Some(last)) = (self.more, self.list.last()) {
            let line = Damage {
                expected: "no more damage".to_owned(),
                seen: format!("{} more places", self.more),
                ..last.clone()
            };
            self.list.push(line);
        }
        self.list
    }
}
