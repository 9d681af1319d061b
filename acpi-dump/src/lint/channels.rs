//! Check 24: channels to platform firmware. ACPI 6.5, chapter 14.

use super::catalogue::platform as checks;
use super::hit::Report;
use super::subject::{Subject, View, gas, place};
use crate::layout::Section;

/// Registers of a subspace that software uses.
const REGISTERS: &[&str] = &[
    "Doorbell register",
    "Platform interrupt ack register",
    "Command complete check register",
    "Command complete update register",
    "Error status register",
];

pub(super) fn run(subject: &Subject<'_>, report: &mut Report) {
    for view in subject.all(b"PCCT") {
        for subspace in &view.section.sections {
            if let Some(kind) = subspace.number("Type") {
                registers(view, subspace, kind, report);
                memory(view, subspace, kind, report);
            }
        }
        interrupt(view, report);
    }
}

fn registers(view: View<'_>, subspace: &Section, kind: u64, report: &mut Report) {
    for name in REGISTERS {
        // A register that is not used is all zero.
        let register = gas(subspace, name).filter(|gas| gas.address != 0 || gas.space != 0);
        let Some(register) = register else { continue };
        let good = match kind {
            0 => matches!(register.space, 0 | 1),
            _ => matches!(register.space, 0 | 1 | 0x7f),
        };
        if !good {
            let expected = format!("{name} in system memory or I/O for subspace type {kind}");
            let seen = format!("address space {:#x}", register.space);
            report.at(checks::PCCT_REGISTER, view.named, register.at, expected, seen);
        }
    }
}

/// The shared memory holds a header of 8 bytes (types 0 to 2) or 16 bytes (types 3 and 4) and data.
fn memory(view: View<'_>, subspace: &Section, kind: u64, report: &mut Report) {
    let smallest = match kind {
        0..=2 => 8,
        3 | 4 => 16,
        _ => return,
    };
    let name = "Memory range length";
    if let Some(length) = subspace.number(name).filter(|length| *length <= smallest) {
        let expected = format!("more than {smallest} bytes");
        report.at(
            checks::PCCT_MEMORY,
            view.named,
            place(subspace, name),
            expected,
            length.to_string(),
        );
    }
    if subspace.number("Base address") == Some(0) {
        let at = place(subspace, "Base address");
        report.at(checks::PCCT_MEMORY, view.named, at, "address of the shared memory", "0");
    }
}

/// A responder subspace gets its messages by the platform interrupt.
fn interrupt(view: View<'_>, report: &mut Report) {
    let responder = view
        .section
        .sections
        .iter()
        .any(|section| section.number("Type") == Some(4));
    if let Some(flags) = view.section.number("Flags").filter(|flags| responder && flags & 1 == 0) {
        let at = place(view.section, "Flags");
        let expected = "platform interrupt, as there is a subspace of type 4";
        report.at(
            checks::PCCT_INTERRUPT,
            view.named,
            at,
            expected,
            format!("{flags:#010x}"),
        );
    }
}
