//! Tests of the readers of `lspci` text.

use super::*;
use crate::pci::function::{Buses, Link, LinkState, PortType};

fn one(text: &str) -> (Function, Facts) {
    let listing = parse(text.as_bytes());
    assert_eq!(listing.damage, [], "{text}");
    assert_eq!(listing.value.functions.len(), 1, "{text}");
    (listing.value.functions[0].clone(), listing.value.facts[0].clone())
}

const fn state(speed: u32, width: u32) -> Option<LinkState> {
    Some(LinkState { speed, width })
}

#[test]
fn every_spelling_of_a_slot_line_gives_the_same_ids() {
    for text in [
        "3b:00.0 Ethernet controller [0200]: Acme Corp Turbo [2x] [15b3:1017] (rev 01)\n",
        "3b:00.0 0200: 15b3:1017 (rev 01)\n",
        "3b:00.0 Class 0200: 15b3:1017 (rev 01)",
        "0000:3b:00.0 Ethernet controller [0200]: Device [15b3:1017] (rev 01)\r\n",
        "3b:00.0 \"Ethernet controller [0200]\" \"Acme Corp [15b3]\" \"Turbo [1017]\" -r01 \"\" \"\"\n",
        "3b:00.0 \"0200\" \"15b3\" \"1017\" -r01 -p00 \"15b3\" \"0020\"\n",
        "Slot:\t0000:3b:00.0\nClass:\t0200\nVendor:\t15b3\nDevice:\t1017\nRev:\t01\nNUMANode:\t1\n",
        "Device:\t3b:00.0\nClass:\tEthernet controller [0200]\nVendor:\tAcme [15b3]\nDevice:\tDevice [1017]\nRev:\t01\n",
    ] {
        let (function, _) = one(text);
        assert_eq!(
            (function.vendor, function.device),
            (Some(0x15b3), Some(0x1017)),
            "{text}"
        );
        assert_eq!(function.class.map(|class| class.0), Some(0x02_0000), "{text}");
        assert_eq!(function.revision, Some(1), "{text}");
        assert_eq!(function.bdf.to_string(), "0000:3b:00.0");
    }
}

#[test]
fn names_are_kept_without_ids_and_unnamed_devices_have_none() {
    let (named, _) = one("3b:00.0 SD Host [0805]: Acme, Inc. [AC] Reader: fast [15b3:1017] (prog-if 01 [x (y)])\n");
    assert_eq!(named.name.as_deref(), Some("Acme, Inc. [AC] Reader: fast"));
    assert_eq!(named.class_name.as_deref(), Some("SD Host"));
    assert_eq!(named.class.map(|class| class.0), Some(0x08_0501));
    let (plain, _) = one("00:01.0 Host bridge: Acme Device 14a4 (rev 01)\n");
    assert_eq!((plain.vendor, plain.device), (None, Some(0x14a4)));
    assert_eq!(plain.name.as_deref(), Some("Acme Device 14a4"));
    let (unknown, _) = one("00:01.0 VGA compatible controller: Device 1234:1111 (rev 02)\n");
    assert_eq!(
        (unknown.vendor, unknown.device, unknown.name),
        (Some(0x1234), Some(0x1111), None)
    );
    let (quoted, _) = one("00:01.0 \"A \\\"b\\\" c\" \"V\" \"D\" \"SV\" \"SD\"\n");
    assert_eq!(quoted.class_name.as_deref(), Some("A \"b\" c"));
    assert_eq!(quoted.subsystem_name.as_deref(), Some("SV SD"));
}

const VERBOSE: &str = "\
3a:00.0 PCI bridge: Acme Port (rev 07) (prog-if 00 [Normal decode])
\tSubsystem: Acme Device [1af4:1100]
\tDeviceName: Onboard 1
\tPhysical Slot: 5-2
\tControl: I/O+ Mem+ BusMaster+
\tNUMA node: 1
\tIOMMU group: 42
\tRegion 0: Memory at 90000000 (64-bit, prefetchable) [disabled] [size=16M]
\tRegion 4: I/O ports at <ignored>
\tExpansion ROM at 000c0000 [virtual] [size=128K]
\tBus: primary=3a, secondary=3b, subordinate=3f, sec-latency=0
\tCapabilities: [90] Express (v2) Root Port (Slot+), MSI 00
\t\tDevCap:\tMaxPayload 512 bytes, PhantFunc 0
\t\tDevCtl:\tCorrErr- NonFatalErr-
\t\t\tMaxPayload 256 bytes, MaxReadReq 4096 bytes
\t\tLnkCap:\tPort #3, Speed 16GT/s, Width x16, ASPM L1
\t\tLnkSta:\tSpeed 8GT/s (downgraded), Width x8 (downgraded)
\t\t\tTrErr- Train-
\t\tSltCap:\tAttnBtn-
\t\t\tSlot #7, PowerLimit 75W; Interlock- NoCompl-
\t\tSltSta:\tStatus: AttnBtn- PowerFlt- MRL- CmdCplt- PresDet+ Interlock-
\tCapabilities: [148 v1] Device Serial Number 0c-42-a1-ff-ff-00-11-22
\tCapabilities: [160 v1] Single Root I/O Virtualization (SR-IOV)
\t\tInitial VFs: 64, Total VFs: 64, Number of VFs: 8, Function Dependency Link: 00
\t\tVF offset: 128, stride: 2, Device ID: 1520
\t\tRegion 0: Memory at 0000000091000000 (64-bit, prefetchable)
\tKernel driver in use: pcieport
\tKernel modules: one, two
";

fn check_verbose(function: &Function, facts: &Facts) {
    assert_eq!(function.subsystem_vendor, Some(0x1af4));
    assert_eq!(function.label.as_deref(), Some("Onboard 1"));
    assert_eq!(function.physical_slot.as_deref(), Some("5-2"));
    assert_eq!((function.numa_node, function.iommu_group), (Some(1), Some(42)));
    let buses = Buses {
        primary: 0x3a,
        secondary: 0x3b,
        subordinate: 0x3f,
    };
    assert_eq!((function.buses, function.header_type), (Some(buses), Some(1)));
    assert_eq!(function.port_type, Some(PortType::RootPort));
    let link = Link {
        capability: state(160, 16),
        status: state(80, 8),
        down: false,
    };
    assert_eq!(function.link, Some(link));
    assert_eq!(
        (function.max_payload_supported, function.max_payload),
        (Some(512), Some(256))
    );
    assert_eq!(function.max_read_request, Some(4096));
    assert_eq!((function.slot_number, function.slot_occupied), (Some(7), Some(true)));
    assert_eq!(function.serial, Some(0x0c42_a1ff_ff00_1122));
    assert_eq!((function.vfs_total, function.vfs_enabled), (Some(64), Some(8)));
    assert_eq!(function.vf_routing, Some((128, 2)));
    assert_eq!(function.driver.as_deref(), Some("pcieport"));
    assert_eq!(facts.modules, ["one", "two"]);
    let regions: Vec<_> = facts
        .regions
        .iter()
        .map(|region| (region.number, region.address, region.size))
        .collect();
    assert_eq!(
        regions,
        [
            (Some(0), Some(0x9000_0000), Some(16 << 20)),
            (Some(4), None, None),
            (None, Some(0xc_0000), Some(128 << 10))
        ]
    );
}

#[test]
fn verbose_text_fills_every_field_with_tabs_blanks_or_crlf() {
    for text in [
        VERBOSE.to_owned(),
        VERBOSE.replace('\t', "        "),
        VERBOSE.replace('\n', "\r\n"),
    ] {
        let (function, facts) = one(&text);
        check_verbose(&function, &facts);
    }
}

#[test]
fn every_dialect_of_link_lines_is_read() {
    let link = |body: &str| one(&format!("3a:00.0 0604: 1234:5678\n{body}\n")).0.link.unwrap();
    let down = link(
        "\t\tLnkCap:\tPort #0, Speed 5GT/s, Width x4\n\t\tLnkSta:\tSpeed unknown (downgraded), Width x0 (downgraded)",
    );
    assert_eq!(
        down,
        Link {
            capability: state(50, 4),
            status: None,
            down: true
        }
    );
    let old = link("\t\tLnkSta:\tSpeed 2.5GT/s, Width x16, TrErr- Train- SlotClk+");
    assert_eq!(old.status, state(25, 16));
    assert_eq!(
        link("\t\tLnkSta:\tSpeed 64GT/s (ok), Width x16 (ok)").status,
        state(640, 16)
    );
    let oldest =
        link("\t\tLink: Supported Speed 2.5Gb/s, Width x8, ASPM L0s, Port 0\n\t\tLink: Speed 2.5Gb/s, Width x4");
    assert_eq!(
        oldest,
        Link {
            capability: state(25, 8),
            status: state(25, 4),
            down: false
        }
    );
    let unknown = link("\t\tLnkSta:\tSpeed unknown, Width x8");
    assert_eq!(unknown, Link::default());
}

#[test]
fn an_unreadable_link_line_is_damage_at_its_line() {
    let listing = parse(b"3a:00.0 0604: 1234:5678\n\t\tLnkSta:\tSpeed 8QT/s, Width x8\n\tNUMA node: 1\n");
    assert_eq!(listing.damage.len(), 1);
    assert_eq!(listing.damage[0].place, Place::Line(2));
    assert_eq!(listing.value.functions[0].numa_node, Some(1));
}

#[test]
fn short_verbose_flags_tell_node_and_group() {
    let (function, facts) = one(
        "3a:00.0 0200: 1234:5678\n\tFlags: bus master, fast devsel, IRQ 3, NUMA node 1, IOMMU group 7\n\tMemory at f0000000 (32-bit, non-prefetchable) [size=64]\n\tCapabilities: <access denied>\n",
    );
    assert_eq!((function.numa_node, function.iommu_group), (Some(1), Some(7)));
    assert!(facts.access_denied);
    assert!(!facts.regions[0].prefetchable);
    assert_eq!(facts.regions[0].size, Some(64));
}

#[test]
fn trees_and_prompts_are_skipped_and_counted() {
    let noise = "root@host:~# lspci -tv\n-[0000:00]-+-00.0  Acme\n           \\-01.0-[01]----00.0  Acme\n\n$ lspci\n";
    let listing = parse(format!("{noise}{VERBOSE}\n{noise}").as_bytes());
    assert_eq!(listing.damage, []);
    assert_eq!(listing.value.functions.len(), 1);
    assert_eq!(listing.value.skipped_lines, 8);
}

#[test]
fn impossible_addresses_cost_only_their_device() {
    let text = "00:00.0 0600: 8086:0001\n00:1d.9 0200: 8086:0002\n\tNUMA node: 7\n\n00:20.0 0200: 8086:0003\n00:1f.0 0601: 8086:0004\n";
    let listing = parse(text.as_bytes());
    let lines: Vec<_> = listing.damage.iter().map(|damage| damage.place).collect();
    assert_eq!(lines, [Place::Line(2), Place::Line(5)]);
    let slots: Vec<_> = listing
        .value
        .functions
        .iter()
        .map(|function| function.bdf.to_string())
        .collect();
    assert_eq!(slots, ["0000:00:00.0", "0000:00:1f.0"]);
}

#[test]
fn copies_of_a_slot_merge_and_contradictions_are_told() {
    let listing = parse(
        b"3b:00.0 0200: 15b3:1017\n\n0000:3b:00.0 Ethernet controller [0200]: Acme Turbo [15b3:1017]\n\tNUMA node: 1\n",
    );
    assert_eq!(listing.damage, []);
    assert_eq!(listing.value.functions.len(), 1);
    assert_eq!(listing.value.functions[0].numa_node, Some(1));
    let listing = parse(b"3b:00.0 0200: 15b3:1017\n3b:00.0 0200: 15b3:1018\n3b:00.0 0200: 15b3:1017\n");
    assert_eq!(listing.damage.len(), 2, "{:?}", listing.damage);
    assert_eq!(listing.damage[0].what, "device ID of 0000:3b:00.0");
    assert_eq!(listing.damage[1].seen, "the same lines again");
    assert_eq!(listing.value.functions[0].device, Some(0x1017));
}

#[test]
fn a_function_that_lost_its_slot_line_is_told_once() {
    let listing = parse(b"\tControl: I/O+ Mem+\n00: 86 80 00 01\n10: 00 00 00 00\n\n3b:00.0 0200: 15b3:1017\n");
    assert_eq!(listing.damage.len(), 1);
    assert_eq!(listing.damage[0].place, Place::Line(1));
    assert_eq!(listing.value.functions.len(), 1);
}

#[test]
fn nothing_and_noise_and_endless_lines_are_no_functions() {
    let long = vec![b'a'; 1 << 20];
    for text in [b"".as_slice(), b"\n\n", b"hello", &long, b"\xff\xfe\x00", b"00:00.0"] {
        assert!(parse(text).value.functions.is_empty());
    }
}
