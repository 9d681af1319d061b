//! The rules of AMD containers and patches, and who goes no further where one is broken.
//!
//! Sources: Linux 6.12 and Xen 4.20, `arch/x86/.../cpu/microcode/amd.c` of both. A broken section
//! ends its container for them; what they found before it still counts.

use super::Checker::{self, Linux, Xen};
use super::FormatRule;

const BOTH: &[Checker] = &[Linux, Xen];

const fn row(id: &'static str, says: &'static str, refused_by: &'static [Checker], remark: bool) -> FormatRule {
    FormatRule {
        id,
        says,
        refused_by,
        remark,
    }
}

/// All of them, in the order in which a file is read.
pub(super) const RULES: &[FormatRule] = &[
    row(
        "amd-container-magic",
        "a container begins with 44 4d 41 00",
        BOTH,
        false,
    ),
    row(
        "amd-container-header",
        "the header of a container has 12 bytes",
        BOTH,
        false,
    ),
    row("amd-table-type", "the equivalence table is of type 0", BOTH, false),
    row(
        "amd-table-size",
        "the equivalence table ends within the file",
        BOTH,
        false,
    ),
    row(
        "amd-table-rows",
        "the equivalence table is rows of 16 bytes",
        &[Xen],
        false,
    ),
    row("amd-table-conflict", "a table has one id for a signature", &[], false),
    row(
        "amd-tables-conflict",
        "all tables of a file have the same id for a signature",
        &[Xen],
        false,
    ),
    row("amd-section-header", "the header of a section has 8 bytes", BOTH, false),
    row("amd-section-type", "a patch is a section of type 1", BOTH, false),
    row(
        "amd-section-size",
        "a section holds a patch header and ends within the file",
        BOTH,
        false,
    ),
    row(
        "amd-trailing-zeros",
        "no zeros stand behind the last patch",
        BOTH,
        false,
    ),
    row(
        "amd-checksum",
        "up to family 12h the 32-bit words behind the header sum to the checksum",
        &[],
        false,
    ),
    row(
        "amd-patch-id-family",
        "the patch id is of the family of the equivalence id",
        &[],
        false,
    ),
    row(
        "amd-patch-id-signature",
        "the patch id is of a CPU that the table has for its id",
        &[],
        false,
    ),
    row(
        "amd-id-not-in-table",
        "the table has a row for the equivalence id of each patch",
        &[],
        false,
    ),
    row("amd-table-end", "a row of zeros ends the table", &[], true),
    row(
        "amd-table-behind-end",
        "no rows stand behind the one that ends the table",
        &[],
        true,
    ),
    row("amd-table-repeats", "no row of the table repeats another", &[], true),
    row("amd-date", "the date is a month, a day and a year", &[], true),
    row(
        "amd-minimum-revision-form",
        "the checksum field of families without one is 0 or, from 19h on, a minimum revision",
        &[],
        true,
    ),
    row(
        "amd-linux-size",
        "the patch is not longer than Linux takes",
        &[Linux],
        true,
    ),
    row("amd-xen-size", "the patch is not longer than Xen takes", &[Xen], true),
    row(
        "amd-linux-chipset",
        "the patch is for no single chipset device",
        &[Linux],
        true,
    ),
    row("amd-no-loader", "the family has a loader", BOTH, true),
];
