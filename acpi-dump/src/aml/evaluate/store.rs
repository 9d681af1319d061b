//! Reading and writing places: locals, names, elements, fields of buffers. ACPI 6.5, sections
//! 19.3.5.8 (rules for storing) and 19.6.132.

use super::super::names::NameId;
use super::super::namespace::ObjectKind;
use super::super::opcode::Op;
use super::bits::Bytes;
use super::convert::little_endian;
use super::heap::{CellId, Item, Target};
use super::machine::{Machine, Step, failed};
use super::state::{Binding, State};
use super::symbol::Part;
use super::values::Dependency;

impl Machine<'_> {
    /// What a place holds.
    pub(super) fn read(&mut self, state: &mut State, target: &Target) -> Step<Item> {
        Ok(match target {
            Target::Null | Target::Debug => Item::None,
            Target::Local(serial, index) => state
                .frame(*serial)
                .and_then(|frame| frame.locals.get(*index))
                .cloned()
                .unwrap_or_default(),
            Target::Argument(serial, index) => state
                .frame(*serial)
                .and_then(|frame| frame.arguments.get(*index))
                .cloned()
                .unwrap_or_default(),
            Target::Named(name) => self.value_of(state, *name)?,
            Target::Element(cell, index) => state
                .heap
                .as_elements(*cell)
                .and_then(|elements| elements.get(*index))
                .cloned()
                .unwrap_or_default(),
            Target::Byte(cell, index) => {
                let first = index.saturating_mul(8);
                self.read_part(state, *cell, first, 8, false)?
            }
            Target::Somewhere(_, symbol) => Item::Unknown(*symbol),
            Target::Missing(path) => {
                let path = path.to_string();
                Item::Unknown(self.symbols.source(Dependency::Missing { path }, 0))
            }
        })
    }

    /// Bits of a buffer: a number when they fit into one, else a buffer.
    pub(super) fn read_part(
        &mut self,
        state: &mut State,
        cell: CellId,
        first: usize,
        bits: usize,
        buffer: bool,
    ) -> Step<Item> {
        let Some(bytes) = state.heap.as_bytes(cell) else {
            return Ok(Item::None);
        };
        let end = first.saturating_add(bits);
        if end > bytes.bits() {
            return failed(format!("bits {first}-{end} of a buffer of {} bytes", bytes.data.len()));
        }
        let gap = bytes.gap(first, end);
        let data = bytes.read(first, bits);
        if buffer || data.len() > self.width() {
            let mut part = Bytes::known(data);
            if let Some(symbol) = gap {
                part.forget(symbol);
            }
            return Ok(state.heap.buffer(part)?);
        }
        Ok(match gap {
            Some(symbol) => {
                // All of an unknown number stored before is that number again.
                let whole = bytes.gaps.iter().any(|gap| gap.first == first && gap.end == end);
                let symbol = if whole {
                    symbol
                } else {
                    self.symbols
                        .apply(Op::Mid, Part::Symbol(symbol), Part::Number(first as u64))
                };
                self.settled(state, Item::Unknown(symbol))
            }
            None => Item::Integer(little_endian(&data)),
        })
    }

    /// `Store` and the targets of operators.
    pub(super) fn store(&mut self, state: &mut State, item: &Item, target: &Target) -> Step<()> {
        match target {
            Target::Null | Target::Debug => Ok(()),
            Target::Local(serial, index) => {
                let copy = state.heap.copy(item)?;
                if let Some(place) = state.frame_mut(*serial).and_then(|frame| frame.locals.get_mut(*index)) {
                    *place = copy;
                }
                Ok(())
            }
            Target::Argument(serial, index) => self.store_argument(state, item, *serial, *index),
            Target::Named(name) => self.store_name(state, item, *name),
            Target::Element(cell, index) => {
                let copy = state.heap.copy(item)?;
                let element = state
                    .heap
                    .elements_mut(*cell)
                    .and_then(|elements| elements.get_mut(*index));
                if let Some(place) = element {
                    *place = copy;
                }
                Ok(())
            }
            Target::Byte(cell, index) => self.write_part(state, item, *cell, index.saturating_mul(8), 8),
            Target::Somewhere(cell, symbol) => {
                if let Some(bytes) = state.heap.bytes_mut(*cell) {
                    bytes.forget(*symbol);
                } else if let Some(elements) = state.heap.elements_mut(*cell) {
                    elements.fill(Item::Unknown(*symbol));
                }
                Ok(())
            }
            Target::Missing(path) => {
                let path = path.to_string();
                self.assumptions.insert(Dependency::Absent { path });
                Ok(())
            }
        }
    }

    /// An argument that refers to something is written through.
    fn store_argument(&mut self, state: &mut State, item: &Item, serial: u32, index: usize) -> Step<()> {
        let held = state.frame(serial).and_then(|frame| frame.arguments.get(index));
        if let Some(Item::Reference(target @ (Target::Named(_) | Target::Local(..)))) = held {
            let target = target.clone();
            return self.store(state, item, &target);
        }
        let copy = state.heap.copy(item)?;
        if let Some(place) = state.frame_mut(serial).and_then(|frame| frame.arguments.get_mut(index)) {
            *place = copy;
        }
        Ok(())
    }

    fn store_name(&mut self, state: &mut State, item: &Item, name: NameId) -> Step<()> {
        match state.named.get(&name) {
            Some(Binding::Value(held)) => {
                let held = held.clone();
                self.store_converted(state, item, &held, name)
            }
            Some(Binding::Part { cell, first, bits, .. }) => {
                let (cell, first, bits) = (*cell, *first, *bits);
                self.write_part(state, item, cell, first, bits)
            }
            Some(Binding::Unit(_)) => {
                self.write_unit(state, name);
                Ok(())
            }
            Some(_) => Ok(()),
            None => match self.kind(name) {
                Some((_, ObjectKind::FieldUnit { .. })) => {
                    self.write_unit(state, name);
                    Ok(())
                }
                Some((_, ObjectKind::Name)) => self.copy_to_name(state, item, name),
                _ => Ok(()),
            },
        }
    }

    /// A name keeps its type: what is stored is converted to it.
    fn store_converted(&mut self, state: &mut State, item: &Item, held: &Item, name: NameId) -> Step<()> {
        let convert = matches!(
            item,
            Item::Integer(_) | Item::Text(_) | Item::Buffer(_) | Item::Unknown(_)
        );
        let new = match held {
            Item::Buffer(cell) if convert => {
                let size = state.heap.as_bytes(*cell).map_or(0, |bytes| bytes.data.len());
                if size > 0 {
                    self.note_stored(state, name);
                    if let Item::Unknown(symbol) = item {
                        if let Some(bytes) = state.heap.bytes_mut(*cell) {
                            bytes.forget(*symbol);
                        }
                        return Ok(());
                    }
                    return self.write_part(state, item, *cell, 0, size.saturating_mul(8));
                }
                match self.bytes_of(state, item) {
                    Some(bytes) => state.heap.buffer(bytes)?,
                    None => Item::None,
                }
            }
            Item::Text(_) if matches!(item, Item::Integer(_) | Item::Buffer(_)) => match self.string_of(state, item) {
                Some(bytes) => Item::Text(state.heap.bytes(bytes)?),
                None => Item::None,
            },
            Item::Integer(_) if matches!(item, Item::Text(_) | Item::Buffer(_)) => match self.integer(state, item)? {
                Part::Number(number) => Item::Integer(number),
                Part::Symbol(symbol) => Item::Unknown(symbol),
                Part::None => Item::None,
            },
            _ => return self.copy_to_name(state, item, name),
        };
        self.note_stored(state, name);
        state.named.insert(name, Binding::Value(new));
        Ok(())
    }

    fn note_stored(&self, state: &mut State, name: NameId) {
        state.stored.insert(name);
    }

    /// `CopyObject` to a name, and stores where nothing is converted.
    pub(super) fn copy_to_name(&mut self, state: &mut State, item: &Item, name: NameId) -> Step<()> {
        self.note_stored(state, name);
        let copy = state.heap.copy(item)?;
        state.named.insert(name, Binding::Value(copy));
        Ok(())
    }

    /// Write data to bits of a buffer; what is missing is zero.
    pub(super) fn write_part(
        &mut self,
        state: &mut State,
        item: &Item,
        cell: CellId,
        first: usize,
        bits: usize,
    ) -> Step<()> {
        if let Item::Unknown(symbol) = item {
            let symbol = *symbol;
            if let Some(bytes) = state.heap.bytes_mut(cell) {
                bytes.write_unknown(first, bits, symbol);
            }
            return Ok(());
        }
        let Some(source) = self.bytes_of(state, item) else {
            return failed("no number, string or buffer stored to bits of a buffer");
        };
        let Some(bytes) = state.heap.bytes_mut(cell) else {
            return Ok(());
        };
        bytes.write(first, bits, &source.data);
        for gap in &source.gaps {
            let from = first.saturating_add(gap.first);
            let end = first.saturating_add(gap.end).min(first.saturating_add(bits));
            bytes.write_unknown(from, end.saturating_sub(from), gap.symbol);
        }
        Ok(())
    }
}
