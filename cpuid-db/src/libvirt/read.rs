//! `<cpu>` elements of a text: the element alone, several of them, or within a domain, capabilities or
//! domain capabilities, as `virsh cpu-baseline` and `cpu-compare` take them. Rules, their order and
//! their messages are those of libvirt 11.3; all faults are told, not only the first.

mod attributes;
mod element;

use roxmltree::{Document, Node, ParsingOptions};

use crate::guest::Fault;

use super::cpu::LibvirtCpu;
use element::Reader;

/// Elements, attributes and texts a document may have.
const MOST_NODES: u32 = 300_000;

/// Whether the elements tell of hosts or guests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadAs {
    /// Hosts: an `<arch>` is needed, policies do not count (`virsh cpu-baseline`).
    Hosts,
    /// Guests.
    Guests,
    /// Hosts where there is an `<arch>`, otherwise guests (`virsh cpu-compare`).
    Either,
}

/// What a text has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Definitions {
    /// One for each `<cpu>`; what could not be read in it is left out.
    pub cpus: Vec<LibvirtCpu>,
    /// What libvirt would refuse, in its order.
    pub faults: Vec<Fault>,
}

impl Definitions {
    /// The definitions, or the first fault.
    pub fn into_result(self) -> Result<Vec<LibvirtCpu>, Fault> {
        match self.faults.into_iter().next() {
            Some(fault) => Err(fault),
            None => Ok(self.cpus),
        }
    }
}

/// Reads every `<cpu>` of a text.
#[must_use]
pub fn read(text: &str, read_as: ReadAs) -> Definitions {
    let mut out = Definitions::default();
    let (skipped, document) = without_declaration(text);
    let wrapped = format!("<c>{document}</c>");
    let options = ParsingOptions {
        nodes_limit: MOST_NODES,
        ..ParsingOptions::default()
    };
    let xml = match Document::parse_with_options(&wrapped, options) {
        Ok(xml) => xml,
        Err(error) => {
            let at = offset(&wrapped, error.pos())
                .saturating_sub(3)
                .min(document.len())
                .saturating_add(skipped);
            let what = String::new();
            out.faults.push(Fault {
                at: Some(at),
                what,
                message: format!("not well-formed XML: {error}"),
            });
            return out;
        }
    };
    let mut reader = Reader {
        faults: Vec::new(),
        shift: skipped,
    };
    for node in elements(&xml) {
        let cpu = reader.cpu(node, read_as);
        out.cpus.push(cpu);
    }
    out.faults = reader.faults;
    if out.cpus.is_empty() {
        out.faults.push(fault(
            None,
            "",
            "no <cpu> element, domain, host capabilities or domain capabilities XML".to_owned(),
        ));
    }
    out
}

fn fault(at: Option<usize>, what: &str, message: String) -> Fault {
    Fault {
        at,
        what: what.to_owned(),
        message,
    }
}

/// The text behind a byte order mark and an XML declaration, and how much was left out.
fn without_declaration(text: &str) -> (usize, &str) {
    let body = text.strip_prefix('\u{feff}').unwrap_or(text);
    let body = match body.starts_with("<?xml") {
        true => body.split_once("?>").map_or(body, |(_, rest)| rest),
        false => body,
    };
    (text.len().saturating_sub(body.len()), body)
}

/// Byte of a line and column.
fn offset(text: &str, position: roxmltree::TextPos) -> usize {
    let row = usize::try_from(position.row).unwrap_or(1);
    let column = usize::try_from(position.col).unwrap_or(1);
    let before: usize = text
        .split_inclusive('\n')
        .take(row.saturating_sub(1))
        .map(str::len)
        .sum();
    let line = text.get(before..).unwrap_or_default();
    let within: usize = line.chars().take(column.saturating_sub(1)).map(char::len_utf8).sum();
    before.saturating_add(within)
}

fn is(node: Node<'_, '_>, name: &str) -> bool {
    node.is_element() && node.tag_name().name() == name
}

/// The elements that are CPU definitions, in the order of the text.
fn elements<'a, 'i>(xml: &'a Document<'i>) -> Vec<Node<'a, 'i>> {
    let container = xml.root_element();
    let mut found = Vec::new();
    for root in container.children().filter(Node::is_element) {
        if is(root, "cpu") {
            found.push(root);
        } else if is(root, "capabilities") {
            let hosts = root.children().filter(|node| is(*node, "host"));
            found.extend(hosts.flat_map(|host| host.children().filter(|node| is(*node, "cpu"))));
        } else if is(root, "domainCapabilities") {
            let cpus = root.children().filter(|node| is(*node, "cpu"));
            found.extend(cpus.flat_map(|cpu| {
                cpu.children().filter(|mode| {
                    is(*mode, "mode")
                        && mode.attribute("name") == Some("host-model")
                        && mode.attribute("supported") == Some("yes")
                })
            }));
        } else if root.children().any(|node| is(node, "cpu")) {
            // A domain, or a list of definitions under a root of its own.
            found.extend(root.children().filter(|node| is(*node, "cpu")));
        } else {
            // Saved states and snapshots have the domain within.
            let domains = root.descendants().filter(|node| is(*node, "domain"));
            found.extend(domains.flat_map(|domain| domain.children().filter(|node| is(*node, "cpu"))));
        }
    }
    found
}

#[cfg(test)]
mod tests;
