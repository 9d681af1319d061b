//! The namespace that the tables of a machine declare. ACPI 6.5, sections 5.3 and 20.2.5.
//!
//! Nothing is executed: both branches of an `If` at the level of a table are kept and marked with
//! it ([`Namespace::condition`]); what a method declares while it runs is listed apart
//! ([`Namespace::dynamic`]). Names of all tables are known before any is resolved, so the order of
//! tables does not matter.
//!
//! ```
//! use acpi_dump::aml::Namespace;
//! let mut table = b"DSDT\x3f\0\0\0\x02\0OEMOEMOEMTABLE\x01\0\0\0TOOL\x01\0\0\0".to_vec();
//! table.extend(b"\x10\x1a\\_SB_\x5b\x82\x12PCI0\x08_UID\x0a\x07\x08_SEG\x00");
//! let namespace = Namespace::build(&[&table]);
//! let device = namespace.find("\\_SB.PCI0").unwrap();
//! assert_eq!(namespace.object(device).unwrap().kind.word(), "Device");
//! assert_eq!(namespace.children(device).len(), 2);
//! assert!(namespace.trees()[0].faults.is_empty());
//! ```

mod build;
mod glob;
mod kind;
#[cfg(test)]
mod tests;

use super::name::{NamePath, NameRef, NameSeg};
use super::names::{NameId, Names};
use super::tree::{Node, NodeId, Tree};

pub use kind::{ObjectKind, UnitAccess};

/// Place of an object in [`Namespace::objects`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectId(pub u32);

/// A term of one of the tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// Which table, in the order given: an index of [`Namespace::trees`].
    pub table: usize,
    /// Which term of it.
    pub node: NodeId,
}

/// One object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// Last segment of its path.
    pub name: NameSeg,
    /// Its path among the names.
    pub name_id: NameId,
    /// What it is.
    pub kind: ObjectKind,
    /// The object above it; `None` for the root.
    pub parent: Option<ObjectId>,
    /// The term that declares it; `None` when it is predefined or no table declares it.
    pub place: Option<Place>,
    /// Innermost `If`, `Else` or `While` of its own table around it.
    pub condition: Option<Place>,
}

/// A further declaration of a path that is already taken, or one inside a method.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declaration {
    /// The path.
    pub name_id: NameId,
    /// What it declares.
    pub kind: ObjectKind,
    /// The term.
    pub place: Place,
    /// Innermost `If`, `Else` or `While` around it.
    pub condition: Option<Place>,
    /// The method in which it stands.
    pub method: Option<Place>,
}

/// What is wrong with a declaration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NameFault {
    /// The path is declared twice and nothing says that only one of both is executed.
    Duplicate {
        /// The path.
        path: NamePath,
        /// The declaration that counts.
        first: Place,
        /// The other one.
        second: Place,
    },
    /// No table declares the path, but something is declared below it.
    NoParent {
        /// The missing path.
        path: NamePath,
        /// First term that needs it.
        user: Place,
    },
    /// A `Scope` is executed before what it opens is declared. Tables are loaded in order, so a
    /// system stops there or passes over the whole `Scope`.
    TooEarly {
        /// The path.
        path: NamePath,
        /// The `Scope`.
        scope: Place,
        /// The declaration, in a later table or further down in the same one.
        declared: Place,
    },
}

/// All objects of the tables of a machine.
#[derive(Clone, Debug)]
pub struct Namespace {
    trees: Vec<Tree>,
    names: Names,
    objects: Vec<Object>,
    by_name: Vec<Option<ObjectId>>,
    /// Children of all objects, each object's in order of name.
    children: Vec<ObjectId>,
    /// Where in `children` those of an object begin; one more than there are objects.
    starts: Vec<usize>,
    order: Vec<ObjectId>,
    repeats: Vec<Declaration>,
    dynamic: Vec<Declaration>,
    faults: Vec<NameFault>,
}

impl Namespace {
    /// The root, `\`.
    pub const ROOT: ObjectId = ObjectId(0);

    /// Read the DSDT and the SSDTs (headers included), the SSDTs in the order in which they are loaded.
    #[must_use]
    pub fn build(tables: &[&[u8]]) -> Self {
        let (trees, names) = super::read_all(tables);
        build::build(trees, names)
    }

    /// Terms of each table.
    #[must_use]
    pub fn trees(&self) -> &[Tree] {
        &self.trees
    }

    /// Every path that is declared or used as a parent.
    #[must_use]
    pub fn names(&self) -> &Names {
        &self.names
    }

    /// All objects in the order of their declaration, the root first.
    #[must_use]
    pub fn objects(&self) -> &[Object] {
        &self.objects
    }

    /// An object.
    #[must_use]
    pub fn object(&self, id: ObjectId) -> Option<&Object> {
        self.objects.get(index(id.0))
    }

    /// All objects in path order, parents before children; the root first.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (ObjectId, &Object)> {
        // Every id of the order is one of an object.
        let object = |id: &ObjectId| self.objects.get(index(id.0)).unwrap_or(&Object::NONE);
        self.order.iter().map(move |id| (*id, object(id)))
    }

    /// Children in order of name.
    #[must_use]
    pub fn children(&self, id: ObjectId) -> &[ObjectId] {
        let at = index(id.0);
        let (from, to) = (self.starts.get(at), self.starts.get(at.saturating_add(1)));
        let range = from.zip(to).map(|(from, to)| *from..*to);
        range.and_then(|range| self.children.get(range)).unwrap_or_default()
    }

    /// Child of that name, four characters.
    #[must_use]
    pub fn child(&self, id: ObjectId, name: &[u8; 4]) -> Option<ObjectId> {
        let name_id = self.object(id)?.name_id;
        self.object_of(self.names.below(name_id, NameSeg(*name))?)
    }

    /// Path from the root.
    #[must_use]
    pub fn path(&self, id: ObjectId) -> NamePath {
        self.object(id)
            .map(|object| self.names.path(object.name_id))
            .unwrap_or_default()
    }

    /// Number of segments of the path.
    #[must_use]
    pub fn depth(&self, id: ObjectId) -> usize {
        self.parents(id).count()
    }

    /// The objects above, nearest first, the root last.
    pub fn parents(&self, id: ObjectId) -> impl Iterator<Item = ObjectId> + '_ {
        let mut at = id;
        std::iter::from_fn(move || {
            at = self.object(at)?.parent?;
            Some(at)
        })
    }

    /// The object at an absolute path in ASL spelling, such as `\_SB.PCI0.EC`.
    #[must_use]
    pub fn find(&self, path: &str) -> Option<ObjectId> {
        let path: NamePath = path.parse().ok()?;
        self.at(&path)
    }

    /// The object at exactly that path from the root; prefixes are not looked at.
    #[must_use]
    pub fn at(&self, path: &NamePath) -> Option<ObjectId> {
        let mut at = Self::ROOT;
        for segment in &path.segments {
            at = self.child(at, &segment.0)?;
        }
        Some(at)
    }

    /// The object that a name means inside `scope`, by the search rules; aliases are not followed.
    #[must_use]
    pub fn resolve(&self, scope: ObjectId, name: NameRef<'_>) -> Option<ObjectId> {
        let scope = self.object(scope)?.name_id;
        let id = self.names.find_where(scope, name, |id| self.object_of(id).is_some())?;
        self.object_of(id)
    }

    /// As [`Namespace::resolve`], for a name of a tree.
    #[must_use]
    pub fn resolve_node(&self, scope: ObjectId, place: Place) -> Option<ObjectId> {
        let name = self.trees.get(place.table)?.name(place.node)?;
        self.resolve(scope, name)
    }

    /// The object that an alias stands for, through at most 16 of them; any other object itself.
    #[must_use]
    pub fn target(&self, id: ObjectId) -> ObjectId {
        let mut at = id;
        for _ in 0..16 {
            match self.object(at).map(|object| &object.kind) {
                Some(ObjectKind::Alias { target: Some(next) }) => at = *next,
                _ => break,
            }
        }
        at
    }

    /// The object in whose scope a term stands: the innermost `Scope`, device or method around it.
    #[must_use]
    pub fn scope_of(&self, place: Place) -> Option<ObjectId> {
        let tree = self.trees.get(place.table)?;
        let scope = tree.ancestors(place.node).find_map(|node| tree.opened_scope(node));
        self.object_of(scope.unwrap_or(Names::ROOT))
    }

    /// The object of a path; `None` when nothing declares it.
    #[must_use]
    pub fn object_of(&self, name: NameId) -> Option<ObjectId> {
        *self.by_name.get(index(name.0))?
    }

    /// The term at a place.
    #[must_use]
    pub fn node(&self, place: Place) -> Option<&Node> {
        self.trees.get(place.table)?.node(place.node)
    }

    /// The innermost `If`, `Else` or `While` on which the object's existence depends, be it around
    /// its own declaration or around that of an object above it.
    #[must_use]
    pub fn condition(&self, id: ObjectId) -> Option<Place> {
        let own = self.object(id)?.condition;
        own.or_else(|| self.parents(id).find_map(|parent| self.object(parent)?.condition))
    }

    /// Whether a table declares the object and every object above it.
    #[must_use]
    pub fn is_declared(&self, id: ObjectId) -> bool {
        let declared = |id: ObjectId| {
            let kind = self.object(id).map(|object| &object.kind);
            !matches!(kind, None | Some(ObjectKind::Missing | ObjectKind::External { .. }))
        };
        declared(id) && self.parents(id).all(declared)
    }

    /// Further declarations of paths that are already taken, most of them in other branches.
    #[must_use]
    pub fn repeats(&self) -> &[Declaration] {
        &self.repeats
    }

    /// What methods declare; it exists only while they run.
    #[must_use]
    pub fn dynamic(&self) -> &[Declaration] {
        &self.dynamic
    }

    /// Paths declared twice, without a parent, or opened before they are declared.
    #[must_use]
    pub fn faults(&self) -> &[NameFault] {
        &self.faults
    }

    /// Objects whose path fits a pattern, in path order.
    ///
    /// `?` stands for one character, `*` for any within a segment, `**` for any. A pattern that
    /// does not begin with `\` may begin at any segment: `_HID`, `PCI?.RP*._PRT`, `\_SB.**`.
    pub fn glob<'a>(&'a self, pattern: &str) -> impl Iterator<Item = ObjectId> + 'a {
        let pattern = glob::Pattern::new(pattern);
        let order = self.order.iter().copied();
        order.filter(move |id| pattern.fits(&self.path(*id).to_string()))
    }
}

fn index(id: u32) -> usize {
    usize::try_from(id).unwrap_or(usize::MAX)
}
