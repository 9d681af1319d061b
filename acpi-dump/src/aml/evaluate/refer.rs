//! References, elements and what things are. ACPI 6.5, sections 19.6.24, 19.6.59, 19.6.81, 19.6.97.

use super::super::namespace::{ObjectKind, Place};
use super::super::opcode::Op;
use super::bits::Bytes;
use super::eval::pop;
use super::heap::{Item, Target};
use super::machine::{Machine, Step, failed};
use super::state::{Binding, Mode, State, Task};
use super::symbol::{Part, SymbolId};
use super::values::Dependency;

impl Machine<'_> {
    pub(super) fn cond_ref_of(&mut self, state: &mut State) -> Step<()> {
        let (target, item) = (pop(state), pop(state));
        let there = match &item {
            Item::Reference(Target::Missing(path)) => {
                let path = path.to_string();
                self.assumptions.insert(Dependency::Absent { path });
                Item::Integer(0)
            }
            Item::Reference(Target::Named(name)) => {
                let conditional = self.space.object_of(*name).and_then(|id| self.space.condition(id));
                match conditional.filter(|_| !state.stored.contains(name)) {
                    Some(_) => {
                        let path = self.path(*name);
                        let symbol = self.symbols.source(Dependency::Exists { path }, 0);
                        self.settled(state, Item::Unknown(symbol))
                    }
                    None => Item::Integer(self.setup.ones),
                }
            }
            Item::Reference(place @ (Target::Local(..) | Target::Argument(..))) => {
                let place = place.clone();
                match self.read(state, &place)? {
                    Item::None => Item::Integer(0),
                    _ => Item::Integer(self.setup.ones),
                }
            }
            _ => Item::Integer(self.setup.ones),
        };
        if let (Item::Reference(target), false) = (&target, matches!(there, Item::Integer(0))) {
            let target = target.clone();
            self.store(state, &item, &target)?;
        }
        state.values.push(there);
        Ok(())
    }

    pub(super) fn deref(&mut self, state: &mut State, place: Place, mode: Mode) -> Step<()> {
        let mut item = pop(state);
        if let Item::Text(cell) = &item {
            let text = state
                .heap
                .as_bytes(*cell)
                .map(|bytes| bytes.data.clone())
                .unwrap_or_default();
            item = match self.resolve_text(state, &text) {
                Some(name) => Item::Reference(Target::Named(name)),
                None => {
                    let path = super::text_of(&text);
                    Item::Unknown(self.symbols.source(Dependency::Missing { path }, 0))
                }
            };
        }
        // A local that is given as itself stands for what it holds.
        if let Item::Reference(target @ (Target::Local(..) | Target::Argument(..))) = &item {
            let target = target.clone();
            if let held @ Item::Reference(_) = self.read(state, &target)? {
                item = held;
            }
        }
        let Item::Reference(target) = &item else {
            return match item {
                Item::Unknown(_) => {
                    state.values.push(item);
                    Ok(())
                }
                // Data is taken as itself, as Windows does.
                Item::Integer(_) | Item::Buffer(_) | Item::Package(_) => {
                    state.values.push(item);
                    Ok(())
                }
                _ => failed(format!("{} of no reference", self.describe(place))),
            };
        };
        let target = target.clone();
        if let Target::Named(name) = target {
            state.values.push(item.clone());
            state.tasks.push(Task::Apply(place, mode));
            if !self.bound(state, name)? {
                return Ok(());
            }
            state.tasks.pop();
            state.values.pop();
        }
        if mode == Mode::Reference {
            state.values.push(item);
            return Ok(());
        }
        let value = self.read(state, &target)?;
        if matches!(value, Item::None) {
            return failed(format!("{} of an element without a value", self.describe(place)));
        }
        let value = self.settled(state, value);
        state.values.push(value);
        Ok(())
    }

    pub(super) fn index(&mut self, state: &mut State, place: Place) -> Step<()> {
        let (target, index, source) = (pop(state), pop(state), pop(state));
        let index = self.plain(state, &index)?;
        let index = self.integer(state, &index)?;
        let source = self.plain(state, &source)?;
        let (cell, length, package) = match &source {
            Item::Package(cell) => (*cell, state.heap.as_elements(*cell).map_or(0, <[Item]>::len), true),
            Item::Buffer(cell) | Item::Text(cell) => (
                *cell,
                state.heap.as_bytes(*cell).map_or(0, |bytes| bytes.data.len()),
                false,
            ),
            Item::Unknown(symbol) => {
                let symbol = self.symbols.apply(Op::Index, Part::Symbol(*symbol), index);
                state.values.push(Item::Unknown(symbol));
                return Ok(());
            }
            _ => return failed(format!("{} of no package, buffer or string", self.describe(place))),
        };
        let reference = match index {
            Part::Number(number) => {
                let at = usize::try_from(number).unwrap_or(usize::MAX);
                if at >= length {
                    return failed(format!("{}: element {number} of {length}", self.describe(place)));
                }
                if package {
                    Target::Element(cell, at)
                } else {
                    Target::Byte(cell, at)
                }
            }
            Part::Symbol(symbol) => {
                let symbol = self
                    .symbols
                    .apply(Op::Index, Part::Symbol(symbol), Part::Number(cell as u64));
                Target::Somewhere(cell, symbol)
            }
            Part::None => return failed("an element without a number"),
        };
        let item = Item::Reference(reference);
        if let Item::Reference(target) = &target {
            let target = target.clone();
            self.store(state, &item, &target)?;
        }
        state.values.push(item);
        Ok(())
    }

    pub(super) fn size_of(&mut self, state: &mut State, place: Place) -> Step<()> {
        let item = pop(state);
        let size = match self.plain(state, &item)? {
            Item::Text(cell) | Item::Buffer(cell) => state.heap.as_bytes(cell).map_or(0, |bytes| bytes.data.len()),
            Item::Package(cell) => state.heap.as_elements(cell).map_or(0, <[Item]>::len),
            Item::Integer(_) => self.width(),
            Item::Unknown(symbol) => {
                let symbol = self.symbols.apply(Op::SizeOf, Part::Symbol(symbol), Part::None);
                state.values.push(Item::Unknown(symbol));
                return Ok(());
            }
            _ => return failed(format!("{} of no data", self.describe(place))),
        };
        state.values.push(Item::Integer(size as u64));
        Ok(())
    }

    pub(super) fn object_type(&mut self, state: &mut State) -> Step<()> {
        let mut item = pop(state);
        for _ in 0..8 {
            let Item::Reference(target) = &item else { break };
            if let Target::Named(name) = target {
                let declared = self.kind(*name).map(|(_, kind)| *kind);
                if let Some(number) = type_of_name(declared.as_ref(), state.named.get(name)) {
                    state.values.push(Item::Integer(number));
                    return Ok(());
                }
            }
            let target = target.clone();
            item = match target {
                Target::Debug => {
                    state.values.push(Item::Integer(16));
                    return Ok(());
                }
                Target::Byte(..) => {
                    state.values.push(Item::Integer(14));
                    return Ok(());
                }
                target => self.read(state, &target)?,
            };
        }
        let item = match self.settled(state, item) {
            Item::None | Item::Reference(_) => Item::Integer(0),
            Item::Integer(_) => Item::Integer(1),
            Item::Text(_) => Item::Integer(2),
            Item::Buffer(_) => Item::Integer(3),
            Item::Package(_) => Item::Integer(4),
            Item::Unknown(symbol) => {
                Item::Unknown(self.symbols.apply(Op::ObjectType, Part::Symbol(symbol), Part::None))
            }
        };
        state.values.push(item);
        Ok(())
    }

    /// `Match`: the first element for which both comparisons hold.
    pub(super) fn find_match(&mut self, state: &mut State, place: Place) -> Step<()> {
        let (start, second, first, source) = (pop(state), pop(state), pop(state), pop(state));
        let operators = [self.raw(place, 1), self.raw(place, 3)];
        let start = self.plain(state, &start)?;
        let start = self.integer(state, &start)?;
        let source = self.plain(state, &source)?;
        let Item::Package(cell) = source else {
            return failed(format!("{} in no package", self.describe(place)));
        };
        let elements = state.heap.as_elements(cell).unwrap_or_default().to_vec();
        let Part::Number(start) = start else {
            let symbol = self.symbols.apply(Op::Match, start, Part::Number(cell as u64));
            state.values.push(Item::Unknown(symbol));
            return Ok(());
        };
        let start = usize::try_from(start).unwrap_or(usize::MAX);
        for (at, element) in elements.iter().enumerate().skip(start) {
            self.steps = self.steps.saturating_add(1);
            let element = self.plain(state, element)?;
            let one = self.match_one(state, &element, operators[0], &first)?;
            let two = self.match_one(state, &element, operators[1], &second)?;
            let unknown = match (one, two) {
                (Comparison::Is(true), Comparison::Is(true)) => {
                    state.values.push(Item::Integer(at as u64));
                    return Ok(());
                }
                (Comparison::Is(false), _) | (_, Comparison::Is(false)) => continue,
                (Comparison::Unknown(symbol), _) | (_, Comparison::Unknown(symbol)) => symbol,
            };
            let symbol = self
                .symbols
                .apply(Op::Match, Part::Symbol(unknown), Part::Number(cell as u64));
            state.values.push(Item::Unknown(symbol));
            return Ok(());
        }
        state.values.push(Item::Integer(self.setup.ones));
        Ok(())
    }

    /// Whether a comparison holds.
    fn match_one(&mut self, state: &mut State, element: &Item, operator: u64, with: &Item) -> Step<Comparison> {
        if operator == 0 {
            return Ok(Comparison::Is(true));
        }
        let with = self.plain(state, with)?;
        let order = match (element, &with) {
            (Item::None | Item::Package(_) | Item::Reference(_), _) => return Ok(Comparison::Is(false)),
            (Item::Text(_) | Item::Buffer(_), Item::Text(_) | Item::Buffer(_)) => {
                let pair: Option<(Bytes, Bytes)> = self.bytes_of(state, element).zip(self.bytes_of(state, &with));
                let Some((one, two)) = pair else {
                    return Ok(Comparison::Is(false));
                };
                match one.any_gap().or(two.any_gap()) {
                    Some(symbol) => return Ok(Comparison::Unknown(symbol)),
                    None => one.data.cmp(&two.data),
                }
            }
            _ => match (self.integer(state, element)?, self.integer(state, &with)?) {
                (Part::Number(one), Part::Number(two)) => one.cmp(&two),
                (Part::Symbol(symbol), _) | (_, Part::Symbol(symbol)) => return Ok(Comparison::Unknown(symbol)),
                _ => return Ok(Comparison::Is(false)),
            },
        };
        Ok(Comparison::Is(match operator {
            1 => order.is_eq(),
            2 => order.is_le(),
            3 => order.is_lt(),
            4 => order.is_ge(),
            5 => order.is_gt(),
            _ => return failed(format!("Match with operator {operator}")),
        }))
    }
}

/// Whether something holds.
enum Comparison {
    Is(bool),
    Unknown(SymbolId),
}

/// `ObjectType` of a name that is no data; `None` for data.
fn type_of_name(kind: Option<&ObjectKind>, binding: Option<&Binding>) -> Option<u64> {
    match binding {
        Some(Binding::Part { .. }) => return Some(14),
        Some(Binding::Unit(_)) => return Some(5),
        Some(Binding::Region { .. }) => return Some(10),
        _ => {}
    }
    Some(match kind? {
        ObjectKind::FieldUnit { .. } => 5,
        ObjectKind::Device => 6,
        ObjectKind::Event => 7,
        ObjectKind::Method { .. } => 8,
        ObjectKind::Mutex { .. } => 9,
        ObjectKind::OperationRegion { .. } => 10,
        ObjectKind::PowerResource { .. } => 11,
        ObjectKind::Processor { .. } => 12,
        ObjectKind::ThermalZone => 13,
        ObjectKind::BufferField { .. } => 14,
        ObjectKind::Scope | ObjectKind::Missing => 0,
        _ => return None,
    })
}
