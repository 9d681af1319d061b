//! `delid microcode pack` and `extract`: files made of chosen updates.

use std::fs;
use std::io::Write;
use std::path::{Component, Path, PathBuf};

use clap::{Parser, ValueEnum};

use super::Error;
use super::choose::{Choose, passed};
use crate::cpu::Vendor;
use crate::found::Found;
use crate::gather::{Options, Table};
use crate::pack::containers::{self, Containers};
use crate::pack::early::early;
use crate::pack::{Selection, Written, files, guard, select};

/// `delid microcode extract`.
#[derive(Clone, Debug, Parser)]
pub struct Extract {
    #[command(flatten)]
    choose: Choose,
    /// Directory to write to; it is made when it is not there
    #[arg(short, long, value_name = "DIRECTORY", default_value = ".")]
    output: PathBuf,
    /// Write over files that are there
    #[arg(long)]
    overwrite: bool,
}

/// `delid microcode pack`.
#[derive(Clone, Debug, Parser)]
#[command(after_long_help = EXAMPLES)]
pub struct Pack {
    #[command(flatten)]
    choose: Choose,
    /// What to write
    #[arg(long, value_enum)]
    to: Format,
    /// File or, for a firmware directory, directory to write; - is standard output
    #[arg(short, long, value_name = "PATH")]
    output: PathBuf,
    /// Write over a file that is there
    #[arg(long)]
    overwrite: bool,
    /// Time of the members of an archive in seconds since 1970; otherwise that of
    /// SOURCE_DATE_EPOCH, else the day of the newest update
    #[arg(long, value_name = "SECONDS")]
    time: Option<u32>,
    /// Write over a newer revision, too
    #[arg(long)]
    downgrade: bool,
}

const EXAMPLES: &str = "Examples:
  delid microcode pack --to early-cpio -o ucode.img /lib/firmware/intel-ucode /lib/firmware/amd-ucode
  delid microcode pack --to bin -s 0x806e9,0x80 -o ucode.bin microcode.dat
  delid microcode pack --to firmware --this-cpu -o out bios.rom";

/// What can be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Updates one after the other; of AMD, one container per family one after the other
    Bin,
    /// intel-ucode/ff-mm-ss and amd-ucode/microcode_amd*.bin
    Firmware,
    /// Intel's text
    Dat,
    /// An AMD container
    Container,
    /// The early part of an initrd
    EarlyCpio,
}

impl Extract {
    pub(super) fn run(&self, out: &mut dyn Write) -> Result<u8, Error> {
        let (found, _) = self.choose.read()?;
        let filter = self.choose.filter()?;
        let selection = select(&found, &filter, self.choose.keep());
        passed(&selection)?;
        if selection.entries.is_empty() {
            eprintln!("no update fits");
            return Ok(1);
        }
        for file in files::named(&selection) {
            let path = self.output.join(&file.name);
            write(&path, &file.bytes, self.overwrite)?;
            writeln!(out, "{}", path.display())?;
        }
        Ok(0)
    }
}

impl Pack {
    pub(super) fn run(&self, out: &mut dyn Write) -> Result<u8, Error> {
        let (found, tables) = self.choose.read()?;
        let filter = self.choose.filter()?;
        let selection = select(&found, &filter, self.choose.keep());
        passed(&selection)?;
        if selection.entries.is_empty() {
            eprintln!("no update fits; nothing is written");
            return Ok(1);
        }
        let updates: Vec<Found> = selection.updates().into_iter().cloned().collect();
        if self.would_downgrade(&updates)? {
            return Ok(1);
        }
        if self.to == Format::Firmware {
            for file in told(files::firmware(&selection, &tables)) {
                let path = self.output.join(relative(&file.name));
                write(&path, &file.bytes, self.overwrite)?;
                eprintln!("{}: {} bytes", path.display(), file.bytes.len());
            }
            return Ok(0);
        }
        let bytes = self.bytes(&selection, &tables)?;
        if self.output == Path::new("-") {
            out.write_all(&bytes)?;
        } else {
            write(&self.output, &bytes, self.overwrite)?;
            let (path, count) = (self.output.display(), updates.len());
            eprintln!("{path}: {count} updates, {} bytes", bytes.len());
        }
        Ok(0)
    }

    fn bytes(&self, selection: &Selection<'_>, tables: &[Table]) -> Result<Vec<u8>, Error> {
        let containers = || -> Vec<u8> {
            let files = told(containers::amd(selection, tables));
            files.into_iter().flat_map(|file| file.bytes).collect()
        };
        let bytes = match self.to {
            Format::Bin | Format::Firmware => {
                let intel = files::binary(&selection.of(Vendor::Intel));
                [intel, containers()].concat()
            }
            Format::Dat => files::dat(selection).into_bytes(),
            Format::Container => containers(),
            Format::EarlyCpio => {
                let early = early(selection, tables, self.time.or_else(source_date))
                    .map_err(|error| Error::refused("pack", error))?;
                early.faults.iter().for_each(|fault| eprintln!("{fault}"));
                early.bytes
            }
        };
        if bytes.is_empty() {
            let message = "no update fits that can be written so: text is Intel's, containers are AMD's";
            return Err(Error::refused("pack", message));
        }
        Ok(bytes)
    }

    /// Whether something newer would be written over; it is said on standard error.
    fn would_downgrade(&self, updates: &[Found]) -> Result<bool, Error> {
        if self.downgrade || self.output == Path::new("-") || !self.output.exists() {
            return Ok(false);
        }
        let existing = super::input::open(&self.output, Options::default())?;
        let downgrades = guard(&existing.found, updates);
        for downgrade in &downgrades {
            eprintln!(
                "{}: {} for {} would become {} (--downgrade allows it)",
                downgrade.place, downgrade.from, downgrade.whom, downgrade.to
            );
        }
        Ok(!downgrades.is_empty())
    }
}

/// `SOURCE_DATE_EPOCH`, by which builds are made reproducible.
pub(super) fn source_date() -> Option<u32> {
    std::env::var("SOURCE_DATE_EPOCH").ok()?.parse().ok()
}

/// The files, after what a loader will trip over was said on standard error.
fn told(made: Containers) -> Vec<Written> {
    made.faults.iter().for_each(|fault| eprintln!("{fault}"));
    made.files
}

/// A name with `/` as a path below another; nothing that leads out of it is left.
fn relative(name: &str) -> PathBuf {
    Path::new(name)
        .components()
        .filter(|part| matches!(part, Component::Normal(_)))
        .collect()
}

/// Writes a file and the directories above it. The bytes go to a neighbour first, so that no half
/// file takes the place of a whole one.
pub(super) fn write(path: &Path, bytes: &[u8], overwrite: bool) -> Result<(), Error> {
    let failed = |source| Error::Create {
        path: path.display().to_string(),
        source,
    };
    if path.exists() && !overwrite {
        return Err(Error::refused(
            path.display(),
            "is there already (--overwrite writes over it)",
        ));
    }
    if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        fs::create_dir_all(parent).map_err(failed)?;
    }
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let beside = PathBuf::from(name);
    fs::write(&beside, bytes).map_err(failed)?;
    fs::rename(&beside, path).map_err(failed)
}
