//! Every release in the history of Intel's repository compared with the one before, and with what
//! its release notes say. `DELID_INTEL_UCODE_GIT` names a clone of
//! `intel/Intel-Linux-Processor-Microcode-Data-Files`; without it nothing is run.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Command, Stdio};
use std::sync::Arc;

use microcode::Update;
use microcode::gather::{Gathered, Options, gather_directory};
use microcode::pack::files::intel_name;
use microcode::release::{Diff, What, diff};

/// F-M-S/PI, old and new revision.
type Row = (String, Option<u32>, Option<u32>);

fn git(repo: &str, arguments: &[&str]) -> String {
    let output = Command::new("git").args(["-C", repo]).args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The files of a release below `intel-ucode` and `intel-ucode-with-caveats`.
fn release(repo: &str, tag: &str) -> Gathered {
    let tree = git(repo, &["ls-tree", "-r", tag]);
    let blobs: Vec<(&str, &str)> = tree
        .lines()
        .map(|line| line.split_once('\t').unwrap())
        .filter(|(_, path)| path.starts_with("intel-ucode"))
        .map(|(head, path)| (head.split(' ').nth(2).unwrap(), path))
        .collect();
    let mut child = Command::new("git")
        .args(["-C", repo, "cat-file", "--batch"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut input, mut output) = (
        child.stdin.take().unwrap(),
        BufReader::new(child.stdout.take().unwrap()),
    );
    let mut files = Vec::new();
    for (hash, path) in blobs {
        writeln!(input, "{hash}").unwrap();
        let mut head = String::new();
        output.read_line(&mut head).unwrap();
        let size: usize = head.trim().rsplit(' ').next().unwrap().parse().unwrap();
        let mut bytes = vec![0; size + 1];
        output.read_exact(&mut bytes).unwrap();
        bytes.pop();
        files.push((path.to_owned(), Arc::new(bytes)));
    }
    drop(input);
    child.wait().unwrap();
    gather_directory(tag, files, Options::default())
}

/// Rows of the tables of each release; those of the removed platforms have no new revision.
fn notes(text: &str) -> BTreeMap<String, BTreeSet<Row>> {
    let mut releases: BTreeMap<String, BTreeSet<Row>> = BTreeMap::new();
    let (mut name, mut removed) = (String::new(), false);
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("## [") {
            let (_, tag) = rest.split_once("/tag/").unwrap();
            name = tag.trim_end_matches(')').to_owned();
            releases.entry(name.clone()).or_default();
        } else if line.starts_with("###") {
            removed = line.contains("Removed");
        } else if line.starts_with('|') {
            let cells: Vec<&str> = line.split('|').map(str::trim).collect();
            let Some(cpu) = cells.get(3).filter(|cell| cell.contains('/') && cell.contains('-')) else {
                continue;
            };
            let number = |cell: Option<&&str>| cell.and_then(|cell| u32::from_str_radix(cell, 16).ok());
            let (old, mut new) = (number(cells.get(4)), number(cells.get(5)));
            if removed {
                new = None;
            }
            if (old, new) != (None, None) {
                releases.get_mut(&name).unwrap().insert((cpu.to_lowercase(), old, new));
            }
        }
    }
    releases
}

/// CPUs that the header of an update names, not only its extended signature table.
fn headers(release: &Gathered) -> BTreeSet<String> {
    let updates = release.found.iter().filter_map(|found| match &found.update {
        Update::Intel(update) => Some(intel_name(update.target.signature)),
        Update::Amd(_) => None,
    });
    updates.collect()
}

fn rows(diff: &Diff) -> BTreeSet<Row> {
    let changed = diff.changes.iter().filter(|change| change.what != What::Same);
    let row = |change: &microcode::release::Change| {
        let revision = |side: &Option<microcode::release::Side>| side.as_ref().map(|side| side.revision.0);
        let (cpu, mask) = (intel_name(change.whom.signature.unwrap()), change.whom.platforms.0);
        (
            format!("{cpu}/{mask:02x}"),
            revision(&change.old),
            revision(&change.new),
        )
    };
    changed.map(row).collect()
}

#[test]
fn changes_between_releases_are_those_of_the_release_notes() {
    let Some(repo) = std::env::var_os("DELID_INTEL_UCODE_GIT") else {
        eprintln!("DELID_INTEL_UCODE_GIT not set: release history not compared");
        return;
    };
    let repo = repo.to_str().unwrap();
    let notes = notes(&git(repo, &["show", "HEAD:releasenote.md"]));
    let mut tags: Vec<String> = git(repo, &["tag"]).lines().map(str::to_owned).collect();
    tags.sort();
    let (mut agree, mut all, mut theirs, mut unnamed) = (0, 0, 0, 0);
    let mut old = release(repo, &tags[0]);
    let mut last = BTreeSet::new();
    for tag in &tags[1..] {
        let new = release(repo, tag);
        let mut found = rows(&diff(&old, &new));
        all += found.len();
        // A release made again without other files repeats the rows of the one before.
        if found.is_empty() {
            found.clone_from(&last);
        }
        last.clone_from(&found);
        let empty = BTreeSet::new();
        let stated = notes.get(tag).unwrap_or(&empty);
        agree += found.intersection(stated).count();
        theirs += stated.len();
        let silent = if notes.contains_key(tag) { "" } else { " (no notes)" };
        eprintln!(
            "{tag}: {} of {} changes, {} rows{silent}",
            found.intersection(stated).count(),
            found.len(),
            stated.len()
        );
        let headers: BTreeSet<String> = [&old, &new].into_iter().flat_map(headers).collect();
        for (cpu, old, new) in found.difference(stated).filter(|_| !stated.is_empty()) {
            let named = headers.contains(cpu.split('/').next().unwrap());
            unnamed += usize::from(!named);
            let why = if named { "" } else { " (named by no header)" };
            eprintln!("  only in the files: {cpu} {old:x?} -> {new:x?}{why}");
        }
        for (cpu, old, new) in stated.difference(&found) {
            eprintln!("  only in the notes: {cpu} {old:x?} -> {new:x?}");
        }
        old = new;
    }
    eprintln!(
        "{agree} rows agree of {theirs} in the notes; {all} changes in the files, \
        {unnamed} of them of CPUs that only an extended signature table names"
    );
    assert!(agree * 100 >= theirs * 90, "{agree} of {theirs}");
}
