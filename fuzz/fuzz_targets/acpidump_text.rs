//! Text of `acpidump`, and the tables in it.
#![no_main]

use acpi_dump::{Dmar, Ivrs, Madt, Mcfg, Slit, Srat, Table, split, text};
use libfuzzer_sys::fuzz_target;

fn decode(table: &Table) {
    let _ = Dmar::decode(table);
    let _ = Ivrs::decode(table);
    let _ = Madt::decode(table);
    let _ = Mcfg::decode(table);
    let _ = Slit::decode(table);
    let _ = Srat::decode(table);
}

fuzz_target!(|bytes: &[u8]| {
    for table in &text::parse(bytes).tables {
        table.table().iter().for_each(decode);
    }
    split(bytes).iter().flatten().for_each(decode);
});
