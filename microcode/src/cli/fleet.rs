//! `delid microcode fleet`: what hosts run, beside the newest update known for each.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Parser;

use super::{Error, cpu, input};
use crate::cpu::Cpu;
use crate::fleet::{Host, Newest, State, Updates, compare};
use crate::found::Found;
use crate::known;

/// `delid microcode fleet`.
#[derive(Clone, Debug, Parser)]
#[command(after_long_help = EXAMPLES)]
pub struct Fleet {
    /// Captures, /proc/cpuinfo texts, CPUID dumps, kernel logs; directories with one in each file
    #[arg(required = true, value_name = "CAPTURE")]
    captures: Vec<PathBuf>,
    /// Newest updates, beside those of the built-in table: files, directories, initrds
    #[arg(long, value_name = "PATH")]
    newest: Vec<PathBuf>,
    /// Leave the built-in table out
    #[arg(long, requires = "newest")]
    no_table: bool,
    /// Print CSV (RFC 4180)
    #[arg(long, conflicts_with = "json")]
    csv: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "Examples:
  delid microcode fleet hosts/*.tar.zst
  delid microcode fleet --newest /lib/firmware/intel-ucode --csv cpuinfo/

Exit status: 0 all run the newest known; 1 a host is outdated, unknown or could not be read.";

impl Fleet {
    pub(super) fn run(&self, out: &mut dyn Write) -> Result<u8, Error> {
        let mut hosts = Vec::new();
        let mut unread = false;
        for path in &self.captures {
            let single = !path.is_dir() || looks_like_root(path);
            let files = if single {
                vec![path.clone()]
            } else {
                input::below(path)?
            };
            for file in files {
                match host(&file) {
                    Ok(host) => hosts.push(host),
                    Err(error) => {
                        eprintln!("{error}");
                        unread = true;
                    }
                }
            }
        }
        let given = input::updates(&self.newest)?;
        let updates = Updates::new(&given);
        let newest = |cpu: &Cpu| {
            let mut all = updates.for_cpu(cpu);
            if !self.no_table {
                all.extend(of_table(cpu));
            }
            all
        };
        let fleet = compare(&hosts, &newest);
        if self.json {
            super::json(out, &fleet)?;
        } else if self.csv {
            fleet.write_csv(out)?;
        } else {
            write!(out, "{fleet}")?;
            if !self.no_table {
                writeln!(out, "The built-in table of the newest updates is of {}.", known::AS_OF)?;
            }
        }
        let fine = fleet
            .rows
            .iter()
            .all(|row| matches!(row.state, State::Current | State::Newer | State::Virtual));
        Ok(u8::from(unread || !fine))
    }
}

/// A captured root, and no directory of captures.
fn looks_like_root(path: &Path) -> bool {
    ["proc", "sys"].iter().any(|folder| path.join(folder).is_dir())
}

fn host(path: &Path) -> Result<Host, Error> {
    let name = path.file_name().map_or_else(
        || path.display().to_string(),
        |name| name.to_string_lossy().into_owned(),
    );
    let (cpus, own) = cpu::host(path)?;
    if cpus.is_empty() {
        return Err(Error::refused(path.display(), "tells of no x86 CPU"));
    }
    Ok(Host { name, cpus, own })
}

fn of_table(cpu: &Cpu) -> Vec<Newest> {
    let rows = cpu
        .signature
        .map(|signature| known::newest(cpu.vendor, signature, cpu.platform));
    let newest = |row: known::Known| Newest {
        revision: row.revision,
        platforms: (cpu.vendor == crate::Vendor::Intel).then_some(row.platforms),
        date: Some(row.date),
        sha256: row.sha256.first().copied(),
        source: format!("built-in table ({})", row.source),
    };
    rows.unwrap_or_default().into_iter().map(newest).collect()
}

/// Updates in the initrd of a captured root, when it was captured.
pub(super) fn own_initrd(source: &captures::Source, name: &str) -> Vec<Found> {
    let release = source.text("/proc/sys/kernel/osrelease").unwrap_or_default();
    for path in cpu::initrd_names(release.trim()) {
        if let Ok((bytes, _)) = source.read(&path) {
            return crate::gather::gather(&format!("{name}: {path}"), bytes, crate::gather::Options::default()).found;
        }
    }
    Vec::new()
}
