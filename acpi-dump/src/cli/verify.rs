//! `delid acpi verify`: the checks of [`crate::lint`] over all tables of a machine.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;

use clap::Parser;
use schemars::JsonSchema;
use serde::Serialize;

use super::Error;
use super::input::Input;
use super::phrase::wrap;
use crate::lint::{self, Check, Hit, Severity, Subject, catalogue};
use crate::set::DumpFault;

/// `delid acpi verify`.
#[derive(Clone, Debug, Parser)]
pub struct Verify {
    /// Files or captures; this machine when there are none.
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Where else the tables are.
    #[command(flatten)]
    pub input: Input,
    /// Leave out what is only worth knowing.
    #[arg(long)]
    pub no_notes: bool,
    /// Columns of the output.
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub width: usize,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// `delid acpi explain`.
#[derive(Clone, Debug, Parser)]
pub struct Explain {
    /// Id of a check; all are listed when it is left out.
    #[arg(value_name = "ID")]
    pub id: Option<String>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// A check as JSON.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Rule {
    id: &'static str,
    severity: Severity,
    title: &'static str,
    meaning: &'static str,
    seen: &'static str,
    remedy: &'static str,
    source: &'static str,
}

impl Rule {
    fn of(check: &Check) -> Self {
        Self {
            id: check.id,
            severity: check.severity,
            title: check.title,
            meaning: check.meaning,
            seen: check.seen,
            remedy: check.remedy,
            source: check.source,
        }
    }
}

/// What is printed as JSON.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "VerifyOutput")]
pub(super) struct Report {
    hits: Vec<Hit>,
    checks: usize,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    faults: Vec<DumpFault>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unread: Vec<String>,
}

pub(super) fn run(args: &Verify, out: &mut dyn Write) -> Result<u8, Error> {
    let loaded = args.input.load(&args.paths)?;
    let namespace = lint::namespace(&loaded.set);
    let subject = Subject::new(&loaded.set)
        .with_outside(loaded.outside)
        .with_namespace(&namespace);
    let mut hits = lint::verify(&subject);
    if args.no_notes {
        hits.retain(|hit| hit.severity != Severity::Note);
    }
    // A note is no fault.
    let found = hits.iter().any(|hit| hit.severity != Severity::Note) || !loaded.set.faults.is_empty();
    let report = Report {
        hits,
        checks: catalogue::all().len(),
        faults: loaded.set.faults.clone(),
        unread: loaded.unread.clone(),
    };
    if args.json {
        super::json(out, &report)?;
    } else {
        print(&report, args.width, out)?;
        super::print_damage(out, &report.faults, &report.unread)?;
    }
    Ok(u8::from(found))
}

fn print(report: &Report, width: usize, out: &mut dyn Write) -> Result<(), Error> {
    let mut counts = BTreeMap::<Severity, usize>::new();
    for hit in &report.hits {
        let count = counts.entry(hit.severity).or_default();
        *count = count.saturating_add(1);
        let mut place = hit.table.clone().unwrap_or_default();
        if let Some(offset) = hit.offset {
            place += &format!(" at {offset:#06x}");
        }
        if let Some(path) = &hit.path {
            place = format!("{place} {path}").trim_start().to_owned();
        }
        writeln!(out, "{:<7}  {}  {place}", hit.severity, hit.id)?;
        let mut text = format!("{}: expected {}, seen {}", hit.message, hit.expected, hit.seen);
        if hit.more > 0 {
            text += &format!("; {} more of this kind", hit.more);
        }
        for row in wrap(&text, width.saturating_sub(9)) {
            writeln!(out, "         {row}")?;
        }
    }
    let words: Vec<String> = counts
        .iter()
        .map(|(severity, count)| crate::words::count(*count, &severity.to_string()))
        .collect();
    let checks = report.checks;
    if words.is_empty() {
        writeln!(out, "{checks} checks, nothing found")?;
    } else {
        writeln!(
            out,
            "{checks} checks: {}; delid acpi explain ID says more",
            words.join(", ")
        )?;
    }
    Ok(())
}

pub(super) fn explain(args: &Explain, out: &mut dyn Write) -> Result<u8, Error> {
    let chosen: Vec<&Check> = match &args.id {
        None => catalogue::all(),
        Some(id) => vec![catalogue::find(id).ok_or_else(|| Error::NoCheck { id: id.clone() })?],
    };
    if args.json {
        let rules: Vec<Rule> = chosen.into_iter().map(Rule::of).collect();
        super::json(out, &rules)?;
        return Ok(0);
    }
    if args.id.is_none() {
        for check in &chosen {
            writeln!(out, "{:<7}  {:<28}  {}", check.severity, check.id, check.title)?;
        }
        return Ok(0);
    }
    let Some(check) = chosen.first() else { return Ok(0) };
    writeln!(out, "{} ({})\n{}\n", check.id, check.severity, check.title)?;
    for (title, text) in [
        ("What it means", check.meaning),
        ("How it is seen", check.seen),
        ("What to do", check.remedy),
        ("Rule", check.source),
    ] {
        writeln!(out, "{title}")?;
        for row in wrap(text, 98) {
            writeln!(out, "  {row}")?;
        }
    }
    Ok(0)
}
