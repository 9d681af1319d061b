//! What a link can do, what it does, how much that is per second; and the typed facts of
//! configuration space that the machine model needs.
//!
//! Follows PCIe 6.0, 7.5.3 (registers) and 4.2 (encodings): 8b/10b up to 5 GT/s, 128b/130b up to
//! 32 GT/s, and flits of 256 bytes with 236 of TLPs above.
//!
//! ```
//! use topo::pci::function::LinkState;
//!
//! let link = LinkState { speed: 160, width: 16 };
//! assert_eq!(link.to_string(), "16 GT/s ×16");
//! assert_eq!(link.generation(), Some(4));
//! assert!((link.gigabytes_per_second() - 31.508).abs() < 0.001);
//! ```

use std::fmt;

use super::bits::DecodedRegister;
use super::caps::express;
use super::config::Config;
use super::ecaps;
use super::function::{Buses, Function, Link, LinkState, PortType};

/// Speed of a link speed code (bit position in the Supported Link Speeds Vector, from 1), in
/// units of 100 MT/s; `None` for codes the specification reserves.
#[must_use]
pub const fn speed_of_code(code: u64) -> Option<u32> {
    match code {
        1 => Some(25),
        2 => Some(50),
        3 => Some(80),
        4 => Some(160),
        5 => Some(320),
        6 => Some(640),
        7 => Some(1280),
        _ => None,
    }
}

impl LinkState {
    /// Generation of PCI Express that brought this speed.
    #[must_use]
    pub const fn generation(self) -> Option<u32> {
        match self.speed {
            25 => Some(1),
            50 => Some(2),
            80 => Some(3),
            160 => Some(4),
            320 => Some(5),
            640 => Some(6),
            1280 => Some(7),
            _ => None,
        }
    }

    /// Gigabytes (10^9) per second and direction, line encoding taken off, packets not.
    #[must_use]
    pub fn gigabytes_per_second(self) -> f64 {
        let encoding = match self.speed {
            0..=50 => 8.0 / 10.0,
            51..=320 => 128.0 / 130.0,
            _ => 236.0 / 256.0,
        };
        f64::from(self.speed) / 10.0 * f64::from(self.width) * encoding / 8.0
    }

    /// Share of [`LinkState::gigabytes_per_second`] that is payload when every packet carries
    /// `payload` bytes behind a header of 12; 0 to 1. In flit mode packets have no framing of
    /// their own.
    #[must_use]
    pub fn payload_share(self, payload: u32) -> f64 {
        let framing = if self.speed > 320 { 0.0 } else { 8.0 };
        let payload = f64::from(payload);
        payload / (payload + 12.0 + framing)
    }

    /// The best that both ends of a link can do.
    #[must_use]
    pub fn common(self, other: Self) -> Self {
        Self {
            speed: self.speed.min(other.speed),
            width: self.width.min(other.width),
        }
    }

    /// `16 GT/s`, `2.5 GT/s`.
    #[must_use]
    pub fn speed_words(self) -> String {
        match (self.speed / 10, self.speed % 10) {
            (whole, 0) => format!("{whole} GT/s"),
            (whole, tenth) => format!("{whole}.{tenth} GT/s"),
        }
    }

    /// `Gen4 ×16`; without a generation the speed stands there.
    #[must_use]
    pub fn generation_words(self) -> String {
        match self.generation() {
            Some(generation) => format!("Gen{generation} ×{}", self.width),
            None => self.to_string(),
        }
    }
}

impl fmt::Display for LinkState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ×{}", self.speed_words(), self.width)
    }
}

/// Speed and width fields, which Link Capabilities and Link Status have at the same bits.
fn state(register: &DecodedRegister) -> Option<LinkState> {
    let width = u32::try_from(register.bits(9, 4)).ok().filter(|width| *width != 0)?;
    Some(LinkState {
        speed: speed_of_code(register.bits(3, 0))?,
        width,
    })
}

/// Capability and status of the link of this function; `None` when it has no link.
///
/// A status whose width is 0 is a link that is down, as on an empty port.
#[must_use]
pub fn link(config: &Config) -> Option<Link> {
    // the register block is there, but a root-complex-integrated function has no link (7.5.3.6)
    if matches!(
        config.port_type(),
        Some(PortType::IntegratedEndpoint | PortType::EventCollector)
    ) {
        return None;
    }
    let capability = config.express("LnkCap")?;
    let status = config.express("LnkSta");
    Some(Link {
        capability: state(capability),
        status: status.and_then(state),
        down: status.is_some_and(|status| status.bits(9, 4) == 0),
    })
}

/// Every speed the port supports, lowest first, from Link Capabilities 2; where that register is
/// not there (before PCIe 3.0), all up to the maximum of Link Capabilities.
#[must_use]
pub fn supported_speeds(config: &Config) -> Vec<u32> {
    let vector = config.express("LnkCap2").map_or(0, |register| register.bits(7, 1));
    let most = config.express("LnkCap").map_or(0, |register| register.bits(3, 0));
    (1..=7_u64)
        .filter(|code| {
            if vector == 0 {
                *code <= most
            } else {
                vector >> (code - 1) & 1 == 1
            }
        })
        .filter_map(speed_of_code)
        .collect()
}

/// Target Link Speed of Link Control 2, in units of 100 MT/s.
#[must_use]
pub fn target_speed(config: &Config) -> Option<u32> {
    speed_of_code(config.express("LnkCtl2")?.bits(3, 0))
}

/// Writes what configuration space says into `function`; fields it is silent about stay.
pub fn fill(function: &mut Function, config: &Config) {
    fill_header(function, config);
    fill_express(function, config);
    fill_extended(function, config);
}

fn set<T>(field: &mut Option<T>, value: Option<T>) {
    if value.is_some() {
        *field = value;
    }
}

fn fill_header(function: &mut Function, config: &Config) {
    let header = &config.header;
    // those of a virtual function read as ones; the true ones are in its PF
    if header.vendor != Some(0xffff) {
        set(&mut function.vendor, header.vendor);
        set(&mut function.device, header.device);
    }
    set(&mut function.class, header.class);
    set(&mut function.revision, header.revision);
    set(&mut function.header_type, header.header_type);
    if let Some((vendor, device)) = config.subsystem() {
        function.subsystem_vendor = Some(vendor);
        function.subsystem_device = Some(device);
    }
    let bridge: Option<Buses> = header.bridge.as_ref().and_then(|bridge| bridge.buses);
    let cardbus = header.cardbus.as_ref().and_then(|bridge| bridge.buses);
    set(&mut function.buses, bridge.or(cardbus));
}

fn fill_express(function: &mut Function, config: &Config) {
    let small = |value: u64| u32::try_from(value).ok();
    set(&mut function.port_type, config.port_type());
    set(&mut function.link, link(config));
    if let Some(capability) = config.express("DevCap") {
        function.max_payload_supported = Some(express::size(capability.bits(2, 0)));
    }
    if let Some(control) = config.express("DevCtl") {
        function.max_payload = Some(express::size(control.bits(7, 5)));
        function.max_read_request = Some(express::size(control.bits(14, 12)));
    }
    if let Some(slot) = config.express("SltCap") {
        set(&mut function.slot_number, small(slot.bits(31, 19)));
    }
    if let Some(slot) = config.express("SltSta") {
        function.slot_occupied = Some(slot.bit(6));
    }
}

fn fill_extended(function: &mut Function, config: &Config) {
    if let Some(serial) = config.extended_capability(ecaps::SERIAL_NUMBER) {
        set(
            &mut function.serial,
            serial.register("Serial").map(|serial| serial.value),
        );
    }
    if let Some(virtual_functions) = config.extended_capability(ecaps::SR_IOV) {
        let count = |name: &str| u16::try_from(virtual_functions.register(name)?.value).ok();
        set(&mut function.vfs_total, count("TotalVFs"));
        let routing = virtual_functions.register("VFRouting").map(|routing| routing.value);
        let halves = routing.map(|routing| {
            let [.., s1, s0, o1, o0] = routing.to_be_bytes();
            (u16::from_be_bytes([o1, o0]), u16::from_be_bytes([s1, s0]))
        });
        set(&mut function.vf_routing, halves);
        let enabled = virtual_functions.register("IOVCtl").map(|control| control.bit(0));
        let enabled = match enabled {
            Some(false) => Some(0),
            Some(true) => count("NumVFs"),
            None => None,
        };
        set(&mut function.vfs_enabled, enabled);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(speed: u32, width: u32) -> f64 {
        LinkState { speed, width }.gigabytes_per_second()
    }

    #[test]
    fn rates_are_those_of_the_specification() {
        for (speed, width, expected) in [
            (25, 4, 1.0),
            (50, 16, 8.0),
            (80, 8, 7.877),
            (160, 16, 31.508),
            (320, 16, 63.015),
            (640, 1, 7.375),
        ] {
            assert!((rate(speed, width) - expected).abs() < 0.001, "{speed} x{width}");
        }
    }

    #[test]
    fn payload_share_follows_header_and_framing() {
        let gen3 = LinkState { speed: 80, width: 16 };
        assert!((gen3.gigabytes_per_second() * gen3.payload_share(256) - 14.612).abs() < 0.001);
    }

    #[test]
    fn words_name_speed_and_generation() {
        let slow = LinkState { speed: 25, width: 1 };
        assert_eq!(slow.to_string(), "2.5 GT/s ×1");
        assert_eq!(slow.generation_words(), "Gen1 ×1");
        assert_eq!(LinkState { speed: 77, width: 2 }.generation_words(), "7.7 GT/s ×2");
        assert_eq!(slow.common(LinkState { speed: 160, width: 4 }), slow);
    }
}
