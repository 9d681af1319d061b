//! Sharing a function between guests: SR-IOV, resizable BARs, ATS, PRI, PASID, TPH, LN.
//! Follows PCIe 6.0, 9.3.3, 7.8.6, 7.8.7, 10.5, 7.8.9, 7.9.13; LN of PCIe 5.0, 7.9.22.

use super::super::bits::{Context, Register, bits, computed, dec, flag, hex, note, text, words};
use super::super::caps::{Layout, Sink};

pub(crate) const SINGLE_ROOT: Layout = Layout::new("Single Root I/O Virtualization (SR-IOV)", &[
    Register::new(0x04, 4, "IOVCap", &[
        flag(0, "Migration"),
        flag(2, "10BitTagReq"),
        dec(31, 21, "IntMsgNum"),
    ]),
    Register::new(0x08, 2, "IOVCtl", &[
        flag(0, "Enable"),
        flag(1, "Migration"),
        flag(2, "Interrupt"),
        flag(3, "MSE"),
        flag(4, "ARIHierarchy"),
        flag(5, "10BitTagReq"),
    ]),
    Register::new(0x0a, 2, "IOVSta", &[flag(0, "Migration")]),
    Register::new(0x0c, 2, "InitialVFs", &[dec(15, 0, "Initial VFs")]).unlabelled(),
    Register::new(0x0e, 2, "TotalVFs", &[dec(15, 0, "Total VFs")]).unlabelled(),
    Register::new(0x10, 2, "NumVFs", &[dec(15, 0, "Number of VFs")]).unlabelled(),
    Register::new(0x12, 1, "FDL", &[hex(7, 0, 2, "Function Dependency Link")]).unlabelled(),
    Register::new(0x14, 4, "VFRouting", &[dec(15, 0, "VF offset"), dec(31, 16, "stride")]).unlabelled(),
    Register::new(0x1a, 2, "VFDevice", &[hex(15, 0, 4, "Device ID")]).unlabelled(),
    Register::new(0x1c, 8, "PageSizes", &[
        hex(31, 0, 8, "Supported Page Size"),
        hex(63, 32, 8, "System Page Size"),
    ])
    .unlabelled(),
])
.more(vf_bars);

const VF_BAR: Register = Register::new(0, 4, "VF BAR", &[computed(31, 0, "Memory at", |cx, low| {
    let wide = bits(low, 2, 1) == 2;
    let high = if wide { format!("{:08x}", cx.peek(4, 4)) } else { String::new() };
    let width = if bits(low, 2, 1) == 0 { "32" } else { "64" };
    let prefetch = if bits(low, 3, 3) == 1 { "" } else { "non-" };
    format!("{high}{:08x} ({width}-bit, {prefetch}prefetchable)", low & !0xf)
})]);

const VF_MIGRATION: Register = Register::new(0x3c, 4, "VF Migration", &[
    computed(31, 3, "offset", |_, v| format!("{:08x}", v & !7)),
    hex(2, 0, 1, "BIR"),
]);

fn vf_bars(sink: &mut Sink<'_>) {
    let mut index: usize = 0;
    while index < 6 {
        let at = index.saturating_mul(4).saturating_add(0x24);
        let low = sink.cx.peek(at, 4);
        if low != 0 && low != 0xffff_ffff {
            sink.push_at(&VF_BAR, at, Some(format!("Region {index}")));
            if bits(low, 2, 1) == 2 {
                index = index.saturating_add(1);
            }
        }
        index = index.saturating_add(1);
    }
    sink.push(&VF_MIGRATION);
}

pub(crate) const RESIZABLE_BAR: Layout = Layout::new("Physical Resizable BAR", &[]).more(resizable_bars);
pub(crate) const VF_RESIZABLE_BAR: Layout = Layout::new("Virtual Resizable BAR", &[]).more(resizable_bars);

const BAR_CONTROL: Register = Register::new(4, 4, "BAR", &[
    text(13, 8, "current size", bar_size),
    computed(31, 16, "supported", supported_sizes)
        .when(|cx, control| cx.peek(0, 4) >> 4 != 0 || bits(control, 31, 16) != 0),
]);

/// A size code of the Resizable BAR capability: 0 is 1 MB.
#[must_use]
pub fn bar_size(code: u64) -> String {
    let unit = match code {
        0..=9 => "MB",
        10..=19 => "GB",
        20..=29 => "TB",
        30..=39 => "PB",
        40..=43 => "EB",
        _ => return "<unknown>".to_owned(),
    };
    format!("{}{unit}", 1_u32 << (code % 10))
}

fn supported_sizes(cx: &Context<'_>, control: u64) -> String {
    let vector = bits(cx.peek(0, 4), 31, 4) | bits(control, 31, 16) << 28;
    let sizes: Vec<String> = (0..44_u8)
        .filter(|bit| bits(vector, *bit, *bit) == 1)
        .map(|bit| bar_size(u64::from(bit)))
        .collect();
    sizes.join(" ")
}

fn resizable_bars(sink: &mut Sink<'_>) {
    let count = match bits(sink.cx.peek(8, 4), 7, 5) {
        count @ 1..=6 => count,
        _ => 1,
    };
    let mut at: usize = 4;
    for _ in 0..count {
        let index = bits(sink.cx.peek(at.saturating_add(4), 4), 2, 0);
        if !sink.push_at(&BAR_CONTROL, at, Some(format!("BAR {index}"))) {
            return;
        }
        at = at.saturating_add(8);
    }
}

pub(crate) const ADDRESS_TRANSLATION: Layout = Layout::new("Address Translation Service (ATS)", &[
    Register::new(4, 2, "ATSCap", &[hex(4, 0, 2, "Invalidate Queue Depth")]),
    Register::new(6, 2, "ATSCtl", &[flag(15, "Enable"), hex(4, 0, 2, "Smallest Translation Unit")]),
]);

pub(crate) const PAGE_REQUEST: Layout = Layout::new("Page Request Interface (PRI)", &[
    Register::new(4, 2, "PRICtl", &[flag(0, "Enable"), flag(1, "Reset")]),
    Register::new(6, 2, "PRISta", &[
        flag(0, "RF"),
        flag(1, "UPRGI"),
        flag(8, "Stopped"),
        flag(15, "PASID"),
    ]),
    Register::new(8, 4, "PRICapacity", &[hex(31, 0, 8, "Page Request Capacity")]).unlabelled(),
    Register::new(12, 4, "PRIAllocation", &[hex(31, 0, 8, "Page Request Allocation")]).unlabelled(),
]);

pub(crate) const PROCESS_ADDRESS_SPACE: Layout = Layout::new("Process Address Space ID (PASID)", &[
    Register::new(4, 2, "PASIDCap", &[flag(1, "Exec"), flag(2, "Priv"), hex(12, 8, 2, "Max PASID Width")]),
    Register::new(6, 2, "PASIDCtl", &[flag(0, "Enable"), flag(1, "Exec"), flag(2, "Priv")]),
]);

pub(crate) const PROCESSING_HINTS: Layout = Layout::new("Transaction Processing Hints", &[Register::new(
    4,
    4,
    "TPHCap",
    &[
        note(1, "Interrupt vector mode supported"),
        note(2, "Device specific mode supported"),
        note(8, "Extended requester support"),
        words(
            10,
            9,
            "STLocation",
            &[
                (0, "No steering table available"),
                (1, "Steering table in TPH capability structure"),
                (2, "Steering table in MSI-X table"),
            ],
            "Reserved steering table location",
        )
        .bare(),
    ],
)
.unlabelled()]);

pub(crate) const LIGHTWEIGHT_NOTIFICATION: Layout = Layout::new("LN Requester", &[
    Register::new(4, 2, "LNRCap", &[flag(0, "64byte"), flag(1, "128byte"), dec(12, 8, "RegistrationMax")]),
    Register::new(6, 2, "LNRCtl", &[flag(0, "Enable"), flag(1, "128byte"), dec(12, 8, "RegistrationLimit")]),
]);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bar_sizes_count_from_one_megabyte() {
        assert_eq!(bar_size(0), "1MB");
        assert_eq!(bar_size(15), "32GB");
        assert_eq!(bar_size(43), "8EB");
        assert_eq!(bar_size(44), "<unknown>");
    }
}
