//! `lspci -vmm` and `-vm`: one `Key:<tab>value` per line, an empty line behind each function.

use super::super::function::{Bdf, Function};
use super::Facts;
use super::bytes::{hex2, some, string};
use super::slot::address;
use super::title::{named, named_pair, set_class};

/// The fields of one record that only make sense together.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Record<'a> {
    class: &'a [u8],
    vendor: &'a [u8],
    device: &'a [u8],
    subsystem_vendor: &'a [u8],
    subsystem_device: &'a [u8],
    interface: Option<u8>,
}

/// Key and value of a line of a record.
pub(super) fn field(line: &[u8]) -> Option<(&str, &[u8])> {
    let at = line.iter().take(12).position(|byte| *byte == b':')?;
    let (key, value) = line.split_at_checked(at)?;
    let value = value.strip_prefix(b":")?;
    let key = std::str::from_utf8(key).ok()?;
    let known = matches!(
        key,
        "Slot"
            | "Class"
            | "Vendor"
            | "Device"
            | "SVendor"
            | "SDevice"
            | "PhySlot"
            | "Rev"
            | "ProgIf"
            | "Driver"
            | "Module"
            | "NUMANode"
            | "IOMMUGroup"
            | "DTNode"
            | "Label"
    );
    (known && value.first().is_none_or(u8::is_ascii_whitespace)).then(|| (key, value.trim_ascii()))
}

/// The address, when this field opens a record. `-vm` calls it `Device`.
pub(super) fn opens(key: &str, value: &[u8]) -> Option<Option<Bdf>> {
    match key {
        "Slot" => Some(address(value)),
        "Device" if value.len() >= 7 => address(value).map(Some),
        _ => None,
    }
}

impl<'a> Record<'a> {
    /// Takes one field.
    pub(super) fn take(&mut self, key: &str, value: &'a [u8], function: &mut Function, facts: &mut Facts) {
        let number = || std::str::from_utf8(value).ok();
        match key {
            "Class" => self.class = value,
            "Vendor" => self.vendor = value,
            "Device" => self.device = value,
            "SVendor" => self.subsystem_vendor = value,
            "SDevice" => self.subsystem_device = value,
            "PhySlot" => function.physical_slot = some(value),
            "Label" => function.label = some(value),
            "Rev" => function.revision = hex2(value),
            "ProgIf" => self.interface = hex2(value),
            "Driver" => function.driver = some(value),
            "Module" => facts.modules.push(string(value)),
            "NUMANode" => function.numa_node = number().and_then(|text| text.parse().ok()),
            "IOMMUGroup" => function.iommu_group = number().and_then(|text| text.parse().ok()),
            _ => {}
        }
    }

    /// Puts the fields together when the record is complete.
    pub(super) fn finish(self, function: &mut Function, facts: &mut Facts) {
        set_class(self.class, self.interface, function, facts);
        (function.name, function.vendor, function.device) = named_pair(self.vendor, self.device);
        let subsystem = (named(self.subsystem_vendor), named(self.subsystem_device));
        (function.subsystem_vendor, function.subsystem_device) = (subsystem.0.1, subsystem.1.1);
        function.subsystem_name = named_pair(self.subsystem_vendor, self.subsystem_device).0;
    }
}
