//! `delid kdd`: a guest, captured or running, as a debugger sees it, and served to one.
//!
//! One subcommand per file. Exit codes: 0 done; 1 done, and something is damaged, missing or differs;
//! 2 it could not be done.

mod decode;
mod dump;
mod gdb;
mod guard;
mod info;
mod list;
mod lists;
mod read;
mod rows;
mod serve;
mod source;

pub use decode::Decode;
pub use dump::Dump;
pub use gdb::Gdb;
pub use guard::Guard;
pub use info::Info;
pub use list::List;
pub use lists::{Modules, Processes};
pub use read::Read;
pub use serve::Serve;
pub use source::Of;

use std::io::{self, Write};
use std::path::Path;

use clap::{Parser, Subcommand};
use schemars::JsonSchema;
use serde::Serialize;
use thiserror::Error;

/// Windows guests, captured or running: what is in them, served to WinDbg and GDB, written as dumps.
#[derive(Clone, Debug, Parser)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What `delid kdd` can do.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Say what a guest holds: container, vCPUs, Windows, modules, processes; exit code 1 when there is no Windows
    Info(Info),
    /// Serve a guest to WinDbg, over the serial protocol or KDNET
    Serve(Box<Serve>),
    /// Serve any guest, captured or running, to GDB, LLDB or WinDbg (EXDI): the GDB remote serial protocol
    Gdb(Box<Gdb>),
    /// Write a Windows dump of a guest
    Dump(Dump),
    /// Print memory, by virtual or physical address; exit code 1 when some of it is not there
    Read(Read),
    /// List the loaded modules
    Modules(Modules),
    /// List the processes
    Processes(Processes),
    /// Say in words what captured debugger traffic holds; exit code 1 when some of it is damaged
    Decode(Decode),
    /// Name the running guests of QEMU, KVM and Xen on this host, and what can be done with each
    List(List),
    /// Print the JSON Schema of what the commands print with --json, by command
    Schema,
    /// Put a guest right when the process that held it is gone; started by the others
    #[command(hide = true)]
    Guard(Guard),
}

/// What each command prints with `--json`, for the schema. The program opens it for later versions' documents.
#[derive(JsonSchema)]
#[schemars(rename = "delid kdd")]
#[expect(dead_code, reason = "only its schema is used")]
pub struct Outputs<'a> {
    info: info::Shown<'a>,
    modules: Vec<crate::windows::Module>,
    processes: Vec<crate::windows::Process>,
    read: read::Shown,
    decode: crate::decode::Decoded,
    list: list::Shown,
}

/// Why a command could not be done.
#[derive(Debug, Error)]
pub enum Error {
    /// A file could not be read.
    #[error("{path}: {reason}")]
    Read {
        /// As given.
        path: String,
        /// What the system says.
        reason: io::Error,
    },
    /// A file could not be written.
    #[error("{path}: cannot write: {reason}")]
    Create {
        /// As given.
        path: String,
        /// What the system says.
        reason: io::Error,
    },
    /// A source could not be opened.
    #[error(transparent)]
    Open(#[from] crate::target::OpenError),
    /// A file holds nothing of what it should.
    #[error("{path}: {message}")]
    Refused {
        /// What it is about.
        path: String,
        /// Why.
        message: String,
    },
    /// The line to the debugger failed.
    #[error(transparent)]
    Serve(#[from] crate::transport::stream::Error),
    /// A dump could not be written.
    #[error(transparent)]
    Dump(#[from] crate::dump_writer::WriteError),
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
        move |reason| Self::Read {
            path: path.clone(),
            reason,
        }
    }

    fn create(path: &Path) -> impl Fn(io::Error) -> Self {
        let path = path.display().to_string();
        move |reason| Self::Create {
            path: path.clone(),
            reason,
        }
    }

    fn refused(path: &Path, message: impl ToString) -> Self {
        Self::Refused {
            path: path.display().to_string(),
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
        Command::Info(info) => info.run(out),
        Command::Serve(serve) => serve.run(out),
        Command::Gdb(gdb) => gdb.run(),
        Command::Dump(dump) => dump.run(out),
        Command::Read(read) => read.run(out),
        Command::Modules(modules) => modules.run(out),
        Command::Processes(processes) => processes.run(out),
        Command::Decode(decode) => decode.run(out),
        Command::List(list) => list.run(out),
        Command::Guard(guard) => guard.run(),
        Command::Schema => json(out, &schemars::schema_for!(Outputs<'_>)).map(|()| 0),
    }
}

fn json(out: &mut dyn Write, value: &impl Serialize) -> Result<(), Error> {
    serde_json::to_writer_pretty(&mut *out, value)?;
    writeln!(out)?;
    Ok(())
}
