//! Designated vendor-specific capabilities of the CXL Consortium (vendor 1E98h).
//! Follows CXL 3.1, chapter 8.1; each DVSEC ID is one structure.

use super::super::bits::{Context, Register, bits, computed, dec, flag, hex, text, words};
use super::super::caps::Sink;

/// Whether a DVSEC header belongs to CXL and is long enough to say what it is.
pub(crate) fn is(vendor: u64, length: u64) -> bool {
    vendor == 0x1e98 && length >= 16
}

/// Length of a DVSEC from its header.
fn length(cx: &Context<'_>) -> u64 {
    bits(cx.peek(4, 4), 31, 20)
}

/// Revision of a DVSEC from its header.
fn revision(cx: &Context<'_>) -> u64 {
    bits(cx.peek(4, 4), 19, 16)
}

const KIND: Register = Register::new(8, 2, "DVSECID", &[text(15, 0, "Kind", |id| {
    match id {
        0 => "PCIe DVSEC for CXL Devices",
        2 => "Non-CXL Function Map DVSEC",
        3 => "CXL Extensions DVSEC for Ports",
        4 => "GPF DVSEC for CXL Ports",
        5 => "GPF DVSEC for CXL Devices",
        7 => "PCIe DVSEC for Flex Bus Port",
        8 => "Register Locator DVSEC",
        9 => "MLD DVSEC",
        0xa => "PCIe DVSEC for Test Capability",
        _ => return format!("Unknown ID {id:04x}"),
    }
    .to_owned()
})
.bare()])
.unlabelled();

/// Decodes the CXL structure of this DVSEC.
pub(crate) fn decode(sink: &mut Sink<'_>) {
    sink.push(&KIND);
    let registers: &[Register] = match sink.cx.peek(8, 2) {
        0 => DEVICE,
        2 => FUNCTION_MAP,
        3 => PORT,
        4 => GPF_PORT,
        5 => GPF_DEVICE,
        7 => FLEX_BUS,
        8 => return blocks(sink),
        9 => LOGICAL_DEVICES,
        _ => &[],
    };
    for register in registers {
        sink.push(register);
    }
}

/// The layout of revision 0 (CXL 1.1) is another one.
fn device_1(cx: &Context<'_>, _: u64) -> bool {
    revision(cx) >= 1 && length(cx) >= 0x38
}

fn device_2(cx: &Context<'_>, _: u64) -> bool {
    revision(cx) >= 2 && length(cx) >= 0x3c
}

const DEVICE: &[Register] = &[
    Register::new(0x0a, 2, "CXLCap", &[
        flag(0, "Cache"),
        flag(1, "IO"),
        flag(2, "Mem"),
        flag(3, "MemHWInit"),
        dec(5, 4, "HDMCount"),
        flag(14, "Viral"),
    ])
    .when(device_1),
    Register::new(0x0c, 2, "CXLCtl", &[
        flag(0, "Cache"),
        flag(1, "IO"),
        flag(2, "Mem"),
        dec(7, 3, "CacheSFCov"),
        dec(10, 8, "CacheSFGran"),
        flag(11, "CacheClean"),
        flag(14, "Viral"),
    ])
    .when(device_1),
    Register::new(0x0e, 2, "CXLSta", &[flag(14, "Viral")]).when(device_1),
    Register::new(0x10, 2, "CXLCtl2", &[
        flag(0, "DisableCaching"),
        flag(1, "InitCacheWB&Inval"),
        flag(2, "InitRst"),
        flag(3, "RstMemClrEn"),
        flag(4, "DesiredVolatileHDMStateAfterHotReset").when(|cx, _| revision(cx) >= 2),
    ])
    .when(device_1),
    Register::new(0x12, 2, "CXLSta2", &[
        flag(1, "ResetComplete"),
        flag(2, "ResetError"),
        flag(15, "PMComplete"),
    ])
    .when(device_1),
    Register::new(0x16, 2, "CXLCap2", &[computed(15, 0, "Cache", |_, v| {
        let size = bits(v, 15, 8);
        match bits(v, 3, 0) {
            0 => "Cache Size Not Reported".to_owned(),
            1 => format!("Cache Size: {:08x}", size << 16),
            2 => format!("Cache Size: {:08x}", size << 20),
            unit => format!("Cache Size: {size} of unknown unit size ({unit})"),
        }
    })
    .bare()])
    .when(device_1),
    Register::new(0x18, 8, "Range1", &[RANGE[0], RANGE[1], RANGE[2], RANGE[3], RANGE[4], RANGE[5], RANGE[6]])
        .when(device_1),
    Register::new(0x28, 8, "Range2", &[RANGE2, RANGE[1], RANGE[2], RANGE[3], RANGE[4], RANGE[5], RANGE[6]])
        .when(device_1),
    Register::new(0x38, 2, "CXLCap3", &[
        flag(0, "ColdReset").lead("DefaultVolatile HDM State After"),
        flag(1, "WarmReset").lead("DefaultVolatile HDM State After"),
        flag(2, "HotReset").lead("DefaultVolatile HDM State After"),
        flag(3, "HotResetConfigurability").lead("DefaultVolatile HDM State After"),
    ])
    .when(device_2),
];

/// High halves come first in CXL ranges, so the low word's bits stand 32 higher.
const RANGE: [super::super::bits::Field; 7] = [
    computed(63, 60, "Range", |cx, v| range(v, cx.peek(0x20, 8))).bare(),
    flag(32, "Valid"),
    flag(33, "Active"),
    words(
        36,
        34,
        "Type",
        &[(0, "Volatile"), (1, "Non-volatile"), (2, "CDAT")],
        "reserved",
    ),
    words(39, 37, "Class", &[(0, "DRAM"), (1, "Storage"), (2, "CDAT")], "reserved"),
    words(
        44,
        40,
        "interleave",
        &[
            (0, "0"),
            (1, "256"),
            (2, "4096"),
            (3, "512"),
            (4, "1024"),
            (5, "2048"),
            (6, "8192"),
            (7, "16384"),
        ],
        "reserved",
    ),
    text(47, 45, "timeout", |v| format!("{}s", 1_u32 << (v.min(7) * 2))),
];
const RANGE2: super::super::bits::Field = computed(63, 60, "Range", |cx, v| range(v, cx.peek(0x30, 8))).bare();

/// First and last byte of a range whose size and base are stored high half first.
fn range(size: u64, base: u64) -> String {
    let size = size.rotate_left(32) & !0x0fff_ffff;
    let base = base.rotate_left(32);
    let last = base.wrapping_add(size).wrapping_sub(1);
    format!("{base:016x}-{last:016x} [size=0x{size:x}]")
}

const PORT: &[Register] = &[
    Register::new(0x0a, 2, "CXLPortSta", &[flag(0, "PMComplete")]),
    Register::new(0x0c, 2, "CXLPortCtl", &[
        flag(0, "UnmaskSBR"),
        flag(1, "UnmaskLinkDisable"),
        flag(2, "AltMem"),
        flag(3, "AltBME"),
        flag(14, "ViralEnable"),
    ]),
    Register::new(0x0e, 2, "AlternateBus", &[computed(15, 0, "Buses", |_, v| {
        format!("{:02x}-{:02x}", bits(v, 7, 0), bits(v, 15, 8))
    })
    .bare()]),
    Register::new(0x10, 4, "AlternateMem", &[computed(31, 0, "Memory", |_, v| {
        format!("{:04x}-{:04x}", bits(v, 15, 0), bits(v, 31, 16))
    })
    .bare()]),
];

fn blocks(sink: &mut Sink<'_>) {
    let end = usize::try_from(length(&sink.cx)).unwrap_or(0);
    let mut at: usize = 0x0c;
    let mut index: usize = 1;
    while at.saturating_add(8) <= end {
        if bits(sink.cx.peek(at, 4), 15, 8) != 0 && !sink.push_at(&BLOCK, at, Some(format!("Block{index}"))) {
            return;
        }
        at = at.saturating_add(8);
        index = index.saturating_add(1);
    }
}

const BLOCK: Register = Register::new(0, 8, "Block", &[
    text(2, 0, "BIR", |v| format!("bar{v}")),
    words(
        15,
        8,
        "ID",
        &[
            (1, "component registers"),
            (2, "BAR virtualization"),
            (3, "CXL device registers"),
            (4, "CPMU registers"),
            (0xff, "vendor-specific"),
        ],
        "<?>",
    ),
    computed(63, 16, "offset", |_, v| format!("{:016x}", v & !0xffff)),
]);

/// Time base in bits 3:0, scale in 11:8, from 1 us to 10 s.
fn duration(code: u64) -> String {
    let base = bits(code, 3, 0);
    let (factor, unit) = match bits(code, 11, 8) {
        0 => (1, "us"),
        1 => (10, "us"),
        2 => (100, "us"),
        3 => (1, "ms"),
        4 => (10, "ms"),
        5 => (100, "ms"),
        6 => (1, "s"),
        7 => (10, "s"),
        scale => return format!("{base} of reserved time scale {scale:x}"),
    };
    format!("{}{unit}", base.saturating_mul(factor))
}

const GPF_DEVICE: &[Register] = &[
    Register::new(0x0a, 2, "GPF Phase 2 Duration", &[text(15, 0, "Duration", duration).bare()]),
    Register::new(0x0c, 4, "GPF Phase 2 Power", &[text(31, 0, "Power", |v| format!("{v}mW")).bare()]),
];
const GPF_PORT: &[Register] = &[
    Register::new(0x0c, 2, "GPF Phase 1 Timeout", &[text(15, 0, "Timeout", duration).bare()]),
    Register::new(0x0e, 2, "GPF Phase 2 Timeout", &[text(15, 0, "Timeout", duration).bare()]),
];

const FLEX_BUS: &[Register] = &[
    Register::new(0x0a, 2, "FBCap", &[
        flag(0, "Cache"),
        flag(1, "IO"),
        flag(2, "Mem"),
        flag(5, "68BFlit"),
        flag(6, "MltLogDev"),
        flag(13, "256BFlit").when(|cx, _| revision(cx) > 1),
        flag(14, "PBRFlit").when(|cx, _| revision(cx) > 1),
    ]),
    Register::new(0x0c, 2, "FBCtl", &[
        flag(0, "Cache"),
        flag(1, "IO"),
        flag(2, "Mem"),
        flag(3, "SynHdrByp"),
        flag(4, "DrftBuf"),
        flag(5, "68BFlit"),
        flag(6, "MltLogDev"),
        flag(7, "RCD"),
        flag(8, "Retimer1"),
        flag(9, "Retimer2"),
        flag(13, "256BFlit").when(|cx, _| revision(cx) > 1),
        flag(14, "PBRFlit").when(|cx, _| revision(cx) > 1),
    ]),
    Register::new(0x0e, 2, "FBSta", &[
        flag(0, "Cache"),
        flag(1, "IO"),
        flag(2, "Mem"),
        flag(3, "SynHdrByp"),
        flag(4, "DrftBuf"),
        flag(5, "68BFlit"),
        flag(6, "MltLogDev"),
        flag(13, "256BFlit").when(|cx, _| revision(cx) > 1),
        flag(14, "PBRFlit").when(|cx, _| revision(cx) > 1),
    ]),
    Register::new(0x10, 4, "FBModTS", &[hex(23, 0, 6, "Received FB Data")]).when(|cx, _| revision(cx) >= 1),
    Register::new(0x14, 4, "FBCap2", &[flag(0, "NOPHint")]).when(|cx, _| revision(cx) >= 2),
    Register::new(0x18, 4, "FBCtl2", &[flag(0, "NOPHint")]).when(|cx, _| revision(cx) >= 2),
    Register::new(0x1c, 4, "FBSta2", &[hex(1, 0, 1, "NOPHintInfo")]).when(|cx, _| revision(cx) >= 2),
];

/// Encodings above 16 are reserved.
const LOGICAL_DEVICES: &[Register] = &[Register::new(0x0a, 2, "NumLogDevs", &[dec(15, 0, "Count").bare()])
    .when(|_, count| (1..=16).contains(&count))];

const MAP: &[super::super::bits::Field] = &[hex(31, 0, 8, "Map").bare()];
const FUNCTION_MAP: &[Register] = &[
    Register::new(0x0c, 4, "FuncMap 0", MAP),
    Register::new(0x10, 4, "FuncMap 1", MAP),
    Register::new(0x14, 4, "FuncMap 2", MAP),
    Register::new(0x18, 4, "FuncMap 3", MAP),
    Register::new(0x1c, 4, "FuncMap 4", MAP),
    Register::new(0x20, 4, "FuncMap 5", MAP),
    Register::new(0x24, 4, "FuncMap 6", MAP),
    Register::new(0x28, 4, "FuncMap 7", MAP),
];
