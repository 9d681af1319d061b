//! One table's terms as a tree in an arena: every node knows its byte range, its parent and its
//! children; nothing is copied out of the table.

use std::fmt;
use std::ops::Range;

use serde::Serialize;

use super::name::{NamePath, NameRef};
use super::names::{NameId, Names};
use super::opcode::Op;

/// Place of a node in [`Tree::nodes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub u32);

/// One term, operand or list element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Node {
    /// What it is.
    pub op: Op,
    /// First byte, as offset in the table (its 36-byte header included).
    pub start: u32,
    /// Byte behind the last one.
    pub end: u32,
    /// Number of children that are operands; the children behind them are the body.
    pub operands: u8,
    /// Number of a constant, raw operand or field element; 0 for anything else.
    pub value: u64,
    /// The node it belongs to; the root's own id for the root.
    pub parent: NodeId,
    /// First child.
    pub first: Option<NodeId>,
    /// Next child of the same parent.
    pub next: Option<NodeId>,
}

/// Why some bytes could not be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AmlFault {
    /// Offset in the table.
    pub offset: usize,
    /// What the grammar asks for.
    pub expected: String,
    /// What is there.
    pub seen: String,
    /// Bytes that were passed over to the end of the enclosing package.
    pub skipped: usize,
}

impl fmt::Display for AmlFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "at {:#06x}: expected {}, seen {}",
            self.offset, self.expected, self.seen
        )?;
        match self.skipped {
            0 => Ok(()),
            bytes => write!(f, "; {bytes} bytes passed over"),
        }
    }
}

/// The terms of one DSDT or SSDT.
#[derive(Clone, Debug)]
pub struct Tree {
    /// The whole table, header included.
    pub bytes: Vec<u8>,
    /// All nodes; the first is [`Op::Root`].
    pub nodes: Vec<Node>,
    /// What could not be read.
    pub faults: Vec<AmlFault>,
    /// Calls of names that nothing declares: the argument count was found by trying.
    pub guessed: Vec<(NodeId, u8)>,
    /// Terms that declare a name or open a scope, and which.
    pub placed: Vec<(NodeId, NameId)>,
}

impl Tree {
    /// The root.
    pub const ROOT: NodeId = NodeId(0);

    pub(crate) fn empty() -> Self {
        Self {
            bytes: Vec::new(),
            nodes: Vec::new(),
            faults: Vec::new(),
            guessed: Vec::new(),
            placed: Vec::new(),
        }
    }

    /// A node; `None` when the id belongs to another tree.
    #[must_use]
    pub fn node(&self, id: NodeId) -> Option<&Node> {
        self.nodes.get(usize::try_from(id.0).ok()?)
    }

    /// Children in order: operands, then body.
    pub fn children(&self, id: NodeId) -> impl Iterator<Item = NodeId> + '_ {
        let mut next = self.node(id).and_then(|node| node.first);
        std::iter::from_fn(move || {
            let id = next?;
            next = self.node(id).and_then(|node| node.next);
            Some(id)
        })
    }

    /// Operand number `index`.
    #[must_use]
    pub fn operand(&self, id: NodeId, index: usize) -> Option<NodeId> {
        let operands = usize::from(self.node(id)?.operands);
        if index < operands {
            self.children(id).nth(index)
        } else {
            None
        }
    }

    /// Children behind the operands.
    pub fn body(&self, id: NodeId) -> impl Iterator<Item = NodeId> + '_ {
        let operands = self.node(id).map_or(0, |node| usize::from(node.operands));
        self.children(id).skip(operands)
    }

    /// Byte range of a node.
    #[must_use]
    pub fn range(&self, id: NodeId) -> Range<usize> {
        self.node(id).map_or(0..0, |node| {
            let place = |at: u32| usize::try_from(at).unwrap_or(usize::MAX);
            place(node.start)..place(node.end)
        })
    }

    /// Bytes of a node, opcode included.
    #[must_use]
    pub fn slice(&self, id: NodeId) -> &[u8] {
        self.bytes.get(self.range(id)).unwrap_or_default()
    }

    /// The terms around a node, innermost first, the root last.
    pub fn ancestors(&self, id: NodeId) -> impl Iterator<Item = NodeId> + '_ {
        let mut at = id;
        std::iter::from_fn(move || {
            let parent = self.node(at)?.parent;
            (std::mem::replace(&mut at, parent) != parent).then_some(parent)
        })
    }

    /// The name that a node is or begins with: a name, a field unit, a call.
    #[must_use]
    pub fn name(&self, id: NodeId) -> Option<NameRef<'_>> {
        match self.node(id)?.op {
            Op::NameRef | Op::NullName => NameRef::decode(self.slice(id)),
            Op::FieldUnit => self.slice(id).first_chunk().map(NameRef::segment),
            Op::Call => self.name(self.operand(id, 0)?),
            _ => None,
        }
    }

    /// As [`Tree::name`], copied.
    #[must_use]
    pub fn name_path(&self, id: NodeId) -> Option<NamePath> {
        self.name(id).map(NameRef::to_path)
    }

    /// The name that a term declares, or the scope that it opens.
    #[must_use]
    pub fn declared(&self, id: NodeId) -> Option<NodeId> {
        let index = match self.node(id)?.op {
            Op::FieldUnit => return Some(id),
            op => op.declares()?,
        };
        self.operand(id, index)
    }

    /// The path of the scope that a term opens: `Scope`, a device or a method, and the root.
    #[must_use]
    pub fn opened_scope(&self, id: NodeId) -> Option<NameId> {
        match self.node(id)?.op {
            Op::Root => Some(Names::ROOT),
            Op::Scope | Op::Method | Op::Device | Op::Processor | Op::PowerResource | Op::ThermalZone => {
                let place = self.placed.binary_search_by_key(&id, |(node, _)| *node).ok()?;
                self.placed.get(place).map(|(_, name)| *name)
            }
            _ => None,
        }
    }

    /// Characters of a [`Op::StringConst`], its final zero left out.
    #[must_use]
    pub fn text(&self, id: NodeId) -> Option<&[u8]> {
        match self.node(id)?.op {
            Op::StringConst => self.slice(id).strip_prefix(&[0x0d])?.strip_suffix(&[0]),
            _ => None,
        }
    }
}
