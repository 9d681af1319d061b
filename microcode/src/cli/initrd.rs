//! `delid microcode initrd`: what an initrd consists of, and its files.

use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use clap::{Parser, Subcommand};
use schemars::JsonSchema;
use serde::Serialize;

use super::Error;
use crate::initrd::{
    Body, Choice, Directory, Layout, Member, Options, Pattern, Segment, Step, Summary, Visitor, Which, cat, extract,
    read,
};
use crate::table::Table;
use crate::uki::{Image, Part, image};

/// Buffer for the lines of a listing, in bytes.
const LINES: usize = 1 << 16;

/// `delid microcode initrd`.
#[derive(Clone, Debug, Parser)]
pub struct Initrd {
    /// What to do with it.
    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Debug, Subcommand)]
enum Command {
    /// List the segments of an initrd and the files in them; exit code 1 when it is damaged
    List(List),
    /// Write a file of an initrd to standard output; exit code 1 when there is none
    Cat(Cat),
    /// Extract the files of an initrd
    Extract(Extract),
}

#[derive(Clone, Debug, Parser)]
struct List {
    /// Initrd, UKI or cpio archive
    #[arg(value_name = "IMAGE")]
    image: PathBuf,
    /// Paths, with all below them, or patterns (*.ko)
    #[arg(value_name = "PATTERN")]
    patterns: Vec<String>,
    /// The segments only, without the files in them
    #[arg(short, long)]
    segments: bool,
    /// Only what the lookup of early microcode sees: what stands before the first compressed segment
    #[arg(short, long)]
    early: bool,
    /// Mode, owner, size and time (UTC) of the files
    #[arg(short, long)]
    long: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Debug, Parser)]
struct Cat {
    /// Initrd, UKI or cpio archive
    #[arg(value_name = "IMAGE")]
    image: PathBuf,
    /// Path of the file in it
    path: String,
    /// Of several with this path the last, which Linux leaves in the root file system; otherwise the
    /// first, which the lookup of early microcode takes
    #[arg(long)]
    last: bool,
}

#[derive(Clone, Debug, Parser)]
struct Extract {
    /// Initrd, UKI or cpio archive
    #[arg(value_name = "IMAGE")]
    image: PathBuf,
    /// Paths, with all below them, or patterns (*.ko)
    #[arg(value_name = "PATTERN")]
    patterns: Vec<String>,
    /// Directory to extract to; it is made when it is not there
    #[arg(short = 'C', long, value_name = "DIRECTORY", default_value = ".")]
    directory: PathBuf,
    /// Number of a segment, as list gives it; may be given several times
    #[arg(short = 'n', long = "segment", value_name = "NUMBER")]
    segments: Vec<u32>,
    /// A directory for each segment, as unmkinitramfs does: early, early2, main
    #[arg(long)]
    split: bool,
}

/// What `initrd list` prints as JSON.
#[derive(JsonSchema, Serialize)]
pub(super) struct Listed {
    image: String,
    #[serde(flatten)]
    summary: Summary,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    members: Vec<Member>,
}

impl Initrd {
    pub(super) fn run(&self, out: &mut dyn Write) -> Result<u8, Error> {
        match &self.command {
            Command::List(list) => list.run(out),
            Command::Cat(cat) => cat.run(out),
            Command::Extract(extract) => extract.run(),
        }
    }
}

impl List {
    fn run(&self, out: &mut dyn Write) -> Result<u8, Error> {
        let mut out = BufWriter::with_capacity(LINES, out);
        let mut damaged = false;
        let mut listed = Vec::new();
        let (parts, _) = parts(&self.image)?;
        for part in parts {
            if part.section && !self.json {
                writeln!(out, "{}:", part.name)?;
            }
            let mut lister = Lister {
                patterns: self.patterns.iter().map(|text| Pattern::new(text)).collect(),
                list: self,
                members: Vec::new(),
                out: &mut out,
            };
            let options = Options {
                early_only: self.early,
                ..Options::default()
            };
            let summary = read(part.input, &options, &mut lister).map_err(Error::read(&self.image))?;
            let members = lister.members;
            damaged |= !summary.damage.is_empty();
            if self.segments && !self.json {
                segments(&summary, &mut out)?;
            }
            out.flush()?;
            warn(&part.name, &summary);
            listed.push(Listed {
                image: part.name,
                summary,
                members,
            });
        }
        if self.json {
            super::json(&mut out, &listed)?;
        }
        out.flush()?;
        Ok(u8::from(damaged))
    }
}

struct Lister<'a> {
    list: &'a List,
    patterns: Vec<Pattern>,
    members: Vec<Member>,
    out: &'a mut dyn Write,
}

impl Visitor for Lister<'_> {
    fn member(&mut self, _: &Segment, member: &Member, _: &mut Body<'_>) -> io::Result<Step> {
        let taken = self.patterns.is_empty() || self.patterns.iter().any(|pattern| pattern.matches(&member.name));
        if !taken || self.list.segments {
            return Ok(Step::Into);
        }
        if self.list.json {
            self.members.push(member.clone());
        } else if self.list.long {
            writeln!(self.out, "{member}")?;
        } else {
            writeln!(self.out, "{}", member.name)?;
        }
        Ok(Step::Into)
    }
}

impl Cat {
    fn run(&self, out: &mut dyn Write) -> Result<u8, Error> {
        let which = if self.last { Which::Last } else { Which::First };
        let (mut parts, _) = parts(&self.image)?;
        if self.last {
            parts.reverse();
        }
        let mut damaged = false;
        for part in parts {
            let (found, summary) =
                cat(part.input, &self.path, which, &Options::default(), out).map_err(Error::read(&self.image))?;
            out.flush()?;
            warn(&part.name, &summary);
            damaged |= !summary.damage.is_empty();
            let Some(found) = found else { continue };
            if found.members.len() > 1 {
                let which = if self.last { "last" } else { "first" };
                let count = found.members.len();
                eprintln!(
                    "{}: {count} files have this path; the {which} one was written",
                    part.name
                );
            }
            return Ok(u8::from(damaged));
        }
        eprintln!("{}: no {}", self.image.display(), self.path);
        Ok(1)
    }
}

impl Extract {
    fn run(&self) -> Result<u8, Error> {
        let failed = |source| Error::Create {
            path: self.directory.display().to_string(),
            source,
        };
        let (parts, file) = parts(&self.image)?;
        std::fs::create_dir_all(&self.directory).map_err(failed)?;
        let mut directory = Directory::open(&self.directory).map_err(failed)?;
        // What stands at its place in the file can be copied by the kernel.
        if let [part] = parts.as_slice()
            && !part.section
        {
            directory = directory.copying_from(file.as_fd());
        }
        let choice = Choice {
            segments: self.segments.clone(),
            patterns: self.patterns.iter().map(|text| Pattern::new(text)).collect(),
            layout: if self.split { Layout::Split } else { Layout::Together },
        };
        let (mut whole, mut members) = (true, 0);
        for part in parts {
            let done = extract(part.input, &Options::default(), &choice, &mut directory).map_err(failed)?;
            for skipped in &done.skipped {
                eprintln!("not extracted: {skipped}");
            }
            let told = u64::try_from(done.skipped.len()).unwrap_or(u64::MAX);
            if done.skipped_count > told {
                eprintln!("not extracted: {} more", done.skipped_count.saturating_sub(told));
            }
            warn(&part.name, &done.summary);
            whole &= done.skipped_count == 0 && done.summary.damage.is_empty();
            members = done.members.saturating_add(members);
        }
        if members == 0 {
            eprintln!("{}: nothing to extract", self.image.display());
        }
        Ok(u8::from(!whole || members == 0))
    }
}

/// An initrd, or one of the sections of a unified kernel image that Linux gets as its initrd.
pub(super) struct PartOf {
    /// For messages: the file, and the section where there is one.
    pub name: String,
    /// Its bytes.
    pub input: Box<dyn ReadSeek>,
    section: bool,
}

pub(super) trait ReadSeek: Read + Seek + Send {}
impl<T: Read + Seek + Send> ReadSeek for T {}

/// The initrds of a file, and the file.
pub(super) fn parts(path: &Path) -> Result<(Vec<PartOf>, File), Error> {
    let file = File::open(path).map_err(Error::read(path))?;
    let name = path.display().to_string();
    let again = || file.try_clone().map_err(Error::read(path));
    let refused = |message: &str| Err(Error::refused(&name, message));
    let parts = match image(&file).map_err(Error::read(path))? {
        Image::Uki(uki) => {
            for damage in &uki.damage {
                eprintln!("damaged: {name}: {damage}");
            }
            let mut parts = Vec::new();
            for section in uki.initrds() {
                parts.push(PartOf {
                    name: format!("{name}: {}", section.name),
                    input: Box::new(Part::new(again()?, section.range())),
                    section: true,
                });
            }
            parts
        }
        Image::Kernel { .. } => return refused("is a Linux kernel with no initrd in it"),
        Image::Pe => return refused("is an EFI program with no initrd in it"),
        Image::Other => vec![PartOf {
            name: name.clone(),
            input: Box::new(again()?),
            section: false,
        }],
    };
    if parts.is_empty() {
        return refused("is a unified kernel image with no initrd in it");
    }
    Ok((parts, file))
}

fn segments(summary: &Summary, out: &mut dyn Write) -> io::Result<()> {
    let mut table = Table::new(&[
        ">segment",
        "kind",
        ">offset",
        ">size",
        ">unpacked",
        ">files",
        "early lookup",
    ]);
    for segment in &summary.segments {
        let archive = segment.is_archive();
        let or_dash = |text: String| if archive { text } else { "-".to_owned() };
        table.push(vec![
            or_dash(segment.number.to_string()),
            segment.kind.to_string(),
            segment.offset.to_string(),
            segment.size.to_string(),
            or_dash(segment.unpacked.to_string()),
            or_dash(segment.members.to_string()),
            or_dash(if segment.early { "sees it" } else { "does not" }.to_owned()),
        ]);
    }
    table.print(0, out)
}

/// Damage, on standard error.
fn warn(image: &str, summary: &Summary) {
    for broken in &summary.damage {
        eprintln!("damaged: {image}: {broken}");
    }
    if summary.more_damage > 0 {
        eprintln!("damaged: {image}: {} more places", summary.more_damage);
    }
}
