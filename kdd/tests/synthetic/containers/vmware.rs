//! VMware memory and state.

use super::raw::Out;
use crate::synthetic::machine::{Cpu, Machine};

/// Writes tags; `wide` is whether lengths of blocks have 64 bits.
struct Tags {
    out: Out,
    wide: bool,
    /// Where in the file the first tag will stand.
    start: usize,
}

impl Tags {
    fn head(&mut self, name: &str, indices: &[u32], size: u8) {
        let flags = (indices.len() as u8) << 6 | size;
        self.out.bytes(&[flags, name.len() as u8]).bytes(name.as_bytes());
        indices.iter().for_each(|index| {
            self.out.u32(*index);
        });
    }

    fn value(&mut self, name: &str, indices: &[u32], value: u64, size: u8) {
        self.head(name, indices, size);
        self.out.bytes(&value.to_le_bytes()[..size.into()]);
    }

    /// A block whose bytes begin at a multiple of `align` in the file.
    fn block(&mut self, name: &str, indices: &[u32], bytes: &[u8], align: usize) {
        self.head(name, indices, 0x3f);
        for _ in 0..2 {
            match self.wide {
                true => self.out.u64(bytes.len() as u64),
                false => self.out.u32(bytes.len() as u32),
            };
        }
        let at = self.start + self.out.0.len() + 2;
        let padding = at.next_multiple_of(align) - at;
        self.out.u16(padding as u16);
        let end = self.out.0.len() + padding;
        self.out.to(end).bytes(bytes);
    }

    fn end(&mut self) {
        self.out.u16(0);
    }
}

/// How a state is written.
#[derive(Clone, Copy)]
pub struct Form {
    pub magic: u32,
    /// Memory in the state file.
    pub inside: bool,
    /// Registers in blocks instead of tags of their own.
    pub blocks: bool,
}

fn registers(tags: &mut Tags, number: u32, cpu: &Cpu, blocks: bool) {
    let names = ["rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi"];
    let indices = [number];
    tags.value("eflags", &indices, cpu.rflags, 4);
    tags.value("rip", &indices, cpu.rip, 8);
    tags.value("eip", &indices, cpu.rip & 0xffff_ffff, 4);
    tags.value("halted", &indices, 0, 1);
    let control = [cpu.cr0, 0, cpu.cr2, cpu.cr3, cpu.cr4, 0, 0, 0, cpu.cr8];
    if blocks {
        let [rax, rcx, rdx, rbx, rsp, rbp, rest @ ..] = cpu.gpr;
        let mut out = Out::default();
        out.u64s(&[rax, rcx, rdx, rbx, rbp, rsp]).u64s(&rest);
        tags.block("gpregs", &indices, &out.0, 1);
        let mut out = Out::default();
        out.u64s(&control);
        tags.block("CR64", &indices, &out.0, 1);
    } else {
        for (register, value) in cpu.gpr.iter().enumerate() {
            let name = names
                .get(register)
                .map_or_else(|| format!("r{register}"), |name| (*name).to_owned());
            tags.value(&name, &indices, *value, 8);
        }
        for (register, value) in control.into_iter().enumerate() {
            let indices = [number, register as u32];
            tags.value("CR64", &indices, value, 8);
            tags.value("CR", &indices, value & 0xffff_ffff, 4);
        }
    }
    for (register, value) in cpu.dr.into_iter().enumerate() {
        tags.value("DR64", &[number, register as u32], value, 8);
        tags.value("DR", &[number, register as u32], value & 0xffff_ffff, 4);
    }
    let segments = [cpu.es, cpu.cs, cpu.ss, cpu.ds, cpu.fs, cpu.gs, cpu.ldt, cpu.tr];
    for (index, seg) in segments.into_iter().enumerate() {
        tags.value("S", &[number, index as u32], seg.selector.into(), 4);
        tags.value("S.base64", &[number, index as u32], seg.base, 8);
    }
    for (name, (base, limit)) in [("GDTR", cpu.gdt), ("IDTR", cpu.idt)] {
        if blocks {
            let mut out = Out::default();
            out.u16(limit).u64(base);
            tags.block(name, &indices, &out.0, 1);
        } else {
            tags.value(name, &[number, 0], limit.into(), 2);
            tags.value(name, &[number, 1], base & 0xffff_ffff, 4);
            tags.value(name, &[number, 2], base >> 32, 4);
        }
    }
    let [cs, esp, eip] = cpu.sysenter;
    tags.value("sysEnterCS", &indices, cs, 8);
    tags.value("sysEnterESP", &indices, esp, 8);
    tags.value("sysenterEIP", &indices, eip, 8);
    tags.value("LSTAR", &indices, cpu.lstar, 8);
}

/// State and memory.
pub fn write(machine: &Machine, form: Form) -> (Vec<u8>, Vec<u8>) {
    let memory: Vec<u8> = machine.pages.values().cloned().collect::<Vec<_>>().concat();
    let groups = ["Checkpoint", "cpu", "memory"];
    let start = 12 + 80 * groups.len();
    let wide = form.magic & 0xf != 0;
    let mut tags = Tags {
        out: Out::default(),
        wide,
        start,
    };
    let mut places = Vec::new();
    places.push(tags.out.0.len());
    let mut product = b"VMware ESX".to_vec();
    product.resize(0x100, 0);
    tags.value("fileversion", &[], 10, 4);
    tags.block("ProductName", &[], &product, 1);
    tags.value("memSize", &[], machine.top >> 20, 4);
    tags.end();
    places.push(tags.out.0.len());
    tags.value("cpu:numVCPUs", &[], machine.cpus.len() as u64, 4);
    for (number, cpu) in machine.cpus.iter().enumerate() {
        registers(&mut tags, number as u32, cpu, form.blocks);
    }
    tags.end();
    places.push(tags.out.0.len());
    let runs = machine.runs();
    tags.value("align_mask", &[], 0xffff, 4);
    tags.value("regionsCount", &[], runs.len() as u64, 4);
    let mut page = 0;
    for (index, (start, length)) in runs.into_iter().enumerate() {
        let indices = [index as u32];
        tags.value("regionPageNum", &indices, page, 4);
        tags.value("regionPPN", &indices, start / 4096, 4);
        tags.value("regionSize", &indices, length / 4096, 4);
        page += length / 4096;
    }
    if form.inside {
        tags.block("Memory", &[0, 0], &memory, 0x1000);
    }
    tags.end();
    places.push(tags.out.0.len());
    let mut out = Out::default();
    out.u32(form.magic).u32(8).u32(groups.len() as u32);
    for (index, name) in groups.into_iter().enumerate() {
        let end = out.0.len() + 64;
        out.bytes(name.as_bytes()).to(end);
        out.u64((start + places[index]) as u64)
            .u64((places[index + 1] - places[index]) as u64);
    }
    out.bytes(&tags.out.0);
    (out.0, memory)
}
