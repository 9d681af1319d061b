//! CPUs of a CPUID dump: leaf 0 has the vendor, leaf 1 signature and hypervisor bit. Dumps with
//! model-specific registers have platform (17h) and revision (8Bh) as well.

use cpuid_db::{CacheKind, CpuLeaves, Identity, Leaf, LeafSet, Subleaf, cache, topology};

use super::{Cpu, Vendor};
use crate::ids::{PlatformMask, Revision, Signature};

const PLATFORM_ID: u32 = 0x17;
const REVISION: u32 = 0x8b;

/// CPUs that are alike are one.
#[must_use]
pub fn from_leaves(origin: &str, set: &LeafSet) -> Vec<Cpu> {
    super::cpuinfo::alike(set.cpus().iter().map(|leaves| one(origin, leaves)).collect())
}

fn one(origin: &str, leaves: &CpuLeaves) -> Cpu {
    let identity = Identity::of(leaves);
    let vendor = super::vendor(identity.vendor_name.as_deref().unwrap_or_default());
    let mut cpu = Cpu::new(origin, vendor);
    cpu.signature = identity.signature.map(|signature| Signature(signature.0));
    cpu.hypervisor = (identity.under_hypervisor || (!leaves.partial && leaves.leaf(1).is_some()))
        .then_some(identity.under_hypervisor);
    let features = leaves.get(Leaf(7), Subleaf(1));
    cpu.fred = features.map(|row| row.eax & 1 << 17 != 0);
    cpu.cache_per_core = cache_per_core(leaves, &identity);
    cpu.name = identity.brand;
    cpu.cpus = vec![leaves.number];
    cpu.revision = leaves.msr(REVISION).map(|value| match vendor {
        Vendor::Intel => high(value),
        _ => low(value),
    });
    if vendor == Vendor::Intel {
        cpu.platform = leaves
            .msr(PLATFORM_ID)
            .map(|value| PlatformMask(1 << (value >> 50 & 7)));
    }
    cpu
}

fn high(value: u64) -> Revision {
    let [.., a, b, c, d] = value.to_le_bytes();
    Revision(u32::from_le_bytes([a, b, c, d]))
}

fn low(value: u64) -> Revision {
    let [a, b, c, d, ..] = value.to_le_bytes();
    Revision(u32::from_le_bytes([a, b, c, d]))
}

/// The last level of the caches, divided by the cores of the package.
fn cache_per_core(leaves: &CpuLeaves, identity: &Identity) -> Option<u64> {
    let caches = cache::describe(leaves, identity);
    let unified = caches.iter().filter(|cache| cache.kind == CacheKind::Unified);
    let last = unified.max_by_key(|cache| cache.level)?;
    last.size.checked_div(u64::from(topology::declared(leaves)?.cores?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use cpuid_db::Registers;

    fn leaves(number: u32) -> CpuLeaves {
        let mut cpu = CpuLeaves::new(number);
        cpu.insert(
            Leaf(0),
            Subleaf(0),
            Registers::new(7, 0x756e_6547, 0x6c65_746e, 0x4965_6e69),
        );
        cpu.insert(Leaf(1), Subleaf(0), Registers::new(0x806e9, 0, 0x8000_0000, 0));
        cpu
    }

    #[test]
    fn leaves_give_vendor_signature_and_hypervisor() {
        let cpus = from_leaves("dump", &LeafSet::from_iter([leaves(0), leaves(1)]));
        let [cpu] = &cpus[..] else { panic!("{cpus:?}") };
        assert_eq!((cpu.vendor, cpu.signature), (Vendor::Intel, Some(Signature(0x806e9))));
        assert_eq!((cpu.hypervisor, cpu.revision, cpu.platform), (Some(true), None, None));
        assert_eq!(cpu.cpus, [0, 1]);
    }

    #[test]
    fn registers_give_platform_and_revision() {
        let mut one_cpu = leaves(0);
        one_cpu.insert_msr(PLATFORM_ID, 6 << 50);
        one_cpu.insert_msr(REVISION, 0xf0 << 32);
        let cpus = from_leaves("dump", &LeafSet::from_iter([one_cpu]));
        assert_eq!(
            (cpus[0].platform, cpus[0].revision),
            (Some(PlatformMask(0x40)), Some(Revision(0xf0)))
        );
    }

    #[test]
    fn dump_of_features_alone_does_not_deny_a_hypervisor() {
        let mut cpu = CpuLeaves::new(0);
        cpu.partial = true;
        cpu.insert(Leaf(1), Subleaf(0), Registers::new(0x806e9, 0, 0, 0));
        assert_eq!(from_leaves("flags", &LeafSet::from_iter([cpu]))[0].hypervisor, None);
    }
}
