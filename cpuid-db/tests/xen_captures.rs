//! Captures of a live Xen 4.20: what xl prints, what libxl asks for and what policy a guest gets, all
//! predicted from the host's policies and the guest's configuration.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a failed test names its file"
)]

mod support;

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use cpuid_db::xen::xlcfg::Config;
use cpuid_db::xen::{
    Circumstances, Domain, DomainType, Features, HostPolicies, Kind, Severity, featureset, lint, pool, predict, xl,
};
use cpuid_db::{CpuLeaves, Database, Leaf, Registers, Subleaf, Words};

/// Files of the captures by path; empty, with a line on stderr, when they are not there. The variable
/// `DELID_XEN_CAPTURES` names a folder of more.
fn captures() -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    if let Some(corpus) = support::corpus("captures of Xen") {
        let archive = corpus.with_file_name("bench").join("xen420-live-text.tar.zst");
        let bytes = std::fs::read(&archive).unwrap_or_else(|error| panic!("{}: {error}", archive.display()));
        let mut plain = Vec::new();
        ruzstd::decoding::StreamingDecoder::new(bytes.as_slice())
            .unwrap()
            .read_to_end(&mut plain)
            .unwrap();
        for entry in tar::Archive::new(plain.as_slice()).entries().unwrap() {
            let mut entry = entry.unwrap();
            let path = entry.path().unwrap().display().to_string();
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            files.insert(path, String::from_utf8_lossy(&content).into_owned());
        }
    }
    if let Some(folder) = std::env::var_os("DELID_XEN_CAPTURES") {
        for path in support::files(Path::new(&folder), ".txt") {
            files.insert(path.display().to_string(), support::text(&path));
        }
    }
    files
}

fn file<'a>(files: &'a BTreeMap<String, String>, folder: &str, name: &str) -> Option<&'a str> {
    files.get(&format!("{folder}/{name}")).map(String::as_str)
}

/// Rows of `xen-cpuid -p`.
fn policies(text: &str) -> Vec<(String, CpuLeaves)> {
    let mut out: Vec<(String, CpuLeaves)> = Vec::new();
    for line in text.lines() {
        if let Some((name, _)) = line.split_once(" policy: ") {
            out.push((name.to_owned(), CpuLeaves::new(0)));
            continue;
        }
        let numbers: Vec<u64> = line
            .split([' ', ':', '-', '>'])
            .filter(|word| word.len() == 8 || word.len() == 16)
            .filter_map(|word| u64::from_str_radix(word, 16).ok())
            .collect();
        let Some((_, cpu)) = out.last_mut() else { continue };
        let narrow = |value: u64| u32::try_from(value).unwrap();
        match numbers[..] {
            [leaf, subleaf, a, b, c, d] => {
                let subleaf = if narrow(subleaf) == u32::MAX {
                    0
                } else {
                    narrow(subleaf)
                };
                let registers = Registers::new(narrow(a), narrow(b), narrow(c), narrow(d));
                cpu.insert(Leaf(narrow(leaf)), Subleaf(subleaf), registers);
            }
            [index, value] => {
                cpu.insert_msr(narrow(index), value);
            }
            _ => {}
        }
    }
    out
}

fn host_policies(text: &str) -> HostPolicies {
    let list = policies(text);
    HostPolicies::of(list.iter().map(|(name, cpu)| (name.as_str(), cpu))).expect("policies of a host")
}

/// The part of a text from a line that begins so, as long as lines are of `xen-cpuid -p`.
fn policy_text(text: &str) -> Option<String> {
    let start = text
        .lines()
        .skip_while(|line| !(line.starts_with("Domain ") && line.contains(" policy: ")));
    let mut first = true;
    let lines: Vec<&str> = start
        .take_while(|line| {
            std::mem::take(&mut first)
                || line.starts_with(" CPUID:")
                || line.starts_with(" MSRs:")
                || line.starts_with("  ")
        })
        .take_while(|line| !line.starts_with("   "))
        .collect();
    (!lines.is_empty()).then(|| lines.join("\n") + "\n")
}

/// The object `"cpuid": {…}` of the JSON that `xl list -l` prints.
fn json_cpuid(text: &str) -> Option<serde_json::Value> {
    let at = text.find("\"cpuid\": {")? + "\"cpuid\": ".len();
    serde_json::Deserializer::from_str(text.get(at..)?)
        .into_iter::<serde_json::Value>()
        .next()?
        .ok()
}

#[test]
fn what_xl_prints_asks_for_and_gets_is_predicted_for_each_string() {
    let files = captures();
    let features = Features::of(&Database::builtin());
    let mut cases = 0;
    for (path, capture) in &files {
        let Some(first) = capture.lines().next().and_then(|line| line.strip_prefix("## ")) else {
            continue;
        };
        let folder = path.rsplit_once('/').unwrap().0;
        let host = host_policies(file(&files, folder, "xen-cpuid-p.txt").unwrap());
        // `## cpuid=…` of a PVH guest, or `## type|line|line`.
        let config = match first.split_once('|') {
            Some((kind @ ("pv" | "hvm" | "pvh"), lines)) => {
                format!("type=\"{kind}\"\n{}\n", lines.replacen('|', "\n", 9))
            }
            _ => format!("type=\"pvh\"\n{first}\n"),
        };
        let config = Config::read(&config);
        if !config.errors.is_empty() {
            let printed = capture.lines().filter(|line| line.contains("config parsing error"));
            assert_eq!(config.errors.len(), printed.count(), "{path}: {:?}", config.errors);
            for message in config.messages("") {
                let message = message.split_once(": ").map_or(message.as_str(), |(_, text)| text);
                assert!(capture.contains(message), "{path}: {message}");
            }
            continue;
        }
        let (domain, outcome) = xl::domain(&features, &config).unwrap();
        let id = capture
            .lines()
            .find_map(|line| line.split_once("Domain ")?.1.split([' ', ':']).next()?.parse().ok());
        let predicted = predict(&features, &host, &domain, id.unwrap_or(1));

        let printed: Vec<&str> = capture
            .lines()
            .skip(1)
            .take_while(|line| !line.starts_with("create rc="))
            .filter(|line| !line.starts_with("Parsing config from") && !line.starts_with("libxl: "))
            .collect();
        let mut messages = outcome.messages.clone();
        match &predicted {
            Err(failure) => {
                assert!(!capture.contains("create rc=0"), "{path} {first}: {failure:?}");
                match failure.message.starts_with("domain creation") {
                    true => assert!(capture.contains(&failure.message), "{path} {first}"),
                    false => messages.push(format!("xc: error: {}: Internal error", failure.message)),
                }
            }
            Ok(policy) => {
                // Debian's hypervisor has no shadow paging.
                if !domain.hap {
                    assert!(capture.contains("Operation not supported"), "{path}");
                    continue;
                }
                let captured = policy_text(capture).unwrap_or_else(|| panic!("{path} {first}: no policy"));
                assert_eq!(
                    policy.text(&format!("Domain {}", id.unwrap())),
                    captured,
                    "{path} {first}"
                );
                if let Some(json) = json_cpuid(capture) {
                    assert_eq!(serde_json::to_value(&outcome.config).unwrap(), json, "{path} {first}");
                }
            }
        }
        assert_eq!(messages, printed, "{path} {first}");
        cases += 1;
    }
    eprintln!("{cases} strings predicted message for message and leaf for leaf");
    assert!(files.is_empty() || cases >= 12);
}

#[test]
fn policies_of_other_guests_are_predicted_from_their_configuration() {
    let files = captures();
    let features = Features::of(&Database::builtin());
    let mut cases = 0;
    for (path, capture) in files.iter().filter(|(path, _)| path.ends_with("-domid-p.txt")) {
        let (folder, name) = path.rsplit_once('/').unwrap();
        let name = name.trim_end_matches("-domid-p.txt");
        let folder = folder.trim_end_matches("/cpuid");
        let find = |name: &str| file(&files, &format!("{folder}/cmd"), name).or_else(|| file(&files, folder, name));
        let (Some(config), Some(host)) = (find(&format!("{name}.cfg")), find("xen-cpuid-p.txt")) else {
            continue;
        };
        let config = Config::read(config);
        assert!(config.errors.is_empty(), "{path}");
        let (domain, _) = xl::domain(&features, &config).unwrap();
        let policy = predict(&features, &host_policies(host), &domain, 1).unwrap();
        let title = capture.split(" policy: ").next().unwrap();
        assert_eq!(&policy.text(title), capture, "{path}");
        cases += 1;
    }
    eprintln!("{cases} other guests predicted leaf for leaf");
    assert!(files.is_empty() || cases >= 5);
}

#[test]
fn policies_of_a_host_are_written_as_they_were_read() {
    let files = captures();
    for (path, text) in files.iter().filter(|(path, _)| path.ends_with("xen-cpuid-p.txt")) {
        let mut out = text.lines().next().unwrap().to_owned() + "\n";
        let host = host_policies(text);
        for (name, policy) in [
            ("Raw", &host.raw),
            ("Host", &host.host),
            ("PV Max", &host.pv_max),
            ("HVM Max", &host.hvm_max),
            ("PV Default", &host.pv_default),
            ("HVM Default", &host.hvm_default),
        ] {
            match policy {
                Some(policy) => out += &policy.text(name),
                None => out += &format!("{name} policy not supported by Xen\n"),
            }
        }
        assert_eq!(&out, text, "{path}");
    }
}

#[test]
fn sets_are_printed_as_xen_cpuid_prints_them() {
    let files = captures();
    let features = Features::of(&Database::builtin());
    let mut cases = 0;
    for (path, text) in &files {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        let detail = match name {
            "xen-cpuid-d.txt" => true,
            "xen-cpuid.txt" => false,
            _ => continue,
        };
        let Some(host) = file(&files, folder, "xen-cpuid-p.txt") else {
            continue;
        };
        let dynamic = host_policies(host).dynamic_sets();
        assert_eq!(&featureset::report(&features, &dynamic, detail), text, "{path}");
        cases += 1;
    }
    assert!(files.is_empty() || cases >= 3, "{cases}");
}

#[test]
fn lint_says_before_the_guest_starts_what_the_captures_show_after() {
    let files = captures();
    let database = Database::builtin();
    let features = Features::of(&database);
    for (path, capture) in &files {
        let Some(first) = capture.lines().next().and_then(|line| line.strip_prefix("## ")) else {
            continue;
        };
        let folder = path.rsplit_once('/').unwrap().0;
        let host = host_policies(file(&files, folder, "xen-cpuid-p.txt").unwrap());
        let config = match first.split_once('|') {
            Some((kind @ ("pv" | "hvm" | "pvh"), lines)) => {
                format!("type=\"{kind}\"\n{}\n", lines.replacen('|', "\n", 9))
            }
            _ => format!("type=\"pvh\"\n{first}\n"),
        };
        if config.contains("hap=0") {
            continue;
        }
        let circumstances = Circumstances {
            policies: Some(&host),
            kind: None,
        };
        let findings = lint(&database, &config, circumstances);
        if std::env::var_os("DELID_SHOW").is_some() {
            eprintln!("{config}");
            for finding in &findings {
                eprintln!(
                    "  {:?} {} {:?}: {} -> {} => {}",
                    finding.severity, finding.at, finding.what, finding.message, finding.effect, finding.advice
                );
            }
        }
        let errors = findings
            .iter()
            .filter(|finding| finding.severity == Severity::Error)
            .count();
        let refused = capture.lines().filter(|line| line.starts_with("  error")).count();
        if capture.contains("create rc=0") {
            assert_eq!(errors, refused, "{path} {first}: {findings:?}");
        } else {
            assert!(errors > refused, "{path} {first}");
        }
        // Each message of xl is one of ours.
        for line in capture
            .lines()
            .filter(|line| line.starts_with("  error") || line.starts_with("xc: error"))
        {
            let line = match line.split_once(" set d") {
                Some((head, tail)) => format!("{head} set dN's{}", tail.split_once("'s").unwrap().1),
                None => line.to_owned(),
            };
            assert!(
                findings.iter().any(|finding| finding.message == line.trim()),
                "{path} {first}: {line}: {findings:?}"
            );
        }
        // A piece that changes nothing is told of, unless it asks for what is there.
        let source = Config::read(&config);
        let Ok((domain, outcome)) = xl::domain(&features, &source) else {
            continue;
        };
        let mut none = domain.clone();
        none.cpuid = cpuid_db::xen::CpuidConfig::default();
        let Ok(without) = predict(&features, &host, &none, 1) else {
            continue;
        };
        for piece in &outcome.pieces {
            let xl::PieceKind::Flag(Some(target)) = &piece.kind else {
                continue;
            };
            let mut alone = none.clone();
            let _ = cpuid_db::xen::libxl::parse_flag(&features, &mut alone.cpuid, &piece.text);
            let same = predict(&features, &host, &alone, 1).is_ok_and(|with| with == without);
            let set = without.featureset().words();
            let there = target.bits().all(|bit| set.has(bit)) && piece.text.ends_with(['1', 'k', 's', 'x'])
                || piece.text.ends_with('x');
            if same && !there && piece.problem.is_none() {
                assert!(
                    findings.iter().any(|finding| finding.what == piece.text),
                    "{path} {first}: {} does nothing and nothing is said",
                    piece.text
                );
            }
        }
    }
}

#[test]
fn a_pool_of_one_host_offers_what_its_guests_get() {
    let files = captures();
    let database = Database::builtin();
    let features = Features::of(&database);
    let mut cases = 0;
    for (path, text) in files.iter().filter(|(path, _)| path.ends_with("xen-cpuid-p.txt")) {
        let host = host_policies(text);
        let words = Words::of(&host.host.as_ref().unwrap().leaves());
        for (kind, domain) in [(Kind::Pv, DomainType::Pv), (Kind::HvmHap, DomainType::Pvh)] {
            if host.maximum_of(domain).is_none() {
                continue;
            }
            let guest = Domain {
                kind: domain,
                ..Domain::default()
            };
            let policy = predict(&features, &host, &guest, 1).unwrap();
            let result = pool(&database, &[("host", words.clone())], kind);
            let (ours, theirs) = (result.features, policy.featureset());
            let common = |set: &featureset::Featureset| {
                let mut set = *set;
                set.0[2] &= !cpuid_db::bits::COMMON_1D;
                set
            };
            let differ: Vec<String> = common(&theirs)
                .without(&ours)
                .or(&ours.without(&theirs))
                .iter()
                .map(|feature| features.label(feature))
                .collect();
            assert!(differ.is_empty(), "{path} {kind:?}: {differ:?}");
            cases += 1;
        }
    }
    assert!(files.is_empty() || cases >= 4);
}
