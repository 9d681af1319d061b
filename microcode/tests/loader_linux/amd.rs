//! AMD: containers, patches, cut-offs and digests, what differs at run time.

use super::linux_inputs::{chipset_patch, container, patch, section};
use super::*;

/// Family 10h, 14h, 15h, 16h.
const K10: u32 = 0x0010_0f22;
const BOBCAT: u32 = 0x0050_0f10;
const BULLDOZER: u32 = 0x0060_0f12;
/// Family 19h model 21h; cut-off 0xa20102f.
const ZEN: u32 = 0x00a2_0f10;
const ZEN_ID: u16 = 0xa210;
/// Family 1Ah model 50h: not affected by the weak signature check.
const ZEN_FIXED: u32 = 0x00b5_0f00;
const ABOVE: u32 = 0x0a20_1030;

const PARSE: &str = "amd.c parse_container()";
const SECTION: &str = "amd.c __verify_patch_section()";
const VERIFY: &str = "amd.c verify_patch()";
const SHA: &str = "amd.c verify_sha256_digest()";
const BSP: &str = "amd.c load_ucode_amd_bsp()";

fn zen() -> Cpu {
    amd_cpu(ZEN, ABOVE)
}

fn k10() -> Cpu {
    amd_cpu(K10, 0x0100_0001)
}

fn zen_patch(revision: u32) -> Vec<u8> {
    patch(ZEN_ID, revision, 256)
}

fn old(patches: &[Vec<u8>]) -> Vec<u8> {
    container(&[(0x100f2a, 0x1022), (K10, 0x1022), (0x100f42, 0x1041)], patches)
}

fn new(patches: &[Vec<u8>]) -> Vec<u8> {
    container(&[(ZEN, ZEN_ID)], patches)
}

#[test]
fn patch_is_found_by_its_cpu() {
    let [chosen, other, passed] = [Outcome::Chosen, Outcome::OtherCpu, Outcome::Passed];
    check(&[
        row(
            "by the equivalence table",
            "linux-loaded",
            "amd.c find_equiv_id()",
            k10(),
            containers(&[old(&[patch(0x1041, 9, 960), patch(0x1022, 0x0100_00c9, 960)])]),
            Loads(0x0100_00c9),
        )
        .outcomes(&[other, chosen]),
        row(
            "no row for the CPU",
            "linux-amd-no-equivalence",
            "amd.c find_equiv_id()",
            amd_cpu(0x100f23, 0),
            containers(&[old(&[patch(0x1022, 0x0100_00c9, 960)])]),
            Nothing,
        )
        .outcomes(&[other]),
        row(
            "first row of the signature",
            "linux-amd-equivalence",
            "amd.c find_equiv_id()",
            k10(),
            containers(&[container(
                &[(K10, 0x1041), (K10, 0x1022)],
                &[patch(0x1022, 0x0100_00c9, 960)],
            )]),
            Nothing,
        )
        .outcomes(&[other]),
        row(
            "rows behind an empty one count",
            "linux-loaded",
            "amd.c find_equiv_id()",
            k10(),
            containers(&[container(&[(0, 0), (K10, 0x1022)], &[patch(0x1022, 0x0100_00c9, 960)])]),
            Loads(0x0100_00c9),
        ),
        row(
            "Zen by the patch level",
            "linux-loaded",
            "amd.c mc_patch_matches()",
            zen(),
            containers(&[container(&[], &[zen_patch(0x0a20_1212), zen_patch(0x0a20_1031)])]),
            Loads(0x0a20_1031),
        )
        .outcomes(&[other, chosen]),
        row(
            "Zen, table names another CPU",
            "linux-loaded",
            "amd.c find_equiv_id()",
            zen(),
            containers(&[container(&[(0xa20f12, ZEN_ID)], &[zen_patch(0x0a20_1031)])]),
            Loads(0x0a20_1031),
        ),
        row(
            "Zen, level of another stepping",
            "linux-amd-zen-id",
            "amd.c mc_patch_matches()",
            zen(),
            containers(&[new(&[zen_patch(0x0a20_1131)])]),
            Nothing,
        )
        .outcomes(&[other]),
        row(
            "Zen, processor id of another family",
            "linux-amd-patch-family",
            VERIFY,
            zen(),
            containers(&[new(&[patch(0x8210, 0x0a20_1031, 256)])]),
            Nothing,
        )
        .outcomes(&[other]),
        row(
            "Zen, type of the table is not looked at",
            "linux-loaded",
            "amd.c verify_equivalence_table()",
            zen(),
            containers(&[{
                let mut out = new(&[zen_patch(0x0a20_1031)]);
                out[4] = 7;
                out
            }]),
            Loads(0x0a20_1031),
        ),
        row(
            "last match, not the highest",
            "linux-amd-last-match",
            PARSE,
            zen(),
            containers(&[new(&[zen_patch(0x0a20_1035), zen_patch(0x0a20_1032)])]),
            Loads(0x0a20_1032),
        )
        .outcomes(&[passed, chosen]),
        row(
            "last match equals what runs, a newer one stands before it",
            "linux-amd-equal-again",
            BSP,
            zen(),
            containers(&[new(&[zen_patch(0x0a20_1035), patch(ZEN_ID, 0x0a20_1030, 128)])]),
            Loads(0x0a20_1030),
        ),
        row(
            "other CPUs get the newest",
            "linux-amd-ap-newest",
            "amd.c update_cache()",
            zen(),
            containers(&[new(&[zen_patch(0x0a20_1035), zen_patch(0x0a20_1032)])]),
            Loads(0x0a20_1032),
        ),
        row(
            "the boot CPU at 0, the others get none",
            "linux-amd-ap-newest",
            "amd.c find_patch()",
            amd_cpu(ZEN_FIXED, 0),
            containers(&[container(&[], &[patch(0xb500, 0x0b50_0031, 128)])]),
            Loads(0x0b50_0031),
        ),
    ]);
}

#[test]
fn revision_is_not_lower_than_what_runs() {
    let at = |revision| amd_cpu(K10, revision);
    let one = || containers(&[old(&[patch(0x1022, 0x0100_00c9, 960)])]);
    check(&[
        row("newer", "linux-loaded", BSP, at(0x0100_00c8), one(), Loads(0x0100_00c9)),
        row(
            "equal is applied again",
            "linux-amd-equal-again",
            BSP,
            at(0x0100_00c9),
            one(),
            Loads(0x0100_00c9),
        ),
        row("older", "linux-amd-older", BSP, at(0x0100_00ca), one(), Nothing).outcomes(&[Outcome::Refused]),
        row(
            "older last match hides a newer one",
            "linux-amd-older",
            BSP,
            at(0x0100_00c0),
            containers(&[old(&[patch(0x1022, 0x0100_00c9, 960), patch(0x1022, 0x0100_0050, 960)])]),
            Nothing,
        )
        .outcomes(&[Outcome::Passed, Outcome::Refused]),
    ]);
}

#[test]
fn containers_follow_each_other() {
    let hit = || old(&[patch(0x1022, 0x0100_00c9, 960)]);
    let newer = || old(&[patch(0x1022, 0x0100_00d0, 960)]);
    let miss = || old(&[patch(0x1041, 9, 960)]);
    let junk = || section(&patch(0x1022, 0x0100_00d1, 960))[..500].to_vec();
    let typed = |kind: u8| {
        let mut out = section(&patch(0x1022, 0x0100_00d1, 960));
        out[0] = kind;
        out
    };
    let table = |at: usize, value: u8| {
        let mut out = hit();
        out[at] = value;
        out
    };
    check(&[
        row(
            "second container",
            "linux-loaded",
            "amd.c scan_containers()",
            k10(),
            containers(&[miss(), hit()]),
            Loads(0x0100_00c9),
        ),
        row(
            "first container with a match",
            "linux-amd-first-container",
            PARSE,
            k10(),
            containers(&[hit(), newer()]),
            Loads(0x0100_00c9),
        )
        .outcomes(&[Outcome::Chosen, Outcome::NotSeen]),
        row(
            "container of another family first",
            "linux-loaded",
            "amd.c scan_containers()",
            zen(),
            containers(&[hit(), new(&[zen_patch(0x0a20_1031)])]),
            Loads(0x0a20_1031),
        ),
        row(
            "bad section behind a match",
            "linux-amd-section-header",
            SECTION,
            k10(),
            containers(&[hit(), vec![9; 64]]),
            Loads(0x0100_00c9),
        ),
        row(
            "zeros behind a match",
            "linux-amd-section-header",
            SECTION,
            k10(),
            containers(&[hit(), vec![0; 512]]),
            Loads(0x0100_00c9),
        ),
        row(
            "bad section hides what follows in the container",
            "linux-amd-container-magic",
            "amd.c scan_containers()",
            k10(),
            containers(&[miss(), typed(2), section(&patch(0x1022, 0x0100_00d0, 960))]),
            Nothing,
        ),
        row(
            "bad section hides later containers",
            "linux-amd-container-end",
            "amd.c scan_containers()",
            k10(),
            containers(&[miss(), typed(2), hit()]),
            Nothing,
        )
        .outcomes(&[Outcome::OtherCpu, Outcome::NotSeen]),
        row(
            "cut section",
            "linux-amd-patch-cut",
            VERIFY,
            k10(),
            containers(&[miss(), junk()]),
            Nothing,
        )
        .outcomes(&[Outcome::OtherCpu, Outcome::Refused]),
        row(
            "short patch",
            "linux-amd-patch-short",
            SECTION,
            k10(),
            containers(&[miss(), {
                let mut out = section(&[0; 64]);
                out[4] = 63;
                out
            }]),
            Nothing,
        ),
        row(
            "no container at all",
            "linux-amd-container-magic",
            "amd.c verify_container()",
            k10(),
            containers(&[vec![0; 100]]),
            Nothing,
        ),
        row(
            "a header and nothing else",
            "linux-amd-container-header",
            "amd.c verify_container()",
            zen(),
            containers(&[hit()[..12].to_vec()]),
            Nothing,
        ),
        row(
            "type of the table",
            "linux-amd-table-type",
            "amd.c verify_equivalence_table()",
            k10(),
            containers(&[table(4, 1)]),
            Nothing,
        ),
        row(
            "table without a row",
            "linux-amd-table-size",
            "amd.c verify_equivalence_table()",
            k10(),
            containers(&[table(8, 15)]),
            Nothing,
        ),
        row(
            "table behind the end",
            "linux-amd-table-size",
            "amd.c verify_equivalence_table()",
            k10(),
            containers(&[table(10, 9)]),
            Nothing,
        ),
        row(
            "Zen, table behind the end",
            "linux-amd-table-behind-file",
            PARSE,
            zen(),
            containers(&[{
                let mut out = new(&[zen_patch(0x0a20_1031)]);
                out[10] = 9;
                out
            }]),
            Nothing,
        ),
    ]);
}

#[test]
fn patches_have_limits_by_family() {
    let of = |signature, id, length| containers(&[container(&[(signature, id)], &[patch(id, 0x0500_0119, length)])]);
    check(&[
        row(
            "family 10h, 2048 bytes",
            "linux-loaded",
            "amd.c __verify_patch_size()",
            k10(),
            containers(&[old(&[patch(0x1022, 0x0100_00c9, 2048)])]),
            Loads(0x0100_00c9),
        ),
        row(
            "family 10h, 2049 bytes",
            "linux-amd-patch-limit",
            "amd.c __verify_patch_size()",
            k10(),
            containers(&[old(&[patch(0x1022, 0x0100_00c9, 2049)])]),
            Nothing,
        )
        .outcomes(&[Outcome::Refused]),
        row(
            "family 14h, 1824 bytes",
            "linux-loaded",
            "amd.c __verify_patch_size()",
            amd_cpu(BOBCAT, 0),
            of(BOBCAT, 0x5010, 1824),
            Loads(0x0500_0119),
        ),
        row(
            "family 14h, 1825 bytes",
            "linux-amd-patch-limit",
            "amd.c __verify_patch_size()",
            amd_cpu(BOBCAT, 0),
            of(BOBCAT, 0x5010, 1825),
            Nothing,
        ),
        row(
            "family 15h, 9000 bytes",
            "linux-loaded",
            "amd.c __verify_patch_size()",
            amd_cpu(BULLDOZER, 0),
            of(BULLDOZER, 0x6012, 9000),
            Loads(0x0500_0119),
        ),
        row(
            "a large patch of another family ends the search on family 10h",
            "linux-amd-patch-limit",
            "amd.c __verify_patch_size()",
            k10(),
            containers(&[old(&[patch(0x6012, 1, 2600), patch(0x1022, 0x0100_00c9, 960)])]),
            Nothing,
        )
        .outcomes(&[Outcome::Refused, Outcome::NotSeen]),
        row(
            "chipset patch",
            "linux-amd-chipset",
            VERIFY,
            k10(),
            containers(&[old(&[chipset_patch(0x1022, 0x0100_00c9)])]),
            Nothing,
        )
        .outcomes(&[Outcome::Refused]),
        row(
            "chipset patch ends the container",
            "linux-amd-chipset",
            VERIFY,
            k10(),
            containers(&[old(&[chipset_patch(0x1041, 9), patch(0x1022, 0x0100_00c9, 960)])]),
            Nothing,
        )
        .outcomes(&[Outcome::Refused, Outcome::NotSeen]),
    ]);
}

#[test]
fn weak_signatures_are_kept_apart() {
    let below = || amd_cpu(ZEN, 0x0a20_1020);
    let off = |line, patches: &[Vec<u8>]| Input {
        line,
        ..containers(&[new(patches)])
    };
    check(&[
        row(
            "running below, patch above the cut-off",
            "linux-amd-cutoff-side",
            VERIFY,
            below(),
            containers(&[new(&[zen_patch(0x0a20_1030)])]),
            Nothing,
        )
        .outcomes(&[Outcome::Refused]),
        row(
            "running above, patch not",
            "linux-amd-cutoff-side",
            VERIFY,
            zen(),
            containers(&[new(&[zen_patch(0x0a20_102f)])]),
            Nothing,
        )
        .outcomes(&[Outcome::Refused]),
        row(
            "the side is looked at before the last match",
            "linux-amd-cutoff-side",
            VERIFY,
            zen(),
            containers(&[new(&[zen_patch(0x0a20_1031), zen_patch(0x0a20_102f)])]),
            Loads(0x0a20_1031),
        )
        .outcomes(&[Outcome::Chosen, Outcome::Refused]),
        row(
            "above the cut-off no digest is asked for",
            "linux-amd-digest-not-asked",
            "amd.c need_sha_check()",
            zen(),
            containers(&[new(&[zen_patch(0x0a20_1031)])]),
            Loads(0x0a20_1031),
        ),
        row(
            "not listed",
            "linux-amd-digest-unlisted",
            SHA,
            below(),
            containers(&[new(&[zen_patch(0x0a20_1025)])]),
            Nothing,
        )
        .outcomes(&[Outcome::Refused]),
        row(
            "digest check off",
            "linux-amd-sha-check-off",
            BSP,
            below(),
            off("microcode.amd_sha_check=off", &[zen_patch(0x0a20_1025)]),
            Loads(0x0a20_1025),
        ),
        row(
            "digest check offline is off too",
            "linux-amd-sha-check-off",
            BSP,
            below(),
            off("microcode.amd_sha_check=offline", &[zen_patch(0x0a20_1025)]),
            Loads(0x0a20_1025),
        ),
        row(
            "digest check off, then on",
            "linux-amd-digest-unlisted",
            BSP,
            below(),
            off(
                "microcode.amd_sha_check=off microcode.amd_sha_check=on",
                &[zen_patch(0x0a20_1025)],
            ),
            Nothing,
        ),
        row(
            "digest check off does not help the wrong side",
            "linux-amd-cutoff-side",
            VERIFY,
            below(),
            off("microcode.amd_sha_check=off", &[zen_patch(0x0a20_1030)]),
            Nothing,
        ),
        row(
            "running 0: no side, but a digest",
            "linux-amd-digest-unlisted",
            "amd.c need_sha_check()",
            amd_cpu(ZEN, 0),
            containers(&[new(&[zen_patch(0x0a20_1030)])]),
            Nothing,
        ),
        row(
            "no cut-off for the running revision",
            "linux-amd-digest-unlisted",
            "amd.c need_sha_check()",
            amd_cpu(0x00a9_0f00, 0x0a90_0001),
            containers(&[new(&[patch(0xa900, 0x0a90_0002, 128)])]),
            Nothing,
        ),
        row(
            "model that is not affected",
            "linux-loaded",
            "amd.c cpu_has_entrysign()",
            amd_cpu(ZEN_FIXED, 0x0b50_0001),
            containers(&[new(&[patch(0xb500, 0x0b50_0002, 128)])]),
            Loads(0x0b50_0002),
        ),
        row(
            "before family 17h",
            "linux-loaded",
            "amd.c cpu_has_entrysign()",
            amd_cpu(BULLDOZER, 1),
            containers(&[container(&[(BULLDOZER, 0x6012)], &[patch(0x6012, 0x0600_063e, 2592)])]),
            Loads(0x0600_063e),
        ),
    ]);
}

#[test]
fn rules_of_run_time() {
    let late = |bytes| firmware("amd-ucode/microcode_amd_fam19h.bin", bytes);
    let k10_late = |bytes| firmware("amd-ucode/microcode_amd.bin", bytes);
    let load = "amd.c load_microcode_amd()";
    let inner = "amd.c __load_microcode_amd()";
    let two = || new(&[zen_patch(0x0a20_1035), zen_patch(0x0a20_1032)]);
    check(&[
        row(
            "newer",
            "linux-late-taint",
            load,
            zen(),
            late(new(&[zen_patch(0x0a20_1031)])),
            Loads(0x0a20_1031),
        ),
        row(
            "equal is not loaded again",
            "linux-amd-late-newer",
            load,
            zen(),
            late(new(&[zen_patch(ABOVE)])),
            Nothing,
        )
        .outcomes(&[Outcome::Refused]),
        row(
            "newest, not the last",
            "linux-amd-late-newest",
            "amd.c update_cache()",
            zen(),
            late(two()),
            Loads(0x0a20_1035),
        )
        .outcomes(&[Outcome::Chosen, Outcome::Passed]),
        row(
            "force_minrev",
            "linux-amd-force-minrev",
            "amd.c request_microcode_amd()",
            zen(),
            Input {
                force_minrev: Some(true),
                ..late(two())
            },
            Nothing,
        )
        .outcomes(&[Outcome::NotSeen, Outcome::NotSeen]),
        row(
            "two containers",
            "linux-amd-late-void",
            inner,
            zen(),
            late([two(), two()].concat()),
            Nothing,
        )
        .outcomes(&[Outcome::Refused, Outcome::Refused, Outcome::NotSeen, Outcome::NotSeen]),
        row(
            "byte behind the container",
            "linux-amd-late-void",
            inner,
            zen(),
            late([two(), vec![0]].concat()),
            Nothing,
        ),
        row(
            "chipset patch",
            "linux-amd-late-void",
            inner,
            zen(),
            late(new(&[zen_patch(0x0a20_1031), chipset_patch(ZEN_ID, 0x0a20_1001)])),
            Nothing,
        ),
        row(
            "found by the running revision",
            "linux-amd-late-by-revision",
            "amd.c find_patch()",
            amd_cpu(ZEN_FIXED, 0),
            firmware(
                "amd-ucode/microcode_amd_fam1ah.bin",
                new(&[patch(0xb500, 0x0b50_0002, 128)]),
            ),
            Nothing,
        )
        .outcomes(&[Outcome::Refused]),
        row(
            "file of another family",
            "linux-late-file-name",
            "amd.c request_microcode_amd()",
            zen(),
            k10_late(two()),
            Nothing,
        ),
        row(
            "family 10h",
            "linux-loaded",
            "amd.c request_microcode_amd()",
            k10(),
            k10_late(old(&[patch(0x1022, 0x0100_00c9, 960)])),
            Loads(0x0100_00c9),
        ),
        row(
            "table alone",
            "linux-amd-late-void",
            inner,
            k10(),
            k10_late(old(&[])),
            Nothing,
        ),
        row(
            "digest at run time",
            "linux-amd-digest-unlisted",
            SHA,
            amd_cpu(ZEN, 0x0a20_1020),
            late(new(&[zen_patch(0x0a20_1025)])),
            Nothing,
        ),
    ]);
}

#[test]
fn missing_revision_leaves_open_on_which_side_of_the_cutoff_it_is() {
    let cpu = Cpu {
        revision: None,
        ..zen()
    };
    let decision = decide(&cpu, &containers(&[new(&[zen_patch(0x0a20_1035)])]));
    assert_eq!(decision.loads, None);
    let candidate = &decision.looks[0].candidates[0];
    assert_eq!(candidate.outcome, Outcome::Depends);
    assert_eq!(
        candidate.reasons.last().unwrap().detail,
        "chosen with running revision 0xa201030 to 0xa201035"
    );
    assert_eq!(decision.unknown, ["the running revision"]);
}

#[test]
fn digest_that_is_not_known_here_is_said_to_be_unknown() {
    use microcode::entry_sign::{List, listed};
    let unknown = listed(List::Linux6_12).find(|(revision, digest)| digest.is_none() && revision.0 >> 24 == 0x0a);
    let Some((revision, _)) = unknown else { return };
    // The signature that the patch level holds, and a revision just below the patch.
    let level = revision.0;
    let signature = (level & 0xff00_0000) >> 4 | (level & 0x00f0_0000) >> 4 | 0xf00 | (level >> 8 & 0xff);
    let decision = decide(
        &amd_cpu(signature, level - 1),
        &containers(&[new(&[patch(ZEN_ID, level, 128)])]),
    );
    assert_eq!((decision.loads, decision.unknown.len()), (None, 1));
    assert_eq!(decision.looks[0].candidates[0].outcome, Outcome::Depends);
}
