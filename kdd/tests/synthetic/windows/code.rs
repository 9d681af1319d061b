//! Machine code in the kernel's .text: the functions of the stacks, entry points, KdCopyDataBlock.

use super::Builder;
use super::kernel::{DRIVER, INNER, MIDDLE, OUTER, TEXT, TEXT_END, rva};
use super::pages::PAGE;

/// Code with the place it stands at, to write operands relative to RIP.
struct Assembly {
    at: u64,
    bytes: Vec<u8>,
}

impl Assembly {
    fn put(&mut self, bytes: &[u8]) -> &mut Self {
        self.bytes.extend_from_slice(bytes);
        self
    }

    /// An instruction with a 32-bit displacement from its end, which `tail` bytes follow.
    fn relative(&mut self, opcode: &[u8], target: u64, tail: &[u8]) -> &mut Self {
        self.put(opcode);
        let end = self.at + (self.bytes.len() + 4 + tail.len()) as u64;
        self.put(&(target.wrapping_sub(end) as u32).to_le_bytes());
        self.put(tail)
    }
}

/// Fills .text.
pub fn write(b: &mut Builder) {
    let is_64 = b.config.architecture.is_64();
    for at in (TEXT..TEXT_END).step_by(PAGE as usize) {
        let at = b.nt(at);
        b.memory.write(at, &[0xcc; PAGE as usize]);
    }
    for (function, callee) in [
        (INNER, rva::BREAK_WITH_STATUS),
        (MIDDLE, INNER.rva),
        (OUTER, DRIVER.rva),
    ] {
        let code = if is_64 {
            function.code(callee)
        } else {
            function.code_x86(callee)
        };
        let at = b.nt(function.rva);
        b.memory.write(at, &code);
    }
    let at = b.nt(rva::BREAK_WITH_STATUS);
    b.memory.write(at, &[0xcc, 0xc3]);
    let at = b.nt(rva::BUG_CHECK);
    b.memory.write(at, &[0x48, 0x89, 0x4c, 0x24, 0x08, 0xc3]);
    for vector in 0..256 {
        let at = b.nt(rva::HANDLERS + vector * 32);
        b.memory.write(at, &[0x6a, vector as u8, 0x55, 0xeb, 0xfe]);
    }
    if !is_64 {
        let at = b.nt(rva::FAST_CALL_ENTRY);
        b.memory.write(at, &[0xb9, 0x23, 0, 0, 0, 0x6a, 0x30, 0x0f, 0xa1]);
        return;
    }
    // swapgs; mov gs:[10h], rsp
    let entry = [0x0f, 0x01, 0xf8, 0x65, 0x48, 0x89, 0x24, 0x25, 0x10, 0, 0, 0];
    for entry_point in [rva::SYSTEM_CALL, rva::SYSTEM_CALL_32] {
        let at = b.nt(entry_point);
        b.memory.write(at, &entry);
    }
    if b.config.kpti {
        let at = b.nt(rva::SHADOW_CALL);
        let code = shadow_entry(b);
        b.memory.write(at, &code);
        for vector in 0..256 {
            let at = b.nt(rva::SHADOW_HANDLERS + vector * 16);
            b.memory.write(at, &[0x6a, vector as u8, 0x55, 0xeb, 0xfe]);
        }
    }
    copy_data_block(b);
    decoy(b);
}

/// KiSystemCall64Shadow: to the kernel's page tables, where CR3 does not hold them yet.
fn shadow_entry(b: &Builder) -> Vec<u8> {
    let at = (b.layout.contained + b.layout.kprcb.kernel_directory) as u32;
    let [directory, user_stack, flags] = [at, at + 0x10, at + 0x18].map(u32::to_le_bytes);
    // swapgs; mov gs:[UserRspShadow], rsp; mov rsp, gs:[KernelDirectoryTableBase];
    // bt dword gs:[ShadowFlags], 1; jb over; mov cr3, rsp
    let mut out = vec![0x0f, 0x01, 0xf8, 0x65, 0x48, 0x89, 0x24, 0x25];
    out.extend(user_stack);
    out.extend([0x65, 0x48, 0x8b, 0x24, 0x25]);
    out.extend(directory);
    out.extend([0x65, 0x0f, 0xba, 0x24, 0x25]);
    out.extend(flags);
    out.extend([0x01, 0x72, 0x03, 0x0f, 0x22, 0xdc]);
    out
}

/// KdCopyDataBlock: copies the block, decoding it where it is encoded.
fn copy_data_block(b: &mut Builder) {
    if b.config.build < 9200 {
        return;
    }
    let count = (b.layout.kdbg / 8) as u32;
    let encoded = b.nt(rva::BLOCK_ENCODED);
    let mut code = Assembly {
        at: b.nt(rva::COPY_DATA_BLOCK),
        bytes: Vec::new(),
    };
    // cmp byte [KdpDataBlockEncoded], 0; mov r11, rcx; lea rdx, [KdDebuggerDataBlock]; je plain
    code.relative(&[0x80, 0x3d], encoded, &[0]);
    code.put(&[0x4c, 0x8b, 0xd9]);
    code.relative(&[0x48, 0x8d, 0x15], b.nt(rva::KDBG), &[]);
    code.put(&[0x74, 0]);
    let jump = code.bytes.len();
    // mov r10, [KiWaitNever]; lea r9, [KdpDataBlockEncoded]; sub r11, rdx; mov r8d, count
    code.relative(&[0x4c, 0x8b, 0x15], b.nt(rva::WAIT_NEVER), &[]);
    let always = b.nt(rva::WAIT_ALWAYS);
    let early = b.config.build < 9600;
    if early {
        // mov rbx, [KiWaitAlways]
        code.relative(&[0x48, 0x8b, 0x1d], always, &[]);
    }
    code.relative(&[0x4c, 0x8d, 0x0d], encoded, &[]);
    code.put(&[0x4c, 0x2b, 0xda, 0x41, 0xb8]).put(&count.to_le_bytes());
    let loop_start = code.bytes.len();
    // mov rax, [rdx]; mov ecx, r10d; xor rax, r10; rol rax, cl; xor rax, r9; bswap rax; xor rax, [KiWaitAlways]
    code.put(&[
        0x48, 0x8b, 0x02, 0x41, 0x8b, 0xca, 0x49, 0x33, 0xc2, 0x48, 0xd3, 0xc0, 0x49, 0x33, 0xc1, 0x48, 0x0f, 0xc8,
    ]);
    if early {
        code.put(&[0x48, 0x33, 0xc3]);
    } else {
        code.relative(&[0x48, 0x33, 0x05], always, &[]);
    }
    // mov [r11+rdx], rax; add rdx, 8; sub r8d, 1; jne loop; ret
    code.put(&[
        0x49, 0x89, 0x04, 0x13, 0x48, 0x83, 0xc2, 0x08, 0x41, 0x83, 0xe8, 0x01, 0x75,
    ]);
    let back = loop_start as i64 - (code.bytes.len() as i64 + 1);
    code.put(&[back as u8, 0xc3]);
    code.bytes[jump - 1] = (code.bytes.len() - jump) as u8;
    // plain: mov rcx, r11; mov r8d, size; jmp memmove (here: ret)
    code.put(&[0x49, 0x8b, 0xcb, 0x41, 0xb8]);
    code.put(&(b.layout.kdbg as u32).to_le_bytes());
    code.put(&[0xc3]);
    b.memory.write(code.at, &code.bytes);
}

/// A function that begins like KdCopyDataBlock and is not it.
fn decoy(b: &mut Builder) {
    let mut code = Assembly {
        at: b.nt(rva::DECOY),
        bytes: Vec::new(),
    };
    code.relative(&[0x80, 0x3d], b.nt(rva::NUMBER_PROCESSORS), &[0]);
    code.relative(&[0x48, 0x8d, 0x15], b.nt(rva::LOADED_MODULES), &[]);
    code.put(&[0x74, 0x07]);
    code.relative(&[0x4c, 0x8b, 0x15], b.nt(rva::CID_TABLE), &[]);
    code.put(&[0x48, 0x0f, 0xc8, 0xc3]);
    b.memory.write(code.at, &code.bytes);
}
