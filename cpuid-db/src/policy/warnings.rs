//! What may go wrong with a baseline although it is one.

use super::baseline::Work;
use super::lost::{Lost, Reason, names};
use super::rules::{self, ARCH_CAPABILITIES};
use crate::bits::Place;
use crate::database::Combine;
use crate::identity::Vendor;

impl Work<'_> {
    pub(super) fn tell(&mut self, lost: &[Lost]) {
        let mixed = self.which(|host| host.vendor == Vendor::Hygon);
        if !mixed.is_empty() && mixed.len() < self.hosts.len() {
            self.warn(
                mixed,
                "Hygon and AMD in one pool: the guest is told one vendor".to_owned(),
            );
        }
        self.tell_untold(lost);
        self.tell_or();
        self.tell_widths();
    }

    fn tell_untold(&mut self, lost: &[Lost]) {
        let partial = self.which(|host| host.partial);
        if !partial.is_empty() {
            let blamed = lost
                .iter()
                .filter(|lost| lost.feature && lost.reason == Reason::NotOnEvery)
                .filter(|lost| lost.hosts_without.iter().all(|host| partial.contains(host)))
                .count();
            let message = format!(
                "{} tells of some features only: {blamed} that it may have are taken as absent",
                names(self.hosts, &partial)
            );
            self.warn(partial, message);
        }
        let untold = self.which(|host| host.words.has(ARCH_CAPABILITIES) && host.cpu.msr(0x10a).is_none());
        if !untold.is_empty() {
            let message = format!(
                "MSR 0x10a (ARCH_CAPABILITIES) was not captured on {}: its bits are taken as 0",
                names(self.hosts, &untold)
            );
            self.warn(untold, message);
        }
    }

    /// Bits that any host sets for all of them.
    fn tell_or(&mut self) {
        let mut found = Vec::new();
        for field in self.db.fields().filter(|field| field.vendors.overlaps(self.vendors)) {
            let Some(bit) = field.bit() else { continue };
            if bit.word.place == Place::Leaf(0xa) || rules::of_field(field, bit.word) != Some(Combine::Or) {
                continue;
            }
            let with = self.which(|host| host.words.has(bit));
            if with.is_empty() {
                continue;
            }
            if !self.words.has(bit) {
                if !matches!(self.reasons.get(&bit), Some(Reason::Replaced { .. })) {
                    let message = format!(
                        "{} of {} cannot be told to the guest",
                        field.id,
                        names(self.hosts, &with)
                    );
                    found.push((with, message));
                }
            } else if with.len() < self.hosts.len() {
                let message = format!(
                    "{} is set for all because {} has it",
                    field.id,
                    names(self.hosts, &with)
                );
                found.push((with, message));
            }
        }
        for (hosts, message) in found {
            self.warn(hosts, message);
        }
    }

    fn tell_widths(&mut self) {
        let widths: Vec<u32> = self
            .hosts
            .iter()
            .filter_map(|host| host.value(rules::ADDRESS_WIDTHS))
            .map(|value| value & 0xff)
            .filter(|width| *width != 0)
            .collect();
        let (Some(least), Some(most)) = (widths.iter().min(), widths.iter().max()) else {
            return;
        };
        if least != most {
            let message = format!(
                "physical addresses have {least} to {most} bits: guests get {least}; one started with \
                 host-phys-bits=on takes its first host's width along"
            );
            let wide = self.which(|host| {
                host.value(rules::ADDRESS_WIDTHS)
                    .is_some_and(|value| value & 0xff > *least)
            });
            self.warn(wide, message);
        }
    }
}
