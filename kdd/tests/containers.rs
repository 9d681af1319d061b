//! Every container of one made-up machine gives the same memory and the same registers, and damaged ones
//! give what is left of it.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::unwrap_used)]

mod synthetic;
#[path = "support/whole.rs"]
mod whole;

use std::collections::BTreeMap;
use std::sync::Arc;

use kdd::memory::source::Source;
use kdd::memory::{Gpa, Gva};
use kdd::target::vcpu::msr;
use kdd::target::{self, Input, OpenError, Options, Target as _, Vcpu, raw, xen_core};
use synthetic::containers as write;
use synthetic::machine::Machine;
use whole::{BASES, input, keep, open, same_memory, selectors, vcpus};
use write::vmware::Form;
use write::xen_core::Kind;

#[test]
fn qemu_core_is_the_machine() {
    let machine = Machine::pattern();
    let expected = vcpus(&machine, |vcpu| {
        (vcpu.cr8, vcpu.dr, vcpu.fxsave) = (None, None, None);
        keep(vcpu, &BASES);
    });
    for paging in [false, true] {
        let capture = open(write::elf_core::qemu(&machine, paging));
        assert_eq!(capture.damage, []);
        assert_eq!(capture.container.format, "qemu-elf");
        same_memory(&capture, &machine);
        assert_eq!(capture.vcpus, expected);
        assert_eq!(capture.vcpus[0].long_mode(), Some(true));
        let hints = &capture.hints;
        assert_eq!(hints.directory, Some(Gpa(0x1a_d000)));
        assert_eq!(hints.kdbg, Some(Gva(0xffff_f800_0c40_0b20)));
        assert_eq!(hints.loaded_modules, Some(Gva(0xffff_f800_0c42_a2d0)));
        assert_eq!((hints.machine, hints.processors), (Some(0x8664), Some(2)));
        assert_eq!(hints.version, Some((15, 19041)));
    }
}

#[test]
fn core_with_32_bit_structures_gives_lower_halves() {
    let machine = Machine::pattern();
    let capture = open(write::elf_core::qemu32(&machine));
    assert_eq!(capture.damage, []);
    assert_eq!(capture.container.format, "elf-core");
    same_memory(&capture, &machine);
    let expected = vcpus(&machine, |vcpu| {
        selectors(vcpu);
        let mut gpr = vcpu.gpr.map(|value| value & 0xffff_ffff);
        gpr[8..].fill(0);
        *vcpu = Vcpu {
            number: vcpu.number,
            gpr,
            rip: vcpu.rip & 0xffff_ffff,
            rflags: vcpu.rflags,
            segments: vcpu.segments,
            ..Vcpu::default()
        };
        vcpu.segments.ldt.selector = 0;
        vcpu.segments.tr.selector = 0;
    });
    assert_eq!(capture.vcpus, expected);
}

#[test]
fn virtualbox_core_knows_the_system_call_registers() {
    let machine = Machine::pattern();
    for format in [4, 5, 6] {
        let capture = open(write::elf_core::virtualbox(&machine, format));
        assert_eq!(capture.damage, []);
        assert_eq!(capture.container.format, "virtualbox-elf");
        same_memory(&capture, &machine);
        let expected = vcpus(&machine, |vcpu| {
            (vcpu.cr8, vcpu.xcr0) = (None, Some(7));
            vcpu.msrs.extend([(0x277, 0x0007_0406_0007_0406), (0x1b, 0xfee0_0900)]);
        });
        assert_eq!(capture.vcpus, expected);
        let version = capture.container.facts.iter().find(|(name, _)| name == "VirtualBox");
        assert_eq!(version.unwrap().1, "7.1.12 r168389");
    }
    let old = open(write::elf_core::virtualbox(&machine, 0));
    same_memory(&old, &machine);
    assert!(old.vcpus.is_empty() && !old.damage.is_empty());
}

#[test]
fn core_of_a_process_is_refused() {
    let mut machine = Machine::pattern();
    machine.cpus.clear();
    let mut bytes = write::elf_core::qemu32(&machine);
    // The second and third program headers are the ranges: virtual instead of physical addresses.
    for header in [52 + 32, 52 + 64] {
        bytes[header + 8..header + 12].copy_from_slice(&0x40_0000u32.to_le_bytes());
        bytes[header + 12..header + 16].fill(0);
    }
    assert!(matches!(target::open(&input(bytes)), Err(OpenError::NotAGuest { .. })));
}

#[test]
fn lime_and_avml_are_the_machine() {
    let machine = Machine::pattern();
    let files = [
        ("lime", write::lime::lime(&machine)),
        ("avml", write::lime::avml(&machine, 0x40_0000)),
        ("avml", write::lime::avml(&machine, 0x1_3000)),
    ];
    for (format, bytes) in files {
        let capture = open(bytes);
        assert_eq!(capture.damage, []);
        assert_eq!(capture.container.format, format);
        same_memory(&capture, &machine);
        assert!(capture.vcpus.is_empty());
    }
}

#[test]
fn frame_with_a_wrong_checksum_is_missing_and_the_rest_is_there() {
    let machine = Machine::pattern();
    let mut bytes = write::lime::avml(&machine, 0x40_0000);
    // Header of the range, name of the stream, header of the first frame, its checksum.
    bytes[32 + 10 + 4] ^= 1;
    let capture = open(bytes);
    let mut buffer = vec![0; 4096];
    assert_eq!(capture.memory().read(Gpa(0), &mut buffer), 0);
    assert_eq!(capture.memory().read(Gpa(0xf000), &mut buffer), 0);
    assert_eq!(capture.memory().read(Gpa(0x1_0000), &mut buffer), 4096);
    assert!(buffer == machine.pages[&0x1_0000]);
}

#[test]
fn xen_core_is_the_machine() {
    let machine = Machine::pattern();
    for (kind, lost) in [(Kind::Hardware, 0), (Kind::Hardware, 3), (Kind::Paravirtual, 2)] {
        let capture = open(write::xen_core::write(&machine, kind, lost));
        assert_eq!(capture.damage, []);
        assert_eq!(capture.container.format, "xen-core");
        same_memory(&capture, &machine);
        let expected = vcpus(&machine, |vcpu| {
            selectors(vcpu);
            (vcpu.gdt, vcpu.idt, vcpu.cr8) = (None, None, None);
            vcpu.segments.tr.selector = 0;
            keep(vcpu, &BASES);
        });
        assert_eq!(capture.vcpus, expected);
    }
}

#[test]
fn xen_core_of_a_32_bit_guest_is_told_by_the_note() {
    let mut machine = Machine::pattern();
    machine.cpus[1].cr3 = 0x3_4567_8000;
    let capture = open(write::xen_core::write(&machine, Kind::Paravirtual32, 0));
    let (seen, cpu) = (&capture.vcpus[1], &machine.cpus[1]);
    assert_eq!(seen.rip, cpu.rip & 0xffff_ffff);
    assert_eq!(seen.gpr[..8], cpu.gpr.map(|value| value & 0xffff_ffff)[..8]);
    assert_eq!(seen.cr3, Some(cpu.cr3));
    assert_eq!(seen.dr.unwrap()[7], cpu.dr[7]);
    assert_eq!(seen.segments.gs.selector, cpu.gs.selector);
}

#[test]
fn machine_frames_of_a_paravirtual_guest_are_another_view() {
    let machine = Machine::pattern();
    let input = input(write::xen_core::write(&machine, Kind::Paravirtual, 0));
    let capture = xen_core::open_with(&input, xen_core::Frames::Machine).unwrap();
    let mut buffer = vec![0; 4096];
    for (page, bytes) in &machine.pages {
        let at = Gpa(write::xen_core::machine_frame(page / 4096) * 4096);
        assert_eq!(capture.memory().read(at, &mut buffer), 4096);
        assert!(buffer == *bytes, "page {page:#x}");
    }
}

#[test]
fn xen_core_without_its_end_numbers_the_pages_in_order() {
    let mut machine = Machine::pattern();
    // What an HVM guest has not got, and what lies behind the first other hole.
    machine
        .pages
        .retain(|page, _| !(0xa_0000..0xc_0000).contains(page) && *page < 0x28_0000);
    let bytes = write::xen_core::write(&machine, Kind::Hardware, 0);
    let pages = machine.pages.len() * 4096;
    let start = bytes
        .windows(4096)
        .position(|window| window == machine.pages[&0])
        .unwrap();
    let cut = start + pages - 0x3800;
    let capture = open(bytes[..cut].to_vec());
    let rules: Vec<_> = capture.damage.iter().map(|damage| damage.rule).collect();
    assert_eq!(rules, ["xen-pages", "xen-frames"]);
    assert_eq!(capture.vcpus.len(), 2);
    let mut buffer = vec![0; 4096];
    for (page, bytes) in &machine.pages {
        let seen = capture.memory().read(Gpa(*page), &mut buffer);
        let want = if *page < 0x1f_c000 { 4096 } else { 0 };
        assert_eq!(seen, want, "page {page:#x}");
        assert!(seen == 0 || buffer == *bytes, "page {page:#x}");
    }
}

#[test]
fn vmware_state_and_memory_are_the_machine() {
    let machine = Machine::pattern();
    for magic in [0xbed2_bed0u32, 0xbad1_bad1, 0xbed2_bed2, 0xbed3_bed3] {
        for (inside, blocks) in [(false, false), (true, true), (true, false), (false, true)] {
            let form = Form { magic, inside, blocks };
            let (state, memory) = write::vmware::write(&machine, form);
            let (state, memory): (Source, Source) = (Arc::new(state), Arc::new(memory));
            let by_state = Input {
                name: "m.vmss".to_owned(),
                bytes: state.clone(),
                beside: if inside {
                    Vec::new()
                } else {
                    vec![("vmem".to_owned(), memory.clone())]
                },
                registers: None,
            };
            let by_memory = Input {
                name: "m.vmem".to_owned(),
                bytes: memory.clone(),
                beside: vec![("vmsn".to_owned(), state.clone())],
                registers: None,
            };
            for input in [by_state, by_memory] {
                let capture = target::open(&input).unwrap();
                assert_eq!(capture.damage, []);
                assert_eq!(capture.container.format, "vmware");
                same_memory(&capture, &machine);
                let expected = vcpus(&machine, |vcpu| {
                    selectors(vcpu);
                    vcpu.fxsave = None;
                    keep(vcpu, &[0x174, 0x175, 0x176, msr::LSTAR, msr::FS_BASE, msr::GS_BASE]);
                });
                assert_eq!(capture.vcpus, expected);
            }
        }
    }
}

#[test]
fn raw_image_takes_its_registers_from_text() {
    let machine = Machine::pattern();
    let text = write::raw::registers(&machine);
    let mut input = input(write::raw::write(&machine));
    input.registers = Some(text.clone());
    let capture = target::open(&input).unwrap();
    assert_eq!(capture.damage, []);
    assert_eq!(capture.container.format, "raw");
    let printed = vcpus(&machine, |vcpu| {
        vcpu.cr8 = None;
        keep(vcpu, &[msr::EFER, msr::FS_BASE, msr::GS_BASE]);
        // Pointers of the x87 unit, the mask of MXCSR and the rest of the image are not printed.
        let image = vcpu.fxsave.as_mut().unwrap();
        image[5..24].fill(0);
        image[28..32].fill(0);
        for register in 0..8 {
            image[32 + 16 * register + 10..][..6].fill(0);
        }
        image[416..].fill(0);
        vcpu.dr.as_mut().unwrap()[4..6].fill(0);
    });
    assert_eq!(capture.vcpus, printed);
    for (page, bytes) in &machine.pages {
        let mut buffer = vec![0; 4096];
        assert_eq!(capture.memory().read(Gpa(*page), &mut buffer), 4096);
        assert!(buffer == *bytes);
    }

    // With what the monitor does not print, and as the answer of QMP.
    input.registers = Some(text.clone() + &write::raw::model_specific(&machine));
    let more = target::open(&input).unwrap();
    let msrs: Vec<BTreeMap<u32, u64>> = more.vcpus.iter().map(|vcpu| vcpu.msrs.clone()).collect();
    assert_eq!(more.damage, []);
    assert_eq!(
        msrs,
        vcpus(&machine, |_| {})
            .iter()
            .map(|vcpu| vcpu.msrs.clone())
            .collect::<Vec<_>>()
    );
    assert_eq!(more.vcpus[1].cr8, Some(machine.cpus[1].cr8));
    input.registers = Some(serde_json::json!({ "return": text }).to_string());
    assert_eq!(target::open(&input).unwrap().vcpus, printed);
}

#[test]
fn register_file_fills_in_what_a_core_does_not_know() {
    let machine = Machine::pattern();
    let mut input = input(write::elf_core::qemu(&machine, false));
    input.registers = Some(write::raw::model_specific(&machine) + "cpu=1\nrip=1\ncr3=2\n");
    let capture = target::open(&input).unwrap();
    let (seen, cpu) = (&capture.vcpus[1], &machine.cpus[1]);
    assert_eq!(seen.msrs[&msr::LSTAR], cpu.lstar);
    assert_eq!((seen.rip, seen.cr3), (cpu.rip, Some(cpu.cr3)));
}

#[test]
fn raw_image_may_be_split_at_4_gib() {
    let machine = Machine::pattern();
    let options = Options {
        layout: raw::Layout {
            below_4g: Some(0x30_0000),
        },
    };
    let capture = target::open_with(&input(write::raw::write(&machine)), &options).unwrap();
    let mut buffer = vec![0; 4096];
    assert_eq!(capture.memory().read(Gpa(0x1_0000_0000), &mut buffer), 4096);
    assert!(buffer == machine.pages[&0x30_0000]);
    assert_eq!(capture.memory().read(Gpa(0x30_0000), &mut buffer), 0);
    assert_eq!(capture.memory().read(Gpa(0x1_0010_0000), &mut buffer), 0);
}

#[test]
fn packed_files_and_disk_images_are_named() {
    for (bytes, word) in [
        (b"\xfd7zXZ\0\0".to_vec(), "xz"),
        (b"QFI\xfb\0\0\0\x03".to_vec(), "qcow2"),
        (Vec::new(), "empty"),
    ] {
        let error = target::open(&input(bytes)).err().unwrap().to_string();
        assert!(error.contains(word), "{error}");
    }
}
