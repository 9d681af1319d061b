//! From structures to [`Smbios`]: types 0 to 4, 9, 10, 16, 17 and 41 (DSP0134 3.9.0, 7).
//!
//! A field is there when the formatted area is long enough for it; versions are not asked. Values
//! that the specification reserves for "unknown" are absent.

use super::structure::Structure;
use super::{
    Baseboard, Bios, Chassis, Handle, MemoryArray, MemoryModule, OnboardDevice, Processor, Slot, Smbios, System, words,
};
use crate::evidence::{Damage, Place};
use crate::pci::function::Bdf;

/// The structures as an inventory; `base` is the offset of the table in the input.
pub(super) fn smbios(list: &[Structure], version: Option<(u8, u8)>, base: u64, damage: &mut Vec<Damage>) -> Smbios {
    let mut out = Smbios {
        version,
        structures: list.len(),
        ..Smbios::default()
    };
    for structure in list {
        let mut fields = Fields {
            of: structure,
            base,
            damage,
        };
        fields.decode(&mut out);
    }
    for module in &mut out.modules {
        module.tidy();
    }
    out
}

/// A string as both readers keep it: without padding, and absent when it says nothing.
pub(super) fn tidy(text: &str) -> Option<String> {
    let text = text.trim();
    (!matches!(text, "" | "Not Specified" | "<BAD INDEX>" | "<OUT OF SPEC>")).then(|| text.to_owned())
}

impl MemoryModule {
    /// An empty slot has no other properties than its place: what firmware leaves there is noise,
    /// and dmidecode since 3.4 does not print it.
    pub(super) fn tidy(&mut self) {
        if self.size == Some(0) {
            *self = Self {
                handle: self.handle,
                array: self.array,
                total_width: self.total_width,
                data_width: self.data_width,
                size: self.size,
                form_factor: self.form_factor.take(),
                locator: self.locator.take(),
                bank_locator: self.bank_locator.take(),
                kind: self.kind.take(),
                detail: self.detail.take(),
                ..Self::default()
            };
        }
    }
}

impl Slot {
    /// Generation and connector width as the words of the slot type promise them.
    pub(super) fn promise(&mut self) {
        let Some(kind) = self.kind.as_deref() else { return };
        let Some(rest) = kind.strip_prefix("PCI Express") else {
            return;
        };
        let mut parts = rest.split_whitespace().peekable();
        let digit = parts.peek().and_then(|part| part.trim_end_matches('+').parse().ok());
        if digit.is_some() {
            parts.next();
        }
        // The Mini forms do not promise a generation; plain "PCI Express" is the first.
        self.generation = if rest.starts_with(" Mini") {
            None
        } else {
            digit.or(Some(1))
        };
        self.connector_lanes = parts.next().and_then(|part| part.strip_prefix('x')?.parse().ok());
        if rest.contains("SFF-8639") {
            self.connector_lanes = Some(4);
        }
    }
}

/// The length that a type had in the first version that defined it; `None` for types not decoded.
const fn least(kind: u8) -> Option<usize> {
    Some(match kind {
        0 | 3 => 0x09,
        1 | 2 => 0x08,
        4 => 0x1a,
        9 => 0x0c,
        10 => 0x04,
        16 => 0x0f,
        17 => 0x15,
        41 => 0x0b,
        _ => return None,
    })
}

struct Fields<'a> {
    of: &'a Structure,
    base: u64,
    damage: &'a mut Vec<Damage>,
}

impl Fields<'_> {
    fn decode(&mut self, out: &mut Smbios) {
        if !least(self.of.kind).is_some_and(|least| self.whole(least)) {
            return;
        }
        match self.of.kind {
            0 if out.bios.is_none() => out.bios = Some(self.bios()),
            1 if out.system.is_none() => out.system = Some(self.system(out.version)),
            2 => out.baseboards.push(self.baseboard()),
            3 => out.chassis.push(self.chassis()),
            4 => out.processors.push(self.processor()),
            9 => out.slots.push(self.slot()),
            10 => self.onboard_list(&mut out.onboard),
            16 => out.arrays.push(self.array()),
            17 => out.modules.push(self.module()),
            41 => out.onboard.push(self.onboard()),
            _ => {}
        }
    }

    /// Whether the formatted area has the least length the type ever had.
    fn whole(&mut self, least: usize) -> bool {
        let enough = self.of.bytes.len() >= least;
        if !enough {
            let seen = format!("{} bytes", self.of.bytes.len());
            self.report(0, format!("formatted area of {least} bytes or more"), seen);
        }
        enough
    }

    fn report(&mut self, at: usize, expected: String, seen: String) {
        let at = u64::try_from(at).unwrap_or(u64::MAX);
        self.damage.push(Damage {
            what: self.of.name(),
            place: Place::Offset(self.base.saturating_add(self.of.offset).saturating_add(at)),
            expected,
            seen,
        });
    }

    fn string(&mut self, at: usize) -> Option<String> {
        let number = self.of.byte(at)?;
        if number == 0 {
            return None;
        }
        let Some(text) = self.of.string(number) else {
            let expected = format!("string number of 1 to {}, or 0 for none", self.of.strings.len());
            self.report(at, expected, format!("string number {number}"));
            return None;
        };
        tidy(text)
    }

    fn word_of(&self, at: usize, words: fn(u8) -> Option<&'static str>) -> Option<String> {
        words(self.of.byte(at)?).map(str::to_owned)
    }

    fn handle(&self) -> Handle {
        self.of.handle
    }

    fn bios(&mut self) -> Bios {
        Bios {
            vendor: self.string(0x04),
            version: self.string(0x05),
            date: self.string(0x08),
        }
    }

    fn system(&mut self, version: Option<(u8, u8)>) -> System {
        System {
            manufacturer: self.string(0x04),
            product: self.string(0x05),
            version: self.string(0x06),
            serial: self.string(0x07),
            uuid: self.of.array(0x08).map(|bytes| uuid(bytes, version)),
            sku: self.string(0x19),
            family: self.string(0x1a),
        }
    }

    fn baseboard(&mut self) -> Baseboard {
        Baseboard {
            handle: self.handle(),
            manufacturer: self.string(0x04),
            product: self.string(0x05),
            version: self.string(0x06),
            serial: self.string(0x07),
            location: self.string(0x0a),
        }
    }

    fn chassis(&mut self) -> Chassis {
        Chassis {
            handle: self.handle(),
            manufacturer: self.string(0x04),
            kind: self.word_of(0x05, words::chassis),
            version: self.string(0x06),
            serial: self.string(0x07),
        }
    }

    fn processor(&mut self) -> Processor {
        Processor {
            handle: self.handle(),
            socket: self.string(0x04),
            populated: self.of.byte(0x18).map(|status| status & 0x40 != 0),
            manufacturer: self.string(0x07),
            version: self.string(0x10),
            max_speed: self.of.word(0x14).filter(|mhz| *mhz != 0),
            current_speed: self.of.word(0x16).filter(|mhz| *mhz != 0),
            upgrade: self.word_of(0x19, words::upgrade),
            cores: self.count(0x23, 0x2a),
            cores_enabled: self.count(0x24, 0x2c),
            threads: self.count(0x25, 0x2e),
            id: self.of.qword(0x08),
            serial: self.string(0x20),
            part: self.string(0x22),
            asset_tag: self.string(0x21),
        }
    }

    /// A count of one byte, whose value 0xFF points to a wider one.
    fn count(&self, narrow: usize, wide: usize) -> Option<u16> {
        match self.of.byte(narrow)? {
            0 => None,
            0xff => Some(self.of.word(wide).unwrap_or(0xff)),
            few => Some(u16::from(few)),
        }
    }

    fn slot(&mut self) -> Slot {
        let kind = self.of.byte(0x05).unwrap_or(0);
        let mut slot = Slot {
            handle: self.handle(),
            name: self.string(0x04),
            kind: self.word_of(0x05, words::slot),
            data_lanes: self.of.byte(0x06).and_then(words::lanes),
            usage: self.word_of(0x07, words::usage),
            id: self.of.word(0x09).filter(|_| has_slot_id(kind)).map(|id| id & 0xff),
            bdf: self.bdf(0x0d),
            ..Slot::default()
        };
        slot.promise();
        slot
    }

    /// Segment, bus, device and function; all ones mean "not a PCI slot" (7.10.8).
    fn bdf(&self, at: usize) -> Option<Bdf> {
        let [low, high, bus, devfn] = self.of.array(at)?;
        let segment = u16::from_le_bytes([low, high]);
        (segment != 0xffff || bus != 0xff || devfn != 0xff).then_some(Bdf {
            domain: u32::from(segment),
            bus,
            device: devfn >> 3,
            function: devfn & 7,
        })
    }

    fn onboard_list(&mut self, out: &mut Vec<OnboardDevice>) {
        let end = self.of.bytes.len();
        for at in (4..end.saturating_sub(1)).step_by(2) {
            let device = OnboardDevice {
                handle: self.handle(),
                name: self.string(at.saturating_add(1)),
                kind: self.word_of(at, words::onboard),
                enabled: self.of.byte(at).map(|kind| kind & 0x80 != 0),
                ..OnboardDevice::default()
            };
            out.push(device);
        }
    }

    fn onboard(&mut self) -> OnboardDevice {
        OnboardDevice {
            handle: self.handle(),
            name: self.string(0x04),
            kind: self.word_of(0x05, words::onboard),
            enabled: self.of.byte(0x05).map(|kind| kind & 0x80 != 0),
            instance: self.of.byte(0x06),
            bdf: self.bdf(0x07),
        }
    }

    fn array(&mut self) -> MemoryArray {
        let maximum_capacity = match self.of.dword(0x07) {
            Some(0x8000_0000) => self.of.qword(0x0f),
            Some(kilobytes) => u64::from(kilobytes).checked_mul(1024),
            None => None,
        };
        MemoryArray {
            handle: self.handle(),
            location: self.word_of(0x04, words::array_location),
            usage: self.word_of(0x05, words::array_use),
            error_correction: self.word_of(0x06, words::correction),
            maximum_capacity,
            slots: self.of.word(0x0d),
        }
    }

    fn module(&mut self) -> MemoryModule {
        MemoryModule {
            handle: self.handle(),
            array: self.of.word(0x04).map(Handle),
            total_width: self.width(0x08),
            data_width: self.width(0x0a),
            size: self.size(),
            form_factor: self.word_of(0x0e, words::form_factor),
            locator: self.string(0x10),
            bank_locator: self.string(0x11),
            kind: self.word_of(0x12, words::memory_type),
            detail: self.of.word(0x13).and_then(words::detail),
            speed: self.speed(0x15, 0x54),
            configured_speed: self.speed(0x20, 0x58),
            manufacturer: self.string(0x17),
            serial: self.string(0x18),
            asset_tag: self.string(0x19),
            part: self.string(0x1a),
            ranks: self.of.byte(0x1b).map(|bits| bits & 0x0f).filter(|ranks| *ranks != 0),
            technology: self.word_of(0x28, words::technology),
            configured_voltage: self.of.word(0x26).filter(|millivolts| *millivolts != 0),
            non_volatile_size: self.of.qword(0x34).filter(|size| *size != u64::MAX),
            volatile_size: self.of.qword(0x3c).filter(|size| *size != u64::MAX),
        }
    }

    fn width(&self, at: usize) -> Option<u16> {
        self.of.word(at).filter(|bits| *bits != 0 && *bits != 0xffff)
    }

    /// Size in bytes (7.18.4, 7.18.5): bit 15 chooses kB, 0x7FFF points to the extended field in MB.
    fn size(&self) -> Option<u64> {
        let (count, unit) = match self.of.word(0x0c)? {
            0xffff => return None,
            0x7fff => match self.of.dword(0x1c) {
                Some(extended) => (u64::from(extended & 0x7fff_ffff), 20),
                None => (0x7fff, 20),
            },
            word if word & 0x8000 != 0 => (u64::from(word & 0x7fff), 10),
            word => (u64::from(word), 20),
        };
        count.checked_shl(unit)
    }

    /// Speed in MT/s; 0xFFFF points to the extended field (7.18.4).
    fn speed(&self, at: usize, extended: usize) -> Option<u32> {
        match self.of.word(at)? {
            0 => None,
            0xffff => self
                .of
                .dword(extended)
                .map(|speed| speed & 0x7fff_ffff)
                .filter(|speed| *speed != 0),
            speed => Some(u32::from(speed)),
        }
    }
}

/// Slot types whose ID field holds a slot number (7.10.5).
const fn has_slot_id(kind: u8) -> bool {
    matches!(kind, 0x04..=0x06 | 0x0e..=0x13 | 0x1f..=0x23 | 0xa5..=0xb6 | 0xb8..=0xc4)
}

/// The UUID (7.2.1): the first three fields are little-endian since 2.6. A table that came without
/// its version is taken for a newer one.
fn uuid(bytes: [u8; 16], version: Option<(u8, u8)>) -> String {
    if bytes == [0xff; 16] {
        return "Not Present".to_owned();
    }
    if bytes == [0; 16] {
        return "Not Settable".to_owned();
    }
    let big = u128::from_be_bytes(bytes);
    let number = if version.is_none_or(|version| version >= (2, 6)) {
        let [a, b, c, d, e, f, g, h, rest @ ..] = bytes;
        let [i, j, k, l, m, n, o, p] = rest;
        u128::from_be_bytes([d, c, b, a, f, e, h, g, i, j, k, l, m, n, o, p])
    } else {
        big
    };
    let mut text = String::new();
    for (index, digit) in format!("{number:032x}").chars().enumerate() {
        if matches!(index, 8 | 12 | 16 | 20) {
            text.push('-');
        }
        text.push(digit);
    }
    text
}
