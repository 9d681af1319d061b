//! Features without what they need.

use super::{Context, Findings};
use crate::dialect::Dialect;
use crate::libvirt::cpu::{Kind, Mode, Policy};
use crate::libvirt::set::FeatureSet;

impl Context<'_> {
    /// Each pair of a feature that is there and one it needs that is not, when the definition names
    /// one of the two: what a model lacks by itself is the model's.
    pub(super) fn dependencies(&self, findings: &mut Findings) {
        if self.cpu.kind == Kind::Host {
            return;
        }
        let (has, gone) = self.present();
        for place in has.iter() {
            for (needed, needed_name) in self.needs(place) {
                if has.has(needed) || (self.cpu.mode != Mode::Custom && !gone.has(needed)) {
                    continue;
                }
                let Some(feature) = self.map.feature(place) else {
                    continue;
                };
                if let Some(setting) = self.cpu.feature(needed_name) {
                    findings.warn(
                        setting.at,
                        needed_name,
                        format!("{} needs {needed_name}, which is taken away", feature.name),
                        format!("take {} away too", feature.name),
                    );
                } else if let Some(setting) = self.cpu.feature(feature.name) {
                    findings.warn(
                        setting.at,
                        feature.name,
                        format!("{} needs {needed_name}, which the guest does not have", feature.name),
                        format!("require {needed_name} too"),
                    );
                }
            }
        }
    }

    /// Features that are there, and those taken away by name.
    fn present(&self) -> (FeatureSet, FeatureSet) {
        let model = self.cpu.model.as_ref().filter(|_| self.model_counts());
        let mut has = model
            .and_then(|name| self.map.model(name))
            .map_or_else(FeatureSet::default, |model| model.features);
        let mut gone = FeatureSet::default();
        for setting in &self.cpu.features {
            let Some(place) = self.map.find(&setting.name) else {
                continue;
            };
            match Self::policy(setting) {
                Policy::Force | Policy::Require => has.set(place, true),
                Policy::Disable | Policy::Forbid => {
                    has.set(place, false);
                    gone.set(place, true);
                }
                // It may be there: then nothing that needs it is without.
                Policy::Optional => has.set(place, true),
            }
        }
        (has, gone)
    }

    /// What a feature needs, of what libvirt has a name for.
    fn needs(&self, place: usize) -> Vec<(usize, &'static str)> {
        let Some(feature) = self.map.feature(place) else {
            return Vec::new();
        };
        let fields = self.database.lookup(Dialect::Libvirt, feature.name);
        fields
            .iter()
            .flat_map(|field| field.requires)
            .filter_map(|id| self.database.by_id(id)?.name(Dialect::Libvirt))
            .filter_map(|name| Some((self.map.find(name)?, name)))
            .collect()
    }
}
