//! Updates made up for tests.

/// Signature of the made-up updates.
pub(crate) const SIGNATURE: u32 = 0x000b_0671;

fn total(words: &[u32]) -> u32 {
    words.iter().fold(0u32, |sum, word| sum.wrapping_add(*word))
}

/// The words as bytes.
pub(crate) fn to_bytes(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// Set the checksum in word 4 of a header so that header and data, `length` bytes, sum to zero.
pub(crate) fn seal(bytes: &mut [u8], length: usize) {
    bytes[16..20].fill(0);
    let (words, _) = bytes[..length].as_chunks::<4>();
    let words: Vec<u32> = words.iter().map(|word| u32::from_le_bytes(*word)).collect();
    let checksum = total(&words).wrapping_neg();
    bytes[16..20].copy_from_slice(&checksum.to_le_bytes());
}

/// An update of 1024 bytes in all: header, data, and a table of the extra signatures.
pub(crate) fn build(extra: &[(u32, u32)]) -> Vec<u8> {
    let table = if extra.is_empty() { 0 } else { 5 + 3 * extra.len() };
    let data = 256 - 12 - table;
    let size = u32::try_from(data * 4).unwrap();
    let mut words = vec![1, 0x132, 0x1008_2025, SIGNATURE, 0, 1, 0x32, size, 1024, 0, 0x12e, 0];
    words.extend((0..data).map(|word| u32::try_from(word).unwrap().wrapping_mul(0x9e37_79b9)));
    words[4] = total(&words).wrapping_neg();
    if !extra.is_empty() {
        let own = SIGNATURE.wrapping_add(0x32).wrapping_add(words[4]);
        let mut table = vec![u32::try_from(extra.len()).unwrap(), 0, 0, 0, 0];
        for (signature, platforms) in extra {
            let checksum = own.wrapping_sub(*signature).wrapping_sub(*platforms);
            table.extend([*signature, *platforms, checksum]);
        }
        table[1] = total(&table).wrapping_neg();
        words.extend(table);
    }
    to_bytes(&words)
}

/// An In-Field-Scan image of 1024 bytes: its metadata are the last 296 bytes of the data.
pub(crate) fn build_scan() -> Vec<u8> {
    let mut bytes = build(&[]);
    bytes[0] = 2;
    bytes[36..40].copy_from_slice(&296u32.to_le_bytes());
    let block = to_bytes(&[1, 256, 7, 0x11, 6, 2, 24, 8, 4096, 3]);
    bytes[1024 - 296..1024 - 256].copy_from_slice(&block);
    bytes[1024 - 40..].fill(0);
    bytes[1024 - 36..1024 - 32].copy_from_slice(&8u32.to_le_bytes());
    seal(&mut bytes, 1024);
    bytes
}
