//! What all hosts of a Xen pool can give a guest: the features of every host, by the rules of Xen 4.20
//! (`cpufeatureset.h`, `gen-cpuid.py`, `cpu-policy.c`).
//!
//! A feature is there when every host has it, but for those annotated `|`, which are there when any host
//! has them; `RSBA` and `RRSBA` likewise, as they warn of a processor the guest may come to. What Xen never
//! gives a type of guest goes, then what needs something that went.
//!
//! Hosts are best given as the policy `Host` of `xen-cpuid -p`: it lacks what Xen itself hides to keep
//! clear of errata, and tells of RSBA where the processor does not.

use schemars::JsonSchema;
use serde::Serialize;

use crate::bits::COMMON_1D;
use crate::bits::{Bit, Register, Word, Words};
use crate::database::Database;
use crate::xen::features::{Feature, Features, StaticSet};
use crate::xen::featureset::{Featureset, ORDER};
use crate::xen::policy::{MAX_BASIC, MAX_EXTENDED, MAX_EXTENDED_OTHER, MAX_FEAT};

/// Guests the pool is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// PV.
    Pv,
    /// HVM with shadow paging.
    HvmShadow,
    /// HVM and PVH with hardware-assisted paging.
    HvmHap,
}

impl Kind {
    const fn sets(self) -> (StaticSet, StaticSet) {
        match self {
            Self::Pv => (StaticSet::PvMax, StaticSet::PvDefault),
            Self::HvmShadow => (StaticSet::HvmShadowMax, StaticSet::HvmShadowDefault),
            Self::HvmHap => (StaticSet::HvmHapMax, StaticSet::HvmHapDefault),
        }
    }
}

/// Why a feature that some host has is not offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Because {
    /// Hosts do not have it.
    Hosts,
    /// Another feature that it needs is not offered.
    Needs(Bit),
    /// Xen never gives it to this type of guest.
    NotForGuests,
    /// All hosts can give it, but only a guest that asks for it gets it.
    OnRequest,
    /// It follows what the guest's kernel does, or the host the guest is on.
    NotAPolicy,
}

/// A feature that some host has and the pool does not offer.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Lost {
    /// Which.
    pub bit: Bit,
    /// Its name, or its place when Xen has none.
    pub name: String,
    /// Hosts that do not have it.
    pub hosts: Vec<String>,
    /// Why.
    pub because: Because,
}

/// What a pool offers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PoolResult {
    /// The features, and the leaf maxima and address widths (words 0.0.eax, 7.0.eax, 80000000.0.eax and
    /// 80000008.0.eax).
    pub words: Words,
    /// The features alone.
    pub features: Featureset,
    /// What is not offered.
    pub lost: Vec<Lost>,
    /// Why guests should not move between these hosts all the same.
    pub conflicts: Vec<String>,
}

/// Computes what the hosts of a pool can all give.
#[must_use]
pub fn pool(database: &Database, hosts: &[(&str, Words)], kind: Kind) -> PoolResult {
    let features = Features::of(database);
    let mut result = PoolResult::default();
    if hosts.is_empty() {
        return result;
    }
    let sets: Vec<Featureset> = hosts.iter().map(|(_, words)| Featureset::of(words)).collect();
    let common = common(&features, &sets);
    let (maximum, default) = kind.sets();
    let (maximum, default) = (features.static_set(maximum), features.static_set(default));
    let vendor = vendor(&hosts.first().map(|(_, words)| words.clone()).unwrap_or_default());
    let mut offered = common.and(&default);
    adjust(&features, kind, &vendor, &sets, &mut offered);
    virtual_ssbd(&features, kind, hosts, &mut offered);
    let (mut offered, taken) = features.sanitise(&offered);
    rsba(&features, &sets, &mut offered);

    let mut union = sets.iter().fold(Featureset::default(), |all, set| all.or(set));
    if let Some(word) = union.0.get_mut(2) {
        *word &= !COMMON_1D;
    }
    for feature in union.without(&offered).iter() {
        let lacking: Vec<String> = hosts
            .iter()
            .zip(&sets)
            .filter(|(_, set)| !set.has(feature))
            .map(|((name, _), _)| (*name).to_owned())
            .collect();
        let name = features.label(feature);
        let because = if is_no_policy(&name) {
            Because::NotAPolicy
        } else if !maximum.has(feature) {
            Because::NotForGuests
        } else if !lacking.is_empty() {
            Because::Hosts
        } else if let Some((_, key)) = taken.iter().find(|(lost, _)| *lost == feature) {
            Because::Needs(key.bit())
        } else if !default.has(feature) {
            Because::OnRequest
        } else {
            Because::NotForGuests
        };
        result.lost.push(Lost {
            bit: feature.bit(),
            name,
            hosts: lacking,
            because,
        });
    }
    result.features = offered;
    result.words = offered.words();
    maxima(hosts, &vendor, &mut result);
    repeat_common(&vendor, &mut result.words);
    conflicts(&features, hosts, &sets, &mut result);
    result
}

fn is_no_policy(name: &str) -> bool {
    matches!(name, "osxsave" | "ospke" | "fdp-excp-only" | "no-fpu-sel")
}

/// Features of all hosts, and those that count when any host has them.
fn common(features: &Features, sets: &[Featureset]) -> Featureset {
    let all = sets.iter().copied().reduce(|a, b| a.and(&b)).unwrap_or_default();
    let any = sets.iter().fold(Featureset::default(), |all, set| all.or(set));
    all.or(&any.and(&features.with_attribute('|')))
}

/// The 12 characters of leaf 0; empty when the words do not have them.
fn vendor(words: &Words) -> String {
    let bytes: Vec<u8> = [Register::Ebx, Register::Edx, Register::Ecx]
        .into_iter()
        .flat_map(|register| words.get(Word::cpuid(0, 0, register)).to_le_bytes())
        .filter(|&byte| byte != 0)
        .collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

fn is_amd(vendor: &str) -> bool {
    matches!(vendor, "AuthenticAMD" | "HygonGenuine")
}

/// Features Xen sets or clears whatever the processor has.
fn adjust(features: &Features, kind: Kind, vendor: &str, sets: &[Featureset], set: &mut Featureset) {
    let all_have = |name: &str| {
        features
            .by_name(name)
            .is_some_and(|feature| sets.iter().all(|set| set.has(feature)))
    };
    let offered = |set: &Featureset, name: &str| features.by_name(name).is_some_and(|feature| set.has(feature));
    let put = |set: &mut Featureset, name: &str, on: bool| {
        if let Some(feature) = features.by_name(name) {
            set.set(feature, on);
        }
    };
    put(set, "hypervisor", true);
    if vendor == "GenuineIntel" {
        // The MSR is only data; the hypervisor keeps it for the guest.
        put(set, "arch-caps", true);
    }
    if offered(set, "ibrsb") {
        put(set, "stibp", true);
    }
    if offered(set, "ibrs") {
        put(set, "amd-stibp", true);
    }
    if all_have("ibrsb") {
        put(set, "ibpb", true);
    }
    if kind == Kind::Pv {
        put(set, "x2apic", false);
        if is_amd(vendor) {
            // The hypervisor runs in long mode, where SYSENTER does not work on these.
            put(set, "sep", false);
        }
    } else {
        for name in ["apic", "x2apic", "no-lmsl", "htt"] {
            put(set, name, true);
        }
        if is_amd(vendor) {
            // In protected mode it works; every 64-bit processor of these has it.
            put(set, "sep", true);
        }
        // An APIC id is twice the number of its virtual CPU: no hyper-threads.
        put(set, "cmp-legacy", false);
    }
}

/// HVM guests that do not see `SPEC_CTRL.SSBD` get `VIRT_SPEC_CTRL.SSBD` on AMD and Hygon processors that
/// have a switch for it: architectural, or that of families 15h to 18h.
fn virtual_ssbd(features: &Features, kind: Kind, hosts: &[(&str, Words)], set: &mut Featureset) {
    let (Some(virt), Some(amd)) = (features.by_name("virt-ssbd"), features.by_name("amd-ssbd")) else {
        return;
    };
    let can = |words: &Words| {
        let eax = words.get(Word::cpuid(1, 0, Register::Eax));
        let family = (eax >> 8 & 0xf).saturating_add(eax >> 20 & 0xff);
        let immune = features
            .by_name("ssb-no")
            .is_some_and(|feature| words.has(feature.bit()));
        let old = (0x15..=0x18).contains(&family) && !immune;
        is_amd(&vendor(words)) && (words.has(virt.bit()) || words.has(amd.bit()) || old)
    };
    if kind != Kind::Pv && !set.has(amd) && hosts.iter().all(|(_, words)| can(words)) {
        set.set(virt, true);
    }
}

/// One of RSBA and RRSBA, when any host has either and the guest sees `ARCH_CAPS`.
fn rsba(features: &Features, sets: &[Featureset], set: &mut Featureset) {
    let named = |name: &str| features.by_name(name);
    let (Some(rsba), Some(rrsba)) = (named("rsba"), named("rrsba")) else {
        return;
    };
    let any = sets.iter().any(|set| set.has(rsba) || set.has(rrsba));
    let sees = named("arch-caps").is_some_and(|feature| set.has(feature));
    if any && sees {
        let eibrs = named("eibrs").is_some_and(|feature| set.has(feature));
        set.set(if eibrs { rrsba } else { rsba }, true);
    }
}

fn maxima(hosts: &[(&str, Words)], vendor: &str, result: &mut PoolResult) {
    let least = |word: Word| hosts.iter().map(|(_, words)| words.get(word)).min().unwrap_or(0);
    let extended = if is_amd(vendor) {
        MAX_EXTENDED
    } else {
        MAX_EXTENDED_OTHER
    };
    for (leaf, limit) in [(0, MAX_BASIC), (7, MAX_FEAT), (0x8000_0000, extended)] {
        let word = Word::cpuid(leaf, 0, Register::Eax);
        result.words.put(word, least(word).min(limit));
    }
    let widths = Word::cpuid(0x8000_0008, 0, Register::Eax);
    let each = |shift: u32| {
        let width = |words: &Words| words.get(widths) >> shift & 0xff;
        hosts.iter().map(|(_, words)| width(words)).min().unwrap_or(0)
    };
    // Guests have four levels of page tables.
    result.words.put(widths, each(8).min(48) << 8 | each(0));
}

/// AMD processors repeat bits of leaf 1 in 0x80000001.EDX.
fn repeat_common(vendor: &str, words: &mut Words) {
    let [first, _, repeated, ..] = &ORDER;
    if is_amd(vendor) {
        let value = words.get(repeated.word) | words.get(first.word) & COMMON_1D;
        words.put(repeated.word, value);
    }
}

fn conflicts(features: &Features, hosts: &[(&str, Words)], sets: &[Featureset], result: &mut PoolResult) {
    let Some((first, others)) = hosts.split_first() else {
        return;
    };
    let name = vendor(&first.1);
    for (host, words) in others {
        let other = vendor(words);
        if other != name {
            result
                .conflicts
                .push(format!("{} is {name:?}, {host} is {other:?}", first.0));
        }
    }
    for feature in ["fdp-excp-only", "no-fpu-sel"]
        .into_iter()
        .filter_map(|name| features.by_name(name))
    {
        let have: Vec<&str> = hosts
            .iter()
            .zip(sets)
            .filter(|(_, set)| set.has(feature))
            .map(|((name, _), _)| *name)
            .collect();
        if !have.is_empty() && have.len() < hosts.len() {
            let text = format!(
                "{} is of {} only; Xen gives a guest that of the host it is on",
                features.label(feature),
                have.join(", ")
            );
            result.conflicts.push(text);
        }
    }
    for state in xstates(features, &result.features) {
        let size =
            |words: &Words| [Register::Eax, Register::Ebx].map(|register| words.get(Word::cpuid(0xd, state, register)));
        let known: Vec<(&str, [u32; 2])> = hosts
            .iter()
            .map(|(name, words)| (*name, size(words)))
            .filter(|(_, size)| *size != [0, 0])
            .collect();
        let Some(((first, expected), rest)) = known.split_first() else {
            continue;
        };
        for (host, seen) in rest.iter().filter(|(_, seen)| seen != expected) {
            let [size, offset] = expected;
            let [other_size, other_offset] = seen;
            result.conflicts.push(format!(
                "XSAVE state {state} has {size} bytes at {offset} on {first}, {other_size} bytes at {other_offset} on {host}"
            ));
        }
    }
}

/// XSAVE states beyond the legacy ones that a guest with these features has.
fn xstates(features: &Features, set: &Featureset) -> Vec<u32> {
    let has = |name: &str| features.by_name(name).is_some_and(|feature: Feature| set.has(feature));
    let states: [(&str, &[u32]); 5] = [
        ("avx", &[2]),
        ("mpx", &[3, 4]),
        ("avx512f", &[5, 6, 7]),
        ("pku", &[9]),
        ("amx-tile", &[17, 18]),
    ];
    states
        .iter()
        .filter(|(name, _)| has("xsave") && has(name))
        .flat_map(|(_, states)| states.iter().copied())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(vendor: &str, names: &[&str]) -> Words {
        let features = Features::of(&Database::builtin());
        let set: Featureset = names.iter().map(|name| features.by_name(name).unwrap()).collect();
        let mut words = set.words();
        for (register, text) in [Register::Ebx, Register::Edx, Register::Ecx]
            .into_iter()
            .zip(vendor.as_bytes().chunks(4))
        {
            words.put(
                Word::cpuid(0, 0, register),
                u32::from_le_bytes(text.try_into().unwrap()),
            );
        }
        words
    }

    fn has(result: &PoolResult, name: &str) -> bool {
        let features = Features::of(&Database::builtin());
        result.features.has(features.by_name(name).unwrap())
    }

    #[test]
    fn a_feature_that_one_host_lacks_takes_those_that_need_it_along() {
        let all = ["fpu", "fxsr", "sse", "sse2", "xsave", "avx", "avx2", "fma"];
        let hosts = [
            ("new", host("GenuineIntel", &all)),
            ("old", host("GenuineIntel", &all[..5])),
        ];
        let some = ["fpu", "fxsr", "sse", "sse2", "xsave", "avx2", "fma"];
        let odd = [
            ("new", host("GenuineIntel", &all)),
            ("odd", host("GenuineIntel", &some)),
        ];
        let database = Database::builtin();
        let result = pool(&database, &hosts, Kind::HvmHap);
        assert!(has(&result, "xsave") && !has(&result, "avx2"));
        assert!(
            result
                .lost
                .iter()
                .all(|lost| lost.hosts == ["old"] && lost.because == Because::Hosts)
        );
        let result = pool(&database, &odd, Kind::HvmHap);
        let fma = result.lost.iter().find(|lost| lost.name == "fma").unwrap();
        assert!(matches!(fma.because, Because::Needs(bit) if bit.to_string() == "1.0.ecx[28]"));
    }

    #[test]
    fn bits_that_warn_of_some_host_are_of_the_pool() {
        let bad = ["ibrsb", "arch-caps", "rsba", "fb-clear", "md-clear"];
        let good = ["ibrsb", "arch-caps", "eibrs", "rdcl-no"];
        let hosts = [
            ("bad", host("GenuineIntel", &bad)),
            ("good", host("GenuineIntel", &good)),
        ];
        let result = pool(&Database::builtin(), &hosts, Kind::Pv);
        for name in ["rsba", "fb-clear", "md-clear", "arch-caps"] {
            assert!(has(&result, name), "{name}");
        }
        assert!(!has(&result, "rrsba") && !has(&result, "rdcl-no"));
        let eibrs = [
            ("a", host("GenuineIntel", &["ibrsb", "arch-caps", "eibrs", "rrsba"])),
            ("b", host("GenuineIntel", &good)),
        ];
        assert!(has(&pool(&Database::builtin(), &eibrs, Kind::Pv), "rrsba"));
    }

    #[test]
    fn vendors_do_not_mix_and_states_must_agree() {
        let mut a = host("AuthenticAMD", &["lm", "pae", "fxsr", "sse", "sse2", "xsave", "pku"]);
        let mut b = a.clone();
        a.put(Word::cpuid(0xd, 9, Register::Ebx), 0x340);
        b.put(Word::cpuid(0xd, 9, Register::Ebx), 0x980);
        let result = pool(&Database::builtin(), &[("a", a.clone()), ("b", b)], Kind::HvmHap);
        assert_eq!(result.conflicts.len(), 1, "{:?}", result.conflicts);
        assert!(has(&result, "no-lmsl") && !has(&result, "cmp-legacy"));
        let other = host("HygonGenuine", &[]);
        assert!(pool(&Database::builtin(), &[("a", a), ("h", other)], Kind::Pv).conflicts[0].contains("Hygon"));
    }
}
