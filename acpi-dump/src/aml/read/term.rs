//! Terms: opcodes, constants, names, calls. ACPI 6.5, sections 20.2.2, 20.2.3 and 20.2.5.

use super::super::name::NameRef;
use super::super::names::Known;
use super::super::opcode::{Body, Op, OpInfo, Operand, by_code};
use super::super::pkglength;
use super::super::tree::NodeId;
use super::{DEPTH, Frame, Position, Reader, takes_the_name_itself};
use crate::bytes::u8_at;

impl<'a> Reader<'a> {
    pub(super) fn operand(&mut self, frame: &Frame, operand: Operand) {
        let size = match operand {
            Operand::Byte => Some(1),
            Operand::Word => Some(2),
            Operand::DWord => Some(4),
            Operand::QWord => Some(8),
            _ => None,
        };
        if let Some(size) = size {
            match self.number(self.position, size, frame.limit) {
                Some(value) => self.leaf(Op::Raw, self.position, self.position.saturating_add(size), value),
                None => self.fault_at_end(frame, &format!("{size} bytes of operand")),
            }
            return;
        }
        match operand {
            Operand::Name => match self.name(frame.limit) {
                Some(name) => self.name_leaf(name),
                None => self.fault_here(frame, "a name"),
            },
            Operand::Super | Operand::Target => self.term(
                frame,
                Position::Reference {
                    call: !takes_the_name_itself(frame),
                    optional: true,
                },
            ),
            _ => self.term(frame, Position::Value),
        }
    }

    pub(super) fn term(&mut self, frame: &Frame, position: Position) {
        let Some(lead) = self.byte(self.position, frame.limit) else {
            return self.fault_at_end(frame, "a term");
        };
        if NameRef::begins(lead) {
            return self.name_term(frame, position);
        }
        if lead == 0 && matches!(position, Position::Reference { optional: true, .. }) {
            return self.leaf(Op::NullName, self.position, self.position.saturating_add(1), 0);
        }
        let (code, length) = match lead {
            0x5b => match self.byte(self.position.saturating_add(1), frame.limit) {
                Some(second) => (u16::from_be_bytes([lead, second]), 2),
                None => return self.fault_at_end(frame, "the second byte of an opcode"),
            },
            _ => (u16::from(lead), 1),
        };
        let Some(info) = by_code(code) else {
            return self.fault_here(frame, "an opcode");
        };
        if position != Position::Statement && !info.op.is_value() {
            if self.package_is_full(frame) {
                return self.end_package(frame);
            }
            return self.fault_here(frame, "a term with a value");
        }
        if self.stack.len() >= DEPTH {
            return self.fault_here(frame, &format!("at most {DEPTH} terms one in the other"));
        }
        self.opcode(frame, info, length, position == Position::Statement);
    }

    pub(super) fn opcode(&mut self, frame: &Frame, info: &'static OpInfo, length: usize, statement: bool) {
        let start = self.position;
        let behind = start.saturating_add(length);
        if info.body == Body::None && self.constant(frame, info, start, behind, statement) {
            return;
        }
        let (position, limit) = if info.body == Body::None {
            (behind, frame.limit)
        } else {
            match self.package(frame, behind) {
                Some(place) => place,
                None => return,
            }
        };
        if info.op == Op::Else {
            self.check_else(frame);
        }
        let node = self.child(info.op, start, limit, 0);
        self.position = position;
        self.stack.push(Frame {
            node,
            last: None,
            op: info.op,
            operands: info.operands,
            arguments: 0,
            done: 0,
            body: info.body,
            limit,
            package: info.body != Body::None,
            retry: false,
            elder: None,
            statement,
            entered: false,
            scope: frame.scope,
        });
    }

    /// Terms that need no frame; `false` when this is none of them.
    pub(super) fn constant(
        &mut self,
        frame: &Frame,
        info: &OpInfo,
        start: usize,
        behind: usize,
        statement: bool,
    ) -> bool {
        let (value, end) = match info.op {
            Op::Zero => (Some(0), behind),
            Op::One => (Some(1), behind),
            Op::Ones => (Some(u64::MAX), behind),
            Op::ByteConst | Op::WordConst | Op::DWordConst | Op::QWordConst => {
                let size = match info.op {
                    Op::ByteConst => 1,
                    Op::WordConst => 2,
                    Op::DWordConst => 4,
                    _ => 8,
                };
                (self.number(behind, size, frame.limit), behind.saturating_add(size))
            }
            Op::StringConst => {
                let rest = self.bytes.get(behind..frame.limit).unwrap_or_default();
                match rest.iter().position(|byte| *byte == 0) {
                    Some(length) => (Some(0), behind.saturating_add(length).saturating_add(1)),
                    None => (None, behind),
                }
            }
            _ if info.operands.is_empty() => (Some(0), behind),
            _ => return false,
        };
        let Some(value) = value else {
            let expected = match info.op {
                Op::StringConst => "a string that ends with zero",
                _ => "a constant",
            };
            self.fault(frame, start, expected.to_owned(), "the end of the package".to_owned());
            return true;
        };
        let node = self.next_node();
        self.leaf(info.op, start, end, value);
        if statement && info.op.is_value() {
            self.no_effect(node);
        }
        true
    }

    /// Where the operands begin and where the package ends; a fault when that cannot be.
    pub(super) fn package(&mut self, frame: &Frame, at: usize) -> Option<(usize, usize)> {
        let Some(length) = pkglength::decode(self.bytes, at)
            .filter(|length| at.checked_add(length.bytes).is_some_and(|end| end <= frame.limit))
        else {
            self.fault_at_end(frame, "a PkgLength");
            return None;
        };
        if length.reserved {
            let lead = u8_at(self.bytes, at).unwrap_or_default();
            self.note(
                at,
                "a PkgLength with bits 4 and 5 zero".into(),
                format!("{lead:#04x}"),
                0,
            );
        }
        if length.value < length.bytes {
            let expected = format!("a PkgLength of at least {}", length.bytes);
            self.fault(frame, self.position, expected, length.value.to_string());
            return None;
        }
        let end = at.saturating_add(length.value);
        if end > frame.limit {
            let room = frame.limit.saturating_sub(at);
            self.note(
                at,
                format!("a PkgLength of at most {room}"),
                length.value.to_string(),
                0,
            );
        }
        Some((at.saturating_add(length.bytes), end.min(frame.limit)))
    }

    pub(super) fn name_term(&mut self, frame: &Frame, position: Position) {
        let Some(name) = self.name(frame.limit) else {
            return self.fault_here(frame, "a name");
        };
        let may_call = !matches!(position, Position::Element | Position::Reference { call: false, .. });
        let known = match self.names.find(frame.scope, name).map(|id| self.names.known(id)) {
            Some(known) if may_call => known,
            _ if !may_call => Known::Object,
            _ => Known::Nothing,
        };
        match known {
            Known::Method(count) => {
                let count = self.corrected_count(name).unwrap_or(count);
                if self.call(frame, name, count, position == Position::Statement).is_some() {
                    self.may_retry();
                }
            }
            Known::Nothing if !matches!(position, Position::Reference { .. }) => {
                self.unknown(frame, name, position == Position::Statement);
            }
            _ => {
                if position == Position::Statement {
                    self.idle();
                }
                self.name_leaf(name);
            }
        }
    }

    pub(super) fn call(&mut self, frame: &Frame, name: NameRef<'_>, count: u8, statement: bool) -> Option<NodeId> {
        if self.stack.len() >= DEPTH {
            self.fault_here(frame, &format!("at most {DEPTH} terms one in the other"));
            return None;
        }
        let start = self.position;
        let elder = self.stack.last().and_then(|parent| parent.last);
        let node = self.child(Op::Call, start, frame.limit, 0);
        self.stack.push(Frame {
            node,
            last: None,
            op: Op::Call,
            operands: &[Operand::Name],
            arguments: count,
            done: 0,
            body: Body::None,
            statement,
            limit: frame.limit,
            package: false,
            retry: false,
            elder,
            entered: true,
            scope: frame.scope,
        });
        self.name_leaf(name);
        Some(node)
    }

    pub(super) fn name(&self, limit: usize) -> Option<NameRef<'a>> {
        NameRef::decode(self.bytes.get(self.position..limit)?)
    }

    pub(super) fn name_leaf(&mut self, name: NameRef<'_>) {
        self.check_name(name);
        let op = if name.is_null() { Op::NullName } else { Op::NameRef };
        self.leaf(op, self.position, self.position.saturating_add(name.length), 0);
    }

    pub(super) fn name_of(&self, node: NodeId) -> Option<NameRef<'a>> {
        let bytes = self.bytes;
        NameRef::decode(bytes.get(self.tree.range(node))?)
    }

    pub(super) fn check_name(&mut self, name: NameRef<'_>) {
        if !name.is_legal() {
            let seen = name.to_path().to_string();
            self.note(self.position, "a name of letters, digits and _".into(), seen, 0);
        }
    }
}
