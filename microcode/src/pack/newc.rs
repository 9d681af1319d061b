//! A cpio archive in the form `newc`, written the same way whenever it is written
//! (Linux, Documentation/driver-api/early-userspace/buffer-format.rst).
//!
//! Numbers of device and inode are those that `iucode_tool` uses, so that archives can be compared.

use thiserror::Error;

/// Length of a member's header in bytes.
pub const HEADER: usize = 110;
/// Name of the member that ends an archive.
const TRAILER: &str = "TRAILER!!!";
/// Archives end on a multiple of this, as `cpio` writes them. It is a multiple of 4, so that a
/// compressed part may follow directly, and of 16, so that alignment counts from any archive's start.
const BLOCK: usize = 512;
const DIRECTORY: u32 = 0o040_755;
const REGULAR: u32 = 0o100_644;
const FIRST_INODE: u32 = 101;
const DEVICE: [u32; 2] = [3, 1];

/// The archive could not hold a number.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{name}: {size} bytes are more than a cpio member can have (4294967295)")]
pub struct TooLarge {
    /// Member.
    pub name: String,
    /// Its size.
    pub size: usize,
}

/// An archive that grows.
#[derive(Clone, Debug)]
pub struct Writer {
    bytes: Vec<u8>,
    inode: u32,
    time: u32,
}

struct Member<'a> {
    name: &'a str,
    inode: u32,
    mode: u32,
    links: u32,
    time: u32,
    device: [u32; 2],
}

impl Writer {
    /// An empty archive; all its members have this time, in seconds since 1970.
    #[must_use]
    pub fn new(time: u32) -> Self {
        Self {
            bytes: Vec::new(),
            inode: FIRST_INODE,
            time,
        }
    }

    /// Bytes so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether there is no member yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Where the data of a file of this name would begin if it came next.
    #[must_use]
    pub fn data_offset(&self, name: &str) -> usize {
        let head = HEADER.saturating_add(name.len()).saturating_add(1);
        self.bytes.len().saturating_add(head.next_multiple_of(4))
    }

    /// Add a folder.
    ///
    /// # Errors
    /// When the name is longer than a header can say.
    pub fn directory(&mut self, name: &str) -> Result<(), TooLarge> {
        self.next(name, DIRECTORY, 2, &[])
    }

    /// Add a file.
    ///
    /// # Errors
    /// When name or data are longer than a header can say.
    pub fn file(&mut self, name: &str, data: &[u8]) -> Result<(), TooLarge> {
        self.next(name, REGULAR, 1, data)
    }

    /// The archive with its trailer, filled up with zeros to a multiple of 512 bytes.
    ///
    /// # Errors
    /// Never: the trailer fits.
    pub fn finish(mut self) -> Result<Vec<u8>, TooLarge> {
        let trailer = Member {
            name: TRAILER,
            inode: 0,
            mode: 0,
            links: 1,
            time: 0,
            device: [0, 0],
        };
        self.put(&trailer, &[])?;
        self.fill(BLOCK);
        Ok(self.bytes)
    }

    fn next(&mut self, name: &str, mode: u32, links: u32, data: &[u8]) -> Result<(), TooLarge> {
        let member = Member {
            name,
            inode: self.inode,
            mode,
            links,
            time: self.time,
            device: DEVICE,
        };
        self.put(&member, data)?;
        self.inode = self.inode.wrapping_add(1);
        Ok(())
    }

    fn put(&mut self, member: &Member<'_>, data: &[u8]) -> Result<(), TooLarge> {
        let fits = |size: usize| {
            u32::try_from(size).map_err(|_| TooLarge {
                name: member.name.to_owned(),
                size,
            })
        };
        let (size, name_size) = (fits(data.len())?, fits(member.name.len().saturating_add(1))?);
        let [major, minor] = member.device;
        let (mode, links, time) = (member.mode, member.links, member.time);
        // inode, mode, user, group, links, time, size, device, device of a special file, name, sum
        let fields = [
            member.inode,
            mode,
            0,
            0,
            links,
            time,
            size,
            major,
            minor,
            0,
            0,
            name_size,
            0,
        ];
        self.bytes.extend_from_slice(b"070701");
        for field in fields {
            self.bytes.extend_from_slice(format!("{field:08X}").as_bytes());
        }
        self.bytes.extend_from_slice(member.name.as_bytes());
        self.bytes.push(0);
        self.fill(4);
        self.bytes.extend_from_slice(data);
        self.fill(4);
        Ok(())
    }

    fn fill(&mut self, multiple: usize) {
        self.bytes.resize(self.bytes.len().next_multiple_of(multiple), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_stand_on_multiples_of_four_and_the_archive_on_one_of_512() {
        let mut writer = Writer::new(0x5fee_6600);
        writer.directory("kernel").unwrap();
        assert_eq!((writer.len(), writer.data_offset("a")), (120, 232));
        writer.file("a", b"12345").unwrap();
        assert_eq!(writer.len(), 240);
        let bytes = writer.finish().unwrap();
        assert_eq!(bytes.len(), 512);
        let head = "07070100000065000041ED000000000000000000000002\
            5FEE6600000000000000000300000001000000000000000000000007";
        assert!(bytes.starts_with(head.as_bytes()));
        assert_eq!(&bytes[110..117], b"kernel\0");
        assert_eq!(&bytes[232..240], b"12345\0\0\0");
        assert_eq!(&bytes[350..361], b"TRAILER!!!\0");
    }
}
