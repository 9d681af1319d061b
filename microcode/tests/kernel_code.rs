//! The kernel's own functions as the judge of `loader::linux`: they are cut from its source, compiled
//! into a program and asked about thousands of random files, whole and damaged.
//!
//! Run with `DELID_LINUX_SOURCE=<tree of Linux 6.12.107>` and a C compiler; else it is not run and
//! says so. `DELID_CASES` is how many, `DELID_SEED` where the random numbers begin. Nothing of the
//! kernel is part of this project.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::string_slice, clippy::panic)]

#[path = "kernel/inputs.rs"]
mod inputs;
mod linux_inputs;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;

use inputs::{AMD_CPUS, INTEL_CPUS, Random, amd_file, damage, image, intel_file, level};
use microcode::loader::Decision;
use microcode::loader::linux::{self, Early, File, Late};
use microcode::{Cpu, PlatformMask, Revision, Signature, Vendor};

/// Files of the kernel, and what is cut from each: from one text up to another.
const CUTS: &[(&str, &[(&str, &str)])] = &[
    (
        "lib/earlycpio.c",
        &[
            ("enum cpio_fields", "/**\n * find_cpio"),
            ("struct cpio_data find_cpio_data", ""),
        ],
    ),
    (
        "arch/x86/kernel/cpu/microcode/intel.c",
        &[
            ("struct extended_signature {", "void intel_collect_cpu_info"),
            (
                "static inline bool cpu_signatures_match",
                "static void update_ucode_pointer",
            ),
            (
                "/* Scan blob for microcode",
                "static enum ucode_state __apply_microcode",
            ),
            ("static bool ucode_validate_minrev", "static bool is_blacklisted"),
        ],
    ),
    (
        "arch/x86/kernel/cpu/microcode/amd.c",
        &[
            ("struct ucode_patch {", "/*\n * Microcode patch container file"),
            ("static u32 get_cutoff_revision", "static bool need_sha_check"),
            (
                "static union cpuid_1_eax ucode_rev_to_cpuid",
                "static bool __apply_microcode_amd",
            ),
            ("static inline bool patch_cpus_equivalent", "void reload_ucode_amd"),
            (
                "static size_t install_equiv_cpu_table",
                "static enum ucode_state load_microcode_amd",
            ),
        ],
    ),
];

struct Kernel {
    program: Child,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
    _folder: tempfile::TempDir,
}

impl Drop for Kernel {
    fn drop(&mut self) {
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}

/// Cut, compile, start.
fn start(source: &Path) -> Kernel {
    let mut code = include_str!("kernel/before.c").to_owned();
    for (path, cuts) in CUTS {
        let text = fs::read_to_string(source.join(path)).unwrap();
        for (from, to) in *cuts {
            let begin = text.find(from).unwrap_or_else(|| panic!("{path}: no {from}"));
            let end = match *to {
                "" => text.len(),
                to => begin + text[begin..].find(to).unwrap_or_else(|| panic!("{path}: no {to}")),
            };
            code.push_str(&text[begin..end]);
        }
    }
    code.push_str(include_str!("kernel/after.c"));
    let folder = tempfile::tempdir().unwrap();
    let (file, program) = (folder.path().join("loader.c"), folder.path().join("loader"));
    fs::write(&file, code).unwrap();
    let compiled = Command::new("cc")
        .args(["-std=gnu11", "-O1", "-w", "-o"])
        .arg(&program)
        .arg(&file)
        .status();
    assert!(compiled.unwrap().success());
    let mut program = Command::new(program)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    Kernel {
        questions: program.stdin.take().unwrap(),
        answers: BufReader::new(program.stdout.take().unwrap()),
        program,
        _folder: folder,
    }
}

/// What is asked.
#[derive(Debug)]
struct Question {
    is_amd: bool,
    is_late: bool,
    force_minrev: bool,
    signature: u32,
    platform: u32,
    running: u32,
    data: Vec<u8>,
}

fn question(random: &mut Random) -> Question {
    let (is_amd, is_late) = (random.once(2), random.once(2));
    let mut out = Question {
        is_amd,
        is_late,
        force_minrev: is_late && !is_amd && random.once(2),
        signature: random.pick(&INTEL_CPUS),
        platform: 0,
        running: random.pick(&[0, 0, 1, 2, 3, 6, 0x8000_0002]),
        data: Vec::new(),
    };
    if is_amd {
        let cpu = random.pick(&AMD_CPUS);
        out.signature = cpu.0;
        out.running = if random.once(10) { 0 } else { level(random, cpu) };
        out.data = amd_file(random, cpu);
    } else {
        // Family 6 model 1 has no platform to read.
        out.platform = if out.signature == 0x619 {
            0
        } else {
            random.pick(&[1, 2, 0x10, 0x80])
        };
        out.data = intel_file(random);
    }
    for _ in 0..random.pick(&[0, 0, 0, 0, 0, 0, 1, 2]) {
        damage(random, &mut out.data);
    }
    if !is_late {
        out.data = image(random, is_amd, &out.data);
        if random.once(8) {
            damage(random, &mut out.data);
        }
    }
    out
}

impl Kernel {
    /// Offset and revision; `Err` when the kernel's code ran out of the memory it had.
    fn ask(&mut self, question: &Question) -> Result<Option<(usize, u32)>, ()> {
        let kind = match (question.is_late, question.is_amd) {
            (false, false) => 0,
            (false, true) => 1,
            (true, false) => 2 + u32::from(question.force_minrev),
            (true, true) => 4,
        };
        let length = u32::try_from(question.data.len()).unwrap();
        let words = [kind, question.signature, question.platform, question.running, length];
        let head: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        self.questions.write_all(&head).unwrap();
        self.questions.write_all(&question.data).unwrap();
        self.questions.flush().unwrap();
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        let (offset, revision) = line.trim().split_once(' ').unwrap();
        match offset.parse::<i64>().unwrap() {
            -2 => Err(()),
            -1 => Ok(None),
            at => Ok(Some((
                usize::try_from(at).unwrap(),
                u32::from_str_radix(revision, 16).unwrap(),
            ))),
        }
    }
}

fn ours(question: &Question) -> Decision {
    let vendor = if question.is_amd { Vendor::Amd } else { Vendor::Intel };
    let cpu = Cpu {
        signature: Some(Signature(question.signature)),
        platform: Some(PlatformMask(question.platform)),
        revision: Some(Revision(question.running)),
        hypervisor: Some(false),
        ..Cpu::new("random", vendor)
    };
    let bytes = Arc::new(question.data.clone());
    let file = |name: &str| File {
        name: name.to_owned(),
        source: "random".to_owned(),
        bytes: Arc::clone(&bytes),
    };
    // The kernel's code is asked without its digest check.
    let line = Some("microcode.amd_sha_check=off");
    if !question.is_late {
        let setup = Early {
            command_line: line,
            initrd: Some(file("initrd")),
            ..Early::default()
        };
        return linux::early(&cpu, &setup);
    }
    let own = linux::firmware_name(vendor, Signature(question.signature)).unwrap();
    let setup = Late {
        command_line: line,
        force_minrev: Some(question.force_minrev),
        late_loading: Some(true),
        built_in: &[],
        firmware: &|name: &str| (name == own).then(|| file(name)),
    };
    linux::late(&cpu, &setup)
}

fn number(name: &str, default: u64) -> u64 {
    let given = std::env::var(name).ok();
    given.and_then(|text| text.parse().ok()).unwrap_or(default)
}

#[test]
fn kernel_code_takes_what_the_library_says() {
    let cases = number("DELID_CASES", 4000);
    let Some(source) = std::env::var_os("DELID_LINUX_SOURCE") else {
        eprintln!("not run: {cases} files, DELID_LINUX_SOURCE names no source of Linux");
        return;
    };
    let mut kernel = start(Path::new(&source));
    let mut random = Random(number("DELID_SEED", 20_261_121));
    let (mut loaded, mut behind) = (0, 0);
    for case in 0..cases {
        let question = question(&mut random);
        let decision = ours(&question);
        let chosen = decision.chosen().map(|chosen| (chosen.place.offset, chosen.revision.0));
        assert_eq!(decision.loads, Some(chosen.is_some()));
        loaded += usize::from(chosen.is_some());
        let Ok(theirs) = kernel.ask(&question) else {
            assert_eq!(chosen, None, "case {case}: {question:?}");
            behind += 1;
            continue;
        };
        let same = match (chosen, theirs) {
            (Some(ours), Some(theirs)) if question.is_late => ours.1 == theirs.1,
            (ours, theirs) => ours == theirs,
        };
        assert!(
            same,
            "case {case}: {chosen:x?}, the kernel {theirs:x?}\n{question:?}\n{decision:#?}"
        );
    }
    eprintln!("{cases} files agree: {loaded} with an update loaded, {behind} where the kernel reads behind its memory");
}

/// The same files without the kernel: nothing panics, and the decision is one.
#[test]
fn decision_on_damaged_files_is_whole() {
    let mut random = Random(20_261_120);
    for _ in 0..1500 {
        let mut question = question(&mut random);
        damage(&mut random, &mut question.data);
        let decision = ours(&question);
        let looks = decision.looks.iter().flat_map(|look| &look.candidates);
        let chosen = looks
            .filter(|one| one.outcome == microcode::loader::Outcome::Chosen)
            .count();
        assert_eq!((decision.loads, chosen > 1), (Some(chosen == 1), false));
        assert!(!decision.looks.iter().all(|look| look.reasons.is_empty()));
    }
}
