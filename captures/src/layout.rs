//! What a directory or an archive is: found from the names in it, never from its own name.
//!
//! A layout is a place where `/sys` and `/proc` of the machine lie, and the dumps beside them.
//! Looked for at the top and up to [`DEPTH`] directories down.

use crate::overlay::{Mount, Overlay};
use crate::path;
use crate::tree::{Subtree, Tree};

/// How far down a root is looked for (`sysfs/<name>/sys` of a several-machine archive is two).
const DEPTH: usize = 3;

/// Directories looked at in the search for a root.
const SEARCH_LIMIT: usize = 4096;

/// A recognised place.
pub(crate) struct Layout {
    /// In words, as in [`crate::Layer::kind`].
    pub(crate) kind: &'static str,
    /// The files of the machine, where there are any.
    pub(crate) tree: Option<Box<dyn Tree>>,
    /// Directories and files (in the outer tree) that may be dumps.
    pub(crate) dumps: Vec<String>,
    /// Directories (in the outer tree) with `pu<N>` files.
    pub(crate) cpuid_directories: Vec<String>,
}

/// The answer of a search.
pub(crate) enum Found {
    /// One machine.
    One(Layout),
    /// Several, by their paths.
    Several(Vec<String>),
    /// Nothing with the shape of a machine.
    Nothing,
}

/// What stands at one place.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// `sys/` or `proc/`.
    Root,
    /// `fsroot/` with a root in it.
    FsRoot,
    /// `tree/sys`, `sysfs/firmware`, `proc_cpuinfo`.
    Copied,
    /// The inside of `/sys`.
    BareSys,
    /// `pu<N>` files.
    Cpuid,
}

/// Finds the machine, or the machines, of a tree.
pub(crate) fn find(tree: &dyn Subtree) -> Found {
    let mut level = vec![String::new()];
    let mut looked_at = 0_usize;
    for _ in 0..=DEPTH {
        let shaped: Vec<(String, Shape)> = level
            .iter()
            .filter_map(|at| Some((at.clone(), shape(tree, at)?)))
            .collect();
        match shaped.as_slice() {
            [] => {}
            [(at, shape)] => return Found::One(layout(tree, at, *shape)),
            several => {
                let roots = several.iter().map(|(at, _)| at.trim_start_matches('/'));
                return Found::Several(roots.map(str::to_owned).collect());
            }
        }
        let mut next = Vec::new();
        for at in &level {
            for name in tree.list(at) {
                let below = path::join(at, &name);
                looked_at += 1;
                if looked_at > SEARCH_LIMIT {
                    return Found::Nothing;
                }
                if tree.link(&below).is_none() && tree.is_directory(&below) {
                    next.push(below);
                }
            }
        }
        level = next;
    }
    Found::Nothing
}

fn shape(tree: &dyn Subtree, at: &str) -> Option<Shape> {
    let is = |name: &str| tree.is_directory(&path::join(at, name));
    if is("fsroot/sys") || is("fsroot/proc") {
        Some(Shape::FsRoot)
    } else if is("tree/sys") || is("sysfs/firmware") {
        Some(Shape::Copied)
    } else if is("sys/devices") || is("sys/bus") || is("sys/class") || is("sys/firmware") || is("proc") {
        Some(Shape::Root)
    } else if is("devices/system/cpu") || is("bus/pci/devices") {
        Some(Shape::BareSys)
    } else if has_pu_files(tree, at) {
        Some(Shape::Cpuid)
    } else {
        None
    }
}

fn has_pu_files(tree: &dyn Subtree, at: &str) -> bool {
    tree.list(at).iter().any(|name| pu_number(name).is_some())
}

/// `N` of a name `pu<N>`.
pub(crate) fn pu_number(name: &str) -> Option<u32> {
    let digits = name.strip_prefix("pu")?;
    let decimal = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if decimal { digits.parse().ok() } else { None }
}

fn layout(tree: &dyn Subtree, at: &str, shape: Shape) -> Layout {
    let mut layout = Layout {
        kind: "captured root",
        tree: None,
        dumps: Vec::new(),
        cpuid_directories: Vec::new(),
    };
    let subtree = |name: &str| tree.subtree(&path::join(at, name));
    match shape {
        Shape::Root => {
            layout.kind = kind_of_root(tree, at);
            layout.tree = subtree("").map(as_tree);
        }
        Shape::FsRoot => {
            layout.kind = "hwloc-gather-topology";
            layout.tree = subtree("fsroot").map(as_tree);
        }
        Shape::BareSys => {
            layout.kind = "copy of /sys";
            let tree = subtree("");
            layout.tree = tree.map(|tree| overlay(vec![mount("/sys", tree, "")]));
        }
        Shape::Copied => {
            layout.kind = "copied /sys with command output";
            layout.tree = Some(copied(tree, at));
        }
        Shape::Cpuid => {
            layout.kind = "hwloc-gather-cpuid";
            layout.cpuid_directories.push(at.to_owned());
        }
    }
    let cpuid = path::join(at, "cpuid");
    if shape != Shape::Cpuid && has_pu_files(tree, &cpuid) {
        layout.cpuid_directories.push(cpuid);
    }
    layout.dumps = dump_places(tree, at, shape);
    layout
}

fn as_tree(tree: Box<dyn Subtree>) -> Box<dyn Tree> {
    tree
}

fn mount(at: &str, tree: Box<dyn Subtree>, inner: &str) -> Mount {
    Mount {
        at: at.to_owned(),
        tree,
        inner: inner.to_owned(),
    }
}

fn overlay(mounts: Vec<Mount>) -> Box<dyn Tree> {
    Box::new(Overlay::new(mounts))
}

/// `tree/` is the root, `sysfs/` fills what it lacks of `/sys`, `proc_X` is `/proc/X`.
fn copied(tree: &dyn Subtree, at: &str) -> Box<dyn Tree> {
    let mut mounts = Vec::new();
    for (name, place) in [("tree", ""), ("sysfs", "/sys"), ("sys", "/sys"), ("proc", "/proc")] {
        if let Some(subtree) = tree.subtree(&path::join(at, name)) {
            mounts.push(mount(place, subtree, ""));
        }
    }
    for name in tree.list(at) {
        if let Some(proc_name) = name.strip_prefix("proc_")
            && let Some(subtree) = tree.subtree(at)
        {
            let place = format!("/proc/{proc_name}");
            mounts.push(mount(&place, subtree, &format!("/{name}")));
        }
    }
    overlay(mounts)
}

/// Who made a captured root, where it says so itself.
fn kind_of_root(tree: &dyn Subtree, at: &str) -> &'static str {
    let has = |name: &str| tree.exists(&path::join(at, name));
    if is_own_manifest(tree, at) {
        "delid capture"
    } else if has("sos_commands") || has("sos_logs") {
        "sosreport"
    } else if has("machineinfo.json") {
        "Node Tuning Operator snapshot"
    } else if has("cpuid/hwloc-cpuid-info") || has("proc/hwloc-nofile-info") || has("sys/kernel/mm/hugepages") {
        "hwloc-gather-topology"
    } else if has("proc/bus/pci/devices") && tree.list(&path::join(at, "sys/devices")) == ["system"] {
        "lscpu dump"
    } else {
        "captured root"
    }
}

fn is_own_manifest(tree: &dyn Subtree, at: &str) -> bool {
    tree.read(&path::join(at, "manifest.json"))
        .is_ok_and(|bytes| bytes.windows(15).any(|part| part == b"\"delid_version\""))
}

/// Where dumps lie beside a root: files next to it, `cmd/`, `cpuid/`, `sos_commands/`.
fn dump_places(tree: &dyn Subtree, at: &str, shape: Shape) -> Vec<String> {
    if matches!(shape, Shape::BareSys | Shape::Cpuid) {
        return Vec::new();
    }
    let mut places = Vec::new();
    for name in tree.list(at) {
        let place = path::join(at, &name);
        let directory = tree.is_directory(&place);
        let known = matches!(name.as_str(), "cmd" | "cpuid" | "dumps" | "sos_commands");
        let read_already = name == "cpuid" && has_pu_files(tree, &place);
        if directory == known && !read_already && !name.starts_with("proc_") {
            places.push(place);
        }
    }
    places
}
