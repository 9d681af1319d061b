//! What the form of an opcode does not say, but the language does: an `Else` follows its `If`, a
//! buffer and a package hold at most what their size says, a statement does something. In
//! undamaged tables these hold nearly always, so a length that is wrong shows here.

use super::super::opcode::Op;
use super::super::tree::NodeId;
use super::{Frame, Reader};

/// Constants that stand as statements one behind the other are one fault.
pub(super) struct IdleRun {
    end: u32,
    terms: usize,
    fault: usize,
}

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

    /// Whether a package has all the elements that it should.
    pub(super) fn package_is_full(&self, frame: &Frame) -> bool {
        let mut children = self.tree.children(frame.node);
        let size = children
            .next()
            .and_then(|size| self.tree.node(size))
            .map(|size| size.value);
        let elements = u64::try_from(children.count()).ok();
        frame.op == Op::Package && size.is_some() && elements >= size
    }

    /// A PkgLength reaches over the terms behind the package, as in tables that firmware shortens
    /// in memory: the package ends behind its last element.
    pub(super) fn end_package(&mut self, frame: &Frame) {
        let more = frame.limit.saturating_sub(self.position);
        let expected = "the end of a package that has all its elements".to_owned();
        self.note(
            self.position,
            expected,
            format!("{more} bytes more by its PkgLength"),
            0,
        );
        if let Some(open) = self.stack.last_mut() {
            open.limit = self.position;
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
        let Some(node) = self.tree.node(node).copied() else {
            return;
        };
        if let Some(run) = self.idle_run.as_mut().filter(|run| run.end == node.start) {
            run.end = node.end;
            run.terms = run.terms.saturating_add(1);
            if let Some(fault) = self.tree.faults.get_mut(run.fault) {
                fault.seen = format!("{} terms without effect", run.terms);
            }
            return;
        }
        self.idle_run = Some(IdleRun {
            end: node.end,
            terms: 1,
            fault: self.tree.faults.len(),
        });
        self.note_at(
            node.start,
            "a statement".into(),
            format!("{:?} without effect", node.op),
        );
    }

    fn note_at(&mut self, start: u32, expected: String, seen: String) {
        self.note(usize::try_from(start).unwrap_or(usize::MAX), expected, seen, 0);
    }
}
