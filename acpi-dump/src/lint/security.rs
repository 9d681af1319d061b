//! Check 30: what is unsafe, or suspicious, or tells that firmware looks at who runs on it.

use super::catalogue::platform as checks;
use super::hit::Report;
use super::subject::{Subject, View, gas, place};
use crate::layout::Value;

pub(super) fn run(subject: &Subject<'_>, report: &mut Report) {
    for view in subject.views() {
        match &view.named.table.signature.0 {
            b"WSMT" => mitigations(view, report),
            b"WPBT" => binary(view, report),
            b"TPM2" => tpm(view, report),
            b"ECDT" => embedded_controller(view, report),
            b"DSDT" | b"SSDT" | b"PSDT" => linux(view, report),
            _ => {}
        }
    }
}

fn mitigations(view: View<'_>, report: &mut Report) {
    let name = "Protection flags";
    let at = place(view.section, name);
    match view.section.number(name) {
        Some(0) => report.at(
            checks::WSMT_NONE,
            view.named,
            at,
            "mitigations of SMM attacks",
            "no flag set",
        ),
        // WSMT: nested pointers are checked only where buffers are fixed.
        Some(flags) if flags & 3 == 2 => {
            let expected = "FIXED_COMM_BUFFERS with COMM_BUFFER_NESTED_PTR_PROTECTION";
            report.at(checks::WSMT_FLAGS, view.named, at, expected, format!("{flags:#010x}"));
        }
        _ => {}
    }
}

fn binary(view: View<'_>, report: &mut Report) {
    let number = |name| view.section.number(name);
    let (size, location) = (number("Handoff memory size"), number("Handoff memory location"));
    if let (Some(size), Some(location)) = (size, location) {
        let seen = format!("{size} bytes at {location:#x}");
        report.at(
            checks::WPBT_PRESENT,
            view.named,
            36,
            "no program for Windows in the firmware",
            seen,
        );
    }
}

fn tpm(view: View<'_>, report: &mut Report) {
    let name = "Address of the control area";
    let needs = matches!(view.section.number("Start method"), Some(2 | 7 | 8 | 11 | 13 | 15));
    if needs && view.section.number(name) == Some(0) {
        let expected = "address of the control area for this start method";
        report.at(
            checks::TPM_ADDRESS,
            view.named,
            place(view.section, name),
            expected,
            "0",
        );
    }
}

fn embedded_controller(view: View<'_>, report: &mut Report) {
    for name in ["EC_CONTROL", "EC_DATA"] {
        let register = gas(view.section, name);
        if let Some(register) = register.filter(|gas| gas.address == 0 || !matches!(gas.space, 0 | 1)) {
            let expected = format!("{name} in system I/O or memory");
            let seen = format!("space {:#x}, address {:#x}", register.space, register.address);
            report.at(checks::ECDT_REGISTER, view.named, register.at, expected, seen);
        }
    }
    let Some(row) = view.section.row("EC_ID") else { return };
    let Value::Text(path) = &row.value else { return };
    let ends = row.offset.saturating_add(row.length).saturating_sub(1);
    let ended = view.named.table.bytes.get(ends) == Some(&0);
    if !is_path(path) || !ended {
        report.at(
            checks::ECDT_ID,
            view.named,
            row.offset,
            "path of the device from the root",
            format!("{path:?}"),
        );
    }
}

/// Whether a text is an absolute path of the namespace.
pub(super) fn is_path(text: &str) -> bool {
    let Some(names) = text.strip_prefix('\\') else {
        return false;
    };
    let segment = |name: &str| {
        let mut bytes = name.bytes();
        let first = bytes.next().is_some_and(|byte| matches!(byte, b'A'..=b'Z' | b'_'));
        first && name.len() <= 4 && bytes.all(|byte| matches!(byte, b'A'..=b'Z' | b'0'..=b'9' | b'_'))
    };
    names.split('.').all(segment)
}

/// A call of `_OSI` with the text as a constant: name, string prefix, text, zero.
const OSI_LINUX: &[u8] = b"_OSI\x0dLinux\0";

fn linux(view: View<'_>, report: &mut Report) {
    let bytes = &view.named.table.bytes;
    for at in memchr::memmem::find_iter(bytes, OSI_LINUX) {
        report.at(
            checks::OSI_LINUX,
            view.named,
            at,
            "no question for Linux",
            "_OSI (\"Linux\")",
        );
    }
}
