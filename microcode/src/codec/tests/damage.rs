//! Cut and mutated streams.

use super::*;

#[test]
fn a_stream_cut_anywhere_gives_a_prefix_and_says_so() {
    for (codec, name, packed) in samples::all() {
        for cut in 0..packed.len() {
            let (unpacked, error, _) = unpack(codec, &packed[..cut], 1000);
            assert!(samples::TEXT.starts_with(&unpacked), "{name} cut at {cut}");
            // Between its blocks a stream of the legacy format may end.
            let whole = codec == Codec::Lz4Legacy && cut == 4;
            assert_eq!(error.is_none(), whole, "{name} cut at {cut}");
        }
    }
}

#[test]
fn a_larger_stream_gives_much_of_what_is_before_the_cut() {
    let bytes = tools::mixed();
    for (codec, tool, options) in [
        (Codec::Gzip, "gzip", &["-6"][..]),
        (Codec::Bzip2, "bzip2", &["-1"]),
        (Codec::Lzma, "lzma", &["-1"]),
        (Codec::Xz, "xz", &["-1"]),
        (Codec::Lzo, "lzop", &["-1"]),
        (Codec::Lz4Legacy, "lz4", &["-l"]),
        (Codec::Lz4Frame, "lz4", &["-B4"]),
        (Codec::Zstd, "zstd", &["-1"]),
    ] {
        let Some(packed) = tools::packed(tool, options, &bytes) else {
            continue;
        };
        let (unpacked, error, _) = unpack(codec, &packed[..packed.len() * 3 / 4], u64::MAX);
        assert!(bytes.starts_with(&unpacked), "{codec}");
        assert!(unpacked.len() > 100_000, "{codec}: {} bytes", unpacked.len());
        assert!(error.unwrap().contains("the file ends"), "{codec}");
    }
}

/// The recipe of the mutations: bit flip, header byte, truncation, repetition, zeros, length word,
/// insertion.
fn mutate(bytes: &[u8], number: u32) -> Vec<u8> {
    let mut state = number.wrapping_mul(0x9e37_79b9) ^ 20_261_120;
    let mut random = |limit: usize| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as usize % limit.max(1)
    };
    let mut bytes = bytes.to_vec();
    let length = bytes.len();
    let at = random(length);
    match number % 7 {
        0 => bytes[at] ^= 1 << random(8),
        1 => bytes[random(16)] = random(256) as u8,
        2 => bytes.truncate(at),
        3 => bytes.extend_from_within(at..),
        4 => bytes[at..length.min(at + 1 + random(64))].fill(0),
        5 => {
            let at = at.min(length - 4);
            let word = [0, 1, 0x7fff_ffff, u32::MAX, 0x1000_0000][random(5)];
            bytes[at..at + 4].copy_from_slice(&word.to_le_bytes());
        }
        _ => bytes.insert(at, random(256) as u8),
    }
    bytes
}

/// Unpacked bytes of a mutated stream, at most.
const LIMIT: u64 = 4 << 20;

#[test]
fn five_hundred_mutations_of_every_codec_end_and_are_bounded() {
    for (codec, name, packed) in samples::all() {
        let mut silent = 0;
        for number in 0..500 {
            let mutated = mutate(&packed, number);
            let (unpacked, error, _) = unpack(codec, &mutated, LIMIT);
            assert!(unpacked.len() as u64 <= LIMIT);
            let other = !samples::TEXT.starts_with(&unpacked) && !unpacked.starts_with(samples::TEXT);
            silent += u32::from(error.is_none() && other && (unpacked.len() as u64) < LIMIT);
        }
        // The legacy format and lzma have no checksum.
        let sums = !matches!(codec, Codec::Lz4Legacy | Codec::Lzma);
        assert!(
            !sums || silent == 0,
            "{name}: {silent} mutations gave other bytes and no error"
        );
    }
}

#[test]
fn mutations_of_larger_streams_end_and_are_bounded() {
    let bytes = &tools::mixed()[..300_000];
    for (codec, tool, options) in [
        (Codec::Gzip, "gzip", &["-6"][..]),
        (Codec::Bzip2, "bzip2", &["-1"]),
        (Codec::Lzma, "lzma", &["-1"]),
        (Codec::Xz, "xz", &["-1", "--block-size=100000"]),
        (Codec::Lzo, "lzop", &["-1", "-CC"]),
        (Codec::Lz4Legacy, "lz4", &["-l"]),
        (Codec::Lz4Frame, "lz4", &["-B4", "-BX", "-BD"]),
        (Codec::Zstd, "zstd", &["-1"]),
    ] {
        let Some(packed) = tools::packed(tool, options, bytes) else {
            continue;
        };
        for number in 0..60 {
            let mutated = mutate(&packed, number);
            let (unpacked, error, _) = unpack(codec, &mutated, LIMIT);
            let known = bytes.starts_with(&unpacked) || unpacked.starts_with(bytes);
            let sums = !matches!(codec, Codec::Lz4Legacy | Codec::Lzma);
            assert!(known || error.is_some() || !sums, "{codec} {number}");
            // Block by block: what is wrong does not come out.
            let blocks = matches!(codec, Codec::Bzip2 | Codec::Lzo);
            assert!(known || !blocks, "{codec} {number}: {error:?}");
        }
    }
}
