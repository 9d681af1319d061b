//! Microarchitecture, codename and technology of a processor, from a reviewed table.
//!
//! CPUID does not tell any of them: they follow from vendor, family, model and stepping, and where one
//! model was sold under several codenames, from the brand string, the number of cores or the size of a
//! cache. `data/codenames.tsv` has a row for each, with its source. Of a model that is not in the table
//! nothing is claimed; the note says which known model is nearest.

mod brand;
mod table;

use schemars::JsonSchema;
use serde::Serialize;

use crate::cache::{CacheKind, describe};
use crate::identity::{Identity, Signature};
use crate::kinds::{Purpose, purpose};
use crate::leafset::CpuLeaves;
use crate::placement::place;

/// What a processor is called beyond what it says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Codename {
    /// Microarchitecture of this core (`Golden Cove`).
    pub microarchitecture: Option<String>,
    /// Codename of the processor (`Sapphire Rapids-SP`).
    pub codename: Option<&'static str>,
    /// Process technology (`Intel 7`, `90 nm`), where published.
    pub technology: Option<&'static str>,
    /// What it is sold as, from the brand string (`Xeon Gold`, `Core i5`).
    pub class: Option<String>,
    /// Where the row of the table is from.
    pub source: Option<&'static str>,
    /// What has to be said of it.
    pub note: Option<String>,
}

/// Everything the table asks for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Facts {
    pub maker: u8,
    pub family: u16,
    pub model: u8,
    pub stepping: u8,
    /// Brand string without marks, lower case.
    pub brand: String,
    pub cores: Option<u32>,
    pub l2: Option<u32>,
    pub l3: Option<u32>,
}

/// Vendor strings of leaf 0 in the order of the table's makers, with the name of the maker.
const MAKERS: [(&[&str], &str); 13] = [
    (&["GenuineIntel"], "Intel"),
    (&["AuthenticAMD", "AMDisbetter!", "AMD ISBETTER"], "AMD"),
    (&["HygonGenuine"], "Hygon"),
    (
        &["CentaurHauls", "  Shanghai  ", "VIA VIA VIA "],
        "Centaur, VIA and Zhaoxin",
    ),
    (&["GenuineTMx86", "TransmetaCPU"], "Transmeta"),
    (&["CyrixInstead"], "Cyrix"),
    (&["Geode by NSC"], "National Semiconductor"),
    (&["UMC UMC UMC "], "UMC"),
    (&["NexGenDriven"], "NexGen"),
    (&["RiseRiseRise"], "Rise"),
    (&["SiS SiS SiS "], "SiS"),
    (&["Genuine  RDC"], "RDC"),
    (&["Vortex86 SoC"], "DM&P"),
];

/// Vendor strings of emulators, and what they are.
const EMULATORS: [(&str, &str); 4] = [
    ("Virtual CPU ", "an x86 emulator of Windows on Arm"),
    ("VirtualApple", "Apple Rosetta 2"),
    ("MicrosoftXTA", "the x86-to-Arm translation of Windows"),
    ("GenuineFAKE?", "a made-up vendor"),
];

/// Codename of one logical processor.
#[must_use]
pub fn of(cpu: &CpuLeaves) -> Codename {
    let identity = Identity::of(cpu);
    let vendor = identity.vendor_name.clone().unwrap_or_default();
    let told = identity.brand.as_deref().map(brand::plain).unwrap_or_default();
    let class = brand::class(&told);
    let only = |note: String| Codename {
        class: class.clone(),
        note: Some(note),
        ..Codename::default()
    };
    if let Some((_, what)) = EMULATORS.iter().find(|(name, _)| *name == vendor) {
        return only(format!(
            "the vendor string {vendor:?} is of {what}; family and model tell nothing of the hardware"
        ));
    }
    if ["qemu virtual", "common kvm", "common 32-bit kvm"]
        .iter()
        .any(|name| told.starts_with(name))
    {
        return only(
            "the brand string is of a virtual machine; family and model tell nothing of the hardware".to_owned(),
        );
    }
    let Some((maker, flipped)) = maker(&vendor) else {
        return only(format!("no processors of the vendor {vendor:?} are known"));
    };
    let Some(signature) = identity.signature else {
        return only("without leaf 1 there is no family and model".to_owned());
    };
    let facts = facts(cpu, &identity, maker, signature, told);
    let damaged = flipped.map(|name| format!("the vendor string {vendor:?} is {name:?} with bits flipped"));
    match table::find(&facts) {
        Some(row) => Codename {
            microarchitecture: Some(microarchitecture(cpu, &identity, &row.cores)),
            codename: Some(row.codename),
            technology: Some(row.technology).filter(|text| !text.is_empty()),
            class,
            source: Some(row.source),
            note: damaged.or_else(|| hypervisor_note(&identity)),
        },
        None => only(unknown(&facts, damaged)),
    }
}

/// Place among the makers; a vendor string with up to two bits flipped is told from its nearest.
fn maker(vendor: &str) -> Option<(u8, Option<&'static str>)> {
    let known = |of: &dyn Fn(&str) -> bool| {
        (0_u8..)
            .zip(MAKERS)
            .find_map(|(index, (names, _))| Some((index, *names.iter().find(|name| of(name))?)))
    };
    if let Some((index, _)) = known(&|name| name == vendor) {
        return Some((index, None));
    }
    let flipped = |name: &str| {
        let bits: u32 = name
            .bytes()
            .zip(vendor.bytes())
            .map(|(a, b)| (a ^ b).count_ones())
            .sum();
        name.len() == vendor.len() && bits <= 2
    };
    known(&flipped).map(|(index, name)| (index, Some(name)))
}

fn facts(cpu: &CpuLeaves, identity: &Identity, maker: u8, signature: Signature, brand: String) -> Facts {
    let caches = describe(cpu, identity);
    let size = |level: u8| {
        let bytes = caches
            .iter()
            .find(|cache| cache.level == level && cache.kind != CacheKind::Instruction)
            .map_or(0, |cache| cache.size);
        u32::try_from(bytes >> 10).ok()
    };
    Facts {
        maker,
        family: u16::try_from(signature.family()).unwrap_or(u16::MAX),
        model: u8::try_from(signature.model()).unwrap_or(u8::MAX),
        stepping: u8::try_from(signature.stepping()).unwrap_or(u8::MAX),
        brand,
        cores: place(cpu, identity).and_then(|placement| placement.cores),
        // A dump without cache leaves does not say that there are none.
        l2: size(2).filter(|_| !caches.is_empty()),
        l3: size(3).filter(|_| !caches.is_empty()),
    }
}

/// The microarchitecture of this CPU's kind of core; of all kinds when the dump does not tell which it is.
fn microarchitecture(cpu: &CpuLeaves, identity: &Identity, cores: &table::Cores) -> String {
    if cores.efficiency.is_empty() {
        return cores.performance.to_owned();
    }
    match purpose(cpu, identity) {
        Purpose::Performance => cores.performance.to_owned(),
        Purpose::LowPower if !cores.low_power.is_empty() => cores.low_power.to_owned(),
        Purpose::Efficiency | Purpose::LowPower => cores.efficiency.to_owned(),
        Purpose::General if is_told_hybrid(cpu) || identity.vendor.is_amd_like() => {
            format!("{} and {}", cores.performance, cores.efficiency)
        }
        Purpose::General => cores.performance.to_owned(),
    }
}

fn is_told_hybrid(cpu: &CpuLeaves) -> bool {
    cpu.leaf(7).is_some_and(|row| crate::leaf::bit(row.edx, 15))
}

fn hypervisor_note(identity: &Identity) -> Option<String> {
    let name = identity.hypervisor.as_deref().map(str::trim).unwrap_or("a hypervisor");
    identity
        .under_hypervisor
        .then(|| format!("under {name}, which can show another model than the hardware's"))
}

fn unknown(facts: &Facts, damaged: Option<String>) -> String {
    let (_, name) = MAKERS
        .get(usize::from(facts.maker))
        .copied()
        .unwrap_or((&[], "this vendor"));
    let (family, model) = (facts.family, facts.model);
    let mut text = damaged.map(|text| text + "; ").unwrap_or_default();
    text += &format!("family {family:#x} model {model:#x} of {name} is not known");
    if let Some(row) = table::nearest(facts) {
        text += &format!(
            "; the nearest known model of the family is {:#x} ({})",
            row.model, row.codename
        );
    }
    text
}

impl Codename {
    /// `Golden Cove (Sapphire Rapids-SP), Intel 7`: what is known, in one line; empty when nothing is.
    #[must_use]
    pub fn line(&self) -> String {
        let mut line = match (&self.microarchitecture, self.codename) {
            (Some(core), Some(codename)) if core != codename => format!("{codename} ({core})"),
            (Some(core), _) => core.clone(),
            (None, codename) => codename.unwrap_or_default().to_owned(),
        };
        if let Some(technology) = self.technology {
            line += ", ";
            line += technology;
        }
        line
    }
}

#[cfg(test)]
mod tests;
