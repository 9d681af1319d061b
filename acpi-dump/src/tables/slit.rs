//! System Locality Information Table: relative distances between proximity domains.
//! Follows ACPI 6.5, section 5.2.17. 10 is the distance to itself; 255 means unreachable.

use schemars::JsonSchema;
use serde::Serialize;

use crate::bytes::u64_at;
use crate::finding::{Decoded, Finding};
use crate::header::Signature;
use crate::table::Table;

/// The distance matrix.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Slit {
    /// Rows in order of the domain they are from; whole rows only.
    pub rows: Vec<Vec<u8>>,
}

impl Slit {
    /// Decode; `None` when it is another table. Rows that are not wholly there are left out.
    #[must_use]
    pub fn decode(table: &Table) -> Option<Decoded<Self>> {
        if table.signature != Signature::SLIT {
            return None;
        }
        let mut findings = Vec::new();
        let rows = rows(table, &mut findings).unwrap_or_default();
        Some(Decoded {
            value: Self { rows },
            findings,
        })
    }

    /// Distance from one domain to another.
    #[must_use]
    pub fn distance(&self, from: usize, to: usize) -> Option<u8> {
        self.rows.get(from)?.get(to).copied()
    }
}

fn rows(table: &Table, findings: &mut Vec<Finding>) -> Option<Vec<Vec<u8>>> {
    let stated = u64_at(&table.bytes, 36).filter(|_| !table.is_missing(&(36..44)));
    let Some(stated) = stated else {
        findings.push(Finding::new(36, "number of localities", "bytes missing"));
        return None;
    };
    let cells = table.bytes.get(44..)?;
    let needed = u128::from(stated).saturating_mul(stated.into());
    if needed != u128::try_from(cells.len()).ok()? {
        let expected = format!("{stated} x {stated} = {needed} distances");
        findings.push(Finding::new(44, expected, format!("{} bytes", cells.len())));
    }
    let width = usize::try_from(stated).ok().filter(|width| *width > 0)?;
    let mut rows = Vec::new();
    for (number, row) in cells.chunks_exact(width).take(width).enumerate() {
        let start = number.saturating_mul(width).saturating_add(44);
        if table.is_missing(&(start..start.saturating_add(width))) {
            // Later rows would move up to a wrong domain.
            findings.push(Finding::new(
                start,
                format!("distances of locality {number}"),
                "bytes missing",
            ));
            break;
        }
        rows.push(row.to_vec());
    }
    Some(rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tables::testing::sdt;

    fn decode(count: u64, cells: &[u8]) -> Decoded<Slit> {
        let body = [&count.to_le_bytes(), cells].concat();
        Slit::decode(&Table::parse(&sdt(b"SLIT", 1, &body)).unwrap()).unwrap()
    }

    #[test]
    fn matrix_is_read_row_by_row() {
        let slit = decode(2, &[10, 21, 31, 10]);
        assert!(slit.findings.is_empty());
        assert_eq!(
            (slit.value.distance(0, 1), slit.value.distance(1, 0)),
            (Some(21), Some(31))
        );
        assert_eq!(slit.value.distance(2, 0), None);
    }

    #[test]
    fn absurd_number_of_localities_is_a_finding_and_allocates_nothing() {
        for count in [u64::MAX, 1 << 40, 3] {
            let slit = decode(count, &[10, 21]);
            assert_eq!((slit.findings.len(), slit.value.rows.len()), (1, 0), "{count}");
        }
    }

    #[test]
    fn whole_rows_of_a_short_matrix_are_kept() {
        let slit = decode(2, &[10, 21, 21]);
        assert_eq!((slit.findings.len(), slit.value.rows), (1, vec![vec![10, 21]]));
    }
}
