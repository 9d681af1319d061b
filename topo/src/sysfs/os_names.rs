//! Names that Linux gives to the devices of a PCI function: `eth0`, `nvme0n1`, `mlx5_0`, `card0`.
//!
//! `/sys/class/<class>/<name>` is a link into the directory of the function. Kernels before 2.6.24
//! and some captures have a directory there with a link `device`. Captures without `/sys/class`
//! may have the class directories below the function.

use std::collections::BTreeMap;

use captures::Source;

use super::pci::function_name;
use crate::pci::function::{Bdf, Function};

/// Classes that name devices a user knows by that name.
const CLASSES: &[&str] = &[
    "net",
    "block",
    "infiniband",
    "drm",
    "accel",
    "sound",
    "nvme",
    "fc_host",
    "mic",
    "ve",
];

/// Class directories looked for below a function when there is no `/sys/class`.
const BELOW: &[&str] = &["net", "block", "infiniband", "drm", "accel", "nvme"];

/// Fills `os_names` of all functions.
pub fn fill(source: &Source, functions: &mut [Function]) {
    let mut names: BTreeMap<Bdf, Vec<String>> = BTreeMap::new();
    let mut classes = 0_usize;
    for class in CLASSES {
        for name in source.list(&format!("/sys/class/{class}")) {
            classes = classes.saturating_add(1);
            if !is_shown(class, &name) {
                continue;
            }
            if let Some(bdf) = function_of(source, class, &name) {
                names.entry(bdf).or_default().push(name);
            }
        }
    }
    for function in functions {
        let mut found = names.remove(&function.bdf).unwrap_or_default();
        if classes == 0 {
            found = below(source, function.bdf);
        }
        function.os_names = tidy(found);
    }
}

/// Whether a name stands for a device, not for a port, partition or connector of one.
fn is_shown(class: &str, name: &str) -> bool {
    match class {
        "drm" => !name.contains('-') && (name.starts_with("card") || name.starts_with("renderD")),
        "sound" => name.starts_with("controlC"),
        "nvme" => !name.contains("subsys"),
        _ => true,
    }
}

/// The function whose directory the class entry is in.
fn function_of(source: &Source, class: &str, name: &str) -> Option<Bdf> {
    let entry = format!("/sys/class/{class}/{name}");
    let target = match source.link(&entry) {
        Some(target) if class == "block" && is_partition(&target) => return None,
        Some(target) => target,
        None => source.link(&format!("{entry}/device"))?,
    };
    target.rsplit('/').find_map(function_name)
}

/// `…/block/sda/sda1`, `…/nvme0n1/nvme0n1p1`: below its disk, and named as it with a number after.
fn is_partition(target: &str) -> bool {
    let mut names = target.rsplit('/');
    let (Some(name), Some(above)) = (names.next(), names.next()) else {
        return false;
    };
    let number = name
        .strip_prefix(above)
        .map(|rest| rest.strip_prefix('p').unwrap_or(rest));
    number.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Names in class directories of the function, and of virtio devices below it.
fn below(source: &Source, bdf: Bdf) -> Vec<String> {
    let device = format!("/sys/bus/pci/devices/{bdf}");
    let entries = source.list(&device);
    let mut found = Vec::new();
    let mut look = |directory: &str, entries: &[String]| {
        for class in BELOW.iter().filter(|class| entries.iter().any(|entry| entry == *class)) {
            let names = source.list(&format!("{directory}/{class}"));
            found.extend(names.into_iter().filter(|name| is_shown(class, name)));
        }
    };
    look(&device, &entries);
    for entry in entries.iter().filter(|entry| entry.starts_with("virtio")) {
        let directory = format!("{device}/{entry}");
        look(&directory, &source.list(&directory));
    }
    found
}

/// A path to a namespace that several controllers may reach: `nvme0c1n2`, subsystem 0, controller
/// 1, namespace 2. Linux hides it from `/dev` and shows `nvme0n2`, which belongs to no function.
fn nvme_path(name: &str) -> Option<(String, String)> {
    let (subsystem, rest) = name.strip_prefix("nvme")?.split_once('c')?;
    let (controller, namespace) = rest.split_once('n')?;
    let numbers = [subsystem, controller, namespace];
    let all = numbers
        .iter()
        .all(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()));
    all.then(|| (format!("nvme{controller}"), format!("nvme{subsystem}n{namespace}")))
}

/// Sorted; the NVMe controller (`nvme0`) only where no namespace (`nvme0n1`) says it better.
fn tidy(names: Vec<String>) -> Vec<String> {
    let mut better = Vec::new();
    let mut found = Vec::new();
    for name in names {
        match nvme_path(&name) {
            Some((controller, namespace)) => {
                better.push(controller);
                found.push(namespace);
            }
            None => found.push(name),
        }
    }
    found.sort();
    found.dedup();
    let all = found.clone();
    found.retain(|name| {
        let namespace = format!("{name}n");
        let has_namespace = name.starts_with("nvme") && all.iter().any(|other| other.starts_with(&namespace));
        !(has_namespace || better.contains(name))
    });
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nvme_namespace_has_the_name_it_has_in_dev() {
        let names = |names: &[&str]| tidy(names.iter().map(|name| (*name).to_owned()).collect());
        assert_eq!(names(&["nvme0n1", "nvme0"]), ["nvme0n1"]);
        assert_eq!(names(&["nvme0c0n1", "nvme0"]), ["nvme0n1"], "one of several paths");
        assert_eq!(
            names(&["nvme2c5n1", "nvme2c5n3", "nvme5"]),
            ["nvme2n1", "nvme2n3"],
            "subsystem 2, controller 5"
        );
        assert_eq!(names(&["nvme1", "nvme0cn1"]), ["nvme0cn1", "nvme1"], "not of that form");
    }

    #[test]
    fn partitions_are_not_devices() {
        assert!(is_partition(
            "../../devices/pci0000:00/0000:00:02.0/block/nvme0n1/nvme0n1p1"
        ));
        assert!(!is_partition("../../devices/pci0000:00/0000:00:02.0/block/nvme0n1"));
        assert!(
            !is_partition("../../devices/pci0000:00/0000:00:02.0/nvme/nvme0/nvme0n1"),
            "below its controller"
        );
    }
}
