//! Types 9, 10 and 41: system slots and onboard devices (DSP0134 3.9.0, 7.10, 7.11, 7.42).

use schemars::JsonSchema;
use serde::Serialize;

use super::Handle;
use crate::pci::function::Bdf;

/// Type 9, System Slots: one expansion slot or bay.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct Slot {
    /// Handle of the structure.
    pub handle: Handle,
    /// Designation printed on the board ("SLOT9", "PCIe Slot 3").
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Slot type, in dmidecode's words without its width prefix ("PCI Express 4 x16").
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// PCI Express generation promised by the type: 1 to 6.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generation: Option<u8>,
    /// Connector size promised by the type ("x16" in "PCI Express 4 x16"), in lanes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connector_lanes: Option<u8>,
    /// Electrical width promised by the data bus width field, in lanes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_lanes: Option<u8>,
    /// Usage as given ("In Use", "Available", "Unavailable", "Unknown").
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<String>,
    /// Slot ID.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<u16>,
    /// Bus address as given; placeholders are given as they stand, see [`Slot::is_placeholder`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bdf: Option<Bdf>,
}

impl Slot {
    /// Whether the address is one of those that firmware writes when it has none:
    /// `0000:ff:1f.7` and `0000:00:00.0`.
    #[must_use]
    pub fn is_placeholder(&self) -> bool {
        self.bdf.is_some_and(|bdf| {
            (bdf.bus == 0xff && bdf.device == 0x1f && bdf.function == 7)
                || (bdf.bus == 0 && bdf.device == 0 && bdf.function == 0)
        })
    }
}

/// Type 41 (or one entry of type 10): a device soldered to the board.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct OnboardDevice {
    /// Handle of the structure.
    pub handle: Handle,
    /// Designation ("Onboard LAN 1").
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Kind ("Ethernet", "Video").
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Whether the device is enabled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Type instance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance: Option<u8>,
    /// Bus address (type 41 only).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bdf: Option<Bdf>,
}
