//! What a check says: which rule, where, what was expected, what is there.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;

use super::catalogue::Check;
use crate::set::Named;

/// How much it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// An operating system ignores, misreads or rejects something.
    Error,
    /// The specification is violated, or two places contradict each other.
    Warning,
    /// Worth knowing.
    Note,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        })
    }
}

/// One fault that a check has found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Hit {
    /// Stable id of the check: `mcfg-overlap`.
    pub id: &'static str,
    /// How much it matters.
    pub severity: Severity,
    /// Table, as [`Named::name`] has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub table: Option<String>,
    /// Byte offset in that table.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<usize>,
    /// Object of the namespace: `\_SB.PCI0`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The check's title.
    pub message: &'static str,
    /// What the rule asks for.
    pub expected: String,
    /// What is there.
    pub seen: String,
    /// Further places of the same kind in the same table that are not listed.
    #[serde(skip_serializing_if = "is_zero")]
    pub more: usize,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_zero(number: &usize) -> bool {
    *number == 0
}

impl fmt::Display for Hit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.severity, self.id)?;
        if let Some(table) = &self.table {
            write!(f, " {table}")?;
        }
        if let Some(offset) = self.offset {
            write!(f, " at {offset:#06x}")?;
        }
        if let Some(path) = &self.path {
            write!(f, " {path}")?;
        }
        write!(f, ": {}: expected {}, seen {}", self.message, self.expected, self.seen)?;
        match self.more {
            0 => Ok(()),
            more => write!(f, "; {more} more"),
        }
    }
}

/// Hits of one check in one table that are listed one by one; the rest is counted.
const LISTED: usize = 4;

/// Hits in the order in which they are found.
#[derive(Debug, Default)]
pub(super) struct Report {
    hits: Vec<Hit>,
    /// First hit and number of hits of each check in each table.
    counts: BTreeMap<(&'static str, Option<String>), (usize, usize)>,
}

impl Report {
    /// A hit at an offset of a table.
    pub fn at(
        &mut self,
        check: Check,
        named: &Named,
        offset: usize,
        expected: impl Into<String>,
        seen: impl Into<String>,
    ) {
        let place = (Some(named.name.clone()), Some(offset), None);
        self.push(check, place, expected.into(), seen.into());
    }

    /// A hit that is about bytes that are no table.
    pub fn outside_tables(&mut self, check: Check, signature: &str, expected: &str, seen: String) {
        self.push(
            check,
            (Some(signature.to_owned()), None, None),
            expected.to_owned(),
            seen,
        );
    }

    /// A hit at an offset of a table of which the name is known.
    pub fn in_table(&mut self, check: Check, table: Option<&str>, offset: usize, expected: String, seen: String) {
        self.push(check, (table.map(str::to_owned), Some(offset), None), expected, seen);
    }

    /// A hit at an object of the namespace.
    pub fn object(
        &mut self,
        check: Check,
        table: Option<&str>,
        offset: Option<usize>,
        path: String,
        expected: impl Into<String>,
        seen: impl Into<String>,
    ) {
        let place = (table.map(str::to_owned), offset, Some(path));
        self.push(check, place, expected.into(), seen.into());
    }

    /// Everything, errors first, otherwise in the order found.
    pub fn into_hits(self) -> Vec<Hit> {
        let mut hits = self.hits;
        hits.sort_by_key(|hit| hit.severity);
        hits
    }

    fn push(
        &mut self,
        check: Check,
        (table, offset, path): (Option<String>, Option<usize>, Option<String>),
        expected: String,
        seen: String,
    ) {
        let key = (check.id, table.clone());
        let (first, count) = self.counts.entry(key).or_insert((self.hits.len(), 0));
        *count = count.saturating_add(1);
        if *count > LISTED {
            if let Some(hit) = self.hits.get_mut(*first) {
                hit.more = hit.more.saturating_add(1);
            }
            return;
        }
        self.hits.push(Hit {
            id: check.id,
            severity: check.severity,
            table,
            offset,
            path,
            message: check.title,
            expected,
            seen,
            more: 0,
        });
    }
}
