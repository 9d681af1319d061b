//! `delid acpi`: the tables of a machine, live or captured.
//!
//! One subcommand per file; all take the same sources ([`input::Input`]). The live tables are
//! readable by root only.

mod convert;
mod diff;
mod extract;
pub mod input;
mod list;

use std::io::{self, Write};

use clap::{Parser, Subcommand};
use serde::Serialize;
use thiserror::Error;

use crate::set::DumpFault;

pub use convert::Convert;
pub use diff::Diff;
pub use extract::Extract;
pub use list::List;

/// ACPI tables of this machine or of a capture.
#[derive(Clone, Debug, Parser)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What `delid acpi` can do.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// List the tables: name, maker, size, checksum, what they say
    List(List),
    /// Write tables to files, as acpixtract and acpidump -b name them
    Extract(Extract),
    /// Turn acpidump text into binary tables and back, byte for byte
    Convert(Convert),
    /// Compare two machines by table and field; exit code 1 when they differ
    Diff(Diff),
}

/// Why a command could not be done.
#[derive(Debug, Error)]
pub enum Error {
    /// A source could not be opened.
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
    /// Tables are there, but only root may read them.
    #[error(
        "ACPI tables: {count} in {} are readable by root only; run: sudo delid acpi …",
        input::SYSFS
    )]
    Denied {
        /// How many.
        count: usize,
    },
    /// No table was found.
    #[error("ACPI tables: none in {place}")]
    NoTable {
        /// Where they were sought.
        place: String,
    },
    /// A table that was asked for is not there.
    #[error("no table {name} here; there are {known}")]
    Unknown {
        /// What was asked for.
        name: String,
        /// The tables there are.
        known: String,
    },
    /// A file or directory could not be written.
    #[error("{path}: {source}")]
    WriteFile {
        /// The file.
        path: String,
        /// What the system says.
        source: io::Error,
    },
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
/// When no table could be read or the output could not be written.
pub fn run(args: Args, out: &mut dyn Write) -> Result<u8, Error> {
    match args.command {
        Command::List(args) => list::run(&args, out),
        Command::Extract(args) => extract::run(&args, out),
        Command::Convert(args) => convert::run(&args, out),
        Command::Diff(args) => diff::run(&args, out),
    }
}

/// Pretty JSON and a line end.
fn json(out: &mut dyn Write, value: &impl Serialize) -> Result<(), Error> {
    serde_json::to_writer_pretty(&mut *out, value)?;
    writeln!(out)?;
    Ok(())
}

/// What the sources hold but could not be read, after the answer.
fn print_damage(out: &mut dyn Write, faults: &[DumpFault], unread: &[String]) -> io::Result<()> {
    for DumpFault { origin, fault } in faults {
        writeln!(out, "{origin}: {fault}")?;
    }
    for unread in unread {
        writeln!(out, "not read: {unread}")?;
    }
    Ok(())
}
