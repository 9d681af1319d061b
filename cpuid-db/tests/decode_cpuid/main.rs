//! Values equal to those of `cpuid` (Todd Allen's), field by field, over its full decodes in the corpus
//! (version 20250316) and, where it is installed, over what it prints for other dumps.
//!
//! `mapping.tsv` says for each label of a section which of our fields it is and how the number is to be
//! read; `differences.tsv` where the two differ and who is right. A label that is not mapped, a
//! difference that is not listed, and a listed one that no longer occurs fail the test.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::expect_used,
    reason = "a test"
)]

mod compare;
mod mapping;
mod printed;
#[path = "../support/mod.rs"]
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use compare::{Comparison, Outcome};
use cpuid_db::{Database, LeafSet, formats};
use mapping::Mapping;

/// Compares all a decode prints with what we say; what differs is added to `differing`.
fn compare_all(
    mapping: &Mapping,
    set: &LeafSet,
    printed: &str,
    origin: &str,
    differing: &mut BTreeMap<(String, String), String>,
    unmapped: &mut BTreeSet<String>,
) -> usize {
    let database = Database::builtin();
    let mut equal = 0;
    let cpus = printed::read(printed);
    assert_eq!(cpus.len(), set.cpus().len(), "{origin}: number of CPUs");
    for (lines, cpu) in cpus.iter().zip(set.cpus()) {
        let comparison = Comparison::new(&database, cpu);
        for line in lines {
            let Some(row) = mapping.of(line) else {
                unmapped.insert(format!("{} | {} | {}", line.section, line.label, line.value));
                continue;
            };
            match comparison.outcome(row, line) {
                Outcome::Equal => equal += 1,
                Outcome::NotCompared => {}
                Outcome::Differs(why) => {
                    let key = (row.section.clone(), row.label.clone());
                    differing
                        .entry(key)
                        .or_insert_with(|| format!("{origin}, CPU {}: {line:?}: {why}", cpu.number));
                }
            }
        }
    }
    equal
}

fn parse(text: &str) -> LeafSet {
    formats::detect_and_parse(text).unwrap().1.value
}

#[test]
fn every_value_of_the_full_decodes_is_ours() {
    let Some(corpus) = support::corpus("8 full decodes") else {
        return;
    };
    let folder = corpus.join("decode-oracle");
    let mapping = Mapping::read();
    let (mut differing, mut unmapped, mut equal) = (BTreeMap::new(), BTreeSet::new(), 0);
    let dumps = support::files(&folder, ".cpuid-r.txt");
    for dump in &dumps {
        let name = dump.file_name().unwrap().to_string_lossy().into_owned();
        let decode = dump.with_file_name(name.replace("cpuid-r", "cpuid-20250316"));
        equal += compare_all(
            &mapping,
            &parse(&support::text(dump)),
            &support::text(&decode),
            &name,
            &mut differing,
            &mut unmapped,
        );
    }
    assert!(dumps.len() >= 7, "{} decodes", dumps.len());
    assert!(
        unmapped.is_empty(),
        "labels without a row in mapping.tsv:\n{unmapped:#?}"
    );
    mapping.check("full", &differing);
    eprintln!(
        "{} decodes: {equal} values equal, {} labels differ as listed",
        dumps.len(),
        differing.len()
    );
}

/// Rows of the first CPU as `cpuid -r` writes them.
fn raw(set: &LeafSet) -> String {
    let mut text = "CPU 0:\n".to_owned();
    for (leaf, subleaf, r) in set.first().unwrap().rows() {
        text += &format!(
            "   {leaf} {:#04x}: eax={:#010x} ebx={:#010x} ecx={:#010x} edx={:#010x}\n",
            subleaf.0, r.eax, r.ebx, r.ecx, r.edx
        );
    }
    text
}

#[test]
fn the_installed_cpuid_prints_the_same_values_for_other_dumps() {
    if !Path::new("/usr/bin/cpuid").exists() {
        eprintln!("cpuid is not installed: not run");
        return;
    }
    let Some(corpus) = support::corpus("dumps for the installed cpuid") else {
        return;
    };
    let mapping = Mapping::read();
    let (mut differing, mut unmapped, mut equal, mut dumps) = (BTreeMap::new(), BTreeSet::new(), 0, 0);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("dump.txt");
    let mut paths = support::files(&corpus.join("instlatx64"), "");
    paths.extend(support::files(&corpus.join("libcpuid"), ".test"));
    for path in paths {
        let Some((_, decoded)) = formats::detect_and_parse(&support::text(&path)) else {
            continue;
        };
        let text = raw(&decoded.value);
        fs::write(&file, &text).unwrap();
        let output = Command::new("/usr/bin/cpuid").arg("-f").arg(&file).output().unwrap();
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        equal += compare_all(&mapping, &parse(&text), &printed, &name, &mut differing, &mut unmapped);
        dumps += 1;
    }
    // Each version has labels of its own: a newer one than those mapped is not held to the list.
    let version = Command::new("/usr/bin/cpuid").arg("--version").output().unwrap();
    if String::from_utf8_lossy(&version.stdout).contains("20230120") {
        assert!(
            unmapped.is_empty(),
            "labels without a row in mapping.tsv:\n{unmapped:#?}"
        );
        mapping.check("dumps", &differing);
    } else {
        mapping.check("neither", &differing);
    }
    eprintln!(
        "{dumps} dumps: {equal} values equal, {} lines are not mapped",
        unmapped.len()
    );
}
