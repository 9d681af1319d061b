//! Streams and packed dumps of one made-up machine give its memory and its registers, however they were
//! sent, and what they leave out is missing.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::unwrap_used)]

mod synthetic;
#[path = "support/whole.rs"]
mod whole;

use kdd::memory::Gpa;
use kdd::target::{self, Capture, OpenError, Target as _, Vcpu};
use synthetic::containers::kdump::{self, Packing};
use synthetic::containers::{elf_core, qemu_migration, xl_save};
use synthetic::machine::Machine;
use whole::{BASES, input, keep, open, same_memory, selectors, vcpus};

fn fact<'a>(capture: &'a Capture, name: &str) -> &'a str {
    let found = capture.container.facts.iter().find(|(other, _)| other == name);
    found.map_or("", |(_, value)| value)
}

/// What QEMU's notes know.
fn noted(machine: &Machine) -> Vec<Vcpu> {
    vcpus(machine, |vcpu| {
        (vcpu.cr8, vcpu.dr, vcpu.fxsave) = (None, None, None);
        keep(vcpu, &BASES);
    })
}

#[test]
fn kdump_is_the_machine_however_its_pages_are_packed() {
    let machine = Machine::pattern();
    let all = [
        Packing::Plain,
        Packing::Zlib,
        Packing::Lzo,
        Packing::Snappy,
        Packing::Zstd,
    ];
    let mut lists: Vec<Vec<Packing>> = all.iter().map(|packing| vec![*packing]).collect();
    lists.push(all.to_vec());
    for packings in lists {
        let form = kdump::Form {
            packings,
            ..kdump::Form::default()
        };
        let capture = open(kdump::write(&machine, &form));
        assert_eq!(capture.damage, [], "{form:?}");
        same_memory(&capture, &machine);
        assert_eq!(capture.vcpus, noted(&machine));
        assert_eq!(capture.hints.version, Some((15, 19041)));
    }
}

#[test]
fn kdump_of_32_bit_machines_and_older_versions_is_read() {
    let machine = Machine::pattern();
    for (wide, version) in [(false, 6), (false, 5), (true, 5), (true, 4)] {
        let form = kdump::Form {
            wide,
            version,
            ..kdump::Form::default()
        };
        let capture = open(kdump::write(&machine, &form));
        assert_eq!(capture.damage, [], "{form:?}");
        same_memory(&capture, &machine);
        assert_eq!(capture.vcpus.len(), 2);
        let words = if wide { "64-bit" } else { "32-bit" };
        assert!(
            capture.container.description.contains(words),
            "{}",
            capture.container.description
        );
    }
    let old = open(kdump::write(
        &machine,
        &kdump::Form {
            version: 3,
            ..kdump::Form::default()
        },
    ));
    assert!(old.vcpus.is_empty(), "version 3 has no notes");
    let diskdump = open(kdump::diskdump(&machine));
    assert_eq!(diskdump.damage, []);
    same_memory(&diskdump, &machine);
}

#[test]
fn flattened_kdump_is_the_file_that_it_was_made_of() {
    let machine = Machine::pattern();
    let file = kdump::write(&machine, &kdump::Form::default());
    for (piece, shuffled) in [(4096, false), (4096, true), (1000, true), (1 << 20, false)] {
        let capture = open(kdump::flattened(&file, piece, shuffled));
        assert_eq!(capture.damage, []);
        assert!(capture.container.description.ends_with("flattened"));
        same_memory(&capture, &machine);
        assert_eq!(capture.vcpus, noted(&machine));
    }
    let core = open(kdump::flattened(&elf_core::qemu(&machine, false), 4096, true));
    assert_eq!(core.container.format, "qemu-elf");
    same_memory(&core, &machine);
}

#[test]
fn flattened_file_cut_short_gives_what_came() {
    let machine = Machine::pattern();
    let mut file = kdump::flattened(&kdump::write(&machine, &kdump::Form::default()), 4096, false);
    file.truncate(file.len() - 20_000);
    let capture = open(file);
    assert_eq!(capture.damage[0].rule, "kdump-flattened");
    assert!(
        capture.damage.iter().any(|damage| damage.rule == "kdump-pages"),
        "{:?}",
        capture.damage
    );
    let mut page = vec![0; 4096];
    assert_eq!(capture.memory().read(Gpa(0x1000), &mut page), 4096);
    assert_eq!(page, machine.pages[&0x1000]);
    assert_eq!(capture.memory().read(Gpa(0x3f_f000), &mut page), 0);
    // A page of zeroes that shares its bytes with one that came is there.
    assert_eq!(capture.memory().read(Gpa(0x3f_d000), &mut page), 4096);
}

#[test]
fn part_of_a_split_dump_holds_its_frames() {
    let mut machine = Machine::pattern();
    let form = kdump::Form {
        split: Some((0x100, 0x300)),
        ..kdump::Form::default()
    };
    let capture = open(kdump::write(&machine, &form));
    machine.pages.retain(|page, _| (0x10_0000..0x30_0000).contains(page));
    assert_eq!(capture.damage, []);
    same_memory(&capture, &machine);
}

#[test]
fn big_endian_and_cut_headers_of_kdump_are_refused() {
    let mut bytes = kdump::write(&Machine::pattern(), &kdump::Form::default());
    for at in (424..480).step_by(4) {
        bytes[at..at + 4].reverse();
    }
    assert!(matches!(target::open(&input(bytes)), Err(OpenError::Damaged { .. })));
    assert!(target::open(&input(b"KDUMP   ".to_vec())).is_err());
}

/// What the hypervisor's records know.
fn recorded(machine: &Machine, length: usize) -> Vec<Vcpu> {
    vcpus(machine, |vcpu| {
        (vcpu.dr.as_mut().unwrap()[4], vcpu.dr.as_mut().unwrap()[5]) = (0, 0);
        vcpu.xcr0 = Some(7);
        vcpu.msrs.insert(0xda0, 5);
        if length > 1016 {
            vcpu.msrs.insert(0xc000_0103, 0x77);
        }
    })
}

#[test]
fn saved_hvm_guest_is_the_machine() {
    use xl_save::Around::{Libvirt, Libxl, Nothing, Xl};
    let machine = Machine::pattern();
    for around in [Xl, Libvirt, Libxl, Nothing] {
        for (cpu, live) in [(1032, false), (1024, true), (1016, false)] {
            let form = xl_save::Form { cpu, live };
            let capture = open(xl_save::write(&machine, around, form));
            assert_eq!(capture.damage, [], "{around:?} {form:?}");
            assert_eq!(capture.container.format, "xl-save");
            same_memory(&capture, &machine);
            assert_eq!(capture.vcpus, recorded(&machine, cpu), "{around:?} {form:?}");
            assert_eq!(fact(&capture, "Xen"), "4.20");
            if matches!(around, Xl | Libvirt) {
                assert_eq!(fact(&capture, "domain"), "made-up");
            }
        }
    }
}

#[test]
fn saved_pv_guest_knows_what_the_guest_owns() {
    let machine = Machine::pattern();
    let capture = open(xl_save::paravirtual(&machine));
    assert_eq!(capture.damage, []);
    same_memory(&capture, &machine);
    let expected = vcpus(&machine, |vcpu| {
        selectors(vcpu);
        vcpu.segments.ldt.selector = 0;
        vcpu.segments.tr.selector = 0;
        (vcpu.gdt, vcpu.idt, vcpu.cr2, vcpu.cr8) = (None, None, None, None);
        vcpu.xcr0 = Some(7);
        keep(vcpu, &BASES);
        vcpu.msrs.insert(0xc001_1027, 9);
    });
    assert_eq!(capture.vcpus, expected);
}

#[test]
fn saved_guest_cut_short_gives_the_pages_that_came() {
    let machine = Machine::pattern();
    let form = xl_save::Form { cpu: 1032, live: false };
    let mut bytes = xl_save::write(&machine, xl_save::Around::Xl, form);
    bytes.truncate(bytes.len() / 2);
    let capture = open(bytes);
    assert_eq!(capture.damage.len(), 1, "{:?}", capture.damage);
    assert!(capture.vcpus.is_empty());
    let mut page = vec![0; 4096];
    assert_eq!(capture.memory().read(Gpa(0x1000), &mut page), 4096);
    assert_eq!(page, machine.pages[&0x1000]);
    assert_eq!(capture.memory().read(Gpa(0x3f_f000), &mut page), 0);
}

#[test]
fn saved_guest_of_the_old_form_is_refused_with_the_reason() {
    let form = xl_save::Form { cpu: 1032, live: false };
    let mut bytes = xl_save::write(&Machine::pattern(), xl_save::Around::Xl, form);
    bytes[36] = 1;
    let error = target::open(&input(bytes)).err().unwrap().to_string();
    assert!(error.contains("Xen 4.5 or older"), "{error}");
}

/// What QEMU's sections know.
fn migrated(machine: &Machine) -> Vec<Vcpu> {
    vcpus(machine, |vcpu| {
        vcpu.xcr0 = Some(7);
        vcpu.msrs.insert(0xc000_0103, 0x77);
        // The stream has no instruction pointer of the FPU here, and ten bytes of each of its registers.
        let image = vcpu.fxsave.as_mut().unwrap();
        image[5..24].fill(0);
        image[28..32].copy_from_slice(&[0xff, 0xff, 0, 0]);
        for at in (32..160).step_by(16) {
            image[at + 10..at + 16].fill(0);
        }
        image[416..].fill(0);
    })
}

/// The machine with its firmware, which the stream holds too.
fn with_firmware(machine: &Machine) -> Machine {
    let mut machine = machine.clone();
    for (page, at) in qemu_migration::bios().chunks(4096).zip([0xffff_e000, 0xffff_f000]) {
        machine.pages.insert(at, page.to_vec());
    }
    machine
}

#[test]
fn migration_stream_is_the_machine() {
    let machine = Machine::pattern();
    let plain = qemu_migration::Form::default();
    let forms = [
        plain.clone(),
        qemu_migration::Form {
            live: true,
            ..plain.clone()
        },
        qemu_migration::Form {
            footers: false,
            ..plain.clone()
        },
        qemu_migration::Form {
            cmos: false,
            ..plain.clone()
        },
        qemu_migration::Form {
            blocks: vec![("ram-node0", 0x10_0000), ("ram-node1", 0x30_0000)],
            ..plain
        },
    ];
    for form in forms {
        let capture = open(qemu_migration::write(&machine, &form));
        assert_eq!(capture.damage, [], "{form:?}");
        assert_eq!(capture.container.format, "qemu-migration");
        same_memory(&capture, &with_firmware(&machine));
        assert_eq!(capture.vcpus, migrated(&machine), "{form:?}");
        assert_eq!(fact(&capture, "machine"), "pc-q35-10.0");
        assert_eq!(fact(&capture, "memory below 4 GiB").contains("CMOS"), form.cmos);
    }
}

#[test]
fn mapped_migration_file_holds_all_pages() {
    let mut machine = Machine::pattern();
    let form = qemu_migration::Form {
        mapped: true,
        ..qemu_migration::Form::default()
    };
    let capture = open(qemu_migration::write(&machine, &form));
    assert_eq!(capture.damage, []);
    // Such a file has no holes: what its bitmap leaves out is zeroes.
    for page in (0x20_0000..0x28_0000).step_by(4096) {
        machine.pages.insert(page, vec![0; 4096]);
    }
    same_memory(&capture, &with_firmware(&machine));
    assert_eq!(capture.vcpus, migrated(&machine));
}

#[test]
fn memory_above_4_gib_lies_where_the_machine_puts_it() {
    let mut machine = Machine {
        cpus: Machine::pattern().cpus,
        ..Machine::default()
    };
    let addresses = [0x1000u64, 0x7fff_f000, 0x1_0000_0000, 0x1_8000_0000, 0x1_ffff_f000];
    for address in addresses {
        machine.pages.insert(address, vec![(address >> 12) as u8 | 1; 4096]);
    }
    let plain = qemu_migration::Form {
        blocks: vec![("m0", 3 << 30), ("m1", 3 << 30)],
        below: 2 << 30,
        ..qemu_migration::Form::default()
    };
    for cmos in [true, false] {
        let capture = open(qemu_migration::write(
            &machine,
            &qemu_migration::Form { cmos, ..plain.clone() },
        ));
        assert_eq!(capture.damage, []);
        same_memory(&capture, &with_firmware(&machine));
    }
    // A limit that the user set shows in the CMOS only.
    machine.pages.clear();
    for address in [0x3fff_f000u64, 0x1_0000_0000] {
        machine.pages.insert(address, vec![(address >> 12) as u8 | 1; 4096]);
    }
    let limited = qemu_migration::Form {
        below: 1 << 30,
        ..plain
    };
    same_memory(
        &open(qemu_migration::write(&machine, &limited)),
        &with_firmware(&machine),
    );
}

#[test]
fn memory_plugged_in_is_left_out_and_said() {
    let machine = Machine::pattern();
    let plain = qemu_migration::Form::default();
    let form = qemu_migration::Form {
        blocks: vec![("pc.ram", 0x40_0000), ("dimm0", 0x10_0000)],
        cmos: false,
        ..plain
    };
    let capture = open(qemu_migration::write(&machine, &form));
    assert!(fact(&capture, "block dimm0").contains("left out"));
    same_memory(&capture, &with_firmware(&machine));
}

#[test]
fn stream_without_a_description_gives_memory_only() {
    let machine = Machine::pattern();
    let form = qemu_migration::Form {
        described: false,
        ..qemu_migration::Form::default()
    };
    let capture = open(qemu_migration::write(&machine, &form));
    assert_eq!(capture.damage[0].rule, "qemu-description");
    assert!(capture.vcpus.is_empty());
    same_memory(&capture, &with_firmware(&machine));
}

#[test]
fn device_that_is_not_as_described_is_got_over() {
    let machine = Machine::pattern();
    let form = qemu_migration::Form {
        odd: true,
        ..qemu_migration::Form::default()
    };
    let capture = open(qemu_migration::write(&machine, &form));
    assert_eq!(capture.damage.len(), 1, "{:?}", capture.damage);
    assert_eq!(capture.vcpus, migrated(&machine));
}

#[test]
fn stream_that_leaves_shared_memory_out_says_so() {
    let machine = Machine::pattern();
    let form = qemu_migration::Form {
        shared: true,
        ..qemu_migration::Form::default()
    };
    let capture = open(qemu_migration::write(&machine, &form));
    assert!(capture.damage[0].seen.contains("shared memory"), "{:?}", capture.damage);
    assert_eq!(capture.memory().runs(), []);
    assert_eq!(capture.vcpus, migrated(&machine));
}

#[test]
fn virsh_save_is_opened_raw_and_refused_packed() {
    let machine = Machine::pattern();
    let stream = qemu_migration::write(&machine, &qemu_migration::Form::default());
    let capture = open(qemu_migration::libvirt(&stream, 0));
    assert_eq!(capture.damage, []);
    assert_eq!(fact(&capture, "domain"), "made-up");
    same_memory(&capture, &with_firmware(&machine));
    assert_eq!(capture.vcpus, migrated(&machine));
    let error = target::open(&input(qemu_migration::libvirt(&stream, 5)))
        .err()
        .unwrap()
        .to_string();
    assert!(error.contains("compressed (zstd)"), "{error}");
}
