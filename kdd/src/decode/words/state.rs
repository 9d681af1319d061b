//! STATE_CHANGE64: the target stopped, or a module came or went.
//!
//! 240 bytes: state u32, processor level u16, processor u16, number of processors u32, thread u64 at 16,
//! program counter u64 at 24, the fields of the state at 32, a report of the processor at 0xc0. The path of
//! a module or a command follows.

use super::Words;
use super::field::{bytes, quoted, status, u16, u32, u64};

/// Where the processor's report stands.
const REPORT: usize = 0xc0;
/// Length without a path.
const LENGTH: usize = 240;
/// Machine code of x86.
const X86: u16 = 0x14c;

/// A state change in words.
pub(super) fn words(machine: Option<u16>, payload: &[u8]) -> Words {
    let Some(state) = u32(payload, 0) else {
        return Words::short("state change without a state");
    };
    let what = match state {
        0x3030 => exception(payload),
        0x3031 => symbols(payload),
        0x3032 => Some(format!("command string {}", quoted(text(payload)))),
        _ => return Words::unknown(format!("state {state:#06x}: {}", bytes(payload))),
    };
    let (Some(what), Some(place)) = (what, place(payload)) else {
        return Words::short(format!("state {state:#06x}, cut: {}", bytes(payload)));
    };
    let small = machine.map_or_else(|| small(payload), |machine| machine == X86);
    let report = if small { report_x86(payload) } else { report(payload) };
    let report = report.map_or_else(String::new, |report| format!(", {report}"));
    Words {
        short: payload.len() < LENGTH,
        ..Words::new(format!("{what}, {place}{report}"))
    }
}

fn place(payload: &[u8]) -> Option<String> {
    Some(format!(
        "cpu {} of {}, thread {:016x}, pc {:016x}",
        u16(payload, 6)?,
        u32(payload, 8)?,
        u64(payload, 16)?,
        u64(payload, 24)?
    ))
}

fn exception(payload: &[u8]) -> Option<String> {
    let (code, flags) = (u32(payload, 32)?, u32(payload, 36)?);
    let (address, count) = (u64(payload, 48)?, u32(payload, 56)?);
    let chance = if u32(payload, 184)? == 0 { "second" } else { "first" };
    let mut text = format!("exception {} at {address:016x}, {chance} chance", status(code));
    if flags != 0 {
        text.push_str(&format!(", flags {flags:#x}"));
    }
    let parameters = usize::try_from(count).unwrap_or(usize::MAX).min(15);
    let values = (0..parameters).filter_map(|number| u64(payload, number.checked_mul(8)?.checked_add(64)?));
    let values: Vec<String> = values.map(|value| format!("{value:#x}")).collect();
    if !values.is_empty() {
        text.push_str(&format!(", parameters {}", values.join(" ")));
    }
    Some(text)
}

fn symbols(payload: &[u8]) -> Option<String> {
    let (base, process) = (u64(payload, 40)?, u64(payload, 48)?);
    let (checksum, size, unload) = (u32(payload, 56)?, u32(payload, 60)?, *payload.get(64)?);
    let verb = if unload == 0 { "load" } else { "unload" };
    let path = if u32(payload, 32)? == 0 {
        String::new()
    } else {
        format!(" {}", quoted(text(payload)))
    };
    Some(format!(
        "{verb} symbols{path}, base {base:016x}, size {size:#x}, checksum {checksum:#x}, process {process:#x}"
    ))
}

/// What stands behind the fixed part, to the NUL.
fn text(payload: &[u8]) -> &[u8] {
    let text = payload.get(LENGTH..).unwrap_or_default();
    text.split(|byte| *byte == 0).next().unwrap_or_default()
}

/// Addresses of 32-bit targets are sign-extended; no 64-bit Windows has both of these in its last 4 GiB.
fn small(payload: &[u8]) -> bool {
    [16, 24]
        .iter()
        .all(|at| u64(payload, *at).is_some_and(|address| address >> 32 == 0xffff_ffff))
}

/// The report of an x64 processor.
fn report(payload: &[u8]) -> Option<String> {
    let report = payload.get(REPORT..)?;
    let (dr6, dr7, flags) = (u64(report, 0)?, u64(report, 8)?, u32(report, 16)?);
    let code = code(u16(report, 20)?, report.get(24..)?);
    Some(format!(
        "dr6 {dr6:#x} dr7 {dr7:#x} efl {flags:08x} {}{code}",
        segments(report, 40)?
    ))
}

/// The report of an x86 processor.
fn report_x86(payload: &[u8]) -> Option<String> {
    let report = payload.get(REPORT..)?;
    let (dr6, dr7, flags) = (u32(report, 0)?, u32(report, 4)?, u32(report, 36)?);
    let code = code(u16(report, 8)?, report.get(12..)?);
    Some(format!(
        "dr6 {dr6:#x} dr7 {dr7:#x} efl {flags:08x} {}{code}",
        segments(report, 28)?
    ))
}

fn segments(report: &[u8], at: usize) -> Option<String> {
    let segments = report.get(at..)?;
    let (cs, ds) = (u16(segments, 0)?, u16(segments, 2)?);
    let (es, fs) = (u16(segments, 4)?, u16(segments, 6)?);
    Some(format!("cs {cs:04x} ds {ds:04x} es {es:04x} fs {fs:04x}"))
}

fn code(count: u16, stream: &[u8]) -> String {
    let length = usize::from(count).min(16).min(stream.len());
    match stream.get(..length) {
        Some(code) if length > 0 => format!(", code {}", bytes(code)),
        _ => String::new(),
    }
}
