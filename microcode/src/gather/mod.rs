//! Every update in bytes of any kind, with the place it stands.
//!
//! A file of updates, a container, a single patch and a directory of them come out as one list of
//! [`Found`]; their bytes are shared, not copied. What broke on the way is listed with its source,
//! and what could be read is kept.
//!
//! ```
//! use microcode::gather::{Kind, Options, gather};
//!
//! let nothing = gather("notes.txt", b"no microcode here".to_vec(), Options::default());
//! assert_eq!((nothing.kind, nothing.found.len()), (Kind::Other, 0));
//! ```

mod directory;
mod member;
#[cfg(test)]
pub(crate) mod samples;
mod stream;

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;

pub use self::directory::{gather_directory, is_hidden};
pub use self::stream::gather_reader;
use crate::amd::{self, Equivalence};
use crate::container::{self, Content};
use crate::damage::Damage;
use crate::found::{Found, Place, Update};
use crate::{dat, intel, scan};

/// What the bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Intel updates, one after the other.
    Intel,
    /// AMD containers.
    Amd,
    /// One AMD patch without a container.
    AmdPatch,
    /// Updates as text.
    Text,
    /// An initrd, or an archive that could be its beginning.
    Initrd,
    /// A firmware image or other data with updates somewhere inside.
    Image,
    /// Files of a directory.
    Directory,
    /// Nothing that is known here.
    Other,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Intel => "Intel updates",
            Self::Amd => "AMD containers",
            Self::AmdPatch => "AMD patch",
            Self::Text => "updates as text",
            Self::Initrd => "initrd",
            Self::Image => "image with updates inside",
            Self::Directory => "directory",
            Self::Other => "no microcode",
        })
    }
}

/// How far to look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Search data of no known kind from its first byte to its last.
    pub scan: bool,
    /// Unpack the compressed parts of an initrd, not only look into its uncompressed ones.
    pub compressed: bool,
}

/// Damage with the file that has it.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Fault {
    /// From the outside in, as in [`Place`].
    pub source: String,
    /// What is wrong.
    #[serde(flatten)]
    pub damage: Damage,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.source, self.damage)
    }
}

/// The equivalence table of an AMD container.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Table {
    /// Where its container begins.
    pub place: Place,
    /// Its rows, without the one that ends it.
    pub rows: Vec<Equivalence>,
}

/// What some bytes hold.
#[derive(Clone, Debug)]
pub struct Gathered {
    /// Name that was given.
    pub name: String,
    /// What they are.
    pub kind: Kind,
    /// Updates in the order they stand.
    pub found: Vec<Found>,
    /// Equivalence tables of the AMD containers.
    pub tables: Vec<Table>,
    /// Damage that is not inside an update: those carry their own.
    pub damage: Vec<Fault>,
    /// Files of a directory that hold no microcode.
    pub others: Vec<String>,
}

impl Gathered {
    fn new(name: &str, kind: Kind) -> Self {
        Self {
            name: name.to_owned(),
            kind,
            found: Vec::new(),
            tables: Vec::new(),
            damage: Vec::new(),
            others: Vec::new(),
        }
    }

    /// Whether any rule is broken, in an update or around it.
    #[must_use]
    pub fn is_damaged(&self) -> bool {
        !self.damage.is_empty() || self.found.iter().any(|found| !found.update.damage().is_empty())
    }

    /// All damage, that inside the updates too, each with its source.
    #[must_use]
    pub fn faults(&self) -> Vec<Fault> {
        let own = self.found.iter().flat_map(|found| {
            let damage = found.update.damage().iter().cloned();
            damage.map(|damage| Fault {
                source: found.place.source.clone(),
                damage,
            })
        });
        own.chain(self.damage.iter().cloned()).collect()
    }

    fn fault(&mut self, source: &str, damage: Damage) {
        self.damage.push(Fault {
            source: source.to_owned(),
            damage,
        });
    }

    /// Takes over everything but name and kind.
    fn absorb(&mut self, other: Self) {
        self.found.extend(other.found);
        self.tables.extend(other.tables);
        self.damage.extend(other.damage);
        self.others.extend(other.others);
    }
}

/// Read bytes of any kind. What is in a file is better read by [`gather_reader`].
#[must_use]
pub fn gather(name: &str, bytes: impl Into<Arc<Vec<u8>>>, options: Options) -> Gathered {
    stream::in_memory(name, &bytes.into(), options)
}

/// What is no archive.
fn whole(name: &str, file: &Arc<Vec<u8>>, options: Options) -> Gathered {
    if let Some(gathered) = plain(name, file, 0..file.len()) {
        return gathered;
    }
    if let Some(text) = dat::read(file) {
        return from_text(name, text);
    }
    if options.scan {
        return scanned(name, file);
    }
    Gathered::new(name, Kind::Other)
}

/// Updates anywhere. An AMD patch that stands in a container has its table with it.
fn scanned(name: &str, file: &Arc<Vec<u8>>) -> Gathered {
    let scan = scan::scan(file);
    let mut all = Gathered::new(name, Kind::Image);
    for hit in scan.hits {
        let place = Place {
            source: name.to_owned(),
            offset: hit.offset,
        };
        let part = hit.offset..hit.offset.saturating_add(hit.size);
        all.found.push(Found::new(place, hit.update, Arc::clone(file), part));
    }
    for finding in scan.findings.into_iter().filter(|finding| finding.broken) {
        let damage = Damage::new(finding.offset, "a table without faults", finding.text);
        all.fault(name, damage.rule(finding.rule));
    }
    if all.found.is_empty() && all.damage.is_empty() {
        all.kind = Kind::Other;
    }
    all
}

/// Offsets of the updates are those in the bytes that the text stands for; its own damage has line
/// and column.
fn from_text(name: &str, text: dat::Text) -> Gathered {
    let mut all = Gathered::new(name, Kind::Text);
    for broken in text.damage {
        let source = format!("{name}: line {}, column {}", broken.line, broken.column);
        all.fault(&source, broken.damage);
    }
    let bytes = Arc::new(text.bytes);
    add_intel(&mut all, text.file, |offset, size, update| {
        let place = Place {
            source: name.to_owned(),
            offset,
        };
        Found::new(place, update, Arc::clone(&bytes), offset..offset.saturating_add(size))
    });
    all
}

/// A part of `file` that is a file of updates, containers or a patch; `None` when it begins like
/// none of them.
fn plain(source: &str, file: &Arc<Vec<u8>>, part: Range<usize>) -> Option<Gathered> {
    let bytes = file.get(part.clone())?;
    let read = container::read(bytes)?;
    let base = part.start;
    let found = |offset: usize, size: usize, update: Update| {
        let start = base.saturating_add(offset);
        let place = Place {
            source: source.to_owned(),
            offset,
        };
        Found::new(place, update, Arc::clone(file), start..start.saturating_add(size))
    };
    Some(match read {
        Content::Intel(intel) => {
            let mut all = Gathered::new(source, Kind::Intel);
            add_intel(&mut all, intel, found);
            all
        }
        Content::Amd(amd) => {
            let mut all = Gathered::new(source, Kind::Amd);
            add_amd(&mut all, amd, found);
            all
        }
        Content::AmdPatch(patch) => {
            let mut all = Gathered::new(source, Kind::AmdPatch);
            all.found.push(found(patch.offset, patch.size, Update::Amd(patch)));
            all
        }
    })
}

fn add_intel(all: &mut Gathered, file: intel::File, found: impl Fn(usize, usize, Update) -> Found) {
    let updates = file.updates.into_iter();
    all.found
        .extend(updates.map(|update| found(update.offset, update.size, Update::Intel(update))));
    let name = all.name.clone();
    file.damage.into_iter().for_each(|damage| all.fault(&name, damage));
}

fn add_amd(all: &mut Gathered, file: amd::File, found: impl Fn(usize, usize, Update) -> Found) {
    let name = all.name.clone();
    for container in file.containers {
        let place = Place {
            source: name.clone(),
            offset: container.offset,
        };
        all.tables.push(Table {
            place,
            rows: container.equivalences,
        });
        let patches = container.patches.into_iter();
        all.found
            .extend(patches.map(|patch| found(patch.offset, patch.size, Update::Amd(patch))));
    }
    file.damage.into_iter().for_each(|damage| all.fault(&name, damage));
}

#[cfg(test)]
mod tests {
    use super::samples::{container, intel, patch};
    use super::*;
    use crate::ids::Revision;

    #[test]
    fn updates_share_the_bytes_of_their_file() {
        let bytes = Arc::new([intel(0x906ea, 0x22, 0xf0, 1), intel(0x906ea, 0x22, 0xf8, 2)].concat());
        let all = gather("06-9e-0a", Arc::clone(&bytes), Options::default());
        assert_eq!((all.kind, all.found.len(), all.is_damaged()), (Kind::Intel, 2, false));
        let second = &all.found[1];
        assert_eq!(second.place.to_string(), "06-9e-0a at 0x400");
        assert_eq!(second.update.revision(), Revision(0xf8));
        assert!(std::ptr::eq(second.bytes(), &raw const bytes[1024..]));
    }

    #[test]
    fn damage_behind_the_updates_has_the_name_of_its_file() {
        let mut bytes = intel(0x906ea, 0x22, 0xf0, 1);
        bytes.extend([0; 5]);
        let all = gather("cut", bytes, Options::default());
        assert_eq!((all.found.len(), all.damage[0].source.as_str()), (1, "cut"));
        assert_eq!(all.damage[0].damage.offset, 1024);
    }

    #[test]
    fn containers_and_patches_are_gathered_with_their_tables() {
        let zen = patch(0xa210, 0x0a20_1030, &[7; 8]);
        let bytes = container(&[(0xa20f10, 0xa210)], std::slice::from_ref(&zen));
        let all = gather("amd.bin", [bytes.clone(), bytes].concat(), Options::default());
        assert_eq!((all.kind, all.found.len(), all.tables.len()), (Kind::Amd, 2, 2));
        assert_eq!(all.found[1].bytes(), zen);
        assert_eq!(all.tables[1].place.offset, 12 + 32 + 8 + zen.len());

        let single = gather("raw.bin", zen.clone(), Options::default());
        assert_eq!((single.kind, single.found[0].bytes()), (Kind::AmdPatch, &zen[..]));
    }

    #[test]
    fn text_is_read_as_the_bytes_it_stands_for() {
        let update = intel(0x906ea, 0x22, 0xf0, 1);
        let mut text = dat::write(&[(None, &update)]);
        let all = gather("microcode.dat", text.clone().into_bytes(), Options::default());
        assert_eq!((all.kind, all.found.len(), all.is_damaged()), (Kind::Text, 1, false));
        assert_eq!(all.found[0].bytes(), update);
        text.push_str("what?\n");
        let all = gather("microcode.dat", text.into_bytes(), Options::default());
        assert_eq!(all.found.len(), 1);
        assert!(
            all.damage[0].source.starts_with("microcode.dat: line "),
            "{:?}",
            all.damage
        );
    }

    #[test]
    fn faults_are_those_of_updates_and_of_the_file() {
        let mut bytes = intel(0x906ea, 0x22, 0xf0, 1);
        bytes[100] ^= 1;
        bytes.push(0);
        let faults = gather("bad", bytes, Options::default()).faults();
        assert_eq!(
            faults.iter().map(|fault| fault.damage.offset).collect::<Vec<_>>(),
            [16, 1024]
        );
    }
}
