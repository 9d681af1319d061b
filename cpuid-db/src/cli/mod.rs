//! `delid cpuid`: what processors say of themselves, live or from a dump; what their bits are called;
//! what a guest can be given.
//!
//! One subcommand per file. Exit codes: 0 done; 1 done, and the input was damaged, the two differ, the
//! guest cannot run or the configuration is wrong; 2 it could not be done.

mod baseline;
mod check;
mod configuration;
mod convert;
mod diff;
mod explain;
mod hosts;
pub mod input;
mod lint;
mod list;
mod mask;
mod models;
mod phrase;
mod raw;
mod show;

use std::io::{self, Write};
use std::path::PathBuf;

use clap::{Parser, Subcommand};
use schemars::JsonSchema;
use serde::Serialize;
use thiserror::Error;

use crate::database::Database;

pub use baseline::Baseline;
pub use check::Check;
pub use convert::Convert;
pub use diff::Diff;
pub use explain::{Explain, Find};
pub use lint::Lint;
pub use list::List;
pub use mask::Mask;
pub use models::Models;
pub use raw::Raw;
pub use show::Show;

/// CPUID: who a processor is, what its bits mean, what a guest can have of it.
#[derive(Clone, Debug, Parser)]
pub struct Args {
    /// Add the rows of a table of CPUID fields (columns as in the data files of delid)
    #[arg(long, value_name = "FILE", global = true)]
    pub db: Option<PathBuf>,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What `delid cpuid` can do.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Show who the processor is, its packages, cores, caches and features
    Show(Show),
    /// List dumps in a line each
    List(List),
    /// Write the rows of a dump in the format of another tool
    Raw(Raw),
    /// Say what the bits of a register, an MSR or a featureset mean
    Explain(Explain),
    /// Find the bit that a name stands for, in any dialect
    Find(Find),
    /// Compare two dumps, or the CPUs of one; exit code 1 when they differ
    Diff(Diff),
    /// List the CPU models of QEMU or libvirt, show one, or rank them for a dump
    Models(Models),
    /// Turn a CPU configuration into another hypervisor's
    Convert(Convert),
    /// Compute what a pool of hosts can offer a guest, with the reason for all it cannot
    Baseline(Baseline),
    /// Say whether a guest can run on hosts and move among them; exit code 1 when not
    Check(Check),
    /// Turn a policy into masks of registers for xl and Xen, and back
    Mask(Mask),
    /// Say what is wrong with a cpuid= or a <cpu> before the guest starts; exit code 1 when something is
    Lint(Lint),
    /// Print the JSON Schema of what the commands print with --json, by command
    Schema,
}

/// What each command prints with `--json`, for the schema.
#[derive(JsonSchema)]
#[schemars(rename = "delid cpuid")]
#[expect(dead_code, reason = "only its schema is used")]
struct Outputs<'a> {
    show: Vec<show::Shown>,
    show_full: Vec<show::Full>,
    list: Vec<list::Line>,
    explain: Vec<crate::explain::Explained>,
    find: Vec<crate::find::Found>,
    diff: diff::Report,
    models: Vec<models::Line>,
    models_model: models::Shown,
    models_nearest: Vec<models::Near>,
    convert: convert::Report,
    baseline: baseline::Report<'a>,
    check: check::Report<'a>,
    mask: Vec<mask::Line>,
    mask_back: Vec<crate::features::Group>,
    lint: Vec<lint::Finding>,
}

/// What every command is given.
#[derive(Clone, Debug, Default)]
pub(crate) struct Context {
    /// Table of fields.
    pub database: Database,
}

/// Why a command could not be done.
#[derive(Debug, Error)]
pub enum Error {
    /// An argument could not be opened.
    #[error(transparent)]
    Open(#[from] captures::source::OpenError),
    /// A file could not be read.
    #[error("{path}: {source}")]
    Read {
        /// The file.
        path: String,
        /// What the system says.
        source: io::Error,
    },
    /// A row of a user's table cannot be read.
    #[error("{path}:{line}: expected {expected}, seen {seen}")]
    Rows {
        /// The file.
        path: String,
        /// Line, from 1.
        line: usize,
        /// What should stand there.
        expected: String,
        /// What stands there.
        seen: String,
    },
    /// No CPUID dump was found.
    #[error("CPUID: no dump in {place}")]
    NoDump {
        /// Where it was sought.
        place: String,
    },
    /// No dump has the CPU that was asked for.
    #[error("no CPU {number} here")]
    NoCpu {
        /// Its number.
        number: u32,
    },
    /// A dump has no row that can be read.
    #[error("{origin}: no CPUID row that can be read")]
    NoRow {
        /// Where the dump is from.
        origin: String,
    },
    /// One dump is wanted, there are several.
    #[error("one dump is wanted, there are {dumps}")]
    Several {
        /// Where they are from.
        dumps: String,
    },
    /// What was asked for is refused.
    #[error("{what}: {message}")]
    Refused {
        /// What it is about.
        what: String,
        /// Why.
        message: String,
    },
    /// A configuration has parts that cannot be read or written.
    #[error("{0}")]
    Faults(String),
    /// The output could not be written.
    #[error("output: {0}")]
    Write(#[from] io::Error),
    /// The output could not be made into JSON.
    #[error("JSON output: {0}")]
    Json(#[from] serde_json::Error),
}

/// Run the command; the answer is the exit code.
///
/// # Errors
/// When no dump could be read or the output could not be written.
pub fn run(args: Args, out: &mut dyn Write) -> Result<u8, Error> {
    let context = Context {
        database: input::database(args.db.as_deref())?,
    };
    match args.command {
        Command::Schema => json(out, &captures::json::schema::<Outputs<'_>>()).map(|()| 0),
        Command::Show(show) => show.run(&context, out),
        Command::List(list) => list.run(&context, out),
        Command::Lint(lint) => lint.run(&context, out),
        Command::Mask(mask) => mask.run(&context, out),
        Command::Check(check) => check.run(&context, out),
        Command::Baseline(baseline) => baseline.run(&context, out),
        Command::Convert(convert) => convert.run(&context, out),
        Command::Models(models) => models.run(&context, out),
        Command::Diff(diff) => diff.run(&context, out),
        Command::Find(find) => find.run(&context, out),
        Command::Explain(explain) => explain.run(&context, out),
        Command::Raw(raw) => raw.run(&context, out),
    }
}

/// Prints a value as JSON, with an end of line.
fn json<T: Serialize>(out: &mut dyn Write, value: &T) -> Result<(), Error> {
    serde_json::to_writer_pretty(&mut *out, value)?;
    writeln!(out)?;
    Ok(())
}
