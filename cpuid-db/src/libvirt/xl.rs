//! `cpuid=` of an xl configuration as libvirt turns it into a definition, and back: on the level of
//! names, as its driver does it. 1 is force, 0 disable, x, k and s optional; force and require are
//! written as 1, optional as x, disable and forbid as 0. vmx and svm are not written: they follow
//! from `nestedhvm`.

use crate::guest::Fault;

use super::cpu::{FeatureSetting, Kind, LibvirtCpu, Mode, Policy};
use super::fault;
use super::map::Map;

/// The definition of a string such as `host,tm=0,sse3=1,page1gb=x`. Elements that libvirt refuses are
/// faults, the others count.
#[must_use]
pub fn from_xl(map: &Map, text: &str) -> (LibvirtCpu, Vec<Fault>) {
    let mut faults = Vec::new();
    let mut cpu = LibvirtCpu {
        mode: Mode::HostPassthrough,
        ..LibvirtCpu::new(Kind::Guest)
    };
    let mut refuse = |at: usize, what: &str, message: String| faults.push(fault::new(Some(at), what, message));
    let mut at = 0_usize;
    for (index, element) in text.split(',').enumerate() {
        let begin = at;
        at = at.saturating_add(element.len()).saturating_add(1);
        if index == 0 {
            if element != "host" {
                let message = format!("cpuid starting with {element} is not supported, only libxl format is");
                refuse(begin, element, message);
            }
            continue;
        }
        let Some((name, value)) = element.split_once('=') else {
            refuse(
                begin,
                element,
                format!("Invalid libxl cpuid key=value element: {element}"),
            );
            continue;
        };
        let policy = match value {
            "1" => Policy::Force,
            "0" => Policy::Disable,
            "x" | "k" | "s" => Policy::Optional,
            _ => {
                refuse(begin, element, format!("Invalid libxl cpuid value: {element}"));
                continue;
            }
        };
        let name = libvirt_name(map, name);
        if cpu.feature(name).is_some() {
            let message = format!("internal error: CPU feature '{name}' specified more than once");
            refuse(begin, element, message);
            continue;
        }
        cpu.features.push(FeatureSetting {
            name: name.to_owned(),
            policy: Some(policy),
            at: Some(begin),
        });
    }
    (cpu, faults)
}

/// libvirt's name for a name of libxl; another name stays.
#[must_use]
pub fn libvirt_name<'a>(map: &'a Map, libxl: &'a str) -> &'a str {
    map.features()
        .find(|feature| feature.libxl == libxl && feature.libxl != feature.name)
        .map_or(libxl, |feature| feature.name)
}

/// The string of a definition; `None` when it asks for nothing. Only `host-passthrough` can be written.
pub fn to_xl(map: &Map, cpu: &LibvirtCpu) -> Result<Option<String>, Fault> {
    if cpu.kind == Kind::Host || cpu.mode != Mode::HostPassthrough {
        let message = format!(
            "ignoring CPU mode '{}', only host-passthrough mode is supported",
            cpu.mode.name()
        );
        return Err(fault::new(cpu.at, cpu.mode.name(), message));
    }
    let mut text = String::from("host");
    for setting in &cpu.features {
        let name = map
            .find(&setting.name)
            .and_then(|place| map.feature(place))
            .map_or(setting.name.as_str(), |feature| feature.libxl);
        if matches!(name, "vmx" | "svm") {
            continue;
        }
        let value = match setting.policy.unwrap_or(Policy::Require) {
            Policy::Force | Policy::Require => "1",
            Policy::Optional => "x",
            Policy::Disable | Policy::Forbid => "0",
        };
        text.push(',');
        text.push_str(name);
        text.push('=');
        text.push_str(value);
    }
    Ok((text != "host").then_some(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_string_becomes_a_definition_and_comes_back() {
        let map = Map::builtin();
        let (cpu, faults) = from_xl(&map, "host,tm=0,sse3=1,page1gb=x,avx=k");
        assert_eq!(faults, []);
        let settings: Vec<_> = cpu
            .features
            .iter()
            .map(|feature| (feature.name.as_str(), feature.policy.unwrap()))
            .collect();
        let expected = [
            ("tm", Policy::Disable),
            ("pni", Policy::Force),
            ("pdpe1gb", Policy::Optional),
            ("avx", Policy::Optional),
        ];
        assert_eq!(settings, expected);
        assert_eq!(to_xl(&map, &cpu).unwrap().unwrap(), "host,tm=0,sse3=1,page1gb=x,avx=x");
    }

    #[test]
    fn what_libvirt_refuses_is_told_with_its_place() {
        let map = Map::builtin();
        let (cpu, faults) = from_xl(&map, "host,avx,tm=2,aes=0,aes=1,sse3=1,pni=0");
        let places: Vec<_> = faults
            .iter()
            .map(|fault| (fault.at.unwrap(), fault.what.as_str()))
            .collect();
        assert_eq!(places, [(5, "avx"), (9, "tm=2"), (20, "aes=1"), (33, "pni=0")]);
        assert_eq!(cpu.features.len(), 2);
        let (_, faults) = from_xl(&map, "0x1:ecx=xx");
        assert!(faults[0].message.starts_with("cpuid starting with 0x1"));
    }

    #[test]
    fn nested_virtualisation_is_not_written() {
        let map = Map::builtin();
        let (cpu, _) = from_xl(&map, "host,vmx=1,svm=0");
        assert_eq!(to_xl(&map, &cpu).unwrap(), None);
        let custom = LibvirtCpu::new(Kind::Guest);
        assert!(to_xl(&map, &custom).unwrap_err().message.contains("'custom'"));
    }
}
