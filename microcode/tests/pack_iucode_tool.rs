//! What is chosen and written, byte for byte against `iucode_tool`: Debian's whole set and the
//! corpus, with filters of every kind.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use microcode::gather::{Gathered, Options, gather_directory};
use microcode::pack::early::{self, Blob};
use microcode::pack::{Filter, Keep, Selection, Written, files, filter, select};
use microcode::{Vendor, gather};

/// Folders with Intel updates: the corpus, and a whole set where there is one.
fn sets() -> Vec<PathBuf> {
    let default = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus");
    let corpus = std::env::var_os("DELID_CORPUS").map_or_else(default, PathBuf::from);
    let whole = std::env::var_os("DELID_UCODE").map_or_else(|| PathBuf::from("/lib/firmware"), PathBuf::from);
    let mut list = Vec::new();
    for (what, folder) in [
        ("corpus", corpus.join("microcode/intel")),
        ("intel-ucode", whole.join("intel-ucode")),
    ] {
        if folder.is_dir() {
            list.push(folder);
        } else {
            eprintln!("{what} absent: its cases not run");
        }
    }
    if Command::new("iucode_tool").arg("-V").output().is_err() {
        eprintln!("iucode_tool absent: {} sets not compared", list.len());
        list.clear();
    }
    list
}

fn read(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut list: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file() && !path.to_str().unwrap().contains("LICENSE"))
        .map(|path| {
            (
                path.file_name().unwrap().to_str().unwrap().to_owned(),
                fs::read(path).unwrap(),
            )
        })
        .collect();
    list.sort();
    list
}

fn set(folder: &Path) -> Gathered {
    gather_directory(folder.to_str().unwrap(), read(folder), Options::default())
}

/// `iucode_tool` on the files of a folder; its standard output.
fn iucode_tool(folder: &Path, arguments: &[&str]) -> String {
    let inputs = read(folder).into_iter().map(|(name, _)| folder.join(name));
    let output = Command::new("iucode_tool")
        .args(arguments)
        .arg("-tb")
        .args(inputs)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

/// The lines of `iucode_tool -l` without the numbers of its files.
fn listed(text: &str) -> Vec<String> {
    let lines = text.lines().filter(|line| line.contains("size "));
    lines
        .map(|line| format!("sig {}", line.split_once("sig ").unwrap().1))
        .collect()
}

fn ours(selection: &Selection<'_>) -> Vec<String> {
    let entries = selection
        .entries
        .iter()
        .filter(|entry| entry.whom.vendor == Vendor::Intel);
    let line = |entry: &microcode::pack::Entry<'_>| {
        let (update, size) = (&entry.found.update, entry.found.bytes().len());
        let (signature, platforms) = (entry.whom.signature.unwrap(), entry.whom.platforms);
        let (date, revision) = (update.date(), update.revision().0);
        format!("sig {signature}, pf_mask {platforms}, {date}, rev {revision:#06x}, size {size}")
    };
    entries.map(line).collect()
}

fn rules(rules: &[&str]) -> Filter {
    Filter {
        rules: rules.iter().map(|rule| rule.parse().unwrap()).collect(),
        ..Filter::default()
    }
}

#[test]
fn selection_is_that_of_iucode_tool() {
    let date = |text| Some(filter::date(text).unwrap());
    let mut cases: Vec<(Vec<String>, Filter)> = Vec::new();
    for list in [
        &[][..],
        &["0x206a7"],
        &["!0x206a7"],
        &["0x6fb,0x03"],
        &["0x6fb,0x80", "0x6fb,1"],
        &["0x6fb", "!0x6fb,0x10"],
        &["0xb0671", "0xb0674,,gt:0x100"],
        &["0xb06f2,0x07"],
        &["0x906a4,,lt:0x500"],
        &["0x406f1,0xef,0xb000040"],
        &["!", "1713,,eq:0xba"],
        &["!0x6fb,,lt:0xbc", "!0xf41"],
        &["0xf41,0x02", "!0xf41,,lt:0x17", "0611"],
    ] {
        let arguments = list.iter().flat_map(|rule| ["-s".to_owned(), (*rule).to_owned()]);
        cases.push((arguments.collect(), rules(list)));
    }
    for (arguments, filter) in [
        (
            &["--date-after=2019-01-01"][..],
            Filter {
                after: date("2019-01-01"),
                ..Filter::default()
            },
        ),
        (
            &["--date-after=2009-12-31", "--date-before=2020-01-01"],
            Filter {
                after: date("2009-12-31"),
                before: date("2020-01-01"),
                ..Filter::default()
            },
        ),
        (
            &[
                "--date-before=2010-10-02",
                "--loose-date-filtering",
                "-s",
                "!0x6fb,0x01",
            ],
            Filter {
                before: date("2010-10-02"),
                loose_dates: true,
                ..rules(&["!0x6fb,0x01"])
            },
        ),
    ] {
        cases.push((arguments.iter().map(|text| (*text).to_owned()).collect(), filter));
    }
    let mut compared = 0;
    for folder in sets() {
        let gathered = set(&folder);
        for (arguments, filter) in &cases {
            let mut all = vec!["-q", "-l"];
            all.extend(arguments.iter().map(String::as_str));
            let theirs = listed(&iucode_tool(&folder, &all));
            let selection = select(&gathered.found, filter, Keep::Newest);
            assert_eq!(ours(&selection), theirs, "{} {arguments:?}", folder.display());
            compared += theirs.len();
        }
    }
    eprintln!("{compared} selected lines agree");
}

#[test]
fn written_files_are_byte_for_byte_those_of_iucode_tool() {
    for folder in sets() {
        let gathered = set(&folder);
        let selection = select(&gathered.found, &Filter::default(), Keep::Newest);
        let updates = selection.of(Vendor::Intel);
        let out = tempfile::tempdir().unwrap();
        let path = |name: &str| out.path().join(name).to_str().unwrap().to_owned();
        for name in ["K", "W"] {
            fs::create_dir(path(name)).unwrap();
        }
        iucode_tool(
            &folder,
            &[
                "-q",
                &format!("-w{}", path("all.bin")),
                &format!("-K{}", path("K")),
                &format!("-W{}", path("W")),
                &format!("--write-earlyfw={}", path("early.cpio")),
            ],
        );
        let binary = files::binary(&updates);
        assert!(
            binary == fs::read(path("all.bin")).unwrap(),
            "-w of {}",
            folder.display()
        );
        same("-K", files::intel(&selection), &read(Path::new(&path("K"))));
        same("-W", files::named(&selection), &read(Path::new(&path("W"))));
        let blob = Blob {
            vendor: "GenuineIntel",
            bytes: &binary,
        };
        let time = early::noon(files::newest_date(&updates).unwrap());
        let archive = early::archive(&[blob], time).unwrap();
        assert!(
            archive == fs::read(path("early.cpio")).unwrap(),
            "early cpio of {}",
            folder.display()
        );
        eprintln!(
            "{}: {} updates, {} bytes agree",
            folder.display(),
            updates.len(),
            binary.len()
        );
    }
}

fn same(what: &str, mut ours: Vec<Written>, theirs: &[(String, Vec<u8>)]) {
    ours.sort_by(|left, right| left.name.cmp(&right.name));
    let names = |files: &[Written]| files.iter().map(|file| file.name.clone()).collect::<Vec<_>>();
    assert_eq!(
        names(&ours),
        theirs.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>(),
        "{what}"
    );
    for (ours, (name, theirs)) in ours.iter().zip(theirs) {
        assert!(ours.bytes == *theirs, "{what} {name}");
    }
    eprintln!("{what}: {} files agree", ours.len());
}

#[test]
fn written_directory_is_a_fixed_point() {
    for folder in sets() {
        let gathered = set(&folder);
        let selection = select(&gathered.found, &Filter::default(), Keep::Newest);
        let written = files::intel(&selection);
        let pairs = written.iter().map(|file| (file.name.clone(), file.bytes.clone()));
        let again = gather_directory("again", pairs, Options::default());
        assert!(!again.is_damaged());
        let selection = select(&again.found, &Filter::default(), Keep::Newest);
        assert!(files::intel(&selection) == written, "{}", folder.display());
        let binary = files::binary(&selection.updates());
        let back = gather::gather("all.bin", binary, Options::default());
        assert_eq!(back.found.len(), selection.updates().len());
    }
}
