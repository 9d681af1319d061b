//! `delid microcode`: what microcode files, initrds and firmware images hold, whether a loader would
//! load it, and files made of it.
//!
//! One subcommand per file. Exit codes: 0 done; 1 done, and something is damaged, differs, is refused
//! or not there; 2 it could not be done.

mod advisories;
mod choose;
mod cpu;
mod diff;
mod explain;
mod fleet;
mod initrd;
mod input;
mod list;
mod load;
mod pack;
mod repack;
mod show;
mod verify;

pub use advisories::Advisories;
pub use diff::Diff;
pub use explain::Explain;
pub use fleet::Fleet;
pub use initrd::Initrd;
pub use input::updates;
pub use list::List;
pub use load::Load;
pub use pack::{Extract, Pack};
pub use repack::Repack;
pub use show::Show;
pub use verify::Verify;

use std::io::{self, Write};
use std::path::Path;

use clap::{Parser, Subcommand};
use schemars::JsonSchema;
use serde::Serialize;
use thiserror::Error;

/// Microcode: what is in a file, an initrd, a fleet, and whether a loader would load it.
#[derive(Clone, Debug, Parser)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What `delid microcode` can do.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// List the updates in files, directories, initrds and firmware images; exit code 1 when one is damaged
    List(List),
    /// Show everything about each update, and the FIT and PSP tables of a firmware image
    Show(Show),
    /// Check every rule of the formats; exit code 1 with the rule that is broken
    Verify(Verify),
    /// Say whether Linux or Xen would load it, which update, and why not the others
    Explain(Explain),
    /// Extract single updates into files of their own
    Extract(Extract),
    /// Choose updates and write them as one file, firmware directory, text, container or early cpio
    Pack(Pack),
    /// Look into an initrd: list its segments and files, print or extract them
    Initrd(Initrd),
    /// Write an initrd with other early microcode, or with none; the rest stays as it is
    RepackInitrd(Repack),
    /// Compare two sets of updates; exit code 1 when they differ
    Diff(Diff),
    /// Compare what hosts run with the newest updates known; exit code 1 when one is outdated
    Fleet(Fleet),
    /// Say which advisories were released together with revisions newer than the one that runs
    Advisories(Advisories),
    /// Hand microcode to Xen, after saying what it will do with it; exit code 1 when nothing is loaded
    Load(Load),
    /// Print the JSON Schema of what the commands print with --json, by command
    Schema,
}

/// What each command prints with `--json`, for the schema.
#[derive(JsonSchema)]
#[schemars(rename = "delid microcode")]
#[expect(dead_code, reason = "only its schema is used")]
struct Outputs<'a> {
    list: list::Listing,
    show: Vec<show::Shown>,
    verify: verify::Verified,
    explain: Vec<explain::Explained>,
    load: load::Loaded,
    show_cpus: Vec<crate::cpu::Cpu>,
    initrd_list: Vec<initrd::Listed>,
    repack_initrd: crate::initrd::Report,
    diff: crate::release::Diff,
    fleet: crate::fleet::Fleet,
    advisories: Vec<advisories::OfCpu<'a>>,
    advisories_releases: Vec<crate::advisories::Release>,
}

/// Why a command could not be done.
#[derive(Debug, Error)]
pub enum Error {
    /// A file could not be read.
    #[error("{path}: {source}")]
    Read {
        /// As given.
        path: String,
        /// What the system says.
        source: io::Error,
    },
    /// A file could not be written.
    #[error("{path}: cannot write: {source}")]
    Create {
        /// As given.
        path: String,
        /// What the system says.
        source: io::Error,
    },
    /// A capture could not be opened.
    #[error(transparent)]
    Open(#[from] captures::OpenError),
    /// What was asked for cannot be done.
    #[error("{what}: {message}")]
    Refused {
        /// What it is about.
        what: String,
        /// Why.
        message: String,
    },
    /// The output could not be written.
    #[error("output: {0}")]
    Write(#[from] io::Error),
    /// The output could not be made into JSON.
    #[error("JSON output: {0}")]
    Json(#[from] serde_json::Error),
}

impl Error {
    fn read(path: &Path) -> impl Fn(io::Error) -> Self {
        let path = path.display().to_string();
        move |source| Self::Read {
            path: path.clone(),
            source,
        }
    }

    fn refused(what: impl ToString, message: impl ToString) -> Self {
        Self::Refused {
            what: what.to_string(),
            message: message.to_string(),
        }
    }
}

/// Run the command; the answer is the exit code.
///
/// # Errors
/// When an input could not be read or the output not be written.
pub fn run(args: Args, out: &mut dyn Write) -> Result<u8, Error> {
    match args.command {
        Command::List(list) => list.run(out),
        Command::Show(show) => show.run(out),
        Command::Verify(verify) => verify.run(out),
        Command::Explain(explain) => explain.run(out),
        Command::Load(load) => load.run(out),
        Command::Extract(extract) => extract.run(out),
        Command::Pack(pack) => pack.run(out),
        Command::Initrd(initrd) => initrd.run(out),
        Command::RepackInitrd(repack) => repack.run(out),
        Command::Diff(diff) => diff.run(out),
        Command::Fleet(fleet) => fleet.run(out),
        Command::Advisories(advisories) => advisories.run(out),
        Command::Schema => json(out, &captures::json::schema::<Outputs<'_>>()).map(|()| 0),
    }
}

fn json(out: &mut dyn Write, value: &impl Serialize) -> Result<(), Error> {
    serde_json::to_writer_pretty(&mut *out, value)?;
    writeln!(out)?;
    Ok(())
}
