//! The machines that ship with delid, in every text view, against files in `tests/golden`.
//!
//! `DELID_BLESS=1 cargo test --test machines` writes the files anew; read the difference.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::string_slice)]

use std::fs;
use std::path::Path;

mod program;

use program::{MACHINES, machine, run};

/// Commands with the name of their file; `--from` follows. The function is one that each of the machines has.
fn views(name: &str) -> Vec<(&'static str, Vec<&'static str>)> {
    let function = match name {
        "qemu-epyc-genoa-q35-seabios" => "41:00.0",
        "qemu-sapphirerapids-q35-ovmf" => "00:01.0",
        _ => "00:03.0",
    };
    vec![
        ("topo", vec!["topo", "--width", "80"]),
        ("topo-ascii-120", vec!["topo", "--width", "120", "--ascii"]),
        ("pci", vec!["topo", "pci"]),
        ("memory", vec!["topo", "memory"]),
        ("cpu", vec!["topo", "cpu"]),
        ("distance", vec!["topo", "distance"]),
        ("findings", vec!["topo", "findings"]),
        ("device", vec!["topo", "device", function]),
        ("acpi-list", vec!["acpi", "list"]),
        ("acpi-topology", vec!["acpi", "topology", "--offsets"]),
        ("acpi-verify", vec!["acpi", "verify"]),
        ("acpi-bridge", vec!["acpi", "device", "\\_SB.PCI0"]),
    ]
}

/// First line that differs, in words.
fn difference(expected: &str, seen: &str) -> Option<String> {
    if expected == seen {
        return None;
    }
    let (mut old, mut new) = (expected.lines(), seen.lines());
    let mut number = 0;
    loop {
        number += 1;
        match (old.next(), new.next()) {
            (None, None) => return Some("line ends differ".to_owned()),
            (old, new) if old == new => {}
            (old, new) => {
                return Some(format!(
                    "line {number}\n  - {}\n  + {}",
                    old.unwrap_or("(end)"),
                    new.unwrap_or("(end)")
                ));
            }
        }
    }
}

#[test]
fn every_view_of_the_shipped_machines_is_as_written_down() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let bless = std::env::var_os("DELID_BLESS").is_some();
    let mut wrong = Vec::new();
    for name in MACHINES {
        let path = machine(name);
        for (view, arguments) in views(name) {
            let result = run(&[arguments.as_slice(), &["--from", &path]].concat());
            assert!(
                result.code == 0 || result.code == 1,
                "{name} {view}: {} {}",
                result.code,
                result.err
            );
            let file = folder.join(format!("{name}.{view}.txt"));
            if bless {
                fs::write(&file, &result.out).unwrap();
                continue;
            }
            let expected = fs::read_to_string(&file).unwrap_or_default();
            wrong.extend(difference(&expected, &result.out).map(|text| format!("{}: {text}", file.display())));
        }
    }
    assert!(wrong.is_empty(), "DELID_BLESS=1 writes them anew\n{}", wrong.join("\n"));
}

#[test]
fn the_first_machine_is_the_one_that_was_built() {
    let machine = machine(MACHINES[0]);
    let result = run(&["topo", "--json", "--from", &machine]);
    let value: serde_json::Value = serde_json::from_str(&result.out).unwrap();
    let machine = &value["machine"];
    assert_eq!(value["schema"], "delid.topo/1");
    assert_eq!(machine["cpu"]["cpus"].as_array().unwrap().len(), 16);
    assert_eq!(machine["cpu"]["packages"].as_array().unwrap().len(), 2);
    assert_eq!(machine["cpu"]["nodes"].as_array().unwrap().len(), 4);
    assert_eq!(machine["memory"]["slots"].as_array().unwrap().len(), 1);
    let functions = machine["pci"]["functions"].as_array().unwrap();
    let find = |bdf: &str| {
        functions
            .iter()
            .find(|one| one["bdf"] == bdf)
            .unwrap_or_else(|| panic!("no {bdf}"))
    };
    // What `-device` asked for: NVMe behind two switch ports, e1000e on the third, igb with 3 VFs on node 1,
    // CXL memory on node 3.
    for (bdf, vendor, device) in [
        ("0000:03:00.0", "0x1b36", "0x0010"),
        ("0000:04:00.0", "0x1b36", "0x0010"),
        ("0000:05:00.0", "0x8086", "0x10d3"),
        ("0000:41:00.0", "0x8086", "0x10c9"),
        ("0000:c1:00.0", "0x8086", "0x0d93"),
    ] {
        assert_eq!(
            (find(bdf)["vendor"].as_str(), find(bdf)["device"].as_str()),
            (Some(vendor), Some(device)),
            "{bdf}"
        );
    }
    assert_eq!(find("0000:41:00.0")["vfs_enabled"], 3);
    assert_eq!(find("0000:41:00.0")["node"], 1);
    assert_eq!(find("0000:81:00.0")["node"], 2);
    assert_eq!(find("0000:c1:00.0")["node"], 3);
    let place = &find("0000:00:1c.0")["place"];
    assert_eq!(
        (&place["name"], &place["source"]),
        (&"OnboardNIC".into(), &"smbios-41".into())
    );
}
