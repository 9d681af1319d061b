//! Copying memory into a file: by the kernel from file to file, else through a buffer.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use rustix::fs::{SeekFrom, copy_file_range, seek};
use rustix::io::Errno;

use crate::memory::address::PAGE;
use crate::memory::{Gpa, PhysicalMemory, Run};

/// Bytes that the kernel copies at once, and bytes of the buffer.
const PIECE: u64 = 8 << 20;
const BUFFER: usize = 1 << 20;
/// What stands in a page that cannot be read.
const UNREADABLE: [u8; 4] = [0xed, 0xef, 0xad, 0xde];

/// Copies runs of memory to places in a file that has its length and only zeroes there.
pub(super) struct Copier<'a> {
    memory: &'a dyn PhysicalMemory,
    out: &'a File,
    progress: &'a mut dyn FnMut(u64, u64),
    total: u64,
    buffer: Vec<u8>,
    /// Whether the kernel copies between the files.
    direct: bool,
    /// A part of the source's file and whether it has data: found out last.
    extent: Option<(u64, u64, bool)>,
    unreadable: u64,
    first_unreadable: Option<Gpa>,
}

impl<'a> Copier<'a> {
    pub(super) fn new(
        memory: &'a dyn PhysicalMemory,
        out: &'a File,
        progress: &'a mut dyn FnMut(u64, u64),
        total: u64,
    ) -> Self {
        Self {
            memory,
            out,
            progress,
            total,
            buffer: Vec::new(),
            direct: true,
            extent: None,
            unreadable: 0,
            first_unreadable: None,
        }
    }

    /// Pages that could not be read, and the first of them.
    pub(super) fn unreadable(&self) -> (u64, Option<Gpa>) {
        (self.unreadable, self.first_unreadable)
    }

    /// Copies a run of whole pages to `offset`.
    pub(super) fn copy(&mut self, run: Run, offset: u64) -> io::Result<()> {
        let mut done: u64 = 0;
        while done < run.length {
            let at = run.start.plus(done);
            let to = offset.saturating_add(done);
            let left = run.length - done;
            let count = match self.by_kernel(at, to, left)? {
                0 => self.by_buffer(at, to, left)?,
                count => count,
            };
            done = done.saturating_add(count);
            (self.progress)(to.saturating_add(count), self.total);
        }
        Ok(())
    }

    /// Copies from the file in which the memory stands; gives the bytes, 0 when that is not possible.
    fn by_kernel(&mut self, at: Gpa, to: u64, left: u64) -> io::Result<u64> {
        let Some((source, from, there)) = self.memory.extent(at).filter(|_| self.direct) else {
            return Ok(0);
        };
        let Some(file) = source.file() else { return Ok(0) };
        let (end, data) = self.data_at(file, from);
        let left = left.min(there).min(end.saturating_sub(from));
        if !data {
            // The output has zeroes there already.
            return Ok(left);
        }
        let (mut input, mut output) = (from, to);
        let count = usize::try_from(left.min(PIECE)).unwrap_or(0);
        match copy_file_range(file, Some(&mut input), self.out, Some(&mut output), count) {
            Ok(0) => Ok(0),
            Ok(count) => Ok(u64::try_from(count).unwrap_or(0)),
            Err(Errno::INTR) => self.by_kernel(at, to, left),
            Err(Errno::NOSPC | Errno::FBIG | Errno::DQUOT) => Err(io::Error::from(io::ErrorKind::StorageFull)),
            Err(_) => {
                self.direct = false;
                Ok(0)
            }
        }
    }

    /// Whether the file has data or a hole at an offset, and where that ends. It moves the file's
    /// position, which nothing uses.
    fn data_at(&mut self, file: &File, at: u64) -> (u64, bool) {
        if let Some((_, end, data)) = self.extent.filter(|(start, end, _)| (*start..*end).contains(&at)) {
            return (end, data);
        }
        let (end, data) = match seek(file, SeekFrom::Data(at)) {
            Ok(start) if start > at => (start, false),
            Ok(_) => (seek(file, SeekFrom::Hole(at)).unwrap_or(u64::MAX), true),
            // No data up to the end, or a system that cannot say.
            Err(Errno::NXIO) => (file.metadata().map_or(at, |data| data.len()), false),
            Err(_) => (u64::MAX, true),
        };
        if end <= at {
            return (u64::MAX, true);
        }
        self.extent = Some((at, end, data));
        (end, data)
    }

    /// Copies at most a buffer's length; gives the bytes. A page that cannot be read whole is filled.
    fn by_buffer(&mut self, at: Gpa, to: u64, left: u64) -> io::Result<u64> {
        self.buffer.resize(BUFFER, 0);
        let wanted = usize::try_from(left).unwrap_or(usize::MAX).min(BUFFER);
        let room = self.buffer.get_mut(..wanted).unwrap_or_default();
        let page = usize::try_from(PAGE).unwrap_or(usize::MAX);
        let mut count = self.memory.read(at, room) / page * page;
        if count == 0 {
            for (byte, filler) in room.iter_mut().take(page).zip(UNREADABLE.iter().cycle()) {
                *byte = *filler;
            }
            self.unreadable = self.unreadable.saturating_add(1);
            self.first_unreadable.get_or_insert(at);
            count = page.min(wanted);
        }
        let mut place = to;
        for block in self.buffer.get(..count).unwrap_or_default().chunks(0x1_0000) {
            // Zeroes stand there already.
            if block.iter().any(|byte| *byte != 0) {
                self.out.write_all_at(block, place)?;
            }
            place = place.saturating_add(u64::try_from(block.len()).unwrap_or(0));
        }
        Ok(u64::try_from(count).unwrap_or(0))
    }
}
