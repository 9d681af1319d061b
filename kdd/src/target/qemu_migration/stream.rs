//! Sections of a migration stream, version 3 (QEMU's migration/savevm.c).

use std::collections::BTreeMap;

use super::cpu;
use super::description::{Description, Device};
use super::ram::Ram;
use crate::damage::Damage;
use crate::memory::Source;
use crate::target::Vcpu;
use crate::target::cursor::Cursor;
use crate::target::fields::{Fields, size, wide};

/// Types of sections.
mod section {
    pub(super) const EOF: u8 = 0;
    pub(super) const START: u8 = 1;
    pub(super) const PART: u8 = 2;
    pub(super) const END: u8 = 3;
    pub(super) const FULL: u8 = 4;
    pub(super) const SUBSECTION: u8 = 5;
    pub(super) const CONFIGURATION: u8 = 7;
    pub(super) const COMMAND: u8 = 8;
    pub(super) const FOOTER: u8 = 0x7e;
}

/// Version of the RAM section that is read.
const RAM_VERSION: u32 = 4;
/// How far the next section is looked for behind what cannot be read.
const SEARCH: u64 = 64 << 20;
/// Longest section of a device that is read for its registers.
const LONGEST: u64 = 1 << 20;

/// What the stream told.
#[derive(Debug, Default)]
pub(super) struct Stream {
    pub(super) machine: Option<String>,
    pub(super) capabilities: Vec<String>,
    pub(super) ram: Ram,
    pub(super) vcpus: Vec<Vcpu>,
    pub(super) cmos: Option<Vec<u8>>,
    pub(super) damage: Vec<Damage>,
    /// Names of the sections that stand in pieces, by their numbers.
    names: BTreeMap<u32, String>,
    /// Devices of the description that came.
    devices: usize,
}

/// Whether the walk goes on.
enum Next {
    Section,
    Stop,
}

impl Stream {
    /// Walks the sections behind the header.
    pub(super) fn walk(&mut self, cursor: &mut Cursor<'_>, source: &Source, description: Option<&Description>) {
        loop {
            let at = cursor.at();
            let kind = cursor.u8();
            let next = match kind {
                Some(section::EOF) => Ok(Next::Stop),
                Some(section::CONFIGURATION) => self.configuration(cursor),
                Some(section::START | section::FULL) => {
                    self.begin(cursor, source, description, kind == Some(section::FULL))
                }
                Some(section::PART | section::END) => self.piece(cursor, source),
                Some(section::COMMAND) => command(cursor),
                Some(kind) => Err(Damage::file(
                    "qemu-section",
                    at,
                    "a type of section",
                    format!("{kind:#x}"),
                )),
                None => Err(Damage::file("qemu-section", at, "a section", "the end of the file")),
            };
            match next {
                Ok(Next::Section) => {}
                Ok(Next::Stop) => return,
                Err(damage) => {
                    self.damage.push(damage);
                    let found = description.is_some_and(|description| self.resume(cursor, source, description));
                    if !found {
                        return;
                    }
                }
            }
        }
    }

    /// The configuration: the machine type, and subsections.
    fn configuration(&mut self, cursor: &mut Cursor<'_>) -> Result<Next, Damage> {
        let at = cursor.at();
        let cut = || Damage::file("qemu-configuration", at, "a machine type", "something else");
        let length = cursor.u32_be().filter(|length| *length < 256).ok_or_else(cut)?;
        let name = cursor.bytes(length.into()).ok_or_else(cut)?;
        self.machine = Some(String::from_utf8_lossy(&name).into_owned());
        while cursor.peek() == Some([section::SUBSECTION]) {
            self.subsection(cursor).ok_or_else(|| {
                Damage::file(
                    "qemu-configuration",
                    at,
                    "page bits, capabilities or UUID",
                    "another subsection",
                )
            })?;
        }
        Ok(Next::Section)
    }

    fn subsection(&mut self, cursor: &mut Cursor<'_>) -> Option<()> {
        cursor.skip(1)?;
        let name = cursor.counted()?;
        cursor.skip(4)?;
        match name.as_str() {
            "configuration/target-page-bits" => cursor.skip(4),
            "configuration/uuid" => cursor.skip(16),
            "configuration/capabilities" => {
                for _ in 0..cursor.u32_be()? {
                    self.capabilities.push(cursor.counted()?);
                }
                self.ram.mapped = self.capable("mapped-ram");
                self.ram.ignore_shared = self.capable("x-ignore-shared");
                Some(())
            }
            _ => None,
        }
    }

    fn capable(&self, name: &str) -> bool {
        self.capabilities.iter().any(|capability| capability == name)
    }

    /// The start of a section that stands in pieces, or a whole section.
    fn begin(
        &mut self,
        cursor: &mut Cursor<'_>,
        source: &Source,
        description: Option<&Description>,
        whole: bool,
    ) -> Result<Next, Damage> {
        let at = cursor.at();
        let mut head = || Some((cursor.u32_be()?, cursor.counted()?, cursor.u32_be()?, cursor.u32_be()?));
        let cut = || Damage::file("qemu-section", at, "the head of a section", "the end of the file");
        let (number, name, instance, version) = head().ok_or_else(cut)?;
        self.names.insert(number, name.clone());
        if name == "ram" && !whole {
            if version != RAM_VERSION {
                let seen = format!("version {version}");
                return Err(Damage::file("qemu-ram", at, format!("version {RAM_VERSION}"), seen));
            }
            self.ram.section(cursor, source)?;
            footer(cursor, number);
            return Ok(Next::Section);
        }
        if !whole {
            return self.unknown(cursor, source, number, &name);
        }
        let Some(description) = description else {
            return Ok(Next::Stop);
        };
        // Devices come in the order of the description; those that it leaves out cannot be read.
        let rest = description.devices.iter().enumerate().skip(self.devices);
        let found = rest
            .into_iter()
            .find(|(_, device)| device.name == name && device.instance_id == instance);
        let length = found.and_then(|(_, device)| device.content.length());
        let (Some((index, device)), Some(length)) = (found, length) else {
            let seen = format!("{name} {instance}");
            return Err(Damage::file("qemu-device", at, "a device of the description", seen));
        };
        self.devices = index.saturating_add(1);
        let start = cursor.at();
        if let Some(bytes) = cursor.bytes(length.min(LONGEST)) {
            self.device(device, &bytes);
        }
        cursor.seek(start);
        cursor.skip(length).ok_or_else(cut)?;
        footer(cursor, number);
        Ok(Next::Section)
    }

    /// Another piece of a section.
    fn piece(&mut self, cursor: &mut Cursor<'_>, source: &Source) -> Result<Next, Damage> {
        let at = cursor.at();
        let number = cursor.u32_be();
        let name = number.and_then(|number| self.names.get(&number).cloned());
        let (Some(number), Some(name)) = (number, name) else {
            let seen = format!("{number:?}");
            return Err(Damage::file(
                "qemu-section",
                at,
                "the number of a section that began",
                seen,
            ));
        };
        if name != "ram" {
            return self.unknown(cursor, source, number, &name);
        }
        self.ram.section(cursor, source)?;
        footer(cursor, number);
        Ok(Next::Section)
    }

    /// A section in pieces whose content is not known: its end is where its footer stands.
    fn unknown(&mut self, cursor: &mut Cursor<'_>, source: &Source, number: u32, name: &str) -> Result<Next, Damage> {
        let at = cursor.at();
        let mut mark = vec![section::FOOTER];
        mark.extend(number.to_be_bytes());
        let bytes = source.bytes(at, size(SEARCH));
        let found = bytes.windows(6).position(|window| {
            window.starts_with(&mark)
                && window
                    .last()
                    .is_some_and(|kind| *kind <= section::FULL || *kind == section::COMMAND)
        });
        let Some(found) = found else {
            return Err(Damage::file(
                "qemu-section",
                at,
                format!("the end of section {name}"),
                "none",
            ));
        };
        cursor.seek(at.saturating_add(wide(found)).saturating_add(5));
        Ok(Next::Section)
    }

    /// Behind what cannot be read, goes on at the next section of a device of the description.
    fn resume(&mut self, cursor: &mut Cursor<'_>, source: &Source, description: &Description) -> bool {
        let at = cursor.at();
        let bytes = source.bytes(at, size(SEARCH));
        let fields = Fields(&bytes);
        let rest: Vec<(usize, &Device)> = description.devices.iter().enumerate().skip(self.devices).collect();
        // Type, number, name with its length, instance.
        let device = |start: usize| {
            let length = usize::from(*bytes.get(start.checked_add(5)?)?);
            let name = fields.slice(start.checked_add(6)?, length)?;
            let instance = fields
                .array(start.checked_add(length)?.checked_add(6)?)
                .map(u32::from_be_bytes)?;
            let same = |device: &Device| device.instance_id == instance && device.name.as_bytes() == name;
            rest.iter().find(|(_, device)| same(device)).map(|(index, _)| *index)
        };
        let starts = bytes.iter().enumerate().filter(|(_, kind)| **kind == section::FULL);
        let found = starts.into_iter().find_map(|(start, _)| Some((start, device(start)?)));
        if let Some((start, index)) = found {
            self.devices = index;
            cursor.seek(at.saturating_add(wide(start)));
        }
        found.is_some()
    }

    /// What is wanted of a device.
    fn device(&mut self, device: &Device, bytes: &[u8]) {
        match device.name.as_str() {
            "cpu" => self.vcpus.extend(cpu::vcpu(device.instance_id, &device.content, bytes)),
            // The interrupt controller follows its CPU; CR8 is the upper half of its task priority.
            "apic" => {
                let priority = device.content.field(bytes, "tpr").and_then(|part| part.number());
                if let Some(vcpu) = self.vcpus.last_mut() {
                    vcpu.cr8 = priority.map(|priority| priority >> 4 & 0xf);
                }
            }
            "mc146818rtc" => {
                let cmos = device.content.field(bytes, "cmos_data");
                self.cmos = cmos.map(|part| part.bytes.to_vec());
            }
            _ => {}
        }
    }
}

/// A command to the other side, with its data.
fn command(cursor: &mut Cursor<'_>) -> Result<Next, Damage> {
    let at = cursor.at();
    let length = cursor.u16_be().and_then(|_| cursor.u16_be());
    let skipped = length.and_then(|length| cursor.skip(length.into()));
    let cut = || Damage::file("qemu-command", at, "a command", "the end of the file");
    skipped.map(|()| Next::Section).ok_or_else(cut)
}

/// The footer of a section, which old machine types leave out.
fn footer(cursor: &mut Cursor<'_>, number: u32) {
    if let Some([section::FOOTER, rest @ ..]) = cursor.peek::<5>()
        && u32::from_be_bytes(rest) == number
    {
        cursor.seek(cursor.at().saturating_add(5));
    }
}
