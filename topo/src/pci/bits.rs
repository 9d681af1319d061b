//! Registers as tables: rows of bits with a name, and one decoder and one printer for all of them.
//!
//! A capability is described by [`Register`]s, a register by [`Field`]s. Nothing else in this
//! module tree prints a bit. The rows stand in the order in which `lspci` prints them, because
//! that is the order its users read; [`DecodedField`] keeps the bit numbers.
//!
//! ```
//! use topo::pci::bits::{Context, Register, flag, hex, words};
//!
//! const COLOUR: Register = Register::new(4, 2, "Colour", &[
//!     flag(0, "On"),
//!     words(2, 1, "Hue", &[(0, "red"), (1, "green")], "reserved"),
//!     hex(15, 8, 2, "Shade"),
//! ]);
//! let space = [0, 0, 0, 0, 0x03, 0x7f];
//! let register = COLOUR.decode(&Context::new(&space, 0, space.len())).unwrap();
//! assert_eq!(register.to_string(), "Colour: On+, Hue green, Shade 7f");
//! ```

use std::borrow::Cow;
use std::fmt::{self, Write as _};

use serde::{Serialize, Serializer};

use super::function::PortType;

/// What a row may ask about its surroundings: the other bytes, and the kind of function.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// Configuration space from its byte 0.
    pub space: &'a [u8],
    /// Where the structure being decoded starts.
    pub base: usize,
    /// First byte that may not belong to the structure any more.
    pub limit: usize,
    /// What is known of the function as a whole.
    pub facts: Facts,
}

/// What is known of the function before its capabilities are decoded.
#[derive(Clone, Copy, Debug, Default)]
pub struct Facts {
    /// Vendor ID.
    pub vendor: u16,
    /// Device ID.
    pub device: u16,
    /// Header type without the multi-function bit.
    pub header_type: u8,
    /// Device/port type, when there is a PCI Express capability.
    pub port: Option<PortType>,
    /// Version of the PCI Express capability structure.
    pub express_version: u8,
    /// Flit Mode Supported bit of the PCI Express capability.
    pub flit: bool,
    /// One of the BARs is a memory BAR.
    pub memory_bar: bool,
}

impl<'a> Context<'a> {
    /// The structure at `base`, which ends before `limit`.
    #[must_use]
    pub fn new(space: &'a [u8], base: usize, limit: usize) -> Self {
        Self {
            space,
            base,
            limit: limit.min(space.len()),
            facts: Facts::default(),
        }
    }

    /// The same surroundings with the structure starting at `base`.
    #[must_use]
    pub fn at(&self, base: usize) -> Self {
        Self { base, ..*self }
    }

    /// Little-endian value of `width` bytes at `offset` from the start of the structure.
    #[must_use]
    pub fn read(&self, offset: usize, width: u8) -> Option<u64> {
        let start = self.base.checked_add(offset)?;
        let end = start.checked_add(usize::from(width))?;
        if end > self.limit || width > 8 {
            return None;
        }
        let bytes = self.space.get(start..end)?;
        Some(bytes.iter().rev().fold(0, |value, byte| (value << 8) | u64::from(*byte)))
    }

    /// As [`Context::read`], 0 where there are no bytes.
    #[must_use]
    pub fn peek(&self, offset: usize, width: u8) -> u64 {
        self.read(offset, width).unwrap_or(0)
    }
}

/// A condition under which a row or register exists: surroundings and the register's value.
pub type When = fn(&Context<'_>, u64) -> bool;

/// How a field is shown.
#[derive(Clone, Copy, Debug)]
pub enum Show {
    /// One bit: `Name+` or `Name-`.
    Flag,
    /// One bit that says yes when it is 0.
    ActiveLow,
    /// One bit whose name is printed when it is set, and nothing when it is not.
    Note,
    /// A decimal number.
    Decimal,
    /// A hexadecimal number of so many digits.
    Hex(usize),
    /// A word per value; the last is for values that have none.
    Words(&'static [(u64, &'static str)], &'static str),
    /// A number with a unit, worked out from the field's value.
    Text(fn(u64) -> String),
    /// Worked out from the surroundings and the register's value.
    Computed(fn(&Context<'_>, u64) -> String),
}

/// One row: some bits of a register.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    high: u8,
    low: u8,
    name: &'static str,
    show: Show,
    when: Option<When>,
    lead: &'static str,
    bare: bool,
}

const fn field(high: u8, low: u8, name: &'static str, show: Show) -> Field {
    Field {
        high,
        low,
        name,
        show,
        when: None,
        lead: "",
        bare: false,
    }
}

/// One bit, `Name+` or `Name-`.
#[must_use]
pub const fn flag(bit: u8, name: &'static str) -> Field {
    field(bit, bit, name, Show::Flag)
}

/// One bit that means yes when it is 0, `Name+` or `Name-`.
#[must_use]
pub const fn active_low(bit: u8, name: &'static str) -> Field {
    field(bit, bit, name, Show::ActiveLow)
}

/// One bit whose name is printed only when it is set.
#[must_use]
pub const fn note(bit: u8, name: &'static str) -> Field {
    field(bit, bit, name, Show::Note)
}

/// A decimal number.
#[must_use]
pub const fn dec(high: u8, low: u8, name: &'static str) -> Field {
    field(high, low, name, Show::Decimal)
}

/// A hexadecimal number of `digits` digits.
#[must_use]
pub const fn hex(high: u8, low: u8, digits: usize, name: &'static str) -> Field {
    field(high, low, name, Show::Hex(digits))
}

/// A word per value, `other` where the table has none.
#[must_use]
pub const fn words(
    high: u8,
    low: u8,
    name: &'static str,
    table: &'static [(u64, &'static str)],
    other: &'static str,
) -> Field {
    field(high, low, name, Show::Words(table, other))
}

/// Worked out from the field's value.
#[must_use]
pub const fn text(high: u8, low: u8, name: &'static str, show: fn(u64) -> String) -> Field {
    field(high, low, name, Show::Text(show))
}

/// Worked out from the surroundings and the whole register.
#[must_use]
pub const fn computed(high: u8, low: u8, name: &'static str, show: fn(&Context<'_>, u64) -> String) -> Field {
    field(high, low, name, Show::Computed(show))
}

impl Field {
    /// The row exists only under this condition.
    #[must_use]
    pub const fn when(self, when: When) -> Self {
        Self {
            when: Some(when),
            ..self
        }
    }

    /// The row belongs to a group that is printed with this label in front.
    #[must_use]
    pub const fn lead(self, lead: &'static str) -> Self {
        Self { lead, ..self }
    }

    /// Printed without its name.
    #[must_use]
    pub const fn bare(self) -> Self {
        Self { bare: true, ..self }
    }

    fn decode(&self, cx: &Context<'_>, register: u64) -> Option<DecodedField> {
        if self.when.is_some_and(|when| !when(cx, register)) {
            return None;
        }
        let value = bits(register, self.high, self.low);
        let (kind, text) = match self.show {
            Show::Flag => (Kind::Flag(value == 1), String::new()),
            Show::ActiveLow => (Kind::Flag(value == 0), String::new()),
            Show::Note if value == 0 => return None,
            Show::Note => (Kind::Note, String::new()),
            Show::Decimal => (Kind::Value, value.to_string()),
            Show::Hex(digits) => (Kind::Value, format!("{value:0digits$x}")),
            Show::Words(table, other) => {
                let word = table.iter().find(|(of, _)| *of == value);
                (Kind::Value, word.map_or(other, |(_, word)| *word).to_owned())
            }
            Show::Text(show) => (Kind::Value, show(value)),
            Show::Computed(show) => (Kind::Value, show(cx, register)),
        };
        let kind = if self.bare { Kind::Bare } else { kind };
        Some(DecodedField {
            name: self.name,
            high: self.high,
            low: self.low,
            value,
            text,
            lead: self.lead,
            kind,
        })
    }
}

/// Bits `high..=low` of `value`.
#[must_use]
pub fn bits(value: u64, high: u8, low: u8) -> u64 {
    let width = u32::from(high.saturating_sub(low)).saturating_add(1);
    let mask = u64::MAX.checked_shr(64_u32.saturating_sub(width)).unwrap_or(0);
    value.checked_shr(u32::from(low)).unwrap_or(0) & mask
}

/// A register: where it stands in its structure, and its rows.
#[derive(Clone, Copy, Debug)]
pub struct Register {
    offset: usize,
    width: u8,
    name: &'static str,
    fields: &'static [Field],
    when: Option<When>,
    unlabelled: bool,
}

impl Register {
    /// `width` bytes at `offset` from the start of the structure.
    #[must_use]
    pub const fn new(offset: usize, width: u8, name: &'static str, fields: &'static [Field]) -> Self {
        Self {
            offset,
            width,
            name,
            fields,
            when: None,
            unlabelled: false,
        }
    }

    /// Printed without its name, where the names of its fields say it all.
    #[must_use]
    pub const fn unlabelled(self) -> Self {
        Self {
            unlabelled: true,
            ..self
        }
    }

    /// The register exists only under this condition.
    #[must_use]
    pub const fn when(self, when: When) -> Self {
        Self {
            when: Some(when),
            ..self
        }
    }

    /// Whether this function has the register at all, as far as its bytes can be read.
    #[must_use]
    pub fn applies(&self, cx: &Context<'_>) -> bool {
        self.when
            .is_none_or(|when| when(cx, cx.peek(self.offset, self.width)))
    }

    /// First byte after the register, from the start of the structure.
    #[must_use]
    pub const fn end(&self) -> usize {
        self.offset.saturating_add(self.width as usize)
    }

    /// The register of this structure; `None` when it does not apply or its bytes are missing.
    #[must_use]
    pub fn decode(&self, cx: &Context<'_>) -> Option<DecodedRegister> {
        self.decode_as(cx, Cow::Borrowed(self.name))
    }

    /// The same under another name, for registers that come in numbers ("VC0", "VC1").
    #[must_use]
    pub fn decode_as(&self, cx: &Context<'_>, name: Cow<'static, str>) -> Option<DecodedRegister> {
        let value = cx.read(self.offset, self.width)?;
        if self.when.is_some_and(|when| !when(cx, value)) {
            return None;
        }
        let offset = u16::try_from(cx.base.checked_add(self.offset)?).ok()?;
        let fields = self.fields.iter().filter_map(|row| row.decode(cx, value)).collect();
        Some(DecodedRegister {
            name,
            offset,
            width: self.width,
            value,
            fields,
            unlabelled: self.unlabelled,
        })
    }
}

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
    /// Its name is not printed.
    pub unlabelled: bool,
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
        if self.unlabelled {
            return self.write_fields(out, first, rest);
        }
        self.write_fields(out, &format!("{first}{}:", self.name), rest)
    }

    /// As [`DecodedRegister::write`], without the register's name.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write_fields(&self, out: &mut dyn fmt::Write, first: &str, rest: &str) -> fmt::Result {
        const WIDTH: usize = 96;
        let mut line = String::from(first);
        let mut lead = "";
        let mut plain = true;
        let mut fresh = true;
        for field in &self.fields {
            let is_plain = matches!(field.kind, Kind::Flag(_));
            let mut item = String::new();
            if field.lead != lead && !field.lead.is_empty() {
                write!(item, "{}: ", field.lead)?;
            }
            write!(item, "{field}")?;
            let comma = !fresh && (field.lead != lead || !plain || !is_plain);
            if comma {
                line.push(',');
            }
            if line.len().saturating_add(item.len()) > WIDTH && !fresh {
                writeln!(out, "{line}")?;
                line = String::from(rest);
                line.push_str(&item);
            } else {
                if !line.ends_with([' ', '\t']) && !line.is_empty() {
                    line.push(' ');
                }
                line.push_str(&item);
            }
            lead = field.lead;
            plain = is_plain;
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

#[cfg(test)]
mod tests {
    use super::*;

    const MIXED: Register = Register::new(0, 4, "Mixed", &[
        flag(0, "A"),
        active_low(1, "B"),
        note(2, "Noted"),
        dec(7, 4, "Count"),
        flag(8, "C").lead("Group"),
        flag(9, "D").lead("Group"),
        hex(31, 16, 4, "Id").bare(),
    ]);

    #[test]
    fn rows_print_as_flags_groups_and_values() {
        let register = MIXED.decode(&Context::new(&[0x35, 0x02, 0xcd, 0xab], 0, 4)).unwrap();
        assert_eq!(register.to_string(), "Mixed: A+ B+, Noted, Count 3, Group: C- D+, abcd");
        assert_eq!(register.bits(31, 16), 0xabcd);
        assert_eq!(register.field("Count").unwrap().value, 3);
    }

    #[test]
    fn register_past_the_end_or_the_limit_is_none() {
        assert!(MIXED.decode(&Context::new(&[0; 3], 0, 4)).is_none());
        assert!(MIXED.decode(&Context::new(&[0; 8], 0, 3)).is_none());
        assert!(MIXED.decode(&Context::new(&[0; 8], usize::MAX, 8)).is_none());
    }

    #[test]
    fn whole_width_and_impossible_bits_do_not_overflow() {
        assert_eq!(bits(u64::MAX, 63, 0), u64::MAX);
        assert_eq!(bits(0xff, 3, 4), 1);
        assert_eq!(bits(1, 70, 64), 0);
    }

    #[test]
    fn json_names_bits_and_value() {
        let register = MIXED.decode(&Context::new(&[0x35, 0x02, 0xcd, 0xab], 0, 4)).unwrap();
        let json = serde_json::to_value(&register).unwrap();
        assert_eq!(json["value"], "0xabcd0235");
        assert_eq!(json["fields"][0]["set"], true);
        assert_eq!(json["fields"][3]["bits"], "7:4");
    }
}
