//! `delid acpi`: the tables of a machine, live or captured.
//!
//! One subcommand per file; all take the same sources ([`input::Input`]). The live tables are
//! readable by root only.

mod convert;
mod device;
mod diff;
mod disasm;
mod extract;
pub mod input;
mod list;
mod outside;
mod phrase;
mod show;
mod topology;
mod tree;
mod verify;

use std::io::{self, Write};

use clap::{Parser, Subcommand};
use schemars::JsonSchema;
use serde::Serialize;
use thiserror::Error;

use crate::set::DumpFault;

pub use convert::Convert;
pub use device::Device;
pub use diff::Diff;
pub use disasm::Disasm;
pub use extract::Extract;
pub use list::List;
pub use show::Show;
pub use topology::Topology;
pub use tree::Tree;
pub use verify::{Explain, Verify};

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
    /// Say what the tables tell of the machine's shape, on one screen
    Topology(Topology),
    /// Show every field of a table
    Show(Show),
    /// Show the namespace of DSDT and SSDTs
    Tree(Tree),
    /// Say what a device of the namespace is and uses
    Device(Device),
    /// Check the tables for the mistakes that firmware makes; exit code 1 when there are some
    Verify(Verify),
    /// Say what a check means, how it is seen, what to do
    Explain(Explain),
    /// Disassemble DSDT and SSDTs to ASL
    Disasm(Disasm),
    /// Write tables to files, as acpixtract and acpidump -b name them
    Extract(Extract),
    /// Turn acpidump text into binary tables and back, byte for byte
    Convert(Convert),
    /// Compare two machines by table and field; exit code 1 when they differ
    Diff(Diff),
    /// Print the JSON Schema of what the commands print with --json, by command
    Schema,
}

/// What each command prints with `--json`, for the schema.
#[derive(JsonSchema)]
#[schemars(rename = "delid acpi")]
#[expect(dead_code, reason = "only its schema is used")]
struct Outputs {
    list: list::Listing,
    topology: topology::Report,
    tree: tree::Report,
    device: Vec<device::Report>,
    verify: verify::Report,
    show: Vec<show::Report>,
    disasm: Vec<disasm::Report>,
    explain: Vec<verify::Rule>,
    extract: extract::Report,
    convert: convert::Report,
    diff: diff::Report,
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
    /// A table that was asked for as code holds none.
    #[error("{name} holds no AML; delid acpi show {name} decodes it")]
    NotAml {
        /// The table.
        name: String,
    },
    /// No device fits a path.
    #[error("no device {path} here; delid acpi tree --kind Device lists all")]
    NoDevice {
        /// What was asked for.
        path: String,
    },
    /// There is no check of that id.
    #[error("no check {id:?}; delid acpi explain lists all")]
    NoCheck {
        /// What was asked for.
        id: String,
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
        Command::Topology(args) => topology::run(&args, out),
        Command::Show(args) => show::run(&args, out),
        Command::Tree(args) => tree::run(&args, out),
        Command::Device(args) => device::run(&args, out),
        Command::Verify(args) => verify::run(&args, out),
        Command::Explain(args) => verify::explain(&args, out),
        Command::Disasm(args) => disasm::run(&args, out),
        Command::Extract(args) => extract::run(&args, out),
        Command::Convert(args) => convert::run(&args, out),
        Command::Diff(args) => diff::run(&args, out),
        Command::Schema => json(out, &captures::json::schema::<Outputs>()).map(|()| 0),
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
