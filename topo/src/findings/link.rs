//! PCIe links: trained state against what both ends can do, and against what the slot promises.

use std::collections::BTreeMap;

use super::{Evidence, Finding, Place, Report, Severity, rate_words};
use crate::model::{Machine, PciFunction};
use crate::pci::function::{LinkState, PortType};
use crate::pci::link::speed_of_code;

/// One judged link: the port above, the device below.
#[derive(Clone, Copy, Debug)]
pub struct Pair<'a> {
    /// Root or downstream port.
    pub port: &'a PciFunction,
    /// Function 0 (or the first one) of the device below.
    pub device: &'a PciFunction,
    /// The lower of both capabilities.
    pub possible: LinkState,
    /// What is trained.
    pub trained: LinkState,
}

/// The link above `index`, when both ends say what they can do and it is a link of the board:
/// not one inside a chip or inside a card.
#[must_use]
pub fn pair(machine: &Machine, index: usize) -> Option<Pair<'_>> {
    let device = machine.pci.functions.get(index)?;
    let port = machine.pci.functions.get(device.parent?)?;
    let (below, above) = (device.function.link?, port.function.link?);
    if is_internal(machine, port, device) {
        return None;
    }
    Some(Pair {
        port,
        device,
        possible: below.capability?.common(above.capability?),
        trained: below.status.or(above.status)?,
    })
}

/// Whether the link above a function is none of the board: see the finding link-below-capability.
#[must_use]
pub fn is_internal_link(machine: &Machine, index: usize) -> bool {
    let functions = &machine.pci.functions;
    let pair = functions
        .get(index)
        .and_then(|device| Some((functions.get(device.parent?)?, device)));
    pair.is_some_and(|(port, device)| is_internal(machine, port, device))
}

/// Links that exist in registers only: integrated endpoints, ports named internal, functions of
/// the PCH, and the links between the switch inside a graphics card and its functions.
fn is_internal(machine: &Machine, port: &PciFunction, device: &PciFunction) -> bool {
    let integrated = matches!(
        device.function.port_type,
        Some(PortType::IntegratedEndpoint | PortType::EventCollector)
    );
    let vendor = port.function.vendor;
    let same_vendor = vendor.is_some() && vendor == device.function.vendor;
    let graphics = matches!(device.kind() >> 8, 0x03) || device.kind() == 0x0403;
    let below_switch = port.function.port_type == Some(PortType::DownstreamPort)
        || port
            .parent
            .and_then(|at| machine.pci.functions.get(at))
            .is_some_and(PciFunction::is_bridge);
    integrated
        || port.full_name.contains("Internal")
        || is_pch_switch(port)
        || (same_vendor && graphics && below_switch)
}

/// Virtual switch of the Intel C620 PCH in front of its X722 Ethernet functions
/// (Intel C620 Series Chipset Datasheet, 336067: device ids 37C0h to 37C5h).
fn is_pch_switch(port: &PciFunction) -> bool {
    port.function.vendor == Some(0x8086) && matches!(port.function.device, Some(0x37c0..=0x37c5))
}

pub(super) fn judge(machine: &Machine, report: &mut Report) {
    let mut judged = 0_usize;
    let mut groups: BTreeMap<(LinkState, LinkState, String), Vec<Pair<'_>>> = BTreeMap::new();
    for index in first_functions(machine) {
        let Some(pair) = pair(machine, index) else { continue };
        judged = judged.saturating_add(1);
        if pair.trained.speed < pair.possible.speed || pair.trained.width < pair.possible.width {
            groups
                .entry((pair.trained, pair.possible, pair.device.short_name.clone()))
                .or_default()
                .push(pair);
        }
    }
    let slow: usize = groups.values().map(Vec::len).sum();
    report
        .findings
        .extend(groups.into_values().filter_map(|pairs| below(machine, &pairs)));
    if judged > 0 {
        let rest = judged.saturating_sub(slow);
        report.fine.push(match (slow, judged) {
            (0, 1) => "the PCIe link runs as fast as both ends can".to_owned(),
            (0, n) => format!("all {n} PCIe links run as fast as both ends can"),
            (_, n) => format!("{rest} of {n} PCIe links run as fast as both ends can"),
        });
    }
    slot_promises(machine, report);
}

/// Function 0 of each device below a port; the other functions share its link. VFs have none.
pub(crate) fn first_functions(machine: &Machine) -> impl Iterator<Item = usize> {
    let functions = &machine.pci.functions;
    functions.iter().enumerate().filter_map(move |(index, here)| {
        let siblings = functions
            .get(here.parent?)?
            .children
            .iter()
            .filter_map(|at| functions.get(*at));
        let first = siblings
            .filter(|f| f.bdf().bus == here.bdf().bus && f.bdf().device == here.bdf().device)
            .map(PciFunction::bdf)
            .min()?;
        (first == here.bdf() && here.function.physical_function.is_none()).then_some(index)
    })
}

fn below(machine: &Machine, pairs: &[Pair<'_>]) -> Option<Finding> {
    let first = pairs.first()?;
    let idle = first.device.kind() >> 8 == 0x03 && first.trained.width == first.possible.width;
    let (now, can) = (
        first.trained.gigabytes_per_second(),
        first.possible.gigabytes_per_second(),
    );
    let names: Vec<String> = pairs.iter().map(|pair| place_name(pair.device)).collect();
    let ports = if pairs.len() == 1 {
        format!(" (port {})", first.port.bdf())
    } else {
        String::new()
    };
    let times = if pairs.len() == 1 {
        String::new()
    } else {
        format!("{} × ", pairs.len())
    };
    let tail = if idle {
        ": perhaps power saving, read it again under load"
    } else {
        ""
    };
    Some(Finding {
        id: if idle {
            "link-power-saving"
        } else {
            "link-below-capability"
        },
        severity: if idle { Severity::Warn } else { Severity::Bad },
        text: format!(
            "{}{}{ports}: {times}{} trained {}, both ends can {} → {} of {} GB/s{tail}",
            shorten(&names),
            if pairs.len() == 1 {
                String::new()
            } else {
                String::from(" each")
            },
            first.device.short_name,
            first.trained,
            first.possible,
            rate_words(now),
            rate_words(can),
        ),
        gigabytes_per_second: Some((now, can)),
        places: pairs.iter().map(|pair| Place::Function(pair.device.bdf())).collect(),
        evidence: pairs.iter().flat_map(|pair| link_evidence(machine, pair)).collect(),
    })
}

/// At most three names, then how many more.
fn shorten(names: &[String]) -> String {
    let head: Vec<&str> = names.iter().take(3).map(String::as_str).collect();
    let more = names.len().saturating_sub(head.len());
    if more == 0 {
        head.join(", ")
    } else {
        format!("{} + {more} more", head.join(", "))
    }
}

/// Slot label and address, or the address.
pub(crate) fn place_name(function: &PciFunction) -> String {
    match &function.place {
        Some(label) => format!("{} {}", label.name, function.bdf()),
        None => function.bdf().to_string(),
    }
}

fn link_evidence(machine: &Machine, pair: &Pair<'_>) -> Vec<Evidence> {
    [pair.port, pair.device]
        .into_iter()
        .filter_map(|function| {
            let link = function.function.link?;
            let say = |state: Option<LinkState>| state.map_or_else(|| "not told".to_owned(), |state| state.to_string());
            Some(Evidence {
                fact: format!(
                    "{} LnkCap {}, LnkSta {}",
                    function.bdf(),
                    say(link.capability),
                    say(link.status)
                ),
                origin: origin_of(machine, function, "link"),
            })
        })
        .collect()
}

/// Where a field of a function came from.
pub(crate) fn origin_of(machine: &Machine, function: &PciFunction, field: &str) -> Option<captures::Origin> {
    let (_, at) = function.provenance.iter().find(|(name, _)| *name == field)?;
    machine.origins.get(*at).cloned()
}

/// Type 9 promises more than the port has, and the card could use it.
fn slot_promises(machine: &Machine, report: &mut Report) {
    for (index, function) in machine.pci.functions.iter().enumerate() {
        let Some(slot) = function
            .place
            .as_ref()
            .and_then(|label| machine.pci.slots.get(label.slot?))
        else {
            continue;
        };
        let Some(pair) = pair(machine, index) else { continue };
        let (Some(port), Some(card)) = (
            pair.port.function.link.and_then(|l| l.capability),
            function.function.link.and_then(|l| l.capability),
        ) else {
            continue;
        };
        let lanes = slot.data_lanes.or(slot.connector_lanes).map(u32::from);
        let promised = LinkState {
            speed: slot
                .generation
                .and_then(|generation| speed_of_code(u64::from(generation)))
                .unwrap_or(port.speed),
            width: lanes.unwrap_or(port.width),
        };
        let useful = promised.common(card);
        let usable = port.common(card);
        if useful.gigabytes_per_second() <= usable.gigabytes_per_second() {
            continue;
        }
        report.findings.push(Finding {
            id: "slot-promises-more",
            severity: Severity::Warn,
            text: format!(
                "{}: described as {promised}, but port {} can only {port}; the card could use {useful}",
                place_name(function),
                pair.port.bdf()
            ),
            gigabytes_per_second: None,
            places: vec![Place::Function(function.bdf())],
            evidence: vec![Evidence {
                fact: format!(
                    "SMBIOS type 9 handle 0x{:04X}: {}",
                    slot.handle.0,
                    slot.kind.as_deref().unwrap_or("type not told")
                ),
                origin: machine
                    .memory
                    .origin
                    .or(machine.identity.origin)
                    .and_then(|at| machine.origins.get(at).cloned()),
            }],
        });
    }
}
