//! `delid cpuid list`: a line for each dump of a directory.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{fs, thread};

use clap::Parser;
use schemars::JsonSchema;
use serde::Serialize;

use super::input::{damage_note, of_path};
use super::phrase::printable;
use super::{Context, Error};
use crate::codename;
use crate::formats::Format;
use crate::identity::{Identity, Signature};
use crate::topology::decode;

/// Folders below folders that are looked into.
const DEPTH: usize = 16;

/// `delid cpuid list`.
#[derive(Clone, Debug, Parser)]
pub struct List {
    /// Dumps, or directories of them.
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// What a dump is, in a line.
#[derive(JsonSchema, Serialize)]
pub(super) struct Line {
    path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    format: Option<Format>,
    #[serde(skip_serializing_if = "Option::is_none")]
    vendor: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signature: Option<Signature>,
    #[serde(skip_serializing_if = "Option::is_none")]
    brand: Option<String>,
    packages: usize,
    cores: usize,
    cpus: usize,
    hybrid: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    codename: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

impl List {
    pub(super) fn run(&self, _context: &Context, out: &mut dyn Write) -> Result<u8, Error> {
        let mut files = Vec::new();
        for path in &self.paths {
            if path.is_dir() {
                below(path, DEPTH, &mut files);
            } else {
                files.push(path.clone());
            }
        }
        let lines = read_all(&files);
        if self.json {
            super::json(out, &lines)?;
        } else {
            print(&lines, out)?;
        }
        Ok(u8::from(lines.iter().any(|line| line.note.is_some())))
    }
}

/// Files below a directory, in the order of their names; links are not followed.
fn below(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let mut paths: Vec<(PathBuf, bool)> = entries
        .filter_map(Result::ok)
        .filter_map(|entry| Some((entry.path(), entry.file_type().ok()?.is_dir())))
        .collect();
    paths.sort();
    for (path, is_folder) in paths {
        match (is_folder, depth.checked_sub(1)) {
            (false, _) => files.push(path),
            (true, Some(left)) => below(&path, left, files),
            (true, None) => {}
        }
    }
}

/// Reads the files on all CPUs; the order of the lines is that of the files.
fn read_all(files: &[PathBuf]) -> Vec<Line> {
    let workers = thread::available_parallelism().map_or(1, usize::from).min(files.len());
    let next = AtomicUsize::new(0);
    let work = || {
        let mut done = Vec::new();
        while let Some((number, file)) = {
            let number = next.fetch_add(1, Ordering::Relaxed);
            files.get(number).map(|file| (number, file))
        } {
            done.push((number, lines(file)));
        }
        done
    };
    let mut all: Vec<(usize, Vec<Line>)> = thread::scope(|scope| {
        let handles: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        handles
            .into_iter()
            .filter_map(|handle| handle.join().ok())
            .flatten()
            .collect()
    });
    all.sort_by_key(|&(number, _)| number);
    all.into_iter().flat_map(|(_, lines)| lines).collect()
}

fn lines(file: &Path) -> Vec<Line> {
    let path = file.display().to_string();
    let dumps = match of_path(file) {
        Ok(dumps) => dumps,
        Err(error) => {
            return vec![Line {
                path,
                format: None,
                vendor: None,
                signature: None,
                brand: None,
                packages: 0,
                cores: 0,
                cpus: 0,
                hybrid: false,
                codename: None,
                note: Some(error.to_string()),
            }];
        }
    };
    dumps
        .into_iter()
        .map(|dump| {
            let identity = dump.set.first().map(Identity::of).unwrap_or_default();
            let topology = decode(&dump.set);
            Line {
                path: dump.origin,
                format: Some(dump.format),
                vendor: identity.vendor_name,
                signature: identity.signature,
                brand: identity.brand,
                packages: topology.packages.len(),
                cores: topology.cores.len(),
                cpus: dump.set.cpus().len(),
                hybrid: dump.set.is_hybrid(),
                codename: dump.set.first().and_then(|first| codename::of(first).codename),
                note: damage_note(&dump.damage),
            }
        })
        .collect()
}

/// Columns of one width first, then what has any length.
fn print(lines: &[Line], out: &mut dyn Write) -> Result<(), Error> {
    for line in lines {
        let path = printable(&line.path);
        if line.format.is_none() {
            writeln!(out, "not read: {}", line.note.as_deref().unwrap_or_default())?;
            continue;
        }
        let signature = line.signature.map_or("-".to_owned(), |signature| signature.to_string());
        let vendor = line.vendor.as_deref().unwrap_or("-");
        let brand = line.brand.as_deref().unwrap_or("no brand string");
        writeln!(
            out,
            "{:<12}  {signature:<8}  {:>2} x {:>3} cores {:>4} CPUs {:<6}  {:<20}  {:<48}  {path}",
            printable(vendor),
            line.packages,
            line.cores,
            line.cpus,
            if line.hybrid { "hybrid" } else { "" },
            line.codename.unwrap_or("-"),
            printable(brand)
        )?;
        if let Some(note) = &line.note {
            writeln!(out, "  note: {note}")?;
        }
    }
    Ok(())
}
