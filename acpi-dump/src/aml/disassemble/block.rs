//! The writer: a stack of what is still to be written, so that no depth of the input exhausts
//! the thread's stack.

use std::collections::BTreeMap;

use super::text;
use super::{Externals, Inexact, Options, inexact};
use crate::aml::opcode::Op;
use crate::aml::tree::{NodeId, Tree};
use crate::header::Header;

/// Levels of indentation that are written; deeper text stays at that column.
const LEVELS: usize = 48;

/// A piece still to be written.
#[derive(Clone, Copy, Debug)]
pub(super) enum Task {
    /// A word.
    Text(&'static str),
    /// An operand with a value, or a name.
    Operand(NodeId),
    /// As `Operand`; a number is a hardware id where it can be one.
    HardwareId(NodeId),
    /// Statements from this one on.
    Terms(Option<NodeId>),
    /// The `Else` that belongs to the `If` before.
    Else(NodeId),
    /// Elements of a package from this one on, `true` when each has its own line.
    Elements(Option<NodeId>, bool),
    /// Access type, lock rule and update rule of a field.
    Flags(u64),
    /// Units of a field from this one on, which begins at that bit.
    Units(NodeId, u64),
    /// The bytes of a buffer.
    Bytes(NodeId),
    /// A new line.
    Line,
    /// One level in.
    In,
    /// One level out.
    Out,
}

/// Writes one table.
pub(super) struct Writer<'a> {
    pub(super) tree: &'a Tree,
    pub(super) options: &'a Options,
    pub(super) out: String,
    tasks: Vec<Task>,
    level: usize,
    /// Names given to descriptors so far.
    pub(super) tags: usize,
}

/// Whether the term ends with a brace on a line of its own.
fn is_block(op: Op) -> bool {
    let field = matches!(op, Op::Field | Op::IndexField | Op::BankField);
    field || inexact::has_terms(op)
}

impl<'a> Writer<'a> {
    pub(super) fn new(tree: &'a Tree, options: &'a Options) -> Self {
        Self {
            tree,
            options,
            out: String::with_capacity(tree.bytes.len().saturating_mul(6)),
            tasks: Vec::new(),
            level: 0,
            tags: 0,
        }
    }

    pub(super) fn finish(self) -> String {
        self.out
    }

    pub(super) fn text(&mut self, text: &str) {
        self.out.push_str(text);
    }

    pub(super) fn line(&mut self) {
        self.out.push('\n');
        for _ in 0..self.level.min(LEVELS) {
            self.out.push_str("    ");
        }
    }

    /// What is to be written next, in order.
    pub(super) fn push(&mut self, tasks: &[Task]) {
        self.tasks.extend(tasks.iter().rev());
    }

    pub(super) fn enter(&mut self) {
        self.level = self.level.saturating_add(1);
    }

    pub(super) fn leave(&mut self) {
        self.level = self.level.saturating_sub(1);
    }

    /// `{ ... }` on lines of their own, with the statements from `first` on.
    pub(super) fn push_block(&mut self, first: Option<NodeId>) {
        self.push(&[
            Task::Line,
            Task::Text("{"),
            Task::In,
            Task::Terms(first),
            Task::Out,
            Task::Line,
            Task::Text("}"),
        ]);
    }

    /// The line that opens the table.
    pub(super) fn header(&mut self) {
        let Some(header) = Header::parse(&self.tree.bytes) else {
            self.text("// The table ends inside its header.\n");
            return;
        };
        self.text("DefinitionBlock (\"\", ");
        let trim = |bytes: &[u8]| {
            bytes
                .iter()
                .take_while(|byte| **byte != 0)
                .copied()
                .collect::<Vec<u8>>()
        };
        text::quoted(&mut self.out, &trim(&header.signature.0));
        self.text(", ");
        self.text(&header.revision.to_string());
        self.text(", ");
        text::quoted(&mut self.out, &trim(&header.oem_id));
        self.text(", ");
        text::quoted(&mut self.out, &trim(&header.oem_table_id));
        self.text(", ");
        text::hex(&mut self.out, u64::from(header.oem_revision), 8);
        self.text(")\n{");
        self.enter();
    }

    /// What compiling the text will not give back.
    pub(super) fn notes(&mut self) {
        let mut reasons: BTreeMap<Inexact, (usize, usize)> = BTreeMap::new();
        for (offset, reason) in inexact(self.tree) {
            let entry = reasons.entry(reason).or_insert((0, offset));
            entry.0 = entry.0.saturating_add(1);
        }
        if reasons.is_empty() {
            return;
        }
        self.line();
        self.text("// ASL has no words for these details of the table; compiled again it differs there:");
        for (reason, (count, first)) in reasons {
            self.line();
            self.text(&format!("//   {reason}: {count}, first at {first:#06x}"));
        }
    }

    /// Everything in the braces of the table and the last brace.
    pub(super) fn table(&mut self) {
        let mut first = self.tree.node(Tree::ROOT).and_then(|root| root.first);
        if let Some(block) = self.external_block().filter(|_| !self.as_coded()) {
            first = self.tree.node(block).and_then(|node| node.next);
        }
        if first.is_some() && !self.out.ends_with('{') {
            self.text("\n");
        }
        self.push(&[Task::Terms(first)]);
        self.run();
        self.leave();
        self.text("\n}\n");
    }

    fn run(&mut self) {
        while let Some(task) = self.tasks.pop() {
            match task {
                Task::Text(word) => self.text(word),
                Task::Operand(id) => self.operand(id),
                Task::HardwareId(id) => self.hardware_id(id),
                Task::Terms(next) => self.terms(next),
                Task::Else(id) => self.otherwise(id),
                Task::Elements(next, lines) => self.elements(next, lines),
                Task::Flags(flags) => self.flags(flags),
                Task::Units(id, at) => self.units(id, at),
                Task::Bytes(id) => self.byte_list(id),
                Task::Line => self.line(),
                Task::In => self.enter(),
                Task::Out => self.leave(),
            }
        }
    }

    /// One statement and, later, those behind it.
    fn terms(&mut self, next: Option<NodeId>) {
        let Some(id) = next else { return };
        let Some(node) = self.tree.node(id) else { return };
        let mut after = node.next;
        let otherwise = after
            .filter(|_| node.op == Op::If)
            .filter(|next| self.op(*next) == Op::Else);
        if let Some(otherwise) = otherwise {
            after = self.tree.node(otherwise).and_then(|node| node.next);
        }
        self.push(&[Task::Terms(after)]);
        if after.is_some() && is_block(node.op) {
            self.push(&[Task::Text("\n")]);
        }
        if let Some(otherwise) = otherwise {
            self.push(&[Task::Else(otherwise)]);
        }
        self.line();
        if self.options.offsets {
            self.text("/* ");
            text::digits_of(&mut self.out, u64::from(node.start), 5);
            self.text(" */ ");
        }
        self.statement(id);
    }

    /// `ElseIf` where the bytes are the same, else `Else`.
    fn otherwise(&mut self, id: NodeId) {
        self.line();
        let first = self.tree.node(id).and_then(|node| node.first);
        let chain = first.filter(|first| self.op(*first) == Op::If);
        let next = chain.and_then(|chain| self.tree.node(chain)).map(|node| node.next);
        let (Some(chain), Some(next)) = (chain, next) else {
            self.text("Else");
            return self.push_block(first);
        };
        let tail = next
            .and_then(|next| self.tree.node(next))
            .map(|node| (node.op, node.next));
        match (next, tail) {
            (_, None) => {}
            (Some(next), Some((Op::Else, None))) => self.push(&[Task::Else(next)]),
            _ => {
                self.text("Else");
                return self.push_block(first);
            }
        }
        self.text("ElseIf (");
        self.push_block(self.body(chain));
        self.push(&[Task::Text(")")]);
        self.push_operand(chain, 0);
    }

    pub(super) fn op(&self, id: NodeId) -> Op {
        self.tree.node(id).map_or(Op::Damaged, |node| node.op)
    }

    /// First child behind the operands.
    pub(super) fn body(&self, id: NodeId) -> Option<NodeId> {
        self.tree.body(id).next()
    }

    /// Operand number `index` comes next; a comment where it is missing.
    pub(super) fn push_operand(&mut self, id: NodeId, index: usize) {
        let task = self.tree.operand(id, index);
        self.push(&[task.map_or(Task::Text("/* missing */"), Task::Operand)]);
    }

    /// The `If (Zero) { External ... }` that a compiler puts in front of a table.
    pub(super) fn external_block(&self) -> Option<NodeId> {
        let first = self.tree.node(Tree::ROOT)?.first?;
        let zero = self.op(first) == Op::If && self.op(self.tree.operand(first, 0)?) == Op::Zero;
        let only = self.tree.body(first).all(|id| self.op(id) == Op::External);
        (zero && only && self.body(first).is_some()).then_some(first)
    }

    /// Whether declarations that the table does not code are comments.
    pub(super) fn as_coded(&self) -> bool {
        self.options.externals == Externals::AsCoded
    }

    /// Bytes that could not be read, as a comment.
    pub(super) fn damaged(&mut self, id: NodeId) {
        let range = self.tree.range(id);
        self.text("/* ");
        text::digits_of(&mut self.out, u64::try_from(range.start).unwrap_or(0), 5);
        self.text(": not AML:");
        let bytes = self.tree.slice(id);
        for byte in bytes {
            self.out.push(' ');
            text::digits_of(&mut self.out, u64::from(*byte), 2);
        }
        self.text(" */");
    }
}
