//! The dumps that lie beside a captured root, or alone in a directory.

use crate::codec::{self, Codec};
use crate::detect;
use crate::document::{Document, DocumentKind};
use crate::layout::pu_number;
use crate::origin::Origin;
use crate::path;
use crate::source::Gap;
use crate::tarball;
use crate::tree::{FILE_LIMIT, Subtree};

/// Files looked at in one layer.
const FILE_COUNT_LIMIT: usize = 4000;

/// Bytes of dumps kept for one layer.
const TOTAL_LIMIT: usize = 512 << 20;

/// How far down dumps are looked for below a place.
const DEPTH: usize = 4;

/// Dumps as they are found.
pub(crate) struct Dumps<'a> {
    layer: &'a Origin,
    files: usize,
    bytes: usize,
    /// What was found.
    pub(crate) documents: Vec<Document>,
    /// What was damaged, or more than is looked at.
    pub(crate) notes: Vec<Gap>,
}

impl<'a> Dumps<'a> {
    pub(crate) fn new(layer: &'a Origin) -> Self {
        Self {
            layer,
            files: 0,
            bytes: 0,
            documents: Vec::new(),
            notes: Vec::new(),
        }
    }

    fn origin(&self, place: &str) -> Origin {
        Origin {
            path: place.trim_start_matches('/').into(),
            ..self.layer.clone()
        }
    }

    fn note(&mut self, what: &str, why: String) {
        self.notes.push(Gap {
            what: what.trim_start_matches('/').to_owned(),
            why,
            how: None,
        });
    }

    /// Looks at a file, or at every file below a directory.
    pub(crate) fn look(&mut self, tree: &dyn Subtree, place: &str) {
        self.look_below(tree, place, DEPTH);
    }

    fn look_below(&mut self, tree: &dyn Subtree, place: &str, depth: usize) {
        if tree.link(place).is_some() {
            return;
        }
        if tree.is_directory(place) {
            if depth > 0 {
                for name in tree.list(place) {
                    self.look_below(tree, &path::join(place, &name), depth - 1);
                }
            }
            return;
        }
        self.files += 1;
        if self.files == FILE_COUNT_LIMIT {
            self.note(
                place,
                format!("more than {FILE_COUNT_LIMIT} files: the rest is not looked at"),
            );
        }
        if self.files < FILE_COUNT_LIMIT
            && let Ok(bytes) = tree.read(place)
        {
            self.take(bytes, place);
        }
    }

    /// Recognises the bytes of one file, packed or not.
    pub(crate) fn take(&mut self, bytes: Vec<u8>, place: &str) {
        let bytes = match codec::detect(&bytes) {
            Codec::Plain => bytes,
            _ => {
                let (unpacked, damage) = codec::unpack(&bytes, FILE_LIMIT);
                if let Some(damage) = damage {
                    let after = unpacked.len();
                    self.note(place, format!("damaged after {after} unpacked bytes: {damage}"));
                }
                unpacked
            }
        };
        if tarball::is_tar(&bytes) {
            return;
        }
        let bytes = utf8_of_utf16(bytes);
        self.bytes = self.bytes.saturating_add(bytes.len());
        if self.bytes > TOTAL_LIMIT {
            self.note(place, format!("more than {TOTAL_LIMIT} bytes of dumps: not looked at"));
            return;
        }
        self.recognise(bytes, place);
    }

    /// Recognises unpacked bytes.
    fn recognise(&mut self, bytes: Vec<u8>, place: &str) {
        let origin = self.origin(place);
        let found = detect::detect(&bytes);
        if let [(kind, range)] = found.as_slice()
            && range.len() == bytes.len()
        {
            let bytes = join_hwloc(*kind, 0, bytes);
            self.documents.push(Document {
                kind: *kind,
                origin,
                bytes,
            });
            return;
        }
        for (kind, range) in found {
            let bytes = bytes.get(range).unwrap_or_default().to_vec();
            self.documents.push(Document {
                kind,
                origin: origin.clone(),
                bytes,
            });
        }
    }

    /// The `pu<N>` files of a directory as one dump, in order of their numbers.
    pub(crate) fn hwloc_cpuid(&mut self, tree: &dyn Subtree, directory: &str) {
        let mut files: Vec<(u32, String)> = tree
            .list(directory)
            .into_iter()
            .filter_map(|name| Some((pu_number(&name)?, name)))
            .collect();
        files.sort();
        let mut joined = Vec::new();
        for (number, name) in files {
            match tree.read(&path::join(directory, &name)) {
                Ok(bytes) if joined.len() < TOTAL_LIMIT => {
                    joined.extend(join_hwloc(DocumentKind::CpuidHwloc, number, bytes));
                }
                Ok(_) => break,
                Err(error) => self.note(&path::join(directory, &name), error.to_string()),
            }
        }
        if !joined.is_empty() {
            self.documents.push(Document {
                kind: DocumentKind::CpuidHwloc,
                origin: self.origin(directory),
                bytes: joined,
            });
        }
    }
}

/// Text that Windows programs save with a byte order mark, as UTF-8; other bytes unchanged.
fn utf8_of_utf16(bytes: Vec<u8>) -> Vec<u8> {
    let Some(text) = bytes.strip_prefix(&[0xff, 0xfe]) else {
        return bytes;
    };
    let (pairs, _) = text.as_chunks::<2>();
    let units = pairs.iter().map(|pair| u16::from_le_bytes(*pair));
    let letters = char::decode_utf16(units).map(|unit| unit.unwrap_or('\u{fffd}'));
    letters.collect::<String>().into_bytes()
}

/// A `pu<N>` file behind its line `CPU N:`; other kinds and joined files unchanged.
fn join_hwloc(kind: DocumentKind, number: u32, bytes: Vec<u8>) -> Vec<u8> {
    if kind != DocumentKind::CpuidHwloc || bytes.starts_with(b"CPU ") {
        return bytes;
    }
    let mut joined = format!("CPU {number}:\n").into_bytes();
    joined.extend(bytes);
    if !joined.ends_with(b"\n") {
        joined.push(b'\n');
    }
    joined
}

/// A layer that is one file, in words.
pub(crate) fn kind_in_words(documents: &[Document]) -> Option<&'static str> {
    let first = documents.first()?.kind;
    let of_xl = |document: &Document| matches!(document.kind, DocumentKind::XlInfo | DocumentKind::CpuidFeatureset);
    if first == DocumentKind::XlInfo && documents.iter().all(of_xl) {
        return Some("xl info text");
    }
    if documents.iter().any(|document| document.kind != first) {
        return Some("file with several dumps");
    }
    Some(match first {
        DocumentKind::Lspci => "lspci text",
        DocumentKind::Dmidecode => "dmidecode text",
        DocumentKind::SmbiosImage => "SMBIOS image",
        DocumentKind::SmbiosTable => "SMBIOS table",
        DocumentKind::SmbiosEntryPoint => "SMBIOS entry point",
        DocumentKind::SmbiosRsmb => "Windows RSMB table",
        DocumentKind::Acpidump => "acpidump text",
        DocumentKind::AcpiTable => "ACPI table",
        DocumentKind::CpuidRaw => "cpuid -r text",
        DocumentKind::CpuidAida64 => "AIDA64 CPUID text",
        DocumentKind::CpuidHwloc => "hwloc-gather-cpuid",
        DocumentKind::CpuidKcpuid => "kcpuid -r text",
        DocumentKind::CpuidLibcpuid => "libcpuid raw text",
        DocumentKind::CpuidLibcpuidTest => "libcpuid test file",
        DocumentKind::CpuidWords => "rows of /dev/cpu/N/cpuid",
        DocumentKind::CpuidLibvirt => "libvirt cpudata",
        DocumentKind::CpuidXenPolicies => "xen-cpuid -p text",
        DocumentKind::CpuidFirecracker => "Firecracker CPU JSON",
        DocumentKind::CpuidJson => "delid CPUID JSON",
        DocumentKind::CpuidFeatureset => "Xen featureset words",
        DocumentKind::XlInfo => "xl info text",
        DocumentKind::XenUcode => "xen-ucode text",
        DocumentKind::ProcCpuinfo => "/proc/cpuinfo",
        DocumentKind::Lscpu => "lscpu text",
        DocumentKind::LscpuJson => "lscpu JSON",
        DocumentKind::LscpuTable => "lscpu table",
        DocumentKind::UdevDatabase => "udevadm info --export-db text",
        DocumentKind::PciConfig => "PCI configuration space",
    })
}
