//! Initrds made here, read whole.

mod cat;
mod extract;
mod grammar;
mod layouts;
mod repack;

use std::fmt::Write as _;
use std::io::{Cursor, Read, Write};

use super::{Body, Member, Options, Segment, Step, Summary, read};

/// A member by hand: its header's numbers in their order, with own constants.
#[derive(Clone)]
pub(super) struct Made {
    pub magic: &'static str,
    pub ino: u32,
    pub mode: u32,
    pub nlink: u32,
    pub name: Vec<u8>,
    pub data: Vec<u8>,
    pub sum: u32,
}

pub(super) fn made(name: &str, mode: u32, data: &[u8]) -> Made {
    let mut name = name.as_bytes().to_vec();
    name.push(0);
    Made {
        magic: "070701",
        ino: 1,
        mode,
        nlink: 1,
        name,
        data: data.to_vec(),
        sum: 0,
    }
}

pub(super) fn file(name: &str, data: &[u8]) -> Made {
    made(name, 0o100_644, data)
}

pub(super) fn link(name: &str, ino: u32, data: &[u8]) -> Made {
    Made {
        ino,
        nlink: 2,
        ..file(name, data)
    }
}

pub(super) fn trailer() -> Made {
    made("TRAILER!!!", 0, b"")
}

/// Members one after the other, padded to four bytes.
pub(super) fn archive(members: &[Made]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for member in members {
        let mut head = String::from(member.magic);
        let size = u32::try_from(member.data.len()).unwrap();
        let name_size = u32::try_from(member.name.len()).unwrap();
        for number in [
            member.ino,
            member.mode,
            0,
            0,
            member.nlink,
            1_700_000_000,
            size,
            8,
            1,
            5,
            1,
            name_size,
            member.sum,
        ] {
            write!(head, "{number:08X}").unwrap();
        }
        bytes.extend(head.as_bytes());
        bytes.extend(&member.name);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes.extend(&member.data);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
    }
    bytes
}

pub(super) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Lines `segment.archive name=data` of all members, and the summary.
pub(super) fn whole(bytes: &[u8]) -> (Vec<String>, Summary) {
    let mut lines = Vec::new();
    let mut list = |_: &Segment, member: &Member, body: &mut Body<'_>| {
        let mut data = Vec::new();
        let result = body.read_to_end(&mut data);
        let (segment, archive) = (member.segment, member.archive);
        let data = data.escape_ascii();
        lines.push(format!("{segment}.{archive} {}={data}", member.name));
        result.map(|_| Step::Into)
    };
    let summary = read(Cursor::new(bytes), &Options::default(), &mut list).unwrap();
    (lines, summary)
}

/// Rule and offset of all damage.
pub(super) fn rules(summary: &Summary) -> Vec<(&'static str, usize)> {
    let damage = summary.damage.iter();
    damage
        .map(|broken| (broken.damage.rule, broken.damage.offset))
        .collect()
}
