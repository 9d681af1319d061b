//! Windows dumps: opened, every run and block read, written again and opened again.
#![no_main]

use std::sync::Arc;

use kdd::dump_writer::{self, Kind, Plan};
use kdd::memory::{Gpa, Gva, Source};
use kdd::target::{self, Input};
use kdd::windows::Architecture;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let bytes: Source = Arc::new(data.to_vec());
    let input = Input {
        name: "fuzz".to_owned(),
        bytes,
        beside: Vec::new(),
        registers: None,
    };
    let Ok(capture) = target::open(&input) else { return };
    let mut buffer = [0; 0x1800];
    for run in capture.memory.runs().iter().take(64) {
        capture.memory.read(run.start, &mut buffer);
        capture.memory.read(Gpa(run.end().0.saturating_sub(3)), &mut buffer);
        capture.memory.extent(run.start);
    }
    if let Some(memory) = &capture.virtual_memory {
        for driver in &capture.hints.drivers {
            memory.read(driver.base, &mut buffer);
        }
        memory.read(capture.hints.kdbg.unwrap_or(Gva(0)), &mut buffer);
    }
    let plan = Plan::new(Architecture::X64, &*capture.memory).hinted(&capture.hints);
    let Ok(file) = tempfile::tempfile() else { return };
    let written = dump_writer::write(&plan, &Kind::Full, &file, &mut |_, _| {});
    if let Ok(written) = written {
        assert_eq!(file.metadata().map(|data| data.len()).ok(), Some(written.length));
    }
});
