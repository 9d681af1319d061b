//! Debian's changelogs of `intel-microcode` and `amd64-microcode` (Debian policy, 4.4).

use crate::advisories::{Release, Releases, Row, Section, words};
use crate::damage::Damage;
use crate::ids::{PlatformMask, Revision, Signature};

/// Rule of rows that cannot be read.
const ROW: &str = "changelog-row";

/// Read a changelog. A version without rows is kept: it may be a rebuild or name an advisory.
#[must_use]
pub fn read_debian(text: &str) -> Releases {
    let mut found = Releases::default();
    let mut section = Section::Updated;
    let mut offset: usize = 0;
    for line in text.split_inclusive('\n') {
        let at = offset;
        offset = offset.saturating_add(line.len());
        let line = line.trim_end();
        if let Some(name) = heading(line) {
            let name = name.to_owned();
            found.releases.push(Release {
                name,
                ..Release::default()
            });
            section = Section::Updated;
            continue;
        }
        let Some(release) = found.releases.last_mut() else {
            continue;
        };
        if let Some(signed) = line.strip_prefix(" -- ") {
            release.date = date(signed);
            continue;
        }
        release.add_cves(line);
        for (id, title) in words::advisories(line) {
            release.add_advisory(id, title);
        }
        let line = line.trim_start().trim_start_matches(['*', '+', '-', ' ']);
        if let Some(next) = section_of(line) {
            section = next;
        }
        let is_row = (line.starts_with("sig 0x") && line.contains(',')) || line.starts_with("Family=");
        if !is_row {
            continue;
        }
        let row = intel(section, line)
            .or_else(|| amd(section, line))
            .or_else(|| old_amd(section, line));
        match row {
            Some(row) => release.rows.push(row),
            None => {
                let expected = "sig, pf_mask, date, rev or Family, Model, Stepping, Patch";
                found.damage.push(Damage::new(at, expected, line).rule(ROW));
            }
        }
    }
    found
}

/// `intel-microcode (3.20251111.1) unstable; urgency=high`
fn heading(line: &str) -> Option<&str> {
    let (package, rest) = line.split_once(" (")?;
    let (version, rest) = rest.split_once(')')?;
    let is_one = rest.contains("urgency=") && package.ends_with("-microcode");
    (is_one && !package.starts_with(' ')).then_some(version)
}

/// The day of ` -- Name <address>  Sat, 22 Nov 2025 22:51:21 -0300`.
fn date(signed: &str) -> Option<String> {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let (_, date) = signed.rsplit_once(", ")?;
    let mut words = date.split_whitespace();
    let (day, month, year) = (words.next()?, words.next()?, words.next()?);
    let day: u8 = day.parse().ok()?;
    let year: u16 = year.parse().ok()?;
    let month = MONTHS.iter().position(|name| *name == month)?.saturating_add(1);
    Some(format!("{year:04}-{month:02}-{day:02}"))
}

/// `New microcodes:`, `Updated Microcode patches:`
fn section_of(line: &str) -> Option<Section> {
    let title = line.to_ascii_lowercase();
    if !title.contains("microcode") || !title.contains(':') {
        return None;
    }
    let word = title.split(' ').next()?;
    match word {
        "new" if !title.starts_with("new upstream") => Some(Section::New),
        "updated" | "downgraded" | "reverted" => Some(Section::Updated),
        "removed" => Some(Section::Removed),
        _ => None,
    }
}

/// `sig 0x000a06e1, pf_mask 0x97, 2025-06-27, rev 0x1000273, size 1635328`
fn intel(section: Section, line: &str) -> Option<Row> {
    let mut fields = line.split(',').map(str::trim);
    let number = |field: &str, name: &str| words::revision(field.strip_prefix(name)?.trim());
    let signature = number(fields.next()?, "sig")?;
    let mask = fields.next()?;
    let mask = number(mask, "pf_mask")
        .or_else(|| number(mask, "pf mask"))
        .or_else(|| number(mask, "pf"))?;
    let revision = fields.find_map(|field| field.strip_prefix("rev"))?.trim();
    let revision = words::revision(revision.split_whitespace().next()?)?;
    let excluded = line.contains("[EXCLUDED]");
    let section = if excluded { Section::Excluded } else { section };
    Some(made(section, Signature(signature.0), PlatformMask(mask.0), revision))
}

/// `Family=0x17 Model=0xa0 Stepping=0x00: Patch=0x08a0000a`
fn amd(section: Section, line: &str) -> Option<Row> {
    let value = |name: &str| {
        let (_, rest) = line.split_once(name)?;
        let rest = rest.strip_prefix("0x")?;
        let digits = rest
            .find(|letter: char| !letter.is_ascii_hexdigit())
            .unwrap_or(rest.len());
        words::hex(rest.get(..digits)?)
    };
    let signature = Signature::from_family_model_stepping(value("Family=")?, value("Model=")?, value("Stepping=")?)?;
    Some(made(section, signature, PlatformMask(0), Revision(value("Patch=")?)))
}

/// `sig 0x00830f10, patch id 0x08301055, 2022-02-15`
fn old_amd(section: Section, line: &str) -> Option<Row> {
    let mut fields = line.split(',').map(str::trim);
    let signature = words::revision(fields.next()?.strip_prefix("sig ")?)?;
    let revision = words::revision(fields.next()?.strip_prefix("patch id ")?)?;
    Some(made(section, Signature(signature.0), PlatformMask(0), revision))
}

/// The text has one revision: of what is there now, or was there.
fn made(section: Section, signature: Signature, platforms: PlatformMask, revision: Revision) -> Row {
    let removed = section == Section::Removed;
    Row {
        section,
        processor: String::new(),
        stepping: String::new(),
        signature,
        platforms,
        old: removed.then_some(revision),
        new: (!removed).then_some(revision),
        products: String::new(),
    }
}
