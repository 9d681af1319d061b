//! Cases of subjects 1 to 7.

use super::{Case, case, put, table, zeros};
use crate::lint::catalogue::tables as checks;

/// A FADT of 276 bytes of a machine with full hardware, and a DSDT somewhere.
pub(super) fn fadt() -> Vec<u8> {
    let mut fadt = table(b"FACP", 6, &zeros(240));
    let fields = [
        (36, "00f0ff7e"),
        (40, "0020ff7e"),
        (46, "0900"),
        (48, "b2000000"),
        (52, "a0a1"),
        // PM1a event, PM1a control, PM timer, GPE0 and their lengths.
        (56, "00180000"),
        (64, "04180000"),
        (76, "08180000"),
        (80, "20180000"),
        (88, "04020004 10"),
        (148, "0120 0002 0018000000000000"),
        (172, "0110 0002 0418000000000000"),
        (208, "0120 0003 0818000000000000"),
        (220, "0180 0001 2018000000000000"),
    ];
    for (at, bytes) in fields {
        fadt = put(&fadt, at, bytes);
    }
    fadt
}

/// The same without registers, as hardware-reduced machines have it.
fn reduced() -> Vec<u8> {
    let fadt = table(b"FACP", 6, &zeros(240));
    put(&put(&fadt, 40, "0020ff7e"), 112, "00001000")
}

fn short(table: &[u8], length: usize) -> Vec<u8> {
    table[..length].to_vec()
}

fn rsdp(fields: &[(usize, &str)]) -> Vec<u8> {
    let mut bytes = b"RSD PTR \0MAKER \x02\0\x10\0\0\x24\0\0\0\0\x20\0\0\0\0\0\0\0\0\0\0".to_vec();
    for (at, text) in fields {
        let new = crate::tables::testing::hex(text);
        bytes[*at..*at + new.len()].copy_from_slice(&new);
    }
    let sum = |bytes: &[u8]| {
        bytes
            .iter()
            .fold(0u8, |sum, byte| sum.wrapping_add(*byte))
            .wrapping_neg()
    };
    bytes[8] = sum(&bytes[..20]);
    bytes[32] = sum(&bytes);
    bytes
}

fn wrong(mut table: Vec<u8>, at: usize) -> Vec<u8> {
    table[at] ^= 0x40;
    table
}

pub(super) fn cases() -> Vec<Case> {
    let plain = table(b"BGRT", 1, "0100 01 00 0000005a00000000 00000000 00000000");
    let mcfg = |base: &str| table(b"MCFG", 1, &format!("{} {base} 0000 00 ff 00000000", zeros(8)));
    let first = mcfg("000000e000000000");
    let ids = put(&first, 16, "4f54484552");
    let watchdog = |low: &str, high: &str| {
        table(
            b"WDAT",
            1,
            &format!("20000000 ff00 ff ff ff 000000 58020000 {high} {low} 81 000000 00000000"),
        )
    };
    let state = |id: &str| {
        let gas = "7f40000360000000 00000000";
        table(
            b"LPIT",
            1,
            &format!(
                "00000000 38000000 {id} 0000 00000000 {gas} 64000000 c8000000 7f40000332060000 00000000 0000000000000000"
            ),
        )
    };
    let domain = "01 16 00000000 03000000 10000000 0000004000000000";
    let msct = |most: &str, count: usize| {
        let list = domain.repeat(count);
        table(b"MSCT", 1, &format!("38000000 {most} 00000000 ffffffff0f000000 {list}"))
    };
    let mut all = vec![
        case(checks::TABLE_CHECKSUM, &[&wrong(plain.clone(), 9)], &[&plain]),
        case(checks::RSDP_CHECKSUM, &[&wrong(rsdp(&[]), 33)], &[&rsdp(&[])]),
        case(checks::TABLE_BROKEN, &[&short(&plain, 20)], &[&plain]),
        case(checks::TABLE_LENGTH, &[&short(&plain, 50)], &[&plain]),
        case(
            checks::RSDT_NULL_ENTRY,
            &[&table(b"XSDT", 1, &zeros(8))],
            &[&table(b"XSDT", 1, "0020ff7e00000000")],
        ),
        case(
            checks::RSDP_ADDRESS,
            &[&rsdp(&[(16, "00000000"), (24, "0000000000000000")])],
            &[&rsdp(&[])],
        ),
        case(checks::RSDP_ADDRESS, &[&rsdp(&[(15, "03")])], &[&rsdp(&[])]),
        // The entry after the first has length zero.
        case(
            checks::STRUCTURE_UNREADABLE,
            &[&table(b"APIC", 5, "0000e0fe 01000000 0008 0100 01000000 0000 0000")],
            &[&table(b"APIC", 5, "0000e0fe 01000000 0008 0100 01000000")],
        ),
        case(
            checks::STRUCTURE_LENGTH,
            &[&table(b"BOOT", 1, "4a 00")],
            &[&table(b"BOOT", 1, "4a 000000")],
        ),
        case(
            checks::STRUCTURE_TRAILING,
            &[&table(b"BOOT", 1, "4a 000000 0000")],
            &[&table(b"BOOT", 1, "4a 000000")],
        ),
        // Equal contents; the maker's name is not contents.
        case(checks::TABLE_TWICE, &[&first, &ids], &[&first]),
        case(
            checks::TABLE_TWICE_DIFFERENT,
            &[&first, &mcfg("000000d000000000")],
            &[&table(b"SSDT", 1, ""), &table(b"SSDT", 1, "a3")],
        ),
        case(checks::LPIT_STATE, &[&state("0100")], &[&state("0000")]),
        case(checks::LPIT_STATE, &[&put(&state("0000"), 73, "20")], &[&state("0000")]),
        case(checks::MSCT_DOMAINS, &[&msct("00000000", 2)], &[&msct("01000000", 2)]),
        case(
            checks::FIELD_ORDER,
            &[&watchdog("00040000", "ff030000")],
            &[&watchdog("04000000", "ff030000")],
        ),
        case(
            checks::FIELD_ORDER,
            &[&table(b"SBST", 1, "e8030000 d0070000 64000000")],
            &[&table(b"SBST", 1, "d0070000 e8030000 64000000")],
        ),
        case(checks::RESERVED_FIELD, &[&put(&first, 40, "01")], &[&first]),
        case(
            checks::RESERVED_BITS,
            &[&table(b"WSMT", 1, "17000000")],
            &[&table(b"WSMT", 1, "07000000")],
        ),
        case(checks::FIELD_VALUE, &[&put(&plain, 36, "02")], &[&plain]),
        case(
            checks::FIELD_VALUE,
            &[&table(b"TCPA", 1, "0000 00000100 0010c0ca00000000")],
            &[&table(b"TCPA", 2, "0000 00000100 0010c0ca00000000")],
        ),
        case(
            checks::ENTRY_TYPE,
            &[&table(b"PHAT", 1, "0200 0800 01 000000")],
            &[&table(b"PHAT", 1, "0000 0c00 01 000000 00000000")],
        ),
    ];
    let longer = [plain.clone(), vec![0; 8]].concat();
    all.push(case(checks::TABLE_TRAILING, &[&longer], &[&plain]));
    all.extend(fixed());
    all
}

fn fixed() -> Vec<Case> {
    let good = fadt();
    let patched = |fields: &[(usize, &str)]| {
        let all = fields.iter();
        all.fold(good.clone(), |table, (at, bytes)| put(&table, *at, bytes))
    };
    let one = |check, fields: &[(usize, &str)]| case(check, &[&patched(fields)], &[&good]);
    vec![
        one(checks::FADT_DSDT_BOTH, &[(140, "0030ff7e00000000")]),
        case(
            checks::FADT_DSDT_BOTH,
            &[&patched(&[(140, "0030ff7e00000000")])],
            &[&patched(&[(140, "0020ff7e00000000")])],
        ),
        one(checks::FADT_FACS_BOTH, &[(132, "0080ff7e00000000")]),
        one(checks::FADT_DSDT_NONE, &[(40, "00000000")]),
        // Addresses that a loader fills in, beside the table itself.
        case(
            checks::FADT_DSDT_NONE,
            &[&patched(&[(40, "00000000")])],
            &[&patched(&[(40, "00000000")]), &table(b"DSDT", 2, "")],
        ),
        one(checks::FADT_FACS_NONE, &[(36, "00000000")]),
        one(checks::FADT_BLOCK_ADDRESS, &[(176, "0818")]),
        one(checks::FADT_BLOCK_WIDTH, &[(149, "10")]),
        one(checks::FADT_BLOCK_LENGTH, &[(89, "01"), (173, "08")]),
        one(checks::FADT_BLOCK_LENGTH, &[(92, "0f"), (221, "78")]),
        one(checks::FADT_BLOCK_NONE, &[(64, "00000000"), (176, "00000000")]),
        one(checks::FADT_SCI_ZERO, &[(46, "0000")]),
        one(checks::FADT_SMI, &[(48, "00000000")]),
        one(checks::FADT_SMI, &[(53, "a0")]),
        case(checks::FADT_REDUCED, &[&put(&reduced(), 56, "00180000")], &[&reduced()]),
        case(checks::FADT_REDUCED, &[&put(&reduced(), 152, "0018")], &[&reduced()]),
        case(checks::FADT_FACS_NONE, &[&patched(&[(36, "00000000")])], &[&reduced()]),
    ]
}
