//! The command line of `delid topo`: arguments, which view, what to print, which exit code.

use std::collections::BTreeSet;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

use captures::Source;
use clap::{Args as ClapArgs, Subcommand, ValueEnum};
use thiserror::Error;

use crate::diagram::views::{self, Style};
use crate::diagram::{self, Options, Parts};
use crate::findings::{self, Report, Severity};
use crate::model::Machine;
use crate::pci::function::{BadBdf, Bdf};

/// Draws the machine: CPUs, caches, memory, PCI, and what is wrong with them.
///
/// Without --from the running system is read; unprivileged is fine, what root would add is said.
/// The picture goes to the terminal, or with -o to a file: SVG, HTML or PNG by its suffix.
#[derive(Clone, Debug, Default, ClapArgs)]
#[command(after_long_help = EXAMPLES)]
pub struct Args {
    #[command(subcommand)]
    view: Option<View>,
    /// Read this in place of the running system: a captured root (directory or tarball), lspci,
    /// dmidecode, acpidump or CPUID text, an SMBIOS image. Several are layers of one machine
    #[arg(long, value_name = "PATH", global = true)]
    from: Vec<PathBuf>,
    /// Say at each socket when this has a newer microcode than runs: an initrd, a firmware directory,
    /// a file of updates. May be given several times
    #[arg(long, value_name = "PATH", global = true)]
    microcode: Vec<PathBuf>,
    /// Write the picture to a file: .svg, .html or .png (the last when built with it); - is stdout as SVG
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Print the model and the findings as JSON
    #[arg(long, global = true)]
    json: bool,
    /// Print the JSON Schema of what --json prints
    #[arg(long)]
    json_schema: bool,
    /// Draw only these parts
    #[arg(long, value_enum, value_delimiter = ',', value_name = "PART")]
    only: Vec<Part>,
    /// Draw only this socket (0 is the first)
    #[arg(long, value_name = "N")]
    socket: Option<usize>,
    /// Fold alike PCI siblings into one card
    #[arg(long, value_enum, default_value_t = Fold::Auto)]
    fold: Fold,
    /// Print physical core ids in place of Linux CPU numbers
    #[arg(long, conflicts_with = "logical")]
    physical: bool,
    /// Print Linux CPU numbers (the default)
    #[arg(long)]
    logical: bool,
    /// Draw also what is below the drawing threshold
    #[arg(long)]
    all: bool,
    /// Only ASCII characters in terminal output
    #[arg(long, global = true)]
    ascii: bool,
    /// Columns of terminal output; the terminal's own width otherwise, 80 where there is none
    #[arg(long, value_name = "COLUMNS", global = true)]
    width: Option<usize>,
}

const EXAMPLES: &str = "Examples:
  delid topo                               this machine, in the terminal
  delid topo -o machine.svg                this machine, as a picture
  delid topo --from capture.tar.zst        a captured machine
  delid topo --from lspci.txt --from dmidecode.txt
  delid topo pci                           the PCI tree with links, slots, NUMA nodes
  delid topo device 3b:00.0                all about one function
  delid topo distance 3b:00.0 af:00.0      PIX, PXB, PHB, NODE or SYS

Exit status: 0 done; 1 done, but a source was damaged, or (findings) something was found;
2 could not be done.";

/// Another view than the picture.
#[derive(Clone, Debug, Subcommand)]
enum View {
    /// PCI tree with names, links, slots, NUMA nodes and drivers
    Pci,
    /// Memory slots by socket and channel
    Memory,
    /// One line per CPU: socket, node, core and every cache
    Cpu,
    /// Everything about one PCI function, capabilities decoded
    Device {
        /// Address: [domain:]bus:device.function
        bdf: String,
    },
    /// How far two PCI functions are from each other (PIX, PXB, PHB, NODE, SYS); all pairs when
    /// none are named
    Distance {
        /// Two addresses
        #[arg(num_args = 0..=2)]
        bdfs: Vec<String>,
    },
    /// All findings with their evidence; exit status 1 when there are some
    Findings,
    /// What a finding means, how it is seen, what to do
    Explain {
        /// Id of the finding; all ids are listed when none is named
        id: Option<String>,
    },
}

/// A part of the picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
enum Part {
    /// CPUs and caches
    Cpu,
    /// Memory
    Memory,
    /// PCI
    Pci,
}

/// When siblings are folded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Fold {
    /// Every card on its own
    Never,
    /// Three and more alike siblings are one card
    #[default]
    Auto,
}

/// Why a command could not be done.
#[derive(Debug, Error)]
pub enum Error {
    /// A source could not be opened.
    #[error(transparent)]
    Open(#[from] captures::OpenError),
    /// Updates to compare with could not be read.
    #[error(transparent)]
    Microcode(#[from] microcode::cli::Error),
    /// Output failed.
    #[error("writing the output: {0}")]
    Write(#[from] std::io::Error),
    /// A file could not be written.
    #[error("{path}: {error}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// An address could not be read.
    #[error(transparent)]
    Bdf(#[from] BadBdf),
    /// No function has this address.
    #[error("no PCI function {0} in the sources; delid topo pci lists them")]
    NoFunction(Bdf),
    /// `--socket` names none.
    #[error("no socket {asked}: the machine has {sockets} (counted from 0)")]
    NoSocket {
        /// As asked.
        asked: usize,
        /// Number of sockets.
        sockets: usize,
    },
    /// The suffix of -o is not known.
    #[error("{0}: the suffix has to be .svg, .html or .png")]
    Suffix(PathBuf),
    /// Built without PNG.
    #[cfg(not(feature = "png"))]
    #[error("this build cannot write PNG: build it with --features png")]
    NoPng,
    /// PNG failed.
    #[cfg(feature = "png")]
    #[error("PNG: {0}")]
    Png(String),
    /// No such finding.
    #[error("no finding has the id {0:?}; delid topo explain lists them")]
    NoFinding(String),
    /// Two addresses are needed.
    #[error("distance takes two addresses, or none for all pairs")]
    TwoAddresses,
    /// JSON could not be made.
    #[error("JSON: {0}")]
    Json(#[from] serde_json::Error),
}

/// At most so many damaged places are told one by one.
const MOST_DAMAGE: usize = 40;

/// Runs the command; the number is the exit code.
///
/// # Errors
/// See [`Error`]; the exit code is then 2.
pub fn run(args: &Args, out: &mut dyn Write) -> Result<u8, Error> {
    if let Some(View::Explain { id }) = &args.view {
        return explain(id.as_deref(), out);
    }
    if args.json_schema {
        out.write_all(schema().as_bytes())?;
        return Ok(0);
    }
    let mut machine = machine(&args.from)?;
    if !args.microcode.is_empty() {
        crate::offered::offer(&mut machine, &microcode::cli::updates(&args.microcode)?);
    }
    let report = findings::judge(&machine);
    let damaged = u8::from(!machine.damage.is_empty());
    let style = style(args);
    match &args.view {
        _ if args.json => {
            json(&machine, &report, out)?;
            return Ok(damaged);
        }
        None => picture(args, &machine, &report, style, out)?,
        Some(View::Pci) => out.write_all(views::pci(&machine, &report, style).as_bytes())?,
        Some(View::Memory) => out.write_all(views::memory(&machine, style).as_bytes())?,
        Some(View::Cpu) => out.write_all(views::cpu(&machine, style).as_bytes())?,
        Some(View::Device { bdf }) => {
            let bdf: Bdf = bdf.parse()?;
            let function = machine.function(bdf).ok_or(Error::NoFunction(bdf))?;
            out.write_all(views::device(&machine, &report, function, style).as_bytes())?;
        }
        Some(View::Distance { bdfs }) => distance(&machine, bdfs, style, out)?,
        Some(View::Findings) => {
            out.write_all(views::findings(&report, style).as_bytes())?;
            let found = report.findings.iter().any(|finding| finding.severity != Severity::Note);
            return Ok(damaged.max(u8::from(found)));
        }
        Some(View::Explain { .. }) => {}
    }
    for damage in machine.damage.iter().take(MOST_DAMAGE) {
        let words = findings::damage_words(damage);
        anstream::eprintln!("damaged: {}: {words}", damage.origin);
    }
    let more = machine.damage.len().saturating_sub(MOST_DAMAGE);
    if more > 0 {
        anstream::eprintln!("damaged: {more} more places; --json lists them all");
    }
    Ok(damaged)
}

/// The machine of the sources. Where the running system shows neither CPUs nor devices, a bundled
/// capture is shown in its place, and that is said.
fn machine(from: &[PathBuf]) -> Result<Machine, Error> {
    if !from.is_empty() {
        return Ok(crate::open(&Source::open(from)?));
    }
    let machine = crate::open(&Source::live());
    if machine.cpu.cpus.is_empty() && machine.pci.functions.is_empty() {
        anstream::eprintln!(
            "Nothing to see here: this system shows no CPUs in /sys and no PCI. This is a bundled capture instead:"
        );
        return Ok(crate::open(&captures::bundled()?));
    }
    Ok(machine)
}

fn style(args: &Args) -> Style {
    let terminal = std::io::stdout().is_terminal();
    let width = args
        .width
        .or_else(|| if terminal { terminal_width() } else { None })
        .unwrap_or(80);
    let colour = terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    Style {
        unicode: !args.ascii,
        colour,
        width: width.clamp(40, 400),
    }
}

fn terminal_width() -> Option<usize> {
    std::env::var("COLUMNS")
        .ok()
        .and_then(|text| text.parse().ok())
        .or_else(|| terminal_size::terminal_size().map(|(width, _)| usize::from(width.0)))
}

fn options(args: &Args, machine: &Machine) -> Result<Options, Error> {
    let sockets = machine.sockets.len();
    if let Some(asked) = args.socket.filter(|asked| *asked >= sockets) {
        return Err(Error::NoSocket { asked, sockets });
    }
    let only: BTreeSet<Part> = args.only.iter().copied().collect();
    let has = |part| only.is_empty() || only.contains(&part);
    Ok(Options {
        parts: Parts {
            cpu: has(Part::Cpu),
            memory: has(Part::Memory),
            pci: has(Part::Pci),
        },
        socket: args.socket,
        unfolded: args.fold == Fold::Never,
        physical: args.physical,
        all: args.all,
    })
}

fn picture(args: &Args, machine: &Machine, report: &Report, style: Style, out: &mut dyn Write) -> Result<(), Error> {
    let options = options(args, machine)?;
    let Some(path) = &args.output else {
        out.write_all(diagram::terminal::draw(machine, report, &options, style).as_bytes())?;
        return Ok(());
    };
    if path == Path::new("-") {
        out.write_all(diagram::svg(machine, report, &options).as_bytes())?;
        return Ok(());
    }
    let suffix = path
        .extension()
        .and_then(|suffix| suffix.to_str())
        .unwrap_or_default()
        .to_lowercase();
    let bytes = match suffix.as_str() {
        "svg" => diagram::svg(machine, report, &options).into_bytes(),
        "html" | "htm" => diagram::html(machine, report, &options).into_bytes(),
        "png" => png(machine, report, &options)?,
        _ => return Err(Error::Suffix(path.clone())),
    };
    std::fs::write(path, bytes).map_err(|error| Error::File {
        path: path.clone(),
        error,
    })
}

#[cfg(feature = "png")]
fn png(machine: &Machine, report: &Report, options: &Options) -> Result<Vec<u8>, Error> {
    diagram::png(machine, report, options).map_err(Error::Png)
}

#[cfg(not(feature = "png"))]
fn png(_: &Machine, _: &Report, _: &Options) -> Result<Vec<u8>, Error> {
    Err(Error::NoPng)
}

fn distance(machine: &Machine, bdfs: &[String], style: Style, out: &mut dyn Write) -> Result<(), Error> {
    match bdfs {
        [] => out.write_all(views::distance_matrix(machine, style).as_bytes())?,
        [a, b] => {
            let (a, b): (Bdf, Bdf) = (a.parse()?, b.parse()?);
            for bdf in [a, b] {
                machine.function(bdf).ok_or(Error::NoFunction(bdf))?;
            }
            out.write_all(views::distance(machine, a, b).as_bytes())?;
        }
        _ => return Err(Error::TwoAddresses),
    }
    Ok(())
}

/// Version of the JSON; a change that breaks readers raises it.
const SCHEMA: &str = "delid.topo/1";

/// What `delid topo --json` prints. Fields that are not known are left out; later versions may add
/// fields and values.
#[derive(serde::Serialize, schemars::JsonSchema)]
#[schemars(rename = "delid topo")]
pub(crate) struct Json<'a> {
    /// Version of this format: `delid.topo/1`.
    schema: &'static str,
    /// The machine.
    machine: &'a Machine,
    /// What is wrong, worst first.
    findings: &'a [findings::Finding],
    /// Checks that found nothing, one line each.
    fine: &'a [String],
}

/// JSON Schema (2020-12) of what `--json` prints, as text.
///
/// ```
/// assert!(topo::cli::schema().contains("delid topo"));
/// ```
#[must_use]
pub fn schema() -> String {
    format!("{:#}\n", crate::json::schema::<Json<'_>>().to_value())
}

/// What `--json` prints of a machine.
pub(crate) fn document<'a>(machine: &'a Machine, report: &'a Report) -> Json<'a> {
    Json {
        schema: SCHEMA,
        machine,
        findings: &report.findings,
        fine: &report.fine,
    }
}

fn json(machine: &Machine, report: &Report, out: &mut dyn Write) -> Result<(), Error> {
    let mut buffer = Vec::with_capacity(1 << 16);
    serde_json::to_writer_pretty(&mut buffer, &document(machine, report))?;
    buffer.push(b'\n');
    out.write_all(&buffer)?;
    Ok(())
}

fn explain(id: Option<&str>, out: &mut dyn Write) -> Result<u8, Error> {
    let Some(id) = id else {
        for entry in findings::catalogue::CATALOGUE {
            writeln!(out, "{:24} {}", entry.id, entry.title)?;
        }
        return Ok(0);
    };
    let entry = findings::catalogue::find(id).ok_or_else(|| Error::NoFinding(id.to_owned()))?;
    writeln!(out, "{}: {}\n", entry.id, entry.title)?;
    for (head, text) in [
        ("What it means", entry.means),
        ("How it is seen", entry.seen),
        ("What to do", entry.action),
    ] {
        writeln!(out, "{head}\n{}", views::paragraph(text))?;
    }
    Ok(0)
}
