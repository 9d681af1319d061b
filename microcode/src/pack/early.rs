//! The early part of an initrd: an uncompressed archive in which the kernel finds its microcode.
//!
//! Linux and Xen look for `kernel/x86/microcode/GenuineIntel.bin` and `AuthenticAMD.bin`, with no
//! `./` before it, and hand the bytes to the CPU where they stand. Intel CPUs up to the early ones
//! of family 6 fault when an update is not aligned to 16 bytes, and loaders of several Linux
//! versions do not copy it to where it would be, so data begins at a multiple of 16. `iucode_tool`
//! reaches that by an empty folder whose name has the right length, found under
//! `.enuineIntel.align.`; so is it done here: a longer name of the file itself would be legal too,
//! but lists of members would show it. Alignment counts from the start of the archive; archives end on
//! a multiple of 512 bytes, so that a second one keeps it, and what is compressed may follow at once.

use std::io;

use super::containers::{self, Containers, TableFault};
use super::{Selection, files};
use crate::cpio::{HEADER, Writer};
use crate::cpu::Vendor;
use crate::gather::Table;
use crate::ids::Date;

const FOLDERS: [&str; 3] = ["kernel", "kernel/x86", "kernel/x86/microcode"];
const ALIGNMENT: u64 = 16;
/// Archives end on a multiple of this, as `cpio` writes them. It is a multiple of 4, so that a
/// compressed part may follow directly, and of 16, so that alignment counts from any archive's start.
const BLOCK: u32 = 512;
const DIGITS: &str = "0123456789abcdef";

/// A file in `kernel/x86/microcode`.
#[derive(Clone, Copy, Debug)]
pub struct Blob<'a> {
    /// `GenuineIntel` or `AuthenticAMD`.
    pub vendor: &'a str,
    /// Its bytes.
    pub bytes: &'a [u8],
}

/// An archive, and what its containers cannot say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Early {
    /// The archive.
    pub bytes: Vec<u8>,
    /// Faults of AMD's equivalence tables.
    pub faults: Vec<TableFault>,
}

/// The archive with these files, in this order; all members have this time, in seconds since 1970.
///
/// # Errors
/// When a file is larger than cpio can say.
pub fn archive(blobs: &[Blob<'_>], time: u32) -> io::Result<Vec<u8>> {
    let mut writer = Writer::at(Vec::new(), time);
    for folder in FOLDERS {
        writer.directory(folder)?;
    }
    for blob in blobs {
        let name = format!("kernel/x86/microcode/{}.bin", blob.vendor);
        align(&mut writer, blob.vendor, &name)?;
        writer.file(&name, 0, blob.bytes)?;
    }
    writer.finish(BLOCK)
}

/// The early part of an initrd with what was selected, AMD's file before Intel's, as Debian orders
/// them. `time` is that of the members, in seconds since 1970; without it they have noon of the
/// newest update's day, so that the same updates always make the same archive.
///
/// # Errors
/// When a file is larger than cpio can say.
pub fn early(selection: &Selection<'_>, tables: &[Table], time: Option<u32>) -> io::Result<Early> {
    let (amd, hygon) = (containers::amd(selection, tables), containers::hygon(selection, tables));
    let joined = |made: &Containers| made.files.iter().flat_map(|file| &file.bytes).copied().collect();
    let contents: [(&str, Vec<u8>); 3] = [
        ("AuthenticAMD", joined(&amd)),
        ("GenuineIntel", files::binary(&selection.of(Vendor::Intel))),
        ("HygonGenuine", joined(&hygon)),
    ];
    let blobs = contents.iter().filter(|(_, bytes)| !bytes.is_empty());
    let blobs: Vec<Blob<'_>> = blobs.map(|(vendor, bytes)| Blob { vendor, bytes }).collect();
    let newest = || files::newest_date(&selection.updates()).map_or(0, noon);
    Ok(Early {
        bytes: archive(&blobs, time.unwrap_or_else(newest))?,
        faults: [amd.faults, hygon.faults].concat(),
    })
}

/// Adds an empty folder when the data of the file `name` would not be aligned.
fn align(writer: &mut Writer<Vec<u8>>, vendor: &str, name: &str) -> io::Result<()> {
    if writer.data_offset(name).is_multiple_of(ALIGNMENT) {
        return Ok(());
    }
    // The first letter is left out, so that no prefix of the name is that of a file looked for.
    let rest: String = vendor.chars().skip(1).collect();
    let folder = format!("kernel/x86/microcode/.{rest}.align.");
    let head = HEADER.saturating_add(folder.len()).saturating_add(1);
    let over = writer.data_offset(name).saturating_add(head as u64) % ALIGNMENT;
    let short = usize::try_from(ALIGNMENT.saturating_sub(over) % ALIGNMENT).unwrap_or(0);
    let digits = DIGITS.get(..short).unwrap_or_default();
    writer.directory(&format!("{folder}{digits}"))
}

/// Noon (UTC) of a day in seconds since 1970, as `iucode_tool` dates an archive by its newest
/// update; 0 for a day that does not exist or is before 1970.
#[must_use]
pub fn noon(date: Date) -> u32 {
    let decimal = |digits: u16| format!("{digits:x}").parse::<u32>().ok();
    let [year, month, day] = [date.year, date.month.into(), date.day.into()].map(decimal);
    let seconds = || {
        let days = days_since_1970(year?, month?, day?)?;
        days.checked_mul(86_400)?.checked_add(43_200)
    };
    seconds().unwrap_or(0)
}

/// Days of the Gregorian calendar.
fn days_since_1970(year: u32, month: u32, day: u32) -> Option<u32> {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let february = if leap { 29 } else { 28 };
    let lengths = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let index = usize::try_from(month.checked_sub(1)?).ok()?;
    if day == 0 || day > *lengths.get(index)? {
        return None;
    }
    let before = year.checked_sub(1)?;
    let leap_days = (before / 4).checked_sub(before / 100)?.checked_add(before / 400)?;
    // 477 leap days stand before 1970.
    let years = year
        .checked_sub(1970)?
        .checked_mul(365)?
        .checked_add(leap_days.checked_sub(477)?)?;
    let months: u32 = lengths.get(..index)?.iter().sum();
    years.checked_add(months)?.checked_add(day.checked_sub(1)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date(field: u32) -> Date {
        Date::from_field(field)
    }

    #[test]
    fn noon_is_counted_in_the_gregorian_calendar() {
        assert_eq!(noon(date(0x0101_1970)), 43_200);
        assert_eq!(noon(date(0x0229_2000)), 951_825_600);
        assert_eq!(noon(date(0x1012_2025)), 1_760_270_400);
        for none in [0x0229_2001, 0x1309_2011, 0x0100_2020, 0x0101_1969, 0x0101_20aa] {
            assert_eq!(noon(date(none)), 0, "{none:#x}");
        }
    }

    #[test]
    fn data_of_every_file_is_aligned_to_16_bytes() {
        let blobs = [
            Blob {
                vendor: "AuthenticAMD",
                bytes: &[0xa5; 3510],
            },
            Blob {
                vendor: "GenuineIntel",
                bytes: &[0x5a; 2048],
            },
        ];
        let bytes = archive(&blobs, 0).unwrap();
        let find = |what: &[u8]| bytes.windows(what.len()).position(|window| window == what).unwrap();
        for start in [find(&[0xa5; 64]), find(&[0x5a; 64])] {
            assert!(start.is_multiple_of(16), "{start}");
        }
        find(b"kernel/x86/microcode/GenuineIntel.bin\0");
        find(b"kernel/x86/microcode/.enuineIntel.align.");
        assert!(bytes.len().is_multiple_of(512));
    }
}
