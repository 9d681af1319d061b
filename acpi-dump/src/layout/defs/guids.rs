//! GUIDs whose meaning is public, put in words beside the field.

use crate::layout::Cursor;
use crate::layout::section::Value;

/// Put the meaning of the GUID in the row `field` of this section beside it.
pub(super) fn name_guid(cursor: &mut Cursor<'_>, field: &str, names: &[(&str, &str)]) {
    for row in cursor.section.rows.iter_mut().filter(|row| row.name == field) {
        if let Value::Guid(guid) = &row.value {
            let name = names.iter().find(|(known, _)| known == guid);
            row.words = name.map(|(_, name)| (*name).to_owned());
        }
    }
}
