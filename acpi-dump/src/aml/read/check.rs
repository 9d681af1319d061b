//! What the form of an opcode does not say, but the language does: an `Else` follows its `If`, a
//! buffer and a package hold at most what their size says, a statement does something. In
//! undamaged tables these hold nearly always, so a length that is wrong shows here.

use super::super::opcode::Op;
use super::super::tree::NodeId;
use super::{Frame, Reader};

impl Reader<'_> {
    /// A term has been read to its end.
    pub(super) fn check(&mut self, frame: &Frame) {
        match frame.op {
            Op::Buffer => self.check_size(frame, "bytes"),
            Op::Package => self.check_size(frame, "elements"),
            _ => {}
        }
        if frame.statement {
            self.judge(frame);
        }
    }

    fn check_size(&mut self, frame: &Frame, what: &str) {
        let mut children = self.tree.children(frame.node).filter_map(|id| self.tree.node(id));
        let constant = |op| {
            matches!(
                op,
                Op::Raw | Op::Zero | Op::One | Op::ByteConst | Op::WordConst | Op::DWordConst
            )
        };
        let Some(size) = children.next().filter(|size| constant(size.op)) else {
            return;
        };
        let seen = match frame.op {
            Op::Buffer => children
                .map(|list| u64::from(list.end.saturating_sub(list.start)))
                .sum(),
            _ => children.map(|_| 1).sum::<u64>(),
        };
        if seen > size.value {
            let (start, expected) = (size.start, size.value);
            self.note_at(start, format!("at most {expected} {what}"), seen.to_string());
        }
    }

    /// Before an `Else` is opened.
    pub(super) fn check_else(&mut self, frame: &Frame) {
        let before = frame.last.and_then(|id| self.tree.node(id)).map(|node| node.op);
        if !matches!(before, Some(Op::If | Op::Damaged)) {
            self.note(
                self.position,
                "Else behind an If".into(),
                "another term before it".into(),
                0,
            );
        }
    }

    /// A constant, buffer or package stands where a statement should.
    pub(super) fn no_effect(&mut self, node: NodeId) {
        if self.trial.is_some() {
            return self.idle();
        }
        if let Some(node) = self.tree.node(node).copied() {
            self.note_at(
                node.start,
                "a statement".into(),
                format!("{:?} without effect", node.op),
            );
        }
    }

    fn note_at(&mut self, start: u32, expected: String, seen: String) {
        self.note(usize::try_from(start).unwrap_or(usize::MAX), expected, seen, 0);
    }
}
