//! ACPI Machine Language: reader, namespace, evaluation, resources, disassembly.
//! Follows ACPI 6.5, chapter 20 (AML grammar) and chapter 19 (ASL).
//!
//! A table's byte code becomes a [`Tree`] of terms that keeps every byte's place; what the terms
//! declare becomes a namespace over all tables. Nothing here recurses over the input.

pub mod disassemble;
pub mod evaluate;
pub mod name;
pub mod names;
pub mod namespace;
pub mod opcode;
mod pkglength;
pub mod read;
pub mod resource;
#[cfg(test)]
pub(crate) mod testing;
pub mod tree;

pub use name::{NamePath, NameRef, NameSeg};
pub use names::{Known, NameId, Names};
pub use namespace::{Declaration, NameFault, Namespace, Object, ObjectId, ObjectKind, Place, UnitAccess};
pub use opcode::{Body, Op, OpInfo, Operand};
pub use read::{read, read_all, read_alone};
pub use tree::{AmlFault, Node, NodeId, Tree};
