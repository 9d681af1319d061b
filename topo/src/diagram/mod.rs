//! The picture: from the machine and its findings to a scene, or to terminal text.
//!
//! The only rooms that know the renderer are here. Order of the page: header, sources, findings,
//! sockets with their memory, interconnect, PCI below, what is not shown and how to get it,
//! legend, provenance.

use render::scene::{Badge, Item, Line, Role, Scene, Severity as Colour, Span};

use crate::findings::{Place, Report, Severity};
use crate::model::Machine;

mod by_node;
pub mod cards;
pub mod cores;
mod firmware;
mod header;
mod hmat;
mod interconnect;
mod legend;
mod memory;
mod pci;
mod persistent;
mod socket;
pub mod terminal;
pub mod views;
mod words;

pub use words::{core_words, socket_summary};

/// Which parts are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parts {
    /// CPUs and caches.
    pub cpu: bool,
    /// Memory modules and nodes.
    pub memory: bool,
    /// PCI.
    pub pci: bool,
}

impl Default for Parts {
    fn default() -> Self {
        Self {
            cpu: true,
            memory: true,
            pci: true,
        }
    }
}

/// What the user asked for.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Parts to draw.
    pub parts: Parts,
    /// Only this socket (index).
    pub socket: Option<usize>,
    /// Never fold alike siblings.
    pub unfolded: bool,
    /// Print physical (core, package, APIC) numbers in place of Linux CPU numbers.
    pub physical: bool,
    /// Draw what is below the drawing threshold too.
    pub all: bool,
}

/// px per GB/s for vertical bars: the fastest link present is 20 px wide.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scale {
    fastest: f64,
    links: bool,
}

impl Scale {
    fn of(machine: &Machine) -> Self {
        let links = machine.pci.functions.iter().filter_map(|f| f.function.link);
        let fastest = links
            .filter_map(|link| {
                link.status
                    .into_iter()
                    .chain(link.capability.filter(|_| link.status.is_some()))
                    .next()
            })
            .map(|state| state.gigabytes_per_second())
            .fold(0.0, f64::max);
        Self {
            fastest: if fastest > 0.0 { fastest } else { 31.5 },
            links: fastest > 0.0,
        }
    }

    /// Height of the line above a card without a link: as high as a link with its label, where there
    /// are links, so that all cards begin at one line.
    pub(crate) const fn drop(self) -> f32 {
        if self.links { 64.0 } else { 22.0 }
    }

    /// Thickness of a vertical bar.
    #[expect(clippy::cast_possible_truncation, reason = "a few px")]
    pub(crate) fn px(self, gigabytes_per_second: f64) -> f32 {
        ((gigabytes_per_second / self.fastest * 20.0) as f32).clamp(1.0, 24.0)
    }
}

/// What every drawing function needs.
#[derive(Clone, Copy)]
pub(crate) struct Context<'a> {
    pub machine: &'a Machine,
    pub report: &'a Report,
    pub options: &'a Options,
    pub scale: Scale,
}

impl Context<'_> {
    /// Badges of the findings at a place; at most three, each number once.
    pub(crate) fn badges(&self, places: &[Place]) -> Vec<Badge> {
        let mut numbers: Vec<(usize, Severity)> = places.iter().flat_map(|place| self.report.badges(*place)).collect();
        numbers.sort_unstable();
        numbers.dedup();
        numbers
            .into_iter()
            .take(3)
            .map(|(number, severity)| badge(number, severity))
            .collect()
    }

    /// Worst severity at a place.
    pub(crate) fn severity(&self, places: &[Place]) -> Option<Severity> {
        places
            .iter()
            .flat_map(|place| self.report.badges(*place))
            .map(|(_, severity)| severity)
            .min()
    }

    /// Indices of the sockets to draw.
    pub(crate) fn sockets(&self) -> Vec<usize> {
        (0..self.machine.sockets.len())
            .filter(|index| self.options.socket.is_none_or(|only| only == *index))
            .collect()
    }
}

pub(crate) fn badge(number: usize, severity: Severity) -> Badge {
    let severity = if severity == Severity::Bad {
        Colour::Bad
    } else {
        Colour::Warn
    };
    Badge {
        text: number.to_string(),
        severity,
    }
}

/// The picture of a machine.
#[must_use]
pub fn scene(machine: &Machine, report: &Report, options: &Options) -> Scene {
    let context = Context {
        machine,
        report,
        options,
        scale: Scale::of(machine),
    };
    let parts = options.parts;
    let cards = if parts.pci { cards::count(&context) } else { 0 };
    let small = context.sockets().len() <= 1 && cards <= 6;
    let title = words::machine_name(machine);
    let mut scene = Scene::new(title.clone(), if small { 1180.0 } else { 1680.0 })
        .description(format!("{title}: {}", words::totals(machine)));
    scene.margin = 24.0;
    scene.gap = 12.0;
    scene = scene.section("Machine", header::header(&context));
    if let Some(findings) = header::findings(&context) {
        scene = scene.section("Findings", findings);
    }
    if parts.cpu || parts.memory {
        for (heading, item) in socket::sections(&context, scene.width) {
            scene = scene.section(heading, item);
        }
        if parts.memory && options.socket.is_none() {
            for (heading, item) in firmware::memory(&context) {
                scene = scene.section(heading, item);
            }
        }
    }
    if parts.pci {
        for (heading, item) in pci::sections(&context, scene.width) {
            scene = scene.section(heading, item);
        }
        if options.socket.is_none() {
            for (heading, item) in firmware::devices(&context) {
                scene = scene.section(heading, item);
            }
        }
    }
    if let Some(gaps) = legend::gaps(&context) {
        scene = scene.section("Not shown, and how to get it", gaps);
    }
    scene.section("Legend", legend::legend(&context))
}

/// A quiet line of text in a box of its own.
pub(crate) fn note(text: impl Into<String>) -> Item {
    Item::leaf(Role::Plain).line(Line::of(Span::muted(10.5, text)).wrapped())
}

/// The picture as SVG.
#[must_use]
pub fn svg(machine: &Machine, report: &Report, options: &Options) -> String {
    render::svg::svg(&render::layout::layout(&scene(machine, report, options)))
}

/// The picture as one HTML file.
#[must_use]
pub fn html(machine: &Machine, report: &Report, options: &Options) -> String {
    render::html::html(&render::layout::layout(&scene(machine, report, options)))
}

/// The picture as PNG.
///
/// # Errors
/// In words, when no font was found or the picture is too large.
#[cfg(feature = "png")]
pub fn png(machine: &Machine, report: &Report, options: &Options) -> Result<Vec<u8>, String> {
    render::png::png(&svg(machine, report, options), 2.0).map_err(|error| error.to_string())
}
