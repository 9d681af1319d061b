//! The header in the words of `lspci -vvv`.

use std::fmt;

use super::super::bits::DecodedRegister;
use super::super::function::Buses;
use super::{Bar, BarKind, Bridge, CardBus, Header, Window};

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
            cardbus.describe(self.command.as_ref(), out)?;
        }
        if let Some(rom) = self.rom {
            let place = place(rom.address);
            let decodes = self.command.as_ref().is_some_and(|command| command.bit(1));
            let state = match (rom.enabled, decodes) {
                (true, true) => "",
                (true, false) => " [disabled by cmd]",
                (false, _) => " [disabled]",
            };
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
    if address == 0 {
        "<unassigned>".to_owned()
    } else {
        format!("{address:08x}")
    }
}

impl fmt::Display for Bar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Region {}: ", self.index)?;
        let width = match self.kind {
            BarKind::Io if self.address == 0 && !self.enabled => {
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
        if self.enabled {
            Ok(())
        } else {
            f.write_str(" [disabled]")
        }
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
        if size == 0 || !size.is_multiple_of(1024) {
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
    fn describe(&self, command: Option<&DecodedRegister>, out: &mut dyn fmt::Write) -> fmt::Result {
        write_buses(out, self.buses, self.secondary_latency)?;
        let off = |bit: u8| {
            if command.is_some_and(|command| command.bit(bit)) {
                ""
            } else {
                " [disabled]"
            }
        };
        let control = self.control.as_ref();
        for ((index, window), bit) in self.memory.iter().enumerate().zip([8, 9]) {
            let prefetch = if control.is_some_and(|control| control.bit(bit)) {
                " (prefetchable)"
            } else {
                ""
            };
            let Window { base, limit, .. } = window;
            writeln!(
                out,
                "\tMemory window {index}: {base:08x}-{limit:08x}{}{prefetch}",
                off(1)
            )?;
        }
        for (index, window) in self.io.iter().enumerate() {
            writeln!(
                out,
                "\tI/O window {index}: {:08x}-{:08x}{}",
                window.base,
                window.limit,
                off(0)
            )?;
        }
        if let Some(status) = &self.secondary_status {
            status.write(out, "\t", "\t\t")?;
        }
        match self.legacy_ports {
            Some(port) => writeln!(out, "\t16-bit legacy interface ports at {port:04x}"),
            None => Ok(()),
        }
    }
}
