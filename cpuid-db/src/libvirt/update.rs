//! What a guest's definition becomes on a host: what is optional is decided, and a model the
//! hypervisor lacks is replaced by the closest one it has.

use crate::guest::Fault;

use super::cpu::{Fallback, Kind, LibvirtCpu, Match, Mode, Policy};
use super::data::{CpuData, signature};
use super::decode::{Choice, HypervisorModel, decode, unsupported};
use super::fault::unknown_model;
use super::map::Map;

/// Decides what depends on the host: optional features, `host-model`, `match='minimum'`; features
/// that were removed from the model get a policy of their own.
pub fn update(map: &Map, guest: &mut LibvirtCpu, host: &LibvirtCpu, removed: Policy) -> Result<(), Fault> {
    if matches!(guest.mode, Mode::HostPassthrough | Mode::Maximum) {
        return Ok(());
    }
    let described = guest.mode == Mode::HostModel || guest.matching == Match::Minimum;
    let optional = guest
        .features
        .iter()
        .any(|setting| setting.policy == Some(Policy::Optional));
    if described || optional {
        let has = host.expanded(map)?.features;
        for setting in &mut guest.features {
            if setting.policy == Some(Policy::Optional) {
                let place = map.find(&setting.name).ok_or_else(|| {
                    let mut fault = super::fault::unknown_feature(setting);
                    fault.message = format!("internal error: unknown CPU feature {}", setting.name);
                    fault
                })?;
                setting.policy = Some(if has.has(place) {
                    Policy::Require
                } else {
                    Policy::Disable
                });
            }
        }
        if described {
            describe_host(guest, host);
        }
    }
    let name = guest.model.clone().unwrap_or_default();
    let model = map.model(&name).ok_or_else(|| unknown_model(guest.model_at, &name))?;
    for feature in model.removed.iter().filter_map(|&place| map.feature(place)) {
        guest.add_feature(feature.name, removed);
    }
    Ok(())
}

/// The guest becomes the host with its own settings on top.
fn describe_host(guest: &mut LibvirtCpu, host: &LibvirtCpu) {
    let settings = std::mem::take(&mut guest.features);
    guest.model.clone_from(&host.model);
    if guest.mode != Mode::Custom {
        guest.vendor.clone_from(&host.vendor);
        guest.vendor_id = guest.vendor_id.take().or_else(|| host.vendor_id.clone());
    }
    for setting in &host.features {
        guest.set_feature(&setting.name, Some(setting.policy.unwrap_or(Policy::Require)));
    }
    for setting in settings {
        guest.set_feature(&setting.name, setting.policy);
    }
    guest.mode = Mode::Custom;
    guest.matching = Match::Exact;
}

/// Replaces a model the hypervisor does not have; refused when the definition does not fall back.
pub fn translate(map: &Map, cpu: &mut LibvirtCpu, models: &[HypervisorModel]) -> Result<(), Fault> {
    let name = cpu.model.clone().unwrap_or_default();
    if cpu.mode != Mode::Custom || models.iter().any(|model| model.name == name) {
        return Ok(());
    }
    if cpu.fallback == Fallback::Forbid {
        return Err(unsupported(&name));
    }
    let expanded = cpu.expanded(map)?;
    let data = CpuData {
        features: expanded.features,
        vendor: expanded.model.and_then(|model| model.vendor()),
        signature: expanded
            .model
            .and_then(|model| model.signatures.first())
            .map_or(0, |of| signature(of.family, of.model, of.steppings.trailing_zeros())),
    };
    let choice = Choice {
        models: Some(models),
        ..Choice::any(Kind::Guest)
    };
    let closest = decode(map, &data, &choice)?;
    let settings = std::mem::replace(&mut cpu.features, closest.features);
    cpu.model = closest.model;
    for setting in settings {
        cpu.set_feature(&setting.name, setting.policy);
    }
    Ok(())
}
