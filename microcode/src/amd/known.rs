//! Equivalence ids of CPUs before Zen, for a table made from single patches.

use super::EquivalentId;
use crate::ids::Signature;

/// CPU signature and its equivalence id, from the tables of the containers that AMD publishes
/// (`microcode_amd.bin` and `microcode_amd_fam15h.bin`, `_fam16h.bin`, in linux-firmware) and of
/// those rebuilt from patches of firmware images. Family 10h is why they cannot be computed: several
/// steppings there have one id. Families 0Fh (no container) and Hygon's 18h are not in it.
const ROWS: &[(u32, u16)] = &[
    (0x0010_0f22, 0x1022),
    (0x0010_0f23, 0x1022),
    (0x0010_0f2a, 0x1020),
    (0x0010_0f42, 0x1041),
    (0x0010_0f43, 0x1043),
    (0x0010_0f52, 0x1041),
    (0x0010_0f53, 0x1043),
    (0x0010_0f62, 0x1062),
    (0x0010_0f63, 0x1043),
    (0x0010_0f80, 0x1080),
    (0x0010_0f81, 0x1081),
    (0x0010_0f91, 0x1081),
    (0x0010_0fa0, 0x10a0),
    (0x0020_0f31, 0x2031),
    (0x0030_0f10, 0x3010),
    (0x0050_0f10, 0x5010),
    (0x0050_0f20, 0x5020),
    (0x0060_0f00, 0x6000),
    (0x0060_0f01, 0x6001),
    (0x0060_0f10, 0x6010),
    (0x0060_0f11, 0x6011),
    (0x0060_0f12, 0x6012),
    (0x0060_0f20, 0x6020),
    (0x0061_0f00, 0x6100),
    (0x0061_0f01, 0x6101),
    (0x0063_0f00, 0x6300),
    (0x0063_0f01, 0x6301),
    (0x0066_0f00, 0x6600),
    (0x0066_0f01, 0x6601),
    (0x0067_0f00, 0x6700),
    (0x0068_0f00, 0x6800),
    (0x0068_0f01, 0x6801),
    (0x0068_0f10, 0x6810),
    (0x0069_0f00, 0x6900),
    (0x0070_0f00, 0x7000),
    (0x0070_0f01, 0x7001),
    (0x0073_0f00, 0x7300),
    (0x0073_0f01, 0x7301),
];

/// Signatures of the CPUs before Zen that have this id.
pub(super) fn signatures(id: EquivalentId) -> impl Iterator<Item = Signature> {
    ROWS.iter().filter(move |row| row.1 == id.0).map(|row| Signature(row.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_signature_has_one_id_of_its_family() {
        assert!(ROWS.is_sorted_by(|a, b| a.0 < b.0));
        for (signature, id) in ROWS {
            let (family, _, _) = Signature(*signature).family_model_stepping();
            assert_eq!(family, EquivalentId(*id).family(), "{signature:#x}");
        }
    }
}
