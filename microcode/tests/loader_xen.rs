//! What Xen does, case by case: each row names the rule that decides, the file and function in
//! which it stands in Xen 4.20.3, and what comes of it. All microcode here is made up.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod xen_inputs;

use std::sync::Arc;

use microcode::entry_sign::{self, List};
use microcode::loader::xen::{self, Boot, EfiUcode, Late, Module, rules};
use microcode::loader::{Candidate, Decision, Outcome, Reason};
use microcode::{Cpu, PlatformMask, Revision, Signature, Vendor};
use xen_inputs::{Intel, amd_container, amd_patch, cpio, intel_cpio};

const SIG: u32 = 0x000a_0655;
const ZEN3: u32 = 0x00a2_0f12;
const K10: u32 = 0x0010_0f42;

fn intel_cpu(revision: u32) -> Cpu {
    let mut cpu = Cpu::new("test", Vendor::Intel);
    cpu.signature = Some(Signature(SIG));
    cpu.platform = Some(PlatformMask(2));
    cpu.revision = Some(Revision(revision));
    cpu
}

fn amd_cpu(signature: u32, revision: u32) -> Cpu {
    let mut cpu = Cpu::new("test", Vendor::Amd);
    cpu.signature = Some(Signature(signature));
    cpu.revision = Some(Revision(revision));
    cpu
}

fn module(source: &str, bytes: Vec<u8>) -> Module {
    Module {
        source: source.to_owned(),
        bytes: Arc::new(bytes),
    }
}

fn kernel() -> Module {
    module("vmlinuz", b"MZ and no cpio at all".repeat(20))
}

/// Boot with the modules behind the kernel.
fn boot(cpu: &Cpu, line: &str, modules: Vec<Module>) -> Decision {
    let modules: Vec<Module> = std::iter::once(kernel()).chain(modules).collect();
    let setup = Boot {
        command_line: Some(line),
        modules: &modules,
        efi_ucode: None,
    };
    xen::boot(cpu, &setup)
}

/// `ucode=1` with this file.
fn file(cpu: &Cpu, bytes: Vec<u8>) -> Decision {
    boot(cpu, "ucode=1", vec![module("ucode.bin", bytes)])
}

fn efi(cpu: &Cpu, line: &str, ucode: EfiUcode) -> Decision {
    let modules = [
        kernel(),
        module("initrd", intel_cpio(&Intel::new(SIG, 2, 0x99).build())),
    ];
    let setup = Boot {
        command_line: Some(line),
        modules: &modules,
        efi_ucode: Some(ucode),
    };
    xen::boot(cpu, &setup)
}

fn late(cpu: &Cpu, bytes: Vec<u8>, force: bool, kept: Option<u32>) -> Decision {
    let setup = Late {
        file: module("new.bin", bytes),
        force,
        command_line: None,
        began: None,
        kept: kept.map(Revision),
    };
    xen::late(cpu, &setup)
}

/// An update for the CPU.
fn update(revision: u32) -> Intel {
    Intel::new(SIG, 2, revision)
}

/// A container with the row of a Zen 3.
fn zen(patches: &[Vec<u8>]) -> Vec<u8> {
    amd_container(&[(ZEN3, 0xa212)], patches)
}

fn zen_patch(revision: u32) -> Vec<u8> {
    amd_patch(0xa212, revision, 0, 5568)
}

/// Above the cut-off of this CPU, so that no digest is asked for.
const FIXED: u32 = 0x0a20_1220;

fn k10(patches: &[Vec<u8>]) -> Vec<u8> {
    amd_container(&[(K10, 0x1043)], patches)
}

fn k10_patch(revision: u32) -> Vec<u8> {
    amd_patch(0x1043, revision, 0, 960)
}

struct Row {
    name: &'static str,
    rule: &'static str,
    stands: &'static str,
    run: fn() -> Decision,
    /// Whether it loads, and what runs after.
    loads: Option<bool>,
    after: Option<u32>,
}

fn row(
    name: &'static str,
    rule: &'static str,
    stands: &'static str,
    run: fn() -> Decision,
    loads: Option<bool>,
    after: Option<u32>,
) -> Row {
    Row {
        name,
        rule,
        stands,
        run,
        loads,
        after,
    }
}

const CORE: &str = "core.c: early_microcode_load";
const APPLY: &str = "apply_microcode";
const REQUEST_I: &str = "intel.c: cpu_request_microcode";
const REQUEST_A: &str = "amd.c: cpu_request_microcode";
const SANE: &str = "intel.c: microcode_sanity_check";
const YES: Option<bool> = Some(true);
const NO: Option<bool> = Some(false);

fn where_it_looks() -> Vec<Row> {
    vec![
        row(
            "no option",
            "xen-nothing-asked",
            CORE,
            || boot(&intel_cpu(1), "dom0_mem=2G", vec![module("u", update(5).build())]),
            NO,
            Some(1),
        ),
        row(
            "module by number",
            "xen-module-nominated",
            CORE,
            || {
                boot(
                    &intel_cpu(1),
                    "ucode=2",
                    vec![module("i", vec![]), module("u", update(5).build())],
                )
            },
            YES,
            Some(5),
        ),
        row(
            "module from the end",
            "xen-raw-module",
            CORE,
            || {
                boot(
                    &intel_cpu(1),
                    "ucode=-1",
                    vec![module("i", vec![]), module("u", update(5).build())],
                )
            },
            YES,
            Some(5),
        ),
        row(
            "module nominated may be a cpio archive",
            "xen-cpio-member",
            "find_cpio_data",
            || file(&intel_cpu(1), intel_cpio(&update(5).build())),
            YES,
            Some(5),
        ),
        row(
            "module out of range",
            "xen-module-range",
            CORE,
            || boot(&intel_cpu(1), "ucode=2", vec![module("u", update(5).build())]),
            NO,
            Some(1),
        ),
        row(
            "module 0 counted from the end is the kernel",
            "xen-module-range",
            CORE,
            || boot(&intel_cpu(1), "ucode=-2", vec![module("u", update(5).build())]),
            NO,
            Some(1),
        ),
        row(
            "comma behind the number",
            "xen-option-zero",
            "core.c: parse_ucode",
            || boot(&intel_cpu(1), "ucode=1,", vec![module("u", update(5).build())]),
            NO,
            Some(1),
        ),
        row(
            "file name as on xen.efi",
            "xen-option-invalid",
            "core.c: parse_ucode",
            || boot(&intel_cpu(1), "ucode=ucode.bin", vec![module("u", update(5).build())]),
            NO,
            Some(1),
        ),
        row(
            "scan takes the first module with the file",
            "xen-scan-first-hit",
            CORE,
            || {
                let two = [update(5).build(), update(9).build()].map(|bytes| module("initrd", intel_cpio(&bytes)));
                boot(&intel_cpu(1), "ucode=scan", two.to_vec())
            },
            YES,
            Some(5),
        ),
        row(
            "scan ends at a file with nothing for the CPU",
            "xen-no-suitable",
            CORE,
            || {
                let other = module("a", intel_cpio(&Intel::new(0x306c3, 2, 9).build()));
                boot(
                    &intel_cpu(1),
                    "ucode=scan",
                    vec![other, module("b", intel_cpio(&update(5).build()))],
                )
            },
            NO,
            Some(1),
        ),
        row(
            "scan of a raw file",
            "xen-scan-not-found",
            CORE,
            || boot(&intel_cpu(1), "ucode=scan", vec![module("u", update(5).build())]),
            NO,
            Some(1),
        ),
        row(
            "name with ./ before it",
            "xen-cpio-absent",
            "find_cpio_data",
            || {
                let bytes = cpio("./kernel/x86/microcode/GenuineIntel.bin", &update(5).build());
                boot(&intel_cpu(1), "ucode=scan", vec![module("i", bytes)])
            },
            NO,
            Some(1),
        ),
        row(
            "file of the other vendor",
            "xen-scan-not-found",
            CORE,
            || {
                boot(
                    &amd_cpu(ZEN3, FIXED),
                    "ucode=scan",
                    vec![module("i", intel_cpio(&update(5).build()))],
                )
            },
            NO,
            Some(FIXED),
        ),
        row(
            "configuration of xen.efi overrides scan",
            "xen-efi-overrides",
            "efi_arch_cfg_file_late",
            || {
                efi(
                    &intel_cpu(1),
                    "ucode=scan",
                    EfiUcode::Config(module("ucode.bin", update(5).build())),
                )
            },
            YES,
            Some(5),
        ),
        row(
            ".ucode section is not nominated",
            "xen-efi-section",
            "efi_arch_cfg_file_late",
            || {
                efi(
                    &intel_cpu(1),
                    "",
                    EfiUcode::Section(module(".ucode", update(5).build())),
                )
            },
            NO,
            Some(1),
        ),
        row(
            ".ucode section by its number",
            "xen-efi-section",
            "efi_arch_cfg_file_late",
            || {
                efi(
                    &intel_cpu(1),
                    "ucode=-1",
                    EfiUcode::Section(module(".ucode", update(5).build())),
                )
            },
            YES,
            Some(5),
        ),
    ]
}

fn who_loads() -> Vec<Row> {
    vec![
        row(
            "Hygon",
            "xen-no-loader",
            "core.c: early_microcode_init",
            || {
                let mut cpu = Cpu::new("test", Vendor::Hygon);
                cpu.signature = Some(Signature(0x0090_0f02));
                cpu.revision = Some(Revision(0x80901047));
                file(&cpu, zen(&[]))
            },
            NO,
            Some(0x80901047),
        ),
        row(
            "AMD family 0Fh",
            "xen-no-loader",
            "ucode_probe_amd",
            || file(&amd_cpu(0x0004_0f13, 0x4d), k10(&[k10_patch(0x0100_00c8)])),
            NO,
            Some(0x4d),
        ),
        row(
            "revision of all ones",
            "xen-revision-all-ones",
            "core.c: early_microcode_init",
            || file(&intel_cpu(u32::MAX), update(5).build()),
            NO,
            Some(u32::MAX),
        ),
        row(
            "Xen in a virtual machine tries",
            "xen-hypervisor-bit",
            "core.c: early_microcode_init",
            || {
                let mut cpu = intel_cpu(1);
                cpu.hypervisor = Some(true);
                file(&cpu, update(5).build())
            },
            YES,
            Some(5),
        ),
        row(
            "dom0's Linux does not",
            "xen-dom0-linux",
            "guest_wrmsr",
            || file(&intel_cpu(1), update(5).build()),
            YES,
            Some(5),
        ),
    ]
}

fn intel_files() -> Vec<Row> {
    vec![
        row(
            "highest of the file",
            "xen-intel-highest",
            REQUEST_I,
            || {
                file(
                    &intel_cpu(1),
                    [update(5), update(9), update(7)].map(|one| one.build()).concat(),
                )
            },
            YES,
            Some(9),
        ),
        row(
            "error keeps what was found before",
            "xen-intel-error-keeps",
            REQUEST_I,
            || file(&intel_cpu(1), [update(5).build(), vec![0; 16]].concat()),
            YES,
            Some(5),
        ),
        row(
            "better update behind an error is not seen",
            "xen-intel-checksum",
            SANE,
            || {
                let mut broken = update(7).build();
                broken[200] ^= 1;
                file(&intel_cpu(1), [update(5).build(), broken, update(9).build()].concat())
            },
            YES,
            Some(5),
        ),
        row(
            "error before anything was found",
            "xen-parse-error",
            CORE,
            || {
                let mut broken = update(7).build();
                broken[200] ^= 1;
                file(&intel_cpu(1), [broken, update(9).build()].concat())
            },
            NO,
            Some(1),
        ),
        row(
            "total size not in 1024",
            "xen-intel-size",
            SANE,
            || file(&intel_cpu(1), update(5).total(1028).build()),
            NO,
            Some(1),
        ),
        row(
            "In-Field-Scan image",
            "xen-intel-header",
            REQUEST_I,
            || {
                let mut bytes = update(5).build();
                bytes[0] = 2;
                file(&intel_cpu(1), bytes)
            },
            NO,
            Some(1),
        ),
        row(
            "cut file",
            "xen-intel-header",
            REQUEST_I,
            || {
                let bytes = update(5).build();
                file(&intel_cpu(1), bytes[..1000].to_vec())
            },
            NO,
            Some(1),
        ),
        row(
            "CPU in the extended table",
            "xen-loaded",
            APPLY,
            || file(&intel_cpu(1), Intel::new(0xa0652, 0x20, 5).also(SIG, 2).build()),
            YES,
            Some(5),
        ),
        row(
            "entry with a wrong checksum",
            "xen-intel-table-checksum",
            SANE,
            || {
                let mut bytes = Intel::new(0xa0652, 0x20, 5).also(SIG, 2).build();
                let last = bytes.len() - 1;
                bytes[last] ^= 1;
                file(&intel_cpu(1), bytes)
            },
            NO,
            Some(1),
        ),
        row(
            "other platform",
            "xen-intel-cpu",
            "intel.c: signature_matches",
            || file(&intel_cpu(1), Intel::new(SIG, 0x20, 5).build()),
            NO,
            Some(1),
        ),
        row(
            "mask of zero fits no CPU",
            "xen-intel-cpu",
            "intel.c: signature_matches",
            || file(&intel_cpu(1), Intel::new(SIG, 0, 5).build()),
            NO,
            Some(1),
        ),
        row(
            "same revision",
            "xen-intel-newer",
            APPLY,
            || file(&intel_cpu(5), update(5).build()),
            NO,
            Some(5),
        ),
        row(
            "older revision",
            "xen-intel-newer",
            APPLY,
            || file(&intel_cpu(6), update(5).build()),
            NO,
            Some(6),
        ),
        row(
            "before production is newer than all",
            "xen-intel-highest",
            "compare_revisions",
            || {
                file(
                    &intel_cpu(6),
                    [update(9), update(0x8000_0002)].map(|one| one.build()).concat(),
                )
            },
            YES,
            Some(0x8000_0002),
        ),
        row(
            "platform not known, and one update for each",
            "xen-unknown",
            "cpu/microcode",
            || {
                let mut cpu = intel_cpu(1);
                cpu.platform = None;
                file(
                    &cpu,
                    [Intel::new(SIG, 2, 5).build(), Intel::new(SIG, 0x20, 9).build()].concat(),
                )
            },
            None,
            None,
        ),
        row(
            "platform not known, and one update for all",
            "xen-loaded",
            APPLY,
            || {
                let mut cpu = intel_cpu(1);
                cpu.platform = None;
                file(&cpu, Intel::new(SIG, 0xff, 5).build())
            },
            YES,
            Some(5),
        ),
        row(
            "revision not known",
            "xen-unknown",
            "cpu/microcode",
            || {
                let mut cpu = intel_cpu(1);
                cpu.revision = None;
                file(&cpu, update(5).build())
            },
            None,
            None,
        ),
        row(
            "signature not known",
            "xen-unknown",
            "cpu/microcode",
            || file(&Cpu::new("test", Vendor::Intel), update(5).build()),
            None,
            None,
        ),
    ]
}

fn amd_files() -> Vec<Row> {
    vec![
        row(
            "highest of two containers",
            "xen-amd-highest",
            REQUEST_A,
            || {
                let two = [zen_patch(0x0a20_1230), zen_patch(0x0a20_1240)].map(|patch| zen(&[patch]));
                file(&amd_cpu(ZEN3, FIXED), two.concat())
            },
            YES,
            Some(0x0a20_1240),
        ),
        row(
            "not the last match of a container",
            "xen-amd-highest",
            REQUEST_A,
            || {
                file(
                    &amd_cpu(ZEN3, FIXED),
                    zen(&[zen_patch(0x0a20_1240), zen_patch(0x0a20_1230)]),
                )
            },
            YES,
            Some(0x0a20_1240),
        ),
        row(
            "Zen without a row in the table",
            "xen-amd-no-row",
            "scan_equiv_cpu_table",
            || {
                let other = amd_container(&[(0x00a2_0f10, 0xa210)], &[zen_patch(0x0a20_1240)]);
                file(&amd_cpu(ZEN3, FIXED), other)
            },
            NO,
            Some(FIXED),
        ),
        row(
            "patch for another equivalent id",
            "xen-amd-cpu",
            "microcode_fits_cpu",
            || file(&amd_cpu(ZEN3, FIXED), zen(&[amd_patch(0xa210, 0x0a20_1240, 0, 5568)])),
            NO,
            Some(FIXED),
        ),
        row(
            "two tables that differ",
            "xen-amd-equivalence-conflict",
            "scan_equiv_cpu_table",
            || {
                let other = amd_container(&[(ZEN3, 0xa211)], &[amd_patch(0xa211, 0x0a20_1250, 0, 5568)]);
                file(&amd_cpu(ZEN3, FIXED), [zen(&[zen_patch(0x0a20_1240)]), other].concat())
            },
            YES,
            Some(0x0a20_1240),
        ),
        row(
            "raw patch without a container",
            "xen-amd-magic",
            REQUEST_A,
            || file(&amd_cpu(ZEN3, FIXED), zen_patch(0x0a20_1240)),
            NO,
            Some(FIXED),
        ),
        row(
            "table not in rows of 16",
            "xen-amd-table",
            REQUEST_A,
            || {
                let mut bytes = zen(&[zen_patch(0x0a20_1240)]);
                bytes[8] += 1;
                file(&amd_cpu(ZEN3, FIXED), bytes)
            },
            NO,
            Some(FIXED),
        ),
        row(
            "bytes behind the last patch",
            "xen-amd-section",
            REQUEST_A,
            || {
                file(
                    &amd_cpu(ZEN3, FIXED),
                    [zen(&[zen_patch(0x0a20_1240)]), vec![0; 4]].concat(),
                )
            },
            YES,
            Some(0x0a20_1240),
        ),
        row(
            "container without patches before another",
            "xen-parse-error",
            CORE,
            || {
                file(
                    &amd_cpu(ZEN3, FIXED),
                    [zen(&[]), zen(&[zen_patch(0x0a20_1240)])].concat(),
                )
            },
            NO,
            Some(FIXED),
        ),
        row(
            "patch larger than its family's",
            "xen-amd-size",
            "verify_patch_size",
            || {
                let large = amd_patch(0xa212, 0x0a20_1240, 0, 5569);
                file(&amd_cpu(ZEN3, FIXED), zen(&[large]))
            },
            NO,
            Some(FIXED),
        ),
        row(
            "same level",
            "xen-amd-newer",
            APPLY,
            || file(&amd_cpu(ZEN3, 0x0a20_1240), zen(&[zen_patch(0x0a20_1240)])),
            NO,
            Some(0x0a20_1240),
        ),
        row(
            "minimum revision counts at boot",
            "xen-amd-min-revision",
            "check_min_rev",
            || {
                let patch = amd_patch(0xa212, 0x0a20_1240, 0x0a20_1230, 5568);
                file(&amd_cpu(ZEN3, FIXED), zen(&[patch]))
            },
            NO,
            Some(FIXED),
        ),
        row(
            "a checksum is no minimum revision",
            "xen-loaded",
            APPLY,
            || {
                let patch = amd_patch(0xa212, 0x0a20_1240, 0x5555_5555, 5568);
                file(&amd_cpu(ZEN3, FIXED), zen(&[patch]))
            },
            YES,
            Some(0x0a20_1240),
        ),
        row(
            "last level of family 10h",
            "xen-amd-final-level",
            "check_final_patch_levels",
            || file(&amd_cpu(K10, 0x0100_009f), k10(&[k10_patch(0x0100_00c8)])),
            NO,
            Some(0x0100_009f),
        ),
        row(
            "family 10h needs no digest",
            "xen-loaded",
            APPLY,
            || file(&amd_cpu(K10, 0x0100_0083), k10(&[k10_patch(0x0100_00c8)])),
            YES,
            Some(0x0100_00c8),
        ),
        row(
            "level not in the list of digests",
            "xen-amd-digest-unknown",
            "check_digest",
            || file(&amd_cpu(ZEN3, 0x0a20_1209), zen(&[zen_patch(0x0a20_12ff)])),
            NO,
            Some(0x0a20_1209),
        ),
        row(
            "digest check off",
            "xen-amd-digest-off",
            "check_digest",
            || {
                let bytes = zen(&[zen_patch(0x0a20_12ff)]);
                boot(
                    &amd_cpu(ZEN3, 0x0a20_1209),
                    "ucode=1,digest-check=no",
                    vec![module("u", bytes)],
                )
            },
            YES,
            Some(0x0a20_12ff),
        ),
    ]
}

fn run_time() -> Vec<Row> {
    vec![
        row(
            "newer than what is kept",
            "xen-loaded",
            APPLY,
            || late(&intel_cpu(5), update(9).build(), false, Some(5)),
            YES,
            Some(9),
        ),
        row(
            "not newer than what is kept",
            "xen-late-cache",
            "microcode_update_helper",
            || late(&intel_cpu(5), update(5).build(), false, Some(5)),
            NO,
            Some(5),
        ),
        row(
            "older by force",
            "xen-late-force",
            "microcode_update_helper",
            || late(&intel_cpu(9), update(5).build(), true, Some(9)),
            YES,
            Some(5),
        ),
        row(
            "minimum revision by force",
            "xen-late-force",
            "microcode_update_helper",
            || {
                let patch = amd_patch(0xa212, 0x0a20_1240, 0x0a20_1230, 5568);
                late(&amd_cpu(ZEN3, FIXED), zen(&[patch]), true, None)
            },
            YES,
            Some(0x0a20_1240),
        ),
        row(
            "last level of family 10h, force or not",
            "xen-amd-final-level",
            "check_final_patch_levels",
            || late(&amd_cpu(K10, 0x0100_009f), k10(&[k10_patch(0x0100_00c8)]), true, None),
            NO,
            Some(0x0100_009f),
        ),
        row(
            "cpio archive",
            "xen-late-raw",
            "xen-ucode.c: main",
            || late(&intel_cpu(1), intel_cpio(&update(5).build()), false, None),
            NO,
            Some(1),
        ),
    ]
}

fn rows() -> Vec<Row> {
    [where_it_looks(), who_loads(), intel_files(), amd_files(), run_time()]
        .into_iter()
        .flatten()
        .collect()
}

fn reasons(decision: &Decision) -> Vec<&Reason> {
    let looks = decision.looks.iter();
    let inner = looks.flat_map(|look| {
        let candidates = look.candidates.iter().flat_map(|candidate| &candidate.reasons);
        look.reasons.iter().chain(candidates)
    });
    decision.reasons.iter().chain(inner).collect()
}

#[test]
fn every_case_comes_out_as_the_rule_says() {
    let rows = rows();
    assert!(rows.len() >= 60, "{}", rows.len());
    for row in rows {
        let decision = (row.run)();
        assert_eq!(
            (decision.loads, decision.after.map(|revision| revision.0)),
            (row.loads, row.after),
            "{}: {decision:#?}",
            row.name
        );
        let met = reasons(&decision);
        let reason = met.iter().find(|reason| reason.rule.id == row.rule);
        let reason = reason.unwrap_or_else(|| panic!("{}: {} is not met: {decision:#?}", row.name, row.rule));
        assert!(
            reason.rule.source.contains(row.stands),
            "{}: {}",
            row.name,
            reason.rule.source
        );
        assert_eq!(decision.chosen().is_some(), row.loads == YES, "{}", row.name);
        assert_eq!(
            decision.unknown.is_empty(),
            row.loads.is_some(),
            "{}: {:?}",
            row.name,
            decision.unknown
        );
    }
}

#[test]
fn every_rule_is_met_by_a_case() {
    let decisions: Vec<Decision> = rows().iter().map(|row| (row.run)()).collect();
    let met: Vec<&str> = decisions
        .iter()
        .flat_map(|decision| reasons(decision).into_iter().map(|reason| reason.rule.id))
        .collect();
    let missed: Vec<_> = rules::ALL.iter().filter(|rule| !met.contains(&rule.id)).collect();
    // These two have tests of their own.
    let own = ["xen-intel-table-size", "xen-amd-digest-mismatch"];
    assert!(missed.iter().all(|rule| own.contains(&rule.id)), "{missed:#?}");
}

#[test]
fn table_of_another_size_is_told_where_the_sums_are_right() {
    let decision = file(&intel_cpu(1), update(5).also(SIG, 4).count(2).build());
    assert_eq!(decision.loads, NO);
    assert!(
        reasons(&decision)
            .iter()
            .any(|reason| reason.rule.id == "xen-intel-table-size")
    );
}

#[test]
fn listed_level_with_other_bytes_is_refused_where_the_digest_is_known_and_else_open() {
    for (revision, sha256) in entry_sign::listed(List::Xen4_20) {
        let Revision(level) = revision;
        let high = (level >> 24) << 20 | (level >> 20 & 15) << 16;
        let signature = high | 0xf00 | (level >> 8 & 0xff);
        let size = if level >> 24 == 8 { 3200 } else { 5568 };
        let bytes = amd_container(&[(signature, 0xb0b0)], &[amd_patch(0xb0b0, level, 0, size)]);
        let decision = file(&amd_cpu(signature, (level & !0xff) | 1), bytes);
        if sha256.is_some() {
            assert_eq!(decision.loads, NO, "{revision}");
            let met = reasons(&decision);
            assert!(met.iter().any(|reason| reason.rule.id == "xen-amd-digest-mismatch"));
        } else {
            assert_eq!((decision.loads, decision.unknown.len()), (None, 1), "{revision}");
        }
    }
}

fn outcomes(decision: &Decision) -> Vec<Outcome> {
    let all = decision.looks.iter().flat_map(|look| &look.candidates);
    all.map(|candidate: &Candidate| candidate.outcome).collect()
}

#[test]
fn each_update_of_a_file_has_its_outcome() {
    let mut broken = update(11).build();
    broken[300] ^= 4;
    let parts = [
        Intel::new(0x306c3, 2, 40).build(),
        update(5).build(),
        update(9).build(),
        update(7).build(),
        broken,
        update(12).build(),
    ];
    let decision = file(&intel_cpu(1), parts.concat());
    use Outcome::{Chosen, NotSeen, OtherCpu, Passed, Refused};
    assert_eq!(
        outcomes(&decision),
        [OtherCpu, Passed, Chosen, Passed, Refused, NotSeen]
    );
}

#[test]
fn open_platform_says_which_platform_takes_which_update() {
    let mut cpu = intel_cpu(1);
    cpu.platform = None;
    let decision = file(
        &cpu,
        [Intel::new(SIG, 2, 5).build(), Intel::new(SIG, 0x22, 9).build()].concat(),
    );
    assert_eq!(outcomes(&decision), [Outcome::Depends; 2]);
    let detail = &decision.looks[0].candidates[1].reasons[0].detail;
    assert!(detail.contains("loaded 0x02, 0x20"), "{detail}");
    assert_eq!(decision.unknown, ["platform flags (MSR 17h, bits 52 to 50)"]);
}

#[test]
fn open_revision_says_from_where_on_it_is_refused() {
    let mut cpu = intel_cpu(1);
    cpu.revision = None;
    let decision = file(&cpu, update(0x50).build());
    let detail = &decision.looks[0].candidates[0].reasons[0].detail;
    assert!(detail.contains("loaded from 0x0 on; refused from 0x50 on"), "{detail}");
}

#[test]
fn modules_behind_the_first_hit_are_listed_as_not_seen() {
    let two = [update(5).build(), update(9).build()].map(|bytes| module("initrd", intel_cpio(&bytes)));
    let decision = boot(&intel_cpu(1), "ucode=scan", two.to_vec());
    assert_eq!(outcomes(&decision), [Outcome::Chosen, Outcome::NotSeen]);
    assert_eq!(decision.looks.len(), 3);
}

#[test]
fn zen_6_is_known_by_fred() {
    let signature = 0x00b5_0f00;
    let patch = amd_patch(0xb500, 0x0b50_00ff, 0, 6000);
    let bytes = amd_container(&[(signature, 0xb500)], &[patch]);
    let mut cpu = amd_cpu(signature, 0x0b50_0001);
    let open = file(&cpu, bytes.clone());
    assert_eq!((open.loads, open.unknown.len()), (None, 1));
    cpu.fred = Some(true);
    assert_eq!(file(&cpu, bytes.clone()).loads, YES);
    cpu.fred = Some(false);
    assert_eq!(file(&cpu, bytes).loads, NO);
}

#[test]
fn mutated_files_never_panic_and_keep_the_shape() {
    let intel = [update(5).build(), Intel::new(0xa0652, 0x20, 7).also(SIG, 2).build()].concat();
    let amd = [zen(&[zen_patch(0x0a20_1240)]), k10(&[k10_patch(0x0100_00c8)])].concat();
    let mut open = intel_cpu(1);
    (open.platform, open.revision) = (None, None);
    for seed in 0..500 {
        let bytes = xen_inputs::mutate(&intel, 20_261_121 + seed);
        let first = file(&intel_cpu(1), bytes.clone());
        assert!(first.loads.is_some());
        let _ = file(&open, bytes);
        let bytes = xen_inputs::mutate(&amd, 20_261_121 + seed);
        let decision = file(&amd_cpu(ZEN3, FIXED), bytes.clone());
        assert!(
            decision
                .looks
                .iter()
                .all(|look| look.candidates.len() <= bytes.len() / 64)
        );
        let _ = late(&amd_cpu(ZEN3, FIXED), bytes, seed % 2 == 0, None);
        let bytes = xen_inputs::mutate(&intel_cpio(&intel), 20_261_121 + seed);
        let _ = boot(&intel_cpu(1), "ucode=scan", vec![module("i", bytes)]);
    }
}
