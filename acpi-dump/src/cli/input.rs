//! Where the tables of a command come from: this machine, a capture, or files.

use std::fs;
use std::path::{Path, PathBuf};

use captures::{DocumentKind, ReadError, Source};
use clap::Args;

use super::Error;
use crate::set::TableSet;

/// Where Linux shows the tables.
pub(super) const SYSFS: &str = "/sys/firmware/acpi/tables";

/// Sources, as every command takes them.
#[derive(Clone, Debug, Default, Args)]
pub struct Input {
    /// Read a capture or files instead of this machine: acpidump text, binary tables alone or one
    /// behind the other, a directory of them, a captured root or an archive of one. May be given
    /// several times: all are tables of one machine.
    #[arg(long, value_name = "PATH")]
    pub from: Vec<PathBuf>,
}

/// What a command works on.
pub(super) struct Loaded {
    /// The tables.
    pub set: TableSet,
    /// What is there but could not be read.
    pub unread: Vec<String>,
    /// Data that tables point to (boot error record, event log), by path.
    pub data: Vec<(String, Vec<u8>)>,
}

impl Input {
    /// Read all sources; `more` are files given as plain arguments.
    pub(super) fn load(&self, more: &[PathBuf]) -> Result<Loaded, Error> {
        let paths: Vec<&Path> = self.from.iter().chain(more).map(PathBuf::as_path).collect();
        let mut loaded = Loaded {
            set: TableSet::default(),
            unread: Vec::new(),
            data: Vec::new(),
        };
        let mut denied: usize = 0;
        if paths.is_empty() {
            denied = loaded.source(&Source::live());
        }
        for path in &paths {
            denied = denied.saturating_add(loaded.path(path)?);
        }
        if !loaded.set.tables.is_empty() || !loaded.set.broken.is_empty() {
            return Ok(loaded);
        }
        if denied > 0 {
            return Err(Error::Denied { count: denied });
        }
        let labels: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
        let place = if labels.is_empty() {
            SYSFS.to_owned()
        } else {
            labels.join(", ")
        };
        Err(Error::NoTable { place })
    }
}

impl Loaded {
    /// One argument. A plain file that begins as tables do needs no capture around it; anything else
    /// is a capture. What nothing recognises is read as tables because the user says they are.
    fn path(&mut self, path: &Path) -> Result<usize, Error> {
        let label = path.display().to_string();
        let bytes = if path.is_file() {
            fs::read(path).map_err(|source| Error::Read {
                path: label.clone(),
                source,
            })?
        } else {
            Vec::new()
        };
        if begins_as_text(&bytes) {
            self.set.add_text(&label, &bytes);
            return Ok(0);
        }
        match Source::open(&[path]) {
            Ok(source) => Ok(self.source(&source)),
            Err(_) if bytes.len() >= 8 && bytes.iter().take(4).all(u8::is_ascii_graphic) => {
                self.set.begin_group();
                self.set.add_binary(&label, &bytes);
                Ok(0)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Everything of a capture; the answer is how many tables only root may read.
    fn source(&mut self, source: &Source) -> usize {
        let denied = self.sysfs(source);
        for document in source.documents(DocumentKind::Acpidump) {
            self.set.add_text(&document.origin.to_string(), &document.bytes);
        }
        let mut tables: Vec<_> = source
            .documents(DocumentKind::AcpiTable)
            .map(|document| (document.origin.to_string(), &document.bytes))
            .collect();
        tables.sort_by_key(|(origin, _)| natural(origin));
        self.set.begin_group();
        for (origin, bytes) in tables {
            self.set.add_binary(&origin, bytes);
        }
        // Damage of an archive, files passed over: whatever may have held a table.
        let notes = source.layers.iter().flat_map(|layer| &layer.notes);
        self.unread
            .extend(notes.map(|note| format!("{}: {}", note.what, note.why)));
        denied
    }

    fn sysfs(&mut self, source: &Source) -> usize {
        let mut denied: usize = 0;
        self.set.begin_group();
        for directory in [SYSFS.to_owned(), format!("{SYSFS}/dynamic"), format!("{SYSFS}/data")] {
            let mut names = source.list(&directory);
            names.sort_by_key(|name| natural(name));
            for name in names {
                let path = format!("{directory}/{name}");
                match source.read(&path) {
                    Ok((bytes, _)) if directory.ends_with("/data") => self.data.push((path, bytes)),
                    Ok((bytes, origin)) => self.set.add_binary(&origin.to_string(), &bytes),
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
}

/// Whether the first line opens a table of acpidump text: `SIGN @ 0x...`.
fn begins_as_text(bytes: &[u8]) -> bool {
    let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let at = line.iter().take(9).position(|byte| *byte == b'@');
    at.is_some_and(|at| line.get(at..).is_some_and(|rest| rest.starts_with(b"@ 0x")))
}

/// Order in which `SSDT2` stands before `SSDT10`: text, then the number at its end, extension apart.
fn natural(name: &str) -> (String, u64, String) {
    let (stem, extension) = match name.rsplit_once('.') {
        Some((stem, extension)) if !extension.contains('/') => (stem, extension),
        _ => (name, ""),
    };
    let text = stem.trim_end_matches(|character: char| character.is_ascii_digit());
    let number = stem.strip_prefix(text).unwrap_or_default();
    (text.to_owned(), number.parse().unwrap_or(0), extension.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_at_the_end_of_names_count_as_numbers() {
        let mut names = ["SSDT10", "SSDT2", "DSDT", "SSDT1.dat"];
        names.sort_by_key(|name| natural(name));
        assert_eq!(names, ["DSDT", "SSDT1.dat", "SSDT2", "SSDT10"]);
    }
}
