//! Power and time: LTR, L1 substates, power budgeting, DPA, PTM, readiness time.
//! Follows PCIe 6.0, 7.8.2, 7.8.3, 7.8.1, 7.9.12, 7.9.15 and 7.9.16.

use super::super::bits::{Context, Field, Register, bits, computed, dec, flag, hex, text, words};
use super::super::caps::{Layout, Sink};

/// A latency of LTR encoding: value in bits 9:0, in steps of 32^scale ns.
fn latency(code: u64) -> String {
    format!("{}ns", scaled(bits(code, 9, 0), bits(code, 12, 10)))
}

fn scaled(value: u64, scale: u64) -> u64 {
    let shift = u32::try_from(scale.saturating_mul(5)).unwrap_or(0);
    value.checked_shl(shift).unwrap_or(0)
}

pub(crate) const LATENCY_TOLERANCE: Layout = Layout::new("Latency Tolerance Reporting", &[
    Register::new(4, 2, "Max snoop latency", &[text(12, 0, "Latency", latency).bare()]),
    Register::new(6, 2, "Max no snoop latency", &[text(12, 0, "Latency", latency).bare()]),
]);

/// T_POWER_ON: scale in bits 1:0, value in 7:3.
fn power_on(code: u64) -> String {
    let unit = match bits(code, 1, 0) {
        0 => 2,
        1 => 10,
        2 => 100,
        _ => return "<error>".to_owned(),
    };
    format!("{}us", bits(code, 7, 3).saturating_mul(unit))
}

fn has_l12(cx: &Context<'_>, _: u64) -> bool {
    let capability = cx.peek(4, 4);
    bits(capability, 0, 0) == 1 || bits(capability, 2, 2) == 1
}

pub(crate) const L1_SUBSTATES: Layout = Layout::new("L1 PM Substates", &[
    Register::new(4, 4, "L1SubCap", &[
        flag(0, "PCI-PM_L1.2"),
        flag(1, "PCI-PM_L1.1"),
        flag(2, "ASPM_L1.2"),
        flag(3, "ASPM_L1.1"),
        flag(4, "L1_PM_Substates"),
        text(15, 8, "PortCommonModeRestoreTime", |v| format!("{v}us")).when(has_l12),
        text(23, 16, "PortTPowerOnTime", power_on).when(has_l12),
    ]),
    Register::new(8, 4, "L1SubCtl1", &[
        flag(0, "PCI-PM_L1.2"),
        flag(1, "PCI-PM_L1.1"),
        flag(2, "ASPM_L1.2"),
        flag(3, "ASPM_L1.1"),
        text(15, 8, "T_CommonMode", |v| format!("{v}us")).when(has_l12),
        computed(31, 16, "LTR1.2_Threshold", |_, v| match bits(v, 31, 29) {
            scale @ 0..=5 => format!("{}ns", scaled(bits(v, 25, 16), scale)),
            _ => "<error>".to_owned(),
        })
        .when(|cx, _| bits(cx.peek(4, 4), 2, 2) == 1),
    ]),
    Register::new(12, 4, "L1SubCtl2", &[text(7, 0, "T_PwrOn", power_on).when(has_l12)]),
]);

fn granularity(code: u64, none: &str) -> String {
    match code {
        0 => none.to_owned(),
        0xff => "Greater than 254ns".to_owned(),
        _ => format!("{code}ns"),
    }
}

pub(crate) const PRECISION_TIME: Layout = Layout::new("Precision Time Measurement", &[
    Register::new(4, 4, "PTMCap", &[flag(0, "Requester"), flag(1, "Responder"), flag(2, "Root")]),
    Register::new(4, 4, "PTMClockGranularity", &[text(15, 8, "Granularity", |v| granularity(v, "Unimplemented")).bare()]),
    Register::new(8, 4, "PTMControl", &[flag(0, "Enabled"), flag(1, "RootSelected")]),
    Register::new(8, 4, "PTMEffectiveGranularity", &[text(15, 8, "Granularity", |v| granularity(v, "Unknown")).bare()]),
]);

/// Only the entry that the Data Select register points at can be read.
pub(crate) const BUDGETING: Layout = Layout::new("Power Budgeting", &[
    Register::new(4, 1, "PBSel", &[dec(7, 0, "Index")]),
    Register::new(8, 4, "PBData", &[
        computed(9, 0, "BasePower", |_, v| base_power(bits(v, 7, 0), bits(v, 9, 8))),
        dec(12, 10, "PM sub-state"),
        text(14, 13, "PM state", |v| format!("D{v}")),
        words(
            17,
            15,
            "Type",
            &[
                (0, "PME Aux"),
                (1, "Auxiliary"),
                (2, "Idle"),
                (3, "Sustained"),
                (4, "Sustained - EPRS"),
                (5, "Maximum - EPRS"),
                (7, "Maximum"),
            ],
            "reserved",
        ),
        words(
            20,
            18,
            "Rail",
            &[(0, "12V"), (1, "3.3V"), (2, "1.5V or 1.8V"), (7, "thermal")],
            "reserved",
        ),
    ]),
    Register::new(12, 1, "PBCap", &[flag(0, "SystemAllocated")]),
]);

fn base_power(value: u64, scale: u64) -> String {
    let divisor = match scale {
        0 => return format!("{value}W"),
        1 => 10,
        2 => 100,
        _ => 1000,
    };
    let digits = usize::try_from(scale).unwrap_or(0);
    format!("{}.{:0digits$}W", value / divisor, value % divisor)
}

const SUBSTATE: &[Field] = &[dec(4, 0, "Substate")];

pub(crate) const DYNAMIC_ALLOCATION: Layout = Layout::new("Dynamic Power Allocation", &[
    Register::new(4, 4, "DPACap", &[
        dec(4, 0, "SubstateMax"),
        words(9, 8, "LatencyUnit", &[(0, "1ms"), (1, "10ms"), (2, "100ms")], "reserved"),
        words(13, 12, "PowerScale", &[(0, "10W"), (1, "1W"), (2, "0.1W"), (3, "0.01W")], ""),
        dec(23, 16, "Latency0"),
        dec(31, 24, "Latency1"),
    ]),
    Register::new(8, 4, "DPALatency", &[hex(31, 0, 8, "Indicator")]),
    Register::new(12, 2, "DPASta", &[dec(4, 0, "Substate"), flag(8, "ControlEnabled")]),
    Register::new(14, 2, "DPACtl", SUBSTATE),
])
.more(allocations);

const ALLOCATION: Register = Register::new(16, 1, "Power", &[dec(7, 0, "Power").bare()]);

fn allocations(sink: &mut Sink<'_>) {
    for substate in 0..=bits(sink.cx.peek(4, 4), 4, 0) {
        let delta = usize::try_from(substate).unwrap_or(0);
        if !sink.push_at(&ALLOCATION, delta, Some(format!("Substate {substate} power"))) {
            return;
        }
    }
}

/// A time of Readiness Time Reporting: value in bits 8:0, in steps of 32^scale ns.
fn readiness(code: u64) -> String {
    format!("{}ns", scaled(bits(code, 8, 0), bits(code, 11, 9)))
}

pub(crate) const READINESS_TIME: Layout = Layout::new("Readiness Time Reporting", &[
    Register::new(4, 4, "RTR1", &[
        text(11, 0, "Reset", readiness),
        text(23, 12, "DL_Up", readiness),
        flag(31, "Valid"),
    ]),
    Register::new(8, 4, "RTR2", &[text(11, 0, "FLR", readiness), text(23, 12, "D3hotToD0", readiness)]),
]);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latencies_scale_by_powers_of_32() {
        assert_eq!(latency(0x1003), "3145728ns");
        assert_eq!(latency(0x0005), "5ns");
        assert_eq!(power_on(0x29), "50us");
        assert_eq!(power_on(0x2b), "<error>");
        assert_eq!(readiness(0x801), "1048576ns");
    }
}
