//! `delid acpi tree`: the namespace of all definition blocks.

use std::io::Write;
use std::path::PathBuf;

use clap::Parser;
use schemars::JsonSchema;
use serde::Serialize;

use super::Error;
use super::input::Input;
use super::phrase::{address, device_id};
use crate::aml::evaluate::Evaluator;
use crate::aml::namespace::{Namespace, Object, ObjectId, ObjectKind};
use crate::set::{Named, TableSet};

/// `delid acpi tree`.
#[derive(Clone, Debug, Parser)]
pub struct Tree {
    /// Files or captures; this machine when there are none.
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Where else the tables are.
    #[command(flatten)]
    pub input: Input,
    /// Only objects of these kinds (Device, Method, Name, OperationRegion, FieldUnit …), as paths.
    #[arg(long, value_name = "KIND", value_delimiter = ',')]
    pub kind: Vec<String>,
    /// Only objects whose path fits: ? is one character, * any in a name, ** any. _HID, PCI?.RP*,
    /// \_SB.** …
    #[arg(long, value_name = "GLOB")]
    pub path: Option<String>,
    /// Only devices whose _HID or _CID is this, or may be: PNP0A08, INT3*.
    #[arg(long, value_name = "ID")]
    pub hid: Option<String>,
    /// Names and kinds only: nothing is evaluated, devices are shown without their ids.
    #[arg(long, conflicts_with = "hid")]
    pub names: bool,
    /// Fields of regions and buffers too, in the tree.
    #[arg(long)]
    pub fields: bool,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// An object as JSON.
#[derive(Debug, Serialize, JsonSchema)]
struct Row {
    path: String,
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    says: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    table: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    offset: Option<usize>,
    /// It exists only if a condition holds when the table is loaded.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    conditional: bool,
}

/// What is printed as JSON.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "TreeOutput")]
pub(super) struct Report {
    objects: Vec<Row>,
    /// Paths that methods declare while they run.
    dynamic: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    faults: Vec<String>,
}

/// The namespace of a set, with the names of its tables.
pub(super) struct Space<'a> {
    pub namespace: Namespace,
    pub blocks: Vec<&'a Named>,
}

impl<'a> Space<'a> {
    pub(super) fn of(set: &'a TableSet) -> Result<Self, Error> {
        let blocks: Vec<&Named> = set.definition_blocks().collect();
        if blocks.is_empty() {
            let known: Vec<&str> = set.tables.iter().map(|named| named.name.as_str()).collect();
            return Err(Error::Unknown {
                name: "DSDT or SSDT".to_owned(),
                known: known.join(" "),
            });
        }
        let bytes: Vec<&[u8]> = blocks.iter().map(|named| named.table.bytes.as_slice()).collect();
        Ok(Self {
            namespace: Namespace::build(&bytes),
            blocks,
        })
    }

    fn row(&self, evaluator: Option<&Evaluator<'_>>, id: ObjectId, object: &Object) -> Row {
        let place = object.place;
        let node = place.and_then(|place| self.namespace.node(place));
        Row {
            path: self.namespace.path(id).to_string(),
            kind: object.kind.word(),
            says: says(&self.namespace, evaluator, id, object),
            table: place.and_then(|place| Some(self.blocks.get(place.table)?.name.clone())),
            offset: node.and_then(|node| usize::try_from(node.start).ok()),
            conditional: self.namespace.condition(id).is_some(),
        }
    }

    /// What went wrong in the tables and in the names, with the table.
    pub(super) fn faults(&self) -> Vec<String> {
        let mut list = Vec::new();
        for (tree, named) in self.namespace.trees().iter().zip(&self.blocks) {
            list.extend(tree.faults.iter().map(|fault| format!("{}: {fault}", named.name)));
        }
        list
    }
}

pub(super) fn run(args: &Tree, out: &mut dyn Write) -> Result<u8, Error> {
    let loaded = args.input.load(&args.paths)?;
    let space = Space::of(&loaded.set)?;
    let filtered = !args.kind.is_empty() || args.path.is_some() || args.hid.is_some();
    let evaluator = (!args.names).then(|| Evaluator::new(&space.namespace));
    let evaluator = evaluator.as_ref();
    let chosen = choose(args, &space.namespace, evaluator);
    let faults = space.faults();
    if args.json {
        let rows = chosen
            .iter()
            .filter_map(|id| Some(space.row(evaluator, *id, space.namespace.object(*id)?)));
        let dynamic = space.namespace.dynamic().iter();
        let report = Report {
            objects: rows.collect(),
            dynamic: dynamic
                .map(|declaration| space.namespace.names().path(declaration.name_id).to_string())
                .collect(),
            faults: faults.clone(),
        };
        super::json(out, &report)?;
    } else {
        for id in &chosen {
            let Some(object) = space.namespace.object(*id) else {
                continue;
            };
            let row = space.row(evaluator, *id, object);
            if filtered {
                print_path(&row, out)?;
            } else {
                print_branch(&space.namespace, *id, &row, out)?;
            }
        }
        for fault in &faults {
            writeln!(out, "damaged {fault}")?;
        }
        super::print_damage(out, &loaded.set.faults, &loaded.unread)?;
    }
    Ok(u8::from(!faults.is_empty()))
}

/// The objects to print, in path order.
fn choose(args: &Tree, namespace: &Namespace, evaluator: Option<&Evaluator<'_>>) -> Vec<ObjectId> {
    let wanted = |id: &ObjectId| {
        let Some(object) = namespace.object(*id) else {
            return false;
        };
        if let Some((pattern, evaluator)) = args.hid.as_ref().zip(evaluator) {
            return matches!(object.kind, ObjectKind::Device) && has_id(evaluator, *id, pattern);
        }
        if args.kind.is_empty() {
            let field = matches!(
                object.kind,
                ObjectKind::FieldUnit { .. } | ObjectKind::BufferField { .. }
            );
            return args.fields || args.path.is_some() || args.json || !field;
        }
        args.kind
            .iter()
            .any(|kind| object.kind.word().eq_ignore_ascii_case(kind))
    };
    match &args.path {
        Some(pattern) => namespace.glob(pattern).filter(wanted).collect(),
        None => namespace.iter().map(|(id, _)| id).filter(wanted).collect(),
    }
}

/// Whether one of the ids that a device has, or may have, fits; `*` at the end stands for anything.
fn has_id(evaluator: &Evaluator<'_>, id: ObjectId, pattern: &str) -> bool {
    let (ids, compatible) = (evaluator.hid(id), evaluator.cid(id));
    let mut all = ids
        .values()
        .into_iter()
        .chain(compatible.values().into_iter().flatten());
    all.any(|known| match pattern.strip_suffix('*') {
        Some(start) => known.id.to_ascii_uppercase().starts_with(&start.to_ascii_uppercase()),
        None => known.id.eq_ignore_ascii_case(pattern),
    })
}

fn print_path(row: &Row, out: &mut dyn Write) -> Result<(), Error> {
    let text = format!(
        "{:<40} {:<15} {}{}",
        row.path,
        row.kind,
        row.says.as_deref().unwrap_or_default(),
        condition(row)
    );
    writeln!(out, "{}", text.trim_end())?;
    Ok(())
}

fn print_branch(namespace: &Namespace, id: ObjectId, row: &Row, out: &mut dyn Write) -> Result<(), Error> {
    let indent = "  ".repeat(namespace.depth(id).min(64));
    let name = match namespace.object(id) {
        Some(object) if object.parent.is_some() => object.name.short(),
        _ => "\\".to_owned(),
    };
    let text = format!(
        "{:<28} {:<15} {}{}",
        format!("{indent}{name}"),
        row.kind,
        row.says.as_deref().unwrap_or_default(),
        condition(row)
    );
    writeln!(out, "{}", text.trim_end())?;
    Ok(())
}

fn condition(row: &Row) -> &'static str {
    if row.conditional { "  (conditional)" } else { "" }
}

/// What a declaration says beside its value; of a device its id, or its address where it has none.
fn says(namespace: &Namespace, evaluator: Option<&Evaluator<'_>>, id: ObjectId, object: &Object) -> Option<String> {
    Some(match &object.kind {
        ObjectKind::Device => {
            let evaluator = evaluator?;
            let hid = evaluator.hid(id);
            let ids: Vec<String> = hid.values().into_iter().map(device_id).collect();
            if ids.is_empty() {
                let adr = evaluator.adr(id);
                let adr = adr.values().into_iter().next()?;
                return Some(format!("_ADR {}", address(*adr)));
            }
            ids.join(" or ")
        }
        ObjectKind::Method {
            arguments, serialized, ..
        } => {
            let serialized = if *serialized { ", serialized" } else { "" };
            match arguments {
                0 => format!("no argument{serialized}"),
                1 => format!("1 argument{serialized}"),
                more => format!("{more} arguments{serialized}"),
            }
        }
        ObjectKind::Processor { id, .. } => format!("id {id}"),
        ObjectKind::OperationRegion { space } => match space {
            Some(space) => crate::aml::evaluate::space_name(*space),
            None => "of a data table".to_owned(),
        },
        ObjectKind::FieldUnit { bits, offset, .. } => format!("{bits} bits at bit {offset}"),
        ObjectKind::PowerResource { level, order } => format!("level {level}, order {order}"),
        ObjectKind::Mutex { sync } => format!("level {sync}"),
        ObjectKind::Alias { target: Some(target) } => format!("of {}", namespace.path(*target)),
        ObjectKind::External { .. } => "no table declares it".to_owned(),
        _ => return None,
    })
}
