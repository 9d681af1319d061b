//! From one language of CPU configurations to another: QEMU `-cpu`, libvirt `<cpu>`, libxl `cpuid=` as
//! string and as list, Firecracker templates.
//!
//! A configuration is read into a [`GuestCpu`] and written from it. Languages without models (libxl,
//! Firecracker) change what the host gives: a model is brought there by switching off what guests have by
//! default and the model has not, with its family, model and stepping. Read back, a `cpuid=` that speaks of
//! every feature guests have by default is taken for a whole CPU.
//!
//! ```
//! use cpuid_db::{Database, convert::{self, Language}};
//! let database = Database::builtin();
//! let guest = convert::read(&database, Language::Qemu, "SandyBridge,+pcid,-aes").unwrap();
//! let xl = convert::write(&database, Language::Xl, &guest).unwrap();
//! assert!(xl.starts_with("host,family=6,model=42,stepping=1,"), "{xl}");
//! let back = convert::read(&database, Language::Xl, &xl).unwrap();
//! assert_eq!(convert::write(&database, Language::Qemu, &back).unwrap(), "SandyBridge,+pcid,-aes");
//! ```

use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;

use crate::bits::{Bit, Place};
use crate::database::{Database, Vendors};
use crate::dialect::Dialect;
use crate::guest::{Fault, GuestCpu};
use crate::libvirt::{self, Map, ReadAs};
use crate::xen::{self, Features, StaticSet};
use crate::{firecracker, qemu};

/// A language of CPU configurations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// QEMU's `-cpu` option.
    Qemu,
    /// libvirt's `<cpu>` element.
    Libvirt,
    /// libxl's `cpuid=` as a string, `host,aes=0`.
    Xl,
    /// `cpuid=` as a list of lines, `["0x1:ecx=xxxx…"]`.
    Xend,
    /// Firecracker's CPU template.
    Firecracker,
}

impl Language {
    /// All.
    pub const ALL: [Self; 5] = [Self::Qemu, Self::Libvirt, Self::Xl, Self::Xend, Self::Firecracker];

    /// Lower-case name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Qemu => "qemu",
            Self::Libvirt => "libvirt",
            Self::Xl => "xl",
            Self::Xend => "xend",
            Self::Firecracker => "firecracker",
        }
    }

    /// Reads a name.
    ///
    /// # Errors
    /// The names there are.
    pub fn read(name: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|language| language.name() == name)
            .ok_or_else(|| format!("expected {}", Self::ALL.map(Self::name).join(", ")))
    }

    /// The language of a text. `host` alone, and what nothing else fits, is QEMU's.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let text = text.trim();
        if text.starts_with('<') {
            Self::Libvirt
        } else if text.starts_with('{') {
            Self::Firecracker
        } else if text.starts_with('[') || (text.contains(":e") && text.contains("x=")) {
            Self::Xend
        } else if text.lines().any(|line| line.trim_start().starts_with("cpuid")) || is_flags(text) {
            Self::Xl
        } else {
            Self::Qemu
        }
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// `host,KEY=VALUE` with the values of libxl; QEMU's are words.
fn is_flags(text: &str) -> bool {
    let Some(flags) = text.trim_matches(['"', '\'']).strip_prefix("host,") else {
        return false;
    };
    flags.split(',').any(|flag| {
        let value = flag.split_once('=').map_or("", |(_, value)| value);
        matches!(value, "x" | "k" | "s") || value.starts_with(|first: char| first.is_ascii_digit())
    })
}

/// Reads a configuration.
///
/// # Errors
/// What the language's own reader refuses, with its place in the text.
pub fn read(database: &Database, language: Language, text: &str) -> Result<GuestCpu, Vec<Fault>> {
    let (guest, faults) = match language {
        Language::Qemu => return qemu::parse(database, text.trim()),
        Language::Libvirt => {
            let map = Map::new(database);
            let read = libvirt::read(text, ReadAs::Either);
            let none = || {
                vec![Fault {
                    at: None,
                    what: "<cpu>".to_owned(),
                    message: "no <cpu> element".to_owned(),
                }]
            };
            let mut faults = read.faults;
            let cpu = read
                .cpus
                .first()
                .ok_or_else(|| if faults.is_empty() { none() } else { faults.clone() })?;
            let (mut guest, more) = libvirt::to_guest(&map, cpu);
            faults.extend(more);
            if cpu.signature.is_none() {
                // The map's signatures tell which hosts a model is for, not what its guests see.
                (guest.family, guest.model_number) = (None, None);
            }
            (guest, faults)
        }
        Language::Xl | Language::Xend => {
            let (guest, faults) = xen::read(database, text);
            (whole(database, language, guest), faults)
        }
        Language::Firecracker => {
            let decoded = firecracker::read(text);
            let faults = decoded.damage.into_iter().map(|damage| Fault {
                at: None,
                what: format!("line {}: {}", damage.line, damage.seen),
                message: format!("expected {}", damage.expected),
            });
            let mut guest = decoded.value;
            guest.name_values();
            (whole(database, language, guest), faults.collect())
        }
    };
    if faults.is_empty() { Ok(guest) } else { Err(faults) }
}

/// A `cpuid=` that speaks of every feature HVM guests have by default stands for itself and not for what
/// it changes of a host. Features that Xen sees to itself do not count.
fn whole(database: &Database, language: Language, mut guest: GuestCpu) -> GuestCpu {
    let features = Features::of(database);
    let default = features.static_set(StaticSet::HvmHapDefault);
    let told = default
        .iter()
        .filter(|&feature| !features.attributes(feature).contains(['!', '|']))
        .filter(|feature| language == Language::Xl || matches!(feature.bit().word.place, Place::Leaf(_)))
        .all(|feature| {
            guest
                .bits
                .get(&feature.bit())
                .is_some_and(|setting| setting.value().is_some())
        });
    guest.host_based = !told;
    guest
}

/// Writes a configuration.
///
/// # Errors
/// Each part that the language cannot say.
pub fn write(database: &Database, language: Language, guest: &GuestCpu) -> Result<String, Vec<Fault>> {
    let (text, faults) = match language {
        Language::Qemu => return qemu::write(database, guest),
        Language::Libvirt => {
            let map = Map::new(database);
            let (cpu, mut faults) = libvirt::from_guest(&map, database, guest).map_err(|fault| vec![fault])?;
            faults.extend(without_place(database, guest));
            (cpu.to_xml(), faults)
        }
        Language::Xl => xen::write_string(database, guest),
        Language::Xend => xen::write_list(database, guest),
        Language::Firecracker => return firecracker::write(guest),
    };
    if faults.is_empty() { Ok(text) } else { Err(faults) }
}

/// Values that a `<cpu>` element has no place for: those that differ from the guest's model.
fn without_place(database: &Database, guest: &GuestCpu) -> Vec<Fault> {
    let Some(own) = guest
        .model
        .as_deref()
        .and_then(|model| qemu::parse(database, model).ok())
    else {
        return Vec::new();
    };
    let mut faults = Vec::new();
    let mut differ = |name: &str, given: Option<String>, own: Option<String>| {
        if given.is_some() && given != own {
            faults.push(Fault {
                at: None,
                what: name.to_owned(),
                message: "a <cpu> element has no place for it".to_owned(),
            });
        }
    };
    let number = |number: Option<u32>| number.map(|number| number.to_string());
    differ("family", number(guest.family), number(own.family));
    differ("model", number(guest.model_number), number(own.model_number));
    differ("stepping", number(guest.stepping), number(own.stepping));
    differ("level", number(guest.level), number(own.level));
    differ("xlevel", number(guest.extended_level), number(own.extended_level));
    differ("model-id", guest.brand.clone(), own.brand);
    faults
}

/// A guest without the bits and values that faults of a writer are about, and those bits.
#[must_use]
pub fn without(database: &Database, guest: &GuestCpu, faults: &[Fault]) -> (GuestCpu, Vec<Bit>) {
    let names = |bit: Bit| {
        let field = database.of_bit(bit, Vendors::ANY);
        let mut names = vec![bit.to_string()];
        if let Some(field) = field {
            names.push(field.id.to_owned());
            names.extend(
                Dialect::ALL
                    .iter()
                    .flat_map(|&dialect| field.names(dialect))
                    .map(ToString::to_string),
            );
        }
        names
    };
    let mut left = guest.clone();
    for fault in faults {
        match fault.what.as_str() {
            "family" => left.family = None,
            "model" => left.model_number = None,
            "stepping" => left.stepping = None,
            "level" => left.level = None,
            "xlevel" | "extended level" => left.extended_level = None,
            "model-id" | "brand" => left.brand = None,
            "vendor" => left.vendor = None,
            _ => {}
        }
    }
    let mut taken = Vec::new();
    left.bits.retain(|&bit, _| {
        let names = names(bit);
        let hit = faults.iter().any(|fault| {
            let what = fault
                .what
                .split_once(" (")
                .map_or(fault.what.as_str(), |(name, _)| name);
            names.iter().any(|name| name == what)
        });
        if hit {
            taken.push(bit);
        }
        !hit
    });
    (left, taken)
}

/// Whether a writer's fault is about a value of the identity rather than a feature.
#[must_use]
pub fn is_value(what: &str) -> bool {
    let values = [
        "family",
        "model",
        "stepping",
        "level",
        "xlevel",
        "extended level",
        "model-id",
        "brand",
        "vendor",
    ];
    values.contains(&what)
}

/// The feature that a writer's fault is about: some say its place too.
fn feature(fault: &Fault) -> &str {
    fault.what.split_once(" (").map_or(&fault.what, |(name, _)| name)
}

/// Gives faults of a writer the place of their feature in the text the guest was read from.
pub fn locate(database: &Database, text: &str, faults: &mut [Fault]) {
    for fault in faults.iter_mut().filter(|fault| fault.at.is_none()) {
        let what = feature(fault);
        let fields = Dialect::ALL.iter().flat_map(|&dialect| database.lookup(dialect, what));
        let names = fields.chain(database.by_id(what)).flat_map(|field| {
            let names = Dialect::ALL.iter().flat_map(|&dialect| field.names(dialect));
            names.copied().chain([field.id])
        });
        let at = names.chain([what]).find_map(|name| word_at(text, name));
        fault.at = at;
    }
}

/// Where a name stands as a word of its own.
fn word_at(text: &str, name: &str) -> Option<usize> {
    let part_of_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    text.match_indices(name).map(|(at, _)| at).find(|&at| {
        let before = text.get(..at).and_then(|text| text.chars().next_back());
        let after = text
            .get(at.saturating_add(name.len())..)
            .and_then(|text| text.chars().next());
        !before.is_some_and(|c| part_of_name(c) && c != '-') && !after.is_some_and(part_of_name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_language_is_told_by_its_text() {
        for (text, language) in [
            ("SandyBridge,+pcid,-aes", Language::Qemu),
            ("host", Language::Qemu),
            ("host,aes=off", Language::Qemu),
            ("host,aes=0", Language::Xl),
            ("cpuid=\"host,aes=0\"", Language::Xl),
            ("[\"0x1:ecx=xxxxxx0xxxxxxxxxxxxxxxxxxxxxxxxx\"]", Language::Xend),
            ("0x1:ecx=xxxxxx0xxxxxxxxxxxxxxxxxxxxxxxxx", Language::Xend),
            ("<cpu mode='host-passthrough'/>", Language::Libvirt),
            ("{\"cpuid_modifiers\": []}", Language::Firecracker),
        ] {
            assert_eq!(Language::of(text), language, "{text}");
        }
    }

    #[test]
    fn what_a_definition_has_no_place_for_is_a_fault() {
        let database = Database::builtin();
        let guest = |text| read(&database, Language::Qemu, text).unwrap();
        let faults = write(
            &database,
            Language::Libvirt,
            &guest("SandyBridge,level=0x16,stepping=4"),
        )
        .unwrap_err();
        let seen: Vec<&str> = faults.iter().map(|fault| fault.what.as_str()).collect();
        assert_eq!(seen, ["stepping", "level"]);
        assert!(write(&database, Language::Libvirt, &guest("SandyBridge,level=0xd,-aes")).is_ok());
    }

    #[test]
    fn a_definitions_model_is_the_guests() {
        let database = Database::builtin();
        let guest = read(&database, Language::Libvirt, "<cpu><model>Opteron_G3</model></cpu>").unwrap();
        // libvirt has taken MONITOR out of its model; its signature, of another processor, is no guest's.
        assert_eq!(write(&database, Language::Qemu, &guest).unwrap(), "Opteron_G3,-monitor");
    }

    #[test]
    fn a_feature_is_found_in_the_text_by_any_of_its_names() {
        let database = Database::builtin();
        let mut faults = [Fault {
            at: None,
            what: "pclmulqdq".to_owned(),
            message: String::new(),
        }];
        locate(&database, "host,+pclmuldq-x,+pclmuldq", &mut faults);
        assert_eq!(faults[0].at, Some(18));
    }
}
