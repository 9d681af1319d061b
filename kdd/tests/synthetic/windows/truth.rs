//! What a debugger should find in a guest.

use serde::Serialize;

use super::layout::Architecture;

fn hex<S: serde::Serializer>(value: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&format!("{value:#x}"))
}

fn hex_option<S: serde::Serializer>(value: &Option<u64>, serializer: S) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => hex(value, serializer),
        None => serializer.serialize_none(),
    }
}

fn hex_list<S: serde::Serializer>(values: &[u64], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(values.iter().map(|value| format!("{value:#x}")))
}

fn hex_runs<S: serde::Serializer>(values: &[(u64, u64)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(values.iter().map(|(at, length)| format!("{at:#x}+{length:#x}")))
}

fn hex_bytes<S: serde::Serializer>(values: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&values.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
}

/// The guest as it was made. Addresses of 32-bit guests are not sign-extended.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Truth {
    pub architecture: Option<Architecture>,
    pub build: u32,
    #[serde(serialize_with = "hex")]
    pub kernel_base: u64,
    pub kernel_size: u32,
    pub kernel_timestamp: u32,
    pub kernel_checksum: u32,
    pub kernel_pdb_name: String,
    pub kernel_pdb_id: String,
    pub kernel_export_name: String,
    /// Page directory of the system process, without PCID.
    #[serde(serialize_with = "hex")]
    pub directory: u64,
    /// KdVersionBlock.
    #[serde(serialize_with = "hex")]
    pub version_block: u64,
    #[serde(serialize_with = "hex_bytes")]
    pub version_block_bytes: Vec<u8>,
    /// KdpDebuggerDataListHead; also where there is no KDBG.
    #[serde(serialize_with = "hex")]
    pub data_list: u64,
    /// KdDebuggerDataBlock.
    #[serde(serialize_with = "hex_option")]
    pub kdbg: Option<u64>,
    /// Its bytes, plain.
    #[serde(serialize_with = "hex_bytes")]
    pub kdbg_bytes: Vec<u8>,
    /// KdpDataBlockEncoded, KiWaitNever, KiWaitAlways.
    #[serde(serialize_with = "hex")]
    pub data_block_encoded: u64,
    #[serde(serialize_with = "hex")]
    pub wait_never: u64,
    #[serde(serialize_with = "hex")]
    pub wait_always: u64,
    #[serde(serialize_with = "hex")]
    pub loaded_module_list: u64,
    #[serde(serialize_with = "hex")]
    pub active_process_head: u64,
    #[serde(serialize_with = "hex")]
    pub processor_block: u64,
    /// PteBase.
    #[serde(serialize_with = "hex")]
    pub pte_base: u64,
    /// Bits that entries which are not valid have inverted while bit 4 is clear in them.
    #[serde(serialize_with = "hex")]
    pub invalid_pte_mask: u64,
    /// A page of the kernel's code that is not mapped.
    #[serde(serialize_with = "hex_option")]
    pub hole: Option<u64>,
    /// Page of the low stub.
    #[serde(serialize_with = "hex_option")]
    pub low_stub: Option<u64>,
    pub major: u32,
    pub minor: u32,
    pub product_type: u32,
    pub system_time: u64,
    pub modules: Vec<Module>,
    pub processes: Vec<Process>,
    pub processors: Vec<Processor>,
    pub known: Vec<Known>,
    /// Start and length of what exists.
    #[serde(serialize_with = "hex_runs")]
    pub memory_runs: Vec<(u64, u64)>,
}

/// A loaded module.
#[derive(Clone, Debug, Serialize)]
pub struct Module {
    pub name: String,
    pub path: String,
    #[serde(serialize_with = "hex")]
    pub base: u64,
    pub size: u32,
    #[serde(serialize_with = "hex")]
    pub entry: u64,
    pub timestamp: u32,
    pub checksum: u32,
    pub pdb_name: String,
    pub pdb_id: String,
    /// LDR_DATA_TABLE_ENTRY.
    #[serde(serialize_with = "hex")]
    pub record: u64,
    /// Whether its headers are in memory.
    pub resident: bool,
}

/// A process.
#[derive(Clone, Debug, Serialize)]
pub struct Process {
    pub name: String,
    pub id: u64,
    pub parent: u64,
    #[serde(serialize_with = "hex")]
    pub at: u64,
    /// Page directory without PCID.
    #[serde(serialize_with = "hex")]
    pub directory: u64,
    #[serde(serialize_with = "hex")]
    pub peb: u64,
}

/// A processor.
#[derive(Clone, Debug, Serialize)]
pub struct Processor {
    #[serde(serialize_with = "hex")]
    pub kpcr: u64,
    #[serde(serialize_with = "hex")]
    pub kprcb: u64,
    #[serde(serialize_with = "hex")]
    pub thread: u64,
    #[serde(serialize_with = "hex")]
    pub process: u64,
    #[serde(serialize_with = "hex")]
    pub rip: u64,
    #[serde(serialize_with = "hex")]
    pub rsp: u64,
    #[serde(serialize_with = "hex")]
    pub cr3: u64,
    /// Whether it stands in user mode, on page tables without the kernel.
    pub user: bool,
    /// Instruction pointers of its frames, the first one RIP.
    #[serde(serialize_with = "hex_list")]
    pub frames: Vec<u64>,
    /// CONTEXT in its KPRCB.
    #[serde(serialize_with = "hex_bytes")]
    pub context: Vec<u8>,
    /// KSPECIAL_REGISTERS in its KPRCB.
    #[serde(serialize_with = "hex_bytes")]
    pub special: Vec<u8>,
}

/// How a virtual address is translated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Kind {
    /// By an entry of a page table.
    Page,
    /// The same, over the end of a page to another that is elsewhere in RAM.
    Crossing,
    /// By an entry of 2 MiB, or 4 MiB.
    Large,
    /// By an entry of 1 GiB.
    Huge,
    /// In user space of one process.
    User,
    /// An entry in transition: not valid, the page is in RAM.
    Transition,
    /// An entry that points to a prototype entry, which is valid.
    Prototype,
    /// An entry that points to a prototype entry in transition.
    PrototypeTransition,
    /// In a page file.
    PagedOut,
    /// Never touched.
    DemandZero,
    /// No entry at all.
    Unmapped,
    /// A valid entry to a physical address without RAM.
    Absent,
}

/// Memory whose address and contents are known.
#[derive(Clone, Debug, Serialize)]
pub struct Known {
    pub kind: Kind,
    /// Page directory.
    #[serde(serialize_with = "hex")]
    pub directory: u64,
    #[serde(serialize_with = "hex")]
    pub va: u64,
    /// Physical address; none where the page is not in RAM.
    #[serde(serialize_with = "hex_option")]
    pub pa: Option<u64>,
    /// What stands there.
    #[serde(serialize_with = "hex_bytes")]
    pub bytes: Vec<u8>,
}
