//! Integrity and Data Encryption: link streams, selective streams and what is bound to them.
//! Follows PCIe 6.0, 7.9.26; XT and TEE-Limited bits of PCIe 6.1 ECNs.

use super::super::bits::{Field, Register, bits, computed, dec, flag, hex, note, text, words};
use super::super::caps::{Layout, Sink};

pub(crate) const INTEGRITY_AND_ENCRYPTION: Layout = Layout::new("Integrity & Data Encryption", &[
    Register::new(0x04, 4, "IDECap", &[
        computed(15, 13, "Lnk", |_, v| links(v).to_string()),
        computed(23, 16, "Sel", |_, v| selectives(v).to_string()),
        flag(2, "FlowThru"),
        flag(3, "PartHdr"),
        flag(4, "Aggr"),
        flag(5, "PCPC"),
        flag(6, "IDE_KM"),
        flag(7, "SelCfg"),
        text(12, 8, "Alg", algorithm),
        text(15, 13, "TCs", |v| v.saturating_add(1).to_string()),
        flag(24, "TeeLim"),
        flag(25, "XT"),
    ]),
    Register::new(0x08, 4, "IDECtl", &[flag(2, "FTEn")]),
])
.more(streams);

fn links(capability: u64) -> u64 {
    if bits(capability, 0, 0) == 1 { bits(capability, 15, 13).saturating_add(1) } else { 0 }
}

fn selectives(capability: u64) -> u64 {
    if bits(capability, 1, 1) == 1 { bits(capability, 23, 16).saturating_add(1) } else { 0 }
}

fn algorithm(code: u64) -> String {
    if code == 0 { "'AES-GCM-256-96b'" } else { "'reserved'" }.to_owned()
}

fn aggregation(name: &str, code: u64) -> String {
    match code {
        0 => format!("{name}-"),
        _ => format!("{name}={}", 1 << (code & 3)),
    }
}

const HEADER_ENCRYPTION: &[(u64, &str)] = &[(0, "no"), (1, "17:2"), (2, "25:2"), (3, "33:2"), (4, "41:2")];
const STATES: &[(u64, &str)] = &[(0, "insecure"), (1, "reserved"), (2, "secure")];

const ENABLE: Field = flag(0, "En");
const EXTENDED: Field = flag(1, "XT");
const NPR: Field = text(3, 2, "NPR", |v| aggregation("NPR", v)).bare();
const PR: Field = text(5, 4, "PR", |v| aggregation("PR", v)).bare();
const CPL: Field = text(7, 6, "CPL", |v| aggregation("CPL", v)).bare();
const PCRC: Field = flag(8, "PCRC");
const HEADER: Field = words(13, 10, "HdrEnc", HEADER_ENCRYPTION, "reserved");
const ALGORITHM: Field = text(18, 14, "Alg", algorithm);
const CLASS: Field = text(21, 19, "TC", |v| format!("TC{v}")).bare();
const STREAM: Field = text(31, 24, "ID", |v| format!("ID{v}")).bare();

const LINK_CONTROL: Register = Register::new(0, 4, "Ctl", &[
    ENABLE, EXTENDED, NPR, PR, CPL, PCRC, HEADER, ALGORITHM, CLASS, STREAM,
]);
const LINK_STATUS: Register = Register::new(4, 4, "Sta", &[
    words(3, 0, "Status", STATES, "reserved"),
    flag(31, "RecvChkFail"),
]);
const SELECTIVE_CAPABILITY: Register = Register::new(0, 4, "Cap", &[dec(3, 0, "RID#")]);
const SELECTIVE_CONTROL: Register = Register::new(4, 4, "Ctl", &[
    ENABLE,
    EXTENDED,
    NPR,
    PR,
    CPL,
    PCRC,
    flag(9, "CFG"),
    HEADER,
    ALGORITHM,
    CLASS,
    flag(23, "TeeLim"),
    STREAM,
    note(22, "Default"),
]);
const SELECTIVE_STATUS: Register = Register::new(8, 4, "Sta", &[
    words(3, 0, "Status", STATES, "reserved").bare(),
    flag(31, "RecvChkFail"),
]);
/// Both RID association registers: the limit is in the first, all else in the second.
const SELECTIVE_RID: Register = Register::new(12, 8, "RID", &[
    flag(32, "Valid"),
    hex(55, 40, 1, "Base"),
    hex(23, 8, 1, "Limit"),
    hex(63, 56, 1, "SegBase"),
]);
const ADDRESS: Register = Register::new(0, 4, "Address", &[
    flag(0, "Valid"),
    computed(19, 8, "Base", |cx, v| format!("{:x}", cx.peek(8, 4) << 32 | bits(v, 19, 8) << 20)),
    computed(31, 20, "Limit", |cx, v| format!("{:x}", cx.peek(4, 4) << 32 | bits(v, 31, 20) << 20 | 0xf_ffff)),
]);

fn streams(sink: &mut Sink<'_>) {
    let capability = sink.cx.peek(4, 4);
    let mut at: usize = 0x0c;
    for link in 0..links(capability) {
        if !sink.push_at(&LINK_CONTROL, at, Some(format!("LinkIDE#{link} Ctl"))) {
            return;
        }
        sink.push_at(&LINK_STATUS, at, Some(format!("LinkIDE#{link} Sta")));
        at = at.saturating_add(8);
    }
    for stream in 0..selectives(capability) {
        let addresses = bits(sink.cx.peek(at, 4), 3, 0);
        let name = |part: &str| Some(format!("SelectiveIDE#{stream} {part}"));
        if !sink.push_at(&SELECTIVE_CAPABILITY, at, name("Cap")) {
            return;
        }
        sink.push_at(&SELECTIVE_CONTROL, at, name("Ctl"));
        sink.push_at(&SELECTIVE_STATUS, at, name("Sta"));
        sink.push_at(&SELECTIVE_RID, at, name("RID"));
        at = at.saturating_add(20);
        for address in 0..addresses {
            if !sink.push_at(&ADDRESS, at, name(&format!("RID#{address}"))) {
                return;
            }
            at = at.saturating_add(12);
        }
    }
}
