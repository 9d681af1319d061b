//! Leaves of a guest as settings that any dialect can write.

use super::rules;
use super::state;
use crate::bits::{Bit, Words};
use crate::database::{Database, Vendors};
use crate::guest::{GuestCpu, Setting};
use crate::identity::Identity;
use crate::leafset::CpuLeaves;

/// A guest that asks for every named feature of some leaves, and for their identity and leaf maxima.
/// What follows from features (leaf 0xD), from its topology or from its hypervisor is left out.
#[must_use]
pub fn guest_of(db: &Database, cpu: &CpuLeaves) -> GuestCpu {
    let identity = Identity::of(cpu);
    let vendors = match identity.vendor_name {
        Some(_) => Vendors::of(identity.vendor),
        None => Vendors::ANY,
    };
    let mut guest = GuestCpu {
        vendor: identity.vendor_name.clone(),
        family: identity.signature.map(crate::Signature::family),
        model_number: identity.signature.map(crate::Signature::model),
        stepping: identity.signature.map(crate::Signature::stepping),
        brand: identity.brand.clone(),
        level: identity.max_basic.map(|leaf| leaf.0),
        extended_level: identity.max_extended.map(|leaf| leaf.0),
        ..GuestCpu::default()
    };
    for (word, value) in Words::of(cpu).iter() {
        if state::is_rebuilt(word) {
            continue;
        }
        for span in rules::spans(db, word, vendors) {
            if span.is_feature() {
                let bits = Words::from_iter([(word, value & span.mask)]);
                let asked: Vec<Bit> = bits.bits().collect();
                guest.bits.extend(asked.into_iter().map(|bit| (bit, Setting::On)));
            }
        }
    }
    guest
}
