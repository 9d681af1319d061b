//! Every codec against the tool of its format, cut, mutated and followed by other bytes.

use super::*;

#[test]
fn nothing_is_known_of_other_bytes() {
    assert_eq!(Codec::detect(b"070701"), None);
    assert_eq!(Codec::detect(&[0, 0]), None);
    assert_eq!(Codec::detect(&[]), None);
}
