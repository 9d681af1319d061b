//! What a table says, in one line.

use std::fmt::Write;

use crate::layout::{self, Rest};
use crate::table::Table;
use crate::tables::dmar::Dmar;
use crate::tables::ivrs::Ivrs;
use crate::tables::madt::{CpuKind, Madt};
use crate::tables::mcfg::Mcfg;
use crate::tables::slit::Slit;
use crate::tables::srat::Srat;

/// One line: what the tables of the machine's shape say, of the others what they are or which
/// structures they hold; `None` for a table that no layout is known of, and for AML.
///
/// ```
/// let mcfg = b"MCFG\x3c\0\0\0\x01\0OEMOEMOEMTABLE\x01\0\0\0TOOL\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\xe0\0\0\0\0\0\0\0\xff\0\0\0\0";
/// let table = acpi_dump::Table::parse(mcfg)?;
/// assert_eq!(acpi_dump::words::says(&table).unwrap(), "segment 0000 buses 00-ff at 0xe0000000");
/// # Ok::<(), acpi_dump::TableError>(())
/// ```
#[must_use]
pub fn says(table: &Table) -> Option<String> {
    Madt::decode(table)
        .map(|madt| self::madt(&madt.value))
        .or_else(|| Srat::decode(table).map(|srat| self::srat(&srat.value)))
        .or_else(|| Slit::decode(table).map(|slit| self::slit(&slit.value)))
        .or_else(|| Mcfg::decode(table).map(|mcfg| self::mcfg(&mcfg.value)))
        .or_else(|| Dmar::decode(table).map(|dmar| self::dmar(&dmar.value)))
        .or_else(|| Ivrs::decode(table).map(|ivrs| self::ivrs(&ivrs.value)))
        .or_else(|| structures(table))
}

/// Most kinds of structure that a line names.
const KINDS: usize = 4;

/// The structures of a table by kind, or its name.
fn structures(table: &Table) -> Option<String> {
    let layout = layout::find(table.signature.0)?;
    let section = layout::decode(table).value;
    let mut kinds: Vec<(&str, usize)> = Vec::new();
    for inner in section.sections.iter().filter(|inner| inner.title != "Header") {
        match kinds.iter_mut().find(|(title, _)| *title == inner.title) {
            Some((_, number)) => *number = number.saturating_add(1),
            None => kinds.push((&inner.title, 1)),
        }
    }
    // Address structures and one-off parts say nothing about how much there is.
    let telling = kinds.len() > 1 || kinds.iter().any(|(_, number)| *number > 1);
    if !telling || !matches!(layout.rest, Rest::Entries(_) | Rest::Repeat(..)) {
        return Some(layout.name.to_owned());
    }
    let mut list: Vec<String> = kinds
        .iter()
        .take(KINDS)
        .map(|(title, number)| format!("{number} × {title}"))
        .collect();
    if kinds.len() > KINDS {
        list.push("…".to_owned());
    }
    Some(list.join(", "))
}

/// CPUs and interrupt controllers.
#[must_use]
pub fn madt(madt: &Madt) -> String {
    let mut parts = vec![format!("{} enabled", count(madt.enabled().count(), "CPU"))];
    let later = madt.online_capable().count();
    if later > 0 {
        parts.push(format!("{later} more online-capable"));
    }
    if madt.enabled().any(|cpu| cpu.kind == CpuKind::LocalX2Apic) {
        parts.push("x2APIC ids".to_owned());
    }
    if madt.enabled().any(|cpu| cpu.kind == CpuKind::Gicc) {
        parts.push("GIC".to_owned());
    } else {
        parts.push(count(madt.io_apics.len(), "I/O APIC"));
    }
    parts.join(", ")
}

/// CPUs, memory and devices of each domain.
#[must_use]
pub fn srat(srat: &Srat) -> String {
    let domains = srat.domains();
    let mut text = count(domains.len(), "domain");
    for (number, domain) in domains.iter().enumerate() {
        let cpus = srat
            .cpus
            .iter()
            .filter(|cpu| cpu.enabled && cpu.domain == *domain)
            .count();
        let ranges = || {
            srat.memory
                .iter()
                .filter(|range| range.enabled && range.domain == *domain)
        };
        let total = |wanted: bool| {
            let lengths = ranges()
                .filter(|range| range.hot_pluggable == wanted)
                .map(|range| range.length);
            lengths.fold(0u64, u64::saturating_add)
        };
        let devices = srat
            .devices
            .iter()
            .filter(|device| device.enabled && device.domain == *domain)
            .count();
        let mut parts = vec![count(cpus, "CPU"), size(total(false))];
        if total(true) > 0 {
            parts.push(format!("{} hot-pluggable", size(total(true))));
        }
        if ranges().any(|range| range.non_volatile) {
            parts.push("partly non-volatile".to_owned());
        }
        if devices > 0 {
            parts.push(count(devices, "device"));
        }
        let separator = if number == 0 { ':' } else { ';' };
        let _ = write!(text, "{separator} {}: {}", domain.0, parts.join(", "));
    }
    text
}

/// Number of domains and the distances that occur.
#[must_use]
pub fn slit(slit: &Slit) -> String {
    let mut remote: Vec<u8> = Vec::new();
    for (from, row) in slit.rows.iter().enumerate() {
        remote.extend(
            row.iter()
                .enumerate()
                .filter(|(to, _)| *to != from)
                .map(|(_, distance)| *distance),
        );
    }
    remote.sort_unstable();
    remote.dedup();
    let nodes = count(slit.rows.len(), "domain");
    if remote.is_empty() {
        return nodes;
    }
    let list: Vec<String> = remote.iter().map(u8::to_string).collect();
    format!("{nodes}, remote distances {}", list.join(" "))
}

/// Configuration space windows.
#[must_use]
pub fn mcfg(mcfg: &Mcfg) -> String {
    let windows = mcfg.windows.iter().map(|window| {
        let (first, last) = (window.first_bus, window.last_bus);
        format!(
            "segment {:04x} buses {first:02x}-{last:02x} at {}",
            window.segment.0, window.base
        )
    });
    let list: Vec<String> = windows.collect();
    if list.is_empty() {
        "no window".to_owned()
    } else {
        list.join("; ")
    }
}

/// Intel IOMMUs.
#[must_use]
pub fn dmar(dmar: &Dmar) -> String {
    let mut parts = vec![count(dmar.units.len(), "IOMMU")];
    if dmar.interrupt_remapping {
        parts.push("interrupt remapping".to_owned());
    }
    if dmar.x2apic_opt_out {
        parts.push("x2APIC opt-out".to_owned());
    }
    if !dmar.reserved.is_empty() {
        parts.push(count(dmar.reserved.len(), "reserved range"));
    }
    parts.join(", ")
}

/// AMD IOMMUs.
#[must_use]
pub fn ivrs(ivrs: &Ivrs) -> String {
    let units: Vec<String> = ivrs.units().iter().map(|unit| unit.address.to_string()).collect();
    format!("{}: {}", count(units.len(), "IOMMU"), units.join(" "))
}

pub(crate) fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// Bytes in the largest binary unit that loses less than a tenth of it.
pub(crate) fn size(bytes: u64) -> String {
    for (shift, unit) in [(40u32, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")] {
        let one = 1u64 << shift;
        if bytes >= one {
            let tenths = u128::from(bytes).saturating_mul(10) / u128::from(one);
            let (whole, tenth) = (tenths / 10, tenths % 10);
            return if tenth == 0 {
                format!("{whole} {unit}")
            } else {
                format!("{whole}.{tenth} {unit}")
            };
        }
    }
    format!("{bytes} B")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tables::testing::{hex, sdt};

    fn text(signature: &[u8; 4], body: &str) -> String {
        says(&Table::parse(&sdt(signature, 3, &hex(body))).unwrap()).unwrap()
    }

    #[test]
    fn madt_counts_what_is_usable() {
        let body = "0000e0fe 01000000 0008 0120 01000000 0008 0221 02000000 010c 0200 0000c0fe 00000000";
        assert_eq!(text(b"APIC", body), "1 CPU enabled, 1 more online-capable, 1 I/O APIC");
    }

    #[test]
    fn srat_adds_the_memory_of_a_domain() {
        let body = "01000000 0000000000000000 0010 00 20 01000000 00 000000 00000000
            0128 00000000 0000 0000000000000000 0000004000000000 00000000 01000000 0000000000000000
            0128 01000000 0000 0000004000000000 0000008000000000 00000000 03000000 0000000000000000";
        assert_eq!(
            text(b"SRAT", body),
            "2 domains: 0: 1 CPU, 1 GiB; 1: 0 CPUs, 0 B, 2 GiB hot-pluggable"
        );
    }

    #[test]
    fn slit_lists_each_remote_distance_once() {
        assert_eq!(
            text(b"SLIT", "0200000000000000 0a15 150a"),
            "2 domains, remote distances 21"
        );
    }

    #[test]
    fn sizes_are_cut_not_rounded_up() {
        assert_eq!(
            (size(10_737_418_239), size(3 << 29), size(512)),
            ("9.9 GiB".into(), "1.5 GiB".into(), "512 B".into())
        );
    }
}
