//! The Windows kernel in a guest's memory, found without symbols and without a network.
//!
//! [`discover`] begins with the page directory, finds the kernel's image, its version block and the
//! debugger data block (KDBG), then modules, processors and processes. What it does not find it says
//! in [`Windows::missing`], with the reason; [`Given`] takes by hand what could not be found.

pub mod builds;
pub mod context;
pub mod directory;
mod discover;
pub mod drivers;
pub(crate) mod fields;
pub mod kdbg;
pub mod kernel;
mod list;
pub mod modules;
mod offsets;
pub mod pe;
pub mod processes;
pub mod processors;
mod record;
pub mod shared_data;
pub mod without_kdbg;

pub use discover::discover;

use schemars::JsonSchema;
use serde::Serialize;

use crate::damage::Damage;
use crate::memory::{Gpa, Gva};

/// Kind of machine code the kernel is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Architecture {
    /// AMD64.
    X64,
    /// i386.
    X86,
}

/// Kind of page tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PagingMode {
    /// Two levels of 32-bit entries.
    #[serde(rename = "32-bit")]
    Bits32,
    /// Three levels of 64-bit entries on a 32-bit machine.
    Pae,
    /// Four levels.
    FourLevel,
    /// Five levels (LA57).
    FiveLevel,
}

/// What a user gives by hand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Given {
    /// Page directory of the kernel.
    pub directory: Option<Gpa>,
    /// Base of the kernel's image.
    pub kernel_base: Option<Gva>,
    /// KDDEBUGGER_DATA64.
    pub kdbg: Option<Gva>,
}

/// Windows as it was found.
#[derive(Clone, Debug, Default, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Windows {
    /// Machine code of the kernel.
    pub architecture: Option<Architecture>,
    /// Page tables.
    pub paging: Option<PagingMode>,
    /// Page directory (or PML4, PML5) of the kernel, without flags and PCID.
    pub directory: Option<Found<Gpa>>,
    /// The kernel's image.
    pub kernel: Option<Kernel>,
    /// Version.
    pub build: Option<Build>,
    /// DBGKD_GET_VERSION64 as the kernel keeps it (KdVersionBlock).
    pub version_block: Option<VersionBlock>,
    /// The debugger data block.
    pub kdbg: Option<Kdbg>,
    /// Loaded modules, in the order of the list.
    pub modules: Vec<Module>,
    /// Processors, by number.
    pub processors: Vec<Processor>,
    /// Processes, in the order of the list.
    pub processes: Vec<Process>,
    /// What could not be found, and why.
    pub missing: Vec<Missing>,
    /// What is wrong in the guest's structures.
    pub damage: Vec<Damage>,
    /// Bytes that a debugger reads in place of the guest's: a plain KDBG where the guest's is encoded.
    #[serde(skip)]
    pub overlays: Vec<Overlay>,
}

/// A value with the way in which it was found.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Found<T> {
    /// The value.
    pub value: T,
    /// Where it comes from, in words: `CR3 of vCPU 1`, `low stub at 0x13000`, `given`.
    pub from: String,
}

/// The kernel's image.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Kernel {
    /// Base.
    pub base: Gva,
    /// How the base was found.
    pub from: String,
    /// SizeOfImage in bytes.
    pub size: u32,
    /// TimeDateStamp of the PE header.
    pub timestamp: u32,
    /// CheckSum of the PE header.
    pub checksum: u32,
    /// Name in the export directory: `ntoskrnl.exe`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub export_name: Option<String>,
    /// CodeView record.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pdb: Option<Pdb>,
}

/// CodeView record of an image (RSDS).
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Pdb {
    /// Name of the PDB: `ntkrnlmp.pdb`.
    pub name: String,
    /// GUID as symbol servers write it, then the age: `81BC5C377C525081645F9958F209C5271`.
    pub id: String,
}

/// Version of Windows.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Build {
    /// Build number: 19041.
    pub number: u32,
    /// How it was found.
    pub from: String,
    /// Major version of NT, where KUSER_SHARED_DATA says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub major: Option<u32>,
    /// Minor version of NT.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub minor: Option<u32>,
    /// Product type: 1 workstation, 2 domain controller, 3 server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub product_type: Option<u32>,
    /// Names of the releases with this number: `Windows 10 2004 (20H1)`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Checked (debug) build.
    pub checked: bool,
    /// System time of KUSER_SHARED_DATA, in 100 ns since 1601-01-01.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system_time: Option<u64>,
}

/// KdVersionBlock: what the kernel itself answers to GetVersion.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct VersionBlock {
    /// Where it stands.
    pub at: Gva,
    /// Its 40 bytes.
    #[serde(skip)]
    pub bytes: [u8; 40],
    /// Build number.
    pub build: u16,
    /// Flags: 1 multiprocessor, 2 data pointers, 4 64-bit pointers.
    pub flags: u16,
    /// PsLoadedModuleList.
    pub loaded_modules: Gva,
    /// Address of the LIST_ENTRY whose Flink is the KDBG.
    pub debugger_data: Gva,
}

/// KDDEBUGGER_DATA64.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Kdbg {
    /// Where it stands, or where a debugger reads the one that was put together.
    pub at: Gva,
    /// How it was found.
    pub from: String,
    /// Its state in the guest.
    pub state: KdbgState,
    /// Its plain bytes, as long as its header says.
    #[serde(skip)]
    pub bytes: Vec<u8>,
}

/// How the guest holds its KDBG.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum KdbgState {
    /// Plain.
    Plain,
    /// Encoded, decoded here.
    Decoded,
    /// Put together from what was found, because the guest's could not be read.
    Synthesised,
}

/// A loaded module.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Module {
    /// Base of the image.
    pub base: Gva,
    /// SizeOfImage in bytes.
    pub size: u32,
    /// Entry point.
    pub entry: Gva,
    /// BaseDllName.
    pub name: String,
    /// FullDllName.
    pub path: String,
    /// Address of its LDR_DATA_TABLE_ENTRY.
    pub record: Gva,
    /// TimeDateStamp of its PE header, where that is in memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<u32>,
    /// CheckSum of its PE header.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checksum: Option<u32>,
    /// CodeView record.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pdb: Option<Pdb>,
}

/// A processor as the kernel keeps it.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Processor {
    /// Number.
    pub number: u32,
    /// KPCR.
    pub kpcr: Gva,
    /// KPRCB.
    pub kprcb: Gva,
    /// The thread that runs on it (KTHREAD).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thread: Option<Gva>,
    /// Number of the vCPU of the source that it is, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vcpu: Option<u32>,
    /// Whether the CONTEXT and special registers come from the KPRCB (no vCPU state in the source).
    pub from_kprcb: bool,
}

/// A process.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Process {
    /// EPROCESS.
    pub at: Gva,
    /// Process id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<u64>,
    /// Id of the process that made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<u64>,
    /// ImageFileName.
    pub name: String,
    /// DirectoryTableBase.
    pub directory: Gpa,
    /// PEB in its address space; 0 for the system's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peb: Option<Gva>,
}

/// Something that could not be found.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Missing {
    /// What: `KDBG`, `kernel base`.
    pub what: &'static str,
    /// Why not, and how to give it by hand.
    pub why: String,
}

/// Bytes that are read in place of the guest's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overlay {
    /// Where they are read by virtual address.
    pub at: Gva,
    /// The same by physical address, piece by piece: address, offset in `bytes`, length. Empty where the
    /// guest has no page there.
    pub physical: Vec<(Gpa, usize, usize)>,
    /// The bytes.
    pub bytes: Vec<u8>,
}
