//! Headers of a PE image in memory, where any page may be missing.
//!
//! Follows Microsoft's PE/COFF specification. The headers are decoded by `goblin` from the bytes that
//! are there; the debug and export directories are read piece by piece through the address space, and
//! never more of them than a bound. The image is never read whole.

use goblin::pe::header::Header;

use super::Pdb;
use super::fields::{read, read_some, read_u32, u16_at, u32_at};
use crate::damage::{Damage, Place};
use crate::memory::address::PAGE;
use crate::memory::{Gva, VirtualMemory};

/// Bytes of headers that are read at most.
const HEADERS: usize = 0x2000;
/// Entries of the debug directory that are looked at.
const DEBUG_ENTRIES: usize = 32;
/// Names that are looked at when the table cannot be searched by halves.
const EXPORT_NAMES: u32 = 0x1_0000;
/// Bytes of a name.
const NAME: usize = 256;

/// A section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// Name, without trailing zeroes.
    pub name: String,
    /// Address relative to the image.
    pub rva: u32,
    /// Length in memory.
    pub size: u32,
    /// Characteristics.
    pub flags: u32,
}

impl Section {
    /// Whether it may be written.
    #[must_use]
    pub fn writable(&self) -> bool {
        self.flags & 0x8000_0000 != 0
    }

    /// Whether it holds code.
    #[must_use]
    pub fn executable(&self) -> bool {
        self.flags & 0x2000_0000 != 0
    }

    /// Whether the system throws it away after the start.
    #[must_use]
    pub fn discardable(&self) -> bool {
        self.flags & 0x0200_0000 != 0
    }
}

/// An image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// Base.
    pub base: Gva,
    /// Machine type: 0x8664, 0x14c.
    pub machine: u16,
    /// SizeOfImage.
    pub size: u32,
    /// TimeDateStamp.
    pub timestamp: u32,
    /// CheckSum.
    pub checksum: u32,
    /// Entry point relative to the image.
    pub entry: u32,
    /// Length of all headers as the section table ends.
    pub headers: u32,
    /// Sections.
    pub sections: Vec<Section>,
    exports: Option<(u32, u32)>,
    debug: Option<(u32, u32)>,
}

impl Image {
    /// Reads the headers of the image at `base`.
    ///
    /// # Errors
    /// What is not as a PE image should be.
    pub fn read(space: &dyn VirtualMemory, base: Gva) -> Result<Self, Damage> {
        let damage = |offset: u64, expected: &str, seen: String| {
            Damage::file("pe-header", base.0.saturating_add(offset), expected, seen).at(Place::Virtual)
        };
        let dos: [u8; 64] = read(space, base).ok_or_else(|| damage(0, "64 bytes", "no memory".to_owned()))?;
        let start = u32_at(&dos, 0x3c).unwrap_or_default();
        if !dos.starts_with(b"MZ") {
            return Err(damage(0, "MZ", format!("{:02x?}", dos.get(..2).unwrap_or_default())));
        }
        let bytes = read_some(space, base, HEADERS);
        let offset = usize::try_from(start).unwrap_or(usize::MAX);
        let rest = bytes
            .get(offset..)
            .filter(|rest| rest.starts_with(b"PE\0\0"))
            .ok_or_else(|| damage(0x3c, "offset of a PE header", format!("{start:#x}")))?;
        let header =
            Header::parse_without_dos(rest).map_err(|error| damage(start.into(), "PE header", error.to_string()))?;
        let Some(optional) = header.optional_header else {
            return Err(damage(start.into(), "optional header", "none".to_owned()));
        };
        let table = 24usize.saturating_add(header.coff_header.size_of_optional_header.into());
        let mut end = table;
        let sections = header
            .coff_header
            .sections(rest, &mut end)
            .map_err(|error| damage(start.into(), "section table", error.to_string()))?;
        let directory = |of: Option<&goblin::pe::data_directories::DataDirectory>| {
            of.map(|of| (of.virtual_address, of.size))
                .filter(|(rva, size)| *rva != 0 && *size != 0)
        };
        Ok(Self {
            base,
            machine: header.coff_header.machine,
            size: optional.windows_fields.size_of_image,
            timestamp: header.coff_header.time_date_stamp,
            checksum: optional.windows_fields.check_sum,
            entry: optional.standard_fields.address_of_entry_point,
            headers: u32::try_from(offset.saturating_add(end)).unwrap_or(u32::MAX),
            sections: sections
                .iter()
                .map(|section| Section {
                    name: text(&section.name),
                    rva: section.virtual_address,
                    size: section.virtual_size,
                    flags: section.characteristics,
                })
                .collect(),
            exports: directory(optional.data_directories.get_export_table().as_ref().copied()),
            debug: directory(optional.data_directories.get_debug_table().as_ref().copied()),
        })
    }

    /// Address of a place in the image.
    #[must_use]
    pub fn at(&self, rva: u32) -> Gva {
        self.base.plus(rva.into())
    }

    /// First address behind the image.
    #[must_use]
    pub fn end(&self) -> Gva {
        self.at(self.size)
    }

    /// Whether an address lies in the image.
    #[must_use]
    pub fn contains(&self, at: Gva) -> bool {
        at >= self.base && at < self.end()
    }

    /// The CodeView record, where its page is there.
    #[must_use]
    pub fn pdb(&self, space: &dyn VirtualMemory) -> Option<Pdb> {
        let (rva, size) = self.debug?;
        let length = usize::try_from(size).ok()?.min(DEBUG_ENTRIES * 28);
        let directory = read_some(space, self.at(rva), length);
        directory.chunks_exact(28).find_map(|entry| {
            let (kind, size, rva) = (u32_at(entry, 12)?, u32_at(entry, 16)?, u32_at(entry, 20)?);
            let length = usize::try_from(size).ok()?.min(24 + NAME);
            (kind == 2 && rva != 0).then(|| codeview(&read_some(space, self.at(rva), length)))?
        })
    }

    /// Name in the export directory.
    #[must_use]
    pub fn export_name(&self, space: &dyn VirtualMemory) -> Option<String> {
        let name = text(&read_some(
            space,
            self.at(read_u32(space, self.at(self.exports?.0).plus(12))?),
            64,
        ));
        let plain = |byte: u8| byte.is_ascii_graphic();
        (!name.is_empty() && name.bytes().all(plain)).then_some(name)
    }

    /// Address of an exported symbol. Forwarded ones have none.
    #[must_use]
    pub fn export(&self, space: &dyn VirtualMemory, name: &str) -> Option<Gva> {
        let (start, size) = self.exports?;
        let directory: [u8; 40] = read(space, self.at(start))?;
        let field = |offset| u32_at(&directory, offset);
        let (functions, names) = (field(20)?, field(24)?.min(EXPORT_NAMES));
        let (addresses, strings, ordinals) = (field(28)?, field(32)?, field(36)?);
        let index = self.export_index(space, strings, names, name)?;
        let ordinal: [u8; 2] = read(space, self.at(ordinals).plus(u64::from(index) * 2))?;
        let ordinal = u32::from(u16::from_le_bytes(ordinal));
        let rva = read_u32(space, self.at(addresses).plus(u64::from(ordinal) * 4)).filter(|_| ordinal < functions)?;
        let forwarded = rva.checked_sub(start).is_some_and(|offset| offset < size);
        (rva != 0 && rva < self.size && !forwarded).then(|| self.at(rva))
    }

    /// Index of a name: by halves, as the table is sorted; one by one when a page on that way is missing.
    fn export_index(&self, space: &dyn VirtualMemory, table: u32, count: u32, name: &str) -> Option<u32> {
        let wanted = name.as_bytes();
        let at = |index: u32| -> Option<Vec<u8>> {
            let rva = read_u32(space, self.at(table).plus(u64::from(index) * 4))?;
            let bytes = read_some(space, self.at(rva), wanted.len().saturating_add(1));
            let end = bytes.iter().position(|byte| *byte == 0);
            match end {
                Some(end) => bytes.get(..end).map(<[u8]>::to_vec),
                None => (bytes.len() > wanted.len()).then_some(bytes),
            }
        };
        let (mut low, mut high) = (0, count);
        while low < high {
            let middle = low + (high - low) / 2;
            let Some(seen) = at(middle) else {
                return (0..count).find(|index| at(*index).is_some_and(|seen| seen == wanted));
            };
            match seen.as_slice().cmp(wanted) {
                std::cmp::Ordering::Equal => return Some(middle),
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        None
    }

    /// Ranges that data may stand in: writable sections that the system keeps; whole pages, cut at the
    /// end of the image.
    pub fn data_ranges(&self) -> impl Iterator<Item = (Gva, u64)> {
        let kept = |section: &&Section| section.writable() && !section.discardable() && section.rva < self.size;
        self.sections.iter().filter(kept).map(|section| {
            let length = u64::from(section.size.min(self.size - section.rva));
            (self.at(section.rva), length.next_multiple_of(PAGE))
        })
    }
}

/// RSDS: GUID, age, name.
fn codeview(bytes: &[u8]) -> Option<Pdb> {
    if !bytes.starts_with(b"RSDS") {
        return None;
    }
    let (first, second, third) = (u32_at(bytes, 4)?, u16_at(bytes, 8)?, u16_at(bytes, 10)?);
    let rest: String = bytes.get(12..20)?.iter().map(|byte| format!("{byte:02X}")).collect();
    let age = u32_at(bytes, 20)?;
    let path = text(bytes.get(24..)?);
    Some(Pdb {
        // Only the kernel's own build keeps a bare name; drivers have the path on the maker's machine.
        name: path.rsplit(['\\', '/']).next().unwrap_or_default().to_owned(),
        id: format!("{first:08X}{second:04X}{third:04X}{rest}{age:X}"),
    })
}

/// Text up to the first zero.
fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(bytes.get(..end).unwrap_or_default()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: u64 = 0xffff_f804_2a00_0000;

    /// An image whose missing pages are none.
    struct Pages(Vec<u8>, Vec<usize>);

    impl VirtualMemory for Pages {
        fn read(&self, at: Gva, buffer: &mut [u8]) -> usize {
            let mut done = 0;
            while done < buffer.len() {
                let place = (at.0 - BASE) as usize + done;
                match self.0.get(place) {
                    Some(byte) if !self.1.contains(&(place / 0x1000)) => buffer[done] = *byte,
                    _ => break,
                }
                done += 1;
            }
            done
        }
    }

    /// Headers, `.data` at 1000, exports at 2000, debug directory at 3000, its record at 4000.
    fn image() -> Vec<u8> {
        let mut bytes = vec![0; 0x6000];
        let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
        put(0, b"MZ");
        put(0x3c, &0xf8u32.to_le_bytes());
        put(0xf8, b"PE\0\0\x64\x86\x02\0");
        put(0x100, &0x5eed_1234u32.to_le_bytes());
        put(0x10c, &[0xf0, 0, 0x22, 0]);
        let optional = 0x110;
        put(optional, &[0x0b, 2]);
        put(optional + 16, &0x1230u32.to_le_bytes());
        put(optional + 24, &BASE.to_le_bytes());
        put(optional + 56, &0x6000u32.to_le_bytes());
        put(optional + 64, &0x0001_7f3au32.to_le_bytes());
        put(optional + 108, &16u32.to_le_bytes());
        put(optional + 112, &[0, 0x20, 0, 0, 0x80, 0, 0, 0]);
        put(optional + 112 + 6 * 8, &[0, 0x30, 0, 0, 56, 0, 0, 0]);
        for (number, (name, rva, flags)) in [
            (b".data\0\0\0", 0x1000u32, 0xc800_0040u32),
            (b"INIT\0\0\0\0", 0x5000, 0xe200_0020),
        ]
        .into_iter()
        .enumerate()
        {
            let at = 0x200 + number * 40;
            put(at, name);
            put(at + 8, &0x800u32.to_le_bytes());
            put(at + 12, &rva.to_le_bytes());
            put(at + 36, &flags.to_le_bytes());
        }
        let table: [u32; 10] = [0, 0, 0, 0x2070, 1, 3, 3, 0x2030, 0x2040, 0x2050];
        put(0x2000, &table.map(u32::to_le_bytes).concat());
        put(0x2030, &[0x1010u32, 0x1020, 0x2040].map(u32::to_le_bytes).concat());
        put(0x2040, &[0x2100u32, 0x2110, 0x2120].map(u32::to_le_bytes).concat());
        put(0x2050, &[1, 0, 0, 0, 2, 0]);
        put(0x2070, b"ntoskrnl.exe\0");
        put(0x2100, b"Alpha\0");
        put(0x2110, b"Beta\0");
        put(0x2120, b"Gamma\0");
        // The first entry of the debug directory is of another type.
        put(0x300c, &13u32.to_le_bytes());
        put(0x301c + 12, &[2u32, 0x30, 0x4000].map(u32::to_le_bytes).concat());
        put(
            0x4000,
            b"RSDS\x03\x02\x01\x00\x05\x04\x07\x06\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x2a\0\0\0d:\\x\\ntkrnlmp.pdb\0",
        );
        bytes
    }

    fn read_all(memory: &Pages) -> Result<Image, Damage> {
        Image::read(memory, Gva(BASE))
    }

    #[test]
    fn headers_debug_record_and_exports() {
        let memory = Pages(image(), Vec::new());
        let image = read_all(&memory).unwrap();
        assert_eq!(
            (image.machine, image.size, image.timestamp, image.checksum, image.entry),
            (0x8664, 0x6000, 0x5eed_1234, 0x0001_7f3a, 0x1230)
        );
        assert_eq!(image.headers, 0x250);
        let pdb = image.pdb(&memory).unwrap();
        assert_eq!(
            (pdb.name.as_str(), pdb.id.as_str()),
            ("ntkrnlmp.pdb", "000102030405060708090A0B0C0D0E0F2A")
        );
        assert_eq!(image.export_name(&memory).as_deref(), Some("ntoskrnl.exe"));
        assert_eq!(image.export(&memory, "Alpha"), Some(Gva(BASE + 0x1020)));
        assert_eq!(image.export(&memory, "Beta"), Some(Gva(BASE + 0x1010)));
        // An address in the export directory is a forwarder's name.
        assert_eq!(image.export(&memory, "Gamma"), None);
        assert_eq!(image.export(&memory, "Alp"), None);
        assert_eq!(image.data_ranges().collect::<Vec<_>>(), [(Gva(BASE + 0x1000), 0x1000)]);
    }

    #[test]
    fn pages_that_are_missing_cost_only_what_stands_in_them() {
        for missing in 1..6 {
            let memory = Pages(image(), vec![missing]);
            let image = read_all(&memory).unwrap();
            assert_eq!(image.sections.len(), 2);
            assert_eq!(image.export_name(&memory).is_some(), missing != 2);
            assert_eq!(image.pdb(&memory).is_some(), missing != 3 && missing != 4);
        }
        let damage = read_all(&Pages(image(), vec![0])).unwrap_err();
        assert_eq!((damage.offset, damage.place), (BASE, Place::Virtual));
    }

    #[test]
    fn mutated_images_neither_panic_nor_hang() {
        let mut state = 0x9e37_79b9_7f4a_7c15u64;
        let mut random = move |below: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state % below as u64) as usize
        };
        for round in 0..500 {
            let mut bytes = image();
            for _ in 0..1 + random(12) {
                let at = if random(2) == 0 { random(0x260) } else { random(0x5000) };
                let length = [1, 4, 8, 64][random(4)];
                let value = [0, 0xff, random(256) as u8][random(3)];
                let end = (at + length).min(bytes.len());
                bytes[at..end].fill(value);
            }
            bytes.truncate(if round % 5 == 0 { random(0x6000) } else { 0x6000 });
            let memory = Pages(bytes, if round % 3 == 0 { vec![random(6)] } else { Vec::new() });
            if let Ok(image) = read_all(&memory) {
                let _ = (
                    image.pdb(&memory),
                    image.export_name(&memory),
                    image.export(&memory, "Beta"),
                );
                let _ = image.data_ranges().count();
            }
        }
    }
}
