//! Loaded modules and processes.

use super::Builder;
use super::config::{ModuleSpec, ProcessSpec};
use super::image::{self, CODE, DATA, Function, Headers, READ_ONLY, Section};
use super::kernel::{DRIVER, OUTER, SIZE, rva};
use super::pages::{PAGE, Right};
use super::truth::{Kind, Known, Module, Process};

/// PsLoadedModuleList with the kernel first.
pub fn modules(b: &mut Builder) {
    let head = b.nt(rva::LOADED_MODULES);
    b.truth.loaded_module_list = head;
    let truth = &b.truth;
    let kernel = Module {
        name: "ntoskrnl.exe".to_owned(),
        path: "\\SystemRoot\\system32\\ntoskrnl.exe".to_owned(),
        base: truth.kernel_base,
        size: SIZE,
        entry: truth.kernel_base + 0x2c_1010,
        timestamp: truth.kernel_timestamp,
        checksum: truth.kernel_checksum,
        pdb_name: truth.kernel_pdb_name.clone(),
        pdb_id: truth.kernel_pdb_id.clone(),
        record: 0,
        resident: true,
    };
    let mut list = vec![kernel];
    let mut base = match (b.config.architecture.is_64(), b.config.build) {
        (true, 3790) => 0xffff_f97f_ff00_0000,
        (true, _) => 0xffff_f805_6a20_0000,
        (false, 2600) => 0xf740_0000,
        (false, _) => 0x8b60_0000,
    };
    for spec in &b.config.modules {
        list.push(module(b, spec, base));
        base += u64::from(spec.size).next_multiple_of(0x1_0000) + b.memory.random.below(4) * 0x1_0000;
    }
    for module in &mut list {
        module.record = record(b, module);
    }
    let entries: Vec<u64> = list.iter().map(|module| module.record).collect();
    b.link(head, &entries);
    b.truth.modules = list;
}

/// LDR_DATA_TABLE_ENTRY.
fn record(b: &mut Builder, module: &Module) -> u64 {
    let is_64 = b.config.architecture.is_64();
    let at = b.pool(0xa0);
    let offsets: [u64; 7] = if is_64 {
        [0x30, 0x38, 0x40, 0x48, 0x58, 0x78, 0x80]
    } else {
        [0x18, 0x1c, 0x20, 0x24, 0x2c, 0x40, 0x44]
    };
    let [base, entry, size, path, name, checksum, timestamp] = offsets;
    b.memory.write_pointer(at + base, module.base);
    b.memory.write_pointer(at + entry, module.entry);
    b.memory.write_u32(at + size, module.size);
    b.unicode(at + path, &module.path);
    b.unicode(at + name, &module.name);
    b.memory.write_u32(at + checksum, module.checksum);
    if b.config.build < 9200 {
        b.memory.write_u32(at + timestamp, module.timestamp);
    }
    at
}

/// The image of a driver: headers, .text, .rdata, .pdata.
fn module(b: &mut Builder, spec: &ModuleSpec, base: u64) -> Module {
    let is_64 = b.config.architecture.is_64();
    let (table, unwind) = image::exception_directory(&[DRIVER], 0x4100);
    let debug = image::debug_directory(0x4000, spec.timestamp, &spec.pdb);
    let mut directories = vec![(image::DEBUG, 0x4000, 28)];
    if is_64 {
        directories.push((image::EXCEPTION, 0x5000, table.len() as u32));
    }
    let section = |name, rva, size, flags| Section { name, rva, size, flags };
    let headers = Headers {
        is_64,
        base,
        size: spec.size,
        entry: 0x2010,
        timestamp: spec.timestamp,
        checksum: spec.checksum,
        version: super::kernel::version(b.config.build),
        sections: vec![
            section(".text", 0x1000, 0x3000, CODE),
            section(".rdata", 0x4000, 0x1000, READ_ONLY),
            section(".pdata", 0x5000, 0x1000, READ_ONLY),
            section(".data", 0x6000, spec.size - 0x6000, DATA),
        ],
        directories,
    };
    if spec.resident {
        let kernel = b.memory.kernel;
        b.memory.map(kernel, base, PAGE, Right::ReadOnly);
        b.memory.map(kernel, base + 0x2000, PAGE, Right::Code);
        b.memory.map(kernel, base + 0x4000, 2 * PAGE, Right::ReadOnly);
        b.memory.write(base, &headers.bytes());
        b.memory.write(base + 0x4000, &debug);
        driver_code(b, base, is_64);
        if is_64 {
            b.memory.write(base + 0x4100, &unwind);
            b.memory.write(base + 0x5000, &table);
        }
        if b.driver.is_none() || spec.name.ends_with(".sys") {
            b.driver = Some(base);
        }
    }
    Module {
        name: spec.name.clone(),
        path: spec.path.clone(),
        base,
        size: spec.size,
        entry: base + 0x2010,
        timestamp: spec.timestamp,
        checksum: spec.checksum,
        pdb_name: spec.pdb.name.clone(),
        pdb_id: spec.pdb.id(),
        record: 0,
        resident: spec.resident,
    }
}

fn driver_code(b: &mut Builder, base: u64, is_64: bool) {
    b.memory.write(base + 0x2000, &[0xcc; PAGE as usize]);
    let code = if is_64 {
        DRIVER.code(DRIVER.rva - Function::SIZE)
    } else {
        DRIVER.code_x86(OUTER.rva)
    };
    b.memory.write(base + u64::from(DRIVER.rva), &code);
}

/// PsActiveProcessHead, the system process first.
pub fn processes(b: &mut Builder) {
    let head = b.nt(rva::ACTIVE_PROCESSES);
    b.truth.active_process_head = head;
    let mut list = Vec::new();
    for (number, spec) in b.config.processes.iter().enumerate() {
        list.push(process(b, spec, number == 0));
    }
    let links = b.layout.eprocess.links;
    let entries: Vec<u64> = list.iter().map(|process| process.at + links).collect();
    b.link(head, &entries);
    let at = b.nt(rva::INITIAL_PROCESS);
    b.memory.write_pointer(at, list[0].at);
    b.truth.processes = list;
}

/// EPROCESS, and for a process of user mode its address space with a PEB and a page of code.
fn process(b: &mut Builder, spec: &ProcessSpec, system: bool) -> Process {
    let layout = b.layout.eprocess;
    let at = b.pool(layout.size);
    let directory = if system { b.memory.kernel } else { b.memory.directory() };
    let peb = if system { 0 } else { user_space(b, directory, spec.id) };
    let tag = if b.config.kpti { 2 } else { 0 };
    let words = (b.layout.eprocess.size / 4).min(0x7f) as u8;
    b.memory.write(at, &[3, 0, words, 0]);
    b.memory.write_pointer(at + layout.directory, directory | tag);
    b.memory.write_pointer(at + layout.id, spec.id);
    b.memory.write_pointer(at + layout.parent, spec.parent);
    b.memory.write_pointer(at + layout.peb, peb);
    let name = spec.name.as_bytes();
    b.memory.write(at + layout.name, &name[..name.len().min(14)]);
    for list in [layout.threads, layout.executive_threads] {
        b.link(at + list, &[]);
    }
    belongings(b, at, spec);
    Process {
        name: spec.name.clone(),
        id: spec.id,
        parent: spec.parent,
        at,
        directory,
        peb,
    }
}

/// What a process points to: its table of handles, the path of its image, its tree of address ranges.
fn belongings(b: &mut Builder, at: u64, spec: &ProcessSpec) {
    let layout = b.layout.eprocess;
    let table = b.pool_tagged(0x80, *b"Obtb");
    b.memory.write_pointer(at + layout.object_table, table);
    let path = if spec.id == 4 {
        String::new()
    } else {
        format!("\\Device\\HarddiskVolume3\\Windows\\System32\\{}", spec.name)
    };
    let text: Vec<u8> = path.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let name = b.pool_tagged(0x20 + text.len() as u64, *b"SeAu");
    let buffer = name + 2 * b.pointer();
    b.memory.write_u16(name, text.len() as u16);
    b.memory.write_u16(name + 2, text.len() as u16 + 2);
    b.memory.write_pointer(name + b.pointer(), buffer);
    b.memory.write(buffer, &text);
    b.memory.write_pointer(at + layout.audit, name);
    let range = b.pool_tagged(0x60, *b"Vad ");
    b.memory.write_u32(at + layout.exit_status, 0x103);
    b.memory.write_pointer(at + layout.vad_root, range);
}

/// Address of the page of code in user space.
pub fn user_code(is_64: bool) -> u64 {
    if is_64 { 0x7ff6_1f2c_1000 } else { 0x0040_1000 }
}

fn user_space(b: &mut Builder, directory: u64, id: u64) -> u64 {
    let is_64 = b.config.architecture.is_64();
    let code = user_code(is_64);
    let peb = if is_64 {
        0x00c5_4a10_7000 + id * 0x1_0000
    } else {
        0x7ffd_4000
    };
    let stack = peb - 0x2_0000;
    b.memory.map(directory, code, PAGE, Right::UserCode);
    // The PEB and one TEB after it.
    b.memory.map(directory, peb, 2 * PAGE, Right::UserData);
    b.memory.map(directory, stack, 2 * PAGE, Right::UserData);
    let shared = b.shared.1;
    b.memory.map_to(directory, 0x7ffe_0000, shared, Right::UserCode);
    b.memory.write_in(directory, code, &[0x90; 0x800]);
    b.memory.write_in(directory, code + 0x800, &[0xcc; 0x800]);
    // PEB.ImageBaseAddress.
    let image = if is_64 { 0x10 } else { 8 };
    let bytes = (code - 0x1000).to_le_bytes();
    b.memory
        .write_in(directory, peb + image, &bytes[..b.pointer() as usize]);
    let bytes = b.memory.random.bytes(64);
    let va = peb + 0x800;
    b.memory.write_in(directory, va, &bytes);
    b.truth.known.push(Known {
        kind: Kind::User,
        directory,
        va,
        pa: b.memory.translate(directory, va),
        bytes,
    });
    peb
}
