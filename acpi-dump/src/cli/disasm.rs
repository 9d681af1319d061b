//! `delid acpi disasm`: definition blocks as ASL.

use std::io::Write;
use std::path::PathBuf;

use clap::Parser;
use schemars::JsonSchema;
use serde::Serialize;

use super::Error;
use super::extract::{choose, file_name, write_new};
use super::input::Input;
use crate::aml::disassemble::{Context, Externals, Options, disassemble};
use crate::aml::{AmlFault, read_all};
use crate::set::Named;

/// `delid acpi disasm`.
#[derive(Clone, Debug, Parser)]
pub struct Disasm {
    /// Tables: DSDT, SSDT3, SSDT for all of them; all definition blocks when none is named.
    #[arg(value_name = "TABLE")]
    pub tables: Vec<String>,
    /// Where the tables are. Names of other tables are told from all of them.
    #[command(flatten)]
    pub input: Input,
    /// Precede each term with its offset in the table.
    #[arg(long)]
    pub offsets: bool,
    /// Leave buffers as bytes: no resource templates, UUIDs or strings.
    #[arg(long)]
    pub bytes: bool,
    /// Declare only the external names that the table itself declares, the others as comments:
    /// with `iasl -f` the text compiles to the bytes it came from.
    #[arg(long)]
    pub as_coded: bool,
    /// Directory to write a `.dsl` file for each table into.
    #[arg(short = 'd', long, value_name = "DIR")]
    pub directory: Option<PathBuf>,
    /// Replace files that are there.
    #[arg(long)]
    pub force: bool,
    /// Print JSON: name, text and faults of each table.
    #[arg(long)]
    pub json: bool,
}

/// A table as JSON.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "DisasmOutput")]
pub(super) struct Report {
    name: String,
    text: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    faults: Vec<AmlFault>,
}

pub(super) fn run(args: &Disasm, out: &mut dyn Write) -> Result<u8, Error> {
    let loaded = args.input.load(&[])?;
    let blocks: Vec<&Named> = loaded.set.definition_blocks().collect();
    let chosen = choose(&loaded.set, &args.tables)?;
    let bytes: Vec<&[u8]> = blocks.iter().map(|named| named.table.bytes.as_slice()).collect();
    let (trees, names) = read_all(&bytes);
    let context = Context::new(&names, &trees);
    let options = Options {
        offsets: args.offsets,
        externals: if args.as_coded {
            Externals::AsCoded
        } else {
            Externals::Declared
        },
        bytes: args.bytes,
    };
    let mut reports = Vec::new();
    for named in chosen {
        let place = blocks.iter().position(|block| std::ptr::eq(*block, named));
        let Some(tree) = place.and_then(|place| trees.get(place)) else {
            if args.tables.is_empty() {
                continue;
            }
            return Err(Error::NotAml {
                name: named.name.clone(),
            });
        };
        reports.push(Report {
            name: named.name.clone(),
            text: disassemble(tree, &context, &options),
            faults: tree.faults.clone(),
        });
    }
    let damaged = reports.iter().any(|report| !report.faults.is_empty());
    if args.json {
        super::json(out, &reports)?;
    } else {
        write_texts(args, &reports, out)?;
    }
    Ok(u8::from(damaged))
}

fn write_texts(args: &Disasm, reports: &[Report], out: &mut dyn Write) -> Result<(), Error> {
    for report in reports {
        match &args.directory {
            Some(directory) => {
                let path = directory.join(file_name(&report.name)).with_extension("dsl");
                write_new(&path, report.text.as_bytes(), args.force)?;
                writeln!(out, "{:<6}  {}", report.name, path.display())?;
                for fault in &report.faults {
                    writeln!(out, "        {fault}")?;
                }
            }
            // In the text itself the faults stand at their places.
            None => out.write_all(report.text.as_bytes())?,
        }
    }
    Ok(())
}
