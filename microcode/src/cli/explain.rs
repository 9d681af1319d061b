//! `delid microcode explain`: would Linux or Xen load it, which update, and why not the others.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Parser;
use schemars::JsonSchema;
use serde::Serialize;

use super::Error;
use super::cpu::CpuInput;
use crate::codec::{self, Codec};
use crate::cpu::{Cpu, Vendor};
use crate::gather::{Kind, Options, gather};
use crate::initrd::early_length;
use crate::loader::linux::{self, Early, Late, initrd_path};
use crate::loader::xen::{self, Boot, EfiUcode, Module};
use crate::loader::{Candidate, Decision, Look, Outcome, Reason, Rule};
use crate::pack::early::{Blob, archive};
use crate::table::Table;
use crate::uki::{Image, Part, image};

/// Bytes behind the early part of an initrd that its search may look at.
const BEHIND: u64 = 4096;
/// Largest firmware file that is read, in bytes.
const FIRMWARE_LIMIT: u64 = 256 << 20;

/// `delid microcode explain`.
#[derive(Clone, Debug, Parser)]
#[command(after_long_help = EXAMPLES)]
pub struct Explain {
    #[command(flatten)]
    cpu: CpuInput,
    /// Initrds, UKIs, firmware directories (/lib/firmware), microcode files; without any, on this
    /// machine, the initrd of the running kernel and /lib/firmware. With Xen the modules of the
    /// boot loader in their order, dom0's kernel first
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Ask Xen's loader in place of Linux's, as is done in Xen's control domain anyway
    #[arg(long)]
    xen: bool,
    /// Ask Linux's loader, in Xen's control domain too
    #[arg(long, conflicts_with = "xen")]
    linux: bool,
    /// Command line of the kernel, or with --xen of Xen (ucode=scan, ucode=-1, ucode=digest-check=no)
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    cmdline: Option<String>,
    /// Firmware built into the kernel; its name is taken from the end of the path: intel-ucode/06-55-04
    #[arg(long, value_name = "FILE", conflicts_with = "xen")]
    built_in: Vec<PathBuf>,
    /// Linux is built to refuse updates without a minimum revision at run time
    #[arg(long, conflicts_with = "xen")]
    force_minrev: bool,
    /// With Xen: what xen-ucode -f does
    #[arg(long, conflicts_with = "linux")]
    force: bool,
    /// With Xen: the file that ucode= of xen.efi's configuration names
    #[arg(long, value_name = "FILE", conflicts_with = "linux")]
    efi_ucode: Option<PathBuf>,
    /// List the updates for other CPUs too
    #[arg(long)]
    all: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "Examples:
  delid microcode explain                                       this machine, its initrd, its firmware
  delid microcode explain /boot/initrd.img-6.12.0-1-amd64
  delid microcode explain --from host.tar.zst initrd.img        the CPU of a capture
  delid microcode explain --signature 0x806e9 --platform 0x80 --revision 0xd0 /lib/firmware
  delid microcode explain --xen --cmdline ucode=scan vmlinuz initrd.img";

/// What is decided for one CPU.
#[derive(JsonSchema, Serialize)]
pub(super) struct Explained {
    pub(super) cpu: Cpu,
    pub(super) decisions: Vec<Told>,
}

/// A decision and the setup it is for.
#[derive(JsonSchema, Serialize)]
pub(super) struct Told {
    setup: String,
    #[serde(flatten)]
    pub(super) decision: Decision,
}

/// What was given, by what a loader takes it for.
#[derive(Default)]
struct Given {
    initrds: Vec<linux::File>,
    folders: Vec<PathBuf>,
    /// Microcode files: no loader asks for them by their names, so they are tried in its place.
    files: Vec<(String, Arc<Vec<u8>>)>,
}

impl Explain {
    pub(super) fn run(&self, out: &mut dyn Write) -> Result<u8, Error> {
        let (cpus, live) = self.cpu.load()?;
        let explained = if self.asks_xen(&cpus) {
            self.with_xen(cpus, live.as_ref())?
        } else {
            self.with_linux(cpus, live.as_ref())?
        };
        if self.json {
            super::json(out, &explained)?;
        } else {
            for (number, one) in explained.iter().enumerate() {
                if number > 0 {
                    writeln!(out)?;
                }
                print(one, self.all, out)?;
            }
        }
        Ok(0)
    }

    /// As asked for; else Xen's loader where Xen is what loads.
    fn asks_xen(&self, cpus: &[Cpu]) -> bool {
        let of_linux = self.linux || self.force_minrev || !self.built_in.is_empty();
        let of_xen = self.xen || self.force || self.efi_ucode.is_some();
        of_xen || !of_linux && cpus.iter().any(|cpu| cpu.xen.is_some())
    }

    fn with_linux(&self, cpus: Vec<Cpu>, live: Option<&super::cpu::Live>) -> Result<Vec<Explained>, Error> {
        let mut paths = self.paths.clone();
        if paths.is_empty() {
            paths = live.map(super::cpu::Live::places).unwrap_or_default();
        }
        if paths.is_empty() && self.built_in.is_empty() {
            return Err(Error::refused(
                "explain",
                "no initrd, firmware directory or microcode file is given, and this machine shows none",
            ));
        }
        let mut given = Given::default();
        paths.iter().try_for_each(|path| given.add(path))?;
        let built_in = self
            .built_in
            .iter()
            .map(|path| built_in(path))
            .collect::<Result<Vec<_>, _>>()?;
        let line = self
            .cmdline
            .clone()
            .or_else(|| live.and_then(|live| live.command_line.clone()));
        let explain = |cpu: Cpu| {
            let decisions = linux_decisions(&cpu, &given, &built_in, line.as_deref(), self.force_minrev)?;
            Ok(Explained { cpu, decisions })
        };
        cpus.into_iter().map(explain).collect()
    }

    fn with_xen(&self, cpus: Vec<Cpu>, live: Option<&super::cpu::Live>) -> Result<Vec<Explained>, Error> {
        let mut paths = self.paths.clone();
        if paths.is_empty() && self.efi_ucode.is_none() {
            paths = live.map(super::cpu::Live::places).unwrap_or_default();
        }
        let (folders, files): (Vec<PathBuf>, Vec<PathBuf>) = paths.into_iter().partition(|path| path.is_dir());
        let mut modules = Vec::new();
        for path in &files {
            modules.push(module(path)?);
        }
        let efi = self.efi_ucode.as_deref().map(module).transpose()?;
        if modules.is_empty() && efi.is_none() && folders.is_empty() {
            return Err(Error::refused(
                "explain --xen",
                "the modules of the boot loader are to be given",
            ));
        }
        let at_boot = !modules.is_empty() || efi.is_some();
        // A single file is no kernel of dom0, which is the first module.
        let alone = modules.len() == 1;
        if modules.len() < 2 {
            let kernel = Module {
                source: "dom0's kernel (not given)".to_owned(),
                bytes: Arc::default(),
            };
            modules.insert(0, kernel);
        }
        let explain = |cpu: Cpu| {
            let mut decisions = Vec::new();
            if at_boot {
                decisions = self.xen_boot(&cpu, &modules, efi.as_ref());
            }
            let file = modules.last().filter(|module| alone && is_raw(&module.bytes));
            let in_folders = folders.iter().filter_map(|folder| of_folder(&cpu, folder));
            for file in file.cloned().into_iter().chain(in_folders) {
                decisions.push(at_run_time(&cpu, file, self.force, self.xen_line(&cpu)));
            }
            if decisions.is_empty() {
                let places = folders.iter().map(|folder| folder.display().to_string());
                return Err(Error::refused(
                    places.collect::<Vec<_>>().join(", "),
                    "no file for this CPU is in it",
                ));
            }
            Ok(Explained { cpu, decisions })
        };
        cpus.into_iter().map(explain).collect()
    }

    /// Xen's command line: as given, else that of the Xen that told of the CPU.
    fn xen_line<'a>(&'a self, cpu: &'a Cpu) -> Option<&'a str> {
        let running = cpu.xen.as_deref().and_then(|xen| xen.command_line.as_deref());
        self.cmdline.as_deref().or(running)
    }

    /// As the command line says; without one Xen looks nowhere, so both ways to ask it are shown.
    fn xen_boot(&self, cpu: &Cpu, modules: &[Module], efi: Option<&Module>) -> Vec<Told> {
        let lines = match self.xen_line(cpu) {
            Some(line) => vec![line],
            None if efi.is_some() => vec![""],
            None => vec!["ucode=scan", "ucode=-1"],
        };
        let one = |line: &str| Told {
            setup: match (efi, line) {
                (Some(efi), "") => format!("Xen with ucode={} in its configuration", efi.source),
                _ => format!("Xen with {line}"),
            },
            decision: xen::boot(
                cpu,
                &Boot {
                    command_line: Some(line),
                    modules,
                    efi_ucode: efi.cloned().map(EfiUcode::Config),
                },
            ),
        };
        lines.into_iter().map(one).collect()
    }
}

/// Prints what is decided for a CPU; `all` lists the updates for other CPUs too.
pub(super) fn print(explained: &Explained, all: bool, out: &mut dyn Write) -> io::Result<()> {
    super::cpu::print(&explained.cpu, out)?;
    let mut rules: Vec<Rule> = Vec::new();
    for told in &explained.decisions {
        writeln!(out)?;
        print_decision(told, all, &mut rules, out)?;
    }
    if !rules.is_empty() {
        writeln!(out, "\nRules")?;
    }
    for rule in rules {
        writeln!(out, "  [{}] {}", rule.id, rule.says)?;
        writeln!(out, "      {}", rule.source)?;
    }
    Ok(())
}

fn print_decision(told: &Told, all: bool, rules: &mut Vec<Rule>, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{}: {}", told.setup, verdict(&told.decision))?;
    for reason in &told.decision.reasons {
        writeln!(out, "  {}", words(reason, rules))?;
    }
    for look in &told.decision.looks {
        print_look(look, all, rules, out)?;
    }
    for unknown in &told.decision.unknown {
        writeln!(out, "  not known: {unknown}")?;
    }
    Ok(())
}

fn print_look(look: &Look, all: bool, rules: &mut Vec<Rule>, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "  {}", look.at)?;
    for reason in &look.reasons {
        writeln!(out, "    {}", words(reason, rules))?;
    }
    let shown = |candidate: &&Candidate| all || candidate.outcome != Outcome::OtherCpu;
    let mut table = Table::new(&[">revision", "date", ">offset", "outcome", "why"]);
    for candidate in look.candidates.iter().filter(shown) {
        let mut whys = candidate.reasons.iter().rev().map(|reason| words(reason, rules));
        table.push(vec![
            candidate.revision.to_string(),
            candidate.date.to_string(),
            format!("{:#x}", candidate.place.offset),
            outcome(candidate.outcome).to_owned(),
            whys.next().unwrap_or_default(),
        ]);
        whys.for_each(|why| table.push(vec![String::new(), String::new(), String::new(), String::new(), why]));
    }
    if !table.is_empty() {
        table.print(4, out)?;
    }
    match look.candidates.iter().filter(|candidate| !shown(candidate)).count() {
        0 => Ok(()),
        1 => writeln!(out, "    1 update is for another CPU"),
        others => writeln!(out, "    {others} updates are for other CPUs"),
    }
}

impl Given {
    fn add(&mut self, path: &Path) -> Result<(), Error> {
        let source = path.display().to_string();
        if path.is_dir() {
            self.folders.push(path.to_owned());
            return Ok(());
        }
        let mut file = File::open(path).map_err(Error::read(path))?;
        let mut head = [0; 16];
        let length = file.read(&mut head).map_err(Error::read(path))?;
        let head = head.get(..length).unwrap_or_default();
        let uki = matches!(image(&mut file).map_err(Error::read(path))?, Image::Uki(_));
        if uki || is_initrd(head) {
            self.initrds.push(linux::File {
                name: source.clone(),
                source,
                bytes: Arc::new(early_bytes(path)?),
            });
            return Ok(());
        }
        let bytes = std::fs::read(path).map_err(Error::read(path))?;
        let all = gather(&source, bytes, Options::default());
        match all.kind {
            Kind::Intel | Kind::Amd | Kind::AmdPatch => {
                let bytes = std::fs::read(path).map_err(Error::read(path))?;
                self.files.push((source, Arc::new(bytes)));
                Ok(())
            }
            kind => Err(Error::refused(
                source,
                format!("expected an initrd, a firmware directory or a microcode file, seen: {kind}"),
            )),
        }
    }
}

/// What Xen does with a file at run time.
pub(super) fn at_run_time(cpu: &Cpu, file: Module, force: bool, line: Option<&str>) -> Told {
    let setup = format!("xen-ucode {}{}", if force { "-f " } else { "" }, file.source);
    let late = xen::Late {
        file,
        force,
        command_line: line,
        began: None,
        kept: None,
    };
    Told {
        setup,
        decision: xen::late(cpu, &late),
    }
}

/// The file of a firmware directory that is for the CPU.
pub(super) fn of_folder(cpu: &Cpu, folder: &Path) -> Option<Module> {
    let name = linux::firmware_name(cpu.vendor, cpu.signature?)?;
    let found = ["", ".zst", ".xz"]
        .iter()
        .find_map(|suffix| firmware(folder, &format!("{name}{suffix}")))?;
    Some(Module {
        source: found.source,
        bytes: found.bytes,
    })
}

pub(super) fn module(path: &Path) -> Result<Module, Error> {
    Ok(Module {
        source: path.display().to_string(),
        bytes: Arc::new(early_bytes(path)?),
    })
}

/// What a search for early microcode looks at: the front of an initrd, or a whole file of another
/// kind. Of a unified kernel image the stub hands over its sections one after the other.
fn early_bytes(path: &Path) -> Result<Vec<u8>, Error> {
    let failed = Error::read(path);
    let mut file = File::open(path).map_err(&failed)?;
    let mut bytes = Vec::new();
    match image(&mut file).map_err(&failed)? {
        Image::Uki(uki) => {
            for section in uki.initrds() {
                let mut part = Part::new(&file, section.range());
                let early = early_length(&mut part).map_err(&failed)?;
                part.rewind().map_err(&failed)?;
                part.take(early.saturating_add(BEHIND))
                    .read_to_end(&mut bytes)
                    .map_err(&failed)?;
                bytes.resize(bytes.len().next_multiple_of(4), 0);
                if early < section.size {
                    break;
                }
            }
        }
        Image::Kernel { .. } | Image::Pe => {
            file.rewind().map_err(&failed)?;
            file.take(FIRMWARE_LIMIT).read_to_end(&mut bytes).map_err(&failed)?;
        }
        Image::Other => {
            let limit = match early_length(&mut file).map_err(&failed)? {
                0 => FIRMWARE_LIMIT,
                early => early.saturating_add(BEHIND),
            };
            file.rewind().map_err(&failed)?;
            file.take(limit).read_to_end(&mut bytes).map_err(&failed)?;
        }
    }
    Ok(bytes)
}

fn is_initrd(head: &[u8]) -> bool {
    head.starts_with(b"07070") || head.starts_with(&[0; 16]) || Codec::detect(head).is_some()
}

fn is_raw(bytes: &[u8]) -> bool {
    crate::container::read(bytes).is_some()
}

fn built_in(path: &Path) -> Result<linux::File, Error> {
    let bytes = std::fs::read(path).map_err(Error::read(path))?;
    let parts: Vec<String> = path
        .components()
        .map(|part| part.as_os_str().to_string_lossy().into_owned())
        .collect();
    let name = parts
        .last_chunk::<2>()
        .map_or_else(|| parts.concat(), |last| last.join("/"));
    Ok(linux::File {
        name,
        source: path.display().to_string(),
        bytes: Arc::new(bytes),
    })
}

fn linux_decisions(
    cpu: &Cpu,
    given: &Given,
    built_in: &[linux::File],
    line: Option<&str>,
    force_minrev: bool,
) -> Result<Vec<Told>, Error> {
    let mut decisions = Vec::new();
    let early = |initrd: Option<linux::File>| Early {
        command_line: line,
        built_in,
        initrd,
        is_32_bit: false,
    };
    for initrd in &given.initrds {
        decisions.push(Told {
            setup: format!("Linux at boot with {}", initrd.source),
            decision: linux::early(cpu, &early(Some(initrd.clone()))),
        });
    }
    for (source, bytes) in &given.files {
        decisions.push(Told {
            setup: format!("Linux at boot, {source} being the microcode of the initrd"),
            decision: linux::early(cpu, &early(Some(as_initrd(cpu, source, bytes)?))),
        });
    }
    if given.initrds.is_empty() && given.files.is_empty() && !built_in.is_empty() {
        decisions.push(Told {
            setup: "Linux at boot without an initrd".to_owned(),
            decision: linux::early(cpu, &early(None)),
        });
    }
    let late = |firmware: &dyn Fn(&str) -> Option<linux::File>| {
        linux::late(
            cpu,
            &Late {
                command_line: line,
                force_minrev: Some(force_minrev),
                late_loading: None,
                built_in,
                firmware,
            },
        )
    };
    for folder in &given.folders {
        decisions.push(Told {
            setup: format!("Linux at run time with {}", folder.display()),
            decision: late(&|name| firmware(folder, name)),
        });
    }
    for (source, bytes) in &given.files {
        // Neither the compressed forms of the name nor Debian's other one.
        let file = |name: &str| {
            let plain = [".zst", ".xz", ".initramfs"]
                .iter()
                .all(|suffix| !name.ends_with(suffix));
            plain.then(|| linux::File {
                name: name.to_owned(),
                source: source.clone(),
                bytes: Arc::clone(bytes),
            })
        };
        decisions.push(Told {
            setup: format!("Linux at run time, {source} being the file that it asks for"),
            decision: late(&file),
        });
    }
    Ok(decisions)
}

/// An initrd with the file where the kernel looks for it.
fn as_initrd(cpu: &Cpu, source: &str, bytes: &[u8]) -> Result<linux::File, Error> {
    let vendor = match cpu.vendor {
        Vendor::Amd => "AuthenticAMD",
        Vendor::Intel | Vendor::Hygon | Vendor::Other => "GenuineIntel",
    };
    let archive = archive(&[Blob { vendor, bytes }], 0).map_err(|error| Error::refused(source, error))?;
    Ok(linux::File {
        name: initrd_path(cpu.vendor).unwrap_or_default().to_owned(),
        source: source.to_owned(),
        bytes: Arc::new(archive),
    })
}

/// A file of a firmware directory, as the kernel's firmware loader finds it. The directory may be
/// the whole one, or `intel-ucode` or `amd-ucode` alone.
fn firmware(folder: &Path, name: &str) -> Option<linux::File> {
    let mut path = folder.join(name);
    if !path.is_file()
        && let Some((first, rest)) = name.split_once('/')
        && folder.file_name().is_some_and(|last| last == first)
    {
        path = folder.join(rest);
    }
    let mut packed = Vec::new();
    File::open(&path)
        .ok()?
        .take(FIRMWARE_LIMIT)
        .read_to_end(&mut packed)
        .ok()?;
    let codec = match path.extension().and_then(|suffix| suffix.to_str()) {
        Some("zst") => Some(Codec::Zstd),
        Some("xz") => Some(Codec::Xz),
        _ => None,
    };
    let bytes = match codec {
        Some(codec) => {
            let mut bytes = Vec::new();
            let reader = codec::decoder(codec, packed.as_slice()).ok()?;
            reader.take(FIRMWARE_LIMIT).read_to_end(&mut bytes).ok()?;
            bytes
        }
        None => packed,
    };
    Some(linux::File {
        name: name.to_owned(),
        source: path.display().to_string(),
        bytes: Arc::new(bytes),
    })
}

fn verdict(decision: &Decision) -> String {
    let before = |word: &str| {
        decision
            .before
            .map_or_else(String::new, |before| format!("; {before} {word}"))
    };
    match (decision.loads, decision.chosen()) {
        (Some(true), Some(chosen)) => format!("loads {} of {}{}", chosen.revision, chosen.date, before("ran")),
        (Some(true), None) => format!("loads an update; which one hangs on what is not known{}", before("ran")),
        (Some(false), _) => format!("loads nothing{}", before("stays")),
        (None, _) => "hangs on what is not known".to_owned(),
    }
}

fn words(reason: &Reason, rules: &mut Vec<Rule>) -> String {
    if !rules.contains(&reason.rule) {
        rules.push(reason.rule);
    }
    format!("{} [{}]", reason.detail, reason.rule.id)
}

fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Chosen => "loaded",
        Outcome::Passed => "passed over",
        Outcome::OtherCpu => "other CPU",
        Outcome::Refused => "refused",
        Outcome::NotSeen => "not seen",
        Outcome::Depends => "depends",
    }
}
