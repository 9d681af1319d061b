//! Files of Intel as they are published: the same list as `iucode_tool -L` and `-l`, text and back.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use microcode::intel::list;
use microcode::{dat, intel, verify};

fn corpus(folder: &str) -> Vec<PathBuf> {
    let default = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus");
    let root = std::env::var_os("DELID_CORPUS").map_or_else(default, PathBuf::from);
    let paths = files(&root.join("microcode").join(folder));
    if paths.is_empty() {
        eprintln!("corpus absent: 1 case not run");
    }
    paths
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let paths = entries.map(|entry| entry.unwrap().path());
    let is_file = |path: &PathBuf| path.is_file() && !path.to_string_lossy().contains("LICENSE");
    let mut paths: Vec<PathBuf> = paths.filter(is_file).collect();
    paths.sort();
    paths
}

/// The whole set of a distribution: `intel-ucode/` below DELID_UCODE or where Linux has it.
fn installed() -> Vec<PathBuf> {
    let root = std::env::var_os("DELID_UCODE").map_or_else(|| "/lib/firmware".into(), PathBuf::from);
    let paths = files(&root.join("intel-ucode"));
    if paths.is_empty() {
        eprintln!("no intel-ucode folder: 1 case not run");
    }
    paths
}

/// What iucode_tool prints, or nothing where it is not installed.
fn iucode_tool(arguments: &[&str], paths: &[PathBuf]) -> Option<String> {
    let mut command = Command::new("iucode_tool");
    let Ok(output) = command.args(arguments).args(paths).output() else {
        eprintln!("iucode_tool absent: {} cases not run", paths.len());
        return None;
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).unwrap())
}

fn lists_are_equal(paths: &[PathBuf]) {
    if paths.is_empty() {
        return;
    }
    let Some(theirs) = iucode_tool(&["-L", "-l", "-tb"], paths) else {
        return;
    };
    let mut ours = Vec::new();
    let mut entries = Vec::new();
    for (path, number) in paths.iter().zip(1..) {
        let file = intel::read(&fs::read(path).unwrap());
        assert!(!file.is_damaged(), "{}: {file:?}", path.display());
        ours.push(format!("microcode bundle {number}: {}", path.display()));
        let all = list::all(number, &file);
        ours.extend(all.iter().map(list::Entry::line_of_all));
        entries.extend(all);
    }
    ours.push("selected microcodes:".to_owned());
    let updates = entries.iter().filter(|entry| !entry.extended).count();
    ours.extend(list::select(entries).iter().map(ToString::to_string));
    let theirs: Vec<&str> = theirs.lines().collect();
    assert_eq!(ours, theirs);
    eprintln!("{} files, {updates} updates, {} lines agree", paths.len(), ours.len());
}

#[test]
fn corpus_is_listed_and_selected_like_iucode_tool() {
    lists_are_equal(&corpus("intel"));
}

#[test]
fn whole_set_of_a_distribution_is_listed_and_selected_like_iucode_tool() {
    lists_are_equal(&installed());
}

#[test]
fn published_files_keep_every_rule() {
    let mut checked = 0;
    for path in corpus("intel").into_iter().chain(installed()) {
        let report = verify::check("file", &fs::read(&path).unwrap()).unwrap();
        assert!(report.is_ok(), "{}: {report:?}", path.display());
        let odd: Vec<&str> = report.remarks().map(|check| check.rule).collect();
        if !odd.is_empty() {
            eprintln!("{}: odd, {odd:?}", path.display());
        }
        checked += 1;
    }
    eprintln!("{checked} files keep every rule");
}

#[test]
fn rules_of_amd_files_are_listed_and_kept() {
    for path in corpus("amd") {
        let report = verify::check("file", &fs::read(&path).unwrap()).unwrap();
        assert!(report.is_ok(), "{}: {report:?}", path.display());
        assert!(
            report.checks.iter().all(|check| !check.says.is_empty()),
            "{}",
            path.display()
        );
    }
}

/// The updates of a text in iucode_tool's words, by way of the text and of the bytes it means.
fn text_is_equal(folder: &Path, name: &str, text: &[u8]) {
    let path = folder.join(name);
    fs::write(&path, text).unwrap();
    let read = dat::read(text).unwrap();
    assert!(!read.is_damaged(), "{name}: {:?}", read.damage);
    let Some(theirs) = iucode_tool(&["-L", "-td"], std::slice::from_ref(&path)) else {
        return;
    };
    let lines = list::all(1, &read.file);
    let ours: Vec<String> = lines.iter().map(list::Entry::line_of_all).collect();
    let theirs: Vec<&str> = theirs.lines().filter(|line| line.starts_with(' ')).collect();
    assert_eq!(ours, theirs, "{name}");
}

#[test]
fn dat_text_is_read_like_iucode_tool_reads_it() {
    let folder = tempfile::tempdir().unwrap();
    for path in corpus("text") {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let Some(name) = name.strip_suffix(".dat.xz") else {
            continue;
        };
        let Ok(output) = Command::new("xz").arg("-dc").arg(&path).output() else {
            eprintln!("xz absent: 1 case not run");
            continue;
        };
        text_is_equal(folder.path(), name, &output.stdout);
        assert_eq!(dat::read(&output.stdout).unwrap().file.updates.len(), 2, "{name}");
    }
}

#[test]
fn device_tree_text_is_a_whole_update() {
    for path in corpus("text") {
        if path.extension().is_some_and(|extension| extension == "dtsi") {
            let text = dat::read(&fs::read(&path).unwrap()).unwrap();
            assert_eq!((text.form, text.is_damaged()), (dat::Form::Dtsi, false));
            let update = &text.file.updates[0];
            assert_eq!((update.target.signature.0, update.revision.0), (0x206a7, 0x29));
        }
    }
}

#[test]
fn binary_comes_back_from_every_form_of_text() {
    let folder = tempfile::tempdir().unwrap();
    let paths: Vec<PathBuf> = corpus("intel")
        .into_iter()
        .chain(installed().into_iter().take(20))
        .collect();
    for path in &paths {
        let bytes = fs::read(path).unwrap();
        let name = path.file_name().unwrap().to_string_lossy();
        let text = dat::write(&[(None, &bytes)]);
        text_is_equal(folder.path(), &name, text.as_bytes());
        assert!(dat::read(text.as_bytes()).unwrap().bytes == bytes, "{name}");
        let c = format!("unsigned int x[] = {{\n{text}}};\n");
        for other in [dat::write_inc(&bytes), dat::write_dtsi(&bytes), c] {
            assert!(dat::read(other.as_bytes()).unwrap().bytes == bytes, "{name}");
        }
        let (dat, bin) = (folder.path().join("x.dat"), folder.path().join("x.bin"));
        fs::write(&dat, &text).unwrap();
        let write = format!("-w{}", bin.display());
        // It drops outdated updates and sorts, so one update a file tells whether bytes are the same.
        if intel::read(&bytes).updates.len() == 1 && iucode_tool(&[&write, "-td"], &[dat]).is_some() {
            assert!(fs::read(&bin).unwrap() == bytes, "{name}");
            fs::remove_file(&bin).unwrap();
        }
    }
    eprintln!("{} files come back", paths.len());
}
