//! The way through an initrd: grammar as in `init/initramfs.c` and `lib/earlycpio.c` of Linux.

use std::io::{self, ErrorKind, Read, Seek};

use super::body::Body;
use super::member::{FileType, Member};
use super::name::Name;
use super::segment::{Kind, Segment, Summary, named};
use super::stream::{Buffered, Seekable, Stream, Unpacked};
use crate::codec::{self, Codec};
use crate::cpio::{self, Format, Header};
use crate::damage::Damage;

/// What the visitor wants next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The next member.
    Into,
    /// No more of this segment.
    Over,
    /// No more at all.
    Stop,
}

/// Is shown the segments and members in their order.
pub trait Visitor {
    /// A segment begins; its sizes are not yet known.
    ///
    /// # Errors
    ///
    /// Any error ends the reading.
    fn segment(&mut self, _segment: &Segment) -> io::Result<Step> {
        Ok(Step::Into)
    }

    /// A member. What it does not read of the data is skipped.
    ///
    /// # Errors
    ///
    /// Any error ends the reading; that of a damaged `body` is reported as damage instead.
    fn member(&mut self, segment: &Segment, member: &Member, body: &mut Body<'_>) -> io::Result<Step>;

    /// A segment has ended; its sizes are known.
    ///
    /// # Errors
    ///
    /// Any error ends the reading.
    fn end(&mut self, _segment: &Segment) -> io::Result<()> {
        Ok(())
    }
}

impl<F> Visitor for F
where
    F: FnMut(&Segment, &Member, &mut Body<'_>) -> io::Result<Step>,
{
    fn member(&mut self, segment: &Segment, member: &Member, body: &mut Body<'_>) -> io::Result<Step> {
        self(segment, member, body)
    }
}

/// How far to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Ends before the first segment that is no uncompressed archive.
    pub early_only: bool,
    /// Bytes that the compressed segments may unpack to, all together.
    pub unpacked_max: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            early_only: false,
            unpacked_max: 8 << 30,
        }
    }
}

/// Segments that are kept; a hostile file has one every 124 bytes.
const SEGMENTS_MAX: usize = 1 << 16;

/// Bytes of a bootconfig at most (`XBC_DATA_MAX` of Linux), with size, sum, magic and padding.
const BOOTCONFIG_MAX: u64 = 32_767 + 8 + 12 + 3;

/// Bytes that tell what unknown data is: the magic of ext2 stands furthest.
const NAMED: usize = 0x43a;

/// Goes through an initrd from its beginning, once.
///
/// # Errors
///
/// Those of the input and of the visitor. Damage is no error: it is in the [`Summary`], and what
/// came before it was shown.
pub fn read<R: Read + Seek + Send>(input: R, options: &Options, visitor: &mut dyn Visitor) -> io::Result<Summary> {
    let mut source = Buffered::new(Seekable::new(input)?);
    let summary = Summary {
        length: source.raw().length(),
        ..Summary::default()
    };
    let mut walk = Walk {
        visitor,
        options: *options,
        summary,
        early: true,
        left: options.unpacked_max,
    };
    walk.all(&mut source)?;
    Ok(walk.summary)
}

/// What ends the members of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// Their end.
    Whole,
    /// Damage behind which nothing is sure.
    Lost,
    /// The visitor wants no more of the segment, or of all.
    Wish(Step),
}

struct Walk<'v> {
    visitor: &'v mut dyn Visitor,
    options: Options,
    summary: Summary,
    /// The lookup of early microcode has come so far.
    early: bool,
    /// Bytes that may still be unpacked.
    left: u64,
}

impl Walk<'_> {
    fn all<R: Read + Seek + Send>(&mut self, source: &mut Buffered<Seekable<R>>) -> io::Result<()> {
        let mut number = 0u32;
        loop {
            let last = self.summary.segments.last();
            let offset = last.map_or(0, |segment| segment.offset.saturating_add(segment.size));
            source.skip_zeros()?;
            if source.position() > offset {
                let mut zeros = Segment::new(0, Kind::Zeros, offset, self.early);
                self.close(&mut zeros, source.position())?;
            }
            let offset = source.position();
            let Some(kind) = self.kind(source)? else {
                return Ok(());
            };
            // The lookup steps over zeros by four bytes, and Linux unpacks no archive elsewhere.
            self.early &= kind == Kind::Cpio && offset.is_multiple_of(4);
            let archive = matches!(kind, Kind::Cpio | Kind::Compressed { .. });
            number = number.saturating_add(archive.into());
            let mut segment = Segment::new(if archive { number } else { 0 }, kind, offset, self.early);
            if self.options.early_only && segment.kind != Kind::Cpio {
                self.summary.stopped = true;
                return Ok(());
            }
            if self.summary.segments.len() >= SEGMENTS_MAX {
                let expected = format!("at most {SEGMENTS_MAX} segments");
                self.report(&segment, damage(offset, "initrd-segments", &expected, "more"));
                return Ok(());
            }
            let step = self.visitor.segment(&segment)?;
            let end = match (step, &segment.kind) {
                (Step::Stop, _) => End::Wish(Step::Stop),
                (_, Kind::Compressed { codec }) => self.compressed(*codec, source, &mut segment, step)?,
                (_, Kind::Cpio) => self.members(source, &mut segment, step)?,
                _ => self.rest(source, &segment)?,
            };
            if end == End::Wish(Step::Stop) {
                self.summary.stopped = true;
                return Ok(());
            }
            let until = source.position();
            self.close(&mut segment, until)?;
            if end == End::Lost {
                self.lost(source)?;
                return Ok(());
            }
        }
    }

    /// What begins here; `None` at the end.
    fn kind<R: Read + Seek + Send>(&mut self, source: &mut Buffered<Seekable<R>>) -> io::Result<Option<Kind>> {
        let offset = source.position();
        let left = self.summary.length.saturating_sub(offset);
        let head = source.peek(Codec::HEAD.max(6))?;
        if head.is_empty() {
            return Ok(None);
        }
        if Format::detect(head).is_some() {
            return Ok(Some(Kind::Cpio));
        }
        if let Some(codec) = Codec::detect(head) {
            return Ok(Some(Kind::Compressed { codec }));
        }
        if left <= BOOTCONFIG_MAX {
            let rest = source.peek(usize::try_from(left).unwrap_or(usize::MAX))?;
            if is_bootconfig(rest) {
                return Ok(Some(Kind::Bootconfig));
            }
        }
        let name = named(source.peek(NAMED)?);
        Ok(Some(Kind::Unknown { name }))
    }

    fn report(&mut self, segment: &Segment, damage: Damage) {
        self.summary.report(segment, damage);
    }

    fn close(&mut self, segment: &mut Segment, until: u64) -> io::Result<()> {
        segment.size = until.saturating_sub(segment.offset);
        if segment.codec().is_none() {
            segment.unpacked = segment.size;
        }
        self.summary.segments.push(segment.clone());
        self.visitor.end(segment)
    }

    /// A segment that is no archive goes to the end.
    fn rest<R: Read + Seek + Send>(
        &mut self,
        source: &mut Buffered<Seekable<R>>,
        segment: &Segment,
    ) -> io::Result<End> {
        if let Kind::Unknown { name } = segment.kind {
            let head = source.peek(8)?.escape_ascii().to_string();
            let seen = match name {
                Some(name) => name.to_owned(),
                None => format!("\"{head}\""),
            };
            let expected = "a cpio archive, a compressed one, or zeros";
            self.report(segment, damage(segment.offset, "initrd-unknown-data", expected, &seen));
        }
        source.skip(u64::MAX)?;
        Ok(End::Whole)
    }

    /// What follows a piece whose end is not known.
    fn lost<R: Read + Seek + Send>(&mut self, source: &mut Buffered<Seekable<R>>) -> io::Result<()> {
        let offset = source.position();
        source.skip(u64::MAX)?;
        if source.position() > offset {
            let mut rest = Segment::new(0, Kind::Unknown { name: None }, offset, false);
            self.close(&mut rest, source.position())?;
        }
        Ok(())
    }

    fn compressed<R: Read + Seek + Send>(
        &mut self,
        codec: Codec,
        source: &mut Buffered<Seekable<R>>,
        segment: &mut Segment,
        step: Step,
    ) -> io::Result<End> {
        let (result, too_long) = codec::beside(codec, &mut *source, |unpacked| {
            let mut stream = Buffered::new(Unpacked::new(unpacked, self.left));
            (self.unpacked(&mut stream, segment, step), stream.raw().too_long())
        });
        // The thread that unpacks was somewhere when it was stopped: where the stream ends is not known.
        if too_long {
            source.skip(u64::MAX)?;
        }
        result
    }

    /// The archives of a compressed segment, and what is behind them up to the end of the stream.
    fn unpacked(&mut self, stream: &mut Buffered<Unpacked<'_>>, segment: &mut Segment, step: Step) -> io::Result<End> {
        let mut end = self.members(stream, segment, step)?;
        // The stream ends where the codec says so, not where the archive does.
        if end != End::Wish(Step::Stop)
            && let Err(error) = stream.skip(u64::MAX)
        {
            end = self.codec_damage(segment, stream.position(), error)?;
        } else if end == End::Lost {
            end = End::Whole;
        }
        segment.unpacked = stream.position();
        self.left = self.left.saturating_sub(segment.unpacked);
        Ok(end)
    }

    /// Reports what a codec says of its stream; errors of the input stay errors.
    fn codec_damage(&mut self, segment: &Segment, position: u64, error: io::Error) -> io::Result<End> {
        if !matches!(error.kind(), ErrorKind::InvalidData | ErrorKind::UnexpectedEof) {
            return Err(error);
        }
        // It says it again at the stream's end, and behind it nothing is read.
        let mut known = self.summary.damage.iter();
        if !known.any(|broken| broken.damage.rule == "codec") {
            let expected = match segment.codec() {
                Some(codec) => format!("a whole {codec} stream"),
                None => "bytes".to_owned(),
            };
            self.report(segment, damage(position, "codec", &expected, &error.to_string()));
        }
        Ok(End::Lost)
    }

    /// The members of an uncompressed archive, or of all archives of a compressed segment.
    fn members<S: Stream>(&mut self, stream: &mut S, segment: &mut Segment, step: Step) -> io::Result<End> {
        match self.try_members(stream, segment, step) {
            Err(Failure::Input(error)) if segment.codec().is_some() => {
                self.codec_damage(segment, stream.position(), error)
            }
            Err(Failure::Input(error) | Failure::Visitor(error)) => Err(error),
            Ok(end) => Ok(end),
        }
    }

    fn try_members<S: Stream>(&mut self, stream: &mut S, segment: &mut Segment, step: Step) -> Result<End, Failure> {
        let inside = segment.codec().is_some();
        let mut show = step == Step::Into;
        let mut open = false;
        loop {
            // Zeros between members are padding. Those behind an uncompressed archive are not of it.
            if inside {
                stream.skip_zeros()?;
            }
            let head = stream.peek(cpio::HEADER)?;
            if head.is_empty() {
                return Ok(End::Whole);
            }
            if Format::detect(head).is_none() {
                if !inside {
                    return Ok(End::Whole);
                }
                let seen = named(head).map_or_else(|| junk(head), str::to_owned);
                let expected = "070701 or 070702, or zeros";
                self.report(segment, damage(stream.position(), "cpio-magic", expected, &seen));
                return Ok(End::Lost);
            }
            if !open {
                segment.archives = segment.archives.saturating_add(1);
                open = true;
            }
            match self.member(stream, segment, show)? {
                Next::Member(Step::Into) => {}
                Next::Member(Step::Over) if inside => return Ok(End::Wish(Step::Over)),
                Next::Member(Step::Over) => show = false,
                Next::Member(Step::Stop) => return Ok(End::Wish(Step::Stop)),
                Next::Trailer if inside => open = false,
                Next::Trailer => return Ok(End::Whole),
                Next::Lost => {
                    self.early = false;
                    return Ok(End::Lost);
                }
            }
        }
    }

    /// One member, header to padding.
    fn member<S: Stream>(&mut self, stream: &mut S, segment: &mut Segment, show: bool) -> Result<Next, Failure> {
        let inside = segment.codec().is_some();
        let offset = stream.position();
        if !offset.is_multiple_of(4) {
            self.early = false;
            let seen = format!("offset {offset:#x}");
            let at = damage(offset, "cpio-alignment", "a header at a multiple of four bytes", &seen);
            self.report(segment, at);
        }
        let header = match Header::parse(stream.peek(cpio::HEADER)?) {
            Some(Ok(header)) => header,
            Some(Err(mut bad)) => {
                bad.offset = place(offset).saturating_add(bad.offset);
                self.report(segment, bad);
                return Ok(Next::Lost);
            }
            None => return Ok(self.cut(stream, segment, "a header of 110 bytes")),
        };
        let Some(mut member) = self.name(stream, segment, &header)? else {
            return Ok(Next::Lost);
        };
        let trailer = member.name.0 == cpio::TRAILER;
        self.check(segment, &header, &member, offset);
        let size = u64::from(header.size);
        let data = stream.position();
        let there = inside || self.summary.length.saturating_sub(data) >= size;
        self.early &= there;
        member.segment = segment.number;
        member.archive = segment.archives;
        (member.offset, member.data) = (offset, data);
        member.early = self.early;
        if member.file_type() == FileType::Symlink && header.size <= cpio::NAME_MAX {
            let bytes = stream.peek(usize::try_from(size).unwrap_or_default())?;
            let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
            member.target = Some(Name(bytes.get(..end).unwrap_or(bytes).to_vec()));
        }
        let mut body = Body::new(stream, &header, !inside);
        let mut step = Step::Into;
        if !trailer {
            segment.members = segment.members.saturating_add(1);
            if show {
                let result = self.visitor.member(segment, &member, &mut body);
                // A body that ended early is damage of the archive, whatever the visitor made of it.
                match body.failed() {
                    Some(error) if error.kind() == ErrorKind::UnexpectedEof && body.left() > 0 => {}
                    Some(error) => return Err(Failure::Input(error)),
                    None => step = result.map_err(Failure::Visitor)?,
                }
            }
        }
        if step == Step::Stop {
            return Ok(Next::Member(Step::Stop));
        }
        let whole = body.skip()?;
        let wrong = body.wrong_sum(&header);
        if !whole {
            return Ok(self.cut(stream, segment, &format!("{size} bytes of data of {}", member.name)));
        }
        if let Some(sum) = wrong {
            let expected = format!("bytes of {} with the sum {:#x}", member.name, header.sum);
            self.report(segment, damage(data, "cpio-checksum", &expected, &format!("{sum:#x}")));
        }
        stream.skip(cpio::align(size).saturating_sub(size))?;
        Ok(if trailer { Next::Trailer } else { Next::Member(step) })
    }

    /// Reports that the bytes end here.
    fn cut(&mut self, stream: &impl Stream, segment: &Segment, expected: &str) -> Next {
        self.early = false;
        self.report(
            segment,
            damage(stream.position(), "cpio-truncated", expected, "the end"),
        );
        Next::Lost
    }

    /// The name behind a header; the stream stands at the data then. `None` when it is cut.
    fn name<S: Stream>(
        &mut self,
        stream: &mut S,
        segment: &Segment,
        header: &Header,
    ) -> Result<Option<Member>, Failure> {
        let begin = stream.position().saturating_add(cpio::HEADER as u64);
        let size = header.name_size;
        let shown = usize::try_from(size.min(cpio::NAME_MAX)).unwrap_or_default();
        let bytes = stream.peek(cpio::HEADER.saturating_add(shown))?;
        let bytes = bytes.get(cpio::HEADER..).unwrap_or_default();
        let end = bytes.iter().position(|byte| *byte == 0);
        let member = Member::new(header, bytes.get(..end.unwrap_or(bytes.len())).unwrap_or_default());
        let (there, ended) = (bytes.len(), bytes.last() == Some(&0));
        if there < shown {
            stream.skip(u64::MAX)?;
            self.cut(stream, segment, &format!("{size} bytes of a name"));
            return Ok(None);
        }
        if size == 0 || size > cpio::NAME_MAX {
            let expected = "a name of 1 to 4096 bytes with its NUL";
            let seen = format!("{size} bytes; Linux skips the member");
            self.report(segment, damage(begin, "cpio-name-size", expected, &seen));
        } else if !ended {
            let seen = format!("{}; Linux stops here", member.name);
            self.report(
                segment,
                damage(begin, "cpio-name-end", "a name that ends with a NUL", &seen),
            );
        }
        // Bytes of padding may lack at the very end: Linux does not miss them.
        stream.skip(header.data_offset())?;
        Ok(Some(member))
    }

    /// Rules that a member breaks without harm to what follows.
    fn check(&mut self, segment: &Segment, header: &Header, member: &Member, offset: u64) {
        let (size, file_type) = (header.size, member.file_type());
        let (expected, most) = match file_type {
            _ if member.name.0 == cpio::TRAILER => ("no data in TRAILER!!!", 0),
            FileType::Regular => return,
            FileType::Symlink => ("a target of at most 4096 bytes; Linux skips the member", cpio::NAME_MAX),
            _ => ("no data but in regular files; Linux skips the member", 0),
        };
        if size > most {
            let seen = format!("{size} bytes in {}", member.name);
            self.report(segment, damage(offset, "cpio-data", expected, &seen));
        }
    }
}

/// What comes after a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Member(Step),
    Trailer,
    Lost,
}

/// Whose error it is.
enum Failure {
    Input(io::Error),
    Visitor(io::Error),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Input(error)
    }
}

fn junk(head: &[u8]) -> String {
    format!("\"{}\"", head.get(..8).unwrap_or(head).escape_ascii())
}

fn place(offset: u64) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}

fn damage(offset: u64, rule: &'static str, expected: &str, seen: &str) -> Damage {
    Damage::new(place(offset), expected, seen).rule(rule)
}

/// Data, its size, the sum of its bytes, the magic, and up to three bytes of padding.
fn is_bootconfig(rest: &[u8]) -> bool {
    const MAGIC: &[u8] = b"#BOOTCONFIG\n";
    let tail = rest.len().saturating_sub(MAGIC.len().saturating_add(3));
    let Some(at) = (tail..rest.len()).find(|at| rest.get(*at..).is_some_and(|end| end.starts_with(MAGIC))) else {
        return false;
    };
    let Some((front, [s0, s1, s2, s3, c0, c1, c2, c3])) = rest.get(..at).and_then(|front| front.split_last_chunk())
    else {
        return false;
    };
    let size = u32::from_le_bytes([*s0, *s1, *s2, *s3]);
    let sum = front.iter().fold(0u32, |sum, byte| sum.wrapping_add(u32::from(*byte)));
    u32::try_from(front.len()) == Ok(size) && sum == u32::from_le_bytes([*c0, *c1, *c2, *c3])
}
