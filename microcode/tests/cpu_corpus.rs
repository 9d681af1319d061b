//! Real captures: CPUs of `/proc/cpuinfo` against `lscpu`'s words, the processor ids of dmidecode
//! against the family, model and stepping it says itself, CPUID dumps, logs of Xen.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use captures::Source;
use microcode::codec::{Codec, decoder};
use microcode::cpu::{self, from_cpuinfo, from_dmidecode, from_leaves, from_log, from_lscpu};
use microcode::loader::xen::options::Options;
use microcode::{Cpu, Revision, Vendor};

fn root() -> Option<PathBuf> {
    let default = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus");
    let root = std::env::var_os("DELID_CORPUS").map_or_else(default, PathBuf::from);
    if root.is_dir() {
        return Some(root);
    }
    eprintln!("corpus absent: 1 case not run");
    None
}

fn walk(folder: &Path, list: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries {
        let entry = entry.unwrap();
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            walk(&entry.path(), list);
        } else if kind.is_file() {
            list.push(entry.path());
        }
    }
}

fn files(parts: &[&str]) -> Vec<PathBuf> {
    let mut list = Vec::new();
    if let Some(root) = root() {
        for part in parts {
            walk(&root.join(part), &mut list);
        }
    }
    list.sort();
    list
}

fn named(path: &Path, what: impl Fn(&str) -> bool) -> bool {
    path.file_name().and_then(|name| name.to_str()).is_some_and(what)
}

/// Text of a file, decompressed where it must be.
fn text(path: &Path) -> Option<String> {
    let bytes = fs::read(path).unwrap();
    let mut out = Vec::new();
    match Codec::detect(&bytes) {
        Some(codec) => {
            decoder(codec, bytes.as_slice()).ok()?.read_to_end(&mut out).ok()?;
        }
        None => out = bytes,
    }
    String::from_utf8(out).ok()
}

/// Every `/proc/cpuinfo` of the captures, with the file it is from.
fn cpuinfos() -> &'static [(PathBuf, String)] {
    static FOUND: OnceLock<Vec<(PathBuf, String)>> = OnceLock::new();
    FOUND.get_or_init(read_cpuinfos)
}

fn read_cpuinfos() -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for path in files(&["topo", "pci-smbios", "cpuid"]) {
        // Thousands of texts of dmidecode and nothing else.
        if named(&path, |name| name.starts_with("dmi-bulk")) {
            continue;
        }
        if named(&path, |name| name.contains("cpuinfo")) {
            found.extend(text(&path).map(|text| (path.clone(), text)));
        } else if named(&path, |name| name.contains(".tar") || name.ends_with(".tgz"))
            && let Ok(source) = Source::open(&[&path])
            && let Some(text) = source.text("proc/cpuinfo")
        {
            found.push((path, text));
        }
    }
    found
}

/// The numbers of the processors that the text has.
fn processors(text: &str) -> usize {
    let own = |line: &&str| line.split(':').next().map(str::trim) == Some("processor");
    text.lines().filter(own).count()
}

#[test]
fn every_cpuinfo_of_x86_gives_all_its_processors() {
    let (mut x86, mut kinds, mut other, mut revisions, mut virtual_ones) = (0, 0, 0, 0, 0);
    for (path, text) in cpuinfos() {
        let (cpus, damage) = from_cpuinfo("capture", text);
        if !text.contains("vendor_id") || !text.contains("cpu family") || text.contains("IA-64") {
            assert!(cpus.is_empty(), "{}", path.display());
            other += 1;
            continue;
        }
        assert!(damage.is_empty(), "{}: {damage:?}", path.display());
        let numbers: usize = cpus.iter().map(|cpu| cpu.cpus.len()).sum();
        assert_eq!(numbers, processors(text), "{}", path.display());
        assert!(cpus.iter().all(|cpu| cpu.signature.is_some()), "{}", path.display());
        x86 += 1;
        kinds += cpus.len();
        revisions += usize::from(cpus.iter().all(|cpu| cpu.revision.is_some()));
        virtual_ones += usize::from(cpus.iter().any(|cpu| cpu::made_up(cpu).is_some()));
    }
    eprintln!(
        "{x86} files of x86 with {kinds} kinds of CPUs, {revisions} with revisions, {virtual_ones} virtual; {other} of others"
    );
    assert!(root().is_none() || x86 >= 20, "{x86}");
}

#[test]
fn signature_is_that_of_lscpu() {
    let mut compared = 0;
    for (path, text) in cpuinfos() {
        let name = path.to_str().unwrap().replace(".tar.gz", ".expected");
        let expected = Path::new(&name);
        if expected == path.as_path() || !expected.exists() {
            continue;
        }
        let expected = fs::read_to_string(expected).unwrap();
        let (cpus, _) = from_cpuinfo("capture", text);
        let Some(cpu) = cpus.first() else { continue };
        let (said, damage) = from_lscpu("lscpu", &expected);
        assert!(damage.is_empty(), "{name}: {damage:?}");
        assert_eq!(
            (said[0].vendor, said[0].signature),
            (cpu.vendor, cpu.signature),
            "{name}"
        );
        assert_eq!(said[0].name, cpu.name, "{name}");
        compared += 1;
    }
    assert!(root().is_none() || compared >= 3, "{compared}");
}

/// `Signature: Type 0, Family 6, Model 85, Stepping 7` of a text.
fn said(text: &str) -> Vec<(u16, u16, u16)> {
    let lines = text.lines().filter_map(|line| line.strip_prefix("\tSignature: "));
    lines
        .filter_map(|line| {
            let number = |name: &str| line.split(", ").find_map(|part| part.strip_prefix(name)?.parse().ok());
            Some((number("Family ")?, number("Model ")?, number("Stepping ")?))
        })
        .collect()
}

fn dmidecode(name: &str, text: &str) -> usize {
    let (cpus, damage) = from_dmidecode(name, text);
    assert!(damage.is_empty(), "{name}: {damage:?}");
    let seen: Vec<_> = cpus
        .iter()
        .map(|cpu| cpu.signature.unwrap().family_model_stepping())
        .collect();
    let said = said(text);
    for one in &said {
        assert!(
            seen.contains(one) || *one == (0, 0, 0),
            "{name}: {one:?} of {said:?}, seen {seen:?}"
        );
    }
    said.len()
}

#[test]
fn processor_ids_are_what_dmidecode_says_of_them() {
    let mut compared = 0;
    for path in files(&["topo", "pci-smbios"]) {
        if named(&path, |name| name.contains("dmidecode.txt"))
            && let Some(text) = text(&path)
        {
            compared += dmidecode(path.to_str().unwrap(), &text);
        }
        if named(&path, |name| name == "dmi-bulk-servers.tar.xz") {
            let mut bytes = Vec::new();
            let packed = fs::read(&path).unwrap();
            let mut reader = decoder(Codec::Xz, packed.as_slice()).unwrap();
            reader.read_to_end(&mut bytes).unwrap();
            let mut archive = tar::Archive::new(bytes.as_slice());
            for entry in archive.entries().unwrap() {
                let mut entry = entry.unwrap();
                let name = entry.path().unwrap().display().to_string();
                let mut text = Vec::new();
                entry.read_to_end(&mut text).unwrap();
                compared += dmidecode(&name, &String::from_utf8_lossy(&text));
            }
        }
    }
    eprintln!("{compared} processors compared");
    assert!(root().is_none() || compared >= 1000, "{compared}");
}

#[test]
fn every_cpuid_dump_gives_all_its_processors() {
    let (mut dumps, mut hypervisors, mut platforms) = (0, 0, 0);
    for path in files(&["cpuid"]) {
        let Some(text) = text(&path) else { continue };
        let Some((_, read)) = cpuid_db::formats::detect_and_parse(&text) else {
            continue;
        };
        let cpus = from_leaves("dump", &read.value);
        let numbers: usize = cpus.iter().map(|cpu| cpu.cpus.len()).sum();
        assert_eq!(numbers, read.value.cpus().len(), "{}", path.display());
        dumps += 1;
        hypervisors += usize::from(cpus.iter().any(|cpu| cpu.hypervisor == Some(true)));
        platforms += usize::from(cpus.iter().any(|cpu| cpu.platform.is_some()));
    }
    eprintln!("{dumps} dumps, {hypervisors} under a hypervisor, {platforms} with platform flags");
    assert!(root().is_none() || dumps >= 50, "{dumps}");
}

#[test]
fn log_of_a_real_xen_names_cpu_and_revision_and_refuses_the_option_that_we_refuse() {
    let mut logs = 0;
    for path in files(&["bench", "cpuid"]) {
        if !named(&path, |name| name.starts_with("xen") && name.contains(".tar")) {
            continue;
        }
        let packed = fs::read(&path).unwrap();
        let Some(codec) = Codec::detect(&packed) else { continue };
        let Ok(reader) = decoder(codec, packed.as_slice()) else {
            continue;
        };
        let mut archive = tar::Archive::new(reader);
        for entry in archive.entries().unwrap() {
            let Ok(mut entry) = entry else { break };
            if !entry.path().unwrap().ends_with("xl-dmesg-boot.txt") {
                continue;
            }
            let mut text = String::new();
            entry.read_to_string(&mut text).unwrap();
            let log = from_log("xl dmesg", &text);
            let [cpu] = &log.cpus[..] else { panic!("{log:?}") };
            let Cpu { vendor, revision, .. } = cpu;
            assert_eq!((*vendor, *revision), (Vendor::Amd, Some(Revision(0x0100_0065))));
            assert!(cpu.signature.is_some() && log.began == *revision && log.damage.is_empty());
            let line = text.lines().find_map(|line| line.strip_prefix("(XEN) Command line: "));
            let refused = text.contains("parameter \"ucode\" has invalid value");
            let options = Options::read(line.unwrap(), None);
            let ours = options
                .reasons
                .iter()
                .any(|reason| reason.rule.id == "xen-option-invalid");
            assert_eq!(ours, refused, "{line:?}");
            logs += 1;
        }
    }
    eprintln!("{logs} logs of Xen");
    assert!(root().is_none() || logs >= 1);
}
