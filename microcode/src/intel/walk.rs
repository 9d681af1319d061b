//! From update to update through a file, also past a broken one.
//!
//! An update whose checksum is right is taken at its size. Where it is wrong, or the update would end
//! behind the file, its length may be what is damaged: the next update that is whole or whose header
//! is in order is searched, byte by byte, and the walk goes on there. Every step begins behind the
//! one before, so the listed updates never overlap.

use crate::bytes::sum;
use crate::damage::Damage;
use crate::ids::Revision;
use crate::intel::header::{HEADER, Header};
use crate::intel::sums::Sums;
use crate::intel::{File, Update, looks_like, metadata, rules, table};

/// The walk and what it found so far.
pub(super) struct Walk<'a> {
    bytes: &'a [u8],
    sums: Sums<'a>,
    at: usize,
    file: File,
}

impl<'a> Walk<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            sums: Sums::new(bytes),
            at: 0,
            file: File::default(),
        }
    }

    pub(super) fn run(mut self) -> File {
        while let Some(rest) = self.bytes.get(self.at..).filter(|rest| !rest.is_empty()) {
            match Header::read(rest) {
                None => self.tail(rest.len()),
                Some(header) if header.looks_like_one() || header.resembles_one(rest.len()) => {
                    self.update(rest, &header);
                }
                Some(_) => self.skip(rest.len()),
            }
        }
        self.file
    }

    fn tail(&mut self, length: usize) {
        let damage = Damage::new(self.at, "update header of 48 bytes", format!("{length} bytes"));
        self.file.damage.push(damage.rule(rules::TAIL.id));
        self.at = self.bytes.len();
    }

    /// Something that is no update, up to the next one or the end.
    fn skip(&mut self, length: usize) {
        let next = self.find(self.at.saturating_add(1), self.bytes.len(), false);
        let seen = next.map_or_else(
            || format!("{length} bytes of something else"),
            |next| {
                let length = next.saturating_sub(self.at);
                format!("{length} bytes of something else; an update begins at {next:#x}")
            },
        );
        let damage = Damage::new(self.at, "update header or end of file", seen);
        self.file.damage.push(damage.rule(rules::TAIL.id));
        self.at = next.unwrap_or(self.bytes.len());
    }

    fn update(&mut self, rest: &[u8], header: &Header) {
        let mut damage = Vec::new();
        versions(self.at, header, &mut damage);
        sizes(self.at, header, rest.len(), &mut damage);
        let fits = header.fits(rest.len());
        let left = if fits { self.sums.sum(self.at, header.body()) } else { 0 };
        checksum(self.at, header, left, &mut damage);
        let end = self.at.saturating_add(header.total());
        let next = if fits && left == 0 {
            None
        } else {
            let limit = if fits { end } else { self.bytes.len() };
            // Where the file goes on at the end, only a whole update inside tells that the length is
            // wrong and not some other word.
            let whole = fits && self.begins(end);
            self.find(self.at.saturating_add(HEADER), limit, whole)
        };
        let length = match next {
            Some(next) => {
                let expected = format!("the next update at {end:#x}");
                let remark = Damage::new(next, expected, "an update header here");
                damage.push(remark.rule(rules::NEXT.id));
                next.saturating_sub(self.at)
            }
            None if fits => header.total(),
            None => rest.len(),
        };
        let used = rest.get(..length).unwrap_or(rest);
        let whole = fits && next.is_none();
        self.file.updates.push(decode(self.at, header, used, whole, damage));
        self.at = self.at.saturating_add(length.max(1));
    }

    /// Whether the file ends here or goes on with an update.
    fn begins(&self, at: usize) -> bool {
        at == self.bytes.len() || self.bytes.get(at..).is_some_and(looks_like)
    }

    /// The next update header from `from` on and before `limit` whose update is whole or, unless only
    /// that will do, that is in order.
    fn find(&mut self, from: usize, limit: usize, only_whole: bool) -> Option<usize> {
        self.sums.repeat();
        let mut at = from;
        loop {
            let rest = self.bytes.get(at..limit)?;
            let versions = |word: &[u8]| matches!(word, [1 | 2, 0, 0, 0]);
            at = at.saturating_add(rest.windows(4).position(versions)?);
            let rest = self.bytes.get(at..)?;
            let header = Header::read(rest)?;
            let fits = header.looks_like_one() && header.fits(rest.len());
            let whole = fits && self.sums.sum(at, header.body()) == 0;
            if whole || (!only_whole && header.is_in_order(rest.len())) {
                return Some(at);
            }
            at = at.saturating_add(1);
        }
    }
}

/// The update at `offset` alone, as long as its header says; what lies behind is not looked at.
pub(super) fn one(bytes: &[u8], offset: usize) -> Option<Update> {
    let rest = bytes.get(offset..)?;
    let header = Header::read(rest)?;
    let mut damage = Vec::new();
    versions(offset, &header, &mut damage);
    sizes(offset, &header, rest.len(), &mut damage);
    let fits = header.fits(rest.len());
    let covered = rest.get(..header.body()).filter(|_| fits).unwrap_or_default();
    checksum(offset, &header, sum(covered), &mut damage);
    let used = rest.get(..header.total().max(HEADER)).unwrap_or(rest);
    Some(decode(offset, &header, used, fits, damage))
}

/// `left` is what header and data sum to.
fn checksum(at: usize, header: &Header, left: u32, damage: &mut Vec<Damage>) {
    if left != 0 {
        let expected = format!("checksum {:#010x}", header.checksum.wrapping_sub(left));
        let broken = Damage::new(at.saturating_add(16), expected, format!("{:#010x}", header.checksum));
        damage.push(broken.rule(rules::CHECKSUM.id));
    }
}

fn versions(at: usize, header: &Header, damage: &mut Vec<Damage>) {
    if !matches!(header.version, 1 | 2) {
        let expected = "header version 1 (microcode) or 2 (In-Field-Scan)";
        let broken = Damage::new(at, expected, header.version.to_string());
        damage.push(broken.rule(rules::HEADER_VERSION.id));
    }
    if header.loader != 1 {
        let at = at.saturating_add(20);
        let broken = Damage::new(at, "loader revision 1", header.loader.to_string());
        damage.push(broken.rule(rules::LOADER_VERSION.id));
    }
}

fn sizes(at: usize, header: &Header, room: usize, damage: &mut Vec<Damage>) {
    let (body, total) = (header.body(), header.total());
    let total_at = at.saturating_add(32);
    if total < body {
        let expected = format!("total size of at least {body} (header and data)");
        let broken = Damage::new(total_at, expected, total.to_string());
        damage.push(broken.rule(rules::TOTAL_SIZE.id));
    }
    if !total.is_multiple_of(1024) {
        let broken = Damage::new(total_at, "total size in multiples of 1024", total.to_string());
        damage.push(broken.rule(rules::TOTAL_MULTIPLE.id));
    }
    if !header.data().is_multiple_of(4) {
        let at = at.saturating_add(28);
        let broken = Damage::new(at, "data size in multiples of 4", header.data().to_string());
        damage.push(broken.rule(rules::DATA_MULTIPLE.id));
    }
    if room < total {
        let at = at.saturating_add(room);
        let broken = Damage::new(at, format!("{total} bytes of update"), format!("{room} bytes"));
        damage.push(broken.rule(rules::TRUNCATED.id));
    }
}

fn decode(offset: usize, header: &Header, used: &[u8], whole: bool, mut damage: Vec<Damage>) -> Update {
    let mut remarks = remarks(offset, header);
    let mut extended = Vec::new();
    let mut metadata = metadata::Metadata::default();
    if whole {
        metadata = metadata::read(offset, header, used);
        if let Some(behind) = used.get(header.body()..).filter(|behind| !behind.is_empty()) {
            let table = table::read(offset.saturating_add(header.body()), behind, header);
            damage.extend(table.damage);
            remarks.extend(table.remarks);
            extended = table.targets;
        }
        if header.version == 2 && metadata.scan.is_none() {
            let at = offset.saturating_add(36);
            let seen = format!("{} bytes of metadata without it", header.metadata);
            let broken = Damage::new(at, "metadata block of type 1", seen);
            damage.push(broken.rule(rules::SCAN_METADATA.id));
        }
    }
    remarks.append(&mut metadata.remarks);
    Update {
        offset,
        size: used.len(),
        header_version: header.version,
        loader_version: header.loader,
        revision: Revision(header.revision),
        date: header.date(),
        target: header.target(),
        extended,
        minimum_revision: (header.minimum != 0).then_some(Revision(header.minimum)),
        data_size: header.data(),
        metadata: metadata.blocks,
        scan: metadata.scan,
        damage,
        remarks,
    }
}

/// What is odd about a header and no reason to call it damaged.
fn remarks(offset: usize, header: &Header) -> Vec<Damage> {
    let mut remarks = Vec::new();
    let mut say = |odd: bool, at: usize, expected: &str, seen: String, rule: &'static str| {
        if odd {
            remarks.push(Damage::new(offset.saturating_add(at), expected, seen).rule(rule));
        }
    };
    let hex = |word: u32| format!("{word:#010x}");
    let date = header.date;
    say(
        !is_date(date),
        8,
        "month, day, year",
        header.date().to_string(),
        rules::DATE.id,
    );
    say(header.revision == 0, 4, "revision", hex(0), rules::REVISION.id);
    say(
        header.signature == 0,
        12,
        "processor signature",
        hex(0),
        rules::SIGNATURE.id,
    );
    let platforms = header.platforms;
    say(
        platforms > 0xff,
        24,
        "platforms in 8 bits",
        hex(platforms),
        rules::PLATFORMS.id,
    );
    let data = header.data();
    say(
        data < HEADER,
        28,
        "at least 48",
        data.to_string(),
        rules::DATA_MINIMUM.id,
    );
    let total = header.total_field;
    let default = header.data_field == 0 && !matches!(total, 0 | 2048);
    say(
        default,
        32,
        "0 or 2048 with a data size of 0",
        total.to_string(),
        rules::DEFAULT_SIZE.id,
    );
    say(header.reserved != 0, 44, "0", hex(header.reserved), rules::RESERVED.id);
    remarks
}

/// Binary coded decimals, 1995-01-01 or later, day 31 at most whatever the month.
fn is_date(field: u32) -> bool {
    let [low, high, day, month] = field.to_le_bytes();
    let decimal = field.to_le_bytes().iter().all(|byte| byte & 15 <= 9 && byte >> 4 <= 9);
    let year = u16::from_le_bytes([low, high]);
    decimal && year >= 0x1995 && (1..=0x12).contains(&month) && (1..=0x31).contains(&day)
}
