//! Where the baseline of another semantics differs from the strict one, and by which rule.

use schemars::JsonSchema;
use serde::Serialize;

use super::baseline::Baseline;
use super::host::Host;
use super::lost::{Lost, Reason};
use super::rules;
use super::state;
use crate::bits::{Bit, Words};
use crate::database::{Combine, Database, Kind, Vendors};

/// Whose result has a bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// The strict baseline.
    Strict,
    /// The other.
    Other,
}

/// A bit that only one of two baselines has.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Difference {
    /// The bit.
    pub bit: Bit,
    /// Our name; empty when nobody names it.
    pub id: &'static str,
    /// Who has it.
    pub side: Side,
    /// The strict rule that makes the difference.
    pub why: String,
}

/// Feature bits that only one of the two gives. Bits outside of `consider`, which the other cannot
/// tell of, are left out.
#[must_use]
pub fn compare_results(
    db: &Database,
    hosts: &[Host],
    strict: &Baseline,
    other: &Words,
    consider: &Words,
) -> Vec<Difference> {
    let vendors = Vendors::of(strict.vendor);
    let only = |one: &Words, two: &Words| -> Words {
        one.iter()
            .map(|(word, value)| (word, value & !two.get(word) & consider.get(word)))
            .collect()
    };
    let row = |bit: Bit| {
        db.of_bit(bit, vendors)
            .filter(|field| field.kind == Kind::Feature && field.low == field.high)
    };
    let mut found = Vec::new();
    for bit in only(other, &strict.words).bits() {
        let Some(field) = row(bit) else { continue };
        let rule = rules::of_field(field, bit.word);
        if matches!(rule, Some(Combine::Policy | Combine::Dynamic)) {
            continue;
        }
        let why = match strict
            .lost
            .iter()
            .find(|lost| lost.word == bit.word && lost.mask >> bit.number & 1 == 1)
        {
            Some(lost) => strict_only(lost, hosts),
            None if rule == Some(Combine::Drop) => continue,
            None => "no host has it".to_owned(),
        };
        found.push(Difference {
            bit,
            id: field.id,
            side: Side::Other,
            why,
        });
    }
    for bit in only(&strict.words, other).bits() {
        let Some(field) = row(bit) else { continue };
        if state::is_rebuilt(bit.word) {
            continue;
        }
        let everywhere = hosts.iter().all(|host| host.words.has(bit));
        let why = match rules::of_field(field, bit.word) {
            Some(Combine::Or) if !everywhere => "strict sets it when any host has it".to_owned(),
            Some(Combine::Drop | Combine::Policy | Combine::Dynamic) => continue,
            _ if everywhere => "every host has it".to_owned(),
            _ => "strict sets it for the guest".to_owned(),
        };
        found.push(Difference {
            bit,
            id: field.id,
            side: Side::Strict,
            why,
        });
    }
    found.sort_by_key(|difference| (difference.side, difference.bit));
    found
}

/// The rule that took a bit out of the strict baseline.
fn strict_only(lost: &Lost, hosts: &[Host]) -> String {
    match &lost.reason {
        Reason::Dependency { .. } => format!("strict closes dependencies: {}", lost.why(hosts)),
        Reason::StateMissing { .. } | Reason::StateUnequal { .. } => {
            format!("strict compares XSAVE components: {}", lost.why(hosts))
        }
        Reason::NotMigratable => format!("strict offers what can move: {}", lost.why(hosts)),
        Reason::Replaced { .. } | Reason::AboveMaximum => format!("strict: {}", lost.why(hosts)),
        _ => lost.why(hosts),
    }
}
