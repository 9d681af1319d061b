//! Words of ASL for leaves: numbers, strings, names, keywords. ACPI 6.5, section 19.2.

use crate::aml::name::NameRef;

/// `0x` and exactly `digits` hexadecimal digits, more when the number has more.
pub(super) fn hex(out: &mut String, number: u64, digits: u32) {
    out.push_str("0x");
    digits_of(out, number, digits);
}

/// Hexadecimal digits alone.
pub(super) fn digits_of(out: &mut String, number: u64, digits: u32) {
    let needed = 16u32.saturating_sub(number.leading_zeros() / 4);
    for place in (0..needed.max(digits).max(1)).rev() {
        let nibble = number.checked_shr(place.saturating_mul(4)).unwrap_or(0) & 0xf;
        let digit = u32::try_from(nibble)
            .ok()
            .and_then(|nibble| char::from_digit(nibble, 16));
        out.push(digit.unwrap_or('0').to_ascii_uppercase());
    }
}

/// A string in quotes; what is not printable as an escape of ASL.
pub(super) fn quoted(out: &mut String, text: &[u8]) {
    out.push('"');
    for byte in text {
        match byte {
            b'"' | b'\\' => {
                out.push('\\');
                out.push(char::from(*byte));
            }
            0x07 => out.push_str("\\a"),
            0x08 => out.push_str("\\b"),
            b'\t' => out.push_str("\\t"),
            b'\n' => out.push_str("\\n"),
            0x0b => out.push_str("\\v"),
            0x0c => out.push_str("\\f"),
            b'\r' => out.push_str("\\r"),
            0x20..=0x7e => out.push(char::from(*byte)),
            _ => {
                out.push_str("\\x");
                digits_of(out, u64::from(*byte), 2);
            }
        }
    }
    out.push('"');
}

/// Words of four characters or fewer that the compiler does not take as a name. Four are missing
/// that it does take: `DMA`, `IO`, `IRQ`, `FOR`.
const RESERVED: [&[u8]; 40] = [
    b"ADD", b"AND", b"ARG0", b"ARG1", b"ARG2", b"ARG3", b"ARG4", b"ARG5", b"ARG6", b"CASE", b"EDGE", b"ELSE", b"HZ",
    b"IF", b"IPMI", b"KHZ", b"LAND", b"LNOT", b"LOAD", b"LOCK", b"LOR", b"MEQ", b"MGE", b"MGT", b"MHZ", b"MID", b"MLE",
    b"MLT", b"MOD", b"MTR", b"NAME", b"NAND", b"NOOP", b"NOR", b"NOT", b"ONE", b"ONES", b"OR", b"PCC", b"WAIT",
];
const RESERVED_TOO: [&[u8]; 2] = [b"XOR", b"ZERO"];

/// A name as ASL spells it: the `_` at the end of a segment left out, unless the word that
/// remains is one of the language.
pub(super) fn name(out: &mut String, name: NameRef<'_>) {
    if name.root {
        out.push('\\');
    }
    for _ in 0..name.parents {
        out.push('^');
    }
    let alone = name.searches_upwards();
    for (number, segment) in name.segments().enumerate() {
        if number > 0 {
            out.push('.');
        }
        let fill = segment.0.iter().rev().take_while(|byte| **byte == b'_').count();
        let short = segment.0.get(..segment.0.len().saturating_sub(fill).max(1));
        let short = short.unwrap_or(&segment.0);
        let reserved = alone && (RESERVED.contains(&short) || RESERVED_TOO.contains(&short));
        let shown = if reserved { &segment.0[..] } else { short };
        for byte in shown {
            out.push(if byte.is_ascii_graphic() {
                char::from(*byte)
            } else {
                '?'
            });
        }
    }
}

/// Keyword of an operation region's address space; `None` above the standard ones.
pub(super) fn region_space(space: u64) -> Option<&'static str> {
    Some(match space {
        0 => "SystemMemory",
        1 => "SystemIO",
        2 => "PCI_Config",
        3 => "EmbeddedControl",
        4 => "SMBus",
        5 => "SystemCMOS",
        6 => "PciBarTarget",
        7 => "IPMI",
        8 => "GeneralPurposeIo",
        9 => "GenericSerialBus",
        10 => "PCC",
        11 => "PlatformRtMechanism",
        0x7f => "FFixedHW",
        _ => return None,
    })
}

/// Keyword of an object type in `External`.
pub(super) fn object_type(kind: u8) -> &'static str {
    match kind {
        1 => "IntObj",
        2 => "StrObj",
        3 => "BuffObj",
        4 => "PkgObj",
        5 => "FieldUnitObj",
        6 => "DeviceObj",
        7 => "EventObj",
        8 => "MethodObj",
        9 => "MutexObj",
        10 => "OpRegionObj",
        11 => "PowerResObj",
        12 => "ProcessorObj",
        13 => "ThermalZoneObj",
        14 => "BuffFieldObj",
        15 => "DDBHandleObj",
        _ => "UnknownObj",
    }
}

/// Comparison of a `Match` operand.
pub(super) fn match_word(number: u64) -> Option<&'static str> {
    ["MTR", "MEQ", "MLE", "MLT", "MGE", "MGT"]
        .get(usize::try_from(number).ok()?)
        .copied()
}

/// `PNP0A03` for a number that `EisaId` compiles to: ACPI 6.5, section 19.6.37.
pub(super) fn eisa_id(number: u64) -> Option<String> {
    let number = u32::try_from(number).ok()?.swap_bytes();
    let letter = |shift: u32| {
        u8::try_from(number >> shift & 0x1f)
            .ok()
            .filter(|code| (1..=26).contains(code))
    };
    if number >> 31 != 0 {
        return None;
    }
    let mut text = String::with_capacity(7);
    for shift in [26, 21, 16] {
        text.push(char::from(b'@'.saturating_add(letter(shift)?)));
    }
    digits_of(&mut text, u64::from(number & 0xffff), 4);
    Some(text)
}
