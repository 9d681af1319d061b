//! The first 64 bytes of configuration space, for functions, bridges and CardBus bridges.
//! Follows PCI Local Bus 3.0 (6.1, 6.2), PCI-to-PCI Bridge 1.2 (3.2) and PC Card 8.0 (4.5).

use std::fmt;

use serde::{Serialize, Serializer};

use super::bits::{Context, DecodedRegister, Field, Register, bits, flag, words};
use super::function::{Buses, Class};

/// The header of configuration space. `None`: the bytes were not there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Header {
    /// Vendor ID.
    pub vendor: Option<u16>,
    /// Device ID.
    pub device: Option<u16>,
    /// Command register.
    pub command: Option<DecodedRegister>,
    /// Status register.
    pub status: Option<DecodedRegister>,
    /// Revision ID.
    pub revision: Option<u8>,
    /// Class code.
    pub class: Option<Class>,
    /// Cache line size in units of 4 bytes.
    pub cache_line: Option<u8>,
    /// Latency timer.
    pub latency: Option<u8>,
    /// Header type without the multi-function bit: 0 function, 1 bridge, 2 CardBus.
    pub header_type: Option<u8>,
    /// The device has more functions than function 0.
    pub multi_function: bool,
    /// Built-in self test register.
    pub bist: Option<u8>,
    /// Min_Gnt in units of 250 ns, functions only.
    pub min_grant: Option<u8>,
    /// Max_Lat in units of 250 ns, functions only.
    pub max_latency: Option<u8>,
    /// Base address registers that hold something.
    pub bars: Vec<Bar>,
    /// Subsystem vendor and device ID of header types 0 and 2.
    pub subsystem: Option<(u16, u16)>,
    /// Expansion ROM, when its register holds something.
    pub rom: Option<Rom>,
    /// Interrupt pin: 0 none, 1 INTA to 4 INTD.
    pub interrupt_pin: Option<u8>,
    /// Interrupt line, as firmware wrote it.
    pub interrupt_line: Option<u8>,
    /// PCI-to-PCI bridges.
    pub bridge: Option<Bridge>,
    /// CardBus bridges.
    pub cardbus: Option<CardBus>,
}

/// What a base address register decodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BarKind {
    /// I/O ports.
    Io,
    /// Memory anywhere in 32 bits.
    Memory32,
    /// Memory below 1 MiB (PCI 2.1 and older).
    MemoryLow,
    /// Memory anywhere in 64 bits; takes the next register as well.
    Memory64,
    /// A type the specification reserves.
    Reserved,
}

impl BarKind {
    /// I/O ports rather than memory.
    #[must_use]
    pub const fn is_io(self) -> bool {
        matches!(self, Self::Io)
    }
}

/// A base address register. Its size cannot be told from bytes alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Bar {
    /// Index of the register, 0 to 5.
    pub index: u8,
    /// What it decodes.
    pub kind: BarKind,
    /// Prefetchable memory.
    pub prefetchable: bool,
    /// Address; 0 when nothing is assigned.
    #[serde(serialize_with = "address")]
    pub address: u64,
    /// Decoding is on in the Command register.
    pub enabled: bool,
}

/// The expansion ROM base address register.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Rom {
    /// Address; 0 when nothing is assigned.
    #[serde(serialize_with = "address")]
    pub address: u64,
    /// The ROM's own enable bit.
    pub enabled: bool,
}

/// A range of addresses that a bridge forwards. It is closed when `base > limit`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Window {
    /// First address.
    #[serde(serialize_with = "address")]
    pub base: u64,
    /// Last address.
    #[serde(serialize_with = "address")]
    pub limit: u64,
    /// Width of the addresses: 16, 32 or 64.
    pub width: u8,
}

impl Window {
    /// Whether anything is forwarded.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.base <= self.limit
    }

    /// Bytes forwarded; 0 when closed.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.limit
            .checked_sub(self.base)
            .map_or(0, |size| size.saturating_add(1))
    }
}

/// The part of the header that PCI-to-PCI bridges have.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Bridge {
    /// Bus numbers.
    pub buses: Option<Buses>,
    /// Latency timer of the secondary bus.
    pub secondary_latency: Option<u8>,
    /// I/O window; `None` when its type is not a known one.
    pub io: Option<Window>,
    /// Memory window.
    pub memory: Option<Window>,
    /// Prefetchable memory window.
    pub prefetchable: Option<Window>,
    /// Secondary Status register.
    pub secondary_status: Option<DecodedRegister>,
    /// Bridge Control register.
    pub control: Option<DecodedRegister>,
}

/// The part of the header that CardBus bridges have.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CardBus {
    /// Bus numbers.
    pub buses: Option<Buses>,
    /// Latency timer of the CardBus.
    pub secondary_latency: Option<u8>,
    /// Two memory windows.
    pub memory: Vec<Window>,
    /// Two I/O windows.
    pub io: Vec<Window>,
    /// Bridge Control register.
    pub control: Option<DecodedRegister>,
    /// Base of the 16-bit PC Card legacy ports.
    pub legacy_ports: Option<u16>,
}

fn address<S: Serializer>(value: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("0x{value:016x}"))
}

const DEVSEL: &[(u64, &str)] = &[(0, "fast"), (1, "medium"), (2, "slow")];

const COMMAND: Register = Register::new(4, 2, "Control", &[
    flag(0, "I/O"),
    flag(1, "Mem"),
    flag(2, "BusMaster"),
    flag(3, "SpecCycle"),
    flag(4, "MemWINV"),
    flag(5, "VGASnoop"),
    flag(6, "ParErr"),
    flag(7, "Stepping"),
    flag(8, "SERR"),
    flag(9, "FastB2B"),
    flag(10, "DisINTx"),
]);
const STATUS: Register = Register::new(6, 2, "Status", &[
    flag(4, "Cap"),
    flag(5, "66MHz"),
    flag(6, "UDF"),
    flag(7, "FastB2B"),
    flag(8, "ParErr"),
    DEVSEL_TIMING,
    flag(11, ">TAbort"),
    flag(12, "<TAbort"),
    flag(13, "<MAbort"),
    flag(14, ">SERR"),
    flag(15, "<PERR"),
    flag(3, "INTx"),
]);
const DEVSEL_TIMING: Field = words(10, 9, "DEVSEL", DEVSEL, "??");
const SECONDARY_STATUS: Register = Register::new(0x1e, 2, "Secondary status", &[
    flag(5, "66MHz"),
    flag(7, "FastB2B"),
    flag(8, "ParErr"),
    DEVSEL_TIMING,
    flag(11, ">TAbort"),
    flag(12, "<TAbort"),
    flag(13, "<MAbort"),
    flag(14, "<SERR"),
    flag(15, "<PERR"),
]);
const BRIDGE_CONTROL: Register = Register::new(0x3e, 2, "BridgeCtl", &[
    flag(0, "Parity"),
    flag(1, "SERR"),
    flag(2, "NoISA"),
    flag(3, "VGA"),
    flag(4, "VGA16"),
    flag(5, "MAbort"),
    flag(6, ">Reset"),
    flag(7, "FastB2B"),
    flag(8, "PriDiscTmr"),
    flag(9, "SecDiscTmr"),
    flag(10, "DiscTmrStat"),
    flag(11, "DiscTmrSERREn"),
]);
const CARDBUS_CONTROL: Register = Register::new(0x3e, 2, "BridgeCtl", &[
    flag(0, "Parity"),
    flag(1, "SERR"),
    flag(2, "ISA"),
    flag(3, "VGA"),
    flag(5, "MAbort"),
    flag(6, ">Reset"),
    flag(7, "16bInt"),
    flag(8, "Prefetch0"),
    flag(9, "Prefetch1"),
    flag(10, "PostWrite"),
]);

/// Decodes as much of the header as there are bytes for.
#[must_use]
pub fn decode(bytes: &[u8]) -> Header {
    let cx = Context::new(bytes, 0, bytes.len());
    let read = Reader { cx };
    let kind = read.byte(0x0e);
    let mut header = Header {
        vendor: read.word(0),
        device: read.word(2),
        command: COMMAND.decode(&cx),
        status: STATUS.decode(&cx),
        revision: read.byte(8),
        class: read.class(),
        cache_line: read.byte(0x0c),
        latency: read.byte(0x0d),
        header_type: kind.map(|kind| kind & 0x7f),
        multi_function: kind.is_some_and(|kind| kind & 0x80 != 0),
        bist: read.byte(0x0f),
        interrupt_line: read.byte(0x3c),
        interrupt_pin: read.byte(0x3d),
        ..Header::default()
    };
    match header.header_type {
        Some(0) => {
            header.bars = read.bars(6);
            header.rom = read.rom(0x30);
            header.subsystem = read.word(0x2c).zip(read.word(0x2e));
            header.min_grant = read.byte(0x3e);
            header.max_latency = read.byte(0x3f);
        }
        Some(1) => {
            header.bars = read.bars(2);
            header.rom = read.rom(0x38);
            header.bridge = Some(read.bridge());
        }
        Some(2) => {
            header.bars = read.bars(1);
            header.subsystem = read.word(0x40).zip(read.word(0x42));
            header.cardbus = Some(read.cardbus());
        }
        _ => {}
    }
    header
}

#[derive(Clone, Copy)]
struct Reader<'a> {
    cx: Context<'a>,
}

impl Reader<'_> {
    fn byte(self, offset: usize) -> Option<u8> {
        u8::try_from(self.cx.read(offset, 1)?).ok()
    }

    fn word(self, offset: usize) -> Option<u16> {
        u16::try_from(self.cx.read(offset, 2)?).ok()
    }

    fn class(self) -> Option<Class> {
        u32::try_from(self.cx.read(9, 3)?).ok().map(Class)
    }

    fn enabled(self, kind: BarKind) -> bool {
        let bit = if kind.is_io() { 0 } else { 1 };
        bits(self.cx.peek(4, 2), bit, bit) == 1
    }

    fn bars(self, count: u8) -> Vec<Bar> {
        let mut bars = Vec::new();
        let mut index: u8 = 0;
        while index < count {
            let at = usize::from(index).saturating_mul(4).saturating_add(0x10);
            let Some(low) = self.cx.read(at, 4) else {
                break;
            };
            if low != 0 && low != 0xffff_ffff {
                bars.push(self.bar(index, at, low, index.saturating_add(1) < count));
            }
            let wide = low != 0xffff_ffff && bits(low, 2, 0) == 0b100;
            index = index.saturating_add(if wide { 2 } else { 1 });
        }
        bars
    }

    fn bar(self, index: u8, at: usize, low: u64, pair: bool) -> Bar {
        let kind = match (bits(low, 0, 0), bits(low, 2, 1)) {
            (1, _) => BarKind::Io,
            (_, 0) => BarKind::Memory32,
            (_, 1) => BarKind::MemoryLow,
            (_, 2) => BarKind::Memory64,
            _ => BarKind::Reserved,
        };
        let high = match kind {
            BarKind::Memory64 if pair => self.cx.peek(at.saturating_add(4), 4),
            _ => 0,
        };
        let mask = if kind.is_io() { !0x3 } else { !0xf };
        Bar {
            index,
            kind,
            prefetchable: !kind.is_io() && bits(low, 3, 3) == 1,
            address: (high << 32) | (low & mask),
            enabled: self.enabled(kind),
        }
    }

    fn rom(self, at: usize) -> Option<Rom> {
        let value = self.cx.read(at, 4).filter(|value| !matches!(value, 0 | 0xffff_ffff))?;
        Some(Rom {
            address: value & !0x7ff,
            enabled: bits(value, 0, 0) == 1,
        })
    }

    fn buses(self) -> Option<Buses> {
        Some(Buses {
            primary: self.byte(0x18)?,
            secondary: self.byte(0x19)?,
            subordinate: self.byte(0x1a)?,
        })
    }

    fn bridge(self) -> Bridge {
        Bridge {
            buses: self.buses(),
            secondary_latency: self.byte(0x1b),
            io: self.io_window(),
            memory: self.memory_window(0x20, None),
            prefetchable: self.memory_window(0x24, Some((0x28, 0x2c))),
            secondary_status: SECONDARY_STATUS.decode(&self.cx),
            control: BRIDGE_CONTROL.decode(&self.cx),
        }
    }

    /// The low four bits of base and limit say the width; they must agree.
    fn io_window(self) -> Option<Window> {
        let (base, limit) = (self.cx.read(0x1c, 1)?, self.cx.read(0x1d, 1)?);
        let (upper_base, upper_limit, width) = match (bits(base, 3, 0), bits(limit, 3, 0)) {
            (0, 0) => (0, 0, 16),
            (1, 1) => (self.cx.read(0x30, 2)?, self.cx.read(0x32, 2)?, 32),
            _ => return None,
        };
        Some(Window {
            base: (base & 0xf0) << 8 | upper_base << 16,
            limit: (limit & 0xf0) << 8 | upper_limit << 16 | 0xfff,
            width,
        })
    }

    fn memory_window(self, at: usize, upper: Option<(usize, usize)>) -> Option<Window> {
        let (base, limit) = (self.cx.read(at, 2)?, self.cx.read(at.checked_add(2)?, 2)?);
        let (upper_base, upper_limit, width) = match (bits(base, 3, 0), bits(limit, 3, 0), upper) {
            (0, 0, _) => (0, 0, 32),
            (1, 1, Some((base, limit))) => (self.cx.read(base, 4)?, self.cx.read(limit, 4)?, 64),
            _ => return None,
        };
        Some(Window {
            base: (base & 0xfff0) << 16 | upper_base << 32,
            limit: (limit & 0xfff0) << 16 | upper_limit << 32 | 0xf_ffff,
            width,
        })
    }

    fn cardbus(self) -> CardBus {
        let memory = |at: usize| {
            Some(Window {
                base: self.cx.read(at, 4)? & !0xfff,
                limit: self.cx.read(at.checked_add(4)?, 4)? | 0xfff,
                width: 32,
            })
        };
        let io = |at: usize| {
            let (base, limit) = (self.cx.read(at, 4)?, self.cx.read(at.checked_add(4)?, 4)?);
            let (mask, width) = if bits(base, 0, 0) == 1 { (0xffff_fffc, 32) } else { (0xfffc, 16) };
            Some(Window {
                base: base & mask,
                limit: limit & mask | 3,
                width,
            })
        };
        CardBus {
            buses: self.buses(),
            secondary_latency: self.byte(0x1b),
            memory: [0x1c, 0x24].into_iter().filter_map(memory).collect(),
            io: [0x2c, 0x34].into_iter().filter_map(io).collect(),
            control: CARDBUS_CONTROL.decode(&self.cx),
            legacy_ports: self.word(0x44).filter(|port| *port != 0),
        }
    }
}

impl Header {
    /// Prints the header in the way of `lspci -vvv`, capabilities aside.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn describe(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        for register in self.command.iter().chain(&self.status) {
            register.write(out, "\t", "\t\t")?;
        }
        self.describe_timing(out)?;
        for bar in &self.bars {
            writeln!(out, "\t{bar}")?;
        }
        if let Some(bridge) = &self.bridge {
            bridge.describe(out)?;
        }
        if let Some(cardbus) = &self.cardbus {
            cardbus.describe(out)?;
        }
        if let Some(rom) = self.rom {
            let place = place(rom.address);
            let state = if rom.enabled { "" } else { " [disabled]" };
            writeln!(out, "\tExpansion ROM at {place}{state}")?;
        }
        let control = self.bridge.as_ref().and_then(|bridge| bridge.control.as_ref());
        let control = control.or_else(|| self.cardbus.as_ref()?.control.as_ref());
        control.map_or(Ok(()), |control| control.write(out, "\t", "\t\t"))
    }

    fn describe_timing(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        if self.command.as_ref().is_some_and(|command| command.bit(2)) {
            write!(out, "\tLatency: {}", self.latency.unwrap_or(0))?;
            let times: Vec<String> = [(self.min_grant, "min"), (self.max_latency, "max")]
                .into_iter()
                .filter_map(|(time, word)| Some((u32::from(time?), word)))
                .filter(|(time, _)| *time != 0)
                .map(|(time, word)| format!("{}ns {word}", time.saturating_mul(250)))
                .collect();
            if !times.is_empty() {
                write!(out, " ({})", times.join(", "))?;
            }
            match self.cache_line {
                None | Some(0) => writeln!(out)?,
                Some(line) => writeln!(out, ", Cache Line Size: {} bytes", u32::from(line).saturating_mul(4))?,
            }
        }
        let (pin, line) = (self.interrupt_pin.unwrap_or(0), self.interrupt_line.unwrap_or(0));
        if pin != 0 || line != 0 {
            let pin = match pin {
                0 => '?',
                _ => char::from(b'@'.saturating_add(pin)),
            };
            writeln!(out, "\tInterrupt: pin {pin} routed to IRQ {line}")?;
        }
        match self.bist {
            Some(bist) if bist & 0xc0 == 0xc0 => writeln!(out, "\tBIST is running"),
            Some(bist) if bist & 0x80 != 0 => writeln!(out, "\tBIST result: {:02x}", bist & 0x0f),
            _ => Ok(()),
        }
    }
}

fn place(address: u64) -> String {
    if address == 0 { "<unassigned>".to_owned() } else { format!("{address:08x}") }
}

impl fmt::Display for Bar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Region {}: ", self.index)?;
        let width = match self.kind {
            BarKind::Io if self.address == 0 => {
                f.write_str("I/O ports at <unassigned>")?;
                ""
            }
            BarKind::Io => {
                write!(f, "I/O ports at {:04x}", self.address)?;
                ""
            }
            BarKind::Memory32 => "32-bit",
            BarKind::MemoryLow => "low-1M",
            BarKind::Memory64 => "64-bit",
            BarKind::Reserved => "type 3",
        };
        if !self.kind.is_io() {
            let prefetch = if self.prefetchable { "" } else { "non-" };
            write!(f, "Memory at {} ({width}, {prefetch}prefetchable)", place(self.address))?;
        }
        if self.enabled { Ok(()) } else { f.write_str(" [disabled]") }
    }
}

fn write_window(out: &mut dyn fmt::Write, name: &str, window: &Window) -> fmt::Result {
    let digits = usize::from(window.width / 4);
    let Window { base, limit, width } = window;
    write!(out, "\t{name}: {base:0digits$x}-{limit:0digits$x}")?;
    if window.is_open() {
        write!(out, " [size={}]", short(window.size()))?;
    } else {
        write!(out, " [disabled]")?;
    }
    writeln!(out, " [{width}-bit]")
}

/// A size with the largest unit that leaves a whole number.
fn short(mut size: u64) -> String {
    for unit in ["", "K", "M", "G"] {
        if size % 1024 != 0 || size == 0 {
            return format!("{size}{unit}");
        }
        size /= 1024;
    }
    format!("{size}T")
}

fn write_buses(out: &mut dyn fmt::Write, buses: Option<Buses>, latency: Option<u8>) -> fmt::Result {
    let Some(buses) = buses else {
        return Ok(());
    };
    writeln!(
        out,
        "\tBus: primary={:02x}, secondary={:02x}, subordinate={:02x}, sec-latency={}",
        buses.primary,
        buses.secondary,
        buses.subordinate,
        latency.unwrap_or(0)
    )
}

impl Bridge {
    fn describe(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        write_buses(out, self.buses, self.secondary_latency)?;
        for (name, window) in [
            ("I/O behind bridge", self.io),
            ("Memory behind bridge", self.memory),
            ("Prefetchable memory behind bridge", self.prefetchable),
        ] {
            match window {
                Some(window) => write_window(out, name, &window)?,
                None => writeln!(out, "\t{name}: <unknown range type>")?,
            }
        }
        self.secondary_status
            .as_ref()
            .map_or(Ok(()), |status| status.write(out, "\t", "\t\t"))
    }
}

impl CardBus {
    fn describe(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        write_buses(out, self.buses, self.secondary_latency)?;
        for (index, window) in self.memory.iter().enumerate() {
            writeln!(out, "\tMemory window {index}: {:08x}-{:08x}", window.base, window.limit)?;
        }
        for (index, window) in self.io.iter().enumerate() {
            writeln!(out, "\tI/O window {index}: {:08x}-{:08x}", window.base, window.limit)?;
        }
        match self.legacy_ports {
            Some(port) => writeln!(out, "\t16-bit legacy interface ports at {port:04x}"),
            None => Ok(()),
        }
    }
}
