//! The rules of an Intel update, and who refuses one that breaks them.
//!
//! Sources: Intel SDM volume 3, "Microcode Update Facilities"; Linux 6.12
//! (`arch/x86/kernel/cpu/microcode/intel.c`, `drivers/platform/x86/intel/ifs/load.c`); Xen 4.20
//! (`xen/arch/x86/cpu/microcode/intel.c`); iucode_tool 2.3.1 with its default strict checks.

use crate::verify::Checker::{self, IucodeTool, Linux, Sdm, Xen};
use crate::verify::FormatRule;

const ALL: &[Checker] = &[Linux, Xen, Sdm, IucodeTool];

const fn rule(id: &'static str, says: &'static str, refused_by: &'static [Checker]) -> FormatRule {
    FormatRule {
        id,
        says,
        refused_by,
        remark: false,
    }
}

const fn remark(id: &'static str, says: &'static str, refused_by: &'static [Checker]) -> FormatRule {
    FormatRule {
        id,
        says,
        refused_by,
        remark: true,
    }
}

/// Nothing but updates stands in the file.
pub const TAIL: FormatRule = rule(
    "intel-tail",
    "updates follow each other without a gap up to the end of the file",
    &[Linux, Xen, IucodeTool],
);
/// Header version.
pub const HEADER_VERSION: FormatRule = rule("intel-header-version", "the header version is 1", ALL);
/// Loader version.
pub const LOADER_VERSION: FormatRule = rule("intel-loader-version", "the loader revision is 1", &[Linux, Xen, Sdm]);
/// Header and data within the total.
pub const TOTAL_SIZE: FormatRule = rule("intel-total-size", "the total size holds the header and the data", ALL);
/// 1024.
pub const TOTAL_MULTIPLE: FormatRule = rule(
    "intel-total-multiple",
    "the total size is a multiple of 1024 bytes",
    &[Xen, Sdm, IucodeTool],
);
/// 4.
pub const DATA_MULTIPLE: FormatRule = rule(
    "intel-data-multiple",
    "the data size is a multiple of 4 bytes",
    &[Xen, Sdm, IucodeTool],
);
/// All of it is there.
pub const TRUNCATED: FormatRule = rule(
    "intel-truncated",
    "the file holds as many bytes as the total size says",
    ALL,
);
/// The next one begins at the end of this one.
pub const NEXT: FormatRule = rule(
    "intel-next",
    "the next update begins where the total size of this one ends",
    ALL,
);
/// Header and data.
pub const CHECKSUM: FormatRule = rule("intel-checksum", "the 32-bit words of header and data sum to zero", ALL);
/// The table fills what is left.
pub const TABLE_SIZE: FormatRule = rule(
    "intel-table-size",
    "the extended signature table (20 bytes and 12 for each entry) fills the update behind the data exactly",
    ALL,
);
/// The table.
pub const TABLE_CHECKSUM: FormatRule = rule(
    "intel-table-checksum",
    "the 32-bit words of the extended signature table sum to zero",
    ALL,
);
/// Each entry.
pub const ENTRY_CHECKSUM: FormatRule = rule(
    "intel-entry-checksum",
    "signature, platforms and checksum of an extended entry sum to the same as those of the header",
    ALL,
);
/// In-Field-Scan has its metadata.
pub const SCAN_METADATA: FormatRule = rule(
    "intel-scan-metadata",
    "an In-Field-Scan image has a metadata block of type 1",
    &[Linux],
);

/// Blocks of the metadata region.
pub const METADATA: FormatRule = remark(
    "intel-metadata",
    "the metadata, the last bytes of the data, is a chain of blocks that fit into it",
    &[],
);
/// Date.
pub const DATE: FormatRule = remark(
    "intel-date",
    "the date is a month, a day and a year from 1995 on in binary coded decimals",
    &[IucodeTool],
);
/// Revision.
pub const REVISION: FormatRule = remark("intel-revision-zero", "the revision is not 0", &[IucodeTool]);
/// Signature.
pub const SIGNATURE: FormatRule = remark(
    "intel-signature-zero",
    "the processor signature is not 0",
    &[IucodeTool],
);
/// Platforms.
pub const PLATFORMS: FormatRule = remark(
    "intel-platforms",
    "only the low 8 bits of the platform mask are set",
    &[],
);
/// Reserved words.
pub const RESERVED: FormatRule = remark("intel-reserved", "reserved words are 0", &[]);
/// Small data.
pub const DATA_MINIMUM: FormatRule = remark("intel-data-minimum", "the data is at least 48 bytes", &[IucodeTool]);
/// Default sizes.
pub const DEFAULT_SIZE: FormatRule = remark(
    "intel-default-size",
    "a data size of 0 (2000 bytes) goes with a total size of 0 or 2048; Xen goes by the total size, all others take 2048",
    &[Xen],
);
/// An entry twice.
pub const ENTRY_DUPLICATE: FormatRule = remark(
    "intel-entry-duplicate",
    "no two extended entries name the same signature and platforms",
    &[],
);
/// One revision, one content.
pub const SAME_REVISION: FormatRule = remark(
    "intel-same-revision",
    "updates of one signature, revision and size for a common platform have the same data",
    &[IucodeTool],
);

/// All of them, in the order in which a file is checked.
pub const ALL_RULES: &[FormatRule] = &[
    TAIL,
    HEADER_VERSION,
    LOADER_VERSION,
    TOTAL_SIZE,
    TOTAL_MULTIPLE,
    DATA_MULTIPLE,
    TRUNCATED,
    NEXT,
    CHECKSUM,
    TABLE_SIZE,
    TABLE_CHECKSUM,
    ENTRY_CHECKSUM,
    SCAN_METADATA,
    METADATA,
    DATE,
    REVISION,
    SIGNATURE,
    PLATFORMS,
    RESERVED,
    DATA_MINIMUM,
    DEFAULT_SIZE,
    ENTRY_DUPLICATE,
    SAME_REVISION,
];
