//! What libvirt's driver for Xen makes of a definition: only `host-passthrough` counts, and features
//! are handed to libxl by name.

use super::{Context, Findings};
use crate::libvirt::cpu::{Kind, Mode, Policy};
use crate::xen::features::Features;
use crate::xen::libxl;

impl Context<'_> {
    pub(super) fn xen(&self, findings: &mut Findings) {
        let cpu = self.cpu;
        if cpu.kind == Kind::Host || cpu.domain.as_deref() != Some("xen") {
            return;
        }
        if cpu.mode != Mode::HostPassthrough {
            if cpu.model.is_some() || cpu.mode != Mode::Custom {
                let mode = cpu.mode.name();
                findings.warn(
                    cpu.at,
                    mode,
                    format!("ignoring CPU mode '{mode}', only host-passthrough mode is supported"),
                    "use mode='host-passthrough' and features".to_owned(),
                );
            }
            return;
        }
        let known = Features::of(self.database);
        for setting in &cpu.features {
            let Some(feature) = self.map.find(&setting.name).and_then(|place| self.map.feature(place)) else {
                continue;
            };
            let policy = Self::policy(setting);
            if policy == Policy::Optional || matches!(feature.name, "vmx" | "svm") {
                continue;
            }
            if libxl::target(&known, feature.libxl).is_none() {
                findings.error(
                    setting.at,
                    &setting.name,
                    format!("unsupported configuration: unsupported cpu feature '{}'", setting.name),
                    format!("libxl 4.20 does not take the name {}", feature.libxl),
                );
            }
        }
    }
}
