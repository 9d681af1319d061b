//! Hosts of each state.

use std::sync::Arc;

use super::*;
use crate::found::{Place, Update};
use crate::ids::Date;
use crate::{amd, intel};

const SIG: u32 = 0x0006_06a6;

fn cpu(revision: u32) -> Cpu {
    let mut cpu = Cpu::new("test", Vendor::Intel);
    cpu.signature = Some(Signature(SIG));
    cpu.revision = Some(Revision(revision));
    cpu.hypervisor = Some(false);
    cpu.cpus = vec![0, 1, 2, 3];
    cpu
}

/// An update by its header alone; the file is its content.
fn update(platforms: u32, revision: u32, content: u8) -> Found {
    let mut words = vec![1, revision, 0x0203_2026, SIG, 0, 1, platforms, 976, 1024, 0, 0, 0];
    words.resize(256, u32::from(content));
    words[4] = words
        .iter()
        .fold(0u32, |sum, word| sum.wrapping_add(*word))
        .wrapping_neg();
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    let file = intel::read(&bytes);
    assert!(!file.is_damaged(), "{file:?}");
    let place = Place {
        source: "06-6a-06".to_owned(),
        offset: 0,
    };
    Found::new(place, Update::Intel(file.updates[0].clone()), Arc::new(bytes), 0..1024)
}

fn host(cpus: Vec<Cpu>, own: Vec<Found>) -> Host {
    Host {
        name: "web1".to_owned(),
        cpus,
        own,
    }
}

fn one(cpu: Cpu, updates: &[Found]) -> Row {
    let updates = Updates::new(updates);
    let fleet = compare(&[host(vec![cpu], Vec::new())], &|cpu| updates.for_cpu(cpu));
    fleet.rows[0].clone()
}

#[test]
fn revisions_are_compared_as_numbers() {
    let known = [update(0xff, 0xd00_0100, 1), update(0xff, 0xd00_00ff, 1)];
    assert_eq!(one(cpu(0xd00_00ff), &known).state, State::Outdated);
    assert_eq!(one(cpu(0xd00_0100), &known).state, State::Current);
    assert_eq!(one(cpu(0xd00_0101), &known).state, State::Newer);
    // As text 0xf is behind 0x10.
    assert_eq!(one(cpu(0xf), &[update(0xff, 0x10, 1)]).state, State::Outdated);
}

#[test]
fn known_platform_takes_its_own_update() {
    let known = [update(0x01, 9, 1), update(0x80, 7, 1)];
    let mut cpu = cpu(7);
    cpu.platform = Some(PlatformMask(0x80));
    let row = one(cpu, &known);
    assert_eq!((row.state, row.newest.len()), (State::Current, 1));
}

#[test]
fn open_platform_is_one_of_unless_all_say_the_same() {
    let known = [update(0x01, 9, 1), update(0x80, 7, 1)];
    let row = one(cpu(7), &known);
    let revisions: Vec<u32> = row.newest.iter().map(|newest| newest.revision.0).collect();
    assert_eq!((row.state, revisions), (State::OneOf, vec![7, 9]));
    assert_eq!(one(cpu(6), &known).state, State::Outdated);
    assert_eq!(one(cpu(10), &known).state, State::Newer);
    assert_eq!(one(cpu(9), &known).state, State::OneOf);
    assert_eq!(
        one(cpu(9), &[update(1, 9, 1), update(0x80, 9, 2)]).state,
        State::Current
    );
}

#[test]
fn update_without_platforms_is_for_a_cpu_without() {
    let mut cpu = cpu(5);
    cpu.platform = Some(PlatformMask(2));
    assert_eq!(one(cpu.clone(), &[update(0, 9, 1)]).state, State::Unknown);
    cpu.platform = Some(PlatformMask(0));
    assert_eq!(one(cpu, &[update(0, 9, 1)]).state, State::Outdated);
}

#[test]
fn virtual_machine_is_no_verdict() {
    let mut cpu = cpu(1);
    cpu.hypervisor = Some(true);
    let row = one(cpu, &[update(0xff, 9, 1)]);
    assert_eq!((row.state, row.newest.len()), (State::Virtual, 1));
    assert!(row.notes[0].contains("hypervisor"));
}

#[test]
fn what_is_missing_is_said() {
    let updates = [update(0xff, 9, 1)];
    let mut without = cpu(5);
    without.revision = None;
    assert_eq!(one(without, &updates).notes, ["running revision not known"]);
    let mut without = cpu(5);
    without.signature = None;
    assert_eq!(one(without, &updates).notes, ["signature not known"]);
    assert_eq!(one(cpu(5), &[]).notes, ["no update known for it"]);
    let fleet = compare(&[host(Vec::new(), Vec::new())], &|_| Vec::new());
    assert_eq!((fleet.rows[0].state, fleet.rows.len()), (State::Unknown, 1));
}

#[test]
fn same_revision_with_other_content_is_noted() {
    let row = one(cpu(9), &[update(0xff, 9, 1), update(0xff, 9, 2), update(0xff, 9, 1)]);
    assert_eq!(row.state, State::Current);
    assert_eq!(row.notes, ["1 other update of the same revision with other content"]);
}

#[test]
fn damaged_update_is_not_the_newest() {
    let mut broken = update(0xff, 99, 1);
    if let Update::Intel(update) = &mut broken.update {
        update.damage.push(crate::Damage::new(16, "checksum", "another"));
    }
    assert_eq!(one(cpu(9), &[broken, update(0xff, 9, 1)]).state, State::Current);
}

#[test]
fn newer_one_in_the_hosts_own_initrd_waits_for_a_reboot() {
    let hosts = [host(vec![cpu(5)], vec![update(0xff, 7, 1)])];
    let fleet = compare(&hosts, &|_| Vec::new());
    let row = &fleet.rows[0];
    assert_eq!(row.pending.as_ref().map(|newest| newest.revision), Some(Revision(7)));
    assert!(row.notes.iter().any(|note| note.contains("does not run: reboot")));
    // On another platform it may be one that runs already.
    let hosts = [host(vec![cpu(5)], vec![update(1, 7, 1), update(2, 5, 1)])];
    assert_eq!(compare(&hosts, &|_| Vec::new()).rows[0].pending, None);
}

#[test]
fn mixed_revisions_of_a_host_are_told_in_each_row() {
    let fleet = compare(&[host(vec![cpu(5), cpu(7)], Vec::new())], &|_| Vec::new());
    assert!(fleet.rows.iter().all(|row| row.mixed));
    assert!(
        fleet.rows[0]
            .notes
            .contains(&"mixed revisions in this host: 0x5, 0x7".to_owned())
    );
}

#[test]
fn amd_patch_is_found_by_its_signature() {
    let patch = amd::Patch {
        signatures: vec![Signature(0xa20f12)],
        ..amd::read_patch(&{
            let mut bytes = vec![0x26, 0x20, 0x04, 0x03];
            bytes.extend(0x0a20_1216u32.to_le_bytes());
            bytes.extend([2, 0x80]);
            bytes.resize(24, 0);
            bytes.extend([0x12, 0xa2]);
            bytes.resize(100, 0);
            bytes
        })
        .unwrap()
    };
    let place = Place {
        source: "a".to_owned(),
        offset: 0,
    };
    let found = Found::new(place, Update::Amd(patch), Arc::new(vec![1; 100]), 0..100);
    let mut cpu = Cpu::new("test", Vendor::Amd);
    (cpu.signature, cpu.revision) = (Some(Signature(0xa20f12)), Some(Revision(0x0a20_1210)));
    let row = one(cpu.clone(), std::slice::from_ref(&found));
    assert_eq!((row.state, row.newest[0].platforms), (State::Outdated, None));
    cpu.vendor = Vendor::Intel;
    assert_eq!(one(cpu, &[found]).state, State::Unknown);
}

#[test]
fn table_json_and_csv_say_the_same() {
    let known = [update(0xff, 0x10, 1)];
    let updates = Updates::new(&known);
    let mut first = cpu(0xf);
    first.name = Some("Some \"fast\" CPU, 2 GHz".to_owned());
    let hosts = [host(vec![first], Vec::new()), host(vec![cpu(0x10)], Vec::new())];
    let mut fleet = compare(&hosts, &|cpu| updates.for_cpu(cpu));
    fleet.rows[1].host = "web\x1b[31m2".to_owned();
    let text = fleet.to_string();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 3);
    assert!(lines[1].contains("0xf") && lines[1].contains("outdated"), "{text}");
    assert!(!text.contains('\x1b'));
    let mut csv = Vec::new();
    fleet.write_csv(&mut csv).unwrap();
    let csv = String::from_utf8(csv).unwrap();
    assert!(csv.starts_with("host,cpus,vendor,name,"));
    assert!(
        csv.contains(",\"Some \"\"fast\"\" CPU, 2 GHz\",0x000606a6,,0xf,outdated,0x10,2026-02-03,"),
        "{csv}"
    );
    let json = serde_json::to_value(&fleet).unwrap();
    assert_eq!(json["rows"][0]["state"], "outdated");
    assert_eq!(json["rows"][0]["newest"][0]["revision"], "0x10");
    assert_eq!((fleet.count(State::Outdated), fleet.count(State::Current)), (1, 1));
    assert_eq!(Date::from_field(0x0203_2026).to_string(), "2026-02-03");
}
