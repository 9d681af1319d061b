//! `delid kdd dump`: a Windows dump of a guest.

use std::fs::{self, OpenOptions};
use std::io::{IsTerminal as _, Write};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::{Parser, ValueEnum};
use indicatif::{HumanBytes, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{Error, rows, source::Of};
use crate::dump_writer::{Form, Written};
use crate::guest::Pages;

/// Work of less than this shows no progress.
const SHORT: Duration = Duration::from_secs(1);

/// `delid kdd dump`.
#[derive(Clone, Debug, Parser)]
pub struct Dump {
    #[command(flatten)]
    of: Of,
    /// The dump to write; it must not exist
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Which pages, and how they are listed
    #[arg(long, value_enum, default_value = "full")]
    kind: Kind,
    /// Write over a file that exists
    #[arg(long)]
    force: bool,
}

/// Which pages, and how they are listed.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Kind {
    /// All that the source has, by runs; by a bitmap where the header has no room for them
    Full,
    /// All, by a bitmap
    Bitmap,
    /// Those that the kernel's half of the page tables maps
    Kernel,
}

impl Dump {
    pub(super) fn run(&self, out: &mut dyn Write) -> Result<u8, Error> {
        let guest = self.of.open()?;
        let windows = guest.windows();
        for missing in &windows.missing {
            eprintln!("missing: {}: {}", missing.what, missing.why);
        }
        if self.is_source() {
            return Err(Error::refused(
                &self.output,
                "is the source itself or belongs to it: it is never written to",
            ));
        }
        let mut options = OpenOptions::new();
        options.read(true).write(true);
        if self.force {
            options.create(true).truncate(false)
        } else {
            options.create_new(true)
        };
        let file = options.open(&self.output).map_err(Error::create(&self.output))?;
        let pages = match self.kind {
            Kind::Full => Pages::Full,
            Kind::Bitmap => Pages::Bitmap,
            Kind::Kernel => Pages::Kernel,
        };
        let mut progress = Progress::new();
        let written = guest.dump(pages, &file, &mut |done, all| progress.to(done, all));
        progress.end();
        let written = written?;
        self.say(&written, out)?;
        let bad = windows.kernel.is_none() || written.unreadable > 0 || !written.left_out.is_empty();
        Ok(u8::from(bad))
    }

    /// Whether the output is a file that the guest is read from, by whatever name: memory, state, registers.
    fn is_source(&self) -> bool {
        let file = |path: &Path| fs::metadata(path).ok().map(|data| (data.dev(), data.ino()));
        let others = ["vmem", "vmss", "vmsn"].map(|extension| self.of.source.with_extension(extension));
        let output = file(&self.output);
        output.is_some()
            && [self.of.source.clone()]
                .iter()
                .chain(&others)
                .chain(&self.of.registers)
                .any(|path| file(path) == output)
    }

    fn say(&self, written: &Written, out: &mut dyn Write) -> Result<(), Error> {
        let form = match written.form {
            Form::Full => "full dump",
            Form::Bitmap => "bitmap dump",
            Form::BitmapKernel => "kernel bitmap dump",
        };
        writeln!(
            out,
            "{}: {form}, {}, {} pages in {} runs",
            self.output.display(),
            rows::size(written.length),
            written.pages,
            written.runs
        )?;
        if written.torn > 0 {
            writeln!(
                out,
                "left out: {} bytes of the source that make no whole page",
                written.torn
            )?;
        }
        if let Some(first) = written.first_unreadable {
            writeln!(
                out,
                "damaged: {} pages could not be read, the first at {first}",
                written.unreadable
            )?;
        }
        for at in &written.left_out {
            writeln!(
                out,
                "damaged: what a debugger should read at {at} has no page in the dump"
            )?;
        }
        Ok(())
    }
}

/// A bar on the terminal once the work is long.
struct Progress {
    begin: Instant,
    bar: Option<ProgressBar>,
}

impl Progress {
    fn new() -> Self {
        Self {
            begin: Instant::now(),
            bar: None,
        }
    }

    fn to(&mut self, done: u64, all: u64) {
        if self.bar.is_none() && self.begin.elapsed() > SHORT && std::io::stderr().is_terminal() {
            let bar = ProgressBar::with_draw_target(Some(all), ProgressDrawTarget::stderr());
            let style = ProgressStyle::with_template("{bytes} of {total_bytes}  {bytes_per_sec}  {eta}");
            self.bar = Some(style.map_or(bar.clone(), |style| bar.with_style(style)));
        }
        if let Some(bar) = &self.bar {
            bar.set_position(done);
        }
    }

    fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
            eprintln!("{} in {:.1?}", HumanBytes(bar.position()), self.begin.elapsed());
        }
    }
}
