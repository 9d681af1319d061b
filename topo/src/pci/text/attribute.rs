//! Indented lines below a slot line: what `-v`, `-vv` and `-vvv` print of one function.
//!
//! Only lines that carry a fact of [`Function`] or [`Facts`] are read; all others belong to the
//! function and are passed over. Where a link or a number is told but cannot be read, the caller
//! gets the expected form.

use super::super::function::{Buses, Function, Link, LinkState, PortType};
use super::bytes::{after, decimal, find, hex, hex2, rfind, some, split_once, string, take};
use super::title::ids;
use super::{Facts, Region, RegionKind};

/// What a told value should look like; the value could not be read.
pub(super) type Unread = &'static str;

/// Reads one line. `nested` lines stand deeper than the function's own attributes.
pub(super) fn read(line: &[u8], nested: bool, function: &mut Function, facts: &mut Facts) -> Result<(), Unread> {
    let text = line.trim_ascii();
    if nested {
        return inside_capability(text, function);
    }
    facts.verbose = true;
    let Some((key, value)) = split_once(text, b":") else {
        return bare(text, facts);
    };
    let value = value.trim_ascii();
    match key {
        b"Subsystem" => subsystem(value, function),
        b"DeviceName" => function.label = some(value),
        b"Physical Slot" => function.physical_slot = some(value),
        b"NUMA node" => function.numa_node = Some(signed(value).ok_or("NUMA node: a number")?),
        b"IOMMU group" => function.iommu_group = Some(number(value).ok_or("IOMMU group: a number")?),
        b"Kernel driver in use" => function.driver = some(value),
        b"Kernel modules" => facts.modules = words(value),
        b"Flags" => flags(value, function),
        b"Bus" => function.buses = Some(buses(value).ok_or("Bus: primary=, secondary=, subordinate= in hexadecimal")?),
        b"Capabilities" => capability(value, function, facts)?,
        _ => return bare(text, facts),
    }
    Ok(())
}

/// Lines without a key: regions, and the notice of a function that does not answer.
fn bare(text: &[u8], facts: &mut Facts) -> Result<(), Unread> {
    if text.starts_with(b"!!! Unknown header type") {
        facts.unanswered = true;
    } else if let Some(rest) = text.strip_prefix(b"Region ") {
        let (number, rest) = split_once(rest, b": ").ok_or("Region N: kind at address")?;
        let number = decimal(number).and_then(|number| u8::try_from(number).ok());
        facts.regions.extend(region(rest, number));
    } else {
        facts.regions.extend(region(text, None));
    }
    Ok(())
}

/// `Memory at fb000000 (64-bit, prefetchable) [virtual] [disabled] [size=16M]`.
fn region(text: &[u8], number: Option<u8>) -> Option<Region> {
    let kinds: [(&[u8], RegionKind); 3] = [
        (b"Memory at ", RegionKind::Memory),
        (b"I/O ports at ", RegionKind::Io),
        (b"Expansion ROM at ", RegionKind::Rom),
    ];
    let (kind, rest) = kinds
        .iter()
        .find_map(|(mark, kind)| Some((*kind, text.strip_prefix(*mark)?)))?;
    let has = |mark: &[u8]| find(rest, mark).is_some();
    Some(Region {
        number,
        kind,
        address: hex(take(rest, |byte| byte.is_ascii_hexdigit())),
        size: after(rest, b"[size=").and_then(size),
        wide: has(b"64-bit"),
        prefetchable: has(b"prefetchable") && !has(b"non-prefetchable"),
        disabled: has(b"[disabled]"),
        kernel_address: has(b"[virtual]"),
    })
}

/// `16M`, `4K`, `256`, up to `E`.
fn size(text: &[u8]) -> Option<u64> {
    let digits = take(text, |byte| byte.is_ascii_digit());
    let scale = match text.get(digits.len())? {
        b']' => 0,
        b'K' => 10,
        b'M' => 20,
        b'G' => 30,
        b'T' => 40,
        b'P' => 50,
        b'E' => 60,
        _ => return None,
    };
    decimal(digits)?.checked_mul(1_u64.checked_shl(scale)?)
}

fn subsystem(value: &[u8], function: &mut Function) {
    let (name, vendor, device) = ids(value);
    function.subsystem_name = name;
    function.subsystem_vendor = vendor;
    function.subsystem_device = device;
}

/// `-v` puts node and group into the line of flags.
fn flags(value: &[u8], function: &mut Function) {
    for word in value.split(|byte| *byte == b',') {
        let word = word.trim_ascii();
        if let Some(node) = word.strip_prefix(b"NUMA node ") {
            function.numa_node = signed(node);
        } else if let Some(group) = word.strip_prefix(b"IOMMU group ") {
            function.iommu_group = number(group);
        }
    }
}

fn buses(value: &[u8]) -> Option<Buses> {
    let bus = |key: &[u8]| hex2(take(after(value, key)?, |byte| byte.is_ascii_hexdigit()));
    Some(Buses {
        primary: bus(b"primary=")?,
        secondary: bus(b"secondary=")?,
        subordinate: bus(b"subordinate=")?,
    })
}

/// Behind `Capabilities: `: `[90] Express (v2) Root Port (Slot+), MSI 00`.
fn capability(value: &[u8], function: &mut Function, facts: &mut Facts) -> Result<(), Unread> {
    if value.starts_with(b"<access denied>") {
        facts.access_denied = true;
        return Ok(());
    }
    let body = after(value, b"] ").unwrap_or_default();
    if let Some(express) = body.strip_prefix(b"Express ") {
        function.port_type = port_type(express);
    } else if let Some(serial) = body
        .strip_prefix(b"Device Serial Number ")
        .filter(|_| has_version(value))
    {
        function.serial = Some(serial_number(serial).ok_or("Device Serial Number: eight bytes")?);
    } else if let Some(name) = body.strip_prefix(b"Subsystem: ")
        && function.subsystem_vendor.is_none()
        && function.subsystem_name.is_none()
    {
        subsystem(name, function);
    }
    Ok(())
}

/// Whether the bracket tells the capability's version, `[148 v1]`. Versions of `lspci` before that
/// printed serial numbers in the other byte order.
fn has_version(value: &[u8]) -> bool {
    split_once(value, b"]").is_some_and(|(bracket, _)| find(bracket, b" v").is_some())
}

/// The words `lspci` has for device/port types.
fn port_type(text: &[u8]) -> Option<PortType> {
    let text = match text.strip_prefix(b"(v") {
        Some(rest) => after(rest, b") ")?,
        None => text,
    };
    let named: [(&[u8], PortType); 10] = [
        (b"Endpoint", PortType::Endpoint),
        (b"Legacy Endpoint", PortType::LegacyEndpoint),
        (b"Root Port", PortType::RootPort),
        (b"Upstream Port", PortType::UpstreamPort),
        (b"Downstream Port", PortType::DownstreamPort),
        (b"PCI-Express to PCI", PortType::PciBridge),
        (b"PCI/PCI-X to PCI-Express", PortType::PcieBridge),
        (b"PCI/PCI-X Bridge", PortType::PciBridge),
        (b"Root Complex Integrated Endpoint", PortType::IntegratedEndpoint),
        (b"Root Complex Event Collector", PortType::EventCollector),
    ];
    let known = named.iter().find(|(name, _)| text.starts_with(name));
    known.map(|(_, kind)| *kind).or_else(|| {
        let number = decimal(after(text, b"nknown type ")?)?;
        Some(PortType::Unknown(u8::try_from(number).ok()?))
    })
}

/// `55-cd-2e-41-4d-3f-58-cb`, most significant byte first.
fn serial_number(text: &[u8]) -> Option<u64> {
    let mut bytes = [0_u8; 8];
    let mut words = text.split(|byte| *byte == b'-');
    for byte in &mut bytes {
        *byte = hex2(words.next()?)?;
    }
    words.next().is_none().then(|| u64::from_be_bytes(bytes))
}

/// Lines of a capability's body.
fn inside_capability(text: &[u8], function: &mut Function) -> Result<(), Unread> {
    let is = |mark: &[u8]| text.starts_with(mark);
    if is(b"LnkCap:") || is(b"Link: Supported") {
        let state = link_state(text).ok_or("LnkCap: Speed nGT/s, Width xn")?;
        function.link.get_or_insert_default().capability = state.known();
    } else if is(b"LnkSta:") || is(b"Link: Speed") {
        let state = link_state(text).ok_or("LnkSta: Speed nGT/s, Width xn")?;
        let link: &mut Link = function.link.get_or_insert_default();
        link.status = state.known();
        link.down = state.width == Some(0);
    } else if is(b"DevCap:") || is(b"Device: Supported") {
        function.max_payload_supported = bytes_of(text, b"MaxPayload ");
    } else if is(b"MaxPayload ") || is(b"Device: MaxPayload") {
        function.max_payload = bytes_of(text, b"MaxPayload ");
        function.max_read_request = bytes_of(text, b"MaxReadReq ");
    } else if is(b"Slot #") || is(b"Slot: Number ") {
        let told = after(text, b"#").or_else(|| after(text, b"Number "));
        function.slot_number = told.and_then(number);
    } else if is(b"SltSta:") {
        function.slot_occupied = after(text, b"PresDet").and_then(|rest| match rest.first()? {
            b'+' => Some(true),
            b'-' => Some(false),
            _ => None,
        });
    } else if is(b"IOVCtl:") && find(text, b"Enable-").is_some() {
        function.vfs_enabled = Some(0);
    } else if is(b"Initial VFs:") {
        let told = |key: &[u8]| number(after(text, key)?).and_then(|count| u16::try_from(count).ok());
        function.vfs_total = told(b"Total VFs: ");
        // The number stays in its register while the control bit above says off.
        function.vfs_enabled = function.vfs_enabled.or_else(|| told(b"Number of VFs: "));
    } else if is(b"VF offset:") {
        let told = |key: &[u8]| number(after(text, key)?).and_then(|count| u16::try_from(count).ok());
        function.vf_routing = told(b"VF offset: ").zip(told(b"stride: "));
    }
    Ok(())
}

/// Speed and width as printed; each may be unknown.
struct Told {
    speed: Option<u32>,
    width: Option<u32>,
}

impl Told {
    fn known(&self) -> Option<LinkState> {
        Some(LinkState {
            speed: self.speed?,
            width: self.width.filter(|width| *width > 0)?,
        })
    }
}

/// `Speed 8GT/s (ok), Width x16 (downgraded)` anywhere in the line.
fn link_state(text: &[u8]) -> Option<Told> {
    let speed = after(text, b"Speed ")?;
    let width = after(text, b"Width x")?;
    Some(Told {
        speed: if speed.starts_with(b"unknown") {
            None
        } else {
            Some(transfer_rate(speed)?)
        },
        width: Some(number(width)?),
    })
}

/// `2.5GT/s`, `16GT/s`, and `2.5Gb/s` of old versions, in units of 100 MT/s.
fn transfer_rate(text: &[u8]) -> Option<u32> {
    let digits = take(text, |byte| byte.is_ascii_digit() || byte == b'.');
    let unit = text.get(digits.len()..)?;
    if !unit.starts_with(b"GT/s") && !unit.starts_with(b"Gb/s") {
        return None;
    }
    match digits {
        b"2.5" => Some(25),
        b"5" | b"5.0" => Some(50),
        b"8" => Some(80),
        b"16" => Some(160),
        b"32" => Some(320),
        b"64" => Some(640),
        b"128" => Some(1280),
        _ => None,
    }
}

/// `MaxPayload 256 bytes`.
fn bytes_of(text: &[u8], key: &[u8]) -> Option<u32> {
    number(after(text, key)?)
}

fn number(text: &[u8]) -> Option<u32> {
    u32::try_from(decimal(text)?).ok()
}

fn signed(text: &[u8]) -> Option<i32> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

fn words(text: &[u8]) -> Vec<String> {
    text.split(|byte| *byte == b',')
        .map(string)
        .filter(|word| !word.is_empty())
        .collect()
}

/// Whether an indented line is one that only a function has; used to notice a lost slot line.
pub(super) fn is_typical(line: &[u8]) -> bool {
    let text = line.trim_ascii();
    let marks: [&[u8]; 4] = [
        b"Control: I/O",
        b"Flags: ",
        b"Capabilities: [",
        b"Kernel driver in use: ",
    ];
    marks.iter().any(|mark| text.starts_with(mark))
}

/// Whether an indented line is part of a tree drawing.
pub(super) fn is_tree(line: &[u8]) -> bool {
    let text = line.trim_ascii_start();
    matches!(text.first(), Some(b'+' | b'|' | b'\\')) && rfind(text, b"-").is_some()
}
