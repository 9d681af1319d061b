//! CPU models of QEMU 10.0 and its `-cpu` option: what it gives a guest, and the option for a guest.
//!
//! Values are those of a vCPU on machine type `pc` under TCG: its properties `feature-words` and
//! `filtered-features` taken together, that is, what is asked for, whether or not the accelerator can
//! do it. Other accelerators change defaults of their own: KVM sets x2apic and its paravirtual
//! features and clears acpi, monitor and svm; TCG clears vme.
//!
//! ```
//! use cpuid_db::{Database, Register, Word, qemu};
//! let database = Database::builtin();
//! let words = qemu::words(&database, "SandyBridge,+pcid").unwrap();
//! assert_eq!(words.get(Word::cpuid(1, 0, Register::Ecx)), 0x97ba_2203);
//!
//! let faults = qemu::words(&database, "SandyBridge,+bogusflag").unwrap_err();
//! assert_eq!(faults[0].message, "Property 'SandyBridge-x86_64-cpu.bogusflag' not found");
//! assert_eq!(faults[0].at, Some(12));
//! ```

mod cpu;
mod expand;
mod model;
mod nearest;
mod option;
mod write;

use cpu::{Class, Cpu};
use expand::Realized;
pub use model::{Model, model, model_names, models, resolve};
pub use nearest::{Nearness, nearest};
use option::{Form, Given, Item};
pub use write::write;

use crate::bits::{Register, Word, Words};
use crate::database::Database;
use crate::guest::{Fault, GuestCpu, Setting};

/// Physical address width, in 80000008.eax.
const ADDRESS_WIDTHS: Word = Word::cpuid(0x8000_0008, 0, Register::Eax);

/// What an option asks for. `max` and `host` are based on the host: only what the option itself says
/// is told. Bits that follow from others (XSAVE components, AMD's copy of 1.edx) are not among the bits.
///
/// # Errors
/// What QEMU refuses, in its words; the first is the one it stops at.
pub fn parse(database: &Database, text: &str) -> Result<GuestCpu, Vec<Fault>> {
    let (name, items, cpu) = build(database, text)?;
    let based_on_host = cpu.class.is_max();
    if based_on_host {
        return Ok(of_host(name, &cpu));
    }
    let (cpu, realized) = realize(cpu, &items)?;
    let [family, model_number, stepping] = cpu.signature();
    let model = cpu.class.model();
    let brand = cpu.text("model-id").or(model.map(|model| model.brand));
    let mut guest = GuestCpu {
        model: Some(name.to_owned()),
        host_based: false,
        vendor: Some(cpu.vendor().to_owned()).filter(|vendor| !vendor.is_empty()),
        family: Some(family),
        model_number: Some(model_number),
        stepping: Some(stepping),
        brand: brand.filter(|brand| !brand.is_empty()).map(str::to_owned),
        level: Some(realized.level),
        extended_level: Some(realized.extended_level),
        ..GuestCpu::default()
    };
    for bit in realized.asked.bits() {
        guest.bits.insert(bit, Setting::On);
    }
    for bit in cpu.user_bits() {
        guest.bits.entry(bit).or_insert(Setting::Off);
    }
    guest.values = widths(&cpu);
    Ok(guest)
}

fn of_host(name: &str, cpu: &Cpu<'_>) -> GuestCpu {
    GuestCpu {
        model: Some(name.to_owned()),
        host_based: true,
        vendor: cpu.text("vendor").map(str::to_owned),
        family: cpu.number("family"),
        model_number: cpu.number("model"),
        stepping: cpu.number("stepping"),
        brand: cpu.text("model-id").map(str::to_owned),
        level: cpu.number("level"),
        extended_level: cpu.number("xlevel"),
        bits: cpu.user_settings(),
        values: widths(cpu),
    }
}

fn widths(cpu: &Cpu<'_>) -> Vec<(Word, u32, u32)> {
    let bits = cpu.number("phys-bits").filter(|&bits| bits != 0);
    bits.map(|bits| (ADDRESS_WIDTHS, 0xff, bits)).into_iter().collect()
}

/// Words of the vCPU: `feature-words` and `filtered-features` under TCG on `pc`, and its MSRs.
///
/// # Errors
/// What QEMU refuses, in its words; the first is the one it stops at.
pub fn words(database: &Database, text: &str) -> Result<Words, Vec<Fault>> {
    let (_, items, cpu) = build(database, text)?;
    Ok(realize(cpu, &items)?.1.requested)
}

/// What QEMU warns of but accepts: `+x` mixed with `x=…`, models that are to be removed.
#[must_use]
pub fn warnings(text: &str) -> Vec<Fault> {
    let (name, items) = option::split(text);
    let mut found = Vec::new();
    if model(name).is_some_and(|model| model.deprecated) {
        found.push(fault(Some(0), name, format!("CPU model {name} is deprecated")));
    }
    for (index, item) in items.iter().enumerate() {
        let Form::Value(value) = item.form else {
            continue;
        };
        for (form, sign) in [(Form::Plus, '+'), (Form::Minus, '-')] {
            let before = items.iter().take(index);
            if before
                .filter(|other| other.form == form)
                .any(|other| other.name == item.name)
            {
                let message = format!(
                    "Ambiguous CPU model string. Don't mix both \"{sign}{0}\" and \"{0}={value}\"",
                    item.name
                );
                found.push(fault(Some(item.at), item.text, message));
            }
        }
    }
    found
}

fn fault(at: Option<usize>, what: &str, message: String) -> Fault {
    Fault {
        at,
        what: what.to_owned(),
        message,
    }
}

/// The model with every property set, in QEMU's order: values as they stand, then `+`, then `-`.
fn build<'t, 'd>(database: &'d Database, text: &'t str) -> Result<(&'t str, Vec<Item<'t>>, Cpu<'d>), Vec<Fault>> {
    let (name, items) = option::split(text);
    if text.is_empty() {
        return Err(vec![fault(Some(0), text, "-cpu option cannot be empty".to_owned())]);
    }
    let Some(class) = Class::of(name) else {
        let message = format!("unable to find CPU model '{name}'");
        return Err(vec![fault(Some(0), name, message)]);
    };
    let mut cpu = Cpu::new(database, name, class);
    let mut faults = bad_frequencies(&items);
    for item in &items {
        if let Form::Value(value) = item.form {
            faults.extend(set_value(&mut cpu, item, value));
        }
    }
    faults.extend(misplaced(&cpu, &items));
    for (form, on) in [(Form::Plus, true), (Form::Minus, false)] {
        for item in items.iter().filter(|item| item.form == form) {
            if let Err(message) = cpu.set(&item.name, Given::Flag(on)) {
                faults.push(fault(Some(item.at), item.text, message));
            }
        }
    }
    if faults.is_empty() {
        Ok((name, items, cpu))
    } else {
        Err(faults)
    }
}

/// The first CPU has number 0 on every level of the topology.
fn misplaced(cpu: &Cpu<'_>, items: &[Item<'_>]) -> Option<Fault> {
    let (name, number) = ["socket-id", "die-id", "module-id", "core-id", "thread-id"]
        .into_iter()
        .find_map(|name| Some((name, cpu.signed(name).filter(|&number| number != -1 && number != 0)?)))?;
    let number = number.cast_unsigned();
    let message = format!("property {name}: {number} doesn't match set apic-id: 0x0 ({name}: 0)");
    let item = items.iter().rev().find(|item| item.name == name)?;
    Some(fault(Some(item.at), item.text, message))
}

/// `tsc-freq` is read before anything else.
fn bad_frequencies(items: &[Item<'_>]) -> Vec<Fault> {
    let bad = items.iter().filter_map(|item| match item.form {
        Form::Value(value) if item.name == "tsc-freq" && option::frequency(value).is_none() => {
            Some(fault(Some(item.at), item.text, format!("bad numerical value {value}")))
        }
        _ => None,
    });
    bad.collect()
}

fn set_value(cpu: &mut Cpu<'_>, item: &Item<'_>, value: &str) -> Option<Fault> {
    let hertz;
    let (name, value) = if item.name == "tsc-freq" {
        hertz = option::frequency(value)?.to_string();
        ("tsc-frequency", hertz.as_str())
    } else {
        (item.name.as_str(), value)
    };
    let error = cpu.set(name, Given::Text(value)).err()?;
    let message = format!("can't apply global {}.{name}={value}: {error}", cpu.type_name());
    Some(fault(Some(item.at), item.text, message))
}

fn realize<'d>(cpu: Cpu<'d>, items: &[Item<'_>]) -> Result<(Cpu<'d>, Realized), Vec<Fault>> {
    let name = cpu.name.clone();
    cpu.realize().map_err(|refusal| {
        let item = items.iter().rev().find(|item| item.name == refusal.property);
        vec![match item {
            Some(item) => fault(Some(item.at), item.text, refusal.message),
            None => fault(Some(0), &name, refusal.message),
        }]
    })
}
