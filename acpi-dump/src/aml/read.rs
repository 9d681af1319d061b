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

use std::collections::HashMap;

use super::name::NameRef;
use super::names::{Known, NameId, Names};
use super::opcode::{Body, Op, OpInfo, Operand, by_code};
use super::pkglength;
use super::tree::{AmlFault, Node, NodeId, Tree};
use crate::bytes::{array, u8_at, u16_at, u32_at, u64_at};
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
            budget: bytes.len().saturating_mul(16).saturating_add(0x1_0000),
        }
    }

    fn run(mut self) -> Tree {
        self.tree.bytes = self.bytes.to_vec();
        self.tree.nodes.reserve(self.bytes.len() / 3);
        self.open_root();
        while !self.stack.is_empty() {
            self.step();
        }
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

    /// Bytes behind the length that the header states belong to nothing.
    fn close_root_tail(&mut self, frame: &Frame) {
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

    fn close(&mut self, end: usize) {
        let Some(frame) = self.stack.pop() else { return };
        let end = if frame.op == Op::Root { self.bytes.len() } else { end };
        self.seal(&frame, end);
        if frame.statement {
            self.judge(&frame);
        }
    }

    fn seal(&mut self, frame: &Frame, end: usize) {
        if let Some(node) = self.node_mut(frame.node) {
            node.end = offset(end);
            node.operands = frame.done;
        }
    }

    /// In a trial: count what stands as a statement and does nothing.
    fn judge(&mut self, frame: &Frame) {
        let last = frame.last.and_then(|id| self.tree.node(id)).map(|node| node.op);
        let idle = match frame.operands.last() {
            Some(Operand::Target) => last == Some(Op::NullName),
            _ => matches!(
                frame.op,
                Op::LAnd
                    | Op::LOr
                    | Op::LNot
                    | Op::LEqual
                    | Op::LGreater
                    | Op::LLess
                    | Op::Buffer
                    | Op::Package
                    | Op::VarPackage
                    | Op::SizeOf
                    | Op::ObjectType
                    | Op::DerefOf
                    | Op::RefOf
            ),
        };
        if let Some(trial) = self.trial.as_mut().filter(|_| idle) {
            trial.idle = trial.idle.saturating_add(1);
        }
    }

    fn operand(&mut self, frame: &Frame, operand: Operand) {
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

    fn term(&mut self, frame: &Frame, position: Position) {
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
            return self.fault_here(frame, "a term with a value");
        }
        if self.stack.len() >= DEPTH {
            return self.fault_here(frame, &format!("at most {DEPTH} terms one in the other"));
        }
        self.opcode(frame, info, length, position == Position::Statement);
    }

    fn opcode(&mut self, frame: &Frame, info: &'static OpInfo, length: usize, statement: bool) {
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
            statement: statement && self.trial.is_some(),
            entered: false,
            scope: frame.scope,
        });
    }

    /// Terms that need no frame; `false` when this is none of them.
    fn constant(&mut self, frame: &Frame, info: &OpInfo, start: usize, behind: usize, statement: bool) -> bool {
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
        if statement && info.op.is_value() {
            self.idle();
        }
        self.leaf(info.op, start, end, value);
        true
    }

    /// Where the operands begin and where the package ends; a fault when that cannot be.
    fn package(&mut self, frame: &Frame, at: usize) -> Option<(usize, usize)> {
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

    fn name_term(&mut self, frame: &Frame, position: Position) {
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
                self.call(frame, name, count, position == Position::Statement);
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

    fn call(&mut self, frame: &Frame, name: NameRef<'_>, count: u8, statement: bool) -> Option<NodeId> {
        if self.stack.len() >= DEPTH {
            self.fault_here(frame, &format!("at most {DEPTH} terms one in the other"));
            return None;
        }
        let start = self.position;
        let node = self.child(Op::Call, start, frame.limit, 0);
        self.stack.push(Frame {
            node,
            last: None,
            op: Op::Call,
            operands: &[Operand::Name],
            arguments: count,
            done: 0,
            body: Body::None,
            statement: statement && self.trial.is_some(),
            limit: frame.limit,
            package: false,
            entered: true,
            scope: frame.scope,
        });
        self.name_leaf(name);
        Some(node)
    }

    /// A name that nothing declares, where a call may stand.
    fn unknown(&mut self, frame: &Frame, name: NameRef<'a>, statement: bool) {
        let count = self.guess(frame, name);
        if count == 0 && !statement {
            return self.name_leaf(name);
        }
        let node = self.call(frame, name, count, statement);
        if let Some(node) = node {
            self.tree.guessed.push((node, count));
        }
    }

    /// The argument count with which the rest of the enclosing package can be read best.
    fn guess(&mut self, frame: &Frame, name: NameRef<'a>) -> u8 {
        let end = self.position.saturating_add(name.length);
        let key = self.bytes.get(self.position..end).unwrap_or_default();
        if let Some(count) = self.guesses.get(key) {
            return *count;
        }
        if self.trial.is_some() {
            return 0;
        }
        let mut best = (usize::MAX, 0);
        for count in 0..8 {
            let trial = self.try_count(frame, name, count);
            if !trial.failed && trial.idle < best.0 {
                best = (trial.idle, count);
            }
            if best.0 == 0 || self.budget == 0 {
                break;
            }
        }
        self.guesses.insert(key, best.1);
        best.1
    }

    fn try_count(&mut self, frame: &Frame, name: NameRef<'_>, count: u8) -> Trial {
        let mark = Mark {
            position: self.position,
            nodes: self.tree.nodes.len(),
            guessed: self.tree.guessed.len(),
            stack: self.stack.clone(),
        };
        let package = self.stack.iter().rposition(|frame| frame.package).unwrap_or(0);
        self.trial = Some(Trial::default());
        if count == 0 {
            self.name_leaf(name);
        } else {
            self.call(frame, name, count, false);
        }
        while self.stack.len() > package && self.trial.is_some_and(|trial| !trial.failed) {
            let read = self.position.saturating_sub(mark.position);
            if read > self.budget {
                self.fail();
            }
            self.step();
        }
        self.budget = self.budget.saturating_sub(self.position.saturating_sub(mark.position));
        let trial = self.trial.take().unwrap_or_default();
        self.go_back(mark);
        trial
    }

    fn go_back(&mut self, mark: Mark) {
        self.position = mark.position;
        self.tree.nodes.truncate(mark.nodes);
        self.tree.guessed.truncate(mark.guessed);
        self.stack = mark.stack;
        for frame in self.stack.clone() {
            match frame.last {
                Some(last) => self.set_next(last, None),
                None => self.set_first(frame.node, None),
            }
        }
    }

    /// One element of a field list.
    fn field(&mut self, frame: &Frame) {
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
                if self.trial.is_none() {
                    self.names.declare(frame.scope, name, Known::Object);
                }
                self.field_bits(frame, Op::FieldUnit, start.saturating_add(4));
            }
            _ => self.fault_here(frame, "a field unit"),
        }
    }

    fn field_bits(&mut self, frame: &Frame, op: Op, at: usize) {
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

    fn field_raw(&mut self, frame: &Frame, op: Op, at: usize, size: usize) {
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
    fn connection(&mut self, frame: &Frame, at: usize) {
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
            statement: false,
            entered: true,
            scope: frame.scope,
        });
    }

    /// All operands are there: declare what the term declares and open its scope.
    fn enter(&mut self, frame: &Frame) {
        let scope = self.declare(frame).unwrap_or(frame.scope);
        if let Some(open) = self.stack.last_mut() {
            open.entered = true;
            open.scope = scope;
        }
        if self.declarations && frame.op == Op::Method {
            self.position = frame.limit;
        }
    }

    fn declare(&mut self, frame: &Frame) -> Option<NameId> {
        let index = frame.op.declares()?;
        let operands: Vec<NodeId> = self.tree.children(frame.node).take(frame.operands.len()).collect();
        let bytes = self.bytes;
        let place = self.tree.range(*operands.get(index)?);
        let name = NameRef::decode(bytes.get(place)?)?;
        let number = |index: usize| -> Option<u8> {
            let value = self.tree.node(*operands.get(index)?)?.value;
            u8::try_from(value).ok()
        };
        if self.trial.is_some() && frame.op != Op::Scope {
            return None;
        }
        match frame.op {
            Op::Scope => Some(self.names.open(frame.scope, name)),
            Op::Method => {
                let count = number(1)? & 7;
                Some(self.names.declare(frame.scope, name, Known::Method(count)))
            }
            Op::Device | Op::Processor | Op::PowerResource | Op::ThermalZone => {
                Some(self.names.declare(frame.scope, name, Known::Object))
            }
            Op::External => {
                let (kind, count) = (number(1)?, number(2)?);
                self.names.declare_external(frame.scope, name, kind, count);
                None
            }
            Op::Alias => {
                let source = self.tree.range(*operands.first()?);
                let source = NameRef::decode(bytes.get(source)?)?;
                let target = self.names.open(frame.scope, source);
                self.names.declare(frame.scope, name, Known::Alias(target));
                None
            }
            _ => {
                self.names.declare(frame.scope, name, Known::Object);
                None
            }
        }
    }

    fn name(&self, limit: usize) -> Option<NameRef<'a>> {
        NameRef::decode(self.bytes.get(self.position..limit)?)
    }

    fn name_leaf(&mut self, name: NameRef<'_>) {
        self.check_name(name);
        let op = if name.is_null() { Op::NullName } else { Op::NameRef };
        self.leaf(op, self.position, self.position.saturating_add(name.length), 0);
    }

    fn check_name(&mut self, name: NameRef<'_>) {
        if !name.is_legal() {
            let seen = name.to_path().to_string();
            self.note(self.position, "a name of letters, digits and _".into(), seen, 0);
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
        let Some(frame) = self.stack.last_mut() else { return id };
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
        let id = NodeId(u32::try_from(self.tree.nodes.len()).unwrap_or(u32::MAX));
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

    fn fail(&mut self) {
        if let Some(trial) = &mut self.trial {
            trial.failed = true;
        }
    }

    fn idle(&mut self) {
        if let Some(trial) = &mut self.trial {
            trial.idle = trial.idle.saturating_add(1);
        }
    }

    /// Record a fault that does not stop the reading.
    fn note(&mut self, offset: usize, expected: String, seen: String, skipped: usize) {
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

    fn fault_here(&mut self, frame: &Frame, expected: &str) {
        let end = frame.limit.min(self.position.saturating_add(4));
        let seen = self.bytes.get(self.position..end).unwrap_or_default();
        let seen: Vec<String> = seen.iter().map(|byte| format!("{byte:02x}")).collect();
        self.fault(frame, self.position, expected.to_owned(), seen.join(" "));
    }

    fn fault_at_end(&mut self, frame: &Frame, expected: &str) {
        let left = frame.limit.saturating_sub(self.position);
        let seen = match left {
            0 => "the end of the package".to_owned(),
            1 => "1 byte to the end of the package".to_owned(),
            left => format!("{left} bytes to the end of the package"),
        };
        self.fault(frame, self.position, expected.to_owned(), seen);
    }

    /// Pass over the rest of the enclosing package.
    fn fault(&mut self, frame: &Frame, at: usize, expected: String, seen: String) {
        let end = frame.limit;
        self.note(at, expected, seen, end.saturating_sub(at));
        if self.trial.is_some() {
            return;
        }
        while self.stack.last().is_some_and(|open| !open.package) {
            self.close(at);
        }
        self.leaf(Op::Damaged, at, end, 0);
        if let Some(open) = self.stack.last().copied() {
            self.close_root_tail(&open);
            self.close(end);
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
