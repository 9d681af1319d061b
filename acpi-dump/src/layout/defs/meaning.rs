//! Words beside a field whose value is shown as it stands: GUIDs, ids in hexadecimal, signed numbers.

use crate::layout::Cursor;
use crate::layout::section::Value;
use crate::layout::spec::Names;

/// Put the meaning of the GUID in the row `field` of this section beside it.
pub(super) fn name_guid(cursor: &mut Cursor<'_>, field: &str, names: &[(&str, &str)]) {
    for row in cursor.section.rows.iter_mut().filter(|row| row.name == field) {
        if let Value::Guid(guid) = &row.value {
            let name = names.iter().find(|(known, _)| known == guid);
            row.words = name.map(|(_, name)| (*name).to_owned());
        }
    }
}

/// Put the meaning of the number in the row `field` of this section beside it.
pub(super) fn name_number(cursor: &mut Cursor<'_>, field: &str, names: Names) {
    for row in cursor.section.rows.iter_mut().filter(|row| row.name == field) {
        let name = names.iter().find(|(known, _)| Some(*known) == row.value.number());
        row.words = name.map(|(_, name)| (*name).to_owned());
    }
}

/// Put what two bytes say as a signed number beside the rows `fields` that are negative.
pub(super) fn signed(cursor: &mut Cursor<'_>, fields: &[&str]) {
    for row in cursor
        .section
        .rows
        .iter_mut()
        .filter(|row| fields.contains(&row.name.as_str()))
    {
        let number = row.value.number().and_then(|number| u16::try_from(number).ok());
        let number = number.map(u16::cast_signed).filter(|number| *number < 0);
        row.words = number.map(|number| number.to_string());
    }
}
