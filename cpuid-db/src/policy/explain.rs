//! Why a bit that some host has is not in the baseline: asked for each such bit after the fact, so
//! that none is left out.

use std::collections::{BTreeMap, BTreeSet};

use super::host::Host;
use super::lost::{Lost, Reason};
use super::rules::{self, Span};
use super::state::{self, Pool};
use crate::bits::{Bit, Word, Words};
use crate::database::{Combine, Database, Vendors};

/// Everything that hosts have and `words` has not.
pub(crate) fn lost(
    db: &Database,
    hosts: &[Host],
    vendors: Vendors,
    oldest: usize,
    words: &Words,
    reasons: &BTreeMap<Bit, Reason>,
) -> Vec<Lost> {
    let all: BTreeSet<Word> = hosts
        .iter()
        .flat_map(|host| host.words.iter().map(|(word, _)| word))
        .collect();
    let ask = Ask {
        db,
        hosts,
        vendors,
        oldest,
        words,
        reasons,
    };
    let mut lost = Vec::new();
    for word in all {
        let any = hosts.iter().fold(0, |all, host| all | host.words.get(word));
        let missing = any & !words.get(word);
        if missing == 0 {
            continue;
        }
        for span in rules::spans(db, word, vendors) {
            ask.span(word, &span, missing & span.mask, &mut lost);
        }
    }
    lost
}

struct Ask<'a> {
    db: &'a Database,
    hosts: &'a [Host],
    vendors: Vendors,
    oldest: usize,
    words: &'a Words,
    reasons: &'a BTreeMap<Bit, Reason>,
}

impl Ask<'_> {
    fn span(&self, word: Word, span: &Span, missing: u32, lost: &mut Vec<Lost>) {
        if missing == 0 {
            return;
        }
        let one = |mask: u32, reason: Reason| Lost {
            word,
            mask,
            id: span.id(),
            feature: span.is_feature() && !state::is_rebuilt(word),
            hosts_without: self.without(word, mask),
            reason,
        };
        let bitwise = matches!(span.rule, None | Some(Combine::And | Combine::Or));
        if !bitwise {
            lost.push(one(missing, self.of_value(word, span, missing)));
            return;
        }
        // Bits with one reason are told together when nobody names them one by one.
        let mut groups: Vec<(u32, Reason)> = Vec::new();
        for number in (0..32_u8).filter(|number| missing >> number & 1 == 1) {
            let mask = 1 << number;
            let reason = self.of_bit(word.bit(number), span.rule);
            let same = |(known, other): &&mut (u32, Reason)| {
                *other == reason && self.without(word, *known) == self.without(word, mask)
            };
            match groups.iter_mut().find(same) {
                Some((known, _)) => *known |= mask,
                None => groups.push((mask, reason)),
            }
        }
        lost.extend(groups.into_iter().map(|(mask, reason)| one(mask, reason)));
    }

    fn without(&self, word: Word, mask: u32) -> Vec<usize> {
        (0_usize..)
            .zip(self.hosts)
            .filter(|(_, host)| host.words.get(word) & mask != mask)
            .map(|(index, _)| index)
            .collect()
    }

    fn of_bit(&self, bit: Bit, rule: Option<Combine>) -> Reason {
        if let Some(reason) = self.reasons.get(&bit) {
            return reason.clone();
        }
        if let Some(component) = state::component_of(bit) {
            return self.of_component(bit, component);
        }
        if rule.is_none() {
            return Reason::Unknown;
        }
        if !self.without(bit.word, 1 << (bit.number & 31)).is_empty() {
            return Reason::NotOnEvery;
        }
        self.remaining(bit.word)
    }

    fn of_component(&self, bit: Bit, component: u8) -> Reason {
        if !self.without(bit.word, 1 << (bit.number & 31)).is_empty() {
            return Reason::NotOnEvery;
        }
        let mut because: Vec<&'static str> = Pool::held_by(component)
            .iter()
            .filter_map(|bit| Some(self.db.of_bit(*bit, self.vendors)?.id))
            .collect();
        if !self.words.has(rules::XSAVE) {
            because = vec!["xsave"];
        }
        if because.is_empty() {
            return Reason::Unknown;
        }
        Reason::Dependency { because }
    }

    /// A bit that every host has.
    fn remaining(&self, word: Word) -> Reason {
        let needed = rules::needed_by(word.place).filter(|bit| !self.words.has(*bit));
        match needed.and_then(|bit| self.db.of_bit(bit, self.vendors)) {
            _ if state::is_rebuilt(word) => Reason::Recomputed,
            Some(field) => Reason::Dependency {
                because: vec![field.id],
            },
            None => Reason::AboveMaximum,
        }
    }

    fn of_value(&self, word: Word, span: &Span, missing: u32) -> Reason {
        let first = Words::from_iter([(word, missing)]).bits().next();
        if let Some(reason) = first.and_then(|bit| self.reasons.get(&bit)) {
            return reason.clone();
        }
        if state::is_rebuilt(word) {
            return Reason::Recomputed;
        }
        match span.rule {
            Some(Combine::Min) => Reason::Smallest,
            Some(Combine::Max) => Reason::Largest,
            Some(Combine::Policy) => Reason::Identity { host: self.oldest },
            Some(Combine::Dynamic) => Reason::RunTime,
            Some(Combine::Drop) if rules::is_hypervisor(word.place) || span.id() == "hypervisor" => Reason::Hypervisor,
            Some(Combine::Drop) => Reason::HostOnly,
            _ => Reason::Disagree,
        }
    }
}
