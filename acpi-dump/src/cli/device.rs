//! `delid acpi device PATH`: what a device of the namespace is and uses.

use std::fmt::Display;
use std::io::Write;

use clap::Parser;
use schemars::JsonSchema;
use serde::Serialize;

use super::Error;
use super::input::Input;
use super::phrase::{address, device_id, wrap};
use super::tree::Space;
use crate::aml::evaluate::device::{Device as Facts, Fact, Route, Section, Status, Template};
use crate::aml::evaluate::{Dependency, Evaluator, Value};
use crate::aml::namespace::{Namespace, ObjectId, ObjectKind};
use crate::aml::resource::Resource;

/// `delid acpi device`.
#[derive(Clone, Debug, Parser)]
pub struct Device {
    /// Path of the device, \_SB.PCI0.LPCB, or a pattern: EC0, PCI?.RP*, _SB.**.
    #[arg(value_name = "PATH")]
    pub path: String,
    /// Where the tables are.
    #[command(flatten)]
    pub input: Input,
    /// Columns of the output.
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub width: usize,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// A device as JSON.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "DeviceOutput")]
pub(super) struct Report {
    kind: &'static str,
    table: Option<String>,
    offset: Option<usize>,
    #[serde(flatten)]
    facts: Facts,
    /// Devices below it.
    devices: Vec<String>,
    /// Other objects below it.
    objects: Vec<String>,
}

/// Whether an object is a device in the wide sense: it may say of itself what devices do.
fn is_device(namespace: &Namespace, id: ObjectId) -> bool {
    let kind = namespace.object(id).map(|object| &object.kind);
    matches!(
        kind,
        Some(
            ObjectKind::Device
                | ObjectKind::Processor { .. }
                | ObjectKind::ThermalZone
                | ObjectKind::PowerResource { .. }
        )
    )
}

pub(super) fn run(args: &Device, out: &mut dyn Write) -> Result<u8, Error> {
    let loaded = args.input.load(&[])?;
    let space = Space::of(&loaded.set)?;
    let namespace = &space.namespace;
    let exact = namespace.find(&args.path).filter(|id| is_device(namespace, *id));
    let chosen: Vec<ObjectId> = match exact {
        Some(id) => vec![id],
        None => namespace
            .glob(&args.path)
            .filter(|id| is_device(namespace, *id))
            .collect(),
    };
    if chosen.is_empty() {
        return Err(Error::NoDevice {
            path: args.path.clone(),
        });
    }
    let evaluator = Evaluator::new(namespace);
    let reports: Vec<Report> = chosen.iter().map(|id| report(&space, &evaluator, *id)).collect();
    if args.json {
        super::json(out, &reports)?;
        return Ok(0);
    }
    for (number, report) in reports.iter().enumerate() {
        if number > 0 {
            writeln!(out)?;
        }
        let mut page = Page {
            width: args.width,
            out: &mut *out,
        };
        page.device(report)?;
    }
    super::print_damage(out, &loaded.set.faults, &loaded.unread)?;
    Ok(0)
}

fn report(space: &Space<'_>, evaluator: &Evaluator<'_>, id: ObjectId) -> Report {
    let namespace = &space.namespace;
    let object = namespace.object(id);
    let place = object.and_then(|object| object.place);
    let node = place.and_then(|place| namespace.node(place));
    let (devices, objects) = namespace
        .children(id)
        .iter()
        .copied()
        .partition::<Vec<ObjectId>, _>(|child| is_device(namespace, *child));
    let names = |list: Vec<ObjectId>| {
        let object = |id: ObjectId| namespace.object(id).map(|object| object.name.short());
        list.into_iter().filter_map(object).collect()
    };
    Report {
        kind: object.map_or("", |object| object.kind.word()),
        table: place.and_then(|place| Some(space.blocks.get(place.table)?.name.clone())),
        offset: node.and_then(|node| usize::try_from(node.start).ok()),
        facts: evaluator.device(id),
        devices: names(devices),
        objects: names(objects),
    }
}

/// Where text goes, and how wide it may be.
struct Page<'a> {
    width: usize,
    out: &'a mut dyn Write,
}

/// Columns before the value of a fact.
const INDENT: usize = 10;

impl Page<'_> {
    fn device(&mut self, report: &Report) -> Result<(), Error> {
        let facts = &report.facts;
        write!(self.out, "{}  {}", facts.path, report.kind)?;
        if let (Some(table), Some(offset)) = (&report.table, report.offset) {
            write!(self.out, "  ({table} at {offset:#06x})")?;
        }
        writeln!(self.out, "{}", if facts.conditional { "  (conditional)" } else { "" })?;
        self.fact("_HID", &facts.hid, device_id)?;
        self.fact("_CID", &facts.cid, |ids| {
            ids.iter().map(device_id).collect::<Vec<_>>().join(", ")
        })?;
        self.fact("_CLS", &facts.cls, |class| {
            let [base, sub, interface] = class;
            format!("{base:02x}{sub:02x}{interface:02x}")
        })?;
        self.fact("_ADR", &facts.adr, |adr| address(*adr))?;
        self.fact("_UID", &facts.uid, Value::to_string)?;
        self.fact("_SEG", &facts.seg, |number| format!("segment {number:04x}"))?;
        self.fact("_BBN", &facts.bbn, |number| format!("bus {number:02x}"))?;
        self.fact("_PXM", &facts.pxm, |number| format!("proximity domain {number}"))?;
        self.fact("_SUN", &facts.sun, |number| format!("slot {number}"))?;
        self.fact("_STA", &facts.sta, |status| status_words(*status))?;
        self.fact("_HRV", &facts.hrv, |number| format!("revision {number}"))?;
        self.fact("_DDN", &facts.ddn, String::clone)?;
        self.fact("_STR", &facts.str, String::clone)?;
        self.list("_CRS", &facts.crs, template)?;
        self.list("_PRS", &facts.prs, template)?;
        self.list("_PRT", &facts.prt, |routes| routing(routes))?;
        self.list("_DSD", &facts.dsd, |sections| {
            sections.iter().flat_map(properties).collect()
        })?;
        self.list("_PLD", &facts.pld, |places| {
            let words = places.iter().map(|place| {
                format!(
                    "{} panel, {} {}, {}",
                    place.panel,
                    place.vertical,
                    place.horizontal,
                    if place.visible { "visible" } else { "not visible" }
                )
            });
            words.collect()
        })?;
        for (name, fact) in [
            ("_PRW", &facts.prw),
            ("_CST", &facts.cst),
            ("_PSS", &facts.pss),
            ("_PSD", &facts.psd),
            ("_CPC", &facts.cpc),
        ] {
            self.fact(name, fact, Value::to_string)?;
        }
        if facts.osc {
            self.row("_OSC", "hands over features to the operating system")?;
        }
        if !report.devices.is_empty() {
            self.row("devices", &report.devices.join(" "))?;
        }
        if !report.objects.is_empty() {
            self.row("objects", &report.objects.join(" "))?;
        }
        Ok(())
    }

    /// A name and what is known of it, wrapped.
    fn row(&mut self, name: &str, text: &str) -> Result<(), Error> {
        let rows = wrap(text, self.width.saturating_sub(INDENT));
        for (number, row) in rows.iter().enumerate() {
            let name = if number == 0 { name } else { "" };
            writeln!(self.out, "  {name:<8}{row}")?;
        }
        Ok(())
    }

    fn fact<T>(&mut self, name: &str, fact: &Fact<T>, words: impl Fn(&T) -> String) -> Result<(), Error> {
        match fact {
            Fact::Known { value, assumptions } => {
                let assumed = assumed(assumptions);
                self.row(name, &format!("{}{assumed}", words(value)))
            }
            Fact::Dynamic { reasons, candidates } => {
                let list: Vec<String> = candidates.iter().map(words).collect();
                let list = if list.is_empty() {
                    String::new()
                } else {
                    format!("; one of: {}", list.join(" | "))
                };
                self.row(name, &format!("dynamic: {}{list}", joined(reasons)))
            }
            Fact::Failed { reason } => self.row(name, &format!("cannot be told: {reason}")),
            Fact::Absent => Ok(()),
        }
    }

    /// As [`Self::fact`], for values that are lists: a row for each item.
    fn list<T>(&mut self, name: &str, fact: &Fact<T>, words: impl Fn(&T) -> Vec<String>) -> Result<(), Error> {
        let items = match fact {
            Fact::Known { value, assumptions } => {
                let mut items = words(value);
                if let Some(first) = items.first_mut() {
                    first.push_str(&assumed(assumptions));
                }
                items
            }
            Fact::Dynamic { reasons, candidates } => {
                self.row(name, &format!("dynamic: {}", joined(reasons)))?;
                let Some(first) = candidates.first() else { return Ok(()) };
                if candidates.len() > 1 {
                    self.row("", &format!("one of {} values, the first:", candidates.len()))?;
                }
                for item in words(first) {
                    self.row("", &item)?;
                }
                return Ok(());
            }
            Fact::Failed { .. } | Fact::Absent => return self.fact(name, fact, |_| String::new()),
        };
        if items.is_empty() {
            return self.row(name, "nothing");
        }
        for (number, item) in items.iter().enumerate() {
            self.row(if number == 0 { name } else { "" }, item)?;
        }
        Ok(())
    }
}

fn joined(list: &[impl Display]) -> String {
    list.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

fn assumed(list: &[Dependency]) -> String {
    if list.is_empty() {
        String::new()
    } else {
        format!("  (if {})", joined(list))
    }
}

fn status_words(status: Status) -> String {
    let mut words = vec![if status.is_present() { "present" } else { "not present" }];
    if status.is_present() && !status.is_enabled() {
        words.push("not enabled");
    }
    if status.0 & 4 == 0 {
        words.push("hidden");
    }
    if status.is_present() && !status.is_functioning() {
        words.push("not functioning");
    }
    format!("{:#04x} {}", status.0, words.join(", "))
}

fn template(template: &Template) -> Vec<String> {
    let mut list: Vec<String> = Vec::new();
    for (number, descriptor) in template.descriptors.iter().enumerate() {
        if matches!(descriptor.resource, Resource::End { .. }) {
            continue;
        }
        let uncertain = if template.uncertain.contains(&number) {
            "  (partly unknown)"
        } else {
            ""
        };
        list.push(format!("{}{uncertain}", descriptor.resource));
    }
    list.extend(template.findings.iter().map(|finding| format!("damaged {finding}")));
    list
}

/// A row for each device: its pins and what they go to.
fn routing(routes: &[Route]) -> Vec<String> {
    let same = |one: &Route, two: &Route| (one.device, one.function) == (two.device, two.function);
    let rows = routes.chunk_by(same).map(|group| {
        let pins: Vec<String> = group.iter().map(pin).collect();
        let device = group.first().map_or_else(String::new, |first| {
            let function = first
                .function
                .map_or_else(String::new, |function| format!(".{function}"));
            format!("{:02x}{function}", first.device)
        });
        format!("device {device}: {}", pins.join(", "))
    });
    rows.collect()
}

/// A pin and its global interrupt, or the link device that chooses one.
fn pin(route: &Route) -> String {
    let pin = char::from(b'A'.saturating_add(route.pin.min(3)));
    match &route.source {
        Some(source) if route.index == 0 => format!("INT{pin} {source}"),
        Some(source) => format!("INT{pin} {source} index {}", route.index),
        None => format!("INT{pin} {}", route.index),
    }
}

fn properties(section: &Section) -> Vec<String> {
    let mut list = vec![match section.words {
        Some(words) => format!("{} ({words})", section.uuid),
        None => section.uuid.clone(),
    }];
    list.extend(
        section
            .properties
            .iter()
            .map(|property| format!("  {} = {}", property.key, property.value)),
    );
    list.extend(section.other.iter().map(|value| format!("  {value}")));
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pins_of_a_device_stand_in_one_row() {
        let route = |device, pin, index| Route {
            device,
            function: None,
            pin,
            source: None,
            index,
        };
        let rows = routing(&[route(0x1f, 0, 16), route(0x1f, 1, 17), route(0x1c, 0, 16)]);
        assert_eq!(rows, ["device 1f: INTA 16, INTB 17", "device 1c: INTA 16"]);
    }

    #[test]
    fn status_names_what_is_missing() {
        assert_eq!(status_words(Status(0xf)), "0x0f present");
        assert_eq!(status_words(Status(0)), "0x00 not present, hidden");
    }
}
