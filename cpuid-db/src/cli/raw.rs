//! `delid cpuid raw`: the rows of a dump, as the tool wants them that is to read them.

use std::io::Write;
use std::path::PathBuf;

use clap::Parser;

use super::input::Input;
use super::{Context, Error};
use crate::write::{self, Output};

/// `delid cpuid raw`.
#[derive(Clone, Debug, Parser)]
pub struct Raw {
    /// Sources.
    #[command(flatten)]
    pub input: Input,
    /// More dumps.
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Format: cpuid (as cpuid -r prints it), aida64, cpudata (libvirt), firecracker or json.
    #[arg(long, value_name = "FORMAT", default_value = "cpuid", value_parser = format)]
    pub to: Output,
    /// Write this CPU only.
    #[arg(long, value_name = "N")]
    pub cpu: Option<u32>,
}

fn format(name: &str) -> Result<Output, String> {
    Output::read(name).ok_or_else(|| {
        let names = Output::ALL.map(|(name, _)| name);
        format!("expected {}", names.join(", "))
    })
}

impl Raw {
    pub(super) fn run(&self, _context: &Context, out: &mut dyn Write) -> Result<u8, Error> {
        let mut dumps = self.input.load(&self.paths)?;
        if dumps.len() > 1 {
            return Err(Error::Several {
                dumps: dumps.into_iter().map(|dump| dump.origin).collect::<Vec<_>>().join(", "),
            });
        }
        let Some(mut dump) = dumps.pop() else { return Ok(0) };
        dump.choose(self.cpu)?;
        let no_msrs = dump.set.cpus().iter().all(|cpu| cpu.msrs().next().is_none());
        if !no_msrs && !self.to.has_msrs() {
            eprintln!(
                "{}: the format has no model-specific registers; they are left out",
                dump.origin
            );
        }
        out.write_all(write::write(self.to, &dump.set).as_bytes())?;
        Ok(u8::from(dump.warn()))
    }
}
