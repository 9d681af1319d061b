//! Pages of a kdump-compressed file: the bitmap of dumped pages tells which there are, and the number of
//! dumped pages before one tells its descriptor.

use std::sync::{Mutex, PoisonError};

use flate2::{Decompress, FlushDecompress, Status};

use super::header::{DESCRIPTOR, Header, INCOMPLETE};
use crate::damage::Damage;
use crate::memory::{Gpa, PhysicalMemory, Run, Source};
use crate::target::fields::{Fields, size, wide};

/// Flags of a descriptor: how its page is compressed.
const ZLIB: u32 = 1;
const LZO: u32 = 2;
const SNAPPY: u32 = 4;
const ZSTD: u32 = 0x20;

/// Names of the compressions in a status or a descriptor.
pub(super) fn compression(flags: u32) -> &'static str {
    match flags & (ZLIB | LZO | SNAPPY | ZSTD) {
        0 => "not compressed",
        ZLIB => "zlib",
        LZO => "lzo",
        SNAPPY => "snappy",
        ZSTD => "zstd",
        _ => "more than one compression",
    }
}

/// Where a page's bytes stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Descriptor {
    offset: u64,
    length: u32,
    flags: u32,
}

/// Bytes of the bitmap and of the descriptors that are read at a time.
const STEP: usize = 0x1_0000;
/// Descriptors that are kept.
const KEPT: u64 = 128;
/// Uncompressed pages that are kept.
const PAGES: usize = 64;

/// What was read last.
struct Cache {
    /// Number of the first descriptor kept.
    first: u64,
    descriptors: Vec<u8>,
    /// Offset in the file of a page's compressed bytes, and the page; by offset, since pages may share
    /// their bytes. Place: by offset.
    pages: Vec<(u64, Vec<u8>)>,
}

/// Memory of a kdump-compressed file.
pub(super) struct Pages {
    source: Source,
    block: u64,
    descriptors: u64,
    runs: Vec<Run>,
    /// For each run the number of the descriptor of its first page.
    ranks: Vec<u64>,
    cache: Mutex<Cache>,
}

impl Pages {
    /// Reads the bitmap. `held` is the number of bytes that there really are: the length of a flattened
    /// file's inside is only what its pieces say.
    pub(super) fn new(source: Source, header: &Header, held: u64, damage: &mut Vec<Damage>) -> Self {
        let mut scan = Scan::new(header, source.len().saturating_sub(header.descriptors).min(held));
        let (start, length) = header.bitmap;
        let asked = length.min(header.frames.div_ceil(8));
        let seen = scan.bitmap(&source, start, asked.min(held));
        if seen < asked {
            let found = format!("{seen} bytes");
            damage.push(Damage::file("kdump-bitmap", start, format!("{asked} bytes"), found));
        }
        if scan.without > 0 {
            let expected = format!("descriptors of {} pages", scan.rank.saturating_add(scan.without));
            let seen = format!("{} in the file", scan.rank);
            damage.push(Damage::file("kdump-descriptors", header.descriptors, expected, seen));
        }
        let (runs, ranks) = (scan.runs, scan.ranks);
        let mut pages = Self {
            source,
            block: header.block,
            descriptors: header.descriptors,
            runs,
            ranks,
            cache: Mutex::new(Cache {
                first: 0,
                descriptors: Vec::new(),
                pages: Vec::new(),
            }),
        };
        let dumped = scan.rank;
        if header.status & INCOMPLETE != 0 || !pages.whole(dumped.saturating_sub(wide(STEP) / DESCRIPTOR), dumped) {
            pages.drop_lost(dumped, damage);
        }
        pages
    }

    /// Descriptors from `first` on, at most a step of them.
    fn block_of(&self, first: u64, end: u64) -> Vec<Descriptor> {
        let count = end.saturating_sub(first).min(wide(STEP) / DESCRIPTOR);
        let offset = self.descriptors.saturating_add(first.saturating_mul(DESCRIPTOR));
        let bytes = self.source.bytes(offset, size(count.saturating_mul(DESCRIPTOR)));
        bytes.chunks_exact(size(DESCRIPTOR)).filter_map(descriptor).collect()
    }

    /// Whether the file holds what a descriptor names. One that was never written is all zeroes.
    fn holds(&self, descriptor: Descriptor) -> bool {
        let end = descriptor.offset.checked_add(u64::from(descriptor.length));
        descriptor.offset != 0 && end.is_some_and(|end| end <= self.source.len())
    }

    /// Whether all of these pages are in the file.
    fn whole(&self, first: u64, end: u64) -> bool {
        self.block_of(first, end)
            .iter()
            .all(|descriptor| self.holds(*descriptor))
    }

    /// Takes the pages out whose bytes are not in the file.
    fn drop_lost(&mut self, dumped: u64, damage: &mut Vec<Damage>) {
        let mut kept = Kept::default();
        let mut lost = 0u64;
        let mut block: std::vec::IntoIter<Descriptor> = Vec::new().into_iter();
        for (run, rank) in self.runs.iter().zip(&self.ranks) {
            for page in 0..run.length.checked_div(self.block).unwrap_or(0) {
                let number = rank.saturating_add(page);
                let found = block.next().or_else(|| {
                    block = self.block_of(number, dumped).into_iter();
                    block.next()
                });
                if found.is_some_and(|descriptor| self.holds(descriptor)) {
                    let start = run.start.plus(page.saturating_mul(self.block));
                    kept.push(start, self.block, number);
                } else {
                    lost = lost.saturating_add(1);
                }
            }
        }
        if lost > 0 {
            let expected = format!("bytes of {dumped} pages");
            let seen = format!("{lost} pages of them missing");
            damage.push(Damage::file("kdump-pages", self.source.len(), expected, seen));
        }
        kept.runs.shrink_to_fit();
        kept.ranks.shrink_to_fit();
        (self.runs, self.ranks) = (kept.runs, kept.ranks);
    }

    /// The run that holds an address, the bytes left in it, and the number of the page's descriptor.
    fn find(&self, at: u64) -> Option<(u64, u64)> {
        let index = self.runs.partition_point(|run| run.start.0 <= at).checked_sub(1)?;
        let (run, rank) = (self.runs.get(index)?, self.ranks.get(index)?);
        let inside = at.checked_sub(run.start.0).filter(|inside| *inside < run.length)?;
        let number = rank.checked_add(inside.checked_div(self.block)?)?;
        Some((number, inside.checked_rem(self.block)?))
    }

    /// The descriptor with a number, from those kept or with those that follow it.
    fn descriptor(&self, number: u64, cache: &mut Cache) -> Option<Descriptor> {
        let length = size(DESCRIPTOR);
        let inside = number
            .checked_sub(cache.first)
            .map(|inside| size(inside).saturating_mul(length));
        if let Some(bytes) = inside.and_then(|inside| Fields(&cache.descriptors).slice(inside, length)) {
            return descriptor(bytes);
        }
        let offset = self.descriptors.checked_add(number.checked_mul(DESCRIPTOR)?)?;
        cache.first = number;
        cache.descriptors = self.source.bytes(offset, size(KEPT.saturating_mul(DESCRIPTOR)));
        descriptor(cache.descriptors.get(..length)?)
    }

    /// Uncompresses a page.
    fn unpack(&self, descriptor: Descriptor) -> Option<Vec<u8>> {
        let block = size(self.block);
        let length = usize::try_from(descriptor.length).ok()?;
        // Nothing that was compressed is larger than what some compressors need at worst.
        if length > block.saturating_mul(2) || length == 0 {
            return None;
        }
        let packed = self.source.bytes(descriptor.offset, length);
        if packed.len() < length {
            return None;
        }
        let kind = descriptor.flags & (ZLIB | LZO | SNAPPY | ZSTD);
        if kind == 0 {
            return (packed.len() == block).then_some(packed);
        }
        let mut page = vec![0; block];
        let seen = match kind {
            ZLIB => {
                let mut inflate = Decompress::new(true);
                let status = inflate.decompress(&packed, &mut page, FlushDecompress::Finish).ok()?;
                (status == Status::StreamEnd).then_some(size(inflate.total_out()))
            }
            LZO => lzokay::decompress::decompress(&packed, &mut page).ok(),
            SNAPPY => snap::raw::Decoder::new().decompress(&packed, &mut page).ok(),
            ZSTD => zstd_safe::decompress(page.as_mut_slice(), &packed).ok(),
            _ => None,
        }?;
        (seen == block).then_some(page)
    }

    /// Copies from a page into the buffer; gives the bytes, none where the page cannot be had.
    fn copy(&self, number: u64, inside: u64, buffer: &mut [u8]) -> Option<usize> {
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        let descriptor = self.descriptor(number, &mut cache)?;
        let slot = size(descriptor.offset.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 48) % PAGES;
        if cache.pages.is_empty() {
            cache.pages.resize(PAGES, (0, Vec::new()));
        }
        let kept = cache.pages.get_mut(slot)?;
        if kept.0 != descriptor.offset || kept.1.is_empty() {
            *kept = (descriptor.offset, self.unpack(descriptor)?);
        }
        let from = kept.1.get(size(inside)..)?;
        let count = from.len().min(buffer.len());
        buffer.get_mut(..count)?.copy_from_slice(from.get(..count)?);
        Some(count)
    }
}

impl PhysicalMemory for Pages {
    fn read(&self, at: Gpa, buffer: &mut [u8]) -> usize {
        let mut done = 0usize;
        while let Some(rest) = buffer.get_mut(done..).filter(|rest| !rest.is_empty()) {
            let place = at.0.checked_add(wide(done));
            let Some((number, inside)) = place.and_then(|place| self.find(place)) else {
                break;
            };
            let Some(count) = self.copy(number, inside, rest).filter(|count| *count > 0) else {
                break;
            };
            done = done.saturating_add(count);
        }
        done
    }

    fn runs(&self) -> &[Run] {
        &self.runs
    }
}

fn descriptor(bytes: &[u8]) -> Option<Descriptor> {
    let fields = Fields(bytes);
    Some(Descriptor {
        offset: fields.u64(0)?,
        length: fields.u32(8)?,
        flags: fields.u32(12)?,
    })
}

/// Runs with the numbers of their first descriptors, as they grow.
#[derive(Default)]
struct Kept {
    runs: Vec<Run>,
    ranks: Vec<u64>,
    /// Number behind the last run's last descriptor.
    next: u64,
}

impl Kept {
    /// A page of `block` bytes whose descriptor has this number. A gap in the numbers begins a run of
    /// its own, though runs may then touch: only pages lost in between make one, so they never do.
    fn push(&mut self, start: Gpa, block: u64, number: u64) {
        match self.runs.last_mut() {
            Some(last) if last.end() == start && self.next == number => {
                last.length = last.length.saturating_add(block);
            }
            _ => {
                self.runs.push(Run { start, length: block });
                self.ranks.push(number);
            }
        }
        self.next = number.saturating_add(1);
    }
}

/// Walk over the bitmap.
struct Scan {
    runs: Vec<Run>,
    ranks: Vec<u64>,
    /// Dumped pages so far.
    rank: u64,
    /// Descriptors that fit in the file.
    fit: u64,
    /// Dumped pages whose descriptors do not.
    without: u64,
    block: u64,
    first: u64,
    end: u64,
}

impl Scan {
    fn new(header: &Header, bytes: u64) -> Self {
        let (first, end) = header.split.unwrap_or((0, u64::MAX));
        let reach = u64::MAX.checked_div(header.block).unwrap_or(0);
        Self {
            runs: Vec::new(),
            ranks: Vec::new(),
            rank: 0,
            fit: bytes / DESCRIPTOR,
            without: 0,
            block: header.block,
            first,
            end: end.min(header.frames).min(reach),
        }
    }

    /// Reads the bitmap; gives the bytes that were there.
    fn bitmap(&mut self, source: &Source, start: u64, length: u64) -> u64 {
        let mut done = 0u64;
        while done < length {
            let step = wide(STEP).min(length.saturating_sub(done));
            let bytes = source.bytes(start.saturating_add(done), size(step));
            if bytes.is_empty() {
                break;
            }
            self.piece(done, &bytes);
            done = done.saturating_add(wide(bytes.len()));
        }
        done
    }

    /// Takes the bits of a piece that starts at a byte of the bitmap.
    fn piece(&mut self, start: u64, bytes: &[u8]) {
        let mut frame = start.saturating_mul(8);
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word.iter_mut().zip(chunk).for_each(|(to, from)| *to = *from);
            let mut bits = u64::from_le_bytes(word);
            let mut at = frame;
            // Ones and zeroes in turn, each stretch at once.
            while bits != 0 {
                let skip = u64::from(bits.trailing_zeros());
                bits = bits.checked_shr(bits.trailing_zeros()).unwrap_or(0);
                let ones = bits.trailing_ones();
                at = at.saturating_add(skip);
                self.stretch(at, u64::from(ones));
                at = at.saturating_add(u64::from(ones));
                bits = bits.checked_shr(ones).unwrap_or(0);
            }
            frame = frame.saturating_add(64);
        }
    }

    /// Frames that are dumped.
    fn stretch(&mut self, start: u64, count: u64) {
        let (from, to) = (start.max(self.first), start.saturating_add(count).min(self.end));
        let count = to.saturating_sub(from);
        let fits = count.min(self.fit.saturating_sub(self.rank));
        self.without = self.without.saturating_add(count.saturating_sub(fits));
        if fits == 0 {
            return;
        }
        let start = Gpa(from.saturating_mul(self.block));
        let length = fits.saturating_mul(self.block);
        match self.runs.last_mut() {
            Some(last) if last.end() == start => last.length = last.length.saturating_add(length),
            _ => {
                self.runs.push(Run { start, length });
                self.ranks.push(self.rank);
            }
        }
        self.rank = self.rank.saturating_add(fits);
    }
}
