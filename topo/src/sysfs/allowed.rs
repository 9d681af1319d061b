//! CPUs and nodes that the captured process may use: its cpuset.
//!
//! Follows the kernel's `Documentation/admin-guide/cgroup-v1/cpusets.rst` and `cgroup-v2.rst`.
//! Where the hierarchy is mounted and which group the process is in are read from the same source,
//! so a captured root answers for the machine it came from.

use captures::Source;

use super::CpuSet;
use super::reader::Reader;

/// What the cpuset allows; `None` where nothing says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allowed {
    /// CPUs.
    pub cpus: Option<CpuSet>,
    /// Memory nodes, by number.
    pub nodes: Option<CpuSet>,
}

/// A mounted hierarchy that knows cpusets.
struct Mount<'a> {
    point: &'a str,
    cpus: &'static str,
    nodes: &'static str,
    version: u8,
}

/// Reads what the cpuset of the captured process allows.
#[must_use]
pub fn read(source: &Source) -> Allowed {
    let mut reader = Reader::new(source);
    let Some(mounts) = reader.text("/proc/mounts").or_else(|| reader.text("/proc/self/mounts")) else {
        return Allowed::default();
    };
    let found: Vec<Mount<'_>> = mounts.lines().filter_map(cpuset_mount).collect();
    // With both versions mounted, version 1 holds the controller.
    let mount = found.iter().find(|mount| mount.version == 1).or(found.first());
    let (Some(mount), Some(group)) = (mount, mount.and_then(|mount| group_of(&reader, mount))) else {
        return Allowed::default();
    };
    Allowed {
        cpus: nearest(&mut reader, mount.point, &group, mount.cpus),
        nodes: nearest(&mut reader, mount.point, &group, mount.nodes),
    }
}

/// One line of `/proc/mounts`: device, mount point, type, options.
fn cpuset_mount(line: &str) -> Option<Mount<'_>> {
    let mut words = line.split_whitespace();
    let (_, point, kind, options) = (words.next()?, words.next()?, words.next()?, words.next()?);
    let has = |option: &str| options.split(',').any(|word| word == option);
    let (cpus, nodes, version) = match kind {
        "cpuset" => ("cpus", "mems", 1),
        "cgroup" if has("cpuset") && has("noprefix") => ("cpus", "mems", 1),
        "cgroup" if has("cpuset") => ("cpuset.cpus", "cpuset.mems", 1),
        "cgroup2" => ("cpuset.cpus.effective", "cpuset.mems.effective", 2),
        _ => return None,
    };
    Some(Mount {
        point,
        cpus,
        nodes,
        version,
    })
}

/// Path of the process's group below the mount point.
fn group_of(reader: &Reader<'_>, mount: &Mount<'_>) -> Option<String> {
    let from_cgroup = || {
        let text = reader.text("/proc/self/cgroup")?;
        text.lines()
            .find_map(|line| group_in_line(line, mount.version).map(str::to_owned))
    };
    from_cgroup().or_else(|| reader.some_text("/proc/self/cpuset"))
}

/// One line of `/proc/self/cgroup`: hierarchy, controllers, path.
fn group_in_line(line: &str, version: u8) -> Option<&str> {
    let mut fields = line.splitn(3, ':');
    let (hierarchy, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
    let fits = match version {
        2 => hierarchy == "0" && controllers.is_empty(),
        _ => controllers.split(',').any(|controller| controller == "cpuset"),
    };
    fits.then_some(path)
}

/// The file in the group, or in the nearest group above that has it: a group without the
/// controller is bound by its parent.
fn nearest(reader: &mut Reader<'_>, point: &str, group: &str, file: &str) -> Option<CpuSet> {
    let mut group = group.trim_end_matches('/');
    loop {
        let path = format!("{}{group}/{file}", point.trim_end_matches('/'));
        if let Some(set) = reader.cpu_list(&path).filter(|set| !set.is_empty()) {
            return Some(set);
        }
        group = group.rsplit_once('/')?.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_mount_cpusets_is_known() {
        let names = |line| cpuset_mount(line).map(|mount| (mount.point.to_owned(), mount.cpus, mount.version));
        assert_eq!(
            names("none /dev/cpuset cpuset rw 0 0"),
            Some(("/dev/cpuset".into(), "cpus", 1))
        );
        assert_eq!(
            names("c /c cgroup rw,cpuset,noprefix 0 0"),
            Some(("/c".into(), "cpus", 1))
        );
        assert_eq!(
            names("c /c cgroup rw,cpu,cpuset 0 0"),
            Some(("/c".into(), "cpuset.cpus", 1))
        );
        assert_eq!(names("c /c cgroup rw,cpuacct 0 0"), None);
        assert_eq!(
            names("c /c cgroup2 rw 0 0"),
            Some(("/c".into(), "cpuset.cpus.effective", 2))
        );
        assert_eq!(names("proc /proc"), None);
    }

    #[test]
    fn group_is_taken_from_the_hierarchy_that_is_mounted() {
        assert_eq!(group_in_line("5:cpuset,cpu:/jobs/a:b", 1), Some("/jobs/a:b"));
        assert_eq!(group_in_line("4:cpuacct:/jobs", 1), None);
        assert_eq!(group_in_line("0::/user.slice", 2), Some("/user.slice"));
        assert_eq!(group_in_line("0::/user.slice", 1), None);
    }
}
