//! What is written as a dump is read again: by ours and, of 64-bit dumps, by kdmp-parser.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

mod synthetic;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::sync::Arc;

use kdd::dump_writer::{self, Form, Kind, PageSet, Plan, WriteError, Written};
use kdd::memory::source::FileSource;
use kdd::memory::{Backing, Gpa, Gva, PhysicalMemory, Run, Segment, Source, Sparse};
use kdd::target::{self, Capture, Input};
use kdd::windows::{Architecture, Overlay};
use kdmp_parser::{DumpType, Gxa as _, KernelDumpParser};
use synthetic::containers::windows_dump::{context32, context64};
use synthetic::machine::Machine;
use tempfile::NamedTempFile;

fn source(file: &File) -> Source {
    Arc::new(FileSource::new(file.try_clone().unwrap()).unwrap())
}

fn open(file: &NamedTempFile) -> Capture {
    let input = Input {
        name: "written.dmp".to_owned(),
        bytes: source(file.as_file()),
        beside: Vec::new(),
        registers: None,
    };
    target::open(&input).expect("a dump")
}

/// The machine's memory in a file, with holes between the pages of the file when it is sparse.
fn in_file(machine: &Machine) -> (NamedTempFile, Sparse) {
    let file = NamedTempFile::new().unwrap();
    for (page, bytes) in &machine.pages {
        file.as_file().write_all_at(bytes, *page).unwrap();
    }
    let segments = machine.runs().into_iter().map(|(start, length)| Segment {
        start: Gpa(start),
        length,
        backing: Backing::File(start),
    });
    let memory = Sparse::new(source(file.as_file()), segments.collect());
    (file, memory)
}

/// Memory without a file: every read goes through a buffer.
struct Plain<'a> {
    pages: &'a BTreeMap<u64, Vec<u8>>,
    runs: Vec<Run>,
    /// Pages that are said to be there but cannot be read.
    broken: &'a [u64],
}

impl<'a> Plain<'a> {
    fn new(machine: &'a Machine, broken: &'a [u64]) -> Self {
        let runs = machine.runs().into_iter().map(|(start, length)| Run {
            start: Gpa(start),
            length,
        });
        Self {
            pages: &machine.pages,
            runs: runs.collect(),
            broken,
        }
    }
}

impl PhysicalMemory for Plain<'_> {
    fn read(&self, at: Gpa, buffer: &mut [u8]) -> usize {
        let mut done = 0;
        while done < buffer.len() {
            let place = at.plus(done as u64);
            let page = self
                .pages
                .get(&place.page().0)
                .filter(|_| !self.broken.contains(&place.page().0));
            let Some(page) = page else { break };
            let from = &page[place.offset() as usize..];
            let count = from.len().min(buffer.len() - done);
            buffer[done..done + count].copy_from_slice(&from[..count]);
            done += count;
        }
        done
    }

    fn runs(&self) -> &[Run] {
        &self.runs
    }
}

fn write(plan: &Plan<'_>, kind: &Kind<'_>) -> (NamedTempFile, Written) {
    let file = NamedTempFile::new().unwrap();
    // What stood in the file before must not shine through.
    file.as_file().write_all_at(&vec![0xcc; 0x10_0000], 0).unwrap();
    let mut last = 0;
    let written = dump_writer::write(plan, kind, file.as_file(), &mut |done, total| {
        assert!(last <= done && done <= total, "{last} {done} {total}");
        last = done;
    });
    let written = written.expect("written");
    assert_eq!(written.length, fs::metadata(file.path()).unwrap().len());
    assert_eq!(last, written.length);
    (file, written)
}

fn same(pages: &BTreeMap<u64, Vec<u8>>, memory: &dyn PhysicalMemory) {
    let held: u64 = memory.runs().iter().map(|run| run.length / 4096).sum();
    assert_eq!(held, pages.len() as u64);
    let mut buffer = [0; 4096];
    for (page, bytes) in pages {
        assert_eq!(memory.read(Gpa(*page), &mut buffer), 4096, "{page:#x}");
        assert!(buffer[..] == bytes[..], "{page:#x}");
    }
}

/// kdmp-parser sees the same pages; it reads 64-bit dumps only.
fn same_elsewhere(pages: &BTreeMap<u64, Vec<u8>>, file: &NamedTempFile, expected: DumpType) {
    let dump = KernelDumpParser::new(file.path()).expect("kdmp-parser");
    assert_eq!(dump.dump_type(), expected);
    let held: Vec<u64> = dump.physmem().map(|(at, _)| at.u64()).collect();
    assert_eq!(held, pages.keys().copied().collect::<Vec<_>>());
    let mut buffer = [0; 4096];
    for (page, bytes) in pages {
        dump.phys_read_exact(kdmp_parser::Gpa::new(*page), &mut buffer).unwrap();
        assert!(buffer[..] == bytes[..], "{page:#x}");
    }
}

fn machine() -> Machine {
    let mut machine = Machine::pattern();
    machine.pages.remove(&0x7000);
    machine
}

#[test]
fn a_full_dump_reads_as_it_was_written() {
    let machine = machine();
    let (_raw, memory) = in_file(&machine);
    for architecture in [Architecture::X64, Architecture::X86] {
        let (file, written) = write(&Plan::new(architecture, &memory), &Kind::Full);
        assert_eq!((written.form, written.runs), (Form::Full, 3));
        assert_eq!((written.torn, written.unreadable), (0, 0));
        let capture = open(&file);
        assert_eq!(capture.damage, []);
        assert_eq!(capture.container.format, "windows-full");
        same(&machine.pages, &*capture.memory);
        if architecture == Architecture::X64 {
            same_elsewhere(&machine.pages, &file, DumpType::Full);
        }
    }
}

#[test]
fn a_bitmap_dump_reads_as_it_was_written() {
    let machine = machine();
    let (_raw, memory) = in_file(&machine);
    for architecture in [Architecture::X64, Architecture::X86] {
        let (file, written) = write(&Plan::new(architecture, &memory), &Kind::Bitmap);
        assert_eq!(written.form, Form::Bitmap);
        let capture = open(&file);
        assert_eq!(capture.damage, []);
        assert_eq!(capture.container.format, "windows-bitmap");
        same(&machine.pages, &*capture.memory);
        if architecture == Architecture::X64 {
            same_elsewhere(&machine.pages, &file, DumpType::Bmp);
        }
    }
}

#[test]
fn a_kernel_dump_has_the_chosen_pages_only() {
    let machine = machine();
    let (_raw, memory) = in_file(&machine);
    let chosen = |page: u64| page / 4096 % 3 == 1 || page > 0x30_0000;
    // Pages that the source does not have may be asked for.
    let set: PageSet = (0..0x60_0000u64)
        .step_by(4096)
        .filter(|page| chosen(*page))
        .map(|page| Run {
            start: Gpa(page),
            length: 4096,
        })
        .collect();
    let (file, written) = write(&Plan::new(Architecture::X64, &memory), &Kind::Kernel(&set));
    assert_eq!(written.form, Form::BitmapKernel);
    let mut pages = machine.pages;
    pages.retain(|page, _| chosen(*page));
    assert_eq!(written.pages, pages.len() as u64);
    same(&pages, &*open(&file).memory);
    same_elsewhere(&pages, &file, DumpType::LiveKernelMemory);
}

#[test]
fn more_runs_than_a_header_holds_become_a_bitmap() {
    for (architecture, most) in [(Architecture::X64, 42), (Architecture::X86, 86)] {
        for runs in [most, most + 1] {
            let mut machine = Machine::default();
            for number in 0..runs {
                machine.pages.insert(0x1000 + number * 0x3000, vec![number as u8; 4096]);
            }
            let memory = Plain::new(&machine, &[]);
            let (file, written) = write(&Plan::new(architecture, &memory), &Kind::Full);
            let expected = if runs == most { Form::Full } else { Form::Bitmap };
            assert_eq!(written.form, expected, "{runs}");
            let capture = open(&file);
            assert_eq!(capture.damage, []);
            same(&machine.pages, &*capture.memory);
        }
    }
}

#[test]
fn the_header_keeps_what_the_plan_says() {
    let machine = machine();
    let memory = Plain::new(&machine, &[]);
    for (architecture, context, kernel) in [
        (Architecture::X64, context64(&machine.cpus[0]), 0xffff_f800_0000_0000u64),
        (Architecture::X86, context32(&machine.cpus[0]), 0x8000_0000),
    ] {
        let address = |value| Some(Gva(kernel + value));
        let mut plan = Plan::new(architecture, &memory);
        plan.version = (15, 22631);
        plan.directory = Gpa(0x1a_d000);
        plan.pfn_database = address(0x1000);
        plan.loaded_modules = address(0x2000);
        plan.active_processes = address(0x3000);
        plan.kdbg = address(0x4000);
        plan.processors = 2;
        plan.bug_check = [0xa, 1, 2, 3, 4];
        plan.pae = true;
        plan.context = &context;
        plan.exception.code = 0xc000_0005;
        plan.exception.address = Gva(kernel + 0x55);
        plan.system_time = Some(0x1d8_1234_5678_9abc);
        plan.up_time = Some(77);
        plan.product_type = Some(3);
        plan.suite_mask = Some(0x110);
        plan.comment = Some("of a test");
        let (file, _) = write(&plan, &Kind::Full);
        let capture = open(&file);
        let hints = &capture.hints;
        assert_eq!(hints.version, Some((15, 22631)));
        assert_eq!(hints.directory, Some(Gpa(0x1a_d000)));
        let seen = [
            hints.pfn_database,
            hints.loaded_modules,
            hints.active_processes,
            hints.kdbg,
        ];
        assert_eq!(
            seen,
            [address(0x1000), address(0x2000), address(0x3000), address(0x4000)]
        );
        assert_eq!(hints.processors, Some(2));
        assert_eq!(hints.bug_check, Some([0xa, 1, 2, 3, 4]));
        assert_eq!(hints.context.as_ref(), Some(&context));
        assert_eq!(capture.vcpus.len(), 1);
        let facts = capture.container.facts;
        let fact = |name: &str| facts.iter().find(|fact| fact.0 == name).map(|fact| fact.1.as_str());
        let exception = fact("exception").unwrap();
        assert!(
            exception.starts_with(&format!("0xc0000005 at {}", Gva(kernel + 0x55))),
            "{exception}"
        );
        assert_eq!(fact("comment"), Some("of a test"));
        assert_eq!(fact("system up time"), Some("77"));
        assert_eq!(fact("product type"), Some("3"));
        // The hints of a dump make the same dump again.
        let again = Plan::new(architecture, &memory).hinted(hints);
        assert_eq!(open(&write(&again, &Kind::Bitmap).0).hints, *hints);
    }
}

#[test]
fn overlays_stand_in_the_dump_and_not_in_the_source() {
    let machine = machine();
    let (raw, memory) = in_file(&machine);
    let before = fs::read(raw.path()).unwrap();
    let overlays = [
        Overlay {
            at: Gva(0xf000),
            physical: vec![(Gpa(0x1ff8), 0, 8), (Gpa(0x28_0ffc), 8, 8)],
            bytes: (1..=16).collect(),
        },
        // No page there.
        Overlay {
            at: Gva(0xf100),
            physical: vec![(Gpa(0x7010), 0, 4)],
            bytes: vec![0xff; 4],
        },
        // Over the page's end: the second half has no page.
        Overlay {
            at: Gva(0xf200),
            physical: vec![(Gpa(0x6ffe), 0, 4)],
            bytes: vec![0xdd; 4],
        },
        Overlay {
            at: Gva(0xf300),
            physical: vec![(Gpa(0x2000), 2, 400)],
            bytes: vec![0xaa; 4],
        },
    ];
    for kind in [Kind::Full, Kind::Bitmap] {
        let mut plan = Plan::new(Architecture::X64, &memory);
        plan.overlays = &overlays;
        let (file, written) = write(&plan, &kind);
        assert_eq!(written.left_out, [Gva(0xf100), Gva(0xf200), Gva(0xf300)]);
        let mut pages = machine.pages.clone();
        let mut put = |at: u64, bytes: &[u8]| {
            for (at, byte) in (at..).zip(bytes) {
                pages.get_mut(&(at & !0xfff)).unwrap()[(at & 0xfff) as usize] = *byte;
            }
        };
        put(0x1ff8, &[1, 2, 3, 4, 5, 6, 7, 8]);
        put(0x28_0ffc, &[9, 10, 11, 12, 13, 14, 15, 16]);
        put(0x6ffe, &[0xdd; 2]);
        same(&pages, &*open(&file).memory);
    }
    assert!(fs::read(raw.path()).unwrap() == before);
}

#[test]
fn a_page_that_cannot_be_read_is_filled_and_told() {
    let machine = machine();
    let memory = Plain::new(&machine, &[0x2000, 0x3000, 0x3f_f000]);
    let (file, written) = write(&Plan::new(Architecture::X64, &memory), &Kind::Bitmap);
    assert_eq!((written.unreadable, written.first_unreadable), (3, Some(Gpa(0x2000))));
    let mut pages = machine.pages.clone();
    for page in memory.broken {
        pages.insert(*page, [0xed, 0xef, 0xad, 0xde].repeat(1024));
    }
    same(&pages, &*open(&file).memory);
}

#[test]
fn holes_of_a_raw_image_stay_holes() {
    let file = NamedTempFile::new().unwrap();
    file.as_file().set_len(256 << 20).unwrap();
    file.as_file().write_all_at(&[7; 4096], 100 << 20).unwrap();
    let segment = Segment {
        start: Gpa(0),
        length: 256 << 20,
        backing: Backing::File(0),
    };
    let memory = Sparse::new(source(file.as_file()), vec![segment]);
    for kind in [Kind::Full, Kind::Bitmap] {
        let (dump, written) = write(&Plan::new(Architecture::X64, &memory), &kind);
        assert_eq!(written.pages, (256 << 20) / 4096);
        let blocks = fs::metadata(dump.path()).unwrap().blocks();
        assert!(blocks * 512 < 2 << 20, "{blocks}");
        let capture = open(&dump);
        let mut page = [0; 4096];
        capture.memory.read(Gpa(100 << 20), &mut page);
        assert_eq!(page, [7; 4096]);
        capture.memory.read(Gpa(101 << 20), &mut page);
        assert_eq!(page, [0; 4096]);
    }
}

#[test]
fn half_pages_are_left_out_and_counted() {
    let bytes: Source = Arc::new(vec![3u8; 0x4000]);
    let segment = Segment {
        start: Gpa(0x1800),
        length: 0x2000,
        backing: Backing::File(0),
    };
    let memory = Sparse::new(bytes, vec![segment]);
    let (_, written) = write(&Plan::new(Architecture::X64, &memory), &Kind::Full);
    assert_eq!((written.pages, written.torn), (1, 0x1000));
}

#[test]
fn what_makes_no_dump_is_refused() {
    let file = NamedTempFile::new().unwrap();
    let write = |plan: &Plan<'_>, kind| dump_writer::write(plan, &kind, file.as_file(), &mut |_, _| {});
    let empty = Machine::default();
    let memory = Plain::new(&empty, &[]);
    let error = write(&Plan::new(Architecture::X64, &memory), Kind::Full);
    assert!(matches!(error, Err(WriteError::NoMemory)), "{error:?}");
    let mut high = Machine::default();
    high.pages.insert(1 << 50, vec![0; 4096]);
    let memory = Plain::new(&high, &[]);
    let error = write(&Plan::new(Architecture::X64, &memory), Kind::Bitmap);
    assert!(matches!(error, Err(WriteError::TooHigh(_))), "{error:?}");
    let machine = machine();
    let memory = Plain::new(&machine, &[]);
    let mut plan = Plan::new(Architecture::X86, &memory);
    plan.context = &[0; 1201];
    let error = write(&plan, Kind::Full);
    assert!(matches!(error, Err(WriteError::Context(1201))), "{error:?}");
    assert_eq!(fs::metadata(file.path()).unwrap().len(), 0);
}
