//! GPIO and serial buses: ACPI 6.5, sections 6.4.3.8.1 and 6.4.3.8.2.
//!
//! Offsets in these descriptors count from their first byte, which is three bytes before `body`.

use super::{byte_list, pick, share, string};
use crate::bytes::{u8_at, u16_at, u32_at};

/// Tag and length in front of the bytes of a large descriptor.
pub(super) const HEAD: usize = 3;

/// Pins, name of the controller and vendor's bytes, where they follow each other without a gap.
pub(super) struct Parts<'a> {
    pub(super) pins: Vec<u16>,
    pub(super) source: String,
    pub(super) vendor: &'a [u8],
}

impl<'a> Parts<'a> {
    /// `fixed` is the number of bytes of the descriptor in front of the pins.
    pub(super) fn read(body: &'a [u8], fixed: usize, pins: u16, source: u16, vendor: u16, length: u16) -> Option<Self> {
        let place = |offset: u16| usize::from(offset).checked_sub(HEAD);
        let (pins, source, vendor) = (place(pins)?, place(source)?, place(vendor)?);
        let end = vendor.checked_add(usize::from(length))?;
        (pins == fixed && end == body.len()).then_some(())?;
        let list = body.get(pins..source)?;
        (list.len() % 2 == 0).then_some(())?;
        Some(Self {
            pins: list.chunks_exact(2).filter_map(|pin| u16_at(pin, 0)).collect(),
            source: string(body.get(source..vendor)?)?,
            vendor: body.get(vendor..)?,
        })
    }

    pub(super) fn pins(&self) -> String {
        let list: Vec<String> = self.pins.iter().map(|pin| format!("{pin:#06X}")).collect();
        list.join(", ")
    }
}

/// The vendor's bytes as the last argument.
pub(super) fn vendor(bytes: &[u8]) -> String {
    match bytes {
        [] => String::new(),
        bytes => format!("RawDataBuffer ({:#04X}) {}", bytes.len(), byte_list(bytes)),
    }
}

pub(super) fn pull(config: u8) -> Option<String> {
    let word = pick(["PullDefault", "PullUp", "PullDown", "PullNone"], config).map(str::to_owned);
    word.or_else(|| (config >= 0x80).then(|| format!("{config:#04X}")))
}

pub(super) fn usage(consumer: bool) -> &'static str {
    if consumer {
        "ResourceConsumer"
    } else {
        "ResourceProducer"
    }
}

pub(super) fn gpio(body: &[u8]) -> Option<String> {
    let (revision, kind) = (u8_at(body, 0)?, u8_at(body, 1)?);
    let (flags, specific) = (u16_at(body, 2)?, u16_at(body, 4)?);
    let (config, drive, debounce) = (pull(u8_at(body, 6)?)?, u16_at(body, 7)?, u16_at(body, 9)?);
    let index = u8_at(body, 13)?;
    (revision == 1 && flags & !1 == 0).then_some(())?;
    let parts = Parts::read(
        body,
        20,
        u16_at(body, 11)?,
        u16_at(body, 14)?,
        u16_at(body, 16)?,
        u16_at(body, 18)?,
    )?;
    let share = share(specific >> 3 & 3)?;
    let usage = usage(flags & 1 != 0);
    let (source, vendor) = (&parts.source, vendor(parts.vendor));
    match kind {
        // The compiler takes one pin for an interrupt.
        0 if specific & !0x1f == 0 && drive == 0 && parts.pins.len() == 1 => Some(format!(
            "GpioInt ({}, {}, {share}, {config}, {debounce:#06X}, {source}, {index:#04X}, {usage}, , {vendor}) {{ {} }}",
            pick(["Level", "Edge"], specific & 1)?,
            pick(["ActiveHigh", "ActiveLow", "ActiveBoth"], specific >> 1 & 3)?,
            parts.pins()
        )),
        1 if specific & !0x1b == 0 && !parts.pins.is_empty() => Some(format!(
            "GpioIo ({share}, {config}, {debounce:#06X}, {drive:#06X}, {}, {source}, {index:#04X}, {usage}, , {vendor}) {{ {} }}",
            pick(
                [
                    "IoRestrictionNone",
                    "IoRestrictionInputOnly",
                    "IoRestrictionOutputOnly",
                    "IoRestrictionNoneAndPreserve"
                ],
                specific & 3
            )?,
            parts.pins()
        )),
        _ => None,
    }
}

/// What all serial buses have.
struct Bus<'a> {
    mode: &'static str,
    specific: u16,
    /// Fixed data of the kind of bus.
    data: &'a [u8],
    /// `"controller", index, usage, name, share, vendor`, without the last parenthesis.
    tail: String,
    /// `V2` where the revision has the share type.
    suffix: &'static str,
}

impl<'a> Bus<'a> {
    /// `fixed` is the number of bytes of data in front of the vendor's.
    fn read(body: &'a [u8], fixed: usize) -> Option<Self> {
        let (revision, index, flags) = (u8_at(body, 0)?, u8_at(body, 1)?, u8_at(body, 3)?);
        let (specific, kind_revision, length) = (u16_at(body, 4)?, u8_at(body, 6)?, u16_at(body, 7)?);
        let (data, source) = body.get(9..)?.split_at_checked(usize::from(length))?;
        let (data, extra) = data.split_at_checked(fixed)?;
        let shared = flags >> 2 & 1;
        (flags & 0xf8 == 0 && kind_revision == 1).then_some(())?;
        let source = string(source)?;
        let usage = usage(flags >> 1 & 1 != 0);
        let extra = vendor(extra);
        let (suffix, tail) = match revision {
            1 if shared == 0 => ("", format!("{source}, {index:#04X}, {usage}, , {extra}")),
            2 => (
                "V2",
                format!("{source}, {index:#04X}, {usage}, , {}, {extra}", share(shared)?),
            ),
            _ => return None,
        };
        Some(Self {
            mode: pick(["ControllerInitiated", "DeviceInitiated"], flags & 1)?,
            specific,
            data,
            tail,
            suffix,
        })
    }
}

pub(super) fn serial_bus(body: &[u8]) -> Option<String> {
    match u8_at(body, 2)? {
        1 => i2c(&Bus::read(body, 6)?),
        2 => spi(&Bus::read(body, 9)?),
        3 => uart(&Bus::read(body, 10)?),
        4 => csi2(&Bus::read(body, 0)?),
        _ => None,
    }
}

fn i2c(bus: &Bus<'_>) -> Option<String> {
    (bus.specific & !1 == 0).then_some(())?;
    Some(format!(
        "I2cSerialBus{} ({:#06X}, {}, {:#010X}, {}, {})",
        bus.suffix,
        u16_at(bus.data, 4)?,
        bus.mode,
        u32_at(bus.data, 0)?,
        pick(["AddressingMode7Bit", "AddressingMode10Bit"], bus.specific)?,
        bus.tail
    ))
}

fn spi(bus: &Bus<'_>) -> Option<String> {
    (bus.specific & !3 == 0).then_some(())?;
    Some(format!(
        "SpiSerialBus{} ({:#06X}, {}, {}, {:#04X}, {}, {:#010X}, {}, {}, {})",
        bus.suffix,
        u16_at(bus.data, 7)?,
        pick(["PolarityLow", "PolarityHigh"], bus.specific >> 1)?,
        pick(["FourWireMode", "ThreeWireMode"], bus.specific & 1)?,
        u8_at(bus.data, 4)?,
        bus.mode,
        u32_at(bus.data, 0)?,
        pick(["ClockPolarityLow", "ClockPolarityHigh"], u8_at(bus.data, 6)?)?,
        pick(["ClockPhaseFirst", "ClockPhaseSecond"], u8_at(bus.data, 5)?)?,
        bus.tail
    ))
}

fn uart(bus: &Bus<'_>) -> Option<String> {
    // The words have no place for who initiates.
    (bus.specific & 0xff00 == 0 && bus.mode == "ControllerInitiated").then_some(())?;
    Some(format!(
        "UartSerialBus{} ({:#010X}, {}, {}, {:#04X}, {}, {}, {}, {:#06X}, {:#06X}, {})",
        bus.suffix,
        u32_at(bus.data, 0)?,
        pick(
            [
                "DataBitsFive",
                "DataBitsSix",
                "DataBitsSeven",
                "DataBitsEight",
                "DataBitsNine"
            ],
            bus.specific >> 4 & 7
        )?,
        pick(
            ["StopBitsZero", "StopBitsOne", "StopBitsOnePlusHalf", "StopBitsTwo"],
            bus.specific >> 2 & 3
        )?,
        u8_at(bus.data, 9)?,
        pick(["LittleEndian", "BigEndian"], bus.specific >> 7 & 1)?,
        pick(
            [
                "ParityTypeNone",
                "ParityTypeEven",
                "ParityTypeOdd",
                "ParityTypeMark",
                "ParityTypeSpace"
            ],
            u8_at(bus.data, 8)?
        )?,
        pick(
            ["FlowControlNone", "FlowControlHardware", "FlowControlXon"],
            bus.specific & 3
        )?,
        u16_at(bus.data, 4)?,
        u16_at(bus.data, 6)?,
        bus.tail
    ))
}

/// In words since ACPI 6.4; compilers from 2021 on.
fn csi2(bus: &Bus<'_>) -> Option<String> {
    (bus.suffix.is_empty() && bus.specific >> 2 <= 0xfc).then_some(())?;
    Some(format!(
        "Csi2Bus ({}, {:#04X}, {:#04X}, {})",
        bus.mode,
        bus.specific & 3,
        bus.specific >> 2,
        bus.tail
    ))
}
