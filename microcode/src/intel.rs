//! Intel microcode updates: Intel SDM volume 3, "Microcode Update Facilities".
//!
//! A file is updates one after the other: a header of 48 bytes, data, and in some an extended
//! signature table that names further CPUs. All 32-bit words of header and data sum to zero; so do
//! those of the extended table; each of its entries has a checksum that would make the sum of the
//! update zero again if it stood in the header in the place of the header's own three words.

use schemars::JsonSchema;
use serde::Serialize;

use crate::bytes::{size, sum, u32_at};
use crate::damage::Damage;
use crate::ids::{Date, PlatformMask, Revision, Signature};

/// Length of the header in bytes.
pub const HEADER: usize = 48;
/// Length of the head of the extended signature table.
const TABLE_HEAD: usize = 20;
/// Length of one extended signature.
const TABLE_ENTRY: usize = 12;
/// An update whose data size is 0 has 2000 bytes of data and 2048 in all.
const DEFAULT_DATA: usize = 2000;

/// Whom an update is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Target {
    /// CPU signature.
    pub signature: Signature,
    /// Platforms.
    pub platforms: PlatformMask,
}

impl Target {
    /// A CPU on any platform.
    #[must_use]
    pub fn any(signature: Signature) -> Self {
        Self {
            signature,
            platforms: PlatformMask(0),
        }
    }
}

/// One update.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Update {
    /// Offset in the file.
    pub offset: usize,
    /// Length in bytes, header and extended table included; less when the file is cut.
    pub size: usize,
    /// Header version: 1 is microcode, 2 an In-Field-Scan image.
    pub header_version: u32,
    /// Loader version; 1.
    pub loader_version: u32,
    /// Revision.
    pub revision: Revision,
    /// Date.
    pub date: Date,
    /// CPU and platforms in the header.
    pub target: Target,
    /// CPUs and platforms in the extended signature table, which usually repeats the header's first.
    pub extended: Vec<Target>,
    /// Lowest revision from which it may be loaded at run time; `None` when the header says 0.
    pub minimum_revision: Option<Revision>,
    /// Rules it breaks; empty when it is whole.
    pub damage: Vec<Damage>,
}

/// A file of updates.
#[derive(Clone, Debug, Default, PartialEq, Eq, JsonSchema, Serialize)]
pub struct File {
    /// Updates in file order.
    pub updates: Vec<Update>,
    /// Damage between and behind the updates.
    pub damage: Vec<Damage>,
}

impl File {
    /// Whether any rule is broken.
    #[must_use]
    pub fn is_damaged(&self) -> bool {
        !self.damage.is_empty() || self.updates.iter().any(|update| !update.damage.is_empty())
    }
}

/// Whether an update's header could begin here: known versions, a plausible signature and date.
#[must_use]
pub fn looks_like(bytes: &[u8]) -> bool {
    let field = |at| u32_at(bytes, at).unwrap_or(0);
    let version = matches!(field(0), 1 | 2) && field(20) == 1;
    let year = field(8) & 0xffff;
    version && bytes.len() >= HEADER && field(12) != 0 && (0x1990..=0x2099).contains(&year)
}

/// Read a file. A size that cannot be trusted ends it; what follows is damage.
#[must_use]
pub fn read(bytes: &[u8]) -> File {
    let mut file = File::default();
    let mut at: usize = 0;
    while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
        if rest.len() < HEADER {
            file.damage.push(Damage::new(
                at,
                "update header of 48 bytes",
                format!("{} bytes", rest.len()),
            ));
            break;
        }
        if !looks_like(rest) {
            let seen = format!("{} bytes of something else", rest.len());
            file.damage.push(Damage::new(at, "update header or end of file", seen));
            break;
        }
        let Some(update) = update(at, rest) else { break };
        at = at.saturating_add(update.size.max(1));
        let broken = update.size < HEADER;
        file.updates.push(update);
        if broken {
            break;
        }
    }
    file
}

fn update(offset: usize, rest: &[u8]) -> Option<Update> {
    let field = |at| u32_at(rest, at);
    let stated_data = size(field(28)?);
    let (data, total) = if stated_data == 0 {
        (DEFAULT_DATA, HEADER.saturating_add(DEFAULT_DATA))
    } else {
        (stated_data, size(field(32)?))
    };
    let mut damage = Vec::new();
    let body = HEADER.saturating_add(data);
    if total < body {
        damage.push(Damage::new(
            offset.saturating_add(32),
            format!("total size of at least {body} (header and data)"),
            total.to_string(),
        ));
    }
    if !total.is_multiple_of(1024) {
        damage.push(Damage::new(
            offset.saturating_add(32),
            "total size in multiples of 1024",
            total.to_string(),
        ));
    }
    let used = rest.get(..total.max(HEADER)).unwrap_or(rest);
    if used.len() < total {
        damage.push(Damage::new(
            offset.saturating_add(used.len()),
            format!("{total} bytes of update"),
            format!("{} bytes", used.len()),
        ));
    }
    let target = Target {
        signature: Signature(field(12)?),
        platforms: PlatformMask(field(24)?),
    };
    let mut extended = Vec::new();
    if let Some(covered) = used.get(..body) {
        main_checksum(offset, covered, field(16)?, &mut damage);
        if total > body && used.len() >= total {
            extended = extended_table(offset, body, used, target, field(16)?, &mut damage);
        }
    }
    Some(Update {
        offset,
        size: if total < body {
            HEADER.min(used.len())
        } else {
            used.len()
        },
        header_version: field(0)?,
        loader_version: field(20)?,
        revision: Revision(field(4)?),
        date: Date::from_field(field(8)?),
        target,
        extended,
        minimum_revision: field(40).filter(|revision| *revision != 0).map(Revision),
        damage,
    })
}

fn main_checksum(offset: usize, covered: &[u8], stored: u32, damage: &mut Vec<Damage>) {
    if !covered.len().is_multiple_of(4) {
        damage.push(Damage::new(
            offset.saturating_add(28),
            "data size in multiples of 4",
            covered.len().to_string(),
        ));
    }
    let rest = sum(covered);
    if rest != 0 {
        let right = stored.wrapping_sub(rest);
        damage.push(Damage::new(
            offset.saturating_add(16),
            format!("checksum {right:#010x}"),
            format!("{stored:#010x}"),
        ));
    }
}

/// The extended signature table, from the end of the data (`start`) to the end of the update.
fn extended_table(
    offset: usize,
    start: usize,
    update: &[u8],
    header: Target,
    header_checksum: u32,
    damage: &mut Vec<Damage>,
) -> Vec<Target> {
    let place = offset.saturating_add(start);
    let table = update.get(start..).unwrap_or_default();
    let Some(count) = u32_at(table, 0).map(size) else {
        damage.push(Damage::new(
            place,
            "extended signature table",
            format!("{} bytes", table.len()),
        ));
        return Vec::new();
    };
    let needed = count.saturating_mul(TABLE_ENTRY).saturating_add(TABLE_HEAD);
    if needed != table.len() {
        let expected = format!("extended signature table of {needed} bytes ({count} entries)");
        damage.push(Damage::new(place, expected, format!("{} bytes", table.len())));
    }
    if let Some(covered) = table.get(..needed)
        && sum(covered) != 0
    {
        let stored = u32_at(table, 4).unwrap_or(0);
        let right = stored.wrapping_sub(sum(covered));
        let at = place.saturating_add(4);
        damage.push(Damage::new(
            at,
            format!("extended table checksum {right:#010x}"),
            format!("{stored:#010x}"),
        ));
    }
    let own = target_sum(header, header_checksum);
    let (entries, _) = table.get(TABLE_HEAD..).unwrap_or_default().as_chunks::<TABLE_ENTRY>();
    let mut targets = Vec::new();
    for (number, entry) in entries.iter().take(count).enumerate() {
        let field = |at| u32_at(entry, at).unwrap_or(0);
        let target = Target {
            signature: Signature(field(0)),
            platforms: PlatformMask(field(4)),
        };
        let right = own.wrapping_sub(target_sum(target, 0));
        if field(8) != right {
            let at = number
                .saturating_mul(TABLE_ENTRY)
                .saturating_add(TABLE_HEAD)
                .saturating_add(8);
            damage.push(Damage::new(
                place.saturating_add(at),
                format!("checksum {right:#010x} of extended signature {}", target.signature),
                format!("{:#010x}", field(8)),
            ));
        }
        targets.push(target);
    }
    targets
}

fn target_sum(target: Target, checksum: u32) -> u32 {
    target
        .signature
        .0
        .wrapping_add(target.platforms.0)
        .wrapping_add(checksum)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIGNATURE: u32 = 0x000b_0671;

    /// An update of 1024 bytes in all: header, data, and a table of the extra signatures.
    fn build(extra: &[(u32, u32)]) -> Vec<u8> {
        let table = if extra.is_empty() { 0 } else { 5 + 3 * extra.len() };
        let data = 256 - 12 - table;
        let mut words = vec![
            1,
            0x132,
            0x1008_2025,
            SIGNATURE,
            0,
            1,
            0x32,
            u32::try_from(data * 4).unwrap(),
            1024,
            0,
            0x12e,
            0,
        ];
        words.extend((0..data).map(|word| u32::try_from(word).unwrap().wrapping_mul(0x9e37_79b9)));
        words[4] = words
            .iter()
            .fold(0u32, |sum, word| sum.wrapping_add(*word))
            .wrapping_neg();
        if !extra.is_empty() {
            let own = SIGNATURE.wrapping_add(0x32).wrapping_add(words[4]);
            let mut table = vec![u32::try_from(extra.len()).unwrap(), 0, 0, 0, 0];
            for (signature, platforms) in extra {
                table.extend([
                    *signature,
                    *platforms,
                    own.wrapping_sub(*signature).wrapping_sub(*platforms),
                ]);
            }
            table[1] = table
                .iter()
                .fold(0u32, |sum, word| sum.wrapping_add(*word))
                .wrapping_neg();
            words.extend(table);
        }
        words.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    #[test]
    fn whole_update_is_identified_without_damage() {
        let file = read(&build(&[]));
        assert!(!file.is_damaged(), "{file:?}");
        let update = &file.updates[0];
        assert_eq!(
            (update.target.signature, update.target.platforms),
            (Signature(SIGNATURE), PlatformMask(0x32))
        );
        assert_eq!(
            (update.revision, update.date.to_string().as_str()),
            (Revision(0x132), "2025-10-08")
        );
        assert_eq!((update.size, update.minimum_revision), (1024, Some(Revision(0x12e))));
    }

    #[test]
    fn several_updates_follow_each_other() {
        let file = read(&[build(&[]), build(&[(0xb0674, 0x32)])].concat());
        assert!(!file.is_damaged(), "{file:?}");
        assert_eq!((file.updates.len(), file.updates[1].offset), (2, 1024));
        assert_eq!(file.updates[1].extended[0].signature, Signature(0xb0674));
    }

    #[test]
    fn flipped_bit_in_the_data_names_the_checksum_that_would_be_right() {
        let mut bytes = build(&[]);
        bytes[100] ^= 4;
        let update = &read(&bytes).updates[0];
        assert_eq!((update.damage.len(), update.damage[0].offset), (1, 16));
        assert!(update.damage[0].expected.starts_with("checksum 0x"));
    }

    #[test]
    fn changed_extended_entry_breaks_table_and_entry_sums() {
        let mut bytes = build(&[(0xb0674, 0x32), (0xb06f2, 0x07)]);
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        let update = &read(&bytes).updates[0];
        assert_eq!(update.extended.len(), 2);
        assert_eq!(
            update.damage.iter().map(|damage| damage.offset).collect::<Vec<_>>(),
            [1024 - 44 + 4, 1024 - 4]
        );
    }

    #[test]
    fn data_size_zero_means_2048_bytes_whatever_the_total_says() {
        let mut bytes = build(&[]);
        bytes.resize(2048, 0);
        bytes[28..36].copy_from_slice(&[0, 0, 0, 0, 1, 2, 3, 4]);
        let sum = sum(&bytes);
        let stored = u32_at(&bytes, 16).unwrap().wrapping_sub(sum);
        bytes[16..20].copy_from_slice(&stored.to_le_bytes());
        let file = read(&bytes);
        assert!(!file.is_damaged(), "{file:?}");
        assert_eq!(file.updates[0].size, 2048);
    }

    #[test]
    fn every_truncation_is_damage_at_the_cut() {
        let bytes = build(&[(0xb0674, 0x32)]);
        for end in 1..bytes.len() {
            let file = read(&bytes[..end]);
            assert!(file.is_damaged(), "{end}");
        }
    }

    #[test]
    fn bytes_behind_the_last_update_are_damage() {
        let mut bytes = build(&[]);
        bytes.extend([0; 60]);
        let file = read(&bytes);
        assert_eq!((file.updates.len(), file.damage[0].offset), (1, 1024));
    }

    #[test]
    fn total_smaller_than_header_and_data_ends_the_file() {
        let mut bytes = build(&[]);
        bytes[33] = 1;
        let file = read(&bytes);
        assert_eq!(file.updates.len(), 1);
        assert!(file.updates[0].damage[0].expected.contains("at least"));
    }
}
