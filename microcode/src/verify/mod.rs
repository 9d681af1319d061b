//! Every rule of a file, one by one: kept or broken, and who refuses what breaks it.
//!
//! A rule that is a remark (an impossible date, reserved words in use) never fails a file; it is told
//! with those who would refuse the update for it.
//!
//! ```
//! let mut update = vec![0; 2048];
//! for (at, byte) in [(0, 1), (4, 9), (8, 0x99), (9, 0x19), (10, 1), (11, 1), (12, 1), (13, 6), (20, 1)] {
//!     update[at] = byte;
//! }
//! let report = microcode::verify::check("made up", &update).unwrap();
//! let broken: Vec<&str> = report.failed().map(|check| check.rule).collect();
//! assert_eq!(broken, ["intel-checksum"]);
//! ```

mod amd;

use std::collections::HashMap;

use schemars::JsonSchema;
use serde::Serialize;

use crate::container::{Content, read};
use crate::damage::Damage;
use crate::found::Place;
use crate::{dat, intel};

/// Who looks at a file before it takes something from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Checker {
    /// Linux 6.12.
    Linux,
    /// Xen 4.20.
    Xen,
    /// The words of Intel's SDM.
    Sdm,
    /// iucode_tool 2.3.1, with its default strict checks.
    IucodeTool,
}

/// A rule of a file format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct FormatRule {
    /// Short name, stable; [`Damage::rule`](crate::Damage) has the same.
    pub id: &'static str,
    /// The rule in a sentence.
    pub says: &'static str,
    /// Who refuses what breaks it.
    pub refused_by: &'static [Checker],
    /// What breaks it is odd and no damage.
    pub remark: bool,
}

/// A place where a rule is broken.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Break {
    /// Where; the offset of a text is that in the bytes its words mean.
    pub place: Place,
    /// Line of a text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// Column of a text, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<usize>,
    /// What the rule asks for.
    pub expected: String,
    /// What the file holds.
    pub seen: String,
}

/// A rule applied to a file.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Check {
    /// Name of the rule.
    pub rule: &'static str,
    /// The rule in a sentence.
    pub says: &'static str,
    /// Kept everywhere.
    pub ok: bool,
    /// Broken it is odd, and no damage.
    pub remark: bool,
    /// Who refuses what breaks it.
    pub refused_by: &'static [Checker],
    /// Where it is broken.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub breaks: Vec<Break>,
}

/// All rules of a file.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Report {
    /// The file as given.
    pub file: String,
    /// Its kind in words.
    pub kind: &'static str,
    /// Updates or patches in it.
    pub updates: usize,
    /// Rules in the order in which they are checked.
    pub checks: Vec<Check>,
}

impl Report {
    /// Rules that the file breaks; remarks are left out.
    pub fn failed(&self) -> impl Iterator<Item = &Check> {
        self.checks.iter().filter(|check| !check.ok && !check.remark)
    }

    /// Remarks that hold for the file.
    pub fn remarks(&self) -> impl Iterator<Item = &Check> {
        self.checks.iter().filter(|check| !check.ok && check.remark)
    }

    /// Whether no rule but remarks is broken.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.failed().next().is_none()
    }
}

const TEXT_RULES: &[FormatRule] = &[
    text_rule(
        "text-token",
        "between the words of an update stand only commas and comments",
    ),
    text_rule("text-word", "a word is a number of 32 bits"),
    text_rule(
        "text-property",
        "the properties of a device tree are those of the header in its data",
    ),
];

const fn text_rule(id: &'static str, says: &'static str) -> FormatRule {
    FormatRule {
        id,
        says,
        refused_by: &[],
        remark: false,
    }
}

/// Check a file of any kind, binary or text; `None` when it holds no microcode. `source` is the name
/// it goes by in the report.
#[must_use]
pub fn check(source: &str, bytes: &[u8]) -> Option<Report> {
    if let Some(text) = dat::read(bytes) {
        return Some(check_text(source, &text));
    }
    let content = read(bytes)?;
    let mut all = Breaks::new(source);
    let (rules, updates) = match &content {
        Content::Intel(file) => {
            all.add_intel(file, bytes);
            (intel::rules::ALL_RULES, file.updates.len())
        }
        Content::Amd(file) => {
            let patches = file.containers.iter().map(|container| &container.patches);
            all.add(&file.damage);
            all.note(&file.notes);
            patches.clone().flatten().for_each(|patch| all.add_amd(patch));
            (amd::RULES, patches.map(Vec::len).sum())
        }
        Content::AmdPatch(patch) => {
            all.add_amd(patch);
            (amd::RULES, 1)
        }
    };
    Some(all.report(content.name(), updates, &[rules]))
}

fn check_text(source: &str, text: &dat::Text) -> Report {
    let mut all = Breaks::new(source);
    for damage in &text.damage {
        let one = all.one(&damage.damage, Some((damage.line, damage.column)));
        all.push(damage.damage.rule, one);
    }
    all.text = Some(text);
    all.add_intel(&text.file, &text.bytes);
    let updates = text.file.updates.len();
    all.report(text.form.name(), updates, &[TEXT_RULES, intel::rules::ALL_RULES])
}

/// Broken rules of a file, by their names.
struct Breaks<'a> {
    source: &'a str,
    text: Option<&'a dat::Text>,
    /// In the order in which they were found.
    all: Vec<(&'static str, Break)>,
    /// Names among them that no list has and that are remarks.
    notes: Vec<&'static str>,
}

impl<'a> Breaks<'a> {
    fn new(source: &'a str) -> Self {
        Self {
            source,
            text: None,
            all: Vec::new(),
            notes: Vec::new(),
        }
    }

    fn one(&self, damage: &Damage, place: Option<(usize, usize)>) -> Break {
        Break {
            place: Place {
                source: self.source.to_owned(),
                offset: damage.offset,
            },
            line: place.map(|(line, _)| line),
            column: place.map(|(_, column)| column),
            expected: damage.expected.clone(),
            seen: damage.seen.clone(),
        }
    }

    fn push(&mut self, rule: &'static str, one: Break) {
        self.all.push((rule, one));
    }

    fn add<'d>(&mut self, damage: impl IntoIterator<Item = &'d Damage>) {
        for damage in damage {
            let place = self.text.and_then(|text| text.line_and_column(damage.offset));
            let one = self.one(damage, place);
            self.push(damage.rule, one);
        }
    }

    fn add_amd(&mut self, patch: &crate::amd::Patch) {
        self.add(&patch.damage);
        self.note(&patch.notes);
    }

    fn note(&mut self, notes: &[crate::amd::Note]) {
        for note in notes {
            let rule = amd::RULES.iter().find(|rule| rule.id == note.rule);
            let expected = rule.map_or("", |rule| rule.says);
            if rule.is_none() {
                self.notes.push(note.rule);
            }
            let damage = Damage::new(note.offset, expected, &note.says).rule(note.rule);
            let one = self.one(&damage, None);
            self.push(note.rule, one);
        }
    }

    fn add_intel(&mut self, file: &intel::File, bytes: &[u8]) {
        for update in &file.updates {
            self.add(update.damage.iter().chain(&update.remarks));
        }
        self.add(&file.damage);
        self.add(&same_revision(file, bytes));
    }

    /// A row for each rule, those that no list has behind the others.
    fn report(self, kind: &'static str, updates: usize, rules: &[&'static [FormatRule]]) -> Report {
        let mut checks: Vec<Check> = rules.iter().copied().flatten().map(Check::kept).collect();
        for (rule, one) in self.all {
            let place = checks.iter().position(|check| check.rule == rule).unwrap_or_else(|| {
                checks.push(Check::unlisted(rule, self.notes.contains(&rule)));
                checks.len().saturating_sub(1)
            });
            if let Some(check) = checks.get_mut(place) {
                check.ok = false;
                check.breaks.push(one);
            }
        }
        Report {
            file: self.source.to_owned(),
            kind,
            updates,
            checks,
        }
    }
}

impl Check {
    fn kept(rule: &FormatRule) -> Self {
        Self {
            rule: rule.id,
            says: rule.says,
            ok: true,
            remark: rule.remark,
            refused_by: rule.refused_by,
            breaks: Vec::new(),
        }
    }

    fn unlisted(rule: &'static str, remark: bool) -> Self {
        Self {
            rule,
            says: "",
            ok: true,
            remark,
            refused_by: &[],
            breaks: Vec::new(),
        }
    }
}

/// Different contents of one signature and revision that are kept apart; more are all told alike.
const MOST_VARIANTS: usize = 8;

/// Updates that iucode_tool takes for the same and finds different: same signature, revision and
/// sizes, a platform in common, no extended table.
fn same_revision(file: &intel::File, bytes: &[u8]) -> Vec<Damage> {
    let mut variants: HashMap<_, Vec<(&intel::Update, &[u8])>> = HashMap::new();
    let mut damage = Vec::new();
    for update in file.updates.iter().filter(|update| update.extended.is_empty()) {
        let end = update.offset.saturating_add(update.size);
        let start = update.offset.saturating_add(intel::HEADER);
        let Some(data) = bytes.get(start..end) else { continue };
        let key = (update.target.signature, update.revision, update.size, update.data_size);
        let seen = variants.entry(key).or_default();
        if seen.iter().any(|(_, content)| *content == data) {
            continue;
        }
        let common = |other: &intel::Update| other.target.platforms.0 & update.target.platforms.0 != 0;
        let differs = seen.iter().find(|(other, _)| common(other));
        if let Some((other, _)) = differs {
            let remark = Damage::new(
                update.offset,
                format!("the data of the update at {:#x}", other.offset),
                format!(
                    "other data for {}, revision {}",
                    update.target.signature, update.revision
                ),
            );
            damage.push(remark.rule(intel::rules::SAME_REVISION.id));
        }
        if seen.len() < MOST_VARIANTS {
            seen.push((update, data));
        }
    }
    damage
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::intel::sample::{build, seal};

    fn broken(report: &Report) -> Vec<&'static str> {
        report.failed().map(|check| check.rule).collect()
    }

    #[test]
    fn whole_file_keeps_every_rule() {
        let report = check("file", &build(&[(1, 2)])).unwrap();
        assert!(report.is_ok() && report.checks.iter().all(|check| check.ok));
        assert_eq!(
            (report.updates, report.checks.len()),
            (1, intel::rules::ALL_RULES.len())
        );
    }

    #[test]
    fn broken_rule_says_where_and_who_refuses() {
        let mut bytes = [build(&[]), build(&[])].concat();
        bytes[1024 + 100] ^= 1;
        let report = check("file", &bytes).unwrap();
        assert_eq!(broken(&report), ["intel-checksum"]);
        let check = report.failed().next().unwrap();
        assert_eq!(check.breaks[0].place.to_string(), "file at 0x410");
        assert!(check.refused_by.contains(&Checker::Linux));
    }

    #[test]
    fn linux_alone_takes_a_total_that_is_no_multiple_of_1024() {
        let mut bytes = build(&[]);
        bytes.truncate(1020);
        bytes[28..32].copy_from_slice(&972u32.to_le_bytes());
        bytes[32..36].copy_from_slice(&1020u32.to_le_bytes());
        seal(&mut bytes, 1020);
        let report = check("file", &bytes).unwrap();
        assert_eq!(broken(&report), ["intel-total-multiple"]);
        assert!(!report.failed().next().unwrap().refused_by.contains(&Checker::Linux));
    }

    #[test]
    fn same_revision_with_other_data_is_a_remark() {
        let mut other = build(&[]);
        other[200] ^= 1;
        seal(&mut other, 1024);
        let report = check("file", &[build(&[]), other, build(&[])].concat()).unwrap();
        assert!(report.is_ok());
        let remark = report.remarks().next().unwrap();
        assert_eq!((remark.rule, remark.breaks.len()), ("intel-same-revision", 1));
    }

    #[test]
    fn text_is_checked_with_line_and_column() {
        let mut bytes = build(&[]);
        bytes[100] ^= 1;
        let report = check("x.dat", dat::write(&[(None, &bytes)]).as_bytes()).unwrap();
        assert_eq!(broken(&report), ["intel-checksum"]);
        let place = &report.failed().next().unwrap().breaks[0];
        assert_eq!((place.line, place.column), (Some(3), Some(1)));
    }

    #[test]
    fn broken_rule_of_a_container_says_what_it_asks_for() {
        // A table of one row and its end, then a section of type 7.
        let mut bytes = b"DMA\0\0\0\0\0\x20\0\0\0".to_vec();
        bytes.extend([0x22, 0x0f, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x22, 0x10, 0, 0]);
        bytes.extend([0; 16]);
        bytes.extend([7, 0, 0, 0, 1, 0, 0, 0]);
        let report = check("file", &bytes).unwrap();
        let check = report.failed().next().unwrap();
        assert_eq!((check.rule, check.breaks[0].place.offset), ("amd-section-type", 44));
        assert_eq!(check.refused_by, [Checker::Linux, Checker::Xen]);
    }

    #[test]
    fn other_bytes_are_not_checked() {
        assert_eq!(check("file", b"hello"), None);
    }
}
