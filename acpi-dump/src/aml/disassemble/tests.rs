//! Small tables, written and compared with the text expected.
