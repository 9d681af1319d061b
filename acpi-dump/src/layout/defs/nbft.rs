//! Boot from NVMe over Fabrics: NBFT.

use super::arrays::gaps;
use super::{addresses, heap};
use crate::layout::Cursor;
use crate::layout::spec::{
    BitField, Field, Names, Rest, TableLayout, bit, bits, bits_of, dec, flags, hex, one_of, raw, reserved,
};

pub(crate) const TABLES: &[TableLayout] = &[TableLayout::new(
    *b"NBFT",
    "NVMe-oF Boot Firmware Table",
    "NVM Express Boot Specification, revision 1.0",
    &[
        hex("Heap offset", 4),
        dec("Heap length", 4),
        hex("Driver device path offset", 4),
        dec("Driver device path length", 2),
        dec("Minor revision", 1),
        reserved(13),
    ],
)
.rest(Rest::Code(descriptors))];

const IDS: Names = &[
    (1, "control"),
    (2, "host"),
    (3, "host fabric interface"),
    (4, "subsystem namespace"),
    (5, "security profile"),
    (6, "discovery"),
    (7, "transport information"),
    (9, "extended information"),
];

const ID: Field = one_of("Structure ID", 1, IDS);
const VALID: BitField = bit(0, "Valid");
const TRANSPORTS: Names = &[(3, "TCP")];

const CONTROL: &[Field] = &[
    ID,
    dec("Major revision", 1),
    dec("Minor revision", 1),
    reserved(1),
    dec("Length", 2),
    flags("Flags", 1, &[VALID]),
    reserved(1),
    hex("Host offset", 4),
    dec("Host length", 2),
    dec("Host version", 1),
    reserved(1),
    hex("Host fabric interfaces offset", 4),
    dec("Host fabric interface length", 2),
    dec("Host fabric interface version", 1),
    dec("Number of host fabric interfaces", 1),
    hex("Subsystem namespaces offset", 4),
    dec("Subsystem namespace length", 2),
    dec("Subsystem namespace version", 1),
    dec("Number of subsystem namespaces", 1),
    hex("Security profiles offset", 4),
    dec("Security profile length", 2),
    dec("Security profile version", 1),
    dec("Number of security profiles", 1),
    hex("Discovery descriptors offset", 4),
    dec("Discovery descriptor length", 2),
    dec("Discovery descriptor version", 1),
    dec("Number of discovery descriptors", 1),
    reserved(16),
];

const HOST: &[Field] = &[
    ID,
    flags(
        "Flags",
        1,
        &[
            VALID,
            bit(1, "Host ID configured"),
            bit(2, "Host NQN configured"),
            bits_of(
                3,
                2,
                "Primary administrative host",
                &[(0, "not indicated"), (1, "unselected"), (2, "selected")],
            ),
        ],
    ),
    raw("Host ID", 16),
    hex("Host NQN offset", 4),
    dec("Host NQN length", 2),
    reserved(8),
];

const INTERFACE: &[Field] = &[
    ID,
    dec("Index", 1),
    flags("Flags", 1, &[VALID]),
    one_of("Transport type", 1, TRANSPORTS),
    reserved(12),
    hex("Transport information offset", 4),
    dec("Transport information length", 2),
    reserved(10),
];

const TRANSPORT: &[Field] = &[
    ID,
    dec("Version", 1),
    one_of("Transport type", 1, TRANSPORTS),
    dec("Transport information version", 1),
    dec("Host fabric interface index", 2),
    flags("Flags", 1, &[VALID, bit(1, "Global route"), bit(2, "DHCP override")]),
    flags(
        "PCI routing ID",
        4,
        &[
            bits(0, 3, "Function"),
            bits(3, 5, "Device"),
            bits(8, 8, "Bus"),
            bits(16, 16, "Segment"),
        ],
    ),
    raw("MAC address", 6),
    dec("VLAN", 2),
    one_of("IP origin", 1, ORIGINS),
    raw("IP address", 16),
    dec("Subnet mask prefix", 1),
    raw("IP gateway", 16),
    reserved(1),
    dec("Route metric", 2),
    raw("Primary DNS", 16),
    raw("Secondary DNS", 16),
    raw("DHCP server", 16),
    hex("Host name offset", 4),
    dec("Host name length", 2),
    reserved(18),
];

const ORIGINS: Names = &[
    (0, "other"),
    (1, "manual"),
    (2, "well known"),
    (3, "DHCP"),
    (4, "router advertisement"),
];

const NAMESPACE: &[Field] = &[
    ID,
    dec("Index", 2),
    flags(
        "Flags",
        2,
        &[
            VALID,
            bit(1, "Not bootable"),
            bit(2, "Security profile used"),
            bit(3, "DHCP root path override"),
            bit(4, "Extended information in use"),
            bit(5, "Separate discovery controller"),
            bit(6, "Discovered namespace"),
            bits_of(
                7,
                2,
                "Availability",
                &[(0, "not indicated"), (1, "available"), (2, "unavailable")],
            ),
        ],
    ),
    one_of("Transport type", 1, TRANSPORTS),
    flags(
        "Transport flags",
        2,
        &[VALID, bit(1, "PDU header digest"), bit(2, "Data digest")],
    ),
    dec("Primary discovery controller index", 1),
    reserved(1),
    hex("Transport address offset", 4),
    dec("Transport address length", 2),
    hex("Transport service identifier offset", 4),
    dec("Transport service identifier length", 2),
    dec("Subsystem port ID", 2),
    dec("Namespace ID", 4),
    one_of(
        "Namespace identifier type",
        1,
        &[(0, "none"), (1, "EUI-64"), (2, "NGUID"), (3, "UUID")],
    ),
    raw("Namespace identifier", 16),
    dec("Security profile index", 1),
    dec("Primary host fabric interface index", 1),
    reserved(1),
    hex("Secondary host fabric interfaces offset", 4),
    dec("Secondary host fabric interfaces length", 2),
    hex("Subsystem NQN offset", 4),
    dec("Subsystem NQN length", 2),
    hex("Extended information offset", 4),
    dec("Extended information length", 2),
    reserved(62),
];

const EXTENDED: &[Field] = &[
    ID,
    dec("Version", 1),
    dec("Subsystem namespace index", 2),
    flags("Flags", 4, &[VALID, bit(1, "Administrative ASQSZ")]),
    dec("Controller ID", 2),
    dec("Admin submission queue size", 2),
    hex("DHCP root path offset", 4),
    dec("DHCP root path length", 2),
];

const POLICY: Names = &[(0, "not supported"), (1, "by driver"), (2, "by administrator")];
const REQUIREMENT: Names = &[(0, "not supported"), (1, "not required"), (2, "required")];

const SECURITY: &[Field] = &[
    ID,
    dec("Index", 1),
    flags(
        "Flags",
        2,
        &[
            VALID,
            bits_of(1, 2, "In-band authentication", REQUIREMENT),
            bits_of(3, 2, "Authentication policy list", POLICY),
            bits_of(5, 2, "Secure channel negotiation", REQUIREMENT),
            bits_of(7, 2, "Security policy list", POLICY),
            bit(9, "Cipher suites restricted"),
            bit(10, "Authentication DH groups restricted"),
            bit(11, "Secure hash functions policy list"),
        ],
    ),
    flags("Secret type", 1, &[bit(1, "Redfish host interface URI")]),
    reserved(1),
    hex("Secure channel algorithms offset", 4),
    dec("Secure channel algorithms length", 2),
    hex("Authentication protocols offset", 4),
    dec("Authentication protocols length", 2),
    hex("Cipher suites offset", 4),
    dec("Cipher suites length", 2),
    hex("DH groups offset", 4),
    dec("DH groups length", 2),
    hex("Secure hash functions offset", 4),
    dec("Secure hash functions length", 2),
    hex("Secret keypath offset", 4),
    dec("Secret keypath length", 2),
    reserved(22),
];

const DISCOVERY: &[Field] = &[
    ID,
    flags("Flags", 1, &[VALID]),
    dec("Index", 1),
    dec("Host fabric interface index", 1),
    dec("Security profile index", 1),
    reserved(1),
    hex("Discovery controller address offset", 4),
    dec("Discovery controller address length", 2),
    hex("Discovery controller NQN offset", 4),
    dec("Discovery controller NQN length", 2),
    reserved(14),
];

/// Where the control descriptor is: right behind the header.
const CONTROL_LENGTH: usize = 64;

/// Heap objects that are no text.
const NOT_TEXT: &[&str] = &[
    "Driver device path",
    "Host",
    "Transport information",
    "Transport address",
    "Secondary host fabric interfaces",
    "Extended information",
    "Secure channel algorithms",
    "Authentication protocols",
    "Cipher suites",
    "DH groups",
    "Secure hash functions",
];

/// Heap, whose parts are read one by one, and the parts that are read elsewhere.
const NOT_OBJECTS: &[&str] = &["Heap", "Host"];

fn descriptors(cursor: &mut Cursor<'_>) {
    if cursor.left() < CONTROL_LENGTH {
        let seen = format!("{} bytes", cursor.left());
        cursor.finding(
            cursor.at,
            format!("{CONTROL_LENGTH} bytes of the control descriptor"),
            seen,
        );
        return cursor.raw("Further bytes", usize::MAX);
    }
    cursor.nested("Control", cursor.at.saturating_add(CONTROL_LENGTH), |cursor| {
        cursor.fields(CONTROL);
    });
    let control = cursor.section.sections.last();
    let control = control.cloned().unwrap_or_default();
    let size = |name: &str| control.number(name).and_then(|size| usize::try_from(size).ok());
    let number = |name: &str| size(name).unwrap_or(0);
    let lists: [(&str, usize, usize, usize, &[Field]); 5] = [
        ("Host", number("Host offset"), number("Host length"), 1, HOST),
        (
            "Host fabric interface",
            number("Host fabric interfaces offset"),
            number("Host fabric interface length"),
            number("Number of host fabric interfaces"),
            INTERFACE,
        ),
        (
            "Subsystem namespace",
            number("Subsystem namespaces offset"),
            number("Subsystem namespace length"),
            number("Number of subsystem namespaces"),
            NAMESPACE,
        ),
        (
            "Security profile",
            number("Security profiles offset"),
            number("Security profile length"),
            number("Number of security profiles"),
            SECURITY,
        ),
        (
            "Discovery",
            number("Discovery descriptors offset"),
            number("Discovery descriptor length"),
            number("Number of discovery descriptors"),
            DISCOVERY,
        ),
    ];
    for (title, mut at, length, count, fields) in lists {
        for _ in 0..count {
            if length == 0 || !cursor.jump(title, at, length, |cursor| structure(cursor, fields)) {
                break;
            }
            at = at.saturating_add(length);
        }
    }
    // Structures in the heap point to texts in the heap.
    for _ in 0..2 {
        for (name, offset, length) in heap::objects(cursor) {
            if !NOT_OBJECTS.contains(&name.as_str()) {
                object(cursor, &name, offset, length);
            }
        }
    }
    gaps(cursor);
}

fn structure(cursor: &mut Cursor<'_>, fields: &[Field]) {
    cursor.fields(fields);
    addresses::words(cursor, &["Host ID", "Namespace identifier"]);
    heap::words(cursor, NOT_TEXT);
    let address = heap::bytes(cursor, "Transport address").and_then(addresses::text);
    let rows = cursor.section.rows.iter_mut();
    for row in rows.filter(|row| row.name == "Transport address offset") {
        row.words.clone_from(&address);
    }
}

fn object(cursor: &mut Cursor<'_>, name: &str, offset: usize, length: usize) {
    cursor.jump(name, offset, length, |cursor| match name {
        "Transport information" => structure(cursor, TRANSPORT),
        "Extended information" => structure(cursor, EXTENDED),
        "Transport address" => {
            cursor.raw("Address", usize::MAX);
            addresses::words(cursor, &[]);
        }
        _ if NOT_TEXT.contains(&name) => cursor.raw("Data", usize::MAX),
        _ => cursor.text("Text", usize::MAX),
    });
}
