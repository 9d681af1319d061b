//! The evaluator's loop: terms are executed one at a time from a list of tasks; where an unknown
//! value decides, both ways are followed. ACPI 6.5, sections 5.5.2 and 19.6.

use std::collections::BTreeSet;

use super::super::names::NameId;
use super::super::namespace::{Namespace, ObjectId, ObjectKind, Place};
use super::super::opcode::{Op, Operand};
use super::super::tree::NodeId;
use super::heap::{Full, Item, Target};
use super::join::{Join, Pending};
use super::setup::Setup;
use super::state::{Binding, Mode, State, Task};
use super::symbol::{Part, SymbolId, Symbols};
use super::values::Dependency;

/// Why a path ends without a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// An interpreter would stop there too.
    Failed(String),
    /// A limit was met.
    Limit(&'static str),
}

impl From<Full> for Trouble {
    fn from(_: Full) -> Self {
        Self::Limit("memory")
    }
}

pub(super) type Step<T> = Result<T, Trouble>;

/// `Err` with a reason.
pub(super) fn failed<T>(reason: impl Into<String>) -> Step<T> {
    Err(Trouble::Failed(reason.into()))
}

/// How a path ended.
pub(super) struct End {
    pub(super) state: State,
    pub(super) result: Step<Item>,
}

/// Where following a way stops.
enum Way {
    Ends(Item),
    Joins(usize),
}

/// What is true of a predicate.
enum Decision {
    Is(bool),
    Unknown(SymbolId),
}

/// One evaluation, with all its paths.
pub(super) struct Machine<'a> {
    pub(super) space: &'a Namespace,
    pub(super) setup: &'a Setup<'a>,
    pub(super) symbols: Symbols,
    pub(super) assumptions: BTreeSet<Dependency>,
    /// Fields of regions that were written.
    pub(super) writes: BTreeSet<String>,
    pub(super) steps: usize,
    pub(super) forks: usize,
    pub(super) pending: Vec<Pending>,
    pub(super) joins: Vec<Join>,
    pub(super) ends: Vec<End>,
}

/// Methods and declarations that are open at the same time.
const FRAMES: usize = 96;
/// Tasks that are open at the same time.
const TASKS: usize = 1 << 17;

impl<'a> Machine<'a> {
    pub(super) fn new(space: &'a Namespace, setup: &'a Setup<'a>) -> Self {
        Self {
            space,
            setup,
            symbols: Symbols::default(),
            assumptions: BTreeSet::new(),
            writes: BTreeSet::new(),
            steps: 0,
            forks: 0,
            pending: Vec::new(),
            joins: Vec::new(),
            ends: Vec::new(),
        }
    }

    /// Follow all paths to their ends.
    pub(super) fn run(&mut self, state: State) {
        self.pending.push(Pending::Way(Box::new(state)));
        while let Some(pending) = self.pending.pop() {
            let mut state = match pending {
                Pending::Way(state) => *state,
                Pending::Resume(id) => {
                    self.resume(id);
                    continue;
                }
            };
            let left = self.setup.limits.steps.saturating_sub(self.steps);
            // A path that does not end must leave something to the others.
            let share = if self.pending.is_empty() { left } else { left / 2 };
            match self.follow(&mut state, share) {
                Ok(Way::Joins(id)) => self.park(id, state),
                Ok(Way::Ends(item)) => self.ends.push(End {
                    state,
                    result: Ok(item),
                }),
                Err(trouble) => self.ends.push(End {
                    state,
                    result: Err(trouble),
                }),
            }
        }
    }

    fn follow(&mut self, state: &mut State, share: usize) -> Step<Way> {
        for _ in 0..share {
            self.steps = self.steps.saturating_add(1);
            let Some(task) = state.tasks.pop() else {
                return Ok(Way::Ends(state.values.pop().unwrap_or_default()));
            };
            if let Task::Join(id) = task {
                return Ok(Way::Joins(id));
            }
            self.step(state, task)?;
            if state.tasks.len() > TASKS || state.values.len() > TASKS {
                return Err(Trouble::Limit("operands"));
            }
        }
        Err(Trouble::Limit("steps"))
    }

    fn step(&mut self, state: &mut State, task: Task) -> Step<()> {
        match task {
            Task::Terms(_, None) | Task::Join(_) => Ok(()),
            Task::Terms(table, Some(node)) => self.statement(state, Place { table, node }),
            Task::Eval(place, mode) => self.eval(state, place, mode),
            Task::Apply(place, mode) => {
                let op = self.op(place);
                self.apply(state, place, op, mode)
            }
            Task::Discard => {
                state.values.pop();
                Ok(())
            }
            Task::If(place) => self.branch(state, place),
            Task::Loop { place, values, unknown } => {
                state.values.truncate(values);
                state.tasks.push(Task::Loop { place, values, unknown });
                state.tasks.push(Task::LoopTest(place));
                self.push_operand(state, place, 0)
            }
            Task::LoopTest(place) => self.loop_test(state, place),
            Task::LeaveMethod => {
                state.leave();
                state.values.push(Item::None);
                Ok(())
            }
            Task::LeaveDeclaration => {
                state.leave();
                Ok(())
            }
            Task::Bind(name) => {
                let item = state.values.pop().unwrap_or_default();
                state.named.insert(name, Binding::Value(item));
                Ok(())
            }
            Task::Give(name) => {
                state.tasks.push(Task::Give(name));
                if self.bound(state, name)? {
                    state.tasks.pop();
                    let item = self.value_of(state, name)?;
                    state.values.push(item);
                }
                Ok(())
            }
        }
    }

    pub(super) fn op(&self, place: Place) -> Op {
        self.space.node(place).map_or(Op::Damaged, |node| node.op)
    }

    /// Operand number `index` of a term.
    pub(super) fn operand(&self, place: Place, index: usize) -> Option<Place> {
        let node = self.space.trees().get(place.table)?.operand(place.node, index)?;
        Some(Place { node, ..place })
    }

    /// Number of a raw operand.
    pub(super) fn raw(&self, place: Place, index: usize) -> u64 {
        let operand = self.operand(place, index);
        operand
            .and_then(|place| self.space.node(place))
            .map_or(0, |node| node.value)
    }

    fn push_operand(&self, state: &mut State, place: Place, index: usize) -> Step<()> {
        match self.operand(place, index) {
            Some(operand) => {
                state.tasks.push(Task::Eval(operand, Mode::Value));
                Ok(())
            }
            None => failed(format!("{} without operand {index}", self.describe(place))),
        }
    }

    /// First term of the body.
    pub(super) fn body(&self, place: Place) -> Option<NodeId> {
        self.space.trees().get(place.table)?.body(place.node).next()
    }

    pub(super) fn describe(&self, place: Place) -> String {
        let start = self.space.node(place).map_or(0, |node| node.start);
        format!("{:?} at {start:#06x} of table {}", self.op(place), place.table)
    }

    fn next(&self, place: Place) -> Option<NodeId> {
        self.space.node(place)?.next
    }

    fn statement(&mut self, state: &mut State, place: Place) -> Step<()> {
        let next = self.next(place);
        if next.is_some() {
            state.tasks.push(Task::Terms(place.table, next));
        }
        if state.method().is_none() && self.is_lazy(state, place)? {
            return Ok(());
        }
        match self.op(place) {
            Op::If => {
                state.tasks.push(Task::If(place));
                self.push_operand(state, place, 0)
            }
            // Executed with the `If` before it.
            Op::Else | Op::Noop | Op::BreakPoint | Op::External | Op::Raw | Op::NullName => Ok(()),
            Op::While => {
                let values = state.values.len();
                state.tasks.push(Task::Loop {
                    place,
                    values,
                    unknown: 0,
                });
                Ok(())
            }
            Op::Break => self.leave_loop(state, place, false),
            Op::Continue => self.leave_loop(state, place, true),
            Op::Damaged => failed(format!("bytes that are no term: {}", self.describe(place))),
            Op::Scope | Op::Device | Op::Processor | Op::PowerResource | Op::ThermalZone | Op::Method | Op::Alias => {
                Ok(())
            }
            Op::Mutex | Op::Event => {
                self.bind_other(state, place);
                Ok(())
            }
            Op::Field | Op::IndexField | Op::BankField => {
                self.bind_units(state, place);
                Ok(())
            }
            op if is_declaration(op) || !op.is_value() => self.eval(state, place, Mode::Value),
            _ => {
                state.tasks.push(Task::Discard);
                self.eval(state, place, Mode::Value)
            }
        }
    }

    /// At the level of a table, what declares something waits until it is wanted; scopes are entered.
    fn is_lazy(&mut self, state: &mut State, place: Place) -> Step<bool> {
        match self.op(place) {
            Op::Scope | Op::Device | Op::Processor | Op::PowerResource | Op::ThermalZone => {
                let scope = self.declared(place).and_then(|name| self.space.object_of(name));
                let scope = scope.and_then(|id| self.space.object(self.space.target(id)));
                let scope = scope.map_or(super::super::names::Names::ROOT, |object| object.name_id);
                let body = self.body(place);
                self.enter(state, None, scope, Vec::new())?;
                state.tasks.push(Task::LeaveDeclaration);
                state.tasks.push(Task::Terms(place.table, body));
                Ok(true)
            }
            Op::Field | Op::IndexField | Op::BankField | Op::Mutex | Op::Event => Ok(true),
            op => Ok(op != Op::Return && is_declaration(op)),
        }
    }

    /// The terms of a table that are no declarations.
    pub(super) fn load(&mut self, state: &mut State, table: usize) -> Step<()> {
        let root = Place {
            table,
            node: super::super::tree::Tree::ROOT,
        };
        let body = self.body(root);
        self.enter(state, None, super::super::names::Names::ROOT, Vec::new())?;
        state.tasks.push(Task::LeaveDeclaration);
        state.tasks.push(Task::Terms(table, body));
        Ok(())
    }

    /// The operands of a term are computed first, then it is applied.
    pub(super) fn push_operands(&mut self, state: &mut State, place: Place, mode: Mode) -> Step<()> {
        state.tasks.push(Task::Apply(place, mode));
        let Some(tree) = self.space.trees().get(place.table) else {
            return failed("no such table");
        };
        let from = state.tasks.len();
        let op = self.op(place);
        let kinds = op.info().map_or(&[][..], |info| info.operands);
        let mut operands = tree.children(place.node);
        if op == Op::Call {
            operands.next();
            state
                .tasks
                .extend(operands.map(|node| Task::Eval(Place { node, ..place }, Mode::Value)));
        } else {
            for kind in kinds {
                let Some(node) = operands.next() else {
                    return failed(format!("{} without all its operands", self.describe(place)));
                };
                let mode = match kind {
                    Operand::Term | Operand::Data => Mode::Value,
                    Operand::Super | Operand::Target => Mode::Reference,
                    _ => continue,
                };
                state.tasks.push(Task::Eval(Place { node, ..place }, mode));
            }
            if matches!(op, Op::Package | Op::VarPackage) {
                state
                    .tasks
                    .extend(operands.map(|node| Task::Eval(Place { node, ..place }, Mode::Element)));
            }
        }
        if let Some(pushed) = state.tasks.get_mut(from..) {
            pushed.reverse();
        }
        Ok(())
    }

    fn decide(&mut self, state: &State, item: &Item) -> Step<Decision> {
        let truth = match self.integer(state, item)? {
            Part::Number(number) => Decision::Is(number != 0),
            Part::Symbol(id) => match state.truth(id) {
                Some(truth) => Decision::Is(truth),
                None => Decision::Unknown(id),
            },
            Part::None => Decision::Is(false),
        };
        Ok(truth)
    }

    /// The other way of a fork; both have the decision noted.
    fn fork(&mut self, state: &mut State, id: SymbolId) -> Step<Box<State>> {
        if self.forks >= self.setup.limits.forks {
            state.note_decision(id);
            return Err(Trouble::Limit("forks"));
        }
        self.forks = self.forks.saturating_add(1);
        self.steps = self.steps.saturating_add(state.size() / 16);
        self.mark_joins(state);
        let mut other = Box::new(state.clone());
        self.count_way(state);
        other.note_decision(id);
        state.note_decision(id);
        Ok(other)
    }

    fn branch(&mut self, state: &mut State, place: Place) -> Step<()> {
        let predicate = state.values.pop().unwrap_or_default();
        let truth = match self.decide(state, &predicate)? {
            Decision::Is(truth) => truth,
            Decision::Unknown(id) => {
                let mut other = self.fork(state, id)?;
                other.assume(&self.symbols, id, false, self.setup.ones);
                self.take_branch(&mut other, place, false);
                self.pending.push(Pending::Way(other));
                state.assume(&self.symbols, id, true, self.setup.ones);
                true
            }
        };
        self.take_branch(state, place, truth);
        Ok(())
    }

    fn take_branch(&self, state: &mut State, place: Place, truth: bool) {
        if truth {
            state.tasks.push(Task::Terms(place.table, self.body(place)));
            return;
        }
        let Some(node) = self.next(place) else { return };
        let next = Place { node, ..place };
        if self.op(next) == Op::Else {
            state.tasks.push(Task::Terms(place.table, self.body(next)));
        }
    }

    /// Where the condition of a loop is unknown, the body is followed once or not at all.
    fn loop_test(&mut self, state: &mut State, place: Place) -> Step<()> {
        let predicate = state.values.pop().unwrap_or_default();
        match self.decide(state, &predicate)? {
            Decision::Is(true) => state.tasks.push(Task::Terms(place.table, self.body(place))),
            Decision::Is(false) => {
                state.tasks.pop();
            }
            Decision::Unknown(id) => {
                let Some(Task::Loop { place, values, unknown }) = state.tasks.pop() else {
                    return Ok(());
                };
                if unknown > 0 {
                    state.cut = true;
                    let path = state.method().and_then(|frame| frame.method);
                    let path = path.map(|id| self.space.path(id).to_string()).unwrap_or_default();
                    let symbol = self.symbols.source(Dependency::Loop { path }, 0);
                    state.note_decision(symbol);
                    return Ok(());
                }
                let mut other = self.fork(state, id)?;
                other.assume(&self.symbols, id, false, self.setup.ones);
                self.pending.push(Pending::Way(other));
                state.tasks.push(Task::Loop {
                    place,
                    values,
                    unknown: 1,
                });
                state.tasks.push(Task::Terms(place.table, self.body(place)));
            }
        }
        Ok(())
    }

    fn leave_loop(&mut self, state: &mut State, place: Place, again: bool) -> Step<()> {
        let base = state.frames.last().map_or(0, |frame| frame.tasks);
        let tasks = state.tasks.get(base..).unwrap_or_default();
        let Some(at) = tasks.iter().rposition(|task| matches!(task, Task::Loop { .. })) else {
            return failed(format!("{} outside a loop", self.describe(place)));
        };
        let at = base.saturating_add(at);
        if let Some(Task::Loop { values, .. }) = state.tasks.get(at) {
            let values = *values;
            state.values.truncate(values);
        }
        state.tasks.truncate(if again { at.saturating_add(1) } else { at });
        Ok(())
    }

    /// Begin a method; its value will be put on the values.
    pub(super) fn call(&mut self, state: &mut State, method: ObjectId, arguments: Vec<Item>) -> Step<()> {
        match self.space.object(method).and_then(|object| object.place) {
            Some(place) => self.call_at(state, method, place, arguments),
            None => failed("a method without a body"),
        }
    }

    /// As [`Machine::call`], with the body of another declaration of the method.
    pub(super) fn call_at(
        &mut self,
        state: &mut State,
        method: ObjectId,
        place: Place,
        arguments: Vec<Item>,
    ) -> Step<()> {
        let Some(object) = self.space.object(method) else {
            return failed("no such method");
        };
        self.enter(state, Some(method), object.name_id, arguments)?;
        state.tasks.push(Task::LeaveMethod);
        state.tasks.push(Task::Terms(place.table, self.body(place)));
        Ok(())
    }

    fn enter(&mut self, state: &mut State, method: Option<ObjectId>, scope: NameId, arguments: Vec<Item>) -> Step<()> {
        if state.frames.len() >= FRAMES {
            return Err(Trouble::Limit("calls"));
        }
        state.enter(method, scope, arguments);
        Ok(())
    }

    /// Compute what a declaration says, in its own scope: its `index`th operand as a value bound to
    /// `bind`, or the whole term.
    pub(super) fn declaration(&mut self, state: &mut State, place: Place, bind: Option<(NameId, usize)>) -> Step<()> {
        let scope = self.space.scope_of(place).and_then(|id| self.space.object(id));
        let scope = scope.map_or(super::super::names::Names::ROOT, |object| object.name_id);
        let Some((name, index)) = bind else {
            self.enter(state, None, scope, Vec::new())?;
            state.tasks.push(Task::LeaveDeclaration);
            state.tasks.push(Task::Eval(place, Mode::Value));
            return Ok(());
        };
        let Some(operand) = self.operand(place, index) else {
            return failed(format!("{} without a value", self.describe(place)));
        };
        // Bound outside the frame, whose values go with it.
        state.named.insert(name, Binding::Busy);
        self.enter(state, None, scope, Vec::new())?;
        state.tasks.push(Task::LeaveDeclaration);
        state.tasks.push(Task::Bind(name));
        state.tasks.push(Task::Eval(operand, Mode::Value));
        Ok(())
    }

    /// Leave the innermost method with a value.
    pub(super) fn give_back(&mut self, state: &mut State, item: Item) -> Step<()> {
        while state.frames.last().is_some_and(|frame| frame.method.is_none()) {
            state.leave();
        }
        if state.frames.is_empty() {
            return failed("Return outside a method");
        }
        // What a local holds is given, not the local.
        let item = match item {
            Item::Reference(Target::Local(..) | Target::Argument(..)) => self.plain(state, &item)?,
            other => other,
        };
        state.leave();
        state.values.push(item);
        Ok(())
    }

    /// The kind of the object of a name.
    pub(super) fn kind(&self, name: NameId) -> Option<(ObjectId, &'a ObjectKind)> {
        let id = self.space.object_of(name)?;
        Some((id, &self.space.object(id)?.kind))
    }
}

/// Terms that put nothing on the values.
pub(super) fn is_declaration(op: Op) -> bool {
    matches!(
        op,
        Op::Name
            | Op::OperationRegion
            | Op::DataTableRegion
            | Op::CreateBitField
            | Op::CreateByteField
            | Op::CreateWordField
            | Op::CreateDWordField
            | Op::CreateQWordField
            | Op::CreateField
            | Op::Return
    )
}
