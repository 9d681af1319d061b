//! Names of models, features and vendors, and models that are not for guests.

use crate::dialect::Dialect;

use super::{Context, Findings};
use crate::libvirt::cpu::{FeatureSetting, Kind, Mode, Policy};

impl Context<'_> {
    /// Unknown features and vendors.
    pub(super) fn names(&self, findings: &mut Findings) {
        for setting in &self.cpu.features {
            if self.map.find(&setting.name).is_none() {
                let message = format!("internal error: Unknown CPU feature {}", setting.name);
                findings.error(setting.at, &setting.name, message, self.instead(setting));
            }
        }
        if let Some(name) = self.cpu.vendor.as_ref().filter(|name| self.map.vendor(name).is_none()) {
            let known: Vec<&str> = self.map.vendors().iter().map(|vendor| vendor.name).collect();
            findings.error(
                self.cpu.vendor_at,
                name,
                format!("Unknown CPU vendor {name}"),
                format!("use one of {}", known.join(", ")),
            );
        }
    }

    /// What libvirt calls the feature, when another dialect has the name.
    fn instead(&self, setting: &FeatureSetting) -> String {
        let name = setting.name.as_str();
        let spelled = self
            .map
            .features()
            .find(|feature| feature.others.contains(&name) || feature.qemu == name || feature.libxl == name);
        if let Some(feature) = spelled {
            return format!("libvirt calls it {}", feature.name);
        }
        let others = [Dialect::Qemu, Dialect::Linux, Dialect::Xen, Dialect::Libxl];
        let other = others.into_iter().find_map(|dialect| {
            let fields = self.database.lookup(dialect, name);
            Some((dialect, *fields.first()?))
        });
        if let Some((dialect, field)) = other {
            return match field.name(Dialect::Libvirt) {
                Some(libvirt) => format!("{dialect} calls {libvirt} so: use {libvirt}"),
                None => format!("{dialect} has it; libvirt 11.3 has no name for it"),
            };
        }
        match nearest(name, self.map.features().map(|feature| feature.name)) {
            Some(near) => format!("did you mean {near}?"),
            None => "libvirt 11.3 has no such feature".to_owned(),
        }
    }

    /// Unknown models, models that are not chosen for guests, and vendors that contradict them.
    pub(super) fn models(&self, findings: &mut Findings) {
        let Some(name) = &self.cpu.model else { return };
        let Some(model) = self.map.model(name) else {
            if self.model_counts() {
                let advice = match nearest(name, self.map.models().iter().map(|model| model.name)) {
                    Some(near) => format!("did you mean {near}?"),
                    None => "libvirt 11.3 has no such model".to_owned(),
                };
                findings.error(
                    self.cpu.model_at,
                    name,
                    format!("internal error: Unknown CPU model {name}"),
                    advice,
                );
            }
            return;
        };
        if let (Some(vendor), Some(of_model)) = (&self.cpu.vendor, model.vendor())
            && *vendor != of_model.name
            && self.map.vendor(vendor).is_some()
        {
            findings.error(
                self.cpu.vendor_at,
                vendor,
                format!(
                    "CPU vendor {} of model {name} differs from vendor {vendor}",
                    of_model.name
                ),
                format!("leave the vendor out, or use {}", of_model.name),
            );
        }
        if self.cpu.kind == Kind::Guest && self.cpu.mode == Mode::Custom {
            if !model.decode_host && !model.decode_guest {
                findings.warn(
                    self.cpu.model_at,
                    name,
                    format!("{name} is of QEMU in RHEL only, and old"),
                    "use a model that is named after a processor".to_owned(),
                );
            } else if !model.decode_guest && is_versioned(name) {
                let advice = match model.alias_of.and_then(|of| self.map.models().get(of)) {
                    Some(of) => format!("{} has the same features", of.name),
                    None => "use a model without version where hosts are of different age".to_owned(),
                };
                let message = format!("{name} is a version of a model: libvirt before 10.10 does not know it");
                findings.warn(self.cpu.model_at, name, message, advice);
            }
        }
        self.immovable(findings);
    }

    /// Features that keep a guest where it is.
    fn immovable(&self, findings: &mut Findings) {
        if self.cpu.kind == Kind::Host {
            return;
        }
        for setting in &self.cpu.features {
            let wanted = matches!(Self::policy(setting), Policy::Require | Policy::Force);
            let feature = self.map.find(&setting.name).and_then(|place| self.map.feature(place));
            if wanted && feature.is_some_and(|feature| !feature.migratable) {
                findings.warn(
                    setting.at,
                    &setting.name,
                    format!("{} is not part of a migratable definition", setting.name),
                    "leave it out for guests that are to move; invtsc can move when the TSC frequency is fixed"
                        .to_owned(),
                );
            }
        }
    }
}

/// Ends in `-v` and a number.
fn is_versioned(name: &str) -> bool {
    name.rsplit_once("-v")
        .is_some_and(|(_, version)| !version.is_empty() && version.bytes().all(|byte| byte.is_ascii_digit()))
}

/// The name with the fewest changes, when there are few of them.
fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    if name.len() > 64 {
        return None;
    }
    let plain = |text: &str| -> Vec<u8> {
        text.bytes()
            .map(|byte| {
                if matches!(byte, b'_' | b'.' | b' ') {
                    b'-'
                } else {
                    byte.to_ascii_lowercase()
                }
            })
            .collect()
    };
    let wanted = plain(name);
    known
        .map(|known| (distance(&wanted, &plain(known)), known))
        .min_by_key(|(distance, _)| *distance)
        .filter(|(distance, _)| *distance <= 2 && distance.saturating_mul(3) <= wanted.len())
        .map(|(_, known)| known)
}

/// Characters to insert, take out or replace.
fn distance(a: &[u8], b: &[u8]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (index, left) in a.iter().enumerate() {
        let mut corner = index;
        let mut before = index.saturating_add(1);
        let mut next = vec![before];
        for (right, &above) in b.iter().zip(row.iter().skip(1)) {
            let replaced = corner.saturating_add(usize::from(left != right));
            before = replaced.min(above.saturating_add(1)).min(before.saturating_add(1));
            corner = above;
            next.push(before);
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}
