//! Addresses of the Internet in 16 bytes, put in words.

use std::net::Ipv6Addr;

use crate::layout::Cursor;
use crate::layout::section::Value;

/// Beside each 16-byte row of this section: IPv4 in its mapped form, or IPv6.
pub(super) fn words(cursor: &mut Cursor<'_>, but: &[&str]) {
    for row in &mut cursor.section.rows {
        let Value::Bytes(bytes) = &row.value else { continue };
        if bytes.len() != 16 || but.contains(&row.name.as_str()) {
            continue;
        }
        row.words = text(bytes);
    }
}

/// The address that 16 bytes hold.
pub(super) fn text(bytes: &[u8]) -> Option<String> {
    let address = Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?);
    Some(match address.to_ipv4_mapped() {
        Some(address) => address.to_string(),
        None if address.is_unspecified() => "none".to_owned(),
        None => address.to_string(),
    })
}
