//! Devices of the DSDT and the SSDTs that tell of PCI: host bridges, and devices with a slot number.
//!
//! ACPI 6.5: 6.1.1 (`_ADR`), 6.1.5 (`_HID`), 6.1.11 (`_SUN`), 6.1.12 (`_UID`), 6.2.15 (`_PXM`),
//! 6.5.5 (`_BBN`), 6.5.6 (`_SEG`), 6.2.13 (`_PRT`). What depends on the running machine is named as dynamic, and what
//! stands in an `If` of a table is marked as conditional.

use std::collections::BTreeMap;

use acpi_dump::aml::evaluate::device::{Route, eisa_id};
use acpi_dump::aml::evaluate::{Answer, Evaluator, Limits, Value as Answered};
use acpi_dump::aml::resource::{self, Resource, Space};
use acpi_dump::aml::{Namespace, NodeId, ObjectId, ObjectKind, Op, Tree};

/// Terms that are executed for all devices together.
const STEPS: usize = 400_000;

/// Host bridges that are looked at.
const MOST_BRIDGES: usize = 1024;

/// What the namespace tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// PCI host bridges in the order of their declaration.
    pub bridges: Vec<Bridge>,
    /// Devices below a host bridge that have a slot number.
    pub slots: Vec<Slot>,
    /// Module devices that are named as sockets, with the UIDs of the processors in each.
    pub sockets: Vec<Module>,
}

/// A module device (`ACPI0004`) with processors in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Module {
    /// Path.
    pub path: String,
    /// UIDs of the processors in it, as the MADT has them.
    pub processors: Vec<u32>,
}

/// A value of a device.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Value<T> {
    /// The device has none.
    #[default]
    Absent,
    /// A constant.
    Known(T),
    /// The firmware computes it at run time; values that it can have, as far as they are known.
    Dynamic(Vec<Answered>),
}

impl<T: Clone> Value<T> {
    /// The constant, when it is one.
    pub fn known(&self) -> Option<T> {
        match self {
            Self::Known(value) => Some(value.clone()),
            Self::Absent | Self::Dynamic(_) => None,
        }
    }

    fn map<U>(self, change: impl FnOnce(T) -> Option<U>) -> Value<U> {
        match self {
            Self::Absent => Value::Absent,
            Self::Known(value) => change(value).map_or(Value::Dynamic(Vec::new()), Value::Known),
            Self::Dynamic(candidates) => Value::Dynamic(candidates),
        }
    }
}

/// A PCI host bridge.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bridge {
    /// Path.
    pub path: String,
    /// PNP0A03, PNP0A08 or ACPI0016.
    pub hid: String,
    /// Unique id in words.
    pub uid: Value<String>,
    /// PCI segment group.
    pub segment: Value<u64>,
    /// Root bus.
    pub bus: Value<u64>,
    /// First and last bus of a constant `_CRS`.
    pub buses: Option<(u8, u8)>,
    /// Proximity domain.
    pub domain: Value<u64>,
    /// Status bits.
    pub status: Value<u64>,
    /// It stands in an `If`.
    pub conditional: bool,
    /// Devices below it with a constant address.
    pub functions: usize,
    /// Interrupt routing of its root bus (`_PRT`), where it does not hang on the running machine.
    pub routes: Vec<Route>,
}

/// A device with a slot number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Slot {
    /// Path.
    pub path: String,
    /// The number.
    pub number: u64,
    /// Index of the host bridge.
    pub bridge: usize,
    /// Device and function of each step from the bridge down to it, itself last.
    pub steps: Vec<(u8, u8)>,
    /// It, or a device above, stands in an `If`.
    pub conditional: bool,
}

/// The namespace, and what computes values in it.
struct Reader<'a> {
    space: &'a Namespace,
    evaluator: Evaluator<'a>,
}

/// Read the definition blocks (headers included), DSDT first.
#[must_use]
pub fn facts(tables: &[&[u8]]) -> Facts {
    let space = Namespace::build(tables);
    let limits = Limits {
        total: STEPS,
        ..Limits::default()
    };
    let reader = Reader {
        space: &space,
        evaluator: Evaluator::with(&space, limits, None),
    };
    let devices: Vec<ObjectId> = space
        .objects()
        .iter()
        .zip(0..)
        .filter(|(object, _)| object.kind == ObjectKind::Device)
        .map(|(_, index)| ObjectId(index))
        .collect();
    let bridges: Vec<(ObjectId, Bridge)> = devices
        .iter()
        .filter_map(|id| Some((*id, reader.bridge(*id)?)))
        .take(MOST_BRIDGES)
        .collect();
    let place: BTreeMap<ObjectId, usize> = bridges.iter().enumerate().map(|(at, (id, _))| (*id, at)).collect();
    let mut facts = Facts {
        bridges: bridges.into_iter().map(|(_, bridge)| bridge).collect(),
        sockets: devices.iter().filter_map(|id| reader.module(*id)).collect(),
        slots: Vec::new(),
    };
    for id in devices {
        let Some((bridge, steps)) = reader.steps(id, &place) else {
            continue;
        };
        if let Some(bridge) = facts.bridges.get_mut(bridge) {
            bridge.functions = bridge.functions.saturating_add(1);
        }
        if let Value::Known(number) = reader.integer(id, b"_SUN") {
            facts.slots.push(Slot {
                path: space.path(id).to_string(),
                number,
                bridge,
                steps,
                conditional: space.condition(id).is_some(),
            });
        }
    }
    facts
}

impl Reader<'_> {
    /// The value of a child of a device: a constant at once, else what the evaluator gives.
    fn value(&self, device: ObjectId, name: &[u8; 4]) -> Value<Answered> {
        let Some(id) = self.space.child(device, name) else {
            return Value::Absent;
        };
        let (Some(object), Some(place)) = (
            self.space.object(id),
            self.space.object(id).and_then(|object| object.place),
        ) else {
            return Value::Dynamic(Vec::new());
        };
        let Some(tree) = self.space.trees().get(place.table) else {
            return Value::Dynamic(Vec::new());
        };
        let node = match object.kind {
            ObjectKind::Name => tree.operand(place.node, 1),
            ObjectKind::Method { .. } => returned(tree, place.node),
            _ => None,
        };
        if let Some(constant) = node.and_then(|node| constant(tree, node)) {
            return Value::Known(constant);
        }
        match self.evaluator.evaluate_object(id, &[]).answer {
            Answer::Known(value) => Value::Known(value),
            Answer::Dynamic { candidates, .. } => Value::Dynamic(candidates),
            Answer::Failed(_) => Value::Dynamic(Vec::new()),
        }
    }

    fn integer(&self, device: ObjectId, name: &[u8; 4]) -> Value<u64> {
        self.value(device, name).map(|value| value.integer())
    }

    /// Text, or an integer in words.
    fn text(&self, device: ObjectId, name: &[u8; 4], words: fn(u64) -> String) -> Value<String> {
        self.value(device, name).map(|value| match value {
            Answered::String(text) => Some(text.clone()),
            value => value.integer().map(words),
        })
    }

    fn bridge(&self, id: ObjectId) -> Option<Bridge> {
        let hid = self.text(id, b"_HID", eisa).known()?;
        if !matches!(hid.as_str(), "PNP0A03" | "PNP0A08" | "ACPI0016") {
            return None;
        }
        Some(Bridge {
            path: self.space.path(id).to_string(),
            hid,
            uid: self.text(id, b"_UID", |number| number.to_string()),
            segment: self.integer(id, b"_SEG"),
            bus: self.integer(id, b"_BBN"),
            buses: self.value(id, b"_CRS").known().and_then(|value| buses(&value)),
            domain: self.integer(id, b"_PXM"),
            status: self.integer(id, b"_STA"),
            conditional: self.space.condition(id).is_some(),
            functions: 0,
            routes: self.evaluator.prt(id).known().cloned().unwrap_or_default(),
        })
    }

    /// A module device whose name or `_UID` says socket: `SCK0`, "CPUSCK0".
    fn module(&self, id: ObjectId) -> Option<Module> {
        let name = self.space.object(id)?.name.0;
        if self.text(id, b"_HID", eisa).known()? != "ACPI0004" {
            return None;
        }
        let uid = self.text(id, b"_UID", |number| number.to_string()).known();
        if !name.starts_with(b"SCK") && !uid.is_some_and(|uid| uid.contains("SCK")) {
            return None;
        }
        let children = self.space.children(id).iter();
        let processors: Vec<u32> = children.filter_map(|child| self.processor(*child)).collect();
        (!processors.is_empty()).then(|| Module {
            path: self.space.path(id).to_string(),
            processors,
        })
    }

    /// UID of a processor: `_UID` of either form, else the number of a `Processor`.
    fn processor(&self, id: ObjectId) -> Option<u32> {
        let number = match self.space.object(id)?.kind {
            ObjectKind::Processor { id, .. } => Some(u64::from(id)),
            ObjectKind::Device if self.text(id, b"_HID", eisa).known()? == "ACPI0007" => None,
            _ => return None,
        };
        let uid = self.integer(id, b"_UID").known().or(number)?;
        u32::try_from(uid).ok()
    }

    /// The way from a host bridge down to a device that has an address.
    fn steps(&self, id: ObjectId, bridges: &BTreeMap<ObjectId, usize>) -> Option<(usize, Vec<(u8, u8)>)> {
        let above: Vec<ObjectId> = self
            .space
            .parents(id)
            .take_while(|id| !bridges.contains_key(id))
            .collect();
        let top = above.last().copied().unwrap_or(id);
        let bridge = *bridges.get(&self.space.object(top)?.parent?)?;
        let mut steps = vec![self.address(id)?];
        for id in above {
            steps.push(self.address(id)?);
        }
        steps.reverse();
        Some((bridge, steps))
    }

    /// Device and function of a device; function 0xffff stands for all of them.
    fn address(&self, id: ObjectId) -> Option<(u8, u8)> {
        self.space
            .object(id)
            .filter(|object| object.kind == ObjectKind::Device)?;
        let address = self.integer(id, b"_ADR").known()?;
        let device = u8::try_from(address >> 16).ok().filter(|device| *device < 32)?;
        let function = u16::try_from(address & 0xffff).ok()?;
        let function = if function == 0xffff {
            0
        } else {
            u8::try_from(function).ok()?
        };
        (function < 8).then_some((device, function))
    }
}

/// A constant that needs no evaluation.
fn constant(tree: &Tree, node: NodeId) -> Option<Answered> {
    match tree.text(node) {
        Some(text) => Some(Answered::String(text.iter().map(|byte| char::from(*byte)).collect())),
        None => integer(tree, node).map(Answered::Integer),
    }
}

/// What a method returns whose only statement is a `Return`.
fn returned(tree: &Tree, method: NodeId) -> Option<NodeId> {
    let mut body = tree.body(method);
    let only = body
        .next()
        .filter(|node| tree.node(*node).is_some_and(|node| node.op == Op::Return))?;
    body.next().is_none().then(|| tree.operand(only, 0)).flatten()
}

fn integer(tree: &Tree, node: NodeId) -> Option<u64> {
    let node = tree.node(node)?;
    match node.op {
        Op::Zero => Some(0),
        Op::One => Some(1),
        Op::ByteConst | Op::WordConst | Op::DWordConst | Op::QWordConst => Some(node.value),
        _ => None,
    }
}

/// A compressed EISA id as text; a number that is none as it stands.
fn eisa(number: u64) -> String {
    u32::try_from(number).map_or_else(|_| format!("{number:#x}"), eisa_id)
}

/// First and last bus of a resource template whose bus range is wholly known.
fn buses(value: &Answered) -> Option<(u8, u8)> {
    let Answered::Buffer(buffer) = value else { return None };
    let descriptors = resource::decode(&buffer.bytes).value;
    descriptors.iter().find_map(|descriptor| match &descriptor.resource {
        Resource::Range(range) if range.space == Space::Bus && range.length > 0 => {
            let bits = descriptor.length.saturating_mul(8);
            if buffer.is_unknown(descriptor.offset.saturating_mul(8), bits) {
                return None;
            }
            Some((u8::try_from(range.minimum).ok()?, u8::try_from(range.maximum).ok()?))
        }
        _ => None,
    })
}

#[cfg(test)]
mod tests;
