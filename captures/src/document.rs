//! A text or binary dump that is not a file tree: `lspci` text, an SMBIOS image, a CPUID dump.

use serde::Serialize;

use crate::origin::Origin;

/// What a dump is, found from its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DocumentKind {
    /// `lspci` output, any dialect, with or without hex rows.
    Lspci,
    /// `dmidecode` text.
    Dmidecode,
    /// SMBIOS table with an entry point at its start (`dmidecode --dump-bin`).
    SmbiosImage,
    /// SMBIOS table alone (`/sys/firmware/dmi/tables/DMI`).
    SmbiosTable,
    /// SMBIOS entry point alone (`/sys/firmware/dmi/tables/smbios_entry_point`).
    SmbiosEntryPoint,
    /// Windows `GetSystemFirmwareTable('RSMB')`: 8-byte header and table.
    SmbiosRsmb,
    /// `acpidump` text.
    Acpidump,
    /// One binary ACPI table (or several, one after the other).
    AcpiTable,
    /// `cpuid -r` text.
    CpuidRaw,
    /// AIDA64 / InstLatx64 CPUID text.
    CpuidAida64,
    /// hwloc-gather-cpuid: the `pu<N>` files, joined in order, each behind a line `CPU N:`.
    CpuidHwloc,
    /// `kcpuid -r` text.
    CpuidKcpuid,
    /// `cpuid_tool --save` text of libcpuid.
    CpuidLibcpuid,
    /// Test file of libcpuid: a dump, and what it is expected to be.
    CpuidLibcpuidTest,
    /// Rows of leaf, subleaf and four registers, read from `/dev/cpu/N/cpuid`.
    CpuidWords,
    /// `<cpudata>` of libvirt.
    CpuidLibvirt,
    /// `xen-cpuid -p`: CPU policies of a live Xen.
    CpuidXenPolicies,
    /// CPU fingerprint or template of Firecracker.
    CpuidFirecracker,
    /// Our own JSON of CPUID.
    CpuidJson,
    /// Featureset words of Xen (`xen-cpuid`, `xl info`, `xe host-cpu-info`).
    CpuidFeatureset,
    /// `xl info`, with the tables of `-n` or without: the machine as Xen sees it.
    XlInfo,
    /// `xen-ucode show-cpu-info`: microcode that Xen's CPUs run.
    XenUcode,
    /// `/proc/cpuinfo` alone.
    ProcCpuinfo,
    /// `lscpu` text.
    Lscpu,
    /// `lscpu -J`.
    LscpuJson,
    /// Table of `lscpu -p` or `lscpu -e`, or the JSON of one.
    LscpuTable,
    /// `udevadm info --export-db` text.
    UdevDatabase,
    /// Raw PCI configuration space of one function.
    PciConfig,
}

impl DocumentKind {
    /// CPUID dumps; those that tell of some features only come last.
    pub const CPUID: [Self; 12] = [
        Self::CpuidRaw,
        Self::CpuidAida64,
        Self::CpuidHwloc,
        Self::CpuidKcpuid,
        Self::CpuidLibcpuid,
        Self::CpuidLibcpuidTest,
        Self::CpuidWords,
        Self::CpuidLibvirt,
        Self::CpuidXenPolicies,
        Self::CpuidFirecracker,
        Self::CpuidJson,
        Self::CpuidFeatureset,
    ];
}

/// One dump with its origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// What it is.
    pub kind: DocumentKind,
    /// Where it came from.
    pub origin: Origin,
    /// Its bytes, decompressed.
    pub bytes: Vec<u8>,
}
