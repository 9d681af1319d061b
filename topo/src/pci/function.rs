//! One PCI function as one source tells of it: every field may be absent.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Serialize, Serializer};

use super::aer::ErrorCounters;
use crate::json::string_schema;

/// Segment, bus, device and function number: `0000:3b:00.1`.
///
/// The segment ("domain" in Linux) is 32 bits wide: VMD and some clouds use more than 16.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Bdf {
    /// PCI segment group, `domain` in Linux.
    pub domain: u32,
    /// Bus number.
    pub bus: u8,
    /// Device number, 0 to 31.
    pub device: u8,
    /// Function number, 0 to 7.
    pub function: u8,
}

impl fmt::Display for Bdf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:04x}:{:02x}:{:02x}.{:x}",
            self.domain, self.bus, self.device, self.function
        )
    }
}

impl fmt::Debug for Bdf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Bdf {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

string_schema!(
    Bdf,
    "PCI address: domain, bus, device, function in hexadecimal, as 0000:3b:00.1"
);

/// A text that is not `[domain:]bus:device.function` in hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected [domain:]bus:device.function in hexadecimal, as 0000:3b:00.1; seen {0:?}")]
pub struct BadBdf(pub String);

impl FromStr for Bdf {
    type Err = BadBdf;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse_bdf(text).ok_or_else(|| BadBdf(text.chars().take(40).collect()))
    }
}

fn parse_bdf(text: &str) -> Option<Bdf> {
    let (rest, function) = text.rsplit_once('.')?;
    let (rest, device) = rest.rsplit_once(':')?;
    let (domain, bus) = rest.rsplit_once(':').unwrap_or(("0", rest));
    let hex = |digits: &str, most: usize| {
        let plain = !digits.is_empty() && digits.len() <= most && digits.bytes().all(|b| b.is_ascii_hexdigit());
        if plain {
            u32::from_str_radix(digits, 16).ok()
        } else {
            None
        }
    };
    let bdf = Bdf {
        domain: hex(domain, 8)?,
        bus: u8::try_from(hex(bus, 2)?).ok()?,
        device: u8::try_from(hex(device, 2)?).ok()?,
        function: u8::try_from(hex(function, 1)?).ok()?,
    };
    (bdf.device < 32 && bdf.function < 8).then_some(bdf)
}

/// The 24-bit class code: base class, subclass, programming interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Class(pub u32);

impl Class {
    /// Base class and subclass: `0x0604` for a PCI-to-PCI bridge.
    #[must_use]
    pub const fn kind(self) -> u32 {
        self.0 >> 8
    }

    /// Base class: `0x03` for display controllers.
    #[must_use]
    pub const fn base(self) -> u32 {
        self.0 >> 16
    }
}

impl Serialize for Class {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("0x{:06x}", self.0))
    }
}

string_schema!(Class, "24-bit class code, as 0x060400");

/// Speed and width of a PCI Express link. 0 is never stored: a link that is down is `None`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
pub struct LinkState {
    /// Transfer rate of a lane in units of 100 MT/s: 25, 50, 80, 160, 320, 640, 1280.
    pub speed: u32,
    /// Number of lanes.
    pub width: u32,
}

/// The link of one function as that function's registers say it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Link {
    /// What this end can do (Link Capabilities).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capability: Option<LinkState>,
    /// What is trained (Link Status); `None` when nothing is trained or it was not told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<LinkState>,
    /// The register was there and said "no link" (width 0), as on an empty port.
    pub down: bool,
}

/// Device/port type of the PCI Express capability (PCIe 6.0, 7.5.3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PortType {
    /// PCI Express endpoint.
    Endpoint,
    /// Legacy PCI Express endpoint.
    LegacyEndpoint,
    /// Root port of a root complex.
    RootPort,
    /// Upstream port of a switch.
    UpstreamPort,
    /// Downstream port of a switch.
    DownstreamPort,
    /// PCI Express to PCI/PCI-X bridge.
    PciBridge,
    /// PCI/PCI-X to PCI Express bridge.
    PcieBridge,
    /// Root-complex-integrated endpoint: it has no link.
    IntegratedEndpoint,
    /// Root complex event collector.
    EventCollector,
    /// A value the specification does not name.
    Unknown(u8),
}

/// Bus numbers of a PCI-to-PCI or CardBus bridge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Buses {
    /// Bus on the upstream side.
    pub primary: u8,
    /// First bus below.
    pub secondary: u8,
    /// Last bus below.
    pub subordinate: u8,
}

/// What one source says of one function. `None` means: this source does not say.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct Function {
    /// Address.
    pub bdf: Bdf,
    /// Vendor ID.
    #[serde(serialize_with = "crate::json::hex", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub vendor: Option<u16>,
    /// Device ID.
    #[serde(serialize_with = "crate::json::hex", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub device: Option<u16>,
    /// Subsystem vendor ID.
    #[serde(serialize_with = "crate::json::hex", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub subsystem_vendor: Option<u16>,
    /// Subsystem (device) ID.
    #[serde(serialize_with = "crate::json::hex", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub subsystem_device: Option<u16>,
    /// Class code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class: Option<Class>,
    /// Revision ID.
    #[serde(serialize_with = "crate::json::hex", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub revision: Option<u8>,
    /// Header type without the multi-function bit: 0 endpoint, 1 bridge, 2 CardBus.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header_type: Option<u8>,
    /// Class name as a text source printed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class_name: Option<String>,
    /// Vendor and device name as a text source printed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Subsystem name as a text source printed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subsystem_name: Option<String>,
    /// Bus numbers, for bridges.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub buses: Option<Buses>,
    /// PCI Express device/port type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port_type: Option<PortType>,
    /// PCI Express link.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link: Option<Link>,
    /// Max payload size in bytes: what is set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_payload: Option<u32>,
    /// Max payload size in bytes: what is supported.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_payload_supported: Option<u32>,
    /// Max read request size in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_read_request: Option<u32>,
    /// Physical slot number of the Slot Capabilities register (ports with a slot).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slot_number: Option<u32>,
    /// Presence Detect State of the Slot Status register (ports with a slot).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slot_occupied: Option<bool>,
    /// Physical slot as the kernel names it (`Physical Slot:`, `/sys/bus/pci/slots`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub physical_slot: Option<String>,
    /// Firmware's label (`DeviceName:`, sysfs `label`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// SR-IOV: total number of VFs the PF can have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vfs_total: Option<u16>,
    /// SR-IOV: number of VFs enabled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vfs_enabled: Option<u16>,
    /// SR-IOV: First VF Offset and VF Stride, from one routing ID to the next.
    #[serde(skip)]
    pub vf_routing: Option<(u16, u16)>,
    /// SR-IOV: the PF of this VF.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub physical_function: Option<Bdf>,
    /// Device serial number capability.
    #[serde(serialize_with = "crate::json::hex", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub serial: Option<u64>,
    /// NUMA node of the function; the kernel's -1 is `Some(-1)`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub numa_node: Option<i32>,
    /// Linux CPUs local to the function, as the kernel's list ("0-7,16-23").
    #[serde(skip_serializing_if = "Option::is_none")]
    pub local_cpus: Option<String>,
    /// Errors the kernel counted (AER).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub errors: Option<ErrorCounters>,
    /// IOMMU group.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iommu_group: Option<u32>,
    /// Bound kernel driver.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub driver: Option<String>,
    /// Names of OS devices: `eth0`, `nvme0n1`, `mlx5_0`, `card0`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub os_names: Vec<String>,
    /// Bridge above, where the source gives the path rather than bus numbers (sysfs).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<Bdf>,
    /// Bytes of configuration space: 64, 256 or 4096, or fewer when damaged.
    #[serde(skip)]
    pub config: Option<Vec<u8>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bdf_reads_every_spelling_and_refuses_the_rest() {
        let bdf: Bdf = "10000:01:1f.7".parse().unwrap();
        assert_eq!(bdf.to_string(), "10000:01:1f.7");
        assert_eq!("3b:00.1".parse::<Bdf>().unwrap().to_string(), "0000:3b:00.1");
        for bad in [
            "",
            "3b",
            "3b:20.0",
            "00:1d.9",
            "3b:00",
            "0000:+1:00.0",
            "x:y.z",
            "123456789:00:00.0",
        ] {
            assert!(bad.parse::<Bdf>().is_err(), "{bad}");
        }
    }
}
