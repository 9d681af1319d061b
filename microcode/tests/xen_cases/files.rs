//! What Xen makes of files of both vendors.

use crate::*;

pub fn intel() -> Vec<Row> {
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

pub fn amd() -> Vec<Row> {
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
