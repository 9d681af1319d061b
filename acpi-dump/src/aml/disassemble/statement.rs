//! Terms in a list of terms: declarations, control flow, assignments.

use super::block::{Task, Writer};
use super::text;
use crate::aml::opcode::Op;
use crate::aml::tree::NodeId;

impl Writer<'_> {
    /// Write one term; its blocks and operands follow from the stack.
    pub(super) fn statement(&mut self, id: NodeId) {
        match self.op(id) {
            Op::Damaged => self.damaged(id),
            Op::If | Op::While => self.control(id),
            Op::Else => {
                self.text("/* without If */ Else");
                let first = self.body(id);
                self.push_block(first);
            }
            Op::Scope | Op::Device | Op::ThermalZone | Op::Processor | Op::PowerResource => {
                let first = self.body(id);
                self.push_block(first);
                self.call_form(id);
            }
            Op::Method => self.method(id),
            Op::Field | Op::IndexField | Op::BankField => self.field(id),
            Op::Name => self.name(id),
            Op::External => self.external(id),
            Op::Break | Op::Continue | Op::Noop | Op::BreakPoint => self.word(id),
            Op::Store => self.store(id),
            Op::Increment => self.postfix(id, "++"),
            Op::Decrement => self.postfix(id, "--"),
            Op::Divide => self.divide(id),
            Op::Not | Op::Index => self.unary(id),
            Op::Add
            | Op::Subtract
            | Op::Multiply
            | Op::Mod
            | Op::ShiftLeft
            | Op::ShiftRight
            | Op::And
            | Op::Or
            | Op::XOr => self.arithmetic(id),
            Op::Call => self.operand(id),
            _ => self.call_form(id),
        }
    }

    fn control(&mut self, id: NodeId) {
        self.word(id);
        self.text(" (");
        let first = self.body(id);
        self.push_block(first);
        self.push(&[Task::Text(")")]);
        self.push_operand(id, 0);
    }

    fn method(&mut self, id: NodeId) {
        self.text("Method (");
        let flags = self.tree.operand(id, 1).and_then(|flags| self.tree.node(flags));
        let flags = flags.map_or(0, |node| node.value);
        if let Some(name) = self.tree.operand(id, 0) {
            self.path(name);
        }
        self.text(", ");
        self.text(&(flags & 7).to_string());
        self.text(if flags & 8 == 0 {
            ", NotSerialized"
        } else {
            ", Serialized"
        });
        if flags >> 4 != 0 {
            self.text(", ");
            text::hex(&mut self.out, flags >> 4, 1);
        }
        self.text(")");
        let first = self.body(id);
        self.push_block(first);
    }

    fn name(&mut self, id: NodeId) {
        self.text("Name (");
        let name = self.tree.operand(id, 0);
        let hardware = name
            .and_then(|name| self.tree.name(name))
            .and_then(|name| name.segments().next_back());
        let hardware = hardware.is_some_and(|last| matches!(&last.0, b"_HID" | b"_CID"));
        if let Some(name) = name {
            self.path(name);
        }
        self.text(", ");
        self.push(&[Task::Text(")")]);
        match self.tree.operand(id, 1) {
            Some(data) if hardware => self.push(&[Task::HardwareId(data)]),
            Some(data) => self.push(&[Task::Operand(data)]),
            None => self.push(&[Task::Text("/* missing */")]),
        }
    }

    fn postfix(&mut self, id: NodeId, sign: &'static str) {
        if !self.is_place(id, 0) {
            return self.call_form(id);
        }
        self.push(&[Task::Text(sign)]);
        self.push_operand(id, 0);
    }

    /// `target = value`, unless the compiler would move the target into the value.
    fn store(&mut self, id: NodeId) {
        let moved = self.tree.operand(id, 0).is_some_and(|value| {
            let takes = matches!(
                self.op(value),
                Op::Add
                    | Op::And
                    | Op::Divide
                    | Op::Index
                    | Op::Mod
                    | Op::Multiply
                    | Op::Not
                    | Op::Or
                    | Op::ShiftLeft
                    | Op::ShiftRight
                    | Op::Subtract
                    | Op::XOr
            );
            takes
                && self
                    .tree
                    .children(value)
                    .last()
                    .is_some_and(|last| self.op(last) == Op::NullName)
        });
        if moved || !self.is_place(id, 1) {
            return self.call_form(id);
        }
        self.push_operand(id, 0);
        self.push(&[Task::Text(" = ")]);
        self.push_operand(id, 1);
    }

    /// `target = (a + b)`, or `a += b` where the target is the first operand.
    fn arithmetic(&mut self, id: NodeId) {
        let (sign, both) = super::expression::sign(self.op(id));
        if !self.is_place(id, 2) {
            return self.call_form(id);
        }
        self.assign(id, 2, sign, both);
    }

    fn divide(&mut self, id: NodeId) {
        let remainder = self.tree.operand(id, 2).map(|remainder| self.op(remainder));
        if remainder != Some(Op::NullName) || !self.is_place(id, 3) {
            return self.call_form(id);
        }
        self.assign(id, 3, " / ", " /= ");
    }

    fn assign(&mut self, id: NodeId, target: usize, sign: &'static str, both: &'static str) {
        if self.same_simple(id, 0, target) {
            self.push_operand(id, 1);
            self.push(&[Task::Text(both)]);
            return self.push_operand(id, 0);
        }
        self.push(&[Task::Text(")")]);
        self.push_operand(id, 1);
        self.push(&[Task::Text(sign)]);
        self.push_operand(id, 0);
        self.push(&[Task::Text(" = (")]);
        self.push_operand(id, target);
    }

    /// `Not` and `Index` with a target.
    fn unary(&mut self, id: NodeId) {
        let index = self.op(id) == Op::Index;
        let target = if index { 2 } else { 1 };
        if !self.is_place(id, target) || (index && !self.is_indexed(id)) {
            return self.call_form(id);
        }
        if index {
            self.push(&[Task::Text("]")]);
            self.push_operand(id, 1);
            self.push(&[Task::Text(" [")]);
            self.push_operand(id, 0);
            self.push(&[Task::Text(" = ")]);
        } else {
            self.push_operand(id, 0);
            self.push(&[Task::Text(" = ~")]);
        }
        self.push_operand(id, target);
    }

    /// Whether an operand is something that stands on the left of `=`.
    fn is_place(&self, id: NodeId, index: usize) -> bool {
        self.tree
            .operand(id, index)
            .is_some_and(|operand| !matches!(self.op(operand), Op::NullName | Op::Call | Op::Damaged))
    }

    /// Whether two operands are the same local, argument or name.
    fn same_simple(&self, id: NodeId, one: usize, other: usize) -> bool {
        let (Some(one), Some(other)) = (self.tree.operand(id, one), self.tree.operand(id, other)) else {
            return false;
        };
        let simple = self.op(one) == Op::NameRef || super::expression::is_register(self.op(one));
        simple && self.tree.slice(one) == self.tree.slice(other)
    }
}
