//! What an operating system runs before anything else: `_INI`, `_REG` and `_PIC`. ACPI 6.5,
//! sections 6.5.1, 6.5.4 and 5.8.1.
//!
//! Names that they set are read as they leave them; where that is unknown, the names are.

use std::collections::{HashMap, HashSet};

use super::super::names::NameId;
use super::super::namespace::{ObjectId, ObjectKind, Place};
use super::super::opcode::{Op, Operand};
use super::heap::Item;
use super::machine::Machine;
use super::state::{Binding, State};
use super::values::{Dependency, Reason, Value};
use super::{Answer, Evaluator};

/// Ways that are followed beside the first one in each method of start-up.
const FORKS: usize = 16;

impl Evaluator<'_> {
    pub(super) fn start_up(&mut self) {
        let limits = self.setup.limits;
        self.setup.limits.forks = limits.forks.min(FORKS);
        self.run_first("\\_INI");
        self.run_first("\\_SB._INI");
        self.run_handlers();
        self.run_devices();
        if let Some(id) = self.space.find("\\_PIC") {
            self.run(id, &[Value::Integer(1)], false);
        }
        self.setup.limits = limits;
        self.setup.variables = self.changing();
    }

    fn run_first(&mut self, path: &str) {
        if let Some(id) = self.space.find(path) {
            self.run(id, &[], false);
        }
    }

    /// `_REG` tells a device that its regions may be used.
    fn run_handlers(&mut self) {
        let handlers: Vec<ObjectId> = self.named(b"_REG");
        for id in handlers {
            let parent = self.space.object(id).and_then(|object| object.parent);
            let children = parent.map(|parent| self.space.children(parent)).unwrap_or_default();
            let mut spaces: Vec<u8> = children
                .iter()
                .filter_map(|child| match self.space.object(*child)?.kind {
                    ObjectKind::OperationRegion { space } => space,
                    _ => None,
                })
                .collect();
            spaces.sort_unstable();
            spaces.dedup();
            for space in spaces {
                self.run(id, &[Value::Integer(space.into()), Value::Integer(1)], false);
            }
        }
    }

    fn run_devices(&mut self) {
        let mut absent: HashSet<ObjectId> = HashSet::new();
        let order: Vec<ObjectId> = self.space.iter().map(|(id, _)| id).collect();
        for id in order {
            let Some(object) = self.space.object(id) else { continue };
            if !matches!(object.kind, ObjectKind::Device) {
                continue;
            }
            let parent = object.parent;
            if parent.is_some_and(|parent| absent.contains(&parent)) {
                absent.insert(id);
                continue;
            }
            let status = self.space.child(id, b"_STA");
            let method = self.space.child(id, b"_INI");
            let below = !self.space.children(id).is_empty();
            let mut unsure = self.space.condition(id).is_some();
            if let Some(status) = status.filter(|_| method.is_some() || below) {
                match self.evaluate_object(status, &[]).answer {
                    Answer::Known(Value::Integer(status)) if status & 1 == 0 => {
                        if status & 8 == 0 {
                            absent.insert(id);
                        }
                        continue;
                    }
                    Answer::Known(_) => {}
                    _ => unsure = true,
                }
            }
            if let Some(method) = method {
                self.run(method, &[], unsure);
            }
        }
    }

    fn named(&self, name: &[u8; 4]) -> Vec<ObjectId> {
        let objects = self.space.iter();
        objects
            .filter(|(_, object)| object.name.0 == *name)
            .map(|(id, _)| id)
            .collect()
    }

    /// Run a method and keep what it stores; `unsure` when it may not run at all.
    fn run(&mut self, id: ObjectId, arguments: &[Value], unsure: bool) {
        if self.spent.get() >= self.setup.limits.total {
            return;
        }
        let place = self.space.object(id).and_then(|object| object.place);
        let mut machine = Machine::new(self.space, &self.setup);
        let Ok(state) = self.begin(&mut machine, id, place, arguments) else {
            return;
        };
        machine.run(state);
        self.spent.set(self.spent.get().saturating_add(machine.steps));
        let mut ends: Vec<HashMap<NameId, Value>> = Vec::new();
        let mut lost = unsure;
        for mut end in std::mem::take(&mut machine.ends) {
            lost |= matches!(end.result, Err(super::Trouble::Limit(_))) || end.state.cut;
            ends.push(stored(&mut machine, &mut end.state));
        }
        let names: HashSet<NameId> = ends.iter().flat_map(|end| end.keys().copied()).collect();
        let everywhere = |name: &NameId| ends.iter().all(|end| end.contains_key(name));
        let mut settled = Vec::new();
        for name in names {
            let before = if lost || !everywhere(&name) {
                self.value_before(name)
            } else {
                None
            };
            let mut values = ends.iter().filter_map(|end| end.get(&name)).chain(before.as_ref());
            let Some(first) = values.next() else { continue };
            let value = if values.all(|value| value == first) && first.is_known() {
                first.clone()
            } else {
                unknown(first, &self.space.names().path(name).to_string())
            };
            settled.push((name, value));
        }
        self.setup.start.extend(settled);
    }

    fn value_before(&self, name: NameId) -> Option<Value> {
        match self.evaluate_object(self.space.object_of(name)?, &[]).answer {
            Answer::Known(value) => Some(value),
            _ => Some(Value::Unknown(Reason::default())),
        }
    }

    /// Names that methods store to which may run after start-up.
    fn changing(&self) -> HashSet<NameId, std::hash::BuildHasherDefault<super::super::names::QuickHash>> {
        let uses = self.uses();
        let mut later: HashSet<ObjectId> = HashSet::new();
        let called: HashSet<ObjectId> = uses
            .calls
            .iter()
            .filter_map(|(caller, callee)| caller.map(|_| *callee))
            .collect();
        let mut open: Vec<ObjectId> = Vec::new();
        for (id, object) in self.space.iter() {
            let method = matches!(object.kind, ObjectKind::Method { .. });
            if method && !called.contains(&id) && !matches!(&object.name.0, b"_INI" | b"_REG" | b"_PIC") {
                open.push(id);
            }
        }
        let mut callees: HashMap<ObjectId, Vec<ObjectId>> = HashMap::new();
        for (caller, callee) in &uses.calls {
            if let Some(caller) = caller {
                callees.entry(*caller).or_default().push(*callee);
            }
        }
        while let Some(id) = open.pop() {
            if later.insert(id) {
                open.extend(callees.get(&id).into_iter().flatten());
            }
        }
        let stores = uses
            .stores
            .iter()
            .filter(|(method, _)| method.is_none_or(|method| later.contains(&method)));
        stores.map(|(_, name)| *name).collect()
    }

    fn uses(&self) -> Uses {
        let mut uses = Uses::default();
        for (table, tree) in self.space.trees().iter().enumerate() {
            for (at, node) in tree.nodes.iter().enumerate() {
                if node.op != Op::NameRef {
                    continue;
                }
                let Ok(at) = u32::try_from(at) else { break };
                let place = Place {
                    table,
                    node: super::super::tree::NodeId(at),
                };
                let parent = Place {
                    node: node.parent,
                    ..place
                };
                let stored = self.is_stored(parent, place);
                let call = self.space.node(parent).is_some_and(|node| node.op == Op::Call)
                    && tree.operand(node.parent, 0) == Some(place.node);
                if !stored && !call {
                    continue;
                }
                let Some(scope) = self.space.scope_of(place) else {
                    continue;
                };
                let Some(id) = self.space.resolve_node(scope, place) else {
                    continue;
                };
                let id = self.space.target(id);
                let Some(object) = self.space.object(id) else { continue };
                let method = tree
                    .ancestors(place.node)
                    .find(|node| tree.node(*node).is_some_and(|node| node.op == Op::Method));
                let method = method
                    .and_then(|node| tree.opened_scope(node))
                    .and_then(|name| self.space.object_of(name));
                match object.kind {
                    ObjectKind::Method { .. } => uses.calls.push((method, id)),
                    ObjectKind::Name if stored => uses.stores.push((method, object.name_id)),
                    _ => {}
                }
            }
        }
        uses
    }

    /// Whether an operand is one that its operator stores to, or that gives a reference away.
    fn is_stored(&self, parent: Place, operand: Place) -> bool {
        let Some(op) = self.space.node(parent).map(|node| node.op) else {
            return false;
        };
        if matches!(op, Op::SizeOf | Op::ObjectType | Op::Notify | Op::Acquire | Op::Release) {
            return false;
        }
        let kinds = op.info().map_or(&[][..], |info| info.operands);
        let Some(tree) = self.space.trees().get(operand.table) else {
            return false;
        };
        let mut pairs = kinds.iter().zip(tree.children(parent.node));
        pairs.any(|(kind, node)| node == operand.node && matches!(kind, Operand::Super | Operand::Target))
            && !(op == Op::CondRefOf && tree.operand(parent.node, 0) == Some(operand.node))
    }
}

/// Who stores to what and calls what.
#[derive(Default)]
struct Uses {
    stores: Vec<(Option<ObjectId>, NameId)>,
    calls: Vec<(Option<ObjectId>, ObjectId)>,
}

/// Declared names that a way stored to, and those that hold buffers or packages, with what they hold.
fn stored(machine: &mut Machine<'_>, state: &mut State) -> HashMap<NameId, Value> {
    let touched: Vec<(NameId, Item)> = state
        .named
        .iter()
        .filter_map(|(name, binding)| match binding {
            Binding::Value(item)
                if state.stored.contains(name) || matches!(item, Item::Buffer(_) | Item::Package(_)) =>
            {
                Some((*name, item.clone()))
            }
            _ => None,
        })
        .collect();
    let declared = touched
        .into_iter()
        .filter(|(name, _)| machine.space.object_of(*name).is_some());
    let declared: Vec<(NameId, Item)> = declared.collect();
    declared
        .into_iter()
        .map(|(name, item)| (name, machine.export(state, &item)))
        .collect()
}

/// As much of a value as can be kept when it is not known.
fn unknown(value: &Value, path: &str) -> Value {
    let reason = Reason(vec![Dependency::Startup { path: path.to_owned() }]);
    match value {
        Value::Buffer(buffer) => {
            let mut buffer = buffer.clone();
            buffer.unknown = vec![super::UnknownBits {
                first: 0,
                bits: buffer.bytes.len().saturating_mul(8),
                reason,
            }];
            buffer.bytes.fill(0);
            Value::Buffer(buffer)
        }
        _ => Value::Unknown(reason),
    }
}
