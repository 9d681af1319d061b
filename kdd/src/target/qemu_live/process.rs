//! The process of QEMU as /proc shows it: its mappings, its files, its memory.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// A mapping of a process (a line of /proc/PID/maps).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mapping {
    /// First address.
    pub(super) start: u64,
    /// First address behind it.
    pub(super) end: u64,
    /// Whether writes reach the file.
    pub(super) shared: bool,
    /// Offset in the file.
    pub(super) offset: u64,
    /// Inode; 0 without a file.
    pub(super) inode: u64,
    /// Name of the file.
    pub(super) path: String,
}

/// The mappings of a process.
pub(super) fn mappings(pid: u32) -> io::Result<Vec<Mapping>> {
    let text = fs::read(format!("/proc/{pid}/maps"))?;
    Ok(String::from_utf8_lossy(&text).lines().filter_map(mapping).collect())
}

fn mapping(line: &str) -> Option<Mapping> {
    let mut words = line.split_ascii_whitespace();
    let (start, end) = words.next()?.split_once('-')?;
    let flags = words.next()?;
    let offset = words.next()?;
    let inode = words.nth(1)?;
    let path: Vec<&str> = words.collect();
    Some(Mapping {
        start: u64::from_str_radix(start, 16).ok()?,
        end: u64::from_str_radix(end, 16).ok()?,
        shared: flags.ends_with('s'),
        offset: u64::from_str_radix(offset, 16).ok()?,
        inode: inode.parse().ok()?,
        path: path.join(" "),
    })
}

/// Opens the file behind a mapping: by the mapping itself, by a file that the process has open, or by name.
pub(super) fn backing(pid: u32, mapping: &Mapping) -> io::Result<File> {
    let same = |file: &File| file.metadata().is_ok_and(|meta| meta.ino() == mapping.inode);
    let Mapping { start, end, .. } = mapping;
    if let Ok(file) = File::open(format!("/proc/{pid}/map_files/{start:x}-{end:x}")) {
        return Ok(file);
    }
    if let Ok(entries) = fs::read_dir(format!("/proc/{pid}/fd")) {
        for entry in entries.flatten().take(65_536) {
            // Only files are opened: opening a FIFO would wait, opening a device may do anything.
            let inode = fs::metadata(entry.path())
                .ok()
                .filter(fs::Metadata::is_file)
                .map(|meta| meta.ino());
            if inode == Some(mapping.inode)
                && let Ok(file) = File::open(entry.path())
            {
                return Ok(file);
            }
        }
    }
    let path = Path::new(&mapping.path);
    let regular = fs::metadata(path)?.is_file();
    let file = if regular {
        File::open(path)?
    } else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    same(&file)
        .then_some(file)
        .ok_or_else(|| io::ErrorKind::NotFound.into())
}

/// Opens the memory of the process.
pub(super) fn memory(pid: u32) -> io::Result<File> {
    File::open(format!("/proc/{pid}/mem"))
}

/// The words that a process was started with.
pub(super) fn words(pid: u32) -> Vec<String> {
    let text = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let words = text.split(|byte| *byte == 0).filter(|word| !word.is_empty());
    words.map(|word| String::from_utf8_lossy(word).into_owned()).collect()
}

/// Whether a process was started as QEMU is.
pub(super) fn is_qemu(words: &[String]) -> bool {
    let name = words.first().and_then(|word| Path::new(word).file_name()?.to_str());
    name.is_some_and(|name| name.starts_with("qemu-system-") || matches!(name, "qemu-kvm" | "kvm" | "qemu"))
}

/// All processes of QEMU that can be seen, in order of number.
pub(super) fn all() -> Vec<(u32, Vec<String>)> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let numbers = entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let mut found: Vec<_> = numbers
        .map(|pid| (pid, words(pid)))
        .filter(|(_, words)| is_qemu(words))
        .collect();
    found.sort_by_key(|(pid, _)| *pid);
    found
}

/// The process of the guest with this QMP socket: the one that made it listen when that is QEMU (libvirt makes
/// the socket itself), else the one whose command line names it or libvirt's folder of the guest.
pub(super) fn find(listening: Option<u32>, socket: &Path) -> Option<u32> {
    if let Some(pid) = listening.filter(|pid| is_qemu(&words(*pid))) {
        return Some(pid);
    }
    let whole = fs::canonicalize(socket).unwrap_or_else(|_| socket.to_owned());
    let folder = whole
        .parent()
        .map(Path::to_path_buf)
        .filter(|_| is_monitor_of_libvirt(&whole));
    let named = |words: &[String]| {
        words.iter().any(|word| {
            let folder = folder.as_ref().and_then(|folder| folder.to_str());
            whole.to_str().is_some_and(|path| word.contains(path)) || folder.is_some_and(|path| word.contains(path))
        })
    };
    all().into_iter().find(|(_, words)| named(words)).map(|(pid, _)| pid)
}

fn is_monitor_of_libvirt(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name == "monitor.sock")
}

/// A path as a process means it: relative ones count from its current folder.
pub(super) fn resolve(pid: u32, path: &str) -> PathBuf {
    let path = Path::new(path);
    if path.is_absolute() {
        return path.to_owned();
    }
    fs::read_link(format!("/proc/{pid}/cwd")).unwrap_or_default().join(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mappings_are_read_with_names_that_hold_blanks() {
        let line = "7fdd77fff000-7fde77fff000 rw-s 00001000 00:01 6109      /memfd:memory-backend-memfd (deleted)";
        let mapping = mapping(line).expect("a mapping");
        assert_eq!((mapping.start, mapping.end), (0x7fdd_77ff_f000, 0x7fde_77ff_f000));
        assert_eq!((mapping.shared, mapping.offset, mapping.inode), (true, 0x1000, 6109));
        assert_eq!(mapping.path, "/memfd:memory-backend-memfd (deleted)");
    }

    #[test]
    fn own_mappings_lead_to_the_file_behind() {
        let pid = std::process::id();
        let mappings = mappings(pid).expect("own mappings");
        let program = std::env::current_exe().expect("a program");
        let own = mappings.iter().find(|mapping| Path::new(&mapping.path) == program);
        let file = backing(pid, own.expect("mapped")).expect("opened");
        assert_eq!(file.metadata().expect("a file").ino(), own.expect("mapped").inode);
    }

    #[test]
    fn qemu_is_told_by_its_name() {
        let words = |name: &str| vec![name.to_owned()];
        assert!(is_qemu(&words("/usr/bin/qemu-system-x86_64")));
        assert!(is_qemu(&words("/usr/libexec/qemu-kvm")));
        assert!(!is_qemu(&words("/usr/bin/qemu-img")));
        assert!(!is_qemu(&[]));
    }
}
