//! Dumps of every type give the machine's memory and registers, and damage does no harm.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

mod synthetic;

use std::fs;
use std::io::{Cursor, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kdd::memory::{Gpa, Gva, PhysicalMemory, Source};
use kdd::target::{self, Capture, Input, OpenError};
use kdmp_parser::{Gxa as _, KernelDumpParser};
use synthetic::containers::windows_dump::{self as emitter, Form, kernel};
use synthetic::machine::Machine;

const PAGED: [Form; 7] = [
    Form::Full,
    Form::Summary,
    Form::Bitmap,
    Form::BitmapKernel,
    Form::RangesKernel,
    Form::RangesUser,
    Form::Ranges,
];

fn input(bytes: Vec<u8>) -> Input {
    let bytes: Source = Arc::new(bytes);
    Input {
        name: "made-up.dmp".to_owned(),
        bytes,
        beside: Vec::new(),
        registers: None,
    }
}

fn open(bytes: Vec<u8>) -> Capture {
    target::open(&input(bytes)).expect("a dump")
}

/// Pages from 1 on: not every reader can tell a range at page 0 from the end of the list.
fn machine() -> Machine {
    let mut machine = Machine::pattern();
    machine.pages.remove(&0);
    machine.pages.remove(&0x3000);
    machine.pages.remove(&0x3f_f000);
    machine
}

fn same_memory(machine: &Machine, memory: &dyn PhysicalMemory, what: &str) {
    let runs: Vec<(u64, u64)> = memory.runs().iter().map(|run| (run.start.0, run.length)).collect();
    assert_eq!(runs, machine.runs(), "{what}");
    let mut buffer = [0; 4096];
    for (page, bytes) in &machine.pages {
        assert_eq!(memory.read(Gpa(*page), &mut buffer), 4096, "{what} {page:#x}");
        assert!(buffer[..] == bytes[..], "{what} {page:#x}");
    }
    assert_eq!(memory.read(Gpa(0x3000), &mut buffer), 0, "{what}");
    assert_eq!(memory.read(Gpa(0x2ff0), &mut buffer), 16, "{what}");
}

#[test]
fn every_type_gives_the_memory_with_its_holes() {
    let machine = machine();
    for (form, wide) in PAGED.iter().flat_map(|form| [(*form, true), (*form, false)]) {
        let capture = open(emitter::write(&machine, wide, form));
        assert_eq!(capture.damage, [], "{form:?} {wide}");
        same_memory(&machine, &*capture.memory, &format!("{form:?} {wide}"));
    }
}

#[test]
fn another_reader_sees_the_same_pages_in_the_same_places() {
    let machine = machine();
    for form in PAGED.iter().filter(|form| **form != Form::Summary) {
        let bytes = emitter::write(&machine, true, *form);
        let dump = KernelDumpParser::with_reader(Cursor::new(bytes.clone())).expect("kdmp-parser");
        let capture = open(bytes);
        let theirs: Vec<(u64, u64)> = dump.physmem().map(|(at, offset)| (at.u64(), offset)).collect();
        let ours = machine.pages.keys().map(|page| {
            let (_, offset, _) = capture.memory.extent(Gpa(*page)).expect("a page");
            (*page, offset)
        });
        assert_eq!(ours.collect::<Vec<_>>(), theirs, "{form:?}");
        let vcpu = &capture.vcpus[0];
        let context = dump.context_record();
        let theirs = [
            context.rax,
            context.rsp,
            context.r15,
            context.rip,
            u64::from(context.seg_gs),
        ];
        let gs = u64::from(vcpu.segments.gs.selector);
        assert_eq!([vcpu.gpr[0], vcpu.gpr[4], vcpu.gpr[15], vcpu.rip, gs], theirs);
    }
}

#[test]
fn pages_stand_where_extent_says() {
    let machine = machine();
    for form in PAGED {
        let bytes = emitter::write(&machine, true, form);
        let capture = open(bytes.clone());
        let (_, offset, left) = capture.memory.extent(Gpa(0x28_1230)).expect("in the file");
        let offset = usize::try_from(offset).unwrap();
        assert_eq!(bytes[offset..offset + 16], machine.pages[&0x28_1000][0x230..0x240]);
        assert_eq!(left, 0x3f_f000 - 0x28_1230);
        assert!(capture.memory.extent(Gpa(0x3123)).is_none());
    }
}

#[test]
fn the_header_gives_the_hints() {
    for wide in [true, false] {
        let machine = machine();
        let hints = open(emitter::write(&machine, wide, Form::Bitmap)).hints;
        let address = |value| Some(Gva(kernel(wide, value)));
        assert_eq!(hints.directory, Some(Gpa(emitter::DIRECTORY)));
        assert_eq!(hints.kdbg, address(emitter::KDBG));
        assert_eq!(hints.loaded_modules, address(emitter::MODULES));
        assert_eq!(hints.active_processes, address(emitter::PROCESSES));
        assert_eq!(hints.pfn_database, address(emitter::PFN_DATABASE));
        assert_eq!(hints.version, Some((15, emitter::BUILD)));
        assert_eq!(hints.machine, Some(if wide { 0x8664 } else { 0x14c }));
        assert_eq!(hints.processors, Some(2));
        assert_eq!(hints.bug_check, Some(emitter::BUG_CHECK));
        assert_eq!(hints.pae, (!wide).then_some(true));
        let context = if wide {
            emitter::context64(&machine.cpus[0])
        } else {
            emitter::context32(&machine.cpus[0])
        };
        assert_eq!(hints.context, Some(context));
    }
}

#[test]
fn the_header_says_time_comment_and_exception() {
    for (wide, exception) in [
        (true, "0x80000003 at 0xfffff80001234567, flags 0x1"),
        (false, "0x80000003 at 0x0000000081234567, flags 0x1"),
    ] {
        let container = open(emitter::write(&machine(), wide, Form::Full)).container;
        let fact = |name: &str| {
            container
                .facts
                .iter()
                .find(|fact| fact.0 == name)
                .map(|fact| fact.1.as_str())
        };
        assert_eq!(fact("exception"), Some(exception));
        assert_eq!(fact("comment"), Some("made up"));
        assert_eq!(fact("system time"), Some(emitter::SYSTEM_TIME.to_string().as_str()));
        assert_eq!(fact("product type"), Some("3"));
        assert_eq!(fact("suite mask"), Some("0x110"));
        assert_eq!(fact("minidump fields"), None);
        assert_eq!(container.format, "windows-full");
    }
}

#[test]
fn the_context_is_the_first_vcpu_and_nothing_else_is_known() {
    let machine = machine();
    let cpu = &machine.cpus[0];
    for wide in [true, false] {
        let capture = open(emitter::write(&machine, wide, Form::Full));
        let [vcpu] = capture.vcpus.as_slice() else {
            panic!("one vCPU")
        };
        let mask = if wide { u64::MAX } else { 0xffff_ffff };
        let registers = if wide { 16 } else { 8 };
        for number in 0..registers {
            assert_eq!(vcpu.gpr[number], cpu.gpr[number] & mask, "{number} {wide}");
        }
        assert_eq!(vcpu.rip, cpu.rip & mask);
        assert_eq!(vcpu.rflags, cpu.rflags);
        assert_eq!(vcpu.segments.cs.selector, cpu.cs.selector);
        assert_eq!(vcpu.segments.gs.selector, cpu.gs.selector);
        assert_eq!(vcpu.segments.fs.hidden, None);
        assert_eq!(vcpu.dr.map(|dr| [dr[0], dr[7]]), Some([cpu.dr[0], cpu.dr[7]]));
        assert_eq!(vcpu.fxsave.as_deref().map(|bytes| &bytes[..]), Some(&cpu.fxsave[..]));
        assert_eq!((vcpu.cr3, vcpu.msrs.len()), (None, 0));
    }
}

#[test]
fn a_header_full_of_filler_knows_nothing() {
    let mut bytes = b"PAGE".repeat(0x800);
    bytes[4..8].copy_from_slice(b"DU64");
    bytes[0xf98..0xf9c].copy_from_slice(&3u32.to_le_bytes());
    let capture = open(bytes);
    assert_eq!(capture.hints, target::Hints::default());
    assert!(capture.vcpus.is_empty());
    assert_eq!(capture.container.facts, []);
    assert_eq!(capture.container.format, "windows-header");
}

#[test]
fn a_triage_dump_gives_memory_by_virtual_address() {
    let machine = machine();
    for wide in [true, false] {
        let capture = open(emitter::write(&machine, wide, Form::Triage));
        assert_eq!(capture.damage, []);
        assert_eq!(capture.memory.runs(), []);
        let memory = capture.virtual_memory.as_deref().expect("blocks");
        let [kprcb, thread, process, stack] = emitter::structures(wide);
        let parts = [
            (emitter::KPRCB, &kprcb),
            (emitter::THREAD, &thread),
            (emitter::PROCESS, &process),
            (emitter::TOP_OF_STACK, &stack),
            (emitter::KDBG, &emitter::kdbg(wide)),
        ];
        let blocks = emitter::blocks(&machine);
        let blocks = blocks.iter().map(|(at, bytes)| (emitter::BLOCKS + at, bytes));
        for (at, bytes) in parts.into_iter().chain(blocks) {
            let mut seen = vec![0; bytes.len() + 8];
            let count = memory.read(Gva(kernel(wide, at)), &mut seen);
            assert_eq!(count, bytes.len(), "{at:#x} {wide}");
            assert!(seen[..count] == bytes[..], "{at:#x}");
        }
        assert_eq!(memory.read(Gva(kernel(wide, emitter::BLOCKS + 8)), &mut [0; 4]), 0);
        assert_eq!(capture.hints.kdbg_bytes, Some(emitter::kdbg(wide)));
        assert_eq!(capture.hints.kprcb_bytes, Some(kprcb));
    }
}

#[test]
fn a_triage_dump_lists_drivers() {
    for wide in [true, false] {
        let capture = open(emitter::write(&machine(), wide, Form::Triage));
        let seen: Vec<_> = capture
            .hints
            .drivers
            .iter()
            .map(|driver| {
                assert_eq!(driver.entry.0, driver.base.0 + 0x1000);
                let (base, size) = (driver.base.0, driver.size);
                (base, size, driver.timestamp, driver.checksum, driver.name.as_str())
            })
            .collect();
        let expected = emitter::DRIVERS.map(|driver| (kernel(wide, driver.0), driver.1, driver.2, driver.3, driver.4));
        assert_eq!(seen, expected);
        let unloaded = ("unloaded drivers".to_owned(), "dam.sys".to_owned());
        assert!(
            capture.container.facts.contains(&unloaded),
            "{:?}",
            capture.container.facts
        );
    }
}

#[test]
fn pages_behind_the_end_of_the_file_are_missing() {
    let machine = machine();
    for form in PAGED {
        let mut bytes = emitter::write(&machine, true, form);
        bytes.truncate(bytes.len() - 0x1800);
        let capture = open(bytes);
        let rules: Vec<_> = capture.damage.iter().map(|damage| damage.rule).collect();
        assert_eq!(rules, ["dump-length"], "{form:?}");
        let last = capture.memory.runs().last().unwrap();
        assert_eq!(last.end(), Gpa(0x3f_f000 - 0x1800), "{form:?}");
        assert_eq!(capture.memory.read(Gpa(0x3f_d7ff), &mut [0; 8]), 1, "{form:?}");
    }
}

#[test]
fn a_bitmap_that_counts_wrong_is_still_read() {
    let mut bytes = emitter::write(&machine(), true, Form::Bitmap);
    bytes[0x2028] ^= 1;
    let capture = open(bytes);
    assert_eq!(capture.damage[0].rule, "dump-pages");
    same_memory(&machine(), &*capture.memory, "count");
}

#[test]
fn a_bitmap_longer_than_its_room_is_cut() {
    let mut bytes = emitter::write(&machine(), true, Form::Bitmap);
    bytes[0x2030..0x2038].copy_from_slice(&u64::MAX.to_le_bytes());
    let capture = open(bytes);
    assert_eq!(capture.damage[0].rule, "dump-bitmap");
    same_memory(&machine(), &*capture.memory, "length");
}

#[test]
fn more_runs_than_the_header_has_room_for_are_reported() {
    let mut bytes = emitter::write(&machine(), true, Form::Full);
    bytes[0x88..0x8c].copy_from_slice(&44u32.to_le_bytes());
    let damage = open(bytes).damage;
    assert_eq!((damage[0].rule, damage[0].offset), ("dump-runs", 0x88));
}

#[test]
fn ranges_out_of_order_are_laid_over_each_other() {
    let mut bytes = emitter::write(&machine(), true, Form::Ranges);
    // The first range again, as the last but with one page less.
    let first: [u8; 16] = bytes[0x2030..0x2040].try_into().unwrap();
    let last = 0x2030 + 16 * machine().runs().len();
    bytes[last..last + 16].copy_from_slice(&first);
    let count = u64::from_le_bytes(first[8..].try_into().unwrap());
    bytes.extend((0..count * 4096).map(|_| 0xee));
    let total = machine().pages.len() as u64 + count;
    bytes[0x2028..0x2030].copy_from_slice(&total.to_le_bytes());
    let capture = open(bytes);
    assert_eq!(capture.damage, []);
    let mut page = [0; 4];
    capture.memory.read(Gpa(0x1000), &mut page);
    assert_eq!(page, [0xee; 4]);
}

#[test]
fn a_type_without_its_mark_is_damage_and_has_no_memory() {
    let mut bytes = emitter::write(&machine(), true, Form::Bitmap);
    bytes[0x2000] = b'?';
    let capture = open(bytes);
    assert_eq!(
        (capture.damage[0].rule, capture.damage[0].offset),
        ("dump-mark", 0x2000)
    );
    assert_eq!(capture.memory.runs(), []);
    assert!(capture.hints.kdbg.is_some());
}

#[test]
fn a_header_cut_short_is_an_error() {
    let mut bytes = emitter::write(&machine(), true, Form::Full);
    bytes.truncate(0x1fff);
    match target::open(&input(bytes)) {
        Err(OpenError::Damaged { damage, .. }) => assert_eq!(damage.rule, "dump-header"),
        other => panic!("{:?}", other.map(|capture| capture.damage)),
    }
}

/// Bit flips, truncation, zeroed and huge values, duplicated pieces: 500 of each form, always the same.
#[test]
fn mutated_dumps_open_or_fail_without_harm() {
    let mut small = Machine::pattern();
    small.pages.retain(|page, _| page / 4096 % 64 == 3);
    let mut seed = 0x2545_f491_4f6c_dd1du64;
    let mut random = move |below: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        usize::try_from(seed >> 11).unwrap() % below.max(1)
    };
    for (form, wide) in [Form::Triage]
        .iter()
        .chain(&PAGED)
        .flat_map(|form| [(*form, true), (*form, false)])
    {
        let original = emitter::write(&small, wide, form);
        for _ in 0..500 {
            let mut bytes = original.clone();
            for _ in 0..=random(4) {
                mutate(&mut bytes, &mut random);
            }
            if let Ok(capture) = target::open(&input(bytes)) {
                exercise(&capture);
            }
        }
    }
}

fn mutate(bytes: &mut Vec<u8>, random: &mut impl FnMut(usize) -> usize) {
    // Most fields stand in the first three pages.
    let length = bytes.len();
    let at = if random(4) == 0 {
        random(length)
    } else {
        random(length.min(0x3000))
    };
    let end = (at + 1 + random(64)).min(length);
    match random(5) {
        0 => bytes[at..end].iter_mut().for_each(|byte| *byte ^= 1 << (at % 8)),
        1 => bytes.truncate(random(length)),
        2 => bytes[at..end].fill(0),
        3 => bytes[at..end].fill(0xff),
        _ => {
            let piece = bytes[at..end].to_vec();
            bytes.splice(at..at, piece);
        }
    }
    if bytes.is_empty() {
        bytes.push(b'P');
    }
}

fn exercise(capture: &Capture) {
    let mut buffer = [0; 0x1800];
    for run in capture.memory.runs().iter().take(40) {
        assert!(run.length > 0);
        capture.memory.read(run.start, &mut buffer);
        capture.memory.read(Gpa(run.end().0.saturating_sub(3)), &mut buffer);
        capture.memory.extent(run.start);
    }
    if let Some(memory) = &capture.virtual_memory {
        for at in [emitter::TOP_OF_STACK, emitter::KPRCB, 0, u64::MAX] {
            memory.read(Gva(at | 0xffff_0000_0000_0000), &mut buffer);
        }
    }
    assert!(serde_json::to_string(&capture.hints).is_ok());
}

/// A small dump of a real crash. What is expected here the debugger's engine shows of the same file.
#[test]
fn a_real_triage_dump_reads_as_the_engine_shows_it() {
    let default = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus");
    let root = std::env::var_os("DELID_CORPUS").map_or_else(default, PathBuf::from);
    let Ok(packed) = fs::read(root.join("kdd/triage_x64.dmp.xz")) else {
        eprintln!("corpus absent: 1 case not run");
        return;
    };
    let mut bytes = Vec::new();
    lzma_rust2::XzReader::new(&packed[..], true)
        .read_to_end(&mut bytes)
        .unwrap();
    let capture = open(bytes);
    assert_eq!(capture.damage, []);
    // `r`
    let vcpu = &capture.vcpus[0];
    assert_eq!((vcpu.rip, vcpu.rflags), (0xffff_f804_7bdf_5a80, 0x4_0286));
    assert_eq!(vcpu.gpr[0], 0xffff_8504_2989_1720);
    assert_eq!(vcpu.gpr[4], 0xffff_8504_2989_0ee8);
    assert_eq!(vcpu.gpr[15], 0xffff_f804_7ba0_0000);
    assert_eq!(vcpu.segments.fs.selector, 0x53);
    // `lm`, without the unloaded ones
    assert_eq!(capture.hints.drivers.len(), 151);
    let kernel = &capture.hints.drivers[0];
    assert_eq!((kernel.base, kernel.size), (Gva(0xffff_f804_7ba0_0000), 0x104_6000));
    assert_eq!((kernel.timestamp, kernel.checksum), (0x0d83_33e6, 0x00a5_938c));
    assert_eq!(kernel.name, "\\SystemRoot\\system32\\ntoskrnl.exe");
    // `.bugcheck` and `vertarget`
    assert_eq!(capture.hints.bug_check.map(|check| check[0]), Some(0x1000_007e));
    assert_eq!(capture.hints.version, Some((15, 19041)));
    assert_eq!(capture.hints.processors, Some(16));
    // What the parts say of each other: the KDBG by its tag, the stack where RSP points.
    let memory = capture.virtual_memory.as_deref().expect("blocks");
    let mut word = [0; 8];
    assert_eq!(memory.read(Gva(capture.hints.kdbg.unwrap().0 + 0x10), &mut word), 8);
    assert_eq!(&word[..4], b"KDBG");
    assert_eq!(memory.read(Gva(0xffff_8504_2989_0ef0), &mut word), 8);
    assert_eq!(u64::from_le_bytes(word), 0x7e);
    assert_eq!(capture.hints.kprcb_bytes.map(|bytes| bytes.len()), Some(0xaf00));
}
