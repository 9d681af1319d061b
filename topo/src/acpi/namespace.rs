//! Devices of the DSDT and the SSDTs that tell of PCI: host bridges, and devices with a slot number.
//!
//! ACPI 6.5: 6.1.1 (`_ADR`), 6.1.5 (`_HID`), 6.1.11 (`_SUN`), 6.1.12 (`_UID`), 6.2.15 (`_PXM`),
//! 6.5.5 (`_BBN`), 6.5.6 (`_SEG`). Only constants are taken: what a method computes is named as
//! dynamic, and what stands in an `If` of a table is marked as conditional.

use std::collections::{BTreeMap, HashMap};

use acpi_dump::aml::resource::{self, Resource, Space};
use acpi_dump::aml::{NameId, NameSeg, Names, NodeId, Op, Tree, read_all};

/// What the namespace tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// PCI host bridges in the order of their declaration.
    pub bridges: Vec<Bridge>,
    /// Devices below a host bridge that have a slot number.
    pub slots: Vec<Slot>,
}

/// A value of a device.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Value<T> {
    /// The device has none.
    #[default]
    Absent,
    /// A constant.
    Known(T),
    /// The firmware computes it.
    Dynamic,
}

impl<T: Clone> Value<T> {
    /// The constant, when it is one.
    pub fn known(&self) -> Option<T> {
        match self {
            Self::Known(value) => Some(value.clone()),
            Self::Absent | Self::Dynamic => None,
        }
    }

    fn map<U>(self, change: impl FnOnce(T) -> Option<U>) -> Value<U> {
        match self {
            Self::Absent => Value::Absent,
            Self::Known(value) => change(value).map_or(Value::Dynamic, Value::Known),
            Self::Dynamic => Value::Dynamic,
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

/// An object that a table declares outside methods.
struct Object {
    op: Op,
    tree: usize,
    node: NodeId,
    conditional: bool,
}

/// The objects by name, and their names by parent.
struct Objects<'a> {
    trees: &'a [Tree],
    all: BTreeMap<NameId, Object>,
    order: Vec<NameId>,
    children: HashMap<(NameId, NameSeg), NameId>,
    names: Names,
}

/// Read the definition blocks (headers included), DSDT first.
#[must_use]
pub fn facts(tables: &[&[u8]]) -> Facts {
    let (trees, names) = read_all(tables);
    let mut objects = Objects {
        trees: &trees,
        all: BTreeMap::new(),
        order: Vec::new(),
        children: HashMap::new(),
        names,
    };
    for (index, tree) in trees.iter().enumerate() {
        objects.collect(index, tree);
    }
    let bridges: Vec<(NameId, Bridge)> = objects
        .order
        .iter()
        .filter_map(|id| Some((*id, objects.bridge(*id)?)))
        .collect();
    let place: BTreeMap<NameId, usize> = bridges.iter().enumerate().map(|(at, (id, _))| (*id, at)).collect();
    let mut facts = Facts::default();
    facts.bridges.extend(bridges.into_iter().map(|(_, bridge)| bridge));
    for id in &objects.order {
        let Some((bridge, steps, conditional)) = objects.steps(*id, &place) else {
            continue;
        };
        if let Some(bridge) = facts.bridges.get_mut(bridge) {
            bridge.functions = bridge.functions.saturating_add(1);
        }
        if let Value::Known(number) = objects.integer(*id, b"_SUN") {
            facts.slots.push(Slot {
                path: objects.names.path(*id).to_string(),
                number,
                bridge,
                steps,
                conditional,
            });
        }
    }
    facts
}

impl Objects<'_> {
    /// All declarations of a table outside methods; a list of its own in place of recursion.
    fn collect(&mut self, index: usize, tree: &Tree) {
        let mut open: Vec<(NodeId, NameId, bool)> = vec![(Tree::ROOT, Names::ROOT, false)];
        while let Some((parent, scope, conditional)) = open.pop() {
            let mut inner = Vec::new();
            for node in tree.body(parent) {
                let Some(op) = tree.node(node).map(|node| node.op) else {
                    continue;
                };
                match op {
                    Op::If | Op::Else | Op::While => inner.push((node, scope, true)),
                    Op::Scope => {
                        if let Some(name) = tree.declared(node).and_then(|name| tree.name(name)) {
                            inner.push((node, self.names.open(scope, name), conditional));
                        }
                    }
                    Op::Device | Op::Processor | Op::ThermalZone | Op::PowerResource | Op::Name | Op::Method => {
                        let Some(name) = tree.declared(node).and_then(|name| tree.name(name)) else {
                            continue;
                        };
                        let id = self.names.place(scope, name);
                        self.declare(
                            id,
                            Object {
                                op,
                                tree: index,
                                node,
                                conditional,
                            },
                        );
                        if !matches!(op, Op::Name | Op::Method) {
                            inner.push((node, id, conditional));
                        }
                    }
                    _ => {}
                }
            }
            open.extend(inner.into_iter().rev());
        }
    }

    /// What is declared first stays.
    fn declare(&mut self, id: NameId, object: Object) {
        if self.all.contains_key(&id) {
            return;
        }
        let key = (self.names.parent(id), self.names.segment(id));
        self.children.insert(key, id);
        self.order.push(id);
        self.all.insert(id, object);
    }

    /// The node of the value that an object has without running anything.
    fn constant(&self, device: NameId, name: &[u8; 4]) -> Value<(&Tree, NodeId)> {
        let Some(object) = self
            .children
            .get(&(device, NameSeg(*name)))
            .and_then(|id| self.all.get(id))
        else {
            return Value::Absent;
        };
        let Some(tree) = self.trees.get(object.tree) else {
            return Value::Dynamic;
        };
        let node = match object.op {
            Op::Name => tree.operand(object.node, 1),
            Op::Method => returned(tree, object.node),
            _ => None,
        };
        node.map_or(Value::Dynamic, |node| Value::Known((tree, node)))
    }

    fn integer(&self, device: NameId, name: &[u8; 4]) -> Value<u64> {
        self.constant(device, name).map(|(tree, node)| integer(tree, node))
    }

    /// Text, or an integer in words.
    fn text(&self, device: NameId, name: &[u8; 4], words: fn(u64) -> String) -> Value<String> {
        self.constant(device, name).map(|(tree, node)| match tree.text(node) {
            Some(text) => Some(String::from_utf8_lossy(text).into_owned()),
            None => integer(tree, node).map(words),
        })
    }

    fn bridge(&self, id: NameId) -> Option<Bridge> {
        let object = self.all.get(&id).filter(|object| object.op == Op::Device)?;
        let hid = self.text(id, b"_HID", eisa).known()?;
        if !matches!(hid.as_str(), "PNP0A03" | "PNP0A08" | "ACPI0016") {
            return None;
        }
        Some(Bridge {
            path: self.names.path(id).to_string(),
            hid,
            uid: self.text(id, b"_UID", |number| number.to_string()),
            segment: self.integer(id, b"_SEG"),
            bus: self.integer(id, b"_BBN"),
            buses: self
                .constant(id, b"_CRS")
                .known()
                .and_then(|(tree, node)| buses(tree, node)),
            domain: self.integer(id, b"_PXM"),
            status: self.integer(id, b"_STA"),
            conditional: object.conditional || self.above(id).any(|(_, above)| above.conditional),
            functions: 0,
        })
    }

    /// Objects above, nearest first; a path has at most 255 segments.
    fn above(&self, id: NameId) -> impl Iterator<Item = (NameId, &Object)> {
        let mut at = id;
        std::iter::from_fn(move || {
            at = self.names.parent(at);
            (at != Names::ROOT).then_some(at)
        })
        .filter_map(|id| Some((id, self.all.get(&id)?)))
    }

    /// The way from a host bridge down to a device that has an address.
    fn steps(&self, id: NameId, bridges: &BTreeMap<NameId, usize>) -> Option<(usize, Vec<(u8, u8)>, bool)> {
        let own = self.all.get(&id).filter(|object| object.op == Op::Device)?;
        let mut steps = vec![self.address(id)?];
        let mut conditional = own.conditional;
        for (above, object) in self.above(id) {
            conditional |= object.conditional;
            if let Some(bridge) = bridges.get(&above) {
                steps.reverse();
                return Some((*bridge, steps, conditional));
            }
            steps.push(self.address(above).filter(|_| object.op == Op::Device)?);
        }
        None
    }

    /// Device and function; function 0xffff stands for all of the device.
    fn address(&self, id: NameId) -> Option<(u8, u8)> {
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

/// A compressed EISA id: three letters of five bits, four hexadecimal digits, the low byte first.
fn eisa(number: u64) -> String {
    let Ok(number) = u32::try_from(number) else {
        return format!("{number:#x}");
    };
    let number = number.swap_bytes();
    let letter = |shift: u32| {
        let code = u8::try_from(number >> shift & 0x1f).unwrap_or(0);
        char::from(code.saturating_add(0x40))
    };
    format!("{}{}{}{:04X}", letter(26), letter(21), letter(16), number & 0xffff)
}

/// First and last bus of a constant resource template.
fn buses(tree: &Tree, node: NodeId) -> Option<(u8, u8)> {
    let list = tree
        .children(node)
        .find(|child| tree.node(*child).is_some_and(|node| node.op == Op::ByteList))?;
    let descriptors = resource::decode(tree.slice(list)).value;
    descriptors.iter().find_map(|descriptor| match &descriptor.resource {
        Resource::Range(range) if range.space == Space::Bus && range.length > 0 => {
            Some((u8::try_from(range.minimum).ok()?, u8::try_from(range.maximum).ok()?))
        }
        _ => None,
    })
}

#[cfg(test)]
mod tests;
