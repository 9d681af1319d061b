//! Microcode: sockets that differ, and revisions older than what was given to compare with.

use std::collections::BTreeSet;

use super::{Evidence, Finding, Place, Report, Severity};
use crate::model::{Machine, Socket};

pub(super) fn judge(machine: &Machine, report: &mut Report) {
    // A hypervisor makes the revision up.
    if machine.is_guest() {
        return;
    }
    mixed(machine, report);
    outdated(machine, report);
}

/// All CPUs of a machine should run one revision: Linux brings them to it when it loads one.
fn mixed(machine: &Machine, report: &mut Report) {
    let revisions: BTreeSet<u32> = machine.cpu.cpus.iter().filter_map(|cpu| cpu.microcode).collect();
    let told = machine.cpu.cpus.iter().filter(|cpu| cpu.microcode.is_some()).count();
    match revisions.into_iter().collect::<Vec<_>>().as_slice() {
        [only] if told > 1 => report
            .fine
            .push(format!("{told} CPUs with the same microcode {only:#x}")),
        [] | [_] => {}
        [lowest, .., highest] => report.findings.push(Finding {
            id: "microcode-mixed",
            severity: Severity::Warn,
            text: format!("CPUs run different microcode, from {lowest:#x} to {highest:#x}"),
            gigabytes_per_second: None,
            places: vec![Place::Machine],
            evidence: by_revision(machine),
        }),
    }
}

fn by_revision(machine: &Machine) -> Vec<Evidence> {
    let mut list: Vec<(u32, crate::sysfs::CpuSet)> = Vec::new();
    for cpu in &machine.cpu.cpus {
        let Some(revision) = cpu.microcode else { continue };
        if let Some((_, cpus)) = list.iter_mut().find(|(known, _)| *known == revision) {
            cpus.insert(cpu.number);
        } else {
            list.push((revision, [cpu.number].into_iter().collect()));
        }
    }
    list.sort_by_key(|(revision, _)| *revision);
    let words = |(revision, cpus)| Evidence {
        fact: format!("microcode {revision:#x} on CPUs {cpus}"),
        origin: None,
    };
    list.into_iter().map(words).collect()
}

fn outdated(machine: &Machine, report: &mut Report) {
    let old: Vec<(usize, &Socket)> = machine
        .sockets
        .iter()
        .enumerate()
        .filter(|(_, socket)| socket.newer_microcode.is_some())
        .collect();
    let Some((_, first)) = old.first() else { return };
    let (Some(running), Some(newer)) = (first.microcode, &first.newer_microcode) else {
        return;
    };
    let sure = if newer.platform_known {
        ""
    } else {
        ", if it is for this platform"
    };
    report.findings.push(Finding {
        id: "microcode-older",
        severity: Severity::Warn,
        text: format!(
            "{}: microcode {running:#x} runs, {:#x} of {} is at hand{sure}",
            if old.len() == 1 {
                first.label.clone()
            } else {
                format!("{} sockets", old.len())
            },
            newer.revision,
            newer.date,
        ),
        gigabytes_per_second: None,
        places: old.iter().map(|(index, _)| Place::Socket(*index)).collect(),
        evidence: vec![Evidence {
            fact: format!("revision {:#x} in {}", newer.revision, newer.from),
            origin: None,
        }],
    });
}
