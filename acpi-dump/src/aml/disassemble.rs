//! AML back into ASL text. ACPI 6.5, chapter 19 (ASL) and chapter 20 (AML).
//!
//! The text says what the bytes say and in their order: `iasl -oa` compiles it to the same bytes
//! wherever ASL has words for them. Where it has none (a number coded longer than it needs, a
//! length field with spare bytes) the nearest words are written; nothing is left out silently:
//! what could not be read stands as a comment with its offset and its bytes.
//!
//! Names that other tables define are declared with `External`. `iasl` codes such declarations
//! into the table, which older tables do not have: [`Externals::AsCoded`] writes only those that
//! the table itself contains, the others as comments, for `iasl -f`.

mod block;
mod buffer;
mod expression;
mod external;
mod field;
mod resource;
mod statement;
mod text;
mod uuid;

pub use external::Context;

use super::tree::Tree;
use block::Writer;

/// Which `External` declarations are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Externals {
    /// One for each name that another table defines, or none.
    #[default]
    Declared,
    /// Those that the table codes itself; the others are comments.
    AsCoded,
}

/// How the text is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Each term is preceded by its offset in the table.
    pub offsets: bool,
    /// Which names are declared.
    pub externals: Externals,
    /// Buffers stay bytes: no resource templates, UUIDs or strings.
    pub bytes: bool,
}

/// Write one table as ASL.
#[must_use]
pub fn disassemble(tree: &Tree, context: &Context<'_>, options: &Options) -> String {
    let mut writer = Writer::new(tree, options);
    writer.header();
    writer.externals(context);
    writer.table();
    writer.finish()
}

#[cfg(test)]
mod tests;
