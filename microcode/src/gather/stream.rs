//! Sources that are read piece by piece: initrds, and unified kernel images with them inside.
//!
//! Of an initrd only the microcode is kept in memory, whatever its size.

use std::io::{self, BufReader, Cursor, Read, Seek, SeekFrom};
use std::ops::Range;
use std::sync::Arc;

use super::{Gathered, Kind, Options, member, whole};
use crate::cpio::Format;
use crate::found::{Found, Place};
use crate::initrd::{self, Body, FileType, Member, Segment, Step};
use crate::scan;
use crate::uki::{self, Image, Part};

/// Bytes at the front that tell what a source is.
const HEAD: u64 = 4096;

/// The bytes that a source is read from, when they are in memory, and where in them it begins.
#[derive(Clone, Copy)]
struct Shared<'a> {
    file: &'a Arc<Vec<u8>>,
    start: u64,
}

/// Read a file of any kind; initrds and unified kernel images piece by piece.
///
/// # Errors
/// When it cannot be read.
pub fn gather_reader<R: Read + Seek + Send>(name: &str, mut input: R, options: Options) -> io::Result<Gathered> {
    if let Some(gathered) = pieces(name, &mut input, None, options)? {
        return Ok(gathered);
    }
    let length = input.seek(SeekFrom::End(0))?;
    input.rewind()?;
    if options.scan && length > scan::WHOLE as u64 {
        return scanned(name, input);
    }
    let mut bytes = Vec::new();
    input.read_to_end(&mut bytes)?;
    Ok(whole(name, &Arc::new(bytes), options))
}

/// Updates anywhere in what is too large to be held in memory.
fn scanned<R: Read>(name: &str, input: R) -> io::Result<Gathered> {
    let mut all = Gathered::new(name, Kind::Image);
    let found = |hit: &scan::Hit, bytes: &[u8]| {
        let place = Place {
            source: name.to_owned(),
            offset: hit.offset,
        };
        let (bytes, size) = (Arc::new(bytes.to_vec()), bytes.len());
        all.found.push(Found::new(place, hit.update.clone(), bytes, 0..size));
    };
    scan::scan_stream(input, found)?;
    if all.found.is_empty() {
        all.kind = Kind::Other;
    }
    Ok(all)
}

/// The same for bytes in memory, which the updates share.
pub(super) fn in_memory(name: &str, file: &Arc<Vec<u8>>, options: Options) -> Gathered {
    let shared = Shared { file, start: 0 };
    let gathered = pieces(name, Cursor::new(file.as_slice()), Some(shared), options);
    match gathered {
        Ok(Some(gathered)) => gathered,
        _ => whole(name, file, options),
    }
}

/// `None` when it is to be read as a whole.
fn pieces<R: Read + Seek + Send>(
    name: &str,
    mut input: R,
    shared: Option<Shared<'_>>,
    options: Options,
) -> io::Result<Option<Gathered>> {
    let mut head = Vec::new();
    input.rewind()?;
    input.by_ref().take(HEAD).read_to_end(&mut head)?;
    input.rewind()?;
    if member::looks_like_archive(&head) {
        return archives(name, input, shared, options).map(Some);
    }
    let compressed = member::look_into(&head, BufReader::new(&mut input)).map(|unpacked| {
        let is_archive = member::looks_like_archive(&unpacked.head);
        (is_archive, unpacked.microcode(name))
    });
    match compressed {
        Some((true, _)) => return archives(name, input, shared, options).map(Some),
        Some((false, gathered)) => return Ok(gathered),
        None => {}
    }
    if head.starts_with(b"MZ") {
        return image(name, input, shared, options);
    }
    Ok(None)
}

fn image<R: Read + Seek + Send>(
    name: &str,
    mut input: R,
    shared: Option<Shared<'_>>,
    options: Options,
) -> io::Result<Option<Gathered>> {
    let Image::Uki(uki) = uki::image(&mut input)? else {
        return Ok(None);
    };
    let mut all = Gathered::new(name, Kind::Initrd);
    for section in uki.initrds() {
        let source = format!("{name}: {}", section.name);
        let part = Part::new(&mut input, section.range());
        let shared = shared.map(|shared| Shared {
            start: shared.start.saturating_add(section.offset),
            ..shared
        });
        all.absorb(archives(&source, part, shared, options)?);
    }
    uki.damage.into_iter().for_each(|damage| all.fault(name, damage));
    Ok(Some(all))
}

fn archives<R: Read + Seek + Send>(
    name: &str,
    mut input: R,
    shared: Option<Shared<'_>>,
    options: Options,
) -> io::Result<Gathered> {
    input.seek(SeekFrom::Start(0))?;
    let mut all = Gathered::new(name, Kind::Initrd);
    let mut visitor = |_: &Segment, member: &Member, body: &mut Body<'_>| {
        let path = String::from_utf8_lossy(&member.name.clean()).into_owned();
        if body.left() == 0 || member.file_type() != FileType::Regular || !member::is_microcode(&path) {
            return Ok(Step::Into);
        }
        let source = format!("{name}: {}", member.name);
        if let Some((file, part)) = shared.and_then(|shared| shared.part(member, body)) {
            all.absorb(member::content(&source, file, part));
            return Ok(Step::Into);
        }
        let mut content = Vec::new();
        let read = body.take(member::LARGEST).read_to_end(&mut content);
        let part = 0..content.len();
        all.absorb(member::content(&source, &Arc::new(content), part));
        read.map(|_| Step::Into)
    };
    let wanted = initrd::Options {
        early_only: !options.compressed,
        ..initrd::Options::default()
    };
    let summary = initrd::read(input, &wanted, &mut visitor)?;
    for broken in summary.damage {
        let source = format!("{name} {}", broken.source);
        all.fault(source.trim_end(), broken.damage);
    }
    Ok(all)
}

impl<'a> Shared<'a> {
    /// The data of a member that stands in memory as it is. Where the archive has a checksum of it,
    /// the data is to be read, so that it is checked.
    fn part(self, member: &Member, body: &Body<'_>) -> Option<(&'a Arc<Vec<u8>>, Range<usize>)> {
        let at = body.plain().filter(|_| member.format == Format::Newc)?;
        let start = usize::try_from(self.start.checked_add(at)?).ok()?;
        let part = start..start.checked_add(usize::try_from(body.left()).ok()?)?;
        self.file.get(part.clone())?;
        Some((self.file, part))
    }
}
