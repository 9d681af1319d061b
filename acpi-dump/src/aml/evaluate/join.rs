//! Ways that come to the same point in the same state go on as one.
//!
//! Firmware asks many questions whose answers change nothing but registers; without joining, each
//! would double the ways to follow.

use std::rc::Rc;

use super::super::names::NameId;
use super::heap::{Cell, CellId, Heap, Item, Target};
use super::machine::Machine;
use super::state::{Binding, Frame, State, Task};

/// A point at which ways may join.
pub(super) struct Join {
    /// Cells of the heap when the ways parted.
    cells: usize,
    /// Decisions and assumptions at that time.
    decided: usize,
    /// Ways that may come here.
    alive: usize,
    /// Ways that came.
    came: usize,
    parked: Vec<State>,
}

/// What is left to be done beside the current way.
pub(super) enum Pending {
    Way(Box<State>),
    /// All ways that may come to this point have come or ended.
    Resume(usize),
}

impl Machine<'_> {
    /// Mark where the ways that part now may join: behind the current term, and where the method
    /// gives its value back.
    pub(super) fn mark_joins(&mut self, state: &mut State) {
        let join = |machine: &mut Self, state: &State| {
            machine.joins.push(Join {
                cells: state.heap.len(),
                decided: state.decided.len(),
                alive: 1,
                came: 0,
                parked: Vec::new(),
            });
            let id = machine.joins.len().saturating_sub(1);
            machine.pending.push(Pending::Resume(id));
            Task::Join(id)
        };
        if let Some(frame) = state.frames.last() {
            let base = frame.tasks;
            let discarded = base
                .checked_sub(1)
                .filter(|at| matches!(state.tasks.get(*at), Some(Task::Discard)));
            let at = discarded.unwrap_or(base);
            let below = at.checked_sub(1).and_then(|below| state.tasks.get(below));
            if frame.method.is_some() && !matches!(below, Some(Task::Join(_))) {
                let task = join(self, state);
                state.tasks.insert(at, task);
                if let Some(frame) = state.frames.last_mut() {
                    frame.tasks = base.saturating_add(1);
                }
            }
        }
        if !matches!(state.tasks.last(), Some(Task::Join(_))) {
            let task = join(self, state);
            state.tasks.push(task);
        }
    }

    /// A way was copied: there is one more that may come to each of its points.
    pub(super) fn count_way(&mut self, state: &State) {
        for task in &state.tasks {
            if let Task::Join(id) = task
                && let Some(join) = self.joins.get_mut(*id)
            {
                join.alive = join.alive.saturating_add(1);
            }
        }
    }

    /// A way joined another one.
    fn uncount_way(&mut self, tasks: &[Task]) {
        self.forks = self.forks.saturating_sub(1);
        for task in tasks {
            if let Task::Join(id) = task
                && let Some(join) = self.joins.get_mut(*id)
            {
                join.alive = join.alive.saturating_sub(1);
            }
        }
    }

    /// A way comes to a point: it waits there, or is the same as one that waits.
    pub(super) fn park(&mut self, id: usize, state: State) {
        let Some(join) = self.joins.get_mut(id) else { return };
        join.came = join.came.saturating_add(1);
        let cells = join.cells;
        for parked in &mut join.parked {
            self.steps = self.steps.saturating_add(state.size() / 16);
            if !same(parked, &state, cells) {
                continue;
            }
            let common = parked
                .assumed
                .iter()
                .zip(&state.assumed)
                .take_while(|(one, two)| one == two)
                .count();
            parked.assumed.truncate(common);
            for (region, epoch) in state.epochs {
                let held = parked.epochs.entry(region).or_default();
                *held = epoch.max(*held);
            }
            for symbol in state.decided {
                parked.note_decision(symbol);
            }
            self.uncount_way(&state.tasks);
            return;
        }
        join.parked.push(state);
    }

    /// The ways that wait at a point go on.
    pub(super) fn resume(&mut self, id: usize) {
        let Some(join) = self.joins.get_mut(id) else { return };
        let mut parked = std::mem::take(&mut join.parked);
        if let ([only], true) = (parked.as_mut_slice(), join.came == join.alive) {
            // All came here as one: what was decided in between does not matter.
            only.decided.truncate(join.decided);
        }
        self.pending
            .extend(parked.into_iter().map(|state| Pending::Way(Box::new(state))));
    }
}

fn same(one: &State, two: &State, cells: usize) -> bool {
    let items = Items {
        one: &one.heap,
        two: &two.heap,
        cells,
    };
    one.cut == two.cut
        && one.tasks == two.tasks
        && one.stored == two.stored
        && items.all(&one.values, &two.values)
        && one.frames.len() == two.frames.len()
        && one
            .frames
            .iter()
            .zip(&two.frames)
            .all(|(one, two)| items.frames(one, two))
        && one.named.iter().all(|(name, binding)| match two.named.get(name) {
            Some(other) => items.bindings(binding, other) || (lazy(one, *name, binding) && lazy(two, *name, other)),
            None => lazy(one, *name, binding),
        })
        && two
            .named
            .iter()
            .all(|(name, binding)| one.named.contains_key(name) || lazy(two, *name, binding))
        && items.heaps()
}

/// Whether a binding is only there because something was read: it is what a later read would give.
fn lazy(state: &State, name: NameId, binding: &Binding) -> bool {
    if state.stored.contains(&name) {
        return false;
    }
    match binding {
        Binding::Value(item) => state.heap.is_fresh(item),
        Binding::Part { .. } | Binding::Region { .. } => true,
        Binding::Unit(_) | Binding::Other | Binding::Busy => false,
    }
}

/// Compares what two ways hold.
struct Items<'a> {
    one: &'a Heap,
    two: &'a Heap,
    /// Cells that both had when they parted; the numbers of later ones mean nothing.
    cells: usize,
}

impl Items<'_> {
    fn all(&self, one: &[Item], two: &[Item]) -> bool {
        one.len() == two.len() && one.iter().zip(two).all(|(one, two)| self.items(one, two))
    }

    fn items(&self, one: &Item, two: &Item) -> bool {
        match (one, two) {
            (Item::Text(one), Item::Text(two)) | (Item::Buffer(one), Item::Buffer(two)) => {
                self.old(*one, *two) || self.bytes(*one, *two)
            }
            (Item::Package(one), Item::Package(two)) => self.old(*one, *two),
            (
                Item::Reference(Target::Element(one, at) | Target::Byte(one, at)),
                Item::Reference(Target::Element(two, to) | Target::Byte(two, to)),
            ) => at == to && self.old(*one, *two),
            (Item::Reference(Target::Somewhere(one, symbol)), Item::Reference(Target::Somewhere(two, other))) => {
                symbol == other && self.old(*one, *two)
            }
            _ => one == two,
        }
    }

    fn old(&self, one: CellId, two: CellId) -> bool {
        one == two && one < self.cells
    }

    fn bytes(&self, one: CellId, two: CellId) -> bool {
        one >= self.cells && two >= self.cells && self.one.as_bytes(one) == self.two.as_bytes(two)
    }

    fn frames(&self, one: &Frame, two: &Frame) -> bool {
        one.method == two.method
            && one.scope == two.scope
            && one.created == two.created
            && self.all(&one.locals, &two.locals)
            && self.all(&one.arguments, &two.arguments)
    }

    fn bindings(&self, one: &Binding, two: &Binding) -> bool {
        match (one, two) {
            (Binding::Value(one), Binding::Value(two)) => self.items(one, two),
            (Binding::Part { cell, .. }, Binding::Part { .. }) => one == two && *cell < self.cells,
            _ => one == two,
        }
    }

    fn heaps(&self) -> bool {
        (0..self.cells).all(|id| match (self.one.cell(id), self.two.cell(id)) {
            (Some(one), Some(two)) => Rc::ptr_eq(one, two) || self.contents(one, two),
            _ => false,
        })
    }

    fn contents(&self, one: &Cell, two: &Cell) -> bool {
        match (one, two) {
            (Cell::Bytes(one), Cell::Bytes(two)) => one == two,
            (Cell::Elements(one), Cell::Elements(two)) => self.all(one, two),
            _ => false,
        }
    }
}
