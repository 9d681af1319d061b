//! Byte code for tests, put together by hand.

/// A definition block with that body; length and checksum are right.
pub(crate) fn table(signature: &[u8; 4], body: &[&[u8]]) -> Vec<u8> {
    let mut bytes = signature.to_vec();
    bytes.extend(b"\0\0\0\0\x02\0OEMOEMOEMTABLE\x01\0\0\0TOOL\x01\0\0\0");
    bytes.extend(body.concat());
    let length = u32::try_from(bytes.len()).unwrap();
    bytes[4..8].copy_from_slice(&length.to_le_bytes());
    bytes[9] = crate::bytes::sum(&bytes).wrapping_neg();
    bytes
}

/// An opcode with a PkgLength: `If`, `Method`, `Device`, `Buffer`, ...
pub(crate) fn package(opcode: &[u8], inside: &[&[u8]]) -> Vec<u8> {
    let inside = inside.concat();
    let mut bytes = opcode.to_vec();
    match inside.len() {
        short @ 0..=0x3e => bytes.push(u8::try_from(short + 1).unwrap()),
        long => {
            let length = long + 2;
            bytes.push(0x40 | u8::try_from(length & 0x0f).unwrap());
            bytes.push(u8::try_from(length >> 4).unwrap());
        }
    }
    bytes.extend(inside);
    bytes
}

/// `Method (NAME, arguments) { body }`.
pub(crate) fn method(name: &[u8; 4], arguments: u8, body: &[&[u8]]) -> Vec<u8> {
    package(b"\x14", &[name, &[arguments], &body.concat()])
}

/// `Device (NAME) { body }`.
pub(crate) fn device(name: &[u8], body: &[&[u8]]) -> Vec<u8> {
    package(b"\x5b\x82", &[name, &body.concat()])
}

/// `Scope (name) { body }`.
pub(crate) fn scope(name: &[u8], body: &[&[u8]]) -> Vec<u8> {
    package(b"\x10", &[name, &body.concat()])
}

/// `Name (NAME, value)`, the value being one byte of code.
pub(crate) fn name(name: &[u8; 4], value: u8) -> Vec<u8> {
    [&[0x08], &name[..], &[value]].concat()
}
