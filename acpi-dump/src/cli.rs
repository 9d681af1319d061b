//! `delid acpi`: the tables of a machine, live or captured.
//!
//! `delid acpi list` prints one line for each table: name, who made it, size, whether its checksum
//! is right and, for the tables that describe the machine's shape, what it says. The live tables
//! are readable by root only.

use std::io::{self, Write};
use std::path::PathBuf;

use captures::{DocumentKind, ReadError, Source};
use clap::{Parser, Subcommand};
use serde::Serialize;
use thiserror::Error;

use crate::finding::Finding;
use crate::header::{Checksum, printable};
use crate::table::{Table, TableError, split};
use crate::tables::{dmar::Dmar, ivrs::Ivrs, madt::Madt, mcfg::Mcfg, slit::Slit, srat::Srat};
use crate::text::{self, Fault};
use crate::words;

/// Where Linux shows the tables.
const SYSFS: &str = "/sys/firmware/acpi/tables";

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
    /// List the tables: name, maker, size, checksum, what they say.
    List(List),
}

/// `delid acpi list`.
#[derive(Clone, Debug, Parser)]
pub struct List {
    /// Read a capture instead of this machine: acpidump text, a binary table, a captured root or
    /// an archive of one. May be given several times.
    #[arg(long, value_name = "PATH")]
    pub from: Vec<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Why nothing could be listed.
#[derive(Debug, Error)]
pub enum Error {
    /// A `--from` argument could not be opened.
    #[error(transparent)]
    Open(#[from] captures::source::OpenError),
    /// Tables are there, but only root may read them.
    #[error("ACPI tables: {count} in {SYSFS} are readable by root only; run: sudo delid acpi list")]
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
        Command::List(list) => run_list(&list, out),
    }
}

fn run_list(args: &List, out: &mut dyn Write) -> Result<u8, Error> {
    let source = if args.from.is_empty() {
        Source::live()
    } else {
        Source::open(&args.from)?
    };
    let listing = Listing::gather(&source)?;
    if args.json {
        serde_json::to_writer_pretty(&mut *out, &listing)?;
        writeln!(out)?;
    } else {
        listing.print(out)?;
    }
    Ok(0)
}

/// One table in the list.
#[derive(Debug, Serialize)]
struct Row {
    origin: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<usize>,
    signature: String,
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
    #[serde(skip_serializing_if = "Option::is_none")]
    checksum: Option<Checksum>,
    #[serde(skip_serializing_if = "Option::is_none")]
    says: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<Content>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    findings: Vec<Finding>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// Decoded contents, by table.
#[derive(Debug, Serialize)]
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
    fn new(origin: &str, line: Option<usize>, table: Result<Table, TableError>, bytes: &[u8]) -> Self {
        let table = match table {
            Ok(table) => table,
            Err(error) => return Self::broken(origin, line, bytes, &error),
        };
        let mut findings = table.findings.clone();
        let content = Content::of(&table, &mut findings);
        let header = table.header.as_ref();
        Self {
            origin: origin.to_owned(),
            line,
            signature: table.signature.to_string(),
            oem_id: header.map(|header| header.oem_id_text()),
            oem_table_id: header.map(|header| header.oem_table_id_text()),
            oem_revision: header.map(|header| format!("{:#010x}", header.oem_revision)),
            creator_id: header.map(|header| header.creator_id_text()),
            revision: table.revision(),
            size: table.bytes.len(),
            checksum: Some(table.checksum),
            says: words::says(&table),
            content,
            findings,
            error: None,
        }
    }

    fn broken(origin: &str, line: Option<usize>, bytes: &[u8], error: &TableError) -> Self {
        Self {
            origin: origin.to_owned(),
            line,
            signature: printable(bytes.get(..4).unwrap_or(bytes)),
            oem_id: None,
            oem_table_id: None,
            oem_revision: None,
            creator_id: None,
            revision: None,
            size: bytes.len(),
            checksum: None,
            says: None,
            content: None,
            findings: Vec::new(),
            error: Some(error.to_string()),
        }
    }

    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        let text = |field: &Option<String>| field.clone().unwrap_or_else(|| "-".to_owned());
        let revision = self
            .revision
            .map_or_else(|| "-".to_owned(), |revision| revision.to_string());
        let checksum = self
            .checksum
            .map_or_else(|| "-".to_owned(), |checksum| checksum.to_string());
        let mut line = format!(
            "{:<4}  {:<6}  {:<8}  {revision:>3}  {:>7}  {checksum:<7}  {}",
            self.signature,
            text(&self.oem_id),
            text(&self.oem_table_id),
            self.size,
            self.says.as_deref().unwrap_or_default(),
        );
        line.truncate(line.trim_end().len());
        writeln!(out, "{line}")?;
        if let Some(error) = &self.error {
            writeln!(out, "      {error} ({})", self.origin)?;
        }
        for finding in &self.findings {
            writeln!(out, "      {finding} ({})", self.origin)?;
        }
        Ok(())
    }
}

/// A fault of a text dump, with the dump.
#[derive(Debug, Serialize)]
struct DumpFault {
    origin: String,
    #[serde(flatten)]
    fault: Fault,
}

/// Everything that is printed.
#[derive(Debug, Default, Serialize)]
struct Listing {
    tables: Vec<Row>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    faults: Vec<DumpFault>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unread: Vec<String>,
}

impl Listing {
    fn gather(source: &Source) -> Result<Self, Error> {
        let mut listing = Self::default();
        let denied = listing.sysfs(source);
        for document in source.documents(DocumentKind::Acpidump) {
            listing.text(&document.origin.to_string(), &document.bytes);
        }
        for document in source.documents(DocumentKind::AcpiTable) {
            listing.binary(&document.origin.to_string(), &document.bytes);
        }
        if listing.tables.is_empty() && denied > 0 {
            return Err(Error::Denied { count: denied });
        }
        if listing.tables.is_empty() {
            let labels: Vec<&str> = source.layers.iter().map(|layer| layer.origin.label.as_ref()).collect();
            let place = if source.is_live() {
                SYSFS.to_owned()
            } else {
                labels.join(", ")
            };
            return Err(Error::NoTable { place });
        }
        Ok(listing)
    }

    /// Tables of the file tree; the answer is how many only root may read.
    fn sysfs(&mut self, source: &Source) -> usize {
        let mut denied: usize = 0;
        for directory in [SYSFS.to_owned(), format!("{SYSFS}/dynamic")] {
            for name in source.list(&directory) {
                let path = format!("{directory}/{name}");
                match source.read(&path) {
                    Ok((bytes, origin)) => self.binary(&origin.to_string(), &bytes),
                    // `data` and `dynamic` are directories.
                    Err(ReadError::Absent) => {}
                    Err(error) => {
                        denied = denied.saturating_add(usize::from(error == ReadError::Denied));
                        self.unread.push(format!("{path}: {error}"));
                    }
                }
            }
        }
        denied
    }

    fn text(&mut self, origin: &str, bytes: &[u8]) {
        let dump = text::parse(bytes);
        for table in &dump.tables {
            self.tables
                .push(Row::new(origin, Some(table.line), table.table(), &table.bytes));
        }
        let faults = dump.faults.into_iter().map(|fault| DumpFault {
            origin: origin.to_owned(),
            fault,
        });
        self.faults.extend(faults);
    }

    fn binary(&mut self, origin: &str, bytes: &[u8]) {
        // The sizes of whole tables add up to the place where a broken one begins.
        let mut at: usize = 0;
        for table in split(bytes) {
            let size = table.as_ref().map_or(0, |table| table.bytes.len());
            self.tables
                .push(Row::new(origin, None, table, bytes.get(at..).unwrap_or_default()));
            at = at.saturating_add(size);
        }
    }

    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "table OEM     OEM table rev     size  checksum")?;
        for row in &self.tables {
            row.print(out)?;
        }
        for DumpFault { origin, fault } in &self.faults {
            writeln!(out, "{origin}: {fault}")?;
        }
        for unread in &self.unread {
            writeln!(out, "not read: {unread}")?;
        }
        Ok(())
    }
}
