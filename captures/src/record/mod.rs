//! Writes a machine down: a tar archive, packed with Zstandard, that opens again as a source.
//!
//! The same machine gives the same bytes: names are sorted, times and owners are zero, and no
//! date is written. Below the top directory lie `sys/`, `proc/` and `etc/` as on the machine,
//! `cpuid/cpuid-r.txt`, `dumps/` (what came as dumps) and `manifest.json`.

mod gather;
mod places;
mod redact;

use std::collections::BTreeMap;
use std::io::{self, Write};

use ruzstd::encoding::{CompressionLevel, compress_to_vec};
use serde::Serialize;
use thiserror::Error;

use crate::document::DocumentKind;
use crate::live;
use crate::source::Source;
use gather::Item;

/// Directory at the top of the archive.
const TOP: &str = "delid-capture";

/// Version of the layout.
const FORMAT: u32 = 1;

/// How a capture is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RecordOptions {
    /// Take serial numbers, UUIDs, asset tags, MAC addresses, keys and host names out.
    pub redact: bool,
}

/// A file that is there and could not be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unread {
    /// Its path on the machine.
    pub path: String,
    /// Why.
    pub why: String,
}

/// What a capture says about itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Manifest {
    /// Version of the layout.
    pub format: u32,
    /// Version of delid that wrote it.
    pub delid_version: String,
    /// Whether the running system was read, by root.
    pub privileged: bool,
    /// Whether identifying numbers and names were taken out.
    pub redacted: bool,
    /// Files written.
    pub files: usize,
    /// Symbolic links written.
    pub links: usize,
    /// Bytes of the files.
    pub bytes: usize,
    /// What could not be read.
    pub not_readable: Vec<Unread>,
    /// Dumps of the source that are left out, as a redacted capture holds no text of other tools.
    pub left_out: Vec<String>,
}

impl Manifest {
    /// What was written and what was not readable, in a few lines; files of one cause are counted.
    #[must_use]
    pub fn summary(&self) -> String {
        let redacted = if self.redacted { ", redacted" } else { "" };
        let mut text = format!(
            "{} files, {} links, {} KiB{redacted}\n",
            self.files,
            self.links,
            self.bytes / 1024
        );
        let mut causes: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for unread in &self.not_readable {
            causes
                .entry(unread.why.as_str())
                .or_default()
                .push(unread.path.as_str());
        }
        for (why, paths) in causes {
            let first = paths.first().copied().unwrap_or_default();
            let more = paths.len().saturating_sub(1);
            let tail = if more > 0 {
                format!(" and {more} more")
            } else {
                String::new()
            };
            text.push_str(&format!("not readable ({why}): {first}{tail}\n"));
        }
        for name in &self.left_out {
            text.push_str(&format!("left out of a redacted capture: {name}\n"));
        }
        text
    }
}

/// Why a capture could not be written.
#[derive(Debug, Error)]
pub enum RecordError {
    /// The source gave nothing to write.
    #[error("nothing to record: no file of a machine could be read")]
    Nothing,
    /// Writing failed.
    #[error("writing the capture: {0}")]
    Write(#[from] io::Error),
    /// The manifest could not be written as JSON.
    #[error("writing manifest.json: {0}")]
    Manifest(#[from] serde_json::Error),
}

/// Writes everything any command reads of `source`.
///
/// # Errors
/// See [`RecordError`]; a file that cannot be read is no error and stands in the manifest.
pub fn record(source: &Source, out: &mut dyn Write, options: RecordOptions) -> Result<Manifest, RecordError> {
    let gathered = gather::gather(source);
    let mut items = gathered.items;
    let mut left_out = Vec::new();
    dumps(source, options, &mut items, &mut left_out);
    if items.is_empty() {
        return Err(RecordError::Nothing);
    }
    if options.redact {
        items = redact::redact_all(items);
    }
    let unread = gathered.unread.into_iter();
    let manifest = Manifest {
        format: FORMAT,
        delid_version: env!("CARGO_PKG_VERSION").to_owned(),
        privileged: source.is_live() && rustix::process::geteuid().is_root(),
        redacted: options.redact,
        files: items.values().filter(|item| matches!(item, Item::File(_))).count(),
        links: items.values().filter(|item| matches!(item, Item::Link(_))).count(),
        bytes: items.values().map(length).sum(),
        not_readable: unread.map(|(path, why)| Unread { path, why }).collect(),
        left_out,
    };
    let mut json = serde_json::to_vec_pretty(&manifest)?;
    json.push(b'\n');
    items.insert("/manifest.json".to_owned(), Item::File(json));
    let packed = compress_to_vec(archive(&items)?.as_slice(), CompressionLevel::Fastest);
    out.write_all(&packed)?;
    Ok(manifest)
}

fn length(item: &Item) -> usize {
    match item {
        Item::File(bytes) => bytes.len(),
        _ => 0,
    }
}

/// CPUID goes to its own place; other dumps are numbered in their order.
fn dumps(source: &Source, options: RecordOptions, items: &mut BTreeMap<String, Item>, left_out: &mut Vec<String>) {
    let cpuid = source.documents(DocumentKind::CpuidRaw);
    for (number, document) in cpuid.enumerate() {
        let place = match number {
            0 => "/cpuid/cpuid-r.txt".to_owned(),
            _ => format!("/cpuid/cpuid-r-{number}.txt"),
        };
        items.insert(place, Item::File(document.bytes.clone()));
    }
    let documents = source.layers.iter().flat_map(|layer| &layer.documents);
    let others = documents.filter(|document| document.kind != DocumentKind::CpuidRaw);
    for (number, document) in others.enumerate() {
        if options.redact {
            left_out.push(document.origin.to_string());
            continue;
        }
        let place = format!("/dumps/{number:03}");
        items.insert(place, Item::File(document.bytes.clone()));
    }
    of_xen(source, options, items);
}

/// What Xen tells the running system: made here, so that a redacted capture can hold it too.
fn of_xen(source: &Source, options: RecordOptions, items: &mut BTreeMap<String, Item>) {
    for layer in &source.layers {
        for document in live::xen_documents(layer) {
            let mut bytes = document.bytes.clone();
            if options.redact {
                redact::xl_info(&mut bytes);
            }
            items.insert(format!("/dumps/{}", document.origin.path), Item::File(bytes));
        }
    }
}

fn archive(items: &BTreeMap<String, Item>) -> io::Result<Vec<u8>> {
    let mut builder = tar::Builder::new(Vec::new());
    for (place, item) in items {
        let path = format!("{TOP}{place}");
        let mut header = tar::Header::new_gnu();
        header.set_mtime(0);
        header.set_uid(0);
        header.set_gid(0);
        header.set_size(0);
        match item {
            Item::Directory => {
                header.set_entry_type(tar::EntryType::Directory);
                header.set_mode(0o755);
                builder.append_data(&mut header, format!("{path}/"), io::empty())?;
            }
            Item::File(bytes) => {
                header.set_mode(0o644);
                header.set_size(bytes.len() as u64);
                builder.append_data(&mut header, path, bytes.as_slice())?;
            }
            Item::Link(target) => {
                header.set_entry_type(tar::EntryType::Symlink);
                header.set_mode(0o777);
                builder.append_link(&mut header, path, target)?;
            }
        }
    }
    builder.into_inner()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::path::Path;

    use super::*;

    fn write(root: &Path, path: &str, bytes: &[u8]) {
        let file = root.join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, bytes).unwrap();
    }

    fn machine() -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        let at = root.path();
        write(at, "sys/devices/system/cpu/online", b"0-1\n");
        for cpu in 0..2 {
            let cpu = format!("sys/devices/system/cpu/cpu{cpu}");
            write(at, &format!("{cpu}/topology/core_id"), b"0\n");
            write(at, &format!("{cpu}/cache/index0/size"), b"32K\n");
            write(at, &format!("{cpu}/cpuidle/state0/name"), b"POLL\n");
        }
        let device = "sys/devices/pci0000:00/0000:00:01.0/0000:01:00.0";
        write(at, &format!("{device}/config"), &[0x86; 4096]);
        write(at, &format!("{device}/net/eth0/address"), b"52:54:00:12:34:56\n");
        write(at, &format!("{device}/driver_override"), b"(null)\n");
        write(at, "sys/devices/pci0000:00/0000:00:01.0/class", b"0x060400\n");
        let bus = at.join("sys/bus/pci/devices");
        fs::create_dir_all(&bus).unwrap();
        let target = "../../../devices/pci0000:00/0000:00:01.0";
        symlink(target, bus.join("0000:00:01.0")).unwrap();
        symlink(format!("{target}/0000:01:00.0"), bus.join("0000:01:00.0")).unwrap();
        let net = at.join("sys/class/net");
        fs::create_dir_all(&net).unwrap();
        let target = "../../devices/pci0000:00/0000:00:01.0/0000:01:00.0/net/eth0";
        symlink(target, net.join("eth0")).unwrap();
        symlink("../../../0000:01:00.0", at.join(device).join("net/eth0/device")).unwrap();
        write(at, "proc/self/mounts", b"cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n");
        write(at, "proc/self/cgroup", b"0::/a/b\n");
        write(at, "sys/fs/cgroup/a/cpuset.cpus.effective", b"0\n");
        write(at, "sys/fs/cgroup/a/b/cpuset.mems", b"\n");
        write(at, "sys/fs/cgroup/a/b/pids.max", b"9\n");
        write(at, "proc/cpuinfo", b"processor\t: 0\n\n");
        write(at, "proc/sys/kernel/hostname", b"box\n");
        write(at, "cpuid/pu0", b"1 0 0 0 0 => d 756e6547 6c65746e 49656e69\n");
        root
    }

    fn recorded(root: &Path, redact: bool) -> (Manifest, Source, Vec<u8>) {
        let source = Source::open(&[root]).unwrap();
        let mut bytes = Vec::new();
        let manifest = record(&source, &mut bytes, RecordOptions { redact }).unwrap();
        let file = root.join("capture");
        fs::write(&file, &bytes).unwrap();
        let reopened = Source::open(&[&file]).unwrap();
        fs::remove_file(&file).unwrap();
        (manifest, reopened, bytes)
    }

    #[test]
    fn a_capture_opens_again_with_the_same_bytes() {
        let root = machine();
        let (manifest, reopened, _) = recorded(root.path(), false);
        let original = Source::open(&[root.path()]).unwrap();
        assert_eq!(reopened.layers[0].kind, "delid capture");
        assert!(reopened.layers[0].notes.is_empty());
        assert!(manifest.not_readable.is_empty());
        for path in [
            "/sys/devices/system/cpu/online",
            "/sys/devices/system/cpu/cpu1/cache/index0/size",
            "/sys/bus/pci/devices/0000:01:00.0/config",
            "/sys/class/net/eth0/address",
            "/sys/class/net/eth0/device/config",
            "/proc/cpuinfo",
            "/sys/fs/cgroup/a/cpuset.cpus.effective",
            "/sys/fs/cgroup/a/b/cpuset.mems",
        ] {
            let (bytes, _) = reopened.read(path).unwrap();
            assert_eq!(bytes, original.read(path).unwrap().0, "{path}");
            assert_eq!(reopened.resolve(path), original.resolve(path), "{path}");
        }
        for path in ["/sys/bus/pci/devices", "/sys/devices/system/cpu", "/sys/class/net"] {
            assert_eq!(reopened.list(path), original.list(path), "{path}");
        }
        assert!(!reopened.exists("/sys/devices/system/cpu/cpu0/cpuidle"));
        assert!(!reopened.exists("/sys/fs/cgroup/a/b/pids.max"));
        let dump = |source: &Source| {
            let mut documents = source.documents(DocumentKind::CpuidHwloc);
            documents.next().map(|document| document.bytes.clone())
        };
        assert!(dump(&original).is_some());
        assert_eq!(dump(&reopened), dump(&original));
    }

    #[test]
    fn the_same_machine_gives_the_same_archive() {
        let root = machine();
        assert_eq!(recorded(root.path(), false).2, recorded(root.path(), false).2);
    }

    #[test]
    fn a_redacted_capture_names_nobody_and_says_so() {
        let root = machine();
        let (manifest, reopened, _) = recorded(root.path(), true);
        assert!(manifest.redacted);
        assert_eq!(manifest.left_out.len(), 1);
        let text = |path: &str| reopened.text(path).unwrap();
        assert_eq!(text("/sys/class/net/eth0/address"), "00:00:00:00:00:00");
        assert_eq!(text("/proc/sys/kernel/hostname"), "XXX");
        assert_eq!(text("/sys/devices/system/cpu/online"), "0-1");
    }

    #[test]
    fn the_running_system_can_be_recorded() {
        let mut bytes = Vec::new();
        let live = Source::live();
        let manifest = record(&live, &mut bytes, RecordOptions::default()).unwrap();
        assert!(manifest.files > 10);
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("x");
        fs::write(&file, &bytes).unwrap();
        let reopened = Source::open(&[&file]).unwrap();
        let cpus = "/sys/devices/system/cpu/online";
        assert_eq!(reopened.text(cpus), live.text(cpus));
        let bus = "/sys/bus/pci/devices";
        assert_eq!(reopened.list(bus), live.list(bus));
    }
}
