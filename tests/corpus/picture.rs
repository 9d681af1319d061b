//! What must hold for every picture and for terminal text.

use std::collections::BTreeMap;

use render::layout::{self, Fault, Placed};
use topo::diagram::{self, Options, Parts, views::Style};
use topo::findings::{self, Report};
use topo::model::Machine;

/// Options under which each machine is drawn, with their name.
pub fn ways() -> Vec<(&'static str, Options)> {
    let none = Parts {
        cpu: false,
        memory: false,
        pci: false,
    };
    let only = |parts| Options {
        parts,
        ..Options::default()
    };
    vec![
        ("", Options::default()),
        ("--only cpu", only(Parts { cpu: true, ..none })),
        ("--only memory", only(Parts { memory: true, ..none })),
        ("--only pci", only(Parts { pci: true, ..none })),
        (
            "--fold never --all --physical",
            Options {
                unfolded: true,
                all: true,
                physical: true,
                ..Options::default()
            },
        ),
    ]
}

/// Faults of all pictures of a machine, in words, each with its count.
pub fn faults(machine: &Machine) -> Vec<String> {
    let report = findings::judge(machine);
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let mut add = |text: String| *counts.entry(text).or_default() += 1;
    for (name, options) in ways() {
        for text in of_svg(machine, &report, &options)
            .into_iter()
            .chain(of_text(machine, &report, &options))
        {
            add(if name.is_empty() {
                text
            } else {
                format!("{name}: {text}")
            });
        }
    }
    for socket in 0..machine.sockets.len().min(2) {
        let options = Options {
            socket: Some(socket),
            ..Options::default()
        };
        of_svg(machine, &report, &options)
            .into_iter()
            .for_each(|text| add(format!("--socket {socket}: {text}")));
    }
    of_views(machine, &report).into_iter().for_each(&mut add);
    counts
        .into_iter()
        .map(|(text, count)| if count > 1 { format!("{count}x {text}") } else { text })
        .collect()
}

fn of_svg(machine: &Machine, report: &Report, options: &Options) -> Vec<String> {
    let placed = layout::layout(&diagram::scene(machine, report, options));
    let mut list: Vec<String> = layout::check(&placed)
        .iter()
        .map(|fault| words(fault, &placed))
        .collect();
    let first = diagram::svg(machine, report, options);
    if let Err(error) = roxmltree::Document::parse(&first) {
        list.push(format!("SVG: {error}"));
    }
    if first != diagram::svg(machine, report, options) {
        list.push("SVG differs on a second run".to_owned());
    }
    list
}

/// A fault with the words that stand at the place.
fn words(fault: &Fault, placed: &Placed) -> String {
    let title = |at: &usize| {
        let found = placed
            .boxes
            .get(*at)
            .map(|one| one.title.lines().next().unwrap_or_default().to_owned());
        found
            .filter(|title| !title.is_empty())
            .unwrap_or_else(|| format!("box {at}"))
    };
    let text = |at: &usize| placed.texts.get(*at).map_or_else(String::new, |one| one.text.clone());
    match fault {
        Fault::Overlap(a, b) => format!("Overlap of {:?} and {:?}", title(a), title(b)),
        Fault::OutsideParent(a) => format!("OutsideParent {:?}", title(a)),
        Fault::OutsidePage(a) => format!("OutsidePage {:?}", title(a)),
        Fault::TextOutside(a) => format!("TextOutside {:?}", text(a)),
        Fault::TextTooWide(a) => format!("TextTooWide {:?}", text(a)),
        Fault::TextOverText(a, b) => format!("TextOverText {:?} and {:?}", text(a), text(b)),
        Fault::TextOverBox(a, b) => format!("TextOverBox {:?} over {:?}", text(a), title(b)),
        Fault::BadgeOverText(_, b) => format!("BadgeOverText {:?}", text(b)),
        Fault::NoTitle(a) => format!("NoTitle {:?}", placed.boxes.get(*a)),
        other => format!("{other:?}"),
    }
}

fn of_text(machine: &Machine, report: &Report, options: &Options) -> Vec<String> {
    in_every_style(|style| {
        let text = diagram::terminal::draw(machine, report, options, style);
        let again = diagram::terminal::draw(machine, report, options, style);
        (text == again).then_some(text)
    })
}

fn of_views(machine: &Machine, report: &Report) -> Vec<String> {
    type View = fn(&Machine, &Report, Style) -> String;
    let views: [(&str, View); 5] = [
        ("pci", views_pci),
        ("memory", |machine, _, style| diagram::views::memory(machine, style)),
        ("cpu", |machine, _, style| diagram::views::cpu(machine, style)),
        ("distance", |machine, _, style| {
            diagram::views::distance_matrix(machine, style)
        }),
        ("findings", |_, report, style| diagram::views::findings(report, style)),
    ];
    let mut list = Vec::new();
    for (name, view) in views {
        // Tables may be as wide as they have to be; the findings are prose.
        let problems = in_every_style(|style| Some(view(machine, report, style)));
        let kept = problems
            .into_iter()
            .filter(|text| name == "findings" || !text.contains("columns"));
        list.extend(kept.map(|text| format!("view {name}: {text}")));
    }
    list
}

fn views_pci(machine: &Machine, report: &Report, style: Style) -> String {
    diagram::views::pci(machine, report, style)
}

fn in_every_style(draw: impl Fn(Style) -> Option<String>) -> Vec<String> {
    let mut list = Vec::new();
    for (width, unicode) in [(80, true), (80, false), (200, true), (200, false)] {
        let style = Style {
            unicode,
            colour: false,
            width,
        };
        let Some(text) = draw(style) else {
            list.push("terminal text differs on a second run".to_owned());
            continue;
        };
        for line in text.lines() {
            let columns = render::text::width(line);
            if columns > width && !is_origin(line) {
                list.push(format!(
                    "line of {columns} columns where {width} were asked (unicode {unicode}): {line:?}"
                ));
            }
            if !unicode && !line.is_ascii() {
                list.push(format!("no ASCII: {line:?}"));
            }
            if line.chars().any(char::is_control) {
                list.push(format!("control character: {line:?}"));
            }
        }
    }
    list
}

/// "in PATH", "from PATH": where something was read stands whole on one line, however long, to be copied.
fn is_origin(line: &str) -> bool {
    let text = line.trim_start();
    text.strip_prefix("in ")
        .or_else(|| text.strip_prefix("from "))
        .is_some_and(|path| !path.contains(' '))
}
