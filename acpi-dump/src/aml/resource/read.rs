//! Bytes of a template into descriptors. ACPI 6.5, sections 6.4.2 (small) and 6.4.3 (large).

use super::{Bus, Descriptor, Gpio, Range, Resource, SerialBus, Space, Trigger};
use crate::bytes::{u8_at, u16_at, u32_at, u64_at};
use crate::finding::{Decoded, Finding};
use crate::header::printable;

/// Decode a template up to its end tag. What is cut or unknown is kept as bytes and is a finding.
#[must_use]
pub fn decode(template: &[u8]) -> Decoded<Vec<Descriptor>> {
    let mut value = Vec::new();
    let mut findings = Vec::new();
    let mut at: usize = 0;
    let mut ended = false;
    while let Some(tag) = u8_at(template, at).filter(|_| !ended) {
        let head = if tag & 0x80 == 0 { 1usize } else { 3 };
        let length = if head == 1 {
            Some(usize::from(tag & 7))
        } else {
            u16_at(template, at.saturating_add(1)).map(usize::from)
        };
        let start = at.saturating_add(head);
        let end = length.and_then(|length| start.checked_add(length));
        let Some((data, end)) = end.and_then(|end| Some((template.get(start..end)?, end))) else {
            let left = template.len().saturating_sub(start);
            let expected = format!("{} bytes of resource descriptor {tag:#04x}", length.unwrap_or(2));
            findings.push(Finding::new(at, expected, format!("{left} bytes")));
            let data = template.get(start..).unwrap_or_default().to_vec();
            value.push(Descriptor {
                offset: at,
                length: template.len().saturating_sub(at),
                resource: Resource::Unknown { tag, data },
            });
            return Decoded { value, findings };
        };
        let whole = template.get(at..end).unwrap_or_default();
        let known = if head == 1 {
            small(tag >> 3, data)
        } else {
            large(tag & 0x7f, data, whole)
        };
        let resource = known.unwrap_or_else(|| {
            findings.push(Finding::new(
                at,
                "resource descriptor that ACPI defines, with the bytes it needs",
                format!("tag {tag:#04x} of {} bytes", data.len()),
            ));
            Resource::Unknown {
                tag,
                data: data.to_vec(),
            }
        });
        ended = matches!(resource, Resource::End { .. });
        value.push(Descriptor {
            offset: at,
            length: end.saturating_sub(at),
            resource,
        });
        at = end;
    }
    if !ended {
        findings.push(Finding::new(at, "end tag", "end of the buffer"));
    } else if at < template.len() {
        let left = template.len().saturating_sub(at);
        findings.push(Finding::new(
            at,
            "end of the buffer",
            format!("{left} bytes behind the end tag"),
        ));
    }
    Decoded { value, findings }
}

fn set_bits(mask: u16) -> Vec<u8> {
    (0..16).filter(|bit| mask >> bit & 1 == 1).collect()
}

fn small(tag: u8, data: &[u8]) -> Option<Resource> {
    Some(match (tag, data.len()) {
        (0x04, 2 | 3) => {
            let flags = u8_at(data, 2);
            let bits = flags.unwrap_or(1);
            Resource::Irq {
                numbers: set_bits(u16_at(data, 0)?),
                trigger: Trigger {
                    edge: bits & 1 != 0,
                    polarity: bits >> 3 & 1,
                    shared: bits & 0x10 != 0,
                    wake: bits & 0x20 != 0,
                },
                flags: flags.is_some(),
            }
        }
        (0x05, 2) => Resource::Dma {
            channels: set_bits(u8_at(data, 0)?.into()),
            flags: u8_at(data, 1)?,
        },
        (0x06, 0 | 1) => Resource::StartDependent {
            priority: u8_at(data, 0),
        },
        (0x07, 0) => Resource::EndDependent,
        (0x08, 7) => Resource::Io {
            decode16: u8_at(data, 0)? & 1 != 0,
            minimum: u16_at(data, 1)?,
            maximum: u16_at(data, 3)?,
            alignment: u8_at(data, 5)?,
            length: u8_at(data, 6)?,
        },
        (0x09, 3) => Resource::FixedIo {
            base: u16_at(data, 0)?,
            length: u8_at(data, 2)?,
        },
        (0x0a, 5) => Resource::FixedDma {
            request: u16_at(data, 0)?,
            channel: u16_at(data, 2)?,
            width: u8_at(data, 4)?,
        },
        (0x0e, _) => Resource::Vendor {
            long: false,
            data: data.to_vec(),
        },
        (0x0f, 1) => Resource::End {
            checksum: u8_at(data, 0)?,
        },
        _ => return None,
    })
}

fn large(tag: u8, data: &[u8], whole: &[u8]) -> Option<Resource> {
    let writable = u8_at(data, 0).is_some_and(|flags| flags & 1 != 0);
    Some(match tag {
        0x01 if data.len() == 9 => Resource::Memory24 {
            writable,
            minimum: u16_at(data, 1)?,
            maximum: u16_at(data, 3)?,
            alignment: u16_at(data, 5)?,
            length: u16_at(data, 7)?,
        },
        0x02 if data.len() == 12 => Resource::Register {
            space: u8_at(data, 0)?,
            width: u8_at(data, 1)?,
            bit: u8_at(data, 2)?,
            access: u8_at(data, 3)?,
            address: u64_at(data, 4)?,
        },
        0x04 => Resource::Vendor {
            long: true,
            data: data.to_vec(),
        },
        0x05 if data.len() == 17 => Resource::Memory32 {
            writable,
            minimum: u32_at(data, 1)?,
            maximum: u32_at(data, 5)?,
            alignment: u32_at(data, 9)?,
            length: u32_at(data, 13)?,
        },
        0x06 if data.len() == 9 => Resource::FixedMemory32 {
            writable,
            base: u32_at(data, 1)?,
            length: u32_at(data, 5)?,
        },
        0x07 => range(data, 4)?,
        0x08 => range(data, 2)?,
        0x0a => range(data, 8)?,
        0x0b => extended(data)?,
        0x09 => interrupt(data)?,
        0x0c => gpio(data, whole)?,
        0x0e => serial(data)?,
        0x0d | 0x0f..=0x13 => Resource::Pin {
            tag,
            source: pin_source(tag, data, whole),
            data: data.to_vec(),
        },
        _ => return None,
    })
}

fn space(kind: u8, flags: u8) -> Space {
    match kind {
        0 => Space::Memory(flags),
        1 => Space::Io(flags),
        2 => Space::Bus,
        other => Space::Other(other),
    }
}

/// Address range whose five fields are `width` bytes each, with an optional source behind.
fn range(data: &[u8], width: usize) -> Option<Resource> {
    let field = |index: usize| -> Option<u64> {
        let at = index.checked_mul(width)?.checked_add(3)?;
        match width {
            2 => u16_at(data, at).map(u64::from),
            4 => u32_at(data, at).map(u64::from),
            _ => u64_at(data, at),
        }
    };
    let (source_index, source) = source(data, width.checked_mul(5)?.checked_add(3)?);
    Some(Resource::Range(Range {
        space: space(u8_at(data, 0)?, u8_at(data, 2)?),
        width: u8::try_from(width.checked_mul(8)?).ok()?,
        flags: u8_at(data, 1)?,
        granularity: field(0)?,
        minimum: field(1)?,
        maximum: field(2)?,
        translation: field(3)?,
        length: field(4)?,
        attributes: None,
        source_index,
        source,
    }))
}

fn extended(data: &[u8]) -> Option<Resource> {
    Some(Resource::Range(Range {
        space: space(u8_at(data, 0)?, u8_at(data, 2)?),
        width: 64,
        flags: u8_at(data, 1)?,
        granularity: u64_at(data, 5)?,
        minimum: u64_at(data, 13)?,
        maximum: u64_at(data, 21)?,
        translation: u64_at(data, 29)?,
        length: u64_at(data, 37)?,
        attributes: Some(u64_at(data, 45)?),
        source_index: None,
        source: None,
    }))
}

/// Index and path at the end of a descriptor, both optional.
fn source(data: &[u8], at: usize) -> (Option<u8>, Option<String>) {
    let index = u8_at(data, at);
    let text = data.get(at.saturating_add(1)..).filter(|text| !text.is_empty());
    (index, text.map(zero_ended))
}

fn zero_ended(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    printable(bytes.get(..end).unwrap_or(bytes))
}

fn interrupt(data: &[u8]) -> Option<Resource> {
    let flags = u8_at(data, 0)?;
    let count = usize::from(u8_at(data, 1)?);
    let end = count.checked_mul(4)?.checked_add(2)?;
    let numbers = data.get(2..end)?.chunks_exact(4);
    let (source_index, source) = source(data, end);
    Some(Resource::Interrupt {
        consumer: flags & 1 != 0,
        trigger: Trigger {
            edge: flags & 2 != 0,
            polarity: flags >> 2 & 1,
            shared: flags & 8 != 0,
            wake: flags & 0x10 != 0,
        },
        numbers: numbers.filter_map(|number| u32_at(number, 0)).collect(),
        source_index,
        source,
    })
}

/// Bytes from one offset field's target up to the next; offsets count from the descriptor's head.
fn between(whole: &[u8], from: u16, to: u16) -> &[u8] {
    whole.get(usize::from(from)..usize::from(to)).unwrap_or_default()
}

fn gpio(data: &[u8], whole: &[u8]) -> Option<Resource> {
    let (pins, name) = (u16_at(data, 11)?, u16_at(data, 14)?);
    let (vendor, length) = (u16_at(data, 16)?, u16_at(data, 18)?);
    Some(Resource::Gpio(Gpio {
        interrupt: u8_at(data, 1)? == 0,
        consumer: u16_at(data, 2)? & 1 != 0,
        flags: u16_at(data, 4)?,
        pull: u8_at(data, 6)?,
        drive: u16_at(data, 7)?,
        debounce: u16_at(data, 9)?,
        pins: between(whole, pins, name)
            .chunks_exact(2)
            .filter_map(|pin| u16_at(pin, 0))
            .collect(),
        source: zero_ended(whole.get(usize::from(name)..)?),
        vendor: between(whole, vendor, vendor.saturating_add(length)).to_vec(),
    }))
}

fn serial(data: &[u8]) -> Option<Resource> {
    let (kind, general) = (u8_at(data, 2)?, u8_at(data, 3)?);
    let length = usize::from(u16_at(data, 7)?);
    let own = data.get(9..9usize.checked_add(length)?)?;
    let (bus, used) = match kind {
        1 => (
            Bus::I2c {
                speed: u32_at(own, 0)?,
                address: u16_at(own, 4)?,
            },
            6,
        ),
        2 => (
            Bus::Spi {
                speed: u32_at(own, 0)?,
                bits: u8_at(own, 4)?,
                phase: u8_at(own, 5)?,
                polarity: u8_at(own, 6)?,
                select: u16_at(own, 7)?,
            },
            9,
        ),
        3 => (
            Bus::Uart {
                speed: u32_at(own, 0)?,
                receive: u16_at(own, 4)?,
                transmit: u16_at(own, 6)?,
                parity: u8_at(own, 8)?,
                lines: u8_at(own, 9)?,
            },
            10,
        ),
        4 => (Bus::Csi2, 0),
        kind => (
            Bus::Other {
                kind,
                data: own.to_vec(),
            },
            own.len(),
        ),
    };
    Some(Resource::SerialBus(SerialBus {
        bus,
        device_initiated: general & 1 != 0,
        consumer: general & 2 != 0,
        flags: u16_at(data, 4)?,
        source_index: u8_at(data, 1)?,
        source: zero_ended(data.get(9usize.checked_add(length)?..)?),
        vendor: own.get(used..).unwrap_or_default().to_vec(),
    }))
}

/// Path of the controller of a pin descriptor: its offset stands at a place of its own per tag.
fn pin_source(tag: u8, data: &[u8], whole: &[u8]) -> Option<String> {
    let at = match tag {
        0x0d => 9,
        0x0f => 11,
        0x11 => 6,
        0x12 => 9,
        _ => return None,
    };
    Some(zero_ended(whole.get(usize::from(u16_at(data, at)?)..)?)).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tables::testing::hex;

    fn words(text: &str) -> Vec<String> {
        let decoded = decode(&hex(text));
        assert!(decoded.findings.is_empty(), "{:?}", decoded.findings);
        decoded
            .value
            .iter()
            .map(|descriptor| descriptor.resource.to_string())
            .collect()
    }

    #[test]
    fn host_bridge_windows_are_read_in_all_widths() {
        let template = "88 0d00 02 0c 00 0000 0000 ff00 0000 0001
            87 1700 00 0c 01 00000000 000000c0 ffffbffe 00000000 0000c03e
            8a 2b00 00 0c 03 0000000000000000 0000000080000000 ffffffff87000000 0000000000000000 0000000008000000
            79 00";
        assert_eq!(
            words(template),
            [
                "buses 00-ff",
                "memory 0xc0000000-0xfebfffff",
                "memory 0x8000000000-0x87ffffffff cacheable",
                "end",
            ]
        );
    }

    #[test]
    fn interrupts_say_their_trigger() {
        assert_eq!(
            words("22 0002 23 0004 18 89 0600 0d 01 14000000 79 00"),
            [
                "IRQ 9 edge, active high",
                "IRQ 10 level, active low, shared",
                "interrupt 20 level, active low, shared",
                "end"
            ]
        );
    }

    #[test]
    fn i2c_device_names_its_controller() {
        let template = "8e 1e00 01 00 01 02 0000 01 0600 801a0600 1500 5c5f53422e50434930 2e4932433000 79 00";
        let list = words(template);
        assert_eq!(list[0], "I2C address 0x15 at 400000 Hz on \\_SB.PCI0.I2C0");
    }

    #[test]
    fn cut_descriptor_is_kept_as_bytes_with_a_finding() {
        let decoded = decode(&hex("47 01 70 00"));
        assert!(matches!(&decoded.value[0].resource, Resource::Unknown { tag: 0x47, data } if data.len() == 3));
        assert_eq!(decoded.findings[0].offset, 0);
    }

    #[test]
    fn template_without_end_tag_is_a_finding() {
        let decoded = decode(&hex("4b 7000 08"));
        assert_eq!((decoded.value.len(), decoded.findings.len()), (1, 1));
        assert_eq!(decoded.findings[0].offset, 4);
    }
}
