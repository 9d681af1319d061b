//! A guest as a debugger sees it, of every made-up Windows: with vCPUs, and without.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod captured;
mod synthetic;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, LazyLock};

use kdd::guest::Guest;
use kdd::kd::debuggee::{Continue, Debuggee, Status};
use kdd::memory::{Gpa, Gva};
use kdd::target::vcpu::msr;
use kdd::target::{Capture, Input, open};
use kdd::windows::{Architecture, Given, processors};
use synthetic::windows::{Built, Config, Kdbg, Kind, build, config::PRESETS};

struct Sample {
    name: &'static str,
    config: Config,
    built: Built,
}

static SAMPLES: LazyLock<Vec<Sample>> = LazyLock::new(|| {
    let made = PRESETS.iter().map(|name| {
        let config = Config::preset(name).unwrap();
        let built = build(&config);
        Sample { name, config, built }
    });
    made.collect()
});

fn guest(capture: Capture) -> Guest {
    Guest::new(Box::new(capture), &Given::default())
}

impl Sample {
    fn whole(&self) -> Guest {
        guest(captured::capture(&self.built.machine, true))
    }

    /// Without vCPUs; the page directory by hand where nothing leads to it.
    fn raw(&self) -> Guest {
        let given = Given {
            directory: (!self.config.low_stub).then_some(Gpa(self.built.truth.directory)),
            ..Given::default()
        };
        let capture = captured::capture(&self.built.machine, false);
        Guest::new(Box::new(capture), &given)
    }

    fn is_64(&self) -> bool {
        self.config.architecture.is_64()
    }
}

fn read(guest: &Guest, processor: u16, at: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    let count = guest.read_virtual(processor, Gva(at), &mut bytes);
    bytes.truncate(count);
    bytes
}

fn pointer(guest: &Guest, at: u64) -> u64 {
    let width = guest.windows().pointer_size();
    let mut bytes = read(guest, 0, at, width);
    assert_eq!(bytes.len(), width, "no pointer at {at:#x}");
    bytes.resize(8, 0);
    u64::from_le_bytes(bytes.try_into().unwrap())
}

#[test]
fn modules_processes_and_processors_are_those_of_the_guest() {
    for sample in SAMPLES.iter() {
        for guest in [sample.whole(), sample.raw()] {
            let (windows, truth, name) = (guest.windows(), &sample.built.truth, sample.name);
            assert_eq!(windows.damage, [], "{name}");
            assert_eq!(
                windows.modules.len(),
                truth.modules.len(),
                "{name}: {:?}",
                windows.missing
            );
            for (seen, expected) in windows.modules.iter().zip(&truth.modules) {
                assert_eq!((&seen.name, &seen.path), (&expected.name, &expected.path), "{name}");
                assert_eq!(
                    (seen.base.0, seen.size, seen.entry.0),
                    (expected.base, expected.size, expected.entry)
                );
                assert_eq!(seen.record, Gva(expected.record));
                let header = expected.resident.then_some((expected.timestamp, expected.checksum));
                assert_eq!(seen.timestamp.zip(seen.checksum), header, "{name} {}", seen.name);
                let pdb = seen.pdb.as_ref().map(|pdb| pdb.id.as_str());
                assert_eq!(
                    pdb,
                    expected.resident.then_some(expected.pdb_id.as_str()),
                    "{name} {}",
                    seen.name
                );
            }
            assert_eq!(windows.processes.len(), truth.processes.len(), "{name}");
            for (seen, expected) in windows.processes.iter().zip(&truth.processes) {
                assert_eq!(
                    (seen.name.as_str(), seen.at.0),
                    (expected.name.as_str(), expected.at),
                    "{name}"
                );
                assert_eq!(
                    (seen.id, seen.parent),
                    (Some(expected.id), Some(expected.parent)),
                    "{name}"
                );
                assert_eq!(
                    (seen.directory.0, seen.peb),
                    (expected.directory, Some(Gva(expected.peb))),
                    "{name}"
                );
            }
            assert_eq!(usize::from(guest.processors()), truth.processors.len(), "{name}");
            for (number, expected) in (0..).zip(&truth.processors) {
                let seen = (guest.kpcr(number).0, guest.kprcb(number).0, guest.thread(number).0);
                assert_eq!(
                    seen,
                    (expected.kpcr, expected.kprcb, expected.thread),
                    "{name} {number}"
                );
                assert_eq!(guest.program_counter(number), Gva(expected.rip), "{name} {number}");
            }
        }
    }
}

#[test]
fn registers_of_vcpus_and_of_kprcbs_are_the_same_where_both_know_them() {
    for sample in SAMPLES.iter() {
        let (whole, raw) = (sample.whole(), sample.raw());
        for (number, expected) in (0..).zip(&sample.built.truth.processors) {
            let name = format!("{} {number}", sample.name);
            // Vector registers on x64 are of no vCPU; on x86 the guest has the floating point registers in
            // one form only.
            let known = |context: &[u8]| {
                let mut context = context.to_vec();
                let own = if sample.is_64() { 0x300..0x4d0 } else { 0x1c..0x8c };
                context[own].fill(0);
                context
            };
            for guest in [&whole, &raw] {
                let context = guest.context(number).unwrap();
                assert_eq!(context.len(), expected.context.len(), "{name}");
                assert_eq!(known(&context), known(&expected.context), "{name}");
            }
            let special = whole.special(number).unwrap();
            assert_eq!(special.len(), expected.special.len(), "{name}");
            // To the descriptor tables the kernel saves everything.
            let saved = if sample.is_64() { 0x74 } else { 0x3c };
            assert_eq!(special[..saved], expected.special[..saved], "{name}");
            assert_eq!(
                raw.special(number).unwrap()[..saved],
                expected.special[..saved],
                "{name}"
            );
            if sample.is_64() {
                assert_eq!(
                    whole.msr(number, msr::LSTAR),
                    Ok(sample.built.machine.cpus[usize::from(number)].lstar)
                );
            }
            assert_eq!(whole.msr(number, 0xdead), Err(Status::UNSUCCESSFUL));
        }
        let none = whole.processors();
        assert_eq!(whole.context(none), Err(Status::UNSUCCESSFUL));
        assert_eq!(whole.special(none), Err(Status::UNSUCCESSFUL));
    }
}

#[test]
fn memory_of_every_kind_is_read_as_the_processor_sees_it() {
    for sample in SAMPLES.iter() {
        let guest = sample.whole();
        let truth = &sample.built.truth;
        for known in &truth.known {
            let name = format!("{} {:?} at {:#x}", sample.name, known.kind, known.va);
            // A processor that runs the process whose address space it is; the kernel's is everywhere.
            let of_process = |processor: &u16| {
                let process = truth.processors[usize::from(*processor)].process;
                let process = truth.processes.iter().find(|other| other.at == process);
                process.is_some_and(|process| process.directory == known.directory)
            };
            let processor = match (0..guest.processors()).find(of_process) {
                Some(processor) => processor,
                None if known.kind == Kind::User => continue,
                None => 0,
            };
            let seen = read(&guest, processor, known.va, known.bytes.len().max(8));
            match known.pa {
                Some(pa) => {
                    assert_eq!(seen[..known.bytes.len()], known.bytes, "{name}");
                    let mut bytes = vec![0; 16.min(known.bytes.len())];
                    let here = 4096 - (pa as usize & 0xfff);
                    let length = bytes.len().min(here);
                    assert_eq!(guest.read_physical(Gpa(pa), &mut bytes[..length]), length, "{name}");
                    assert_eq!(bytes[..length], known.bytes[..length], "{name}");
                    let kind = guest.query_memory(processor, Gva(known.va)).unwrap();
                    assert_eq!(kind.flags & 1, 1, "{name}");
                    assert_eq!(kind.space == 0, known.kind == Kind::User, "{name}");
                }
                None => {
                    assert_eq!(seen, [0u8; 0], "{name}");
                    assert_eq!(guest.query_memory(processor, Gva(known.va)), None, "{name}");
                }
            }
        }
    }
}

#[test]
fn a_processor_on_page_tables_of_user_mode_sees_the_kernel_and_its_process() {
    let mut seen = 0;
    for sample in SAMPLES.iter().filter(|sample| sample.config.kpti) {
        let guest = sample.whole();
        let truth = &sample.built.truth;
        for (number, processor) in (0..).zip(&truth.processors).filter(|(_, processor)| processor.user) {
            let name = format!("{} {number}", sample.name);
            let cpu = &guest.cpus()[usize::from(number)];
            let process = truth
                .processes
                .iter()
                .find(|process| process.at == processor.process)
                .unwrap();
            assert!(cpu.shadow, "{name}");
            assert_eq!(cpu.directory, Some(Gpa(process.directory)), "{name}");
            assert_eq!(read(&guest, number, truth.kernel_base, 2), b"MZ", "{name}");
            assert_eq!(read(&guest, number, processor.rip, 1).len(), 1, "{name}");
            seen += 1;
        }
    }
    assert!(seen > 0);
}

#[test]
fn the_version_leads_to_a_plain_kdbg() {
    for sample in SAMPLES.iter() {
        for guest in [sample.whole(), sample.raw()] {
            let (truth, name) = (&sample.built.truth, sample.name);
            let version = guest.version();
            assert_eq!((version.major, u32::from(version.minor)), (0xf, truth.build), "{name}");
            assert_eq!(version.kernel_base, Gva(truth.kernel_base), "{name}");
            assert_eq!(version.loaded_modules, Gva(truth.loaded_module_list), "{name}");
            let architecture = if sample.is_64() {
                Architecture::X64
            } else {
                Architecture::X86
            };
            assert_eq!(version.architecture, architecture, "{name}");
            let kdbg = pointer(&guest, version.debugger_data.0);
            let bytes = read(&guest, 0, kdbg, 0x2b0);
            assert_eq!(&bytes[0x10..0x14], b"KDBG", "{name}");
            assert_eq!(bytes[0x18..0x20], read(&guest, 1, kdbg + 0x18, 8), "{name}");
            if sample.config.kdbg != Kdbg::Absent {
                assert_eq!(Some(kdbg), truth.kdbg, "{name}");
                let mut expected = truth.kdbg_bytes.clone();
                // The CONTEXT is laid into the KPRCB, and the KDBG then names no pointer to another one.
                if let Some(pointer) = expected.get_mut(0x338..0x33a) {
                    pointer.fill(0);
                }
                assert_eq!(read(&guest, 0, kdbg, expected.len()), expected, "{name}");
                // The same bytes by physical address.
                let space = guest.space(0).unwrap();
                let place = space.translate(Gva(kdbg)).unwrap().gpa;
                let mut physical = vec![0; 0x100.min(4096 - (kdbg as usize & 0xfff))];
                let count = guest.read_physical(place, &mut physical);
                assert_eq!(physical[..count], truth.kdbg_bytes[..count], "{name}");
            }
        }
    }
}

#[test]
fn a_kdbg_that_was_put_together_has_the_offsets_of_its_build() {
    for sample in SAMPLES.iter() {
        let config = Config {
            kdbg: Kdbg::Absent,
            ..sample.config.clone()
        };
        let plain = Config {
            kdbg: Kdbg::Plain,
            ..sample.config.clone()
        };
        let expected = build(&plain).truth.kdbg_bytes;
        let guest = guest(captured::capture(&build(&config).machine, true));
        let made = &guest.windows().kdbg.as_ref().unwrap().bytes;
        for at in [
            0x29a, 0x29c, 0x29e, 0x2a0, 0x2a2, 0x2aa, 0x2ac, 0x2ae, 0x2b4, 0x2bc, 0x2be, 0x2f2,
        ] {
            // Before Windows 8 the block is shorter.
            if let Some(expected) = expected.get(at..at + 2) {
                assert_eq!(&made[at..at + 2], expected, "{} {at:#x}", sample.name);
            }
        }
    }
}

#[test]
fn a_capture_refuses_what_would_change_it_and_accepts_what_is_there_already() {
    let sample = &SAMPLES[0];
    let mut guest = sample.whole();
    let base = Gva(sample.built.truth.kernel_base);
    assert_eq!(guest.write_virtual(0, base, b"MZ"), Ok(2));
    assert_eq!(guest.write_virtual(0, base, b"XX"), Err(Status::ACCESS_DENIED));
    assert_eq!(guest.write_virtual(0, Gva(0x1000), b"XX"), Err(Status::UNSUCCESSFUL));
    let page = *sample.built.machine.pages.keys().next().unwrap();
    let byte = sample.built.machine.pages[&page][0];
    assert_eq!(guest.write_physical(Gpa(page), &[byte]), Ok(1));
    assert_eq!(guest.write_physical(Gpa(page), &[!byte]), Err(Status::ACCESS_DENIED));
    assert_eq!(guest.write_physical(Gpa(1 << 50), &[0]), Err(Status::UNSUCCESSFUL));

    let context = guest.context(1).unwrap();
    assert_eq!(guest.set_context(1, &context), Ok(()));
    let mut changed = context;
    changed[0xf8] ^= 1;
    assert_eq!(guest.set_context(1, &changed), Err(Status::ACCESS_DENIED));
    let mut special = guest.special(1).unwrap();
    assert_eq!(guest.set_special(1, &special[..0xe0]), Ok(()));
    special[0x20] ^= 1;
    assert_eq!(guest.set_special(1, &special), Err(Status::ACCESS_DENIED));
    let how = Continue {
        status: 0x1_0001,
        step: false,
        dr7: None,
    };
    assert_eq!(guest.resume(0, how), Err(Status::NOT_SUPPORTED));
    assert_eq!(guest.stop(), Ok(()));
    let exception = guest.exception();
    assert_eq!((exception.processor, exception.code), (0, 0x8000_0003));
    assert_eq!(exception.address, guest.program_counter(0));
}

#[test]
fn a_target_without_windows_still_answers() {
    let machine = synthetic::machine::Machine::pattern();
    let guest = guest(captured::capture(&machine, true));
    assert_eq!(guest.processors(), 2);
    assert_eq!(guest.version().kernel_base, Gva(0));
    assert_eq!(guest.version().debugger_data, Gva(0));
    assert_eq!(guest.context(1).unwrap().len(), 1232);
    let mut bytes = [0; 16];
    assert_eq!(guest.read_physical(Gpa(0x1000), &mut bytes), 16);
    assert_eq!(bytes[..], machine.pages[&0x1000][..16]);
    assert_eq!(guest.read_virtual(0, Gva(0xffff_f800_0000_0000), &mut bytes), 0);
    let empty = Guest::new(
        Box::new(captured::capture(&synthetic::machine::Machine::default(), false)),
        &Given::default(),
    );
    assert_eq!(empty.processors(), 1);
    assert_eq!(empty.context(0), Err(Status::UNSUCCESSFUL));
    assert_eq!(empty.exception().address, Gva(0));
}

/// The triage dump of the corpus, unpacked by `xz`.
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
            eprintln!("no xz: 1 case not run");
            None
        }
    }
}

#[test]
fn a_real_triage_dump_answers_as_far_as_it_holds() {
    let Some(dump) = triage() else { return };
    let word = |at: usize| u64::from_le_bytes(dump[at..at + 8].try_into().unwrap());
    let kdbg = &dump[0x104a8..0x104a8 + 0x380];
    let kprcb = &dump[0x21b8..0x21b8 + 0xaf00];
    let input = Input {
        name: "triage".to_owned(),
        bytes: Arc::new(dump.clone()),
        beside: Vec::new(),
        registers: None,
    };
    let guest = guest(open(&input).unwrap());
    // The header says 16 processors; their array and their saved registers are among the blocks.
    assert_eq!(guest.processors(), 16);
    assert!((0..16).all(|number| guest.vcpu(number).is_some()));
    assert_eq!(guest.kprcb(0).0, guest.kpcr(0).0 + 0x180);
    assert_eq!(read(&guest, 0, guest.kprcb(0).0, kprcb.len()), kprcb);
    assert_eq!(guest.thread(0).0, u64::from_le_bytes(kprcb[8..16].try_into().unwrap()));
    assert_eq!(guest.exception().processor, 0);
    // The address of the KPRCB from the array is the one that follows from its own lists.
    let context = processors::Context {
        kdbg: Some(kdbg),
        architecture: Architecture::X64,
        build: Some(19041),
    };
    assert_eq!(processors::from_copy(kprcb, context).unwrap().kprcb, guest.kprcb(0));
    assert_eq!(processors::from_copy(&kprcb[..0x100], context), None);

    let special = guest.special(0).unwrap();
    assert_eq!(special[..0x74], kprcb[0x100..0x174]);
    let version = guest.version();
    assert_eq!((version.kernel_base.0, version.minor), (word(0x104a8 + 0x18), 19041));
    assert_eq!(
        pointer(&guest, version.debugger_data.0),
        guest.windows().kdbg.as_ref().unwrap().at.0
    );
    // Its header has the parameters of the bug check, and no block the GDT.
    let bug_check = read(&guest, 0, word(0x104a8 + 0x88), 40);
    assert_eq!(bug_check[..8], 0x1000_007eu64.to_le_bytes());
    assert_eq!(bug_check[8..], dump[0x40..0x60]);
    let gdt = guest.vcpu(0).unwrap().gdt.unwrap().base;
    assert_eq!(pointer(&guest, gdt + 0x10), 0x0020_9b00_0000_0000);
    assert!(guest.windows().missing.iter().any(|missing| missing.what == "GDT"));
}

/// A guest that was captured while it ran, like [`Sample::whole`], but what its kernel saved is old.
fn with_old_registers(sample: &Sample) -> Guest {
    let mut capture = captured::capture(&sample.built.machine, true);
    for (vcpu, number) in capture.vcpus.iter_mut().zip(1u64..) {
        vcpu.gpr[0] = 0x1111_0000 + number;
        vcpu.rip += number;
    }
    guest(capture)
}

#[test]
fn registers_of_vcpus_stand_where_a_kernel_saves_them_in_memory_and_in_a_dump() {
    let (sample, folder) = (&SAMPLES[0], tempfile::tempdir().unwrap());
    assert_eq!(sample.name, "win10-x64");
    let guest = with_old_registers(sample);
    let path = folder.path().join("guest.dmp");
    let file = std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .open(&path)
        .unwrap();
    let written = guest.dump(kdd::guest::Pages::Full, &file, &mut |_, _| {}).unwrap();
    assert!(written.left_out.is_empty());
    let source: kdd::memory::Source = Arc::new(std::fs::read(&path).unwrap());
    let input = Input {
        name: "dump".to_owned(),
        bytes: source,
        beside: Vec::new(),
        registers: None,
    };
    let dumped = self::guest(open(&input).unwrap());
    for (processor, truth) in (0u16..).zip(&sample.built.truth.processors) {
        // KPRCB.ProcessorState of this build: special registers at 0x100, CONTEXT at 0x1f0.
        let (special, context) = (truth.kprcb + 0x100, truth.kprcb + 0x1f0);
        for seen in [&guest, &dumped] {
            let expected = guest.context(processor).unwrap();
            assert_eq!(read(seen, 0, context, expected.len()), expected, "CPU {processor}");
            let rip = u64::from_le_bytes(expected[0xf8..0x100].try_into().unwrap());
            assert_eq!(rip, truth.rip + 1 + u64::from(processor));
            let expected = guest.special(processor).unwrap();
            assert_eq!(read(seen, 0, special, expected.len()), expected, "CPU {processor}");
            assert_eq!(seen.vcpu(processor).unwrap().gpr[0], 0x1111_0001 + u64::from(processor));
        }
    }
}
