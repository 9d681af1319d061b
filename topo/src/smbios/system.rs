//! Types 0 to 3: firmware, system, baseboard, chassis (DSP0134 3.9.0, 7.1 to 7.4).

use schemars::JsonSchema;
use serde::Serialize;

use super::Handle;

/// Type 0, BIOS Information.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct Bios {
    /// Vendor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vendor: Option<String>,
    /// Version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Release date as written by the vendor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub date: Option<String>,
}

/// Type 1, System Information.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct System {
    /// Manufacturer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manufacturer: Option<String>,
    /// Product name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub product: Option<String>,
    /// Version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Serial number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
    /// UUID, in dmidecode's spelling.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uuid: Option<String>,
    /// SKU number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sku: Option<String>,
    /// Family.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub family: Option<String>,
}

/// Type 2, Baseboard Information.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct Baseboard {
    /// Handle of the structure.
    pub handle: Handle,
    /// Manufacturer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manufacturer: Option<String>,
    /// Product name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub product: Option<String>,
    /// Version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Serial number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
    /// Location in chassis.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
}

/// Type 3, Chassis.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct Chassis {
    /// Handle of the structure.
    pub handle: Handle,
    /// Manufacturer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manufacturer: Option<String>,
    /// Type, in dmidecode's words ("Rack Mount Chassis").
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Serial number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
}
