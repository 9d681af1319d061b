//! Capabilities of configuration space: how each one is laid out, as tables of registers.
//!
//! A [`Layout`] says what the structure with one capability ID is called and which registers it
//! has; [`Capability`] is one found in a function. The list of the first 256 bytes (PCI Local
//! Bus 3.0, 6.7 and appendix H) is here, the extended one (PCIe 6.0, 7.6 onward) in
//! [`super::ecaps`].

use std::borrow::Cow;
use std::fmt;

use serde::Serialize;

use super::bits::{Context, DecodedRegister, Register, hex};

pub mod basic;
pub mod express;
pub mod hypertransport;
pub mod legacy;
pub mod vendor;

/// Capability ID of the PCI Express capability.
pub const EXPRESS: u16 = 0x10;
/// Capability ID of PCI-X.
pub const PCI_X: u16 = 0x07;
/// Capability ID of the subsystem IDs of a bridge.
pub const SUBSYSTEM: u16 = 0x0d;

/// What is known of one capability ID: its name and its registers.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    pub(crate) name: &'static str,
    pub(crate) heading: Option<Register>,
    pub(crate) registers: &'static [Register],
    pub(crate) more: Option<fn(&mut Sink<'_>)>,
    pub(crate) opaque: bool,
}

impl Layout {
    pub(crate) const fn new(name: &'static str, registers: &'static [Register]) -> Self {
        Self {
            name,
            heading: None,
            registers,
            more: None,
            opaque: false,
        }
    }

    /// A capability of which only the name is known; its bytes are kept.
    pub(crate) const fn named(name: &'static str) -> Self {
        Self {
            opaque: true,
            ..Self::new(name, &[])
        }
    }

    /// With a register whose fields stand on the title line.
    pub(crate) const fn heading(self, heading: Register) -> Self {
        Self {
            heading: Some(heading),
            ..self
        }
    }

    /// With a part whose size depends on the registers before it.
    pub(crate) const fn more(self, more: fn(&mut Sink<'_>)) -> Self {
        Self {
            more: Some(more),
            ..self
        }
    }

    /// With bytes that no register of the table describes.
    pub(crate) const fn opaque(self) -> Self {
        Self { opaque: true, ..self }
    }
}

/// Collects the registers of one capability while it is decoded.
#[derive(Debug)]
pub struct Sink<'a> {
    /// The structure and its surroundings.
    pub cx: Context<'a>,
    registers: Vec<DecodedRegister>,
    missing: Option<usize>,
}

impl Sink<'_> {
    /// Decodes a register of the structure itself.
    pub fn push(&mut self, register: &Register) {
        let cx = self.cx;
        self.push_from(register, &cx, None);
    }

    /// Decodes a register of a part that starts `delta` bytes into the structure.
    /// Returns false when its bytes are missing.
    pub fn push_at(&mut self, register: &Register, delta: usize, name: Option<String>) -> bool {
        let Some(base) = self.cx.base.checked_add(delta) else {
            return false;
        };
        let cx = self.cx.at(base);
        self.push_from(register, &cx, name)
    }

    fn push_from(&mut self, register: &Register, cx: &Context<'_>, name: Option<String>) -> bool {
        let decoded = match name {
            Some(name) => register.decode_as(cx, Cow::Owned(name)),
            None => register.decode(cx),
        };
        if let Some(decoded) = decoded {
            self.registers.push(decoded);
            return true;
        }
        let end = cx.base.saturating_add(register.end());
        let cut = register.applies(cx) && end > cx.limit;
        if cut {
            self.missing = Some(self.missing.map_or(end, |seen| seen.max(end)));
        }
        !cut
    }
}

/// One capability of a function.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Capability {
    /// Capability ID: 8 bits, or 16 for an extended capability.
    pub id: u16,
    /// In the extended list, which starts at 0x100.
    pub extended: bool,
    /// Offset in configuration space.
    pub offset: u16,
    /// Capability version, for extended capabilities.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<u8>,
    /// Name of the capability.
    pub name: Cow<'static, str>,
    /// The register whose fields stand on the title line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub heading: Option<DecodedRegister>,
    /// Its other registers.
    pub registers: Vec<DecodedRegister>,
    /// Bytes behind the header that no register describes, up to the next capability.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rest: Vec<u8>,
}

impl Capability {
    /// The first register of this name, title line included.
    #[must_use]
    pub fn register(&self, name: &str) -> Option<&DecodedRegister> {
        self.heading
            .iter()
            .chain(&self.registers)
            .find(|register| register.name == name)
    }

    /// Prints the capability in the way of `lspci -vvv`.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn describe(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        let title = match self.version {
            Some(version) => format!("\tCapabilities: [{:03x} v{version}] {}", self.offset, self.name),
            None => format!("\tCapabilities: [{:02x}] {}", self.offset, self.name),
        };
        match &self.heading {
            Some(heading) => heading.write_fields(out, &format!("{title}:"), "\t\t")?,
            None => writeln!(out, "{title}")?,
        }
        for register in &self.registers {
            register.write(out, "\t\t", "\t\t\t")?;
        }
        for row in self.rest.chunks(16) {
            let row: Vec<String> = row.iter().map(|byte| format!("{byte:02x}")).collect();
            writeln!(out, "\t\t<undecoded> {}", row.join(" "))?;
        }
        Ok(())
    }
}

/// Most bytes that are kept of a capability nobody describes.
const MOST_KEPT: usize = 64;

/// Decodes the capability at `cx.base`; also says where its bytes ought to have gone on to.
pub(crate) fn decode(
    cx: &Context<'_>,
    id: u16,
    version: Option<u8>,
    layout: &Layout,
    name: Cow<'static, str>,
    next: usize,
) -> (Capability, Option<usize>) {
    let mut sink = Sink {
        cx: *cx,
        registers: Vec::new(),
        missing: None,
    };
    let heading = layout.heading.as_ref().and_then(|heading| {
        sink.push(heading);
        sink.registers.pop()
    });
    for register in layout.registers {
        sink.push(register);
    }
    if let Some(more) = layout.more {
        more(&mut sink);
    }
    let header: usize = if version.is_some() { 4 } else { 2 };
    let rest = if layout.opaque {
        let from = cx.base.saturating_add(header);
        let to = next.min(from.saturating_add(MOST_KEPT)).min(cx.limit);
        cx.space.get(from..to).unwrap_or_default().to_vec()
    } else {
        Vec::new()
    };
    let capability = Capability {
        id,
        extended: version.is_some(),
        offset: u16::try_from(cx.base).unwrap_or(u16::MAX),
        version,
        name,
        heading,
        registers: sink.registers,
        rest,
    };
    (capability, sink.missing)
}

const UNKNOWN: Layout = Layout::named("").heading(Register::new(2, 2, "Flags", &[hex(15, 0, 4, "Flags").bare()]));

/// The layout of a capability of the first 256 bytes, and its name.
pub(crate) fn layout(id: u8, cx: &Context<'_>) -> (&'static Layout, Cow<'static, str>) {
    let layout = match id {
        0x00 => &basic::NULL,
        0x01 => &basic::POWER_MANAGEMENT,
        0x02 => &legacy::AGP,
        0x03 => &basic::VITAL_PRODUCT_DATA,
        0x04 => &basic::SLOT_ID,
        0x05 => &basic::MSI,
        0x06 => &legacy::COMPACT_PCI_HOT_SWAP,
        0x07 => legacy::pci_x(cx),
        0x08 => hypertransport::layout(cx),
        0x09 => vendor::layout(cx),
        0x0a => &basic::DEBUG_PORT,
        0x0b => &legacy::COMPACT_PCI_RESOURCE,
        0x0c => &legacy::HOT_PLUG,
        0x0d => &basic::SUBSYSTEM,
        0x0e => &legacy::AGP3,
        0x0f => &legacy::SECURE,
        0x10 => &express::EXPRESS,
        0x11 => &basic::MSI_X,
        0x12 => &basic::SATA,
        0x13 => &basic::ADVANCED_FEATURES,
        0x14 => &basic::ENHANCED_ALLOCATION,
        0x15 => &basic::FLATTENING_PORTAL_BRIDGE,
        _ => return (&UNKNOWN, Cow::Owned(format!("Capability ID {id:#04x}"))),
    };
    (layout, Cow::Borrowed(layout.name))
}
