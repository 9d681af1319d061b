//! Heterogeneous Memory Attribute Table: latency and bandwidth between domains, caches of memory.
//! Follows ACPI 6.5, section 5.2.28.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::bytes::{u8_at, u16_at, u32_at, u64_at};
use crate::finding::{Decoded, Finding};
use crate::header::Signature;
use crate::ids::ProximityDomain;
use crate::table::Table;
use crate::tables::entry::{Entry, Layout, entries};

/// A memory domain and the domain of the CPUs or devices next to it (type 0).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Attached {
    /// Offset of the entry in the table.
    pub offset: usize,
    /// Domain of the memory.
    pub memory: ProximityDomain,
    /// Domain of the initiator it is attached to, where the table says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub initiator: Option<ProximityDomain>,
}

/// What a matrix of type 1 measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Measure {
    /// Latency of an access, read or write.
    AccessLatency,
    /// Latency of a read.
    ReadLatency,
    /// Latency of a write.
    WriteLatency,
    /// Bandwidth of accesses, read or write.
    AccessBandwidth,
    /// Bandwidth of reads.
    ReadBandwidth,
    /// Bandwidth of writes.
    WriteBandwidth,
}

impl Measure {
    fn of(number: u8) -> Option<Self> {
        Some(match number {
            0 => Self::AccessLatency,
            1 => Self::ReadLatency,
            2 => Self::WriteLatency,
            3 => Self::AccessBandwidth,
            4 => Self::ReadBandwidth,
            5 => Self::WriteBandwidth,
            _ => return None,
        })
    }

    /// Latency; else bandwidth.
    #[must_use]
    pub fn is_latency(self) -> bool {
        matches!(self, Self::AccessLatency | Self::ReadLatency | Self::WriteLatency)
    }
}

/// One cell of a matrix: what an initiator sees of a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Cell {
    /// Domain of the CPUs or devices that access.
    pub initiator: ProximityDomain,
    /// Domain of the memory.
    pub target: ProximityDomain,
    /// Picoseconds for a latency, MB/s for a bandwidth; none where the table says unreachable.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<u64>,
}

/// A latency or bandwidth matrix (type 1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Matrix {
    /// Offset of the entry in the table.
    pub offset: usize,
    /// 0 memory; 1 to 3 the memory-side cache of that level.
    pub hierarchy: u8,
    /// What it measures.
    pub measure: Measure,
    /// Cells, row by row; provided initiators times provided targets.
    pub cells: Vec<Cell>,
}

/// A cache on the memory's side (type 2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MemorySideCache {
    /// Offset of the entry in the table.
    pub offset: usize,
    /// Domain of the memory behind it.
    pub memory: ProximityDomain,
    /// Size in bytes.
    pub size: u64,
    /// Number of cache levels of this domain.
    pub levels: u8,
    /// Level that this entry describes.
    pub level: u8,
    /// 0 none, 1 direct mapped, 2 complex indexing.
    pub associativity: u8,
    /// 0 none, 1 write back, 2 write through.
    pub write_policy: u8,
    /// Bytes of a line.
    pub line: u16,
    /// SMBIOS handles of the modules that form it.
    pub handles: Vec<u16>,
}

/// The table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Hmat {
    /// Memory domains and their initiators.
    pub attached: Vec<Attached>,
    /// Matrices in table order.
    pub matrices: Vec<Matrix>,
    /// Memory-side caches in table order.
    pub caches: Vec<MemorySideCache>,
    /// Number of entries of each other type.
    pub other: BTreeMap<u16, usize>,
}

impl Hmat {
    /// Decode; `None` when it is another table.
    #[must_use]
    pub fn decode(table: &Table) -> Option<Decoded<Self>> {
        if table.signature != Signature::HMAT {
            return None;
        }
        let mut findings = Vec::new();
        let mut hmat = Self::default();
        let revision = table.revision().unwrap_or(2);
        for entry in entries(table, 40, Layout::WordLong, &mut findings) {
            hmat.take(&entry, revision, &mut findings);
        }
        Some(Decoded { value: hmat, findings })
    }

    /// Best value that an initiator's domain has to a target's memory itself, of the measures asked for.
    #[must_use]
    pub fn value(&self, measures: &[Measure], initiator: ProximityDomain, target: ProximityDomain) -> Option<u64> {
        let memory = self.matrices.iter().filter(|matrix| matrix.hierarchy == 0);
        let wanted = memory.filter(|matrix| measures.contains(&matrix.measure));
        let mut cells = wanted.flat_map(|matrix| &matrix.cells);
        cells
            .find(|cell| cell.initiator == initiator && cell.target == target && cell.value.is_some())
            .and_then(|cell| cell.value)
    }

    fn take(&mut self, entry: &Entry<'_>, revision: u8, findings: &mut Vec<Finding>) {
        match entry.kind {
            0 if entry.has(40, "memory proximity domain attributes", findings) => {
                self.attached.extend(attached(entry));
            }
            1 if entry.has(32, "latency and bandwidth", findings) => match matrix(entry, revision) {
                Ok(matrix) => self.matrices.push(matrix),
                Err(finding) => findings.push(finding),
            },
            2 if entry.has(32, "memory side cache", findings) => match cache(entry) {
                Some(cache) => self.caches.push(cache),
                None => findings.push(Finding::new(
                    entry.offset.saturating_add(30),
                    "as many SMBIOS handles as are counted",
                    format!("entry of {} bytes", entry.bytes.len()),
                )),
            },
            0..=2 => {}
            kind => {
                let count = self.other.entry(kind).or_default();
                *count = count.saturating_add(1);
            }
        }
    }
}

fn attached(entry: &Entry<'_>) -> Option<Attached> {
    let valid = u16_at(entry.bytes, 8)? & 1 != 0;
    Some(Attached {
        offset: entry.offset,
        memory: ProximityDomain(u32_at(entry.bytes, 16)?),
        initiator: u32_at(entry.bytes, 12).filter(|_| valid).map(ProximityDomain),
    })
}

fn domains(bytes: &[u8]) -> impl Iterator<Item = ProximityDomain> + '_ {
    bytes
        .chunks_exact(4)
        .filter_map(|number| u32_at(number, 0).map(ProximityDomain))
}

fn matrix(entry: &Entry<'_>, revision: u8) -> Result<Matrix, Finding> {
    let bytes = entry.bytes;
    let fault =
        |at: usize, expected: String, seen: String| Finding::new(entry.offset.saturating_add(at), expected, seen);
    let kind = u8_at(bytes, 9).unwrap_or(u8::MAX);
    let measure = Measure::of(kind).ok_or_else(|| fault(9, "data type 0 to 5".to_owned(), kind.to_string()))?;
    let count = |at| {
        u32_at(bytes, at)
            .and_then(|count| usize::try_from(count).ok())
            .unwrap_or(usize::MAX)
    };
    let (rows, columns) = (count(12), count(16));
    // 32 bytes, the two lists of domains, two bytes for each cell.
    let lists = rows.saturating_add(columns).saturating_mul(4).saturating_add(32);
    let needed = rows.saturating_mul(columns).saturating_mul(2).saturating_add(lists);
    if needed > bytes.len() {
        let seen = format!("entry of {} bytes", bytes.len());
        return Err(fault(
            12,
            format!("{rows} initiators times {columns} targets in {needed} bytes"),
            seen,
        ));
    }
    let middle = rows.saturating_mul(4).saturating_add(32);
    let initiators: Vec<_> = domains(bytes.get(32..middle).unwrap_or_default()).collect();
    let targets: Vec<_> = domains(bytes.get(middle..lists).unwrap_or_default()).collect();
    let base = u64_at(bytes, 24).unwrap_or(0);
    let entries = bytes.get(lists..needed).unwrap_or_default().chunks_exact(2);
    let pairs = initiators
        .iter()
        .flat_map(|initiator| targets.iter().map(move |target| (*initiator, *target)));
    let cells = pairs.zip(entries).map(|((initiator, target), entry)| Cell {
        initiator,
        target,
        value: u16_at(entry, 0).and_then(|entry| normal(entry, base, measure, revision)),
    });
    Ok(Matrix {
        offset: entry.offset,
        hierarchy: u8_at(bytes, 8).unwrap_or(0) & 0xf,
        measure,
        cells: cells.collect(),
    })
}

/// A cell in picoseconds or MB/s. Revision 1 (ACPI 6.2) gives tenths: of a nanosecond, of a MB/s;
/// from revision 2 on the unit is the picosecond and the MB/s. 0 and 0xFFFF stand for no value.
fn normal(entry: u16, base: u64, measure: Measure, revision: u8) -> Option<u64> {
    if matches!(entry, 0 | u16::MAX) {
        return None;
    }
    let value = base.checked_mul(entry.into())?;
    Some(match (revision, measure.is_latency()) {
        (0 | 1, true) => value.checked_mul(100)?,
        (0 | 1, false) => value / 10,
        _ => value,
    })
}

fn cache(entry: &Entry<'_>) -> Option<MemorySideCache> {
    let bytes = entry.bytes;
    let attributes = u32_at(bytes, 24)?;
    let nibble = |shift: u32| u8::try_from(attributes >> shift & 0xf).unwrap_or(0);
    let end = usize::from(u16_at(bytes, 30)?).checked_mul(2)?.checked_add(32)?;
    let handles = bytes.get(32..end)?.chunks_exact(2);
    Some(MemorySideCache {
        offset: entry.offset,
        memory: ProximityDomain(u32_at(bytes, 8)?),
        size: u64_at(bytes, 16)?,
        levels: nibble(0),
        level: nibble(4),
        associativity: nibble(8),
        write_policy: nibble(12),
        line: u16::try_from(attributes >> 16).ok()?,
        handles: handles.filter_map(|handle| u16_at(handle, 0)).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tables::testing::{hex, sdt};

    /// Two initiators, two targets, access latency in units of 1000 ps, revision 2.
    const LATENCY: &str = "00000000 0100 0000 38000000 00 00 0000 02000000 02000000 00000000 e803000000000000
        00000000 01000000 00000000 02000000 6400 c800 9600 ffff";

    fn decode(revision: u8, body: &str) -> Decoded<Hmat> {
        Hmat::decode(&Table::parse(&sdt(b"HMAT", revision, &hex(body))).unwrap()).unwrap()
    }

    #[test]
    fn cells_are_base_unit_times_entry_row_by_row() {
        let decoded = decode(2, LATENCY);
        assert!(decoded.findings.is_empty(), "{:?}", decoded.findings);
        let hmat = decoded.value;
        let value = |from, to| hmat.value(&[Measure::AccessLatency], ProximityDomain(from), ProximityDomain(to));
        assert_eq!(
            (value(0, 0), value(0, 2), value(1, 0)),
            (Some(100_000), Some(200_000), Some(150_000))
        );
        assert_eq!(value(1, 2), None, "0xffff is unreachable");
    }

    #[test]
    fn counts_past_the_entry_are_a_finding() {
        let decoded = decode(2, &LATENCY.replacen("02000000", "ffffff7f", 1));
        assert!(decoded.value.matrices.is_empty());
        assert_eq!(decoded.findings[0].offset, 52);
    }

    #[test]
    fn memory_side_cache_attributes_are_nibbles_and_a_line_size() {
        let body = "00000000 0200 0000 22000000 01000000 00000000 0000000001000000 11124000 0000 0100 2a00";
        let decoded = decode(2, body);
        let cache = &decoded.value.caches[0];
        assert_eq!((cache.size, cache.levels, cache.level), (0x1_0000_0000, 1, 1));
        assert_eq!((cache.associativity, cache.write_policy, cache.line), (2, 1, 64));
        assert_eq!(cache.handles, [0x2a]);
    }
}
