//! Who stores to what and who calls whom, without running anything.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::BuildHasherDefault;
use std::rc::Rc;

use super::super::names::{NameId, QuickHash};
use super::super::namespace::{Namespace, Object, ObjectId, ObjectKind, Place, UnitAccess};
use super::super::opcode::{Op, Operand};
use super::super::tree::{NodeId, Tree};

/// What methods do, as far as their terms tell.
#[derive(Default)]
pub(super) struct Uses {
    /// Names that are stored to, and the method, if it is in one.
    stores: Vec<(Option<ObjectId>, NameId)>,
    /// Tables that store to names while they are loaded, and those names.
    pub(super) loading: BTreeMap<usize, HashSet<NameId>>,
    /// Calls, and the method in which they stand.
    calls: Vec<(Option<ObjectId>, ObjectId)>,
    /// Units of regions that a method stores to.
    units: Vec<(ObjectId, Rc<str>)>,
    /// Methods that store to something that outlives them and is no unit of a region.
    lasting: HashSet<ObjectId>,
    /// Names and units of regions that methods declare.
    passing: HashSet<NameId>,
}

/// Methods whose only effects are on regions.
#[derive(Default)]
pub(super) struct Silent {
    methods: HashSet<ObjectId>,
    calls: HashMap<ObjectId, Vec<ObjectId>>,
    written: HashMap<ObjectId, Vec<Rc<str>>>,
    /// Regions that a method writes, with those that it calls; computed when first wanted.
    regions: RefCell<HashMap<ObjectId, Rc<[Rc<str>]>>>,
}

impl Silent {
    /// Regions that a silent method writes; `None` for a method that does more.
    pub(super) fn regions(&self, method: ObjectId) -> Option<Rc<[Rc<str>]>> {
        if !self.methods.contains(&method) {
            return None;
        }
        let mut known = self.regions.borrow_mut();
        let regions = known.entry(method).or_insert_with(|| {
            let reached = reach(vec![method], &self.calls);
            let written: HashSet<&Rc<str>> = reached.iter().filter_map(|id| self.written.get(id)).flatten().collect();
            written.into_iter().cloned().collect()
        });
        Some(Rc::clone(regions))
    }
}

impl Uses {
    pub(super) fn of(space: &Namespace) -> Self {
        let declared = space.dynamic().iter();
        let passing = declared.filter(|name| matches!(name.kind, ObjectKind::Name | ObjectKind::FieldUnit { .. }));
        let mut uses = Self {
            passing: passing.map(|name| name.name_id).collect(),
            ..Self::default()
        };
        for (table, tree) in space.trees().iter().enumerate() {
            let around = Around::of(space, tree);
            for at in 0..tree.nodes.len() {
                let Ok(at) = u32::try_from(at) else { break };
                let place = Place {
                    table,
                    node: NodeId(at),
                };
                uses.term(space, tree, place, &around);
            }
        }
        uses
    }

    fn term(&mut self, space: &Namespace, tree: &Tree, place: Place, around: &Around) {
        let Some(node) = tree.node(place.node) else { return };
        if matches!(node.op, Op::Load | Op::LoadTable | Op::Fatal | Op::Damaged | Op::Name) {
            if let (Some(method), true) = (around.method(place.node), node.op != Op::Name) {
                self.lasting.insert(method);
            }
            return;
        }
        let Some(parent) = tree.node(node.parent) else { return };
        let stored = is_stored(tree, parent.op, node.parent, place.node);
        let call = parent.op == Op::Call && tree.operand(node.parent, 0) == Some(place.node);
        if !stored && !call {
            return;
        }
        let method = around.method(place.node);
        if node.op != Op::NameRef {
            let passing = matches!(node.op, Op::NullName | Op::Debug) || is_local(node.op);
            if let Some(method) = method.filter(|_| stored && !passing) {
                self.lasting.insert(method);
            }
            return;
        }
        let scope = around.scope(place.node);
        let object = space
            .resolve_node(scope, place)
            .map(|id| space.target(id))
            .and_then(|id| Some((id, space.object(id)?)));
        match object {
            Some((id, object)) => {
                if method.is_none() && stored && matches!(object.kind, ObjectKind::Name) {
                    self.loading.entry(place.table).or_default().insert(object.name_id);
                }
                self.name(space, method, id, object, stored);
            }
            // What a method declares itself, or nothing declares: a unit of a region and a name go
            // with the method, part of a buffer may be of one that stays.
            None if call || !self.is_passing(space, tree, place, scope) => self.lasting.extend(method),
            None => {}
        }
    }

    fn is_passing(&self, space: &Namespace, tree: &Tree, place: Place, scope: ObjectId) -> bool {
        let name = space
            .object(scope)
            .zip(tree.name(place.node))
            .and_then(|(scope, name)| space.names().find(scope.name_id, name));
        name.is_some_and(|name| self.passing.contains(&name))
    }

    fn name(&mut self, space: &Namespace, method: Option<ObjectId>, id: ObjectId, object: &Object, stored: bool) {
        match object.kind {
            ObjectKind::Method { .. } => self.calls.push((method, id)),
            ObjectKind::FieldUnit { access, .. } if stored => {
                let region = match access {
                    UnitAccess::Region(region) | UnitAccess::Bank { region, .. } => region,
                    UnitAccess::Index { data, .. } => data,
                };
                let key = region.map(|region| space.path(region).to_string()).unwrap_or_default();
                self.units.extend(method.map(|method| (method, key.into())));
            }
            ObjectKind::Mutex { .. } | ObjectKind::Event => {}
            _ if stored => {
                self.lasting.extend(method);
                self.stores.push((method, object.name_id));
            }
            _ => {}
        }
    }

    /// Names that methods store to which may run after start-up.
    pub(super) fn changing(&self, space: &Namespace) -> HashSet<NameId, BuildHasherDefault<QuickHash>> {
        let called: HashSet<ObjectId> = self
            .calls
            .iter()
            .filter_map(|(caller, callee)| caller.map(|_| *callee))
            .collect();
        let mut open: Vec<ObjectId> = Vec::new();
        for (id, object) in space.iter() {
            let method = matches!(object.kind, ObjectKind::Method { .. });
            if method && !called.contains(&id) && !matches!(&object.name.0, b"_INI" | b"_REG" | b"_PIC") {
                open.push(id);
            }
        }
        let later = closure(open, &self.calls, |(caller, callee)| Some(((*caller)?, *callee)));
        let stores = self.stores.iter();
        stores
            .filter(|(method, _)| method.is_some_and(|method| later.contains(&method)))
            .map(|(_, name)| *name)
            .collect()
    }

    /// Names that a method, or what it calls, may store to.
    pub(super) fn stored_by(&self, method: ObjectId) -> HashSet<NameId> {
        let reached = closure(vec![method], &self.calls, |(caller, callee)| {
            Some(((*caller)?, *callee))
        });
        let stores = self.stores.iter();
        stores
            .filter(|(method, _)| method.is_some_and(|method| reached.contains(&method)))
            .map(|(_, name)| *name)
            .collect()
    }

    /// Methods that may be passed over where nobody wants their value.
    pub(super) fn silent(&self, space: &Namespace) -> Silent {
        let lasting: Vec<ObjectId> = self.lasting.iter().copied().collect();
        let loud = closure(lasting, &self.calls, |(caller, callee)| Some((*callee, (*caller)?)));
        let methods = space.iter().filter(|(id, object)| {
            let body = matches!(object.kind, ObjectKind::Method { .. }) && object.place.is_some();
            body && object.condition.is_none() && !loud.contains(id)
        });
        let mut silent = Silent {
            methods: methods.map(|(id, _)| id).collect(),
            ..Silent::default()
        };
        for (caller, callee) in &self.calls {
            if let Some(caller) = caller {
                silent.calls.entry(*caller).or_default().push(*callee);
            }
        }
        for (method, region) in &self.units {
            let written = silent.written.entry(*method).or_default();
            if !written.contains(region) {
                written.push(Rc::clone(region));
            }
        }
        silent
    }
}

/// All that is reached from some objects along edges.
fn closure<T>(
    open: Vec<ObjectId>,
    edges: &[T],
    ends: impl Fn(&T) -> Option<(ObjectId, ObjectId)>,
) -> HashSet<ObjectId> {
    let mut next: HashMap<ObjectId, Vec<ObjectId>> = HashMap::new();
    for (from, to) in edges.iter().filter_map(ends) {
        next.entry(from).or_default().push(to);
    }
    reach(open, &next)
}

fn reach(mut open: Vec<ObjectId>, next: &HashMap<ObjectId, Vec<ObjectId>>) -> HashSet<ObjectId> {
    let mut reached = HashSet::new();
    while let Some(id) = open.pop() {
        if reached.insert(id) {
            open.extend(next.get(&id).into_iter().flatten());
        }
    }
    reached
}

/// The method and the scope around each term of a table.
struct Around(Vec<(Option<ObjectId>, ObjectId)>);

impl Around {
    /// A term stands behind the one that it belongs to, so one pass is enough.
    fn of(space: &Namespace, tree: &Tree) -> Self {
        let mut list: Vec<(Option<ObjectId>, ObjectId)> = Vec::with_capacity(tree.nodes.len());
        for node in &tree.nodes {
            let parent = index(node.parent);
            let mut around = list.get(parent).copied().unwrap_or((None, Namespace::ROOT));
            let opened = tree.opened_scope(node.parent).and_then(|name| space.object_of(name));
            if let Some(opened) = opened {
                around.1 = opened;
                if tree.node(node.parent).is_some_and(|node| node.op == Op::Method) {
                    around.0 = Some(opened);
                }
            }
            list.push(around);
        }
        Self(list)
    }

    fn method(&self, node: NodeId) -> Option<ObjectId> {
        self.0.get(index(node)).and_then(|(method, _)| *method)
    }

    fn scope(&self, node: NodeId) -> ObjectId {
        self.0.get(index(node)).map_or(Namespace::ROOT, |(_, scope)| *scope)
    }
}

fn index(node: NodeId) -> usize {
    usize::try_from(node.0).unwrap_or(usize::MAX)
}

fn is_local(op: Op) -> bool {
    matches!(
        op,
        Op::Local0 | Op::Local1 | Op::Local2 | Op::Local3 | Op::Local4 | Op::Local5 | Op::Local6 | Op::Local7
    )
}

/// Whether an operand is one that its operator stores to, or of which it gives a reference away.
fn is_stored(tree: &Tree, op: Op, parent: NodeId, operand: NodeId) -> bool {
    if matches!(
        op,
        Op::SizeOf | Op::ObjectType | Op::Notify | Op::Acquire | Op::Release | Op::Signal | Op::Wait | Op::Reset
    ) {
        return false;
    }
    let kinds = op.info().map_or(&[][..], |info| info.operands);
    let mut pairs = kinds.iter().zip(tree.children(parent));
    pairs.any(|(kind, node)| node == operand && matches!(kind, Operand::Super | Operand::Target))
        && !(op == Op::CondRefOf && tree.operand(parent, 0) == Some(operand))
}
