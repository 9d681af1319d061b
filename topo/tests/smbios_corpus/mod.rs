//! Where the corpus is, and how its files are unpacked.

#![allow(dead_code, reason = "each test file uses its own part")]
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

/// The folder of one area of the corpus, when it is there.
pub fn area(name: &str, cases: usize) -> Option<PathBuf> {
    let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus");
    let root = std::env::var_os("DELID_CORPUS").map_or(default, PathBuf::from);
    let path = root.join(name);
    if !path.is_dir() {
        eprintln!("corpus absent: {cases} cases not run");
        return None;
    }
    Some(path)
}

/// A file of the corpus, unpacked when its name says so.
pub fn bytes(path: &Path) -> Vec<u8> {
    let raw = fs::read(path).unwrap();
    let mut out = Vec::new();
    match path.extension().and_then(|ext| ext.to_str()) {
        Some("xz") => lzma_rust2::XzReader::new(raw.as_slice(), true)
            .read_to_end(&mut out)
            .unwrap(),
        Some("zst") => ruzstd::decoding::StreamingDecoder::new(raw.as_slice())
            .unwrap()
            .read_to_end(&mut out)
            .unwrap(),
        _ => return raw,
    };
    out
}

/// A text of the corpus.
pub fn text(path: &Path) -> String {
    String::from_utf8_lossy(&bytes(path)).into_owned()
}

/// The files of a folder whose names hold `part`, in order.
pub fn files(folder: &Path, part: &str) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.file_name().unwrap().to_string_lossy().contains(part))
        .collect();
    found.sort();
    found
}

/// The texts of the bulk archive with the names of their hosts.
pub fn bulk(area: &Path) -> Vec<(String, String)> {
    let raw = bytes(&area.join("dmi-bulk-servers.tar.xz"));
    let mut archive = tar::Archive::new(raw.as_slice());
    let mut found = Vec::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let name = entry
            .path()
            .unwrap()
            .file_stem()
            .unwrap()
            .to_string_lossy()
            .into_owned();
        let mut text = Vec::new();
        entry.read_to_end(&mut text).unwrap();
        if !text.is_empty() {
            found.push((name, String::from_utf8_lossy(&text).into_owned()));
        }
    }
    found.sort();
    found
}
