//! Words that several commands print: ids and addresses of devices, rows of text.

use crate::aml::evaluate::device::DeviceId;

/// An id and what it is of, where that is known.
pub(super) fn device_id(id: &DeviceId) -> String {
    match id.words {
        Some(words) => format!("{} ({words})", id.id),
        None => id.id.clone(),
    }
}

/// An address below a PCI bus is device and function; elsewhere a number.
pub(super) fn address(adr: u64) -> String {
    let (device, function) = (adr >> 16, adr & 0xffff);
    if device < 32 && (function < 8 || function == 0xffff) {
        let function = if function == 0xffff {
            "*".to_owned()
        } else {
            function.to_string()
        };
        return format!("{adr:#010x} (on PCI: device {device:02x}, function {function})");
    }
    format!("{adr:#010x}")
}

/// Rows of at most `width` characters, broken between words; a longer word has a row of its own.
pub(super) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut rows: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match rows.last_mut() {
            Some(row) if row.chars().count().saturating_add(word.chars().count()) < width => {
                row.push(' ');
                row.push_str(word);
            }
            _ => rows.push(word.to_owned()),
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_break_between_words() {
        assert_eq!(wrap("one two three", 8), ["one two", "three"]);
    }

    #[test]
    fn an_address_is_read_as_device_and_function_only_where_it_can_be_one() {
        assert!(address(0x001f_0003).ends_with("device 1f, function 3)"));
        assert_eq!(address(0x8001_0400), "0x80010400");
    }
}
