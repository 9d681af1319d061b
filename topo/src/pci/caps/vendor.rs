//! The vendor-specific capability (ID 09h): virtio structures and Intel capability registers.
//!
//! Follows Virtual I/O Device 1.2 (4.1.4); for Intel, the CAPID0 registers of the "Host Bridge
//! and DRAM Controller" chapter of the processor datasheets: only what kind it is, for the
//! registers differ from family to family.

use super::super::bits::{Context, Register, bits, computed, dec, hex, text};
use super::{Layout, Sink};

const RED_HAT: u16 = 0x1af4;
const INTEL: u16 = 0x8086;

/// The layout of this vendor's structure.
pub(crate) fn layout(cx: &Context<'_>) -> &'static Layout {
    let length = cx.peek(2, 1);
    match cx.facts.vendor {
        RED_HAT if (0x1000..=0x107f).contains(&cx.facts.device) && length >= 16 => &VIRTIO,
        INTEL => &INTEL_LAYOUT,
        _ => &OTHER,
    }
}

const OTHER: Layout =
    Layout::named("Vendor Specific Information").heading(Register::new(2, 1, "Length", &[hex(7, 0, 2, "Len")]));

const INTEL_LAYOUT: Layout =
    Layout::named("Vendor Specific Information").heading(Register::new(2, 2, "Intel", &[
        hex(7, 0, 2, "Len"),
        text(15, 12, "Kind", |v| match v {
            0 => "Intel Capabilities".to_owned(),
            1 => "Intel Feature Detection".to_owned(),
            _ => format!("Intel type {v}"),
        })
        .bare(),
        text(11, 8, "Version", |v| format!("v{v}")).bare().when(|_, v| bits(v, 15, 12) == 0),
    ]));

const SHARED_MEMORY: u64 = 8;
const NOTIFY: u64 = 2;

const VIRTIO: Layout = Layout::new("Vendor Specific Information: VirtIO", &[])
    .heading(Register::new(3, 1, "cfg_type", &[text(7, 0, "Type", |v| {
        match v {
            1 => "CommonCfg",
            2 => "Notify",
            3 => "ISR",
            4 => "DeviceCfg",
            5 => "PCICfg",
            8 => "SharedMemory",
            9 => "VendorCfg",
            _ => return format!("<unknown> {v}"),
        }
        .to_owned()
    })
    .bare()]))
    .more(virtio);

const BAR: Register = Register::new(4, 1, "bar", &[dec(7, 0, "BAR")]).unlabelled();
const REGION: Register = Register::new(8, 8, "region", &[
    hex(31, 0, 8, "offset"),
    hex(63, 32, 8, "size"),
])
.unlabelled();
const SHARED: Register = Register::new(8, 4, "region", &[
    computed(31, 0, "offset", |cx, low| format!("{:016x}", low | cx.peek(16, 4) << 32)),
    computed(31, 0, "size", |cx, _| format!("{:016x}", cx.peek(12, 4) | cx.peek(20, 4) << 32)),
    computed(31, 0, "id", |cx, _| cx.peek(5, 1).to_string()),
])
.unlabelled();
const MULTIPLIER: Register = Register::new(16, 4, "notify_off_multiplier", &[hex(31, 0, 8, "multiplier")]).unlabelled();

fn virtio(sink: &mut Sink<'_>) {
    let kind = sink.cx.peek(3, 1);
    sink.push(&BAR);
    if kind == SHARED_MEMORY {
        sink.push(&SHARED);
    } else {
        sink.push(&REGION);
    }
    if kind == NOTIFY && sink.cx.peek(2, 1) >= 20 {
        sink.push(&MULTIPLIER);
    }
}
