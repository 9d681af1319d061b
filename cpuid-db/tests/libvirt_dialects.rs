//! `<cpu>` elements as QEMU's `-cpu` and as libxl's `cpuid=`, against what libvirt 11.3 makes of them;
//! and what the parts of this crate make of damaged text.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests may stop"
)]

mod support;

use std::collections::BTreeMap;

use cpuid_db::libvirt::{Map, Mode, ReadAs, from_guest, from_xl, lint, qmp, read, to_guest, to_qemu_argument, to_xl};
use cpuid_db::{Database, qemu, xen};
use proptest::prelude::*;

/// Arguments that other elements of the domain add.
const OF_OTHER_ELEMENTS: [&str; 6] = ["kvmclock=", "kvm-pv-eoi=", "hv-", "tsc-frequency=", "kvm=", "pmu="];

/// The host of libvirt's tests, where QEMU does not describe one.
const HOST: &str = "<cpu><arch>x86_64</arch><model>Haswell</model><vendor>Intel</vendor>
  <feature name='vme'/><feature name='ds'/><feature name='acpi'/><feature name='ss'/><feature name='ht'/>
  <feature name='tm'/><feature name='pbe'/><feature name='dtes64'/><feature name='monitor'/>
  <feature name='ds_cpl'/><feature name='vmx'/><feature name='smx'/><feature name='est'/><feature name='tm2'/>
  <feature name='xtpr'/><feature name='pdcm'/><feature name='osxsave'/><feature name='f16c'/>
  <feature name='rdrand'/><feature name='cmt'/><feature name='pdpe1gb'/><feature name='abm'/>
  <feature name='invtsc'/><feature name='lahf_lm'/></cpu>";

#[test]
fn domains_become_the_argument_libvirt_gives_to_qemu() {
    let Some(corpus) = support::corpus("-cpu arguments of libvirt") else {
        return;
    };
    let folder = corpus.join("libvirt/xml2qemu");
    let (database, map) = (Database::builtin(), Map::builtin());
    let host = read(HOST, ReadAs::Hosts).cpus.remove(0);
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for path in support::files(&folder, ".latest.cpu.txt")
        .into_iter()
        .chain(support::files(&folder, "-latest.cpu.txt"))
    {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let stem = name.split(".x86_64-").next().unwrap();
        let domain = support::text(&folder.join(format!("{stem}.xml")));
        let cpus = read(&domain, ReadAs::Guests);
        let ours = match cpus.cpus.first() {
            None => Ok(None),
            Some(cpu) => to_qemu_argument(&database, &map, cpu, None),
        };
        let theirs = support::text(&path).trim().trim_matches('\'').to_owned();
        let kind = match ours {
            Err(fault) => {
                assert!(fault.message.contains("decided by the host"), "{name}: {fault:?}");
                let ours = to_qemu_argument(&database, &map, &cpus.cpus[0], Some(&host));
                let ours = ours.unwrap().unwrap();
                let mut rest: Vec<&str> = theirs.split(',').collect();
                rest.retain(|part| !OF_OTHER_ELEMENTS.iter().any(|other| part.starts_with(other)));
                if theirs.starts_with("Haswell,") {
                    assert_eq!(ours, rest.join(","), "{name}");
                    "equal with the host"
                } else {
                    "on another host"
                }
            }
            Ok(ours) => {
                // QEMU's default model stands for none.
                let ours = ours.unwrap_or_else(|| "qemu64".to_owned());
                let mut rest: Vec<&str> = theirs.split(',').collect();
                rest.retain(|part| !OF_OTHER_ELEMENTS.iter().any(|other| part.starts_with(other)));
                assert_eq!(ours, rest.join(","), "{name}");
                if ours == theirs {
                    "equal"
                } else {
                    "equal but for other elements"
                }
            }
        };
        *counts.entry(kind).or_default() += 1;
    }
    eprintln!("{counts:?}");
    assert!(counts.get("equal").is_some_and(|count| *count > 10));
}

#[test]
fn xl_strings_become_definitions_and_come_back_as_in_libvirt() {
    let Some(corpus) = support::corpus("cpuid= strings of libvirt") else {
        return;
    };
    let map = Map::builtin();
    let mut count = 0;
    for path in support::files(&corpus.join("libvirt/xen"), ".cfg") {
        let config = support::text(&path);
        let Some(string) = config.lines().find_map(|line| line.strip_prefix("cpuid = ")) else {
            continue;
        };
        let domain = support::text(&path.with_extension("xml"));
        let theirs = read(&domain, ReadAs::Guests).cpus.remove(0);
        let (ours, faults) = from_xl(&map, string.trim_matches('"'));
        assert_eq!(faults, []);
        assert_eq!(ours.to_xml(), theirs.to_xml());
        assert_eq!(ours.mode, Mode::HostPassthrough);
        assert_eq!(to_xl(&map, &theirs).unwrap().unwrap(), string.trim_matches('"'));
        count += 1;
    }
    assert!(count > 0);
}

/// Each name of libxl with each value: through a definition and back the same bits are asked for, but
/// for what libvirt has no name for, and `k`, which a definition does not tell from `x`.
#[test]
fn strings_of_libxl_become_definitions_and_come_back() {
    let (database, map) = (Database::builtin(), Map::builtin());
    let features = xen::Features::of(&database);
    let (mut there, mut without) = (0, 0);
    for (name, feature) in features.names() {
        if matches!(xen::libxl::target(&features, name), Some(xen::libxl::Target::Key(_))) {
            // `clflush` is a number there.
            continue;
        }
        for value in ["0", "1", "x"] {
            let (asked, faults) = xen::read(&database, &format!("host,{name}={value}"));
            assert_eq!(faults, [], "{name}");
            let (cpu, faults) = from_guest(&map, &database, &asked).unwrap();
            let (given, more) = to_guest(&map, &cpu);
            assert_eq!(more, []);
            if map.of_bit(feature.bit()).is_none() {
                assert_eq!(faults.len(), usize::from(value != "x"), "{name}={value}: {faults:?}");
                without += 1;
                continue;
            }
            assert_eq!(faults, [], "{name}={value}");
            assert_eq!(given.bits, asked.bits, "{name}={value}: {}", cpu.to_xml());
            let (back, faults) = xen::write_string(&database, &given);
            assert_eq!(faults, [], "{name}={value}");
            let (again, _) = xen::read(&database, &back);
            assert_eq!(again.bits, asked.bits, "{name}={value}: {back}");
            there += 1;
        }
    }
    eprintln!("{there} came back, {without} have no name in libvirt");
    assert!(there > 400);
}

/// Each model of QEMU with a few strings: the definition has the words that QEMU gives the guest, but
/// for what libvirt has no name for.
#[test]
fn strings_of_qemu_become_definitions_with_the_same_bits() {
    let (database, map) = (Database::builtin(), Map::builtin());
    let mut seen = BTreeMap::<String, usize>::new();
    for (model, _) in qemu::model_names() {
        for change in ["", ",+pcid,-aes", ",avx512f=on,fpu=off"] {
            let string = format!("{model}{change}");
            let Ok(asked) = qemu::parse(&database, &string) else {
                continue;
            };
            if asked.host_based {
                continue;
            }
            let (cpu, faults) = from_guest(&map, &database, &asked).unwrap();
            for fault in &faults {
                *seen.entry(fault.what.clone()).or_default() += 1;
            }
            let (given, more) = to_guest(&map, &cpu);
            assert_eq!(more, [], "{string}");
            let mut expected = asked.words();
            for bit in asked.words().bits().filter(|bit| map.of_bit(*bit).is_none()) {
                expected.set(bit, false);
            }
            assert_eq!(given.words(), expected, "{string}: {}", cpu.to_xml());
        }
    }
    eprintln!("{seen:?}");
}

/// A definition with each kind of element, to be damaged.
const WHOLE: &str = "<?xml version='1.0'?>\n<domain><cpu mode='custom' match='exact' check='full'>
  <model fallback='forbid' vendor_id='GenuineIntel'>Haswell-noTSX</model><vendor>Intel</vendor>
  <topology sockets='2' dies='1' cores='4' threads='2'/><cache level='3' mode='emulate'/>
  <maxphysaddr mode='emulate' bits='42'/><feature policy='require' name='vme'/>
  <feature policy='disable' name='avx&#50;'/><![CDATA[x]]><numa><cell id='0'/></numa></cpu></domain>";

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn damaged_text_is_told_and_never_stops(at in 0..WHOLE.len(), length in 0_usize..20, put in "[ -~<>&'/é\n]{0,8}") {
        let mut text = WHOLE.as_bytes().to_vec();
        let end = (at + length).min(text.len());
        text.splice(at..end, put.into_bytes());
        let text = String::from_utf8_lossy(&text).into_owned();
        let (database, map) = (Database::builtin(), Map::builtin());
        for read_as in [ReadAs::Hosts, ReadAs::Guests, ReadAs::Either] {
            let definitions = read(&text, read_as);
            for fault in &definitions.faults {
                prop_assert!(fault.at.is_none_or(|at| at <= text.len()));
            }
            for cpu in &definitions.cpus {
                let (guest, _) = to_guest(&map, cpu);
                let _ = from_guest(&map, &database, &guest);
                let _ = to_qemu_argument(&database, &map, cpu, None);
                let _ = to_xl(&map, cpu);
                let again = read(&cpu.to_xml(), read_as);
                prop_assert_eq!(again.cpus.len(), 1);
            }
        }
        let _ = lint(&database, &text, None);
        let _ = from_xl(&map, &text);
        let _ = qmp::read(&map, &text);
    }
}
