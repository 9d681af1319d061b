//! Which updates `pack` and `extract` take.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::cpu::CpuInput;
use super::{Error, input};
use crate::cpu::Vendor;
use crate::found::Found;
use crate::gather::{Options, Table};
use crate::ids::{Date, Revision};
use crate::pack::filter::{Rule, date, number};
use crate::pack::{Filter, Keep, Selection, Why};

/// Inputs and conditions.
#[derive(Clone, Debug, Default, Args)]
pub struct Choose {
    /// Files of updates, AMD containers or patches, microcode as text, initrds, firmware images,
    /// directories of them; - is standard input
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Look into the compressed parts of initrds too
    #[arg(long)]
    pub unpack: bool,
    /// Take only these: SIGNATURE[,PLATFORMS[,[lt:|eq:|gt:]REVISION]]; !… leaves out, ! alone begins
    /// with nothing. May be given several times, the last that fits decides
    #[arg(short = 's', long = "select", value_name = "RULE", allow_hyphen_values = true)]
    pub rules: Vec<Rule>,
    /// Take only those for the CPUs of this machine
    #[arg(long)]
    pub this_cpu: bool,
    /// Take only those for the CPUs of a capture, a CPUID dump or a /proc/cpuinfo
    #[arg(long, value_name = "PATH")]
    pub for_cpu: Vec<PathBuf>,
    /// With --this-cpu or --for-cpu: all steppings of these CPUs
    #[arg(long)]
    pub any_stepping: bool,
    /// One vendor only
    #[arg(long, value_enum)]
    pub vendor: Option<VendorName>,
    /// Lowest revision
    #[arg(long, value_name = "REVISION", value_parser = revision)]
    pub min_revision: Option<Revision>,
    /// Highest revision
    #[arg(long, value_name = "REVISION", value_parser = revision)]
    pub max_revision: Option<Revision>,
    /// Dated after this day (YYYY-MM-DD)
    #[arg(long, value_name = "DAY", value_parser = date)]
    pub date_after: Option<Date>,
    /// Dated before this day
    #[arg(long, value_name = "DAY", value_parser = date)]
    pub date_before: Option<Date>,
    /// Which of several updates for one CPU to keep
    #[arg(long, value_enum, default_value_t)]
    pub keep: KeepName,
    /// Take damaged updates too
    #[arg(long)]
    pub damaged: bool,
}

/// Vendors of updates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum VendorName {
    /// Intel
    Intel,
    /// AMD
    Amd,
}

/// What to keep.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum KeepName {
    /// The highest revision
    #[default]
    Newest,
    /// That of the file given last, whatever its revision
    Last,
    /// All that are not the same byte for byte
    All,
}

fn revision(text: &str) -> Result<Revision, crate::pack::filter::Error> {
    number(text).map(Revision)
}

impl Choose {
    /// Everything in the inputs, and the equivalence tables that stand there.
    pub(super) fn read(&self) -> Result<(Vec<Found>, Vec<Table>), Error> {
        let options = Options {
            scan: true,
            compressed: self.unpack,
        };
        let (mut found, mut tables) = (Vec::new(), Vec::new());
        for path in &self.paths {
            let all = input::open(path, options)?;
            for fault in all.faults() {
                eprintln!("damaged: {fault}");
            }
            if all.found.is_empty() {
                eprintln!("{}: no microcode found", all.name);
            }
            found.extend(all.found);
            tables.extend(all.tables);
        }
        Ok((found, tables))
    }

    pub(super) fn filter(&self) -> Result<Filter, Error> {
        let mut cpus = Vec::new();
        if self.this_cpu {
            cpus.extend(CpuInput::default().load()?.0);
        }
        if !self.for_cpu.is_empty() {
            cpus.extend(CpuInput::of(&self.for_cpu).load()?.0);
        }
        Ok(Filter {
            rules: self.rules.clone(),
            cpus,
            any_stepping: self.any_stepping,
            vendor: self.vendor.map(|vendor| match vendor {
                VendorName::Intel => Vendor::Intel,
                VendorName::Amd => Vendor::Amd,
            }),
            from: self.min_revision,
            to: self.max_revision,
            after: self.date_after,
            before: self.date_before,
            loose_dates: false,
            damaged: self.damaged,
        })
    }

    pub(super) fn keep(&self) -> Keep {
        match self.keep {
            KeepName::Newest => Keep::Newest,
            KeepName::Last => Keep::LastFile,
            KeepName::All => Keep::All,
        }
    }
}

/// What was wanted and not taken, on standard error: those an expert would miss, not the duplicates.
pub(super) fn passed(selection: &Selection<'_>) -> io::Result<()> {
    let mut err = io::stderr().lock();
    for passed in &selection.passed {
        let why = match passed.why {
            Why::Damaged => "is damaged and left out (--damaged takes it)",
            Why::NotMicrocode => "is an In-Field Scan image and left out",
            Why::SameRevision => "has the revision of another one and other bytes; the other one is taken",
            Why::Duplicate | Why::Replaced => continue,
        };
        writeln!(err, "{} for {}: {} {why}", passed.place, passed.whom, passed.revision)?;
    }
    Ok(())
}
