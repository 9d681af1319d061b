//! `delid acpi extract`: tables as files, named as acpixtract and `acpidump -b` name them, and the data
//! that the system shows beside them: error record, event log, boot logo.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Parser;
use schemars::JsonSchema;
use serde::Serialize;

use super::Error;
use super::input::Input;
use crate::set::{DumpFault, Named, TableSet};

/// `delid acpi extract`.
#[derive(Clone, Debug, Parser)]
pub struct Extract {
    /// Tables to write (DSDT, SSDT3, or SSDT for all of them); all when none is named.
    #[arg(value_name = "TABLE")]
    pub tables: Vec<String>,
    /// Where the tables are.
    #[command(flatten)]
    pub input: Input,
    /// Directory for the files; made when it is not there.
    #[arg(short = 'd', long, value_name = "DIR", default_value = ".")]
    pub directory: PathBuf,
    /// Replace files that are there.
    #[arg(long)]
    pub force: bool,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// A file that was written.
#[derive(Debug, Serialize, JsonSchema)]
struct Written {
    table: String,
    file: PathBuf,
    size: usize,
    /// Bytes of it that the source does not give; zero in the file.
    #[serde(skip_serializing_if = "is_zero")]
    missing: usize,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde calls it by reference
fn is_zero(number: &usize) -> bool {
    *number == 0
}

/// What is printed.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "ExtractOutput")]
pub(super) struct Report {
    files: Vec<Written>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    faults: Vec<DumpFault>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unread: Vec<String>,
}

pub(super) fn run(args: &Extract, out: &mut dyn Write) -> Result<u8, Error> {
    let loaded = args.input.load(&[])?;
    let chosen = choose(&loaded.set, &args.tables)?;
    let mut files = Vec::new();
    for named in chosen {
        let path = args.directory.join(file_name(&named.name));
        write_new(&path, &named.table.bytes, args.force)?;
        files.push(Written {
            table: named.name.clone(),
            file: path,
            size: named.table.bytes.len(),
            missing: named.table.missing.iter().map(ExactSizeIterator::len).sum(),
        });
    }
    for (path, bytes) in &loaded.data {
        let (table, name) = data_name(path);
        if args.tables.is_empty() || args.tables.iter().any(|wanted| wanted.eq_ignore_ascii_case(&table)) {
            let file = args.directory.join(name);
            write_new(&file, bytes, args.force)?;
            files.push(Written {
                table,
                file,
                size: bytes.len(),
                missing: 0,
            });
        }
    }
    let report = Report {
        files,
        faults: loaded.set.faults,
        unread: loaded.unread,
    };
    if args.json {
        super::json(out, &report)?;
    } else {
        for file in &report.files {
            write!(out, "{:<6}  {:>7}  {}", file.table, file.size, file.file.display())?;
            match file.missing {
                0 => writeln!(out)?,
                missing => writeln!(out, "  ({missing} bytes missing in the source are zero)")?,
            }
        }
        super::print_damage(out, &report.faults, &report.unread)?;
    }
    let damaged = !report.faults.is_empty() || report.files.iter().any(|file| file.missing > 0);
    Ok(u8::from(damaged))
}

/// The table that points to the data at a path, and a name for the file: `BERT`, `bert.data`; the
/// image of the BGRT is a bitmap.
fn data_name(path: &str) -> (String, String) {
    let base = path.rsplit('/').next().unwrap_or_default();
    if base == "image" {
        return ("BGRT".to_owned(), "bgrt.bmp".to_owned());
    }
    let name = file_name(base);
    (base.to_owned(), name.replace(".dat", ".data"))
}

/// The tables that the names ask for, each once, in the order of the set.
pub(super) fn choose<'a>(set: &'a TableSet, names: &[String]) -> Result<Vec<&'a Named>, Error> {
    for name in names {
        if set.get(name).is_none() {
            let known: Vec<&str> = set.tables.iter().map(|named| named.name.as_str()).collect();
            return Err(Error::Unknown {
                name: name.clone(),
                known: known.join(" "),
            });
        }
    }
    let wanted = |named: &Named| {
        let asked = |name: &String| {
            let all = named.table.signature.to_string().eq_ignore_ascii_case(name);
            all || set.get(name).is_some_and(|found| std::ptr::eq(found, named))
        };
        names.is_empty() || names.iter().any(asked)
    };
    Ok(set.tables.iter().filter(|named| wanted(named)).collect())
}

/// `ssdt3.dat`; characters that a file name should not hold become `_`.
pub(super) fn file_name(name: &str) -> String {
    let plain = |character: char| {
        if character.is_ascii_alphanumeric() || matches!(character, '_' | '!' | '$' | '-') {
            character.to_ascii_lowercase()
        } else {
            '_'
        }
    };
    name.chars().map(plain).collect::<String>() + ".dat"
}

/// Write a file, making its directory; an existing one is replaced only when told.
pub(super) fn write_new(path: &Path, bytes: &[u8], force: bool) -> Result<(), Error> {
    let fault = |source| Error::WriteFile {
        path: path.display().to_string(),
        source,
    };
    let mut options = OpenOptions::new();
    if force {
        options.create(true).truncate(true);
    } else {
        options.create_new(true);
    }
    options.write(true);
    let mut file = match (options.open(path), path.parent()) {
        (Err(error), Some(directory)) if error.kind() == io::ErrorKind::NotFound => {
            fs::create_dir_all(directory).map_err(fault)?;
            options.open(path)
        }
        (file, _) => file,
    }
    .map_err(fault)?;
    file.write_all(bytes).map_err(fault)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_beside_the_tables_does_not_take_the_name_of_a_table() {
        let names = data_name("/sys/firmware/acpi/tables/data/BERT");
        assert_eq!(names, ("BERT".into(), "bert.data".into()));
        assert_eq!(data_name("/sys/firmware/acpi/bgrt/image").1, "bgrt.bmp");
    }

    #[test]
    fn no_signature_leaves_the_directory() {
        assert_eq!(file_name("../A"), "___a.dat");
        assert_eq!(
            (file_name("SSDT3"), file_name("ASF!")),
            ("ssdt3.dat".into(), "asf!.dat".into())
        );
    }
}
