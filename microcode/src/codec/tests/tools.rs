//! What the tools of the formats write, with every option that changes the format.

use std::io::Write;
use std::process::{Command, Stdio};

use super::*;

/// Output of a tool; nothing, and a line that says so, when it is not installed.
pub(super) fn packed(tool: &str, options: &[&str], bytes: &[u8]) -> Option<Vec<u8>> {
    let mut command = Command::new(tool);
    command
        .args(options)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let Ok(mut child) = command.spawn() else {
        eprintln!("{tool} is not installed: {options:?} not run");
        return None;
    };
    let mut input = child.stdin.take().unwrap();
    let bytes = bytes.to_vec();
    let writer = std::thread::spawn(move || input.write_all(&bytes));
    let output = child.wait_with_output().unwrap();
    let _ = writer.join();
    if !output.status.success() {
        eprintln!("{tool} does not take {options:?}: not run");
        return None;
    }
    Some(output.stdout)
}

/// Bytes that do not pack.
pub(super) fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_u32;
    let next = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        (state >> 11) as u8
    });
    next.take(length).collect()
}

/// Text, numbers, noise, long runs and far repetitions.
pub(super) fn mixed() -> Vec<u8> {
    let mut bytes = Vec::new();
    for round in 0..6_u32 {
        let words = (0..9000_u32).flat_map(|n| format!("unit {:x} of {}\n", n * 7 % 331, n / 5).into_bytes());
        bytes.extend(words);
        bytes.extend((0..9000_u32).flat_map(|n| (n / 3 + round).to_le_bytes()));
        bytes.extend(noise(40_000));
        bytes.extend(vec![b'0' + round as u8; 70_000]);
        bytes.extend(b"\xe8\x10\x20\x30\x00\x90\xe9\x00\x01\x00\x00".repeat(300));
    }
    bytes
}

/// Codec, tool, options.
const CASES: [(Codec, &str, &[&str]); 48] = [
    (Codec::Gzip, "gzip", &["-1"]),
    (Codec::Gzip, "gzip", &["-9"]),
    (Codec::Gzip, "pigz", &["-p2", "-b128", "-c"]),
    (Codec::Gzip, "pigz", &["-C", "a comment", "-i", "-c"]),
    (Codec::Gzip, "pigz", &["-0", "-c"]),
    (Codec::Bzip2, "bzip2", &["-1"]),
    (Codec::Bzip2, "bzip2", &["-4"]),
    (Codec::Bzip2, "bzip2", &["-9"]),
    (Codec::Lzma, "lzma", &["-0"]),
    (Codec::Lzma, "lzma", &["-9"]),
    (Codec::Lzma, "xz", &["--format=lzma", "--lzma1=dict=64KiB,mf=hc4"]),
    (Codec::Xz, "xz", &["-0", "--check=none"]),
    (Codec::Xz, "xz", &["-6", "--check=crc32"]),
    (Codec::Xz, "xz", &["-9e", "--check=crc64"]),
    (Codec::Xz, "xz", &["-1", "--check=sha256"]),
    (Codec::Xz, "xz", &["--check=crc32", "--x86", "--lzma2=dict=512KiB"]),
    (Codec::Xz, "xz", &["--check=crc32", "--arm", "--lzma2=dict=1MiB"]),
    (
        Codec::Xz,
        "xz",
        &["--check=crc32", "--delta=dist=4", "--lzma2=preset=1"],
    ),
    (Codec::Xz, "xz", &["-1", "--block-size=100000"]),
    (Codec::Xz, "xz", &["-1", "-T2", "--block-size=65536"]),
    (Codec::Lzo, "lzop", &["-1"]),
    (Codec::Lzo, "lzop", &["-3"]),
    (Codec::Lzo, "lzop", &["-7"]),
    (Codec::Lzo, "lzop", &["-9"]),
    (Codec::Lzo, "lzop", &["--no-checksum"]),
    (Codec::Lzo, "lzop", &["--crc32"]),
    (Codec::Lzo, "lzop", &["--crc32", "-CC"]),
    (Codec::Lzo, "lzop", &["-CC"]),
    (Codec::Lz4Legacy, "lz4", &["-l", "-1"]),
    (Codec::Lz4Legacy, "lz4", &["-l", "-9"]),
    (Codec::Lz4Legacy, "lz4", &["-l", "-12"]),
    (Codec::Lz4Frame, "lz4", &["-1"]),
    (Codec::Lz4Frame, "lz4", &["-9", "-B4"]),
    (Codec::Lz4Frame, "lz4", &["-B4", "-BD"]),
    (Codec::Lz4Frame, "lz4", &["-9", "-B5", "-BD", "-BX"]),
    (Codec::Lz4Frame, "lz4", &["-B6", "-BX"]),
    (Codec::Lz4Frame, "lz4", &["-B7", "-BD", "--no-frame-crc"]),
    (Codec::Lz4Frame, "lz4", &["-12", "-B7"]),
    (Codec::Lz4Frame, "lz4", &["-B4", "-BX", "--no-frame-crc"]),
    (Codec::Zstd, "zstd", &["-1"]),
    (Codec::Zstd, "zstd", &["-3", "--no-check"]),
    (Codec::Zstd, "zstd", &["-19"]),
    (Codec::Zstd, "zstd", &["--fast=5"]),
    (Codec::Zstd, "zstd", &["--long=27", "-5"]),
    (Codec::Zstd, "zstd", &["--long=31", "-2"]),
    (Codec::Zstd, "zstd", &["--ultra", "-22"]),
    (Codec::Zstd, "zstd", &["-T2", "-B200000"]),
    (Codec::Zstd, "pzstd", &["-p2", "-c"]),
];

#[test]
fn what_every_tool_writes_is_read() {
    let bytes = mixed();
    for (codec, tool, options) in CASES {
        let Some(packed) = packed(tool, options, &bytes) else {
            continue;
        };
        assert_eq!(Codec::detect(&packed), Some(codec), "{tool} {options:?}");
        let all = [packed.as_slice(), &[0, 0, 0, 0, b'0', b'7']].concat();
        let (unpacked, error, left) = unpack(codec, &all, u64::MAX);
        assert_eq!((error, left), (None, 6), "{tool} {options:?}");
        assert!(unpacked == bytes, "{tool} {options:?}: other bytes");
    }
}

#[test]
fn nothing_packed_is_read_as_nothing() {
    for (codec, tool, options) in CASES {
        let Some(packed) = packed(tool, options, b"") else {
            continue;
        };
        assert_eq!(
            unpack(codec, &packed, u64::MAX),
            (Vec::new(), None, 0),
            "{tool} {options:?}"
        );
    }
}

#[test]
fn bzip2_blocks_of_long_runs_are_read_in_bounded_memory() {
    // 60 MB in some dozen packed bytes: more than is kept of one block.
    let zeros = vec![0; 60 << 20];
    if let Some(packed) = packed("bzip2", &["-9"], &zeros) {
        let (unpacked, error, left) = unpack(Codec::Bzip2, &packed, u64::MAX);
        assert_eq!((unpacked.len(), error, left), (zeros.len(), None, 0));
        assert!(unpacked.iter().all(|byte| *byte == 0));
    }
}

#[test]
fn a_skippable_zstd_frame_is_skipped() {
    if let Some(packed) = packed("zstd", &["-1"], b"body") {
        let skip = [0x53, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 9, 9, 9];
        let all = [&skip[..], &packed, &skip, &packed].concat();
        assert_eq!(unpack(Codec::Zstd, &all, 100), (b"bodybody".to_vec(), None, 0));
    }
}

#[test]
fn a_gzip_header_with_every_field_is_read() {
    if let Some(packed) = packed("gzip", &["-1n"], b"body") {
        let mut header = packed[..10].to_vec();
        header[3] = 0x1e;
        header.extend([3, 0, b'x', 0, 0]);
        header.extend(b"name\0comment\0");
        let sum = crc32fast::hash(&header) as u16;
        let whole = [&header[..], &sum.to_le_bytes(), &packed[10..]].concat();
        assert_eq!(unpack(Codec::Gzip, &whole, 100), (b"body".to_vec(), None, 0));
        let wrong = [&header[..], &(sum ^ 1).to_le_bytes(), &packed[10..]].concat();
        assert!(
            unpack(Codec::Gzip, &wrong, 100)
                .1
                .unwrap()
                .contains("gzip header sums to")
        );
    }
}

#[test]
fn the_size_word_behind_the_blocks_of_a_kernel_image_is_no_block() {
    if let Some(mut packed) = packed("lz4", &["-l"], b"body of an image") {
        packed.extend(16_u32.to_le_bytes());
        assert_eq!(
            unpack(Codec::Lz4Legacy, &packed, 100),
            (b"body of an image".to_vec(), None, 0)
        );
    }
}
