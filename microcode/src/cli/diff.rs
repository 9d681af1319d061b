//! `delid microcode diff`: what one set of updates has that another has not.

use std::io::Write;
use std::path::PathBuf;

use clap::Parser;

use super::{Error, input};
use crate::gather::Options;
use crate::release::diff;

/// `delid microcode diff`.
#[derive(Clone, Debug, Parser)]
pub struct Diff {
    /// The old files, directory, initrd or image
    old: PathBuf,
    /// The new ones
    new: PathBuf,
    /// List what is the same, too
    #[arg(long)]
    all: bool,
    /// Look into the compressed parts of initrds too
    #[arg(long)]
    unpack: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Diff {
    pub(super) fn run(&self, out: &mut dyn Write) -> Result<u8, Error> {
        let options = Options {
            scan: true,
            compressed: self.unpack,
        };
        let (old, new) = (input::open(&self.old, options)?, input::open(&self.new, options)?);
        for side in [&old, &new] {
            for fault in side.faults() {
                eprintln!("damaged: {fault}");
            }
            if side.found.is_empty() {
                eprintln!("{}: no microcode found", side.name);
            }
        }
        let diff = diff(&old, &new);
        if self.json {
            super::json(out, &diff)?;
        } else if self.all {
            write!(out, "{diff:#}")?;
        } else {
            write!(out, "{diff}")?;
        }
        Ok(u8::from(diff.changed().next().is_some()))
    }
}
