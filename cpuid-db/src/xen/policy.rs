//! A CPU policy as Xen 4.20 keeps it (`xen/lib/x86/cpu-policy.h`): which leaves it has, how it is written
//! out, and what the hypervisor makes of one that a toolstack hands in (`recalculate_cpuid_policy`).

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::bits::{Register, halves};
use crate::leaf::{Leaf, Registers, Subleaf};
use crate::leafset::CpuLeaves;
use crate::xen::featureset::{Featureset, ORDER};
use crate::xen::libxl::written_subleaf;

/// Highest basic leaf of a policy.
pub const MAX_BASIC: u32 = 0xd;
/// Highest subleaf of leaf 7.
pub const MAX_FEAT: u32 = 2;
/// Highest extended leaf of an AMD or Hygon guest.
pub const MAX_EXTENDED: u32 = 0x8000_0021;
/// Highest extended leaf of other guests.
pub const MAX_EXTENDED_OTHER: u32 = 0x8000_0008;
const CACHES: u32 = 6;
const TOPOLOGIES: u32 = 2;
const XSTATES: u32 = 63;
const PLATFORM_INFO: u32 = 0xce;
const ARCH_CAPS: u32 = 0x10a;

/// A row as `xen-cpuid -p` prints it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PolicyRow {
    /// Leaf.
    pub leaf: u32,
    /// Subleaf; `None` is printed as ffffffff.
    pub subleaf: Option<u32>,
    /// Registers.
    pub registers: Registers,
}

/// Whose processor a policy shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PolicyVendor {
    Intel,
    AmdOrHygon,
    Other,
}

/// A CPU policy. Leaves that are all zero are not kept, but are written where Xen writes them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CpuPolicy {
    rows: BTreeMap<(u32, u32), Registers>,
    /// MSR 0xce.
    pub platform_info: u64,
    /// MSR 0x10a.
    pub arch_caps: u64,
}

impl CpuPolicy {
    /// A policy of rows and MSRs, as `xen-cpuid -p` gives them.
    #[must_use]
    pub fn of(cpu: &CpuLeaves) -> Self {
        let mut policy = Self {
            platform_info: cpu.msr(PLATFORM_INFO).unwrap_or(0),
            arch_caps: cpu.msr(ARCH_CAPS).unwrap_or(0),
            ..Self::default()
        };
        for (leaf, subleaf, registers) in cpu.rows() {
            let subleaf = written_subleaf(leaf.0, subleaf).unwrap_or(0);
            policy.put(leaf.0, subleaf, registers);
        }
        policy
    }

    /// As rows and MSRs.
    #[must_use]
    pub fn leaves(&self) -> CpuLeaves {
        let mut cpu = CpuLeaves::new(0);
        for row in self.rows().iter().filter(|row| !row.registers.is_zero()) {
            cpu.insert(Leaf(row.leaf), Subleaf(row.subleaf.unwrap_or(0)), row.registers);
        }
        for (index, value) in self.msrs() {
            cpu.insert_msr(index, value);
        }
        cpu
    }

    /// Registers of a leaf; zeros where there is none.
    #[must_use]
    pub fn get(&self, leaf: u32, subleaf: u32) -> Registers {
        self.rows.get(&(leaf, subleaf)).copied().unwrap_or_default()
    }

    pub(crate) fn put(&mut self, leaf: u32, subleaf: u32, registers: Registers) {
        if registers.is_zero() {
            self.rows.remove(&(leaf, subleaf));
        } else {
            self.rows.insert((leaf, subleaf), registers);
        }
    }

    pub(crate) fn change(&mut self, leaf: u32, subleaf: u32, change: impl FnOnce(&mut Registers)) {
        let mut registers = self.get(leaf, subleaf);
        change(&mut registers);
        self.put(leaf, subleaf, registers);
    }

    fn drop_leaves(&mut self, first: u32, last: u32) {
        self.rows.retain(|&(leaf, _), _| leaf < first || leaf > last);
    }

    fn drop_subleaves(&mut self, leaf: u32, from: u32) {
        self.rows.retain(|&(seen, subleaf), _| seen != leaf || subleaf < from);
    }

    /// The features.
    #[must_use]
    pub fn featureset(&self) -> Featureset {
        let mut set = Featureset::default();
        let [low, high] = halves(self.arch_caps);
        for (value, place) in set.0.iter_mut().zip(&ORDER) {
            let word = place.word;
            *value = match word.place {
                crate::bits::Place::Leaf(leaf) => word.register.of(self.get(leaf, word.subleaf.0)),
                crate::bits::Place::Msr(_) if word.register == Register::Edx => high,
                crate::bits::Place::Msr(_) => low,
            };
        }
        set
    }

    /// Replaces the features.
    pub fn set_featureset(&mut self, set: &Featureset) {
        for (&value, place) in set.0.iter().zip(&ORDER) {
            let word = place.word;
            match word.place {
                crate::bits::Place::Leaf(leaf) => self.change(leaf, word.subleaf.0, |registers| {
                    *word.register.of_mut(registers) = value;
                }),
                crate::bits::Place::Msr(_) if word.register == Register::Edx => {
                    self.arch_caps = (self.arch_caps & 0xffff_ffff) | (u64::from(value) << 32);
                }
                crate::bits::Place::Msr(_) => {
                    self.arch_caps = (self.arch_caps & !0xffff_ffff) | u64::from(value);
                }
            }
        }
    }

    pub(crate) fn vendor(&self) -> PolicyVendor {
        let registers = self.get(0, 0);
        let text = [registers.ebx, registers.edx, registers.ecx];
        let is = |name: &[u8; 12]| text.iter().flat_map(|word| word.to_le_bytes()).eq(name.iter().copied());
        if is(b"GenuineIntel") {
            PolicyVendor::Intel
        } else if is(b"AuthenticAMD") || is(b"HygonGenuine") {
            PolicyVendor::AmdOrHygon
        } else {
            PolicyVendor::Other
        }
    }

    /// Highest basic leaf, highest subleaf of leaf 7, highest extended leaf.
    #[must_use]
    pub fn maxima(&self) -> (u32, u32, u32) {
        (self.get(0, 0).eax, self.get(7, 0).eax, self.get(0x8000_0000, 0).eax)
    }

    /// XCR0 and XSS bits a guest can set.
    fn xstates(&self) -> u64 {
        let (zero, one) = (self.get(0xd, 0), self.get(0xd, 1));
        (u64::from(zero.edx | one.edx) << 32) | u64::from(zero.eax | one.ecx)
    }

    /// The leaves in the order and to the extent Xen writes them, zeros included.
    #[must_use]
    pub fn rows(&self) -> Vec<PolicyRow> {
        let mut out = Vec::new();
        let mut push = |leaf: u32, subleaf: Option<u32>| {
            out.push(PolicyRow {
                leaf,
                subleaf,
                registers: self.get(leaf, subleaf.unwrap_or(0)),
            });
        };
        let (basic, feat, extended) = self.maxima();
        for leaf in 0..=basic.min(MAX_BASIC) {
            match leaf {
                4 => self.until_type_zero(4, CACHES, |row| row.eax & 0x1f, &mut push),
                7 => (0..=feat.min(MAX_FEAT)).for_each(|subleaf| push(7, Some(subleaf))),
                0xb => self.until_type_zero(0xb, TOPOLOGIES, |row| row.ecx >> 8 & 0xff, &mut push),
                0xd => {
                    let top = u32::BITS
                        .saturating_mul(2)
                        .saturating_sub(self.xstates().leading_zeros());
                    (0..top.clamp(2, XSTATES)).for_each(|subleaf| push(0xd, Some(subleaf)));
                }
                _ => push(leaf, None),
            }
        }
        push(0x4000_0000, None);
        push(0x4000_0100, None);
        let last = (extended & 0xffff).min(MAX_EXTENDED & 0xffff);
        (0..=last).for_each(|leaf| push(0x8000_0000 | leaf, None));
        out
    }

    /// Subleaves up to and with the first of type 0.
    fn until_type_zero(
        &self,
        leaf: u32,
        count: u32,
        kind: impl Fn(Registers) -> u32,
        push: &mut impl FnMut(u32, Option<u32>),
    ) {
        for subleaf in 0..count {
            push(leaf, Some(subleaf));
            if kind(self.get(leaf, subleaf)) == 0 {
                break;
            }
        }
    }

    /// Takes rows in, as Xen takes those of a toolstack.
    pub(crate) fn merge(&mut self, rows: &[PolicyRow]) {
        for row in rows {
            let mut registers = row.registers;
            if matches!(row.leaf, 0x4000_0000 | 0x4000_0100) {
                registers = Registers::new(registers.eax & 0xff, 0, 0, 0);
            }
            self.put(row.leaf, row.subleaf.unwrap_or(0), registers);
        }
    }

    /// Drops leaves beyond the maxima.
    pub(crate) fn trim(&mut self) {
        let (basic, feat, extended) = self.maxima();
        self.drop_leaves(basic.saturating_add(1), 0x3fff_ffff);
        if basic >= 7 {
            self.drop_subleaves(7, feat.saturating_add(1));
        }
        self.trim_after_type_zero(4, |row| row.eax & 0x1f);
        self.trim_after_type_zero(0xb, |row| row.ecx >> 8 & 0xff);
        if self.xstates() == 0 {
            self.drop_subleaves(0xd, 0);
        }
        let top = 64_u32.saturating_sub(self.xstates().leading_zeros()).max(2);
        self.drop_subleaves(0xd, top);
        self.drop_leaves((0x8000_0000 | (extended & 0xffff)).saturating_add(1), u32::MAX);
    }

    fn trim_after_type_zero(&mut self, leaf: u32, kind: impl Fn(Registers) -> u32) {
        let first = (0..).find(|&subleaf| kind(self.get(leaf, subleaf)) == 0);
        self.drop_subleaves(leaf, first.unwrap_or(0));
    }

    /// Derives leaf 0xd from the features; sizes and places of the states are the host's.
    pub(crate) fn recalculate_xstate(&mut self, raw: &Self) {
        let one = self.get(0xd, 1).eax;
        self.drop_subleaves(0xd, 0);
        let (ecx, feat) = (self.get(1, 0).ecx, self.get(7, 0));
        if ecx >> 26 & 1 == 0 {
            return;
        }
        let mut states = 0b11_u64;
        let mut add = |present: bool, bits: u64| states |= if present { bits } else { 0 };
        add(ecx >> 28 & 1 == 1, 1 << 2);
        add(feat.ebx >> 14 & 1 == 1, 0b11 << 3);
        add(feat.ebx >> 16 & 1 == 1, 0b111 << 5);
        add(feat.ecx >> 3 & 1 == 1, 1 << 9);
        add(feat.edx >> 24 & 1 == 1, 0b11 << 17);
        let mut size = 576;
        let compact_bits = (one >> 1 & 1) << 1 | (one >> 3 & 1);
        for state in (2..XSTATES).filter(|state| states >> state & 1 == 1) {
            let host = raw.get(0xd, state);
            size = size.max(host.eax.saturating_add(host.ebx));
            let row = Registers::new(host.eax, host.ebx, host.ecx & compact_bits, 0);
            self.put(0xd, state, row);
        }
        let [low, high] = halves(states);
        self.put(0xd, 0, Registers::new(low, 0, size, high));
        self.put(0xd, 1, Registers::new(one, 0, 0, 0));
    }

    /// Drops and repeats what is the hypervisor's own affair.
    pub(crate) fn recalculate_misc(&mut self) {
        self.change(1, 0, |row| {
            row.eax &= 0x0fff_0fff;
            row.ebx &= 0x00ff_ffff;
        });
        for leaf in [5, 6, 8, 0xb, 0xc] {
            self.drop_leaves(leaf, leaf);
        }
        self.change(0x8000_0001, 0, |row| row.edx &= !crate::bits::COMMON_1D);
        self.change(0x8000_0007, 0, |row| (row.eax, row.ebx, row.ecx) = (0, 0, 0));
        self.change(0x8000_0008, 0, |row| row.edx = 0);
        match self.vendor() {
            PolicyVendor::Intel => self.hide_intel(),
            PolicyVendor::AmdOrHygon => self.hide_amd(),
            PolicyVendor::Other => {}
        }
    }

    fn hide_intel(&mut self) {
        self.change(2, 0, |row| row.eax = (row.eax & !0xff) | 1);
        self.drop_leaves(3, 3);
        self.drop_leaves(9, 9);
        self.change(0x8000_0000, 0, |row| (row.ebx, row.ecx, row.edx) = (0, 0, 0));
        self.change(0x8000_0001, 0, |row| (row.eax, row.ebx) = (0, 0));
        self.drop_leaves(0x8000_0005, 0x8000_0005);
        self.change(0x8000_0006, 0, |row| (row.eax, row.ebx, row.edx) = (0, 0, 0));
        self.change(0x8000_0008, 0, |row| {
            row.eax &= 0xffff;
            row.ecx = 0;
        });
    }

    fn hide_amd(&mut self) {
        self.drop_leaves(2, 4);
        self.drop_leaves(9, 0xa);
        let (zero, one) = (self.get(0, 0), self.get(1, 0));
        self.change(0x8000_0000, 0, |row| {
            (row.ebx, row.ecx, row.edx) = (zero.ebx, zero.ecx, zero.edx);
        });
        self.change(0x8000_0001, 0, |row| {
            row.eax = one.eax;
            row.ebx &= 0xff00_ffff;
            row.edx |= one.edx & crate::bits::COMMON_1D;
        });
        self.change(0x8000_0008, 0, |row| {
            row.eax &= 0xffff;
            row.ecx &= 0x0003_f0ff;
        });
        self.drop_leaves(0x8000_0009, 0x8000_0009);
        self.drop_leaves(0x8000_000b, 0x8000_0018);
        self.drop_leaves(0x8000_001b, 0x8000_0020);
        self.change(0x8000_0021, 0, |row| (row.ebx, row.edx) = (0, 0));
    }

    /// Clears reserved bits of leaf 4 and what follows its last cache.
    pub(crate) fn tidy_caches(&mut self) {
        for subleaf in 0..CACHES {
            if (1..=3).contains(&(self.get(4, subleaf).eax & 0x1f)) {
                self.change(4, subleaf, |row| {
                    row.eax &= 0xffff_c3ff;
                    row.edx &= 7;
                });
            } else {
                self.drop_subleaves(4, subleaf);
                break;
            }
        }
    }

    pub(crate) fn drop_leaf(&mut self, leaf: u32) {
        self.drop_leaves(leaf, leaf);
    }

    /// The MSRs of a policy.
    #[must_use]
    pub const fn msrs(&self) -> [(u32, u64); 2] {
        [(PLATFORM_INFO, self.platform_info), (ARCH_CAPS, self.arch_caps)]
    }

    /// What `xen-cpuid -p` prints for it.
    #[must_use]
    pub fn text(&self, name: &str) -> String {
        let (rows, msrs) = (self.rows(), self.msrs());
        let mut out = format!("{name} policy: {} leaves, {} MSRs\n CPUID:\n", rows.len(), msrs.len());
        let _ = writeln!(
            out,
            "  {:<8} {:<8} -> {:<8} {:<8} {:<8} {:<8}",
            "leaf", "subleaf", "eax", "ebx", "ecx", "edx"
        );
        for row in rows.iter().filter(|row| !row.registers.is_zero()) {
            let subleaf = row.subleaf.unwrap_or(u32::MAX);
            let Registers { eax, ebx, ecx, edx } = row.registers;
            let _ = writeln!(
                out,
                "  {:08x}:{subleaf:08x} -> {eax:08x}:{ebx:08x}:{ecx:08x}:{edx:08x}",
                row.leaf
            );
        }
        let _ = writeln!(out, " MSRs:\n  {:<8} -> {:<16}", "index", "value");
        for (index, value) in msrs {
            let _ = writeln!(out, "  {index:08x} -> {value:016x}");
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(rows: &[(u32, u32, [u32; 4])]) -> CpuPolicy {
        let mut policy = CpuPolicy::default();
        for &(leaf, subleaf, [a, b, c, d]) in rows {
            policy.put(leaf, subleaf, Registers::new(a, b, c, d));
        }
        policy
    }

    #[test]
    fn leaves_within_the_maxima_are_counted_with_their_zeros() {
        let policy = policy(&[
            (0, 0, [7, 0, 0, 0]),
            (7, 0, [1, 0, 0, 0]),
            (0x8000_0000, 0, [0x8000_0004, 0, 0, 0]),
        ]);
        // 0 to 3, 4.0, 5, 6, 7.0, 7.1, two of the hypervisor, five extended.
        assert_eq!(policy.rows().len(), 4 + 1 + 2 + 2 + 2 + 5);
        assert!(
            policy
                .text("Domain 3")
                .starts_with("Domain 3 policy: 16 leaves, 2 MSRs\n")
        );
    }

    #[test]
    fn xsave_area_is_as_large_as_its_last_state_on_the_host() {
        let raw = policy(&[(0xd, 2, [0x100, 0x240, 0, 0]), (0xd, 9, [8, 0x980, 2, 0])]);
        let mut guest = policy(&[(1, 0, [0, 0, 1 << 26 | 1 << 28, 0]), (7, 0, [0, 0, 8, 0])]);
        guest.put(0xd, 1, Registers::new(2, 0, 0, 0));
        guest.recalculate_xstate(&raw);
        assert_eq!(guest.get(0xd, 0), Registers::new(0x207, 0, 0x988, 0));
        assert_eq!(guest.get(0xd, 9), Registers::new(8, 0x980, 2, 0));
        guest.put(1, 0, Registers::default());
        guest.recalculate_xstate(&raw);
        assert_eq!(guest.get(0xd, 0), Registers::default());
    }

    #[test]
    fn leaves_above_a_lowered_maximum_go() {
        let mut guest = policy(&[
            (0, 0, [4, 0, 0, 0]),
            (4, 0, [1, 0, 0, 0]),
            (4, 2, [1, 0, 0, 0]),
            (7, 0, [0, 9, 0, 0]),
        ]);
        guest.trim();
        assert_eq!(guest.get(4, 0).eax, 1);
        assert_eq!((guest.get(4, 2).eax, guest.get(7, 0).ebx), (0, 0));
    }

    #[test]
    fn features_and_back_are_the_same_policy() {
        let mut guest = policy(&[(1, 0, [1, 2, 3, 4]), (0x8000_0021, 0, [5, 6, 7, 8])]);
        guest.arch_caps = 0x4000_0000_0000_0001;
        let same = guest.clone();
        guest.set_featureset(&same.featureset());
        assert_eq!(guest, same);
    }
}
