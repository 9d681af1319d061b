//! The `-cpu` argument that libvirt 11.3 gives to QEMU for a `<cpu>` element. What other elements of
//! the domain add to it (timers, Hyper-V and KVM features, the PMU) is not in it.

use std::fmt::Write as _;

use crate::database::Database;
use crate::dialect::Dialect;
use crate::guest::Fault;

use super::cpu::{AddressMode, CacheMode, LibvirtCpu, Match, Mode, Policy};
use super::fault;
use super::map::Map;
use super::update::update;

/// Features that libvirt never asks QEMU for.
const NOT_ASKED_FOR: [&str; 8] = [
    "cmt",
    "mbm_total",
    "mbm_local",
    "osxsave",
    "ospke",
    "vmx-ept-uc",
    "vmx-ept-wb",
    "vmx-invvpid-single-context",
];

/// The argument of a guest's definition; `None` when it has neither model nor anything to add. What
/// the host decides (`host-model`, `match='minimum'`, optional features) needs the host.
pub fn to_qemu_argument(
    database: &Database,
    map: &Map,
    cpu: &LibvirtCpu,
    host: Option<&LibvirtCpu>,
) -> Result<Option<String>, Fault> {
    let mut cpu = cpu.clone();
    if matches!(cpu.mode, Mode::HostModel) || (cpu.mode == Mode::Custom && cpu.model.is_some()) {
        settle(map, &mut cpu, host)?;
    }
    cpu.features
        .retain(|setting| !NOT_ASKED_FOR.contains(&setting.name.as_str()));
    let mut out = match (cpu.mode, &cpu.model) {
        (Mode::HostPassthrough, _) => {
            let migratable = if cpu.migratable == Some(false) { "off" } else { "on" };
            format!("host,migratable={migratable}")
        }
        (Mode::Maximum, _) => match cpu.migratable {
            None => "max".to_owned(),
            Some(on) => format!("max,migratable={}", if on { "on" } else { "off" }),
        },
        (_, Some(model)) => model.clone(),
        (_, None) => String::new(),
    };
    if !out.is_empty() {
        settings(database, map, &cpu, &mut out);
    }
    let more = caches_and_addresses(&cpu);
    if out.is_empty() && !more.is_empty() {
        out.push_str("qemu64");
    }
    out.push_str(&more);
    Ok((!out.is_empty()).then_some(out))
}

/// Decides what depends on the host, and names the features removed from the model.
fn settle(map: &Map, cpu: &mut LibvirtCpu, host: Option<&LibvirtCpu>) -> Result<(), Fault> {
    let optional = cpu
        .features
        .iter()
        .find(|setting| setting.policy == Some(Policy::Optional));
    match host {
        Some(host) => update(map, cpu, &host.migratable_part(map), Policy::Disable),
        None => {
            let (at, what) = match optional {
                Some(setting) => (setting.at, setting.name.as_str()),
                None if cpu.mode == Mode::HostModel => (cpu.at, "host-model"),
                None if cpu.matching == Match::Minimum => (cpu.at, "minimum"),
                None => return update(map, cpu, &LibvirtCpu::new(super::Kind::Host), Policy::Disable),
            };
            let message = format!("{what} is decided by the host, and no host is given");
            Err(fault::new(at, what, message))
        }
    }
}

fn settings(database: &Database, map: &Map, cpu: &LibvirtCpu, out: &mut String) {
    // Writing to a String does not fail.
    if let Some(vendor) = &cpu.vendor_id {
        let _ = write!(out, ",vendor={vendor}");
    }
    for setting in &cpu.features {
        let feature = map.find(&setting.name).and_then(|place| map.feature(place));
        let name = feature.map_or(setting.name.as_str(), |feature| feature.qemu);
        match setting.policy.unwrap_or(Policy::Require) {
            Policy::Force | Policy::Require => {
                let _ = write!(out, ",{name}=on");
            }
            // What QEMU does not know is off anyway.
            Policy::Disable | Policy::Forbid if !database.lookup(Dialect::Qemu, name).is_empty() => {
                let _ = write!(out, ",{name}=off");
            }
            Policy::Disable | Policy::Forbid | Policy::Optional => {}
        }
    }
}

fn caches_and_addresses(cpu: &LibvirtCpu) -> String {
    let mut out = String::new();
    let own = matches!(cpu.mode, Mode::HostPassthrough | Mode::Maximum);
    if let Some(cache) = &cpu.cache {
        let host_off = if own { ",host-cache-info=off" } else { "" };
        out.push_str(match cache.mode {
            CacheMode::Emulate => ",l3-cache=on",
            CacheMode::Passthrough => ",host-cache-info=on,l3-cache=off",
            CacheMode::Disable => "",
        });
        if cache.mode != CacheMode::Passthrough {
            out.push_str(host_off);
        }
        if cache.mode == CacheMode::Disable {
            out.push_str(",l3-cache=off");
        }
    }
    if let Some(address) = &cpu.address {
        let _ = match (address.mode, address.bits.filter(|bits| *bits > 0), address.limit) {
            (AddressMode::Passthrough, _, Some(limit)) => {
                write!(out, ",host-phys-bits=on,host-phys-bits-limit={limit}")
            }
            (AddressMode::Passthrough, _, None) => write!(out, ",host-phys-bits=on"),
            (AddressMode::Emulate, Some(bits), _) => write!(out, ",phys-bits={bits}"),
            (AddressMode::Emulate, None, _) => write!(out, ",host-phys-bits=off"),
        };
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::libvirt::{ReadAs, read};

    fn argument(text: &str) -> Result<Option<String>, Fault> {
        let cpu = read(text, ReadAs::Guests).into_result().unwrap().remove(0);
        to_qemu_argument(&Database::builtin(), &Map::builtin(), &cpu, None)
    }

    #[test]
    fn models_and_features_are_spelled_as_qemu_does() {
        let text = "<cpu match='exact'><model vendor_id='Some vendors'>SandyBridge</model>\
                    <feature policy='require' name='lahf_lm'/><feature policy='forbid' name='pclmuldq'/></cpu>";
        let expected = "SandyBridge,vendor=Some vendors,lahf-lm=on,pclmulqdq=off";
        assert_eq!(argument(text).unwrap().unwrap(), expected);
        let text = "<cpu mode='maximum' migratable='off'><maxphysaddr mode='passthrough' limit='40'/></cpu>";
        let expected = "max,migratable=off,host-phys-bits=on,host-phys-bits-limit=40";
        assert_eq!(argument(text).unwrap().unwrap(), expected);
    }

    #[test]
    fn what_a_host_decides_needs_the_host() {
        assert_eq!(argument("<cpu/>"), Ok(None));
        let fault = argument("<cpu mode='host-model'/>").unwrap_err();
        assert_eq!(fault.what, "host-model");
        let text = "<cpu match='exact'><model>486</model><feature policy='optional' name='aes'/></cpu>";
        assert_eq!(argument(text).unwrap_err().at, text.find("name="));
    }
}
