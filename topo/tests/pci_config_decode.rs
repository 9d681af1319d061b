//! Configuration space built here, byte by byte: valid, cut short, looping, unknown, hostile.

// helpers of tests are tests to people, but not to the lints
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::string_slice, clippy::panic)]

use topo::evidence::Place;
use topo::pci::config::{self, BreakKind, Config};
use topo::pci::function::{Bdf, Function, LinkState, PortType};
use topo::pci::header::BarKind;
use topo::pci::link;

/// 4096 bytes that are written to by offset.
struct Space(Vec<u8>);

impl Space {
    fn new(length: usize) -> Self {
        let mut space = Self(vec![0; length]);
        space.put(0x00, 2, 0x8086);
        space.put(0x02, 2, 0x1234);
        space
    }

    fn put(&mut self, offset: usize, width: usize, value: u64) {
        self.0[offset..offset + width].copy_from_slice(&value.to_le_bytes()[..width]);
    }

    /// A capability of the conventional list, which starts at `from`.
    fn capability(&mut self, from: usize, at: usize, id: u64) {
        self.put(0x06, 2, 0x0010);
        self.put(from, 1, at as u64);
        self.put(at, 1, id);
    }

    /// An extended capability that names the next one.
    fn extended(&mut self, at: usize, id: u64, version: u64, next: u64) {
        self.put(at, 4, next << 20 | version << 16 | id);
    }

    fn decode(&self) -> Config {
        let decoded = config::decode(&self.0);
        assert_eq!(decoded.damage, [], "an intact space has no damage");
        decoded.value
    }

    fn damage(&self) -> (Config, Vec<(Place, String)>) {
        let decoded = config::decode(&self.0);
        let damage = decoded.damage.into_iter().map(|one| (one.place, one.seen)).collect();
        (decoded.value, damage)
    }
}

/// A Gen5 endpoint trained to Gen3 x4, with version 2 of the capability at 0x40.
fn endpoint(length: usize) -> Space {
    let mut space = Space::new(length);
    space.put(0x08, 4, 0x0108_0203);
    space.capability(0x34, 0x40, 0x10);
    space.put(0x42, 2, 0x0002);
    space.put(0x44, 4, 0x1000_8fe2);
    space.put(0x48, 2, 0x2830);
    space.put(0x4c, 4, 0x0000_0105);
    space.put(0x52, 2, 0x1043);
    space.put(0x6c, 4, 0x0000_003e);
    space.put(0x70, 2, 0x0005);
    space
}

fn text(config: &Config) -> String {
    let mut out = String::new();
    config::describe(config, &mut out).unwrap();
    out
}

#[test]
fn smallest_header_has_ids_and_no_more() {
    let config = Space::new(64).decode();
    assert_eq!(
        (config.header.vendor, config.header.device),
        (Some(0x8086), Some(0x1234))
    );
    assert!(config.capabilities.is_empty() && config.header.bars.is_empty());
    assert!(!config.capabilities_hidden);
}

#[test]
fn every_shorter_length_keeps_what_is_there() {
    let space = endpoint(4096);
    for length in 0..=4096 {
        let decoded = config::decode(&space.0[..length]);
        assert_eq!(decoded.value.header.vendor.is_some(), length >= 2, "{length}");
        assert_eq!(decoded.value.header.class.is_some(), length >= 12, "{length}");
        assert_eq!(
            decoded.value.capabilities_hidden,
            (8..=64).contains(&length),
            "{length}"
        );
        assert_eq!(decoded.value.express("LnkSta").is_some(), length >= 0x54, "{length}");
        assert_eq!(decoded.value.extended_hidden, (66..=256).contains(&length), "{length}");
        // cut within the capability, or within the header of the extended list
        let whole = length == 64 || (0x74..=256).contains(&length) || length >= 260;
        assert_eq!(decoded.damage.is_empty(), whole, "{length}: {:?}", decoded.damage);
    }
}

#[test]
fn truncated_capability_is_reported_at_its_offset() {
    let (config, damage) = Space(endpoint(256).0[..0x50].to_vec()).damage();
    assert_eq!(damage, [(Place::Offset(0x40), "the end at 0x50".to_owned())]);
    assert!(config.express("LnkCap").is_some() && config.express("LnkSta").is_none());
}

#[test]
fn unprivileged_header_hides_capabilities_without_damage() {
    let config = Space(endpoint(256).0[..64].to_vec()).decode();
    assert!(config.capabilities_hidden);
    assert!(text(&config).contains("needs root"));
}

#[test]
fn all_ones_is_a_function_that_does_not_answer() {
    let (config, damage) = Space(vec![0xff; 4096]).damage();
    assert_eq!(damage.len(), 1);
    assert_eq!(config, Config::default());
}

#[test]
fn facts_of_an_endpoint_reach_the_function() {
    let config = endpoint(4096).decode();
    let mut function = Function {
        bdf: Bdf::default(),
        numa_node: Some(1),
        ..Function::default()
    };
    link::fill(&mut function, &config);
    let told = function.link.unwrap();
    assert_eq!(told.capability, Some(LinkState { speed: 320, width: 16 }));
    assert_eq!(told.status, Some(LinkState { speed: 80, width: 4 }));
    assert!(!told.down);
    assert_eq!(function.port_type, Some(PortType::Endpoint));
    assert_eq!(function.max_payload_supported, Some(512));
    assert_eq!(function.max_payload, Some(256));
    assert_eq!(function.max_read_request, Some(512));
    assert_eq!(function.class.unwrap().kind(), 0x0108);
    assert_eq!(
        function.numa_node,
        Some(1),
        "what configuration space is silent about stays"
    );
    assert_eq!(link::supported_speeds(&config), [25, 50, 80, 160, 320]);
    assert_eq!(link::target_speed(&config), Some(320));
    let text = text(&config);
    assert!(
        text.contains("LnkSta: Speed 8GT/s (downgraded), Width x4 (downgraded), TrErr- Train-"),
        "{text}"
    );
    assert!(
        text.contains("Capabilities: [40] Express: v2, Endpoint, IntMsgNum 0"),
        "{text}"
    );
}

#[test]
fn port_without_a_card_is_down_and_names_its_slot() {
    let mut space = endpoint(256);
    space.put(0x42, 2, 0x0162);
    space.put(0x52, 2, 0x0000);
    space.put(0x54, 4, 0x0028_0040);
    space.put(0x5a, 2, 0x0000);
    let mut function = Function::default();
    link::fill(&mut function, &space.decode());
    assert_eq!(function.port_type, Some(PortType::DownstreamPort));
    assert_eq!((function.slot_number, function.slot_occupied), (Some(5), Some(false)));
    assert!(function.link.unwrap().down);
    assert_eq!(function.link.unwrap().status, None);
}

#[test]
fn integrated_endpoint_has_no_link() {
    let mut space = endpoint(256);
    space.put(0x42, 2, 0x0092);
    let config = space.decode();
    assert_eq!(link::link(&config), None);
    assert!(config.express("DevCtl2").is_some() && config.express("LnkCtl2").is_none());
}

#[test]
fn bridge_header_gives_buses_and_windows() {
    let mut space = Space::new(256);
    space.put(0x0e, 1, 0x81);
    space.put(0x18, 4, 0x0005_0201);
    space.put(0x1c, 2, 0x2010);
    space.put(0x20, 4, 0x90f0_9000);
    space.put(0x24, 4, 0x0011_0001);
    space.put(0x28, 4, 0x0000_0040);
    space.put(0x2c, 4, 0x0000_0040);
    space.put(0x3e, 2, 0x0008);
    let config = space.decode();
    assert!(config.header.multi_function);
    let bridge = config.header.bridge.as_ref().unwrap();
    let buses = bridge.buses.unwrap();
    assert_eq!((buses.primary, buses.secondary, buses.subordinate), (1, 2, 5));
    assert_eq!(bridge.io.unwrap().size(), 0x2000);
    let memory = bridge.memory.unwrap();
    assert_eq!((memory.base, memory.limit), (0x9000_0000, 0x90ff_ffff));
    let prefetchable = bridge.prefetchable.unwrap();
    assert_eq!(
        (prefetchable.base, prefetchable.limit),
        (0x40_0000_0000, 0x40_001f_ffff)
    );
    assert!(bridge.control.as_ref().unwrap().bit(3));
    assert!(text(&config).contains("I/O behind bridge: 1000-2fff [size=8K] [16-bit]"));
}

#[test]
fn bridge_with_closed_or_unknown_windows_says_so() {
    let mut space = Space::new(64);
    space.put(0x0e, 1, 0x01);
    space.put(0x1c, 2, 0x0032);
    space.put(0x20, 4, 0x0000_fff0);
    let config = space.decode();
    let bridge = config.header.bridge.as_ref().unwrap();
    assert_eq!(bridge.io, None);
    assert!(!bridge.memory.unwrap().is_open());
    assert_eq!(bridge.memory.unwrap().size(), 0);
    assert!(text(&config).contains("<unknown range type>"));
}

#[test]
fn cardbus_bridge_has_its_own_windows_and_list() {
    let mut space = Space::new(256);
    space.put(0x04, 2, 0x0003);
    space.put(0x0e, 1, 0x02);
    space.capability(0x14, 0xa0, 0x01);
    space.put(0x18, 4, 0x4007_0605);
    space.put(0x1c, 4, 0x8000_0000);
    space.put(0x20, 4, 0x83ff_f000);
    space.put(0x2c, 4, 0x0000_1000);
    space.put(0x30, 4, 0x0000_10fc);
    space.put(0x3e, 2, 0x0100);
    space.put(0x40, 4, 0x2043_1028);
    let config = space.decode();
    assert_eq!(config.subsystem(), Some((0x1028, 0x2043)));
    assert_eq!(config.capabilities.len(), 1);
    let cardbus = config.header.cardbus.as_ref().unwrap();
    assert_eq!(cardbus.buses.unwrap().secondary, 6);
    assert_eq!(cardbus.memory[0].size(), 0x0400_0000);
    assert_eq!((cardbus.io[0].base, cardbus.io[0].limit), (0x1000, 0x10ff));
    assert!(text(&config).contains("Memory window 0: 80000000-83ffffff (prefetchable)"));
}

#[test]
fn unknown_header_type_is_damage_and_hides_the_rest() {
    let mut space = endpoint(256);
    space.put(0x0e, 1, 0x05);
    let (config, damage) = space.damage();
    assert_eq!(damage, [(Place::Offset(0x0e), "0x05".to_owned())]);
    assert!(config.capabilities.is_empty() && config.header.vendor.is_some());
}

#[test]
fn bars_pair_up_and_the_last_has_no_partner() {
    let mut space = Space::new(64);
    space.put(0x04, 2, 0x0002);
    space.put(0x10, 4, 0x0000_000c);
    space.put(0x14, 4, 0x0000_0012);
    space.put(0x18, 4, 0x0000_e001);
    space.put(0x24, 4, 0xf000_0004);
    space.put(0x30, 4, 0xfe00_0001);
    let header = space.decode().header;
    let kinds: Vec<_> = header
        .bars
        .iter()
        .map(|bar| (bar.index, bar.kind, bar.address))
        .collect();
    assert_eq!(
        kinds,
        [
            (0, BarKind::Memory64, 0x12_0000_0000),
            (2, BarKind::Io, 0xe000),
            (5, BarKind::Memory64, 0xf000_0000),
        ]
    );
    assert!(header.bars[0].prefetchable && header.bars[0].enabled && !header.bars[1].enabled);
    assert_eq!(header.rom.unwrap().address, 0xfe00_0000);
}

#[test]
fn looping_list_ends_and_is_reported() {
    let mut space = Space::new(256);
    space.capability(0x34, 0x50, 0x01);
    space.capability(0x51, 0x60, 0x09);
    space.put(0x61, 1, 0x50);
    let (config, damage) = space.damage();
    assert_eq!(config.capabilities.len(), 2);
    assert_eq!(
        (config.breaks[0].kind, config.breaks[0].offset),
        (BreakKind::Looped, 0x50)
    );
    assert_eq!(damage[0].0, Place::Offset(0x61));
    assert!(text(&config).contains("[50] <chain looped>"));
}

#[test]
fn pointers_into_the_header_or_past_the_end_stop_the_list() {
    for (pointer, length, kind) in [
        (0x20, 256, BreakKind::OutOfSpace),
        (0x04, 256, BreakKind::OutOfSpace),
        (0xf0, 128, BreakKind::OutOfSpace),
    ] {
        let mut space = Space::new(length);
        space.put(0x06, 2, 0x0010);
        space.put(0x34, 1, pointer);
        let (config, damage) = space.damage();
        assert_eq!(config.breaks[0].kind, kind, "{pointer:#x}");
        assert_eq!(damage[0].0, Place::Offset(0x34));
    }
}

#[test]
fn misaligned_pointer_is_reported_and_followed_aligned() {
    let mut space = Space::new(256);
    space.capability(0x34, 0x50, 0x01);
    space.put(0x34, 1, 0x53);
    let (config, damage) = space.damage();
    assert_eq!(config.capabilities[0].offset, 0x50);
    assert_eq!(damage, [(Place::Offset(0x34), "0x53".to_owned())]);
}

#[test]
fn capability_of_ones_breaks_the_list() {
    let mut space = Space::new(256);
    space.capability(0x34, 0x50, 0xff);
    let (config, _) = space.damage();
    assert_eq!(config.breaks[0].kind, BreakKind::Unreadable);
    assert!(config.capabilities.is_empty());
}

#[test]
fn unknown_ids_are_kept_as_bytes() {
    let mut space = endpoint(4096);
    space.put(0x41, 1, 0xa0);
    space.put(0xa0, 4, 0xbeef_007e);
    space.put(0xa4, 4, 0x1122_3344);
    space.extended(0x100, 0x0fff, 3, 0x110);
    space.put(0x104, 4, 0xcafe_f00d);
    space.extended(0x110, 0x0038, 1, 0);
    let config = space.decode();
    let unknown = config.capability(0x7e).unwrap();
    assert_eq!(unknown.name, "Capability ID 0x7e");
    assert_eq!(unknown.rest[..6], [0xef, 0xbe, 0x44, 0x33, 0x22, 0x11]);
    let unknown = config.extended_capability(0x0fff).unwrap();
    assert_eq!((unknown.version, unknown.rest.len()), (Some(3), 12));
    assert!(text(&config).contains("[100 v3] Extended Capability ID 0xfff\n\t\t<undecoded> 0d f0 fe ca"));
    assert_eq!(
        config.extended_capability(0x38).unwrap().name,
        "Scalable I/O Virtualization"
    );
}

#[test]
fn extended_list_loops_leaves_and_reads_ones() {
    for (next, kind) in [
        (0x100, BreakKind::Looped),
        (0x0f0, BreakKind::OutOfSpace),
        (0x200, BreakKind::Unreadable),
    ] {
        let mut space = endpoint(4096);
        space.put(0x0f0, 4, 0x0001_0003);
        space.put(0x200, 4, 0xffff_ffff);
        space.extended(0x100, 0x0003, 1, next);
        let (config, damage) = space.damage();
        assert_eq!(config.breaks[0].kind, kind, "{next:#x}");
        assert_eq!(damage[0].0, Place::Offset(0x100), "{next:#x}");
        assert_eq!(config.extended.len(), 1);
    }
}

#[test]
fn empty_extended_list_is_intact() {
    for header in [0, 0xffff_ffff] {
        let mut space = endpoint(4096);
        space.put(0x100, 4, header);
        assert!(space.decode().extended.is_empty());
    }
}

#[test]
fn serial_number_and_virtual_functions_reach_the_function() {
    let mut space = endpoint(4096);
    space.extended(0x100, 0x0003, 1, 0x140);
    space.put(0x104, 8, 0x0011_2233_4455_6677);
    space.extended(0x140, 0x0010, 1, 0);
    space.put(0x148, 2, 0x0019);
    space.put(0x14e, 2, 64);
    space.put(0x150, 2, 8);
    let config = space.decode();
    let mut function = Function::default();
    link::fill(&mut function, &config);
    assert_eq!(function.serial, Some(0x0011_2233_4455_6677));
    assert_eq!((function.vfs_total, function.vfs_enabled), (Some(64), Some(8)));
    assert!(text(&config).contains("Device Serial Number: 00-11-22-33-44-55-66-77"));
    space.put(0x148, 2, 0x0000);
    link::fill(&mut function, &space.decode());
    assert_eq!(
        function.vfs_enabled,
        Some(0),
        "NumVFs counts only while VF Enable is set"
    );
}

#[test]
fn virtual_function_has_no_ids_of_its_own() {
    let mut space = endpoint(4096);
    space.put(0x00, 4, 0xffff_ffff);
    let mut function = Function::default();
    link::fill(&mut function, &space.decode());
    assert_eq!((function.vendor, function.device), (None, None));
    assert!(function.link.is_some());
}

#[test]
fn bridge_takes_its_subsystem_from_the_capability() {
    let mut space = Space::new(256);
    space.put(0x0e, 1, 0x01);
    space.capability(0x34, 0x40, 0x0d);
    space.put(0x44, 4, 0x225a_17aa);
    assert_eq!(space.decode().subsystem(), Some((0x17aa, 0x225a)));
}

#[test]
fn flit_mode_and_device_3_are_decoded() {
    let mut space = endpoint(4096);
    space.put(0x42, 2, 0x8002);
    space.put(0x4c, 4, 0x0000_0106);
    space.put(0x52, 2, 0x1106);
    space.put(0x6c, 4, 0x0000_007e);
    space.put(0x72, 2, 0x0400);
    space.extended(0x100, 0x0031, 1, 0x120);
    space.put(0x10c, 4, 0x0000_002f);
    space.extended(0x120, 0x002f, 1, 0x140);
    space.put(0x124, 4, 0x0000_0129);
    space.put(0x128, 2, 0x0178);
    space.put(0x12c, 2, 0x0004);
    space.extended(0x140, 0x0032, 1, 0);
    space.put(0x15c, 4, 0x0007_0003);
    let config = space.decode();
    let told = link::link(&config).unwrap();
    assert_eq!(told.status, Some(LinkState { speed: 640, width: 16 }));
    let text = text(&config);
    for expected in [
        "FLIT Mode Supported",
        "LnkCap2: Supported Link Speeds 2.5-64GT/s",
        "FltMode+",
        "Phy64Sta: EquComplete+ EquPhase1+ EquPhase2+ EquPhase3+ LinkEquRequest- TxPrecodeOn+",
        "DevCap3: DMWr Request Routing+ 14-Bit Tag Completer-",
        "Port L0p Exit Latency 2us to less than 4us",
        "Target Link Width Dynamic",
        "UIO Request 256B Boundary-",
        "DevSta3: Initial Link Width x16",
        "MeasSts3: Lane0 3, Lane1 7",
    ] {
        assert!(text.contains(expected), "{expected}\n{text}");
    }
}

#[test]
fn capabilities_that_only_have_a_name_elsewhere_are_decoded() {
    let mut space = endpoint(4096);
    space.extended(0x100, 0x0004, 1, 0x120);
    space.put(0x108, 4, 0x0003_81fa);
    space.put(0x10c, 1, 0x01);
    space.extended(0x120, 0x0016, 1, 0x140);
    space.put(0x124, 4, 0x0201_1102);
    space.put(0x130, 1, 25);
    space.put(0x131, 2, 0x0a0f);
    space.extended(0x140, 0x0029, 1, 0x160);
    space.put(0x144, 4, 0x0000_000d);
    space.extended(0x160, 0x0025, 1, 0x180);
    space.put(0x164, 4, 0x8000_0001);
    space.put(0x168, 4, 0x8000_0001);
    space.extended(0x180, 0x0022, 1, 0x1a0);
    space.put(0x184, 4, 0x8000_0801);
    space.extended(0x1a0, 0x0028, 1, 0);
    let text = text(&space.decode());
    for expected in [
        "PBData: BasePower 25W, PM sub-state 0, PM state D0, Type Maximum, Rail 12V",
        "PBCap: SystemAllocated+",
        "DPACap: SubstateMax 2, LatencyUnit 10ms, PowerScale 1W, Latency0 1, Latency1 2",
        "Substate 1 power: 15",
        "NPEMCap: NPEM+ Reset- OK+ Locate+ Fail-",
        "DLFSta: ScaledFlowControl+, Features 000001, RemoteValid+",
        "RTR1: Reset 1048576ns, DL_Up 0ns, Valid+",
        "Hierarchy ID",
    ] {
        assert!(text.contains(expected), "{expected}\n{text}");
    }
}

#[test]
fn counts_that_promise_more_than_fits_end_with_the_space() {
    let mut space = endpoint(4096);
    space.extended(0x100, 0x0030, 1, 0xff0);
    space.put(0x104, 4, 0x00ff_e003);
    space.extended(0xff0, 0x0005, 1, 0);
    space.put(0xff4, 4, 0x0000_ff00);
    let (config, damage) = space.damage();
    assert_eq!(config.extended.len(), 2);
    assert!(config.extended[0].registers.len() < 2000);
    assert_eq!(damage.last().unwrap().0, Place::Offset(0xff0));
}

#[test]
fn json_has_registers_with_hexadecimal_values() {
    let json = serde_json::to_value(endpoint(4096).decode()).unwrap();
    let express = &json["capabilities"][0];
    assert_eq!(express["name"], "Express");
    assert_eq!(express["registers"][0]["name"], "DevCap");
    assert_eq!(express["registers"][0]["value"], "0x10008fe2");
    assert_eq!(express["registers"][0]["offset"], "0x044");
}

/// A small generator of the same numbers on each run (Knuth's MMIX constants).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % limit
    }
}

#[test]
fn mutated_spaces_neither_panic_nor_grow_without_bound() {
    let mut numbers = Numbers(1);
    let ids = 0x3c;
    for _ in 0..3_000 {
        let mut space = endpoint(4096);
        let (mut std_at, mut from) = (0x80, 0x41);
        while std_at < 0xf0 {
            space.capability(from, std_at, numbers.below(0x18) as u64);
            (from, std_at) = (std_at + 1, std_at + 4 + 4 * numbers.below(8));
        }
        let mut at = 0x100;
        while at < 0xf00 {
            let next = at + 0x10 + 4 * numbers.below(0x40);
            space.extended(at, numbers.below(ids) as u64, numbers.below(16) as u64, next as u64);
            at = next;
        }
        for _ in 0..numbers.below(400) {
            let place = numbers.below(4096);
            space.0[place] = numbers.below(256) as u8;
        }
        space.put(0x06, 2, 0x0010);
        space.0.truncate(if numbers.below(4) == 0 {
            numbers.below(4097)
        } else {
            4096
        });
        let decoded = config::decode(&space.0);
        let text = text(&decoded.value);
        assert!(text.len() < 1_000_000, "{}", text.len());
        link::fill(&mut Function::default(), &decoded.value);
    }
}
