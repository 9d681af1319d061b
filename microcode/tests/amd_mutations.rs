//! Containers of AMD with 500 mutations each: read to the end, nothing outside the file, output in
//! proportion to the input, and every flipped bit under a checksum found.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use microcode::amd::{self, Equivalence, EquivalentId};
use microcode::{Content, Signature, read};

/// SplitMix64: numbers that are the same in every run.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(end.max(1)).unwrap()).unwrap()
    }
}

/// One of the seven kinds of change.
fn mutate(bytes: &mut Vec<u8>, numbers: &mut Numbers) {
    let at = numbers.below(bytes.len());
    let some = numbers.below(bytes.len() - at).min(4096);
    let value = numbers.next().to_le_bytes();
    match numbers.below(7) {
        0 => bytes[at] ^= 1 << (value[0] & 7),
        1 => {
            let head = at % 512.min(bytes.len());
            bytes[head] = value[0];
        }
        2 => bytes.truncate(at),
        3 => {
            let part = bytes[at..at + some].to_vec();
            bytes.splice(at..at, part);
        }
        4 => bytes[at..at + some].fill(0),
        5 => {
            let word = at & !3;
            let end = (word + 4).min(bytes.len());
            bytes[word..end].copy_from_slice(&value[..end - word]);
        }
        _ => drop(bytes.splice(at..at, value.iter().copied().take(1 + at % 8))),
    }
}

fn patch(id: u16, revision: u32, words: usize) -> Vec<u8> {
    let mut numbers = Numbers(u64::from(revision));
    let data: Vec<u8> = (0..words * 4).map(|_| numbers.next().to_le_bytes()[0]).collect();
    let sum = data.chunks(4).fold(0u32, |sum, word| {
        sum.wrapping_add(u32::from_le_bytes(word.try_into().unwrap()))
    });
    let mut bytes = vec![0x24, 0x20, 0x17, 0x05];
    bytes.extend(revision.to_le_bytes());
    bytes.extend([3, 0x80, 0x20, 0]);
    bytes.extend(if id < 0x4000 { sum } else { 0 }.to_le_bytes());
    bytes.extend([0; 8]);
    bytes.extend(id.to_le_bytes());
    bytes.resize(64, 0);
    bytes.extend(data);
    bytes
}

/// Three containers: family 10h with two CPUs of one id, family 19h, and 1Ah with a minimum revision.
fn sample() -> Vec<u8> {
    let rows = |rows: &[(u32, u16)]| -> Vec<Equivalence> {
        let row = |(signature, id): &(u32, u16)| Equivalence::new(Signature(*signature), EquivalentId(*id));
        rows.iter().map(row).collect()
    };
    let mut minimum = patch(0xb440, 0x0b40_4035, 300);
    minimum[12..16].copy_from_slice(&0x0b40_4032u32.to_le_bytes());
    let old = [patch(0x1041, 0x0100_0086, 224), patch(0x1022, 0x0100_0083, 224)];
    let new = [patch(0xa210, 0x0a20_1030, 1376), patch(0xa210, 0x0a20_102f, 1376)];
    [
        amd::write(
            &rows(&[(0x10_0f42, 0x1041), (0x10_0f52, 0x1041), (0x10_0f22, 0x1022)]),
            &[&old[0], &old[1]],
        ),
        amd::write(&rows(&[(0xa2_0f10, 0xa210)]), &[&new[0], &new[1]]),
        amd::write(&rows(&[(0xb4_0f40, 0xb440)]), &[&minimum]),
    ]
    .concat()
}

fn check(bytes: &[u8]) {
    let begun = Instant::now();
    let file = amd::read(bytes);
    let mut end = 0;
    for container in &file.containers {
        assert!(container.offset >= end, "containers overlap");
        end = container.offset + amd::CONTAINER_HEADER;
        for patch in &container.patches {
            assert!(
                patch.offset >= end && patch.size >= amd::PATCH_HEADER,
                "patches overlap"
            );
            end = patch.offset + patch.size;
        }
        assert!(
            container.offset + container.size >= end,
            "patches outside the container"
        );
        end = container.offset + container.size;
    }
    assert!(end <= bytes.len(), "patches outside the file");
    let json = serde_json::to_string(&file).unwrap();
    assert!(
        json.len() <= 64 * bytes.len() + 4096,
        "{} for {}",
        json.len(),
        bytes.len()
    );
    // Generous: a debug build on a busy machine. What grows with the square takes minutes.
    assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
    if let Some(Content::Amd(other)) = read(bytes) {
        assert_eq!(other, file);
    }
}

fn mutations(name: &str, base: &[u8]) {
    let mut numbers = Numbers(20_261_121);
    let mut damaged = 0;
    for _ in 0..500 {
        let mut bytes = base.to_vec();
        mutate(&mut bytes, &mut numbers);
        check(&bytes);
        damaged += usize::from(amd::read(&bytes).is_damaged());
    }
    eprintln!("{name}: 500 mutations, {damaged} of them found to be damage");
}

#[test]
fn mutations_of_three_containers_are_survived() {
    assert!(!amd::read(&sample()).is_damaged());
    mutations("sample", &sample());
}

#[test]
fn mutations_of_published_containers_are_survived() {
    let default = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus");
    let root = std::env::var_os("DELID_CORPUS").map_or_else(default, PathBuf::from);
    let Ok(entries) = fs::read_dir(root.join("microcode/amd")) else {
        eprintln!("corpus absent: 1 case not run");
        return;
    };
    for entry in entries {
        let path = entry.unwrap().path();
        let bytes = fs::read(&path).unwrap();
        if amd::looks_like_container(&bytes) {
            mutations(&path.file_name().unwrap().to_string_lossy(), &bytes);
        }
    }
}

#[test]
fn every_flipped_bit_under_a_checksum_is_found() {
    let bytes = sample();
    let mut count = 0;
    for patch in &amd::read(&bytes).containers[0].patches {
        for at in patch.offset + amd::PATCH_HEADER..patch.offset + patch.size {
            let mut broken = bytes.clone();
            broken[at] ^= 1 << (at % 8);
            let file = amd::read(&broken);
            let rules = file.containers[0].patches.iter().flat_map(|patch| &patch.damage);
            assert_eq!(rules.map(|damage| damage.rule).collect::<Vec<_>>(), ["amd-checksum"]);
            count += 1;
        }
    }
    assert_eq!(count, 2 * 896);
}

#[test]
fn crowded_tables_and_many_containers_stay_in_proportion() {
    // One id with thousands of signatures, and thousands of the shortest patches.
    let rows: Vec<_> = (1..5000)
        .map(|signature| Equivalence::new(Signature(signature), EquivalentId(0x6012)))
        .collect();
    let short = patch(0x6012, 1, 0);
    let time = |bytes: &[u8]| {
        let begun = Instant::now();
        check(bytes);
        eprintln!("{} bytes: {:?}", bytes.len(), begun.elapsed());
    };
    time(&amd::write(&rows, &vec![&short[..]; 5000]));
    // Nothing but headers, each with a table as long as the rest of the file.
    let header = [&b"DMA\0\0\0\0\0"[..], &0xf0_0000u32.to_le_bytes()].concat();
    time(&header.repeat(25_000));
    time(&b"DMA\0\0\0\0\0\0\0\0\0".repeat(25_000));
}
