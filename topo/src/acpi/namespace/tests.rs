//! Tests: host bridges and slots from small definition blocks made here.

use super::*;

/// A DSDT with this byte code.
fn table(code: &[u8]) -> Vec<u8> {
    let mut bytes = b"DSDT".to_vec();
    bytes.extend(u32::try_from(36 + code.len()).unwrap().to_le_bytes());
    bytes.extend([2, 0]);
    bytes.resize(36, 0);
    bytes.extend(code);
    bytes
}

/// A term with a PkgLength of two bytes.
fn package(head: &[u8], body: &[u8]) -> Vec<u8> {
    let length = body.len() + 2;
    let low = u8::try_from(length & 0xf).unwrap() | 0x40;
    [head, &[low, u8::try_from(length >> 4).unwrap()], body].concat()
}

fn device(name: &[u8], body: &[u8]) -> Vec<u8> {
    package(&[0x5b, 0x82], &[name, body].concat())
}

fn name(of: &[u8; 4], value: u32) -> Vec<u8> {
    [&[0x08], of.as_slice(), &[0x0c], &value.to_le_bytes()].concat()
}

/// `Method (name) { Return (value) }` with the code of the value.
fn method(of: &[u8; 4], value: &[u8]) -> Vec<u8> {
    package(&[0x14], &[of.as_slice(), &[0x00, 0xa4], value].concat())
}

/// EisaId ("PNP0A08").
const EXPRESS: u32 = 0x080a_d041;

fn in_sb(body: &[u8]) -> Vec<u8> {
    table(&package(&[0x10], &[b"_SB_".as_slice(), body].concat()))
}

#[test]
fn a_bridge_has_its_constants_and_what_is_computed_is_dynamic() {
    // OperationRegion (REGN, SystemMemory, 0, 1); Field (REGN, ByteAcc) { FLD0, 8 }
    let region = [
        b"\x5b\x80REGN\x00\x00\x01".to_vec(),
        b"\x5b\x81\x0bREGN\x01FLD0\x08".to_vec(),
    ]
    .concat();
    let body = [
        name(b"_HID", EXPRESS),
        name(b"_SEG", 1),
        method(b"_PXM", &[0x0a, 3]),
        method(b"_BBN", b"FLD0"),
    ]
    .concat();
    let facts = facts(&[&in_sb(&[region, device(b"PC01", &body)].concat())]);
    let bridge = &facts.bridges[0];
    assert_eq!((bridge.path.as_str(), bridge.hid.as_str()), ("\\_SB.PC01", "PNP0A08"));
    assert_eq!(bridge.segment, Value::Known(1));
    assert_eq!(bridge.domain, Value::Known(3));
    assert!(matches!(bridge.bus, Value::Dynamic(_)));
    assert_eq!(
        (bridge.uid.clone(), bridge.status.clone()),
        (Value::Absent, Value::Absent)
    );
    assert!(!bridge.conditional);
}

#[test]
fn slots_know_the_way_from_their_bridge() {
    let inner = device(b"H000", &[name(b"_ADR", 0), name(b"_SUN", 12)].concat());
    let port = device(b"RP01", &[name(b"_ADR", 0x001c_0004), inner].concat());
    let whole = device(b"S08_", &[name(b"_ADR", 0x0008_ffff), name(b"_SUN", 8)].concat());
    let bridge = device(b"PCI0", &[name(b"_HID", EXPRESS), port, whole].concat());
    let lost = device(b"LOST", &[name(b"_ADR", 0), name(b"_SUN", 9)].concat());
    let facts = facts(&[&in_sb(&[bridge, lost].concat())]);
    let slots: Vec<_> = facts
        .slots
        .iter()
        .map(|slot| (slot.number, slot.steps.clone()))
        .collect();
    assert_eq!(slots, [(12, vec![(0x1c, 4), (0, 0)]), (8, vec![(8, 0)])]);
    assert_eq!(facts.slots[0].path, "\\_SB.PCI0.RP01.H000");
    assert_eq!(facts.bridges[0].functions, 3);
}

#[test]
fn what_stands_in_an_if_is_conditional() {
    let bridge = device(b"PCI1", &name(b"_HID", EXPRESS));
    // If (COND) with a name that no table declares
    let code = package(&[0xa0], &[b"COND".as_slice(), &bridge].concat());
    let facts = facts(&[&in_sb(&code)]);
    assert_eq!(facts.bridges.len(), 1);
    assert!(facts.bridges[0].conditional);
}

#[test]
fn a_constant_bus_range_gives_first_and_last_bus() {
    // WordBusNumber 0x40 to 0x7f, end tag
    let mut template = vec![0x88, 13, 0, 2, 0x0c, 0, 0, 0, 0x40, 0, 0x7f, 0, 0, 0, 0x40, 0];
    template.extend([0x79, 0]);
    let size = u8::try_from(template.len()).unwrap();
    let buffer = package(&[0x11], &[[0x0a, size].as_slice(), &template].concat());
    let resources = [b"\x08_CRS".as_slice(), &buffer].concat();
    let facts = facts(&[&in_sb(&device(b"PCI1", &[name(b"_HID", EXPRESS), resources].concat()))]);
    assert_eq!(facts.bridges[0].buses, Some((0x40, 0x7f)));
}

#[test]
fn module_devices_that_are_called_sockets_have_the_uids_of_their_processors() {
    let text = |of: &[u8; 4], text: &[u8]| [&[0x08], of.as_slice(), &[0x0d], text, &[0]].concat();
    // Processor (CP00, 4, 0, 0), and one whose _UID counts
    let plain = package(&[0x5b, 0x83], b"CP00\x04\x00\x00\x00\x00\x00");
    let own = [b"CP01\x05\x00\x00\x00\x00\x00".as_slice(), &name(b"_UID", 0x105)].concat();
    let own = package(&[0x5b, 0x83], &own);
    let socket = device(b"SCK1", &[text(b"_HID", b"ACPI0004"), plain.clone(), own].concat());
    let other = device(b"MOD0", &[text(b"_HID", b"ACPI0004"), plain].concat());
    let facts = facts(&[&in_sb(&[socket, other].concat())]);
    let found: Vec<_> = facts
        .sockets
        .iter()
        .map(|m| (m.path.as_str(), m.processors.clone()))
        .collect();
    assert_eq!(found, [("\\_SB.SCK1", vec![4, 0x105])]);
}

#[test]
fn no_tables_and_broken_tables_give_no_facts() {
    assert_eq!(facts(&[]), Facts::default());
    assert_eq!(facts(&[&table(&[0x5b, 0x82, 0xff])]), Facts::default());
}

#[test]
fn a_compressed_id_is_written_as_seven_characters() {
    assert_eq!(eisa(u64::from(EXPRESS)), "PNP0A08");
    assert_eq!(eisa(1 << 40), "0x10000000000");
}
