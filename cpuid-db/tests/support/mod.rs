//! Where the corpus is, and its compressed files.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "each test uses a part of it"
)]

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

/// The folder `cpuid` of the corpus; `None`, and a line on stderr, when it is not there.
pub fn corpus(cases: &str) -> Option<PathBuf> {
    let root = std::env::var_os("DELID_CORPUS").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus"),
        PathBuf::from,
    );
    let folder = root.join("cpuid");
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("corpus absent: {cases} not run");
    None
}

/// Contents of a file, unpacked when its name ends in `.zst`; damaged UTF-8 is replaced.
pub fn text(path: &Path) -> String {
    let bytes = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let bytes = if path.extension().is_some_and(|extension| extension == "zst") {
        let mut out = Vec::new();
        ruzstd::decoding::StreamingDecoder::new(bytes.as_slice())
            .unwrap()
            .read_to_end(&mut out)
            .unwrap();
        out
    } else {
        bytes
    };
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Every file below a folder whose name contains a text, sorted.
pub fn files(folder: &Path, name_contains: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.to_string_lossy().contains(name_contains) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}
