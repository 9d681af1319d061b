//! PCI functions of several sources into one list, with names, tree and locality.

use std::collections::BTreeMap;

use captures::Origin;

use super::virtual_functions;
use crate::model::{Conflict, Machine, OriginIndex, Pci, PciFunction, SourceDamage};
use crate::pci::function::{Bdf, Function};
use crate::pci::names::Names;
use crate::pci::tree;
use crate::sysfs::CpuSet;
use crate::sysfs::topology::NodeId;

/// Fills the gaps of one function from another source and notes who gave what.
struct Filler<'a> {
    into: &'a mut PciFunction,
    at: OriginIndex,
    conflicts: &'a mut Vec<Conflict>,
}

impl Filler<'_> {
    /// Takes a fact that is still missing; a different value of a fact that has to be equal is a
    /// conflict.
    fn take<T: PartialEq + std::fmt::Debug>(
        &mut self,
        name: &'static str,
        field: fn(&mut Function) -> &mut Option<T>,
        value: Option<T>,
        strict: bool,
    ) {
        let Some(value) = value else { return };
        let slot = field(&mut self.into.function);
        match slot {
            None => {
                *slot = Some(value);
                self.into.provenance.push((name, self.at));
            }
            Some(known) if strict && *known != value => {
                let taken = format!("{known:x?}");
                let from = self
                    .into
                    .provenance
                    .iter()
                    .find(|(known, _)| *known == name)
                    .map_or(self.at, |(_, at)| *at);
                self.conflicts.push(Conflict {
                    fact: format!("{} {name}", self.into.bdf()),
                    taken: (taken, from),
                    other: (format!("{value:x?}"), self.at),
                });
            }
            Some(_) => {}
        }
    }

    fn fill(&mut self, from: Function) {
        self.take("vendor", |f| &mut f.vendor, from.vendor, true);
        self.take("device", |f| &mut f.device, from.device, true);
        self.take(
            "subsystem_vendor",
            |f| &mut f.subsystem_vendor,
            from.subsystem_vendor,
            true,
        );
        self.take(
            "subsystem_device",
            |f| &mut f.subsystem_device,
            from.subsystem_device,
            true,
        );
        self.take("class", |f| &mut f.class, from.class, false);
        self.take("revision", |f| &mut f.revision, from.revision, true);
        self.take("header_type", |f| &mut f.header_type, from.header_type, false);
        self.take("class_name", |f| &mut f.class_name, from.class_name, false);
        self.take("name", |f| &mut f.name, from.name, false);
        self.take("subsystem_name", |f| &mut f.subsystem_name, from.subsystem_name, false);
        self.take("buses", |f| &mut f.buses, from.buses, true);
        self.take("port_type", |f| &mut f.port_type, from.port_type, true);
        self.link(from.link);
        self.take("max_payload", |f| &mut f.max_payload, from.max_payload, false);
        self.take(
            "max_payload_supported",
            |f| &mut f.max_payload_supported,
            from.max_payload_supported,
            false,
        );
        self.take(
            "max_read_request",
            |f| &mut f.max_read_request,
            from.max_read_request,
            false,
        );
        self.take("slot_number", |f| &mut f.slot_number, from.slot_number, false);
        self.take("slot_occupied", |f| &mut f.slot_occupied, from.slot_occupied, false);
        self.take("physical_slot", |f| &mut f.physical_slot, from.physical_slot, false);
        self.take("label", |f| &mut f.label, from.label, false);
        self.take("vfs_total", |f| &mut f.vfs_total, from.vfs_total, false);
        self.take("vfs_enabled", |f| &mut f.vfs_enabled, from.vfs_enabled, false);
        self.take("vf_routing", |f| &mut f.vf_routing, from.vf_routing, false);
        self.take("errors", |f| &mut f.errors, from.errors, false);
        self.take(
            "physical_function",
            |f| &mut f.physical_function,
            from.physical_function,
            false,
        );
        self.take("serial", |f| &mut f.serial, from.serial, false);
        self.take("numa_node", |f| &mut f.numa_node, from.numa_node, true);
        self.take("local_cpus", |f| &mut f.local_cpus, from.local_cpus, false);
        self.take("iommu_group", |f| &mut f.iommu_group, from.iommu_group, true);
        self.take("driver", |f| &mut f.driver, from.driver, false);
        self.take("parent", |f| &mut f.parent, from.parent, false);
        if self.into.function.os_names.is_empty() && !from.os_names.is_empty() {
            self.into.function.os_names = from.os_names;
            self.into.provenance.push(("os_names", self.at));
        }
        let longer = from.config.as_ref().map_or(0, Vec::len) > self.into.function.config.as_ref().map_or(0, Vec::len);
        if longer {
            self.into.function.config = from.config;
            self.into.provenance.retain(|(name, _)| *name != "config");
            self.into.provenance.push(("config", self.at));
        }
    }

    /// Capability and status may come from different sources.
    fn link(&mut self, from: Option<crate::pci::function::Link>) {
        let Some(from) = from else { return };
        match &mut self.into.function.link {
            None => {
                self.into.function.link = Some(from);
                self.into.provenance.push(("link", self.at));
            }
            Some(known) => {
                known.capability = known.capability.or(from.capability);
                known.status = known.status.or(from.status);
                known.down |= from.down;
            }
        }
    }
}

/// One function per address, in ascending order, with names and tree.
pub(super) fn merge(
    listings: Vec<(OriginIndex, Vec<Function>)>,
    names: &Names,
    conflicts: &mut Vec<Conflict>,
    damage: &mut Vec<SourceDamage>,
    origins: &[Origin],
) -> Pci {
    let mut functions: BTreeMap<Bdf, PciFunction> = BTreeMap::new();
    let first = listings.first().map(|(at, _)| *at);
    for (at, mut list) in listings {
        names.identify(&mut list);
        for function in list {
            let into = functions.entry(function.bdf).or_insert_with(|| PciFunction {
                function: Function {
                    bdf: function.bdf,
                    ..Function::default()
                },
                ..PciFunction::default()
            });
            Filler { into, at, conflicts }.fill(function);
        }
    }
    virtual_functions::tie(&mut functions);
    let mut functions: Vec<PciFunction> = functions.into_values().collect();
    let plain: Vec<Function> = functions.iter_mut().map(|f| std::mem::take(&mut f.function)).collect();
    let tree = tree::build(&plain);
    for (into, function) in functions.iter_mut().zip(plain) {
        into.function = function;
    }
    if let Some(origin) = first.and_then(|at| origins.get(at)) {
        damage.extend(tree.damage.iter().map(|damage| SourceDamage {
            area: "PCI",
            origin: origin.clone(),
            damage: damage.clone(),
        }));
    }
    for function in &mut functions {
        name(function, names);
    }
    let index_of = |bdf: &Bdf| tree.node(*bdf).map(|node| node.index);
    for node in tree.iter() {
        if let Some(function) = functions.get_mut(node.index) {
            function.parent = node.parent.as_ref().and_then(index_of);
            function.children = node.children.iter().filter_map(index_of).collect();
        }
    }
    let roots = tree
        .roots
        .iter()
        .flat_map(|root| &root.children)
        .filter_map(index_of)
        .collect();
    Pci {
        functions,
        roots,
        names_version: names.version().to_owned(),
        ..Pci::default()
    }
}

fn name(function: &mut PciFunction, names: &Names) {
    let f = &function.function;
    let class = f.class.and_then(|class| names.class(class)).map(str::to_owned);
    function.class_text = class.or_else(|| f.class_name.clone()).unwrap_or_else(|| match f.class {
        Some(class) => format!("Class [{:04x}]", class.kind()),
        None => "class not told".to_owned(),
    });
    let (vendor, device) = (f.vendor, f.device);
    let known = vendor.zip(device).and_then(|(vendor, device)| {
        let maker = names.vendor(vendor)?;
        let model = names
            .device(vendor, device)
            .map_or_else(|| format!("Device [{device:04x}]"), str::to_owned);
        Some(format!("{maker} {model}"))
    });
    let numbers = vendor
        .zip(device)
        .map(|(vendor, device)| format!("Device [{vendor:04x}:{device:04x}]"));
    function.full_name = known
        .or_else(|| f.name.clone())
        .or(numbers)
        .unwrap_or_else(|| "unnamed device".to_owned());
    // a device the list does not have: its class and numbers say more than vendor and number
    let number = device.map(|device| format!("{device:04x}"));
    let named = |name: &String| {
        let last = name.rsplit(' ').next();
        number.as_deref() != last
    };
    let unlisted = vendor
        .zip(device)
        .map(|(vendor, device)| format!("{} [{vendor:04x}:{device:04x}]", class_words(function)));
    function.short_name = names
        .short(f)
        .filter(named)
        .or(unlisted)
        .unwrap_or_else(|| function.full_name.clone());
}

/// Class of a device without a name of its own; the list's word for CXL devices is only "CXL".
fn class_words(function: &PciFunction) -> &str {
    match function.kind() {
        0x0502 => "CXL memory device",
        _ => &function.class_text,
    }
}

/// Node and socket of every function: its own node, else that of the nearest bridge that knows,
/// else the only one there is.
pub(super) fn locate(machine: &mut Machine) {
    let only = match machine.cpu.nodes.as_slice() {
        [node] => Some(node.number),
        _ => None,
    };
    let found: Vec<(Option<NodeId>, Option<usize>)> = (0..machine.pci.functions.len())
        .map(|index| {
            let told = machine
                .path_up(index)
                .find_map(|f| f.function.numa_node.and_then(|n| u32::try_from(n).ok()))
                .map(NodeId);
            let node = told.or_else(|| firmware_node(machine, index)).or(only);
            (node, socket_of(machine, index, node))
        })
        .collect();
    for (function, (node, socket)) in machine.pci.functions.iter_mut().zip(found) {
        function.node = node;
        function.socket = socket;
    }
}

/// Node of the host bridge above, by `_PXM`.
fn firmware_node(machine: &Machine, index: usize) -> Option<NodeId> {
    let root = machine.path_up(index).last()?.bdf();
    let node = machine.acpi.bridge_of(root.domain, root.bus)?.node?;
    machine
        .cpu
        .nodes
        .iter()
        .any(|known| known.number == node)
        .then_some(node)
}

/// Socket of a function: that of its node, else of its local CPUs, else the only one.
fn socket_of(machine: &Machine, index: usize, node: Option<NodeId>) -> Option<usize> {
    let populated: Vec<usize> = machine
        .sockets
        .iter()
        .enumerate()
        .filter(|(_, socket)| socket.populated)
        .map(|(at, _)| at)
        .collect();
    if let [only] = populated.as_slice() {
        return Some(*only);
    }
    let by_node = node.and_then(|node| machine.sockets.iter().position(|socket| socket.nodes.contains(&node)));
    // without CPU topology, nodes are the sockets in order when there are as many
    let by_order = || {
        let number = usize::try_from(node?.0).ok()?;
        let nodes: std::collections::BTreeSet<i32> = machine
            .pci
            .functions
            .iter()
            .filter_map(|f| f.function.numa_node)
            .filter(|n| *n >= 0)
            .collect();
        (machine.cpu.cpus.is_empty() && nodes.len() == populated.len())
            .then(|| populated.get(number).copied())
            .flatten()
    };
    by_node.or_else(by_order).or_else(|| {
        let local = machine
            .path_up(index)
            .find_map(|f| CpuSet::parse_list(f.function.local_cpus.as_deref()?))?;
        let mut near = machine
            .sockets
            .iter()
            .enumerate()
            .filter(|(_, socket)| socket.cpus.intersects(&local))
            .map(|(at, _)| at);
        match (near.next(), near.next()) {
            (Some(only), None) => Some(only),
            _ => None,
        }
    })
}
