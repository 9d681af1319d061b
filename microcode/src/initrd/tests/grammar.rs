//! What an initrd may consist of, and what breaks it.

use std::io::Cursor;

use super::super::{Body, Kind, Member, Options, Segment, Step, Visitor, read};
use super::*;
use crate::codec::Codec;

#[test]
fn archives_zeros_and_compressed_archives_follow_each_other() {
    let mut bytes = archive(&[file("a", b"first"), trailer()]);
    bytes.resize(512, 0);
    let inner = [
        archive(&[file("b", b"x"), trailer()]),
        vec![0; 8],
        archive(&[file("c", b"yz")]),
    ];
    let packed = gzip(&inner.concat());
    bytes.extend(&packed);
    bytes.extend([0; 3]);
    let second = bytes.len();
    bytes.extend(gzip(&archive(&[file("d", b"")])));

    let (lines, summary) = whole(&bytes);
    assert_eq!(lines, ["1.1 a=first", "2.1 b=x", "2.2 c=yz", "3.1 d="]);
    assert_eq!(summary.damage, []);
    let kinds: Vec<String> = summary
        .segments
        .iter()
        .map(|segment| segment.kind.to_string())
        .collect();
    assert_eq!(kinds, ["cpio", "zeros", "gzip", "zeros", "gzip"]);
    let [cpio, zeros, main, _, last] = &summary.segments[..] else {
        panic!("five");
    };
    assert_eq!((cpio.offset, cpio.size, cpio.unpacked), (0, 244, 244));
    assert_eq!((zeros.offset, zeros.size), (244, 268));
    assert_eq!((main.offset, main.size), (512, packed.len() as u64));
    assert_eq!(main.unpacked, inner.concat().len() as u64);
    assert_eq!((main.archives, main.members), (2, 2));
    assert_eq!(last.offset, second as u64);
    assert_eq!(summary.length, bytes.len() as u64);
    let early: Vec<bool> = summary.segments.iter().map(|segment| segment.early).collect();
    assert_eq!(early, [true, true, false, false, false]);
}

#[test]
fn an_archive_may_lack_its_trailer_and_may_not_begin_at_zero() {
    let mut bytes = vec![0; 1024];
    bytes.extend(archive(&[file("a", b"1"), file("b", b"2")]));
    bytes.extend(gzip(&archive(&[file("c", b"3")])));
    let (lines, summary) = whole(&bytes);
    assert_eq!(lines, ["1.1 a=1", "1.1 b=2", "2.1 c=3"]);
    assert_eq!(summary.damage, []);
}

#[test]
fn archives_behind_a_compressed_one_are_not_seen_early() {
    let mut bytes = gzip(&archive(&[file("a", b""), trailer()]));
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes.extend(archive(&[
        file("kernel/x86/microcode/GenuineIntel.bin", b"x"),
        trailer(),
    ]));
    let (lines, summary) = whole(&bytes);
    assert_eq!(lines.len(), 2);
    assert!(summary.segments.iter().all(|segment| !segment.early));
}

#[test]
fn a_name_ends_at_its_first_nul() {
    let mut padded = file("kernel/x86/microcode/.enuineIntel.align", b"");
    padded.name.extend([0; 9]);
    let (lines, summary) = whole(&archive(&[padded, file("z", b"data"), trailer()]));
    assert_eq!(lines, ["1.1 kernel/x86/microcode/.enuineIntel.align=", "1.1 z=data"]);
    assert_eq!(summary.damage, []);
}

#[test]
fn sums_of_the_crc_format_are_verified_when_data_is_read() {
    let crc = |sum| Made {
        magic: "070702",
        sum,
        ..file("a", b"\x01\xff\x10")
    };
    assert_eq!(whole(&archive(&[crc(0x110), trailer()])).1.damage, []);
    let bytes = archive(&[crc(0x111), trailer()]);
    let (lines, summary) = whole(&bytes);
    assert_eq!((lines.len(), rules(&summary)), (1, vec![("cpio-checksum", 112)]));
    assert_eq!(summary.damage[0].damage.seen, "0x110");
    let mut skip = |_: &Segment, _: &Member, _: &mut Body<'_>| Ok(Step::Into);
    let summary = read(Cursor::new(&bytes), &Options::default(), &mut skip).unwrap();
    assert_eq!(summary.damage, []);
}

#[test]
fn cut_archives_keep_what_came_before() {
    let bytes = archive(&[file("a", b"1"), file("b", b"23456789"), trailer()]);
    let second = 116;
    for (length, lines, at) in [
        (second + 6, 1, second),
        (second + 109, 1, second),
        (second + 111, 1, second + 111),
        (second + 115, 2, second + 115),
    ] {
        let (seen, summary) = whole(&bytes[..length]);
        assert_eq!(seen.len(), lines, "{length}");
        assert_eq!(rules(&summary), [("cpio-truncated", at)], "{length}");
    }
    // Between members an archive may end.
    assert_eq!(whole(&bytes[..second]).1.damage, []);
}

#[test]
fn a_cut_member_of_a_compressed_archive_is_told_in_its_unpacked_bytes() {
    let inner = archive(&[file("a", b"1"), file("b", b"23456789")]);
    let mut bytes = gzip(&inner[..230]);
    // Two gzip members without a byte between them are one stream.
    bytes.push(0);
    bytes.extend(gzip(&archive(&[file("c", b"")])));
    let (_, summary) = whole(&bytes);
    assert_eq!(rules(&summary), [("cpio-truncated", 230)]);
    assert!(
        summary.damage[0]
            .to_string()
            .starts_with("segment 1 (gzip from 0x0) unpacked: at 0xe6:")
    );
}

#[test]
fn damage_inside_a_compressed_segment_does_not_end_the_reading() {
    let mut inner = archive(&[file("a", b"1")]);
    inner.extend(b"junk");
    let first = gzip(&inner);
    let mut bytes = first.clone();
    bytes.push(0);
    bytes.extend(gzip(&archive(&[file("c", b"2")])));
    let (lines, summary) = whole(&bytes);
    assert_eq!(lines, ["1.1 a=1", "2.1 c=2"]);
    assert_eq!(rules(&summary), [("cpio-magic", 116)]);
    assert_eq!(summary.segments[0].unpacked, inner.len() as u64);
}

#[test]
fn a_damaged_stream_ends_the_reading_and_says_its_error_once() {
    let mut bytes = gzip(&archive(&[file("a", &[b'x'; 9000]), trailer()]));
    let end = bytes.len();
    bytes[end - 6] ^= 1;
    bytes.extend(b"more");
    let (lines, summary) = whole(&bytes);
    assert_eq!(lines.len(), 1);
    assert_eq!(rules(&summary).len(), 1, "{:?}", summary.damage);
    assert_eq!(summary.damage[0].damage.rule, "codec");
    let size: u64 = summary.segments.iter().map(|segment| segment.size).sum();
    assert_eq!(size, bytes.len() as u64);
}

#[test]
fn names_and_data_that_linux_skips_are_reported() {
    let mut nameless = file("", b"1");
    nameless.name.clear();
    let mut open = file("ab", b"2");
    open.name = b"abc".to_vec();
    let members = [
        nameless,
        open,
        made("dir", 0o040_755, b"3"),
        file("last", b"4"),
        Made {
            data: b"5".to_vec(),
            ..trailer()
        },
    ];
    let (lines, summary) = whole(&archive(&members));
    assert_eq!(lines, ["1.1 =1", "1.1 abc=2", "1.1 dir=3", "1.1 last=4"]);
    let names: Vec<_> = rules(&summary).into_iter().map(|(rule, _)| rule).collect();
    assert_eq!(names, ["cpio-name-size", "cpio-name-end", "cpio-data", "cpio-data"]);
}

#[test]
fn a_header_elsewhere_than_at_a_multiple_of_four_is_reported() {
    let mut bytes = vec![0; 6];
    bytes.extend(archive(&[file("a", b"1"), trailer()]));
    let (lines, summary) = whole(&bytes);
    assert_eq!(lines.len(), 1);
    assert_eq!(rules(&summary)[0], ("cpio-alignment", 6));
    assert!(!summary.segments[1].early);
}

#[test]
fn other_data_is_named_and_ends_the_reading() {
    for (data, kind) in [
        (&b"070707 old"[..], "old portable cpio (Linux wants newc)"),
        (b"hsqs....", "squashfs"),
        (b"\xde\xad", "unknown data"),
    ] {
        let mut bytes = archive(&[file("a", b"1"), trailer()]);
        let end = bytes.len();
        bytes.extend(data);
        let (lines, summary) = whole(&bytes);
        assert_eq!(lines.len(), 1);
        assert_eq!(rules(&summary), [("initrd-unknown-data", end)]);
        assert_eq!(summary.segments[1].kind.to_string(), kind);
        assert_eq!(summary.segments[1].size, data.len() as u64);
    }
}

#[test]
fn a_bad_digit_ends_the_reading_at_its_field() {
    let mut bytes = archive(&[file("a", b"1"), file("b", b"2"), trailer()]);
    bytes[116 + 15] = b'?';
    let (lines, summary) = whole(&bytes);
    assert_eq!(lines.len(), 1);
    assert_eq!(rules(&summary), [("cpio-header", 116 + 14)]);
    assert_eq!(summary.segments.len(), 2);
}

#[test]
fn bootconfig_behind_the_archives_is_known() {
    let text = b"kernel.x = 1\n\0\0\0";
    let mut bytes = archive(&[file("a", b"1"), trailer()]);
    bytes.extend(text);
    bytes.extend(16u32.to_le_bytes());
    let sum: u32 = text.iter().map(|byte| u32::from(*byte)).sum();
    bytes.extend(sum.to_le_bytes());
    bytes.extend(b"#BOOTCONFIG\n");
    let (_, summary) = whole(&bytes);
    assert_eq!(summary.damage, []);
    assert_eq!(summary.segments[1].kind, Kind::Bootconfig);
    assert_eq!(summary.segments[1].size, 36);
}

#[test]
fn what_unpacks_to_too_much_ends() {
    let options = Options {
        unpacked_max: 100_000,
        ..Options::default()
    };
    let bytes = gzip(&archive(&[file("a", &[0; 300_000]), trailer()]));
    let mut list = |_: &Segment, _: &Member, _: &mut Body<'_>| Ok(Step::Into);
    let summary = read(Cursor::new(&bytes), &options, &mut list).unwrap();
    assert_eq!(rules(&summary).len(), 1);
    assert!(summary.damage[0].damage.seen.contains("may be unpacked"));
}

#[test]
fn a_hostile_number_of_damages_is_counted_and_not_kept() {
    let members = vec![made("dir", 0o040_755, b"3"); 1000];
    let (_, summary) = whole(&archive(&members));
    assert_eq!(summary.damage.len() as u64 + summary.more_damage, 1000);
    assert!(summary.damage.len() < 500);
}

#[test]
fn the_early_part_alone_is_read_on_wish() {
    let mut bytes = archive(&[file("a", b"1"), trailer()]);
    bytes.extend(b"\x28\xb5 not Zstandard at all");
    let options = Options {
        early_only: true,
        ..Options::default()
    };
    let mut list = |_: &Segment, _: &Member, _: &mut Body<'_>| Ok(Step::Into);
    let summary = read(Cursor::new(&bytes), &options, &mut list).unwrap();
    assert!(summary.stopped);
    assert_eq!((summary.segments.len(), summary.damage.len()), (1, 0));
}

#[test]
fn a_visitor_leaves_a_segment_or_stops() {
    struct Chooser(Vec<String>);
    impl Visitor for Chooser {
        fn segment(&mut self, segment: &Segment) -> std::io::Result<Step> {
            Ok(if segment.codec() == Some(Codec::Gzip) {
                Step::Over
            } else {
                Step::Into
            })
        }
        fn member(&mut self, _: &Segment, member: &Member, _: &mut Body<'_>) -> std::io::Result<Step> {
            self.0.push(member.name.to_string());
            Ok(match member.name.0.as_slice() {
                b"over" => Step::Over,
                b"stop" => Step::Stop,
                _ => Step::Into,
            })
        }
    }
    let mut bytes = archive(&[file("a", b"1"), file("over", b""), file("b", b""), trailer()]);
    bytes.extend(gzip(&archive(&[file("packed", b"2"), trailer()])));
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes.extend(archive(&[file("stop", b"3"), file("c", b""), trailer()]));
    let mut chooser = Chooser(Vec::new());
    let summary = read(Cursor::new(&bytes), &Options::default(), &mut chooser).unwrap();
    assert_eq!(chooser.0, ["a", "over", "stop"]);
    assert!(summary.stopped);
}
