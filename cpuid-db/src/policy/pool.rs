//! What a pool has in common before anything is combined: its vendor, its oldest host, the highest
//! leaves; and words as leaves.

use std::collections::BTreeMap;

use super::baseline::{Options, Refusal};
use super::host::Host;
use crate::bits::{Bit, Place, Word, Words};
use crate::database::{Database, Migratable, Vendors};
use crate::identity::Signature;
use crate::leaf::{Leaf, Subleaf};
use crate::leafset::CpuLeaves;

/// Vendors of the pool, whose rows of the table are looked at; a refusal when they do not mix.
pub(super) fn vendors(hosts: &[Host], options: &Options) -> Result<Vendors, Refusal> {
    if hosts.is_empty() {
        return Err(Refusal::NoHosts);
    }
    let named = || {
        hosts
            .iter()
            .filter_map(|host| Some((host, host.vendor_name.as_deref()?)))
    };
    let Some((first, first_vendor)) = named().next() else {
        return Ok(Vendors::ANY);
    };
    let mixes = |host: &Host, vendor: &str| {
        vendor == first_vendor || (options.hygon_with_amd && host.vendor.is_amd_like() && first.vendor.is_amd_like())
    };
    if let Some((other, other_vendor)) = named().find(|(host, vendor)| !mixes(host, vendor)) {
        return Err(Refusal::Vendors {
            first: first.name.clone(),
            first_vendor: first_vendor.to_owned(),
            other: other.name.clone(),
            other_vendor: other_vendor.to_owned(),
        });
    }
    Ok(named().fold(Vendors(0), |all, (host, _)| Vendors(all.0 | host.vendors().0)))
}

/// The host that stands for the pool: of the oldest family the one with the fewest bits in its
/// feature words, then the smaller signature. Independent of the order of hosts.
pub(super) fn oldest(hosts: &[Host]) -> usize {
    let age = |host: &Host| {
        let signature = host.cpu.leaf(1).map(|row| Signature(row.eax));
        let features: u32 = [
            (1, 0),
            (7, 0),
            (7, 1),
            (7, 2),
            (0x8000_0001, 0),
            (0x8000_0008, 0),
            (0x8000_0021, 0),
        ]
        .into_iter()
        .filter_map(|(leaf, subleaf)| host.cpu.get(Leaf(leaf), Subleaf(subleaf)))
        .map(|row| {
            row.ecx
                .count_ones()
                .saturating_add(row.edx.count_ones())
                .saturating_add(row.ebx.count_ones())
        })
        .fold(0, u32::saturating_add);
        (
            signature.is_none(),
            host.partial,
            signature.map(Signature::family),
            features,
            signature,
        )
    };
    (0..hosts.len())
        .min_by(|&left, &right| match (hosts.get(left), hosts.get(right)) {
            (Some(left), Some(right)) => age(left)
                .cmp(&age(right))
                .then_with(|| left.words.iter().cmp(right.words.iter())),
            _ => left.cmp(&right),
        })
        .unwrap_or(0)
}

/// The words as leaves and MSRs; rows that are all 0 are left out.
#[must_use]
pub fn to_leaves(words: &Words) -> CpuLeaves {
    let mut rows: BTreeMap<(Leaf, Subleaf), crate::Registers> = BTreeMap::new();
    let mut msrs: BTreeMap<u32, u64> = BTreeMap::new();
    for (word, value) in words.iter() {
        match word.place {
            Place::Leaf(leaf) => {
                *word
                    .register
                    .of_mut(rows.entry((Leaf(leaf), word.subleaf)).or_default()) = value;
            }
            Place::Msr(index) => {
                let shift = if word.register == crate::Register::Edx { 32 } else { 0 };
                *msrs.entry(index).or_default() |= u64::from(value) << shift;
            }
        }
    }
    let mut cpu = CpuLeaves::new(0);
    for ((leaf, subleaf), registers) in rows {
        cpu.insert(leaf, subleaf, registers);
    }
    for (index, value) in msrs {
        cpu.insert_msr(index, value);
    }
    cpu
}

/// The range whose highest leaf a word tells.
pub(crate) fn maximum_base(word: Word) -> Option<Leaf> {
    let Place::Leaf(leaf) = word.place else {
        return None;
    };
    let ranges = matches!(leaf, 0 | 0x8000_0000 | 0x8086_0000 | 0xc000_0000);
    (ranges && word.register == crate::Register::Eax).then_some(Leaf(leaf))
}

/// Highest leaf of a range on a host; 0 when it has none; `None` when the dump does not tell.
pub(crate) fn maximum(host: &Host, base: Leaf) -> Option<Leaf> {
    if host.cpu.row(base, Subleaf(0)).is_some() {
        let maximum = host.cpu.maximum(base).unwrap_or(Leaf(0));
        return Some(maximum).filter(|maximum| !host.partial || *maximum != base);
    }
    let tells = host.cpu.rows().any(|(leaf, ..)| leaf.base() == base);
    (!host.partial && !tells).then_some(Leaf(0))
}

/// Features a guest cannot move with.
pub(crate) fn unmigratable(db: &Database, fixed_tsc: bool) -> impl Iterator<Item = (Bit, &'static str)> {
    db.fields()
        .filter(move |field| match field.migratable {
            Some(Migratable::No) => true,
            Some(Migratable::WithTsc) => !fixed_tsc,
            Some(Migratable::Yes) | None => false,
        })
        .filter_map(|field| Some((field.bit()?, field.id)))
}
