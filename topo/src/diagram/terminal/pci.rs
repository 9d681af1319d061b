//! PCI in the terminal: one line per card, with a bar of eight cells for its link.

use render::scene::Severity as Colour;
use render::text::{self as sheet, Paint, Style};

use super::super::cards::{Card, LinkView, Root, Unit, oversubscription, roots};
use super::super::{Context, pci};
use crate::findings::Place;
use crate::model::PciFunction;

/// Most lines of PCI per socket before the rest is counted.
const MOST_LINES: usize = 60;

/// The blocks of all sockets, then what belongs to none.
pub(super) fn all(context: &Context<'_>, style: Style) -> Vec<String> {
    let all = roots(context.machine, context.options);
    let shown = context.sockets();
    let mut blocks: Vec<Vec<String>> = Vec::new();
    let side_by_side = shown.len() == 2 && style.width >= 150;
    let width = if side_by_side {
        style.width.saturating_sub(4) / 2
    } else {
        style.width
    };
    for index in &shown {
        let own: Vec<&Root<'_>> = all.iter().filter(|root| root.socket == Some(*index)).collect();
        let name = context
            .machine
            .sockets
            .get(*index)
            .map_or("socket", |socket| socket.label.as_str());
        let head = if shown.len() > 1 {
            format!("PCI on {name}")
        } else {
            "PCI".to_owned()
        };
        blocks.extend(pci_block(context, &head, &own, width, style));
    }
    let mut lines = if side_by_side && blocks.len() == 2 {
        sheet::beside(&blocks, 4)
    } else {
        blocks
            .into_iter()
            .flat_map(|block| block.into_iter().chain([String::new()]))
            .collect()
    };
    if context.options.socket.is_none() {
        let loose: Vec<&Root<'_>> = all.iter().filter(|root| root.socket.is_none()).collect();
        let head = if shown.len() > 1 {
            "PCI, socket not known"
        } else {
            "PCI"
        };
        lines.extend(
            pci_block(context, head, &loose, style.width, style)
                .into_iter()
                .flat_map(|block| block.into_iter().chain([String::new()])),
        );
    }
    let hidden: usize = all.iter().flat_map(|root| root.hidden.values()).sum();
    let vfs = context
        .machine
        .pci
        .functions
        .iter()
        .filter(|f| f.function.physical_function.is_some())
        .count();
    let mut rest = Vec::new();
    if vfs > 0 {
        rest.push(format!("{vfs} VFs folded"));
    }
    if hidden > 0 {
        rest.push(format!("{hidden} functions not drawn: delid topo pci lists all"));
    }
    if !rest.is_empty() {
        lines.extend(sheet::flow(&rest, style.width));
        lines.push(String::new());
    }
    lines
}

fn pci_block(
    context: &Context<'_>,
    head: &str,
    roots: &[&Root<'_>],
    width: usize,
    style: Style,
) -> Option<Vec<String>> {
    let units: Vec<&Unit<'_>> = roots.iter().flat_map(|root| &root.units).collect();
    if units.is_empty() {
        return None;
    }
    let mut lines = vec![sheet::paint(head, Paint::Bold, style)];
    let linked = units.iter().any(|unit| has_link(unit));
    let mut rows = Vec::new();
    tree(context, &units, "", linked, &mut rows);
    let more = rows.len().saturating_sub(MOST_LINES);
    rows.truncate(MOST_LINES);
    let slot_width = rows
        .iter()
        .map(|row| sheet::width(&row.slot))
        .max()
        .unwrap_or(0)
        .min(16);
    let rate_width = rows.iter().map(|row| sheet::width(&row.rate)).max().unwrap_or(0);
    let address_width = rows.iter().map(|row| sheet::width(&row.address)).max().unwrap_or(0);
    for row in &rows {
        lines.push(row.print(width, slot_width, rate_width, address_width));
    }
    if more > 0 {
        lines.push(format!("+ {more} more lines: delid topo pci"));
    }
    Some(lines)
}

fn has_link(unit: &Unit<'_>) -> bool {
    unit.link().is_some() || matches!(unit, Unit::Switch { units, .. } if units.iter().any(has_link))
}

/// One PCI line, by columns.
struct Row {
    lead: String,
    bar: String,
    rate: String,
    slot: String,
    name: String,
    names: String,
    address: String,
    badges: String,
}

impl Row {
    /// Lead, bar and rate stay; model is shortened, OS names go first when it is narrow.
    fn print(&self, width: usize, slot_width: usize, rate_width: usize, address_width: usize) -> String {
        let mut text = self.lead.clone();
        if !self.bar.is_empty() {
            text.push_str(&self.bar);
            text.push(' ');
            text.push_str(&sheet::pad(&self.rate, rate_width));
            text.push(' ');
        } else if rate_width > 0 {
            text.push_str(&" ".repeat(rate_width.saturating_add(10)));
        }
        if slot_width > 0 {
            text.push_str(&sheet::pad(&self.slot, slot_width));
            text.push_str("  ");
        }
        let tail = if self.badges.is_empty() {
            sheet::pad(&self.address, address_width)
        } else {
            format!("{} {}", sheet::pad(&self.address, address_width), self.badges)
        };
        let room = width
            .saturating_sub(sheet::width(&text))
            .saturating_sub(sheet::width(&tail))
            .saturating_sub(1);
        let both = if self.names.is_empty() {
            self.name.clone()
        } else {
            format!("{}  {}", self.name, self.names)
        };
        let middle = if sheet::width(&both) <= room {
            both
        } else {
            sheet::shorten(&self.name, room)
        };
        format!("{text}{} {}", sheet::pad(&middle, room), tail)
            .trim_end()
            .to_owned()
    }
}

fn tree(context: &Context<'_>, units: &[&Unit<'_>], indent: &str, linked: bool, rows: &mut Vec<Row>) {
    let last = units.len().saturating_sub(1);
    for (index, unit) in units.iter().enumerate() {
        let branch = if index == last { "└ " } else { "├ " };
        rows.push(line(context, unit, &format!("{indent}{branch}"), linked));
        if let Unit::Switch { units, .. } = unit {
            let indent = format!("{indent}{}", if index == last { "  " } else { "│ " });
            if indent.chars().count() < 24 {
                tree(context, &units.iter().collect::<Vec<_>>(), &indent, linked, rows);
            }
        }
    }
}

fn numbers(context: &Context<'_>, places: &[Place]) -> String {
    let badges = context.badges(places);
    let texts: Vec<String> = badges
        .iter()
        .map(|badge| {
            format!(
                "{}{}",
                if badge.severity == Colour::Bad { "✗" } else { "!" },
                badge.text
            )
        })
        .collect();
    texts.join(" ")
}

fn line(context: &Context<'_>, unit: &Unit<'_>, lead: &str, linked: bool) -> Row {
    let link = unit.link();
    let bar = if linked {
        link.map(|link| bar(context, link)).unwrap_or_default()
    } else {
        String::new()
    };
    let rate = link.map(LinkView::words).unwrap_or_default();
    let lead = lead.to_owned();
    let slot_of = |card: &Card<'_>| {
        card.functions
            .iter()
            .find_map(|f| f.place.as_ref())
            .map(|label| label.name.clone())
            .unwrap_or_default()
    };
    match unit {
        Unit::Card { card, .. } => {
            let alike = card
                .functions
                .iter()
                .filter(|f| f.function.device == card.main.function.device)
                .count();
            let vfs = if card.virtual_functions > 0 {
                format!(" +{} VFs", card.virtual_functions)
            } else {
                String::new()
            };
            let times = if alike > 1 {
                format!("{alike} × ")
            } else {
                String::new()
            };
            let names: Vec<&str> = card
                .functions
                .iter()
                .flat_map(|f| &f.function.os_names)
                .map(String::as_str)
                .collect();
            let places: Vec<Place> = card.functions.iter().map(|f| Place::Function(f.bdf())).collect();
            Row {
                lead,
                bar,
                rate,
                slot: slot_of(card),
                name: format!("{times}{}{vfs}", card.main.short_name),
                names: names.join(" "),
                address: address(card.main),
                badges: numbers(context, &places),
            }
        }
        Unit::Folded { cards, .. } => {
            let places: Vec<Place> = cards
                .iter()
                .flat_map(|(_, card)| &card.functions)
                .map(|f| Place::Function(f.bdf()))
                .collect();
            let Some((_, first)) = cards.first() else {
                return Row::text(lead, "");
            };
            let last = cards.last().map_or(first.main, |(_, card)| card.main);
            Row {
                lead,
                bar,
                rate,
                slot: String::new(),
                name: format!("{} × {}", cards.len(), first.main.short_name),
                names: String::new(),
                address: format!("{}…{}", address(first.main), address(last)),
                badges: numbers(context, &places),
            }
        }
        Unit::Empty { name, port } => Row {
            slot: (*name).to_owned(),
            address: address(port),
            ..Row::text(lead, "empty")
        },
        Unit::Switch { bridge, units, .. } => {
            let ratio = oversubscription(link, units)
                .map(|ratio| format!("{ratio:.0}:1 "))
                .unwrap_or_default();
            let kind = if link.is_some() || bridge.function.port_type.is_some() {
                "switch"
            } else {
                "bridge"
            };
            Row {
                lead,
                bar,
                rate,
                slot: kind.to_owned(),
                name: format!("{ratio}{}", bridge.short_name),
                names: String::new(),
                address: address(bridge),
                badges: numbers(context, &[Place::Function(bridge.bdf())]),
            }
        }
    }
}

impl Row {
    fn text(lead: String, name: &str) -> Self {
        let empty = String::new;
        Self {
            lead,
            bar: empty(),
            rate: empty(),
            slot: empty(),
            name: name.to_owned(),
            names: empty(),
            address: empty(),
            badges: empty(),
        }
    }
}

fn address(function: &PciFunction) -> String {
    pci::port_name(function)
}

/// Eight cells for the fastest link present.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "at most eight cells"
)]
fn bar(context: &Context<'_>, link: LinkView) -> String {
    let cells = |rate: f64| ((f64::from(context.scale.px(rate)) / 20.0 * 8.0).round() as usize).clamp(1, 8);
    let (solid, pale) = (cells(link.now()), cells(link.can()));
    let pale = if link.is_slow() {
        pale.max(solid.saturating_add(1)).min(8)
    } else {
        solid
    };
    sheet::pad(
        &format!("{}{}", "━".repeat(solid), "╌".repeat(pale.saturating_sub(solid))),
        8,
    )
}
