//! The physical and data link layers: equalization of 8, 16, 32 and 64 GT/s, lane margining,
//! Data Link Feature, alternate protocols, Device 3.
//!
//! Follows PCIe 6.0, 7.7.3 to 7.7.7, 7.7.4 (Data Link Feature), 7.9.20 and 7.7.9.

use super::super::bits::{Field, Register, active_low, bits, dec, flag, hex, text, words};
use super::super::caps::Layout;

fn lanes(mask: u64) -> String {
    if mask == 0 {
        return "0".to_owned();
    }
    let lanes: Vec<String> = (0..32_u8)
        .filter(|lane| bits(mask, *lane, *lane) == 1)
        .map(|lane| lane.to_string())
        .collect();
    format!("LaneErr at lane: {}", lanes.join(" "))
}

pub(crate) const SECONDARY: Layout = Layout::new("Secondary PCI Express", &[
    Register::new(4, 4, "LnkCtl3", &[flag(1, "LnkEquIntrruptEn"), flag(0, "PerformEqu")]),
    Register::new(8, 4, "LaneErrStat", &[text(31, 0, "Lanes", lanes).bare()]),
]);

const COMPLETE: Field = flag(0, "EquComplete");
const PHASE_1: Field = flag(1, "EquPhase1");
const PHASE_2: Field = flag(2, "EquPhase2");
const PHASE_3: Field = flag(3, "EquPhase3");
const REQUEST: Field = flag(4, "LinkEquRequest");

const PARITY: &[Field] = &[text(31, 0, "Lanes", lanes).bare()];

pub(crate) const PHYSICAL_16: Layout = Layout::new("Physical Layer 16.0 GT/s", &[
    Register::new(0x0c, 4, "Phy16Sta", &[COMPLETE, PHASE_1, PHASE_2, PHASE_3, REQUEST]),
    Register::new(0x10, 4, "LocalParity", PARITY).when(|_, v| v != 0),
    Register::new(0x14, 4, "Retimer1Parity", PARITY).when(|_, v| v != 0),
    Register::new(0x18, 4, "Retimer2Parity", PARITY).when(|_, v| v != 0),
]);

pub(crate) const PHYSICAL_32: Layout = Layout::new("Physical Layer 32.0 GT/s", &[
    Register::new(0x04, 4, "Phy32Cap", &[
        flag(0, "EqualizationBypass"),
        flag(1, "NoEqualizationNeeded"),
        flag(8, "ModTsMode0"),
        flag(9, "ModTsMode1"),
        flag(10, "ModTsMode2"),
    ]),
    Register::new(0x08, 4, "Phy32Ctl", &[
        flag(0, "EqualizationBypassDis"),
        flag(1, "NoEqualizationNeededDis"),
        words(
            10,
            8,
            "Modified TS Usage Mode",
            &[
                (0, "PCI Express"),
                (1, "Training Set Messages"),
                (2, "Alternate Protocol Negotiation"),
            ],
            "reserved",
        ),
    ]),
    Register::new(0x0c, 4, "Phy32Sta", &[
        COMPLETE,
        PHASE_1,
        PHASE_2,
        PHASE_3,
        REQUEST,
        words(
            7,
            6,
            "Received Enhanced Link Behavior Control",
            &[
                (0, "Full Equalization required"),
                (1, "Equalization bypass to highest rate support"),
                (2, "No Equalization Needed"),
                (3, "Modified TS1/TS2 Ordered Sets supported"),
            ],
            "",
        ),
        flag(5, "ModTsRecv"),
        flag(8, "TxPrecodeOn"),
        flag(9, "TxPrecodeReq"),
        flag(10, "NoEqualizationNeededRecv"),
    ]),
]);

pub(crate) const PHYSICAL_64: Layout = Layout::new("Physical Layer 64.0 GT/s", &[Register::new(0x0c, 4, "Phy64Sta", &[
    COMPLETE,
    PHASE_1,
    PHASE_2,
    PHASE_3,
    REQUEST,
    flag(5, "TxPrecodeOn"),
    flag(6, "TxPrecodeReq"),
    flag(7, "NoEqualizationNeededRecv"),
])]);

pub(crate) const LANE_MARGINING: Layout = Layout::new("Lane Margining at the Receiver", &[
    Register::new(4, 2, "PortCap", &[flag(0, "Uses Driver")]),
    Register::new(6, 2, "PortSta", &[flag(0, "MargReady"), flag(1, "MargSoftReady")]),
]);

pub(crate) const DATA_LINK_FEATURE: Layout = Layout::new("Data Link Feature", &[
    Register::new(4, 4, "DLFCap", &[
        flag(0, "ScaledFlowControl"),
        hex(22, 0, 6, "Features"),
        flag(31, "ExchangeEnable"),
    ]),
    Register::new(8, 4, "DLFSta", &[
        flag(0, "ScaledFlowControl"),
        hex(22, 0, 6, "Features"),
        flag(31, "RemoteValid"),
    ]),
]);

pub(crate) const ALTERNATE_PROTOCOL: Layout = Layout::new("Alternate Protocol", &[
    Register::new(0x04, 4, "APCap", &[dec(7, 0, "Count"), flag(8, "SelectiveEnable")]),
    Register::new(0x08, 4, "APCtl", &[dec(7, 0, "Index"), flag(8, "GlobalEnable")]),
    Register::new(0x0c, 4, "APData1", &[
        hex(2, 0, 1, "UsageInfo"),
        hex(15, 5, 3, "Details"),
        hex(31, 16, 4, "Vendor"),
    ]),
]);

const EXIT_LATENCY: &[(u64, &str)] = &[
    (0, "Less than 1us"),
    (1, "1us to less than 2us"),
    (2, "2us to less than 4us"),
    (3, "4us to less than 8us"),
    (4, "8us to less than 16us"),
    (5, "16us to less than 32us"),
    (6, "32us-64us"),
    (7, "More than 64us"),
];

/// A link width code of Device 3 and flit registers.
pub(crate) fn width(code: u64) -> String {
    match code {
        0..=4 => format!("x{}", 1 << code),
        7 => "Dynamic".to_owned(),
        _ => format!("Unknown ({code})"),
    }
}

pub(crate) const DEVICE_3: Layout = Layout::new("Device 3", &[
    Register::new(0x04, 4, "DevCap3", &[
        flag(0, "DMWr Request Routing"),
        flag(1, "14-Bit Tag Completer"),
        flag(2, "14-Bit Tag Requester"),
        flag(3, "L0p"),
        words(6, 4, "Port L0p Exit Latency", EXIT_LATENCY, "").when(|_, v| bits(v, 3, 3) == 1),
        words(9, 7, "Retimer L0p Exit Latency", EXIT_LATENCY, "").when(|_, v| bits(v, 3, 3) == 1),
        flag(10, "UIO Mem RdWr Completer"),
        flag(11, "UIO Mem RdWr Requester"),
    ]),
    Register::new(0x08, 2, "DevCtl3", &[
        flag(0, "DMWr Requester"),
        flag(1, "DMWr Egress Blocking"),
        flag(2, "14-Bit Tag Requester"),
        flag(3, "L0p"),
        text(6, 4, "Target Link Width", width),
        flag(7, "UIO Mem RdWr Requester"),
        active_low(8, "UIO Request 256B Boundary"),
    ]),
    Register::new(0x0c, 2, "DevSta3", &[
        text(2, 0, "Initial Link Width", width),
        flag(3, "Segment Captured"),
        flag(4, "Remote L0p"),
    ]),
]);
