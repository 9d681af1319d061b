//! Data: numbers that are hardware ids, buffers, packages.

use super::block::{Task, Writer};
use super::{resource, text, uuid};
use crate::aml::opcode::Op;
use crate::aml::tree::NodeId;

/// Elements of a package that stay on one line, if they are simple.
const SHORT: usize = 4;
/// Bytes in one line.
const ROW: usize = 8;

impl Writer<'_> {
    /// A number of four bytes: the ids of PnP devices are shown as such.
    pub(super) fn number(&mut self, id: NodeId, value: u64) {
        if value & 0xffff == 0xd041 && !self.options.bytes {
            return self.hardware_id(id);
        }
        text::hex(&mut self.out, value, 8);
    }

    /// What stands in `_HID` or `_CID`: numbers are ids of EISA.
    pub(super) fn hardware_id(&mut self, id: NodeId) {
        let Some(node) = self.tree.node(id) else { return };
        let eisa = (node.op == Op::DWordConst && node.value > 0xffff)
            .then(|| text::eisa_id(node.value))
            .flatten();
        match eisa {
            Some(eisa) => {
                self.text("EisaId (\"");
                self.text(&eisa);
                self.text("\")");
            }
            None if node.op == Op::DWordConst => text::hex(&mut self.out, node.value, 8),
            None => self.operand(id),
        }
    }

    /// A buffer, in the most telling words that compile to the same bytes.
    pub(super) fn buffer(&mut self, id: NodeId) {
        let list = self.tree.children(id).find(|child| self.op(*child) == Op::ByteList);
        let bytes = list.map_or(&[][..], |list| self.tree.slice(list));
        if !self.options.bytes && self.is_plain_size(id, bytes.len()) && self.told(bytes) {
            return;
        }
        self.text("Buffer (");
        let text = (!self.options.bytes).then(|| string(bytes)).flatten();
        match self.tree.operand(id, 0) {
            // A size is an expression, and its operands come from the stack: then the bytes wait.
            Some(size) if is_constant(self.op(size)) => self.operand(size),
            Some(size) => {
                self.push(&[Task::Operand(size), Task::Text(") {"), Task::Bytes(id), Task::Text("}")]);
                return;
            }
            None => self.text("/* missing */"),
        }
        self.text(")");
        match text {
            Some(text) => {
                self.text(" { ");
                text::quoted(&mut self.out, text);
                self.text(" }");
            }
            None => self.rows(bytes),
        }
    }

    /// `{ 0x01, ... }`, longer ones in rows with their offset.
    fn rows(&mut self, bytes: &[u8]) {
        if bytes.len() <= ROW {
            self.text(" { ");
            self.bytes(bytes);
            self.text(if bytes.is_empty() { "}" } else { " }" });
            return;
        }
        self.line();
        self.text("{");
        self.enter();
        let last = bytes.len().saturating_sub(1) / ROW;
        for (number, row) in bytes.chunks(ROW).enumerate() {
            self.line();
            self.text("/* ");
            let offset = number.saturating_mul(ROW);
            text::digits_of(&mut self.out, u64::try_from(offset).unwrap_or(0), 4);
            self.text(" */  ");
            self.bytes(row);
            if number < last {
                self.text(",");
            }
        }
        self.leave();
        self.line();
        self.text("}");
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        for (number, byte) in bytes.iter().enumerate() {
            if number > 0 {
                self.text(", ");
            }
            text::hex(&mut self.out, u64::from(*byte), 2);
        }
    }

    /// The bytes of a buffer whose size is no constant.
    pub(super) fn byte_list(&mut self, id: NodeId) {
        let list = self.tree.children(id).find(|child| self.op(*child) == Op::ByteList);
        if let Some(list) = list {
            let bytes = self.tree.slice(list);
            self.bytes(bytes);
        }
    }

    /// Whether the size is the number of bytes and coded as a compiler codes it.
    fn is_plain_size(&self, id: NodeId, length: usize) -> bool {
        let size = self.tree.operand(id, 0).and_then(|size| self.tree.node(size));
        size.is_some_and(|size| {
            let shortest = match length {
                ..=0xff => Op::ByteConst,
                ..=0xffff => Op::WordConst,
                _ => Op::DWordConst,
            };
            size.op == shortest && usize::try_from(size.value) == Ok(length)
        })
    }

    /// Words that say the same as a buffer with its size.
    fn told(&mut self, bytes: &[u8]) -> bool {
        if let Some(lines) = resource::template(bytes) {
            self.text("ResourceTemplate ()");
            self.line();
            self.text("{");
            self.enter();
            for line in lines {
                for part in line.lines() {
                    self.line();
                    self.text(part);
                }
            }
            self.leave();
            self.line();
            self.text("}");
            return true;
        }
        if let Some((uuid, known)) = uuid::told(bytes) {
            self.text("ToUUID (\"");
            self.text(&uuid);
            self.text("\")");
            if let Some(known) = known {
                self.text(" /* ");
                self.text(known);
                self.text(" */");
            }
            return true;
        }
        if let Some(wide) = unicode(bytes) {
            self.text("Unicode (");
            text::quoted(&mut self.out, &wide);
            self.text(")");
            return true;
        }
        false
    }

    /// A package: on one line when it has a few simple elements.
    pub(super) fn package(&mut self, id: NodeId) {
        let first = self.body(id);
        let simple = |element: &NodeId| {
            let op = self.op(*element);
            is_constant(op) || matches!(op, Op::NameRef | Op::StringConst)
        };
        let short = self.tree.body(id).take(SHORT.saturating_add(1)).filter(simple).count();
        let lines = short > SHORT || self.tree.body(id).nth(short).is_some();
        self.text("Package (");
        if lines {
            self.push(&[
                Task::In,
                Task::Elements(first, true),
                Task::Out,
                Task::Line,
                Task::Text("}"),
            ]);
            self.push(&[Task::Text(")"), Task::Line, Task::Text("{")]);
        } else if first.is_some() {
            self.push(&[Task::Text(") { "), Task::Elements(first, false), Task::Text(" }")]);
        } else {
            self.push(&[Task::Text(") {}")]);
        }
        self.push_operand(id, 0);
    }

    /// One element, and later those behind it.
    pub(super) fn elements(&mut self, next: Option<NodeId>, lines: bool) {
        let Some(id) = next else { return };
        if lines {
            self.line();
        }
        let after = self.tree.node(id).and_then(|node| node.next);
        if after.is_some() {
            self.push(&[Task::Text(if lines { "," } else { ", " }), Task::Elements(after, lines)]);
        }
        self.operand(id);
    }
}

/// Whether the opcode is a number.
pub(super) fn is_constant(op: Op) -> bool {
    matches!(
        op,
        Op::Zero | Op::One | Op::Ones | Op::ByteConst | Op::WordConst | Op::DWordConst | Op::QWordConst
    )
}

/// Printable characters and one zero at the end: the initializer may be a string.
fn string(bytes: &[u8]) -> Option<&[u8]> {
    let text = bytes.strip_suffix(&[0])?;
    let printable = text.len() >= 2 && text.iter().all(|byte| matches!(byte, 0x20..=0x7e));
    printable.then_some(text)
}

/// UTF-16 of printable ASCII with a zero at the end.
fn unicode(bytes: &[u8]) -> Option<Vec<u8>> {
    let text = bytes.strip_suffix(&[0, 0])?;
    let pairs = text.chunks_exact(2);
    if text.len() < 6 || !pairs.remainder().is_empty() {
        return None;
    }
    pairs
        .map(|pair| match pair {
            [low @ 0x20..=0x7e, 0] => Some(*low),
            _ => None,
        })
        .collect()
}
