//! What differs between the tables of two machines, or of one machine at two times: by table,
//! structure and field, not by text.
//!
//! Tables are paired by signature and OEM table id, then by signature in order. Structures inside
//! (MADT entries, SRAT ranges) are aligned, so that one inserted entry is one difference.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use crate::aml::namespace::{Namespace, ObjectKind};
use crate::aml::{NodeId, Op, Tree};
use crate::layout::{self, Row, Section, Value};
use crate::set::{Named, TableSet};

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Change {
    /// Structure and field: `Local APIC 3 / Flags / Enabled`; a namespace path for AML.
    pub place: String,
    /// Offset in the first table, where it is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset_before: Option<usize>,
    /// Offset in the second table, where it is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset_after: Option<usize>,
    /// What the first holds; none when it is added.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// What the second holds; none when it is removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

/// What became of a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct TableDiff {
    /// Name in the first set, else in the second.
    pub table: String,
    /// Which of the two.
    pub state: State,
    /// Differences of a changed table, in table order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Change>,
}

/// Where a table is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// In both, byte for byte the same.
    Same,
    /// In both, with differences.
    Changed,
    /// Only in the first.
    Removed,
    /// Only in the second.
    Added,
}

/// Compare two sets; one entry for each table of either, in the order of the first.
#[must_use]
pub fn diff(before: &TableSet, after: &TableSet) -> Vec<TableDiff> {
    let mut list = Vec::new();
    let pairs = pair(&before.tables, &after.tables);
    let (code_before, code_after) = (Code::of(before), Code::of(after));
    for (named, other) in before.tables.iter().zip(&pairs) {
        let other = other.and_then(|index| after.tables.get(index));
        list.push(match other {
            Some(other) => table((named, &code_before), (other, &code_after)),
            None => only(named, State::Removed),
        });
    }
    let added = after
        .tables
        .iter()
        .enumerate()
        .filter(|(index, _)| !pairs.contains(&Some(*index)));
    list.extend(added.map(|(_, named)| only(named, State::Added)));
    list
}

fn only(named: &Named, state: State) -> TableDiff {
    TableDiff {
        table: named.name.clone(),
        state,
        changes: Vec::new(),
    }
}

/// For each table of the first list the place of its partner in the second.
fn pair(before: &[Named], after: &[Named]) -> Vec<Option<usize>> {
    let mut pairs = vec![None; before.len()];
    let mut free: Vec<bool> = vec![true; after.len()];
    fn signature(one: &Named, two: &Named) -> bool {
        one.table.signature == two.table.signature
    }
    fn id(named: &Named) -> Option<[u8; 8]> {
        named.table.header.as_ref().map(|header| header.oem_table_id)
    }
    let rules: [fn(&Named, &Named) -> bool; 3] = [
        |one, two| one.table.bytes == two.table.bytes,
        |one, two| signature(one, two) && id(one) == id(two),
        signature,
    ];
    for same in rules {
        for (named, partner) in before.iter().zip(&mut pairs).filter(|(_, partner)| partner.is_none()) {
            let found = after
                .iter()
                .zip(&free)
                .position(|(other, free)| *free && same(named, other));
            if let Some(index) = found {
                *partner = Some(index);
                if let Some(free) = free.get_mut(index) {
                    *free = false;
                }
            }
        }
    }
    pairs
}

fn table(before: (&Named, &Code), after: (&Named, &Code)) -> TableDiff {
    let ((before, code_before), (after, code_after)) = (before, after);
    let mut changes = Vec::new();
    if before.table.bytes != after.table.bytes {
        let (mut one, mut two) = (layout::decode(&before.table).value, layout::decode(&after.table).value);
        if let (Some(old), Some(new)) = (code_before.tables.get(&before.name), code_after.tables.get(&after.name)) {
            // What the byte code declares is compared below, object by object.
            one.rows.retain(|row| row.name != layout::AML);
            two.rows.retain(|row| row.name != layout::AML);
            sections("", &one, &two, &mut changes);
            objects(old, new, &mut changes);
        } else {
            sections("", &one, &two, &mut changes);
        }
        // A change anywhere changes the sum: saying so adds nothing.
        if changes.len() > 1 {
            changes.retain(|change| change.place != "Header / Checksum");
        }
    }
    let state = if before.table.bytes == after.table.bytes {
        State::Same
    } else {
        State::Changed
    };
    TableDiff {
        table: before.name.clone(),
        state,
        changes,
    }
}

/// One object as a table declares it.
struct Declared {
    kind: &'static str,
    offset: usize,
    /// Value of a name that is a number.
    number: Option<u64>,
    /// Its bytes, without those of objects that it holds.
    bytes: Vec<u8>,
}

fn own_bytes(tree: &Tree, node: NodeId, kind: &ObjectKind) -> Vec<u8> {
    match kind {
        ObjectKind::Scope | ObjectKind::Device | ObjectKind::ThermalZone => Vec::new(),
        ObjectKind::Processor { .. } | ObjectKind::PowerResource { .. } => {
            let operands = (0..).map_while(|index| tree.operand(node, index));
            operands.flat_map(|operand| tree.slice(operand)).copied().collect()
        }
        _ => tree.slice(node).to_vec(),
    }
}

fn number(tree: &Tree, node: NodeId, kind: &ObjectKind) -> Option<u64> {
    let value = tree.node(tree.operand(node, 1)?)?;
    let constant = matches!(
        value.op,
        Op::Zero | Op::One | Op::Ones | Op::ByteConst | Op::WordConst | Op::DWordConst | Op::QWordConst
    );
    (constant && matches!(kind, ObjectKind::Name)).then_some(value.value)
}

/// What the definition blocks of a set declare, by table and path.
struct Code {
    tables: BTreeMap<String, BTreeMap<String, Declared>>,
}

impl Code {
    fn of(set: &TableSet) -> Self {
        let blocks: Vec<&Named> = set.definition_blocks().collect();
        let bytes: Vec<&[u8]> = blocks.iter().map(|named| named.table.bytes.as_slice()).collect();
        let namespace = Namespace::build(&bytes);
        let mut tables: BTreeMap<String, BTreeMap<String, Declared>> = blocks
            .iter()
            .map(|named| (named.name.clone(), BTreeMap::new()))
            .collect();
        for (id, object) in namespace.iter() {
            let Some(place) = object.place else { continue };
            let named = blocks.get(place.table);
            let Some(list) = named.and_then(|named| tables.get_mut(&named.name)) else {
                continue;
            };
            let Some(tree) = namespace.trees().get(place.table) else {
                continue;
            };
            let declared = Declared {
                kind: object.kind.word(),
                offset: tree.range(place.node).start,
                number: number(tree, place.node, &object.kind),
                bytes: own_bytes(tree, place.node, &object.kind),
            };
            list.insert(namespace.path(id).to_string(), declared);
        }
        Self { tables }
    }
}

fn objects(before: &BTreeMap<String, Declared>, after: &BTreeMap<String, Declared>, changes: &mut Vec<Change>) {
    let words = |object: &Declared| match (object.number, object.bytes.len()) {
        (Some(number), _) => format!("{} {number:#x}", object.kind),
        (None, 0) => object.kind.to_owned(),
        (None, bytes) => format!("{}, {bytes} bytes", object.kind),
    };
    let mut paths: Vec<&String> = before.keys().chain(after.keys()).collect();
    paths.sort_unstable();
    paths.dedup();
    for path in paths {
        let (old, new) = (before.get(path), after.get(path));
        let same = old
            .zip(new)
            .is_some_and(|(old, new)| old.kind == new.kind && old.bytes == new.bytes);
        if !same {
            changes.push(Change {
                place: path.clone(),
                offset_before: old.map(|object| object.offset),
                offset_after: new.map(|object| object.offset),
                before: old.map(words),
                after: new.map(words),
            });
        }
    }
}

fn join(place: &str, name: &str) -> String {
    if place.is_empty() {
        name.to_owned()
    } else {
        format!("{place} / {name}")
    }
}

/// Compare two structures. The depth of nesting is that of the layouts, not of the input.
fn sections(place: &str, before: &Section, after: &Section, changes: &mut Vec<Change>) {
    let named = |section: &Section| {
        let mut seen = BTreeMap::<String, usize>::new();
        let rows = section.rows.iter();
        let list: Vec<((String, usize), Row)> = rows
            .map(|row| {
                let count = seen.entry(row.name.clone()).or_default();
                *count = count.saturating_add(1);
                ((row.name.clone(), *count), row.clone())
            })
            .collect();
        list
    };
    let (one, two) = (named(before), named(after));
    let right: BTreeMap<&(String, usize), &Row> = two.iter().map(|(key, row)| (key, row)).collect();
    let left: BTreeMap<&(String, usize), &Row> = one.iter().map(|(key, row)| (key, row)).collect();
    for (key, row) in &one {
        rows(place, Some(row), right.get(key).copied(), changes);
    }
    for (key, row) in two.iter().filter(|(key, _)| !left.contains_key(key)) {
        debug_assert_eq!(key.0, row.name);
        rows(place, None, Some(row), changes);
    }
    let (one, two) = (&before.sections, &after.sections);
    for (left, right) in align(one, two) {
        match (
            left.and_then(|index| one.get(index)),
            right.and_then(|index| two.get(index)),
        ) {
            (Some(left_section), Some(right_section)) => {
                let title = numbered(one, left.unwrap_or_default());
                sections(&join(place, &title), left_section, right_section, changes);
            }
            (Some(section), None) => changes.push(Change {
                place: join(place, &numbered(one, left.unwrap_or_default())),
                offset_before: Some(section.offset),
                offset_after: None,
                before: Some(summary(section)),
                after: None,
            }),
            (None, Some(section)) => changes.push(Change {
                place: join(place, &numbered(two, right.unwrap_or_default())),
                offset_before: None,
                offset_after: Some(section.offset),
                before: None,
                after: Some(summary(section)),
            }),
            (None, None) => {}
        }
    }
}

fn rows(place: &str, before: Option<&Row>, after: Option<&Row>, changes: &mut Vec<Change>) {
    let shown = |row: Option<&Row>| {
        row.map(|row| match (&row.words, &row.value) {
            (Some(words), value) => format!("{value} ({words})"),
            (None, Value::Bytes(bytes)) if bytes.len() > BYTES => long_bytes(bytes, before, after),
            (None, value) => value.to_string(),
        })
    };
    if before.map(|row| &row.value) == after.map(|row| &row.value) {
        return;
    }
    let name = before.or(after).map(|row| row.name.clone()).unwrap_or_default();
    let mut place = join(place, &name);
    let (mut old, mut new) = (shown(before), shown(after));
    // Of a flags field the bits that differ are named.
    if let (Some(one), Some(two)) = (before, after) {
        let bits: Vec<_> = one
            .bits
            .iter()
            .zip(&two.bits)
            .filter(|(one, two)| one.value != two.value)
            .collect();
        if let [(one, two)] = bits.as_slice() {
            place = join(&place, &one.name);
            let shown = |bit: &layout::BitRow| bit.words.clone().unwrap_or_else(|| bit.value.to_string());
            (old, new) = (Some(shown(one)), Some(shown(two)));
        }
    }
    changes.push(Change {
        place,
        offset_before: before.map(|row| row.offset),
        offset_after: after.map(|row| row.offset),
        before: old,
        after: new,
    });
}

/// Longest run of bytes that is printed.
const BYTES: usize = 32;

/// Length of bytes that are too many to print, and those from the first that differs on.
fn long_bytes(bytes: &[u8], before: Option<&Row>, after: Option<&Row>) -> String {
    let list = |row: Option<&Row>| match row.map(|row| &row.value) {
        Some(Value::Bytes(bytes)) => bytes.clone(),
        _ => Vec::new(),
    };
    let (one, two) = (list(before), list(after));
    let same = one.iter().zip(&two).take_while(|(one, two)| one == two).count();
    let from = bytes.iter().skip(same).take(8).map(|byte| format!("{byte:02x}"));
    format!("{} bytes, at +{same:#x} {}", bytes.len(), from.collect::<String>())
}

/// `Local APIC 3`: the title, with a number from 0 when there are several of it.
fn numbered(list: &[Section], index: usize) -> String {
    let Some(section) = list.get(index) else {
        return String::new();
    };
    let same = |other: &&Section| other.title == section.title;
    if list.iter().filter(same).count() == 1 {
        return section.title.clone();
    }
    let before = list.iter().take(index).filter(same).count();
    format!("{} {before}", section.title)
}

/// A structure in a line: its fields that are not zero.
fn summary(section: &Section) -> String {
    if let Some(words) = &section.words {
        return words.clone();
    }
    let rows = section.rows.iter().filter(|row| !row.reserved && !row.value.is_zero());
    let list: Vec<String> = rows.map(|row| format!("{} {}", row.name, row.value)).collect();
    list.join(", ")
}

/// What a structure holds, offsets apart.
fn content(section: &Section) -> String {
    let mut text = String::new();
    for part in section.all() {
        text += &part.title;
        for row in &part.rows {
            text += &format!("|{}={}", row.name, row.value);
        }
        text.push('\n');
    }
    text
}

/// Largest table of the alignment; longer lists are paired in order.
const ALIGNMENT: usize = 4_000_000;

/// Pairs of places in the two lists, in order; a place alone is removed or added.
fn align(before: &[Section], after: &[Section]) -> Vec<(Option<usize>, Option<usize>)> {
    let (one, two): (Vec<String>, Vec<String>) = (
        before.iter().map(content).collect(),
        after.iter().map(content).collect(),
    );
    let equal = common(&one, &two);
    let mut pairs = Vec::new();
    let (mut left, mut right) = (0, 0);
    for (end_left, end_right) in equal.into_iter().chain([(one.len(), two.len())]) {
        between(before, after, left..end_left, right..end_right, &mut pairs);
        if end_left < one.len() && end_right < two.len() {
            pairs.push((Some(end_left), Some(end_right)));
        }
        (left, right) = (end_left.saturating_add(1), end_right.saturating_add(1));
    }
    pairs
}

/// Places of equal content: a longest common subsequence.
fn common(one: &[String], two: &[String]) -> Vec<(usize, usize)> {
    let head = one.iter().zip(two).take_while(|(one, two)| one == two).count();
    let (rest_one, rest_two) = (one.get(head..).unwrap_or_default(), two.get(head..).unwrap_or_default());
    let tail = rest_one
        .iter()
        .rev()
        .zip(rest_two.iter().rev())
        .take_while(|(one, two)| one == two)
        .count();
    let core_one = rest_one.get(..rest_one.len().saturating_sub(tail)).unwrap_or_default();
    let core_two = rest_two.get(..rest_two.len().saturating_sub(tail)).unwrap_or_default();
    let mut list: Vec<(usize, usize)> = (0..head).map(|index| (index, index)).collect();
    let shift = |(left, right): (usize, usize)| (left.saturating_add(head), right.saturating_add(head));
    list.extend(subsequence(core_one, core_two).into_iter().map(shift));
    let (start_one, start_two) = (one.len().saturating_sub(tail), two.len().saturating_sub(tail));
    list.extend((0..tail).map(|index| (start_one.saturating_add(index), start_two.saturating_add(index))));
    list
}

fn subsequence(one: &[String], two: &[String]) -> Vec<(usize, usize)> {
    let width = two.len().saturating_add(1);
    if one.is_empty() || two.is_empty() || one.len().saturating_mul(width) > ALIGNMENT {
        return Vec::new();
    }
    // lengths[left * width + right]: longest common subsequence of the two tails.
    let mut lengths = vec![0u32; one.len().saturating_add(1).saturating_mul(width)];
    let at = |left: usize, right: usize| left.saturating_mul(width).saturating_add(right);
    let read = |lengths: &[u32], left: usize, right: usize| lengths.get(at(left, right)).copied().unwrap_or(0);
    for (left, text) in one.iter().enumerate().rev() {
        for (right, other) in two.iter().enumerate().rev() {
            let (next_left, next_right) = (left.saturating_add(1), right.saturating_add(1));
            let best = if text == other {
                read(&lengths, next_left, next_right).saturating_add(1)
            } else {
                read(&lengths, next_left, right).max(read(&lengths, left, next_right))
            };
            if let Some(cell) = lengths.get_mut(at(left, right)) {
                *cell = best;
            }
        }
    }
    let mut list = Vec::new();
    let (mut left, mut right) = (0, 0);
    while let (Some(text), Some(other)) = (one.get(left), two.get(right)) {
        let (next_left, next_right) = (left.saturating_add(1), right.saturating_add(1));
        if text == other {
            list.push((left, right));
            (left, right) = (next_left, next_right);
        } else if read(&lengths, next_left, right) >= read(&lengths, left, next_right) {
            left = next_left;
        } else {
            right = next_right;
        }
    }
    list
}

/// Between two equal places: the same kinds of structure are paired in order.
fn between(
    before: &[Section],
    after: &[Section],
    left: std::ops::Range<usize>,
    right: std::ops::Range<usize>,
    pairs: &mut Vec<(Option<usize>, Option<usize>)>,
) {
    let title = |list: &[Section], index: usize| list.get(index).map(|section| section.title.clone());
    let mut free: Vec<usize> = right.collect();
    for index in left {
        let wanted = title(before, index);
        let found = free.iter().position(|other| title(after, *other) == wanted);
        pairs.push((Some(index), found.map(|place| free.remove(place))));
    }
    pairs.extend(free.into_iter().map(|index| (None, Some(index))));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tables::testing::{hex, sdt};

    fn set(tables: &[Vec<u8>]) -> TableSet {
        let mut set = TableSet::default();
        for table in tables {
            set.add_binary("test", table);
        }
        set
    }

    /// MADT of I/O APIC entries with these ids.
    fn madt(ids: &[u8]) -> Vec<u8> {
        let entries = ids.iter().flat_map(|id| [1, 12, *id, 0, 0, 0, 0xc0, 0xfe, 0, 0, 0, 0]);
        let body: Vec<u8> = hex("0000e0fe 01000000").into_iter().chain(entries).collect();
        sdt(b"APIC", 3, &body)
    }

    #[test]
    fn one_inserted_entry_is_one_difference() {
        let list = diff(&set(&[madt(&[1, 2, 3])]), &set(&[madt(&[1, 9, 2, 3])]));
        let places: Vec<&str> = list[0].changes.iter().map(|change| change.place.as_str()).collect();
        assert_eq!((list.len(), list[0].state), (1, State::Changed));
        let entries = list[0].changes.iter().filter(|change| change.before.is_none());
        assert_eq!(entries.count(), 1, "{places:?}");
        assert_eq!(
            places.iter().filter(|place| !place.starts_with("Header")).count(),
            1,
            "{places:?}"
        );
    }

    #[test]
    fn tables_of_one_side_only_are_named() {
        let list = diff(&set(&[sdt(b"AAAA", 1, &[])]), &set(&[sdt(b"BBBB", 1, &[])]));
        let states: Vec<_> = list.iter().map(|diff| (diff.table.as_str(), diff.state)).collect();
        assert_eq!(states, [("AAAA", State::Removed), ("BBBB", State::Added)]);
    }

    #[test]
    fn byte_code_is_compared_object_by_object() {
        // Name (ONE, 1), Name (TWO, 2) beside Name (ONE, 1), Name (TWO, 3), Name (NEW, 0).
        let old = sdt(b"DSDT", 2, b"\x08ONE_\x01\x08TWO_\x0a\x02");
        let new = sdt(b"DSDT", 2, b"\x08ONE_\x01\x08TWO_\x0a\x03\x08NEW_\x00");
        let list = diff(&set(&[old]), &set(&[new]));
        let places = list[0]
            .changes
            .iter()
            .map(|change| (change.place.as_str(), change.before.is_some()));
        let places: Vec<_> = places.filter(|(place, _)| place.starts_with('\\')).collect();
        assert_eq!(places, [("\\NEW", false), ("\\TWO", true)]);
        let two = list[0].changes.iter().find(|change| change.place == "\\TWO").unwrap();
        assert_eq!(two.after.as_deref(), Some("Name 0x3"));
    }

    #[test]
    fn long_bytes_are_shown_from_the_first_difference_on() {
        let (old, mut new) = (vec![7; 100], vec![7; 100]);
        new[80] = 9;
        let list = diff(&set(&[sdt(b"ZZZZ", 1, &old)]), &set(&[sdt(b"ZZZZ", 1, &new)]));
        let after = list[0]
            .changes
            .iter()
            .find_map(|change| change.after.as_deref())
            .unwrap();
        assert_eq!(after, "100 bytes, at +0x50 0907070707070707");
    }

    #[test]
    fn the_same_set_has_no_difference() {
        let list = diff(&set(&[madt(&[1])]), &set(&[madt(&[1])]));
        assert!(
            list.iter()
                .all(|diff| diff.state == State::Same && diff.changes.is_empty())
        );
    }
}
