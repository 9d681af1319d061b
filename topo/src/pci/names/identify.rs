//! The way back: from names that a text printed to numbers.

use std::collections::HashMap;

use super::super::function::{Class, Function};
use super::tables::Table;
use super::{Names, short};

/// Numbers by name; `None` for a name that several numbers have.
type Numbers<'a> = HashMap<&'a [u8], Option<u16>>;

impl Names {
    /// Fills what a text without numbers leaves open, where the printed names are unambiguous: the
    /// class (programming interface 0), the vendor ID and the device ID.
    ///
    /// Names change from version to version of the database; what is not found stays open.
    pub fn identify(&self, functions: &mut [Function]) {
        let told =
            |function: &Function| function.class.is_some() && function.vendor.is_some() && function.device.is_some();
        if functions.iter().all(told) {
            return;
        }
        let classes = self.numbers(Table::Classes, &[2]);
        let vendors = self.numbers(Table::Vendors, &[]);
        let mut devices: HashMap<u16, Numbers<'_>> = HashMap::new();
        for function in functions {
            let class = function
                .class_name
                .as_ref()
                .and_then(|name| *classes.get(name.as_bytes())?);
            function.class = function.class.or(class.map(|kind| Class(u32::from(kind) << 8)));
            let Some(printed) = function.name.as_deref() else {
                continue;
            };
            let Some((vendor, device)) = self.known_vendor(printed, function.vendor, &vendors) else {
                continue;
            };
            if function.device.is_none() {
                let named = devices
                    .entry(vendor)
                    .or_insert_with(|| self.numbers(Table::Devices, &vendor.to_be_bytes()));
                function.device = named.get(device.as_bytes()).copied().flatten();
            }
            function.vendor = Some(vendor);
        }
    }

    /// The last two bytes of the keys behind `prefix`, by name. Of a class: base class and subclass.
    fn numbers(&self, table: Table, prefix: &[u8]) -> Numbers<'_> {
        let mut numbers = Numbers::new();
        for (key, name) in self.0.rows(table, prefix) {
            let code = key.strip_prefix(prefix).and_then(|code| code.first_chunk::<2>());
            if let Some(code) = code {
                let number = u16::from_be_bytes(*code);
                numbers
                    .entry(name)
                    .and_modify(|known| *known = None)
                    .or_insert(Some(number));
            }
        }
        numbers
    }

    /// Vendor ID and device name of a printed name.
    fn known_vendor<'a>(&self, printed: &'a str, vendor: Option<u16>, vendors: &Numbers<'_>) -> Option<(u16, &'a str)> {
        if let Some(vendor) = vendor {
            let rest = self.vendor(vendor).and_then(|name| printed.strip_prefix(name));
            return Some((vendor, rest.or_else(|| short::after_company(printed))?.trim_start()));
        }
        printed.match_indices(' ').rev().find_map(|(at, _)| {
            let (front, rest) = printed.split_at_checked(at)?;
            Some(((*vendors.get(front.as_bytes())?)?, rest.trim_start()))
        })
    }
}
