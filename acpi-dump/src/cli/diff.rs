//! `delid acpi diff A B`: what changed between two machines, or between two firmware versions.

use std::io::Write;
use std::path::PathBuf;

use clap::Parser;
use schemars::JsonSchema;
use serde::Serialize;

use super::Error;
use super::input::Input;
use crate::diff::{Change, State, TableDiff, diff};

/// `delid acpi diff`.
#[derive(Clone, Debug, Parser)]
pub struct Diff {
    /// The first machine: a dump, a file, a directory of tables, a capture.
    #[arg(value_name = "A")]
    pub before: PathBuf,
    /// The second; this machine when it is left out.
    #[arg(value_name = "B")]
    pub after: Option<PathBuf>,
    /// Name the equal tables too.
    #[arg(long)]
    pub all: bool,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// What is printed as JSON.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "DiffOutput")]
pub(super) struct Report {
    tables: Vec<TableDiff>,
}

pub(super) fn run(args: &Diff, out: &mut dyn Write) -> Result<u8, Error> {
    let input = Input::default();
    let before = input.load(std::slice::from_ref(&args.before))?;
    let after = input.load(args.after.as_slice())?;
    let mut tables = diff(&before.set, &after.set);
    let differs = tables.iter().any(|table| table.state != State::Same);
    let same = tables.iter().filter(|table| table.state == State::Same).count();
    if !args.all {
        tables.retain(|table| table.state != State::Same);
    }
    if args.json {
        super::json(out, &Report { tables })?;
    } else {
        for table in &tables {
            print(table, out)?;
        }
        writeln!(out, "{same} tables are the same byte for byte")?;
    }
    Ok(u8::from(differs))
}

fn print(table: &TableDiff, out: &mut dyn Write) -> Result<(), Error> {
    let state = match table.state {
        State::Same => "same",
        State::Changed => "changed",
        State::Removed => "only in the first",
        State::Added => "only in the second",
    };
    writeln!(out, "{:<6}  {state}", table.table)?;
    for change in &table.changes {
        let Change {
            place,
            before,
            after,
            offset_before,
            offset_after,
        } = change;
        let at = offset_before.or(*offset_after).unwrap_or_default();
        write!(out, "  {at:#06x}  {place}: ")?;
        match (before, after) {
            (Some(before), Some(after)) => writeln!(out, "{before} -> {after}")?,
            (Some(before), None) => writeln!(out, "removed ({before})")?,
            (None, Some(after)) => writeln!(out, "added ({after})")?,
            (None, None) => writeln!(out)?,
        }
    }
    Ok(())
}
