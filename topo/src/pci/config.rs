//! PCI configuration space of one function: header, BARs, bridge windows, capabilities.
//!
//! Follows PCI Local Bus 3.0 (chapter 6), PCI-to-PCI Bridge 1.2 (chapter 3), PC Card 8.0 for
//! CardBus, PCIe 6.0 (chapter 7). Takes 64, 256 or 4096 bytes, and any broken length: what is
//! there is decoded, what is not is [`Damage`].
//!
//! ```
//! let mut bytes = [0_u8; 64];
//! bytes[..4].copy_from_slice(&[0x86, 0x80, 0x05, 0x34]);
//! let config = topo::pci::config::decode(&bytes).value;
//! assert_eq!(config.header.vendor, Some(0x8086));
//! ```

use std::fmt;

use serde::Serialize;

use super::bits::{Context, DecodedRegister, Facts, bits};
use super::caps::{self, Capability, express};
use super::ecaps;
use super::function::{Class, PortType};
use super::header::{self, Header};
use crate::evidence::{Damage, Decoded, Place};

/// Bytes of configuration space that every function has, and that everybody may read.
pub const HEADER: usize = 64;
/// Bytes of conventional configuration space; extended capabilities start here.
pub const CONVENTIONAL: usize = 256;
/// Bytes of PCI Express configuration space.
pub const EXTENDED: usize = 4096;

/// Configuration space of one function.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Config {
    /// The first 64 bytes.
    pub header: Header,
    /// Capabilities of the first 256 bytes, in the order of their list.
    pub capabilities: Vec<Capability>,
    /// Extended capabilities, in the order of their list.
    pub extended: Vec<Capability>,
    /// Where a list of capabilities breaks off.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub breaks: Vec<Break>,
    /// There is a list of capabilities, but only the header could be read (no privilege).
    pub capabilities_hidden: bool,
    /// There may be extended capabilities, but only 256 bytes could be read.
    pub extended_hidden: bool,
}

/// Why a list of capabilities does not go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BreakKind {
    /// It comes back to a capability that was already seen.
    Looped,
    /// The capability reads as all ones.
    Unreadable,
    /// The pointer leads to where no capability can be.
    OutOfSpace,
}

/// A list of capabilities that does not end as it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Break {
    /// Where the list led to.
    pub offset: u16,
    /// In the extended list.
    pub extended: bool,
    /// What is wrong there.
    pub kind: BreakKind,
}

impl Config {
    /// The first capability with this ID in the conventional list.
    #[must_use]
    pub fn capability(&self, id: u16) -> Option<&Capability> {
        self.capabilities.iter().find(|capability| capability.id == id)
    }

    /// The first extended capability with this ID.
    #[must_use]
    pub fn extended_capability(&self, id: u16) -> Option<&Capability> {
        self.extended.iter().find(|capability| capability.id == id)
    }

    /// A register of the PCI Express capability, as "LnkSta".
    #[must_use]
    pub fn express(&self, register: &str) -> Option<&DecodedRegister> {
        self.capability(caps::EXPRESS)?.register(register)
    }

    /// Subsystem vendor and device, of the header or, for bridges, of their capability.
    #[must_use]
    pub fn subsystem(&self) -> Option<(u16, u16)> {
        let of_bridge = || {
            let ids = self.capability(caps::SUBSYSTEM)?.register("SSVID")?;
            let vendor = u16::try_from(ids.bits(15, 0)).ok()?;
            Some((vendor, u16::try_from(ids.bits(31, 16)).ok()?))
        };
        self.header
            .subsystem
            .or_else(of_bridge)
            .filter(|(vendor, _)| !matches!(vendor, 0 | 0xffff))
    }
}

/// Decodes configuration space; never fails, for any length and any bytes.
#[must_use]
pub fn decode(bytes: &[u8]) -> Decoded<Config> {
    let bytes = bytes.get(..EXTENDED).unwrap_or(bytes);
    let mut decoded = Decoded {
        value: Config {
            header: header::decode(bytes),
            ..Config::default()
        },
        damage: Vec::new(),
    };
    if bytes.len() < HEADER {
        decoded.damage.push(damage(
            "configuration space header",
            bytes.len(),
            "64 bytes",
            &format!("{} bytes", bytes.len()),
        ));
    }
    if decoded.value.header.vendor == Some(0xffff) {
        decoded.damage.push(damage(
            "configuration space",
            0,
            "a vendor ID",
            "ffff: the function does not answer",
        ));
        return decoded;
    }
    let walk = Walk {
        bytes,
        facts: facts(&decoded.value.header),
    };
    walk.capabilities(&mut decoded);
    decoded
}

fn damage(what: &str, offset: usize, expected: &str, seen: &str) -> Damage {
    Damage {
        what: what.to_owned(),
        place: Place::Offset(u64::try_from(offset).unwrap_or(u64::MAX)),
        expected: expected.to_owned(),
        seen: seen.to_owned(),
    }
}

fn facts(header: &Header) -> Facts {
    Facts {
        vendor: header.vendor.unwrap_or(0),
        device: header.device.unwrap_or(0),
        header_type: header.header_type.unwrap_or(0),
        memory_bar: header.bars.iter().any(|bar| !bar.kind.is_io()),
        ..Facts::default()
    }
}

/// Where a capability was found in its list.
#[derive(Clone, Copy, Debug)]
struct Found {
    offset: usize,
    id: u16,
    version: Option<u8>,
}

struct Walk<'a> {
    bytes: &'a [u8],
    facts: Facts,
}

impl Walk<'_> {
    fn context(&self, base: usize, limit: usize) -> Context<'_> {
        Context {
            facts: self.facts,
            ..Context::new(self.bytes, base, limit)
        }
    }

    fn capabilities(mut self, decoded: &mut Decoded<Config>) {
        let listed = decoded.value.header.status.as_ref().is_some_and(|status| status.bit(4));
        let (pointer, readable) = match self.facts.header_type {
            2 => (0x14, 128),
            _ => (0x34, HEADER),
        };
        let found = if listed && self.bytes.len() <= readable {
            decoded.value.capabilities_hidden = true;
            Vec::new()
        } else if listed {
            self.conventional(pointer, decoded)
        } else {
            Vec::new()
        };
        self.learn(&found);
        let mut reaches = false;
        for capability in &found {
            reaches |= matches!(capability.id, caps::EXPRESS | caps::PCI_X);
            let decoded_one = self.one(*capability, &found, CONVENTIONAL, &mut decoded.damage);
            decoded.value.capabilities.push(decoded_one);
        }
        if !reaches {
            return;
        }
        if self.bytes.len() <= CONVENTIONAL {
            decoded.value.extended_hidden = true;
            return;
        }
        let found = self.extended(decoded);
        for capability in &found {
            let decoded_one = self.one(*capability, &found, EXTENDED, &mut decoded.damage);
            decoded.value.extended.push(decoded_one);
        }
    }

    /// Port type and version, which decide what other registers mean.
    fn learn(&mut self, found: &[Found]) {
        let express = found.iter().find(|capability| capability.id == caps::EXPRESS);
        if let Some(express) = express {
            let flags = self.context(express.offset, CONVENTIONAL).peek(2, 2);
            self.facts.port = Some(express::port_type(bits(flags, 7, 4)));
            self.facts.express_version = u8::try_from(bits(flags, 3, 0)).unwrap_or(0);
            self.facts.flit = bits(flags, 15, 15) == 1;
        }
    }

    fn one(&self, found: Found, all: &[Found], limit: usize, damages: &mut Vec<Damage>) -> Capability {
        let cx = self.context(found.offset, limit);
        let (layout, name) = match found.version {
            Some(_) => ecaps::layout(found.id),
            None => caps::layout(u8::try_from(found.id).unwrap_or(u8::MAX), &cx),
        };
        let next = all
            .iter()
            .map(|other| other.offset)
            .filter(|offset| *offset > found.offset)
            .min()
            .unwrap_or(limit);
        let (capability, missing) = caps::decode(&cx, found.id, found.version, layout, name, next);
        if let Some(end) = missing {
            damages.push(damage(
                &format!("capability {:#04x} ({})", found.id, capability.name),
                found.offset,
                &format!("registers up to {end:#x}"),
                &format!("the end at {:#x}", cx.limit),
            ));
        }
        capability
    }

    /// Follows the list of the first 256 bytes. It can hold 48 structures.
    fn conventional(&self, pointer: usize, decoded: &mut Decoded<Config>) -> Vec<Found> {
        let mut found: Vec<Found> = Vec::new();
        let mut from = pointer;
        while let Some(next) = self.bytes.get(from).copied() {
            let offset = usize::from(next & !3);
            if next & 3 != 0 {
                decoded.damage.push(damage(
                    "capability pointer",
                    from,
                    "a multiple of 4",
                    &format!("{next:#04x}"),
                ));
            }
            if offset == 0 {
                break;
            }
            let here = self.context(offset, CONVENTIONAL);
            let kind = match here.read(0, 2) {
                _ if found.iter().any(|seen| seen.offset == offset) => BreakKind::Looped,
                _ if offset < HEADER => BreakKind::OutOfSpace,
                None => BreakKind::OutOfSpace,
                Some(header) if bits(header, 7, 0) == 0xff => BreakKind::Unreadable,
                Some(header) => {
                    found.push(Found {
                        offset,
                        id: u16::try_from(bits(header, 7, 0)).unwrap_or(0),
                        version: None,
                    });
                    from = offset.saturating_add(1);
                    continue;
                }
            };
            broken(decoded, from, offset, false, kind);
            break;
        }
        found
    }

    /// Follows the extended list. It can hold 960 structures.
    fn extended(&self, decoded: &mut Decoded<Config>) -> Vec<Found> {
        let mut found: Vec<Found> = Vec::new();
        let mut seen = vec![false; EXTENDED / 4];
        let (mut from, mut offset) = (CONVENTIONAL, CONVENTIONAL);
        loop {
            let visited = seen.get_mut(offset / 4);
            let kind = match self.context(offset, EXTENDED).read(0, 4) {
                // an empty list is a header of zeros, or of ones behind some bridges
                Some(0 | 0xffff_ffff) if found.is_empty() => break,
                Some(0) => break,
                Some(0xffff_ffff) => BreakKind::Unreadable,
                None => BreakKind::OutOfSpace,
                Some(_) if offset < CONVENTIONAL => BreakKind::OutOfSpace,
                Some(_) if visited.as_ref().is_none_or(|visited| **visited) => BreakKind::Looped,
                Some(header) => {
                    if let Some(visited) = visited {
                        *visited = true;
                    }
                    found.push(Found {
                        offset,
                        id: u16::try_from(bits(header, 15, 0)).unwrap_or(0),
                        version: u8::try_from(bits(header, 19, 16)).ok(),
                    });
                    let next = usize::try_from(bits(header, 31, 20)).unwrap_or(0);
                    if next & 3 != 0 {
                        decoded.damage.push(damage(
                            "extended capability pointer",
                            offset,
                            "a multiple of 4",
                            &format!("{next:#05x}"),
                        ));
                    }
                    (from, offset) = (offset, next & !3);
                    if offset == 0 {
                        break;
                    }
                    continue;
                }
            };
            broken(decoded, from, offset, true, kind);
            break;
        }
        found
    }
}

fn broken(decoded: &mut Decoded<Config>, from: usize, to: usize, extended: bool, kind: BreakKind) {
    let seen = match kind {
        BreakKind::Looped => "a capability of this list again",
        BreakKind::Unreadable => "all ones",
        BreakKind::OutOfSpace => "a place where there can be none",
    };
    let what = if extended { "list of extended capabilities" } else { "list of capabilities" };
    decoded
        .damage
        .push(damage(what, from, "the next capability or 0", &format!("{to:#x}: {seen}")));
    decoded.value.breaks.push(Break {
        offset: u16::try_from(to).unwrap_or(u16::MAX),
        extended,
        kind,
    });
}

/// Prints the function in the way and with the abbreviations of `lspci -vvv`.
///
/// # Errors
/// Those of `out`.
pub fn describe(config: &Config, out: &mut dyn fmt::Write) -> fmt::Result {
    if let Some((vendor, device)) = config.subsystem() {
        writeln!(out, "\tSubsystem: {vendor:04x}:{device:04x}")?;
    }
    config.header.describe(out)?;
    if config.capabilities_hidden {
        writeln!(out, "\tCapabilities: <not readable: needs root>")?;
    }
    for capability in &config.capabilities {
        capability.describe(out)?;
    }
    describe_breaks(config, false, out)?;
    if config.extended_hidden {
        writeln!(out, "\tExtended capabilities: <not in these 256 bytes>")?;
    }
    for capability in &config.extended {
        capability.describe(out)?;
    }
    describe_breaks(config, true, out)
}

fn describe_breaks(config: &Config, extended: bool, out: &mut dyn fmt::Write) -> fmt::Result {
    for broken in config.breaks.iter().filter(|broken| broken.extended == extended) {
        let word = match broken.kind {
            BreakKind::Looped => "<chain looped>",
            BreakKind::Unreadable => "<chain broken>",
            BreakKind::OutOfSpace => "<chain leaves the space of capabilities>",
        };
        let digits = if extended { 3 } else { 2 };
        writeln!(out, "\tCapabilities: [{:0digits$x}] {word}", broken.offset)?;
    }
    Ok(())
}

/// The class code and port type as typed values, for those who need no text.
impl Config {
    /// Class code.
    #[must_use]
    pub const fn class(&self) -> Option<Class> {
        self.header.class
    }

    /// Device/port type of the PCI Express capability.
    #[must_use]
    pub fn port_type(&self) -> Option<PortType> {
        Some(express::port_type(self.express("PCIeCap")?.bits(7, 4)))
    }
}
