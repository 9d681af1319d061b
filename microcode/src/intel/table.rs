//! The extended signature table: further CPUs of an update, behind its data.
//!
//! A head of 20 bytes (number of entries, checksum, three reserved words), then 12 bytes for each:
//! signature, platforms and the checksum that the update would have if they stood in its header.
//! The first entry usually repeats the header's own: that is how Intel makes them.

use std::collections::HashSet;

use crate::bytes::{size, sum, u32_at};
use crate::damage::Damage;
use crate::ids::{PlatformMask, Signature};
use crate::intel::header::Header;
use crate::intel::{Target, rules};

/// Length of the head of the table.
pub(super) const HEAD: usize = 20;
/// Length of one entry.
const ENTRY: usize = 12;

/// What the table holds.
#[derive(Default)]
pub(super) struct Table {
    pub targets: Vec<Target>,
    pub damage: Vec<Damage>,
    pub remarks: Vec<Damage>,
}

/// Read the table: `bytes` from the end of the data (`place` in the file) to the end of the update.
pub(super) fn read(place: usize, bytes: &[u8], header: &Header) -> Table {
    let mut table = Table::default();
    let Some(count) = u32_at(bytes, 0).map(size).filter(|_| bytes.len() >= HEAD) else {
        let seen = format!("{} bytes", bytes.len());
        let damage = Damage::new(place, "extended signature table of at least 20 bytes", seen);
        table.damage.push(damage.rule(rules::TABLE_SIZE.id));
        return table;
    };
    let needed = count.saturating_mul(ENTRY).saturating_add(HEAD);
    if needed != bytes.len() {
        let expected = format!("extended signature table of {needed} bytes ({count} entries)");
        let damage = Damage::new(place, expected, format!("{} bytes", bytes.len()));
        table.damage.push(damage.rule(rules::TABLE_SIZE.id));
    }
    table.head(place, bytes.get(..needed).unwrap_or_default());
    for at in [8, 12, 16] {
        if let Some(word) = u32_at(bytes, at).filter(|word| *word != 0) {
            let remark = Damage::new(place.saturating_add(at), "0", format!("{word:#010x}"));
            table.remarks.push(remark.rule(rules::RESERVED.id));
        }
    }
    table.entries(place, bytes.get(HEAD..).unwrap_or_default(), count, header);
    table
}

impl Table {
    fn head(&mut self, place: usize, covered: &[u8]) {
        let rest = sum(covered);
        if rest == 0 {
            return;
        }
        let stored = u32_at(covered, 4).unwrap_or(0);
        let right = stored.wrapping_sub(rest);
        let damage = Damage::new(
            place.saturating_add(4),
            format!("extended table checksum {right:#010x}"),
            format!("{stored:#010x}"),
        );
        self.damage.push(damage.rule(rules::TABLE_CHECKSUM.id));
    }

    fn entries(&mut self, place: usize, bytes: &[u8], count: usize, header: &Header) {
        let own = target_sum(header.target(), header.checksum);
        let (entries, _) = bytes.as_chunks::<ENTRY>();
        let mut seen = HashSet::new();
        for (number, entry) in entries.iter().take(count).enumerate() {
            let field = |at| u32_at(entry, at).unwrap_or(0);
            let target = Target {
                signature: Signature(field(0)),
                platforms: PlatformMask(field(4)),
            };
            let at = place.saturating_add(number.saturating_mul(ENTRY).saturating_add(HEAD));
            let right = own.wrapping_sub(target_sum(target, 0));
            if field(8) != right {
                let expected = format!("checksum {right:#010x} of extended signature {}", target.signature);
                let damage = Damage::new(at.saturating_add(8), expected, format!("{:#010x}", field(8)));
                self.damage.push(damage.rule(rules::ENTRY_CHECKSUM.id));
            }
            if !seen.insert((field(0), field(4))) {
                let seen = format!("{} for {} again", target.signature, target.platforms);
                let remark = Damage::new(at, "each signature and platforms once", seen);
                self.remarks.push(remark.rule(rules::ENTRY_DUPLICATE.id));
            }
            self.targets.push(target);
        }
    }
}

fn target_sum(target: Target, checksum: u32) -> u32 {
    target
        .signature
        .0
        .wrapping_add(target.platforms.0)
        .wrapping_add(checksum)
}
