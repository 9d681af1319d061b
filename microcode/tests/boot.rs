//! A real kernel as the judge of `loader::linux`: it is booted in QEMU with CPUs and initrds made
//! here and stopped where its loader writes an update to the CPU. What it is about to write is
//! compared with what the library says.
//!
//! Run with `DELID_KERNEL=/boot/vmlinuz-...` (64 bits, 6.12); without it, or without QEMU, the
//! cases are not run and say so. No real microcode is needed: the emulated CPU takes nothing.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

#[path = "boot/gdb.rs"]
mod gdb;
mod linux_inputs;

use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use gdb::{Machine, Start, Stop};
use linux_inputs::{AMD, INTEL, Intel, container, file, initrd, intel, patch, trailer};
use microcode::loader::Decision;
use microcode::loader::linux::{self, Early, File};
use microcode::{Cpu, PlatformMask, Revision, Sha256, Signature, Vendor};

/// Where the kernel stands in physical memory without address randomisation, and in virtual.
const PHYSICAL: u64 = 0x0100_0000;
const VIRTUAL: u64 = 0xffff_ffff_8100_0000;
/// As much of it as is searched.
const LENGTH: u64 = 0x0400_0000;

struct Case {
    name: &'static str,
    cpu: &'static str,
    like: Cpu,
    line: &'static str,
    initrd: Option<Vec<u8>>,
    /// What the kernel says when it refuses a patch.
    says: &'static str,
}

fn core(name: &'static str, running: u32, parts: &[Vec<u8>]) -> Case {
    let cpu = match running {
        0x100 => "Skylake-Client-v1,family=6,model=183,stepping=1,-hypervisor,ucode-rev=0x10000000000",
        0x80 => "Skylake-Client-v1,family=6,model=183,stepping=1,hypervisor=on,ucode-rev=0x8000000000",
        _ => panic!("{running:#x}"),
    };
    Case {
        name,
        cpu,
        // MSR 17h of an emulated CPU is 0: platform id 0.
        like: Cpu {
            platform: Some(PlatformMask(1)),
            ..like(Vendor::Intel, 0xb0671, running)
        },
        line: "",
        initrd: Some(initrd(INTEL, &parts.concat())),
        says: "",
    }
}

fn zen(name: &'static str, running: u32, parts: &[Vec<u8>]) -> Case {
    let cpu = match running {
        0x0a20_1030 => "EPYC-v1,family=25,model=33,stepping=0,-hypervisor,ucode-rev=0xa201030",
        0x0a20_1020 => "EPYC-v1,family=25,model=33,stepping=0,-hypervisor,ucode-rev=0xa201020",
        _ => panic!("{running:#x}"),
    };
    Case {
        name,
        cpu,
        like: like(Vendor::Amd, 0xa20f10, running),
        line: "",
        initrd: Some(initrd(AMD, &parts.concat())),
        says: "",
    }
}

fn k10(name: &'static str, parts: &[Vec<u8>]) -> Case {
    Case {
        name,
        cpu: "Opteron_G3-v1,family=16,model=2,stepping=2,-hypervisor,ucode-rev=0x1000080",
        like: like(Vendor::Amd, 0x100f22, 0x0100_0080),
        line: "",
        initrd: Some(initrd(AMD, &parts.concat())),
        says: "",
    }
}

fn like(vendor: Vendor, signature: u32, running: u32) -> Cpu {
    Cpu {
        signature: Some(Signature(signature)),
        revision: Some(Revision(running)),
        hypervisor: Some(running == 0x80),
        ..Cpu::new("QEMU", vendor)
    }
}

fn update(revision: u32) -> Vec<u8> {
    intel(0xb0671, 0x03, revision).build()
}

fn cases() -> Vec<Case> {
    let with = |case: Case, image: Vec<u8>| Case {
        initrd: Some(image),
        ..case
    };
    let zen_patch = |revision| patch(0xa210, revision, 320);
    let of_zen = |patches: &[Vec<u8>]| container(&[(0xa20f10, 0xa210)], patches);
    let old = |patches: &[Vec<u8>]| container(&[(0x100f22, 0x1022)], patches);
    let extended = Intel {
        extended: vec![(0xb0674, 3), (0xb0671, 1)],
        ..intel(0xb0674, 3, 0x140)
    };
    let mut bad = update(0x130);
    bad[200] ^= 1;
    vec![
        core(
            "highest of three",
            0x100,
            &[update(0x110), update(0x12f), update(0x120)],
        ),
        core("bad update behind good ones", 0x100, &[update(0x12f), bad]),
        core("one byte behind", 0x100, &[update(0x12f), vec![0]]),
        core("platforms 0", 0x100, &[intel(0xb0671, 0, 0x12f).build()]),
        core("extended signature", 0x100, &[update(0x12f), extended.build()]),
        core("hypervisor bit", 0x80, &[update(0x12f)]),
        Case {
            line: "dis_ucode_ldr",
            ..core("dis_ucode_ldr", 0x100, &[update(0x12f)])
        },
        with(
            core("./ before the path", 0x100, &[]),
            initrd(&format!("./{INTEL}"), &update(0x12f)),
        ),
        with(
            core("name goes on, first of two, behind another archive", 0x100, &[]),
            [
                file("TRAILER!!!", b""),
                vec![0, 1, 2, 3],
                file(&format!("{INTEL}.old"), &update(0x110)),
                file(INTEL, &update(0x12f)),
                trailer(),
            ]
            .concat(),
        ),
        zen(
            "last match",
            0x0a20_1030,
            &[of_zen(&[zen_patch(0x0a20_1035), zen_patch(0x0a20_1032)])],
        ),
        zen(
            "equal is applied again",
            0x0a20_1030,
            &[of_zen(&[zen_patch(0x0a20_1030)])],
        ),
        zen(
            "the other side of the cut-off",
            0x0a20_1030,
            &[of_zen(&[zen_patch(0x0a20_1031), zen_patch(0x0a20_102f)])],
        ),
        Case {
            says: "No sha256 digest for patch ID: 0xa201025 found",
            ..zen("not on the list", 0x0a20_1020, &[of_zen(&[zen_patch(0x0a20_1025)])])
        },
        Case {
            line: "microcode.amd_sha_check=off",
            ..zen("digest check off", 0x0a20_1020, &[of_zen(&[zen_patch(0x0a20_1025)])])
        },
        k10(
            "second container",
            &[
                of_zen(&[zen_patch(0x0a20_1031)]),
                old(&[patch(0x1022, 0x0100_00c9, 960)]),
            ],
        ),
        k10(
            "a large patch of another family first",
            &[old(&[
                patch(0xa210, 0x0a20_1031, 3200),
                patch(0x1022, 0x0100_00c9, 960),
            ])],
        ),
    ]
}

/// Addresses of the instructions that write an update, by vendor: `wrmsr` after the number of its
/// register was put into ECX.
fn write_instructions(kernel: &str) -> Vec<u64> {
    let mut machine = Machine::new(&Start {
        kernel,
        cpu: "Skylake-Client-v1,-hypervisor",
        line: "",
        initrd: None,
    });
    assert_eq!(machine.run(), Stop::Version);
    let image = machine.physical(PHYSICAL, LENGTH);
    let registers: [&[u8]; 2] = [&[0xb9, 0x79, 0, 0, 0], &[0xb9, 0x20, 0, 0x01, 0xc0]];
    let mut list = Vec::new();
    for (at, window) in image.windows(32).enumerate() {
        if window[0] == 0xb9 && registers.iter().any(|register| window.starts_with(register)) {
            let found = window.windows(2).position(|pair| pair == [0x0f, 0x30]);
            list.extend(found.map(|found| VIRTUAL + u64::try_from(at + found).unwrap()));
        }
    }
    list
}

/// What the kernel is about to write, and what it said until then.
fn observed(kernel: &str, case: &Case, breakpoints: &[u64]) -> (Option<(Revision, Sha256)>, String) {
    let mut machine = Machine::new(&Start {
        kernel,
        cpu: case.cpu,
        line: case.line,
        initrd: case.initrd.as_deref(),
    });
    for address in breakpoints {
        machine.set_breakpoint(*address);
    }
    if machine.run() == Stop::Version {
        return (None, machine.serial());
    }
    let registers = machine.registers();
    let (address, number) = (
        registers[0] & 0xffff_ffff | registers[3] << 32,
        registers[2] & 0xffff_ffff,
    );
    // Intel's register takes the address of the data, AMD's that of the header.
    let header = if number == 0x79 { address - 48 } else { address };
    let head = machine.memory(header, 48);
    let word = |at: usize| u32::from_le_bytes(head[at..at + 4].try_into().unwrap());
    let length = if number == 0x79 {
        usize::try_from(word(32)).unwrap()
    } else {
        let section = machine.memory(header - 4, 4);
        usize::try_from(u32::from_le_bytes(section.try_into().unwrap())).unwrap()
    };
    let sha256 = Sha256::of(&machine.memory(header, length));
    (Some((Revision(word(4)), sha256)), machine.serial())
}

fn said(case: &Case) -> Decision {
    let setup = Early {
        command_line: Some(case.line),
        initrd: case.initrd.as_ref().map(|bytes| File {
            name: "initrd".to_owned(),
            source: "initrd".to_owned(),
            bytes: Arc::new(bytes.clone()),
        }),
        ..Early::default()
    };
    linux::early(&case.like, &setup)
}

#[test]
fn kernel_writes_what_the_library_says() {
    let cases = cases();
    let Ok(kernel) = std::env::var("DELID_KERNEL") else {
        eprintln!("not run: {} boots, DELID_KERNEL names no kernel", cases.len());
        return;
    };
    let probe = Command::new("qemu-system-x86_64")
        .arg("--version")
        .stdout(Stdio::null())
        .status();
    if !probe.is_ok_and(|status| status.success()) {
        eprintln!("not run: {} boots, qemu-system-x86_64 is absent", cases.len());
        return;
    }
    let begun = Instant::now();
    let breakpoints = write_instructions(&kernel);
    assert!(breakpoints.len() >= 2, "{breakpoints:x?}");
    let left = Mutex::new(cases.iter());
    let wrong = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let Some(case) = left.lock().unwrap().next() else { break };
                    let (seen, serial) = observed(&kernel, case, &breakpoints);
                    let decision = said(case);
                    let ours = decision.chosen().map(|chosen| (chosen.revision, chosen.sha256));
                    let text = |what: Option<(Revision, Sha256)>| {
                        what.map_or_else(|| "nothing".to_owned(), |(revision, _)| revision.to_string())
                    };
                    eprintln!("{}: kernel {}, library {}", case.name, text(seen), text(ours));
                    if seen != ours || (seen.is_none() && !serial.contains(case.says)) {
                        wrong.lock().unwrap().push((case.name, decision));
                    }
                }
            });
        }
    });
    eprintln!("{} boots in {} s", cases.len(), begun.elapsed().as_secs());
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{wrong:#?}");
}
