//! Hardware watchdogs: WDAT, WDDT, WDRT.

use crate::layout::spec::{
    BitField, Field, Names, Rest, TableLayout, bit, bits_of, dec, flags, gas, hex, one_of, reserved,
};

pub(crate) const TABLES: &[TableLayout] = &[
    TableLayout::new(
        *b"WDAT",
        "Watchdog Action Table",
        "Microsoft, Hardware Watchdog Timers Design Specification",
        WDAT,
    )
    .rest(Rest::Repeat("Instruction entry", ACTION)),
    TableLayout::new(
        *b"WDDT",
        "Watchdog Descriptor Table",
        "Intel, Using the ICH Family Watchdog Timer",
        WDDT,
    ),
    TableLayout::new(
        *b"WDRT",
        "Watchdog Resource Table",
        "Microsoft, Watchdog Timer Hardware Requirements for Windows Server 2003",
        WDRT,
    ),
];

const WDAT: &[Field] = &[
    dec("Watchdog header length", 4),
    hex("PCI segment", 2),
    hex("PCI bus", 1),
    hex("PCI device", 1),
    hex("PCI function", 1),
    reserved(3),
    dec("Timer period in ms", 4),
    dec("Maximum count", 4),
    dec("Minimum count", 4),
    flags(
        "Watchdog flags",
        1,
        &[bit(0, "Enabled"), bit(7, "Stopped in sleep state")],
    ),
    reserved(3),
    dec("Number of instruction entries", 4),
];

const ACTION: &[Field] = &[
    one_of("Watchdog action", 1, ACTIONS),
    flags(
        "Instruction flags",
        1,
        &[bits_of(0, 7, "Instruction", INSTRUCTIONS), bit(7, "Preserve register")],
    ),
    reserved(2),
    gas("Register region"),
    hex("Value", 4),
    hex("Mask", 4),
];

const ACTIONS: Names = &[
    (1, "reset countdown"),
    (4, "query current countdown"),
    (5, "query countdown period"),
    (6, "set countdown period"),
    (8, "query running state"),
    (9, "set running state"),
    (10, "query stopped state"),
    (11, "set stopped state"),
    (16, "query reboot"),
    (17, "set reboot"),
    (18, "query shutdown"),
    (19, "set shutdown"),
    (32, "query watchdog status"),
    (33, "set watchdog status"),
];

const INSTRUCTIONS: Names = &[
    (0, "read value"),
    (1, "read countdown"),
    (2, "write value"),
    (3, "write countdown"),
];

const WDDT: &[Field] = &[
    hex("Specification version", 2),
    hex("Description table version", 2),
    hex("PCI vendor ID", 2),
    gas("Timer register"),
    dec("Maximum count", 2),
    dec("Minimum count", 2),
    dec("Count period", 2),
    flags("Status", 2, STATUS),
    flags("Capability", 2, &[bit(0, "Automatic reset"), bit(1, "Timeout alert")]),
];

const STATUS: &[BitField] = &[
    bit(0, "Available"),
    bit(1, "Active"),
    bit(2, "Owned by the operating system"),
    bit(11, "Reset by user"),
    bit(12, "Reset by timeout"),
    bit(13, "Reset by power failure"),
    bit(14, "Reset by unknown cause"),
];

const WDRT: &[Field] = &[
    gas("Control register"),
    gas("Count register"),
    hex("PCI device ID", 2),
    hex("PCI vendor ID", 2),
    hex("PCI bus", 1),
    hex("PCI device", 1),
    hex("PCI function", 1),
    hex("PCI segment", 1),
    dec("Maximum count", 2),
    hex("Units", 1),
];
