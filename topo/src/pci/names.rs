//! Names of PCI vendors, devices, subsystems and classes, from the `pci.ids` database.
//!
//! A compact form of one version is part of the library ([`Names::builtin`], no parsing, no
//! allocation, only the pages looked at are read). A newer `pci.ids` of the machine takes its place
//! through [`Names::newest`].
//!
//! ```
//! use topo::pci::names::Names;
//! let names = Names::builtin();
//! assert_eq!(names.device(0x8086, 0x1572), Some("Ethernet Controller X710 for 10GbE SFP+"));
//! ```

mod compile;
mod identify;
mod short;
mod tables;

use std::borrow::Cow;

use self::tables::{Table, Tables};
use super::function::{Class, Function};
use crate::evidence::{Damage, Decoded, Place};
pub use short::{short_device, short_vendor};

static BUILTIN: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/pci-names.bin"));

/// One version of the database.
#[derive(Clone, Debug)]
pub struct Names(Tables);

impl Names {
    /// The version that is part of the library.
    #[must_use]
    pub fn builtin() -> Self {
        Self(Tables::open(Cow::Borrowed(BUILTIN)))
    }

    /// Reads a `pci.ids` file. Lines that cannot be read are damage; the others count.
    #[must_use]
    pub fn parse(text: &[u8]) -> Decoded<Self> {
        let compiled = compile::compile(text);
        let damage = compiled.unread.iter().map(|(line, expected)| Damage {
            what: "line of pci.ids".to_owned(),
            place: Place::Line(*line),
            expected: (*expected).to_owned(),
            seen: "something else".to_owned(),
        });
        Decoded {
            damage: damage.collect(),
            value: Self(Tables::open(Cow::Owned(compiled.tables))),
        }
    }

    /// The builtin version, or `text` when its head says it is newer. Only then is `text` parsed.
    #[must_use]
    pub fn newest(text: &[u8]) -> Decoded<Self> {
        let builtin = Self::builtin();
        match compile::version(text) {
            Some(version) if version.as_str() > builtin.version() => Self::parse(text),
            _ => Decoded::intact(builtin),
        }
    }

    /// Version of the database as its head says it: `2026.10.24`.
    #[must_use]
    pub fn version(&self) -> &str {
        self.0.version()
    }

    /// Name of a vendor.
    #[must_use]
    pub fn vendor(&self, vendor: u16) -> Option<&str> {
        self.0.find(Table::Vendors, &vendor.to_be_bytes())
    }

    /// Name of a device.
    #[must_use]
    pub fn device(&self, vendor: u16, device: u16) -> Option<&str> {
        let [a, b] = vendor.to_be_bytes();
        let [c, d] = device.to_be_bytes();
        self.0.find(Table::Devices, &[a, b, c, d])
    }

    /// Name of a subsystem: a board with this device on it.
    #[must_use]
    pub fn subsystem(&self, vendor: u16, device: u16, subvendor: u16, subdevice: u16) -> Option<&str> {
        let [a, b] = vendor.to_be_bytes();
        let [c, d] = device.to_be_bytes();
        let [e, f] = subvendor.to_be_bytes();
        let [g, h] = subdevice.to_be_bytes();
        self.0.find(Table::Subsystems, &[a, b, c, d, e, f, g, h])
    }

    /// Name of a base class: "Bridge".
    #[must_use]
    pub fn base_class(&self, class: Class) -> Option<&str> {
        let [_, base, _, _] = class.0.to_be_bytes();
        self.0.find(Table::Classes, &[1, base, 0, 0])
    }

    /// Name of a class: "PCI bridge". The base class's name when the subclass has none.
    #[must_use]
    pub fn class(&self, class: Class) -> Option<&str> {
        let [_, base, sub, _] = class.0.to_be_bytes();
        self.0
            .find(Table::Classes, &[2, base, sub, 0])
            .or_else(|| self.base_class(class))
    }

    /// Name of a programming interface: "Normal decode".
    #[must_use]
    pub fn interface(&self, class: Class) -> Option<&str> {
        let [_, base, sub, interface] = class.0.to_be_bytes();
        self.0.find(Table::Classes, &[3, base, sub, interface])
    }

    /// Short name of a function for a box of a picture: what an owner would call it.
    ///
    /// From the ids where they are known and listed, else from the name a text source printed, else
    /// vendor and number: "Intel 0d93".
    #[must_use]
    pub fn short(&self, function: &Function) -> Option<String> {
        let listed = || self.device(function.vendor?, function.device?);
        if let Some(name) = listed() {
            return Some(short_device(name));
        }
        let printed = function
            .name
            .as_deref()
            .map(|name| self.split_printed(name, function.vendor));
        let number = function.device.map(|device| format!("{device:04x}"));
        let vendor = || {
            let by_id = function.vendor.and_then(|vendor| self.vendor(vendor));
            by_id.or(printed.and_then(|(vendor, _)| vendor)).map(short_vendor)
        };
        match (printed, number) {
            (Some((_, device)), _) if !unnamed(device) => Some(short_device(device)),
            (_, Some(number)) => Some(vendor().map_or(number.clone(), |vendor| format!("{vendor} {number}"))),
            _ => vendor(),
        }
    }

    /// Vendor and device of a printed name.
    fn split_printed<'a>(&'a self, name: &'a str, vendor: Option<u16>) -> (Option<&'a str>, &'a str) {
        let known = match vendor.and_then(|vendor| self.vendor(vendor)) {
            Some(vendor) => name.starts_with(vendor).then_some(vendor),
            None => self.vendor_before(name),
        };
        let device = match known {
            Some(vendor) => name.strip_prefix(vendor),
            None => short::after_company(name),
        };
        let vendor = known.or_else(|| Some(name.strip_suffix(device?)?.trim_end()));
        (vendor, device.unwrap_or(name).trim())
    }

    /// The longest vendor name that `text` begins with. Looks at every vendor.
    fn vendor_before<'a>(&self, text: &'a str) -> Option<&'a str> {
        let rest = |name: &[u8]| text.as_bytes().strip_prefix(name).and_then(<[u8]>::first);
        let rows = self.0.rows(Table::Vendors, &[]);
        let begins = rows.filter(|(_, name)| rest(name) == Some(&b' '));
        text.get(..begins.map(|(_, name)| name.len()).max()?)
    }
}

/// Whether a printed device name only says that there is none: "Device", "Device 0d93".
fn unnamed(device: &str) -> bool {
    let number = device.strip_prefix("Device").or(device.strip_prefix("Unknown device"));
    number.is_some_and(|rest| {
        rest.trim().is_empty() || rest.trim().len() == 4 && u16::from_str_radix(rest.trim(), 16).is_ok()
    })
}

#[cfg(test)]
mod tests;
