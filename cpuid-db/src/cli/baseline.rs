//! `delid cpuid baseline`: the most a pool of hosts can offer a guest, and what it cannot, with the reason.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Write};
use std::path::PathBuf;

use clap::{Parser, ValueEnum};
use schemars::JsonSchema;
use serde::Serialize;

use super::hosts::{self, Input};
use super::phrase::{count, print_features, wrapped};
use super::{Context, Error, configuration};
use crate::bits::Words;
use crate::convert::{self, Language};
use crate::database::{Database, Vendors};
use crate::features::{self, Naming};
use crate::guest::{Fault, GuestCpu, Setting};
use crate::libvirt::{self, FeatureSet, LibvirtCpu, Map};
use crate::policy::{self, Baseline as Strict, Difference, Host, Refusal, Side};
use crate::xen::{self, StaticSet};

/// Columns of the text.
const WIDTH: usize = 100;

/// Whose rules a baseline follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, JsonSchema, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Semantics {
    /// Ours: each bit by its meaning, dependencies closed, leaf maxima, address widths, XSAVE layout
    Strict,
    /// libvirt's: the features all hosts have, and the model nearest to them
    Libvirt,
    /// Xen's: featuresets, with bits that one host is enough for, and deep dependencies
    Xen,
}

impl fmt::Display for Semantics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Strict => "strict",
            Self::Libvirt => "libvirt",
            Self::Xen => "xen",
        })
    }
}

/// `delid cpuid baseline`.
#[derive(Clone, Debug, Parser)]
pub struct Baseline {
    /// Dumps, captures, or libvirt's definitions of hosts.
    #[arg(required = true, value_name = "HOST")]
    pub hosts: Vec<PathBuf>,
    /// Whose rules to follow.
    #[arg(long, value_enum, default_value = "strict")]
    pub semantics: Semantics,
    /// Print the guest alone, in this language: qemu, libvirt, xl, xend, firecracker.
    #[arg(long, value_name = "LANGUAGE", value_parser = Language::read)]
    pub to: Option<Language>,
    /// Name every feature of the guest's model too (libvirt's --features).
    #[arg(long)]
    pub expand: bool,
    /// Leave features out with which libvirt cannot move a guest (libvirt's --migratable).
    #[arg(long)]
    pub migratable: bool,
    /// The guest's TSC frequency is fixed: an invariant TSC can move.
    #[arg(long)]
    pub fixed_tsc: bool,
    /// Take a feature out where its XSAVE state differs from host to host, rather than refuse.
    #[arg(long)]
    pub drop_unequal_state: bool,
    /// Hygon's and AMD's processors may be in one pool.
    #[arg(long)]
    pub hygon_with_amd: bool,
    /// Names of features: own, linux, qemu, libvirt, xen, sdm or apm.
    #[arg(long, value_name = "DIALECT", default_value = "own", value_parser = Naming::read)]
    pub names: Naming,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// A feature that some host has and the pool does not offer.
#[derive(JsonSchema, Serialize)]
struct Fallen {
    name: String,
    why: String,
}

/// What the rules that were asked for give.
struct Offer {
    words: Words,
    guest: GuestCpu,
    fallen: Vec<Fallen>,
    definition: Option<LibvirtCpu>,
    notes: Vec<String>,
}

/// What is printed.
#[derive(JsonSchema, Serialize)]
pub(super) struct Report<'a> {
    semantics: Semantics,
    hosts: Vec<&'a Host>,
    /// The guest, in no dialect.
    guest: GuestCpu,
    /// Features of the guest, by word.
    features: Vec<features::Group>,
    /// libvirt's definition, when its rules were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    definition: Option<LibvirtCpu>,
    /// Features that some host has and the guest has not.
    fallen: Vec<Fallen>,
    /// All bits and values that differ from those of some host, by the strict rules.
    #[serde(skip_serializing_if = "Option::is_none")]
    lost: Option<&'a [policy::Lost]>,
    /// Why there is no strict baseline.
    #[serde(skip_serializing_if = "Option::is_none")]
    refusal: Option<String>,
    /// Where other rules give something else than the strict ones.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    differences: BTreeMap<Semantics, Vec<Difference>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<String>,
}

/// The hosts, and what all rules are applied to.
struct Pool<'a> {
    database: &'a Database,
    map: Map,
    inputs: Vec<Input>,
    hosts: Vec<Host>,
}

impl Baseline {
    pub(super) fn run(&self, context: &Context, out: &mut dyn Write) -> Result<u8, Error> {
        let database = &context.database;
        let (inputs, damage) = hosts::read(database, &self.hosts)?;
        let pool = Pool {
            database,
            map: Map::new(database),
            hosts: inputs.iter().map(|input| input.host.clone()).collect(),
            inputs,
        };
        let damaged = !damage.is_empty();
        let strict = policy::baseline(database, &pool.hosts, &self.options());
        let offer = match self.semantics {
            Semantics::Strict => pool.strict(strict.as_ref().map_err(refusal)?, self.names),
            Semantics::Libvirt => self.libvirt(&pool)?,
            Semantics::Xen => pool.xen(strict.as_ref().ok())?,
        };
        if let Some(language) = self.to {
            let text = match (&offer.definition, language) {
                (Some(definition), Language::Libvirt) => definition.to_xml(),
                _ => pool.write(language, offer.guest)?,
            };
            hosts::warn(&damage);
            writeln!(out, "{}", text.trim_end())?;
            return Ok(u8::from(damaged));
        }
        let report = self.report(&pool, offer, &strict, damage);
        if self.json {
            super::json(out, &report)?;
        } else {
            report.print(self.names, database, &pool, out)?;
        }
        Ok(u8::from(damaged))
    }

    const fn options(&self) -> policy::Options {
        policy::Options {
            identity: None,
            hygon_with_amd: self.hygon_with_amd,
            fixed_tsc: self.fixed_tsc,
            unmigratable: false,
            drop_unequal_state: self.drop_unequal_state,
        }
    }

    fn report<'a>(
        &self,
        pool: &'a Pool<'_>,
        offer: Offer,
        strict: &'a Result<Strict, Refusal>,
        damage: Vec<String>,
    ) -> Report<'a> {
        let vendors = pool.vendors();
        let warnings = |strict: &Strict| -> Vec<String> {
            let warnings = strict.warnings.iter();
            warnings
                .map(|warning| match warning.hosts.as_slice() {
                    [] => warning.message.clone(),
                    hosts => format!("{}: {}", pool.names(hosts), warning.message),
                })
                .collect()
        };
        let strict_notes = strict.as_ref().map_or(&[][..], |strict| &strict.notes);
        Report {
            semantics: self.semantics,
            features: features::of_words(pool.database, &offer.words, vendors, self.names),
            hosts: pool.hosts.iter().collect(),
            guest: offer.guest,
            definition: offer.definition,
            fallen: offer.fallen,
            lost: strict.as_ref().ok().map(|strict| strict.lost.as_slice()),
            refusal: strict.as_ref().err().map(ToString::to_string),
            differences: strict
                .as_ref()
                .map_or_else(|_| BTreeMap::new(), |strict| self.differences(pool, strict)),
            warnings: strict.as_ref().map_or_else(|_| Vec::new(), warnings),
            notes: damage
                .into_iter()
                .chain(offer.notes)
                .chain(strict_notes.iter().cloned())
                .collect(),
        }
    }

    /// libvirt's definition of the guest.
    fn definition(&self, pool: &Pool<'_>) -> Result<LibvirtCpu, Error> {
        let definitions = pool.inputs.iter().map(|input| {
            input.definition.clone().map_err(|message| Error::Refused {
                what: input.host.name.clone(),
                message,
            })
        });
        let cpus = definitions.collect::<Result<Vec<LibvirtCpu>, Error>>()?;
        let options = libvirt::Options {
            expand: self.expand,
            migratable: self.migratable,
            models: None,
            features: None,
        };
        libvirt::baseline(&pool.map, &cpus, &options).map_err(refused)
    }

    fn libvirt(&self, pool: &Pool<'_>) -> Result<Offer, Error> {
        let definition = self.definition(pool)?;
        let features = definition.features(&pool.map).map_err(refused)?;
        let definitions = pool.inputs.iter().filter_map(|input| input.definition.as_ref().ok());
        let sets: Vec<FeatureSet> = definitions
            .map(|cpu| cpu.features(&pool.map).map_err(refused))
            .collect::<Result<_, Error>>()?;
        let mut fallen = Vec::new();
        for (place, feature) in pool.map.features().enumerate() {
            if features.has(place) || !sets.iter().any(|set| set.has(place)) {
                continue;
            }
            let lacking = sets.iter().enumerate().filter(|(_, set)| !set.has(place));
            let without: Vec<usize> = lacking.map(|(index, _)| index).collect();
            let why = match without.is_empty() {
                true => "not in a guest's definition by libvirt's rules".to_owned(),
                false => format!("not on {}", pool.names(&without)),
            };
            let name = feature.name.to_owned();
            fallen.push(Fallen { name, why });
        }
        let (guest, _) = libvirt::to_guest(&pool.map, &definition);
        Ok(Offer {
            words: pool.map.words(features),
            guest,
            fallen,
            definition: Some(definition),
            notes: Vec::new(),
        })
    }

    /// What the other rules would give that the strict ones do not, and the other way round.
    fn differences(&self, pool: &Pool<'_>, strict: &Strict) -> BTreeMap<Semantics, Vec<Difference>> {
        let mut all = BTreeMap::new();
        let mut add = |semantics, other: &Words, known: &Words| {
            let differences = policy::compare_results(pool.database, &pool.hosts, strict, other, known);
            all.insert(semantics, differences);
        };
        let definition = self.definition(pool);
        if let Ok(features) = definition.and_then(|cpu| cpu.features(&pool.map).map_err(refused)) {
            let known: Words = pool.map.features().map(|feature| feature.bit).collect();
            add(Semantics::Libvirt, &pool.map.words(features), &known);
        }
        let known = xen::Features::of(pool.database)
            .static_set(StaticSet::HvmHapMax)
            .words();
        add(Semantics::Xen, &pool.xen_result().features.words(), &known);
        all
    }
}

impl Pool<'_> {
    fn vendors(&self) -> Vendors {
        self.hosts.first().map_or(Vendors::ANY, |host| Vendors::of(host.vendor))
    }

    fn names(&self, hosts: &[usize]) -> String {
        let names = hosts
            .iter()
            .filter_map(|&index| Some(self.hosts.get(index)?.name.as_str()));
        names.collect::<Vec<_>>().join(", ")
    }

    /// The guest in a language, without the features that it has no word for.
    fn write(&self, language: Language, mut guest: GuestCpu) -> Result<String, Error> {
        guest.model = None;
        if matches!(language, Language::Xl | Language::Xend) {
            // As on every host of the pool.
            (guest.vendor, guest.brand, guest.extended_level) = (None, None, None);
        }
        let written = convert::write(self.database, language, &guest).or_else(|faults| {
            let (less, taken) = convert::without(self.database, &guest, &faults);
            let naming = Naming::default();
            let names = taken
                .iter()
                .map(|&bit| naming.of_bit(self.database, bit, self.vendors()));
            let names: Vec<String> = names.collect();
            eprintln!("left out, {language} has no word for it: {}", names.join(" "));
            convert::write(self.database, language, &less)
        });
        written.map_err(|faults| configuration::refused("guest", "", &faults))
    }

    fn strict(&self, strict: &Strict, naming: Naming) -> Offer {
        let vendors = self.vendors();
        let features = strict.lost.iter().filter(|lost| lost.feature);
        let fallen = features.flat_map(|lost| {
            lost.bits().map(|bit| Fallen {
                name: naming.of_bit(self.database, bit, vendors),
                why: lost.why(&self.hosts),
            })
        });
        Offer {
            words: strict.words.clone(),
            guest: policy::guest_of(self.database, &strict.cpu),
            fallen: fallen.collect(),
            definition: None,
            notes: Vec::new(),
        }
    }

    fn xen_result(&self) -> xen::PoolResult {
        let hosts: Vec<(&str, Words)> = self
            .hosts
            .iter()
            .map(|host| (host.name.as_str(), host.words().clone()))
            .collect();
        xen::pool(self.database, &hosts, xen::Kind::HvmHap)
    }

    fn xen(&self, strict: Option<&Strict>) -> Result<Offer, Error> {
        let result = self.xen_result();
        // Who the guest is told to be, is no feature: the strict rules say.
        let mut guest = strict.map_or_else(GuestCpu::default, |strict| policy::guest_of(self.database, &strict.cpu));
        guest.bits = result.features.words().bits().map(|bit| (bit, Setting::On)).collect();
        let fallen = result.lost.iter().map(|lost| Fallen {
            name: lost.name.clone(),
            why: match lost.because {
                xen::Because::Hosts => format!("not on {}", lost.hosts.join(", ")),
                xen::Because::Needs(bit) => {
                    let naming = Naming(Some(crate::Dialect::Xen));
                    format!("needs {}", naming.of_bit(self.database, bit, self.vendors()))
                }
                xen::Because::NotForGuests => "Xen gives it to no HVM guest".to_owned(),
                xen::Because::OnRequest => "only for guests that ask for it".to_owned(),
                xen::Because::NotAPolicy => "follows the guest's kernel or the host it is on".to_owned(),
            },
        });
        Ok(Offer {
            fallen: fallen.collect(),
            words: result.features.words(),
            guest,
            definition: None,
            notes: result.conflicts,
        })
    }
}

impl Report<'_> {
    fn print(&self, naming: Naming, database: &Database, pool: &Pool<'_>, out: &mut dyn Write) -> io::Result<()> {
        let names: Vec<&str> = self.hosts.iter().map(|host| host.name.as_str()).collect();
        writeln!(
            out,
            "{} baseline of {}: {}",
            self.semantics,
            count(names.len(), "host"),
            names.join(", ")
        )?;
        let features: usize = self.features.iter().map(|group| group.names.len()).sum();
        let vendor = self.guest.vendor.as_deref().unwrap_or("vendor not told");
        writeln!(out, "{vendor}, {}:", count(features, "feature"))?;
        print_features(&self.features, WIDTH, out)?;
        for language in [Language::Qemu, Language::Libvirt] {
            match (
                &self.definition,
                language,
                convert::write(database, language, &self.guest),
            ) {
                (Some(definition), Language::Libvirt, _) => {
                    writeln!(out, "\nlibvirt:\n{}", definition.to_xml().trim_end())?;
                }
                (None, Language::Qemu, Ok(text)) => writeln!(out, "\nQEMU: -cpu {text}")?,
                _ => {}
            }
        }
        print_fallen(&self.fallen, out)?;
        if let Some(refusal) = &self.refusal {
            writeln!(out, "\nstrict rules refuse: {refusal}")?;
        }
        for (semantics, differences) in &self.differences {
            print_differences(*semantics, differences, naming, database, pool.vendors(), out)?;
        }
        for (label, texts) in [("warning", &self.warnings), ("note", &self.notes)] {
            for text in texts {
                writeln!(out, "\n{label}: {text}")?;
            }
        }
        Ok(())
    }
}

/// Features that fell out, those with one reason together.
fn print_fallen(fallen: &[Fallen], out: &mut dyn Write) -> io::Result<()> {
    let mut reasons: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for fallen in fallen {
        reasons.entry(&fallen.why).or_default().push(&fallen.name);
    }
    if !reasons.is_empty() {
        writeln!(out, "\nfell out:")?;
    }
    for (why, names) in reasons {
        writeln!(out, "  {why}:\n      {}", wrapped(&names, "      ", WIDTH))?;
    }
    Ok(())
}

/// Bits that only one of two rules gives, those with one reason together.
fn print_differences(
    semantics: Semantics,
    differences: &[Difference],
    naming: Naming,
    database: &Database,
    vendors: Vendors,
    out: &mut dyn Write,
) -> io::Result<()> {
    if differences.is_empty() {
        return writeln!(out, "\n{semantics} rules: no difference to the strict ones");
    }
    let mut reasons: BTreeMap<(Side, &str), Vec<String>> = BTreeMap::new();
    for difference in differences {
        let names = reasons.entry((difference.side, &difference.why)).or_default();
        names.push(naming.of_bit(database, difference.bit, vendors));
    }
    writeln!(out, "\n{semantics} rules against the strict ones:")?;
    for ((side, why), names) in reasons {
        let who = match side {
            Side::Strict => "only strict".to_owned(),
            Side::Other => format!("only {semantics}"),
        };
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        writeln!(out, "  {who}, {why}:\n      {}", wrapped(&names, "      ", WIDTH))?;
    }
    Ok(())
}

fn refused(fault: Fault) -> Error {
    Error::Refused {
        what: "baseline".to_owned(),
        message: fault.message,
    }
}

fn refusal(refusal: &Refusal) -> Error {
    Error::Refused {
        what: "baseline".to_owned(),
        message: refusal.to_string(),
    }
}
