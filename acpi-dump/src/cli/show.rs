//! `delid acpi show`: every field of a table.

use std::io::Write;

use clap::Parser;
use schemars::JsonSchema;
use serde::Serialize;

use super::Error;
use super::extract::choose;
use super::input::Input;
use crate::finding::Finding;
use crate::header::Signature;
use crate::layout::print::{PrintOptions, print};
use crate::layout::{self, Section};
use crate::set::{Named, TableSet};
use crate::words;

/// `delid acpi show`.
#[derive(Clone, Debug, Parser)]
pub struct Show {
    /// Tables: APIC, SSDT3, SSDT for all of them; MADT, FADT and RSDP are understood. All when none
    /// is named.
    #[arg(value_name = "TABLE")]
    pub tables: Vec<String>,
    /// Where the tables are.
    #[command(flatten)]
    pub input: Input,
    /// Show the offset and length of each field, reserved fields too.
    #[arg(long)]
    pub offsets: bool,
    /// Show the bytes of each structure.
    #[arg(long)]
    pub hex: bool,
    /// Columns of the output.
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub width: usize,
    /// Show X in place of the product key (MSDM).
    #[arg(long)]
    pub redact: bool,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// A table as JSON.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "ShowOutput")]
pub(super) struct Report {
    name: String,
    origin: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    says: Option<String>,
    content: Section,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    findings: Vec<Finding>,
}

pub(super) fn run(args: &Show, out: &mut dyn Write) -> Result<u8, Error> {
    let loaded = args.input.load(&[])?;
    let chosen = aliased(&loaded.set, &args.tables)?;
    let mut damaged = false;
    let mut reports = Vec::new();
    for named in chosen {
        let mut named = named.clone();
        if args.redact {
            redact(&mut named);
        }
        let decoded = layout::decode(&named.table);
        let mut findings = named.table.findings.clone();
        findings.extend(
            decoded
                .findings
                .into_iter()
                .filter(|finding| !named.table.findings.contains(finding)),
        );
        damaged |= !findings.is_empty();
        if args.json {
            reports.push(Report {
                name: named.name.clone(),
                origin: named.origin.to_string(),
                says: words::says(&named.table),
                content: decoded.value,
                findings,
            });
            continue;
        }
        let options = PrintOptions {
            offsets: args.offsets,
            hex: args.hex.then_some(named.table.bytes.as_slice()),
            width: args.width,
        };
        write!(out, "{}", print(&decoded.value, &options))?;
        for finding in &findings {
            writeln!(out, "damaged {finding} ({})", named.origin)?;
        }
        writeln!(out)?;
    }
    if args.json {
        super::json(out, &reports)?;
    }
    Ok(u8::from(damaged))
}

/// The tables asked for; names such as MADT stand for their signature.
fn aliased<'a>(set: &'a TableSet, names: &[String]) -> Result<Vec<&'a Named>, Error> {
    let plain = |name: &String| match set.get(name) {
        Some(named) if named.name.eq_ignore_ascii_case(name) => named.name.clone(),
        Some(named) if name.contains('[') => named.name.clone(),
        Some(named) => named.table.signature.to_string(),
        None => name.clone(),
    };
    let names: Vec<String> = names.iter().map(plain).collect();
    choose(set, &names)
}

/// Offset of the product key in the MSDM: header, five numbers of four bytes.
const KEY: usize = 36 + 20;

fn redact(named: &mut Named) {
    if named.table.signature == Signature(*b"MSDM") {
        let key = named.table.bytes.get_mut(KEY..).unwrap_or_default();
        key.fill(b'X');
    }
}
