//! The running system as a layer, its CPUID, what Xen tells of it, and what of a machine could not be read.

use std::sync::{Arc, OnceLock};

use crate::cpuid_instruction;
use crate::document::{Document, DocumentKind};
use crate::fsroot::DirTree;
use crate::origin::{LayerId, Origin};
use crate::path;
use crate::source::{Gap, Layer, Source};
use crate::tree::{ReadError, Tree};
use crate::xen::{self, Presence, Xen, XenError};

/// [`Layer::kind`] of the running system.
pub(crate) const KIND: &str = "live";

/// The running system; without a readable `/` it has no tree.
pub(crate) fn layer(id: LayerId) -> Layer {
    let tree = DirTree::live().ok();
    let notes = tree.is_none().then(|| Gap {
        what: "/".to_owned(),
        why: "the root directory cannot be opened".to_owned(),
        how: None,
    });
    Layer {
        origin: Origin {
            layer: id,
            label: Arc::from(KIND),
            path: Arc::from(""),
        },
        kind: KIND,
        tree: tree.map(|tree| Box::new(tree) as Box<dyn Tree>),
        documents: Vec::new(),
        notes: notes.into_iter().collect(),
    }
}

/// CPUID of the running system, read when first asked for: one CPU after the other takes a while.
pub(crate) fn cpuid(layer: &Layer) -> Option<&'static Document> {
    static CPUID: OnceLock<Option<Document>> = OnceLock::new();
    let document = CPUID.get_or_init(|| {
        let online = layer.tree.as_ref()?.read("/sys/devices/system/cpu/online");
        let online = online.unwrap_or_default();
        let cpus = cpuid_instruction::cpu_list(&String::from_utf8_lossy(&online));
        Some(Document {
            kind: DocumentKind::CpuidRaw,
            origin: Origin {
                path: Arc::from("cpuid"),
                ..layer.origin.clone()
            },
            bytes: cpuid_instruction::dump_all(&cpus)?.into_bytes(),
        })
    });
    document.as_ref()
}

/// What Xen tells its control domain, as text of one of Xen's tools; asked when first asked for.
pub(crate) fn of_xen(layer: &Layer, kind: DocumentKind) -> Option<&'static Document> {
    static XEN: OnceLock<Result<Xen, XenError>> = OnceLock::new();
    static DOCUMENTS: [OnceLock<Option<Document>>; 3] = [const { OnceLock::new() }; 3];
    let (number, path) = match kind {
        DocumentKind::XlInfo => (0, "xl-info"),
        DocumentKind::XenUcode => (1, "xen-ucode"),
        DocumentKind::CpuidXenPolicies => (2, "xen-cpuid"),
        _ => return None,
    };
    let tree = layer.tree.as_deref()?;
    let document = DOCUMENTS.get(number)?.get_or_init(|| {
        let xen = XEN.get_or_init(|| Xen::below(tree)).as_ref().ok()?;
        let text = match kind {
            DocumentKind::XlInfo => xen.xl_info(tree),
            DocumentKind::XenUcode => xen.ucode_text(),
            _ => xen.policies(),
        };
        Some(Document {
            kind,
            origin: Origin {
                path: Arc::from(path),
                ..layer.origin.clone()
            },
            bytes: text.ok()?.into_bytes(),
        })
    });
    document.as_ref()
}

/// All that [`of_xen`] gives, where the layer is the running system.
pub(crate) fn xen_documents(layer: &Layer) -> impl Iterator<Item = &'static Document> {
    let kinds: &[DocumentKind] = match layer.kind {
        KIND => &[
            DocumentKind::XlInfo,
            DocumentKind::XenUcode,
            DocumentKind::CpuidXenPolicies,
        ],
        _ => &[],
    };
    kinds.iter().filter_map(move |kind| of_xen(layer, *kind))
}

/// What Xen tells and is not asked for here: by its guests, and by dom0 without root.
fn xen_gap(source: &Source) -> Option<Gap> {
    let layer = source.layers.iter().find(|layer| layer.kind == KIND)?;
    let tree = layer.tree.as_deref()?;
    let presence = xen::presence(tree);
    if presence == Presence::None || of_xen(layer, DocumentKind::XlInfo).is_some() {
        return None;
    }
    let why = match Xen::below(tree).and_then(|xen| xen.xl_info(tree)) {
        Err(error) => error.to_string(),
        Ok(_) => return None,
    };
    Some(Gap {
        what: "Xen's view of the machine".to_owned(),
        why,
        how: (presence == Presence::Control && !rustix::process::geteuid().is_root())
            .then(|| "sudo delid topo".to_owned()),
    })
}

const SMBIOS_KINDS: [DocumentKind; 4] = [
    DocumentKind::Dmidecode,
    DocumentKind::SmbiosImage,
    DocumentKind::SmbiosTable,
    DocumentKind::SmbiosRsmb,
];
const ACPI_KINDS: [DocumentKind; 2] = [DocumentKind::Acpidump, DocumentKind::AcpiTable];
const PCI_KINDS: [DocumentKind; 2] = [DocumentKind::Lspci, DocumentKind::PciConfig];

/// What the machine's firmware tables and buses would say and this source does not.
pub(crate) fn gaps(source: &Source, config_length: &dyn Fn(&str) -> Option<usize>) -> Vec<Gap> {
    let missing = |kinds: &[DocumentKind]| kinds.iter().all(|kind| source.documents(*kind).next().is_none());
    let mut gaps = Vec::new();
    if missing(&SMBIOS_KINDS) {
        gaps.extend(smbios(source));
    }
    if missing(&ACPI_KINDS) {
        gaps.extend(acpi(source));
    }
    if missing(&PCI_KINDS) {
        gaps.extend(pci(source, config_length));
    }
    if missing(&[DocumentKind::XlInfo]) {
        gaps.extend(xen_gap(source));
    }
    gaps
}

fn smbios(source: &Source) -> Option<Gap> {
    let entries = "/sys/firmware/dmi/entries";
    match source.read("/sys/firmware/dmi/tables/DMI") {
        Ok(_) => None,
        Err(ReadError::Absent) if can_read_one(source, entries, "raw") => None,
        Err(error) => Some(gap(source, "SMBIOS", &error)),
    }
}

fn acpi(source: &Source) -> Option<Gap> {
    let tables = "/sys/firmware/acpi/tables";
    let mut error = ReadError::Absent;
    for name in source.list(tables) {
        match source.read(&path::join(tables, &name)) {
            Ok(_) => return None,
            Err(other) => error = error.or(other),
        }
    }
    Some(gap(source, "ACPI tables", &error))
}

fn can_read_one(source: &Source, directory: &str, name: &str) -> bool {
    source
        .list(directory)
        .first()
        .is_some_and(|entry| source.read(&path::join(directory, &format!("{entry}/{name}"))).is_ok())
}

/// Functions whose configuration space is given short: 64 bytes are what anyone may read.
fn pci(source: &Source, known: &dyn Fn(&str) -> Option<usize>) -> Option<Gap> {
    let devices = "/sys/bus/pci/devices";
    let names = source.list(devices);
    let length = |name: &str| match known(name) {
        Some(length) => Ok(length),
        None => source
            .read(&path::join(devices, &format!("{name}/config")))
            .map(|(bytes, _)| bytes.len()),
    };
    let first = length(names.first()?);
    let all_short = names
        .iter()
        .all(|name| length(name).map_or(true, |length| length <= 64));
    let error = first.err().unwrap_or(ReadError::Denied);
    all_short.then(|| gap(source, "PCI configuration after byte 64", &error))
}

fn gap(source: &Source, what: &str, error: &ReadError) -> Gap {
    let root = rustix::process::geteuid().is_root();
    let (why, how) = match (source.is_live(), error) {
        (true, ReadError::Denied) if root => {
            let why = "kept from root too, as in containers and under kernel lockdown";
            (why.to_owned(), None)
        }
        (true, ReadError::Denied) => ("root only".to_owned(), Some("sudo delid topo")),
        (true, ReadError::Absent) => ("this system gives none".to_owned(), None),
        (true, ReadError::Failed(reason)) => (reason.clone(), None),
        (false, _) => ("not captured".to_owned(), Some("sudo delid capture")),
    };
    Gap {
        what: what.to_owned(),
        why,
        how: how.map(str::to_owned),
    }
}
