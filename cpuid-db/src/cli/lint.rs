//! `delid cpuid lint`: what is wrong with a `cpuid=` of xl.cfg or a `<cpu>` of libvirt, before the guest starts.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Parser;
use schemars::JsonSchema;
use serde::Serialize;

use super::{Context, Error, configuration, hosts, input};
use crate::convert::Language;
use crate::formats::xen_policies;
use crate::libvirt;
use crate::xen::{self, DomainType, HostPolicies};

/// `delid cpuid lint`.
#[derive(Clone, Debug, Parser)]
pub struct Lint {
    /// A file (xl.cfg, domain XML), the text itself, or - for standard input.
    #[arg(value_name = "CONFIG")]
    pub config: String,
    /// The host it is to run on: for xl the output of xen-cpuid -p, for libvirt a dump or a definition.
    #[arg(long, value_name = "PATH")]
    pub host: Option<PathBuf>,
    /// Type of guest where xl.cfg does not tell: pv, hvm or pvh.
    #[arg(long = "type", value_name = "TYPE", value_parser = domain_type)]
    pub kind: Option<DomainType>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

fn domain_type(name: &str) -> Result<DomainType, String> {
    DomainType::read(name).ok_or_else(|| "expected pv, hvm or pvh".to_owned())
}

/// One thing found, in either language.
#[derive(JsonSchema, Serialize)]
pub(super) struct Finding {
    line: usize,
    column: usize,
    what: String,
    severity: &'static str,
    message: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    effect: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    advice: String,
}

impl Lint {
    pub(super) fn run(&self, context: &Context, out: &mut dyn Write) -> Result<u8, Error> {
        let (name, text) = configuration::text(&self.config)?;
        let findings = if Language::of(&text) == Language::Libvirt {
            self.libvirt(context, &text)?
        } else {
            self.xl(context, &text)?
        };
        if self.json {
            super::json(out, &findings)?;
        } else {
            print(&name, &text, &findings, out)?;
        }
        let wrong = findings.iter().any(|finding| finding.severity != "note");
        Ok(u8::from(wrong))
    }

    fn libvirt(&self, context: &Context, text: &str) -> Result<Vec<Finding>, Error> {
        let host = match &self.host {
            None => None,
            Some(path) => {
                let (inputs, notes) = hosts::read(&context.database, std::slice::from_ref(path))?;
                hosts::warn(&notes);
                let first = inputs.into_iter().next().map(|input| input.definition);
                first.transpose().map_err(|message| Error::Refused {
                    what: path.display().to_string(),
                    message,
                })?
            }
        };
        let found = libvirt::lint(&context.database, text, host.as_ref());
        let findings = found.into_iter().map(|finding| {
            let (line, column) = configuration::place(text, finding.at.unwrap_or(0));
            Finding {
                line,
                column,
                what: finding.what,
                severity: match finding.severity {
                    libvirt::Severity::Error => "error",
                    libvirt::Severity::Warning => "warning",
                },
                message: finding.message,
                effect: String::new(),
                advice: finding.advice,
            }
        });
        Ok(findings.collect())
    }

    fn xl(&self, context: &Context, text: &str) -> Result<Vec<Finding>, Error> {
        let policies = match &self.host {
            None => None,
            Some(path) => {
                let read = xen_policies::parse(&input::text(path)?);
                if let Some(note) = input::damage_note(&read.damage) {
                    eprintln!("{}: {note}", path.display());
                }
                let named = read.value.iter().map(|(name, cpu)| (name.as_str(), cpu));
                Some(HostPolicies::of(named).ok_or_else(|| Error::Refused {
                    what: path.display().to_string(),
                    message: "no policies of a host as xen-cpuid -p prints them".to_owned(),
                })?)
            }
        };
        let circumstances = xen::Circumstances {
            policies: policies.as_ref(),
            kind: self.kind,
        };
        let found = xen::lint(&context.database, text, circumstances);
        let findings = found.into_iter().map(|finding| {
            let (line, column) = configuration::place(text, finding.at);
            Finding {
                line,
                column,
                what: finding.what,
                severity: match finding.severity {
                    xen::Severity::Error => "error",
                    xen::Severity::Warning => "warning",
                    xen::Severity::Note => "note",
                },
                message: finding.message,
                effect: finding.effect,
                advice: finding.advice,
            }
        });
        Ok(findings.collect())
    }
}

fn print(name: &str, text: &str, findings: &[Finding], out: &mut dyn Write) -> io::Result<()> {
    for finding in findings {
        let Finding { line, column, .. } = finding;
        writeln!(
            out,
            "{name}:{line}:{column}: {}: {}: {}",
            finding.severity,
            super::phrase::printable(&finding.what),
            super::phrase::printable(&finding.message)
        )?;
        if let Some(shown) = text
            .lines()
            .nth(line.saturating_sub(1))
            .filter(|line| line.len() <= 200)
        {
            let shown = super::phrase::printable(shown);
            writeln!(out, "    {shown}")?;
            let width = finding.what.chars().count().clamp(1, shown.len().max(1));
            writeln!(out, "    {}{}", " ".repeat(column.saturating_sub(1)), "^".repeat(width))?;
        }
        for (label, text) in [("effect", &finding.effect), ("advice", &finding.advice)] {
            if !text.is_empty() {
                writeln!(out, "  {label}: {}", super::phrase::printable(text))?;
            }
        }
    }
    if findings.is_empty() {
        writeln!(out, "{name}: nothing found")?;
    }
    Ok(())
}
