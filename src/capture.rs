//! `delid capture`: the live machine written down.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;

use anyhow::Context;
use captures::Source;
use clap::Args as ClapArgs;

/// Writes down everything that any delid command reads on this machine.
///
/// The archive holds files of /sys and /proc, ACPI tables, SMBIOS, PCI configuration space and
/// CPUID of every CPU, with a manifest of what was and was not readable. Run it as root: without
/// it ACPI tables, SMBIOS and most of the configuration space are not readable.
#[derive(Debug, ClapArgs)]
pub struct Args {
    /// The archive to write (.tar.zst); - is stdout
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Remove serial numbers, UUIDs, MAC addresses and the host name
    #[arg(long)]
    redact: bool,
    /// Record these sources instead of the running system
    #[arg(long, value_name = "PATH")]
    from: Vec<PathBuf>,
    /// Print the manifest as JSON
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub fn run(args: &Args, out: &mut dyn Write) -> anyhow::Result<u8> {
    let source = if args.from.is_empty() {
        Source::live()
    } else {
        Source::open(&args.from)?
    };
    let options = captures::RecordOptions { redact: args.redact };
    let manifest = if args.output.as_os_str() == "-" {
        // Not through `out`: that one takes escape sequences out of what goes into a pipe.
        let mut stdout = std::io::stdout().lock();
        let manifest = captures::record(&source, &mut stdout, options)?;
        stdout.flush().context("writing the output")?;
        manifest
    } else {
        let name = args.output.display().to_string();
        let file = File::create(&args.output).with_context(|| name.clone())?;
        let mut writer = BufWriter::new(file);
        let manifest = captures::record(&source, &mut writer, options)?;
        writer.flush().with_context(|| name.clone())?;
        manifest
    };
    if args.json {
        serde_json::to_writer_pretty(&mut *out, &manifest)?;
        writeln!(out)?;
    } else if args.output.as_os_str() != "-" {
        write!(out, "{}", manifest.summary())?;
    }
    Ok(0)
}
