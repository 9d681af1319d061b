//! What this crate writes, read by `virsh` where it is installed; of whatever version: features and
//! models that it does not know are left out.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests may stop"
)]

mod support;

use std::collections::BTreeSet;
use std::process::Command;

use cpuid_db::Database;
use cpuid_db::libvirt::{
    Choice, CpuData, HypervisorModel, Kind, LibvirtCpu, Map, Options, Policy, ReadAs, baseline, decode, from_guest,
    read, to_guest,
};

/// Output of `virsh` with the driver that needs no daemon; what it says on stderr when it fails.
fn virsh(arguments: &[&str], input: Option<&str>) -> Result<String, String> {
    let file = tempfile::NamedTempFile::new().unwrap();
    let mut command = Command::new("virsh");
    command
        .args(["-c", "test:///default"])
        .args(arguments)
        .env("LC_ALL", "C");
    if let Some(input) = input {
        std::fs::write(file.path(), input).unwrap();
        command.arg(file.path());
    }
    let output = command.output().map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout))
}

/// The models `virsh` knows; `None`, and a line on stderr, when it is not installed.
fn known_models() -> Option<Vec<HypervisorModel>> {
    match virsh(&["cpu-models", "x86_64"], None) {
        Ok(text) => {
            let names = text.lines().map(str::trim).filter(|line| !line.is_empty());
            let model = |name: &str| HypervisorModel {
                name: name.to_owned(),
                blockers: Vec::new(),
            };
            Some(names.map(model).collect())
        }
        Err(error) => {
            eprintln!(
                "virsh absent: its reading of our definitions is not run ({})",
                error.trim()
            );
            None
        }
    }
}

fn xml(cpus: &[LibvirtCpu]) -> String {
    cpus.iter().map(LibvirtCpu::to_xml).collect()
}

/// A name in `virsh`'s complaint about a feature.
fn unknown_feature(error: &str) -> Option<String> {
    let name = error.split("Unknown CPU feature ").nth(1)?;
    Some(name.split_whitespace().next()?.to_owned())
}

fn required(cpu: &LibvirtCpu) -> BTreeSet<&str> {
    let wanted = cpu
        .features
        .iter()
        .filter(|feature| feature.policy == Some(Policy::Require));
    wanted.map(|feature| feature.name.as_str()).collect()
}

#[test]
fn virsh_takes_our_hosts_and_makes_the_same_of_them() {
    let (Some(models), Some(corpus)) = (known_models(), support::corpus("hosts given to virsh")) else {
        return;
    };
    let map = Map::builtin();
    let mut unknown: BTreeSet<String> = BTreeSet::new();
    let (mut cases, mut same_model) = (0, 0);
    for input in support::files(&corpus.join("libvirt/baseline-live"), "input.xml") {
        let hosts = read(&support::text(&input), ReadAs::Hosts).into_result().unwrap();
        // Written anew with the models this version knows, from their features alone.
        let mut hosts: Vec<LibvirtCpu> = hosts
            .iter()
            .map(|host| {
                let data = CpuData {
                    features: host.features(&map).unwrap(),
                    vendor: host.vendor.as_ref().and_then(|name| map.vendor(name)),
                    signature: 0,
                };
                let choice = Choice {
                    models: Some(&models),
                    ..Choice::any(Kind::Host)
                };
                decode(&map, &data, &choice).unwrap()
            })
            .collect();
        let theirs = loop {
            for host in &mut hosts {
                host.features.retain(|feature| !unknown.contains(&feature.name));
            }
            match virsh(&["cpu-baseline", "--features"], Some(&xml(&hosts))) {
                Err(error) => match unknown_feature(&error) {
                    Some(name) => assert!(unknown.insert(name), "{error}"),
                    None => break Err(error),
                },
                Ok(text) => break Ok(text),
            }
        };
        let options = Options {
            expand: true,
            models: Some(&models),
            ..Options::default()
        };
        let ours = baseline(&map, &hosts, &options);
        match (ours, theirs) {
            (Err(ours), Err(theirs)) => assert_eq!(format!("error: {}", ours.message), theirs.trim()),
            (Ok(ours), Ok(theirs)) => {
                let theirs = read(&theirs, ReadAs::Guests).into_result().unwrap().remove(0);
                assert_eq!(required(&ours), required(&theirs), "{}", input.display());
                same_model += usize::from(ours.model == theirs.model);
            }
            (ours, theirs) => panic!("{}: {ours:?} {theirs:?}", input.display()),
        }
        cases += 1;
    }
    eprintln!("{cases} lists of hosts, {same_model} with the same model; not known to it: {unknown:?}");
    assert!(cases > 0);
}

#[test]
fn virsh_takes_our_guests_and_gives_them_back() {
    if known_models().is_none() {
        return;
    }
    let (database, map) = (Database::builtin(), Map::builtin());
    let mut count = 0;
    for model in map.models().iter().filter(|model| model.decode_guest).step_by(5) {
        let text = format!(
            "<cpu mode='custom' match='exact' check='none'><model>{}</model><maxphysaddr mode='emulate' bits='42'/>\
             <feature policy='force' name='pcid'/><feature policy='disable' name='fpu'/>\
             <feature policy='forbid' name='hle'/><feature policy='optional' name='sse4a'/></cpu>",
            model.name
        );
        let cpu = read(&text, ReadAs::Guests).into_result().unwrap().remove(0);
        let (guest, faults) = to_guest(&map, &cpu);
        assert_eq!(faults, []);
        let (ours, faults) = from_guest(&map, &database, &guest).unwrap();
        assert_eq!(faults, []);
        let domain = format!(
            "<domain type='test'><name>ours</name><memory>1024</memory><vcpu>1</vcpu>\
             <os><type arch='x86_64'>hvm</type></os>{}</domain>",
            ours.to_xml()
        );
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), domain).unwrap();
        let commands = format!("define {}; dumpxml --inactive ours", file.path().display());
        let answer = virsh(&[&commands], None).unwrap_or_else(|error| panic!("{}: {error}", ours.to_xml()));
        let (_, back) = answer.split_once("<domain").unwrap();
        let back = read(&format!("<domain{back}"), ReadAs::Guests).cpus.remove(0);
        assert_eq!(back.to_xml(), ours.to_xml());
        count += 1;
    }
    eprintln!("{count} guests came back");
    assert!(count > 0);
}
