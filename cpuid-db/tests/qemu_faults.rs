//! What QEMU refuses, in its words and where; the first fault is the one it stops at.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "tests"
)]

use cpuid_db::{Database, Fault, Register, Setting, Word, qemu};

fn faults(option: &str) -> Vec<Fault> {
    qemu::words(&Database::builtin(), option).unwrap_err()
}

fn first(option: &str) -> (usize, String) {
    let fault = faults(option).swap_remove(0);
    assert!(option[fault.at.unwrap()..].starts_with(&fault.what), "{option}");
    (fault.at.unwrap(), fault.message)
}

fn value(option: &str) -> String {
    let (at, message) = first(option);
    assert_eq!(at, 12, "{option}");
    let item = &option[12..].split(',').next().unwrap();
    let (name, value) = item.split_once('=').unwrap_or((item, "on"));
    let prefix = format!(
        "can't apply global SandyBridge-x86_64-cpu.{}={value}: ",
        name.replace('_', "-")
    );
    message.strip_prefix(&prefix).unwrap_or(&message).to_owned()
}

#[test]
fn models_that_do_not_exist() {
    assert_eq!(
        first("NoSuchModel,+aes"),
        (0, "unable to find CPU model 'NoSuchModel'".into())
    );
    assert_eq!(
        first("sandybridge"),
        (0, "unable to find CPU model 'sandybridge'".into())
    );
    assert_eq!(first(",aes"), (0, "unable to find CPU model ''".into()));
    assert_eq!(first(""), (0, "-cpu option cannot be empty".into()));
    assert_eq!(first("Haswell-v9").1, "unable to find CPU model 'Haswell-v9'");
}

#[test]
fn properties_that_do_not_exist() {
    for (item, name) in [
        ("+bogusflag", "bogusflag"),
        ("-bogusflag", "bogusflag"),
        ("+aes=on", "aes=on"),
        ("+AES", "AES"),
        ("+", ""),
        ("-", ""),
        ("+tsc_deadline", "tsc_deadline"),
        ("+migratable", "migratable"),
        ("+ aes", " aes"),
    ] {
        let (at, message) = first(&format!("SandyBridge,{item}"));
        let expected = format!("Property 'SandyBridge-x86_64-cpu.{name}' not found");
        assert_eq!((at, message), (12, expected), "{item}");
    }
    for item in [
        "bogus=on",
        "bogus",
        "bogus_flag=off",
        "=on",
        " aes=on",
        "Aes=on",
        "host-cache-info=on",
    ] {
        let name = item.split('=').next().unwrap().replace('_', "-");
        let expected = format!("Property 'SandyBridge-x86_64-cpu.{name}' not found");
        assert_eq!(value(&format!("SandyBridge,{item}")), expected);
    }
}

#[test]
fn the_name_of_the_model_is_told_as_given() {
    assert_eq!(
        first("Haswell-noTSX,+x").1,
        "Property 'Haswell-noTSX-x86_64-cpu.x' not found"
    );
}

#[test]
fn values_of_the_wrong_type() {
    for (item, message) in [
        ("aes=maybe", "Parameter 'aes' expects 'on' or 'off'"),
        ("aes=", "Parameter 'aes' expects 'on' or 'off'"),
        ("aes=ON", "Parameter 'aes' expects 'on' or 'off'"),
        ("aes=1", "Parameter 'aes' expects 'on' or 'off'"),
        ("sse4_1=bad", "Parameter 'sse4-1' expects 'on' or 'off'"),
        ("level=abc", "Parameter 'level' expects uint64"),
        ("level=", "Parameter 'level' expects uint64"),
        ("level=-1", "Parameter 'level' expects uint32_t"),
        ("level=99999999999", "Parameter 'level' expects uint32_t"),
        ("family=271", "parameter 'family' can be at most 270"),
        ("model=256", "parameter 'model' can be at most 255"),
        ("stepping=16", "parameter 'stepping' can be at most 15"),
        ("stepping=x", "Parameter 'stepping' expects uint64"),
        (
            "vendor=short",
            "value of property 'vendor' must consist of exactly 12 characters",
        ),
        ("tsc-frequency=2.5G", "Parameter 'tsc-frequency' expects int64"),
        (
            "tsc-frequency=-5",
            "parameter 'tsc-frequency' can be at most 9223372036854775807",
        ),
        (
            "lbr-fmt=0x40",
            "Property value for 'lbr-fmt' has bits outside mask '0x3f'",
        ),
        (
            "hv-version-id-sbranch=256",
            "Parameter 'hv-version-id-sbranch' expects uint8_t",
        ),
        (
            "hv-version-id-major=65536",
            "Parameter 'hv-version-id-major' expects uint16_t",
        ),
        ("x-hv-max-vps=zz", "Parameter 'x-hv-max-vps' expects int64"),
        ("x-hv-max-vps=99999999999", "Parameter 'x-hv-max-vps' expects int32_t"),
        (
            "hv-no-nonarch-coresharing=maybe",
            "Parameter 'hv-no-nonarch-coresharing' does not accept value 'maybe'",
        ),
        (
            "feature-words=3",
            "Property 'SandyBridge-x86_64-cpu.feature-words' is not writable",
        ),
    ] {
        assert_eq!(value(&format!("SandyBridge,{item}")), message);
    }
    for (item, message) in [
        ("+level", "Parameter 'level' expects uint64"),
        ("+vendor", "Invalid parameter type for 'vendor', expected: string"),
        (
            "+x-hv-max-vps",
            "Invalid parameter type for 'x-hv-max-vps', expected: integer",
        ),
        ("-type", "Property 'SandyBridge-x86_64-cpu.type' is not writable"),
    ] {
        assert_eq!(first(&format!("SandyBridge,{item}")), (12, message.into()));
    }
}

#[test]
fn values_that_do_not_fit_the_cpu() {
    for (option, at, message) in [
        (
            "SandyBridge,phys-bits=20",
            12,
            "phys-bits should be between 32 and 52  (but is 20)",
        ),
        (
            "SandyBridge,phys-bits=53",
            12,
            "phys-bits should be between 32 and 52  (but is 53)",
        ),
        (
            "SandyBridge,-lm,phys-bits=40",
            16,
            "phys-bits is not user-configurable in 32 bit",
        ),
        ("486,phys-bits=40", 4, "phys-bits is not user-configurable in 32 bit"),
        (
            "Haswell,guest-phys-bits=41",
            8,
            "guest-phys-bits should be between 32 and 40  (but is 41)",
        ),
        (
            "Haswell-noTSX,legacy-cache=off",
            14,
            "CPU model 'Haswell-noTSX' doesn't support legacy-cache=off",
        ),
        ("SandyBridge,+aes,enforce", 17, "TCG doesn't support requested features"),
        (
            "Haswell,core-id=5,+x",
            8,
            "property core-id: 5 doesn't match set apic-id: 0x0 (core-id: 0)",
        ),
        ("host", 0, "CPU model 'host' requires KVM or HVF"),
    ] {
        assert_eq!(first(option), (at, message.into()), "{option}");
    }
}

#[test]
fn faults_come_in_the_order_qemu_looks() {
    let list: Vec<usize> = faults("Haswell,-bad1,+bad2,bad3=on,tsc-freq=fast,bad4")
        .iter()
        .map(|fault| fault.at.unwrap())
        .collect();
    assert_eq!(list, [28, 20, 42, 14, 8]);
}

#[test]
fn what_is_taken() {
    let database = Database::builtin();
    let words = |option: &str| qemu::words(&database, option).unwrap();
    let aes = Word::cpuid(1, 0, Register::Ecx).bit(25);
    for (option, on) in [
        ("Westmere", true),
        ("Westmere,aes=off,aes=true", true),
        ("Westmere,aes=off,aes", true),
        ("Westmere,,,aes=yes,,", true),
        ("Westmere,aes=no,+aes", true),
        ("Westmere,+aes,aes=n", true),
        ("Westmere,-aes,aes=y", false),
        ("Westmere,-aes,+aes", false),
        ("Westmere,+aes,-aes,aes=on", false),
        ("Westmere,aes=false", false),
    ] {
        assert_eq!(words(option).has(aes), on, "{option}");
    }
    for option in [
        "486,phys-bits=0",
        "486,enforce",
        "EPYC,legacy-cache=off",
        "qemu64,tsc-freq=2.5G,hv_relaxed,hv-passthrough=on,pmu,kvm=off,l3-cache=off,x-force-features=off",
        "qemu64,hv-vendor-id=longer than twelve,model-id=any text,ucode-rev=0x1,hv-spinlocks=0x1fff",
        "max,migratable=off,host-cache-info=on",
        "base,+lm,vendor=GenuineIntel,family=6",
    ] {
        words(option);
    }
}

#[test]
fn features_without_what_they_need_are_told_only_when_asked_for() {
    let database = Database::builtin();
    let svm = Word::cpuid(0x8000_000a, 0, Register::Edx);
    let value = |option: &str| qemu::words(&database, option).unwrap().get(svm);
    assert_eq!(value("EPYC,-svm"), 0);
    assert_eq!(value("EPYC,-svm,+npt"), 1);
    assert_eq!(value("Haswell,nrip-save=on"), 8);
}

#[test]
fn amd_repeats_what_tcg_keeps() {
    let database = Database::builtin();
    let edx = |option: &str| {
        let words = qemu::words(&database, option).unwrap();
        words.get(Word::cpuid(0x8000_0001, 0, Register::Edx)) & 0x0183_f3ff
    };
    assert_eq!(edx("EPYC"), 0x0183_f3fd);
    assert_eq!(edx("EPYC,+vme"), 0x0183_f3fd);
    assert_eq!(edx("EPYC,+vme,x-force-features"), 0x0183_f3ff);
    assert_eq!(edx("EPYC,vendor=GenuineIntel"), 0);
    assert_eq!(edx("Dhyana"), 0);
}

#[test]
fn features_set_off_are_remembered() {
    let guest = qemu::parse(
        &Database::builtin(),
        "Haswell,-vmx,hle=off,kvm-pv-eoi=off,+kvm-steal-time",
    )
    .unwrap();
    let setting = |leaf, register, bit| guest.bits.get(&Word::cpuid(leaf, 0, register).bit(bit)).copied();
    assert_eq!(setting(1, Register::Ecx, 5), Some(Setting::Off));
    assert_eq!(setting(7, Register::Ebx, 4), Some(Setting::Off));
    assert_eq!(setting(7, Register::Ebx, 11), Some(Setting::On));
    assert_eq!(setting(0x4000_0001, Register::Eax, 6), Some(Setting::Off));
    assert_eq!(setting(0x4000_0001, Register::Eax, 5), Some(Setting::On));
}

#[test]
fn mixing_signs_and_values_is_warned_of() {
    let list = qemu::warnings("Haswell,aes=on,+aes,aes=off,-sse3,pni=on,-avx,avx");
    let list: Vec<(Option<usize>, &str)> = list.iter().map(|fault| (fault.at, fault.message.as_str())).collect();
    assert_eq!(
        list,
        [
            (
                Some(20),
                "Ambiguous CPU model string. Don't mix both \"+aes\" and \"aes=off\""
            ),
            (
                Some(46),
                "Ambiguous CPU model string. Don't mix both \"-avx\" and \"avx=on\""
            ),
        ]
    );
}
