//! Layouts of tables, by area. A new table is one constant in the list of its area.

pub(crate) mod topology;
