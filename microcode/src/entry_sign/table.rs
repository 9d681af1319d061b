//! The tables of [`super`]: cut-off revisions and listed patches.
//!
//! Cut-offs: `get_cutoff_revision` of Linux 6.12.107 (its last revision with the old signature);
//! Xen 4.20.3 has the same 34 rows as first revision with the new one. Listed patches: ids from
//! the two lists; every digest is computed from a published patch of that id, and stands here only
//! when it is the one that the lists have.

use crate::ids::Sha256;

/// A listed patch.
pub(super) struct Row {
    /// Patch id.
    pub revision: u32,
    /// Whether it is on Xen's list too; Linux's list has all of them.
    pub xen: bool,
    sha256: &'static str,
}

impl Row {
    /// The digest; `None` where no patch of this id was at hand.
    pub fn sha256(&self) -> Option<Sha256> {
        let mut bytes = [0; 32];
        let (pairs, _) = self.sha256.as_bytes().as_chunks::<2>();
        if pairs.len() != bytes.len() {
            return None;
        }
        for (byte, pair) in bytes.iter_mut().zip(pairs) {
            let digits = std::str::from_utf8(pair).ok()?;
            *byte = u8::from_str_radix(digits, 16).ok()?;
        }
        Some(Sha256(bytes))
    }
}

const fn both(revision: u32, sha256: &'static str) -> Row {
    Row {
        revision,
        xen: true,
        sha256,
    }
}

const fn linux(revision: u32, sha256: &'static str) -> Row {
    Row {
        revision,
        xen: false,
        sha256,
    }
}

/// Last revision with the old signature, one for each CPU (bits 31 to 8).
pub(super) const CUTOFFS: &[u32] = &[
    0x0800_1277,
    0x0800_820f,
    0x0830_107c,
    0x0860_010e,
    0x0860_8108,
    0x0870_1034,
    0x08a0_000a,
    0x0a00_107a,
    0x0a00_11da,
    0x0a00_1243,
    0x0a00_820e,
    0x0a10_1153,
    0x0a10_124e,
    0x0a10_8109,
    0x0a20_102f,
    0x0a20_1212,
    0x0a40_4109,
    0x0a50_0013,
    0x0a60_120a,
    0x0a70_4109,
    0x0a70_5208,
    0x0a70_8009,
    0x0a70_c009,
    0x0aa0_0116,
    0x0aa0_0218,
    0x0b00_2146,
    0x0b00_8111,
    0x0b10_1046,
    0x0b20_4031,
    0x0b40_4031,
    0x0b40_4101,
    0x0b60_0031,
    0x0b60_8031,
    0x0b70_0031,
];

/// Listed patches by id.
pub(super) const ROWS: &[Row] = &[
    linux(0x0800_1227, ""),
    linux(0x0800_1250, ""),
    linux(0x0800_126e, ""),
    both(0x0800_126f, ""),
    both(0x0800_820d, ""),
    linux(0x0830_1025, ""),
    linux(0x0830_1055, ""),
    linux(0x0830_1072, ""),
    linux(0x0830_107a, ""),
    linux(0x0830_107b, ""),
    both(0x0830_107c, ""),
    both(0x0860_010d, ""),
    both(0x0860_8108, ""),
    both(0x0870_1034, ""),
    linux(0x08a0_0008, ""),
    both(0x08a0_000a, ""),
    linux(0x0a00_104c, ""),
    linux(0x0a00_104e, ""),
    linux(0x0a00_1053, ""),
    linux(0x0a00_1058, ""),
    linux(0x0a00_1075, ""),
    linux(0x0a00_1078, ""),
    linux(0x0a00_1079, ""),
    both(0x0a00_107a, ""),
    linux(0x0a00_1143, ""),
    linux(0x0a00_1144, ""),
    linux(0x0a00_115d, ""),
    linux(0x0a00_1173, ""),
    linux(0x0a00_11a8, ""),
    linux(0x0a00_11ce, ""),
    linux(0x0a00_11d1, ""),
    linux(0x0a00_11d3, ""),
    both(0x0a00_11d5, ""),
    both(0x0a00_11d7, ""),
    linux(0x0a00_1223, ""),
    linux(0x0a00_1224, ""),
    linux(0x0a00_1227, ""),
    linux(0x0a00_1229, ""),
    linux(0x0a00_122e, ""),
    linux(0x0a00_1231, ""),
    linux(0x0a00_1234, ""),
    linux(0x0a00_1236, ""),
    both(0x0a00_1238, ""),
    both(0x0a00_123b, ""),
    both(0x0a00_820c, ""),
    both(0x0a00_820d, ""),
    linux(0x0a10_113e, ""),
    linux(0x0a10_1144, ""),
    both(0x0a10_1148, ""),
    both(0x0a10_114c, ""),
    linux(0x0a10_123e, ""),
    linux(0x0a10_1244, ""),
    both(0x0a10_1248, ""),
    both(0x0a10_124c, ""),
    both(0x0a10_8108, ""),
    both(0x0a10_8109, ""),
    both(0x0a20_102d, ""),
    both(0x0a20_102e, ""),
    both(0x0a20_1210, ""),
    both(0x0a20_1211, ""),
    both(0x0a40_4107, ""),
    both(0x0a40_4108, ""),
    both(0x0a50_0011, ""),
    both(0x0a50_0012, ""),
    both(0x0a60_1209, ""),
    both(0x0a60_120a, ""),
    both(0x0a70_4107, ""),
    both(0x0a70_4108, ""),
    both(0x0a70_5206, ""),
    both(0x0a70_5208, ""),
    both(0x0a70_8007, ""),
    both(0x0a70_8008, ""),
    both(0x0a70_c005, ""),
    both(0x0a70_c008, ""),
    both(0x0aa0_0116, ""),
    linux(0x0aa0_0212, ""),
    linux(0x0aa0_0213, ""),
    both(0x0aa0_0215, ""),
    both(0x0aa0_0216, ""),
];
