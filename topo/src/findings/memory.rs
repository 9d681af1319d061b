//! Memory modules: speed, balance between sockets and channels, mixed sizes.

use std::collections::{BTreeMap, BTreeSet};

use super::{Evidence, Finding, Place, Report, Severity};
use crate::model::{DimmSlot, Machine};

/// GB/s of one 64-bit channel at a transfer rate in MT/s (JEDEC: 8 bytes per transfer).
#[must_use]
pub fn channel_gigabytes_per_second(megatransfers: u32) -> f64 {
    f64::from(megatransfers) * 8.0 / 1000.0
}

/// Bytes in the words of the field: "32 GiB", "1.5 TiB", "512 MiB".
#[must_use]
pub fn size_words(bytes: u64) -> String {
    let units = [(40_u32, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")];
    let Some((shift, unit)) = units.into_iter().find(|(shift, _)| bytes >> shift > 0) else {
        return format!("{bytes} B");
    };
    let unit_size = 1_u64 << shift;
    // 1.5 TiB is shorter than 1536 GiB, but 1472 GiB says more than 1.4 TiB.
    let (shift, unit, unit_size) = if shift == 40 && !bytes.is_multiple_of(unit_size / 4) {
        (30, "GiB", 1 << 30)
    } else {
        (shift, unit, unit_size)
    };
    let whole = bytes >> shift;
    let hundredths = (bytes % unit_size).saturating_mul(100) / unit_size;
    match hundredths {
        0 => format!("{whole} {unit}"),
        _ if whole >= 100 => format!("{whole} {unit}"),
        h if h % 10 == 0 => format!("{whole}.{} {unit}", h / 10),
        h if whole >= 10 => format!("{whole}.{} {unit}", h / 10),
        h => format!("{whole}.{h:02} {unit}"),
    }
}

pub(super) fn judge(machine: &Machine, report: &mut Report) {
    let populated: Vec<(usize, &DimmSlot)> = machine
        .memory
        .slots
        .iter()
        .enumerate()
        .filter(|(_, slot)| slot.populated())
        .collect();
    if populated.is_empty() {
        return;
    }
    below_rated(machine, &populated, report);
    mixed(machine, &populated, report);
    sockets(machine, report);
    channels(machine, report);
}

fn evidence(machine: &Machine, slots: &[(usize, &DimmSlot)], fact: impl Fn(&DimmSlot) -> String) -> Vec<Evidence> {
    let origin = machine.memory.origin.and_then(|at| machine.origins.get(at));
    slots
        .iter()
        .map(|(_, slot)| Evidence {
            fact: format!(
                "type 17 handle 0x{:04X} {}: {}",
                slot.module.handle.0,
                slot.name(),
                fact(slot)
            ),
            origin: origin.cloned(),
        })
        .collect()
}

fn below_rated(machine: &Machine, populated: &[(usize, &DimmSlot)], report: &mut Report) {
    let mut groups: BTreeMap<(u32, u32), Vec<(usize, &DimmSlot)>> = BTreeMap::new();
    let mut judged = BTreeSet::new();
    for (index, slot) in populated {
        let (Some(rated), Some(set)) = (slot.module.speed, slot.module.configured_speed) else {
            continue;
        };
        judged.insert(rated);
        if set > 0 && set < rated {
            groups.entry((set, rated)).or_default().push((*index, slot));
        }
    }
    if groups.is_empty() {
        match judged.len() {
            0 => {}
            1 => report.fine.extend(
                judged
                    .first()
                    .map(|speed| format!("memory runs at its rated {speed} MT/s")),
            ),
            _ => report.fine.push("memory modules run at their rated speeds".to_owned()),
        }
    }
    for ((set, rated), slots) in groups {
        let (now, can) = (channel_gigabytes_per_second(set), channel_gigabytes_per_second(rated));
        report.findings.push(Finding {
            id: "memory-below-rated",
            severity: Severity::Bad,
            text: format!(
                "{} of {} memory modules run at {set} MT/s, rated {rated} MT/s → {now:.1} of {can:.1} GB/s per channel",
                slots.len(),
                populated.len()
            ),
            gigabytes_per_second: Some((now, can)),
            places: sockets_of(&slots),
            evidence: evidence(machine, &slots, |_| {
                format!("speed {rated} MT/s, configured {set} MT/s")
            }),
        });
    }
}

/// The sockets the slots belong to, or the machine when they are not known.
fn sockets_of(slots: &[(usize, &DimmSlot)]) -> Vec<Place> {
    let sockets: BTreeSet<usize> = slots.iter().filter_map(|(_, slot)| slot.socket).collect();
    if sockets.is_empty() {
        vec![Place::Machine]
    } else {
        sockets.into_iter().map(Place::Socket).collect()
    }
}

/// Persistent memory and HBM stand beside DRAM by plan.
fn is_dram(slot: &DimmSlot) -> bool {
    let kind = slot.module.kind.as_deref().unwrap_or("");
    let technology = slot.module.technology.as_deref().unwrap_or("DRAM");
    !kind.contains("non-volatile")
        && !kind.starts_with("HBM")
        && (technology == "DRAM" || technology.contains("nknown"))
}

fn mixed(machine: &Machine, populated: &[(usize, &DimmSlot)], report: &mut Report) {
    let mut sizes: BTreeMap<u64, Vec<(usize, &DimmSlot)>> = BTreeMap::new();
    for (index, slot) in populated.iter().filter(|(_, slot)| is_dram(slot)) {
        sizes
            .entry(slot.module.size.unwrap_or(0))
            .or_default()
            .push((*index, slot));
    }
    if sizes.len() == 1 {
        let parts: BTreeSet<_> = populated
            .iter()
            .filter_map(|(_, slot)| slot.module.part.as_deref())
            .collect();
        let parts = if parts.len() == 1 { ", same part" } else { "" };
        let (size, slots) = sizes.iter().next().map_or((0, 0), |(size, slots)| (*size, slots.len()));
        if slots > 1 {
            report
                .fine
                .push(format!("{slots} memory modules alike: {}{parts}", size_words(size)));
        }
        return;
    }
    let words: Vec<String> = sizes
        .iter()
        .rev()
        .map(|(size, slots)| format!("{} × {}", slots.len(), size_words(*size)))
        .collect();
    let all: Vec<(usize, &DimmSlot)> = populated.to_vec();
    if sizes.len() > 1 {
        report.findings.push(Finding {
            id: "memory-mixed",
            severity: Severity::Warn,
            text: format!("memory modules of {} sizes: {}", sizes.len(), words.join(", ")),
            gigabytes_per_second: None,
            places: sockets_of(&all),
            evidence: evidence(machine, &all, |slot| size_words(slot.module.size.unwrap_or(0))),
        });
    }
}

fn sockets(machine: &Machine, report: &mut Report) {
    if machine.memory.slots.iter().any(|slot| slot.socket.is_none()) || machine.populated_sockets() < 2 {
        return;
    }
    let totals: Vec<(usize, usize, u64)> = machine
        .sockets
        .iter()
        .enumerate()
        .filter(|(_, socket)| socket.populated)
        .map(|(index, socket)| {
            let slots = socket
                .slots
                .iter()
                .filter_map(|at| machine.memory.slots.get(*at))
                .filter(|slot| slot.populated() && is_dram(slot));
            let (count, bytes) = slots.fold((0, 0), |(n, sum): (usize, u64), slot| {
                (n.saturating_add(1), sum.saturating_add(slot.module.size.unwrap_or(0)))
            });
            (index, count, bytes)
        })
        .collect();
    let Some((_, count, bytes)) = totals.first().copied() else {
        return;
    };
    if totals.iter().all(|(_, n, sum)| *n == count && *sum == bytes) {
        let modules = if count == 1 {
            "1 module".to_owned()
        } else {
            format!("{count} modules")
        };
        report.fine.push(format!(
            "memory balanced: {modules}, {} on each of {} sockets",
            size_words(bytes),
            totals.len()
        ));
        return;
    }
    let words: Vec<String> = totals
        .iter()
        .map(|(index, n, sum)| {
            let label = machine.sockets.get(*index).map_or("?", |socket| socket.label.as_str());
            let plural = if *n == 1 { "" } else { "s" };
            format!("{label} {n} module{plural} {}", size_words(*sum))
        })
        .collect();
    if let Some(label) = contradicted(machine, &totals) {
        report.findings.push(Finding {
            id: "memory-sockets-contradicted",
            severity: Severity::Warn,
            text: format!("SMBIOS puts no module on {label}, but the kernel has memory there: the locators mislead"),
            gigabytes_per_second: None,
            places: totals.iter().map(|(index, ..)| Place::Socket(*index)).collect(),
            evidence: Vec::new(),
        });
        return;
    }
    let most = totals.iter().map(|(_, _, sum)| *sum).max().unwrap_or(0);
    let populated: Vec<(usize, &DimmSlot)> = machine
        .memory
        .slots
        .iter()
        .enumerate()
        .filter(|(_, slot)| slot.populated())
        .collect();
    report.findings.push(Finding {
        id: "memory-sockets-unequal",
        severity: Severity::Bad,
        text: format!("sockets have unequal memory: {}", words.join(", ")),
        gigabytes_per_second: None,
        places: totals
            .iter()
            .filter(|(_, _, sum)| *sum < most || bytes == most)
            .map(|(index, ..)| Place::Socket(*index))
            .collect(),
        evidence: evidence(machine, &populated, |slot| size_words(slot.module.size.unwrap_or(0))),
    });
}

/// A socket without modules whose NUMA nodes have memory.
fn contradicted(machine: &Machine, totals: &[(usize, usize, u64)]) -> Option<String> {
    let bare = totals
        .iter()
        .filter(|(_, count, _)| *count == 0)
        .filter_map(|(index, ..)| machine.sockets.get(*index));
    let kernel = |nodes: &[crate::sysfs::topology::NodeId]| {
        machine
            .cpu
            .nodes
            .iter()
            .any(|node| nodes.contains(&node.number) && node.memory.is_some_and(|bytes| bytes > 0))
    };
    bare.filter(|socket| kernel(&socket.nodes))
        .map(|socket| socket.label.clone())
        .next()
}

/// Capacity per channel of one socket; `None` where a channel is not known.
#[must_use]
pub fn channel_totals(machine: &Machine, socket: usize) -> Option<BTreeMap<String, u64>> {
    let mut totals: BTreeMap<String, u64> = BTreeMap::new();
    for slot in machine
        .sockets
        .get(socket)?
        .slots
        .iter()
        .filter_map(|at| machine.memory.slots.get(*at))
    {
        let total = totals.entry(slot.channel.clone()?).or_default();
        if is_dram(slot) {
            *total = total.saturating_add(slot.module.size.unwrap_or(0));
        }
    }
    (!totals.is_empty()).then_some(totals)
}

/// Sockets with the same imbalance, and GB/s of now and of all channels.
type Imbalance = (Vec<usize>, Option<(f64, f64)>);

fn channels(machine: &Machine, report: &mut Report) {
    let mut groups: BTreeMap<String, Imbalance> = BTreeMap::new();
    let mut fine = BTreeSet::new();
    for (index, socket) in machine
        .sockets
        .iter()
        .enumerate()
        .filter(|(_, socket)| socket.populated)
    {
        let Some(totals) = channel_totals(machine, index) else {
            continue;
        };
        let used = totals.values().filter(|total| **total > 0).count();
        let sizes: BTreeSet<u64> = totals.values().copied().collect();
        if used == 0 {
            continue;
        }
        if sizes.len() == 1 {
            fine.insert(totals.len());
            continue;
        }
        let speed = socket
            .slots
            .iter()
            .filter_map(|at| machine.memory.slots.get(*at)?.module.configured_speed)
            .min();
        let rate = |channels: usize| {
            speed.map(|mts| channel_gigabytes_per_second(mts) * u32::try_from(channels).map_or(0.0, f64::from))
        };
        let text = if used < totals.len() {
            let unit = rate(used)
                .zip(rate(totals.len()))
                .map(|(now, can)| format!(" → {now:.1} of {can:.1} GB/s per socket"));
            format!(
                "{used} of {} memory channels populated{}",
                totals.len(),
                unit.unwrap_or_default()
            )
        } else {
            let words: Vec<String> = totals
                .iter()
                .map(|(name, total)| format!("{name} {}", size_words(*total)))
                .collect();
            format!("memory channels have unequal capacity: {}", words.join(", "))
        };
        let entry = groups.entry(text).or_default();
        entry.0.push(index);
        entry.1 = if used < totals.len() {
            rate(used).zip(rate(totals.len()))
        } else {
            None
        };
    }
    if groups.is_empty() {
        report.fine.extend(
            fine.first()
                .filter(|n| fine.len() == 1 && **n > 1)
                .map(|n| format!("all {n} memory channels populated alike")),
        );
    }
    for (text, (sockets, loss)) in groups {
        let names: Vec<&str> = sockets
            .iter()
            .filter_map(|at| machine.sockets.get(*at))
            .map(|s| s.label.as_str())
            .collect();
        let slots: Vec<(usize, &DimmSlot)> = machine
            .memory
            .slots
            .iter()
            .enumerate()
            .filter(|(_, slot)| slot.socket.is_some_and(|s| sockets.contains(&s)))
            .collect();
        report.findings.push(Finding {
            id: "memory-channels-unequal",
            severity: Severity::Bad,
            text: format!("{}: {text}", names.join(", ")),
            gigabytes_per_second: loss,
            places: sockets.iter().map(|at| Place::Socket(*at)).collect(),
            evidence: evidence(machine, &slots, |slot| {
                format!(
                    "channel {}, {}",
                    slot.channel.as_deref().unwrap_or("?"),
                    size_words(slot.module.size.unwrap_or(0))
                )
            }),
        });
    }
}
