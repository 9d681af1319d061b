//! Finding and unpacking the files of the corpus.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

/// A directory of the corpus; when it is absent, says on stderr how many cases are not run.
pub fn directory(name: &str, cases: usize) -> Option<PathBuf> {
    let root = std::env::var_os("DELID_CORPUS").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus"),
        PathBuf::from,
    );
    let directory = root.join(name);
    if directory.is_dir() {
        return Some(directory);
    }
    eprintln!("corpus absent: {cases} cases not run ({name})");
    None
}

/// All files below a directory, sorted.
pub fn below(directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut waiting = vec![directory.to_path_buf()];
    while let Some(directory) = waiting.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                waiting.push(path);
            } else {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

/// Text of a file, decompressed when its name ends in `.zst`.
pub fn text(path: &Path) -> String {
    let mut bytes = fs::read(path).unwrap();
    if path.extension().is_some_and(|extension| extension == "zst") {
        let mut plain = Vec::new();
        let mut decoder = ruzstd::decoding::StreamingDecoder::new(&bytes[..]).unwrap();
        decoder.read_to_end(&mut plain).unwrap();
        bytes = plain;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The `pu<N>` files of an hwloc-gather-cpuid tarball as one text, each behind a line `CPU N:`.
pub fn joined_pus(tarball: &Path) -> String {
    let file = fs::File::open(tarball).unwrap();
    let mut archive = tar::Archive::new(bzip2::read::BzDecoder::new(file));
    let mut pus = Vec::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().into_owned();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let in_cpuid = !path.starts_with("fsroot");
        if let Some(number) = name
            .strip_prefix("pu")
            .and_then(|n| n.parse::<u32>().ok())
            .filter(|_| in_cpuid)
        {
            let mut text = String::new();
            entry.read_to_string(&mut text).unwrap();
            pus.push((number, text));
        }
    }
    pus.sort();
    pus.iter()
        .map(|(number, text)| format!("CPU {number}:\n{text}\n"))
        .collect()
}
