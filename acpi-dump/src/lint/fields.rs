//! What a rule for one field cannot say: fields of small tables that depend on each other.

use super::catalogue::tables as checks;
use super::hit::Report;
use super::subject::{Subject, View, gas, place};

pub(super) fn run(subject: &Subject<'_>, report: &mut Report) {
    for view in subject.views() {
        match &view.named.table.signature.0 {
            b"LPIT" => idle_states(view, report),
            b"MSCT" => domains(view, report),
            b"NHLT" => endpoints(view, report),
            b"PHAT" => health(view, report),
            b"SBST" => battery(view, report),
            b"TCPA" => tpm_log(view, report),
            b"WDAT" => watchdog(view, report),
            _ => {}
        }
        unknown_entries(view, report);
    }
}

/// Tables whose entry types are all defined by a specification that firmware cannot extend.
const CLOSED: &[&[u8; 4]] = &[
    b"APMT", b"CEDT", b"DMAR", b"FPDT", b"GTDT", b"HMAT", b"IORT", b"LPIT", b"NFIT", b"PCCT", b"PHAT", b"PPTT",
    b"RHCT", b"SLIC", b"SRAT", b"VIOT",
];

fn unknown_entries(view: View<'_>, report: &mut Report) {
    if !CLOSED.contains(&&view.named.table.signature.0) {
        return;
    }
    for section in view.section.all() {
        if let Some((noun, kind)) = section.title.split_once(" of unknown type ") {
            report.at(
                checks::ENTRY_TYPE,
                view.named,
                section.offset,
                format!("{noun} of a type that the specification defines"),
                format!("type {kind}"),
            );
        }
    }
}

/// Unique ids of idle states count from zero; a counter in an MSR has 64 bits.
fn idle_states(view: View<'_>, report: &mut Report) {
    for (expected, section) in view.sections("Native C-state").enumerate() {
        let id = section.number("Unique ID");
        if let Some(id) = id.filter(|id| usize::try_from(*id) != Ok(expected)) {
            let at = place(section, "Unique ID");
            report.at(
                checks::LPIT_STATE,
                view.named,
                at,
                format!("unique ID {expected}"),
                id.to_string(),
            );
        }
        let unavailable = section.number("Flags").is_some_and(|flags| flags & 2 != 0);
        let counter = gas(section, "Residency counter").filter(|gas| !unavailable && gas.space == 0x7f);
        if let Some(counter) = counter.filter(|gas| gas.width != 64) {
            report.at(
                checks::LPIT_STATE,
                view.named,
                counter.at,
                "residency counter of 64 bits in functional fixed hardware",
                format!("{} bits", counter.width),
            );
        }
    }
}

fn domains(view: View<'_>, report: &mut Report) {
    if !view.is_whole() {
        return;
    }
    let offset = "Offset to proximity domain information structures";
    if let Some(seen) = view.section.number(offset).filter(|offset| *offset < 0x38) {
        let at = place(view.section, offset);
        let expected = "offset behind the fields, 0x38 or more";
        report.at(checks::STRUCTURE_LENGTH, view.named, at, expected, format!("{seen:#x}"));
    }
    let last = "Maximum number of proximity domains, less one";
    let listed = view.sections("Maximum proximity domain information").count();
    let Some(most) = view.section.number(last).map(|last| last.saturating_add(1)) else {
        return;
    };
    if u64::try_from(listed).is_ok_and(|listed| listed > most) {
        let expected = format!("at most {most} proximity domain information structures");
        report.at(
            checks::MSCT_DOMAINS,
            view.named,
            place(view.section, last),
            expected,
            listed.to_string(),
        );
    }
}

/// Device types are defined for PDM and SSP links only.
fn endpoints(view: View<'_>, report: &mut Report) {
    for section in view.sections("Endpoint") {
        let known_link = matches!(section.number("Link type"), Some(2 | 3));
        let device = section
            .row("Device type")
            .filter(|row| known_link && row.words.is_none());
        if let Some(row) = device.filter(|row| row.value.number().is_some()) {
            let link = section.row("Link type").and_then(|row| row.words.clone());
            let expected = format!("device type of a {} link", link.unwrap_or_default());
            report.at(
                checks::FIELD_VALUE,
                view.named,
                row.offset,
                expected,
                row.value.to_string(),
            );
        }
    }
}

fn health(view: View<'_>, report: &mut Report) {
    for section in view.sections("Firmware health data") {
        let name = "Offset of the device-specific data";
        let offset = section.number(name).and_then(|offset| usize::try_from(offset).ok());
        if let Some(offset) = offset.filter(|offset| *offset > section.length) {
            report.at(
                checks::STRUCTURE_LENGTH,
                view.named,
                place(section, name),
                format!("offset inside the record of {} bytes", section.length),
                offset.to_string(),
            );
        }
    }
}

fn battery(view: View<'_>, report: &mut Report) {
    let level = |name| view.section.number(name);
    let (warning, low, critical) = (
        "Warning energy level in mWh",
        "Low energy level in mWh",
        "Critical energy level in mWh",
    );
    for (higher, lower) in [(warning, low), (low, critical)] {
        if let (Some(high), Some(less)) = (level(higher), level(lower))
            && less > high
        {
            let at = place(view.section, lower);
            report.at(
                checks::FIELD_ORDER,
                view.named,
                at,
                format!("{lower} of at most {high}"),
                less.to_string(),
            );
        }
    }
}

/// Lengths of the two forms of the table: TCG ACPI specification 1.3, sections 7.1 and 7.2.
fn tpm_log(view: View<'_>, report: &mut Report) {
    let whole = match view.section.number("Platform class") {
        Some(0) => 50,
        Some(1) => 100,
        _ => return,
    };
    let table = &view.named.table;
    if table.length != whole {
        report.at(
            checks::STRUCTURE_LENGTH,
            view.named,
            4,
            format!("{whole} bytes for this platform class"),
            table.length.to_string(),
        );
    }
    if let Some(revision) = table.revision().filter(|revision| *revision != 2) {
        report.at(checks::FIELD_VALUE, view.named, 8, "revision 2", revision.to_string());
    }
}

fn watchdog(view: View<'_>, report: &mut Report) {
    let (low, high) = (
        view.section.number("Minimum count"),
        view.section.number("Maximum count"),
    );
    if let (Some(low), Some(high)) = (low, high)
        && low > high
    {
        report.at(
            checks::FIELD_ORDER,
            view.named,
            place(view.section, "Minimum count"),
            format!("minimum count of at most {high}"),
            low.to_string(),
        );
    }
}
