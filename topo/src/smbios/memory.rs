//! Types 16 and 17: memory arrays and memory devices (DSP0134 3.9.0, 7.17 and 7.18).

use serde::Serialize;

use super::Handle;

/// Type 16, Physical Memory Array: a group of slots.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct MemoryArray {
    /// Handle of the structure.
    pub handle: Handle,
    /// Where the array is, in dmidecode's words ("System Board Or Motherboard").
    pub location: Option<String>,
    /// What it is for ("System Memory", "Flash Memory", …).
    pub usage: Option<String>,
    /// Error correction, in dmidecode's words ("Multi-bit ECC").
    pub error_correction: Option<String>,
    /// Maximum capacity in bytes.
    pub maximum_capacity: Option<u64>,
    /// Number of slots.
    pub slots: Option<u16>,
}

/// Type 17, Memory Device: one slot, populated or not.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct MemoryModule {
    /// Handle of the structure.
    pub handle: Handle,
    /// Handle of its memory array.
    pub array: Option<Handle>,
    /// Total width in bits, with check bits.
    pub total_width: Option<u16>,
    /// Data width in bits.
    pub data_width: Option<u16>,
    /// Size in bytes; `Some(0)` is an empty slot, `None` is "unknown".
    pub size: Option<u64>,
    /// Form factor ("DIMM", "SODIMM", …).
    pub form_factor: Option<String>,
    /// Device locator ("P1-DIMMA1").
    pub locator: Option<String>,
    /// Bank locator ("P0_Node0_Channel0_Dimm0").
    pub bank_locator: Option<String>,
    /// Memory type ("DDR4", "DDR5", "HBM", "Logical non-volatile device", "Flash", …).
    pub kind: Option<String>,
    /// Type detail ("Synchronous Registered (Buffered)").
    pub detail: Option<String>,
    /// Rated speed in MT/s.
    pub speed: Option<u32>,
    /// Configured speed in MT/s.
    pub configured_speed: Option<u32>,
    /// Manufacturer.
    pub manufacturer: Option<String>,
    /// Serial number.
    pub serial: Option<String>,
    /// Asset tag.
    pub asset_tag: Option<String>,
    /// Part number, without the padding.
    pub part: Option<String>,
    /// Ranks.
    pub ranks: Option<u8>,
    /// Memory technology ("DRAM", "Intel Optane DC persistent memory").
    pub technology: Option<String>,
    /// Configured voltage in millivolts.
    pub configured_voltage: Option<u16>,
    /// Non-volatile size in bytes.
    pub non_volatile_size: Option<u64>,
    /// Volatile size in bytes.
    pub volatile_size: Option<u64>,
}
