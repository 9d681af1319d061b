//! Intel: what a file must be, which update is taken, what differs at run time.

use super::linux_inputs::{Intel, intel, intel_default_size, with_word};
use super::*;

const SIGNATURE: u32 = 0x000b_0671;
const NAME: &str = "intel-ucode/06-b7-01";
const CHECK: &str = "intel.c intel_microcode_sanity_check()";
const SCAN: &str = "intel.c scan_microcode()";
const MATCH: &str = "intel.c intel_find_matching_signature()";

fn update(revision: u32) -> Vec<u8> {
    intel(SIGNATURE, 0x32, revision).build()
}

fn own() -> Cpu {
    intel_cpu(SIGNATURE, 0x02, 0x100)
}

fn extended(signature: u32, revision: u32, list: &[(u32, u32)]) -> Vec<u8> {
    Intel {
        extended: list.to_vec(),
        ..intel(signature, 0x32, revision)
    }
    .build()
}

/// An update with one bit of one byte changed.
fn flipped(mut update: Vec<u8>, at: usize) -> Vec<u8> {
    update[at] ^= 1;
    update
}

#[test]
fn first_bad_update_voids_the_file() {
    let table = || extended(SIGNATURE, 0x130, &[(SIGNATURE, 0x32), (0xb06f2, 7)]);
    let after = |bad: Vec<u8>| updates(&[update(0x12f), bad]);
    let bad = [Outcome::Refused, Outcome::Refused];
    let with_table_count = |count: u32| {
        // The sum of the table stays right: what the count gains, a reserved word loses.
        let mut out = table();
        let at = 1024 - 44;
        let change = count.wrapping_sub(2);
        out[at..at + 4].copy_from_slice(&count.to_le_bytes());
        out[at + 8..at + 12].copy_from_slice(&0u32.wrapping_sub(change).to_le_bytes());
        out
    };
    let with_entry_sum = || {
        let mut out = table();
        let last = u32::from_le_bytes(out[1020..].try_into().unwrap());
        out[1020..].copy_from_slice(&last.wrapping_add(1).to_le_bytes());
        out[1024 - 44 + 8..1024 - 44 + 12].fill(0xff);
        out
    };
    check(&[
        row(
            "bad checksum",
            "linux-intel-checksum",
            CHECK,
            own(),
            after(flipped(update(0x130), 100)),
            Nothing,
        )
        .outcomes(&bad),
        row(
            "bad one first",
            "linux-intel-not-reached",
            SCAN,
            own(),
            updates(&[flipped(update(0x130), 100), update(0x12f)]),
            Nothing,
        )
        .outcomes(&[Outcome::Refused, Outcome::NotSeen]),
        row(
            "voids what was found",
            "linux-intel-first-bad-voids",
            SCAN,
            own(),
            after(flipped(update(0x130), 100)),
            Nothing,
        ),
        row(
            "bad update of another CPU voids too",
            "linux-intel-first-bad-voids",
            SCAN,
            own(),
            after(flipped(intel(0x206a7, 2, 0x2f).build(), 60)),
            Nothing,
        )
        .outcomes(&bad),
        row(
            "one byte behind",
            "linux-intel-trailing-bytes",
            SCAN,
            own(),
            updates(&[update(0x12f), vec![0]]),
            Nothing,
        )
        .outcomes(&[Outcome::Refused]),
        row(
            "47 bytes behind",
            "linux-intel-trailing-bytes",
            SCAN,
            own(),
            updates(&[update(0x12f), vec![0; 47]]),
            Nothing,
        ),
        row(
            "2048 zeros behind",
            "linux-intel-format",
            CHECK,
            own(),
            updates(&[update(0x12f), vec![0; 2048]]),
            Nothing,
        ),
        row(
            "1024 zeros behind",
            "linux-intel-size",
            SCAN,
            own(),
            updates(&[update(0x12f), vec![0; 1024]]),
            Nothing,
        ),
        row(
            "cut in the last update",
            "linux-intel-size",
            SCAN,
            own(),
            updates(&[update(0x12f), update(0x130)[..1000].to_vec()]),
            Nothing,
        ),
        row(
            "data larger than the whole",
            "linux-intel-data-size",
            CHECK,
            own(),
            after(with_word(update(0x130), 28, 1024)),
            Nothing,
        ),
        row(
            "header version 2",
            "linux-intel-format",
            CHECK,
            own(),
            after(
                Intel {
                    header_version: 2,
                    ..intel(SIGNATURE, 0x32, 0x130)
                }
                .build(),
            ),
            Nothing,
        ),
        row(
            "loader version 2",
            "linux-intel-format",
            CHECK,
            own(),
            after(
                Intel {
                    loader_version: 2,
                    ..intel(SIGNATURE, 0x32, 0x130)
                }
                .build(),
            ),
            Nothing,
        ),
        row(
            "table of 16 bytes",
            "linux-intel-table-size",
            CHECK,
            own(),
            after(with_word(update(0x130), 28, 1024 - 48 - 16)),
            Nothing,
        ),
        row(
            "table with half an entry",
            "linux-intel-table-size",
            CHECK,
            own(),
            after(with_word(update(0x130), 28, 1024 - 48 - 28)),
            Nothing,
        ),
        row(
            "table count",
            "linux-intel-table-count",
            CHECK,
            own(),
            after(with_table_count(3)),
            Nothing,
        ),
        row(
            "table count that overflows 32 bits",
            "linux-intel-entry-checksum",
            CHECK,
            own(),
            after(with_table_count(0x4000_0002)),
            Nothing,
        ),
        row(
            "table checksum",
            "linux-intel-table-checksum",
            CHECK,
            own(),
            after(flipped(table(), 1024 - 44 + 4)),
            Nothing,
        ),
        row(
            "entry checksum",
            "linux-intel-entry-checksum",
            CHECK,
            own(),
            after(with_entry_sum()),
            Nothing,
        ),
        row(
            "size of 1024 is not asked for",
            "linux-loaded",
            CHECK,
            own(),
            updates(&[Intel {
                total: 1000,
                ..intel(SIGNATURE, 0x32, 0x12f)
            }
            .build()]),
            Loads(0x12f),
        ),
        row(
            "sizes 0 are 2048 bytes",
            "linux-loaded",
            "intel.c get_totalsize()",
            own(),
            updates(&[intel_default_size(SIGNATURE, 2, 0x12f), update(0x110)]),
            Loads(0x12f),
        ),
    ]);
}

#[test]
fn signature_and_platform_decide() {
    let on = |platforms| updates(&[intel(SIGNATURE, platforms, 0x12f).build()]);
    let old = |platform| intel_cpu(0x619, platform, 0);
    check(&[
        row(
            "platform bit among several",
            "linux-loaded",
            "intel.c cpu_signatures_match()",
            own(),
            on(0x32),
            Loads(0x12f),
        ),
        row(
            "another platform",
            "linux-intel-platform",
            "intel.c cpu_signatures_match()",
            own(),
            on(0x30),
            Nothing,
        )
        .outcomes(&[Outcome::OtherCpu]),
        row(
            "platforms 0 are not all platforms",
            "linux-intel-platform",
            "intel.c cpu_signatures_match()",
            own(),
            on(0),
            Nothing,
        ),
        row(
            "both 0",
            "linux-loaded",
            "intel.c cpu_signatures_match()",
            old(0),
            updates(&[intel(0x619, 0, 0xd2).build()]),
            Loads(0xd2),
        ),
        row(
            "platform of a Pentium Pro is not read",
            "linux-loaded",
            "intel.c intel_collect_cpu_info()",
            old(0x40),
            updates(&[intel(0x619, 0, 0xd2).build()]),
            Loads(0xd2),
        ),
        row(
            "update for a platform on a Pentium Pro",
            "linux-intel-platform",
            "intel.c intel_collect_cpu_info()",
            old(0x40),
            updates(&[intel(0x619, 0x40, 0xd2).build()]),
            Nothing,
        ),
        row(
            "Deschutes has a platform",
            "linux-intel-platform",
            "intel.c intel_collect_cpu_info()",
            intel_cpu(0x650, 1, 0),
            updates(&[intel(0x650, 0, 0x40).build()]),
            Nothing,
        ),
        row(
            "another signature",
            "linux-intel-signature",
            MATCH,
            own(),
            updates(&[intel(0xb0674, 0x32, 0x12f).build()]),
            Nothing,
        )
        .outcomes(&[Outcome::OtherCpu]),
        row(
            "extended signature",
            "linux-intel-extended-signature",
            MATCH,
            own(),
            updates(&[extended(0xb0674, 0x12f, &[(0xb0674, 0x32), (SIGNATURE, 0x02)])]),
            Loads(0x12f),
        ),
        row(
            "platform of the extended signature",
            "linux-intel-platform",
            MATCH,
            own(),
            updates(&[extended(0xb0674, 0x12f, &[(0xb0674, 0x32), (SIGNATURE, 0x10)])]),
            Nothing,
        ),
        row(
            "header does not match, table does with the same signature",
            "linux-intel-extended-signature",
            MATCH,
            intel_cpu(SIGNATURE, 0x40, 0),
            updates(&[extended(SIGNATURE, 0x12f, &[(SIGNATURE, 0x40)])]),
            Loads(0x12f),
        ),
    ]);
}

#[test]
fn highest_revision_above_the_running_one_is_taken() {
    let [chosen, passed, refused] = [Outcome::Chosen, Outcome::Passed, Outcome::Refused];
    let seeded = |seed| {
        Intel {
            seed,
            ..intel(SIGNATURE, 0x32, 0x12f)
        }
        .build()
    };
    check(&[
        row(
            "highest, whatever the order",
            "linux-intel-highest",
            SCAN,
            own(),
            updates(&[update(0x110), update(0x12f), update(0x120)]),
            Loads(0x12f),
        )
        .outcomes(&[passed, chosen, passed]),
        row(
            "equal revision",
            "linux-intel-newer",
            SCAN,
            intel_cpu(SIGNATURE, 2, 0x12f),
            updates(&[update(0x12f)]),
            Nothing,
        )
        .outcomes(&[refused]),
        row(
            "lower revision",
            "linux-intel-newer",
            SCAN,
            intel_cpu(SIGNATURE, 2, 0x130),
            updates(&[update(0x12f)]),
            Nothing,
        ),
        row(
            "revisions are unsigned",
            "linux-intel-newer",
            SCAN,
            intel_cpu(SIGNATURE, 2, 0x8000_0001),
            updates(&[update(0x12f)]),
            Nothing,
        ),
        row(
            "revision with the highest bit",
            "linux-loaded",
            SCAN,
            own(),
            updates(&[update(0x8000_0002)]),
            Loads(0x8000_0002),
        ),
        row(
            "running 0",
            "linux-loaded",
            SCAN,
            intel_cpu(SIGNATURE, 2, 0),
            updates(&[update(1)]),
            Loads(1),
        ),
        row(
            "first of equal ones on the boot CPU, last on the others",
            "linux-intel-ap-last-equal",
            "intel.c save_builtin_microcode()",
            own(),
            updates(&[seeded(1), seeded(2)]),
            Loads(0x12f),
        )
        .outcomes(&[chosen, passed]),
    ]);
}

#[test]
fn missing_platform_makes_one_of_several() {
    let cpu = Cpu {
        platform: None,
        ..own()
    };
    let input = updates(&[
        intel(SIGNATURE, 0x02, 0x12f).build(),
        intel(SIGNATURE, 0x10, 0x131).build(),
    ]);
    let decision = decide(&cpu, &input);
    assert_eq!((decision.loads, decision.after), (None, None));
    let candidates = &decision.looks[0].candidates;
    assert!(candidates.iter().all(|candidate| candidate.outcome == Outcome::Depends));
    assert_eq!(
        candidates[0].reasons.last().unwrap().detail,
        "chosen with platform 0x02"
    );
    assert_eq!(
        decision.unknown,
        [
            "the platform (bits 52 to 50 of MSR 17h; processor_flags in sysfs): 0x12f with 0x02; 0x131 with 0x10; nothing with others"
        ]
    );
    // All platforms are served: the platform decides nothing.
    let decision = decide(&cpu, &updates(&[intel(SIGNATURE, 0xff, 0x12f).build()]));
    assert_eq!(
        (decision.loads, decision.after, decision.unknown.len()),
        (Some(true), Some(Revision(0x12f)), 0)
    );
}

#[test]
fn missing_revision_leaves_the_highest_open() {
    let cpu = Cpu {
        revision: None,
        ..own()
    };
    let decision = decide(
        &cpu,
        &updates(&[update(0x110), update(0x12f), intel(0xb0674, 2, 0x200).build()]),
    );
    let outcomes: Vec<Outcome> = decision.looks[0]
        .candidates
        .iter()
        .map(|candidate| candidate.outcome)
        .collect();
    assert_eq!(outcomes, [Outcome::Passed, Outcome::Depends, Outcome::OtherCpu]);
    let reason = decision.looks[0].candidates[1].reasons.last().unwrap();
    assert_eq!(reason.detail, "chosen with running revision 0x0 to 0x12e");
    assert_eq!(
        (decision.loads, decision.unknown),
        (None, vec!["the running revision".to_owned()])
    );
}

#[test]
fn rules_of_run_time() {
    let with_minimum = |minimum| {
        Intel {
            minimum,
            ..intel(SIGNATURE, 0x32, 0x12f)
        }
        .build()
    };
    let late = |bytes| firmware(NAME, bytes);
    let forced = |bytes| Input {
        force_minrev: Some(true),
        ..late(bytes)
    };
    let lined = |line, bytes| Input { line, ..late(bytes) };
    let broadwell = |revision, cache| Cpu {
        cache_per_core: Some(cache),
        ..intel_cpu(0x406f1, 1, revision)
    };
    let for_broadwell = || firmware("intel-ucode/06-4f-01", intel(0x406f1, 0xef, 0x0b00_0040).build());
    let parse = "intel.c parse_microcode_blobs()";
    let black = "intel.c is_blacklisted()";
    let min = "intel.c ucode_validate_minrev()";
    check(&[
        row(
            "newer one",
            "linux-late-taint",
            parse,
            own(),
            late(update(0x12f)),
            Loads(0x12f),
        ),
        row(
            "safe one",
            "linux-loaded",
            min,
            own(),
            late(with_minimum(0x100)),
            Loads(0x12f),
        ),
        row(
            "safe one under force_minrev",
            "linux-loaded",
            min,
            own(),
            forced(with_minimum(0x100)),
            Loads(0x12f),
        ),
        row(
            "running below the lowest",
            "linux-force-minrev",
            min,
            own(),
            forced(with_minimum(0x101)),
            Nothing,
        )
        .outcomes(&[Outcome::Refused]),
        row(
            "no lowest",
            "linux-intel-minimum-revision",
            min,
            own(),
            forced(update(0x12f)),
            Nothing,
        ),
        row(
            "running below the lowest, not forced",
            "linux-late-taint",
            min,
            own(),
            late(with_minimum(0x101)),
            Loads(0x12f),
        ),
        row(
            "unsafe highest, safe lower under force_minrev",
            "linux-force-minrev",
            parse,
            own(),
            forced([with_minimum(0x80), update(0x200)].concat()),
            Loads(0x12f),
        ),
        row(
            "force_minrev on the command line",
            "linux-force-minrev",
            "core.c module_param(force_minrev)",
            own(),
            lined("microcode.force_minrev=1", update(0x12f)),
            Nothing,
        ),
        row(
            "force_minrev off on the command line",
            "linux-late-taint",
            "core.c module_param(force_minrev)",
            own(),
            Input {
                line: "microcode.force_minrev=off",
                ..forced(update(0x12f))
            },
            Loads(0x12f),
        ),
        row(
            "same revision",
            "linux-intel-newer",
            parse,
            intel_cpu(SIGNATURE, 2, 0x12f),
            late(update(0x12f)),
            Nothing,
        ),
        row(
            "bad update behind",
            "linux-intel-late-first-bad-voids",
            parse,
            own(),
            late([update(0x12f), flipped(update(0x130), 99)].concat()),
            Nothing,
        ),
        row(
            "trailing byte",
            "linux-intel-trailing-bytes",
            parse,
            own(),
            late([update(0x12f), vec![0]].concat()),
            Nothing,
        ),
        row(
            "file of another stepping only",
            "linux-late-file-name",
            "intel.c request_microcode_fw()",
            own(),
            firmware("intel-ucode/06-b7-00", update(0x12f)),
            Nothing,
        ),
        row(
            "NAME.initramfs",
            "linux-late-initramfs-suffix",
            "intel.c request_microcode_fw()",
            own(),
            firmware("intel-ucode/06-b7-01.initramfs", update(0x12f)),
            Nothing,
        )
        .outcomes(&[Outcome::NotSeen]),
        row(
            "compressed file",
            "linux-late-compressed",
            "drivers/base/firmware_loader/main.c _request_firmware()",
            own(),
            firmware("intel-ucode/06-b7-01.zst", update(0x12f)),
            Loads(0x12f),
        ),
        row(
            "plain file goes before the compressed one",
            "linux-late-compressed",
            "drivers/base/firmware_loader/main.c _request_firmware()",
            own(),
            Input {
                firmware: vec![(NAME, update(0x110)), ("intel-ucode/06-b7-01.xz", update(0x12f))],
                ..late(Vec::new())
            },
            Loads(0x110),
        ),
        row(
            "built-in goes before the directory",
            "linux-late-built-in-first",
            "drivers/base/firmware_loader/main.c _request_firmware_prepare()",
            own(),
            Input {
                built_in: vec![(NAME, update(0x110))],
                ..late(update(0x12f))
            },
            Loads(0x110),
        ),
        row(
            "BDF90",
            "linux-intel-bdf90",
            black,
            broadwell(0x0b00_0020, 2_621_441),
            for_broadwell(),
            Nothing,
        )
        .outcomes(&[Outcome::NotSeen]),
        row(
            "BDF90, cache of 2.5 MiB",
            "linux-loaded",
            black,
            broadwell(0x0b00_0020, 2_621_440),
            for_broadwell(),
            Loads(0x0b00_0040),
        ),
        row(
            "BDF90, fixed revision",
            "linux-loaded",
            black,
            broadwell(0x0b00_0021, 9_999_999),
            for_broadwell(),
            Loads(0x0b00_0040),
        ),
        row(
            "BDF90, cache not known",
            "linux-unknown",
            black,
            Cpu {
                cache_per_core: None,
                ..broadwell(0x0b00_0020, 0)
            },
            for_broadwell(),
            Open,
        ),
        row(
            "kernel without late loading",
            "linux-late-config",
            "core.c reload_store()",
            own(),
            Input {
                no_late_loading: true,
                ..late(update(0x12f))
            },
            Nothing,
        ),
        row(
            "hypervisor at run time",
            "linux-hypervisor",
            "core.c microcode_init()",
            Cpu {
                hypervisor: Some(true),
                ..own()
            },
            late(update(0x12f)),
            Nothing,
        ),
        row(
            "dis_ucode_ldr at run time",
            "linux-dis-ucode-ldr",
            "core.c microcode_init()",
            own(),
            lined("dis_ucode_ldr", update(0x12f)),
            Nothing,
        ),
        row(
            "default of force_minrev not known",
            "linux-unknown",
            "core.c force_minrev (CONFIG_MICROCODE_LATE_FORCE_MINREV)",
            own(),
            Input {
                force_minrev: None,
                ..late(update(0x12f))
            },
            Open,
        ),
    ]);
}
