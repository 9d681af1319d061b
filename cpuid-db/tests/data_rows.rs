//! The table itself: what reviewed rows must say, and rows that a user adds.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test")]

use cpuid_db::database::{Combine, Encoding, Kind, Place, Vendors};
use cpuid_db::{Bit, Database, Dialect, Register, Subleaf, Word};

fn bit(leaf: u32, subleaf: u32, register: Register, number: u8) -> Bit {
    Word {
        place: Place::Leaf(leaf),
        subleaf: Subleaf(subleaf),
        register,
    }
    .bit(number)
}

/// A row with `-` for what is not given: place, id, kind, encoding, vendors, requires.
fn row(place: &str, id: &str, kind: &str, encoding: &str, vendors: &str, requires: &str) -> String {
    let place = place.replace(' ', "\t");
    let names = ["-"; 7].join("\t");
    format!("{place}\t{id}\t{kind}\t{encoding}\t{vendors}\t{names}\t{requires}\t-\t-\t-\t-\t-\tof a user\tnotes\n")
}

#[test]
fn every_row_is_described_in_at_most_90_characters_and_names_its_source() {
    for field in Database::builtin().fields() {
        let length = field.description.chars().count();
        assert!((1..=90).contains(&length), "{}: {length}", field.id);
        assert!(!field.source.is_empty(), "{}", field.id);
    }
}

#[test]
fn a_pool_has_a_rule_for_every_feature_and_value() {
    for field in Database::builtin().fields() {
        assert_eq!(field.combine.is_none(), field.kind == Kind::Reserved, "{}", field.id);
        assert!(
            !field.absence || field.combine == Some(Combine::Or),
            "{}: absence is ORed",
            field.id
        );
    }
}

#[test]
fn bits_that_are_dangerous_to_hide_are_ored() {
    let database = Database::builtin();
    let mut ored: Vec<&str> = database
        .fields()
        .filter(|field| field.combine == Some(Combine::Or) && !field.id.starts_with("pmu_"))
        .map(|field| field.id)
        .collect();
    ored.sort_unstable();
    assert_eq!(
        ored,
        [
            "fb_clear",
            "fdp_excptn_only",
            "md_clear",
            "no_lmsl",
            "no_smm_ctl_msr",
            "rfds_clear",
            "rrsba",
            "rsba",
            "verw_clear",
            "wrmsr_xx_base_ns",
            "zero_fcs_fds"
        ]
    );
    for id in [
        "rdctl_no",
        "null_sel_clr_base",
        "lfence_rdtsc",
        "srso_no",
        "btc_no",
        "its_no",
    ] {
        assert_eq!(database.by_id(id).unwrap().combine, Some(Combine::And), "{id}");
    }
}

#[test]
fn what_xen_ors_over_a_pool_is_ored() {
    for field in Database::builtin()
        .fields()
        .filter(|field| field.xen_attr.contains('|'))
    {
        assert_eq!(field.combine, Some(Combine::Or), "{}", field.id);
    }
}

#[test]
fn bits_of_the_running_system_are_dynamic_and_hypervisor_leaves_are_dropped() {
    for field in Database::builtin().fields() {
        let dynamic = ["osxsave", "ospke", "apic", "ext_apic"].contains(&field.id);
        assert_eq!(field.combine == Some(Combine::Dynamic), dynamic, "{}", field.id);
        if matches!(field.place, Place::Leaf(0x4000_0000..=0x4fff_ffff)) {
            assert_eq!(field.combine, Some(Combine::Drop), "{}", field.id);
        }
    }
}

#[test]
fn encodings_say_what_a_value_means() {
    let database = Database::builtin();
    let encoding = |id| &database.by_id(id).unwrap().encoding;
    assert_eq!(
        encoding("cache_ways"),
        &Encoding::Scaled {
            add: 1,
            multiply: 1,
            unit: ""
        }
    );
    assert_eq!(
        encoding("clflush_size"),
        &Encoding::Scaled {
            add: 0,
            multiply: 8,
            unit: "bytes"
        }
    );
    assert_eq!(encoding("l1d_ways"), &Encoding::Ways);
    assert_eq!(encoding("rmp_segment_min"), &Encoding::PowerOfTwo);
    assert_eq!(encoding("vendor_0"), &Encoding::Ascii);
    let Encoding::Names(names) = encoding("topology_level_type") else {
        panic!("names of values");
    };
    assert_eq!(names[1], (1, "SMT"));
}

#[test]
fn a_name_is_looked_up_in_its_dialect() {
    let database = Database::builtin();
    let ids = |dialect, name| -> Vec<&str> { database.lookup(dialect, name).iter().map(|field| field.id).collect() };
    assert_eq!(ids(Dialect::Qemu, "stibp"), ["intel_stibp"]);
    assert_eq!(ids(Dialect::Qemu, "ssb-no"), ["ssb_no"]);
    assert_eq!(ids(Dialect::Xen, "ssb-no"), ["amd_ssb_no"]);
    assert_eq!(ids(Dialect::Libvirt, "sse3"), ["pni"]);
    assert_eq!(ids(Dialect::Libxl, "sse4.1"), ["sse4_1"]);
    assert_eq!(
        ids(Dialect::Libxl, "pclmulqdq"),
        ["pclmulqdq"],
        "libxl knows Xen's names"
    );
    assert_eq!(ids(Dialect::Qemu, "kvmclock"), ["kvmclock", "kvmclock2"]);
    assert_eq!(ids(Dialect::Sdm, "LZCNT"), ["abm"]);
    assert_eq!(ids(Dialect::Apm, "AltMovCr8"), ["cr8_legacy"]);
    assert_eq!(ids(Dialect::Linux, "no_such_name"), [""; 0]);
}

#[test]
fn one_bit_means_what_the_vendor_says() {
    let database = Database::builtin();
    let id = |vendors| {
        database
            .of_bit(bit(0xc000_0001, 0, Register::Edx, 4), vendors)
            .map(|field| field.id)
    };
    assert_eq!(id(Vendors::of(cpuid_db::Vendor::Centaur)), Some("longhaul"));
    assert_eq!(id(Vendors::of(cpuid_db::Vendor::Zhaoxin)), Some("zx_ccs"));
    let id = |vendors| {
        database
            .of_bit(bit(0x4000_0003, 0, Register::Eax, 1), vendors)
            .map(|field| field.id)
    };
    assert_eq!(id(Vendors::HYPERV), Some("hv_ref_counter"));
    assert_eq!(id(Vendors::XEN), Some("xen_host_tsc_reliable"));
    assert_eq!(id(Vendors::KVM), None);
}

#[test]
fn a_row_of_the_user_names_a_bit_that_no_row_covers() {
    let text = row("0x33 2 ecx 5", "novel", "feature", "-", "any", "avx")
        + &row("0x33 2 ecx 9:6", "novel_width", "field", "+1 bits", "intel", "-");
    let decoded = Database::builtin().with_rows(&text);
    assert_eq!(decoded.damage, []);
    let database = decoded.value;
    let id = |number| {
        database
            .of_bit(bit(0x33, 2, Register::Ecx, number), Vendors::ANY)
            .map(|field| field.id)
    };
    assert_eq!((id(5), id(7), id(10)), (Some("novel"), Some("novel_width"), None));
    assert_eq!(database.by_id("novel").unwrap().requires, ["avx"]);
    assert_eq!(database.fields().count(), Database::builtin().fields().count() + 2);
}

#[test]
fn a_row_of_the_user_is_taken_before_a_built_in_one_as_wide_and_before_reserved_bits() {
    let text = row("0x1 0 ecx 28", "my_avx", "feature", "-", "any", "-")
        + &row("0x6 0 eax 21", "granite", "feature", "-", "intel", "-")
        + &row("0x1 0 eax 31:0", "signature", "field", "hex", "any", "-");
    let database = Database::builtin().with_rows(&text).value;
    let id = |bit| database.of_bit(bit, Vendors::ANY).unwrap().id;
    assert_eq!(id(bit(1, 0, Register::Ecx, 28)), "my_avx");
    assert_eq!(id(bit(6, 0, Register::Eax, 21)), "granite");
    assert_eq!(id(bit(1, 0, Register::Eax, 0)), "stepping", "the narrower row");
}

#[test]
fn rows_of_the_user_that_cannot_be_are_damage_with_their_line_and_the_others_stay() {
    let text = String::from("leaf\tsubleaf\n# mine\n\n")
        + &row("0x33 0 eax 0", "avx", "feature", "-", "any", "-")
        + &row("0x33 0 eax 1", "below", "feature", "-", "any", "above")
        + &row("0x33 0 eax 2", "above", "feature", "-", "any", "-")
        + "0x33\t0\n"
        + &row("0x33 0 eax 44", "far", "feature", "-", "any", "-");
    let decoded = Database::builtin().with_rows(&text);
    let damage: Vec<_> = decoded
        .damage
        .iter()
        .map(|damage| (damage.line, damage.seen.as_str()))
        .collect();
    assert_eq!(
        damage,
        [
            (4, "avx"),
            (5, "above"),
            (7, "expected 23 columns, seen 2"),
            (8, "bits: expected N or HIGH:LOW up to 31, seen \"44\"")
        ]
    );
    assert!(decoded.value.by_id("above").is_some() && decoded.value.by_id("below").is_none());
}
