//! Tests of TLBs.

use super::*;
use crate::leaf::Subleaf;

fn cpu(rows: &[(u32, u32, [u32; 4])]) -> CpuLeaves {
    let mut cpu = CpuLeaves::new(0);
    for &(leaf, subleaf, [a, b, c, d]) in rows {
        cpu.insert(Leaf(leaf), Subleaf(subleaf), Registers::new(a, b, c, d));
    }
    cpu
}

fn vendor(vendor: Vendor) -> Identity {
    Identity {
        vendor,
        ..Identity::default()
    }
}

fn short(list: &[Tlb]) -> Vec<String> {
    list.iter()
        .map(|tlb| {
            let level = tlb.level.map_or(String::new(), |level| level.to_string());
            format!(
                "{level}{} {} {}",
                tlb.kind.name(),
                tlb.pages.names().join("/"),
                tlb.entries
            )
        })
        .collect()
}

#[test]
fn one_descriptor_may_stand_for_two_tlbs() {
    let cpu = cpu(&[(2, 0, [0x7603_6301, 0x00f0_b5ff, 0, 0x00c3_0000])]);
    let list = of(&cpu, &vendor(Vendor::Intel));
    let expected = [
        "instruction 4K 64",
        "instruction 2M/4M 8",
        "data 1G 4",
        "data 2M/4M 32",
        "data 4K 64",
        "2unified 1G 16",
        "2unified 4K/2M 1536",
    ];
    let mut seen = short(&list);
    seen.sort();
    let mut expected: Vec<String> = expected.iter().map(|text| (*text).to_owned()).collect();
    expected.sort();
    assert_eq!(seen, expected);
    let words = descriptors(&cpu, &vendor(Vendor::Intel));
    assert_eq!(
        words[0].meaning,
        "data TLB: 32 entries of 2M/4M, 4-way; data TLB: 4 entries of 1G, 4-way"
    );
    assert!(
        words
            .iter()
            .any(|one| one.byte == 0xff && one.meaning.contains("leaf 4"))
    );
}

#[test]
fn leaf_18_counts_ways_times_sets() {
    let cpu = cpu(&[
        (2, 0, [0x00fe_ff01, 0xf0, 0, 0]),
        (0x18, 0, [2, 0, 0, 0]),
        (0x18, 1, [0, 0x0008_0001, 0x20, 0x4022]),
        (0x18, 2, [0, 0x0010_000f, 1, 0x4125]),
        (0x18, 3, [0, 0x0010_000f, 1, 0x4125]),
    ]);
    let list = of(&cpu, &vendor(Vendor::Intel));
    assert_eq!(short(&list), ["1instruction 4K 256", "1store 4K/2M/4M/1G 16"]);
    assert_eq!((list[1].ways, list[1].shared_by), (Ways::Full, Some(2)));
}

#[test]
fn second_level_of_amd_may_be_unified_or_count_by_32() {
    let rows = [
        (0x8000_0005, 0, [0xff60_ff40, 0xff60_ff40, 0, 0]),
        (0x8000_0006, 0, [0x4080_2040, 0x0000_4040, 0, 0]),
        (0x8000_0019, 0, [0xf060_f040, 0x4020_0000, 0, 0]),
        (0x8000_0021, 0, [1 << 14, 0, 0, 0]),
    ];
    let list = of(&cpu(&rows), &vendor(Vendor::Amd));
    let second: Vec<_> = list.iter().filter(|tlb| tlb.level == Some(2)).copied().collect();
    let expected = [
        "2instruction 2M/4M 2048",
        "2data 1G 1024",
        "2data 2M/4M 4096",
        "2unified 4K 2048",
    ];
    let mut seen = short(&second);
    seen.sort();
    let mut expected: Vec<String> = expected.iter().map(|text| (*text).to_owned()).collect();
    expected.sort();
    assert_eq!(seen, expected);
    assert!(
        of(&cpu(&rows), &vendor(Vendor::Transmeta))
            .iter()
            .all(|tlb| tlb.level == Some(1))
    );
}

#[test]
fn cyrix_has_its_own_meaning_of_a_trace_cache() {
    let mut identity = vendor(Vendor::Other);
    identity.vendor_name = Some("CyrixInstead".to_owned());
    let cpu = cpu(&[(2, 0, [0x7001, 0, 0, 0x80])]);
    assert_eq!(short(&of(&cpu, &identity)), ["unified 4K 32"]);
    assert!(descriptors(&cpu, &identity)[1].meaning.starts_with("L1 cache: 16 KiB"));
}
