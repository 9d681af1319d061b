//! Damaged sources and layers that contradict each other.

use super::{Evidence, Finding, Place, Report, Severity};
use crate::evidence::Place as Where;
use crate::model::{Machine, SourceDamage};

/// Findings for damage and conflicts.
pub(super) fn judge(machine: &Machine, report: &mut Report) {
    for (area, id) in [
        ("SMBIOS", "smbios-damaged"),
        ("PCI", "pci-damaged"),
        ("", "source-damaged"),
    ] {
        let broken: Vec<_> = machine
            .damage
            .iter()
            .filter(|damage| {
                if area.is_empty() {
                    !matches!(damage.area, "SMBIOS" | "PCI")
                } else {
                    damage.area == area
                }
            })
            .collect();
        report.findings.extend(damaged(id, &broken));
    }
    report.findings.extend(disagreement(machine));
}

fn damaged(id: &'static str, broken: &[&SourceDamage]) -> Option<Finding> {
    let first = broken.first()?;
    let others = match broken.len().saturating_sub(1) {
        0 => String::new(),
        n => format!(" (+ {n} more)"),
    };
    Some(Finding {
        id,
        severity: Severity::Warn,
        text: format!("damaged {}: {}{others}", first.area, words(first)),
        gigabytes_per_second: None,
        places: vec![Place::Machine],
        evidence: broken
            .iter()
            .map(|damage| Evidence {
                fact: words(damage),
                origin: Some(damage.origin.clone()),
            })
            .collect(),
    })
}

/// One damage as a phrase: structure, place, expected, seen.
#[must_use]
pub fn words(damage: &SourceDamage) -> String {
    let place = match damage.damage.place {
        Where::Offset(offset) => format!(" at offset 0x{offset:x}"),
        Where::Line(line) => format!(" at line {line}"),
        Where::Whole => String::new(),
    };
    let inner = &damage.damage;
    format!(
        "{}{place}: expected {}, seen {}",
        inner.what, inner.expected, inner.seen
    )
}

fn disagreement(machine: &Machine) -> Option<Finding> {
    let first = machine.conflicts.first()?;
    let more = machine.conflicts.len().saturating_sub(1);
    let tail = if more == 0 {
        String::new()
    } else {
        format!(" (+ {more} more)")
    };
    let origin = |index: usize| machine.origins.get(index).cloned();
    Some(Finding {
        id: "sources-disagree",
        severity: Severity::Warn,
        text: format!(
            "sources disagree: {} is {} and {}{tail}",
            first.fact, first.taken.0, first.other.0
        ),
        gigabytes_per_second: None,
        places: vec![Place::Machine],
        evidence: machine
            .conflicts
            .iter()
            .flat_map(|conflict| [&conflict.taken, &conflict.other].map(|value| (conflict, value)))
            .map(|(conflict, (value, at))| Evidence {
                fact: format!("{} is {value}", conflict.fact),
                origin: origin(*at),
            })
            .collect(),
    })
}
