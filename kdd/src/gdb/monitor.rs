//! The commands behind `monitor` in GDB (`process plugin packet monitor` in LLDB).

use std::fmt::Write as _;

use super::debuggee::Debuggee;
use super::memory::Place;
use super::packet;
use crate::memory::Gpa;
use crate::memory::paging::Kind;
use crate::target::{Table, Vcpu};

/// Most bytes that one command dumps.
const DUMP: u64 = 0x4000;

const HELP: &str = "\
help                     this text
info                     where the guest comes from, its vCPUs, what can be done with it
regs                     control registers, tables, MSRs of the current thread
translate ADDRESS        where a virtual address of the current thread lies in physical memory
phys                     whether addresses of memory are physical
phys on | phys off       from now on they are, they are not
phys read ADDRESS LENGTH bytes of physical memory
Numbers are hexadecimal. A thread is a vCPU: thread 1 is vCPU 0. While one does a single
instruction, the others stand still; one alone cannot run on. After \"phys on\" GDB and LLDB may
still show what they have read before. LLDB does not say for which thread it reads memory: it
is read as the thread that LLDB asked about last.
";

/// Answers a command.
pub(super) fn run<const WIDE: bool>(debuggee: &mut Debuggee<'_, WIDE>, command: &str) -> String {
    let words: Vec<&str> = command.split_ascii_whitespace().collect();
    match words.as_slice() {
        [] | ["help"] => HELP.to_owned(),
        ["info"] => info(debuggee),
        ["regs"] => match debuggee.vcpu(debuggee.thread) {
            Some(vcpu) => registers(vcpu),
            None => "no registers known\n".to_owned(),
        },
        ["translate", at] => match number(at) {
            Some(at) => translate(debuggee, at),
            None => "translate: expected a hexadecimal address\n".to_owned(),
        },
        ["phys"] => format!("{}\n", debuggee.view().words()),
        ["phys", on @ ("on" | "off")] => {
            debuggee.physical = *on == "on";
            let mut text = format!("{}\n", debuggee.view().words());
            if !debuggee.physical && debuggee.map.is_some() {
                text.push_str("GDB keeps to its map of physical memory until \"delete mem\"\n");
            }
            text
        }
        ["phys", "read", at, length] => match (number(at), number(length)) {
            (Some(at), Some(length)) => dump(debuggee, at, length),
            _ => "phys read: expected a hexadecimal address and a length\n".to_owned(),
        },
        _ => "not a command; \"monitor help\" lists them\n".to_owned(),
    }
}

fn number(text: &str) -> Option<u64> {
    let text = text.replace('`', "");
    packet::number(text.strip_prefix("0x").unwrap_or(&text).as_bytes())
}

/// A vCPU in a line, for lists of threads.
pub(super) fn vcpu_line(vcpu: &Vcpu) -> String {
    let mode = match (vcpu.cr0, vcpu.segments.cs.selector & 3) {
        (Some(cr0), _) if cr0 & 1 == 0 => "real mode",
        (_, 0) => "kernel",
        (_, 3) => "user",
        _ => "ring 1 or 2",
    };
    match vcpu.cr3 {
        Some(cr3) => format!("vCPU {}, {mode}, CR3 {cr3:#x}", vcpu.number),
        None => format!("vCPU {}, {mode}", vcpu.number),
    }
}

fn info<const WIDE: bool>(debuggee: &mut Debuggee<'_, WIDE>) -> String {
    let target = &*debuggee.target;
    let mut text = format!("{}\n", target.container().description);
    for (name, value) in &target.container().facts {
        let _ = writeln!(text, "{name}: {value}");
    }
    let bytes = target
        .memory()
        .runs()
        .iter()
        .fold(0u64, |sum, run| sum.saturating_add(run.length));
    let _ = writeln!(
        text,
        "memory: {:.1} MiB in {} runs",
        mebibytes(bytes),
        target.memory().runs().len()
    );
    for vcpu in target.vcpus() {
        let _ = writeln!(text, "{}", vcpu_line(vcpu));
    }
    if target.vcpus().is_empty() {
        text.push_str("no vCPU known: thread 1 stands for the guest, its registers are unavailable\n");
    }
    for damage in target.damage() {
        let _ = writeln!(text, "damage: {damage}");
    }
    let _ = writeln!(text, "addresses are {}", debuggee.view().words());
    match debuggee.target.control().map(|control| control.lacks()) {
        Some(lacks) => {
            text.push_str("it can run, stop, be written to and have breakpoints\n");
            if !lacks.is_empty() {
                let _ = writeln!(text, "not possible: {}", lacks.join("; "));
            }
        }
        None => text.push_str("a capture: it can be read; it cannot run or be written to\n"),
    }
    text
}

#[expect(clippy::cast_precision_loss, reason = "one digit behind the point is shown")]
fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

fn registers(vcpu: &Vcpu) -> String {
    let mut text = vcpu_line(vcpu) + "\n";
    let controls = [
        ("cr0", vcpu.cr0),
        ("cr2", vcpu.cr2),
        ("cr3", vcpu.cr3),
        ("cr4", vcpu.cr4),
        ("cr8", vcpu.cr8),
        ("xcr0", vcpu.xcr0),
    ];
    for (name, value) in controls {
        line(&mut text, name, value);
    }
    for (name, table) in [("gdt", vcpu.gdt), ("idt", vcpu.idt)] {
        let words = table.map(|Table { base, limit }| format!("base {base:#018x} limit {limit:#06x}"));
        let _ = writeln!(text, "{name:<8} {}", words.as_deref().unwrap_or("not known"));
    }
    let segments = &vcpu.segments;
    let all = [
        ("es", segments.es),
        ("cs", segments.cs),
        ("ss", segments.ss),
        ("ds", segments.ds),
        ("fs", segments.fs),
        ("gs", segments.gs),
        ("ldtr", segments.ldt),
        ("tr", segments.tr),
    ];
    for (name, segment) in all {
        let hidden = segment.hidden.map(|hidden| {
            format!(
                " base {:#018x} limit {:#010x} access {:#06x}",
                hidden.base, hidden.limit, hidden.access
            )
        });
        let _ = writeln!(
            text,
            "{name:<8} {:#06x}{}",
            segment.selector,
            hidden.unwrap_or_default()
        );
    }
    for (at, value) in vcpu
        .dr
        .iter()
        .flatten()
        .enumerate()
        .filter(|(at, _)| !matches!(at, 4 | 5))
    {
        line(&mut text, &format!("dr{at}"), Some(*value));
    }
    for (number, value) in &vcpu.msrs {
        let _ = writeln!(text, "msr {number:#010x} {value:#018x}");
    }
    text
}

fn line(text: &mut String, name: &str, value: Option<u64>) {
    let _ = match value {
        Some(value) => writeln!(text, "{name:<8} {value:#018x}"),
        None => writeln!(text, "{name:<8} not known"),
    };
}

fn translate<const WIDE: bool>(debuggee: &Debuggee<'_, WIDE>, at: u64) -> String {
    let paging = debuggee.paging();
    match paging.translate(debuggee.target, &debuggee.cache, at) {
        Ok(Place::Same(gpa)) => format!("{gpa}: addresses are {}\n", paging.words()),
        Ok(Place::Paged(found)) => {
            let mut words = format!("{at:#018x} is at {}, page of {:#x} bytes", found.gpa, found.page_size);
            let rights = [
                (found.writable, "writable"),
                (found.user, "user"),
                (found.executable, "executable"),
                (found.kind == Kind::Transition, "in transition"),
                (found.kind == Kind::Prototype, "by a prototype entry"),
            ];
            for (_, right) in rights.iter().filter(|(has, _)| *has) {
                let _ = write!(words, ", {right}");
            }
            words + "\n"
        }
        Err(fault) => format!("{fault}\n"),
    }
}

/// Bytes of physical memory, 16 in a line.
fn dump<const WIDE: bool>(debuggee: &Debuggee<'_, WIDE>, at: u64, length: u64) -> String {
    let mut bytes = vec![0; usize::try_from(length.min(DUMP)).unwrap_or_default()];
    let read = debuggee.target.memory().read(Gpa(at), &mut bytes);
    bytes.truncate(read);
    let mut text = String::new();
    for (row, bytes) in bytes.chunks(16).enumerate() {
        let row = at.saturating_add(u64::try_from(row).unwrap_or_default().saturating_mul(16));
        let _ = write!(text, "{row:#018x} ");
        for byte in bytes {
            let _ = write!(text, " {byte:02x}");
        }
        text.push('\n');
    }
    if length > DUMP {
        let _ = writeln!(text, "at most {DUMP:#x} bytes at once");
    } else if u64::try_from(read).is_ok_and(|read| read < length) {
        let _ = writeln!(
            text,
            "{}: not there",
            Gpa(at.saturating_add(u64::try_from(read).unwrap_or_default()))
        );
    }
    text
}
