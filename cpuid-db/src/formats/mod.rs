//! CPUID dumps as tools write them. Each parser takes text and returns a [`LeafSet`] with the
//! lines it could not read. [`crate::write`] has the other direction.

pub mod aida64;
mod builder;
pub mod cpudata;
pub mod cpuid_r;
pub mod cpuinfo;
pub mod featureset;
pub mod hwloc;
pub mod json;
pub(crate) mod json_text;
pub mod kcpuid;
pub mod libcpuid;
pub mod libcpuid_test;
pub(crate) mod scan;
pub mod words;
pub mod xen_policies;

use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;

use crate::damage::Decoded;
use crate::firecracker;
use crate::leafset::LeafSet;
pub(crate) use scan::numbered_lines;

/// How many lines are looked at before a text is given up as unknown.
const DETECT_LINES: usize = 20_000;

/// A text format of CPUID dumps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// `cpuid -r`.
    CpuidR,
    /// AIDA64 and InstLatx64 text.
    Aida64,
    /// hwloc-gather-cpuid.
    Hwloc,
    /// `kcpuid -r`.
    Kcpuid,
    /// `cpuid_tool --save` of libcpuid.
    Libcpuid,
    /// Test file of libcpuid.
    LibcpuidTest,
    /// Rows read from `/dev/cpu/N/cpuid`.
    Words,
    /// `<cpudata>` of libvirt.
    Cpudata,
    /// `xen-cpuid -p`: policies of a live Xen.
    XenPolicies,
    /// Fingerprint or template of Firecracker.
    Firecracker,
    /// Our own JSON.
    Json,
    /// `/proc/cpuinfo`: features as far as Linux shows them.
    Cpuinfo,
    /// Featureset words of Xen.
    Featureset,
}

impl Format {
    /// All, in the order in which a line is tried.
    pub const ALL: [Self; 13] = [
        Self::CpuidR,
        Self::Aida64,
        Self::Hwloc,
        Self::Kcpuid,
        Self::Libcpuid,
        Self::LibcpuidTest,
        Self::Words,
        Self::Cpudata,
        Self::XenPolicies,
        Self::Firecracker,
        Self::Json,
        Self::Cpuinfo,
        Self::Featureset,
    ];

    /// Whether a dump in it tells of some features only.
    #[must_use]
    pub const fn is_partial(self) -> bool {
        matches!(self, Self::Cpuinfo | Self::Featureset)
    }

    /// Whether a trimmed line belongs to this format; a test file is told by its end.
    fn is_row(self, line: &str) -> bool {
        match self {
            Self::CpuidR => cpuid_r::is_row(line),
            Self::Aida64 => aida64::is_row(line),
            Self::Hwloc => hwloc::is_row(line),
            Self::Kcpuid => kcpuid::is_row(line),
            Self::Libcpuid => libcpuid::is_row(line),
            Self::LibcpuidTest => false,
            Self::Words => words::is_row(line),
            Self::Cpudata => cpudata::is_row(line),
            Self::XenPolicies => xen_policies::is_row(line),
            Self::Firecracker => firecracker::is_row(line),
            Self::Json => json::is_row(line),
            Self::Cpuinfo => cpuinfo::is_row(line),
            Self::Featureset => featureset::is_row(line),
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CpuidR => "cpuid -r",
            Self::Aida64 => "AIDA64",
            Self::Hwloc => "hwloc-gather-cpuid",
            Self::Kcpuid => "kcpuid -r",
            Self::Libcpuid => "libcpuid raw",
            Self::LibcpuidTest => "libcpuid test",
            Self::Words => "/dev/cpu/N/cpuid",
            Self::Cpudata => "libvirt cpudata",
            Self::XenPolicies => "xen-cpuid -p",
            Self::Firecracker => "Firecracker JSON",
            Self::Json => "delid.cpuid JSON",
            Self::Cpuinfo => "/proc/cpuinfo",
            Self::Featureset => "Xen featureset",
        })
    }
}

/// Format of a text, from the first line that is a row of one of them. Lines of formats that tell of some
/// features only count when no row of another follows: logs hold them too.
#[must_use]
pub fn detect(text: &str) -> Option<Format> {
    if let Some(format) = detect_json(text) {
        return Some(format);
    }
    let mut partial = None;
    let mut found = None;
    for line in text.lines().take(DETECT_LINES) {
        let line = line.trim();
        if line.is_empty() {
            continue;
        }
        match Format::ALL.into_iter().find(|format| format.is_row(line)) {
            Some(format) if format.is_partial() => {
                partial = Some(partial.map_or(format, |other: Format| other.min(format)));
            }
            Some(format) => {
                found = Some(format);
                break;
            }
            None => {}
        }
    }
    let format = found.or(partial);
    match format {
        Some(Format::Aida64 | Format::Libcpuid) if libcpuid_test::end_of_dump(text).is_some() => {
            Some(Format::LibcpuidTest)
        }
        _ => format,
    }
}

/// Format of a text that is one JSON object; its names may stand anywhere in it.
fn detect_json(text: &str) -> Option<Format> {
    if !text.trim_start().starts_with('{') {
        return None;
    }
    [Format::Firecracker, Format::Json]
        .into_iter()
        .find(|format| format.is_row(text))
}

/// Reads a text in the format given.
#[must_use]
pub fn parse(format: Format, text: &str) -> Decoded<LeafSet> {
    match format {
        Format::CpuidR => cpuid_r::parse(text),
        Format::Aida64 => aida64::parse(text),
        Format::Hwloc => hwloc::parse(text),
        Format::Kcpuid => kcpuid::parse(text),
        Format::Libcpuid => libcpuid::parse(text),
        Format::LibcpuidTest => libcpuid_test::parse(text),
        Format::Words => words::parse(text),
        Format::Cpudata => cpudata::parse(text),
        Format::XenPolicies => xen_policies::parse_set(text),
        Format::Firecracker => firecracker::parse_set(text),
        Format::Json => json::parse(text),
        Format::Cpuinfo => cpuinfo::parse(text),
        Format::Featureset => featureset::parse_set(text),
    }
}

/// Finds the format of a text and reads it; `None` when it has no row of any format.
#[must_use]
pub fn detect_and_parse(text: &str) -> Option<(Format, Decoded<LeafSet>)> {
    let format = detect(text)?;
    Some((format, parse(format, text)))
}
#[cfg(test)]
mod tests {
    use super::*;
    use crate::leaf::Registers;

    #[test]
    fn each_format_is_told_by_its_rows() {
        let samples = [
            (
                Format::CpuidR,
                "CPU 0:\n   0x00000000 0x00: eax=0x00000001 ebx=0x00000002 ecx=0x00000003 edx=0x00000004\n",
            ),
            (
                Format::Aida64,
                "CPUID 00000000: 00000001-00000002-00000003-00000004\r\n",
            ),
            (Format::Hwloc, "# mask e[abcd]x => e[abcd]x\n1 0 0 0 0 => 1 2 3 4\n"),
            (
                Format::Kcpuid,
                "Basic Leafs :\n0x00000000: EAX=0x00000001, EBX=0x00000002, ECX=0x00000003, EDX=0x00000004\n",
            ),
            (
                Format::Libcpuid,
                "version=0.7.1\n\nbasic_cpuid[0]=00000001 00000002 00000003 00000004\n",
            ),
        ];
        for (format, text) in samples {
            let (seen, decoded) = detect_and_parse(text).unwrap();
            assert_eq!(seen, format);
            assert_eq!(decoded.damage, []);
            let cpu = decoded.value.first().unwrap();
            assert_eq!(cpu.leaf(0), Some(Registers::new(1, 2, 3, 4)), "{format}");
        }
    }

    #[test]
    fn text_without_a_row_is_no_dump() {
        assert!(detect_and_parse("CPU 0:\nhello\n").is_none());
    }

    #[test]
    fn a_repeat_with_other_values_is_damage_and_the_first_stays() {
        let text = "CPUID 00000005: 00000001-00000002-00000003-00000004\n\
                    CPUID 00000005: 00000001-00000002-00000003-00000004\n\
                    CPUID 00000005: 00000001-00000002-00000003-00000005\n";
        let decoded = parse(Format::Aida64, text);
        assert_eq!(decoded.damage.len(), 1);
        assert_eq!(decoded.damage[0].line, 3);
        assert_eq!(decoded.value.first().unwrap().leaf(5).unwrap().edx, 4);
    }
}
