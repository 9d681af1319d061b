//! `delid kdd decode`: captured debugger traffic in words.

use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;

use clap::Parser;

use super::Error;
use crate::decode::{Counts, Decoded, print, read};
use crate::kdnet::key::Key;

/// `delid kdd decode`.
#[derive(Clone, Debug, Parser)]
pub struct Decode {
    /// pcap or pcapng (also with gzip), a record of "serve --record", raw bytes of a serial line, or text with lines
    /// "H>T HEX" (debugger to target) and "T>H HEX"
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Key of KDNET
    #[arg(long, value_name = "W.X.Y.Z")]
    key: Option<Key>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Decode {
    pub(super) fn run(&self, out: &mut dyn Write) -> Result<u8, Error> {
        let bytes = fs::read(&self.file).map_err(Error::read(&self.file))?;
        let decoded = read(&bytes, self.key.as_ref());
        let silent = decoded.rows.is_empty() && decoded.notes.is_empty() && decoded.damage.is_empty();
        if silent {
            return Err(Error::refused(&self.file, "expected debugger traffic, seen none"));
        }
        if self.json {
            super::json(out, &decoded)?;
        } else {
            self.text(&decoded, out)?;
        }
        Ok(u8::from(decoded.damaged()))
    }

    fn text(&self, decoded: &Decoded, out: &mut dyn Write) -> io::Result<()> {
        decoded.rows.iter().try_for_each(|row| print(row, out))?;
        let Counts {
            frames,
            control,
            control_verified,
            data,
            data_verified,
            ..
        } = decoded.counts;
        if control > 0 || data > 0 {
            let right = |count| match self.key {
                Some(_) => format!(", {count} with a right HMAC"),
                None => String::new(),
            };
            let (of_control, of_data) = (right(control_verified), right(data_verified));
            writeln!(
                out,
                "{frames} frames; KDNET: {control} control datagrams{of_control}; {data} data datagrams{of_data}"
            )?;
        }
        for note in &decoded.notes {
            writeln!(out, "note: {note}")?;
        }
        for damage in &decoded.damage {
            writeln!(out, "damaged: {damage}")?;
        }
        Ok(())
    }
}
