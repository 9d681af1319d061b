//! Whether a guest starts on a host.

use super::{Context, Findings};
use crate::libvirt::compare::{Comparison, compare};
use crate::libvirt::cpu::{Kind, LibvirtCpu, Match, Mode, Policy};
use crate::libvirt::set::FeatureSet;

/// Features that KVM offers on every host, by software.
const BY_SOFTWARE: [&str; 6] = ["hypervisor", "x2apic", "tsc-deadline", "tsc_adjust", "arat", "umip"];

impl Context<'_> {
    pub(super) fn host(&self, host: &LibvirtCpu, findings: &mut Findings) {
        if self.cpu.kind == Kind::Host {
            return;
        }
        let Ok(has) = host.features(self.map) else {
            findings.error(
                None,
                "host",
                "the host's definition has a model or feature libvirt does not know".to_owned(),
                "give a dump of the host instead".to_owned(),
            );
            return;
        };
        self.vendors(host, findings);
        self.settings(has, findings);
        if self.model_counts() {
            self.of_model(has, findings);
            if self.cpu.matching == Match::Strict
                && let Ok(Comparison::Incompatible(why)) = compare(self.map, host, self.cpu)
                && why.contains("strictly")
            {
                let advice = "use match='exact'".to_owned();
                findings.error(self.cpu.at, "match", why, advice);
            }
        }
    }

    fn vendors(&self, host: &LibvirtCpu, findings: &mut Findings) {
        let model = self.cpu.model.as_ref().filter(|_| self.model_counts());
        if let Some(vendor) = &self.cpu.vendor {
            if host.vendor.as_ref() != Some(vendor) {
                findings.error(
                    self.cpu.vendor_at,
                    vendor,
                    format!("host CPU vendor does not match required CPU vendor {vendor}"),
                    format!("the host is of {}", host.vendor.as_deref().unwrap_or("another vendor")),
                );
            }
        } else if let Some(of_model) = model.and_then(|name| self.map.model(name)?.vendor())
            && host.vendor.as_deref().is_some_and(|vendor| vendor != of_model.name)
        {
            let model = model.map_or("", String::as_str);
            findings.warn(
                self.cpu.model_at,
                model,
                format!("{model} is a model of {}, the host is not", of_model.name),
                "use a model of the host's vendor".to_owned(),
            );
        }
    }

    /// Settings that do not fit the host.
    fn settings(&self, has: FeatureSet, findings: &mut Findings) {
        for setting in &self.cpu.features {
            let Some(place) = self.map.find(&setting.name) else {
                continue;
            };
            let name = &setting.name;
            match (Self::policy(setting), has.has(place)) {
                (Policy::Require, false) if BY_SOFTWARE.contains(&name.as_str()) => {}
                (Policy::Require, false) => findings.error(
                    setting.at,
                    name,
                    format!("the host does not have {name}"),
                    "disable it, or make it optional".to_owned(),
                ),
                (Policy::Forbid, true) => findings.error(
                    setting.at,
                    name,
                    format!("the host has {name}, so the guest does not start"),
                    "disable it instead".to_owned(),
                ),
                (Policy::Force, false) => findings.warn(
                    setting.at,
                    name,
                    format!("the guest is told of {name}, which the host does not have"),
                    "software that uses it fails, unless it is emulated".to_owned(),
                ),
                _ => {}
            }
        }
    }

    /// Features of the model that the host lacks and no setting decides.
    fn of_model(&self, has: FeatureSet, findings: &mut Findings) {
        let Some(model) = self.cpu.model.as_ref().and_then(|name| self.map.model(name)) else {
            return;
        };
        let missing: Vec<&str> = self
            .map
            .names(model.features.without(has))
            .filter(|name| self.cpu.feature(name).is_none() && !BY_SOFTWARE.contains(name))
            .collect();
        if missing.is_empty() || self.cpu.mode != Mode::Custom {
            return;
        }
        findings.error(
            self.cpu.model_at,
            model.name,
            format!("Host CPU does not provide required features: {}", missing.join(", ")),
            "disable them, or use a model the host has".to_owned(),
        );
    }
}
