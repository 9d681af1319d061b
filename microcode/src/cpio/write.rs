//! Writes cpio archives in the newc format.

use std::io::{self, Write};

use super::{TRAILER, align};

/// Writes members one after the other. Inode numbers are counted, owner is root, times are 0.
pub struct Writer<W> {
    out: W,
    written: u64,
    ino: u32,
}

/// What a member is besides its name and data.
#[derive(Clone, Copy, Debug)]
struct Node {
    mode: u32,
    nlink: u32,
    ino: u32,
}

impl<W: Write> Writer<W> {
    /// A writer to `out`, which stands at the beginning of the archive.
    pub fn new(out: W) -> Self {
        Self {
            out,
            written: 0,
            ino: 0,
        }
    }

    /// A directory.
    ///
    /// # Errors
    ///
    /// Those of the output.
    pub fn directory(&mut self, name: &str) -> io::Result<()> {
        let node = self.node(0o040_755, 2);
        self.member(node, name.as_bytes(), 0, b"")
    }

    /// A regular file. Its data begins at a multiple of `data_align` bytes from the archive's
    /// beginning: the name is padded with NULs for that.
    ///
    /// # Errors
    ///
    /// Those of the output; data of 4 GiB or more.
    pub fn file(&mut self, name: &str, data_align: u32, data: &[u8]) -> io::Result<()> {
        let node = self.node(0o100_644, 1);
        self.member(node, name.as_bytes(), data_align, data)
    }

    /// The end of the archive, padded with zeros to a multiple of `block` bytes. Gives the output.
    ///
    /// # Errors
    ///
    /// Those of the output.
    pub fn finish(mut self, block: u32) -> io::Result<W> {
        let node = Node {
            mode: 0,
            nlink: 1,
            ino: 0,
        };
        self.member(node, TRAILER, 0, b"")?;
        let block = u64::from(block.max(1));
        self.zeros(self.written.next_multiple_of(block).saturating_sub(self.written))?;
        Ok(self.out)
    }

    fn node(&mut self, mode: u32, nlink: u32) -> Node {
        self.ino = self.ino.saturating_add(1);
        Node {
            mode,
            nlink,
            ino: self.ino,
        }
    }

    fn member(&mut self, node: Node, name: &[u8], data_align: u32, data: &[u8]) -> io::Result<()> {
        let size = u32::try_from(data.len()).map_err(|_| io::ErrorKind::FileTooLarge)?;
        let begin = self.written.saturating_add(super::HEADER as u64);
        let end = begin.saturating_add(name.len() as u64).saturating_add(1);
        let end = end.next_multiple_of(u64::from(data_align.max(1)));
        let name_size = end.saturating_sub(begin);
        let Node { mode, nlink, ino } = node;
        write!(
            self.out,
            "070701{ino:08x}{mode:08x}{0:08x}{0:08x}{nlink:08x}{0:08x}{size:08x}{0:08x}{0:08x}{0:08x}{0:08x}\
             {name_size:08x}{0:08x}",
            0
        )?;
        self.out.write_all(name)?;
        self.written = begin.saturating_add(name.len() as u64);
        self.zeros(align(end).saturating_sub(self.written))?;
        self.out.write_all(data)?;
        self.written = self.written.saturating_add(u64::from(size));
        self.zeros(align(self.written).saturating_sub(self.written))
    }

    fn zeros(&mut self, count: u64) -> io::Result<()> {
        self.written = self.written.saturating_add(count);
        io::copy(&mut io::Read::take(io::repeat(0), count), &mut self.out).map(drop)
    }
}
