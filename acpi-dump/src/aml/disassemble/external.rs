//! Names that the table uses and others define, as `External`. ACPI 6.5, section 19.6.45.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::block::Writer;
use super::text;
use crate::aml::name::NamePath;
use crate::aml::names::{Known, NameId, Names};
use crate::aml::opcode::Op;
use crate::aml::tree::{Node, NodeId, Tree};

/// Object types of `External`, ACPI 6.5, table 19.37.
mod kind {
    pub(super) const UNKNOWN: u8 = 0;
    pub(super) const FIELD: u8 = 5;
    pub(super) const DEVICE: u8 = 6;
    pub(super) const METHOD: u8 = 8;
}

/// What a machine's tables declare, for the declarations of names from other tables.
#[derive(Clone, Debug)]
pub struct Context<'a> {
    names: &'a Names,
    kinds: HashMap<NameId, u8>,
}

impl<'a> Context<'a> {
    /// Gather the types of all objects of the tables that `names` comes from.
    #[must_use]
    pub fn new<'t>(names: &'a Names, trees: impl IntoIterator<Item = &'t Tree>) -> Self {
        let mut context = Self {
            names,
            kinds: HashMap::new(),
        };
        for tree in trees {
            let scopes = Scopes::of(tree, names);
            for (id, node) in nodes(tree) {
                if let Some((place, kind)) = context.declaration(tree, &scopes, id, node) {
                    context.kinds.entry(place).or_insert(kind);
                }
            }
        }
        context
    }

    /// The name that a node declares, and the type of the object.
    fn declaration(&self, tree: &Tree, scopes: &Scopes, id: NodeId, node: &Node) -> Option<(NameId, u8)> {
        let kind = match node.op {
            Op::Name => match tree.node(tree.operand(id, 1)?)?.op {
                Op::StringConst => 2,
                Op::Buffer => 3,
                Op::Package | Op::VarPackage => 4,
                _ => 1,
            },
            Op::FieldUnit => kind::FIELD,
            Op::Device => kind::DEVICE,
            Op::Event => 7,
            Op::Method => kind::METHOD,
            Op::Mutex => 9,
            Op::OperationRegion | Op::DataTableRegion => 10,
            Op::PowerResource => 11,
            Op::Processor => 12,
            Op::ThermalZone => 13,
            Op::CreateBitField
            | Op::CreateByteField
            | Op::CreateWordField
            | Op::CreateDWordField
            | Op::CreateQWordField
            | Op::CreateField => 14,
            Op::Alias => kind::UNKNOWN,
            _ => return None,
        };
        let name = tree.declared(id)?;
        // A unit of a field is declared where the field stands.
        let place = if node.op == Op::FieldUnit { node.parent } else { name };
        let found = self.names.find(scopes.at(place), tree.name(name)?)?;
        Some((found, kind))
    }

    fn kind(&self, place: NameId) -> u8 {
        match self.names.known(place) {
            Known::Method(_) => kind::METHOD,
            _ => self
                .kinds
                .get(&self.names.target(place))
                .copied()
                .unwrap_or(kind::UNKNOWN),
        }
    }
}

fn nodes(tree: &Tree) -> impl Iterator<Item = (NodeId, &Node)> {
    (0..).map(NodeId).zip(&tree.nodes)
}

/// Scope in which each node's name is searched.
struct Scopes(Vec<NameId>);

impl Scopes {
    /// One pass: a node stands behind its parent.
    fn of(tree: &Tree, names: &Names) -> Self {
        let mut scopes = Self(vec![Names::ROOT; tree.nodes.len()]);
        for (id, node) in nodes(tree) {
            let outer = scopes.at(id);
            let opens = matches!(
                node.op,
                Op::Scope | Op::Device | Op::Processor | Op::PowerResource | Op::ThermalZone | Op::Method
            );
            let name = tree.operand(id, 0).filter(|_| opens).and_then(|name| tree.name(name));
            let inner = name.and_then(|name| names.find(outer, name)).unwrap_or(outer);
            for (number, child) in tree.children(id).enumerate() {
                let scope = if number < usize::from(node.operands) {
                    outer
                } else {
                    inner
                };
                let place = usize::try_from(child.0).ok();
                if let Some(slot) = place.and_then(|place| scopes.0.get_mut(place)) {
                    *slot = scope;
                }
            }
        }
        scopes
    }

    fn at(&self, id: NodeId) -> NameId {
        let place = usize::try_from(id.0).ok();
        place
            .and_then(|place| self.0.get(place))
            .copied()
            .unwrap_or(Names::ROOT)
    }
}

/// A declaration to write.
#[derive(Clone, Copy)]
struct Declaration {
    kind: u8,
    arguments: Option<usize>,
    /// No table of those at hand defines it.
    unresolved: bool,
}

impl Writer<'_> {
    /// The declarations in front of the first term.
    pub(super) fn externals(&mut self, context: &Context<'_>) {
        let mut coded = HashSet::new();
        if let Some(block) = self.external_block() {
            for id in self.tree.body(block).collect::<Vec<_>>() {
                self.line();
                self.external(id);
                let name = self.tree.operand(id, 0).and_then(|name| self.tree.name(name));
                coded.extend(name.map(|name| absolute(context.names, Names::ROOT, &name.to_path())));
            }
        }
        for (path, declaration) in self.foreign(context) {
            if coded.contains(&path) {
                continue;
            }
            self.line();
            if self.as_coded() {
                self.text("// ");
            }
            self.text("External (");
            self.text(&path.to_string());
            self.text(", ");
            self.text(text::object_type(declaration.kind));
            self.text(")");
            self.remark(declaration);
        }
    }

    fn remark(&mut self, declaration: Declaration) {
        let arguments = declaration.arguments.filter(|_| declaration.kind == kind::METHOD);
        let mut remarks = Vec::new();
        if let Some(count) = arguments {
            remarks.push(format!("{count} argument{}", if count == 1 { "" } else { "s" }));
        }
        if declaration.unresolved {
            remarks.push("in no table given".to_owned());
        }
        if !remarks.is_empty() {
            self.text("    // ");
            self.text(&remarks.join(", "));
        }
    }

    /// Names that are used and not declared in this table.
    fn foreign(&self, context: &Context<'_>) -> BTreeMap<NamePath, Declaration> {
        let tree = self.tree;
        let scopes = Scopes::of(tree, context.names);
        let own: HashSet<NameId> = nodes(tree)
            .filter_map(|(id, node)| context.declaration(tree, &scopes, id, node))
            .map(|(place, _)| place)
            .collect();
        let mut foreign = BTreeMap::new();
        for (id, node) in nodes(tree).filter(|(_, node)| node.op == Op::NameRef) {
            let Some(user) = tree.node(node.parent) else { continue };
            let declares = user.op != Op::Scope && tree.declared(node.parent) == Some(id);
            let Some(name) = tree.name(id).filter(|name| !declares && !name.is_null()) else {
                continue;
            };
            let scope = scopes.at(id);
            let found = context.names.find(scope, name);
            if found.is_some_and(|place| own.contains(&place) || is_predefined(context.names, place)) {
                continue;
            }
            let path = match found {
                Some(place) => context.names.path(place),
                None => absolute(context.names, scope, &name.to_path()),
            };
            if path.segments.is_empty() {
                continue;
            }
            let arguments = (user.op == Op::Call && tree.operand(node.parent, 0) == Some(id))
                .then(|| tree.children(node.parent).count().saturating_sub(1));
            let kind = match found.map_or(kind::UNKNOWN, |place| context.kind(place)) {
                kind::UNKNOWN if arguments.is_some() => kind::METHOD,
                kind::UNKNOWN if user.op == Op::Scope => kind::DEVICE,
                kind => kind,
            };
            let unresolved = found.is_none_or(|place| context.names.is_external(place));
            let entry = foreign.entry(path).or_insert(Declaration {
                kind,
                arguments,
                unresolved,
            });
            entry.arguments = entry.arguments.or(arguments);
            if entry.kind == kind::UNKNOWN {
                entry.kind = kind;
            }
        }
        foreign
    }

    /// An `External` of the table itself.
    pub(super) fn external(&mut self, id: NodeId) {
        let value = |index| self.tree.operand(id, index).and_then(|operand| self.tree.node(operand));
        let kind = value(1).map_or(0, |node| node.value);
        let arguments = value(2).map_or(0, |node| node.value);
        self.text("External (");
        if let Some(name) = self.tree.operand(id, 0) {
            self.path(name);
        }
        self.text(", ");
        let kind = u8::try_from(kind).unwrap_or(0);
        self.text(text::object_type(kind));
        self.text(")");
        self.remark(Declaration {
            kind,
            arguments: usize::try_from(arguments).ok(),
            unresolved: false,
        });
    }
}

/// Where a name would be: a single segment that nothing declares, at the root.
fn absolute(names: &Names, scope: NameId, name: &NamePath) -> NamePath {
    let mut path = NamePath {
        root: true,
        ..NamePath::default()
    };
    if !name.root && !name.searches_upwards() {
        let mut at = scope;
        for _ in 0..name.parents {
            at = names.parent(at);
        }
        path.segments = names.path(at).segments;
    }
    path.segments.extend(&name.segments);
    path
}

/// Names that are there without a table: ACPI 6.5, sections 5.3.1 and 5.7.
fn is_predefined(names: &Names, place: NameId) -> bool {
    let known = [
        b"_GPE", b"_PR_", b"_SB_", b"_SI_", b"_TZ_", b"_REV", b"_OS_", b"_GL_", b"_OSI",
    ];
    place == Names::ROOT || (names.parent(place) == Names::ROOT && known.contains(&&names.segment(place).0))
}
