//! How requests travel: ACS, ARI, virtual channels, multicast, links of the root complex.
//! Follows PCIe 6.0, 7.7.7, 7.8.8, 7.9.1, 7.9.2, 7.9.11, 7.9.8, 7.9.9 and 7.9.7.

use super::super::bits::{Context, Field, Register, bits, computed, dec, flag, hex, text, words};
use super::super::caps::{Layout, Sink};
use super::super::function::PortType;

const CONTROLS: &[Field] = &[
    flag(0, "SrcValid"),
    flag(1, "TransBlk"),
    flag(2, "ReqRedir"),
    flag(3, "CmpltRedir"),
    flag(4, "UpstreamFwd"),
    flag(5, "EgressCtrl"),
    flag(6, "DirectTrans"),
];

pub(crate) const ACCESS_CONTROL: Layout = Layout::new("Access Control Services", &[
    Register::new(4, 2, "ACSCap", CONTROLS),
    Register::new(6, 2, "ACSCtl", CONTROLS),
]);

pub(crate) const ALTERNATIVE_ROUTING: Layout = Layout::new("Alternative Routing-ID Interpretation (ARI)", &[
    Register::new(4, 2, "ARICap", &[flag(0, "MFVC"), flag(1, "ACS"), dec(15, 8, "Next Function")]),
    Register::new(6, 2, "ARICtl", &[flag(0, "MFVC"), flag(1, "ACS"), dec(6, 4, "Function Group")]),
]);

pub(crate) const VIRTUAL_CHANNEL: Layout = Layout::new("Virtual Channel", VC_PORT).more(virtual_channels);
pub(crate) const MULTI_FUNCTION_VIRTUAL_CHANNEL: Layout =
    Layout::new("Multi-Function Virtual Channel", VC_PORT).more(virtual_channels);

fn arbitration(code: u64) -> String {
    match code {
        0 => "Fixed".to_owned(),
        1 => "WRR32".to_owned(),
        2 => "WRR64".to_owned(),
        3 => "WRR128".to_owned(),
        _ => format!("??{code}"),
    }
}

fn port_arbitration(code: u64) -> String {
    match code {
        4 => "TWRR128".to_owned(),
        5 => "WRR256".to_owned(),
        _ => arbitration(code),
    }
}

const VC_PORT: &[Register] = &[
    Register::new(4, 4, "Caps", &[
        dec(6, 4, "LPEVC"),
        text(9, 8, "RefClk", |v| if v == 0 { "100ns".to_owned() } else { format!("??{v}") }),
        text(11, 10, "PATEntryBits", |v| (1 << (v & 3)).to_string()),
    ]),
    Register::new(8, 4, "Arb", &[
        flag(0, "Fixed"),
        flag(1, "WRR32"),
        flag(2, "WRR64"),
        flag(3, "WRR128"),
        text(31, 24, "Table at", |v| format!("+{:x}", v.saturating_mul(16))).when(|_, v| bits(v, 31, 24) != 0),
    ]),
    Register::new(12, 2, "Ctrl", &[text(3, 1, "ArbSelect", arbitration)]),
    Register::new(14, 2, "Status", &[flag(0, "InProgress")]),
];

const VC_CAPS: Register = Register::new(0, 4, "Caps", &[
    hex(31, 24, 2, "PATOffset"),
    text(22, 16, "MaxTimeSlots", |v| v.saturating_add(1).to_string()),
    flag(15, "RejSnoopTrans"),
]);
const VC_ARB: Register = Register::new(0, 4, "Arb", &[
    flag(0, "Fixed"),
    flag(1, "WRR32"),
    flag(2, "WRR64"),
    flag(3, "WRR128"),
    flag(4, "TWRR128"),
    flag(5, "WRR256"),
]);
const VC_CTRL: Register = Register::new(4, 4, "Ctrl", &[
    flag(31, "Enable"),
    dec(26, 24, "ID"),
    text(19, 17, "ArbSelect", port_arbitration),
    hex(7, 0, 2, "TC/VC"),
]);
const VC_STATUS: Register = Register::new(10, 2, "Status", &[flag(1, "NegoPending"), flag(0, "InProgress")]);

fn virtual_channels(sink: &mut Sink<'_>) {
    let mut at: usize = 16;
    for channel in 0..=bits(sink.cx.peek(4, 4), 2, 0) {
        if !sink.push_at(&VC_CAPS, at, Some(format!("VC{channel} Caps"))) {
            return;
        }
        sink.push_at(&VC_ARB, at, None);
        sink.push_at(&VC_CTRL, at, None);
        sink.push_at(&VC_STATUS, at, None);
        at = at.saturating_add(12);
    }
}

fn consumes(cx: &Context<'_>) -> bool {
    matches!(cx.facts.port, Some(PortType::Endpoint | PortType::IntegratedEndpoint))
}

fn forwards(cx: &Context<'_>) -> bool {
    matches!(
        cx.facts.port,
        Some(PortType::RootPort | PortType::UpstreamPort | PortType::DownstreamPort)
    )
}

fn power_of_two(exponent: u64) -> String {
    let value = u32::try_from(exponent).ok().and_then(|exponent| 1_u64.checked_shl(exponent));
    format!("{} bytes", value.unwrap_or(0))
}

const VECTOR: &[Field] = &[hex(63, 0, 16, "Vector").bare()];

pub(crate) const MULTICAST: Layout = Layout::new("Multicast", &[
    Register::new(0x04, 2, "McastCap", &[
        text(5, 0, "MaxGroups", |v| v.saturating_add(1).to_string()),
        text(13, 8, "WindowSz", |v| format!("{v} ({})", power_of_two(v))).when(|cx, _| consumes(cx)),
        flag(15, "ECRCRegen").when(|cx, _| forwards(cx)),
    ]),
    Register::new(0x06, 2, "McastCtl", &[
        text(5, 0, "NumGroups", |v| v.saturating_add(1).to_string()),
        flag(15, "Enable"),
    ]),
    Register::new(0x08, 8, "McastBAR", &[
        dec(5, 0, "IndexPos"),
        computed(63, 12, "BaseAddr", |_, v| format!("{:016x}", v & !0xfff)),
    ]),
    Register::new(0x10, 8, "McastReceiveVec", VECTOR),
    Register::new(0x18, 8, "McastBlockAllVec", VECTOR),
    Register::new(0x20, 8, "McastBlockUntransVec", VECTOR),
    Register::new(0x28, 8, "McastOverlayBAR", &[
        text(5, 0, "OverlaySize", |v| {
            let size = if v >= 6 { power_of_two(v) } else { "disabled".to_owned() };
            format!("{v} ({size})")
        }),
        computed(63, 6, "BaseAddr", |_, v| format!("{:016x}", v & !0x3f)),
    ])
    .when(|cx, _| !consumes(cx)),
]);

pub(crate) const ROOT_COMPLEX_LINK: Layout = Layout::new("Root Complex Link", &[Register::new(4, 4, "Desc", &[
    hex(31, 24, 2, "PortNumber"),
    hex(23, 16, 2, "ComponentID"),
    text(7, 0, "EltType", |v| match v {
        0 => "Config".to_owned(),
        1 => "Egress".to_owned(),
        2 => "Internal".to_owned(),
        _ => format!("??{v}"),
    }),
])])
.more(root_complex_links);

const LINK_DESCRIPTION: Register = Register::new(0, 4, "Desc", &[
    hex(31, 24, 2, "TargetPort"),
    hex(23, 16, 2, "TargetComponent"),
    flag(2, "AssocRCRB"),
    words(1, 1, "LinkType", &[(0, "MemMapped"), (1, "Config")], ""),
    flag(0, "LinkValid"),
]);
const LINK_ADDRESS: Register = Register::new(8, 8, "Addr", &[computed(63, 0, "Addr", link_address).bare()]);

fn link_address(cx: &Context<'_>, address: u64) -> String {
    if bits(cx.peek(0, 4), 1, 1) == 0 {
        return format!("{address:016x}");
    }
    let buses = match bits(address, 2, 0) {
        0 => 8,
        bits => u8::try_from(bits).unwrap_or(8),
    };
    format!(
        "{:02x}:{:02x}.{}  CfgSpace={address:016x}",
        bits(address, buses.saturating_add(19), 20),
        bits(address, 19, 15),
        bits(address, 14, 12),
    )
}

fn root_complex_links(sink: &mut Sink<'_>) {
    let mut at: usize = 16;
    for link in 0..bits(sink.cx.peek(4, 4), 15, 8) {
        if !sink.push_at(&LINK_DESCRIPTION, at, Some(format!("Link{link} Desc"))) {
            return;
        }
        sink.push_at(&LINK_ADDRESS, at, None);
        at = at.saturating_add(16);
    }
}

pub(crate) const ROOT_COMPLEX_INTERNAL_LINK: Layout = Layout::new("Root Complex Internal Link", &[
    Register::new(4, 4, "LnkCap", &[dec(3, 0, "Speed code"), dec(9, 4, "Width code"), dec(11, 10, "ASPM")]),
    Register::new(8, 2, "LnkCtl", &[dec(1, 0, "ASPM"), flag(7, "ExtSynch")]),
    Register::new(10, 2, "LnkSta", &[dec(3, 0, "Speed code"), dec(9, 4, "Width code")]),
]);

pub(crate) const ROOT_COMPLEX_REGISTERS: Layout = Layout::new("Root Complex Register Block", &[
    Register::new(4, 4, "ID", &[hex(15, 0, 4, "Vendor"), hex(31, 16, 4, "Device")]),
    Register::new(8, 4, "RCRBCap", &[flag(0, "CRSVisible")]),
    Register::new(12, 4, "RCRBCtl", &[flag(0, "CRSVisible")]),
]);
