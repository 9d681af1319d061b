//! The command line: one subcommand per room.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

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

/// The rooms.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Draw CPUs, caches, memory and PCI, and say what is wrong
    Topo(Box<topo::cli::Args>),
    /// Write down everything any delid command reads on this machine
    Capture(crate::capture::Args),
    /// ACPI tables
    Acpi(acpi_dump::cli::Args),
    /// CPUID dumps: identity, topology, caches
    Cpuid(cpuid_db::cli::Args),
    /// Microcode containers
    Microcode(microcode::cli::Args),
    /// Windows kernel debugger protocol
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
