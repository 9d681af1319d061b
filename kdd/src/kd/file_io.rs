//! FILE_IO packets: a target that boots reads driver files from the debugger's machine.
//!
//! Follows DBGKD_FILE_IO of the ReactOS header `windbgkd.h`: u32 number at 0, u32 status at 4, arguments
//! from 8 on, 64 bytes in all; a path in UTF-16 or data follows. Only boot loaders and loaders of drivers
//! send these, so the engine here never does; captured sessions hold them.

use std::fmt;

/// Length of DBGKD_FILE_IO.
pub const FILE_IO: usize = 64;

/// Name of a request.
#[must_use]
pub fn name(number: u32) -> Option<&'static str> {
    match number {
        0x3430 => Some("create file"),
        0x3431 => Some("read file"),
        0x3432 => Some("write file"),
        0x3433 => Some("close file"),
        _ => None,
    }
}

/// One request, or its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileIo {
    /// Its number.
    pub number: u32,
    /// The status that the debugger answered.
    pub status: u32,
    /// The file's handle.
    pub handle: u64,
    /// Offset in the file, of reads and writes.
    pub offset: Option<u64>,
    /// Length: of the file, or of what is read or written.
    pub length: Option<u64>,
    /// Path of a file that is opened.
    pub path: Option<String>,
}

impl FileIo {
    /// The payload of a packet; `None` when it is too short.
    #[must_use]
    pub fn parse(payload: &[u8]) -> Option<Self> {
        let word = |at: usize| Some(u32::from_le_bytes(*payload.get(at..)?.first_chunk()?));
        let long = |at: usize| Some(u64::from_le_bytes(*payload.get(at..)?.first_chunk()?));
        let rest = payload.get(FILE_IO..)?;
        let number = word(0)?;
        let create = number == 0x3430;
        let transfer = matches!(number, 0x3431 | 0x3432);
        Some(Self {
            number,
            status: word(4)?,
            handle: long(if create { 32 } else { 8 })?,
            offset: if transfer { long(16) } else { None },
            length: if create {
                long(40)
            } else if transfer {
                word(24).map(u64::from)
            } else {
                None
            },
            path: create.then(|| path(rest)).filter(|path| !path.is_empty()),
        })
    }
}

/// UTF-16 up to its zero.
fn path(bytes: &[u8]) -> String {
    let (units, _) = bytes.as_chunks::<2>();
    let units = units
        .iter()
        .map(|unit| u16::from_le_bytes(*unit))
        .take_while(|unit| *unit != 0);
    char::decode_utf16(units)
        .map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER))
        .collect()
}

impl fmt::Display for FileIo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match name(self.number) {
            Some(name) => f.write_str(name)?,
            None => write!(f, "{:#06x}", self.number)?,
        }
        if let Some(path) = &self.path {
            write!(f, " {path:?}")?;
        } else {
            write!(f, " handle {:#x}", self.handle)?;
        }
        if let Some(offset) = self.offset {
            write!(f, " offset {offset:#x}")?;
        }
        if let Some(length) = self.length {
            write!(f, " length {length:#x}")?;
        }
        if self.status == 0 {
            Ok(())
        } else {
            write!(f, " status {:08x}", self.status)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opened_file_has_its_path_and_a_read_its_place() {
        let mut open = vec![0; FILE_IO];
        open[..2].copy_from_slice(&0x3430u16.to_le_bytes());
        open[4..8].copy_from_slice(&0xc000_000fu32.to_le_bytes());
        open.extend("a.sys\0".encode_utf16().flat_map(u16::to_le_bytes));
        let text = FileIo::parse(&open).unwrap().to_string();
        assert_eq!(text, "create file \"a.sys\" length 0x0 status c000000f");
        let mut read = vec![0; FILE_IO];
        read[..2].copy_from_slice(&0x3431u16.to_le_bytes());
        (read[8], read[16], read[24]) = (5, 6, 7);
        assert_eq!(
            FileIo::parse(&read).unwrap().to_string(),
            "read file handle 0x5 offset 0x6 length 0x7"
        );
        assert_eq!(FileIo::parse(&read[..63]), None);
    }
}
