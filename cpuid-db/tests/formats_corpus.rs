//! Every dump of the corpus: its format is told, nothing of it is lost, and each writer's text is read
//! again as the same dump.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::expect_used,
    reason = "a test may stop"
)]

mod support;

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;

use cpuid_db::firecracker;
use cpuid_db::formats::{self, Format, featureset, xen_policies};
use cpuid_db::write::{self, Output};
use cpuid_db::{CpuLeaves, LeafSet};

/// Folder of the corpus, part of the file's name, formats they may have.
const DUMPS: [(&str, &str, &[Format]); 13] = [
    ("instlatx64", "", &[Format::Aida64]),
    ("libcpuid", ".test", &[Format::LibcpuidTest]),
    ("live-kvm-guest", "/cpuid-20", &[Format::CpuidR]),
    ("live-kvm-guest", "/kcpuid-6.12-r", &[Format::Kcpuid]),
    ("live-kvm-guest", "-raw.txt", &[Format::Libcpuid]),
    ("live-kvm-guest", "proc-cpuinfo", &[Format::Cpuinfo]),
    ("live-kvm-guest", "dev-cpu-", &[Format::Words]),
    ("decode-oracle", ".cpuid-r.", &[Format::CpuidR]),
    ("libvirt/cputestdata/x86_64-cpuid-", ".xml", &[Format::Cpudata]),
    ("firecracker", "fingerprint", &[Format::Firecracker]),
    ("firecracker/T", ".json", &[Format::Firecracker]),
    ("firecracker", "SPR_TO", &[Format::Firecracker]),
    ("xen", ".xen-cpuid.txt", &[Format::Featureset]),
];

/// Files of a folder, or of a folder and the beginning of a name, that hold dumps.
fn files(corpus: &Path, folder: &str, part: &str) -> Vec<PathBuf> {
    let place = corpus.join(folder);
    let (folder, start) = if place.is_dir() {
        (place.clone(), String::new())
    } else {
        let start = place.file_name().unwrap().to_string_lossy().into_owned();
        (place.parent().unwrap().to_owned(), start)
    };
    let kinds = ["-host", "-guest", "-json", "decode.txt"];
    let mut found = support::files(&folder, part);
    found.retain(|path| {
        let file = path.file_name().unwrap().to_string_lossy();
        file.starts_with(&start) && kinds.iter().all(|kind| !file.contains(kind))
    });
    found
}

/// All dumps with their formats.
fn dumps() -> Vec<(String, String, Vec<Format>)> {
    let Some(corpus) = support::corpus("reading and writing of all dumps") else {
        return Vec::new();
    };
    let mut dumps = Vec::new();
    for (folder, part, expected) in DUMPS {
        let found = files(&corpus, folder, part);
        assert!(!found.is_empty(), "{folder} {part}");
        for path in found {
            dumps.push((path.display().to_string(), support::text(&path), expected.to_vec()));
        }
    }
    dumps
}

#[test]
fn every_format_is_told_by_content() {
    for (name, text, expected) in dumps() {
        let (format, decoded) = formats::detect_and_parse(&text).unwrap_or_else(|| panic!("{name}: not recognised"));
        assert!(expected.contains(&format), "{name}: {format}");
        assert!(!decoded.value.is_empty(), "{name}");
        let old_subleaves = ["leaf 0x0000000d", "leaf 0x00000010"];
        for damage in &decoded.damage {
            assert!(
                old_subleaves.iter().any(|leaf| damage.seen.contains(leaf)),
                "{name}: {damage:?}"
            );
        }
    }
}

/// Rows, MSRs, numbers; and whether the CPUs are partial, where the format tells.
fn same(left: &CpuLeaves, right: &CpuLeaves, msrs: bool) -> bool {
    left.rows().eq(right.rows()) && (!msrs || left.msrs().eq(right.msrs()))
}

#[test]
fn every_writer_is_read_again_as_the_same_dump() {
    let mut round_trips = [0; 5];
    for (name, text, _) in dumps() {
        let (_, decoded) = formats::detect_and_parse(&text).unwrap();
        let set = decoded.value;
        for (count, (_, output)) in round_trips.iter_mut().zip(Output::ALL) {
            let written = write::write(output, &set);
            let (format, again) = formats::detect_and_parse(&written).unwrap();
            assert_eq!(again.damage, [], "{name} {output:?}");
            let expected = match output {
                Output::CpuidR => Format::CpuidR,
                Output::Aida64 => Format::Aida64,
                Output::Cpudata => Format::Cpudata,
                Output::Firecracker => Format::Firecracker,
                Output::Json => Format::Json,
            };
            assert_eq!(format, expected, "{name}");
            if output == Output::Json {
                assert_eq!(again.value, set, "{name} {output:?}");
            }
            let cpus = if output == Output::Firecracker {
                1
            } else {
                set.cpus().len()
            };
            assert_eq!(again.value.cpus().len(), cpus, "{name} {output:?}");
            for (left, right) in set.cpus().iter().zip(again.value.cpus()) {
                assert!(
                    same(left, right, output.has_msrs()),
                    "{name} {output:?} CPU {}",
                    left.number
                );
                let numbered = !matches!(output, Output::Cpudata | Output::Firecracker);
                assert!(!numbered || left.number == right.number, "{name} {output:?}");
            }
            *count += 1;
        }
    }
    eprintln!("read, written and read again: {round_trips:?} of {:?}", Output::ALL);
}

#[test]
fn text_of_cpuid_r_is_written_byte_for_byte() {
    let Some(corpus) = support::corpus("cpuid -r texts") else {
        return;
    };
    let mut equal = 0;
    for (folder, part) in [("live-kvm-guest", "/cpuid-20"), ("decode-oracle", ".cpuid-r.")] {
        for path in files(&corpus, folder, part) {
            let text = support::text(&path);
            let decoded = formats::parse(Format::CpuidR, &text);
            let written = write::write(Output::CpuidR, &decoded.value);
            let trimmed = |text: &str| -> Vec<String> { text.lines().map(str::to_owned).collect() };
            assert_eq!(trimmed(&written), trimmed(&text), "{}", path.display());
            equal += 1;
        }
    }
    eprintln!("{equal} texts of cpuid -r equal byte for byte");
}

#[test]
fn cpuid_decodes_what_is_written_as_it_decodes_the_original() {
    if Command::new("cpuid").arg("-v").output().is_err() {
        eprintln!("cpuid absent: its reading of our text is not checked");
        return;
    }
    let Some(corpus) = support::corpus("decodes by cpuid") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let decode = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        Command::new("cpuid").arg("-f").arg(path).output().unwrap()
    };
    let mut equal = 0;
    for (place, part) in [("live-kvm-guest", "/cpuid-20"), ("decode-oracle", ".cpuid-r.")] {
        for path in files(&corpus, place, part) {
            let text = support::text(&path);
            let written = write::write(Output::CpuidR, &formats::parse(Format::CpuidR, &text).value);
            let (ours, theirs) = (decode("ours", &written), decode("theirs", &text));
            assert!(ours.status.success(), "{}", path.display());
            assert_eq!(ours.stdout, theirs.stdout, "{}", path.display());
            equal += 1;
        }
    }
    // and it takes what came from other formats
    for path in files(&corpus, "instlatx64/GenuineIntel", "Lake").into_iter().take(20) {
        let set = formats::parse(Format::Aida64, &support::text(&path)).value;
        let output = decode("other", &write::write(Output::CpuidR, &set));
        assert!(
            output.status.success() && output.stderr.is_empty(),
            "{}",
            path.display()
        );
    }
    eprintln!("{equal} decodes by cpuid equal");
}

#[test]
fn one_machine_in_several_formats_has_the_same_rows() {
    let Some(corpus) = support::corpus("one machine in 4 formats") else {
        return;
    };
    let read = |name: &str| -> LeafSet {
        let text = support::text(&corpus.join("live-kvm-guest").join(name));
        formats::detect_and_parse(&text).unwrap().1.value
    };
    let of_cpuid = read("cpuid-20250316-r.txt");
    let first = &of_cpuid.cpus()[0];
    // bits that change from call to call: APIC ids of the CPU that was read, OSXSAVE
    let volatile = |leaf: u32| matches!(leaf, 1 | 0xb | 0x1f | 0xd | 0x8000_001e);
    for name in ["kcpuid-6.12-r.txt", "libcpuid-0.6.2-raw.txt", "dev-cpu-0-cpuid.txt"] {
        let other = read(name);
        let mut compared = 0;
        for (leaf, subleaf, registers) in other.cpus()[0].rows() {
            if let Some(theirs) = first.get(leaf, subleaf).filter(|_| !volatile(leaf.0)) {
                assert_eq!(registers, theirs, "{name} {leaf} {}", subleaf.0);
                compared += 1;
            }
        }
        assert!(compared > 15, "{name}: {compared}");
    }
    let cpuinfo = read("proc-cpuinfo.txt");
    let partial = &cpuinfo.cpus()[0];
    assert!(partial.partial);
    for (leaf, subleaf, registers) in partial.rows() {
        let whole = first.get(leaf, subleaf).unwrap();
        let pairs = [
            (registers.ecx, whole.ecx),
            (registers.edx, whole.edx),
            (registers.ebx, whole.ebx),
            (registers.eax, whole.eax),
        ];
        for (part, whole) in pairs {
            let brand = matches!(leaf.0, 0x8000_0002..=0x8000_0004);
            assert!(
                brand || leaf.0 == 1 || part & !whole == 0,
                "{leaf}: {part:#x} of {whole:#x}"
            );
        }
    }
    let one = (partial.leaf(1).unwrap(), first.leaf(1).unwrap());
    assert_eq!(one.0.eax, one.1.eax);
    assert_eq!((one.0.ecx & !one.1.ecx, one.0.edx & !one.1.edx), (0, 0));
}

#[test]
fn featuresets_are_the_words_of_the_dumps_they_were_made_of() {
    let Some(corpus) = support::corpus("5 featuresets") else {
        return;
    };
    let mut equal = 0;
    for path in support::files(&corpus.join("xen"), ".xen-cpuid.txt") {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let stem = name.split(".xen-cpuid").next().unwrap();
        let dump = support::files(&corpus.join("instlatx64"), stem);
        let Some(dump) = dump.first() else { continue };
        let set = formats::parse(Format::Aida64, &support::text(dump)).value;
        let sets = featureset::parse(&support::text(&path)).value;
        let words = featureset::of(set.first().unwrap());
        // the oracle was made without MSRs
        let without_msrs: Vec<u32> = words
            .iter()
            .enumerate()
            .map(|(place, word)| if matches!(place, 16 | 17) { 0 } else { *word })
            .collect();
        assert_eq!(sets[0].1, without_msrs, "{name}");
        equal += 1;
    }
    eprintln!("{equal} featuresets equal");
}

#[test]
fn templates_are_written_as_they_were_read() {
    let Some(corpus) = support::corpus("8 templates") else {
        return;
    };
    let mut equal = 0;
    for path in support::files(&corpus.join("firecracker"), ".json") {
        let text = support::text(&path);
        if path.to_string_lossy().contains("schema") {
            continue;
        }
        let decoded = firecracker::read(&text);
        assert_eq!(decoded.damage, [], "{}", path.display());
        let written = firecracker::write(&decoded.value).unwrap();
        assert_eq!(
            firecracker::template(&written).value,
            firecracker::template(&text).value,
            "{}",
            path.display()
        );
        equal += 1;
    }
    eprintln!("{equal} templates written as they were read");
}

/// Texts of the archive of a live Xen.
fn live_xen(corpus: &Path) -> Vec<(String, String)> {
    let file = std::fs::read(corpus.parent().unwrap().join("bench/xen420-live-text.tar.zst")).unwrap();
    let decoder = ruzstd::decoding::StreamingDecoder::new(file.as_slice()).unwrap();
    let mut archive = tar::Archive::new(decoder);
    let mut texts = Vec::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let name = entry.path().unwrap().display().to_string();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        texts.push((name, String::from_utf8_lossy(&bytes).into_owned()));
    }
    texts
}

#[test]
fn policies_of_a_live_xen_are_read() {
    let Some(corpus) = support::corpus("xen-cpuid -p") else {
        return;
    };
    let (mut texts, mut policies, mut rows) = (0, 0, 0);
    for (name, text) in live_xen(&corpus) {
        let headers = text.lines().filter(|line| line.contains(" policy: ")).count();
        if headers == 0 {
            continue;
        }
        assert_eq!(formats::detect(&text), Some(Format::XenPolicies), "{name}");
        let decoded = xen_policies::parse(&text);
        assert_eq!(decoded.damage, [], "{name}");
        assert_eq!(decoded.value.len(), headers, "{name}");
        let read: usize = decoded.value.iter().map(|(_, cpu)| cpu.len() + cpu.msrs().len()).sum();
        let arrows = text
            .lines()
            .filter(|line| line.contains(" -> ") && !line.ends_with(' '))
            .count();
        assert_eq!(read, arrows, "{name}");
        texts += 1;
        policies += headers;
        rows += read;
    }
    assert!(policies > 20, "{policies}");
    eprintln!("{texts} texts of xen-cpuid -p, {policies} policies, {rows} rows and MSRs");
}

#[test]
fn featuresets_of_a_live_xen_are_the_words_of_its_policies() {
    let Some(corpus) = support::corpus("featuresets of a live Xen") else {
        return;
    };
    let texts = live_xen(&corpus);
    let mut equal = 0;
    for (name, text) in &texts {
        let Some(folder) = name.strip_suffix("/xen-cpuid.txt") else {
            continue;
        };
        assert_eq!(formats::detect(text), Some(Format::Featureset), "{name}");
        let sets = featureset::parse(text);
        assert_eq!(sets.damage, [], "{name}");
        let (_, policies) = texts
            .iter()
            .find(|(name, _)| *name == format!("{folder}/xen-cpuid-p.txt"))
            .unwrap();
        for (policy, cpu) in xen_policies::parse(policies).value {
            let words = featureset::of(&cpu).to_vec();
            // the static sets have other names, or stand before the dynamic ones
            assert!(
                sets.value
                    .iter()
                    .any(|(set, others)| *set == policy && *others == words),
                "{name} {policy}"
            );
            equal += 1;
        }
    }
    eprintln!("{equal} featuresets of a live Xen equal to its policies");
}
