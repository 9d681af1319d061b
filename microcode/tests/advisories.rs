//! Release notes and changelogs as they are published: every row is read.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use microcode::advisories::{Releases, newer, read_debian, read_notes, table, write_table};
use microcode::ids::{Revision, Signature};

/// A text of the corpus, unpacked.
fn text(name: &str) -> Option<String> {
    let default = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus");
    let root = std::env::var_os("DELID_CORPUS").map_or_else(default, PathBuf::from);
    let path = root.join("microcode/vuln").join(name);
    if !path.is_file() {
        eprintln!("corpus absent: 1 case not run");
        return None;
    }
    let Ok(output) = Command::new("xz").arg("-dc").arg(&path).output() else {
        eprintln!("xz absent: 1 case not run");
        return None;
    };
    Some(String::from_utf8(output.stdout).unwrap())
}

fn ids(found: &Releases) -> usize {
    let ids = found.releases.iter().flat_map(|release| &release.advisories);
    ids.map(|advisory| &advisory.id).collect::<BTreeSet<_>>().len()
}

fn rows(found: &Releases) -> usize {
    found.releases.iter().map(|release| release.rows.len()).sum()
}

#[test]
fn every_row_of_intels_release_notes_is_read() {
    let Some(text) = text("releasenote.md.xz") else { return };
    let found = read_notes(&text);
    assert!(found.damage.is_empty(), "{:?}", found.damage);
    let is_row = |line: &&str| line.starts_with('|') && line.contains('/') && !line.contains("F-M-S");
    let lines = text.lines().filter(is_row).count();
    assert_eq!(rows(&found), lines);
    assert!(found.releases.iter().all(|release| release.date.is_some()));
    eprintln!("{} releases, {lines} rows, {} ids", found.releases.len(), ids(&found));
}

#[test]
fn table_of_the_program_has_what_the_release_notes_say() {
    let Some(text) = text("releasenote.md.xz") else { return };
    let found = read_notes(&text);
    let ours = write_table(table());
    let theirs = write_table(&found.releases);
    let ours: BTreeSet<&str> = ours.lines().collect();
    let absent: Vec<&str> = theirs.lines().filter(|line| !ours.contains(line)).collect();
    assert!(absent.is_empty(), "{absent:?}");
    let signature = Signature(0xb0671);
    let notes = newer(&found.releases, signature, None, Revision(0x129)).len();
    assert!(notes > 0 && newer(table(), signature, None, Revision(0x129)).len() >= notes);
}

#[test]
fn every_row_of_debians_changelogs_is_read() {
    for (name, row) in [
        ("intel-changelog.Debian.xz", &["sig 0x", ", pf"][..]),
        ("amd64-changelog.Debian.xz", &["0x", ": Patch=0x"]),
    ] {
        let Some(text) = text(name) else { return };
        let found = read_debian(&text);
        assert!(found.damage.is_empty(), "{name}: {:?}", found.damage);
        let lines = text
            .lines()
            .filter(|line| row.iter().all(|part| line.contains(part)))
            .count();
        assert!(rows(&found) >= lines, "{name}: {} of {lines}", rows(&found));
        assert!(found.releases.iter().all(|release| release.date.is_some()), "{name}");
        eprintln!(
            "{name}: {} versions, {} rows, {} ids",
            found.releases.len(),
            rows(&found),
            ids(&found)
        );
    }
}
