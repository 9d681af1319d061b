//! Values into the evaluator and out of it.

use super::super::names::NameId;
use super::bits::Bytes;
use super::heap::{Item, Target};
use super::machine::{Machine, Step};
use super::state::State;
use super::values::{Buffer, Dependency, Reason, UnknownBits, Value};

/// Packages in packages that are taken over.
const DEPTH: usize = 24;
/// Elements and bytes of one value that are taken over.
const SIZE: usize = 1 << 18;

impl Machine<'_> {
    /// A value as the caller gets it.
    pub(super) fn export(&mut self, state: &mut State, item: &Item) -> Value {
        let mut left = SIZE;
        self.export_part(state, item, DEPTH, &mut left)
    }

    fn export_part(&mut self, state: &mut State, item: &Item, depth: usize, left: &mut usize) -> Value {
        let item = self.settled(state, item.clone());
        let size = match &item {
            Item::Text(cell) | Item::Buffer(cell) => state.heap.as_bytes(*cell).map_or(0, |bytes| bytes.data.len()),
            Item::Package(cell) => state.heap.as_elements(*cell).map_or(0, <[Item]>::len),
            _ => 0,
        };
        let Some(rest) = left.checked_sub(size.saturating_add(1)).filter(|_| depth > 0) else {
            return Value::Unknown(Reason::default());
        };
        *left = rest;
        match &item {
            Item::None => Value::Uninitialized,
            Item::Integer(number) => Value::Integer(*number),
            Item::Text(cell) => match state.heap.as_bytes(*cell) {
                Some(bytes) => match bytes.any_gap() {
                    Some(symbol) => Value::Unknown(self.symbols.reason(symbol)),
                    None => Value::String(super::text_of(&bytes.data)),
                },
                None => Value::Uninitialized,
            },
            Item::Buffer(cell) => {
                let bytes = state.heap.as_bytes(*cell).cloned().unwrap_or_default();
                Value::Buffer(self.export_bytes(&bytes))
            }
            Item::Package(cell) => {
                let elements = state.heap.as_elements(*cell).unwrap_or_default().to_vec();
                let list = elements.iter();
                Value::Package(
                    list.map(|element| self.export_part(state, element, depth.saturating_sub(1), left))
                        .collect(),
                )
            }
            Item::Reference(target) => match target {
                Target::Named(name) => Value::Reference(self.path(*name)),
                Target::Missing(path) => Value::Reference(path.to_string()),
                Target::Element(..) | Target::Byte(..) => match self.read(state, target) {
                    Ok(inner) => self.export_part(state, &inner, depth.saturating_sub(1), left),
                    Err(_) => Value::Uninitialized,
                },
                Target::Somewhere(_, symbol) => Value::Unknown(self.symbols.reason(*symbol)),
                Target::Null | Target::Debug | Target::Local(..) | Target::Argument(..) => Value::Uninitialized,
            },
            Item::Unknown(symbol) => Value::Unknown(self.symbols.reason(*symbol)),
        }
    }

    fn export_bytes(&self, bytes: &Bytes) -> Buffer {
        let gaps = bytes.gaps.iter();
        Buffer {
            bytes: bytes.data.clone(),
            unknown: gaps
                .map(|gap| UnknownBits {
                    first: gap.first,
                    bits: gap.end.saturating_sub(gap.first),
                    reason: self.symbols.reason(gap.symbol),
                })
                .collect(),
        }
    }

    /// A value of the caller, or the one that a name has after start-up.
    pub(super) fn instantiate(&mut self, state: &mut State, name: NameId, value: &Value) -> Step<Item> {
        self.instantiate_part(state, name, value, DEPTH)
    }

    fn instantiate_part(&mut self, state: &mut State, name: NameId, value: &Value, depth: usize) -> Step<Item> {
        Ok(match value {
            Value::Uninitialized => Item::None,
            Value::Integer(number) => Item::Integer(number & self.setup.ones),
            Value::String(text) => {
                let bytes: Vec<u8> = text.chars().map(|char| u8::try_from(char).unwrap_or(b'?')).collect();
                state.heap.text(&bytes)?
            }
            Value::Buffer(buffer) => {
                let mut bytes = Bytes::known(buffer.bytes.clone());
                let symbol = self.startup(name);
                for gap in &buffer.unknown {
                    bytes.write_unknown(gap.first, gap.bits, symbol);
                }
                state.heap.buffer(bytes)?
            }
            Value::Package(elements) if depth > 0 => {
                let mut items = Vec::with_capacity(elements.len());
                for element in elements {
                    items.push(self.instantiate_part(state, name, element, depth.saturating_sub(1))?);
                }
                Item::Package(state.heap.elements(items)?)
            }
            Value::Reference(path) => match self.resolve_text(state, path.as_bytes()) {
                Some(name) => Item::Reference(Target::Named(name)),
                None => Item::Reference(Target::Missing(path.as_str().into())),
            },
            Value::Package(_) | Value::Unknown(_) => Item::Unknown(self.startup(name)),
        })
    }

    fn startup(&mut self, name: NameId) -> super::symbol::SymbolId {
        let path = self.path(name);
        self.symbols.source(Dependency::Startup { path }, 0)
    }

    pub(super) fn unknown_argument(&mut self, number: u8) -> Item {
        Item::Unknown(self.symbols.source(Dependency::Argument { number }, 0))
    }
}
