//! Predicts the CPU policy a guest gets: what libxl and libxc 4.20 ask the hypervisor for
//! (`xc_cpuid_apply_policy`), and what the hypervisor makes of it, step by step.

use schemars::JsonSchema;
use serde::Serialize;

use crate::leaf::Registers;
use crate::leafset::CpuLeaves;
use crate::xen::config::{CpuidConfig, MsrPolicy};
use crate::xen::features::{Features, StaticSet};
use crate::xen::featureset::Featureset;
use crate::xen::policy::{CpuPolicy, MAX_EXTENDED, MAX_EXTENDED_OTHER, PolicyVendor};

/// The policies of a host, as `xen-cpuid -p` prints them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostPolicies {
    /// What the processor says.
    pub raw: Option<CpuPolicy>,
    /// What Xen uses.
    pub host: Option<CpuPolicy>,
    /// What a PV guest may have.
    pub pv_max: Option<CpuPolicy>,
    /// What an HVM or PVH guest may have.
    pub hvm_max: Option<CpuPolicy>,
    /// What a PV guest has when nothing is asked for.
    pub pv_default: Option<CpuPolicy>,
    /// What an HVM or PVH guest has when nothing is asked for.
    pub hvm_default: Option<CpuPolicy>,
}

impl HostPolicies {
    /// Policies by the names of `xen-cpuid -p` (`Raw`, `Host`, `PV Max`, …, with or without ` policy`);
    /// others are left out. `None` without those of any type of guest.
    #[must_use]
    pub fn of<'a>(policies: impl IntoIterator<Item = (&'a str, &'a CpuLeaves)>) -> Option<Self> {
        let mut this = Self::default();
        for (name, cpu) in policies {
            let name = name.trim().trim_end_matches("policy").trim_end();
            let place = match name {
                "Raw" => &mut this.raw,
                "Host" => &mut this.host,
                "PV Max" => &mut this.pv_max,
                "HVM Max" => &mut this.hvm_max,
                "PV Default" => &mut this.pv_default,
                "HVM Default" => &mut this.hvm_default,
                _ => continue,
            };
            *place = Some(CpuPolicy::of(cpu));
        }
        let complete = [DomainType::Pv, DomainType::Hvm]
            .into_iter()
            .any(|kind| this.maximum_of(kind).is_some() && this.default_of(kind).is_some());
        complete.then_some(this)
    }

    /// What a type of guest may have; `None` when the host runs no such guests, for which Xen tells a
    /// policy of zeros.
    #[must_use]
    pub fn maximum_of(&self, kind: DomainType) -> Option<&CpuPolicy> {
        let policy = match kind {
            DomainType::Pv => self.pv_max.as_ref(),
            DomainType::Hvm | DomainType::Pvh => self.hvm_max.as_ref(),
        };
        policy.filter(|policy| policy.maxima().0 != 0)
    }

    /// What a type of guest has when nothing is asked for.
    #[must_use]
    pub fn default_of(&self, kind: DomainType) -> Option<&CpuPolicy> {
        let policy = match kind {
            DomainType::Pv => self.pv_default.as_ref(),
            DomainType::Hvm | DomainType::Pvh => self.hvm_default.as_ref(),
        };
        policy.filter(|policy| policy.maxima().0 != 0)
    }

    /// The featuresets `xen-cpuid` prints under "Dynamic sets".
    #[must_use]
    pub fn dynamic_sets(&self) -> Vec<(&'static str, Option<Featureset>)> {
        let set = |policy: &Option<CpuPolicy>| policy.as_ref().map(CpuPolicy::featureset);
        vec![
            ("Raw", set(&self.raw)),
            ("Host", set(&self.host)),
            ("PV Default", set(&self.pv_default)),
            ("HVM Default", set(&self.hvm_default)),
            ("PV Max", set(&self.pv_max)),
            ("HVM Max", set(&self.hvm_max)),
        ]
    }
}

/// Type of a guest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, JsonSchema, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum DomainType {
    /// Paravirtualised; xl's default.
    #[default]
    Pv,
    /// With a device model.
    Hvm,
    /// Hardware-assisted without a device model.
    Pvh,
}

impl DomainType {
    /// `pv`, `hvm`, `pvh`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pv => "pv",
            Self::Hvm => "hvm",
            Self::Pvh => "pvh",
        }
    }

    /// Reads a name as xl's `type=` does: its beginning suffices.
    #[must_use]
    pub fn read(name: &str) -> Option<Self> {
        [Self::Hvm, Self::Pv, Self::Pvh]
            .into_iter()
            .find(|kind| kind.name().starts_with(name))
    }

    /// HVM and PVH guests run in a hardware container.
    #[must_use]
    pub const fn is_hvm(self) -> bool {
        !matches!(self, Self::Pv)
    }
}

/// What a guest's configuration says that matters for its CPUs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Domain {
    /// `type`.
    pub kind: DomainType,
    /// `nestedhvm`.
    pub nested: bool,
    /// `hap`: hardware-assisted paging, where the host has it.
    pub hap: bool,
    /// `pae`; it counts for HVM guests only.
    pub pae: bool,
    /// The TSC is invariant: `nomigrate=1` or `tsc_mode="always_emulate"`.
    pub itsc: bool,
    /// `cpuid`.
    pub cpuid: CpuidConfig,
}

impl Default for Domain {
    fn default() -> Self {
        Self {
            kind: DomainType::default(),
            nested: false,
            hap: true,
            pae: true,
            itsc: false,
            cpuid: CpuidConfig::default(),
        }
    }
}

/// A guest that is not created.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct CreateFailure {
    /// What libxc or libxl prints, without the file and line of the source.
    pub message: String,
    /// Leaf and subleaf it is about.
    pub place: Option<(u32, Option<u32>)>,
}

/// Predicts the policy of a guest. `domid` is the number that messages name.
pub fn predict(
    features: &Features,
    policies: &HostPolicies,
    domain: &Domain,
    domid: u32,
) -> Result<CpuPolicy, CreateFailure> {
    let kind = domain.kind;
    let (Some(maximum), Some(default)) = (policies.maximum_of(kind), policies.default_of(kind)) else {
        return Err(invalid("domain creation fail: Invalid argument", None));
    };
    let host = policies.host.as_ref().unwrap_or(maximum);
    let machine = Machine {
        features,
        raw: policies.raw.as_ref().unwrap_or(host),
        host,
        maximum,
        domain,
    };
    if kind.is_hvm() && domain.nested && !machine.nested_is_supported() {
        return Err(invalid("domain creation fail: Invalid argument", None));
    }
    let mut policy = default.clone();
    machine.recalculate(&mut policy);

    let asked = machine.toolstack_default(default);
    machine.set(&mut policy, &asked.rows(), domid)?;
    if !domain.cpuid.cpuid.is_empty() {
        let rows = machine.apply_leaves(&policy, default)?;
        machine.set(&mut policy, &rows, domid)?;
    }
    for msr in &domain.cpuid.msr {
        machine.apply_msr(&mut policy, default, msr);
    }
    if !domain.cpuid.msr.is_empty() {
        machine.set(&mut policy, &[], domid)?;
    }
    Ok(policy)
}

fn invalid(message: &str, place: Option<(u32, Option<u32>)>) -> CreateFailure {
    CreateFailure {
        message: message.to_owned(),
        place,
    }
}

struct Machine<'a> {
    features: &'a Features,
    raw: &'a CpuPolicy,
    host: &'a CpuPolicy,
    maximum: &'a CpuPolicy,
    domain: &'a Domain,
}

impl Machine<'_> {
    /// SVM needs LBR virtualisation, next-RIP saving, flush by ASID and decode assists besides nested
    /// paging. What VMX needs is not told by CPUID.
    fn nested_is_supported(&self) -> bool {
        let needed = 1 | 1 << 1 | 1 << 3 | 1 << 6 | 1 << 7;
        match self.raw.vendor() {
            PolicyVendor::AmdOrHygon => self.raw.get(0x8000_000a, 0).edx & needed == needed,
            PolicyVendor::Intel | PolicyVendor::Other => self.has(&self.maximum.featureset(), "vmx"),
        }
    }

    fn has(&self, set: &Featureset, name: &str) -> bool {
        self.features.by_name(name).is_some_and(|feature| set.has(feature))
    }

    fn put(&self, set: &mut Featureset, name: &str, on: bool) {
        if let Some(feature) = self.features.by_name(name) {
            set.set(feature, on);
        }
    }

    /// What the toolstack asks for before it looks at `cpuid=`.
    fn toolstack_default(&self, default: &CpuPolicy) -> CpuPolicy {
        let mut policy = default.clone();
        let mut set = policy.featureset();
        let host = self.host.featureset();
        self.put(&mut set, "itsc", self.domain.itsc);
        if self.domain.kind.is_hvm() {
            let pae = self.domain.kind != DomainType::Hvm || self.domain.pae;
            self.put(&mut set, "pae", pae);
            self.put(&mut set, "vmx", self.domain.nested);
            self.put(&mut set, "svm", self.domain.nested);
            self.put(&mut set, "htt", true);
            self.put(&mut set, "cmp-legacy", false);
        } else {
            self.put(&mut set, "htt", self.has(&host, "htt"));
            self.put(&mut set, "cmp-legacy", self.has(&host, "cmp-legacy"));
        }
        policy.set_featureset(&set);
        if self.domain.kind.is_hvm() {
            spread_topology(&mut policy);
        }
        policy
    }

    /// Hands rows to the hypervisor.
    fn set(
        &self,
        policy: &mut CpuPolicy,
        rows: &[crate::xen::policy::PolicyRow],
        domid: u32,
    ) -> Result<(), CreateFailure> {
        policy.merge(rows);
        policy.trim();
        let (guest, limit) = (policy.maxima(), self.maximum.maxima());
        let (mut error, mut msr) = (None, None);
        if guest.0 > limit.0 {
            error = Some((0, None));
        } else if guest.1 > limit.1 {
            error = Some((7, Some(0)));
        } else if guest.2 > limit.2 {
            error = Some((0x8000_0000, None));
        } else if policy.platform_info & !self.maximum.platform_info != 0 {
            msr = Some(0xce);
        }
        if error.is_some() || msr.is_some() {
            let (leaf, subleaf) = error.unwrap_or((u32::MAX, None));
            let message = format!(
                "Failed to set d{domid}'s policy (err leaf {}, subleaf {}, msr {}) (22 = Invalid argument)",
                number(leaf),
                number(subleaf.unwrap_or(u32::MAX)),
                number(msr.unwrap_or(u32::MAX)),
            );
            return Err(invalid(&message, error));
        }
        self.recalculate(policy);
        Ok(())
    }

    /// The leaves of `cpuid=`, over the guest's present ones.
    fn apply_leaves(
        &self,
        policy: &CpuPolicy,
        default: &CpuPolicy,
    ) -> Result<Vec<crate::xen::policy::PolicyRow>, CreateFailure> {
        let mut rows = policy.rows();
        let (defaults, hosts) = (default.rows(), self.host.rows());
        for asked in &self.domain.cpuid.cpuid {
            let place = (asked.leaf, asked.subleaf);
            let is = |row: &&crate::xen::policy::PolicyRow| (row.leaf, row.subleaf) == place;
            let (default, host) = (defaults.iter().find(is), hosts.iter().find(is));
            let current = rows.iter_mut().find(|row| (row.leaf, row.subleaf) == place);
            let (Some(current), Some(default), Some(host)) = (current, default, host) else {
                let subleaf = asked.subleaf.unwrap_or(u32::MAX);
                let message = format!("Missing leaf {}, subleaf {}", number(asked.leaf), number(subleaf));
                return Err(invalid(&message, Some(place)));
            };
            current.registers = asked
                .apply(current.registers, default.registers, host.registers)
                .map_err(|(register, character)| {
                    let index = crate::bits::Register::ALL.iter().position(|&seen| seen == register);
                    let text = asked.register(register).map(super::config::Characters::text);
                    let message = format!(
                        "Bad character '{}' in policy[{}] string '{}'",
                        char::from(character),
                        index.unwrap_or(0),
                        text.unwrap_or_default()
                    );
                    invalid(&message, Some(place))
                })?;
        }
        Ok(rows)
    }

    fn apply_msr(&self, policy: &mut CpuPolicy, default: &CpuPolicy, msr: &MsrPolicy) {
        let value = |policy: &CpuPolicy| match msr.index {
            0x10a => policy.arch_caps,
            _ => policy.platform_info,
        };
        let new = msr.apply(value(policy), value(default), value(self.host));
        match msr.index {
            0x10a => policy.arch_caps = new,
            _ => policy.platform_info = new,
        }
    }

    /// What the hypervisor makes of a policy.
    fn recalculate(&self, policy: &mut CpuPolicy) {
        let (basic, feat, _) = self.maximum.maxima();
        let last = match policy.vendor() {
            PolicyVendor::AmdOrHygon => MAX_EXTENDED,
            PolicyVendor::Intel | PolicyVendor::Other => MAX_EXTENDED_OTHER,
        } & 0xffff;
        policy.change(0, 0, |row| row.eax = row.eax.min(basic));
        policy.change(7, 0, |row| row.eax = row.eax.min(feat));
        policy.change(0x8000_0000, 0, |row| {
            row.eax = 0x8000_0000 | (row.eax & 0xffff).min(last)
        });

        let mut set = policy.featureset().and(&self.limit());
        if policy.get(0, 0).eax < 0xd {
            self.put(&mut set, "xsave", false);
        }
        let (mut set, _) = self.features.sanitise(&set);
        let host = self.host.featureset();
        for name in ["fdp-excp-only", "no-fpu-sel"] {
            self.put(&mut set, name, self.has(&host, name));
        }
        policy.set_featureset(&set);

        let size = self.maximum.get(1, 0).ebx & 0xff00;
        policy.change(1, 0, |row| row.ebx = (row.ebx & !0xff00) | size);
        self.address_widths(policy, &set);
        policy.recalculate_xstate(self.raw);
        policy.recalculate_misc();
        policy.tidy_caches();
        // The virtual PMU is off unless Xen's command line turns it on.
        policy.drop_leaf(0xa);
        if !self.has(&set, "svm") {
            policy.drop_leaf(0x8000_000a);
        }
        if !self.has(&set, "page1gb") {
            policy.drop_leaf(0x8000_0019);
        }
    }

    /// Features this guest may have.
    fn limit(&self) -> Featureset {
        let mut limit = self.maximum.featureset();
        if self.domain.kind.is_hvm() {
            if !self.domain.hap {
                limit = limit.and(&self.features.static_set(StaticSet::HvmShadowMax));
            }
            if !self.domain.nested {
                self.put(&mut limit, "vmx", false);
                self.put(&mut limit, "svm", false);
            }
        }
        limit
    }

    fn address_widths(&self, policy: &mut CpuPolicy, set: &Featureset) {
        let raw = self.raw.get(0x8000_0008, 0).eax;
        let physical = |eax: u32| eax & 0xff;
        let hap = self.domain.kind.is_hvm() && self.domain.hap;
        let mut most = physical(raw);
        if hap && raw >> 16 & 0xff != 0 {
            most = raw >> 16 & 0xff;
        }
        if self.domain.kind.is_hvm() {
            // Without nested paging, frame numbers of large pages are kept in 32 bits.
            most = most.min(if hap { 48 } else { 44 });
        }
        let least = if self.has(set, "pae") || self.has(set, "pse36") {
            36
        } else {
            32
        };
        let linear = if self.has(set, "lm") { 48 } else { 32 };
        let limit = physical(self.maximum.get(0x8000_0008, 0).eax);
        policy.change(0x8000_0008, 0, |row| {
            let width = physical(row.eax).min(limit).min(most).max(least);
            row.eax = (row.eax & 0xffff_0000) | linear << 8 | width;
        });
    }
}

/// An APIC id is twice the number of its virtual CPU, so that there seem to be no hyper-threads.
fn spread_topology(policy: &mut CpuPolicy) {
    policy.change(1, 0, |row| {
        let count = match row.ebx >> 16 & 0xff {
            0 => 2,
            count if count & 0x80 == 0 => count << 1,
            count => count,
        };
        row.ebx = (row.ebx & !0x00ff_0000) | count << 16;
    });
    match policy.vendor() {
        PolicyVendor::Intel => {
            for subleaf in (0..6)
                .take_while(|&subleaf| policy.get(4, subleaf).eax & 0x1f != 0)
                .collect::<Vec<_>>()
            {
                policy.change(4, subleaf, |row| {
                    let cores = (row.eax >> 26 << 1 | 1) & 0x3f;
                    row.eax = (row.eax & 0x3fff) | cores << 26;
                });
            }
        }
        PolicyVendor::AmdOrHygon => policy.change(0x8000_0008, 0, |row: &mut Registers| {
            let (cores, size) = (row.ecx & 0xff, row.ecx >> 12 & 0xf);
            if cores < 0x7f {
                let size = if size != 0 && size < 7 {
                    size.saturating_add(1)
                } else {
                    size
                };
                row.ecx = (row.ecx & !0xf0ff) | size << 12 | cores << 1 | 1;
            }
        }),
        PolicyVendor::Other => {}
    }
}

/// `%#x` of printf.
fn number(value: u32) -> String {
    if value == 0 {
        "0".to_owned()
    } else {
        format!("{value:#x}")
    }
}
