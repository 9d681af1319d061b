//! Field lists. ACPI 6.5, section 20.2.5.2 (`FieldList`).

use super::super::name::NameRef;
use super::super::names::Known;
use super::super::opcode::{Body, Op, Operand};
use super::super::pkglength;
use super::{Frame, Reader};
use crate::bytes::array;

impl<'a> Reader<'a> {
    /// One element of a field list.
    pub(super) fn field(&mut self, frame: &Frame) {
        let start = self.position;
        let behind = start.saturating_add(1);
        let Some(lead) = self.byte(start, frame.limit) else {
            return self.fault_at_end(frame, "a field unit");
        };
        match lead {
            0x00 => self.field_bits(frame, Op::FieldReserved, behind),
            0x01 => self.field_raw(frame, Op::FieldAccess, behind, 2),
            0x02 => self.connection(frame, behind),
            0x03 => self.field_raw(frame, Op::FieldExtendedAccess, behind, 3),
            b'A'..=b'Z' | b'_' => {
                let name = array::<4>(self.bytes, start);
                let Some(name) = name.filter(|_| start.saturating_add(4) <= frame.limit) else {
                    return self.fault_at_end(frame, "a name");
                };
                let name = NameRef::segment(&name);
                self.check_name(name);
                let node = self.next_node();
                self.field_bits(frame, Op::FieldUnit, start.saturating_add(4));
                if self.trial.is_none() && self.position > start {
                    let id = self.names.declare(frame.scope, name, Known::Object);
                    self.tree.placed.push((node, id));
                }
            }
            _ => self.fault_here(frame, "a field unit"),
        }
    }

    pub(super) fn field_bits(&mut self, frame: &Frame, op: Op, at: usize) {
        let length = pkglength::decode(self.bytes, at);
        let end = length.map(|length| at.saturating_add(length.bytes));
        match (length, end.filter(|end| *end <= frame.limit)) {
            (Some(length), Some(end)) => {
                let bits = u64::try_from(length.value).unwrap_or_default();
                self.leaf(op, self.position, end, bits);
            }
            _ => self.fault_at_end(frame, "the length of a field unit"),
        }
    }

    pub(super) fn field_raw(&mut self, frame: &Frame, op: Op, at: usize, size: usize) {
        let wide = [self.byte(at, frame.limit), self.byte(at.saturating_add(1), frame.limit)];
        let third = match size {
            3 => self.byte(at.saturating_add(2), frame.limit),
            _ => Some(0),
        };
        match (wide, third) {
            ([Some(kind), Some(attribute)], Some(length)) => {
                let value = u64::from(kind) | u64::from(attribute) << 8 | u64::from(length) << 16;
                self.leaf(op, self.position, at.saturating_add(size), value);
            }
            _ => self.fault_at_end(frame, "the access of a field unit"),
        }
    }

    /// A name, or a buffer with a resource descriptor.
    pub(super) fn connection(&mut self, frame: &Frame, at: usize) {
        let node = self.child(Op::FieldConnection, self.position, frame.limit, 0);
        self.position = at;
        let named = self.byte(at, frame.limit).is_some_and(NameRef::begins);
        self.stack.push(Frame {
            node,
            last: None,
            op: Op::FieldConnection,
            operands: if named { &[Operand::Name] } else { &[Operand::Data] },
            arguments: 0,
            done: 0,
            body: Body::None,
            limit: frame.limit,
            package: false,
            retry: false,
            elder: None,
            statement: false,
            entered: true,
            scope: frame.scope,
        });
    }
}
