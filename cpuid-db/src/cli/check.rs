//! `delid cpuid check`: whether a guest can run on each host of a pool and move among them.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Parser;
use schemars::JsonSchema;
use serde::Serialize;

use super::{Context, Error, configuration, hosts, input};
use crate::convert::Language;
use crate::formats::detect;
use crate::policy::{self, CheckOptions, Host, Obstacle, Verdict};

/// `delid cpuid check`.
#[derive(Clone, Debug, Parser)]
pub struct Check {
    /// The guest: a configuration in any language (text or file), or a dump of what it sees.
    #[arg(long, value_name = "CONFIG")]
    pub policy: String,
    /// Dumps, captures, or libvirt's definitions of hosts.
    #[arg(required = true, value_name = "HOST")]
    pub hosts: Vec<PathBuf>,
    /// Language of the policy, where its text does not tell.
    #[arg(long = "from-language", value_name = "LANGUAGE", value_parser = Language::read)]
    pub language: Option<Language>,
    /// The guest's TSC frequency is fixed: an invariant TSC can move.
    #[arg(long)]
    pub fixed_tsc: bool,
    /// The guest never moves: it only has to run.
    #[arg(long)]
    pub stays: bool,
    /// Hygon's and AMD's processors may be in one pool.
    #[arg(long)]
    pub hygon_with_amd: bool,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// What is printed.
#[derive(JsonSchema, Serialize)]
pub(super) struct Report<'a> {
    hosts: Vec<&'a str>,
    fits: bool,
    #[serde(flatten)]
    verdict: Verdict,
}

impl Check {
    pub(super) fn run(&self, context: &Context, out: &mut dyn Write) -> Result<u8, Error> {
        let database = &context.database;
        let (inputs, notes) = hosts::read(database, &self.hosts)?;
        let mut damaged = hosts::warn(&notes);
        let hosts: Vec<Host> = inputs.into_iter().map(|input| input.host).collect();
        let options = CheckOptions {
            fixed_tsc: self.fixed_tsc,
            stays: self.stays,
            hygon_with_amd: self.hygon_with_amd,
        };
        let (name, text) = configuration::text(&self.policy)?;
        let is_dump = name != "argument" && self.language.is_none() && detect(&text).is_some();
        let verdict = if is_dump && Language::of(&text) != Language::Firecracker {
            let dump = input::host(self.policy.as_ref())?;
            damaged |= dump.warn();
            let guest = dump.set.first().ok_or(Error::NoRow { origin: dump.origin })?;
            policy::check(database, guest, &hosts, &options)
        } else {
            let guest = configuration::read(database, self.language, &name, &text)?;
            policy::check_guest(database, &guest, &hosts, &options)
        };
        let fits = verdict.obstacles.is_empty();
        if self.json {
            let report = Report {
                hosts: hosts.iter().map(|host| host.name.as_str()).collect(),
                fits,
                verdict,
            };
            super::json(out, &report)?;
        } else {
            print(&verdict, &hosts, out)?;
        }
        Ok(u8::from(!fits || damaged))
    }
}

fn print(verdict: &Verdict, hosts: &[Host], out: &mut dyn Write) -> io::Result<()> {
    let names: Vec<&str> = hosts.iter().map(|host| host.name.as_str()).collect();
    let line = |label: &str, obstacle: &Obstacle, out: &mut dyn Write| {
        let host = obstacle.host.and_then(|index| names.get(index)).copied();
        match host {
            // Most messages name it.
            Some(host) if !obstacle.message.starts_with(host) => writeln!(out, "{label}{host}: {}", obstacle.message),
            _ => writeln!(out, "{label}{}", obstacle.message),
        }
    };
    if verdict.obstacles.is_empty() {
        writeln!(
            out,
            "yes: the guest can run on {} and move among them",
            names.join(", ")
        )?;
    } else {
        writeln!(out, "no:")?;
    }
    for obstacle in &verdict.obstacles {
        line("  ", obstacle, out)?;
    }
    for warning in &verdict.warnings {
        line("  warning: ", warning, out)?;
    }
    Ok(())
}
