//! Live = captured = text: the static binary runs inside emulated machines; its picture equals the
//! one of its own capture, and what it says equals what the machine was built with.
//!
//! Runs when `DELID_BENCHES` names the folder of the bench tools (`tests/benches/run` collects), or
//! `DELID_BENCH_RESULTS` one with results of that script; otherwise says so and passes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice
)]

/// Two values of one type; the message says both.
macro_rules! equal {
    ($differences:expr, $built:expr, $seen:expr, $($what:tt)*) => {
        match (&$built, &$seen) {
            (built, seen) if built == seen => {}
            (built, seen) => $differences.push(format!("{}: built {built:?}, seen {seen:?}", format!($($what)*))),
        }
    };
}

#[path = "benches/built.rs"]
mod built;
#[path = "benches/firmware.rs"]
mod firmware;
#[path = "benches/machine.rs"]
mod machine;
#[path = "benches/processors.rs"]
mod processors;
#[path = "benches/same.rs"]
mod same;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

const MACHINES: [&str; 3] = ["epyc", "spr", "i440fx"];

/// The folder with one folder per machine, collected once per run of the tests.
fn results() -> Option<&'static Path> {
    static RESULTS: OnceLock<Option<PathBuf>> = OnceLock::new();
    RESULTS.get_or_init(collect).as_deref()
}

fn collect() -> Option<PathBuf> {
    if let Some(folder) = std::env::var_os("DELID_BENCH_RESULTS") {
        return Some(folder.into());
    }
    if std::env::var_os("DELID_BENCHES").is_none() {
        eprintln!("benches absent: {} machines not run", MACHINES.len());
        return None;
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("benches");
    let status = Command::new(root.join("tests/benches/run"))
        .env("DELID_BENCH_OUT", &folder)
        .env("DELID_BENCH_COLLECT", "1")
        .status()
        .unwrap();
    assert!(status.success(), "tests/benches/run: {status}");
    Some(folder)
}

/// Calls `compare` with each machine's results; it says what differs.
fn each(compare: fn(&machine::Results, &mut Vec<String>)) {
    let Some(folder) = results() else { return };
    let mut differences = Vec::new();
    for name in MACHINES {
        let results = machine::Results::read(&folder.join(name));
        let mut found = Vec::new();
        compare(&results, &mut found);
        differences.extend(found.into_iter().map(|text| format!("{name}: {text}")));
    }
    assert!(
        differences.is_empty(),
        "{} differences\n{}",
        differences.len(),
        differences.join("\n")
    );
}

#[test]
fn every_command_ends_well() {
    each(|results, differences| {
        // QEMU gives a type 8 structure the handle 0 that its type 0 has.
        let damage = results.json("live.json")["machine"]["damage"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let (known, other): (Vec<_>, Vec<_>) = damage
            .iter()
            .partition(|damage| damage["expected"] == "a handle of its own");
        differences.extend(other.iter().map(|damage| format!("damage: {damage}")));
        if known.len() != results.built.smbios(8).len() {
            differences.push(format!("damage: {damage:?}"));
        }
        let damaged = if damage.is_empty() { "0" } else { "1" };
        for line in results.text("status.txt").lines() {
            let (status, name) = line.split_once(' ').unwrap();
            // What other programs end with is their matter, and what the kernel lets them read.
            let ours = !["lspci", "dmidecode", "lstopo", "lscpu", "numactl", "acpidump", "cxl"]
                .iter()
                .any(|other| name.starts_with(other));
            let wanted = if name.starts_with("user") || name == "capture.log" {
                "0"
            } else {
                damaged
            };
            if ours && status != wanted {
                differences.push(format!(
                    "{name}: status {status}: {}",
                    results.text(&format!("{name}.err"))
                ));
            }
        }
        if results.text("user-id.txt").trim() == "0" {
            differences.push("the unprivileged user is root".to_owned());
        }
    });
}

#[test]
fn the_capture_says_what_the_machine_said() {
    each(|results, differences| {
        same::json(&results.json("live.json"), &results.json("capture.json"), differences);
        same::picture(&results.text("live.svg"), &results.text("capture.svg"), differences);
    });
}

#[test]
fn the_capture_of_a_user_says_what_the_machine_said_to_that_user() {
    each(|results, differences| {
        same::json(
            &results.json("user.json"),
            &results.opened(&["user.tar.zst"]),
            differences,
        );
    });
}

#[test]
fn a_user_sees_the_same_processors_nodes_tree_and_links() {
    each(|results, differences| {
        same::public(&results.json("live.json"), &results.json("user.json"), differences);
    });
}

#[test]
fn sockets_cores_and_threads_are_those_of_smp() {
    each(processors::smp);
}

#[test]
fn nodes_distances_and_hmat_are_those_of_numa() {
    each(processors::numa);
}

#[test]
fn every_device_is_below_the_bus_it_was_put_on() {
    each(machine::devices);
}

#[test]
fn ports_have_the_speed_the_width_and_the_slot_they_were_given() {
    each(machine::ports);
}

#[test]
fn virtual_functions_belong_to_their_physical_function() {
    each(machine::virtual_functions);
}

#[test]
fn firmware_names_are_those_of_smbios_options() {
    each(firmware::names);
}

#[test]
fn nodes_and_paths_are_those_of_the_kernel() {
    each(machine::kernel);
}

#[test]
fn text_of_lspci_and_dmidecode_says_the_same_as_the_machine() {
    each(|results, differences| {
        let text = results.opened(&["lspci-vvvxxxx.txt", "dmidecode.txt"]);
        same::functions(&results.json("live.json"), &text, differences);
        same::modules(&results.json("live.json"), &text, differences);
    });
}
