//! How much of an initrd the lookup of early microcode goes through: as `find_cpio_data` of Linux
//! (`lib/earlycpio.c`), of which Xen has a copy.

use std::io::{self, Read, Seek};

use super::stream::{Buffered, Seekable, Stream};
use crate::cpio::{self, Header};

/// Bytes from the beginning to the first that is neither of a cpio archive nor zero padding: all
/// that the loaders of early microcode look at. A member that its archive has not whole ends them
/// with its name.
///
/// # Errors
///
/// Those of the input.
pub fn early_length(input: impl Read + Seek + Send) -> io::Result<u64> {
    let mut source = Buffered::new(Seekable::new(input)?);
    let length = source.raw().length();
    loop {
        source.skip_zeros()?;
        // Zeros are stepped over by four bytes, of which only the first is looked at.
        let at = cpio::align(source.position()).min(length);
        if at > source.position() {
            source.skip(at.saturating_sub(source.position()))?;
        }
        let head = source.peek(cpio::HEADER)?;
        if head.first() == Some(&0) {
            continue;
        }
        let Some(Ok(header)) = Header::parse(head) else {
            return Ok(at);
        };
        if header.whole() > length.saturating_sub(at) {
            let name = header
                .data_offset()
                .min(cpio::HEADER as u64 + u64::from(cpio::NAME_MAX));
            return Ok(at.saturating_add(name).min(length));
        }
        source.skip(header.whole())?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpio::Writer;
    use std::io::Cursor;

    fn archive(block: u32) -> Vec<u8> {
        let mut writer = Writer::new(Vec::new());
        writer.directory("kernel").unwrap();
        writer
            .file("kernel/x86/microcode/AuthenticAMD.bin", 0, &[7; 999])
            .unwrap();
        writer.finish(block).unwrap()
    }

    fn length(bytes: &[u8]) -> u64 {
        early_length(Cursor::new(bytes)).unwrap()
    }

    #[test]
    fn archives_and_zeros_are_gone_through_to_the_first_other_byte() {
        let mut bytes = archive(512);
        bytes.extend([0; 256]);
        bytes.extend(archive(4));
        let early = bytes.len() as u64;
        assert_eq!(length(&bytes), early);
        bytes.extend(b"\x28\xb5\x2f\xfd and more");
        assert_eq!(length(&bytes), early);
        assert_eq!(length(b""), 0);
        assert_eq!(length(b"\x1f\x8b"), 0);
    }

    #[test]
    fn a_member_that_is_cut_ends_it_with_its_name() {
        let bytes = archive(4);
        let data = 110 + 7 + 3 + 110 + 38;
        assert_eq!(length(&bytes[..data + 500]), data as u64);
        assert_eq!(length(&bytes[..130]), 120);
    }
}
