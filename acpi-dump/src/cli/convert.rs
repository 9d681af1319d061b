//! `delid acpi convert`: acpidump text to binary tables and back.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{Parser, ValueEnum};
use schemars::JsonSchema;
use serde::Serialize;

use super::Error;
use super::extract::{file_name, write_new};
use super::input::Input;
use crate::set::Named;
use crate::text;

/// The two forms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// The text that acpidump prints.
    Text,
    /// The bytes of the tables.
    Binary,
}

/// `delid acpi convert`.
#[derive(Clone, Debug, Parser)]
pub struct Convert {
    /// Files or captures; this machine when there are none.
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Where else the tables are.
    #[command(flatten)]
    pub input: Input,
    /// What to write.
    #[arg(long, value_enum)]
    pub to: Form,
    /// Where to: for text a file; for binary a file (all tables one behind the other, as
    /// acpixtract -m) or a directory (a file for each). Without it text goes to the terminal.
    #[arg(short, long, value_name = "OUT", required_if_eq("to", "binary"))]
    pub output: Option<PathBuf>,
    /// Replace files that are there.
    #[arg(long)]
    pub force: bool,
    /// Print what was converted, and what could not be, as JSON; needs --output.
    #[arg(long, requires = "output")]
    pub json: bool,
}

/// What is printed as JSON.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "ConvertOutput")]
pub(super) struct Report {
    tables: Vec<String>,
    /// What could not be converted as it is.
    messages: Vec<String>,
}

pub(super) fn run(args: &Convert, out: &mut dyn Write) -> Result<u8, Error> {
    let loaded = args.input.load(&args.paths)?;
    let tables = &loaded.set.tables;
    match (args.to, &args.output) {
        (Form::Text, None) => out.write_all(&as_text(tables)?)?,
        (Form::Text, Some(path)) => write_new(path, &as_text(tables)?, args.force)?,
        (Form::Binary, Some(path)) if is_directory(path) => {
            for named in tables {
                write_new(&path.join(file_name(&named.name)), &named.table.bytes, args.force)?;
            }
        }
        (Form::Binary, path) => {
            let parts: Vec<&[u8]> = tables.iter().map(|named| named.table.bytes.as_slice()).collect();
            let bytes = parts.concat();
            match path {
                Some(path) => write_new(path, &bytes, args.force)?,
                None => out.write_all(&bytes)?,
            }
        }
    }
    let mut log = Vec::new();
    for broken in &loaded.set.broken {
        writeln!(
            log,
            "not converted: {:?}, {} bytes: {}",
            broken.signature, broken.size, broken.error
        )?;
    }
    for named in tables.iter().filter(|named| !named.table.missing.is_empty()) {
        writeln!(log, "{}: bytes missing in the source are zero", named.name)?;
    }
    super::print_damage(&mut log, &loaded.set.faults, &loaded.unread)?;
    if args.json {
        let text = String::from_utf8_lossy(&log);
        let report = Report {
            tables: tables.iter().map(|named| named.name.clone()).collect(),
            messages: text.lines().map(str::to_owned).collect(),
        };
        super::json(out, &report)?;
    } else if args.output.is_some() {
        out.write_all(&log)?;
    } else {
        std::io::stderr().write_all(&log)?;
    }
    Ok(u8::from(!log.is_empty()))
}

fn as_text(tables: &[Named]) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    for named in tables {
        let name = if named.name == "RSDP" {
            named.name.clone()
        } else {
            named.table.signature.to_string()
        };
        text::write(&mut bytes, &name, named.address, &named.table.bytes)?;
    }
    Ok(bytes)
}

/// A directory that is there, or a path that ends as one does.
fn is_directory(path: &Path) -> bool {
    let named = path.as_os_str().to_string_lossy().ends_with('/');
    named || fs::metadata(path).is_ok_and(|found| found.is_dir())
}
