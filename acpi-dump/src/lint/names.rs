//! Check 28, and what tables say about the namespace: paths and processor UIDs. ACPI 6.5,
//! sections 5.3 and 6.1.

use std::collections::{BTreeMap, BTreeSet};

use super::catalogue::{Check, namespace as checks, platform, topology};
use super::constant::{self, Constant};
use super::hit::Report;
use super::security::is_path;
use super::subject::{Subject, View};
use crate::aml::namespace::{NameFault, Namespace, ObjectId, ObjectKind, Place};
use crate::layout::Value;
use crate::tables::madt::Madt;

pub(super) fn run(subject: &Subject<'_>, namespace: &Namespace, report: &mut Report) {
    let at = Places::new(subject, namespace);
    faults(subject, &at, report);
    identities(&at, report);
    addresses(&at, report);
    paths(subject, namespace, report);
    processors(subject, namespace, report);
}

/// The namespace with the names of its tables.
pub(super) struct Places<'a> {
    pub namespace: &'a Namespace,
    tables: Vec<&'a str>,
}

impl<'a> Places<'a> {
    pub fn new(subject: &'a Subject<'_>, namespace: &'a Namespace) -> Self {
        let tables = subject
            .set
            .definition_blocks()
            .map(|named| named.name.as_str())
            .collect();
        Self { namespace, tables }
    }

    fn hit(&self, report: &mut Report, check: Check, place: Option<Place>, path: String, expected: &str, seen: String) {
        let table = place.and_then(|place| self.tables.get(place.table).copied());
        let node = place.and_then(|place| self.namespace.node(place));
        let offset = node.and_then(|node| usize::try_from(node.start).ok());
        report.object(check, table, offset, path, expected, seen);
    }

    /// A hit at the declaration of an object.
    pub fn object(&self, report: &mut Report, check: Check, id: ObjectId, expected: &str, seen: String) {
        let place = self.namespace.object(id).and_then(|object| object.place);
        let path = self.namespace.path(id).to_string();
        self.hit(report, check, place, path, expected, seen);
    }

    fn name(&self, place: Place) -> String {
        let table = self.tables.get(place.table).copied().unwrap_or("?");
        let start = self.namespace.node(place).map_or(0, |node| node.start);
        format!("{table} at {start:#06x}")
    }
}

fn faults(subject: &Subject<'_>, at: &Places<'_>, report: &mut Report) {
    let whole: BTreeSet<&str> = subject
        .views()
        .filter(View::is_whole)
        .map(|view| view.named.name.as_str())
        .collect();
    for (table, tree) in at.namespace.trees().iter().enumerate() {
        // A table that is cut ends inside a term.
        if at.tables.get(table).is_none_or(|name| !whole.contains(name)) {
            continue;
        }
        for fault in &tree.faults {
            let name = at.tables.get(table).copied();
            // The reader says so of a term that is whole and means nothing where it stands.
            let check = if fault.seen.ends_with("without effect") {
                checks::AML_ODD
            } else {
                checks::AML_UNREADABLE
            };
            report.in_table(check, name, fault.offset, fault.expected.clone(), fault.seen.clone());
        }
    }
    for fault in at.namespace.faults() {
        match fault {
            NameFault::Duplicate { path, first, second } => {
                let seen = format!("already declared in {}", at.name(*first));
                at.hit(
                    report,
                    checks::NAME_TWICE,
                    Some(*second),
                    path.to_string(),
                    "one declaration",
                    seen,
                );
            }
            NameFault::NoParent { path, user } => {
                let seen = "no declaration of it".to_owned();
                at.hit(
                    report,
                    checks::NAME_NO_PARENT,
                    Some(*user),
                    path.to_string(),
                    "a declared object",
                    seen,
                );
            }
            _ => {}
        }
    }
}

/// Constant value of a child.
fn child(namespace: &Namespace, id: ObjectId, name: &[u8; 4]) -> Option<Constant> {
    let child = namespace.target(namespace.child(id, name)?);
    constant::of(namespace, namespace.object(child)?)
}

/// Devices that are there whatever happens: no condition around them, and `_STA` is a constant
/// with the present bit, here and above.
fn always(namespace: &Namespace, id: ObjectId) -> bool {
    let present = |id: ObjectId| match namespace.child(id, b"_STA") {
        None => true,
        Some(_) => matches!(child(namespace, id, b"_STA"), Some(Constant::Integer(sta)) if sta & 1 == 1),
    };
    namespace.condition(id).is_none() && namespace.is_declared(id) && present(id) && namespace.parents(id).all(present)
}

fn devices(namespace: &Namespace) -> impl Iterator<Item = ObjectId> + '_ {
    let all = namespace.iter().filter(|(_, object)| object.kind == ObjectKind::Device);
    all.map(|(id, _)| id).filter(|id| always(namespace, *id))
}

fn shown(value: &Constant, hid: bool) -> String {
    match value {
        Constant::Integer(value) if hid => eisa(*value).unwrap_or_else(|| format!("{value:#x}")),
        Constant::Integer(value) => format!("{value:#x}"),
        Constant::Text(text) => text.clone(),
        other => other.word().to_owned(),
    }
}

/// Three letters and four digits in 32 bits: ACPI 6.5, 19.3.4.
pub(super) fn eisa(value: u64) -> Option<String> {
    let bytes = u32::try_from(value).ok()?.to_le_bytes();
    let [high, low, product @ ..] = bytes;
    let letters = u16::from_be_bytes([high, low]);
    let letter = |shift: u32| {
        let code = u8::try_from(letters >> shift & 0x1f).ok()?;
        (1..=26).contains(&code).then(|| char::from(0x40 | code))
    };
    let product = u16::from_be_bytes(product);
    (letters >> 15 == 0).then_some(())?;
    Some(format!("{}{}{}{product:04X}", letter(10)?, letter(5)?, letter(0)?))
}

fn identities(at: &Places<'_>, report: &mut Report) {
    let mut known = BTreeMap::<(String, Option<String>), ObjectId>::new();
    for id in devices(at.namespace) {
        let Some(hid) = child(at.namespace, id, b"_HID") else {
            continue;
        };
        let uid = match at.namespace.child(id, b"_UID") {
            None => None,
            Some(_) => match child(at.namespace, id, b"_UID") {
                Some(uid) => Some(shown(&uid, false)),
                None => continue,
            },
        };
        let hid = shown(&hid, true);
        // Motherboard resources: no driver tells them apart.
        if matches!(hid.as_str(), "PNP0C01" | "PNP0C02") {
            continue;
        }
        let Some(other) = known.get(&(hid.clone(), uid.clone())) else {
            known.insert((hid, uid), id);
            continue;
        };
        let which = uid.map_or_else(|| "no _UID".to_owned(), |uid| format!("_UID {uid}"));
        let seen = format!("_HID {hid}, {which}, as {}", at.namespace.path(*other));
        at.object(report, checks::HID_UID_TWICE, id, "a _UID of its own", seen);
    }
}

fn addresses(at: &Places<'_>, report: &mut Report) {
    let mut known = BTreeMap::<(Option<ObjectId>, u64), ObjectId>::new();
    for id in devices(at.namespace) {
        let Some(Constant::Integer(address)) = child(at.namespace, id, b"_ADR") else {
            continue;
        };
        // A device with a _HID is found by that.
        if at.namespace.child(id, b"_HID").is_some() {
            continue;
        }
        let parent = at.namespace.parents(id).next();
        if !parent.is_some_and(|parent| is_bus(at.namespace, parent)) {
            continue;
        }
        let Some(other) = known.get(&(parent, address)) else {
            known.insert((parent, address), id);
            continue;
        };
        let seen = format!("_ADR {address:#x}, as {}", at.namespace.path(*other));
        at.object(report, checks::ADR_TWICE, id, "an address of its own", seen);
    }
}

/// Devices below are found by their address: a PCI host bridge, or a device that has one itself.
fn is_bus(namespace: &Namespace, id: ObjectId) -> bool {
    let hid = child(namespace, id, b"_HID").map(|hid| shown(&hid, true));
    namespace.child(id, b"_ADR").is_some() || matches!(hid.as_deref(), Some("PNP0A03" | "PNP0A08"))
}

/// Fields of tables that name an object: signature, title of the structure, row, check.
const PATHS: &[(&[u8; 4], &str, &str, Check)] = &[
    (b"DBG2", "Namespace", "Namespace string", platform::CONSOLE_NAME),
    (b"SPCR", "Namespace", "Namespace string", platform::CONSOLE_NAME),
    (b"ECDT", "", "EC_ID", platform::ECDT_ID),
    (b"IORT", "Named component", "Device object name", platform::IORT_NAME),
    (b"DMAR", "ACPI name-space", "ACPI object name", topology::DMAR_NAME),
];

fn paths(subject: &Subject<'_>, namespace: &Namespace, report: &mut Report) {
    for (signature, title, name, check) in PATHS {
        for view in subject.all(signature) {
            let rows = view.sections(title).filter_map(|section| section.row(name));
            for row in rows {
                let Value::Text(text) = &row.value else { continue };
                // "." stands for no object in DBG2.
                if !is_path(text) {
                    continue;
                }
                let there = namespace.find(text).is_some_and(|id| namespace.is_declared(id));
                if !there {
                    let path = (text.clone(), row.offset);
                    report.object(
                        *check,
                        Some(&view.named.name),
                        Some(path.1),
                        path.0,
                        "an object of the namespace",
                        "nothing declares it",
                    );
                }
            }
        }
    }
}

fn processors(subject: &Subject<'_>, namespace: &Namespace, report: &mut Report) {
    let mut uids = BTreeSet::<u64>::new();
    for (id, object) in namespace.iter() {
        match object.kind {
            ObjectKind::Processor { id, .. } => {
                uids.insert(id.into());
            }
            ObjectKind::Device => {
                let hid = child(namespace, id, b"_HID");
                let processor = hid.is_some_and(|hid| shown(&hid, true) == "ACPI0007");
                match child(namespace, id, b"_UID").filter(|_| processor) {
                    Some(Constant::Integer(uid)) => {
                        uids.insert(uid);
                    }
                    // A UID that is computed or a string may be any.
                    _ if processor => return,
                    _ => {}
                }
            }
            _ => {}
        }
    }
    if uids.is_empty() || !namespace.dynamic().is_empty() && uids.len() < 2 {
        return;
    }
    for view in subject.all(b"APIC") {
        missing(view, &uids, report);
    }
}

fn missing(view: View<'_>, uids: &BTreeSet<u64>, report: &mut Report) {
    let Some(madt) = Madt::decode(&view.named.table) else {
        return;
    };
    for cpu in madt.value.enabled().filter(|cpu| !uids.contains(&cpu.uid.0.into())) {
        let expected = "a processor object with its UID";
        report.at(
            topology::MADT_UID_NO_OBJECT,
            view.named,
            cpu.offset,
            expected,
            format!("UID {:#x}", cpu.uid.0),
        );
    }
}
