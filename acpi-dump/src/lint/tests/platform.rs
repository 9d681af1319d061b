//! Cases of subjects 20, 21, 24 to 27 and 30.

use super::{Case, case, put, table, zeros};
use crate::lint::catalogue::platform as checks;

pub(super) fn cases() -> Vec<Case> {
    let mut all = iort();
    all.extend(pptt());
    all.extend(channels());
    all.extend(cxl());
    all.extend(dimms());
    all.extend(consoles());
    all.extend(security());
    all
}

fn iort() -> Vec<Case> {
    // An ITS group at 0x30, then a root complex with one mapping to it.
    let table = |its: &str, root: &str, mapping: &str| {
        table(
            b"IORT",
            0,
            &format!("02000000 30000000 00000000 {its} {root} {mapping}"),
        )
    };
    let its = "00 1800 00 00000000 00000000 00000000 01000000 00000000";
    let root = "02 3800 00 01000000 01000000 24000000 01000000 00 0000 01 00000000 00000000 40 000000";
    let mapping = "00000000 ffff0000 00000000 30000000 00000000";
    let good = table(its, root, mapping);
    let smmu = |model: &str| {
        let head = "04 5800 02 02000000 00000000 00000000";
        let rest = format!("0000002b00000000 00000000 00000000 {} {model} {}", zeros(8), zeros(24));
        super::table(
            b"IORT",
            0,
            &format!("01000000 30000000 00000000 {head} {rest} {}", zeros(12)),
        )
    };
    vec![
        case(checks::IORT_REVISION, &[&put(&good, 0x33, "09")], &[&good]),
        case(checks::IORT_NO_MAPPINGS, &[&put(&good, 0x38, "01")], &[&good]),
        case(checks::IORT_OUTSIDE, &[&put(&good, 0x40, "05")], &[&good]),
        case(checks::IORT_OUTSIDE, &[&put(&good, 0x50, "02")], &[&good]),
        case(checks::IORT_REFERENCE, &[&put(&good, 0x78, "34")], &[&good]),
        // A root complex is no end of a mapping.
        case(checks::IORT_REFERENCE, &[&put(&good, 0x78, "48")], &[&good]),
        case(checks::IORT_COHERENCY, &[&put(&good, 0x58, "02")], &[&good]),
        case(
            checks::IORT_COHERENCY,
            &[&put(&good, 0x58, "00000000 00 0000 03")],
            &[&good],
        ),
        case(checks::IORT_MODEL, &[&smmu("09000000")], &[&smmu("00000000")]),
    ]
}

fn pptt() -> Vec<Case> {
    // A package at 0x24, a cache at 0x38, a core at 0x54 with that cache.
    let package = "00 14 0000 01000000 00000000 00000000 00000000";
    let cache = "01 1c 0000 7f000000 00000000 00001000 00040000 10 0a 4000 00000000";
    let core = "00 18 0000 0a000000 24000000 01000000 01000000 38000000";
    let good = table(b"PPTT", 3, &format!("{package} {cache} {core}"));
    let cpus = |uid: &str| table(b"APIC", 5, &format!("0000e0fe 01000000 0008 {uid}00 01000000"));
    vec![
        case(checks::PPTT_REFERENCE, &[&put(&good, 0x5c, "28")], &[&good]),
        case(checks::PPTT_REFERENCE, &[&put(&good, 0x68, "24")], &[&good]),
        case(checks::PPTT_CYCLE, &[&put(&good, 0x2c, "54")], &[&good]),
        case(checks::PPTT_LENGTH, &[&put(&good, 0x64, "02")], &[&good]),
        case(checks::PPTT_UID, &[&good, &cpus("07")], &[&good, &cpus("01")]),
    ]
}

fn channels() -> Vec<Case> {
    let doorbell = |space: &str| format!("{space} 08 00 01 b200000000000000");
    let plain = |space: &str, length: &str| {
        let body = format!(
            "00000000 {} 00 3e {} 0000f07e00000000 {length} {} {} 0100000000000000 e8030000 00000000 0000",
            zeros(8),
            zeros(6),
            doorbell(space),
            zeros(8)
        );
        table(b"PCCT", 2, &body)
    };
    let good = plain("01", "0001000000000000");
    let responder = |flags: &str| {
        let body = format!(
            "{flags} {} 04 a4 20000000 00 00 0000f07e00000000 00010000 {} {} 0100000000000000 e8030000 00000000 00000000 {}",
            zeros(8),
            doorbell("01"),
            zeros(8),
            zeros(100)
        );
        table(b"PCCT", 2, &body)
    };
    vec![
        case(checks::PCCT_REGISTER, &[&plain("02", "0001000000000000")], &[&good]),
        case(checks::PCCT_MEMORY, &[&plain("01", "0800000000000000")], &[&good]),
        case(
            checks::PCCT_INTERRUPT,
            &[&responder("00000000")],
            &[&responder("01000000")],
        ),
    ]
}

fn cxl() -> Vec<Case> {
    let bridge =
        |version: &str, length: &str| format!("00 00 2000 07000000 {version} 00000000 0000a0fe00000000 {length}");
    let window = |base: &str, size: &str, ways: &str, granularity: &str, target: &str| {
        format!("01 00 2800 00000000 {base} {size} {ways} 00 0000 {granularity} 0600 0100 {target}")
    };
    let cedt = |entries: &str| table(b"CEDT", 1, entries);
    let (base, size) = ("0000009004000000", "0000001000000000");
    let good_bridge = bridge("01000000", "0000010000000000");
    let good_window = window(base, size, "00", "05000000", "07000000");
    let good = cedt(&format!("{good_bridge} {good_window}"));
    let with = |window: String| cedt(&format!("{good_bridge} {window}"));
    let association = |protocol: &str| cedt(&format!("03 00 1400 0000 0801 {protocol} 000000 0000a0fe00000000"));
    vec![
        case(
            checks::CEDT_BRIDGE_LENGTH,
            &[&cedt(&bridge("01000000", "0020000000000000"))],
            &[&good],
        ),
        case(
            checks::CEDT_VERSION,
            &[&cedt(&bridge("02000000", "0000010000000000"))],
            &[&good],
        ),
        case(
            checks::CEDT_WINDOW,
            &[&with(window(base, size, "01", "05000000", "07000000"))],
            &[&good],
        ),
        case(
            checks::CEDT_WINDOW,
            &[&with(window(base, "0000000800000000", "00", "05000000", "07000000"))],
            &[&good],
        ),
        case(
            checks::CEDT_WINDOW,
            &[&with(window("0010009004000000", size, "00", "05000000", "07000000"))],
            &[&good],
        ),
        case(
            checks::CEDT_WINDOW,
            &[&with(window(base, size, "00", "07000000", "07000000"))],
            &[&good],
        ),
        case(
            checks::CEDT_WINDOW,
            &[&with(format!("{good_window} {good_window}"))],
            &[&good],
        ),
        case(
            checks::CEDT_TARGET,
            &[&with(window(base, size, "00", "05000000", "08000000"))],
            &[&good],
        ),
        case(checks::CEDT_PROTOCOL, &[&association("02")], &[&association("01")]),
    ]
}

fn dimms() -> Vec<Case> {
    let persistent = "79d3f066f3b47440ac430d3318b78cdb";
    let range = |index: &str, guid: &str, length: &str| {
        format!("0000 3800 {index} 0000 00000000 00000000 {guid} 0000000001000000 {length} 0880000000000000")
    };
    let mapping = |range: &str, control: &str| {
        format!(
            "0100 3000 01000000 0000 0000 {range} {control} 0000000001000000 {} {} 0000 0100 0000 0000",
            zeros(8),
            zeros(8)
        )
    };
    let control = "0400 2000 0100 8680 0000 0000 0000 0000 0000 00 00 0000 0000 01000000 0103 0000";
    let whole = "0000004000000000";
    let nfit = |range: &str, mapping: &str| table(b"NFIT", 1, &format!("00000000 {range} {mapping} {control}"));
    let good = nfit(&range("0100", persistent, whole), &mapping("0100", "0100"));
    vec![
        case(
            checks::NFIT_INDEX,
            &[&nfit(&range("0100", persistent, whole), &mapping("0200", "0100"))],
            &[&good],
        ),
        case(
            checks::NFIT_INDEX,
            &[&nfit(&range("0100", persistent, whole), &mapping("0100", "0000"))],
            &[&good],
        ),
        case(
            checks::NFIT_GUID,
            &[&nfit(
                &range("0100", "000102030405060708090a0b0c0d0e0f", whole),
                &mapping("0100", "0100"),
            )],
            &[&good],
        ),
        case(
            checks::NFIT_RANGE,
            &[&nfit(&range("0100", persistent, &zeros(8)), &mapping("0100", "0100"))],
            &[&good],
        ),
    ]
}

fn consoles() -> Vec<Case> {
    let spcr = table(
        b"SPCR",
        2,
        &format!(
            "00 000000 01 08 00 01 f803000000000000 01 04 00000000 07 00 01 00 00 00 ffff ffff 00 00 00 00000000 00 {}",
            zeros(4)
        ),
    );
    let dbg2 = table(
        b"DBG2",
        0,
        "2c000000 01000000 00 2800 01 0200 2600 0000 0000 0080 0000 0000 1600 2200
         01 08 00 01 f803000000000000 08000000 2e00",
    );
    let dbgp = table(b"DBGP", 1, "00 000000 01 08 00 01 f803000000000000");
    vec![
        case(checks::CONSOLE_VALUE, &[&put(&spcr, 58, "05")], &[&spcr]),
        case(checks::CONSOLE_VALUE, &[&put(&spcr, 53, "08")], &[&spcr]),
        case(
            checks::CONSOLE_VALUE,
            &[&put(&dbg2, 58, "1700")],
            &[&put(&dbg2, 58, "0300")],
        ),
        case(checks::CONSOLE_VALUE, &[&put(&dbg2, 44, "01")], &[&dbg2]),
        case(
            checks::CONSOLE_PCI,
            &[&put(&spcr, 64, "8680")],
            &[&put(&spcr, 64, "8680 8680")],
        ),
        case(checks::CONSOLE_REGISTER, &[&put(&spcr, 41, "00")], &[&spcr]),
        case(checks::CONSOLE_REGISTER, &[&put(&dbg2, 67, "00")], &[&dbg2]),
        case(checks::CONSOLE_REGISTER, &[&put(&dbgp, 41, "00")], &[&dbgp]),
    ]
}

fn security() -> Vec<Case> {
    let wsmt = |flags: &str| table(b"WSMT", 1, flags);
    let wpbt = table(b"WPBT", 1, "00100000 0000f07e00000000 01 01 0000");
    let tpm = |class: &str, address: &str, method: &str| table(b"TPM2", 4, &format!("{class} 0000 {address} {method}"));
    let good = tpm("0000", "4000d4fe00000000", "07000000");
    let ecdt = |register: &str, id: &str| {
        table(
            b"ECDT",
            1,
            &format!("{register} 01 08 00 00 6200000000000000 00000000 17 {id} 00"),
        )
    };
    let (port, path) = ("01 08 00 00 6600000000000000", "5c5f53425f");
    let asks = |text: &str| {
        let call = [b"\xa0\x0d_OSI\x0d", text.as_bytes(), b"\0\xa3"].concat();
        super::aml::dsdt(&super::aml::method(b"INIT", 0, &call))
    };
    vec![
        case(checks::WSMT_NONE, &[&wsmt("00000000")], &[&wsmt("07000000")]),
        case(checks::WSMT_FLAGS, &[&wsmt("02000000")], &[&wsmt("03000000")]),
        case(checks::WPBT_PRESENT, &[&wpbt], &[&wsmt("07000000")]),
        case(checks::WPBT_VALUE, &[&put(&wpbt, 48, "33")], &[&wpbt]),
        case(
            checks::TPM_START_METHOD,
            &[&tpm("0000", "4000d4fe00000000", "09000000")],
            &[&good],
        ),
        case(
            checks::TPM_CLASS,
            &[&tpm("0500", "4000d4fe00000000", "07000000")],
            &[&good],
        ),
        case(checks::TPM_ADDRESS, &[&tpm("0000", &zeros(8), "07000000")], &[&good]),
        // The registers at a fixed address need none.
        case(
            checks::TPM_ADDRESS,
            &[&tpm("0000", &zeros(8), "07000000")],
            &[&tpm("0000", &zeros(8), "06000000")],
        ),
        case(checks::ECDT_ID, &[&ecdt(port, "454330")], &[&ecdt(port, path)]),
        case(
            checks::ECDT_REGISTER,
            &[&ecdt("01 08 00 00 0000000000000000", path)],
            &[&ecdt(port, path)],
        ),
        case(checks::OSI_LINUX, &[&asks("Linux")], &[&asks("Lunix")]),
    ]
}
