//! Intel's release notes: `releasenote.md` with all releases, and `releasenote` with one, as they
//! stand in the repository Intel-Linux-Processor-Microcode-Data-Files.

use crate::advisories::{Release, Releases, Row, Section, words};
use crate::damage::Damage;
use crate::ids::{PlatformMask, Revision, Signature};

/// Rule of rows that cannot be read.
const ROW: &str = "release-note-row";

/// Read release notes of either form.
#[must_use]
pub fn read_notes(text: &str) -> Releases {
    let mut found = Releases::default();
    let mut section = None;
    let mut offset: usize = 0;
    for line in text.split_inclusive('\n') {
        let at = offset;
        offset = offset.saturating_add(line.len());
        let line = line.trim();
        if let Some(release) = heading(line) {
            found.releases.push(release);
            section = None;
            continue;
        }
        let Some(release) = found.releases.last_mut() else {
            continue;
        };
        if let Some(next) = section_of(line) {
            section = next;
            continue;
        }
        release.add_cves(line);
        if line.starts_with('-') && !line.starts_with("--") {
            for (id, title) in words::advisories(line) {
                release.add_advisory(id, title);
            }
        }
        let Some(section) = section.filter(|_| is_row(line)) else {
            continue;
        };
        match row(section, line) {
            Some(row) => release.rows.push(row),
            None => {
                let expected = "processor, stepping, F-M-S/PI, old and new revision, products";
                found.damage.push(Damage::new(at, expected, line).rule(ROW));
            }
        }
    }
    found
}

/// `## [microcode-20251111](...)` or `== 20190312 Release ==`. The link has the date where the name
/// lacks a digit.
fn heading(line: &str) -> Option<Release> {
    if let Some(inner) = line.strip_prefix("== ") {
        let name = inner.strip_suffix(" ==")?.strip_suffix(" Release")?;
        let date = Some(words::date(name)?);
        let name = name.to_owned();
        return Some(Release {
            name,
            date,
            ..Release::default()
        });
    }
    let (name, link) = line.strip_prefix("## [microcode-")?.split_once(']')?;
    let tag = link.rsplit_once("microcode-").map_or("", |(_, tag)| tag);
    Some(Release {
        name: name.to_owned(),
        date: words::date(name).or_else(|| words::date(tag)),
        ..Release::default()
    })
}

/// A heading within a release: of a table, or of something else.
fn section_of(line: &str) -> Option<Option<Section>> {
    let markdown = line.strip_prefix('#').map(|rest| rest.trim_start_matches('#'));
    let plain = line.strip_prefix("----").map(|rest| rest.trim_end_matches('-'));
    let title = markdown.or(plain)?.trim().to_ascii_lowercase();
    if title.starts_with("new disclosures") {
        return Some(Some(Section::Disclosed));
    }
    let is_table = title.contains("platforms");
    Some(match title.split(' ').next() {
        Some("new") if is_table => Some(Section::New),
        Some("updated") if is_table => Some(Section::Updated),
        Some("removed") if is_table => Some(Section::Removed),
        // A note stands before the tables of its release.
        _ => None,
    })
}

/// Whether a line of a table should be a row: it has an identifier or is no heading.
fn is_row(line: &str) -> bool {
    match line.strip_prefix('|') {
        Some(cells) => {
            let heading = cells.trim_start().to_ascii_lowercase().starts_with("processor");
            !heading && cells.chars().any(char::is_alphanumeric)
        }
        None => line.split_whitespace().any(|word| words::identifier(word).is_some()),
    }
}

fn row(section: Section, line: &str) -> Option<Row> {
    if let Some(cells) = line.strip_prefix('|') {
        let mut cells = cells.split('|').map(str::trim);
        let (processor, stepping) = (cells.next()?, cells.next()?);
        let target = words::identifier(cells.next()?)?;
        let (old, new) = (revision(cells.next()?)?, revision(cells.next()?)?);
        let products = cells.next().unwrap_or_default();
        return made(section, (processor, stepping, products), target, old, new);
    }
    plain_row(section, line)
}

/// `HSX-E/EP     Cx/M1    6-3f-2/6f 0000003d->00000041 Core Gen4 X series; Xeon E5 v3`
fn plain_row(section: Section, line: &str) -> Option<Row> {
    let word = line.split_whitespace().find(|word| words::identifier(word).is_some())?;
    let (before, behind) = line.split_once(word)?;
    let (processor, stepping) = before
        .trim()
        .rsplit_once(char::is_whitespace)
        .unwrap_or((before.trim(), ""));
    let behind = behind.trim_start();
    let (revisions, products) = behind.split_once(char::is_whitespace).unwrap_or((behind, ""));
    let (old, new) = match revisions.split_once("->") {
        Some((old, new)) => (revision(old)?, revision(new)?),
        None if section == Section::Removed => (Some(words::revision(revisions)?), None),
        None => (None, Some(words::revision(revisions)?)),
    };
    let names = (processor.trim(), stepping, products.trim());
    made(section, names, words::identifier(word)?, old, new)
}

fn made(
    section: Section,
    (processor, stepping, products): (&str, &str, &str),
    (signature, platforms): (Signature, PlatformMask),
    old: Option<Revision>,
    new: Option<Revision>,
) -> Option<Row> {
    (old.is_some() || new.is_some()).then(|| Row {
        section,
        processor: processor.to_owned(),
        stepping: stepping.to_owned(),
        signature,
        platforms,
        old,
        new,
        products: products.to_owned(),
    })
}

/// A revision or nothing; `None` for anything else.
fn revision(cell: &str) -> Option<Option<Revision>> {
    if matches!(cell, "" | "-" | "--" | "N/A") {
        return Some(None);
    }
    words::revision(cell).map(Some)
}
