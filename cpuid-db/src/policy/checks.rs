//! The rules a guest is checked by, host by host.

use super::check::{CheckOptions, Obstacle, Rule, Verdict};
use super::host::Host;
use super::pool::{maximum, maximum_base, to_leaves, unmigratable};
use super::rules::{self, ARCH_CAPABILITIES, Span};
use super::state::{self, Pool};
use crate::bits::{Bit, Place, Register, Word, Words};
use crate::database::{Combine, Database, Vendors};
use crate::leaf::Leaf;
use crate::leafset::CpuLeaves;

pub(super) struct Check<'a> {
    pub(super) db: &'a Database,
    pub(super) hosts: &'a [Host],
    pub(super) options: &'a CheckOptions,
    pub(super) vendor: Option<String>,
    pub(super) vendors: Vendors,
    pub(super) verdict: Verdict,
}

impl<'a> Check<'a> {
    pub(super) fn new(db: &'a Database, hosts: &'a [Host], options: &'a CheckOptions, vendor: Option<String>) -> Self {
        let named = hosts.iter().filter(|host| host.vendor_name.is_some());
        let vendors = named.fold(0, |all, host| all | host.vendors().0);
        Self {
            db,
            hosts,
            options,
            vendor,
            vendors: if vendors == 0 { Vendors::ANY } else { Vendors(vendors) },
            verdict: Verdict::default(),
        }
    }

    fn note(&mut self, host: Option<usize>, rule: Rule, bit: Option<Bit>, id: &'static str, message: String) {
        self.verdict.obstacles.push(Obstacle {
            host,
            rule,
            bit,
            id,
            message,
        });
    }

    fn warn(&mut self, host: usize, rule: Rule, bit: Bit, id: &'static str, message: String) {
        self.verdict.warnings.push(Obstacle {
            host: Some(host),
            rule,
            bit: Some(bit),
            id,
            message,
        });
    }

    pub(super) fn vendor(&mut self, amd_like: bool) {
        let Some(vendor) = self.vendor.clone() else {
            return self.vendors_agree();
        };
        for (index, host) in self.hosts.iter().enumerate() {
            let Some(own) = host.vendor_name.as_deref().filter(|own| *own != vendor) else {
                continue;
            };
            if self.options.hygon_with_amd && amd_like && host.vendor.is_amd_like() {
                continue;
            }
            let message = format!("{} is {own}, the guest {vendor}", host.name);
            self.note(Some(index), Rule::Vendor, None, "", message);
        }
    }

    fn vendors_agree(&mut self) {
        let mut named = self.hosts.iter().enumerate();
        let Some((_, first)) = named.find(|(_, host)| host.vendor_name.is_some()) else {
            return;
        };
        for (index, host) in named {
            let allowed = self.options.hygon_with_amd && host.vendor.is_amd_like() && first.vendor.is_amd_like();
            let (Some(own), Some(vendor)) = (&host.vendor_name, &first.vendor_name) else {
                continue;
            };
            if own != vendor && !allowed {
                let message = format!("{} is {own}, {} {vendor}", host.name, first.name);
                self.note(Some(index), Rule::Vendor, None, "", message);
            }
        }
    }

    /// Every bit and value of a word.
    pub(super) fn word(&mut self, word: Word, value: u32) {
        if maximum_base(word).is_some() || word == rules::LEAF_7_MAXIMUM {
            return;
        }
        for span in rules::spans(self.db, word, self.vendors) {
            let part = value & span.mask;
            if part == 0 {
                continue;
            }
            match span.rule {
                Some(Combine::And) if span.field.is_some() => {
                    for bit in Words::from_iter([(word, part)]).bits() {
                        self.bit(bit);
                    }
                }
                None | Some(Combine::And) => self.unnamed(word, part),
                Some(Combine::Or) => {
                    for bit in Words::from_iter([(word, part)]).bits() {
                        self.told(bit, span.id());
                    }
                }
                Some(Combine::Min | Combine::Max | Combine::Equal) => self.value(word, &span, part),
                Some(Combine::Drop | Combine::Policy | Combine::Dynamic) => {}
            }
        }
    }

    /// A feature the guest is to have.
    pub(super) fn bit(&mut self, bit: Bit) {
        let field = self.db.of_bit(bit, self.vendors);
        let id = field.map_or("", |field| field.id);
        match field.and_then(|field| rules::of_field(field, bit.word)) {
            Some(Combine::Or) => return self.told(bit, id),
            Some(Combine::Drop | Combine::Policy | Combine::Dynamic) => return,
            _ if rules::is_synthesised(bit) || rules::is_hypervisor(bit.word.place) => return,
            _ => {}
        }
        for (index, host) in self.hosts.iter().enumerate() {
            if host.words.has(bit) {
                continue;
            }
            let what = if id.is_empty() {
                bit.to_string()
            } else {
                format!("{id} ({bit})")
            };
            let uncaptured = bit.word.place == Place::Msr(0x10a)
                && host.words.has(ARCH_CAPABILITIES)
                && host.cpu.msr(0x10a).is_none();
            let (rule, message) = if uncaptured || host.partial {
                let message = format!("the dump of {} does not tell whether it has {what}", host.name);
                (Rule::NotCaptured, message)
            } else {
                (Rule::Feature, format!("{} lacks {what}", host.name))
            };
            self.note(Some(index), rule, Some(bit), id, message);
        }
    }

    /// Bits nobody names: every host must have them.
    fn unnamed(&mut self, word: Word, part: u32) {
        for (index, host) in self.hosts.iter().enumerate() {
            let missing = part & !host.words.get(word);
            if missing != 0 {
                let message = format!("{} lacks bits 0x{missing:08x} of {word}, which nobody names", host.name);
                self.note(Some(index), Rule::Feature, None, "", message);
            }
        }
    }

    /// A bit the guest is told although a host lacks it: the guest does too much, or in vain.
    fn told(&mut self, bit: Bit, id: &'static str) {
        if !is_mitigation(bit) {
            return;
        }
        for (index, host) in self.hosts.iter().enumerate() {
            if !host.words.has(bit) && !host.partial {
                let message = format!("{id} does nothing on {}, which lacks it", host.name);
                self.warn(index, Rule::Feature, bit, id, message);
            }
        }
    }

    /// Bits of hosts that a guest should be told of and is not. Where all hosts behave alike nothing
    /// changes for a guest that moves; where they differ, it may have come to rely on what is gone.
    pub(super) fn untold(&mut self, words: &Words, counts: impl Fn(Bit) -> bool, reaches: impl Fn(Bit) -> bool) {
        let either = |bit: Bit| [rules::RSBA, rules::RRSBA].contains(&bit);
        let told_other = words.has(rules::RSBA) || words.has(rules::RRSBA);
        let (db, vendors, hosts) = (self.db, self.vendors, self.hosts);
        for field in db.fields().filter(|field| field.vendors.overlaps(vendors)) {
            let Some(bit) = field.bit().filter(|bit| !words.has(*bit) && counts(*bit)) else {
                continue;
            };
            let skipped = bit.word.place == Place::Leaf(0xa) || (either(bit) && told_other);
            if skipped || rules::of_field(field, bit.word) != Some(Combine::Or) {
                continue;
            }
            let differ = hosts.iter().any(|host| !host.words.has(bit));
            for (index, host) in hosts.iter().enumerate().filter(|(_, host)| host.words.has(bit)) {
                let message = format!("{} has {} ({bit}), the guest is not told", host.name, field.id);
                let message = match differ && is_removal(bit) && reaches(bit) {
                    true => format!("{message}: what it sees changes when it moves"),
                    false => message,
                };
                self.warn(index, Rule::Untold, bit, field.id, message);
            }
        }
    }

    pub(super) fn forbidden(&mut self, bit: Bit) {
        let id = self.db.of_bit(bit, self.vendors).map_or("", |field| field.id);
        for (index, host) in self.hosts.iter().enumerate() {
            if host.words.has(bit) {
                let message = format!("{} has {id} ({bit}), which is forbidden", host.name);
                self.note(Some(index), Rule::Forbidden, Some(bit), id, message);
            }
        }
    }

    fn value(&mut self, word: Word, span: &Span, part: u32) {
        let low = span.mask.trailing_zeros() & 31;
        for (index, host) in self.hosts.iter().enumerate() {
            let Some(own) = host.value(word).map(|own| own & span.mask) else {
                continue;
            };
            let wrong = match span.rule {
                Some(Combine::Min) => part > own,
                Some(Combine::Max) => part < own,
                _ => part != own,
            };
            if !wrong {
                continue;
            }
            let rule = if word == rules::ADDRESS_WIDTHS {
                Rule::AddressWidth
            } else {
                Rule::Value
            };
            let (asked, has) = (part >> low, own >> low);
            let message = format!("{} has {} {has} ({word}), the guest {asked}", host.name, span.id());
            self.note(Some(index), rule, None, span.id(), message);
        }
    }

    /// Some bits of a value a configuration sets.
    pub(super) fn value_part(&mut self, word: Word, mask: u32, value: u32) {
        for span in rules::spans(self.db, word, self.vendors) {
            let whole = span.mask & mask == span.mask;
            if whole
                && matches!(span.rule, Some(Combine::Min | Combine::Max | Combine::Equal))
                && value & span.mask != 0
            {
                match maximum_base(word) {
                    Some(base) => self.maximum(base, Leaf(value)),
                    None => self.value(word, &span, value & span.mask),
                }
            } else if matches!(span.rule, Some(Combine::And)) && span.field.is_some() {
                for bit in Words::from_iter([(word, value & mask & span.mask)]).bits() {
                    self.bit(bit);
                }
            }
        }
    }

    pub(super) fn maxima(&mut self, guest: &CpuLeaves) {
        for base in [0, 0x8000_0000, 0x8086_0000, 0xc000_0000] {
            if let Some(asked) = guest.maximum(Leaf(base)) {
                self.maximum(Leaf(base), asked);
            }
        }
        let Some(asked) = guest.leaf(7).map(|row| row.eax) else {
            return;
        };
        for (index, host) in self.hosts.iter().enumerate() {
            let own = host.value(rules::LEAF_7_MAXIMUM).unwrap_or(u32::MAX);
            if asked > own {
                let message = format!("{} has leaf 7 up to subleaf {own}, the guest up to {asked}", host.name);
                self.note(Some(index), Rule::Maximum, None, "leaf7_n_subleaves", message);
            }
        }
    }

    pub(super) fn maximum(&mut self, base: Leaf, asked: Leaf) {
        for (index, host) in self.hosts.iter().enumerate() {
            if let Some(own) = maximum(host, base).filter(|own| asked > *own && asked != base) {
                let message = format!("{} has leaves up to {own}, the guest up to {asked}", host.name);
                self.note(Some(index), Rule::Maximum, None, "", message);
            }
        }
    }

    /// Leaf 0xD of the guest against each host's.
    pub(super) fn layouts(&mut self, guest: &CpuLeaves) {
        let words = Words::of(guest);
        let Some(asked) = crate::xsave::State::of(guest) else {
            return self.agree(&words, false);
        };
        let mut all = self.hosts.to_vec();
        for (index, host) in self.hosts.iter().enumerate() {
            let Some(own) = crate::xsave::State::of(&host.cpu) else {
                continue;
            };
            let missing = (asked.user & !own.user) | (asked.supervisor & !own.supervisor);
            for number in (0..64_u8).filter(|number| missing >> number & 1 == 1) {
                let message = format!("{} lacks XSAVE component {}", host.name, state::component_name(number));
                self.note(Some(index), Rule::State, None, "", message);
            }
        }
        all.push(Host {
            name: "the guest".to_owned(),
            cpu: guest.clone(),
            ..Host::default()
        });
        self.unequal(&all, asked.user | asked.supervisor, &words);
    }

    /// Hosts among each other, for the features of a guest whose leaf 0xD is not known yet.
    pub(super) fn agree(&mut self, words: &Words, all_features: bool) {
        let pool = Pool::of(self.hosts);
        let mut words = words.clone();
        words.set(rules::XSAVE, true);
        let (user, supervisor) = pool.offered(&words);
        if !all_features {
            return self.unequal(self.hosts, user | supervisor, &words);
        }
        let mut common = to_common(self.hosts);
        common.set(rules::XSAVE, true);
        let (user, supervisor) = pool.offered(&common);
        self.unequal(self.hosts, user | supervisor, &common);
    }

    fn unequal(&mut self, hosts: &[Host], mask: u64, words: &Words) {
        for unequal in Pool::of(hosts).unequal(mask, Pool::is_compacted(words)) {
            let message = format!("XSAVE component {}", unequal.message());
            self.note(None, Rule::State, None, "", message);
        }
    }

    pub(super) fn migratable(&mut self, words: &Words) {
        if self.options.stays {
            return;
        }
        for (bit, id) in unmigratable(self.db, self.options.fixed_tsc) {
            if words.has(bit) {
                let message = format!("{id} ({bit}): a guest that has it cannot be migrated");
                self.note(None, Rule::NotMigratable, Some(bit), id, message);
            }
        }
    }

    /// Bits left to the host, which not every host has.
    pub(super) fn host_default(&mut self, left_to_host: impl Fn(&Bit) -> bool) {
        if self.options.stays {
            return;
        }
        let (db, vendors) = (self.db, self.vendors);
        for field in db.fields().filter(|field| field.vendors.overlaps(vendors)) {
            let Some(bit) = field.bit().filter(|bit| left_to_host(bit)) else {
                continue;
            };
            let plain = rules::of_field(field, bit.word) == Some(Combine::And) && !state::is_rebuilt(bit.word);
            if !plain || field.kind != crate::database::Kind::Feature || rules::is_synthesised(bit) {
                continue;
            }
            let with = self
                .hosts
                .iter()
                .find(|host| host.words.has(bit))
                .map(|host| host.name.clone());
            let Some(with) = with else { continue };
            for (index, host) in self.hosts.iter().enumerate() {
                if !host.words.has(bit) {
                    let id = field.id;
                    let message = format!("{} lacks {id} ({bit}), which a guest started on {with} gets", host.name);
                    self.note(Some(index), Rule::HostDefault, Some(bit), id, message);
                }
            }
        }
    }
}

fn to_common(hosts: &[Host]) -> Words {
    let Some((first, others)) = hosts.split_first() else {
        return Words::default();
    };
    let all = |word| {
        others
            .iter()
            .fold(first.words.get(word), |all, host| all & host.words.get(word))
    };
    Words::of(&to_leaves(
        &first.words.iter().map(|(word, _)| (word, all(word))).collect(),
    ))
}

/// Bits that a mitigation relies on: without them a guest runs, but less safely.
fn is_mitigation(bit: Bit) -> bool {
    const VERW: [Bit; 4] = [
        Word::cpuid(7, 0, Register::Edx).bit(10),
        Word::cpuid(0x8000_0021, 0, Register::Eax).bit(5),
        Word::msr(0x10a, Register::Eax).bit(17),
        Word::msr(0x10a, Register::Eax).bit(28),
    ];
    VERW.contains(&bit) || bit == rules::RSBA || bit == rules::RRSBA
}

/// Bits that tell that a behaviour guests may rely on is gone.
fn is_removal(bit: Bit) -> bool {
    const GONE: [Bit; 3] = [
        Word::cpuid(7, 0, Register::Ebx).bit(6),
        Word::cpuid(7, 0, Register::Ebx).bit(13),
        Word::cpuid(0x8000_0008, 0, Register::Ebx).bit(20),
    ];
    GONE.contains(&bit)
}
