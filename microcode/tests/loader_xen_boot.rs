//! A real Xen 4.20 in QEMU is asked: which update it tries to write, and which of its messages it
//! prints. QEMU takes no update, so that Xen says "update rev A to B failed", which names its choice.
//! `DELID_XEN` is Xen's image (`xen-4.20-amd64.gz`), else the one in /boot; without it, or without
//! QEMU, nothing is run.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod xen_inputs;

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use microcode::codec::{Codec, decoder};
use microcode::cpu::from_log;
use microcode::loader::Decision;
use microcode::loader::xen::{self, Boot, Module};
use microcode::{Cpu, PlatformMask, Revision, Signature, Vendor};
use xen_inputs::{Intel, amd_container, amd_patch, cpio, intel_cpio};

/// Signature of QEMU's Skylake-Server; it has platform 0.
const SKX: u32 = 0x0005_0654;
/// EPYC-Milan.
const MILAN: u32 = 0x00a0_0f11;
/// phenom.
const PHENOM: u32 = 0x0010_0f23;

/// What Xen prints where a rule decides. What it says of its options is not on the serial line, which
/// is set up later; the logs of the corpus have that.
const MESSAGES: [(&str, &str); 18] = [
    ("Microcode loading not available", "xen-no-loader"),
    ("Microcode loading disabled due to: rev", "xen-revision-all-ones"),
    ("out of range", "xen-module-range"),
    ("not found during CPIO scan", "xen-scan-not-found"),
    ("Microcode: Parse error", "xen-parse-error"),
    ("Microcode: No suitable patch found", "xen-no-suitable"),
    ("microcode: Bad data in container", "xen-intel-header"),
    ("microcode: Bad size", "xen-intel-size"),
    ("microcode: Bad checksum", "xen-intel-checksum"),
    ("microcode: Bad sigtable size", "xen-intel-table-size"),
    ("microcode: Bad sigtable checksum", "xen-intel-table-checksum"),
    ("Wrong microcode patch file magic", "xen-amd-magic"),
    ("Bad equivalent cpu table", "xen-amd-table"),
    ("microcode: Bad microcode data", "xen-amd-section"),
    ("microcode: Equiv mismatch", "xen-amd-equivalence-conflict"),
    ("No digest found for patch_id", "xen-amd-digest-unknown"),
    ("below patch min_rev", "xen-amd-min-revision"),
    ("unsafe to update", "xen-amd-final-level"),
];

fn image() -> Option<Vec<u8>> {
    let in_boot = || {
        let entries = fs::read_dir("/boot").ok()?;
        let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
        paths.sort();
        paths.into_iter().rev().find(|path| {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            name.starts_with("xen-4.20") && name.ends_with(".gz")
        })
    };
    let path = std::env::var_os("DELID_XEN").map(PathBuf::from).or_else(in_boot)?;
    let packed = fs::read(path).unwrap();
    let mut image = Vec::new();
    decoder(Codec::Gzip, packed.as_slice())
        .unwrap()
        .read_to_end(&mut image)
        .unwrap();
    Some(image)
}

struct Case {
    name: &'static str,
    model: String,
    cpu: Cpu,
    line: &'static str,
    modules: Vec<Vec<u8>>,
}

fn case(name: &'static str, (model, cpu): (String, Cpu), line: &'static str, modules: &[Vec<u8>]) -> Case {
    let kernel = b"no kernel, and no cpio archive. ".repeat(8);
    let modules = std::iter::once(kernel).chain(modules.iter().cloned()).collect();
    Case {
        name,
        model,
        cpu,
        line,
        modules,
    }
}

fn machine(model: &str, vendor: Vendor, signature: u32, revision: u32) -> (String, Cpu) {
    let mut cpu = Cpu::new(model, vendor);
    cpu.signature = Some(Signature(signature));
    cpu.revision = Some(Revision(revision));
    cpu.hypervisor = Some(true);
    // QEMU's property is the register, of which Intel has the revision in the upper half.
    let register = if vendor == Vendor::Intel {
        cpu.platform = Some(PlatformMask(1));
        u64::from(revision) << 32
    } else {
        u64::from(revision)
    };
    (format!("{model},ucode-rev={register:#x}"), cpu)
}

fn skylake(revision: u32) -> (String, Cpu) {
    machine("Skylake-Server", Vendor::Intel, SKX, revision)
}

fn milan(revision: u32) -> (String, Cpu) {
    machine("EPYC-Milan", Vendor::Amd, MILAN, revision)
}

fn update(revision: u32) -> Vec<u8> {
    Intel::new(SKX, 1, revision).build()
}

fn broken(revision: u32) -> Vec<u8> {
    let mut bytes = update(revision);
    bytes[500] ^= 1;
    bytes
}

fn zen(patches: &[Vec<u8>]) -> Vec<u8> {
    amd_container(&[(MILAN, 0xa011)], patches)
}

fn patch(revision: u32) -> Vec<u8> {
    amd_patch(0xa011, revision, 0, 5568)
}

/// Firmware with the fix of the weak signatures.
const FIXED: u32 = 0x0a00_11de;

fn intel_cases() -> Vec<Case> {
    let other = Intel::new(0x306c3, 1, 99).build();
    let table = Intel::new(0x306c3, 1, 9).also(SKX, 1);
    let mut wrong_entry = table.build();
    let last = wrong_entry.len() - 1;
    wrong_entry[last] ^= 1;
    vec![
        case("no option", skylake(1), "", &[update(5)]),
        case("module by number", skylake(1), "ucode=2", &[vec![0; 64], update(5)]),
        case("module from the end", skylake(1), "ucode=-1", &[vec![0; 64], update(5)]),
        case("archive as module", skylake(1), "ucode=1", &[intel_cpio(&update(5))]),
        case("out of range", skylake(1), "ucode=3", &[update(5)]),
        case("kernel from the end", skylake(1), "ucode=-2", &[update(5)]),
        case("comma at the end", skylake(1), "ucode=1,", &[update(5)]),
        case("scan and a comma", skylake(1), "ucode=scan,", &[intel_cpio(&update(5))]),
        case(
            "scan and something unknown",
            skylake(1),
            "ucode=scan,what",
            &[intel_cpio(&update(5))],
        ),
        case("number and something unknown", skylake(1), "ucode=1,what", &[update(5)]),
        case("octal", skylake(1), "ucode=01", &[update(5)]),
        case(
            "scan takes the first",
            skylake(1),
            "ucode=scan",
            &[intel_cpio(&update(5)), intel_cpio(&update(9))],
        ),
        case(
            "scan ends at another CPU's",
            skylake(1),
            "ucode=scan",
            &[intel_cpio(&other), intel_cpio(&update(9))],
        ),
        case("scan of a raw file", skylake(1), "ucode=scan", &[update(5)]),
        case(
            "name with ./",
            skylake(1),
            "ucode=scan",
            &[cpio("./kernel/x86/microcode/GenuineIntel.bin", &update(5))],
        ),
        case(
            "name that goes on",
            skylake(1),
            "ucode=scan",
            &[cpio("kernel/x86/microcode/GenuineIntel.bin.old", &update(5))],
        ),
        case("what follows -- is dom0's", skylake(1), "x -- ucode=1", &[update(5)]),
        case(
            "highest",
            skylake(1),
            "ucode=1",
            &[[update(5), update(9), update(7)].concat()],
        ),
        case(
            "error keeps",
            skylake(1),
            "ucode=1",
            &[[update(5), broken(7), update(9)].concat()],
        ),
        case("error first", skylake(1), "ucode=1", &[[broken(7), update(9)].concat()]),
        case(
            "trailing bytes",
            skylake(1),
            "ucode=1",
            &[[update(5), vec![0; 20]].concat()],
        ),
        case(
            "total not in 1024",
            skylake(1),
            "ucode=1",
            &[Intel::new(SKX, 1, 5).total(1028).build()],
        ),
        case("other CPU", skylake(1), "ucode=1", &[other]),
        case(
            "other platform",
            skylake(1),
            "ucode=1",
            &[Intel::new(SKX, 0x80, 5).build()],
        ),
        case("mask of zero", skylake(1), "ucode=1", &[Intel::new(SKX, 0, 5).build()]),
        case("in the extended table", skylake(1), "ucode=1", &[table.build()]),
        case("wrong entry", skylake(1), "ucode=1", &[wrong_entry]),
        case("wrong count", skylake(1), "ucode=1", &[table.count(2).build()]),
        case("same", skylake(5), "ucode=1", &[update(5)]),
        case("older", skylake(6), "ucode=1", &[update(5)]),
        case(
            "before production",
            skylake(6),
            "ucode=1",
            &[[update(9), update(0x8000_0002)].concat()],
        ),
        case(
            "running before production",
            skylake(0x8000_0005),
            "ucode=1",
            &[update(3)],
        ),
        case("all ones", skylake(u32::MAX), "ucode=1", &[update(5)]),
    ]
}

fn amd_cases() -> Vec<Case> {
    let phenom = |revision| machine("phenom", Vendor::Amd, PHENOM, revision);
    let old = amd_container(&[(PHENOM, 0x1023)], &[amd_patch(0x1023, 0x0100_0084, 0, 960)]);
    let mut ragged = zen(&[patch(0x0a00_11f0)]);
    ragged[8] += 1;
    let conflict = amd_container(&[(MILAN, 0xa012)], &[amd_patch(0xa012, 0x0a00_11f8, 0, 5568)]);
    let no_row = amd_container(&[(0x00a0_0f12, 0xa011)], &[patch(0x0a00_11f0)]);
    let minimum = zen(&[amd_patch(0xa011, 0x0a00_11f0, 0x0a00_11e0, 5568)]);
    vec![
        case("fixed firmware", milan(FIXED), "ucode=1", &[zen(&[patch(0x0a00_11f0)])]),
        case(
            "highest and not the last",
            milan(FIXED),
            "ucode=1",
            &[[
                zen(&[patch(0x0a00_11f8), patch(0x0a00_11f0)]),
                zen(&[patch(0x0a00_11f4)]),
            ]
            .concat()],
        ),
        case("no row", milan(FIXED), "ucode=1", &[no_row]),
        case(
            "tables differ",
            milan(FIXED),
            "ucode=1",
            &[[zen(&[patch(0x0a00_11f0)]), conflict].concat()],
        ),
        case("raw patch", milan(FIXED), "ucode=1", &[patch(0x0a00_11f0)]),
        case("ragged table", milan(FIXED), "ucode=1", &[ragged]),
        case(
            "trailing bytes",
            milan(FIXED),
            "ucode=1",
            &[[zen(&[patch(0x0a00_11f0)]), vec![0; 4]].concat()],
        ),
        case(
            "no patches",
            milan(FIXED),
            "ucode=1",
            &[[zen(&[]), zen(&[patch(0x0a00_11f0)])].concat()],
        ),
        case(
            "too large",
            milan(FIXED),
            "ucode=1",
            &[zen(&[amd_patch(0xa011, 0x0a00_11f0, 0, 5569)])],
        ),
        case("same level", milan(FIXED), "ucode=1", &[zen(&[patch(FIXED)])]),
        case(
            "minimum not reached",
            milan(FIXED),
            "ucode=1",
            std::slice::from_ref(&minimum),
        ),
        case("minimum reached", milan(0x0a00_11e0), "ucode=1", &[minimum]),
        case(
            "not listed",
            milan(0x0a00_1101),
            "ucode=1",
            &[zen(&[patch(0x0a00_11f0)])],
        ),
        case(
            "check off",
            milan(0x0a00_1101),
            "ucode=1,digest-check=no",
            &[zen(&[patch(0x0a00_11f0)])],
        ),
        case(
            "check off, odd word",
            milan(0x0a00_1101),
            "ucode=1 ucode=digest-check=perhaps",
            &[zen(&[])],
        ),
        case("old family", phenom(0x0100_0001), "ucode=1", std::slice::from_ref(&old)),
        case(
            "last level",
            phenom(0x0100_0083 - 0x83 + 0x98),
            "ucode=1",
            &[{ amd_container(&[(PHENOM, 0x1023)], &[amd_patch(0x1023, 0x0100_00b6, 0, 960)]) }],
        ),
        case(
            "family 0Fh",
            machine("qemu64", Vendor::Amd, 0x0006_0fb1, 1),
            "ucode=1",
            &[old],
        ),
    ]
}

/// Boot until Xen is past its microcode.
fn boot(image: &Path, folder: &Path, case: &Case) -> Option<String> {
    let mut names = Vec::new();
    for (number, bytes) in case.modules.iter().enumerate() {
        let path = folder.join(format!("module{number}"));
        fs::write(&path, bytes).unwrap();
        names.push(path.to_str().unwrap().to_owned());
    }
    let mut child = Command::new("qemu-system-x86_64")
        .args([
            "-accel",
            "tcg",
            "-m",
            "256",
            "-nodefaults",
            "-serial",
            "stdio",
            "-display",
            "none",
        ])
        .args(["-no-reboot", "-cpu", &case.model, "-initrd", &names.join(",")])
        .args([
            "-append",
            &format!("console=com1 com1=115200,8n1 loglvl=all noreboot {}", case.line),
        ])
        .arg("-kernel")
        .arg(image)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let stdout = child.stdout.take().unwrap();
    let (sender, receiver) = channel();
    let reader = thread::spawn(move || {
        for line in BufReader::new(stdout).split(b'\n').map_while(Result::ok) {
            if sender.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                break;
            }
        }
    });
    let until = Instant::now() + Duration::from_secs(90);
    let mut log = String::new();
    while let Some(left) = until.checked_duration_since(Instant::now()) {
        match receiver.recv_timeout(left) {
            Ok(line) => {
                log.push_str(&line);
                log.push('\n');
                if line.contains("Xen image load base address") {
                    break;
                }
            }
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
        }
    }
    child.kill().unwrap();
    child.wait().unwrap();
    drop(receiver);
    reader.join().unwrap();
    assert!(
        log.contains("image load base"),
        "{}: Xen did not come up: {log}",
        case.name
    );
    Some(log)
}

fn decide(case: &Case) -> Decision {
    let modules: Vec<Module> = case
        .modules
        .iter()
        .map(|bytes| Module {
            source: "module".to_owned(),
            bytes: Arc::new(bytes.clone()),
        })
        .collect();
    let setup = Boot {
        command_line: Some(case.line),
        modules: &modules,
        efi_ucode: None,
    };
    xen::boot(&case.cpu, &setup)
}

fn met(decision: &Decision) -> Vec<&'static str> {
    let looks = decision.looks.iter().flat_map(|look| {
        let candidates = look.candidates.iter().flat_map(|candidate| &candidate.reasons);
        look.reasons.iter().chain(candidates)
    });
    decision
        .reasons
        .iter()
        .chain(looks)
        .map(|reason| reason.rule.id)
        .collect()
}

#[test]
fn real_xen_writes_the_update_and_prints_the_messages_that_are_foretold() {
    let qemu = Command::new("qemu-system-x86_64").arg("--version").output();
    let (Some(bytes), Ok(_)) = (image(), qemu) else {
        eprintln!(
            "Xen 4.20 or QEMU absent: {} cases not run",
            intel_cases().len() + amd_cases().len()
        );
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("xen");
    fs::write(&image, bytes).unwrap();
    let mut run = 0;
    let mut wrong = Vec::new();
    for case in intel_cases().into_iter().chain(amd_cases()) {
        let Some(log) = boot(&image, folder.path(), &case) else {
            continue;
        };
        let seen = from_log("xen", &log);
        let name = case.name;
        assert_eq!(seen.cpus[0].signature, case.cpu.signature, "{name}");
        let decision = decide(&case);
        let tried = log.lines().find_map(|line| {
            let (_, rest) = line.split_once("CPU0 update rev ")?;
            let (_, rest) = rest.split_once(" to 0x")?;
            u32::from_str_radix(rest.split(' ').next()?, 16).ok().map(Revision)
        });
        let ours = decision.after.filter(|_| decision.loads == Some(true));
        if ours != tried {
            wrong.push(format!("{name}: {ours:?}, Xen {tried:?}\n{log}"));
        }
        let rules = met(&decision);
        for (message, rule) in MESSAGES {
            if log.contains(message) != rules.contains(&rule) {
                wrong.push(format!(
                    "{name}: {rule} {}, \"{message}\"\n{log}",
                    rules.contains(&rule)
                ));
            }
        }
        run += 1;
    }
    eprintln!("{run} boots of Xen");
    assert!(wrong.is_empty(), "{} of {run}:\n{}", wrong.len(), wrong.join("\n"));
}
