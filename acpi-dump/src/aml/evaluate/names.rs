//! Names while something is evaluated: what they stand for, and when their value is computed.

use std::rc::Rc;

use super::super::name::{NameRef, NameSeg};
use super::super::names::{NameId, Names};
use super::super::namespace::{ObjectId, ObjectKind, Place, UnitAccess};
use super::super::opcode::Op;
use super::heap::{Item, Target};
use super::machine::{Machine, Step, failed};
use super::regions::{RegionRead, Regions};
use super::state::{Binding, Mode, State, Task};
use super::values::Dependency;

impl Machine<'_> {
    /// The name that a term means where it is executed, aliases followed.
    pub(super) fn resolve(&self, state: &State, place: Place) -> Option<NameId> {
        let name = self.space.trees().get(place.table)?.name(place.node)?;
        let scope = state.frames.last().map_or(Names::ROOT, |frame| frame.scope);
        self.resolve_in(state, scope, name)
    }

    fn resolve_in(&self, state: &State, scope: NameId, name: NameRef<'_>) -> Option<NameId> {
        let names = self.space.names();
        let live = |id| self.space.object_of(id).is_some() || state.named.contains_key(&id);
        let id = names.find_where(scope, name, live)?;
        let Some(object) = self.space.object_of(id).filter(|_| !state.named.contains_key(&id)) else {
            return Some(id);
        };
        let target = self.space.object(self.space.target(object))?;
        Some(target.name_id)
    }

    /// The name of an absolute path in ASL spelling, as strings hold it.
    pub(super) fn resolve_text(&self, state: &State, text: &[u8]) -> Option<NameId> {
        let path = std::str::from_utf8(text).ok()?;
        let path: super::super::name::NamePath = path.parse().ok()?;
        let scope = state.frames.last().map_or(Names::ROOT, |frame| frame.scope);
        let names = self.space.names();
        let mut start = if path.root { Names::ROOT } else { scope };
        for _ in 0..path.parents {
            start = names.parent(start);
        }
        if let ([segment], true) = (path.segments.as_slice(), path.searches_upwards()) {
            return self.resolve_in(state, start, NameRef::segment(&segment.0));
        }
        let below = |at, segment: &NameSeg| names.below(at, *segment);
        path.segments.iter().try_fold(start, below)
    }

    /// The path of a name, or how it is written when nothing declares it.
    pub(super) fn spelled(&self, place: Place) -> Rc<str> {
        let tree = self.space.trees().get(place.table);
        let path = tree.and_then(|tree| tree.name_path(place.node));
        path.map(|path| path.to_string()).unwrap_or_default().into()
    }

    pub(super) fn path(&self, name: NameId) -> String {
        self.space.names().path(name).to_string()
    }

    /// A name where a value, a place or an element is wanted.
    pub(super) fn eval_name(&mut self, state: &mut State, place: Place, mode: Mode) -> Step<()> {
        let Some(name) = self.resolve(state, place) else {
            return self.eval_missing(state, place, mode);
        };
        self.note_ambiguous(state, name);
        let kind = self.kind(name).map(|(_, kind)| *kind);
        let declared_here = state.named.contains_key(&name);
        match kind {
            Some(ObjectKind::External { .. } | ObjectKind::Missing) if !declared_here => {
                return self.eval_missing(state, place, mode);
            }
            Some(ObjectKind::Method { .. }) if mode == Mode::Value && !declared_here => {
                return self.call_name(state, place, name, Vec::new());
            }
            _ => {}
        }
        if mode == Mode::Element && matches!(state.named.get(&name), Some(Binding::Busy)) {
            state.values.push(Item::Reference(Target::Named(name)));
            return Ok(());
        }
        // Come back to the term when the value is there.
        state.tasks.push(Task::Eval(place, mode));
        if !self.bound(state, name)? {
            return Ok(());
        }
        state.tasks.pop();
        let item = match mode {
            Mode::Reference => Item::Reference(Target::Named(name)),
            Mode::Value => self.value_of(state, name)?,
            Mode::Element => match (kind, state.named.get(&name)) {
                (_, Some(Binding::Value(item))) => item.clone(),
                _ => Item::Reference(Target::Named(name)),
            },
        };
        state.values.push(item);
        Ok(())
    }

    /// One of several declarations in different branches is used: the result holds for it only.
    fn note_ambiguous(&mut self, state: &mut State, name: NameId) {
        if self.setup.ambiguous.contains(&name) && !state.stored.contains(&name) {
            let path = self.path(name);
            let symbol = self.symbols.source(Dependency::Exists { path }, 0);
            state.note_decision(symbol);
            state.cut = true;
        }
    }

    fn eval_missing(&mut self, state: &mut State, place: Place, mode: Mode) -> Step<()> {
        let path = self.spelled(place);
        let item = if mode == Mode::Value {
            let path = path.to_string();
            Item::Unknown(self.symbols.source(Dependency::Missing { path }, 0))
        } else {
            Item::Reference(Target::Missing(path))
        };
        state.values.push(item);
        Ok(())
    }

    /// Whether the value of a name is there; else the tasks that compute it are put on top.
    pub(super) fn bound(&mut self, state: &mut State, name: NameId) -> Step<bool> {
        if let Some(binding) = state.named.get(&name) {
            return match binding {
                Binding::Busy => failed(format!("{} refers to itself", self.path(name))),
                _ => Ok(true),
            };
        }
        if let Some(value) = self.setup.start.get(&name) {
            let item = self.instantiate(state, name, value)?;
            state.named.insert(name, Binding::Value(item));
            return Ok(true);
        }
        let Some((id, kind)) = self.kind(name) else {
            return Ok(true);
        };
        let place = self.space.object(id).and_then(|object| object.place);
        match (kind, place) {
            (ObjectKind::Name, Some(place)) => self.bind_name(state, name, place),
            (ObjectKind::Name, None) => {
                let item = match self.space.names().segment(name) {
                    NameSeg(segment) if segment == *b"_REV" => Item::Integer(2),
                    _ => state.heap.text(b"Microsoft Windows NT")?,
                };
                state.named.insert(name, Binding::Value(item));
                Ok(true)
            }
            (ObjectKind::BufferField { .. } | ObjectKind::OperationRegion { .. }, Some(place)) => {
                state.named.insert(name, Binding::Busy);
                self.declaration(state, place, None)?;
                Ok(false)
            }
            (ObjectKind::FieldUnit { access, .. }, _) => self.bind_region(state, *access),
            _ => Ok(true),
        }
    }

    /// Integers, the most of all, need no task.
    fn bind_name(&mut self, state: &mut State, name: NameId, place: Place) -> Step<bool> {
        let data = self.operand(place, 1).and_then(|data| self.space.node(data));
        if let Some(data) = data
            && matches!(
                data.op,
                Op::Zero | Op::One | Op::Ones | Op::ByteConst | Op::WordConst | Op::DWordConst | Op::QWordConst
            )
        {
            let item = Item::Integer(data.value & self.setup.ones);
            state.named.insert(name, Binding::Value(item));
            return Ok(true);
        }
        self.declaration(state, place, Some((name, 1)))?;
        Ok(false)
    }

    fn bind_region(&mut self, state: &mut State, access: UnitAccess) -> Step<bool> {
        let (UnitAccess::Region(Some(region))
        | UnitAccess::Bank {
            region: Some(region), ..
        }) = access
        else {
            return Ok(true);
        };
        match self.space.object(region) {
            Some(region) if matches!(region.kind, ObjectKind::OperationRegion { .. }) => {
                match state.named.get(&region.name_id) {
                    Some(_) => Ok(true),
                    None => self.bound(state, region.name_id),
                }
            }
            _ => Ok(true),
        }
    }

    /// The value of a name that is bound.
    pub(super) fn value_of(&mut self, state: &mut State, name: NameId) -> Step<Item> {
        match state.named.get(&name) {
            Some(Binding::Value(item)) => {
                let item = item.clone();
                if self.setup.variables.contains(&name) && !state.stored.contains(&name) {
                    let path = self.path(name);
                    self.assumptions.insert(Dependency::Variable { path });
                }
                return Ok(self.settled(state, item));
            }
            Some(Binding::Part {
                cell,
                first,
                bits,
                buffer,
            }) => {
                let (cell, first, bits, buffer) = (*cell, *first, *bits, *buffer);
                return self.read_part(state, cell, first, bits, buffer);
            }
            Some(Binding::Unit(place)) => {
                let place = *place;
                return Ok(self.read_dynamic_unit(state, name, place));
            }
            Some(_) => return Ok(Item::Reference(Target::Named(name))),
            None => {}
        }
        match self.kind(name) {
            Some((id, ObjectKind::FieldUnit { .. })) => Ok(self.read_unit(state, name, id)),
            Some((_, ObjectKind::Name)) => failed(format!("{} is not evaluated yet", self.path(name))),
            _ => Ok(Item::Reference(Target::Named(name))),
        }
    }

    /// The number that an unknown value has on this path, if it was decided.
    pub(super) fn settled(&self, state: &State, item: Item) -> Item {
        match item {
            Item::Unknown(id) => state.settle(id).map_or(Item::Unknown(id), Item::Integer),
            other => other,
        }
    }

    fn read_unit(&mut self, state: &State, name: NameId, id: ObjectId) -> Item {
        let Some(ObjectKind::FieldUnit {
            offset, bits, access, ..
        }) = self.space.object(id).map(|object| object.kind)
        else {
            return Item::None;
        };
        let path = self.path(name);
        let region = match access {
            UnitAccess::Region(region) => region,
            UnitAccess::Bank { region, .. } => region,
            UnitAccess::Index { data, .. } => data,
        };
        let direct = matches!(access, UnitAccess::Region(_));
        let key = self.region_key(region);
        let version = state.epochs.get(&key).copied().unwrap_or_default();
        let binding = region
            .and_then(|region| self.space.object(region))
            .and_then(|region| state.named.get(&region.name_id));
        let (space, base) = match binding {
            Some(Binding::Region { space, base }) => (*space, *base),
            _ => (None, None),
        };
        let address = base.filter(|_| direct).and_then(|base| base.checked_add(offset / 8));
        if version == 0
            && direct
            && let (Some(space), Some(base)) = (space, base)
        {
            let read = RegionRead {
                path: &path,
                region: &key,
                space,
                base,
                offset,
                bits,
            };
            if let Some(number) = self.setup.regions.and_then(|regions: &dyn Regions| regions.read(&read)) {
                return Item::Integer(number & self.setup.ones);
            }
        }
        let field = Dependency::Field { path, space, address };
        let symbol = self.symbols.source(field, version);
        self.settled(state, Item::Unknown(symbol))
    }

    fn read_dynamic_unit(&mut self, state: &State, name: NameId, place: Place) -> Item {
        let path = self.path(name);
        let region = self.dynamic_region(place);
        let version = state.epochs.get(&region).copied().unwrap_or_default();
        let region = self
            .space
            .node(place)
            .map(|node| Place {
                node: node.parent,
                ..place
            })
            .and_then(|list| self.operand(list, 0))
            .and_then(|name| self.resolve(state, name));
        let (space, base) = match region.and_then(|region| state.named.get(&region)) {
            Some(Binding::Region { space, base }) => (*space, *base),
            _ => (None, None),
        };
        let field = Dependency::Field {
            path,
            space,
            address: base,
        };
        let symbol = self.symbols.source(field, version);
        self.settled(state, Item::Unknown(symbol))
    }

    fn dynamic_region(&self, place: Place) -> Rc<str> {
        let list = self.space.node(place).map(|node| node.parent);
        format!("{}:{}", place.table, list.map_or(0, |node| node.0)).into()
    }

    pub(super) fn region_key(&self, region: Option<ObjectId>) -> Rc<str> {
        region
            .map(|region| self.space.path(region).to_string())
            .unwrap_or_default()
            .into()
    }

    /// A unit of a region is written: what is read from the region afterwards is something else.
    pub(super) fn write_unit(&mut self, state: &mut State, name: NameId) {
        let path = self.path(name);
        self.writes.insert(path);
        let key = match state.named.get(&name) {
            Some(Binding::Unit(place)) => self.dynamic_region(*place),
            _ => match self.kind(name) {
                Some((_, ObjectKind::FieldUnit { access, .. })) => self.region_key(match access {
                    UnitAccess::Region(region) => *region,
                    UnitAccess::Bank { region, .. } => *region,
                    UnitAccess::Index { data, .. } => *data,
                }),
                _ => return,
            },
        };
        let epoch = state.epochs.entry(key).or_default();
        *epoch = epoch.saturating_add(1);
    }

    /// A term inside a method that declares something without a value.
    pub(super) fn bind_other(&mut self, state: &mut State, place: Place) {
        if let Some(name) = self.declared(place) {
            self.create(state, name, Binding::Other);
        }
    }

    /// The units of a field list inside a method.
    pub(super) fn bind_units(&mut self, state: &mut State, place: Place) {
        let Some(tree) = self.space.trees().get(place.table) else {
            return;
        };
        for node in tree.body(place.node) {
            let unit = Place { node, ..place };
            if let Some(name) = self.declared(unit) {
                self.create(state, name, Binding::Unit(unit));
            }
        }
    }

    /// The name that a term declares.
    pub(super) fn declared(&self, place: Place) -> Option<NameId> {
        let placed = &self.space.trees().get(place.table)?.placed;
        let at = placed.binary_search_by_key(&place.node, |(node, _)| *node).ok()?;
        placed.get(at).map(|(_, name)| *name)
    }

    /// Bind a name; inside a method it goes when the method ends.
    pub(super) fn create(&mut self, state: &mut State, name: NameId, binding: Binding) {
        state.named.insert(name, binding);
        if let Some(frame) = state.frames.last_mut().filter(|frame| frame.method.is_some()) {
            frame.created.push(name);
        }
    }

    /// Call what a name stands for.
    pub(super) fn call_name(
        &mut self,
        state: &mut State,
        place: Place,
        name: NameId,
        arguments: Vec<Item>,
    ) -> Step<()> {
        self.note_ambiguous(state, name);
        match self.kind(name) {
            Some((id, ObjectKind::Method { .. })) => {
                if self.space.object(id).is_some_and(|object| object.place.is_none()) {
                    return self.interface(state, arguments.first());
                }
                if matches!(state.tasks.last(), Some(Task::Discard)) && self.pass_over(state, id) {
                    return Ok(());
                }
                self.call(state, id, arguments)
            }
            Some((_, ObjectKind::External { .. } | ObjectKind::Missing)) | None => {
                self.eval_missing(state, place, Mode::Value)
            }
            Some(_) if arguments.is_empty() => self.eval_name(state, place, Mode::Value),
            Some((_, kind)) => failed(format!("{} is called, but is a {}", self.path(name), kind.word())),
        }
    }

    /// A method that changes nothing but registers, and whose value nobody wants: messages for a
    /// debugger, most of them. What is read from its regions afterwards is something else.
    fn pass_over(&mut self, state: &mut State, method: ObjectId) -> bool {
        let Some(regions) = self.setup.silent.regions(method) else {
            return false;
        };
        for region in regions.iter() {
            let epoch = state.epochs.entry(Rc::clone(region)).or_default();
            *epoch = epoch.saturating_add(1);
        }
        state.values.push(Item::None);
        true
    }

    /// `_OSI`.
    fn interface(&mut self, state: &mut State, argument: Option<&Item>) -> Step<()> {
        let Some(Item::Text(cell)) = argument.map(|item| self.plain(state, item)).transpose()? else {
            return failed("_OSI without a string");
        };
        let bytes = state
            .heap
            .as_bytes(cell)
            .map(|bytes| bytes.data.clone())
            .unwrap_or_default();
        let name = super::text_of(&bytes);
        let answer = self.setup.interfaces.contains(name.as_str());
        self.assumptions.insert(Dependency::Interface { name, answer });
        state
            .values
            .push(Item::Integer(if answer { self.setup.ones } else { 0 }));
        Ok(())
    }
}
