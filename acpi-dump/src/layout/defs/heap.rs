//! Texts and structures in a heap: a pair of fields `X offset` and `X length` points to each.

use crate::header::printable;
use crate::layout::{Cursor, Section};

/// Pairs of this section: name, offset, length; empty ones are left out.
fn pairs(section: &Section) -> impl Iterator<Item = (&str, usize, usize)> {
    section.rows.iter().filter_map(|row| {
        let name = row.name.strip_suffix(" offset")?;
        let offset = usize::try_from(row.value.number()?).ok()?;
        let length = usize::try_from(section.number(&format!("{name} length"))?).ok()?;
        (length > 0 && offset > 0).then_some((name, offset, length))
    })
}

/// Put the texts that this section points to beside their offsets.
pub(super) fn words(cursor: &mut Cursor<'_>, not_text: &[&str]) {
    let found: Vec<(String, String)> = pairs(&cursor.section)
        .filter(|(name, ..)| !not_text.contains(name))
        .filter_map(|(name, offset, length)| {
            let bytes = cursor.table.bytes.get(offset..offset.checked_add(length)?)?;
            let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(length);
            Some((format!("{name} offset"), printable(bytes.get(..end)?)))
        })
        .collect();
    for (name, text) in found {
        let row = cursor.section.rows.iter_mut().find(|row| row.name == name);
        if let Some(row) = row.filter(|_| !text.is_empty()) {
            row.words = Some(text);
        }
    }
}

/// The bytes that the row `name offset` of this section points to.
pub(super) fn bytes<'a>(cursor: &Cursor<'a>, name: &str) -> Option<&'a [u8]> {
    let (_, offset, length) = pairs(&cursor.section).find(|(found, ..)| *found == name)?;
    cursor.table.bytes.get(offset..offset.checked_add(length)?)
}

/// What all sections read so far point to.
pub(super) fn objects(cursor: &Cursor<'_>) -> Vec<(String, usize, usize)> {
    let sections = cursor.section.all();
    sections
        .flat_map(|section| pairs(section).map(|(name, offset, length)| (name.to_owned(), offset, length)))
        .collect()
}
