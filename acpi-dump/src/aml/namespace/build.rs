//! From trees to objects.

use std::collections::HashMap;

use super::super::name::NameSeg;
use super::super::names::{NameId, Names};
use super::super::opcode::Op;
use super::super::tree::{NodeId, Tree};
use super::kind::{ObjectKind, UnitAccess};
use super::{Declaration, NameFault, Namespace, Object, ObjectId, Place, index};

impl Object {
    pub(super) const NONE: Self = Self {
        name: NameSeg([0; 4]),
        name_id: Names::ROOT,
        kind: ObjectKind::Scope,
        parent: None,
        place: None,
        condition: None,
    };
}

impl Namespace {
    /// Place of a table in the order of loading: the DSDT comes first, wherever it stands in the list.
    fn load_rank(&self, table: usize) -> (bool, usize) {
        let first = self
            .trees
            .get(table)
            .is_some_and(|tree| tree.bytes.starts_with(b"DSDT"));
        (!first, table)
    }
}

pub(super) fn build(trees: Vec<Tree>, names: Names) -> Namespace {
    let by_name = vec![None; names.len()];
    let mut space = Namespace {
        trees,
        names,
        objects: Vec::new(),
        by_name,
        children: Vec::new(),
        starts: Vec::new(),
        order: Vec::new(),
        repeats: Vec::new(),
        dynamic: Vec::new(),
        faults: Vec::new(),
    };
    predefined(&mut space);
    let mut order: Vec<usize> = (0..space.trees.len()).collect();
    order.sort_by_key(|table| space.load_rank(*table));
    for table in order {
        for declaration in declarations(&space, table) {
            enter(&mut space, declaration);
        }
    }
    externals_last(&mut space);
    link_parents(&mut space);
    resolve_references(&mut space);
    early_scopes(&mut space);
    sort(&mut space);
    space
}

fn predefined(space: &mut Namespace) {
    add(space, Names::ROOT, Object::NONE);
    let method = ObjectKind::Method {
        arguments: 1,
        serialized: false,
        sync: 0,
    };
    let list = [
        (*b"_GPE", ObjectKind::Scope),
        (*b"_PR_", ObjectKind::Scope),
        (*b"_SB_", ObjectKind::Scope),
        (*b"_SI_", ObjectKind::Scope),
        (*b"_TZ_", ObjectKind::Scope),
        (*b"_REV", ObjectKind::Name),
        (*b"_OS_", ObjectKind::Name),
        (*b"_GL_", ObjectKind::Mutex { sync: 0 }),
        (*b"_OSI", method),
    ];
    for (name, kind) in list {
        let id = space.names.place(Names::ROOT, super::NameRef::segment(&name));
        add(space, id, Object { kind, ..Object::NONE });
    }
}

fn add(space: &mut Namespace, name: NameId, object: Object) -> ObjectId {
    let id = ObjectId(u32::try_from(space.objects.len()).unwrap_or(u32::MAX));
    space.objects.push(Object {
        name: space.names.segment(name),
        name_id: name,
        ..object
    });
    if let Some(place) = space.by_name.get_mut(index(name.0)) {
        *place = Some(id);
    }
    id
}

/// What a table declares, in order; `Scope` declares nothing.
fn declarations(space: &Namespace, table: usize) -> Vec<Declaration> {
    let Some(tree) = space.trees.get(table) else {
        return Vec::new();
    };
    let mut units = UnitOffsets::default();
    let mut around = Around::default();
    let placed = tree.placed.iter();
    placed
        .filter_map(|(node, name)| {
            let kind = kind_of(tree, *node, &mut units)?;
            let place = |node| Place { table, node };
            let (condition, method) = around.of(tree, *node);
            Some(Declaration {
                name_id: *name,
                kind,
                place: place(*node),
                condition: condition.map(place),
                method: method.map(place),
            })
        })
        .collect()
}

/// What stands around the terms with a certain parent; neighbours mostly share theirs.
#[derive(Default)]
struct Around {
    parent: Option<NodeId>,
    condition: Option<NodeId>,
    method: Option<NodeId>,
}

impl Around {
    /// Innermost condition and innermost method.
    fn of(&mut self, tree: &Tree, node: NodeId) -> (Option<NodeId>, Option<NodeId>) {
        let parent = tree.node(node).map(|node| node.parent);
        if self.parent != parent {
            *self = Self {
                parent,
                ..Self::default()
            };
            for node in tree.ancestors(node) {
                match tree.node(node).map(|node| node.op) {
                    Some(Op::If | Op::Else | Op::While) => self.condition = self.condition.or(Some(node)),
                    Some(Op::Method) => self.method = self.method.or(Some(node)),
                    _ => {}
                }
            }
        }
        (self.condition, self.method)
    }
}

/// Bit offsets of the units of the field list that is being gone through.
#[derive(Default)]
struct UnitOffsets {
    list: Option<NodeId>,
    offsets: HashMap<NodeId, u64>,
}

impl UnitOffsets {
    fn of(&mut self, tree: &Tree, unit: NodeId) -> u64 {
        let list = tree.node(unit).map(|node| node.parent);
        if self.list != list {
            self.list = list;
            self.offsets.clear();
            let mut bit: u64 = 0;
            for element in list.into_iter().flat_map(|list| tree.body(list)) {
                let Some(node) = tree.node(element) else { continue };
                if matches!(node.op, Op::FieldUnit | Op::FieldReserved) {
                    self.offsets.insert(element, bit);
                    bit = bit.saturating_add(node.value);
                }
            }
        }
        self.offsets.get(&unit).copied().unwrap_or_default()
    }
}

fn kind_of(tree: &Tree, node: NodeId, units: &mut UnitOffsets) -> Option<ObjectKind> {
    let number = |index| {
        let operand = tree.operand(node, index);
        operand.and_then(|id| tree.node(id)).map_or(0, |node| node.value)
    };
    let byte = |index| u8::try_from(number(index)).unwrap_or_default();
    Some(match tree.node(node)?.op {
        Op::Device => ObjectKind::Device,
        Op::Processor => ObjectKind::Processor {
            id: byte(1),
            block: u32::try_from(number(2)).unwrap_or_default(),
            length: byte(3),
        },
        Op::ThermalZone => ObjectKind::ThermalZone,
        Op::PowerResource => ObjectKind::PowerResource {
            level: byte(1),
            order: u16::try_from(number(2)).unwrap_or_default(),
        },
        Op::Method => ObjectKind::Method {
            arguments: byte(1) & 7,
            serialized: byte(1) & 8 != 0,
            sync: byte(1) >> 4,
        },
        Op::Name => ObjectKind::Name,
        Op::OperationRegion => ObjectKind::OperationRegion { space: Some(byte(1)) },
        Op::DataTableRegion => ObjectKind::OperationRegion { space: None },
        Op::FieldUnit => unit(tree, node, units),
        Op::CreateBitField => ObjectKind::BufferField { bits: Some(1) },
        Op::CreateByteField => ObjectKind::BufferField { bits: Some(8) },
        Op::CreateWordField => ObjectKind::BufferField { bits: Some(16) },
        Op::CreateDWordField => ObjectKind::BufferField { bits: Some(32) },
        Op::CreateQWordField => ObjectKind::BufferField { bits: Some(64) },
        Op::CreateField => ObjectKind::BufferField { bits: None },
        Op::Mutex => ObjectKind::Mutex { sync: byte(1) & 0x0f },
        Op::Event => ObjectKind::Event,
        Op::Alias => ObjectKind::Alias { target: None },
        Op::External => ObjectKind::External {
            object_type: byte(1),
            arguments: byte(2),
        },
        _ => return None,
    })
}

/// References are resolved later, when all objects are there.
fn unit(tree: &Tree, node: NodeId, units: &mut UnitOffsets) -> ObjectKind {
    let list = tree.node(node).map(|node| node.parent).unwrap_or(Tree::ROOT);
    let last = tree
        .node(list)
        .and_then(|list| usize::from(list.operands).checked_sub(1));
    let flags = last
        .and_then(|last| tree.operand(list, last))
        .and_then(|id| tree.node(id));
    ObjectKind::FieldUnit {
        offset: units.of(tree, node),
        bits: tree.node(node).map_or(0, |node| node.value),
        access: UnitAccess::Region(None),
        flags: flags.map_or(0, |flags| u8::try_from(flags.value).unwrap_or_default()),
    }
}

fn enter(space: &mut Namespace, declaration: Declaration) {
    if declaration.method.is_some() {
        space.dynamic.push(declaration);
        return;
    }
    let object = Object {
        kind: declaration.kind,
        place: Some(declaration.place),
        condition: declaration.condition,
        ..Object::NONE
    };
    let external = matches!(declaration.kind, ObjectKind::External { .. });
    let Some(id) = space.object_of(declaration.name_id) else {
        add(space, declaration.name_id, object);
        return;
    };
    let Some(there) = space.objects.get_mut(index(id.0)) else {
        return;
    };
    let there_external = matches!(there.kind, ObjectKind::External { .. });
    if external {
        return;
    }
    if there_external || there.place.is_none() {
        there.kind = object.kind;
        there.place = object.place;
        there.condition = object.condition;
        return;
    }
    repeat(space, id, declaration);
}

/// A path declared again: what depends on no condition counts, else what came first.
fn repeat(space: &mut Namespace, id: ObjectId, mut declaration: Declaration) {
    let Some(there) = space.objects.get_mut(index(id.0)) else {
        return;
    };
    let Some(first) = there.place else { return };
    match (there.condition, declaration.condition) {
        (Some(_), None) => {
            std::mem::swap(&mut there.kind, &mut declaration.kind);
            std::mem::swap(&mut there.condition, &mut declaration.condition);
            there.place = Some(declaration.place);
            declaration.place = first;
        }
        (None, None) => space.faults.push(NameFault::Duplicate {
            path: space.names.path(declaration.name_id),
            first,
            second: declaration.place,
        }),
        _ => {}
    }
    space.repeats.push(declaration);
}

/// An `External` that stands for something declared later in another table is gone by now; those
/// that are left are conditional only by the `If (0)` that compilers put around them.
fn externals_last(space: &mut Namespace) {
    for object in &mut space.objects {
        if matches!(object.kind, ObjectKind::External { .. }) {
            object.condition = None;
        }
    }
}

/// Find the parents; those that nothing declares become objects of their own.
fn link_parents(space: &mut Namespace) {
    let mut at = 1;
    while at < space.objects.len() {
        let Some(object) = space.objects.get(at) else { break };
        let (name, place, external) = (
            object.name_id,
            object.place,
            matches!(object.kind, ObjectKind::External { .. }),
        );
        let parent = space.names.parent(name);
        let parent_id = space.object_of(parent).unwrap_or_else(|| {
            if let Some(user) = place.filter(|_| !external) {
                let path = space.names.path(parent);
                space.faults.push(NameFault::NoParent { path, user });
            }
            let missing = Object {
                kind: ObjectKind::Missing,
                place: None,
                ..Object::NONE
            };
            add(space, parent, missing)
        });
        if let Some(object) = space.objects.get_mut(at) {
            object.parent = Some(parent_id);
        }
        at = at.saturating_add(1);
    }
}

fn resolve_references(space: &mut Namespace) {
    for at in 0..space.objects.len() {
        let Some(object) = space.objects.get(at) else { continue };
        let Some(place) = object.place else { continue };
        let kind = match object.kind {
            ObjectKind::Alias { .. } => ObjectKind::Alias {
                target: operand(space, place, 0),
            },
            ObjectKind::FieldUnit {
                offset, bits, flags, ..
            } => ObjectKind::FieldUnit {
                offset,
                bits,
                flags,
                access: access(space, place),
            },
            _ => continue,
        };
        if let Some(object) = space.objects.get_mut(at) {
            object.kind = kind;
        }
    }
}

/// `Scope` terms outside methods that stand before the declaration of what they open.
fn early_scopes(space: &mut Namespace) {
    let first = first_places(space);
    let mut faults = Vec::new();
    for (table, tree) in space.trees.iter().enumerate() {
        for (node, name) in &tree.placed {
            let scope = Place { table, node: *node };
            let is_scope = tree.node(*node).is_some_and(|node| node.op == Op::Scope);
            let time = |place: Place| (space.load_rank(place.table), place.node);
            let late = |place: &Place| is_scope && time(*place) > time(scope);
            let Some(declared) = first.get(name).copied().filter(late) else {
                continue;
            };
            let in_method = |id| tree.node(id).is_some_and(|node| node.op == Op::Method);
            if !tree.ancestors(*node).any(in_method) {
                let path = space.names.path(*name);
                faults.push(NameFault::TooEarly { path, scope, declared });
            }
        }
    }
    space.faults.append(&mut faults);
}

/// First declaration of each path; an `External` is none.
fn first_places(space: &Namespace) -> HashMap<NameId, Place> {
    let objects = space.objects.iter();
    let objects = objects.filter(|object| !matches!(object.kind, ObjectKind::External { .. }));
    let mut first: HashMap<NameId, Place> = objects
        .filter_map(|object| Some((object.name_id, object.place?)))
        .collect();
    for other in &space.repeats {
        first
            .entry(other.name_id)
            .and_modify(|place| *place = earlier(space, *place, other.place));
    }
    first
}

fn earlier(space: &Namespace, one: Place, other: Place) -> Place {
    let time = |place: Place| (space.load_rank(place.table), place.node);
    if time(other) < time(one) { other } else { one }
}

fn access(space: &Namespace, unit: Place) -> UnitAccess {
    let none = UnitAccess::Region(None);
    let Some(list) = space.node(unit).map(|node| node.parent) else {
        return none;
    };
    let list = Place { node: list, ..unit };
    match space.node(list).map(|node| node.op) {
        Some(Op::Field) => UnitAccess::Region(operand(space, list, 0)),
        Some(Op::IndexField) => UnitAccess::Index {
            index: operand(space, list, 0),
            data: operand(space, list, 1),
        },
        Some(Op::BankField) => UnitAccess::Bank {
            region: operand(space, list, 0),
            bank: operand(space, list, 1),
        },
        _ => none,
    }
}

/// The object that an operand names in the scope where the term stands.
fn operand(space: &Namespace, term: Place, number: usize) -> Option<ObjectId> {
    let tree = space.trees.get(term.table)?;
    let name = tree.name(tree.operand(term.node, number)?)?;
    space.resolve(space.scope_of(term)?, name)
}

fn sort(space: &mut Namespace) {
    let mut children: Vec<(ObjectId, NameSeg, ObjectId)> = Vec::with_capacity(space.objects.len());
    for (at, object) in space.objects.iter().enumerate() {
        if let (Some(parent), Ok(id)) = (object.parent, u32::try_from(at)) {
            children.push((parent, object.name, ObjectId(id)));
        }
    }
    children.sort_unstable();
    let mut starts = Vec::with_capacity(space.objects.len().saturating_add(1));
    for (at, (parent, ..)) in children.iter().enumerate() {
        while starts.len() <= index(parent.0) {
            starts.push(at);
        }
    }
    starts.resize(space.objects.len().saturating_add(1), children.len());
    space.children = children.into_iter().map(|(.., id)| id).collect();
    space.starts = starts;
    let mut open = vec![Namespace::ROOT];
    while let Some(id) = open.pop() {
        space.order.push(id);
        open.extend(space.children(id).iter().rev());
    }
}
