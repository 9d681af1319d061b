//! Capabilities of buses that are no longer built: AGP, PCI-X, CompactPCI.
//!
//! Follows AGP 3.0 (6.1) and PCI-X Addendum 2.0a (7.2, 8.6).

use super::super::bits::{Context, Field, Register, bits, computed, dec, flag, hex, text, words};
use super::Layout;

pub(crate) const COMPACT_PCI_HOT_SWAP: Layout = Layout::named("CompactPCI hot-swap");
pub(crate) const COMPACT_PCI_RESOURCE: Layout = Layout::named("CompactPCI central resource control");
pub(crate) const HOT_PLUG: Layout = Layout::new("Hot-plug capable", &[]);
pub(crate) const AGP3: Layout = Layout::named("AGP3");
pub(crate) const SECURE: Layout = Layout::named("Secure device");

/// Transfer rates: in AGP 3 mode the same bits count four times as much.
fn rates(cx: &Context<'_>, register: u64) -> String {
    let agp3 = bits(cx.peek(2, 1), 7, 4) >= 3 && bits(cx.peek(4, 4), 3, 3) == 1;
    let factor = if agp3 { 4 } else { 1 };
    let rates: Vec<String> = [(0_u8, 1_u32), (1, 2), (2, 4)]
        .into_iter()
        .filter(|(bit, _)| bits(register, *bit, *bit) == 1)
        .map(|(_, rate)| format!("x{}", rate * factor))
        .collect();
    if rates.is_empty() {
        "<none>".to_owned()
    } else {
        rates.join(",")
    }
}

const REQUESTS: Field = text(31, 24, "RQ", |v| v.saturating_add(1).to_string());

pub(crate) const AGP: Layout = Layout::new("AGP", &[
    Register::new(4, 4, "Status", &[
        REQUESTS,
        flag(16, "Iso"),
        dec(15, 13, "ArqSz"),
        dec(12, 10, "Cal"),
        flag(9, "SBA"),
        flag(8, "ITACoh"),
        flag(7, "GART64"),
        flag(6, "HTrans"),
        flag(5, "64bit"),
        flag(4, "FW"),
        flag(3, "AGP3"),
        computed(2, 0, "Rate", rates),
    ]),
    Register::new(8, 4, "Command", &[
        REQUESTS,
        dec(15, 13, "ArqSz"),
        dec(12, 10, "Cal"),
        flag(9, "SBA"),
        flag(8, "AGP"),
        flag(7, "GART64"),
        flag(5, "64bit"),
        flag(4, "FW"),
        computed(2, 0, "Rate", rates),
    ]),
])
.heading(Register::new(2, 1, "AGPVer", &[computed(7, 0, "version", |_, v| {
    format!("{:x}.{:x}", bits(v, 7, 4), bits(v, 3, 0))
})]));

/// The PCI-X layout of this function: bridges have another one.
pub(crate) fn pci_x(cx: &Context<'_>) -> &'static Layout {
    match cx.facts.header_type {
        0 => &PCI_X,
        1 => &PCI_X_BRIDGE,
        _ => &PCI_X_OTHER,
    }
}

const PCI_X_OTHER: Layout = Layout::named("PCI-X");

const OUTSTANDING: &[(u64, &str)] = &[
    (0, "1"),
    (1, "2"),
    (2, "3"),
    (3, "4"),
    (4, "8"),
    (5, "12"),
    (6, "16"),
    (7, "32"),
];

fn read_bytes(code: u64) -> String {
    (512_u32 << (code & 3)).to_string()
}

fn address(_: &Context<'_>, status: u64) -> String {
    format!("{:02x}:{:02x}.{}", bits(status, 15, 8), bits(status, 7, 3), bits(status, 2, 0))
}

const PCI_X: Layout = Layout::new("PCI-X non-bridge device", &[
    Register::new(2, 2, "Command", &[
        flag(0, "DPERE"),
        flag(1, "ERO"),
        text(3, 2, "RBC", read_bytes),
        words(6, 4, "OST", OUTSTANDING, ""),
    ]),
    Register::new(4, 4, "Status", &[
        computed(15, 0, "Dev", address),
        flag(16, "64bit"),
        flag(17, "133MHz"),
        flag(18, "SCD"),
        flag(19, "USC"),
        words(20, 20, "DC", &[(0, "simple"), (1, "bridge")], ""),
        text(22, 21, "DMMRBC", read_bytes),
        words(25, 23, "DMOST", OUTSTANDING, ""),
        text(28, 26, "DMCRS", |v| (8_u32 << (v & 7)).to_string()),
        flag(29, "RSCEM"),
        flag(30, "266MHz"),
        flag(31, "533MHz"),
    ]),
]);

const SPLIT: &[Field] = &[dec(15, 0, "Capacity"), dec(31, 16, "CommitmentLimit")];

const PCI_X_BRIDGE: Layout = Layout::new("PCI-X bridge device", &[
    Register::new(2, 2, "Secondary Status", &[
        flag(0, "64bit"),
        flag(1, "133MHz"),
        flag(2, "SCD"),
        flag(3, "USC"),
        flag(4, "SCO"),
        flag(5, "SRD"),
        text(8, 6, "Freq", |v| match v {
            0 => "conv".to_owned(),
            1 => "66MHz".to_owned(),
            2 => "100MHz".to_owned(),
            3 => "133MHz".to_owned(),
            _ => format!("?{v}"),
        }),
    ]),
    Register::new(4, 4, "Status", &[
        computed(15, 0, "Dev", address),
        flag(16, "64bit"),
        flag(17, "133MHz"),
        flag(18, "SCD"),
        flag(19, "USC"),
        flag(20, "SCO"),
        flag(21, "SRD"),
    ]),
    Register::new(8, 4, "Upstream", SPLIT),
    Register::new(12, 4, "Downstream", SPLIT),
]);

const RAW: &[Field] = &[hex(31, 0, 8, "raw").bare()];

/// A register of raw bytes, for the parts no document of ours describes.
pub(crate) const fn raw(offset: usize, name: &'static str) -> Register {
    Register::new(offset, 4, name, RAW)
}
