//! How many arguments a call takes whose method no table declares.
//!
//! Each count from none to seven is tried: the rest of the enclosing package must be readable, as
//! far as it is looked at, and nothing that has no effect may stand as a statement of its own, as a
//! left-over argument would.

use super::super::name::NameRef;
use super::super::opcode::{Op, Operand};
use super::{Frame, Mark, Reader, Trial};

/// Bytes behind a call that a trial reads at most.
const AHEAD: usize = 256;

impl<'a> Reader<'a> {
    /// A name that nothing declares, where a call may stand.
    pub(super) fn unknown(&mut self, frame: &Frame, name: NameRef<'a>, statement: bool) {
        let count = self.guess(frame, name);
        if count == 0 && !statement {
            return self.name_leaf(name);
        }
        let node = self.call(frame, name, count, statement);
        if let Some(node) = node {
            self.tree.guessed.push((node, count));
        }
    }

    /// The argument count with which the rest of the enclosing package can be read best.
    pub(super) fn guess(&mut self, frame: &Frame, name: NameRef<'a>) -> u8 {
        let end = self.position.saturating_add(name.length);
        let key = self.bytes.get(self.position..end).unwrap_or_default();
        let before = self.guesses.get(key).copied();
        if self.trial.is_some() || (before.is_some() && self.budget == 0) {
            return before.unwrap_or_default();
        }
        // What was found at an earlier call comes first: it stays unless it does not fit here.
        let mut best = (usize::MAX, before.unwrap_or_default());
        for count in before.into_iter().chain(0..8) {
            self.guesses.insert(key, count);
            let trial = self.try_count(frame, name, count);
            if !trial.failed && trial.idle < best.0 {
                best = (trial.idle, count);
            }
            if best.0 == 0 || self.budget == 0 {
                break;
            }
        }
        self.guesses.insert(key, best.1);
        best.1
    }

    pub(super) fn try_count(&mut self, frame: &Frame, name: NameRef<'_>, count: u8) -> Trial {
        let mark = Mark {
            position: self.position,
            nodes: self.tree.nodes.len(),
            guessed: self.tree.guessed.len(),
            stack: self.stack.clone(),
        };
        let package = self.stack.iter().rposition(|frame| frame.package).unwrap_or(0);
        self.trial = Some(Trial::default());
        if count == 0 {
            self.name_leaf(name);
        } else {
            self.call(frame, name, count, false);
        }
        let enough = mark.position.saturating_add(AHEAD.min(self.budget));
        let going = |reader: &Self| {
            let failed = reader.trial.is_none_or(|trial| trial.failed);
            !failed && reader.stack.len() > package && reader.position < enough
        };
        while going(self) {
            self.step();
        }
        let cost = self
            .position
            .saturating_sub(mark.position)
            .saturating_add(mark.stack.len());
        self.budget = self.budget.saturating_sub(cost);
        let trial = self.trial.take().unwrap_or_default();
        self.go_back(mark);
        trial
    }

    pub(super) fn go_back(&mut self, mark: Mark) {
        self.position = mark.position;
        self.tree.nodes.truncate(mark.nodes);
        self.tree.guessed.truncate(mark.guessed);
        self.stack = mark.stack;
        for frame in self.stack.clone() {
            match frame.last {
                Some(last) => self.set_next(last, None),
                None => self.set_first(frame.node, None),
            }
        }
    }

    /// A statement has been read: does it do anything?
    pub(super) fn judge(&mut self, frame: &Frame) {
        let last = frame.last.and_then(|id| self.tree.node(id)).map(|node| node.op);
        match frame.op {
            Op::Buffer | Op::Package | Op::VarPackage => self.no_effect(frame.node),
            Op::LAnd
            | Op::LOr
            | Op::LNot
            | Op::LEqual
            | Op::LGreater
            | Op::LLess
            | Op::SizeOf
            | Op::ObjectType
            | Op::DerefOf
            | Op::RefOf => self.idle(),
            _ if frame.operands.last() == Some(&Operand::Target) && last == Some(Op::NullName) => self.idle(),
            _ => {}
        }
    }

    pub(super) fn fail(&mut self) {
        if let Some(trial) = &mut self.trial {
            trial.failed = true;
        }
    }

    pub(super) fn idle(&mut self) {
        if let Some(trial) = &mut self.trial {
            trial.idle = trial.idle.saturating_add(1);
        }
    }
}
