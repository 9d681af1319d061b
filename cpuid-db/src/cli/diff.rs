//! `delid cpuid diff`: two dumps, feature by feature and value by value.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Parser;
use schemars::JsonSchema;
use serde::Serialize;

use super::input::host;
use super::phrase::{ranges, wrapped};
use super::{Context, Error};
use crate::diff::{self, Alike, Change, CpuDiff, SetDiff};

/// Columns of lists of names.
const WIDTH: usize = 100;

/// `delid cpuid diff`.
#[derive(Clone, Debug, Parser)]
pub struct Diff {
    /// The first dump.
    #[arg(value_name = "A")]
    pub a: PathBuf,
    /// The second; without it, the CPUs of the first are compared with each other.
    #[arg(value_name = "B")]
    pub b: Option<PathBuf>,
    /// Also what differs from CPU to CPU and from run to run (APIC ids, OSXSAVE).
    #[arg(long)]
    pub volatile: bool,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// What is printed.
#[derive(JsonSchema, Serialize)]
pub(super) struct Report {
    a: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    b: Option<String>,
    #[serde(flatten)]
    diff: SetDiff,
}

impl Diff {
    pub(super) fn run(&self, context: &Context, out: &mut dyn Write) -> Result<u8, Error> {
        let options = diff::Options {
            volatile: self.volatile,
        };
        let a = host(&self.a)?;
        let mut damaged = a.warn();
        let (b, diff) = match &self.b {
            Some(path) => {
                let b = host(path)?;
                damaged |= b.warn();
                let diff = diff::of_sets(&context.database, &a.set, &b.set, options);
                (Some(b.origin), diff)
            }
            None => {
                let within_a = diff::within(&context.database, &a.set, options);
                let diff = SetDiff {
                    within_a,
                    ..SetDiff::default()
                };
                (None, diff)
            }
        };
        let differ = match b {
            Some(_) => !diff.is_empty(),
            None => diff.within_a.len() > 1,
        };
        let report = Report { a: a.origin, b, diff };
        if self.json {
            super::json(out, &report)?;
        } else {
            report.print(out)?;
        }
        Ok(u8::from(differ || damaged))
    }
}

impl Report {
    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "a: {}", self.a)?;
        if let Some(b) = &self.b {
            writeln!(out, "b: {b}")?;
        }
        changes("identity", &self.diff.cpu.identity, out)?;
        changes("topology and caches", &self.diff.topology, out)?;
        cpu(&self.diff.cpu, "only a", "only b", out)?;
        let none = self.b.is_some() && self.diff.is_empty();
        kinds("a", &self.diff.within_a, self.b.is_none(), out)?;
        kinds("b", &self.diff.within_b, false, out)?;
        if none {
            writeln!(out, "no difference")?;
        }
        Ok(())
    }
}

/// CPUs of one dump by what they have.
fn kinds(name: &str, groups: &[Alike], alone: bool, out: &mut dyn Write) -> io::Result<()> {
    let Some((first, rest)) = groups.split_first() else {
        return Ok(());
    };
    if rest.is_empty() {
        if alone {
            writeln!(out, "all CPUs are alike")?;
        }
        return Ok(());
    }
    for group in rest {
        let (one, other) = (ranges(&first.cpus), ranges(&group.cpus));
        writeln!(out, "\nwithin {name}: CPUs {one} and CPUs {other}")?;
        changes("identity", &group.diff.identity, out)?;
        cpu(&group.diff, &format!("only {one}"), &format!("only {other}"), out)?;
    }
    Ok(())
}

fn cpu(diff: &CpuDiff, only_a: &str, only_b: &str, out: &mut dyn Write) -> io::Result<()> {
    for (label, of) in [(only_a, 0), (only_b, 1)] {
        let groups = diff
            .features
            .iter()
            .map(|group| (group, if of == 0 { &group.only_a } else { &group.only_b }));
        let groups: Vec<_> = groups.filter(|(_, names)| !names.is_empty()).collect();
        if groups.is_empty() {
            continue;
        }
        writeln!(out, "\nfeatures of {label}:")?;
        for (group, names) in groups {
            let label = format!("  {:<16} ", group.word.to_string());
            let indent = " ".repeat(label.len());
            writeln!(out, "{label}{}", wrapped(names, &indent, WIDTH))?;
        }
    }
    changes("values", &diff.values, out)?;
    if !diff.unnamed.is_empty() {
        writeln!(out, "\nbits that nobody names:")?;
        for unnamed in &diff.unnamed {
            writeln!(
                out,
                "  {:<16} {:08x} -> {:08x}",
                unnamed.word.to_string(),
                unnamed.a,
                unnamed.b
            )?;
        }
    }
    for (label, rows) in [(only_a, &diff.rows_only_a), (only_b, &diff.rows_only_b)] {
        if !rows.is_empty() {
            writeln!(out, "\nrows of {label}:")?;
        }
        for row in rows {
            writeln!(out, "  {:<16} {}", row.place, row.title)?;
        }
    }
    Ok(())
}

fn changes(label: &str, list: &[Change], out: &mut dyn Write) -> io::Result<()> {
    if list.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n{label}:")?;
    for change in list {
        let side = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".to_owned());
        writeln!(
            out,
            "  {:<18} {:<28} {} -> {}",
            change.place,
            change.name,
            side(&change.a),
            side(&change.b)
        )?;
    }
    Ok(())
}
