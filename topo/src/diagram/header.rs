//! Top of the page: what the machine is, which sources were there, what was found.

use render::scene::{Ink, Item, Line, Role, Span, Width};

use super::{Context, badge, words};
use crate::findings::{Finding, Severity};

/// At most so many findings stand in the picture; the text view and JSON have all.
const MOST_FINDINGS: usize = 6;

pub(super) fn header(context: &Context<'_>) -> Item {
    let machine = context.machine;
    let mut facts: Vec<String> = Vec::new();
    facts.extend(machine.board_name().map(str::to_owned));
    if let Some(bios) = &machine.identity.bios {
        let version = bios.version.as_deref().filter(|t| crate::model::is_told(t));
        let date = bios
            .date
            .as_deref()
            .map(|date| format!(" ({date})"))
            .unwrap_or_default();
        facts.extend(version.map(|version| format!("BIOS {version}{date}")));
    }
    facts.push(words::totals(machine));
    let title = words::machine_name(machine);
    let sources: Vec<String> = machine
        .sources
        .iter()
        .map(|source| {
            let mark = if source.present { "✓" } else { "✗" };
            let note = source
                .note
                .as_deref()
                .map(|note| format!(" {note}"))
                .unwrap_or_default();
            format!("{} {mark}{note}", source.name)
        })
        .collect();
    let mut leaf = Item::leaf(Role::Plain)
        .line(Line::of(Span::bold(22.0, title)))
        .line(Line::of(Span::muted(13.5, facts.join(" · "))).wrapped());
    if let Some(text) = words::xen_words(machine) {
        leaf = leaf.line(Line::of(Span::new(13.5, text)).wrapped());
    }
    let sources = format!("sources: {}", sources.join(" · "));
    Item::column(vec![leaf.line(Line::of(Span::muted(11.0, sources)).wrapped())])
}

pub(super) fn findings(context: &Context<'_>) -> Option<Item> {
    let report = context.report;
    if report.findings.is_empty() && report.fine.is_empty() {
        return None;
    }
    let mut bad: Vec<Item> = report
        .findings
        .iter()
        .enumerate()
        .take(MOST_FINDINGS)
        .map(|(at, finding)| line(at, finding))
        .collect();
    let more = report.findings.len().saturating_sub(MOST_FINDINGS);
    if more > 0 {
        bad.push(Item::leaf(Role::Plain).line(Line::muted(
            11.5,
            format!("+ {more} more findings: delid topo findings, or --json"),
        )));
    }
    if bad.is_empty() {
        bad.push(Item::leaf(Role::Plain).line(Line::text(12.5, "nothing found that costs speed")));
    }
    let fine: Vec<Item> = report
        .fine
        .iter()
        .map(|text| {
            Item::leaf(Role::Plain).line(Line::of(Span::new(11.5, format!("✓ {text}")).ink(Ink::Good)).wrapped())
        })
        .collect();
    let left = Item::column(bad).gap(3.0).share(2.6);
    let row = if fine.is_empty() {
        vec![left]
    } else {
        vec![left, Item::column(fine).gap(3.0).share(1.0)]
    };
    Some(
        Item::row(row)
            .gap(24.0)
            .role(if report.findings.is_empty() {
                Role::Panel
            } else {
                Role::Alert
            })
            .padding(10.0)
            .id("findings")
            .title("Findings, worst first; the numbers stand again at the places"),
    )
}

fn line(at: usize, finding: &Finding) -> Item {
    let number = at.saturating_add(1);
    let text = Line::text(12.5, finding.text.clone()).wrapped();
    let mark = if finding.severity == Severity::Note {
        Item::leaf(Role::Plain)
            .line(Line::muted(12.5, "·"))
            .width(Width::Fixed(24.0))
    } else {
        Item::leaf(Role::Plain)
            .badge(badge(number, finding.severity))
            .width(Width::Fixed(24.0))
            .min_height(20.0)
    };
    Item::row(vec![mark, Item::leaf(Role::Plain).line(text)]).gap(6.0)
}
