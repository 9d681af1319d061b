//! Intel updates as text: 32-bit words in hexadecimals, in four forms that are told by content.
//!
//! | form | a line of it | words |
//! |---|---|---|
//! | `.dat` | `0x00000001,` and more, with `/* 06-8e-09 */` before each update | as numbers |
//! | `.inc` | `dd 000000001h ; comment` (MASM) | as numbers |
//! | `.dtsi` | `data = < 0x01000000 ... >;` (U-Boot) | byte by byte in file order |
//! | C array | as `.dat`, within braces; also of single bytes | as numbers |
//!
//! What the text says beside the words is kept: names in comments, and the properties of a `.dtsi`,
//! which are compared with the header they repeat. A token that is none is damage with its line and
//! column; the words around it are still read.
//!
//! ```
//! let text = microcode::dat::write(&[(None, &[1, 0, 0, 0, 0x2f, 0, 0, 0])]);
//! assert_eq!(text.lines().last(), Some("0x00000001,\t0x0000002f,"));
//! ```

mod detect;
mod forms;
mod lexer;
mod places;
mod write;

use schemars::JsonSchema;
use serde::Serialize;

use crate::damage::Damage;
use crate::intel;

pub use detect::detect;
pub use write::{write, write_dtsi, write_inc};

/// A form of text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    /// Intel's `.dat`.
    Dat,
    /// MASM `.inc`.
    Inc,
    /// Device tree source of U-Boot.
    Dtsi,
    /// Array of the C language.
    CArray,
}

impl Form {
    /// In words.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Dat => "Intel updates as .dat text",
            Self::Inc => "Intel updates as assembler text",
            Self::Dtsi => "Intel updates as device tree text",
            Self::CArray => "Intel updates as a C array",
        }
    }
}

/// A comment, and the offset in the decoded bytes at which it stands.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Name {
    /// Offset in the decoded bytes.
    pub offset: usize,
    /// The comment without its marks.
    pub text: String,
}

/// Damage of the text itself.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct TextDamage {
    /// Line, from 1 on.
    pub line: usize,
    /// Column in bytes, from 1 on.
    pub column: usize,
    /// The damage; its offset is that in the text.
    #[serde(flatten)]
    pub damage: Damage,
}

impl std::fmt::Display for TextDamage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "line {}, column {}: {}", self.line, self.column, self.damage)
    }
}

/// Updates of a text.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Text {
    /// Its form.
    pub form: Form,
    /// The bytes that its words mean.
    #[serde(skip)]
    pub bytes: Vec<u8>,
    /// The updates; their offsets are those in `bytes`.
    pub file: intel::File,
    /// Comments before, between and in the updates.
    pub names: Vec<Name>,
    /// Zero bytes behind the last update that mark the end of a C array; they are not in `bytes`.
    pub terminator: usize,
    /// Damage of the text.
    pub damage: Vec<TextDamage>,
    #[serde(skip)]
    places: places::Places,
}

impl Text {
    /// Line and column, from 1 on, of the word that holds this byte of `bytes`.
    #[must_use]
    pub fn line_and_column(&self, offset: usize) -> Option<(usize, usize)> {
        self.places.of(offset)
    }

    /// The name of the update at this offset: the last comment directly before it.
    #[must_use]
    pub fn name_of(&self, offset: usize) -> Option<&str> {
        let mut before = self.names.iter().rev();
        before.find(|name| name.offset == offset).map(|name| name.text.as_str())
    }

    /// Whether the text or an update is damaged.
    #[must_use]
    pub fn is_damaged(&self) -> bool {
        !self.damage.is_empty() || self.file.is_damaged()
    }
}

/// Read text of any form; `None` when it does not begin like an update in one of them.
#[must_use]
pub fn read(text: &[u8]) -> Option<Text> {
    let form = detect(text)?;
    let mut words = forms::collect(form, text, usize::MAX);
    let terminator = match form {
        Form::CArray | Form::Dat => words.drop_terminator(),
        Form::Inc | Form::Dtsi => 0,
    };
    let file = intel::read(&words.bytes);
    Some(Text {
        form,
        file,
        names: words.names,
        terminator,
        damage: words.damage,
        places: words.places,
        bytes: words.bytes,
    })
}

#[cfg(test)]
mod tests;
