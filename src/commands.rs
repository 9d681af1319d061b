//! The command line: one subcommand per room.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// Takes the lid off a computer.
///
/// Reads what firmware, buses and CPUs of a machine say, live or from a capture, and shows it.
/// Without a command the running machine is drawn (delid topo).
#[derive(Debug, Parser)]
#[command(name = "delid", version, about, propagate_version = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// Names that also work as argv[0].
pub const ROOMS: &[&str] = &["topo", "capture", "acpi", "cpuid", "microcode", "kdd"];

/// The rooms; what each does is said where its arguments are.
#[derive(Debug, Subcommand)]
pub enum Command {
    Topo(Box<topo::cli::Args>),
    Capture(crate::capture::Args),
    Acpi(acpi_dump::cli::Args),
    Cpuid(cpuid_db::cli::Args),
    Microcode(microcode::cli::Args),
    Kdd(kdd::cli::Args),
    /// Write the man pages into a directory
    #[command(hide = true)]
    Man {
        /// The directory.
        directory: PathBuf,
    },
    /// Print the completions of a shell
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

/// Parses a command line. Of a room's, the parser of that room alone is built: those of all rooms
/// together take longer to build than most commands take.
pub fn parse(arguments: Vec<OsString>) -> Cli {
    let room = arguments.get(1).and_then(|word| word.to_str()).unwrap_or_default();
    let command = match room {
        "topo" => Command::Topo(Box::new(of_room("topo", &arguments))),
        "capture" => Command::Capture(of_room("capture", &arguments)),
        "acpi" => Command::Acpi(of_room("acpi", &arguments)),
        "cpuid" => Command::Cpuid(of_room("cpuid", &arguments)),
        "microcode" => Command::Microcode(of_room("microcode", &arguments)),
        "kdd" => Command::Kdd(of_room("kdd", &arguments)),
        _ => return Cli::parse_from(arguments),
    };
    Cli { command: Some(command) }
}

fn of_room<A: Args>(room: &'static str, arguments: &[OsString]) -> A {
    let command = A::augment_args(clap::Command::new(room))
        .bin_name(format!("delid {room}"))
        .version(env!("CARGO_PKG_VERSION"))
        .propagate_version(true);
    let matches = command.get_matches_from(arguments.iter().skip(1));
    A::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
}
