//! Places by naming style, on machines made up for the purpose.

use super::*;
use crate::smbios::{MemoryArray, Processor, System};

/// A machine of a maker, with processors of one signature and name, and slots of these names.
fn machine(maker: &str, cpus: &[&str], id: u64, version: &str, slots: &[(String, Option<&str>)]) -> Smbios {
    let processor = |name: &&str| Processor {
        socket: Some((*name).to_owned()),
        populated: Some(true),
        manufacturer: Some("Intel".to_owned()),
        version: Some(version.to_owned()),
        id: Some(id),
        ..Processor::default()
    };
    let module = |(locator, bank): &(String, Option<&str>)| MemoryModule {
        array: Some(Handle(0x10)),
        size: Some(0),
        locator: Some(locator.clone()),
        bank_locator: bank.map(str::to_owned),
        ..MemoryModule::default()
    };
    Smbios {
        system: Some(System {
            manufacturer: Some(maker.to_owned()),
            ..System::default()
        }),
        processors: cpus.iter().map(processor).collect(),
        arrays: vec![MemoryArray {
            handle: Handle(0x10),
            ..MemoryArray::default()
        }],
        modules: slots.iter().map(module).collect(),
        ..Smbios::default()
    }
}

fn told(smbios: &Smbios) -> Vec<(Option<u32>, String, Option<u32>)> {
    let tell = |place: Placement| (place.socket, place.channel.unwrap_or_default(), place.slot);
    place_all(smbios).into_iter().map(tell).collect()
}

fn plain(names: &[&str]) -> Vec<(String, Option<&'static str>)> {
    names.iter().map(|name| ((*name).to_owned(), None)).collect()
}

const SKYLAKE: u64 = 0x0005_0654;
const SANDY_BRIDGE_EP: u64 = 0x0002_06d7;
const CORE_2: u64 = 0x0001_067a;

#[test]
fn socket_channel_and_slot_in_one_name() {
    let slots = plain(&["P1-DIMMA1", "P1-DIMMA2", "P2-DIMMA1", "P2-DIMMA2"]);
    let places = told(&machine("Supermicro", &["CPU1", "CPU2"], SKYLAKE, "", &slots));
    assert_eq!(places[1], (Some(0), "A".to_owned(), Some(2)));
    assert_eq!(places[2], (Some(1), "A".to_owned(), Some(1)));
}

#[test]
fn two_modules_in_one_place_make_the_style_unbelievable() {
    let slots = plain(&["P1-DIMMA1", "P1-DIMMA1"]);
    let places = told(&machine("Supermicro", &["CPU1", "CPU2"], SKYLAKE, "", &slots));
    assert!(places.iter().all(|place| place.1.is_empty()));
}

#[test]
fn more_channels_than_the_processor_has_are_not_believed() {
    let slots = plain(&["DIMM_A1", "DIMM_B1", "DIMM_C1", "DIMM_D1", "DIMM_E1"]);
    let places = told(&machine("Acme", &["CPU1"], SANDY_BRIDGE_EP, "E5-2670", &slots));
    assert!(places.iter().all(|place| place.1.is_empty()));
}

#[test]
fn letters_that_run_on_over_the_sockets_are_shared_out() {
    let names: Vec<String> = ('A'..='H').map(|letter| format!("DIMM_{letter}1")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let places = told(&machine(
        "Acme",
        &["CPU1", "CPU2"],
        SANDY_BRIDGE_EP,
        "E5-2670",
        &plain(&names),
    ));
    assert_eq!(places[3], (Some(0), "D".to_owned(), Some(1)));
    assert_eq!(places[4], (Some(1), "E".to_owned(), Some(1)));
}

#[test]
fn on_a_poweredge_the_letter_is_the_processor_and_numbers_stride() {
    let names: Vec<String> = ["A", "B"]
        .iter()
        .flat_map(|letter| (1..=12).map(move |number| format!("{letter}{number}")))
        .collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let places = told(&machine(
        "Dell Inc.",
        &["CPU1", "CPU2"],
        SKYLAKE,
        "Gold 6138",
        &plain(&names),
    ));
    assert_eq!(places[0], (Some(0), "1+7".to_owned(), Some(1)));
    assert_eq!(places[6], (Some(0), "1+7".to_owned(), Some(2)));
    assert_eq!(places[12], (Some(1), "1+7".to_owned(), Some(1)));
}

#[test]
fn proliant_letters_give_the_channel_and_not_its_name() {
    let names = ["1G", "2D", "3A", "4H", "5E", "6B", "7I", "8F", "9C"].map(|name| format!("PROC 1 DIMM {name}"));
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let places = told(&machine("HP", &["Proc 1"], 0x0002_06c2, "X5650", &plain(&names)));
    assert_eq!(places[0], (Some(0), "1".to_owned(), Some(1)));
    assert_eq!(places[2], (Some(0), "1".to_owned(), Some(3)));
    assert_eq!(places[8], (Some(0), "3".to_owned(), Some(3)));
}

#[test]
fn proliant_numbers_are_grouped_by_the_channels_of_the_processor() {
    let names: Vec<String> = (1..=2)
        .flat_map(|cpu| (1..=12).map(move |number| format!("PROC  {cpu} DIMM {number:>2}")))
        .collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let smbios = machine("HP", &["Proc 1", "Proc 2"], SANDY_BRIDGE_EP, "E5-2670", &plain(&names));
    assert_eq!(told(&smbios)[5], (Some(0), "4+5+6".to_owned(), Some(3)));
    let unknown = machine("HP", &["Proc 1", "Proc 2"], 0, "", &plain(&names));
    assert!(
        told(&unknown)
            .iter()
            .all(|place| place.0.is_some() && place.1.is_empty())
    );
}

#[test]
fn memory_of_a_chipset_has_a_channel_and_no_socket() {
    let slots = plain(&["ONBOARD DIMM_A1", "ONBOARD DIMM_B1"]);
    let smbios = machine("Intel", &["CPU1", "CPU2"], CORE_2, "E5430", &slots);
    let places = place_all(&smbios);
    assert!(places[1].on_chipset && places[1].socket.is_none());
    assert_eq!(places[1].channel.as_deref(), Some("B"));
}

#[test]
fn a_bank_locator_tells_what_the_locator_does_not() {
    let slots = vec![
        ("DIMM 0".to_owned(), Some("P0 CHANNEL A")),
        ("DIMM 1".to_owned(), Some("P0 CHANNEL A")),
        ("DIMM 0".to_owned(), Some("P0 CHANNEL B")),
    ];
    let places = told(&machine("Acme", &["CPU 0"], 0, "", &slots));
    assert_eq!(places[1], (Some(0), "A".to_owned(), Some(1)));
    assert_eq!(places[2], (Some(0), "B".to_owned(), Some(0)));
}

#[test]
fn the_flash_chip_is_no_memory() {
    let mut smbios = machine("Acme", &["CPU1"], 0, "", &plain(&["DIMM_A1", "SYSTEM ROM"]));
    smbios.modules[1].kind = Some("Flash".to_owned());
    let places = place_all(&smbios);
    assert!(places[0].is_memory && places[0].channel.is_some());
    assert!(!places[1].is_memory && places[1].channel.is_none());
}

#[test]
fn names_of_no_known_style_stay_unknown() {
    let places = told(&machine(
        "Acme",
        &["CPU1", "CPU2"],
        SKYLAKE,
        "",
        &plain(&["left", "right"]),
    ));
    assert_eq!(places[0], (None, String::new(), None));
    assert_eq!(place_all(&Smbios::default()), []);
}

const NEHALEM_EX: u64 = 0x0002_06e6;
const K8_OF_SOCKET_F: u64 = 0x0004_0f13;
const HASWELL: u64 = 0x0003_06c3;
const BROADWELL_EP: u64 = 0x0004_06f1;
const FOUR: &[&str] = &["CPU1", "CPU2", "CPU3", "CPU4"];

fn names(groups: &[&str], numbers: std::ops::RangeInclusive<u32>) -> Vec<(String, Option<&'static str>)> {
    let name = |group: &&str| {
        numbers
            .clone()
            .map(|number| (format!("{group}{number}"), None))
            .collect::<Vec<_>>()
    };
    groups.iter().flat_map(name).collect()
}

fn of_product(mut smbios: Smbios, product: &str) -> Smbios {
    smbios.system.as_mut().unwrap().product = Some(product.to_owned());
    smbios
}

#[test]
fn banks_of_a_proliant_on_a_front_side_bus_tell_the_channels() {
    let slots = plain(&[
        "DIMM 1A", "DIMM 2C", "DIMM 3A", "DIMM 4C", "DIMM 5B", "DIMM 6D", "DIMM 7B", "DIMM 8D",
    ]);
    let places = told(&machine("HP", &["Proc 1", "Proc 2"], CORE_2, "", &slots));
    assert_eq!(places[0], (None, "1+2".to_owned(), Some(1)));
    assert_eq!(places[5], (None, "5+6".to_owned(), Some(2)));
}

#[test]
fn letters_in_another_arrangement_are_no_lockstep_pairs() {
    let slots = plain(&[
        "DIMM 1A", "DIMM 2B", "DIMM 3C", "DIMM 4D", "DIMM 5A", "DIMM 6B", "DIMM 7C", "DIMM 8D",
    ]);
    let places = told(&machine("HP", &["Proc 1", "Proc 2"], CORE_2, "", &slots));
    assert!(places.iter().all(|place| place.1.is_empty()));
}

#[test]
fn memory_boards_are_shared_out_and_have_channels_of_their_own() {
    let letters = ["1A", "2C", "3B", "4D", "5D", "6B", "7C", "8A"];
    let slots: Vec<(String, Option<&str>)> = (1..=8)
        .flat_map(|board| letters.map(|letter| (format!("Board {board}, DIMM {letter}"), None)))
        .collect();
    let smbios = machine("HP", &["Proc 1", "Proc 2", "Proc 3", "Proc 4"], NEHALEM_EX, "", &slots);
    let places = place_all(&smbios);
    assert_eq!((places[8].socket, places[8].node), (Some(0), Some(2)));
    assert_eq!(places[9].channel.as_deref(), Some("1+2"));
    assert_eq!(places[16].socket, Some(1));
}

#[test]
fn a_name_that_begins_with_the_processors_own_is_at_that_processor() {
    let letters = [
        "01A", "02C", "03E", "04E", "05C", "06A", "07B", "08D", "09F", "10F", "11D", "12B",
    ];
    let slots: Vec<(String, Option<&str>)> = ["1/3/1", "1/1/0"]
        .iter()
        .flat_map(|path| letters.map(|letter| (format!("{path}/{letter}"), None)))
        .collect();
    let places = told(&machine("HP", &["1/1/0", "1/3/1"], 0, "", &slots));
    assert_eq!(places[1], (Some(1), "1+2+3".to_owned(), Some(2)));
    assert_eq!(places[12], (Some(0), "1+2+3".to_owned(), Some(1)));
    let elsewhere = told(&machine("HP", &["1/1/0", "1/5/0"], 0, "", &slots));
    assert!(elsewhere.iter().all(|place| place.1.is_empty()));
}

#[test]
fn risers_go_to_the_sockets_in_pairs() {
    let slots = names(
        &[
            "DIMM A", "DIMM B", "DIMM C", "DIMM D", "DIMM E", "DIMM F", "DIMM G", "DIMM H",
        ],
        1..=8,
    );
    let full = of_product(machine("Dell Inc.", FOUR, NEHALEM_EX, "", &slots), "PowerEdge R910");
    assert_eq!(told(&full)[12], (Some(0), "B1+B5".to_owned(), Some(2)));
    assert_eq!(told(&full)[16], (Some(1), "C1+C5".to_owned(), Some(1)));
    let mut half = full;
    half.processors[3].populated = Some(false);
    assert!(told(&half).iter().all(|place| place.1.is_empty()));
}

#[test]
fn a_letter_is_not_believed_when_its_socket_is_empty() {
    let slots = names(&["DIMM A", "DIMM B", "DIMM C", "DIMM D"], 1..=8);
    let mut smbios = of_product(machine("Dell Inc.", FOUR, NEHALEM_EX, "", &slots), "PowerEdge R810");
    assert_eq!(told(&smbios)[29], (Some(3), "2+6".to_owned(), Some(2)));
    smbios.processors[3].populated = Some(false);
    smbios.modules[29].size = Some(1 << 30);
    assert!(told(&smbios).iter().all(|place| place.1.is_empty()));
}

#[test]
fn a_letter_that_the_bank_locator_repeats_is_the_channel() {
    let slots: Vec<(String, Option<&str>)> = [("A", "CHANNEL A"), ("B", "CHANNEL B"), ("C", "CHANNEL C")]
        .iter()
        .flat_map(|(letter, bank)| (0..3).map(move |number| (format!("DIMM {letter}{number}"), Some(*bank))))
        .collect();
    let places = told(&machine("Dell", &["CPU 0"], 0x0001_06a5, "L5520", &slots));
    assert_eq!(places[5], (Some(0), "B".to_owned(), Some(2)));
}

#[test]
fn eight_slots_on_six_channels_double_the_first_of_either_controller() {
    let slots = names(&["A", "B"], 1..=8);
    let places = told(&machine("Dell Inc.", &["CPU1", "CPU2"], SKYLAKE, "Gold 6138", &slots));
    assert_eq!(places[7], (Some(0), "4+8".to_owned(), Some(2)));
    assert_eq!(places[1], (Some(0), "2".to_owned(), Some(1)));
}

#[test]
fn slots_of_a_small_poweredge_stride_over_two_channels() {
    let slots = plain(&["DIMM_3", "DIMM_1", "DIMM_4", "DIMM_2"]);
    let r220 = of_product(machine("Dell Inc.", &["CPU1"], HASWELL, "", &slots), "PowerEdge R220");
    assert_eq!(told(&r220)[0], (Some(0), "1+3".to_owned(), Some(2)));
    let two = of_product(
        machine("Dell Inc.", &["CPU1", "CPU2"], HASWELL, "", &slots),
        "PowerEdge 2970",
    );
    assert!(told(&two).iter().all(|place| place.1.is_empty()));
}

#[test]
fn neighbours_at_an_opteron_are_a_pair_on_two_channels() {
    let mut smbios = machine(
        "Sun Microsystems",
        &["CPU0-Socket F", "CPU1-Socket F"],
        K8_OF_SOCKET_F,
        "AMD",
        &names(&["C0_DIMM", "C1_DIMM"], 0..=3),
    );
    for cpu in &mut smbios.processors {
        cpu.manufacturer = Some("AMD".to_owned());
    }
    assert_eq!(told(&smbios)[2], (Some(0), "0+2".to_owned(), Some(2)));
    assert_eq!(told(&smbios)[5], (Some(1), "1+3".to_owned(), Some(1)));
}

#[test]
fn slots_counted_over_a_node_are_marked_as_inferred() {
    let slots = names(&["Node0_Dimm", "Node1_Dimm"], 0..=7);
    let smbios = machine("Acme", &["SOCKET 0", "SOCKET 1"], BROADWELL_EP, "E5-2620 v4", &slots);
    let places = place_all(&smbios);
    assert_eq!(places[13].channel.as_deref(), Some("4+5"));
    assert!(places[13].socket == Some(1) && places[13].style.contains("inferred"));
}

#[test]
fn names_of_virtual_and_of_other_machines_are_read_whatever_separates_them() {
    let one = |maker, names: &[&str]| told(&machine(maker, &["CPU 0"], 0, "", &plain(names)))[0].clone();
    assert_eq!(one("QEMU", &["DIMM_P0_A 0"]), (Some(0), "A".to_owned(), Some(0)));
    assert_eq!(
        one("Apple Inc.", &["Slot 8 (Channel A / DIMM 1)"]),
        (Some(0), "A".to_owned(), Some(1))
    );
    assert_eq!(one("Acme", &["CPU0_DIMM0_CHA"]), (Some(0), "A".to_owned(), Some(0)));
    assert_eq!(one("Acme", &["CPU0_CH2_DIMM1"]), (Some(0), "2".to_owned(), Some(1)));
    assert_eq!(one("Acme", &["DIMM_A", "DIMM_B"]), (Some(0), "A".to_owned(), None));
    assert_eq!(one("Huawei", &["DIMM010(A)"]), (Some(0), "1".to_owned(), Some(0)));
    // The number is the channel here, by the labels of that board.
    assert_eq!(one("Tyan", &["CPU1A1", "CPU1A2"]).1, "");
}
