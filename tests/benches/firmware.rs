//! Names and memory modules against `-smbios` and `-m`.

use serde_json::Value;

use super::built::{Properties, number};
use super::machine::{Results, candidates};

/// `-smbios` and `-m`.
pub fn names(results: &Results, differences: &mut Vec<String>) {
    let answer = results.json("live.json");
    let machine = &answer["machine"];
    let slots = machine["memory"]["slots"].as_array().unwrap();
    let bytes: u64 = slots.iter().filter_map(|slot| slot["module"]["size"].as_u64()).sum();
    equal!(
        differences,
        results.built.memory(),
        bytes,
        "bytes of the memory modules"
    );
    for option in results.built.smbios(17) {
        for (at, slot) in slots.iter().enumerate() {
            let module = &slot["module"];
            text(option, "loc_pfx", &module["locator"], &format!(" {at}"), differences);
            for (key, field) in [
                ("bank", "bank_locator"),
                ("manufacturer", "manufacturer"),
                ("serial", "serial"),
                ("part", "part"),
                ("asset", "asset_tag"),
            ] {
                text(option, key, &module[field], "", differences);
            }
            if let Some(speed) = number(option, "speed") {
                equal!(
                    differences,
                    Some(speed),
                    module["speed"].as_u64(),
                    "speed of module {at}"
                );
            }
        }
    }
    for option in results.built.smbios(1) {
        for key in ["manufacturer", "product", "version", "serial", "sku", "family"] {
            text(option, key, &machine["identity"]["system"][key], "", differences);
        }
    }
    for option in results.built.smbios(0) {
        for key in ["vendor", "version", "date"] {
            text(option, key, &machine["identity"]["bios"][key], "", differences);
        }
    }
    for option in results.built.smbios(4) {
        for (at, socket) in machine["sockets"].as_array().unwrap().iter().enumerate() {
            let prefix = option.get("sock_pfx").map_or("CPU", String::as_str);
            equal!(
                differences,
                Some(format!("{prefix} {at}").as_str()),
                socket["label"].as_str(),
                "label of socket {at}"
            );
            text(option, "version", &socket["processor"]["version"], "", differences);
        }
    }
    places(results, machine, differences);
}

fn text(option: &Properties, key: &str, seen: &Value, suffix: &str, differences: &mut Vec<String>) {
    if let Some(value) = option.get(key) {
        equal!(
            differences,
            Some(format!("{value}{suffix}").as_str()),
            seen.as_str(),
            "SMBIOS {key}"
        );
    }
}

/// Types 9 and 41 name a device; its card has that name where the table has the device's address.
fn places(results: &Results, machine: &Value, differences: &mut Vec<String>) {
    let all = machine["pci"]["functions"].as_array().unwrap();
    let tables = [
        (9, "slot_designation", "pci_device", "slots"),
        (41, "designation", "pcidev", "onboard"),
    ];
    for (kind, name, device, list) in tables {
        for option in results.built.smbios(kind) {
            let name = option.get(name).unwrap();
            let entries = machine["pci"][list].as_array().unwrap();
            let entry = entries.iter().find(|entry| entry["name"].as_str() == Some(name));
            equal!(differences, true, entry.is_some(), "type {kind} named {name}");
            // QEMU leaves the address of a slot unset (ff in every field) for a root port.
            let real = entry.is_some_and(|entry| all.iter().any(|function| function["bdf"] == entry["bdf"]));
            let mut found = results
                .built
                .device(option.get(device).unwrap())
                .map(|device| candidates(&results.built, device, all))
                .unwrap_or_default();
            found.retain(|function| function["place"]["name"].as_str() == Some(name));
            equal!(
                differences,
                usize::from(real),
                found.len(),
                "functions with the place {name}"
            );
        }
    }
}
