//! `delid cpuid`: what processors say of themselves, live or from a dump; what their bits are called;
//! what a guest can be given.
//!
//! One subcommand per file. Exit codes: 0 done; 1 done, and the input was damaged, the two differ, the
//! guest cannot run or the configuration is wrong; 2 it could not be done.

pub mod input;
mod list;
mod phrase;
mod show;

use std::io::{self, Write};
use std::path::PathBuf;

use clap::{Parser, Subcommand};
use serde::Serialize;
use thiserror::Error;

use crate::database::Database;

pub use list::List;
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
        Command::Show(show) => show.run(&context, out),
        Command::List(list) => list.run(&context, out),
    }
}

/// Prints a value as JSON, with an end of line.
fn json<T: Serialize>(out: &mut dyn Write, value: &T) -> Result<(), Error> {
    serde_json::to_writer_pretty(&mut *out, value)?;
    writeln!(out)?;
    Ok(())
}
