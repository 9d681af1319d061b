//! Resource templates: what a device uses (`_CRS`), could use (`_PRS`) or has been given.
//! Follows ACPI 6.5, section 6.4.
//!
//! ```
//! use acpi_dump::aml::resource::{Resource, decode};
//! // IO (Decode16, 0x0070, 0x0070, 0x01, 0x08), then the end tag.
//! let template = [0x47, 0x01, 0x70, 0x00, 0x70, 0x00, 0x01, 0x08, 0x79, 0x00];
//! let decoded = decode(&template);
//! assert_eq!(decoded.value[0].resource.to_string(), "I/O 0x0070-0x0077");
//! assert!(decoded.findings.is_empty());
//! ```

mod read;
mod words;

use serde::Serialize;

pub use read::decode;

/// One descriptor and its place in the template.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Descriptor {
    /// Offset of its first byte in the template.
    pub offset: usize,
    /// Length in bytes, its head included.
    pub length: usize,
    /// What it says.
    pub resource: Resource,
}

/// Trigger, polarity and sharing of an interrupt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Trigger {
    /// Edge-triggered; else level.
    pub edge: bool,
    /// 0 active high, 1 active low, 2 both edges (GPIO).
    pub polarity: u8,
    /// Shared with others.
    pub shared: bool,
    /// Can wake the system.
    pub wake: bool,
}

/// What an address range is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Space {
    /// Memory; the byte holds the type-specific flags (writable, caching, range type).
    Memory(u8),
    /// I/O ports.
    Io(u8),
    /// PCI bus numbers.
    Bus,
    /// Another type, by its number.
    Other(u8),
}

/// An address range in any of the four widths.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Range {
    /// What it is of.
    pub space: Space,
    /// Bits of its fields: 16, 32 or 64.
    pub width: u8,
    /// General flags: 0x01 consumed by the device (else produced for its children), 0x02 subtractive
    /// decode, 0x04 minimum fixed, 0x08 maximum fixed.
    pub flags: u8,
    /// Granularity: bits that the range may not cross.
    pub granularity: u64,
    /// First address or bus.
    pub minimum: u64,
    /// Last address or bus.
    pub maximum: u64,
    /// Added to an address on the secondary side to get one on the primary side.
    pub translation: u64,
    /// Number of addresses or buses.
    pub length: u64,
    /// Type-specific attributes of the extended form.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attributes: Option<u64>,
    /// Index of the resource in its source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_index: Option<u8>,
    /// Path of the device that gives it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
}

/// GPIO pins as interrupt or as input and output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Gpio {
    /// As interrupt (`GpioInt`); else as I/O (`GpioIo`).
    pub interrupt: bool,
    /// Consumed by this device.
    pub consumer: bool,
    /// Interrupt and I/O flags as they stand.
    pub flags: u16,
    /// 0 default, 1 pull up, 2 pull down, 3 none, from 0x80 vendor's.
    pub pull: u8,
    /// Output drive strength in units of 10 microamperes.
    pub drive: u16,
    /// Debounce time in units of 10 microseconds.
    pub debounce: u16,
    /// Pin numbers on the controller.
    pub pins: Vec<u16>,
    /// Path of the controller.
    pub source: String,
    /// Vendor's bytes.
    pub vendor: Vec<u8>,
}

/// A connection to a serial bus.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SerialBus {
    /// Which bus.
    pub bus: Bus,
    /// The device is the controller's target (0) or initiator (1), as the flag has it.
    pub device_initiated: bool,
    /// Consumed by this device.
    pub consumer: bool,
    /// Type-specific flags as they stand.
    pub flags: u16,
    /// Index of the resource in its source.
    pub source_index: u8,
    /// Path of the controller.
    pub source: String,
    /// Vendor's bytes behind the bus's own.
    pub vendor: Vec<u8>,
}

/// Fields of each bus.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "type")]
pub enum Bus {
    /// I2C: speed in Hz, address.
    I2c {
        /// Hz.
        speed: u32,
        /// 7 or 10 bits.
        address: u16,
    },
    /// SPI.
    Spi {
        /// Hz.
        speed: u32,
        /// Bits of a word.
        bits: u8,
        /// Clock phase: 0 first, 1 second edge.
        phase: u8,
        /// Clock polarity: 0 low, 1 high at rest.
        polarity: u8,
        /// Chip select.
        select: u16,
    },
    /// UART.
    Uart {
        /// Baud.
        speed: u32,
        /// Bytes of the receive buffer.
        receive: u16,
        /// Bytes of the transmit buffer.
        transmit: u16,
        /// 0 none, 1 even, 2 odd, 3 mark, 4 space.
        parity: u8,
        /// Lines in use, a bit each.
        lines: u8,
    },
    /// Camera bus (CSI-2); its bits are in the type-specific flags.
    Csi2,
    /// Another type, by its number, with its bytes.
    Other {
        /// The type.
        kind: u8,
        /// Its bytes.
        data: Vec<u8>,
    },
}

/// What a descriptor says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Resource {
    /// ISA interrupts; `flags` is false for the two-byte form, whose trigger is edge, high, exclusive.
    Irq {
        /// Numbers 0 to 15.
        numbers: Vec<u8>,
        /// How they are signalled.
        trigger: Trigger,
        /// The descriptor has its third byte.
        flags: bool,
    },
    /// ISA DMA channels.
    Dma {
        /// Channels 0 to 7.
        channels: Vec<u8>,
        /// Transfer type, bus master and speed as they stand.
        flags: u8,
    },
    /// A set of alternatives begins; the byte gives compatibility and performance.
    StartDependent {
        /// The byte, where it is there.
        priority: Option<u8>,
    },
    /// The alternatives end.
    EndDependent,
    /// I/O ports.
    Io {
        /// All 16 address lines are decoded; else 10.
        decode16: bool,
        /// Lowest first port.
        minimum: u16,
        /// Highest first port.
        maximum: u16,
        /// Alignment.
        alignment: u8,
        /// Number of ports.
        length: u8,
    },
    /// I/O ports at a fixed place, 10 address lines.
    FixedIo {
        /// First port.
        base: u16,
        /// Number of ports.
        length: u8,
    },
    /// A fixed DMA channel.
    FixedDma {
        /// Request line.
        request: u16,
        /// Channel.
        channel: u16,
        /// Transfer width: 0 is 8 bits, 1 is 16, up to 5, which is 256.
        width: u8,
    },
    /// Vendor's bytes (short or long form).
    Vendor {
        /// The long form.
        long: bool,
        /// The bytes.
        data: Vec<u8>,
    },
    /// The end; the checksum byte is 0 where none is kept.
    End {
        /// The byte.
        checksum: u8,
    },
    /// Memory below 16 MiB in units of 256 bytes.
    Memory24 {
        /// Writable.
        writable: bool,
        /// Lowest base, in 256 bytes.
        minimum: u16,
        /// Highest base, in 256 bytes.
        maximum: u16,
        /// Alignment in bytes.
        alignment: u16,
        /// Length in 256 bytes.
        length: u16,
    },
    /// Memory below 4 GiB.
    Memory32 {
        /// Writable.
        writable: bool,
        /// Lowest base.
        minimum: u32,
        /// Highest base.
        maximum: u32,
        /// Alignment.
        alignment: u32,
        /// Length in bytes.
        length: u32,
    },
    /// Memory at a fixed place below 4 GiB.
    FixedMemory32 {
        /// Writable.
        writable: bool,
        /// First byte.
        base: u32,
        /// Length in bytes.
        length: u32,
    },
    /// Word, DWord, QWord or extended address range.
    Range(Range),
    /// Interrupts by their global numbers.
    Interrupt {
        /// Consumed by the device.
        consumer: bool,
        /// How they are signalled.
        trigger: Trigger,
        /// Global system interrupts.
        numbers: Vec<u32>,
        /// Index of the resource in its source.
        source_index: Option<u8>,
        /// Path of the device that gives it.
        source: Option<String>,
    },
    /// A register at an address.
    Register {
        /// Address space: 0 memory, 1 I/O, 2 PCI configuration, 3 embedded controller, 4 SMBus, 10 PCC, 0x7F fixed hardware.
        space: u8,
        /// Bits.
        width: u8,
        /// First bit.
        bit: u8,
        /// Access size: 0 undefined, 1 byte, 2 word, 3 dword, 4 qword.
        access: u8,
        /// Address.
        address: u64,
    },
    /// GPIO pins.
    Gpio(Gpio),
    /// A serial bus.
    SerialBus(SerialBus),
    /// Pin function, configuration or group, clock input: by its tag, with its bytes.
    Pin {
        /// Large tag: 0x0D function, 0x0F configuration, 0x10 group, 0x11 group function, 0x12 group
        /// configuration, 0x13 clock input.
        tag: u8,
        /// Path of the controller, where one is named.
        source: Option<String>,
        /// Bytes behind the head.
        data: Vec<u8>,
    },
    /// A tag that ACPI 6.5 does not define, or a descriptor whose length does not fit its tag.
    Unknown {
        /// First byte.
        tag: u8,
        /// Bytes behind the head.
        data: Vec<u8>,
    },
}
