//! Lists of the kernel over memory of any bytes: modules, processes, processors, and a vCPU from what a
//! KPRCB holds. The first 0x380 bytes are the KDBG; the rest is memory that repeats every 64 KiB.
#![no_main]

use kdd::memory::{Gpa, Gva, VirtualMemory};
use kdd::target::vcpu::{Vcpu, msr};
use kdd::windows::{Architecture, modules, processes, processors};
use libfuzzer_sys::fuzz_target;

struct Memory<'a>(&'a [u8]);

impl VirtualMemory for Memory<'_> {
    fn read(&self, at: Gva, buffer: &mut [u8]) -> usize {
        let start = (at.0 & 0xffff) as usize;
        let rest = self.0.get(start..).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        count
    }
}

fuzz_target!(|bytes: &[u8]| {
    let (kdbg, memory) = bytes.split_at(bytes.len().min(0x380));
    let space = Memory(memory);
    for architecture in [Architecture::X64, Architecture::X86] {
        let base = match architecture {
            Architecture::X64 => 0xffff_f800_0000_0000,
            Architecture::X86 => 0x8000_0000,
        };
        let (found, _) = modules::read(&space, Gva(base), architecture);
        assert!(found.len() <= 4096);
        let _ = processes::read(
            &space,
            Gva(base + 0x10),
            processes::Context {
                kdbg: Some(kdbg),
                architecture,
                build: Some(19041),
                directory: Some(Gpa(0x1a_d000)),
            },
        );
        let vcpu = Vcpu {
            msrs: [(msr::GS_BASE, base)].into(),
            ..Vcpu::default()
        };
        let context = processors::Context {
            kdbg: Some(kdbg),
            architecture,
            build: None,
        };
        let _ = processors::read(&space, &[vcpu], context);
    }
});
