//! Tables built by hand for tests.

/// A table with a right length and checksum.
pub(crate) fn sdt(signature: &[u8; 4], revision: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = signature.to_vec();
    bytes.extend(u32::try_from(body.len() + 36).unwrap().to_le_bytes());
    bytes.extend([revision, 0]);
    bytes.extend(b"MAKER TESTTBL ");
    bytes.extend([1, 0, 0, 0]);
    bytes.extend(b"HAND");
    bytes.extend([1, 0, 0, 0]);
    bytes.extend(body);
    let sum = bytes.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
    bytes[9] = sum.wrapping_neg();
    bytes
}

/// Bytes of a hexadecimal text, spaces ignored: `"0a 0b"`.
pub(crate) fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .chars()
        .filter_map(|digit| u8::try_from(digit.to_digit(16)?).ok())
        .collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}
