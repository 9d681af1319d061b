//! Release notes as data.
