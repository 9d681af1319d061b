//! One small text, packed by every tool.

use super::Codec;

/// The text.
pub(super) const TEXT: &[u8] = b"The lid comes off. The lid comes off. The lid comes off. \n";

/// Codec, what packed it, and the bytes in hex.
pub(super) const PACKED: [(Codec, &str, &str); 9] = [
    (
        Codec::Gzip,
        "gzip",
        "1f8b08000000000002030bc94855c8c94c5148cecf4d2d56c84f4bd35308214a880b0011ee6a0c3a\
         000000",
    ),
    (
        Codec::Bzip2,
        "bzip2",
        "425a683131415926535905a358a300000953800010400104000f66880020003100000aff5491e88c\
         69174b0a7c9b621a69c4a9b532f10a6dd17724538509005a358a30",
    ),
    (
        Codec::Lzma,
        "lzma",
        "5d00001000ffffffffffffffff002a1a08a202fbf9e59711288907ae5185c0e2bf8c90c4b8c9963e\
         23ffffe2ed8000",
    ),
    (
        Codec::Lzma,
        "lzma of known size",
        "5d000001003a00000000000000002a1a08a202fbf9e59711288907ae5185c1088ca1967ae0643216\
         07fffefe5800",
    ),
    (
        Codec::Xz,
        "xz",
        "fd377a585a0000016922de360200210110000000a8708e86e00039001c5d002a1a08a202fbf9e597\
         11288907ae5185c0e2bf8c90c4b8c9586800000011ee6a0c0001343a6e9fa05d9042990d01000000\
         0001595a",
    ),
    (
        Codec::Lzo,
        "lzop",
        "894c5a4f000d0a1a0a104020a0094002010300000d000000006b01ad6900000000002a2302ef0000\
         003a0000003042ed13190001546865206c696420636f6d6573206f66662e2032480000016865206c\
         696420636f6d6573206f66662e200a11000000000000",
    ),
    (
        Codec::Lz4Legacy,
        "lz4",
        "02214c181e000000ff04546865206c696420636f6d6573206f66662e2013000f5066662e200a",
    ),
    (
        Codec::Lz4Frame,
        "lz4",
        "04224d186440a71e000000ff04546865206c696420636f6d6573206f66662e2013000f5066662e20\
         0a00000000158263d6",
    ),
    (
        Codec::Zstd,
        "zstd",
        "28b52ffd0458d50000a0546865206c696420636f6d6573206f66662e200a0100db33c395efeb81",
    ),
];

/// The packed texts.
pub(super) fn all() -> Vec<(Codec, &'static str, Vec<u8>)> {
    PACKED
        .iter()
        .map(|(codec, name, hex)| (*codec, *name, bytes(hex)))
        .collect()
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex
        .bytes()
        .map(|digit| (digit as char).to_digit(16).unwrap() as u8)
        .collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}
