//! Decoded registers: what the tables made of the bytes, as text and as JSON.
//!
//! Flags print as `Name+` and `Name-`, all else as name and value; lines are broken by [`Flow`].

use std::borrow::Cow;
use std::fmt;

use serde::{Serialize, Serializer};

use super::{Line, bits};

/// How a decoded field is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// `Name+` or `Name-`.
    Flag(bool),
    /// The name alone.
    Note,
    /// The name and the text.
    Value,
    /// The text alone.
    Bare,
}

/// Some bits of a register, named and put into words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecodedField {
    /// Name, as `lspci` abbreviates it where it knows it.
    pub name: &'static str,
    /// Highest bit.
    pub high: u8,
    /// Lowest bit.
    pub low: u8,
    /// The bits.
    pub value: u64,
    /// The value in words or with its unit; empty for flags.
    pub text: String,
    /// Label of the group the field belongs to; empty without one.
    pub lead: &'static str,
    /// How it is printed.
    pub kind: Kind,
}

impl Serialize for DecodedField {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap as _;
        let mut map = serializer.serialize_map(None)?;
        if !self.lead.is_empty() {
            map.serialize_entry("group", self.lead)?;
        }
        map.serialize_entry("name", self.name)?;
        if self.high == self.low {
            map.serialize_entry("bits", &format_args!("{}", self.low))?;
        } else {
            map.serialize_entry("bits", &format_args!("{}:{}", self.high, self.low))?;
        }
        match self.kind {
            Kind::Flag(set) => map.serialize_entry("set", &set)?,
            Kind::Note => map.serialize_entry("set", &true)?,
            Kind::Value | Kind::Bare => {
                map.serialize_entry("value", &format_args!("{:#x}", self.value))?;
                map.serialize_entry("text", &self.text)?;
            }
        }
        map.end()
    }
}

impl fmt::Display for DecodedField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            Kind::Flag(true) => write!(f, "{}+", self.name),
            Kind::Flag(false) => write!(f, "{}-", self.name),
            Kind::Note => f.write_str(self.name),
            Kind::Bare => f.write_str(&self.text),
            Kind::Value => write!(f, "{} {}", self.name, self.text),
        }
    }
}

/// A register with its value and its fields.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DecodedRegister {
    /// Name, as `lspci` abbreviates it where it knows it.
    pub name: Cow<'static, str>,
    /// Offset in configuration space.
    pub offset: u16,
    /// Width in bytes.
    pub width: u8,
    /// The register as it stands in configuration space.
    pub value: u64,
    /// Its fields in printing order.
    pub fields: Vec<DecodedField>,
    /// Where it is printed.
    pub layout: Line,
}

impl DecodedRegister {
    /// Bits `high..=low`.
    #[must_use]
    pub fn bits(&self, high: u8, low: u8) -> u64 {
        bits(self.value, high, low)
    }

    /// One bit.
    #[must_use]
    pub fn bit(&self, bit: u8) -> bool {
        bits(self.value, bit, bit) == 1
    }

    /// The first field of this name.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&DecodedField> {
        self.fields.iter().find(|field| field.name == name)
    }

    /// Prints the register behind `first`, and goes on behind `rest` where a line gets too long.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write(&self, out: &mut dyn fmt::Write, first: &str, rest: &str) -> fmt::Result {
        let mut flow = Flow::new(first);
        flow.register(self);
        flow.finish(out, rest)
    }
}

/// Words of one or more registers on their way to lines of bounded length.
#[derive(Debug, Default)]
pub struct Flow {
    first: String,
    items: Vec<(bool, String)>,
}

impl Flow {
    /// A line that begins with `first`.
    #[must_use]
    pub fn new(first: &str) -> Self {
        Self {
            first: first.to_owned(),
            items: Vec::new(),
        }
    }

    /// Appends a register, with its name unless that is not to be printed.
    pub fn register(&mut self, register: &DecodedRegister) {
        let from = self.items.len();
        self.fields(register);
        if register.layout.unlabelled {
            return;
        }
        match self.items.get_mut(from) {
            Some((_, item)) => item.insert_str(0, &format!("{}: ", register.name)),
            None => self.items.push((from > 0, format!("{}:", register.name))),
        }
    }

    /// Appends the fields of a register. Flags follow each other with a space, all else with a
    /// comma.
    pub fn fields(&mut self, register: &DecodedRegister) {
        let mut lead = "";
        let mut plain = false;
        for field in &register.fields {
            let is_plain = matches!(field.kind, Kind::Flag(_));
            let comma = !self.items.is_empty() && (field.lead != lead || !plain || !is_plain);
            let item = if field.lead != lead && !field.lead.is_empty() {
                format!("{}: {field}", field.lead)
            } else {
                field.to_string()
            };
            self.items.push((comma, item));
            (lead, plain) = (field.lead, is_plain);
        }
    }

    /// Prints what was collected.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn finish(self, out: &mut dyn fmt::Write, rest: &str) -> fmt::Result {
        const WIDTH: usize = 112;
        let mut line = self.first;
        let mut fresh = true;
        for (comma, item) in self.items {
            if comma {
                line.push(',');
            }
            if !fresh && line.len().saturating_add(item.len()) > WIDTH {
                writeln!(out, "{line}")?;
                line = rest.to_owned();
            } else if !line.is_empty() && !line.ends_with([' ', '\t']) {
                line.push(' ');
            }
            line.push_str(&item);
            fresh = false;
        }
        writeln!(out, "{line}")
    }
}

impl Serialize for DecodedRegister {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct as _;
        let digits = usize::from(self.width).saturating_mul(2);
        let mut map = serializer.serialize_struct("register", 4)?;
        map.serialize_field("name", &self.name)?;
        map.serialize_field("offset", &format_args!("0x{:03x}", self.offset))?;
        map.serialize_field("value", &format_args!("0x{:0digits$x}", self.value))?;
        map.serialize_field("fields", &self.fields)?;
        map.end()
    }
}

impl fmt::Display for DecodedRegister {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        self.write(&mut text, "", " ")?;
        f.write_str(text.trim_end())
    }
}
