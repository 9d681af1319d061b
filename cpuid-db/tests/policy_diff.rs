//! Differences of real dumps: none of a dump from itself, none lost between two, and hybrid dumps told
//! apart by kind.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests may stop"
)]

mod support;

use std::collections::BTreeMap;

use cpuid_db::policy::{self, Host, Requirements};
use cpuid_db::{Database, LeafSet, Vendor, Words, diff, formats};

fn dumps() -> Option<Vec<(String, LeafSet)>> {
    let folder = support::corpus("differences of dumps")?.join("instlatx64");
    let read = |path: &std::path::PathBuf| {
        let (_, decoded) = formats::detect_and_parse(&support::text(path))?;
        Some((path.file_name()?.to_string_lossy().into_owned(), decoded.value))
    };
    Some(support::files(&folder, "_CPUID").iter().filter_map(read).collect())
}

#[test]
fn a_dump_does_not_differ_from_itself_and_others_do() {
    let Some(dumps) = dumps() else { return };
    let db = Database::builtin();
    let options = diff::Options { volatile: true };
    for (index, (name, set)) in dumps.iter().enumerate() {
        let Some(first) = set.first() else { continue };
        assert!(diff::of_sets(&db, set, set, options).is_empty(), "{name}");
        let (_, other) = &dumps[(index + 1) % dumps.len()];
        let Some(second) = other.first() else { continue };
        let there = diff::of_cpus(&db, first, second, options);
        let back = diff::of_cpus(&db, second, first, options);
        assert_eq!(there.is_empty(), Words::of(first) == Words::of(second), "{name}");
        // The way back tells the same with the sides turned.
        assert_eq!(there.rows_only_a, back.rows_only_b, "{name}");
        assert_eq!(there.values.len(), back.values.len(), "{name}");
        for (one, two) in there.features.iter().zip(&back.features) {
            assert_eq!(
                (one.word, &one.only_a, &one.only_b),
                (two.word, &two.only_b, &two.only_a),
                "{name}"
            );
        }
    }
}

#[test]
fn kinds_of_core_are_told_apart() {
    let Some(dumps) = dumps() else { return };
    let db = Database::builtin();
    let (_, set) = dumps.iter().find(|(name, _)| name.contains("MeteorLake")).unwrap();
    let groups = diff::within(&db, set, diff::Options::default());
    assert!(groups.len() >= 2, "{}", groups.len());
    let lip = |group: &diff::Alike| {
        let mut features = group.diff.features.iter();
        features.any(|features| features.only_b.contains(&"intel_pt_lip") || features.only_a.contains(&"intel_pt_lip"))
    };
    assert!(groups.iter().any(lip));
    assert_eq!(
        groups.iter().map(|group| group.cpus.len()).sum::<usize>(),
        set.cpus().len()
    );
}

#[test]
fn processors_of_intel_and_amd_have_what_their_features_require() {
    let Some(dumps) = dumps() else { return };
    let db = Database::builtin();
    let mut broken: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
    for (name, set) in &dumps {
        let Some(host) = Host::of(&db, name, set) else { continue };
        if !matches!(host.vendor, Vendor::Intel | Vendor::Amd) {
            continue;
        }
        for removed in policy::closure(&db, host.words(), Requirements::All) {
            if let [because] = removed.because[..] {
                broken.entry((removed.id, because)).or_default().push(name);
            }
        }
    }
    // A dump may lack a leaf; a requirement that two dumps break is none.
    broken.retain(|_, names| names.len() > 1);
    assert!(broken.is_empty(), "{broken:?}");
}
