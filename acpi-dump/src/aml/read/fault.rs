//! What is done where the grammar is broken.

use super::super::opcode::Op;
use super::super::tree::AmlFault;
use super::{Frame, Reader};

impl<'a> Reader<'a> {
    /// Record a fault that does not stop the reading.
    pub(super) fn note(&mut self, offset: usize, expected: String, seen: String, skipped: usize) {
        if self.trial.is_some() {
            return self.fail();
        }
        self.tree.faults.push(AmlFault {
            offset,
            expected,
            seen,
            skipped,
        });
    }

    pub(super) fn fault_here(&mut self, frame: &Frame, expected: &str) {
        let end = frame.limit.min(self.position.saturating_add(4));
        let seen = self.bytes.get(self.position..end).unwrap_or_default();
        let seen: Vec<String> = seen.iter().map(|byte| format!("{byte:02x}")).collect();
        self.fault(frame, self.position, expected.to_owned(), seen.join(" "));
    }

    pub(super) fn fault_at_end(&mut self, frame: &Frame, expected: &str) {
        let left = frame.limit.saturating_sub(self.position);
        let seen = match left {
            0 => "the end of the package".to_owned(),
            1 => "1 byte to the end of the package".to_owned(),
            left => format!("{left} bytes to the end of the package"),
        };
        self.fault(frame, self.position, expected.to_owned(), seen);
    }

    /// Pass over the rest of the enclosing package.
    pub(super) fn fault(&mut self, frame: &Frame, at: usize, expected: String, seen: String) {
        if self.retry_call() {
            return;
        }
        let end = frame.limit;
        self.note(at, expected, seen, end.saturating_sub(at));
        if self.trial.is_some() {
            return;
        }
        self.declare_unfinished();
        while self.stack.last().is_some_and(|open| !open.package) {
            self.close(at);
            self.declare_unfinished();
        }
        self.leaf(Op::Damaged, at, end, 0);
        if let Some(open) = self.stack.last().copied() {
            self.close_root_tail(&open);
            self.close(end);
        }
    }

    /// Bytes behind the length that the header states belong to nothing.
    pub(super) fn close_root_tail(&mut self, frame: &Frame) {
        let end = self.bytes.len();
        if frame.op == Op::Root && frame.limit < end {
            let more = end.saturating_sub(frame.limit);
            self.note(
                frame.limit,
                "end of the table".into(),
                format!("{more} bytes more"),
                more,
            );
            self.leaf(Op::Damaged, frame.limit, end, 0);
        }
    }
}
