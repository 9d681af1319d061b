//! Error reporting: AER, Downstream Port Containment, event collector, FRS queueing.
//! Follows PCIe 6.0, 7.8.4, 7.9.14, 7.9.10 and 7.8.9.

use super::super::bits::{Context, Field, Register, bits, dec, flag, hex, text, words};
use super::super::caps::Layout;
use super::super::function::PortType;

/// Uncorrectable errors: the same bits in status, mask and severity.
const UNCORRECTABLE: &[Field] = &[
    flag(4, "DLP"),
    flag(5, "SDES"),
    flag(12, "TLP"),
    flag(13, "FCP"),
    flag(14, "CmpltTO"),
    flag(15, "CmpltAbrt"),
    flag(16, "UnxCmplt"),
    flag(17, "RxOF"),
    flag(18, "MalfTLP"),
    flag(19, "ECRC"),
    flag(20, "UnsupReq"),
    flag(21, "ACSViol"),
    flag(22, "UncorrIntErr"),
    flag(23, "BlockedTLP"),
    flag(24, "AtomicOpBlocked"),
    flag(25, "TLPBlockedErr"),
    flag(26, "PoisonTLPBlocked"),
    flag(27, "DMWrReqBlocked"),
    flag(28, "IDECheck"),
    flag(29, "MisIDETLP"),
    flag(30, "PCRC_CHECK"),
    flag(31, "TLPXlatBlocked"),
];

/// Correctable errors: the same bits in status and mask.
const CORRECTABLE: &[Field] = &[
    flag(0, "RxErr"),
    flag(6, "BadTLP"),
    flag(7, "BadDLLP"),
    flag(8, "Rollover"),
    flag(12, "Timeout"),
    flag(13, "AdvNonFatalErr"),
    flag(14, "CorrIntErr"),
    flag(15, "HeaderOF"),
];

fn collects(cx: &Context<'_>, _: u64) -> bool {
    matches!(cx.facts.port, Some(PortType::RootPort | PortType::EventCollector))
}

pub(crate) const ADVANCED_ERROR_REPORTING: Layout = Layout::new("Advanced Error Reporting", &[
    Register::new(0x04, 4, "UESta", UNCORRECTABLE),
    Register::new(0x08, 4, "UEMsk", UNCORRECTABLE),
    Register::new(0x0c, 4, "UESvrt", UNCORRECTABLE),
    Register::new(0x10, 4, "CESta", CORRECTABLE),
    Register::new(0x14, 4, "CEMsk", CORRECTABLE),
    Register::new(0x18, 4, "AERCap", &[
        hex(4, 0, 2, "First Error Pointer"),
        flag(5, "ECRCGenCap"),
        flag(6, "ECRCGenEn"),
        flag(7, "ECRCChkCap"),
        flag(8, "ECRCChkEn"),
        flag(9, "MultHdrRecCap"),
        flag(10, "MultHdrRecEn"),
        flag(11, "TLPPfxPres"),
        flag(12, "HdrLogCap"),
    ]),
    Register::new(0x1c, 4, "HeaderLog", DOUBLE_WORD),
    Register::new(0x20, 4, "HeaderLog1", DOUBLE_WORD).unlabelled(),
    Register::new(0x24, 4, "HeaderLog2", DOUBLE_WORD).unlabelled(),
    Register::new(0x28, 4, "HeaderLog3", DOUBLE_WORD).unlabelled(),
    Register::new(0x2c, 4, "RootCmd", &[flag(0, "CERptEn"), flag(1, "NFERptEn"), flag(2, "FERptEn")]).when(collects),
    Register::new(0x30, 4, "RootSta", &[
        flag(0, "CERcvd"),
        flag(1, "MultCERcvd"),
        flag(2, "UERcvd"),
        flag(3, "MultUERcvd"),
        flag(4, "FirstFatal"),
        flag(5, "NonFatalMsg"),
        flag(6, "FatalMsg"),
        dec(31, 27, "IntMsgNum"),
    ])
    .when(collects),
    Register::new(0x34, 4, "ErrorSrc", &[
        hex(15, 0, 4, "ERR_COR"),
        hex(31, 16, 4, "ERR_FATAL/NONFATAL"),
    ])
    .when(collects),
]);

const DOUBLE_WORD: &[Field] = &[hex(31, 0, 8, "DW").bare()];

pub(crate) const CONTAINMENT: Layout = Layout::new("Downstream Port Containment", &[
    Register::new(0x04, 2, "DpcCap", &[
        dec(4, 0, "IntMsgNum"),
        flag(5, "RPExt"),
        flag(6, "PoisonedTLP"),
        flag(7, "SwTrigger"),
        dec(11, 8, "RP PIO Log"),
        flag(12, "DL_ActiveErr"),
    ]),
    Register::new(0x06, 2, "DpcCtl", &[
        hex(1, 0, 1, "Trigger"),
        flag(2, "Cmpl"),
        flag(3, "INT"),
        flag(4, "ErrCor"),
        flag(5, "PoisonedTLP"),
        flag(6, "SwTrigger"),
        flag(7, "DL_ActiveErr"),
    ]),
    Register::new(0x08, 2, "DpcSta", &[
        flag(0, "Trigger"),
        hex(2, 1, 2, "Reason"),
        flag(3, "INT"),
        flag(4, "RPBusy"),
        hex(6, 5, 2, "TriggerExt"),
        hex(12, 8, 2, "RP PIO ErrPtr"),
    ]),
    Register::new(0x0a, 2, "Source", &[hex(15, 0, 4, "Source").bare()]),
]);

/// Device numbers of a bitmap as ranges: `1, 4-6`.
fn devices(bitmap: u64) -> String {
    if bitmap == 0 {
        return "00000000 [none]".to_owned();
    }
    let mut ranges: Vec<(u8, u8)> = Vec::new();
    for device in (0..32_u8).filter(|device| bits(bitmap, *device, *device) == 1) {
        match ranges.last_mut() {
            Some((_, last)) if last.saturating_add(1) == device => *last = device,
            _ => ranges.push((device, device)),
        }
    }
    let ranges: Vec<String> = ranges
        .iter()
        .map(|(first, last)| if first == last { first.to_string() } else { format!("{first}-{last}") })
        .collect();
    format!("RCiEP at Device(s): {}", ranges.join(", "))
}

pub(crate) const EVENT_COLLECTOR: Layout = Layout::new("Root Complex Event Collector Endpoint Association", &[
    Register::new(0x04, 4, "RCiEPBitmap", &[text(31, 0, "Devices", devices).bare()]),
    Register::new(0x08, 4, "AssociatedBusNumbers", &[text(23, 8, "Buses", |v| {
        let (next, last) = (bits(v, 7, 0), bits(v, 15, 8));
        let none = if (next, last) == (0xff, 0) { " [none]" } else { "" };
        format!("{next:02x}-{last:02x}{none}")
    })
    .bare()])
    .when(|cx, _| bits(cx.peek(0, 4), 19, 16) >= 2),
]);

pub(crate) const FUNCTION_READINESS: Layout = Layout::new("FRS Queueing", &[
    Register::new(0x04, 4, "FRSCap", &[dec(11, 0, "MaxDepth"), dec(20, 16, "IntMsgNum")]),
    Register::new(0x08, 2, "FRSSta", &[flag(0, "Received"), flag(1, "Overflow")]),
    Register::new(0x0a, 2, "FRSCtl", &[flag(0, "IntEn")]),
    Register::new(0x0c, 4, "FRSQueue", &[
        hex(15, 0, 4, "FunctionID"),
        words(
            19,
            16,
            "Reason",
            &[
                (1, "DRS message received"),
                (2, "D3hot to D0 transition completed"),
                (3, "FLR completed"),
                (8, "VF enable completed"),
                (9, "VF disable completed"),
            ],
            "reserved",
        ),
        dec(31, 20, "Depth"),
    ]),
]);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bitmap_of_devices_prints_as_ranges() {
        assert_eq!(devices(0), "00000000 [none]");
        assert_eq!(devices(0b0111_0010), "RCiEP at Device(s): 1, 4-6");
        assert_eq!(devices(0xffff_ffff), "RCiEP at Device(s): 0-31");
    }
}
