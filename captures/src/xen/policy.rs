//! CPU policies of Xen, written as `xen-cpuid -p` prints them.
//!
//! xen/include/public/arch-x86/xen.h: `xen_cpuid_leaf_t`, `xen_msr_entry_t`; domctl.h and sysctl.h:
//! `get_cpu_policy`.

use std::fmt::Write;

use rustix::io::Errno;

use super::call::{Call, Hypercall, Hypercalls, items, u32_at, u64_at};
use super::sysctl::Sysctl;

/// Names of the host's policies, by `XEN_SYSCTL_cpu_policy_*`.
const NAMES: [&str; 6] = ["Raw", "Host", "PV Max", "HVM Max", "PV Default", "HVM Default"];

/// More leaves or MSRs are not believed; Xen 4.20 has 126 and 2.
const LIMIT: u32 = 1 << 14;

const GET_CPU_POLICY: u32 = 82;
/// Length of `struct xen_domctl`.
const LENGTH: usize = 144;

/// Versions of the domctl interface that are known to have the same `get_cpu_policy`.
const VERSIONS: [u32; 7] = [0x17, 0x18, 0x16, 0x15, 0x14, 0x13, 0x12];

/// A policy as it comes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Serialised {
    /// Leaf, subleaf, four registers.
    pub(super) leaves: Vec<[u32; 6]>,
    /// Index and value.
    pub(super) msrs: Vec<(u32, u64)>,
}

impl Serialised {
    /// Gives a call room for a policy: places of the two counts and the two addresses.
    pub(super) fn room(call: Call, size: (u32, u32), [leaves, msrs, leaf_buffer, msr_buffer]: [usize; 4]) -> Call {
        let (leaf_count, msr_count) = (size.0.min(LIMIT), size.1.min(LIMIT));
        let bytes = |count: u32, length: usize| vec![0; usize::try_from(count).unwrap_or(0).saturating_mul(length)];
        call.number(leaves, leaf_count)
            .number(msrs, msr_count)
            .buffer(leaf_buffer, bytes(leaf_count, 24))
            .buffer(msr_buffer, bytes(msr_count, 16))
    }

    /// Reads the answer.
    pub(super) fn read(call: &Call, [leaves, msrs]: [usize; 2]) -> Self {
        let leaf = |leaf: &[u8; 24]| [0, 4, 8, 12, 16, 20].map(|at| u32_at(leaf, at));
        Self {
            leaves: items(call.answer(0), call.u32(leaves)).map(leaf).collect(),
            msrs: items::<16>(call.answer(1), call.u32(msrs))
                .map(|msr| (u32_at(msr, 0), u64_at(msr, 8)))
                .collect(),
        }
    }

    /// Appends the text; leaves of zeros are left out of it, and counted.
    fn write(&self, name: &str, text: &mut String) {
        let (leaves, msrs) = (self.leaves.len(), self.msrs.len());
        let _ = writeln!(text, "{name} policy: {leaves} leaves, {msrs} MSRs\n CPUID:");
        text.push_str("  leaf     subleaf  -> eax      ebx      ecx      edx     \n");
        for [leaf, subleaf, a, b, c, d] in &self.leaves {
            if [*a, *b, *c, *d] != [0; 4] {
                let _ = writeln!(text, "  {leaf:08x}:{subleaf:08x} -> {a:08x}:{b:08x}:{c:08x}:{d:08x}");
            }
        }
        text.push_str(" MSRs:\n  index    -> value           \n");
        for (index, value) in &self.msrs {
            let _ = writeln!(text, "  {index:08x} -> {value:016x}");
        }
    }
}

/// The host's policies.
pub(super) fn of_host(sysctl: &Sysctl<'_>) -> Result<String, Errno> {
    let size = sysctl.policy_size()?;
    let (leaves, msrs) = size;
    let mut text = format!("Xen reports there are maximum {leaves} leaves and {msrs} MSRs\n");
    for (index, name) in (0..).zip(NAMES) {
        match sysctl.policy(index, size) {
            Ok(policy) => policy.write(name, &mut text),
            Err(Errno::OPNOTSUPP) => {
                let _ = writeln!(text, "{name} policy not supported by Xen");
            }
            Err(error) => return Err(error),
        }
    }
    Ok(text)
}

/// The policy of one domain; ESRCH when there is none of this number.
pub(super) fn of_domain(xen: &dyn Hypercalls, size: (u32, u32), domain: u16) -> Result<String, Errno> {
    for version in VERSIONS {
        let call = Call::new(Hypercall::Domctl, LENGTH)
            .number(0, GET_CPU_POLICY)
            .number(4, version)
            .set(8, domain.to_le_bytes());
        let mut call = Serialised::room(call, size, [16, 20, 24, 32]);
        match xen.make(&mut call) {
            Err(Errno::ACCESS) => {}
            Err(error) => return Err(error),
            Ok(_) => {
                let mut text = String::new();
                Serialised::read(&call, [16, 20]).write(&format!("Domain {domain}"), &mut text);
                return Ok(text);
            }
        }
    }
    Err(Errno::ACCESS)
}
