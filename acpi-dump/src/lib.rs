//! ACPI tables: headers, checksums, decoded contents.
