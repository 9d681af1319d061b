//! Files of Intel with one thing changed, 500 times each with a fixed seed: bit flip, header byte,
//! truncation, duplicate, zero run, length word, insertion. Nothing panics, nothing is listed twice
//! or as larger than the file, and a change of what a checksum covers is found.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::time::{Duration, Instant};

use microcode::{advisories, dat, intel, verify};

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) & 0xffff_ffff).unwrap()
    }

    fn below(&mut self, limit: usize) -> usize {
        self.next() % limit.max(1)
    }
}

/// An update of `size` bytes with this signature.
fn update(signature: u32, size: u32) -> Vec<u8> {
    let header = [1, 0x2f, 0x0217_2019, signature, 0, 1, 0x12, size - 48, size, 0, 0, 0];
    let mut words = header.to_vec();
    words.extend((12..size / 4).map(|word| word.wrapping_mul(0x9e37_79b9)));
    words[4] = words
        .iter()
        .fold(0u32, |sum, word| sum.wrapping_add(*word))
        .wrapping_neg();
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

fn file() -> Vec<u8> {
    [update(0x206a7, 2048), update(0x306c3, 1024), update(0xb0671, 4096)].concat()
}

fn mutate(bytes: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let at = random.below(bytes.len());
    match random.below(7) {
        0 => bytes[at] ^= 1 << random.below(8),
        1 => bytes[[0, 2048, 3072][random.below(3)] + random.below(48)] = u8::try_from(random.below(256)).unwrap(),
        2 => bytes.truncate(at),
        3 => {
            let piece = bytes[at..(at + 512).min(bytes.len())].to_vec();
            bytes.splice(at..at, piece);
        }
        4 => {
            let end = (at + 64).min(bytes.len());
            bytes[at..end].fill(0);
        }
        5 => {
            let field = [0, 2048, 3072][random.below(3)] + [28, 32, 36][random.below(3)];
            let word = u32::try_from(random.next()).unwrap() >> random.below(32);
            bytes[field..field + 4].copy_from_slice(&word.to_le_bytes());
        }
        _ => {
            let added = vec![u8::try_from(random.below(256)).unwrap(); 1 + random.below(40)];
            bytes.splice(at..at, added);
        }
    }
    bytes
}

#[test]
fn every_change_of_a_binary_file_is_found_and_survived() {
    let whole = file();
    assert!(!intel::read(&whole).is_damaged());
    let mut random = Random(20_261_121);
    let started = Instant::now();
    let mut whole_updates = 0;
    for number in 0..500 {
        let bytes = mutate(&whole, &mut random);
        let file = intel::read(&bytes);
        let covered: usize = file.updates.iter().map(|update| update.size).sum();
        assert!(covered <= bytes.len(), "{number}");
        // A truncation between two updates leaves a whole file.
        let shorter = [0, 2048, 3072].contains(&bytes.len()) && whole.starts_with(&bytes);
        assert!(file.is_damaged() || bytes == whole || shorter, "{number}");
        let report = verify::check("file", &bytes);
        assert!(
            report.is_none_or(|report| !report.is_ok() || bytes == whole || shorter),
            "{number}"
        );
        whole_updates += file.updates.iter().filter(|update| update.damage.is_empty()).count();
    }
    // Two of three are left whole by most changes; truncations take more.
    assert!(whole_updates > 500 * 3 / 2, "{whole_updates}");
    assert!(started.elapsed() < Duration::from_secs(60));
}

#[test]
fn changed_text_is_survived_and_words_keep_their_places() {
    let bytes = file();
    let c = format!("u32 x[] = {{\n{}}};", dat::write(&[(None, &bytes)]));
    let texts = [
        dat::write(&[(None, &bytes)]),
        dat::write_inc(&bytes),
        dat::write_dtsi(&bytes),
        c,
    ];
    let mut random = Random(20_261_122);
    let started = Instant::now();
    for text in texts {
        let whole = text.as_bytes();
        assert!(!dat::read(whole).unwrap().is_damaged());
        for _ in 0..125 {
            let mut changed = mutate(whole, &mut random);
            if random.below(4) == 0 {
                let at = random.below(changed.len());
                changed.splice(at..at, *b"/* \" {< ");
            }
            let Some(read) = dat::read(&changed) else { continue };
            assert!(read.bytes.len() <= changed.len() * 4);
            if read.bytes != bytes {
                assert!(read.is_damaged() || read.file.updates.len() < 3);
            }
            let _ = (read.line_and_column(read.bytes.len()), verify::check("text", &changed));
        }
    }
    assert!(started.elapsed() < Duration::from_secs(120));
}

#[test]
fn changed_release_notes_are_survived() {
    let row = "| AAA | B0 | 06-97-02/07 | 0000000f | 00000010 | Core\n";
    let notes = format!(
        "## [microcode-20240102](https://x/microcode-20240102)\n- [INTEL-SA-00123](x) CVE-2024-12345\n\
         ### Updated Platforms\n{}== 20190312 Release ==\n---- new platforms ----\nA B 6-8e-9/10 1->9e C\n",
        row.repeat(80)
    );
    let log = "intel-microcode (3.1) x; urgency=low\n  * Updated microcodes:\n    \
        + sig 0x000a06e1, pf_mask 0x97, 2025-06-27, rev 0x1000273, size 1635328\n    \
        + Family=0x17 Model=0xa0 Stepping=0x00: Patch=0x08a0000a\n -- A <b>  Sat, 22 Nov 2025 1\n";
    let log = log.repeat(20);
    let mut random = Random(20_261_123);
    for _ in 0..250 {
        for text in [&notes, &log] {
            let changed = mutate(text.as_bytes(), &mut random);
            let changed = String::from_utf8_lossy(&changed);
            let notes = advisories::read_notes(&changed);
            assert!(notes.releases.iter().all(|release| release.rows.len() <= 200));
            let _ = advisories::read_debian(&changed);
            let _ = advisories::read_table(&changed);
        }
    }
}
