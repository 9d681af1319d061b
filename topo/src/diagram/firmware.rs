//! What only the firmware's ACPI tables tell: host bridges and slots of the namespace where no PCI
//! function is known, IOMMUs, CXL windows, room for hot-plug.

use render::scene::{Item, Line, Role, Span};
use render::text::{self as sheet, Style};

use super::{Context, words};
use crate::acpi::{HostBridge, Iommu, NamedSlot};
use crate::findings::memory_size_words;
use crate::model::Machine;
use crate::sysfs::CpuSet;

/// Slots that are drawn one by one below a bridge.
const MOST_SLOTS: usize = 12;

/// The sections about memory.
pub(super) fn memory(context: &Context<'_>) -> Vec<(String, Item)> {
    let machine = context.machine;
    let mut sections = Vec::new();
    sections.extend(super::hmat::section(machine));
    let rows: Vec<Item> = window_rows(machine)
        .into_iter()
        .chain(hotplug_rows(machine))
        .enumerate()
        .map(|(at, (head, text))| {
            Item::leaf(Role::Empty)
                .padding(5.0)
                .line(Line::bold(10.5, head).span(Span::new(10.5, text.clone())))
                .id(format!("window-{at}"))
                .title(text)
        })
        .collect();
    if !rows.is_empty() {
        let heading = "Room for memory, by ACPI: nothing tells what is there";
        sections.push((
            "Room for memory".to_owned(),
            Item::column(rows).gap(4.0).line(Line::bold(12.0, heading)),
        ));
    }
    sections
}

/// The sections about devices.
pub(super) fn devices(context: &Context<'_>) -> Vec<(String, Item)> {
    let machine = context.machine;
    let mut sections = Vec::new();
    if machine.pci.functions.is_empty() {
        let boxes: Vec<Item> = shown_bridges(machine)
            .map(|(at, bridge)| bridge_box(machine, at, bridge))
            .collect();
        if !boxes.is_empty() {
            let columns = boxes
                .len()
                .clamp(1, if context.options.socket.is_some() { 2 } else { 4 });
            sections.push((
                "PCI by ACPI".to_owned(),
                Item::grid(columns, boxes).gap(12.0).line(Line::bold(12.0, BRIDGES)),
            ));
        }
        sections.extend(ecam_words(machine).map(|text| ("Configuration space".to_owned(), super::note(text))));
    }
    let units: Vec<Item> = machine.acpi.iommus.iter().map(unit_box).collect();
    if !units.is_empty() {
        let columns = units.len().clamp(1, 4);
        sections.push((
            "IOMMUs".to_owned(),
            Item::grid(columns, units).gap(8.0).line(Line::bold(12.0, "IOMMUs")),
        ));
    }
    sections
}

const BRIDGES: &str = "PCI host bridges of the ACPI namespace; which devices are present is not known";

/// Bridges that may be there, with their index.
fn shown_bridges(machine: &Machine) -> impl Iterator<Item = (usize, &HostBridge)> {
    let bridges = machine.acpi.host_bridges.iter().enumerate();
    bridges.filter(|(_, bridge)| bridge.present != Some(false))
}

/// "bus 40", "bus 0001:40–7f", "bus computed by the firmware".
fn bus_words(bridge: &HostBridge) -> String {
    let Some(bus) = bridge.bus else {
        return "bus set at run time".to_owned();
    };
    let segment = match bridge.segment {
        Some(0) => String::new(),
        Some(segment) => format!("{segment:04x}:"),
        None => "????:".to_owned(),
    };
    match bridge.last_bus.filter(|last| *last > bus) {
        Some(last) => format!("bus {segment}{bus:02x}–{last:02x}"),
        None => format!("bus {segment}{bus:02x}"),
    }
}

fn node_words(bridge: &HostBridge) -> Option<String> {
    match (bridge.node, bridge.domain) {
        (Some(node), _) => Some(format!("NUMA {} (_PXM)", node.0)),
        (None, Some(domain)) => Some(format!("proximity domain {domain}, node not known")),
        (None, None) => None,
    }
}

fn kind_words(bridge: &HostBridge) -> &'static str {
    match bridge.hid.as_str() {
        "ACPI0016" => "CXL host bridge",
        "PNP0A08" => "PCI Express host bridge",
        _ => "PCI host bridge",
    }
}

/// What is uncertain about a bridge.
fn doubts(bridge: &HostBridge) -> Vec<String> {
    let mut doubts = Vec::new();
    doubts.extend(
        bridge
            .dynamic
            .iter()
            .filter(|text| text.starts_with("_BBN:"))
            .map(|text| format!("{text} at run time")),
    );
    if bridge.present.is_none() {
        doubts.push("_STA is computed at run time: it may be absent".to_owned());
    }
    if bridge.conditional {
        doubts.push("stands in an If: it may be absent".to_owned());
    }
    doubts
}

fn bridge_words(bridge: &HostBridge) -> Vec<String> {
    let mut facts = vec![kind_words(bridge).to_owned()];
    facts.extend(bridge.uid.as_ref().map(|uid| format!("_UID {uid}")));
    if bridge.named_functions > 0 {
        facts.push(match bridge.named_functions {
            1 => "1 device named below".to_owned(),
            count => format!("{count} devices named below"),
        });
    }
    facts.extend(doubts(bridge));
    facts
}

/// Slots of a bridge by number, each number once.
fn slots(machine: &Machine, bridge: usize) -> Vec<&NamedSlot> {
    let mut found: Vec<&NamedSlot> = machine
        .acpi
        .slots
        .iter()
        .filter(|slot| slot.bridge == Some(bridge))
        .collect();
    found.sort_by_key(|slot| (slot.number, slot.path.len()));
    found.dedup_by_key(|slot| slot.number);
    found
}

fn slot_place(slot: &NamedSlot) -> String {
    match (slot.bdf, slot.port) {
        (Some(bdf), _) => bdf.to_string(),
        (None, Some(port)) => format!("below port {port}"),
        (None, None) => "address not known".to_owned(),
    }
}

fn slot_title(slot: &NamedSlot) -> String {
    let doubt = if slot.conditional { "\nstands in an If" } else { "" };
    format!(
        "{}\n_SUN {}, {}\nmay be empty{doubt}",
        slot.path,
        slot.number,
        slot_place(slot)
    )
}

fn bridge_box(machine: &Machine, at: usize, bridge: &HostBridge) -> Item {
    let sure = doubts(bridge).is_empty();
    let mut head = Line::bold(10.5, format!("{} ", short_path(&bridge.path))).span(Span::new(10.0, bus_words(bridge)));
    if let Some(words) = node_words(bridge) {
        head = head.right(Span::muted(9.5, words));
    }
    let title = [vec![bridge.path.clone(), bus_words(bridge)], bridge_words(bridge)].concat();
    let strip = Item::leaf(if sure { Role::Bus } else { Role::Empty })
        .padding(4.0)
        .line(head)
        .title(title.join("\n"));
    let facts: Vec<Line> = bridge_words(bridge)
        .into_iter()
        .map(|text| Line::of(Span::muted(9.5, text)).wrapped())
        .collect();
    let mut column = vec![strip, Item::leaf(Role::Plain).padding(4.0).lines(facts)];
    let slots = slots(machine, at);
    let boxes: Vec<Item> = slots
        .iter()
        .take(MOST_SLOTS)
        .map(|slot| {
            Item::leaf(Role::Empty)
                .padding(3.0)
                .line(Line::text(9.5, format!("Slot {}", slot.number)).center())
                .title(slot_title(slot))
        })
        .collect();
    if !boxes.is_empty() {
        column.push(Item::grid(4, boxes).gap(4.0));
    }
    let more = slots.len().saturating_sub(MOST_SLOTS);
    if more > 0 {
        column.push(super::note(format!("+ {more} more slots")));
    }
    column.push(Item::space().grow());
    Item::column(column)
        .gap(2.0)
        .id(format!("host-bridge-{at}"))
        .title(title.join("\n"))
}

/// `\_SB.PCI0` as `PCI0`.
fn short_path(path: &str) -> &str {
    path.strip_prefix("\\_SB.").unwrap_or(path)
}

fn unit_words(unit: &Iommu) -> Vec<String> {
    let mut facts = vec![format!("{} unit at {:#x}", unit.table, unit.base)];
    facts.extend(unit.address.map(|bdf| format!("function {bdf}")));
    facts.extend(unit.node.map(|node| format!("NUMA {}", node.0)));
    let named: Vec<String> = unit
        .scopes
        .iter()
        .take(4)
        .map(|scope| match scope.number {
            Some(number) => format!("{} {number}", scope.kind),
            None if scope.kind == "bridge" => format!("{} and below", scope.place),
            None => scope.place.clone(),
        })
        .collect();
    let more = unit.scopes.len().saturating_sub(named.len());
    if unit.include_all {
        facts.push(format!(
            "every function of segment {:04x} that no other unit names",
            unit.segment
        ));
    }
    if !named.is_empty() {
        let tail = if more > 0 {
            format!(" + {more} more")
        } else {
            String::new()
        };
        facts.push(format!("{}{tail}", named.join(", ")));
    }
    facts
}

fn unit_box(unit: &Iommu) -> Item {
    let name = if unit.seen {
        unit.name.clone()
    } else {
        format!("{} (name assumed)", unit.name)
    };
    let lines = unit_words(unit)
        .into_iter()
        .map(|text| Line::of(Span::muted(9.5, text)).wrapped());
    let scopes = unit.scopes.iter().map(|scope| match scope.number {
        Some(number) => format!("{} {number} at {}", scope.kind, scope.place),
        None => format!("{} {}", scope.kind, scope.place),
    });
    let title: Vec<String> = std::iter::once(name.clone()).chain(scopes.take(64)).collect();
    Item::leaf(Role::Area)
        .padding(5.0)
        .line(Line::bold(10.5, name))
        .lines(lines.collect::<Vec<_>>())
        .id(format!("iommu-{}", unit.name))
        .title(title.join("\n"))
}

/// One sentence for the MCFG.
fn ecam_words(machine: &Machine) -> Option<String> {
    let windows = &machine.acpi.ecam;
    let words: Vec<String> = windows
        .iter()
        .map(|window| {
            format!(
                "segment {:04x} buses {:02x}–{:02x} at {:#x}",
                window.segment, window.first_bus, window.last_bus, window.base
            )
        })
        .collect();
    (!words.is_empty()).then(|| format!("configuration space (MCFG): {}", words.join("; ")))
}

fn window_rows(machine: &Machine) -> Vec<(String, String)> {
    let rows = machine.acpi.cxl_windows.iter().map(|window| {
        let bridges: Vec<String> = window.bridges.iter().map(u32::to_string).collect();
        let mut facts = vec![format!("{} at {:#x}", memory_size_words(window.length), window.base)];
        facts.push(match bridges.as_slice() {
            [only] => format!("CXL host bridge _UID {only}"),
            _ => format!("interleaved over CXL host bridges _UID {}", bridges.join(", ")),
        });
        facts.extend(
            window
                .granularity
                .filter(|_| bridges.len() > 1)
                .map(|bytes| format!("{bytes} bytes each")),
        );
        let kinds: Vec<&str> = [("volatile", window.volatile), ("persistent", window.persistent)]
            .into_iter()
            .filter(|(_, may)| *may)
            .map(|(name, _)| name)
            .collect();
        facts.extend((!kinds.is_empty()).then(|| kinds.join(" or ")));
        ("CXL window ".to_owned(), facts.join(" · "))
    });
    rows.collect()
}

fn hotplug_rows(machine: &Machine) -> Vec<(String, String)> {
    let domains = machine.acpi.domains.iter().filter(|domain| domain.hot_pluggable > 0);
    domains
        .map(|domain| {
            let node = domain.node.map_or_else(
                || format!("proximity domain {}", domain.number),
                |node| format!("NUMA {}", node.0),
            );
            (
                "hot-plug ".to_owned(),
                format!("{} of addresses on {node}", memory_size_words(domain.hot_pluggable)),
            )
        })
        .collect()
}

/// The same facts in text: host bridges where no function is known, IOMMUs.
pub(crate) fn device_lines(machine: &Machine, style: Style) -> Vec<String> {
    let mut lines = Vec::new();
    if machine.pci.functions.is_empty() {
        lines.extend(bridge_table(machine, style));
    }
    if !machine.acpi.iommus.is_empty() {
        let rows: Vec<Vec<String>> = machine
            .acpi
            .iommus
            .iter()
            .map(|unit| {
                let mut facts = unit_words(unit);
                facts.retain(|fact| !fact.starts_with(unit.table) && !fact.starts_with("NUMA"));
                vec![
                    unit.name.clone(),
                    format!("{:#x}", unit.base),
                    unit.node.map(|node| node.0.to_string()).unwrap_or_default(),
                    if unit.seen {
                        "kernel".to_owned()
                    } else {
                        "assumed".to_owned()
                    },
                    facts.join("; "),
                ]
            })
            .collect();
        let head = ["IOMMU", "REGISTERS", "NODE", "NAME BY", "SERVES"];
        lines.extend(sheet::table(&head, &rows, &[0, 1, 4, 2, 3], style.width));
        lines.push(String::new());
    }
    lines
}

fn bridge_table(machine: &Machine, style: Style) -> Vec<String> {
    let rows: Vec<Vec<String>> = shown_bridges(machine)
        .map(|(at, bridge)| {
            let numbers: CpuSet = slots(machine, at)
                .iter()
                .filter_map(|slot| u32::try_from(slot.number).ok())
                .collect();
            vec![
                short_path(&bridge.path).to_owned(),
                bridge
                    .bus
                    .map_or_else(|| "run time".to_owned(), |_| bus_words(bridge).replace("bus ", "")),
                bridge.node.map(|node| node.0.to_string()).unwrap_or_default(),
                bridge.uid.clone().unwrap_or_default(),
                if numbers.is_empty() {
                    String::new()
                } else {
                    words::ranges(&numbers)
                },
                bridge.named_functions.to_string(),
                if doubts(bridge).is_empty() { "yes" } else { "perhaps" }.to_owned(),
                kind_words(bridge).to_owned(),
            ]
        })
        .collect();
    if rows.is_empty() {
        return Vec::new();
    }
    let head = ["BRIDGE", "BUS", "NODE", "UID", "SLOTS", "NAMED", "THERE", "KIND"];
    let mut lines = sheet::wrap(BRIDGES, style.width);
    lines.extend(sheet::table(&head, &rows, &[0, 1, 2, 6, 4, 7, 5, 3], style.width));
    lines.extend(
        ecam_words(machine)
            .into_iter()
            .flat_map(|text| sheet::wrap(&text, style.width)),
    );
    lines.push(String::new());
    lines
}

/// CXL windows and room for hot-plug in text.
pub(crate) fn memory_lines(machine: &Machine, style: Style) -> Vec<String> {
    let rows = window_rows(machine).into_iter().chain(hotplug_rows(machine));
    let mut lines: Vec<String> = rows
        .flat_map(|(head, text)| sheet::wrap(&format!("{head}{text}"), style.width))
        .collect();
    if !lines.is_empty() {
        lines.insert(0, "room for memory, by ACPI; nothing tells what is there:".to_owned());
        lines.push(String::new());
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::acpi::{Acpi, CxlWindow, Domain};
    use crate::sysfs::topology::NodeId;

    #[test]
    fn what_the_firmware_computes_is_not_given_a_bus() {
        let bridge = HostBridge {
            path: "\\_SB.PC01".to_owned(),
            dynamic: vec!["_BBN".to_owned()],
            ..HostBridge::default()
        };
        assert_eq!(bus_words(&bridge), "bus set at run time");
        assert_eq!(doubts(&bridge).len(), 1, "_STA is not known either");
        let known = HostBridge {
            segment: Some(1),
            bus: Some(0x40),
            last_bus: Some(0x7f),
            present: Some(true),
            ..HostBridge::default()
        };
        assert_eq!(bus_words(&known), "bus 0001:40–7f");
        assert!(doubts(&known).is_empty());
    }

    #[test]
    fn windows_and_room_for_hot_plug_are_not_counted_as_memory() {
        let machine = Machine {
            acpi: Acpi {
                cxl_windows: vec![CxlWindow {
                    base: 1 << 32,
                    length: 4 << 30,
                    bridges: vec![12, 53],
                    granularity: Some(256),
                    volatile: true,
                    persistent: true,
                }],
                domains: vec![Domain {
                    number: 3,
                    node: Some(NodeId(1)),
                    hot_pluggable: 1 << 30,
                    ..Domain::default()
                }],
                ..Acpi::default()
            },
            ..Machine::default()
        };
        let style = Style {
            unicode: true,
            colour: false,
            width: 160,
        };
        assert_eq!(
            memory_lines(&machine, style),
            [
                "room for memory, by ACPI; nothing tells what is there:",
                "CXL window 4 GiB at 0x100000000 · interleaved over CXL host bridges _UID 12, 53 · 256 bytes each · \
                 volatile or persistent",
                "hot-plug 1 GiB of addresses on NUMA 1",
                "",
            ]
            .map(|line| line.to_owned())
            .to_vec()
        );
        assert_eq!(machine.memory_bytes(), None);
    }
}
