//! One table: its bytes, its header, whether it is whole, whether it sums to zero.
//! Follows ACPI 6.5, sections 5.2.5 (RSDP), 5.2.6 (header), 5.2.10 (FACS) and 5.2.24.6 (S3PT).

use std::ops::Range;

use thiserror::Error;

use crate::bytes::{array, sum, u8_at, u32_at};
use crate::finding::Finding;
use crate::header::{Checksum, Header, Signature};

/// Why bytes are no table at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum TableError {
    /// They end inside the header.
    #[error("table header: expected at least {expected} bytes, seen {seen}")]
    TooShort {
        /// Bytes needed.
        expected: usize,
        /// Bytes there.
        seen: usize,
    },
    /// Bytes of the header are missing from a damaged dump.
    #[error("table header: bytes from {offset:#06x} on are missing")]
    HeaderMissing {
        /// First missing byte.
        offset: usize,
    },
}

/// A table and what is wrong with it as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// Which table.
    pub signature: Signature,
    /// The common header; FACS, RSDP and S3PT have none.
    pub header: Option<Header>,
    /// Length that the table states.
    pub length: u32,
    /// Its bytes, at most [`Self::length`]; missing ones are zero and listed in [`Self::missing`].
    pub bytes: Vec<u8>,
    /// Ranges of `bytes` that a damaged dump did not give.
    pub missing: Vec<Range<usize>>,
    /// What the checksum says.
    pub checksum: Checksum,
    /// Damage of the table as a whole.
    pub findings: Vec<Finding>,
}

impl Table {
    /// Decode one table. Bytes after the stated length are a finding and are dropped.
    ///
    /// # Errors
    /// Only when the header itself is not there.
    pub fn parse(bytes: &[u8]) -> Result<Self, TableError> {
        Self::with_missing(bytes, Vec::new())
    }

    /// As [`Self::parse`], for bytes of which some ranges are unknown.
    ///
    /// # Errors
    /// When the header is not there or has unknown bytes.
    pub fn with_missing(bytes: &[u8], missing: Vec<Range<usize>>) -> Result<Self, TableError> {
        Self::from_parts(bytes.to_vec(), missing)
    }

    /// As [`Self::with_missing`], from bytes that are the table's own.
    pub(crate) fn from_parts(mut all: Vec<u8>, missing: Vec<Range<usize>>) -> Result<Self, TableError> {
        let bytes = all.as_slice();
        let signature = Signature(array(bytes, 0).ok_or(too_short(8, bytes))?);
        let (header_length, length) = stated_length(signature, bytes)?;
        let gap = missing.iter().map(|range| range.start).min();
        if let Some(offset) = gap.filter(|start| *start < header_length) {
            return Err(TableError::HeaderMissing { offset });
        }
        let header = if own_layout(signature) {
            None
        } else {
            Header::parse(bytes)
        };
        let mut findings = length_findings(header_length, length, bytes.len());
        let whole = usize::try_from(length).unwrap_or(usize::MAX);
        let used = bytes.get(..whole).unwrap_or(bytes);
        let kept = used.len();
        for range in &missing {
            findings.push(Finding::new(
                range.start,
                "bytes of the table",
                format!("{} missing in the dump", range.len()),
            ));
        }
        let checksum = if used.len() < whole || !missing.is_empty() {
            Checksum::Unknown
        } else {
            checksum(signature, used)
        };
        if let Checksum::Wrong { stored, expected } = checksum {
            let offset = if signature == Signature::RSDP { 8 } else { 9 };
            findings.push(Finding::new(
                offset,
                format!("checksum {expected:#04x}"),
                format!("{stored:#04x}"),
            ));
        }
        all.truncate(kept);
        Ok(Self {
            signature,
            header,
            length,
            bytes: all,
            missing,
            checksum,
            findings,
        })
    }

    /// Whether any byte of `range` is unknown.
    #[must_use]
    pub fn is_missing(&self, range: &Range<usize>) -> bool {
        self.missing
            .iter()
            .any(|gap| gap.start < range.end && range.start < gap.end)
    }

    /// Revision of the table's layout, where it has one.
    #[must_use]
    pub fn revision(&self) -> Option<u8> {
        match (&self.header, self.signature) {
            (Some(header), _) => Some(header.revision),
            (None, Signature::RSDP) => u8_at(&self.bytes, 15),
            (None, Signature::FACS) => u8_at(&self.bytes, 32),
            (None, _) => None,
        }
    }
}

/// Cut bytes that hold several tables, one after the other, by their stated lengths.
///
/// The rest behind the last whole table is given as an error when it is no table.
#[must_use]
pub fn split(bytes: &[u8]) -> Vec<Result<Table, TableError>> {
    let mut tables = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let length = array(rest, 0).and_then(|name| stated_length(Signature(name), rest).ok());
        let (minimum, length) = length.unwrap_or((usize::MAX, 0));
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        match rest.split_at_checked(length).filter(|_| length >= minimum) {
            Some((first, others)) => {
                tables.push(Table::parse(first));
                rest = others;
            }
            None => {
                tables.push(Table::parse(rest));
                break;
            }
        }
    }
    tables
}

fn too_short(expected: usize, bytes: &[u8]) -> TableError {
    TableError::TooShort {
        expected,
        seen: bytes.len(),
    }
}

/// FACS, RSDP and S3PT do not begin with the common header.
fn own_layout(signature: Signature) -> bool {
    matches!(signature, Signature::FACS | Signature::RSDP | Signature::S3PT)
}

/// Smallest size of the table and the length it states.
fn stated_length(signature: Signature, bytes: &[u8]) -> Result<(usize, u32), TableError> {
    let minimum = match signature {
        Signature::FACS | Signature::S3PT => 8,
        Signature::RSDP => 20,
        _ => Header::LENGTH,
    };
    if bytes.len() < minimum {
        return Err(too_short(minimum, bytes));
    }
    // RSDP: revision 0 (ACPI 1.0) ends at byte 20 and states no length; later ones state it there.
    let length = match signature {
        Signature::RSDP if u8_at(bytes, 15) == Some(0) => Some(20),
        Signature::RSDP => u32_at(bytes, 20),
        _ => u32_at(bytes, 4),
    };
    Ok((minimum, length.ok_or(too_short(24, bytes))?))
}

fn length_findings(minimum: usize, length: u32, seen: usize) -> Vec<Finding> {
    let stated = usize::try_from(length).unwrap_or(usize::MAX);
    let mut findings = Vec::new();
    if stated < minimum {
        findings.push(Finding::new(
            4,
            format!("table length of at least {minimum}"),
            stated.to_string(),
        ));
    }
    if stated > seen {
        findings.push(Finding::new(
            seen,
            format!("{stated} bytes of table"),
            format!("{seen} bytes"),
        ));
    } else if seen > stated {
        findings.push(Finding::new(
            stated,
            "end of the table",
            format!("{} bytes more", seen.saturating_sub(stated)),
        ));
    }
    findings
}

fn checksum(signature: Signature, bytes: &[u8]) -> Checksum {
    match signature {
        Signature::FACS | Signature::S3PT => Checksum::None,
        // 5.2.5.3: the first checksum covers 20 bytes, the extended one the whole structure.
        Signature::RSDP => {
            let first = Checksum::of(bytes.get(..20).unwrap_or(bytes), u8_at(bytes, 8).unwrap_or(0));
            if first.is_ok() && sum(bytes) != 0 {
                return Checksum::of(bytes, u8_at(bytes, 32).unwrap_or(0));
            }
            first
        }
        _ => Checksum::of(bytes, u8_at(bytes, 9).unwrap_or(0)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tables::testing::sdt;

    #[test]
    fn smallest_table_is_a_header_alone() {
        let table = Table::parse(&sdt(b"TEST", 1, &[])).unwrap();
        assert!(table.checksum.is_ok() && table.findings.is_empty());
        assert_eq!((table.length, table.revision()), (36, Some(1)));
    }

    #[test]
    fn wrong_checksum_is_a_finding_and_the_table_is_still_read() {
        let mut bytes = sdt(b"TEST", 1, &[1, 2, 3]);
        bytes[9] = bytes[9].wrapping_add(1);
        let table = Table::parse(&bytes).unwrap();
        assert!(matches!(table.checksum, Checksum::Wrong { .. }));
        assert_eq!(
            (table.findings.len(), table.findings[0].offset, table.bytes.len()),
            (1, 9, 39)
        );
    }

    #[test]
    fn truncated_table_is_reported_at_its_end_and_its_sum_is_unknown() {
        let bytes = sdt(b"TEST", 1, &[1, 2, 3, 4]);
        let table = Table::parse(&bytes[..38]).unwrap();
        assert_eq!(table.checksum, Checksum::Unknown);
        assert_eq!(table.findings, [Finding::new(38, "40 bytes of table", "38 bytes")]);
    }

    #[test]
    fn bytes_after_the_stated_length_are_dropped_and_reported() {
        let mut bytes = sdt(b"TEST", 1, &[]);
        bytes.extend([1, 2]);
        let table = Table::parse(&bytes).unwrap();
        assert!(table.checksum.is_ok());
        assert_eq!((table.bytes.len(), table.findings.len()), (36, 1));
    }

    #[test]
    fn header_cut_short_is_an_error_with_both_lengths() {
        let bytes = sdt(b"TEST", 1, &[]);
        assert_eq!(
            Table::parse(&bytes[..35]),
            Err(TableError::TooShort { expected: 36, seen: 35 })
        );
        assert_eq!(Table::parse(b"TE"), Err(TableError::TooShort { expected: 8, seen: 2 }));
    }

    #[test]
    fn facs_has_no_checksum() {
        let mut facs = b"FACS\x40\0\0\0".to_vec();
        facs.resize(64, 0x5a);
        let table = Table::parse(&facs).unwrap();
        assert_eq!((table.checksum, table.header), (Checksum::None, None));
    }

    #[test]
    fn rsdp_has_a_checksum_for_each_of_its_two_sizes() {
        let mut rsdp = b"RSD PTR \0OEMOEM\x02\0\0\0\0\x24\0\0\0".to_vec();
        rsdp.resize(36, 0);
        rsdp[8] = sum(&rsdp[..20]).wrapping_neg();
        rsdp[32] = sum(&rsdp).wrapping_neg();
        assert!(Table::parse(&rsdp).unwrap().checksum.is_ok());
        rsdp[30] ^= 1;
        assert!(matches!(Table::parse(&rsdp).unwrap().checksum, Checksum::Wrong { .. }));
    }

    #[test]
    fn glued_tables_are_cut_apart_and_a_broken_tail_is_kept_as_error() {
        let mut bytes = sdt(b"AAAA", 1, &[7]);
        bytes.extend(sdt(b"BBBB", 1, &[8, 9]));
        bytes.extend(b"CC");
        let tables = split(&bytes);
        let names: Vec<_> = tables
            .iter()
            .flatten()
            .map(|table| table.signature.to_string())
            .collect();
        assert_eq!((names.join(" ").as_str(), tables.len()), ("AAAA BBBB", 3));
        assert!(tables[2].is_err());
    }

    #[test]
    fn length_zero_does_not_stop_the_cut_from_ending() {
        let mut bytes = sdt(b"AAAA", 1, &[]);
        bytes[4] = 0;
        assert_eq!(split(&bytes).len(), 1);
    }
}
