//! The cpio archives of initrds: newc and crc, the two formats that Linux unpacks.
//!
//! Follows `Documentation/driver-api/early-userspace/buffer-format.rst` and `init/initramfs.c` of
//! Linux: a member is a header of 110 bytes (a magic of six digits and thirteen numbers of eight
//! hexadecimal digits), its name with a NUL, and its data; name and data are padded with zeros to
//! four bytes. The name `TRAILER!!!` ends an archive.
//!
//! ```
//! use microcode::cpio::{Header, Writer};
//!
//! let mut writer = Writer::new(Vec::new());
//! writer.file("kernel/x86/microcode/GenuineIntel.bin", 16, b"data")?;
//! let bytes = writer.finish(512)?;
//! let header = Header::parse(&bytes).unwrap().unwrap();
//! assert_eq!((header.size, bytes.len() % 512), (4, 0));
//! # Ok::<(), std::io::Error>(())
//! ```

mod write;

use schemars::JsonSchema;
use serde::Serialize;

use crate::damage::Damage;

pub use write::Writer;

/// Bytes of a header.
pub const HEADER: usize = 110;

/// Longest name, its NUL included, that Linux takes (`PATH_MAX`).
pub const NAME_MAX: u32 = 4096;

/// Name that ends an archive.
pub const TRAILER: &[u8] = b"TRAILER!!!";

/// The two formats that Linux reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// `070701`.
    Newc,
    /// `070702`: the header has the sum of the data's bytes.
    Crc,
}

impl Format {
    /// The format of a header that begins with `head`.
    #[must_use]
    pub fn detect(head: &[u8]) -> Option<Self> {
        match head.get(..6)? {
            b"070701" => Some(Self::Newc),
            b"070702" => Some(Self::Crc),
            _ => None,
        }
    }
}

/// The numbers of a header, in its order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Format of its magic.
    pub format: Format,
    /// Inode number.
    pub ino: u32,
    /// File type and permissions.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Number of links.
    pub nlink: u32,
    /// Time of last change in seconds since 1970.
    pub mtime: u32,
    /// Bytes of data.
    pub size: u32,
    /// Device that the file was on: major, minor.
    pub dev: (u32, u32),
    /// Device that the file is: major, minor.
    pub rdev: (u32, u32),
    /// Bytes of the name, NUL included.
    pub name_size: u32,
    /// Sum of the data's bytes, in the crc format.
    pub sum: u32,
}

impl Header {
    /// The header that `bytes` begin with; `None` when they begin with no magic or are too short.
    ///
    /// # Errors
    ///
    /// A digit that is none, its offset in `bytes`.
    pub fn parse(bytes: &[u8]) -> Option<Result<Self, Damage>> {
        let format = Format::detect(bytes)?;
        let digits: &[u8; 104] = bytes.get(6..HEADER)?.try_into().ok()?;
        Some(Self::numbers(format, digits))
    }

    fn numbers(format: Format, digits: &[u8; 104]) -> Result<Self, Damage> {
        let (fields, _) = digits.as_chunks::<8>();
        let mut numbers = [0u32; 13];
        for (index, (field, number)) in fields.iter().zip(&mut numbers).enumerate() {
            *number = hexadecimal(field).ok_or_else(|| {
                let at = 6usize.saturating_add(index.saturating_mul(8));
                Damage::new(at, "eight hexadecimal digits", format!("\"{}\"", field.escape_ascii())).rule("cpio-header")
            })?;
        }
        let [
            ino,
            mode,
            uid,
            gid,
            nlink,
            mtime,
            size,
            major,
            minor,
            rmajor,
            rminor,
            name_size,
            sum,
        ] = numbers;
        Ok(Self {
            format,
            ino,
            mode,
            uid,
            gid,
            nlink,
            mtime,
            size,
            dev: (major, minor),
            rdev: (rmajor, rminor),
            name_size,
            sum,
        })
    }

    /// Bytes from the header to the data: header, name, padding.
    #[must_use]
    pub fn data_offset(&self) -> u64 {
        align(u64::from(self.name_size).saturating_add(HEADER as u64))
    }

    /// Bytes of the member with all padding.
    #[must_use]
    pub fn whole(&self) -> u64 {
        self.data_offset().saturating_add(align(u64::from(self.size)))
    }
}

/// The next multiple of four.
#[must_use]
pub fn align(offset: u64) -> u64 {
    offset.saturating_add(3) & !3
}

fn hexadecimal(field: &[u8; 8]) -> Option<u32> {
    field
        .iter()
        .try_fold(0u32, |value, digit| Some(value << 4 | char::from(*digit).to_digit(16)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &[u8; 110] = b"07070100000001000081A4000003E8000007D00000000267d0a1b2\
        0000000A00000008000000090000000b0000000c0000000500000000";

    #[test]
    fn fields_stand_in_the_order_of_the_format() {
        let header = Header::parse(HEAD).unwrap().unwrap();
        assert_eq!(header.format, Format::Newc);
        assert_eq!((header.ino, header.mode), (1, 0o100_644));
        assert_eq!((header.uid, header.gid, header.nlink), (1000, 2000, 2));
        assert_eq!((header.mtime, header.size), (0x67d0_a1b2, 10));
        assert_eq!((header.dev, header.rdev), ((8, 9), (11, 12)));
        assert_eq!((header.name_size, header.sum), (5, 0));
        assert_eq!((header.data_offset(), header.whole()), (116, 128));
    }

    #[test]
    fn a_digit_that_is_none_is_reported_at_its_field() {
        let mut bytes = *HEAD;
        bytes[60] = b'g';
        let damage = Header::parse(&bytes).unwrap().unwrap_err();
        assert_eq!((damage.rule, damage.offset), ("cpio-header", 54));
        assert_eq!(damage.seen, "\"000000gA\"");
    }

    #[test]
    fn the_old_portable_format_and_cut_headers_are_no_headers() {
        assert!(Header::parse(b"070707000000").is_none());
        assert!(Header::parse(&HEAD[..109]).is_none());
    }
}
