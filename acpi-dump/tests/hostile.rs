//! Damaged input never panics, never hangs and never makes more out of the bytes than they hold.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use acpi_dump::layout::{self, PrintOptions, registry};
use acpi_dump::{Dmar, Ivrs, Madt, Mcfg, Slit, Srat, Table, split, text, words};
use proptest::prelude::*;

const NAMES: [&[u8; 4]; 8] = [b"APIC", b"SRAT", b"SLIT", b"MCFG", b"DMAR", b"IVRS", b"FACS", b"RSD "];

fn decode_all(bytes: &[u8]) -> usize {
    let mut entries = 0;
    for table in split(bytes).into_iter().flatten() {
        entries += Madt::decode(&table).map_or(0, |madt| madt.value.cpus.len());
        entries += Srat::decode(&table).map_or(0, |srat| srat.value.memory.len());
        entries += Slit::decode(&table).map_or(0, |slit| slit.value.rows.len());
        entries += Mcfg::decode(&table).map_or(0, |mcfg| mcfg.value.windows.len());
        entries += Dmar::decode(&table).map_or(0, |dmar| dmar.value.units.len());
        entries += Ivrs::decode(&table).map_or(0, |ivrs| ivrs.value.blocks.len());
        let _ = words::says(&table);
    }
    entries
}

/// A table of this layout: the header where it has one, then `body`.
fn table_of(layout: usize, revision: u8, body: &[u8]) -> Vec<u8> {
    let layout = registry::all().nth(layout).unwrap();
    let mut bytes = layout.signature.to_vec();
    bytes.extend(u32::try_from(body.len() + 36).unwrap().to_le_bytes());
    bytes.extend([revision, 0]);
    bytes.extend([b'X'; 26]);
    bytes.extend(body);
    bytes
}

/// Decode and print; rows and sections are paid for by bytes.
fn show(table: &Table) -> Result<(), TestCaseError> {
    let decoded = layout::decode(table);
    let count = decoded.value.walk().count() + decoded.value.all().count();
    let limit = table.bytes.len() * 3 + 80;
    prop_assert!(count <= limit, "{count} of {limit}");
    prop_assert!(decoded.findings.len() <= table.bytes.len() + 1);
    for row in decoded.value.walk() {
        prop_assert!(row.offset + row.length <= table.bytes.len(), "{row:?}");
    }
    for (offsets, hex) in [(false, None), (true, Some(table.bytes.as_slice()))] {
        let options = PrintOptions {
            offsets,
            hex,
            width: 80,
        };
        prop_assert!(layout::print(&decoded.value, &options).lines().count() <= limit * 4);
    }
    prop_assert!(serde_json::to_vec(&decoded).is_ok());
    Ok(())
}

#[test]
fn long_tables_of_one_byte_are_read_in_a_time_that_grows_with_their_length() {
    for layout in 0..registry::all().count() {
        for byte in [0, 1, 2, 4, 8, 16, 0x20, 0xff] {
            let bytes = table_of(layout, byte, &vec![byte; 4_000]);
            if let Ok(table) = Table::parse(&bytes) {
                show(&table).unwrap();
            }
        }
    }
}

proptest! {
    #[test]
    fn any_layout_survives_any_bytes_cut_anywhere(
        layout in 0usize..registry::all().count(),
        revision in 0u8..7,
        body in proptest::collection::vec(prop_oneof![3 => 0u8..40, 2 => Just(0u8), 1 => any::<u8>()], 0..300),
        cut in 0usize..400,
        gap in (0usize..300, 0usize..20),
    ) {
        let bytes = table_of(layout, revision, &body);
        let cut = bytes.get(..cut).unwrap_or(&bytes);
        for bytes in [cut, &bytes] {
            let gap = (gap.0 + 36).min(bytes.len())..(gap.0 + gap.1 + 36).min(bytes.len());
            for missing in [Vec::new(), vec![gap]] {
                if let Ok(table) = Table::with_missing(bytes, missing) {
                    show(&table)?;
                }
            }
        }
        if let Some(decoded) = layout::cdat(&bytes) {
            prop_assert!(decoded.value.walk().count() <= bytes.len() * 2 + 64);
        }
    }

    #[test]
    fn random_bodies_give_no_more_entries_than_bytes(
        name in 0usize..NAMES.len(),
        length in prop_oneof![Just(None), any::<u32>().prop_map(Some)],
        body in proptest::collection::vec(any::<u8>(), 0..400),
    ) {
        let mut bytes = NAMES[name].to_vec();
        bytes.extend(length.unwrap_or(u32::try_from(body.len() + 8).unwrap()).to_le_bytes());
        bytes.extend(&body);
        prop_assert!(decode_all(&bytes) <= bytes.len());
    }

    #[test]
    fn entries_of_any_type_and_length_are_survived(
        name in 0usize..6,
        entries in proptest::collection::vec((0u8..0x45, 0u8..60, any::<u8>()), 0..30),
    ) {
        let mut bytes = NAMES[name].to_vec();
        bytes.extend(2000u32.to_le_bytes());
        bytes.resize(if name == 0 { 44 } else { 48 }, 2);
        for (kind, length, fill) in entries {
            let entry = match name {
                4 => vec![kind % 8, 0, length, 0],
                5 => vec![kind, 0, length, 0],
                _ => vec![kind % 16, length],
            };
            let start = bytes.len();
            bytes.extend(entry);
            bytes.resize(start + usize::from(length).max(4), fill);
        }
        prop_assert!(decode_all(&bytes) <= bytes.len());
    }

    #[test]
    fn dump_text_never_becomes_longer_bytes_than_the_text(
        lines in proptest::collection::vec(
            prop_oneof![
                Just("APIC @ 0x0000000000000000".to_owned()),
                "    [0-9A-F]{4}: ([0-9A-F]{2} ){0,16} .{0,16}",
                " {0,8}[0-9a-fA-F]{1,17}: .{0,60}",
                ".{0,40}",
            ],
            0..60,
        ),
    ) {
        let text = lines.join("\n");
        let dump = text::parse(text.as_bytes());
        let bytes: usize = dump.tables.iter().map(|table| table.bytes.len()).sum();
        prop_assert!(bytes <= text.len() * 2);
        for table in &dump.tables {
            if let Ok(table) = table.table() {
                decode_all(&table.bytes);
                let _ = words::says(&table);
            }
        }
    }
}
