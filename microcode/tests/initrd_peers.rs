//! Real initrds: what 3cpio and the tools of Debian's initramfs-tools say of them and make of them.
//!
//! The images are those of the corpus, and those of the folder that `DELID_INITRDS` names. 3cpio is
//! looked for in `PATH`, or where `DELID_3CPIO` says.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use microcode::initrd::{
    Body, Choice, Directory, Layout, Member, Options, Segment, Step, Summary, Which, cat, early_length, extract, read,
};

fn images() -> Vec<PathBuf> {
    let default = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus");
    let root = std::env::var_os("DELID_CORPUS").map_or_else(default, PathBuf::from);
    let mut list = Vec::new();
    for folder in [
        Some(root.join("microcode/initrd")),
        std::env::var_os("DELID_INITRDS").map(PathBuf::from),
    ] {
        let Some(Ok(folder)) = folder.map(fs::read_dir) else {
            continue;
        };
        list.extend(folder.map(|entry| entry.unwrap().path()));
    }
    list.retain(|path| path.extension().is_some_and(|extension| extension == "img"));
    list.sort();
    if list.is_empty() {
        eprintln!("corpus absent: 1 case not run");
    }
    list
}

fn program(name: &str, variable: &str) -> Option<OsString> {
    let program = std::env::var_os(variable).unwrap_or_else(|| name.into());
    let mut probe = Command::new(&program);
    probe.arg("--help").stdout(Stdio::null()).stderr(Stdio::null());
    if probe.status().is_ok_and(|status| status.success()) {
        return Some(program);
    }
    eprintln!("{name} absent: its cases not run");
    None
}

fn names(path: &Path) -> (Vec<u8>, Summary) {
    let mut names = Vec::new();
    let mut list = |_: &Segment, member: &Member, _: &mut Body<'_>| {
        names.extend(&member.name.0);
        names.push(b'\n');
        Ok(Step::Into)
    };
    let summary = read(File::open(path).unwrap(), &Options::default(), &mut list).unwrap();
    (names, summary)
}

fn run(program: &OsString, arguments: &[&OsString]) -> Vec<u8> {
    let output = Command::new(program).args(arguments).env("TZ", "UTC").output().unwrap();
    assert!(output.status.success(), "{program:?} {arguments:?}");
    output.stdout
}

#[test]
fn names_are_those_of_3cpio_and_lsinitramfs() {
    let (images, options) = (images(), OsString::from("-t"));
    let cpio3 = program("3cpio", "DELID_3CPIO");
    let lsinitramfs = program("lsinitramfs", "DELID_LSINITRAMFS");
    for path in &images {
        let (names, summary) = names(path);
        assert_eq!(summary.damage, [], "{}", path.display());
        let file = path.clone().into_os_string();
        if let Some(program) = &cpio3 {
            assert!(names == run(program, &[&options, &file]), "{}", path.display());
        }
        // It knows no lzma.
        if let Some(program) = lsinitramfs.as_ref().filter(|_| !path.ends_with("big-lzma.img")) {
            assert!(names == run(program, &[&file]), "{}", path.display());
        }
    }
    eprintln!("{} initrds listed", images.len());
}

#[test]
fn lines_are_those_of_3cpio_but_for_the_form_of_the_time() {
    let Some(program) = program("3cpio", "DELID_3CPIO") else {
        return;
    };
    for path in images() {
        let mut lines = Vec::new();
        let mut list = |_: &Segment, member: &Member, _: &mut Body<'_>| {
            let line = member.to_string();
            let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
            // Date and time are two words here and three there.
            lines.push([&words[..5], &words[7..]].concat());
            Ok(Step::Into)
        };
        read(File::open(&path).unwrap(), &Options::default(), &mut list).unwrap();
        let text = String::from_utf8(run(&program, &[&"-t".into(), &"-v".into(), &path.clone().into()])).unwrap();
        let theirs: Vec<Vec<String>> = text
            .lines()
            .map(|line| {
                let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
                [&words[..5], &words[8..]].concat()
            })
            .collect();
        assert!(lines == theirs, "{}", path.display());
    }
}

#[test]
fn segments_are_those_of_3cpio() {
    let Some(program) = program("3cpio", "DELID_3CPIO") else {
        return;
    };
    for path in images() {
        let text = run(&program, &[&"-e".into(), &"--raw".into(), &path.clone().into()]);
        let text = String::from_utf8(text).unwrap();
        let theirs: Vec<u64> = text
            .lines()
            .map(|line| line.split('\t').next().unwrap().parse().unwrap())
            .collect();
        let (_, summary) = names(&path);
        let archives = summary.segments.iter().filter(|segment| segment.is_archive());
        let ours: Vec<u64> = archives.map(|segment| segment.offset).collect();
        assert_eq!(ours, theirs, "{}", path.display());
        let compressed = summary.segments.iter().find(|segment| segment.codec().is_some());
        let early = early_length(File::open(&path).unwrap()).unwrap();
        assert_eq!(
            early,
            compressed.map_or(summary.length, |segment| segment.offset),
            "{}",
            path.display()
        );
    }
}

/// Path to mode, owner, size, time, target, links and content of all below `root`.
fn tree(root: &Path) -> BTreeMap<PathBuf, (Vec<u64>, Vec<u8>)> {
    let mut tree = BTreeMap::new();
    let mut open = vec![root.to_owned()];
    while let Some(path) = open.pop() {
        let meta = fs::symlink_metadata(&path).unwrap();
        let mut content = Vec::new();
        if meta.is_dir() {
            open.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if meta.is_symlink() {
            content = fs::read_link(&path).unwrap().into_os_string().into_encoded_bytes();
        } else if meta.is_file() {
            File::open(&path).unwrap().read_to_end(&mut content).unwrap();
        }
        let size = if meta.is_dir() { 0 } else { meta.size() };
        let (mode, user, group) = (meta.mode().into(), meta.uid().into(), meta.gid().into());
        let time = u64::try_from(meta.mtime()).unwrap();
        let numbers = vec![mode, user, group, size, time, meta.nlink(), meta.rdev()];
        tree.insert(path.strip_prefix(root).unwrap().to_owned(), (numbers, content));
    }
    tree
}

fn same(path: &Path, ours: &Path, theirs: &Path, all_times: bool) {
    let (mut ours, mut theirs) = (tree(ours), tree(theirs));
    if !all_times {
        // GNU cpio leaves links their time, and folders the time of the last entry made in them.
        for (numbers, _) in ours.values_mut().chain(theirs.values_mut()) {
            if numbers[0] & 0o170_000 != 0o100_000 {
                numbers[4] = 0;
            }
        }
    }
    for (name, theirs) in &theirs {
        let ours = ours.get(name);
        let numbers = ours.map(|(numbers, _)| numbers);
        let place = format!("{}: {}", path.display(), name.display());
        assert!(ours == Some(theirs), "{place}: {numbers:?} {:?}", theirs.0);
    }
    assert_eq!(ours.len(), theirs.len(), "{}", path.display());
}

fn extracted(path: &Path, layout: Layout) -> tempfile::TempDir {
    let place = tempfile::tempdir().unwrap();
    let file = File::open(path).unwrap();
    let mut sink = Directory::open(place.path()).unwrap().copying_from(file.as_fd());
    let choice = Choice {
        layout,
        ..Choice::default()
    };
    let done = extract(&file, &Options::default(), &choice, &mut sink).unwrap();
    assert_eq!(
        (done.skipped, done.summary.damage),
        (vec![], vec![]),
        "{}",
        path.display()
    );
    place
}

#[test]
fn what_is_extracted_is_what_3cpio_extracts() {
    let Some(program) = program("3cpio", "DELID_3CPIO") else {
        return;
    };
    for path in images() {
        let ours = extracted(&path, Layout::Together);
        let theirs = tempfile::tempdir().unwrap();
        let (x, c) = (OsString::from("-x"), OsString::from("-C"));
        run(&program, &[&x, &c, &theirs.path().into(), &path.clone().into()]);
        same(&path, ours.path(), theirs.path(), true);
    }
}

#[test]
fn what_is_extracted_is_what_unmkinitramfs_extracts() {
    let Some(program) = program("unmkinitramfs", "DELID_UNMKINITRAMFS") else {
        return;
    };
    for path in images().into_iter().filter(|path| !path.ends_with("big-lzma.img")) {
        let ours = extracted(&path, Layout::Split);
        let theirs = tempfile::tempdir().unwrap();
        run(&program, &[&path.clone().into(), &theirs.path().into()]);
        for folder in fs::read_dir(theirs.path()).unwrap() {
            let folder = folder.unwrap();
            same(&path, &ours.path().join(folder.file_name()), &folder.path(), false);
        }
    }
}

#[test]
fn a_file_taken_out_is_the_one_in_the_tree() {
    for path in images() {
        let place = extracted(&path, Layout::Together);
        for name in ["kernel/x86/microcode/GenuineIntel.bin", "scripts/functions", "init"] {
            let mut out = Vec::new();
            let file = File::open(&path).unwrap();
            cat(file, name, Which::Last, &Options::default(), &mut out).unwrap();
            assert!(
                out == fs::read(place.path().join(name)).unwrap(),
                "{}: {name}",
                path.display()
            );
        }
    }
}

#[test]
fn bodies_are_whole_in_every_image() {
    for path in images() {
        let mut whole = |_: &Segment, member: &Member, body: &mut Body<'_>| {
            assert_eq!(io::copy(body, &mut io::sink())?, u64::from(member.size));
            Ok(Step::Into)
        };
        let summary = read(File::open(&path).unwrap(), &Options::default(), &mut whole).unwrap();
        assert_eq!(summary.damage, [], "{}", path.display());
    }
}
