//! Checks 4 to 6: the fixed ACPI description table. ACPI 6.5, section 5.2.9.

use super::catalogue::tables as checks;
use super::hit::Report;
use super::subject::{Subject, View, gas, place};

pub(super) fn run(subject: &Subject<'_>, report: &mut Report) {
    for view in subject.all(b"FACP") {
        pointers(subject, view, report);
        blocks(view, report);
        lengths(view, report);
        if view.is_whole() {
            modes(view, report);
        }
    }
}

fn reduced(view: View<'_>) -> bool {
    let flags = view.section.number("Fixed feature flags").unwrap_or(0);
    flags >> 20 & 1 == 1
}

fn pointers(subject: &Subject<'_>, view: View<'_>, report: &mut Report) {
    let rows = view.section;
    let pairs = [
        (
            "FACS address (FIRMWARE_CTRL)",
            "X FACS address (X_FIRMWARE_CTRL)",
            checks::FADT_FACS_BOTH,
        ),
        ("DSDT address", "X DSDT address", checks::FADT_DSDT_BOTH),
    ];
    for (short, long, check) in pairs {
        if let (Some(short_at), Some(long_at)) = (rows.number(short), rows.number(long))
            && short_at != 0
            && long_at != 0
            && short_at != long_at
        {
            let seen = format!("{short_at:#x} and {long_at:#x}");
            report.at(
                check,
                view.named,
                place(rows, long),
                "one address, or the same twice",
                seen,
            );
        }
    }
    if !view.is_whole() {
        return;
    }
    let none = |short, long| rows.number(short) == Some(0) && matches!(rows.number(long), None | Some(0));
    if none("DSDT address", "X DSDT address") {
        // With a DSDT at hand the addresses were blanked: in a dump, or before a loader fills them in.
        if subject.first(b"DSDT").is_some() {
            return;
        }
        report.at(
            checks::FADT_DSDT_NONE,
            view.named,
            place(rows, "DSDT address"),
            "address of the DSDT",
            "zero",
        );
    }
    if none("FACS address (FIRMWARE_CTRL)", "X FACS address (X_FIRMWARE_CTRL)") && !reduced(view) {
        let at = place(rows, "FACS address (FIRMWARE_CTRL)");
        report.at(
            checks::FADT_FACS_NONE,
            view.named,
            at,
            "address of the FACS on hardware that is not hardware-reduced",
            "zero",
        );
    }
}

/// Names of a register block, of its 64-bit form and of its length, and whether it must be there.
const BLOCKS: &[(&str, &str, &str)] = &[
    ("PM1a event block", "X PM1a event block", "PM1 event block length"),
    ("PM1b event block", "X PM1b event block", "PM1 event block length"),
    ("PM1a control block", "X PM1a control block", "PM1 control block length"),
    ("PM1b control block", "X PM1b control block", "PM1 control block length"),
    ("PM2 control block", "X PM2 control block", "PM2 control block length"),
    ("PM timer block", "X PM timer block", "PM timer block length"),
    ("GPE0 block", "X GPE0 block", "GPE0 block length"),
    ("GPE1 block", "X GPE1 block", "GPE1 block length"),
];

fn blocks(view: View<'_>, report: &mut Report) {
    let rows = view.section;
    for (short, long, length) in BLOCKS {
        let (Some(old), Some(new)) = (rows.number(short), gas(rows, long)) else {
            continue;
        };
        if old == 0 || new.address == 0 {
            continue;
        }
        if old != new.address {
            let seen = format!("{old:#x} and {:#x}", new.address);
            report.at(
                checks::FADT_BLOCK_ADDRESS,
                view.named,
                new.at,
                format!("the same address in {short} and {long}"),
                seen,
            );
        }
        // A GPE block may be longer than the eight bits of a width can say.
        let bits = rows
            .number(length)
            .map(|bytes| bytes.saturating_mul(8))
            .filter(|bits| *bits <= 255);
        if let Some(bits) = bits.filter(|bits| *bits != new.width) {
            let expected = format!("{long} of {bits} bits, as {length} says");
            report.at(
                checks::FADT_BLOCK_WIDTH,
                view.named,
                new.at,
                expected,
                format!("{} bits", new.width),
            );
        }
    }
}

fn lengths(view: View<'_>, report: &mut Report) {
    let rows = view.section;
    if reduced(view) {
        return;
    }
    let smallest = [
        ("PM1a event block", "PM1 event block length", 4),
        ("PM1a control block", "PM1 control block length", 2),
        ("PM2 control block", "PM2 control block length", 1),
        ("PM timer block", "PM timer block length", 4),
    ];
    for (block, length, smallest) in smallest {
        let used = rows.number(block).is_some_and(|address| address != 0);
        if let Some(seen) = rows.number(length).filter(|seen| used && *seen < smallest) {
            let expected = format!("{length} of at least {smallest} bytes");
            report.at(
                checks::FADT_BLOCK_LENGTH,
                view.named,
                place(rows, length),
                expected,
                seen.to_string(),
            );
        }
    }
    let pairs = [
        ("PM timer block", "X PM timer block", "PM timer block length"),
        ("GPE0 block", "X GPE0 block", "GPE0 block length"),
        ("GPE1 block", "X GPE1 block", "GPE1 block length"),
    ];
    for (short, long, length) in pairs {
        let Some(seen) = rows.number(length) else { continue };
        let there = |address: Option<u64>| address.is_some_and(|address| address != 0);
        let used = there(rows.number(short)) || there(gas(rows, long).map(|gas| gas.address));
        // 5.2.9: status and enable registers are of the same length; the timer has 4 bytes.
        let expected = match short {
            "PM timer block" if used && seen > 4 => "4",
            _ if used && seen == 0 => "a length of the block, as it has an address",
            _ if seen % 2 == 1 => "a multiple of 2",
            _ => continue,
        };
        let at = place(rows, length);
        report.at(
            checks::FADT_BLOCK_LENGTH,
            view.named,
            at,
            format!("{expected} in {length}"),
            seen.to_string(),
        );
    }
}

fn modes(view: View<'_>, report: &mut Report) {
    if reduced(view) {
        reduced_hardware(view, report);
        return;
    }
    let rows = view.section;
    let number = |name| rows.number(name).unwrap_or(0);
    let far = |name| gas(rows, name).map_or(0, |gas| gas.address);
    for (short, long, _) in BLOCKS
        .iter()
        .filter(|(short, ..)| matches!(*short, "PM1a event block" | "PM1a control block"))
    {
        if number(short) == 0 && far(long) == 0 {
            report.at(
                checks::FADT_BLOCK_NONE,
                view.named,
                place(rows, short),
                format!("address of the {short}"),
                "zero",
            );
        }
    }
    if rows.number("SCI interrupt") == Some(0) {
        report.at(
            checks::FADT_SCI_ZERO,
            view.named,
            place(rows, "SCI interrupt"),
            "interrupt of the SCI",
            "0",
        );
    }
    commands(view, report);
}

/// The SMI command port and the values that are written to it.
fn commands(view: View<'_>, report: &mut Report) {
    let rows = view.section;
    let number = |name| rows.number(name).unwrap_or(0);
    let values = [
        "ACPI enable value",
        "ACPI disable value",
        "S4BIOS request value",
        "P-state control value",
        "C-state control value",
    ];
    let mut hit =
        |name, expected: &str, seen: String| report.at(checks::FADT_SMI, view.named, place(rows, name), expected, seen);
    if number("SMI command port") == 0 {
        for name in values.into_iter().filter(|name| number(name) != 0) {
            hit(
                name,
                "zero, as there is no SMI command port",
                format!("{name} {:#04x}", number(name)),
            );
        }
    } else if number("ACPI enable value") == number("ACPI disable value") {
        let seen = format!("both {:#04x}", number("ACPI enable value"));
        hit(
            "ACPI enable value",
            "different values to enable and disable ACPI, as there is an SMI command port",
            seen,
        );
    }
}

fn reduced_hardware(view: View<'_>, report: &mut Report) {
    let rows = view.section;
    let plain = [
        "SMI command port",
        "ACPI enable value",
        "ACPI disable value",
        "S4BIOS request value",
        "P-state control value",
    ];
    let short = BLOCKS.iter().map(|(short, ..)| *short);
    for name in plain.into_iter().chain(short) {
        if let Some(seen) = rows.number(name).filter(|seen| *seen != 0) {
            let expected = format!("zero in {name} of hardware-reduced ACPI");
            report.at(
                checks::FADT_REDUCED,
                view.named,
                place(rows, name),
                expected,
                format!("{seen:#x}"),
            );
        }
    }
    for (_, long, _) in BLOCKS {
        if let Some(seen) = gas(rows, long).filter(|seen| seen.address != 0) {
            let expected = format!("zero in {long} of hardware-reduced ACPI");
            report.at(
                checks::FADT_REDUCED,
                view.named,
                seen.at,
                expected,
                format!("{:#x}", seen.address),
            );
        }
    }
}
