//! Resources as an engineer says them: what, where, how.

use std::fmt;

use super::{Bus, Gpio, Range, Resource, SerialBus, Space, Trigger};

impl fmt::Display for Trigger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let edge = if self.edge { "edge" } else { "level" };
        let polarity = match self.polarity {
            0 => "active high",
            1 => "active low",
            _ => "both edges",
        };
        write!(f, "{edge}, {polarity}")?;
        if self.shared {
            f.write_str(", shared")?;
        }
        if self.wake {
            f.write_str(", wakes")?;
        }
        Ok(())
    }
}

/// Last address of a range; nothing when its length is 0.
fn last(first: u64, length: u64) -> Option<u64> {
    first.checked_add(length.checked_sub(1)?)
}

fn span(f: &mut fmt::Formatter<'_>, first: u64, length: u64, digits: usize) -> fmt::Result {
    let width = digits.saturating_add(2);
    match last(first, length) {
        Some(last) if last == first => write!(f, "{first:#0width$x}"),
        Some(last) => write!(f, "{first:#0width$x}-{last:#0width$x}"),
        None => write!(f, "{first:#0width$x}, no length"),
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.space {
            Space::Memory(_) => f.write_str("memory ")?,
            Space::Io(_) => f.write_str("I/O ")?,
            Space::Bus => f.write_str("buses ")?,
            Space::Other(kind) => write!(f, "address space {kind:#04x} ")?,
        }
        let digits = match (self.space, self.width) {
            (Space::Bus, _) => return self.buses(f),
            (Space::Io(_), _) | (_, 16) => 6,
            _ => 10,
        };
        if self.length == 0 {
            write!(f, "{:#0digits$x}-{:#0digits$x}, length 0", self.minimum, self.maximum)?;
        } else {
            write!(f, "{:#0digits$x}-{:#0digits$x}", self.minimum, self.maximum)?;
        }
        let size = self
            .maximum
            .checked_sub(self.minimum)
            .and_then(|size| size.checked_add(1));
        if self.length != 0 && size != Some(self.length) {
            write!(f, ", {:#x} of it", self.length)?;
        }
        if let Space::Memory(flags) = self.space {
            if flags & 1 == 0 {
                f.write_str(" read-only")?;
            }
            f.write_str(match flags >> 1 & 3 {
                0 => "",
                1 => " cacheable",
                2 => " write-combining",
                _ => " prefetchable",
            })?;
        }
        if self.translation != 0 {
            write!(f, ", translated by {:#x}", self.translation)?;
        }
        if self.flags & 2 != 0 {
            f.write_str(", subtractive")?;
        }
        if let Some(source) = &self.source {
            write!(f, " from {source}")?;
        }
        Ok(())
    }
}

impl Range {
    fn buses(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02x}-{:02x}", self.minimum, self.maximum)
    }
}

/// Numbers with commas.
struct List<'a, T>(&'a [T]);

impl<T: fmt::Display> fmt::Display for List<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, item) in self.0.iter().enumerate() {
            if place > 0 {
                f.write_str(",")?;
            }
            write!(f, "{item}")?;
        }
        if self.0.is_empty() { f.write_str("none") } else { Ok(()) }
    }
}

impl fmt::Display for Gpio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = if self.interrupt { "GPIO interrupt" } else { "GPIO" };
        write!(f, "{what} pin {}", List(&self.pins))?;
        if self.interrupt {
            let trigger = Trigger {
                edge: self.flags & 1 != 0,
                polarity: u8::try_from(self.flags >> 1 & 3).unwrap_or(0),
                shared: self.flags & 8 != 0,
                wake: self.flags & 0x10 != 0,
            };
            write!(f, " {trigger}")?;
        } else {
            f.write_str(match self.flags & 3 {
                1 => " input",
                2 => " output",
                3 => " as it is",
                _ => "",
            })?;
        }
        f.write_str(match self.pull {
            1 => ", pull up",
            2 => ", pull down",
            _ => "",
        })?;
        write!(f, " on {}", self.source)
    }
}

impl fmt::Display for SerialBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.bus {
            Bus::I2c { speed, address } => write!(f, "I2C address {address:#04x} at {speed} Hz")?,
            Bus::Spi { speed, select, .. } => write!(f, "SPI chip select {select} at {speed} Hz")?,
            Bus::Uart { speed, .. } => write!(f, "UART at {speed} baud")?,
            Bus::Csi2 => f.write_str("CSI-2 camera")?,
            Bus::Other { kind, .. } => write!(f, "serial bus of type {kind:#04x}")?,
        }
        write!(f, " on {}", self.source)
    }
}

fn pin(tag: u8) -> &'static str {
    match tag {
        0x0d => "pin function",
        0x0f => "pin configuration",
        0x10 => "pin group",
        0x11 => "pin group function",
        0x12 => "pin group configuration",
        _ => "clock input",
    }
}

fn access(writable: bool) -> &'static str {
    if writable { "" } else { " read-only" }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Irq { numbers, trigger, .. } => write!(f, "IRQ {} {trigger}", List(numbers)),
            Self::Dma { channels, .. } => write!(f, "DMA channel {}", List(channels)),
            Self::StartDependent { .. } => f.write_str("either"),
            Self::EndDependent => f.write_str("end of the alternatives"),
            Self::Io {
                minimum,
                maximum,
                length,
                ..
            } => {
                f.write_str("I/O ")?;
                span(f, (*minimum).into(), (*length).into(), 4)?;
                if maximum != minimum {
                    write!(f, ", movable up to {maximum:#06x}")?;
                }
                Ok(())
            }
            Self::FixedIo { base, length } => {
                f.write_str("I/O ")?;
                span(f, (*base).into(), (*length).into(), 4)
            }
            Self::FixedDma { request, channel, .. } => write!(f, "DMA request {request}, channel {channel}"),
            Self::Vendor { data, .. } => write!(f, "{} vendor bytes", data.len()),
            Self::End { .. } => f.write_str("end"),
            Self::Memory24 {
                writable,
                minimum,
                length,
                ..
            } => {
                f.write_str("memory ")?;
                span(f, u64::from(*minimum) << 8, u64::from(*length) << 8, 6)?;
                f.write_str(access(*writable))
            }
            Self::Memory32 {
                writable,
                minimum,
                maximum,
                length,
                ..
            } => {
                f.write_str("memory ")?;
                span(f, (*minimum).into(), (*length).into(), 8)?;
                if maximum != minimum {
                    write!(f, ", movable up to {maximum:#010x}")?;
                }
                f.write_str(access(*writable))
            }
            Self::FixedMemory32 { writable, base, length } => {
                f.write_str("memory ")?;
                span(f, (*base).into(), (*length).into(), 8)?;
                f.write_str(access(*writable))
            }
            Self::Range(range) => range.fmt(f),
            Self::Interrupt {
                trigger,
                numbers,
                source,
                ..
            } => {
                write!(f, "interrupt {} {trigger}", List(numbers))?;
                match source {
                    Some(source) if !source.is_empty() => write!(f, " from {source}"),
                    _ => Ok(()),
                }
            }
            Self::Register {
                space, address, width, ..
            } => {
                let name = match space {
                    0 => "memory",
                    1 => "I/O",
                    2 => "PCI configuration",
                    3 => "embedded controller",
                    4 => "SMBus",
                    10 => "PCC",
                    0x7f => "fixed hardware",
                    _ => "address space",
                };
                write!(f, "register of {width} bits in {name} at {address:#x}")
            }
            Self::Gpio(gpio) => gpio.fmt(f),
            Self::SerialBus(bus) => bus.fmt(f),
            Self::Pin { tag, source, .. } => {
                f.write_str(pin(*tag))?;
                source.as_ref().map_or(Ok(()), |source| write!(f, " on {source}"))
            }
            Self::Unknown { tag, data } => write!(f, "unknown descriptor {tag:#04x}, {} bytes", data.len()),
        }
    }
}
