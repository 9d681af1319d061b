//! An initrd with other early microcode, or with none.
//!
//! Early microcode are the members below `kernel/x86/microcode/` in the uncompressed archives that
//! an initrd begins with. An archive of nothing else goes as a whole, with the zeros behind it; of
//! one with other members (ACPI tables in `kernel/firmware/acpi/`, say) only these members go.
//! All else is copied byte by byte, and stands as it stood relative to a multiple of four bytes.

use std::io::{self, Cursor, Read, Seek, SeekFrom, Write};
use std::ops::Range;

use schemars::JsonSchema;
use serde::Serialize;
use thiserror::Error;

use super::body::Body;
use super::member::{FileType, Member};
use super::name::Name;
use super::segment::{Broken, Kind, Segment, Summary};
use super::walk::{Options, Step, Visitor, read};
use crate::cpio;

/// Where the loaders look.
const MICROCODE: &[u8] = b"kernel/x86/microcode";

/// Why it cannot be done.
#[derive(Debug, Error)]
pub enum RepackError {
    /// The new early part is damaged.
    #[error("the new early part is damaged: {0}")]
    Damaged(Broken),
    /// The new early part is no uncompressed cpio archive.
    #[error("the new early part is no uncompressed cpio archive")]
    NoArchive,
    /// Input or output failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// A file that goes.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Removed {
    /// Number of the segment it stands in.
    pub segment: u32,
    /// Its path.
    pub name: Name,
    /// Bytes of its data.
    pub size: u32,
}

/// What is done.
#[derive(Clone, Debug, Default, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Report {
    /// Files of microcode that go.
    pub removed: Vec<Removed>,
    /// Bytes that go, with headers and padding.
    pub removed_bytes: u64,
    /// Numbers of the segments that go as a whole.
    pub removed_segments: Vec<u32>,
    /// Bytes put in front, with padding.
    pub added_bytes: u64,
    /// Bytes before.
    pub old_length: u64,
    /// Bytes after.
    pub new_length: u64,
    /// What is broken in the early part. It is copied as it is.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub damage: Vec<Broken>,
}

/// A piece of the new initrd.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// The new early part.
    Early,
    /// So many zeros.
    Zeros(u64),
    /// These bytes of the old initrd.
    Old(Range<u64>),
}

/// What the new initrd consists of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Its pieces in order.
    pub pieces: Vec<Piece>,
    /// What is done.
    pub report: Report,
}

/// Plans an initrd with `early` as its early part, or without microcode. Only the early part of
/// `input` is read.
///
/// # Errors
///
/// `early` is no archive; the input cannot be read.
pub fn plan<R: Read + Seek + Send>(input: R, early: Option<&[u8]>) -> Result<Plan, RepackError> {
    if let Some(early) = early {
        check(early)?;
    }
    let options = Options {
        early_only: true,
        ..Options::default()
    };
    let mut finder = Finder::default();
    let summary = read(input, &options, &mut finder)?;
    Ok(finder.plan(summary, early))
}

fn check(early: &[u8]) -> Result<(), RepackError> {
    let mut verify = |_: &Segment, _: &Member, body: &mut Body<'_>| {
        io::copy(body, &mut io::sink())?;
        Ok(Step::Into)
    };
    let summary = read(Cursor::new(early), &Options::default(), &mut verify)?;
    if let Some(broken) = summary.damage.into_iter().next() {
        return Err(RepackError::Damaged(broken));
    }
    let plain = |segment: &Segment| matches!(segment.kind, Kind::Cpio | Kind::Zeros);
    let archive = summary
        .segments
        .first()
        .is_some_and(|segment| segment.kind == Kind::Cpio);
    if archive && summary.segments.iter().all(plain) {
        Ok(())
    } else {
        Err(RepackError::NoArchive)
    }
}

/// Microcode of a segment.
#[derive(Default)]
struct Found {
    files: Vec<Removed>,
    /// The bytes of its members.
    ranges: Vec<Range<u64>>,
    /// There is something else that has to stay.
    other: bool,
}

#[derive(Default)]
struct Finder {
    /// By number of the segment, from 1.
    found: Vec<Found>,
}

impl Visitor for Finder {
    fn member(&mut self, segment: &Segment, member: &Member, _: &mut Body<'_>) -> io::Result<Step> {
        let number = usize::try_from(segment.number).unwrap_or(usize::MAX);
        if self.found.len() < number {
            self.found.resize_with(number, Found::default);
        }
        let Some(found) = self.found.last_mut() else {
            return Ok(Step::Into);
        };
        let name = member.name.clean();
        let directory = member.file_type() == FileType::Directory;
        match name.strip_prefix(MICROCODE) {
            Some(rest) if rest.is_empty() || rest.starts_with(b"/") => {
                let end = member.data.saturating_add(cpio::align(u64::from(member.size)));
                found.ranges.push(member.offset..end);
                if !directory {
                    found.files.push(Removed {
                        segment: segment.number,
                        name: member.name.clone(),
                        size: member.size,
                    });
                }
            }
            // The way to it, and the marker that dracut puts first.
            _ if directory && MICROCODE.starts_with(&name) => {}
            _ if *name == *b"early_cpio" => {}
            _ => found.other = true,
        }
        Ok(Step::Into)
    }
}

impl Finder {
    fn plan(self, summary: Summary, early: Option<&[u8]>) -> Plan {
        let mut report = Report {
            old_length: summary.length,
            damage: summary.damage,
            ..Report::default()
        };
        let mut gone: Vec<Range<u64>> = Vec::new();
        let mut found = self.found.into_iter();
        let mut whole = false;
        for segment in &summary.segments {
            let range = segment.offset..segment.offset.saturating_add(segment.size);
            match segment.kind {
                Kind::Zeros if whole => gone.push(range),
                Kind::Cpio => {
                    let found = found.next().unwrap_or_default();
                    whole = !found.other && !found.files.is_empty();
                    if whole {
                        report.removed_segments.push(segment.number);
                        gone.push(range);
                    } else if !found.files.is_empty() {
                        // A damaged member may claim more than there is.
                        let inside = found.ranges.into_iter();
                        gone.extend(inside.map(|part| part.start..part.end.min(range.end)));
                    }
                    report.removed.extend(found.files);
                }
                _ => whole = false,
            }
        }
        let mut plan = Plan {
            pieces: Vec::new(),
            report,
        };
        plan.fill(&gone, early);
        plan
    }
}

impl Plan {
    fn fill(&mut self, gone: &[Range<u64>], early: Option<&[u8]>) {
        let report = &mut self.report;
        let mut kept: Vec<Range<u64>> = Vec::new();
        let mut at = 0;
        for range in gone {
            kept.push(at..range.start);
            at = range.end;
            let size = range.end.saturating_sub(range.start);
            report.removed_bytes = report.removed_bytes.saturating_add(size);
        }
        kept.push(at..report.old_length);
        kept.retain(|range| range.start < range.end);
        if let Some(early) = early {
            self.pieces.push(Piece::Early);
            report.added_bytes = early.len() as u64;
        }
        let mut length = report.added_bytes;
        for range in kept {
            // As far from a multiple of four as it was.
            let zeros = range.start.wrapping_sub(length) % 4;
            if zeros > 0 && length > 0 {
                self.pieces.push(Piece::Zeros(zeros));
                report.added_bytes = report.added_bytes.saturating_add(zeros);
                length = length.saturating_add(zeros);
            }
            length = length.saturating_add(range.end.saturating_sub(range.start));
            self.pieces.push(Piece::Old(range));
        }
        report.new_length = length;
    }

    /// Writes the new initrd: `input` and `early` are those it was planned with.
    ///
    /// # Errors
    ///
    /// Those of input and output; an input that is shorter now.
    pub fn write<R: Read + Seek + Send>(
        &self,
        mut input: R,
        early: Option<&[u8]>,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        for piece in &self.pieces {
            let (wanted, copied) = match piece {
                Piece::Early => {
                    out.write_all(early.unwrap_or_default())?;
                    continue;
                }
                Piece::Zeros(count) => (*count, io::copy(&mut io::repeat(0).take(*count), out)?),
                Piece::Old(range) => {
                    let size = range.end.saturating_sub(range.start);
                    input.seek(SeekFrom::Start(range.start))?;
                    let mut part = io::BufReader::with_capacity(128 << 10, input.by_ref().take(size));
                    (size, io::copy(&mut part, out)?)
                }
            };
            if copied < wanted {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(())
    }
}
