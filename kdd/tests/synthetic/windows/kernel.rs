//! The kernel's image, KUSER_SHARED_DATA, the low stub, the list of memory runs.

use super::Builder;
use super::code;
use super::image::{self, CODE, DATA, DISCARDED, Function, Headers, Pdb, READ_ONLY, Section};
use super::layout::Architecture;
use super::pages::{PAGE, Right};

pub const SIZE: u32 = 0x40_0000;
pub const RDATA: u32 = 0x1000;
pub const PDATA: u32 = 0x8000;
pub const TEXT: u32 = 0x1_0000;
pub const TEXT_END: u32 = 0x6_0000;
const PAGED: u32 = 0x6_0000;
const PAGED_END: u32 = 0x8_0000;
const DATA_START: u32 = 0x20_0000;
const DATA_END: u32 = 0x24_0000;
const EDATA: u32 = 0x28_0000;
const INIT: u32 = 0x2c_0000;
const SHADOW_CODE: u32 = 0x38_0000;

/// Addresses of functions and variables in the image.
pub mod rva {
    pub const BREAK_WITH_STATUS: u32 = 0x1_a120;
    pub const BUG_CHECK: u32 = 0x1_b900;
    pub const COPY_DATA_BLOCK: u32 = 0x3_6f10;
    pub const DECOY: u32 = 0x3_1220;
    /// First page of the part that is not mapped where the guest has a hole.
    pub const HOLE: u32 = 0x3_a000;
    pub const HOLE_END: u32 = 0x3_c000;
    /// Handlers of interrupts, 32 bytes each.
    pub const HANDLERS: u32 = 0x4_8000;
    pub const SYSTEM_CALL: u32 = 0x5_1c40;
    pub const SYSTEM_CALL_32: u32 = 0x5_1980;
    pub const FAST_CALL_ENTRY: u32 = 0x5_2040;
    pub const SHADOW_CALL: u32 = 0x38_0180;
    pub const SHADOW_HANDLERS: u32 = 0x38_1000;

    pub const NT_BUILD_NUMBER: u32 = 0x20_0010;
    pub const VERSION_BLOCK: u32 = 0x20_0c40;
    pub const VERSION_DECOY: u32 = 0x20_06a0;
    pub const KDBG: u32 = 0x20_2fa0;
    pub const DATA_LIST: u32 = 0x20_4070;
    pub const WAIT_NEVER: u32 = 0x20_8510;
    pub const WAIT_ALWAYS: u32 = 0x20_86a8;
    pub const BLOCK_ENCODED: u32 = 0x20_9bd1;
    pub const UNLOADED_DRIVERS: u32 = 0x20_a308;
    pub const LOADED_MODULES: u32 = 0x20_a390;
    pub const NUMBER_PROCESSORS: u32 = 0x20_c02c;
    pub const CSD_VERSION: u32 = 0x20_c078;
    pub const BUILD_LAB: u32 = 0x20_c100;
    pub const ACTIVE_PROCESSES: u32 = 0x20_e200;
    pub const BUGCHECK_DATA: u32 = 0x21_1480;
    pub const INITIAL_PROCESS: u32 = 0x21_a430;
    pub const TIME_INCREMENT: u32 = 0x21_a468;
    pub const CID_TABLE: u32 = 0x21_a5c8;
    pub const PFN_DATABASE: u32 = 0x21_a600;
    pub const MEMORY_BLOCK: u32 = 0x21_a648;
    pub const PHYSICAL_PAGES: u32 = 0x21_a680;
    pub const PROCESSOR_BLOCK: u32 = 0x21_bc80;
    pub const PRINT_BUFFER: u32 = 0x21_d000;
    pub const INITIAL_PCR: u32 = 0x23_0000;
}

/// The functions that stand in stacks: the innermost, the next, the outermost.
pub const INNER: Function = Function {
    rva: 0x1_f340,
    frame: 0x28,
    push: false,
};
pub const MIDDLE: Function = Function {
    rva: 0x2_1a80,
    frame: 0x108,
    push: true,
};
pub const OUTER: Function = Function {
    rva: 0x1_2c60,
    frame: 0x40,
    push: true,
};
/// The driver's function, between the middle and the outermost.
pub const DRIVER: Function = Function {
    rva: 0x2340,
    frame: 0x58,
    push: true,
};

/// Base of the kernel's image.
fn base(b: &mut Builder) -> u64 {
    match (b.config.architecture, b.config.build) {
        (Architecture::X86 | Architecture::X86Pae, 2600) => 0x804d_7000,
        (Architecture::X86 | Architecture::X86Pae, _) => 0x8280_0000 + b.memory.random.below(0x1f0) * PAGE,
        (_, 3790) => 0xffff_f800_0100_0000,
        // Not at a multiple of 2 MiB before Windows 8.
        (_, 7601) => 0xffff_f800_02a0_0000 + b.memory.random.below(0x1f0) * PAGE,
        _ => 0xffff_f802_0000_0000 + b.memory.random.below(0x1800) * 0x20_0000,
    }
}

fn names(b: &Builder) -> (&'static str, &'static str) {
    match (b.config.architecture, b.config.cpus) {
        (Architecture::X64FourLevel | Architecture::X64FiveLevel, _) => ("ntoskrnl.exe", "ntkrnlmp.pdb"),
        (Architecture::X86Pae, 1) => ("ntkrnlpa.exe", "ntkrnlpa.pdb"),
        (Architecture::X86Pae, _) => ("ntkrpamp.exe", "ntkrpamp.pdb"),
        (Architecture::X86, 1) => ("ntoskrnl.exe", "ntoskrnl.pdb"),
        (Architecture::X86, _) => ("ntkrnlmp.exe", "ntkrnlmp.pdb"),
    }
}

fn section(name: &'static str, rva: u32, end: u32, flags: u32) -> Section {
    Section {
        name,
        rva,
        size: end - rva,
        flags,
    }
}

/// Major and minor version of NT.
pub fn version(build: u32) -> (u16, u16) {
    match build {
        2600 => (5, 1),
        3790 => (5, 2),
        7601 => (6, 1),
        9600 => (6, 3),
        _ => (10, 0),
    }
}

fn map(b: &mut Builder, base: u64) {
    let kernel = b.memory.kernel;
    if b.config.large_pages {
        let step = b.memory.large_size();
        let mut at = base & !(step - 1);
        while at < base + u64::from(SIZE) {
            let page = b.memory.large_page();
            b.memory.map_large(kernel, at, page, Right::Code);
            at += step;
        }
        return;
    }
    let mut parts = vec![
        (0, RDATA, Right::ReadOnly),
        (RDATA, TEXT, Right::ReadOnly),
        (TEXT, PAGED_END, Right::Code),
        (DATA_START, DATA_END, Right::Data),
        (EDATA, EDATA + 0x1000, Right::ReadOnly),
    ];
    if b.config.kpti {
        parts.push((SHADOW_CODE, SHADOW_CODE + 0x4000, Right::Code));
    }
    for (start, end, right) in parts {
        b.memory
            .map(kernel, base + u64::from(start), u64::from(end - start), right);
    }
}

/// Maps and fills the image.
pub fn image(b: &mut Builder) {
    assert!(
        !(b.config.large_pages && (b.config.hole || b.config.architecture == Architecture::X86)),
        "large pages leave no hole, and none of 4 MiB are made"
    );
    let base = base(b);
    let is_64 = b.config.architecture.is_64();
    let build = b.config.build;
    let (export_name, pdb_name) = names(b);
    map(b, base);
    let pdb = Pdb {
        name: pdb_name.to_owned(),
        guid: b.memory.random.bytes(16).try_into().expect("16 bytes"),
        age: 1,
    };
    let mut sections = vec![
        section(".rdata", RDATA, PDATA, READ_ONLY),
        section(".pdata", PDATA, TEXT, READ_ONLY),
        section(".text", TEXT, TEXT_END, CODE),
        section("PAGE", PAGED, 0x7_0000, CODE),
        section("POOLCODE", 0x7_0000, 0x7_8000, CODE),
        section("INITKDBG", 0x7_8000, PAGED_END, CODE),
        section(".data", DATA_START, DATA_END, DATA),
        section(".edata", EDATA, EDATA + 0x1000, READ_ONLY),
        section("INIT", INIT, INIT + 0x2_0000, DISCARDED),
    ];
    if b.config.kpti {
        sections.push(section("KVASCODE", SHADOW_CODE, SHADOW_CODE + 0x4000, CODE));
    }
    let timestamp = 0x5d9f_0000 ^ build;
    let checksum = 0x3f_1000 + build;
    let exports = exports();
    let edata = image::export_directory(EDATA, timestamp, export_name, &exports);
    let debug = image::debug_directory(RDATA + 0x340, timestamp, &pdb);
    let unwind_at = RDATA + 0x800;
    let (table, unwind) = image::exception_directory(&[INNER, MIDDLE, OUTER], unwind_at);
    let mut directories = vec![
        (image::EXPORT, EDATA, edata.len() as u32),
        (image::DEBUG, RDATA + 0x340, 28),
    ];
    if is_64 {
        directories.push((image::EXCEPTION, PDATA, table.len() as u32));
    }
    let headers = Headers {
        is_64,
        base,
        size: SIZE,
        entry: INIT + 0x1010,
        timestamp,
        checksum,
        version: version(build),
        sections,
        directories,
    };
    b.memory.write(base, &headers.bytes());
    b.memory.write(base + u64::from(RDATA + 0x340), &debug);
    b.memory.write(base + u64::from(EDATA), &edata);
    if is_64 {
        b.memory.write(base + u64::from(PDATA), &table);
        b.memory.write(base + u64::from(unwind_at), &unwind);
    }
    let truth = &mut b.truth;
    truth.kernel_base = base;
    truth.kernel_size = SIZE;
    truth.kernel_timestamp = timestamp;
    truth.kernel_checksum = checksum;
    truth.kernel_pdb_name = pdb.name.clone();
    truth.kernel_pdb_id = pdb.id();
    truth.kernel_export_name = export_name.to_owned();
    code::write(b);
    variables(b);
    if b.config.hole {
        let kernel = b.memory.kernel;
        for at in (rva::HOLE..rva::HOLE_END).step_by(PAGE as usize) {
            b.memory.unmap(kernel, base + u64::from(at));
        }
        b.truth.hole = Some(base + u64::from(rva::HOLE));
    }
}

fn exports() -> Vec<(&'static str, u32)> {
    vec![
        ("DbgBreakPointWithStatus", rva::BREAK_WITH_STATUS),
        ("KeBugCheckEx", rva::BUG_CHECK),
        ("KeNumberProcessors", rva::NUMBER_PROCESSORS),
        ("KiBugCheckData", rva::BUGCHECK_DATA),
        ("NtBuildLab", rva::BUILD_LAB),
        ("NtBuildNumber", rva::NT_BUILD_NUMBER),
        ("PsInitialSystemProcess", rva::INITIAL_PROCESS),
        ("PsLoadedModuleList", rva::LOADED_MODULES),
    ]
}

/// CmNtCSDVersion: the service pack in the second byte.
fn service_pack(build: u32) -> u32 {
    match build {
        2600 => 0x300,
        3790 => 0x200,
        7601 => 0x100,
        _ => 0,
    }
}

fn variables(b: &mut Builder) {
    let build = b.config.build;
    for (at, value) in [
        (rva::NT_BUILD_NUMBER, 0xf000_0000 | build),
        (rva::NUMBER_PROCESSORS, u32::from(b.config.cpus)),
        (rva::CSD_VERSION, service_pack(build)),
        (rva::TIME_INCREMENT, 156_250),
        (rva::PHYSICAL_PAGES, (b.config.ram / PAGE) as u32),
    ] {
        let at = b.nt(at);
        b.memory.write_u32(at, value);
    }
    let lab = format!("{build}.1.synthetic.000000-0000\0");
    let at = b.nt(rva::BUILD_LAB);
    b.memory.write(at, lab.as_bytes());
    for (at, value) in [
        (rva::PFN_DATABASE, 0xffff_fa80_0000_0000_u64),
        (rva::CID_TABLE, 0xffff_d60f_1a20_3d40),
    ] {
        let at = b.nt(at);
        b.memory.write_pointer(at, value);
    }
}

/// KUSER_SHARED_DATA, for the kernel and at its address in user space.
pub fn shared_data(b: &mut Builder) {
    let at: u64 = if b.config.architecture.is_64() {
        0xffff_f780_0000_0000
    } else {
        0xffdf_0000
    };
    let page = b.memory.page();
    let kernel = b.memory.kernel;
    b.memory.map_to(kernel, at, page, Right::ReadOnly);
    b.shared = (at, page);
    let (major, minor) = version(b.config.build);
    let server = b.config.build == 3790 || b.config.architecture == Architecture::X64FiveLevel;
    let product = if server { 3 } else { 1 };
    let time: u64 = 132_539_328_000_000_000 + b.memory.random.below(1 << 40);
    let interrupt: u64 = 36_000_000_000 + b.memory.random.below(1 << 32);
    for (offset, value) in [(0x8, interrupt), (0x14, time)] {
        b.memory.write_u64(at + offset, value);
        b.memory.write_u32(at + offset + 8, (value >> 32) as u32);
    }
    let machine: u16 = if b.config.architecture.is_64() { 0x8664 } else { 0x14c };
    b.memory.write_u16(at + 0x2c, machine);
    b.memory.write_u16(at + 0x2e, machine);
    let root: Vec<u8> = "C:\\WINDOWS".encode_utf16().flat_map(u16::to_le_bytes).collect();
    b.memory.write(at + 0x30, &root);
    if b.config.build >= 10240 {
        b.memory.write_u32(at + 0x260, b.config.build);
    }
    b.memory.write_u32(at + 0x264, product);
    b.memory.write(at + 0x268, &[1]);
    b.memory.write_u32(at + 0x26c, u32::from(major));
    b.memory.write_u32(at + 0x270, u32::from(minor));
    if b.config.build >= 7601 {
        b.memory.write_u32(at + 0x3c0, u32::from(b.config.cpus));
        // XState: x87 and SSE.
        b.memory.write_u64(at + 0x3d8, 3);
        b.memory.write_u32(at + 0x3e0, 0x240);
    }
    b.truth.major = u32::from(major);
    b.truth.minor = u32::from(minor);
    b.truth.product_type = product;
    b.truth.system_time = time;
}

/// Takes a page in low memory for the low stub.
pub fn claim_low_stub(b: &mut Builder) -> u64 {
    b.memory.page_below(0x9_f000)
}

/// PROCESSOR_START_BLOCK: a jump, flags, the kernel's entry, CR3 of the system process.
pub fn low_stub(b: &mut Builder, page: u64) {
    let entry = b.nt(INIT + 0x1010);
    let directory = b.truth.directory;
    b.memory.put_u64(page, 0x0000_0001_0006_4de9);
    b.memory.put_u64(page + 0x70, entry);
    b.memory.put_u64(page + 0xa0, directory);
    b.truth.low_stub = Some(page);
}

/// PHYSICAL_MEMORY_DESCRIPTOR, after the last page was taken.
pub fn memory_runs(b: &mut Builder) {
    let variable = b.nt(rva::MEMORY_BLOCK);
    let width = b.pointer();
    let mut runs: Vec<(u64, u64)> = Vec::new();
    for page in b.memory.pages.keys().map(|page| page / PAGE) {
        match runs.last_mut() {
            Some((start, count)) if *start + *count == page => *count += 1,
            _ => runs.push((page, 1)),
        }
    }
    // In .data, so that it takes no page of its own and changes no run.
    let at = b.nt(DATA_END - 0x2000);
    b.memory.write_pointer(variable, at);
    let total = b.memory.pages.len() as u64;
    b.memory.write_u32(at, runs.len() as u32);
    b.memory.write_pointer(at + width, total);
    for (number, (start, count)) in runs.iter().enumerate() {
        let run = at + width * 2 * (number as u64 + 1);
        b.memory.write_pointer(run, *start);
        b.memory.write_pointer(run + width, *count);
    }
}
