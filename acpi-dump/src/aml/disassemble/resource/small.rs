//! Small descriptors and the large ones of fixed layout: ACPI 6.5, sections 6.4.2 and 6.4.3.1 to
//! 6.4.3.4, 6.4.3.7.

use super::super::text;
use super::{byte_list, pick, share};

/// Numbers of the bits that are set.
fn bits(mask: u16) -> String {
    let list: Vec<String> = (0..16)
        .filter(|bit| mask >> bit & 1 != 0)
        .map(|bit: u8| bit.to_string())
        .collect();
    match list.is_empty() {
        true => "{ }".to_owned(),
        false => format!("{{ {} }}", list.join(", ")),
    }
}

pub(super) fn irq(body: &[u8]) -> Option<String> {
    if let [low, high] = body {
        return Some(format!("IRQNoFlags () {}", bits(u16::from_le_bytes([*low, *high]))));
    }
    let [low, high, flags] = body else { return None };
    (flags & 0xc6 == 0).then_some(())?;
    Some(format!(
        "IRQ ({}, {}, {}, ) {}",
        pick(["Level", "Edge"], flags & 1)?,
        pick(["ActiveHigh", "ActiveLow"], flags >> 3 & 1)?,
        share(flags >> 4 & 3)?,
        bits(u16::from_le_bytes([*low, *high]))
    ))
}

pub(super) fn dma(body: &[u8]) -> Option<String> {
    let [mask, flags] = body else { return None };
    (flags & 0x98 == 0).then_some(())?;
    Some(format!(
        "DMA ({}, {}, {}, ) {}",
        pick(["Compatibility", "TypeA", "TypeB", "TypeF"], flags >> 5 & 3)?,
        pick(["NotBusMaster", "BusMaster"], flags >> 2 & 1)?,
        pick(["Transfer8", "Transfer8_16", "Transfer16"], flags & 3)?,
        bits(u16::from(*mask))
    ))
}

pub(super) fn start_dependent(body: &[u8]) -> Option<String> {
    match body {
        [] => Some("StartDependentFnNoPri ()".to_owned()),
        [flags] if flags & 0xf0 == 0 => Some(format!("StartDependentFn ({}, {})", flags & 3, flags >> 2)),
        _ => None,
    }
}

pub(super) fn io(body: &[u8], name: &str) -> Option<String> {
    let [info, a, b, c, d, align, length] = body else {
        return None;
    };
    (info & 0xfe == 0).then_some(())?;
    Some(format!(
        "IO ({}, {:#06X}, {:#06X}, {align:#04X}, {length:#04X}, {name})",
        pick(["Decode10", "Decode16"], *info)?,
        u16::from_le_bytes([*a, *b]),
        u16::from_le_bytes([*c, *d]),
    ))
}

pub(super) fn fixed_io(body: &[u8]) -> Option<String> {
    let [a, b, length] = body else { return None };
    Some(format!(
        "FixedIO ({:#06X}, {length:#04X}, )",
        u16::from_le_bytes([*a, *b])
    ))
}

pub(super) fn fixed_dma(body: &[u8]) -> Option<String> {
    let [a, b, c, d, width] = body else { return None };
    let width = pick(
        [
            "Width8bit",
            "Width16bit",
            "Width32bit",
            "Width64bit",
            "Width128bit",
            "Width256bit",
        ],
        *width,
    )?;
    Some(format!(
        "FixedDMA ({:#06X}, {:#06X}, {width}, )",
        u16::from_le_bytes([*a, *b]),
        u16::from_le_bytes([*c, *d]),
    ))
}

pub(super) fn vendor(word: &str, body: &[u8]) -> Option<String> {
    if body.len() <= 8 {
        return Some(format!("{word} () {}", byte_list(body)));
    }
    let rows: Vec<String> = body
        .chunks(8)
        .map(|row| {
            let list: Vec<String> = row.iter().map(|byte| format!("{byte:#04X}")).collect();
            format!("    {}", list.join(", "))
        })
        .collect();
    Some(format!("{word} ()\n{{\n{}\n}}", rows.join(",\n")))
}

fn read_write(info: u8) -> Option<&'static str> {
    pick(["ReadOnly", "ReadWrite"], info)
}

/// Numbers of `N` bytes each.
fn numbers<const N: usize>(bytes: &[u8], digits: usize) -> String {
    let list: Vec<String> = bytes
        .chunks_exact(N)
        .map(|chunk| {
            let number = chunk.iter().rev().fold(0u64, |sum, byte| sum << 8 | u64::from(*byte));
            format!("{number:#0digits$X}")
        })
        .collect();
    list.join(", ")
}

pub(super) fn memory24(body: &[u8], name: &str) -> Option<String> {
    let (info, rest) = body.split_first().filter(|(_, rest)| rest.len() == 8)?;
    Some(format!(
        "Memory24 ({}, {}, {name})",
        read_write(*info)?,
        numbers::<2>(rest, 6)
    ))
}

pub(super) fn memory32(body: &[u8], name: &str) -> Option<String> {
    let (info, rest) = body.split_first().filter(|(_, rest)| rest.len() == 16)?;
    Some(format!(
        "Memory32 ({}, {}, {name})",
        read_write(*info)?,
        numbers::<4>(rest, 10)
    ))
}

pub(super) fn memory32_fixed(body: &[u8]) -> Option<String> {
    let (info, rest) = body.split_first().filter(|(_, rest)| rest.len() == 8)?;
    Some(format!(
        "Memory32Fixed ({}, {}, )",
        read_write(*info)?,
        numbers::<4>(rest, 10)
    ))
}

pub(super) fn register(body: &[u8]) -> Option<String> {
    let [space, width, offset, size, address @ ..] = body else {
        return None;
    };
    let address = u64::from_le_bytes(address.try_into().ok()?);
    let space = match text::region_space(u64::from(*space)) {
        Some(word) => word.to_owned(),
        None if *space >= 0x80 => format!("{space:#04X}"),
        None => return None,
    };
    Some(format!(
        "Register ({space}, {width:#04X}, {offset:#04X}, {address:#018X}, {size:#04X}, )"
    ))
}
