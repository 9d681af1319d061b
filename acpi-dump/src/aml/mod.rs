//! ACPI Machine Language: reader, namespace, evaluation, resources, disassembly.
//! Follows ACPI 6.5, chapter 20 (AML grammar) and chapter 19 (ASL).
//!
//! A table's byte code becomes a [`Tree`] of terms that keeps every byte's place; what the terms
//! declare becomes a namespace over all tables. Nothing here recurses over the input.

pub mod name;
pub mod opcode;
pub mod resource;
pub mod tree;

pub use name::{NamePath, NameSeg};
pub use tree::{AmlFault, Node, NodeId, Tree};
