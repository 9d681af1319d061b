//! Who names CPU features how.

use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;

/// A vocabulary of feature names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Dialect {
    /// Linux: /proc/cpuinfo and `X86_FEATURE_…`.
    Linux,
    /// QEMU `-cpu`.
    Qemu,
    /// libvirt `<cpu>`.
    Libvirt,
    /// Xen: cpufeatureset.h, as `xen-cpuid` prints it.
    Xen,
    /// libxl `cpuid=`, where it spells a name otherwise than Xen.
    Libxl,
    /// Intel Software Developer's Manual.
    Sdm,
    /// AMD Architecture Programmer's Manual.
    Apm,
}

impl Dialect {
    /// All, in the order of the table's columns.
    pub const ALL: [Self; 7] = [
        Self::Linux,
        Self::Qemu,
        Self::Libvirt,
        Self::Xen,
        Self::Libxl,
        Self::Sdm,
        Self::Apm,
    ];

    /// Place in [`Dialect::ALL`].
    #[must_use]
    pub const fn index(self) -> usize {
        match self {
            Self::Linux => 0,
            Self::Qemu => 1,
            Self::Libvirt => 2,
            Self::Xen => 3,
            Self::Libxl => 4,
            Self::Sdm => 5,
            Self::Apm => 6,
        }
    }

    /// Lower-case name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Linux => "linux",
            Self::Qemu => "qemu",
            Self::Libvirt => "libvirt",
            Self::Xen => "xen",
            Self::Libxl => "libxl",
            Self::Sdm => "sdm",
            Self::Apm => "apm",
        }
    }

    /// Reads a name.
    #[must_use]
    pub fn read(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|dialect| dialect.name() == name)
    }
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
