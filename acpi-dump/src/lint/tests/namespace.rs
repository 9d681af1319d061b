//! Cases of names and predefined objects.

use super::aml::{byte, device, dsdt, dword, join, method, name, package, returns, scope, system_bus, text};
use super::{Case, case, put, table};
use crate::lint::catalogue::{namespace as checks, platform, topology};

fn devices(parts: &[&[u8]]) -> Vec<u8> {
    dsdt(&system_bus(&join(parts)))
}

/// One device with this in it.
fn one(body: &[u8]) -> Vec<u8> {
    devices(&[&device(b"DEV0", body)])
}

fn pair(check: crate::lint::Check, bad: &[u8], good: &[u8]) -> Case {
    case(check, &[bad], &[good])
}

pub(super) fn cases() -> Vec<Case> {
    let hid = |uid: u8| join(&[&name(b"_HID", &text("ABCD0001")), &name(b"_UID", &byte(uid))]);
    let bridge = |second: u8| {
        let inside = join(&[
            &name(b"_HID", &dword(0x080a_d041)),
            &device(b"SLT0", &name(b"_ADR", &dword(0x1_0000))),
            &device(b"SLT1", &name(b"_ADR", &dword(u32::from(second) << 16))),
        ]);
        devices(&[&device(b"PCI0", &inside)])
    };
    let sleep = |elements: usize| dsdt(&name(b"_S5_", &package(&vec![&[0x0a, 5][..]; elements])));
    let route = |elements: usize| one(&name(b"_PRT", &package(&[&package(&vec![&[0x00][..]; elements])])));
    let mut cases = vec![
        // A name may not begin with a digit.
        pair(
            checks::AML_UNREADABLE,
            &dsdt(b"\x10\x09\\_SB_\x081\x00\x00"),
            &dsdt(&system_bus(&name(b"FOO_", &byte(1)))),
        ),
        // A package that reaches behind the end of the table.
        pair(
            checks::AML_UNREADABLE,
            &dsdt(b"\x10\x40\x04\\_SB_\x08FOO_\x00"),
            &dsdt(&system_bus(&name(b"FOO_", &byte(1)))),
        ),
        pair(
            checks::AML_ODD,
            &dsdt(&method(b"MTH0", 0, &[0x01])),
            &dsdt(&method(b"MTH0", 0, &returns(&[0x01]))),
        ),
        pair(
            checks::NAME_TWICE,
            &one(&join(&[&name(b"FOO_", &byte(1)), &name(b"FOO_", &byte(2))])),
            &one(&join(&[&name(b"FOO_", &byte(1)), &name(b"BAR_", &byte(2))])),
        ),
        pair(
            checks::NAME_NO_PARENT,
            &dsdt(&scope(b"\\GONE", &name(b"FOO_", &byte(1)))),
            &dsdt(&system_bus(&name(b"FOO_", &byte(1)))),
        ),
        pair(
            checks::HID_UID_TWICE,
            &devices(&[&device(b"DEV0", &hid(1)), &device(b"DEV1", &hid(1))]),
            &devices(&[&device(b"DEV0", &hid(1)), &device(b"DEV1", &hid(2))]),
        ),
        // Only one of both is there, and which one is decided at run time.
        pair(
            checks::HID_UID_TWICE,
            &devices(&[&device(b"DEV0", &hid(1)), &device(b"DEV1", &hid(1))]),
            &devices(&[
                &device(b"DEV0", &hid(1)),
                &device(b"DEV1", &join(&[&hid(1), &method(b"_STA", 0, &returns(b"FLAG"))])),
            ]),
        ),
        pair(checks::ADR_TWICE, &bridge(1), &bridge(2)),
        pair(
            checks::METHOD_ARGUMENTS,
            &one(&method(b"_DSM", 1, &returns(&[0]))),
            &one(&method(b"_DSM", 4, &returns(&[0]))),
        ),
        pair(
            checks::METHOD_RETURN,
            &one(&name(b"_ADR", &text("here"))),
            &one(&name(b"_ADR", &byte(1))),
        ),
        pair(
            checks::METHOD_RETURN,
            &one(&method(b"_STA", 0, &returns(&text("on")))),
            &one(&method(b"_STA", 0, &returns(&byte(15)))),
        ),
        // The value takes a way through a second method.
        pair(
            checks::METHOD_RETURN,
            &one(&join(&[
                &method(b"_BBN", 0, &returns(b"OTHR")),
                &method(b"OTHR", 0, &returns(&text("7"))),
            ])),
            &one(&join(&[
                &method(b"_BBN", 0, &returns(b"OTHR")),
                &method(b"OTHR", 0, &returns(&byte(7))),
            ])),
        ),
        pair(checks::METHOD_PACKAGE, &sleep(0), &sleep(2)),
        pair(checks::METHOD_PACKAGE, &route(3), &route(4)),
        pair(
            checks::METHOD_PACKAGE,
            &one(&name(
                b"_CST",
                &package(&[&[0x0a, 2], &package(&[&[0], &[0], &[0], &[0]])]),
            )),
            &one(&name(
                b"_CST",
                &package(&[&[0x0a, 1], &package(&[&[0], &[0], &[0], &[0]])]),
            )),
        ),
        pair(
            checks::METHOD_HID,
            &one(&name(b"_HID", &text("*PNP0C09"))),
            &one(&name(b"_HID", &text("PNP0C09"))),
        ),
        pair(
            checks::METHOD_HID,
            &one(&name(b"_HID", &dword(0x8000_0000))),
            &one(&name(b"_HID", &dword(0x090c_d041))),
        ),
        pair(
            checks::METHOD_STA,
            &one(&name(b"_STA", &byte(14))),
            &one(&name(b"_STA", &byte(15))),
        ),
    ];
    cases.extend(paths());
    cases
}

/// What other tables say about objects.
fn paths() -> Vec<Case> {
    let there = one(&name(b"_UID", &byte(1)));
    let gone = dsdt(&system_bus(&device(b"DEV1", &[])));
    let path = "5c5f53425f2e4445563000";
    let dbg2 = table(
        b"DBG2",
        0,
        &format!(
            "2c000000 01000000  00 3100 01 0b00 2600 0000 0000 0080 0000 0000 1600 2200
             00 08 00 01 f803000000000000 08000000 {path}"
        ),
    );
    let ecdt = table(
        b"ECDT",
        1,
        &format!("01 08 00 00 6600000000000000 01 08 00 00 6200000000000000 00000000 17 {path}"),
    );
    let iort = table(
        b"IORT",
        0,
        &format!(
            "01000000 30000000 00000000 01 3000 00 00000000 00000000 00000000 00000000 01000000 00 0000 01 20 {path}"
        ),
    );
    let dmar = table(
        b"DMAR",
        1,
        &format!(
            "2d 00 00000000000000000000 0000 1000 01 00 0000 0010d9fe00000000
             0400 1300 000000 01 {path}"
        ),
    );
    let cpus = table(b"APIC", 5, "0000e0fe 01000000  0008 0100 01000000");
    let processor = |uid: u8| {
        let body = join(&[&name(b"_HID", &text("ACPI0007")), &name(b"_UID", &byte(uid))]);
        devices(&[&device(b"CPU0", &body)])
    };
    vec![
        case(platform::CONSOLE_NAME, &[&gone, &dbg2], &[&there, &dbg2]),
        case(platform::ECDT_ID, &[&gone, &ecdt], &[&there, &ecdt]),
        case(platform::ECDT_ID, &[&there, &put(&ecdt, 65, "2e")], &[&there, &ecdt]),
        case(platform::IORT_NAME, &[&gone, &iort], &[&there, &iort]),
        case(topology::DMAR_NAME, &[&gone, &dmar], &[&there, &dmar]),
        case(
            topology::MADT_UID_NO_OBJECT,
            &[&cpus, &processor(7)],
            &[&cpus, &processor(1)],
        ),
        // Without any processor object nothing is asked of the namespace.
        case(topology::MADT_UID_NO_OBJECT, &[&cpus, &processor(7)], &[&cpus, &there]),
    ]
}
