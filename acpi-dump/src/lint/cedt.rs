//! Check 25: CXL host bridges and memory windows. Compute Express Link 3.1, section 9.18.

use std::collections::BTreeSet;

use super::catalogue::platform as checks;
use super::hit::Report;
use super::subject::{Subject, View};
use crate::tables::cedt::{Cedt, Window};

/// Windows begin and end at multiples of this.
const GRAIN: u64 = 256 << 20;

pub(super) fn run(subject: &Subject<'_>, report: &mut Report) {
    for view in subject.all(b"CEDT") {
        let Some(cedt) = Cedt::decode(&view.named.table) else {
            continue;
        };
        bridges(view, &cedt.value, report);
        for window in &cedt.value.windows {
            self::window(view, window, report);
        }
        overlaps(view, &cedt.value.windows, report);
    }
}

fn bridges(view: View<'_>, cedt: &Cedt, report: &mut Report) {
    for bridge in &cedt.bridges {
        let length = match bridge.version {
            0 => 0x2000,
            1 => 0x1_0000,
            _ => continue,
        };
        if bridge.length != length {
            let expected = format!("{length:#x} bytes of registers for version {}", bridge.version);
            let at = bridge.offset.saturating_add(24);
            report.at(
                checks::CEDT_BRIDGE_LENGTH,
                view.named,
                at,
                expected,
                format!("{:#x}", bridge.length),
            );
        }
    }
    if !view.is_whole() || !view.findings.is_empty() {
        return;
    }
    let known: BTreeSet<u32> = cedt.bridges.iter().map(|bridge| bridge.uid).collect();
    for window in &cedt.windows {
        let missing: BTreeSet<_> = window.targets.iter().filter(|target| !known.contains(target)).collect();
        for target in missing {
            let at = window.offset.saturating_add(36);
            let expected = "UID of a host bridge of the table";
            report.at(checks::CEDT_TARGET, view.named, at, expected, format!("{target:#x}"));
        }
    }
}

fn window(view: View<'_>, window: &Window, report: &mut Report) {
    let mut hit = |at: usize, expected: String, seen: String| {
        report.at(
            checks::CEDT_WINDOW,
            view.named,
            window.offset.saturating_add(at),
            expected,
            seen,
        );
    };
    if window.granularity.is_none() {
        hit(
            28,
            "interleave granularity code 0 to 6".to_owned(),
            "another".to_owned(),
        );
    }
    let Some(ways) = window.ways else {
        return hit(
            24,
            "interleave ways code 0 to 4 or 8 to 10".to_owned(),
            "another".to_owned(),
        );
    };
    if usize::from(ways) != window.targets.len() {
        hit(36, format!("{ways} targets"), window.targets.len().to_string());
    }
    let grain = GRAIN.saturating_mul(ways.into());
    let whole = window.length.checked_rem(grain) == Some(0) && window.length > 0;
    if !whole {
        let expected = format!("window size that is a multiple of 256 MiB times {ways} ways");
        hit(16, expected, format!("{:#x}", window.length));
    }
    if window.base.0.checked_rem(GRAIN) != Some(0) {
        hit(
            8,
            "base address that is a multiple of 256 MiB".to_owned(),
            window.base.to_string(),
        );
    }
    if window.base.0.checked_add(window.length).is_none() {
        hit(
            16,
            "a window inside the address space".to_owned(),
            format!("{:#x}", window.length),
        );
    }
}

fn overlaps(view: View<'_>, windows: &[Window], report: &mut Report) {
    let mut sorted: Vec<&Window> = windows.iter().filter(|window| window.length > 0).collect();
    sorted.sort_by_key(|window| window.base);
    for pair in sorted.windows(2) {
        if let [one, two] = pair
            && two.base.0 < one.base.0.saturating_add(one.length)
        {
            let seen = format!("{} and {}", one.base, two.base);
            report.at(
                checks::CEDT_WINDOW,
                view.named,
                two.offset,
                "windows apart from each other",
                seen,
            );
        }
    }
}
