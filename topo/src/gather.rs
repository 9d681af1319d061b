//! From the layers of a source to evidence: every dump and every file is handed to its parser.
//!
//! Nothing is combined here; [`crate::merge`] does that.

use captures::{Document, DocumentKind, Origin, Source};
use cpuid_db::{LeafSet, formats};

use crate::acpi::Tables;
use crate::evidence::{Damage, Decoded, Place};
use crate::model::SourceDamage;
use crate::pci::function::Function;
use crate::pci::names::Names;
use crate::smbios::Smbios;
use crate::sysfs::CpuTopology;
use crate::xen::{Domain, XenUcode, XlInfo};
use crate::{pci, smbios, sysfs, xen};

mod acpi;

/// What all sources say, each with its origin, in order of precedence.
pub struct Evidence {
    /// CPUs, caches, nodes.
    pub cpu: Vec<(Origin, CpuTopology)>,
    /// SMBIOS tables and texts.
    pub smbios: Vec<(Origin, Smbios)>,
    /// `/sys/class/dmi/id`, which needs no privilege.
    pub dmi_id: Option<(Origin, Smbios)>,
    /// PCI functions.
    pub functions: Vec<(Origin, Vec<Function>)>,
    /// CPUID dumps; empty when the files tell all of the CPUs.
    pub cpuid: Vec<(Origin, LeafSet)>,
    /// ACPI tables, decoded.
    pub acpi: Tables,
    /// The domain of Xen that the files are of.
    pub domain: Option<Domain>,
    /// The machine as Xen has it.
    pub xl_info: Option<(Origin, XlInfo)>,
    /// Microcode as Xen says it.
    pub xen_ucode: Option<XenUcode>,
    /// Broken pieces.
    pub damage: Vec<SourceDamage>,
    /// Host name.
    pub host: Option<String>,
    /// PCI ID list: built in, or a newer one of the captured system.
    pub names: Names,
}

/// Origin of facts that a tree of files gives.
fn tree_origin(source: &Source, path: &str) -> Origin {
    let layer = source
        .layers
        .iter()
        .find(|layer| layer.tree.as_ref().is_some_and(|tree| tree.exists(path)));
    let layer = layer.or_else(|| source.layers.first());
    match layer {
        Some(layer) => Origin {
            path: path.into(),
            ..layer.origin.clone()
        },
        None => Origin {
            layer: captures::LayerId(0),
            label: "nothing".into(),
            path: path.into(),
        },
    }
}

struct Gatherer {
    damage: Vec<SourceDamage>,
}

impl Gatherer {
    fn take<T>(&mut self, area: &'static str, origin: &Origin, decoded: Decoded<T>) -> T {
        self.damage
            .extend(decoded.damage.into_iter().map(|damage| SourceDamage {
                area,
                origin: origin.clone(),
                damage,
            }));
        decoded.value
    }
}

/// Reads and parses everything a machine model is made of.
#[must_use]
pub fn gather(source: &Source) -> Evidence {
    let mut gatherer = Gatherer { damage: Vec::new() };
    // CPUs and PCI functions are many small files each: read side by side.
    std::thread::scope(|scope| {
        let pci = scope.spawn(|| {
            let mut gatherer = Gatherer { damage: Vec::new() };
            let functions = functions(source, &mut gatherer);
            let names = names(source, &mut gatherer, !functions.is_empty());
            (functions, names, gatherer.damage)
        });
        let tables = scope.spawn(|| {
            let mut gatherer = Gatherer { damage: Vec::new() };
            let tables = acpi::tables(source, &mut gatherer);
            (tables, gatherer.damage)
        });
        let cpu = cpu(source, &mut gatherer);
        let cpuid = cpuid(source, cpu.first().map(|(_, topology)| topology), &mut gatherer);
        let smbios = firmware(source, &mut gatherer);
        let dmi_origin = tree_origin(source, "/sys/class/dmi/id");
        let dmi_id = sysfs::read_dmi_id(source).map(|value| (dmi_origin, value));
        let host = host(source);
        let domain = xen::domain::read(source);
        let xl_info = xl_info(source, &mut gatherer);
        let xen_ucode = source.documents(DocumentKind::XenUcode).next();
        let xen_ucode = xen_ucode.map(|document| xen::ucode::parse(&String::from_utf8_lossy(&document.bytes)));
        let tables = tables.join();
        let (acpi, acpi_damage) = tables.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        gatherer.damage.extend(acpi_damage);
        let pci = pci.join();
        let (functions, names, pci_damage) = pci.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        gatherer.damage.extend(pci_damage);
        gatherer.damage.extend(notes(source));
        Evidence {
            cpu,
            smbios,
            dmi_id,
            functions,
            cpuid,
            acpi,
            domain,
            xl_info,
            xen_ucode,
            damage: gatherer.damage,
            host,
            names,
        }
    })
}

/// What is broken of the layers themselves.
fn notes(source: &Source) -> impl Iterator<Item = SourceDamage> {
    source.layers.iter().flat_map(|layer| {
        layer.notes.iter().map(|note| SourceDamage {
            area: "capture",
            origin: layer.origin.clone(),
            damage: Damage {
                what: note.what.clone(),
                place: Place::Whole,
                expected: "a complete source".to_owned(),
                seen: note.why.clone(),
            },
        })
    })
}

fn cpu(source: &Source, gatherer: &mut Gatherer) -> Vec<(Origin, CpuTopology)> {
    let origin = tree_origin(source, "/sys/devices/system/cpu");
    let topology = gatherer.take("CPU", &origin, sysfs::read(source));
    if topology.cpus.is_empty() && topology.memory.is_none() {
        Vec::new()
    } else {
        vec![(origin, topology)]
    }
}

/// SMBIOS: table with entry point, images, sysfs entries, text.
fn firmware(source: &Source, gatherer: &mut Gatherer) -> Vec<(Origin, Smbios)> {
    let mut found = Vec::new();
    if let Ok((table, origin)) = source.read("/sys/firmware/dmi/tables/DMI") {
        let entry = source
            .read("/sys/firmware/dmi/tables/smbios_entry_point")
            .ok()
            .map(|(bytes, _)| bytes);
        let value = gatherer.take("SMBIOS", &origin, smbios::table::parse(&table, entry.as_deref()));
        found.push((origin, value));
    } else {
        let entries: Vec<Vec<u8>> = source
            .list("/sys/firmware/dmi/entries")
            .iter()
            .filter_map(|name| source.read(&format!("/sys/firmware/dmi/entries/{name}/raw")).ok())
            .map(|(bytes, _)| bytes)
            .collect();
        if !entries.is_empty() {
            let origin = tree_origin(source, "/sys/firmware/dmi/entries");
            let value = gatherer.take("SMBIOS", &origin, smbios::table::parse_entries(&entries));
            found.push((origin, value));
        }
    }
    for layer in &source.layers {
        for document in &layer.documents {
            found.extend(smbios_document(document, layer, gatherer));
        }
    }
    found.retain(|(_, value)| value.structures > 0);
    found
}

fn smbios_document(document: &Document, layer: &captures::Layer, gatherer: &mut Gatherer) -> Option<(Origin, Smbios)> {
    let bytes = document.bytes.as_slice();
    let decoded = match document.kind {
        DocumentKind::SmbiosImage => smbios::table::parse_image(bytes),
        DocumentKind::SmbiosTable => {
            let entry = layer
                .documents
                .iter()
                .find(|other| other.kind == DocumentKind::SmbiosEntryPoint);
            smbios::table::parse(bytes, entry.map(|entry| entry.bytes.as_slice()))
        }
        DocumentKind::SmbiosRsmb => smbios::table::parse_rsmb(bytes),
        DocumentKind::Dmidecode => smbios::text::parse(&String::from_utf8_lossy(bytes)),
        _ => return None,
    };
    let origin = document.origin.clone();
    let value = gatherer.take("SMBIOS", &origin, decoded);
    Some((origin, value))
}

/// PCI functions of sysfs, then of each listing and each single configuration space.
fn functions(source: &Source, gatherer: &mut Gatherer) -> Vec<(Origin, Vec<Function>)> {
    let mut found = Vec::new();
    let origin = tree_origin(source, "/sys/bus/pci/devices");
    let mut functions = gatherer.take("PCI", &origin, sysfs::read_functions(source));
    for function in &mut functions {
        decode_config(function, &origin, gatherer);
    }
    if !functions.is_empty() {
        found.push((origin, functions));
    }
    for document in source.documents(DocumentKind::Lspci) {
        let listing = gatherer.take("PCI", &document.origin, pci::text::parse(&document.bytes));
        if !listing.functions.is_empty() {
            found.push((document.origin.clone(), listing.functions));
        }
    }
    for document in source.documents(DocumentKind::PciConfig) {
        let mut function = Function {
            config: Some(document.bytes.clone()),
            ..Function::default()
        };
        decode_config(&mut function, &document.origin, gatherer);
        found.push((document.origin.clone(), vec![function]));
    }
    found
}

fn decode_config(function: &mut Function, origin: &Origin, gatherer: &mut Gatherer) {
    let Some(bytes) = function.config.take() else { return };
    let origin = Origin {
        path: format!("{}/{}/config", origin.path, function.bdf).into(),
        ..origin.clone()
    };
    let config = gatherer.take("PCI", &origin, pci::config::decode(&bytes));
    pci::link::fill(function, &config);
    function.config = Some(bytes);
}

/// The built-in list, or a newer one of the system the facts came from.
fn names(source: &Source, gatherer: &mut Gatherer, needed: bool) -> Names {
    let newer = ["/usr/share/misc/pci.ids", "/usr/share/hwdata/pci.ids"]
        .into_iter()
        .filter(|_| needed)
        .find_map(|path| source.read(path).ok());
    match newer {
        Some((text, origin)) => gatherer.take("PCI", &origin, Names::newest(&text)),
        None => Names::builtin(),
    }
}

/// CPUID dumps, where the files have no CPUs or do not name the hypervisor.
fn cpuid(source: &Source, cpu: Option<&CpuTopology>, gatherer: &mut Gatherer) -> Vec<(Origin, LeafSet)> {
    let needed = cpu.is_none_or(|cpu| {
        // Where `/proc/cpuinfo` was there, no hypervisor means that there is none.
        let named = cpu
            .hypervisor
            .as_deref()
            .map_or(cpu.vendor.is_some(), |name| name != sysfs::hypervisor::UNNAMED);
        cpu.cpus.is_empty() || !named
    });
    if !needed {
        return Vec::new();
    }
    let mut found = Vec::new();
    for document in DocumentKind::CPUID.into_iter().flat_map(|kind| source.documents(kind)) {
        let Some((format, decoded)) = formats::detect_and_parse(&String::from_utf8_lossy(&document.bytes)) else {
            continue;
        };
        // decoded output of `cpuid` prints the leaves it does not know as rows: without leaf 0 it is no dump
        if !decoded.value.cpus().iter().any(|cpu| cpu.leaf(0).is_some()) {
            continue;
        }
        let damage = decoded.damage.into_iter().map(|damage| Damage {
            what: format!("row of {format}"),
            place: u64::try_from(damage.line)
                .ok()
                .filter(|line| *line > 0)
                .map_or(Place::Whole, Place::Line),
            expected: damage.expected,
            seen: damage.seen,
        });
        let set = gatherer.take(
            "CPUID",
            &document.origin,
            Decoded {
                value: decoded.value,
                damage: damage.collect(),
            },
        );
        found.push((document.origin.clone(), set));
    }
    found
}

/// The first `xl info` text, one with the tables before one without.
fn xl_info(source: &Source, gatherer: &mut Gatherer) -> Option<(Origin, XlInfo)> {
    let texts = source.documents(DocumentKind::XlInfo).map(|document| {
        let decoded = xen::info::parse(&String::from_utf8_lossy(&document.bytes));
        let value = gatherer.take("Xen", &document.origin, decoded);
        (document.origin.clone(), value)
    });
    let texts: Vec<_> = texts.collect();
    let complete = texts.iter().position(|(_, info)| !info.cpus.is_empty());
    texts.into_iter().nth(complete.unwrap_or(0))
}

/// The host name; `(none)` is what Linux says before one is set.
fn host(source: &Source) -> Option<String> {
    let told = |path| source.text(path).filter(|name| !name.is_empty() && name != "(none)");
    told("/proc/sys/kernel/hostname").or_else(|| told("/etc/hostname"))
}
