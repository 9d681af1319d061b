//! The equivalence table of a container.
//!
//! No loader needs the row of zeros at its end: Linux 6.12 goes through all rows that the length
//! covers, Xen 4.20 stops at a signature of 0. For one signature both take the first row.

use std::collections::BTreeMap;

use super::{Equivalence, EquivalentId, MOST_SIGNATURES, Note, ROW};
use crate::bytes::{u16_at, u32_at};
use crate::damage::Damage;
use crate::ids::Signature;

/// Most rows read of one table; published ones have up to 39.
pub(super) const MOST_ROWS: usize = 4096;

/// A table and what is looked up in it.
#[derive(Default)]
pub(super) struct Table {
    pub rows: Vec<Equivalence>,
    pub behind_end: Vec<Equivalence>,
    names: BTreeMap<EquivalentId, Vec<Signature>>,
}

impl Table {
    /// Whether a row has this id.
    pub fn has(&self, id: EquivalentId) -> bool {
        self.names.contains_key(&id)
    }

    /// Whether a row has this id and signature.
    pub fn pairs(&self, id: EquivalentId, signature: Signature) -> bool {
        self.signatures(id).contains(&signature)
    }

    /// Signatures of this id, without repetition.
    pub fn signatures(&self, id: EquivalentId) -> &[Signature] {
        self.names.get(&id).map(Vec::as_slice).unwrap_or_default()
    }
}

/// Read the table that stands at `start` of the file.
pub(super) fn read(start: usize, bytes: &[u8], damage: &mut Vec<Damage>, notes: &mut Vec<Note>) -> Table {
    let (chunks, rest) = bytes.as_chunks::<ROW>();
    if !rest.is_empty() {
        let expected = "equivalence table in multiples of 16 bytes (else Xen 4.20 refuses the file)";
        let broken = Damage::new(start, expected, bytes.len().to_string());
        damage.push(broken.rule("amd-table-size"));
    }
    if chunks.len() > MOST_ROWS {
        let place = start.saturating_add(MOST_ROWS.saturating_mul(ROW));
        let seen = format!("{} rows", chunks.len());
        let broken = Damage::new(place, format!("equivalence table of up to {MOST_ROWS} rows"), seen);
        damage.push(broken.rule("amd-table-rows"));
    }
    let mut table = Table::default();
    let mut ended = false;
    for chunk in chunks.iter().take(MOST_ROWS) {
        let row = row(chunk);
        if row.signature.0 == 0 {
            ended = true;
        } else if ended {
            table.behind_end.push(row);
        } else {
            table.rows.push(row);
        }
    }
    if !ended && chunks.len() <= MOST_ROWS {
        let end = start.saturating_add(bytes.len());
        let says = "no row of zeros ends the equivalence table; Linux 6.12 and Xen 4.20 go by its length";
        notes.push(Note::new("amd-table-end", end, says));
    }
    if !table.behind_end.is_empty() {
        let says = format!(
            "{} rows behind the one that ends the equivalence table: Linux 6.12 reads them, Xen 4.20 does not",
            table.behind_end.len()
        );
        notes.push(Note::new("amd-table-behind-end", start, says));
    }
    twice(start, &table.rows, damage, notes);
    for row in &table.rows {
        let list = table.names.entry(row.id).or_default();
        if list.len() < MOST_SIGNATURES && !list.contains(&row.signature) {
            list.push(row.signature);
        }
    }
    table
}

fn row(bytes: &[u8]) -> Equivalence {
    let word = |at| u32_at(bytes, at).unwrap_or(0);
    let half = |at| u16_at(bytes, at).unwrap_or(0);
    Equivalence {
        signature: Signature(word(0)),
        errata_mask: word(4),
        errata_compare: word(8),
        id: EquivalentId(half(12)),
        reserved: half(14),
    }
}

/// Signatures that stand in it more than once: with one id this does no harm (AMD's own container
/// of family 19h has them since it holds two patches for one CPU), with two the second is dead.
fn twice(start: usize, rows: &[Equivalence], damage: &mut Vec<Damage>, notes: &mut Vec<Note>) {
    let mut first: BTreeMap<Signature, EquivalentId> = BTreeMap::new();
    for (number, row) in rows.iter().enumerate() {
        let id = *first.entry(row.signature).or_insert(row.id);
        if id != row.id {
            let place = start.saturating_add(number.saturating_mul(ROW));
            let expected = format!("{} as {id}, which a row before says", row.signature);
            damage.push(Damage::new(place, expected, row.id.to_string()).rule("amd-table-conflict"));
            return;
        }
    }
    let repeated = rows.len().saturating_sub(first.len());
    if repeated > 0 {
        let says = format!("{repeated} rows of the equivalence table repeat others");
        notes.push(Note::new("amd-table-repeats", start, says));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(rows: &[(u32, u16)]) -> Vec<u8> {
        let row = |(signature, id): &(u32, u16)| {
            [
                &signature.to_le_bytes()[..],
                &[1, 0, 0, 0, 2, 0, 0, 0],
                &id.to_le_bytes(),
                &[3, 0],
            ]
            .concat()
        };
        rows.iter().flat_map(row).collect()
    }

    fn rules(bytes: &[u8]) -> (Table, Vec<&'static str>, Vec<&'static str>) {
        let (mut damage, mut notes) = (Vec::new(), Vec::new());
        let table = read(12, bytes, &mut damage, &mut notes);
        let damage = damage.iter().map(|damage| damage.rule).collect();
        (table, damage, notes.iter().map(|note| note.rule).collect())
    }

    #[test]
    fn errata_and_reserved_fields_are_kept() {
        let (table, damage, notes) = rules(&bytes(&[(0x10_0f22, 0x1022), (0, 0)]));
        let row = table.rows[0];
        assert_eq!((row.signature, row.id), (Signature(0x10_0f22), EquivalentId(0x1022)));
        assert_eq!((row.errata_mask, row.errata_compare, row.reserved), (1, 2, 3));
        assert_eq!((damage.len(), notes.len()), (0, 0));
    }

    #[test]
    fn repeated_row_is_noted_and_one_with_another_id_is_damage() {
        let (table, damage, notes) = rules(&bytes(&[(1, 7), (2, 8), (1, 7), (0, 0)]));
        assert_eq!((damage, notes), (vec![], vec!["amd-table-repeats"]));
        assert_eq!(table.signatures(EquivalentId(7)), [Signature(1)]);
        let (_, damage, _) = rules(&bytes(&[(1, 7), (2, 8), (1, 8), (0, 0)]));
        assert_eq!(damage, ["amd-table-conflict"]);
    }

    #[test]
    fn table_without_its_last_row_is_noted_since_no_loader_needs_it() {
        let (table, damage, notes) = rules(&bytes(&[(1, 7)]));
        assert_eq!((table.rows.len(), damage, notes), (1, vec![], vec!["amd-table-end"]));
    }

    #[test]
    fn rows_behind_the_end_are_kept_apart() {
        let (table, damage, notes) = rules(&bytes(&[(1, 7), (0, 0), (2, 8), (0, 0)]));
        assert_eq!((table.rows.len(), table.behind_end.len()), (1, 1));
        assert_eq!((damage, notes), (vec![], vec!["amd-table-behind-end"]));
    }

    #[test]
    fn length_that_is_no_multiple_of_16_is_damage() {
        let mut odd = bytes(&[(1, 7), (0, 0)]);
        odd.push(0);
        assert_eq!(rules(&odd).1, ["amd-table-size"]);
    }

    #[test]
    fn huge_table_is_cut_and_said_to_be() {
        let rows: Vec<(u32, u16)> = (1..6000).map(|signature| (signature, 7)).collect();
        let (table, damage, _) = rules(&bytes(&rows));
        assert_eq!((table.rows.len(), damage), (MOST_ROWS, vec!["amd-table-rows"]));
        assert_eq!(table.signatures(EquivalentId(7)).len(), MOST_SIGNATURES);
    }
}
