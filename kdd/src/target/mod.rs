//! A guest as a capture or a running machine gives it: physical memory that may have holes, the state
//! of each vCPU, and what the container itself says about the system inside.
//!
//! Each container has a module with `recognise` (from the first bytes) and `open`; [`open`] picks by
//! content, never by name. A capture is a [`Capture`]. A running guest ([`live`]) is named by where it runs
//! (`qemu:SOCKET`, `xen:DOMAIN`) and also gives a [`Control`].

mod cursor;
mod elf;
pub mod elf_core;
mod fields;
mod guard;
pub mod kdump;
pub mod lime;
pub mod live;
mod paged;
pub mod qemu_live;
pub mod qemu_migration;
pub mod raw;
pub mod register;
pub mod registers;
pub mod vcpu;
pub mod vmware;
pub mod windows_dump;
pub mod xen_core;
pub mod xen_live;
pub mod xl_save;

use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;
use thiserror::Error;

pub use vcpu::{Segment, Table, Vcpu};
pub use windows_dump::TriageDriver;

use crate::damage::Damage;
use crate::memory::{Gpa, Gva, PhysicalMemory, Source, VirtualMemory};

/// A guest, captured or running.
pub trait Target: Send {
    /// What it comes from.
    fn container(&self) -> &Container;

    /// Its physical memory.
    fn memory(&self) -> &dyn PhysicalMemory;

    /// Its vCPUs, in order; empty when the source knows none. Of a running guest: at its last stop.
    fn vcpus(&self) -> &[Vcpu];

    /// What the container says about the Windows inside.
    fn hints(&self) -> &Hints;

    /// Memory that is known by virtual address only (triage dumps).
    fn virtual_memory(&self) -> Option<&dyn VirtualMemory> {
        None
    }

    /// What is wrong with the source.
    fn damage(&self) -> &[Damage];

    /// Run control and writing; a capture has none.
    fn control(&mut self) -> Option<&mut dyn Control> {
        None
    }
}

/// Running and changing a guest. Registers as they are at the last stop are [`Target::vcpus`].
pub trait Control: Send {
    /// Whether the guest runs now, as far as is known without asking it.
    fn is_running(&self) -> bool;

    /// Stops all vCPUs and reads their registers; a guest that stands still already is left so.
    ///
    /// # Errors
    /// When the guest does not obey.
    fn stop(&mut self) -> Result<(), ControlError>;

    /// Lets all vCPUs run, or one do a single instruction while the others stand still. Does not wait.
    ///
    /// # Errors
    /// When the guest does not obey.
    fn resume(&mut self, how: Resume) -> Result<(), ControlError>;

    /// Why the guest stopped, once it did, with its registers read anew; `None` when it still runs after
    /// `wait`. A stop is told once.
    ///
    /// # Errors
    /// When the guest is gone.
    fn stopped(&mut self, wait: Duration) -> Result<Option<StopReason>, ControlError>;

    /// Writes physical memory; gives the bytes written before the first one that is not there.
    ///
    /// # Errors
    /// When the guest does not obey.
    fn write_physical(&mut self, at: Gpa, bytes: &[u8]) -> Result<usize, ControlError>;

    /// Sets the registers of the vCPU with its number: those that differ from [`Target::vcpus`], where the new
    /// ones then stand.
    ///
    /// # Errors
    /// [`ControlError::Unsupported`] with the first register that this source cannot set; none is set then.
    fn set_vcpu(&mut self, vcpu: &Vcpu) -> Result<(), ControlError>;

    /// Inserts a breakpoint, for all vCPUs.
    ///
    /// # Errors
    /// When the source has none of this kind, or no more of them.
    fn insert(&mut self, point: &Breakpoint) -> Result<(), ControlError>;

    /// Removes a breakpoint that was inserted.
    ///
    /// # Errors
    /// When the guest does not obey.
    fn remove(&mut self, point: &Breakpoint) -> Result<(), ControlError>;

    /// Boots the guest anew; it runs then.
    ///
    /// # Errors
    /// When the source cannot.
    fn reset(&mut self) -> Result<(), ControlError> {
        Err(ControlError::Unsupported("reboot"))
    }

    /// What cannot be done with this source, in words: `watchpoints`, `writing control registers`.
    fn lacks(&self) -> &[&'static str] {
        &[]
    }

    /// Leaves the guest as it was before: all breakpoints out, running if it ran when it was opened. The
    /// control stays usable: a next debugger may come.
    ///
    /// # Errors
    /// When the guest does not obey.
    fn release(&mut self) -> Result<(), ControlError>;
}

/// A breakpoint or watchpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Breakpoint {
    /// What it stops at.
    pub kind: BreakKind,
    /// Virtual address.
    pub at: Gva,
    /// Where that lies in physical memory, where the page tables of whoever sets it say so: sources that
    /// have to put an instruction there need it.
    pub physical: Option<Gpa>,
    /// Bytes that are watched; of a software breakpoint the length of its instruction (1 on x86).
    pub length: u64,
}

/// What a breakpoint stops at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BreakKind {
    /// Execution; the source may put an instruction there.
    Software,
    /// Execution, memory left as it is.
    Hardware,
    /// Writes.
    Write,
    /// Reads.
    Read,
    /// Reads and writes.
    Access,
}

/// How a guest goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resume {
    /// All vCPUs run.
    Run,
    /// This vCPU does one instruction.
    Step(u32),
}

/// Why a guest stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StopReason {
    /// The vCPU it happened on.
    pub vcpu: u32,
    /// What it was.
    pub cause: Cause,
}

/// What stopped a guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// It was asked to, or somebody else stopped it.
    Asked,
    /// A breakpoint on execution; the instruction pointer is at it.
    Breakpoint,
    /// A single step was done.
    Step,
    /// A watchpoint of this kind at this address.
    Watch(BreakKind, Gva),
}

/// Why run control failed.
#[derive(Debug, Error)]
pub enum ControlError {
    /// This source cannot do it.
    #[error("{0}: not possible with this source")]
    Unsupported(&'static str),
    /// The guest does not obey, or the system refuses.
    #[error("{what}: {reason}")]
    Failed {
        /// What was tried.
        what: &'static str,
        /// What came back.
        reason: String,
    },
    /// There is no guest any more.
    #[error("the guest is gone: {0}")]
    Gone(String),
}

/// What a target comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Container {
    /// Short name of the format: `raw`, `qemu-elf`, `kdump`, `windows-bitmap`, `xl-save`.
    pub format: &'static str,
    /// In words, with its version: `kdump-compressed, header version 6, zlib, flattened`.
    pub description: String,
    /// More that it says of itself, name and value: the hypervisor, the machine type, the page size.
    pub facts: Vec<(String, String)>,
}

/// What a container says about the Windows inside, besides memory and vCPUs.
#[derive(Clone, Debug, Default, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Hints {
    /// Page directory of the kernel (header of a Windows dump).
    pub directory: Option<Gpa>,
    /// KDDEBUGGER_DATA64.
    pub kdbg: Option<Gva>,
    /// PsLoadedModuleList.
    pub loaded_modules: Option<Gva>,
    /// PsActiveProcessHead.
    pub active_processes: Option<Gva>,
    /// MmPfnDatabase.
    pub pfn_database: Option<Gva>,
    /// Base of the kernel's image.
    pub kernel_base: Option<Gva>,
    /// Machine type as in PE images: 0x8664, 0x14c.
    pub machine: Option<u16>,
    /// Major version of the dump's header (15 free, 12 checked) and build number.
    pub version: Option<(u32, u32)>,
    /// Number of processors.
    pub processors: Option<u32>,
    /// Bug check code and its four parameters.
    pub bug_check: Option<[u64; 5]>,
    /// Whether page tables have 64-bit entries on a 32-bit machine.
    pub pae: Option<bool>,
    /// A CONTEXT of Windows that the container holds, of the processor that stopped.
    #[serde(skip)]
    pub context: Option<Vec<u8>>,
    /// Bytes of a KDDEBUGGER_DATA64 that the container holds itself (triage dumps).
    #[serde(skip)]
    pub kdbg_bytes: Option<Vec<u8>>,
    /// Bytes of a KPRCB that the container holds itself (triage dumps).
    #[serde(skip)]
    pub kprcb_bytes: Option<Vec<u8>>,
    /// Drivers that the container lists itself (triage dumps).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub drivers: Vec<TriageDriver>,
}

/// A captured guest.
pub struct Capture {
    /// What it comes from.
    pub container: Container,
    /// Physical memory.
    pub memory: Box<dyn PhysicalMemory>,
    /// vCPUs.
    pub vcpus: Vec<Vcpu>,
    /// What the container says besides.
    pub hints: Hints,
    /// Memory by virtual address.
    pub virtual_memory: Option<Box<dyn VirtualMemory + Send>>,
    /// What is wrong with it.
    pub damage: Vec<Damage>,
}

impl Target for Capture {
    fn container(&self) -> &Container {
        &self.container
    }

    fn memory(&self) -> &dyn PhysicalMemory {
        &*self.memory
    }

    fn vcpus(&self) -> &[Vcpu] {
        &self.vcpus
    }

    fn hints(&self) -> &Hints {
        &self.hints
    }

    fn virtual_memory(&self) -> Option<&dyn VirtualMemory> {
        match &self.virtual_memory {
            Some(memory) => Some(&**memory),
            None => None,
        }
    }

    fn damage(&self) -> &[Damage] {
        &self.damage
    }
}

/// What is opened: the file, and others that belong to it.
pub struct Input {
    /// Name for messages.
    pub name: String,
    /// The file.
    pub bytes: Source,
    /// Files of the same stem beside it, with the part of the name behind the last dot in small
    /// letters: VMware keeps memory (`vmem`) and state (`vmss`, `vmsn`) in two files.
    pub beside: Vec<(String, Source)>,
    /// Text of a register file for a raw image.
    pub registers: Option<String>,
}

/// Why a source cannot be opened at all.
#[derive(Debug, Error)]
pub enum OpenError {
    /// A structure that nothing works without.
    #[error("{name}: {damage}")]
    Damaged {
        /// The input.
        name: String,
        /// Where and what.
        damage: Damage,
    },
    /// It holds what is no guest memory.
    #[error("{name}: {reason}")]
    NotAGuest {
        /// The input.
        name: String,
        /// Why not.
        reason: String,
    },
}

/// A container: how it is told from its first bytes, and how it is opened.
struct Format {
    recognise: fn(&[u8]) -> bool,
    open: fn(&Input) -> Result<Capture, OpenError>,
}

/// All containers with a mark of their own, in the order in which they are tried.
const FORMATS: &[Format] = &[
    row(xen_core::recognise, xen_core::open),
    row(elf_core::recognise, elf_core::open),
    row(lime::recognise, lime::open),
    row(vmware::recognise, vmware::open),
    row(kdump::recognise, kdump::open),
    row(xl_save::recognise, xl_save::open),
    row(qemu_migration::recognise, qemu_migration::open),
    row(windows_dump::recognise, windows_dump::open),
];

const fn row(recognise: fn(&[u8]) -> bool, open: fn(&Input) -> Result<Capture, OpenError>) -> Format {
    Format { recognise, open }
}

/// What a source does not say itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Where the bytes of a raw image stand; other containers say so themselves.
    pub layout: raw::Layout,
}

/// Opens a source: the container is told by its content; what has no mark is a raw image, or VMware's
/// memory when its state file is beside it. The register file fills in what the container does not know.
///
/// # Errors
/// When the container is damaged so that nothing of it can be read, or is none.
pub fn open(input: &Input) -> Result<Capture, OpenError> {
    open_with(input, &Options::default())
}

/// Opens a source with what is known about it.
///
/// # Errors
/// As [`open`].
pub fn open_with(input: &Input, options: &Options) -> Result<Capture, OpenError> {
    let head = input.bytes.bytes(0, 0x1_0000);
    let mut capture = match FORMATS.iter().find(|format| (format.recognise)(&head)) {
        Some(format) => (format.open)(input)?,
        None => match vmware::state_beside(input) {
            Some(state) => vmware::open_memory(input, state)?,
            None => raw::open_with(input, options.layout)?,
        },
    };
    if let Some(text) = &input.registers {
        registers::apply(&mut capture, text);
    }
    Ok(capture)
}
