//! `delid cpuid baseline`: the most a pool of hosts can offer a guest, and what it cannot, with the reason.

use std::fmt;
use std::io::Write;
use std::path::PathBuf;

use clap::{Parser, ValueEnum};
use serde::Serialize;

use super::hosts::{self, Input};
use super::phrase::{count, wrapped};
use super::{Context, Error};
use crate::bits::Words;
use crate::convert::{self, Language};
use crate::database::{Database, Kind};
use crate::dialect::Dialect;
use crate::features::Naming;
use crate::guest::GuestCpu;
use crate::libvirt::{self, LibvirtCpu, Map};
use crate::policy::{self, Baseline as Strict, Difference, Host, Lost, Reason, Side};

/// Columns of the text.
const WIDTH: usize = 100;

/// Whose rules a baseline follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
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

/// What is printed.
#[derive(Serialize)]
struct Report<'a> {
    semantics: Semantics,
    hosts: Vec<&'a Host>,
    /// The guest, in no dialect.
    guest: GuestCpu,
    /// Features of the guest, by our names.
    features: Vec<&'static str>,
    /// libvirt's definition, when its rules were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    definition: Option<LibvirtCpu>,
    /// What some host has and the guest has not, by the strict rules.
    lost: &'a [Lost],
    /// Where the other rules give something else.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    differences: Vec<(Semantics, Vec<Difference>)>,
    warnings: &'a [policy::Warning],
    notes: Vec<String>,
}

impl Baseline {
    pub(super) fn run(&self, context: &Context, out: &mut dyn Write) -> Result<u8, Error> {
        let database = &context.database;
        let (inputs, damage) = hosts::read(database, &self.hosts)?;
        let pool: Vec<Host> = inputs.iter().map(|input| input.host.clone()).collect();
        let strict = policy::baseline(
            database,
            &pool,
            &policy::Options {
                identity: None,
                hygon_with_amd: self.hygon_with_amd,
                fixed_tsc: self.fixed_tsc,
                unmigratable: false,
                drop_unequal_state: self.drop_unequal_state,
            },
        );
        let map = Map::new(database);
        if self.semantics == Semantics::Libvirt
            && (self.to.is_none() || self.to == Some(Language::Libvirt))
            && !self.json
        {
            let definition = self.definition(&map, &inputs)?;
            write!(out, "{}", definition.to_xml())?;
            return Ok(u8::from(!damage.is_empty()));
        }
        let strict = strict.map_err(|refusal| Error::Refused {
            what: "baseline".to_owned(),
            message: refusal.to_string(),
        })?;
        let (words, definition) = match self.semantics {
            Semantics::Strict => (strict.words.clone(), None),
            Semantics::Libvirt => {
                let definition = self.definition(&map, &inputs)?;
                let features = definition.features(&map).map_err(refused)?;
                (map.words(features), Some(definition))
            }
            Semantics::Xen => (crate::xen::pool_words(database, &pool), None),
        };
        let guest = guest_of(database, &strict, &words, self.semantics);
        if let Some(language) = self.to {
            let text = convert::write(database, language, &guest)
                .map_err(|faults| super::configuration::refused("guest", "", &faults))?;
            writeln!(out, "{}", text.trim_end())?;
            return Ok(u8::from(!damage.is_empty()));
        }
        let report = Report {
            semantics: self.semantics,
            features: feature_names(database, &words, self.names),
            differences: self.differences(database, &map, &inputs, &pool, &strict),
            hosts: pool.iter().collect(),
            guest,
            definition,
            lost: &strict.lost,
            warnings: &strict.warnings,
            notes: damage.into_iter().chain(strict.notes.iter().cloned()).collect(),
        };
        if self.json {
            super::json(out, &report)?;
        } else {
            report.print(&pool, self.names, database, out)?;
        }
        Ok(0)
    }

    fn definition(&self, map: &Map, inputs: &[Input]) -> Result<LibvirtCpu, Error> {
        let mut cpus = Vec::new();
        for input in inputs {
            let cpu = input.definition.clone().map_err(|message| Error::Refused {
                what: input.host.name.clone(),
                message,
            })?;
            cpus.push(cpu);
        }
        let options = libvirt::Options {
            expand: self.expand,
            migratable: self.migratable,
            models: None,
            features: None,
        };
        libvirt::baseline(map, &cpus, &options).map_err(refused)
    }

    /// What the other rules would give that these do not, and the other way round.
    fn differences(
        &self,
        database: &Database,
        map: &Map,
        inputs: &[Input],
        pool: &[Host],
        strict: &Strict,
    ) -> Vec<(Semantics, Vec<Difference>)> {
        let mut all = Vec::new();
        if let Ok(features) = self
            .definition(map, inputs)
            .and_then(|cpu| cpu.features(map).map_err(refused))
        {
            let known: Words = map.features().flat_map(|feature| feature.words()).collect();
            let other = map.words(features);
            all.push((
                Semantics::Libvirt,
                policy::compare_results(database, pool, strict, &other, &known),
            ));
        }
        let other = crate::xen::pool_words(database, pool);
        let known = crate::xen::known_words(database);
        all.push((
            Semantics::Xen,
            policy::compare_results(database, pool, strict, &other, &known),
        ));
        all
    }
}
