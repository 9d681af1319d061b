//! One path of execution: what is to be done, what has been computed, what was stored.

use std::collections::{HashMap, HashSet};
use std::hash::BuildHasherDefault;
use std::rc::Rc;

use super::super::names::{NameId, QuickHash};
use super::super::namespace::{ObjectId, Place};
use super::super::opcode::Op;
use super::super::tree::NodeId;
use super::heap::{CellId, Heap, Item};
use super::symbol::{Part, Symbol, SymbolId, Symbols};

/// How the value of a term is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    Value,
    /// What is stored to, or referred to.
    Reference,
    /// An element of a package.
    Element,
}

/// One thing to be done; the last of the list is next.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Task {
    /// A list of terms, from this one on.
    Terms(usize, Option<NodeId>),
    Eval(Place, Mode),
    /// Operands are there: apply the operator.
    Apply(Place, Mode),
    Discard,
    /// The predicate is there.
    If(Place),
    Loop {
        place: Place,
        values: usize,
        /// Times that the body was entered though the condition was unknown.
        unknown: u32,
    },
    LoopTest(Place),
    /// End of a method without `Return`.
    LeaveMethod,
    LeaveDeclaration,
    Bind(NameId),
    /// The value of a name is the result.
    Give(NameId),
    /// Ways may join here.
    Join(usize),
}

/// A method that runs, or the declaration of an object whose value is needed.
#[derive(Clone, Debug)]
pub(super) struct Frame {
    pub(super) serial: u32,
    pub(super) method: Option<ObjectId>,
    pub(super) scope: NameId,
    pub(super) locals: [Item; 8],
    pub(super) arguments: [Item; 7],
    pub(super) tasks: usize,
    pub(super) values: usize,
    pub(super) created: Vec<NameId>,
}

/// What a name stands for during an evaluation.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Binding {
    Value(Item),
    /// Part of a buffer.
    Part {
        cell: CellId,
        first: usize,
        bits: usize,
        /// `CreateField`: its value is always a buffer.
        buffer: bool,
    },
    Region {
        space: Option<u8>,
        base: Option<u64>,
    },
    /// A unit of a field list inside a method.
    Unit(Place),
    /// A mutex, event or the like.
    Other,
    /// Its value is being computed.
    Busy,
}

/// What was assumed of an unknown value on this path.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Assumed {
    Is(u64),
    Truth(bool),
}

pub(super) type Bindings = HashMap<NameId, Binding, BuildHasherDefault<QuickHash>>;

/// Decisions of which the reasons are kept.
const DECISIONS: usize = 64;

/// The whole path.
#[derive(Clone, Debug)]
pub(super) struct State {
    pub(super) tasks: Vec<Task>,
    pub(super) values: Vec<Item>,
    pub(super) frames: Vec<Frame>,
    pub(super) heap: Heap,
    pub(super) named: Bindings,
    /// Names that were stored to.
    pub(super) stored: HashSet<NameId, BuildHasherDefault<QuickHash>>,
    pub(super) assumed: Vec<(SymbolId, Assumed)>,
    /// Writes to each region so far.
    pub(super) epochs: HashMap<Rc<str>, u32>,
    /// Unknown values that decided which way was taken.
    pub(super) decided: Vec<SymbolId>,
    /// A loop was left though nothing says that it ends there, or one of several declarations was used.
    pub(super) cut: bool,
    pub(super) serial: u32,
}

impl State {
    pub(super) fn new(memory: usize) -> Self {
        Self {
            tasks: Vec::new(),
            values: Vec::new(),
            frames: Vec::new(),
            heap: Heap::new(memory),
            named: Bindings::default(),
            stored: HashSet::default(),
            assumed: Vec::new(),
            epochs: HashMap::new(),
            decided: Vec::new(),
            cut: false,
            serial: 0,
        }
    }

    pub(super) fn frame(&self, serial: u32) -> Option<&Frame> {
        self.frames.iter().rev().find(|frame| frame.serial == serial)
    }

    pub(super) fn frame_mut(&mut self, serial: u32) -> Option<&mut Frame> {
        self.frames.iter_mut().rev().find(|frame| frame.serial == serial)
    }

    /// Innermost method; declarations in between are passed over.
    pub(super) fn method(&self) -> Option<&Frame> {
        self.frames.iter().rev().find(|frame| frame.method.is_some())
    }

    /// Put a frame on top; its tasks and values begin here.
    pub(super) fn enter(&mut self, method: Option<ObjectId>, scope: NameId, arguments: Vec<Item>) {
        self.serial = self.serial.wrapping_add(1);
        let mut places: [Item; 7] = Default::default();
        for (place, item) in places.iter_mut().zip(arguments) {
            *place = item;
        }
        self.frames.push(Frame {
            serial: self.serial,
            method,
            scope,
            locals: Default::default(),
            arguments: places,
            tasks: self.tasks.len(),
            values: self.values.len(),
            created: Vec::new(),
        });
    }

    /// Take the innermost frame away, with all it had still to do.
    pub(super) fn leave(&mut self) {
        let Some(frame) = self.frames.pop() else { return };
        self.tasks.truncate(frame.tasks);
        self.values.truncate(frame.values);
        for name in frame.created {
            self.named.remove(&name);
        }
    }

    /// Note what decided; more than that is not wanted for a reason.
    pub(super) fn note_decision(&mut self, id: SymbolId) {
        if self.decided.len() < DECISIONS && !self.decided.contains(&id) {
            self.decided.push(id);
        }
    }

    /// How much there is to copy or to compare.
    pub(super) fn size(&self) -> usize {
        let lists = self.tasks.len().saturating_add(self.values.len());
        let names = self.named.len().saturating_add(self.frames.len());
        self.heap.len().saturating_add(lists).saturating_add(names)
    }

    /// What is known of an unknown value on this path.
    pub(super) fn settle(&self, id: SymbolId) -> Option<u64> {
        let mut assumed = self.assumed.iter().rev();
        assumed.find_map(|(symbol, assumed)| match assumed {
            Assumed::Is(number) if *symbol == id => Some(*number),
            _ => None,
        })
    }

    /// Whether an unknown value is true on this path, if that was decided.
    pub(super) fn truth(&self, id: SymbolId) -> Option<bool> {
        let mut assumed = self.assumed.iter().rev();
        assumed
            .find_map(|(symbol, assumed)| (*symbol == id).then_some(*assumed))
            .map(|assumed| match assumed {
                Assumed::Is(number) => number != 0,
                Assumed::Truth(truth) => truth,
            })
    }

    /// Follow this path with an unknown predicate taken as true or false.
    pub(super) fn assume(&mut self, symbols: &Symbols, id: SymbolId, truth: bool, ones: u64) {
        let mut open = vec![(id, truth)];
        while let Some((id, truth)) = open.pop() {
            self.assumed.push((id, Assumed::Truth(truth)));
            match symbols.get(id) {
                Some(Symbol::Apply(Op::LNot, Part::Symbol(inner), _)) => open.push((inner, !truth)),
                Some(
                    Symbol::Apply(Op::LEqual, Part::Symbol(inner), Part::Number(number))
                    | Symbol::Apply(Op::LEqual, Part::Number(number), Part::Symbol(inner)),
                ) if truth => self.assumed.push((inner, Assumed::Is(number))),
                Some(Symbol::Apply(Op::LAnd, first, second)) if truth => {
                    open.extend(
                        [first, second]
                            .into_iter()
                            .filter_map(|part| part.symbol().map(|id| (id, true))),
                    );
                }
                Some(Symbol::Apply(Op::LOr, first, second)) if !truth => {
                    open.extend(
                        [first, second]
                            .into_iter()
                            .filter_map(|part| part.symbol().map(|id| (id, false))),
                    );
                }
                Some(Symbol::Apply(op, ..)) if is_logical(op) => {
                    self.assumed.push((id, Assumed::Is(if truth { ones } else { 0 })));
                }
                _ if !truth => self.assumed.push((id, Assumed::Is(0))),
                _ => {}
            }
        }
    }
}

impl Part {
    pub(super) fn symbol(self) -> Option<SymbolId> {
        match self {
            Self::Symbol(id) => Some(id),
            _ => None,
        }
    }
}

/// Operators whose value is 0 or all ones.
pub(super) fn is_logical(op: Op) -> bool {
    matches!(
        op,
        Op::LAnd | Op::LOr | Op::LNot | Op::LEqual | Op::LGreater | Op::LLess
    )
}
