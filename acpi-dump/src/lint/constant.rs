//! Values of the namespace that need no execution: named values, and methods that only return one.

use crate::aml::namespace::{Namespace, Object, ObjectKind, Place};
use crate::aml::{NodeId, Op, Tree};

/// A constant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Constant {
    Integer(u64),
    Text(String),
    Buffer,
    Package,
}

impl Constant {
    pub fn word(&self) -> &'static str {
        match self {
            Self::Integer(_) => "integer",
            Self::Text(_) => "string",
            Self::Buffer => "buffer",
            Self::Package => "package",
        }
    }
}

/// Constant value of an object; `None` when it has none or it depends on anything.
pub(super) fn of(namespace: &Namespace, object: &Object) -> Option<Constant> {
    let place = object.place?;
    let tree = namespace.trees().get(place.table)?;
    let term = match object.kind {
        ObjectKind::Name => tree.operand(place.node, 1)?,
        ObjectKind::Method { .. } => {
            let mut body = tree.body(place.node);
            let only = body.next().filter(|_| body.next().is_none())?;
            tree.operand(only, 0).filter(|_| is(tree, only, Op::Return))?
        }
        _ => return None,
    };
    of_term(namespace, Place { node: term, ..place })
}

/// Constant value of a term.
fn of_term(namespace: &Namespace, place: Place) -> Option<Constant> {
    let tree = namespace.trees().get(place.table)?;
    let node = tree.node(place.node)?;
    Some(match node.op {
        Op::Zero => Constant::Integer(0),
        Op::One => Constant::Integer(1),
        Op::Ones => Constant::Integer(u64::MAX),
        Op::ByteConst | Op::WordConst | Op::DWordConst | Op::QWordConst => Constant::Integer(node.value),
        Op::StringConst => Constant::Text(String::from_utf8_lossy(tree.text(place.node)?).into_owned()),
        Op::Buffer => Constant::Buffer,
        Op::Package => Constant::Package,
        _ => return None,
    })
}

fn is(tree: &Tree, id: NodeId, op: Op) -> bool {
    tree.node(id).is_some_and(|node| node.op == op)
}
