//! Definitions as a guest's CPU in no dialect, and back.

use crate::bits::{Bit, Register, Word};
use crate::database::{Database, Vendors};
use crate::guest::{Fault, GuestCpu, Setting};

use super::cpu::{AddressMode, AddressWidth, Kind, LibvirtCpu, Match, Mode, Policy};
use super::data::{CpuData, signature};
use super::decode::{Choice, decode};
use super::fault::{self, unknown_feature, unknown_model};
use super::map::Map;
use super::set::FeatureSet;

/// Leaf 0x80000008 EAX bits 7:0: width of physical addresses.
const ADDRESS_WORD: Word = Word::cpuid(0x8000_0008, 0, Register::Eax);
/// The bits of the width.
const ADDRESS_MASK: u32 = 0xff;

impl Policy {
    /// What it asks of a bit.
    #[must_use]
    pub const fn setting(self) -> Setting {
        match self {
            Self::Force => Setting::Force,
            Self::Require => Setting::On,
            Self::Optional => Setting::Default,
            Self::Disable => Setting::Off,
            Self::Forbid => Setting::Forbid,
        }
    }

    /// The policy that asks for a setting; what the host decides is optional.
    #[must_use]
    pub const fn of(setting: Setting) -> Self {
        match setting {
            Setting::Force => Self::Force,
            Setting::On => Self::Require,
            Setting::Default | Setting::Keep => Self::Optional,
            Setting::Off => Self::Disable,
            Setting::Forbid => Self::Forbid,
        }
    }
}

/// The bits a definition asks for. Unknown models and features are faults, the rest still counts.
///
/// Features that were removed from the model are off: libvirt names them when the guest starts.
#[must_use]
pub fn to_guest(map: &Map, cpu: &LibvirtCpu) -> (GuestCpu, Vec<Fault>) {
    let mut faults = Vec::new();
    let mut guest = GuestCpu {
        model: cpu.model.clone(),
        host_based: cpu.kind == Kind::Guest && (cpu.mode != Mode::Custom || cpu.matching == Match::Minimum),
        ..GuestCpu::default()
    };
    let model = cpu.model.as_ref().and_then(|name| {
        let known = map.model(name);
        if known.is_none() {
            faults.push(unknown_model(cpu.model_at, name));
        }
        known
    });
    let own = model.filter(|_| cpu.kind == Kind::Host || cpu.mode == Mode::Custom);
    let bit = |place: usize| map.feature(place).map(|feature| feature.bit);
    if let Some(model) = own {
        for bit in model.features.iter().filter_map(bit) {
            guest.bits.insert(bit, Setting::On);
        }
        if cpu.kind == Kind::Guest {
            for bit in model.removed.iter().filter_map(|&place| bit(place)) {
                guest.bits.insert(bit, Setting::Off);
            }
        }
        if let Some(of) = model.signatures.first() {
            guest.family = Some(of.family);
            guest.model_number = Some(of.model);
        }
    }
    if let Some(of) = cpu.signature {
        guest.family = Some(of.family);
        guest.model_number = Some(of.model);
        guest.stepping = Some(of.stepping);
    }
    let vendor = match &cpu.vendor {
        None => own.and_then(|model| model.vendor()),
        Some(name) => map.vendor(name),
    };
    guest.vendor = cpu.vendor_id.clone().or(vendor.map(|vendor| vendor.string.to_owned()));
    for setting in &cpu.features {
        match map.find(&setting.name).and_then(bit) {
            Some(bit) => {
                let policy = setting.policy.unwrap_or(Policy::Require);
                guest.bits.insert(bit, policy.setting());
            }
            None => faults.push(unknown_feature(setting)),
        }
    }
    if let Some(AddressWidth {
        mode: AddressMode::Emulate,
        bits: Some(bits),
        ..
    }) = cpu.address
    {
        guest.values.push((ADDRESS_WORD, ADDRESS_MASK, bits & ADDRESS_MASK));
    }
    (guest, faults)
}

/// The definition of a guest's CPU: `host-passthrough` with features when it follows the host,
/// otherwise a custom one whose model is the one it is named after, or the closest by libvirt's rules.
/// What a `<cpu>` element cannot say is a fault.
pub fn from_guest(map: &Map, database: &Database, guest: &GuestCpu) -> Result<(LibvirtCpu, Vec<Fault>), Fault> {
    let mut faults = Vec::new();
    let mut features = FeatureSet::default();
    let mut settings: Vec<(usize, Setting)> = Vec::new();
    for (&bit, &setting) in &guest.bits {
        match map.of_bit(bit) {
            Some(place) => {
                features.set(place, setting.value() == Some(true));
                settings.push((place, setting));
            }
            None if setting == Setting::Default => {}
            None => faults.push(without_name(database, bit, setting)),
        }
    }
    settings.sort_unstable();
    let mut cpu = if guest.host_based {
        if let Some(vendor) = &guest.vendor {
            let message = "the vendor of a CPU that follows the host is the host's";
            faults.push(fault::new(None, vendor, message.to_owned()));
        }
        LibvirtCpu {
            mode: Mode::HostPassthrough,
            ..LibvirtCpu::new(Kind::Guest)
        }
    } else {
        closest(map, guest, features)?
    };
    for (place, setting) in settings {
        let Some(feature) = map.feature(place) else { continue };
        let policy = Policy::of(setting);
        match setting {
            Setting::On if !guest.host_based => {}
            Setting::Off if !guest.host_based => cpu.add_feature(feature.name, policy),
            _ => cpu.set_feature(feature.name, Some(policy)),
        }
    }
    for &(word, mask, value) in &guest.values {
        if word == ADDRESS_WORD && mask == ADDRESS_MASK {
            cpu.address = Some(AddressWidth {
                mode: AddressMode::Emulate,
                bits: Some(value),
                limit: None,
            });
        } else {
            let message = format!("a <cpu> element cannot set {word} to {value:#x} (mask {mask:#x})");
            faults.push(fault::new(None, &word.to_string(), message));
        }
    }
    Ok((cpu, faults))
}

/// A custom definition with the features, before the settings that are more than on and off.
fn closest(map: &Map, guest: &GuestCpu, features: FeatureSet) -> Result<LibvirtCpu, Fault> {
    let known = guest.vendor.as_ref().map(|string| {
        let known = map.vendors().iter().find(|vendor| vendor.string == *string);
        (string, known)
    });
    let named = guest
        .model
        .as_ref()
        .filter(|name| map.model(name).is_some_and(|model| model.decode_guest));
    let data = CpuData {
        features,
        vendor: known.and_then(|(_, known)| known),
        signature: match (named, guest.family, guest.model_number) {
            (None, Some(family), Some(model)) => signature(family, model, guest.stepping.unwrap_or(0)),
            _ => 0,
        },
    };
    let preferred: Vec<String> = named.into_iter().cloned().collect();
    let choice = Choice {
        preferred: &preferred,
        ..Choice::any(Kind::Guest)
    };
    let mut cpu = decode(map, &data, &choice)?;
    cpu.signature = None;
    // What is taken from a processor because it does not work there is asked for here.
    for name in map.names(features.without(cpu.features(map)?)) {
        cpu.set_feature(name, Some(Policy::Require));
    }
    if let Some((string, None)) = known {
        cpu.vendor_id = Some(string.clone());
    }
    Ok(cpu)
}

fn without_name(database: &Database, bit: Bit, setting: Setting) -> Fault {
    let field = database.of_bit(bit, Vendors::ANY);
    let what = field.map_or_else(|| bit.to_string(), |field| field.id.to_owned());
    let asked = match setting.value() {
        Some(true) => "set",
        Some(false) => "clear",
        None => "as on the host",
    };
    let message = format!("libvirt has no name for {bit}, which is to be {asked}");
    fault::new(None, &what, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::libvirt::{ReadAs, read};

    fn guest(text: &str) -> GuestCpu {
        let cpu = read(text, ReadAs::Guests).into_result().unwrap().remove(0);
        let (guest, faults) = to_guest(&Map::builtin(), &cpu);
        assert_eq!(faults, []);
        guest
    }

    fn xml(guest: &GuestCpu) -> (String, Vec<Fault>) {
        let (cpu, faults) = from_guest(&Map::builtin(), &Database::builtin(), guest).unwrap();
        (cpu.to_xml(), faults)
    }

    #[test]
    fn a_custom_definition_comes_back_as_it_was() {
        let text = "<cpu mode='custom' match='exact'>
  <model fallback='allow'>SandyBridge</model>
  <vendor>Intel</vendor>
  <maxphysaddr mode='emulate' bits='40'/>
  <feature policy='require' name='pcid'/>
  <feature policy='disable' name='aes'/>
  <feature policy='force' name='vmx'/>
  <feature policy='forbid' name='hle'/>
  <feature policy='optional' name='invtsc'/>
</cpu>
";
        let guest = guest(text);
        assert_eq!(guest.vendor.as_deref(), Some("GenuineIntel"));
        assert_eq!(guest.words().get(Word::cpuid(1, 0, Register::Ecx)) >> 17 & 1, 1);
        let (back, faults) = xml(&guest);
        assert_eq!(faults, []);
        let lines = |text: &str| {
            let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
            lines.sort();
            lines
        };
        assert_eq!(lines(&back), lines(text));
    }

    #[test]
    fn every_model_for_guests_comes_back_as_itself() {
        let map = Map::builtin();
        for model in map.models().iter().filter(|model| model.decode_guest) {
            let guest = guest(&format!("<cpu match='exact'><model>{}</model></cpu>", model.name));
            let (cpu, faults) = from_guest(&map, &Database::builtin(), &guest).unwrap();
            assert_eq!(faults, []);
            assert_eq!(cpu.model.as_deref(), Some(model.name));
            assert!(
                cpu.features
                    .iter()
                    .all(|feature| feature.policy == Some(Policy::Disable))
            );
            assert_eq!(cpu.features.len(), model.removed.len(), "{}", model.name);
        }
    }

    #[test]
    fn a_cpu_that_follows_the_host_is_passed_through() {
        let text = "<cpu mode='host-passthrough'>
  <feature policy='force' name='pni'/>
  <feature policy='disable' name='tm'/>
  <feature policy='optional' name='pdpe1gb'/>
</cpu>
";
        let guest = guest(text);
        assert!(guest.host_based);
        assert_eq!(xml(&guest), (text.to_owned(), Vec::new()));
    }

    #[test]
    fn what_libvirt_has_no_name_for_is_a_fault() {
        let mut guest = GuestCpu {
            host_based: true,
            ..GuestCpu::default()
        };
        guest.bits.insert(Word::cpuid(7, 0, Register::Ebx).bit(15), Setting::On);
        guest.values.push((Word::cpuid(4, 0, Register::Eax), u32::MAX, 1));
        let (_, faults) = xml(&guest);
        assert_eq!(faults.len(), 2);
        assert_eq!(faults[0].what, "rdt_a");
        assert!(faults[1].message.contains("4.0.eax"));
    }
}
