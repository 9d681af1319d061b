//! Physical memory of a running guest, by the best way that the system allows for each range: the shared file
//! that backs it, the memory of QEMU's process, or QEMU itself.
//!
//! Whatever is not QEMU itself is compared with it in some places before it is used.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use serde_json::{Value, json};

use super::link::{Link, Shared};
use super::map::{self, Kind, Range};
use super::process::{self, Mapping};
use crate::memory::source::FileSource;
use crate::memory::{Gpa, PhysicalMemory, Run, Source};

/// Places of each range in which the ways are compared, and how many bytes.
const PROBES: u64 = 8;
const PROBE: usize = 64;

/// Where the bytes of a piece are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// In this file, from this offset on.
    File(usize, u64),
    /// In QEMU's process at this address.
    Process(u64),
    /// QEMU is asked.
    Asked,
}

/// A range, or a part of one.
#[derive(Clone, Copy, Debug)]
struct Piece {
    start: u64,
    length: u64,
    writable: bool,
    place: Place,
}

/// Physical memory.
pub(super) struct Memory {
    link: Shared,
    pieces: Vec<Piece>,
    runs: Vec<Run>,
    files: Vec<Source>,
    process: Option<File>,
}

impl Memory {
    /// Finds the memory of a guest that stands, and what to say about it.
    pub(super) fn find(link: &Shared, ranges: &[Range]) -> (Self, Vec<(String, String)>) {
        let mut finder = Finder::new(link);
        let mut pieces = Vec::new();
        for range in ranges {
            pieces.extend(finder.pieces(range));
        }
        let mut memory = Self {
            link: link.clone(),
            runs: runs(&pieces),
            pieces: Vec::new(),
            files: finder.files.iter().map(|(_, file)| Arc::clone(file)).collect(),
            process: finder.process.take(),
        };
        let mut differing = 0u64;
        for mut piece in pieces {
            if !memory.agrees(&piece) {
                piece.place = Place::Asked;
                differing = differing.saturating_add(piece.length);
            }
            memory.pieces.push(piece);
        }
        let facts = memory.facts(&finder, differing);
        (memory, facts)
    }

    /// Whether the guest may write here, so a debugger too; gives the bytes that follow.
    pub(super) fn writable(&self, at: u64) -> u64 {
        let piece = self.piece(at).filter(|(piece, _)| piece.writable);
        piece.map_or(0, |(piece, offset)| piece.length.saturating_sub(offset))
    }

    fn piece(&self, at: u64) -> Option<(&Piece, u64)> {
        let next = self.pieces.partition_point(|piece| piece.start <= at);
        let piece = self.pieces.get(next.checked_sub(1)?)?;
        let offset = at.checked_sub(piece.start)?;
        (offset < piece.length).then_some((piece, offset))
    }

    fn read_piece(&self, piece: &Piece, offset: u64, buffer: &mut [u8]) -> usize {
        match piece.place {
            Place::File(file, start) => {
                let file = self.files.get(file);
                let read = file.and_then(|file| file.read_at(start.checked_add(offset)?, buffer).ok());
                read.unwrap_or(0)
            }
            Place::Process(address) => {
                let process = self.process.as_ref();
                process.map_or(0, |file| read_whole(file, address.saturating_add(offset), buffer))
            }
            Place::Asked => self.link.lock().read(piece.start.saturating_add(offset), buffer),
        }
    }

    /// Whether some bytes of a piece are those that QEMU gives.
    fn agrees(&self, piece: &Piece) -> bool {
        if piece.place == Place::Asked {
            return true;
        }
        (0..PROBES).all(|probe| {
            let offset = piece.length / PROBES * probe;
            let length = usize::try_from(piece.length.saturating_sub(offset))
                .unwrap_or(PROBE)
                .min(PROBE);
            let (mut seen, mut expected) = (vec![0; length], vec![0; length]);
            let count = self.link.lock().read(piece.start.saturating_add(offset), &mut expected);
            // Without an answer there is nothing to compare with.
            count != length || (self.read_piece(piece, offset, &mut seen) == length && seen == expected)
        })
    }

    fn facts(&self, finder: &Finder<'_>, differing: u64) -> Vec<(String, String)> {
        let sum = |wanted: &dyn Fn(Place) -> bool| {
            let pieces = self.pieces.iter().filter(|piece| wanted(piece.place));
            pieces.fold(0u64, |sum, piece| sum.saturating_add(piece.length))
        };
        let mut ways = Vec::new();
        for (number, (name, _)) in finder.files.iter().enumerate() {
            let bytes = sum(&|place| matches!(place, Place::File(file, _) if file == number));
            ways.extend((bytes > 0).then(|| format!("{} in the shared file {name}", size(bytes))));
        }
        let process = sum(&|place| matches!(place, Place::Process(_)));
        if let (true, Some(pid)) = (process > 0, finder.pid) {
            ways.push(format!("{} in /proc/{pid}/mem", size(process)));
        }
        let asked = sum(&|place| place == Place::Asked);
        ways.extend((asked > 0).then(|| format!("{} through the gdbstub", size(asked))));
        let mut facts = vec![("memory".to_owned(), ways.join(", "))];
        let mut why = finder.why.clone();
        if differing > 0 {
            why.push(format!("{} differ there from what QEMU gives", size(differing)));
        }
        facts.extend(
            why.into_iter()
                .map(|reason| ("no better way to memory".to_owned(), reason)),
        );
        facts
    }
}

impl PhysicalMemory for Memory {
    fn read(&self, at: Gpa, buffer: &mut [u8]) -> usize {
        let mut done = 0usize;
        while let Some(rest) = buffer.get_mut(done..).filter(|rest| !rest.is_empty()) {
            let place = at.plus(u64::try_from(done).unwrap_or(u64::MAX)).0;
            let Some((piece, offset)) = self.piece(place) else {
                break;
            };
            let left = usize::try_from(piece.length.saturating_sub(offset)).unwrap_or(usize::MAX);
            let length = left.min(rest.len());
            let count = self.read_piece(piece, offset, rest.get_mut(..length).unwrap_or_default());
            done = done.saturating_add(count);
            if count < length {
                break;
            }
        }
        done
    }

    fn runs(&self) -> &[Run] {
        &self.runs
    }

    fn extent(&self, at: Gpa) -> Option<(&Source, u64, u64)> {
        let (piece, offset) = self.piece(at.0)?;
        let Place::File(file, start) = piece.place else {
            return None;
        };
        Some((
            self.files.get(file)?,
            start.checked_add(offset)?,
            piece.length.checked_sub(offset)?,
        ))
    }
}

fn read_whole(file: &File, at: u64, buffer: &mut [u8]) -> usize {
    let mut done = 0usize;
    while let Some(rest) = buffer.get_mut(done..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, at.saturating_add(u64::try_from(done).unwrap_or(u64::MAX))) {
            Ok(0) => break,
            Ok(count) => done = done.saturating_add(count),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => break,
        }
    }
    done
}

/// Pieces that touch, joined.
fn runs(pieces: &[Piece]) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for piece in pieces {
        match runs.last_mut() {
            Some(last) if last.end().0 == piece.start => last.length = last.length.saturating_add(piece.length),
            _ => runs.push(Run {
                start: Gpa(piece.start),
                length: piece.length,
            }),
        }
    }
    runs
}

fn size(bytes: u64) -> String {
    match bytes {
        0..0x10_0000 => format!("{} KiB", bytes.div_ceil(1024)),
        _ => format!("{} MiB", bytes >> 20),
    }
}

/// What is known while the places are looked for.
struct Finder<'a> {
    link: &'a Shared,
    pid: Option<u32>,
    mappings: Vec<Mapping>,
    process: Option<File>,
    /// Files by name.
    files: Vec<(String, Source)>,
    /// Why a way is not used, each once.
    why: Vec<String>,
}

impl<'a> Finder<'a> {
    fn new(link: &'a Shared) -> Self {
        let pid = link.lock().pid;
        let mut finder = Self {
            link,
            pid,
            mappings: Vec::new(),
            process: None,
            files: Vec::new(),
            why: Vec::new(),
        };
        match pid {
            None => finder.note("the process of QEMU is not to be seen from here".to_owned()),
            Some(pid) => {
                match process::mappings(pid) {
                    Ok(mappings) => finder.mappings = mappings,
                    Err(error) => finder.note(format!("/proc/{pid}/maps: {error}")),
                }
                match process::memory(pid) {
                    Ok(file) => finder.process = Some(file),
                    Err(error) => finder.note(format!("/proc/{pid}/mem: {error}")),
                }
            }
        }
        finder
    }

    fn note(&mut self, reason: String) {
        if !self.why.contains(&reason) {
            self.why.push(reason);
        }
    }

    fn pieces(&mut self, range: &Range) -> Vec<Piece> {
        let piece = |start, length, place| Piece {
            start,
            length,
            writable: range.kind == Kind::Ram,
            place,
        };
        let whole = |place| vec![piece(range.start, range.length, place)];
        let answer = self.link.lock().qmp.monitor(&format!("gpa2hva {:#x}", range.start));
        let host = answer.ok().and_then(|text| map::host_address(&text));
        let Some(host) = host.filter(|_| !self.mappings.is_empty()) else {
            return whole(self.object(range).unwrap_or(Place::Asked));
        };
        let mut pieces = Vec::new();
        let mut done = 0;
        while done < range.length {
            let address = host.saturating_add(done);
            let left = range.length.saturating_sub(done);
            let found = self
                .mappings
                .iter()
                .find(|mapping| mapping.start <= address && address < mapping.end);
            let (length, place) = match found.cloned() {
                Some(mapping) => (
                    left.min(mapping.end.saturating_sub(address)),
                    self.place(range, &mapping, address),
                ),
                None => (left, Place::Asked),
            };
            pieces.push(piece(range.start.saturating_add(done), length, place));
            done = done.saturating_add(length.max(1));
        }
        pieces
    }

    /// The best way to a part of a mapping.
    fn place(&mut self, range: &Range, mapping: &Mapping, address: u64) -> Place {
        if mapping.shared && mapping.inode != 0 {
            match self.file(mapping) {
                Ok(file) => {
                    let offset = address.saturating_sub(mapping.start).saturating_add(mapping.offset);
                    return Place::File(file, offset);
                }
                Err(error) => self.note(format!("{}: {error}", mapping.path)),
            }
        } else if range.kind == Kind::Ram {
            let advice =
                "-object memory-backend-file,id=ram,share=on,mem-path=FILE,size=SIZE -machine memory-backend=ram";
            self.note(format!("{} is no shared file (QEMU: {advice})", range.region));
        }
        self.process.as_ref().map_or(Place::Asked, |_| Place::Process(address))
    }

    fn file(&mut self, mapping: &Mapping) -> std::io::Result<usize> {
        if let Some(known) = self.files.iter().position(|(name, _)| *name == mapping.path) {
            return Ok(known);
        }
        let pid = self.pid.unwrap_or_default();
        let file = FileSource::new(process::backing(pid, mapping)?)?;
        Ok(self.add(mapping.path.clone(), file))
    }

    fn add(&mut self, name: String, file: FileSource) -> usize {
        self.files.push((name, Arc::new(file)));
        self.files.len().saturating_sub(1)
    }

    /// The file that QEMU names for the backend of a region, where its process cannot be looked at.
    fn object(&mut self, range: &Range) -> Option<Place> {
        let path = match range.region.strip_prefix('/') {
            Some(path) => format!("/{path}"),
            None => format!("/objects/{}", range.region),
        };
        let mut link = self.link.lock();
        let link: &mut Link = &mut link;
        let mut property = |name: &str| {
            let arguments = json!({ "path": path, "property": name });
            link.qmp.execute("qom-get", arguments).ok()
        };
        let name = property("mem-path")?.as_str()?.to_owned();
        if property("share").and_then(|share| share.as_bool()) != Some(true) {
            return None;
        }
        let offset = property("offset").as_ref().and_then(Value::as_u64).unwrap_or(0);
        let known = self.files.iter().position(|(known, _)| *known == name);
        let file = match known {
            Some(file) => file,
            None => {
                let path = self
                    .pid
                    .map_or_else(|| name.clone().into(), |pid| process::resolve(pid, &name));
                let regular = std::fs::metadata(&path).is_ok_and(|meta| meta.is_file());
                let file = File::open(&path).ok().filter(|_| regular)?;
                self.files.push((name, Arc::new(FileSource::new(file).ok()?)));
                self.files.len().saturating_sub(1)
            }
        };
        Some(Place::File(file, range.offset.saturating_add(offset)))
    }
}
