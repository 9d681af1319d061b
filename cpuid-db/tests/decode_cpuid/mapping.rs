//! `mapping.tsv` and `differences.tsv`.

use std::collections::{BTreeMap, HashMap};

use crate::printed::Line;

/// One row of `mapping.tsv`.
pub struct MapRow {
    /// Section as [`Line::section`].
    pub section: String,
    /// Label.
    pub label: String,
    /// Ids, or registers `12.1.ecx`, or bits `12.1.ecx[8]`, `pmu_fixed_bitmap[3]`; `a|b` where the id
    /// depends on the vendor.
    pub fields: Vec<String>,
    /// How the printed value follows from them.
    pub reading: String,
}

/// Both tables.
pub struct Mapping {
    rows: HashMap<(String, String), MapRow>,
    /// Section, label, and where it occurs: in the `full` decodes or among the `dumps`.
    differences: Vec<(String, String, String)>,
}

impl Mapping {
    /// Reads the tables beside this file.
    pub fn read() -> Self {
        let mut rows = HashMap::new();
        for line in include_str!("mapping.tsv").lines().skip(1) {
            let [section, label, fields, reading, _note] = line.split('\t').collect::<Vec<_>>()[..] else {
                panic!("mapping.tsv: {line}");
            };
            let row = MapRow {
                section: section.to_owned(),
                label: label.to_owned(),
                fields: fields.split(' ').map(str::to_owned).collect(),
                reading: reading.to_owned(),
            };
            let key = (section.to_owned(), label.to_owned());
            assert!(rows.insert(key, row).is_none(), "mapping.tsv: twice: {line}");
        }
        let differences = include_str!("differences.tsv")
            .lines()
            .skip(1)
            .map(|line| {
                let [section, label, place, reason] = line.split('\t').collect::<Vec<_>>()[..] else {
                    panic!("differences.tsv: {line}");
                };
                assert!(reason.len() > 10, "differences.tsv: a reason for {line}");
                (section.to_owned(), label.to_owned(), place.to_owned())
            })
            .collect();
        Self { rows, differences }
    }

    /// Row of a printed line.
    pub fn of(&self, line: &Line) -> Option<&MapRow> {
        self.rows.get(&(line.section.clone(), line.label.clone()))
    }

    /// Fails on a difference that is not listed, and on one listed for `place` that no longer occurs.
    pub fn check(&self, place: &str, differing: &BTreeMap<(String, String), String>) {
        let listed = |key: &(String, String)| {
            self.differences
                .iter()
                .any(|(section, label, _)| (section, label) == (&key.0, &key.1))
        };
        let new: Vec<&String> = differing
            .iter()
            .filter(|(key, _)| !listed(key))
            .map(|(_, first)| first)
            .collect();
        assert!(new.is_empty(), "not in differences.tsv:\n{new:#?}");
        for (section, label, of) in self.differences.iter().filter(|row| row.2 == place) {
            let key = (section.clone(), label.clone());
            assert!(
                differing.contains_key(&key),
                "differences.tsv: no longer in {of}: {section} {label}"
            );
        }
    }
}
