//! Damaged texts about CPUs: no panic, no more CPUs than lines, damage inside the text; and texts of
//! the worst shape are read in one pass.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, dead_code)]

mod xen_inputs;

use std::time::{Duration, Instant};

use microcode::cpu::{from_cpuinfo, from_dmidecode, from_log, from_lscpu, from_text, words};
use microcode::{Cpu, Damage};

const CPUINFO: &str = "processor\t: 0\nvendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel\t\t: 79\n\
    model name\t: Some CPU @ 2.10GHz\nstepping\t: 1\nmicrocode\t: 0xb000038\ncache size\t: 35840 KB\n\
    cpu cores\t: 14\nflags\t\t: fpu hypervisor\n\nprocessor\t: 1\nvendor_id\t: GenuineIntel\n";
const LOG: &str = "[    0.1] smpboot: CPU0: Some Intel (family: 0x6, model: 0x8e, stepping: 0x9)\n\
    [    0.2] microcode: updated early: 0x28 -> 0x2f, date = 2019-02-17\n\
    microcode: CPU0 sig=0x206a7, pf=0x2, revision=0x28\nmicrocode: CPU1: patch_level=0x0800820d\n\
    (XEN) CPU Vendor: AMD, Family 25 (0x19), Model 1 (0x1), Stepping 1 (raw 00a00f11)\n\
    (XEN) microcode: CPU0 updated from revision 0x1 to 0x2, date = 2023-03-06\n\
    CPU signature 06-55-04 (raw 0x00050654) pf 0x80 revision 0x02006e05\n";
const LSCPU: &str = "Vendor ID:    GenuineIntel\nModel name:   Some CPU\nCPU family:   6\nModel:    94\nStepping:  3\n";
const DMIDECODE: &str = "Processor Information\n\tManufacturer: Intel(R) Corporation\n\tID: 57 06 05 00 FF FB EB BF\n\
    \tFlags:\n\t\tFPU (x)\n\tVersion: Some CPU\n\nProcessor Information\n\tID: 00 00 00 00 00 00 00 00\n";

fn check(text: &str, cpus: &[Cpu], damage: &[Damage]) {
    let lines = text.lines().count();
    let numbers: usize = cpus.iter().map(|cpu| cpu.cpus.len().max(1)).sum();
    assert!(numbers <= lines.max(1), "{text:?}");
    assert!(damage.len() <= lines.saturating_mul(2).max(1), "{text:?}");
    assert!(damage.iter().all(|damage| damage.offset <= text.len()), "{text:?}");
}

#[test]
fn mutated_texts_are_survived_by_every_reader() {
    for base in [CPUINFO, LOG, LSCPU, DMIDECODE] {
        for seed in 0..500 {
            let bytes = xen_inputs::mutate(base.as_bytes(), 20_261_121 + seed);
            let text = String::from_utf8_lossy(&bytes);
            let (cpus, damage) = from_cpuinfo("a", &text);
            check(&text, &cpus, &damage);
            let (cpus, damage) = from_lscpu("a", &text);
            check(&text, &cpus, &damage);
            let (cpus, damage) = from_dmidecode("a", &text);
            check(&text, &cpus, &damage);
            let log = from_log("a", &text);
            check(&text, &log.cpus, &log.damage);
            let _ = from_text("a", &text);
            for word in text.split_ascii_whitespace() {
                let _ = (
                    words::read_signature(word),
                    words::read_platform(word),
                    words::read_revision(word),
                );
            }
        }
    }
}

#[test]
fn many_cpus_of_as_many_kinds_are_read_in_one_pass() {
    let cpuinfo: String = (0..20_000)
        .map(|cpu| format!("processor : {cpu}\nvendor_id : AuthenticAMD\ncpu family : 25\nmodel : 1\nstepping : 1\nmicrocode : {cpu:#x}\n\n"))
        .collect();
    let each: String = (0..20_000)
        .map(|cpu| format!("microcode: CPU{cpu}: patch_level={cpu:#x}\n"))
        .collect();
    let log = format!("{each}{}", "microcode: revision: 0x1 -> 0x2\n".repeat(20_000));
    let begin = Instant::now();
    assert_eq!(from_cpuinfo("a", &cpuinfo).0.len(), 20_000);
    assert_eq!(from_log("a", &log).cpus.len(), 1);
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
}
