//! HyperTransport capability blocks (ID 08h). Follows HyperTransport I/O Link 3.10, chapter 7.
//!
//! The upper bits of the command register say which block it is; the two interface blocks have
//! more registers since revision 1.02 (22h).

use super::super::bits::{Context, Field, Register, bits, computed, dec, flag, hex, text, words};
use super::{Layout, Sink};

/// Which HyperTransport block this is.
pub(crate) fn layout(cx: &Context<'_>) -> &'static Layout {
    let command = cx.peek(2, 2);
    match bits(command, 15, 13) {
        0 => return &SLAVE,
        1 => return &HOST,
        _ => {}
    }
    match bits(command, 15, 11) {
        0b01000 => &SWITCH,
        0b10000 => &INTERRUPTS,
        0b10001 => &REVISION,
        0b10010 => &CLUMPING,
        0b10011 => &CONFIGURATION,
        0b10100 => &MAPPING,
        0b10101 => &MSI_MAPPING,
        0b10110 => &DIRECT_ROUTE,
        0b10111 => &VC_SET,
        0b11000 => &RETRY,
        0b11001 => &X86,
        _ => &OTHER,
    }
}

const SWITCH: Layout = Layout::named("HyperTransport: Switch");
const INTERRUPTS: Layout = Layout::named("HyperTransport: Interrupt Discovery and Configuration");
const CLUMPING: Layout = Layout::named("HyperTransport: UnitID Clumping");
const CONFIGURATION: Layout = Layout::named("HyperTransport: Extended Configuration Space Access");
const MAPPING: Layout = Layout::named("HyperTransport: Address Mapping");
const DIRECT_ROUTE: Layout = Layout::named("HyperTransport: DirectRoute");
const VC_SET: Layout = Layout::named("HyperTransport: VCSet");
const RETRY: Layout = Layout::named("HyperTransport: Retry Mode");
const X86: Layout = Layout::named("HyperTransport: X86 (reserved)");
const OTHER: Layout = Layout::named("HyperTransport").heading(Register::new(2, 2, "HTCmd", &[text(15, 11, "Type", |v| {
    format!("#{v:02x}")
})
.bare()]));

const REVISION: Layout = Layout::new("HyperTransport", &[]).heading(Register::new(2, 2, "HTCmd", &[REVISION_ID]));

const REVISION_ID: Field = computed(7, 0, "Revision ID", |_, v| revision(v));

fn revision(value: u64) -> String {
    format!("{}.{:02}", bits(value, 7, 5), bits(value, 4, 0))
}

const MSI_MAPPING: Layout = Layout::new("HyperTransport: MSI Mapping", &[Register::new(
    4,
    8,
    "Mapping Address Base",
    &[computed(63, 20, "Base", |_, v| format!("{:016x}", v & !0xf_ffff)).bare()],
)
.when(|cx, _| bits(cx.peek(2, 2), 1, 1) == 0)])
.heading(Register::new(2, 2, "HTCmd", &[flag(0, "Enable"), flag(1, "Fixed")]));

const SLAVE: Layout = Layout::new("HyperTransport: Slave or Primary Interface", &[]).more(slave);
const HOST: Layout = Layout::new("HyperTransport: Host or Secondary Interface", &[]).more(host);

/// Registers of the later revisions are there from 1.02 on.
fn later(sink: &Sink<'_>, at: usize) -> bool {
    sink.cx.peek(at, 1) >= 0x22
}

fn slave(sink: &mut Sink<'_>) {
    let later = later(sink, 12);
    sink.push(if later { &SLAVE_COMMAND } else { &SLAVE_COMMAND_1 });
    for (link, at) in [(0, 4), (1, 8)] {
        let control = if later { &LINK_CONTROL } else { &LINK_CONTROL_1 };
        sink.push_at(control, at, Some(format!("Link Control {link}")));
        let config = if later { &LINK_CONFIG } else { &LINK_CONFIG_1 };
        sink.push_at(config, at, Some(format!("Link Config {link}")));
    }
    sink.push_at(&REVISION_BYTE, 12, None);
    if !later {
        return;
    }
    for (link, at) in [(0, 13), (1, 17)] {
        sink.push_at(&FREQUENCY, at, Some(format!("Link Frequency {link}")));
        sink.push_at(&ERRORS, at, Some(format!("Link Error {link}")));
        sink.push_at(&FREQUENCIES, at, Some(format!("Link Frequency Capability {link}")));
        if link == 0 {
            sink.push_at(&SLAVE_FEATURES, 16, None);
        }
    }
    sink.push_at(&ERROR_HANDLING, 22, None);
    sink.push_at(&UPPER, 24, None);
    sink.push_at(&BUS_NUMBER, 26, None);
}

fn host(sink: &mut Sink<'_>) {
    let later = later(sink, 8);
    sink.push(if later { &HOST_COMMAND } else { &HOST_COMMAND_1 });
    sink.push_at(if later { &LINK_CONTROL } else { &LINK_CONTROL_1 }, 4, None);
    sink.push_at(if later { &LINK_CONFIG } else { &LINK_CONFIG_1 }, 4, None);
    sink.push_at(&REVISION_BYTE, 8, None);
    if !later {
        return;
    }
    sink.push_at(&FREQUENCY, 9, None);
    sink.push_at(&ERRORS, 9, None);
    sink.push_at(&FREQUENCIES, 9, None);
    sink.push_at(&HOST_FEATURES, 12, None);
    if bits(sink.cx.peek(12, 2), 8, 8) == 1 {
        sink.push_at(&ERROR_HANDLING, 18, None);
        sink.push_at(&UPPER, 20, None);
    }
}

const SLAVE_COMMAND_1: Register = Register::new(2, 2, "Command", &[
    dec(4, 0, "BaseUnitID"),
    dec(9, 5, "UnitCnt"),
    flag(10, "MastHost"),
    flag(11, "DefDir"),
]);
const SLAVE_COMMAND: Register = Register::new(2, 2, "Command", &[
    dec(4, 0, "BaseUnitID"),
    dec(9, 5, "UnitCnt"),
    flag(10, "MastHost"),
    flag(11, "DefDir"),
    flag(12, "DUL"),
]);
const HOST_COMMAND_1: Register = Register::new(2, 2, "Command", &[flag(0, "WarmRst"), flag(1, "DblEnd")]);
const HOST_COMMAND: Register = Register::new(2, 2, "Command", &[
    flag(0, "WarmRst"),
    flag(1, "DblEnd"),
    dec(6, 2, "DevNum"),
    flag(7, "ChainSide"),
    flag(8, "HostHide"),
    flag(10, "Slave"),
    flag(11, "<EOCErr"),
    flag(12, "DUL"),
]);

const LINK_CONTROL_1: Register = Register::new(0, 2, "Link Control", &[
    flag(1, "CFlE"),
    flag(2, "CST"),
    flag(3, "CFE"),
    flag(4, "<LkFail"),
    flag(5, "Init"),
    flag(6, "EOC"),
    flag(7, "TXO"),
    hex(11, 8, 1, "<CRCErr"),
]);
const LINK_CONTROL: Register = Register::new(0, 2, "Link Control", &[
    flag(1, "CFlE"),
    flag(2, "CST"),
    flag(3, "CFE"),
    flag(4, "<LkFail"),
    flag(5, "Init"),
    flag(6, "EOC"),
    flag(7, "TXO"),
    hex(11, 8, 1, "<CRCErr"),
    flag(12, "IsocEn"),
    flag(13, "LSEn"),
    flag(14, "ExtCTL"),
    flag(15, "64b"),
]);

const WIDTHS: &[(u64, &str)] = &[
    (0, "8bit"),
    (1, "16bit"),
    (2, "[2]"),
    (3, "32bit"),
    (4, "2bit"),
    (5, "4bit"),
    (6, "[6]"),
    (7, "N/C"),
];

const LINK_CONFIG_1: Register = Register::new(2, 2, "Link Config", &[
    words(2, 0, "MLWI", WIDTHS, ""),
    words(6, 4, "MLWO", WIDTHS, ""),
    words(10, 8, "LWI", WIDTHS, ""),
    words(14, 12, "LWO", WIDTHS, ""),
]);
const LINK_CONFIG: Register = Register::new(2, 2, "Link Config", &[
    words(2, 0, "MLWI", WIDTHS, ""),
    flag(3, "DwFcIn"),
    words(6, 4, "MLWO", WIDTHS, ""),
    flag(7, "DwFcOut"),
    words(10, 8, "LWI", WIDTHS, ""),
    flag(11, "DwFcInEn"),
    words(14, 12, "LWO", WIDTHS, ""),
    flag(15, "DwFcOutEn"),
]);

const REVISION_BYTE: Register = Register::new(0, 1, "Revision ID", &[computed(7, 0, "Revision", |_, v| revision(v)).bare()]);

const FREQUENCY: Register = Register::new(0, 1, "Link Frequency", &[text(3, 0, "Frequency", |v| {
    match v {
        0 => "200MHz",
        1 => "300MHz",
        2 => "400MHz",
        3 => "500MHz",
        4 => "600MHz",
        5 => "800MHz",
        6 => "1.0GHz",
        7 => "1.2GHz",
        8 => "1.4GHz",
        9 => "1.6GHz",
        15 => "Vend",
        _ => return format!("[{v:x}]"),
    }
    .to_owned()
})
.bare()]);
const ERRORS: Register = Register::new(0, 1, "Link Error", &[
    flag(4, "<Prot"),
    flag(5, "<Ovfl"),
    flag(6, "<EOC"),
    flag(7, "CTLTm"),
]);
const FREQUENCIES: Register = Register::new(1, 2, "Link Frequency Capability", &[
    flag(0, "200MHz"),
    flag(1, "300MHz"),
    flag(2, "400MHz"),
    flag(3, "500MHz"),
    flag(4, "600MHz"),
    flag(5, "800MHz"),
    flag(6, "1.0GHz"),
    flag(7, "1.2GHz"),
    flag(8, "1.4GHz"),
    flag(9, "1.6GHz"),
    flag(15, "Vend"),
]);
const SLAVE_FEATURES: Register = Register::new(0, 1, "Feature Capability", &[
    flag(0, "IsocFC"),
    flag(1, "LDTSTOP"),
    flag(2, "CRCTM"),
    flag(3, "ECTLT"),
    flag(4, "64bA"),
    flag(5, "UIDRD"),
]);
const HOST_FEATURES: Register = Register::new(0, 2, "Feature Capability", &[
    flag(0, "IsocFC"),
    flag(1, "LDTSTOP"),
    flag(2, "CRCTM"),
    flag(3, "ECTLT"),
    flag(4, "64bA"),
    flag(5, "UIDRD"),
    flag(8, "ExtRS"),
    flag(9, "UCnfE"),
]);
const ERROR_HANDLING: Register = Register::new(0, 2, "Error Handling", &[
    flag(0, "PFlE"),
    flag(1, "OFlE"),
    flag(2, "PFE"),
    flag(3, "OFE"),
    flag(4, "EOCFE"),
    flag(5, "RFE"),
    flag(6, "CRCFE"),
    flag(7, "SERRFE"),
    flag(8, "CF"),
    flag(9, "RE"),
    flag(10, "PNFE"),
    flag(11, "ONFE"),
    flag(12, "EOCNFE"),
    flag(13, "RNFE"),
    flag(14, "CRCNFE"),
    flag(15, "SERRNFE"),
]);
const UPPER: Register = Register::new(0, 2, "Prefetchable memory behind bridge Upper", &[computed(15, 0, "Upper", |_, v| {
    format!("{:02x}-{:02x}", bits(v, 7, 0), bits(v, 15, 8))
})
.bare()]);
const BUS_NUMBER: Register = Register::new(0, 1, "Bus Number", &[hex(7, 0, 2, "Bus").bare()]);
