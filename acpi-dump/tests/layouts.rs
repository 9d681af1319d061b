//! Every layout on bytes that no firmware made: it never panics, its rows stay inside the table,
//! and each byte has a row.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use acpi_dump::layout::{decode, registry};
use acpi_dump::{Signature, Table};

/// Numbers that are the same on every run (xorshift).
struct Numbers(u32);

impl Numbers {
    fn next(&mut self) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0
    }

    /// Mostly small bytes: counts, types and lengths that lead somewhere.
    fn body(&mut self, length: usize, mask: u32) -> Vec<u8> {
        let byte = |number: u32| match number >> 24 & mask {
            0 => (number & 0xff) as u8,
            1 => 0,
            _ => (number & 0x1f) as u8,
        };
        (0..length).map(|_| byte(self.next())).collect()
    }
}

fn table(signature: [u8; 4], revision: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = signature.to_vec();
    bytes.extend(u32::try_from(body.len() + 36).unwrap().to_le_bytes());
    bytes.extend([revision, 0]);
    bytes.extend([b'X'; 26]);
    bytes.extend(body);
    bytes
}

#[test]
fn rows_stay_inside_the_table_and_cover_each_byte() {
    let mut numbers = Numbers(0x2545_f491);
    for layout in registry::all() {
        if matches!(Signature(layout.signature), Signature::RSDP) {
            continue;
        }
        for round in 0..240u8 {
            let length = (numbers.next() % 400) as usize;
            let body = numbers.body(length, [0, 1, 7, 15][usize::from(round % 4)]);
            let bytes = table(layout.signature, round % 6, &body);
            let decoded = decode(&Table::parse(&bytes).unwrap());
            let mut covered = vec![false; bytes.len()];
            for row in decoded.value.walk() {
                let range = row.offset..row.offset + row.length;
                assert!(range.end <= bytes.len(), "{} {row:?}", layout.name);
                covered[range].fill(true);
            }
            let stopped = decoded.findings.iter().any(|finding| finding.seen.contains("overlap"));
            let first = covered.iter().position(|covered| !covered);
            assert!(stopped || first.is_none(), "{} {first:?} of {bytes:02x?}", layout.name);
        }
    }
}
