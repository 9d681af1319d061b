//! What a guest is made of, and ready sets.

use super::image::Pdb;
use super::layout::Architecture;

/// How the guest holds its KDBG.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kdbg {
    Plain,
    /// Encoded with KiWaitNever and KiWaitAlways.
    Encoded {
        wait_never: u64,
        wait_always: u64,
    },
    /// The list of data blocks is empty, the block's place holds something else.
    Absent,
}

/// A module beside the kernel.
#[derive(Clone, Debug)]
pub struct ModuleSpec {
    pub name: String,
    pub path: String,
    pub size: u32,
    pub timestamp: u32,
    pub checksum: u32,
    pub pdb: Pdb,
    /// Whether its pages are in memory.
    pub resident: bool,
}

/// A process.
#[derive(Clone, Debug)]
pub struct ProcessSpec {
    pub name: String,
    pub id: u64,
    pub parent: u64,
}

/// A guest.
#[derive(Clone, Debug)]
pub struct Config {
    pub architecture: Architecture,
    pub build: u32,
    pub kdbg: Kdbg,
    pub cpus: u16,
    /// Bytes of RAM, of which only some pages exist.
    pub ram: u64,
    /// Bytes of RAM that exist at least; pages that nothing uses are zeroes or a pattern.
    pub filled: u64,
    /// The kernel's image by large pages, and 1 GiB by one entry on x64.
    pub large_pages: bool,
    /// The last CPU stands in user mode with page tables that do not hold the kernel, CR3 with a PCID.
    pub kpti: bool,
    /// Entries that are not valid are kept from L1 terminal faults: bit 45 is set in them, or bit 4 says
    /// that it was set before.
    pub l1tf: bool,
    /// The page that starts processors is in low memory.
    pub low_stub: bool,
    /// A part of the kernel's code between its entry points and its headers is not mapped.
    pub hole: bool,
    pub modules: Vec<ModuleSpec>,
    /// The system process first.
    pub processes: Vec<ProcessSpec>,
    pub seed: u64,
}

fn module(name: &str, size: u32, number: u32) -> ModuleSpec {
    let directory = if name.ends_with(".sys") {
        "system32\\drivers"
    } else {
        "system32"
    };
    let stem = name.split('.').next().expect("a name");
    ModuleSpec {
        name: name.to_owned(),
        path: format!("\\SystemRoot\\{directory}\\{name}"),
        size,
        timestamp: 0x5e6f_1000 + number * 0x1_2345,
        checksum: size + 0x1d3f * (number + 1),
        pdb: Pdb {
            name: format!("{stem}.pdb"),
            guid: std::array::from_fn(|at| (at as u32 * 37 + number * 91 + 5) as u8),
            age: 1 + number,
        },
        resident: true,
    }
}

fn process(name: &str, id: u64, parent: u64) -> ProcessSpec {
    ProcessSpec {
        name: name.to_owned(),
        id,
        parent,
    }
}

/// Those and some more, as a system at rest has them.
fn many_processes(first: &[ProcessSpec]) -> Vec<ProcessSpec> {
    let names = [
        "wininit.exe",
        "services.exe",
        "lsass.exe",
        "winlogon.exe",
        "svchost.exe",
        "svchost.exe",
        "dwm.exe",
        "explorer.exe",
        "svchost.exe",
        "spoolsv.exe",
    ];
    let more = names
        .iter()
        .zip(0..)
        .map(|(name, number)| process(name, 0x220 + number * 0x4c, 0x14c));
    first.iter().cloned().chain(more).collect()
}

impl Default for Config {
    /// Windows 10 2004 x64 with two CPUs.
    fn default() -> Self {
        let mut modules = vec![
            module("hal.dll", 0x6000, 0),
            module("kdcom.dll", 0xb000, 1),
            module("tcpip.sys", 0x2e_b000, 2),
            module("win32k.sys", 0x9_a000, 3),
        ];
        modules[3].resident = false;
        Self {
            architecture: Architecture::X64FourLevel,
            build: 19041,
            kdbg: Kdbg::Plain,
            cpus: 2,
            ram: 64 << 20,
            filled: 0,
            large_pages: false,
            kpti: false,
            l1tf: false,
            low_stub: true,
            hole: false,
            modules,
            processes: vec![
                process("System", 4, 0),
                process("smss.exe", 0x14c, 4),
                process("csrss.exe", 0x1d8, 0x14c),
                process("longprocessnam", 0xf3c, 0x1d8),
            ],
            seed: 0x6b64_6264,
        }
    }
}

/// Names of the ready sets.
pub const PRESETS: &[&str] = &[
    "win10-x64",
    "win10-x64-encoded",
    "win10-x64-absent",
    "win10-x64-kpti",
    "win10-x64-user",
    "win10-x64-hole",
    "win10-x64-bare",
    "win10-x64-many",
    "win11-24h2-x64",
    "win11-22h2-x64",
    "win10-1809-x64",
    "win10-1507-x64",
    "win81-x64",
    "win7-x64",
    "win2003-x64",
    "server-x64-la57",
    "win10-x86",
    "win7-x86-pae",
    "xp-x86",
    "xp-x86-pae",
];

impl Config {
    /// A ready set by name.
    pub fn preset(name: &str) -> Option<Self> {
        let base = Self {
            seed: name
                .bytes()
                .fold(0, |sum: u64, byte| sum.rotate_left(5) ^ u64::from(byte)),
            ..Self::default()
        };
        let encoded = Kdbg::Encoded {
            wait_never: 0x00d2_6ab0_4c1f_86e5,
            wait_always: 0xf1c3_0e87_5b2d_4a69,
        };
        let x64 = |build| Self { build, ..base.clone() };
        let x86 = |architecture, build| Self {
            architecture,
            build,
            low_stub: false,
            ..base.clone()
        };
        Some(match name {
            "win10-x64" => base,
            "win10-x64-encoded" => Self { kdbg: encoded, ..base },
            "win10-x64-absent" => Self {
                kdbg: Kdbg::Absent,
                ..base
            },
            "win10-x64-kpti" => Self {
                kpti: true,
                kdbg: encoded,
                large_pages: true,
                ..base
            },
            "win10-x64-user" => Self {
                kpti: true,
                l1tf: true,
                low_stub: false,
                kdbg: encoded,
                cpus: 1,
                ..base
            },
            "win10-x64-hole" => Self { hole: true, ..base },
            "win10-x64-bare" => Self {
                low_stub: false,
                hole: true,
                kdbg: encoded,
                cpus: 1,
                ..base
            },
            "win10-x64-many" => Self {
                processes: many_processes(&base.processes),
                cpus: 12,
                large_pages: true,
                ram: 5 << 30,
                ..base
            },
            "win11-24h2-x64" => Self {
                kdbg: encoded,
                l1tf: true,
                large_pages: true,
                low_stub: false,
                ..x64(26100)
            },
            "win11-22h2-x64" => Self {
                kdbg: encoded,
                hole: true,
                kpti: true,
                ..x64(22621)
            },
            "win10-1809-x64" => Self {
                kdbg: encoded,
                kpti: true,
                ..x64(17763)
            },
            "win10-1507-x64" => Self {
                kdbg: encoded,
                ..x64(10240)
            },
            "win81-x64" => Self {
                kdbg: encoded,
                large_pages: true,
                ..x64(9600)
            },
            "win7-x64" => Self {
                large_pages: true,
                ..x64(7601)
            },
            "win2003-x64" => x64(3790),
            "server-x64-la57" => Self {
                architecture: Architecture::X64FiveLevel,
                large_pages: true,
                kdbg: encoded,
                ram: 6 << 30,
                ..base
            },
            "win10-x86" => x86(Architecture::X86Pae, 19041),
            "win7-x86-pae" => Self {
                large_pages: true,
                ..x86(Architecture::X86Pae, 7601)
            },
            "xp-x86" => Self {
                cpus: 1,
                ..x86(Architecture::X86, 2600)
            },
            "xp-x86-pae" => Self {
                large_pages: true,
                cpus: 1,
                ..x86(Architecture::X86Pae, 2600)
            },
            _ => return None,
        })
    }
}
