//! Pins, groups of pins and clock inputs: ACPI 6.5, sections 6.4.3.9 to 6.4.3.14.

use super::connection::{HEAD, Parts, pull, usage, vendor};
use super::{pick, share, string};
use crate::bytes::{u8_at, u16_at, u32_at};

/// Share type and usage; `None` when other bits are set.
fn flags(flags: u16) -> Option<(&'static str, &'static str)> {
    (flags & !3 == 0).then_some(())?;
    Some((share(flags & 1)?, usage(flags >> 1 != 0)))
}

pub(super) fn function(body: &[u8]) -> Option<String> {
    let (revision, flags, config) = (u8_at(body, 0)?, u16_at(body, 1)?, pull(u8_at(body, 3)?)?);
    let (function, index) = (u16_at(body, 4)?, u8_at(body, 8)?);
    (revision == 1 && flags & !1 == 0).then_some(())?;
    let parts = Parts::read(
        body,
        15,
        u16_at(body, 6)?,
        u16_at(body, 9)?,
        u16_at(body, 11)?,
        u16_at(body, 13)?,
    )?;
    (!parts.pins.is_empty()).then_some(())?;
    Some(format!(
        "PinFunction ({}, {config}, {function:#06X}, {}, {index:#04X}, ResourceConsumer, , {}) {{ {} }}",
        share(flags & 1)?,
        parts.source,
        vendor(parts.vendor),
        parts.pins()
    ))
}

pub(super) fn config(body: &[u8]) -> Option<String> {
    let (share, usage) = flags(u16_at(body, 1)?)?;
    let (kind, value, index) = (u8_at(body, 3)?, u32_at(body, 4)?, u8_at(body, 10)?);
    (u8_at(body, 0)? == 1).then_some(())?;
    let parts = Parts::read(
        body,
        17,
        u16_at(body, 8)?,
        u16_at(body, 11)?,
        u16_at(body, 13)?,
        u16_at(body, 15)?,
    )?;
    (!parts.pins.is_empty()).then_some(())?;
    Some(format!(
        "PinConfig ({share}, {kind:#04X}, {value:#010X}, {}, {index:#04X}, {usage}, , {}) {{ {} }}",
        parts.source,
        vendor(parts.vendor),
        parts.pins()
    ))
}

pub(super) fn group(body: &[u8]) -> Option<String> {
    let flags = u16_at(body, 1)?;
    (u8_at(body, 0)? == 1 && flags & !1 == 0).then_some(())?;
    let parts = Parts::read(
        body,
        11,
        u16_at(body, 3)?,
        u16_at(body, 5)?,
        u16_at(body, 7)?,
        u16_at(body, 9)?,
    )?;
    (!parts.pins.is_empty()).then_some(())?;
    Some(format!(
        "PinGroup ({}, {}, , {}) {{ {} }}",
        parts.source,
        usage(flags != 0),
        vendor(parts.vendor),
        parts.pins()
    ))
}

/// Controller, label and vendor's bytes of a group's function or configuration. Their offsets
/// stand at `at`, the controller's name at `fixed`.
fn labelled(body: &[u8], at: usize, fixed: usize) -> Option<(String, String, String)> {
    let place = |number: usize| {
        let offset = u16_at(body, at.checked_add(number.checked_mul(2)?)?)?;
        usize::from(offset).checked_sub(HEAD)
    };
    let (source, label, extra) = (place(0)?, place(1)?, place(2)?);
    let length = u16_at(body, at.checked_add(6)?)?;
    let end = extra.checked_add(usize::from(length))?;
    (source == fixed && end == body.len()).then_some(())?;
    Some((
        string(body.get(source..label)?)?,
        string(body.get(label..extra)?)?,
        vendor(body.get(extra..)?),
    ))
}

pub(super) fn group_function(body: &[u8]) -> Option<String> {
    let (share, usage) = flags(u16_at(body, 1)?)?;
    (u8_at(body, 0)? == 1).then_some(())?;
    let (source, label, extra) = labelled(body, 6, 14)?;
    Some(format!(
        "PinGroupFunction ({share}, {:#06X}, {source}, {:#04X}, {label}, {usage}, , {extra})",
        u16_at(body, 3)?,
        u8_at(body, 5)?
    ))
}

pub(super) fn group_config(body: &[u8]) -> Option<String> {
    let (share, usage) = flags(u16_at(body, 1)?)?;
    (u8_at(body, 0)? == 1).then_some(())?;
    let (source, label, extra) = labelled(body, 9, 17)?;
    Some(format!(
        "PinGroupConfig ({share}, {:#04X}, {:#010X}, {source}, {:#04X}, {label}, {usage}, , {extra})",
        u8_at(body, 3)?,
        u32_at(body, 4)?,
        u8_at(body, 8)?
    ))
}

/// In words since ACPI 6.5; compilers from 2022 on.
pub(super) fn clock_input(body: &[u8]) -> Option<String> {
    let (flags, divisor, numerator) = (u16_at(body, 1)?, u16_at(body, 3)?, u32_at(body, 5)?);
    (u8_at(body, 0)? == 1 && flags & !7 == 0).then_some(())?;
    // Without a source, compilers still code the index.
    let source = match body.get(9..)? {
        [0] => String::new(),
        [index, source @ ..] if source.len() > 1 => format!(", {}, {index:#04X}", string(source)?),
        _ => return None,
    };
    Some(format!(
        "ClockInput ({numerator:#010X}, {divisor:#06X}, {}, {}{source})",
        pick(["Hz", "KHz", "MHz"], flags >> 1)?,
        pick(["Fixed", "Variable"], flags & 1)?
    ))
}
