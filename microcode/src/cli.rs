//! `delid microcode`: what microcode files hold.
//!
//! `delid microcode list FILE...` prints the kind of each file and a line for each update in it:
//! CPU signature, platforms, revision, date, size, and whether its checksum is right or which rule
//! it breaks. The exit code is 1 when anything is damaged.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{Parser, Subcommand};
use serde::Serialize;
use thiserror::Error;

use crate::container::{Content, read};
use crate::damage::Damage;
use crate::{amd, intel};

/// CPU microcode of Intel and AMD.
#[derive(Clone, Debug, Parser)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What `delid microcode` can do.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// List the updates in microcode files and check them; exit code 1 when one is damaged.
    List(List),
}

/// `delid microcode list`.
#[derive(Clone, Debug, Parser)]
pub struct List {
    /// Files as in /lib/firmware/intel-ucode or /lib/firmware/amd-ucode, or single AMD patches.
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Why a file could not be listed.
#[derive(Debug, Error)]
pub enum Error {
    /// It could not be read.
    #[error("{path}: {reason}")]
    Read {
        /// As given.
        path: String,
        /// Why.
        reason: io::Error,
    },
    /// It holds something else.
    #[error(
        "{path}: at offset 0: expected an Intel update header, an AMD container (44 4d 41 00) or an AMD patch, seen {seen}"
    )]
    Unknown {
        /// As given.
        path: String,
        /// Its first bytes.
        seen: String,
    },
    /// The output could not be written.
    #[error("output: {0}")]
    Write(#[from] io::Error),
    /// The output could not be made into JSON.
    #[error("JSON output: {0}")]
    Json(#[from] serde_json::Error),
}

/// Run the command; the answer is the exit code.
///
/// # Errors
/// At the first file that cannot be read or holds no microcode; the ones before it are printed.
pub fn run(args: Args, out: &mut dyn Write) -> Result<u8, Error> {
    match args.command {
        Command::List(list) => run_list(&list, out),
    }
}

#[derive(Serialize)]
struct Listed {
    file: String,
    damaged: bool,
    #[serde(flatten)]
    content: Content,
}

fn run_list(args: &List, out: &mut dyn Write) -> Result<u8, Error> {
    let mut damaged = false;
    let mut listed = Vec::new();
    for path in &args.files {
        let content = open(path)?;
        damaged |= content.is_damaged();
        let file = path.display().to_string();
        if args.json {
            listed.push(Listed {
                file,
                damaged: content.is_damaged(),
                content,
            });
        } else {
            print(&file, &content, out)?;
        }
    }
    if args.json {
        serde_json::to_writer_pretty(&mut *out, &serde_json::json!({ "files": listed }))?;
        writeln!(out)?;
    }
    Ok(u8::from(damaged))
}

fn open(path: &Path) -> Result<Content, Error> {
    let name = || path.display().to_string();
    let bytes = fs::read(path).map_err(|reason| Error::Read { path: name(), reason })?;
    read(&bytes).ok_or_else(|| {
        let first: Vec<String> = bytes.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        let seen = if first.is_empty() {
            "an empty file".to_owned()
        } else {
            first.join(" ")
        };
        Error::Unknown { path: name(), seen }
    })
}

fn print(file: &str, content: &Content, out: &mut dyn Write) -> io::Result<()> {
    match content {
        Content::Intel(intel) => {
            writeln!(out, "{file}: {}, {} in file", content.name(), intel.updates.len())?;
            for update in &intel.updates {
                print_intel(update, out)?;
            }
            print_damage(&intel.damage, out)
        }
        Content::Amd(amd) => {
            for container in &amd.containers {
                let (patches, rows) = (container.patches.len(), container.equivalences.len());
                let at = container.offset;
                writeln!(
                    out,
                    "{file}: {} at {at:#x}, {rows} CPU signatures, {patches} patches",
                    content.name()
                )?;
                for patch in &container.patches {
                    print_amd(patch, out)?;
                }
            }
            if amd.containers.is_empty() {
                writeln!(out, "{file}: {}", content.name())?;
            }
            print_damage(&amd.damage, out)
        }
        Content::AmdPatch(patch) => {
            writeln!(out, "{file}: {}", content.name())?;
            print_amd(patch, out)
        }
    }
}

fn print_intel(update: &intel::Update, out: &mut dyn Write) -> io::Result<()> {
    let target = &update.target;
    let mut notes = String::new();
    if update.header_version == 2 {
        notes.push_str(", In-Field-Scan image");
    }
    if let Some(minimum) = update.minimum_revision {
        notes.push_str(&format!(", run-time load from {minimum}"));
    }
    writeln!(
        out,
        "  sig {}  pf {}  rev {:<10}  {}  {:>7} bytes  {}{notes}",
        target.signature,
        target.platforms,
        update.revision.to_string(),
        update.date,
        update.size,
        if update.damage.is_empty() {
            "checksum ok"
        } else {
            "damaged"
        },
    )?;
    for target in update.extended.iter().filter(|extended| *extended != target) {
        writeln!(out, "  sig {}  pf {}  (also)", target.signature, target.platforms)?;
    }
    print_damage(&update.damage, out)
}

fn print_amd(patch: &amd::Patch, out: &mut dyn Write) -> io::Result<()> {
    let signatures: Vec<String> = patch.signatures.iter().map(ToString::to_string).collect();
    let signatures = if signatures.is_empty() {
        "unknown".to_owned()
    } else {
        signatures.join(" ")
    };
    let state = match (patch.damage.is_empty(), patch.checksum_ok) {
        (false, _) => "damaged",
        (true, Some(_)) => "checksum ok",
        (true, None) => "no checksum in this family",
    };
    let minimum = patch
        .minimum_revision
        .map_or_else(String::new, |revision| format!(", run-time load from {revision}"));
    writeln!(
        out,
        "  sig {signatures}  id {}  rev {:<10}  {}  {:>7} bytes  {state}{minimum}",
        patch.id,
        patch.revision.to_string(),
        patch.date,
        patch.size,
    )?;
    print_damage(&patch.damage, out)
}

fn print_damage(damage: &[Damage], out: &mut dyn Write) -> io::Result<()> {
    damage.iter().try_for_each(|damage| writeln!(out, "    {damage}"))
}
