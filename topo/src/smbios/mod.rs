//! SMBIOS: the firmware's own inventory of board, sockets, memory modules and slots.
//!
//! From the raw table (`table`) or from the text of `dmidecode` (`text`), both give the same
//! [`Smbios`]. Follows DSP0134 3.9.0. Nothing here knows the machine model.

use schemars::JsonSchema;
use serde::Serialize;

use crate::json::string_schema;

mod channels;
mod decode;
pub mod locator;
pub mod memory;
pub mod processor;
pub mod slot;
pub mod structure;
mod styles;
pub mod system;
pub mod table;
pub mod text;
pub(crate) mod words;

pub use memory::{MemoryArray, MemoryModule};
pub use processor::Processor;
pub use slot::{OnboardDevice, Slot};
pub use system::{Baseboard, Bios, Chassis, System};

/// Number by which structures refer to each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Handle(pub u16);

impl Serialize for Handle {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("0x{:04X}", self.0))
    }
}

string_schema!(Handle, "SMBIOS handle, as 0x0041");

/// What one SMBIOS source says of the machine, in the order of the table.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct Smbios {
    /// Version of the specification, from the entry point or the text's first lines.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<(u8, u8)>,
    /// Type 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bios: Option<Bios>,
    /// Type 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system: Option<System>,
    /// Type 2.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub baseboards: Vec<Baseboard>,
    /// Type 3.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub chassis: Vec<Chassis>,
    /// Type 4.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub processors: Vec<Processor>,
    /// Type 9.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub slots: Vec<Slot>,
    /// Type 16.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub arrays: Vec<MemoryArray>,
    /// Type 17.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub modules: Vec<MemoryModule>,
    /// Types 10 and 41.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub onboard: Vec<OnboardDevice>,
    /// Number of structures met, of every type.
    pub structures: usize,
}
