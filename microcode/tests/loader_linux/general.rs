//! Whether the loader runs at all, and which file it takes.

use super::linux_inputs::{AMD, INTEL, container, file, initrd as image, intel, member, patch, trailer};
use super::*;

const SIGNATURE: u32 = 0x000b_0671;
const ZEN: u32 = 0x00a2_0f10;

fn update(revision: u32) -> Vec<u8> {
    intel(SIGNATURE, 0x32, revision).build()
}

fn own() -> Cpu {
    intel_cpu(SIGNATURE, 0x02, 0x100)
}

fn with_line(line: &'static str) -> Input {
    Input {
        line,
        ..updates(&[update(0x12f)])
    }
}

fn parts(parts: &[Vec<u8>]) -> Input {
    initrd([parts.concat(), trailer()].concat())
}

#[test]
fn loader_is_off_where_the_kernel_says_so() {
    let vendor = |vendor| Cpu { vendor, ..own() };
    check(&[
        row(
            "plain",
            "linux-loaded",
            "core.c load_ucode_bsp()",
            own(),
            with_line("ro quiet"),
            Loads(0x12f),
        ),
        row(
            "dis_ucode_ldr",
            "linux-dis-ucode-ldr",
            "core.c load_ucode_bsp()",
            own(),
            with_line("ro dis_ucode_ldr"),
            Nothing,
        )
        .outcomes(&[Outcome::NotSeen]),
        row(
            "dis_ucode_ldr=1 is another word",
            "linux-loaded",
            "arch/x86/lib/cmdline.c cmdline_find_option_bool()",
            own(),
            with_line("dis_ucode_ldr=1"),
            Loads(0x12f),
        ),
        row(
            "hypervisor bit",
            "linux-hypervisor",
            "core.c microcode_loader_disabled()",
            Cpu {
                hypervisor: Some(true),
                ..own()
            },
            with_line(""),
            Nothing,
        ),
        row(
            "Pentium",
            "linux-intel-family",
            "core.c load_ucode_bsp()",
            intel_cpu(0x543, 0, 0),
            with_line(""),
            Nothing,
        ),
        row(
            "Hygon",
            "linux-vendor",
            "core.c load_ucode_bsp()",
            vendor(Vendor::Hygon),
            with_line(""),
            Nothing,
        ),
        row(
            "another vendor",
            "linux-vendor",
            "core.c load_ucode_bsp()",
            vendor(Vendor::Other),
            with_line(""),
            Nothing,
        ),
        row(
            "K8",
            "linux-amd-family",
            "core.c load_ucode_bsp()",
            amd_cpu(0x20f12, 0),
            containers(&[container(&[(0x20f12, 0x0f12)], &[patch(0x0f12, 9, 128)])]),
            Nothing,
        ),
        row(
            "final patch level",
            "linux-amd-final-level",
            "core.c amd_check_current_patch_level()",
            amd_cpu(0x100f22, 0x0100_0098),
            containers(&[container(&[(0x100f22, 0x1022)], &[patch(0x1022, 0x0100_00c9, 128)])]),
            Nothing,
        )
        .outcomes(&[Outcome::NotSeen]),
        row(
            "level behind a final one",
            "linux-loaded",
            "core.c amd_check_current_patch_level()",
            amd_cpu(0x100f22, 0x0100_0099),
            containers(&[container(&[(0x100f22, 0x1022)], &[patch(0x1022, 0x0100_00c9, 128)])]),
            Loads(0x0100_00c9),
        ),
        row(
            "final level of AMD on Intel",
            "linux-loaded",
            "core.c amd_check_current_patch_level()",
            intel_cpu(SIGNATURE, 2, 0x0100_0098),
            updates(&[update(0x0100_0099)]),
            Loads(0x0100_0099),
        ),
        row(
            "hypervisor goes before the vendor",
            "linux-hypervisor",
            "core.c load_ucode_bsp()",
            Cpu {
                hypervisor: Some(true),
                ..vendor(Vendor::Other)
            },
            with_line(""),
            Nothing,
        ),
        row(
            "no initrd",
            "linux-initrd-absent",
            "core.c find_microcode_in_initrd()",
            own(),
            Input::default(),
            Nothing,
        ),
    ]);
}

#[test]
fn built_in_firmware_goes_before_the_initrd() {
    let built = |name, bytes| Input {
        built_in: vec![(name, bytes)],
        ..updates(&[update(0x12f)])
    };
    let name = "intel-ucode/06-b7-01";
    let zen = |name| Input {
        built_in: vec![(name, container(&[], &[patch(0xa210, 0x0a20_1030, 128)]))],
        ..containers(&[container(&[], &[patch(0xa210, 0x0a20_1035, 128)])])
    };
    check(&[
        row(
            "built-in, though older",
            "linux-intel-built-in-first",
            "intel.c get_microcode_blob()",
            own(),
            built(name, update(0x110)),
            Loads(0x110),
        )
        .outcomes(&[Outcome::Chosen, Outcome::NotSeen]),
        row(
            "built-in that does not fit hides the initrd",
            "linux-intel-built-in-first",
            "intel.c get_microcode_blob()",
            own(),
            built(name, update(0x90)),
            Nothing,
        )
        .outcomes(&[Outcome::Refused, Outcome::NotSeen]),
        row(
            "empty built-in hides the initrd",
            "linux-empty-file",
            "intel.c get_microcode_blob()",
            own(),
            built(name, Vec::new()),
            Nothing,
        ),
        row(
            "built-in of another stepping",
            "linux-initrd-name",
            "intel.c load_builtin_intel_microcode()",
            own(),
            built("intel-ucode/06-b7-00", update(0x110)),
            Loads(0x12f),
        ),
        row(
            "32-bit kernel",
            "linux-built-in-64-bit-only",
            "intel.c load_builtin_intel_microcode()",
            own(),
            Input {
                is_32_bit: true,
                ..built(name, update(0x110))
            },
            Loads(0x12f),
        ),
        row(
            "AMD built-in by family",
            "linux-amd-built-in-first",
            "amd.c get_builtin_microcode()",
            amd_cpu(ZEN, 0x0a20_1030),
            zen("amd-ucode/microcode_amd_fam19h.bin"),
            Loads(0x0a20_1030),
        ),
        row(
            "AMD built-in of the old name",
            "linux-initrd-name",
            "amd.c get_builtin_microcode()",
            amd_cpu(ZEN, 0x0a20_1030),
            zen("amd-ucode/microcode_amd.bin"),
            Loads(0x0a20_1035),
        ),
    ]);
}

#[test]
fn name_in_the_initrd_is_looked_for_as_the_kernel_does() {
    let old = || file(INTEL, &update(0x110));
    let new = || file(INTEL, &update(0x12f));
    let named = |name: String| file(&name, &update(0x12f));
    let at = "lib/earlycpio.c find_cpio_data()";
    let cut = image(INTEL, &update(0x12f));
    check(&[
        row(
            "first of two",
            "linux-initrd-first-member",
            at,
            own(),
            parts(&[old(), new()]),
            Loads(0x110),
        )
        .outcomes(&[Outcome::Chosen, Outcome::NotSeen]),
        row(
            "second archive",
            "linux-initrd-name",
            at,
            own(),
            parts(&[file("early_cpio", b"1\n"), file("TRAILER!!!", b""), vec![0; 256], new()]),
            Loads(0x12f),
        ),
        row(
            "./ before the path",
            "linux-initrd-name-from-first-byte",
            at,
            own(),
            parts(&[named(format!("./{INTEL}"))]),
            Nothing,
        )
        .outcomes(&[Outcome::NotSeen]),
        row(
            "/ before the path",
            "linux-initrd-name-from-first-byte",
            at,
            own(),
            parts(&[named(format!("/{INTEL}")), old()]),
            Loads(0x110),
        ),
        row(
            "name goes on",
            "linux-initrd-name",
            at,
            own(),
            parts(&[named(format!("{INTEL}.bak")), old()]),
            Loads(0x12f),
        ),
        row(
            "symbolic link",
            "linux-initrd-regular-file",
            at,
            own(),
            parts(&[member(INTEL, 0o120_777, b"x"), new()]),
            Loads(0x12f),
        ),
        row(
            "behind the compressed part",
            "linux-initrd-end",
            at,
            own(),
            initrd([trailer(), new()].concat()),
            Nothing,
        ),
        row(
            "initrd does not begin with cpio",
            "linux-initrd-end",
            at,
            own(),
            initrd([vec![0x28, 0xb5, 0x2f, 0xfd], new()].concat()),
            Nothing,
        ),
        row(
            "padding behind the file is cut",
            "linux-initrd-end",
            at,
            own(),
            initrd(file(INTEL, &[update(0x12f), vec![0]].concat())[..1024 + 148 + 1].to_vec()),
            Nothing,
        ),
        row(
            "initrd cut in the file",
            "linux-initrd-end",
            at,
            own(),
            initrd(cut[..700].to_vec()),
            Nothing,
        ),
        row(
            "empty file first",
            "linux-empty-file",
            "intel.c get_microcode_blob()",
            own(),
            parts(&[file(INTEL, b""), new()]),
            Nothing,
        ),
        row(
            "the other vendor's file",
            "linux-initrd-end",
            at,
            own(),
            parts(&[file(AMD, &update(0x12f))]),
            Nothing,
        ),
    ]);
}

#[test]
fn unknown_hypervisor_bit_is_said() {
    let decision = decide(
        &Cpu {
            hypervisor: None,
            ..own()
        },
        &with_line(""),
    );
    assert_eq!(decision.loads, Some(true));
    assert!(decision.unknown[0].contains("hypervisor"));
    let decision = decide(
        &Cpu {
            hypervisor: None,
            ..own()
        },
        &with_line("dis_ucode_ldr"),
    );
    assert!(decision.unknown.is_empty());
}

#[test]
fn without_a_signature_everything_hangs_on_it() {
    let unknown = Cpu {
        signature: None,
        ..own()
    };
    let decision = decide(&unknown, &with_line(""));
    assert_eq!(
        (decision.loads, decision.looks[0].candidates[0].outcome),
        (None, Outcome::Depends)
    );
    let zen = Cpu {
        vendor: Vendor::Amd,
        ..unknown.clone()
    };
    let decision = decide(&zen, &containers(&[container(&[], &[patch(0xa210, 1, 128)])]));
    assert_eq!((decision.loads, decision.looks[0].candidates.len()), (None, 1));
    assert_eq!(decide(&unknown, &with_line("dis_ucode_ldr")).loads, Some(false));
}

#[test]
fn command_line_is_none() {
    let setup = Early::default();
    assert_eq!(linux::early(&own(), &setup).loads, Some(false));
}
