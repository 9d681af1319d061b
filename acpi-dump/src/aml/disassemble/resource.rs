//! Buffers of resource descriptors as `ResourceTemplate`: ACPI 6.5, sections 6.4 and 19.6.

/// The lines of a template, or `None` when the bytes are no template or not exactly what the
/// words compile to.
pub(super) fn template(bytes: &[u8]) -> Option<Vec<String>> {
    let _ = bytes;
    None
}

/// As [`template`], for the one descriptor of a connection.
pub(super) fn single(bytes: &[u8]) -> Option<String> {
    let _ = bytes;
    None
}
