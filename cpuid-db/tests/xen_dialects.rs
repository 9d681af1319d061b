//! libxl's `cpuid=` read, written and read again; and libvirt's own pairs of xl.cfg and domain XML.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a failed test names its text"
)]

mod support;

use cpuid_db::xen::{self, CpuidConfig, Features, libxl};
use cpuid_db::{Database, Dialect, Setting};

fn config(text: &str) -> CpuidConfig {
    let features = Features::of(&Database::builtin());
    let mut config = xen::read::domain(&features, text).unwrap().cpuid;
    for entry in &mut config.cpuid {
        for characters in entry.registers.iter_mut().flatten() {
            for byte in &mut characters.0 {
                if *byte == b's' {
                    *byte = b'k';
                }
            }
        }
    }
    config.cpuid.sort_by_key(|entry| (entry.leaf, entry.subleaf));
    config
}

fn comes_back(database: &Database, text: &str) {
    let (cpu, faults) = xen::read(database, text);
    assert!(faults.is_empty(), "{text}: {faults:?}");
    let (written, faults) = xen::write_string(database, &cpu);
    assert!(faults.is_empty(), "{text}: {faults:?}");
    let (again, _) = xen::read(database, &written);
    assert_eq!(again, cpu, "{text} -> {written}");
    assert_eq!(config(&written), config(text), "{text} -> {written}");
}

#[test]
fn every_key_with_every_value_comes_back() {
    let database = Database::builtin();
    let features = Features::of(&database);
    let keys = libxl::keys().iter();
    let flags = features
        .names()
        .map(|(name, _)| name)
        .chain(keys.clone().filter(|key| key.length == 1).map(|key| key.name))
        .filter(|name| *name != "clflush");
    let flags: Vec<&str> = flags.collect();
    assert!(flags.len() > 300);
    let values = ["0", "1", "x", "k", "s"];
    for turn in 0..values.len() {
        let parts: Vec<String> = flags
            .iter()
            .enumerate()
            .map(|(index, name)| format!("{name}={}", values[(index + turn) % values.len()]))
            .collect();
        comes_back(&database, &format!("host,{}", parts.join(",")));
    }
    for key in keys.filter(|key| key.length > 1) {
        for value in [
            "0", "1", "2", "3", "7", "0xd", "15", "16", "21", "127", "143", "200", "0xff", "x", "k", "s",
        ] {
            comes_back(&database, &format!("host,{}={value}", key.name));
        }
    }
}

#[test]
fn several_keys_at_once_come_back() {
    let database = Database::builtin();
    for text in [
        "host",
        "host,family=6,model=42,stepping=7,avx=0,clfsh=1,clflush=8",
        "host,nc=3,apicidsize=2,proccount=4,localapicid=1,brandid=9,procpkg=5,maxhvleaf=2,maxleaf=0xb",
        "host,rdcl-no=1,its-no=k,arch-caps=1,svm_npt=0,arat=x,lfence+=1",
        "host,tm=0,sse3=1,page1gb=x",
    ] {
        comes_back(&database, text);
    }
}

#[test]
fn the_list_form_says_the_same_as_the_string_form() {
    let database = Database::builtin();
    for text in [
        "host,avx2=0,aes=k,family=21,model=2",
        "host,maxleaf=7,procpkg=3,sse4.2=1,clflush=4",
    ] {
        let (cpu, _) = xen::read(&database, text);
        let (list, faults) = xen::write_list(&database, &cpu);
        assert!(faults.is_empty(), "{faults:?}");
        assert_eq!(config(&list), config(text), "{list}");
        assert_eq!(xen::read(&database, &list).0, cpu, "{list}");
    }
    let (cpu, _) = xen::read(&database, "host,rdcl-no=1");
    assert_eq!(xen::write_list(&database, &cpu).1.len(), 1, "the list form has no MSRs");
}

#[test]
fn a_cpu_of_its_own_clears_what_it_does_not_ask_for() {
    let database = Database::builtin();
    let (mut cpu, _) = xen::read(&database, "host,avx=1,aes=1");
    cpu.host_based = false;
    let (text, faults) = xen::write_string(&database, &cpu);
    assert!(faults.is_empty());
    assert!(
        text.contains(",avx=1") && text.contains(",avx2=0") && text.contains(",aesni=1"),
        "{text}"
    );
    assert!(!text.contains("hypervisor") && !text.contains("htt"), "{text}");
}

#[test]
fn what_the_string_form_cannot_say_is_told_by_name() {
    let database = Database::builtin();
    let (mut cpu, _) = xen::read(&database, "host,aes=0");
    let [field] = database.lookup(Dialect::Libvirt, "vmx-ept")[..] else {
        panic!()
    };
    cpu.bits.insert(field.bit().unwrap(), Setting::On);
    let (text, faults) = xen::write_string(&database, &cpu);
    assert_eq!(text, "host,aesni=0");
    assert!(faults[0].what.starts_with("vmx-ept "), "{faults:?}");
}

/// `<feature policy='…' name='…'/>` of a domain XML.
fn libvirt_features(xml: &str) -> Vec<(String, String)> {
    let document = roxmltree::Document::parse(xml).unwrap();
    let attribute = |node: roxmltree::Node<'_, '_>, name| node.attribute(name).unwrap_or_default().to_owned();
    document
        .descendants()
        .filter(|node| {
            node.has_tag_name("feature")
                && node.has_attribute("policy")
                && node.attribute("name") != Some("svm")
                && node.attribute("name") != Some("vmx")
        })
        .map(|node| (attribute(node, "name"), attribute(node, "policy")))
        .collect()
}

#[test]
fn libvirts_own_pairs_name_the_same_bits() {
    let Some(corpus) = support::corpus("xl.cfg and domain XML") else {
        return;
    };
    let database = Database::builtin();
    let mut cases = 0;
    for path in support::files(&corpus.join("libvirt/xen"), ".cfg") {
        let text = support::text(&path);
        if !text.contains("cpuid") {
            continue;
        }
        let xml = ["xml", "xml.zst"]
            .iter()
            .map(|extension| {
                path.to_string_lossy()
                    .replace(".cfg.zst", ".cfg")
                    .replace(".cfg", &format!(".{extension}"))
            })
            .find(|path| std::path::Path::new(path).exists());
        let Some(xml) = xml else { continue };
        let wanted = libvirt_features(&support::text(std::path::Path::new(&xml)));
        let (cpu, faults) = xen::read(&database, &text);
        assert!(faults.is_empty(), "{}: {faults:?}", path.display());
        for (name, policy) in wanted {
            let [field] = database.lookup(Dialect::Libvirt, &name)[..] else {
                panic!("{name}")
            };
            let setting = cpu.bits.get(&field.bit().unwrap()).copied();
            let expected = match policy.as_str() {
                "force" | "require" => Some(true),
                "disable" | "forbid" => Some(false),
                _ => None,
            };
            assert_eq!(
                setting.map(Setting::value),
                Some(expected),
                "{}: {name} {policy}",
                path.display()
            );
            cases += 1;
        }
    }
    eprintln!("{cases} features of libvirt's pairs are the same bits");
    assert!(cases > 0);
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(200))]

    #[test]
    fn no_text_breaks_a_reader(
        text in "(host|cpuid=|type='pv[hx]?'|nestedhvm=1|[\"'\\[\\],:=;#\\\\\n +-]|0x7,0|ebx|[01xks]{31,33}|[a-z0-9_.-]{1,9}=[01xks]|\\PC){0,24}"
    ) {
        let database = Database::builtin();
        for finding in xen::lint(&database, &text, xen::Circumstances::default()) {
            assert!(finding.at <= text.len(), "{finding:?}");
        }
        let (cpu, faults) = xen::read(&database, &text);
        assert!(faults.iter().all(|fault| fault.at.is_none_or(|at| at <= text.len())));
        let (written, _) = xen::write_string(&database, &cpu);
        assert!(written.starts_with("host"));
        let _ = xen::write_list(&database, &cpu);
        let _ = xen::mask::read_command_line(&text);
        let _ = xen::featureset::read(&text);
    }
}
