//! Lists of the kernel: modules, processes, processors, whole and damaged.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::cell::Cell;
use std::collections::BTreeMap;

use kdd::memory::{Gpa, Gva, VirtualMemory};
use kdd::target::vcpu::{Hidden, Table, Vcpu, msr};
use kdd::windows::{Architecture, Process, Processor, modules, processes, processors};

/// Pages by virtual address; counts what is read.
#[derive(Clone, Default)]
struct Pages {
    pages: BTreeMap<u64, Vec<u8>>,
    reads: Cell<usize>,
}

impl VirtualMemory for Pages {
    fn read(&self, at: Gva, buffer: &mut [u8]) -> usize {
        self.reads.set(self.reads.get() + 1);
        for (index, byte) in buffer.iter_mut().enumerate() {
            let place = at.0.wrapping_add(index as u64);
            match self.pages.get(&(place & !0xfff)) {
                Some(page) => *byte = page[(place & 0xfff) as usize],
                None => return index,
            }
        }
        buffer.len()
    }
}

impl Pages {
    fn write(&mut self, at: u64, bytes: &[u8]) {
        for (index, byte) in bytes.iter().enumerate() {
            let place = at + index as u64;
            let page = self.pages.entry(place & !0xfff).or_insert_with(|| vec![0; 4096]);
            page[(place & 0xfff) as usize] = *byte;
        }
    }

    fn pointer(&mut self, at: u64, value: u64, width: u64) {
        self.write(at, &value.to_le_bytes()[..width as usize]);
    }

    fn ring(&mut self, head: u64, entries: &[u64], width: u64) {
        let ring: Vec<u64> = [head].iter().chain(entries).copied().collect();
        for (index, at) in ring.iter().enumerate() {
            self.pointer(*at, ring[(index + 1) % ring.len()], width);
            self.pointer(at + width, ring[(index + ring.len() - 1) % ring.len()], width);
        }
    }
}

/// A guest of one kind: its pages and what is in them.
struct Sample {
    pages: Pages,
    architecture: Architecture,
    modules: u64,
    records: Vec<u64>,
    processes: u64,
    eprocesses: Vec<u64>,
    kpcrs: Vec<u64>,
    kdbg: Vec<u8>,
}

const DIRECTORY: u64 = 0x1a_d000;

/// Offsets of the structures that the samples are written with.
struct Places {
    width: u64,
    base: u64,
    /// LDR entry: DllBase, EntryPoint, SizeOfImage, FullDllName, BaseDllName.
    ldr: [u64; 5],
    /// EPROCESS: profile list, directory, id, parent, PEB, name.
    eprocess: [u64; 6],
    /// KPCR: self, current KPRCB, KPRCB; KPRCB: thread, number.
    kpcr: [u64; 5],
}

fn places(architecture: Architecture) -> Places {
    match architecture {
        Architecture::X64 => Places {
            width: 8,
            base: 0xffff_a08b_5c80_0000,
            ldr: [0x30, 0x38, 0x40, 0x48, 0x58],
            eprocess: [0x18, 0x28, 0x440, 0x540, 0x550, 0x5a8],
            kpcr: [0x18, 0x20, 0x180, 8, 0x24],
        },
        Architecture::X86 => Places {
            width: 4,
            base: 0x8550_0000,
            ldr: [0x18, 0x1c, 0x20, 0x24, 0x2c],
            eprocess: [0x10, 0x18, 0xe4, 0x170, 0x17c, 0x1ac],
            kpcr: [0x1c, 0x20, 0x120, 4, 0x3cc],
        },
    }
}

const MODULES: &[&str] = &["ntoskrnl.exe", "hal.dll", "ntfs.sys", "tcpip.sys", "win32k.sys"];
const PROCESSES: &[(&str, u64, u64)] = &[
    ("System", 4, 0),
    ("smss.exe", 0x14c, 4),
    ("csrss.exe", 0x1d8, 0x14c),
    ("fourteenletter", 0xf3c, 0x1d8),
];

impl Sample {
    fn new(architecture: Architecture) -> Self {
        let places = places(architecture);
        let (width, base) = (places.width, places.base);
        let mut pages = Pages::default();
        let (modules, processes) = (base, base + 0x40);
        let records: Vec<u64> = (0..MODULES.len() as u64)
            .map(|index| base + 0x1000 * (index + 1) + 0x330)
            .collect();
        pages.ring(modules, &records, width);
        for (index, (at, name)) in records.iter().zip(MODULES).enumerate() {
            let [dll, entry, size, full, short] = places.ldr;
            let image = 0x10_0000 * (index as u64 + 1);
            pages.pointer(at + dll, base + image, width);
            pages.pointer(at + entry, base + image + 0x1234, width);
            pages.write(at + size, &(0x5000 + index as u32).to_le_bytes());
            let path = format!("\\SystemRoot\\system32\\{name}");
            for (field, text, buffer) in [(full, path.as_str(), at + 0x100), (short, *name, at + 0x200)] {
                let units: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
                pages.write(at + field, &(units.len() as u16).to_le_bytes());
                pages.write(at + field + 2, &(units.len() as u16 + 2).to_le_bytes());
                pages.pointer(at + field + width, buffer, width);
                pages.write(buffer, &units);
            }
        }

        let [profile, directory, id, parent, peb, name] = places.eprocess;
        let eprocesses: Vec<u64> = (0..PROCESSES.len() as u64)
            .map(|index| base + 0x1_0040 + 0x2000 * index)
            .collect();
        let links: Vec<u64> = eprocesses.iter().map(|at| at + id + width).collect();
        pages.ring(processes, &links, width);
        for (index, (at, process)) in eprocesses.iter().zip(PROCESSES).enumerate() {
            pages.write(*at, &[3, 0, 0, 0]);
            pages.pointer(at + profile, at + profile, width);
            pages.pointer(at + profile + width, at + profile, width);
            pages.pointer(at + directory, DIRECTORY + 0x1000 * index as u64, width);
            pages.pointer(at + id, process.1, width);
            pages.pointer(at + parent, process.2, width);
            pages.pointer(
                at + peb,
                if index == 0 {
                    0
                } else {
                    0x7ff0_0000 + index as u64 * 0x1000
                },
                width,
            );
            pages.write(at + name, &[0; 16]);
            pages.write(at + name, process.0.as_bytes());
        }

        let [own, current, contained, thread, number] = places.kpcr;
        let kpcrs: Vec<u64> = (0..3).map(|index| base + 0x4_0000 + 0x4000 * index).collect();
        let block = base + 0x80;
        for (index, kpcr) in kpcrs.iter().enumerate() {
            let kprcb = kpcr + contained;
            pages.pointer(block + width * index as u64, kprcb, width);
            pages.pointer(kpcr + own, *kpcr, width);
            pages.pointer(kpcr + current, kprcb, width);
            pages.pointer(kprcb + thread, base + 0x8_0000 + 0x1000 * index as u64, width);
            pages.write(kprcb + number, &(index as u32).to_le_bytes());
        }

        let mut kdbg = vec![0; 0x380];
        let mut word = |at: usize, value: u64| kdbg[at..at + 2].copy_from_slice(&(value as u16).to_le_bytes());
        word(0x2a8, id + 0x400);
        word(0x2aa, peb);
        word(0x2ac, parent);
        word(0x2ae, directory);
        word(0x2b4, thread);
        word(0x2be, number);
        word(0x2e2, own);
        word(0x2e4, current);
        word(0x2e6, contained);
        // Addresses of a 32-bit kernel stand sign-extended in the KDBG.
        let extended = if width == 4 {
            block | 0xffff_ffff_0000_0000
        } else {
            block
        };
        kdbg[0x218..0x220].copy_from_slice(&extended.to_le_bytes());
        Self {
            pages,
            architecture,
            modules,
            records,
            processes,
            eprocesses,
            kpcrs,
            kdbg,
        }
    }

    fn both() -> [Self; 2] {
        [Self::new(Architecture::X64), Self::new(Architecture::X86)]
    }

    fn names(&self) -> (Vec<String>, Vec<String>) {
        let (modules, damage) = modules::read(&self.pages, Gva(self.modules), self.architecture);
        let names = modules.into_iter().map(|module| module.name).collect();
        (names, damage.iter().map(ToString::to_string).collect())
    }

    fn processes(&self, kdbg: bool, build: Option<u32>) -> (Vec<Process>, Vec<String>) {
        let context = processes::Context {
            kdbg: kdbg.then_some(&self.kdbg),
            architecture: self.architecture,
            build,
            directory: Some(Gpa(DIRECTORY)),
        };
        let (found, damage) = processes::read(&self.pages, Gva(self.processes), context);
        (found, damage.iter().map(ToString::to_string).collect())
    }

    fn processors(&self, vcpus: &[Vcpu], kdbg: bool) -> (Vec<Processor>, Vec<String>) {
        let context = processors::Context {
            kdbg: kdbg.then_some(&self.kdbg),
            architecture: self.architecture,
            build: Some(19041),
        };
        let (found, damage) = processors::read(&self.pages, vcpus, context);
        (found, damage.iter().map(ToString::to_string).collect())
    }
}

#[test]
fn modules_are_listed_in_order_with_both_names() {
    for sample in Sample::both() {
        let (modules, damage) = modules::read(&sample.pages, Gva(sample.modules), sample.architecture);
        assert_eq!(damage, []);
        assert_eq!(sample.names().0, MODULES);
        let base = places(sample.architecture).base;
        for (index, module) in modules.iter().enumerate() {
            let image = base + 0x10_0000 * (index as u64 + 1);
            assert_eq!(module.path, format!("\\SystemRoot\\system32\\{}", MODULES[index]));
            assert_eq!((module.base, module.entry), (Gva(image), Gva(image + 0x1234)));
            assert_eq!(
                (module.size, module.record),
                (0x5000 + index as u32, Gva(sample.records[index]))
            );
        }
    }
}

#[test]
fn a_sign_extended_head_is_that_of_the_32_bit_list() {
    let sample = Sample::new(Architecture::X86);
    let (modules, damage) = modules::read(
        &sample.pages,
        Gva(sample.modules | 0xffff_ffff_0000_0000),
        Architecture::X86,
    );
    assert_eq!((modules.len(), damage.len()), (MODULES.len(), 0));
}

#[test]
fn an_entry_that_is_not_in_memory_hides_no_other() {
    for mut sample in Sample::both() {
        sample.pages.pages.remove(&(sample.records[2] & !0xfff));
        let (names, damage) = sample.names();
        assert_eq!(names, ["ntoskrnl.exe", "hal.dll", "tcpip.sys", "win32k.sys"]);
        assert_eq!(damage.len(), 1, "{damage:?}");
        assert!(damage[0].contains("no memory there"), "{damage:?}");
        assert!(
            damage[0].contains(&format!("virtual {:#x}:", sample.records[2])),
            "{damage:?}"
        );
    }
}

#[test]
fn two_entries_that_are_not_in_memory_hide_only_what_is_between() {
    for mut sample in Sample::both() {
        sample.pages.pages.remove(&(sample.records[1] & !0xfff));
        sample.pages.pages.remove(&(sample.records[3] & !0xfff));
        let (names, damage) = sample.names();
        assert_eq!(names, ["ntoskrnl.exe", "win32k.sys"]);
        assert_eq!(damage.len(), 2, "{damage:?}");
    }
}

#[test]
fn a_link_that_leads_elsewhere_is_reported_and_the_rest_found_from_the_end() {
    for mut sample in Sample::both() {
        let width = places(sample.architecture).width;
        // ntfs.sys points into the middle of its own record.
        sample.pages.pointer(sample.records[2], sample.records[2] + 0x40, width);
        let (names, damage) = sample.names();
        assert_eq!(names, MODULES);
        assert_eq!(damage.len(), 1, "{damage:?}");
        assert!(damage[0].contains("a link back to"), "{damage:?}");
    }
}

#[test]
fn a_link_into_user_space_is_not_followed() {
    for mut sample in Sample::both() {
        let width = places(sample.architecture).width;
        sample.pages.pointer(sample.records[0], 0x1000, width);
        let (names, damage) = sample.names();
        assert_eq!(names, MODULES);
        assert!(damage[0].contains("a link into the kernel"), "{damage:?}");
    }
}

#[test]
fn a_list_that_never_ends_is_cut() {
    for mut sample in Sample::both() {
        let width = places(sample.architecture).width;
        // The last entries form a ring of their own, with links that agree.
        let ring = &sample.records[3..].to_vec();
        let (first, last) = (ring[0], ring[1]);
        sample.pages.pointer(last, first, width);
        sample.pages.reads.set(0);
        let (names, damage) = sample.names();
        assert!(
            names.len() >= MODULES.len() - 1 && names.len() <= MODULES.len(),
            "{names:?}"
        );
        assert!(!damage.is_empty());
        assert!(sample.pages.reads.get() < 200, "{} reads", sample.pages.reads.get());
    }
    // A made-up list of 10 000 entries.
    let mut pages = Pages::default();
    let entries: Vec<u64> = (1..10_000u64)
        .map(|index| 0xffff_8000_0000_0000 + index * 0x80)
        .collect();
    pages.ring(0xffff_8000_0000_0000, &entries, 8);
    let (modules, damage) = modules::read(&pages, Gva(0xffff_8000_0000_0000), Architecture::X64);
    assert_eq!(modules.len(), 4096);
    assert!(
        damage.iter().any(|damage| damage.to_string().contains("at most 4096")),
        "{damage:?}"
    );
}

#[test]
fn a_name_that_is_too_long_or_gone_is_replaced_from_the_path() {
    for mut sample in Sample::both() {
        let name = places(sample.architecture).ldr[4];
        sample.pages.write(sample.records[1] + name, &[0xff, 0xff]);
        let width = places(sample.architecture).width;
        sample
            .pages
            .pointer(sample.records[2] + name + width, 0xdead_0000, width);
        let (names, damage) = sample.names();
        assert_eq!(names, MODULES);
        assert_eq!(damage.len(), 2, "{damage:?}");
        assert!(damage[0].contains("65535 bytes"), "{damage:?}");
    }
}

#[test]
fn an_empty_list_is_no_damage_and_a_missing_head_is() {
    let mut pages = Pages::default();
    pages.ring(0xffff_8000_0000_0100, &[], 8);
    assert_eq!(
        modules::read(&pages, Gva(0xffff_8000_0000_0100), Architecture::X64),
        (vec![], vec![])
    );
    let (found, damage) = modules::read(&pages, Gva(0xffff_8000_0000_2000), Architecture::X64);
    assert_eq!((found.len(), damage.len()), (0, 1));
    assert_eq!(modules::read(&pages, Gva(u64::MAX - 3), Architecture::X64).1.len(), 1);
}

fn check_processes(sample: &Sample, found: &[Process], parents: bool) {
    assert_eq!(found.len(), PROCESSES.len());
    for (index, (process, expected)) in found.iter().zip(PROCESSES).enumerate() {
        assert_eq!(process.name, expected.0);
        assert_eq!(process.id, Some(expected.1));
        assert_eq!(process.at, Gva(sample.eprocesses[index]));
        assert_eq!(process.directory, Gpa(DIRECTORY + 0x1000 * index as u64));
        let peb = if index == 0 {
            0
        } else {
            0x7ff0_0000 + index as u64 * 0x1000
        };
        assert_eq!(process.parent, parents.then_some(expected.2));
        assert_eq!(process.peb, parents.then_some(Gva(peb)));
    }
}

#[test]
fn processes_are_read_with_the_kdbg_with_the_build_or_with_neither() {
    for sample in Sample::both() {
        for (kdbg, build) in [(true, Some(19041)), (true, None), (false, Some(19041)), (false, None)] {
            let (found, damage) = sample.processes(kdbg, build);
            assert_eq!(damage, Vec::<String>::new(), "kdbg {kdbg}, build {build:?}");
            check_processes(&sample, &found, kdbg || build.is_some());
        }
    }
}

#[test]
fn processes_without_the_system_process_are_read_by_the_table() {
    for mut sample in Sample::both() {
        let places = places(sample.architecture);
        let system = sample.eprocesses[0] + places.eprocess[2] + places.width;
        sample.pages.pages.remove(&(system & !0xfff));
        let (found, damage) = sample.processes(true, Some(19041));
        let names: Vec<&str> = found.iter().map(|process| process.name.as_str()).collect();
        assert_eq!(names, ["smss.exe", "csrss.exe", "fourteenletter"]);
        assert_eq!(damage.len(), 1, "{damage:?}");
        // Without the build the names are not known, the rest is.
        let (found, _) = sample.processes(true, None);
        assert_eq!((found.len(), found[0].name.as_str(), found[0].id), (3, "", Some(0x14c)));
    }
}

#[test]
fn a_build_whose_offsets_are_others_is_reported_and_the_guest_believed() {
    for sample in Sample::both() {
        let (found, damage) = sample.processes(true, Some(7601));
        check_processes(&sample, &found, true);
        assert_eq!(damage.len(), 4, "{damage:?}");
        assert!(damage[0].contains("ActiveProcessLinks at"), "{damage:?}");
    }
}

#[test]
fn flags_of_a_page_directory_are_no_part_of_its_address() {
    let mut sample = Sample::new(Architecture::X64);
    let at = sample.eprocesses[1] + 0x28;
    sample.pages.pointer(at, 0x8000_0000_1234_5002, 8);
    assert_eq!(sample.processes(true, None).0[1].directory, Gpa(0x1234_5000));
    let mut sample = Sample::new(Architecture::X86);
    let at = sample.eprocesses[1] + 0x18;
    sample.pages.pointer(at, 0x0bbc_7a60, 4);
    assert_eq!(sample.processes(true, None).0[1].directory, Gpa(0x0bbc_7a60));
}

/// vCPUs whose registers point to the KPCRs, in another order than Windows numbers them.
fn vcpus(sample: &Sample) -> Vec<Vcpu> {
    let order = [2, 0, 1];
    let vcpu = |(number, processor): (usize, &usize)| {
        let kpcr = sample.kpcrs[*processor];
        let mut vcpu = Vcpu {
            number: number as u32,
            ..Vcpu::default()
        };
        match (sample.architecture, number) {
            (Architecture::X64, 0) => {
                // In user mode.
                vcpu.msrs.insert(msr::GS_BASE, 0x7ff_0000);
                vcpu.msrs.insert(msr::KERNEL_GS_BASE, kpcr);
            }
            (Architecture::X64, _) => {
                vcpu.msrs.insert(msr::GS_BASE, kpcr);
            }
            (Architecture::X86, _) => {
                vcpu.segments.fs.hidden = Some(Hidden {
                    base: kpcr,
                    ..Hidden::default()
                });
            }
        }
        vcpu
    };
    order.iter().enumerate().map(vcpu).collect()
}

#[test]
fn processors_are_those_of_the_array_and_of_the_vcpus() {
    for sample in Sample::both() {
        let vcpus = vcpus(&sample);
        // Without the KDBG only the byte LegacyNumber is known on x86, which this sample leaves 0.
        for kdbg in if sample.architecture == Architecture::X64 {
            &[true, false][..]
        } else {
            &[true]
        } {
            let (found, damage) = sample.processors(&vcpus, *kdbg);
            assert_eq!(damage, Vec::<String>::new());
            let numbers: Vec<_> = found
                .iter()
                .map(|processor| (processor.number, processor.vcpu))
                .collect();
            assert_eq!(numbers, [(0, Some(1)), (1, Some(2)), (2, Some(0))]);
            for (index, processor) in found.iter().enumerate() {
                assert_eq!(processor.kpcr, Gva(sample.kpcrs[index]));
                let thread = places(sample.architecture).base + 0x8_0000 + 0x1000 * index as u64;
                assert_eq!(processor.thread, Some(Gva(thread)));
            }
        }
        let (found, damage) = sample.processors(&[], true);
        assert_eq!((found.len(), damage.len()), (3, 0));
        assert!(
            found
                .iter()
                .all(|processor| processor.vcpu.is_none() && !processor.from_kprcb)
        );
    }
}

#[test]
fn a_32_bit_cpu_in_user_mode_is_found_by_its_descriptor_table() {
    let mut sample = Sample::new(Architecture::X86);
    let (kpcr, gdt) = (sample.kpcrs[1], sample.kpcrs[1] + 0x1800);
    let base = (kpcr as u32).to_le_bytes();
    sample.pages.write(
        gdt + 0x30,
        &[0xff, 0x1f, base[0], base[1], base[2], 0x93, 0xc0, base[3]],
    );
    let vcpu = Vcpu {
        gdt: Some(Table {
            base: gdt,
            limit: 0x3ff,
        }),
        ..Vcpu::default()
    };
    let (found, _) = sample.processors(&[vcpu], true);
    assert_eq!(
        found.iter().find(|processor| processor.vcpu == Some(0)).unwrap().number,
        1
    );
}

#[test]
fn two_vcpus_with_one_kpcr_are_damage() {
    for sample in Sample::both() {
        let mut vcpus = vcpus(&sample);
        vcpus[0] = Vcpu {
            number: 0,
            ..vcpus[1].clone()
        };
        let (found, damage) = sample.processors(&vcpus, true);
        assert_eq!(found.iter().filter(|processor| processor.vcpu.is_some()).count(), 2);
        assert_eq!(damage.len(), 1, "{damage:?}");
    }
}

/// xorshift
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit.max(1)
    }
}

/// Bits flipped, pages gone or zeroed, pointers copied elsewhere, large values.
fn mutate(pages: &mut Pages, random: &mut Random) {
    for _ in 0..=random.below(6) {
        let addresses: Vec<u64> = pages.pages.keys().copied().collect();
        let page = addresses[random.below(addresses.len() as u64) as usize];
        let at = page + random.below(0x1ff) * 8;
        match random.below(6) {
            0 if pages.pages.len() > 1 => {
                pages.pages.remove(&page);
            }
            1 => pages.write(page, &[0; 4096]),
            2 => pages.write(at, &[0xff; 8]),
            3 => {
                let from = addresses[random.below(addresses.len() as u64) as usize] + random.below(0x1ff) * 8;
                pages.write(at, &from.to_le_bytes());
            }
            _ => {
                let mut bytes = [0; 8];
                pages.read(Gva(at), &mut bytes);
                bytes[random.below(8) as usize] ^= 1 << random.below(8);
                pages.write(at, &bytes);
            }
        }
    }
}

#[test]
fn damaged_memory_ends_in_lists_of_bounded_length() {
    for sample in Sample::both() {
        let vcpus = vcpus(&sample);
        for seed in 1..=500u64 {
            let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
            let mut changed = Sample {
                pages: sample.pages.clone(),
                kdbg: sample.kdbg.clone(),
                records: Vec::new(),
                eprocesses: Vec::new(),
                kpcrs: Vec::new(),
                ..sample
            };
            mutate(&mut changed.pages, &mut random);
            if random.below(3) == 0 {
                let at = random.below(0x380) as usize;
                changed.kdbg[at] ^= 1 << random.below(8);
                changed.kdbg.truncate(0x380 - random.below(0x200) as usize);
            }
            changed.pages.reads.set(0);
            assert!(changed.names().0.len() <= 2 * MODULES.len());
            assert!(changed.processes(true, Some(19041)).0.len() <= 2 * PROCESSES.len());
            assert!(changed.processors(&vcpus, true).0.len() <= 6);
            assert!(
                changed.pages.reads.get() < 5_000,
                "seed {seed}: {} reads",
                changed.pages.reads.get()
            );
        }
    }
}
