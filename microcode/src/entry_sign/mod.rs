//! AMD's weak patch signatures (AMD-SB-7033, CVE-2024-36347, "EntrySign"): who is affected, the
//! last revision of each CPU that takes the old signature, and the digest lists of two loaders.
//!
//! A CPU whose firmware is fixed takes only newly signed patches, one that is not takes only old
//! ones, forged ones among them. On the latter Linux 6.12 and Xen 4.20 therefore ask for the
//! SHA-256 of the patch to stand on a list built into them. Which patch ids are on the lists, and
//! the cut-off revisions, are facts taken from the two programs
//! (`arch/x86/kernel/cpu/microcode/amd.c` and `amd_shas.c` of Linux 6.12.107,
//! `xen/arch/x86/cpu/microcode/amd.c` and `amd-patch-digests.c` of Xen 4.20.3). The digests are
//! computed from published patches; where none was at hand the answer is [`Digest::Unknown`].

mod table;

use schemars::JsonSchema;
use serde::Serialize;

use crate::ids::{Revision, Sha256, Signature};

/// A loader's list of digests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum List {
    /// Linux 6.12.107, `amd_shas.c`: 79 patches.
    Linux6_12,
    /// Xen 4.20.3, `amd-patch-digests.c`: 41 patches, all of them on Linux's list with the same digest.
    Xen4_20,
}

/// What a list says of a patch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Digest {
    /// The patch id is on the list and this is its digest.
    Matches,
    /// The patch id is on the list with another digest.
    Differs,
    /// The patch id is not on the list.
    NotListed,
    /// The patch id is on the list; the digest there is not known here.
    Unknown,
}

/// Whether Linux 6.12 holds a CPU for affected (`cpu_has_entrysign`): families 17h and 19h, and of
/// family 1Ah models 00h to 2Fh, 40h to 4Fh and 60h to 7Fh. For Xen see [`xen_affected`].
#[must_use]
pub fn affected(signature: Signature) -> bool {
    match signature.family_model_stepping() {
        (0x17 | 0x19, _, _) => true,
        (0x1a, model, _) => matches!(model, 0..=0x2f | 0x40..=0x4f | 0x60..=0x7f),
        _ => false,
    }
}

/// Whether Xen 4.20 holds a CPU for affected: families 17h to 1Ah without FRED (CPUID leaf 7,
/// subleaf 1, EAX bit 17), which is how it knows Zen 6. `None` when that bit decides and is not known.
#[must_use]
pub fn xen_affected(signature: Signature, fred: Option<bool>) -> Option<bool> {
    match signature.family_model_stepping().0 {
        0x17..=0x1a => fred.map(|fred| !fred),
        _ => Some(false),
    }
}

/// The last revision that takes old signatures, of the CPU that `revision` is for (its bits 31 to
/// 8). `None` when there is no such row: Linux and Xen then ask for the digest whatever runs.
#[must_use]
pub fn cutoff(revision: Revision) -> Option<Revision> {
    let row = |cutoff: &&u32| **cutoff >> 8 == revision.0 >> 8;
    table::CUTOFFS.iter().find(row).map(|cutoff| Revision(*cutoff))
}

/// The revision with which Linux asks for the cut-off: what runs, or the lowest one of this CPU
/// when the register reads 0 (`need_sha_check`).
#[must_use]
pub fn linux_revision(signature: Signature, running: Revision) -> Revision {
    if running.0 != 0 {
        return running;
    }
    // Signature: extended family from bit 20, extended model from bit 16, model and stepping below bit 8.
    let [model_stepping, _, high, top] = signature.0.to_le_bytes();
    let (ext_family, ext_model) = (top << 4 | high >> 4, high << 4);
    Revision(u32::from_le_bytes([0, model_stepping, ext_model, ext_family]))
}

/// Whether Linux 6.12 asks for the digest on an affected CPU (`need_sha_check`): up to the cut-off,
/// and where there is none.
#[must_use]
pub fn linux_asks(signature: Signature, running: Revision) -> bool {
    let running = linux_revision(signature, running);
    cutoff(running).is_none_or(|cutoff| running <= cutoff)
}

/// Whether Linux 6.12 puts a patch aside because it is signed in the way that the CPU, with what
/// runs on it, does not take (`verify_patch`): only one of the two revisions is above the cut-off.
/// The cut-off is that of the running revision; without one nothing is put aside.
#[must_use]
pub fn linux_other_side(running: Revision, patch: Revision) -> bool {
    cutoff(running).is_some_and(|cutoff| (running > cutoff) != (patch > cutoff))
}

/// What Xen 4.20 concludes from the running revision (`amd_check_entrysign`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum XenFirmware {
    /// Above the cut-off: the firmware is fixed and no digest is asked for.
    Fixed,
    /// Up to the cut-off: Xen warns, is tainted, and asks for the digest.
    Vulnerable,
    /// No row for it: Xen warns that it takes it for vulnerable, and asks for the digest.
    Unrecognised,
}

/// What Xen 4.20 concludes from the running revision of an affected CPU. Revision 0 has no row. Xen
/// has no rule that a patch must be signed like the running one.
#[must_use]
pub fn xen_firmware(running: Revision) -> XenFirmware {
    match cutoff(running) {
        None => XenFirmware::Unrecognised,
        Some(cutoff) if running > cutoff => XenFirmware::Fixed,
        Some(_) => XenFirmware::Vulnerable,
    }
}

/// What a loader's list says of a patch with this id and digest (SHA-256 over the whole patch as
/// long as its section says).
#[must_use]
pub fn digest(list: List, revision: Revision, sha256: &Sha256) -> Digest {
    let Ok(at) = table::ROWS.binary_search_by_key(&revision.0, |row| row.revision) else {
        return Digest::NotListed;
    };
    match table::ROWS.get(at) {
        Some(row) if list == List::Linux6_12 || row.xen => match row.sha256() {
            Some(known) if known == *sha256 => Digest::Matches,
            Some(_) => Digest::Differs,
            None => Digest::Unknown,
        },
        _ => Digest::NotListed,
    }
}

/// Patches on a list: their ids, and the digests where known here.
pub fn listed(list: List) -> impl Iterator<Item = (Revision, Option<Sha256>)> {
    let of = move |row: &&table::Row| list == List::Linux6_12 || row.xen;
    table::ROWS
        .iter()
        .filter(of)
        .map(|row| (Revision(row.revision), row.sha256()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn affected_are_zen_1_to_5_by_the_models_of_linux() {
        for (signature, expected) in [
            (0x0080_0f12, true),
            (0x00a2_0f10, true),
            (0x00b2_0f40, true),
            (0x00b4_0f41, true),
            (0x00b3_0f00, false),
            (0x00b5_0f00, false),
            (0x00b8_0f00, false),
            (0x0073_0f01, false),
            (0x0090_0f01, false),
            (0x0009_06ea, false),
        ] {
            assert_eq!(affected(Signature(signature)), expected, "{signature:#x}");
        }
    }

    #[test]
    fn xen_asks_fred_for_zen_6() {
        assert_eq!(xen_affected(Signature(0xb50f00), Some(true)), Some(false));
        assert_eq!(xen_affected(Signature(0xb50f00), Some(false)), Some(true));
        assert_eq!(xen_affected(Signature(0xb50f00), None), None);
        assert_eq!(xen_affected(Signature(0x730f01), None), Some(false));
    }

    #[test]
    fn tables_are_in_order_and_have_one_row_for_each_key() {
        assert!(table::CUTOFFS.is_sorted_by(|a, b| a >> 8 < b >> 8));
        assert!(table::ROWS.is_sorted_by(|a, b| a.revision < b.revision));
        let count = |list| listed(list).count();
        assert_eq!(
            (table::CUTOFFS.len(), count(List::Linux6_12), count(List::Xen4_20)),
            (34, 79, 41)
        );
    }

    #[test]
    fn listed_patches_are_of_affected_cpus_and_not_above_the_cutoff() {
        for (revision, _) in listed(List::Linux6_12) {
            assert!(cutoff(revision).is_none_or(|cutoff| revision <= cutoff), "{revision}");
        }
    }

    #[test]
    fn cutoff_is_the_one_of_the_upper_24_bits() {
        assert_eq!(cutoff(Revision(0x0a20_1030)), Some(Revision(0x0a20_102f)));
        assert_eq!(cutoff(Revision(0x0a20_1100)), None);
        assert_eq!(cutoff(Revision(0)), None);
    }

    #[test]
    fn linux_asks_up_to_the_cutoff_and_where_there_is_none() {
        let vermeer = Signature(0x00a2_0f10);
        assert!(linux_asks(vermeer, Revision(0x0a20_102f)));
        assert!(!linux_asks(vermeer, Revision(0x0a20_1030)));
        assert!(linux_asks(Signature(0x00a4_0f00), Revision(0x0a40_0016)));
        assert_eq!(linux_revision(vermeer, Revision(0)), Revision(0x0a20_1000));
        assert_eq!(
            linux_revision(Signature(0x00b4_0f41), Revision(0)),
            Revision(0x0b40_4100)
        );
        assert!(linux_asks(vermeer, Revision(0)));
    }

    #[test]
    fn linux_puts_aside_what_is_signed_the_other_way() {
        let (old, new) = (Revision(0x0a20_102f), Revision(0x0a20_1030));
        assert!(linux_other_side(old, new) && linux_other_side(new, old));
        assert!(!linux_other_side(old, old) && !linux_other_side(new, new));
        assert!(!linux_other_side(Revision(0), new));
    }

    #[test]
    fn xen_holds_firmware_for_fixed_above_the_cutoff() {
        assert_eq!(xen_firmware(Revision(0x0a20_1030)), XenFirmware::Fixed);
        assert_eq!(xen_firmware(Revision(0x0a20_102f)), XenFirmware::Vulnerable);
        assert_eq!(xen_firmware(Revision(0)), XenFirmware::Unrecognised);
    }

    #[test]
    fn digest_is_of_a_listed_patch_or_not() {
        let other = Sha256([7; 32]);
        for (revision, known) in listed(List::Linux6_12) {
            let expected = if known.is_some() {
                Digest::Differs
            } else {
                Digest::Unknown
            };
            assert_eq!(digest(List::Linux6_12, revision, &other), expected);
            if let Some(known) = known {
                assert_eq!(digest(List::Linux6_12, revision, &known), Digest::Matches);
            }
        }
        assert_eq!(
            digest(List::Linux6_12, Revision(0x0a20_1030), &other),
            Digest::NotListed
        );
        // On Linux's list only.
        assert_eq!(digest(List::Xen4_20, Revision(0x0800_1227), &other), Digest::NotListed);
    }
}
