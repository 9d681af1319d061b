//! Capabilities of plain PCI functions: power management, MSI, MSI-X, VPD, subsystem IDs, SATA,
//! Advanced Features, Enhanced Allocation, Flattening Portal Bridge.
//!
//! Follows PCI Local Bus 3.0 (6.7, 6.8, appendix H and I), PCI Power Management 1.2 (3.2),
//! PCIe 6.0 (7.7, 7.8, 7.9) and, for SATA, AHCI 1.3.1 (2.4).

use super::super::bits::{Context, Field, Register, active_low, bits, computed, dec, flag, hex, text, words};
use super::{Layout, Sink};

pub(crate) const NULL: Layout = Layout::new("Null", &[]);

pub(crate) const POWER_MANAGEMENT: Layout = Layout::new("Power Management", &[
    Register::new(2, 2, "Flags", &[
        flag(3, "PMEClk"),
        flag(5, "DSI"),
        flag(9, "D1"),
        flag(10, "D2"),
        words(8, 6, "AuxCurrent", AUX_CURRENT, ""),
        flag(11, "D0").lead("PME"),
        flag(12, "D1").lead("PME"),
        flag(13, "D2").lead("PME"),
        flag(14, "D3hot").lead("PME"),
        flag(15, "D3cold").lead("PME"),
    ]),
    Register::new(4, 2, "Status", &[
        text(1, 0, "PowerState", |v| format!("D{v}")).bare(),
        flag(3, "NoSoftRst"),
        flag(8, "PME-Enable"),
        dec(12, 9, "DSel"),
        dec(14, 13, "DScale"),
        flag(15, "PME"),
    ]),
    Register::new(6, 1, "Bridge", &[flag(7, "PM"), active_low(6, "B3")]).when(|_, value| value != 0),
])
.heading(Register::new(2, 2, "PMC", &[dec(2, 0, "version")]));

const AUX_CURRENT: &[(u64, &str)] = &[
    (0, "0mA"),
    (1, "55mA"),
    (2, "100mA"),
    (3, "160mA"),
    (4, "220mA"),
    (5, "270mA"),
    (6, "320mA"),
    (7, "375mA"),
];

/// The data itself is read through this register and is not part of configuration space.
pub(crate) const VITAL_PRODUCT_DATA: Layout = Layout::new("Vital Product Data", &[Register::new(
    2,
    2,
    "VPDAddr",
    &[hex(14, 0, 4, "Address"), flag(15, "Ready")],
)]);

pub(crate) const SLOT_ID: Layout = Layout::new("Slot ID", &[]).heading(Register::new(2, 2, "SlotID", &[
    text(4, 0, "Slots", |v| format!("{v} slots")).bare(),
    flag(5, "First"),
    hex(15, 8, 2, "chassis"),
]));

fn wide(cx: &Context<'_>) -> bool {
    bits(cx.peek(2, 2), 7, 7) == 1
}

fn maskable(cx: &Context<'_>) -> bool {
    bits(cx.peek(2, 2), 8, 8) == 1
}

const MASKING: &[Field] = &[hex(31, 0, 8, "Masking").bare()];
const PENDING: &[Field] = &[hex(31, 0, 8, "Pending").bare()];

pub(crate) const MSI: Layout = Layout::new("MSI", &[
    Register::new(4, 4, "Address", &[hex(31, 0, 8, "Address").bare()]).when(|cx, _| !wide(cx)),
    Register::new(8, 2, "Data", &[hex(15, 0, 4, "Data").bare()]).when(|cx, _| !wide(cx)),
    Register::new(4, 8, "Address", &[hex(63, 0, 16, "Address").bare()]).when(|cx, _| wide(cx)),
    Register::new(12, 2, "Data", &[hex(15, 0, 4, "Data").bare()]).when(|cx, _| wide(cx)),
    Register::new(12, 4, "Masking", MASKING).when(|cx, _| maskable(cx) && !wide(cx)),
    Register::new(16, 4, "Pending", PENDING).when(|cx, _| maskable(cx) && !wide(cx)),
    Register::new(16, 4, "Masking", MASKING).when(|cx, _| maskable(cx) && wide(cx)),
    Register::new(20, 4, "Pending", PENDING).when(|cx, _| maskable(cx) && wide(cx)),
])
.heading(Register::new(2, 2, "MsgCtl", &[
    flag(0, "Enable"),
    computed(6, 1, "Count", |_, v| format!("{}/{}", 1 << bits(v, 6, 4), 1 << bits(v, 3, 1))),
    flag(8, "Maskable"),
    flag(7, "64bit"),
]));

const TABLE: &[Field] = &[
    dec(2, 0, "BAR"),
    computed(31, 3, "offset", |_, v| format!("{:08x}", v & !7)),
];

pub(crate) const MSI_X: Layout = Layout::new("MSI-X", &[
    Register::new(4, 4, "Vector table", TABLE),
    Register::new(8, 4, "PBA", TABLE),
])
.heading(Register::new(2, 2, "MsgCtl", &[
    flag(15, "Enable"),
    text(10, 0, "Count", |v| v.saturating_add(1).to_string()),
    flag(14, "Masked"),
]));

pub(crate) const DEBUG_PORT: Layout = Layout::new("Debug port", &[])
    .heading(Register::new(2, 2, "DbgPort", &[dec(15, 13, "BAR"), hex(12, 0, 4, "offset")]));

pub(crate) const SUBSYSTEM: Layout = Layout::new("Subsystem", &[])
    .heading(Register::new(4, 4, "SSVID", &[computed(31, 0, "Subsystem", |_, v| {
        format!("{:04x}:{:04x}", bits(v, 15, 0), bits(v, 31, 16))
    })
    .bare()]));

pub(crate) const SATA: Layout = Layout::new("SATA HBA", &[Register::new(4, 4, "SATACR1", &[
    text(3, 0, "BAR", |v| match v {
        4..=9 => format!("BAR{}", v.saturating_sub(4)),
        15 => "InCfgSpace".to_owned(),
        _ => format!("BAR??{v}"),
    })
    .bare(),
    hex(23, 4, 8, "Offset").when(|_, v| matches!(bits(v, 3, 0), 4..=9)),
])
.unlabelled()])
.heading(Register::new(2, 2, "SATACR0", &[computed(7, 0, "Version", |_, v| {
    format!("v{}.{}", bits(v, 7, 4), bits(v, 3, 0))
})
.bare()]));

pub(crate) const ADVANCED_FEATURES: Layout = Layout::new("PCI Advanced Features", &[
    Register::new(3, 1, "AFCap", &[flag(0, "TP"), flag(1, "FLR")]),
    Register::new(4, 1, "AFCtrl", &[flag(0, "FLR")]),
    Register::new(5, 1, "AFStatus", &[flag(0, "TP")]),
]);

pub(crate) const ENHANCED_ALLOCATION: Layout = Layout::new("Enhanced Allocation (EA)", &[])
    .heading(Register::new(2, 2, "EACap", &[dec(5, 0, "NumEntries")]))
    .more(allocation_entries);

const EA_BUSES: Register = Register::new(4, 2, "Fixed buses", &[dec(7, 0, "secondary"), dec(15, 8, "subordinate")]);

const EA_ENTRY: Register = Register::new(0, 4, "Entry", &[
    flag(31, "Enable"),
    flag(30, "Writable"),
    dec(2, 0, "EntrySize"),
    text(7, 4, "BAR Equivalent Indicator", |v| match v {
        0..=5 => format!("BAR {v}"),
        6 => "resource behind function".to_owned(),
        7 => "not indicated".to_owned(),
        8 => "expansion ROM".to_owned(),
        9..=14 => format!("VF-BAR {}", v.saturating_sub(9)),
        _ => "reserved".to_owned(),
    }),
    text(15, 8, "PrimaryProperties", |v| allocation(v, false)),
    text(23, 16, "SecondaryProperties", |v| allocation(v, true)),
]);

const EA_BASE: Register = Register::new(4, 4, "Base", &[computed(31, 2, "Base", |cx, v| {
    let high = if bits(v, 1, 1) == 1 { format!("{:x}", cx.peek(12, 4)) } else { String::new() };
    format!("{high}{:08x}", v & !3)
})
.bare()]);

const EA_MAX_OFFSET: Register = Register::new(8, 4, "MaxOffset", &[computed(31, 2, "MaxOffset", |cx, v| {
    let at = if bits(cx.peek(4, 4), 1, 1) == 1 { 16 } else { 12 };
    let high = if bits(v, 1, 1) == 1 { format!("{:x}", cx.peek(at, 4)) } else { String::new() };
    format!("{high}{:08x}", v | 3)
})
.bare()]);

/// What an Enhanced Allocation entry is for (PCIe 6.0, table 7-269).
fn allocation(code: u64, secondary: bool) -> String {
    match code {
        0x00 => "memory space, non-prefetchable",
        0x01 => "memory space, prefetchable",
        0x02 => "I/O space",
        0x03 => "VF memory space, prefetchable",
        0x04 => "VF memory space, non-prefetchable",
        0x05 => "allocation behind bridge, non-prefetchable memory",
        0x06 => "allocation behind bridge, prefetchable memory",
        0x07 => "allocation behind bridge, I/O space",
        0xfd => "memory space resource unavailable for use",
        0xfe => "I/O space resource unavailable for use",
        0xff if secondary => "entry unavailable for use, PrimaryProperties should be used",
        0xff => "entry unavailable for use",
        _ => return format!("[{code:02x}]"),
    }
    .to_owned()
}

fn allocation_entries(sink: &mut Sink<'_>) {
    let mut at: usize = 4;
    if sink.cx.facts.header_type == 1 {
        sink.push(&EA_BUSES);
        at = 8;
    }
    for entry in 0..bits(sink.cx.peek(2, 2), 5, 0) {
        let size = match sink.cx.read(at, 4) {
            Some(header) => usize::try_from(bits(header, 2, 0)).unwrap_or(0),
            None => 0,
        };
        if !sink.push_at(&EA_ENTRY, at, Some(format!("Entry {entry}"))) {
            return;
        }
        sink.push_at(&EA_BASE, at, None);
        sink.push_at(&EA_MAX_OFFSET, at, None);
        at = at.saturating_add(4).saturating_add(size.saturating_mul(4));
    }
}

pub(crate) const FLATTENING_PORTAL_BRIDGE: Layout = Layout::new("Flattening Portal Bridge", &[Register::new(
    4,
    4,
    "FPBCap",
    &[flag(0, "RID"), flag(1, "MemLow"), flag(2, "MemHigh")],
)])
.opaque();
