//! `delid microcode load`: hands microcode to the hypervisor that runs, after saying what it will do.
//!
//! Without `--yes` nothing is loaded. What is handed over is a container as `xen-ucode` would be given it:
//! a file, the vendor's file of a firmware directory, or the early microcode of an initrd.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use captures::xen::{CpuUcode, Xen, XenError};
use captures::{DocumentKind, Source};
use clap::Parser;
use schemars::JsonSchema;
use serde::Serialize;

use super::Error;
use super::cpu::CpuInput;
use super::explain::{self, Explained};
use crate::container;
use crate::cpu::{Cpu, Vendor};
use crate::ids::Revision;
use crate::loader::xen::{self, Module, answer};
use crate::loader::{Decision, Rule, early_cpio};

/// What every late load of any hypervisor or kernel is told to be careful about.
const CAUTION: &str = "caution: late loading stops all CPUs for a moment; features that the update adds or takes \
    away do not reach Xen and guests that run, so the boot modules are the better place (ucode=scan)";

/// `delid microcode load`.
#[derive(Clone, Debug, Parser)]
#[command(after_long_help = EXAMPLES)]
pub struct Load {
    /// A microcode file, an initrd with early microcode, or a firmware directory
    #[arg(value_name = "PATH")]
    path: PathBuf,
    /// Hand it to Xen (as root in dom0)
    #[arg(long, required = true)]
    xen: bool,
    /// Do it; without, only say what would happen
    #[arg(long)]
    yes: bool,
    /// As xen-ucode -f: load the same and older revisions too
    #[arg(long)]
    force: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "Examples:
  delid microcode load --xen /lib/firmware             says what Xen would do with the file for this CPU
  delid microcode load --xen --yes /boot/initrd.img-6.12.0-1-amd64
Exit code 1: nothing is (or would be) loaded.";

/// What `load` prints as JSON.
#[derive(JsonSchema, Serialize)]
pub(super) struct Loaded {
    /// What is handed over.
    file: String,
    bytes: usize,
    /// What Xen's rules say of it, by kind of CPU.
    explained: Vec<Explained>,
    /// Whether it was handed over.
    handed_over: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<Refusal>,
    /// What runs afterwards, where it was handed over.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    after: Vec<Running>,
}

/// Xen's answer, where it did not load.
#[derive(JsonSchema, Serialize)]
struct Refusal {
    errno: i32,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'static str>,
    /// Rules that answer so.
    rules: Vec<Rule>,
    /// Whether one of them is a reason given above.
    foreseen: bool,
}

/// A revision, and the CPUs that run it.
#[derive(JsonSchema, Serialize)]
struct Running {
    revision: Revision,
    cpus: usize,
}

impl Load {
    pub(super) fn run(&self, out: &mut dyn Write) -> Result<u8, Error> {
        let refused = |error: &XenError| Error::refused("load --xen", error);
        let xen = Xen::open().map_err(|error| refused(&error))?;
        if Source::live().documents(DocumentKind::XenUcode).next().is_none() {
            xen.ucode().map_err(|error| refused(&error))?;
        }
        let (cpus, _) = CpuInput::default().load()?;
        let vendor = cpus.first().map_or(Vendor::Other, |cpu| cpu.vendor);
        let file = blob(&self.path, cpus.first())?;
        let mut loaded = Loaded {
            file: file.source.clone(),
            bytes: file.bytes.len(),
            explained: cpus.into_iter().map(|cpu| self.explain(cpu, &file)).collect(),
            handed_over: self.yes,
            refused: None,
            after: Vec::new(),
        };
        if self.yes {
            match xen.update_microcode(&file.bytes, self.force) {
                Ok(()) => {}
                Err(XenError::Refused { errno, .. }) => {
                    loaded.refused = Some(Refusal::of(vendor, errno, &loaded.explained));
                }
                Err(error) => return Err(refused(&error)),
            }
            loaded.after = running(&xen.ucode().map_err(|error| refused(&error))?);
        }
        if self.json {
            super::json(out, &loaded)?;
        } else {
            loaded.print(out)?;
        }
        Ok(loaded.code())
    }

    fn explain(&self, cpu: Cpu, file: &Module) -> Explained {
        let line = cpu.xen.as_deref().and_then(|xen| xen.command_line.clone());
        let told = explain::at_run_time(&cpu, file.clone(), self.force, line.as_deref());
        Explained {
            cpu,
            decisions: vec![told],
        }
    }
}

/// What Xen is given of a path.
fn blob(path: &Path, cpu: Option<&Cpu>) -> Result<Module, Error> {
    let vendor = cpu.map_or(Vendor::Other, |cpu| cpu.vendor);
    if path.is_dir() {
        return cpu
            .and_then(|cpu| explain::of_folder(cpu, path))
            .ok_or_else(|| Error::refused(path.display(), "no file for this CPU is in it"));
    }
    let module = explain::module(path)?;
    let member = xen::path(vendor);
    if container::read(&module.bytes).is_some() {
        return Ok(module);
    }
    match early_cpio::find(&module.bytes, member).found {
        Some(range) => Ok(Module {
            source: format!("{}: {member}", module.source),
            bytes: Arc::new(module.bytes.get(range).unwrap_or_default().to_vec()),
        }),
        None => Err(Error::refused(
            path.display(),
            format!("expected a microcode file, or an initrd with {member}"),
        )),
    }
}

/// How many CPUs run which revision.
fn running(cpus: &[CpuUcode]) -> Vec<Running> {
    let mut all: Vec<Running> = Vec::new();
    for cpu in cpus {
        let revision = Revision(cpu.revision);
        match all.iter_mut().find(|running| running.revision == revision) {
            Some(running) => running.cpus = running.cpus.saturating_add(1),
            None => all.push(Running { revision, cpus: 1 }),
        }
    }
    all
}

impl Refusal {
    fn of(vendor: Vendor, errno: i32, explained: &[Explained]) -> Self {
        let (name, rules) = answer::meaning(vendor, errno).unzip();
        let rules = rules.unwrap_or_default().to_vec();
        let foreseen = decisions(explained).any(|decision| given(decision).any(|rule| rules.contains(&rule)));
        Self {
            errno,
            name,
            rules,
            foreseen,
        }
    }
}

fn decisions(explained: &[Explained]) -> impl Iterator<Item = &Decision> {
    let told = explained.iter().flat_map(|one| &one.decisions);
    told.map(|told| &told.decision)
}

/// Every rule that a decision gives as a reason.
fn given(decision: &Decision) -> impl Iterator<Item = Rule> {
    let looks = decision.looks.iter().flat_map(|look| {
        let candidates = look.candidates.iter().flat_map(|candidate| &candidate.reasons);
        look.reasons.iter().chain(candidates)
    });
    decision.reasons.iter().chain(looks).map(|reason| reason.rule)
}

impl Loaded {
    /// 0: it is loaded, or would be as far as the rules tell.
    fn code(&self) -> u8 {
        let loads = match self.handed_over {
            true => self.refused.is_none(),
            false => decisions(&self.explained).any(|decision| decision.loads != Some(false)),
        };
        u8::from(!loads)
    }

    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        for explained in &self.explained {
            explain::print(explained, false, out)?;
            writeln!(out)?;
        }
        for explained in &self.explained {
            let decision = explained.decisions.first().map(|told| &told.decision);
            let Some(chosen) = decision.and_then(Decision::chosen) else {
                continue;
            };
            writeln!(
                out,
                "{} {}: revision {} -> {}, from {} at {:#x}",
                if self.handed_over {
                    "handed to Xen for"
                } else {
                    "Xen would load it on"
                },
                cpus(explained.cpu.cpus.len()),
                or_unknown(explained.cpu.revision),
                chosen.revision,
                chosen.place.source,
                chosen.place.offset
            )?;
        }
        if !self.handed_over {
            if self.code() == 0 {
                writeln!(out, "{CAUTION}")?;
                return writeln!(out, "nothing was loaded: --yes does it");
            }
            return writeln!(out, "nothing was loaded, and Xen would load nothing of it");
        }
        match &self.refused {
            None => writeln!(
                out,
                "{}: {} bytes handed to Xen, which loaded them",
                self.file, self.bytes
            )?,
            Some(refusal) => refusal.print(out)?,
        }
        for running in &self.after {
            writeln!(out, "now {} on {}", running.revision, cpus(running.cpus))?;
        }
        Ok(())
    }
}

impl Refusal {
    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        let words = io::Error::from_raw_os_error(self.errno);
        writeln!(
            out,
            "Xen refused it: {} ({words})",
            self.name.unwrap_or("an answer that its loader does not give")
        )?;
        for rule in &self.rules {
            writeln!(out, "  [{}] {}", rule.id, rule.says)?;
        }
        match (self.foreseen, self.rules.len()) {
            (true, _) => writeln!(out, "  as the rules above say"),
            (false, 0) => Ok(()),
            (false, _) => writeln!(out, "  the rules above do not foresee it: see xl dmesg"),
        }
    }
}

fn cpus(count: usize) -> String {
    match count {
        1 => "1 CPU".to_owned(),
        _ => format!("{count} CPUs"),
    }
}

fn or_unknown(revision: Option<Revision>) -> String {
    revision.map_or_else(|| "not known".to_owned(), |revision| revision.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Signature;

    fn cpu(revision: u32) -> Cpu {
        Cpu {
            signature: Some(Signature(0x806e9)),
            revision: Some(Revision(revision)),
            cpus: vec![0, 1],
            ..Cpu::new("test", Vendor::Intel)
        }
    }

    fn loaded(bytes: &[u8], errno: Option<i32>) -> Loaded {
        let file = Module {
            source: "file".to_owned(),
            bytes: Arc::new(bytes.to_vec()),
        };
        let load = Load {
            path: PathBuf::new(),
            xen: true,
            yes: errno.is_some(),
            force: false,
            json: false,
        };
        let explained = vec![load.explain(cpu(0x10), &file)];
        Loaded {
            refused: errno.map(|errno| Refusal::of(Vendor::Intel, errno, &explained)),
            file: file.source,
            bytes: bytes.len(),
            explained,
            handed_over: load.yes,
            after: Vec::new(),
        }
    }

    fn text(loaded: &Loaded) -> String {
        let mut out = Vec::new();
        loaded.print(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_file_that_xen_would_not_load_is_said_so_before_it_is_handed_over() {
        let dry = loaded(b"no microcode at all, but longer than a header of one is", None);
        assert_eq!(dry.code(), 1);
        assert!(text(&dry).contains("nothing was loaded, and Xen would load nothing of it"));
    }

    #[test]
    fn a_refusal_is_traced_to_the_rule_that_was_given_as_the_reason() {
        let done = loaded(b"no microcode at all, but longer than a header of one is", Some(22));
        assert_eq!(done.code(), 1);
        let text = text(&done);
        assert!(text.contains("Xen refused it: EINVAL"), "{text}");
        assert!(text.contains("as the rules above say"), "{text}");
        let other = loaded(b"no microcode at all, but longer than a header of one is", Some(5));
        assert!(!other.refused.as_ref().unwrap().foreseen);
    }

    #[test]
    fn an_answer_of_no_rule_is_told_as_it_is() {
        let done = loaded(b"", Some(12));
        assert!(text(&done).contains("an answer that its loader does not give"));
    }

    #[test]
    fn revisions_are_counted() {
        let one = |revision| CpuUcode {
            cpu: 0,
            vendor: String::new(),
            family: 0,
            model: 0,
            stepping: 0,
            signature: 0,
            flags: 0,
            revision,
        };
        let counted = running(&[one(1), one(2), one(1)]);
        let counted: Vec<_> = counted
            .iter()
            .map(|running| (running.revision.0, running.cpus))
            .collect();
        assert_eq!(counted, [(1, 2), (2, 1)]);
    }

    #[test]
    fn without_xen_nothing_is_read_and_its_absence_is_told() {
        let Err(error) = Xen::open() else { return };
        let load = Load {
            path: PathBuf::from("absent"),
            xen: true,
            yes: true,
            force: false,
            json: false,
        };
        let seen = load.run(&mut Vec::new()).unwrap_err();
        assert_eq!(seen.to_string(), format!("load --xen: {error}"));
    }
}
