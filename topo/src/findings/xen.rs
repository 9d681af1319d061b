//! Xen: a domain sees less than the machine.

use super::{Evidence, Finding, Place, Report, Severity, memory_size_words};
use crate::model::Machine;
use crate::sysfs::CpuSet;
use crate::xen::{Physical, Role, Xen};

pub(super) fn judge(machine: &Machine, report: &mut Report) {
    let Some(xen) = &machine.xen else { return };
    let found = match (&xen.machine, xen.role) {
        (Some(physical), _) => hidden(machine, xen, physical),
        (None, Some(Role::Dom0)) => Some(finding(
            "xen-dom0-view",
            Severity::Warn,
            format!(
                "{} of {}: its CPUs and memory are drawn, not the machine's",
                domain_words(xen),
                version_words(xen)
            ),
            Vec::new(),
        )),
        (None, Some(Role::Guest)) => Some(finding(
            "xen-guest",
            Severity::Note,
            format!(
                "a guest of {}{}: CPUs, caches and memory are what it was given, not the machine's",
                version_words(xen),
                xen.guest_type
                    .as_deref()
                    .map(|kind| format!(" ({kind})"))
                    .unwrap_or_default()
            ),
            Vec::new(),
        )),
        (None, None) => None,
    };
    report.findings.extend(found);
}

fn finding(id: &'static str, severity: Severity, text: String, evidence: Vec<Evidence>) -> Finding {
    Finding {
        id,
        severity,
        text,
        gigabytes_per_second: None,
        places: vec![Place::Machine],
        evidence,
    }
}

/// "Xen 4.20.3".
pub fn version_words(xen: &Xen) -> String {
    match &xen.version {
        Some(version) => format!("Xen {version}"),
        None => "Xen".to_owned(),
    }
}

/// "dom0 (PV)".
pub fn domain_words(xen: &Xen) -> String {
    match &xen.guest_type {
        Some(kind) => format!("dom0 ({kind})"),
        None => "dom0".to_owned(),
    }
}

/// "2 of 16 CPUs, 879 MiB of 2 GiB".
pub fn seen_words(xen: &Xen) -> Option<String> {
    let cpus = xen.cpus().map(|(seen, all)| format!("{seen} of {all} CPUs"));
    let memory = xen.memory().map(|(seen, all)| {
        let (seen, all) = (memory_size_words(seen), memory_size_words(all));
        format!("{seen} of {all}")
    });
    let parts: Vec<String> = cpus.into_iter().chain(memory).collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// dom0 has fewer CPUs than the machine, or clearly less memory: a kernel never has all of it.
fn hidden(machine: &Machine, xen: &Xen, physical: &Physical) -> Option<Finding> {
    let fewer = xen.cpus().is_some_and(|(seen, all)| seen < all);
    let less = xen.memory().is_some_and(|(seen, all)| seen < all / 8 * 7);
    let words = seen_words(xen).filter(|_| fewer || less)?;
    let origin = physical.origin.and_then(|at| machine.origins.get(at)).cloned();
    let by_xen = |fact: String| Evidence {
        fact,
        origin: origin.clone(),
    };
    let mut evidence: Vec<Evidence> = Vec::new();
    evidence.extend(xen.cpus().map(|(_, all)| by_xen(format!("{all} CPUs in Xen"))));
    if let Some(total) = physical.total_memory {
        let free = physical
            .free_memory
            .map(|free| format!(", {} free", memory_size_words(free)));
        evidence.push(by_xen(format!(
            "{} of memory in Xen{}",
            memory_size_words(total),
            free.unwrap_or_default()
        )));
    }
    for name in ["dom0_max_vcpus", "dom0_mem"] {
        let value = physical
            .option(name)
            .map(|value| format!("{name}={value} on Xen's command line"));
        evidence.extend(value.map(&by_xen));
    }
    if let Some(seen) = xen.domain.as_ref().filter(|seen| !seen.vcpus.is_empty()) {
        evidence.push(Evidence {
            fact: where_words(machine, physical, &seen.vcpus),
            origin: None,
        });
    }
    let text = format!("{} sees {words}; the machine is drawn as Xen has it", domain_words(xen));
    Some(finding("xen-dom0-hidden", Severity::Note, text, evidence))
}

/// Which CPUs dom0 runs on, as it was set when the machine started.
fn where_words(machine: &Machine, physical: &Physical, vcpus: &CpuSet) -> String {
    if !physical.pins_dom0() {
        return format!("dom0's CPUs {vcpus} are virtual ones that Xen runs on any CPU, not Xen's CPUs {vcpus}");
    }
    let others: CpuSet = machine
        .cpu
        .cpus
        .iter()
        .map(|cpu| cpu.number)
        .filter(|cpu| !vcpus.contains(*cpu))
        .collect();
    let others = match others.is_empty() {
        true => String::new(),
        false => format!("; CPUs {others} do not run it"),
    };
    format!("dom0's virtual CPUs {vcpus} are pinned to Xen's CPUs of these numbers (dom0_vcpus_pin){others}")
}
