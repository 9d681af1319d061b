//! Tables that describe a machine's shape: SLIT.

use crate::layout::Cursor;
use crate::layout::spec::{Field, Rest, TableLayout, dec};

pub(crate) const TABLES: &[TableLayout] = &[TableLayout::new(
    *b"SLIT",
    "System Locality Information Table",
    "ACPI 6.5, 5.2.17",
    &[dec("Number of system localities", 8)],
)
.rest(Rest::Code(distances))];

const DISTANCE: Field = dec("Distance", 1);

/// One row of the matrix for each locality.
fn distances(cursor: &mut Cursor<'_>) {
    let count = cursor.size("Number of system localities").unwrap_or(0);
    for locality in 0..count {
        if cursor.left() == 0 {
            let seen = format!("{locality} of them");
            return cursor.finding(cursor.at, format!("{count} rows of distances"), seen);
        }
        let end = cursor.at.saturating_add(count);
        cursor.nested(format!("Locality {locality}"), end, |cursor| {
            cursor.array(&DISTANCE, count);
        });
    }
}
