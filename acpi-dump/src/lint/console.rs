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
    let interrupts = rows.number("Interrupt type");
    if interrupts == Some(0) && rows.number("IRQ").is_some_and(|irq| irq != 0) {
        let at = place(rows, "IRQ");
        let seen = rows.number("IRQ").unwrap_or(0).to_string();
        report.at(
            checks::CONSOLE_VALUE,
            view.named,
            at,
            "IRQ 0, as no interrupt type is set",
            seen,
        );
    }
}

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
