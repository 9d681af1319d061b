//! The definition that fits several processors (`virsh cpu-baseline`), and definitions with every
//! feature named.

use crate::guest::Fault;

use super::cpu::{Fallback, Kind, LibvirtCpu, Policy};
use super::data::CpuData;
use super::decode::{self, Choice, HypervisorModel};
use super::fault;
use super::map::Map;
use super::set::FeatureSet;

/// How a baseline is to be made.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options<'a> {
    /// Name every feature, those of the model too.
    pub expand: bool,
    /// Leave out features with which a guest cannot move.
    pub migratable: bool,
    /// Models of the hypervisor; `None` for all that libvirt knows.
    pub models: Option<&'a [HypervisorModel]>,
    /// Features of the hypervisor; `None` for no bound.
    pub features: Option<FeatureSet>,
}

/// The definition of a guest that fits all: the features all have, and the model closest to them.
///
/// Definitions of hosts give what they name; those of guests also take away what they disable.
pub fn baseline(map: &Map, cpus: &[LibvirtCpu], options: &Options<'_>) -> Result<LibvirtCpu, Fault> {
    let failed =
        |at: Option<usize>, what: &str, text: String| fault::new(at, what, format!("operation failed: {text}"));
    for (index, cpu) in cpus.iter().enumerate() {
        if cpu.model.is_none() {
            let message = format!("invalid argument: no CPU model specified at index {index}");
            return Err(fault::new(cpu.at, "", message));
        }
    }
    let Some((first, rest)) = cpus.split_first() else {
        return Err(fault::new(None, "", "invalid argument: no CPUs given".to_owned()));
    };
    let unknown =
        |cpu: &LibvirtCpu, name: &str| failed(cpu.vendor_at.or(cpu.at), name, format!("Unknown CPU vendor {name}"));
    let mut features = first.expanded(map)?.features;
    let mut vendor = match &first.vendor {
        None => None,
        Some(name) => Some(map.vendor(name).ok_or_else(|| unknown(first, name))?),
    };
    let mut write_vendor = vendor.is_some();
    let mut preferred: Vec<String> = first.model.iter().cloned().collect();
    for cpu in rest {
        if let Some(name) = cpu.model.as_ref().filter(|name| !preferred.contains(name)) {
            preferred.push(name.clone());
        }
        let expanded = cpu.expanded(map)?;
        let of_model = expanded.model.and_then(|model| model.vendor());
        if let (Some(name), Some(of_model), Some(model)) = (&cpu.vendor, of_model, expanded.model)
            && name != of_model.name
        {
            let text = format!(
                "CPU vendor {} of model {} differs from vendor {name}",
                of_model.name, model.name
            );
            return Err(failed(cpu.vendor_at.or(cpu.at), name, text));
        }
        write_vendor &= cpu.vendor.is_some();
        if let Some(name) = cpu.vendor.as_deref().or(of_model.map(|vendor| vendor.name)) {
            match vendor {
                None => vendor = Some(map.vendor(name).ok_or_else(|| unknown(cpu, name))?),
                Some(vendor) if vendor.name != name => {
                    return Err(failed(
                        cpu.vendor_at.or(cpu.at),
                        name,
                        "CPU vendors do not match".to_owned(),
                    ));
                }
                Some(_) => {}
            }
        }
        features = features.and(expanded.features);
    }
    if let Some(bound) = options.features {
        features = features.and(bound);
    }
    if features.is_empty() {
        return Err(failed(None, "", "CPUs are incompatible".to_owned()));
    }
    let data = CpuData {
        features,
        vendor,
        signature: 0,
    };
    let choice = Choice {
        kind: Kind::Guest,
        preferred: &preferred,
        models: options.models,
        migratable: options.migratable,
        fallback: Fallback::Allow,
    };
    let mut cpu = decode::decode(map, &data, &choice)?;
    cpu.signature = None;
    if matches!(preferred.as_slice(), [only] if cpu.model.as_ref() == Some(only)) {
        cpu.fallback = Fallback::Forbid;
    }
    if !write_vendor {
        cpu.vendor = None;
    }
    if options.expand {
        expand(map, &mut cpu)?;
    }
    Ok(cpu)
}

/// Names every feature of the model too; features by name.
pub fn expand(map: &Map, cpu: &mut LibvirtCpu) -> Result<(), Fault> {
    let name = cpu.model.clone().unwrap_or_default();
    let Some(model) = map.model(&name) else {
        return Err(fault::new(
            cpu.at,
            &name,
            format!("internal error: unknown CPU model {name}"),
        ));
    };
    let settings = std::mem::take(&mut cpu.features);
    for name in map.names(model.features) {
        cpu.set_feature(name, Some(Policy::Require));
    }
    for setting in settings {
        let counts = match setting.policy {
            None => true,
            Some(policy) => cpu.kind == Kind::Host || matches!(policy, Policy::Require | Policy::Disable),
        };
        if counts {
            cpu.set_feature(&setting.name, setting.policy);
        }
    }
    if cpu.kind == Kind::Guest {
        for feature in model.removed.iter().filter_map(|&place| map.feature(place)) {
            cpu.add_feature(feature.name, Policy::Disable);
        }
    }
    cpu.features.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(())
}

impl LibvirtCpu {
    /// The definition without the features a guest cannot move with.
    #[must_use]
    pub fn migratable_part(&self, map: &Map) -> Self {
        let mut cpu = self.clone();
        cpu.features.retain(|setting| {
            map.find(&setting.name)
                .and_then(|place| map.feature(place))
                .is_none_or(|feature| feature.migratable)
        });
        cpu
    }
}
