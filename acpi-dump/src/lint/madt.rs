//! Checks 10 to 13: CPUs and interrupt controllers. ACPI 6.5, section 5.2.12.

use std::collections::{BTreeMap, BTreeSet};

use super::catalogue::topology as checks;
use super::hit::Report;
use super::subject::{Subject, View, place};
use crate::layout::Section;
use crate::tables::madt::{Cpu, CpuKind, Madt};

pub(super) fn run(subject: &Subject<'_>, report: &mut Report) {
    for view in subject.all(b"APIC") {
        let Some(madt) = Madt::decode(&view.named.table) else {
            continue;
        };
        io_apics(view, report);
        overrides(view, report);
        nmis(view, report);
        gic(view, report);
        cpus(view, &madt.value, report);
        if let Some(ids) = &subject.outside.apic_ids {
            let known: BTreeSet<_> = ids.iter().collect();
            let absent = madt
                .value
                .enabled()
                .filter(|cpu| cpu.apic_id.is_some_and(|id| !known.contains(&id)));
            for cpu in absent {
                let seen = format!("APIC id {:#x} is enabled", cpu.apic_id.map_or(0, |id| id.0));
                report.at(
                    checks::MADT_CPU_ABSENT,
                    view.named,
                    cpu.offset,
                    "a CPU that is there",
                    seen,
                );
            }
        }
    }
    psci(subject, report);
}

fn io_apics(view: View<'_>, report: &mut Report) {
    let mut ids = BTreeMap::new();
    let mut bases = BTreeMap::new();
    let controllers = view
        .sections("I/O APIC")
        .chain(view.sections("I/O SAPIC"))
        .filter(|section| section.row("I/O APIC ID").is_some());
    for section in controllers {
        let address = section
            .number("I/O APIC address")
            .or_else(|| section.number("I/O SAPIC address"));
        if address == Some(0) {
            report.at(
                checks::MADT_IO_APIC_ADDRESS,
                view.named,
                section.offset,
                "address of the I/O APIC",
                "zero",
            );
        }
        let id = section.number("I/O APIC ID");
        if let Some(id) = id.filter(|id| ids.insert(*id, section.offset).is_some()) {
            report.at(
                checks::MADT_IO_APIC_ID_TWICE,
                view.named,
                place(section, "I/O APIC ID"),
                "an id of its own",
                format!("{id:#x} again"),
            );
        }
        let name = "Global system interrupt base";
        let base = section.number(name);
        if let Some(base) = base.filter(|base| bases.insert(*base, section.offset).is_some()) {
            report.at(
                checks::MADT_IO_APIC_GSI,
                view.named,
                place(section, name),
                "interrupts of its own",
                format!("base {base} again"),
            );
        }
    }
}

/// Polarity and trigger mode: 5.2.12.5, table 5.26.
fn flags_are_reserved(flags: u64) -> bool {
    flags & 3 == 2 || flags >> 2 & 3 == 2
}

fn flags(view: View<'_>, section: &Section, report: &mut Report) {
    if let Some(seen) = section.number("Flags").filter(|flags| flags_are_reserved(*flags)) {
        report.at(
            checks::MADT_INTERRUPT_FLAGS,
            view.named,
            place(section, "Flags"),
            "polarity and trigger mode 0, 1 or 3",
            format!("{seen:#06x}"),
        );
    }
}

fn overrides(view: View<'_>, report: &mut Report) {
    let mut sources = BTreeSet::new();
    for section in view.sections("Interrupt source override") {
        flags(view, section, report);
        if let Some(bus) = section.number("Bus").filter(|bus| *bus != 0) {
            report.at(
                checks::MADT_OVERRIDE,
                view.named,
                place(section, "Bus"),
                "bus 0 (ISA)",
                bus.to_string(),
            );
        }
        let Some(source) = section.number("Source") else {
            continue;
        };
        if source > 15 {
            report.at(
                checks::MADT_OVERRIDE,
                view.named,
                place(section, "Source"),
                "ISA interrupt 0 to 15",
                source.to_string(),
            );
        }
        if !sources.insert(source) {
            report.at(
                checks::MADT_OVERRIDE,
                view.named,
                place(section, "Source"),
                "one override of an ISA interrupt",
                format!("{source} again"),
            );
        }
    }
    for section in view.sections("NMI source").chain(view.sections("Platform interrupt")) {
        flags(view, section, report);
    }
}

fn nmis(view: View<'_>, report: &mut Report) {
    let of = [
        ("Local APIC NMI", "Local APIC LINT#"),
        ("Local x2APIC NMI", "Local x2APIC LINT#"),
    ];
    for (title, input) in of {
        for section in view.sections(title) {
            flags(view, section, report);
            if let Some(seen) = section.number(input).filter(|number| *number > 1) {
                report.at(
                    checks::MADT_LINT,
                    view.named,
                    place(section, input),
                    "LINT 0 or 1",
                    seen.to_string(),
                );
            }
        }
    }
}

fn cpus(view: View<'_>, madt: &Madt, report: &mut Report) {
    let (mut ids, mut uids, mut affinities) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for cpu in madt.enabled() {
        if let Some(id) = cpu.apic_id.filter(|id| !ids.insert(*id)) {
            report.at(
                checks::MADT_APIC_ID_TWICE,
                view.named,
                cpu.offset,
                "an APIC id of its own",
                format!("{:#x} again", id.0),
            );
        }
        if !uids.insert(cpu.uid) {
            report.at(
                checks::MADT_UID_TWICE,
                view.named,
                cpu.offset,
                "a processor UID of its own",
                format!("{:#x} again", cpu.uid.0),
            );
        }
        if let Some(mpidr) = cpu.mpidr.filter(|mpidr| !affinities.insert(*mpidr)) {
            report.at(
                checks::MADT_APIC_ID_TWICE,
                view.named,
                cpu.offset,
                "an MPIDR of its own",
                format!("{:#x} again", mpidr.0),
            );
        }
    }
    let other = ["Processor local", "CORE PIC", "Core programmable", "RISC-V hart"];
    let others = other.iter().any(|title| view.sections(title).next().is_some());
    if madt.enabled().next().is_none() && !others && view.is_whole() && view.findings.is_empty() {
        report.at(checks::MADT_NO_CPU, view.named, 44, "at least one CPU", "none");
    } else if !madt.cpus.is_empty() && !madt.cpus.iter().any(usable) && view.is_whole() {
        report.at(
            checks::MADT_NO_CPU,
            view.named,
            44,
            "at least one enabled CPU",
            format!("{}, none enabled", madt.cpus.len()),
        );
    }
}

fn usable(cpu: &Cpu) -> bool {
    cpu.enabled || cpu.online_capable
}

fn gic(view: View<'_>, report: &mut Report) {
    let mut frames = BTreeSet::new();
    for section in view.sections("GIC MSI frame") {
        let name = "GIC MSI frame ID";
        if let Some(id) = section.number(name).filter(|id| !frames.insert(*id)) {
            report.at(
                checks::MADT_GIC_FRAME_TWICE,
                view.named,
                place(section, name),
                "a frame id of its own",
                format!("{id:#x} again"),
            );
        }
    }
    let mut services = BTreeSet::new();
    for section in view.sections("GIC interrupt translation") {
        let name = "GIC ITS ID";
        if let Some(id) = section.number(name).filter(|id| !services.insert(*id)) {
            report.at(
                checks::MADT_GIC_FRAME_TWICE,
                view.named,
                place(section, name),
                "an ITS id of its own",
                format!("{id:#x} again"),
            );
        }
    }
    for (number, section) in view.sections("GIC distributor").enumerate() {
        let name = "System vector base";
        if let Some(base) = section.number(name).filter(|base| *base != 0) {
            report.at(
                checks::MADT_GICD,
                view.named,
                place(section, name),
                "system vector base 0",
                base.to_string(),
            );
        }
        if number > 0 {
            report.at(
                checks::MADT_GICD,
                view.named,
                section.offset,
                "one GIC distributor",
                "another one",
            );
        }
    }
}

/// An Arm machine starts its CPUs by PSCI or by the parking protocol.
fn psci(subject: &Subject<'_>, report: &mut Report) {
    let (Some(fadt), Some(view)) = (subject.first(b"FACP"), subject.first(b"APIC")) else {
        return;
    };
    let Some(flags) = fadt.section.number("Arm boot architecture flags") else {
        return;
    };
    let Some(madt) = Madt::decode(&view.named.table) else {
        return;
    };
    let several = madt.value.enabled().filter(|cpu| cpu.kind == CpuKind::Gicc).count() > 1;
    let parked = view.sections("GIC CPU interface").any(|section| {
        section
            .number("Parking protocol version")
            .is_some_and(|version| version != 0)
    });
    if several && !parked && flags & 1 == 0 {
        report.at(
            checks::MADT_PSCI,
            fadt.named,
            place(fadt.section, "Arm boot architecture flags"),
            "PSCI, or a parking protocol in the MADT",
            "neither",
        );
    }
}
