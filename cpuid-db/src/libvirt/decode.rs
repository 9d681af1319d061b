//! From the features of a processor to a definition: which model is closest, and what must be added
//! and taken away.
//!
//! Models are walked from the last of the index to the first. Those of another vendor are skipped, and
//! those not meant for the kind of definition. A host's definition cannot take features away. A model
//! made after the processor's signature wins over one that was not; otherwise the one with the shorter
//! list, where the features to take away count 2, 3, 4, …; a preferred model also wins by taking away
//! less, and a single preferred one ends the walk.

use crate::guest::Fault;
use crate::leafset::CpuLeaves;

use super::cpu::{Fallback, FeatureSetting, HostSignature, Kind, LibvirtCpu, Policy};
use super::data::CpuData;
use super::fault;
use super::map::{Map, Model};
use super::set::FeatureSet;

/// A model that a hypervisor has (QEMU: `query-cpu-definitions`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HypervisorModel {
    /// Name.
    pub name: String,
    /// Features, as libvirt names them, that the host lacks for the model.
    pub blockers: Vec<String>,
}

/// How a definition is to be made.
#[derive(Clone, Copy, Debug)]
pub struct Choice<'a> {
    /// Of a host or of a guest.
    pub kind: Kind,
    /// Models to be preferred.
    pub preferred: &'a [String],
    /// Models of the hypervisor; `None` for all that libvirt knows.
    pub models: Option<&'a [HypervisorModel]>,
    /// Leave out features with which a guest cannot move.
    pub migratable: bool,
    /// Whether another model than the only preferred one may be taken when the hypervisor lacks it.
    pub fallback: Fallback,
}

impl Choice<'_> {
    /// Of any of libvirt's models.
    #[must_use]
    pub const fn any(kind: Kind) -> Self {
        Self {
            kind,
            preferred: &[],
            models: None,
            migratable: false,
            fallback: Fallback::Allow,
        }
    }
}

/// A model with what makes it the processor.
struct Candidate {
    model: &'static Model,
    features: Vec<(usize, Policy)>,
    of_signature: bool,
}

impl LibvirtCpu {
    /// The definition of a host from its dump: what `virsh capabilities` would say of it.
    pub fn from_leaves(map: &Map, cpu: &CpuLeaves) -> Result<Self, Fault> {
        decode(map, &CpuData::of(map, cpu), &Choice::any(Kind::Host))
    }
}

/// The definition of a processor. Without a model that fits there is none.
pub fn decode(map: &Map, data: &CpuData, choice: &Choice<'_>) -> Result<LibvirtCpu, Fault> {
    let mut data = *data;
    without_broken_tsx(map, &mut data);
    let mut best: Option<Candidate> = None;
    for model in map.models().iter().rev() {
        let hypervisor = match choice.models {
            None => None,
            Some(models) => match models.iter().find(|known| known.name == model.name) {
                Some(known) => Some(known),
                None => {
                    let only = matches!(choice.preferred, [only] if only == model.name);
                    if only && choice.fallback == Fallback::Forbid {
                        return Err(unsupported(model.name));
                    }
                    continue;
                }
            },
        };
        let other_vendor = match (data.vendor, model.vendor()) {
            (Some(vendor), Some(of_model)) => vendor != of_model,
            _ => false,
        };
        let meant = match choice.kind {
            Kind::Host => model.decode_host,
            Kind::Guest => model.decode_guest,
        };
        if other_vendor || !meant {
            continue;
        }
        let candidate = candidate(map, &data, model, hypervisor, choice.kind);
        if choice.kind == Kind::Host && candidate.features.iter().any(|(_, policy)| *policy == Policy::Disable) {
            continue;
        }
        if matches!(choice.preferred, [only] if only == model.name) {
            best = Some(candidate);
            break;
        }
        let preferred = choice.preferred.iter().any(|name| name == model.name);
        if best
            .as_ref()
            .is_none_or(|best| is_better(best, &candidate, data.signature, preferred, choice.kind))
        {
            best = Some(candidate);
        }
    }
    let best = best.ok_or_else(|| {
        let message = "internal error: Cannot find suitable CPU model for given data";
        fault::new(None, "", message.to_owned())
    })?;
    Ok(definition(map, &data, &best, choice))
}

pub(super) fn unsupported(model: &str) -> Fault {
    let message = format!("unsupported configuration: CPU model {model} is not supported by hypervisor");
    fault::new(None, model, message)
}

/// Early Haswells promise transactions that do not work.
fn without_broken_tsx(map: &Map, data: &mut CpuData) {
    let (family, model, stepping) = data.family_model_stepping();
    let broken = family == 6 && (matches!(model, 60 | 69 | 70) || (model == 63 && stepping < 4));
    if broken && data.vendor.is_some_and(|vendor| vendor.name == "Intel") {
        for place in ["hle", "rtm"].into_iter().filter_map(|name| map.find(name)) {
            data.features.set(place, false);
        }
    }
}

fn candidate(
    map: &Map,
    data: &CpuData,
    model: &'static Model,
    hypervisor: Option<&HypervisorModel>,
    kind: Kind,
) -> Candidate {
    let more = data.features.without(model.features);
    let mut less = model.features.without(data.features);
    let blockers = hypervisor.map(|model| model.blockers.as_slice()).unwrap_or_default();
    let blockers: FeatureSet = blockers.iter().filter_map(|name| map.find(name)).collect();
    less = less.or(blockers.without(more));
    let mut features: Vec<(usize, Policy)> = more.iter().map(|place| (place, Policy::Require)).collect();
    features.extend(less.iter().map(|place| (place, Policy::Disable)));
    if kind == Kind::Guest {
        for &place in model.removed {
            if !more.has(place) && !less.has(place) {
                features.push((place, Policy::Disable));
            }
        }
    }
    let (family, number, stepping) = data.family_model_stepping();
    Candidate {
        model,
        features,
        of_signature: model.is_of(family, number, stepping),
    }
}

fn is_better(best: &Candidate, candidate: &Candidate, signature: u32, preferred: bool, kind: Kind) -> bool {
    if signature != 0 && best.of_signature != candidate.of_signature {
        return candidate.of_signature;
    }
    let (current, current_disabled) = cost(best, kind);
    let (cost, disabled) = cost(candidate, kind);
    cost < current || (cost == current && disabled < current_disabled) || (preferred && disabled < current_disabled)
}

/// Cost of a list, and the part of it that is for features taken away. For each of those met, libvirt
/// looks at one feature less at the end of the list; so it meets about half of them.
fn cost(candidate: &Candidate, kind: Kind) -> (usize, usize) {
    let mut enabled = candidate.features.len();
    let mut disabled = 0_usize;
    if kind == Kind::Guest {
        let mut penalty = 2_usize;
        let mut at = 0;
        while at < enabled {
            if candidate
                .features
                .get(at)
                .is_some_and(|(_, policy)| *policy == Policy::Disable)
            {
                enabled = enabled.saturating_sub(1);
                disabled = disabled.saturating_add(penalty);
                penalty = penalty.saturating_add(1);
            }
            at = at.saturating_add(1);
        }
    }
    (enabled.saturating_add(disabled), disabled)
}

fn definition(map: &Map, data: &CpuData, best: &Candidate, choice: &Choice<'_>) -> LibvirtCpu {
    let mut cpu = LibvirtCpu::new(choice.kind);
    if choice.kind == Kind::Host {
        cpu.arch = Some("x86_64".to_owned());
    }
    cpu.model = Some(best.model.name.to_owned());
    cpu.vendor = data.vendor.map(|vendor| vendor.name.to_owned());
    cpu.fallback = choice.fallback;
    let (family, model, stepping) = data.family_model_stepping();
    cpu.signature = Some(HostSignature {
        family,
        model,
        stepping,
    });
    for &(place, policy) in &best.features {
        let Some(feature) = map.feature(place) else { continue };
        if !choice.migratable || feature.migratable {
            cpu.features.push(FeatureSetting {
                name: feature.name.to_owned(),
                policy: Some(policy).filter(|_| choice.kind == Kind::Guest),
                at: None,
            });
        }
    }
    cpu
}
