//! A comparison as a table.

use std::fmt;

use super::{Change, Diff, Side, What};
use crate::cpu::Vendor;
use crate::pack::files::intel_name;
use crate::table::Table;

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Added => "added",
            Self::Removed => "removed",
            Self::Newer => "newer",
            Self::Older => "older",
            Self::OtherContent => "other content",
            Self::Same => "same",
        })
    }
}

/// A line for each change: what, family-model-stepping, signature and platforms, revisions, date.
/// The alternate form (`{:#}`) lists what is the same too.
impl fmt::Display for Diff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let changes: Vec<&Change> = if f.alternate() {
            self.changes.iter().collect()
        } else {
            self.changed().collect()
        };
        let rows: Vec<[String; 6]> = changes.into_iter().map(row).collect();
        let mut table = Table::new(&["change", "f-m-s", "signature", "old", "new", "date"]);
        rows.into_iter().for_each(|row| table.push(row.to_vec()));
        if !table.is_empty() {
            table.lines().try_for_each(|line| writeln!(f, "{line}"))?;
        }
        let kinds = [
            What::Added,
            What::Removed,
            What::Newer,
            What::Older,
            What::OtherContent,
            What::Same,
        ];
        let counts = kinds.map(|what| format!("{} {what}", self.count(what)));
        let moved = self.changes.iter().filter(|change| change.moved).count();
        writeln!(f, "{}, {moved} in other files", counts.join(", "))
    }
}

fn row(change: &Change) -> [String; 6] {
    let side = |side: &Option<Side>| {
        let Some(side) = side else { return "-".to_owned() };
        if side.platforms == change.whom.platforms {
            side.revision.to_string()
        } else {
            format!("{} (/{})", side.revision, side.platforms)
        }
    };
    let place = match (change.moved, &change.old, &change.new) {
        (true, Some(old), Some(new)) => format!("  {} -> {}", old.files.join(" "), new.files.join(" ")),
        _ => String::new(),
    };
    let date = change.new.as_ref().or(change.old.as_ref()).map(|side| side.date);
    let name = change.whom.signature.map_or_else(|| "-".to_owned(), intel_name);
    let name = match change.whom.vendor {
        Vendor::Intel | Vendor::Amd => name,
        Vendor::Hygon | Vendor::Other => "-".to_owned(),
    };
    [
        change.what.to_string(),
        name,
        change.whom.to_string(),
        side(&change.old),
        side(&change.new),
        date.map_or_else(String::new, |date| format!("{date}{place}")),
    ]
}
