//! Check 27: consoles and debug ports. Microsoft SPCR 1.10 and DBG2 1.6.

use super::catalogue::platform as checks;
use super::hit::Report;
use super::subject::{Subject, View, gas, gas_of, place};
use crate::layout::Value;

pub(super) fn run(subject: &Subject<'_>, report: &mut Report) {
    for view in subject.views() {
        match &view.named.table.signature.0 {
            b"SPCR" => serial(view, report),
            b"DBG2" => debug(view, report),
            b"DBGP" => register(view, report),
            _ => {}
        }
    }
}

fn register(view: View<'_>, report: &mut Report) {
    if let Some(base) = gas(view.section, "Base address").filter(|gas| gas.address != 0 && gas.width == 0) {
        let at = base.at.saturating_add(1);
        report.at(
            checks::CONSOLE_REGISTER,
            view.named,
            at,
            "width of the registers",
            "0 bits",
        );
    }
}

fn serial(view: View<'_>, report: &mut Report) {
    register(view, report);
    let rows = view.section;
    // All ones stand for a port that is no PCI function; half of it for nothing.
    let ids = (rows.number("PCI device ID"), rows.number("PCI vendor ID"));
    if let (Some(device), Some(vendor)) = ids
        && (device == 0xffff) != (vendor == 0xffff)
    {
        let seen = format!("device {device:#06x}, vendor {vendor:#06x}");
        let at = place(rows, "PCI device ID");
        report.at(checks::CONSOLE_PCI, view.named, at, "both ids, or 0xffff in both", seen);
    }
    let dual = rows.number("Interrupt type").is_some_and(|kind| kind & 1 == 1);
    if let Some(irq) = rows.number("IRQ").filter(|irq| dual && !PC_INTERRUPTS.contains(irq)) {
        let at = place(rows, "IRQ");
        let expected = "IRQ 2 to 7, 9 to 12, 14 or 15 of the dual 8259";
        report.at(checks::CONSOLE_VALUE, view.named, at, expected, irq.to_string());
    }
}

/// Interrupts of a PC that a serial port may have.
const PC_INTERRUPTS: &[u64] = &[2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 14, 15];

fn debug(view: View<'_>, report: &mut Report) {
    for device in view.sections("Debug device") {
        let known = matches!(device.number("Port type"), Some(0x8000..=0x8002));
        let subtype = device.row("Port subtype").filter(|row| known && row.words.is_none());
        if let Some(row) = subtype.filter(|row| !matches!(row.value, Value::Missing)) {
            let expected = "port subtype that the specification defines";
            report.at(
                checks::CONSOLE_VALUE,
                view.named,
                row.offset,
                expected,
                row.value.to_string(),
            );
        }
        let registers = device
            .sections
            .iter()
            .filter(|section| section.title == "Base address registers");
        for register in registers.flat_map(|list| &list.sections).filter_map(gas_of) {
            if register.address != 0 && register.width == 0 {
                let at = register.at.saturating_add(1);
                report.at(
                    checks::CONSOLE_REGISTER,
                    view.named,
                    at,
                    "width of the registers",
                    "0 bits",
                );
            }
        }
    }
}
