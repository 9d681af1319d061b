//! One `<cpu>` element: its attributes and children, checked in libvirt's order.

use roxmltree::Node;

use super::attributes::{Number, number};
use super::{ReadAs, fault, is};
use crate::guest::Fault;
use crate::libvirt::cpu::{
    AddressMode, AddressWidth, CacheMode, Check, Fallback, FeatureSetting, GuestCache, GuestTopology, HostSignature,
    Kind, LibvirtCpu, Match, Mode, Policy, Tsc,
};

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

/// Reads elements and collects what libvirt would refuse.
pub(super) struct Reader {
    pub(super) faults: Vec<Fault>,
    /// Bytes of the text before the part that is parsed, less those put before that.
    pub(super) shift: usize,
}

impl Reader {
    fn at(&self, position: usize) -> usize {
        position.saturating_sub(3).saturating_add(self.shift)
    }

    pub(super) fn refuse(&mut self, position: usize, what: &str, message: String) {
        let at = Some(self.at(position));
        self.faults.push(fault(at, what, message));
    }

    pub(super) fn place(node: Node<'_, '_>, attribute: &str) -> usize {
        node.attribute_node(attribute)
            .map_or(node.range().start, |attribute| attribute.range().start)
    }

    pub(super) fn cpu(&mut self, node: Node<'_, '_>, read_as: ReadAs) -> LibvirtCpu {
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
        let parent = node.parent_element().filter(|parent| is(*parent, "domain"));
        cpu.domain = parent.and_then(|domain| domain.attribute("type")).map(str::to_owned);
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
