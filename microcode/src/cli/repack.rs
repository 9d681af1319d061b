//! `delid microcode repack-initrd`: an initrd with other early microcode, or with none.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

use clap::{ArgGroup, Parser};

use super::{Error, input};
use crate::gather::Options;
use crate::initrd::{Plan, RepackError, Report, plan};
use crate::pack::early::early;
use crate::pack::{Filter, Keep, select};
use crate::uki::{Image, image};

/// Buffer for the copy, in bytes.
const COPY: usize = 1 << 20;

/// `delid microcode repack-initrd`.
#[derive(Clone, Debug, Parser)]
#[command(group = ArgGroup::new("part").required(true))]
pub struct Repack {
    /// The initrd
    #[arg(value_name = "IMAGE")]
    image: PathBuf,
    /// The new initrd; it may not be there yet
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Put these updates in front, the newest for each CPU: files, directories, initrds
    #[arg(long, value_name = "PATH", group = "part")]
    with: Vec<PathBuf>,
    /// Put this uncompressed cpio archive in front as it is
    #[arg(long, value_name = "FILE", group = "part")]
    early: Option<PathBuf>,
    /// Leave the microcode out
    #[arg(long, group = "part")]
    drop: bool,
    /// Print what is done as JSON
    #[arg(long)]
    json: bool,
}

impl Repack {
    pub(super) fn run(&self, out: &mut dyn Write) -> Result<u8, Error> {
        let old = File::open(&self.image).map_err(Error::read(&self.image))?;
        if image(&old).map_err(Error::read(&self.image))? != Image::Other {
            return Err(Error::refused(
                self.image.display(),
                "expected an initrd; the initrd of a unified kernel image is changed by the tool that builds it",
            ));
        }
        let early = self.early_part()?;
        let plan = plan(&old, early.as_deref()).map_err(|error| match error {
            RepackError::Io(source) => Error::read(&self.image)(source),
            RepackError::Damaged(_) | RepackError::NoArchive => Error::refused("repack-initrd", error),
        })?;
        self.write(&plan, &old, early.as_deref())?;
        let report = &plan.report;
        for broken in &report.damage {
            eprintln!("damaged: {}: {broken}", self.image.display());
        }
        if self.json {
            super::json(out, report)?;
        } else {
            self.print(report, out)?;
        }
        Ok(u8::from(!report.damage.is_empty()))
    }

    fn early_part(&self) -> Result<Option<Vec<u8>>, Error> {
        if let Some(path) = &self.early {
            return fs::read(path).map(Some).map_err(Error::read(path));
        }
        if self.with.is_empty() {
            return Ok(None);
        }
        let (mut found, mut tables) = (Vec::new(), Vec::new());
        for path in &self.with {
            let all = input::open(path, Options::default())?;
            for fault in all.faults() {
                eprintln!("damaged: {fault}");
            }
            found.extend(all.found);
            tables.extend(all.tables);
        }
        let selection = select(&found, &Filter::default(), Keep::Newest);
        super::choose::passed(&selection)?;
        if selection.entries.is_empty() {
            return Err(Error::refused(
                "repack-initrd",
                "no whole update is in what --with gives",
            ));
        }
        let early = early(&selection, &tables, super::pack::source_date())
            .map_err(|error| Error::refused("repack-initrd", error))?;
        early.faults.iter().for_each(|fault| eprintln!("{fault}"));
        Ok(Some(early.bytes))
    }

    /// The whole file is written beside its place first.
    fn write(&self, plan: &Plan, old: &File, early: Option<&[u8]>) -> Result<(), Error> {
        let failed = |source: io::Error| Error::Create {
            path: self.output.display().to_string(),
            source,
        };
        if self.output.exists() {
            return Err(Error::refused(self.output.display(), "is there already"));
        }
        let mut name = self.output.as_os_str().to_owned();
        name.push(".new");
        let beside = PathBuf::from(name);
        let mut new = BufWriter::with_capacity(COPY, File::create(&beside).map_err(failed)?);
        plan.write(old, early, &mut new)
            .and_then(|()| new.flush())
            .map_err(failed)?;
        fs::rename(&beside, &self.output).map_err(failed)
    }

    fn print(&self, report: &Report, out: &mut dyn Write) -> io::Result<()> {
        for removed in &report.removed {
            writeln!(
                out,
                "removed  {} of segment {}, {} bytes",
                removed.name, removed.segment, removed.size
            )?;
        }
        if report.added_bytes > 0 {
            writeln!(out, "added    an early part of {} bytes", report.added_bytes)?;
        }
        writeln!(
            out,
            "{}: {} bytes, was {}",
            self.output.display(),
            report.new_length,
            report.old_length
        )
    }
}
