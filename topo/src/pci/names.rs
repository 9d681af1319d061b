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
mod short;

use std::borrow::Cow;

use self::compile::OFFSET;
use super::function::{Class, Function};
use crate::evidence::{Damage, Decoded, Place};
pub use short::{short_device, short_vendor};

static BUILTIN: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/pci-names.bin"));

/// Key lengths of the four tables, in their order.
const KEYS: [usize; 4] = [2, 4, 8, 4];

/// One version of the database.
#[derive(Clone, Debug)]
pub struct Names {
    data: Cow<'static, [u8]>,
    version: (usize, usize),
    tables: [(usize, usize); 4],
    strings: usize,
}

#[derive(Clone, Copy)]
enum Table {
    Vendors,
    Devices,
    Subsystems,
    Classes,
}

impl Names {
    /// The version that is part of the library.
    #[must_use]
    pub fn builtin() -> Self {
        Self::open(Cow::Borrowed(BUILTIN))
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
            value: Self::open(Cow::Owned(compiled.tables)),
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
        let bytes = self.data.get(self.version.0..self.version.1).unwrap_or_default();
        std::str::from_utf8(bytes).unwrap_or_default()
    }

    /// Name of a vendor.
    #[must_use]
    pub fn vendor(&self, vendor: u16) -> Option<&str> {
        self.find(Table::Vendors, &vendor.to_be_bytes())
    }

    /// Name of a device.
    #[must_use]
    pub fn device(&self, vendor: u16, device: u16) -> Option<&str> {
        let [a, b] = vendor.to_be_bytes();
        let [c, d] = device.to_be_bytes();
        self.find(Table::Devices, &[a, b, c, d])
    }

    /// Name of a subsystem: a board with this device on it.
    #[must_use]
    pub fn subsystem(&self, vendor: u16, device: u16, subvendor: u16, subdevice: u16) -> Option<&str> {
        let [a, b] = vendor.to_be_bytes();
        let [c, d] = device.to_be_bytes();
        let [e, f] = subvendor.to_be_bytes();
        let [g, h] = subdevice.to_be_bytes();
        self.find(Table::Subsystems, &[a, b, c, d, e, f, g, h])
    }

    /// Name of a base class: "Bridge".
    #[must_use]
    pub fn base_class(&self, class: Class) -> Option<&str> {
        let [_, base, _, _] = class.0.to_be_bytes();
        self.find(Table::Classes, &[1, base, 0, 0])
    }

    /// Name of a class: "PCI bridge". The base class's name when the subclass has none.
    #[must_use]
    pub fn class(&self, class: Class) -> Option<&str> {
        let [_, base, sub, _] = class.0.to_be_bytes();
        self.find(Table::Classes, &[2, base, sub, 0])
            .or_else(|| self.base_class(class))
    }

    /// Name of a programming interface: "Normal decode".
    #[must_use]
    pub fn interface(&self, class: Class) -> Option<&str> {
        let [_, base, sub, interface] = class.0.to_be_bytes();
        self.find(Table::Classes, &[3, base, sub, interface])
    }

    /// Short name of a function for a box of a picture: what an owner would call it.
    ///
    /// From the ids where they are known and listed, else from the name a text source printed.
    #[must_use]
    pub fn short(&self, function: &Function) -> Option<String> {
        let listed = || self.device(function.vendor?, function.device?);
        if let Some(name) = listed() {
            return Some(short_device(name));
        }
        let name = function.name.as_deref()?;
        let vendor = match function.vendor {
            Some(vendor) => self.vendor(vendor).filter(|vendor| name.starts_with(vendor)),
            None => self.vendor_before(name),
        };
        let device = vendor
            .and_then(|vendor| name.strip_prefix(vendor))
            .unwrap_or(name)
            .trim();
        (!device.is_empty()).then(|| short_device(device))
    }

    /// The longest vendor name that `text` begins with. Looks at every vendor.
    fn vendor_before(&self, text: &str) -> Option<&str> {
        let follows = |name: &&str| text.strip_prefix(*name).is_some_and(|rest| rest.starts_with(' '));
        let (start, end) = *self.tables.first()?;
        let rows = self.data.get(start..end)?;
        rows.chunks_exact(KEYS.first()?.checked_add(OFFSET)?)
            .filter_map(|row| self.string(row.get(*KEYS.first()?..)?))
            .filter(follows)
            .max_by_key(|name| name.len())
    }

    /// Finds where the tables are. Sizes are checked here, so that lookups cannot leave the data.
    fn open(data: Cow<'static, [u8]>) -> Self {
        let version_end = usize::from(data.first().copied().unwrap_or(0)).saturating_add(1);
        let mut at = version_end.saturating_add(16);
        let mut tables = [(0, 0); 4];
        for (number, (table, key)) in tables.iter_mut().zip(KEYS).enumerate() {
            let place = version_end.saturating_add(number.saturating_mul(4));
            let count = data.get(place..).and_then(|rest| rest.first_chunk::<4>().copied());
            let rows = usize::try_from(u32::from_be_bytes(count.unwrap_or_default())).unwrap_or(0);
            let end = at.saturating_add(rows.saturating_mul(key.saturating_add(OFFSET)));
            *table = (at, end.min(data.len()));
            at = end;
        }
        Self {
            data,
            version: (1, version_end),
            tables,
            strings: at,
        }
    }

    fn find(&self, table: Table, key: &[u8]) -> Option<&str> {
        let place = match table {
            Table::Vendors => 0,
            Table::Devices => 1,
            Table::Subsystems => 2,
            Table::Classes => 3,
        };
        let (start, end) = *self.tables.get(place)?;
        let rows = self.data.get(start..end)?;
        let width = key.len().checked_add(OFFSET)?;
        let row = |at: usize| rows.get(at.checked_mul(width)?..)?.get(..width);
        let (mut low, mut high) = (0, rows.len().checked_div(width)?);
        while low < high {
            let middle = low.midpoint(high);
            let (here, name) = row(middle)?.split_at_checked(key.len())?;
            match here.cmp(key) {
                std::cmp::Ordering::Equal => return self.string(name),
                std::cmp::Ordering::Less => low = middle.checked_add(1)?,
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        None
    }

    fn string(&self, offset: &[u8]) -> Option<&str> {
        let at = offset
            .iter()
            .fold(0_usize, |value, byte| value << 8 | usize::from(*byte));
        let (length, text) = self.data.get(self.strings.checked_add(at)?..)?.split_first()?;
        std::str::from_utf8(text.get(..usize::from(*length))?).ok()
    }
}

#[cfg(test)]
mod tests;
