//! SMBIOS: the firmware's own inventory of board, sockets, memory modules and slots.
//!
//! From the raw table (`table`) or from the text of `dmidecode` (`text`), both give the same
//! [`Smbios`]. Follows DSP0134 3.9.0. Nothing here knows the machine model.

use serde::Serialize;

mod decode;
pub mod locator;
pub mod memory;
pub mod processor;
pub mod slot;
pub mod structure;
pub mod system;
pub mod table;
pub mod text;
mod words;

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

/// What one SMBIOS source says of the machine, in the order of the table.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Smbios {
    /// Version of the specification, from the entry point or the text's first lines.
    pub version: Option<(u8, u8)>,
    /// Type 0.
    pub bios: Option<Bios>,
    /// Type 1.
    pub system: Option<System>,
    /// Type 2.
    pub baseboards: Vec<Baseboard>,
    /// Type 3.
    pub chassis: Vec<Chassis>,
    /// Type 4.
    pub processors: Vec<Processor>,
    /// Type 9.
    pub slots: Vec<Slot>,
    /// Type 16.
    pub arrays: Vec<MemoryArray>,
    /// Type 17.
    pub modules: Vec<MemoryModule>,
    /// Types 10 and 41.
    pub onboard: Vec<OnboardDevice>,
    /// Number of structures met, of every type.
    pub structures: usize,
}
