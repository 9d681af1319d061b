//! Names of featureset bits, against what `xen-cpuid` printed, and prints where it is installed.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a failed test names its file"
)]

mod support;

use std::collections::BTreeMap;
use std::process::Command;

use cpuid_db::Database;
use cpuid_db::xen::{Features, featureset};

fn features() -> Features {
    Features::of(&Database::builtin())
}

#[test]
fn featuresets_of_real_processors_are_printed_as_xen_cpuid_prints_them() {
    let Some(corpus) = support::corpus("featuresets") else {
        return;
    };
    let features = features();
    let files = support::files(&corpus.join("xen"), ".xen-cpuid.txt");
    assert!(!files.is_empty());
    for path in files {
        let text = support::text(&path);
        let (command, printed) = text.split_once('\n').unwrap();
        let words = command.strip_prefix("$ xen-cpuid ").unwrap();
        assert_eq!(
            featureset::interpret(&features, words).unwrap(),
            printed,
            "{}",
            path.display()
        );
    }
}

/// What an installed `xen-cpuid` prints; the variable `DELID_XEN_CPUID` may name another one.
fn installed(words: &str) -> Option<String> {
    let programs = std::env::var("DELID_XEN_CPUID").map_or_else(
        |_| {
            vec![
                "/usr/lib/xen-4.20/bin/xen-cpuid".to_owned(),
                "/usr/lib/xen-4.17/bin/xen-cpuid".to_owned(),
            ]
        },
        |program| vec![program],
    );
    programs.iter().find_map(|program| {
        let mut parts = program.split(' ');
        let output = Command::new(parts.next()?).args(parts).arg(words).output().ok()?;
        output
            .status
            .success()
            .then(|| String::from_utf8_lossy(&output.stdout).into_owned())
    })
}

/// Names by place: word, and how many bits come before.
fn names(text: &str) -> BTreeMap<(usize, usize), String> {
    let lines = text.lines().skip(1).enumerate();
    lines
        .flat_map(|(word, line)| {
            let names: Vec<String> = line
                .chars()
                .skip(31)
                .collect::<String>()
                .split(' ')
                .map(str::to_owned)
                .collect();
            names
                .into_iter()
                .filter(|name| !name.is_empty())
                .enumerate()
                .map(move |(index, name)| ((word, index), name))
                .collect::<Vec<_>>()
        })
        .collect()
}

#[test]
fn an_installed_xen_cpuid_names_the_same_bits_where_it_has_the_same_names() {
    let ones = ["ffffffff"; featureset::WORDS].join(":");
    if installed(&ones).is_none() {
        eprintln!("xen-cpuid is not installed: 1 test not run");
        return;
    }
    let features = features();
    // Random words: same words, same labels, same number of names, the same names where ones had them.
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    for _ in 0..50 {
        let words: Vec<String> = (0..featureset::WORDS)
            .map(|_| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                format!("{:08x}", state >> 32)
            })
            .collect();
        let words = words.join(":");
        let (theirs, ours) = (
            installed(&words).unwrap(),
            featureset::interpret(&features, &words).unwrap(),
        );
        assert_eq!(theirs.lines().next(), ours.lines().next());
        for (theirs, ours) in theirs.lines().zip(ours.lines()) {
            let head = |line: &str| line.chars().take(31).collect::<String>();
            assert_eq!(head(theirs), head(ours));
            assert_eq!(theirs.split(' ').count(), ours.split(' ').count());
        }
        let our_names = names(&ours);
        for (place, name) in names(&theirs) {
            // Older versions spell some names otherwise.
            if features.by_name(&name).is_some() {
                assert_eq!(our_names.get(&place), Some(&name));
            }
        }
    }
}
