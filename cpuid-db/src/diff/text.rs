//! Differences as lines of text.

use std::fmt;

use super::{Alike, Change, CpuDiff, Features, SetDiff};
use crate::policy::ranges;

impl fmt::Display for CpuDiff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_changes(f, "identity", &self.identity)?;
        write_features(f, "features only in the first", &self.features, |group| &group.only_a)?;
        write_features(f, "features only in the second", &self.features, |group| &group.only_b)?;
        write_changes(f, "values", &self.values)?;
        if !self.unnamed.is_empty() {
            writeln!(f, "bits nobody names")?;
            for bits in &self.unnamed {
                writeln!(f, "  {}  0x{:08x} -> 0x{:08x}", bits.word, bits.a, bits.b)?;
            }
        }
        for (heading, rows) in [
            ("rows only in the first", &self.rows_only_a),
            ("rows only in the second", &self.rows_only_b),
        ] {
            if !rows.is_empty() {
                writeln!(f, "{heading}")?;
            }
            for row in rows {
                writeln!(f, "{}", format!("  {}  {}", row.place, row.title).trim_end())?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for SetDiff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.cpu)?;
        write_changes(f, "topology and caches", &self.topology)?;
        write_within(f, "first", &self.within_a)?;
        write_within(f, "second", &self.within_b)
    }
}

impl fmt::Display for Alike {
    /// `CPUs 0-3`, and below how they differ from the first of the dump.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "CPUs {}", ranges(&self.cpus))?;
        for line in self.diff.to_string().lines() {
            writeln!(f, "  {line}")?;
        }
        Ok(())
    }
}

fn write_within(f: &mut fmt::Formatter<'_>, which: &str, groups: &[Alike]) -> fmt::Result {
    for (index, group) in groups.iter().enumerate() {
        let than = if index == 0 { "" } else { ", from its first CPUs" };
        write!(f, "in the {which}{than}: {group}")?;
    }
    Ok(())
}

fn write_changes(f: &mut fmt::Formatter<'_>, heading: &str, changes: &[Change]) -> fmt::Result {
    if changes.is_empty() {
        return Ok(());
    }
    writeln!(f, "{heading}")?;
    let width = changes
        .iter()
        .map(|change| change.name.len())
        .max()
        .unwrap_or(0)
        .min(40);
    for change in changes {
        let [a, b] = [&change.a, &change.b].map(|value| value.as_deref().unwrap_or("-"));
        let line = format!("  {:width$}  {a} -> {b}", change.name);
        match change.place.as_str() {
            "" => writeln!(f, "{line}")?,
            place => writeln!(f, "{line}  ({place})")?,
        }
    }
    Ok(())
}

fn write_features(
    f: &mut fmt::Formatter<'_>,
    heading: &str,
    groups: &[Features],
    side: impl Fn(&Features) -> &Vec<&'static str>,
) -> fmt::Result {
    let mut told = false;
    for group in groups {
        let names = side(group);
        if names.is_empty() {
            continue;
        }
        if !told {
            writeln!(f, "{heading}")?;
            told = true;
        }
        writeln!(f, "  {}  {}", group.word, names.join(" "))?;
    }
    Ok(())
}
