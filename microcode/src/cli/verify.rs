//! `delid microcode verify`: every rule of the format, and which one is broken.

use std::io::Write;
use std::path::PathBuf;

use clap::Parser;
use schemars::JsonSchema;
use serde::Serialize;

use super::{Error, input};
use crate::gather::{Gathered, Options};
use crate::verify::{Check, Checker, Report, check};

/// `delid microcode verify`.
#[derive(Clone, Debug, Parser)]
pub struct Verify {
    /// Files of updates, AMD containers or patches, microcode as text, initrds, firmware images;
    /// directories of the former
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Print the rules that hold, too
    #[arg(long)]
    pub all: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// What `verify` prints as JSON.
#[derive(JsonSchema, Serialize)]
pub(super) struct Verified {
    files: Vec<Report>,
    /// Files that hold no microcode.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    others: Vec<String>,
}

impl Verify {
    pub(super) fn run(&self, out: &mut dyn Write) -> Result<u8, Error> {
        let mut verified = Verified {
            files: Vec::new(),
            others: Vec::new(),
        };
        let mut failed = false;
        for path in &self.paths {
            let folder = path.is_dir();
            let files = if folder {
                input::below(path)?
            } else {
                vec![path.clone()]
            };
            for file in files {
                let name = file.display().to_string();
                let bytes = std::fs::read(&file).map_err(Error::read(&file))?;
                let mut reports: Vec<Report> = check(&name, &bytes).into_iter().collect();
                drop(bytes);
                if reports.is_empty() && !folder {
                    let options = Options {
                        scan: true,
                        compressed: false,
                    };
                    reports = inside(&input::open(&file, options)?);
                }
                if reports.is_empty() {
                    failed |= !folder;
                    verified.others.push(name);
                }
                verified.files.extend(reports);
            }
        }
        failed |= verified.files.iter().any(|report| !report.is_ok());
        if self.json {
            super::json(out, &verified)?;
        } else {
            verified.files.iter().try_for_each(|report| self.print(report, out))?;
        }
        for other in &verified.others {
            eprintln!("{other}: no microcode");
        }
        Ok(u8::from(failed))
    }

    fn print(&self, report: &Report, out: &mut dyn Write) -> std::io::Result<()> {
        let state = if report.is_ok() { "ok" } else { "FAILED" };
        let count = report.updates;
        let updates = if count == 1 { "update" } else { "updates" };
        writeln!(
            out,
            "{}: {state}, {} with {count} {updates}, {} rules",
            report.file,
            report.kind,
            report.checks.len()
        )?;
        for check in &report.checks {
            if check.ok && check.breaks.is_empty() {
                if self.all {
                    writeln!(out, "  ok      {}: {}", check.rule, check.says)?;
                }
                continue;
            }
            print_broken(check, out)?;
        }
        Ok(())
    }
}

/// Reports on the files in an initrd or, where no file is around them, on the updates themselves.
fn inside(all: &Gathered) -> Vec<Report> {
    let mut reports: Vec<Report> = Vec::new();
    for found in &all.found {
        let source = &found.place.source;
        if reports.iter().any(|report| report.file == *source) {
            continue;
        }
        let whole = found.around().and_then(|bytes| check(source, bytes));
        reports.extend(whole.or_else(|| check(&found.place.to_string(), found.bytes())));
    }
    reports
}

fn print_broken(check: &Check, out: &mut dyn Write) -> std::io::Result<()> {
    let word = if check.remark { "remark" } else { "FAILED" };
    writeln!(out, "  {word}  {}: {}", check.rule, check.says)?;
    for broken in &check.breaks {
        let line = match (broken.line, broken.column) {
            (Some(line), Some(column)) => format!(" (line {line}, column {column})"),
            _ => String::new(),
        };
        writeln!(
            out,
            "          at {:#x}{line}: expected {}, seen {}",
            broken.place.offset, broken.expected, broken.seen
        )?;
    }
    let names: Vec<&str> = check.refused_by.iter().map(|checker| name(*checker)).collect();
    if !names.is_empty() {
        writeln!(out, "          refused by {}", names.join(", "))?;
    }
    Ok(())
}

fn name(checker: Checker) -> &'static str {
    match checker {
        Checker::Linux => "Linux",
        Checker::Xen => "Xen",
        Checker::Sdm => "Intel's manual",
        Checker::IucodeTool => "iucode_tool",
    }
}
