//! `delid kdd read`: memory of a guest, as text or raw.

use std::io::{self, Write};

use clap::Parser;
use schemars::JsonSchema;
use serde::Serialize;

use super::{Error, source};
use crate::kd::debuggee::Debuggee as _;
use crate::memory::{Gpa, Gva};

/// Bytes printed at once.
const PIECE: u64 = 0x1_0000;

/// `delid kdd read`.
#[derive(Clone, Debug, Parser)]
pub struct Read {
    #[command(flatten)]
    of: source::Of,
    /// Virtual address, as the processor sees it
    #[arg(long, value_name = "ADDRESS", value_parser = source::address, required_unless_present = "pa", conflicts_with = "pa")]
    va: Option<u64>,
    /// Physical address
    #[arg(long, value_name = "ADDRESS", value_parser = source::address)]
    pa: Option<u64>,
    /// How many bytes
    #[arg(long, value_name = "BYTES", value_parser = length, default_value = "128")]
    length: u64,
    /// Number of the processor whose address space is meant
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    processor: u16,
    /// Write the bytes themselves
    #[arg(long, conflicts_with = "json")]
    raw: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// A size that can be walked page by page.
fn length(text: &str) -> Result<u64, String> {
    let bytes = source::bytes(text)?;
    if bytes > 1 << 40 {
        Err("expected at most 1024G".to_owned())
    } else {
        Ok(bytes)
    }
}

/// What `read` prints as JSON.
#[derive(JsonSchema, Serialize)]
pub(super) struct Shown {
    /// First address.
    at: String,
    /// Pieces that are there.
    pieces: Vec<Piece>,
    /// Bytes that are not there.
    missing: u64,
}

/// Bytes one after the other.
#[derive(JsonSchema, Serialize)]
struct Piece {
    at: String,
    /// Hexadecimal.
    bytes: String,
}

impl Read {
    pub(super) fn run(&self, out: &mut dyn Write) -> Result<u8, Error> {
        let guest = self.of.open()?;
        let read = |at: u64, buffer: &mut [u8]| match self.pa {
            Some(_) => guest.read_physical(Gpa(at), buffer),
            None => guest.read_virtual(self.processor, Gva(at), buffer),
        };
        let start = self.pa.or(self.va).unwrap_or_default();
        let end = start.saturating_add(self.length);
        let mut to = Sink {
            json: self.json,
            raw: self.raw,
            gap: None,
            shown: Shown::new(start),
            out,
        };
        let mut at = start;
        while at < end {
            let wanted = PIECE.min(end - at);
            let mut buffer = vec![0; usize::try_from(wanted).unwrap_or_default()];
            let count = read(at, &mut buffer);
            buffer.truncate(count);
            to.bytes(at, &buffer)?;
            at = at.saturating_add(count as u64);
            if (count as u64) < wanted {
                // A raw output cannot leave the rest of this page out.
                if self.raw {
                    eprintln!("{}: nothing at {at:#018x}; the output ends there", self.of.name());
                    return Ok(1);
                }
                let next = (at | 0xfff).saturating_add(1).min(end);
                to.missing(at, next);
                at = next;
            }
        }
        to.end_gap()?;
        let shown = to.shown;
        if self.json {
            super::json(out, &shown)?;
        }
        Ok(u8::from(shown.missing > 0))
    }
}

/// Where bytes go.
struct Sink<'a> {
    json: bool,
    raw: bool,
    /// What is not there since the last byte that was: first address, first behind it.
    gap: Option<(u64, u64)>,
    shown: Shown,
    out: &'a mut dyn Write,
}

impl Sink<'_> {
    fn bytes(&mut self, at: u64, bytes: &[u8]) -> io::Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.end_gap()?;
        if self.raw {
            return self.out.write_all(bytes);
        }
        if self.json {
            let bytes = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            let at = format!("{at:#018x}");
            self.shown.pieces.push(Piece { at, bytes });
            return Ok(());
        }
        lines(at, bytes, self.out)
    }

    fn missing(&mut self, from: u64, to: u64) {
        self.shown.missing = self.shown.missing.saturating_add(to - from);
        self.gap = Some((self.gap.map_or(from, |(first, _)| first), to));
    }

    fn end_gap(&mut self) -> io::Result<()> {
        match self.gap.take() {
            Some((from, to)) if !self.json => writeln!(self.out, "{from:016x}  not there: {} bytes", to - from),
            _ => Ok(()),
        }
    }
}

impl Shown {
    fn new(at: u64) -> Self {
        Self {
            at: format!("{at:#018x}"),
            pieces: Vec::new(),
            missing: 0,
        }
    }
}

/// Sixteen bytes a line, with their characters.
fn lines(at: u64, bytes: &[u8], out: &mut dyn Write) -> io::Result<()> {
    for (number, line) in bytes.chunks(16).enumerate() {
        let hex: Vec<String> = line.iter().map(|byte| format!("{byte:02x}")).collect();
        let text: String = line
            .iter()
            .map(|byte| {
                if byte.is_ascii_graphic() {
                    char::from(*byte)
                } else {
                    '.'
                }
            })
            .collect();
        let address = at.saturating_add(16 * number as u64);
        writeln!(out, "{address:016x}  {:<47}  {text}", hex.join(" "))?;
    }
    Ok(())
}
