//! libvirt's own decodes of real processors: which model describes them as a host, as a guest, and as
//! what QEMU can make there.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests may stop"
)]

mod support;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use cpuid_db::libvirt::cpu::Fallback;
use cpuid_db::libvirt::{Choice, CpuData, HypervisorModel, Kind, LibvirtCpu, Map, ReadAs, decode, qmp, read};
use cpuid_db::{CpuLeaves, formats};

/// `<cpudata>`: rows and MSRs.
fn cpudata(text: &str) -> CpuLeaves {
    let (format, decoded) = formats::detect_and_parse(text).unwrap();
    assert_eq!(decoded.damage, [], "{format}");
    decoded.value.first().unwrap().clone()
}

/// The raw registers of each processor by its name.
fn processors(folder: &Path) -> BTreeMap<String, PathBuf> {
    support::files(folder, ".sig")
        .into_iter()
        .map(|path| {
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            let raw = file(folder, &format!("{name}.xml")).unwrap();
            (name, raw)
        })
        .collect()
}

fn file(folder: &Path, name: &str) -> Option<PathBuf> {
    [folder.join(name), folder.join(format!("{name}.zst"))]
        .into_iter()
        .find(|path| path.is_file())
}

/// Compares and counts; what differs is told with the name.
struct Tally {
    same: usize,
    differ: Vec<String>,
}

impl Tally {
    fn compare(&mut self, name: &str, ours: &LibvirtCpu, theirs: &Path) {
        let theirs = support::text(theirs);
        if ours.to_xml() == theirs {
            self.same += 1;
            return;
        }
        eprintln!("{name}: ours\n{}theirs\n{theirs}", ours.to_xml());
        self.differ.push(name.to_owned());
    }
}

fn guest<'a>(models: Option<&'a [HypervisorModel]>) -> Choice<'a> {
    Choice {
        models,
        fallback: Fallback::Forbid,
        ..Choice::any(Kind::Guest)
    }
}

#[test]
fn definitions_of_real_processors_are_libvirts() {
    let Some(corpus) = support::corpus("definitions of real processors by libvirt") else {
        return;
    };
    let folder = corpus.join("libvirt/cputestdata");
    let map = Map::builtin();
    let mut tallies = [(); 3].map(|()| Tally {
        same: 0,
        differ: Vec::new(),
    });
    let [hosts, guests, made] = &mut tallies;
    for (name, raw) in processors(&folder) {
        let data = CpuData::of(&map, &cpudata(&support::text(&raw)));
        let host = decode(&map, &data, &Choice::any(Kind::Host)).unwrap();
        hosts.compare(&name, &host, &file(&folder, &format!("{name}-host.xml")).unwrap());
        let answers = file(&folder, &format!("{name}.json"))
            .map(|path| qmp::read(&map, &support::text(&path)).unwrap())
            .unwrap_or_default();
        let choice = guest(answers.models.as_deref());
        let ours = decode(&map, &data, &choice).unwrap();
        guests.compare(&name, &ours, &file(&folder, &format!("{name}-guest.xml")).unwrap());
        if let Some(expansion) = answers.expansion {
            let ours = decode(&map, &expansion, &choice).unwrap();
            made.compare(&name, &ours, &file(&folder, &format!("{name}-json.xml")).unwrap());
        }
    }
    for (kind, tally) in [("host", &tallies[0]), ("guest", &tallies[1]), ("json", &tallies[2])] {
        eprintln!(
            "{kind}: {} the same, {} differ: {:?}",
            tally.same,
            tally.differ.len(),
            tally.differ
        );
    }
    assert!(tallies.iter().all(|tally| tally.differ.is_empty() && tally.same > 0));
}

#[test]
fn signatures_of_real_processors_are_libvirts() {
    let Some(corpus) = support::corpus("signatures of real processors by libvirt") else {
        return;
    };
    let folder = corpus.join("libvirt/cputestdata");
    for (name, raw) in processors(&folder) {
        let data = CpuData::of(&Map::builtin(), &cpudata(&support::text(&raw)));
        let (family, model, stepping) = data.family_model_stepping();
        let signature = cpuid_db::libvirt::data::signature(family, model, stepping);
        let text = format!(
            "{signature:06x}\nfamily:   {family:3} (0x{family:02x})\nmodel:    {model:3} (0x{model:02x})\n\
             stepping: {stepping:3} (0x{stepping:02x})\n"
        );
        assert_eq!(text, support::text(&folder.join(format!("{name}.sig"))), "{name}");
    }
}

#[test]
fn definitions_are_written_as_they_were_read() {
    let Some(corpus) = support::corpus("libvirt's definitions, read and written") else {
        return;
    };
    let mut count = 0;
    for path in support::files(&corpus.join("libvirt/cputestdata"), "x86_64-cpuid-") {
        let name = path.to_string_lossy().into_owned();
        if ["-host.xml", "-guest.xml", "-json.xml"]
            .iter()
            .any(|kind| name.contains(kind))
        {
            let text = support::text(&path);
            let cpus = read(&text, ReadAs::Either).into_result().unwrap();
            assert_eq!(cpus.len(), 1);
            assert_eq!(cpus[0].to_xml(), text, "{name}");
            count += 1;
        }
    }
    assert!(count > 100);
}
