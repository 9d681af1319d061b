//! The dmidecode texts of the corpus against what an independent reader counted in them.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a file of tests"
)]

mod smbios_corpus;

use std::collections::{BTreeMap, BTreeSet};

use topo::smbios::{MemoryModule, Smbios, text};

/// Column of the facts, and the same thing counted in the inventory.
fn counts(smbios: &Smbios) -> Vec<(&'static str, usize)> {
    let populated: Vec<&MemoryModule> = smbios
        .modules
        .iter()
        .filter(|module| module.size.unwrap_or(0) > 0)
        .collect();
    let below = |module: &&&MemoryModule| {
        module
            .configured_speed
            .zip(module.speed)
            .is_some_and(|(now, rated)| now < rated)
    };
    vec![
        (
            "cpu_populated",
            smbios
                .processors
                .iter()
                .filter(|cpu| cpu.populated == Some(true))
                .count(),
        ),
        ("dimm_slots", smbios.modules.len()),
        ("dimm_populated", populated.len()),
        (
            "distinct_sizes",
            populated
                .iter()
                .map(|module| module.size)
                .collect::<BTreeSet<_>>()
                .len(),
        ),
        ("dimms_below_rated", populated.iter().filter(below).count()),
        (
            "slots_with_bus_address",
            smbios.slots.iter().filter(|slot| slot.bdf.is_some()).count()
                + smbios.onboard.iter().filter(|device| device.bdf.is_some()).count(),
        ),
        ("structures", smbios.structures),
    ]
}

#[test]
fn counts_of_the_server_texts_are_those_of_the_facts() {
    let Some(area) = smbios_corpus::area("pci-smbios", 1192) else {
        return;
    };
    let table = smbios_corpus::text(&area.join("dmi-bulk-facts.csv"));
    let mut lines = table.lines();
    let columns: Vec<&str> = lines.next().unwrap().split(',').collect();
    // Two machines share one name; either row will do for either.
    let mut facts: BTreeMap<&str, Vec<Vec<&str>>> = BTreeMap::new();
    for line in lines {
        let name = line.split(',').next().unwrap();
        let mut row: Vec<&str> = line.rsplitn(columns.len() - 1, ',').collect();
        row.reverse();
        facts.entry(name).or_default().push(row);
    }
    let mut wrong: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    let (mut hosts, mut damaged) = (0, 0);
    for (name, dump) in smbios_corpus::bulk(&area) {
        let Some(rows) = facts.get(name.as_str()) else {
            continue;
        };
        hosts += 1;
        let read = text::parse(&dump);
        damaged += usize::from(!read.damage.is_empty());
        for damage in &read.damage {
            let seen: String = damage.seen.chars().filter(|c| !c.is_ascii_digit()).collect();
            *kinds.entry(format!("{} seen {seen}", damage.expected)).or_default() += 1;
        }
        let counted = counts(&read.value);
        // Rows lost their first column, which may hold commas of the path.
        let cell =
            |row: &[&str], column: &str| row[columns.iter().position(|name| *name == column).unwrap() - 1].to_owned();
        let fits = |row: &Vec<&str>| {
            counted
                .iter()
                .all(|(column, count)| cell(row, column) == count.to_string())
        };
        if !rows.iter().any(fits) {
            for (column, count) in &counted {
                let fact = cell(&rows[0], column);
                if fact != count.to_string() {
                    wrong
                        .entry(column)
                        .or_default()
                        .push(format!("{name}: {count}, facts {fact}"));
                }
            }
        }
    }
    for (column, hosts) in &wrong {
        eprintln!(
            "{column}: {} hosts differ: {:?}",
            hosts.len(),
            &hosts[..hosts.len().min(6)]
        );
    }
    for (kind, count) in &kinds {
        eprintln!("damage, {count} times: expected {kind}");
    }
    eprintln!("{hosts} hosts compared, {damaged} with damage");
    assert!(hosts > 1100);
    assert!(wrong.is_empty());
}

#[test]
fn texts_of_named_servers_parse_without_damage() {
    let Some(area) = smbios_corpus::area("pci-smbios", 23) else {
        return;
    };
    for path in smbios_corpus::files(&area.join("dmi-text"), "dmidecode") {
        let read = text::parse(&smbios_corpus::text(&path));
        // Some of these tables are broken: dmidecode says so in the text, and so do we.
        let ours: Vec<_> = read
            .damage
            .iter()
            .filter(|one| one.what != "SMBIOS table" && one.seen != "<BAD INDEX>")
            .collect();
        assert!(ours.is_empty(), "{}: {ours:?}", path.display());
        assert!(
            read.value.version.is_some() && !read.value.modules.is_empty(),
            "{}",
            path.display()
        );
    }
}

#[test]
fn other_dmidecode_texts_of_the_corpus_are_read() {
    let mut read = 0;
    if let Some(area) = smbios_corpus::area("pci-smbios", 3) {
        let texts = [
            "host-M11x/dmidecode.log",
            "host-h61m-ds2/dmidecode.log",
            "sosreport/openstack/sos_commands/hardware/dmidecode",
        ];
        for path in texts {
            let found = text::parse(&smbios_corpus::text(&area.join(path)));
            assert_eq!(found.damage, [], "{path}");
            assert!(
                found.value.system.is_some() && !found.value.modules.is_empty(),
                "{path}"
            );
            read += 1;
        }
    }
    if let Some(area) = smbios_corpus::area("topo/bundles", 11) {
        for bundle in smbios_corpus::files(&area, "-") {
            let path = bundle.join("dmidecode.txt.zst");
            if path.is_file() {
                let found = text::parse(&smbios_corpus::text(&path));
                assert!(
                    !found.value.processors.is_empty() && !found.value.modules.is_empty(),
                    "{}",
                    path.display()
                );
                read += 1;
            }
        }
    }
    eprintln!("{read} texts read");
}
