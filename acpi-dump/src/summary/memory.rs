//! Nodes, distances, performance, CXL windows.

use super::Lines;
use crate::ids::ProximityDomain;
use crate::set::Named;
use crate::tables::cedt::Cedt;
use crate::tables::hmat::{Hmat, Measure};
use crate::tables::slit::Slit;
use crate::tables::srat::Srat;
use crate::words::{count, size};

pub(super) fn nodes(lines: &mut Lines<'_>) {
    let set = lines.set;
    for named in &set.tables {
        if let Some(srat) = Srat::decode(&named.table) {
            domains(lines, named, &srat.value);
        }
    }
    for named in &set.tables {
        if let Some(slit) = Slit::decode(&named.table) {
            distances(lines, named, &slit.value);
        }
    }
}

fn domains(lines: &mut Lines<'_>, named: &Named, srat: &Srat) {
    for domain in srat.domains() {
        let cpus = srat
            .cpus
            .iter()
            .filter(|cpu| cpu.enabled && cpu.domain == domain)
            .count();
        let mut parts = vec![if cpus == 0 {
            "no CPU".to_owned()
        } else {
            count(cpus, "CPU")
        }];
        let ranges: Vec<_> = srat
            .memory
            .iter()
            .filter(|range| range.enabled && range.domain == domain)
            .collect();
        for range in &ranges {
            let last = range.base.0.saturating_add(range.length.saturating_sub(1));
            let mut text = format!("{} at {}-{last:#x}", size(range.length), range.base);
            if range.hot_pluggable {
                text += " (hot-pluggable: may be empty)";
            }
            if range.non_volatile {
                text += " (non-volatile)";
            }
            parts.push(text);
        }
        if ranges.is_empty() {
            parts.push("no memory".to_owned());
        }
        let devices = srat
            .devices
            .iter()
            .filter(|device| device.enabled && device.domain == domain)
            .count();
        if devices > 0 {
            parts.push(count(devices, "device"));
        }
        lines.say(named, None, format!("domain {}: {}", domain.0, parts.join(", ")));
    }
}

/// Widest matrix that is printed row by row; of larger ones the distances that occur.
const ROWS: usize = 16;

fn distances(lines: &mut Lines<'_>, named: &Named, slit: &Slit) {
    if slit.rows.len() > ROWS {
        return lines.say(named, None, format!("distances: {}", crate::words::slit(slit)));
    }
    for (domain, row) in slit.rows.iter().enumerate() {
        let cells: Vec<String> = row.iter().map(|distance| format!("{distance:>3}")).collect();
        lines.say(named, None, format!("distances from {domain}: {}", cells.join(" ")));
    }
}

pub(super) fn performance(lines: &mut Lines<'_>) {
    let set = lines.set;
    for (named, hmat) in set
        .tables
        .iter()
        .filter_map(|named| Some((named, Hmat::decode(&named.table)?.value)))
    {
        let mut initiators: Vec<ProximityDomain> = hmat
            .matrices
            .iter()
            .flat_map(|matrix| &matrix.cells)
            .map(|cell| cell.initiator)
            .collect();
        initiators.sort_unstable();
        initiators.dedup();
        for initiator in initiators {
            pairs(lines, named, &hmat, initiator);
        }
        for attached in &hmat.attached {
            if let Some(initiator) = attached.initiator.filter(|initiator| *initiator != attached.memory) {
                let text = format!(
                    "memory of domain {} is attached to domain {}",
                    attached.memory.0, initiator.0
                );
                lines.say(named, Some(attached.offset), text);
            }
        }
        for cache in &hmat.caches {
            let text = format!(
                "memory of domain {} stands behind a memory-side cache of {}, level {} of {}",
                cache.memory.0,
                size(cache.size),
                cache.level,
                cache.levels
            );
            lines.say(named, Some(cache.offset), text);
        }
    }
}

/// What one initiator sees of each memory.
fn pairs(lines: &mut Lines<'_>, named: &Named, hmat: &Hmat, initiator: ProximityDomain) {
    let mut targets: Vec<ProximityDomain> = hmat
        .matrices
        .iter()
        .flat_map(|matrix| &matrix.cells)
        .map(|cell| cell.target)
        .collect();
    targets.sort_unstable();
    targets.dedup();
    let row = |measures: [Measure; 2], unit: &str| {
        let value = |target: &ProximityDomain| hmat.value(&measures, initiator, *target);
        let values: Vec<Option<u64>> = targets.iter().map(value).collect();
        let shown = values.iter().map(|value| value.map_or_else(|| "-".to_owned(), decimal));
        let text = format!("{} {unit}", shown.collect::<Vec<_>>().join(" "));
        values.iter().any(Option::is_some).then_some(text)
    };
    let latency = row([Measure::ReadLatency, Measure::AccessLatency], "ns");
    let bandwidth = row([Measure::ReadBandwidth, Measure::AccessBandwidth], "GB/s");
    let parts: Vec<String> = latency.into_iter().chain(bandwidth).collect();
    if !parts.is_empty() {
        let targets: Vec<String> = targets.iter().map(|target| target.0.to_string()).collect();
        let (from, targets) = (initiator.0, targets.join(" "));
        lines.say(
            named,
            None,
            format!("domain {from} reads memory of {targets}: {}", parts.join("; ")),
        );
    }
}

/// Thousandths as a number with as many decimals as it needs.
fn decimal(thousandths: u64) -> String {
    let (whole, rest) = (thousandths / 1000, thousandths % 1000);
    if rest == 0 {
        return whole.to_string();
    }
    format!("{whole}.{rest:03}").trim_end_matches('0').to_owned()
}

pub(super) fn cxl(lines: &mut Lines<'_>) {
    let set = lines.set;
    for (named, cedt) in set
        .tables
        .iter()
        .filter_map(|named| Some((named, Cedt::decode(&named.table)?.value)))
    {
        for bridge in &cedt.bridges {
            let version = if bridge.version == 0 {
                "CXL 1.1"
            } else {
                "CXL 2.0 or later"
            };
            let text = format!("host bridge {} ({version}), registers at {}", bridge.uid, bridge.base);
            lines.say(named, Some(bridge.offset), text);
        }
        for window in &cedt.windows {
            let last = window.base.0.saturating_add(window.length.saturating_sub(1));
            let targets: Vec<String> = window.targets.iter().map(u32::to_string).collect();
            let mut text = format!(
                "window of {} at {}-{last:#x} over host bridge {}",
                size(window.length),
                window.base,
                targets.join(", ")
            );
            if let (Some(step), true) = (window.granularity, window.targets.len() > 1) {
                text += &format!(", interleaved every {}", size(step.into()));
            }
            lines.say(named, Some(window.offset), text);
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn thousandths_keep_only_the_decimals_they_need() {
        assert_eq!(
            (super::decimal(1500), super::decimal(2000), super::decimal(12)),
            ("1.5".into(), "2".into(), "0.012".into())
        );
    }
}
