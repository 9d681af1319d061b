//! `delid cpuid convert`: a CPU configuration of one hypervisor in the language of another.

use std::io::Write;

use clap::Parser;
use schemars::JsonSchema;
use serde::Serialize;

use super::{Context, Error, configuration, input};
use crate::convert::{self, Language};
use crate::database::Vendors;
use crate::features::Naming;
use crate::formats::detect;
use crate::guest::GuestCpu;
use crate::policy::{self, Host};

/// `delid cpuid convert`.
#[derive(Clone, Debug, Parser)]
pub struct Convert {
    /// The configuration: the text itself (SandyBridge,+pcid), a file, a dump, or - for standard input.
    #[arg(value_name = "CONFIG")]
    pub config: String,
    /// Language to write: qemu, libvirt, xl, xend or firecracker.
    #[arg(long, value_name = "LANGUAGE", value_parser = Language::read)]
    pub to: Language,
    /// Language of the configuration, where its text does not tell.
    #[arg(long = "from-language", value_name = "LANGUAGE", value_parser = Language::read)]
    pub language: Option<Language>,
    /// Write what can be said, and name on standard error what is left out.
    #[arg(long)]
    pub partial: bool,
    /// Print JSON: the text, and the CPU in no dialect.
    #[arg(long)]
    pub json: bool,
}

/// What is printed as JSON.
#[derive(JsonSchema, Serialize)]
pub(super) struct Report {
    text: String,
    guest: GuestCpu,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    left_out: Vec<String>,
}

impl Convert {
    pub(super) fn run(&self, context: &Context, out: &mut dyn Write) -> Result<u8, Error> {
        let database = &context.database;
        let (name, text) = configuration::text(&self.config)?;
        let is_dump = self.language.is_none() && name != "argument" && detect(&text).is_some();
        let mut damaged = false;
        let guest = if is_dump && Language::of(&text) != Language::Firecracker {
            let dump = input::host(self.config.as_ref())?;
            damaged = dump.warn();
            let host = Host::of(database, &name, &dump.set).ok_or(Error::NoRow { origin: dump.origin })?;
            policy::guest_of(database, &host.cpu)
        } else {
            configuration::read(database, self.language, &name, &text)?
        };
        let mut left_out = Vec::new();
        let written = match convert::write(database, self.to, &guest) {
            Err(faults) if self.partial => {
                let (less, taken) = convert::without(database, &guest, &faults);
                let naming = Naming::default();
                left_out.extend(taken.iter().map(|&bit| naming.of_bit(database, bit, Vendors::ANY)));
                let values = faults
                    .iter()
                    .map(|fault| &fault.what)
                    .filter(|what| convert::is_value(what));
                left_out.extend(values.cloned());
                convert::write(database, self.to, &less)
            }
            written => written,
        };
        let written = written.map_err(|mut faults| {
            convert::locate(database, &text, &mut faults);
            configuration::refused(&name, &text, &faults)
        })?;
        if !left_out.is_empty() {
            eprintln!("left out, {} has no word for it: {}", self.to, left_out.join(" "));
        }
        let incomplete = !left_out.is_empty();
        if self.json {
            let report = Report {
                text: written,
                guest,
                left_out,
            };
            super::json(out, &report)?;
        } else {
            writeln!(out, "{}", written.trim_end())?;
        }
        Ok(u8::from(incomplete || damaged))
    }
}
