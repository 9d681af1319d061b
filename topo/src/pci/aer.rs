//! Errors the kernel counted of a function: `aer_dev_correctable`, `aer_dev_nonfatal`,
//! `aer_dev_fatal` of sysfs (the kernel's `Documentation/ABI/testing/sysfs-bus-pci-devices-aer_stats`).

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

/// Longest name and most names of one file that are kept.
const NAME_LIMIT: usize = 40;
const NAMES_LIMIT: usize = 64;

/// Errors since the device was found, by severity; `None` where the kernel has no such file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ErrorCounters {
    /// Correctable errors: the link repaired them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub correctable: Option<ErrorCount>,
    /// Uncorrectable errors that left the link usable.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nonfatal: Option<ErrorCount>,
    /// Uncorrectable errors that made the link unreliable.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fatal: Option<ErrorCount>,
}

/// Errors of one severity.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ErrorCount {
    /// How many in all.
    pub total: u64,
    /// Those that occurred, by the kernel's names ("BadTLP").
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub by_name: BTreeMap<String, u64>,
}

impl ErrorCounters {
    /// Reads the three files through `text`, which is given the name of one.
    pub fn read(text: impl Fn(&str) -> Option<String>) -> Option<Self> {
        let count = |severity: &str| ErrorCount::parse(&text(&format!("aer_dev_{severity}"))?);
        // The kernel makes all three or none.
        let correctable = Some(count("correctable")?);
        Some(Self {
            correctable,
            nonfatal: count("nonfatal"),
            fatal: count("fatal"),
        })
    }

    /// `correctable 3 (BadTLP 2, Timeout 1), nonfatal 0, fatal 0`.
    #[must_use]
    pub fn words(&self) -> String {
        let word = |name: &str, count: &Option<ErrorCount>| Some(format!("{name} {}", count.as_ref()?.words()));
        let words = [
            word("correctable", &self.correctable),
            word("nonfatal", &self.nonfatal),
            word("fatal", &self.fatal),
        ];
        words.into_iter().flatten().collect::<Vec<_>>().join(", ")
    }
}

impl ErrorCount {
    /// Lines `name count`, and one `TOTAL_ERR_… count`; without it the total is their sum. `None`
    /// when no line is such a line.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut total = None;
        let mut sum: Option<u64> = None;
        let mut by_name = BTreeMap::new();
        for line in text.lines() {
            let Some((name, count)) = line.trim().rsplit_once(' ') else {
                continue;
            };
            let Ok(count) = count.parse::<u64>() else { continue };
            let name = name.trim_end();
            if name.starts_with("TOTAL_ERR_") {
                total = Some(count);
                continue;
            }
            sum = Some(sum.unwrap_or(0).saturating_add(count));
            if count > 0 && name.len() <= NAME_LIMIT && by_name.len() < NAMES_LIMIT {
                by_name.insert(name.to_owned(), count);
            }
        }
        let total = total.or(sum)?;
        Some(Self { total, by_name })
    }

    fn words(&self) -> String {
        let names: Vec<String> = self
            .by_name
            .iter()
            .map(|(name, count)| format!("{name} {count}"))
            .collect();
        match names.is_empty() {
            true => self.total.to_string(),
            false => format!("{} ({})", self.total, names.join(", ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_that_occurred_are_named_and_the_total_is_the_kernels() {
        let text = "RxErr 0\nBadTLP 2\nTimeout 1\nTOTAL_ERR_COR 3\n";
        let counters = ErrorCounters::read(|name| (name == "aer_dev_correctable").then(|| text.to_owned())).unwrap();
        assert_eq!(counters.words(), "correctable 3 (BadTLP 2, Timeout 1)");
        assert_eq!(counters.fatal, None);
    }

    #[test]
    fn no_file_and_no_count_are_no_counters() {
        assert_eq!(ErrorCounters::read(|_| None), None);
        assert_eq!(ErrorCount::parse("RxErr many\n\n"), None);
        assert_eq!(
            ErrorCount::parse("RxErr 1\nDLP 99999999999999999999\n").unwrap().total,
            1
        );
        assert_eq!(
            ErrorCount::parse("A 18446744073709551615\nB 1\n").unwrap().total,
            u64::MAX
        );
    }
}
