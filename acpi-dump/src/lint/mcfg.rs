//! Checks 8 and 9: windows of the PCI configuration space. PCI Firmware 3.3, section 4.1.2.

use super::catalogue::topology as checks;
use super::hit::Report;
use super::motherboard;
use super::subject::{MemoryKind, MemoryRange, Subject, View};
use crate::tables::mcfg::{Mcfg, Window};

pub(super) fn run(subject: &Subject<'_>, report: &mut Report) {
    for view in subject.all(b"MCFG") {
        let Some(mcfg) = Mcfg::decode(&view.named.table) else {
            continue;
        };
        if view.is_whole() {
            size(view, report);
        }
        for window in &mcfg.value.windows {
            single(view, window, report);
            if let Some(map) = &subject.outside.memory {
                against_map(subject, view, window, map, report);
            }
        }
        overlaps(view, &mcfg.value.windows, report);
    }
}

fn size(view: View<'_>, report: &mut Report) {
    let length = view.named.table.bytes.len();
    if length <= 44 {
        report.at(
            checks::MCFG_EMPTY,
            view.named,
            length,
            "at least one window of 16 bytes",
            format!("table of {length} bytes"),
        );
    } else if !length.saturating_sub(44).is_multiple_of(16) {
        report.at(
            checks::MCFG_SIZE,
            view.named,
            4,
            "44 bytes and 16 for each window",
            length.to_string(),
        );
    }
}

fn single(view: View<'_>, window: &Window, report: &mut Report) {
    if window.base.0 == 0 || window.base.0 & 0xf_ffff != 0 {
        let expected = "base address that is a multiple of 1 MiB and not zero";
        report.at(
            checks::MCFG_BASE,
            view.named,
            window.offset,
            expected,
            window.base.to_string(),
        );
    }
    if window.last_bus < window.first_bus {
        let seen = format!("{:02x}-{:02x}", window.first_bus, window.last_bus);
        report.at(
            checks::MCFG_BUSES,
            view.named,
            window.offset.saturating_add(10),
            "last bus not before the first",
            seen,
        );
    }
}

/// First and last byte that the buses of a window take: the base is that of bus 0.
fn bytes(window: &Window) -> Option<(u64, u64)> {
    let first = window.base.0.checked_add(u64::from(window.first_bus) << 20)?;
    let last = window
        .base
        .0
        .checked_add((u64::from(window.last_bus) << 20) | 0xf_ffff)?;
    (first <= last).then_some((first, last))
}

fn overlaps(view: View<'_>, windows: &[Window], report: &mut Report) {
    let mut by_bus: Vec<&Window> = windows
        .iter()
        .filter(|window| window.first_bus <= window.last_bus)
        .collect();
    by_bus.sort_by_key(|window| (window.segment, window.first_bus));
    for pair in by_bus.windows(2) {
        if let [one, two] = pair
            && one.segment == two.segment
            && two.first_bus <= one.last_bus
        {
            let expected = format!("each bus of segment {:04x} in one window", one.segment.0);
            let seen = format!(
                "{:02x}-{:02x} and {:02x}-{:02x}",
                one.first_bus, one.last_bus, two.first_bus, two.last_bus
            );
            report.at(checks::MCFG_OVERLAP, view.named, two.offset, expected, seen);
        }
    }
    let mut ranges: Vec<_> = windows
        .iter()
        .filter_map(|window| Some((bytes(window)?, window)))
        .collect();
    ranges.sort_by_key(|(range, _)| *range);
    for pair in ranges.windows(2) {
        if let [((_, end), one), ((start, _), two)] = pair
            && start <= end
        {
            let seen = format!("{} and {}", one.base, two.base);
            report.at(
                checks::MCFG_OVERLAP,
                view.named,
                two.offset,
                "address ranges apart from each other",
                seen,
            );
        }
    }
}

fn against_map(subject: &Subject<'_>, view: View<'_>, window: &Window, map: &[MemoryRange], report: &mut Report) {
    let Some((first, last)) = bytes(window) else { return };
    let inside = map
        .iter()
        .filter(|range| *range.bytes.start() <= last && first <= *range.bytes.end());
    let seen = format!("{first:#x}-{last:#x}");
    if let Some(memory) = inside.clone().find(|range| range.kind == MemoryKind::Usable) {
        let expected = format!(
            "registers outside of usable memory {:#x}-{:#x}",
            memory.bytes.start(),
            memory.bytes.end()
        );
        report.at(checks::MCFG_IN_MEMORY, view.named, window.offset, expected, seen);
        return;
    }
    let mut ranges: Vec<_> = inside.map(|range| (*range.bytes.start(), *range.bytes.end())).collect();
    if covers(&mut ranges, first, last) {
        return;
    }
    // A motherboard device may reserve it instead; what it says at run time only is not guessed.
    let by_devices = subject.namespace.map_or(Some(Vec::new()), motherboard::reserved);
    let Some(devices) = by_devices else { return };
    ranges.extend(devices);
    if !covers(&mut ranges, first, last) {
        report.at(
            checks::MCFG_NOT_RESERVED,
            view.named,
            window.offset,
            "the whole window reserved in the memory map or by a motherboard device",
            seen,
        );
    }
}

/// Whether ranges leave no byte out.
fn covers(ranges: &mut [(u64, u64)], first: u64, last: u64) -> bool {
    ranges.sort_unstable();
    let mut next = Some(first);
    for (start, end) in ranges.iter() {
        match next {
            Some(byte) if *start <= byte && byte <= *end => next = end.checked_add(1),
            Some(_) => {}
            None => break,
        }
    }
    next.is_none_or(|next| next > last)
}
