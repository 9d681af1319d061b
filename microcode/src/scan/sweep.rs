//! From anchors to updates.

use std::ops::Range;

use crate::amd;
use crate::bytes::{size, sum, u16_at, u32_at};
use crate::found::Update;

use super::anchor::{self, Anchor};
use super::sums::Sums;
use super::{Finding, Hit, How, LARGEST, Other, Scan};

/// Damaged updates that are listed; data made to look like headers could hold a great many.
const MOST_DAMAGED: usize = 128;
/// Tables that are followed.
const MOST_TABLES: usize = 64;

/// What was found so far.
#[derive(Debug, Default)]
pub(super) struct Sweep {
    pub(super) scan: Scan,
    /// Where a Firmware Interface Table could begin.
    pub(super) fits: Vec<usize>,
    /// Where an AMD embedded firmware structure could begin.
    pub(super) roms: Vec<usize>,
    /// All before this offset belongs to an update that is whole.
    taken: usize,
    damaged: usize,
}

impl Sweep {
    /// Look at the offsets `range` of `bytes`, which begin at `base` of the data. `last`: the data ends
    /// with them.
    pub(super) fn run(&mut self, bytes: &[u8], base: usize, range: Range<usize>, last: bool) {
        let mut sums = Sums::new(bytes);
        anchor::each(bytes, range, |at, anchor| {
            let offset = base.saturating_add(at);
            match anchor {
                Anchor::Fit if self.fits.len() < MOST_TABLES => self.fits.push(offset),
                Anchor::Rom if self.roms.len() < MOST_TABLES => self.roms.push(offset),
                _ if offset < self.taken => {}
                Anchor::Intel => self.intel(bytes, base, at, &mut sums),
                Anchor::Patch => self.patch(bytes, base, at),
                Anchor::Container => self.container(bytes, base, at),
                Anchor::Via => self.via(bytes, base, at),
                Anchor::Fit | Anchor::Rom => {}
            }
        });
        if last && self.damaged > MOST_DAMAGED {
            let text = format!("{} damaged updates; the first {MOST_DAMAGED} are listed", self.damaged);
            let at = base.saturating_add(bytes.len());
            self.scan.findings.push(Finding::broken("scan-too-many", at, text));
        }
    }

    fn intel(&mut self, bytes: &[u8], base: usize, at: usize, sums: &mut Sums<'_>) {
        let Some(header) = bytes.get(at..).and_then(super::intel::header) else {
            return;
        };
        let whole = sums.of(at, at.saturating_add(header.covered)) == Some(0);
        if !whole && !header.convincing {
            return;
        }
        if !whole {
            self.damaged = self.damaged.saturating_add(1);
            if self.damaged > MOST_DAMAGED {
                return;
            }
        }
        if let Some(update) = super::update_at(bytes, at) {
            let size = update.size;
            let end = if whole { size } else { 0 };
            self.push(base, at, size, end, Update::Intel(update), How::Scan);
        }
    }

    fn patch(&mut self, bytes: &[u8], base: usize, at: usize) {
        let Some(patch) = super::amd::raw(bytes, at) else {
            return;
        };
        let size = patch.size;
        let whole = patch.damage.is_empty();
        if !whole {
            self.damaged = self.damaged.saturating_add(1);
            if self.damaged > MOST_DAMAGED {
                return;
            }
        }
        let end = if whole { size } else { 0 };
        self.push(base, at, size, end, Update::Amd(patch), How::Scan);
    }

    fn container(&mut self, bytes: &[u8], base: usize, at: usize) {
        let Some(length) = super::amd::container_length(bytes, at) else {
            return;
        };
        let own = bytes.get(at..at.saturating_add(length)).unwrap_or_default();
        let start = base.saturating_add(at);
        let file = amd::read(own);
        for damage in file.damage {
            let text = format!("expected {}, seen {}", damage.expected, damage.seen);
            let place = damage.offset.saturating_add(start);
            self.scan.findings.push(Finding::broken(damage.rule, place, text));
        }
        let how = How::Container { container: start };
        for mut patch in file.containers.into_iter().flat_map(|container| container.patches) {
            super::amd::shift(&mut patch, at);
            let (place, size) = (patch.offset, patch.size);
            self.push(base, place, size, 0, Update::Amd(patch), how);
        }
        self.taken = start.saturating_add(length);
    }

    /// VIA: name, revision, date, CPU, a sum of zero over all words, loader version 1, sizes.
    fn via(&mut self, bytes: &[u8], base: usize, at: usize) {
        let Some(rest) = bytes.get(at..) else { return };
        let total = u32_at(rest, 32).map_or(0, size);
        let dated = u16_at(rest, 8).is_some_and(|year| (2000..2100).contains(&year));
        let own = rest.get(..total).filter(|_| (48..=LARGEST).contains(&total));
        let Some(own) = own.filter(|own| dated && u32_at(own, 20) == Some(1) && sum(own) == 0) else {
            return;
        };
        let name = own.get(36..48).unwrap_or_default();
        let name: String = name
            .iter()
            .map(|byte| char::from(*byte))
            .filter(char::is_ascii_graphic)
            .collect();
        let offset = base.saturating_add(at);
        self.taken = offset.saturating_add(total);
        self.scan.others.push(Other {
            offset,
            size: total,
            vendor: "VIA",
            name,
        });
    }

    /// An update at `at` of the window; `whole` bytes from there are not looked at again.
    fn push(&mut self, base: usize, at: usize, size: usize, whole: usize, mut update: Update, how: How) {
        let offset = base.saturating_add(at);
        match &mut update {
            Update::Intel(update) => super::intel::shift(update, base),
            Update::Amd(patch) => super::amd::shift(patch, base),
        }
        self.taken = self.taken.max(offset.saturating_add(whole));
        let also = Vec::new();
        self.scan.hits.push(Hit {
            offset,
            size,
            update,
            how,
            also,
        });
    }
}
