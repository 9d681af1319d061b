//! Byte code into a [`Tree`]: ACPI 6.5, section 20.2.
//!
//! The reader goes through the bytes once with a stack of open terms of its own, so that no input
//! can exhaust the thread's stack. What an opcode takes comes from [`super::opcode::OPCODES`].
//! Where the grammar is broken, the rest of the enclosing package is passed over, a fault says so,
//! and reading goes on behind it.
//!
//! ```
//! use acpi_dump::aml::{Op, read_alone};
//! // Header of 36 bytes, then Name (ABCD, 5).
//! let mut table = b"SSDT\x2b\0\0\0\x02\0OEMOEMOEMTABLE\x01\0\0\0TOOL\x01\0\0\0".to_vec();
//! table.extend(b"\x08ABCD\x0a\x05");
//! let tree = read_alone(&table);
//! assert!(tree.faults.is_empty());
//! assert_eq!(tree.nodes.iter().map(|node| node.op).collect::<Vec<_>>(),
//!     [Op::Root, Op::Name, Op::NameRef, Op::ByteConst]);
//! ```

mod check;
mod declare;
mod fault;
mod field;
mod guess;
mod retry;
mod term;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use super::names::{NameId, Names};
use super::opcode::{Body, Op, Operand};
use super::tree::{Node, NodeId, Tree};
use crate::bytes::{u8_at, u16_at, u32_at, u64_at};
use crate::header::Header;

/// Terms open at the same time; real tables have fewer than a hundred.
const DEPTH: usize = 4096;

/// Read one table (header included) with what is known of the names of all tables, and add what
/// it declares to them.
#[must_use]
pub fn read(bytes: &[u8], names: &mut Names) -> Tree {
    Reader::new(bytes, names, false).run()
}

/// As [`read`], for a table without others.
#[must_use]
pub fn read_alone(bytes: &[u8]) -> Tree {
    let (trees, _) = read_all(&[bytes]);
    trees.into_iter().next().unwrap_or_else(Tree::empty)
}

/// Read the tables of a machine, DSDT first: what any of them declares is known in all.
#[must_use]
pub fn read_all(tables: &[&[u8]]) -> (Vec<Tree>, Names) {
    let mut names = declared(tables);
    let trees = tables.iter().map(|bytes| read(bytes, &mut names)).collect();
    (trees, names)
}

/// The names that the tables declare outside methods.
///
/// A call at the level of the table can need a method of a later table. Tables in which something
/// was guessed or went wrong are therefore gone through once more.
#[must_use]
pub fn declared(tables: &[&[u8]]) -> Names {
    let mut names = Names::new();
    let uncertain: Vec<bool> = tables
        .iter()
        .map(|bytes| {
            let tree = Reader::new(bytes, &mut names, true).run();
            !(tree.faults.is_empty() && tree.guessed.is_empty())
        })
        .collect();
    if !uncertain.contains(&true) {
        return names;
    }
    let mut second = Names::new();
    second.clone_from(&names);
    for (bytes, uncertain) in tables.iter().zip(uncertain) {
        if uncertain {
            Reader::new(bytes, &mut second, true).run();
        }
    }
    second
}

/// Where a term stands, which decides what it may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Position {
    /// In a list of terms.
    Statement,
    /// An operand that must have a value.
    Value,
    /// An element of a package: a name is data.
    Element,
    /// What is stored to, or a reference to it is taken.
    Reference {
        /// A method's name is a call (`SuperName`), not the method itself (`SimpleName`).
        call: bool,
        /// It may be left out.
        optional: bool,
    },
}

/// A term whose operands or body are being read.
#[derive(Clone, Copy)]
struct Frame {
    node: NodeId,
    last: Option<NodeId>,
    op: Op,
    operands: &'static [Operand],
    /// Arguments of a call, behind the operands.
    arguments: u8,
    done: u8,
    body: Body,
    /// End of the innermost package.
    limit: usize,
    /// It has a PkgLength of its own.
    package: bool,
    /// A call with as many arguments as are declared, which may be too many.
    retry: bool,
    /// Of a call: the sibling before it.
    elder: Option<NodeId>,
    statement: bool,
    entered: bool,
    scope: NameId,
}

/// State to go back to after a trial.
struct Mark {
    position: usize,
    nodes: usize,
    guessed: usize,
    stack: Vec<Frame>,
}

/// How far a trial came.
#[derive(Clone, Copy, Debug, Default)]
struct Trial {
    failed: bool,
    /// Statements without effect, as they arise when a call took too few arguments.
    idle: usize,
}

struct Reader<'a> {
    bytes: &'a [u8],
    position: usize,
    stack: Vec<Frame>,
    tree: Tree,
    names: &'a mut Names,
    /// Bodies of methods are passed over.
    declarations: bool,
    trial: Option<Trial>,
    guesses: HashMap<&'a [u8], u8>,
    /// Bytes that trials may still read.
    budget: usize,
    idle_run: Option<check::IdleRun>,
    /// Name and count that a trial tries for a declared method.
    corrected: Option<(&'a [u8], u8)>,
}

impl<'a> Reader<'a> {
    fn new(bytes: &'a [u8], names: &'a mut Names, declarations: bool) -> Self {
        Self {
            bytes,
            position: 0,
            stack: Vec::with_capacity(64),
            tree: Tree::empty(),
            names,
            declarations,
            trial: None,
            guesses: HashMap::new(),
            budget: bytes.len().saturating_mul(8).saturating_add(0x1_0000),
            idle_run: None,
            corrected: None,
        }
    }

    fn run(mut self) -> Tree {
        if !self.declarations {
            self.tree.bytes = self.bytes.to_vec();
        }
        self.tree.nodes.reserve(self.bytes.len() / 3);
        self.open_root();
        while !self.stack.is_empty() {
            self.step();
        }
        // A term is entered here when its operands are read, which may be behind its children.
        self.tree.placed.sort_unstable();
        self.tree
    }

    /// The root ends where the header says, but not behind the bytes.
    fn open_root(&mut self) {
        let seen = self.bytes.len();
        let stated = u32_at(self.bytes, 4).and_then(|length| usize::try_from(length).ok());
        let limit = stated
            .filter(|length| (Header::LENGTH..seen).contains(length))
            .unwrap_or(seen);
        let root = self.add(None, Op::Root, 0, seen, 0);
        self.position = Header::LENGTH.min(seen);
        self.stack.push(Frame {
            node: root,
            last: None,
            op: Op::Root,
            operands: &[],
            arguments: 0,
            done: 0,
            body: Body::Terms,
            limit,
            package: true,
            retry: false,
            elder: None,
            statement: false,
            entered: true,
            scope: Names::ROOT,
        });
        match stated {
            Some(length) if length > seen && seen >= Header::LENGTH => {
                self.note(seen, format!("{length} bytes of table"), format!("{seen} bytes"), 0);
            }
            Some(length) if length < Header::LENGTH && seen >= Header::LENGTH => {
                let expected = format!("table length of at least {}", Header::LENGTH);
                self.note(4, expected, length.to_string(), 0);
            }
            _ if seen < Header::LENGTH => {
                let expected = format!("a table header of {} bytes", Header::LENGTH);
                self.note(seen, expected, format!("{seen} bytes"), 0);
            }
            _ => {}
        }
    }

    fn step(&mut self) {
        let Some(frame) = self.stack.last().copied() else {
            return;
        };
        let done = usize::from(frame.done);
        if let Some(operand) = frame.operands.get(done) {
            self.operand(&frame, *operand);
        } else if done < frame.operands.len().saturating_add(usize::from(frame.arguments)) {
            self.term(&frame, Position::Value);
        } else if !frame.entered {
            self.enter(&frame);
        } else if frame.body == Body::None {
            self.close(self.position);
        } else if self.position >= frame.limit {
            self.close_root_tail(&frame);
            self.close(frame.limit);
        } else {
            match frame.body {
                Body::None => {}
                Body::Terms => self.term(&frame, Position::Statement),
                Body::Elements => self.term(&frame, Position::Element),
                Body::Fields => self.field(&frame),
                Body::Bytes => self.leaf(Op::ByteList, self.position, frame.limit, 0),
            }
        }
    }

    fn close(&mut self, end: usize) {
        let Some(frame) = self.stack.pop() else { return };
        let end = if frame.op == Op::Root { self.bytes.len() } else { end };
        self.seal(&frame, end);
        self.check(&frame);
    }

    fn seal(&mut self, frame: &Frame, end: usize) {
        if let Some(node) = self.node_mut(frame.node) {
            node.end = offset(end);
            node.operands = frame.done;
        }
    }

    fn byte(&self, at: usize, limit: usize) -> Option<u8> {
        u8_at(self.bytes, at).filter(|_| at < limit)
    }

    fn number(&self, at: usize, size: usize, limit: usize) -> Option<u64> {
        if at.checked_add(size)? > limit {
            return None;
        }
        match size {
            1 => u8_at(self.bytes, at).map(u64::from),
            2 => u16_at(self.bytes, at).map(u64::from),
            4 => u32_at(self.bytes, at).map(u64::from),
            _ => u64_at(self.bytes, at),
        }
    }

    /// A node without children, as the next child of the innermost open term.
    fn leaf(&mut self, op: Op, start: usize, end: usize, value: u64) {
        self.child(op, start, end, value);
        self.position = end;
    }

    fn child(&mut self, op: Op, start: usize, end: usize, value: u64) -> NodeId {
        let parent = self.stack.last().map(|frame| frame.node);
        let id = self.add(parent, op, start, end, value);
        let Some(frame) = self.stack.last_mut() else {
            return id;
        };
        let operands = frame.operands.len().saturating_add(usize::from(frame.arguments));
        if usize::from(frame.done) < operands && op != Op::Damaged {
            frame.done = frame.done.saturating_add(1);
        }
        let (parent, last) = (frame.node, frame.last.replace(id));
        match last {
            Some(last) => self.set_next(last, Some(id)),
            None => self.set_first(parent, Some(id)),
        }
        id
    }

    fn add(&mut self, parent: Option<NodeId>, op: Op, start: usize, end: usize, value: u64) -> NodeId {
        let id = self.next_node();
        self.tree.nodes.push(Node {
            op,
            start: offset(start),
            end: offset(end),
            operands: 0,
            value,
            parent: parent.unwrap_or(id),
            first: None,
            next: None,
        });
        id
    }

    fn next_node(&self) -> NodeId {
        NodeId(offset(self.tree.nodes.len()))
    }

    fn node_mut(&mut self, id: NodeId) -> Option<&mut Node> {
        self.tree.nodes.get_mut(usize::try_from(id.0).ok()?)
    }

    fn set_next(&mut self, id: NodeId, next: Option<NodeId>) {
        if let Some(node) = self.node_mut(id) {
            node.next = next;
        }
    }

    fn set_first(&mut self, id: NodeId, first: Option<NodeId>) {
        if let Some(node) = self.node_mut(id) {
            node.first = first;
        }
    }
}

/// Operators that take a method's name as the method, not as a call of it.
fn takes_the_name_itself(frame: &Frame) -> bool {
    match frame.op {
        Op::RefOf | Op::ObjectType => true,
        Op::CondRefOf => frame.done == 0,
        Op::CopyObject => frame.done == 1,
        _ => false,
    }
}

fn offset(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}
