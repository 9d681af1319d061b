//! Operators on strings, buffers and packages. ACPI 6.5, sections 19.6.12, 19.6.86, 19.6.101 and 19.6.136
//! to 19.6.141.

use super::super::namespace::Place;
use super::super::opcode::Op;
use super::bits::Bytes;
use super::convert::{explicit_integer, little_endian};
use super::eval::{item_of, pop};
use super::heap::Item;
use super::machine::{Machine, Step, failed};
use super::state::State;
use super::symbol::Part;

impl Machine<'_> {
    pub(super) fn compare(&mut self, state: &mut State, op: Op) -> Step<()> {
        let (second, first) = (pop(state), pop(state));
        let first = self.plain(state, &first)?;
        let second = self.plain(state, &second)?;
        let pair = match &first {
            Item::Text(_) => self.string_of(state, &first).zip(self.string_of(state, &second)),
            Item::Buffer(_) => self.bytes_of(state, &first).zip(self.bytes_of(state, &second)),
            _ => None,
        };
        let result = match pair {
            Some((one, two)) => match one.any_gap().or(two.any_gap()) {
                Some(symbol) => Part::Symbol(self.symbols.apply(op, Part::Symbol(symbol), Part::None)),
                None => {
                    let truth = match op {
                        Op::LEqual => one.data == two.data,
                        Op::LGreater => one.data > two.data,
                        _ => one.data < two.data,
                    };
                    Part::Number(if truth { self.setup.ones } else { 0 })
                }
            },
            None => {
                let numbers = [self.integer(state, &first)?, self.integer(state, &second)?];
                self.arithmetic(op, numbers[0], numbers[1])?
            }
        };
        let item = self.known_truth(state, result);
        state.values.push(item);
        Ok(())
    }

    pub(super) fn explicit(&mut self, state: &mut State, op: Op) -> Step<()> {
        let (target, item) = (pop(state), pop(state));
        let item = self.plain(state, &item)?;
        let result = match (op, &item) {
            (_, Item::Unknown(symbol)) if op != Op::ToBuffer => {
                let symbol = match op {
                    Op::ToInteger => *symbol,
                    _ => self.symbols.apply(op, Part::Symbol(*symbol), Part::None),
                };
                Item::Unknown(symbol)
            }
            (Op::ToInteger, Item::Text(cell)) => match state.heap.as_bytes(*cell) {
                Some(bytes) if bytes.gaps.is_empty() => Item::Integer(explicit_integer(&bytes.data) & self.setup.ones),
                _ => item_of(self.integer(state, &item)?),
            },
            (Op::ToInteger, _) => item_of(self.integer(state, &item)?),
            (Op::ToBuffer, Item::Text(cell)) => {
                let mut bytes = state.heap.as_bytes(*cell).cloned().unwrap_or_default();
                bytes.data.push(0);
                state.heap.buffer(bytes)?
            }
            (Op::ToBuffer, _) => match self.bytes_of(state, &item) {
                Some(bytes) => state.heap.buffer(bytes)?,
                None => return failed("ToBuffer of no data"),
            },
            _ => match self.explicit_string(state, &item, op == Op::ToDecimalString) {
                Some(bytes) => Item::Text(state.heap.bytes(bytes)?),
                None => return failed(format!("{op:?} of no data")),
            },
        };
        self.finish(state, result, &[target])
    }

    pub(super) fn text_until(&mut self, state: &mut State) -> Step<()> {
        let (target, length, item) = (pop(state), pop(state), pop(state));
        let item = self.plain(state, &item)?;
        let length = self.plain(state, &length)?;
        let limit = self.integer(state, &length)?;
        let Some(bytes) = self.bytes_of(state, &item) else {
            return failed("ToString of no buffer");
        };
        if let Some(symbol) = bytes.any_gap().or(limit.symbol()) {
            let symbol = self.symbols.apply(Op::ToString, Part::Symbol(symbol), Part::None);
            return self.finish(state, Item::Unknown(symbol), &[target]);
        }
        let limit = match limit {
            Part::Number(number) if number != self.setup.ones => usize::try_from(number).unwrap_or(usize::MAX),
            _ => usize::MAX,
        };
        let text: Vec<u8> = bytes
            .data
            .into_iter()
            .take(limit)
            .take_while(|byte| *byte != 0)
            .collect();
        let item = state.heap.text(&text)?;
        self.finish(state, item, &[target])
    }

    pub(super) fn concatenate(&mut self, state: &mut State, op: Op) -> Step<()> {
        let (target, second, first) = (pop(state), pop(state), pop(state));
        let first = self.plain(state, &first)?;
        let second = self.plain(state, &second)?;
        if op == Op::ConcatenateResTemplate {
            let (Some(one), Some(two)) = (self.bytes_of(state, &first), self.bytes_of(state, &second)) else {
                return failed("ConcatenateResTemplate of no buffers");
            };
            let mut all = without_end(one);
            all.append(&without_end(two));
            all.append(&Bytes::known(vec![0x79, 0]));
            let item = state.heap.buffer(all)?;
            return self.finish(state, item, &[target]);
        }
        let item = match &first {
            Item::Unknown(symbol) => Item::Unknown(self.symbols.apply(op, Part::Symbol(*symbol), Part::None)),
            Item::Text(_) => {
                let parts = self.string_of(state, &first).zip(self.string_of(state, &second));
                let Some((mut one, two)) = parts else {
                    return failed("Concatenate of no data");
                };
                one.append(&two);
                Item::Text(state.heap.bytes(one)?)
            }
            Item::Integer(_) => {
                let number = item_of(self.integer(state, &second)?);
                let parts = self.bytes_of(state, &first).zip(self.bytes_of(state, &number));
                let Some((mut one, two)) = parts else {
                    return failed("Concatenate of no data");
                };
                one.append(&two);
                state.heap.buffer(one)?
            }
            _ => {
                let parts = self.bytes_of(state, &first).zip(self.bytes_of(state, &second));
                let Some((mut one, two)) = parts else {
                    return failed("Concatenate of no data");
                };
                one.append(&two);
                state.heap.buffer(one)?
            }
        };
        self.finish(state, item, &[target])
    }

    pub(super) fn mid(&mut self, state: &mut State) -> Step<()> {
        let target = pop(state);
        let [from, count] = self.two_numbers(state)?;
        let source = pop(state);
        let source = self.plain(state, &source)?;
        let text = !matches!(source, Item::Buffer(_));
        let bytes = if text {
            self.string_of(state, &source)
        } else {
            self.bytes_of(state, &source)
        };
        let Some(bytes) = bytes else {
            return failed("Mid of no data");
        };
        let (Part::Number(from), Part::Number(count)) = (from, count) else {
            let symbol = self.symbols.apply(Op::Mid, from, count);
            return self.finish(state, Item::Unknown(symbol), &[target]);
        };
        let from = usize::try_from(from).unwrap_or(usize::MAX);
        let to = from.saturating_add(usize::try_from(count).unwrap_or(usize::MAX));
        let part = bytes.part(from, to);
        let item = if text {
            Item::Text(state.heap.bytes(part)?)
        } else {
            state.heap.buffer(part)?
        };
        self.finish(state, item, &[target])
    }

    pub(super) fn buffer(&mut self, state: &mut State, place: Place) -> Step<()> {
        let size = pop(state);
        let size = self.plain(state, &size)?;
        let data = self.body(place).map(|node| Place { node, ..place });
        let data = data.and_then(|data| Some(self.space.trees().get(data.table)?.slice(data.node)));
        let mut bytes = Bytes::known(data.unwrap_or_default().to_vec());
        match self.integer(state, &size)? {
            Part::Number(size) => {
                let size = usize::try_from(size).unwrap_or(usize::MAX).max(bytes.data.len());
                state.heap.take(size.saturating_sub(bytes.data.len()))?;
                bytes.data.resize(size, 0);
                let item = state.heap.buffer(bytes)?;
                state.values.push(item);
            }
            Part::Symbol(symbol) => {
                let symbol = self.symbols.apply(Op::Buffer, Part::Symbol(symbol), Part::None);
                state.values.push(Item::Unknown(symbol));
            }
            Part::None => return failed("a buffer without a size"),
        }
        Ok(())
    }

    pub(super) fn package(&mut self, state: &mut State, place: Place, op: Op) -> Step<()> {
        let children = self
            .space
            .trees()
            .get(place.table)
            .map_or(0, |tree| tree.body(place.node).count());
        let from = state.values.len().saturating_sub(children);
        let mut elements = state.values.split_off(from);
        let count = if op == Op::Package {
            Part::Number(self.raw(place, 0))
        } else {
            let count = pop(state);
            let count = self.plain(state, &count)?;
            self.integer(state, &count)?
        };
        match count {
            Part::Number(count) => {
                let count = usize::try_from(count).unwrap_or(usize::MAX);
                state.heap.take(count.saturating_mul(size_of::<Item>()))?;
                // More elements than are counted are kept, as other interpreters do.
                elements.resize(count.max(elements.len()), Item::None);
                let cell = state.heap.elements(elements)?;
                state.values.push(Item::Package(cell));
            }
            Part::Symbol(symbol) => state.values.push(Item::Unknown(symbol)),
            Part::None => return failed("a package without a size"),
        }
        Ok(())
    }
}

/// A template without its end tag.
fn without_end(bytes: Bytes) -> Bytes {
    let mut at = 0;
    while let Some(tag) = bytes.data.get(at) {
        if tag >> 3 == 0x0f {
            return bytes.part(0, at);
        }
        let size = if tag & 0x80 == 0 {
            usize::from(tag & 7).saturating_add(1)
        } else {
            let length = bytes
                .data
                .get(at.saturating_add(1)..at.saturating_add(3))
                .map_or(0, little_endian);
            usize::try_from(length).unwrap_or(usize::MAX).saturating_add(3)
        };
        at = at.saturating_add(size);
    }
    bytes
}
