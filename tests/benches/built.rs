//! What a bench machine was built with: QEMU's arguments, one a line, read back.

use std::collections::BTreeMap;

/// `key=value` properties of one argument; a first part without `=` is the property `""`.
pub type Properties = BTreeMap<String, String>;

/// The arguments of one machine.
#[derive(Debug, Default)]
pub struct Built {
    options: Vec<(String, Properties)>,
}

/// One `-numa hmat-lb`: from the initiator to the target.
#[derive(Clone, Copy, Debug)]
pub struct Performance {
    pub latency: bool,
    /// Nanoseconds, or MiB/s.
    pub value: u64,
}

fn properties(text: &str) -> Properties {
    let mut found = Properties::new();
    let mut key = String::new();
    for part in text.split(',') {
        match part.split_once('=') {
            Some((name, value)) => {
                key = name.to_owned();
                found.insert(key.clone(), value.to_owned());
            }
            // `cpus=0,2` and the like: more of the value before.
            None if found.contains_key(&key) && key.starts_with("cpus") => {
                found.get_mut(&key).unwrap().push_str(&format!(",{part}"));
            }
            None => {
                found.insert(
                    if found.is_empty() {
                        String::new()
                    } else {
                        part.to_owned()
                    },
                    part.to_owned(),
                );
            }
        }
    }
    found
}

/// "64M", "40G" or a plain number.
pub fn quantity(text: &str) -> u64 {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match text.strip_prefix(digits).unwrap_or_default() {
        "" | "B" => 1,
        "K" => 1 << 10,
        "M" => 1 << 20,
        "G" => 1 << 30,
        other => panic!("unit {other:?} of {text:?}"),
    };
    digits.parse::<u64>().unwrap() * unit
}

/// A node's or a memory's number.
pub fn number(properties: &Properties, key: &str) -> Option<u64> {
    let text = properties.get(key)?;
    Some(match text.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16).unwrap(),
        None => text.parse().unwrap(),
    })
}

impl Built {
    /// Reads the list; an argument without a value (`-snapshot`) has no properties.
    pub fn read(text: &str) -> Self {
        let mut options: Vec<(String, Properties)> = Vec::new();
        for line in text.lines() {
            match line.strip_prefix('-') {
                Some(name) => options.push((name.to_owned(), Properties::new())),
                None => options.last_mut().unwrap().1 = properties(line),
            }
        }
        Self { options }
    }

    fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Properties> {
        self.options
            .iter()
            .filter(move |(option, _)| option == name)
            .map(|(_, properties)| properties)
    }

    fn numa<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Properties> {
        self.all("numa")
            .filter(move |properties| properties.get("").is_some_and(|name| name == kind))
    }

    /// `-device`, each with its driver as `""`.
    pub fn devices(&self) -> Vec<&Properties> {
        self.all("device").collect()
    }

    /// The device with this id, or the root bus of the machine.
    pub fn device(&self, id: &str) -> Option<&Properties> {
        self.all("device")
            .find(|device| device.get("id").is_some_and(|name| name == id))
    }

    /// Sockets, dies, cores, threads of `-smp`.
    pub fn smp(&self) -> [u64; 4] {
        let smp = self.all("smp").next().unwrap();
        ["sockets", "dies", "cores", "threads"].map(|key| number(smp, key).unwrap_or(1))
    }

    /// Processor model of `-cpu`.
    pub fn processor(&self) -> &str {
        self.all("cpu").next().unwrap().get("").unwrap()
    }

    /// Nodes: number, CPUs, bytes, initiator.
    pub fn nodes(&self) -> Vec<(u64, String, u64, Option<u64>)> {
        let nodes = self.numa("node").enumerate().map(|(at, node)| {
            let bytes = match node.get("memdev") {
                Some(id) => {
                    let backend = self.all("object").find(|object| object.get("id") == Some(id)).unwrap();
                    quantity(backend.get("size").unwrap())
                }
                None => node.get("mem").map_or(0, |mem| mem.parse::<u64>().unwrap() << 20),
            };
            let id = number(node, "nodeid").unwrap_or(at as u64);
            (
                id,
                node.get("cpus").cloned().unwrap_or_default(),
                bytes,
                number(node, "initiator"),
            )
        });
        nodes.collect()
    }

    /// Distance of two nodes: 10 to itself, the other direction where only that is set.
    pub fn distance(&self, from: u64, to: u64) -> u64 {
        let set = |a, b| {
            let mut distances = self.numa("dist");
            distances
                .find(|d| number(d, "src") == Some(a) && number(d, "dst") == Some(b))
                .and_then(|d| number(d, "val"))
        };
        if from == to {
            10
        } else {
            set(from, to).or_else(|| set(to, from)).unwrap_or(20)
        }
    }

    /// Latency in nanoseconds and bandwidth in MiB/s of HMAT.
    pub fn performance(&self, initiator: u64, target: u64) -> Vec<Performance> {
        let of_pair = self
            .numa("hmat-lb")
            .filter(|lb| number(lb, "initiator") == Some(initiator) && number(lb, "target") == Some(target));
        let values = of_pair.map(|lb| match (number(lb, "latency"), lb.get("bandwidth")) {
            (Some(value), _) => Performance { latency: true, value },
            (None, bandwidth) => Performance {
                latency: false,
                value: quantity(bandwidth.unwrap()) >> 20,
            },
        });
        values.collect()
    }

    /// Memory-side caches of a node: level, bytes, line.
    pub fn side_caches(&self, node: u64) -> Vec<(u64, u64, u64)> {
        let of_node = self
            .numa("hmat-cache")
            .filter(|cache| number(cache, "node-id") == Some(node));
        of_node
            .map(|cache| {
                (
                    number(cache, "level").unwrap(),
                    quantity(cache.get("size").unwrap()),
                    number(cache, "line").unwrap(),
                )
            })
            .collect()
    }

    /// Bytes of `-m`, megabytes without a unit.
    pub fn memory(&self) -> u64 {
        let memory = self.all("m").next().unwrap();
        let size = memory.get("").or_else(|| memory.get("size")).unwrap();
        if size.ends_with(|c: char| c.is_ascii_digit()) {
            size.parse::<u64>().unwrap() << 20
        } else {
            quantity(size)
        }
    }

    /// `-smbios type=N`.
    pub fn smbios(&self, kind: u64) -> Vec<&Properties> {
        self.all("smbios")
            .filter(|smbios| number(smbios, "type") == Some(kind))
            .collect()
    }
}
