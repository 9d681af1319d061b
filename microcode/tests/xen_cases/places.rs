//! Where Xen looks, on whose behalf, and what it does at run time.

use crate::*;

pub fn where_it_looks() -> Vec<Row> {
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

pub fn who_loads() -> Vec<Row> {
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

pub fn run_time() -> Vec<Row> {
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
