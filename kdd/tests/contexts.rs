//! CONTEXT and KSPECIAL_REGISTERS: every field at its offset, back into a vCPU, and the structures of a
//! real dump.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod captured;
mod synthetic;

use std::path::{Path, PathBuf};
use std::process::Command;

use kdd::memory::{Gva, VirtualMemory};
use kdd::target::vcpu::{Vcpu, msr};
use kdd::windows::context::{
    apply_context, apply_special, context_x64, context_x86, from_context, special_x64, special_x86, unknown,
};
use kdd::windows::processors::{self, vcpu_from_kprcb};
use kdd::windows::{Architecture, Processor};
use synthetic::machine::Cpu;

fn vcpu(cpu: &Cpu) -> Vcpu {
    captured::vcpu(0, cpu)
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())
}

fn u32_at(bytes: &[u8], at: usize) -> u64 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()).into()
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(bytes[at..at + 2].try_into().unwrap())
}

#[test]
fn every_register_stands_at_its_offset_in_an_x64_context() {
    let cpu = Cpu::pattern(1);
    let context = context_x64(&vcpu(&cpu));
    assert_eq!(context.len(), 1232);
    assert_eq!(u32_at(&context, 0x30), 0x10_001f);
    assert_eq!(u32_at(&context, 0x34), 0x1f80);
    let selectors = [&cpu.cs, &cpu.ds, &cpu.es, &cpu.fs, &cpu.gs, &cpu.ss];
    for (index, seg) in selectors.iter().enumerate() {
        assert_eq!(u16_at(&context, 0x38 + 2 * index), seg.selector, "selector {index}");
    }
    assert_eq!(u32_at(&context, 0x44), cpu.rflags);
    for (index, number) in [0, 1, 2, 3, 6, 7].into_iter().enumerate() {
        assert_eq!(u64_at(&context, 0x48 + 8 * index), cpu.dr[number], "DR{number}");
    }
    for (index, value) in cpu.gpr.iter().enumerate() {
        assert_eq!(u64_at(&context, 0x78 + 8 * index), *value, "register {index}");
    }
    assert_eq!(u64_at(&context, 0xf8), cpu.rip);
    // FltSave is at 0x100, all 512 bytes of it.
    assert_eq!(&context[0x100..0x300], &cpu.fxsave[..]);
    assert!(context[0x300..].iter().all(|byte| *byte == 0));
}

#[test]
fn every_register_stands_at_its_offset_in_x64_special_registers() {
    let cpu = Cpu::pattern(1);
    let special = special_x64(&vcpu(&cpu));
    assert_eq!(special.len(), 0xf0);
    let fields = [
        (0x00, cpu.cr0),
        (0x08, cpu.cr2),
        (0x10, cpu.cr3),
        (0x18, cpu.cr4),
        (0x20, cpu.dr[0]),
        (0x28, cpu.dr[1]),
        (0x30, cpu.dr[2]),
        (0x38, cpu.dr[3]),
        (0x40, cpu.dr[6]),
        (0x48, cpu.dr[7]),
        (0x58, cpu.gdt.0),
        (0x68, cpu.idt.0),
        (0xa0, cpu.cr8),
        (0xa8, cpu.gs.base),
        (0xb0, cpu.kernel_gs_base),
        (0xb8, cpu.star),
        (0xc0, cpu.lstar),
        (0xc8, cpu.cstar),
        (0xd0, cpu.sfmask),
        (0xd8, 7),
        (0xe0, cpu.fs.base),
    ];
    for (at, value) in fields {
        assert_eq!(u64_at(&special, at), value, "at {at:#x}");
    }
    assert_eq!(u16_at(&special, 0x56), cpu.gdt.1);
    assert_eq!(u16_at(&special, 0x66), cpu.idt.1);
    assert_eq!(u16_at(&special, 0x70), cpu.tr.selector);
    assert_eq!(u16_at(&special, 0x72), cpu.ldt.selector);
    assert_eq!(u32_at(&special, 0x74), 0x1f80);
}

/// A CPU whose registers fit a 32-bit machine.
fn small() -> Cpu {
    let mut cpu = Cpu::pattern(1);
    let cut = |value: &mut u64| *value &= 0xffff_ffff;
    cpu.gpr.iter_mut().for_each(cut);
    cpu.gpr[8..].fill(0);
    [
        &mut cpu.rip,
        &mut cpu.cr2,
        &mut cpu.gdt.0,
        &mut cpu.idt.0,
        &mut cpu.tr.base,
    ]
    .into_iter()
    .for_each(cut);
    cpu
}

#[test]
fn every_register_stands_at_its_offset_in_an_x86_context() {
    let cpu = small();
    let context = context_x86(&vcpu(&cpu));
    assert_eq!(context.len(), 716);
    let [eax, ecx, edx, ebx, esp, ebp, esi, edi, ..] = cpu.gpr;
    let fields = [
        (0x00, 0x1_003f),
        (0x04, cpu.dr[0]),
        (0x08, cpu.dr[1]),
        (0x0c, cpu.dr[2]),
        (0x10, cpu.dr[3]),
        (0x14, cpu.dr[6]),
        (0x18, cpu.dr[7]),
        (0x8c, cpu.gs.selector.into()),
        (0x90, cpu.fs.selector.into()),
        (0x94, cpu.es.selector.into()),
        (0x98, cpu.ds.selector.into()),
        (0x9c, edi),
        (0xa0, esi),
        (0xa4, ebx),
        (0xa8, edx),
        (0xac, ecx),
        (0xb0, eax),
        (0xb4, ebp),
        (0xb8, cpu.rip),
        (0xbc, cpu.cs.selector.into()),
        (0xc0, cpu.rflags),
        (0xc4, esp),
        (0xc8, cpu.ss.selector.into()),
    ];
    for (at, value) in fields {
        assert_eq!(u32_at(&context, at), value, "at {at:#x}");
    }
    assert_eq!(&context[0xcc..], &cpu.fxsave[..]);
}

#[test]
fn every_register_stands_at_its_offset_in_x86_special_registers() {
    let cpu = small();
    let special = special_x86(&vcpu(&cpu));
    assert_eq!(special.len(), 84);
    let fields = [
        (0x00, cpu.cr0),
        (0x04, cpu.cr2),
        (0x08, cpu.cr3),
        (0x0c, cpu.cr4),
        (0x10, cpu.dr[0]),
        (0x14, cpu.dr[1]),
        (0x18, cpu.dr[2]),
        (0x1c, cpu.dr[3]),
        (0x20, cpu.dr[6]),
        (0x24, cpu.dr[7]),
        (0x2c, cpu.gdt.0),
        (0x34, cpu.idt.0),
    ];
    for (at, value) in fields {
        assert_eq!(u32_at(&special, at), value, "at {at:#x}");
    }
    assert_eq!(u16_at(&special, 0x2a), cpu.gdt.1);
    assert_eq!(u16_at(&special, 0x32), cpu.idt.1);
    assert_eq!(u16_at(&special, 0x38), cpu.tr.selector);
    assert_eq!(u16_at(&special, 0x3a), cpu.ldt.selector);
}

/// An FXSAVE image with a valid, a zero and a special register on the x87 stack, top at 5.
fn x87() -> Box<[u8; 512]> {
    let mut image = Box::new([0; 512]);
    image[0..2].copy_from_slice(&0x037fu16.to_le_bytes());
    image[2..4].copy_from_slice(&(5u16 << 11 | 0x41).to_le_bytes());
    // Physical registers 5, 6 and 7 are in use.
    image[4] = 0b1110_0000;
    image[6..8].copy_from_slice(&0x1d5u16.to_le_bytes());
    image[8..12].copy_from_slice(&0x8055_1234u32.to_le_bytes());
    image[12..14].copy_from_slice(&0x1bu16.to_le_bytes());
    image[16..20].copy_from_slice(&0x0012_f680u32.to_le_bytes());
    image[20..22].copy_from_slice(&0x23u16.to_le_bytes());
    // ST0 = 1.0, ST1 = 0.0, ST2 = infinity
    image[32..42].copy_from_slice(&[0, 0, 0, 0, 0, 0, 0, 0x80, 0xff, 0x3f]);
    image[64..74].copy_from_slice(&[0, 0, 0, 0, 0, 0, 0, 0x80, 0xff, 0x7f]);
    image
}

#[test]
fn the_x87_state_of_fxsave_becomes_that_of_fnsave_and_back() {
    let vcpu = Vcpu {
        fxsave: Some(x87()),
        ..Vcpu::default()
    };
    let context = context_x86(&vcpu);
    let area = &context[0x1c..0x8c];
    let words: Vec<u64> = (0..7).map(|index| u32_at(area, 4 * index)).collect();
    // Registers 0 to 4 empty (11), 5 valid (00), 6 zero (01), 7 special (10).
    let tags = 0b10_01_00_11_11_11_11_11;
    let expected = [
        0xffff_037f,
        0xffff_2841,
        0xffff_0000 | tags,
        0x8055_1234,
        0x01d5_001b,
        0x0012_f680,
        0xffff_0023,
    ];
    assert_eq!(words, expected);
    assert_eq!(&area[28..38], &[0, 0, 0, 0, 0, 0, 0, 0x80, 0xff, 0x3f]);
    assert_eq!(&area[48..58], &[0, 0, 0, 0, 0, 0, 0, 0x80, 0xff, 0x7f]);

    // Without the FXSAVE image the x87 state is taken from this form.
    let mut only_floating = context;
    only_floating[0..4].copy_from_slice(&0x1_0008u32.to_le_bytes());
    only_floating[0xcc..].fill(0xee);
    let mut back = Vcpu::default();
    apply_context(&mut back, &only_floating, Architecture::X86);
    assert_eq!(back.fxsave, vcpu.fxsave);
}

#[test]
fn a_vcpu_goes_through_both_structures_and_comes_back() {
    for architecture in [Architecture::X64, Architecture::X86] {
        let cpu = match architecture {
            Architecture::X64 => Cpu::pattern(0),
            Architecture::X86 => small(),
        };
        let vcpu = vcpu(&cpu);
        let context = kdd::windows::context::context(&vcpu, architecture);
        let special = kdd::windows::context::special(&vcpu, architecture);
        let mut back = from_context(&context, architecture).unwrap();
        apply_special(&mut back, &special, architecture);
        assert_eq!(kdd::windows::context::context(&back, architecture), context);
        assert_eq!(kdd::windows::context::special(&back, architecture), special);
    }
}

#[test]
fn only_the_parts_that_context_flags_name_are_taken() {
    let full = context_x64(&vcpu(&Cpu::pattern(1)));
    for (flag, changes) in [
        (1u32, "rip rsp rflags cs"),
        (2, "rax rbp"),
        (4, "ds"),
        (8, "fxsave"),
        (0x10, "dr"),
        (0, ""),
    ] {
        let mut context = full.clone();
        context[0x30..0x34].copy_from_slice(&(0x10_0000 | flag).to_le_bytes());
        let mut vcpu = Vcpu::default();
        apply_context(&mut vcpu, &context, Architecture::X64);
        let seen: Vec<&str> = [
            ("rip", vcpu.rip != 0),
            ("rsp", vcpu.gpr[4] != 0),
            ("rflags", vcpu.rflags != 0),
            ("cs", vcpu.segments.cs.selector != 0),
            ("rax", vcpu.gpr[0] != 0),
            ("rbp", vcpu.gpr[5] != 0),
            ("ds", vcpu.segments.ds.selector != 0),
            ("fxsave", vcpu.fxsave.is_some()),
            ("dr", vcpu.dr.is_some()),
        ]
        .into_iter()
        .filter_map(|(name, there)| there.then_some(name))
        .collect();
        assert_eq!(seen.join(" "), changes, "flags {flag:#x}");
    }
}

#[test]
fn the_first_bytes_of_special_registers_leave_the_rest() {
    let special = special_x64(&vcpu(&Cpu::pattern(1)));
    let mut vcpu = Vcpu {
        cr8: Some(9),
        ..Vcpu::default()
    };
    // As far as the middle of Cr4.
    apply_special(&mut vcpu, &special[..0x1c], Architecture::X64);
    assert_eq!((vcpu.cr3, vcpu.cr4, vcpu.cr8), (Some(0x1a_e002), None, Some(9)));
}

#[test]
fn what_a_vcpu_does_not_know_is_zero_and_named() {
    let vcpu = Vcpu {
        rip: 1,
        cr3: Some(0x1a_d000),
        ..Vcpu::default()
    };
    let names = unknown(&vcpu, Architecture::X64);
    for name in [
        "Cr0",
        "Gdtr.Base",
        "MsrLStar",
        "KernelDr7",
        "floating point and XMM registers",
    ] {
        assert!(names.iter().any(|seen| seen == name), "{name} in {names:?}");
    }
    assert!(!names.iter().any(|seen| seen == "Cr3"));
    assert!(special_x64(&vcpu)[0x18..].iter().all(|byte| *byte == 0));
}

#[test]
fn a_context_of_another_machine_is_none() {
    let x64 = context_x64(&Vcpu::default());
    let x86 = context_x86(&Vcpu::default());
    assert!(from_context(&x64, Architecture::X64).is_some());
    assert!(from_context(&x86, Architecture::X86).is_some());
    assert!(from_context(&x64, Architecture::X86).is_none());
    assert!(from_context(&x86, Architecture::X64).is_none());
    assert!(from_context(&[], Architecture::X64).is_none());
}

/// Pieces of a file at virtual addresses.
struct Blocks<'a>(Vec<(u64, &'a [u8])>);

impl VirtualMemory for Blocks<'_> {
    fn read(&self, at: Gva, buffer: &mut [u8]) -> usize {
        for (start, bytes) in &self.0 {
            if let Some(rest) = at.0.checked_sub(*start).and_then(|skip| bytes.get(skip as usize..)) {
                let count = rest.len().min(buffer.len());
                buffer[..count].copy_from_slice(&rest[..count]);
                return count;
            }
        }
        0
    }
}

/// The dump of the corpus, unpacked by `xz`.
fn triage() -> Option<Vec<u8>> {
    let default = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus");
    let root = std::env::var_os("DELID_CORPUS").map_or_else(default, PathBuf::from);
    let path = root.join("kdd/triage_x64.dmp.xz");
    if !path.exists() {
        eprintln!("corpus absent: 1 case not run");
        return None;
    }
    match Command::new("xz").arg("-dc").arg(&path).output() {
        Ok(output) if output.status.success() => Some(output.stdout),
        _ => {
            eprintln!("no xz: 1 case not run");
            None
        }
    }
}

#[test]
fn the_context_and_kprcb_of_a_real_dump_are_understood() {
    let Some(dump) = triage() else { return };
    let context = &dump[0x348..0x348 + 0x4d0];
    let vcpu = from_context(context, Architecture::X64).unwrap();
    assert_eq!(vcpu.rip, u64_at(context, 0xf8));
    assert_eq!(vcpu.segments.cs.selector, 0x10);
    assert_eq!(vcpu.segments.fs.selector, 0x53);
    // All that CONTEXT carries goes there and back, but for the parts behind FltSave.
    assert_eq!(context_x64(&vcpu)[..0x300], context[..0x300]);

    let kprcb_at = 0xffff_f804_7000_0180;
    let kdbg = &dump[0x104a8..0x104a8 + 0x380];
    let mut kprcb = dump[0x21b8..0x21b8 + 0xaf00].to_vec();
    let saved = u64_at(&kprcb, 0x85c0);
    let arguments = processors::Context {
        kdbg: Some(kdbg),
        architecture: Architecture::X64,
        build: Some(19041),
    };
    let processor = Processor {
        number: 0,
        kpcr: Gva(kprcb_at - 0x180),
        kprcb: Gva(kprcb_at),
        thread: None,
        vcpu: None,
        from_kprcb: true,
    };
    let space = Blocks(vec![(kprcb_at, &kprcb), (saved, context)]);
    let vcpu = vcpu_from_kprcb(&space, &processor, arguments).unwrap();
    assert_eq!(vcpu.rip, u64_at(context, 0xf8));
    assert_eq!((vcpu.cr3, vcpu.xcr0), (Some(0x1a_d000), Some(7)));
    assert_eq!(vcpu.gdt.unwrap().limit, 0x57);
    // This kernel saved no model-specific registers: their zeroes are not taken for values.
    assert_eq!(vcpu.msrs.get(&msr::LSTAR), None);
    assert_eq!(vcpu.msrs.get(&msr::GS_BASE), Some(&(kprcb_at - 0x180)));
    let special = special_x64(&vcpu);
    assert_eq!(special[..0xa8], kprcb[0x100..0x1a8]);
    // Without the KDBG the same places follow from the build, or from the values.
    for build in [Some(19041), None] {
        kprcb[0x1f0..0x1f0 + 0x4d0].copy_from_slice(context);
        let space = Blocks(vec![(kprcb_at, &kprcb)]);
        let arguments = processors::Context {
            kdbg: None,
            architecture: Architecture::X64,
            build,
        };
        let vcpu = vcpu_from_kprcb(&space, &processor, arguments).unwrap();
        assert_eq!((vcpu.rip, vcpu.cr3), (u64_at(context, 0xf8), Some(0x1a_d000)));
    }
}
