//! libvirt's `<cpudata>`: the CPUID and MSRs of a CPU as XML (`virsh capabilities` in tests,
//! `cpu-gather.py`, libvirt's own test data).
//!
//! ```text
//! <cpudata arch='x86'>
//!   <cpuid eax_in='0x00000007' ecx_in='0x00' eax='0x00000000' ebx='0x219c91a9' ecx='0x00400004' edx='0x00000000'/>
//!   <msr index='0x10a' edx='0x00000000' eax='0x00000000'/>
//! </cpudata>
//! ```
//! The elements are sought tag by tag: there is no nesting to follow, entities stand for nothing here, a
//! text that is cut gives what it has, and each broken element has its line. Each `<cpudata>` is a CPU of its
//! own; one without leaf 0 (words that QEMU enabled) tells of some features only.

use super::builder::Builder;
use super::scan::{line_of, number};
use crate::damage::Decoded;
use crate::leaf::{Leaf, Registers, Subleaf};
use crate::leafset::LeafSet;

const EXPECTED_ROW: &str = "`<cpuid eax_in= ecx_in= eax= ebx= ecx= edx=/>` with hexadecimal numbers";
const EXPECTED_MSR: &str = "`<msr index= edx= eax=/>` with hexadecimal numbers";

/// Whether a trimmed line belongs to this format and no other.
pub(crate) fn is_row(line: &str) -> bool {
    line.contains("<cpuid") && line.contains("eax_in=") || line.starts_with("<cpudata")
}

/// Reads the text.
#[must_use]
pub fn parse(text: &str) -> Decoded<LeafSet> {
    let mut builder = Builder::default();
    let mut tags = Tags::new(text);
    while let Some(tag) = tags.next() {
        match tag.name {
            "cpudata" => builder.next_cpu_unless_new(),
            "cpuid" => match row(tag.attributes) {
                Some((leaf, subleaf, registers)) => builder.row(tag.line, leaf, subleaf, registers),
                None => builder.damaged(tag.line, EXPECTED_ROW, tag.attributes),
            },
            "msr" => match msr(tag.attributes) {
                Some((index, value)) => builder.msr(tag.line, index, value),
                None => builder.damaged(tag.line, EXPECTED_MSR, tag.attributes),
            },
            _ => {}
        }
    }
    if let Some(line) = tags.open {
        builder.damaged(line, "the end `>` of the tag", "the text ends inside of it");
    }
    let mut decoded = builder.into_cpus();
    for cpu in &mut decoded.value {
        cpu.partial = cpu.row(Leaf(0), Subleaf(0)).is_none();
    }
    Decoded {
        value: decoded.value.into_iter().collect(),
        damage: decoded.damage,
    }
}

fn row(attributes: &str) -> Option<(Leaf, Subleaf, Registers)> {
    let leaf = value(attributes, "eax_in")?;
    let subleaf = match attribute(attributes, "ecx_in") {
        Some(_) => value(attributes, "ecx_in")?,
        None => 0,
    };
    // a register that is left out is 0
    let register = |name| match attribute(attributes, name) {
        Some(_) => value(attributes, name),
        None => Some(0),
    };
    let registers = Registers::new(register("eax")?, register("ebx")?, register("ecx")?, register("edx")?);
    Some((Leaf(leaf), Subleaf(subleaf), registers))
}

fn msr(attributes: &str) -> Option<(u32, u64)> {
    let index = value(attributes, "index")?;
    let high = u64::from(value(attributes, "edx")?);
    Some((index, high << 32 | u64::from(value(attributes, "eax")?)))
}

fn value(attributes: &str, name: &str) -> Option<u32> {
    number(attribute(attributes, name)?).and_then(|value| u32::try_from(value).ok())
}

/// Value of an attribute, in either kind of quotes.
fn attribute<'a>(attributes: &'a str, name: &str) -> Option<&'a str> {
    let mut rest = attributes;
    loop {
        let (found, after) = rest.split_once('=')?;
        let after = after.trim_start();
        let quote = after.chars().next().filter(|quote| matches!(quote, '\'' | '"'))?;
        let (value, next) = after.get(1..)?.split_once(quote)?;
        if found.trim() == name {
            return Some(value);
        }
        rest = next;
    }
}

/// An opening tag.
struct Tag<'a> {
    line: usize,
    name: &'a str,
    attributes: &'a str,
}

/// The opening tags of a text, comments passed over.
struct Tags<'a> {
    text: &'a str,
    at: usize,
    /// How far lines were counted, and the line there.
    counted: (usize, usize),
    /// Line of a tag the text ends in.
    open: Option<usize>,
}

impl<'a> Tags<'a> {
    const fn new(text: &'a str) -> Self {
        Self {
            text,
            at: 0,
            counted: (0, 1),
            open: None,
        }
    }

    fn line(&mut self, at: usize) -> usize {
        let (counted, line) = self.counted;
        let more = self.text.get(counted..at).map_or(0, |part| line_of(part, part.len()));
        self.counted = (at, line.saturating_add(more.saturating_sub(1)));
        self.counted.1
    }

    fn next(&mut self) -> Option<Tag<'a>> {
        loop {
            let rest = self.text.get(self.at..)?;
            let start = self.at.checked_add(rest.find('<')?)?;
            let tag = self.text.get(start..)?;
            if tag.starts_with("<!--") {
                let length = tag.find("-->").unwrap_or(tag.len());
                self.at = start.checked_add(length)?;
                continue;
            }
            // a `<` in the tag is the next one: this one was not ended
            let inner = tag.get(1..)?;
            let length = inner.find(['<', '>']);
            let Some(length) = length.filter(|length| inner.as_bytes().get(*length) == Some(&b'>')) else {
                let piece = inner.get(..length.unwrap_or(inner.len()))?;
                if ["cpuid ", "msr ", "cpudata "]
                    .iter()
                    .any(|name| piece.starts_with(name))
                {
                    self.open = Some(self.line(start));
                }
                self.at = match length {
                    Some(length) => start.checked_add(length)?.checked_add(1)?,
                    None => self.text.len(),
                };
                continue;
            };
            self.at = start.checked_add(length)?.checked_add(2)?;
            let inner = inner.get(..length)?.trim_end_matches('/');
            let name_end = inner.find(|c: char| c.is_ascii_whitespace()).unwrap_or(inner.len());
            let (name, attributes) = (inner.get(..name_end)?, inner.get(name_end..)?);
            return Some(Tag {
                line: self.line(start),
                name,
                attributes: attributes.trim(),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "<!-- A <cpuid eax_in='0x9'/> processor -->\n<cpudata arch='x86'>\n\
        \x20 <cpuid eax_in='0x00000000' ecx_in='0x00' eax='0x0000000d' ebx='0x1' ecx='0x2' edx='0x3'/>\n\
        \x20 <cpuid eax_in='0x0000000d' ecx_in='0x01' eax='0x0000000f' ebx='0x0' ecx='0x0' edx='0x0'/>\n\
        \x20 <msr index='0x10a' edx='0x00000001' eax='0x00000004'/>\n</cpudata>\n";

    #[test]
    fn rows_and_msrs_are_read_and_comments_are_not() {
        let decoded = parse(ONE);
        assert_eq!(decoded.damage, []);
        let cpu = decoded.value.first().unwrap();
        assert_eq!(cpu.len(), 2);
        assert_eq!(cpu.row(Leaf(0xd), Subleaf(1)), Some(Registers::new(0xf, 0, 0, 0)));
        assert_eq!(cpu.msr(0x10a), Some(0x1_0000_0004));
        assert!(!cpu.partial);
    }

    #[test]
    fn each_element_cpudata_is_a_cpu() {
        let decoded = parse(&format!("{ONE}{ONE}"));
        assert_eq!(decoded.value.cpus().len(), 2);
        assert_eq!(decoded.damage, []);
    }

    #[test]
    fn words_without_leaf_0_are_partial_and_quotes_may_be_double() {
        let text = "<cpudata arch=\"x86\">\n<cpuid eax_in=\"0x1\" edx=\"0x5\"/>\n</cpudata>";
        let decoded = parse(text);
        let cpu = &decoded.value.cpus()[0];
        assert!(cpu.partial);
        assert_eq!(cpu.leaf(1).unwrap().edx, 5);
    }

    #[test]
    fn a_broken_or_cut_element_is_reported_at_its_line() {
        let text = ONE.replace("ebx='0x1'", "ebx='0xg'");
        let decoded = parse(&text);
        assert_eq!(decoded.damage[0].line, 3);
        assert_eq!(decoded.value.first().unwrap().len(), 1);
        let cut = ONE.find("<msr").unwrap() - 20;
        let decoded = parse(ONE.get(..cut).unwrap());
        assert_eq!(decoded.damage[0].line, 4);
        assert_eq!(decoded.value.first().unwrap().len(), 1);
    }
}
