//! Hits on real machines and on those of QEMU: a committed list, each of which was judged by hand.
//! `DELID_BLESS=1` writes it anew.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod lint_support;

use std::fmt::Write;
use std::fs;
use std::path::Path;

#[test]
fn hits_on_real_machines_are_those_that_were_judged() {
    let Some(acpi) = lint_support::corpus("80") else { return };
    let mut text = String::new();
    for (machine, set) in lint_support::machines(&acpi) {
        for hit in lint_support::hits(&set) {
            writeln!(text, "{machine}: {hit}").unwrap();
        }
    }
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lint_support/hits.txt");
    if std::env::var_os("DELID_BLESS").is_some() {
        fs::write(&golden, &text).unwrap();
    }
    let known = fs::read_to_string(&golden).unwrap_or_default();
    let differing = text.lines().zip(known.lines()).find(|(ours, known)| ours != known);
    assert_eq!(differing, None);
    assert_eq!(text.lines().count(), known.lines().count());
}
