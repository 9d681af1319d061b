//! Updates inside archives and compressed files.

use std::io::Read;
use std::ops::Range;
use std::sync::Arc;

use super::{Gathered, Kind, Options, any, plain};
use crate::codec::{self, Codec};
use crate::container;
use crate::damage::Damage;
use crate::loader::early_cpio;

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
const LARGEST: u64 = 256 << 20;

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

/// The uncompressed archives at the front of an initrd; bytes of their members are shared.
pub(super) fn front(source: &str, file: &Arc<Vec<u8>>, part: Range<usize>) -> Gathered {
    let mut all = Gathered::new(source, Kind::Initrd);
    let Some(bytes) = file.get(part.clone()) else {
        return all;
    };
    // No member is called so: every one is passed.
    let search = early_cpio::find_and_go_on(bytes, "/nothing/");
    for member in search.members.iter().filter(|member| is_microcode(&member.name)) {
        let data = member.data.start.saturating_add(part.start)..member.data.end.saturating_add(part.start);
        let name = format!("{source}: {}", member.name);
        if data.is_empty() {
            continue;
        }
        match plain(&name, file, data) {
            Some(found) => all.absorb(found),
            None => all.fault(&name, nothing(member.data.len())),
        }
    }
    all
}

fn nothing(size: usize) -> Damage {
    let seen = format!("{size} bytes of something else");
    Damage::new(0, "Intel updates or an AMD container", seen).rule("member-is-microcode")
}

/// A compressed file that is microcode when unpacked, as firmware directories hold it (`.xz`,
/// `.zst`); `None` when it is something else.
pub(super) fn unpacked(source: &str, bytes: &[u8], options: Options) -> Option<Gathered> {
    let codec = Codec::detect(bytes)?;
    let mut reader = codec::decoder(codec, bytes).ok()?;
    let mut content = Vec::new();
    let head = reader.by_ref().take(HEAD).read_to_end(&mut content);
    let is_archive = looks_like_archive(&content);
    if container::read(&content).is_none() && !(is_archive && options.compressed) {
        return None;
    }
    let rest = head.and_then(|_| reader.take(LARGEST).read_to_end(&mut content));
    let options = Options {
        scan: false,
        compressed: false,
    };
    let mut all = any(source, &Arc::new(content), options);
    if let Err(error) = rest {
        let place = all.found.last().map_or(0, |found| found.place.offset);
        let damage = Damage::new(place, format!("a whole {codec} stream"), error.to_string());
        all.fault(source, damage.rule("compressed-stream"));
    }
    Some(all)
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
