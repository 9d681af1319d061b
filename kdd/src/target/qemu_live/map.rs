//! Where the memory of the guest lies: what `info mtree -f` prints (QEMU's system/memory.c, from 2.10 on).
//!
//! The flat view of the address space `memory` tells each range with its kind and the region that it shows:
//!
//! ```text
//!  AS "memory", root: system
//!   0000000100000000-000000017fffffff (prio 0, ram): ram0 @0000000080000000
//! ```

/// What kind of memory a range is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The guest can write it.
    Ram,
    /// Firmware, or RAM that is write-protected now.
    Rom,
}

/// A range of physical memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Range {
    /// First address.
    pub(super) start: u64,
    /// Length in bytes.
    pub(super) length: u64,
    /// Its kind.
    pub(super) kind: Kind,
    /// Name of the region that it shows.
    pub(super) region: String,
    /// Where in that region it begins.
    pub(super) offset: u64,
}

/// Ranges that are taken at most.
const LIMIT: usize = 65_536;

/// The ranges that hold memory, in order of address; those of devices are left out.
pub(super) fn ranges(text: &str) -> Vec<Range> {
    let mut wanted = false;
    let mut ranges: Vec<Range> = Vec::new();
    for line in text.lines() {
        if line.starts_with("FlatView") {
            if !ranges.is_empty() {
                break;
            }
            wanted = false;
        } else if line.trim_start().starts_with("AS \"memory\",") {
            wanted = true;
        } else if wanted && ranges.len() < LIMIT {
            ranges.extend(range(line));
        }
    }
    ranges.sort_by_key(|range| range.start);
    ranges.dedup_by(|next, last| next.start.saturating_sub(last.start) < last.length);
    ranges
}

fn range(line: &str) -> Option<Range> {
    let (addresses, rest) = line.trim().split_once(" (prio ")?;
    let (start, end) = addresses.split_once('-')?;
    let start = u64::from_str_radix(start, 16).ok()?;
    let length = u64::from_str_radix(end, 16).ok()?.checked_sub(start)?.checked_add(1)?;
    let (attributes, name) = rest.split_once("): ")?;
    let (_, kind) = attributes.split_once(", ")?;
    let kind = match kind.strip_prefix("nv-").unwrap_or(kind) {
        "ram" => Kind::Ram,
        "rom" | "romd" => Kind::Rom,
        _ => return None,
    };
    let (region, offset) = match name.rsplit_once(" @") {
        Some((region, offset)) => (region, u64::from_str_radix(offset.trim(), 16).ok()?),
        None => (name, 0),
    };
    Some(Range {
        start,
        length,
        kind,
        region: region.trim().to_owned(),
        offset,
    })
}

/// The host's address in what `gpa2hva` prints: `Host virtual address for 0x1000 (ram0) is 0x7fdd78000000`.
pub(super) fn host_address(text: &str) -> Option<u64> {
    let (_, address) = text.trim().rsplit_once(" is 0x")?;
    u64::from_str_radix(address, 16).ok()
}

/// Bytes in what `xp /…xb` prints: `0000000000001000: 0x12 0x34`.
pub(super) fn bytes(text: &str) -> Vec<u8> {
    let words = text.lines().flat_map(|line| {
        let (_, words) = line.split_once(": ").unwrap_or_default();
        words.split_whitespace()
    });
    words
        .map_while(|word| u8::from_str_radix(word.strip_prefix("0x")?, 16).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "FlatView #0\n AS \"I/O\", root: io\n Root memory region: io\n  \
        0000000000000000-0000000000000007 (prio 0, ram): none of this\n\nFlatView #1\n AS \"memory\", root: system\n \
        AS \"cpu-memory-0\", root: system\n Root memory region: system\n  \
        0000000000000000-000000000009ffff (prio 0, ram): ram0\n  \
        00000000000a0000-00000000000bffff (prio 1, i/o): vga-lowmem\n  \
        00000000000c0000-00000000000dffff (prio 1, rom): pc.rom\n  \
        0000000000100000-000000007fffffff (prio 0, ram): ram0 @0000000000100000\n  \
        0000000100000000-000000017fffffff (prio 0, nv-ram): a b @0000000080000000\n  \
        0000000200000000-0000000200ffffff (prio 0, ramd): 0000:00:04.0 BAR 0\n\n\
        FlatView #2\n AS \"cpu-smm-0\", root: memory\n  0000000000000000-00000000000fffff (prio 0, ram): other\n";

    #[test]
    fn ranges_of_memory_are_read_with_their_place_in_the_region() {
        let ranges = ranges(TEXT);
        let seen: Vec<_> = ranges
            .iter()
            .map(|range| (range.start, range.length, range.region.as_str(), range.offset))
            .collect();
        let expected = [
            (0, 0xa_0000, "ram0", 0),
            (0xc_0000, 0x2_0000, "pc.rom", 0),
            (0x10_0000, 0x7ff0_0000, "ram0", 0x10_0000),
            (0x1_0000_0000, 0x8000_0000, "a b", 0x8000_0000),
        ];
        assert_eq!(seen, expected);
        assert_eq!(ranges[1].kind, Kind::Rom);
    }

    #[test]
    fn ranges_that_overlap_are_taken_once() {
        let text = " AS \"memory\", root: system\n  0000000000000000-0000000000000fff (prio 0, ram): a\n  \
            0000000000000800-00000000000017ff (prio 0, ram): b\n  ffffffffffffffff-0 (prio 0, ram): c\n";
        assert_eq!(ranges(text).len(), 1);
    }

    #[test]
    fn answers_of_the_monitor_are_read() {
        let text = "Host virtual address for 0x1000 (ram0) is 0x7fdd78000000\n";
        assert_eq!(host_address(text), Some(0x7fdd_7800_0000));
        assert_eq!(host_address("Memory at address 0xb0000000 is not RAM"), None);
        assert_eq!(
            bytes("0000000000001000: 0x12 0x34\n0000000000001002: 0xff\n"),
            [0x12, 0x34, 0xff]
        );
        assert!(bytes("Cannot access memory\n").is_empty());
    }
}
