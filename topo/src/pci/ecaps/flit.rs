//! Flit mode: error logging and error injection. Follows PCIe 6.1, 7.8.12 and 7.8.13.

use super::super::bits::{Field, Register, dec, flag, hex, text, words};
use super::super::caps::Layout;
use super::physical::width;

pub(crate) const LOGGING: Layout = Layout::new("Flit Logging", &[
    Register::new(0x04, 4, "Log1", &[
        flag(0, "Valid"),
        text(3, 1, "Link Width", width),
        flag(13, "More entries"),
        flag(14, "Unrecognized flit"),
        flag(15, "FEC uncorrectable"),
        hex(23, 16, 2, "SyndParityGrp0"),
        hex(31, 24, 2, "SyndCheckGrp0"),
    ]),
    Register::new(0x08, 4, "Log2", &[
        hex(7, 0, 2, "SyndParityGrp1"),
        hex(15, 8, 2, "SyndCheckGrp1"),
        hex(23, 16, 2, "SyndParityGrp2"),
        hex(31, 24, 2, "SyndCheckGrp2"),
    ]),
    Register::new(0x0c, 2, "CntCtl", &[
        flag(0, "Flit Error Counter En"),
        flag(1, "Flit Error Counter Interrupt En"),
        dec(3, 2, "Events to count"),
        hex(11, 4, 2, "Trigger Event on Error Count"),
    ]),
    Register::new(0x0e, 2, "CntSts", &[
        text(2, 0, "Link Width when Error Counter Started", width),
        flag(3, "Interrupt Generated based on Trigger Event Count"),
        dec(15, 8, "FlitErr"),
    ]),
    Register::new(0x10, 4, "MeasCtl", &[
        flag(0, "En"),
        words(3, 2, "Granularity", &[(0, "all"), (1, "even"), (2, "odd"), (3, "mismatch")], ""),
    ]),
    Register::new(0x14, 4, "MeasSts1", &[dec(31, 0, "Flit Counter")]),
    Register::new(0x18, 4, "MeasSts2", &[dec(15, 0, "Invalid Flit Counter")]),
    Register::new(0x1c, 4, "MeasSts3", &[dec(15, 0, "Lane0"), dec(31, 16, "Lane1")]),
    Register::new(0x20, 4, "MeasSts4", &[dec(15, 0, "Lane2"), dec(31, 16, "Lane3")]),
    Register::new(0x24, 4, "MeasSts5", &[dec(15, 0, "Lane4"), dec(31, 16, "Lane5")]),
    Register::new(0x28, 4, "MeasSts6", &[dec(15, 0, "Lane6"), dec(31, 16, "Lane7")]),
    Register::new(0x2c, 4, "MeasSts7", &[dec(15, 0, "Lane8"), dec(31, 16, "Lane9")]),
    Register::new(0x30, 4, "MeasSts8", &[dec(15, 0, "Lane10"), dec(31, 16, "Lane11")]),
    Register::new(0x34, 4, "MeasSts9", &[dec(15, 0, "Lane12"), dec(31, 16, "Lane13")]),
    Register::new(0x38, 4, "MeasSts10", &[dec(15, 0, "Lane14"), dec(31, 16, "Lane15")]),
]);

const PROGRESS: &[(u64, &str)] = &[(0, "not started"), (1, "started"), (2, "completed"), (3, "error")];

const ORDERED_SETS: &[Field] = &[
    words(1, 0, "TS0", PROGRESS, ""),
    words(3, 2, "TS1", PROGRESS, ""),
    words(5, 4, "TS2", PROGRESS, ""),
    words(7, 6, "SKP", PROGRESS, ""),
    words(9, 8, "EIEOS", PROGRESS, ""),
    words(11, 10, "EIOS", PROGRESS, ""),
    words(13, 12, "SDS", PROGRESS, ""),
    words(15, 14, "Polling", PROGRESS, ""),
    words(17, 16, "Configuration", PROGRESS, ""),
    words(19, 18, "L0", PROGRESS, ""),
    words(21, 20, "non-EQ recovery", PROGRESS, ""),
    words(23, 22, "Eq01", PROGRESS, ""),
    words(25, 24, "Eq2", PROGRESS, ""),
    words(27, 26, "Eq3", PROGRESS, ""),
];

pub(crate) const ERROR_INJECTION: Layout = Layout::new("Flit Error Injection", &[
    Register::new(0x08, 4, "FlitEiCtl1", &[
        flag(0, "En"),
        flag(1, "Tx"),
        flag(2, "Rx"),
        flag(6, "2.5GT/s"),
        flag(7, "5.0GT/s"),
        flag(8, "8.0GT/s"),
        flag(9, "16.0GT/s"),
        flag(10, "32.0GT/s"),
        flag(11, "64.0GT/s"),
        dec(20, 16, "Number of errors"),
        dec(28, 21, "Spacing between errors"),
        words(
            31,
            29,
            "Flit Type",
            &[
                (0, "any"),
                (1, "any non-IDLE"),
                (2, "only payload"),
                (3, "only NOP"),
                (4, "only IDLE"),
                (5, "only payload+seq"),
                (6, "only payload+1seq"),
            ],
            "reserved",
        ),
    ]),
    Register::new(0x0c, 4, "FlitEiCtl2", &[
        text(2, 0, "Consecutive", |v| match v {
            0 => "none".to_owned(),
            7 => "pseudo-random".to_owned(),
            _ => v.to_string(),
        }),
        words(
            4,
            3,
            "Type",
            &[
                (0, "random"),
                (1, "correctable single group"),
                (2, "correctable three groups"),
                (3, "uncorrectable"),
            ],
            "",
        ),
        dec(11, 5, "Offset"),
        dec(19, 12, "Magnitude"),
    ]),
    Register::new(0x10, 4, "FlitEiSts", &[words(1, 0, "Tx", PROGRESS, ""), words(3, 2, "Rx", PROGRESS, "")]),
    Register::new(0x14, 4, "FlitEiOsCtl1", &[
        flag(0, "En"),
        flag(1, "Tx"),
        flag(2, "Rx"),
        flag(16, "TS0"),
        flag(17, "TS1"),
        flag(18, "TS2"),
        flag(19, "SKP"),
        flag(20, "EIEOS"),
        flag(21, "EIOS"),
        flag(22, "SDS"),
        flag(23, "Poll"),
        flag(24, "Conf"),
        flag(25, "L0"),
        flag(26, "NoEq"),
        flag(27, "Eq01"),
        flag(28, "Eq2"),
        flag(29, "Eq3"),
    ]),
    Register::new(0x18, 4, "FlitEiOsCtl2", &[hex(15, 0, 4, "Bytes"), hex(31, 16, 4, "Lanes")]),
    Register::new(0x1c, 4, "FlitEiOsTx", ORDERED_SETS),
    Register::new(0x20, 4, "FlitEiOsRx", ORDERED_SETS),
]);
