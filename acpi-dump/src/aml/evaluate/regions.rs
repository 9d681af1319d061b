//! What is behind operation regions, where the caller knows it: an image of memory, the
//! configuration space of a PCI device.

/// A field that a method reads.
#[derive(Clone, Copy, Debug)]
pub struct RegionRead<'a> {
    /// Path of the field.
    pub path: &'a str,
    /// Path of its region.
    pub region: &'a str,
    /// Address space of the region.
    pub space: u8,
    /// First address of the region in that space.
    pub base: u64,
    /// First bit of the field in the region.
    pub offset: u64,
    /// Length of the field in bits.
    pub bits: u64,
}

/// Contents of regions.
pub trait Regions {
    /// The number in a field of at most 64 bits; `None` when it is not known.
    fn read(&self, read: &RegionRead<'_>) -> Option<u64>;
}

/// Pieces of physical memory.
#[derive(Clone, Debug, Default)]
pub struct MemoryImage {
    pieces: Vec<(u64, Vec<u8>)>,
}

impl MemoryImage {
    /// Add the bytes at an address.
    pub fn add(&mut self, address: u64, bytes: Vec<u8>) {
        self.pieces.push((address, bytes));
    }

    fn byte(&self, address: u64) -> Option<u8> {
        self.pieces.iter().find_map(|(start, bytes)| {
            let at = usize::try_from(address.checked_sub(*start)?).ok()?;
            bytes.get(at).copied()
        })
    }
}

impl Regions for MemoryImage {
    fn read(&self, read: &RegionRead<'_>) -> Option<u64> {
        if read.space != 0 || !(1..=64).contains(&read.bits) {
            return None;
        }
        let first = read.base.checked_add(read.offset / 8)?;
        let shift = read.offset % 8;
        let count = shift.checked_add(read.bits)?.div_ceil(8);
        let mut number: u128 = 0;
        for at in 0..count {
            let byte = self.byte(first.checked_add(at)?)?;
            number |= u128::from(byte) << at.saturating_mul(8);
        }
        let mask = (1_u128 << read.bits).wrapping_sub(1);
        u64::try_from(number >> shift & mask).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn field_of_memory_is_read_only_where_all_its_bytes_are_known() {
        let mut image = MemoryImage::default();
        image.add(0x1000, vec![0x12, 0x34, 0x56]);
        let read = |offset, bits| {
            let read = RegionRead {
                path: "\\F",
                region: "\\R",
                space: 0,
                base: 0x1000,
                offset,
                bits,
            };
            image.read(&read)
        };
        assert_eq!(read(4, 8), Some(0x41));
        assert_eq!(read(0, 24), Some(0x56_3412));
        assert_eq!((read(16, 9), read(0, 0), read(0, 65)), (None, None, None));
    }
}
