//! `<cpu>` elements of a text: the element alone, several of them, or within a domain, capabilities or
//! domain capabilities, as `virsh cpu-baseline` and `cpu-compare` take them. Rules, their order and
//! their messages are those of libvirt 11.3; all faults are told, not only the first.

use roxmltree::{Document, Node, ParsingOptions};

use crate::guest::Fault;

use super::cpu::{
    AddressMode, AddressWidth, CacheMode, Check, Fallback, FeatureSetting, GuestCache, GuestTopology, HostSignature,
    Kind, LibvirtCpu, Match, Mode, Policy, Tsc,
};

/// Elements, attributes and texts a document may have.
const MOST_NODES: u32 = 300_000;

/// Architectures that libvirt knows by name (`<arch>`).
const ARCHITECTURES: [&str; 37] = [
    "alpha",
    "armv6l",
    "armv7l",
    "armv7b",
    "aarch64",
    "cris",
    "i686",
    "ia64",
    "lm32",
    "loongarch64",
    "m68k",
    "microblaze",
    "microblazeel",
    "mips",
    "mipsel",
    "mips64",
    "mips64el",
    "openrisc",
    "parisc",
    "parisc64",
    "ppc",
    "ppcle",
    "ppc64",
    "ppc64le",
    "ppcemb",
    "riscv32",
    "riscv64",
    "s390",
    "s390x",
    "sh4",
    "sh4eb",
    "sparc",
    "sparc64",
    "unicore32",
    "x86_64",
    "xtensa",
    "xtensaeb",
];

/// Whether the elements tell of hosts or guests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadAs {
    /// Hosts: an `<arch>` is needed, policies do not count (`virsh cpu-baseline`).
    Hosts,
    /// Guests.
    Guests,
    /// Hosts where there is an `<arch>`, otherwise guests (`virsh cpu-compare`).
    Either,
}

/// What a text has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Definitions {
    /// One for each `<cpu>`; what could not be read in it is left out.
    pub cpus: Vec<LibvirtCpu>,
    /// What libvirt would refuse, in its order.
    pub faults: Vec<Fault>,
}

impl Definitions {
    /// The definitions, or the first fault.
    pub fn into_result(self) -> Result<Vec<LibvirtCpu>, Fault> {
        match self.faults.into_iter().next() {
            Some(fault) => Err(fault),
            None => Ok(self.cpus),
        }
    }
}

/// Reads every `<cpu>` of a text.
#[must_use]
pub fn read(text: &str, read_as: ReadAs) -> Definitions {
    let mut out = Definitions::default();
    let (skipped, document) = without_declaration(text);
    let wrapped = format!("<c>{document}</c>");
    let options = ParsingOptions {
        nodes_limit: MOST_NODES,
        ..ParsingOptions::default()
    };
    let xml = match Document::parse_with_options(&wrapped, options) {
        Ok(xml) => xml,
        Err(error) => {
            let at = offset(&wrapped, error.pos())
                .saturating_sub(3)
                .min(document.len())
                .saturating_add(skipped);
            let what = String::new();
            out.faults.push(Fault {
                at: Some(at),
                what,
                message: format!("not well-formed XML: {error}"),
            });
            return out;
        }
    };
    let mut reader = Reader {
        faults: Vec::new(),
        shift: skipped,
    };
    for node in elements(&xml) {
        let cpu = reader.cpu(node, read_as);
        out.cpus.push(cpu);
    }
    out.faults = reader.faults;
    if out.cpus.is_empty() {
        out.faults.push(fault(
            None,
            "",
            "no <cpu> element, domain, host capabilities or domain capabilities XML".to_owned(),
        ));
    }
    out
}

fn fault(at: Option<usize>, what: &str, message: String) -> Fault {
    Fault {
        at,
        what: what.to_owned(),
        message,
    }
}

/// The text behind a byte order mark and an XML declaration, and how much was left out.
fn without_declaration(text: &str) -> (usize, &str) {
    let body = text.strip_prefix('\u{feff}').unwrap_or(text);
    let body = match body.starts_with("<?xml") {
        true => body.split_once("?>").map_or(body, |(_, rest)| rest),
        false => body,
    };
    (text.len().saturating_sub(body.len()), body)
}

/// Byte of a line and column.
fn offset(text: &str, position: roxmltree::TextPos) -> usize {
    let row = usize::try_from(position.row).unwrap_or(1);
    let column = usize::try_from(position.col).unwrap_or(1);
    let before: usize = text
        .split_inclusive('\n')
        .take(row.saturating_sub(1))
        .map(str::len)
        .sum();
    let line = text.get(before..).unwrap_or_default();
    let within: usize = line.chars().take(column.saturating_sub(1)).map(char::len_utf8).sum();
    before.saturating_add(within)
}

fn is(node: Node<'_, '_>, name: &str) -> bool {
    node.is_element() && node.tag_name().name() == name
}

/// The elements that are CPU definitions, in the order of the text.
fn elements<'a, 'i>(xml: &'a Document<'i>) -> Vec<Node<'a, 'i>> {
    let container = xml.root_element();
    let mut found = Vec::new();
    for root in container.children().filter(Node::is_element) {
        if is(root, "cpu") {
            found.push(root);
        } else if is(root, "capabilities") {
            let hosts = root.children().filter(|node| is(*node, "host"));
            found.extend(hosts.flat_map(|host| host.children().filter(|node| is(*node, "cpu"))));
        } else if is(root, "domainCapabilities") {
            let cpus = root.children().filter(|node| is(*node, "cpu"));
            found.extend(cpus.flat_map(|cpu| {
                cpu.children().filter(|mode| {
                    is(*mode, "mode")
                        && mode.attribute("name") == Some("host-model")
                        && mode.attribute("supported") == Some("yes")
                })
            }));
        } else if root.children().any(|node| is(node, "cpu")) {
            // A domain, or a list of definitions under a root of its own.
            found.extend(root.children().filter(|node| is(*node, "cpu")));
        } else {
            // Saved states and snapshots have the domain within.
            let domains = root.descendants().filter(|node| is(*node, "domain"));
            found.extend(domains.flat_map(|domain| domain.children().filter(|node| is(*node, "cpu"))));
        }
    }
    found
}

struct Reader {
    faults: Vec<Fault>,
    /// Bytes of the text before the part that is parsed, less those put before that.
    shift: usize,
}

/// How a number must be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Number {
    Any,
    NotZero,
}

impl Reader {
    fn at(&self, position: usize) -> usize {
        position.saturating_sub(3).saturating_add(self.shift)
    }

    fn refuse(&mut self, position: usize, what: &str, message: String) {
        let at = Some(self.at(position));
        self.faults.push(fault(at, what, message));
    }

    fn place(node: Node<'_, '_>, attribute: &str) -> usize {
        node.attribute_node(attribute)
            .map_or(node.range().start, |attribute| attribute.range().start)
    }

    fn cpu(&mut self, node: Node<'_, '_>, read_as: ReadAs) -> LibvirtCpu {
        // The host model of domain capabilities: its attributes are not those of a definition.
        let bare = is(node, "mode");
        let start = node.range().start;
        let has_arch = node.children().any(|child| is(child, "arch"));
        let kind = match read_as {
            ReadAs::Hosts => Kind::Host,
            ReadAs::Guests => Kind::Guest,
            ReadAs::Either if has_arch => Kind::Host,
            ReadAs::Either => Kind::Guest,
        };
        let mut cpu = LibvirtCpu::new(kind);
        cpu.at = Some(self.at(start));
        if read_as == ReadAs::Either && has_arch && !bare && node.has_attribute("match") {
            let message = "XML error: 'arch' element cannot be used inside 'cpu' element with 'match' attribute";
            self.refuse(Self::place(node, "match"), "match", message.to_owned());
        }
        if !bare {
            self.attributes(node, &mut cpu);
        }
        if kind == Kind::Host {
            self.host(node, &mut cpu);
        }
        self.model(node, &mut cpu);
        self.topology(node, &mut cpu);
        self.features(node, &mut cpu);
        self.cache(node, &mut cpu);
        self.address(node, &mut cpu);
        cpu
    }

    fn attributes(&mut self, node: Node<'_, '_>, cpu: &mut LibvirtCpu) {
        if let Some(mode) = node.attribute("mode") {
            let place = Self::place(node, "mode");
            if cpu.kind == Kind::Host {
                let message = "unsupported configuration: Attribute mode is only allowed for guest CPU";
                self.refuse(place, mode, message.to_owned());
            } else {
                match Mode::read(mode) {
                    Some(mode) => cpu.mode = mode,
                    None => {
                        let message = format!("unsupported configuration: Invalid mode attribute '{mode}'");
                        self.refuse(place, mode, message);
                    }
                }
            }
        }
        cpu.migratable = self.switch(node, "migratable");
        if cpu.migratable.is_some() && !matches!(cpu.mode, Mode::HostPassthrough | Mode::Maximum) {
            let message = "unsupported configuration: Attribute migratable is only allowed for 'host-passthrough' / \
                           'maximum' CPU mode";
            self.refuse(Self::place(node, "migratable"), "migratable", message.to_owned());
        }
        if cpu.kind == Kind::Guest {
            if let Some(matching) = self.named(node, "match", Match::read) {
                cpu.matching = matching;
            }
            if let Some(check) = self.named(node, "check", Check::read) {
                cpu.check = check;
            }
            cpu.deprecated_features = self.switch(node, "deprecated_features");
        }
    }

    fn host(&mut self, node: Node<'_, '_>, cpu: &mut LibvirtCpu) {
        let start = node.range().start;
        match child_text(node, "arch") {
            None => self.refuse(start, "arch", "XML error: Missing CPU architecture".to_owned()),
            Some((place, arch)) => {
                if !ARCHITECTURES.contains(&arch.as_str()) {
                    let message = format!("unsupported configuration: Unknown architecture {arch}");
                    self.refuse(place, &arch, message);
                }
                cpu.arch = Some(arch);
            }
        }
        if let Some(version) = child(node, "microcode").and_then(|node| node.attribute("version")) {
            match number(version) {
                Some(version) => cpu.microcode = Some(version),
                None => {
                    let message = "unsupported configuration: invalid microcode version";
                    self.refuse(start, version, message.to_owned());
                }
            }
        }
        if let Some(signature) = child(node, "signature") {
            let family = self.required(signature, "family", Number::NotZero);
            let model = self.required(signature, "model", Number::Any);
            let stepping = self.required(signature, "stepping", Number::Any);
            if let (Some(family), Some(model), Some(stepping)) = (family, model, stepping) {
                cpu.signature = Some(HostSignature {
                    family,
                    model,
                    stepping,
                });
            }
        }
        let counter = node
            .children()
            .find(|node| is(*node, "counter") && node.attribute("name") == Some("tsc"));
        if let Some(counter) = counter {
            let scaling = self.yes_no(counter, "scaling");
            match counter.attribute("frequency").map(|text| (text, text.trim().parse())) {
                Some((_, Ok(frequency))) => cpu.tsc = Some(Tsc { frequency, scaling }),
                Some((text, Err(_))) => self.not_a_number(counter, "frequency", text),
                None => self.missing(counter, "frequency"),
            }
        }
    }

    fn model(&mut self, node: Node<'_, '_>, cpu: &mut LibvirtCpu) {
        if let Some((place, model)) = child_text(node, "model") {
            cpu.model = Some(model);
            cpu.model_at = Some(self.at(place));
        }
        if cpu.model.is_none() && cpu.kind == Kind::Host {
            self.refuse(
                node.range().start,
                "model",
                "XML error: Missing CPU model name".to_owned(),
            );
        }
        let own = cpu.kind == Kind::Guest && !matches!(cpu.mode, Mode::HostPassthrough | Mode::Maximum);
        if let Some(model) = child(node, "model").filter(|_| own) {
            if let Some(fallback) = model.attribute("fallback").filter(|text| !text.is_empty()) {
                match Fallback::read(fallback) {
                    Some(fallback) => cpu.fallback = fallback,
                    None => {
                        let message = "unsupported configuration: Invalid fallback attribute";
                        self.refuse(Self::place(model, "fallback"), fallback, message.to_owned());
                    }
                }
            }
            if let Some(id) = model.attribute("vendor_id").filter(|text| !text.is_empty()) {
                let place = Self::place(model, "vendor_id");
                if id.len() != 12 {
                    let message = "XML error: vendor_id must be exactly 12 characters long";
                    self.refuse(place, id, message.to_owned());
                } else if id.contains(',') {
                    self.refuse(place, id, "XML error: vendor id is invalid".to_owned());
                } else {
                    cpu.vendor_id = Some(id.to_owned());
                }
            }
        }
        if let Some((place, vendor)) = child_text(node, "vendor") {
            if cpu.model.is_none() {
                let message = "XML error: CPU vendor specified without CPU model";
                self.refuse(place, &vendor, message.to_owned());
            }
            cpu.vendor = Some(vendor);
            cpu.vendor_at = Some(self.at(place));
        }
    }

    fn topology(&mut self, node: Node<'_, '_>, cpu: &mut LibvirtCpu) {
        let Some(topology) = child(node, "topology") else {
            return;
        };
        let sockets = self.required(topology, "sockets", Number::NotZero);
        let dies = self.optional(topology, "dies", Number::NotZero);
        let clusters = self.optional(topology, "clusters", Number::NotZero);
        let cores = self.required(topology, "cores", Number::NotZero);
        let threads = self.required(topology, "threads", Number::NotZero);
        if let (Some(sockets), Some(cores), Some(threads)) = (sockets, cores, threads) {
            cpu.topology = Some(GuestTopology {
                sockets,
                dies: dies.unwrap_or(1),
                clusters: clusters.unwrap_or(1),
                cores,
                threads,
            });
        }
    }

    fn features(&mut self, node: Node<'_, '_>, cpu: &mut LibvirtCpu) {
        for (index, feature) in node.children().filter(|node| is(*node, "feature")).enumerate() {
            let start = feature.range().start;
            if index == 0 && cpu.model.is_none() && cpu.kind == Kind::Guest && cpu.mode == Mode::Custom {
                let message = "XML error: Non-empty feature list specified without CPU model";
                self.refuse(start, "feature", message.to_owned());
            }
            let policy = match (cpu.kind, feature.attribute("policy")) {
                (Kind::Host, _) => None,
                (Kind::Guest, None) => Some(Policy::Require),
                (Kind::Guest, Some(text)) => match Policy::read(text) {
                    Some(policy) => Some(policy),
                    None => {
                        let message = "unsupported configuration: Invalid CPU feature policy";
                        self.refuse(Self::place(feature, "policy"), text, message.to_owned());
                        continue;
                    }
                },
            };
            let Some(name) = feature.attribute("name").filter(|name| !name.is_empty()) else {
                self.refuse(start, "feature", "XML error: Invalid CPU feature name".to_owned());
                continue;
            };
            if cpu.feature(name).is_some() {
                let message = format!("XML error: CPU feature '{name}' specified more than once");
                self.refuse(Self::place(feature, "name"), name, message);
                continue;
            }
            let at = Some(self.at(Self::place(feature, "name")));
            cpu.features.push(FeatureSetting {
                name: name.to_owned(),
                policy,
                at,
            });
        }
    }

    fn cache(&mut self, node: Node<'_, '_>, cpu: &mut LibvirtCpu) {
        let mut caches = node.children().filter(|node| is(*node, "cache"));
        let Some(cache) = caches.next() else { return };
        if let Some(second) = caches.next() {
            let message = "XML error: at most one CPU cache element may be specified";
            self.refuse(second.range().start, "cache", message.to_owned());
            return;
        }
        let level = self.optional(cache, "level", Number::Any);
        if level.is_some_and(|level| !(1..=3).contains(&level)) {
            let message = "XML error: invalid CPU cache level, must be in range [1,3]";
            self.refuse(Self::place(cache, "level"), "level", message.to_owned());
        }
        if !cache.has_attribute("mode") {
            self.missing(cache, "mode");
        }
        if let Some(mode) = self.named(cache, "mode", CacheMode::read) {
            let level = level.and_then(|level| u8::try_from(level).ok());
            cpu.cache = Some(GuestCache { level, mode });
        }
    }

    fn address(&mut self, node: Node<'_, '_>, cpu: &mut LibvirtCpu) {
        let Some(address) = child(node, "maxphysaddr") else {
            return;
        };
        if !address.has_attribute("mode") {
            self.missing(address, "mode");
        }
        let mode = self.named(address, "mode", AddressMode::read);
        let bits = self.optional(address, "bits", Number::Any);
        let limit = self.optional(address, "limit", Number::NotZero);
        if limit.is_some() && mode.is_some_and(|mode| mode != AddressMode::Passthrough) {
            let message = "unsupported configuration: attribute 'limit' is only supported for maxphysaddr mode \
                           'passthrough'";
            self.refuse(Self::place(address, "limit"), "limit", message.to_owned());
        }
        cpu.address = mode.map(|mode| AddressWidth { mode, bits, limit });
    }

    fn named<T>(&mut self, node: Node<'_, '_>, attribute: &str, read: fn(&str) -> Option<T>) -> Option<T> {
        let text = node.attribute(attribute)?;
        let value = read(text);
        if value.is_none() {
            self.invalid(node, attribute, text, ".");
        }
        value
    }

    fn switch(&mut self, node: Node<'_, '_>, attribute: &str) -> Option<bool> {
        self.named(node, attribute, |text| match text {
            "on" => Some(true),
            "off" => Some(false),
            _ => None,
        })
    }

    fn yes_no(&mut self, node: Node<'_, '_>, attribute: &str) -> Option<bool> {
        self.named(node, attribute, |text| match text {
            "yes" => Some(true),
            "no" => Some(false),
            _ => None,
        })
    }

    fn required(&mut self, node: Node<'_, '_>, attribute: &str, rule: Number) -> Option<u32> {
        if !node.has_attribute(attribute) {
            self.missing(node, attribute);
        }
        self.optional(node, attribute, rule)
    }

    fn optional(&mut self, node: Node<'_, '_>, attribute: &str, rule: Number) -> Option<u32> {
        let text = node.attribute(attribute)?;
        match number(text) {
            None => self.not_a_number(node, attribute, text),
            Some(0) if rule == Number::NotZero => {
                let element = node.tag_name().name();
                let message = format!(
                    "XML error: Invalid value for attribute '{attribute}' in element '{element}': Zero is not permitted"
                );
                self.refuse(Self::place(node, attribute), text, message);
            }
            Some(value) => return Some(value),
        }
        None
    }

    fn missing(&mut self, node: Node<'_, '_>, attribute: &str) {
        let element = node.tag_name().name();
        let message = format!("XML error: Missing required attribute '{attribute}' in element '{element}'");
        self.refuse(node.range().start, attribute, message);
    }

    fn not_a_number(&mut self, node: Node<'_, '_>, attribute: &str, text: &str) {
        self.invalid(node, attribute, text, ". Expected non-negative integer value");
    }

    fn invalid(&mut self, node: Node<'_, '_>, attribute: &str, text: &str, end: &str) {
        let element = node.tag_name().name();
        let message =
            format!("XML error: Invalid value for attribute '{attribute}' in element '{element}': '{text}'{end}");
        self.refuse(Self::place(node, attribute), text, message);
    }
}

fn child<'a, 'i>(node: Node<'a, 'i>, name: &str) -> Option<Node<'a, 'i>> {
    node.children().find(|node| is(*node, name))
}

/// Text of the first child of a name and where it is; an empty one is none.
fn child_text(node: Node<'_, '_>, name: &str) -> Option<(usize, String)> {
    let child = child(node, name)?;
    let text: String = child
        .descendants()
        .filter(Node::is_text)
        .filter_map(|node| node.text())
        .collect();
    let place = child
        .first_child()
        .map_or(child.range().start, |text| text.range().start);
    (!text.is_empty()).then_some((place, text))
}

/// A number in decimal, with blanks before it, as `strtoul` takes it.
fn number(text: &str) -> Option<u32> {
    let text = text.trim_start();
    text.strip_prefix('+').unwrap_or(text).parse().ok()
}
