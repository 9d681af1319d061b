//! What an operating system runs before anything else: `_INI`, `_REG` and `_PIC`. ACPI 6.5,
//! sections 6.5.1, 6.5.4 and 5.8.1.
//!
//! Names that they set are read as they leave them; where that is unknown, the names are.

use std::collections::{HashMap, HashSet};

use super::super::names::NameId;
use super::super::namespace::{ObjectId, ObjectKind};
use super::heap::Item;
use super::machine::Machine;
use super::state::{Binding, State};
use super::uses::Uses;
use super::values::{Dependency, Reason, Value};
use super::{Answer, Evaluator};

/// Ways that are followed beside the first one in each method of start-up.
const FORKS: usize = 16;

impl Evaluator<'_> {
    pub(super) fn start_up(&mut self) {
        let uses = Uses::of(self.space);
        self.setup.silent = uses.silent(self.space);
        let limits = self.setup.limits;
        self.setup.limits.forks = limits.forks.min(FORKS);
        for (table, names) in &uses.loading {
            self.load(*table, names);
        }
        self.run_first("\\_INI", &uses);
        self.run_first("\\_SB._INI", &uses);
        self.run_handlers(&uses);
        self.run_devices(&uses);
        if let Some(id) = self.space.find("\\_PIC") {
            self.run(id, &[Value::Integer(1)], false, &uses);
        }
        self.setup.limits = limits;
        self.setup.variables = uses.changing(self.space);
    }

    fn run_first(&mut self, path: &str, uses: &Uses) {
        if let Some(id) = self.space.find(path) {
            self.run(id, &[], false, uses);
        }
    }

    /// `_REG` tells a device that its regions may be used.
    fn run_handlers(&mut self, uses: &Uses) {
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
                self.run(id, &[Value::Integer(space.into()), Value::Integer(1)], false, uses);
            }
        }
    }

    fn run_devices(&mut self, uses: &Uses) {
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
                self.run(method, &[], unsure, uses);
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
    fn run(&mut self, id: ObjectId, arguments: &[Value], unsure: bool, uses: &Uses) {
        if self.spent.get() >= self.setup.limits.total {
            return;
        }
        let place = self.space.object(id).and_then(|object| object.place);
        let mut machine = Machine::new(self.space, &self.setup);
        let Ok(state) = self.begin(&mut machine, id, place, arguments) else {
            return;
        };
        machine.run(state);
        let kept = self.kept(machine, unsure);
        if self.keep(kept) {
            for name in uses.stored_by(id) {
                self.lose(name);
            }
        }
    }

    /// Run what a table does while it is loaded; `names` is what it stores to.
    fn load(&mut self, table: usize, names: &HashSet<NameId>) {
        let mut machine = Machine::new(self.space, &self.setup);
        let mut state = State::new(self.setup.limits.memory);
        if machine.load(&mut state, table).is_ok() {
            machine.run(state);
        }
        let kept = self.kept(machine, false);
        if self.keep(kept) {
            for name in names {
                self.lose(*name);
            }
        }
    }

    /// What a run stored; `unsure` when it may not happen at all.
    fn kept(&self, mut machine: Machine<'_>, unsure: bool) -> Kept {
        self.spent.set(self.spent.get().saturating_add(machine.steps));
        let mut ends: Vec<HashMap<NameId, Value>> = Vec::new();
        let mut unfinished = false;
        for mut end in std::mem::take(&mut machine.ends) {
            unfinished |= end.result.is_err() || end.state.cut;
            ends.push(stored(&mut machine, &mut end.state));
        }
        let names: HashSet<NameId> = ends.iter().flat_map(|end| end.keys().copied()).collect();
        let everywhere = |name: &NameId| ends.iter().all(|end| end.contains_key(name));
        let mut settled = Vec::new();
        for name in names {
            let before = if unsure || !everywhere(&name) {
                self.value_before(name)
            } else {
                None
            };
            let values = ends.iter().filter_map(|end| end.get(&name)).chain(before.as_ref());
            let mut choices: Vec<Value> = Vec::new();
            for value in values {
                if choices.len() < super::CANDIDATES && !choices.contains(value) {
                    choices.push(value.clone());
                }
            }
            let Some(first) = choices.first() else { continue };
            let value = if choices.len() == 1 && first.is_known() {
                first.clone()
            } else {
                unknown(first, &self.space.names().path(name).to_string())
            };
            settled.push((name, value, choices));
        }
        Kept { settled, unfinished }
    }

    /// Whether more may come that was not followed.
    fn keep(&mut self, kept: Kept) -> bool {
        for (name, value, choices) in kept.settled {
            self.setup.start.insert(name, value);
            self.setup.choices.insert(name, choices);
        }
        kept.unfinished
    }

    fn lose(&mut self, name: NameId) {
        let path = self.space.names().path(name).to_string();
        let reason = Reason(vec![Dependency::Startup { path }]);
        self.setup.start.insert(name, Value::Unknown(reason));
    }

    fn value_before(&self, name: NameId) -> Option<Value> {
        match self.evaluate_object(self.space.object_of(name)?, &[]).answer {
            Answer::Known(value) => Some(value),
            _ => Some(Value::Unknown(Reason::default())),
        }
    }
}

/// What a run leaves.
struct Kept {
    /// Names, their values, and what these may be where they are not known.
    settled: Vec<(NameId, Value, Vec<Value>)>,
    /// A way did not come to its end.
    unfinished: bool,
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
