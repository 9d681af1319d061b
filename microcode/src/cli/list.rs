//! `delid microcode list`: a line for each update.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Parser;
use schemars::JsonSchema;
use serde::Serialize;

use super::{Error, input};
use crate::found::{Found, Place, Update};
use crate::gather::{Fault, Gathered, Kind, Options, Table as Equivalences};
use crate::ids::Sha256;
use crate::intel::Target;
use crate::table::Table;

/// `delid microcode list`.
#[derive(Clone, Debug, Parser)]
pub struct List {
    /// Files of updates, AMD containers or patches, microcode as text, initrds, firmware images,
    /// directories of them; - is standard input
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Look into the compressed parts of initrds too
    #[arg(long)]
    pub unpack: bool,
    /// Print the SHA-256 of each update: its identity
    #[arg(long)]
    pub hash: bool,
    /// Print the equivalence tables of AMD containers
    #[arg(long)]
    pub equivalence: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// What `list` prints as JSON.
#[derive(JsonSchema, Serialize)]
pub(super) struct Listing {
    sources: Vec<Listed>,
}

#[derive(JsonSchema, Serialize)]
struct Listed {
    source: String,
    kind: Kind,
    damaged: bool,
    updates: Vec<Row>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    equivalence_tables: Vec<Equivalences>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    damage: Vec<Fault>,
}

/// An update with its place.
#[derive(JsonSchema, Serialize)]
pub(super) struct Row {
    pub place: Place,
    pub size: usize,
    pub targets: Vec<Target>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<Sha256>,
    #[serde(flatten)]
    pub update: Update,
}

impl Row {
    pub(super) fn new(found: &Found, hash: bool) -> Self {
        Self {
            place: found.place.clone(),
            size: found.bytes().len(),
            targets: found.update.targets(),
            sha256: hash.then(|| found.sha256()),
            update: found.update.clone(),
        }
    }
}

impl List {
    pub(super) fn run(&self, out: &mut dyn Write) -> Result<u8, Error> {
        let mut code = 0;
        let mut listed: Vec<Listed> = Vec::new();
        let options = Options {
            scan: true,
            compressed: self.unpack,
        };
        for path in &self.paths {
            let new = input::each(path, options, &|all| self.listed(all))?;
            if new.iter().all(|source| source.updates.is_empty()) {
                eprintln!("{}: no microcode found", path.display());
                code = 1;
            }
            if new.iter().any(|source| source.damaged) {
                code = 1;
            }
            listed.extend(new);
        }
        if self.json {
            super::json(out, &Listing { sources: listed })?;
        } else {
            self.print(&listed, out)?;
        }
        Ok(code)
    }

    /// Without the bytes, which would stay in memory.
    fn listed(&self, all: Gathered) -> Listed {
        Listed {
            damaged: all.is_damaged(),
            updates: all.found.iter().map(|found| Row::new(found, self.hash)).collect(),
            source: all.name,
            kind: all.kind,
            equivalence_tables: all.tables,
            damage: all.damage,
        }
    }

    fn print(&self, listed: &[Listed], out: &mut dyn Write) -> io::Result<()> {
        let mut head = vec!["signature", "platform", ">revision", "date", ">size", "state", "source"];
        if self.hash {
            head.insert(6, "sha256");
        }
        let mut table = Table::new(&head);
        for row in listed.iter().flat_map(|source| &source.updates) {
            lines(row, &mut table);
        }
        if !table.is_empty() {
            table.print(0, out)?;
        }
        for source in listed {
            if self.equivalence {
                source
                    .equivalence_tables
                    .iter()
                    .try_for_each(|table| equivalence(table, out))?;
            }
            for row in &source.updates {
                for damage in row.update.damage() {
                    writeln!(out, "damaged: {} {damage}", row.place.source)?;
                }
            }
            for fault in &source.damage {
                writeln!(out, "damaged: {fault}")?;
            }
        }
        Ok(())
    }
}

/// The line of an update, and one for each further CPU that it is for.
fn lines(row: &Row, table: &mut Table) {
    let first = row.targets.first();
    let mut cells = vec![
        first.map_or_else(|| "unknown".to_owned(), |target| target.signature.to_string()),
        platforms(&row.update, first),
        row.update.revision().to_string(),
        row.update.date().to_string(),
        row.size.to_string(),
        state(&row.update),
    ];
    cells.extend(row.sha256.map(|hash| hash.to_string()));
    cells.push(if row.place.offset == 0 {
        row.place.source.clone()
    } else {
        row.place.to_string()
    });
    table.push(cells);
    for target in row.targets.iter().skip(1) {
        table.push(vec![
            target.signature.to_string(),
            platforms(&row.update, Some(target)),
            "also".to_owned(),
        ]);
    }
}

/// AMD knows no platforms.
fn platforms(update: &Update, target: Option<&Target>) -> String {
    match (update, target) {
        (Update::Intel(_), Some(target)) => target.platforms.to_string(),
        _ => "-".to_owned(),
    }
}

/// "ok" where a checksum says so, "no checksum" for the AMD families that have none.
fn state(update: &Update) -> String {
    let whole = match update {
        _ if !update.damage().is_empty() => "damaged",
        Update::Amd(patch) if patch.checksum_ok.is_none() => "no checksum",
        Update::Intel(update) if update.header_version == 2 => "ok, In-Field Scan",
        _ => "ok",
    };
    match update.minimum_revision() {
        Some(minimum) => format!("{whole}, from {minimum}"),
        None => whole.to_owned(),
    }
}

fn equivalence(table: &Equivalences, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "equivalence table of the container in {}:", table.place)?;
    for row in &table.rows {
        writeln!(out, "  {} is {}", row.signature, row.id)?;
    }
    Ok(())
}
