//! Processor Properties Topology Table: packages, clusters, cores, threads and their caches.
//! Follows ACPI 6.5, section 5.2.30.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use crate::bytes::{u8_at, u16_at, u32_at};
use crate::finding::{Decoded, Finding};
use crate::ids::ProcessorUid;
use crate::table::Table;
use crate::tables::entry::{Entry, Layout, entries};

/// A processor hierarchy node (type 0): a CPU, or a group of nodes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Processor {
    /// Offset in the table, by which others refer to it.
    pub offset: usize,
    /// It is a physical package.
    pub package: bool,
    /// It is a thread of the core that its parent is.
    pub thread: bool,
    /// It is a CPU, not a group. Tables before revision 2 do not say; there it is a node without children.
    pub leaf: bool,
    /// Offset of the node above.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<usize>,
    /// ACPI processor UID, where it is valid: the one of the MADT for a CPU, of a container else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uid: Option<ProcessorUid>,
    /// Offsets of its own caches, first level of each chain.
    pub resources: Vec<usize>,
}

/// Contents of a cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CacheKind {
    /// Data.
    Data,
    /// Instructions.
    Instruction,
    /// Both.
    Unified,
}

/// A cache (type 1); what is not marked as valid is none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Cache {
    /// Offset in the table.
    pub offset: usize,
    /// Offset of the next level.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<usize>,
    /// Bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u32>,
    /// Number of sets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sets: Option<u32>,
    /// Ways.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ways: Option<u8>,
    /// Contents.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<CacheKind>,
    /// Bytes of a line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u16>,
}

/// The table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Pptt {
    /// Processor hierarchy nodes in table order.
    pub processors: Vec<Processor>,
    /// Caches in table order.
    pub caches: Vec<Cache>,
    /// Number of structures of each other type.
    pub other: BTreeMap<u16, usize>,
}

impl Pptt {
    /// Decode; `None` when it is another table.
    #[must_use]
    pub fn decode(table: &Table) -> Option<Decoded<Self>> {
        if table.signature.0 != *b"PPTT" {
            return None;
        }
        let mut findings = Vec::new();
        let mut pptt = Self::default();
        for entry in entries(table, 36, Layout::Bytes, &mut findings) {
            match entry.kind {
                0 if entry.has(20, "processor hierarchy node", &mut findings) => {
                    pptt.processors.extend(processor(&entry, &mut findings));
                }
                1 if entry.has(24, "cache", &mut findings) => pptt.caches.extend(cache(&entry)),
                0 | 1 => {}
                kind => {
                    let count = pptt.other.entry(kind).or_default();
                    *count = count.saturating_add(1);
                }
            }
        }
        if table.revision().unwrap_or(0) < 2 {
            pptt.mark_leaves();
        }
        Some(Decoded { value: pptt, findings })
    }

    /// The node at an offset.
    #[must_use]
    pub fn processor(&self, offset: usize) -> Option<&Processor> {
        self.processors.iter().find(|node| node.offset == offset)
    }

    /// The cache at an offset.
    #[must_use]
    pub fn cache(&self, offset: usize) -> Option<&Cache> {
        self.caches.iter().find(|cache| cache.offset == offset)
    }

    /// The node of a CPU.
    #[must_use]
    pub fn cpu(&self, uid: ProcessorUid) -> Option<&Processor> {
        self.processors.iter().find(|node| node.leaf && node.uid == Some(uid))
    }

    /// The nodes from a CPU up to the top, itself first, at most 64: a circle of parents ends there.
    pub fn path_up<'a>(&'a self, node: &'a Processor) -> impl Iterator<Item = &'a Processor> {
        let mut left: usize = 64.min(self.processors.len());
        let mut next = Some(node);
        std::iter::from_fn(move || {
            let here = next?;
            left = left.checked_sub(1)?;
            next = here.parent.and_then(|parent| self.processor(parent));
            Some(here)
        })
    }

    fn mark_leaves(&mut self) {
        let parents: Vec<usize> = self.processors.iter().filter_map(|node| node.parent).collect();
        for node in &mut self.processors {
            node.leaf = !parents.contains(&node.offset);
        }
    }
}

/// References are offsets from the start of the table; 0 is none.
fn reference(bytes: &[u8], at: usize) -> Option<usize> {
    let offset = u32_at(bytes, at).filter(|offset| *offset > 0)?;
    usize::try_from(offset).ok()
}

fn processor(entry: &Entry<'_>, findings: &mut Vec<Finding>) -> Option<Processor> {
    let bytes = entry.bytes;
    let flags = u32_at(bytes, 4)?;
    let stated = usize::try_from(u32_at(bytes, 16)?).unwrap_or(usize::MAX);
    let list = bytes.get(20..).unwrap_or_default();
    let room = list.len() / 4;
    if stated > room {
        findings.push(Finding::new(
            entry.offset.saturating_add(16),
            format!("at most {room} private resources"),
            stated.to_string(),
        ));
    }
    let resources = (0..stated.min(room)).filter_map(|index| reference(list, index.checked_mul(4)?));
    Some(Processor {
        offset: entry.offset,
        package: flags & 1 != 0,
        thread: flags & 4 != 0,
        leaf: flags & 8 != 0,
        parent: reference(bytes, 8),
        uid: u32_at(bytes, 12).filter(|_| flags & 2 != 0).map(ProcessorUid),
        resources: resources.collect(),
    })
}

fn cache(entry: &Entry<'_>) -> Option<Cache> {
    let bytes = entry.bytes;
    let flags = u32_at(bytes, 4)?;
    let valid = |bit: u32| flags >> bit & 1 == 1;
    let kind = u8_at(bytes, 21).map(|attributes| match attributes >> 2 & 3 {
        0 => CacheKind::Data,
        1 => CacheKind::Instruction,
        _ => CacheKind::Unified,
    });
    Some(Cache {
        offset: entry.offset,
        next: reference(bytes, 8),
        size: u32_at(bytes, 12).filter(|_| valid(0)),
        sets: u32_at(bytes, 16).filter(|_| valid(1)),
        ways: u8_at(bytes, 20).filter(|_| valid(2)),
        kind: kind.filter(|_| valid(4)),
        line: u16_at(bytes, 22).filter(|_| valid(6)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tables::testing::{hex, sdt};

    fn decode(revision: u8, body: &str) -> Decoded<Pptt> {
        Pptt::decode(&Table::parse(&sdt(b"PPTT", revision, &hex(body))).unwrap()).unwrap()
    }

    /// A package with a cache, and one CPU in it.
    const ONE: &str = "00 18 0000 01000000 00000000 00000000 01000000 3c000000
        01 18 0000 57000000 00000000 00002000 00080000 10 0a 4000
        00 14 0000 0a000000 24000000 07000000 00000000";

    #[test]
    fn a_cpu_finds_its_package_and_the_cache_of_it() {
        let pptt = decode(2, ONE);
        assert!(pptt.findings.is_empty(), "{:?}", pptt.findings);
        let pptt = pptt.value;
        let cpu = pptt.cpu(ProcessorUid(7)).unwrap();
        let path: Vec<bool> = pptt.path_up(cpu).map(|node| node.package).collect();
        assert_eq!(path, [false, true]);
        let cache = pptt.cache(pptt.processors[0].resources[0]).unwrap();
        assert_eq!(
            (cache.size, cache.ways, cache.line),
            (Some(0x20_0000), Some(16), Some(64))
        );
        assert_eq!((cache.sets, cache.kind), (Some(0x800), Some(CacheKind::Unified)));
    }

    #[test]
    fn revision_1_marks_no_leaves_so_nodes_without_children_are_cpus() {
        let body = ONE.replace("0a000000 24000000", "02000000 24000000");
        let pptt = decode(1, &body).value;
        assert_eq!(pptt.cpu(ProcessorUid(7)).map(|node| node.leaf), Some(true));
        assert!(!pptt.processors[0].leaf);
    }

    #[test]
    fn a_node_that_is_its_own_parent_ends_the_way_up() {
        let pptt = decode(2, "00 14 0000 0a000000 24000000 01000000 00000000").value;
        assert_eq!(pptt.path_up(&pptt.processors[0]).count(), 1);
    }

    #[test]
    fn more_resources_than_fit_are_a_finding() {
        let pptt = decode(2, "00 14 0000 0a000000 00000000 01000000 ffffffff");
        assert_eq!((pptt.findings.len(), pptt.findings[0].offset), (1, 52));
        assert!(pptt.value.processors[0].resources.is_empty());
    }
}
