//! Decoded configuration space against what `lspci` 3.13 prints of the same bytes.
//!
//! Both texts are cut into words, so that neither white space nor the choice between `=`, `:`
//! and `,` counts, and compared capability by capability. Known differences, all on purpose:
//!
//! - where `lspci` ends in `<?>` it stops; our text goes on with the registers;
//! - `LnkCap2` and `LnkCtl2` of an endpoint that is not 00.0 are hidden by `lspci`, which knows
//!   the address; bytes alone do not tell it, so ours are printed;
//! - VPD: `lspci` reads the data through the OS and says `Not readable` of a dump; ours shows the
//!   address register;
//! - the memory range of CXL ports is called `AlternateBus` by `lspci`, like the bus range;
//! - the virtio structure of type 5, `PCICfg`, is unknown to `lspci`;
//! - the upper half of a 64-bit BAR is listed by `lspci` of a dump as an unassigned BAR;
//! - a virtual function's IDs are ones in its own bytes, and `lspci` live has them of the kernel.

// helpers of tests are tests to people, but not to the lints
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::string_slice, clippy::panic)]

mod pci_config_support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;

use pci_config_support::{Dumped, corpus, dump, members, text, words};
use topo::pci::config::{self, Config};
use topo::pci::header::BarKind;

/// A dump and the text of the oracle.
struct Case {
    name: String,
    dump: String,
    golden: String,
    /// The oracle ran with numeric ids and offline, so headers are comparable too.
    numeric: bool,
}

fn cases() -> Option<Vec<Case>> {
    let root = corpus()?;
    let mut cases = Vec::new();
    let golden = root.join("pci-smbios/lspci-golden");
    let mut names: Vec<_> = fs::read_dir(root.join("pci-smbios/lspci-dump"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    names.sort();
    for path in names {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let of = ["vvvn.txt", "vvvn.txt.xz"].map(|end| golden.join(format!("{name}.{end}")));
        if let Some(of) = of.iter().find(|path| path.exists()) {
            cases.push(Case {
                name,
                dump: text(&path),
                golden: text(of),
                numeric: true,
            });
        }
    }
    let mut benches: Vec<_> = fs::read_dir(root.join("bench"))
        .into_iter()
        .flatten()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.to_string_lossy().ends_with("bios.tar.zst") || path.to_string_lossy().ends_with("ovmf.tar.zst")
        })
        .collect();
    benches.sort();
    for path in benches {
        let mut files = members(&path, &["cmd/lspci-xxxx.txt", "cmd/lspci-vvvnn.txt"]);
        if let (Some(dump), Some(golden)) = (files.remove("cmd/lspci-xxxx.txt"), files.remove("cmd/lspci-vvvnn.txt")) {
            cases.push(Case {
                name: path.file_stem().unwrap().to_string_lossy().into_owned(),
                dump,
                golden,
                numeric: false,
            });
        }
    }
    Some(cases)
}

/// A printed capability: where it is, and its registers by name.
#[derive(Debug, Default, PartialEq)]
struct Printed {
    place: String,
    title: String,
    body: Vec<String>,
}

impl Printed {
    fn words(&self, skip: &[&str]) -> Vec<String> {
        let kept = self
            .body
            .iter()
            .filter(|line| !skip.iter().any(|name| line.starts_with(&format!("{name}:"))));
        std::iter::once(&self.title)
            .chain(kept)
            .flat_map(|line| words(line))
            .map(str::to_owned)
            .collect()
    }

    fn register(&self, name: &str) -> Option<Vec<String>> {
        let line = self.body.iter().find(|line| line.starts_with(&format!("{name}:")))?;
        Some(words(line).into_iter().map(str::to_owned).collect())
    }
}

/// Splits `lspci -vvv` text of one function into the part before the capabilities and these.
fn printed<'a>(lines: impl Iterator<Item = &'a str>) -> (Vec<String>, Vec<Printed>) {
    let mut header = Vec::new();
    let mut capabilities: Vec<Printed> = Vec::new();
    for line in lines {
        if let Some(rest) = line.strip_prefix("\tCapabilities: [") {
            let (place, title) = rest.split_once(']').unwrap();
            capabilities.push(Printed {
                place: place.to_owned(),
                title: title.trim().to_owned(),
                body: Vec::new(),
            });
        } else if line.starts_with("\tKernel ") || line.starts_with("\tExtended capabilities:") {
            continue;
        } else if let Some(capability) = capabilities.last_mut() {
            match capability.body.last_mut() {
                Some(register) if line.starts_with("\t\t\t") => {
                    register.push(' ');
                    register.push_str(line.trim());
                }
                _ => capability.body.push(line.trim().to_owned()),
            }
        } else {
            match header.last_mut() {
                Some(register) if line.starts_with("\t\t") => *register = format!("{register} {}", line.trim()),
                _ => header.push(line.to_owned()),
            }
        }
    }
    (header, capabilities)
}

fn ours(config: &Config) -> (Vec<String>, Vec<Printed>) {
    let mut out = String::new();
    config::describe(config, &mut out).unwrap();
    printed(out.lines())
}

#[derive(Default)]
struct Agreement {
    equal: usize,
    all: usize,
    differences: Vec<String>,
}

impl Agreement {
    fn count(&mut self, equal: bool, difference: impl FnOnce() -> String) {
        self.all += 1;
        if equal {
            self.equal += 1;
        } else {
            self.differences.push(difference());
        }
    }
}

/// Name of a capability without what is different in each of them.
fn kind(title: &str) -> String {
    let end = title.find(['(', ':', '<', '+', '-']).unwrap_or(title.len());
    title[..end]
        .trim()
        .trim_end_matches(|c: char| c.is_ascii_digit())
        .trim()
        .to_owned()
}

/// The oracle's words with its known slips put right, and whether it says that it stops early.
fn corrected(golden: &Printed) -> (Vec<String>, bool) {
    let mut words = golden.words(&[]);
    let stops = words.last().is_some_and(|word| word == "<?>");
    words.retain(|word| word != "<?>");
    if let Some(second) = words.iter().rposition(|word| word == "AlternateBus") {
        words[second] = "AlternateMem".to_owned();
    }
    if let Some(at) = words.windows(2).position(|pair| pair == ["VirtIO", "<unknown>"]) {
        words[at + 1] = "PCICfg".to_owned();
    }
    if golden.title == "Vital Product Data" {
        words.truncate(3);
    }
    (words, stops || golden.title == "Vital Product Data")
}

fn compare(golden: &Printed, ours: &Printed) -> bool {
    let hidden = ["LnkCap2", "LnkCtl2"].map(|name| golden.register(name).is_none().then_some(name));
    let hidden: Vec<&str> = hidden.into_iter().flatten().collect();
    let ours = ours.words(&hidden);
    let (golden, stops) = corrected(golden);
    if ours.first().is_some_and(|word| word == "Subsystem") {
        // names of vendor and device stand before the ids
        return golden.ends_with(&ours[1..]);
    }
    if stops {
        ours.starts_with(&golden)
    } else {
        ours == golden
    }
}

#[test]
fn decoded_registers_are_those_that_lspci_prints() {
    let Some(cases) = cases() else {
        eprintln!("corpus absent: 25 cases not run");
        return;
    };
    let mut tally: BTreeMap<String, Agreement> = BTreeMap::new();
    let mut functions = 0;
    for case in &cases {
        let dumped = dump(&case.dump);
        let golden = dump(&case.golden);
        assert_eq!(dumped.len(), golden.len(), "{}", case.name);
        for (dumped, golden) in dumped.iter().zip(&golden) {
            functions += 1;
            function(case, dumped, golden, &mut tally);
        }
    }
    eprintln!("{} dumps, {functions} functions", cases.len());
    for (name, agreement) in &tally {
        let percent = agreement.equal as f64 * 100.0 / agreement.all as f64;
        eprintln!("{percent:6.1} % {:4}/{:<4} {name}", agreement.equal, agreement.all);
        for difference in agreement.differences.iter().take(3) {
            eprintln!("{difference}");
        }
    }
    for (name, agreement) in &tally {
        assert_eq!(agreement.equal, agreement.all, "{name}: {:#?}", agreement.differences);
    }
}

fn function(case: &Case, dumped: &Dumped, golden: &Dumped, tally: &mut BTreeMap<String, Agreement>) {
    let short = |slot: &str| slot.strip_prefix("0000:").unwrap_or(slot).to_owned();
    assert_eq!(short(&dumped.slot), short(&golden.slot), "{}", case.name);
    let place = format!("{} {}", case.name, dumped.slot);
    let config = config::decode(&dumped.bytes).value;
    let (header, capabilities) = ours(&config);
    let (golden_header, golden_capabilities) = printed(golden.lines.iter().map(String::as_str));
    let mut count = |name: &str, equal: bool, difference: String| {
        tally
            .entry(name.to_owned())
            .or_default()
            .count(equal, || format!("  {place}: {difference}"));
    };
    if config.header.vendor != Some(0xffff) {
        count("= ids", ids(&config, &golden.lines[0]), golden.lines[0].clone());
    }
    let list = |capabilities: &[Printed]| -> Vec<String> { capabilities.iter().map(|one| one.place.clone()).collect() };
    let equal = list(&capabilities) == list(&golden_capabilities);
    count("= list of capabilities", equal, format!("{:?}", list(&capabilities)));
    for name in ["Control", "Status", "Secondary status", "BridgeCtl", "Bus"] {
        let find = |lines: &[String]| register_of(lines, name);
        if let Some(expected) = find(&golden_header) {
            count(
                &format!("= {name}"),
                find(&header).as_ref() == Some(&expected),
                expected.join(" "),
            );
        }
    }
    if case.numeric {
        // the order of lines is not compared
        let tokens = |lines: &[String]| -> BTreeSet<Vec<String>> {
            let line = |line: &String| words(line).into_iter().map(str::to_owned).collect();
            lines.iter().map(line).collect()
        };
        let (mut of_golden, of_ours) = (tokens(&golden_header[1..]), tokens(&header));
        let is_half = |words: &Vec<String>| {
            let number: Option<u8> = words[1].parse().ok();
            let lower = number.and_then(|number| number.checked_sub(1));
            let lower = lower.and_then(|lower| config.header.bars.iter().find(|bar| bar.index == lower));
            words[0] == "Region" && lower.is_some_and(|bar| bar.kind == BarKind::Memory64)
        };
        of_golden.retain(|words| !is_half(words));
        let difference = format!("{:?}", of_golden.symmetric_difference(&of_ours).collect::<Vec<_>>());
        count("= header as a whole", of_golden == of_ours, difference);
    }
    for (golden, ours) in golden_capabilities.iter().zip(&capabilities) {
        let difference = || {
            format!(
                "\n   lspci {}\n   ours  {}",
                golden.words(&[]).join(" "),
                ours.words(&[]).join(" ")
            )
        };
        let equal = compare(golden, ours);
        count(
            &kind(&golden.title),
            equal,
            if equal { String::new() } else { difference() },
        );
        for name in ["LnkCap", "LnkSta", "LnkCtl", "DevCap", "DevCtl", "DevSta"] {
            if let Some(expected) = golden.register(name) {
                count(
                    &format!("= {name}"),
                    ours.register(name).as_ref() == Some(&expected),
                    expected.join(" "),
                );
            }
        }
    }
}

/// Dumps that have no golden text: the text beside the hex, or none at all.
fn dumps_without_golden() -> Option<Vec<(String, Vec<Dumped>)>> {
    let root = corpus()?.join("pci-smbios");
    let mut dumps = Vec::new();
    for path in [
        "lspci-dump/cap-dev3.xz",
        "lspci-dump/cap-flitmode.xz",
        "host-M11x/lspci.log.xz",
        "host-h61m-ds2/lspci.log.xz",
    ] {
        if root.join(path).exists() {
            dumps.push((path.to_owned(), dump(&text(&root.join(path)))));
        }
    }
    let mut raw: Vec<_> = fs::read_dir(root.join("pci-config-bin"))
        .into_iter()
        .flatten()
        .map(|entry| entry.unwrap().path())
        .collect();
    raw.sort();
    for path in raw {
        let stem = path.file_stem().unwrap().to_string_lossy().into_owned();
        let parts: Vec<&str> = stem.split('-').collect();
        let function = Dumped {
            slot: parts.join(":"),
            bytes: fs::read(&path).unwrap(),
            lines: Vec::new(),
        };
        dumps.push((stem, vec![function]));
    }
    Some(dumps)
}

#[test]
fn lists_of_capabilities_are_those_of_the_text_beside_the_hex() {
    let Some(dumps) = dumps_without_golden() else {
        eprintln!("corpus absent: 2 cases not run");
        return;
    };
    let mut functions = 0;
    // the hex of `lspci-dump` was changed by hand after the text beside it was made
    for (name, dumped) in dumps.iter().filter(|(name, _)| name.starts_with("host-")) {
        for function in dumped.iter().filter(|function| function.lines.len() > 1) {
            functions += 1;
            let place = |one: &Printed| one.place.clone();
            let (_, theirs) = printed(function.lines.iter().map(String::as_str));
            let (_, ours) = ours(&config::decode(&function.bytes).value);
            let (theirs, ours): (Vec<_>, Vec<_>) =
                (theirs.iter().map(place).collect(), ours.iter().map(place).collect());
            assert_eq!(ours, theirs, "{name} {}", function.slot);
        }
    }
    eprintln!("{functions} functions with text beside the hex");
}

/// What the installed `lspci` says of these bytes; versions differ in much, but not in these.
#[test]
fn links_are_those_of_the_installed_lspci() {
    let Some(dumps) = dumps_without_golden() else {
        eprintln!("corpus absent: 13 cases not run");
        return;
    };
    let mut links = 0;
    for (name, dumped) in &dumps {
        let Some(theirs) = installed(dumped) else {
            eprintln!("no lspci here: {} cases not run", dumps.len());
            return;
        };
        assert_eq!(dumped.len(), theirs.len(), "{name}");
        for (function, theirs) in dumped.iter().zip(&theirs) {
            let config = config::decode(&function.bytes).value;
            assert!(ids(&config, &theirs.lines[0]), "{name} {}", theirs.lines[0]);
            let (_, theirs) = printed(theirs.lines.iter().map(String::as_str));
            let (_, ours) = ours(&config);
            assert_eq!(ours.len(), theirs.len(), "{name} {}", function.slot);
            for (theirs, ours) in theirs.iter().zip(&ours) {
                assert_eq!(ours.place, theirs.place, "{name} {}", function.slot);
                for register in ["LnkCap", "LnkSta", "DevSta", "DevCtl", "SltCap", "ACSCtl", "UESvrt"] {
                    let Some(expected) = theirs.register(register) else {
                        continue;
                    };
                    links += 1;
                    let seen = ours.register(register).unwrap();
                    // later versions know more bits
                    assert_eq!(seen[..expected.len()], expected, "{name} {} {register}", function.slot);
                }
            }
        }
    }
    eprintln!("{links} registers as the installed lspci has them");
}

fn installed(dumped: &[Dumped]) -> Option<Vec<Dumped>> {
    let mut hex = String::new();
    for function in dumped {
        hex.push_str(&format!("{} x\n", function.slot));
        for (row, bytes) in function.bytes.chunks(16).enumerate() {
            let bytes: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            hex.push_str(&format!("{:02x}: {}\n", row * 16, bytes.join(" ")));
        }
        hex.push('\n');
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), hex).unwrap();
    let output = Command::new("lspci")
        .arg("-F")
        .arg(file.path())
        .arg("-vvvn")
        .output()
        .ok()?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(dump(&String::from_utf8_lossy(&output.stdout)))
}

/// A line of the header by name.
fn register_of(lines: &[String], name: &str) -> Option<Vec<String>> {
    let line = lines.iter().find(|line| line.starts_with(&format!("\t{name}:")))?;
    Some(words(line).into_iter().map(str::to_owned).collect())
}

/// `00:1c.0 0604: 8086:9d10 (rev f1) (prog-if 01)` or with names and `[0604]`, `[8086:9d10]`.
fn ids(config: &Config, line: &str) -> bool {
    let header = &config.header;
    let (vendor, device) = (header.vendor.unwrap(), header.device.unwrap());
    let (class, revision) = (header.class.unwrap(), header.revision.unwrap());
    let ids = format!("{vendor:04x}:{device:04x}");
    let kind = format!("{:04x}", class.kind());
    let shown = |word: &str, value: u32| match line.split_once(word) {
        Some((_, rest)) => rest.starts_with(&format!("{value:02x}")),
        None => value == 0,
    };
    line.contains(&ids) && line.contains(&kind) && shown("(rev ", revision.into()) && shown("(prog-if ", class.0 & 0xff)
}
