//! What a command is given: files of any kind, directories, standard input.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::Error;
use crate::found::Found;
use crate::gather::{Gathered, Options, gather, gather_directory, gather_reader};

/// Folders below folders that are looked into.
const DEPTH: usize = 16;

/// All updates of files, directories, initrds and images; what is damaged is left in the updates.
///
/// # Errors
/// When one of them cannot be read.
pub fn updates<P: AsRef<Path>>(paths: &[P]) -> Result<Vec<Found>, Error> {
    let mut all = Vec::new();
    for path in paths {
        all.extend(
            open(
                path.as_ref(),
                Options {
                    scan: true,
                    compressed: false,
                },
            )?
            .found,
        );
    }
    Ok(all)
}

/// Whatever stands at a path; `-` is standard input.
pub(super) fn open(path: &Path, options: Options) -> Result<Gathered, Error> {
    let name = path.display().to_string();
    if path == Path::new("-") {
        let mut bytes = Vec::new();
        io::stdin().lock().read_to_end(&mut bytes).map_err(Error::read(path))?;
        return Ok(gather("standard input", bytes, options));
    }
    if path.is_dir() {
        let mut files = Vec::new();
        for file in below(path)? {
            let bytes = fs::read(&file).map_err(Error::read(&file))?;
            let name = file.strip_prefix(path).unwrap_or(&file);
            files.push((name.to_string_lossy().into_owned(), bytes));
        }
        let scan = Options { scan: false, ..options };
        return Ok(gather_directory(&name, files, scan));
    }
    let file = fs::File::open(path).map_err(Error::read(path))?;
    gather_reader(&name, file, options).map_err(Error::read(path))
}

/// Files below a directory, in the order of their names; links to directories are not followed.
pub(super) fn below(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut files = Vec::new();
    walk(folder, DEPTH, &mut files)?;
    Ok(files)
}

fn walk(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<(), Error> {
    let entries = fs::read_dir(folder).map_err(Error::read(folder))?;
    let mut paths: Vec<PathBuf> = entries.filter_map(Result::ok).map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        let is_folder = fs::symlink_metadata(&path).is_ok_and(|meta| meta.is_dir());
        if is_folder && depth > 0 {
            walk(&path, depth.saturating_sub(1), files)?;
        } else if path.is_file() {
            files.push(path);
        }
    }
    Ok(())
}
