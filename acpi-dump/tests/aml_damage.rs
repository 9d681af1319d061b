//! Undamaged tables are read to their end; damage is reported, never fatal.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod aml_support;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use acpi_dump::aml::{Body, Namespace, NodeId, Op, Tree, read_all};
use aml_support::{Machine, corpus, machines};
use proptest::prelude::*;

/// Faults in undamaged tables: machine, number of faults, reason.
const QUIRKS: [(&str, usize, &str); 3] = [
    (
        "linuxhw/5BEFC8C16D82",
        2,
        "the compiler left a byte behind two External declarations inside If (0)",
    ),
    (
        "fwts/wmi-0001/acpidump-0002.log",
        8,
        "the same packages; the last 15 bytes of an SSDT are missing in the dump",
    ),
    (
        "fwts/wmi-0001/acpidump-0001.log",
        2,
        "packages without a name in a Scope",
    ),
];

/// Every node lies within its parent behind its elder sibling, so that each byte belongs to one node.
fn assert_covered(tree: &Tree) {
    let root = tree.node(Tree::ROOT).unwrap();
    assert_eq!((root.start, usize::try_from(root.end).unwrap()), (0, tree.bytes.len()));
    let mut seen = 1;
    for number in 0..tree.nodes.len() {
        let id = NodeId(number.try_into().unwrap());
        let node = tree.node(id).unwrap();
        let mut at = node.start;
        for child in tree.children(id) {
            let child = tree.node(child).unwrap();
            assert_eq!(child.parent, id);
            assert!(
                at <= child.start && child.start <= child.end && child.end <= node.end,
                "{child:?} in {node:?}"
            );
            at = child.end;
            seen += 1;
        }
        // Own bytes of a term stand before its children: opcode, length, name prefix of a field unit.
        assert!(
            at == node.end || tree.children(id).next().is_none(),
            "{node:?} ends at {at}"
        );
    }
    assert_eq!(seen, tree.nodes.len(), "nodes that no parent has");
    for (id, _) in &tree.guessed {
        assert_eq!(tree.node(*id).unwrap().op, Op::Call);
    }
}

fn walk(tables: &[&[u8]]) -> Vec<Tree> {
    let start = Instant::now();
    let space = Namespace::build(tables);
    let took = start.elapsed();
    let bytes: usize = tables.iter().map(|table| table.len()).sum();
    // Without optimisation and beside other work a second reads 100 kB and more: a hang is far from that.
    let bound = Duration::from_secs(10 + bytes as u64 / 10_000);
    assert!(took < bound, "{took:?} for {bytes} bytes");
    space.trees().iter().for_each(assert_covered);
    for (id, object) in space.iter() {
        assert_eq!(space.object(id), Some(object));
        assert_eq!(space.at(&space.path(id)), Some(id));
    }
    space.trees().to_vec()
}

#[test]
fn every_real_table_is_read_to_its_end_without_a_fault() {
    let machines = machines();
    let (mut tables, mut bytes, mut faults) = (0, 0, BTreeMap::new());
    for machine in &machines {
        for tree in walk(&machine.slices()) {
            tables += 1;
            bytes += tree.bytes.len();
            if !tree.faults.is_empty() {
                *faults.entry(machine.name.as_str()).or_insert(0) += tree.faults.len();
            }
        }
    }
    eprintln!("{} machines, {tables} tables, {bytes} bytes", machines.len());
    for (machine, count) in faults {
        let quirk = QUIRKS.iter().find(|(name, _, _)| machine.starts_with(name));
        assert_eq!(Some(count), quirk.map(|(_, count, _)| *count), "{machine}");
    }
}

/// Numbers that look random and are the same in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(end.max(1)).unwrap()).unwrap()
    }
}

fn put_right(table: &mut [u8]) {
    let length = u32::try_from(table.len()).unwrap().to_le_bytes();
    table[4..8].copy_from_slice(&length);
    let sum = table.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
    table[9] = table[9].wrapping_sub(sum);
}

/// Tables of different makers, up to 40 kB.
fn originals(machines: &[Machine]) -> Vec<Vec<u8>> {
    let tables = machines.iter().flat_map(|machine| &machine.tables);
    let mut list: Vec<_> = tables
        .filter(|table| (200..40_000).contains(&table.len()))
        .cloned()
        .collect();
    list.sort();
    list.dedup();
    let step = (list.len() / 22).max(1);
    list.into_iter().step_by(step).take(22).collect()
}

/// Offsets where a PkgLength stands, with the ends of the terms that are whole without each other.
fn lengths_and_ends(tree: &Tree) -> (Vec<usize>, Vec<usize>) {
    let packages = tree.nodes.iter().filter_map(|node| {
        let info = node.op.info().filter(|info| info.body != Body::None)?;
        let code = if info.code > 0xff { 2 } else { 1 };
        Some(usize::try_from(node.start).unwrap() + code)
    });
    let ends = tree.body(Tree::ROOT).map(|id| tree.range(id).end);
    (packages.collect(), ends.chain([36]).collect())
}

#[test]
fn cut_tables_are_reported_and_the_rest_is_read() {
    let originals = originals(&machines());
    let mut random = Random(0x5eed_ac91_0001);
    let (mut cut, mut fixed, mut at_a_border) = (0, 0, 0);
    for table in &originals {
        let (trees, _) = read_all(&[table]);
        let (_, ends) = lengths_and_ends(&trees[0]);
        for _ in 0..8 {
            let at = 36 + random.below(table.len() - 36);
            let mut shorter = table[..at].to_vec();
            assert!(!walk(&[&shorter])[0].faults.is_empty(), "cut at {at}");
            cut += 1;
            put_right(&mut shorter);
            let faults = walk(&[&shorter])[0].faults.len();
            if ends.contains(&at) {
                at_a_border += 1;
            } else {
                assert!(faults > 0, "cut at {at}, length and sum put right");
                fixed += 1;
            }
        }
    }
    eprintln!("{cut} cut, {fixed} cut and put right, {at_a_border} between two terms");
}

#[test]
fn wrong_package_lengths_and_flipped_bytes_do_no_harm() {
    let originals = originals(&machines());
    let mut random = Random(0x5eed_ac91_0002);
    let (mut lengths, mut silent, mut flipped, mut noticed) = (0, 0, 0, 0);
    for table in &originals {
        let (trees, _) = read_all(&[table]);
        let (packages, _) = lengths_and_ends(&trees[0]);
        for _ in 0..8 {
            let mut bad = table.clone();
            let at = packages.get(random.below(packages.len())).copied().unwrap_or(36);
            bad[at] ^= 1 << random.below(8);
            put_right(&mut bad);
            lengths += 1;
            silent += usize::from(walk(&[&bad])[0].faults.is_empty());
        }
        for _ in 0..14 {
            let mut bad = table.clone();
            for _ in 0..1 + random.below(3) {
                let at = 36 + random.below(table.len() - 36);
                bad[at] ^= 1 << random.below(8);
            }
            put_right(&mut bad);
            flipped += 1;
            noticed += usize::from(!walk(&[&bad])[0].faults.is_empty());
        }
    }
    eprintln!("{lengths} wrong lengths, {silent} without a fault; {flipped} with flipped bits, {noticed} with a fault");
    if lengths > 0 {
        // A length may take in, or leave out, whole terms and still be grammar.
        assert!(silent * 10 <= lengths, "{silent} of {lengths} wrong lengths unnoticed");
    }
}

#[test]
fn tables_on_which_iasl_dies_are_survived_and_reported() {
    let Some(corpus) = corpus() else { return };
    let mut count = 0;
    for path in aml_support::files(&corpus.join("iasl-crashers")) {
        let table = std::fs::read(&path).unwrap();
        let trees = walk(&[&table]);
        assert!(!trees[0].faults.is_empty(), "{}", path.display());
        count += 1;
    }
    eprintln!("{count} tables");
}

#[test]
fn terms_nested_beyond_any_bound_end_in_a_fault() {
    for (opcode, tail) in [(&b"\x92"[..], 60_000), (b"\x72", 60_000), (b"\xa4\x87", 60_000)] {
        let mut table = b"SSDT\0\0\0\0\x02\0OEMOEMOEMTABLE\x01\0\0\0TOOL\x01\0\0\0".to_vec();
        table.extend(opcode.repeat(tail));
        put_right(&mut table);
        assert!(!walk(&[&table])[0].faults.is_empty());
    }
}

#[test]
fn unknown_names_by_the_thousand_do_not_take_forever() {
    let mut table = b"SSDT\0\0\0\0\x02\0OEMOEMOEMTABLE\x01\0\0\0TOOL\x01\0\0\0".to_vec();
    for number in 0..20_000 {
        table.extend(format!("U{number:03X}").as_bytes()[..4].iter());
        table.extend(format!("^V{:03X}", number / 7).as_bytes()[..5].iter());
    }
    put_right(&mut table);
    walk(&[&table]);
}

#[test]
fn calls_with_too_few_arguments_by_the_thousand_do_not_take_forever() {
    let mut table = b"SSDT\0\0\0\0\x02\0OEMOEMOEMTABLE\x01\0\0\0TOOL\x01\0\0\0".to_vec();
    table.extend(b"\x14\x06FAR_\x03");
    table.extend(b"FAR_\x01\xa3".repeat(30_000));
    put_right(&mut table);
    let trees = walk(&[&table]);
    assert!(
        trees[0]
            .faults
            .iter()
            .any(|fault| fault.expected == "3 arguments for FAR")
    );
}

fn opcode_soup() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => prop::sample::select(acpi_dump::aml::opcode::OPCODES).prop_map(|info| {
            let [high, low] = info.code.to_be_bytes();
            if high == 0 { vec![low] } else { vec![high, low] }
        }),
        2 => "[A-C_][A-B_]{3}".prop_map(String::into_bytes),
        1 => prop::collection::vec(any::<u8>(), 1..4),
        1 => (0u8..0x60).prop_map(|byte| vec![byte]),
    ];
    prop::collection::vec(piece, 0..120).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes_behind_a_header_are_covered(body in opcode_soup(), fix in any::<bool>()) {
        let mut table = b"SSDT\0\0\0\0\x02\0OEMOEMOEMTABLE\x01\0\0\0TOOL\x01\0\0\0".to_vec();
        table.extend(body);
        if fix {
            put_right(&mut table);
        }
        walk(&[&table]);
    }

    #[test]
    fn anything_at_all_is_survived(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        walk(&[&bytes]);
    }

    #[test]
    fn two_tables_of_soup_share_their_names(first in opcode_soup(), second in opcode_soup()) {
        let table = |body: Vec<u8>| {
            let mut table = b"SSDT\0\0\0\0\x02\0OEMOEMOEMTABLE\x01\0\0\0TOOL\x01\0\0\0".to_vec();
            table.extend(body);
            put_right(&mut table);
            table
        };
        let (first, second) = (table(first), table(second));
        walk(&[&first, &second]);
    }
}
