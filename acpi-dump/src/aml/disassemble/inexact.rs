//! Where ASL has no words for what the bytes say, so that compiling the text gives others.
//!
//! Compilers choose the shortest code for a number, a length and a name; firmware that is patched
//! at every start, or written by other tools, holds longer ones. Found by compiling the
//! disassembly of real tables with `iasl`.

use std::fmt;

use super::text;
use crate::aml::opcode::Op;
use crate::aml::pkglength;
use crate::aml::tree::{Node, NodeId, Tree};

/// Why a term does not survive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Inexact {
    /// A number is coded with more bytes than it needs.
    Number,
    /// The length of a package or of a field unit is not coded with the bytes a compiler chooses.
    Length,
    /// A path is coded with a prefix or a count that its segments do not need.
    Path,
    /// A package whose number of elements is a constant is coded as one of variable length.
    Package,
    /// A package has more elements, or a buffer more bytes, than its size says.
    Size,
    /// `External` states arguments for something that is no method, or more than seven.
    External,
    /// A string has characters above 0x7E.
    Character,
    /// A name is a word of the language.
    Name,
    /// A value stands where a statement must stand.
    Statement,
    /// The operand is one that the grammar of ASL does not allow there.
    Operand,
    /// Bytes that could not be read.
    Damage,
}

impl fmt::Display for Inexact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Number => "number coded longer than it needs",
            Self::Length => "length coded with other bytes than a compiler chooses",
            Self::Path => "path coded longer than it needs",
            Self::Package => "package of constant size coded as variable",
            Self::Size => "size below the number of elements or bytes",
            Self::External => "External with an argument count that no method has",
            Self::Character => "string with characters above 0x7E",
            Self::Name => "name that is a word of ASL",
            Self::Statement => "value that stands as a statement",
            Self::Operand => "operand that ASL does not allow there",
            Self::Damage => "bytes that are not AML",
        })
    }
}

/// All such terms of a table with their offset, in order.
#[must_use]
pub fn inexact(tree: &Tree) -> Vec<(usize, Inexact)> {
    let ids = (0..).map(NodeId).zip(&tree.nodes);
    ids.filter_map(|(id, node)| {
        let reason = of(tree, id, node)?;
        Some((usize::try_from(node.start).ok()?, reason))
    })
    .collect()
}

fn of(tree: &Tree, id: NodeId, node: &Node) -> Option<Inexact> {
    let found = match node.op {
        Op::WordConst if node.value <= 0xff => Some(Inexact::Number),
        Op::DWordConst if node.value <= 0xffff => Some(Inexact::Number),
        Op::QWordConst if node.value <= 0xffff_ffff => Some(Inexact::Number),
        Op::StringConst => tree
            .text(id)
            .is_some_and(|text| text.iter().any(|byte| *byte > 0x7e))
            .then_some(Inexact::Character),
        Op::VarPackage => {
            let count = tree.operand(id, 0).and_then(|count| tree.node(count))?;
            let small = match count.op {
                Op::Zero | Op::One | Op::Ones => true,
                op => super::buffer::is_constant(op) && count.value <= 0xff,
            };
            small.then_some(Inexact::Package)
        }
        Op::Package => {
            let count = tree.operand(id, 0).and_then(|count| tree.node(count))?;
            let elements = u64::try_from(tree.body(id).count()).ok()?;
            (elements > count.value).then_some(Inexact::Size)
        }
        Op::Buffer => size_below(tree, id).then_some(Inexact::Size),
        Op::External => external(tree, id).then_some(Inexact::External),
        Op::NameRef => path(tree, id),
        Op::FieldUnit => unit_length(tree, id, 4).then_some(Inexact::Length),
        Op::FieldReserved => unit_length(tree, id, 1).then_some(Inexact::Length),
        Op::Damaged => Some(Inexact::Damage),
        _ => None,
    };
    let packaged = || {
        let code = code_before_length(node.op)?;
        length(tree, id, code).then_some(Inexact::Length)
    };
    let statement = || {
        let value = super::buffer::is_constant(node.op)
            || super::expression::is_register(node.op)
            || matches!(node.op, Op::StringConst | Op::Buffer | Op::Package | Op::VarPackage);
        let in_list = value
            && tree.node(node.parent).is_some_and(|parent| {
                let mut operands = tree.children(node.parent).take(usize::from(parent.operands));
                has_terms(parent.op) && operands.all(|operand| operand != id)
            });
        in_list.then_some(Inexact::Statement)
    };
    let operand = || {
        let target = matches!(node.op, Op::Store | Op::CopyObject)
            .then(|| tree.operand(id, 1))
            .flatten()?;
        let op = tree.node(target)?.op;
        let allowed = matches!(
            op,
            Op::NameRef | Op::Debug | Op::Index | Op::DerefOf | Op::RefOf | Op::Call | Op::Damaged
        );
        (!allowed && !super::expression::is_register(op)).then_some(Inexact::Operand)
    };
    found.or_else(packaged).or_else(statement).or_else(operand)
}

/// Whether the body of the opcode is a list of terms.
pub(super) fn has_terms(op: Op) -> bool {
    let block = matches!(op, Op::Root | Op::If | Op::Else | Op::While | Op::Method);
    block
        || matches!(
            op,
            Op::Scope | Op::Device | Op::Processor | Op::PowerResource | Op::ThermalZone
        )
}

/// Bytes of the opcode in front of a PkgLength.
fn code_before_length(op: Op) -> Option<usize> {
    match op {
        Op::Root => None,
        Op::Buffer | Op::Package | Op::VarPackage | Op::Scope => Some(1),
        Op::Field | Op::IndexField | Op::BankField => Some(2),
        Op::Device | Op::Processor | Op::PowerResource | Op::ThermalZone => Some(2),
        op if has_terms(op) => Some(1),
        _ => None,
    }
}

/// Whether the PkgLength at `at` bytes from the node's start has bytes to spare.
fn length(tree: &Tree, id: NodeId, at: usize) -> bool {
    pkglength::decode(tree.slice(id), at).is_some_and(|length| {
        let needed = match length.value {
            0..=0x3f => 1,
            0x40..=0xfff => 2,
            0x1000..=0xf_ffff => 3,
            _ => 4,
        };
        length.bytes > needed || length.reserved
    })
}

/// As [`length`] for a unit of a field: compilers reserve room for the length itself there too,
/// though the number does not count it.
fn unit_length(tree: &Tree, id: NodeId, at: usize) -> bool {
    pkglength::decode(tree.slice(id), at).is_some_and(|length| {
        let expected = match length.value {
            0..=0x3e => 1,
            0x3f..=0xffd => 2,
            0xffe..=0xf_fffc => 3,
            _ => 4,
        };
        length.bytes != expected || length.reserved
    })
}

fn size_below(tree: &Tree, id: NodeId) -> bool {
    let size = tree.operand(id, 0).and_then(|size| tree.node(size));
    let list = tree.children(id).filter_map(|child| tree.node(child));
    let bytes: u32 = list
        .filter(|child| child.op == Op::ByteList)
        .map(|child| child.end.saturating_sub(child.start))
        .sum();
    // `Zero`, `One` and `Ones` are kept whatever the bytes are.
    size.is_some_and(|size| {
        let counted = matches!(size.op, Op::ByteConst | Op::WordConst | Op::DWordConst | Op::QWordConst);
        counted && size.value < u64::from(bytes)
    })
}

fn external(tree: &Tree, id: NodeId) -> bool {
    let value = |index| {
        let operand = tree.operand(id, index).and_then(|operand| tree.node(operand));
        operand.map_or(0, |operand| operand.value)
    };
    value(2) > 7
}

fn path(tree: &Tree, id: NodeId) -> Option<Inexact> {
    let name = tree.name(id)?;
    let prefixes = usize::from(name.root).saturating_add(name.parents);
    let count = name.segments().count();
    let shortest = match count {
        0 | 2 => 1,
        1 => 0,
        _ => 2,
    };
    let length = count.checked_mul(4)?.checked_add(prefixes)?.checked_add(shortest)?;
    if length < name.length {
        return Some(Inexact::Path);
    }
    text::is_word(name).then_some(Inexact::Name)
}
