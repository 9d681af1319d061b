//! The outputs shown in README.md and docs/ are those of the commands named above them, and
//! docs/findings.md is the catalogue of findings.
//!
//! A block that is compared stands behind `<!-- output of: COMMAND -->`, or `<!-- first N lines of:
//! COMMAND -->`; its first line is `$ COMMAND`. With `DELID_WRITE_DOCS=1` the blocks and the
//! generated page are written again instead.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const PAGES: &[&str] = &[
    "README.md",
    "docs/acpi.md",
    "docs/capture.md",
    "docs/cpuid.md",
    "docs/kdd.md",
    "docs/microcode.md",
    "docs/topo.md",
];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn writes() -> bool {
    std::env::var_os("DELID_WRITE_DOCS").is_some()
}

/// Command and number of lines to compare, of a comment.
fn comment(line: &str) -> Option<(&str, usize)> {
    let inner = line.strip_prefix("<!-- ")?.strip_suffix(" -->")?;
    if let Some(command) = inner.strip_prefix("output of: ") {
        return Some((command, usize::MAX));
    }
    let (count, command) = inner.strip_prefix("first ")?.split_once(" lines of: ")?;
    Some((command, count.parse().ok()?))
}

/// What the command prints, as it stands in a block.
fn printed(command: &str, lines: usize) -> String {
    let words: Vec<&str> = command.split_whitespace().collect();
    assert_eq!(words.first(), Some(&"delid"), "{command}");
    let output = Command::new(env!("CARGO_BIN_EXE_delid"))
        .args(words.iter().skip(1))
        .current_dir(root())
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(
        matches!(output.status.code(), Some(0 | 1)),
        "{command}: {}: {error}",
        output.status
    );
    let mut block = format!("$ {command}\n");
    for line in String::from_utf8(output.stdout).unwrap().lines().take(lines) {
        writeln!(block, "{}", line.trim_end()).unwrap();
    }
    block
}

/// The page with every marked block as it should be.
fn renewed(page: &str) -> (String, usize) {
    let (mut text, mut blocks) = (String::new(), 0);
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        writeln!(text, "{line}").unwrap();
        let Some((command, count)) = comment(line) else {
            continue;
        };
        blocks += 1;
        let fence = lines.next().unwrap();
        assert_eq!(fence, "```text", "behind the comment of {command}");
        lines
            .by_ref()
            .find(|line| *line == "```")
            .unwrap_or_else(|| panic!("no end of the block of {command}"));
        write!(text, "{fence}\n{}```\n", printed(command, count)).unwrap();
    }
    (text, blocks)
}

fn compare(path: &Path, is: &str, should: &str) {
    if writes() {
        fs::write(path, should).unwrap();
        return;
    }
    for (number, (is, should)) in (1..).zip(is.lines().zip(should.lines())) {
        assert_eq!(is, should, "{}:{number}", path.display());
    }
    assert_eq!(is, should, "{}", path.display());
}

#[test]
fn outputs_shown_in_the_documents_are_those_of_their_commands() {
    let mut blocks = 0;
    for page in PAGES {
        let path = root().join(page);
        let is = fs::read_to_string(&path).unwrap();
        let (should, count) = renewed(&is);
        blocks += count;
        compare(&path, &is, &should);
    }
    assert!(blocks >= 8, "only {blocks} blocks found");
}

#[test]
fn findings_page_is_the_catalogue() {
    let mut page = String::from(
        "# Findings\n\n<!-- Written from topo/src/findings/catalogue.rs by tests/readme.rs. -->\n\n\
         What `delid topo` judges. `delid topo findings` lists those of a machine with the facts they rest\n\
         on and where each was read; `delid topo explain ID` prints one entry of this page.\n",
    );
    for entry in topo::findings::catalogue::CATALOGUE {
        write!(
            page,
            "\n## {}\n\n{}.\n\n- What it means: {}\n- How it is seen: {}\n- What to do: {}\n",
            entry.id, entry.title, entry.means, entry.seen, entry.action
        )
        .unwrap();
    }
    let path = root().join("docs/findings.md");
    compare(&path, &fs::read_to_string(&path).unwrap_or_default(), &page);
}

#[test]
fn links_between_the_documents_lead_to_files() {
    let mut links = 0;
    for page in PAGES.iter().chain(&[
        "CHANGELOG.md",
        "docs/findings.md",
        "docs/formats.md",
        "docs/performance.md",
    ]) {
        let path = root().join(page);
        let text = fs::read_to_string(&path).unwrap();
        for target in text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split_once(')'))
            .map(|(target, _)| target)
        {
            if target.contains("://") || target.starts_with('#') {
                continue;
            }
            links += 1;
            let file = path.parent().unwrap().join(target.split('#').next().unwrap());
            assert!(file.exists(), "{page}: {target}");
        }
    }
    assert!(links > 10, "only {links} links found");
}
