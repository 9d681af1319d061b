//! The PCI Express capability (ID 10h): what the function, its link, slot and root port can do,
//! are set to and report. Follows PCIe 6.0, 7.5.3.
//!
//! Which fields mean something depends on the device/port type; the conditions are those of the
//! specification's "applies to" notes.

use super::super::bits::{Context, Field, Register, bits, computed, dec, flag, note, text, words};
use super::super::function::PortType;
use super::Layout;

/// The PCI Express capability.
pub(crate) const EXPRESS: Layout = Layout::new("Express", REGISTERS).heading(FLAGS);

const FLAGS: Register = Register::new(2, 2, "PCIeCap", &[
    text(3, 0, "Version", |v| format!("v{v}")).bare(),
    text(7, 4, "Type", port_name).bare(),
    flag(8, "Slot").when(|cx, _| below(cx)),
    dec(13, 9, "IntMsgNum"),
    note(15, "FLIT Mode Supported"),
]);

/// The device/port type in words.
fn port_name(code: u64) -> String {
    let name = match port_type(code) {
        PortType::Endpoint => "Endpoint",
        PortType::LegacyEndpoint => "Legacy Endpoint",
        PortType::RootPort => "Root Port",
        PortType::UpstreamPort => "Upstream Port",
        PortType::DownstreamPort => "Downstream Port",
        PortType::PciBridge => "PCI-Express to PCI/PCI-X Bridge",
        PortType::PcieBridge => "PCI/PCI-X to PCI-Express Bridge",
        PortType::IntegratedEndpoint => "Root Complex Integrated Endpoint",
        PortType::EventCollector => "Root Complex Event Collector",
        PortType::Unknown(code) => return format!("Unknown type {code}"),
    };
    name.to_owned()
}

/// The device/port type of the PCI Express Capabilities register, bits 7:4.
#[must_use]
pub fn port_type(code: u64) -> PortType {
    match code {
        0 => PortType::Endpoint,
        1 => PortType::LegacyEndpoint,
        4 => PortType::RootPort,
        5 => PortType::UpstreamPort,
        6 => PortType::DownstreamPort,
        7 => PortType::PciBridge,
        8 => PortType::PcieBridge,
        9 => PortType::IntegratedEndpoint,
        10 => PortType::EventCollector,
        _ => PortType::Unknown(u8::try_from(code).unwrap_or(u8::MAX)),
    }
}

fn is(cx: &Context<'_>, types: &[PortType]) -> bool {
    cx.facts.port.is_some_and(|port| types.contains(&port))
}

const RP: PortType = PortType::RootPort;
const UP: PortType = PortType::UpstreamPort;
const DOWN: PortType = PortType::DownstreamPort;
const EP: PortType = PortType::Endpoint;
const LEGACY: PortType = PortType::LegacyEndpoint;
const RCIEP: PortType = PortType::IntegratedEndpoint;
const RCEC: PortType = PortType::EventCollector;
const PCI: PortType = PortType::PciBridge;

/// A port whose link goes away from the root.
fn below(cx: &Context<'_>) -> bool {
    is(cx, &[RP, DOWN, PortType::PcieBridge])
}

fn has_link(cx: &Context<'_>) -> bool {
    !is(cx, &[RCIEP, RCEC])
}

fn has_slot(cx: &Context<'_>) -> bool {
    below(cx) && bits(cx.peek(2, 2), 8, 8) == 1
}

fn second(cx: &Context<'_>) -> bool {
    cx.facts.express_version >= 2
}

fn resets(cx: &Context<'_>) -> bool {
    is(cx, &[EP, LEGACY, RCIEP])
}

fn payload(code: u64) -> String {
    format!("{} bytes", size(code))
}

/// Bytes of a payload or read request size code.
#[must_use]
pub fn size(code: u64) -> u32 {
    let shift = u32::try_from(code).unwrap_or(0);
    128_u32.checked_shl(shift).unwrap_or(0)
}

/// Slot power limit: value in bits 7:0, scale in 9:8 (PCIe 6.0, 7.5.3.9).
fn power(code: u64) -> String {
    let value = bits(code, 7, 0);
    let scale = bits(code, 9, 8);
    let value = match (scale, value) {
        (0, 0xff) => return ">600W".to_owned(),
        (0, 0xf0..=0xfe) => value.saturating_sub(0xf0).saturating_mul(25).saturating_add(250),
        _ => value,
    };
    let divisor = match scale {
        0 => return format!("{value}W"),
        1 => 10,
        2 => 100,
        _ => 1000,
    };
    let digits = usize::try_from(scale).unwrap_or(0);
    let number = format!("{}.{:0digits$}", value / divisor, value % divisor);
    format!("{}W", number.trim_end_matches('0').trim_end_matches('.'))
}

const LATENCY_L0S: &[(u64, &str)] = &[
    (0, "<64ns"),
    (1, "<128ns"),
    (2, "<256ns"),
    (3, "<512ns"),
    (4, "<1us"),
    (5, "<2us"),
    (6, "<4us"),
    (7, "unlimited"),
];
const LATENCY_L1: &[(u64, &str)] = &[
    (0, "<1us"),
    (1, "<2us"),
    (2, "<4us"),
    (3, "<8us"),
    (4, "<16us"),
    (5, "<32us"),
    (6, "<64us"),
    (7, "unlimited"),
];

fn speed(code: u64) -> &'static str {
    match code {
        1 => "2.5GT/s",
        2 => "5GT/s",
        3 => "8GT/s",
        4 => "16GT/s",
        5 => "32GT/s",
        6 => "64GT/s",
        7 => "128GT/s",
        _ => "unknown",
    }
}

/// How the trained value compares with what the same function is capable of.
fn compared(cx: &Context<'_>, trained: u64, capable: u64) -> &'static str {
    if trained > capable {
        " (overdriven)"
    } else if trained < capable && !below(cx) {
        " (downgraded)"
    } else {
        ""
    }
}

fn trained_speed(cx: &Context<'_>, status: u64) -> String {
    let (trained, capable) = (bits(status, 3, 0), bits(cx.peek(0x0c, 4), 3, 0));
    format!("{}{}", speed(trained), compared(cx, trained, capable))
}

fn trained_width(cx: &Context<'_>, status: u64) -> String {
    let (trained, capable) = (bits(status, 9, 4), bits(cx.peek(0x0c, 4), 9, 4));
    format!("x{trained}{}", compared(cx, trained, capable))
}

fn supported_speeds(vector: u64) -> String {
    let highest = (0..7_u8).rev().find(|bit| bits(vector, *bit, *bit) == 1);
    match highest {
        None => "Unknown".to_owned(),
        Some(0) => "2.5GT/s".to_owned(),
        Some(bit) => format!("2.5-{}", speed(u64::from(bit).saturating_add(1))),
    }
}

const INDICATOR: &[(u64, &str)] = &[(0, "Unknown"), (1, "On"), (2, "Blink"), (3, "Off")];
const DEEMPHASIS: &[(u64, &str)] = &[(0, "-6dB"), (1, "-3.5dB")];

const DEVICE_CAPABILITIES: &[Field] = &[
    text(2, 0, "MaxPayload", payload),
    text(4, 3, "PhantFunc", |v| ((1_u32 << (v & 3)) - 1).to_string()),
    words(8, 6, "Latency L0s", LATENCY_L0S, "").when(|cx, _| is(cx, &[EP, LEGACY])),
    words(11, 9, "L1", LATENCY_L1, "").when(|cx, _| is(cx, &[EP, LEGACY])),
    flag(5, "ExtTag"),
    flag(12, "AttnBtn").when(|cx, _| is(cx, &[EP, LEGACY, UP, PCI])),
    flag(13, "AttnInd").when(|cx, _| is(cx, &[EP, LEGACY, UP, PCI])),
    flag(14, "PwrInd").when(|cx, _| is(cx, &[EP, LEGACY, UP, PCI])),
    flag(15, "RBE"),
    flag(28, "FLReset").when(|cx, _| resets(cx)),
    text(27, 18, "SlotPowerLimit", power).when(|cx, _| is(cx, &[EP, UP, PCI])),
    flag(30, "TEE-IO"),
];

const DEVICE_CONTROL: &[Field] = &[
    flag(0, "CorrErr"),
    flag(1, "NonFatalErr"),
    flag(2, "FatalErr"),
    flag(3, "UnsupReq"),
    flag(4, "RlxdOrd"),
    flag(8, "ExtTag"),
    flag(9, "PhantFunc"),
    flag(10, "AuxPwr"),
    flag(11, "NoSnoop"),
    flag(15, "BrConfRtry").when(|cx, _| is(cx, &[PCI])),
    flag(15, "FLReset").when(|cx, _| resets(cx) && bits(cx.peek(4, 4), 28, 28) == 1),
    text(7, 5, "MaxPayload", payload),
    text(14, 12, "MaxReadReq", payload),
];

const LINK_CAPABILITIES: &[Field] = &[
    text(31, 24, "Port", |v| format!("#{v}")),
    text(3, 0, "Speed", |v| speed(v).to_owned()),
    text(9, 4, "Width", |v| format!("x{v}")),
    words(11, 10, "ASPM", &[(0, "not supported"), (1, "L0s"), (2, "L1"), (3, "L0s L1")], ""),
    words(14, 12, "Exit Latency L0s", LATENCY_L0S, "").when(|_, v| bits(v, 10, 10) == 1),
    words(17, 15, "L1", LATENCY_L1, "").when(|_, v| bits(v, 11, 10) == 3),
    words(17, 15, "Exit Latency L1", LATENCY_L1, "").when(|_, v| bits(v, 11, 10) == 2),
    flag(18, "ClockPM"),
    flag(19, "Surprise"),
    flag(20, "LLActRep"),
    flag(21, "BwNot"),
    flag(22, "ASPMOptComp"),
];

const LINK_CONTROL: &[Field] = &[
    words(
        1,
        0,
        "ASPM",
        &[(0, "Disabled"), (1, "L0s Enabled"), (2, "L1 Enabled"), (3, "L0s L1 Enabled")],
        "",
    ),
    words(3, 3, "RCB", &[(0, "64 bytes"), (1, "128 bytes")], "").when(|cx, _| is(cx, &[RP, EP, LEGACY, PCI])),
    flag(4, "LnkDisable"),
    flag(6, "CommClk"),
    flag(7, "ExtSynch"),
    flag(8, "ClockPM"),
    flag(9, "AutWidDis"),
    flag(10, "BWInt"),
    flag(11, "AutBWInt"),
    flag(13, "FltModeDis").when(|cx, _| cx.facts.flit),
];

const SLOT_CAPABILITIES: &[Field] = &[
    flag(0, "AttnBtn"),
    flag(1, "PwrCtrl"),
    flag(2, "MRL"),
    flag(3, "AttnInd"),
    flag(4, "PwrInd"),
    flag(6, "HotPlug"),
    flag(5, "Surprise"),
    text(31, 19, "Slot", |v| format!("#{v}")),
    text(16, 7, "PowerLimit", power),
    flag(17, "Interlock"),
    flag(18, "NoCompl"),
];

const SLOT_CONTROL: &[Field] = &[
    flag(0, "AttnBtn").lead("Enable"),
    flag(1, "PwrFlt").lead("Enable"),
    flag(2, "MRL").lead("Enable"),
    flag(3, "PresDet").lead("Enable"),
    flag(4, "CmdCplt").lead("Enable"),
    flag(5, "HPIrq").lead("Enable"),
    flag(12, "LinkChg").lead("Enable"),
    words(7, 6, "AttnInd", INDICATOR, "").lead("Control"),
    words(9, 8, "PwrInd", INDICATOR, "").lead("Control"),
    flag(10, "Power").lead("Control"),
    flag(11, "Interlock").lead("Control"),
];

const SLOT_STATUS: &[Field] = &[
    flag(0, "AttnBtn").lead("Status"),
    flag(1, "PowerFlt").lead("Status"),
    flag(5, "MRL").lead("Status"),
    flag(4, "CmdCplt").lead("Status"),
    flag(6, "PresDet").lead("Status"),
    flag(7, "Interlock").lead("Status"),
    flag(2, "MRL").lead("Changed"),
    flag(3, "PresDet").lead("Changed"),
    flag(8, "LinkState").lead("Changed"),
];

const TIMEOUT_RANGES: &[(u64, &str)] = &[
    (0, "Not Supported"),
    (1, "Range A"),
    (2, "Range B"),
    (3, "Range AB"),
    (6, "Range BC"),
    (7, "Range ABC"),
    (14, "Range BCD"),
    (15, "Range ABCD"),
];
const TIMEOUTS: &[(u64, &str)] = &[
    (0, "50us to 50ms"),
    (1, "50us to 100us"),
    (2, "1ms to 10ms"),
    (5, "16ms to 55ms"),
    (6, "65ms to 210ms"),
    (9, "260ms to 900ms"),
    (10, "1s to 3.5s"),
    (13, "4s to 13s"),
    (14, "17s to 64s"),
];

fn tph_completer(cx: &Context<'_>, value: u64) -> bool {
    is(cx, &[RP, EP]) && bits(value, 13, 12) != 2
}

fn atomic_completer(cx: &Context<'_>) -> bool {
    is(cx, &[RP]) || cx.facts.memory_bar
}

const DEVICE_CAPABILITIES_2: &[Field] = &[
    words(3, 0, "Completion Timeout", TIMEOUT_RANGES, "Unknown"),
    flag(4, "TimeoutDis"),
    flag(10, "NROPrPrP"),
    flag(11, "LTR"),
    flag(16, "10BitTagComp"),
    flag(17, "10BitTagReq"),
    words(
        19,
        18,
        "OBFF",
        &[(1, "Via message"), (2, "Via WAKE#"), (3, "Via message/WAKE#")],
        "Not Supported",
    ),
    flag(20, "ExtFmt"),
    flag(21, "EETLPPrefix"),
    text(23, 22, "MaxEETLPPrefixes", |v| if v == 0 { 4 } else { v }.to_string()).when(|_, v| bits(v, 21, 21) == 1),
    words(
        25,
        24,
        "EmergencyPowerReduction",
        &[(1, "Dev Specific"), (2, "Form Factor Dev Specific"), (3, "Reserved")],
        "Not Supported",
    ),
    flag(26, "EmergencyPowerReductionInit"),
    flag(31, "FRS"),
    words(
        15,
        14,
        "LN System CLS",
        &[(1, "64byte cachelines"), (2, "128byte cachelines"), (3, "Reserved")],
        "Not Supported",
    )
    .when(|cx, _| is(cx, &[RP])),
    flag(12, "TPHComp").when(tph_completer),
    flag(13, "ExtTPHComp").when(tph_completer),
    flag(5, "ARIFwd").when(|cx, _| is(cx, &[RP, DOWN])),
    flag(6, "Routing").lead("AtomicOpsCap").when(|cx, _| is(cx, &[RP, UP, DOWN])),
    flag(7, "32bit").lead("AtomicOpsCap").when(|cx, _| atomic_completer(cx)),
    flag(8, "64bit").lead("AtomicOpsCap").when(|cx, _| atomic_completer(cx)),
    flag(9, "128bitCAS").lead("AtomicOpsCap").when(|cx, _| atomic_completer(cx)),
];

const DEVICE_CONTROL_2: &[Field] = &[
    words(3, 0, "Completion Timeout", TIMEOUTS, "Unknown"),
    flag(4, "TimeoutDis"),
    flag(5, "ARIFwd").when(|cx, _| is(cx, &[RP, DOWN])),
    flag(6, "ReqEn").lead("AtomicOpsCtl").when(|cx, _| is(cx, &[RP, EP, RCIEP, LEGACY])),
    flag(7, "EgressBlck").lead("AtomicOpsCtl").when(|cx, _| is(cx, &[RP, UP, DOWN])),
    flag(8, "IDOReq"),
    flag(9, "IDOCompl"),
    flag(10, "LTR"),
    flag(11, "EmergencyPowerReductionReq"),
    flag(12, "10BitTagReq"),
    words(
        14,
        13,
        "OBFF",
        &[(0, "Disabled"), (1, "Via message A"), (2, "Via message B"), (3, "Via WAKE#")],
        "",
    ),
    flag(15, "EETLPPrefixBlk"),
];

const PRESETS: &[(u64, &str)] = &[
    (0, "-6dB de-emphasis, 0dB preshoot"),
    (1, "-3.5dB de-emphasis, 0dB preshoot"),
    (2, "-4.4dB de-emphasis, 0dB preshoot"),
    (3, "-2.5dB de-emphasis, 0dB preshoot"),
    (4, "0dB de-emphasis, 0dB preshoot"),
    (5, "0dB de-emphasis, 1.9dB preshoot"),
    (6, "0dB de-emphasis, 2.5dB preshoot"),
    (7, "-6.0dB de-emphasis, 3.5dB preshoot"),
    (8, "-3.5dB de-emphasis, 3.5dB preshoot"),
    (9, "0dB de-emphasis, 3.5dB preshoot"),
];
const LOW_MARGIN: &str = "200-400mV(full-swing)/100-200mV(half-swing)";
const MARGINS: &[(u64, &str)] = &[
    (0, "Normal Operating Range"),
    (1, "800-1200mV(full-swing)/400-700mV(half-swing)"),
    (2, LOW_MARGIN),
    (3, LOW_MARGIN),
    (4, LOW_MARGIN),
    (5, LOW_MARGIN),
];

const LINK_CONTROL_2: &[Field] = &[
    // 0 is what a device of 2.5 GT/s may hard-wire
    text(3, 0, "Target Link Speed", |v| match v {
        0 => speed(1).to_owned(),
        1..=7 => speed(v).to_owned(),
        _ => "Unknown".to_owned(),
    }),
    flag(4, "EnterCompliance"),
    flag(5, "SpeedDis"),
    words(6, 6, "Selectable De-emphasis", DEEMPHASIS, "").when(|cx, _| is(cx, &[DOWN])),
    words(9, 7, "Transmit Margin", MARGINS, "Unknown"),
    flag(10, "EnterModifiedCompliance"),
    flag(11, "ComplianceSOS"),
    words(15, 12, "Compliance Preset/De-emphasis", PRESETS, "Unknown"),
];

/// Downstream Component Presence is told where DRS is supported.
fn reports_presence(cx: &Context<'_>, _: u64) -> bool {
    below(cx) && bits(cx.peek(0x2c, 4), 31, 31) == 1
}

const LINK_STATUS_2: &[Field] = &[
    words(0, 0, "Current De-emphasis Level", DEEMPHASIS, ""),
    flag(1, "EqualizationComplete"),
    flag(2, "EqualizationPhase1"),
    flag(3, "EqualizationPhase2"),
    flag(4, "EqualizationPhase3"),
    flag(5, "LinkEqualizationRequest"),
    flag(6, "Retimer"),
    flag(7, "2Retimers"),
    words(
        9,
        8,
        "CrosslinkRes",
        &[(0, "unsupported"), (1, "Upstream Port"), (2, "Downstream Port")],
        "incomplete",
    ),
    flag(10, "FltMode").when(|cx, _| cx.facts.flit),
    flag(15, "DRS").when(reports_presence),
    words(
        14,
        12,
        "DownstreamComp",
        &[
            (0, "Link Down - Not Determined"),
            (1, "Link Down - Not Present"),
            (2, "Link Down - Present"),
            (4, "Link Up - Present"),
            (5, "Link Up - Present and DRS Received"),
        ],
        "Reserved",
    )
    .when(reports_presence),
];

const REGISTERS: &[Register] = &[
    Register::new(0x04, 4, "DevCap", DEVICE_CAPABILITIES),
    Register::new(0x08, 2, "DevCtl", DEVICE_CONTROL),
    Register::new(0x0a, 2, "DevSta", &[
        flag(0, "CorrErr"),
        flag(1, "NonFatalErr"),
        flag(2, "FatalErr"),
        flag(3, "UnsupReq"),
        flag(4, "AuxPwr"),
        flag(5, "TransPend"),
    ]),
    Register::new(0x0c, 4, "LnkCap", LINK_CAPABILITIES).when(|cx, _| has_link(cx)),
    Register::new(0x10, 2, "LnkCtl", LINK_CONTROL).when(|cx, _| has_link(cx)),
    Register::new(0x12, 2, "LnkSta", &[
        computed(3, 0, "Speed", trained_speed),
        computed(9, 4, "Width", trained_width),
        flag(10, "TrErr"),
        flag(11, "Train"),
        flag(12, "SlotClk"),
        flag(13, "DLActive"),
        flag(14, "BWMgmt"),
        flag(15, "ABWMgmt"),
    ])
    .when(|cx, _| has_link(cx)),
    Register::new(0x14, 4, "SltCap", SLOT_CAPABILITIES).when(|cx, _| has_slot(cx)),
    Register::new(0x18, 2, "SltCtl", SLOT_CONTROL).when(|cx, _| has_slot(cx)),
    Register::new(0x1a, 2, "SltSta", SLOT_STATUS).when(|cx, _| has_slot(cx)),
    Register::new(0x1e, 2, "RootCap", &[flag(0, "CRSVisible")]).when(|cx, _| is(cx, &[RP, RCEC])),
    Register::new(0x1c, 2, "RootCtl", &[
        flag(0, "ErrCorrectable"),
        flag(1, "ErrNon-Fatal"),
        flag(2, "ErrFatal"),
        flag(3, "PMEIntEna"),
        flag(4, "CRSVisible"),
    ])
    .when(|cx, _| is(cx, &[RP, RCEC])),
    Register::new(0x20, 4, "RootSta", &[
        text(15, 0, "PME ReqID", |v| format!("{v:04x}")),
        flag(16, "PMEStatus"),
        flag(17, "PMEPending"),
    ])
    .when(|cx, _| is(cx, &[RP, RCEC])),
    Register::new(0x24, 4, "DevCap2", DEVICE_CAPABILITIES_2).when(|cx, _| second(cx)),
    Register::new(0x28, 2, "DevCtl2", DEVICE_CONTROL_2).when(|cx, _| second(cx)),
    // reserved, and so 0, before PCIe 3.0
    Register::new(0x2c, 4, "LnkCap2", &[
        text(7, 1, "Supported Link Speeds", supported_speeds),
        flag(8, "Crosslink"),
        flag(23, "Retimer"),
        flag(24, "2Retimers"),
        flag(31, "DRS"),
    ])
    .when(|cx, value| second(cx) && has_link(cx) && value != 0),
    Register::new(0x30, 2, "LnkCtl2", LINK_CONTROL_2).when(|cx, _| second(cx) && has_link(cx)),
    Register::new(0x32, 2, "LnkSta2", LINK_STATUS_2).when(|cx, _| second(cx) && has_link(cx)),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slot_power_limits_follow_value_and_scale() {
        assert_eq!(power(75), "75W");
        assert_eq!(power(0x1fa), "25W");
        assert_eq!(power(0x1ff), "25.5W");
        assert_eq!(power(0x30a), "0.01W");
        assert_eq!(power(0xf0), "250W");
        assert_eq!(power(0xfe), "600W");
        assert_eq!(power(0xff), ">600W");
        assert_eq!(power(0x100), "0W");
    }

    #[test]
    fn speed_vector_names_the_range() {
        assert_eq!(supported_speeds(0), "Unknown");
        assert_eq!(supported_speeds(1), "2.5GT/s");
        assert_eq!(supported_speeds(0b1_1111), "2.5-32GT/s");
        assert_eq!(supported_speeds(0b111_1111), "2.5-128GT/s");
    }
}
