//! What a name stands for, as far as the reader must know it: the argument count of a call is
//! written nowhere but at the method. ACPI 6.5, sections 5.3 (search rules) and 20.2.5.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use super::name::{NamePath, NameRef, NameSeg};

/// A path of the namespace, declared or only used as a parent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NameId(pub u32);

/// What is known of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// Nothing declares it; it is a parent of something that is declared.
    Nothing,
    /// A method of that many arguments.
    Method(u8),
    /// Something that is no method.
    Object,
    /// Another name of something.
    Alias(NameId),
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    parent: NameId,
    segment: NameSeg,
    known: Known,
    /// Only an `External` says so.
    external: bool,
    /// Segments of the path.
    depth: u8,
}

/// All names of the tables read so far.
#[derive(Clone, Debug)]
pub struct Names {
    entries: Vec<Entry>,
    places: HashMap<(NameId, NameSeg), NameId, BuildHasherDefault<QuickHash>>,
}

impl Default for Names {
    fn default() -> Self {
        Self::new()
    }
}

/// Names that exist before any table is read (ACPI 6.5, 5.3.1 and 5.7), and the arguments of the one method.
pub const PREDEFINED: [(&[u8; 4], Known); 9] = [
    (b"_GPE", Known::Object),
    (b"_PR_", Known::Object),
    (b"_SB_", Known::Object),
    (b"_SI_", Known::Object),
    (b"_TZ_", Known::Object),
    (b"_REV", Known::Object),
    (b"_OS_", Known::Object),
    (b"_GL_", Known::Object),
    (b"_OSI", Known::Method(1)),
];

/// Aliases of aliases that are followed.
const ALIASES: usize = 16;

impl Names {
    /// The root, `\`.
    pub const ROOT: NameId = NameId(0);

    /// Only the predefined names.
    #[must_use]
    pub fn new() -> Self {
        let mut names = Self {
            entries: vec![Entry {
                parent: Self::ROOT,
                segment: NameSeg::default(),
                known: Known::Object,
                external: false,
                depth: 0,
            }],
            places: HashMap::default(),
        };
        for (segment, known) in PREDEFINED {
            let id = names.child(Self::ROOT, NameSeg(*segment));
            names.set(id, known, false);
        }
        names
    }

    /// Number of paths.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is not even the root: never.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Parent; the root is its own.
    #[must_use]
    pub fn parent(&self, id: NameId) -> NameId {
        self.entry(id).map_or(Self::ROOT, |entry| entry.parent)
    }

    /// Last segment of the path.
    #[must_use]
    pub fn segment(&self, id: NameId) -> NameSeg {
        self.entry(id).map(|entry| entry.segment).unwrap_or_default()
    }

    /// Path from the root.
    #[must_use]
    pub fn path(&self, id: NameId) -> NamePath {
        let mut segments = Vec::new();
        let mut at = id;
        while at != Self::ROOT {
            segments.push(self.segment(at));
            at = self.parent(at);
        }
        segments.reverse();
        NamePath {
            root: true,
            parents: 0,
            segments,
        }
    }

    /// What is known of a name, aliases followed.
    #[must_use]
    pub fn known(&self, id: NameId) -> Known {
        self.entry(self.target(id)).map_or(Known::Nothing, |entry| entry.known)
    }

    /// The name that an alias stands for in the end; the name itself when it is no alias.
    #[must_use]
    pub fn target(&self, id: NameId) -> NameId {
        let mut at = id;
        for _ in 0..ALIASES {
            match self.entry(at).map(|entry| entry.known) {
                Some(Known::Alias(next)) => at = next,
                _ => break,
            }
        }
        at
    }

    /// Whether only an `External` declares the name.
    #[must_use]
    pub fn is_external(&self, id: NameId) -> bool {
        self.entry(id).is_some_and(|entry| entry.external)
    }

    /// The name of a path from `scope`, by the search rules; `None` when nothing declares it.
    #[must_use]
    pub fn find(&self, scope: NameId, name: NameRef<'_>) -> Option<NameId> {
        self.find_where(scope, name, |id| self.exists(id))
    }

    /// As [`Names::find`], of the names for which `wanted` holds.
    pub fn find_where(&self, scope: NameId, name: NameRef<'_>, wanted: impl Fn(NameId) -> bool) -> Option<NameId> {
        if !name.searches_upwards() {
            return self.step(self.start(scope, name)?, name).filter(|id| wanted(*id));
        }
        let segment = name.segments().next()?;
        let mut at = scope;
        loop {
            if let Some(id) = self.places.get(&(at, segment)).filter(|id| wanted(**id)) {
                return Some(*id);
            }
            if at == Self::ROOT {
                return None;
            }
            at = self.parent(at);
        }
    }

    /// The path one segment below `parent`, if there is one.
    #[must_use]
    pub fn below(&self, parent: NameId, segment: NameSeg) -> Option<NameId> {
        self.places.get(&(parent, segment)).copied()
    }

    /// The name at exactly that path from `scope`, made when it is not there.
    pub fn place(&mut self, scope: NameId, name: NameRef<'_>) -> NameId {
        let start = self.start(scope, name).unwrap_or(Self::ROOT);
        name.segments().fold(start, |at, segment| self.child(at, segment))
    }

    /// The name that `Scope` opens.
    pub fn open(&mut self, scope: NameId, name: NameRef<'_>) -> NameId {
        self.find(scope, name).unwrap_or_else(|| self.place(scope, name))
    }

    /// Declare a path. What is declared first stays, but an `External` gives way.
    pub fn declare(&mut self, scope: NameId, name: NameRef<'_>, known: Known) -> NameId {
        let id = self.place(scope, name);
        self.set(id, known, false);
        id
    }

    /// What an `External` says: its object type, 8 for a method, and the arguments.
    pub fn declare_external(&mut self, scope: NameId, name: NameRef<'_>, kind: u8, arguments: u8) -> NameId {
        let id = self.place(scope, name);
        let known = match (kind, arguments) {
            // Type unknown, or a method whose count was left out in the source.
            (0, _) | (8, 0) => Known::Nothing,
            (8, count) => Known::Method(count & 7),
            _ => Known::Object,
        };
        if known != Known::Nothing {
            self.set(id, known, true);
        }
        id
    }

    fn set(&mut self, id: NameId, known: Known, external: bool) {
        let Some(entry) = self.entry_mut(id) else { return };
        if entry.known == Known::Nothing || (entry.external && !external) {
            entry.known = known;
            entry.external = external;
        }
    }

    fn entry(&self, id: NameId) -> Option<&Entry> {
        self.entries.get(usize::try_from(id.0).ok()?)
    }

    fn entry_mut(&mut self, id: NameId) -> Option<&mut Entry> {
        self.entries.get_mut(usize::try_from(id.0).ok()?)
    }

    fn exists(&self, id: NameId) -> bool {
        self.entry(id).is_some_and(|entry| entry.known != Known::Nothing)
    }

    /// Where the segments of a name begin; `None` when it goes above the root.
    fn start(&self, scope: NameId, name: NameRef<'_>) -> Option<NameId> {
        if name.root {
            return Some(Self::ROOT);
        }
        let mut at = scope;
        for _ in 0..name.parents {
            if at == Self::ROOT {
                return None;
            }
            at = self.parent(at);
        }
        Some(at)
    }

    fn step(&self, start: NameId, name: NameRef<'_>) -> Option<NameId> {
        name.segments()
            .try_fold(start, |at, segment| self.places.get(&(at, segment)).copied())
    }

    /// A path of 255 segments has no children: what stands below it is taken as itself. Real ones
    /// have ten; without a bound each search could walk a path as long as the table.
    fn child(&mut self, parent: NameId, segment: NameSeg) -> NameId {
        let depth = self.entry(parent).and_then(|entry| entry.depth.checked_add(1));
        let Some(depth) = depth else { return parent };
        let next = NameId(u32::try_from(self.entries.len()).unwrap_or(u32::MAX));
        let id = *self.places.entry((parent, segment)).or_insert(next);
        if id == next {
            self.entries.push(Entry {
                parent,
                segment,
                known: Known::Nothing,
                external: false,
                depth,
            });
        }
        id
    }
}

/// Multiplying hash for keys of eight bytes: the standard one costs more than the look-up.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct QuickHash(u64);

impl Hasher for QuickHash {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes.chunks(4) {
            let word = byte.iter().fold(0, |word, byte| word << 8 | u32::from(*byte));
            self.write_u32(word);
        }
    }

    fn write_u32(&mut self, number: u32) {
        self.0 = (self.0.rotate_left(5) ^ u64::from(number)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn write_usize(&mut self, _: usize) {
        // Length of a key; all have the same.
    }

    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(bytes: &[u8]) -> NameRef<'_> {
        NameRef::decode(bytes).unwrap()
    }

    #[test]
    fn single_segment_is_searched_upwards_and_two_are_not() {
        let mut names = Names::new();
        let device = names.declare(Names::ROOT, name(b"\\._SB_PCI0"), Known::Object);
        let method = names.declare(device, name(b"MTHD"), Known::Method(2));
        let inner = names.declare(device, name(b"DEV0"), Known::Object);
        assert_eq!(names.find(inner, name(b"MTHD")), Some(method));
        assert_eq!(names.known(method), Known::Method(2));
        assert_eq!(names.find(inner, name(b".PCI0MTHD")), None);
        assert_eq!(names.find(inner, name(b"^MTHD")), Some(method));
        assert_eq!(names.find(inner, name(b"^^^^MTHD")), None);
        assert_eq!(names.path(inner).to_string(), "\\_SB.PCI0.DEV0");
    }

    #[test]
    fn alias_leads_to_the_method_and_a_circle_of_aliases_ends() {
        let mut names = Names::new();
        let method = names.declare(Names::ROOT, name(b"REAL"), Known::Method(3));
        let other = names.declare(Names::ROOT, name(b"OTHR"), Known::Alias(method));
        assert_eq!(names.known(other), Known::Method(3));
        let first = names.place(Names::ROOT, name(b"AAAA"));
        let second = names.declare(Names::ROOT, name(b"BBBB"), Known::Alias(first));
        names.declare(Names::ROOT, name(b"AAAA"), Known::Alias(second));
        assert!(matches!(names.known(first), Known::Alias(_)));
    }

    #[test]
    fn external_gives_way_to_the_real_declaration() {
        let mut names = Names::new();
        names.declare_external(Names::ROOT, name(b"FAR_"), 8, 1);
        let id = names.find(Names::ROOT, name(b"FAR_")).unwrap();
        assert_eq!((names.known(id), names.is_external(id)), (Known::Method(1), true));
        names.declare(Names::ROOT, name(b"FAR_"), Known::Method(2));
        names.declare_external(Names::ROOT, name(b"FAR_"), 8, 5);
        assert_eq!((names.known(id), names.is_external(id)), (Known::Method(2), false));
    }
}
