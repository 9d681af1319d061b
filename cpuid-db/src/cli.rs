//! `delid cpuid`: what the processors of a machine say of themselves, live or from a dump.
//!
//! `delid cpuid show` prints who the processor is, its packages, cores and kinds of core, and its
//! caches with the CPUs that share them:
//!
//! ```text
//! dump.txt (hwloc-gather-cpuid, 96 CPUs)
//!   AuthenticAMD, AMD EPYC 7451 24-Core Processor
//!   family 0x17 model 0x01 stepping 2 (signature 0x00800f12), leaves to 0x0000000d and 0x8000001f
//!   2 packages, 48 cores, 96 CPUs (leaf 0x80000008)
//!   8 nodes of 12 CPUs
//!   48 x L1d   32 KiB, 8-way, 64-byte lines, shared by 2 CPUs
//! ```

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::PathBuf;

use captures::{DocumentKind, Source};
use clap::{Parser, Subcommand};
use serde::Serialize;
use thiserror::Error;

use crate::cache::{CacheDescription, CacheKind, Ways, describe};
use crate::damage::Damage;
use crate::formats::{Format, detect_and_parse};
use crate::identity::Identity;
use crate::leafset::LeafSet;
use crate::placement::CoreType;
use crate::topology::{Group, Topology, decode};

/// CPUID of this machine or of a dump.
#[derive(Clone, Debug, Parser)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What `delid cpuid` can do.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Show who the processor is, its packages, cores and caches.
    Show(Show),
}

/// `delid cpuid show`.
#[derive(Clone, Debug, Parser)]
pub struct Show {
    /// Read a dump instead of this machine: text of cpuid -r, AIDA64 or InstLatx64, or a directory
    /// or archive of hwloc-gather-cpuid. May be given several times.
    #[arg(long, value_name = "PATH")]
    pub from: Vec<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Why nothing could be shown.
#[derive(Debug, Error)]
pub enum Error {
    /// A `--from` argument could not be opened.
    #[error(transparent)]
    Open(#[from] captures::source::OpenError),
    /// No CPUID dump was found.
    #[error("CPUID: no dump in {place}")]
    NoDump {
        /// Where it was sought.
        place: String,
    },
    /// A dump has no row that can be read.
    #[error("{origin}: no CPUID row that can be read")]
    NoRow {
        /// Where the dump is from.
        origin: String,
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
/// When no dump could be read or the output could not be written.
pub fn run(args: Args, out: &mut dyn Write) -> Result<u8, Error> {
    match args.command {
        Command::Show(show) => run_show(&show, out),
    }
}

fn run_show(args: &Show, out: &mut dyn Write) -> Result<u8, Error> {
    let source = if args.from.is_empty() {
        Source::live()
    } else {
        Source::open(&args.from)?
    };
    let shown = gather(&source)?;
    if args.json {
        serde_json::to_writer_pretty(&mut *out, &shown)?;
        writeln!(out)?;
        return Ok(0);
    }
    for dump in &shown {
        dump.print(out)?;
    }
    Ok(0)
}

/// One dump, decoded.
#[derive(Serialize)]
struct Shown {
    origin: String,
    format: Format,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    damage: Vec<Damage>,
    identity: Identity,
    hybrid: bool,
    topology: Topology,
    /// Caches of the first CPU, when sharing cannot be told.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    first_cpu_caches: Vec<CacheDescription>,
}

fn gather(source: &Source) -> Result<Vec<Shown>, Error> {
    let mut shown = Vec::new();
    for document in DocumentKind::CPUID.into_iter().flat_map(|kind| source.documents(kind)) {
        let text = String::from_utf8_lossy(&document.bytes);
        let no_row = || Error::NoRow {
            origin: document.origin.to_string(),
        };
        let (format, decoded) = detect_and_parse(&text).ok_or_else(no_row)?;
        let dump = Shown::of(document.origin.to_string(), format, &decoded.value, decoded.damage);
        shown.push(dump.ok_or_else(no_row)?);
    }
    if shown.is_empty() {
        let labels: Vec<String> = source
            .layers
            .iter()
            .map(|layer| layer.origin.label.to_string())
            .collect();
        return Err(Error::NoDump {
            place: labels.join(", "),
        });
    }
    Ok(shown)
}

impl Shown {
    fn of(origin: String, format: Format, set: &LeafSet, damage: Vec<Damage>) -> Option<Self> {
        let first = set.first()?;
        let identity = Identity::of(first);
        let topology = decode(set);
        let first_cpu_caches = if topology.caches.is_empty() {
            describe(first, &identity)
        } else {
            Vec::new()
        };
        Some(Self {
            origin,
            format,
            damage,
            identity,
            hybrid: set.is_hybrid(),
            topology,
            first_cpu_caches,
        })
    }

    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        let cpus = count(self.topology.cpus.len(), "CPU");
        writeln!(out, "{} ({}, {cpus})", self.origin, self.format)?;
        self.print_identity(out)?;
        self.print_topology(out)?;
        self.print_caches(out)?;
        for note in &self.topology.notes {
            writeln!(out, "  note: {note}")?;
        }
        if let Some(first) = self.damage.first() {
            let lines = count(self.damage.len(), "line");
            writeln!(
                out,
                "  note: {lines} not read; line {}: expected {}, seen {}",
                first.line,
                first.expected,
                printable(&first.seen)
            )?;
        }
        Ok(())
    }

    fn print_identity(&self, out: &mut dyn Write) -> io::Result<()> {
        let identity = &self.identity;
        let name = identity.vendor_name.as_deref().unwrap_or("vendor not told");
        let brand = identity.brand.as_deref().unwrap_or("no brand string");
        writeln!(out, "  {name}, {brand}")?;
        if let Some(signature) = identity.signature {
            write!(
                out,
                "  family 0x{:02x} model 0x{:02x} stepping {} (signature 0x{:08x})",
                signature.family(),
                signature.model(),
                signature.stepping(),
                signature.0
            )?;
            if let Some(basic) = identity.max_basic {
                write!(out, ", leaves to {basic}")?;
            }
            if let Some(extended) = identity.max_extended {
                write!(out, " and {extended}")?;
            }
            writeln!(out)?;
        }
        if identity.under_hypervisor {
            let name = identity.hypervisor.as_deref().unwrap_or("name not told");
            writeln!(out, "  under a hypervisor: {name}")?;
        }
        Ok(())
    }

    fn print_topology(&self, out: &mut dyn Write) -> io::Result<()> {
        let topology = &self.topology;
        if topology.packages.is_empty() {
            return Ok(());
        }
        let method = topology.method.map_or("", |method| method.leaf());
        writeln!(
            out,
            "  {}, {}, {} (leaf {method})",
            count(topology.packages.len(), "package"),
            match topology.cores.len() {
                0 => "cores not told".to_owned(),
                cores => count(cores, "core"),
            },
            count(topology.cpus.len(), "CPU")
        )?;
        for (name, groups) in [
            ("group of dies", &topology.die_groups),
            ("die", &topology.dies),
            ("tile", &topology.tiles),
            ("module", &topology.modules),
            ("core complex", &topology.complexes),
            ("compute unit", &topology.compute_units),
            ("node", &topology.nodes),
        ] {
            if !groups.is_empty() {
                writeln!(out, "  {} of {}", count(groups.len(), name), sizes(groups))?;
            }
        }
        for kind in &topology.kinds {
            writeln!(
                out,
                "  {} (native model 0x{:x}): CPUs {}",
                core_type(kind.kind.core_type),
                kind.kind.native_model,
                ranges(&kind.cpus)
            )?;
        }
        Ok(())
    }

    /// Caches alike in everything and shared by as many CPUs are one line.
    fn print_caches(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut lines: BTreeMap<(CacheDescription, usize), usize> = BTreeMap::new();
        for cache in &self.topology.caches {
            let number = lines.entry((cache.description, cache.cpus.len())).or_default();
            *number = number.saturating_add(1);
        }
        for ((cache, sharers), number) in lines {
            let shared = match sharers {
                1 => "of one CPU".to_owned(),
                _ => format!("shared by {sharers} CPUs"),
            };
            writeln!(out, "  {number} x {}, {shared}", cache_text(&cache))?;
        }
        for cache in &self.first_cpu_caches {
            writeln!(out, "  {}, as its first CPU describes it", cache_text(cache))?;
        }
        Ok(())
    }
}

/// `L3 28160 KiB, 11-way, 64-byte lines`.
fn cache_text(cache: &CacheDescription) -> String {
    let kind = match cache.kind {
        CacheKind::Data => "d",
        CacheKind::Instruction => "i",
        CacheKind::Unified => "",
    };
    let mut text = format!("L{}{kind} {} KiB", cache.level, cache.size >> 10);
    match cache.ways {
        Ways::Number(1) => text.push_str(", direct mapped"),
        Ways::Number(ways) => text.push_str(&format!(", {ways}-way")),
        Ways::Full => text.push_str(", fully associative"),
        Ways::Unknown => {}
    }
    if let Some(line) = cache.line {
        text.push_str(&format!(", {line}-byte lines"));
    }
    text
}

fn core_type(core_type: CoreType) -> String {
    match core_type {
        CoreType::Atom => "Intel Atom (efficient) cores".to_owned(),
        CoreType::Core => "Intel Core (performance) cores".to_owned(),
        CoreType::Performance => "performance cores".to_owned(),
        CoreType::Efficiency => "efficiency cores".to_owned(),
        CoreType::Unknown(number) => format!("cores of type 0x{number:02x}"),
    }
}

/// `1 package`, `2 packages`.
fn count(number: usize, noun: &str) -> String {
    match (number, noun.split_once(' ')) {
        (1, _) => format!("1 {noun}"),
        (_, Some(("group", rest))) => format!("{number} groups {rest}"),
        _ if noun.ends_with('x') => format!("{number} {noun}es"),
        _ => format!("{number} {noun}s"),
    }
}

/// `16 CPUs`, or `4 to 16 CPUs` when they differ.
fn sizes(groups: &[Group]) -> String {
    let lengths = groups.iter().map(|group| group.cpus.len());
    match (lengths.clone().min(), lengths.max()) {
        (Some(low), Some(high)) if low != high => format!("{low} to {high} CPUs"),
        (_, high) => count(high.unwrap_or(0), "CPU"),
    }
}

/// `0-3,8`.
fn ranges(cpus: &[u32]) -> String {
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    for &cpu in cpus {
        match ranges.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(cpu) => *last = cpu,
            _ => ranges.push((cpu, cpu)),
        }
    }
    let texts: Vec<String> = ranges
        .into_iter()
        .map(|(first, last)| match first == last {
            true => first.to_string(),
            false => format!("{first}-{last}"),
        })
        .collect();
    texts.join(",")
}

/// Text of an input without control characters.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DUMP: &str = "CPU 0:
   0x00000000 0x00: eax=0x00000004 ebx=0x756e6547 ecx=0x6c65746e edx=0x49656e69
   0x00000001 0x00: eax=0x000006fb ebx=0x00020800 ecx=0x00000000 edx=0x10000000
   0x00000004 0x00: eax=0x04000121 ebx=0x01c0003f ecx=0x0000003f edx=0x00000001
   0x00000004 0x01: eax=0x04004143 ebx=0x03c0003f ecx=0x00000fff edx=0x00000001
CPU 1:
   0x00000000 0x00: eax=0x00000004 ebx=0x756e6547 ecx=0x6c65746e edx=0x49656e69
   0x00000001 0x00: eax=0x000006fb ebx=0x01020800 ecx=0x00000000 edx=0x10000000
   0x00000004 0x00: eax=0x04000121 ebx=0x01c0003f ecx=0x0000003f edx=0x00000001
   0x00000004 0x01: eax=0x04004143 ebx=0x03c0003f ecx=0x00000fff edx=0x00000001
";

    fn show(text: &str, json: bool) -> String {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        let mut out = Vec::new();
        let from = vec![file.path().to_path_buf()];
        let command = Command::Show(Show { from, json });
        assert_eq!(run(Args { command }, &mut out).unwrap(), 0);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn show_says_who_how_many_and_what_is_shared() {
        let text = show(DUMP, false);
        for line in [
            "  GenuineIntel, no brand string",
            "  family 0x06 model 0x0f stepping 11 (signature 0x000006fb), leaves to 0x00000004",
            "  1 package, 2 cores, 2 CPUs (leaf 1+4)",
            "  2 x L1d 32 KiB, 8-way, 64-byte lines, of one CPU",
            "  1 x L2 4096 KiB, 16-way, 64-byte lines, shared by 2 CPUs",
        ] {
            assert!(text.lines().any(|seen| seen == line), "{line:?} in\n{text}");
        }
    }

    #[test]
    fn json_has_identity_topology_and_caches() {
        let json: serde_json::Value = serde_json::from_str(&show(DUMP, true)).unwrap();
        assert_eq!(json[0]["identity"]["signature"], "0x000006fb");
        assert_eq!(json[0]["topology"]["caches"][2]["cpus"], serde_json::json!([0, 1]));
        assert_eq!(json[0]["topology"]["caches"][2]["size"], 4 << 20);
    }

    #[test]
    fn ranges_join_neighbours() {
        assert_eq!(ranges(&[0, 1, 2, 5, 7, 8]), "0-2,5,7-8");
        assert_eq!(ranges(&[]), "");
    }
}
