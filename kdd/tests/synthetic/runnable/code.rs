//! Code in the guest's kernel: the loop, the function that counts, the function that ticks.

use super::assembler::Assembler;
use super::{Places, walk};
use crate::synthetic::windows::kernel::INNER;
use crate::synthetic::windows::{Built, Config, layout};

/// Bytes between the counters of two CPUs.
pub const STRIDE: u64 = 0x40;
/// The function ticks when the low 16 bits of the counter are zero.
const EVERY: u16 = 0xffff;

/// In .text, each on a page of its own.
const COUNT: u32 = 0x2_5a40;
const TICK: u32 = 0x2_c4e0;
const GATE: u32 = 0x2_e120;
/// In .data, on pages of their own.
const COUNTERS: u32 = 0x22_4000;
const VARIABLE: u32 = 0x22_6a40;

/// Where in the innermost function the loop begins, and where it calls.
const LOOP: u64 = 0x18;
const CALL: u64 = 0x30;

/// Writes it all.
pub fn write(built: &mut Built, config: &Config) -> Places {
    let nt = |rva: u32| built.truth.kernel_base + u64::from(rva);
    let places = Places {
        spin: nt(INNER.rva) + LOOP,
        count: nt(COUNT),
        tick: nt(TICK),
        variable: nt(VARIABLE),
        counters: nt(COUNTERS),
        gate: nt(GATE),
    };
    let is_64 = config.architecture.is_64();
    let layout = layout::of(config.architecture, config.build);
    let number = (layout.contained + layout.kprcb.number) as u32;
    for (at, code) in [
        (nt(INNER.rva) + CALL, spin(nt(INNER.rva) + CALL, &places)),
        (places.count, count(is_64, number, &places)),
        (places.tick, tick(is_64, &places)),
        (places.gate, gate(is_64)),
    ] {
        walk::write(built, at, &code);
    }
    // A kernel by large pages is mapped as code.
    walk::make_writable(built, places.counters);
    walk::make_writable(built, places.variable);
    places
}

/// The call of the innermost function, and back to before it.
fn spin(at: u64, places: &Places) -> Vec<u8> {
    let mut code = Assembler::new(at);
    code.relative(&[0xe8], places.count);
    let back = places.spin.wrapping_sub(code.here() + 2) as u8;
    code.put(&[0xeb, back]);
    code.finish()
}

/// One more in the counter of this CPU, whose number stands in its KPRCB; leaves RBX and RSI to R15 as they are.
fn count(is_64: bool, number: u32, places: &Places) -> Vec<u8> {
    let mut code = Assembler::new(places.count);
    if is_64 {
        // movzx eax, byte gs:[number]; shl eax, 6; lea rcx, [counters]; add rcx, rax; inc qword [rcx]
        code.with(&[0x65, 0x0f, 0xb6, 0x04, 0x25], number).put(&[0xc1, 0xe0, 6]);
        code.relative(&[0x48, 0x8d, 0x0d], places.counters);
        code.put(&[0x48, 0x01, 0xc1, 0x48, 0xff, 0x01]);
    } else {
        // movzx eax, byte fs:[number]; shl eax, 6; lea ecx, [eax+counters]; inc dword [ecx]
        code.with(&[0x64, 0x0f, 0xb6, 0x05], number).put(&[0xc1, 0xe0, 6]);
        code.with(&[0x8d, 0x88], places.counters as u32).put(&[0xff, 0x01]);
    }
    // test word [rcx], EVERY; jz tick; ret
    code.put(&[0x66, 0xf7, 0x01]).put(&EVERY.to_le_bytes());
    code.relative(&[0x0f, 0x84], places.tick).put(&[0xc3]);
    code.finish()
}

/// lock inc [variable]; ret
fn tick(is_64: bool, places: &Places) -> Vec<u8> {
    let mut code = Assembler::new(places.tick);
    if is_64 {
        code.relative(&[0xf0, 0x48, 0xff, 0x05], places.variable);
    } else {
        code.with(&[0xf0, 0xff, 0x05], places.variable as u32);
    }
    code.put(&[0xc3]);
    code.finish()
}

/// mov cr3, rax; pop rax; iretq
fn gate(is_64: bool) -> Vec<u8> {
    if is_64 {
        vec![0x0f, 0x22, 0xd8, 0x58, 0x48, 0xcf]
    } else {
        vec![0x0f, 0x22, 0xd8, 0x58, 0xcf]
    }
}
