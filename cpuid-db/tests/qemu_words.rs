//! The words of every model and every `-cpu` string of the corpus, as QEMU 10.0 gave them, and the
//! static expansion of every model.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod support;

use std::collections::BTreeSet;

use cpuid_db::bits::Place;
use cpuid_db::{Database, Dialect, GuestCpu, Register, Word, Words, qemu};
use serde_json::Value;

fn json(name: &str) -> Option<Value> {
    let folder = support::corpus(name)?.join("qemu");
    Some(serde_json::from_str(&support::text(&folder.join(name))).unwrap())
}

fn hex(value: &Value) -> u32 {
    u32::from_str_radix(value.as_str().unwrap().trim_start_matches("0x"), 16).unwrap()
}

/// Words of a case; they do not tell of MSRs.
fn requested(case: &Value) -> Words {
    let list = case["words"].as_array().unwrap();
    let word = |word: &Value| {
        let subleaf = u32::try_from(word["subleaf"].as_u64().unwrap()).unwrap();
        let register = Register::read(word["reg"].as_str().unwrap()).unwrap();
        (
            Word::cpuid(hex(&word["leaf"]), subleaf, register),
            hex(&word["requested"]),
        )
    };
    list.iter().map(word).collect()
}

fn of_cpuid(words: &Words) -> Words {
    let is_cpuid = |word: &Word| matches!(word.place, Place::Leaf(_));
    words.iter().filter(|(word, _)| is_cpuid(word)).collect()
}

/// What the case says beside the words.
fn identity(guest: &GuestCpu, case: &Value) -> Vec<String> {
    let number = |name: &str| case[name].as_u64().map(|value| u32::try_from(value).unwrap());
    let text = |name: &str| case[name].as_str().unwrap_or_default().to_owned();
    let mut wrong = Vec::new();
    let mut same = |what: &str, ours: String, theirs: String| {
        if ours != theirs {
            wrong.push(format!("{what}: {ours} instead of {theirs}"));
        }
    };
    same("vendor", guest.vendor.clone().unwrap_or_default(), text("vendor"));
    same("brand", guest.brand.clone().unwrap_or_default(), text("model_id"));
    for (name, value) in [
        ("family", guest.family),
        ("model", guest.model_number),
        ("stepping", guest.stepping),
        ("level", guest.level),
        ("xlevel", guest.extended_level),
    ] {
        same(name, format!("{value:?}"), format!("{:?}", number(name)));
    }
    wrong
}

fn check(name: &str) {
    let Some(file) = json(name) else { return };
    let database = Database::builtin();
    let mut wrong = Vec::new();
    let cases = file["cpus"].as_array().unwrap();
    for case in cases {
        let option = case["cpu"].as_str().unwrap();
        match (qemu::words(&database, option), case["error"].as_str()) {
            (Ok(words), None) => {
                let (ours, theirs) = (of_cpuid(&words), requested(case));
                if ours != theirs {
                    wrong.push(format!("{option}: {ours:x?} instead of {theirs:x?}"));
                }
                let guest = qemu::parse(&database, option).unwrap();
                wrong.extend(identity(&guest, case).iter().map(|line| format!("{option}: {line}")));
            }
            (Err(faults), Some(error)) => {
                let ours = format!("qemu-system-x86_64: {}", faults[0].message);
                if ours != error {
                    wrong.push(format!("{option}: {ours} instead of {error}"));
                }
            }
            (ours, theirs) => wrong.push(format!("{option}: {ours:?} instead of {theirs:?}")),
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {}:\n{}",
        wrong.len(),
        cases.len(),
        wrong.join("\n")
    );
}

#[test]
fn words_of_the_models_are_those_of_qemu() {
    check("qemu-10.0-model-words.json");
}

#[test]
fn words_of_cpu_options_are_those_of_qemu() {
    check("qemu-10.0-cpu-strings.json");
}

#[test]
fn every_model_expands_to_the_features_of_qemu() {
    let Some(file) = json("qemu-10.0-models.json.zst") else {
        return;
    };
    let database = Database::builtin();
    let mut wrong = Vec::new();
    for (name, expansion) in file["models"].as_object().unwrap() {
        if matches!(name.as_str(), "base" | "max" | "host") {
            continue;
        }
        let guest = qemu::parse(&database, name).unwrap();
        let words = guest.words();
        let theirs: BTreeSet<String> = expansion["on"]
            .as_array()
            .unwrap()
            .iter()
            .map(|name| name.as_str().unwrap().to_owned())
            .collect();
        let ours: BTreeSet<String> = words
            .bits()
            .filter_map(|bit| database.of_bit(bit, cpuid_db::database::Vendors::ANY))
            .filter_map(|field| field.name(Dialect::Qemu))
            .map(str::to_owned)
            .collect();
        if ours != theirs {
            let difference: Vec<&String> = ours.symmetric_difference(&theirs).collect();
            wrong.push(format!("{name}: {difference:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_models_are_those_qemu_lists() {
    let Some(file) = json("qemu-10.0-models.json.zst") else {
        return;
    };
    let theirs: BTreeSet<&str> = file["definitions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|definition| definition["name"].as_str().unwrap())
        .filter(|name| !matches!(*name, "base" | "max" | "host"))
        .collect();
    let ours: BTreeSet<&str> = qemu::model_names().map(|(name, _)| name).collect();
    assert_eq!(ours, theirs);
    for definition in file["definitions"].as_array().unwrap() {
        if let (Some(alias), Some(name)) = (definition["alias-of"].as_str(), definition["name"].as_str()) {
            assert_eq!(qemu::resolve(name), Some(alias));
        }
    }
}

#[test]
fn options_libvirt_writes_are_taken() {
    let Some(folder) = support::corpus("options of libvirt") else {
        return;
    };
    let database = Database::builtin();
    let mut wrong = Vec::new();
    for path in support::files(&folder.join("libvirt/xml2qemu"), ".cpu.txt") {
        let text = support::text(&path);
        let option = text.trim_end_matches('\n');
        let option = option.strip_prefix("-cpu ").unwrap_or(option).trim_matches('\'');
        if let Err(faults) = qemu::parse(&database, option) {
            wrong.push(format!("{}: {option}: {faults:?}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
