//! What differs from family to family: the sizes of patches, the largest ones that two loaders
//! take, and the CPU signature that Zen's patch ids hold.

use crate::ids::{Revision, Signature};

/// Largest patch that Linux 6.12 takes on a CPU of this family (`__verify_patch_size`); `None` for
/// no limit. It takes none at all, which is a limit of 0, on families it does not know: below 10h,
/// and 13h. The limit is that of the CPU, whatever family a patch in the container is for.
#[must_use]
pub fn linux_max_size(family: u16) -> Option<usize> {
    match family {
        0x10..=0x12 => Some(2048),
        0x14 => Some(1824),
        0x15.. => None,
        _ => Some(0),
    }
}

/// Largest patch that Xen 4.20 takes on a CPU of this family (`verify_patch_size`).
#[must_use]
pub fn xen_max_size(family: u16) -> usize {
    match family {
        0x14 => 1824,
        0x15 => 4096,
        0x16 => 3458,
        0x17 => 3200,
        0x19 => 5568,
        0x1a => 15296,
        _ => 2048,
    }
}

/// Sizes of the patches that have been published for a family, header included, largest first: a
/// patch has no field that says how long it is. Family 16h has 34 bytes more in AMD's container
/// than in firmware images. None known: an empty list.
#[must_use]
pub fn published_sizes(family: u16) -> &'static [usize] {
    match family {
        0x0f => &[960, 512],
        0x10 | 0x12 => &[960],
        0x11 => &[512],
        0x14 => &[1568, 1383],
        0x15 => &[2592, 2432],
        0x16 => &[3458, 3424],
        0x17 => &[3456, 3200],
        0x19 => &[5568],
        0x1a => &[14368],
        _ => &[],
    }
}

/// Whether the patch id of a family's patches holds the CPU signature: 17h and later. Not Hygon's
/// 18h, of which no patch has been published.
#[must_use]
pub fn has_signature_in_revision(family: u16) -> bool {
    family >= 0x17 && family != HYGON
}

/// The family that Hygon makes; all others are AMD's.
pub const HYGON: u16 = 0x18;

/// CPU signature in a patch id of Zen and later: extended family in bits 31 to 24, extended model
/// in 23 to 20, model in 15 to 12, stepping in 11 to 8; the revision proper is in bits 7 to 0.
#[must_use]
pub fn zen_signature(revision: Revision) -> Signature {
    let [_, model_stepping, ext_model, ext_family] = revision.0.to_le_bytes();
    // CPUID: extended family from bit 20, extended model from bit 16, base family 15 from bit 8.
    let high = u32::from(ext_family) << 20 | u32::from(ext_model >> 4) << 16;
    Signature(high | 0xf00 | u32::from(model_stepping))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patch_id_of_zen_holds_the_signature() {
        assert_eq!(zen_signature(Revision(0x0a20_1030)), Signature(0x00a2_0f10));
        assert_eq!(zen_signature(Revision(0x0b40_4108)), Signature(0x00b4_0f41));
        // Bits 19 to 16 are not part of it.
        assert_eq!(zen_signature(Revision(0x0a2f_1030)), Signature(0x00a2_0f10));
    }

    #[test]
    fn limits_are_those_of_the_loaders() {
        let linux = [0x0f, 0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x1a].map(linux_max_size);
        let some = Some(2048);
        assert_eq!(linux, [Some(0), some, some, some, Some(0), Some(1824), None, None]);
        let xen = [0x10, 0x14, 0x15, 0x16, 0x17, 0x18, 0x19, 0x1a].map(xen_max_size);
        assert_eq!(xen, [2048, 1824, 4096, 3458, 3200, 2048, 5568, 15296]);
    }
}
