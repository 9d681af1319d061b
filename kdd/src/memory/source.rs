//! Bytes that are read by offset: a file, or bytes in memory.
//!
//! Captures are larger than memory, so nothing reads one whole. They are read by `pread` and not
//! mapped: a mapped file that shrinks under us would end the process.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

/// Reading by offset.
pub trait ReadAt: Send + Sync {
    /// Length in bytes.
    fn len(&self) -> u64;

    /// Whether it has no bytes.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Reads from `offset` on as much as there is; gives the number of bytes.
    ///
    /// # Errors
    /// What the system says.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize>;

    /// The file, where it is one: for copying in the kernel.
    fn file(&self) -> Option<&File> {
        None
    }
}

/// A shared handle.
pub type Source = Arc<dyn ReadAt>;

impl dyn ReadAt {
    /// Reads exactly `N` bytes at `offset`; `None` when they are not all there.
    #[must_use]
    pub fn array<const N: usize>(&self, offset: u64) -> Option<[u8; N]> {
        let mut bytes = [0; N];
        (self.read_at(offset, &mut bytes).ok()? == N).then_some(bytes)
    }

    /// Reads at most `length` bytes at `offset`, as many as there are; allocates no more than that.
    #[must_use]
    pub fn bytes(&self, offset: u64, length: usize) -> Vec<u8> {
        let left = usize::try_from(self.len().saturating_sub(offset)).unwrap_or(usize::MAX);
        let mut bytes = vec![0; length.min(left)];
        let count = self.read_at(offset, &mut bytes).unwrap_or(0);
        bytes.truncate(count);
        bytes
    }
}

/// A file with the length it had when it was opened.
#[derive(Debug)]
pub struct FileSource {
    file: File,
    length: u64,
}

impl FileSource {
    /// A file.
    ///
    /// # Errors
    /// When its length cannot be told.
    pub fn new(file: File) -> io::Result<Self> {
        let length = file.metadata()?.len();
        Ok(Self { file, length })
    }
}

impl ReadAt for FileSource {
    fn len(&self) -> u64 {
        self.length
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let mut done = 0;
        while let Some(rest) = buffer.get_mut(done..).filter(|rest| !rest.is_empty()) {
            let place = offset.saturating_add(u64::try_from(done).unwrap_or(u64::MAX));
            match self.file.read_at(rest, place) {
                Ok(0) => break,
                Ok(count) => done = done.saturating_add(count),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }

    fn file(&self) -> Option<&File> {
        Some(&self.file)
    }
}

impl ReadAt for Vec<u8> {
    fn len(&self) -> u64 {
        u64::try_from(Vec::len(self)).unwrap_or(u64::MAX)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let rest = self.get(start..).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        if let (Some(to), Some(from)) = (buffer.get_mut(..count), rest.get(..count)) {
            to.copy_from_slice(from);
        }
        Ok(count)
    }
}
