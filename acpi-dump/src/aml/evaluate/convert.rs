//! Conversions between integers, strings and buffers. ACPI 6.5, section 19.3.5.

use super::super::opcode::Op;
use super::bits::Bytes;
use super::heap::{Item, Target};
use super::machine::{Machine, Step, failed};
use super::state::{Binding, State};
use super::symbol::Part;

/// References that are followed one after the other.
const REFERENCES: usize = 8;

impl Machine<'_> {
    /// The data that an item is or refers to.
    pub(super) fn plain(&mut self, state: &mut State, item: &Item) -> Step<Item> {
        let mut item = item.clone();
        for _ in 0..REFERENCES {
            let Item::Reference(target) = &item else { break };
            match self.read(state, &target.clone())? {
                Item::Reference(Target::Named(name)) if !matches!(state.named.get(&name), Some(Binding::Value(_))) => {
                    return Ok(Item::Reference(Target::Named(name)));
                }
                next => item = next,
            }
        }
        Ok(self.settled(state, item))
    }

    /// A number, implicitly converted.
    pub(super) fn integer(&mut self, state: &State, item: &Item) -> Step<Part> {
        Ok(match item {
            Item::Integer(number) => Part::Number(number & self.setup.ones),
            Item::Unknown(id) => state.settle(*id).map_or(Part::Symbol(*id), Part::Number),
            Item::Text(cell) => {
                let Some(bytes) = state.heap.as_bytes(*cell) else {
                    return Ok(Part::None);
                };
                match bytes.any_gap() {
                    Some(symbol) => Part::Symbol(self.symbols.apply(Op::ToInteger, Part::Symbol(symbol), Part::None)),
                    None => Part::Number(hexadecimal(&bytes.data) & self.setup.ones),
                }
            }
            Item::Buffer(cell) => {
                let Some(bytes) = state.heap.as_bytes(*cell) else {
                    return Ok(Part::None);
                };
                if bytes.data.is_empty() {
                    return failed("a buffer without bytes taken as a number");
                }
                let size = self.width().min(bytes.data.len());
                match bytes.gap(0, size.saturating_mul(8)) {
                    Some(symbol) => Part::Symbol(self.symbols.apply(Op::ToInteger, Part::Symbol(symbol), Part::None)),
                    None => Part::Number(little_endian(bytes.data.get(..size).unwrap_or_default())),
                }
            }
            Item::None => return failed("an uninitialised value taken as a number"),
            Item::Package(_) => return failed("a package taken as a number"),
            Item::Reference(Target::Named(name)) => {
                return failed(format!("{} taken as a number", self.path(*name)));
            }
            Item::Reference(_) => return failed("a reference taken as a number"),
        })
    }

    /// Bytes of an integer.
    pub(super) fn width(&self) -> usize {
        if self.setup.ones == u64::MAX { 8 } else { 4 }
    }

    /// Bytes of data, implicitly converted to a buffer; `None` for what has none.
    pub(super) fn bytes_of(&self, state: &State, item: &Item) -> Option<Bytes> {
        match item {
            Item::Integer(number) => Some(Bytes::known(
                number.to_le_bytes().into_iter().take(self.width()).collect(),
            )),
            Item::Text(cell) | Item::Buffer(cell) => state.heap.as_bytes(*cell).cloned(),
            Item::Unknown(symbol) => {
                let mut bytes = Bytes::known(vec![0; self.width()]);
                bytes.forget(*symbol);
                Some(bytes)
            }
            _ => None,
        }
    }

    /// Characters of data, implicitly converted to a string.
    pub(super) fn string_of(&self, state: &State, item: &Item) -> Option<Bytes> {
        match item {
            Item::Integer(number) => {
                let digits = self.width().saturating_mul(2);
                Some(Bytes::known(format!("{number:0digits$X}").into_bytes()))
            }
            Item::Text(cell) => state.heap.as_bytes(*cell).cloned(),
            Item::Buffer(cell) => {
                let bytes = state.heap.as_bytes(*cell)?;
                Some(list(bytes, " ", |byte| format!("0x{byte:02X}")))
            }
            Item::Unknown(symbol) => {
                let mut bytes = Bytes::known(vec![0; self.width().saturating_mul(2)]);
                bytes.forget(*symbol);
                Some(bytes)
            }
            _ => None,
        }
    }

    /// `ToHexString` and `ToDecimalString`.
    pub(super) fn explicit_string(&self, state: &State, item: &Item, decimal: bool) -> Option<Bytes> {
        let show = |byte: u8| match decimal {
            true => byte.to_string(),
            false => format!("0x{byte:02X}"),
        };
        match item {
            Item::Integer(number) if decimal => Some(Bytes::known(number.to_string().into_bytes())),
            Item::Integer(number) => Some(Bytes::known(format!("0x{number:X}").into_bytes())),
            Item::Buffer(cell) => Some(list(state.heap.as_bytes(*cell)?, ",", show)),
            other => self.string_of(state, other),
        }
    }
}

/// Bytes of a buffer as text; one unknown byte makes all of it unknown, as lengths may differ.
fn list(bytes: &Bytes, between: &str, show: impl Fn(u8) -> String) -> Bytes {
    let shown: Vec<String> = bytes.data.iter().map(|byte| show(*byte)).collect();
    let mut text = Bytes::known(shown.join(between).into_bytes());
    if let Some(symbol) = bytes.any_gap() {
        text.forget(symbol);
    }
    text
}

/// Hexadecimal digits up to the first other character.
fn hexadecimal(text: &[u8]) -> u64 {
    digits(text, 16)
}

fn digits(text: &[u8], base: u32) -> u64 {
    let mut number: u64 = 0;
    for byte in text.iter().skip_while(|byte| matches!(byte, b' ' | b'\t')) {
        let Some(digit) = char::from(*byte).to_digit(base) else {
            break;
        };
        match number
            .checked_mul(base.into())
            .and_then(|number| number.checked_add(digit.into()))
        {
            Some(next) => number = next,
            None => break,
        }
    }
    number
}

/// What `ToInteger` makes of a string: hexadecimal behind `0x`, else decimal.
pub(super) fn explicit_integer(text: &[u8]) -> u64 {
    match text {
        [b'0', b'x' | b'X', rest @ ..] => digits(rest, 16),
        _ => digits(text, 10),
    }
}

pub(super) fn little_endian(bytes: &[u8]) -> u64 {
    let low = bytes.iter().take(8).rev();
    low.fold(0, |number, byte| number << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_numbers_up_to_the_first_other_character() {
        assert_eq!(
            (hexadecimal(b"1Fz"), hexadecimal(b"0x10"), hexadecimal(b"")),
            (0x1f, 0, 0)
        );
        assert_eq!((explicit_integer(b"0x1F"), explicit_integer(b"12a")), (0x1f, 12));
        assert_eq!(hexadecimal(b"FFFFFFFFFFFFFFFFF"), u64::MAX);
    }
}
