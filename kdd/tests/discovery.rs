//! What is found in made-up guests of every kind is what was put there, with and without the registers of
//! the vCPUs.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

mod captured;
mod synthetic;

use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use captured::{Pages, capture, capture_of, preset};
use kdd::memory::source::FileSource;
use kdd::memory::{Gpa, Gva, Source, VirtualMemory};
use kdd::target::{self, Input, Target as _};
use kdd::windows::{Given, KdbgState, PagingMode, Windows, discover};
use synthetic::machine::Machine;
use synthetic::windows::config::PRESETS;
use synthetic::windows::{Architecture, Config, Kdbg, Truth};

fn agree(name: &str, config: &Config, truth: &Truth, windows: &Windows, registers: bool) {
    let context = format!("{name}, registers {registers}: {windows:#?}");
    let mode = match config.architecture {
        Architecture::X64FourLevel => PagingMode::FourLevel,
        Architecture::X64FiveLevel => PagingMode::FiveLevel,
        Architecture::X86Pae => PagingMode::Pae,
        Architecture::X86 => PagingMode::Bits32,
    };
    assert_eq!(windows.paging, Some(mode), "{context}");
    let kernel = windows
        .kernel
        .as_ref()
        .unwrap_or_else(|| panic!("no kernel: {context}"));
    assert_eq!(kernel.base, Gva(truth.kernel_base), "{context}");
    assert_eq!(
        (kernel.size, kernel.timestamp, kernel.checksum),
        (truth.kernel_size, truth.kernel_timestamp, truth.kernel_checksum),
        "{context}"
    );
    assert_eq!(
        kernel.export_name.as_deref(),
        Some(truth.kernel_export_name.as_str()),
        "{context}"
    );
    let pdb = kernel.pdb.as_ref().unwrap();
    assert_eq!(
        (&pdb.name, &pdb.id),
        (&truth.kernel_pdb_name, &truth.kernel_pdb_id),
        "{context}"
    );
    let build = windows.build.as_ref().unwrap();
    assert_eq!(build.number, truth.build, "{context}");
    assert_eq!(
        (build.major, build.minor, build.product_type, build.system_time),
        (
            Some(truth.major),
            Some(truth.minor),
            Some(truth.product_type),
            Some(truth.system_time)
        ),
        "{context}"
    );
    assert!(build.name.is_some(), "{context}");
    let version = windows
        .version_block
        .as_ref()
        .unwrap_or_else(|| panic!("no version: {context}"));
    assert_eq!(
        (version.at, &version.bytes[..]),
        (Gva(truth.version_block), &truth.version_block_bytes[..]),
        "{context}"
    );
    assert_eq!(version.loaded_modules, Gva(truth.loaded_module_list), "{context}");
    let kdbg = windows.kdbg.as_ref().unwrap_or_else(|| panic!("no KDBG: {context}"));
    let state = match config.kdbg {
        Kdbg::Plain => KdbgState::Plain,
        Kdbg::Encoded { .. } => KdbgState::Decoded,
        Kdbg::Absent => KdbgState::Synthesised,
    };
    assert_eq!(kdbg.state, state, "{context}");
    if let Some(at) = truth.kdbg {
        assert_eq!((kdbg.at, &kdbg.bytes), (Gva(at), &truth.kdbg_bytes), "{context}");
    }
    assert_eq!(
        windows.loaded_modules(),
        Some(Gva(truth.loaded_module_list)),
        "{context}"
    );
    let modules: Vec<_> = windows
        .modules
        .iter()
        .map(|module| (&module.name, module.base.0, module.size))
        .collect();
    let wanted: Vec<_> = truth
        .modules
        .iter()
        .map(|module| (&module.name, module.base, module.size))
        .collect();
    assert_eq!(modules, wanted, "{context}");
    let processes: Vec<_> = windows
        .processes
        .iter()
        .map(|process| (process.at.0, process.directory.0))
        .collect();
    let wanted: Vec<_> = truth
        .processes
        .iter()
        .map(|process| (process.at, process.directory))
        .collect();
    assert_eq!(processes, wanted, "{context}");

    let processors: Vec<_> = windows.processors.iter().map(|one| (one.kpcr.0, one.kprcb.0)).collect();
    let wanted: Vec<_> = truth.processors.iter().map(|one| (one.kpcr, one.kprcb)).collect();
    assert_eq!(processors, wanted, "{context}");
}

/// A guest as a debugger reads it: overlays over memory.
fn debugger_reads(windows: &Windows, space: &dyn VirtualMemory, at: Gva, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    let count = space.read(at, &mut bytes);
    bytes.truncate(count);
    for overlay in &windows.overlays {
        for (place, byte) in (overlay.at.0..).zip(&overlay.bytes) {
            if place >= at.0 && place < at.0 + length as u64 {
                let index = (place - at.0) as usize;
                bytes.resize(bytes.len().max(index + 1), 0);
                bytes[index] = *byte;
            }
        }
    }
    bytes
}

#[test]
fn every_kind_of_guest_is_found_whole() {
    for name in PRESETS {
        let (config, built) = preset(name);
        for registers in [true, false] {
            let target = capture(&built.machine, registers);
            let begun = Instant::now();
            let windows = discover(&target, &Given::default());
            eprintln!(
                "{name}, registers {registers}: {:?}, {:?}",
                begun.elapsed(),
                windows.missing
            );
            agree(name, &config, &built.truth, &windows, registers);
            // The list's first entry leads to a plain block of the right size.
            let space = windows.space(&target).unwrap();
            let width = windows.pointer_size();
            let link = debugger_reads(&windows, &space, windows.debugger_data_list(), width);
            let at = windows.kdbg.as_ref().unwrap().at;
            assert_eq!(link, at.0.to_le_bytes()[..width], "{name}");
            let block = debugger_reads(&windows, &space, at, 0x28);
            assert_eq!(&block[0x10..0x14], b"KDBG", "{name}");
        }
    }
}

#[test]
fn what_is_given_by_hand_holds_and_what_is_missing_has_a_reason() {
    let (_, built) = preset("win10-x64-encoded");
    let truth = &built.truth;
    let target = capture(&built.machine, false);
    let given = Given {
        directory: Some(Gpa(truth.directory | 2)),
        kernel_base: Some(Gva(truth.kernel_base)),
        kdbg: truth.kdbg.map(Gva),
    };
    let windows = discover(&target, &given);
    let directory = windows.directory.as_ref().unwrap();
    assert_eq!(
        (directory.value, directory.from.as_str()),
        (Gpa(truth.directory), "given")
    );
    assert_eq!(windows.kernel.as_ref().unwrap().from, "given");
    let kdbg = windows.kdbg.as_ref().unwrap();
    assert_eq!((kdbg.from.as_str(), kdbg.state), ("given", KdbgState::Decoded));

    let machine = Machine::pattern();
    let windows = discover(&capture(&machine, true), &Given::default());
    assert_eq!(windows.directory, None);
    let missing = &windows.missing[0];
    assert_eq!(missing.what, "page directory");
    assert!(
        missing.why.contains("CR3 of 2 vCPUs") && missing.why.contains("--dtb"),
        "{}",
        missing.why
    );
}

#[test]
fn processors_are_found_where_the_kdbg_does_not_name_their_array() {
    for name in ["win10-x64", "win7-x86-pae"] {
        let (_, mut built) = preset(name);
        let field = Gva(built.truth.kdbg.unwrap() + 0x218);
        let target = capture(&built.machine, false);
        let space = discover(&target, &Given::default()).space(&target).unwrap();
        let (_, page, _) = space.mapped(field.page(), field.page().plus(0x1000)).next().unwrap();
        let page = built.machine.pages.get_mut(&page.0).unwrap();
        page[field.offset() as usize..][..8].fill(0);
        let windows = discover(&capture(&built.machine, false), &Given::default());
        assert_eq!(windows.kdbg.as_ref().unwrap().state, KdbgState::Plain, "{name}");
        let processors: Vec<_> = windows.processors.iter().map(|one| one.kprcb.0).collect();
        let wanted: Vec<_> = built.truth.processors.iter().map(|one| one.kprcb).collect();
        assert_eq!(processors, wanted, "{name}: {:?}", windows.missing);
    }
}

#[test]
fn pages_of_the_kernel_that_are_missing_cost_only_what_stood_in_them() {
    // Each page of the image alone, and the shared page, taken away: nothing panics, and the base stays.
    let (_, built) = preset("win10-x64-hole");
    let base = Gva(built.truth.kernel_base);
    let all = Pages::of(&built.machine);
    let whole = capture_of(all.clone(), &built.machine, true);
    let space = discover(&whole, &Given::default()).space(&whole).unwrap();
    let image = space.mapped(base, base.plus(built.truth.kernel_size.into()));
    let pages: Vec<_> = image.map(|(at, gpa, _)| (at, gpa)).collect();
    for (at, gpa) in pages {
        let mut memory = all.clone();
        memory.pages.remove(&gpa.0);
        let target = capture_of(memory.told(), &built.machine, true);
        let windows = discover(&target, &Given::default());
        let found = windows.kernel.as_ref().map(|kernel| kernel.base);
        assert_eq!(found, (at != base).then_some(base), "{at}: {:?}", windows.missing);
        if at == base {
            // Without the headers the base can still be given.
            let given = Given {
                kernel_base: Some(base),
                ..Given::default()
            };
            let windows = discover(&target, &given);
            assert_eq!(windows.kdbg.as_ref().map(|kdbg| kdbg.state), Some(KdbgState::Plain));
            assert_eq!(windows.modules.len(), built.truth.modules.len());
            assert!(windows.missing.iter().any(|missing| missing.what == "kernel headers"));
        }
    }
}

#[test]
fn mutated_guests_neither_panic_nor_hang() {
    let mut state = 0x2545_f491_4f6c_dd1du64;
    let mut random = move |below: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % below
    };
    for name in ["win10-x64-encoded", "win10-x64-absent", "xp-x86-pae", "xp-x86"] {
        let (_, built) = preset(name);
        let pages: Vec<u64> = built.machine.pages.keys().copied().collect();
        let all = Pages::of(&built.machine);
        for round in 0..125 {
            let mut memory = all.clone();
            for _ in 0..1 + random(60) {
                let page = pages[random(pages.len() as u64) as usize];
                let other = pages[random(pages.len() as u64) as usize];
                match random(4) {
                    0 => drop(memory.pages.remove(&page)),
                    1 => {
                        let copy = memory.pages.get(&other).cloned();
                        memory
                            .pages
                            .insert(page, copy.unwrap_or_else(|| Arc::new(vec![0xff; 4096])));
                    }
                    kind => {
                        let Some(bytes) = memory.pages.get_mut(&page) else {
                            continue;
                        };
                        let at = random(4096) as usize;
                        let end = (at + random(64) as usize).min(4096);
                        for byte in &mut Arc::make_mut(bytes)[at..end] {
                            *byte = if kind == 2 { 0xff } else { random(256) as u8 };
                        }
                    }
                }
            }
            let begun = Instant::now();
            let target = capture_of(memory.told(), &built.machine, round % 2 == 0);
            let windows = discover(&target, &Given::default());
            assert!(begun.elapsed().as_secs() < 20, "{name} {round}: {windows:#?}");
        }
    }
}

/// The dump of the corpus, unpacked by `xz`.
fn triage() -> Option<Vec<u8>> {
    let default = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus");
    let root = std::env::var_os("DELID_CORPUS").map_or_else(default, PathBuf::from);
    let path = root.join("kdd/triage_x64.dmp.xz");
    if !path.exists() {
        eprintln!("corpus absent: 1 case not run");
        return None;
    }
    match Command::new("xz").arg("-dc").arg(&path).output() {
        Ok(output) if output.status.success() => Some(output.stdout),
        _ => {
            eprintln!("xz does not run: 1 case not run");
            None
        }
    }
}

#[test]
fn a_real_triage_dump_names_its_kernel_modules_and_processors() {
    let Some(bytes) = triage() else { return };
    let bytes: Source = Arc::new(bytes);
    let input = Input {
        name: "triage".to_owned(),
        bytes,
        beside: Vec::new(),
        registers: None,
    };
    let target = target::open(&input).unwrap();
    let windows = discover(&target, &Given::default());
    // As the debugger's engine prints them of the same file.
    let kernel = windows.kernel.as_ref().unwrap();
    assert_eq!(kernel.base, Gva(0xffff_f804_7ba0_0000));
    assert_eq!(windows.build.as_ref().unwrap().number, 19041);
    assert_eq!(windows.loaded_modules(), Some(Gva(0xffff_f804_7c62_a390)));
    let kdbg = windows.kdbg.as_ref().unwrap();
    assert_eq!(
        (kdbg.at, kdbg.state, kdbg.bytes.len()),
        (Gva(0xffff_f804_7c60_0b20), KdbgState::Plain, 0x380)
    );
    assert_eq!(windows.processors.len(), 16);
    assert_eq!(windows.modules.len(), 151);
    let first = &windows.modules[0];
    assert_eq!((first.base, first.size), (kernel.base, kernel.size));
    // A debugger walks the list in the overlays, to the end and around.
    let space = target.virtual_memory().unwrap();
    let pointer = |at: Gva| {
        let bytes = debugger_reads(&windows, space, at, 8);
        Gva(u64::from_le_bytes(bytes.try_into().unwrap()))
    };
    let head = windows.loaded_modules().unwrap();
    let walk = std::iter::successors(Some(pointer(head)), |at| Some(pointer(*at)).filter(|at| *at != head));
    let bases: Vec<_> = walk.map(|at| pointer(at.plus(0x30))).collect();
    assert_eq!(
        bases,
        windows.modules.iter().map(|module| module.base).collect::<Vec<_>>()
    );
    assert_eq!(pointer(windows.debugger_data_list()), kdbg.at);
}

#[test]
fn a_raw_image_full_of_holes_is_searched_without_reading_them() {
    let (_, built) = preset("win10-x64-bare");
    let file = tempfile::tempfile().unwrap();
    file.set_len(4 << 30).unwrap();
    // The last page is the only one far behind the others.
    for (page, bytes) in &built.machine.pages {
        file.write_all_at(bytes, *page).unwrap();
    }
    file.write_all_at(b"end", (4 << 30) - 3).unwrap();
    let input = Input {
        name: "guest.raw".to_owned(),
        bytes: Arc::new(FileSource::new(file).unwrap()),
        beside: Vec::new(),
        registers: None,
    };
    let target = target::open(&input).unwrap();
    let windows = discover(&target, &Given::default());
    let kernel = windows.kernel.as_ref().unwrap();
    assert_eq!(kernel.base, Gva(built.truth.kernel_base), "{:?}", windows.missing);
    assert!(windows.directory.as_ref().unwrap().from.contains("maps itself"));
}
