//! What a term declares goes into the names as soon as its operands are read.

use super::super::names::{Known, NameId};
use super::super::opcode::Op;
use super::{Frame, Reader};

impl<'a> Reader<'a> {
    /// All operands are there: declare what the term declares and open its scope.
    pub(super) fn enter(&mut self, frame: &Frame) {
        let scope = self.declare(frame).unwrap_or(frame.scope);
        if let Some(open) = self.stack.last_mut() {
            open.entered = true;
            open.scope = scope;
        }
        if self.declarations && frame.op == Op::Method {
            self.position = frame.limit;
        }
    }

    /// The scope that the term opens, if it does.
    pub(super) fn declare(&mut self, frame: &Frame) -> Option<NameId> {
        let operand = self.tree.children(frame.node).nth(frame.op.declares()?)?;
        let name = self.name_of(operand)?;
        if self.trial.is_some() {
            return match frame.op {
                Op::Scope | Op::Device | Op::Method => self.names.find(frame.scope, name),
                _ => None,
            };
        }
        let known = match frame.op {
            Op::Method => Known::Method(self.small_operand(frame, 1)? & 7),
            Op::Alias => {
                let source = self.name_of(self.tree.children(frame.node).next()?)?;
                Known::Alias(self.names.open(frame.scope, source))
            }
            _ => Known::Object,
        };
        let id = match frame.op {
            Op::Scope => self.names.open(frame.scope, name),
            Op::External => {
                let (kind, count) = (self.small_operand(frame, 1)?, self.small_operand(frame, 2)?);
                self.names.declare_external(frame.scope, name, kind, count)
            }
            _ => self.names.declare(frame.scope, name, known),
        };
        self.tree.placed.push((frame.node, id));
        let opens = matches!(
            frame.op,
            Op::Scope | Op::Method | Op::Device | Op::Processor | Op::PowerResource | Op::ThermalZone
        );
        opens.then_some(id)
    }

    /// The name of a term is kept when only what follows it cannot be read.
    pub(super) fn declare_unfinished(&mut self) {
        if let Some(open) = self.stack.last().copied().filter(|open| !open.entered) {
            self.declare(&open);
        }
    }

    pub(super) fn small_operand(&self, frame: &Frame, index: usize) -> Option<u8> {
        let node = self.tree.children(frame.node).nth(index)?;
        u8::try_from(self.tree.node(node)?.value).ok()
    }
}
