//! `delid kdd`: tools for the Windows kernel debugger's protocol.
//!
//! `delid kdd packets FILE` lists the packets of a captured serial stream: offset, direction, type,
//! id, size, what it carries. Damage is listed at its offset, and the exit code is then 1.

use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;

use clap::{Parser, Subcommand};
use serde::Serialize;
use thiserror::Error;

use crate::kd::names::carried;
use crate::kd::packet::{Damage, Event, Leader, PacketId, PacketType};
use crate::kd::trace::{Direction, Trace, read};

/// Windows kernel debugger protocol.
#[derive(Clone, Debug, Parser)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What `delid kdd` can do.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// List the packets of captured serial traffic; exit code 1 when some of it is damaged.
    Packets(Packets),
}

/// `delid kdd packets`.
#[derive(Clone, Debug, Parser)]
pub struct Packets {
    /// Raw bytes of the line, or text with lines `H>T <hex>` and `T>H <hex>`.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Why nothing could be listed.
#[derive(Debug, Error)]
pub enum Error {
    /// The file could not be read.
    #[error("{path}: {reason}")]
    Read {
        /// As given.
        path: String,
        /// Why.
        reason: io::Error,
    },
    /// It holds nothing.
    #[error("{path}: expected bytes of a serial line, seen none")]
    Empty {
        /// As given.
        path: String,
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
/// When the file cannot be read or is empty, or the output cannot be written.
pub fn run(args: Args, out: &mut dyn Write) -> Result<u8, Error> {
    match args.command {
        Command::Packets(packets) => run_packets(&packets, out),
    }
}

/// One event as it is printed.
#[derive(Serialize)]
struct Row<'a> {
    offset: String,
    direction: Direction,
    #[serde(flatten)]
    what: What<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case", tag = "event")]
enum What<'a> {
    Packet {
        leader: Leader,
        #[serde(rename = "type")]
        kind: PacketType,
        id: PacketId,
        size: usize,
        #[serde(skip_serializing_if = "Option::is_none")]
        carries: Option<String>,
    },
    BreakIn,
    Damage {
        #[serde(flatten)]
        damage: &'a Damage,
    },
}

impl<'a> Row<'a> {
    fn new(direction: Direction, event: &'a Event) -> Self {
        let (offset, what) = match event {
            Event::Packet { offset, packet } => {
                let (leader, kind, id) = (packet.leader, packet.kind, packet.id);
                (
                    offset,
                    What::Packet {
                        leader,
                        kind,
                        id,
                        size: packet.payload.len(),
                        carries: carried(packet),
                    },
                )
            }
            Event::BreakIn { offset } => (offset, What::BreakIn),
            Event::Damage { offset, damage } => (offset, What::Damage { damage }),
        };
        Self {
            offset: format!("{offset:#010x}"),
            direction,
            what,
        }
    }

    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        write!(out, "{}  {:<3}  ", self.offset, self.direction.text())?;
        match &self.what {
            What::Packet {
                leader: Leader::Control,
                kind,
                id,
                ..
            } => writeln!(out, "control {kind:<14}  id {id}"),
            What::Packet {
                kind,
                id,
                size,
                carries,
                ..
            } => {
                write!(out, "data    {kind:<14}  id {id}  {size:>4} bytes")?;
                writeln!(
                    out,
                    "{}",
                    carries
                        .as_ref()
                        .map_or_else(String::new, |carries| format!("  {carries}"))
                )
            }
            What::BreakIn => writeln!(out, "break in"),
            What::Damage { damage } => writeln!(out, "damage  {damage}"),
        }
    }
}

fn run_packets(args: &Packets, out: &mut dyn Write) -> Result<u8, Error> {
    let path = || args.file.display().to_string();
    let bytes = fs::read(&args.file).map_err(|reason| Error::Read { path: path(), reason })?;
    let Trace { events, bad_lines } = read(&bytes);
    if events.is_empty() && bad_lines.is_empty() {
        return Err(Error::Empty { path: path() });
    }
    let rows: Vec<Row<'_>> = events
        .iter()
        .map(|(direction, event)| Row::new(*direction, event))
        .collect();
    if args.json {
        let value = serde_json::json!({ "events": rows, "bad_lines": bad_lines });
        serde_json::to_writer_pretty(&mut *out, &value)?;
        writeln!(out)?;
    } else {
        rows.iter().try_for_each(|row| row.print(out))?;
        for line in &bad_lines {
            writeln!(out, "line {line}: expected H>T or T>H and hexadecimal bytes")?;
        }
    }
    let damaged = events.iter().any(|(_, event)| matches!(event, Event::Damage { .. }));
    Ok(u8::from(damaged || !bad_lines.is_empty()))
}
