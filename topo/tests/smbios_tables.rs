//! Binary tables of the corpus: against dmidecode's text, against smbios-lib, and damaged.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a file of tests"
)]

mod smbios_corpus;

use std::path::PathBuf;
use std::process::Command;

use topo::evidence::Place;
use topo::smbios::{structure, table, text};

fn images() -> Vec<PathBuf> {
    let Some(area) = smbios_corpus::area("pci-smbios", 5) else {
        return Vec::new();
    };
    smbios_corpus::files(&area.join("smbios-bin"), "")
}

#[test]
fn a_table_and_its_dmidecode_text_give_the_same_inventory() {
    let Some(area) = smbios_corpus::area("pci-smbios", 4) else {
        return;
    };
    for golden in smbios_corpus::files(&area.join("smbios-golden"), ".dmi.txt") {
        let name = golden.file_name().unwrap().to_string_lossy().into_owned();
        let stem = name.trim_end_matches(".xz").trim_end_matches(".txt");
        let image = smbios_corpus::bytes(&area.join("smbios-bin").join(format!("{stem}.dump-bin")));
        let from_table = table::parse_any(&image);
        let from_text = text::parse(&smbios_corpus::text(&golden));
        assert_eq!(from_table.value, from_text.value, "{name}");
    }
}

#[test]
fn the_installed_dmidecode_reads_the_images_alike() {
    for path in images().iter().filter(|path| !path.to_string_lossy().ends_with(".dmi")) {
        let Ok(output) = Command::new("dmidecode").arg("--from-dump").arg(path).output() else {
            eprintln!("dmidecode absent: 1 case not run");
            continue;
        };
        let from_text = text::parse(&String::from_utf8_lossy(&output.stdout));
        let from_table = table::parse_any(&smbios_corpus::bytes(path));
        assert_eq!(from_table.value, from_text.value, "{}", path.display());
    }
}

#[test]
fn smbios_lib_finds_the_same_structures() {
    for path in images() {
        let bytes = smbios_corpus::bytes(&path);
        let raw = if bytes.starts_with(b"_SM") {
            &bytes[32..]
        } else {
            &bytes[..]
        };
        let ours = structure::structures(raw).value;
        let theirs = smbioslib::SMBiosData::from_vec_and_version(raw.to_vec(), None);
        let ours: Vec<(u8, u16, usize)> = ours
            .iter()
            .map(|one| (one.kind, one.handle.0, one.bytes.len()))
            .collect();
        let theirs: Vec<(u8, u16, usize)> = theirs
            .iter()
            .map(|one| {
                let header = &one.header;
                (header.struct_type(), *header.handle(), usize::from(header.length()))
            })
            .collect();
        assert_eq!(ours, theirs, "{}", path.display());
    }
}

#[test]
fn smbios_lib_reads_the_same_modules_and_processors() {
    for path in images() {
        let bytes = smbios_corpus::bytes(&path);
        let raw = if bytes.starts_with(b"_SM") {
            &bytes[32..]
        } else {
            &bytes[..]
        };
        let ours = table::parse(raw, None).value;
        let theirs = smbioslib::SMBiosData::from_vec_and_version(raw.to_vec(), None);
        let ranks: Vec<Option<u8>> = theirs
            .collect::<smbioslib::SMBiosMemoryDevice<'_>>()
            .iter()
            .map(|one| one.attributes().map(|bits| bits & 0x0f).filter(|ranks| *ranks != 0))
            .collect();
        let speeds: Vec<Option<u16>> = theirs
            .collect::<smbioslib::SMBiosProcessorInformation<'_>>()
            .iter()
            .map(|one| match one.max_speed() {
                Some(smbioslib::ProcessorSpeed::MHz(mhz)) => Some(mhz),
                _ => None,
            })
            .collect();
        let filled: Vec<Option<u8>> = ours.modules.iter().map(|one| one.ranks).collect();
        for (ours, theirs) in ours.modules.iter().zip(&ranks) {
            assert!(ours.size == Some(0) || ours.ranks == *theirs, "{}", path.display());
        }
        assert_eq!(filled.len(), ranks.len());
        assert_eq!(
            ours.processors.iter().map(|one| one.max_speed).collect::<Vec<_>>(),
            speeds,
            "{}",
            path.display()
        );
    }
}

/// A small generator of numbers, so that the mutations are the same on every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(end.max(1)).unwrap()).unwrap()
    }
}

#[test]
fn damaged_images_end_without_a_panic_and_within_their_bounds() {
    let mut numbers = Numbers(0x5eed_1234_5678_9abc);
    for path in images() {
        let whole = smbios_corpus::bytes(&path);
        for _ in 0..400 {
            let mut bytes = whole.clone();
            match numbers.below(4) {
                0 => bytes.truncate(numbers.below(whole.len())),
                1 => {
                    let at = numbers.below(whole.len());
                    bytes.remove(at);
                }
                2 => {
                    let at = numbers.below(whole.len());
                    bytes[at..].iter_mut().take(16).for_each(|byte| *byte = 0xff);
                }
                _ => {
                    for _ in 0..8 {
                        let at = numbers.below(whole.len());
                        bytes[at] = u8::try_from(numbers.below(256)).unwrap();
                    }
                }
            }
            let read = table::parse_any(&bytes);
            assert!(read.value.structures <= bytes.len() / 4 + 1);
            let places = topo::smbios::locator::place_all(&read.value);
            assert_eq!(places.len(), read.value.modules.len());
            let end = u64::try_from(bytes.len()).unwrap();
            for damage in read.damage {
                assert!(
                    !matches!(damage.place, Place::Offset(at) if at > end.saturating_add(0x100) && at < u64::from(u32::MAX))
                );
            }
        }
    }
}
