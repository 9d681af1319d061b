//! Shared by the tests of PCI text: the corpus, and programs that act as oracles.

#![allow(dead_code, reason = "each test file uses a part")]

use std::path::{Path, PathBuf};
use std::process::Command;

/// The corpus, or `None` with a word on stderr.
pub fn corpus(cases: usize) -> Option<PathBuf> {
    let root = std::env::var_os("DELID_CORPUS").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus"),
        PathBuf::from,
    );
    if root.join("pci-smbios").is_dir() {
        return Some(root);
    }
    eprintln!("corpus absent: {cases} cases not run");
    None
}

/// Whether a program is installed; if not, says so.
pub fn installed(program: &str, cases: usize) -> bool {
    let found = Command::new(program).arg("--version").output().is_ok();
    if !found {
        eprintln!("{program} absent: {cases} cases not run");
    }
    found
}

/// Standard output of a program that succeeded.
pub fn output(program: &str, arguments: &[&str]) -> Option<Vec<u8>> {
    let output = Command::new(program).args(arguments).output().ok()?;
    output.status.success().then_some(output.stdout)
}

/// Content of a file, unpacked when it ends in `.xz`.
pub fn content(path: &Path) -> Option<Vec<u8>> {
    if path.extension().is_some_and(|end| end == "xz") {
        return output("xz", &["-dc", path.to_str()?]);
    }
    std::fs::read(path).ok()
}

/// All files of a folder of the corpus, by name, unpacked.
pub fn folder(path: &Path) -> Vec<(String, Vec<u8>)> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(path)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    let name = |path: &Path| {
        path.file_name()
            .unwrap()
            .to_str()
            .unwrap()
            .trim_end_matches(".xz")
            .to_owned()
    };
    paths
        .iter()
        .filter_map(|path| Some((name(path), content(path)?)))
        .collect()
}

/// Texts of the `cmd` folder of each virtual machine capture: name of the machine, folder with the files.
pub fn machines(corpus: &Path, into: &Path) -> Vec<(String, PathBuf)> {
    let mut found = Vec::new();
    for name in [
        "qemu-epyc-genoa-q35-seabios",
        "qemu-sapphirerapids-q35-ovmf",
        "qemu-qemu64-i440fx-seabios",
    ] {
        let tarball = corpus.join("bench").join(format!("{name}.tar.zst"));
        let tar = Command::new("tar")
            .args(["--use-compress-program=zstd --long=30", "--wildcards", "-C"])
            .arg(into)
            .arg("-xf")
            .arg(tarball)
            .arg("*/cmd/lspci*")
            .output();
        if tar.is_ok_and(|output| output.status.success()) {
            found.push((name.to_owned(), into.join(name).join("cmd")));
        }
    }
    if found.is_empty() {
        eprintln!("tar with zstd or captures absent: 3 cases not run");
    }
    found
}
