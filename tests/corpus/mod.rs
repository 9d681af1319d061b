//! Shared by the tests on the corpus: where it is, which captures it has, the program under test.

#![allow(dead_code, reason = "each test file uses a part")]

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use captures::Source;
use topo::model::Machine;

/// The corpus: `DELID_CORPUS`, else beside the workspace; `None` with a word on stderr.
pub fn corpus(cases: usize) -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus");
    let root = std::env::var_os("DELID_CORPUS").map_or_else(beside, PathBuf::from);
    if root.is_dir() {
        return Some(root);
    }
    eprintln!("corpus absent: {cases} cases not run");
    None
}

/// One machine of the corpus: its name and the arguments of `--from`.
pub struct Capture {
    /// Folder and file.
    pub name: String,
    /// Layers.
    pub paths: Vec<PathBuf>,
}

impl Capture {
    fn new(root: &Path, paths: Vec<PathBuf>) -> Self {
        let first = paths.first().unwrap();
        let shown = if paths.len() > 1 {
            first.parent().unwrap()
        } else {
            first
        };
        let name = shown.strip_prefix(root).unwrap_or(shown).display().to_string();
        Self { name, paths }
    }

    /// The machine, as `--from` opens it.
    pub fn machine(&self) -> Result<Machine, String> {
        let source = Source::open(&self.paths).map_err(|error| error.to_string())?;
        Ok(topo::open(&source))
    }
}

/// Files and directories of a folder, by name.
pub fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut list: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .collect();
    list.sort();
    list
}

fn is_tarball(path: &Path) -> bool {
    let name = path.to_string_lossy();
    name.contains(".tar") || name.ends_with(".tgz")
}

/// Every capture and dump of a machine in the corpus.
pub fn captures(root: &Path) -> Vec<Capture> {
    let mut list = Vec::new();
    let mut single = |path: PathBuf| list.push(Capture::new(root, vec![path]));
    for folder in [
        "topo/hwloc-linux",
        "topo/hwloc-2.9.0-linux",
        "topo/hwloc-x86",
        "topo/hwloc-x86+linux",
        "topo/ghw",
        "topo/util-linux-lscpu",
        "topo/xen-pair",
        "pci-smbios/sysfs",
    ] {
        entries(&root.join(folder))
            .into_iter()
            .filter(|path| is_tarball(path))
            .for_each(&mut single);
    }
    for folder in ["lspci-dump", "lspci-text", "dmi-text", "smbios-bin"] {
        entries(&root.join("pci-smbios").join(folder))
            .into_iter()
            .for_each(&mut single);
    }
    entries(&root.join("pci-smbios/sosreport"))
        .into_iter()
        .for_each(&mut single);
    for name in [
        "qemu-epyc-genoa-q35-seabios",
        "qemu-sapphirerapids-q35-ovmf",
        "qemu-qemu64-i440fx-seabios",
    ] {
        single(root.join(format!("bench/{name}.tar.zst")));
    }
    let mut layered: Vec<PathBuf> = entries(&root.join("topo/bundles"));
    layered.extend(["host-M11x", "host-h61m-ds2"].map(|host| root.join("pci-smbios").join(host)));
    for folder in layered {
        // What is no source (the disassembly, a driver's log) is left out by its content.
        let paths = entries(&folder)
            .into_iter()
            .filter(|path| Source::open(&[path]).is_ok())
            .collect();
        list.push(Capture::new(root, paths));
    }
    list
}

/// Runs `work` on each item on as many threads as there are CPUs; results in the order of items.
pub fn each<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let results: Mutex<Vec<(usize, R)>> = Mutex::new(Vec::new());
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some((index, item)) =
                    Some(next.fetch_add(1, Ordering::Relaxed)).and_then(|at| Some((at, items.get(at)?)))
                {
                    let result = work(item);
                    results.lock().unwrap().push((index, result));
                }
            });
        }
    });
    let mut results = results.into_inner().unwrap();
    results.sort_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, result)| result).collect()
}

/// Content of a corpus file, unpacked when its name ends in `.xz`.
pub fn content(path: &Path) -> Vec<u8> {
    let bytes = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    if path.extension().is_none_or(|suffix| suffix != "xz") {
        return bytes;
    }
    let mut out = Vec::new();
    std::io::Read::read_to_end(&mut lzma_rust2::XzReader::new(bytes.as_slice(), true), &mut out).unwrap();
    out
}
