//! Terms: constants and places at once, anything else after its operands.

use super::super::names::NameId;
use super::super::namespace::{ObjectKind, Place};
use super::super::opcode::Op;
use super::bits::Bytes;
use super::heap::{Item, Target};
use super::machine::{Machine, Step, failed};
use super::state::{Binding, Mode, State};
use super::symbol::Part;
use super::values::Dependency;

impl Machine<'_> {
    pub(super) fn eval(&mut self, state: &mut State, place: Place, mode: Mode) -> Step<()> {
        let Some(node) = self.space.node(place).copied() else {
            return failed("a term that is not there");
        };
        let item = match node.op {
            Op::Zero | Op::One | Op::Ones | Op::ByteConst | Op::WordConst | Op::DWordConst | Op::QWordConst => {
                Item::Integer(node.value & self.setup.ones)
            }
            Op::StringConst => {
                let text = self
                    .space
                    .trees()
                    .get(place.table)
                    .and_then(|tree| tree.text(place.node));
                state.heap.text(text.unwrap_or_default())?
            }
            Op::Local0 | Op::Local1 | Op::Local2 | Op::Local3 | Op::Local4 | Op::Local5 | Op::Local6 | Op::Local7 => {
                self.local(state, place, node.op as usize - Op::Local0 as usize, mode)?
            }
            Op::Arg0 | Op::Arg1 | Op::Arg2 | Op::Arg3 | Op::Arg4 | Op::Arg5 | Op::Arg6 => {
                self.argument(state, place, node.op as usize - Op::Arg0 as usize, mode)?
            }
            Op::NameRef => return self.eval_name(state, place, mode),
            Op::NullName => Item::Reference(Target::Null),
            Op::Debug => Item::Reference(Target::Debug),
            Op::Timer => Item::Unknown(self.symbols.fresh(Dependency::Timer)),
            Op::Revision => Item::Unknown(self.symbols.source(Dependency::Interpreter, 0)),
            Op::Damaged => return failed(format!("bytes that are no term: {}", self.describe(place))),
            _ => return self.push_operands(state, place, mode),
        };
        state.values.push(item);
        Ok(())
    }

    fn local(&self, state: &State, place: Place, index: usize, mode: Mode) -> Step<Item> {
        let Some(frame) = state.method().or(state.frames.first()) else {
            return failed(format!("{} outside a method", self.describe(place)));
        };
        if mode == Mode::Reference {
            return Ok(Item::Reference(Target::Local(frame.serial, index)));
        }
        match frame.locals.get(index) {
            None | Some(Item::None) => failed(format!("{} before anything is stored there", self.describe(place))),
            Some(item) => Ok(self.settled(state, item.clone())),
        }
    }

    fn argument(&self, state: &State, place: Place, index: usize, mode: Mode) -> Step<Item> {
        let Some(frame) = state.method().or(state.frames.first()) else {
            return failed(format!("{} outside a method", self.describe(place)));
        };
        if mode == Mode::Reference {
            return Ok(Item::Reference(Target::Argument(frame.serial, index)));
        }
        match frame.arguments.get(index) {
            None | Some(Item::None) => failed(format!("{} that the caller does not give", self.describe(place))),
            Some(item) => Ok(self.settled(state, item.clone())),
        }
    }

    /// All operands are on the values.
    pub(super) fn apply(&mut self, state: &mut State, place: Place, op: Op, mode: Mode) -> Step<()> {
        match op {
            Op::Call => self.apply_call(state, place),
            Op::Return => {
                let item = pop(state);
                self.give_back(state, item)
            }
            Op::Name => self.apply_name(state, place),
            Op::OperationRegion | Op::DataTableRegion => self.apply_region(state, place, op),
            Op::CreateBitField
            | Op::CreateByteField
            | Op::CreateWordField
            | Op::CreateDWordField
            | Op::CreateQWordField
            | Op::CreateField => self.apply_create(state, place, op),
            Op::Store | Op::CopyObject => {
                let (target, item) = (pop(state), pop(state));
                let item = self.settled(state, item);
                self.put(state, &item, &target, op == Op::CopyObject)?;
                state.values.push(item);
                Ok(())
            }
            Op::Notify => drop_values(state, 2),
            Op::Sleep | Op::Stall | Op::Signal | Op::Reset | Op::Release | Op::Unload => drop_values(state, 1),
            Op::Acquire => {
                pop(state);
                state.values.push(Item::Integer(0));
                Ok(())
            }
            Op::Wait => {
                drop_values(state, 2)?;
                state.values.push(Item::Integer(0));
                Ok(())
            }
            Op::Fatal => failed(self.describe(place)),
            Op::Load | Op::LoadTable => {
                let count = if op == Op::Load { 2 } else { 6 };
                drop_values(state, count)?;
                let symbol = self.symbols.fresh(Dependency::Load);
                state.values.push(Item::Unknown(symbol));
                Ok(())
            }
            Op::RefOf => {
                let item = pop(state);
                if let Item::Reference(Target::Missing(path)) = &item {
                    return failed(format!("RefOf ({path}), which no table declares"));
                }
                state.values.push(item);
                Ok(())
            }
            Op::CondRefOf => self.cond_ref_of(state),
            Op::DerefOf => self.deref(state, place, mode),
            Op::Index => self.index(state, place),
            Op::SizeOf => self.size_of(state, place),
            Op::ObjectType => self.object_type(state),
            Op::Buffer => self.buffer(state, place),
            Op::Package | Op::VarPackage => self.package(state, place, op),
            Op::Increment | Op::Decrement => {
                let target = pop(state);
                let held = self.plain(state, &target)?;
                let number = self.integer(state, &held)?;
                let op = if op == Op::Increment { Op::Add } else { Op::Subtract };
                let result = self.arithmetic(op, number, Part::Number(1))?;
                self.finish(state, item_of(result), &[target])
            }
            Op::LNot => {
                let item = pop(state);
                let item = self.plain(state, &item)?;
                let number = self.integer(state, &item)?;
                let result = self.arithmetic(op, number, Part::None)?;
                let item = self.known_truth(state, result);
                self.finish(state, item, &[])
            }
            Op::LAnd | Op::LOr => {
                let [first, second] = self.two_numbers(state)?;
                let result = self.arithmetic(op, first, second)?;
                let item = self.known_truth(state, result);
                self.finish(state, item, &[])
            }
            Op::LEqual | Op::LGreater | Op::LLess => self.compare(state, op),
            Op::Not | Op::FindSetLeftBit | Op::FindSetRightBit | Op::FromBCD | Op::ToBCD => {
                let (target, item) = (pop(state), pop(state));
                let item = self.plain(state, &item)?;
                let number = self.integer(state, &item)?;
                let result = self.arithmetic(op, number, Part::None)?;
                let item = self.settled(state, item_of(result));
                self.finish(state, item, &[target])
            }
            Op::Divide => {
                let (quotient, remainder) = (pop(state), pop(state));
                let [first, second] = self.two_numbers(state)?;
                let rest = self.arithmetic(Op::Mod, first, second)?;
                self.put(state, &item_of(rest), &remainder, false)?;
                let result = self.arithmetic(Op::Divide, first, second)?;
                self.finish(state, item_of(result), &[quotient])
            }
            Op::Add
            | Op::Subtract
            | Op::Multiply
            | Op::ShiftLeft
            | Op::ShiftRight
            | Op::And
            | Op::NAnd
            | Op::Or
            | Op::NOr
            | Op::XOr
            | Op::Mod => {
                let target = pop(state);
                let [first, second] = self.two_numbers(state)?;
                let result = self.arithmetic(op, first, second)?;
                let item = self.settled(state, item_of(result));
                self.finish(state, item, &[target])
            }
            Op::Concatenate | Op::ConcatenateResTemplate => self.concatenate(state, op),
            Op::Mid => self.mid(state),
            Op::Match => self.find_match(state, place),
            Op::ToInteger | Op::ToBuffer | Op::ToHexString | Op::ToDecimalString => self.explicit(state, op),
            Op::ToString => self.text_until(state),
            _ => failed(format!("{} where a method runs", self.describe(place))),
        }
    }

    fn apply_call(&mut self, state: &mut State, place: Place) -> Step<()> {
        let Some(name_place) = self.operand(place, 0) else {
            return failed("a call without a name");
        };
        let count = self
            .space
            .node(place)
            .map_or(1, |node| usize::from(node.operands))
            .saturating_sub(1);
        let from = state.values.len().saturating_sub(count);
        let arguments = state.values.split_off(from);
        match self.resolve(state, name_place) {
            Some(name) => self.call_name(state, name_place, name, arguments),
            None => {
                let path = self.spelled(name_place).to_string();
                let symbol = self.symbols.source(Dependency::Missing { path }, 0);
                state.values.push(Item::Unknown(symbol));
                Ok(())
            }
        }
    }

    fn apply_name(&mut self, state: &mut State, place: Place) -> Step<()> {
        let item = pop(state);
        let item = state.heap.copy(&item)?;
        if let Some(name) = self.declared(place) {
            self.create(state, name, Binding::Value(item));
            state.stored.insert(name);
        }
        Ok(())
    }

    fn apply_region(&mut self, state: &mut State, place: Place, op: Op) -> Step<()> {
        let (space, base) = if op == Op::OperationRegion {
            pop(state);
            let base = pop(state);
            let base = self.plain(state, &base)?;
            let base = match self.integer(state, &base) {
                Ok(Part::Number(number)) => Some(number),
                _ => None,
            };
            (u8::try_from(self.raw(place, 1)).ok(), base)
        } else {
            drop_values(state, 3)?;
            (None, None)
        };
        if let Some(name) = self.declared(place) {
            self.create(state, name, Binding::Region { space, base });
        }
        Ok(())
    }

    fn apply_create(&mut self, state: &mut State, place: Place, op: Op) -> Step<()> {
        let bits = match op {
            Op::CreateBitField => Part::Number(1),
            Op::CreateByteField => Part::Number(8),
            Op::CreateWordField => Part::Number(16),
            Op::CreateDWordField => Part::Number(32),
            Op::CreateQWordField => Part::Number(64),
            _ => {
                let bits = pop(state);
                let bits = self.plain(state, &bits)?;
                self.integer(state, &bits)?
            }
        };
        let first = pop(state);
        let first = self.plain(state, &first)?;
        let first = self.integer(state, &first)?;
        let source = pop(state);
        let source = self.plain(state, &source)?;
        let Some(name) = self.declared(place) else {
            return Ok(());
        };
        let cell = match source {
            Item::Buffer(cell) | Item::Text(cell) => cell,
            Item::Unknown(symbol) => {
                self.create(state, name, Binding::Value(Item::Unknown(symbol)));
                return Ok(());
            }
            _ => return failed(format!("{} of no buffer", self.describe(place))),
        };
        let (Part::Number(first), Part::Number(bits)) = (first, bits) else {
            let symbol = first.symbol().or(bits.symbol());
            if let (Some(symbol), Some(bytes)) = (symbol, state.heap.bytes_mut(cell)) {
                bytes.forget(symbol);
                self.create(state, name, Binding::Value(Item::Unknown(symbol)));
            }
            return Ok(());
        };
        let in_bits = matches!(op, Op::CreateField | Op::CreateBitField);
        let first = usize::try_from(first)
            .ok()
            .and_then(|first| first.checked_mul(if in_bits { 1 } else { 8 }));
        let bits = usize::try_from(bits).ok();
        let room = state.heap.as_bytes(cell).map_or(0, Bytes::bits);
        let (Some(first), Some(bits)) = (first, bits) else {
            return failed(format!("{} outside its buffer", self.describe(place)));
        };
        if first.checked_add(bits).is_none_or(|end| end > room) || bits == 0 {
            return failed(format!(
                "{} outside its buffer of {} bytes",
                self.describe(place),
                room / 8
            ));
        }
        let buffer = op == Op::CreateField;
        self.create(
            state,
            name,
            Binding::Part {
                cell,
                first,
                bits,
                buffer,
            },
        );
        Ok(())
    }

    /// Store to what a target operand gave.
    fn put(&mut self, state: &mut State, item: &Item, target: &Item, copy: bool) -> Step<()> {
        match target {
            Item::Reference(Target::Named(name))
                if copy && matches!(self.kind(*name), Some((_, ObjectKind::Name)) | None) =>
            {
                let name: NameId = *name;
                match state.named.get(&name) {
                    Some(Binding::Value(_)) | None => self.copy_to_name(state, item, name),
                    _ => self.store(state, item, &Target::Named(name)),
                }
            }
            Item::Reference(target) => self.store(state, item, target),
            // What is unknown may refer to anything; the rest refers to nothing.
            _ => Ok(()),
        }
    }

    pub(super) fn finish(&mut self, state: &mut State, item: Item, targets: &[Item]) -> Step<()> {
        for target in targets {
            self.put(state, &item, target, false)?;
        }
        state.values.push(item);
        Ok(())
    }

    pub(super) fn two_numbers(&mut self, state: &mut State) -> Step<[Part; 2]> {
        let (second, first) = (pop(state), pop(state));
        let first = self.plain(state, &first)?;
        let second = self.plain(state, &second)?;
        Ok([self.integer(state, &first)?, self.integer(state, &second)?])
    }

    /// The truth of an expression that was decided before on this path.
    pub(super) fn known_truth(&self, state: &State, part: Part) -> Item {
        match part {
            Part::Symbol(symbol) => match state.truth(symbol) {
                Some(truth) => Item::Integer(if truth { self.setup.ones } else { 0 }),
                None => Item::Unknown(symbol),
            },
            other => item_of(other),
        }
    }
}

pub(super) fn pop(state: &mut State) -> Item {
    state.values.pop().unwrap_or_default()
}

fn drop_values(state: &mut State, count: usize) -> Step<()> {
    let left = state.values.len().saturating_sub(count);
    state.values.truncate(left);
    Ok(())
}

pub(super) fn item_of(part: Part) -> Item {
    match part {
        Part::Number(number) => Item::Integer(number),
        Part::Symbol(symbol) => Item::Unknown(symbol),
        Part::None => Item::None,
    }
}
