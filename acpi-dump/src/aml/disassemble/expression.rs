//! Operands: constants, names, calls, operators.

use super::block::{Task, Writer};
use super::text;
use crate::aml::opcode::Op;
use crate::aml::tree::NodeId;

/// Operator and its form with `=`; empty for opcodes that have none.
pub(super) fn sign(op: Op) -> (&'static str, &'static str) {
    match op {
        Op::Add => (" + ", " += "),
        Op::Subtract => (" - ", " -= "),
        Op::Multiply => (" * ", " *= "),
        Op::Divide => (" / ", " /= "),
        Op::Mod => (" % ", " %= "),
        Op::ShiftLeft => (" << ", " <<= "),
        Op::ShiftRight => (" >> ", " >>= "),
        Op::And => (" & ", " &= "),
        Op::Or => (" | ", " |= "),
        Op::XOr => (" ^ ", " ^= "),
        Op::LAnd => (" && ", ""),
        Op::LOr => (" || ", ""),
        Op::LEqual => (" == ", ""),
        Op::LGreater => (" > ", ""),
        Op::LLess => (" < ", ""),
        _ => ("", ""),
    }
}

/// Whether the opcode is a local or an argument.
pub(super) fn is_register(op: Op) -> bool {
    (Op::Local0..=Op::Arg6).contains(&op)
}

impl Writer<'_> {
    /// The opcode's word: [`Op`] is named after ASL.
    pub(super) fn word(&mut self, id: NodeId) {
        use std::fmt::Write;
        let op = self.op(id);
        let _ = write!(self.out, "{op:?}");
    }

    /// A name.
    pub(super) fn path(&mut self, id: NodeId) {
        match self.tree.name(id) {
            Some(name) => text::name(&mut self.out, name),
            None => self.damaged(id),
        }
    }

    /// An operand, in parentheses where it is an operator with two operands.
    pub(super) fn operand(&mut self, id: NodeId) {
        let Some(node) = self.tree.node(id) else { return };
        match node.op {
            Op::NullName => {}
            Op::NameRef => self.path(id),
            Op::ByteConst => text::hex(&mut self.out, node.value, 2),
            Op::WordConst => text::hex(&mut self.out, node.value, 4),
            Op::DWordConst => self.number(id, node.value),
            Op::QWordConst => text::hex(&mut self.out, node.value, 16),
            Op::Raw => {
                let digits = node.end.saturating_sub(node.start).saturating_mul(2);
                text::hex(&mut self.out, node.value, digits);
            }
            Op::StringConst => {
                let text = self.tree.text(id).unwrap_or_default();
                text::quoted(&mut self.out, text);
            }
            Op::Buffer => self.buffer(id),
            Op::Package | Op::VarPackage => self.package(id),
            Op::Call => self.call(id),
            Op::Zero | Op::One | Op::Ones | Op::Revision | Op::Debug | Op::Timer => self.word(id),
            op if is_register(op) => self.word(id),
            Op::LNot => self.not(id),
            Op::Not if self.has_target(id) == Some(false) => {
                self.text("~");
                self.push_operand(id, 0);
            }
            Op::Index if self.has_target(id) == Some(false) && self.is_indexed(id) => {
                self.push(&[Task::Text("]")]);
                self.push_operand(id, 1);
                self.push(&[Task::Text(" [")]);
                self.push_operand(id, 0);
            }
            Op::Damaged => self.damaged(id),
            op => match sign(op).0 {
                "" => self.call_form(id),
                _ if self.has_target(id) == Some(true) => self.call_form(id),
                sign => self.binary(id, sign),
            },
        }
    }

    fn binary(&mut self, id: NodeId, sign: &'static str) {
        self.text("(");
        self.push(&[Task::Text(")")]);
        self.push_operand(id, 1);
        self.push(&[Task::Text(sign)]);
        self.push_operand(id, 0);
    }

    /// `!x`, or the comparison that is coded as the opposite of another.
    fn not(&mut self, id: NodeId) {
        let inner = self.tree.operand(id, 0);
        let opposite = inner.and_then(|inner| match self.op(inner) {
            Op::LEqual => Some(" != "),
            Op::LGreater => Some(" <= "),
            Op::LLess => Some(" >= "),
            _ => None,
        });
        match inner.zip(opposite) {
            Some((inner, opposite)) => self.binary(inner, opposite),
            None => {
                self.text("!");
                self.push_operand(id, 0);
            }
        }
    }

    fn call(&mut self, id: NodeId) {
        let mut operands = self.tree.children(id);
        let name = operands.next();
        let arguments: Vec<NodeId> = operands.collect();
        if let Some(name) = name {
            self.path(name);
        }
        self.text(" (");
        self.list(&arguments);
    }

    /// Operands between commas, and the closing parenthesis.
    fn list(&mut self, operands: &[NodeId]) {
        self.push(&[Task::Text(")")]);
        for (number, operand) in operands.iter().enumerate().rev() {
            self.push(&[Task::Operand(*operand)]);
            if number > 0 {
                self.push(&[Task::Text(", ")]);
            }
        }
    }

    /// Whether a target is given; `None` when the opcode has none.
    fn has_target(&self, id: NodeId) -> Option<bool> {
        let op = self.op(id);
        let first = match op {
            Op::Not => 1,
            Op::LAnd | Op::LOr | Op::LEqual | Op::LGreater | Op::LLess => return None,
            _ => 2,
        };
        Some(
            self.tree
                .children(id)
                .skip(first)
                .any(|operand| self.op(operand) != Op::NullName),
        )
    }

    /// Whether `x [n]` is possible: the left side must be a name or a reference.
    pub(super) fn is_indexed(&self, id: NodeId) -> bool {
        self.tree.operand(id, 0).is_some_and(|source| {
            let op = self.op(source);
            matches!(op, Op::NameRef | Op::DerefOf | Op::RefOf | Op::Call) || is_register(op)
        })
    }

    /// `Word (a, b)`; targets that are left out at the end are not written.
    pub(super) fn call_form(&mut self, id: NodeId) {
        let op = self.op(id);
        self.word(id);
        self.text(" (");
        let count = self.tree.node(id).map_or(0, |node| usize::from(node.operands));
        let mut operands: Vec<NodeId> = self.tree.children(id).take(count).collect();
        while operands.last().is_some_and(|last| self.op(*last) == Op::NullName) {
            operands.pop();
        }
        self.push(&[Task::Text(")")]);
        for (number, operand) in operands.iter().enumerate().rev() {
            let keyword = self.keyword(op, number, *operand);
            self.push(&[keyword.map_or(Task::Operand(*operand), Task::Text)]);
            if number > 0 {
                self.push(&[Task::Text(", ")]);
            }
        }
    }

    /// Raw operands that have words.
    fn keyword(&self, op: Op, number: usize, operand: NodeId) -> Option<&'static str> {
        let node = self.tree.node(operand).filter(|node| node.op == Op::Raw)?;
        match (op, number) {
            (Op::OperationRegion, 1) => text::region_space(node.value),
            (Op::Match, 1 | 3) => text::match_word(node.value),
            _ => None,
        }
    }
}
