//! What a command is given: files of any kind, directories, standard input.

use std::fs;
use std::io::{self, Read};
use std::num::NonZero;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use super::Error;
use crate::found::Found;
use crate::gather::{Gathered, Kind, Options, gather, gather_directory, gather_reader, is_hidden};

/// Folders below folders that are looked into.
const DEPTH: usize = 16;
/// Bytes that are taken from standard input at most.
const MOST_STDIN: u64 = 1 << 30;
/// Files of a directory that are read at once.
const MOST_THREADS: usize = 4;

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
        let stdin = io::stdin().lock();
        stdin
            .take(MOST_STDIN)
            .read_to_end(&mut bytes)
            .map_err(Error::read(path))?;
        if bytes.len() as u64 == MOST_STDIN {
            return Err(Error::refused(
                "standard input",
                "more than 1 GiB: give it as a file, which is not held in memory",
            ));
        }
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
    if file.metadata().is_ok_and(|meta| meta.file_type().is_char_device()) {
        return Err(Error::refused(name, "is a character device: it has no end"));
    }
    gather_reader(&name, file, options).map_err(Error::read(path))
}

/// What `make` makes of each file: of a directory file by file, whose bytes are gone when the next
/// is read. Hidden, empty and other files of a directory are passed over.
pub(super) fn each<T: Send>(
    path: &Path,
    options: Options,
    make: &(dyn Fn(Gathered) -> T + Sync),
) -> Result<Vec<T>, Error> {
    if path == Path::new("-") || !path.is_dir() {
        return Ok(vec![make(open(path, options)?)]);
    }
    let mut files = below(path)?;
    files.retain(|file| !file.strip_prefix(path).is_ok_and(is_hidden));
    let scan = Options { scan: false, ..options };
    let next = AtomicUsize::new(0);
    let work = || {
        let mut made = Vec::new();
        let mut buffer = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(file) = files.get(number) else { return Ok(made) };
            if let Some(all) = one(file, &mut buffer, scan, make)? {
                made.push((number, all));
            }
        }
    };
    let threads = thread::available_parallelism()
        .map_or(1, NonZero::get)
        .min(MOST_THREADS)
        .min(files.len());
    let done: Vec<Result<Vec<(usize, T)>, Error>> = thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        let own = work();
        let joined = others.into_iter().filter_map(|thread| thread.join().ok());
        std::iter::once(own).chain(joined).collect()
    });
    let mut made = Vec::with_capacity(files.len());
    for part in done {
        made.extend(part?);
    }
    made.sort_by_key(|(number, _)| *number);
    Ok(made.into_iter().map(|(_, made)| made).collect())
}

/// The memory of `buffer` is used for every file: that of each anew would cost more than its reading.
fn one<T>(
    file: &Path,
    buffer: &mut Vec<u8>,
    options: Options,
    make: &dyn Fn(Gathered) -> T,
) -> Result<Option<T>, Error> {
    buffer.clear();
    let mut input = fs::File::open(file).map_err(Error::read(file))?;
    input.read_to_end(buffer).map_err(Error::read(file))?;
    let bytes = Arc::new(std::mem::take(buffer));
    let all = gather(&file.display().to_string(), Arc::clone(&bytes), options);
    let made = (all.kind != Kind::Other).then(|| make(all));
    *buffer = Arc::try_unwrap(bytes).unwrap_or_default();
    Ok(made)
}

/// Files below a directory, in the order of their names; links to directories are not followed.
pub(super) fn below(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut files = Vec::new();
    walk(folder, DEPTH, &mut files)?;
    Ok(files)
}

fn walk(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<(), Error> {
    let entries = fs::read_dir(folder).map_err(Error::read(folder))?;
    let mut paths: Vec<(PathBuf, fs::FileType)> = entries
        .filter_map(Result::ok)
        .filter_map(|entry| Some((entry.path(), entry.file_type().ok()?)))
        .collect();
    paths.sort_by(|one, other| one.0.cmp(&other.0));
    for (path, kind) in paths {
        if kind.is_dir() {
            if depth > 0 {
                walk(&path, depth.saturating_sub(1), files)?;
            }
        } else if kind.is_file() || path.is_file() {
            files.push(path);
        }
    }
    Ok(())
}
