//! `delid microcode show`: everything about each update, and the tables of a firmware image; without one the
//! CPUs of this machine and the revision they run.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Parser;
use schemars::JsonSchema;
use serde::Serialize;

use super::cpu::CpuInput;
use super::list::Row;
use super::{Error, input};
use crate::amd::Patch;
use crate::entry_sign::{self, Digest, List};
use crate::fit::Fit;
use crate::found::{Found, Update};
use crate::gather::{Kind, Options};
use crate::ids::{Revision, Sha256, Signature};
use crate::intel;
use crate::pack::filter::Rule;
use crate::pack::{Filter, Whom};
use crate::psp::Rom;
use crate::scan::{Finding, Other, scan};
use crate::table::Table;

/// `delid microcode show`.
#[derive(Clone, Debug, Parser)]
pub struct Show {
    /// Files of updates, AMD containers or patches, microcode as text, initrds, firmware images,
    /// directories of them; - is standard input. Without any: the CPUs of this machine and what they run
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Show only these: SIGNATURE[,PLATFORMS[,[lt:|eq:|gt:]REVISION]]
    #[arg(short = 's', long = "select", value_name = "RULE")]
    rules: Vec<Rule>,
    /// Look into the compressed parts of initrds too
    #[arg(long)]
    unpack: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What `show` prints as JSON.
#[derive(JsonSchema, Serialize)]
pub(super) struct Shown {
    source: String,
    kind: Kind,
    updates: Vec<Told>,
    #[serde(skip_serializing_if = "Option::is_none")]
    image: Option<Image>,
}

#[derive(JsonSchema, Serialize)]
struct Told {
    #[serde(flatten)]
    row: Row,
    #[serde(skip_serializing_if = "Option::is_none")]
    entry_sign: Option<EntrySign>,
}

/// What the tables of a firmware image say.
#[derive(JsonSchema, Serialize)]
struct Image {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    fit: Vec<Fit>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    psp: Vec<Rom>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    other_vendors: Vec<Other>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    findings: Vec<Finding>,
}

/// AMD-SB-7033: what a loader that checks digests makes of a patch.
#[derive(JsonSchema, Serialize)]
struct EntrySign {
    /// Up to this running revision the digest is asked for; none: it is asked for always.
    #[serde(skip_serializing_if = "Option::is_none")]
    cut_off: Option<Revision>,
    linux_6_12: Digest,
    xen_4_20: Digest,
}

impl EntrySign {
    fn of(patch: &Patch, sha256: &Sha256) -> Option<Self> {
        patch
            .signatures
            .iter()
            .any(|signature| entry_sign::affected(*signature))
            .then(|| Self {
                cut_off: entry_sign::cutoff(patch.revision),
                linux_6_12: entry_sign::digest(List::Linux6_12, patch.revision, sha256),
                xen_4_20: entry_sign::digest(List::Xen4_20, patch.revision, sha256),
            })
    }
}

impl Show {
    pub(super) fn run(&self, out: &mut dyn Write) -> Result<u8, Error> {
        if self.paths.is_empty() {
            return self.cpus(out);
        }
        let options = Options {
            scan: true,
            compressed: self.unpack,
        };
        let filter = Filter {
            rules: self.rules.clone(),
            ..Filter::default()
        };
        let mut code = 0;
        let mut shown = Vec::new();
        for path in &self.paths {
            let all = input::open(path, options)?;
            let wanted = |found: &&Found| {
                let revision = found.update.revision();
                Whom::of(found).into_iter().any(|whom| filter.wants(whom, revision))
            };
            let updates: Vec<Told> = all.found.iter().filter(wanted).map(told).collect();
            if updates.is_empty() {
                eprintln!(
                    "{}: no microcode found{}",
                    all.name,
                    if self.rules.is_empty() { "" } else { " that fits" }
                );
                code = 1;
            }
            for fault in &all.damage {
                eprintln!("damaged: {fault}");
                code = 1;
            }
            let image = match all.kind {
                Kind::Image => Some(tables(&std::fs::read(path).map_err(Error::read(path))?)),
                _ => None,
            };
            shown.push(Shown {
                source: all.name,
                kind: all.kind,
                updates,
                image,
            });
        }
        if self.json {
            super::json(out, &shown)?;
        } else {
            shown.iter().try_for_each(|shown| shown.print(out))?;
        }
        Ok(code)
    }

    fn cpus(&self, out: &mut dyn Write) -> Result<u8, Error> {
        let (cpus, _) = CpuInput::default().load()?;
        if self.json {
            super::json(out, &cpus)?;
        } else {
            cpus.iter().try_for_each(|cpu| super::cpu::print(cpu, out))?;
        }
        Ok(0)
    }
}

fn told(found: &Found) -> Told {
    let entry_sign = match &found.update {
        Update::Amd(patch) => EntrySign::of(patch, &found.sha256()),
        Update::Intel(_) => None,
    };
    Told {
        row: Row::new(found, true),
        entry_sign,
    }
}

fn tables(bytes: &[u8]) -> Image {
    let scan = scan(bytes);
    Image {
        fit: scan.fit,
        psp: scan.psp,
        other_vendors: scan.others,
        findings: scan.findings,
    }
}

impl Shown {
    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{}: {}", self.source, self.kind)?;
        for told in &self.updates {
            writeln!(out)?;
            told.print(out)?;
        }
        match &self.image {
            Some(image) => image.print(out),
            None => Ok(()),
        }
    }
}

impl Told {
    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        let update = &self.row.update;
        writeln!(out, "revision {} of {}", update.revision(), update.date())?;
        line(out, "place", &format!("{}, {} bytes", self.row.place, self.row.size))?;
        for target in &self.row.targets {
            let platforms = match update {
                Update::Intel(_) => format!(", platforms {}", platforms(target.platforms.0)),
                Update::Amd(_) => String::new(),
            };
            line(
                out,
                "CPU",
                &format!("{} ({}){platforms}", target.signature, name(target.signature)),
            )?;
        }
        if let Some(sha256) = &self.row.sha256 {
            line(out, "SHA-256", &sha256.to_string())?;
        }
        if let Some(minimum) = update.minimum_revision() {
            line(out, "run time", &format!("may be loaded where {minimum} or newer runs"))?;
        }
        match update {
            Update::Intel(update) => print_intel(update, out)?,
            Update::Amd(patch) => print_amd(patch, self.entry_sign.as_ref(), out)?,
        }
        for damage in update.damage() {
            line(out, "DAMAGED", &format!("{} [{}]", damage, damage.rule))?;
        }
        Ok(())
    }
}

fn line(out: &mut dyn Write, name: &str, text: &str) -> io::Result<()> {
    writeln!(out, "  {name:<11} {text}")
}

fn name(signature: Signature) -> String {
    let (family, model, stepping) = signature.family_model_stepping();
    format!("{family:02x}-{model:02x}-{stepping:02x}")
}

/// "0x32 (ids 1, 4, 5)".
fn platforms(mask: u32) -> String {
    let ids: Vec<String> = (0..32)
        .filter(|bit| mask >> bit & 1 == 1)
        .map(|bit: u32| bit.to_string())
        .collect();
    match ids.len() {
        0 => "any".to_owned(),
        1 => format!("{mask:#04x} (id {})", ids.concat()),
        _ => format!("{mask:#04x} (ids {})", ids.join(", ")),
    }
}

fn print_intel(update: &intel::Update, out: &mut dyn Write) -> io::Result<()> {
    let (header, loader) = (update.header_version, update.loader_version);
    let what = if header == 2 { " (In-Field Scan)" } else { "" };
    line(
        out,
        "header",
        &format!(
            "version {header}{what}, loader version {loader}, {} bytes of data",
            update.data_size
        ),
    )?;
    if !update.extended.is_empty() {
        line(
            out,
            "extended",
            &format!("signature table with {} entries", update.extended.len()),
        )?;
    }
    for block in &update.metadata {
        line(
            out,
            "metadata",
            &format!("type {:#x} at {:#x}, {} bytes", block.kind, block.offset, block.size),
        )?;
    }
    for remark in &update.remarks {
        line(out, "remark", &format!("{remark} [{}]", remark.rule))?;
    }
    Ok(())
}

fn print_amd(patch: &Patch, sign: Option<&EntrySign>, out: &mut dyn Write) -> io::Result<()> {
    let header = &patch.header;
    line(
        out,
        "name",
        &format!("{} in the equivalence table, family {:x}h", patch.id, patch.id.family()),
    )?;
    line(
        out,
        "header",
        &format!(
            "data id {:#06x}, length {:#04x}, init flag {:#04x}, BIOS API revision {:#04x}",
            header.data_id, header.data_length, header.init_flag, header.bios_api_revision
        ),
    )?;
    if header.north_bridge != 0 || header.south_bridge != 0 {
        line(
            out,
            "chipset",
            &format!(
                "north bridge {:#010x}, south bridge {:#010x}",
                header.north_bridge, header.south_bridge
            ),
        )?;
    }
    let checksum = match patch.checksum_ok {
        Some(true) => format!("{:#010x}, right", header.checksum),
        Some(false) => format!("{:#010x}, wrong", header.checksum),
        None => "this family has none".to_owned(),
    };
    line(out, "checksum", &checksum)?;
    if let Some(sign) = sign {
        let cut_off = match sign.cut_off {
            Some(cut_off) => format!("where {cut_off} or older runs"),
            None => "whatever runs".to_owned(),
        };
        let (linux, xen) = (digest(sign.linux_6_12), digest(sign.xen_4_20));
        line(
            out,
            "digest",
            &format!("asked for {cut_off}: Linux 6.12 {linux}; Xen 4.20 {xen}"),
        )?;
    }
    for note in &patch.notes {
        line(out, "remark", &format!("{} [{}]", note.says, note.rule))?;
    }
    Ok(())
}

fn digest(digest: Digest) -> &'static str {
    match digest {
        Digest::Matches => "has it on its list",
        Digest::Differs => "has another one for this revision",
        Digest::NotListed => "has none for this revision",
        Digest::Unknown => "has one for this revision that is not known here",
    }
}

impl Image {
    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        for fit in &self.fit {
            writeln!(
                out,
                "\nFirmware Interface Table at {:#x}, version {:#x}",
                fit.offset, fit.version
            )?;
            let mut table = Table::new(&[">entry", "type", "name", ">address", ">size", "version"]);
            for entry in &fit.entries {
                table.push(vec![
                    entry.number.to_string(),
                    format!("{:#04x}", entry.kind),
                    entry.name.to_owned(),
                    format!("{:#x}", entry.address),
                    entry.size.to_string(),
                    format!("{:#x}", entry.version),
                ]);
            }
            table.print(2, out)?;
        }
        for rom in &self.psp {
            writeln!(out, "\nEmbedded Firmware Structure at {:#x}", rom.structure)?;
            let mut table = Table::new(&["directory", ">offset", ">entries", "checksum"]);
            for directory in &rom.directories {
                table.push(vec![
                    directory.kind.cookie().to_owned(),
                    format!("{:#x}", directory.offset),
                    directory.entries.len().to_string(),
                    if directory.checksum_ok { "ok" } else { "wrong" }.to_owned(),
                ]);
            }
            table.print(2, out)?;
            for patch in &rom.microcode {
                let (instance, subprogram) = (patch.instance, patch.subprogram);
                writeln!(
                    out,
                    "  microcode at {:#x}: entry {} of the directory at {:#x}, instance {instance}, subprogram {subprogram}",
                    patch.offset, patch.entry, patch.directory
                )?;
            }
        }
        for other in &self.other_vendors {
            writeln!(
                out,
                "\n{} microcode at {:#x}: {}",
                other.vendor, other.offset, other.name
            )?;
        }
        if !self.findings.is_empty() {
            writeln!(out)?;
        }
        for finding in &self.findings {
            let word = if finding.broken { "damaged" } else { "finding" };
            writeln!(
                out,
                "{word}: at {:#x}: {} [{}]",
                finding.offset, finding.text, finding.rule
            )?;
        }
        Ok(())
    }
}
