//! What Xen loads: any bytes as a module, as a file of xen-ucode and as a command line, for CPUs of
//! both vendors, known and not.
#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use microcode::loader::xen::{self, Boot, Late, Module};
use microcode::{Cpu, PlatformMask, Revision, Signature, Vendor};

fn cpus(bytes: &[u8]) -> Vec<Cpu> {
    let word = |at: usize| {
        let part = bytes.get(at..at + 4).and_then(|part| part.try_into().ok());
        part.map_or(0, u32::from_le_bytes)
    };
    let mut list = Vec::new();
    // Signatures where the two formats have them, so that something fits.
    for (vendor, signature) in [
        (Vendor::Intel, word(12)),
        (Vendor::Amd, word(12)),
        (Vendor::Amd, 0x00a2_0f12),
    ] {
        let mut cpu = Cpu::new("fuzz", vendor);
        cpu.signature = Some(Signature(signature));
        list.push(cpu.clone());
        cpu.platform = Some(PlatformMask(1));
        cpu.revision = Some(Revision(word(4).saturating_sub(1)));
        list.push(cpu);
    }
    list
}

fuzz_target!(|bytes: &[u8]| {
    let module = Module {
        source: "fuzz".to_owned(),
        bytes: Arc::new(bytes.to_vec()),
    };
    let modules = [module.clone(), module.clone()];
    let own = String::from_utf8_lossy(bytes);
    for cpu in cpus(bytes) {
        for line in ["ucode=1", "ucode=scan", own.as_ref()] {
            let setup = Boot {
                command_line: Some(line),
                modules: &modules,
                efi_ucode: None,
            };
            let decision = xen::boot(&cpu, &setup);
            assert!(decision.loads.is_some() || !decision.unknown.is_empty());
        }
        let setup = Late {
            file: module.clone(),
            force: bytes.len() % 2 == 0,
            command_line: None,
            began: None,
            kept: None,
        };
        let decision = xen::late(&cpu, &setup);
        assert!(decision.loads.is_some() || !decision.unknown.is_empty());
    }
});
