//! The rules of a pool one by one, on hosts made for the purpose.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests may stop"
)]

use cpuid_db::policy::{self, Baseline, CheckOptions, Host, Options, Reason, Refusal, Rule};
use cpuid_db::{Bit, CpuLeaves, Database, GuestCpu, Leaf, LeafSet, Registers, Setting, Subleaf, Words};

type Row = (u32, u32, [u32; 4]);

const INTEL: [u32; 3] = [0x756e_6547, 0x6c65_746e, 0x4965_6e69];
const AMD: [u32; 3] = [0x6874_7541, 0x444d_4163, 0x6974_6e65];
const HYGON: [u32; 3] = [0x6f67_7948, 0x656e_6975, 0x6e65_476e];

/// FXSR SSE SSE2 CX8 CMOV and so on, so that dependencies hold.
const EDX_1: u32 = 0x1783_fbff;
/// SSE3 PCLMULQDQ SSSE3 FMA CX16 SSE4.1 SSE4.2 MOVBE POPCNT AES XSAVE AVX F16C RDRAND.
const ECX_1: u32 = 0x7ed8_3203;

fn cpu(number: u32, vendor: [u32; 3], rows: &[Row]) -> CpuLeaves {
    let mut cpu = CpuLeaves::new(number);
    let mut put = |leaf, subleaf, [a, b, c, d]: [u32; 4]| {
        cpu.insert(Leaf(leaf), Subleaf(subleaf), Registers::new(a, b, c, d));
    };
    for &(leaf, subleaf, registers) in rows {
        put(leaf, subleaf, registers);
    }
    let [b, c, d] = vendor;
    put(0, 0, [0x20, b, c, d]);
    put(1, 0, [0x0005_0650, 0x0000_0800, ECX_1, EDX_1]);
    put(0x8000_0000, 0, [0x8000_0021, 0, 0, 0]);
    put(0x8000_0001, 0, [0, 0, 0x21, 0x2c10_0800]);
    cpu
}

fn host(name: &str, vendor: [u32; 3], rows: &[Row]) -> Host {
    Host::of_cpu(&Database::builtin(), name, &cpu(0, vendor, rows)).unwrap()
}

fn intel(name: &str, rows: &[Row]) -> Host {
    host(name, INTEL, rows)
}

fn with_msr(name: &str, rows: &[Row], value: u64) -> Host {
    let mut cpu = cpu(0, INTEL, rows);
    cpu.insert_msr(0x10a, value);
    Host::of_cpu(&Database::builtin(), name, &cpu).unwrap()
}

fn pool(hosts: &[Host]) -> Baseline {
    policy::baseline(&Database::builtin(), hosts, &Options::default()).unwrap()
}

fn bit(id: &str) -> Bit {
    Database::builtin()
        .by_id(id)
        .unwrap_or_else(|| panic!("{id}"))
        .bit()
        .unwrap()
}

fn lost<'a>(result: &'a Baseline, id: &str) -> &'a policy::Lost {
    let found = result.lost.iter().find(|lost| lost.id == id);
    found.unwrap_or_else(|| panic!("{id} is not lost: {:?}", result.lost))
}

fn warned(result: &Baseline, part: &str) -> bool {
    result.warnings.iter().any(|warning| warning.message.contains(part))
}

fn check(guest: &Baseline, hosts: &[Host]) -> policy::Verdict {
    policy::check(&Database::builtin(), &guest.cpu, hosts, &CheckOptions::default())
}

#[test]
fn no_hosts_have_no_baseline() {
    let refusal = policy::baseline(&Database::builtin(), &[], &Options::default());
    assert_eq!(refusal, Err(Refusal::NoHosts));
}

#[test]
fn vendors_do_not_mix() {
    let hosts = [intel("i", &[]), host("a", AMD, &[])];
    let refusal = policy::baseline(&Database::builtin(), &hosts, &Options::default()).unwrap_err();
    assert_eq!(
        refusal.to_string(),
        "a is AuthenticAMD, i is GenuineIntel: no guest can move between vendors"
    );
    let hygon = [host("a", AMD, &[]), host("h", HYGON, &[])];
    assert!(policy::baseline(&Database::builtin(), &hygon, &Options::default()).is_err());
    let options = Options {
        hygon_with_amd: true,
        ..Options::default()
    };
    assert!(policy::baseline(&Database::builtin(), &hygon, &options).is_ok());
}

#[test]
fn a_feature_needs_every_host() {
    let hosts = [
        intel("a", &[(7, 0, [0, 0x128, 0, 0])]),
        intel("b", &[(7, 0, [0, 0x120, 0, 0])]),
    ];
    let result = pool(&hosts);
    assert!(result.words.has(bit("avx2")) && !result.words.has(bit("bmi1")));
    let bmi1 = lost(&result, "bmi1");
    assert_eq!((&bmi1.hosts_without[..], &bmi1.reason), (&[1][..], &Reason::NotOnEvery));
    assert_eq!(bmi1.why(&hosts), "not on b");
}

#[test]
fn what_is_gone_on_one_host_is_gone_for_the_pool() {
    // FDP_EXCPTN_ONLY and ZERO_FCS_FDS on one host; MD_CLEAR on the other.
    let hosts = [
        intel("a", &[(7, 0, [0, 0x2040, 0, 0])]),
        intel("b", &[(7, 0, [0, 0, 0, 0x400])]),
    ];
    let result = pool(&hosts);
    for id in ["fdp_excptn_only", "zero_fcs_fds", "md_clear"] {
        assert!(result.words.has(bit(id)), "{id}");
        assert!(warned(&result, id), "{id}: {:?}", result.warnings);
    }
    // A guest that was told only what the other host is like is wrong about this one.
    let other = pool(&hosts[1..]);
    let verdict = check(&other, &hosts);
    // It runs all the same: no configuration of QEMU or libvirt tells it by default.
    assert_eq!(verdict.obstacles, []);
    for id in ["fdp_excptn_only", "zero_fcs_fds"] {
        let warning = verdict.warnings.iter().find(|found| found.id == id).unwrap();
        assert_eq!((warning.rule, warning.host), (Rule::Untold, Some(0)));
        assert!(
            warning.message.ends_with("what it sees changes when it moves"),
            "{}",
            warning.message
        );
    }
    // MD_CLEAR where the host lacks it: VERW does not clear there.
    assert!(
        verdict
            .warnings
            .iter()
            .any(|found| (found.id, found.host) == ("md_clear", Some(0)))
    );
}

#[test]
fn vulnerabilities_are_absent_only_when_absent_everywhere() {
    let caps = [(7, 0, [0, 0, 0, 0x2400_0000])];
    // RDCL_NO, IBRS_ALL, MDS_NO, RRSBA; and without MDS_NO.
    let hosts = [with_msr("a", &caps, 0x8_0023), with_msr("b", &caps, 0x3)];
    let result = pool(&hosts);
    assert!(result.words.has(bit("rdctl_no")) && !result.words.has(bit("mds_no")));
    assert!(result.words.has(bit("rrsba")) && !result.words.has(bit("rsba")));
    assert!(check(&result, &hosts).obstacles.is_empty());
}

#[test]
fn without_enhanced_ibrs_the_guest_is_told_rsba() {
    let caps = [(7, 0, [0, 0, 0, 0x2400_0000])];
    let hosts = [with_msr("a", &caps, 0x8_0003), with_msr("b", &caps, 0x1)];
    let result = pool(&hosts);
    assert!(result.words.has(bit("rsba")) && !result.words.has(bit("rrsba")));
    assert_eq!(lost(&result, "rrsba").reason, Reason::Replaced { by: "rsba" });
}

#[test]
fn an_msr_that_was_not_captured_is_said_and_taken_as_0() {
    let caps = [(7, 0, [0, 0, 0, 0x2400_0000])];
    let hosts = [with_msr("a", &caps, 0x23), intel("b", &caps)];
    let result = pool(&hosts);
    assert!(!result.words.has(bit("rdctl_no")));
    assert!(warned(&result, "was not captured on b"), "{:?}", result.warnings);
    let alone = pool(&hosts[..1]);
    let verdict = check(&alone, &hosts);
    assert!(
        verdict
            .obstacles
            .iter()
            .any(|found| found.rule == Rule::NotCaptured && found.id == "rdctl_no")
    );
}

#[test]
fn a_chain_of_dependencies_is_told_to_its_end() {
    let hosts = [
        intel("a", &[(7, 0, [0, 0x8001_0020, 0, 0])]),
        // The same without AVX.
        Host::of_cpu(&Database::builtin(), "b", &{
            let mut cpu = CpuLeaves::new(0);
            cpu.insert(
                Leaf(1),
                Subleaf(0),
                Registers::new(0x50650, 0x800, ECX_1 & !(1 << 28), EDX_1),
            );
            let more = self::cpu(0, INTEL, &[(7, 0, [0, 0x8001_0020, 0, 0])]);
            for (leaf, subleaf, row) in more.rows() {
                cpu.insert(leaf, subleaf, row);
            }
            cpu
        })
        .unwrap(),
    ];
    let result = pool(&hosts);
    assert_eq!(lost(&result, "avx").reason, Reason::NotOnEvery);
    let Reason::Dependency { because } = &lost(&result, "avx512vl").reason else {
        panic!()
    };
    assert_eq!(because, &["avx512f", "avx2", "avx"]);
    assert_eq!(
        lost(&result, "avx512vl").why(&hosts),
        "needs avx512f, which needs avx2, which needs avx"
    );
}

#[test]
fn maxima_and_widths_are_the_least() {
    let rows = |sub, widths| {
        [
            (7, 0, [sub, 0x20, 0, 0]),
            (7, 1, [0x10, 0, 0, 0]),
            (0x8000_0008, 0, [widths, 0, 0, 0]),
        ]
    };
    let hosts = [intel("a", &rows(1, 0x3934)), intel("b", &rows(0, 0x302e))];
    let result = pool(&hosts);
    assert_eq!(result.cpu.leaf(7).unwrap().eax, 0);
    assert_eq!(result.cpu.leaf(0x8000_0008).unwrap().eax, 0x302e);
    assert_eq!(lost(&result, "avx_vnni").reason, Reason::AboveMaximum);
    assert!(warned(&result, "46 to 52 bits"));
    let wide = pool(&hosts[..1]);
    let rules: Vec<_> = check(&wide, &hosts).obstacles.iter().map(|found| found.rule).collect();
    assert!(
        rules.contains(&Rule::AddressWidth) && rules.contains(&Rule::Maximum),
        "{rules:?}"
    );
}

fn xsave(pkru_at: u32) -> Vec<Row> {
    vec![
        (7, 0, [0, 0x20, 8, 0]),
        (0xd, 0, [0x207, pkru_at + 8, pkru_at + 8, 0]),
        (0xd, 1, [0xf, 0, 0, 0]),
        (0xd, 2, [0x100, 0x240, 0, 0]),
        (0xd, 9, [8, pkru_at, 0, 0]),
    ]
}

#[test]
fn xsave_components_in_different_places_are_refused() {
    let hosts = [intel("a", &xsave(0xa80)), intel("b", &xsave(0x980))];
    let refusal = policy::baseline(&Database::builtin(), &hosts, &Options::default()).unwrap_err();
    assert_eq!(
        refusal.to_string(),
        "XSAVE state cannot be moved between the hosts: PKRU: 0x8 bytes at 0xa80 on a; 0x8 bytes at 0x980 on b"
    );
    let options = Options {
        drop_unequal_state: true,
        ..Options::default()
    };
    let result = policy::baseline(&Database::builtin(), &hosts, &options).unwrap();
    assert_eq!(
        lost(&result, "pku").reason,
        Reason::StateUnequal {
            component: "PKRU".to_owned()
        }
    );
    assert_eq!(result.cpu.leaf(0xd).unwrap(), Registers::new(7, 0x340, 0x340, 0));
    assert!(check(&result, &hosts).obstacles.is_empty());
    let alone = pool(&hosts[..1]);
    let verdict = check(&alone, &hosts);
    assert!(
        verdict.obstacles.iter().any(|found| found.rule == Rule::State),
        "{verdict:?}"
    );
}

#[test]
fn a_feature_without_its_component_goes() {
    let mut rows = xsave(0xa80);
    rows[1].2[0] = 0x7;
    rows.pop();
    let hosts = [intel("a", &xsave(0xa80)), intel("b", &rows)];
    let result = pool(&hosts);
    assert_eq!(
        lost(&result, "pku").reason,
        Reason::StateMissing {
            component: "PKRU".to_owned()
        }
    );
}

#[test]
fn leaves_of_the_hypervisor_are_dropped() {
    let hosts = [intel(
        "a",
        &[
            (0x4000_0000, 0, [0x4000_0001, 1, 2, 3]),
            (0x4000_0001, 0, [0x0100_7efb, 0, 0, 0]),
        ],
    )];
    let result = pool(&hosts);
    assert!(result.cpu.row(Leaf(0x4000_0000), Subleaf(0)).is_none());
    assert!(result.lost.iter().any(|lost| lost.reason == Reason::Hypervisor));
}

#[test]
fn bits_nobody_names_are_dropped_and_listed() {
    let hosts = [intel(
        "a",
        &[
            (0x1234_5678, 0, [1, 2, 3, 4]),
            (7, 1, [0, 0, 0, 0]),
            (0x19, 7, [0, 0, 0, 0xff]),
        ],
    )];
    let result = pool(&hosts);
    let unknown: Vec<_> = result
        .lost
        .iter()
        .filter(|lost| lost.reason == Reason::Unknown)
        .collect();
    assert!(
        unknown.iter().any(|lost| lost.word.to_string() == "19.7.edx"),
        "{:?}",
        result.lost
    );
}

#[test]
fn invariant_tsc_needs_a_fixed_frequency() {
    let hosts = [intel("a", &[(0x8000_0007, 0, [0, 0, 0, 0x100])])];
    assert_eq!(lost(&pool(&hosts), "invtsc").reason, Reason::NotMigratable);
    let options = Options {
        fixed_tsc: true,
        ..Options::default()
    };
    let result = policy::baseline(&Database::builtin(), &hosts, &options).unwrap();
    assert!(result.words.has(bit("invtsc")));
    let rules: Vec<_> = check(&result, &hosts)
        .obstacles
        .into_iter()
        .map(|found| found.rule)
        .collect();
    assert_eq!(rules, [Rule::NotMigratable]);
}

#[test]
fn a_partial_host_takes_what_it_does_not_tell() {
    let mut partial = CpuLeaves::new(0);
    partial.insert(Leaf(1), Subleaf(0), Registers::new(0, 0, ECX_1, EDX_1));
    partial.partial = true;
    let partial = Host::of_cpu(&Database::builtin(), "cpuinfo", &partial).unwrap();
    let whole = intel("a", &[(7, 0, [0, 0x20, 0, 0]), (0x8000_0008, 0, [0x302e, 0, 0, 0])]);
    let result = pool(&[whole, partial]);
    assert!(!result.words.has(bit("avx2")) && result.words.has(bit("avx")));
    assert_eq!(result.cpu.leaf(0x8000_0008).unwrap().eax, 0x302e);
    assert!(warned(&result, "cpuinfo tells of some features only"));
}

#[test]
fn features_whose_values_differ_go_with_them() {
    // SEV with the C bit at 47 and at 51.
    let rows = |bit: u32| [(0x8000_001f, 0, [3, bit, 509, 1])];
    let hosts = [host("a", AMD, &rows(47)), host("b", AMD, &rows(51))];
    let result = pool(&hosts);
    assert_eq!(
        result
            .words
            .get(cpuid_db::Word::cpuid(0x8000_001f, 0, cpuid_db::Register::Eax)),
        0
    );
    assert!(
        result
            .lost
            .iter()
            .any(|lost| lost.id == "sev" && lost.reason == Reason::Disagree),
        "{:?}",
        result.lost
    );
}

#[test]
fn hybrid_hosts_count_what_all_their_processors_have() {
    let kind = |number, lip| cpu(number, INTEL, &[(7, 0, [0, 1 << 25, 0, 0]), (0x14, 0, [0, 1, lip, 0])]);
    let set = LeafSet::from_iter([kind(0, 7), kind(1, 0x8000_0007)]);
    let host = Host::of(&Database::builtin(), "h", &set).unwrap();
    assert_eq!(host.notes, ["intel_pt_lip (14.0.ecx): not on CPUs 0"]);
    let result = pool(&[host]);
    assert_eq!(result.cpu.leaf(0x14).unwrap().ecx, 7);
    assert_eq!(result.notes, ["h: intel_pt_lip (14.0.ecx): not on CPUs 0"]);
}

#[test]
fn a_configuration_is_checked_by_its_settings() {
    let hosts = [
        intel("a", &[(7, 0, [0, 0x28, 0, 0])]),
        intel("b", &[(7, 0, [0, 0x20, 0, 0])]),
    ];
    let db = Database::builtin();
    let verdict = |settings: &[(&str, Setting)]| {
        let guest = GuestCpu {
            bits: settings.iter().map(|(id, setting)| (bit(id), *setting)).collect(),
            ..GuestCpu::default()
        };
        let verdict = policy::check_guest(&db, &guest, &hosts, &CheckOptions::default());
        verdict
            .obstacles
            .into_iter()
            .map(|found| (found.host, found.rule))
            .collect::<Vec<_>>()
    };
    assert_eq!(verdict(&[("avx2", Setting::On), ("bmi1", Setting::Off)]), []);
    assert_eq!(verdict(&[("bmi1", Setting::On)]), [(Some(1), Rule::Feature)]);
    assert_eq!(verdict(&[("bmi1", Setting::Force)]), []);
    assert_eq!(verdict(&[("bmi1", Setting::Forbid)]), [(Some(0), Rule::Forbidden)]);
    assert_eq!(verdict(&[("bmi1", Setting::Default)]), [(Some(1), Rule::HostDefault)]);
    // Given by every hypervisor.
    assert_eq!(verdict(&[("x2apic", Setting::On), ("hypervisor", Setting::On)]), []);
    let host_based = GuestCpu {
        host_based: true,
        ..GuestCpu::default()
    };
    let found = policy::check_guest(&db, &host_based, &hosts, &CheckOptions::default()).obstacles;
    assert!(found.iter().all(|found| found.rule == Rule::HostDefault));
    assert_eq!(found.len(), 1);
    assert_eq!(
        found[0].message,
        "b lacks bmi1 (7.0.ebx[3]), which a guest started on a gets"
    );
}

#[test]
fn other_semantics_differ_by_a_rule() {
    let hosts = [
        intel("a", &[(7, 0, [0, 0x8001_0020, 0, 0x400])]),
        intel("b", &[(7, 0, [0, 0x8000_0020, 0, 0])]),
    ];
    let strict = pool(&hosts);
    // A plain intersection.
    let plain: Words = hosts[0]
        .words()
        .bits()
        .filter(|bit| hosts[1].words().has(*bit))
        .collect();
    let all: Words = plain
        .iter()
        .chain(strict.words.iter())
        .map(|(word, _)| (word, u32::MAX))
        .collect();
    let found = policy::compare_results(&Database::builtin(), &hosts, &strict, &plain, &all);
    let told: Vec<_> = found
        .iter()
        .map(|found| (found.id, found.side, found.why.as_str()))
        .collect();
    assert_eq!(
        told,
        [
            ("md_clear", policy::Side::Strict, "strict sets it when any host has it"),
            (
                "avx512vl",
                policy::Side::Other,
                "strict closes dependencies: needs avx512f"
            ),
        ]
    );
}
