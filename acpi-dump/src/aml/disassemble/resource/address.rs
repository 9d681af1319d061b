//! Address spaces and extended interrupts: ACPI 6.5, sections 6.4.3.5 and 6.4.3.6.

use super::{pick, share, string};
use crate::bytes::{u8_at, u32_at};

/// Width of the numbers of an address space descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Width {
    Word,
    DWord,
    QWord,
    /// 64 bits, a revision in front and attributes behind instead of a source.
    Extended,
}

impl Width {
    fn bytes(self) -> usize {
        match self {
            Self::Word => 2,
            Self::DWord => 4,
            Self::QWord | Self::Extended => 8,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Word => "Word",
            Self::DWord => "DWord",
            Self::QWord => "QWord",
            Self::Extended => "Extended",
        }
    }
}

/// General flags in words.
struct General {
    usage: &'static str,
    decode: &'static str,
    least: &'static str,
    most: &'static str,
}

pub(super) fn space(body: &[u8], width: Width, name: &str) -> Option<String> {
    let [kind, flags, specific, rest @ ..] = body else {
        return None;
    };
    (flags & 0xf0 == 0).then_some(())?;
    let general = General {
        usage: pick(["ResourceProducer", "ResourceConsumer"], flags & 1)?,
        decode: pick(["PosDecode", "SubDecode"], flags >> 1 & 1)?,
        least: pick(["MinNotFixed", "MinFixed"], flags >> 2 & 1)?,
        most: pick(["MaxNotFixed", "MaxFixed"], flags >> 3 & 1)?,
    };
    let rest = match (width, rest) {
        (Width::Extended, [1, 0, rest @ ..]) => rest,
        (Width::Extended, _) => return None,
        _ => rest,
    };
    let (range, rest) = rest.split_at_checked(width.bytes().checked_mul(5)?)?;
    let digits = width.bytes().saturating_mul(2).saturating_add(2);
    let numbers: Vec<String> = range
        .chunks_exact(width.bytes())
        .map(|chunk| {
            let number = chunk.iter().rev().fold(0u64, |sum, byte| sum << 8 | u64::from(*byte));
            format!("    {number:#0digits$X},\n")
        })
        .collect();
    // Index and name of the source; attributes for an extended descriptor.
    let tail = match (width, rest) {
        (Width::Extended, rest) => format!("{:#018X}", u64::from_le_bytes(rest.try_into().ok()?)),
        (_, []) => ", ".to_owned(),
        (_, [index, source @ ..]) if source.len() > 1 => format!("{index:#04X}, {}", string(source)?),
        _ => return None,
    };
    let (words, end) = by_kind(*kind, *specific, &general, width)?;
    Some(format!("{words},\n{}    {tail}, {name}{end})", numbers.concat()))
}

/// What stands before the numbers, and behind the source.
fn by_kind(kind: u8, specific: u8, general: &General, width: Width) -> Option<(String, String)> {
    let General {
        usage,
        decode,
        least,
        most,
    } = general;
    let word = width.word();
    match kind {
        0 if specific & 0xc0 == 0 => {
            let cache = pick(
                ["NonCacheable", "Cacheable", "WriteCombining", "Prefetchable"],
                specific >> 1 & 3,
            )?;
            let access = pick(["ReadOnly", "ReadWrite"], specific & 1)?;
            let range = pick(
                [
                    "AddressRangeMemory",
                    "AddressRangeReserved",
                    "AddressRangeACPI",
                    "AddressRangeNVS",
                ],
                specific >> 3 & 3,
            )?;
            let kind = pick(["TypeStatic", "TypeTranslation"], specific >> 5 & 1)?;
            Some((
                format!("{word}Memory ({usage}, {decode}, {least}, {most}, {cache}, {access}"),
                format!(", {range}, {kind}"),
            ))
        }
        1 if specific & 0xcc == 0 => {
            let range = match specific & 3 {
                1 => "NonISAOnlyRanges",
                2 => "ISAOnlyRanges",
                3 => "EntireRange",
                _ => return None,
            };
            let kind = pick(["TypeStatic", "TypeTranslation"], specific >> 4 & 1)?;
            let translation = pick(["DenseTranslation", "SparseTranslation"], specific >> 5 & 1)?;
            Some((
                format!("{word}IO ({usage}, {least}, {most}, {decode}, {range}"),
                format!(", {kind}, {translation}"),
            ))
        }
        2 if specific == 0 && width == Width::Word => Some((
            format!("WordBusNumber ({usage}, {least}, {most}, {decode}"),
            String::new(),
        )),
        0xc0.. => Some((
            format!("{word}Space ({kind:#04X}, {usage}, {decode}, {least}, {most}, {specific:#04X}"),
            String::new(),
        )),
        _ => None,
    }
}

pub(super) fn interrupt(body: &[u8]) -> Option<String> {
    let (flags, count) = (u8_at(body, 0)?, u8_at(body, 1)?);
    (flags & 0xe0 == 0 && count > 0).then_some(())?;
    let list = usize::from(count).checked_mul(4)?;
    let (list, rest) = body.get(2..)?.split_at_checked(list)?;
    let source = match rest {
        [] => ", ".to_owned(),
        [index, source @ ..] if source.len() > 1 => format!("{index:#04X}, {}", string(source)?),
        _ => return None,
    };
    let numbers: Vec<String> = list
        .chunks_exact(4)
        .filter_map(|chunk| u32_at(chunk, 0))
        .map(|number| format!("{number:#010X}"))
        .collect();
    Some(format!(
        "Interrupt ({}, {}, {}, {}, {source}, ) {{ {} }}",
        pick(["ResourceProducer", "ResourceConsumer"], flags & 1)?,
        pick(["Level", "Edge"], flags >> 1 & 1)?,
        pick(["ActiveHigh", "ActiveLow"], flags >> 2 & 1)?,
        share(flags >> 3 & 3)?,
        numbers.join(", ")
    ))
}
