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

use clap::Parser;
use schemars::JsonSchema;
use serde::Serialize;

use super::input::{Dump, Input, damage_note};
use super::phrase::{count, print_features, ranges, sizes};
use super::{Context, Error};
use crate::addresses::Addresses;
use crate::cache::{CacheDescription, CacheKind, Ways, describe};
use crate::codename::{self, Codename};
use crate::damage::Damage;
use crate::database::Vendors;
use crate::decode::{self, CpuDecoded};
use crate::features::{self, Naming};
use crate::formats::Format;
use crate::identity::{FeatureLevel, Identity, feature_level};
use crate::kinds::{CoreGroup, Purpose, kinds};
use crate::placement::CoreKind;
use crate::tlb::{self, Tlb};
use crate::topology::{self, Topology};
use crate::xsave::{self, Component};

/// Columns of the list of features.
const WIDTH: usize = 100;

/// `delid cpuid show`.
#[derive(Clone, Debug, Parser)]
pub struct Show {
    /// Sources.
    #[command(flatten)]
    pub input: Input,
    /// More dumps.
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Show every field of every row, with its value and what it means.
    #[arg(long)]
    pub full: bool,
    /// Show this CPU only.
    #[arg(long, value_name = "N")]
    pub cpu: Option<u32>,
    /// Names of features: own, linux, qemu, libvirt, xen, sdm or apm.
    #[arg(long, value_name = "DIALECT", default_value = "own", value_parser = Naming::read)]
    pub names: Naming,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

impl Show {
    pub(super) fn run(&self, context: &Context, out: &mut dyn Write) -> Result<u8, Error> {
        let mut dumps = self.input.load(&self.paths)?;
        for dump in &mut dumps {
            dump.choose(self.cpu)?;
        }
        if self.full && self.json {
            let decoded: Vec<Full> = dumps.iter().map(|dump| Full::of(context, dump)).collect();
            super::json(out, &decoded)?;
            return Ok(u8::from(dumps.iter().any(|dump| !dump.damage.is_empty())));
        }
        if self.full {
            return full(context, &dumps, out);
        }
        let shown: Vec<Shown> = dumps
            .into_iter()
            .filter_map(|dump| Shown::of(context, self.names, dump))
            .collect();
        let damaged = shown.iter().any(|dump| !dump.damage.is_empty());
        if self.json {
            super::json(out, &shown)?;
        } else {
            for dump in &shown {
                dump.print(out)?;
            }
        }
        Ok(u8::from(damaged))
    }
}

/// CPUs of one kind of core.
#[derive(JsonSchema, Serialize)]
struct KindShown {
    purpose: Purpose,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<CoreKind>,
    codename: Codename,
    cpus: Vec<u32>,
    /// Features that other kinds lack.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    only_here: Vec<String>,
}

impl KindShown {
    fn of(context: &Context, naming: Naming, vendors: Vendors, kind: CoreGroup) -> Self {
        let name = |&bit| naming.of_bit(&context.database, bit, vendors);
        Self {
            only_here: kind.only_here.iter().map(name).collect(),
            purpose: kind.purpose,
            kind: kind.kind,
            codename: kind.codename,
            cpus: kind.cpus,
        }
    }
}

/// Every field of every row, as JSON.
#[derive(JsonSchema, Serialize)]
pub(super) struct Full {
    origin: String,
    format: Format,
    cpus: Vec<CpuDecoded>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    damage: Vec<Damage>,
}

impl Full {
    fn of(context: &Context, dump: &Dump) -> Self {
        let cpus = dump.set.cpus().iter();
        Self {
            origin: dump.origin.clone(),
            format: dump.format,
            cpus: cpus.map(|cpu| decode::decoded(&context.database, cpu)).collect(),
            damage: dump.damage.clone(),
        }
    }
}

/// Every field of every row.
fn full(context: &Context, dumps: &[Dump], out: &mut dyn Write) -> Result<u8, Error> {
    let mut code = 0;
    for dump in dumps {
        writeln!(out, "{} ({})", dump.origin, dump.format)?;
        decode::write_text(&context.database, &dump.set, decode::Options::default(), out)?;
        if let Some(note) = damage_note(&dump.damage) {
            writeln!(out, "note: {note}")?;
            code = 1;
        }
    }
    Ok(code)
}

/// One dump, decoded.
#[derive(JsonSchema, Serialize)]
pub(super) struct Shown {
    origin: String,
    format: Format,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    damage: Vec<Damage>,
    /// It tells of some features only.
    partial: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<String>,
    identity: Identity,
    codename: Codename,
    #[serde(skip_serializing_if = "Option::is_none")]
    addresses: Option<Addresses>,
    #[serde(skip_serializing_if = "Option::is_none")]
    level: Option<FeatureLevel>,
    hybrid: bool,
    /// Kinds of core; one where all are alike.
    kinds: Vec<KindShown>,
    topology: Topology,
    /// Caches of the first CPU, when sharing cannot be told.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    first_cpu_caches: Vec<CacheDescription>,
    /// TLBs of the first CPU.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tlbs: Vec<Tlb>,
    /// XSAVE components of the first CPU.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    xsave: Vec<Component>,
    features: Vec<features::Group>,
}

impl Shown {
    fn of(context: &Context, naming: Naming, dump: Dump) -> Option<Self> {
        let first = dump.set.first()?;
        let mut identity = Identity::of(first);
        if first.partial {
            // A row that is there for its features says nothing by the zeros of its other registers.
            identity.signature = identity.signature.filter(|signature| signature.0 != 0);
        }
        let named = identity.vendor_name.is_some();
        let mut codename = codename::of(first);
        codename.note = codename.note.filter(|_| named);
        let vendors = Vendors::of(identity.vendor);
        let topology = topology::decode(&dump.set);
        let first_cpu_caches = if topology.caches.is_empty() {
            describe(first, &identity)
        } else {
            Vec::new()
        };
        Some(Self {
            hybrid: dump.set.is_hybrid(),
            origin: dump.origin,
            format: dump.format,
            damage: dump.damage,
            partial: first.partial,
            notes: dump.notes,
            codename,
            level: feature_level(first).filter(|_| named),
            kinds: kinds(&dump.set)
                .into_iter()
                .map(|kind| KindShown::of(context, naming, vendors, kind))
                .collect(),
            addresses: Addresses::of(first).filter(|addresses| addresses.told || !first.partial),
            tlbs: tlb::of(first, &identity),
            xsave: xsave::components(first),
            identity,
            topology,
            first_cpu_caches,
            features: features::of(&context.database, first, naming),
        })
    }

    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        let cpus = count(self.topology.cpus.len(), "CPU");
        writeln!(out, "{} ({}, {cpus})", self.origin, self.format)?;
        if self.partial {
            writeln!(out, "  partial: what is not shown is not known to be absent")?;
        }
        self.print_identity(out)?;
        self.print_topology(out)?;
        if !self.partial {
            self.print_caches(out)?;
        }
        print_features(&self.features, WIDTH, out)?;
        for note in self.topology.notes.iter().filter(|_| !self.partial) {
            writeln!(out, "  note: {note}")?;
        }
        for note in &self.notes {
            writeln!(out, "  note: {note}")?;
        }
        if let Some(note) = damage_note(&self.damage) {
            writeln!(out, "  note: {note}")?;
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
        let line = self.codename.line();
        if !line.is_empty() {
            let level = self.level.map_or(String::new(), |level| format!(", {}", level.name()));
            writeln!(out, "  {line}{level}")?;
        }
        if let Some(note) = &self.codename.note {
            writeln!(out, "  note: {note}")?;
        }
        if let Some(addresses) = &self.addresses {
            writeln!(
                out,
                "  addresses of {} bits physical, {} linear",
                addresses.physical, addresses.linear
            )?;
        }
        if identity.under_hypervisor {
            let name = identity.hypervisor.as_deref().unwrap_or("name not told");
            writeln!(out, "  under a hypervisor: {name}")?;
        }
        Ok(())
    }

    fn print_topology(&self, out: &mut dyn Write) -> io::Result<()> {
        let topology = &self.topology;
        if topology.packages.is_empty() || self.partial {
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
        for kind in self.kinds.iter().filter(|_| self.kinds.len() > 1) {
            let core = kind.codename.microarchitecture.as_deref().unwrap_or("not known");
            let native = kind
                .kind
                .map_or(String::new(), |kind| format!(", native model {:#x}", kind.native_model));
            writeln!(
                out,
                "  {} cores ({core}{native}): CPUs {}",
                kind.purpose.name(),
                ranges(&kind.cpus)
            )?;
            if !kind.only_here.is_empty() {
                writeln!(out, "    only these have {}", kind.only_here.join(" "))?;
            }
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
        for tlb in &self.tlbs {
            writeln!(out, "  {}", tlb.line())?;
        }
        if !self.xsave.is_empty() {
            let components = self.xsave.iter().map(|component| component.name);
            writeln!(out, "  XSAVE: {}", components.collect::<Vec<_>>().join(", "))?;
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
        let show = Show {
            input: Input::default(),
            paths: vec![file.path().to_path_buf()],
            json,
            full: false,
            cpu: None,
            names: Naming::default(),
        };
        assert_eq!(show.run(&Context::default(), &mut out).unwrap(), 0);
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
}
