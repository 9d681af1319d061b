//! Pools of words that no processor would answer: no panic, every loss explained, and the result runs
//! on every host all the same.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests may stop"
)]

use std::collections::BTreeMap;

use cpuid_db::policy::{self, CheckOptions, Host, Options, Requirements};
use cpuid_db::{CpuLeaves, Database, Leaf, LeafSet, Registers, Subleaf, Word, Words, diff};
use proptest::prelude::*;

const LEAVES: [u32; 40] = [
    0,
    1,
    2,
    4,
    5,
    6,
    7,
    0xa,
    0xb,
    0xd,
    0xf,
    0x10,
    0x12,
    0x14,
    0x15,
    0x18,
    0x19,
    0x1a,
    0x1c,
    0x1d,
    0x1e,
    0x1f,
    0x23,
    0x24,
    0x4000_0000,
    0x4000_0001,
    0x8000_0000,
    0x8000_0001,
    0x8000_0002,
    0x8000_0007,
    0x8000_0008,
    0x8000_000a,
    0x8000_001d,
    0x8000_001e,
    0x8000_001f,
    0x8000_0021,
    0x8000_0022,
    0x8000_0026,
    0xc000_0001,
    0xffff_ffff,
];

fn word() -> impl Strategy<Value = u32> {
    prop_oneof![Just(0), Just(u32::MAX), any::<u32>(), 0_u32..64]
}

prop_compose! {
    fn row()(leaf in proptest::sample::select(&LEAVES[..]), subleaf in prop_oneof![Just(0_u32), 0_u32..20, any::<u32>()],
             a in word(), b in word(), c in word(), d in word()) -> (u32, u32, [u32; 4]) {
        (leaf, subleaf, [a, b, c, d])
    }
}

prop_compose! {
    fn cpu()(rows in proptest::collection::vec(row(), 1..30), msr in any::<u64>(), vmx in any::<u64>(), number in 0_u32..4,
             sane in any::<bool>(), partial in proptest::bool::weighted(0.2)) -> CpuLeaves {
        let mut cpu = CpuLeaves::new(number);
        if sane {
            let vendor = Registers::new(0x24, 0x756e_6547, 0x6c65_746e, 0x4965_6e69);
            cpu.insert(Leaf(0), Subleaf(0), vendor);
            cpu.insert(Leaf(0x8000_0000), Subleaf(0), Registers::new(0x8000_0026, 0, 0, 0));
        }
        for (leaf, subleaf, [a, b, c, d]) in rows {
            cpu.insert(Leaf(leaf), Subleaf(subleaf), Registers::new(a, b, c, d));
        }
        cpu.insert_msr(0x10a, msr);
        cpu.insert_msr(0x48b, vmx);
        cpu.partial = partial;
        cpu
    }
}

prop_compose! {
    fn hosts()(sets in proptest::collection::vec(proptest::collection::vec(cpu(), 1..4), 1..5)) -> Vec<LeafSet> {
        sets.into_iter().map(LeafSet::from_iter).collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn pools_of_anything_do_not_panic_and_are_explained(sets in hosts()) {
        let db = Database::builtin();
        let hosts: Vec<Host> = sets.iter().enumerate().filter_map(|(index, set)| Host::of(&db, &index.to_string(), set)).collect();
        let options = Options { drop_unequal_state: true, ..Options::default() };
        for options in [Options::default(), options] {
            let Ok(result) = policy::baseline(&db, &hosts, &options) else { continue };
            let mut told: BTreeMap<Word, u32> = BTreeMap::new();
            for lost in &result.lost {
                *told.entry(lost.word).or_default() |= lost.mask;
                prop_assert!(!lost.why(&hosts).is_empty());
            }
            for host in &hosts {
                for (word, value) in host.words().iter() {
                    let missing = value & !result.words.get(word) & !told.get(&word).copied().unwrap_or(0);
                    prop_assert_eq!(missing, 0, "{}", word);
                }
            }
            if hosts.iter().all(|host| !host.partial) {
                let found = policy::check(&db, &result.cpu, &hosts, &CheckOptions::default()).obstacles;
                prop_assert!(found.is_empty(), "{:?}", found);
            }
            prop_assert!(policy::closure(&db, &result.words, Requirements::All).is_empty());
            let guest = policy::guest_of(&db, &result.cpu);
            let _ = policy::check_guest(&db, &guest, &hosts, &CheckOptions::default());
            let _ = policy::compare_results(&db, &hosts, &result, hosts[0].words(), hosts[0].words());
        }
    }

    #[test]
    fn anything_can_be_checked_against_anything(guest in cpu(), sets in hosts()) {
        let db = Database::builtin();
        let hosts: Vec<Host> = sets.iter().filter_map(|set| Host::of(&db, "h", set)).collect();
        let _ = policy::check(&db, &guest, &hosts, &CheckOptions::default());
    }

    #[test]
    fn anything_can_be_compared_with_anything(a in cpu(), b in cpu(), sets in hosts()) {
        let db = Database::builtin();
        let options = diff::Options { volatile: true };
        prop_assert!(diff::of_cpus(&db, &a, &a, options).is_empty());
        let differ = Words::of(&a) != Words::of(&b);
        prop_assert!(!differ || !diff::of_cpus(&db, &a, &b, options).is_empty());
        let _ = diff::of_sets(&db, &sets[0], &sets[sets.len() - 1], options).to_string();
    }
}
