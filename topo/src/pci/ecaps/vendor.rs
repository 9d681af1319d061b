//! Identities and vendor structures: serial number, VSEC, DVSEC, DOE, NPEM, hierarchy ID,
//! register block locator. Follows PCIe 6.0, 7.9.3, 7.9.5, 7.9.6, 7.9.24, 7.9.18, 7.9.17 and
//! the MMIO Register Block Locator ECN.

use super::super::bits::{Field, Register, bits, computed, dec, flag, hex, text};
use super::super::caps::legacy::raw;
use super::super::caps::{Layout, Sink};
use super::cxl;

/// Lowest byte last, as EUI-64 is written.
fn dashed(value: u64) -> String {
    let bytes: Vec<String> = value.to_be_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    bytes.join("-")
}

pub(crate) const SERIAL_NUMBER: Layout = Layout::new("Device Serial Number", &[])
    .heading(Register::new(4, 8, "Serial", &[text(63, 0, "Serial", dashed).bare()]));

pub(crate) const VENDOR_SPECIFIC: Layout =
    Layout::named("Vendor Specific Information").heading(Register::new(4, 4, "VSECHdr", &[
        hex(15, 0, 4, "ID"),
        dec(19, 16, "Rev"),
        hex(31, 20, 3, "Len"),
    ]));

pub(crate) const DESIGNATED: Layout = Layout::new("Designated Vendor-Specific", &[])
    .heading(Register::new(4, 6, "DVSECHdr", &[
        hex(15, 0, 4, "Vendor"),
        hex(47, 32, 4, "ID"),
        dec(19, 16, "Rev"),
        dec(31, 20, "Len"),
        computed(15, 0, "Consortium", |_, _| "CXL".to_owned())
            .bare()
            .when(|_, v| cxl::is(bits(v, 15, 0), bits(v, 31, 20))),
    ]))
    .more(designated);

fn designated(sink: &mut Sink<'_>) {
    let header = sink.cx.peek(4, 6);
    if cxl::is(bits(header, 15, 0), bits(header, 31, 20)) {
        cxl::decode(sink);
    }
}

pub(crate) const DATA_OBJECT_EXCHANGE: Layout = Layout::new("Data Object Exchange", &[
    Register::new(4, 4, "DOECap", &[
        flag(0, "IntSup"),
        dec(11, 1, "IntMsgNum").when(|_, v| bits(v, 0, 0) == 1),
    ]),
    Register::new(8, 4, "DOECtl", &[flag(1, "IntEn")]),
    Register::new(12, 4, "DOESta", &[
        flag(0, "Busy"),
        flag(1, "IntSta"),
        flag(2, "Error"),
        flag(31, "ObjectReady"),
    ]),
]);

const OK: Field = flag(2, "OK");
const LOCATE: Field = flag(3, "Locate");
const FAIL: Field = flag(4, "Fail");
const REBUILD: Field = flag(5, "Rebuild");
const PREDICTED: Field = flag(6, "PFA");
const SPARE: Field = flag(7, "HotSpare");
const CRITICAL: Field = flag(8, "CriticalArray");
const FAILED: Field = flag(9, "FailedArray");
const INVALID: Field = flag(10, "InvalidDevice");
const DISABLED: Field = flag(11, "Disabled");

pub(crate) const ENCLOSURE_MANAGEMENT: Layout = Layout::new("Native PCIe Enclosure Management", &[
    Register::new(4, 4, "NPEMCap", &[
        flag(0, "NPEM"),
        flag(1, "Reset"),
        OK,
        LOCATE,
        FAIL,
        REBUILD,
        PREDICTED,
        SPARE,
        CRITICAL,
        FAILED,
        INVALID,
        DISABLED,
    ]),
    Register::new(8, 4, "NPEMCtl", &[
        flag(0, "Enable"),
        flag(1, "Reset"),
        OK,
        LOCATE,
        FAIL,
        REBUILD,
        PREDICTED,
        SPARE,
        CRITICAL,
        FAILED,
        INVALID,
        DISABLED,
    ]),
    Register::new(12, 4, "NPEMSta", &[flag(0, "Completed")]),
]);

/// The fields of the status register moved between revisions, so the words are shown as they are.
pub(crate) const HIERARCHY_ID: Layout = Layout::new("Hierarchy ID", &[
    raw(0x04, "HierSta"),
    raw(0x08, "HierData"),
    raw(0x0c, "GUID1"),
    raw(0x10, "GUID2"),
    raw(0x14, "GUID3"),
    raw(0x18, "GUID4"),
    raw(0x1c, "GUID5"),
]);

pub(crate) const REGISTER_BLOCKS: Layout =
    Layout::new("MMIO Register Block Locator", &[]).more(register_blocks);

const LOCATOR: Register = Register::new(0, 8, "Locator", &[
    text(2, 0, "BIR", |v| format!("BAR{v}")),
    text(15, 8, "ID", |v| match v {
        0 => "Empty".to_owned(),
        1 => "MCAP".to_owned(),
        0xff => "MDVS".to_owned(),
        _ => format!("Reserved ({v})"),
    }),
    computed(63, 16, "offset", |_, v| format!("{:016x}", v & !0xffff)),
]);

fn register_blocks(sink: &mut Sink<'_>) {
    let length = bits(sink.cx.peek(4, 4), 11, 0);
    let mut at: usize = 8;
    for index in 0..(length / 8).saturating_sub(1) {
        if !sink.push_at(&LOCATOR, at, Some(format!("Locator{index}"))) {
            return;
        }
        at = at.saturating_add(8);
    }
}
