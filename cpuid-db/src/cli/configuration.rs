//! Configurations given as an argument: the text itself, a file that holds it, or standard input.

use std::path::Path;

use super::{Error, input};
use crate::convert::{self, Language};
use crate::database::Database;
use crate::guest::{Fault, GuestCpu};

/// Longest argument that may be the name of a file, in bytes.
const LONGEST_PATH: usize = 4096;

/// Name for messages, and the text.
pub(super) fn text(argument: &str) -> Result<(String, String), Error> {
    let path = Path::new(argument);
    if argument == "-" {
        return Ok(("standard input".to_owned(), input::text(path)?));
    }
    let is_file = argument.len() <= LONGEST_PATH && !argument.contains('\n') && path.is_file();
    if is_file {
        return Ok((argument.to_owned(), input::text(path)?));
    }
    Ok(("argument".to_owned(), argument.to_owned()))
}

/// Reads a configuration in the language given, or in the one its text is told by.
pub(super) fn read(database: &Database, language: Option<Language>, name: &str, text: &str) -> Result<GuestCpu, Error> {
    let language = language.unwrap_or_else(|| Language::of(text));
    convert::read(database, language, text).map_err(|faults| refused(name, text, &faults))
}

/// Faults as one error, each with its line and column.
pub(super) fn refused(name: &str, text: &str, faults: &[Fault]) -> Error {
    let lines = faults.iter().map(|fault| match fault.at {
        Some(at) => {
            let (line, column) = place(text, at);
            format!("{name}:{line}:{column}: {}: {}", fault.what, fault.message)
        }
        None => format!("{name}: {}: {}", fault.what, fault.message),
    });
    Error::Faults(lines.collect::<Vec<_>>().join("\n"))
}

/// Line and column, from 1, of a byte.
pub(super) fn place(text: &str, at: usize) -> (usize, usize) {
    let before = text.as_bytes().get(..at).unwrap_or(text.as_bytes());
    let line = before.iter().filter(|&&byte| byte == b'\n').count().saturating_add(1);
    let start = before
        .iter()
        .rposition(|&byte| byte == b'\n')
        .map_or(0, |end| end.saturating_add(1));
    let column = String::from_utf8_lossy(before.get(start..).unwrap_or_default())
        .chars()
        .count();
    (line, column.saturating_add(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_lines_and_characters_from_1() {
        assert_eq!(place("ab\ncäd", 0), (1, 1));
        assert_eq!(place("ab\ncäd", 6), (2, 3));
        assert_eq!(place("ab", 99), (1, 3));
    }
}
