//! PCI as it is drawn: root buses, ports with their links, switches, cards; alike siblings folded.
//!
//! This is the view both pictures share (SVG and terminal). Bridges without anything below and
//! functions below the drawing threshold are counted, not listed.

use std::collections::BTreeMap;

use super::{Context, Options};
use crate::findings::{is_internal_link, link_pair, rate_words};
use crate::model::{Machine, PciFunction};
use crate::pci::function::{LinkState, PortType};

/// No PCI tree is deeper; a hostile one is cut here.
const DEEPEST: usize = 32;

/// Siblings fold from this number on.
const FOLD_FROM: usize = 3;

/// The link above a card or a switch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LinkView {
    /// What is trained.
    pub trained: LinkState,
    /// What both ends can do; `trained` where only one end tells.
    pub possible: LinkState,
}

impl LinkView {
    /// Trained GB/s.
    #[must_use]
    pub fn now(self) -> f64 {
        self.trained.gigabytes_per_second()
    }

    /// Possible GB/s, at least what is trained.
    #[must_use]
    pub fn can(self) -> f64 {
        self.possible.gigabytes_per_second().max(self.now())
    }

    /// "15.8 of 31.5" or "31.5".
    #[must_use]
    pub fn words(self) -> String {
        if self.is_slow() {
            format!("{} of {}", rate_words(self.now()), rate_words(self.can()))
        } else {
            rate_words(self.now())
        }
    }

    /// Whether less is trained than both ends can do.
    #[must_use]
    pub fn is_slow(self) -> bool {
        self.now() * 1.01 < self.can()
    }
}

/// All functions of one device that share a link.
#[derive(Clone, Debug)]
pub struct Card<'a> {
    /// The function that gives the card its name: the most telling class, then the lowest number.
    pub main: &'a PciFunction,
    /// All its physical functions.
    pub functions: Vec<&'a PciFunction>,
    /// Virtual functions of all of them.
    pub virtual_functions: usize,
}

/// Something at the end of a line of the drawing.
#[derive(Clone, Debug)]
pub enum Unit<'a> {
    /// A card below a port, or directly on the root bus (then without port).
    Card {
        /// Port above.
        port: Option<&'a PciFunction>,
        /// Link above.
        link: Option<LinkView>,
        /// The card.
        card: Card<'a>,
    },
    /// A bridge with several things below: a switch, a PCI bridge.
    Switch {
        /// Port above the switch, when the switch has an upstream port of its own.
        port: Option<&'a PciFunction>,
        /// Upstream port, or the bridge itself.
        bridge: &'a PciFunction,
        /// Link above.
        link: Option<LinkView>,
        /// What is below.
        units: Vec<Unit<'a>>,
    },
    /// Alike cards, folded.
    Folded {
        /// The first of them.
        port: Option<&'a PciFunction>,
        /// The link each of them has.
        link: Option<LinkView>,
        /// The cards with their ports.
        cards: Vec<(Option<&'a PciFunction>, Card<'a>)>,
    },
    /// A port with a named slot and nothing in it.
    Empty {
        /// The port.
        port: &'a PciFunction,
        /// The slot's name.
        name: &'a str,
    },
}

/// One root bus.
#[derive(Clone, Debug)]
pub struct Root<'a> {
    /// Segment.
    pub domain: u32,
    /// Bus number.
    pub bus: u8,
    /// Highest bus number below.
    pub last_bus: u8,
    /// Socket it belongs to.
    pub socket: Option<usize>,
    /// NUMA nodes of what is below.
    pub nodes: Vec<u32>,
    /// What is drawn.
    pub units: Vec<Unit<'a>>,
    /// Functions below the drawing threshold, by class name.
    pub hidden: BTreeMap<&'a str, usize>,
}

impl Unit<'_> {
    /// Number of leaves: what decides the width it needs.
    #[must_use]
    pub fn leaves(&self) -> usize {
        match self {
            Self::Switch { units, .. } => units.iter().map(Unit::leaves).sum::<usize>().max(1),
            Self::Card { .. } | Self::Empty { .. } => 1,
            Self::Folded { .. } => 2,
        }
    }

    /// GB/s of its link, of all links when it is folded.
    #[must_use]
    pub fn rate(&self) -> f64 {
        let count = match self {
            Self::Folded { cards, .. } => cards.len(),
            _ => 1,
        };
        self.link().map_or(0.0, LinkView::now) * u32::try_from(count).map_or(0.0, f64::from)
    }

    /// Link above.
    #[must_use]
    pub const fn link(&self) -> Option<LinkView> {
        match self {
            Self::Card { link, .. } | Self::Switch { link, .. } | Self::Folded { link, .. } => *link,
            Self::Empty { .. } => None,
        }
    }
}

/// Number of cards that would be drawn, over the whole machine.
pub(super) fn count(context: &Context<'_>) -> usize {
    roots(context.machine, context.options)
        .iter()
        .flat_map(|root| &root.units)
        .map(Unit::leaves)
        .sum()
}

/// How telling a function is for the name of its card; `None` is below the drawing threshold.
fn weight(function: &PciFunction, all: bool) -> Option<u8> {
    let virtio = function.function.vendor == Some(0x1af4);
    match (function.kind() >> 8, function.kind()) {
        (0x03, _) | (0x12, _) | (0x0b, _) => Some(0),
        (0x02, _) => Some(1),
        (0x01, 0x0101) => Some(4),
        (0x01, _) => Some(2),
        (_, 0x0502 | 0x0c04 | 0x0c06 | 0x0c0a) => Some(2),
        (0x0d | 0x0e, _) => Some(3),
        _ if virtio => Some(3),
        // below a port of its own it is a plugged or soldered device
        (0x06, _) if function.is_bridge() || !all => None,
        (_, 0x0403 | 0x0c03) if function.parent.is_some() => Some(5),
        (base, _) if function.parent.is_some() && !matches!(base, 0x05 | 0x06 | 0x08 | 0x10 | 0x11 | 0x13) => Some(6),
        _ => all.then_some(7),
    }
}

/// Whether a function has a row of its own in a table of devices: what is drawn, without the
/// lesser functions of a card (sound and USB of a GPU).
#[must_use]
pub fn has_row(machine: &Machine, function: &PciFunction) -> bool {
    if function.is_bridge() || function.function.physical_function.is_some() {
        return false;
    }
    let Some(own) = weight(function, false) else {
        return false;
    };
    let here = function.bdf();
    let beside = machine.pci.functions.iter().filter(|other| {
        let there = other.bdf();
        (there.domain, there.bus, there.device) == (here.domain, here.bus, here.device)
    });
    own <= 4
        || beside
            .filter_map(|other| weight(other, false))
            .all(|other| own <= other)
}

/// The root buses, by segment and bus.
#[must_use]
pub fn roots<'a>(machine: &'a Machine, options: &Options) -> Vec<Root<'a>> {
    let mut buses: BTreeMap<(u32, u8), Vec<usize>> = BTreeMap::new();
    for index in &machine.pci.roots {
        let Some(function) = machine.pci.functions.get(*index) else {
            continue;
        };
        buses
            .entry((function.bdf().domain, function.bdf().bus))
            .or_default()
            .push(*index);
    }
    buses
        .into_iter()
        .map(|((domain, bus), indices)| {
            let mut hidden = BTreeMap::new();
            let units = fold(units(machine, options, &indices, None, 0, &mut hidden), options);
            let members = || indices.iter().filter_map(|index| machine.pci.functions.get(*index));
            let mut nodes: Vec<u32> = members().filter_map(|f| f.node).map(|node| node.0).collect();
            let mut socket = members().find_map(|f| f.socket);
            if nodes.is_empty() && socket.is_none() {
                let (told, sockets) = told_below(machine, &indices);
                nodes = told;
                socket = sockets;
            }
            nodes.sort_unstable();
            nodes.dedup();
            let last_bus = members()
                .filter_map(|f| f.function.buses)
                .map(|b| b.subordinate)
                .max()
                .unwrap_or(bus)
                .max(bus);
            Root {
                domain,
                bus,
                last_bus,
                socket,
                nodes,
                units,
                hidden,
            }
        })
        .collect()
}

/// Nodes and the one socket of what hangs below functions that tell neither themselves; nothing when
/// one drawn device below does not tell its socket or two tell different ones.
fn told_below(machine: &Machine, indices: &[usize]) -> (Vec<u32>, Option<usize>) {
    let mut stack = indices.to_vec();
    let mut left = machine.pci.functions.len();
    let (mut nodes, mut sockets) = (Vec::new(), Vec::new());
    while let Some(at) = stack.pop() {
        let Some(fewer) = left.checked_sub(1) else { break };
        left = fewer;
        let Some(function) = machine.pci.functions.get(at) else {
            continue;
        };
        stack.extend(&function.children);
        if function.is_bridge() || weight(function, false).is_none() {
            continue;
        }
        nodes.extend(function.node.map(|node| node.0));
        sockets.push(function.socket);
    }
    sockets.dedup();
    match sockets.as_slice() {
        [Some(only)] => (nodes, Some(*only)),
        _ => (Vec::new(), None),
    }
}

/// What is drawn for the functions at `indices`, below `port`.
fn units<'a>(
    machine: &'a Machine,
    options: &Options,
    indices: &[usize],
    port: Option<&'a PciFunction>,
    depth: usize,
    hidden: &mut BTreeMap<&'a str, usize>,
) -> Vec<Unit<'a>> {
    let mut found = Vec::new();
    let mut devices: BTreeMap<(u8, u8), Vec<usize>> = BTreeMap::new();
    for index in indices {
        let Some(function) = machine.pci.functions.get(*index) else {
            continue;
        };
        if function.is_bridge() && depth < DEEPEST {
            found.extend(bridge(machine, options, *index, function, port, depth, hidden));
        } else {
            devices
                .entry((function.bdf().bus, function.bdf().device))
                .or_default()
                .push(*index);
        }
    }
    for members in devices.into_values() {
        let functions: Vec<&PciFunction> = members
            .iter()
            .filter_map(|index| machine.pci.functions.get(*index))
            .collect();
        let physical: Vec<&PciFunction> = functions
            .iter()
            .copied()
            .filter(|f| f.function.physical_function.is_none())
            .collect();
        let main = physical
            .iter()
            .filter_map(|f| weight(f, options.all).map(|w| (w, f.bdf(), *f)))
            .min_by_key(|(w, bdf, _)| (*w, *bdf));
        let Some((_, _, main)) = main else {
            for function in functions.iter().filter(|f| f.function.physical_function.is_none()) {
                let count = hidden.entry(function.class_text.as_str()).or_default();
                *count = count.saturating_add(1);
            }
            continue;
        };
        let virtual_functions = machine
            .pci
            .functions
            .iter()
            .filter(|f| {
                f.function
                    .physical_function
                    .is_some_and(|pf| physical.iter().any(|p| p.bdf() == pf))
            })
            .count();
        let link = members.first().and_then(|index| link_above(machine, *index));
        found.push(Unit::Card {
            port,
            link,
            card: Card {
                main,
                functions: physical,
                virtual_functions,
            },
        });
    }
    found.sort_by_key(|unit| first_address(unit));
    found
}

fn first_address(unit: &Unit<'_>) -> crate::pci::function::Bdf {
    match unit {
        Unit::Card { port, card, .. } => port.map_or(card.main.bdf(), PciFunction::bdf),
        Unit::Switch { port, bridge, .. } => port.map_or(bridge.bdf(), PciFunction::bdf),
        Unit::Folded { port, cards, .. } => port
            .map(PciFunction::bdf)
            .or_else(|| cards.first().map(|(_, card)| card.main.bdf()))
            .unwrap_or_default(),
        Unit::Empty { port, .. } => port.bdf(),
    }
}

/// What is drawn for one bridge.
fn bridge<'a>(
    machine: &'a Machine,
    options: &Options,
    index: usize,
    function: &'a PciFunction,
    above: Option<&'a PciFunction>,
    depth: usize,
    hidden: &mut BTreeMap<&'a str, usize>,
) -> Vec<Unit<'a>> {
    let mut below = units(
        machine,
        options,
        &function.children,
        Some(function),
        depth.saturating_add(1),
        hidden,
    );
    let upstream = function.function.port_type == Some(PortType::UpstreamPort);
    let conventional = matches!(
        function.function.port_type,
        Some(PortType::PciBridge | PortType::PcieBridge)
    );
    if below.is_empty() {
        let name = function.place.as_ref().map(|label| label.name.as_str());
        return match name {
            Some(name) if function.function.slot_occupied != Some(true) && !upstream => {
                vec![Unit::Empty { port: function, name }]
            }
            _ => Vec::new(),
        };
    }
    let drawn = below.iter().filter(|unit| !matches!(unit, Unit::Empty { .. })).count();
    if upstream || conventional {
        let link = link_above(machine, index);
        // a switch inside a card: one thing below, of the same maker
        if drawn == 1
            && let Some(at) = below.iter().position(|unit| !matches!(unit, Unit::Empty { .. }))
        {
            let only = below.swap_remove(at);
            if let Unit::Card { card, .. } = only {
                return vec![Unit::Card {
                    port: above,
                    link,
                    card,
                }];
            }
            return vec![only];
        }
        return vec![Unit::Switch {
            port: above,
            bridge: function,
            link,
            units: fold(below, options),
        }];
    }
    if below.len() == 1 || (drawn == 1 && below.len() > 1) {
        below.retain(|unit| drawn == 0 || !matches!(unit, Unit::Empty { .. }));
        return below;
    }
    vec![Unit::Switch {
        port: above,
        bridge: function,
        link: link_above(machine, index),
        units: fold(below, options),
    }]
}

/// The link above a function: judged by both ends, or what one end tells.
#[must_use]
pub fn link_above(machine: &Machine, index: usize) -> Option<LinkView> {
    if let Some(pair) = link_pair(machine, index) {
        return Some(LinkView {
            trained: pair.trained,
            possible: pair.possible,
        });
    }
    let function = machine.pci.functions.get(index)?;
    if is_internal_link(machine, index)
        || matches!(
            function.function.port_type,
            Some(PortType::IntegratedEndpoint | PortType::RootPort | PortType::EventCollector)
        )
    {
        return None;
    }
    let parent = machine.pci.functions.get(function.parent?)?;
    let trained = function
        .function
        .link
        .and_then(|l| l.status)
        .or(parent.function.link.and_then(|l| l.status))?;
    Some(LinkView {
        trained,
        possible: trained,
    })
}

/// Folds alike cards (same device, link, class, state below the same parent).
fn fold<'a>(units: Vec<Unit<'a>>, options: &Options) -> Vec<Unit<'a>> {
    if options.unfolded {
        return units;
    }
    let key = |unit: &Unit<'_>| match unit {
        Unit::Card { link, card, .. } => Some((
            card.main.function.vendor,
            card.main.function.device,
            card.main.function.class,
            card.functions.len(),
            link.map(|link| (link.trained, link.possible)),
        )),
        _ => None,
    };
    let mut counts = BTreeMap::new();
    for unit in &units {
        if let Some(key) = key(unit) {
            let count: &mut usize = counts.entry(key).or_default();
            *count = count.saturating_add(1);
        }
    }
    let mut folded: Vec<Unit<'a>> = Vec::new();
    let mut started = BTreeMap::new();
    for unit in units {
        let alike = key(&unit).filter(|key| counts.get(key).is_some_and(|count| *count >= FOLD_FROM));
        let (Some(alike), Unit::Card { port, link, card }) = (alike, &unit) else {
            folded.push(unit);
            continue;
        };
        let member = (*port, card.clone());
        let at = *started.entry(alike).or_insert(folded.len());
        match folded.get_mut(at) {
            Some(Unit::Folded { cards, .. }) => cards.push(member),
            _ => folded.push(Unit::Folded {
                port: *port,
                link: *link,
                cards: vec![member],
            }),
        }
    }
    folded
}

/// Sum of the links below a switch over its uplink, when that is more than 1.
#[must_use]
pub fn oversubscription(link: Option<LinkView>, units: &[Unit<'_>]) -> Option<f64> {
    let uplink = link?.now();
    let below: f64 = units.iter().map(Unit::rate).sum();
    (uplink > 0.0 && below > uplink * 1.01).then(|| below / uplink)
}
