//! Tar archives read into memory as a tree; nothing is written to disk.
//!
//! What comes before a damaged place is kept, the damage is noted, and reading goes on at the next
//! block that is a header. Files with holes are read as `tar -S` writes them of `/sys`, where
//! every file claims 4096 bytes: what was there, and no zeros after it.

mod header;

use std::io::{self, Read};

use header::{BLOCK, Extent, Header, Kind};

use crate::memory::{Builder, MemoryTree, Refused};
use crate::source::Gap;
use crate::tree::FILE_LIMIT;

/// Unpacked bytes read from an archive.
const TOTAL_LIMIT: u64 = 2 << 30;

/// Entries read from an archive.
const ENTRY_LIMIT: usize = 1 << 20;

/// Longest data of a name or record entry.
const NAME_LIMIT: u64 = 1 << 20;

/// Notes of single entries; more are counted only.
const NOTE_LIMIT: usize = 20;

/// An archive read as far as it goes.
pub(crate) struct Tarball {
    /// The files.
    pub(crate) tree: MemoryTree,
    /// What was damaged or refused.
    pub(crate) notes: Vec<Gap>,
}

/// Whether a file that starts with `head` is a tar archive.
pub(crate) fn is_tar(head: &[u8]) -> bool {
    header::is_header(head)
}

/// Reads an archive.
pub(crate) fn read(reader: impl Read) -> Tarball {
    let mut reading = Reading {
        reader,
        read: 0,
        builder: Builder::new(),
        notes: Notes::default(),
        next: Next::default(),
        last: String::new(),
        inside: None,
    };
    if let Err(error) = reading.entries().and_then(|()| reading.behind_end()) {
        let why = reading.place_of(&error);
        reading.notes.damage(why);
    }
    Tarball {
        tree: reading.builder.finish(),
        notes: reading.notes.finish(),
    }
}

/// What special entries said about the next one.
#[derive(Default)]
struct Next {
    path: Option<String>,
    target: Option<String>,
    size: Option<u64>,
    sparse: bool,
}

/// An archive while it is read.
struct Reading<R> {
    reader: R,
    read: u64,
    builder: Builder,
    notes: Notes,
    next: Next,
    last: String,
    /// Its size, and how much of it is read, while its data are read.
    inside: Option<(u64, u64)>,
}

impl<R: Read> Reading<R> {
    fn entries(&mut self) -> io::Result<()> {
        let mut lost_at = None;
        let mut empty_blocks = 0;
        let mut entries = 0;
        loop {
            let mut block = [0; BLOCK];
            let here = self.read;
            match self.fill(&mut block)? {
                0 if lost_at.is_some() => {
                    self.passed_over(lost_at.take(), here);
                    return Ok(());
                }
                0 => return Err(cut("its end mark is missing")),
                BLOCK => {}
                _ => return Err(cut("it ends inside a header")),
            }
            // Zeros are the end only where a header is due: lost in data they are data.
            if lost_at.is_none() && block.iter().all(|byte| *byte == 0) {
                empty_blocks += 1;
                if empty_blocks == 2 {
                    return Ok(());
                }
                continue;
            }
            empty_blocks = 0;
            let header = header::is_header(&block).then(|| header::parse(&block));
            let Some(header) = header.flatten() else {
                lost_at.get_or_insert(here);
                continue;
            };
            self.passed_over(lost_at.take(), here);
            entries += 1;
            if entries > ENTRY_LIMIT {
                return Err(cut(&format!("more than {ENTRY_LIMIT} entries are not read")));
            }
            self.entry(header, &block)?;
        }
    }

    /// Reads on to the end of the file: a checksum over all of it is compared there.
    fn behind_end(&mut self) -> io::Result<()> {
        let left = TOTAL_LIMIT.saturating_sub(self.read);
        io::copy(&mut (&mut self.reader).take(left), &mut io::sink())
            .map(|_| ())
            .map_err(|error| cut(&format!("behind the last file, where checksums stand: {error}")))
    }

    /// What an error cost, and where.
    fn place_of(&self, error: &io::Error) -> String {
        let read = self.read;
        match self.inside {
            Some((size, done)) => format!(
                "{:?} is cut after {done} of {size} bytes, at byte {read} of the unpacked archive; it and what \
                 follows is lost: {error}",
                self.last
            ),
            None => format!("after {:?}, byte {read}: {error}", self.last),
        }
    }

    fn passed_over(&mut self, lost_at: Option<u64>, here: u64) {
        if let Some(lost) = lost_at {
            let count = here.saturating_sub(lost);
            self.notes.damage(format!(
                "after {:?}, byte {lost}: expected an archive header, {count} bytes are passed over",
                self.last
            ));
        }
    }

    /// Takes an entry in, with its data and padding.
    fn entry(&mut self, header: Header, block: &[u8]) -> io::Result<()> {
        match header.kind {
            Kind::LongName => self.next.path = Some(self.name(header.size)?),
            Kind::LongLink => self.next.target = Some(self.name(header.size)?),
            Kind::Pax => {
                let data = self.special(header.size)?;
                self.pax(&data);
            }
            _ => {
                let next = std::mem::take(&mut self.next);
                self.ordinary(header, next, block)?;
            }
        }
        Ok(())
    }

    fn pax(&mut self, data: &[u8]) {
        for (key, value) in header::pax_records(data) {
            match key.as_str() {
                "path" if self.next.path.is_none() || !self.next.sparse => {
                    self.next.path = Some(value);
                }
                "GNU.sparse.name" => self.next.path = Some(value),
                "linkpath" => self.next.target = Some(value),
                "size" => self.next.size = value.parse().ok(),
                "GNU.sparse.major" => self.next.sparse = value == "1",
                _ => {}
            }
        }
    }

    fn ordinary(&mut self, header: Header, next: Next, block: &[u8]) -> io::Result<()> {
        let path = next.path.unwrap_or(header.path);
        let target = next.target.unwrap_or(header.target);
        let size = next.size.unwrap_or(header.size);
        self.last.clone_from(&path);
        // Old v7 archives mark a directory by the end of its name only.
        let kind = match header.kind {
            Kind::File if size == 0 && path.ends_with('/') => Kind::Directory,
            kind => kind,
        };
        let result = match kind {
            Kind::Directory => self.builder.directory(&path),
            Kind::Link => self.builder.link(&path, &target),
            Kind::HardLink => self.builder.hard_link(&path, &target),
            Kind::File => {
                let bytes = self.data(&path, size)?;
                let bytes = if next.sparse { unfold_pax(&bytes) } else { bytes };
                self.builder.file(&path, bytes)
            }
            Kind::Sparse => {
                let extents = self.sparse_extents(block)?;
                let bytes = self.data(&path, size)?;
                self.builder.file(&path, unfold(&bytes, &extents))
            }
            _ => {
                self.skip(size)?;
                self.skip_padding(size)?;
                Ok(())
            }
        };
        if let Err(refused) = result {
            self.notes.refused(&path, &target, refused);
        }
        Ok(())
    }

    fn sparse_extents(&mut self, block: &[u8]) -> io::Result<Vec<Extent>> {
        let (mut extents, mut more) = header::extents(block, true);
        while more {
            let mut block = [0; BLOCK];
            if self.fill(&mut block)? < BLOCK || extents.len() > ENTRY_LIMIT {
                return Err(cut("it ends inside a sparse map"));
            }
            let (further, again) = header::extents(&block, false);
            extents.extend(further);
            more = again;
        }
        Ok(extents)
    }

    /// Data of a file, with its padding; no more than [`FILE_LIMIT`] of it is kept.
    fn data(&mut self, path: &str, size: u64) -> io::Result<Vec<u8>> {
        let limit = FILE_LIMIT as u64;
        let kept = size.min(limit);
        self.inside = Some((size, 0));
        let bytes = self.take(kept)?;
        if (bytes.len() as u64) < kept {
            return Err(cut("the archive ends"));
        }
        self.inside = None;
        if size > limit {
            self.notes
                .damage(format!("{path:?}: only {kept} of {size} bytes are kept"));
            self.skip(size - kept)?;
        }
        self.skip_padding(size)?;
        Ok(bytes)
    }

    fn special(&mut self, size: u64) -> io::Result<Vec<u8>> {
        if size > NAME_LIMIT {
            self.skip(size)?;
            self.skip_padding(size)?;
            return Ok(Vec::new());
        }
        let bytes = self.take(size)?;
        if (bytes.len() as u64) < size {
            return Err(cut("it ends inside a name"));
        }
        self.skip_padding(size)?;
        Ok(bytes)
    }

    fn name(&mut self, size: u64) -> io::Result<String> {
        let bytes = self.special(size)?;
        let text = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
        Ok(String::from_utf8_lossy(text).into_owned())
    }

    fn take(&mut self, size: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::with_capacity(usize::try_from(size.min(1 << 16)).unwrap_or(0));
        let result = (&mut self.reader).take(size).read_to_end(&mut bytes);
        let taken = bytes.len() as u64;
        if let Some((_, done)) = &mut self.inside {
            *done = taken;
        }
        self.count(taken)?;
        result.map(|_| bytes)
    }

    fn skip(&mut self, size: u64) -> io::Result<()> {
        let left = TOTAL_LIMIT.saturating_sub(self.read).saturating_add(1);
        let skipped = io::copy(&mut (&mut self.reader).take(size.min(left)), &mut io::sink())?;
        self.count(skipped)?;
        if skipped < size {
            return Err(cut("it ends inside an entry"));
        }
        Ok(())
    }

    /// A padding that is cut or damaged harms nothing: the next header is missed then.
    fn skip_padding(&mut self, size: u64) -> io::Result<()> {
        let padding = size.wrapping_neg() % BLOCK as u64;
        let mut bytes = Vec::new();
        let _ = (&mut self.reader).take(padding).read_to_end(&mut bytes);
        self.count(bytes.len() as u64)
    }

    /// Reads a block, or what is left of it.
    fn fill(&mut self, block: &mut [u8; BLOCK]) -> io::Result<usize> {
        let mut filled = 0;
        while let Some(rest) = block.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match self.reader.read(rest) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.count(filled as u64)?;
                    return Err(error);
                }
            }
        }
        self.count(filled as u64)?;
        Ok(filled)
    }

    fn count(&mut self, bytes: u64) -> io::Result<()> {
        self.read = self.read.saturating_add(bytes);
        if self.read > TOTAL_LIMIT {
            return Err(cut(&format!("more than {TOTAL_LIMIT} bytes are not read")));
        }
        Ok(())
    }
}

fn cut(message: &str) -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, message)
}

/// Puts the pieces of a sparse file where they belong; holes between them are zeros.
fn unfold(data: &[u8], extents: &[Extent]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = data;
    for (offset, length) in extents {
        let offset = usize::try_from(*offset).unwrap_or(usize::MAX);
        let length = usize::try_from(*length).unwrap_or(usize::MAX).min(rest.len());
        let (piece, after) = rest.split_at(length);
        rest = after;
        let fits = offset.checked_add(length).is_some_and(|end| end <= FILE_LIMIT);
        if piece.is_empty() || offset < bytes.len() || !fits {
            continue;
        }
        bytes.resize(offset, 0);
        bytes.extend_from_slice(piece);
    }
    bytes
}

fn unfold_pax(data: &[u8]) -> Vec<u8> {
    match header::pax_extents(data) {
        Some((extents, used)) => unfold(data.get(used..).unwrap_or_default(), &extents),
        None => data.to_vec(),
    }
}

/// Notes of an archive, the first few in full.
#[derive(Default)]
struct Notes {
    list: Vec<Gap>,
    more: usize,
}

impl Notes {
    fn damage(&mut self, why: String) {
        if self.list.len() >= NOTE_LIMIT {
            self.more += 1;
            return;
        }
        self.list.push(Gap {
            what: "archive".to_owned(),
            why,
            how: None,
        });
    }

    fn refused(&mut self, path: &str, target: &str, refused: Refused) {
        self.damage(match refused {
            Refused::Name => format!("entry {path:?} is left out: no name inside the archive"),
            Refused::NotADirectory => {
                format!("entry {path:?} is left out: it lies below a file or link")
            }
            Refused::NoTarget => {
                format!("hard link {path:?} is left out: {target:?} is not in the archive")
            }
        });
    }

    fn finish(mut self) -> Vec<Gap> {
        if self.more > 0 {
            self.list.push(Gap {
                what: "archive".to_owned(),
                why: format!("{} more of these", self.more),
                how: None,
            });
        }
        self.list
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::Tree;

    const CPUS: &str = "/top/sys/devices/system/cpu";

    fn archive() -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for number in 0..40 {
            let mut header = tar::Header::new_ustar();
            header.set_size(1000);
            header.set_mode(0o644);
            let path = format!("top/sys/devices/system/cpu/cpu{number}");
            let bytes = vec![number; 1000];
            builder.append_data(&mut header, path, bytes.as_slice()).unwrap();
        }
        builder.into_inner().unwrap()
    }

    #[test]
    fn an_archive_is_known_by_its_header_checksum() {
        let bytes = archive();
        assert!(is_tar(&bytes));
        assert!(!is_tar(&bytes[..511]));
        assert!(!is_tar(&[0; 1024]));
        let mut changed = bytes;
        changed[3] ^= 1;
        assert!(!is_tar(&changed));
    }

    #[test]
    fn truncation_keeps_the_files_before_it_and_is_noted() {
        let bytes = archive();
        let whole = read(bytes.as_slice());
        assert!(whole.notes.is_empty());
        assert_eq!(whole.tree.list(CPUS).len(), 40);
        for cut in (513..bytes.len() - 1024).step_by(333) {
            let part = read(&bytes[..cut]);
            let files = part.tree.list(CPUS).len();
            assert_eq!(files, (cut + 24) / 1536, "cut at {cut}");
            assert_eq!(part.notes.len(), 1, "cut at {cut}");
        }
    }

    #[test]
    fn a_changed_byte_costs_one_file_at_most() {
        let bytes = archive();
        for step in 0..500 {
            let mut changed = bytes.clone();
            let at = step * 7919 % changed.len();
            changed[at] ^= 1 << (step % 8);
            let part = read(changed.as_slice());
            let files = part.tree.list(CPUS).len();
            assert!(files >= 39, "byte {at}: {files} files");
        }
    }

    #[test]
    fn long_names_links_and_hard_links_are_read() {
        let deep = "d/".repeat(80) + "file";
        let far = "../".repeat(60) + "target";
        let mut builder = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_size(3);
        builder.append_data(&mut header, &deep, &b"abc"[..]).unwrap();
        let mut header = tar::Header::new_gnu();
        header.set_size(0);
        header.set_entry_type(tar::EntryType::Symlink);
        builder.append_link(&mut header, "soft", &far).unwrap();
        header.set_entry_type(tar::EntryType::Link);
        builder.append_link(&mut header, "hard", &deep).unwrap();
        let read = read(builder.into_inner().unwrap().as_slice());
        assert!(read.notes.is_empty(), "{:?}", read.notes);
        assert_eq!(read.tree.read(&format!("/{deep}")).unwrap(), b"abc");
        assert_eq!(read.tree.read("/hard").unwrap(), b"abc");
        assert_eq!(read.tree.link("/soft").unwrap(), far);
    }

    #[test]
    fn a_file_with_holes_is_what_was_there() {
        assert_eq!(unfold(b"2-3\n", &[(0, 4)]), b"2-3\n");
        assert_eq!(unfold(b"abcd", &[(1, 2), (5, 2)]), b"\0ab\0\0cd");
        assert_eq!(unfold(b"ab", &[(u64::MAX, 2)]), b"");
        let mut data = b"1\n2\n3\n".to_vec();
        data.resize(BLOCK, 0);
        data.extend_from_slice(b"xyz");
        assert_eq!(unfold_pax(&data), b"\0\0xyz");
    }
}
