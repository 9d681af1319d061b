//! Updates made up for tests, with their own constants.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

fn sum(words: &[u32]) -> u32 {
    words.iter().fold(0u32, |sum, word| sum.wrapping_add(*word))
}

/// A whole Intel update of 1024 bytes; `fill` makes its data its own.
pub(crate) fn intel(signature: u32, platforms: u32, revision: u32, fill: u32) -> Vec<u8> {
    intel_dated(signature, platforms, revision, fill, 0x1008_2025, &[])
}

/// The same with a date and an extended signature table.
pub(crate) fn intel_dated(
    signature: u32,
    platforms: u32,
    revision: u32,
    fill: u32,
    date: u32,
    extended: &[(u32, u32)],
) -> Vec<u8> {
    let table = if extended.is_empty() { 0 } else { 5 + 3 * extended.len() };
    let data = 256 - 12 - table;
    let size = u32::try_from(data * 4).unwrap();
    let mut words = vec![1, revision, date, signature, 0, 1, platforms, size, 1024, 0, 0, 0];
    words.extend((0..data).map(|word| u32::try_from(word).unwrap().wrapping_mul(0x9e37_79b9) ^ fill));
    words[4] = sum(&words).wrapping_neg();
    if !extended.is_empty() {
        let own = signature.wrapping_add(platforms).wrapping_add(words[4]);
        let mut rows = vec![u32::try_from(extended.len()).unwrap(), 0, 0, 0, 0];
        for (signature, platforms) in extended {
            let checksum = own.wrapping_sub(*signature).wrapping_sub(*platforms);
            rows.extend([*signature, *platforms, checksum]);
        }
        rows[1] = sum(&rows).wrapping_neg();
        words.extend(rows);
    }
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// An AMD patch.
pub(crate) fn patch(id: u16, revision: u32, words: &[u32]) -> Vec<u8> {
    let mut bytes = vec![0x24, 0x20, 0x09, 0x11];
    bytes.extend(revision.to_le_bytes());
    bytes.extend([0x04, 0x80, 0, 0]);
    bytes.extend(if id < 0x4000 { sum(words) } else { 0 }.to_le_bytes());
    bytes.resize(24, 0);
    bytes.extend(id.to_le_bytes());
    bytes.resize(64, 0);
    bytes.extend(words.iter().flat_map(|word| word.to_le_bytes()));
    bytes
}

/// An AMD container.
pub(crate) fn container(rows: &[(u32, u16)], patches: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = b"DMA\0\0\0\0\0".to_vec();
    bytes.extend(u32::try_from((rows.len() + 1) * 16).unwrap().to_le_bytes());
    for (signature, id) in rows {
        bytes.extend(signature.to_le_bytes());
        bytes.extend([0; 8]);
        bytes.extend(id.to_le_bytes());
        bytes.extend([0; 2]);
    }
    bytes.extend([0; 16]);
    for patch in patches {
        bytes.extend(1u32.to_le_bytes());
        bytes.extend(u32::try_from(patch.len()).unwrap().to_le_bytes());
        bytes.extend(patch);
    }
    bytes
}
