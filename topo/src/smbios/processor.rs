//! Type 4: processor sockets (DSP0134 3.9.0, 7.5).

use serde::Serialize;

use super::Handle;

/// Type 4, Processor Information: one socket, populated or not.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Processor {
    /// Handle of the structure.
    pub handle: Handle,
    /// Socket designation ("CPU1", "P0", "Proc 1").
    pub socket: Option<String>,
    /// Status bit 6: the socket is populated.
    pub populated: Option<bool>,
    /// Manufacturer string.
    pub manufacturer: Option<String>,
    /// Version string: usually the model name.
    pub version: Option<String>,
    /// Maximum speed in MHz.
    pub max_speed: Option<u16>,
    /// Current speed in MHz.
    pub current_speed: Option<u16>,
    /// Socket type ("Socket SP3"), in dmidecode's words.
    pub upgrade: Option<String>,
    /// Cores.
    pub cores: Option<u16>,
    /// Cores enabled.
    pub cores_enabled: Option<u16>,
    /// Threads.
    pub threads: Option<u16>,
    /// Processor ID field, 8 bytes (x86: CPUID 1 EAX, EDX).
    pub id: Option<u64>,
    /// Serial number.
    pub serial: Option<String>,
    /// Part number.
    pub part: Option<String>,
    /// Asset tag.
    pub asset_tag: Option<String>,
}
