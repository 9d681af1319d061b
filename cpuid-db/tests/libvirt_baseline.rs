//! What several processors have in common, against libvirt's own tests and `virsh cpu-baseline` 11.3.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests may stop"
)]

mod support;

use std::collections::BTreeMap;
use std::path::Path;

use cpuid_db::libvirt::{LibvirtCpu, Map, Options, Policy, ReadAs, baseline, read};

fn cpus(path: &Path, read_as: ReadAs) -> Vec<LibvirtCpu> {
    read(&support::text(path), read_as)
        .into_result()
        .unwrap_or_else(|fault| panic!("{}: {fault:?}", path.display()))
}

fn folders(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut list: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    list.sort();
    list
}

/// Features by what is asked for them.
fn settings(cpu: &LibvirtCpu) -> BTreeMap<String, Option<Policy>> {
    cpu.features
        .iter()
        .map(|feature| (feature.name.clone(), feature.policy))
        .collect()
}

#[test]
fn own_baseline_tests_of_libvirt_are_met_byte_for_byte() {
    let Some(corpus) = support::corpus("libvirt's baseline tests") else {
        return;
    };
    let map = Map::builtin();
    let list = folders(&corpus.join("libvirt/baseline"));
    assert!(!list.is_empty());
    for folder in list {
        let mut hosts = support::files(&folder, "host");
        hosts.retain(|path| path.file_name().unwrap().to_string_lossy().starts_with("host"));
        let hosts: Vec<LibvirtCpu> = hosts.iter().flat_map(|path| cpus(path, ReadAs::Either)).collect();
        assert!(hosts.len() >= 2);
        let ours = baseline(&map, &hosts, &Options::default()).unwrap();
        let theirs = support::text(&folder.join("expected.xml"));
        assert_eq!(ours.to_xml(), theirs, "{}", folder.display());
    }
}

#[test]
fn baselines_of_virsh_are_met_byte_for_byte() {
    let Some(corpus) = support::corpus("baselines by virsh") else {
        return;
    };
    let map = Map::builtin();
    let expand = Options {
        expand: true,
        ..Options::default()
    };
    let list = folders(&corpus.join("libvirt/baseline-live"));
    assert!(!list.is_empty());
    for folder in list {
        let hosts = cpus(&folder.join("input.xml"), ReadAs::Hosts);
        let error = folder.join("expected-error.txt");
        if error.is_file() {
            let fault = baseline(&map, &hosts, &Options::default()).unwrap_err();
            assert_eq!(format!("error: {}", fault.message), support::text(&error).trim_end());
            continue;
        }
        let ours = baseline(&map, &hosts, &Options::default()).unwrap().to_xml();
        assert_eq!(
            ours.trim(),
            support::text(&folder.join("expected.xml")).trim(),
            "{}",
            folder.display()
        );
        let ours = baseline(&map, &hosts, &expand).unwrap();
        let theirs = support::text(&folder.join("expected-expanded.xml"));
        assert_eq!(settings(&ours), settings(&read(&theirs, ReadAs::Guests).cpus[0]));
        assert_eq!(ours.to_xml().trim(), theirs.trim(), "{}", folder.display());
    }
}

#[test]
fn baselines_of_written_definitions_are_met_byte_for_byte() {
    let Some(corpus) = support::corpus("libvirt's baseline tests of definitions") else {
        return;
    };
    let map = Map::builtin();
    let folder = corpus.join("libvirt/baseline-xml");
    let ends = ["-result.xml", "-expanded.xml", "-migratable.xml"];
    let mut count = 0;
    for input in support::files(&folder, "-baseline-") {
        let name = input.to_string_lossy().into_owned();
        if ends.iter().any(|end| name.ends_with(end)) {
            continue;
        }
        let hosts = cpus(&input, ReadAs::Hosts);
        let mut met = false;
        for (index, end) in ends.iter().enumerate() {
            let expected = Path::new(&name.replace(".xml", end)).to_path_buf();
            if expected.is_file() {
                let options = Options {
                    expand: index == 1,
                    migratable: index == 2,
                    ..Options::default()
                };
                let ours = baseline(&map, &hosts, &options).unwrap();
                assert_eq!(ours.to_xml(), support::text(&expected), "{}", expected.display());
                met = true;
                count += 1;
            }
        }
        if !met {
            let fault = baseline(&map, &hosts, &Options::default()).unwrap_err();
            assert_eq!(fault.message, "operation failed: CPU vendors do not match");
            count += 1;
        }
    }
    assert!(count > 0);
}
