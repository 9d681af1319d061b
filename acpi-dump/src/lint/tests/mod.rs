//! One case for each check: tables on which it fires, and the same ones mended, on which it does not.

mod aml;
mod errors;
mod namespace;
mod platform;
mod tables;
mod topology;

use super::{Check, Hit, Outside, Severity, Subject, catalogue, verify};
use crate::set::TableSet;
use crate::tables::testing::{hex, sdt};

/// Tables and what is known besides.
#[derive(Clone, Debug, Default)]
struct Machine {
    tables: Vec<Vec<u8>>,
    outside: Outside,
}

impl Machine {
    fn hits(&self) -> Vec<Hit> {
        let mut set = TableSet::default();
        for table in &self.tables {
            // Bytes behind the end of a table are seen in a text dump only.
            let length = table
                .get(4..8)
                .map(|length| u32::from_le_bytes(length.try_into().unwrap()));
            if table.starts_with(b"BGRT") && length.is_some_and(|length| usize::try_from(length).unwrap() < table.len())
            {
                let mut text = Vec::new();
                crate::text::write(&mut text, "BGRT", 0, table).unwrap();
                set.add_text("dump", &text);
            } else {
                set.add_binary("table", table);
            }
        }
        let namespace = super::namespace(&set);
        let subject = Subject::new(&set).with_outside(self.outside.clone());
        verify(&subject.with_namespace(&namespace))
    }
}

struct Case {
    check: Check,
    bad: Machine,
    good: Machine,
}

/// A case of tables alone.
fn case(check: Check, bad: &[&[u8]], good: &[&[u8]]) -> Case {
    known(check, bad, good, &Outside::default())
}

/// A case in which something is known besides.
fn known(check: Check, bad: &[&[u8]], good: &[&[u8]], outside: &Outside) -> Case {
    let machine = |tables: &[&[u8]]| Machine {
        tables: tables.iter().map(|table| table.to_vec()).collect(),
        outside: outside.clone(),
    };
    Case {
        check,
        bad: machine(bad),
        good: machine(good),
    }
}

/// A table from its hexadecimal body.
fn table(signature: &[u8; 4], revision: u8, body: &str) -> Vec<u8> {
    sdt(signature, revision, &hex(body))
}

/// The same table with other bytes at an offset and a right checksum.
fn put(table: &[u8], at: usize, bytes: &str) -> Vec<u8> {
    let mut table = table.to_vec();
    let bytes = hex(bytes);
    table[at..at + bytes.len()].copy_from_slice(&bytes);
    table[9] = 0;
    table[9] = table
        .iter()
        .fold(0u8, |sum, byte| sum.wrapping_add(*byte))
        .wrapping_neg();
    table
}

/// Zeros in hexadecimal.
fn zeros(count: usize) -> String {
    "00".repeat(count)
}

fn cases() -> Vec<Case> {
    [
        tables::cases(),
        topology::cases(),
        errors::cases(),
        platform::cases(),
        namespace::cases(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

#[test]
fn every_check_fires_on_its_case_and_not_on_the_mended_one() {
    let mut wrong = Vec::new();
    for Case { check, bad, good } in cases() {
        let (bad, good) = (bad.hits(), good.hits());
        let fires = |hits: &[Hit]| hits.iter().any(|hit| hit.id == check.id);
        if !fires(&bad) {
            wrong.push(format!("{} is silent: {bad:#?}", check.id));
        }
        if fires(&good) {
            wrong.push(format!("{} fires on the mended case: {good:#?}", check.id));
        }
        let errors: Vec<_> = good.iter().filter(|hit| hit.severity == Severity::Error).collect();
        if !errors.is_empty() {
            wrong.push(format!("mended case of {} has errors: {errors:#?}", check.id));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_check_has_a_case() {
    let cases = cases();
    let without = catalogue::all()
        .into_iter()
        .filter(|check| cases.iter().all(|case| case.check.id != check.id));
    assert_eq!(without.map(|check| check.id).collect::<Vec<_>>(), Vec::<&str>::new());
}

#[test]
fn ids_are_unique_and_lower_case_words() {
    let all = catalogue::all();
    for check in &all {
        assert_eq!(
            all.iter().filter(|other| other.id == check.id).count(),
            1,
            "{}",
            check.id
        );
        assert!(
            check.id.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'-')),
            "{}",
            check.id
        );
        assert!((1..=30).contains(&check.subject), "{}", check.id);
    }
    for subject in 1..=30 {
        assert!(all.iter().any(|check| check.subject == subject), "subject {subject}");
    }
}

#[test]
fn a_label_of_fwts_is_answered_or_has_a_reason_not_both() {
    for check in catalogue::all() {
        for label in check.fwts {
            assert_eq!(catalogue::fwts::reason(label), None, "{label}");
        }
    }
    assert!(catalogue::fwts::reason("WMIUnknownGUID").is_some());
    assert!(catalogue::fwts::reason("NoSuchLabel").is_none());
}

#[test]
fn nothing_is_said_of_no_tables() {
    assert!(Machine::default().hits().is_empty());
}

#[test]
fn a_table_cut_short_is_one_hit() {
    let slit = table(b"SLIT", 1, "0200000000000000 0a15150a");
    let machine = Machine {
        tables: vec![slit[..46].to_vec()],
        ..Machine::default()
    };
    let ids: Vec<_> = machine.hits().iter().map(|hit| hit.id).collect();
    assert_eq!(ids, ["table-length"]);
}

#[test]
fn many_hits_of_one_kind_are_counted_not_listed() {
    let slit = table(b"SLIT", 1, &format!("0400000000000000 {}", "05".repeat(16)));
    let machine = Machine {
        tables: vec![slit],
        ..Machine::default()
    };
    let hits = machine.hits();
    let below: Vec<_> = hits.iter().filter(|hit| hit.id == "slit-below-ten").collect();
    assert_eq!((below.len(), below[0].more), (4, 8));
    assert!(below[0].to_string().ends_with("seen 5; 8 more"), "{}", below[0]);
}

#[test]
fn bytes_without_sense_make_neither_panic_nor_endless_work() {
    let mut state = 0x2545_f491u32;
    for case in cases() {
        for table in &case.good.tables {
            for _ in 0..12 {
                let mut bytes = table.clone();
                for _ in 0..4 {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    let at = usize::try_from(state >> 8).unwrap() % bytes.len();
                    bytes[at] = u8::try_from(state & 0xff).unwrap();
                }
                let machine = Machine {
                    tables: vec![bytes],
                    outside: case.good.outside.clone(),
                };
                machine.hits();
            }
        }
    }
}
