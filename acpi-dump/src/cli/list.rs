//! `delid acpi list`: one line for each table.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Parser;
use schemars::JsonSchema;
use serde::Serialize;

use super::Error;
use super::input::{Input, Loaded};
use crate::aml::{Op, read_all};
use crate::finding::Finding;
use crate::header::Checksum;
use crate::set::{Broken, DumpFault, Named, TableSet};
use crate::table::Table;
use crate::tables::{dmar::Dmar, ivrs::Ivrs, madt::Madt, mcfg::Mcfg, slit::Slit, srat::Srat};
use crate::words;

/// `delid acpi list`.
#[derive(Clone, Debug, Parser)]
pub struct List {
    /// Files or captures; this machine when there are none.
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Where else the tables are.
    #[command(flatten)]
    pub input: Input,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

pub(super) fn run(args: &List, out: &mut dyn Write) -> Result<u8, Error> {
    let listing = Listing::of(args.input.load(&args.paths)?);
    if args.json {
        super::json(out, &listing)?;
    } else {
        listing.print(out)?;
    }
    Ok(u8::from(listing.is_damaged()))
}

/// One table in the list.
#[derive(Debug, Serialize, JsonSchema)]
struct Row {
    name: String,
    signature: String,
    origin: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    also: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    oem_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    oem_table_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    oem_revision: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    creator_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    revision: Option<u8>,
    size: usize,
    checksum: Checksum,
    #[serde(skip_serializing_if = "Option::is_none")]
    says: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<Content>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    findings: Vec<Finding>,
}

/// Decoded contents of the tables that describe the machine's shape.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Content {
    Madt(Madt),
    Srat(Srat),
    Slit(Slit),
    Mcfg(Mcfg),
    Dmar(Dmar),
    Ivrs(Ivrs),
}

impl Content {
    fn of(table: &Table, findings: &mut Vec<Finding>) -> Option<Self> {
        macro_rules! first {
            ($($kind:ident),*) => { $(
                if let Some(decoded) = $kind::decode(table) {
                    findings.extend(decoded.findings);
                    return Some(Self::$kind(decoded.value));
                }
            )* };
        }
        first!(Madt, Srat, Slit, Mcfg, Dmar, Ivrs);
        None
    }
}

impl Row {
    fn of(named: &Named) -> Self {
        let table = &named.table;
        let mut findings = table.findings.clone();
        let content = Content::of(table, &mut findings);
        let header = table.header.as_ref();
        Self {
            name: named.name.clone(),
            signature: table.signature.to_string(),
            origin: named.origin.to_string(),
            also: named.also.iter().map(ToString::to_string).collect(),
            line: named.line,
            oem_id: header.map(|header| header.oem_id_text()),
            oem_table_id: header.map(|header| header.oem_table_id_text()),
            oem_revision: header.map(|header| format!("{:#010x}", header.oem_revision)),
            creator_id: header.map(|header| header.creator_id_text()),
            revision: table.revision(),
            size: table.bytes.len(),
            checksum: table.checksum,
            says: words::says(table),
            content,
            findings,
        }
    }

    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        let text = |field: &Option<String>| field.clone().unwrap_or_else(|| "-".to_owned());
        let revision = self
            .revision
            .map_or_else(|| "-".to_owned(), |revision| revision.to_string());
        let line = format!(
            "{:<6}  {:<6}  {:<8}  {revision:>3}  {:>7}  {:<8}  {}",
            self.name,
            text(&self.oem_id),
            text(&self.oem_table_id),
            self.size,
            self.checksum,
            self.says.as_deref().unwrap_or_default(),
        );
        writeln!(out, "{}", line.trim_end())?;
        for finding in &self.findings {
            writeln!(out, "        {finding} ({})", self.origin)?;
        }
        Ok(())
    }
}

/// What the definition blocks declare, by the name of the table.
fn code(set: &TableSet) -> Vec<(String, String)> {
    let blocks: Vec<&Named> = set.definition_blocks().collect();
    let bytes: Vec<&[u8]> = blocks.iter().map(|named| named.table.bytes.as_slice()).collect();
    let (trees, _) = read_all(&bytes);
    let says = trees.iter().map(|tree| {
        let number = |op: Op| tree.nodes.iter().filter(|node| node.op == op).count();
        let mut parts = Vec::new();
        for (op, noun) in [
            (Op::Device, "device"),
            (Op::Processor, "processor"),
            (Op::Method, "method"),
            (Op::Name, "name"),
        ] {
            if number(op) > 0 {
                parts.push(words::count(number(op), noun));
            }
        }
        if !tree.faults.is_empty() {
            parts.push(format!("{} in the code", words::count(tree.faults.len(), "fault")));
        }
        parts.join(", ")
    });
    let names = blocks.iter().map(|named| named.name.clone());
    names.zip(says).collect()
}

/// Everything that is printed.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "ListOutput")]
pub(super) struct Listing {
    tables: Vec<Row>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    broken: Vec<Broken>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    data: Vec<Data>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    faults: Vec<DumpFault>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unread: Vec<String>,
}

/// Data beside the tables.
#[derive(Debug, Serialize, JsonSchema)]
struct Data {
    path: String,
    size: usize,
}

impl Listing {
    fn of(loaded: Loaded) -> Self {
        let data = loaded.data.into_iter();
        let mut tables: Vec<Row> = loaded.set.tables.iter().map(Row::of).collect();
        for (name, says) in code(&loaded.set) {
            if let Some(row) = tables.iter_mut().find(|row| row.name == name) {
                row.says = Some(says);
            }
        }
        Self {
            tables,
            broken: loaded.set.broken,
            data: data
                .map(|(path, bytes)| Data {
                    path,
                    size: bytes.len(),
                })
                .collect(),
            faults: loaded.set.faults,
            unread: loaded.unread,
        }
    }

    fn is_damaged(&self) -> bool {
        let tables = self.tables.iter().any(|row| !row.findings.is_empty());
        tables || !self.broken.is_empty() || !self.faults.is_empty()
    }

    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "table   OEM     OEM table rev     size  checksum")?;
        for row in &self.tables {
            row.print(out)?;
        }
        for Broken {
            origin,
            signature,
            size,
            error,
            ..
        } in &self.broken
        {
            writeln!(out, "{signature:?}, {size} bytes, is no table: {error} ({origin})")?;
        }
        for Data { path, size } in &self.data {
            writeln!(out, "data    {size} bytes in {path}")?;
        }
        super::print_damage(out, &self.faults, &self.unread)
    }
}
