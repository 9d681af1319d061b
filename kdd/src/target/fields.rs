//! Little-endian fields of a structure at fixed offsets, and a list of damage that does not grow with it.

use crate::damage::Damage;

/// Bytes of a structure. A field that does not lie in them whole is `None`.
#[derive(Clone, Copy)]
pub(crate) struct Fields<'a>(pub &'a [u8]);

impl<'a> Fields<'a> {
    /// `N` bytes at `offset`.
    pub(crate) fn array<const N: usize>(self, offset: usize) -> Option<[u8; N]> {
        let end = offset.checked_add(N)?;
        self.0.get(offset..end)?.try_into().ok()
    }

    /// A 16-bit field.
    pub(crate) fn u16(self, offset: usize) -> Option<u16> {
        self.array(offset).map(u16::from_le_bytes)
    }

    /// A 32-bit field.
    pub(crate) fn u32(self, offset: usize) -> Option<u32> {
        self.array(offset).map(u32::from_le_bytes)
    }

    /// A 64-bit field.
    pub(crate) fn u64(self, offset: usize) -> Option<u64> {
        self.array(offset).map(u64::from_le_bytes)
    }

    /// A field of 4 or 8 bytes.
    pub(crate) fn word(self, offset: usize, wide: bool) -> Option<u64> {
        if wide {
            self.u64(offset)
        } else {
            self.u32(offset).map(u64::from)
        }
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
