//! Files that an initrd is booted with or in: unified kernel images, kernels.
//!
//! A unified kernel image is an EFI program whose sections hold a kernel, its command line and its
//! initrd (UAPI Group Specifications, "Unified Kernel Image"). Microcode stands in `.ucode`, which
//! the stub passes on before the initrd, or in the early part of `.initrd`. Sections behind a
//! `.profile` are of that profile, those before the first of all.
//!
//! ```
//! use std::io::Cursor;
//! use microcode::uki::{Image, image};
//!
//! assert_eq!(image(Cursor::new(b"070701..."))?, Image::Other);
//! # Ok::<(), std::io::Error>(())
//! ```

use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;

use goblin::pe::header::{CoffHeader, SIZEOF_COFF_HEADER, SIZEOF_PE_MAGIC};
use schemars::JsonSchema;
use serde::Serialize;

use crate::bytes::{size, u16_at, u32_at};
use crate::damage::Damage;

/// What a file is, as far as an initrd may stand in it.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case", tag = "image")]
pub enum Image {
    /// A unified kernel image, or an add-on to one.
    Uki(Uki),
    /// A Linux kernel for x86 (`bzImage`), with no initrd in it.
    Kernel {
        /// Its version and who built it.
        #[serde(skip_serializing_if = "Option::is_none")]
        version: Option<String>,
    },
    /// Another PE program.
    Pe,
    /// None of these; it may be an initrd itself.
    Other,
}

/// A unified kernel image.
#[derive(Clone, Debug, Default, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Uki {
    /// Its sections that the UKI specification names, in their order.
    pub sections: Vec<Section>,
    /// Sections that the file has not whole.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub damage: Vec<Damage>,
}

impl Uki {
    /// Sections of that name: `.initrd`.
    pub fn named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Section> {
        self.sections.iter().filter(move |section| section.name == name)
    }

    /// What Linux gets as initrd, in the order of the stub: microcode, then initrds, of all
    /// profiles.
    pub fn initrds(&self) -> impl Iterator<Item = &Section> {
        self.named(".ucode").chain(self.named(".initrd"))
    }
}

/// A section of a unified kernel image.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Section {
    /// Name with its dot.
    pub name: &'static str,
    /// Where in the file it begins.
    pub offset: u64,
    /// Its bytes, without the padding of the file.
    pub size: u64,
    /// Number from 0 of its profile; none when it is of all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<u32>,
}

impl Section {
    /// Its bytes in the file.
    #[must_use]
    pub fn range(&self) -> Range<u64> {
        self.offset..self.offset.saturating_add(self.size)
    }
}

/// Sections of the UKI specification.
const NAMES: [&str; 15] = [
    ".linux", ".osrel", ".cmdline", ".initrd", ".ucode", ".splash", ".dtb", ".dtbauto", ".hwids", ".uname", ".sbat",
    ".pcrsig", ".pcrpkey", ".profile", ".efifw",
];

/// Bytes read for the headers of a PE file; linkers use a few hundred.
const HEADERS: u64 = 128 << 10;

/// Tells what `input` is by its headers.
///
/// # Errors
///
/// Those of the input.
pub fn image(mut input: impl Read + Seek) -> io::Result<Image> {
    let length = input.seek(SeekFrom::End(0))?;
    let head = piece(&mut input, 0, 0x400)?;
    let kernel = is_kernel(&head);
    if head.starts_with(b"MZ")
        && let Some(at) = u32_at(&head, 0x3c)
    {
        let pe = piece(&mut input, u64::from(at), HEADERS)?;
        if let Some(uki) = sections(&pe, length) {
            let is_uki = ["linux", "initrd", "ucode"].iter().any(|name| {
                let mut sections = uki.sections.iter();
                sections.any(|section| section.name.strip_prefix('.') == Some(name))
            });
            if is_uki {
                return Ok(Image::Uki(uki));
            }
            if !kernel {
                return Ok(Image::Pe);
            }
        }
    }
    if !kernel {
        return Ok(Image::Other);
    }
    let version = version(&mut input, &head)?;
    Ok(Image::Kernel { version })
}

/// The boot sector's flag and the magic of the boot protocol
/// (`Documentation/arch/x86/boot.rst` of Linux).
fn is_kernel(head: &[u8]) -> bool {
    u16_at(head, 0x1fe) == Some(0xaa55) && head.get(0x202..0x206) == Some(b"HdrS")
}

fn version(input: &mut (impl Read + Seek), head: &[u8]) -> io::Result<Option<String>> {
    let Some(pointer) = u16_at(head, 0x20e).filter(|pointer| *pointer != 0) else {
        return Ok(None);
    };
    let text = piece(input, u64::from(pointer).saturating_add(0x200), 512)?;
    let end = text.iter().position(|byte| *byte == 0).unwrap_or_default();
    let text = text.get(..end).unwrap_or_default();
    let printable = !text.is_empty() && text.iter().all(|byte| (b' '..=b'~').contains(byte));
    Ok(printable.then(|| String::from_utf8_lossy(text).into_owned()))
}

fn piece(input: &mut (impl Read + Seek), offset: u64, most: u64) -> io::Result<Vec<u8>> {
    input.seek(SeekFrom::Start(offset))?;
    let mut bytes = Vec::new();
    input.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The sections of the PE file whose signature `pe` begins with; `None` when it does not.
fn sections(pe: &[u8], length: u64) -> Option<Uki> {
    if !pe.starts_with(b"PE\0\0") {
        return None;
    }
    let header = CoffHeader::parse(pe, &mut SIZEOF_PE_MAGIC.clone()).ok()?;
    let table = SIZEOF_PE_MAGIC.saturating_add(SIZEOF_COFF_HEADER);
    let table = pe.get(table.saturating_add(header.size_of_optional_header.into())..)?;
    let mut uki = Uki::default();
    let mut profile = None;
    let (rows, _) = table.as_chunks::<40>();
    for row in rows.iter().take(header.number_of_sections.into()) {
        let written = row.split(|byte| *byte == 0).next().unwrap_or_default();
        let written = written.get(..8).unwrap_or(written);
        let Some(name) = NAMES.into_iter().find(|name| name.as_bytes() == written) else {
            continue;
        };
        if name == ".profile" {
            profile = Some(profile.map_or(0, |number: u32| number.saturating_add(1)));
        }
        let [virtual_size, _, raw_size, offset] = [8, 12, 16, 20].map(|at| u32_at(row, at).unwrap_or_default());
        // The size in memory is that of the content; the one in the file is rounded up.
        let wanted = match virtual_size {
            0 => raw_size,
            _ => virtual_size.min(raw_size),
        };
        let there = length.saturating_sub(u64::from(offset)).min(u64::from(wanted));
        if there < u64::from(wanted) {
            let expected = format!("{wanted} bytes of {name}");
            let damage = Damage::new(size(offset), expected, format!("{there} bytes"));
            uki.damage.push(damage.rule("uki-section"));
        }
        uki.sections.push(Section {
            name,
            offset: u64::from(offset),
            size: there,
            profile,
        });
    }
    Some(uki)
}

/// A range of a file as if it were one.
pub struct Part<R> {
    input: R,
    range: Range<u64>,
    position: u64,
}

impl<R: Read + Seek> Part<R> {
    /// The bytes of `range`; what of it is behind the end does not exist.
    pub fn new(input: R, range: Range<u64>) -> Self {
        Self {
            input,
            range,
            position: 0,
        }
    }
}

impl<R: Read + Seek> Read for Part<R> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let begin = self.range.start.saturating_add(self.position);
        let left = self.range.end.saturating_sub(begin);
        self.input.seek(SeekFrom::Start(begin))?;
        let count = self.input.by_ref().take(left).read(room)?;
        self.position = self.position.saturating_add(count as u64);
        Ok(count)
    }
}

impl<R: Read + Seek> Seek for Part<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(offset) => Some(offset),
            SeekFrom::Current(delta) => self.position.checked_add_signed(delta),
            SeekFrom::End(delta) => {
                let length = self.input.seek(SeekFrom::End(0))?.min(self.range.end);
                length.saturating_sub(self.range.start).checked_add_signed(delta)
            }
        };
        self.position = position.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    /// A PE file with these sections: name, content.
    fn pe(sections: &[(&str, &[u8])]) -> Vec<u8> {
        let mut bytes = b"MZ".to_vec();
        bytes.resize(0x3c, 0);
        bytes.extend(0x80u32.to_le_bytes());
        bytes.resize(0x80, 0);
        bytes.extend(b"PE\0\0\x64\x86");
        bytes.extend(u16::try_from(sections.len()).unwrap().to_le_bytes());
        bytes.extend([0; 12]);
        bytes.extend(16u16.to_le_bytes());
        bytes.extend([0; 2 + 16]);
        let mut offset = 0x400;
        let mut contents = Vec::new();
        for (name, content) in sections {
            let mut row = name.as_bytes().to_vec();
            row.resize(8, 0);
            let raw = content.len().next_multiple_of(512);
            for number in [content.len(), 0x1000, raw, offset, 0, 0, 0, 0] {
                row.extend(u32::try_from(number).unwrap().to_le_bytes());
            }
            bytes.extend(row);
            contents.extend_from_slice(content);
            contents.resize(contents.len().next_multiple_of(512), 0);
            offset += raw;
        }
        bytes.resize(0x400, 0);
        bytes.extend(contents);
        bytes
    }

    #[test]
    fn sections_of_a_unified_kernel_image_are_found_without_their_padding() {
        let bytes = pe(&[
            (".text", b"stub"),
            (".cmdline", b"quiet"),
            (".initrd", b"070701 and so on"),
            (".ucode", b"early"),
            (".linux", &[1; 600]),
            (".profile", b"ID=other"),
            (".cmdline", b"debug"),
        ]);
        let Image::Uki(uki) = image(Cursor::new(&bytes)).unwrap() else {
            panic!("UKI");
        };
        let names: Vec<&str> = uki.sections.iter().map(|section| section.name).collect();
        assert_eq!(
            names,
            [".cmdline", ".initrd", ".ucode", ".linux", ".profile", ".cmdline"]
        );
        let profiles: Vec<_> = uki.named(".cmdline").map(|section| section.profile).collect();
        assert_eq!(profiles, [None, Some(0)]);
        let order: Vec<&str> = uki.initrds().map(|section| section.name).collect();
        assert_eq!(order, [".ucode", ".initrd"]);
        let range = uki.named(".initrd").next().unwrap().range();
        let mut text = String::new();
        let mut part = Part::new(Cursor::new(&bytes), range);
        assert_eq!(part.seek(SeekFrom::End(-9)).unwrap(), 7);
        part.read_to_string(&mut text).unwrap();
        assert_eq!(text, "and so on");
        assert_eq!(uki.damage, []);
    }

    #[test]
    fn a_section_that_is_cut_is_reported() {
        let bytes = pe(&[(".initrd", &[7; 1000])]);
        let Image::Uki(uki) = image(Cursor::new(&bytes[..0x400 + 300])).unwrap() else {
            panic!("UKI");
        };
        assert_eq!(uki.sections[0].size, 300);
        assert_eq!((uki.damage[0].rule, uki.damage[0].offset), ("uki-section", 0x400));
    }

    #[test]
    fn kernels_are_no_initrds() {
        let mut bytes = vec![0; 0x800];
        bytes[0x1fe] = 0x55;
        bytes[0x1ff] = 0xaa;
        bytes[0x202..0x206].copy_from_slice(b"HdrS");
        // Counted from 0x200 on.
        bytes[0x20f] = 1;
        bytes[0x300..0x30a].copy_from_slice(b"6.1 (me) #");
        let version = Some("6.1 (me) #".to_owned());
        assert_eq!(image(Cursor::new(&bytes)).unwrap(), Image::Kernel { version });
        assert_eq!(image(Cursor::new(pe(&[(".text", b"")]))).unwrap(), Image::Pe);
        assert_eq!(image(Cursor::new(b"MZ")).unwrap(), Image::Other);
        assert_eq!(image(Cursor::new(b"")).unwrap(), Image::Other);
    }
}
