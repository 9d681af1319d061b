//! Reads the places of a capture from a source, with the symbolic links on the way to them.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::places::{CLASSES, FILES, LINKS, PCI_FILES, PCI_LINKS, matches};
use crate::path;
use crate::source::Source;
use crate::tree::ReadError;

/// Members of one directory that are looked at.
const NAME_LIMIT: usize = 1 << 16;

/// A thing to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Item {
    Directory,
    File(Vec<u8>),
    Link(String),
}

/// Everything read, by its path on the machine.
pub(crate) struct Gathered {
    /// In the order they are written.
    pub(crate) items: BTreeMap<String, Item>,
    /// What is there and could not be read, and why.
    pub(crate) unread: BTreeMap<String, String>,
}

/// Reads all places.
pub(crate) fn gather(source: &Source) -> Gathered {
    let mut gatherer = Gatherer {
        source,
        gathered: Gathered {
            items: BTreeMap::new(),
            unread: BTreeMap::new(),
        },
        links: HashMap::new(),
        lists: HashMap::new(),
    };
    for pattern in FILES {
        gatherer.each(pattern, &mut |gatherer, place| gatherer.file(place));
    }
    for pattern in LINKS {
        gatherer.each(pattern, &mut |gatherer, place| gatherer.link(place));
    }
    for class in CLASSES {
        let pattern = format!("/sys/class/{class}/*");
        gatherer.each(&pattern, &mut |gatherer, place| gatherer.link(place));
    }
    gatherer.each("/sys/bus/pci/devices/*", &mut Gatherer::pci_function);
    gatherer.cpusets();
    gatherer.gathered
}

struct Gatherer<'a> {
    source: &'a Source,
    gathered: Gathered,
    links: HashMap<String, Option<String>>,
    lists: HashMap<String, Vec<String>>,
}

impl Gatherer<'_> {
    /// Calls `take` with every path the pattern stands for.
    fn each(&mut self, pattern: &str, take: &mut dyn FnMut(&mut Self, &str)) {
        let mut places = vec![String::new()];
        for part in path::parts(pattern) {
            let mut next = Vec::new();
            for place in places {
                if !part.contains(['*', '#']) {
                    next.push(path::join(&place, part));
                    continue;
                }
                let names = self.list(&place);
                let fitting = names.iter().filter(|name| matches(part, name));
                next.extend(fitting.map(|name| path::join(&place, name)));
            }
            places = next;
        }
        for place in places {
            take(self, &place);
        }
    }

    fn list(&mut self, directory: &str) -> Vec<String> {
        if let Some(names) = self.lists.get(directory) {
            return names.clone();
        }
        let mut names = self.source.list(directory);
        names.truncate(NAME_LIMIT);
        self.lists.insert(directory.to_owned(), names.clone());
        names
    }

    /// Where a path leads, every link on the way noted.
    fn follow(&mut self, place: &str) -> String {
        let Self {
            source,
            gathered,
            links,
            ..
        } = self;
        path::resolve(place, |step| {
            let link = links.entry(step.to_owned()).or_insert_with(|| source.link(step));
            if let Some(target) = link {
                gathered.items.insert(step.to_owned(), Item::Link(target.clone()));
            }
            link.clone()
        })
        .path
    }

    fn file(&mut self, place: &str) {
        match self.source.read(place) {
            Ok((bytes, _)) => {
                let place = self.follow(place);
                self.gathered.items.insert(place, Item::File(bytes));
            }
            Err(ReadError::Absent) => {}
            Err(error) => {
                self.gathered.unread.insert(place.to_owned(), error.to_string());
            }
        }
    }

    /// A link, and an empty directory or what else is known at its end.
    fn link(&mut self, place: &str) {
        if self.source.link(place).is_none() {
            return;
        }
        let target = self.follow(place);
        if self.source.exists(&target) {
            self.gathered.items.entry(target).or_insert(Item::Directory);
        }
    }

    fn pci_function(&mut self, place: &str) {
        let device = self.follow(place);
        for name in self.list(&device) {
            let below = path::join(&device, &name);
            if PCI_FILES.iter().any(|pattern| matches(pattern, &name)) {
                self.file(&below);
            } else if PCI_LINKS.iter().any(|pattern| matches(pattern, &name)) {
                self.link(&below);
            }
        }
    }

    /// CPUs and nodes this process may use: files of its own control group and of those above.
    fn cpusets(&mut self) {
        let Some(mounts) = self.source.text("/proc/self/mounts") else {
            return;
        };
        let groups = self.source.text("/proc/self/cgroup").unwrap_or_default();
        let groups: BTreeSet<&str> = groups.lines().filter_map(|line| line.splitn(3, ':').nth(2)).collect();
        for mount in mounts.lines() {
            let mut fields = mount.split(' ').skip(1);
            let (Some(at), Some("cgroup" | "cgroup2" | "cpuset")) = (fields.next(), fields.next()) else {
                continue;
            };
            for group in &groups {
                let mut here = path::join(at, group);
                while here.len() >= at.len() {
                    for name in ["cpuset.cpus", "cpuset.mems", "cpus", "mems"] {
                        for end in ["", ".effective", ".effective_cpus", ".effective_mems"] {
                            self.cpuset_file(&here, &format!("{name}{end}"));
                        }
                    }
                    if here.trim_end_matches('/') == at.trim_end_matches('/') {
                        break;
                    }
                    here = path::parent(&here).to_owned();
                }
            }
        }
    }

    fn cpuset_file(&mut self, group: &str, name: &str) {
        if self.list(group).iter().any(|known| known == name) {
            self.file(&path::join(group, name));
        }
    }
}
