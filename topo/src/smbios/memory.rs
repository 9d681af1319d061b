//! Types 16 and 17: memory arrays and memory devices (DSP0134 3.9.0, 7.17 and 7.18).

use schemars::JsonSchema;
use serde::Serialize;

use super::Handle;

/// Type 16, Physical Memory Array: a group of slots.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct MemoryArray {
    /// Handle of the structure.
    pub handle: Handle,
    /// Where the array is, in dmidecode's words ("System Board Or Motherboard").
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// What it is for ("System Memory", "Flash Memory", …).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<String>,
    /// Error correction, in dmidecode's words ("Multi-bit ECC").
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_correction: Option<String>,
    /// Maximum capacity in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub maximum_capacity: Option<u64>,
    /// Number of slots.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slots: Option<u16>,
}

/// Type 17, Memory Device: one slot, populated or not.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct MemoryModule {
    /// Handle of the structure.
    pub handle: Handle,
    /// Handle of its memory array.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub array: Option<Handle>,
    /// Total width in bits, with check bits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total_width: Option<u16>,
    /// Data width in bits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_width: Option<u16>,
    /// Size in bytes; `Some(0)` is an empty slot, `None` is "unknown".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// Form factor ("DIMM", "SODIMM", …).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub form_factor: Option<String>,
    /// Device locator ("P1-DIMMA1").
    #[serde(skip_serializing_if = "Option::is_none")]
    pub locator: Option<String>,
    /// Bank locator ("P0_Node0_Channel0_Dimm0").
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bank_locator: Option<String>,
    /// Memory type ("DDR4", "DDR5", "HBM", "Logical non-volatile device", "Flash", …).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Type detail ("Synchronous Registered (Buffered)").
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Rated speed in MT/s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub speed: Option<u32>,
    /// Configured speed in MT/s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub configured_speed: Option<u32>,
    /// Manufacturer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manufacturer: Option<String>,
    /// Serial number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
    /// Asset tag.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asset_tag: Option<String>,
    /// Part number, without the padding.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub part: Option<String>,
    /// Ranks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ranks: Option<u8>,
    /// Memory technology ("DRAM", "Intel Optane DC persistent memory").
    #[serde(skip_serializing_if = "Option::is_none")]
    pub technology: Option<String>,
    /// Configured voltage in millivolts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub configured_voltage: Option<u16>,
    /// Non-volatile size in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub non_volatile_size: Option<u64>,
    /// Volatile size in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volatile_size: Option<u64>,
}
