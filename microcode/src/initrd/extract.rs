//! Members written to a place of the caller's: a [`Sink`], such as a [`Directory`](super::Directory).

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::io::{self, Read, Seek};

use schemars::JsonSchema;
use serde::Serialize;

use super::body::Body;
use super::member::{FileType, LinkKey, Member};
use super::name::{Name, Pattern, clean};
use super::segment::{Kind, Segment, Summary};
use super::walk::{Options, Step, Visitor, read};

/// Takes what is extracted. Paths have no empty, `.` or `..` part and no `/` before them; what
/// links on the way mean is the sink's to decide.
pub trait Sink {
    /// A directory; it may be there already.
    ///
    /// # Errors
    ///
    /// [`Refusal`] keeps this one member out; so for all of them.
    fn directory(&mut self, path: &[u8], member: &Member) -> Result<(), Refusal>;

    /// A regular file with the data of `body`.
    ///
    /// # Errors
    ///
    /// See [`Sink::directory`].
    fn file(&mut self, path: &[u8], member: &Member, body: &mut Body<'_>) -> Result<(), Refusal>;

    /// One more name of `to`, which was written before. Data in `body` replaces what it has.
    ///
    /// # Errors
    ///
    /// See [`Sink::directory`].
    fn hard_link(&mut self, path: &[u8], to: &[u8], member: &Member, body: &mut Body<'_>) -> Result<(), Refusal>;

    /// Other data for a file that was written before.
    ///
    /// # Errors
    ///
    /// See [`Sink::directory`].
    fn rewrite(&mut self, path: &[u8], member: &Member, body: &mut Body<'_>) -> Result<(), Refusal>;

    /// A symbolic link to `target`, whatever that is.
    ///
    /// # Errors
    ///
    /// See [`Sink::directory`].
    fn symlink(&mut self, path: &[u8], target: &[u8], member: &Member) -> Result<(), Refusal>;

    /// A device, pipe or socket.
    ///
    /// # Errors
    ///
    /// See [`Sink::directory`].
    fn node(&mut self, path: &[u8], member: &Member) -> Result<(), Refusal>;

    /// All is written: what waits for that, such as times of directories, is to be done.
    ///
    /// # Errors
    ///
    /// Those of the place.
    fn finish(&mut self) -> io::Result<()>;
}

/// Why a member was not written.
#[derive(Debug)]
pub enum Refusal {
    /// It would leave the destination, or is not allowed to the user: the rest goes on.
    Skipped(String),
    /// The place, such as a disk, is broken or full: nothing goes on.
    Failed(io::Error),
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        use io::ErrorKind::{QuotaExceeded, ReadOnlyFilesystem, StorageFull};
        match error.kind() {
            StorageFull | QuotaExceeded | ReadOnlyFilesystem => Self::Failed(error),
            _ => Self::Skipped(error.to_string()),
        }
    }
}

/// Where the segments go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Layout {
    /// All into one tree, as Linux unpacks them.
    #[default]
    Together,
    /// As `unmkinitramfs` does: `early`, `early2` … for uncompressed archives and `main`, `main2` …
    /// for compressed ones; without any directory when the first is compressed.
    Split,
}

/// What to extract.
#[derive(Clone, Debug, Default)]
pub struct Choice {
    /// Numbers of segments; all when empty.
    pub segments: Vec<u32>,
    /// Paths or patterns; all when empty.
    pub patterns: Vec<Pattern>,
    /// Where the segments go.
    pub layout: Layout,
}

impl Choice {
    fn takes(&self, name: &Name) -> bool {
        self.patterns.is_empty() || self.patterns.iter().any(|pattern| pattern.matches(name))
    }
}

/// A member that was not written.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Skipped {
    /// Number of its segment.
    pub segment: u32,
    /// Its path.
    pub name: Name,
    /// Why.
    pub reason: String,
}

impl fmt::Display for Skipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.reason)
    }
}

/// What was done.
#[derive(Clone, Debug, Default, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Extracted {
    /// Members written.
    pub members: u64,
    /// Bytes of their data.
    pub bytes: u64,
    /// Members not written, as far as they are kept.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub skipped: Vec<Skipped>,
    /// All members not written.
    pub skipped_count: u64,
    /// The way through the initrd.
    pub summary: Summary,
}

/// Members not written that are kept.
const SKIPPED_MAX: usize = 1024;

/// Extracts what `choice` takes into `sink`.
///
/// # Errors
///
/// Those of the input, and those of the sink that concern all.
pub fn extract<R: Read + Seek + Send>(
    input: R,
    options: &Options,
    choice: &Choice,
    sink: &mut dyn Sink,
) -> io::Result<Extracted> {
    let mut extractor = Extractor {
        choice,
        sink,
        links: HashMap::new(),
        elsewhere: HashSet::new(),
        archive: (0, 0),
        prefix: Vec::new(),
        counts: [0, 0],
        done: Extracted::default(),
    };
    let result = read(input, options, &mut extractor);
    extractor.sink.finish()?;
    let mut done = extractor.done;
    done.summary = result?;
    Ok(done)
}

struct Extractor<'a> {
    choice: &'a Choice,
    sink: &'a mut dyn Sink,
    /// First names of files with more links, of the present archive.
    links: HashMap<LinkKey, Vec<u8>>,
    /// Files with more links whose data stood with a name that was not chosen.
    elsewhere: HashSet<LinkKey>,
    archive: (u32, u32),
    prefix: Vec<u8>,
    /// Uncompressed and compressed segments so far.
    counts: [u32; 2],
    done: Extracted,
}

impl Extractor<'_> {
    /// The path below the destination, or why there is none.
    fn path(&self, member: &Member) -> Result<Vec<u8>, Refusal> {
        let name = member.name.clean();
        if name.split(|byte| *byte == b'/').any(|part| part == b"..") {
            return Err(Refusal::Skipped("the path goes up by \"..\"".to_owned()));
        }
        let parts = [self.prefix.as_slice(), &name];
        let parts: Vec<&[u8]> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        Ok(parts.join(&b'/'))
    }

    /// The data of a file that was taken by another of its names.
    fn data(&mut self, member: &Member, body: &mut Body<'_>) -> Result<(), Refusal> {
        let Some(key) = member.link_key().filter(|_| member.size > 0) else {
            return Ok(());
        };
        match self.links.get(&key) {
            Some(first) => self.sink.rewrite(first, member, body),
            None => {
                self.elsewhere.insert(key);
                Ok(())
            }
        }
    }

    fn put(&mut self, member: &Member, body: &mut Body<'_>) -> Result<(), Refusal> {
        let path = self.path(member)?;
        match member.file_type() {
            FileType::Directory => self.sink.directory(&path, member),
            _ if path == self.prefix => Err(Refusal::Skipped("no name".to_owned())),
            FileType::Symlink => match &member.target {
                Some(target) if !target.0.is_empty() => self.sink.symlink(&path, &target.0, member),
                _ => Err(Refusal::Skipped("a symbolic link without a target".to_owned())),
            },
            FileType::Unknown => Err(Refusal::Skipped(format!("no file type in mode {:#o}", member.mode))),
            file_type => {
                let links = member.link_key();
                if member.size == 0 && links.is_some_and(|key| self.elsewhere.contains(&key)) {
                    let reason = "its data stands with another name of it, which was not chosen";
                    return Err(Refusal::Skipped(reason.to_owned()));
                }
                if let Some(first) = links.and_then(|key| self.links.get(&key)) {
                    return self.sink.hard_link(&path, first, member, body);
                }
                match file_type {
                    FileType::Regular => self.sink.file(&path, member, body)?,
                    _ => self.sink.node(&path, member)?,
                }
                if let Some(key) = links {
                    self.links.insert(key, path);
                }
                Ok(())
            }
        }
    }
}

impl Visitor for Extractor<'_> {
    fn segment(&mut self, segment: &Segment) -> io::Result<Step> {
        if !segment.is_archive() {
            return Ok(Step::Into);
        }
        let [early, main] = &mut self.counts;
        let (count, name) = match segment.kind {
            Kind::Cpio => (early, "early"),
            _ => (main, "main"),
        };
        *count = count.saturating_add(1);
        let name = if *count == 1 {
            name.to_owned()
        } else {
            format!("{name}{count}")
        };
        if self.choice.layout == Layout::Split && self.counts != [0, 1] {
            self.prefix = clean(name.as_bytes()).into_owned();
        }
        let wanted = &self.choice.segments;
        Ok(if wanted.is_empty() || wanted.contains(&segment.number) {
            Step::Into
        } else if wanted.iter().all(|number| *number < segment.number) {
            Step::Stop
        } else {
            Step::Over
        })
    }

    fn member(&mut self, segment: &Segment, member: &Member, body: &mut Body<'_>) -> io::Result<Step> {
        if self.archive != (member.segment, member.archive) {
            self.archive = (member.segment, member.archive);
            self.links.clear();
            self.elsewhere.clear();
        }
        let taken = self.choice.takes(&member.name);
        let put = if taken {
            self.put(member, body)
        } else {
            self.data(member, body)
        };
        match put {
            Ok(()) if !taken => {}
            Ok(()) => {
                let done = &mut self.done;
                done.members = done.members.saturating_add(1);
                let data = u64::from(member.size).saturating_sub(body.left());
                done.bytes = done.bytes.saturating_add(data);
            }
            Err(Refusal::Failed(error)) => return Err(error),
            Err(Refusal::Skipped(reason)) => {
                self.done.skipped_count = self.done.skipped_count.saturating_add(1);
                if self.done.skipped.len() < SKIPPED_MAX {
                    self.done.skipped.push(Skipped {
                        segment: segment.number,
                        name: member.name.clone(),
                        reason,
                    });
                }
            }
        }
        Ok(Step::Into)
    }
}
