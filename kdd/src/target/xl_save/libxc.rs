//! The libxc stream, version 2 and 3: headers, and records of pages and CPUs.

use std::collections::BTreeMap;

use super::{Facts, Problem, hvm, pv};
use crate::damage::Damage;
use crate::memory::Source;
use crate::target::Vcpu;
use crate::target::cursor::Cursor;
use crate::target::fields::Fields;
use crate::target::paged::{Builder, Paged, Stored};

/// `marker` and `id` of the image header.
const MARK: [u8; 12] = *b"\xff\xff\xff\xff\xff\xff\xff\xffXENF";

/// Types of records.
mod record {
    pub(super) const END: u32 = 0;
    pub(super) const PAGE_DATA: u32 = 1;
    pub(super) const PV_INFO: u32 = 2;
    pub(super) const PV_VCPU_BASIC: u32 = 4;
    pub(super) const PV_VCPU_XSAVE: u32 = 6;
    pub(super) const HVM_CONTEXT: u32 = 9;
    pub(super) const PV_VCPU_MSRS: u32 = 0xc;
    pub(super) const VERIFY: u32 = 0xd;
    pub(super) const CHECKPOINT: u32 = 0xe;
    pub(super) const LAST: u32 = 0x12;
    pub(super) const OPTIONAL: u32 = 0x8000_0000;
}

/// Types of pages that have no bytes in the stream: broken, only allocated, invalid.
const WITHOUT_BYTES: std::ops::RangeInclusive<u64> = 0xd..=0xf;

/// Longest record that is not of pages; a CPU takes some kilobytes.
const LONGEST: u64 = 64 << 20;

/// Most entries of a page record: each takes 8 bytes, libxc writes 1024 at a time.
const MOST_PAGES: u64 = 4 << 20;

/// Whether the first bytes are those of a libxc stream.
pub(super) fn recognise(head: &[u8]) -> bool {
    head.starts_with(&MARK)
}

/// How the walk over the records ended.
pub(super) enum End {
    /// At the end record.
    Whole,
    /// At a checkpoint.
    Checkpoint,
    /// At what cannot be read.
    Damaged,
}

/// What the stream told so far.
#[derive(Default)]
pub(super) struct Domain {
    version: u32,
    hvm: bool,
    page: u64,
    xen: (u32, u32),
    /// Width of a guest's words and levels of page tables, of a PV guest.
    pv: Option<(u8, u8)>,
    pages: Builder,
    vcpus: BTreeMap<u32, Vcpu>,
    checkpoints: u64,
    verified: bool,
    pub(super) damage: Vec<Damage>,
}

/// What the walk gave.
pub(super) struct Taken {
    pub(super) memory: Paged,
    pub(super) vcpus: Vec<Vcpu>,
    pub(super) damage: Vec<Damage>,
    pub(super) facts: Facts,
    pub(super) description: String,
}

impl Domain {
    /// Memory and CPUs of the stream.
    pub(super) fn take(self, source: &Source) -> Taken {
        let kind = if self.hvm { "HVM or PVH" } else { "PV" };
        let mut facts = Facts::new();
        let mut fact = |name: &str, value: String| facts.push((name.to_owned(), value));
        fact("guest", kind.to_owned());
        // A converter of old streams writes its own version and a major one of 0.
        if self.xen.0 > 0 {
            fact("Xen", format!("{}.{}", self.xen.0, self.xen.1));
        }
        fact("page size", self.page.to_string());
        if let Some((width, levels)) = self.pv {
            fact(
                "page tables",
                format!("{levels} levels, words of {width} bytes, frame numbers of the guest"),
            );
        }
        if self.checkpoints > 0 {
            fact("checkpoints", self.checkpoints.to_string());
        }
        if self.verified {
            fact(
                "verification",
                "pages were sent a second time to verify them".to_owned(),
            );
        }
        let page = self.page.max(1);
        Taken {
            memory: Paged::new(source.clone(), page, self.pages.finish()),
            vcpus: self.vcpus.into_values().collect(),
            damage: self.damage,
            facts,
            description: format!("guest saved by Xen, libxc stream version {}, {kind}", self.version),
        }
    }

    fn wrong(&mut self, rule: &'static str, at: u64, expected: impl Into<String>, seen: impl Into<String>) {
        self.damage.push(Damage::file(rule, at, expected, seen));
    }

    fn vcpu(&mut self, number: u32) -> &mut Vcpu {
        self.vcpus.entry(number).or_insert_with(|| Vcpu {
            number,
            ..Vcpu::default()
        })
    }
}

/// The image header and the domain header.
pub(super) fn header(cursor: &mut Cursor<'_>, domain: &mut Domain) -> Result<(), Problem> {
    let at = cursor.at();
    let Some(bytes) = cursor.array::<40>() else {
        return Err(super::cut(cursor, "libxc-header", "headers of 40 bytes").into());
    };
    let fields = Fields(&bytes);
    if !recognise(&bytes) {
        let seen = format!("{:02x?}", fields.slice(0, 12).unwrap_or_default());
        let mut problem = Damage::file("libxc-header", at, "the mark of a libxc stream", seen);
        problem.expected.push_str(" of Xen 4.6 or later");
        return Err(problem.into());
    }
    let version = fields.array(12).map_or(0, u32::from_be_bytes);
    let options = fields.array(16).map_or(0, u16::from_be_bytes);
    if !(2..=3).contains(&version) || options & 1 != 0 {
        let seen = format!("version {version}, options {options:#x}");
        return Err(Damage::file("libxc-header", at, "version 2 or 3, little-endian", seen).into());
    }
    let (kind, shift) = (fields.u32(24).unwrap_or(0), fields.u16(28).unwrap_or(0));
    if !matches!(kind, 1 | 2) || shift != 12 {
        let seen = format!("type {kind}, shift {shift}");
        return Err(Damage::file(
            "libxc-domain",
            at.saturating_add(24),
            "an x86 PV or HVM guest, pages of 4096 bytes",
            seen,
        )
        .into());
    }
    domain.version = version;
    domain.hvm = kind == 2;
    domain.page = 4096;
    domain.pages = Builder::new(4096);
    domain.xen = (fields.u32(32).unwrap_or(0), fields.u32(36).unwrap_or(0));
    Ok(())
}

/// Walks the records to the end, to a checkpoint, or to what cannot be read.
pub(super) fn records(cursor: &mut Cursor<'_>, domain: &mut Domain) -> End {
    loop {
        let at = cursor.at();
        let Some((kind, length)) = cursor.u32_le().zip(cursor.u32_le()) else {
            let seen = format!("{} bytes to the end", cursor.left());
            domain.wrong("libxc-record", at, "a record", seen);
            return End::Damaged;
        };
        let length = u64::from(length);
        let body = cursor.at();
        match kind {
            record::END => return End::Whole,
            record::CHECKPOINT => {
                domain.checkpoints = domain.checkpoints.saturating_add(1);
                return End::Checkpoint;
            }
            record::PAGE_DATA => {
                if pages(cursor, length, domain).is_none() {
                    return End::Damaged;
                }
            }
            record::VERIFY => domain.verified = true,
            record::PV_INFO
            | record::PV_VCPU_BASIC
            | record::PV_VCPU_XSAVE
            | record::PV_VCPU_MSRS
            | record::HVM_CONTEXT => match cursor.bytes(length.min(LONGEST)) {
                Some(bytes) => state(kind, body, &bytes, domain),
                None => {
                    let seen = format!("{} bytes", cursor.left());
                    domain.wrong("libxc-record", at, format!("{length} bytes"), seen);
                    let bytes = cursor.bytes(cursor.left()).unwrap_or_default();
                    state(kind, body, &bytes, domain);
                    return End::Damaged;
                }
            },
            kind if kind <= record::LAST || kind & record::OPTIONAL != 0 => {}
            _ => {
                domain.wrong("libxc-record", at, "a known record", format!("type {kind:#x}"));
                return End::Damaged;
            }
        }
        cursor.seek(body);
        if cursor.skip(length.next_multiple_of(8)).is_none() {
            let seen = format!("{} bytes", cursor.left());
            domain.wrong("libxc-record", at, format!("{length} bytes"), seen);
            return End::Damaged;
        }
    }
}

/// A record of pages. None when it cannot be believed or is cut; pages that came whole are kept.
fn pages(cursor: &mut Cursor<'_>, length: u64, domain: &mut Domain) -> Option<()> {
    let at = cursor.at();
    let count = cursor
        .u32_le()
        .map(u64::from)
        .filter(|count| *count > 0 && *count <= MOST_PAGES && count.saturating_mul(8).saturating_add(8) <= length);
    let table = count.and_then(|count| {
        cursor.skip(4)?;
        cursor.bytes(count.saturating_mul(8))
    });
    let Some(table) = table else {
        let seen = format!("a record of {length} bytes, {} to the end", cursor.left());
        domain.wrong("libxc-pages", at, "a count and as many page numbers", seen);
        return None;
    };
    let mut place = cursor.at();
    let end = at.saturating_add(length);
    let reach = end.min(place.saturating_add(cursor.left()));
    for entry in table.chunks_exact(8) {
        let entry = Fields(entry).u64(0).unwrap_or(0);
        let (kind, frame) = (entry >> 60, entry & 0xf_ffff_ffff_ffff);
        if WITHOUT_BYTES.contains(&kind) {
            domain.pages.set(frame, 1, Stored::Gone);
            continue;
        }
        if (5..=8).contains(&kind) {
            domain.wrong(
                "libxc-pages",
                at,
                "a known type of page",
                format!("{kind:#x} of page {frame:#x}"),
            );
            return None;
        }
        let next = place.saturating_add(domain.page);
        if next > reach {
            let seen = format!("{} bytes", reach.saturating_sub(place));
            domain.wrong("libxc-pages", place, format!("page {frame:#x}"), seen);
            return None;
        }
        domain.pages.page(frame, place);
        place = next;
    }
    Some(())
}

/// A record about CPUs.
fn state(kind: u32, at: u64, bytes: &[u8], domain: &mut Domain) {
    if kind == record::PV_INFO {
        domain.pv = bytes.first().copied().zip(bytes.get(1).copied());
        return;
    }
    // Some releases wrote such records with nothing in them.
    if bytes.is_empty() {
        return;
    }
    if kind == record::HVM_CONTEXT {
        let (vcpus, damage) = hvm::vcpus(bytes, at);
        // A later checkpoint's context takes the place of an earlier one's.
        if !vcpus.is_empty() {
            domain.vcpus = vcpus.into_iter().map(|vcpu| (vcpu.number, vcpu)).collect();
        }
        domain.damage.extend(damage);
        return;
    }
    let fields = Fields(bytes);
    let Some((number, context)) = fields.u32(0).zip(bytes.get(8..)) else {
        domain.wrong(
            "libxc-vcpu",
            at,
            "the number of a vCPU",
            format!("{} bytes", bytes.len()),
        );
        return;
    };
    if context.is_empty() {
        return;
    }
    let wide = domain.pv.is_none_or(|(width, _)| width == 8);
    match kind {
        record::PV_VCPU_BASIC => match pv::vcpu(number, context, wide) {
            Some(vcpu) => *domain.vcpu(number) = vcpu,
            None => {
                let seen = format!("{} bytes", context.len());
                domain.wrong("libxc-vcpu", at, "vcpu_guest_context of the guest's width", seen);
            }
        },
        record::PV_VCPU_XSAVE => domain.vcpu(number).xcr0 = Fields(context).u64(0),
        _ => {
            for entry in context.chunks_exact(16) {
                let fields = Fields(entry);
                if let Some((register, value)) = fields.u32(0).zip(fields.u64(8)) {
                    domain.vcpu(number).msrs.insert(register, value);
                }
            }
        }
    }
}
