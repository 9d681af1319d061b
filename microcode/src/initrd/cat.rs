//! One file of an initrd by its path.

use std::io::{self, Read, Seek, Write};

use schemars::JsonSchema;
use serde::Serialize;

use super::body::Body;
use super::member::{LinkKey, Member};
use super::name::clean;
use super::segment::{Segment, Summary};
use super::walk::{Options, Step, Visitor, read};

/// Which of several members of one path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Which {
    /// The first, which is what the lookup of early microcode takes.
    #[default]
    First,
    /// The last, which is what is there when Linux has unpacked all.
    Last,
}

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Cat {
    /// All members of that path, in order.
    pub members: Vec<Member>,
    /// The one that was written, as index of them.
    pub taken: usize,
    /// The member that has the data, where it is another link to the same file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_of: Option<Member>,
}

/// Writes the data of the member at `path`; `None` when there is none. Data that is damaged is
/// written as far as it goes: see the damage of the [`Summary`]. Links to one file within
/// an archive share the data that one of them has.
///
/// # Errors
///
/// Those of input and output.
pub fn cat<R: Read + Seek + Send>(
    mut input: R,
    path: &str,
    which: Which,
    options: &Options,
    out: &mut dyn Write,
) -> io::Result<(Option<Cat>, Summary)> {
    let mut finder = Finder {
        path: clean(path.as_bytes()).into_owned(),
        members: Vec::new(),
        write: which == Which::First,
        wanted: None,
        data_of: None,
        written: false,
        out,
    };
    let summary = read(&mut input, options, &mut finder)?;
    let last = finder.members.len().saturating_sub(1);
    let taken = if which == Which::First { 0 } else { last };
    let Some(member) = finder.members.get(taken) else {
        return Ok((None, summary));
    };
    // The last is known at the end only, and so is data that stood before its link.
    if !finder.written {
        finder.wanted = Some(Wanted::of(member));
        finder.write = true;
        let mut again = Again(&mut finder);
        read(&mut input, options, &mut again)?;
    }
    let Finder { members, data_of, .. } = finder;
    let cat = Cat {
        members,
        taken,
        data_of,
    };
    Ok((Some(cat), summary))
}

/// The member that was chosen, and what its data may stand under.
#[derive(Clone, Copy, Debug)]
struct Wanted {
    segment: u32,
    archive: u32,
    offset: u64,
    size: u32,
    links: Option<LinkKey>,
}

impl Wanted {
    fn of(member: &Member) -> Self {
        Self {
            segment: member.segment,
            archive: member.archive,
            offset: member.offset,
            size: member.size,
            links: member.link_key(),
        }
    }

    fn is(&self, member: &Member) -> bool {
        (self.segment, self.offset) == (member.segment, member.offset)
    }

    /// The member has the data of the wanted one.
    fn data_in(&self, member: &Member) -> bool {
        let linked = self.links.is_some() && self.links == member.link_key();
        let one = (self.segment, self.archive) == (member.segment, member.archive);
        let data = member.size > 0 && linked && one;
        if self.size > 0 { self.is(member) } else { data }
    }

    /// There is no data to look for elsewhere.
    fn is_empty(&self) -> bool {
        self.size == 0 && self.links.is_none()
    }
}

struct Finder<'a> {
    path: Vec<u8>,
    members: Vec<Member>,
    /// Data is written when it comes.
    write: bool,
    wanted: Option<Wanted>,
    data_of: Option<Member>,
    written: bool,
    out: &'a mut dyn Write,
}

/// Members of one path that are remembered.
const MEMBERS_MAX: usize = 1024;

impl Finder<'_> {
    fn data(&mut self, member: &Member, body: &mut Body<'_>) -> io::Result<()> {
        let Some(wanted) = self.wanted.filter(|_| self.write && !self.written) else {
            return Ok(());
        };
        if wanted.is_empty() {
            self.written = true;
        }
        if wanted.data_in(member) {
            self.written = true;
            if !wanted.is(member) {
                self.data_of = Some(member.clone());
            }
            io::copy(body, self.out)?;
        }
        Ok(())
    }
}

impl Visitor for Finder<'_> {
    fn member(&mut self, _: &Segment, member: &Member, body: &mut Body<'_>) -> io::Result<Step> {
        if *member.name.clean() == *self.path {
            if self.write && self.members.is_empty() {
                self.wanted = Some(Wanted::of(member));
            }
            // The last is always the last of all.
            self.members.truncate(MEMBERS_MAX);
            self.members.push(member.clone());
        }
        self.data(member, body)?;
        Ok(Step::Into)
    }
}

/// The second way, to data whose place is known.
struct Again<'f, 'a>(&'f mut Finder<'a>);

impl Visitor for Again<'_, '_> {
    fn member(&mut self, _: &Segment, member: &Member, body: &mut Body<'_>) -> io::Result<Step> {
        self.0.data(member, body)?;
        Ok(if self.0.written { Step::Stop } else { Step::Into })
    }
}
