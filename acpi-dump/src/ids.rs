//! Newtypes for the numbers the tables join on.

use std::fmt;

use schemars::JsonSchema;
use serde::{Serialize, Serializer};

/// Local APIC or x2APIC identifier of a logical CPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
pub struct ApicId(pub u32);

/// ACPI processor UID: what a `Processor`/`Device` object of the namespace is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
pub struct ProcessorUid(pub u32);

/// Affinity register of an Arm CPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mpidr(pub u64);

/// Proximity domain: the firmware's number of a NUMA node. Operating systems may number nodes otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
pub struct ProximityDomain(pub u32);

/// PCI segment group (Linux: domain).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
pub struct Segment(pub u16);

/// Guest or host physical address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Gpa(pub u64);

/// Segment, bus, device and function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PciAddress {
    /// Segment group.
    pub segment: Segment,
    /// Bus number.
    pub bus: u8,
    /// Device number, 0 to 31.
    pub device: u8,
    /// Function number, 0 to 7.
    pub function: u8,
}

impl PciAddress {
    /// From the 16-bit requester identifier: bus in the high byte, device in bits 7 to 3.
    #[must_use]
    pub fn from_requester(segment: Segment, requester: u16) -> Self {
        let [low, bus] = requester.to_le_bytes();
        Self {
            segment,
            bus,
            device: low >> 3,
            function: low & 7,
        }
    }
}

impl fmt::Display for PciAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:04x}:{:02x}:{:02x}.{:x}",
            self.segment.0, self.bus, self.device, self.function
        )
    }
}

impl fmt::Display for Gpa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

crate::json::string_schema!(Gpa, "0x and 16 digits");

impl Serialize for Gpa {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:#018x}", self.0))
    }
}

crate::json::string_schema!(Mpidr, "0x and 16 digits");

impl Serialize for Mpidr {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:#018x}", self.0))
    }
}

crate::json::string_schema!(PciAddress, "segment, bus, device, function: 0000:00:1f.2");

impl Serialize for PciAddress {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requester_id_splits_into_bus_device_function() {
        let address = PciAddress::from_requester(Segment(1), 0xc3a5);
        assert_eq!(address.to_string(), "0001:c3:14.5");
    }
}
