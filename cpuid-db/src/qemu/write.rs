//! The `-cpu` option for a guest.
//!
//! A model and what differs from it: `SandyBridge,+pcid,-aes`. Bits that follow from others (XSAVE
//! components, AMD's copy of 1.edx) or that the operating system sets are not asked for; MSRs the guest
//! tells nothing of, and the hypervisor bit when it does not speak of it, stay as the model has them.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::cpu::{Class, Cpu};
use super::expand::{AMD_EDX, FEATURES_EDX, HYPERVISOR, Realized};
use super::model::{self, Model, WORDS};
use super::nearest::of_model;
use crate::bits::{Bit, COMMON_1D, Place, Register, Word, Words};
use crate::database::{Combine, Database, Vendors};
use crate::dialect::Dialect;
use crate::guest::{Fault, GuestCpu, Setting};

/// Features by QEMU's name, and what the option makes of them.
type Options = BTreeMap<&'static str, bool>;

/// The option for a guest: the guest's own model when it is one of QEMU's, otherwise the one with the
/// fewest differences, the newest of equals. Based on the host: `host`, or `max` when that is its model.
///
/// # Errors
/// Every feature or value that QEMU has no name for, or cannot set as asked.
pub fn write(database: &Database, guest: &GuestCpu) -> Result<String, Vec<Fault>> {
    let mut faults = Vec::new();
    let text = if guest.host_based {
        of_host(database, guest, &mut faults)
    } else {
        of_model_options(database, guest, &mut faults)
    };
    if faults.is_empty() { Ok(text) } else { Err(faults) }
}

fn of_host(database: &Database, guest: &GuestCpu, faults: &mut Vec<Fault>) -> String {
    let name = match guest.model.as_deref() {
        Some("max") => "max",
        _ => "host",
    };
    let mut options = Options::new();
    for (&bit, setting) in &guest.bits {
        let Some(on) = setting.value() else { continue };
        if follows(database, guest, bit) {
            continue;
        }
        let Some(name) = name_of(database, bit) else {
            // What QEMU does not know it does not pass on.
            if on {
                faults.push(unnamed(database, bit));
            }
            continue;
        };
        if options.insert(name, on).is_some_and(|other| other != on) {
            faults.push(together(database, bit, name));
        }
    }
    let mut text = name.to_owned();
    if let Some(vendor) = &guest.vendor {
        property(&mut text, "vendor", vendor, faults);
    }
    for (name, value) in numbers(guest) {
        property(&mut text, name, &value.to_string(), faults);
    }
    if let Some(brand) = &guest.brand {
        property(&mut text, "model-id", brand, faults);
    }
    for (name, value) in [("level", guest.level), ("xlevel", guest.extended_level)] {
        if let Some(value) = value {
            property(&mut text, name, &format!("{value:#x}"), faults);
        }
    }
    values(guest, &mut text, faults);
    append(&mut text, &options);
    text
}

fn numbers(guest: &GuestCpu) -> impl Iterator<Item = (&'static str, u32)> {
    [
        ("family", guest.family),
        ("model", guest.model_number),
        ("stepping", guest.stepping),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some((name, value?)))
}

fn of_model_options(database: &Database, guest: &GuestCpu, faults: &mut Vec<Fault>) -> String {
    for (&bit, setting) in &guest.bits {
        if setting.value().is_none() {
            faults.push(Fault {
                at: None,
                what: display_name(database, bit),
                message: "depends on the host, which only the models host and max do".to_owned(),
            });
        }
    }
    let wanted = Wanted::of(database, guest);
    let given = guest.model.as_deref().and_then(|name| {
        let class = Class::of(name).filter(|class| !class.is_max())?;
        Some((name, class))
    });
    let (name, class) = given.unwrap_or_else(|| {
        let model = wanted.nearest(database, guest);
        (
            model.map_or("base", Model::short_name),
            model.map_or(Class::Base, Class::Model),
        )
    });
    let options = wanted.options(database, name, class, faults);
    let mut text = name.to_owned();
    let vendor = class.model().map(|model| model.vendor);
    let own_vendor = guest.vendor.as_deref().filter(|own| vendor != Some(own));
    if let Some(vendor) = own_vendor {
        property(&mut text, "vendor", vendor, faults);
    }
    let own = Cpu::new(database, name, class).signature();
    for ((name, value), own) in [guest.family, guest.model_number, guest.stepping]
        .into_iter()
        .zip(["family", "model", "stepping"])
        .map(|(value, name)| (name, value))
        .zip(own)
    {
        if let Some(value) = value.filter(|&value| value != own) {
            property(&mut text, name, &value.to_string(), faults);
        }
    }
    let brand = class.model().map_or("", |model| model.brand);
    if let Some(own) = guest.brand.as_deref().filter(|own| *own != brand) {
        property(&mut text, "model-id", own, faults);
    }
    if let Some(realized) = realize(database, name, class, &options, own_vendor) {
        for (name, value, own) in [
            ("level", guest.level, realized.level),
            ("xlevel", guest.extended_level, realized.extended_level),
        ] {
            if let Some(value) = value.filter(|&value| value != own) {
                property(&mut text, name, &format!("{value:#x}"), faults);
            }
        }
    }
    values(guest, &mut text, faults);
    append(&mut text, &options);
    text
}

/// `name=value`, which ends at a comma, and is checked as QEMU does.
fn property(text: &mut String, name: &'static str, value: &str, faults: &mut Vec<Fault>) {
    let message = if value.contains(',') {
        Some("a comma ends a value of -cpu".to_owned())
    } else if name == "model-id" && value.len() > 48 {
        Some("the brand string has 48 characters".to_owned())
    } else {
        let given = super::option::Given::Text(value);
        model::property(name).and_then(|property| given.value(property, name, "").err())
    };
    if let Some(message) = message {
        faults.push(Fault {
            at: None,
            what: format!("{name}={value}"),
            message,
        });
    }
    let _ = write!(text, ",{name}={value}");
}

fn values(guest: &GuestCpu, text: &mut String, faults: &mut Vec<Fault>) {
    for &(word, mask, value) in &guest.values {
        if word == super::ADDRESS_WIDTHS && mask == 0xff {
            property(text, "phys-bits", &value.to_string(), faults);
        } else if mask != 0 {
            faults.push(Fault {
                at: None,
                what: word.to_string(),
                message: "-cpu has no property for this value".to_owned(),
            });
        }
    }
}

fn append(text: &mut String, options: &Options) {
    for (sign, on) in [('+', true), ('-', false)] {
        for (name, _) in options.iter().filter(|(_, value)| **value == on) {
            let _ = write!(text, ",{sign}{name}");
        }
    }
}

/// What the guest is to have, and where it says so.
struct Wanted {
    on: Words,
    told: BTreeSet<Bit>,
    /// MSRs of which at least one bit is to be set: the others are not.
    msrs: BTreeSet<Place>,
}

impl Wanted {
    fn of(database: &Database, guest: &GuestCpu) -> Self {
        let is_on = |setting: &Setting| setting.value() == Some(true);
        let told: BTreeSet<Bit> = guest
            .bits
            .keys()
            .copied()
            .filter(|&bit| !follows(database, guest, bit))
            .collect();
        let on: Words = told
            .iter()
            .copied()
            .filter(|bit| guest.bits.get(bit).is_some_and(is_on))
            .collect();
        let msrs = on
            .iter()
            .map(|(word, _)| word.place)
            .filter(|place| matches!(place, Place::Msr(_)))
            .collect();
        Self { on, told, msrs }
    }

    /// Bits that are not as they are to be.
    fn wrong(&self, have: &Words) -> Vec<Bit> {
        let extra = have.bits().filter(|&bit| !self.on.has(bit) && self.matters(bit));
        let missing = self.on.bits().filter(|&bit| !have.has(bit));
        extra.chain(missing).collect()
    }

    /// Whether the guest cares that a bit is not set.
    fn matters(&self, bit: Bit) -> bool {
        match bit.word.place {
            _ if self.told.contains(&bit) => true,
            Place::Leaf(_) => bit != HYPERVISOR,
            // What QEMU does not name comes and goes with what it does.
            Place::Msr(_) => self.msrs.contains(&bit.word.place) && model::is_named(bit),
        }
    }

    fn nearest(&self, database: &Database, guest: &GuestCpu) -> Option<&'static Model> {
        let vendor = guest
            .vendor
            .as_deref()
            .filter(|vendor| model::models().iter().any(|model| model.vendor == *vendor));
        let signature =
            |model: &Model| guest.family == Some(model.family) && guest.model_number == Some(model.model_number);
        // A brand with a comma cannot be given, only had.
        let brand = guest.brand.as_deref().filter(|brand| brand.contains(','));
        let (_, model) = model::models()
            .iter()
            .enumerate()
            .filter(|(_, model)| vendor.is_none_or(|vendor| vendor == model.vendor))
            .min_by_key(|(index, model)| {
                let wrong = self.wrong(&of_model(database, model));
                let unnamed = wrong.iter().filter(|&&bit| !model::is_named(bit)).count();
                let other_brand = brand.is_some_and(|brand| brand != model.brand);
                (other_brand, unnamed, wrong.len(), !signature(model), Reverse(*index))
            })?;
        Some(model)
    }

    /// Features to set and clear, no more than needed.
    fn options(&self, database: &Database, name: &str, class: Class, faults: &mut Vec<Fault>) -> Options {
        let mut options = Options::new();
        // A feature that is set can bring others that were there without it, so look again.
        for _ in 0..4 {
            let Some(realized) = realize(database, name, class, &options, None) else {
                break;
            };
            let wrong = self.wrong(&realized.asked);
            if wrong.is_empty() {
                break;
            }
            for bit in wrong {
                self.correct(database, bit, &mut options);
            }
        }
        let left = realize(database, name, class, &options, None).map_or_else(Vec::new, |now| self.wrong(&now.asked));
        faults.extend(left.into_iter().map(|bit| match name_of(database, bit) {
            Some(name) => together(database, bit, name),
            None => unnamed(database, bit),
        }));
        if !faults.is_empty() {
            return options;
        }
        let list: Vec<(&'static str, bool)> = options.iter().map(|(&name, &on)| (name, on)).collect();
        for (feature, on) in list {
            options.remove(feature);
            let still =
                realize(database, name, class, &options, None).is_some_and(|now| self.wrong(&now.asked).is_empty());
            if !still {
                options.insert(feature, on);
            }
        }
        options
    }

    /// Sets or clears a feature, unless its name stands for bits that are to differ.
    fn correct(&self, database: &Database, bit: Bit, options: &mut Options) {
        let on = self.on.has(bit);
        let Some(name) = name_of(database, bit) else { return };
        let mut bits = database
            .lookup(Dialect::Qemu, name)
            .into_iter()
            .filter_map(crate::Field::bit);
        if bits.all(|other| self.on.has(other) == on || !(on || self.matters(other))) {
            options.insert(name, on);
        }
    }
}

fn realize(database: &Database, name: &str, class: Class, options: &Options, vendor: Option<&str>) -> Option<Realized> {
    use super::option::Given;
    let mut cpu = Cpu::new(database, name, class);
    if let Some(vendor) = vendor {
        cpu.set("vendor", Given::Text(vendor)).ok()?;
    }
    for (name, &on) in options {
        cpu.set(name, Given::Flag(on)).ok()?;
    }
    cpu.realize().ok().map(|(_, realized)| realized)
}

/// A bit that QEMU derives from others, or the operating system sets.
fn follows(database: &Database, guest: &GuestCpu, bit: Bit) -> bool {
    let Word {
        place,
        subleaf,
        register,
    } = bit.word;
    if place == Place::Leaf(0xd) && (subleaf.0 != 1 || register != Register::Eax) {
        return true;
    }
    if bit.word == AMD_EDX && COMMON_1D >> (bit.number & 31) & 1 == 1 {
        let original = guest.bits.get(&FEATURES_EDX.bit(bit.number));
        return original.and_then(|setting| setting.value()) == guest.bits.get(&bit).and_then(|own| own.value());
    }
    !model::is_named(bit)
        && database
            .of_bit(bit, Vendors::ANY)
            .is_some_and(|field| field.combine == Some(Combine::Dynamic))
}

fn name_of(database: &Database, bit: Bit) -> Option<&'static str> {
    WORDS.iter().find(|known| known.word == bit.word)?;
    database
        .of_word(bit.word, Vendors::ANY)
        .filter(|field| field.bit() == Some(bit))
        .find_map(|field| field.name(Dialect::Qemu))
}

fn display_name(database: &Database, bit: Bit) -> String {
    let Some(field) = database.of_bit(bit, Vendors::ANY) else {
        return bit.to_string();
    };
    [
        Dialect::Qemu,
        Dialect::Libvirt,
        Dialect::Xen,
        Dialect::Linux,
        Dialect::Sdm,
        Dialect::Apm,
    ]
    .into_iter()
    .find_map(|dialect| field.name(dialect))
    .unwrap_or(field.id)
    .to_owned()
}

fn unnamed(database: &Database, bit: Bit) -> Fault {
    Fault {
        at: None,
        what: display_name(database, bit),
        message: format!("QEMU 10.0 has no name for {bit}"),
    }
}

fn together(database: &Database, bit: Bit, name: &str) -> Fault {
    Fault {
        at: None,
        what: display_name(database, bit),
        message: format!("QEMU sets {bit} together with other bits as {name}"),
    }
}
