//! What leaves, MSRs and XSAVE components are called.

use crate::bits::Place;

const LEAVES: &[(u32, &str)] = &[
    (0x0, "vendor and maximum basic leaf"),
    (0x1, "signature and features"),
    (0x2, "cache and TLB descriptors"),
    (0x3, "processor serial number"),
    (0x4, "deterministic cache parameters"),
    (0x5, "MONITOR/MWAIT"),
    (0x6, "thermal and power management"),
    (0x7, "structured extended features"),
    (0x9, "direct cache access"),
    (0xa, "architectural performance monitoring"),
    (0xb, "extended topology"),
    (0xd, "extended state (XSAVE)"),
    (0xf, "resource director: monitoring"),
    (0x10, "resource director: allocation"),
    (0x12, "software guard extensions (SGX)"),
    (0x14, "processor trace"),
    (0x15, "TSC and core crystal clock"),
    (0x16, "processor frequency"),
    (0x17, "system-on-chip vendor"),
    (0x18, "deterministic address translation parameters"),
    (0x19, "key locker"),
    (0x1a, "native model (core kind)"),
    (0x1b, "PCONFIG"),
    (0x1c, "last branch records"),
    (0x1d, "tile palettes (AMX)"),
    (0x1e, "tile multiply unit (AMX)"),
    (0x1f, "extended topology, version 2"),
    (0x20, "history reset"),
    (0x21, "trust domain (TDX)"),
    (0x23, "architectural performance monitoring, extended"),
    (0x24, "converged vector ISA (AVX10)"),
    (0x27, "resource director: monitoring of asymmetric cores"),
    (0x28, "resource director: allocation of asymmetric cores"),
    (0x29, "advanced performance extensions (APX)"),
    (0x4000_0000, "hypervisor vendor and maximum leaf"),
    (0x4000_0001, "hypervisor features"),
    (0x4000_0010, "hypervisor timing"),
    (0x8000_0000, "maximum extended leaf"),
    (0x8000_0001, "extended signature and features"),
    (0x8000_0002, "brand string, characters 0 to 15"),
    (0x8000_0003, "brand string, characters 16 to 31"),
    (0x8000_0004, "brand string, characters 32 to 47"),
    (0x8000_0005, "L1 caches and TLBs"),
    (0x8000_0006, "L2 and L3 caches, L2 TLBs"),
    (0x8000_0007, "power management and RAS"),
    (0x8000_0008, "address sizes and features"),
    (0x8000_000a, "secure virtual machine (SVM)"),
    (0x8000_0019, "TLBs of 1 GiB pages"),
    (0x8000_001a, "performance optimisation"),
    (0x8000_001b, "instruction based sampling"),
    (0x8000_001c, "lightweight profiling"),
    (0x8000_001d, "cache properties"),
    (0x8000_001e, "APIC id, core and node"),
    (0x8000_001f, "encrypted memory (SME, SEV)"),
    (0x8000_0020, "platform quality of service"),
    (0x8000_0021, "extended features 2"),
    (0x8000_0022, "extended performance monitoring"),
    (0x8000_0023, "multi-key encrypted memory"),
    (0x8000_0024, "encrypted memory"),
    (0x8000_0025, "segmented RMP table"),
    (0x8000_0026, "extended CPU topology"),
    (0x8086_0000, "vendor and maximum Transmeta leaf"),
    (0x8086_0001, "Transmeta signature and features"),
    (0x8086_0002, "Transmeta software revision"),
    (0x8086_0003, "Transmeta information string, characters 0 to 15"),
    (0x8086_0004, "Transmeta information string, characters 16 to 31"),
    (0x8086_0005, "Transmeta information string, characters 32 to 47"),
    (0x8086_0006, "Transmeta information string, characters 48 to 63"),
    (0x8086_0007, "Transmeta power management"),
    (0xc000_0000, "maximum Centaur leaf"),
    (0xc000_0001, "Centaur features"),
    (0xc000_0002, "Centaur temperature, voltage and clock"),
];

const MSRS: &[(u32, &str)] = &[
    (0xcf, "IA32_CORE_CAPABILITIES"),
    (0xfe, "IA32_MTRRCAP"),
    (0x10a, "IA32_ARCH_CAPABILITIES"),
    (0x345, "IA32_PERF_CAPABILITIES"),
    (0x480, "IA32_VMX_BASIC"),
    (0x481, "IA32_VMX_PINBASED_CTLS"),
    (0x482, "IA32_VMX_PROCBASED_CTLS"),
    (0x483, "IA32_VMX_EXIT_CTLS"),
    (0x484, "IA32_VMX_ENTRY_CTLS"),
    (0x485, "IA32_VMX_MISC"),
    (0x486, "IA32_VMX_CR0_FIXED0"),
    (0x487, "IA32_VMX_CR0_FIXED1"),
    (0x488, "IA32_VMX_CR4_FIXED0"),
    (0x489, "IA32_VMX_CR4_FIXED1"),
    (0x48a, "IA32_VMX_VMCS_ENUM"),
    (0x48b, "IA32_VMX_PROCBASED_CTLS2"),
    (0x48c, "IA32_VMX_EPT_VPID_CAP"),
    (0x48d, "IA32_VMX_TRUE_PINBASED_CTLS"),
    (0x48e, "IA32_VMX_TRUE_PROCBASED_CTLS"),
    (0x48f, "IA32_VMX_TRUE_EXIT_CTLS"),
    (0x490, "IA32_VMX_TRUE_ENTRY_CTLS"),
    (0x491, "IA32_VMX_VMFUNC"),
    (0x492, "IA32_VMX_PROCBASED_CTLS3"),
];

/// Components of XCR0 and `IA32_XSS` by bit (SDM volume 1, chapter 13; AMD adds 62).
const XSAVE: &[(u32, &str)] = &[
    (0, "x87"),
    (1, "SSE"),
    (2, "AVX"),
    (3, "MPX bound registers"),
    (4, "MPX bound configuration"),
    (5, "AVX-512 opmask"),
    (6, "AVX-512 upper halves of ZMM0-15"),
    (7, "AVX-512 ZMM16-31"),
    (8, "processor trace"),
    (9, "PKRU"),
    (10, "PASID"),
    (11, "CET user"),
    (12, "CET supervisor"),
    (13, "hardware duty cycling"),
    (14, "user interrupts"),
    (15, "last branch records"),
    (16, "hardware P-states"),
    (17, "AMX tile configuration"),
    (18, "AMX tile data"),
    (19, "APX general registers"),
    (62, "lightweight profiling"),
];

/// What a leaf or MSR is about; empty when not known.
#[must_use]
pub fn title(place: Place, subleaf: u32) -> &'static str {
    let (table, key) = match place {
        Place::Leaf(leaf) if leaf & 0xffff_00ff == 0x4000_0000 => (LEAVES, 0x4000_0000),
        Place::Leaf(0x17) if subleaf > 0 => return "system-on-chip vendor, brand string",
        Place::Leaf(0x12) if subleaf > 1 => return "enclave page cache section",
        Place::Leaf(leaf) => (LEAVES, leaf),
        Place::Msr(index) => (MSRS, index),
    };
    table
        .binary_search_by_key(&key, |row| row.0)
        .ok()
        .and_then(|at| table.get(at))
        .map_or("", |row| row.1)
}

/// Name of an XSAVE state component, by its bit in XCR0 or `IA32_XSS`.
#[must_use]
pub fn xsave_component(bit: u32) -> Option<&'static str> {
    XSAVE.iter().find(|row| row.0 == bit).map(|row| row.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_are_in_ascending_order() {
        assert!(LEAVES.is_sorted_by_key(|row| row.0));
        assert!(MSRS.is_sorted_by_key(|row| row.0));
        assert_eq!(title(Place::Leaf(0x4000_0200), 0), "hypervisor vendor and maximum leaf");
        assert_eq!(title(Place::Leaf(0x13), 0), "");
    }
}
