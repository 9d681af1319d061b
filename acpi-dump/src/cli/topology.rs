//! `delid acpi topology`: what the tables say together, on one screen.

use std::io::Write;
use std::path::PathBuf;

use clap::Parser;
use schemars::JsonSchema;
use serde::Serialize;

use super::Error;
use super::input::Input;
use super::phrase::wrap;
use crate::set::DumpFault;
use crate::summary::{Part, summary};

/// `delid acpi topology`.
#[derive(Clone, Debug, Parser)]
pub struct Topology {
    /// Files or captures; this machine when there are none.
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Where else the tables are.
    #[command(flatten)]
    pub input: Input,
    /// Name the table and offset of each line.
    #[arg(long)]
    pub offsets: bool,
    /// Columns of the output.
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub width: usize,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// What is printed as JSON.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "TopologyOutput")]
pub(super) struct Report {
    parts: Vec<Part>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    faults: Vec<DumpFault>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unread: Vec<String>,
}

pub(super) fn run(args: &Topology, out: &mut dyn Write) -> Result<u8, Error> {
    let loaded = args.input.load(&args.paths)?;
    let report = Report {
        parts: summary(&loaded.set),
        faults: loaded.set.faults,
        unread: loaded.unread,
    };
    let damaged = u8::from(!report.faults.is_empty());
    if args.json {
        super::json(out, &report)?;
        return Ok(damaged);
    }
    for (place, part) in report.parts.iter().enumerate() {
        if place > 0 {
            writeln!(out)?;
        }
        writeln!(out, "{}", part.title)?;
        for line in &part.lines {
            let text = match line.offset.filter(|_| args.offsets) {
                Some(offset) => format!("{}  ({} at {offset:#06x})", line.text, line.table),
                None if args.offsets => format!("{}  ({})", line.text, line.table),
                None => line.text.clone(),
            };
            for (number, row) in wrap(&text, args.width.saturating_sub(4)).iter().enumerate() {
                writeln!(out, "{}{row}", if number == 0 { "  " } else { "    " })?;
            }
        }
    }
    super::print_damage(out, &report.faults, &report.unread)?;
    Ok(damaged)
}
