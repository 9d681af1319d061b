//! Writes cpio archives in the newc format, the same way whenever they are written.
//!
//! Numbers of device and inode are those that `iucode_tool` uses, so that archives can be compared
//! with its own.

use std::io::{self, Write};

use super::{HEADER, TRAILER, align};

const DIRECTORY: u32 = 0o040_755;
const REGULAR: u32 = 0o100_644;
const FIRST_INODE: u32 = 101;
const DEVICE: [u32; 2] = [3, 1];

/// Writes members one after the other. Inode numbers are counted, owner is root.
pub struct Writer<W> {
    out: W,
    written: u64,
    inode: u32,
    time: u32,
}

/// What a member is besides its name and data.
#[derive(Clone, Copy, Debug)]
struct Node {
    mode: u32,
    links: u32,
    inode: u32,
    time: u32,
    device: [u32; 2],
}

impl<W: Write> Writer<W> {
    /// A writer to `out`, which stands at the beginning of the archive. Times of members are 0.
    pub fn new(out: W) -> Self {
        Self::at(out, 0)
    }

    /// The same; all members have this time, in seconds since 1970.
    pub fn at(out: W, time: u32) -> Self {
        Self {
            out,
            written: 0,
            inode: FIRST_INODE,
            time,
        }
    }

    /// Where the data of a file of this name would begin if it came next, its name not padded.
    #[must_use]
    pub fn data_offset(&self, name: &str) -> u64 {
        align(self.written.saturating_add(head(name.as_bytes())))
    }

    /// A directory.
    ///
    /// # Errors
    ///
    /// Those of the output.
    pub fn directory(&mut self, name: &str) -> io::Result<()> {
        let node = self.node(DIRECTORY, 2);
        self.member(node, name.as_bytes(), 0, b"")
    }

    /// A regular file. Its data begins at a multiple of `data_align` bytes from the archive's
    /// beginning: the name is padded with NULs for that.
    ///
    /// # Errors
    ///
    /// Those of the output; data of 4 GiB or more.
    pub fn file(&mut self, name: &str, data_align: u32, data: &[u8]) -> io::Result<()> {
        let node = self.node(REGULAR, 1);
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
            links: 1,
            inode: 0,
            time: 0,
            device: [0, 0],
        };
        self.member(node, TRAILER, 0, b"")?;
        let block = u64::from(block.max(1));
        self.zeros(self.written.next_multiple_of(block).saturating_sub(self.written))?;
        Ok(self.out)
    }

    fn node(&mut self, mode: u32, links: u32) -> Node {
        let inode = self.inode;
        self.inode = self.inode.wrapping_add(1);
        Node {
            mode,
            links,
            inode,
            time: self.time,
            device: DEVICE,
        }
    }

    fn member(&mut self, node: Node, name: &[u8], data_align: u32, data: &[u8]) -> io::Result<()> {
        let too_large = || io::Error::other(format!("{} bytes are more than a cpio member can have", data.len()));
        let size = u32::try_from(data.len()).map_err(|_| too_large())?;
        let begin = self.written.saturating_add(HEADER as u64);
        let end = self.written.saturating_add(head(name));
        let end = end.next_multiple_of(u64::from(data_align.max(1)));
        let name_size = end.saturating_sub(begin);
        let Node {
            mode,
            links,
            inode,
            time,
            device: [major, minor],
        } = node;
        write!(
            self.out,
            "070701{inode:08X}{mode:08X}{0:08X}{0:08X}{links:08X}{time:08X}{size:08X}{major:08X}{minor:08X}\
             {0:08X}{0:08X}{name_size:08X}{0:08X}",
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

/// Bytes of a header with this name and its NUL.
fn head(name: &[u8]) -> u64 {
    (HEADER as u64).saturating_add(name.len() as u64).saturating_add(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_stand_on_multiples_of_four_and_the_archive_on_one_of_512() {
        let mut writer = Writer::at(Vec::new(), 0x5fee_6600);
        writer.directory("kernel").unwrap();
        assert_eq!((writer.written, writer.data_offset("a")), (120, 232));
        writer.file("a", 0, b"12345").unwrap();
        assert_eq!(writer.written, 240);
        let bytes = writer.finish(512).unwrap();
        assert_eq!(bytes.len(), 512);
        let head = "07070100000065000041ED000000000000000000000002\
            5FEE6600000000000000000300000001000000000000000000000007";
        assert!(bytes.starts_with(head.as_bytes()));
        assert_eq!(&bytes[110..117], b"kernel\0");
        assert_eq!(&bytes[232..240], b"12345\0\0\0");
        assert_eq!(&bytes[350..361], b"TRAILER!!!\0");
    }
}
