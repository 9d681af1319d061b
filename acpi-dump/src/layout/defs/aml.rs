//! Definition blocks: header only, what follows it is AML.

use crate::layout::spec::{Rest, TableLayout};

pub(crate) const TABLES: &[TableLayout] = &[
    block(
        *b"DSDT",
        "Differentiated System Description Table",
        "ACPI 6.5, 5.2.11.1",
    ),
    block(*b"SSDT", "Secondary System Description Table", "ACPI 6.5, 5.2.11.2"),
    block(*b"PSDT", "Persistent System Description Table", "ACPI 6.5, 5.2.11.3"),
    block(*b"OSDT", "Override System Description Table", "ACPICA"),
];

const fn block(signature: [u8; 4], name: &'static str, source: &'static str) -> TableLayout {
    TableLayout::new(signature, name, source, &[]).rest(Rest::Bytes("AML"))
}
