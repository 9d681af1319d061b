//! Offsets of kernel structures by build, as Microsoft's public symbols have them.

/// Machine code and page tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub enum Architecture {
    X64FourLevel,
    X64FiveLevel,
    X86Pae,
    X86,
}

impl Architecture {
    pub fn is_64(self) -> bool {
        matches!(self, Self::X64FourLevel | Self::X64FiveLevel)
    }
}

/// Offsets and sizes of one build.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    pub eprocess: Eprocess,
    pub ethread: Ethread,
    pub kprcb: Kprcb,
    /// SizePcr.
    pub kpcr: u64,
    /// KPRCB in the KPCR.
    pub contained: u64,
    /// sizeof(KSPECIAL_REGISTERS) as the build has it.
    pub special_size: u64,
    /// Size that the header of the KDBG says.
    pub kdbg: u64,
}

/// EPROCESS with its KPROCESS.
#[derive(Clone, Copy, Debug)]
pub struct Eprocess {
    pub size: u64,
    pub directory: u64,
    /// KPROCESS.ThreadListHead.
    pub threads: u64,
    pub id: u64,
    pub links: u64,
    pub parent: u64,
    pub peb: u64,
    pub name: u64,
    /// EPROCESS.ThreadListHead.
    pub executive_threads: u64,
    pub object_table: u64,
    /// SeAuditProcessCreationInfo.
    pub audit: u64,
    pub exit_status: u64,
    pub vad_root: u64,
}

impl Eprocess {
    const fn with(self, object_table: u64, audit: u64, exit_status: u64, vad_root: u64) -> Self {
        Self {
            object_table,
            audit,
            exit_status,
            vad_root,
            ..self
        }
    }
}

/// ETHREAD with its KTHREAD.
#[derive(Clone, Copy, Debug)]
pub struct Ethread {
    pub size: u64,
    pub initial_stack: u64,
    pub stack_limit: u64,
    pub stack_base: u64,
    pub kernel_stack: u64,
    pub teb: u64,
    pub state: u64,
    pub apc_process: u64,
    /// KTHREAD.Process; 0 where there is none.
    pub process: u64,
    /// KTHREAD.ThreadListEntry.
    pub entry: u64,
    pub cid: u64,
    /// ETHREAD.ThreadListEntry.
    pub executive_entry: u64,
}

/// KPRCB.
#[derive(Clone, Copy, Debug)]
pub struct Kprcb {
    pub size: u64,
    pub current_thread: u64,
    pub idle_thread: u64,
    pub number: u64,
    pub cpu_type: u64,
    pub mhz: u64,
    pub vendor: u64,
    pub special: u64,
    pub context: u64,
    /// Pointer to a CONTEXT; 0 where there is none.
    pub context_pointer: u64,
    pub dpc_active: u64,
    /// KernelDirectoryTableBase, for page tables of user mode; 0 where there is none.
    pub kernel_directory: u64,
}

impl Kprcb {
    const fn shadowed(self, kernel_directory: u64) -> Self {
        Self {
            kernel_directory,
            ..self
        }
    }
}

const fn prcb64(size: u64, old: bool, number: u64, vendor: u64, context_pointer: u64, dpc_active: u64) -> Kprcb {
    Kprcb {
        size,
        current_thread: 8,
        idle_thread: 0x18,
        number,
        cpu_type: if old { 0x5f0 } else { 0x40 },
        mhz: if old { 0x5f4 } else { 0x44 },
        vendor,
        special: if old { 0x40 } else { 0x100 },
        context: if old { 0x120 } else { 0x1f0 },
        context_pointer,
        dpc_active,
        kernel_directory: 0,
    }
}

const fn prcb32(size: u64, number: u64, mhz: u64, vendor: u64, context_pointer: u64, dpc_active: u64) -> Kprcb {
    let state = if number == 0x10 { 0x1c } else { 0x18 };
    Kprcb {
        size,
        current_thread: 4,
        idle_thread: 0xc,
        number,
        cpu_type: if number == 0x10 { 0x18 } else { 0x14 },
        mhz,
        vendor,
        special: state + 0x2cc,
        context: state,
        context_pointer,
        dpc_active,
        kernel_directory: 0,
    }
}

/// ETHREAD of 8.1 and later on x64: the KTHREAD's own fields have not moved since.
const fn ethread64(size: u64, cid: u64, executive_entry: u64) -> Ethread {
    Ethread {
        size,
        initial_stack: 0x28,
        stack_limit: 0x30,
        stack_base: 0x38,
        kernel_stack: 0x58,
        teb: 0xf0,
        state: 0x184,
        apc_process: 0xb8,
        process: 0x220,
        entry: 0x2f8,
        cid,
        executive_entry,
    }
}

const fn eprocess(
    size: u64,
    threads: u64,
    id: u64,
    parent: u64,
    peb: u64,
    name: u64,
    executive_threads: u64,
) -> Eprocess {
    Eprocess {
        size,
        directory: 0x28,
        threads,
        id,
        links: id + 8,
        parent,
        peb,
        name,
        executive_threads,
        object_table: 0,
        audit: 0,
        exit_status: 0,
        vad_root: 0,
    }
}

const fn x64(eprocess: Eprocess, ethread: Ethread, kprcb: Kprcb, special_size: u64, kdbg: u64) -> Layout {
    Layout {
        eprocess,
        ethread,
        kprcb,
        kpcr: kprcb.size + 0x180,
        contained: 0x180,
        special_size,
        kdbg,
    }
}

/// Offsets of a build.
pub fn of(architecture: Architecture, build: u32) -> Layout {
    if architecture.is_64() {
        of_x64(build)
    } else {
        of_x86(build)
    }
}

fn of_x64(build: u32) -> Layout {
    match build {
        3790 => x64(
            eprocess(0x3e0, 0x70, 0xd8, 0x218, 0x2c0, 0x268, 0x290).with(0x158, 0x318, 0x38c, 0x398),
            Ethread {
                size: 0x410,
                initial_stack: 0x28,
                stack_limit: 0x30,
                stack_base: 0x240,
                kernel_stack: 0x38,
                teb: 0xb0,
                state: 0x154,
                apc_process: 0x68,
                process: 0x1e8,
                entry: 0x2c0,
                cid: 0x358,
                executive_entry: 0x3d0,
            },
            prcb64(0x2480, true, 4, 0x22b4, 0, 0x1f5e),
            0xd8,
            0x318,
        ),
        7601 => x64(
            eprocess(0x4d0, 0x30, 0x180, 0x290, 0x338, 0x2e0, 0x308).with(0x200, 0x390, 0x444, 0x448),
            Ethread {
                size: 0x498,
                initial_stack: 0x28,
                stack_limit: 0x30,
                stack_base: 0x278,
                kernel_stack: 0x38,
                teb: 0xb8,
                state: 0x164,
                apc_process: 0x70,
                process: 0x210,
                entry: 0x2f8,
                cid: 0x3b0,
                executive_entry: 0x420,
            },
            prcb64(0x4d00, true, 0x24, 0x4bb8, 0x4bd8, 0x21da),
            0xd8,
            0x340,
        ),
        9600 => x64(
            eprocess(0x6b8, 0x30, 0x2e0, 0x3d0, 0x3e8, 0x438, 0x470).with(0x408, 0x450, 0x5d4, 0x5d8),
            ethread64(0x778, 0x620, 0x688),
            prcb64(0x5bc0, true, 0x24, 0x5958, 0x5980, 0x2dea),
            0xe0,
            0x360,
        ),
        10240 => x64(
            eprocess(0x798, 0x30, 0x2e8, 0x3e0, 0x3f8, 0x448, 0x480).with(0x418, 0x460, 0x604, 0x608),
            ethread64(0x7c0, 0x628, 0x690),
            prcb64(0x6900, true, 0x24, 0x6258, 0x6280, 0x2dea),
            0xe0,
            0x368,
        ),
        17763 => x64(
            eprocess(0x850, 0x30, 0x2e0, 0x3e0, 0x3f8, 0x450, 0x488).with(0x418, 0x468, 0x624, 0x628),
            ethread64(0x810, 0x638, 0x6a8),
            prcb64(0x7ec0, false, 0x24, 0x6290, 0x62c0, 0x2e6a).shadowed(0x6e80),
            0xf0,
            0x380,
        ),
        19041 => x64(
            eprocess(0xa40, 0x30, 0x440, 0x540, 0x550, 0x5a8, 0x5e0).with(0x570, 0x5c0, 0x7d4, 0x7d8),
            ethread64(0x898, 0x478, 0x4e8),
            prcb64(0xaf00, false, 0x24, 0x8590, 0x85c0, 0x312a).shadowed(0x8e80),
            0xf0,
            0x380,
        ),
        22621 => x64(
            eprocess(0xb80, 0x30, 0x440, 0x540, 0x550, 0x5a8, 0x5e0).with(0x570, 0x5c0, 0x7d4, 0x7d8),
            ethread64(0x900, 0x4c8, 0x538),
            prcb64(0xbf00, false, 0x24, 0x8990, 0x89c0, 0x33ba).shadowed(0x9e80),
            0xf0,
            0x380,
        ),
        26100 => x64(
            eprocess(0x840, 0x30, 0x1d0, 0x2d0, 0x2e0, 0x338, 0x370).with(0x300, 0x350, 0x554, 0x558),
            ethread64(0x798, 0x508, 0x578),
            prcb64(0xcf00, false, 0x24, 0x8f90, 0x8fc0, 0x38ba).shadowed(0xae80),
            0xf0,
            0x380,
        ),
        _ => panic!("no layout of x64 build {build}"),
    }
}

fn of_x86(build: u32) -> Layout {
    let layout = |eprocess: Eprocess, ethread, kprcb: Kprcb, kdbg| Layout {
        eprocess: Eprocess {
            directory: 0x18,
            links: eprocess.id + 4,
            ..eprocess
        },
        ethread,
        kprcb,
        kpcr: kprcb.size + 0x120,
        contained: 0x120,
        special_size: 0x54,
        kdbg,
    };
    match build {
        2600 => layout(
            eprocess(0x260, 0x50, 0x84, 0x14c, 0x1b0, 0x174, 0x190).with(0xc4, 0x1f4, 0x24c, 0x11c),
            Ethread {
                size: 0x258,
                initial_stack: 0x18,
                stack_limit: 0x1c,
                stack_base: 0x168,
                kernel_stack: 0x28,
                teb: 0x20,
                state: 0x2d,
                apc_process: 0x44,
                process: 0,
                entry: 0x1b0,
                cid: 0x1ec,
                executive_entry: 0x22c,
            },
            prcb32(0xc50, 0x10, 0x910, 0x900, 0, 0x874),
            0x290,
        ),
        7601 => layout(
            eprocess(0x2c0, 0x2c, 0xb4, 0x140, 0x1a8, 0x16c, 0x188).with(0xf4, 0x1ec, 0x274, 0x278),
            Ethread {
                size: 0x2b8,
                initial_stack: 0x28,
                stack_limit: 0x2c,
                stack_base: 0x190,
                kernel_stack: 0x30,
                teb: 0x88,
                state: 0x68,
                apc_process: 0x50,
                process: 0x150,
                entry: 0x1e0,
                cid: 0x22c,
                executive_entry: 0x268,
            },
            prcb32(0x3628, 0x3cc, 0x3c0, 0x336c, 0x3618, 0x1932),
            0x340,
        ),
        19041 => layout(
            eprocess(0x4c0, 0x2c, 0xe4, 0x170, 0x17c, 0x1ac, 0x1d0).with(0x18c, 0x1c0, 0x34c, 0x350),
            Ethread {
                size: 0x4e0,
                initial_stack: 0x20,
                stack_limit: 0x24,
                stack_base: 0x28,
                kernel_stack: 0x48,
                teb: 0xa8,
                state: 0x90,
                apc_process: 0x80,
                process: 0x150,
                entry: 0x1d4,
                cid: 0x2ac,
                executive_entry: 0x2e4,
            },
            prcb32(0x5f00, 0x3cc, 0x3c0, 0x3d3c, 0x4168, 0x223a),
            0x380,
        ),
        _ => panic!("no layout of x86 build {build}"),
    }
}
