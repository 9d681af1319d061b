//! Options written for a guest give the guest back: every model, the options of the corpus, and any
//! set of features on any model.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod support;

use std::collections::BTreeSet;

use cpuid_db::bits::Place;
use cpuid_db::database::Vendors;
use cpuid_db::{Bit, Database, Dialect, GuestCpu, Register, Setting, Word, Words, formats, qemu};
use proptest::prelude::*;

/// Option → guest → option → the same words.
fn round_trip(option: &str) {
    let database = Database::builtin();
    let guest = qemu::parse(&database, option).unwrap();
    let written = qemu::write(&database, &guest).unwrap_or_else(|faults| panic!("{option}: {faults:?}"));
    let words = |option: &str| qemu::words(&database, option).unwrap();
    assert_eq!(words(&written), words(option), "{option} → {written}");
    let again = qemu::parse(&database, &written).unwrap();
    assert_eq!(again.words(), guest.words(), "{option} → {written}");
    assert_eq!(
        (
            again.vendor,
            again.family,
            again.model_number,
            again.stepping,
            again.brand
        ),
        (
            guest.vendor,
            guest.family,
            guest.model_number,
            guest.stepping,
            guest.brand
        ),
        "{option} → {written}"
    );
    assert_eq!(
        (again.level, again.extended_level, again.values),
        (guest.level, guest.extended_level, guest.values),
        "{option} → {written}"
    );
}

#[test]
fn every_model_is_written_as_itself() {
    let database = Database::builtin();
    for (name, _) in qemu::model_names() {
        let guest = qemu::parse(&database, name).unwrap();
        assert_eq!(qemu::write(&database, &guest).as_deref(), Ok(name));
    }
}

#[test]
fn a_model_is_found_again_without_its_name() {
    let database = Database::builtin();
    for model in qemu::models() {
        let mut guest = qemu::parse(&database, model.name).unwrap();
        guest.model = None;
        let written = qemu::write(&database, &guest).unwrap();
        let again = qemu::parse(&database, &written).unwrap();
        assert_eq!(again.words(), guest.words(), "{} → {written}", model.name);
        assert!(
            !written.contains(",+") && !written.contains(",-"),
            "{} → {written}",
            model.name
        );
    }
}

#[test]
fn what_is_nearest_to_a_model_is_that_model() {
    let database = Database::builtin();
    for model in qemu::models() {
        let words = qemu::parse(&database, model.name).unwrap().words();
        let found = qemu::nearest(&database, &words, Some(model.vendor));
        assert_eq!(found.len(), qemu::models().len());
        assert_eq!(
            (found[0].cost(), found[0].model.vendor),
            (0, model.vendor),
            "{}",
            model.name
        );
    }
}

#[test]
fn options_of_the_corpus_come_back() {
    let Some(folder) = support::corpus("options") else {
        return;
    };
    for path in support::files(&folder.join("libvirt/xml2qemu"), ".cpu.txt") {
        let option = support::text(&path);
        let option = option.trim_end_matches('\n').trim_matches('\'');
        if !option.starts_with("host") && !option.contains("vendor=") {
            round_trip(option);
        }
    }
}

#[test]
fn dependent_features_need_no_option_of_their_own() {
    let database = Database::builtin();
    let write = |option: &str| qemu::write(&database, &qemu::parse(&database, option).unwrap()).unwrap();
    assert_eq!(write("EPYC,-svm"), "EPYC,-svm");
    assert_eq!(write("Haswell,+vmx"), "Haswell,+vmx");
    assert_eq!(write("Haswell,vmx=on,vmx-ept=off"), "Haswell,+vmx,-vmx-ept");
    assert_eq!(
        write("SandyBridge,+pcid,-aes,x2apic=on,level=5,phys-bits=42"),
        "SandyBridge,level=0x5,phys-bits=42,+pcid,-aes"
    );
}

#[test]
fn what_qemu_cannot_name_is_a_fault() {
    let database = Database::builtin();
    let mut guest = qemu::parse(&database, "Haswell").unwrap();
    let cmt = Word::cpuid(7, 0, Register::Ebx).bit(12);
    guest.bits.insert(cmt, Setting::On);
    guest
        .bits
        .insert(Word::cpuid(1, 0, Register::Ecx).bit(1), Setting::Keep);
    guest.brand = Some("one, two".to_owned());
    let faults = qemu::write(&database, &guest).unwrap_err();
    let list: Vec<String> = faults
        .iter()
        .map(|fault| format!("{}: {}", fault.what, fault.message))
        .collect();
    assert_eq!(
        list,
        [
            "pclmulqdq: depends on the host, which only the models host and max do",
            "cmt: QEMU 10.0 has no name for 7.0.ebx[12]",
            "model-id=one, two: a comma ends a value of -cpu",
        ]
    );
}

#[test]
fn guests_based_on_the_host_keep_what_was_said() {
    let database = Database::builtin();
    for (option, written) in [
        ("host", "host"),
        ("host,-aes,+x2apic,migratable=off", "host,+x2apic,-aes"),
        ("max,aes=off,model=3", "max,model=3,-aes"),
        ("host,kvmclock=off,phys-bits=42", "host,phys-bits=42,-kvmclock"),
    ] {
        let guest = qemu::parse(&database, option).unwrap();
        assert!(guest.host_based);
        assert_eq!(qemu::write(&database, &guest).as_deref(), Ok(written));
    }
}

#[test]
fn bits_of_one_name_are_set_together() {
    let database = Database::builtin();
    let guest = GuestCpu {
        host_based: true,
        bits: [
            (Word::cpuid(0x4000_0001, 0, Register::Eax).bit(0), Setting::On),
            (Word::cpuid(0x4000_0001, 0, Register::Eax).bit(3), Setting::Off),
        ]
        .into(),
        ..GuestCpu::default()
    };
    let faults = qemu::write(&database, &guest).unwrap_err();
    assert_eq!(faults[0].what, "kvmclock");
}

#[test]
fn dumps_of_processors_find_their_model() {
    let Some(folder) = support::corpus("dumps") else { return };
    let database = Database::builtin();
    let mut seen = 0;
    for (part, expected) in [
        ("SapphireRapids", "SapphireRapids"),
        ("GraniteRapids", "GraniteRapids"),
        ("Sandy", "SandyBridge"),
        ("Genoa", "EPYC-Genoa"),
    ] {
        for path in support::files(&folder.join("instlatx64"), part).into_iter().take(1) {
            let Some((_, decoded)) = formats::detect_and_parse(&support::text(&path)) else {
                continue;
            };
            let Some(cpu) = decoded.value.first() else { continue };
            let vendor = cpuid_db::Identity::of(cpu).vendor_name;
            let found = qemu::nearest(&database, &Words::of(cpu), vendor.as_deref());
            assert_eq!(found[0].model.family_name, expected, "{}", path.display());
            seen += 1;
        }
    }
    assert!(seen > 0);
}

/// Preferred names of features, without those of KVM.
fn features() -> Vec<&'static str> {
    let database = Database::builtin();
    let names: BTreeSet<&str> = database
        .fields()
        .filter(|field| field.place != Place::Leaf(0x4000_0001))
        .filter_map(|field| field.name(Dialect::Qemu))
        .collect();
    names.into_iter().collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_features_on_any_model_come_back(
        model in prop::sample::select(qemu::model_names().map(|(name, _)| name).collect::<Vec<_>>()),
        changes in prop::collection::vec((prop::sample::select(features()), any::<bool>(), any::<bool>()), 0..40),
    ) {
        let mut option = model.to_owned();
        for (name, on, sign) in changes {
            option.push_str(&match (on, sign) {
                (true, true) => format!(",+{name}"),
                (false, true) => format!(",-{name}"),
                (true, false) => format!(",{name}"),
                (false, false) => format!(",{name}=off"),
            });
        }
        round_trip(&option);
    }

    #[test]
    fn any_features_find_a_model(
        model in prop::sample::select(qemu::model_names().map(|(name, _)| name).collect::<Vec<_>>()),
        changes in prop::collection::vec((prop::sample::select(features()), any::<bool>()), 0..20),
    ) {
        let database = Database::builtin();
        let mut guest = qemu::parse(&database, model).unwrap();
        guest.model = None;
        for (name, on) in changes {
            for field in database.lookup(Dialect::Qemu, name) {
                guest.bits.insert(field.bit().unwrap(), if on { Setting::On } else { Setting::Off });
            }
        }
        let written = qemu::write(&database, &guest).unwrap();
        let again = qemu::parse(&database, &written).unwrap().words();
        let wanted = guest.words();
        let named = |bit: &Bit| {
            let mut fields = database.of_word(bit.word, Vendors::ANY);
            fields.any(|field| field.bit() == Some(*bit) && field.name(Dialect::Qemu).is_some())
        };
        let told = |bit: &Bit| match bit.word.place {
            Place::Leaf(_) => true,
            Place::Msr(_) => wanted.iter().any(|(own, _)| own.place == bit.word.place) && named(bit),
        };
        let wanted: Words = wanted.bits().filter(told).collect();
        let again: Words = again.bits().filter(told).collect();
        prop_assert_eq!(again, wanted, "{}", written);
    }

    #[test]
    fn any_text_is_taken_or_refused(text in ".{0,60}") {
        let database = Database::builtin();
        let _ = qemu::parse(&database, &text);
        let _ = qemu::warnings(&text);
        if let Err(faults) = qemu::words(&database, &format!("Haswell,{text}")) {
            prop_assert!(!faults.is_empty());
        }
    }
}

#[test]
fn every_name_is_of_a_bit() {
    let database = Database::builtin();
    for name in features() {
        for field in database.lookup(Dialect::Qemu, name) {
            let bit = field.bit().unwrap();
            assert!(database.of_bit(bit, Vendors::ANY).is_some());
        }
    }
}
