//! Unknown values as expressions of what is unknown, so that the same question asked twice has
//! one answer.

use std::collections::HashMap;

use super::super::opcode::Op;
use super::values::{Dependency, Reason};

/// An unknown value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct SymbolId(pub(super) u32);

/// Operand of an expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Part {
    Number(u64),
    Symbol(SymbolId),
    None,
}

/// What an unknown value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Symbol {
    /// What a dependency gives; the number tells apart what may have changed in between.
    Source(usize, u32),
    /// An operator applied.
    Apply(Op, Part, Part),
}

/// Dependencies that are kept of one value.
const DEPENDENCIES: usize = 12;

/// All unknown values of one evaluation.
#[derive(Default)]
pub(super) struct Symbols {
    list: Vec<(Symbol, Vec<usize>)>,
    places: HashMap<Symbol, SymbolId>,
    dependencies: Vec<Dependency>,
    known: HashMap<Dependency, usize>,
    serial: u32,
}

impl Symbols {
    pub(super) fn source(&mut self, dependency: Dependency, version: u32) -> SymbolId {
        let next = self.dependencies.len();
        let at = *self.known.entry(dependency.clone()).or_insert(next);
        if at == next {
            self.dependencies.push(dependency);
        }
        self.add(Symbol::Source(at, version), vec![at])
    }

    /// A value that is never the same twice.
    pub(super) fn fresh(&mut self, dependency: Dependency) -> SymbolId {
        self.serial = self.serial.wrapping_add(1);
        let version = self.serial;
        self.source(dependency, version)
    }

    pub(super) fn apply(&mut self, op: Op, first: Part, second: Part) -> SymbolId {
        let mut dependencies: Vec<usize> = Vec::new();
        for part in [first, second] {
            if let Part::Symbol(id) = part {
                dependencies.extend(self.of(id));
            }
        }
        dependencies.sort_unstable();
        dependencies.dedup();
        dependencies.truncate(DEPENDENCIES);
        self.add(Symbol::Apply(op, first, second), dependencies)
    }

    pub(super) fn get(&self, id: SymbolId) -> Option<Symbol> {
        Some(self.list.get(usize::try_from(id.0).ok()?)?.0)
    }

    pub(super) fn reason(&self, id: SymbolId) -> Reason {
        let list = self.of(id).iter();
        Reason(list.filter_map(|at| self.dependencies.get(*at).cloned()).collect())
    }

    fn of(&self, id: SymbolId) -> &[usize] {
        let at = usize::try_from(id.0).unwrap_or(usize::MAX);
        self.list.get(at).map_or(&[], |(_, list)| list)
    }

    fn add(&mut self, symbol: Symbol, dependencies: Vec<usize>) -> SymbolId {
        let next = SymbolId(u32::try_from(self.list.len()).unwrap_or(u32::MAX));
        let id = *self.places.entry(symbol).or_insert(next);
        if id == next {
            self.list.push((symbol, dependencies));
        }
        id
    }
}
