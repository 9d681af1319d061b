//! Every machine of the shared corpus, from the source to picture and text.
//!
//! The corpus is found by `DELID_CORPUS`, else beside the workspace; without it nothing runs.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::string_slice)]

#[path = "corpus/mod.rs"]
mod support;

#[path = "corpus/big.rs"]
mod big;
#[path = "corpus/damage.rs"]
mod damage;
#[path = "corpus/links.rs"]
mod links;
#[path = "corpus/picture.rs"]
mod picture;

use support::{Capture, captures, corpus, each};

/// Runs a check on captures and fails with a table of what was found.
fn table(captures: &[Capture], check: impl Fn(&Capture) -> Vec<String> + Sync) {
    let results = each(captures, check);
    let mut text = String::new();
    let mut bad = 0;
    for (capture, faults) in captures.iter().zip(results) {
        if !faults.is_empty() {
            bad += 1;
            text.push_str(&format!("{}\n    {}\n", capture.name, faults.join("\n    ")));
        }
    }
    eprint!("{text}");
    eprintln!("{} captures, {bad} with faults", captures.len());
    assert_eq!(bad, 0, "captures with faults");
}

#[test]
fn every_capture_is_drawn_without_fault() {
    let Some(root) = corpus(1) else { return };
    let captures = captures(&root);
    assert!(captures.len() > 120, "{}", captures.len());
    table(&captures, |capture| match capture.machine() {
        Ok(machine) => picture::faults(&machine),
        Err(error) => vec![format!("does not open: {error}")],
    });
}

#[test]
fn a_thousand_cpus_are_drawn_without_fault() {
    let machine = big::cpus();
    assert_eq!(machine.cpu.cpus.len(), 1024);
    assert_eq!(machine.sockets.len(), 8);
    assert_eq!(picture::faults(&machine), Vec::<String>::new());
}

#[test]
fn three_hundred_functions_are_drawn_without_fault() {
    let machine = big::functions();
    assert_eq!(machine.pci.functions.len(), 300);
    assert_eq!(picture::faults(&machine), Vec::<String>::new());
}

#[test]
fn links_agree_with_lspci() {
    let Some(root) = corpus(1) else { return };
    let (compared, wrong) = links::compare(&root);
    eprintln!("{compared} link registers compared");
    assert!(compared >= 79, "{compared}");
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn a_broken_row_of_bytes_is_told_with_its_line() {
    let Some(root) = corpus(1) else { return };
    assert_eq!(damage::broken_rows(&root), Vec::<String>::new());
}

#[test]
fn damaged_sources_are_told_and_never_end_the_program() {
    let Some(root) = corpus(1) else { return };
    assert_eq!(damage::damaged_files(&root), Vec::<String>::new());
}
