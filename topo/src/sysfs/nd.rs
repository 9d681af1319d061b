//! Persistent memory as Linux names it: pmem block devices, device-DAX, namespaces without either.
//!
//! Follows the kernel's `driver-api/nvdimm/nvdimm.rst` and `Documentation/ABI/testing/sysfs-bus-nvdimm`:
//! a region of the bus `nd` is cut into namespaces; a namespace is used raw, below a `pfn` device
//! (fsdax), a `btt` device (sector) or a `dax` device (devdax). The block device or the dax device is
//! a directory below that device, so the path of `/sys/class/block/pmemN` tells the mode, also where
//! `/sys/bus/nd` was not captured.

use std::collections::BTreeSet;

use super::reader::Reader;
use super::topology::{NodeId, Persistent, PersistentMode};

/// All pieces of persistent memory, by name.
pub fn read(reader: &mut Reader<'_>) -> Vec<Persistent> {
    let mut found = Vec::new();
    let mut used = BTreeSet::new();
    for name in reader.source.list("/sys/class/block") {
        if name.starts_with("pmem") {
            found.extend(block(reader, &name, &mut used));
        }
    }
    for name in reader.source.list("/sys/bus/dax/devices") {
        found.extend(dax(reader, &name, &mut used));
    }
    for name in reader.source.list("/sys/bus/nd/devices") {
        if name.starts_with("namespace") && !used.contains(&name) {
            found.extend(namespace(reader, &name));
        } else if name.starts_with("region") {
            found.extend(unallocated(reader, &name));
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found
}

/// A pmem block device; partitions are no pieces of their own.
fn block(reader: &mut Reader<'_>, name: &str, used: &mut BTreeSet<String>) -> Option<Persistent> {
    let path = reader.source.resolve(&format!("/sys/class/block/{name}"));
    let (above, _) = path.rsplit_once('/')?;
    let holder = above.strip_suffix("/block")?;
    let (_, kind) = holder.rsplit_once('/')?;
    used.insert(kind.to_owned());
    used.extend(reader.some_text(&format!("{holder}/namespace")));
    let mode = match kind {
        kind if kind.starts_with("pfn") => PersistentMode::Fsdax,
        kind if kind.starts_with("btt") => PersistentMode::Sector,
        kind if kind.starts_with("namespace") => PersistentMode::Raw,
        _ => return None,
    };
    // sectors of 512 bytes, whatever the device's own are
    let size = reader
        .number::<u64>(&format!("{path}/size"))
        .and_then(|sectors| sectors.checked_mul(512));
    Some(Persistent {
        name: name.to_owned(),
        mode,
        size,
        node: node(reader, holder),
        region: region(&path),
    })
}

/// A dax device that is persistent memory; that of other memory (CXL, HBM) is a node's or nobody's.
fn dax(reader: &mut Reader<'_>, name: &str, used: &mut BTreeSet<String>) -> Option<Persistent> {
    let device = format!("/sys/bus/dax/devices/{name}");
    let path = reader.source.resolve(&device);
    if !path.contains("/ndbus") {
        return None;
    }
    let (holder, _) = path.rsplit_once('/')?;
    used.extend(reader.some_text(&format!("{holder}/namespace")));
    let driver = reader.source.link(&format!("{device}/driver")).unwrap_or_default();
    let target = reader.number::<u32>(&format!("{path}/target_node")).map(NodeId);
    let mode = match driver.rsplit('/').next() {
        Some("kmem") => PersistentMode::SystemRam { node: target },
        _ => PersistentMode::Devdax,
    };
    Some(Persistent {
        name: name.to_owned(),
        mode,
        size: reader.number(&format!("{path}/size")),
        node: node(reader, holder),
        region: region(&path),
    })
}

/// A namespace that no device stands for: it is not enabled.
fn namespace(reader: &mut Reader<'_>, name: &str) -> Option<Persistent> {
    let path = reader.source.resolve(&format!("/sys/bus/nd/devices/{name}"));
    if reader.some_text(&format!("{path}/holder")).is_some() {
        return None;
    }
    let size = reader.number::<u64>(&format!("{path}/size")).filter(|size| *size > 0)?;
    Some(Persistent {
        name: name.to_owned(),
        mode: PersistentMode::Disabled,
        size: Some(size),
        node: node(reader, &path),
        region: region(&path),
    })
}

/// What of a region is in no namespace.
fn unallocated(reader: &mut Reader<'_>, name: &str) -> Option<Persistent> {
    let path = reader.source.resolve(&format!("/sys/bus/nd/devices/{name}"));
    let size = reader
        .number::<u64>(&format!("{path}/available_size"))
        .filter(|size| *size > 0)?;
    Some(Persistent {
        name: name.to_owned(),
        mode: PersistentMode::Unallocated,
        size: Some(size),
        node: node(reader, &path),
        region: Some(name.to_owned()),
    })
}

/// `numa_node` of the device; -1 is not known.
fn node(reader: &mut Reader<'_>, device: &str) -> Option<NodeId> {
    let told = reader.number::<i64>(&format!("{device}/numa_node"))?;
    u32::try_from(told).ok().map(NodeId)
}

/// The region in whose directory a device is.
fn region(path: &str) -> Option<String> {
    path.split('/')
        .find(|name| name.starts_with("region"))
        .map(str::to_owned)
}
