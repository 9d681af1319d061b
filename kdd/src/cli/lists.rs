//! `delid kdd modules` and `delid kdd processes`.

use std::io::{self, Write};

use clap::Parser;

use super::{Error, rows, source::Of};
use crate::windows::{Missing, Module, Process, Windows};

/// `delid kdd modules`.
#[derive(Clone, Debug, Parser)]
pub struct Modules {
    #[command(flatten)]
    of: Of,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// `delid kdd processes`.
#[derive(Clone, Debug, Parser)]
pub struct Processes {
    #[command(flatten)]
    of: Of,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Modules {
    pub(super) fn run(&self, out: &mut dyn Write) -> Result<u8, Error> {
        let guest = self.of.open()?;
        let windows = guest.windows();
        if self.json {
            super::json(out, &windows.modules)?;
        } else {
            modules(&windows.modules, out)?;
        }
        Ok(ended(windows, windows.modules.is_empty()))
    }
}

impl Processes {
    pub(super) fn run(&self, out: &mut dyn Write) -> Result<u8, Error> {
        let guest = self.of.open()?;
        let windows = guest.windows();
        if self.json {
            super::json(out, &windows.processes)?;
        } else {
            processes(&windows.processes, out)?;
        }
        Ok(ended(windows, windows.processes.is_empty()))
    }
}

/// What is missing or damaged goes to standard error, and makes the exit code 1.
fn ended(windows: &Windows, empty: bool) -> u8 {
    if empty {
        for Missing { what, why } in &windows.missing {
            eprintln!("{what}: {why}");
        }
    }
    for damage in &windows.damage {
        eprintln!("damaged: {damage}");
    }
    u8::from(empty || !windows.damage.is_empty())
}

pub(super) fn modules(list: &[Module], out: &mut dyn Write) -> io::Result<()> {
    let rows: Vec<Vec<String>> = list
        .iter()
        .map(|module| {
            let hex = |value: Option<u32>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:08x}"));
            let pdb = module
                .pdb
                .as_ref()
                .map_or_else(|| "-".to_owned(), |pdb| format!("{} {}", pdb.name, pdb.id));
            vec![
                module.base.to_string(),
                module.base.plus(u64::from(module.size)).to_string(),
                module.name.clone(),
                hex(module.timestamp),
                pdb,
            ]
        })
        .collect();
    rows::print(&["base", "end", "name", "timestamp", "pdb"], &rows, out)
}

pub(super) fn processes(list: &[Process], out: &mut dyn Write) -> io::Result<()> {
    let rows: Vec<Vec<String>> = list
        .iter()
        .map(|process| {
            let number = |value: Option<u64>| value.map_or_else(|| "-".to_owned(), |value| value.to_string());
            vec![
                number(process.id),
                number(process.parent),
                process.at.to_string(),
                process.directory.to_string(),
                process.name.clone(),
            ]
        })
        .collect();
    rows::print(&[">id", ">parent", "EPROCESS", "directory", "name"], &rows, out)
}
