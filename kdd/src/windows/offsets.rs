//! Places of fields in EPROCESS, KTHREAD and KPRCB by build, where no KDBG says them.
//!
//! From public symbols of each release. Sizes are not here: they change with updates of the same build.

use super::Architecture;

/// Places in EPROCESS and KTHREAD.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Offsets {
    /// EPROCESS.ActiveProcessLinks.
    pub links: usize,
    /// EPROCESS.InheritedFromUniqueProcessId.
    pub parent: usize,
    /// EPROCESS.Peb.
    pub peb: usize,
    /// EPROCESS.ImageFileName.
    pub name: usize,
    /// KTHREAD.Teb, KernelStack, InitialStack, ApcState.Process, State.
    thread: [u16; 5],
}

/// First and last build, then [`Offsets`] in their order.
type Row = (u32, u32, [usize; 4], [u16; 5]);

const THREAD_X64: [u16; 5] = [0xf0, 0x58, 0x28, 0xb8, 0x184];
const X64: &[Row] = &[
    (3790, 3790, [0xe0, 0x218, 0x2c0, 0x268], [0xb0, 0x38, 0x28, 0x68, 0x154]),
    (6000, 6003, [0xe8, 0x1f0, 0x290, 0x238], [0xb0, 0x38, 0x28, 0x68, 0x154]),
    (
        7600,
        7601,
        [0x188, 0x290, 0x338, 0x2e0],
        [0xb8, 0x38, 0x28, 0x70, 0x164],
    ),
    (9200, 9600, [0x2e8, 0x3d0, 0x3e8, 0x438], THREAD_X64),
    (10240, 10240, [0x2f0, 0x3e0, 0x3f8, 0x448], THREAD_X64),
    (10586, 14393, [0x2f0, 0x3e0, 0x3f8, 0x450], THREAD_X64),
    (15063, 17763, [0x2e8, 0x3e0, 0x3f8, 0x450], THREAD_X64),
    (18362, 18363, [0x2f0, 0x3e8, 0x3f8, 0x450], THREAD_X64),
    (19041, 22631, [0x448, 0x540, 0x550, 0x5a8], THREAD_X64),
    (26100, 26200, [0x1d8, 0x2d0, 0x2e0, 0x338], THREAD_X64),
];

const THREAD_X86: [u16; 5] = [0xa8, 0x48, 0x20, 0x80, 0x90];
const X86: &[Row] = &[
    (2600, 2600, [0x88, 0x14c, 0x1b0, 0x174], [0x20, 0x28, 0x18, 0x44, 0x2d]),
    (3790, 3790, [0x98, 0x138, 0x1a0, 0x164], [0x74, 0x20, 0x18, 0x38, 0x4c]),
    (6000, 6003, [0xa0, 0x124, 0x188, 0x14c], [0x84, 0x30, 0x28, 0x48, 0x5c]),
    (7600, 7601, [0xb8, 0x140, 0x1a8, 0x16c], [0x88, 0x30, 0x28, 0x50, 0x68]),
    (9200, 9600, [0xb8, 0x134, 0x140, 0x170], THREAD_X86),
    (10240, 10240, [0xb8, 0x138, 0x144, 0x170], THREAD_X86),
    (10586, 14393, [0xb8, 0x138, 0x144, 0x174], THREAD_X86),
    (15063, 18363, [0xb8, 0x140, 0x14c, 0x17c], THREAD_X86),
    (19041, 19045, [0xe8, 0x170, 0x17c, 0x1ac], THREAD_X86),
];

/// The places of a build; `None` where they are not known.
pub(super) fn of(architecture: Architecture, build: u32) -> Option<Offsets> {
    let rows = match architecture {
        Architecture::X64 => X64,
        Architecture::X86 => X86,
    };
    let row = rows.iter().find(|row| (row.0..=row.1).contains(&build))?;
    let [links, parent, peb, name] = row.2;
    Some(Offsets {
        links,
        parent,
        peb,
        name,
        thread: row.3,
    })
}

/// The same as the KDBG says it: offsets of its 16-bit fields, and values.
pub(super) fn of_kdbg(architecture: Architecture, build: u32) -> Vec<(usize, u16)> {
    let Some(known) = of(architecture, build) else {
        return Vec::new();
    };
    let short = |value: usize| u16::try_from(value).unwrap_or_default();
    let [teb, kernel_stack, initial_stack, process, state] = known.thread;
    let mut fields = vec![
        (0x29a, teb),
        (0x29c, kernel_stack),
        (0x29e, initial_stack),
        (0x2a0, process),
        (0x2a2, state),
        (0x2aa, short(known.peb)),
        (0x2ac, short(known.parent)),
    ];
    // DirectoryTableBase, MHz, CpuType, ProcessorState.ContextFrame, Number, ProcessorState.SpecialRegisters.
    let rest: [u16; 6] = match (architecture, build) {
        (Architecture::X64, 15063..) => [0x28, 0x44, 0x40, 0x1f0, 0x24, 0x100],
        (Architecture::X64, 7600..) => [0x28, 0x5f4, 0x5f0, 0x120, 0x24, 0x40],
        (Architecture::X64, _) => [0x28, 0x5f4, 0x5f0, 0x120, 4, 0x40],
        (Architecture::X86, 7600..) => [0x18, 0x3c0, 0x14, 0x18, 0x3cc, 0x2e4],
        // The place of MHz changed from release to release.
        (Architecture::X86, _) => [0x18, 0, 0x18, 0x1c, 0x10, 0x2e8],
    };
    fields.extend([0x2ae, 0x2b6, 0x2b8, 0x2bc, 0x2be, 0x2f2].into_iter().zip(rest));
    // SizePrcb and SizePcr, of which a debugger needs some value: as much as is known to be there.
    let [_, _, _, context, _, special] = rest;
    let (end, contained) = match architecture {
        Architecture::X64 => (context.saturating_add(0x4d0), 0x180),
        Architecture::X86 => (special.saturating_add(0x54), 0x120),
    };
    fields.extend([(0x2b0, end), (0x2e0, end.saturating_add(contained))]);
    fields
}
