//! The table of codenames, compiled from `data/codenames.tsv`.

use super::Facts;
use super::brand::fits;

/// One row: some steppings of one model, under conditions.
pub(crate) struct Row {
    pub vendor: u8,
    pub family: u16,
    pub model: u8,
    pub steppings: (u8, u8),
    pub when: &'static [Condition],
    pub cores: Cores,
    pub codename: &'static str,
    /// Empty when not published.
    pub technology: &'static str,
    /// Where the row is from.
    pub source: &'static str,
}

/// Microarchitectures of the kinds of core; the latter two are empty where there is one kind.
pub(crate) struct Cores {
    pub performance: &'static str,
    pub efficiency: &'static str,
    pub low_power: &'static str,
}

/// What tells codenames of one model apart.
pub(crate) enum Condition {
    /// The brand string contains one of these patterns.
    Brand(&'static [&'static str]),
    /// Cores of the package.
    Cores(Compare, u32),
    /// KiB of the L2.
    L2(Compare, u32),
    /// KiB of the L3.
    L3(Compare, u32),
}

/// How a number is compared.
pub(crate) enum Compare {
    AtMost,
    AtLeast,
    Equal,
}

impl Compare {
    fn holds(&self, value: u32, number: u32) -> bool {
        match self {
            Self::AtMost => value <= number,
            Self::AtLeast => value >= number,
            Self::Equal => value == number,
        }
    }
}

impl Condition {
    fn holds(&self, facts: &Facts) -> bool {
        match self {
            Self::Brand(patterns) => patterns.iter().any(|pattern| fits(pattern, &facts.brand)),
            Self::Cores(compare, number) => facts.cores.is_some_and(|cores| compare.holds(cores, *number)),
            Self::L2(compare, number) => facts.l2.is_some_and(|size| compare.holds(size, *number)),
            Self::L3(compare, number) => facts.l3.is_some_and(|size| compare.holds(size, *number)),
        }
    }
}

impl Row {
    fn key(&self) -> (u8, u16, u8) {
        (self.vendor, self.family, self.model)
    }

    fn holds(&self, facts: &Facts) -> bool {
        (self.steppings.0..=self.steppings.1).contains(&facts.stepping) && self.when.iter().all(|one| one.holds(facts))
    }
}

include!(concat!(env!("OUT_DIR"), "/codenames.rs"));

/// Rows of one model.
fn model(key: (u8, u16, u8)) -> &'static [Row] {
    let start = ROWS.partition_point(|row| row.key() < key);
    let end = ROWS.partition_point(|row| row.key() <= key);
    ROWS.get(start..end).unwrap_or_default()
}

/// The first row that fits.
pub(crate) fn find(facts: &Facts) -> Option<&'static Row> {
    model((facts.maker, facts.family, facts.model))
        .iter()
        .find(|row| row.holds(facts))
}

/// The row whose model number is nearest, within the vendor and family.
pub(crate) fn nearest(facts: &Facts) -> Option<&'static Row> {
    ROWS.iter()
        .filter(|row| row.vendor == facts.maker && row.family == facts.family && row.when.is_empty())
        .min_by_key(|row| (row.model.abs_diff(facts.model), row.model))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_in_the_order_they_are_searched_in() {
        assert!(ROWS.is_sorted_by_key(Row::key));
        assert!(ROWS.iter().all(|row| !row.source.is_empty()));
    }

    #[test]
    fn every_known_model_has_a_codename_whatever_else_is_told() {
        for row in &ROWS {
            for stepping in 0..16 {
                let facts = Facts {
                    maker: row.vendor,
                    family: row.family,
                    model: row.model,
                    stepping,
                    ..Facts::default()
                };
                assert!(find(&facts).is_some(), "{} {}", row.family, row.model);
            }
        }
    }
}
