//! `delid microcode advisories`: which advisories were released together with which revisions.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Parser;
use schemars::JsonSchema;
use serde::Serialize;

use super::Error;
use super::cpu::CpuInput;
use crate::advisories::{Release, Releases, Together, newer, read_debian, read_notes, table};
use crate::cpu::{Cpu, Vendor};
use crate::ids::Revision;
use crate::table::Table;

/// `delid microcode advisories`.
#[derive(Clone, Debug, Parser)]
#[command(after_long_help = NOTE)]
pub struct Advisories {
    #[command(flatten)]
    cpu: CpuInput,
    /// Intel's releasenote.md or a Debian changelog, in place of the built-in table
    #[arg(long, value_name = "FILE")]
    notes: Vec<PathBuf>,
    /// List the releases instead of what is newer for a CPU
    #[arg(long)]
    releases: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

const NOTE: &str = "Release notes name advisories for a release, not for an update: an advisory was released \
together with a revision; that the revision fixes it is not said there.";

/// Revisions newer than the one that runs.
#[derive(JsonSchema, Serialize)]
pub(super) struct OfCpu<'a> {
    cpu: Cpu,
    newer: Vec<Together<'a>>,
}

impl Advisories {
    pub(super) fn run(&self, out: &mut dyn Write) -> Result<u8, Error> {
        let mut damaged = false;
        let mut read = Vec::new();
        for path in &self.notes {
            let bytes = std::fs::read(path).map_err(Error::read(path))?;
            let text = String::from_utf8_lossy(&bytes);
            let releases = either(&text);
            for damage in &releases.damage {
                eprintln!("damaged: {}: {damage}", path.display());
                damaged = true;
            }
            if releases.releases.is_empty() {
                return Err(Error::refused(
                    path.display(),
                    "expected Intel's release notes or a Debian changelog, seen no release",
                ));
            }
            read.extend(releases.releases);
        }
        let releases = if self.notes.is_empty() { table() } else { &read };
        if self.releases {
            if self.json {
                super::json(out, &releases)?;
            } else {
                list(releases, out)?;
            }
            return Ok(u8::from(damaged));
        }
        let (cpus, _) = self.cpu.load()?;
        let of_cpu = |cpu: Cpu| {
            let signature = cpu
                .signature
                .filter(|_| matches!(cpu.vendor, Vendor::Intel | Vendor::Amd));
            let running = cpu.revision.unwrap_or(Revision(0));
            let newer = signature.map(|signature| newer(releases, signature, cpu.platform, running));
            OfCpu {
                cpu,
                newer: newer.unwrap_or_default(),
            }
        };
        let answers: Vec<OfCpu<'_>> = cpus.into_iter().map(of_cpu).collect();
        if self.json {
            super::json(out, &answers)?;
        } else {
            answers.iter().try_for_each(|answer| answer.print(out))?;
        }
        Ok(u8::from(damaged))
    }
}

/// The text by what can be read of it.
fn either(text: &str) -> Releases {
    let notes = read_notes(text);
    if notes.releases.is_empty() {
        read_debian(text)
    } else {
        notes
    }
}

fn list(releases: &[Release], out: &mut dyn Write) -> io::Result<()> {
    let mut lines = Table::new(&["release", "date", ">updates", "released together with"]);
    for release in releases {
        lines.push(vec![
            release.name.clone(),
            release.date.clone().unwrap_or_default(),
            release.rows.len().to_string(),
            together(release),
        ]);
    }
    lines.print(0, out)
}

fn together(release: &Release) -> String {
    let ids: Vec<&str> = release.advisories.iter().map(|advisory| advisory.id.as_str()).collect();
    match (ids.is_empty(), release.cves.len()) {
        (false, _) => ids.join(" "),
        (true, 0) => "no advisory named".to_owned(),
        (true, _) => release.cves.join(" "),
    }
}

impl OfCpu<'_> {
    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        super::cpu::print(&self.cpu, out)?;
        if self.newer.is_empty() {
            return writeln!(out, "no newer revision is in the releases");
        }
        let mut lines = Table::new(&[">revision", "platforms", "release", "released together with"]);
        for newer in &self.newer {
            lines.push(vec![
                newer.revision.to_string(),
                newer.platforms.to_string(),
                newer.release.name.clone(),
                together(newer.release),
            ]);
        }
        lines.print(0, out)
    }
}
