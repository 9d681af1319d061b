//! Which form a text has: by what stands in it, never by a name.

use crate::dat::{Form, forms};
use crate::intel::HEADER;

/// How much of a text is looked at to tell its form: licences come first in some.
const LOOK: usize = 64 << 10;

/// The form of a text that begins, comments apart, with the header of an update; `None` for anything
/// else.
#[must_use]
pub fn detect(text: &[u8]) -> Option<Form> {
    let start = text.get(..LOOK).unwrap_or(text);
    let is_text = |byte: &u8| !matches!(byte, 0..=8 | 14..=31 | 127);
    if start.is_empty() || !start.iter().all(is_text) {
        return None;
    }
    [Form::Dtsi, Form::CArray, Form::Inc, Form::Dat]
        .into_iter()
        .find(|form| begins_with_header(*form, start))
}

fn begins_with_header(form: Form, start: &[u8]) -> bool {
    let sign = match form {
        Form::Dtsi => find(start, b"intel,microcode"),
        Form::CArray => find(start, b"{"),
        Form::Inc => find(start, b"dd") || find(start, b"DD"),
        Form::Dat => find(start, b"0x"),
    };
    let words = || forms::collect(form, start, HEADER);
    sign && words()
        .bytes
        .get(..HEADER)
        .is_some_and(crate::intel::resembles_any_size)
}

fn find(text: &[u8], sign: &[u8]) -> bool {
    text.windows(sign.len()).any(|window| window == sign)
}
