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
