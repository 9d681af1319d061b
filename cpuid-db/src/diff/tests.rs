//! Tests of differences.

use super::*;

fn cpu(number: u32, rows: &[(u32, u32, [u32; 4])]) -> CpuLeaves {
    let mut cpu = CpuLeaves::new(number);
    for &(leaf, subleaf, [a, b, c, d]) in rows {
        cpu.insert(Leaf(leaf), Subleaf(subleaf), Registers::new(a, b, c, d));
    }
    cpu
}

const INTEL: [u32; 4] = [0x16, 0x756e_6547, 0x6c65_746e, 0x4965_6e69];

fn of(a: &[(u32, u32, [u32; 4])], b: &[(u32, u32, [u32; 4])]) -> CpuDiff {
    of_cpus(&Database::builtin(), &cpu(0, a), &cpu(0, b), Options::default())
}

#[test]
fn a_processor_does_not_differ_from_itself() {
    let rows = [(0, 0, INTEL), (1, 0, [0x306c3, 0x0010_0800, 0x7ffa_fbff, 0xbfeb_fbff])];
    assert!(of(&rows, &rows).is_empty());
}

#[test]
fn features_are_told_by_register_and_side() {
    let diff = of(
        &[(0, 0, INTEL), (7, 0, [0, 0x0000_0810, 0, 0])],
        &[(0, 0, INTEL), (7, 0, [0, 0x0000_0020, 0, 0x0400_0000])],
    );
    let [ebx, edx] = &diff.features[..] else {
        panic!("{diff:?}")
    };
    assert_eq!(
        (ebx.word.to_string().as_str(), &ebx.only_a[..]),
        ("7.0.ebx", &["hle", "rtm"][..])
    );
    assert_eq!(ebx.only_b, ["avx2"]);
    assert_eq!(edx.only_b, ["spec_ctrl"]);
    assert!(
        diff.to_string()
            .contains("features only in the first\n  7.0.ebx  hle rtm\n"),
        "{diff}"
    );
}

#[test]
fn values_are_told_with_both_sides() {
    let widths = |value| [(0, 0, INTEL), (0x8000_0008, 0, [value, 0, 0, 0])];
    let diff = of(&widths(0x3027), &widths(0x3934));
    let seen: Vec<_> = diff
        .values
        .iter()
        .map(|change| (change.a.clone(), change.b.clone()))
        .collect();
    assert_eq!(seen.len(), 2, "{diff:?}");
    assert!(seen[0].0.as_deref().unwrap().starts_with("39") && seen[0].1.as_deref().unwrap().starts_with("52"));
}

#[test]
fn apic_ids_and_osxsave_count_only_when_asked_for() {
    let rows = |ebx, ecx| [(0, 0, INTEL), (1, 0, [0x306c3, ebx, ecx, 0])];
    let (a, b) = (rows(0x0010_0800, 1), rows(0x0310_0800, 1 | 1 << 27));
    assert!(of(&a, &b).is_empty());
    let all = of_cpus(
        &Database::builtin(),
        &cpu(0, &a),
        &cpu(0, &b),
        Options { volatile: true },
    );
    assert_eq!(all.features[0].only_b, ["osxsave"]);
    assert_eq!(all.values.len(), 1);
}

#[test]
fn a_row_that_only_one_has_is_told_with_its_features() {
    let diff = of(&[(0, 0, INTEL)], &[(0, 0, INTEL), (7, 1, [0x10, 0, 0, 0])]);
    assert_eq!(diff.rows_only_b[0].place, "7.1");
    assert_eq!(diff.features[0].only_b, ["avx_vnni"]);
}

#[test]
fn bits_nobody_names_are_not_dropped() {
    let diff = of(
        &[(0, 0, INTEL), (1, 0, [0, 0, 0, 1 << 10 | 1])],
        &[(0, 0, INTEL), (1, 0, [0, 0, 0, 1])],
    );
    let differs = diff.unnamed.len() + diff.features.len();
    assert_eq!(differs, 1, "{diff:?}");
}

#[test]
fn identity_is_told_as_a_whole() {
    let rows = |signature| [(0, 0, INTEL), (1, 0, [signature, 0, 0, 0])];
    let diff = of(&rows(0x306c3), &rows(0x506e3));
    assert_eq!(diff.identity[0].name, "signature");
    assert_eq!(diff.identity[0].b.as_deref(), Some("06-5e-03"));
    assert!(diff.values.is_empty(), "{diff:?}");
}

#[test]
fn processors_of_one_dump_are_put_together_by_what_they_are_like() {
    let kind = |number, apic: u32, lip: u32| {
        cpu(
            number,
            &[
                (0, 0, INTEL),
                (1, 0, [0x90672, apic << 24, 1, 0]),
                (0x14, 0, [0, 1, lip, 0]),
            ],
        )
    };
    let set = LeafSet::from_iter([
        kind(0, 0, 7),
        kind(1, 8, 7),
        kind(2, 16, 0x8000_0007),
        kind(3, 18, 0x8000_0007),
    ]);
    let groups = within(&Database::builtin(), &set, Options::default());
    assert_eq!(groups.len(), 2);
    assert_eq!((&groups[0].cpus[..], &groups[1].cpus[..]), (&[0, 1][..], &[2, 3][..]));
    assert!(groups[0].diff.is_empty());
    assert_eq!(groups[1].diff.features[0].only_b, ["intel_pt_lip"]);
    assert!(
        groups[1]
            .to_string()
            .starts_with("CPUs 2-3\n  features only in the second\n"),
        "{}",
        groups[1]
    );
}
