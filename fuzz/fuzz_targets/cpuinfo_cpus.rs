//! CPUs from texts: /proc/cpuinfo, logs, reports of other tools, option words.
#![no_main]

use libfuzzer_sys::fuzz_target;
use microcode::Signature;
use microcode::cpu::{self, words};

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    let (cpus, damage) = cpu::from_cpuinfo("fuzz", &text);
    let numbers: usize = cpus.iter().map(|cpu| cpu.cpus.len()).sum();
    assert!(numbers <= text.lines().count());
    assert!(damage.iter().all(|damage| damage.offset <= text.len()));
    let log = cpu::from_log("fuzz", &text);
    assert!(log.damage.iter().all(|damage| damage.offset < text.len()));
    let _ = cpu::from_lscpu("fuzz", &text);
    let _ = cpu::from_dmidecode("fuzz", &text);
    let _ = cpu::from_text("fuzz", &text);
    if let Some(line) = text.lines().next() {
        if let Ok(signature) = words::read_signature(line) {
            let (family, model, stepping) = signature.family_model_stepping();
            let _ = Signature::from_family_model_stepping(family.into(), model.into(), stepping.into());
        }
        let _ = (words::read_platform(line), words::read_revision(line));
    }
});
