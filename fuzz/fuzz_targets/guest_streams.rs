//! kdump-compressed files, saved Xen guests and migration streams of any bytes: opened, and read at the ends
//! of what they hold.
#![no_main]

use std::sync::Arc;

use kdd::memory::Gpa;
use kdd::target::{Input, Target as _, kdump, qemu_migration, xl_save};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let input = Input {
        name: "fuzz".to_owned(),
        bytes: Arc::new(bytes.to_vec()),
        beside: Vec::new(),
        registers: None,
    };
    for open in [kdump::open, xl_save::open, qemu_migration::open] {
        let Ok(capture) = open(&input) else { continue };
        let memory = capture.memory();
        for pair in memory.runs().windows(2) {
            let [first, second] = pair else { continue };
            assert!(first.end() < second.start);
        }
        let mut buffer = vec![0; 0x3000];
        for run in memory.runs().iter().take(64) {
            for at in [run.start, Gpa(run.end().0.saturating_sub(0x1000)), run.end()] {
                memory.read(at, &mut buffer);
            }
        }
    }
});
