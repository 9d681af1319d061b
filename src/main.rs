//! `delid`: one binary, one subcommand per room. Parses the command line, picks the room, prints,
//! decides the exit code; also answers to a room's name as argv[0] (`topo`, `delid-topo`).

#![forbid(unsafe_code)]

use std::ffi::OsString;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use clap::CommandFactory;

mod capture;
mod commands;

use commands::{Cli, Command};

#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

fn main() -> ExitCode {
    let cli = commands::parse(arguments(std::env::args_os().collect()));
    let mut out = BufWriter::new(std::io::stdout().lock());
    let result = run(cli, &mut out).and_then(|code| {
        out.flush().context("writing the output")?;
        Ok(code)
    });
    match result {
        Ok(code) => ExitCode::from(code),
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            anstream::eprintln!("delid: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// The command line with the room's name put in where argv[0] tells it.
fn arguments(mut arguments: Vec<OsString>) -> Vec<OsString> {
    let name = arguments
        .first()
        .and_then(|first| Path::new(first).file_stem())
        .map(|stem| stem.to_string_lossy().into_owned());
    let room = name
        .as_deref()
        .map(|name| name.strip_prefix("delid-").unwrap_or(name))
        .filter(|name| commands::ROOMS.contains(name));
    if let Some(room) = room {
        arguments.insert(1.min(arguments.len()), room.into());
    }
    arguments
}

/// Whether the reader of our output went away: that is no error.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause
            .downcast_ref::<std::io::Error>()
            .is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
    })
}

fn run(cli: Cli, out: &mut dyn Write) -> anyhow::Result<u8> {
    match cli.command {
        None => Ok(topo::cli::run(&topo::cli::Args::default(), out)?),
        Some(Command::Topo(args)) => Ok(topo::cli::run(&args, out)?),
        Some(Command::Capture(args)) => capture::run(&args, out),
        Some(Command::Acpi(args)) => Ok(acpi_dump::cli::run(args, out)?),
        Some(Command::Cpuid(args)) => Ok(cpuid_db::cli::run(args, out)?),
        Some(Command::Microcode(args)) => Ok(microcode::cli::run(args, out)?),
        Some(Command::Kdd(kdd::cli::Args {
            command: kdd::cli::Command::Schema,
        })) => {
            // Opened as those of the other rooms are, which this one does not know.
            serde_json::to_writer_pretty(&mut *out, &captures::json::schema::<kdd::cli::Outputs<'_>>())?;
            writeln!(out)?;
            Ok(0)
        }
        Some(Command::Kdd(args)) => Ok(kdd::cli::run(args, out)?),
        Some(Command::Man { directory }) => man(&directory),
        Some(Command::Completions { shell }) => {
            clap_complete::generate(shell, &mut Cli::command(), "delid", out);
            Ok(0)
        }
    }
}

/// One man page per command.
fn man(directory: &Path) -> anyhow::Result<u8> {
    std::fs::create_dir_all(directory).with_context(|| directory.display().to_string())?;
    clap_mangen::generate_to(Cli::command(), directory).with_context(|| directory.display().to_string())?;
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[&str]) -> Vec<OsString> {
        arguments(words.iter().map(OsString::from).collect())
    }

    #[test]
    fn a_room_as_argv0_is_its_subcommand() {
        assert_eq!(words(&["/usr/bin/topo", "--json"]), ["/usr/bin/topo", "topo", "--json"]);
        assert_eq!(words(&["delid-acpi", "list"]), ["delid-acpi", "acpi", "list"]);
        assert_eq!(words(&["./delid", "topo"]), ["./delid", "topo"]);
    }

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
