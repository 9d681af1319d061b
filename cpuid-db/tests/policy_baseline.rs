//! Baselines of pools of real dumps: nothing is lost without a reason, the order of hosts does not
//! matter, a host more never adds a feature, and the result can run on every host of the pool.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests may stop"
)]

mod support;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use cpuid_db::policy::{self, Baseline, CheckOptions, Host, Options, Reason, Refusal};
use cpuid_db::{Database, Register, Word, formats};

fn hosts(folder: &Path) -> Vec<Host> {
    let db = Database::builtin();
    support::files(folder, "_CPUID")
        .iter()
        .filter_map(|path| {
            let (_, decoded) = formats::detect_and_parse(&support::text(path))?;
            Host::of(&db, &path.file_name()?.to_string_lossy(), &decoded.value)
        })
        .collect()
}

fn all() -> Option<Vec<Host>> {
    Some(hosts(&support::corpus("pools of dumps")?.join("instlatx64")))
}

fn named(hosts: &[Host], part: &str) -> Host {
    let found = hosts.iter().find(|host| host.name.contains(part));
    found.unwrap_or_else(|| panic!("no dump named {part}")).clone()
}

fn pool(hosts: &[Host]) -> Result<Baseline, Refusal> {
    policy::baseline(&Database::builtin(), hosts, &Options::default())
}

fn assert_explained(hosts: &[Host], result: &Baseline) {
    let mut told: BTreeMap<Word, u32> = BTreeMap::new();
    for lost in &result.lost {
        assert_ne!(lost.mask, 0);
        let known = told.entry(lost.word).or_default();
        assert_eq!(*known & lost.mask, 0, "told twice: {}", lost.what());
        *known |= lost.mask;
        assert!(!lost.why(hosts).is_empty());
        if lost.reason == Reason::NotOnEvery {
            assert!(!lost.hosts_without.is_empty(), "{} {:?}", lost.what(), lost);
        }
    }
    for host in hosts {
        for (word, value) in host.words().iter() {
            let missing = value & !result.words.get(word);
            let known = told.get(&word).copied().unwrap_or(0);
            assert_eq!(missing & !known, 0, "{}: {word} {missing:08x} {known:08x}", host.name);
        }
    }
}

fn names(hosts: &[Host]) -> Vec<&str> {
    hosts.iter().map(|host| host.name.as_str()).collect()
}

/// Pools of neighbours in the list, of 1 to 5 hosts.
fn pools(all: &[Host]) -> Vec<Vec<Host>> {
    let mut by_vendor: BTreeMap<Option<String>, Vec<Host>> = BTreeMap::new();
    for host in all {
        by_vendor
            .entry(host.vendor_name.clone())
            .or_default()
            .push(host.clone());
    }
    let mut pools = Vec::new();
    for hosts in by_vendor.into_values() {
        for size in 1..=5 {
            pools.extend(hosts.windows(size).step_by(size).map(<[Host]>::to_vec));
        }
        for (index, host) in hosts.iter().enumerate() {
            pools.push(vec![host.clone(), hosts[(index * 7 + 3) % hosts.len()].clone()]);
        }
    }
    pools
}

#[test]
fn every_bit_that_fell_out_has_a_reason() {
    let Some(all) = all() else { return };
    let (mut done, mut refused) = (0, 0);
    for hosts in pools(&all) {
        match pool(&hosts) {
            Ok(result) => {
                done += 1;
                assert_explained(&hosts, &result);
            }
            Err(_) => refused += 1,
        }
    }
    eprintln!("{done} pools, {refused} refused");
    assert!(done > 50);
}

#[test]
fn the_result_can_run_on_every_host() {
    let Some(all) = all() else { return };
    let db = Database::builtin();
    for hosts in pools(&all) {
        let Ok(result) = pool(&hosts) else { continue };
        let verdict = policy::check(&db, &result.cpu, &hosts, &CheckOptions::default());
        assert_eq!(verdict.obstacles, [], "{:?}", names(&hosts));
        let guest = policy::guest_of(&db, &result.cpu);
        let verdict = policy::check_guest(&db, &guest, &hosts, &CheckOptions::default());
        assert_eq!(verdict.obstacles, [], "{:?}", names(&hosts));
    }
}

#[test]
fn the_order_of_hosts_does_not_matter() {
    let Some(all) = all() else { return };
    for hosts in pools(&all) {
        let mut turned = hosts.clone();
        turned.reverse();
        match (pool(&hosts), pool(&turned)) {
            (Ok(one), Ok(other)) => {
                assert_eq!(one.words, other.words, "{:?}", names(&hosts));
                assert_eq!(hosts[one.identity].words(), turned[other.identity].words());
            }
            (Err(_), Err(_)) => {}
            (one, other) => panic!("{:?}: {:?} {:?}", names(&hosts), one.err(), other.err()),
        }
    }
}

#[test]
fn a_host_more_never_adds_a_feature() {
    let Some(all) = all() else { return };
    let db = Database::builtin();
    for hosts in pools(&all) {
        let Ok(more) = pool(&hosts) else { continue };
        let Ok(fewer) = pool(&hosts[..hosts.len() - 1]) else {
            continue;
        };
        for field in db
            .fields()
            .filter(|field| field.combine == Some(cpuid_db::database::Combine::And))
        {
            let Some(bit) = field.bit() else { continue };
            let expected = ["apic", "ht", "cmp_legacy"].contains(&field.id);
            // Bits of one host that say that something is gone or flawed count for all.
            let any = hosts.iter().any(|host| host.words().has(bit));
            if more.words.has(bit) && !fewer.words.has(bit) && !expected {
                let last = &hosts[hosts.len() - 1];
                let or = any && hosts.iter().any(|host| !host.words().has(bit));
                assert!(or && last.words().has(bit), "{} by {}", field.id, last.name);
                assert!(!["avx", "sse2", "xsave", "rdctl_no"].contains(&field.id));
            }
        }
    }
}

#[test]
fn zen_2_and_zen_3_keep_pkru_in_different_places() {
    let Some(all) = all() else { return };
    let hosts = [named(&all, "K17_Matisse"), named(&all, "K19_Milan")];
    let result = pool(&hosts).unwrap();
    let told = result.warnings.iter().find(|warning| warning.message.contains("PKRU"));
    let told = &told.unwrap_or_else(|| panic!("{:?}", result.warnings)).message;
    assert!(
        told.contains("0x40 bytes at 0x340 on") && told.contains("0x8 bytes at 0x980 on"),
        "{told}"
    );
    // Matisse has the component without the feature, so no guest gets it.
    assert_eq!(result.words.get(Word::cpuid(0xd, 0, Register::Eax)), 7);
    assert_eq!(result.words.get(Word::cpuid(0xd, 0, Register::Ecx)), 0x340);
    let pku = result.lost.iter().find(|lost| lost.id == "pku").unwrap();
    assert_eq!(pku.why(&hosts), format!("not on {}", hosts[0].name));
}

#[test]
fn hygon_and_amd_mix_only_when_asked() {
    let Some(all) = all() else { return };
    let hosts = [named(&all, "K17_Matisse"), named(&all, "HygonGenuine0910")];
    let Err(Refusal::Vendors {
        other, other_vendor, ..
    }) = pool(&hosts)
    else {
        panic!()
    };
    assert_eq!((other, other_vendor.as_str()), (hosts[1].name.clone(), "HygonGenuine"));
    let options = Options {
        hygon_with_amd: true,
        ..Options::default()
    };
    let result = policy::baseline(&Database::builtin(), &hosts, &options).unwrap();
    assert_explained(&hosts, &result);
    assert!(
        result
            .warnings
            .iter()
            .any(|warning| warning.message.starts_with("Hygon and AMD"))
    );
}

#[test]
fn processors_of_hybrid_hosts_are_intersected_first() {
    let Some(all) = all() else { return };
    for part in ["AlderLake", "MeteorLake"] {
        let host = named(&all, part);
        let lip = host.asymmetries.iter().find(|found| found.id == "intel_pt_lip");
        assert_eq!(host.words().get(Word::cpuid(0x14, 0, Register::Ecx)) >> 31, 0, "{part}");
        // The corpus keeps all processors of the second only.
        if host.cpus > 1 && part == "MeteorLake" {
            assert!(!lip.unwrap().cpus.is_empty());
        }
    }
}

#[test]
fn five_hosts_take_little_time() {
    let Some(all) = all() else { return };
    let intel: Vec<Host> = [
        "SkylakeX_CPUID2",
        "SkylakeX_CPUID",
        "SapphireRapids",
        "GraniteRapids",
        "IceLakeY_CPUID2",
    ]
    .iter()
    .map(|part| named(&all, part))
    .collect();
    let start = Instant::now();
    let result = pool(&intel).unwrap();
    let took = start.elapsed();
    eprintln!(
        "5 hosts: {took:?}, {} lost, {} words",
        result.lost.len(),
        result.words.iter().count()
    );
    assert!(result.words.has(Word::cpuid(1, 0, Register::Ecx).bit(28)));
    let limit = if cfg!(debug_assertions) { 200 } else { 5 };
    assert!(took.as_millis() < limit, "{took:?}");
}
