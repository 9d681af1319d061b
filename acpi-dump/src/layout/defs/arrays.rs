//! Arrays and lists whose count and offset stand in fields, for the layouts that need code.

use crate::layout::Cursor;
use crate::layout::spec::{Entries, Field};

/// As many of `field` as the row `count` says.
pub(super) fn counted(cursor: &mut Cursor<'_>, count: &str, field: Field) {
    let count = cursor.size(count).unwrap_or(0);
    cursor.array(&field, count);
}

/// `count` structures of the same fields inside this structure, the first at an offset of the
/// table; each is a section.
pub(super) fn items(cursor: &mut Cursor<'_>, title: &str, offset: usize, count: usize, fields: &[Field]) {
    let length = fields
        .iter()
        .fold(0, |sum: usize, field| sum.saturating_add(field.kind.length()));
    let mut at = offset;
    for index in 0..count {
        let end = at.saturating_add(length);
        if end > cursor.end {
            let seen = format!(
                "number {index} would end at {end:#x}, the structure ends at {:#x}",
                cursor.end
            );
            return cursor.finding(cursor.section.offset, format!("{count} of {title}"), seen);
        }
        let read = cursor.jump(title, at, length, |cursor| {
            cursor.fields(fields);
        });
        if !read {
            return;
        }
        at = end;
    }
}

/// Up to seven zero bytes that round a structure up.
pub(super) fn round_up(cursor: &mut Cursor<'_>) {
    let covered = cursor
        .section
        .sections
        .iter()
        .map(|section| section.offset.saturating_add(section.length));
    let behind = covered.max().unwrap_or(0).max(cursor.at);
    let rest = cursor.table.bytes.get(behind..cursor.end).unwrap_or_default();
    if rest.len() < 8 && rest.iter().all(|byte| *byte == 0) {
        cursor.seek(behind);
        up_to(cursor, cursor.end);
    }
}

/// `count` structures of the same fields from here on; each is a section.
pub(super) fn items_here(cursor: &mut Cursor<'_>, title: &str, count: usize, fields: &[Field]) {
    let length = fields
        .iter()
        .fold(0, |sum: usize, field| sum.saturating_add(field.kind.length()));
    for index in 0..count {
        if cursor.left() == 0 {
            let (expected, seen) = (format!("{count} of {title}"), format!("room for {index}"));
            return cursor.finding(cursor.at, expected, seen);
        }
        cursor.nested(title, cursor.at.saturating_add(length), |cursor| {
            cursor.fields(fields);
        });
    }
}

/// `count` entries, the first at an offset of the table.
pub(super) fn entries_at(cursor: &mut Cursor<'_>, offset: usize, count: usize, entries: &Entries) {
    up_to(cursor, offset);
    for index in 0..count {
        if cursor.left() == 0 {
            let (expected, seen) = (format!("{count} of {}", entries.noun), format!("{index} of them"));
            return cursor.finding(cursor.at, expected, seen);
        }
        if !cursor.entry(entries) {
            return;
        }
    }
}

/// Keep the bytes between here and an offset of the table, where there are any.
pub(super) fn up_to(cursor: &mut Cursor<'_>, offset: usize) {
    let gap = offset.saturating_sub(cursor.at);
    if gap > 0 && cursor.left() > 0 {
        cursor.raw("Padding", gap);
    }
}

/// Read fields, none of them behind an offset of the table.
pub(super) fn fields_before(cursor: &mut Cursor<'_>, limit: usize, fields: &[Field]) {
    let end = cursor.end;
    cursor.end = limit.clamp(cursor.at, end);
    cursor.fields(fields);
    cursor.end = end;
}

/// Keep what lies between the sections of a structure that points to them: zero bytes are
/// padding, others are a finding too.
pub(super) fn gaps(cursor: &mut Cursor<'_>) {
    let sections = cursor.section.sections.iter();
    let mut ranges: Vec<(usize, usize)> = sections
        .map(|section| (section.offset, section.offset.saturating_add(section.length)))
        .collect();
    ranges.push((cursor.end, cursor.end));
    ranges.sort_unstable();
    let mut behind = cursor.at;
    for (start, end) in ranges {
        if start > behind {
            cursor.seek(behind);
            let length = start.saturating_sub(behind);
            let bytes = cursor.bytes().get(..length).unwrap_or_default();
            if bytes.iter().any(|byte| *byte != 0) {
                let expected = "structures that a pointer leads to";
                cursor.finding(behind, expected, format!("{length} bytes more"));
                cursor.raw("Further bytes", length);
            } else {
                cursor.raw("Padding", length);
            }
        }
        behind = behind.max(end);
    }
    cursor.seek(cursor.end);
}
