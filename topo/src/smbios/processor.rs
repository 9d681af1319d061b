//! Type 4: processor sockets (DSP0134 3.9.0, 7.5).

use schemars::JsonSchema;
use serde::Serialize;

use super::Handle;

/// Type 4, Processor Information: one socket, populated or not.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct Processor {
    /// Handle of the structure.
    pub handle: Handle,
    /// Socket designation ("CPU1", "P0", "Proc 1").
    #[serde(skip_serializing_if = "Option::is_none")]
    pub socket: Option<String>,
    /// Status bit 6: the socket is populated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub populated: Option<bool>,
    /// Manufacturer string.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manufacturer: Option<String>,
    /// Version string: usually the model name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Maximum speed in MHz.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_speed: Option<u16>,
    /// Current speed in MHz.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current_speed: Option<u16>,
    /// Socket type ("Socket SP3"), in dmidecode's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upgrade: Option<String>,
    /// Cores.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cores: Option<u16>,
    /// Cores enabled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cores_enabled: Option<u16>,
    /// Threads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threads: Option<u16>,
    /// Processor ID field, 8 bytes (x86: CPUID 1 EAX, EDX).
    #[serde(serialize_with = "crate::json::hex", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub id: Option<u64>,
    /// Serial number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
    /// Part number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub part: Option<String>,
    /// Asset tag.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asset_tag: Option<String>,
}
