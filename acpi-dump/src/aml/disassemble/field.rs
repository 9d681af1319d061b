//! Field, IndexField and BankField with their lists. ACPI 6.5, sections 19.6.48 and 20.2.5.2.

use super::block::{Task, Writer};
use super::{resource, text};
use crate::aml::opcode::Op;
use crate::aml::tree::NodeId;

const ACCESS: [&str; 6] = ["AnyAcc", "ByteAcc", "WordAcc", "DWordAcc", "QWordAcc", "BufferAcc"];

impl Writer<'_> {
    /// The whole term.
    pub(super) fn field(&mut self, id: NodeId) {
        self.word(id);
        self.text(" (");
        let operands: Vec<NodeId> = self.tree.children(id).collect();
        let count = self.tree.node(id).map_or(0, |node| usize::from(node.operands));
        let (flags, operands) = match operands.get(..count).and_then(<[NodeId]>::split_last) {
            Some((flags, operands)) => (self.tree.node(*flags).map_or(0, |node| node.value), operands),
            None => (0, &[][..]),
        };
        let units = self.body(id);
        self.push(&[Task::Out, Task::Line, Task::Text("}")]);
        if let Some(first) = units {
            self.push(&[Task::Units(first, 0)]);
        }
        self.push(&[
            Task::Flags(flags),
            Task::Text(")"),
            Task::Line,
            Task::Text("{"),
            Task::In,
        ]);
        // The bank's number is an expression: the flags wait behind it.
        for operand in operands.iter().rev() {
            self.push(&[Task::Operand(*operand), Task::Text(", ")]);
        }
    }

    /// Access type, lock rule and update rule.
    pub(super) fn flags(&mut self, flags: u64) {
        let access = usize::try_from(flags & 15).ok().and_then(|access| ACCESS.get(access));
        self.text(access.copied().unwrap_or("/* reserved access type */ AnyAcc"));
        self.text(if flags & 0x10 == 0 { ", NoLock, " } else { ", Lock, " });
        self.text(match flags >> 5 & 3 {
            0 => "Preserve",
            1 => "WriteAsOnes",
            2 => "WriteAsZeros",
            _ => "/* reserved update rule */ Preserve",
        });
    }

    /// One unit that begins at bit `at`, and later those behind it.
    pub(super) fn units(&mut self, id: NodeId, at: u64) {
        self.line();
        let Some(node) = self.tree.node(id) else { return };
        let mut end = at;
        match node.op {
            Op::FieldUnit => {
                self.path(id);
                self.text(", ");
                self.text(&node.value.to_string());
                end = at.saturating_add(node.value);
            }
            Op::FieldReserved => {
                end = at.saturating_add(node.value);
                if end % 8 == 0 && end / 8 <= u64::from(u32::MAX >> 3) {
                    self.text("Offset (");
                    text::hex(&mut self.out, end / 8, 2);
                    self.text(")");
                } else {
                    self.text(", ");
                    self.text(&node.value.to_string());
                }
            }
            Op::FieldAccess | Op::FieldExtendedAccess => self.access(node.value, node.op),
            Op::FieldConnection => self.connection(id),
            _ => self.damaged(id),
        }
        if let Some(next) = node.next {
            self.text(",");
            self.push(&[Task::Units(next, end)]);
        }
    }

    /// `AccessAs`: type in the low four bits, kind of attribute above, then attribute and length.
    fn access(&mut self, value: u64, op: Op) {
        self.text("AccessAs (");
        let access = usize::try_from(value & 15).ok().and_then(|access| ACCESS.get(access));
        self.text(access.copied().unwrap_or("/* reserved access type */ AnyAcc"));
        let attribute = value >> 8 & 0xff;
        let length = value >> 16 & 0xff;
        let sized = match attribute {
            0x0b => Some("AttribBytes"),
            0x0e => Some("AttribRawBytes"),
            0x0f => Some("AttribRawProcessBytes"),
            _ => None,
        };
        let word = match attribute {
            0x02 => Some("AttribQuick"),
            0x04 => Some("AttribSendReceive"),
            0x06 => Some("AttribByte"),
            0x08 => Some("AttribWord"),
            0x0a => Some("AttribBlock"),
            0x0c => Some("AttribProcessCall"),
            0x0d => Some("AttribBlockProcessCall"),
            _ => None,
        };
        self.text(", ");
        match (op, sized, word) {
            (Op::FieldExtendedAccess, Some(sized), _) => {
                self.text(sized);
                self.text(" (");
                text::hex(&mut self.out, length, 2);
                self.text(")");
            }
            (_, _, Some(word)) => self.text(word),
            _ => text::hex(&mut self.out, attribute, 2),
        }
        self.text(")");
    }

    /// `Connection` of a name or of one descriptor.
    fn connection(&mut self, id: NodeId) {
        self.text("Connection (");
        let inner = self.tree.children(id).next();
        match inner.map(|inner| (inner, self.op(inner))) {
            Some((name, Op::NameRef)) => self.path(name),
            Some((buffer, Op::Buffer)) => {
                let list = self.tree.children(buffer).find(|child| self.op(*child) == Op::ByteList);
                let bytes = list.map_or(&[][..], |list| self.tree.slice(list));
                match resource::single(bytes) {
                    Some(line) => self.text(&line),
                    None => {
                        self.text("/* bytes: ");
                        self.bytes(bytes);
                        self.text(" */");
                    }
                }
            }
            Some((other, _)) => self.damaged(other),
            None => self.text("/* missing */"),
        }
        self.text(")");
    }
}
