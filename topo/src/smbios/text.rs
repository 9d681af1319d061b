//! The text of `dmidecode`, 2.x to 3.6, as the same [`Smbios`] that its table gives.
//!
//! Only structures and the fields they are known to have are taken; shell prompts, comments,
//! headings and the bodies of OEM structures pass unread. Tabs or spaces, LF or CRLF. The quiet
//! form (`dmidecode -q`), which leaves the handles out, is told by its headings.

use super::decode::tidy;
use super::{
    Baseboard, Bios, Chassis, Handle, MemoryArray, MemoryModule, OnboardDevice, Processor, Slot, Smbios, System,
};
use crate::evidence::{Damage, Decoded, Place};
use crate::pci::function::Bdf;

/// Reads what `dmidecode` printed.
#[must_use]
pub fn parse(text: &str) -> Decoded<Smbios> {
    let mut reader = Reader::default();
    for (number, line) in (1_u64..).zip(text.lines()) {
        reader.line(number, line.trim_end());
    }
    reader.close();
    if reader.out.structures == 0 {
        reader.damage.push(Damage {
            what: "dmidecode text".to_owned(),
            place: Place::Whole,
            expected: "structures (\"Handle 0x0000, DMI type 0, 24 bytes\")".to_owned(),
            seen: "none".to_owned(),
        });
    }
    for module in &mut reader.out.modules {
        module.tidy();
    }
    Decoded {
        value: reader.out,
        damage: reader.damage,
    }
}

/// One structure of the text: its fields in their order, none of its lists.
#[derive(Default)]
struct Block<'a> {
    kind: Option<u8>,
    handle: Handle,
    /// Indentation of the first field; deeper lines belong to a list.
    indent: Option<usize>,
    fields: Vec<(u64, &'a str, &'a str)>,
}

#[derive(Default)]
struct Reader<'a> {
    out: Smbios,
    damage: Vec<Damage>,
    block: Option<Block<'a>>,
}

impl<'a> Reader<'a> {
    fn line(&mut self, number: u64, line: &'a str) {
        let trimmed = line.trim_start();
        let indent = line.len().saturating_sub(trimmed.len());
        if trimmed.is_empty() {
            self.close();
        } else if let Some(rest) = trimmed.strip_prefix("Handle 0x").filter(|_| indent == 0) {
            self.close();
            self.open(number, rest, trimmed);
        } else if let Some(version) = version(trimmed) {
            self.out.version = self.out.version.or(Some(version));
        } else if let Some(seen) = complaint(trimmed) {
            self.report(number, "SMBIOS table", "a table that dmidecode reads to its end", seen);
        } else {
            self.inside(number, trimmed, indent);
        }
    }

    fn open(&mut self, number: u64, rest: &'a str, line: &'a str) {
        let digits: &str = rest.split(|c: char| !c.is_ascii_hexdigit()).next().unwrap_or_default();
        let handle = u16::from_str_radix(digits, 16).ok();
        if handle.is_none() {
            self.report(number, "handle line", "Handle 0x and four hexadecimal digits", line);
        }
        self.out.structures = self.out.structures.saturating_add(1);
        self.block = Some(Block {
            kind: line.split_once("DMI type").and_then(|(_, rest)| leading(rest)),
            handle: Handle(handle.unwrap_or_default()),
            ..Block::default()
        });
    }

    /// A line that is no handle: heading, field, or list item.
    fn inside(&mut self, number: u64, trimmed: &'a str, indent: usize) {
        let Some(block) = &mut self.block else {
            self.heading(trimmed, indent);
            return;
        };
        // dmidecode before 2.7 gave the type a line of its own.
        if block.kind.is_none() && trimmed.starts_with("DMI type") {
            block.kind = trimmed.strip_prefix("DMI type").and_then(leading);
            return;
        }
        // The devices of one type 10 structure follow one another, each with its heading.
        if block.kind == Some(10) && trimmed.starts_with("On Board Device ") {
            let handle = block.handle;
            self.close();
            self.block = Some(Block {
                kind: Some(10),
                handle,
                ..Block::default()
            });
            return;
        }
        let Some((key, value)) = trimmed.split_once(':') else {
            return;
        };
        if *block.indent.get_or_insert(indent) == indent {
            block.fields.push((number, key.trim_end(), value.trim()));
        }
    }

    /// A heading without a handle before it: the quiet form.
    fn heading(&mut self, trimmed: &str, indent: usize) {
        if indent != 0 {
            return;
        }
        let kind = match trimmed {
            "BIOS Information" => 0,
            "System Information" => 1,
            "Base Board Information" => 2,
            "Chassis Information" => 3,
            "Processor Information" => 4,
            "System Slot Information" => 9,
            "On Board Device Information" => 10,
            "Physical Memory Array" => 16,
            "Memory Device" => 17,
            "Onboard Device" => 41,
            _ => return,
        };
        self.out.structures = self.out.structures.saturating_add(1);
        self.block = Some(Block {
            kind: Some(kind),
            ..Block::default()
        });
    }

    fn close(&mut self) {
        let Some(block) = self.block.take() else { return };
        if block.fields.is_empty() {
            return;
        }
        let out = &mut self.out;
        let mut fields = Fields {
            of: &block,
            damage: &mut self.damage,
        };
        match block.kind {
            Some(0) if out.bios.is_none() => out.bios = Some(fields.bios()),
            Some(1) if out.system.is_none() => out.system = Some(fields.system()),
            Some(2) => out.baseboards.push(fields.baseboard()),
            Some(3) => out.chassis.push(fields.chassis()),
            Some(4) => out.processors.push(fields.processor()),
            Some(9) => out.slots.push(fields.slot()),
            Some(10) => out.onboard.push(fields.onboard("Description")),
            Some(16) => out.arrays.push(fields.array()),
            Some(17) => out.modules.push(fields.module()),
            Some(41) => out.onboard.push(fields.onboard("Reference Designation")),
            _ => {}
        }
    }

    fn report(&mut self, line: u64, what: &str, expected: &str, seen: &str) {
        self.damage.push(damage(line, what, expected, seen));
    }
}

/// `SMBIOS 3.2.0 present.` and its older forms.
fn version(line: &str) -> Option<(u8, u8)> {
    let line = line.trim_start_matches(['#', ' ']);
    let rest = line
        .strip_prefix("SMBIOS ")
        .or_else(|| line.strip_prefix("Legacy DMI "))?;
    let mut parts = rest.strip_suffix("present.")?.trim().split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// What dmidecode says of a table that it could not read to the end.
fn complaint(line: &str) -> Option<&str> {
    let broken = line.starts_with("Invalid entry length")
        || line.starts_with("Wrong DMI structures")
        || line == "<TRUNCATED>"
        || line.starts_with("# No SMBIOS nor DMI entry point found");
    broken.then_some(line)
}

/// The number at the start of a text, after spaces.
fn leading<T: std::str::FromStr>(text: &str) -> Option<T> {
    let text = text.trim_start();
    text.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

fn damage(line: u64, what: &str, expected: &str, seen: &str) -> Damage {
    Damage {
        what: what.to_owned(),
        place: Place::Line(line),
        expected: expected.to_owned(),
        seen: seen.chars().take(120).collect(),
    }
}

/// Words that stand where a number has nothing to say.
fn is_absent(value: &str) -> bool {
    matches!(
        value,
        "" | "Unknown" | "None" | "Not Specified" | "Not Provided" | "<OUT OF SPEC>" | "<BAD INDEX>" | "Other" | "--"
    )
}

struct Fields<'a, 'b> {
    of: &'b Block<'a>,
    damage: &'b mut Vec<Damage>,
}

impl<'a> Fields<'a, '_> {
    fn raw(&self, key: &str) -> Option<(u64, &'a str)> {
        let field = self.of.fields.iter().find(|(_, name, _)| *name == key);
        field.map(|(line, _, value)| (*line, *value))
    }

    fn string(&mut self, key: &str) -> Option<String> {
        let (line, value) = self.raw(key)?;
        if value == "<BAD INDEX>" {
            let what = format!("{key}, handle 0x{:04X}", self.of.handle.0);
            self.damage
                .push(damage(line, &what, "a string of the structure", value));
        }
        tidy(value)
    }

    /// A word of an enumeration.
    fn word(&self, key: &str) -> Option<String> {
        tidy(self.raw(key)?.1)
    }

    /// A number that `read` takes out of the value; what it cannot take is damage.
    fn number<T>(&mut self, key: &str, expected: &str, read: impl Fn(&str) -> Option<T>) -> Option<T> {
        let (line, value) = self.raw(key)?;
        if is_absent(value) {
            return None;
        }
        let number = read(value);
        if number.is_none() {
            self.damage.push(damage(line, key, expected, value));
        }
        number
    }

    fn count<T: std::str::FromStr>(&mut self, key: &str) -> Option<T> {
        self.number(key, "a number", leading)
    }

    fn bytes(&mut self, key: &str) -> Option<u64> {
        if self
            .raw(key)
            .is_some_and(|(_, value)| matches!(value, "No Module Installed" | "Not Installed" | "None"))
        {
            return Some(0);
        }
        self.number(key, "a number and its unit, as 16 GB", size)
    }

    fn bdf(&mut self) -> Option<Bdf> {
        self.number("Bus Address", "domain:bus:device.function", |value| value.parse().ok())
    }

    fn bios(&mut self) -> Bios {
        Bios {
            vendor: self.string("Vendor"),
            version: self.string("Version"),
            date: self.string("Release Date"),
        }
    }

    fn system(&mut self) -> System {
        System {
            manufacturer: self.string("Manufacturer"),
            product: self.string("Product Name").or_else(|| self.string("Product")),
            version: self.string("Version"),
            serial: self.string("Serial Number"),
            uuid: self.string("UUID").map(lower_hex),
            sku: self.string("SKU Number"),
            family: self.string("Family"),
        }
    }

    fn baseboard(&mut self) -> Baseboard {
        Baseboard {
            handle: self.of.handle,
            manufacturer: self.string("Manufacturer"),
            product: self.string("Product Name").or_else(|| self.string("Product")),
            version: self.string("Version"),
            serial: self.string("Serial Number"),
            location: self.string("Location In Chassis"),
        }
    }

    fn chassis(&mut self) -> Chassis {
        Chassis {
            handle: self.of.handle,
            manufacturer: self.string("Manufacturer"),
            kind: self.word("Type"),
            version: self.string("Version"),
            serial: self.string("Serial Number"),
        }
    }

    fn processor(&mut self) -> Processor {
        Processor {
            handle: self.of.handle,
            socket: self.string("Socket Designation"),
            populated: self.raw("Status").map(|(_, status)| status.starts_with("Populated")),
            manufacturer: self.string("Manufacturer"),
            version: self.string("Version"),
            max_speed: self.count("Max Speed"),
            current_speed: self.count("Current Speed"),
            upgrade: self.word("Upgrade"),
            cores: self.count("Core Count"),
            cores_enabled: self.count("Core Enabled"),
            threads: self.count("Thread Count"),
            id: self.number("ID", "8 bytes in hexadecimal", processor_id),
            serial: self.string("Serial Number"),
            part: self.string("Part Number"),
            asset_tag: self.string("Asset Tag"),
        }
    }

    fn slot(&mut self) -> Slot {
        let (prefix, kind) = self.raw("Type").map_or(("", ""), |(_, value)| split_width(value));
        let width = self.raw("Data Bus Width").map_or(prefix, |(_, value)| value);
        let mut slot = Slot {
            handle: self.of.handle,
            name: self.string("Designation"),
            kind: tidy(kind),
            data_lanes: lanes(width),
            usage: self.word("Current Usage"),
            id: self.raw("ID").and_then(|(_, value)| value.parse().ok()),
            bdf: self.bdf(),
            ..Slot::default()
        };
        slot.promise();
        slot
    }

    fn onboard(&mut self, name: &str) -> OnboardDevice {
        OnboardDevice {
            handle: self.of.handle,
            name: self.string(name),
            kind: self.word("Type"),
            enabled: self.raw("Status").map(|(_, status)| status == "Enabled"),
            instance: self.count("Type Instance"),
            bdf: self.bdf(),
        }
    }

    fn array(&mut self) -> MemoryArray {
        MemoryArray {
            handle: self.of.handle,
            location: self.word("Location"),
            usage: self.word("Use"),
            error_correction: self.word("Error Correction Type"),
            maximum_capacity: self.bytes("Maximum Capacity"),
            slots: self.count("Number Of Devices"),
        }
    }

    fn module(&mut self) -> MemoryModule {
        MemoryModule {
            handle: self.of.handle,
            array: self.number("Array Handle", "a handle", handle),
            total_width: self.count("Total Width"),
            data_width: self.count("Data Width"),
            size: self.bytes("Size"),
            form_factor: self.word("Form Factor"),
            locator: self.string("Locator"),
            bank_locator: self.string("Bank Locator"),
            kind: self.word("Type"),
            detail: self.word("Type Detail").filter(|detail| detail != "None"),
            speed: self.number("Speed", "a speed, as 3200 MT/s", leading),
            configured_speed: self
                .number("Configured Memory Speed", "a speed, as 3200 MT/s", leading)
                .or_else(|| self.number("Configured Clock Speed", "a speed, as 3200 MT/s", leading)),
            manufacturer: self.string("Manufacturer"),
            serial: self.string("Serial Number"),
            asset_tag: self.string("Asset Tag"),
            part: self.string("Part Number"),
            ranks: self.count("Rank"),
            technology: self.word("Memory Technology"),
            configured_voltage: self.number("Configured Voltage", "a voltage, as 1.2 V", millivolts),
            non_volatile_size: self.bytes("Non-Volatile Size"),
            volatile_size: self.bytes("Volatile Size"),
        }
    }
}

/// dmidecode before 3.1 wrote the UUID in capitals.
fn lower_hex(uuid: String) -> String {
    let is_uuid = uuid.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    if is_uuid { uuid.to_ascii_lowercase() } else { uuid }
}

fn handle(value: &str) -> Option<Handle> {
    u16::from_str_radix(value.strip_prefix("0x")?, 16).ok().map(Handle)
}

/// `16 GB` as bytes. dmidecode's units are binary.
fn size(value: &str) -> Option<u64> {
    let (count, unit) = value.split_once(' ')?;
    let shift = match unit.trim() {
        "bytes" => 0,
        "kB" | "KB" => 10,
        "MB" => 20,
        "GB" => 30,
        "TB" => 40,
        "PB" => 50,
        "EB" => 60,
        _ => return None,
    };
    1_u64.checked_shl(shift)?.checked_mul(count.parse().ok()?)
}

/// `1.35 V` as millivolts.
fn millivolts(value: &str) -> Option<u16> {
    let (volts, rest) = value.strip_suffix('V')?.trim().split_once('.').unwrap_or((value, "0"));
    let volts: u16 = leading(volts)?;
    let digits: String = rest.chars().chain("000".chars()).take(3).collect();
    volts.checked_mul(1000)?.checked_add(digits.parse().ok()?)
}

/// `A9 06 03 00 FF FB EB BF`: the bytes in the order of the table.
fn processor_id(value: &str) -> Option<u64> {
    let bytes: Vec<u8> = value
        .split_whitespace()
        .map_while(|byte| u8::from_str_radix(byte, 16).ok())
        .collect();
    bytes.first_chunk::<8>().copied().map(u64::from_le_bytes)
}

/// The width that dmidecode before 3.6 wrote in front of the slot type.
fn split_width(value: &str) -> (&str, &str) {
    let value = value
        .strip_prefix("<OUT OF SPEC>")
        .filter(|rest| !rest.is_empty())
        .unwrap_or(value);
    match value.split_once(' ') {
        Some((width, kind)) if lanes(width).is_some() || width.ends_with("-bit") => (width, kind),
        _ => ("", value),
    }
}

/// `x16`, or `16x or x16` as 3.6 has it.
fn lanes(width: &str) -> Option<u8> {
    let lanes: u8 = width.rsplit(' ').next()?.strip_prefix('x')?.parse().ok()?;
    matches!(lanes, 1 | 2 | 4 | 8 | 12 | 16 | 32).then_some(lanes)
}
