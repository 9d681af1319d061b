//! ELF files as cores of QEMU, VirtualBox and Xen: what opens is read at the edges of its ranges.
#![no_main]

use std::sync::Arc;

use kdd::memory::{Gpa, PhysicalMemory};
use kdd::target::{Input, Target as _, elf_core, xen_core};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut file = bytes.to_vec();
    if let Some(mark) = file.get_mut(..4) {
        mark.copy_from_slice(b"\x7fELF");
    }
    let input = Input {
        name: String::new(),
        bytes: Arc::new(file.clone()),
        beside: Vec::new(),
        registers: None,
    };
    let _ = xen_core::recognise(&file);
    let machine = xen_core::open_with(&input, xen_core::Frames::Machine);
    for capture in [elf_core::open(&input), xen_core::open(&input), machine]
        .into_iter()
        .flatten()
    {
        edges(capture.memory());
    }
});

fn edges(memory: &dyn PhysicalMemory) {
    let mut buffer = [0; 8192];
    for run in memory.runs().iter().take(100) {
        assert!(run.length > 0);
        for at in [
            run.start.0,
            run.end().0.saturating_sub(10),
            run.start.0.saturating_sub(1),
        ] {
            assert!(memory.read(Gpa(at), &mut buffer) <= buffer.len());
        }
    }
}
