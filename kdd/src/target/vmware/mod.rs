//! VMware: memory in a `vmem` file, state in a `vmss` (suspended) or `vmsn` (snapshot) file beside it, or
//! memory in the state file itself.
//!
//! A state file is a list of groups, each a list of tags (`tags.rs`). The group `memory` tells where in the
//! address space the pages of the memory lie: `regionPPN` is the first physical page of a region,
//! `regionPageNum` its first page in the file, `regionSize` its length in pages. Without regions an offset
//! is an address. There is no specification: this follows what readers of the format agree on (crash's
//! `vmware_vmss.c`, illumos' `mdb`, Volatility).

mod cpu;
mod tags;

use std::collections::BTreeMap;

use super::fields::Found;
use super::{Capture, Container, Hints, Input, OpenError, Vcpu};
use crate::damage::Damage;
use crate::memory::address::PAGE;
use crate::memory::{Backing, Gpa, Segment, Source, Sparse};
use tags::{Data, State, Tag};

/// Whether a file is a state file.
#[must_use]
pub fn recognise(head: &[u8]) -> bool {
    tags::magic(head).is_some()
}

/// The state file beside a `vmem` file, which has no mark of its own.
#[must_use]
pub fn state_beside(input: &Input) -> Option<&Source> {
    let named = |extension: &str| input.beside.iter().find(|(other, _)| other == extension);
    let found = [named("vmss"), named("vmsn")].into_iter().flatten();
    found
        .map(|(_, source)| source)
        .find(|source| recognise(&source.bytes(0, 16)))
}

/// Opens a state file, with the memory in it or beside it.
///
/// # Errors
/// When its list of groups cannot be read.
pub fn open(input: &Input) -> Result<Capture, OpenError> {
    let vmem = input.beside.iter().find(|(extension, _)| extension == "vmem");
    capture(input, &input.bytes, vmem.map(|(_, source)| source))
}

/// Opens a `vmem` file with the state file beside it.
///
/// # Errors
/// When the state's list of groups cannot be read.
pub fn open_memory(input: &Input, state: &Source) -> Result<Capture, OpenError> {
    capture(input, state, Some(&input.bytes))
}

/// A region of the address space, in pages.
#[derive(Default)]
struct Region {
    physical: Option<u64>,
    file: Option<u64>,
    pages: Option<u64>,
}

/// What the tags say.
#[derive(Default)]
struct Read {
    count: Option<u64>,
    regions: BTreeMap<u32, Region>,
    /// Offset and length of memory in the state file.
    inside: Option<(u64, u64)>,
    vcpus: Vec<Vcpu>,
    facts: Vec<(String, String)>,
}

fn capture(input: &Input, state: &Source, vmem: Option<&Source>) -> Result<Capture, OpenError> {
    let groups = State::read(state).map_err(|damage| OpenError::Damaged {
        name: input.name.clone(),
        damage,
    })?;
    let mut found = Found::default();
    let read = read(&groups, &mut found);
    let (source, base, length) = match (read.inside, vmem) {
        (Some((offset, length)), _) => (state.clone(), offset, length.min(state.len().saturating_sub(offset))),
        (None, Some(vmem)) => (vmem.clone(), 0, vmem.len()),
        (None, None) => {
            found.push(Damage::file(
                "vmware-memory",
                0,
                "memory in the state file or a vmem file beside it",
                "neither",
            ));
            (state.clone(), 0, 0)
        }
    };
    let segments = segments(&read, base, length, &mut found);
    let place = if read.inside.is_some() {
        "memory in the state file"
    } else {
        "memory in a vmem file"
    };
    Ok(Capture {
        container: Container {
            format: "vmware",
            description: format!(
                "VMware state, magic {:#x}, {} regions, {place}",
                groups.magic,
                read.regions.len()
            ),
            facts: read.facts,
        },
        memory: Box::new(Sparse::new(source, segments)),
        vcpus: read.vcpus,
        hints: Hints::default(),
        virtual_memory: None,
        damage: found.finish(),
    })
}

fn read(groups: &State<'_>, found: &mut Found) -> Read {
    let mut read = Read::default();
    groups.each("Checkpoint", found, |tag| checkpoint(&mut read.facts, tag));
    let mut packed = None;
    groups.each("memory", found, |tag| memory(&mut read, &mut packed, tag));
    if let Some(offset) = packed {
        found.push(Damage::file(
            "vmware-memory",
            offset,
            "memory that is not packed",
            "a packed block",
        ));
    }
    let mut cpus = cpu::Cpus::default();
    groups.each("cpu", found, |tag| cpus.take(tag));
    read.vcpus = cpus.finish();
    read
}

/// Tags of the group `memory`.
fn memory(read: &mut Read, packed: &mut Option<u64>, tag: &Tag<'_>) {
    let index = tag.indices.first().copied().unwrap_or_default();
    let small = |tag: &Tag<'_>| match tag.data {
        Data::Value(value) => Some(value),
        Data::Block { .. } => None,
    };
    match tag.name {
        b"regionsCount" => read.count = small(tag),
        // A machine has a few; the number keeps a damaged file from making millions.
        b"regionPPN" if index < 1024 => read.regions.entry(index).or_default().physical = small(tag),
        b"regionPageNum" if index < 1024 => read.regions.entry(index).or_default().file = small(tag),
        b"regionSize" if index < 1024 => read.regions.entry(index).or_default().pages = small(tag),
        b"Memory" => match tag.data {
            Data::Block {
                offset, packed: true, ..
            } => *packed = Some(offset),
            Data::Block { offset, length, .. } if length > 0 => read.inside = read.inside.or(Some((offset, length))),
            _ => {}
        },
        _ => {}
    }
}

/// Tags that say which program wrote the file.
fn checkpoint(facts: &mut Vec<(String, String)>, tag: &Tag<'_>) {
    let name = match tag.name {
        b"ProductName" => "product",
        b"VersionNumber" => "version",
        b"memSize" => "memory in MiB",
        _ => return,
    };
    let value = match tag.data {
        Data::Value(value) => value.to_string(),
        Data::Block { bytes, .. } => {
            let text = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
            String::from_utf8_lossy(text).into_owned()
        }
    };
    if !value.is_empty() {
        facts.push((name.to_owned(), value));
    }
}

/// Segments of the memory, which has `length` bytes from `base` on.
fn segments(read: &Read, base: u64, length: u64, found: &mut Found) -> Vec<Segment> {
    if read.count.unwrap_or(0) == 0 || read.regions.is_empty() {
        return vec![Segment {
            start: Gpa(0),
            length,
            backing: Backing::File(base),
        }];
    }
    let mut segments = Vec::new();
    for (index, region) in &read.regions {
        let known = region.physical.zip(region.file).zip(region.pages);
        let bytes = |pages: u64| pages.checked_mul(PAGE);
        let whole = known.and_then(|((physical, file), pages)| Some((bytes(physical)?, bytes(file)?, bytes(pages)?)));
        let Some((start, offset, size)) = whole else {
            let seen = format!("region {index} without one of them");
            found.push(Damage::file(
                "vmware-region",
                0,
                "page, place in the file and size",
                seen,
            ));
            continue;
        };
        let there = size.min(length.saturating_sub(offset));
        if there < size {
            let expected = format!("{size:#x} bytes of region {index}");
            let place = base.saturating_add(offset);
            found.push(Damage::file(
                "vmware-region",
                place,
                expected,
                format!("{there:#x} before the memory ends"),
            ));
        }
        segments.push(Segment {
            start: Gpa(start),
            length: there,
            backing: Backing::File(base.saturating_add(offset)),
        });
    }
    segments
}
