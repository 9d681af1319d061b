//! Real captures: the same memory in several containers, and registers beside the monitor's own text.
//!
//! The captures are packed; `xz`, `zstd` and `tar` unpack them into a temporary folder. Where the corpus
//! or a program is not there, the cases are not run and say so.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use kdd::memory::source::{FileSource, ReadAt, Source};
use kdd::memory::{Gpa, PhysicalMemory};
use kdd::target::{self, Capture, Input, Target as _, Vcpu, registers, xen_core};

fn corpus() -> PathBuf {
    let shared = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/corpus");
    std::env::var_os("DELID_CORPUS").map_or_else(|| PathBuf::from(shared), PathBuf::from)
}

fn source(path: &Path) -> Source {
    let file = FileSource::new(File::open(path).expect("the file opens"));
    Arc::new(file.expect("the file has a length"))
}

fn input(path: &Path) -> Input {
    Input {
        name: path.display().to_string(),
        bytes: source(path),
        beside: Vec::new(),
        registers: None,
    }
}

fn open(path: &Path) -> Capture {
    target::open(&input(path)).expect("the capture opens")
}

/// Unpacks an xz file into the folder.
fn xz(packed: &str, to: &Path) -> Option<PathBuf> {
    let from = corpus().join(packed);
    if !from.exists() {
        eprintln!("corpus absent: 1 case not run ({packed})");
        return None;
    }
    let path = to.join("unpacked");
    let path = path.with_file_name(from.file_stem()?);
    let done = Command::new("xz")
        .arg("-dc")
        .arg(&from)
        .stdout(File::create(&path).ok()?)
        .status();
    match done {
        Ok(status) if status.success() => Some(path),
        _ => {
            eprintln!("xz does not run: 1 case not run ({packed})");
            None
        }
    }
}

/// Unpacks files of a tar.zst file into the folder.
fn tar(packed: &str, files: &[&str], to: &Path) -> Option<()> {
    let from = corpus().join("bench").join(packed);
    if !from.exists() {
        eprintln!("corpus absent: 1 case not run ({packed})");
        return None;
    }
    let zstd = Command::new("zstd")
        .args(["-d", "--long=30", "-c"])
        .arg(&from)
        .stdout(Stdio::piped())
        .spawn();
    let mut zstd = match zstd {
        Ok(child) => child,
        Err(error) => {
            eprintln!("zstd does not run ({error}): 1 case not run ({packed})");
            return None;
        }
    };
    let pipe = zstd.stdout.take()?;
    let tar = Command::new("tar")
        .arg("-x")
        .args(files)
        .current_dir(to)
        .stdin(pipe)
        .status();
    let unpacked = zstd.wait();
    assert!(tar.is_ok_and(|status| status.success()), "{packed} unpacks");
    assert!(unpacked.is_ok(), "{packed} unpacks");
    Some(())
}

/// Compares all that `raw` holds of `range` with what `memory` gives.
fn same(memory: &dyn PhysicalMemory, raw: &dyn PhysicalMemory, start: u64, end: u64) {
    let (mut left, mut right) = (vec![0; 0x10_0000], vec![0; 0x10_0000]);
    for at in (start..end).step_by(left.len()) {
        let want = usize::try_from(end - at).unwrap().min(left.len());
        let seen = memory.read(Gpa(at), &mut left[..want]);
        assert_eq!(seen, want, "bytes at {at:#x}");
        assert_eq!(raw.read(Gpa(at), &mut right[..want]), want);
        assert!(left[..want] == right[..want], "the megabyte at {at:#x}");
    }
}

fn runs(capture: &Capture) -> Vec<(u64, u64)> {
    capture
        .memory()
        .runs()
        .iter()
        .map(|run| (run.start.0, run.length))
        .collect()
}

/// What the monitor prints and the note both know.
fn common(vcpu: &Vcpu) -> Vcpu {
    Vcpu {
        dr: None,
        fxsave: None,
        msrs: std::collections::BTreeMap::new(),
        ..vcpu.clone()
    }
}

#[test]
fn core_and_raw_image_of_one_instant_are_the_same_and_so_are_the_registers() {
    let folder = tempfile::tempdir().unwrap();
    let core = xz("kdd/containers/qemu.elf.xz", folder.path());
    let raw = xz("kdd/containers/qemu.raw.xz", folder.path());
    let (Some(core), Some(raw)) = (core, raw) else { return };
    let (core, raw) = (open(&core), open(&raw));
    assert_eq!(core.container.format, "qemu-elf");
    assert_eq!(raw.container.format, "raw");
    assert_eq!((core.damage.len(), raw.damage.len()), (0, 0));
    assert_eq!(runs(&core), [(0, 0x100_0000), (0xfffc_0000, 0x4_0000)]);
    same(core.memory(), raw.memory(), 0, 0x100_0000);

    let text = std::fs::read_to_string(corpus().join("kdd/containers/qemu.registers.txt")).unwrap();
    let (printed, damage) = registers::parse(&text);
    assert_eq!(damage, []);
    let noted: Vec<Vcpu> = core.vcpus.iter().map(common).collect();
    assert_eq!(printed.iter().map(common).collect::<Vec<_>>(), noted);
    assert!(core.vcpus.iter().all(|vcpu| vcpu.long_mode() == Some(false)));
}

#[test]
fn plain_core_core_by_page_tables_and_raw_image_are_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let files = ["elf-nopaging.elf", "elf-paging.elf", "pmem.raw"];
    let Some(()) = tar(
        "qemu-linux-96M-same-ram-elf-pmem-migrate.tar.zst",
        &files,
        folder.path(),
    ) else {
        return;
    };
    let [plain, paged, raw] = files.map(|name| open(&folder.path().join(name)));
    assert_eq!(runs(&plain), [(0, 96 << 20), (0xfffc_0000, 0x4_0000)]);
    for core in [&plain, &paged] {
        assert_eq!(core.container.format, "qemu-elf");
        assert_eq!(core.damage, []);
        assert_eq!(core.vcpus.len(), 2);
        assert!(core.vcpus.iter().all(|vcpu| vcpu.long_mode() == Some(true)));
    }
    same(plain.memory(), raw.memory(), 0, 96 << 20);
    // This one holds the pages that are mapped, many of them several times over.
    let mut pages = 0;
    for (start, length) in runs(&paged).into_iter().filter(|(start, _)| *start < 96 << 20) {
        same(paged.memory(), raw.memory(), start, start + length);
        pages += length >> 12;
    }
    // The union of the ranges that readelf lists.
    assert_eq!(pages, 24_546);
    assert_eq!(plain.vcpus, paged.vcpus);
}

/// A file that ends early.
struct Cut(Source, u64);

impl ReadAt for Cut {
    fn len(&self) -> u64 {
        self.1
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> std::io::Result<usize> {
        let left = usize::try_from(self.1.saturating_sub(offset)).unwrap_or(usize::MAX);
        let count = buffer.len().min(left);
        self.0.read_at(offset, &mut buffer[..count])
    }
}

#[test]
fn xen_core_that_ends_early_is_the_beginning_of_the_whole_one() {
    let folder = tempfile::tempdir().unwrap();
    let name = "xen420-pv-80M-xlsave-dumpcore.tar.zst";
    let Some(()) = tar(name, &["pv2.core"], folder.path()) else {
        return;
    };
    let mut input = input(&folder.path().join("pv2.core"));
    let whole = target::open(&input).unwrap();
    input.bytes = Arc::new(Cut(input.bytes.clone(), 0x330_0123));
    let cut = target::open(&input).unwrap();
    assert_eq!(cut.vcpus, whole.vcpus);
    let rules: Vec<_> = cut.damage.iter().map(|damage| damage.rule).collect();
    assert_eq!(rules, ["xen-pages", "xen-frames"]);
    let held = (0x330_0123 - 0x4000) & !0xfff;
    assert_eq!(runs(&cut), [(0, held)]);
    same(cut.memory(), whole.memory(), 0, held);
}

#[test]
fn paravirtual_core_gives_the_guests_frames_and_the_machines() {
    let folder = tempfile::tempdir().unwrap();
    let name = "xen420-pv-80M-xlsave-dumpcore.tar.zst";
    let Some(()) = tar(name, &["pv2.core"], folder.path()) else {
        return;
    };
    let input = input(&folder.path().join("pv2.core"));
    let guest = target::open(&input).unwrap();
    assert_eq!(guest.container.format, "xen-core");
    assert_eq!(guest.damage, []);
    assert_eq!(guest.vcpus.len(), 2);
    assert_eq!(
        runs(&guest).iter().map(|(_, length)| length >> 12).sum::<u64>(),
        80 << 8
    );
    let machine = xen_core::open_with(&input, xen_core::Frames::Machine).unwrap();
    // The page at CR3 is the same in both, and its own entries lead on to pages that are there.
    let cr3 = guest.vcpus[0].cr3.unwrap() & !0xfff;
    let mut top = vec![0; 4096];
    assert_eq!(machine.memory().read(Gpa(cr3), &mut top), 4096);
    let entries = top
        .chunks_exact(8)
        .map(|entry| u64::from_le_bytes(entry.try_into().unwrap()));
    let used: Vec<u64> = entries.filter(|entry| entry & 1 == 1).collect();
    let held = |entry: &u64| machine.memory().read(Gpa(entry & 0xf_ffff_ffff_f000), &mut [0; 8]) == 8;
    // Xen's own slots point to frames of Xen.
    assert!(used.iter().filter(|entry| held(entry)).count() >= 2, "{used:x?}");
}

/// What a migration stream tells of a CPU that QEMU's note tells too.
fn as_noted(vcpu: &Vcpu) -> Vcpu {
    let mut vcpu = Vcpu {
        dr: None,
        fxsave: None,
        cr8: None,
        xcr0: None,
        ..vcpu.clone()
    };
    vcpu.msrs
        .retain(|number, _| (0xc000_0100..=0xc000_0102).contains(number));
    vcpu
}

#[test]
fn one_paused_machine_is_the_same_in_four_containers() {
    let folder = tempfile::tempdir().unwrap();
    let files = ["./elf", "./kdump-zlib", "./kdump-raw-zlib", "./migrate.sav"];
    let name = "qemu-seabios-idle-32M-elf-kdump-migrate.tar.zst";
    let Some(()) = tar(name, &files, folder.path()) else {
        return;
    };
    let [core, flat, plain, stream] = files.map(|name| open(&folder.path().join(name)));
    for (capture, format) in [(&flat, "kdump"), (&plain, "kdump"), (&stream, "qemu-migration")] {
        assert_eq!(capture.container.format, format);
        assert_eq!(capture.damage, []);
        assert_eq!(runs(capture), runs(&core));
        for (start, length) in runs(&core) {
            same(capture.memory(), core.memory(), start, start + length);
        }
        // The core does not take the bases for registers of their own: these CPUs are in 16-bit code.
        let mut seen: Vec<Vcpu> = capture.vcpus.iter().map(as_noted).collect();
        seen.iter_mut().for_each(|vcpu| vcpu.msrs.clear());
        assert_eq!(seen, core.vcpus);
    }
}

#[test]
fn migrated_linux_guest_is_its_raw_image() {
    let folder = tempfile::tempdir().unwrap();
    let files = ["pmem.raw", "migrate.sav", "migrate-mapped.mf"];
    let name = "qemu-linux-96M-same-ram-elf-pmem-migrate.tar.zst";
    let Some(()) = tar(name, &files, folder.path()) else {
        return;
    };
    let [raw, stream, mapped] = files.map(|name| open(&folder.path().join(name)));
    for capture in [&stream, &mapped] {
        assert_eq!(capture.damage, []);
        assert_eq!(runs(capture), [(0, 96 << 20), (0xfffc_0000, 0x4_0000)]);
        assert_eq!(capture.vcpus.len(), 2);
        assert!(capture.vcpus.iter().all(|vcpu| vcpu.long_mode() == Some(true)));
    }
    same(stream.memory(), raw.memory(), 0, 96 << 20);
    // This one was taken after the guest had run for another moment.
    let (mut left, mut right) = (vec![0; 4096], vec![0; 4096]);
    let other = (0..96u64 << 20).step_by(4096).filter(|at| {
        assert_eq!(mapped.memory().read(Gpa(*at), &mut left), 4096);
        assert_eq!(raw.memory().read(Gpa(*at), &mut right), 4096);
        left != right
    });
    assert!(other.count() < 200);
}

#[test]
fn saved_pv_guest_has_the_pages_of_its_core() {
    let folder = tempfile::tempdir().unwrap();
    let files = ["pv2.save", "pv2.core"];
    let Some(()) = tar("xen420-pv-80M-xlsave-dumpcore.tar.zst", &files, folder.path()) else {
        return;
    };
    let [saved, core] = files.map(|name| open(&folder.path().join(name)));
    assert_eq!(saved.container.format, "xl-save");
    assert_eq!(saved.damage, []);
    assert_eq!(runs(&saved), [(0, 80 << 20)]);
    assert_eq!(saved.vcpus.len(), 2);
    // Not of one instant; page tables hold frames of the guest in one and of the machine in the other.
    let (mut left, mut right) = (vec![0; 4096], vec![0; 4096]);
    let same = (0..80u64 << 20).step_by(4096).filter(|at| {
        assert_eq!(saved.memory().read(Gpa(*at), &mut left), 4096);
        core.memory().read(Gpa(*at), &mut right) == 4096 && left == right
    });
    assert!(same.count() > 19_900);
    // CR3 is a frame of the guest, and the entries of its page lead to pages of the guest.
    let cr3 = saved.vcpus[0].cr3.unwrap() & !0xfff;
    assert_eq!(saved.memory().read(Gpa(cr3), &mut left), 4096);
    let entries = left
        .chunks_exact(8)
        .map(|entry| u64::from_le_bytes(entry.try_into().unwrap()));
    let present: Vec<u64> = entries
        .filter(|entry| entry & 1 != 0)
        .map(|entry| entry & 0xf_ffff_ffff_f000)
        .collect();
    assert!(!present.is_empty() && present.iter().filter(|page| **page < 80 << 20).count() > present.len() / 2);
}

#[test]
fn saved_hvm_guest_stands_in_its_firmware() {
    let folder = tempfile::tempdir().unwrap();
    let from = corpus().join("bench/xen420-hvm-128M-seabios.xlsave.zst");
    let path = folder.path().join("hvm");
    if !from.exists() {
        eprintln!("corpus absent: 1 case not run (xlsave)");
        return;
    }
    let to = File::create(&path).unwrap();
    let done = Command::new("zstd")
        .args(["-d", "--long=30", "-c"])
        .arg(&from)
        .stdout(to)
        .status();
    if !done.is_ok_and(|status| status.success()) {
        eprintln!("zstd does not run: 1 case not run (xlsave)");
        return;
    }
    let saved = open(&path);
    assert_eq!(saved.damage, []);
    let [vcpu] = saved.vcpus.as_slice() else {
        panic!("one vCPU")
    };
    let cs = vcpu.segments.cs.hidden.unwrap();
    assert_eq!((vcpu.cr0, cs.base, cs.limit), (Some(0x10), 0xf_0000, 0xffff));
    let mut code = [0; 4];
    assert_eq!(saved.memory().read(Gpa(cs.base + vcpu.rip), &mut code), 4);
}
