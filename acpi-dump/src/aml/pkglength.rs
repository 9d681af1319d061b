//! The variable-length number in front of packages and field units. ACPI 6.5, section 20.2.4.

/// A decoded PkgLength.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PkgLength {
    /// The number; for a package it counts the bytes of the number too.
    pub value: usize,
    /// Bytes of the number itself, 1 to 4.
    pub bytes: usize,
    /// Bits 4 and 5 of the first byte are set though more bytes follow: reserved, must be zero.
    pub reserved: bool,
}

/// Decode the number at `at`; `None` when the bytes end before it does.
pub(crate) fn decode(bytes: &[u8], at: usize) -> Option<PkgLength> {
    let lead = *bytes.get(at)?;
    let more = usize::from(lead >> 6);
    if more == 0 {
        return Some(PkgLength {
            value: usize::from(lead & 0x3f),
            bytes: 1,
            reserved: false,
        });
    }
    let first = at.checked_add(1)?;
    let rest = bytes.get(first..first.checked_add(more)?)?;
    let high = rest.iter().rev().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
    Some(PkgLength {
        value: high << 4 | usize::from(lead & 0x0f),
        bytes: more.saturating_add(1),
        reserved: lead & 0x30 != 0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(bytes: &[u8]) -> Option<(usize, usize)> {
        decode(bytes, 0).map(|length| (length.value, length.bytes))
    }

    #[test]
    fn one_byte_holds_six_bits_and_longer_ones_four_in_the_first() {
        assert_eq!(value(&[0x3f]), Some((63, 1)));
        assert_eq!(value(&[0x41, 0x08]), Some((0x81, 2)));
        assert_eq!(value(&[0x8c, 0x34, 0x12]), Some((0x1_234c, 3)));
        assert_eq!(value(&[0xcf, 0xff, 0xff, 0xff]), Some((0x0fff_ffff, 4)));
    }

    #[test]
    fn number_cut_short_is_none() {
        assert_eq!((value(&[]), value(&[0x40]), value(&[0xc0, 1, 2])), (None, None, None));
    }

    #[test]
    fn reserved_bits_are_reported_and_not_counted() {
        let length = decode(&[0x71, 0x01], 0).unwrap();
        assert_eq!((length.value, length.reserved), (0x11, true));
    }
}
