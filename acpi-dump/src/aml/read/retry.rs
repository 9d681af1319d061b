//! Calls with fewer arguments than the method has.
//!
//! Firmware of several makers calls methods of other tables so. Taken at its word such a call
//! swallows the terms behind it until the grammar breaks; then the reader goes back to it, finds
//! the count as for an unknown method and reports the call instead of what followed from it. What
//! a call swallowed without breaking the grammar is not noticed.

use super::super::name::NameRef;
use super::super::opcode::Op;
use super::{Frame, Reader};

impl<'a> Reader<'a> {
    /// After the grammar broke: read the outermost open call again, if another count fits.
    pub(super) fn retry_call(&mut self) -> bool {
        if self.trial.is_some() || self.budget == 0 {
            return false;
        }
        let package = self.stack.iter().rposition(|frame| frame.package).unwrap_or(0);
        let mut open = self.stack.iter().copied().enumerate().skip(package);
        let Some((place, call)) = open.find(|(_, open)| open.retry) else {
            return false;
        };
        let position = self.position;
        let stack = self.stack.clone();
        let Some(start) = self
            .tree
            .node(call.node)
            .and_then(|node| usize::try_from(node.start).ok())
        else {
            return false;
        };
        self.position = start;
        let Some((name, count)) = self.better_count(place, &call) else {
            self.position = position;
            self.stack = stack;
            return false;
        };
        self.take_back(place, &call);
        let expected = format!("{} arguments for {}", call.arguments, name.to_path());
        self.note(start, expected, count.to_string(), 0);
        let Some(frame) = self.stack.last().copied() else {
            return false;
        };
        if let Some(node) = self.call(&frame, name, count, call.statement) {
            self.tree.guessed.push((node, count));
        }
        true
    }

    /// The count with which the package can be read on from the call; nodes read so far stay.
    fn better_count(&mut self, place: usize, call: &Frame) -> Option<(NameRef<'a>, u8)> {
        let name = self.name(call.limit)?;
        self.stack.truncate(place);
        let mut frame = self.stack.last().copied()?;
        if !call.statement {
            frame.done = frame.done.saturating_sub(1);
            *self.stack.last_mut()? = frame;
        }
        let end = self.position.saturating_add(name.length);
        let key = self.bytes.get(self.position..end)?;
        let mut best: Option<(usize, u8)> = None;
        for count in 0..call.arguments {
            self.corrected = Some((key, count));
            let trial = self.try_count(&frame, name, count);
            if !trial.failed && best.is_none_or(|(idle, _)| trial.idle < idle) {
                best = Some((trial.idle, count));
            }
        }
        self.corrected = None;
        best.map(|(_, count)| (name, count))
    }

    /// Forget the call and what was read behind it.
    fn take_back(&mut self, place: usize, call: &Frame) {
        self.stack.truncate(place);
        let keep = usize::try_from(call.node.0).unwrap_or(usize::MAX);
        self.tree.nodes.truncate(keep);
        while self.tree.guessed.last().is_some_and(|(node, _)| *node >= call.node) {
            self.tree.guessed.pop();
        }
        let Some(parent) = self.stack.last().map(|frame| frame.node) else {
            return;
        };
        match call.elder {
            Some(elder) => self.set_next(elder, None),
            None => self.set_first(parent, None),
        }
        if let Some(frame) = self.stack.last_mut() {
            frame.last = call.elder;
        }
    }

    /// The count under which the call of a declared method is being tried.
    pub(super) fn corrected_count(&self, name: NameRef<'_>) -> Option<u8> {
        let (key, count) = self.corrected?;
        let end = self.position.checked_add(name.length)?;
        (self.bytes.get(self.position..end) == Some(key)).then_some(count)
    }

    /// Mark the call just opened as one that may be read again.
    pub(super) fn may_retry(&mut self) {
        if let Some(open) = self.stack.last_mut() {
            open.retry = open.op == Op::Call && open.arguments > 0;
        }
    }
}
