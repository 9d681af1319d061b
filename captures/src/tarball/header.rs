//! One tar header block: POSIX.1-2017 pax (ustar), the GNU variant, old v7.

/// Size of a header and unit of everything in an archive.
pub(crate) const BLOCK: usize = 512;

/// What an entry is, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    File,
    HardLink,
    Link,
    Directory,
    /// The data is the name of the next entry.
    LongName,
    /// The data is the link target of the next entry.
    LongLink,
    /// The data are records for the next entry.
    Pax,
    /// A file with holes; the extents start in the header.
    Sparse,
    /// Devices, pipes, volume labels: passed over.
    Other,
}

/// Fields of a header.
#[derive(Clone, Debug)]
pub(crate) struct Header {
    pub(crate) kind: Kind,
    pub(crate) path: String,
    pub(crate) target: String,
    /// Bytes of data that follow, before padding.
    pub(crate) size: u64,
}

/// Offset in the file and length of a piece of a sparse file.
pub(crate) type Extent = (u64, u64);

/// Whether the checksum of the block is right: the sum of its bytes, the field itself as spaces.
pub(crate) fn is_header(block: &[u8]) -> bool {
    let Some(header) = block.get(..BLOCK) else {
        return false;
    };
    let Some(stored) = header.get(148..156).and_then(number) else {
        return false;
    };
    let sum: u64 = header
        .iter()
        .enumerate()
        .map(|(place, byte)| match place {
            148..156 => u64::from(b' '),
            _ => u64::from(*byte),
        })
        .sum();
    sum == stored && header.first() != Some(&0)
}

/// Reads a block whose checksum is right.
pub(crate) fn parse(block: &[u8]) -> Option<Header> {
    let kind = match block.get(156)? {
        b'0' | 0 | b'7' => Kind::File,
        b'1' => Kind::HardLink,
        b'2' => Kind::Link,
        b'5' | b'D' => Kind::Directory,
        b'L' => Kind::LongName,
        b'K' => Kind::LongLink,
        b'x' => Kind::Pax,
        b'S' => Kind::Sparse,
        _ => Kind::Other,
    };
    let name = text(block.get(..100)?);
    let prefix = match block.get(257..263)? {
        b"ustar\0" => text(block.get(345..500)?),
        _ => String::new(),
    };
    let path = if prefix.is_empty() {
        name
    } else {
        format!("{prefix}/{name}")
    };
    let size = match kind {
        Kind::HardLink | Kind::Link | Kind::Directory => 0,
        _ => number(block.get(124..136)?)?,
    };
    Some(Header {
        kind,
        path,
        target: text(block.get(157..257)?),
        size,
    })
}

/// Extents of a GNU sparse header (or of a block that continues it) and whether another block of
/// them follows.
pub(crate) fn extents(block: &[u8], first: bool) -> (Vec<Extent>, bool) {
    let (start, count, flag) = if first { (386, 4, 482) } else { (0, 21, 504) };
    let table = block.get(start..).unwrap_or_default();
    let extents = table
        .chunks_exact(24)
        .take(count)
        .map_while(|entry| {
            let offset = number(entry.get(..12)?)?;
            let length = number(entry.get(12..)?)?;
            (entry.first() != Some(&0)).then_some((offset, length))
        })
        .collect();
    (extents, block.get(flag).is_some_and(|byte| *byte != 0))
}

/// An octal field, or the base-256 form of large values; an empty one is 0.
pub(crate) fn number(field: &[u8]) -> Option<u64> {
    if field.first()? & 0x80 != 0 {
        let rest = field.get(field.len().checked_sub(8)?..)?;
        let high = field.get(1..field.len().checked_sub(8)?)?;
        let fits = high.iter().all(|byte| *byte == 0);
        return fits.then(|| u64::from_be_bytes(*rest.first_chunk().unwrap_or(&[0xff; 8])));
    }
    let text = std::str::from_utf8(field).ok()?.trim_matches([' ', '\0']);
    if text.is_empty() {
        return Some(0);
    }
    u64::from_str_radix(text, 8).ok()
}

/// A field up to its zero.
fn text(field: &[u8]) -> String {
    let end = field.iter().position(|byte| *byte == 0);
    let text = field.get(..end.unwrap_or(field.len())).unwrap_or_default();
    String::from_utf8_lossy(text).into_owned()
}

/// Records of a pax header: `LENGTH KEY=VALUE\n`.
pub(crate) fn pax_records(data: &[u8]) -> Vec<(String, String)> {
    let mut records = Vec::new();
    let mut rest = data;
    while let Some((record, after)) = pax_record(rest) {
        if let Some((key, value)) = record.split_once('=') {
            records.push((key.to_owned(), value.to_owned()));
        }
        rest = after;
    }
    records
}

fn pax_record(data: &[u8]) -> Option<(String, &[u8])> {
    let space = data.iter().take(20).position(|byte| *byte == b' ')?;
    let length = std::str::from_utf8(data.get(..space)?).ok()?;
    let length: usize = length.parse().ok()?;
    let body = data.get(space.checked_add(1)?..length.checked_sub(1)?)?;
    let after = data.get(length..)?;
    Some((String::from_utf8_lossy(body).into_owned(), after))
}

/// The extent list at the start of the data of a pax sparse file, version 1.0: decimal numbers,
/// one a line, padded to a block. Extents and bytes used.
pub(crate) fn pax_extents(data: &[u8]) -> Option<(Vec<Extent>, usize)> {
    let mut used = 0_usize;
    let mut next = || {
        let rest = data.get(used..)?;
        let length = rest.iter().take(21).position(|byte| *byte == b'\n')?;
        used = used.checked_add(length)?.checked_add(1)?;
        std::str::from_utf8(rest.get(..length)?).ok()?.parse::<u64>().ok()
    };
    let count = next()?;
    let mut extents = Vec::new();
    for _ in 0..count {
        extents.push((next()?, next()?));
    }
    let padded = used.checked_next_multiple_of(BLOCK)?;
    Some((extents, padded))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_octal_or_base_256() {
        assert_eq!(number(b"00000001750\0"), Some(1000));
        assert_eq!(number(b"   1750 \0\0\0\0"), Some(1000));
        assert_eq!(number(&[0x80, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0]), Some(1 << 32));
        assert_eq!(number(&[0x80, 1, 1, 1, 0, 0, 0, 1, 0, 0, 0, 0]), None);
        assert_eq!(number(b"8"), None);
        assert_eq!(number(b"\0\0"), Some(0));
    }

    #[test]
    fn pax_records_end_at_the_first_broken_one() {
        let records = pax_records(b"13 path=a/bc\n12 size=100\nxx");
        assert_eq!(
            records,
            [
                ("path".to_owned(), "a/bc".to_owned()),
                ("size".to_owned(), "100".to_owned()),
            ]
        );
        assert!(pax_records(b"99999999999999999999 a=b\n").is_empty());
        assert!(pax_records(b"0 a=b\n").is_empty());
    }

    #[test]
    fn a_sparse_map_of_hostile_length_is_refused() {
        assert_eq!(pax_extents(b"1\n0\n5\n"), Some((vec![(0, 5)], 512)));
        assert_eq!(pax_extents(b"18446744073709551615\n0\n5\n"), None);
    }
}
