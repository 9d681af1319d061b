//! Little-endian fields of structures by offset; none where the structure is too short.

/// `N` bytes at an offset.
pub(crate) fn array<const N: usize>(bytes: &[u8], offset: usize) -> Option<[u8; N]> {
    bytes.get(offset..)?.first_chunk().copied()
}

/// `length` bytes at an offset.
pub(crate) fn slice(bytes: &[u8], offset: usize, length: usize) -> Option<&[u8]> {
    bytes.get(offset..)?.get(..length)
}

/// A field of two bytes.
pub(crate) fn u16_at(bytes: &[u8], offset: usize) -> Option<u16> {
    array(bytes, offset).map(u16::from_le_bytes)
}

/// A field of four bytes.
pub(crate) fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    array(bytes, offset).map(u32::from_le_bytes)
}

/// A field of eight bytes.
pub(crate) fn u64_at(bytes: &[u8], offset: usize) -> Option<u64> {
    array(bytes, offset).map(u64::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_that_ends_behind_the_structure_is_none() {
        let bytes = [1, 2, 3, 4, 5, 6, 7, 8, 9];
        assert_eq!(u16_at(&bytes, 7), Some(0x0908));
        assert_eq!(u16_at(&bytes, 8), None);
        assert_eq!(u32_at(&bytes, 1), Some(0x0504_0302));
        assert_eq!(u64_at(&bytes, 1), Some(0x0908_0706_0504_0302));
        assert_eq!(u64_at(&bytes, 2), None);
        assert_eq!(slice(&bytes, 8, 1), Some(&[9][..]));
        assert_eq!(slice(&bytes, 9, 0), Some(&[][..]));
        for (offset, length) in [(8, 2), (10, 0), (usize::MAX, 1), (1, usize::MAX)] {
            assert_eq!(slice(&bytes, offset, length), None);
        }
        assert_eq!(array::<1>(&bytes, usize::MAX), None);
    }
}
