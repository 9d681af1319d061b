//! AML built by hand: ACPI 6.5, section 20.2.

use crate::tables::testing::sdt;

/// A term with a package length of one or two bytes.
fn sized(opcode: &[u8], body: &[u8]) -> Vec<u8> {
    let length = body.len() + 1;
    let mut bytes = opcode.to_vec();
    if length < 64 {
        bytes.push(u8::try_from(length).unwrap());
    } else {
        let length = length + 1;
        bytes.push(0x40 | u8::try_from(length & 0xf).unwrap());
        bytes.push(u8::try_from(length >> 4).unwrap());
    }
    bytes.extend(body);
    bytes
}

pub fn join(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

/// `Device (NAME) { body }`
pub fn device(name: &[u8; 4], body: &[u8]) -> Vec<u8> {
    sized(&[0x5b, 0x82], &join(&[name, body]))
}

/// `Scope (\_SB) { body }`
pub fn system_bus(body: &[u8]) -> Vec<u8> {
    sized(&[0x10], &join(&[b"\\_SB_", body]))
}

/// `Scope (path) { body }`
pub fn scope(path: &[u8], body: &[u8]) -> Vec<u8> {
    sized(&[0x10], &join(&[path, body]))
}

/// `Name (NAME, value)`
pub fn name(name: &[u8; 4], value: &[u8]) -> Vec<u8> {
    join(&[&[0x08], name, value])
}

/// `Method (NAME, arguments) { body }`
pub fn method(name: &[u8; 4], arguments: u8, body: &[u8]) -> Vec<u8> {
    sized(&[0x14], &join(&[name, &[arguments], body]))
}

pub fn returns(value: &[u8]) -> Vec<u8> {
    join(&[&[0xa4], value])
}

pub fn byte(value: u8) -> Vec<u8> {
    vec![0x0a, value]
}

pub fn dword(value: u32) -> Vec<u8> {
    join(&[&[0x0c], &value.to_le_bytes()])
}

pub fn text(value: &str) -> Vec<u8> {
    join(&[&[0x0d], value.as_bytes(), &[0]])
}

pub fn buffer(bytes: &[u8]) -> Vec<u8> {
    sized(&[0x11], &join(&[&byte(u8::try_from(bytes.len()).unwrap()), bytes]))
}

pub fn package(elements: &[&[u8]]) -> Vec<u8> {
    let count = [u8::try_from(elements.len()).unwrap()];
    sized(&[0x12], &join(&[&count, &elements.concat()]))
}

/// A DSDT with this AML.
pub fn dsdt(aml: &[u8]) -> Vec<u8> {
    sdt(b"DSDT", 2, aml)
}
