//! DIMM places of the 1 195 servers of the corpus: how many are known, and that none is wrong.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a file of tests"
)]

mod smbios_corpus;

use std::collections::{BTreeMap, BTreeSet};

use topo::smbios::locator::{Placement, place_all};
use topo::smbios::{MemoryModule, Smbios, text};

/// A name with its numbers as `#`.
fn shape(text: Option<&str>) -> String {
    let mut out = String::new();
    for c in text.unwrap_or("-").chars() {
        let c = if c.is_ascii_digit() { '#' } else { c };
        if !(c == '#' && out.ends_with('#')) {
            out.push(c);
        }
    }
    out
}

/// The loose rule: a channel, and a socket where the memory does not hang on a chipset.
fn mapped(smbios: &Smbios, place: &Placement) -> bool {
    place.channel.is_some() && (place.socket.is_some() || place.on_chipset || smbios.processors.len() == 1)
}

/// Whether firmware gave the slot a name at all; some write "NO DIMM" for slots without a module.
fn named(module: &MemoryModule) -> bool {
    let name = module.locator.as_deref().unwrap_or_default();
    !name.is_empty() && name != "NO DIMM"
}

/// Whether the slot counts by the strict rule: any text in its locator.
fn has_text(module: &MemoryModule) -> bool {
    module.locator.as_deref().is_some_and(|name| !name.trim().is_empty())
}

/// The strict rule: socket, channel and slot; or channel and slot where the memory hangs on a
/// chipset. The slot may be missing where its channel has no other.
fn placed(smbios: &Smbios, places: &[Placement], place: &Placement) -> bool {
    let key = |place: &Placement| (place.socket, place.node, place.channel.clone());
    let alone = || places.iter().filter(|other| key(other) == key(place)).count() == 1;
    mapped(smbios, place) && (place.slot.is_some() || alone())
}

/// Which half of the corpus a machine is in: rules were made on the odd one and measured on both.
fn is_odd(name: &str) -> bool {
    let hash = name.bytes().fold(0x811c_9dc5_u32, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    });
    hash.count_ones() % 2 == 1
}

/// Vendors tell to fill every channel once before any twice. A socket with no more modules than
/// channels, two of them in one channel, speaks against the grouping that was read.
fn against_population(ram: &[(&MemoryModule, &Placement)]) -> (usize, usize) {
    let mut sockets: BTreeMap<u32, (Vec<&str>, Vec<&str>)> = BTreeMap::new();
    for (module, place) in ram {
        if let (Some(socket), Some(channel)) = (place.socket, place.channel.as_deref()) {
            let (all, used) = sockets.entry(socket).or_default();
            all.push(channel);
            if module.size.is_some_and(|size| size > 0) {
                used.push(channel);
            }
        }
    }
    let (mut asked, mut against) = (0, 0);
    for (all, used) in sockets.into_values() {
        let distinct = |list: &[&str]| list.iter().collect::<BTreeSet<_>>().len();
        if used.len() > 1 && used.len() <= distinct(&all) && all.len() > distinct(&all) {
            asked += 1;
            against += usize::from(distinct(&used) < used.len());
        }
    }
    (asked, against)
}

/// Numbers and single letters after the words of a bank locator that names a channel.
fn bank_place(module: &MemoryModule) -> Option<Vec<String>> {
    let bank = module.bank_locator.as_deref()?.to_uppercase();
    let words: Vec<String> = bank
        .replace("CHANNEL", " CHANNEL ")
        .replace("NODE", " NODE ")
        .replace("DIMM", " DIMM ")
        .replace('_', " ")
        .split_whitespace()
        .map(str::to_owned)
        .collect();
    let after = |word: &str| words.iter().skip_while(|other| *other != word).nth(1).cloned();
    let channel = after("CHANNEL")?;
    let front = words
        .iter()
        .take_while(|word| *word != "CHANNEL")
        .filter(|word| word.len() != 2 || word.starts_with('P'))
        .cloned()
        .collect::<Vec<_>>()
        .join(" ");
    Some(vec![front, channel, after("DIMM").unwrap_or_default()])
}

/// Whether the bank locators, where they tell every module apart, sort the modules into the same
/// channels as the places do. `None` where the banks do not say.
fn agrees_with_banks(ram: &[(&MemoryModule, &Placement)]) -> Option<bool> {
    let banks: Vec<Vec<String>> = ram
        .iter()
        .map(|(module, _)| bank_place(module))
        .collect::<Option<_>>()?;
    let mut slots: Vec<(&[String], Option<u32>)> = banks
        .iter()
        .zip(ram)
        .map(|(bank, (_, place))| (bank.as_slice(), place.slot.filter(|_| bank[2].is_empty())))
        .collect();
    slots.sort();
    if slots.windows(2).any(|pair| pair[0] == pair[1]) {
        return None;
    }
    let mut there: BTreeMap<(&str, &str), _> = BTreeMap::new();
    let mut back = BTreeMap::new();
    Some(banks.iter().zip(ram).all(|(bank, (_, place))| {
        let (from, to) = (
            (bank[0].as_str(), bank[1].as_str()),
            (place.socket, place.node, place.channel.as_deref()),
        );
        *there.entry(from).or_insert(to) == to && *back.entry(to).or_insert(from) == from
    }))
}

/// Whether no memory array spans two sockets, on a machine with as many arrays as sockets or more.
fn agrees_with_arrays(smbios: &Smbios, ram: &[(&MemoryModule, &Placement)]) -> Option<bool> {
    let mut sockets = BTreeMap::new();
    let all: BTreeSet<_> = ram.iter().map(|(module, _)| module.array).collect();
    if smbios.processors.len() < 2 || all.len() < smbios.processors.len() || all.len() % smbios.processors.len() != 0 {
        return None;
    }
    Some(ram.iter().all(|(module, place)| {
        place.socket.is_none() || *sockets.entry(module.array).or_insert(place.socket) == place.socket
    }))
}

/// Counted in two ways, of all type 17 structures but those of flash chips:
///
/// * strictly: all slots with any text in the locator, "NO DIMM" too. A slot counts as placed with
///   socket, channel and slot; where the memory hangs on a chipset that the processors share, with
///   channel and slot. Where a channel has one slot, its number may be missing.
/// * loosely: slots named "NO DIMM" are left out, and the number of the slot may be missing.
///
/// A channel may be known by its slots only ("1+7"). The machines are parted into halves by a hash
/// of their names; the even half is counted once more by those rows alone that the odd half has
/// a use for, which is what rules made on the odd half give on machines not seen.
#[test]
fn dimm_places_of_the_server_corpus() {
    let Some(area) = smbios_corpus::area("pci-smbios", 1192) else {
        return;
    };
    let (mut dimms, mut known, mut hosts, mut whole) = (0, 0, 0, 0);
    let (mut agree, mut disagree) = (0, 0);
    let (mut unnamed, mut on_chipset, mut by_group) = (0, 0, 0);
    let (mut whole_arrays, mut split_arrays) = (0, 0);
    // Strictly placed, and all slots with a text: of the odd and of the even half.
    let mut halves = [(0, 0), (0, 0)];
    let mut rows_of_odd = BTreeSet::new();
    let mut rows_of_even: BTreeMap<&str, usize> = BTreeMap::new();
    let mut missing: BTreeMap<String, (usize, usize, String)> = BTreeMap::new();
    let mut styles: BTreeMap<&str, (usize, usize, usize)> = BTreeMap::new();
    for (name, dump) in smbios_corpus::bulk(&area) {
        let smbios = text::parse(&dump).value;
        let places = place_all(&smbios);
        assert_eq!(places.len(), smbios.modules.len());
        let ram: Vec<(&MemoryModule, &Placement)> = smbios
            .modules
            .iter()
            .zip(&places)
            .filter(|(module, place)| place.is_memory && named(module))
            .collect();
        let half = &mut halves[usize::from(!is_odd(&name))];
        for (module, place) in smbios.modules.iter().zip(&places) {
            if place.is_memory && has_text(module) {
                half.1 += 1;
                if placed(&smbios, &places, place) {
                    half.0 += 1;
                    if is_odd(&name) {
                        rows_of_odd.insert(place.style);
                    } else {
                        *rows_of_even.entry(place.style).or_default() += 1;
                    }
                }
            }
        }
        if ram.is_empty() {
            continue;
        }
        let good = ram.iter().filter(|(_, place)| mapped(&smbios, place)).count();
        unnamed += places.iter().filter(|place| place.is_memory).count() - ram.len();
        let bare = |place: &Placement| place.socket.is_none() && place.on_chipset && smbios.processors.len() > 1;
        on_chipset += ram
            .iter()
            .filter(|(_, place)| mapped(&smbios, place) && bare(place))
            .count();
        let grouped = |place: &Placement| place.channel.as_deref().is_some_and(|channel| channel.contains('+'));
        by_group += ram
            .iter()
            .filter(|(_, place)| mapped(&smbios, place) && grouped(place))
            .count();
        hosts += 1;
        match agrees_with_arrays(&smbios, &ram) {
            Some(true) => whole_arrays += 1,
            Some(false) => {
                eprintln!(
                    "an array of {name} spans sockets: {:?}",
                    ram.iter()
                        .map(|(m, p)| (m.locator.as_deref(), m.array, p.socket))
                        .collect::<Vec<_>>()
                );
                split_arrays += 1;
            }
            None => {}
        }
        match agrees_with_banks(&ram) {
            Some(true) => agree += 1,
            Some(false) => {
                eprintln!(
                    "bank locators of {name} sort the modules otherwise: {:?}",
                    ram.iter()
                        .map(|(m, p)| (
                            m.locator.as_deref(),
                            m.bank_locator.as_deref(),
                            p.socket,
                            p.channel.as_deref()
                        ))
                        .collect::<Vec<_>>()
                );
                disagree += 1;
            }
            None => {}
        }
        dimms += ram.len();
        known += good;
        whole += usize::from(good == ram.len());
        if let Some((_, place)) = ram.iter().find(|(_, place)| mapped(&smbios, place)) {
            let (asked, against) = against_population(&ram);
            let entry = styles.entry(place.style).or_default();
            *entry = (entry.0 + 1, entry.1 + asked, entry.2 + against);
            if std::env::var_os("DELID_TELL").is_some() && against > 0 {
                let used: Vec<_> = ram
                    .iter()
                    .filter(|(module, _)| module.size != Some(0))
                    .map(|(module, _)| module.locator.as_deref().unwrap_or_default())
                    .collect();
                eprintln!(
                    "against {} {name} {:?} {used:?}",
                    place.style,
                    smbios.system.as_ref().map(|s| s.product.clone())
                );
            }
        }
        if let Some((module, _)) = ram.iter().find(|(_, place)| !mapped(&smbios, place)) {
            let key = format!(
                "{} | {}",
                shape(module.locator.as_deref()),
                shape(module.bank_locator.as_deref())
            );
            let system = smbios.system.unwrap_or_default();
            let about = format!(
                "{name} {} {} cpus={} arrays={} dimms={}",
                system.manufacturer.unwrap_or_default(),
                system.product.unwrap_or_default(),
                smbios.processors.len(),
                smbios.arrays.len(),
                ram.len()
            );
            let entry = missing.entry(key).or_insert((0, 0, about));
            entry.0 += 1;
            entry.1 += ram.len() - good;
        }
    }
    for (style, (count, asked, against)) in &styles {
        eprintln!("{count:5} hosts  {style}  (population against it: {against} of {asked} sockets)");
    }
    let mut missing: Vec<_> = missing.into_iter().collect();
    missing.sort_by_key(|(_, (_, count, _))| std::cmp::Reverse(*count));
    for (key, (hosts, count, about)) in missing {
        eprintln!("unmapped {count:4} DIMMs of {hosts:2} hosts  {key}   ({about})");
    }
    let share = |part: usize, all: usize| part as f64 * 100.0 / all as f64;
    eprintln!(
        "loosely (slots \"NO DIMM\" left out): {known} of {dimms} mapped = {:.2} %",
        share(known, dimms)
    );
    eprintln!("of these {on_chipset} on a chipset that several processors share, so without a socket");
    eprintln!("of these {by_group} in a channel known only by the slots that share it");
    let [odd, even] = halves;
    let strict = (odd.0 + even.0, odd.1 + even.1);
    eprintln!(
        "strictly (socket, channel and slot; {unnamed} slots \"NO DIMM\" counted): {} of {} placed = {:.2} %",
        strict.0,
        strict.1,
        share(strict.0, strict.1)
    );
    for (row, count) in rows_of_even.iter().filter(|(row, _)| !rows_of_odd.contains(*row)) {
        eprintln!("{count:5} slots of the even half by a row without use in the odd half: {row}");
    }
    let unseen: usize = rows_of_even
        .iter()
        .filter(|(row, _)| rows_of_odd.contains(*row))
        .map(|(_, count)| count)
        .sum();
    eprintln!(
        "strictly, odd half {:.2} %, even half {:.2} %, even half by rows of the odd half {:.2} %",
        share(odd.0, odd.1),
        share(even.0, even.1),
        share(unseen, even.1)
    );
    eprintln!("hosts: {whole} of {hosts} wholly mapped = {:.2} %", share(whole, hosts));
    eprintln!("bank locators: {agree} hosts sorted alike, {disagree} otherwise");
    eprintln!("arrays: {whole_arrays} hosts with each on one socket, {split_arrays} otherwise");
    // One firmware names a seventh channel for the second slot of the sixth ("CPU1_DIMM_F2",
    // "_Node0_Channel6_Dimm1"): its processor has six.
    assert!(agree > 390 && disagree <= 1);
    let (asked, against) = styles
        .values()
        .fold((0, 0), |sum, style| (sum.0 + style.1, sum.1 + style.2));
    eprintln!("population: against {against} of {asked} sockets");
    assert!(share(against, asked) < 6.0);
    assert!(share(known, dimms) >= 95.0);
    assert!(share(strict.0, strict.1) >= 95.0 && share(unseen, even.1) >= 90.0);
}

/// What is wrong with the places of one machine, by rules that need no knowledge of its board.
fn contradictions(smbios: &Smbios, places: &[Placement]) -> Vec<String> {
    let mut found = Vec::new();
    let mut taken = BTreeMap::new();
    let mut channels: BTreeMap<u32, BTreeSet<_>> = BTreeMap::new();
    for (module, place) in smbios.modules.iter().zip(places) {
        let Some(channel) = &place.channel else { continue };
        let key = (place.socket, place.node, channel, place.slot);
        let name = module.locator.as_deref().unwrap_or_default();
        if let Some(other) = taken.insert(key, name) {
            found.push(format!("{other} and {name} are in one place"));
        }
        if let Some(socket) = place.socket {
            channels.entry(socket).or_default().insert((place.node, channel));
        }
    }
    // Where firmware lists what is populated only, sockets may differ.
    let whole = smbios.modules.iter().any(|module| module.size == Some(0));
    let counts: BTreeSet<usize> = channels.values().map(BTreeSet::len).collect();
    if whole && counts.len() > 1 {
        found.push(format!("sockets have {counts:?} channels"));
    }
    found
}

/// The same against what an independent reader counted: no more sockets with modules than there
/// are processors, no more channels with modules than there are modules.
fn against_facts(smbios: &Smbios, places: &[Placement], processors: usize, modules: usize) -> Vec<String> {
    let mut found = Vec::new();
    let mut sockets = BTreeSet::new();
    let mut channels = BTreeSet::new();
    let used = smbios.modules.iter().zip(places);
    for (_, place) in used.filter(|(module, _)| module.size.is_some_and(|size| size > 0)) {
        sockets.extend(place.socket);
        channels.extend(
            place
                .channel
                .as_ref()
                .map(|channel| (place.socket, place.node, channel)),
        );
    }
    if sockets.len() > processors {
        found.push(format!("modules at {} sockets, {processors} processors", sockets.len()));
    }
    if channels.len() > modules {
        found.push(format!("{} channels in use, {modules} modules", channels.len()));
    }
    found
}

#[test]
fn places_of_one_machine_do_not_contradict_each_other_or_the_facts() {
    let Some(area) = smbios_corpus::area("pci-smbios", 1192) else {
        return;
    };
    let table = smbios_corpus::text(&area.join("dmi-bulk-facts.csv"));
    let mut facts: BTreeMap<&str, Vec<(usize, usize)>> = BTreeMap::new();
    for line in table.lines().skip(1) {
        // The path, the second column, may hold commas.
        let cells: Vec<&str> = line.rsplitn(11, ',').collect();
        let number = |from_end: usize| cells[from_end].parse::<usize>().unwrap();
        let name = line.split(',').next().unwrap();
        facts.entry(name).or_default().push((number(8), number(6)));
    }
    let (mut machines, mut compared, mut wrong) = (0, 0, Vec::new());
    for (name, dump) in smbios_corpus::bulk(&area) {
        let smbios = text::parse(&dump).value;
        let places = place_all(&smbios);
        if places.iter().all(|place| place.channel.is_none()) {
            continue;
        }
        machines += 1;
        for problem in contradictions(&smbios, &places) {
            wrong.push(format!("{name}: {problem}"));
        }
        let Some(rows) = facts.get(name.as_str()) else { continue };
        compared += 1;
        // Two machines share one name; either row will do for either.
        let problems: Vec<Vec<String>> = rows
            .iter()
            .map(|(processors, modules)| against_facts(&smbios, &places, *processors, *modules))
            .collect();
        if problems.iter().all(|list| !list.is_empty()) {
            wrong.extend(problems[0].iter().map(|problem| format!("{name}: {problem}")));
        }
    }
    for problem in &wrong {
        eprintln!("{problem}");
    }
    eprintln!(
        "{machines} machines with places, {compared} compared with the facts, {} contradictions",
        wrong.len()
    );
    assert!(machines > 1100 && compared > 1100);
    // One firmware has a module "P2_DIMM1B" while it calls the second socket empty.
    assert!(wrong.len() <= 1);
}
