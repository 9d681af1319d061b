//! FILE_IO packets: a target that boots reads driver files from the debugger's machine.
//!
//! Follows DBGKD_FILE_IO of the ReactOS header `windbgkd.h`. Only boot loaders and loaders of drivers send
//! these, so the engine here never does; captured sessions hold them.

/// Requests, by the first word of a FILE_IO packet.
const REQUESTS: [(u32, &str); 4] = [
    (0x3430, "create file"),
    (0x3431, "read file"),
    (0x3432, "write file"),
    (0x3433, "close file"),
];

/// Name of a request.
#[must_use]
pub fn name(number: u32) -> Option<&'static str> {
    let mut requests = REQUESTS.into_iter();
    requests.find(|(known, _)| *known == number).map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::name;

    #[test]
    fn four_requests_have_names() {
        let names: Vec<_> = (0x342f..0x3435).map(name).collect();
        assert_eq!(
            (names[0], names[1], names[4], names[5]),
            (None, Some("create file"), Some("close file"), None)
        );
    }
}
