//! Tests of the name tables, on a small list of their own.

use super::*;

const TEXT: &str = "#\n#\tVersion: 2999.01.31\n\n1234  Acme Corporation\n# note\n\t0001  Turbo Card\n\t\t1234 0009  Turbo Board\n\tffff  Last Card\nabcd  Other, Inc. [OI]\n\nC 06  Bridge\n\t04  PCI bridge\n\t\t00  Normal decode\n";

#[test]
fn a_database_is_read_and_looked_up() {
    let names = Names::parse(TEXT.as_bytes());
    assert_eq!(names.damage, []);
    let names = names.value;
    assert_eq!(names.version(), "2999.01.31");
    assert_eq!(
        (names.vendor(0x1234), names.vendor(0xabcd)),
        (Some("Acme Corporation"), Some("Other, Inc. [OI]"))
    );
    assert_eq!((names.vendor(0), names.vendor(0xffff)), (None, None));
    assert_eq!(
        (names.device(0x1234, 1), names.device(0x1234, 0xffff)),
        (Some("Turbo Card"), Some("Last Card"))
    );
    assert_eq!(names.device(0xabcd, 1), None);
    assert_eq!(names.subsystem(0x1234, 1, 0x1234, 9), Some("Turbo Board"));
    let bridge = Class(0x06_0400);
    assert_eq!(
        (names.class(bridge), names.interface(bridge)),
        (Some("PCI bridge"), Some("Normal decode"))
    );
    assert_eq!(
        (names.class(Class(0x06_7700)), names.class(Class(0x77_0000))),
        (Some("Bridge"), None)
    );
}

#[test]
fn unreadable_lines_are_damage_and_the_rest_counts() {
    let names = Names::parse(b"1234  Acme\n\tzz  x\n\t\t1234 0001  y\n\t0002  z\nhello\n\t0003  w\n1235\n");
    let lines: Vec<_> = names.damage.iter().map(|damage| damage.place).collect();
    assert_eq!(lines, [2, 3, 5, 6, 7].map(Place::Line));
    assert_eq!(names.value.device(0x1234, 2), Some("z"));
}

#[test]
fn only_a_newer_version_replaces_the_builtin_one() {
    assert_eq!(Names::newest(TEXT.as_bytes()).value.version(), "2999.01.31");
    let builtin = Names::builtin().version().to_owned();
    for other in [
        TEXT.replace("2999", "1999"),
        TEXT.replace("Version", "Vresion"),
        String::new(),
    ] {
        assert_eq!(Names::newest(other.as_bytes()).value.version(), builtin);
    }
}

#[test]
fn the_builtin_version_equals_its_text() {
    let text = include_bytes!("../../../data/pci.ids");
    let parsed = Names::parse(text);
    assert_eq!(parsed.damage, []);
    assert_eq!(parsed.value.0.bytes(), BUILTIN);
    let names = Names::builtin();
    assert!(names.version() >= "2026.10.24");
    assert_eq!(names.vendor(0x8086), Some("Intel Corporation"));
    assert_eq!(names.class(Class(0x01_0802)), Some("Non-Volatile memory controller"));
    assert_eq!(names.interface(Class(0x01_0802)), Some("NVM Express"));
}

#[test]
fn short_names_are_what_an_owner_says() {
    for (long, short) in [
        ("GA102GL [RTX A5000]", "RTX A5000"),
        ("GH100 [H100 PCIe]", "H100 PCIe"),
        ("MT2892 Family [ConnectX-6 Dx]", "ConnectX-6 Dx"),
        (
            "Navi 21 [Radeon RX 6800/6800 XT / 6900 XT]",
            "Radeon RX 6800/6800 XT / 6900 XT",
        ),
        ("GV100 [TITAN V]", "TITAN V"),
        ("Ethernet Controller X710 for 10GbE SFP+", "X710 10GbE SFP+"),
        ("I350 Gigabit Network Connection", "I350 Gigabit"),
        (
            "SAS2008 PCI-Express Fusion-MPT SAS-2 [Falcon]",
            "SAS2008 PCI-Express Fusion-MPT SAS-2",
        ),
        ("6 port SATA Controller [AHCI mode]", "6 port SATA"),
        (
            "T540-LP-BT Unified Wire Ethernet Controller [VF]",
            "T540-LP-BT Unified Wire VF",
        ),
        ("I350 Ethernet Controller Virtual Function", "I350 VF"),
        ("NVMe SSD Controller PM9A1/PM9A3/980PRO", "NVMe SSD PM9A1/PM9A3/980PRO"),
        ("Ethernet Controller", "Ethernet Controller"),
        ("8 Series PCI Express Root Port 2", "8 Series PCI Express Root Port 2"),
        ("SSD 660P Series", "SSD 660P"),
        (
            "Xeon E5 v3 Integrated Memory Controller 0 Channel 2",
            "Xeon E5 v3 Integrated Memory Controller 0 Channel 2",
        ),
        ("82801IB (ICH9) LPC Interface Controller", "82801IB (ICH9) LPC"),
        (
            "MT416842 BlueField integrated ConnectX-5 network controller",
            "BlueField integrated ConnectX-5",
        ),
        ("2450 NVMe SSD [HendrixV] (DRAM-less)", "2450 NVMe SSD (DRAM-less)"),
        ("Virtio network device", "Virtio network"),
        ("Xeon(R) Thing", "Xeon Thing"),
        ("", ""),
        ("[]", "[]"),
    ] {
        assert_eq!(short_device(long), short, "{long}");
    }
    for (long, short) in [
        ("Intel Corporation", "Intel"),
        ("Advanced Micro Devices, Inc. [AMD/ATI]", "AMD"),
        ("Samsung Electronics Co Ltd", "Samsung"),
        ("Mellanox Technologies", "Mellanox"),
        ("Red Hat, Inc.", "Red Hat"),
        ("Realtek Semiconductor Co., Ltd.", "Realtek"),
        ("Inc", "Inc"),
    ] {
        assert_eq!(short_vendor(long), short);
    }
}

#[test]
fn a_printed_name_loses_its_vendor() {
    let names = Names::builtin();
    let printed = |vendor, name: &str| Function {
        vendor,
        name: Some(name.to_owned()),
        ..Function::default()
    };
    let short = |vendor, name| names.short(&printed(vendor, name));
    let name = "Intel Corporation Ethernet Controller X710 for 10GbE SFP+";
    assert_eq!(short(None, name).as_deref(), Some("X710 10GbE SFP+"));
    assert_eq!(short(Some(0x8086), name).as_deref(), Some("X710 10GbE SFP+"));
    let listed = Function {
        vendor: Some(0x8086),
        device: Some(0x1572),
        ..Function::default()
    };
    assert_eq!(names.short(&listed).as_deref(), Some("X710 10GbE SFP+"));
    assert_eq!(names.short(&Function::default()), None);
}

#[test]
fn unlisted_devices_are_called_by_vendor_and_number() {
    let names = Names::builtin();
    let short = |vendor, device, name: Option<&str>| {
        names.short(&Function {
            vendor,
            device,
            name: name.map(str::to_owned),
            ..Function::default()
        })
    };
    assert_eq!(short(Some(0x8086), Some(0xfffe), None).as_deref(), Some("Intel fffe"));
    assert_eq!(
        short(None, Some(0x0d93), Some("Intel Corporation Device 0d93")).as_deref(),
        Some("Intel 0d93")
    );
    assert_eq!(
        short(Some(0x8086), Some(0xfffe), Some("Intel Corporation Device")).as_deref(),
        Some("Intel fffe")
    );
    assert_eq!(
        short(None, Some(0xc084), Some("No Such Vendor, Inc. Device c084")).as_deref(),
        Some("No Such Vendor c084")
    );
    assert_eq!(
        short(None, None, Some("No Such Vendor Ltd. [NSV] Turbo 3")).as_deref(),
        Some("Turbo 3")
    );
}

#[test]
fn a_text_without_numbers_is_identified_where_names_are_unambiguous() {
    let names = Names::builtin();
    let identify = |class: &str, name: &str| {
        let mut function = Function {
            class_name: Some(class.to_owned()),
            name: Some(name.to_owned()),
            ..Function::default()
        };
        names.identify(std::slice::from_mut(&mut function));
        (function.class.map(|class| class.0), function.vendor, function.device)
    };
    let known = identify(
        "Ethernet controller",
        "Intel Corporation Ethernet Controller X710 for 10GbE SFP+",
    );
    assert_eq!(known, (Some(0x02_0000), Some(0x8086), Some(0x1572)));
    let unlisted = identify("PCI bridge", "Intel Corporation Nothing Of This Name");
    assert_eq!(unlisted, (Some(0x06_0400), Some(0x8086), None));
    assert_eq!(identify("Strange thing", "Nobody At All"), (None, None, None));
}
