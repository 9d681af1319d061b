//! Tables as the text that acpidump prints, byte for byte.

use std::io::{self, Write};

/// The character that stands for a byte beside the columns.
pub(super) fn shown(byte: u8) -> u8 {
    if matches!(byte, 0x20..=0x7e) { byte } else { b'.' }
}

/// Write one table: its name and address, rows of 16 bytes, a blank line.
///
/// # Errors
/// Those of `out`.
///
/// ```
/// let mut text = Vec::new();
/// acpi_dump::text::write(&mut text, "TEST", 0, b"TEST")?;
/// let rows = "TEST @ 0x0000000000000000\n    0000: 54 45 53 54                                      TEST\n\n";
/// assert_eq!(text, rows.as_bytes());
/// # std::io::Result::Ok(())
/// ```
pub fn write(out: &mut dyn Write, name: &str, address: u64, bytes: &[u8]) -> io::Result<()> {
    writeln!(out, "{name} @ 0x{address:016X}")?;
    for (row, chunk) in bytes.chunks(16).enumerate() {
        let mut line = format!("{:>8}: ", format!("{:04X}", row.saturating_mul(16))).into_bytes();
        for byte in chunk {
            write!(line, "{byte:02X} ")?;
        }
        line.resize(10 + super::COLUMNS, b' ');
        line.push(b' ');
        line.extend(chunk.iter().map(|byte| shown(*byte)));
        line.push(b'\n');
        out.write_all(&line)?;
    }
    out.write_all(b"\n")
}
