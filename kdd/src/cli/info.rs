//! `delid kdd info`: what a capture holds.

use std::io::{self, Write};

use clap::Parser;
use schemars::JsonSchema;
use serde::Serialize;

use super::{Error, lists, rows, source::Of};
use crate::damage::Damage;
use crate::memory::Run;
use crate::target::vcpu::{gpr, msr};
use crate::target::{Container, Hints, Vcpu};
use crate::windows::{Build, Kdbg, KdbgState, Missing, PagingMode, Processor, Windows};

/// Modules and processes that are shown without asking for all.
const SHOWN: usize = 12;

/// `delid kdd info`.
#[derive(Clone, Debug, Parser)]
pub struct Info {
    #[command(flatten)]
    of: Of,
    /// List all memory ranges, modules and processes
    #[arg(long)]
    all: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What `info` prints as JSON.
#[derive(JsonSchema, Serialize)]
pub(super) struct Shown<'a> {
    source: String,
    container: &'a Container,
    memory: Memory<'a>,
    vcpus: Vec<Cpu>,
    /// What the container says about the Windows inside.
    hints: &'a Hints,
    windows: &'a Windows,
    damage: &'a [Damage],
}

#[derive(JsonSchema, Serialize)]
struct Memory<'a> {
    /// Bytes that are there.
    bytes: u64,
    runs: &'a [Run],
}

/// Registers that say where a vCPU is.
#[derive(JsonSchema, Serialize)]
struct Cpu {
    number: u32,
    mode: &'static str,
    rip: String,
    rsp: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    cr0: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cr3: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cr4: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gs_base: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kernel_gs_base: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lstar: Option<String>,
}

fn hex(value: u64) -> String {
    format!("{value:#018x}")
}

impl Cpu {
    fn new(vcpu: &Vcpu) -> Self {
        let model = |number: u32| vcpu.msrs.get(&number).copied().map(hex);
        Self {
            number: vcpu.number,
            mode: mode(vcpu),
            rip: hex(vcpu.rip),
            rsp: hex(vcpu.gpr.get(gpr::RSP).copied().unwrap_or_default()),
            cr0: vcpu.cr0.map(hex),
            cr3: vcpu.cr3.map(hex),
            cr4: vcpu.cr4.map(hex),
            gs_base: model(msr::GS_BASE),
            kernel_gs_base: model(msr::KERNEL_GS_BASE),
            lstar: model(msr::LSTAR),
        }
    }
}

/// Mode of a vCPU in words.
fn mode(vcpu: &Vcpu) -> &'static str {
    const PROTECTED: u64 = 1;
    const PAGING: u64 = 1 << 31;
    match (vcpu.cr0, vcpu.long_mode()) {
        (_, Some(true)) => "long mode",
        (Some(cr0), _) if cr0 & PROTECTED == 0 => "real mode",
        (Some(cr0), _) if cr0 & PAGING == 0 => "protected mode, no paging",
        (Some(_), Some(false)) => "protected mode",
        _ => "mode unknown",
    }
}

impl Info {
    pub(super) fn run(&self, out: &mut dyn Write) -> Result<u8, Error> {
        let guest = self.of.open()?;
        let target = guest.target();
        let runs = target.memory().runs();
        let shown = Shown {
            source: self.of.name(),
            container: target.container(),
            memory: Memory {
                bytes: runs.iter().fold(0, |sum: u64, run| sum.saturating_add(run.length)),
                runs,
            },
            vcpus: target.vcpus().iter().map(Cpu::new).collect(),
            hints: target.hints(),
            windows: guest.windows(),
            damage: target.damage(),
        };
        if self.json {
            super::json(out, &shown)?;
        } else {
            self.print(&shown, out)?;
        }
        let windows = shown.windows;
        let bad = windows.kernel.is_none() || !windows.damage.is_empty() || !shown.damage.is_empty();
        Ok(u8::from(bad))
    }

    fn print(&self, shown: &Shown<'_>, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{}: {}", shown.source, shown.container.description)?;
        for (name, value) in &shown.container.facts {
            line(out, name, value)?;
        }
        self.memory(&shown.memory, out)?;
        for vcpu in &shown.vcpus {
            cpu(vcpu, out)?;
        }
        writeln!(out)?;
        windows(shown.windows, out)?;
        self.parts(shown.windows, out)?;
        for Missing { what, why } in &shown.windows.missing {
            writeln!(out, "missing: {what}: {why}")?;
        }
        for damage in shown.damage.iter().chain(&shown.windows.damage) {
            writeln!(out, "damaged: {damage}")?;
        }
        Ok(())
    }

    fn memory(&self, memory: &Memory<'_>, out: &mut dyn Write) -> io::Result<()> {
        let count = memory.runs.len();
        let ranges = if count == 1 { "range" } else { "ranges" };
        line(
            out,
            "memory",
            &format!("{} in {count} {ranges}", rows::size(memory.bytes)),
        )?;
        let shown = if self.all { count } else { 4 };
        for run in memory.runs.iter().take(shown) {
            let text = format!("{} to {}  {}", run.start, run.end(), rows::size(run.length));
            line(out, "", &text)?;
        }
        if count > shown {
            line(out, "", &format!("{} more: --all", count - shown))?;
        }
        Ok(())
    }

    fn parts(&self, windows: &Windows, out: &mut dyn Write) -> io::Result<()> {
        if !windows.processors.is_empty() {
            writeln!(out)?;
            processors(&windows.processors, out)?;
        }
        let shown = if self.all { usize::MAX } else { SHOWN };
        if !windows.modules.is_empty() {
            writeln!(out, "\n{} modules", windows.modules.len())?;
            lists::modules(windows.modules.get(..shown).unwrap_or(&windows.modules), out)?;
            more(windows.modules.len(), shown, "modules", out)?;
        }
        if !windows.processes.is_empty() {
            writeln!(out, "\n{} processes", windows.processes.len())?;
            lists::processes(windows.processes.get(..shown).unwrap_or(&windows.processes), out)?;
            more(windows.processes.len(), shown, "processes", out)?;
        }
        Ok(())
    }
}

fn more(count: usize, shown: usize, command: &str, out: &mut dyn Write) -> io::Result<()> {
    if count <= shown {
        return Ok(());
    }
    writeln!(out, "{} more: delid kdd {command}, or --all", count - shown)
}

/// A name longer than its column stands on a line of its own.
fn line(out: &mut dyn Write, name: &str, value: &str) -> io::Result<()> {
    if name.len() > 12 {
        writeln!(out, "  {name}")?;
        return writeln!(out, "  {:<12} {value}", "");
    }
    writeln!(out, "  {name:<12} {value}")
}

fn cpu(vcpu: &Cpu, out: &mut dyn Write) -> io::Result<()> {
    let known = [("cr3", &vcpu.cr3), ("gs", &vcpu.gs_base), ("lstar", &vcpu.lstar)];
    let known: String = known
        .iter()
        .filter_map(|(name, value)| value.as_ref().map(|value| format!("  {name} {value}")))
        .collect();
    let text = format!("{}  rip {}  rsp {}{known}", vcpu.mode, vcpu.rip, vcpu.rsp);
    line(out, &format!("vCPU {}", vcpu.number), &text)
}

fn windows(windows: &Windows, out: &mut dyn Write) -> io::Result<()> {
    let version = match &windows.build {
        Some(build) => version(build, windows),
        None if windows.kernel.is_some() => "version not known".to_owned(),
        None => "not found".to_owned(),
    };
    writeln!(out, "Windows: {version}")?;
    if let Some(time) = windows.build.as_ref().and_then(|build| build.system_time) {
        line(out, "time", &rows::time(time))?;
    }
    if let Some(kernel) = &windows.kernel {
        let size = rows::size(u64::from(kernel.size));
        line(out, "kernel", &format!("{}  {size}  ({})", kernel.base, kernel.from))?;
        if let Some(pdb) = &kernel.pdb {
            line(out, "", &format!("{} {}", pdb.name, pdb.id))?;
        }
    }
    if let Some(found) = &windows.directory {
        let mode = match windows.paging {
            Some(PagingMode::Bits32) => "2 levels, 32-bit entries",
            Some(PagingMode::Pae) => "3 levels (PAE)",
            Some(PagingMode::FourLevel) => "4 levels",
            Some(PagingMode::FiveLevel) => "5 levels",
            None => "page tables not known",
        };
        line(out, "directory", &format!("{}  {mode}  ({})", found.value, found.from))?;
    }
    if let Some(Kdbg { at, from, state, .. }) = &windows.kdbg {
        let state = match state {
            KdbgState::Plain => "plain",
            KdbgState::Decoded => "encoded, decoded here",
            KdbgState::Synthesised => "put together here",
        };
        line(out, "KDBG", &format!("{at}  {state}  ({from})"))?;
    }
    Ok(())
}

fn version(build: &Build, windows: &Windows) -> String {
    let product = match build.product_type {
        Some(1) => ", workstation",
        Some(2) => ", domain controller",
        Some(3) => ", server",
        _ => "",
    };
    let machine = match windows.architecture {
        Some(crate::windows::Architecture::X64) => ", x64",
        Some(crate::windows::Architecture::X86) => ", x86",
        None => "",
    };
    let name = build.name.as_deref().unwrap_or("release not known");
    let checked = if build.checked { ", checked build" } else { "" };
    format!(
        "{name}, build {}{machine}{product}{checked}  ({})",
        build.number, build.from
    )
}

fn processors(list: &[Processor], out: &mut dyn Write) -> io::Result<()> {
    let rows: Vec<Vec<String>> = list
        .iter()
        .map(|processor| {
            let state = match processor.vcpu {
                Some(vcpu) => format!("vCPU {vcpu}"),
                None if processor.from_kprcb => "KPRCB".to_owned(),
                None => "none".to_owned(),
            };
            vec![
                processor.number.to_string(),
                processor.kpcr.to_string(),
                processor.kprcb.to_string(),
                processor
                    .thread
                    .map_or_else(|| "-".to_owned(), |thread| thread.to_string()),
                state,
            ]
        })
        .collect();
    rows::print(
        &[">processor", "KPCR", "KPRCB", "KTHREAD", "registers from"],
        &rows,
        out,
    )
}
