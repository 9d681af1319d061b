//! Tests of codenames.

use super::*;
use crate::leaf::{Leaf, Registers, Subleaf};

/// Four characters from a place on, as a register.
fn word(text: &str, at: usize) -> u32 {
    let bytes = text.as_bytes();
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

/// A CPU with a vendor, a signature and a brand.
fn cpu(vendor: &str, signature: u32, brand: &str) -> CpuLeaves {
    let mut cpu = CpuLeaves::new(0);
    let mut row = |leaf, [a, b, c, d]: [u32; 4]| {
        cpu.insert(Leaf(leaf), Subleaf(0), Registers::new(a, b, c, d));
    };
    let part = |at: usize| word(vendor, at);
    row(0, [0x1a, part(0), part(8), part(4)]);
    row(1, [signature, 0, 0, 0]);
    row(0x8000_0000, [0x8000_0004, 0, 0, 0]);
    let brand = format!("{brand:\0<48}");
    for (leaf, at) in [(0x8000_0002, 0), (0x8000_0003, 16), (0x8000_0004, 32)] {
        let part = |offset: usize| word(&brand, at + offset);
        row(leaf, [part(0), part(4), part(8), part(12)]);
    }
    cpu
}

#[test]
fn one_model_has_several_codenames_by_stepping_and_brand() {
    let told = |signature, brand| of(&cpu("GenuineIntel", signature, brand)).codename.unwrap();
    assert_eq!(
        told(0x0005_0654, "Intel(R) Xeon(R) Gold 6130 CPU @ 2.10GHz"),
        "Skylake-SP"
    );
    assert_eq!(
        told(0x0005_0657, "Intel(R) Xeon(R) Platinum 8268 CPU @ 2.90GHz"),
        "Cascade Lake-SP"
    );
    assert_eq!(
        told(0x0005_065b, "Intel(R) Xeon(R) Gold 6328H CPU @ 2.80GHz"),
        "Cooper Lake-SP"
    );
    assert_eq!(
        told(0x0008_06ec, "Intel(R) Core(TM) i5-8265U CPU @ 1.60GHz"),
        "Whiskey Lake-U"
    );
    assert_eq!(
        told(0x0008_06ec, "Intel(R) Core(TM) i7-10610U CPU @ 1.80GHz"),
        "Comet Lake-U"
    );
}

#[test]
fn each_kind_of_core_has_its_microarchitecture() {
    let core = |kind: u32| {
        let mut cpu = cpu("GenuineIntel", 0x000a_06a4, "Intel(R) Core(TM) Ultra 5 125H");
        cpu.insert(Leaf(7), Subleaf(0), Registers::new(0, 0, 0, 1 << 15));
        cpu.insert(Leaf(0x1a), Subleaf(0), Registers::new(kind << 24, 0, 0, 0));
        of(&cpu)
    };
    assert_eq!(core(0x40).microarchitecture.as_deref(), Some("Redwood Cove"));
    assert_eq!(core(0x20).microarchitecture.as_deref(), Some("Crestmont"));
    assert_eq!(core(0x40).line(), "Meteor Lake-H (Redwood Cove), Intel 4");
}

#[test]
fn of_an_unknown_model_only_the_nearest_is_told() {
    let told = of(&cpu("GenuineIntel", 0x000f_06f0, "Genuine Intel(R) 0000"));
    assert_eq!((told.codename, told.microarchitecture), (None, None));
    assert_eq!(
        told.note.as_deref(),
        Some(
            "family 0x6 model 0xff of Intel is not known; the nearest known model of the family is 0xdd (Clearwater Forest)"
        )
    );
}

#[test]
fn flipped_bits_of_the_vendor_are_said() {
    let told = of(&cpu(
        "GenuineIotel",
        0x0003_06c3,
        "Intel(R) Core(TM) i7-4770 CPU @ 3.40GHz",
    ));
    assert_eq!(told.codename, Some("Haswell"));
    assert!(told.note.unwrap().contains("\"GenuineIntel\" with bits flipped"));
}

#[test]
fn emulators_and_virtual_machines_have_no_codename() {
    assert_eq!(
        of(&cpu("Virtual CPU ", 0x0000_0f4a, "Virtual CPU @ 1.2GHz")).codename,
        None
    );
    let qemu = of(&cpu("AuthenticAMD", 0x0006_0fb1, "QEMU Virtual CPU version 2.5+"));
    assert_eq!(qemu.codename, None);
    assert!(qemu.note.unwrap().contains("virtual machine"));
}
