//! Updates inside archives and compressed files.

use std::io::{self, BufRead, Read};
use std::ops::Range;
use std::sync::Arc;

use super::{Gathered, Kind, plain};
use crate::codec::{self, Codec};
use crate::container;
use crate::damage::Damage;

/// Folders in which the kernel looks for microcode, with or without `usr/` before them.
const FIRMWARE: [&str; 2] = ["lib/firmware/intel-ucode/", "lib/firmware/amd-ucode/"];
/// The files in which loaders look in an initrd. No loader reads Hygon's.
const EARLY: [&str; 3] = [
    "kernel/x86/microcode/GenuineIntel.bin",
    "kernel/x86/microcode/AuthenticAMD.bin",
    "kernel/x86/microcode/HygonGenuine.bin",
];
/// Bytes of a compressed file that tell whether it is microcode; a header and more.
const HEAD: u64 = 4096;
/// No file of microcode is larger. Intel's whole set has 21 MB.
pub(super) const LARGEST: u64 = 256 << 20;

/// Whether a member of this name holds microcode. Names as `./lib/…` and `/lib/…`, that the loaders
/// do not find, count: what is in them is shown, and who looks for it is another question.
pub(super) fn is_microcode(name: &str) -> bool {
    let mut name = name;
    while let Some(rest) = name.strip_prefix("./").or_else(|| name.strip_prefix('/')) {
        name = rest;
    }
    let name = name.strip_prefix("usr/").unwrap_or(name);
    EARLY.contains(&name)
        || FIRMWARE
            .iter()
            .any(|folder| name.len() > folder.len() && name.starts_with(folder))
}

/// Whether an archive begins here, zeros before it aside.
pub(super) fn looks_like_archive(bytes: &[u8]) -> bool {
    let start = bytes.iter().position(|byte| *byte != 0).unwrap_or(0);
    let head = bytes.get(start..start.saturating_add(6));
    matches!(head, Some(b"070701" | b"070702"))
}

/// A member that is to hold microcode: updates, or compressed ones.
pub(super) fn content(name: &str, file: &Arc<Vec<u8>>, part: Range<usize>) -> Gathered {
    let size = part.len();
    let bytes = file.get(part.clone()).unwrap_or_default();
    let found = plain(name, file, part).or_else(|| unpacked(name, bytes));
    found.unwrap_or_else(|| {
        let mut all = Gathered::new(name, Kind::Other);
        all.fault(name, nothing(size));
        all
    })
}

fn nothing(size: usize) -> Damage {
    let seen = format!("{size} bytes of something else");
    Damage::new(0, "Intel updates or an AMD container", seen).rule("member-is-microcode")
}

/// What a compressed file begins with when unpacked, and whatever can be read of it, whole.
pub(super) struct Unpacked<R> {
    codec: Codec,
    reader: R,
    /// Its first bytes.
    pub(super) head: Vec<u8>,
    broken: Option<io::Error>,
}

/// Look into a compressed file; `None` when no codec knows it.
pub(super) fn look_into<'a, R: BufRead + 'a>(magic: &[u8], bytes: R) -> Option<Unpacked<Box<dyn Read + 'a>>> {
    let codec = Codec::detect(magic)?;
    let mut reader = codec::decoder(codec, bytes).ok()?;
    let mut head = Vec::new();
    let broken = reader.by_ref().take(HEAD).read_to_end(&mut head).err();
    Some(Unpacked {
        codec,
        reader,
        head,
        broken,
    })
}

impl<R: Read> Unpacked<R> {
    /// Firmware directories hold microcode as `.xz` and `.zst`; `None` when this is something else.
    pub(super) fn microcode(self, source: &str) -> Option<Gathered> {
        container::read(&self.head)?;
        let mut content = self.head;
        let rest = match self.broken {
            Some(error) => Err(error),
            None => self.reader.take(LARGEST).read_to_end(&mut content),
        };
        let part = 0..content.len();
        let mut all = plain(source, &Arc::new(content), part)?;
        if let Err(error) = rest {
            let place = all.found.last().map_or(0, |found| found.place.offset);
            let expected = format!("a whole {} stream", self.codec);
            all.fault(source, Damage::new(place, expected, error.to_string()).rule("codec"));
        }
        Some(all)
    }
}

fn unpacked(source: &str, bytes: &[u8]) -> Option<Gathered> {
    look_into(bytes, bytes)?.microcode(source)
}

#[cfg(test)]
mod tests {
    use super::super::samples::{container, intel, patch};
    use super::super::{Options, gather};
    use super::*;
    use crate::pack::early::{Blob, archive};

    #[test]
    fn names_of_microcode_are_those_of_the_loaders_and_of_firmware() {
        for name in [
            "kernel/x86/microcode/GenuineIntel.bin",
            "./kernel/x86/microcode/AuthenticAMD.bin",
            "usr/lib/firmware/amd-ucode/microcode_amd_fam19h.bin",
            "/lib/firmware/intel-ucode/06-9e-0a",
        ] {
            assert!(is_microcode(name), "{name}");
        }
        for name in [
            "kernel/x86/microcode/.enuineIntel.align.0123",
            "kernel/x86/microcode/genuineintel.bin",
            "lib/firmware/intel-ucode/",
            "etc/lib/firmware/intel-ucode/06-9e-0a",
        ] {
            assert!(!is_microcode(name), "{name}");
        }
    }

    #[test]
    fn early_archive_gives_back_what_was_packed_without_a_copy() {
        let (one, two) = (intel(0x906ea, 0x22, 5, 1), intel(0x906eb, 0x02, 6, 2));
        let zen = patch(0xa210, 0x0a20_1030, &[7; 8]);
        let amd = container(&[(0xa20f10, 0xa210)], std::slice::from_ref(&zen));
        let blobs = [
            Blob {
                vendor: "AuthenticAMD",
                bytes: &amd,
            },
            Blob {
                vendor: "GenuineIntel",
                bytes: &[&one[..], &two].concat(),
            },
        ];
        let mut bytes = archive(&blobs, 0).unwrap();
        bytes.extend(b"\x1f\x8b\x08compressed");
        let bytes = Arc::new(bytes);
        let all = gather("initrd.img", Arc::clone(&bytes), Options::default());
        assert_eq!((all.kind, all.is_damaged(), all.tables.len()), (Kind::Initrd, false, 1));
        let contents: Vec<&[u8]> = all.found.iter().map(crate::Found::bytes).collect();
        assert_eq!(contents, [&zen[..], &one, &two]);
        let place = all.found[2].place.to_string();
        assert_eq!(place, "initrd.img: kernel/x86/microcode/GenuineIntel.bin at 0x400");
        assert!(bytes.as_ptr_range().contains(&contents[2].as_ptr()));
    }

    #[test]
    fn member_that_should_be_microcode_and_is_not_is_damage() {
        let blob = Blob {
            vendor: "GenuineIntel",
            bytes: b"text",
        };
        let all = gather("initrd.img", archive(&[blob], 0).unwrap(), Options::default());
        assert_eq!(
            (all.damage.len(), all.damage[0].damage.rule),
            (1, "member-is-microcode")
        );
    }

    #[test]
    fn compressed_file_of_a_firmware_directory_is_unpacked() {
        let update = intel(0x906ea, 0x22, 5, 1);
        let mut packed = vec![0x04, 0x22, 0x4d, 0x18, 0x40, 0x40];
        packed.push(0xc0);
        let size = u32::try_from(update.len()).unwrap() | 1 << 31;
        packed.extend(size.to_le_bytes());
        packed.extend(&update);
        packed.extend([0; 4]);
        let all = gather("06-9e-0a.lz4", packed.clone(), Options::default());
        assert_eq!((all.kind, all.found.len(), all.is_damaged()), (Kind::Intel, 1, false));
        packed.truncate(700);
        let all = gather("06-9e-0a.lz4", packed, Options::default());
        assert!(all.is_damaged() || all.kind == Kind::Other);
    }
}
