//! Whether a host has what a definition asks for (`virsh cpu-compare`).

use schemars::JsonSchema;
use serde::Serialize;

use crate::guest::Fault;

use super::cpu::{Kind, LibvirtCpu, Match, Policy};
use super::map::Map;
use super::set::FeatureSet;

/// How a host compares with a definition.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Comparison {
    /// It has nothing more.
    Identical,
    /// It has more.
    Superset,
    /// It does not do, and why in libvirt's words.
    Incompatible(String),
}

/// Compares a host with a definition of another host or of a guest.
pub fn compare(map: &Map, host: &LibvirtCpu, cpu: &LibvirtCpu) -> Result<Comparison, Fault> {
    if host.model.is_none() {
        return Ok(Comparison::Incompatible("unknown host CPU".to_owned()));
    }
    if let Some(arch) = cpu
        .arch
        .as_ref()
        .filter(|arch| !matches!(arch.as_str(), "i686" | "x86_64"))
    {
        let text = format!("CPU arch {arch} does not match host arch");
        return Ok(Comparison::Incompatible(text));
    }
    if let Some(vendor) = &cpu.vendor
        && host.vendor.as_ref() != Some(vendor)
    {
        let text = format!("host CPU vendor does not match required CPU vendor {vendor}");
        return Ok(Comparison::Incompatible(text));
    }
    let has = host.expanded(map)?.features;
    let force = cpu.with_policy(map, Policy::Force)?;
    let require = cpu.with_policy(map, Policy::Require)?;
    let optional = cpu.with_policy(map, Policy::Optional)?;
    let disable = cpu.with_policy(map, Policy::Disable)?;
    let forbid = cpu.with_policy(map, Policy::Forbid)?;
    let because = |text: &str, set: FeatureSet| {
        let names: Vec<&str> = map.names(set).collect();
        Comparison::Incompatible(format!("{text}: {}", names.join(", ")))
    };
    let forbidden = forbid.and(has);
    if !forbidden.is_empty() {
        return Ok(because("Host CPU provides forbidden features", forbidden));
    }
    let require = require.without(force).without(optional).without(disable);
    let missing = require.without(has);
    if !missing.is_empty() {
        return Ok(because("Host CPU does not provide required features", missing));
    }
    let extra = has.without(optional).without(require).without(disable).without(force);
    if extra.is_empty() {
        return Ok(Comparison::Identical);
    }
    if cpu.kind == Kind::Guest && cpu.matching == Match::Strict {
        let text = "Host CPU does not strictly match guest CPU: Extra features";
        return Ok(because(text, extra));
    }
    Ok(Comparison::Superset)
}
