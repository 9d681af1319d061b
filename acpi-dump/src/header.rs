//! The header that opens nearly every table: ACPI 6.5, section 5.2.6.
//!
//! Two tables differ: the FACS (5.2.10) has only signature and length, the RSDP (5.2.5) an
//! eight-byte signature and two checksums. [`crate::Table`] knows both.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::bytes::{array, sum, u8_at, u32_at};

/// Four characters that name a table.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Signature(pub [u8; 4]);

impl Signature {
    /// Multiple APIC Description Table (MADT).
    pub const APIC: Self = Self(*b"APIC");
    /// CXL Early Discovery Table.
    pub const CEDT: Self = Self(*b"CEDT");
    /// DMA remapping (Intel VT-d).
    pub const DMAR: Self = Self(*b"DMAR");
    /// Firmware ACPI Control Structure.
    pub const FACS: Self = Self(*b"FACS");
    /// Heterogeneous Memory Attribute Table.
    pub const HMAT: Self = Self(*b"HMAT");
    /// I/O virtualisation reporting structure (AMD IOMMU).
    pub const IVRS: Self = Self(*b"IVRS");
    /// PCI Express memory mapped configuration space.
    pub const MCFG: Self = Self(*b"MCFG");
    /// Root System Description Pointer; its signature on the wire is `RSD PTR ` (eight bytes).
    pub const RSDP: Self = Self(*b"RSD ");
    /// System Locality Information Table.
    pub const SLIT: Self = Self(*b"SLIT");
    /// System Resource Affinity Table.
    pub const SRAT: Self = Self(*b"SRAT");
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&printable(&self.0))
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.to_string())
    }
}

impl Serialize for Signature {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Bytes as text, anything that is no printable ASCII shown as `.`, zeros at the end dropped.
pub(crate) fn printable(bytes: &[u8]) -> String {
    let end = bytes
        .iter()
        .rposition(|byte| *byte != 0)
        .map_or(0, |last| last.saturating_add(1));
    let shown = bytes.get(..end).unwrap_or_default().iter();
    shown
        .map(|byte| {
            if matches!(byte, 0x20..=0x7e) {
                char::from(*byte)
            } else {
                '.'
            }
        })
        .collect()
}

/// System description table header, 36 bytes, in wire order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Which table.
    pub signature: Signature,
    /// Length of the table in bytes, header included.
    pub length: u32,
    /// Revision of the table's layout.
    pub revision: u8,
    /// Byte that makes the sum of the table zero.
    pub checksum: u8,
    /// Who made the firmware.
    pub oem_id: [u8; 6],
    /// The OEM's name of this table.
    pub oem_table_id: [u8; 8],
    /// The OEM's revision.
    pub oem_revision: u32,
    /// Tool that built the table.
    pub creator_id: [u8; 4],
    /// Revision of that tool.
    pub creator_revision: u32,
}

impl Header {
    /// Length of the header in bytes.
    pub const LENGTH: usize = 36;

    /// Decode the first 36 bytes; `None` when there are fewer.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        Some(Self {
            signature: Signature(array(bytes, 0)?),
            length: u32_at(bytes, 4)?,
            revision: u8_at(bytes, 8)?,
            checksum: u8_at(bytes, 9)?,
            oem_id: array(bytes, 10)?,
            oem_table_id: array(bytes, 16)?,
            oem_revision: u32_at(bytes, 24)?,
            creator_id: array(bytes, 28)?,
            creator_revision: u32_at(bytes, 32)?,
        })
    }

    /// OEM id as text.
    #[must_use]
    pub fn oem_id_text(&self) -> String {
        printable(&self.oem_id)
    }

    /// OEM table id as text.
    #[must_use]
    pub fn oem_table_id_text(&self) -> String {
        printable(&self.oem_table_id)
    }

    /// Creator id as text.
    #[must_use]
    pub fn creator_id_text(&self) -> String {
        printable(&self.creator_id)
    }
}

/// What the checksum says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "state")]
pub enum Checksum {
    /// The bytes sum to zero.
    Ok,
    /// They do not.
    Wrong {
        /// Checksum byte in the table.
        stored: u8,
        /// Byte that would make the sum zero.
        expected: u8,
    },
    /// The table has no checksum (FACS).
    None,
    /// Bytes of the table are missing, so the sum says nothing.
    Unknown,
}

impl Checksum {
    /// Check `bytes`, whose checksum byte is `stored`.
    pub(crate) fn of(bytes: &[u8], stored: u8) -> Self {
        match sum(bytes) {
            0 => Self::Ok,
            rest => Self::Wrong {
                stored,
                expected: stored.wrapping_sub(rest),
            },
        }
    }

    /// Whether the sum is right.
    #[must_use]
    pub fn is_ok(self) -> bool {
        self == Self::Ok
    }
}

impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ok => f.pad("ok"),
            Self::Wrong { .. } => f.pad("wrong"),
            Self::None => f.pad("none"),
            Self::Unknown => f.pad("unknown"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: [u8; 36] = *b"ABCD\x24\0\0\0\x02\x77OEMID TABLE\0\0\0\x04\x03\x02\x01TOOL\x08\x07\x06\x05";

    #[test]
    fn header_is_decoded_in_wire_order() {
        let header = Header::parse(&HEADER).unwrap();
        assert_eq!(header.signature, Signature(*b"ABCD"));
        assert_eq!((header.length, header.revision, header.checksum), (36, 2, 0x77));
        assert_eq!(
            (header.oem_id_text().as_str(), header.oem_table_id_text().as_str()),
            ("OEMID ", "TABLE")
        );
        assert_eq!(
            (header.oem_revision, header.creator_revision),
            (0x0102_0304, 0x0506_0708)
        );
        assert_eq!(header.creator_id_text(), "TOOL");
    }

    #[test]
    fn any_shorter_header_is_none() {
        for end in 0..HEADER.len() {
            assert!(Header::parse(&HEADER[..end]).is_none(), "{end}");
        }
    }

    #[test]
    fn wrong_checksum_names_the_byte_that_would_be_right() {
        let Checksum::Wrong { stored, expected } = Checksum::of(&[0x10, 0x20, 0x05], 0x05) else {
            panic!("0x35 is not zero");
        };
        assert_eq!((stored, expected), (0x05, 0xd0));
        assert!(Checksum::of(&[0x10, 0x20, expected], expected).is_ok());
    }

    #[test]
    fn unprintable_characters_show_as_dots() {
        assert_eq!(Signature([b'A', 1, 0xff, b'B']).to_string(), "A..B");
    }
}
