//! Serial consoles and debug ports: SPCR, DBG2, DBGP.

use crate::layout::Cursor;
use crate::layout::spec::{Field, Names, Rest, TableLayout, bit, dec, flags, gas, hex, one_of, reserved};

pub(crate) const TABLES: &[TableLayout] = &[
    // Revisions 1 and 2 ended behind a reserved dword, revision 3 behind the precise baud rate.
    TableLayout::new(
        *b"SPCR",
        "Serial Port Console Redirection Table",
        "Microsoft SPCR 1.10",
        SPCR,
    )
    .lengths(&[80, 84])
    .rest(Rest::Code(console_name)),
    TableLayout::new(
        *b"DBG2",
        "Debug Port Table 2",
        "Microsoft DBG2 1.6",
        &[
            hex("Offset to debug device information structures (OffsetDbgDeviceInfo)", 4),
            dec("Number of debug device information structures (NumberDbgDeviceInfo)", 4),
        ],
    )
    .rest(Rest::Code(devices)),
    TableLayout::new(
        *b"DBGP",
        "Debug Port Table",
        "Microsoft DBGP 1.2",
        &[
            one_of("Interface type", 1, &[(0, "16550"), (1, "16550 subset of DBGP 1.0")]),
            reserved(3),
            gas("Base address"),
        ],
    ),
];

/// Serial port subtypes of DBG2, table 3; SPCR of revision 2 and later uses the same numbers.
const SERIAL: Names = &[
    (0x00, "16550 compatible"),
    (0x01, "16550 subset compatible with DBGP 1.0"),
    (0x02, "MAX311xE SPI UART"),
    (0x03, "Arm PL011 UART"),
    (0x04, "MSM8x60"),
    (0x05, "Nvidia 16550"),
    (0x06, "TI OMAP"),
    (0x08, "APM88xxxx"),
    (0x09, "MSM8974"),
    (0x0a, "SAM5250"),
    (0x0b, "Intel USIF"),
    (0x0c, "i.MX 6"),
    (0x0d, "Arm SBSA generic UART, 32-bit access only"),
    (0x0e, "Arm SBSA generic UART"),
    (0x0f, "Arm DCC"),
    (0x10, "BCM2835"),
    (0x11, "SDM845, 1.8432 MHz"),
    (0x12, "16550 compatible with parameters in the address structure"),
    (0x13, "SDM845, 7.372 MHz"),
    (0x14, "Intel LPSS"),
    (0x15, "RISC-V SBI console"),
];

const SPCR: &[Field] = &[
    one_of("Interface type", 1, SERIAL),
    reserved(3),
    gas("Base address"),
    flags(
        "Interrupt type",
        1,
        &[
            bit(0, "Dual 8259"),
            bit(1, "I/O APIC"),
            bit(2, "I/O SAPIC"),
            bit(3, "Arm GIC"),
            bit(4, "RISC-V PLIC or APLIC"),
        ],
    ),
    dec("IRQ", 1),
    dec("Global system interrupt", 4),
    one_of(
        "Configured baud rate",
        1,
        &[(0, "as is"), (3, "9600"), (4, "19200"), (6, "57600"), (7, "115200")],
    ),
    one_of("Parity", 1, &[(0, "none")]),
    one_of("Stop bits", 1, &[(1, "1 stop bit")]),
    flags(
        "Flow control",
        1,
        &[
            bit(0, "DCD required for transmit"),
            bit(1, "RTS/CTS hardware flow control"),
            bit(2, "XON/XOFF software flow control"),
        ],
    ),
    one_of(
        "Terminal type",
        1,
        &[(0, "VT100"), (1, "extended VT100"), (2, "VT-UTF8"), (3, "ANSI")],
    ),
    hex("Language (reserved)", 1),
    one_of("PCI device ID", 2, NO_PCI),
    one_of("PCI vendor ID", 2, NO_PCI),
    hex("PCI bus number", 1),
    hex("PCI device number", 1),
    hex("PCI function number", 1),
    flags(
        "PCI flags",
        4,
        &[bit(0, "OS must not suppress PnP enumeration or power management")],
    ),
    hex("PCI segment", 1),
    // Reserved before revision 3.
    dec("UART clock frequency (Hz)", 4),
    dec("Precise baud rate", 4),
    dec("Namespace string length", 2),
    dec("Namespace string offset", 2),
];

const NO_PCI: Names = &[(0xffff, "no PCI device")];

/// The string that the last two fields of revision 4 refer to.
fn console_name(cursor: &mut Cursor<'_>) {
    let length = cursor.size("Namespace string length").unwrap_or(0);
    if let Some(offset) = cursor.size("Namespace string offset").filter(|_| length > 0) {
        cursor.jump("Namespace", offset, length, |cursor| {
            cursor.text("Namespace string", length)
        });
    }
}

const OFFSET: &str = "Offset to debug device information structures (OffsetDbgDeviceInfo)";
const COUNT: &str = "Number of debug device information structures (NumberDbgDeviceInfo)";

/// Device structures one after the other from a stated offset.
fn devices(cursor: &mut Cursor<'_>) {
    let count = cursor.size(COUNT).unwrap_or(0);
    if let Some(offset) = cursor.size(OFFSET).filter(|_| count > 0) {
        cursor.skip_to(offset);
    }
    for index in 0..count {
        let length = cursor.at.checked_add(1).and_then(|at| cursor.peek(at, 2));
        let length = length.and_then(|length| usize::try_from(length).ok());
        let Some(length) = length.filter(|length| (22..=cursor.left()).contains(length)) else {
            let seen = length.map_or_else(|| "nothing".to_owned(), |length| format!("length {length}"));
            return cursor.finding(
                cursor.at,
                format!("{count} debug device structures, number {index}"),
                seen,
            );
        };
        let end = cursor.at.saturating_add(length);
        cursor.nested("Debug device", end, device);
    }
}

const PORT_TYPES: Names = &[
    (0x8000, "serial"),
    (0x8001, "IEEE 1394"),
    (0x8002, "USB"),
    (0x8003, "net"),
];

const DEVICE: &[Field] = &[
    dec("Revision", 1),
    dec("Length", 2),
    dec("Number of generic address registers", 1),
    dec("Namespace string length", 2),
    dec("Namespace string offset", 2),
    dec("OEM data length", 2),
    dec("OEM data offset", 2),
    one_of("Port type", 2, PORT_TYPES),
];

fn device(cursor: &mut Cursor<'_>) {
    let start = cursor.at;
    cursor.fields(DEVICE);
    cursor.fields(&[match cursor.value("Port type") {
        Some(0x8000) => one_of("Port subtype", 2, SERIAL),
        Some(0x8001) => one_of("Port subtype", 2, &[(0, "IEEE 1394 standard host controller")]),
        Some(0x8002) => one_of("Port subtype", 2, &[(0, "XHCI"), (1, "EHCI")]),
        Some(0x8003) => hex("Port subtype (PCI vendor ID)", 2),
        _ => hex("Port subtype", 2),
    }]);
    cursor.fields(&[
        reserved(2),
        dec("Base address register offset", 2),
        dec("Address size offset", 2),
    ]);
    let size = |cursor: &Cursor<'_>, name| cursor.size(name).unwrap_or(0);
    let registers = size(cursor, "Number of generic address registers");
    let place = |cursor: &Cursor<'_>, name| start.saturating_add(size(cursor, name));
    let (addresses, sizes) = (
        place(cursor, "Base address register offset"),
        place(cursor, "Address size offset"),
    );
    if registers > 0 {
        cursor.jump(
            "Base address registers",
            addresses,
            registers.saturating_mul(12),
            |cursor| {
                cursor.array(&gas("Base address"), registers);
            },
        );
        cursor.jump("Address sizes", sizes, registers.saturating_mul(4), |cursor| {
            cursor.array(&hex("Address size", 4), registers);
        });
    }
    let (name, oem) = (size(cursor, "Namespace string length"), size(cursor, "OEM data length"));
    let at = place(cursor, "Namespace string offset");
    if name > 0 {
        cursor.jump("Namespace", at, name, |cursor| cursor.text("Namespace string", name));
    }
    let at = place(cursor, "OEM data offset");
    if oem > 0 {
        cursor.jump("OEM data", at, oem, |cursor| cursor.raw("OEM data", oem));
    }
}
