//! ACPI tables of the file tree, of `acpidump` texts and of binary tables, decoded; the kernel's
//! names of IOMMUs.

use acpi_dump::header::Signature;
use acpi_dump::set::Named;
use acpi_dump::{Finding, TableSet};
use captures::{DocumentKind, Origin, Source};

use super::{Gatherer, tree_origin};
use crate::acpi::{KernelUnit, Tables, namespace};
use crate::evidence::{Damage, Decoded, Place};

/// Where the kernel shows the tables; root only.
const DIRECTORY: &str = "/sys/firmware/acpi/tables";

/// Tables that are decoded here; what is broken in others is of no concern.
const DECODED: [&[u8; 4]; 9] = [
    b"APIC", b"SRAT", b"SLIT", b"PPTT", b"HMAT", b"CEDT", b"MCFG", b"DMAR", b"IVRS",
];

/// Tables with the devices of the namespace.
const BLOCKS: [&[u8; 4]; 2] = [b"DSDT", b"SSDT"];

fn wanted(signature: &[u8]) -> bool {
    let mut known = DECODED.iter().chain(&BLOCKS);
    known.any(|known| signature.starts_with(known.as_slice()))
}

/// All tables of a source in one set, and the origin behind each name of an origin in it.
#[derive(Default)]
struct Collected {
    set: TableSet,
    origins: Vec<(String, Origin)>,
}

impl Collected {
    fn name(&mut self, origin: &Origin) -> String {
        let name = origin.to_string();
        self.origins.push((name.clone(), origin.clone()));
        name
    }

    /// Origin of a table; one of a text has its name behind the path.
    fn origin(&self, named: &Named) -> Option<Origin> {
        let (_, origin) = self.origins.iter().find(|(name, _)| *name == *named.origin)?;
        if named.line.is_none() {
            return Some(origin.clone());
        }
        Some(Origin {
            path: format!("{}#{}", origin.path, named.name).into(),
            ..origin.clone()
        })
    }
}

/// Reads the tables; the first of each kind counts.
pub(super) fn tables(source: &Source, gatherer: &mut Gatherer) -> Tables {
    let collected = collect(source);
    report_faults(&collected, gatherer);
    let mut tables = Tables::default();
    for named in &collected.set.tables {
        let Some(origin) = collected.origin(named) else {
            continue;
        };
        let mut findings = tables.take(&origin, &named.table);
        if DECODED.contains(&&named.table.signature.0) {
            findings.splice(..0, named.table.findings.iter().cloned());
            report(&named.table.signature, &origin, &findings, gatherer);
        }
    }
    tables.namespace = devices(&collected);
    tables.units = units(source);
    tables
}

fn collect(source: &Source) -> Collected {
    let mut collected = Collected::default();
    let mut names: Vec<String> = source.list(DIRECTORY);
    names.retain(|name| wanted(name.as_bytes()));
    // SSDT2 before SSDT10: the order in which the kernel loaded them
    names.sort_by(|a, b| (a.get(..4), a.len(), a).cmp(&(b.get(..4), b.len(), b)));
    collected.set.begin_group();
    for name in names {
        if let Ok((bytes, origin)) = source.read(&format!("{DIRECTORY}/{name}")) {
            let place = collected.name(&origin);
            collected.set.add_binary(&place, &bytes);
        }
    }
    for document in source.documents(DocumentKind::Acpidump) {
        let place = collected.name(&document.origin);
        collected.set.add_text(&place, &document.bytes);
    }
    collected.set.begin_group();
    for document in source.documents(DocumentKind::AcpiTable) {
        let place = collected.name(&document.origin);
        collected.set.add_binary(&place, &document.bytes);
    }
    collected
}

/// Faults of the texts, and bytes that are no table but should be one that is used.
fn report_faults(collected: &Collected, gatherer: &mut Gatherer) {
    for (name, origin) in &collected.origins {
        let faults = collected.set.faults.iter().filter(|fault| *fault.origin == **name);
        let mut damage: Vec<Damage> = faults
            .map(|fault| {
                let text = fault.fault.to_string();
                let words = text.split_once(": ").map_or(text.as_str(), |(_, words)| words);
                Damage {
                    what: "acpidump text".to_owned(),
                    place: u64::try_from(fault.fault.line).map_or(Place::Whole, Place::Line),
                    expected: "rows of tables".to_owned(),
                    seen: words.to_owned(),
                }
            })
            .collect();
        let broken = collected.set.broken.iter().filter(|broken| *broken.origin == **name);
        damage.extend(broken.filter(|broken| broken.size > 0).map(|broken| {
            Damage {
                what: "ACPI table".to_owned(),
                place: broken
                    .line
                    .and_then(|line| u64::try_from(line).ok())
                    .map_or(Place::Whole, Place::Line),
                expected: "a whole header".to_owned(),
                seen: broken.error.clone(),
            }
        }));
        gatherer.take("ACPI", origin, Decoded { value: (), damage });
    }
}

fn report(signature: &Signature, origin: &Origin, findings: &[Finding], gatherer: &mut Gatherer) {
    let what = String::from_utf8_lossy(&signature.0).into_owned();
    let damage = findings
        .iter()
        .map(|finding| Damage {
            what: what.clone(),
            place: u64::try_from(finding.offset).map_or(Place::Whole, Place::Offset),
            expected: finding.expected.clone(),
            seen: finding.seen.clone(),
        })
        .collect();
    gatherer.take("ACPI", origin, Decoded { value: (), damage });
}

/// Devices of the definition blocks; their origin is that of the DSDT.
fn devices(collected: &Collected) -> Option<(Origin, namespace::Facts)> {
    let blocks: Vec<&Named> = collected.set.definition_blocks().collect();
    let origin = collected.origin(blocks.first()?)?;
    let bytes: Vec<&[u8]> = blocks.iter().map(|named| named.table.bytes.as_slice()).collect();
    Some((origin, namespace::facts(&bytes)))
}

/// `/sys/class/iommu`: names, and where the kernel tells the address of the registers.
fn units(source: &Source) -> Vec<KernelUnit> {
    let directory = "/sys/class/iommu";
    source
        .list(directory)
        .into_iter()
        .map(|name| {
            let path = format!("{directory}/{name}/intel-iommu/address");
            let base = source
                .text(&path)
                .and_then(|text| u64::from_str_radix(text.trim(), 16).ok());
            let origin = Some(tree_origin(source, &format!("{directory}/{name}")));
            KernelUnit { name, base, origin }
        })
        .collect()
}
