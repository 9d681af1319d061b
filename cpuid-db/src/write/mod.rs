//! Dumps as text, in the formats that other tools read. What [`crate::formats`] reads from these texts is
//! equal to what was written.

pub mod aida64;
pub mod cpudata;
pub mod cpuid_r;
pub mod json;

use crate::firecracker;
use crate::leafset::LeafSet;

/// A format dumps are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// `cpuid -r`.
    CpuidR,
    /// AIDA64 and InstLatx64.
    Aida64,
    /// `<cpudata>` of libvirt.
    Cpudata,
    /// Template of Firecracker that says every bit of the first CPU.
    Firecracker,
    /// Our own JSON.
    Json,
}

impl Output {
    /// All, by name.
    pub const ALL: [(&'static str, Self); 5] = [
        ("cpuid", Self::CpuidR),
        ("aida64", Self::Aida64),
        ("cpudata", Self::Cpudata),
        ("firecracker", Self::Firecracker),
        ("json", Self::Json),
    ];

    /// Reads a name.
    #[must_use]
    pub fn read(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|(known, _)| *known == name)
            .map(|(_, output)| output)
    }

    /// Whether MSRs are written too.
    #[must_use]
    pub const fn has_msrs(self) -> bool {
        !matches!(self, Self::CpuidR)
    }
}

/// Writes a dump.
#[must_use]
pub fn write(output: Output, set: &LeafSet) -> String {
    match output {
        Output::CpuidR => cpuid_r::write(set),
        Output::Aida64 => aida64::write(set),
        Output::Cpudata => cpudata::write(set),
        Output::Firecracker => set.first().map(firecracker::write_dump).unwrap_or_default(),
        Output::Json => json::write(set),
    }
}
