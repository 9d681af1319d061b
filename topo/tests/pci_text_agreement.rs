//! Text and hex rows of one machine must give the same facts; link lines must be those of `lspci` 3.13.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::panic,
    reason = "tests stop at the first surprise"
)]

mod pci_text_support;

use std::collections::BTreeMap;
use std::path::Path;

use pci_text_support::{content, corpus, folder, machines};
use topo::pci::function::{Bdf, Function};
use topo::pci::text;

/// The lines of a mixed file that are not hex rows, or those that are (with the slot lines' addresses).
fn only(text: &[u8], hex: bool) -> Vec<u8> {
    let mut kept = Vec::new();
    for line in text.split(|byte| *byte == b'\n') {
        let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
        let row = digits >= 2 && line[digits..].starts_with(b": ");
        let address = line.iter().position(|byte| *byte == b' ').unwrap_or(0);
        let slot = !row && address >= 7 && line[0].is_ascii_hexdigit();
        if hex && slot {
            kept.extend_from_slice(&line[..=address]);
        } else if row == hex || line.is_empty() {
            kept.extend_from_slice(line);
        } else {
            continue;
        }
        kept.push(b'\n');
    }
    kept
}

fn functions(text: &[u8], name: &str) -> BTreeMap<Bdf, Function> {
    let listing = text::parse(text);
    assert_eq!(listing.damage, [], "{name}");
    listing
        .value
        .functions
        .into_iter()
        .map(|function| (function.bdf, function))
        .collect()
}

/// Compares every register both can tell; returns how many values agreed.
fn compare(text: &BTreeMap<Bdf, Function>, hex: &BTreeMap<Bdf, Function>, name: &str) -> usize {
    assert_eq!(
        text.keys().collect::<Vec<_>>(),
        hex.keys().collect::<Vec<_>>(),
        "{name}"
    );
    let mut agreed = 0;
    for (bdf, text) in text {
        let hex = &hex[bdf];
        macro_rules! same {
            ($($field:ident),*) => {$(
                // Text of a user without rights lacks much; hex rows lack nothing that text tells.
                if text.$field.is_some() {
                    assert_eq!(text.$field, hex.$field, "{} of {bdf} of {name}", stringify!($field));
                    agreed += 1;
                }
            )*};
        }
        // Virtual functions have no ids of their own in configuration space.
        if hex.vendor.is_some() {
            same!(vendor, device);
        }
        same!(
            subsystem_vendor,
            subsystem_device,
            revision,
            header_type,
            buses,
            port_type,
            link
        );
        same!(
            max_payload,
            max_payload_supported,
            max_read_request,
            slot_number,
            slot_occupied
        );
        same!(vfs_total, vfs_enabled, serial);
        if let Some(class) = text.class {
            assert_eq!(class.kind(), hex.class.unwrap().kind(), "class of {bdf} of {name}");
            agreed += 1;
        }
        macro_rules! both {
            ($($field:ident),*) => {$(
                assert_eq!(text.$field.is_some(), hex.$field.is_some(), "{} of {bdf} of {name}", stringify!($field));
            )*};
        }
        both!(
            header_type,
            buses,
            port_type,
            link,
            max_payload,
            max_payload_supported,
            max_read_request
        );
        both!(slot_number, slot_occupied, vfs_total, vfs_enabled);
    }
    agreed
}

#[test]
fn text_and_hex_rows_of_two_hosts_agree() {
    let Some(corpus) = corpus(2) else {
        return;
    };
    for host in ["host-M11x", "host-h61m-ds2"] {
        let Some(mixed) = content(&corpus.join("pci-smbios").join(host).join("lspci.log.xz")) else {
            eprintln!("xz absent: 1 case not run");
            continue;
        };
        let (text, hex) = (
            functions(&only(&mixed, false), host),
            functions(&only(&mixed, true), host),
        );
        let agreed = compare(&text, &hex, host);
        assert!(agreed >= 80, "{host}: {agreed}");
        let merged = functions(&mixed, host);
        assert!(merged.values().all(|function| function.config.is_some()), "{host}");
        assert_eq!(compare(&text, &merged, host), agreed);
    }
}

#[test]
fn text_and_hex_rows_of_the_virtual_machines_agree() {
    let Some(corpus) = corpus(3) else {
        return;
    };
    let scratch = tempfile::tempdir().unwrap();
    for (name, folder) in machines(&corpus, scratch.path()) {
        let read = |file: &str| std::fs::read(folder.join(file)).unwrap();
        let text = functions(&read("lspci-vvvnn.txt"), &name);
        let hex = functions(&read("lspci-xxxx.txt"), &name);
        assert!(compare(&text, &hex, &name) > 50);
        let records = functions(&read("lspci-nvmmkD.txt"), &name);
        let brief = functions(&read("lspci-nnD.txt"), &name);
        for (bdf, full) in &text {
            let record = &records[bdf];
            assert_eq!(record.class, full.class, "{bdf}");
            assert_eq!((record.vendor, record.device), (full.vendor, full.device), "{bdf}");
            assert_eq!(
                (record.subsystem_vendor, record.subsystem_device),
                (full.subsystem_vendor, full.subsystem_device)
            );
            assert_eq!(
                (record.iommu_group, record.numa_node),
                (full.iommu_group, full.numa_node),
                "{bdf}"
            );
            assert_eq!(
                (&record.driver, &record.physical_slot),
                (&full.driver, &full.physical_slot),
                "{bdf}"
            );
            assert_eq!(
                (brief[bdf].vendor, brief[bdf].device),
                (full.vendor, full.device),
                "{bdf}"
            );
            assert_eq!(brief[bdf].name, full.name, "{bdf}");
        }
        let together = [
            read("lspci-nnD.txt"),
            read("lspci-vvvnn.txt"),
            read("lspci-tvnn.txt"),
            read("lspci-xxxx.txt"),
        ];
        let merged = functions(&together.join(&b'\n'), &name);
        compare(&text, &merged, &name);
    }
}

#[test]
fn every_dump_gives_what_lspci_3_13_says_of_it() {
    let Some(corpus) = corpus(22) else {
        return;
    };
    let golden: BTreeMap<String, Vec<u8>> = folder(&corpus.join("pci-smbios/lspci-golden")).into_iter().collect();
    let (mut links, mut cases) = (0, 0);
    for (name, dump) in folder(&corpus.join("pci-smbios/lspci-dump")) {
        let Some(golden) = golden.get(&format!("{name}.vvvn.txt")) else {
            continue;
        };
        cases += 1;
        let (hex, golden) = (functions(&only(&dump, true), &name), functions(golden, &name));
        compare(&golden, &hex, &name);
        links += golden.values().filter(|function| function.link.is_some()).count();
    }
    eprintln!("{cases} dumps, {links} links");
    assert!(cases == 22 && links >= 40, "{cases} dumps, {links} links");
}

#[test]
fn a_text_of_two_sockets_tells_nodes_slots_and_links() {
    let Some(corpus) = corpus(1) else {
        return;
    };
    let path: &Path = &corpus.join("pci-smbios/lspci-text/2s-broadwell-2xP100.lspci-vvv.txt.xz");
    let Some(text) = content(path) else {
        eprintln!("xz absent: 1 case not run");
        return;
    };
    let all = functions(&text, "2s-broadwell");
    assert_eq!(all.len(), 201);
    let lines = |mark: &str| {
        String::from_utf8_lossy(&text)
            .lines()
            .filter(|line| line.contains(mark))
            .count()
    };
    assert_eq!(
        all.values().filter(|function| function.numa_node.is_some()).count(),
        lines("NUMA node:")
    );
    assert_eq!(
        all.values().filter(|function| function.label.is_some()).count(),
        lines("DeviceName:")
    );
    assert_eq!(
        all.values().filter(|function| function.buses.is_some()).count(),
        lines("\tBus: primary")
    );
    assert_eq!(
        all.values().filter(|function| function.driver.is_some()).count(),
        lines("driver in use")
    );
    assert_eq!(
        all.values().filter(|function| function.slot_number.is_some()).count(),
        lines("\t\t\tSlot #")
    );
    assert!(
        all.values()
            .all(|function| function.class_name.is_some() && function.name.is_some())
    );
}
