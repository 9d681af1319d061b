//! Whose rows of the table tell of a leaf: those of the processor's vendor, and in the ranges of
//! hypervisors (0x40000000, 0x40000100, …) those of the hypervisor that answers there. Xen moves its
//! leaves up when it shows Hyper-V's as well, KVM does so too; the table has every hypervisor at
//! 0x40000000 (Linux `Documentation/virt/kvm/x86/cpuid.rst`, Xen `public/arch-x86/cpuid.h`).

use super::Vendors;
use crate::identity::{Identity, Vendor};
use crate::leaf::{Leaf, Subleaf};
use crate::leafset::CpuLeaves;

/// `Hv#1` in EAX of the leaf after the signature: the interface of Hyper-V.
const HYPERV_INTERFACE: u32 = 0x3123_7648;

/// Where the table has a leaf of a processor.
///
/// ```
/// use cpuid_db::database::{Reading, Vendors};
/// use cpuid_db::{CpuLeaves, Leaf, Registers, Subleaf};
/// let mut cpu = CpuLeaves::new(0);
/// let word = |text: &[u8; 4]| u32::from_le_bytes(*text);
/// cpu.insert(
///     Leaf(0x4000_0100),
///     Subleaf(0),
///     Registers::new(0x4000_0105, word(b"XenV"), word(b"MMXe"), word(b"nVMM")),
/// );
/// let reading = Reading::of(&cpu, Leaf(0x4000_0103));
/// assert_eq!(reading.leaf, Leaf(0x4000_0003));
/// assert!(reading.vendors.overlaps(Vendors::XEN));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// The leaf as the table has it: other than the processor's for a hypervisor that is not at 0x40000000.
    pub leaf: Leaf,
    /// The processor's vendor; in the range of a hypervisor that one alone.
    pub vendors: Vendors,
}

impl Reading {
    /// Of a leaf of a processor.
    #[must_use]
    pub fn of(cpu: &CpuLeaves, leaf: Leaf) -> Self {
        Self::with_vendor(cpu, Vendors::of_identity(&Identity::of(cpu)), leaf)
    }

    /// The same when the processor's vendor is known already.
    #[must_use]
    pub fn with_vendor(cpu: &CpuLeaves, vendor: Vendors, leaf: Leaf) -> Self {
        if leaf.0 >> 16 != 0x4000 {
            return Self { leaf, vendors: vendor };
        }
        Self {
            leaf: Leaf(0x4000_0000 | (leaf.0 & 0xff)),
            vendors: hypervisor(cpu, leaf.base()).unwrap_or(Vendors::of(Vendor::Other)),
        }
    }
}

impl Vendors {
    /// The vendor of a processor; every vendor when the dump does not name one.
    #[must_use]
    pub fn of_identity(identity: &Identity) -> Self {
        match identity.vendor_name {
            Some(_) => Self::of(identity.vendor),
            None => Self::ANY,
        }
    }

    /// A processor's vendor and the hypervisor at 0x40000000, if any. Several hypervisors can answer, each
    /// in its own range: [`Reading::of`] tells them apart.
    #[must_use]
    pub fn of_cpu(cpu: &CpuLeaves) -> Self {
        let vendor = Self::of_identity(&Identity::of(cpu));
        hypervisor(cpu, Leaf(0x4000_0000)).map_or(vendor, |hypervisor| vendor.with(hypervisor))
    }
}

/// Which hypervisor answers in the range that begins at `base`.
fn hypervisor(cpu: &CpuLeaves, base: Leaf) -> Option<Vendors> {
    let row = cpu.row(base, Subleaf(0))?;
    let mut name = [0; 12];
    for (to, from) in name
        .iter_mut()
        .zip([row.ebx, row.ecx, row.edx].into_iter().flat_map(u32::to_le_bytes))
    {
        *to = from;
    }
    Some(match &name {
        b"KVMKVMKVM\0\0\0" => Vendors::KVM,
        b"XenVMMXenVMM" => Vendors::XEN,
        b"VMwareVMware" => Vendors::VMWARE,
        b"Microsoft Hv" => Vendors::HYPERV,
        _ => {
            let interface = cpu.row(Leaf(base.0.saturating_add(1)), Subleaf(0))?.eax;
            return (interface == HYPERV_INTERFACE).then_some(Vendors::HYPERV);
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::leaf::Registers;

    fn cpu(rows: &[(u32, [&[u8; 4]; 4])]) -> CpuLeaves {
        let mut cpu = CpuLeaves::new(0);
        for &(leaf, words) in rows {
            let [eax, ebx, ecx, edx] = words.map(|word| u32::from_le_bytes(*word));
            cpu.insert(Leaf(leaf), Subleaf(0), Registers::new(eax, ebx, ecx, edx));
        }
        cpu
    }

    #[test]
    fn hypervisor_with_the_interface_of_hyper_v_is_read_as_hyper_v_whatever_it_is_called() {
        let cpu = cpu(&[
            (0, [b"\x01\0\0\0", b"Genu", b"ntel", b"ineI"]),
            (0x4000_0000, [b"\x05\0\0@", b"Linu", b"x KV", b"M Hv"]),
            (0x4000_0001, [b"Hv#1", b"\0\0\0\0", b"\0\0\0\0", b"\0\0\0\0"]),
            (0x4000_0100, [b"\x01\x01\0@", b"KVMK", b"VMKV", b"M\0\0\0"]),
        ]);
        assert!(Vendors::of_cpu(&cpu).overlaps(Vendors::HYPERV));
        assert!(!Vendors::of_cpu(&cpu).overlaps(Vendors::KVM));
        let reading = Reading::of(&cpu, Leaf(0x4000_0101));
        assert_eq!(reading.leaf, Leaf(0x4000_0001));
        assert!(reading.vendors.overlaps(Vendors::KVM) && !reading.vendors.overlaps(Vendors::HYPERV));
    }

    #[test]
    fn other_leaves_are_read_where_they_stand_and_by_the_processor_alone() {
        let cpu = cpu(&[
            (0, [b"\x01\0\0\0", b"Auth", b"cAMD", b"enti"]),
            (0x4000_0000, [b"\x01\0\0@", b"KVMK", b"VMKV", b"M\0\0\0"]),
        ]);
        let reading = Reading::of(&cpu, Leaf(0x8000_0008));
        assert_eq!(reading.leaf, Leaf(0x8000_0008));
        assert_eq!(reading.vendors, Vendors::of(Vendor::Amd));
    }
}
