//! Types 0 to 3: firmware, system, baseboard, chassis (DSP0134 3.9.0, 7.1 to 7.4).

use serde::Serialize;

use super::Handle;

/// Type 0, BIOS Information.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Bios {
    /// Vendor.
    pub vendor: Option<String>,
    /// Version.
    pub version: Option<String>,
    /// Release date as written by the vendor.
    pub date: Option<String>,
}

/// Type 1, System Information.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct System {
    /// Manufacturer.
    pub manufacturer: Option<String>,
    /// Product name.
    pub product: Option<String>,
    /// Version.
    pub version: Option<String>,
    /// Serial number.
    pub serial: Option<String>,
    /// UUID, in dmidecode's spelling.
    pub uuid: Option<String>,
    /// SKU number.
    pub sku: Option<String>,
    /// Family.
    pub family: Option<String>,
}

/// Type 2, Baseboard Information.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Baseboard {
    /// Handle of the structure.
    pub handle: Handle,
    /// Manufacturer.
    pub manufacturer: Option<String>,
    /// Product name.
    pub product: Option<String>,
    /// Version.
    pub version: Option<String>,
    /// Serial number.
    pub serial: Option<String>,
    /// Location in chassis.
    pub location: Option<String>,
}

/// Type 3, Chassis.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Chassis {
    /// Handle of the structure.
    pub handle: Handle,
    /// Manufacturer.
    pub manufacturer: Option<String>,
    /// Type, in dmidecode's words ("Rack Mount Chassis").
    pub kind: Option<String>,
    /// Version.
    pub version: Option<String>,
    /// Serial number.
    pub serial: Option<String>,
}
