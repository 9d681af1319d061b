//! Short words for the picture: names, sizes, ranges, as `PICTURE` rules 24 to 27 want them.

use crate::findings::{self, memory_size_words as size_words};
use crate::model::{Machine, Socket, is_told};
use crate::sysfs::topology::{Cache, CacheKind, Group, Node};
use crate::sysfs::{CpuSet, CpuTopology};
use crate::xen::Role;

/// "Supermicro AS -4124GS-TNR", "KVM guest", "machine".
pub(crate) fn machine_name(machine: &Machine) -> String {
    let system = machine.identity.system.as_ref();
    let told = |text: Option<&String>| text.map(|t| t.trim().to_owned()).filter(|t| is_told(t));
    let maker = told(system.and_then(|s| s.manufacturer.as_ref())).map(|name| short_vendor(&name));
    let product = told(system.and_then(|s| s.product.as_ref()));
    let board = machine.identity.board.as_ref().and_then(|b| told(b.product.as_ref()));
    match (maker, product.or(board)) {
        (Some(maker), Some(product)) if product.to_lowercase().starts_with(&maker.to_lowercase()) => product,
        (Some(maker), Some(product)) => format!("{maker} {product}"),
        (None, Some(product)) => product,
        (Some(maker), None) => format!("{maker} machine"),
        (None, None) => match (&machine.identity.hypervisor, &machine.identity.host) {
            (Some(hypervisor), _) if is_dom0(machine) => format!("{hypervisor} dom0"),
            (Some(hypervisor), _) => format!("{hypervisor} guest"),
            (None, Some(host)) => host.clone(),
            (None, None) => match machine.cpu.codename.as_ref().or(machine.cpu.architecture.as_ref()) {
                Some(name) => format!("{name} machine"),
                None => "machine".to_owned(),
            },
        },
    }
}

fn is_dom0(machine: &Machine) -> bool {
    machine.xen.as_ref().is_some_and(|xen| xen.role == Some(Role::Dom0))
}

fn short_vendor(name: &str) -> String {
    let mut name = name.trim().trim_end_matches('.').to_owned();
    for tail in [
        " Inc",
        " Inc.",
        ", Inc",
        " Corporation",
        " Corp",
        " Co., Ltd",
        " Co.,Ltd",
        " Ltd",
        " COMPUTER INC",
        " Computer Inc",
        " Corp.",
    ] {
        if let Some(head) = name.strip_suffix(tail) {
            name = head.trim_end_matches([',', '.', ' ']).to_owned();
        }
    }
    name
}

/// CPU model without vendor marks: "Xeon Gold 6248", "AMD EPYC 7452".
pub(crate) fn cpu_model(name: &str) -> String {
    let mut text = name
        .replace("(R)", " ")
        .replace("(TM)", " ")
        .replace("(r)", " ")
        .replace("(tm)", " ")
        .replace("®", " ")
        .replace("™", " ");
    if let Some((head, _)) = text.split_once(" @ ") {
        text = head.to_owned();
    }
    let words: Vec<&str> = text
        .split_whitespace()
        .filter(|word| {
            !matches!(*word, "CPU" | "Processor" | "processor") && !word.ends_with("-Core") && !word.ends_with("-core")
        })
        .collect();
    let text = words.join(" ");
    text.strip_prefix("Intel ")
        .or_else(|| text.strip_prefix("INTEL "))
        .map_or(text.clone(), str::to_owned)
}

/// "2 × AMD EPYC 7452 · 64 cores / 128 threads · 512 GiB in 16 of 32 slots".
pub(crate) fn totals(machine: &Machine) -> String {
    let mut parts = Vec::new();
    let sockets = machine.populated_sockets();
    if let Some(model) = machine
        .cpu
        .model
        .as_deref()
        .or_else(|| machine.sockets.iter().find_map(|s| s.model.as_deref()))
    {
        let mut model = model_name(&machine.cpu, model);
        // Where the title has no better name, it is the codename already.
        let codename = machine.cpu.codename.as_deref();
        if let Some(codename) = codename.filter(|codename| !machine_name(machine).starts_with(codename)) {
            model = format!("{model} ({codename})");
        }
        parts.push(if sockets > 1 {
            format!("{sockets} × {model}")
        } else {
            model
        });
    } else if sockets > 1 {
        parts.push(format!("{sockets} sockets"));
    }
    if let Some(words) = core_words(machine) {
        parts.push(words);
    }
    parts.extend(memory_words(machine));
    if machine.cpu.nodes.len() > 1 {
        parts.push(format!("{} NUMA nodes", machine.cpu.nodes.len()));
    }
    if !machine.pci.functions.is_empty() {
        parts.push(format!("{} PCI functions", machine.pci.functions.len()));
    }
    parts.join(" · ")
}

/// Under which Xen the facts were taken, and what its dom0 sees: "Xen 4.20.3: dom0 (PV) sees 2 of 16
/// CPUs, 1 GiB of 64 GiB · 60 GiB free".
pub(crate) fn xen_words(machine: &Machine) -> Option<String> {
    let xen = machine.xen.as_ref()?;
    let version = findings::version_words(xen);
    let domain = findings::domain_words(xen);
    let Some(physical) = &xen.machine else {
        let kind = xen.guest_type.as_deref().map(|kind| format!(" ({kind})"));
        return match xen.role? {
            Role::Dom0 => Some(format!("{domain} of {version}: its view, not the machine's")),
            Role::Guest => Some(format!("a guest of {version}{}", kind.unwrap_or_default())),
        };
    };
    let mut parts = vec![match findings::seen_words(xen) {
        Some(seen) => format!("{version}: {domain} sees {seen}"),
        None => version,
    }];
    parts.extend(
        physical
            .free_memory
            .map(|free| format!("{} free for domains", size_words(free))),
    );
    Some(parts.join(" · "))
}

/// By whom the memory of the nodes is told.
pub(crate) fn memory_teller(machine: &Machine) -> &'static str {
    if machine.by_xen().is_some() {
        "by Xen"
    } else if machine.cpu.nodes_by_firmware {
        "by SRAT"
    } else {
        "usable by Linux"
    }
}

/// "64 cores / 128 threads", "2 vCPUs", "16 CPUs".
#[must_use]
pub fn core_words(machine: &Machine) -> Option<String> {
    let threads = machine.thread_count()?;
    let plural = |n: usize, word: &str| {
        if n == 1 {
            format!("{n} {word}")
        } else {
            format!("{n} {word}s")
        }
    };
    let offline = machine.cpu.cpus.iter().filter(|cpu| !cpu.online).count();
    let tail = if offline > 0 {
        format!(" ({offline} off)")
    } else {
        String::new()
    };
    Some(match machine.core_count() {
        Some(cores) => format!("{} / {}{tail}", plural(cores, "core"), plural(threads, "thread")),
        None => format!("{}{tail}", plural(threads, "CPU")),
    })
}

fn memory_words(machine: &Machine) -> Option<String> {
    let size = size_words(machine.memory_bytes()?);
    let slots = machine.memory.slots.len();
    let used = machine.memory.slots.iter().filter(|slot| slot.populated()).count();
    Some(if used > 0 {
        format!("{size} in {used} of {slots} slots")
    } else {
        size
    })
}

/// "32c/64t · 2.35–3.35 GHz · microcode 0x830107a · NUMA 0".
#[must_use]
pub fn socket_summary(machine: &Machine, socket: &Socket) -> Vec<String> {
    let mut parts = Vec::new();
    if !socket.populated {
        parts.push("empty".to_owned());
        return parts;
    }
    if let Some(model) = socket.model.as_deref().or(machine.cpu.model.as_deref()) {
        parts.push(model_name(&machine.cpu, model));
    }
    let cores = cores_in(&machine.cpu, &socket.cpus).count();
    let processor = socket.processor.as_ref();
    if cores > 0 {
        parts.push(format!("{cores}c/{}t", socket.cpus.len()));
    } else if let (Some(cores), threads) = (processor.and_then(|p| p.cores), processor.and_then(|p| p.threads)) {
        parts.push(threads.map_or_else(|| format!("{cores} cores"), |threads| format!("{cores}c/{threads}t")));
    } else if !socket.cpus.is_empty() {
        parts.push(match socket.cpus.len() {
            1 => "1 CPU".to_owned(),
            count => format!("{count} CPUs"),
        });
    }
    parts.extend(clock_words(machine, socket));
    if let Some(revision) = socket.microcode {
        parts.push(match &socket.newer_microcode {
            Some(newer) => format!("microcode 0x{revision:x} (newer: 0x{:x})", newer.revision),
            None => format!("microcode 0x{revision:x}"),
        });
    }
    if !socket.by_node {
        parts.extend(node_words(&socket.nodes.iter().map(|node| node.0).collect::<Vec<_>>()));
    }
    parts
}

/// What the cards of the picture are: "socket", or "NUMA node" where nobody tells of packages.
pub(crate) fn card_word(machine: &Machine) -> &'static str {
    if machine.sockets.iter().any(|socket| socket.by_node) {
        "NUMA node"
    } else {
        "socket"
    }
}

/// The heading over the cards.
pub(crate) fn cards_heading(machine: &Machine) -> &'static str {
    if machine.sockets.iter().any(|socket| socket.by_node) {
        "NUMA nodes"
    } else {
        "Sockets"
    }
}

/// "NUMA node 0", "NUMA nodes 0–3".
pub(crate) fn node_words(nodes: &[u32]) -> Option<String> {
    let set: CpuSet = nodes.iter().copied().collect();
    match nodes.len() {
        0 => None,
        1 => Some(format!("NUMA node {set}")),
        _ => Some(format!("NUMA nodes {}", ranges(&set))),
    }
}

fn clock_words(machine: &Machine, socket: &Socket) -> Option<String> {
    let cpus = || machine.cpu.cpus.iter().filter(|cpu| socket.cpus.contains(cpu.number));
    let ghz = |khz: u64| format!("{}.{:02}", khz / 1_000_000, khz % 1_000_000 / 10_000);
    let base = cpus().filter_map(|cpu| cpu.base_khz).max();
    let top = cpus().filter_map(|cpu| cpu.max_khz).max();
    match (base, top) {
        (Some(base), Some(top)) if base < top => Some(format!("{}–{} GHz", ghz(base), ghz(top))),
        (_, Some(top)) => Some(format!("up to {} GHz", ghz(top))),
        (Some(base), None) => Some(format!("{} GHz", ghz(base))),
        (None, None) => None,
    }
}

/// Kinds of core, weakest first; those of one name are one kind here, whatever else tells them apart
/// (their clock).
pub(crate) fn kinds(cpu: &CpuTopology) -> Vec<(Option<&str>, CpuSet)> {
    let mut kinds: Vec<(Option<&str>, CpuSet)> = Vec::new();
    for kind in &cpu.kinds {
        let name = kind.name.as_deref();
        match kinds.iter_mut().find(|(known, _)| name.is_some() && *known == name) {
            Some((_, cpus)) => cpus.union_with(&kind.cpus),
            None => kinds.push((name, kind.cpus.clone())),
        }
    }
    kinds
}

/// Whether a kind of core is drawn as a weak one: the weakest of the machine, by name where it has one,
/// and every sort of E-core.
pub(crate) fn is_weak(cpu: &CpuTopology, kind: Option<usize>) -> bool {
    let name = |at: usize| cpu.kinds.get(at).and_then(|kind| kind.name.as_deref());
    let efficient = |at: usize| name(at).is_some_and(|name| name.ends_with("E-core"));
    kind.is_some_and(|at| at == 0 || efficient(at) || (name(at).is_some() && name(at) == name(0)))
}

/// Names of the kinds that are drawn as weak ones, strongest first.
pub(crate) fn weak_names(cpu: &CpuTopology) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    for (at, kind) in cpu.kinds.iter().enumerate().rev() {
        let name = kind.name.as_deref().filter(|_| is_weak(cpu, Some(at)));
        names.extend(name.filter(|name| !names.contains(name)));
    }
    names
}

/// Model of the processors; several kinds of core that are named as models are all said:
/// "Cortex-X925 + Cortex-A725".
fn model_name(cpu: &CpuTopology, model: &str) -> String {
    let mut names: Vec<&str> = kinds(cpu).into_iter().filter_map(|(name, _)| name).collect();
    if names.len() > 1 && names.contains(&model) {
        names.reverse();
        names.join(" + ")
    } else {
        cpu_model(model)
    }
}

/// Cores with at least one CPU in `cpus`.
pub(crate) fn cores_in<'a>(cpu: &'a CpuTopology, cpus: &'a CpuSet) -> impl Iterator<Item = &'a Group> {
    cpu.cores.iter().filter(move |core| core.cpus.intersects(cpus))
}

/// A model name of at most about `most` characters: whole words from the left.
pub(crate) fn model_words(name: &str, most: usize) -> String {
    let head = name.split(',').next().unwrap_or(name);
    let mut text = String::new();
    for word in head.split_whitespace() {
        if !text.is_empty() && text.chars().count().saturating_add(word.chars().count()) >= most {
            break;
        }
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(word);
    }
    text
}

/// A set with en dashes: "0–7,16"; a long one with an even step in words: "0, 4 … 76 (every 4th)".
pub(crate) fn ranges(set: &CpuSet) -> String {
    stepped(set).unwrap_or_else(|| set.to_string().replace('-', "–"))
}

/// More than four numbers, all equally far from each other and not neighbours.
fn stepped(set: &CpuSet) -> Option<String> {
    let mut numbers = set.iter();
    let (first, second) = (numbers.next()?, numbers.next()?);
    let step = second.checked_sub(first).filter(|step| *step > 1)?;
    let mut last = second;
    for number in numbers {
        if number.checked_sub(last)? != step {
            return None;
        }
        last = number;
    }
    let ending = match (step % 10, step % 100) {
        (_, 11..=13) => "th",
        (1, _) => "st",
        (2, _) => "nd",
        (3, _) => "rd",
        _ => "th",
    };
    (set.len() > 4).then(|| format!("{first}, {second} … {last} (every {step}{ending})"))
}

/// The numbers by which a tile is known: the first thread of each core, unless all threads are
/// shorter to say.
pub(crate) fn tile_numbers(cpu: &CpuTopology, cpus: &CpuSet) -> String {
    let firsts: CpuSet = cores_in(cpu, cpus).filter_map(|core| core.cpus.first()).collect();
    let (short, whole) = (ranges(&firsts), ranges(cpus));
    if firsts.is_empty() || whole.chars().count() < short.chars().count() {
        whole
    } else {
        short
    }
}

/// Nodes of a socket that no other socket has too.
pub(crate) fn own_nodes<'a>(machine: &'a Machine, socket: &'a Socket) -> impl Iterator<Item = &'a Node> {
    let nodes = machine.cpu.nodes.iter();
    nodes.filter(|node| socket.nodes.contains(&node.number) && holders(machine, node) == 1)
}

/// Nodes of several sockets: they are drawn once, outside of all of them.
pub(crate) fn spanning_nodes(machine: &Machine) -> Vec<&Node> {
    let nodes = machine.cpu.nodes.iter();
    nodes.filter(|node| holders(machine, node) > 1).collect()
}

fn holders(machine: &Machine, node: &Node) -> usize {
    let sockets = machine.sockets.iter();
    sockets.filter(|socket| socket.nodes.contains(&node.number)).count()
}

/// What is to be said of nodes that span sockets.
pub(crate) fn spanning_words(nodes: &[&Node]) -> String {
    let same = |node: &&&Node| nodes.iter().filter(|other| other.cpus == node.cpus).count() > 1;
    let twins: Vec<&&Node> = nodes.iter().filter(same).filter(|node| !node.cpus.is_empty()).collect();
    match twins.first() {
        Some(first) => {
            let numbers: CpuSet = twins.iter().map(|node| node.number.0).collect();
            format!(
                "NUMA nodes {} have the same CPUs {} (as with numa=fake); each is drawn once",
                ranges(&numbers),
                ranges(&first.cpus)
            )
        }
        None => "NUMA nodes that span sockets, each drawn once".to_owned(),
    }
}

/// "16 MiB", "480 MiB", "32K" in short form.
pub(crate) fn cache_size(cache: &Cache) -> String {
    cache.size.map_or_else(|| "size not told".to_owned(), size_words)
}

/// "32K", "1M", "1.25M": the shortest form, for caches of a core.
pub(crate) fn short_size(bytes: u64) -> String {
    size_words(bytes)
        .replace(" KiB", "K")
        .replace(" MiB", "M")
        .replace(" GiB", "G")
}

/// Name of a cache: "L1d", "L3".
pub(crate) fn cache_name(cache: &Cache) -> String {
    let suffix = match cache.kind {
        CacheKind::Data => "d",
        CacheKind::Instruction => "i",
        CacheKind::Unified => "",
    };
    format!("L{}{suffix}", cache.level)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(text: &str) -> CpuSet {
        CpuSet::parse_list(text).unwrap()
    }

    #[test]
    fn numbers_with_an_even_step_are_said_by_their_step() {
        assert_eq!(ranges(&set("0,4,8,12,16")), "0, 4 … 16 (every 4th)");
        assert_eq!(ranges(&set("1,3,5,7,9")), "1, 3 … 9 (every 2nd)");
        assert_eq!(ranges(&set("0,2,4,6")), "0,2,4,6");
        assert_eq!(ranges(&set("0,2,4,6,9")), "0,2,4,6,9");
        assert_eq!(ranges(&set("0-31,64-95")), "0–31,64–95");
        assert_eq!(ranges(&CpuSet::new()), "");
    }

    #[test]
    fn a_node_of_two_sockets_belongs_to_neither() {
        let node = |number: u32, cpus: &str| Node {
            number: crate::sysfs::topology::NodeId(number),
            cpus: set(cpus),
            ..Node::default()
        };
        let socket = |nodes: &[u32]| Socket {
            nodes: nodes.iter().map(|n| crate::sysfs::topology::NodeId(*n)).collect(),
            ..Socket::default()
        };
        let mut machine = Machine::default();
        machine.cpu.nodes = vec![node(0, "0-7"), node(1, "0-7"), node(2, "4-7")];
        machine.sockets = vec![socket(&[0, 1]), socket(&[0, 1, 2])];
        let own = |at: usize| {
            own_nodes(&machine, &machine.sockets[at])
                .map(|n| n.number.0)
                .collect::<Vec<_>>()
        };
        assert_eq!((own(0), own(1)), (vec![], vec![2]));
        let spanning = spanning_nodes(&machine);
        assert_eq!(
            spanning_words(&spanning),
            "NUMA nodes 0–1 have the same CPUs 0–7 (as with numa=fake); each is drawn once"
        );
    }
}
