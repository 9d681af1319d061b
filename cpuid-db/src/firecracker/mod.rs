//! CPU templates and fingerprints of Firecracker: JSON with bitmaps for registers and MSRs.
//!
//! ```text
//! {"cpuid_modifiers": [{"leaf": "0x7", "subleaf": "0x0", "flags": 1, "modifiers": [
//!    {"register": "ebx", "bitmap": "0bxxxx0000000000000000000000000000"}]}],
//!  "msr_modifiers": [{"addr": "0x10a", "bitmap": "0b0000…01101011"}]}
//! ```
//! Of a bitmap, bit 31 (63 for an MSR) first: 0 clears, 1 sets, x leaves it as KVM gives it; a short one is
//! filled up with x, `_` stands for nothing. A fingerprint has the same under `guest_cpu_config`, with every
//! bit known: that is a dump. See Firecracker's docs/cpu_templates and its schema.json.

mod read;
mod write;

pub use read::{Template, leaves, read, template};
pub use write::{write, write_dump};

use crate::damage::Decoded;
use crate::leafset::LeafSet;

/// Bits of a bitmap: those it says, and their values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bitmap {
    /// Bits that are 0 or 1.
    pub mask: u64,
    /// Bits that are 1.
    pub value: u64,
}

/// Whether a trimmed line belongs to this format and no other.
pub(crate) fn is_row(line: &str) -> bool {
    line.contains("\"cpuid_modifiers\"") || line.contains("\"guest_cpu_config\"")
}

/// The text as a dump of one CPU: see [`leaves`].
pub(crate) fn parse_set(text: &str) -> Decoded<LeafSet> {
    let decoded = template(text);
    Decoded {
        value: std::iter::once(leaves(&decoded.value)).collect(),
        damage: decoded.damage,
    }
}
