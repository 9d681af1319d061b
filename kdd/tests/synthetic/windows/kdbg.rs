//! KdVersionBlock, the list of data blocks, KDDEBUGGER_DATA64.

use super::Builder;
use super::config::Kdbg;
use super::kernel::rva;
use super::known::{HIGH_BIT, SWIZZLE_BIT};
use super::layout::Architecture;
use super::pages::PAGE;

/// Addresses of the kernel are sign-extended in 64-bit fields.
fn extend(b: &Builder, address: u64) -> u64 {
    if b.config.architecture.is_64() {
        address
    } else {
        i64::from(address as u32 as i32) as u64
    }
}

/// Writes all three.
pub fn write(b: &mut Builder) {
    let list = b.nt(rva::DATA_LIST);
    let block = b.nt(rva::KDBG);
    b.truth.data_list = list;
    b.truth.data_block_encoded = b.nt(rva::BLOCK_ENCODED);
    b.truth.processor_block = b.nt(rva::PROCESSOR_BLOCK);
    b.truth.pte_base = b.memory.pte_base();
    version_block(b);
    if b.config.kdbg == Kdbg::Absent {
        b.link(list, &[]);
        let junk = b.memory.random.bytes(b.layout.kdbg as usize);
        b.memory.write(block, &junk);
        return;
    }
    b.link(list, &[block]);
    let bytes = block_bytes(b);
    b.truth.kdbg = Some(block);
    b.truth.kdbg_bytes.clone_from(&bytes);
    match b.config.kdbg {
        Kdbg::Encoded {
            wait_never,
            wait_always,
        } => {
            assert!(b.config.architecture.is_64(), "only x64 encodes its block");
            b.truth.wait_never = wait_never;
            b.truth.wait_always = wait_always;
            for (at, value) in [(rva::WAIT_NEVER, wait_never), (rva::WAIT_ALWAYS, wait_always)] {
                let at = b.nt(at);
                b.memory.write_u64(at, value);
            }
            let flag = b.nt(rva::BLOCK_ENCODED);
            b.memory.write(flag, &[1]);
            let encoded = encode(&bytes, wait_never, wait_always, flag);
            b.memory.write(block, &encoded);
        }
        _ => b.memory.write(block, &bytes),
    }
}

/// The inverse of what KdCopyDataBlock does to each word.
fn encode(bytes: &[u8], wait_never: u64, wait_always: u64, flag: u64) -> Vec<u8> {
    bytes
        .chunks(8)
        .flat_map(|word| {
            let plain = u64::from_le_bytes(word.try_into().expect("whole words"));
            let swapped = (plain ^ wait_always).swap_bytes() ^ flag;
            (swapped.rotate_right((wait_never & 0xff) as u32 % 64) ^ wait_never).to_le_bytes()
        })
        .collect()
}

/// DBGKD_GET_VERSION64.
fn version_block(b: &mut Builder) {
    let is_64 = b.config.architecture.is_64();
    let mut out = vec![0; 40];
    let multiprocessor = u16::from(b.config.cpus > 1);
    let flags = multiprocessor | 2 | if is_64 { 4 } else { 0 };
    let machine: u16 = if is_64 { 0x8664 } else { 0x14c };
    let put = |out: &mut Vec<u8>, at: usize, value: &[u8]| out[at..at + value.len()].copy_from_slice(value);
    put(&mut out, 0, &[0xf, 0]);
    put(&mut out, 2, &(b.config.build as u16).to_le_bytes());
    put(&mut out, 4, &[6, if is_64 { 2 } else { 0 }]);
    put(&mut out, 6, &flags.to_le_bytes());
    put(&mut out, 8, &machine.to_le_bytes());
    put(&mut out, 10, &[0xc, 3, 0x31, 0]);
    // A copy without addresses, as the boot loader's debugger leaves one.
    let decoy = b.nt(rva::VERSION_DECOY);
    b.memory.write(decoy, &out);
    for (at, value) in [
        (16, b.truth.kernel_base),
        (24, b.truth.loaded_module_list),
        (32, b.truth.data_list),
    ] {
        let value = extend(b, value);
        put(&mut out, at, &value.to_le_bytes());
    }
    let at = b.nt(rva::VERSION_BLOCK);
    b.memory.write(at, &out);
    b.truth.version_block = at;
    b.truth.version_block_bytes = out;
}

/// The plain block.
fn block_bytes(b: &mut Builder) -> Vec<u8> {
    let is_64 = b.config.architecture.is_64();
    let size = b.layout.kdbg as usize;
    let mut out = vec![0; 0x380];
    let mut put = |at: usize, value: &[u8]| out[at..at + value.len()].copy_from_slice(value);
    let list = b.truth.data_list.to_le_bytes();
    if is_64 {
        put(0, &list);
        put(8, &list);
    } else {
        // The list is made of 32-bit pointers, both in the room of the first.
        put(0, &list[..4]);
        put(4, &list[..4]);
    }
    put(0x10, b"KDBG");
    put(0x14, &(size as u32).to_le_bytes());
    put(0x18, &extend(b, b.truth.kernel_base).to_le_bytes());
    put(0x36, &[u8::from(b.config.architecture != Architecture::X86)]);
    for (at, target) in [
        (0x20, rva::BREAK_WITH_STATUS),
        (0x48, rva::LOADED_MODULES),
        (0x50, rva::ACTIVE_PROCESSES),
        (0x58, rva::CID_TABLE),
        (0x78, rva::TIME_INCREMENT),
        (0x88, rva::BUGCHECK_DATA),
        (0xc0, rva::PFN_DATABASE),
        (0xf8, rva::PHYSICAL_PAGES),
        (0x218, rva::PROCESSOR_BLOCK),
        (0x220, rva::UNLOADED_DRIVERS),
        (0x268, rva::CSD_VERSION),
        (0x270, rva::MEMORY_BLOCK),
        (0x2c8, rva::PRINT_BUFFER),
    ] {
        put(at, &extend(b, b.nt(target)).to_le_bytes());
    }
    put(0x138, &PAGE.to_le_bytes());
    put(0x2d0, &0x1000u64.to_le_bytes());
    for (at, value) in offsets(b) {
        put(at, &(value as u16).to_le_bytes());
    }
    if b.config.l1tf {
        put(0x2c2, &[HIGH_BIT, SWIZZLE_BIT]);
    }
    let thread = b.layout.ethread;
    put(0x340, &(thread.stack_limit as u32).to_le_bytes());
    put(0x344, &(thread.stack_base as u32).to_le_bytes());
    put(0x350, &(b.layout.kprcb.idle_thread as u16).to_le_bytes());
    put(0x360, &extend(b, b.memory.pte_base()).to_le_bytes());
    out.truncate(size);
    out
}

/// The 16-bit fields: offsets in structures, their sizes, selectors.
fn offsets(b: &Builder) -> Vec<(usize, u64)> {
    let (process, thread, prcb) = (b.layout.eprocess, b.layout.ethread, b.layout.kprcb);
    let is_64 = b.config.architecture.is_64();
    let mut list = vec![
        (0x29a, thread.teb),
        (0x29c, thread.kernel_stack),
        (0x29e, thread.initial_stack),
        (0x2a0, thread.apc_process),
        (0x2a2, thread.state),
        (0x2a8, process.size),
        (0x2aa, process.peb),
        (0x2ac, process.parent),
        (0x2ae, process.directory),
        (0x2b0, prcb.size),
        (0x2b2, prcb.dpc_active),
        (0x2b4, prcb.current_thread),
        (0x2b6, prcb.mhz),
        (0x2b8, prcb.cpu_type),
        (0x2ba, prcb.vendor),
        (0x2bc, prcb.context),
        (0x2be, prcb.number),
        (0x2c0, thread.size),
        (0x2e0, b.layout.kpcr),
        (0x2e6, b.layout.contained),
        (0x2f2, prcb.special),
        (0x338, prcb.context_pointer),
    ];
    list.extend_from_slice(if is_64 {
        &[
            (0x2e2, 0x18),
            (0x2e4, 0x20),
            (0x2f4, 0x10),
            (0x2f6, 0x18),
            (0x2fa, 0x33),
            (0x2fc, 0x2b),
            (0x302, 0x40),
            (0x304, 0x23),
            (0x306, 0x53),
        ]
    } else {
        &[
            (0x2e2, 0x1c),
            (0x2e4, 0x20),
            (0x2f4, 0x8),
            (0x2f6, 0x10),
            (0x2f8, 0x30),
            (0x2fa, 0x1b),
            (0x2fc, 0x23),
            (0x2fe, 0x3b),
            (0x300, 0x48),
            (0x302, 0x28),
        ]
    });
    list
}
